//! What is known of files: a row for each content that was uploaded, from before any record holds it until no record does.

use cardine_model::Value;
use cardine_query::Slot;
use cardine_sql::{ColumnType, Dialect, Param, Statement, Transform};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{boolean, change, id, optional_id, optional_id_of, text_of};
use super::portable;
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// A file's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRow {
    /// Its id, which is also its content's name in the file store.
    pub id: Uuid,
    /// As its uploader named it, without what could mislead.
    pub name: String,
    /// As the content shows it.
    pub mime_type: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub checksum: String,
    /// Who uploaded it.
    pub uploader: Option<Uuid>,
    /// Whether a record held it at any time.
    pub attached: bool,
}

/// The files with the parents' ids; [`read_files`] reads the rows.
pub fn select_files(dialect: Dialect) -> Statement {
    let columns = [
        ColumnType::Id,
        ColumnType::Text,
        ColumnType::Text,
        ColumnType::Integer,
        ColumnType::Text,
        ColumnType::Id,
        ColumnType::Boolean,
    ];
    let head = r#"SELECT "id", "name", "mime_type", "size", "checksum", "created_by_id", "attached_at" IS NOT NULL FROM "file""#;
    of_parents(dialect, head, &columns, 0)
}

/// Reads what [`select_files`] gave.
pub fn read_files(rows: &RowSet) -> Result<Vec<FileRow>, StoreError> {
    let file = |row| {
        Ok(FileRow {
            id: id(rows, row, 0)?,
            name: text_of(rows, row, 1)?,
            mime_type: text_of(rows, row, 2)?,
            size: rows.cell(row, 3).integer().and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
            checksum: text_of(rows, row, 4)?,
            uploader: optional_id_of(rows, row, 5)?,
            attached: boolean(rows, row, 6),
        })
    };
    (0..rows.len()).map(file).collect()
}

