//! Users, groups, roles and grants: what a snapshot of the rights is made of, and the statements that change it.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{optional_text, portable};
use crate::{Bindings, ReadTx, RowSet, StoreError, WriteTx};

/// A role's row.
#[derive(Debug, Clone)]
pub struct RoleRow {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique.
    pub name: String,
    /// JSON: text, or text by language.
    pub label: Option<String>,
    /// The role above it.
    pub parent: Option<Uuid>,
    /// Bound by nothing.
    pub administrator: bool,
}

/// What a role may do with a module.
#[derive(Debug, Clone)]
pub struct GrantRow {
    /// The role.
    pub role: Uuid,
    /// The module's name.
    pub module: String,
    /// Create records.
    pub create: bool,
    /// Read records.
    pub read: bool,
    /// Update records.
    pub update: bool,
    /// Delete records.
    pub delete: bool,
    /// JSON: access by field name.
    pub fields: String,
}

/// A user's row, without the password.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Its id.
    pub id: Uuid,
    /// For people.
    pub name: String,
    /// Folded.
    pub email: String,
    /// The one role.
    pub role: Option<Uuid>,
    /// Whether it may sign in.
    pub active: bool,
    /// BCP 47.
    pub locale: Option<String>,
    /// IANA name.
    pub time_zone: Option<String>,
}

/// A group's row.
#[derive(Debug, Clone)]
pub struct GroupRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
}

const ROLE_COLUMNS: [ColumnType; 5] =
    [ColumnType::Id, ColumnType::Text, ColumnType::Json, ColumnType::Id, ColumnType::Boolean];
const GRANT_COLUMNS: [ColumnType; 7] = [
    ColumnType::Id,
    ColumnType::Text,
    ColumnType::Boolean,
    ColumnType::Boolean,
    ColumnType::Boolean,
    ColumnType::Boolean,
    ColumnType::Text,
];
const USER_COLUMNS: [ColumnType; 7] = [
    ColumnType::Id,
    ColumnType::Text,
    ColumnType::Text,
    ColumnType::Id,
    ColumnType::Boolean,
    ColumnType::Text,
    ColumnType::Text,
];

/// All roles that are not deleted.
pub async fn fetch_roles(tx: &mut ReadTx) -> Result<Vec<RoleRow>, StoreError> {
    let text = r#"SELECT "id", "name", "label", "parent_id", "administrator" FROM "role" WHERE "deleted_at" IS NULL ORDER BY "name""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &ROLE_COLUMNS), &Bindings::default()).await?;
    (0..rows.len()).map(|row| role(&rows, row)).collect()
}

/// All grants.
pub async fn fetch_grants(tx: &mut ReadTx) -> Result<Vec<GrantRow>, StoreError> {
    let text = r#"SELECT "role_id", "module", "can_create", "can_read", "can_update", "can_delete", "fields" FROM "role_grant""#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &GRANT_COLUMNS), &Bindings::default()).await?;
    (0..rows.len()).map(|row| grant(&rows, row)).collect()
}

/// All users that are not deleted.
pub async fn fetch_users(tx: &mut ReadTx) -> Result<Vec<UserRow>, StoreError> {
    let text = r#"SELECT "id", "name", "email", "role_id", "active", "locale", "time_zone" FROM "user" WHERE "deleted_at" IS NULL"#;
    let rows = tx.query(&portable(tx.dialect(), text, 0, &USER_COLUMNS), &Bindings::default()).await?;
    (0..rows.len()).map(|row| user(&rows, row)).collect()
}

/// All groups that are not deleted.
pub async fn fetch_groups(tx: &mut ReadTx) -> Result<Vec<GroupRow>, StoreError> {
    let text = r#"SELECT "id", "name" FROM "group" WHERE "deleted_at" IS NULL ORDER BY "name""#;
    let columns = [ColumnType::Id, ColumnType::Text];
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    (0..rows.len()).map(|row| Ok(GroupRow { id: id(&rows, row, 0)?, name: text_of(&rows, row, 1)? })).collect()
}

/// Every membership: group, user.
pub async fn fetch_group_members(tx: &mut ReadTx) -> Result<Vec<(Uuid, Uuid)>, StoreError> {
    let text = r#"SELECT "group_id", "user_id" FROM "group_member""#;
    let columns = [ColumnType::Id, ColumnType::Id];
    let rows = tx.query(&portable(tx.dialect(), text, 0, &columns), &Bindings::default()).await?;
    (0..rows.len()).map(|row| Ok((id(&rows, row, 0)?, id(&rows, row, 1)?))).collect()
}

