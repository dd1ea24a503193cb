//! The queue of runs in the order in which they are leased, however many there are.

use sea_orm_migration::prelude::*;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0013_queue"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in STATEMENTS {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for statement in [
            r#"DROP INDEX "workflow_run_leased_idx""#,
            r#"DROP INDEX "workflow_run_oldest_idx""#,
            r#"DROP INDEX "workflow_run_unfinished_idx""#,
            r#"DROP INDEX "workflow_run_due_idx""#,
            r#"CREATE INDEX "workflow_run_due_idx" ON "workflow_run" ("workflow_id", "run_at") WHERE "finished_at" IS NULL"#,
        ] {
            manager.get_connection().execute_unprepared(statement).await?;
        }
        Ok(())
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    r#"DROP INDEX "workflow_run_due_idx""#,
    // Runs of one write are due at the same moment: the whole order is in the index, so that the first ones are found without a sort of all.
    r#"CREATE INDEX "workflow_run_due_idx" ON "workflow_run" ("workflow_id", "run_at", "event_seq", "id") WHERE "finished_at" IS NULL"#,
    // Whether a record has an older one, whatever it had before.
    r#"CREATE INDEX "workflow_run_unfinished_idx" ON "workflow_run" ("record_id", "event_seq", "id") WHERE "finished_at" IS NULL"#,
    // Of a workflow that does one run after the other, the oldest, and whether one is leased.
    r#"CREATE INDEX "workflow_run_oldest_idx" ON "workflow_run" ("workflow_id", (COALESCE("event_seq", 0)), "id") WHERE "finished_at" IS NULL"#,
    r#"CREATE INDEX "workflow_run_leased_idx" ON "workflow_run" ("workflow_id", "lease_until") WHERE "lease_until" IS NOT NULL"#,
];
