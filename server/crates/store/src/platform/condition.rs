//! How the database is: its version, and what its own check finds.

use cardine_sql::{ColumnType, Dialect};

use super::portable;
use crate::{Bindings, ReadTx, StoreError};

/// The database's name and version, such as `SQLite 3.51.1`.
pub async fn fetch_version(tx: &mut ReadTx) -> Result<String, StoreError> {
    let (name, text) = match tx.dialect() {
        Dialect::Sqlite => ("SQLite", "SELECT sqlite_version()"),
        Dialect::Postgres => ("PostgreSQL", "SELECT current_setting('server_version')"),
    };
    let rows = tx.query(&portable(tx.dialect(), text, 0, &[ColumnType::Text]), &Bindings::default()).await?;
    let version = if rows.is_empty() { None } else { rows.cell(0, 0).text() };
    Ok(format!("{name} {}", version.unwrap_or("of unknown version")))
}

/// What SQLite's integrity check finds wrong; nothing on a sound file, and always nothing on PostgreSQL, which has no such check.
pub async fn fetch_integrity_faults(tx: &mut ReadTx) -> Result<Vec<String>, StoreError> {
    if tx.dialect() == Dialect::Postgres {
        return Ok(Vec::new());
    }
    let statement = portable(tx.dialect(), "PRAGMA integrity_check(100)", 0, &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings::default()).await?;
    let found = (0..rows.len()).filter_map(|row| rows.cell(row, 0).text());
    Ok(found.filter(|finding| *finding != "ok").map(str::to_owned).collect())
}
