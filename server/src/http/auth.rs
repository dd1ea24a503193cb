//! `/auth/…`: signing in, refreshing, signing out, and forgotten passwords.

use std::sync::Arc;

use cardine_model::{Issue, path};
use chrono::Utc;
use poem::http::{StatusCode, header};
use poem::{Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::credential::{Credential, console_cookie, set_cookie};
use super::error::ApiError;
use super::graphql_request::read_body;
use super::negotiation::is_json;
use super::peer::peer;
use crate::app::App;
use cardine_auth::{ConsoleSession, ResetError, SignInError, Tokens};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    password: String,
    #[serde(default)]
    cookie: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RefreshToken {
    refresh_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reset {
    token: String,
    password: String,
}

const WRONG_CREDENTIALS: &str = "The e-mail address or the password is wrong.";

/// `POST /auth/sign-in` `{email, password}`: a pair of tokens, or with `cookie: true` a browser's session.
pub async fn sign_in(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let Credentials { email, password, cookie } =
        read_json(&app, &mut request, "{\"email\": \"…\", \"password\": \"…\"}").await?;
    let (peer, now) = (peer(&request, &app.config.trusted_proxies)?, Utc::now());
    if cookie {
        let signed_in = app.auth.sign_in_console(&app.engine, &email, &password, &peer, now).await;
        return answer_session(&app, signed_in.map_err(|error| refusal(error, WRONG_CREDENTIALS))?);
    }
    let signed_in = app.auth.sign_in(&app.engine, &email, &password, &peer, now).await;
    answer_tokens(signed_in, WRONG_CREDENTIALS)
}

/// `POST /auth/refresh` `{refreshToken}`.
pub async fn refresh(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let body: RefreshToken = read_json(&app, &mut request, "{\"refreshToken\": \"…\"}").await?;
    let peer = peer(&request, &app.config.trusted_proxies)?;
    let refreshed = app.auth.refresh(&app.engine, &body.refresh_token, &peer, Utc::now()).await;
    answer_tokens(refreshed, "The refresh token is not valid, or no longer. Sign in again.")
}

/// `POST /auth/sign-out` `{refreshToken}`; a browser sends its cookie, the token of its page and no body.
pub async fn sign_out(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let now = Utc::now();
    if request.content_type().is_none()
        && let Some(Credential::Cookie(cookie)) = Credential::of(&request, &app.public_url)?
    {
        if let Some(owner) = app.auth.owner_of(&app.engine, &cookie, now).await?
            && let Some(session) = owner.session
        {
            app.engine.end_session_with_id(session.id, owner.user, now).await?;
            app.auth.forget_tokens();
        }
        let mut answer = json_response(&json!({"signedOut": true}));
        answer.headers_mut().insert(header::SET_COOKIE, set_cookie(&app.public_url, "", 0));
        return Ok(answer);
    }
    let body: RefreshToken = read_json(&app, &mut request, "{\"refreshToken\": \"…\"}").await?;
    app.auth.sign_out(&app.engine, &body.refresh_token, now).await?;
    Ok(json_response(&json!({"signedOut": true})))
}

/// `GET /auth/session`: the token of the pages of a browser's session, for one that was opened anew. Pages of other origins
/// cannot read the answer.
pub async fn session(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let none = || ApiError::unauthenticated("There is no session. Sign in with \"cookie\": true.");
    let cookie = console_cookie(request.headers(), &app.public_url)?.ok_or_else(none)?;
    let now = Utc::now();
    let owner = app.auth.owner_of(&app.engine, &cookie, now).await?.ok_or_else(none)?;
    let is_active = app.engine.snapshot().access.user(owner.user).is_some_and(|user| user.active);
    let ends = owner.expires_at.filter(|_| is_active).ok_or_else(none)?;
    Ok(json_response(&json!({"csrfToken": cookie.csrf_token(), "expiresIn": (ends - now).num_seconds()})))
}

/// `POST /auth/forgot-password` `{email}`: always the same answer. The mail follows if somebody has the address.
pub async fn forgot_password(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let Forgotten { email } = read_json(&app, &mut request, "{\"email\": \"…\"}").await?;
    if app.config.mail.is_none() {
        return Err(ApiError::unavailable_here("This server sends no mail. Ask an administrator for a new password."));
    }
    let (peer, now) = (peer(&request, &app.config.trusted_proxies)?, Utc::now());
    if !app.auth.forgot_password(&app.engine, &email, &peer, app.reset_limits(), now).await? {
        // Counted for the network alone: it tells nothing of the address.
        return Err(ApiError::too_many_requests(3_600));
    }
    let mut answer = json_response(&json!({"requested": true}));
    answer.set_status(StatusCode::ACCEPTED);
    Ok(answer)
}

/// `POST /auth/reset-password` `{token, password}`: sets the password by the link that was mailed.
pub async fn reset_password(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let Reset { token, password } = read_json(&app, &mut request, "{\"token\": \"…\", \"password\": \"…\"}").await?;
    match app.auth.reset_password(&app.engine, &token, &password, Utc::now()).await {
        Ok(()) => Ok(json_response(&json!({"reset": true}))),
        Err(ResetError::Stale) => {
            Err(ApiError::unauthenticated("The link was used, or is not good any more. Ask for a new one."))
        }
        Err(ResetError::Unfit(unfit)) => {
            let issue = Issue::new(path!["password"], "length", unfit.to_string());
            Err(cardine_engine::EngineError::Validation(vec![issue]).into())
        }
        Err(ResetError::Engine(error)) => Err(error.into()),
    }
}

async fn read_json<T: DeserializeOwned>(app: &App, request: &mut Request, form: &str) -> Result<T, ApiError> {
    // Only JSON, which a form of a foreign page cannot send.
    if !is_json(request.content_type()) {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    let body = read_body(request.take_body(), app.front.limits.body_bytes).await?;
    // Not what the parser says: it may quote a password.
    serde_json::from_slice(&body).map_err(|_| ApiError::bad_request(format!("The body must be a JSON object: {form}.")))
}

fn answer_tokens(outcome: Result<Tokens, SignInError>, refused: &str) -> Result<Response, ApiError> {
    let tokens = outcome.map_err(|error| refusal(error, refused))?;
    Ok(json_response(&json!({
        "accessToken": tokens.access.reveal(),
        "refreshToken": tokens.refresh.reveal(),
        "expiresIn": tokens.expires_in,
    })))
}

fn answer_session(app: &App, session: ConsoleSession) -> Result<Response, ApiError> {
    let ConsoleSession { cookie, expires_in } = session;
    let mut answer = json_response(&json!({"csrfToken": cookie.csrf_token(), "expiresIn": expires_in}));
    answer.headers_mut().insert(header::SET_COOKIE, set_cookie(&app.public_url, cookie.reveal(), expires_in));
    Ok(answer)
}

/// Why somebody is not signed in, in words; `refused` where the password or token is wrong.
pub fn refusal(error: SignInError, refused: &str) -> ApiError {
    match error {
        SignInError::Refused => ApiError::unauthenticated(refused),
        SignInError::Wait { seconds } => ApiError::too_many_requests(seconds),
        SignInError::Engine(error) => error.into(),
    }
}

/// 200 with a JSON body.
pub(super) fn json_response(body: &serde_json::Value) -> Response {
    Response::builder().content_type("application/json; charset=utf-8").body(body.to_string())
}
