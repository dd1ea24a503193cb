//! What people do with workflows and their runs: start, cancel, try again, skip.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::{Engine, EngineError, RequestContext};
use cardine_model::catalog::{FieldPath, Module, ModuleId};
use cardine_model::{Issue, Value, path};
use cardine_query::{CompareOp, Filter, Slot};
use cardine_store::WriteTx;
use cardine_store::platform::approvals::withdraw;
use cardine_store::platform::events::{NewAudit, insert_audit};
use cardine_store::platform::runs::{self, EndedRun, GoOn};
use cardine_store::platform::workflows::queue_runs;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use crate::definition::Status;
use crate::matcher::Workflows;
use crate::program::{Node, Start};
use crate::records::fetch_records;
use crate::run::{Elements, Noted, RunState};
use crate::started::{check_input, started_run};
use crate::versions::Versions;

/// Starts a run of a workflow whose trigger is `manual`: about a record that the caller sees, if the workflow has a module.
///
/// # Errors
/// [`EngineError::Forbidden`] if the caller is no administrator; [`EngineError::Validation`] where the workflow is not started by
/// hand, or the input does not meet its schema; [`EngineError::NotFound`] if there is no such record.
#[boxed]
pub async fn start_workflow(
    engine: &Engine,
    ctx: &RequestContext,
    name: &str,
    record: Option<Uuid>,
    input: Json,
) -> Result<Uuid, EngineError> {
    only_administrators(ctx)?;
    let found = Workflows::all(&ctx.snapshot).find(|(_, version)| version.workflow.name == name);
    let Some((id, version)) = found else {
        let message = format!("there is no workflow `{name}`, or it does not fit the modules");
        return Err(refused(path!["workflow"], "unknownWorkflow", message));
    };
    let Start::Hand(schema) = &version.workflow.start else {
        return Err(refused(path!["workflow"], "trigger", "its trigger is not `manual`, so it is not started by hand"));
    };
    if version.workflow.status != Status::Active {
        return Err(refused(path!["workflow"], "status", "it is not active"));
    }
    check_input(schema, &input, "input").map_err(EngineError::Validation)?;
    let record = match (version.workflow.module, record) {
        (Some(module), Some(record)) => Some((record, fetch(engine, ctx, module, record).await?)),
        (None, None) => None,
        (Some(_), None) => return Err(refused(path!["record"], "required", "say which record the run is about")),
        (None, Some(_)) => return Err(refused(path!["record"], "notAvailable", "the workflow is about no record")),
    };
    let new = Arc::new([started_run(ctx, *id, version, record, json!({"input": input}))]);
    let now = ctx.now;
    let queued = engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let new = Arc::clone(&new);
            Box::pin(async move { Ok::<_, EngineError>(queue_runs(tx, new.as_slice(), now).await?) })
        })
        .await?;
    engine.wake_event_readers();
    queued.first().copied().ok_or(EngineError::Internal)
}

/// A record's stored values that the caller may read.
async fn fetch(
    engine: &Engine,
    ctx: &RequestContext,
    module: ModuleId,
    id: Uuid,
) -> Result<Map<String, Json>, EngineError> {
    let filter = Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::Eq, operand: Slot(1) };
    let found = fetch_records(engine, ctx, module, filter, vec![Value::Id(id)], 1).await?;
    let record = found.into_iter().next().ok_or(EngineError::NotFound)?;
    Ok(record.to_json(ctx.catalog().module(module)))
}

/// Ends a run that has not ended; a step that is under way records nothing any more.
///
/// # Errors
/// [`EngineError::NotFound`] if there is no such run; [`EngineError::Conflict`] if it has ended.
#[boxed]
pub async fn cancel_run(engine: &Engine, ctx: &RequestContext, run: Uuid) -> Result<(), EngineError> {
    only_administrators(ctx)?;
    let ctx = ctx.clone();
    engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let ctx = ctx.clone();
            Box::pin(async move {
                if !runs::cancel_run(tx, run, ctx.now).await? {
                    return Err(match runs::ended_run(tx, run).await? {
                        Some(_) => conflict("the run has ended already"),
                        None => EngineError::NotFound,
                    });
                }
                note(tx, &ctx, "CANCELLED", run, json!({})).await
            })
        })
        .await
}

/// Takes a failed run off the list of those that wait for somebody: it is done with.
///
/// # Errors
/// [`EngineError::NotFound`] if there is no such run; [`EngineError::Conflict`] if it did not fail.
#[boxed]
pub async fn dismiss_run(engine: &Engine, ctx: &RequestContext, run: Uuid) -> Result<(), EngineError> {
    only_administrators(ctx)?;
    let ctx = ctx.clone();
    engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let ctx = ctx.clone();
            Box::pin(async move {
                if runs::dismiss_run(tx, run).await? {
                    return note(tx, &ctx, "DISMISSED", run, json!({})).await;
                }
                Err(match runs::is_there(tx, run).await? {
                    true => conflict("the run did not fail"),
                    false => EngineError::NotFound,
                })
            })
        })
        .await
}

/// Lets a failed or cancelled run go on: at the step that it ended at, or from an earlier one outside of branches and loops. One that
/// ended well does what it did once more, from the step that is named.
///
/// # Errors
/// [`EngineError::NotFound`] if there is no such run; [`EngineError::Conflict`] if it did not fail; [`EngineError::Validation`] if
/// it can't go on from there.
#[boxed]
pub async fn retry_run(
    engine: &Engine,
    ctx: &RequestContext,
    run: Uuid,
    step: Option<String>,
) -> Result<(), EngineError> {
    go_on(engine, ctx, run, "RETRIED", step, false).await
}

