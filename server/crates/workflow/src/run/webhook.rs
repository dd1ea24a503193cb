//! Requests that steps send outside: signed, with the same key at every attempt, so that whoever gets it twice can tell.

use std::time::Duration;

use cardine_egress::{EgressError, Hosts, Request};
use cardine_engine::{Record, RequestContext};
use chrono::Utc;
use serde_json::{Map, Value as Json, json};

use super::acts::Done;
use super::state::Known;
use super::steps::Here;
use super::{OUTPUT_BYTES_MAX, RunState, Runner, StepError};
use crate::definition::ErrorClass;
use crate::program::WebhookOut;
use crate::template::Template;

/// The longest wait that an answer may ask for.
const RETRY_AFTER_MAX: u64 = 3_600;

impl Runner {
    /// The same at every attempt of one step, and for no other: by it whoever gets something twice can tell.
    pub(super) fn effect_key(&self, run: uuid::Uuid, state: &RunState, at: &Here<'_>) -> String {
        let key = [&run.to_string(), &at.node.id, &state.place()].map(String::as_str).join("-");
        key.trim_end_matches('-').to_owned()
    }

    pub(super) async fn webhook(
        &self,
        ctx: &RequestContext,
        run: uuid::Uuid,
        state: &RunState,
        at: &Here<'_>,
        webhook: &WebhookOut,
    ) -> Result<Done, StepError> {
        let known = Known::of(state, at.module);
        let text = |template: &Template| match template.fill(&known) {
            Json::Null => String::new(),
            Json::String(text) => text,
            other => other.to_string(),
        };
        let (url, body) = outgoing(ctx, state, at, webhook, &known);
        let bytes = if webhook.method == "GET" { Vec::new() } else { body.to_string().into_bytes() };
        if bytes.len() > OUTPUT_BYTES_MAX {
            let message =
                format!("LIMIT_EXCEEDED: the body has {} bytes; at most {OUTPUT_BYTES_MAX} are allowed", bytes.len());
            return Err(StepError::lasting(message));
        }
        let mut headers: Vec<(String, String)> =
            webhook.headers.iter().map(|(name, template)| (name.clone(), text(template))).collect();
        let mut put = |name: &str, value: String| {
            if !headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value));
            }
        };
        put("content-type", "application/json".to_owned());
        put("idempotency-key", self.effect_key(run, state, at));
        if let Some(secret) = &webhook.secret {
            headers.retain(|(name, _)| !name.eq_ignore_ascii_case("cardine-signature"));
            let signature = self.outside.webhook_key.signature(secret, Utc::now().timestamp(), &bytes);
            headers.push(("cardine-signature".to_owned(), signature));
        }
        let request = Request {
            headers,
            body: bytes,
            timeout: webhook.timeout,
            response_bytes_max: OUTPUT_BYTES_MAX / 2,
            ..Request::new(&webhook.method, &url)
        };
        let answer = self.outside.egress.send(&Hosts::Public, request).await.map_err(|error| match error {
            EgressError::Timeout(_) => StepError::of_class(ErrorClass::Timeout, error.to_string(), None),
            EgressError::Connect(_) => StepError::of_class(ErrorClass::Network, error.to_string(), None),
            EgressError::TooLarge(_) => StepError::lasting(format!("the webhook was called, but {error}")),
            _ => StepError::lasting(format!("the webhook was not called: {error}")),
        })?;
        if !(200..=299).contains(&answer.status) {
            let message = format!("the webhook answered {}", answer.status);
            let after = answer.header("retry-after").and_then(|text| text.parse::<u64>().ok());
            let after = after.map(|seconds| Duration::from_secs(seconds.min(RETRY_AFTER_MAX)));
            return Err(match class_of_answer(answer.status) {
                Some(class) => StepError::of_class(class, message, after),
                None => StepError::lasting(message),
            });
        }
        let given = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| Json::String(String::from_utf8_lossy(&answer.body).into_owned()));
        let input = json!({"method": webhook.method, "url": url, "body": body});
        Ok(Done { input: Some(input), output: json!({"status": answer.status, "body": given}), ..Done::default() })
    }
}

/// What a later request may be answered otherwise.
fn class_of_answer(status: u16) -> Option<ErrorClass> {
    match status {
        408 => Some(ErrorClass::Timeout),
        409 => Some(ErrorClass::Conflict),
        429 => Some(ErrorClass::RateLimited),
        425 | 500.. => Some(ErrorClass::Upstream),
        _ => None,
    }
}

/// Where a request goes, and what it says.
pub(super) fn outgoing(
    ctx: &RequestContext,
    state: &RunState,
    at: &Here<'_>,
    webhook: &WebhookOut,
    known: &Known<'_>,
) -> (String, Json) {
    let body = webhook.body.as_ref().map_or_else(|| event(ctx, state, at), |body| body.fill(known));
    (url_of(webhook, known), body)
}

/// What fills the address is one part of its path or query, whatever it holds.
fn url_of(webhook: &WebhookOut, known: &Known<'_>) -> String {
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20");
    webhook.url.fill_parts(known, encode)
}

/// What happened, as far as whoever the workflow runs as may read it.
fn event(ctx: &RequestContext, state: &RunState, at: &Here<'_>) -> Json {
    let mut event = Map::new();
    for name in ["kind", "module", "at", "trigger"] {
        if !state.event(name).is_null() {
            event.insert(name.to_owned(), state.event(name).clone());
        }
    }
    if let Some(module) = at.module {
        for name in ["record", "old"] {
            let Some(image) = state.event(name).as_object() else { continue };
            let mut record = Record::from_json(module, image);
            for field in &module.fields {
                if !ctx.actor.rights.can_read(module.id, field.id) {
                    record.set(field.id, cardine_model::Value::Null);
                }
            }
            event.insert(name.to_owned(), Json::Object(record.to_json(module)));
        }
    }
    Json::Object(event)
}
