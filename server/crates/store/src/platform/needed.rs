//! What needs a role or a group, as a change sees it that would take it away.

use cardine_model::Value;
use cardine_sql::{ColumnType, write};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id, select, text_of};
use super::sharing::SharingRuleRow;
use crate::{Bindings, RowSet, StoreError, WriteTx};

/// How many users have a role.
pub async fn count_users_with_role(tx: &mut WriteTx, role: Uuid) -> Result<i64, StoreError> {
    let text = r#"SELECT COUNT(*) FROM "user" WHERE "role_id" = $1::uuid AND "deleted_at" IS NULL"#;
    count(&select(tx, text, &[Value::Id(role)], &[ColumnType::Integer]).await?)
}

/// The names of the roles right below a role.
pub async fn find_roles_below(tx: &mut WriteTx, role: Uuid) -> Result<Vec<String>, StoreError> {
    let text = r#"SELECT "name" FROM "role" WHERE "parent_id" = $1::uuid AND "deleted_at" IS NULL ORDER BY "name""#;
    let rows = select(tx, text, &[Value::Id(role)], &[ColumnType::Text]).await?;
    (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect()
}

/// All sharing rules, by name.
pub async fn find_sharing_rules(tx: &mut WriteTx) -> Result<Vec<SharingRuleRow>, StoreError> {
    let text = r#"SELECT "name", "module", "definition" FROM "sharing_rule" ORDER BY "name""#;
    let rows = select(tx, text, &[], &[ColumnType::Text; 3]).await?;
    let rule = |row| {
        Ok(SharingRuleRow {
            name: text_of(&rows, row, 0)?,
            module: text_of(&rows, row, 1)?,
            definition: text_of(&rows, row, 2)?,
        })
    };
    (0..rows.len()).map(rule).collect()
}

/// Names and documents of the workflows that are not switched off, and of the versions by which runs go on that have not ended.
pub async fn find_workflows_in_use(tx: &mut WriteTx) -> Result<Vec<(String, String)>, StoreError> {
    let text = r#"SELECT "name", "definition" FROM "workflow" WHERE "status" <> 'PAUSED' UNION SELECT w."name", v."definition" FROM "workflow" w
        JOIN "workflow_version" v ON v."workflow_id" = w."id" WHERE EXISTS (SELECT 1 FROM "workflow_run" r
            WHERE r."workflow_id" = v."workflow_id" AND r."version" = v."version" AND r."finished_at" IS NULL) ORDER BY 1"#;
    let rows = select(tx, text, &[], &[ColumnType::Text; 2]).await?;
    (0..rows.len()).map(|row| Ok((text_of(&rows, row, 0)?, text_of(&rows, row, 1)?))).collect()
}

/// How many runs wait for somebody's decision: a role's or a group's.
pub async fn count_open_questions(tx: &mut WriteTx, principal: Uuid) -> Result<i64, StoreError> {
    let text = r#"SELECT COUNT(*) FROM "workflow_approval" a JOIN "workflow_run" r ON r."id" = a."run_id"
        WHERE a."principal_id" = $1::uuid AND a."decided_at" IS NULL AND r."finished_at" IS NULL"#;
    count(&select(tx, text, &[Value::Id(principal)], &[ColumnType::Integer]).await?)
}

/// How many records hold this id in a column, deleted ones too.
pub async fn count_holding(tx: &mut WriteTx, table: &str, column: &str, held: Uuid) -> Result<i64, StoreError> {
    let statement = write::count_holding(tx.dialect(), table, column);
    let values = [Value::Id(held)];
    count(&tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?)
}

/// The single records that are shared with somebody, with whom goes.
pub async fn find_records_shared_with(tx: &mut WriteTx, principal: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let text = r#"SELECT "record_id" FROM "record_share" WHERE "principal_id" = $1::uuid ORDER BY "record_id""#;
    let rows = select(tx, text, &[Value::Id(principal)], &[ColumnType::Id]).await?;
    (0..rows.len()).map(|row| id(&rows, row, 0)).collect()
}

/// Takes a group away that nothing needs, with its members and shares of single records.
pub async fn remove_group(
    tx: &mut WriteTx,
    group: Uuid,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    for text in [
        r#"DELETE FROM "group_member" WHERE "group_id" = $1::uuid"#,
        r#"DELETE FROM "record_share" WHERE "principal_id" = $1::uuid"#,
    ] {
        change(tx, text, &[Value::Id(group)]).await?;
    }
    let text = r#"UPDATE "group" SET "deleted_at" = $2::timestamptz, "version" = "version" + 1, "updated_at" = $2::timestamptz, "updated_by_id" = $3::uuid
        WHERE "id" = $1::uuid"#;
    change(tx, text, &[Value::Id(group), Value::DateTime(at), optional_id(by)]).await.map(|_| ())
}

fn count(rows: &RowSet) -> Result<i64, StoreError> {
    rows.first_integer().ok_or_else(|| StoreError::corrupt("a count without a value"))
}
