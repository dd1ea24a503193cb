//! Events of plugins: those that were granted, with payloads of bounded size.

use cardine_engine::{EngineError, new_request_id};
use cardine_plugin_host::CallContext;
use cardine_plugin_host::port::HostError;
use cardine_workflow::{EmittedEvent, PAYLOAD_BYTES_MAX, emit_event};
use chrono::Utc;
use serde_json::Value as Json;

use super::services::OfOperation;

/// Emits an event; once it is answered, what waits for it is queued.
pub(super) async fn emit(of: &OfOperation, call: &CallContext, name: String, payload: String) -> Result<(), HostError> {
    if !of.granted().events.contains(&name) {
        return Err(HostError::Denied(format!("the plugin was not granted to emit `{name}`: `events.emit`")));
    }
    of.count_event().map_err(HostError::Limit)?;
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(HostError::Limit(format!("the payload of an event may have {PAYLOAD_BYTES_MAX} bytes")));
    }
    let payload: Json = serde_json::from_str(&payload)
        .map_err(|_| HostError::Denied("the payload of an event is JSON text".to_owned()))?;
    let at = Utc::now();
    let event = EmittedEvent {
        plugin: of.name().to_owned(),
        name,
        payload,
        at,
        user: call.user.as_deref().and_then(|user| user.parse().ok()),
        request: call.request_id.parse().unwrap_or_else(|_| new_request_id(at)),
        depth: u32::from(call.depth) + 1,
    };
    match emit_event(&of.server.engine, event).await {
        Ok(_) => Ok(()),
        Err(EngineError::Limit(message)) => Err(HostError::Limit(message)),
        Err(error) => {
            tracing::warn!(plugin = of.name(), %error, "an event can't be emitted");
            Err(HostError::Unavailable("the event can't be queued at the moment".to_owned()))
        }
    }
}
