//! A run, step by step: what is next, with whose rights, and what becomes of the run where a step fails.

use std::sync::Arc;
use std::time::Duration;

use cardine_access::Actor;
use cardine_engine::{RequestContext, Snapshot};
use cardine_model::catalog::Module;
use cardine_store::platform::workflows::{LeasedRun, Then};
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value as Json, json};

use super::acts::Done;
use super::commit::StepEnd;
use super::failure::Failed;
use super::state::{Known, Misplaced, id_of};
use super::together::Together;
use super::{Noted, OUTPUT_BYTES_MAX, RunState, Runner, STEPS_DONE_MAX, StepError};
use crate::before_commit::unreadable;
use crate::definition::{OnError, RunAs};
use crate::program::{Act, Backoff, Node};
use crate::versions::Version;

/// Where a run is: its version over the modules of the moment.
pub(super) struct Here<'a> {
    pub snapshot: &'a Arc<Snapshot>,
    pub version: &'a Version,
    pub module: Option<&'a Module>,
    pub node: &'a Node,
    /// Of an item of a loop: the others that are done at the same time.
    pub beside: Option<&'a Together>,
}

/// What became of a run, or of an item of a loop that is done beside others, with a step's end.
pub(super) enum Went {
    /// It goes on.
    On,
    /// The run has ended or waits, or another item has ended it.
    Stopped,
    /// The item with this number rests until then, because of this.
    Rests(usize, DateTime<Utc>, String),
    /// The item ends the run, because of this.
    Failed(String),
}

impl Runner {
    /// Does the run's steps until it ends, waits, or fails, and records each.
    pub(super) async fn run_steps(&self, run: &mut LeasedRun) -> Result<(), StepError> {
        let mut state: Option<RunState> = None;
        loop {
            // The modules, rights and versions of the moment, from one snapshot: the checked steps fit its catalog.
            let (snapshot, version) = match self.versions.fetch(run.workflow, run.version).await {
                Ok(fetched) => fetched,
                Err(error) => return self.put_off(run, StepError::from(error)).await,
            };
            let Some(version) = version else {
                let message = "the workflow does not fit the modules any more".to_owned();
                return self.fail(run, None, message).await;
            };
            let steps = &version.workflow.steps;
            let module = version.workflow.module.map(|module| snapshot.catalog.module(module));
            let restored = match state.take() {
                Some(state) => Ok(state),
                None => RunState::restore(&run.state, &run.loops, steps, module),
            };
            let settled = restored.and_then(|mut state| {
                let place = state.settle(steps, run.step, module)?;
                Ok((state, place))
            });
            let Ok((mut here, place)) = settled else { return self.fail(run, None, Misplaced.to_string()).await };
            run.step = place;
            let Some(node) = steps.get(place) else {
                return self.commit(run, &mut here, None, None, place, Then::End(Utc::now())).await;
            };
            let at = Here { snapshot: &snapshot, version: &version, module, node, beside: None };
            let goes_on = match here.elements() {
                Some(_) => self.items_together(run, &mut here, &at).await?,
                None => matches!(self.step(run, &mut here, &at).await?, Went::On),
            };
            if !goes_on {
                return Ok(());
            }
            state = Some(here);
        }
    }

