//! Permission sets, who has them, and who is in a group.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{GroupRow, change, id, optional_id, select, text_of};
use super::{optional_text, portable};
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// A permission set's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionSetRow {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// JSON: text, or text by language.
    pub label: Option<String>,
    /// JSON: what it grants, by module.
    pub access: String,
}

const COLUMNS: [ColumnType; 4] = [ColumnType::Id, ColumnType::Text, ColumnType::Text, ColumnType::Text];

/// All permission sets, by name.
pub async fn fetch_permission_sets(tx: &mut ReadTx) -> Result<Vec<PermissionSetRow>, StoreError> {
    let text = r#"SELECT "id", "name", "label", "access" FROM "permission_set" ORDER BY "name""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &COLUMNS), &Bindings::default()).await?;
    (0..rows.len()).map(|row| permission_set(&rows, row)).collect()
}

/// Who has which: set, user.
pub async fn fetch_permission_set_members(tx: &mut ReadTx) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
    let text = r#"SELECT "set_id", "user_id" FROM "permission_set_member" ORDER BY "set_id", "user_id""#;
    let columns = [ColumnType::Id, ColumnType::Id];
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    (0..rows.len()).map(|row| Ok((id(&rows, row, 0)?, id(&rows, row, 1)?))).collect()
}

/// The set of this name, as a change sees it.
pub async fn find_permission_set(tx: &mut WriteTx, name: &str) -> Result<Option<PermissionSetRow>, StoreError> {
    let text = r#"SELECT "id", "name", "label", "access" FROM "permission_set" WHERE "name" = $1::text"#;
    let rows = select(tx, text, &[Value::Text(name.to_owned())], &COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { permission_set(&rows, 0).map(Some) }
}

/// Writes a set, in place of the one with its name.
pub async fn put_permission_set(tx: &mut WriteTx, set: &PermissionSetRow) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "permission_set" ("id", "name", "label", "access") VALUES ($1::uuid, $2::text, $3::text, $4::text)
        ON CONFLICT ("name") DO UPDATE SET "label" = excluded."label", "access" = excluded."access""#;
    let values = [
        Value::Id(set.id),
        Value::Text(set.name.clone()),
        optional_text(set.label.as_deref()),
        Value::Text(set.access.clone()),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Takes a set away, from everybody who has it too.
pub async fn delete_permission_set(tx: &mut WriteTx, set: Uuid) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "permission_set_member" WHERE "set_id" = $1::uuid"#, &[Value::Id(set)]).await?;
    change(tx, r#"DELETE FROM "permission_set" WHERE "id" = $1::uuid"#, &[Value::Id(set)]).await.map(|_| ())
}

/// The names of the sets that a user has, as a change sees them.
pub async fn find_permission_sets_of(tx: &mut WriteTx, user: Uuid) -> Result<Vec<String>, StoreError> {
    let text = r#"SELECT s."name" FROM "permission_set" s JOIN "permission_set_member" m ON m."set_id" = s."id"
        WHERE m."user_id" = $1::uuid ORDER BY s."name""#;
    names(tx, text, user).await
}

/// Who has a set, as a change sees it.
pub async fn find_holders_of(tx: &mut WriteTx, set: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let text = r#"SELECT "user_id" FROM "permission_set_member" WHERE "set_id" = $1::uuid ORDER BY "user_id""#;
    ids(tx, text, set).await
}

/// The names of the groups that a user is in, as a change sees them.
pub async fn find_groups_of(tx: &mut WriteTx, user: Uuid) -> Result<Vec<String>, StoreError> {
    let text = r#"SELECT g."name" FROM "group" g JOIN "group_member" m ON m."group_id" = g."id"
        WHERE m."user_id" = $1::uuid AND g."deleted_at" IS NULL ORDER BY g."name""#;
    names(tx, text, user).await
}

/// Who is in a group, as a change sees it.
pub async fn find_members_of(tx: &mut WriteTx, group: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let text = r#"SELECT "user_id" FROM "group_member" WHERE "group_id" = $1::uuid ORDER BY "user_id""#;
    ids(tx, text, group).await
}

/// Gives a user these sets and no others.
pub async fn replace_permission_sets_of(tx: &mut WriteTx, user: Uuid, sets: &[Uuid]) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "permission_set_member" WHERE "user_id" = $1::uuid"#, &[Value::Id(user)]).await?;
    for set in sets {
        let text = r#"INSERT INTO "permission_set_member" ("set_id", "user_id") VALUES ($1::uuid, $2::uuid)"#;
        change(tx, text, &[Value::Id(*set), Value::Id(user)]).await?;
    }
    Ok(())
}

/// Makes a user a member of these groups and no others.
pub async fn replace_groups_of(tx: &mut WriteTx, user: Uuid, groups: &[Uuid]) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "group_member" WHERE "user_id" = $1::uuid"#, &[Value::Id(user)]).await?;
    for group in groups {
        let text = r#"INSERT INTO "group_member" ("group_id", "user_id") VALUES ($1::uuid, $2::uuid)"#;
        change(tx, text, &[Value::Id(*group), Value::Id(user)]).await?;
    }
    Ok(())
}

/// Makes these users the members of a group, and no others.
pub async fn replace_members_of(tx: &mut WriteTx, group: Uuid, users: &[Uuid]) -> Result<(), StoreError> {
    change(tx, r#"DELETE FROM "group_member" WHERE "group_id" = $1::uuid"#, &[Value::Id(group)]).await?;
    for user in users {
        let text = r#"INSERT INTO "group_member" ("group_id", "user_id") VALUES ($1::uuid, $2::uuid)"#;
        change(tx, text, &[Value::Id(group), Value::Id(*user)]).await?;
    }
    Ok(())
}

/// The group of this name, as a change sees it.
pub async fn find_group(tx: &mut WriteTx, name: &str) -> Result<Option<GroupRow>, StoreError> {
    let text = r#"SELECT "id", "name" FROM "group" WHERE "name" = $1::text AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Text(name.to_owned())], &[ColumnType::Id, ColumnType::Text]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(GroupRow { id: id(&rows, 0, 0)?, name: text_of(&rows, 0, 1)? }))
}

/// Writes a new group.
pub async fn insert_group(
    tx: &mut WriteTx,
    group: &GroupRow,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "group" ("id", "name", "created_at", "updated_at", "created_by_id", "updated_by_id")
        VALUES ($1::uuid, $2::text, $3::timestamptz, $3::timestamptz, $4::uuid, $4::uuid)"#;
    let values = [Value::Id(group.id), Value::Text(group.name.clone()), Value::DateTime(at), optional_id(by)];
    change(tx, text, &values).await.map(|_| ())
}

async fn names(tx: &mut WriteTx, text: &str, of: Uuid) -> Result<Vec<String>, StoreError> {
    let rows = select(tx, text, &[Value::Id(of)], &[ColumnType::Text]).await?;
    (0..rows.len()).map(|row| text_of(&rows, row, 0)).collect()
}

async fn ids(tx: &mut WriteTx, text: &str, of: Uuid) -> Result<Vec<Uuid>, StoreError> {
    let rows = select(tx, text, &[Value::Id(of)], &[ColumnType::Id]).await?;
    (0..rows.len()).map(|row| id(&rows, row, 0)).collect()
}

fn permission_set(rows: &RowSet, row: usize) -> Result<PermissionSetRow, StoreError> {
    Ok(PermissionSetRow {
        id: id(rows, row, 0)?,
        name: text_of(rows, row, 1)?,
        label: rows.cell(row, 2).text().map(str::to_owned),
        access: text_of(rows, row, 3)?,
    })
}
