//! Items of a loop that are done at the same time: each has a place of its own, and all share the run's row, where one after the other notes
//! how far it has come. So what is waited for outside is waited for together, and what a step writes is in one transaction with its item's place.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use cardine_store::platform::workflows::{LeasedRun, Then};
use chrono::{DateTime, Utc};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustc_hash::FxHashMap;
use serde_json::json;
use tokio::sync::{Mutex, SemaphorePermit};

use super::commit::{Commit, Effect, StepEnd};
use super::state::Misplaced;
use super::steps::{Here, Went};
use super::{Noted, RunState, Runner, StepError};
use crate::counters::Counted;
use crate::program::Act;

/// What the items of a run's loop share that are done at the same time.
pub(super) struct Together {
    /// Where the loop begins.
    each: usize,
    shared: Mutex<Shared>,
}

/// The run as its row has it. Who notes something holds it until that is committed.
struct Shared {
    run: LeasedRun,
    state: RunState,
    /// Steps that have begun and are not noted.
    under_way: i64,
    /// What ends the run: no further step begins.
    failed: Option<String>,
}

/// How an item begins or goes on.
#[derive(Clone, Copy)]
enum Begin {
    /// The next one that has not begun.
    Next,
    /// One that was under way when the run was leased.
    Resumed(usize),
    /// One that has rested.
    Woken(usize),
}

/// What became of the item at one of the places that the loop has for them.
enum Happened {
    Went(usize, Result<Went, StepError>),
    Woke(usize, usize),
}

/// One that rests: which it is, until when, and why.
struct Resting {
    until: DateTime<Utc>,
    error: String,
}

type Going<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Happened> + Send + 'a>>>;

impl Together {
    /// The number of the item.
    async fn begin(&self, begin: Begin) -> Result<usize, StepError> {
        let mut shared = self.shared.lock().await;
        // What is not noted yet was begun by each lease since.
        let attempts = shared.run.attempts;
        let elements = shared.state.elements_mut().ok_or_else(|| StepError::lasting(Misplaced.to_string()))?;
        Ok(match begin {
            Begin::Next => elements.begin_next(attempts),
            Begin::Resumed(number) => number,
            Begin::Woken(number) => {
                elements.wake(number);
                number
            }
        })
    }

    /// Begins a step of an item; false if another one has ended the run.
    async fn begin_step(&self, own: &mut LeasedRun) -> bool {
        let mut shared = self.shared.lock().await;
        own.steps_done = shared.run.steps_done + shared.under_way;
        shared.under_way += i64::from(shared.failed.is_none());
        shared.failed.is_none()
    }
}