/// The password hash of a user that may sign in; `None` if there is none.
pub async fn fetch_password_hash(tx: &mut ReadTx, user: Uuid) -> Result<Option<String>, StoreError> {
    let text = r#"SELECT "password_hash" FROM "user" WHERE "id" = $1::uuid AND "deleted_at" IS NULL AND "active""#;
    let statement = portable(tx.dialect(), text, 1, &[ColumnType::Text]);
    let rows = tx.query(&statement, &Bindings { values: &[Value::Id(user)], ..Bindings::default() }).await?;
    Ok(if rows.is_empty() { None } else { rows.cell(0, 0).text().map(str::to_owned) })
}

/// The role of this name, as a change sees it.
pub async fn find_role(tx: &mut WriteTx, name: &str) -> Result<Option<RoleRow>, StoreError> {
    let text = r#"SELECT "id", "name", "label", "parent_id", "administrator" FROM "role" WHERE "name" = $1::text AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Text(name.to_owned())], &ROLE_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { role(&rows, 0).map(Some) }
}

/// The user with this address, folded.
pub async fn find_user_by_email(tx: &mut WriteTx, email: &str) -> Result<Option<UserRow>, StoreError> {
    let text = r#"SELECT "id", "name", "email", "role_id", "active", "locale", "time_zone" FROM "user"
        WHERE "email" = $1::text AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Text(email.to_owned())], &USER_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { user(&rows, 0).map(Some) }
}

/// The user with this id.
pub async fn find_user(tx: &mut WriteTx, user_id: Uuid) -> Result<Option<UserRow>, StoreError> {
    let text = r#"SELECT "id", "name", "email", "role_id", "active", "locale", "time_zone" FROM "user"
        WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Id(user_id)], &USER_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { user(&rows, 0).map(Some) }
}

/// How many active users have a role that is bound by nothing.
pub async fn count_administrators(tx: &mut WriteTx) -> Result<i64, StoreError> {
    let text = r#"SELECT COUNT(*) FROM "user" AS u JOIN "role" AS r ON r."id" = u."role_id"
        WHERE r."administrator" AND u."active" AND u."deleted_at" IS NULL"#;
    let rows = select(tx, text, &[], &[ColumnType::Integer]).await?;
    rows.first_integer().ok_or_else(|| StoreError::corrupt("a count without a value"))
}

/// Takes a grant away.
pub async fn delete_grant(tx: &mut WriteTx, role: Uuid, module: &str) -> Result<(), StoreError> {
    let text = r#"DELETE FROM "role_grant" WHERE "role_id" = $1::uuid AND "module" = $2::text"#;
    change(tx, text, &[Value::Id(role), Value::Text(module.to_owned())]).await.map(|_| ())
}

/// Takes a role away that nobody has and that none stands below, with its grants, rules and shares of single records.
pub async fn remove_role(tx: &mut WriteTx, role: Uuid, at: DateTime<Utc>, by: Option<Uuid>) -> Result<(), StoreError> {
    for text in [
        r#"DELETE FROM "role_grant" WHERE "role_id" = $1::uuid"#,
        r#"DELETE FROM "record_rule" WHERE "role_id" = $1::uuid"#,
        r#"DELETE FROM "record_share" WHERE "principal_id" = $1::uuid"#,
    ] {
        change(tx, text, &[Value::Id(role)]).await?;
    }
    let text = r#"UPDATE "role" SET "deleted_at" = $2::timestamptz, "version" = "version" + 1, "updated_at" = $2::timestamptz, "updated_by_id" = $3::uuid
        WHERE "id" = $1::uuid"#;
    change(tx, text, &[Value::Id(role), Value::DateTime(at), optional_id(by)]).await.map(|_| ())
}

