//! Inserts that know nothing but the table: many rows in one statement on PostgreSQL, in one transaction on SQLite.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use cardine_model::Value;
use tokio_postgres::NoTls;
use tokio_postgres::types::ToSql;

use crate::site::load::text;
use crate::yardstick;

type Batch = Vec<Vec<Value>>;

/// One statement for each batch, with a list for each column. Making the lists is not counted.
pub async fn into_postgres(url: &str, columns: &[String], batches: &[Batch]) -> anyhow::Result<Duration> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let types = "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute \
                 WHERE attrelid = 'opportunity'::regclass AND attnum > 0";
    let types: Vec<(String, String)> =
        client.query(types, &[]).await?.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut values = Vec::new();
    for column in columns {
        let (_, ty) = types.iter().find(|(name, _)| name == column).context("a column of the table")?;
        values.push(format!("t.{column}::{ty}"));
    }
    let lists: Vec<String> = (1..=columns.len()).map(|position| format!("${position}::text[]")).collect();
    let names = columns.join(", ");
    let statement = client
        .prepare(&format!(
            "INSERT INTO opportunity ({names}) SELECT {} FROM unnest({}) AS t({names})",
            values.join(", "),
            lists.join(", ")
        ))
        .await?;
    let mut elapsed = Duration::ZERO;
    for batch in batches {
        let mut lists: Vec<Vec<Option<String>>> = vec![Vec::with_capacity(batch.len()); columns.len()];
        for row in batch {
            for (list, value) in lists.iter_mut().zip(row) {
                list.push(text(value)?);
            }
        }
        let lists: Vec<&(dyn ToSql + Sync)> = lists.iter().map(|list| list as _).collect();
        let start = Instant::now();
        client.execute(&statement, &lists).await?;
        elapsed += start.elapsed();
    }
    Ok(elapsed)
}

/// One transaction for each batch, as durable as the server's.
pub fn into_sqlite(path: &Path, columns: &[String], batches: &[Batch]) -> anyhow::Result<Duration> {
    let mut connection = yardstick::open_sqlite(path, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;")?;
    let marks: Vec<String> = (1..=columns.len()).map(|position| format!("?{position}")).collect();
    let text_of_insert = format!("INSERT INTO opportunity ({}) VALUES ({})", columns.join(", "), marks.join(", "));
    let mut elapsed = Duration::ZERO;
    for batch in batches {
        let start = Instant::now();
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(&text_of_insert)?;
            for row in batch {
                for (position, value) in row.iter().enumerate() {
                    match value {
                        Value::Boolean(truth) => statement.raw_bind_parameter(position + 1, *truth)?,
                        Value::Integer(number) => statement.raw_bind_parameter(position + 1, *number)?,
                        other => statement.raw_bind_parameter(position + 1, text(other)?)?,
                    }
                }
                statement.raw_execute()?;
            }
        }
        transaction.commit()?;
        elapsed += start.elapsed();
    }
    Ok(elapsed)
}
