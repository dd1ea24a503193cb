//! Resets of passwords: requests, the tokens of their links as hashes, and the one use.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id, optional_id_of, select};
use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// Somebody asks for a reset.
#[derive(Debug, Clone)]
pub struct NewReset {
    /// Its id.
    pub id: Uuid,
    /// Who has the address; nobody, for most that are guessed.
    pub user: Option<Uuid>,
    /// Where the request came from.
    pub network: String,
    /// When.
    pub requested_at: DateTime<Utc>,
    /// Until when its link is good.
    pub expires_at: DateTime<Utc>,
}

/// How many requests came from a network since `since`.
pub async fn count_requests_from(tx: &mut WriteTx, network: &str, since: DateTime<Utc>) -> Result<i64, StoreError> {
    let text =
        r#"SELECT count(*) FROM "password_reset" WHERE "network" = $1::text AND "requested_at" > $2::timestamptz"#;
    let values = [Value::Text(network.to_owned()), Value::DateTime(since)];
    count(tx, text, &values).await
}

/// How many mails were queued for a user's requests since `since`.
pub async fn count_mails_to(tx: &mut WriteTx, user: Uuid, since: DateTime<Utc>) -> Result<i64, StoreError> {
    let text = r#"SELECT count(*) FROM "password_reset"
        WHERE "user_id" = $1::uuid AND "requested_at" > $2::timestamptz AND "mail_id" IS NOT NULL"#;
    count(tx, text, &[Value::Id(user), Value::DateTime(since)]).await
}

/// Stores a request.
pub async fn insert_reset(tx: &mut WriteTx, reset: &NewReset) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "password_reset" ("id", "user_id", "network", "requested_at", "expires_at")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::timestamptz, $5::timestamptz)"#;
    let values = [
        Value::Id(reset.id),
        optional_id(reset.user),
        Value::Text(reset.network.clone()),
        Value::DateTime(reset.requested_at),
        Value::DateTime(reset.expires_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Whether a request waits for its mail.
pub async fn any_unprepared(tx: &mut ReadTx) -> Result<bool, StoreError> {
    let text = r#"SELECT 1 FROM "password_reset" WHERE "prepared_at" IS NULL LIMIT 1"#;
    let statement = portable(tx.dialect(), text, 0, &[ColumnType::Integer]);
    Ok(!tx.query(&statement, &Bindings::default()).await?.is_empty())
}

/// Takes the oldest request that waits for its mail: its id, and the user if there is one.
pub async fn take_unprepared(tx: &mut WriteTx, now: DateTime<Utc>) -> Result<Option<(Uuid, Option<Uuid>)>, StoreError> {
    let text = r#"UPDATE "password_reset" SET "prepared_at" = $1::timestamptz WHERE "prepared_at" IS NULL AND "id" IN (
            SELECT "id" FROM "password_reset" WHERE "prepared_at" IS NULL ORDER BY "requested_at", "id" LIMIT 1)
        RETURNING "id", "user_id""#;
    let rows = select(tx, text, &[Value::DateTime(now)], &[ColumnType::Id, ColumnType::Id]).await?;
    if rows.is_empty() { Ok(None) } else { Ok(Some((id(&rows, 0, 0)?, optional_id_of(&rows, 0, 1)?))) }
}

/// Notes the mail that was queued for a request.
pub async fn set_mail(tx: &mut WriteTx, reset: Uuid, mail: Uuid) -> Result<(), StoreError> {
    let text = r#"UPDATE "password_reset" SET "mail_id" = $2::uuid WHERE "id" = $1::uuid"#;
    change(tx, text, &[Value::Id(reset), Value::Id(mail)]).await.map(|_| ())
}

/// Gives a request one more token. False if the request can no longer be used, or never could.
pub async fn insert_reset_token(
    tx: &mut WriteTx,
    reset: Uuid,
    hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"INSERT INTO "password_reset_token" ("hash", "reset_id")
        SELECT $1::text, "id" FROM "password_reset" WHERE "id" = $2::uuid AND "user_id" IS NOT NULL
            AND "used_at" IS NULL AND "revoked_at" IS NULL AND "expires_at" > $3::timestamptz"#;
    let values = [Value::Text(hash.to_owned()), Value::Id(reset), Value::DateTime(now)];
    Ok(change(tx, text, &values).await? > 0)
}

/// Whose token this is, if it can be used now.
pub async fn fetch_reset(tx: &mut ReadTx, hash: &str, now: DateTime<Utc>) -> Result<Option<Uuid>, StoreError> {
    let text = r#"SELECT r."user_id" FROM "password_reset_token" t JOIN "password_reset" r ON r."id" = t."reset_id"
        WHERE t."hash" = $1::text AND r."used_at" IS NULL AND r."revoked_at" IS NULL AND r."expires_at" > $2::timestamptz"#;
    let values = [Value::Text(hash.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Id]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() { Ok(None) } else { optional_id_of(&rows, 0, 0) }
}

/// Uses a token up: of many at once, one gets the user.
pub async fn use_reset(tx: &mut WriteTx, hash: &str, now: DateTime<Utc>) -> Result<Option<Uuid>, StoreError> {
    let text = r#"UPDATE "password_reset" SET "used_at" = $2::timestamptz
        WHERE "id" = (SELECT "reset_id" FROM "password_reset_token" WHERE "hash" = $1::text)
            AND "used_at" IS NULL AND "revoked_at" IS NULL AND "expires_at" > $2::timestamptz
        RETURNING "user_id""#;
    let values = [Value::Text(hash.to_owned()), Value::DateTime(now)];
    let rows = select(tx, text, &values, &[ColumnType::Id]).await?;
    if rows.is_empty() { Ok(None) } else { optional_id_of(&rows, 0, 0) }
}

/// Makes all links that a user was sent useless.
pub async fn revoke_resets_of(tx: &mut WriteTx, user: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "password_reset" SET "revoked_at" = $2::timestamptz
        WHERE "user_id" = $1::uuid AND "used_at" IS NULL AND "revoked_at" IS NULL"#;
    change(tx, text, &[Value::Id(user), Value::DateTime(now)]).await.map(|_| ())
}

/// Forgets requests before `before`; gives how many.
pub async fn delete_old_resets(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let text =
        r#"DELETE FROM "password_reset" WHERE "requested_at" < $1::timestamptz AND "expires_at" < $1::timestamptz"#;
    change(tx, text, &[Value::DateTime(before)]).await
}

async fn count(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<i64, StoreError> {
    let rows = select(tx, text, values, &[ColumnType::Integer]).await?;
    rows.first_integer().ok_or_else(|| StoreError::corrupt("a count is missing"))
}
