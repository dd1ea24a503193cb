//! What plugins keep between calls: keys with values, by the plugin's name.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};

use super::access::{change, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// What is kept under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateEntry {
    /// The value.
    pub value: Vec<u8>,
    /// Another one after each change.
    pub etag: String,
}

/// The entry of a key at the moment `now`.
pub async fn fetch_entry(
    tx: &mut ReadTx,
    plugin: &str,
    key: &str,
    now: DateTime<Utc>,
) -> Result<Option<StateEntry>, StoreError> {
    let text = r#"SELECT "value", "etag" FROM "plugin_state" WHERE "plugin" = $1::text AND "key" = $2::text
        AND ("expires_at" IS NULL OR "expires_at" > $3::timestamptz)"#;
    let values = [Value::Text(plugin.to_owned()), Value::Text(key.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Text, ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let value = STANDARD.decode(text_of(&rows, 0, 0)?).map_err(|_| StoreError::corrupt("a state without base64"))?;
    Ok(Some(StateEntry { value, etag: text_of(&rows, 0, 1)? }))
}

/// Keys that begin with `prefix`, in order, behind `after`.
pub async fn fetch_keys(
    tx: &mut ReadTx,
    plugin: &str,
    prefix: &str,
    after: &str,
    limit: u32,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StoreError> {
    let text = r#"SELECT "key" FROM "plugin_state" WHERE "plugin" = $1::text AND "key" > $3::text
        AND substr("key", 1, length($2::text)) = $2::text AND ("expires_at" IS NULL OR "expires_at" > $4::timestamptz)
        ORDER BY "key" LIMIT $5::bigint"#;
    let values = [
        Value::Text(plugin.to_owned()),
        Value::Text(prefix.to_owned()),
        Value::Text(after.to_owned()),
        Value::DateTime(now),
        Value::Integer(limit.into()),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect()
}

/// Lets changes of one plugin's state go one after the other, and forgets what has expired. False if the plugin is not installed.
pub async fn begin_changes(tx: &mut WriteTx, plugin: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let name = Value::Text(plugin.to_owned());
    let lock = r#"UPDATE "plugin" SET "active" = "active" WHERE "name" = $1::text AND "active""#;
    if change(tx, lock, std::slice::from_ref(&name)).await? == 0 {
        return Ok(false);
    }
    let text = r#"DELETE FROM "plugin_state" WHERE "plugin" = $1::text AND "expires_at" <= $2::timestamptz"#;
    change(tx, text, &[name, Value::DateTime(now)]).await.map(|_| true)
}

/// The etag of a key, after [`begin_changes`].
pub async fn find_etag(tx: &mut WriteTx, plugin: &str, key: &str) -> Result<Option<String>, StoreError> {
    let text = r#"SELECT "etag" FROM "plugin_state" WHERE "plugin" = $1::text AND "key" = $2::text"#;
    let values = [Value::Text(plugin.to_owned()), Value::Text(key.to_owned())];
    let rows = select(tx, text, &values, &[ColumnType::Text]).await?;
    if rows.is_empty() { Ok(None) } else { text_of(&rows, 0, 0).map(Some) }
}

/// Keeps a value, in place of what was there.
pub async fn put_entry(
    tx: &mut WriteTx,
    plugin: &str,
    key: &str,
    entry: &StateEntry,
    expires_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "plugin_state" ("plugin", "key", "value", "bytes", "etag", "expires_at")
        VALUES ($1::text, $2::text, $3::text, $4::bigint, $5::text, $6::timestamptz)
        ON CONFLICT ("plugin", "key") DO UPDATE SET "value" = excluded."value", "bytes" = excluded."bytes",
        "etag" = excluded."etag", "expires_at" = excluded."expires_at""#;
    let bytes = i64::try_from(key.len() + entry.value.len()).unwrap_or(i64::MAX);
    let values = [
        Value::Text(plugin.to_owned()),
        Value::Text(key.to_owned()),
        Value::Text(STANDARD.encode(&entry.value)),
        Value::Integer(bytes),
        Value::Text(entry.etag.clone()),
        expires_at.map_or(Value::Null, Value::DateTime),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Forgets a key.
pub async fn delete_entry(tx: &mut WriteTx, plugin: &str, key: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "plugin_state" WHERE "plugin" = $1::text AND "key" = $2::text"#;
    change(tx, text, &[Value::Text(plugin.to_owned()), Value::Text(key.to_owned())]).await.map(|_| ())
}

/// Bytes of all keys and values of a plugin.
pub async fn count_bytes(tx: &mut WriteTx, plugin: &str) -> Result<u64, StoreError> {
    let text = r#"SELECT CAST(COALESCE(SUM("bytes"), 0) AS bigint) FROM "plugin_state" WHERE "plugin" = $1::text"#;
    let rows = select(tx, text, &[Value::Text(plugin.to_owned())], &[ColumnType::Integer]).await?;
    let bytes = rows.first_integer().ok_or_else(|| StoreError::corrupt("a sum without a value"))?;
    Ok(u64::try_from(bytes).unwrap_or_default())
}

/// Forgets all that a plugin kept.
pub async fn delete_all(tx: &mut WriteTx, plugin: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "plugin_state" WHERE "plugin" = $1::text"#;
    change(tx, text, &[Value::Text(plugin.to_owned())]).await.map(|_| ())
}
