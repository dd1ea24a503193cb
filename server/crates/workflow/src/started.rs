//! Runs that neither an event nor the clock starts: by a person, another workflow, or a request; with an input that is checked.

use cardine_engine::RequestContext;
use cardine_model::Issue;
use cardine_store::platform::workflows::{NewRun, Origin};
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::definition::path_of;
use crate::program::InputSchema;
use crate::run::RunState;
use crate::versions::Version;

/// Faults of an input that are told at once.
const FAULTS_MAX: usize = 100;

/// Whether an input meets its schema; the faults with their places, from `argument` on.
pub(crate) fn check_input(schema: &InputSchema, input: &Json, argument: &str) -> Result<(), Vec<Issue>> {
    let Some(schema) = schema else { return Ok(()) };
    let issues: Vec<Issue> = schema
        .iter_errors(input)
        .take(FAULTS_MAX)
        .map(|error| {
            let place = path_of(argument, &error.instance_path().to_string(), input);
            Issue::new(place, "schema", error.masked_with("this value").to_string())
        })
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

/// A run about a record, as whoever starts it may read it, or about none. `trigger` is what its rules see by this name.
pub(crate) fn started_run(
    ctx: &RequestContext,
    workflow: Uuid,
    version: &Version,
    record: Option<(Uuid, Map<String, Json>)>,
    trigger: Json,
) -> (Origin, NewRun) {
    let module = version.workflow.module.map(|module| ctx.catalog().module(module).name.clone());
    let (record, image) = record.map_or((None, Json::Null), |(id, image)| (Some(id), Json::Object(image)));
    let state = RunState::of_event(json!({
        "kind": "STARTED",
        "module": module,
        "at": ctx.now,
        "today": ctx.today,
        "actor": ctx.actor.user,
        // Of a chain of causes the first.
        "cause": ctx.on_behalf_of.or(ctx.actor.user),
        "request": ctx.request_id,
        "depth": ctx.depth,
        "record": image,
        "trigger": trigger,
    }));
    let run = NewRun { workflow, version: version.number, state, cause: ctx.run, depth: ctx.depth };
    (Origin { event: None, record, due_at: None }, run)
}
