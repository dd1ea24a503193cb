//! What the clock starts: for each due time of a schedule one run, whoever looks first.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::{Engine, EngineError};
use cardine_store::platform::workflows::{NewRun, Origin, last_due, pass_over_due, queue_runs};
use cardine_store::{ReadTx, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;
use serde_json::json;
use uuid::Uuid;

use super::RunState;
use crate::definition::Status;
use crate::matcher::Workflows;
use crate::program::Start;
use crate::schedule::Times;
use crate::versions::Version;

/// Due times that were missed are made up for, so many at a look.
const DUE_MAX: usize = 100;

/// When each schedule is due next, as far as this process has looked.
#[derive(Debug, Default)]
pub(super) struct Clockwork {
    next: FxHashMap<(Uuid, i64), DateTime<Utc>>,
}

impl Clockwork {
    /// Queues a run for each due time up to `now` that has none; of a workflow that does jobs for the newest alone. A unique key keeps two
    /// processes from queueing one twice.
    #[boxed]
    pub async fn queue_due(&mut self, engine: &Engine, now: DateTime<Utc>) -> Result<(), EngineError> {
        let snapshot = engine.snapshot();
        let scheduled: Vec<(Uuid, Arc<Version>)> = Workflows::all(&snapshot)
            .filter(|(_, version)| {
                version.workflow.status == Status::Active && matches!(version.workflow.start, Start::Times(_))
            })
            .map(|(id, version)| (*id, Arc::clone(version)))
            .collect();
        self.next.retain(|(id, number), _| scheduled.iter().any(|(known, of)| known == id && of.number == *number));
        let mut runs = Vec::new();
        let mut newest_counts = Vec::new();
        for (id, version) in &scheduled {
            let Start::Times(times) = &version.workflow.start else { continue };
            let key = (*id, version.number);
            let next = match self.next.get(&key) {
                Some(next) => *next,
                None => {
                    let Some(next) = times.after(since(engine, *id, now).await?) else { continue };
                    self.next.insert(key, next);
                    next
                }
            };
            let does_jobs = version.workflow.jobs().next().is_some();
            let (due, later) = if does_jobs { newest_due(times, next, now) } else { due_times(times, next, now) };
            if does_jobs && !due.is_empty() {
                newest_counts.push(*id);
            }
            runs.extend(due.into_iter().map(|due| (*id, version.number, due)));
            if let Some(later) = later {
                self.next.insert(key, later);
            }
        }
        if runs.is_empty() {
            return Ok(());
        }
        let new: Arc<Vec<(Origin, NewRun)>> = Arc::new(runs.iter().map(|run| new_run(*run, now)).collect());
        let newest_counts = Arc::new(newest_counts);
        let queued = engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let (new, newest_counts) = (Arc::clone(&new), Arc::clone(&newest_counts));
                Box::pin(async move {
                    queue_runs(tx, &new, now).await?;
                    for workflow in newest_counts.iter() {
                        // A run that outlasts the time to the next one leaves one behind it, and no row of them.
                        pass_over_due(tx, *workflow, now).await?;
                    }
                    Ok::<_, EngineError>(())
                })
            })
            .await;
        if queued.is_err() {
            // The database knows what was queued; the next look asks it.
            self.next.clear();
        }
        queued
    }
}

/// From when on due times count: behind the last one that was queued, or since the version was saved.
async fn since(engine: &Engine, workflow: Uuid, now: DateTime<Utc>) -> Result<DateTime<Utc>, EngineError> {
    let last = engine
        .store()
        .read(move |tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(last_due(tx, workflow).await?) }))
        .await?;
    Ok(last.unwrap_or(now))
}

/// The due times from `next` up to `now`, and the one after them.
fn due_times(times: &Times, next: DateTime<Utc>, now: DateTime<Utc>) -> (Vec<DateTime<Utc>>, Option<DateTime<Utc>>) {
    let mut due = Vec::new();
    let mut next = Some(next);
    while let Some(at) = next.filter(|at| *at <= now && due.len() < DUE_MAX) {
        due.push(at);
        next = times.after(at);
    }
    (due, next)
}

