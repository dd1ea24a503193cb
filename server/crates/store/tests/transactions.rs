//! What commits, what is undone, and what others see of it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cardine_model::Value;
use cardine_sql::ddl::records::hold_table;
use cardine_store::{Bindings, ColumnType, Dialect, Extent, Habit, Options, RowSet, Statement, Store, StoreError};
use databases::{TestDatabase, execute, query, statement};
use tokio::sync::{Barrier, Notify};

async fn with_table() -> Vec<TestDatabase> {
    let databases = databases::each().await;
    for database in &databases {
        let text = database.either("CREATE TABLE t (n INTEGER NOT NULL)", "CREATE TABLE t (n integer NOT NULL)");
        database.ddl(&format!("{text}; CREATE UNIQUE INDEX t_n ON t (n)")).await;
    }
    databases
}

fn insert(dialect: Dialect, number: i64) -> Statement {
    statement(dialect, "INSERT INTO t VALUES ($1)", vec![Value::Integer(number)], &[])
}

fn count(dialect: Dialect) -> Statement {
    statement(dialect, "SELECT count(*) FROM t", Vec::new(), &[ColumnType::Integer])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_fails_does_not_hurt_its_neighbours() {
    for database in with_table().await {
        // All are queued while the first is still at it, so that on SQLite they share a transaction.
        let blocked = hold_a_write(&database.store).await;
        let writes: Vec<_> = (0..40)
            .map(|number| {
                let store = database.store.clone();
                tokio::spawn(async move {
                    let (dialect, refused) = (store.dialect(), number % 4 == 0);
                    let outcome: Result<(), StoreError> = store
                        .write(move |tx| {
                            Box::pin(async move {
                                tx.execute(&insert(dialect, number), &Bindings::default()).await?;
                                if refused { Err(StoreError::Cancelled) } else { Ok(()) }
                            })
                        })
                        .await;
                    assert_eq!(outcome.is_err(), refused);
                })
            })
            .collect();
        blocked.notify_one();
        for write in writes {
            write.await.unwrap();
        }
        assert_eq!(database.number("SELECT count(*) FROM t").await, 30);
        assert_eq!(database.number("SELECT count(*) FROM t WHERE n % 4 = 0").await, 0);
    }
}

/// Starts a write that ends when it is notified, and waits until it runs.
async fn hold_a_write(store: &Store) -> Arc<Notify> {
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, work) = (store.clone(), (Arc::clone(&begun), Arc::clone(&end)));
    tokio::spawn(async move {
        let held: Result<(), StoreError> = store
            .write(move |_| {
                let (begun, end) = work.clone();
                Box::pin(async move {
                    begun.notify_one();
                    end.notified().await;
                    Ok(())
                })
            })
            .await;
        held.unwrap();
    });
    begun.notified().await;
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_writers_at_once_lose_nothing() {
    for database in databases::each().await {
        database.ddl("CREATE TABLE c (n integer); INSERT INTO c VALUES (0)").await;
        let writers: Vec<_> = (0..64)
            .map(|_| {
                let store = database.store.clone();
                tokio::spawn(async move {
                    for _ in 0..10 {
                        execute(&store, "UPDATE c SET n = n + 1", Vec::new()).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(database.number("SELECT n FROM c").await, 640);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_does_not_see_what_is_written_meanwhile() {
    for database in with_table().await {
        let store = database.store.clone();
        let dialect = database.dialect();
        let counts = database
            .store
            .read::<_, StoreError, _>(move |tx| {
                Box::pin(async move {
                    let before = tx.query(&count(dialect), &Bindings::default()).await?;
                    // Another transaction, which has committed when this goes on.
                    execute(&store, "INSERT INTO t VALUES (1)", Vec::new()).await?;
                    let after = tx.query(&count(dialect), &Bindings::default()).await?;
                    Ok((before.cell(0, 0).integer(), after.cell(0, 0).integer()))
                })
            })
            .await;
        assert_eq!(counts.unwrap(), (Some(0), Some(0)));
        assert_eq!(database.number("SELECT count(*) FROM t").await, 1);
    }
}

#[tokio::test]
async fn a_read_cannot_write() {
    for database in with_table().await {
        let refused = database.query("INSERT INTO t VALUES (1) RETURNING n", Vec::new(), &[ColumnType::Integer]).await;
        assert!(refused.is_err());
        assert_eq!(database.number("SELECT count(*) FROM t").await, 0);
    }
}

#[tokio::test]
async fn a_violated_constraint_is_named() {
    for database in with_table().await {
        database
            .ddl(
                "CREATE TABLE p (id integer PRIMARY KEY, a integer, b integer CHECK (b > 0));
                 CREATE UNIQUE INDEX p_a_b ON p (a, b) WHERE a > 0;
                 CREATE TABLE c (p_id integer REFERENCES p (id))",
            )
            .await;
        for text in ["INSERT INTO t VALUES (1)", "INSERT INTO p VALUES (1, 1, 1)", "INSERT INTO c VALUES (1)"] {
            database.execute(text, Vec::new()).await.unwrap();
        }
        let fails = async |text: &str| database.execute(text, Vec::new()).await.unwrap_err();
        let unique = async |text: &str| match fails(text).await {
            StoreError::UniqueViolation { index } => index,
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(unique("INSERT INTO t VALUES (1)").await, "t_n");
        assert_eq!(unique("INSERT INTO p VALUES (2, 1, 1)").await, "p_a_b");
        assert_eq!(unique("INSERT INTO p VALUES (1, 2, 2)").await, "p_pkey");
        assert!(matches!(fails("INSERT INTO c VALUES (9)").await, StoreError::ForeignKeyViolation { .. }));
        assert!(matches!(fails("DELETE FROM p").await, StoreError::ForeignKeyViolation { .. }));
        assert!(
            matches!(fails("INSERT INTO t VALUES (NULL)").await, StoreError::NotNullViolation { column } if column == "n")
        );
        assert!(matches!(fails("INSERT INTO p VALUES (3, 3, 0)").await, StoreError::CheckViolation { .. }));
        for text in ["INSERT INTO nowhere VALUES (1)", "UPDATE t SET absent = 1", "INSERT INTO t (absent) VALUES (1)"] {
            let failure = fails(text).await;
            assert!(matches!(failure, StoreError::Stale(_)), "{text}: {failure:?}");
        }
        let shown = fails("INSERT INTO t VALUES (1)").await.to_string();
        assert!(!shown.contains("t_n") && !shown.contains("INSERT"), "{shown}");
    }
}

#[tokio::test]
async fn a_failed_statement_that_is_ignored_undoes_the_transaction_on_both() {
    for database in with_table().await {
        let dialect = database.dialect();
        let outcome: Result<(), StoreError> = database
            .store
            .write(move |tx| {
                Box::pin(async move {
                    tx.execute(&insert(dialect, 1), &Bindings::default()).await?;
                    let _ = tx.execute(&insert(dialect, 1), &Bindings::default()).await;
                    Ok(())
                })
            })
            .await;
        assert!(matches!(outcome, Err(StoreError::UniqueViolation { .. })), "{outcome:?}");
        assert_eq!(database.number("SELECT count(*) FROM t").await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_leaves_no_transaction_open() {
    for database in with_table().await {
        let dialect = database.dialect();
        let written = Arc::new(Notify::new());
        let (store, signal) = (database.store.clone(), Arc::clone(&written));
        let caller = tokio::spawn(async move {
            let _: Result<(), StoreError> = store
                .write(move |tx| {
                    let signal = Arc::clone(&signal);
                    Box::pin(async move {
                        tx.execute(&insert(dialect, 1), &Bindings::default()).await?;
                        signal.notify_one();
                        std::future::pending().await
                    })
                })
                .await;
        });
        written.notified().await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        // The row's lock, or SQLite's writer, is free; and the row is not there.
        database.execute("INSERT INTO t VALUES (1)", Vec::new()).await.unwrap();
        assert_eq!(database.number("SELECT count(*) FROM t").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_read_stops_when_its_caller_goes_away() {
    for database in databases::each().await {
        let endless = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT (n + 1) % 1000 FROM r) SELECT count(*) FROM r";
        // More than there are threads or connections: if they did not stop, the last read would wait for ever.
        for _ in 0..20 {
            let read = query(&database.store, endless, Vec::new(), &[ColumnType::Integer]);
            let timeout = tokio::time::timeout(std::time::Duration::from_millis(20), read).await;
            assert!(timeout.is_err(), "the read is endless");
        }
        assert_eq!(database.number("SELECT 1").await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_write_undoes_it_and_the_next_one_runs() {
    let database = with_table().await.remove(0);
    let outcome: Result<(), StoreError> = database
        .store
        .write(|tx| {
            Box::pin(async move {
                tx.execute(&insert(Dialect::Sqlite, 1), &Bindings::default()).await?;
                panic!("a mistake");
            })
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
    database.execute("INSERT INTO t VALUES (1)", Vec::new()).await.unwrap();
    let outcome: Result<(), StoreError> = database.store.read(|_| Box::pin(async { panic!("a mistake") })).await;
    assert!(matches!(outcome, Err(StoreError::Internal(_))), "{outcome:?}");
    assert_eq!(database.number("SELECT count(*) FROM t").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_inside_others_do_not_wait_for_each_other_for_ever() {
    let database = with_table().await.remove(0);
    let readers = std::thread::available_parallelism().map_or(2, usize::from).max(2) * 2;
    let barrier = Arc::new(Barrier::new(1));
    let reads: Vec<_> = (0..readers)
        .map(|_| {
            let (outer, inner, barrier) = (database.store.clone(), database.store.clone(), Arc::clone(&barrier));
            tokio::spawn(async move {
                outer
                    .read::<_, StoreError, _>(move |_| {
                        Box::pin(async move {
                            barrier.wait().await;
                            query(&inner, "SELECT count(*) FROM t", Vec::new(), &[ColumnType::Integer]).await
                        })
                    })
                    .await
            })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap().len(), 1);
    }
    let store = database.store.clone();
    let inside: Result<u64, StoreError> = database
        .store
        .write(move |_| {
            let store = store.clone();
            Box::pin(async move { execute(&store, "INSERT INTO t VALUES (1)", Vec::new()).await })
        })
        .await;
    assert!(matches!(inside, Err(StoreError::Internal(_))), "{inside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_another_was_in_the_way_of_is_run_again() {
    let Some(database) = databases::postgres().await else { return };
    database.ddl("CREATE TABLE c (id integer, n integer); INSERT INTO c VALUES (1, 0), (2, 0)").await;
    // Two transactions lock the two rows in opposite order: PostgreSQL ends one of them.
    let (runs, both) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(2)));
    let writers = [(1, 2), (2, 1)].map(|(first, second)| {
        let (store, runs, both) = (database.store.clone(), Arc::clone(&runs), Arc::clone(&both));
        tokio::spawn(async move {
            let outcome: Result<(), StoreError> = store
                .write(move |tx| {
                    let (run, both) = (runs.fetch_add(1, Ordering::SeqCst), Arc::clone(&both));
                    Box::pin(async move {
                        let update = |id| format!("UPDATE c SET n = n + 1 WHERE id = {id}");
                        tx.execute(
                            &statement(Dialect::Postgres, &update(first), Vec::new(), &[]),
                            &Bindings::default(),
                        )
                        .await?;
                        if run < 2 {
                            both.wait().await;
                        }
                        tx.execute(
                            &statement(Dialect::Postgres, &update(second), Vec::new(), &[]),
                            &Bindings::default(),
                        )
                        .await?;
                        Ok(())
                    })
                })
                .await;
            outcome.unwrap();
        })
    });
    for writer in writers {
        writer.await.unwrap();
    }
    // One more than two; and again where the run that was ended begins before the other has committed what it waits for.
    assert!(runs.load(Ordering::SeqCst) > 2);
    assert_eq!(database.number("SELECT sum(n)::int FROM c").await, 4);
}

/// PostgreSQL, where a change of tables has as many tries as it needs.
async fn patient_postgres() -> Option<TestDatabase> {
    let lock_waits = vec![Duration::from_millis(20); 3_000].into();
    let database = databases::postgres_with(&Options { lock_waits, ..Options::default() }).await?;
    database.ddl("CREATE TABLE t (n integer NOT NULL); INSERT INTO t VALUES (1)").await;
    Some(database)
}

/// Waits until somebody waits for a lock on `t`.
async fn somebody_waits(database: &TestDatabase) {
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 't'::regclass";
    while database.number(waiting).await == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_kept_off_a_table_by_a_change_that_waits_for_a_long_read() {
    let Some(database) = patient_postgres().await else { return };
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, work) = (database.store.clone(), (Arc::clone(&begun), Arc::clone(&end)));
    let long = tokio::spawn(async move {
        let read = store.read::<_, StoreError, _>(move |tx| {
            Box::pin(async move {
                tx.query(&count(Dialect::Postgres), &Bindings::default()).await?;
                work.0.notify_one();
                work.1.notified().await;
                Ok(())
            })
        });
        read.await.unwrap();
    });
    begun.notified().await;
    let store = database.store.clone();
    let change = tokio::spawn(async move { databases::run_ddl(&store, "ALTER TABLE t ADD COLUMN m integer").await });
    somebody_waits(&database).await;
    assert_eq!(database.number("SELECT count(*) FROM t").await, 1);
    database.execute("INSERT INTO t VALUES (2)", Vec::new()).await.unwrap();
    assert!(!change.is_finished() && !long.is_finished());
    end.notify_one();
    long.await.unwrap();
    change.await.unwrap().unwrap();
    assert_eq!(database.number("SELECT count(*) FROM t WHERE m IS NULL").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_a_table_to_change_it_and_who_has_locked_its_records_do_not_wait_for_each_other() {
    let Some(database) = patient_postgres().await else { return };
    let (begun, end) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (store, work) = (database.store.clone(), (Arc::clone(&begun), Arc::clone(&end)));
    let runs = Arc::new(AtomicUsize::new(0));
    let writes = Arc::clone(&runs);
    let writer = tokio::spawn(async move {
        let written: Result<(), StoreError> = store
            .write(move |tx| {
                let (begun, end) = work.clone();
                writes.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    let take =
                        statement(Dialect::Postgres, "SELECT n FROM t FOR UPDATE", Vec::new(), &[ColumnType::Integer]);
                    tx.query(&take, &Bindings::default()).await?;
                    begun.notify_one();
                    end.notified().await;
                    let put = statement(Dialect::Postgres, "UPDATE t SET n = n + 1", Vec::new(), &[]);
                    tx.execute(&put, &Bindings::default()).await?;
                    Ok(())
                })
            })
            .await;
        written.unwrap();
    });
    begun.notified().await;
    let (store, changes) = (database.store.clone(), Arc::clone(&runs));
    let change = tokio::spawn(async move {
        let changed: Result<(), StoreError> = store
            .write(move |tx| {
                changes.fetch_add(1, Ordering::SeqCst);
                Box::pin(async move {
                    tx.run_ddl(&hold_table("t")).await?;
                    tx.run_ddl("ALTER TABLE t ADD COLUMN m integer").await
                })
            })
            .await;
        changed.unwrap();
    });
    somebody_waits(&database).await;
    end.notify_one();
    writer.await.unwrap();
    change.await.unwrap();
    // PostgreSQL would have ended one of them, which would have been run again.
    assert_eq!(runs.load(Ordering::SeqCst), 2);
    assert_eq!(database.number("SELECT n FROM t WHERE m IS NULL").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_was_prepared_for_an_older_table_is_run_again_beside_the_others() {
    let Some(database) = databases::postgres().await else { return };
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let modes: Result<i64, StoreError> = database
        .store
        .write(move |tx| {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                let columns = [ColumnType::Integer];
                let text = match run {
                    0 => "SELECT gone FROM pg_class",
                    _ => "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND mode = 'ExclusiveLock'",
                };
                let rows = tx.query(&statement(Dialect::Postgres, text, Vec::new(), &columns), &Bindings::default()).await?;
                Ok(rows.cell(0, 0).integer().unwrap())
            })
        })
        .await;
    assert_eq!((modes.unwrap(), runs.load(Ordering::SeqCst)), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_wait_for_has_connections_of_its_own() {
    let Some(database) = databases::postgres_with(&Options { postgres_connections: 1, ..Options::default() }).await
    else {
        return;
    };
    let first = database.store.first();
    let seen: Result<RowSet, StoreError> = database
        .store
        .read(move |tx| {
            let first = first.clone();
            Box::pin(async move {
                let one = statement(Dialect::Postgres, "SELECT 1", Vec::new(), &[ColumnType::Integer]);
                tx.query(&one, &Bindings::default()).await?;
                query(&first, "SELECT 1", Vec::new(), &[ColumnType::Integer]).await
            })
        })
        .await;
    assert_eq!(seen.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_a_change_was_in_the_way_of_is_run_again() {
    let Some(database) = databases::postgres().await else { return };
    database
        .ddl("CREATE FUNCTION in_a_circle() RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$")
        .await;
    for (ended, runs) in [(0, 1), (2, 3), (9, 3)] {
        let counted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&counted);
        let read: Result<i64, StoreError> = database
            .store
            .read_again(&Habit::new(Extent::Several), move |tx| {
                let text =
                    if count.fetch_add(1, Ordering::SeqCst) < ended { "SELECT in_a_circle()" } else { "SELECT 7" };
                Box::pin(async move {
                    let asked = statement(Dialect::Postgres, text, Vec::new(), &[ColumnType::Integer]);
                    let rows = tx.query(&asked, &Bindings::default()).await?;
                    Ok(rows.cell(0, 0).integer().unwrap_or_default())
                })
            })
            .await;
        assert_eq!(counted.load(Ordering::SeqCst), runs);
        match read {
            Ok(seven) => assert!(seven == 7 && ended < 3),
            Err(error) => assert!(matches!(error, StoreError::Serialization(_)) && ended == 9, "{error:?}"),
        }
    }
}
