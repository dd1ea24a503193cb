//! Requests from outside that start runs of workflows: how many came of late, and the keys by which repetitions are known; and how
//! runs are found that ended long ago.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0010_requests"
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
        for table in ["workflow_request", "workflow_request_count"] {
            manager.get_connection().execute_unprepared(&format!("DROP TABLE \"{table}\"")).await?;
        }
        manager.get_connection().execute_unprepared(r#"DROP INDEX "workflow_run_finished_at_idx""#).await?;
        Ok(())
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // The run is null within the transaction that takes the key, and never after it.
    r#"CREATE TABLE "workflow_request" (
        "workflow_id" {id} NOT NULL REFERENCES "workflow" ("id") ON DELETE CASCADE,
        "key" {text} NOT NULL,
        "body_hash" {text} NOT NULL,
        "run_id" {id},
        "created_at" {instant} NOT NULL,
        PRIMARY KEY ("workflow_id", "key"))"#,
    r#"CREATE INDEX "workflow_request_created_at_idx" ON "workflow_request" ("created_at")"#,
    r#"CREATE TABLE "workflow_request_count" (
        "workflow_id" {id} NOT NULL PRIMARY KEY REFERENCES "workflow" ("id") ON DELETE CASCADE,
        "began_at" {instant} NOT NULL,
        "count" {integer} NOT NULL)"#,
    r#"CREATE INDEX "workflow_run_finished_at_idx" ON "workflow_run" ("finished_at") WHERE "status" IN ('DONE', 'CANCELLED')"#,
];

#[cfg(test)]
mod tests {
    use super::*;
    use sea_orm_migration::sea_orm::DbBackend;

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
