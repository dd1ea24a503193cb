//! The queue: what is due is leased, a fair part of each workflow, and done; until this process ends.

use async_recursion::async_recursion as boxed;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use cardine_engine::{Engine, EngineError};
use cardine_store::platform::workflows::{
    LeasedRun, due_workflows, end_leases, hold_workflows, lease_runs, leased_versions, release_lease, renew_lease,
};
use cardine_store::{Dialect, ReadTx, StoreError, WriteTx};
use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::clock::Clockwork;
use super::dates::DateWatch;
use super::pace::Pace;
use super::share::{Share, part};
use super::upkeep::Upkeep;
use super::{LEASE, Outside, Runner, StepError};
use crate::matcher::Workflows;
use crate::versions::Versions;

/// How often a run shows that its process lives.
const RENEWAL: Duration = Duration::from_secs(5);
/// When a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// Runs workflows until `stop` says so; runs that have begun finish.
#[boxed]
pub async fn run_workflows(engine: Engine, outside: Outside, mut stop: watch::Receiver<bool>) {
    let runner = Arc::new(Runner::new(engine, outside));
    if let Err(error) = runner.take_over().await {
        tracing::warn!(%error, "leases of the process before can't be ended; they end by themselves");
    }
    let mut clockwork = Clockwork::default();
    let mut dates = DateWatch::default();
    let mut upkeep = Upkeep::new(runner.outside.runs_kept_for);
    let mut share = Share::default();
    let mut running = JoinSet::new();
    let mut written = runner.engine.requests_written();
    'looks: while !*stop.borrow() {
        if let Err(error) = clockwork.queue_due(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "what the clock starts can't be queued");
        }
        if let Err(error) = dates.queue_due(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "what records' dates start can't be queued");
        }
        if let Err(error) = upkeep.delete_old(&runner.engine, Utc::now()).await {
            tracing::warn!(%error, "old runs of workflows can't be deleted; they are tried again");
        }
        let before = std::mem::replace(&mut written, runner.engine.requests_written());
        runner.way.note(written > before);
        let mut pace = Pace::look(Instant::now(), written);
        let leased = if share.is_full() { Ok(Leased::default()) } else { lease(&runner.versions, &mut share).await };
        let leased = leased.unwrap_or_else(|error| {
            tracing::warn!(%error, "the queue of workflows can't be read");
            Leased::default()
        });
        let has_begun = !leased.runs.is_empty();
        for run in leased.runs {
            let (runner, workflow) = (Arc::clone(&runner), run.workflow);
            share.begin(workflow);
            running.spawn(async move {
                if AssertUnwindSafe(runner.run(run)).catch_unwind().await.is_err() {
                    tracing::error!(%workflow, "a workflow's run ended unexpectedly; it is tried again when its lease ends");
                }
                workflow
            });
        }
        pace.found(leased.is_more_due, has_begun, &share);
        while !*stop.borrow() {
            let next = pace.next(&share, runner.engine.requests_written());
            tokio::select! {
                Some(Ok(workflow)) = running.join_next() => {
                    share.end(workflow);
                    pace.tell();
                }
                () = runner.engine.events_written() => pace.tell(),
                () = until(next) => break,
                changed = stop.changed() => if changed.is_err() { break 'looks },
            }
        }
    }
    running.join_all().await;
}

/// Waits until then; for good where that is never.
async fn until(next: Option<Instant>) {
    match next {
        Some(next) => tokio::time::sleep_until(next).await,
        None => std::future::pending().await,
    }
}

