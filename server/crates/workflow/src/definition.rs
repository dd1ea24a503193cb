//! Workflow documents as they are written, as far as the server carries them out.

use std::sync::LazyLock;

use cardine_model::{Issue, PathSegment};
use serde::Deserialize;
use serde_json::Value as Json;

/// The JSON Schema of workflow documents.
pub const WORKFLOW_SCHEMA: &str = include_str!("../../../../schema/workflow.schema.json");

/// A workflow's document. What the schema allows beyond this is told as not available when it is saved.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Definition {
    pub name: String,
    pub module: Option<String>,
    #[serde(default = "yes")]
    pub active: bool,
    #[serde(default)]
    pub run_as: RunAs,
    #[serde(default)]
    pub timing: Timing,
    pub trigger: Trigger,
    pub steps: Vec<Step>,
    /// Not carried out yet.
    pub retry: Option<Json>,
}

/// Whose rights the steps have.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RunAs {
    /// Those that the author has when the step runs.
    #[default]
    Author,
    /// Those of whoever caused the event.
    Actor,
    /// Those of a role.
    #[serde(untagged)]
    Role { role: String },
}

/// When the steps run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Timing {
    /// Queued in the write's transaction.
    #[default]
    AfterCommit,
    /// Inside the write.
    BeforeCommit,
}

/// What starts a run.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Trigger {
    pub on: Option<Vec<String>>,
    #[serde(default)]
    pub changed: Vec<String>,
    pub when: Option<String>,
}

/// One step.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    pub id: String,
    pub when: Option<String>,
    #[serde(default)]
    pub on_error: OnError,
    pub call: Option<Call>,
    pub update: Option<Update>,
    /// Kinds of step, and options, that are not carried out yet.
    #[serde(flatten)]
    pub others: serde_json::Map<String, Json>,
}

/// What a failed step does to its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum OnError {
    /// Ends it.
    #[default]
    Fail,
    /// The next step runs; this one's output is null.
    Continue,
}

/// Calls a function of a plugin.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub plugin: String,
    pub function: String,
    #[serde(default = "no_input")]
    pub input: Json,
    /// Not carried out yet.
    pub timeout_ms: Option<u64>,
}

/// Changes the record of the event.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Update {
    pub module: Option<String>,
    pub record: Option<String>,
    pub set: serde_json::Map<String, Json>,
}

fn yes() -> bool {
    true
}

fn no_input() -> Json {
    Json::Object(serde_json::Map::new())
}

/// Checks a document against the JSON Schema and reads it; all faults at once.
pub(crate) fn parse(document: &Json) -> Result<Definition, Vec<Issue>> {
    static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(WORKFLOW_SCHEMA).expect("the schema in the repository is JSON");
        jsonschema::validator_for(&schema).expect("the schema in the repository is a JSON Schema")
    });
    let issues: Vec<Issue> = VALIDATOR
        .iter_errors(document)
        .map(|error| {
            let pointer = error.instance_path().to_string();
            Issue::new(path_of(&pointer, document), "schema", error.masked_with("this value").to_string())
        })
        .collect();
    if !issues.is_empty() {
        return Err(issues);
    }
    serde_json::from_value(document.clone())
        .map_err(|error| vec![Issue::new(vec!["definition".into()], "schema", format!("can't be read: {error}"))])
}

/// A JSON pointer as a path from the argument on.
fn path_of(pointer: &str, document: &Json) -> Vec<PathSegment> {
    let mut path = vec![PathSegment::from("definition")];
    let mut place = document;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        match place {
            Json::Array(items) => {
                let index: usize = part.parse().unwrap_or_default();
                path.push(index.into());
                place = items.get(index).unwrap_or(&Json::Null);
            }
            other => {
                place = other.get(&part).unwrap_or(&Json::Null);
                path.push(part.into());
            }
        }
    }
    path
}
