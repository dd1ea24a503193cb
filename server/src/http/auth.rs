//! `/auth/…`: signing in, refreshing, signing out.

use std::sync::Arc;

use chrono::Utc;
use poem::web::RemoteAddr;
use poem::{Addr, Request, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::error::ApiError;
use super::graphql_request::read_body;
use super::negotiation::is_json;
use crate::app::App;
use crate::auth::{SignInError, Tokens};

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefreshToken {
    refresh_token: String,
}

/// `POST /auth/sign-in` `{email, password}`.
pub async fn sign_in(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let credentials: Credentials = read_json(&app, &mut request, "{\"email\": \"…\", \"password\": \"…\"}").await?;
    let address = peer_address(&request)?;
    let signed_in = app.auth.sign_in(&app.engine, &credentials.email, &credentials.password, address, Utc::now()).await;
    answer_tokens(signed_in, "The e-mail address or the password is wrong.")
}

/// `POST /auth/refresh` `{refreshToken}`.
pub async fn refresh(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let body: RefreshToken = read_json(&app, &mut request, "{\"refreshToken\": \"…\"}").await?;
    let refreshed = app.auth.refresh(&app.engine, &body.refresh_token, Utc::now()).await;
    answer_tokens(refreshed, "The refresh token is not valid, or no longer. Sign in again.")
}

/// `POST /auth/sign-out` `{refreshToken}`.
pub async fn sign_out(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let body: RefreshToken = read_json(&app, &mut request, "{\"refreshToken\": \"…\"}").await?;
    app.auth.sign_out(&app.engine, &body.refresh_token, Utc::now()).await?;
    Ok(json_response(&json!({"signedOut": true})))
}

/// The peer's own address: what headers claim is not believed.
pub(super) fn peer_address(request: &Request) -> Result<std::net::IpAddr, ApiError> {
    match request.remote_addr() {
        RemoteAddr(Addr::SocketAddr(address)) => Ok(address.ip()),
        _ => {
            tracing::error!("a connection without an address");
            Err(ApiError::internal())
        }
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

fn answer_tokens(outcome: Result<Tokens, SignInError>, refusal: &str) -> Result<Response, ApiError> {
    match outcome {
        Ok(tokens) => Ok(json_response(&json!({
            "accessToken": tokens.access.reveal(),
            "refreshToken": tokens.refresh.reveal(),
            "expiresIn": tokens.expires_in,
        }))),
        Err(SignInError::Refused) => Err(ApiError::unauthenticated(refusal)),
        Err(SignInError::Wait { seconds }) => Err(ApiError::too_many_requests(seconds)),
        Err(SignInError::Engine(error)) => Err(error.into()),
    }
}

/// 200 with a JSON body.
pub(super) fn json_response(body: &serde_json::Value) -> Response {
    Response::builder().content_type("application/json; charset=utf-8").body(body.to_string())
}
