//! Who sends a request, in which time zone and language: from its headers to the engine's request context.

use std::str::FromStr as _;

use cardine_engine::identity::TokenOwner;
use cardine_engine::{Engine, RequestContext};
use cardine_graphql::subscription::Identity;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use poem::Request;
use poem::http::header;

use super::border::RequestId;
use super::credential::Credential;
use super::error::ApiError;
use crate::app::App;

/// An authenticated request.
pub struct Caller {
    /// Pinned to one snapshot of catalog and rights.
    pub context: RequestContext,
    /// What finds the caller's context at a later moment.
    pub identity: Identity,
    /// The token; `None` for an anonymous caller.
    pub token: Option<TokenOwner>,
}

/// What a request's headers wish for, apart from who sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// IANA name.
    pub time_zone: Option<String>,
    /// By BCP 47: best one first, with commas between.
    pub languages: Option<String>,
}

impl Wishes {
    /// Reads `Time-Zone` and `Accept-Language`.
    pub fn of(request: &Request) -> Result<Self, ApiError> {
        Ok(Self {
            time_zone: requested_time_zone(request)?.map(str::to_owned),
            languages: requested_languages(request.header(header::ACCEPT_LANGUAGE).unwrap_or_default()),
        })
    }
}

impl Caller {
    /// Reads `Authorization` or the cookie, `Time-Zone` and `Accept-Language`. Without a token the caller is anonymous; with a
    /// bad one it is refused, because a client that believes to be signed in must learn that it is not.
    pub async fn authenticate(app: &App, request: &Request) -> Result<Self, ApiError> {
        let credential = Credential::of(request, &app.public_url)?;
        let mut caller = Self::with_credential(app, credential.as_ref(), Wishes::of(request)?).await?;
        if let Some(RequestId(id)) = request.extensions().get() {
            caller.context.request_id = *id;
        }
        #[cfg(debug_assertions)]
        if let Some(moment) = moment_of_test(request) {
            let context = &mut caller.context;
            (context.now, context.today) = (moment, today(&context.actor.time_zone, moment));
            context.new_ids = cardine_engine::NewIds::counted_from(moment);
        }
        Ok(caller)
    }

    /// The caller who shows this, or the anonymous one who shows nothing.
    pub async fn with_credential(app: &App, credential: Option<&Credential>, wishes: Wishes) -> Result<Self, ApiError> {
        let now = Utc::now();
        let owner = match credential {
            None => None,
            Some(Credential::Bearer(token)) => Some(app.auth.owner(&app.engine, token, now).await?),
            Some(Credential::Cookie(cookie)) => Some(app.auth.owner_of(&app.engine, cookie, now).await?),
        };
        let token = owner.map(|owner| owner.ok_or_else(bad_token)).transpose()?;
        let user = token.as_ref().map(|owner| owner.user);
        let scopes = token.as_ref().and_then(|owner| owner.scopes.clone());
        let identity = Identity { user, scopes, time_zone: wishes.time_zone, languages: wishes.languages };
        let mut context = context_of(&app.engine, &identity);
        if context.is_none() && token.is_some() {
            // The database knows the token: its user may have been made a moment ago, by another process.
            app.engine.reload().await?;
            context = context_of(&app.engine, &identity);
        }
        let context = context.ok_or_else(bad_token)?;
        Ok(Self { context, identity, token })
    }

    /// Whether administrators' things are open.
    pub fn is_administrator(&self) -> bool {
        self.context.actor.rights.administrator && self.context.actor.user.is_some()
    }
}

/// The context of a caller as of now; `None` if the user is not active any more.
pub fn context_of(engine: &Engine, identity: &Identity) -> Option<RequestContext> {
    let (now, snapshot) = (Utc::now(), engine.snapshot());
    let (catalog, access) = (&snapshot.catalog, &snapshot.access);
    let (time_zone, languages) = (identity.time_zone.as_deref(), identity.languages.as_deref());
    let actor = match identity.user {
        None => access.anonymous(catalog, time_zone, languages).into(),
        Some(user) => access.shared_actor_within(catalog, user, identity.scopes.as_ref(), time_zone, languages)?,
    };
    let today = today(&actor.time_zone, now);
    Some(engine.request(snapshot, actor, now, today))
}

/// The moment at which a test wants its request to have been sent, so that two servers make the same ids and times.
#[cfg(debug_assertions)]
fn moment_of_test(request: &Request) -> Option<DateTime<Utc>> {
    request.header("cardine-test-moment").filter(|_| cardine_failpoints::is_tested())?.parse().ok()
}

fn bad_token() -> ApiError {
    ApiError::unauthenticated("The token is not valid, or no longer. Sign in again.")
}

fn requested_time_zone(request: &Request) -> Result<Option<&str>, ApiError> {
    let Some(name) = request.header("time-zone") else { return Ok(None) };
    match Tz::from_str(name) {
        Ok(_) => Ok(Some(name)),
        Err(_) => Err(ApiError::bad_request("The header Time-Zone must be an IANA name such as Europe/Rome.")),
    }
}

/// The languages that `Accept-Language` names, best one first; of those that are liked alike the first.
fn requested_languages(accept: &str) -> Option<String> {
    let mut found: Vec<(&str, f32)> = Vec::new();
    for range in accept.split(',').take(20) {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let quality = parameters.trim().strip_prefix("q=").map_or(Ok(1.0), |number| number.trim().parse());
        let quality = quality.ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0);
        let tag = tag.trim();
        let is_tag =
            (2..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if is_tag && quality > 0.0 {
            found.push((tag, quality));
        }
    }
    found.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let tags: Vec<&str> = found.into_iter().map(|(tag, _)| tag).collect();
    (!tags.is_empty()).then(|| tags.join(","))
}

/// The day in a time zone; in UTC for a name that this server does not know (any more).
pub fn today(time_zone: &str, now: DateTime<Utc>) -> chrono::NaiveDate {
    let zone = Tz::from_str(time_zone).unwrap_or(Tz::UTC);
    now.with_timezone(&zone).date_naive()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &'static str)]) -> Request {
        let mut request = Request::builder().finish();
        for (name, value) in headers {
            request.headers_mut().append(*name, poem::http::HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn the_day_is_that_of_the_time_zone() {
        let now = "2026-01-31T23:30:00Z".parse().unwrap();
        assert_eq!(today("Europe/Rome", now).to_string(), "2026-02-01");
        assert_eq!(today("America/New_York", now).to_string(), "2026-01-31");
        assert_eq!(today("Nowhere/Land", now).to_string(), "2026-01-31");
        assert!(requested_time_zone(&request(&[("time-zone", "Europe/Rome")])).is_ok());
        assert!(requested_time_zone(&request(&[("time-zone", "Rome; DROP")])).is_err());
    }

    #[test]
    fn languages_stand_in_the_order_in_which_they_are_liked() {
        let requested = |accept| requested_languages(accept).unwrap_or_default();
        assert_eq!(requested("it-IT,it;q=0.9,en;q=0.8"), "it-IT,it,en");
        assert_eq!(requested("en;q=0.5, it"), "it,en");
        assert_eq!(requested("fr, it"), "fr,it");
        assert_eq!(requested("de; q=0.2, fr;q=0.9, it;q=0.95, en;q=0.9"), "it,fr,en,de");
        assert_eq!(requested("*, <script>, en;q=0, fr;q=2, es;q=NaN, pt;q=x"), "");
        assert_eq!(requested_languages(""), None);
    }
}
