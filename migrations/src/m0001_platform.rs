//! The first tables: catalog, users and rights, sessions, audit, events, workflows, plugins.
//!
//! Written as SQL rather than with a builder, so that it reads as what it makes. In braces stand the types that the
//! databases name differently; keys say `NOT NULL`, as SQLite takes null for them otherwise. Documents are text on both, as
//! only this program reads them. `user`, `group` and `role` have the columns that a module's table has for the same
//! definition (`schema/platform`), and further ones that no API shows.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::DbBackend;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_platform"
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

    async fn down(&self, _: &SchemaManager) -> Result<(), DbErr> {
        Err(DbErr::Migration("the first tables hold everything, and are not taken away: drop the database".to_owned()))
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// On SQLite: ids and instants as text, booleans as 0 and 1.
pub(crate) fn with_types(statement: &str, backend: DbBackend) -> String {
    let types = match backend {
        DbBackend::Sqlite => [
            ("{id}", "TEXT"),
            ("{instant}", "TEXT"),
            ("{boolean}", "BOOLEAN_INTEGER"),
            ("{integer}", "INTEGER"),
            ("{bigint}", "INTEGER"),
            ("{sequence}", "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("{text}", "TEXT"),
            ("{json}", "TEXT"),
            ("{true}", "1"),
            ("{false}", "0"),
        ],
        _ => [
            ("{id}", "uuid"),
            ("{instant}", "timestamp(3) with time zone"),
            ("{boolean}", "boolean"),
            ("{integer}", "integer"),
            ("{bigint}", "bigint"),
            ("{sequence}", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
            ("{text}", "text COLLATE \"C\""),
            ("{json}", "json"),
            ("{true}", "true"),
            ("{false}", "false"),
        ],
    };
    types.iter().fold(statement.to_owned(), |text, (name, sql)| text.replace(name, sql))
}

const STATEMENTS: &[&str] = &[
    // What every process keeps in memory is true as long as this row has not changed.
    r#"CREATE TABLE "platform_state" (
        "id" {integer} NOT NULL PRIMARY KEY CHECK ("id" = 1),
        "catalog_version" {bigint} NOT NULL,
        "access_epoch" {bigint} NOT NULL)"#,
    r#"INSERT INTO "platform_state" ("id", "catalog_version", "access_epoch") VALUES (1, 0, 1)"#,
    r#"CREATE TABLE "platform_setting" ("key" {text} NOT NULL PRIMARY KEY, "value" {text} NOT NULL)"#,
    r#"CREATE TABLE "catalog_version" (
        "version" {bigint} NOT NULL PRIMARY KEY,
        "created_at" {instant} NOT NULL,
        "actor_id" {id},
        "summary" {text} NOT NULL)"#,
    r#"CREATE TABLE "module_definition" (
        "name" {text} NOT NULL PRIMARY KEY,
        "definition" {text} NOT NULL,
        "retired_at" {instant})"#,
    r#"CREATE TABLE "role" (
        "id" {id} NOT NULL CONSTRAINT "_pk_role" PRIMARY KEY,
        "version" {integer} NOT NULL DEFAULT 1,
        "created_at" {instant} NOT NULL,
        "updated_at" {instant} NOT NULL,
        "created_by_id" {id},
        "updated_by_id" {id},
        "owner_id" {id},
        "_owner_module" {text},
        "deleted_at" {instant},
        "name" {text} NOT NULL,
        "label" {json},
        "parent_id" {id} REFERENCES "role" ("id"),
        "administrator" {boolean} NOT NULL DEFAULT {false})"#,
    r#"CREATE INDEX "_ix_role__parent_id" ON "role" ("parent_id")"#,
    r#"CREATE TABLE "user" (
        "id" {id} NOT NULL CONSTRAINT "_pk_user" PRIMARY KEY,
        "version" {integer} NOT NULL DEFAULT 1,
        "created_at" {instant} NOT NULL,
        "updated_at" {instant} NOT NULL,
        "created_by_id" {id},
        "updated_by_id" {id},
        "owner_id" {id},
        "_owner_module" {text},
        "deleted_at" {instant},
        "name" {text} NOT NULL,
        "email" {text} NOT NULL,
        "role_id" {id} REFERENCES "role" ("id"),
        "active" {boolean} DEFAULT {true},
        "locale" {text},
        "time_zone" {text},
        "password_hash" {text})"#,
    r#"CREATE INDEX "_ix_user__role_id" ON "user" ("role_id")"#,
    // E-mail addresses are stored folded, so that equal ones are equal here.
    r#"CREATE UNIQUE INDEX "_ux_user__email" ON "user" ("email") WHERE "deleted_at" IS NULL"#,
    r#"CREATE TABLE "group" (
        "id" {id} NOT NULL CONSTRAINT "_pk_group" PRIMARY KEY,
        "version" {integer} NOT NULL DEFAULT 1,
        "created_at" {instant} NOT NULL,
        "updated_at" {instant} NOT NULL,
        "created_by_id" {id},
        "updated_by_id" {id},
        "owner_id" {id},
        "_owner_module" {text},
        "deleted_at" {instant},
        "name" {text} NOT NULL)"#,
    r#"CREATE TABLE "group_member" (
        "group_id" {id} NOT NULL REFERENCES "group" ("id") ON DELETE CASCADE,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        PRIMARY KEY ("group_id", "user_id"))"#,
    r#"CREATE INDEX "group_member_user_id_idx" ON "group_member" ("user_id")"#,
    // `fields` is a document: {"*": "READ", "salary": "NONE"}.
    r#"CREATE TABLE "role_grant" (
        "role_id" {id} NOT NULL REFERENCES "role" ("id") ON DELETE CASCADE,
        "module" {text} NOT NULL,
        "can_create" {boolean} NOT NULL DEFAULT {false},
        "can_read" {boolean} NOT NULL DEFAULT {false},
        "can_update" {boolean} NOT NULL DEFAULT {false},
        "can_delete" {boolean} NOT NULL DEFAULT {false},
        "fields" {text} NOT NULL DEFAULT '{}',
        PRIMARY KEY ("role_id", "module"))"#,
    // Tokens and secrets are kept as hashes only. `replaced_by_id` is the session that a refresh made of this one: its
    // refresh token, used once more, is a stolen one.
    r#"CREATE TABLE "session" (
        "id" {id} NOT NULL PRIMARY KEY,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        "access_hash" {text} NOT NULL,
        "refresh_hash" {text} NOT NULL,
        "created_at" {instant} NOT NULL,
        "expires_at" {instant} NOT NULL,
        "refresh_expires_at" {instant} NOT NULL,
        "revoked_at" {instant},
        "replaced_by_id" {id})"#,
    r#"CREATE UNIQUE INDEX "session_access_hash_key" ON "session" ("access_hash")"#,
    r#"CREATE UNIQUE INDEX "session_refresh_hash_key" ON "session" ("refresh_hash")"#,
    r#"CREATE INDEX "session_user_id_idx" ON "session" ("user_id")"#,
    r#"CREATE INDEX "session_refresh_expires_at_idx" ON "session" ("refresh_expires_at")"#,
    r#"CREATE TABLE "api_key" (
        "id" {id} NOT NULL PRIMARY KEY,
        "user_id" {id} NOT NULL REFERENCES "user" ("id") ON DELETE CASCADE,
        "name" {text} NOT NULL,
        "secret_hash" {text} NOT NULL,
        "scopes" {text} NOT NULL DEFAULT '[]',
        "expires_at" {instant},
        "created_at" {instant} NOT NULL,
        "revoked_at" {instant})"#,
    r#"CREATE UNIQUE INDEX "api_key_secret_hash_key" ON "api_key" ("secret_hash")"#,
    r#"CREATE INDEX "api_key_user_id_idx" ON "api_key" ("user_id")"#,
    r#"CREATE TABLE "setup_token" (
        "hash" {text} NOT NULL PRIMARY KEY,
        "expires_at" {instant} NOT NULL,
        "used_at" {instant})"#,
    // No reference to the user or the record: what was done stays told when they are gone.
    r#"CREATE TABLE "audit_entry" (
        "id" {id} NOT NULL PRIMARY KEY,
        "at" {instant} NOT NULL,
        "actor_id" {id},
        "via" {text} NOT NULL,
        "action" {text} NOT NULL,
        "module" {text},
        "record_id" {id},
        "changes" {text} NOT NULL DEFAULT '{}',
        "request_id" {text})"#,
    r#"CREATE INDEX "audit_entry_record_idx" ON "audit_entry" ("record_id", "id")"#,
    r#"CREATE INDEX "audit_entry_at_idx" ON "audit_entry" ("at")"#,
    // Numbers are not in the order of commits on PostgreSQL, so who reads on must not take a gap for nothing.
    r#"CREATE TABLE "outbox" (
        "seq" {sequence},
        "at" {instant} NOT NULL,
        "module" {text} NOT NULL,
        "record_id" {id} NOT NULL,
        "kind" {text} NOT NULL,
        "actor_id" {id},
        "depth" {integer} NOT NULL DEFAULT 0,
        "before" {text},
        "after" {text},
        "changed" {text} NOT NULL DEFAULT '[]')"#,
    r#"CREATE INDEX "outbox_at_idx" ON "outbox" ("at")"#,
    r#"CREATE TABLE "idempotency_key" (
        "actor_id" {id} NOT NULL,
        "key" {text} NOT NULL,
        "request_hash" {text} NOT NULL,
        "answer" {text} NOT NULL,
        "created_at" {instant} NOT NULL,
        PRIMARY KEY ("actor_id", "key"))"#,
    r#"CREATE INDEX "idempotency_key_created_at_idx" ON "idempotency_key" ("created_at")"#,
    r#"CREATE TABLE "auto_number" (
        "module" {text} NOT NULL,
        "field" {text} NOT NULL,
        "period" {text} NOT NULL,
        "last" {bigint} NOT NULL,
        PRIMARY KEY ("module", "field", "period"))"#,
    r#"CREATE TABLE "workflow" (
        "id" {id} NOT NULL PRIMARY KEY,
        "name" {text} NOT NULL,
        "definition" {text} NOT NULL,
        "active" {boolean} NOT NULL DEFAULT {true},
        "version" {integer} NOT NULL DEFAULT 1,
        "author_id" {id},
        "created_at" {instant} NOT NULL,
        "updated_at" {instant} NOT NULL)"#,
    r#"CREATE UNIQUE INDEX "workflow_name_key" ON "workflow" ("name")"#,
    r#"CREATE TABLE "workflow_run" (
        "id" {id} NOT NULL PRIMARY KEY,
        "workflow_id" {id} NOT NULL REFERENCES "workflow" ("id") ON DELETE CASCADE,
        "event_seq" {bigint},
        "record_id" {id},
        "status" {text} NOT NULL,
        "step" {integer} NOT NULL DEFAULT 0,
        "state" {text} NOT NULL DEFAULT '{}',
        "attempts" {integer} NOT NULL DEFAULT 0,
        "run_at" {instant} NOT NULL,
        "lease_until" {instant},
        "lease_token" {id},
        "error" {text},
        "created_at" {instant} NOT NULL,
        "finished_at" {instant})"#,
    // One run per event and workflow, however often the event is looked at.
    r#"CREATE UNIQUE INDEX "workflow_run_event_key" ON "workflow_run" ("workflow_id", "event_seq")"#,
    r#"CREATE INDEX "workflow_run_due_idx" ON "workflow_run" ("run_at") WHERE "finished_at" IS NULL"#,
    r#"CREATE INDEX "workflow_run_record_id_idx" ON "workflow_run" ("record_id")"#,
    r#"CREATE TABLE "workflow_step_run" (
        "run_id" {id} NOT NULL REFERENCES "workflow_run" ("id") ON DELETE CASCADE,
        "step" {text} NOT NULL,
        "attempt" {integer} NOT NULL,
        "status" {text} NOT NULL,
        "input" {text},
        "output" {text},
        "error" {text},
        "started_at" {instant} NOT NULL,
        "finished_at" {instant},
        PRIMARY KEY ("run_id", "step", "attempt"))"#,
    // `package` is the zip file in base64.
    r#"CREATE TABLE "plugin" (
        "id" {id} NOT NULL PRIMARY KEY,
        "name" {text} NOT NULL,
        "version" {text} NOT NULL,
        "manifest" {text} NOT NULL,
        "package" {text} NOT NULL,
        "grants" {text} NOT NULL DEFAULT '{}',
        "digest" {text} NOT NULL,
        "active" {boolean} NOT NULL DEFAULT {true},
        "installed_at" {instant} NOT NULL)"#,
    r#"CREATE UNIQUE INDEX "plugin_name_key" ON "plugin" ("name")"#,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_known_on_both_databases() {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres] {
            for statement in STATEMENTS {
                let sql = with_types(statement, backend).replace("'{}'", "");
                assert!(!sql.contains(['{', '}']), "{sql}");
            }
        }
    }
}
