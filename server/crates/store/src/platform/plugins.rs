//! Installed plugins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::access::{change, select, text_of};
use super::{plugin_state, portable};
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
    /// What an administrator set for it.
    pub settings: Json,
}

/// The setting that holds a plugin's settings.
pub fn settings_key(plugin: &str) -> String {
    format!("{SETTINGS}{plugin}")
}

/// The setting that holds a secret of a plugin. Names of plugins have no dot.
pub fn secret_key(plugin: &str, secret: &str) -> String {
    format!("{SECRETS}{plugin}.{secret}")
}

const SETTINGS: &str = "plugin.settings.";
const SECRETS: &str = "plugin.secret.";

/// All installed plugins, by name.
pub async fn load_plugins(tx: &mut ReadTx) -> Result<Vec<PluginRow>, StoreError> {
    let text = r#"SELECT p."name", p."version", p."digest", p."grants", p."active", s."value" FROM "plugin" AS p
        LEFT JOIN "platform_setting" AS s ON s."key" = $1::text || p."name" ORDER BY p."name""#;
    let columns =
        [ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Boolean, ColumnType::Text];
    let values = [Value::Text(SETTINGS.to_owned())];
    let statement = portable(tx.dialect(), text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let text = |row: usize, column: usize| rows.cell(row, column).text().unwrap_or_default().to_owned();
    (0..rows.len())
        .map(|row| {
            let grants = serde_json::from_str(&text(row, 3));
            let settings = rows.cell(row, 5).text().map_or(Ok(Json::Object(Map::new())), serde_json::from_str);
            Ok(PluginRow {
                name: text(row, 0),
                version: text(row, 1),
                digest: text(row, 2),
                grants: grants.map_err(|_| StoreError::corrupt("grants without JSON"))?,
                active: rows.cell(row, 4).boolean().unwrap_or_default(),
                settings: settings.map_err(|_| StoreError::corrupt("settings without JSON"))?,
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

/// The manifest of the plugin of this name, also of one that is not in service any more.
pub async fn load_manifest(tx: &mut ReadTx, name: &str) -> Result<Option<Json>, StoreError> {
    let text = r#"SELECT "manifest" FROM "plugin" WHERE "name" = $1::text"#;
    let values = [Value::Text(name.to_owned())];
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let manifest = serde_json::from_str(rows.cell(0, 0).text().unwrap_or_default());
    manifest.map(Some).map_err(|_| StoreError::corrupt("a manifest without JSON"))
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

/// Which secrets of a plugin are stored, by name.
pub async fn fetch_secret_names(tx: &mut ReadTx, plugin: &str) -> Result<Vec<String>, StoreError> {
    let prefix = secret_key(plugin, "");
    let text = r#"SELECT substr("key", length($1::text) + 1) FROM "platform_setting"
        WHERE substr("key", 1, length($1::text)) = $1::text ORDER BY 1"#;
    let values = [Value::Text(prefix)];
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect()
}

/// Takes a secret away; false if there is none.
pub async fn delete_secret(tx: &mut WriteTx, plugin: &str, secret: &str) -> Result<bool, StoreError> {
    let text = r#"DELETE FROM "platform_setting" WHERE "key" = $1::text"#;
    Ok(change(tx, text, &[Value::Text(secret_key(plugin, secret))]).await? > 0)
}

/// Whether a plugin is there and may be called; `None` if there is nothing of it.
pub async fn find_active(tx: &mut WriteTx, name: &str) -> Result<Option<bool>, StoreError> {
    let text = r#"SELECT "active" FROM "plugin" WHERE "name" = $1::text"#;
    let rows = select(tx, text, &[Value::Text(name.to_owned())], &[ColumnType::Boolean]).await?;
    Ok(if rows.is_empty() { None } else { rows.cell(0, 0).boolean() })
}

/// Lets a plugin be called no more. What it kept stays.
pub async fn deactivate_plugin(tx: &mut WriteTx, name: &str) -> Result<(), StoreError> {
    let text = r#"UPDATE "plugin" SET "active" = $2::boolean WHERE "name" = $1::text"#;
    change(tx, text, &[Value::Text(name.to_owned()), Value::Boolean(false)]).await.map(|_| ())
}

/// Takes away a workflow that a plugin left behind, with its versions and runs. One that somebody has switched on since is somebody's.
pub async fn purge_workflow(tx: &mut WriteTx, name: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "workflow" WHERE "name" = $1::text AND "status" <> 'ACTIVE'"#;
    change(tx, text, &[Value::Text(name.to_owned())]).await.map(|_| ())
}

/// Takes away a plugin with its state, its settings and its secrets.
pub async fn purge_plugin(tx: &mut WriteTx, name: &str) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "plugin" WHERE "name" = $1::text"#, &[Value::Text(name.to_owned())]).await?;
    plugin_state::delete_all(tx, name).await?;
    let text =
        r#"DELETE FROM "platform_setting" WHERE "key" = $1::text OR substr("key", 1, length($2::text)) = $2::text"#;
    change(tx, text, &[Value::Text(settings_key(name)), Value::Text(secret_key(name, ""))]).await.map(|_| ())
}
