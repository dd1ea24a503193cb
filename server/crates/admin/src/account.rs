//! One's own account: sessions, API keys and the password. Everybody who is signed in has it; administrators have others' too.

use async_graphql::{Context, ID, Object, Result, SimpleObject};
use cardine_auth::SignInError;
use cardine_auth::secret::{Secret, SecretKind};
use cardine_engine::EngineError;
use cardine_engine::identity::{ApiKey as NewKey, ApiKeyRow, ListedSession, SessionOf};
use cardine_graphql::{Code, Error as Refusal};
use cardine_model::{Issue, path};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::AdminContext;
use super::error::{graphql_error, invalid, told};
use super::mutation::parse_id;
use super::people::NewApiKey;

/// How fresh a sign-in must be to make credentials that outlive it: a token that was stolen must not become a key.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// The fields at the root of the account's part of the schema.
pub const ROOT_FIELDS: [&str; 7] =
    ["sessions", "apiKeys", "changePassword", "createApiKey", "revokeApiKey", "revokeSession", "revokeAllSessions"];

/// A place where somebody is signed in.
#[derive(SimpleObject)]
pub struct Session {
    /// Its id.
    id: ID,
    /// When the password was shown.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    last_used_at: DateTime<Utc>,
    /// When it ends by itself.
    expires_at: DateTime<Utc>,
    /// What the client calls itself.
    user_agent: Option<String>,
    /// Where it calls from: an address, or the network of one.
    network: Option<String>,
    /// Whether this request belongs to it.
    current: bool,
}

/// A program's key, without its secret, which nobody is shown again.
#[derive(SimpleObject)]
pub struct ApiKey {
    /// Its id.
    id: ID,
    /// For people.
    name: String,
    /// What it leaves of the owner's rights; null: all.
    scopes: Option<Vec<String>>,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last used, to the minute; null: never.
    last_used_at: Option<DateTime<Utc>>,
    /// When it ends by itself; null: never.
    expires_at: Option<DateTime<Utc>>,
}

/// What somebody sees of an account.
#[derive(Default)]
pub struct AccountQuery;

/// What somebody changes of an account.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountQuery {
    /// Where one is signed in, the last used first; at most 200. Administrators may ask for those of any user.
    async fn sessions(&self, ctx: &Context<'_>, user: Option<ID>) -> Result<Vec<Session>> {
        let AdminContext { app, request, token, .. } = ctx.data_unchecked();
        let user = whose(ctx, user)?;
        let current = token.as_ref().and_then(|token| token.session).map(|session| session.id);
        let rows = app.engine.sessions_of(user, request.now).await.map_err(graphql_error)?;
        rows.into_iter().map(|row| Session::of(row, current)).collect()
    }

    /// One's API keys that are good, the newest first. Administrators may ask for those of any user.
    async fn api_keys(&self, ctx: &Context<'_>, user: Option<ID>) -> Result<Vec<ApiKey>> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let rows = app.engine.api_keys_of(whose(ctx, user)?, request.now).await.map_err(graphql_error)?;
        rows.into_iter().map(ApiKey::of).collect()
    }
}

#[Object]
impl AccountMutation {
    /// Sets one's password. All other sessions end, and links that were mailed to reset it.
    async fn change_password(&self, ctx: &Context<'_>, current: String, new: String) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let (user, session) = signed_in(ctx)?;
        let stored = confirm(ctx, user, &current, "current").await?;
        let hash = app.auth.passwords.hash(&new).await;
        let hash = hash.map_err(|unfit| invalid(Issue::new(path!["new"], "length", unfit.to_string())))?;
        let set = app.engine.set_password(request.into(), user, Some(stored), hash, Some(session.id)).await;
        app.auth.forget_tokens();
        set.map(|()| true).map_err(graphql_error)
    }

