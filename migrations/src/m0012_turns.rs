//! Who had which turn, and what is kept of mentions without being shown.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0012_turns"
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
        for statement in UNDO {
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
    // Beside the counter of the same name, whose row is locked while turns are taken.
    r#"CREATE TABLE "_turn" (
        "module" {text} NOT NULL,
        "name" {text} NOT NULL,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        "number" {bigint} NOT NULL,
        PRIMARY KEY ("module", "name", "user_id"))"#,
    r#"CREATE INDEX "_turn_user_id_idx" ON "_turn" ("user_id")"#,
    // What is never shown is in nobody's way, however much there is of it.
    r#"DROP INDEX "_notification_user_id_idx""#,
    r#"CREATE INDEX "_notification_shown_idx" ON "_notification" ("user_id", "id") WHERE "kind" <> 'UNSEEN'"#,
];

const UNDO: &[&str] = &[
    r#"DROP TABLE "_turn""#,
    r#"DROP INDEX "_notification_shown_idx""#,
    r#"CREATE INDEX "_notification_user_id_idx" ON "_notification" ("user_id", "id")"#,
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
