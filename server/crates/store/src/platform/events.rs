//! What is written beside a record in its own transaction: audit entries, outbox events, automatic numbers.

use std::borrow::Cow;

use cardine_failpoints::pass;
use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::workflows::{NewRun, Origin, RUN_COLUMNS, bound, queue_runs, values_of_run};
use super::{insert_rows, optional_text, portable};
use crate::transaction::lists;
use crate::{Bindings, RowSet, StoreError, WriteTx};

/// An entry for the audit log.
#[derive(Debug)]
pub struct NewAudit<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// Who; `None` for the system and for anonymous callers.
    pub actor: Option<Uuid>,
    /// On whose behalf, if the actor did not act for themselves.
    pub on_behalf_of: Option<Uuid>,
    /// Through what: `api`, `workflow`, …
    pub via: &'a str,
    /// What was done: `CREATED`, `UPDATED`, …
    pub action: &'a str,
    /// The module of the record.
    pub module: Option<&'a str>,
    /// The record.
    pub record: Option<Uuid>,
    /// JSON: by field, `{"old": …, "new": …}`; of a record's fields by their keys (`cardine_model::history_key`).
    pub changes: Cow<'a, str>,
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
    /// The stored fields before, as JSON; `None` for a new record.
    pub before: Option<Cow<'a, str>>,
    /// The stored fields after, as JSON.
    pub after: Option<Cow<'a, str>>,
    /// Names of the fields that changed: a list in JSON.
    pub changed: Cow<'a, str>,
}

/// Writes an audit entry.
pub async fn insert_audit(tx: &mut WriteTx, audit: &NewAudit<'_>) -> Result<(), StoreError> {
    insert_audits(tx, std::slice::from_ref(audit)).await
}

/// Writes audit entries.
pub async fn insert_audits(tx: &mut WriteTx, audits: &[NewAudit<'_>]) -> Result<(), StoreError> {
    const COLUMNS: [(&str, &str); 10] = [
        ("id", "uuid"),
        ("at", "timestamptz"),
        ("actor_id", "uuid"),
        ("on_behalf_of_id", "uuid"),
        ("via", "text"),
        ("action", "text"),
        ("module", "text"),
        ("record_id", "uuid"),
        ("changes", "text"),
        ("request_id", "text"),
    ];
    let values = |audit: &NewAudit<'_>| {
        vec![
            Value::Id(Uuid::now_v7()),
            Value::DateTime(audit.at),
            audit.actor.map_or(Value::Null, Value::Id),
            audit.on_behalf_of.map_or(Value::Null, Value::Id),
            Value::Text(audit.via.to_owned()),
            Value::Text(audit.action.to_owned()),
            optional_text(audit.module),
            audit.record.map_or(Value::Null, Value::Id),
            Value::Text(audit.changes.clone().into_owned()),
            Value::Text(audit.request.to_string()),
        ]
    };
    if audits.is_empty() {
        return Ok(());
    }
    pass!("write.audit");
    let statement = insert_rows(tx.dialect(), "audit_entry", &COLUMNS, audits.len(), "", &[]);
    tx.execute_rows(&statement, audits.iter().map(values).collect()).await.map(|_| ())
}

/// What became of events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Inserted {
    /// Their numbers, in the same order.
    pub numbers: Vec<i64>,
    /// The catalog's version as the statement saw it, at no further cost. What was written before it in the transaction holds locks
    /// on its tables, which nobody changes from there on.
    pub catalog_version: i64,
}

/// The columns of an event, and PostgreSQL's types of them.
const EVENT_COLUMNS: [(&str, &str); 9] = [
    ("at", "timestamptz"),
    ("module", "text"),
    ("record_id", "uuid"),
    ("kind", "text"),
    ("actor_id", "uuid"),
    ("depth", "integer"),
    ("before", "text"),
    ("after", "text"),
    ("changed", "text"),
];

/// An event's values in those columns.
fn values_of_event(event: &NewEvent<'_>) -> Vec<Value> {
    let json = |json: &Option<Cow<'_, str>>| json.as_deref().map_or(Value::Null, |json| Value::Text(json.to_owned()));
    vec![
        Value::DateTime(event.at),
        Value::Text(event.module.to_owned()),
        Value::Id(event.record),
        Value::Text(event.kind.to_owned()),
        event.actor.map_or(Value::Null, Value::Id),
        Value::Integer(i64::from(event.depth)),
        json(&event.before),
        json(&event.after),
        Value::Text(event.changed.clone().into_owned()),
    ]
}

