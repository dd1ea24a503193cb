//! On whose behalf audit entries were written, how they are found, and that they stay as they are.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0003_history"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let backend = manager.get_database_backend();
        for statement in STATEMENTS.iter().chain(append_only(backend)) {
            manager.get_connection().execute_unprepared(&with_types(statement, backend)).await?;
        }
        Ok(())
    }

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("what keeps audit entries as they are is not taken away".to_owned()))
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    r#"ALTER TABLE "audit_entry" ADD COLUMN "on_behalf_of_id" {id}"#,
    // What administrators look for; the entries of a record have an index already.
    r#"CREATE INDEX "audit_entry_module_idx" ON "audit_entry" ("module", "id")"#,
    r#"CREATE INDEX "audit_entry_actor_idx" ON "audit_entry" ("actor_id", "id")"#,
];

/// Whoever changes or deletes an entry is refused by the database itself: this program, its faults, and others alike.
fn append_only(backend: DbBackend) -> &'static [&'static str] {
    match backend {
        DbBackend::Sqlite => &[
            r#"CREATE TRIGGER "_audit_entry_no_update" BEFORE UPDATE ON "audit_entry"
                BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END"#,
            r#"CREATE TRIGGER "_audit_entry_no_delete" BEFORE DELETE ON "audit_entry"
                BEGIN SELECT RAISE(ABORT, 'audit entries are never deleted'); END"#,
        ],
        _ => &[
            r#"CREATE FUNCTION "cardine_refuse_change"() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE EXCEPTION 'audit entries are never changed or deleted'; END $$"#,
            r#"CREATE TRIGGER "_audit_entry_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entry"
                FOR EACH STATEMENT EXECUTE FUNCTION "cardine_refuse_change"()"#,
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_known_on_both_databases() {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            for statement in STATEMENTS.iter().chain(append_only(backend)) {
                let sql = with_types(statement, backend);
                assert!(!sql.contains(['{', '}']), "{sql}");
            }
        }
    }
}