/// Lets a failed or cancelled run go on behind the step that it ended at, whose output is null.
///
/// # Errors
/// As [`retry_run`].
#[boxed]
pub async fn skip_step(engine: &Engine, ctx: &RequestContext, run: Uuid) -> Result<(), EngineError> {
    go_on(engine, ctx, run, "SKIPPED", None, true).await
}

async fn go_on(
    engine: &Engine,
    ctx: &RequestContext,
    run: Uuid,
    action: &'static str,
    from: Option<String>,
    skip: bool,
) -> Result<(), EngineError> {
    only_administrators(ctx)?;
    let ended = engine
        .store()
        .write(move |tx: &mut WriteTx| Box::pin(async move { Ok::<_, EngineError>(runs::ended_run(tx, run).await?) }))
        .await?
        .ok_or(EngineError::NotFound)?;
    if ended.status == "DONE" && from.is_none() {
        return Err(conflict("the run has ended well; to do it again from a step, name the step"));
    }
    let (snapshot, version) = Versions::new(engine.clone()).fetch(ended.workflow, ended.version).await?;
    let Some(version) = version else {
        return Err(conflict("the run's workflow does not fit the modules any more"));
    };
    let steps = &version.workflow.steps;
    let module = version.workflow.module.map(|module| snapshot.catalog.module(module));
    let restored = RunState::restore(&ended.state, &ended.loops, steps, module);
    let mut state = restored.map_err(|_| conflict("the run's place is none of its version's any more"))?;
    let place = match from {
        Some(step) => rewind(&mut state, steps, &ended, &step)?,
        None if state.elements().is_some() => {
            again_together(&mut state, steps, module, skip)?;
            ended.step
        }
        None if skip => match steps.get(ended.step) {
            Some(node) => {
                state.set_output(&node.id, Json::Null);
                node.after(ended.step)
            }
            None => return Err(conflict("the run has no step to skip")),
        },
        None => {
            // A step that waited for a decision asks anew.
            if let Some(node) = steps.get(ended.step) {
                state.set_output(&node.id, Json::Null);
            }
            ended.step
        }
    };
    let shared = Arc::new((ctx.clone(), state.to_json(), state.loops_to_json()));
    engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let shared = Arc::clone(&shared);
            Box::pin(async move {
                let (ctx, state, loops) = &*shared;
                if !runs::requeue_run(tx, run, &GoOn { step: place, state, loops }, ctx.now).await? {
                    return Err(conflict("the run goes on already"));
                }
                withdraw(tx, run, ctx.now).await?;
                note(tx, ctx, action, run, json!({"step": place})).await
            })
        })
        .await?;
    engine.wake_event_readers();
    Ok(())
}

/// Where the run ended in a loop whose items are done at the same time: all that had begun go on, the one that failed behind its step if that is
/// skipped.
fn again_together(
    state: &mut RunState,
    steps: &[Node],
    module: Option<&Module>,
    skip: bool,
) -> Result<(), EngineError> {
    if skip {
        let failed = state.elements().and_then(Elements::failed);
        let (number, _) =
            failed.ok_or_else(|| conflict("the run has no step that failed, so there is none to skip"))?;
        let misplaced = |_| conflict("the run's place is none of its version's any more");
        let (mut own, element) = state.of_element(number, steps, module).map_err(misplaced)?;
        let node = steps.get(element.step).ok_or_else(|| conflict("the run has no step to skip"))?;
        own.set_output(&node.id, Json::Null);
        let place = own.settle(steps, node.after(element.step), module).map_err(misplaced)?;
        let noted = if own.element_ends(place, steps) { Noted::Ended } else { Noted::At(place) };
        state.note_element(&own, noted);
    }
    if let Some(elements) = state.elements_mut() {
        elements.begin_again();
    }
    Ok(())
}

/// To an earlier step outside of loops: what it and those behind it gave is forgotten.
fn rewind(state: &mut RunState, steps: &[Node], ended: &EndedRun, step: &str) -> Result<usize, EngineError> {
    let place = steps.iter().position(|node| node.id == step);
    let Some(place) = place.filter(|place| steps[*place].depth == 0 && *place <= ended.step) else {
        let message = "the run has not come to such a step, or it stands in a loop";
        return Err(refused(path!["step"], "unknownStep", message));
    };
    let behind: Vec<&str> = steps[place..].iter().map(|node| node.id.as_str()).collect();
    state.forget(|step| behind.contains(&step));
    Ok(place)
}

async fn note(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    action: &'static str,
    run: Uuid,
    changes: Json,
) -> Result<(), EngineError> {
    let audit = NewAudit {
        at: ctx.now,
        actor: ctx.actor.user,
        on_behalf_of: None,
        via: ctx.via,
        action,
        module: Some("WorkflowRun"),
        record: Some(run),
        changes: changes.to_string().into(),
        request: ctx.request_id,
    };
    Ok(insert_audit(tx, &audit).await?)
}

fn only_administrators(ctx: &RequestContext) -> Result<(), EngineError> {
    if ctx.actor.rights.administrator {
        return Ok(());
    }
    Err(EngineError::Forbidden("only administrators may start and change runs of workflows".to_owned()))
}

fn conflict(message: &str) -> EngineError {
    EngineError::Conflict { message: message.to_owned(), issues: Vec::new() }
}

fn refused(place: Vec<cardine_model::PathSegment>, rule: &'static str, message: impl Into<String>) -> EngineError {
    EngineError::Validation(vec![Issue::new(place, rule, message.into())])
}
