//! Runs that ended long ago go, with the logs of their steps.

use async_recursion::async_recursion as boxed;

use cardine_engine::{Engine, EngineError};
use cardine_store::WriteTx;
use cardine_store::platform::runs::delete_old_runs;
use chrono::{DateTime, TimeDelta, Utc};

/// How often old runs are looked for.
const EVERY: TimeDelta = TimeDelta::hours(1);
/// Deleted in one transaction, so that no write waits long.
const BATCH: usize = 500;

/// When this process looks for old runs again.
#[derive(Debug)]
pub(super) struct Upkeep {
    kept_for: Option<TimeDelta>,
    next: Option<DateTime<Utc>>,
}

impl Upkeep {
    /// Runs are kept so long after their end; none: for good.
    pub fn new(kept_for: Option<TimeDelta>) -> Self {
        Self { kept_for, next: None }
    }

    /// Deletes a batch of those that are too old at `now`; more of them at the next look.
    #[boxed]
    pub async fn delete_old(&mut self, engine: &Engine, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let Some(before) = self.kept_for.and_then(|kept_for| now.checked_sub_signed(kept_for)) else { return Ok(0) };
        if self.next.is_some_and(|next| now < next) {
            return Ok(0);
        }
        let deleted = engine
            .store()
            .write(move |tx: &mut WriteTx| {
                Box::pin(async move { Ok::<_, EngineError>(delete_old_runs(tx, before, BATCH).await?) })
            })
            .await?;
        if deleted < BATCH as u64 {
            self.next = Some(now + EVERY);
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use cardine_store::platform::runs::{RunFilter, dismiss_run, find_runs};
    use cardine_store::platform::workflows::{NewRun, Origin, fail_run, last_due, lease_runs, queue_runs};
    use cardine_store::{ReadTx, StoreError};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::matcher::Workflows;
    use crate::run::RunState;
    use crate::testing::Database;

    async fn left(engine: &Engine) -> Vec<String> {
        let read = engine
            .store()
            .read(|tx: &mut ReadTx| Box::pin(async move { find_runs(tx, &RunFilter::default(), 1_000).await }));
        let mut left: Vec<String> = read.await.unwrap().into_iter().map(|row| row.status).collect();
        left.sort_unstable();
        left
    }

    /// Queues as many runs, which were due at such an hour of the first day where it is a schedule's.
    async fn queue(engine: &Engine, workflow: Uuid, count: u32, is_due: bool, at: DateTime<Utc>) {
        let run = |number: u32| {
            let due_at = is_due.then(|| at + TimeDelta::hours(i64::from(number)));
            let state = RunState::of_event(json!({}));
            (
                Origin { event: None, record: None, due_at },
                NewRun { workflow, version: 1, state, cause: None, depth: 0 },
            )
        };
        let runs: Vec<_> = (0..count).map(run).collect();
        let write = engine.store().write(move |tx: &mut WriteTx| {
            let runs = runs.clone();
            Box::pin(async move { queue_runs(tx, &runs, at).await })
        });
        write.await.unwrap();
    }

    /// Ends so many runs as failed, and dismisses all of them or all but one.
    async fn end(engine: &Engine, workflow: Uuid, count: usize, left: usize, at: DateTime<Utc>) {
        let write = engine.store().write(move |tx: &mut WriteTx| {
            Box::pin(async move {
                for (position, run) in lease_runs(tx, workflow, count, &[], at, at).await?.iter().enumerate() {
                    fail_run(tx, run, "x", at).await?;
                    if position >= left {
                        assert!(dismiss_run(tx, run.id).await? && !dismiss_run(tx, run.id).await?);
                    }
                }
                Ok::<_, StoreError>(())
            })
        });
        write.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_ended_long_ago_goes_and_what_failed_or_goes_on_stays() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let steps = json!([{"id": "wait", "wait": {"for": "P1D"}}]);
            for (name, trigger) in
                [("by-hand", json!({"manual": {}})), ("daily", json!({"schedule": {"cron": "0 0 * * *"}}))]
            {
                database.save(&engine, json!({"name": name, "trigger": trigger, "steps": steps})).await;
            }
            let snapshot = engine.snapshot();
            let id =
                |name: &str| *Workflows::all(&snapshot).find(|(_, version)| version.workflow.name == name).unwrap().0;
            let (by_hand, daily) = (id("by-hand"), id("daily"));
            let start = DateTime::from_timestamp_millis(Utc::now().timestamp_millis()).unwrap();
            queue(&engine, by_hand, 5, false, start).await;
            end(&engine, by_hand, 4, 1, start).await;
            queue(&engine, daily, 3, true, start).await;
            end(&engine, daily, 3, 0, start).await;
            let kept_for = TimeDelta::days(30);
            let mut upkeep = Upkeep::new(Some(kept_for));
            assert_eq!(upkeep.delete_old(&engine, start + kept_for).await.unwrap(), 0, "not a moment too early");
            assert_eq!(Upkeep::new(None).delete_old(&engine, start + kept_for * 9).await.unwrap(), 0);
            assert_eq!(
                upkeep.delete_old(&engine, start + kept_for + EVERY / 2).await.unwrap(),
                0,
                "it looks every hour"
            );
            upkeep.delete_old(&engine, start + kept_for + EVERY).await.unwrap();
            // Of the schedule the last one, which tells what is due next.
            assert_eq!(left(&engine).await, ["CANCELLED", "FAILED", "QUEUED"]);
            let last = engine.store().read(move |tx: &mut ReadTx| Box::pin(async move { last_due(tx, daily).await }));
            let last = last.await.unwrap().unwrap();
            assert_eq!(last.timestamp_millis(), (start + TimeDelta::hours(2)).timestamp_millis());
        }
    }
}
