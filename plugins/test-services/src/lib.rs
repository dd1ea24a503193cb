//! Uses what the host provides, as its input says: for tests of what a plugin gets and what it does not.

use cardine_plugin::host::{api, config, events, http, state};
use cardine_plugin::{CallContext, Manifest, Plugin, PluginError, Value, serde_json, serde_json::json};

/// The plugin `test-services`.
pub struct TestServices;

impl Plugin for TestServices {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(_context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError> {
        match name {
            "api" => Ok(run(&input)),
            "http" => Ok(send(&input)),
            "put" => Ok(put(&input)),
            "get" => Ok(get(&input)),
            "keys" => Ok(keys(&input)),
            "config" => Ok(configuration(&input)),
            "emit" => Ok(emit(&input)),
            "enqueue" => Ok(enqueue()),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

fn run(input: &Value) -> Value {
    let run_as = if input["runAs"] == "caller" { api::RunAs::Caller } else { api::RunAs::Plugin };
    let operation = |operation: &Value| api::Operation {
        document: text(&operation["document"]),
        variables: operation["variables"].to_string(),
        operation_name: None,
    };
    let operations: Vec<api::Operation> = list(&input["operations"]).iter().map(operation).collect();
    match api::execute_batch(run_as, &operations) {
        Ok(answers) => answers.iter().map(|answer| parsed(answer)).collect(),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn send(input: &Value) -> Value {
    let request = |request: &Value| http::Request {
        method: request["method"].as_str().unwrap_or("GET").to_owned(),
        url: text(&request["url"]),
        headers: list(&request["headers"]).iter().map(|header| (text(&header[0]), text(&header[1]))).collect(),
        body: request["body"].as_str().map(|body| body.as_bytes().to_vec()),
        timeout_ms: None,
    };
    let requests: Vec<http::Request> = list(&input["requests"]).iter().map(request).collect();
    let answer = |answer: Result<http::Response, http::HttpError>| match answer {
        Ok(answer) => json!({"status": answer.status, "body": String::from_utf8_lossy(&answer.body)}),
        Err(error) => json!({"refused": format!("{error:?}")}),
    };
    http::send_many(&requests).into_iter().map(answer).collect()
}

fn put(input: &Value) -> Value {
    let change = |change: &Value| state::Change {
        key: text(&change["key"]),
        value: change["value"].as_str().map(|value| value.as_bytes().to_vec()),
        expected_etag: change["etag"].as_str().map(str::to_owned),
        ttl_seconds: change["ttl"].as_u64().map(|seconds| seconds as u32),
    };
    let changes: Vec<state::Change> = list(&input["changes"]).iter().map(change).collect();
    match state::put_many(&changes) {
        Ok(etags) => json!(etags),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn get(input: &Value) -> Value {
    let keys: Vec<String> = list(&input["keys"]).iter().map(text).collect();
    match state::get_many(&keys) {
        Ok(entries) => entries
            .into_iter()
            .map(|entry| entry.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()))
            .map(|value| json!(value))
            .collect(),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn keys(input: &Value) -> Value {
    let limit = input["limit"].as_u64().unwrap_or(100) as u32;
    match state::list_keys(&text(&input["prefix"]), input["after"].as_str(), limit) {
        Ok(keys) => json!(keys),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn configuration(input: &Value) -> Value {
    let name = text(&input["secret"]);
    let told = |answer: Result<String, _>| match answer {
        Ok(text) => json!(text),
        Err(error) => json!({"refused": format!("{error:?}")}),
    };
    json!({
        "settings": parsed(&config::settings()),
        "handle": told(config::secret_handle(&name)),
        "value": told(config::reveal_secret(&name)),
    })
}

fn emit(input: &Value) -> Value {
    let times = input["times"].as_u64().unwrap_or(1);
    let emitted = (0..times).map(|_| events::emit(&text(&input["name"]), &input["payload"].to_string()));
    match emitted.collect::<Result<Vec<()>, _>>() {
        Ok(emitted) => json!({"emitted": emitted.len()}),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn enqueue() -> Value {
    match events::enqueue("emit", "{}", 0.0, None) {
        Ok(id) => json!(id),
        Err(error) => json!({"refused": format!("{error:?}")}),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or(Value::Null)
}

cardine_plugin::export_plugin!(TestServices);
