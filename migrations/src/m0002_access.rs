//! Permission sets, sharing rules, shares of single records, and roles' record rules.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0002_access"
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
        for table in ["record_rule", "record_share", "sharing_rule", "permission_set_member", "permission_set"] {
            manager.get_connection().execute_unprepared(&format!("DROP TABLE \"{table}\"")).await?;
        }
        Ok(())
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // `access` is a document: what is granted, by module, as `setAccess` takes it.
    r#"CREATE TABLE "permission_set" (
        "id" {id} NOT NULL PRIMARY KEY,
        "name" {text} NOT NULL,
        "label" {text},
        "access" {text} NOT NULL)"#,
    r#"CREATE UNIQUE INDEX "permission_set_name_key" ON "permission_set" ("name")"#,
    r#"CREATE TABLE "permission_set_member" (
        "set_id" {id} NOT NULL REFERENCES "permission_set" ("id") ON DELETE CASCADE,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        PRIMARY KEY ("set_id", "user_id"))"#,
    r#"CREATE INDEX "permission_set_member_user_id_idx" ON "permission_set_member" ("user_id")"#,
    // `definition` is a document: which records of the module, to whom, and how far.
    r#"CREATE TABLE "sharing_rule" (
        "name" {text} NOT NULL PRIMARY KEY,
        "module" {text} NOT NULL,
        "definition" {text} NOT NULL)"#,
    // The principal is a user, a group or a role; ids are unique over all of them.
    r#"CREATE TABLE "record_share" (
        "record_id" {id} NOT NULL,
        "principal_id" {id} NOT NULL,
        "module" {text} NOT NULL,
        "principal_kind" {text} NOT NULL,
        "opens_update" {boolean} NOT NULL,
        "opens_delete" {boolean} NOT NULL,
        "created_at" {instant} NOT NULL,
        "created_by_id" {id},
        PRIMARY KEY ("record_id", "principal_id"))"#,
    r#"CREATE INDEX "record_share_module_idx" ON "record_share" ("module")"#,
    r#"CREATE TABLE "record_rule" (
        "role_id" {id} NOT NULL REFERENCES "role" ("id") ON DELETE CASCADE,
        "module" {text} NOT NULL,
        "rule" {text} NOT NULL,
        PRIMARY KEY ("role_id", "module"))"#,
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
