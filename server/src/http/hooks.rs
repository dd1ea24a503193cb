//! `/hooks/workflows/{path}/{token}`: requests from outside that start a workflow. Who does not know the address learns nothing of it.

use std::sync::Arc;

use cardine_engine::new_request_id;
use cardine_workflow::{HOOK_BODY_BYTES_MAX, HookError, HookRequest, hook_at};
use chrono::Utc;
use poem::http::StatusCode;
use poem::{Request, Response};
use serde_json::json;

use super::auth::json_response;
use super::border::RequestId;
use super::error::ApiError;
use super::graphql::idempotency_key;
use super::graphql_request::read_body;
use super::negotiation::is_json;
use crate::app::App;

/// The header with the signature of who sends.
const SIGNATURE: &str = "cardine-signature";

/// `POST /hooks/workflows/{path}/{token}`: 202 `{run}` once the run is queued. The caller needs no token of its own: the address is one.
pub async fn start(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let parameter = |name| request.raw_path_param(name).unwrap_or_default();
    let hook = hook_at(&app.engine.snapshot(), &app.outside.webhook_key, parameter("path"), parameter("token"));
    let hook = hook.ok_or_else(ApiError::not_found)?;
    if !is_json(request.content_type()) {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    let at = Utc::now();
    let id = request.extensions().get().map_or_else(|| new_request_id(at), |RequestId(id)| *id);
    let key = idempotency_key(&request)?;
    let signature = request.header(SIGNATURE).map(str::to_owned);
    let limits = &app.front.limits;
    let body = read_body(request.take_body(), limits.body_bytes.min(HOOK_BODY_BYTES_MAX)).await?.to_vec();
    let sent = HookRequest { body, signature, key, id, at, per_minute: limits.hook_requests };
    let run = hook.start(&app.engine, &app.outside.webhook_key, sent).await.map_err(refusal)?;
    let mut answer = json_response(&json!({"run": run}));
    answer.set_status(StatusCode::ACCEPTED);
    Ok(answer)
}

fn refusal(error: HookError) -> ApiError {
    match error {
        HookError::Unsigned => ApiError::unauthenticated(
            "Sign the request: Cardine-Signature: t=SECOND,v1=HMAC of SECOND, a dot and the body, by SHA-256, at most 5 minutes old.",
        ),
        HookError::NoJson => ApiError::bad_request("The body must be JSON."),
        HookError::Invalid(issues) => ApiError::invalid("The body is not what this address takes.", issues),
        HookError::OtherBody => ApiError::conflict("The header Idempotency-Key was sent with another body before."),
        HookError::TooMany { wait_seconds } => ApiError::too_many_requests(wait_seconds),
        HookError::Engine(error) => error.into(),
    }
}
