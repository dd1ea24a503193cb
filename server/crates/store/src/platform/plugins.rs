//! Installed plugins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// An installed plugin without its package.
#[derive(Debug, Clone)]
pub struct PluginRow {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component, in hexadecimal digits.
    pub digest: String,
    /// What the admin granted.
    pub grants: Json,
    /// Whether it may be called.
    pub active: bool,
}

/// All installed plugins, by name.
pub async fn load_plugins(tx: &mut ReadTx) -> Result<Vec<PluginRow>, StoreError> {
    let text = r#"SELECT "name", "version", "digest", "grants", "active" FROM "plugin" ORDER BY "name""#;
    let columns = [ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Boolean];
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    let text = |row: usize, column: usize| rows.cell(row, column).text().unwrap_or_default().to_owned();
    (0..rows.len())
        .map(|row| {
            let grants = serde_json::from_str(&text(row, 3));
            Ok(PluginRow {
                name: text(row, 0),
                version: text(row, 1),
                digest: text(row, 2),
                grants: grants.map_err(|_| StoreError::corrupt("grants without JSON"))?,
                active: rows.cell(row, 4).boolean().unwrap_or_default(),
            })
        })
        .collect()
}

/// The package of the plugin of this name.
pub async fn load_package(tx: &mut ReadTx, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let text = r#"SELECT "package" FROM "plugin" WHERE "name" = $1::text"#;
    let values = [Value::Text(name.to_owned())];
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let package = STANDARD.decode(rows.cell(0, 0).text().unwrap_or_default());
    package.map(Some).map_err(|_| StoreError::corrupt("a package that is not base64"))
}

/// Saves a plugin under its name, in place of one that has it.
pub async fn save_plugin(
    tx: &mut WriteTx,
    plugin: &PluginRow,
    manifest: &Json,
    package: &[u8],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "plugin" ("id", "name", "version", "manifest", "package", "grants", "digest", "active", "installed_at")
        VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::boolean, $9::timestamptz)
        ON CONFLICT ("name") DO UPDATE SET "version" = $3::text, "manifest" = $4::text, "package" = $5::text, "grants" = $6::text,
        "digest" = $7::text, "active" = $8::boolean, "installed_at" = $9::timestamptz"#;
    let values = [
        Value::Id(Uuid::now_v7()),
        Value::Text(plugin.name.clone()),
        Value::Text(plugin.version.clone()),
        Value::Text(manifest.to_string()),
        Value::Text(STANDARD.encode(package)),
        Value::Text(plugin.grants.to_string()),
        Value::Text(plugin.digest.clone()),
        Value::Boolean(plugin.active),
        Value::DateTime(now),
    ];
    let statement = portable(tx.dialect(), text, values.len(), &[]);
    tx.execute(&statement, &Bindings { values: &values, ..Bindings::default() }).await.map(|_| ())
}
