//! What is written beside a record in its own transaction: audit entries, outbox events, automatic numbers.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{optional_text, portable};
use crate::{Bindings, StoreError, WriteTx};

/// An entry for the audit log.
#[derive(Debug)]
pub struct NewAudit<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// Who; `None` for the system and for anonymous callers.
    pub actor: Option<Uuid>,
    /// Through what: `api`, `workflow`, …
    pub via: &'a str,
    /// What was done: `CREATED`, `UPDATED`, …
    pub action: &'a str,
    /// The module of the record.
    pub module: Option<&'a str>,
    /// The record.
    pub record: Option<Uuid>,
    /// By field, `{"old": …, "new": …}`.
    pub changes: Json,
    /// The request.
    pub request: Uuid,
}

/// An event for the outbox.
#[derive(Debug)]
pub struct NewEvent<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// The module of the record.
    pub module: &'a str,
    /// The record.
    pub record: Uuid,
    /// `CREATED`, `UPDATED`, `DELETED`.
    pub kind: &'a str,
    /// Who caused it.
    pub actor: Option<Uuid>,
    /// How deep in a chain of causes.
    pub depth: u32,
    /// The stored fields before; `None` for a new record.
    pub before: Option<Json>,
    /// The stored fields after.
    pub after: Option<Json>,
    /// Names of the fields that changed.
    pub changed: Vec<String>,
}

/// Writes an audit entry.
pub async fn insert_audit(tx: &mut WriteTx, audit: &NewAudit<'_>) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "audit_entry" ("id", "at", "actor_id", "via", "action", "module", "record_id", "changes", "request_id")
        VALUES ($1::uuid, $2::timestamptz, $3::uuid, $4::text, $5::text, $6::text, $7::uuid, $8::text, $9::text)"#;
    let values = [
        Value::Id(Uuid::now_v7()),
        Value::DateTime(audit.at),
        audit.actor.map_or(Value::Null, Value::Id),
        Value::Text(audit.via.to_owned()),
        Value::Text(audit.action.to_owned()),
        optional_text(audit.module),
        audit.record.map_or(Value::Null, Value::Id),
        Value::Text(audit.changes.to_string()),
        Value::Text(audit.request.to_string()),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[]);
    tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await.map(|_| ())
}

/// Writes an event; gives its number.
pub async fn insert_event(tx: &mut WriteTx, event: &NewEvent<'_>) -> Result<i64, StoreError> {
    let text = r#"INSERT INTO "outbox" ("at", "module", "record_id", "kind", "actor_id", "depth", "before", "after", "changed")
        VALUES ($1::timestamptz, $2::text, $3::uuid, $4::text, $5::uuid, $6::integer, $7::text, $8::text, $9::text) RETURNING "seq""#;
    let json = |json: &Option<Json>| json.as_ref().map_or(Value::Null, |json| Value::Text(json.to_string()));
    let values = [
        Value::DateTime(event.at),
        Value::Text(event.module.to_owned()),
        Value::Id(event.record),
        Value::Text(event.kind.to_owned()),
        event.actor.map_or(Value::Null, Value::Id),
        Value::Integer(i64::from(event.depth)),
        json(&event.before),
        json(&event.after),
        Value::Text(Json::from(event.changed.clone()).to_string()),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Integer]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    rows.first_integer().ok_or_else(|| StoreError::corrupt("an event without a number"))
}

/// The next number of a field's counter, from 1. The counter's row stays locked until the transaction ends.
pub async fn next_number(tx: &mut WriteTx, module: &str, field: &str, period: &str) -> Result<i64, StoreError> {
    let text = r#"INSERT INTO "auto_number" ("module", "field", "period", "last") VALUES ($1::text, $2::text, $3::text, 1)
        ON CONFLICT ("module", "field", "period") DO UPDATE SET "last" = "auto_number"."last" + 1 RETURNING "last""#;
    let values = [module, field, period].map(|text| Value::Text(text.to_owned()));
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Integer]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    rows.first_integer().ok_or_else(|| StoreError::corrupt("a counter without a value"))
}

/// Deletes events written before `before`, at most `limit` of them; gives how many. Those that are left are all that came after
/// one of them: who reads on by a number knows by the lowest one whether it has missed any.
pub async fn delete_events(tx: &mut WriteTx, before: DateTime<Utc>, limit: usize) -> Result<u64, StoreError> {
    let text = format!(
        r#"DELETE FROM "outbox" WHERE "seq" IN (SELECT "seq" FROM "outbox"
            WHERE "seq" < COALESCE((SELECT "seq" FROM "outbox" WHERE "at" >= $1::timestamptz ORDER BY "seq" LIMIT 1), {})
            ORDER BY "seq" LIMIT {limit})"#,
        i64::MAX
    );
    let values = [Value::DateTime(before)];
    let statement = portable(tx.dialect(), &text, 1, &[]);
    tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await
}
