//! Opening, migrating, watching, losing and closing a database.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_model::Value;
use cardine_store::{Bindings, ColumnType, Options, PlatformState, Store, StoreError};
use databases::{execute, query, statement};

#[tokio::test(flavor = "multi_thread")]
async fn several_may_migrate_at_once_and_again() {
    for database in databases::each().await {
        let migrations: Vec<_> = (0..4)
            .map(|_| {
                let store = database.store.clone();
                tokio::spawn(async move { store.migrate().await })
            })
            .collect();
        for migration in migrations {
            migration.await.unwrap().unwrap();
        }
        let modules = ["user", "role", "group", "outbox", "plugin", "workflow_run"];
        for table in modules {
            assert_eq!(database.number(&format!("SELECT count(*) FROM \"{table}\"")).await, 0);
        }
        let state = database.store.read::<_, StoreError, _>(|tx| Box::pin(tx.state())).await.unwrap();
        assert_eq!(state, PlatformState { catalog_version: 0, access_epoch: 1 });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_counters_is_told_to_those_who_watch() {
    for database in databases::each().await {
        database.store.migrate().await.unwrap();
        let mut watcher = database.store.watch();
        let initial = PlatformState { catalog_version: 0, access_epoch: 1 };
        watcher.wait_for(|state| *state == initial).await.unwrap();
        let bumped = database.store.write::<_, StoreError, _>(|tx| Box::pin(tx.bump_catalog_version())).await.unwrap();
        // By this process at once.
        assert_eq!(*watcher.borrow_and_update(), bumped);
        assert_eq!(bumped.catalog_version, 1);
        // As if by another: without the store's knowing.
        execute(&database.store, r#"UPDATE "platform_state" SET "access_epoch" = 7"#, Vec::new()).await.unwrap();
        watcher.wait_for(|state| state.access_epoch == 7).await.unwrap();

        let undone: Result<(), StoreError> = database
            .store
            .write(|tx| {
                Box::pin(async move {
                    tx.bump_access_epoch().await?;
                    Err(StoreError::Cancelled)
                })
            })
            .await;
        assert!(undone.is_err());
        assert_eq!(watcher.borrow_and_update().access_epoch, 7);
    }
}

#[tokio::test]
async fn a_file_belongs_to_one_store_at_a_time() {
    let database = databases::sqlite().await;
    database.store.migrate().await.unwrap();
    let second = Store::open(&database.url, &Options::default()).await;
    match second {
        Err(StoreError::Setting(message)) => {
            assert!(message.contains("another process uses the database"), "{message}")
        }
        other => panic!("{:?}", other.err()),
    }
    let url = database.url.clone();
    database.store.shutdown().await;
    let closed = database.query("SELECT 1", Vec::new(), &[ColumnType::Integer]).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    let closed = database.execute("UPDATE platform_state SET access_epoch = 2", Vec::new()).await;
    assert!(matches!(closed, Err(StoreError::Unavailable(_))), "{closed:?}");
    let cardine_store::DatabaseUrl::Sqlite(path) = &url else { panic!() };
    assert!(std::fs::metadata(path.with_extension("db-wal")).is_err(), "the log is gone");
}

#[tokio::test]
async fn a_backup_is_the_database_at_that_moment_while_it_is_used() {
    let database = databases::sqlite().await;
    database.ddl("CREATE TABLE t (n INTEGER)").await;
    database.execute("INSERT INTO t VALUES (1)", Vec::new()).await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("backup.db");
    Store::back_up(&database.url, &target).unwrap();
    assert!(matches!(Store::back_up(&database.url, &target), Err(StoreError::Setting(_))));
    database.execute("INSERT INTO t VALUES (2)", Vec::new()).await.unwrap();
    let copy = Store::open(&cardine_store::DatabaseUrl::Sqlite(target), &Options::default()).await.unwrap();
    let rows = query(&copy, "SELECT n FROM t", Vec::new(), &[ColumnType::Integer]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn what_is_written_is_there_after_the_next_start() {
    let directory = tempfile::tempdir().unwrap();
    let url = cardine_store::DatabaseUrl::Sqlite(directory.path().join("new/folder/crm.db"));
    for start in 0..3 {
        let store = Store::open(&url, &Options::default()).await.unwrap();
        store.migrate().await.unwrap();
        let insert = "INSERT INTO platform_setting (key, value) VALUES ($1, 'x')";
        execute(&store, insert, vec![Value::Text(start.to_string())]).await.unwrap();
        let rows = query(&store, "SELECT key FROM platform_setting", Vec::new(), &[ColumnType::Text]).await.unwrap();
        assert_eq!(rows.len(), start + 1);
        store.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_ends_its_transaction_and_no_other() {
    let Some(database) = databases::postgres().await else { return };
    database.ddl("CREATE TABLE t (n integer)").await;
    let postgres = database.postgres.as_ref().unwrap();
    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cardine' AND datname = current_database()";

    // In the middle of a transaction: it fails, and is not continued as another.
    let dialect = database.dialect();
    let outcome: Result<(), StoreError> = database
        .store
        .write(move |tx| {
            Box::pin(async move {
                let own = "SELECT pg_terminate_backend(pg_backend_pid())::text";
                let insert = statement(dialect, "INSERT INTO t VALUES (1)", Vec::new(), &[]);
                tx.execute(&insert, &Bindings::default()).await?;
                let killed =
                    tx.query(&statement(dialect, own, Vec::new(), &[ColumnType::Text]), &Bindings::default()).await;
                assert!(matches!(killed, Err(StoreError::Unavailable(_))), "{killed:?}");
                let next = tx.execute(&insert, &Bindings::default()).await;
                assert!(matches!(next, Err(StoreError::Unavailable(_))), "{next:?}");
                Ok(())
            })
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert_eq!(database.number("SELECT count(*) FROM t").await, 0);

    // Between transactions: the next one does not notice.
    let observer = postgres.connect().await;
    for _ in 0..5 {
        let killed = observer.query(kill, &[]).await.unwrap();
        assert!(!killed.is_empty());
        database.execute("INSERT INTO t VALUES (2)", Vec::new()).await.unwrap();
    }
    assert_eq!(database.number("SELECT count(*) FROM t").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_prepared_before_a_table_changed_still_run() {
    for database in databases::each().await {
        database.ddl("CREATE TABLE t (n integer, x integer); INSERT INTO t VALUES (1, 10)").await;
        let select = "SELECT n, x FROM t WHERE n = $1";
        let columns = [ColumnType::Integer, ColumnType::Decimal];
        let read = async || database.query(select, vec![Value::Integer(1)], &columns).await;
        // Concurrent reads, so that several connections have it prepared.
        let (first, second) = tokio::join!(read(), read());
        assert_eq!(first.unwrap().len() + second.unwrap().len(), 2);
        database.ddl("ALTER TABLE t ADD COLUMN y integer").await;
        for _ in 0..4 {
            assert_eq!(read().await.unwrap().cell(0, 1).text(), Some("10"));
        }
        if database.postgres.is_some() {
            // PostgreSQL answers "cached plan must not change result type" to those that were prepared before.
            database.ddl("ALTER TABLE t ALTER COLUMN x TYPE numeric(10,2)").await;
            let (first, second) = tokio::join!(read(), read());
            for rows in [first, second] {
                assert_eq!(rows.unwrap().cell(0, 1).text(), Some("10.00"));
            }
            let update = "UPDATE t SET x = x + 1 RETURNING x";
            let written = async || {
                let statement = statement(database.dialect(), update, Vec::new(), &[ColumnType::Decimal]);
                let outcome: Result<_, StoreError> = database
                    .store
                    .write(move |tx| {
                        let statement = statement.clone();
                        Box::pin(async move { tx.query(&statement, &Bindings::default()).await })
                    })
                    .await;
                outcome
            };
            assert_eq!(written().await.unwrap().cell(0, 0).text(), Some("11.00"));
            database.ddl("ALTER TABLE t ALTER COLUMN x TYPE numeric(10,3)").await;
            assert_eq!(written().await.unwrap().cell(0, 0).text(), Some("12.000"));
        }
        // What is gone is told as that, so that the caller plans anew.
        database.ddl("ALTER TABLE t DROP COLUMN x").await;
        assert!(matches!(read().await, Err(StoreError::Stale(_))));
        assert_eq!(database.number("SELECT count(*) FROM t").await, 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let url = "postgres://cardine:x@127.0.0.1:1/nothing".parse().unwrap();
    let refused = Store::open(&url, &Options::default()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{:?}", refused.err());
    let url = "postgres://cardine:x@127.0.0.1:1/nothing?sslmode=require".parse().unwrap();
    let refused = Store::open(&url, &Options::default()).await;
    assert!(matches!(refused, Err(StoreError::Setting(_))), "{:?}", refused.err());
}
