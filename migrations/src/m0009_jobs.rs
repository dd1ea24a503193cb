//! Changes of modules that run as jobs.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0009_jobs"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(&with_types(statement, backend)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(r#"DROP TABLE "change_job""#).await.map(|_| ())
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // `change` is what was asked for, `progress` how far it is, `error` a list of faults.
    r#"CREATE TABLE "change_job" (
        "id" {id} NOT NULL PRIMARY KEY,
        "change" {text} NOT NULL,
        "summary" {text} NOT NULL,
        "modules" {text} NOT NULL,
        "tables" {text} NOT NULL,
        "actor_id" {id},
        "via" {text} NOT NULL,
        "request_id" {id} NOT NULL,
        "created_at" {instant} NOT NULL,
        "state" {text} NOT NULL,
        "done" {bigint} NOT NULL DEFAULT 0,
        "total" {bigint} NOT NULL DEFAULT 0,
        "progress" {text} NOT NULL DEFAULT '',
        "error" {text},
        "catalog_version" {bigint},
        "lease_until" {instant},
        "lease_token" {id},
        "finished_at" {instant})"#,
    r#"CREATE INDEX "change_job_open_idx" ON "change_job" ("created_at") WHERE "finished_at" IS NULL"#,
];

#[cfg(test)]
mod tests {
    use sea_orm_migration::sea_orm::DbBackend;

    use super::*;

    #[test]
    fn every_type_is_known_on_both_databases() {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            for statement in STATEMENTS {
                let sql = with_types(statement, backend);
                assert!(!sql.contains(['{', '}']), "{sql}");
            }
        }
    }
}