/// Leases what is due, each workflow's part of what is free. What does the same job is never leased twice at once, by no process.
async fn lease(versions: &Versions, share: &mut Share) -> Result<Leased, EngineError> {
    let (engine, free) = (versions.engine(), share.free());
    let (seen_at, due, leased, state) = engine
        .store()
        .read(|tx: &mut ReadTx| {
            Box::pin(async move {
                let now = Utc::now();
                let due = due_workflows(tx, now).await?;
                let leased = if due.is_empty() { Vec::new() } else { leased_versions(tx, now).await? };
                Ok::<_, EngineError>((now, due, leased, tx.state().await?))
            })
        })
        .await?;
    if due.is_empty() {
        return Ok(Leased::default());
    }
    if state.access_epoch != engine.snapshot().access.epoch {
        // Another process has saved something a moment ago, perhaps which jobs a workflow does.
        engine.reload().await?;
    }
    // A run finishes on the version that it began with, and does the jobs of that one.
    let snapshot = engine.snapshot();
    let mut older = Vec::new();
    for (workflow, number) in due.iter().chain(&leased).copied() {
        if Workflows::of(&snapshot, workflow).is_none_or(|newest| newest.number != number)
            && let (_, Some(version)) = versions.fetch(workflow, number).await?
        {
            older.push((workflow, version));
        }
    }
    let snapshot = engine.snapshot();
    let epoch = snapshot.access.epoch;
    let workflows: Vec<Uuid> = due.into_iter().map(|(workflow, _)| workflow).collect();
    let asked =
        |(workflow, room)| Asked { workflow, room, beside: Workflows::of_same_jobs(&snapshot, &older, workflow) };
    let asked: Arc<Vec<Asked>> = Arc::new(share.in_turn(&workflows).into_iter().map(asked).collect());
    // What is due of one that has all its places taken is done when some of them are free.
    let is_more_due = workflows.iter().any(|workflow| share.room(workflow) == 0);
    if asked.is_empty() {
        return Ok(Leased { runs: Vec::new(), is_more_due });
    }
    let count = asked.len();
    // In the same queue as the renewals of leases: one that was queued before the look is made before this, so that no run that is under
    // way here seems to be nobody's.
    let leased = engine
        .store()
        .write(move |tx: &mut WriteTx| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let held: Vec<Uuid> = asked.iter().flat_map(|one| &one.beside).copied().collect();
                hold_workflows(tx, &held).await?;
                // Somebody has saved a workflow meanwhile, perhaps one that does the same job: who does jobs is looked at again.
                let no_jobs = !held.is_empty() && tx.state().await?.access_epoch != epoch;
                // Only now: the write may have waited for others, and a lease may have ended. On SQLite there is nobody else to renew
                // it, and who does may wait behind this write.
                let now = if tx.dialect() == Dialect::Sqlite { seen_at } else { Utc::now() };
                let mut leased = Leased { runs: Vec::new(), is_more_due };
                for (position, Asked { workflow, room, beside }) in asked.iter().enumerate() {
                    if no_jobs && !beside.is_empty() {
                        continue;
                    }
                    let part = part(free - leased.runs.len(), asked.len() - position - 1, *room);
                    if part == 0 {
                        break;
                    }
                    let runs = lease_runs(tx, *workflow, part, beside, now, Utc::now() + LEASE).await?;
                    leased.is_more_due |= runs.len() == part;
                    leased.runs.extend(runs);
                }
                Ok::<_, EngineError>(leased)
            })
        })
        .await?;
    share.given(count, leased.runs.iter().map(|run| run.workflow));
    Ok(leased)
}

/// What a look at the queue has given.
#[derive(Debug, Default)]
struct Leased {
    runs: Vec<LeasedRun>,
    /// A workflow gave as many as it was asked for, or could not be asked.
    is_more_due: bool,
}

/// A workflow that is asked for runs, for how many at most, and whose runs they must not run beside.
struct Asked {
    workflow: Uuid,
    room: usize,
    beside: Vec<Uuid>,
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

    async fn run(&self, mut run: LeasedRun) {
        let leased = Arc::new(run.clone());
        let ended = tokio::select! {
            ended = self.run_steps(&mut run) => ended,
            () = keep(&self.engine, Arc::clone(&leased), RENEWAL) => Err(StepError::LeaseLost),
        };
        if let Err(error) = ended {
            let error = match error {
                StepError::LeaseLost => return self.release(leased).await,
                StepError::Failed(failed) => failed.message,
            };
            tracing::warn!(run = %run.id, error, "a run's end could not be recorded; it is tried again when its lease ends");
        }
    }

    /// For a run that was cancelled while its steps were done.
    async fn release(&self, run: Arc<LeasedRun>) {
        let lost = Arc::clone(&run);
        let given = self
            .engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let run = Arc::clone(&lost);
                Box::pin(async move { release_lease(tx, &run).await })
            })
            .await;
        if let Err(error) = given {
            tracing::warn!(run = %run.id, %error, "a cancelled run's lease can't be given back; it ends by itself");
        }
    }
}

