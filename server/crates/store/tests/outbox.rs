//! The outbox is read in order and without a hole, whatever commits when, and old events are taken away from its beginning.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use std::sync::Arc;

use cardine_store::platform::events::{Inserted, NewEvent, delete_events, insert_events, insert_events_and_runs};
use cardine_store::platform::feed::{OutboxMark, fetch_events, fetch_oldest_event, fetch_outbox_mark};
use cardine_store::platform::runs::steps_of_run;
use cardine_store::platform::workflows::{
    Advance, LeasedRun, NewRun, Origin, StepLog, Then, advance_run_and_log, fail_run, lease_runs, queue_runs,
    save_workflow,
};
use cardine_store::{Dialect, ReadTx, Store, StoreError, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use uuid::Uuid;

async fn insert(tx: &mut WriteTx, module: &str, at: DateTime<Utc>) -> Result<i64, StoreError> {
    Ok(insert_events(tx, &[event(module, at)]).await?.numbers[0])
}

fn event(module: &str, at: DateTime<Utc>) -> NewEvent<'_> {
    NewEvent {
        at,
        module,
        record: Uuid::now_v7(),
        kind: "CREATED",
        actor: None,
        depth: 0,
        before: None,
        after: Some(json!({"title": module}).to_string().into()),
        changed: "[\"title\"]".into(),
    }
}

async fn write(store: &Store, module: &'static str, at: DateTime<Utc>) -> i64 {
    store.write(move |tx| Box::pin(insert(tx, module, at))).await.unwrap()
}

/// Writes an event, and commits it when told.
async fn hold(store: &Store, module: &'static str) -> (Arc<Notify>, JoinHandle<()>) {
    let (written, commit) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, held) = (store.clone(), (Arc::clone(&written), Arc::clone(&commit)));
    let task = tokio::spawn(async move {
        let work = store.write(move |tx| {
            let (written, commit) = held.clone();
            Box::pin(async move {
                insert(tx, module, Utc::now()).await?;
                written.notify_one();
                commit.notified().await;
                Ok::<_, StoreError>(())
            })
        });
        work.await.unwrap();
    });
    written.notified().await;
    (commit, task)
}

async fn mark(store: &Store) -> OutboxMark {
    store.read(|tx: &mut ReadTx| Box::pin(fetch_outbox_mark(tx))).await.unwrap()
}