/// The last due time from `next` up to `now`, and the one after it. A long pause is looked through from its end, in steps that double.
fn newest_due(times: &Times, next: DateTime<Utc>, now: DateTime<Utc>) -> (Vec<DateTime<Utc>>, Option<DateTime<Utc>>) {
    if next > now {
        return (Vec::new(), Some(next));
    }
    let mut back = TimeDelta::minutes(1);
    let mut newest = next;
    while now - back > next {
        if let Some(found) = times.after(now - back).filter(|found| *found <= now) {
            newest = found;
            break;
        }
        back = back * 2;
    }
    loop {
        match times.after(newest) {
            Some(later) if later <= now => newest = later,
            after => return (vec![newest], after),
        }
    }
}

fn new_run((workflow, version, due): (Uuid, i64, DateTime<Utc>), now: DateTime<Utc>) -> (Origin, NewRun) {
    let at = cardine_engine::json_of_value(&cardine_model::Value::DateTime(due));
    let event = json!({
        "kind": "SCHEDULED",
        "at": at,
        "today": due.date_naive(),
        "actor": null,
        "cause": null,
        "request": Uuid::now_v7(),
        "depth": 0,
        "trigger": {"dueAt": at},
        "queuedAt": now,
    });
    let run = NewRun { workflow, version, state: RunState::of_event(event), cause: None, depth: 0 };
    (Origin { event: None, record: None, due_at: Some(due) }, run)
}

#[cfg(test)]
mod tests {
    use cardine_store::platform::runs::{GoOn, RunFilter, cancel_run, find_runs, requeue_run};

    use super::*;
    use crate::testing::Database;

    /// What two processes with clocks of their own queue for a workflow that is due at every full hour.
    #[tokio::test(flavor = "multi_thread")]
    async fn each_due_time_starts_one_run_however_many_look() {
        for database in Database::each().await {
            let (engine, other) = (database.engine().await, database.engine().await);
            let hourly = json!({"name": "hourly", "trigger": {"schedule": {"cron": "0 * * * *"}},
                "steps": [{"id": "wait", "wait": {"for": "PT0S"}}]});
            let saved = at("2026-01-01T00:30:00Z");
            database.save_at(&engine, hourly, saved).await;
            other.reload().await.unwrap();
            let (mut one, mut two) = (Clockwork::default(), Clockwork::default());
            one.queue_due(&engine, saved).await.unwrap();
            assert_eq!(database.due(&engine).await, [] as [String; 0], "nothing is due yet");
            for hours in [1, 1, 3] {
                let now = saved + TimeDelta::hours(hours);
                let (first, second) = tokio::join!(one.queue_due(&engine, now), two.queue_due(&other, now));
                first.and(second).unwrap();
                assert_eq!(database.due(&engine).await.len(), usize::try_from(hours).unwrap());
            }
            // A process that starts later goes on where the others were.
            Clockwork::default().queue_due(&other, saved + TimeDelta::hours(4)).await.unwrap();
            let due = database.due(&engine).await;
            let mut once = due.clone();
            once.dedup();
            assert_eq!((due.len(), &once), (4, &due));
            assert!(due.iter().all(|due| due.contains(":00:00")), "{due:?}");
        }
    }

    fn hourly_job() -> serde_json::Value {
        json!({"name": "job", "trigger": {"schedule": {"cron": "0 * * * *"}}, "steps": [{"id": "run", "job": {"plugin": "p", "name": "j"}}]})
    }