impl Runner {
    /// Does the loop's items, so many at the same time, until all are done, one ends the run, or all that are left rest; false if the run does
    /// not go on now. Those that are under way when one ends the run end their step, so that the log tells what was done.
    pub(super) async fn items_together(
        &self,
        run: &mut LeasedRun,
        state: &mut RunState,
        at: &Here<'_>,
    ) -> Result<bool, StepError> {
        let place = run.step;
        let count = state.items(&at.version.workflow.steps, place, at.module).len();
        let (Act::ForEach { concurrency, after, .. }, Some(elements)) = (&at.node.act, state.elements_mut()) else {
            return self.fail(run, None, Misplaced.to_string()).await.map(|()| false);
        };
        if let Some((_, error)) = elements.failed() {
            // The process that noted it ended before it could end the run.
            let error = error.to_owned();
            return self.fail(run, None, error).await.map(|()| false);
        }
        let mut left = elements.left(count);
        let resumed = elements.resume(run.attempts, Utc::now());
        let shared = Shared { run: run.clone(), state: state.clone(), under_way: 0, failed: None };
        let together = Together { each: place, shared: Mutex::new(shared) };
        let mut ready = VecDeque::new();
        let mut resting: FxHashMap<usize, Resting> = FxHashMap::default();
        // Of each place that is taken, by what its item may be done beside others.
        let mut taken: FxHashMap<usize, Option<SemaphorePermit<'_>>> = FxHashMap::default();
        let mut going = Going::new();
        let mut slots = 0_usize..;
        for (number, rests) in resumed {
            match (rests, slots.next()) {
                (Some(until), Some(slot)) => {
                    taken.insert(slot, None);
                    resting.insert(slot, Resting { until, error: "an item of the loop is tried again".to_owned() });
                    going.push(Box::pin(sleep(slot, number, until)));
                }
                _ => ready.push_back(Begin::Resumed(number)),
            }
        }
        // Nothing is awaited here but what goes on: who has the run to note something is among them.
        let (mut active, mut has_failed) = (0_usize, false);
        loop {
            while !has_failed && taken.len() < *concurrency && (left > 0 || !ready.is_empty()) {
                // One of each run goes on however many others there are.
                let beside = match active {
                    0 => None,
                    _ => match self.beside.try_acquire() {
                        Ok(permit) => Some(permit),
                        Err(_) => break,
                    },
                };
                let begin = ready.pop_front().unwrap_or_else(|| {
                    left -= 1;
                    Begin::Next
                });
                let Some(slot) = slots.next() else { break };
                taken.insert(slot, beside);
                active += 1;
                going.push(Box::pin(self.item(&together, slot, begin)));
            }
            if active == 0 {
                break;
            }
            match going.next().await {
                Some(Happened::Went(slot, went)) => {
                    active -= 1;
                    match went? {
                        Went::On => _ = taken.remove(&slot),
                        Went::Stopped | Went::Failed(_) => has_failed = true,
                        Went::Rests(number, until, error) => {
                            // It keeps its place, and leaves what it may be done by to others.
                            taken.insert(slot, None);
                            resting.insert(slot, Resting { until, error });
                            going.push(Box::pin(sleep(slot, number, until)));
                        }
                    }
                }
                Some(Happened::Woke(slot, number)) if !has_failed => {
                    resting.remove(&slot);
                    taken.remove(&slot);
                    ready.push_front(Begin::Woken(number));
                }
                Some(Happened::Woke(..)) => {}
                None => break,
            }
        }
        drop(going);
        let shared = together.shared.into_inner();
        (*run, *state) = (shared.run, shared.state);
        if let Some(error) = shared.failed {
            return self.fail(run, None, error).await.map(|()| false);
        }
        if let Some(first) = resting.into_values().min_by_key(|one| one.until) {
            return self.give_back(run, None, first.error, Some(first.until)).await.map(|()| false);
        }
        state.leave_together();
        run.step = *after;
        Ok(true)
    }

    /// Does the steps of one item.
    async fn item(&self, together: &Together, slot: usize, begin: Begin) -> Happened {
        let went = async {
            let number = together.begin(begin).await?;
            let went = self.item_steps(together, number).await?;
            if let Went::Failed(error) = &went {
                together.shared.lock().await.failed.get_or_insert_with(|| error.clone());
            }
            Ok(went)
        };
        Happened::Went(slot, went.await)
    }

    async fn item_steps(&self, together: &Together, number: usize) -> Result<Went, StepError> {
        let mut run = together.shared.lock().await.run.clone();
        let mut state: Option<RunState> = None;
        loop {
            // As for a run: the modules, rights and versions of the moment.
            let (snapshot, version) =
                match self.versions.fetch(run.workflow, run.version).await.map_err(StepError::from) {
                    Ok(fetched) => fetched,
                    Err(StepError::Failed(failed)) if failed.passes() => {
                        return Ok(Went::Rests(number, Utc::now() + Duration::from_secs(2), failed.message));
                    }
                    Err(StepError::Failed(failed)) => return Ok(Went::Failed(failed.message)),
                    Err(error) => return Err(error),
                };
            let Some(version) = version else {
                return Ok(Went::Failed("the workflow does not fit the modules any more".to_owned()));
            };
            let steps = &version.workflow.steps;
            let module = version.workflow.module.map(|module| snapshot.catalog.module(module));
            let mut own = match state.take() {
                Some(own) => own,
                None => {
                    let noted = together.shared.lock().await.state.of_element(number, steps, module);
                    let Ok((own, element)) = noted else { return Ok(Went::Failed(Misplaced.to_string())) };
                    (run.step, run.attempts) = (element.step, element.attempts);
                    own
                }
            };
            if own.element_ends(run.step, steps) {
                return Ok(Went::On);
            }
            let Some(node) = steps.get(run.step) else { return Ok(Went::Failed(Misplaced.to_string())) };
            if !together.begin_step(&mut run).await {
                return Ok(Went::Stopped);
            }
            let at = Here { snapshot: &snapshot, version: &version, module, node, beside: Some(together) };
            match self.step(&mut run, &mut own, &at).await? {
                Went::On => state = Some(own),
                went => return Ok(went),
            }
        }
    }

