//! Workflows with versions: each run finishes on the one that it began with. Runs keep their place in loops, what caused them, and
//! the due time that started them; the log of steps has an entry for each time that a step was begun.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0006_workflows"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        let status_of_documents = match backend {
            DbBackend::Sqlite => STATUS_ON_SQLITE,
            _ => STATUS_ON_POSTGRES,
        };
        for statement in [status_of_documents].iter().chain(STATEMENTS) {
            manager.get_connection().execute_unprepared(&with_types(statement, backend)).await?;
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("what runs of workflows have noted is not taken away: restore a backup".to_owned()))
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

// A document says its status in a word now; `"active": true` was what is meant where none stands.
const STATUS_ON_SQLITE: &str = r#"UPDATE "workflow" SET "definition" = CASE WHEN "active" THEN json_remove("definition", '$.active')
    ELSE json_set(json_remove("definition", '$.active'), '$.status', 'PAUSED') END WHERE json_type("definition", '$.active') IS NOT NULL"#;
const STATUS_ON_POSTGRES: &str = r#"UPDATE "workflow" SET "definition" = (CASE WHEN "active" THEN "definition"::jsonb - 'active'
    ELSE ("definition"::jsonb - 'active') || '{"status": "PAUSED"}'::jsonb END)::text WHERE "definition"::jsonb ? 'active'"#;

const STATEMENTS: &[&str] = &[
    // `ACTIVE`, `PAUSED` or `DRAFT`. The column `active` stays, and nothing reads it any more: to drop a column, SQLite looks at all indexes,
    // and those of modules are over functions that only the server's own connections have.
    r#"ALTER TABLE "workflow" ADD COLUMN "status" {text} NOT NULL DEFAULT 'ACTIVE'"#,
    r#"UPDATE "workflow" SET "status" = 'PAUSED' WHERE NOT "active""#,
    r#"CREATE TABLE "workflow_version" (
        "workflow_id" {id} NOT NULL REFERENCES "workflow" ("id") ON DELETE CASCADE,
        "version" {integer} NOT NULL,
        "definition" {text} NOT NULL,
        "author_id" {id},
        "created_at" {instant} NOT NULL,
        PRIMARY KEY ("workflow_id", "version"))"#,
    r#"INSERT INTO "workflow_version" ("workflow_id", "version", "definition", "author_id", "created_at")
        SELECT "id", "version", "definition", "author_id", "updated_at" FROM "workflow""#,
    r#"ALTER TABLE "workflow_run" ADD COLUMN "version" {integer} NOT NULL DEFAULT 1"#,
    r#"UPDATE "workflow_run" SET "version" = (SELECT w."version" FROM "workflow" w WHERE w."id" = "workflow_run"."workflow_id")"#,
    // The loops that the run is in, from the outermost: the item's position, and what the steps inside gave.
    r#"ALTER TABLE "workflow_run" ADD COLUMN "loops" {text} NOT NULL DEFAULT '[]'"#,
    r#"ALTER TABLE "workflow_run" ADD COLUMN "steps_done" {integer} NOT NULL DEFAULT 0"#,
    r#"ALTER TABLE "workflow_run" ADD COLUMN "cause_run_id" {id}"#,
    r#"ALTER TABLE "workflow_run" ADD COLUMN "depth" {integer} NOT NULL DEFAULT 0"#,
    r#"ALTER TABLE "workflow_run" ADD COLUMN "due_at" {instant}"#,
    // One run per due time, and per record where it is one's own, however many processes look at the clock.
    r#"CREATE UNIQUE INDEX "workflow_run_due_key" ON "workflow_run" ("workflow_id", "due_at") WHERE "due_at" IS NOT NULL AND "record_id" IS NULL"#,
    r#"CREATE UNIQUE INDEX "workflow_run_record_due_key" ON "workflow_run" ("workflow_id", "record_id", "due_at")
        WHERE "due_at" IS NOT NULL AND "record_id" IS NOT NULL"#,
    // Up to when records' due times are settled.
    r#"ALTER TABLE "workflow" ADD COLUMN "looked_at" {instant}"#,
    // Which workflows have something to do, and what of each is next.
    r#"DROP INDEX "workflow_run_due_idx""#,
    r#"CREATE INDEX "workflow_run_due_idx" ON "workflow_run" ("workflow_id", "run_at") WHERE "finished_at" IS NULL"#,
    r#"CREATE INDEX "workflow_run_cause_idx" ON "workflow_run" ("cause_run_id") WHERE "cause_run_id" IS NOT NULL"#,
    r#"CREATE INDEX "workflow_run_failed_idx" ON "workflow_run" ("id") WHERE "status" = 'FAILED'"#,
    // `place` tells the items of the loops around, from 0, such as `3.1`; empty outside of loops.
    r#"CREATE TABLE "workflow_step_log" (
        "seq" {sequence},
        "run_id" {id} NOT NULL REFERENCES "workflow_run" ("id") ON DELETE CASCADE,
        "step" {text} NOT NULL,
        "place" {text} NOT NULL DEFAULT '',
        "attempt" {integer} NOT NULL,
        "status" {text} NOT NULL,
        "input" {text},
        "output" {text},
        "error" {text},
        "started_at" {instant} NOT NULL,
        "finished_at" {instant} NOT NULL)"#,
    r#"INSERT INTO "workflow_step_log" ("run_id", "step", "attempt", "status", "input", "output", "error", "started_at", "finished_at")
        SELECT "run_id", "step", "attempt", "status", "input", "output", "error", "started_at", COALESCE("finished_at", "started_at")
        FROM "workflow_step_run" ORDER BY "started_at""#,
    r#"CREATE INDEX "workflow_step_log_run_id_idx" ON "workflow_step_log" ("run_id")"#,
    r#"DROP TABLE "workflow_step_run""#,
];

#[cfg(test)]
mod tests {
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
