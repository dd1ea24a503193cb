//! What a step did, recorded: the change of records, the run's progress and the log commit together, so that a change is made once
//! however often the step is begun.

use std::sync::Arc;

use cardine_engine::mail::{Mail, queue_mail};
use cardine_engine::{EngineError, RequestContext, Write, apply};
use cardine_store::platform::approvals::{ApprovalRow, NewApproval, decide, insert_approval};
use cardine_store::platform::workflows::{
    Advance, LeasedRun, NewRun, Origin, StepLog, Then, advance_run, advance_run_and_log, fail_run, log_step,
    postpone_run, queue_runs,
};
use cardine_store::{Dialect, StoreError, WriteTx};
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Noted, RunState, Runner, StepError};
use crate::counters::Counted;

/// A step's end.
#[derive(Debug, Clone)]
pub(super) struct StepEnd {
    pub step: String,
    pub place: String,
    /// How many loops it stands in.
    pub depth: usize,
    pub status: &'static str,
    pub input: Option<Json>,
    pub output: Option<Json>,
    pub error: Option<String>,
    /// What administrators are told of that beside.
    pub failure: Option<Json>,
    pub started_at: DateTime<Utc>,
}

impl StepEnd {
    pub(super) fn log(&self, run: &LeasedRun) -> OwnedLog {
        OwnedLog { run: run.id, attempt: run.attempts, end: self.clone() }
    }
}

pub(super) struct OwnedLog {
    run: Uuid,
    attempt: i64,
    end: StepEnd,
}

impl OwnedLog {
    async fn write(&self, tx: &mut WriteTx) -> Result<(), StoreError> {
        log_step(tx, &self.entry(None)).await
    }

    /// What is logged, with what the step gave if only its transaction knows.
    fn entry<'a>(&'a self, output: Option<&'a Json>) -> StepLog<'a> {
        let end = &self.end;
        StepLog {
            run: self.run,
            step: &end.step,
            place: &end.place,
            attempt: self.attempt,
            status: end.status,
            input: end.input.as_ref(),
            output: output.or(end.output.as_ref()),
            error: end.error.as_deref(),
            failure: end.failure.as_ref(),
            started_at: end.started_at,
            finished_at: Utc::now(),
        }
    }
}

/// What a step does that is recorded with it.
pub(super) enum Effect {
    /// A change of records.
    Write(Box<RequestContext>, Box<Write>),
    /// Mails to be queued.
    Mail(Vec<Mail>),
    /// Runs of another workflow.
    Start(Vec<(Origin, NewRun)>),
    /// A question to be asked.
    Ask(Box<NewApproval>),
    /// A question that is over, and what holds.
    Close(Box<ApprovalRow>, bool),
}

/// All that one step's end commits.
pub(super) struct Commit {
    pub run: LeasedRun,
    pub log: Option<OwnedLog>,
    pub effect: Option<Effect>,
    pub state: RunState,
    /// Where that is the state of an item of a loop: the run's own, and what becomes of the item in it.
    pub item_of: Option<(RunState, Noted)>,
    pub step: usize,
    pub then: Then,
}