    /// One step.
    pub(super) async fn step(
        &self,
        run: &mut LeasedRun,
        state: &mut RunState,
        at: &Here<'_>,
    ) -> Result<Went, StepError> {
        let started_at = Utc::now();
        let depth = state.depth();
        let end = |status: &'static str| StepEnd {
            step: at.node.id.clone(),
            place: state.place(),
            depth,
            status,
            input: None,
            output: None,
            error: None,
            failure: None,
            started_at,
        };
        let (skipped, failed) = (end("SKIPPED"), end("FAILED"));
        let attempts_max = at.node.retrying.attempts_max();
        let done = if run.steps_done >= STEPS_DONE_MAX {
            let message = format!("LIMIT_EXCEEDED: a run does at most {STEPS_DONE_MAX} steps");
            return self.step_failed(run, state, at, failed, message).await;
        } else if run.attempts > attempts_max {
            let message = format!("the step was begun {attempts_max} times, and the server ended before it did");
            Err(StepError::lasting(message))
        } else {
            self.act(run, state, at).await
        };
        let steps = &at.version.workflow.steps;
        let error = match done {
            Ok(Done { skipped: true, .. }) => {
                state.set_output(&at.node.id, Json::Null);
                return self.go_on(run, state, at, skipped, None, at.node.after(run.step), None).await;
            }
            Ok(done) => {
                let size = done.output.to_string().len();
                if size <= OUTPUT_BYTES_MAX {
                    let before = state.clone();
                    state.set_output(&at.node.id, done.output.clone());
                    let mut next = done.next.unwrap_or(run.step + 1);
                    if let Some(each) = done.enters {
                        if matches!(at.node.act, Act::ForEach { concurrency: 2.., .. }) {
                            state.enter_together(each);
                            next = each;
                        } else if let Err(misplaced) = state.enter_first(steps, each, at.module) {
                            return self.step_failed(run, state, at, failed, misplaced.to_string()).await;
                        }
                    }
                    // One that waits where it is has not ended.
                    let status = if done.waits.is_some() && next == run.step { "WAITING" } else { "DONE" };
                    let end = StepEnd { status, input: done.input, output: Some(done.output), ..skipped };
                    match self.go_on(run, state, at, end, done.effect, next, done.waits).await {
                        Err(error @ StepError::Failed(_)) => {
                            *state = before;
                            error
                        }
                        ended => return ended,
                    }
                } else {
                    let message =
                        format!("LIMIT_EXCEEDED: the output has {size} bytes; at most {OUTPUT_BYTES_MAX} are allowed");
                    StepError::lasting(message)
                }
            }
            Err(error) => error,
        };
        let why = match error {
            StepError::Failed(why) => why,
            StepError::LeaseLost => return Err(error),
        };
        let failed = StepEnd { failure: why.told(), ..failed };
        let Failed { message: error, class, after, .. } = *why;
        let backoff = class.map_or(Backoff::never(), |class| at.node.retrying.after(class));
        if run.attempts < backoff.attempts_max {
            let wait = after.unwrap_or_else(|| backoff.wait(run.attempts));
            let run_at = Utc::now() + wait.min(Duration::from_secs(31_536_000));
            return self.step_postponed(run, state, at, failed, error, run_at).await;
        }
        if at.node.on_error == OnError::Fail {
            return self.step_failed(run, state, at, failed, error).await;
        }
        // The next step comes although this one failed; its output is null.
        state.set_output(&at.node.id, Json::Null);
        let end = StepEnd { error: Some(error), ..failed };
        self.go_on(run, state, at, end, None, at.node.after(run.step), None).await
    }

    async fn step_failed(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        end: StepEnd,
        error: String,
    ) -> Result<Went, StepError> {
        match at.beside {
            None => self.fail(run, Some(end), error).await.map(|()| Went::Stopped),
            Some(others) => self.item_failed(others, run, state, end, error).await,
        }
    }

    async fn step_postponed(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
        end: StepEnd,
        error: String,
        run_at: DateTime<Utc>,
    ) -> Result<Went, StepError> {
        match at.beside {
            None => self.postpone(run, Some(end), error, run_at).await.map(|()| Went::Stopped),
            Some(others) => self.item_rests(others, run, state, end, error, run_at).await,
        }
    }

    /// Records the step's end, and goes on at `next`.
    #[expect(clippy::too_many_arguments, reason = "one step's parts")]
    async fn go_on(
        &self,
        run: &mut LeasedRun,
        state: &mut RunState,
        at: &Here<'_>,
        end: StepEnd,
        effect: Option<super::commit::Effect>,
        next: usize,
        waits: Option<DateTime<Utc>>,
    ) -> Result<Went, StepError> {
        let steps = &at.version.workflow.steps;
        let settled = state.settle(steps, next, at.module);
        let next = settled.map_err(|misplaced| StepError::lasting(misplaced.to_string()))?;
        if let Some(others) = at.beside {
            let noted = if state.element_ends(next, steps) { Noted::Ended } else { Noted::At(next) };
            self.item_went_on(others, run, state, end, effect, noted).await?;
            run.step = next;
            return Ok(Went::On);
        }
        let then = match waits {
            Some(until) => Then::Wait(until),
            None if next >= steps.len() => Then::End(Utc::now()),
            None => Then::GoOn,
        };
        self.commit(run, state, Some(end), effect, next, then).await?;
        Ok(if then == Then::GoOn { Went::On } else { Went::Stopped })
    }

    async fn put_off(&self, run: &LeasedRun, error: StepError) -> Result<(), StepError> {
        match error {
            StepError::Failed(failed) if failed.passes() => {
                self.postpone(run, None, failed.message, Utc::now() + Duration::from_secs(2)).await
            }
            StepError::Failed(failed) => self.fail(run, None, failed.message).await,
            StepError::LeaseLost => Err(error),
        }
    }

    /// The rights of the moment, one step deeper in the chain of causes.
    pub(super) fn context(
        &self,
        run: &LeasedRun,
        state: &RunState,
        at: &Here<'_>,
    ) -> Result<RequestContext, StepError> {
        let now = Utc::now();
        let (snapshot, run_as) = (at.snapshot, &at.version.workflow.run_as);
        let actor = match run_as {
            RunAs::Role { role } => snapshot.access.role_actor(&snapshot.catalog, role),
            RunAs::Author | RunAs::Actor => {
                let user = if *run_as == RunAs::Author { at.version.author } else { id_of(state.event("actor")) };
                user.and_then(|user| snapshot.access.actor(&snapshot.catalog, user, None, None))
            }
        };
        let actor: Actor = actor.ok_or_else(|| {
            StepError::lasting("the user or role with whose rights the workflow runs is not there or not active")
        })?;
        let today = today_in(&actor.time_zone, now);
        let mut ctx = self.engine.request(Arc::clone(snapshot), actor, now, today);
        ctx.depth = state.event("depth").as_u64().and_then(|depth| u32::try_from(depth).ok()).unwrap_or(0) + 1;
        ctx.via = "workflow";
        ctx.run = Some(run.id);
        ctx.on_behalf_of = id_of(state.event("cause"));
        ctx.request_id = id_of(state.event("request")).unwrap_or(ctx.request_id);
        Ok(ctx)
    }
}

/// Every field that the step's rules read must be one that the run may read: an event holds all of them.
pub(super) fn check_readable(ctx: &RequestContext, at: &Here<'_>) -> Result<(), StepError> {
    let Some(module) = at.module else { return Ok(()) };
    match unreadable(at.node, module, &ctx.actor.rights) {
        None => Ok(()),
        Some(hidden) => {
            let name = &hidden.name;
            Err(StepError::lasting(format!("FORBIDDEN: whoever the workflow runs as may not read `{name}`")))
        }
    }
}

pub(super) fn today_in(time_zone: &str, now: DateTime<Utc>) -> NaiveDate {
    time_zone.parse::<chrono_tz::Tz>().map_or_else(|_| now.date_naive(), |zone| now.with_timezone(&zone).date_naive())
}

/// Which of a branch's cases is gone: its number from 1, 0 for none.
pub(super) fn branch(known: &Known<'_>, act: &Act) -> (Json, usize) {
    let Act::Branch { cases, otherwise, .. } = act else { return (Json::Null, 0) };
    match cases.iter().position(|(when, _)| when.is_met(known)) {
        Some(position) => (json!({"case": position + 1}), cases[position].1),
        None => (json!({"case": 0}), *otherwise),
    }
}
