//! The queue: what is due is leased, a fair part of each workflow, and done; until this process ends.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::time::Duration;

use cardine_engine::{Engine, EngineError};
use cardine_store::platform::workflows::{LeasedRun, due_workflows, end_leases, lease_runs, renew_lease};
use cardine_store::{Dialect, ReadTx, WriteTx};
use chrono::Utc;
use rustc_hash::FxHashMap;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use uuid::Uuid;

use super::clock::Clockwork;
use super::dates::DateWatch;
use super::upkeep::Upkeep;
use super::{LEASE, Outside, Runner, StepError};
use crate::versions::Versions;

/// How often a run shows that its process lives.
const RENEWAL: Duration = Duration::from_secs(5);
/// Runs at the same time.
const RUNS_MAX: usize = 16;
/// Of them, those of one workflow: the others never wait for all of its runs.
const RUNS_OF_ONE_MAX: usize = 12;
/// How often the queue is looked at without being told: for other processes' events, postponed runs and ended leases.
const POLL: Duration = Duration::from_millis(500);

/// Runs workflows until `stop` says so; runs that have begun finish.
#[boxed]
pub async fn run_workflows(engine: Engine, outside: Outside, mut stop: watch::Receiver<bool>) {
    let versions = Versions::new(engine.clone());
    let runner = Arc::new(Runner { engine, outside, versions });
    if let Err(error) = runner.take_over().await {
        tracing::warn!(%error, "leases of the process before can't be ended; they end by themselves");
    }
    let mut clockwork = Clockwork::default();
    let mut dates = DateWatch::default();
    let mut upkeep = Upkeep::new(runner.outside.runs_kept_for);
    let mut share = Share::default();
    let mut running = JoinSet::new();
    while !*stop.borrow() {
        if let Err(error) = clockwork.queue_due(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "what the clock starts can't be queued");
        }
        if let Err(error) = dates.queue_due(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "what records' dates start can't be queued");
        }
        if let Err(error) = upkeep.delete_old(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "old runs of workflows can't be deleted; they are tried again");
        }
        let leased = if share.is_full() { Ok(Vec::new()) } else { runner.lease(&mut share).await };
        let leased = leased.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue of workflows can't be read");
            Vec::new()
        });
        if !leased.is_empty() {
            for run in leased {
                let (runner, workflow) = (Arc::clone(&runner), run.workflow);
                share.begin(workflow);
                running.spawn(async move {
                    runner.run(run).await;
                    workflow
                });
            }
            continue;
        }
        let free = !share.is_full();
        tokio::select! {
            Some(ended) = running.join_next() => share.end(ended),
            () = runner.engine.events_written(), if free => {}
            () = tokio::time::sleep(POLL), if free => {}
            changed = stop.changed() => if changed.is_err() { break },
        }
        while let Some(ended) = running.try_join_next() {
            share.end(ended);
        }
    }
    while let Some(ended) = running.join_next().await {
        share.end(ended);
    }
}

/// How many runs of which workflow this process has under way, and whose turn it was last.
#[derive(Debug, Default)]
struct Share {
    running: FxHashMap<Uuid, usize>,
    all: usize,
    last: Option<Uuid>,
}

impl Share {
    fn is_full(&self) -> bool {
        self.all >= RUNS_MAX
    }

    fn begin(&mut self, workflow: Uuid) {
        *self.running.entry(workflow).or_default() += 1;
        self.all += 1;
        self.last = Some(workflow);
    }

    fn end(&mut self, ended: Result<Uuid, JoinError>) {
        match ended {
            Ok(workflow) => {
                self.all = self.all.saturating_sub(1);
                if let Some(count) = self.running.get_mut(&workflow) {
                    *count = count.saturating_sub(1);
                }
                self.running.retain(|_, count| *count > 0);
            }
            Err(error) => {
                // Of which workflow it was can't be told, so only the sum is right; it is tried again when its lease ends.
                self.all = self.all.saturating_sub(1);
                tracing::error!(%error, "a workflow's run ended unexpectedly; it is tried again when its lease ends");
            }
        }
    }

