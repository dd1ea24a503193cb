//! Answers that are given again to whoever repeats a request: a row for each key of a user, in the mutation's own transaction.

use cardine_failpoints::pass;
use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::portable;
use crate::{Bindings, StoreError, WriteTx};

/// A user's key, and the request that it was sent with.
#[derive(Debug, Clone)]
pub struct KeyUse {
    /// The user.
    pub actor: Uuid,
    /// The key, as the client chose it.
    pub key: String,
    /// Tells one request from another.
    pub request_hash: String,
}

/// What a key was used for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// For nothing: it is taken now, and its answer is to be stored before the transaction ends.
    New,
    /// For this request.
    Answered(String),
    /// For another request.
    Other,
}

/// Takes a key; what was stored with it before `expired` is forgotten. Whoever takes it meanwhile waits for this transaction's end.
pub async fn claim(
    tx: &mut WriteTx,
    key: &KeyUse,
    now: DateTime<Utc>,
    expired: DateTime<Utc>,
) -> Result<Claim, StoreError> {
    pass!("idempotency.claim");
    let text = r#"INSERT INTO "idempotency_key" ("actor_id", "key", "request_hash", "answer", "created_at")
        VALUES ($1::uuid, $2::text, $3::text, '', $4::timestamptz)
        ON CONFLICT ("actor_id", "key") DO UPDATE SET "request_hash" = $3::text, "answer" = '', "created_at" = $4::timestamptz
        WHERE "idempotency_key"."created_at" < $5::timestamptz RETURNING 1"#;
    let values = [
        Value::Id(key.actor),
        Value::Text(key.key.clone()),
        Value::Text(key.request_hash.clone()),
        Value::DateTime(now),
        Value::DateTime(expired),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Integer]);
    if !tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?.is_empty() {
        return Ok(Claim::New);
    }
    let text =
        r#"SELECT "request_hash", "answer" FROM "idempotency_key" WHERE "actor_id" = $1::uuid AND "key" = $2::text"#;
    let statement = portable(tx.dialect(), text, 2, &[ColumnType::Text, ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values[..2], ..Bindings::default() }).await?;
    let text = |column| if rows.is_empty() { None } else { rows.cell(0, column).text() };
    match (text(0), text(1)) {
        (Some(hash), Some(answer)) if hash == key.request_hash => Ok(Claim::Answered(answer.to_owned())),
        (Some(_), _) => Ok(Claim::Other),
        // It was there a moment ago, and has been tidied away since.
        (None, _) => Err(tx.run_again()),
    }
}

/// Stores the answer to the request that a key was taken for.
pub async fn store_answer(tx: &mut WriteTx, key: &KeyUse, answer: &str) -> Result<(), StoreError> {
    pass!("idempotency.answer");
    let text = r#"UPDATE "idempotency_key" SET "answer" = $3::text WHERE "actor_id" = $1::uuid AND "key" = $2::text"#;
    let values = [Value::Id(key.actor), Value::Text(key.key.clone()), Value::Text(answer.to_owned())];
    let statement = portable(tx.dialect(), text, values.len(), &[]);
    tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await.map(|_| ())
}

/// Forgets what was stored before `expired`; gives how many answers.
pub async fn delete_expired(tx: &mut WriteTx, expired: DateTime<Utc>) -> Result<u64, StoreError> {
    let text = r#"DELETE FROM "idempotency_key" WHERE "created_at" < $1::timestamptz"#;
    let values = [Value::DateTime(expired)];
    let statement = portable(tx.dialect(), text, 1, &[]);
    tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await
}
