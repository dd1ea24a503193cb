//! Requests from outside that start runs of workflows: counted, and known again for a while by their keys.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, select, text_of};
use crate::{StoreError, WriteTx};

/// The requests of a workflow in a span of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// How many, this one included.
    pub count: i64,
    /// When the first of them came.
    pub began_at: Option<DateTime<Utc>>,
}

/// Whether a key was sent before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is taken now, and its run is to be assigned before the transaction ends.
    New,
    /// It has a run.
    Known {
        /// The run.
        run: Uuid,
        /// Of the body that it was sent with.
        body_hash: String,
    },
}

/// Counts a request at `now`, together with those since the first one after `since`.
pub async fn count_request(
    tx: &mut WriteTx,
    workflow: Uuid,
    now: DateTime<Utc>,
    since: DateTime<Utc>,
) -> Result<Counted, StoreError> {
    let text = r#"INSERT INTO "workflow_request_count" ("workflow_id", "began_at", "count") VALUES ($1::uuid, $2::timestamptz, 1)
        ON CONFLICT ("workflow_id") DO UPDATE SET
        "count" = CASE WHEN "workflow_request_count"."began_at" > $3::timestamptz THEN "workflow_request_count"."count" + 1 ELSE 1 END,
        "began_at" = CASE WHEN "workflow_request_count"."began_at" > $3::timestamptz THEN "workflow_request_count"."began_at" ELSE $2::timestamptz END
        RETURNING "count", "began_at""#;
    let values = [Value::Id(workflow), Value::DateTime(now), Value::DateTime(since)];
    let rows = select(tx, text, &values, &[ColumnType::Integer, ColumnType::DateTime]).await?;
    if rows.is_empty() {
        return Err(StoreError::corrupt("a request was not counted"));
    }
    let count = rows.cell(0, 0).integer().unwrap_or_default();
    Ok(Counted { count, began_at: rows.cell(0, 1).text().and_then(|text| text.parse().ok()) })
}

/// Takes a key of a workflow; what was taken before `expired` is forgotten. Whoever takes it meanwhile waits for this transaction's end.
pub async fn claim(
    tx: &mut WriteTx,
    workflow: Uuid,
    key: &str,
    body_hash: &str,
    now: DateTime<Utc>,
    expired: DateTime<Utc>,
) -> Result<Claim, StoreError> {
    let text = r#"INSERT INTO "workflow_request" ("workflow_id", "key", "body_hash", "created_at")
        VALUES ($1::uuid, $2::text, $3::text, $4::timestamptz)
        ON CONFLICT ("workflow_id", "key") DO UPDATE SET "body_hash" = $3::text, "created_at" = $4::timestamptz
        WHERE "workflow_request"."created_at" < $5::timestamptz RETURNING 1"#;
    let values = [
        Value::Id(workflow),
        Value::Text(key.to_owned()),
        Value::Text(body_hash.to_owned()),
        Value::DateTime(now),
        Value::DateTime(expired),
    ];
    if !select(tx, text, &values, &[ColumnType::Integer]).await?.is_empty() {
        return Ok(Claim::New);
    }
    let text =
        r#"SELECT "run_id", "body_hash" FROM "workflow_request" WHERE "workflow_id" = $1::uuid AND "key" = $2::text"#;
    let rows = select(tx, text, &values[..2], &[ColumnType::Id, ColumnType::Text]).await?;
    if rows.is_empty() {
        // It was there a moment ago, and has been tidied away since.
        return Err(tx.run_again());
    }
    Ok(Claim::Known { run: id(&rows, 0, 0)?, body_hash: text_of(&rows, 0, 1)? })
}

/// Notes which run a key has started.
pub async fn assign_run(tx: &mut WriteTx, workflow: Uuid, key: &str, run: Uuid) -> Result<(), StoreError> {
    let text =
        r#"UPDATE "workflow_request" SET "run_id" = $3::uuid WHERE "workflow_id" = $1::uuid AND "key" = $2::text"#;
    change(tx, text, &[Value::Id(workflow), Value::Text(key.to_owned()), Value::Id(run)]).await.map(|_| ())
}

/// Forgets keys that were taken before `expired`; gives how many.
pub async fn delete_old_requests(tx: &mut WriteTx, expired: DateTime<Utc>) -> Result<u64, StoreError> {
    let text = r#"DELETE FROM "workflow_request" WHERE "created_at" < $1::timestamptz"#;
    change(tx, text, &[Value::DateTime(expired)]).await
}
