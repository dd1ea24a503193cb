//! Reading the outbox in order, so that nothing is ever passed over.
//!
//! Numbers are given before transactions commit. On SQLite one writes at a time, so what is there is in order. On PostgreSQL
//! an event may appear behind one with a higher number. But a transaction that has a number holds the lock that inserting
//! takes on the outbox until it ends: once all are over that held it when a number was the last one given, no event up to that
//! number can appear any more ([`OutboxMark`]). By the numbers, the events of one record are in the order of its changes: each
//! gets its number while its transaction holds the record's lock.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect};
use uuid::Uuid;

use super::access::{id, text_of};
use super::portable;
use crate::{Bindings, ReadTx, RowSet, StoreError};

/// An event as it stands in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number.
    pub seq: i64,
    /// The record's module.
    pub module: String,
    /// The record.
    pub record: Uuid,
    /// JSON: the stored fields before; `None` for a new record.
    pub before: Option<String>,
    /// JSON: the stored fields after; `None` if the record is gone.
    pub after: Option<String>,
    /// JSON: the names of the fields that changed.
    pub changed: String,
}

/// What was true of the outbox at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxMark {
    /// The last number given by then; 0 if none.
    pub last: i64,
    /// The transactions that may still commit an event with a number up to that.
    pub open: Vec<String>,
}

impl OutboxMark {
    /// Whether no event with a number up to `self.last` can appear any more, as a `later` mark shows.
    pub fn is_settled_at(&self, later: &Self) -> bool {
        !self.open.iter().any(|transaction| later.open.contains(transaction))
    }
}

/// Takes a mark. What is settled by it is seen by transactions that begin afterwards.
pub async fn fetch_outbox_mark(tx: &mut ReadTx) -> Result<OutboxMark, StoreError> {
    let last = match tx.dialect() {
        Dialect::Sqlite => r#"SELECT "seq" FROM "sqlite_sequence" WHERE "name" = 'outbox'"#,
        // A sequence is not part of the snapshot: this is its value now. First of all, as who locks later gets a higher number.
        Dialect::Postgres => r#"SELECT pg_sequence_last_value(pg_get_serial_sequence('"outbox"', 'seq')::regclass)"#,
    };
    let last = query(tx, last, &[], &[ColumnType::Integer]).await?.first_integer().unwrap_or(0);
    if tx.dialect() == Dialect::Sqlite {
        return Ok(OutboxMark { last, open: Vec::new() });
    }
    let holders = r#"SELECT DISTINCT "virtualtransaction" FROM pg_locks
        WHERE "locktype" = 'relation' AND "relation" = '"outbox"'::regclass AND "mode" = 'RowExclusiveLock' AND "granted"
            AND "database" = (SELECT "oid" FROM pg_database WHERE "datname" = current_database())"#;
    let rows = query(tx, holders, &[], &[ColumnType::Text]).await?;
    let open = (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect::<Result<_, _>>()?;
    Ok(OutboxMark { last, open })
}

/// The events of these modules with numbers above `after` and up to `up_to`, in their order; at most `limit` of them.
pub async fn fetch_events(
    tx: &mut ReadTx,
    modules: &[String],
    after: i64,
    up_to: i64,
    limit: usize,
) -> Result<Vec<OutboxRow>, StoreError> {
    let among = match tx.dialect() {
        Dialect::Sqlite => r#""module" IN (SELECT value FROM json_each($3::text))"#,
        Dialect::Postgres => r#""module" = ANY($3::text[])"#,
    };
    let text = format!(
        r#"SELECT "seq", "module", "record_id", "before", "after", "changed" FROM "outbox"
            WHERE "seq" > $1::bigint AND "seq" <= $2::bigint AND {among} ORDER BY "seq" LIMIT {limit}"#
    );
    let modules = modules.iter().map(|module| Value::Text(module.clone())).collect();
    let values = [Value::Integer(after), Value::Integer(up_to), Value::List(modules)];
    let columns =
        [ColumnType::Integer, ColumnType::Text, ColumnType::Id, ColumnType::Text, ColumnType::Text, ColumnType::Text];
    let rows = query(tx, &text, &values, &columns).await?;
    let event = |row| {
        let optional = |column| rows.cell(row, column).text().map(str::to_owned);
        Ok(OutboxRow {
            seq: rows.cell(row, 0).integer().ok_or_else(|| StoreError::corrupt("an event without a number"))?,
            module: text_of(&rows, row, 1)?,
            record: id(&rows, row, 2)?,
            before: optional(3),
            after: optional(4),
            changed: text_of(&rows, row, 5)?,
        })
    };
    (0..rows.len()).map(event).collect()
}

/// The lowest number that is kept; `None` if no event is.
pub async fn fetch_oldest_event(tx: &mut ReadTx) -> Result<Option<i64>, StoreError> {
    let rows = query(tx, r#"SELECT "seq" FROM "outbox" ORDER BY "seq" LIMIT 1"#, &[], &[ColumnType::Integer]).await?;
    Ok(rows.first_integer())
}

async fn query(tx: &mut ReadTx, text: &str, values: &[Value], columns: &[ColumnType]) -> Result<RowSet, StoreError> {
    let statement = portable(tx.dialect(), text, values.len(), columns);
    tx.query(&statement, &Bindings { values, ..Bindings::default() }).await
}
