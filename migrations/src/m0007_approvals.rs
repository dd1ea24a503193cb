//! Decisions that runs of workflows wait for: who is asked what, until when, and what was decided.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0007_approvals"
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
        manager.get_connection().execute_unprepared(r#"DROP TABLE "workflow_approval""#).await?;
        Ok(())
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // `principal_id` is a user, a group or a role.
    r#"CREATE TABLE "workflow_approval" (
        "id" {id} NOT NULL PRIMARY KEY,
        "run_id" {id} NOT NULL REFERENCES "workflow_run" ("id") ON DELETE CASCADE,
        "step" {text} NOT NULL,
        "place" {text} NOT NULL DEFAULT '',
        "principal_id" {id} NOT NULL,
        "question" {text},
        "created_at" {instant} NOT NULL,
        "due_at" {instant},
        "decided_at" {instant},
        "decided_by_id" {id},
        "approved" {boolean},
        "comment" {text})"#,
    // One open question for each place of a run, however often its step is begun.
    r#"CREATE UNIQUE INDEX "workflow_approval_open_key" ON "workflow_approval" ("run_id", "step", "place") WHERE "decided_at" IS NULL"#,
    r#"CREATE INDEX "workflow_approval_run_id_idx" ON "workflow_approval" ("run_id", "step", "place")"#,
    r#"CREATE INDEX "workflow_approval_principal_id_idx" ON "workflow_approval" ("principal_id", "id") WHERE "decided_at" IS NULL"#,
];