/// Renews the lease so often; returns when it is lost, or has ended because it can't be renewed: another process may have it then.
/// SQLite serves no other process: there a lease is renewed when whoever writes has ended.
async fn keep(engine: &Engine, run: Arc<LeasedRun>, every: Duration) {
    let mut until = run.until;
    let mut pause = every;
    let others = engine.store().dialect() == Dialect::Postgres;
    let left = |until: DateTime<Utc>| match (until - Utc::now()).to_std() {
        _ if !others => Duration::MAX,
        left => left.unwrap_or_default(),
    };
    loop {
        // Before half of what is left is over, so that there is time for it.
        tokio::time::sleep(pause.min(left(until) / 2)).await;
        let kept = Arc::clone(&run);
        let renewing = engine.store().write(move |tx: &mut WriteTx| {
            let run = Arc::clone(&kept);
            Box::pin(async move {
                let until = Utc::now() + LEASE;
                Ok::<_, StoreError>(renew_lease(tx, &run, until).await?.then_some(until))
            })
        });
        match tokio::time::timeout(left(until), renewing).await {
            Ok(Ok(Some(renewed))) => (until, pause) = (renewed, every),
            Ok(Ok(None)) => return,
            Ok(Err(error)) if left(until) > AGAIN => {
                tracing::warn!(run = %run.id, %error, "a lease can't be renewed; it is tried again");
                pause = AGAIN;
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(run = %run.id, "a lease could not be renewed before it ended; the run is left to whoever leases it next");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use cardine_store::platform::runs::{GoOn, cancel_run, requeue_run};
    use cardine_store::platform::workflows::{
        Advance, NewRun, Origin, Then, advance_run, fail_run, postpone_run, queue_runs,
    };
    use serde_json::json;
    use tokio::sync::Notify;

    use crate::run::RunState;
    use crate::testing::Database;

    /// Saves a workflow that does a job of the plugin `p` when somebody says so.
    async fn save(database: &Database, engine: &Engine, name: &str, job: &str) -> Uuid {
        let steps = json!([{"id": "run", "job": {"plugin": "p", "name": job}}]);
        database.save(engine, json!({"name": name, "trigger": {"manual": {}}, "steps": steps})).await;
        let snapshot = engine.snapshot();
        *Workflows::all(&snapshot).find(|(_, version)| version.workflow.name == name).unwrap().0
    }

    async fn queue(engine: &Engine, workflow: Uuid, count: usize) -> Vec<Uuid> {
        queue_of(engine, workflow, &vec![Origin { event: None, record: None, due_at: None }; count]).await
    }

    async fn queue_of(engine: &Engine, workflow: Uuid, origins: &[Origin]) -> Vec<Uuid> {
        let version = Workflows::of(&engine.snapshot(), workflow).unwrap().number;
        let new = NewRun { workflow, version, state: RunState::of_event(json!({})), cause: None, depth: 0 };
        let runs: Vec<_> = origins.iter().map(|origin| (*origin, new.clone())).collect();
        let write = engine.store().write(move |tx: &mut WriteTx| {
            let runs = runs.clone();
            Box::pin(async move { queue_runs(tx, &runs, Utc::now()).await })
        });
        write.await.unwrap()
    }

    async fn advance(engine: &Engine, run: &LeasedRun, then: Then) {
        let run = run.clone();
        let write = engine.store().write(move |tx: &mut WriteTx| {
            let run = run.clone();
            Box::pin(async move {
                let to = Advance { step: 0, state: None, loops: &json!([]), steps_done: 1, then };
                assert!(advance_run(tx, &run, &to).await?);
                Ok::<_, StoreError>(())
            })
        });
        write.await.unwrap();
    }

    /// When no test goes on any more, however slow the machine is.
    fn far() -> DateTime<Utc> {
        Utc::now() + chrono::TimeDelta::days(1)
    }

    /// Leases as `run_workflows` does, but for as long as the test goes on.
    async fn lease(engine: &Engine, share: &mut Share) -> Result<Vec<LeasedRun>, EngineError> {
        look(engine, share).await.map(|leased| leased.runs)
    }

    async fn look(engine: &Engine, share: &mut Share) -> Result<Leased, EngineError> {
        let leased = super::lease(&Versions::new(engine.clone()), share).await?;
        for run in &leased.runs {
            let run = run.clone();
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let run = run.clone();
                Box::pin(async move { renew_lease(tx, &run, far()).await })
            });
            assert!(write.await.unwrap());
        }
        Ok(leased)
    }

    /// What two processes get that look at the same moment.
    async fn leased_by_both(one: &Engine, two: &Engine) -> Vec<LeasedRun> {
        let (mut share, mut other_share) = (Share::default(), Share::default());
        let (first, second) = tokio::join!(lease(one, &mut share), lease(two, &mut other_share));
        [first.unwrap(), second.unwrap()].concat()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_is_leased_once_at_a_time_whichever_workflows_do_it() {
        for database in Database::each().await {
            let (engine, other) = (database.engine().await, database.engine().await);
            let (one, two) = (save(&database, &engine, "one", "j").await, save(&database, &engine, "two", "j").await);
            let another = save(&database, &engine, "another", "k").await;
            other.reload().await.unwrap();
            let queued = [queue(&engine, one, 3).await, queue(&other, two, 3).await].concat();
            queue(&engine, another, 1).await;
            let mut begun = Vec::new();
            while begun.len() < queued.len() {
                let leased = leased_by_both(&engine, &other).await;
                let (of_another, of_job): (Vec<_>, Vec<_>) = leased.iter().partition(|run| run.workflow == another);
                assert_eq!(of_another.len(), usize::from(begun.is_empty()), "another job goes on beside it");
                for run in of_another {
                    advance(&engine, run, Then::End(Utc::now())).await;
                }
                let [run] = of_job.as_slice() else { panic!("{of_job:?}") };
                assert_eq!(leased_by_both(&engine, &other).await.len(), 0, "it has not ended");
                advance(&engine, run, Then::End(Utc::now())).await;
                begun.push(run.id);
            }
            for workflow in [&queued[..3], &queued[3..]] {
                let order: Vec<Uuid> = begun.iter().filter(|run| workflow.contains(run)).copied().collect();
                assert_eq!(order, workflow, "the oldest first");
            }
            // One whose step waits, for somebody's answer perhaps, holds nobody up.
            queue(&engine, one, 2).await;
            let leased = leased_by_both(&engine, &other).await;
            assert_eq!(leased.len(), 1);
            advance(&engine, &leased[0], Then::Wait(far())).await;
            let next = leased_by_both(&engine, &other).await;
            assert!(next.len() == 1 && next[0].id != leased[0].id, "{next:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_look_tells_whether_more_is_due_than_there_were_places() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let steps = json!([{"id": "rest", "wait": {"for": "P1D"}}]);
            database.save(&engine, json!({"name": "many", "trigger": {"manual": {}}, "steps": steps})).await;
            let many = *Workflows::all(&engine.snapshot()).next().unwrap().0;
            queue(&engine, many, 14).await;
            let mut share = Share::default();
            for (given, is_more_due) in [(12, true), (0, true)] {
                let leased = look(&engine, &mut share).await.unwrap();
                assert_eq!((leased.runs.len(), leased.is_more_due), (given, is_more_due));
                leased.runs.iter().for_each(|run| share.begin(run.workflow));
            }
            (0..6).for_each(|_| share.end(many));
            for given in [2, 0] {
                let leased = look(&engine, &mut share).await.unwrap();
                assert_eq!((leased.runs.len(), leased.is_more_due), (given, false), "there is room for six");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_can_not_renew_a_lease_stops_when_it_ends() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let job = save(&database, &engine, "job", "j").await;
            queue(&engine, job, 1).await;
            let [run] = lease(&engine, &mut Share::default()).await.unwrap().try_into().unwrap();
            let run = Arc::new(LeasedRun { until: Utc::now() + Duration::from_secs(1), ..run });
            // A write that does not end keeps everybody from writing the run's row.
            let (held, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (shared, writer) = ((Arc::clone(&run), Arc::clone(&held), Arc::clone(&end)), engine.clone());
            let write = tokio::spawn(async move {
                let write = writer.store().write(move |tx: &mut WriteTx| {
                    let (run, held, end) = shared.clone();
                    Box::pin(async move {
                        assert!(renew_lease(tx, &run, far()).await?);
                        held.notify_one();
                        end.notified().await;
                        Ok::<_, StoreError>(())
                    })
                });
                write.await.unwrap();
            });
            held.notified().await;
            let keeping = keep(&engine, Arc::clone(&run), Duration::from_millis(50));
            match engine.store().dialect() {
                Dialect::Postgres => {
                    let kept = tokio::time::timeout(LEASE, keeping).await;
                    assert!(kept.is_ok(), "it goes on without a lease");
                }
                Dialect::Sqlite => {
                    let kept = tokio::time::timeout(Duration::from_secs(2), keeping).await;
                    assert!(kept.is_err(), "nobody else can have it");
                }
            }
            end.notify_one();
            write.await.unwrap();
            if engine.store().dialect() == Dialect::Postgres {
                // A database that says no at once does not keep it going, either.
                let away = r#"ALTER TABLE "workflow_run" RENAME TO "away""#;
                let write =
                    engine.store().write(move |tx: &mut WriteTx| Box::pin(async move { tx.run_ddl(away).await }));
                write.await.unwrap();
                let run = Arc::new(LeasedRun { until: Utc::now() + Duration::from_secs(1), ..(*run).clone() });
                let kept = tokio::time::timeout(LEASE, keep(&engine, run, Duration::from_millis(50))).await;
                assert!(kept.is_ok(), "it goes on without a lease");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_is_that_of_the_version_that_runs() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let other = match database.elsewhere().await {
                Some(other) => other,
                None => database.engine().await,
            };
            let one = save(&database, &engine, "one", "j").await;
            queue(&engine, one, 2).await;
            let mut share = Share::default();
            // What this process has saved is done at once by another, which has not heard of it.
            let [run] = lease(&other, &mut Share::default()).await.unwrap().try_into().unwrap();
            // The job goes to another workflow while a run of the version before does it.
            assert_eq!(save(&database, &engine, "one", "k").await, one);
            let two = save(&database, &engine, "two", "j").await;
            queue(&engine, two, 1).await;
            queue(&engine, one, 1).await;
            for engine in [&engine, &other] {
                assert_eq!(lease(engine, &mut share).await.unwrap().len(), 0, "its first version's run has not ended");
            }
            advance(&engine, &run, Then::End(Utc::now())).await;
            let [run] = lease(&engine, &mut share).await.unwrap().try_into().unwrap();
            assert_eq!((run.workflow, run.version), (one, 1), "the oldest");
            assert_eq!(lease(&other, &mut share).await.unwrap().len(), 0, "its job is now that of two");
            advance(&engine, &run, Then::End(Utc::now())).await;
            let leased = lease(&other, &mut share).await.unwrap();
            let mut begun: Vec<(Uuid, i64)> = leased.iter().map(|run| (run.workflow, run.version)).collect();
            begun.sort_unstable();
            assert_eq!(begun, [(one, 2), (two, 1)], "they do different jobs");
            let nobodys = Uuid::from_u128(1);
            let beside = Workflows::of_same_jobs(&engine.snapshot(), &[], nobodys);
            assert_eq!(beside, [nobodys], "what does not fit the modules is not known");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_is_begun_beside_a_cancelled_run_that_has_not_stopped() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let job = save(&database, &engine, "job", "j").await;
            let [first, second] = queue(&engine, job, 2).await.try_into().unwrap();
            let mut share = Share::default();
            let [run] = lease(&engine, &mut share).await.unwrap().try_into().unwrap();
            cancel(&engine, first).await;
            assert_eq!(lease(&engine, &mut share).await.unwrap().len(), 0, "who does it may not know yet");
            // Whoever does it sees at its next part, or at its next renewal, that it has ended, and records nothing.
            let gone = Arc::new(run.clone());
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let run = Arc::clone(&gone);
                Box::pin(async move {
                    assert!(!renew_lease(tx, &run, far()).await?);
                    assert!(!postpone_run(tx, &run, "x", Utc::now()).await?);
                    assert!(!fail_run(tx, &run, "x", Utc::now()).await?);
                    release_lease(tx, &run).await
                })
            });
            write.await.unwrap();
            let [run] = lease(&engine, &mut share).await.unwrap().try_into().unwrap();
            assert_eq!(run.id, second);
            // Tried again at once, it waits for the lease, whose token counts no more.
            cancel(&engine, second).await;
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let (run, state) = (run.clone(), RunState::of_event(json!({})));
                Box::pin(async move {
                    let at = GoOn { step: 0, state: &state, loops: &json!([]) };
                    assert!(requeue_run(tx, second, &at, Utc::now()).await?);
                    assert!(!renew_lease(tx, &run, far()).await?);
                    release_lease(tx, &run).await
                })
            });
            write.await.unwrap();
            assert_eq!(lease(&engine, &mut share).await.unwrap().len(), 0, "nor has the other stopped");
            let write = engine.store().write(|tx: &mut WriteTx| Box::pin(async move { end_leases(tx).await }));
            write.await.unwrap();
            let [run] = lease(&engine, &mut share).await.unwrap().try_into().unwrap();
            assert_eq!(run.id, second);
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_has_not_heard_that_a_step_was_recorded_records_nothing_over_it() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let job = save(&database, &engine, "job", "j").await;
            queue(&engine, job, 1).await;
            let [run] = lease(&engine, &mut Share::default()).await.unwrap().try_into().unwrap();
            advance(&engine, &run, Then::GoOn).await;
            let unaware = run.clone();
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let run = unaware.clone();
                Box::pin(async move {
                    let to = Advance { step: 0, state: None, loops: &json!([]), steps_done: 1, then: Then::GoOn };
                    assert!(!advance_run(tx, &run, &to).await?);
                    assert!(!postpone_run(tx, &run, "x", Utc::now()).await?);
                    assert!(!fail_run(tx, &run, "x", Utc::now()).await?);
                    assert!(renew_lease(tx, &run, far()).await?, "the lease is still its own");
                    Ok::<_, StoreError>(())
                })
            });
            write.await.unwrap();
            let aware = LeasedRun { steps_done: 1, ..run };
            let write = engine.store().write(move |tx: &mut WriteTx| {
                let run = aware.clone();
                Box::pin(async move { postpone_run(tx, &run, "x", Utc::now()).await })
            });
            assert!(write.await.unwrap());
            let [run] = lease(&engine, &mut Share::default()).await.unwrap().try_into().unwrap();
            assert_eq!(run.steps_done, 1);
        }
    }

    async fn cancel(engine: &Engine, run: Uuid) {
        let cancelled = engine
            .store()
            .write(move |tx: &mut WriteTx| Box::pin(async move { cancel_run(tx, run, Utc::now()).await }));
        assert!(cancelled.await.unwrap());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_save_meanwhile_delays_only_who_does_jobs() {
        // Until somebody waits for what this transaction holds.
        const AWAITED: &str = "DO $$ BEGIN WHILE NOT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))
            LOOP PERFORM pg_sleep(0.01); END LOOP; END $$";
        for database in Database::each().await {
            let engine = database.engine().await;
            if engine.store().dialect() == Dialect::Sqlite {
                // Whoever waits there can't be seen.
                continue;
            }
            let job = save(&database, &engine, "job", "j").await;
            let document =
                json!({"name": "rest", "trigger": {"manual": {}}, "steps": [{"id": "rest", "wait": {"for": "P1D"}}]});
            database.save(&engine, document).await;
            let snapshot = engine.snapshot();
            let rest = *Workflows::all(&snapshot).find(|(_, version)| version.workflow.name == "rest").unwrap().0;
            for workflow in [job, rest] {
                queue(&engine, workflow, 1).await;
            }
            let held = Arc::new(Notify::new());
            let (writer, holds) = (engine.clone(), Arc::clone(&held));
            let saving = tokio::spawn(async move {
                let write = writer.store().write(move |tx: &mut WriteTx| {
                    let holds = Arc::clone(&holds);
                    Box::pin(async move {
                        hold_workflows(tx, &[job]).await?;
                        tx.bump_access_epoch().await?;
                        holds.notify_one();
                        tx.run_ddl(AWAITED).await
                    })
                });
                write.await.unwrap();
            });
            held.notified().await;
            let mut share = Share::default();
            for expected in [rest, job] {
                let [run] = lease(&engine, &mut share).await.unwrap().try_into().unwrap();
                assert_eq!(run.workflow, expected);
            }
            saving.await.unwrap();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_goes_on_with_other_records_while_one_waits() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let (job, other) = (save(&database, &engine, "a", "j").await, save(&database, &engine, "b", "k").await);
            let [first, second] = [1, 2].map(|record| Some(Uuid::from_u128(record)));
            let of = |event, record| Origin { event: Some(event), record, due_at: None };
            let [older] = queue_of(&engine, other, &[of(1, first)]).await.try_into().unwrap();
            let queued = queue_of(&engine, job, &[of(2, first), of(3, second), of(4, first), of(5, second)]).await;
            let mut share = Share::default();
            let mut begun = Vec::new();
            // The record's older run is to be tried again tomorrow.
            for expected in [vec![older, queued[1]], vec![queued[3]], vec![]] {
                let leased = lease(&engine, &mut share).await.unwrap();
                let mut ids: Vec<Uuid> = leased.iter().map(|run| run.id).collect();
                ids.sort_unstable();
                assert_eq!(ids, expected);
                for run in leased {
                    if run.id == older {
                        let write = engine.store().write(move |tx: &mut WriteTx| {
                            let run = run.clone();
                            Box::pin(async move { postpone_run(tx, &run, "later", far()).await })
                        });
                        assert!(write.await.unwrap());
                    } else {
                        advance(&engine, &run, Then::End(Utc::now())).await;
                        begun.push(run.id);
                    }
                }
            }
            cancel(&engine, older).await;
            while let [run] = lease(&engine, &mut share).await.unwrap().as_slice() {
                advance(&engine, run, Then::End(Utc::now())).await;
                begun.push(run.id);
            }
            assert_eq!(begun, [queued[1], queued[3], queued[0], queued[2]], "each record's in their order");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn workflows_of_one_job_take_turns() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let (one, two) = (save(&database, &engine, "one", "j").await, save(&database, &engine, "two", "j").await);
            let busy = save(&database, &engine, "busy", "k").await;
            for workflow in [one, two] {
                queue(&engine, workflow, 3).await;
            }
            let (mut share, mut order) = (Share::default(), Vec::new());
            while order.len() < 6 {
                // A third has something to do each time, and is done before the job is.
                queue(&engine, busy, 1).await;
                let leased = lease(&engine, &mut share).await.unwrap();
                let (of_busy, of_job): (Vec<_>, Vec<_>) = leased.iter().partition(|run| run.workflow == busy);
                assert_eq!((of_busy.len(), of_job.len()), (1, 1), "{leased:?}");
                advance(&engine, of_busy[0], Then::End(Utc::now())).await;
                assert_eq!(lease(&engine, &mut share).await.unwrap().len(), 0, "the job has not ended");
                advance(&engine, of_job[0], Then::End(Utc::now())).await;
                order.push(of_job[0].workflow);
            }
            assert!(order.windows(2).all(|two| two[0] != two[1]), "{order:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_workflow_that_has_nothing_to_give_takes_nobodys_turn() {
        for database in Database::each().await {
            let engine = database.engine().await;
            // Two workflows whose job is under way, and two others, in whatever order their ids come to be.
            let mut blocked = Vec::new();
            for name in ["one", "two"] {
                blocked.push(save(&database, &engine, name, name).await);
            }
            for workflow in &blocked {
                queue(&engine, *workflow, 2).await;
            }
            let mut share = Share::default();
            let under_way = lease(&engine, &mut share).await.unwrap();
            assert_eq!(under_way.len(), blocked.len());
            for run in under_way {
                share.begin(run.workflow);
                let run = Arc::new(run);
                let write = engine.store().write(move |tx: &mut WriteTx| {
                    let run = Arc::clone(&run);
                    Box::pin(async move { renew_lease(tx, &run, far()).await })
                });
                assert!(write.await.unwrap());
            }
            let mut others = Vec::new();
            for name in ["three", "four"] {
                others.push(save(&database, &engine, name, name).await);
            }
            // One place is free, and whosever turn it is, it is not left empty.
            while share.free() > 1 {
                share.begin(Uuid::nil());
            }
            for workflow in others.iter().chain(&others) {
                queue(&engine, *workflow, 1).await;
            }
            for last in blocked.iter().chain(&others) {
                share.given(1, [*last].into_iter());
                let leased = lease(&engine, &mut share).await.unwrap();
                assert!(leased.len() == 1 && others.contains(&leased[0].workflow), "{leased:?}");
                advance(&engine, &leased[0], Then::End(Utc::now())).await;
            }
        }
    }
}
