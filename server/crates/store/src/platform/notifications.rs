//! What users are told of records: made with what they are told of, read by the user alone.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect, Param, Statement};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, text_of};
use super::{insert_rows, portable};
use crate::{Bindings, RowSet, StoreError, WriteTx};

/// The kind of what is kept of users who may not see what they were told of: it is never shown, and costs what the others cost.
pub const UNSEEN: &str = "UNSEEN";

/// What is read of a notification.
const COLUMNS_READ: [ColumnType; 5] =
    [ColumnType::Id, ColumnType::DateTime, ColumnType::Text, ColumnType::Id, ColumnType::DateTime];

/// A notification to be made.
#[derive(Debug)]
pub struct NewNotification<'a> {
    /// Its id; ids count up.
    pub id: Uuid,
    /// Whom it is for.
    pub user: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Why: `MENTION`; or [`UNSEEN`].
    pub kind: &'a str,
    /// The module of the record, by its name at that time.
    pub module: &'a str,
    /// The record.
    pub record: Uuid,
}

/// A notification, as it is read.
#[derive(Debug, Clone)]
pub struct NotificationRow {
    /// Its id.
    pub id: Uuid,
    /// RFC 3339.
    pub at: String,
    /// Why.
    pub kind: String,
    /// The record.
    pub record: Uuid,
    /// RFC 3339; none if it is unread.
    pub read_at: Option<String>,
}

/// Writes notifications.
pub async fn insert_notifications(tx: &mut WriteTx, new: &[NewNotification<'_>]) -> Result<(), StoreError> {
    const COLUMNS: [(&str, &str); 6] = [
        ("id", "uuid"),
        ("user_id", "uuid"),
        ("at", "timestamptz"),
        ("kind", "text"),
        ("module", "text"),
        ("record_id", "uuid"),
    ];
    if new.is_empty() {
        return Ok(());
    }
    let values = |new: &NewNotification<'_>| {
        vec![
            Value::Id(new.id),
            Value::Id(new.user),
            Value::DateTime(new.at),
            Value::Text(new.kind.to_owned()),
            Value::Text(new.module.to_owned()),
            Value::Id(new.record),
        ]
    };
    let statement = insert_rows(tx.dialect(), "_notification", &COLUMNS, new.len(), "", &[]);
    tx.execute_rows(&statement, new.iter().map(values).collect()).await.map(|_| ())
}

/// The latest notifications of the user in slot 0, at most `count`; those made before the one in slot 1, if it `goes_on`.
/// Without what is [`UNSEEN`], as its index is. [`read_notifications`] reads the rows.
pub fn select_notifications(dialect: Dialect, goes_on: bool, count: usize) -> Statement {
    let before = if goes_on { r#" AND "id" < $2::uuid"# } else { "" };
    let text = format!(
        r#"SELECT "id", "at", "kind", "record_id", "read_at" FROM "_notification" WHERE "user_id" = $1::uuid AND "kind" <> '{UNSEEN}'{before} ORDER BY "id" DESC LIMIT {count}"#
    );
    portable(dialect, &text, 1 + usize::from(goes_on), &COLUMNS_READ)
}

/// Those among the parents' ids that are notifications of the user in slot 0, the earliest first, without what is [`UNSEEN`].
/// [`read_notifications`] reads the rows.
pub fn select_notifications_by_id(dialect: Dialect) -> Statement {
    let head = format!(
        r#"SELECT "id", "at", "kind", "record_id", "read_at" FROM "_notification" WHERE "user_id" = $1::uuid AND "kind" <> '{UNSEEN}' AND "id""#
    );
    among_parents(dialect, &head, 1, r#"ORDER BY "id""#, &COLUMNS_READ)
}

/// The rows of [`select_notifications`] and [`select_notifications_by_id`].
pub fn read_notifications(rows: &RowSet) -> Result<Vec<NotificationRow>, StoreError> {
    let notification = |row| {
        Ok(NotificationRow {
            id: id(rows, row, 0)?,
            at: text_of(rows, row, 1)?,
            kind: text_of(rows, row, 2)?,
            record: id(rows, row, 3)?,
            read_at: rows.cell(row, 4).text().map(str::to_owned),
        })
    };
    (0..rows.len()).map(notification).collect()
}

/// Of the records those of which the user has an unread notification, each with its kind.
pub async fn fetch_unread_records(
    tx: &mut WriteTx,
    user: Uuid,
    records: &[Uuid],
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let head = r#"SELECT "record_id", "kind" FROM "_notification" WHERE "user_id" = $1::uuid AND "read_at" IS NULL AND "record_id""#;
    let statement = among_parents(tx.dialect(), head, 1, "", &[ColumnType::Id, ColumnType::Text]);
    let values = [Value::Id(user)];
    let rows = tx.query(&statement, &Bindings { values: &values, parents: records, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| Ok((id(&rows, row, 0)?, text_of(&rows, row, 1)?))).collect()
}

/// Marks these unread notifications of a user as read; gives which.
pub async fn mark_read(tx: &mut WriteTx, user: Uuid, ids: &[Uuid], at: DateTime<Utc>) -> Result<Vec<Uuid>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let head = r#"UPDATE "_notification" SET "read_at" = $1::timestamptz WHERE "user_id" = $2::uuid AND "read_at" IS NULL AND "id""#;
    let statement = among_parents(tx.dialect(), head, 2, r#"RETURNING "id""#, &[ColumnType::Id]);
    let values = [Value::DateTime(at), Value::Id(user)];
    let rows = tx.query(&statement, &Bindings { values: &values, parents: ids, ..Bindings::default() }).await?;
    let mut marked = (0..rows.len()).map(|row| id(&rows, row, 0)).collect::<Result<Vec<Uuid>, StoreError>>()?;
    marked.sort_unstable();
    Ok(marked)
}

/// Deletes notifications made before `before`, read or not, at most `limit`; gives how many.
pub async fn delete_notifications(tx: &mut WriteTx, before: DateTime<Utc>, limit: usize) -> Result<u64, StoreError> {
    let text = format!(
        r#"DELETE FROM "_notification" WHERE "id" IN (SELECT "id" FROM "_notification" WHERE "at" < $1::timestamptz ORDER BY "at" LIMIT {limit})"#
    );
    change(tx, &text, &[Value::DateTime(before)]).await
}

/// A statement whose head, with `values` parameters, ends with what is to be among the parents' ids.
fn among_parents(dialect: Dialect, head: &str, values: usize, tail: &str, columns: &[ColumnType]) -> Statement {
    let place = values + 1;
    let among = match dialect {
        Dialect::Sqlite => format!("IN (SELECT value FROM json_each(?{place}))"),
        Dialect::Postgres => format!("= ANY(${place}::uuid[])"),
    };
    let mut statement = portable(dialect, &format!("{head} {among} {tail}"), values, columns);
    statement.params.push(Param::Parents);
    statement
}