    /// How many runs of each of the due workflows are leased now: the next in turn first, each an equal part of what is free.
    fn parts(&self, due: &[Uuid]) -> Vec<(Uuid, usize)> {
        let mut free = RUNS_MAX - self.all.min(RUNS_MAX);
        let room =
            |workflow: &Uuid| RUNS_OF_ONE_MAX.saturating_sub(self.running.get(workflow).copied().unwrap_or_default());
        let start = due.iter().position(|workflow| Some(*workflow) > self.last).unwrap_or(0);
        let in_turn: Vec<&Uuid> = due[start..].iter().chain(&due[..start]).filter(|one| room(one) > 0).collect();
        let mut parts = Vec::new();
        for (position, workflow) in in_turn.iter().enumerate() {
            let part = free.div_ceil(in_turn.len() - position).min(room(workflow));
            free -= part;
            if part > 0 {
                parts.push((**workflow, part));
            }
        }
        parts
    }
}

impl Runner {
    /// SQLite serves one process, so what is leased at the start was leased by one that ended.
    async fn take_over(&self) -> Result<(), EngineError> {
        self.engine
            .store()
            .write(|tx: &mut WriteTx| {
                Box::pin(async move {
                    if tx.dialect() == Dialect::Sqlite {
                        end_leases(tx).await?;
                    }
                    Ok::<_, EngineError>(())
                })
            })
            .await
    }

    async fn lease(&self, share: &mut Share) -> Result<Vec<LeasedRun>, EngineError> {
        let now = Utc::now();
        let due = self
            .engine
            .store()
            .read(move |tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(due_workflows(tx, now).await?) }))
            .await?;
        let parts = share.parts(&due);
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let (until, parts) = (now + LEASE, Arc::new(parts));
        self.engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let parts = Arc::clone(&parts);
                Box::pin(async move {
                    let mut leased = Vec::new();
                    for (workflow, count) in parts.iter() {
                        leased.extend(lease_runs(tx, *workflow, *count, now, until).await?);
                    }
                    Ok::<_, EngineError>(leased)
                })
            })
            .await
    }

    async fn run(&self, mut run: LeasedRun) {
        let leased = run.clone();
        let ended = tokio::select! {
            ended = self.run_steps(&mut run) => ended,
            () = self.keep(leased) => Ok(()),
        };
        if let Err(error) = ended {
            let error = match error {
                StepError::LeaseLost => return,
                StepError::Temporary(error, _) | StepError::Final(error) => error,
            };
            tracing::warn!(run = %run.id, error, "a run's end could not be recorded; it is tried again when its lease ends");
        }
    }

    /// Renews the lease; returns when it is lost.
    async fn keep(&self, run: LeasedRun) {
        let run = Arc::new(run);
        loop {
            tokio::time::sleep(RENEWAL).await;
            let (until, kept) = (Utc::now() + LEASE, Arc::clone(&run));
            let renewed = self
                .engine
                .store()
                .write(move |tx: &mut WriteTx| {
                    let run = Arc::clone(&kept);
                    Box::pin(async move { renew_lease(tx, &run, until).await })
                })
                .await;
            match renewed {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(run = %run.id, %error, "a lease can't be renewed"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u128) -> Vec<Uuid> {
        (1..=count).map(Uuid::from_u128).collect()
    }

    #[test]
    fn every_due_workflow_gets_its_part() {
        let share = Share::default();
        let parts = |count| -> Vec<usize> { share.parts(&ids(count)).into_iter().map(|(_, part)| part).collect() };
        assert_eq!(parts(1), [RUNS_OF_ONE_MAX]);
        assert_eq!(parts(3), [6, 5, 5]);
        assert_eq!(parts(40), [1; RUNS_MAX]);
        assert_eq!(parts(0), [0; 0]);
    }

    #[test]
    fn a_workflow_with_many_runs_leaves_room_and_turns_go_round() {
        let [one, two, three] = ids(3).try_into().unwrap();
        let mut share = Share::default();
        for _ in 0..RUNS_OF_ONE_MAX {
            share.begin(one);
        }
        assert!(share.parts(&[one]).is_empty());
        assert_eq!(share.parts(&[one, two]), [(two, 4)]);
        for _ in 0..3 {
            share.begin(two);
        }
        assert_eq!(share.parts(&[one, two, three]), [(three, 1)], "it is the next in turn");
        share.begin(three);
        assert!(share.is_full() && share.parts(&[one, two, three]).is_empty());
        share.end(Ok(one));
        assert_eq!(share.parts(&[one, two, three]), [(one, 1)]);
    }
}
