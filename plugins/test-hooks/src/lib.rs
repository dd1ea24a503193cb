//! Does what the records ask for, so that tests can see each answer of a hook and of a validator. It is never shipped.

use cardine_plugin::{
    CallContext, Change, Decision, Issue, Item, Manifest, Plugin, PluginError, Value, serde_json, serde_json::json,
};

/// The plugin `test-hooks`.
pub struct TestHooks;

impl Plugin for TestHooks {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn before_write(
        _context: &CallContext,
        module: &str,
        operation: &str,
        changes: &[Change],
    ) -> Result<Vec<Decision>, PluginError> {
        if module == "Contact" {
            panic!("the hook on contacts panicked on purpose");
        }
        changes.iter().map(|change| decide(operation, change, changes.len())).collect()
    }

    fn validate(_context: &CallContext, name: &str, params: &Value, items: &[Item]) -> Result<Vec<Issue>, PluginError> {
        if name == "trap" {
            panic!("the validator panicked on purpose");
        }
        let word = params["word"].as_str().unwrap_or_default();
        let found = items.iter().filter(|item| item.value.as_str().is_some_and(|text| text.contains(word)));
        Ok(found
            .map(|item| {
                at(item.position, "word-forbidden", format!("must not contain {word}; asked of {}", items.len()))
            })
            .collect())
    }
}

/// The description of a record says what is to become of it: a JSON object in the form `{"patch": …}`, or a word.
fn decide(operation: &str, change: &Change, count: usize) -> Result<Decision, PluginError> {
    let image = change.after.as_ref().or(change.before.as_ref()).cloned().unwrap_or_default();
    let wish = image["description"].as_str().unwrap_or_default();
    if let Ok(Value::Object(wish)) = serde_json::from_str(wish) {
        return Ok(Decision::Patch(wish.get("patch").cloned().unwrap_or_default()));
    }
    match wish {
        "veto" => Ok(veto("name", "refused on purpose")),
        "veto hidden" => Ok(veto("phone", "refused for a field")),
        "hold" if operation == "delete" => Ok(veto("name", "held back on purpose")),
        "stay away" if operation == "restore" => Ok(veto("name", "stays away on purpose")),
        "trap" => panic!("the hook panicked on purpose"),
        "loop" => loop {
            std::hint::black_box(0);
        },
        "too few" => Err(PluginError::Failed("on purpose".to_owned())),
        "show" => {
            let keys: Vec<&String> = image.as_object().map(|image| image.keys().collect()).unwrap_or_default();
            let shown = json!({"keys": keys, "changed": change.changed_fields, "operation": operation, "count": count});
            Ok(Decision::Patch(json!({"name": shown.to_string()})))
        }
        _ => Ok(Decision::Keep),
    }
}

fn veto(path: &str, message: &str) -> Decision {
    Decision::Veto(vec![Issue::at(path, "on-purpose", message)])
}

fn at(item: u32, code: &str, message: String) -> Issue {
    Issue { item: Some(item), path: None, ..Issue::at("", code, message) }
}

cardine_plugin::export_plugin!(TestHooks);
