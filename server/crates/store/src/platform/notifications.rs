//! What users are told of records: made with what they are told of, read by the user alone.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, select, text_of};
use super::{insert_rows, portable};
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// A notification to be made.
#[derive(Debug)]
pub struct NewNotification<'a> {
    /// Its id; ids count up.
    pub id: Uuid,
    /// Whom it is for.
    pub user: Uuid,
    /// When.
    pub at: DateTime<Utc>,
    /// Why: `MENTION`.
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

/// The latest notifications of a user, at most `count`.
pub async fn fetch_notifications(
    tx: &mut ReadTx,
    user: Uuid,
    count: usize,
) -> Result<Vec<NotificationRow>, StoreError> {
    let text = format!(
        r#"SELECT "id", "at", "kind", "record_id", "read_at" FROM "_notification" WHERE "user_id" = $1::uuid ORDER BY "id" DESC LIMIT {count}"#
    );
    let columns = [ColumnType::Id, ColumnType::DateTime, ColumnType::Text, ColumnType::Id, ColumnType::DateTime];
    let values = [Value::Id(user)];
    let statement = portable(tx.dialect(), &text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let notification = |row| {
        Ok(NotificationRow {
            id: id(&rows, row, 0)?,
            at: text_of(&rows, row, 1)?,
            kind: text_of(&rows, row, 2)?,
            record: id(&rows, row, 3)?,
            read_at: rows.cell(row, 4).text().map(str::to_owned),
        })
    };
    (0..rows.len()).map(notification).collect()
}

/// Marks unread notifications of a user as read, these or all; gives which.
pub async fn mark_read(
    tx: &mut WriteTx,
    user: Uuid,
    ids: Option<&[Uuid]>,
    at: DateTime<Utc>,
) -> Result<Vec<Uuid>, StoreError> {
    const MARK: &str =
        r#"UPDATE "_notification" SET "read_at" = $1::timestamptz WHERE "user_id" = $2::uuid AND "read_at" IS NULL"#;
    let mut values = vec![Value::DateTime(at), Value::Id(user)];
    let mut marked = Vec::new();
    let texts = match ids {
        None => vec![(format!(r#"{MARK} RETURNING "id""#), None)],
        Some(ids) => {
            // In one order, so that nobody waits in a circle.
            let mut ids = ids.to_vec();
            ids.sort_unstable();
            ids.dedup();
            ids.into_iter().map(|id| (format!(r#"{MARK} AND "id" = $3::uuid RETURNING "id""#), Some(id))).collect()
        }
    };
    for (text, one) in texts {
        values.truncate(2);
        values.extend(one.map(Value::Id));
        let rows = select(tx, &text, &values, &[ColumnType::Id]).await?;
        for row in 0..rows.len() {
            marked.push(id(&rows, row, 0)?);
        }
    }
    marked.sort_unstable();
    Ok(marked)
}

/// Deletes notifications made before `before`, read or not; gives how many.
pub async fn delete_notifications(tx: &mut WriteTx, before: DateTime<Utc>) -> Result<u64, StoreError> {
    change(tx, r#"DELETE FROM "_notification" WHERE "at" < $1::timestamptz"#, &[Value::DateTime(before)]).await
}
