//! What signing in needs beside passwords: sessions that people recognise, failures that all servers count, resets, and mail to be sent.

use sea_orm_migration::prelude::*;

use crate::m0001_platform::with_types;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0004_sign_in"
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
        let connection = manager.get_connection();
        for table in ["mail_outbox", "password_reset_token", "password_reset", "sign_in_failure"] {
            connection.execute_unprepared(&format!("DROP TABLE \"{table}\"")).await?;
        }
        connection.execute_unprepared("ALTER TABLE \"api_key\" DROP COLUMN \"last_used_at\"").await?;
        connection.execute_unprepared("DROP INDEX \"session_chain_id_idx\"").await?;
        for column in ["chain_id", "signed_in_at", "last_used_at", "user_agent", "network"] {
            connection.execute_unprepared(&format!("ALTER TABLE \"session\" DROP COLUMN \"{column}\"")).await?;
        }
        Ok(())
    }

    /// All tables or none, on SQLite too, where this is not the default.
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const STATEMENTS: &[&str] = &[
    // A refresh makes a new row; what came from one sign-in has one `chain_id`: that is a session in people's eyes.
    r#"ALTER TABLE "session" ADD COLUMN "chain_id" {id}"#,
    r#"ALTER TABLE "session" ADD COLUMN "signed_in_at" {instant}"#,
    r#"ALTER TABLE "session" ADD COLUMN "last_used_at" {instant}"#,
    r#"ALTER TABLE "session" ADD COLUMN "user_agent" {text}"#,
    r#"ALTER TABLE "session" ADD COLUMN "network" {text}"#,
    r#"WITH RECURSIVE "chain" ("id", "first_id", "signed_in_at") AS (
            SELECT "id", "id", "created_at" FROM "session" s
                WHERE NOT EXISTS (SELECT 1 FROM "session" o WHERE o."replaced_by_id" = s."id")
            UNION ALL
            SELECT s."replaced_by_id", c."first_id", c."signed_in_at" FROM "session" s JOIN "chain" c ON s."id" = c."id"
                WHERE s."replaced_by_id" IS NOT NULL)
        UPDATE "session" SET "last_used_at" = "created_at",
            "chain_id" = (SELECT c."first_id" FROM "chain" c WHERE c."id" = "session"."id"),
            "signed_in_at" = (SELECT c."signed_in_at" FROM "chain" c WHERE c."id" = "session"."id")"#,
    r#"CREATE INDEX "session_chain_id_idx" ON "session" ("chain_id")"#,
    r#"ALTER TABLE "api_key" ADD COLUMN "last_used_at" {instant}"#,
    // `key` is a digest of an account, a network, or both: what people type into a form of passwords is not kept.
    r#"CREATE TABLE "sign_in_failure" (
        "key" {text} NOT NULL PRIMARY KEY,
        "count" {integer} NOT NULL,
        "last_at" {instant} NOT NULL)"#,
    r#"CREATE INDEX "sign_in_failure_last_at_idx" ON "sign_in_failure" ("last_at")"#,
    // A row for each request, whether somebody has the address or not; `mail_id` is what was queued for it.
    r#"CREATE TABLE "password_reset" (
        "id" {id} NOT NULL PRIMARY KEY,
        "user_id" {id} REFERENCES "user" ("id") ON DELETE CASCADE,
        "network" {text} NOT NULL,
        "requested_at" {instant} NOT NULL,
        "expires_at" {instant} NOT NULL,
        "prepared_at" {instant},
        "mail_id" {id},
        "used_at" {instant},
        "revoked_at" {instant})"#,
    r#"CREATE INDEX "password_reset_network_idx" ON "password_reset" ("network", "requested_at")"#,
    r#"CREATE INDEX "password_reset_user_id_idx" ON "password_reset" ("user_id", "requested_at")"#,
    r#"CREATE INDEX "password_reset_due_idx" ON "password_reset" ("requested_at") WHERE "prepared_at" IS NULL"#,
    // Each attempt to send the mail has a token of its own, made when it is sent, so that none is ever stored in clear.
    r#"CREATE TABLE "password_reset_token" (
        "hash" {text} NOT NULL PRIMARY KEY,
        "reset_id" {id} NOT NULL REFERENCES "password_reset" ("id") ON DELETE CASCADE)"#,
    r#"CREATE INDEX "password_reset_token_reset_id_idx" ON "password_reset_token" ("reset_id")"#,
    // `message_id` is fixed before the first attempt: a mail that is sent twice is seen to be the same.
    r#"CREATE TABLE "mail_outbox" (
        "id" {id} NOT NULL PRIMARY KEY,
        "message_id" {text} NOT NULL,
        "recipient" {text} NOT NULL,
        "template" {text} NOT NULL,
        "locale" {text} NOT NULL,
        "parameters" {text} NOT NULL DEFAULT '{}',
        "created_at" {instant} NOT NULL,
        "due_at" {instant} NOT NULL,
        "expires_at" {instant} NOT NULL,
        "attempts" {integer} NOT NULL DEFAULT 0,
        "lease_until" {instant},
        "lease_token" {id},
        "sent_at" {instant},
        "failed_at" {instant},
        "error" {text})"#,
    r#"CREATE UNIQUE INDEX "mail_outbox_message_id_key" ON "mail_outbox" ("message_id")"#,
    r#"CREATE INDEX "mail_outbox_due_idx" ON "mail_outbox" ("due_at") WHERE "sent_at" IS NULL AND "failed_at" IS NULL"#,
];