/// Writes a new role.
pub async fn insert_role(
    tx: &mut WriteTx,
    role: &RoleRow,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "role" ("id", "name", "label", "parent_id", "administrator", "created_at", "updated_at", "created_by_id", "updated_by_id")
        VALUES ($1::uuid, $2::text, $3::json, $4::uuid, $5::boolean, $6::timestamptz, $6::timestamptz, $7::uuid, $7::uuid)"#;
    let label = match &role.label {
        None => Value::Null,
        Some(label) => Value::Json(parse_json(label)?),
    };
    let values = [
        Value::Id(role.id),
        Value::Text(role.name.clone()),
        label,
        optional_id(role.parent),
        Value::Boolean(role.administrator),
        Value::DateTime(at),
        optional_id(by),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Gives a role another place in the tree and another label.
pub async fn update_role(
    tx: &mut WriteTx,
    role: &RoleRow,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    let text = r#"UPDATE "role" SET "label" = $2::json, "parent_id" = $3::uuid, "version" = "version" + 1, "updated_at" = $4::timestamptz, "updated_by_id" = $5::uuid
        WHERE "id" = $1::uuid"#;
    let label = match &role.label {
        None => Value::Null,
        Some(label) => Value::Json(parse_json(label)?),
    };
    let values = [Value::Id(role.id), label, optional_id(role.parent), Value::DateTime(at), optional_id(by)];
    change(tx, text, &values).await.map(|_| ())
}

/// The role's parent, as a change sees it; `None` if it has none or is gone.
pub async fn find_parent_of_role(tx: &mut WriteTx, role: Uuid) -> Result<Option<Uuid>, StoreError> {
    let text = r#"SELECT "parent_id" FROM "role" WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Id(role)], &[ColumnType::Id]).await?;
    if rows.is_empty() { Ok(None) } else { optional_id_of(&rows, 0, 0) }
}

/// What a role is called, as a change sees it; `None` if it is gone.
pub async fn find_name_of_role(tx: &mut WriteTx, role: Uuid) -> Result<Option<String>, StoreError> {
    let text = r#"SELECT "name" FROM "role" WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let rows = select(tx, text, &[Value::Id(role)], &[ColumnType::Text]).await?;
    if rows.is_empty() { Ok(None) } else { text_of(&rows, 0, 0).map(Some) }
}

/// All that a role grants, by module, as a change sees it.
pub async fn find_grants_of(tx: &mut WriteTx, role: Uuid) -> Result<Vec<GrantRow>, StoreError> {
    let text = r#"SELECT "role_id", "module", "can_create", "can_read", "can_update", "can_delete", "fields" FROM "role_grant"
        WHERE "role_id" = $1::uuid ORDER BY "module""#;
    let rows = select(tx, text, &[Value::Id(role)], &GRANT_COLUMNS).await?;
    (0..rows.len()).map(|row| grant(&rows, row)).collect()
}

/// The grant of a role on a module, as a change sees it.
pub async fn find_grant(tx: &mut WriteTx, role: Uuid, module: &str) -> Result<Option<GrantRow>, StoreError> {
    let text = r#"SELECT "role_id", "module", "can_create", "can_read", "can_update", "can_delete", "fields" FROM "role_grant"
        WHERE "role_id" = $1::uuid AND "module" = $2::text"#;
    let rows = select(tx, text, &[Value::Id(role), Value::Text(module.to_owned())], &GRANT_COLUMNS).await?;
    if rows.is_empty() { Ok(None) } else { grant(&rows, 0).map(Some) }
}

/// Writes a grant, in place of the one that is there.
pub async fn put_grant(tx: &mut WriteTx, grant: &GrantRow) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "role_grant" ("role_id", "module", "can_create", "can_read", "can_update", "can_delete", "fields")
        VALUES ($1::uuid, $2::text, $3::boolean, $4::boolean, $5::boolean, $6::boolean, $7::text)
        ON CONFLICT ("role_id", "module") DO UPDATE SET "can_create" = excluded."can_create", "can_read" = excluded."can_read",
            "can_update" = excluded."can_update", "can_delete" = excluded."can_delete", "fields" = excluded."fields""#;
    let values = [
        Value::Id(grant.role),
        Value::Text(grant.module.clone()),
        Value::Boolean(grant.create),
        Value::Boolean(grant.read),
        Value::Boolean(grant.update),
        Value::Boolean(grant.delete),
        Value::Text(grant.fields.clone()),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Writes a new user, who owns itself as far as records are concerned: nobody's private one.
pub async fn insert_user(
    tx: &mut WriteTx,
    user: &UserRow,
    password_hash: Option<&str>,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "user" ("id", "name", "email", "role_id", "active", "locale", "time_zone", "password_hash",
            "created_at", "updated_at", "created_by_id", "updated_by_id")
        VALUES ($1::uuid, $2::text, $3::text, $4::uuid, $5::boolean, $6::text, $7::text, $8::text,
            $9::timestamptz, $9::timestamptz, $10::uuid, $10::uuid)"#;
    let values = [
        Value::Id(user.id),
        Value::Text(user.name.clone()),
        Value::Text(user.email.clone()),
        optional_id(user.role),
        Value::Boolean(user.active),
        optional_text(user.locale.as_deref()),
        optional_text(user.time_zone.as_deref()),
        optional_text(password_hash),
        Value::DateTime(at),
        optional_id(by),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Gives a user another role. Tells whether there is such a user.
pub async fn update_user_role(
    tx: &mut WriteTx,
    user: Uuid,
    role: Uuid,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "user" SET "role_id" = $2::uuid, "version" = "version" + 1, "updated_at" = $3::timestamptz, "updated_by_id" = $4::uuid
        WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let values = [Value::Id(user), Value::Id(role), Value::DateTime(at), optional_id(by)];
    Ok(change(tx, text, &values).await? > 0)
}

/// Writes a user's name, address, language and time zone. Tells whether there is such a user.
pub async fn update_user_words(
    tx: &mut WriteTx,
    user: &UserRow,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "user" SET "name" = $2::text, "email" = $3::text, "locale" = $4::text, "time_zone" = $5::text,
        "version" = "version" + 1, "updated_at" = $6::timestamptz, "updated_by_id" = $7::uuid
        WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let values = [
        Value::Id(user.id),
        Value::Text(user.name.clone()),
        Value::Text(user.email.clone()),
        optional_text(user.locale.as_deref()),
        optional_text(user.time_zone.as_deref()),
        Value::DateTime(at),
        optional_id(by),
    ];
    Ok(change(tx, text, &values).await? > 0)
}

/// Gives a user another password, if `old` is still what is stored, or `None`. Tells whether it was.
pub async fn update_password_hash(
    tx: &mut WriteTx,
    user: Uuid,
    old: Option<&str>,
    new: &str,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "user" SET "password_hash" = $3::text, "version" = "version" + 1, "updated_at" = $4::timestamptz,
        "updated_by_id" = $5::uuid
        WHERE "id" = $1::uuid AND "deleted_at" IS NULL AND ($2::text IS NULL OR "password_hash" = $2::text)"#;
    let values =
        [Value::Id(user), optional_text(old), Value::Text(new.to_owned()), Value::DateTime(at), optional_id(by)];
    Ok(change(tx, text, &values).await? > 0)
}

/// Lets a user sign in, or no more. Tells whether there is such a user.
pub async fn update_user_active(
    tx: &mut WriteTx,
    user: Uuid,
    active: bool,
    at: DateTime<Utc>,
    by: Option<Uuid>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "user" SET "active" = $2::boolean, "version" = "version" + 1, "updated_at" = $3::timestamptz, "updated_by_id" = $4::uuid
        WHERE "id" = $1::uuid AND "deleted_at" IS NULL"#;
    let values = [Value::Id(user), Value::Boolean(active), Value::DateTime(at), optional_id(by)];
    Ok(change(tx, text, &values).await? > 0)
}

fn role(rows: &RowSet, row: usize) -> Result<RoleRow, StoreError> {
    Ok(RoleRow {
        id: id(rows, row, 0)?,
        name: text_of(rows, row, 1)?,
        label: rows.cell(row, 2).text().map(str::to_owned),
        parent: optional_id_of(rows, row, 3)?,
        administrator: boolean(rows, row, 4),
    })
}

fn grant(rows: &RowSet, row: usize) -> Result<GrantRow, StoreError> {
    Ok(GrantRow {
        role: id(rows, row, 0)?,
        module: text_of(rows, row, 1)?,
        create: boolean(rows, row, 2),
        read: boolean(rows, row, 3),
        update: boolean(rows, row, 4),
        delete: boolean(rows, row, 5),
        fields: text_of(rows, row, 6)?,
    })
}

fn user(rows: &RowSet, row: usize) -> Result<UserRow, StoreError> {
    Ok(UserRow {
        id: id(rows, row, 0)?,
        name: text_of(rows, row, 1)?,
        email: text_of(rows, row, 2)?,
        role: optional_id_of(rows, row, 3)?,
        active: boolean(rows, row, 4),
        locale: rows.cell(row, 5).text().map(str::to_owned),
        time_zone: rows.cell(row, 6).text().map(str::to_owned),
    })
}

pub(super) async fn select(
    tx: &mut WriteTx,
    text: &str,
    values: &[Value],
    columns: &[ColumnType],
) -> Result<RowSet, StoreError> {
    let statement = portable(tx.dialect(), text, values.len(), columns);
    tx.query(&statement, &Bindings { values, ..Bindings::default() }).await
}

pub(super) async fn change(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<u64, StoreError> {
    let statement = portable(tx.dialect(), text, values.len(), &[]);
    tx.execute(&statement, &Bindings { values, ..Bindings::default() }).await
}

pub(super) fn optional_id(id: Option<Uuid>) -> Value {
    id.map_or(Value::Null, Value::Id)
}

pub(super) fn id(rows: &RowSet, row: usize, column: usize) -> Result<Uuid, StoreError> {
    optional_id_of(rows, row, column)?.ok_or_else(|| StoreError::corrupt("an id is missing"))
}

pub(super) fn optional_id_of(rows: &RowSet, row: usize, column: usize) -> Result<Option<Uuid>, StoreError> {
    let parse = |text: &str| text.parse().map_err(|_| StoreError::corrupt("an id that is none"));
    rows.cell(row, column).text().map(parse).transpose()
}

pub(super) fn text_of(rows: &RowSet, row: usize, column: usize) -> Result<String, StoreError> {
    let text = rows.cell(row, column).text().map(str::to_owned);
    text.ok_or_else(|| StoreError::corrupt("a text is missing"))
}

pub(super) fn boolean(rows: &RowSet, row: usize, column: usize) -> bool {
    rows.cell(row, column).boolean().unwrap_or(false)
}

fn parse_json(text: &str) -> Result<Json, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::corrupt("a document that is no JSON"))
}