/// Writes events.
pub async fn insert_events(tx: &mut WriteTx, events: &[NewEvent<'_>]) -> Result<Inserted, StoreError> {
    if events.is_empty() {
        return Ok(Inserted::default());
    }
    pass!("write.outbox");
    let tail = format!(r#"RETURNING "seq", {CATALOG_VERSION}"#);
    let statement = insert_rows(tx.dialect(), "outbox", &EVENT_COLUMNS, events.len(), &tail, &INSERTED);
    let rows = tx.query_rows(&statement, events.iter().map(values_of_event).collect()).await?;
    inserted(&rows, events.len())
}

/// Writes events and queues the runs that they start, each given with its event's position. On PostgreSQL one event takes its runs along, in
/// the same round trip.
pub async fn insert_events_and_runs(
    tx: &mut WriteTx,
    events: &[NewEvent<'_>],
    runs: Vec<(usize, NewRun)>,
    now: DateTime<Utc>,
) -> Result<Inserted, StoreError> {
    if let ([event], Dialect::Postgres, false) = (events, tx.dialect(), runs.is_empty()) {
        return insert_one_with_runs(tx, event, runs, now).await;
    }
    let done = insert_events(tx, events).await?;
    let run = |(position, run): (usize, NewRun)| {
        let record = events.get(position).map(|event| event.record);
        (Origin { event: done.numbers.get(position).copied(), record, due_at: None }, run)
    };
    let runs: Vec<_> = runs.into_iter().map(run).collect();
    queue_runs(tx, &runs, now).await?;
    Ok(done)
}

async fn insert_one_with_runs(
    tx: &mut WriteTx,
    event: &NewEvent<'_>,
    runs: Vec<(usize, NewRun)>,
    now: DateTime<Utc>,
) -> Result<Inserted, StoreError> {
    pass!("write.outbox");
    pass!("write.runs");
    let mut values = values_of_event(event);
    let behind = values.len();
    let typed = |columns: &[(&str, &str)], behind: usize, list: &str| {
        let slot = |(slot, (_, ty)): (usize, &(&str, &str))| format!("${}::{ty}{list}", slot + 1 + behind);
        columns.iter().enumerate().map(slot).collect::<Vec<_>>().join(", ")
    };
    let names =
        |columns: &[(&str, &str)]| columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    // Each run's number of its event is what the event has just got.
    let taken = RUN_COLUMNS.iter().map(|(name, _)| match *name {
        "event_seq" => r#"e."seq""#.to_owned(),
        other => format!("v.\"{other}\""),
    });
    let text = format!(
        "WITH e AS (INSERT INTO \"outbox\" ({}) VALUES ({}) RETURNING \"seq\"), \
        r AS (INSERT INTO \"workflow_run\" ({runs}) SELECT {} FROM e, unnest({}) AS v({runs}) ON CONFLICT DO NOTHING) \
        SELECT e.\"seq\", {CATALOG_VERSION} FROM e",
        names(&EVENT_COLUMNS),
        typed(&EVENT_COLUMNS, 0, ""),
        taken.collect::<Vec<_>>().join(", "),
        typed(&RUN_COLUMNS, behind, "[]"),
        runs = names(&RUN_COLUMNS),
    );
    let origin = Origin { event: None, record: Some(event.record), due_at: None };
    let rows = runs.iter().map(|(_, run)| values_of_run(Uuid::now_v7(), &origin, run, now)).collect();
    values.extend(lists(rows));
    let rows = tx.query(&portable(Dialect::Postgres, &text, values.len(), &INSERTED), &bound(&values)).await?;
    inserted(&rows, 1)
}

const CATALOG_VERSION: &str = r#"(SELECT "catalog_version" FROM "platform_state" WHERE "id" = 1)"#;

/// What is returned of an event: its number, and that version.
const INSERTED: [ColumnType; 2] = [ColumnType::Integer, ColumnType::Integer];

fn inserted(rows: &RowSet, count: usize) -> Result<Inserted, StoreError> {
    let mut numbers: Vec<i64> = (0..rows.len()).filter_map(|row| rows.cell(row, 0).integer()).collect();
    // They count up as the events do, in whatever order they are returned.
    numbers.sort_unstable();
    // The newest, should they differ: whoever asks wants to know whether anything was changed meanwhile.
    let catalog_version = (0..rows.len()).filter_map(|row| rows.cell(row, 1).integer()).max().unwrap_or_default();
    if numbers.len() == count {
        Ok(Inserted { numbers, catalog_version })
    } else {
        Err(StoreError::corrupt("an event without a number"))
    }
}

/// The first of the next `count` numbers of a field's counter, which begins with 1. The counter's row stays locked until the
/// transaction ends.
pub async fn next_numbers(
    tx: &mut WriteTx,
    module: &str,
    field: &str,
    period: &str,
    count: usize,
) -> Result<i64, StoreError> {
    let text = r#"INSERT INTO "auto_number" ("module", "field", "period", "last") VALUES ($1::text, $2::text, $3::text, $4::bigint)
        ON CONFLICT ("module", "field", "period") DO UPDATE SET "last" = "auto_number"."last" + $4::bigint RETURNING "last""#;
    let count = i64::try_from(count).map_err(|_| StoreError::internal("more numbers than there are"))?;
    let mut values: Vec<Value> = [module, field, period].map(|text| Value::Text(text.to_owned())).to_vec();
    values.push(Value::Integer(count));
    let statement = portable(tx.dialect(), text, values.len(), &[ColumnType::Integer]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let last = rows.first_integer().ok_or_else(|| StoreError::corrupt("a counter without a value"))?;
    Ok(last - count + 1)
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