async fn modules(store: &Store, after: i64, up_to: i64, limit: usize) -> Vec<String> {
    let asked: Vec<String> = ["A", "B", "C"].map(str::to_owned).into();
    let read =
        store.read(move |tx: &mut ReadTx| Box::pin(async move { fetch_events(tx, &asked, after, up_to, limit).await }));
    read.await.unwrap().into_iter().map(|event| event.module).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_queued_with_the_numbers_of_their_events() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        for count in [1, 3] {
            let (records, now) = ((0..count).map(|_| Uuid::now_v7()).collect::<Vec<_>>(), Utc::now());
            let work = database.store.write(move |tx| {
                let records = records.clone();
                Box::pin(async move {
                    let mut workflows = Vec::new();
                    for name in ["first", "second"] {
                        workflows.push(save_workflow(tx, name, &json!({}), "ACTIVE", None, now).await?);
                    }
                    let event = |record: &Uuid| NewEvent { record: *record, ..event("A", now) };
                    let events: Vec<_> = records.iter().map(event).collect();
                    // Of the last event, by both workflows.
                    let new = |workflow: &Uuid| {
                        let state = json!({"event": {"why": "it's \"so\""}});
                        (count - 1, NewRun { workflow: *workflow, version: 1, state, cause: None, depth: 3 })
                    };
                    let runs = workflows.iter().map(new).collect();
                    let Inserted { numbers, .. } = insert_events_and_runs(tx, &events, runs, now).await?;
                    let mut queued = Vec::new();
                    for workflow in &workflows {
                        // One record's runs are done one after the other.
                        for run in lease_runs(tx, *workflow, 5, &[], now, now).await? {
                            assert!(fail_run(tx, &run, "over", now).await?);
                            queued.push(run);
                        }
                    }
                    // Another one of the same event is none: the one that is there stays as it is.
                    let origin = Origin { event: numbers.last().copied(), record: None, due_at: None };
                    queue_runs(tx, &[(origin, new(&workflows[0]).1)], now).await?;
                    let again = lease_runs(tx, workflows[0], 5, &[], now, now).await?.len();
                    Ok::<_, StoreError>((records, workflows, queued, again, numbers))
                })
            });
            let (records, workflows, queued, again, numbers) = work.await.unwrap();
            assert_eq!((numbers.len(), again), (count, 0));
            assert_eq!(queued.iter().map(|run| run.workflow).collect::<Vec<_>>(), workflows);
            for run in &queued {
                assert_eq!(run.record, records.last().copied());
                assert_eq!(run.state["event"]["why"], "it's \"so\"");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_is_logged_where_its_run_is_still_ours_and_only_there() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let now = Utc::now();
        let work = database.store.write(move |tx| {
            Box::pin(async move {
                let workflow = save_workflow(tx, "w", &json!({}), "ACTIVE", None, now).await?;
                let new = NewRun { workflow, version: 1, state: json!({}), cause: None, depth: 0 };
                queue_runs(tx, &[(Origin { event: None, record: None, due_at: None }, new)], now).await?;
                let run = lease_runs(tx, workflow, 1, &[], now, now).await?.remove(0);
                let (input, output) = (json!({"a": "b"}), json!({"id": 7}));
                let log = StepLog {
                    run: run.id,
                    step: "one",
                    place: "3.1",
                    attempt: 2,
                    status: "DONE",
                    input: Some(&input),
                    output: Some(&output),
                    error: None,
                    failure: Some(&input),
                    started_at: now,
                    finished_at: now,
                };
                let (state, loops) = (json!({"event": 1}), json!([]));
                let to = Advance { step: 4, state: Some(&state), loops: &loops, steps_done: 1, then: Then::GoOn };
                let strange = LeasedRun { token: Uuid::now_v7(), ..run.clone() };
                let strangers = advance_run_and_log(tx, &strange, &to, &log).await?;
                let ours = advance_run_and_log(tx, &run, &to, &log).await?;
                let again = advance_run_and_log(tx, &run, &to, &log).await?;
                Ok::<_, StoreError>((run.id, [strangers, ours, again]))
            })
        });
        let (run, recorded) = work.await.unwrap();
        assert_eq!(recorded, [false, true, false], "a step is recorded once");
        let read = database.store.read(move |tx: &mut ReadTx| Box::pin(steps_of_run(tx, run, 10)));
        let steps = read.await.unwrap();
        let [step] = steps.as_slice() else { panic!("{steps:?}") };
        assert_eq!((step.step.as_str(), step.place.as_str(), step.attempt), ("one", "3.1", 2));
        assert_eq!((&step.input, &step.output), (&Some(json!({"a": "b"})), &Some(json!({"id": 7}))));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_commits_late_is_not_passed_over() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let store = &database.store;
        assert_eq!(mark(store).await, OutboxMark { last: 0, open: Vec::new() });
        if database.dialect() == Dialect::Sqlite {
            // One writes at a time: what is there is all there is.
            let (commit, task) = hold(store, "A").await;
            assert_eq!(mark(store).await.last, 0);
            commit.notify_one();
            task.await.unwrap();
            assert_eq!(mark(store).await, OutboxMark { last: 1, open: Vec::new() });
            continue;
        }
        let (commit_first, first) = hold(store, "A").await;
        write(store, "B", Utc::now()).await;
        let early = mark(store).await;
        assert_eq!((early.last, early.open.len()), (2, 1));
        assert_eq!(modules(store, 0, early.last, 10).await, ["B"], "seen now, but the one before it is still to come");
        assert!(!early.is_settled_at(&mark(store).await));
        // What begins later has a higher number, and keeps nobody waiting.
        let (commit_last, last) = hold(store, "C").await;
        assert!(!early.is_settled_at(&mark(store).await));
        commit_first.notify_one();
        first.await.unwrap();
        let later = mark(store).await;
        assert!(early.is_settled_at(&later) && later.open.len() == 1);
        assert_eq!(modules(store, 0, early.last, 10).await, ["A", "B"]);
        commit_last.notify_one();
        last.await.unwrap();
        assert_eq!(mark(store).await, OutboxMark { last: 3, open: Vec::new() });
        assert_eq!(modules(store, 1, 3, 10).await, ["B", "C"]);
        assert_eq!(modules(store, 0, 3, 2).await, ["A", "B"]);
        // What is undone leaves a number without an event, which nobody waits for.
        let undone: Result<(), StoreError> = store
            .write(|tx| {
                Box::pin(async move {
                    insert(tx, "A", Utc::now()).await?;
                    Err(StoreError::Cancelled)
                })
            })
            .await;
        assert!(undone.is_err());
        assert_eq!(mark(store).await.last, 4);
    }
}

#[tokio::test]
async fn old_events_go_from_the_beginning_alone() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let store = &database.store;
        let now = Utc::now();
        let old = now - TimeDelta::days(8);
        for (module, at) in [("A", old), ("B", old), ("C", now), ("A", old), ("B", now)] {
            write(store, module, at).await;
        }
        let delete = async |before: DateTime<Utc>, limit| -> u64 {
            store.write(move |tx| Box::pin(delete_events(tx, before, limit))).await.unwrap()
        };
        let oldest = async || store.read(|tx: &mut ReadTx| Box::pin(fetch_oldest_event(tx))).await.unwrap();
        assert_eq!(delete(now - TimeDelta::days(7), 1).await, 1);
        assert_eq!(oldest().await, Some(2));
        assert_eq!(delete(now - TimeDelta::days(7), 100).await, 1);
        assert_eq!(oldest().await, Some(3), "what is older than its neighbour before it stays with it");
        assert_eq!(delete(now + TimeDelta::seconds(1), 100).await, 3);
        assert_eq!(oldest().await, None);
        assert_eq!(mark(store).await.last, 5, "numbers are not given again");
    }
}
