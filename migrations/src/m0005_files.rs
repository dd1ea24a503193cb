//! Files: what is known of each content that was uploaded. The contents themselves are in the file store.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0005_files"
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
        manager.get_connection().execute_unprepared("DROP TABLE \"file\"").await.map(|_| ())
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // The columns of a module's table (`schema/platform/File.json`), and when the file was first put into a record, and from when
    // on it may go if no record holds it. That one does is a foreign key of the record's column, so that none goes too early.
    r#"CREATE TABLE "file" (
        "id" {id} NOT NULL CONSTRAINT "_pk_file" PRIMARY KEY,
        "version" {integer} NOT NULL DEFAULT 1,
        "created_at" {instant} NOT NULL,
        "updated_at" {instant} NOT NULL,
        "created_by_id" {id},
        "updated_by_id" {id},
        "owner_id" {id},
        "_owner_module" {text},
        "deleted_at" {instant},
        "name" {text} NOT NULL,
        "mime_type" {text} NOT NULL,
        "size" {integer} NOT NULL,
        "checksum" {text} NOT NULL,
        "attached_at" {instant},
        "free_at" {instant})"#,
    r#"CREATE INDEX "file_free_at_idx" ON "file" ("free_at") WHERE "free_at" IS NOT NULL"#,
    r#"CREATE INDEX "file_unattached_idx" ON "file" ("created_by_id") WHERE "attached_at" IS NULL"#,
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
