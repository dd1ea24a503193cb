//! Does a job in three parts, or in five, and keeps a note of each: for tests of jobs. It is never shipped.

use cardine_plugin::host::api;
use cardine_plugin::{CallContext, Manifest, Plugin, PluginError, Value, serde_json, serde_json::json};

/// The plugin `test-jobs`.
pub struct TestJobs;

impl Plugin for TestJobs {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn run_job(
        context: &CallContext,
        name: &str,
        due_at_ms: f64,
        cursor: Option<Value>,
    ) -> Result<Option<Value>, PluginError> {
        if name == "fail" {
            return Err(PluginError::Failed("on purpose".to_owned()));
        }
        let part = cursor.as_ref().map_or(0, |cursor| cursor["part"].as_i64().unwrap_or_default());
        let told = json!({"request": context.request_id, "user": context.user, "due": due_at_ms, "cursor": cursor,
            "asCaller": run(api::RunAs::Caller, "{ __typename }", json!({})).unwrap_or_else(|refused| refused)});
        let text = "mutation($data: JobNoteCreate!) { createJobNote(data: $data) { id } }";
        // The one in five parts may be done again and again: its notes have no number, which is there once.
        let (parts, number) = if name == "five" { (5, Value::Null) } else { (3, json!(part)) };
        let note = json!({"data": {"part": number, "text": told.to_string()}});
        let answer = run(api::RunAs::Plugin, text, note).map_err(PluginError::Failed)?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        match answer.get("errors") {
            Some(errors) => Err(PluginError::Failed(errors.to_string())),
            None => Ok((part < parts - 1).then(|| json!({"part": part + 1}))),
        }
    }
}

fn run(run_as: api::RunAs, document: &str, variables: Value) -> Result<String, String> {
    let variables = variables.to_string();
    let operation = api::Operation { document: document.to_owned(), variables, operation_name: None };
    api::execute(run_as, &operation).map_err(|refused| format!("{refused:?}"))
}

cardine_plugin::export_plugin!(TestJobs);
