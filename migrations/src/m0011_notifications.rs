//! What users are told of records.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0011_notifications"
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
        manager.get_connection().execute_unprepared("DROP TABLE \"_notification\"").await.map(|_| ())
    }

    /// All or nothing, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // No module's table begins with `_`, so that a database with a module `Notification` has no such table already. No reference
    // to the record: whether it is there for the user is asked whenever a notification is shown.
    r#"CREATE TABLE "_notification" (
        "id" {id} NOT NULL PRIMARY KEY,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        "at" {instant} NOT NULL,
        "kind" {text} NOT NULL,
        "module" {text} NOT NULL,
        "record_id" {id} NOT NULL,
        "read_at" {instant})"#,
    r#"CREATE INDEX "_notification_user_id_idx" ON "_notification" ("user_id", "id")"#,
    r#"CREATE INDEX "_notification_unread_idx" ON "_notification" ("record_id", "user_id") WHERE "read_at" IS NULL"#,
    r#"CREATE INDEX "_notification_at_idx" ON "_notification" ("at")"#,
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
