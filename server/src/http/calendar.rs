//! `GET /calendars/{key}/{file}`: a user's calendar for programs that show calendars, by an API key in the address.

use std::sync::Arc;

use cardine_graphql::subscription::Identity;
use cardine_model::catalog::Module;
use cardine_model::name::lower_first;
use chrono::{NaiveTime, TimeDelta};
use poem::http::{StatusCode, header};
use poem::{Request, Response};
use sha2::{Digest as _, Sha256};

use super::caller::Wishes;
use super::credential::Credential;
use super::error::ApiError;
use super::{Caller, context_of, download, icalendar};
use crate::app::App;

/// What stands behind the name in the address.
const SUFFIX: &str = ".ics";
/// How many days of what is over are shown, and how many of what is to come.
const DAYS: (i64, i64) = (30, 336);

/// Answers the calendar as it is now. An address that is not good, or no longer, is like one that never was.
pub async fn feed(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let name = request.raw_path_param("file").and_then(|file| file.strip_suffix(SUFFIX));
    let name = name.ok_or_else(ApiError::not_found)?;
    let caller = caller(&app, request.raw_path_param("key").unwrap_or_default()).await?;
    let is_meant = |module: &&Arc<Module>| module.unserved.is_none() && lower_first(&module.plural) == name;
    let (catalog, rights) = (caller.context.catalog(), &caller.context.actor.rights);
    let module = catalog.modules.iter().find(is_meant).filter(|module| rights.can_read_module(module.id));
    let module = module.ok_or_else(ApiError::not_found)?;
    let is_named = module.name_field.is_some_and(|field| rights.can_read(module.id, field));
    // Whose the records are is asked as the user: a scope for the module alone knows of no owners.
    let whole = context_of(&app.engine, &Identity { scopes: None, ..caller.identity });
    let context = whole.ok_or_else(ApiError::not_found)?.within(app.front.limits.execution);
    let module = context.catalog().served_by_name(&module.name).ok_or_else(ApiError::not_found)?;
    let today = context.now.date_naive().and_time(NaiveTime::MIN).and_utc();
    let window = (today - TimeDelta::days(DAYS.0), today + TimeDelta::days(DAYS.1));
    let entries = app.engine.calendar(&context, module.id, window).await?.ok_or_else(ApiError::not_found)?;
    let (one, all) = [&module.label, &module.plural_label].map(|label| label.text(&context.actor.languages)).into();
    let body = icalendar::write(all, one, is_named, &entries);
    let tag = format!("\"{}\"", hex(&Sha256::digest(body.as_bytes())));
    let answer = |status| {
        Response::builder()
            .status(status)
            .header(header::ETAG, &tag)
            // The secret is in the address: nobody else keeps what it leads to.
            .header(header::CACHE_CONTROL, "private, no-cache")
    };
    if download::is_named(request.headers(), header::IF_NONE_MATCH, &tag) {
        return Ok(answer(StatusCode::NOT_MODIFIED).finish());
    }
    Ok(answer(StatusCode::OK).content_type("text/calendar; charset=utf-8").body(body))
}

/// Whose key it is. An address is written down in many places, so one whose key may do more than read some modules is refused.
async fn caller(app: &App, key: &str) -> Result<Caller, ApiError> {
    let credential = Credential::Bearer(key.to_owned());
    let wishes = Wishes { time_zone: None, languages: None };
    let caller = match Caller::with_credential(app, Some(&credential), wishes).await {
        Err(error) if error.status == StatusCode::UNAUTHORIZED => return Err(ApiError::not_found()),
        caller => caller?,
    };
    let scopes = caller.token.as_ref().and_then(|token| token.scopes.as_ref());
    if scopes.is_some_and(|scopes| scopes.only_read()) { Ok(caller) } else { Err(ApiError::not_found()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