/// Writes the row of a file that no record holds yet, and that may go from `free_at` on.
pub async fn insert_file(
    tx: &mut WriteTx,
    file: &FileRow,
    now: DateTime<Utc>,
    free_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "file" ("id", "created_at", "updated_at", "created_by_id", "updated_by_id", "name", "mime_type", "size", "checksum", "free_at")
        VALUES ($1::uuid, $2::timestamptz, $2::timestamptz, $3::uuid, $3::uuid, $4::text, $5::text, $6::integer, $7::text, $8::timestamptz)"#;
    let values = [
        Value::Id(file.id),
        Value::DateTime(now),
        optional_id(file.uploader),
        Value::Text(file.name.clone()),
        Value::Text(file.mime_type.clone()),
        Value::Integer(i64::try_from(file.size).unwrap_or(i64::MAX)),
        Value::Text(file.checksum.clone()),
        Value::DateTime(free_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// How many files of a user no record has held yet.
pub async fn count_unattached(tx: &mut ReadTx, user: Uuid) -> Result<u64, StoreError> {
    let text = r#"SELECT count(*) FROM "file" WHERE "created_by_id" = $1::uuid AND "attached_at" IS NULL"#;
    let values = [Value::Id(user)];
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Integer]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    Ok(rows.first_integer().and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}

/// Notes that records hold these files from now on; gives how many of them are there.
pub async fn keep_files(tx: &mut WriteTx, files: &[Uuid], now: DateTime<Utc>) -> Result<u64, StoreError> {
    let (at, head) =
        (parameter(tx.dialect()), r#"UPDATE "file" SET "free_at" = NULL, "attached_at" = COALESCE("attached_at", "#);
    let statement = of_parents(tx.dialect(), &format!("{head}{at})"), &[], 1);
    let values = [Value::DateTime(now)];
    tx.execute(&statement, &Bindings { values: &values, parents: files, ..Bindings::default() }).await
}

/// Notes that a record holds these files no longer: they may go if no other does.
pub async fn free_files(tx: &mut WriteTx, files: &[Uuid], now: DateTime<Utc>) -> Result<(), StoreError> {
    let head = format!(r#"UPDATE "file" SET "free_at" = {}"#, parameter(tx.dialect()));
    let statement = of_parents(tx.dialect(), &head, &[], 1);
    let values = [Value::DateTime(now)];
    tx.execute(&statement, &Bindings { values: &values, parents: files, ..Bindings::default() }).await.map(|_| ())
}

/// Files that may go at `now`, unless a record holds them after all; the first `limit`.
pub async fn fetch_free(tx: &mut ReadTx, now: DateTime<Utc>, limit: u32) -> Result<Vec<Uuid>, StoreError> {
    let text =
        r#"SELECT "id" FROM "file" WHERE "free_at" <= $1::timestamptz ORDER BY "free_at", "id" LIMIT $2::bigint"#;
    let values = [Value::DateTime(now), Value::Integer(i64::from(limit))];
    let statement = portable(tx.dialect(), text, 2, &[ColumnType::Id]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| id(&rows, row, 0)).collect()
}

/// Removes a file's row if it still may go; tells whether it did.
///
/// # Errors
/// [`StoreError::ForeignKeyViolation`] if a record holds it.
pub async fn delete_free(tx: &mut WriteTx, file: Uuid, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let text = r#"DELETE FROM "file" WHERE "id" = $1::uuid AND "free_at" <= $2::timestamptz"#;
    Ok(change(tx, text, &[Value::Id(file), Value::DateTime(now)]).await? > 0)
}

/// Takes back that a file may go, as a record holds it.
pub async fn keep_free(tx: &mut WriteTx, file: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "file" SET "free_at" = NULL WHERE "id" = $1::uuid AND "free_at" <= $2::timestamptz"#;
    change(tx, text, &[Value::Id(file), Value::DateTime(now)]).await.map(|_| ())
}

/// Of these the ids that are files.
pub async fn fetch_known(tx: &mut ReadTx, files: &[Uuid]) -> Result<Vec<Uuid>, StoreError> {
    let statement = of_parents(tx.dialect(), r#"SELECT "id" FROM "file""#, &[ColumnType::Id], 0);
    let rows = tx.query(&statement, &Bindings { parents: files, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| id(&rows, row, 0)).collect()
}

/// The ids and sizes of files in the order of their ids: those behind `after`, the first `limit`.
pub async fn fetch_page(tx: &mut ReadTx, after: Uuid, limit: u32) -> Result<Vec<(Uuid, u64)>, StoreError> {
    let text = r#"SELECT "id", "size" FROM "file" WHERE "id" > $1::uuid ORDER BY "id" LIMIT $2::bigint"#;
    let values = [Value::Id(after), Value::Integer(i64::from(limit))];
    let statement = portable(tx.dialect(), text, 2, &[ColumnType::Id, ColumnType::Integer]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let page = |row| {
        Ok((id(&rows, row, 0)?, rows.cell(row, 1).integer().and_then(|size| u64::try_from(size).ok()).unwrap_or(0)))
    };
    (0..rows.len()).map(page).collect()
}

/// A statement about the files with the parents' ids, which are its last parameter; `values` are before it.
fn of_parents(dialect: Dialect, head: &str, columns: &[ColumnType], values: u32) -> Statement {
    let place = values + 1;
    let among = match dialect {
        Dialect::Sqlite => format!("IN (SELECT value FROM json_each(?{place}))"),
        Dialect::Postgres => format!("= ANY(${place}::uuid[])"),
    };
    let slots = (0..values).map(|slot| Param::Slot(Slot(slot), Transform::None));
    Statement {
        text: format!(r#"{head} WHERE "id" {among}"#),
        params: slots.chain([Param::Parents]).collect(),
        columns: columns.to_vec(),
    }
}

/// The first parameter, an instant.
fn parameter(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "?1",
        Dialect::Postgres => "$1::timestamptz",
    }
}
