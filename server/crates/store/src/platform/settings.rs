//! Settings that belong to the database rather than to one server: a key and a text.

use cardine_model::Value;
use cardine_sql::ColumnType;

use super::access::{change, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// Writes a setting unless it is there, and gives what is there then.
pub async fn keep_setting(tx: &mut WriteTx, key: &str, value: &str) -> Result<String, StoreError> {
    // An update that changes nothing, because DO NOTHING would return no row.
    let text = r#"INSERT INTO "platform_setting" ("key", "value") VALUES ($1::text, $2::text)
        ON CONFLICT ("key") DO UPDATE SET "value" = "platform_setting"."value" RETURNING "value""#;
    let values = [Value::Text(key.to_owned()), Value::Text(value.to_owned())];
    text_of(&select(tx, text, &values, &[ColumnType::Text]).await?, 0, 0)
}

/// A setting; `None` if it was never written.
pub async fn fetch_setting(tx: &mut ReadTx, key: &str) -> Result<Option<String>, StoreError> {
    let text = r#"SELECT "value" FROM "platform_setting" WHERE "key" = $1::text"#;
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Text]);
    let values = [Value::Text(key.to_owned())];
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() { Ok(None) } else { text_of(&rows, 0, 0).map(Some) }
}

/// Writes a setting in place of what was there.
pub async fn put_setting(tx: &mut WriteTx, key: &str, value: &str) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "platform_setting" ("key", "value") VALUES ($1::text, $2::text)
        ON CONFLICT ("key") DO UPDATE SET "value" = excluded."value""#;
    let values = [Value::Text(key.to_owned()), Value::Text(value.to_owned())];
    change(tx, text, &values).await.map(|_| ())
}
