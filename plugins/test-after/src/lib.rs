//! Keeps a note of each change that it is told of, or fails in the way that the record asks for: for tests of hooks after writes. It
//! is never shipped.

use cardine_plugin::host::{api, state};
use cardine_plugin::{CallContext, Change, Manifest, Plugin, PluginError, Value, serde_json, serde_json::json};

/// The plugin `test-after`.
pub struct TestAfter;

impl Plugin for TestAfter {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn after_write(
        context: &CallContext,
        _module: &str,
        operation: &str,
        changes: &[Change],
    ) -> Result<(), PluginError> {
        changes.iter().try_for_each(|change| tell(context, operation, change))
    }
}

/// The description of a record says what is to become of the call.
fn tell(context: &CallContext, operation: &str, change: &Change) -> Result<(), PluginError> {
    let image = change.after.as_ref().or(change.before.as_ref()).cloned().unwrap_or_default();
    let mut said = Value::Null;
    match image["description"].as_str().unwrap_or_default() {
        "trap" => panic!("the hook after a write panicked on purpose"),
        "fail" => return Err(PluginError::Failed("on purpose".to_owned())),
        "later" if is_first_try(context)? => {
            return Err(PluginError::Retryable { message: "not yet".to_owned(), after_ms: Some(1) });
        }
        "caller" => said = json!(format!("{:?}", run(api::RunAs::Caller, "{ __typename }", json!({})))),
        "rename" => {
            let name = format!("{}!", image["name"].as_str().unwrap_or_default());
            let text = "mutation($id: ID!, $name: String!) { updateOrganization(id: $id, data: {name: $name}) { id } }";
            run(api::RunAs::Plugin, text, json!({"id": change.id, "name": name})).map_err(PluginError::Failed)?;
        }
        _ => {}
    }
    let shown = json!({"id": change.id, "before": change.before, "after": change.after, "changed": change.changed_fields,
        "user": context.user, "said": said});
    let note = json!({"data": {"operation": operation, "request": context.request_id, "text": shown.to_string()}});
    let text = "mutation($data: AfterNoteCreate!) { createAfterNote(data: $data) { id } }";
    match run(api::RunAs::Plugin, text, note) {
        // Told once more after a crash, it has its note already.
        Err(told) if told.contains("CONFLICT") || told.contains("unique") => Ok(()),
        told => told.map_err(PluginError::Failed),
    }
}

fn is_first_try(context: &CallContext) -> Result<bool, PluginError> {
    let failed = |error| PluginError::Failed(format!("{error:?}"));
    let key = format!("tried-{}", context.request_id);
    let tried = state::get_many(std::slice::from_ref(&key)).map_err(failed)?;
    let change = state::Change { key, value: Some(b"1".to_vec()), expected_etag: None, ttl_seconds: None };
    state::put_many(&[change]).map_err(failed)?;
    Ok(tried.iter().all(Option::is_none))
}

fn run(run_as: api::RunAs, document: &str, variables: Value) -> Result<(), String> {
    let variables = variables.to_string();
    let operation = api::Operation { document: document.to_owned(), variables, operation_name: None };
    let answer = api::execute(run_as, &operation).map_err(|refused| format!("{refused:?}"))?;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
    answer.get("errors").map_or(Ok(()), |errors| Err(errors.to_string()))
}

cardine_plugin::export_plugin!(TestAfter);
