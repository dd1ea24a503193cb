//! Sharing rules, shares of single records, and roles' record rules.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect, Param, Statement};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{boolean, change, id, optional_id, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// A sharing rule's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharingRuleRow {
    /// Its name, unique.
    pub name: String,
    /// The module whose records it opens.
    pub module: String,
    /// JSON: which records, to whom, how far.
    pub definition: String,
}

/// A role's record rule on a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRuleRow {
    /// The role.
    pub role: Uuid,
    /// The module's name.
    pub module: String,
    /// The rule's text.
    pub rule: String,
}

/// One record shared with one principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRow {
    /// The record.
    pub record: Uuid,
    /// Its module's name.
    pub module: String,
    /// A user, group or role.
    pub principal: Uuid,
    /// `user`, `group` or `role`.
    pub kind: String,
    /// Changing too.
    pub opens_update: bool,
    /// Deleting too.
    pub opens_delete: bool,
}

const RULE_COLUMNS: [ColumnType; 3] = [ColumnType::Text; 3];
const SHARE_COLUMNS: [ColumnType; 6] =
    [ColumnType::Id, ColumnType::Text, ColumnType::Id, ColumnType::Text, ColumnType::Boolean, ColumnType::Boolean];

/// All sharing rules, by name.
pub async fn fetch_sharing_rules(tx: &mut ReadTx) -> Result<Vec<SharingRuleRow>, StoreError> {
    let text = r#"SELECT "name", "module", "definition" FROM "sharing_rule" ORDER BY "name""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &RULE_COLUMNS), &Bindings::default()).await?;
    (0..rows.len()).map(|row| sharing_rule(&rows, row)).collect()
}

/// The sharing rule of this name, as a change sees it.
pub async fn find_sharing_rule(tx: &mut WriteTx, name: &str) -> Result<Option<SharingRuleRow>, StoreError> {
    let text = r#"SELECT "name", "module", "definition" FROM "sharing_rule" WHERE "name" = $1::text"#;
    let rows = select(tx, text, &[Value::Text(name.to_owned())], &RULE_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { sharing_rule(&rows, 0).map(Some) }
}

/// Writes a sharing rule, in place of the one with its name.
pub async fn put_sharing_rule(tx: &mut WriteTx, rule: &SharingRuleRow) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "sharing_rule" ("name", "module", "definition") VALUES ($1::text, $2::text, $3::text)
        ON CONFLICT ("name") DO UPDATE SET "module" = excluded."module", "definition" = excluded."definition""#;
    let values =
        [Value::Text(rule.name.clone()), Value::Text(rule.module.clone()), Value::Text(rule.definition.clone())];
    change(tx, text, &values).await.map(|_| ())
}

/// Takes a sharing rule away.
pub async fn delete_sharing_rule(tx: &mut WriteTx, name: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "sharing_rule" WHERE "name" = $1::text"#;
    change(tx, text, &[Value::Text(name.to_owned())]).await.map(|_| ())
}

/// All record rules.
pub async fn fetch_record_rules(tx: &mut ReadTx) -> Result<Vec<RecordRuleRow>, StoreError> {
    let text = r#"SELECT "role_id", "module", "rule" FROM "record_rule" ORDER BY "role_id", "module""#;
    let columns = [ColumnType::Id, ColumnType::Text, ColumnType::Text];
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    let rule = |row| {
        Ok(RecordRuleRow { role: id(&rows, row, 0)?, module: text_of(&rows, row, 1)?, rule: text_of(&rows, row, 2)? })
    };
    (0..rows.len()).map(rule).collect()
}

/// A role's record rule on a module, as a change sees it.
pub async fn find_record_rule(tx: &mut WriteTx, role: Uuid, module: &str) -> Result<Option<String>, StoreError> {
    let text = r#"SELECT "rule" FROM "record_rule" WHERE "role_id" = $1::uuid AND "module" = $2::text"#;
    let rows = select(tx, text, &[Value::Id(role), Value::Text(module.to_owned())], &[ColumnType::Text]).await?;
    if rows.is_empty() { Ok(None) } else { text_of(&rows, 0, 0).map(Some) }
}

/// A role's record rules: modules and rules, as a change sees them.
pub async fn find_record_rules_of(tx: &mut WriteTx, role: Uuid) -> Result<Vec<(String, String)>, StoreError> {
    let text = r#"SELECT "module", "rule" FROM "record_rule" WHERE "role_id" = $1::uuid ORDER BY "module""#;
    let rows = select(tx, text, &[Value::Id(role)], &[ColumnType::Text; 2]).await?;
    (0..rows.len()).map(|row| Ok((text_of(&rows, row, 0)?, text_of(&rows, row, 1)?))).collect()
}

