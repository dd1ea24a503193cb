//! Brings the platform's own tables up to date, with the SQL functions and the indexes that need them.

use std::path::Path;
use std::time::Duration;

use cardine_migrations::{Migrator, MigratorTrait as _};
use sea_orm::{ConnectOptions, DatabaseConnection, DbErr};

use crate::error::cause;
use crate::postgres::{Isolation, Pool, Session};
use crate::{Store, StoreError};

/// Any number that no other program takes: the lock under which PostgreSQL is migrated.
const MIGRATION_LOCK: i64 = 0x6361_7264_696e_6501;

/// Indexes on Cardine's functions, named as those of modules (`cardine_sql::ddl`). They are not in the migrations, as the connection that those run on does not have the functions on SQLite.
const FUNCTION_INDEXES: &str = r#"CREATE UNIQUE INDEX IF NOT EXISTS "_ux_role__name" ON "role" (cardine_fold("name")) WHERE "deleted_at" IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS "_ux_group__name" ON "group" (cardine_fold("name")) WHERE "deleted_at" IS NULL"#;

/// Nobody else migrates the file meanwhile; SQLite's own lock keeps this process's writer away.
pub(crate) async fn migrate_sqlite(store: &Store, path: &Path) -> Result<(), StoreError> {
    let path = path.to_path_buf();
    let mut options = ConnectOptions::new("sqlite::memory:");
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite.filename(&path).in_memory(false).shared_cache(false).create_if_missing(false)
    });
    run_migrations(options).await?;
    store.write(|tx| Box::pin(async move { tx.run_ddl(FUNCTION_INDEXES).await })).await
}

/// The lock is held by a transaction of ours while the migrations run on a connection of theirs; so it works through a
/// connection pooler, and ends with the process.
pub(crate) async fn migrate_postgres(pool: &Pool, url: &str) -> Result<(), StoreError> {
    let mut session = Session::new(pool.clone(), Isolation::Committed);
    session
        .run_batch(&format!(
            "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"
        ))
        .await?;
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    run_migrations(options).await?;
    let functions = cardine_model::text::postgres::postgres_functions();
    session.run_batch(&functions).await?;
    session.run_batch(&cardine_sql::postgres_functions()).await?;
    session.run_batch(FUNCTION_INDEXES).await?;
    session.commit().await
}

async fn run_migrations(mut options: ConnectOptions) -> Result<(), StoreError> {
    // Either time would start sqlx's upkeep of its pool, which sqlx 0.9.0 can let spin for ever: a connection that is
    // taken between its return and its being counted makes the number of idle ones wrap below zero.
    options.idle_timeout(None::<Duration>).max_lifetime(None::<Duration>);
    let failed = |error: DbErr| {
        StoreError::Unavailable(cause(format!("the platform's tables could not be brought up to date: {error}")))
    };
    let connection: DatabaseConnection = sea_orm::Database::connect(options).await.map_err(failed)?;
    let migrated = Migrator::up(&connection, None).await;
    let closed = connection.close().await;
    migrated.and(closed).map_err(failed)
}