    /// Makes an API key of one's own. Its secret is shown this once. `scopes` leave a part of what one may do: `records:read`,
    /// `records:write`, `admin`, or by module `Deal:read`, `Deal:write`. Later than 5 minutes after the sign-in it needs the
    /// password.
    async fn create_api_key(
        &self,
        ctx: &Context<'_>,
        name: String,
        scopes: Option<Vec<String>>,
        expires_at: Option<DateTime<Utc>>,
        password: Option<String>,
    ) -> Result<NewApiKey> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let (user, session) = signed_in(ctx)?;
        match password {
            Some(password) => drop(confirm(ctx, user, &password, "password").await?),
            None if request.now - session.signed_in_at <= FRESH => {}
            None => {
                let message = "You signed in more than 5 minutes ago: give your password too.";
                return Err(refused_at(message, "password"));
            }
        }
        let secret = Secret::generate(SecretKind::ApiKey);
        let key = NewKey { name, secret_hash: secret.hash().to_hex(), scopes, expires_at };
        let id = app.engine.create_api_key(request.into(), user, key).await.map_err(graphql_error)?;
        Ok(NewApiKey { id: ID(id.to_string()), secret: secret.reveal().to_owned() })
    }

    /// Ends an API key at once; administrators may end anybody's. Gives its id.
    async fn revoke_api_key(&self, ctx: &Context<'_>, id: ID) -> Result<ID> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let (user, _) = signed_in(ctx)?;
        let key = parse_id(&id, "id")?;
        let owner = (!is_administrator(ctx)).then_some(user);
        app.engine.revoke_api_key(request.into(), key, owner).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        Ok(id)
    }

    /// Ends a session at once; administrators may end anybody's. Gives its id.
    async fn revoke_session(&self, ctx: &Context<'_>, id: ID) -> Result<ID> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let (user, _) = signed_in(ctx)?;
        let session = parse_id(&id, "id")?;
        let owner = (!is_administrator(ctx)).then_some(user);
        app.engine.revoke_session(request.into(), session, owner).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        Ok(id)
    }

    /// Ends all of one's sessions but this one, or this one too. Administrators may end those of any user.
    async fn revoke_all_sessions(
        &self,
        ctx: &Context<'_>,
        user: Option<ID>,
        #[graphql(default = false)] this_too: bool,
    ) -> Result<bool> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let (_, session) = signed_in(ctx)?;
        let user = whose(ctx, user)?;
        let stays = (!this_too).then_some(session.id);
        app.engine.revoke_sessions(request.into(), user, stays).await.map_err(graphql_error)?;
        app.auth.forget_tokens();
        Ok(true)
    }
}

impl Session {
    fn of(row: ListedSession, current: Option<Uuid>) -> Result<Self> {
        let created_at = instant(&row.signed_in_at)?;
        Ok(Self {
            id: ID(row.chain.to_string()),
            created_at,
            last_used_at: row.last_used_at.as_deref().map_or(Ok(created_at), instant)?,
            expires_at: instant(&row.expires_at)?,
            user_agent: row.user_agent,
            network: row.network,
            current: current == Some(row.chain),
        })
    }
}

impl ApiKey {
    fn of(row: ApiKeyRow) -> Result<Self> {
        let scopes: Vec<String> =
            serde_json::from_str(&row.scopes).map_err(|_| graphql_error(EngineError::Internal))?;
        Ok(Self {
            id: ID(row.id.to_string()),
            name: row.name,
            scopes: (!scopes.is_empty()).then_some(scopes),
            created_at: instant(&row.created_at)?,
            last_used_at: row.last_used_at.as_deref().map(instant).transpose()?,
            expires_at: row.expires_at.as_deref().map(instant).transpose()?,
        })
    }
}

fn instant(text: &str) -> Result<DateTime<Utc>> {
    let instant = DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc());
    instant.map_err(|_| graphql_error(EngineError::Internal))
}

fn is_administrator(ctx: &Context<'_>) -> bool {
    ctx.data_unchecked::<AdminContext>().request.actor.rights.administrator
}

/// The caller, or the user that an administrator asks about.
fn whose(ctx: &Context<'_>, user: Option<ID>) -> Result<Uuid> {
    let own = ctx.data_unchecked::<AdminContext>().request.actor.user;
    let own = own.ok_or_else(|| graphql_error(EngineError::Internal))?;
    match user {
        None => Ok(own),
        Some(user) => {
            let user = parse_id(&user, "user")?;
            if user == own || is_administrator(ctx) {
                return Ok(user);
            }
            Err(graphql_error(EngineError::Forbidden("only administrators may do this for others".to_owned())))
        }
    }
}

/// The caller and its session. A program's key is no way to make, keep or end credentials.
fn signed_in(ctx: &Context<'_>) -> Result<(Uuid, SessionOf)> {
    let AdminContext { request, token, .. } = ctx.data_unchecked();
    let session = token.as_ref().and_then(|token| token.session);
    request.actor.user.zip(session).ok_or_else(|| {
        let message = "an API key does not manage credentials: sign in by password".to_owned();
        graphql_error(EngineError::Forbidden(message))
    })
}

/// Has the caller show the password again; gives its stored hash.
async fn confirm(ctx: &Context<'_>, user: Uuid, password: &str, argument: &str) -> Result<String> {
    let AdminContext { app, peer, .. } = ctx.data_unchecked();
    let peer = peer.as_ref().ok_or_else(|| graphql_error(EngineError::Internal))?;
    let confirmed = app.auth.confirm_password(&app.engine, user, password, peer, Utc::now()).await;
    confirmed.map_err(|error| match error {
        SignInError::Refused => refused_at("The password is wrong.", argument),
        SignInError::Wait { seconds } => {
            told(Refusal::new(Code::LimitExceeded, format!("Too many attempts. Try again in {seconds} s.")))
        }
        SignInError::Engine(error) => graphql_error(error),
    })
}

fn refused_at(message: &str, argument: &str) -> async_graphql::Error {
    let issues = vec![Issue::new(path![argument], "password", message.to_owned())];
    told(Refusal { issues, ..Refusal::new(Code::Forbidden, message) })
}
