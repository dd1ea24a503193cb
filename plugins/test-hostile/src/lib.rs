//! Breaks every bound on purpose, so that tests can see the host hold it. It is never shipped.

mod breaches;
mod host_calls;

use std::cell::Cell;

use cardine_plugin::{CallContext, FunctionPlugin, Issue, Manifest, PluginError, Value, host, serde_json::json};

/// The plugin `test-hostile`.
pub struct Hostile;

impl FunctionPlugin for Hostile {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError> {
        match name {
            "echo" => Ok(input),
            "loop" => breaches::spin(),
            "grab" => breaches::grab(),
            "trap" => panic!("the plugin panicked on purpose"),
            "flood" => Ok(breaches::flood(number(&input, "lines"), number(&input, "bytes"))),
            "deep" => Ok(json!(breaches::dive(1))),
            "big-output" => Ok(json!("x".repeat(number(&input, "bytes")))),
            "wrong-output" => Ok(json!({"other": 1})),
            "calls" => Ok(host_calls::repeat(number(&input, "times"))),
            "denied" => Ok(host_calls::try_everything()),
            "errors" => Err(error(input["kind"].as_str().unwrap_or_default())),
            "fill" => Ok(breaches::fill(number(&input, "seed") as u64, number(&input, "bytes"))),
            "look" => Ok(breaches::look(number(&input, "seed") as u64)),
            "count" => Ok(json!(count())),
            "context" => Ok(json!({
                "tenant": context.tenant, "plugin": context.plugin, "user": context.user,
                "requestId": context.request_id, "locale": context.locale,
                "timeZone": context.time_zone, "depth": context.depth, "dryRun": context.dry_run,
                "deadlineMs": context.deadline_ms, "extra": context.extra,
            })),
            "settings" => cardine_plugin::serde_json::from_str(&host::config::settings())
                .map_err(|error| PluginError::Failed(error.to_string())),
            "runtime" => Ok(json!({
                "now": host::runtime::now_ms(), "monotonic": host::runtime::monotonic_ms(),
                "random": host::runtime::random(16), "uuid": host::runtime::uuid_v7(),
                "remaining": host::runtime::remaining_ms(),
            })),
            "random" => {
                let bytes = u32::try_from(number(&input, "bytes")).unwrap_or(u32::MAX);
                Ok(json!(host::runtime::random(bytes).len()))
            }
            "slow-host" => Ok(host_calls::repeat(1)),
            "rows" => Ok(host_calls::read_on(input["document"].as_str().unwrap_or_default())),
            "sink" => Ok(host_calls::sink(input["url"].as_str().unwrap_or_default())),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

fn number(input: &Value, name: &str) -> usize {
    input[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
}

fn count() -> u32 {
    thread_local!(static CALLS: Cell<u32> = const { Cell::new(0) });
    CALLS.with(|calls| {
        calls.set(calls.get() + 1);
        calls.get()
    })
}

fn error(kind: &str) -> PluginError {
    match kind {
        "invalid" => PluginError::Invalid(vec![Issue::at("amount", "too-small", "must be more")]),
        "not-found" => PluginError::NotFound("no such thing".to_owned()),
        "denied" => PluginError::Denied("not for you".to_owned()),
        "retryable" => PluginError::Retryable { message: "try later".to_owned(), after_ms: Some(250) },
        _ => PluginError::Failed("internal detail".to_owned()),
    }
}

cardine_plugin::export_functions!(Hostile);
