//! Runs of another workflow that a step starts, queued when the step's end is recorded, so that one step starts them once.

use cardine_engine::RequestContext;
use cardine_engine::events::CAUSE_DEPTH_MAX;
use cardine_model::Value;
use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_query::{CompareOp, Filter, Slot};
use cardine_store::platform::workflows::LeasedRun;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::acts::Done;
use super::commit::Effect;
use super::ids::ids_of;
use super::state::Known;
use super::{Runner, StepError};
use crate::definition::Status;
use crate::matcher::Workflows;
use crate::program::{Start, StartOf};
use crate::records::fetch_records;
use crate::started::{check_input, started_run};

/// Most records of one step, each of which starts a run.
const RECORDS_MAX: usize = 1_000;

impl Runner {
    /// The started runs have the rights that their own workflow says, over the records as this run may read them.
    pub(super) async fn start(
        &self,
        ctx: &RequestContext,
        run: &LeasedRun,
        start: &StartOf,
        known: &Known<'_>,
    ) -> Result<Done, StepError> {
        if ctx.depth >= CAUSE_DEPTH_MAX {
            let message = format!("LIMIT_EXCEEDED: a chain of causes ends after {CAUSE_DEPTH_MAX}");
            return Err(StepError::lasting(message));
        }
        let name = &start.workflow;
        let found = Workflows::all(&ctx.snapshot).find(|(_, version)| version.workflow.name == *name);
        let Some((id, version)) = found else {
            return Err(StepError::lasting(format!("there is no workflow `{name}`, or it does not fit the modules")));
        };
        let Start::Call(schema) = &version.workflow.start else {
            return Err(StepError::lasting(format!("the trigger of `{name}` is not `workflow`")));
        };
        if version.workflow.status != Status::Active {
            return Err(StepError::lasting(format!("the workflow `{name}` is not active")));
        }
        let input = start.input.fill(known);
        check_input(schema, &input, "input")
            .map_err(|issues| StepError::from(cardine_engine::EngineError::Validation(issues)))?;
        let given = start.records.as_ref().map(|template| template.fill(known));
        let records = match version.workflow.module {
            Some(module) => {
                let ids = match &given {
                    Some(given) => ids_of(given, "records", RECORDS_MAX)?,
                    // The run's own, which is of that module or not found.
                    None => vec![run.record.ok_or_else(|| needs_records(name))?],
                };
                self.images(ctx, module, &ids).await?.into_iter().map(Some).collect()
            }
            None if given.is_some() => {
                return Err(StepError::lasting(format!(
                    "the workflow `{name}` is about no records: leave `records` out"
                )));
            }
            None => vec![None],
        };
        let trigger = json!({"input": input});
        let runs: Vec<_> =
            records.into_iter().map(|record| started_run(ctx, *id, version, record, trigger.clone())).collect();
        let output = json!({"count": runs.len()});
        let input = json!({"workflow": name, "records": given, "input": trigger["input"]});
        Ok(Done { input: Some(input), output, effect: Some(Effect::Start(runs)), ..Done::default() })
    }

    /// The records with these ids in the order in which they are named, as far as they may be read; all of them must be there.
    async fn images(
        &self,
        ctx: &RequestContext,
        module: ModuleId,
        ids: &[Uuid],
    ) -> Result<Vec<(Uuid, Map<String, Json>)>, StepError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let operand = Value::List(ids.iter().copied().map(Value::Id).collect());
        let filter = Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand: Slot(1) };
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX);
        let found = fetch_records(&self.engine, ctx, module, filter, vec![operand], count).await?;
        let definition = ctx.catalog().module(module);
        let image = |id: &Uuid| {
            let record = found.iter().find(|record| *record.get(Module::ID) == Value::Id(*id))?;
            Some((*id, record.to_json(definition)))
        };
        let images: Option<Vec<_>> = ids.iter().map(image).collect();
        images.ok_or_else(|| StepError::lasting("NOT_FOUND: not all of the records are there"))
    }
}

fn needs_records(name: &str) -> StepError {
    StepError::lasting(format!("the workflow `{name}` is about records: say which by `records`"))
}