    /// Records the end of a step of an item, and what becomes of the item.
    pub(super) async fn item_went_on(
        &self,
        together: &Together,
        run: &mut LeasedRun,
        own: &mut RunState,
        end: StepEnd,
        effect: Option<Effect>,
        noted: Noted,
    ) -> Result<(), StepError> {
        let (step, depth, took) = (end.step.clone(), end.depth, Utc::now() - end.started_at);
        let mut shared = together.shared.lock().await;
        let written = self.note_item(together, &mut shared, run, own, end, effect, noted.clone()).await?;
        if let Some(id) = written {
            own.change_output(&step, depth, json!({"id": id}));
        }
        shared.state.note_element(own, noted);
        shared.run.steps_done += 1;
        self.outside.counters.count_step(took);
        run.attempts = 1;
        Ok(())
    }

    /// Records that a step of an item has failed for now.
    pub(super) async fn item_rests(
        &self,
        together: &Together,
        run: &LeasedRun,
        own: &RunState,
        end: StepEnd,
        error: String,
        until: DateTime<Utc>,
    ) -> Result<Went, StepError> {
        let mut shared = together.shared.lock().await;
        let (end, noted) = (StepEnd { error: Some(error.clone()), ..end }, Noted::Rests(until));
        self.note_item(together, &mut shared, run, own, end, None, noted.clone()).await?;
        shared.state.note_element(own, noted);
        self.outside.counters.count(Counted::Postponed);
        Ok(Went::Rests(own.element_number().unwrap_or_default(), until, error))
    }

    /// Records that a step of an item has failed for good. The first one ends the run; whoever fails beside it is begun again if the run is.
    pub(super) async fn item_failed(
        &self,
        together: &Together,
        run: &LeasedRun,
        own: &RunState,
        end: StepEnd,
        error: String,
    ) -> Result<Went, StepError> {
        let mut shared = together.shared.lock().await;
        let end = StepEnd { error: Some(error.clone()), ..end };
        let noted = if shared.failed.is_none() { Noted::Failed(error.clone()) } else { Noted::Rests(Utc::now()) };
        self.note_item(together, &mut shared, run, own, end, None, noted.clone()).await?;
        shared.state.note_element(own, noted);
        shared.failed.get_or_insert_with(|| error.clone());
        Ok(Went::Failed(error))
    }

    /// The transaction of one item's note; gives the id of the record that was written, if one was.
    #[expect(clippy::too_many_arguments, reason = "one step's parts")]
    async fn note_item(
        &self,
        together: &Together,
        shared: &mut Shared,
        run: &LeasedRun,
        own: &RunState,
        end: StepEnd,
        effect: Option<Effect>,
        noted: Noted,
    ) -> Result<Option<uuid::Uuid>, StepError> {
        let commit = Commit {
            run: shared.run.clone(),
            log: Some(end.log(run)),
            effect,
            state: own.clone(),
            item_of: Some((shared.state.clone(), noted)),
            step: together.each,
            then: Then::GoOn,
        };
        let written = self.record(commit).await?;
        shared.run.attempts = 1;
        shared.under_way -= 1;
        Ok(written)
    }
}

async fn sleep(slot: usize, number: usize, until: DateTime<Utc>) -> Happened {
    tokio::time::sleep((until - Utc::now()).to_std().unwrap_or_default()).await;
    Happened::Woke(slot, number)
}
