//! Hands text messages of workflows to the HTTP address of whoever delivers them.
//!
//! The address is the setting `url`: it gets `{"to", "text"}` by POST, with the header `Idempotency-Key`, and with `"usesToken": true`
//! the secret `TOKEN` as `Authorization: Bearer`. Its answer may have an `id`.

use cardine_plugin::host::{config, http};
use cardine_plugin::{CallContext, FunctionPlugin, Manifest, PluginError, Value, serde_json, serde_json::json};

/// The plugin `sms-gateway`.
pub struct SmsGateway;

impl FunctionPlugin for SmsGateway {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(_context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError> {
        match name {
            "sendSms" => send(&input),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

fn send(input: &Value) -> Result<Value, PluginError> {
    let settings: Value = serde_json::from_str(&config::settings()).unwrap_or_default();
    let Some(url) = settings["url"].as_str() else {
        return Err(PluginError::Denied("set the address of the gateway: the setting `url`".to_owned()));
    };
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("idempotency-key".to_owned(), text("idempotencyKey")),
    ];
    if settings["usesToken"] == true {
        let handle = config::secret_handle("TOKEN").map_err(|error| PluginError::Denied(format!("{error:?}")))?;
        headers.push(("authorization".to_owned(), format!("Bearer {handle}")));
    }
    let body = json!({"to": text("to"), "text": text("text")}).to_string().into_bytes();
    let request =
        http::Request { method: "POST".to_owned(), url: url.to_owned(), headers, body: Some(body), timeout_ms: None };
    match http::send_many(&[request]).pop() {
        Some(Ok(answer)) => outcome(answer.status, &answer.body),
        Some(Err(http::HttpError::Timeout | http::HttpError::Connect(_))) | None => {
            Err(later("the gateway can't be reached".to_owned()))
        }
        Some(Err(error)) => Err(PluginError::Denied(format!("the gateway was not called: {error:?}"))),
    }
}

/// What an answer means: sent, to be tried again, or refused for good.
fn outcome(status: u16, body: &[u8]) -> Result<Value, PluginError> {
    match status {
        200..=299 => {
            let answer: Value = serde_json::from_slice(body).unwrap_or_default();
            let id = answer["id"].as_str().map(|id| id.chars().take(200).collect::<String>());
            Ok(json!({"id": id}))
        }
        408 | 425 | 429 | 500.. => Err(later(format!("the gateway answered {status}"))),
        _ => Err(PluginError::Denied(format!("the gateway answered {status}"))),
    }
}

fn later(message: String) -> PluginError {
    PluginError::Retryable { message, after_ms: None }
}

cardine_plugin::export_functions!(SmsGateway);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_busy_is_tried_again_and_what_is_refused_is_not() {
        assert_eq!(outcome(202, b"{\"id\": \"m-1\", \"state\": \"queued\"}"), Ok(json!({"id": "m-1"})));
        assert_eq!(outcome(200, b"no JSON"), Ok(json!({"id": null})));
        for status in [429, 500, 503] {
            assert!(matches!(outcome(status, b""), Err(PluginError::Retryable { .. })), "{status}");
        }
        for status in [302, 400, 401] {
            assert!(matches!(outcome(status, b""), Err(PluginError::Denied(_))), "{status}");
        }
    }
}