/// Sets a role's record rule on a module; `None` takes it away.
pub async fn put_record_rule(tx: &mut WriteTx, role: Uuid, module: &str, rule: Option<&str>) -> Result<(), StoreError> {
    let key = [Value::Id(role), Value::Text(module.to_owned())];
    change(tx, r#"DELETE FROM "record_rule" WHERE "role_id" = $1::uuid AND "module" = $2::text"#, &key).await?;
    if let Some(rule) = rule {
        let text = r#"INSERT INTO "record_rule" ("role_id", "module", "rule") VALUES ($1::uuid, $2::text, $3::text)"#;
        let [role, module] = key;
        change(tx, text, &[role, module, Value::Text(rule.to_owned())]).await?;
    }
    Ok(())
}

/// The modules of which any record is shared.
pub async fn fetch_shared_modules(tx: &mut ReadTx) -> Result<Vec<String>, StoreError> {
    let text = r#"SELECT DISTINCT "module" FROM "record_share" ORDER BY "module""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &[ColumnType::Text]), &Bindings::default()).await?;
    (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect()
}

/// With whom a record is shared.
pub async fn fetch_shares(tx: &mut ReadTx, record: Uuid) -> Result<Vec<ShareRow>, StoreError> {
    let text = r#"SELECT "record_id", "module", "principal_id", "principal_kind", "opens_update", "opens_delete" FROM "record_share"
        WHERE "record_id" = $1::uuid ORDER BY "principal_kind", "principal_id""#;
    let values = [Value::Id(record)];
    let statement = portable(tx.dialect(), text, 1, &SHARE_COLUMNS);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    (0..rows.len()).map(|row| share(&rows, row)).collect()
}

/// How a record is shared with a principal, as a change sees it.
pub async fn find_share(tx: &mut WriteTx, record: Uuid, principal: Uuid) -> Result<Option<ShareRow>, StoreError> {
    let text = r#"SELECT "record_id", "module", "principal_id", "principal_kind", "opens_update", "opens_delete" FROM "record_share"
        WHERE "record_id" = $1::uuid AND "principal_id" = $2::uuid"#;
    let rows = select(tx, text, &[Value::Id(record), Value::Id(principal)], &SHARE_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { share(&rows, 0).map(Some) }
}

/// Shares a record, in place of what was shared with the same principal.
pub async fn put_share(
    tx: &mut WriteTx,
    share: &ShareRow,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "record_share" ("record_id", "module", "principal_id", "principal_kind", "opens_update", "opens_delete", "created_at", "created_by_id")
        VALUES ($1::uuid, $2::text, $3::uuid, $4::text, $5::boolean, $6::boolean, $7::timestamptz, $8::uuid)
        ON CONFLICT ("record_id", "principal_id") DO UPDATE SET "opens_update" = excluded."opens_update", "opens_delete" = excluded."opens_delete""#;
    let values = [
        Value::Id(share.record),
        Value::Text(share.module.clone()),
        Value::Id(share.principal),
        Value::Text(share.kind.clone()),
        Value::Boolean(share.opens_update),
        Value::Boolean(share.opens_delete),
        Value::DateTime(at),
        optional_id(by),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Ends the sharing of a record with a principal.
pub async fn delete_share(tx: &mut WriteTx, record: Uuid, principal: Uuid) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "record_share" WHERE "record_id" = $1::uuid AND "principal_id" = $2::uuid"#;
    change(tx, text, &[Value::Id(record), Value::Id(principal)]).await.map(|_| ())
}

/// Ends all sharing of these records.
pub async fn delete_shares_of(tx: &mut WriteTx, records: &[Uuid]) -> Result<(), StoreError> {
    let among = match tx.dialect() {
        Dialect::Sqlite => "IN (SELECT value FROM json_each(?1))",
        Dialect::Postgres => "= ANY($1::uuid[])",
    };
    let text = format!(r#"DELETE FROM "record_share" WHERE "record_id" {among}"#);
    let statement = Statement { text, params: vec![Param::Parents], columns: Vec::new() };
    tx.execute(&statement, &Bindings { parents: records, ..Bindings::default() }).await.map(|_| ())
}

/// Whether there is a record with this id in the table, deleted ones apart.
pub async fn record_exists(tx: &mut WriteTx, table: &str, record: Uuid) -> Result<bool, StoreError> {
    let statement = cardine_sql::write::select_live_record(tx.dialect(), table);
    let values = [Value::Id(record)];
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    Ok(!rows.is_empty())
}

fn sharing_rule(rows: &RowSet, row: usize) -> Result<SharingRuleRow, StoreError> {
    Ok(SharingRuleRow {
        name: text_of(rows, row, 0)?,
        module: text_of(rows, row, 1)?,
        definition: text_of(rows, row, 2)?,
    })
}

fn share(rows: &RowSet, row: usize) -> Result<ShareRow, StoreError> {
    Ok(ShareRow {
        record: id(rows, row, 0)?,
        module: text_of(rows, row, 1)?,
        principal: id(rows, row, 2)?,
        kind: text_of(rows, row, 3)?,
        opens_update: boolean(rows, row, 4),
        opens_delete: boolean(rows, row, 5),
    })
}
