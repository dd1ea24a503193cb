//! What plugins keep for themselves between calls.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0008_plugin_state"
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
        manager.get_connection().execute_unprepared("DROP TABLE \"plugin_state\"").await.map(|_| ())
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // By name, not by id: what a plugin kept is there again when it is installed again. The value is base64.
    r#"CREATE TABLE "plugin_state" (
        "plugin" {text} NOT NULL,
        "key" {text} NOT NULL,
        "value" {text} NOT NULL,
        "bytes" {bigint} NOT NULL,
        "etag" {text} NOT NULL,
        "expires_at" {instant},
        PRIMARY KEY ("plugin", "key"))"#,
    r#"CREATE INDEX "plugin_state_expires_at_idx" ON "plugin_state" ("plugin", "expires_at") WHERE "expires_at" IS NOT NULL"#,
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
