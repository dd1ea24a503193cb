//! Liveness, readiness and metrics, for whoever watches the server.

use std::sync::Arc;
use std::time::Duration;

use cardine_store::Deadline;
use poem::{Request, Response};
use serde_json::json;

use super::auth::json_response;
use super::error::ApiError;
use super::metrics::render_plugins;
use crate::app::App;

/// How long the database may take to answer whoever asks whether the server is ready.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// The process answers.
pub async fn live(_: Arc<App>, _: Request) -> Result<Response, ApiError> {
    Ok(json_response(&json!({"status": "live"})))
}

/// The process can serve: the database answers, and the end has not begun.
pub async fn ready(app: Arc<App>, _: Request) -> Result<Response, ApiError> {
    if app.is_draining() {
        return Err(ApiError::unavailable());
    }
    // A database that is busy for longer is one that cannot serve.
    let store = app.engine.store().until(Some(Deadline::after(READY_WITHIN)));
    let state = store.read(|tx| Box::pin(tx.state()));
    let state: Result<_, cardine_store::StoreError> = state.await;
    state.map_err(|error| {
        tracing::warn!(%error, "not ready: the database does not answer");
        ApiError::unavailable()
    })?;
    Ok(json_response(&json!({"status": "ready"})))
}

/// Counters for Prometheus.
pub async fn metrics(app: Arc<App>, _: Request) -> Result<Response, ApiError> {
    let mut text = app.metrics.render(app.engine.snapshot().catalog.version) + &app.outside.counters.render();
    render_plugins(&app.outside.plugins.counts(), &mut text);
    Ok(Response::builder().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}
