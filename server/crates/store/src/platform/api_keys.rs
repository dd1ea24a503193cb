//! API keys: secrets as hashes, what they are narrowed to, and what ends them.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// An API key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// For people.
    pub name: String,
    /// SHA-256, in hexadecimal.
    pub secret_hash: String,
    /// JSON: a list of scopes; empty for all that the user may do.
    pub scopes: String,
    /// When it ends; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Stores an API key.
pub async fn insert_api_key(tx: &mut WriteTx, key: &NewApiKey) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "api_key" ("id", "user_id", "name", "secret_hash", "scopes", "expires_at", "created_at")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::timestamptz, $7::timestamptz)"#;
    let values = [
        Value::Id(key.id),
        Value::Id(key.user),
        Value::Text(key.name.clone()),
        Value::Text(key.secret_hash.clone()),
        Value::Text(key.scopes.clone()),
        key.expires_at.map_or(Value::Null, Value::DateTime),
        Value::DateTime(key.created_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// An API key, without its secret. Instants are RFC 3339.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// For people.
    pub name: String,
    /// JSON: a list of scopes; empty for all that the user may do.
    pub scopes: String,
    /// When it ends; `None`: never.
    pub expires_at: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it was last seen to be used, to the minute.
    pub last_used_at: Option<String>,
}

const KEY: &str = r#""id", "user_id", "name", "scopes", "expires_at", "created_at", "last_used_at""#;
const KEY_COLUMNS: [ColumnType; 7] = [
    ColumnType::Id,
    ColumnType::Id,
    ColumnType::Text,
    ColumnType::Text,
    ColumnType::DateTime,
    ColumnType::DateTime,
    ColumnType::DateTime,
];

/// The API key of a secret that is good now.
pub async fn fetch_api_key(
    tx: &mut ReadTx,
    secret_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<ApiKeyRow>, StoreError> {
    let text = format!(
        r#"SELECT {KEY} FROM "api_key" WHERE "secret_hash" = $1::text AND "revoked_at" IS NULL
        AND ("expires_at" IS NULL OR "expires_at" > $2::timestamptz)"#
    );
    let values = [Value::Text(secret_hash.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), &text, values.len(), &KEY_COLUMNS);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() { Ok(None) } else { key(&rows, 0).map(Some) }
}

/// The API keys of a user that are good now, the newest first; at most so many.
pub async fn fetch_api_keys_of(
    tx: &mut ReadTx,
    user: Uuid,
    now: DateTime<Utc>,
    most: usize,
) -> Result<Vec<ApiKeyRow>, StoreError> {
    let text = format!(
        r#"SELECT {KEY} FROM "api_key" WHERE "user_id" = $1::uuid AND "revoked_at" IS NULL
        AND ("expires_at" IS NULL OR "expires_at" > $2::timestamptz) ORDER BY "id" DESC LIMIT {most}"#
    );
    let values = [Value::Id(user), Value::DateTime(now)];
    let statement = portable(tx.dialect(), &text, values.len(), &KEY_COLUMNS);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| key(&rows, row)).collect()
}

/// How many API keys of a user are good now.
pub async fn count_api_keys_of(tx: &mut WriteTx, user: Uuid, now: DateTime<Utc>) -> Result<i64, StoreError> {
    let text = r#"SELECT count(*) FROM "api_key" WHERE "user_id" = $1::uuid AND "revoked_at" IS NULL
        AND ("expires_at" IS NULL OR "expires_at" > $2::timestamptz)"#;
    let values = [Value::Id(user), Value::DateTime(now)];
    let rows = select(tx, text, &values, &[ColumnType::Integer]).await?;
    rows.first_integer().ok_or_else(|| StoreError::corrupt("a count is missing"))
}

/// Revokes a key, of this user if one is given. Gives the name and the user of the key that was revoked.
pub async fn revoke_api_key(
    tx: &mut WriteTx,
    key: Uuid,
    user: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<Option<(String, Uuid)>, StoreError> {
    let text = r#"UPDATE "api_key" SET "revoked_at" = $3::timestamptz
        WHERE "id" = $1::uuid AND "revoked_at" IS NULL AND ($2::uuid IS NULL OR "user_id" = $2::uuid)
        RETURNING "name", "user_id""#;
    let values = [Value::Id(key), optional_id(user), Value::DateTime(now)];
    let rows = select(tx, text, &values, &[ColumnType::Text, ColumnType::Id]).await?;
    if rows.is_empty() { Ok(None) } else { Ok(Some((text_of(&rows, 0, 0)?, id(&rows, 0, 1)?))) }
}

/// Notes that a key is in use.
pub async fn touch_api_key(tx: &mut WriteTx, key: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "api_key" SET "last_used_at" = $2::timestamptz WHERE "id" = $1::uuid"#;
    change(tx, text, &[Value::Id(key), Value::DateTime(now)]).await.map(|_| ())
}

fn key(rows: &RowSet, row: usize) -> Result<ApiKeyRow, StoreError> {
    let optional = |column| rows.cell(row, column).text().map(str::to_owned);
    Ok(ApiKeyRow {
        id: id(rows, row, 0)?,
        user: id(rows, row, 1)?,
        name: text_of(rows, row, 2)?,
        scopes: text_of(rows, row, 3)?,
        expires_at: optional(4),
        created_at: text_of(rows, row, 5)?,
        last_used_at: optional(6),
    })
}
