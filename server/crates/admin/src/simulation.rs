//! What a workflow would do, as administrators see it.

use async_graphql::{Context, ID, Result, SimpleObject};
use async_recursion::async_recursion as boxed;
use cardine_engine::EngineError;
use cardine_model::{Issue, path};
use cardine_workflow::{SimulatedStep, WhichChange, simulate_workflow};
use serde_json::{Map, Value as Json};

use super::AdminContext;
use super::error::{graphql_error, invalid};
use super::mutation::parse_id;
use super::workflow::fetch_workflows;

/// What a workflow would do over a change that has been.
#[derive(SimpleObject)]
pub struct Simulation {
    /// Whether the change starts it.
    starts: bool,
    /// What its steps would do, in their order.
    steps: Vec<StepSimulation>,
    /// What one inside the write sets, by field.
    set: Option<Json>,
    /// Why one inside the write refuses.
    refused: Option<String>,
    /// Why a run would fail.
    error: Option<String>,
}

/// What a step would do.
#[derive(SimpleObject)]
pub struct StepSimulation {
    /// The step's id.
    step: String,
    /// The items of the loops around, from 0, such as `3.1`; empty outside of loops.
    place: String,
    /// `DONE`; `SIMULATED` where it has an effect that was left out; `SKIPPED`, `FAILED`.
    status: String,
    /// What it is given.
    input: Option<Json>,
    /// What it gives, or is taken to give.
    output: Option<Json>,
    /// Why it fails.
    error: Option<String>,
}

impl From<SimulatedStep> for StepSimulation {
    fn from(step: SimulatedStep) -> Self {
        let SimulatedStep { step, place, status, input, output, error } = step;
        Self { step, place, status: status.to_owned(), input, output, error }
    }
}

/// The workflow that is meant, by its document or its name.
#[derive(Debug)]
pub enum Meant {
    /// As it is given.
    Document(Json),
    /// As it was saved.
    Name(String),
}

impl Meant {
    /// One of the two arguments.
    pub fn of(definition: Option<Json>, workflow: Option<String>) -> Result<Self> {
        match (definition.filter(|definition| !definition.is_null()), workflow) {
            (Some(document), None) => Ok(Self::Document(document)),
            (None, Some(name)) => Ok(Self::Name(name)),
            _ => {
                let message = "give either a definition or the name of a workflow";
                Err(invalid(Issue::new(path!["definition"], "required", message)))
            }
        }
    }

    async fn document(self, ctx: &Context<'_>) -> Result<Json> {
        match self {
            Self::Document(document) => Ok(document),
            Self::Name(name) => {
                let saved = fetch_workflows(ctx).await?.into_iter().find(|workflow| workflow.name == name);
                saved.map(|workflow| workflow.definition).ok_or_else(|| graphql_error(EngineError::NotFound))
            }
        }
    }
}

/// Goes through a workflow over a change of a record.
#[boxed]
pub async fn simulate(
    ctx: &Context<'_>,
    meant: Meant,
    record: &ID,
    change: Option<ID>,
    outputs: Option<Json>,
) -> Result<Simulation> {
    let AdminContext { app, request, .. } = ctx.data_unchecked();
    let entry = change.map(|id| parse_id(&id, "change")).transpose()?;
    let change = WhichChange { record: parse_id(record, "record")?, entry };
    let outputs = match outputs {
        None | Some(Json::Null) => Map::new(),
        Some(Json::Object(outputs)) => outputs,
        Some(_) => {
            let message = "outputs is an object: {\"ask\": {\"approved\": true}}";
            return Err(invalid(Issue::new(path!["outputs"], "type", message)));
        }
    };
    let document = meant.document(ctx).await?;
    let simulated = simulate_workflow(&app.engine, app.outside.clone(), request, &document, change, &outputs).await;
    let simulated = simulated.map_err(graphql_error)?;
    Ok(Simulation {
        starts: simulated.starts,
        steps: simulated.steps.into_iter().map(StepSimulation::from).collect(),
        set: simulated.set,
        refused: simulated.refused,
        error: simulated.error,
    })
}