    /// What was queued and is not done, after two processes have looked at the clock.
    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_job_only_the_newest_time_is_left_that_nobody_has_begun() {
        for database in Database::each().await {
            let (engine, other) = (database.engine().await, database.engine().await);
            let saved = at("2026-01-01T00:30:00Z");
            database.save_at(&engine, hourly_job(), saved).await;
            other.reload().await.unwrap();
            let hours = |hours: i64| saved + TimeDelta::hours(hours);
            let (mut one, mut two) = (Clockwork::default(), Clockwork::default());
            one.queue_due(&engine, saved).await.unwrap();
            // Nothing ran for half a day.
            let (first, second) = tokio::join!(one.queue_due(&engine, hours(12)), two.queue_due(&other, hours(12)));
            first.and(second).unwrap();
            let queued = database.due(&engine).await;
            assert_eq!(queued.len(), 1, "{queued:?}");
            // It has not begun when the next ones come, one of them as the first thing that another process sees.
            one.queue_due(&engine, hours(13)).await.unwrap();
            two.queue_due(&other, hours(14)).await.unwrap();
            one.queue_due(&engine, hours(14)).await.unwrap();
            let left = database.unfinished(&engine).await;
            let due = database.due(&engine).await;
            assert_eq!((due.len(), left.len()), (3, 1), "{due:?} {left:?}");
            assert_eq!(left.first(), due.last());
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_a_person_has_tried_again_is_not_passed_over() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let saved = at("2026-01-01T00:30:00Z");
            database.save_at(&engine, hourly_job(), saved).await;
            let mut clock = Clockwork::default();
            clock.queue_due(&engine, saved + TimeDelta::hours(1)).await.unwrap();
            let find = engine
                .store()
                .read(|tx: &mut ReadTx| Box::pin(async move { find_runs(tx, &RunFilter::default(), 9).await }));
            let [run] = find.await.unwrap().try_into().unwrap();
            let again = engine.store().write(move |tx: &mut WriteTx| {
                Box::pin(async move {
                    let now = saved + TimeDelta::minutes(70);
                    assert!(cancel_run(tx, run.id, now).await?);
                    let at = GoOn { step: 0, state: &json!({}), loops: &json!([]) };
                    requeue_run(tx, run.id, &at, now).await
                })
            });
            assert!(again.await.unwrap());
            for hours in [2, 3] {
                clock.queue_due(&engine, saved + TimeDelta::hours(hours)).await.unwrap();
                let left = database.unfinished(&engine).await;
                assert_eq!((left.len(), &left[0]), (2, run.due_at.as_ref().unwrap()), "and the newest: {left:?}");
            }
        }
    }

    #[test]
    fn the_newest_of_a_long_pause_is_found() {
        for (cron, next, now, newest, after) in [
            (
                "* * * * *",
                "2026-01-01T00:00:00Z",
                "2027-01-01T00:00:30Z",
                "2027-01-01T00:00:00Z",
                "2027-01-01T00:01:00Z",
            ),
            (
                "0 3 1 * *",
                "2026-01-01T03:00:00Z",
                "2026-12-31T00:00:00Z",
                "2026-12-01T03:00:00Z",
                "2027-01-01T03:00:00Z",
            ),
            (
                "0 3 1 1 *",
                "2026-01-01T03:00:00Z",
                "2026-12-31T00:00:00Z",
                "2026-01-01T03:00:00Z",
                "2027-01-01T03:00:00Z",
            ),
        ] {
            let times = Times::parse(cron, chrono_tz::Tz::UTC).unwrap();
            assert_eq!(newest_due(&times, at(next), at(now)), (vec![at(newest)], Some(at(after))), "{cron}");
            assert_eq!(newest_due(&times, at(next), at(next) - TimeDelta::seconds(1)), (Vec::new(), Some(at(next))));
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn missed_times_are_made_up_for_each_once() {
        let times = Times::parse("0 * * * *", chrono_tz::Tz::UTC).unwrap();
        let (due, next) = due_times(&times, at("2026-01-01T01:00:00Z"), at("2026-01-01T03:30:00Z"));
        assert_eq!(due, [at("2026-01-01T01:00:00Z"), at("2026-01-01T02:00:00Z"), at("2026-01-01T03:00:00Z")]);
        assert_eq!(next, Some(at("2026-01-01T04:00:00Z")));
        let (due, next) = due_times(&times, at("2026-01-01T04:00:00Z"), at("2026-01-01T03:59:59Z"));
        assert_eq!((due, next), (Vec::new(), Some(at("2026-01-01T04:00:00Z"))), "the clock may have been put back");
    }

    #[test]
    fn a_long_pause_is_made_up_for_in_parts() {
        let times = Times::parse("* * * * *", chrono_tz::Tz::UTC).unwrap();
        let (due, next) = due_times(&times, at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        assert_eq!((due.len(), next), (DUE_MAX, Some(at("2026-01-01T01:40:00Z"))));
    }
}
