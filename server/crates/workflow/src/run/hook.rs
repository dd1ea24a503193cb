//! A plugin's hook after writes: told of the change that started the run, as far as the plugin may read it.

use cardine_plugin_host::{CallContext, RecordChange};
use cardine_store::platform::workflows::LeasedRun;
use serde_json::{Map, Value as Json, json};

use super::acts::{Done, call_failed, not_installed};
use super::state::id_of;
use super::steps::Here;
use super::{RunState, Runner, StepError};
use crate::granted::visible_keys;

impl Runner {
    /// The plugin has its own rights: whose the run is does not matter.
    pub(super) async fn tell_hook(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        plugin: &str,
    ) -> Result<Done, StepError> {
        let Some(module) = at.module else {
            return Err(StepError::lasting("a hook is told of a change of a record, and there is none"));
        };
        let Some(installed) = self.outside.plugins.granted(plugin) else { return Err(not_installed(plugin)) };
        if !installed.granted.records.get(&module.name).is_some_and(|grant| grant.read) {
            let message = format!("the plugin `{plugin}` was not granted to read {}", module.name);
            return Err(StepError::lasting(message));
        }
        let Some((operation, before, after)) = change_of(state) else {
            return Err(StepError::lasting("a hook is told of a change of a record, and there is none"));
        };
        if !installed.plugin.manifest().has_hook_after(&module.name, Some(operation)) {
            return Ok(Done { skipped: true, ..Done::default() });
        }
        let visible = visible_keys(module, &installed.granted.rights(&at.snapshot.catalog));
        let id = run.record.map(|id| id.to_string()).unwrap_or_default();
        let change = RecordChange::seen(id, before, after, &visible);
        let input = json!({"operation": operation, "before": change.before, "after": change.after});
        let depth = state.event("depth").as_u64().and_then(|depth| u8::try_from(depth + 1).ok()).unwrap_or(u8::MAX);
        let context = CallContext {
            // The same each time the run is tried again.
            request_id: run.id.to_string(),
            user: id_of(state.event("cause")).map(|user| user.to_string()),
            depth,
            is_detached: true,
            extra: json!({"at": state.event("at")}),
            ..CallContext::default()
        };
        let mut session = installed.plugin.session(self.outside.plugins.services(plugin));
        match session.after_write(&context, &module.name, operation, vec![change]).await {
            Ok(()) => Ok(Done { input: Some(input), ..Done::default() }),
            Err(failure) => Err(call_failed(plugin, "after a write", &failure)),
        }
    }
}

type Image = Option<Map<String, Json>>;

/// The operation by its name for hooks, with what the record was and is.
fn change_of(state: &RunState) -> Option<(&'static str, Image, Image)> {
    let image = |name: &str| state.event(name).as_object().cloned();
    let (old, record) = (image("old"), image("record"));
    let is_deleted = |image: &Image| image.as_ref().is_some_and(|image| image.contains_key("deletedAt"));
    match state.event("kind").as_str()? {
        "CREATED" => Some(("create", None, record)),
        "UPDATED" if is_deleted(&old) && !is_deleted(&record) => Some(("restore", old, record)),
        "UPDATED" => Some(("update", old, record)),
        "DELETED" => Some(("delete", old.or(record), None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(event: Json) -> RunState {
        RunState::restore(&json!({"event": event, "outputs": {}}), &json!([]), &[], None).unwrap()
    }

    #[test]
    fn each_kind_of_change_has_the_name_that_hooks_know() {
        let (old, record) = (json!({"name": "A"}), json!({"name": "B"}));
        let image = |json: &Json| json.as_object().cloned();
        let of = |kind: &str, old: &Json, record: &Json| {
            change_of(&state(json!({"kind": kind, "old": old, "record": record})))
        };
        assert_eq!(of("CREATED", &Json::Null, &record), Some(("create", None, image(&record))));
        assert_eq!(of("UPDATED", &old, &record), Some(("update", image(&old), image(&record))));
        assert_eq!(of("DELETED", &old, &record), Some(("delete", image(&old), None)));
        let gone = json!({"name": "A", "deletedAt": "2026-01-01T00:00:00.000Z"});
        assert_eq!(of("UPDATED", &gone, &record), Some(("restore", image(&gone), image(&record))));
        assert_eq!(of("STARTED", &old, &record), None);
    }
}
