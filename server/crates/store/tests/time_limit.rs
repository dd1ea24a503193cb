//! A request whose time is over: its statement is stopped, nothing of it stays, and others are not harmed.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use std::time::Duration;

use cardine_model::Value;
use cardine_store::{Bindings, ColumnType, Deadline, Dialect, Options, Statement, Store, StoreError};
use databases::{TestDatabase, query, statement};

const ENDLESS: &str = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT (n + 1) % 1000 FROM r)";
const SHORT: Duration = Duration::from_millis(50);
/// Longer than anything here takes, however busy the machine.
const AMPLE: Duration = Duration::from_secs(3_600);

async fn with_table() -> Vec<TestDatabase> {
    let databases = databases::each().await;
    for database in &databases {
        database.ddl("CREATE TABLE t (n integer NOT NULL)").await;
    }
    databases
}

/// Inserts a row, and runs `last`.
async fn write(store: &Store, row: i64, last: Option<Statement>) -> Result<(), StoreError> {
    let insert = statement(store.dialect(), "INSERT INTO t VALUES ($1)", vec![Value::Integer(row)], &[]);
    store
        .write(move |tx| {
            let (insert, last) = (insert.clone(), last.clone());
            Box::pin(async move {
                tx.execute(&insert, &Bindings::default()).await?;
                if let Some(last) = last {
                    tx.execute(&last, &Bindings::default()).await?;
                }
                Ok(())
            })
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_read_is_stopped_and_told_its_limit() {
    for database in with_table().await {
        let text = format!("{ENDLESS} SELECT count(*) FROM r");
        // More than there are threads or connections: if they did not stop, the last read would wait for ever.
        for _ in 0..20 {
            let store = database.store.until(Some(Deadline::after(SHORT)));
            let outcome = query(&store, &text, Vec::new(), &[ColumnType::Integer]).await;
            assert!(matches!(outcome, Err(StoreError::TimeLimit { limit: SHORT })), "{outcome:?}");
        }
        let store = database.store.until(Some(Deadline::after(AMPLE)));
        assert_eq!(query(&store, "SELECT 1", Vec::new(), &[ColumnType::Integer]).await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_write_is_undone_and_its_neighbours_are_not() {
    for database in with_table().await {
        let endless = statement(
            database.dialect(),
            &format!("INSERT INTO t {ENDLESS} SELECT n FROM r WHERE n < 0"),
            Vec::new(),
            &[],
        );
        for round in 0..5 {
            let store = database.store.until(Some(Deadline::after(SHORT)));
            let (first, stopped, last) = tokio::join!(
                write(&database.store, 10 * round + 1, None),
                write(&store, 10 * round + 2, Some(endless.clone())),
                write(&database.store, 10 * round + 3, None),
            );
            assert!(matches!(stopped, Err(StoreError::TimeLimit { limit: SHORT })), "{stopped:?}");
            first.unwrap();
            last.unwrap();
        }
        assert_eq!(database.number("SELECT count(*) FROM t").await, 10);
        assert_eq!(database.number("SELECT count(*) FROM t WHERE n % 10 = 2").await, 0);
        // The bound went with the request that had it.
        write(&database.store, 99, Some(long(database.dialect()))).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM t WHERE n = 99").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_short_statements_end_with_the_time_too() {
    for database in with_table().await {
        let store = database.store.until(Some(Deadline::after(SHORT)));
        let insert = statement(store.dialect(), "INSERT INTO t VALUES (1)", Vec::new(), &[]);
        let outcome: Result<(), StoreError> = store
            .write(move |tx| {
                let insert = insert.clone();
                Box::pin(async move {
                    loop {
                        tx.execute(&insert, &Bindings::default()).await?;
                    }
                })
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::TimeLimit { .. })), "{outcome:?}");
        assert_eq!(database.number("SELECT count(*) FROM t").await, 0);
    }
}

/// Runs through many checks of the time, and ends.
fn long(dialect: Dialect) -> Statement {
    let text = "INSERT INTO t WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 100000) SELECT n FROM r WHERE n < 0";
    statement(dialect, text, Vec::new(), &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_connection_waits_as_long_as_the_request_may() {
    let Some(database) = databases::postgres().await else { return };
    // All connections but this one are somebody else's.
    let (connect_timeout, queue_timeout) = (10 * SHORT, 40 * SHORT);
    let options = Options { postgres_connections: 1, connect_timeout, queue_timeout, ..Options::default() };
    let store = Store::open(&database.url, &options).await.unwrap();
    let (begun, has_begun) = tokio::sync::oneshot::channel();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let holder = tokio::spawn({
        let store = store.clone();
        async move {
            let select = statement(store.dialect(), "SELECT 1", Vec::new(), &[ColumnType::Integer]);
            let held = store.read::<_, StoreError, _>(|tx| {
                Box::pin(async move {
                    let rows = tx.query(&select, &Bindings::default()).await?;
                    let _ = begun.send(());
                    let _ = released.await;
                    Ok(rows)
                })
            });
            held.await
        }
    });
    has_begun.await.unwrap();
    let read = |deadline| {
        let store = store.until(deadline);
        async move { query(&store, "SELECT 1", Vec::new(), &[ColumnType::Integer]).await }
    };
    let limited = read(Some(Deadline::after(2 * SHORT))).await;
    assert!(matches!(limited, Err(StoreError::TimeLimit { .. })), "{limited:?}");
    let unlimited = read(None).await;
    assert!(matches!(unlimited, Err(StoreError::Unavailable(_))), "{unlimited:?}");

    // It is longer in use than a connection may take to be made.
    let waiting = tokio::spawn(read(Some(Deadline::after(AMPLE))));
    tokio::time::sleep(connect_timeout + SHORT).await;
    release.send(()).unwrap();
    assert_eq!(holder.await.unwrap().unwrap().len(), 1);
    assert_eq!(waiting.await.unwrap().unwrap().len(), 1);
}