/// How the transaction ended without taking effect.
enum Ended {
    LeaseLost,
    Engine(EngineError),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl Commit {
    /// The id of the record that was written, if one was.
    async fn write(&self, tx: &mut WriteTx) -> Result<Option<Uuid>, Ended> {
        let written = match &self.effect {
            Some(Effect::Write(ctx, write)) => apply(tx, ctx, write).await.map_err(Ended::Engine)?.first().copied(),
            Some(Effect::Mail(mails)) => {
                for mail in mails {
                    queue_mail(tx, mail.clone(), Utc::now()).await.map_err(Ended::Engine)?;
                }
                None
            }
            Some(Effect::Start(runs)) => {
                queue_runs(tx, runs, Utc::now()).await?;
                None
            }
            Some(Effect::Ask(new)) => {
                insert_approval(tx, new, Utc::now()).await?;
                None
            }
            Some(Effect::Close(row, approved)) => {
                // Somebody was faster: what they decided holds, and is seen when the step is begun again.
                if !decide(tx, row, None, *approved, None, Utc::now()).await? {
                    return Err(Ended::Engine(EngineError::Unavailable));
                }
                None
            }
            None => None,
        };
        let output = written.map(|id| json!({"id": id}));
        let mut state = self.state.clone();
        if let (Some(output), Some(log)) = (&output, &self.log) {
            state.change_output(&log.end.step, log.end.depth, output.clone());
        }
        // What steps inside of loops gave is kept with the loops.
        let is_outside = self.log.as_ref().is_some_and(|log| log.end.depth == 0);
        let outputs = is_outside.then(|| state.to_json());
        let (loops, is_done) = match &self.item_of {
            None => (state.loops_to_json(), true),
            Some((whole, noted)) => {
                let mut whole = whole.clone();
                whole.note_element(&state, noted.clone());
                (whole.loops_to_json(), matches!(noted, Noted::At(_) | Noted::Ended))
            }
        };
        let advance = Advance {
            step: self.step,
            state: outputs.as_ref(),
            loops: &loops,
            steps_done: self.run.steps_done + i64::from(is_done),
            then: self.then,
        };
        let is_ours = match &self.log {
            Some(log) => advance_run_and_log(tx, &self.run, &advance, &log.entry(output.as_ref())).await?,
            None => advance_run(tx, &self.run, &advance).await?,
        };
        if is_ours { Ok(written) } else { Err(Ended::LeaseLost) }
    }
}

impl Runner {
    /// Records a step's end and where the run goes on; the run and its state are as in the database afterwards.
    pub(super) async fn commit(
        &self,
        run: &mut LeasedRun,
        state: &mut RunState,
        end: Option<StepEnd>,
        effect: Option<Effect>,
        step: usize,
        then: Then,
    ) -> Result<(), StepError> {
        let at = end.as_ref().map(|end| (end.step.clone(), end.depth));
        let took = end.as_ref().map(|end| Utc::now() - end.started_at);
        let log = end.as_ref().map(|end| end.log(run));
        let commit = Commit { run: run.clone(), log, effect, state: state.clone(), item_of: None, step, then };
        let written = self.record(commit).await?;
        if let (Some(id), Some((step, depth))) = (written, at) {
            state.change_output(&step, depth, json!({"id": id}));
        }
        if let Some(took) = took {
            self.outside.counters.count_step(took);
        }
        if matches!(then, Then::End(_)) {
            self.outside.counters.count(Counted::Done);
        }
        run.step = step;
        run.steps_done += 1;
        run.attempts = 1;
        Ok(())
    }

    /// Gives the id of the record that was written, if one was.
    pub(super) async fn record(&self, commit: Commit) -> Result<Option<Uuid>, StepError> {
        let has_effect = commit.effect.is_some();
        let commit = Arc::new(commit);
        // SQLite has an order of its own for them.
        let place = if self.engine.store().dialect() == Dialect::Postgres { self.way.give().await } else { None };
        let done = self
            .engine
            .store()
            .beside_requests()
            .write(move |tx: &mut WriteTx| {
                let commit = Arc::clone(&commit);
                Box::pin(async move { commit.write(tx).await })
            })
            .await;
        drop(place);
        let written = match done {
            Ok(written) => written,
            Err(Ended::LeaseLost) => return Err(StepError::LeaseLost),
            Err(Ended::Engine(error)) => return Err(error.into()),
        };
        if has_effect {
            self.engine.wake_event_readers();
            self.engine.wake_mail();
        }
        Ok(written)
    }

    /// Ends a run as failed, with its log.
    pub(super) async fn fail(&self, run: &LeasedRun, end: Option<StepEnd>, error: String) -> Result<(), StepError> {
        tracing::warn!(run = %run.id, error, "a workflow's run failed");
        self.give_back(run, end, error, None).await?;
        self.outside.counters.count(Counted::Failed);
        Ok(())
    }

    /// Gives a run back to be tried again, with its log.
    pub(super) async fn postpone(
        &self,
        run: &LeasedRun,
        end: Option<StepEnd>,
        error: String,
        run_at: DateTime<Utc>,
    ) -> Result<(), StepError> {
        self.give_back(run, end, error, Some(run_at)).await?;
        self.outside.counters.count(Counted::Postponed);
        Ok(())
    }

    pub(super) async fn give_back(
        &self,
        run: &LeasedRun,
        end: Option<StepEnd>,
        error: String,
        run_at: Option<DateTime<Utc>>,
    ) -> Result<(), StepError> {
        let log = end.map(|end| StepEnd { error: Some(error.clone()), ..end }.log(run));
        let shared = Arc::new((run.clone(), log, error));
        let ours = self
            .engine
            .store()
            .beside_requests()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                Box::pin(async move {
                    let (run, log, error) = &*shared;
                    let ours = match run_at {
                        Some(run_at) => postpone_run(tx, run, error, run_at).await?,
                        None => fail_run(tx, run, error, Utc::now()).await?,
                    };
                    if let (Some(log), true) = (log, ours) {
                        log.write(tx).await?;
                    }
                    Ok::<_, StoreError>(ours)
                })
            })
            .await?;
        if !ours {
            return Err(StepError::LeaseLost);
        }
        Ok(())
    }
}
