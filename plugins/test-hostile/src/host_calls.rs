//! Calls into every interface of the host, with or without permission.

use cardine_plugin::bindings::cardine::plugin::types::HostError;
use cardine_plugin::{Value, host, serde_json::json};

/// Calls the API `times` times and counts the answers.
pub fn repeat(times: usize) -> Value {
    let (mut answered, mut denied, mut limited, mut unavailable) = (0, 0, 0, 0);
    for _ in 0..times {
        match execute() {
            Ok(_) => answered += 1,
            Err(HostError::Denied(_)) => denied += 1,
            Err(HostError::Limit(_)) => limited += 1,
            Err(HostError::Unavailable(_)) => unavailable += 1,
        }
    }
    json!({"answered": answered, "denied": denied, "limited": limited, "unavailable": unavailable})
}

/// One call of each function that needs a permission; what each answered, as text.
pub fn try_everything() -> Value {
    let request = host::http::Request {
        method: "GET".to_owned(),
        url: "https://example.org/".to_owned(),
        headers: Vec::new(),
        body: None,
        timeout_ms: None,
    };
    json!({
        "api.execute": format!("{:?}", execute()),
        "api.execute-batch": format!("{:?}", host::api::execute_batch(host::api::RunAs::Caller, &[operation()])),
        "state.get-many": format!("{:?}", host::state::get_many(&["a".to_owned()])),
        "state.put-many": format!("{:?}", host::state::put_many(&[])),
        "state.list-keys": format!("{:?}", host::state::list_keys("", None, 10)),
        "config.secret-handle": format!("{:?}", host::config::secret_handle("token")),
        "config.reveal-secret": format!("{:?}", host::config::reveal_secret("token")),
        "http.send-many": format!("{:?}", host::http::send_many(&[request])),
        "events.emit": format!("{:?}", host::events::emit("something", "{}")),
        "events.enqueue": format!("{:?}", host::events::enqueue("echo", "{}", 0.0, None)),
    })
}

/// Asks the API the same again and again, until it is refused; how often it was answered.
pub fn read_on(document: &str) -> Value {
    let operation =
        host::api::Operation { document: document.to_owned(), variables: "{}".to_owned(), operation_name: None };
    let mut answered = 0;
    while host::api::execute(host::api::RunAs::Plugin, &operation).is_ok() {
        answered += 1;
    }
    json!(answered)
}

/// Asks a host for as much as it may, all at the same time; what came of each.
pub fn sink(url: &str) -> Value {
    let request = || host::http::Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        timeout_ms: None,
    };
    let requests: Vec<host::http::Request> = (0..20).map(|_| request()).collect();
    host::http::send_many(&requests).iter().map(|answer| json!(answer.is_ok())).collect()
}

fn execute() -> Result<String, HostError> {
    host::api::execute(host::api::RunAs::Plugin, &operation())
}

fn operation() -> host::api::Operation {
    host::api::Operation { document: "{ __typename }".to_owned(), variables: "{}".to_owned(), operation_name: None }
}
