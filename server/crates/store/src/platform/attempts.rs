//! Failures to sign in, counted by all servers of a database together; and what makes attempts side by side count one by one.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};

use super::access::{change, select, text_of};
use crate::{StoreError, WriteTx};

/// Failures in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureRow {
    /// What they were counted for.
    pub key: String,
    /// How many.
    pub count: i64,
    /// When the last one was; RFC 3339.
    pub last_at: String,
}

/// Until the transaction ends, others that ask for the same key wait. SQLite has one writer, so there is nobody to wait for.
pub async fn take_turns(tx: &mut WriteTx, key: &str) -> Result<(), StoreError> {
    if tx.dialect() == Dialect::Postgres {
        let text = "SELECT 1 FROM (SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))) AS taken";
        select(tx, text, &[Value::Text(key.to_owned())], &[ColumnType::Integer]).await?;
    }
    Ok(())
}

/// The failures of a key since `since`.
pub async fn find_failures(
    tx: &mut WriteTx,
    key: &str,
    since: DateTime<Utc>,
) -> Result<Option<FailureRow>, StoreError> {
    let text = r#"SELECT "key", "count", "last_at" FROM "sign_in_failure" WHERE "key" = $1::text AND "last_at" > $2::timestamptz"#;
    let values = [Value::Text(key.to_owned()), Value::DateTime(since)];
    let rows = select(tx, text, &values, &[ColumnType::Text, ColumnType::Integer, ColumnType::DateTime]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let count = rows.cell(0, 1).integer().unwrap_or_default();
    Ok(Some(FailureRow { key: text_of(&rows, 0, 0)?, count, last_at: text_of(&rows, 0, 2)? }))
}

/// Writes how many failures there are of a key now.
pub async fn put_failures(tx: &mut WriteTx, key: &str, count: i64, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "sign_in_failure" ("key", "count", "last_at") VALUES ($1::text, $2::integer, $3::timestamptz)
        ON CONFLICT ("key") DO UPDATE SET "count" = excluded."count", "last_at" = excluded."last_at""#;
    change(tx, text, &[Value::Text(key.to_owned()), Value::Integer(count), Value::DateTime(now)]).await.map(|_| ())
}

/// Forgets the failures of a key.
pub async fn delete_failures(tx: &mut WriteTx, key: &str) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "sign_in_failure" WHERE "key" = $1::text"#, &[Value::Text(key.to_owned())])
        .await
        .map(|_| ())
}

/// Takes one failure of a key back.
pub async fn take_failure_back(tx: &mut WriteTx, key: &str) -> Result<(), StoreError> {
    let text = r#"UPDATE "sign_in_failure" SET "count" = "count" - 1 WHERE "key" = $1::text AND "count" > 0"#;
    change(tx, text, &[Value::Text(key.to_owned())]).await.map(|_| ())
}

/// Forgets failures before `before`; gives how many keys.
pub async fn delete_old_failures(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    let text = r#"DELETE FROM "sign_in_failure" WHERE "last_at" < $1::timestamptz"#;
    change(tx, text, &[Value::DateTime(before)]).await
}
