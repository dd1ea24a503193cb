//! A plugin's job: done part by part, each recorded with where the next one begins.

use cardine_plugin_host::CallContext;
use cardine_store::platform::workflows::LeasedRun;
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};

use super::acts::{Done, call_failed, not_installed};
use super::state::id_of;
use super::steps::Here;
use super::{RunState, Runner, StepError};

impl Runner {
    /// The plugin has its own rights: whose the run is does not matter. A part that is not the last one leaves the run where it is, with its
    /// output: a process that ends between two parts loses none.
    pub(super) async fn run_job(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        plugin: &str,
        name: &str,
    ) -> Result<Done, StepError> {
        let Some(installed) = self.outside.plugins.granted(plugin) else { return Err(not_installed(plugin)) };
        let due_at = due_at(state);
        let before = state.output(&at.node.id).get("next").cloned();
        let input = json!({"job": name, "dueAt": due_at, "from": before});
        let depth = state.event("depth").as_u64().and_then(|depth| u8::try_from(depth + 1).ok()).unwrap_or(u8::MAX);
        let context = CallContext {
            // The same for all parts, and each time the run is tried again.
            request_id: run.id.to_string(),
            user: id_of(state.event("cause")).map(|user| user.to_string()),
            depth,
            is_detached: true,
            ..CallContext::default()
        };
        let due_at_ms = due_at.unwrap_or_else(Utc::now).timestamp_millis() as f64;
        let mut session = installed.plugin.session(self.outside.plugins.services(plugin));
        match session.run_job(context, name, due_at_ms, before.as_ref()).await {
            Ok(None) => Ok(Done { input: Some(input), ..Done::default() }),
            Ok(Some(next)) => {
                Ok(Done { input: Some(input), output: json!({"next": next}), next: Some(run.step), ..Done::default() })
            }
            Err(failure) => Err(call_failed(plugin, name, &failure)),
        }
    }
}

/// When the run was due; where no clock began it, when it began.
fn due_at(state: &RunState) -> Option<DateTime<Utc>> {
    let at = |json: &Json| json.as_str().and_then(|text| text.parse().ok());
    at(&state.event("trigger")["dueAt"]).or_else(|| at(state.event("at")))
}
