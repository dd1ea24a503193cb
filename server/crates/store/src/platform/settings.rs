//! Settings that belong to the database rather than to one server: a key and a text.

use cardine_model::Value;
use cardine_sql::ColumnType;

use super::access::{select, text_of};
use crate::{StoreError, WriteTx};

/// Writes a setting unless it is there, and gives what is there then.
pub async fn keep_setting(tx: &mut WriteTx, key: &str, value: &str) -> Result<String, StoreError> {
    // An update that changes nothing, because DO NOTHING would return no row.
    let text = r#"INSERT INTO "platform_setting" ("key", "value") VALUES ($1::text, $2::text)
        ON CONFLICT ("key") DO UPDATE SET "value" = "platform_setting"."value" RETURNING "value""#;
    let values = [Value::Text(key.to_owned()), Value::Text(value.to_owned())];
    text_of(&select(tx, text, &values, &[ColumnType::Text]).await?, 0, 0)
}
