//! Sessions and API keys: tokens as hashes, and what ends them.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id_of, select, text_of};
use super::portable;
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// A pair of tokens to be stored: hashes in hexadecimal.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The session that the pair makes.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// SHA-256 of the access token.
    pub access_hash: String,
    /// SHA-256 of the refresh token.
    pub refresh_hash: String,
    /// When the pair was made.
    pub created_at: DateTime<Utc>,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// When the refresh token, and the chain of sessions with it, ends.
    pub refresh_expires_at: DateTime<Utc>,
}

/// A session found by its refresh token.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// When the chain ends; RFC 3339.
    pub refresh_expires_at: String,
    /// The session that took its place.
    pub replaced_by: Option<Uuid>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Whose token it is and how long it is good.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// The session or API key.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// RFC 3339; `None` for a key that does not expire.
    pub expires_at: Option<String>,
    /// JSON: a key's list of scopes.
    pub scopes: Option<String>,
}

/// Stores a session, and takes away those that ended long ago.
pub async fn insert_session(tx: &mut WriteTx, session: &NewSession) -> Result<(), StoreError> {
    let ended = [Value::DateTime(session.created_at)];
    change(tx, r#"DELETE FROM "session" WHERE "refresh_expires_at" < $1::timestamptz"#, &ended).await?;
    let text = r#"INSERT INTO "session" ("id", "user_id", "access_hash", "refresh_hash", "created_at", "expires_at", "refresh_expires_at")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::timestamptz, $6::timestamptz, $7::timestamptz)"#;
    let values = [
        Value::Id(session.id),
        Value::Id(session.user),
        Value::Text(session.access_hash.clone()),
        Value::Text(session.refresh_hash.clone()),
        Value::DateTime(session.created_at),
        Value::DateTime(session.expires_at),
        Value::DateTime(session.refresh_expires_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

/// Marks the session of a refresh token as replaced, if it is good for that: of two at once, one succeeds.
pub async fn replace_session(
    tx: &mut WriteTx,
    refresh_hash: &str,
    by: Uuid,
    now: DateTime<Utc>,
) -> Result<Option<SessionRow>, StoreError> {
    let text = r#"UPDATE "session" SET "replaced_by_id" = $2::uuid
        WHERE "refresh_hash" = $1::text AND "replaced_by_id" IS NULL AND "revoked_at" IS NULL AND "refresh_expires_at" > $3::timestamptz
        RETURNING "id", "user_id", "refresh_expires_at", "replaced_by_id", "revoked_at""#;
    let values = [Value::Text(refresh_hash.to_owned()), Value::Id(by), Value::DateTime(now)];
    one_session(tx, text, &values).await
}

/// The session of a refresh token, in whatever state.
pub async fn find_session(tx: &mut WriteTx, refresh_hash: &str) -> Result<Option<SessionRow>, StoreError> {
    let text = r#"SELECT "id", "user_id", "refresh_expires_at", "replaced_by_id", "revoked_at" FROM "session" WHERE "refresh_hash" = $1::text"#;
    one_session(tx, text, &[Value::Text(refresh_hash.to_owned())]).await
}

/// Revokes a session and all that replaced it.
pub async fn revoke_chain(tx: &mut WriteTx, session: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"WITH RECURSIVE chain("id") AS (
            SELECT $1::uuid
            UNION
            SELECT s."replaced_by_id" FROM "session" AS s JOIN chain AS c ON s."id" = c."id" WHERE s."replaced_by_id" IS NOT NULL)
        UPDATE "session" SET "revoked_at" = $2::timestamptz WHERE "revoked_at" IS NULL AND "id" IN (SELECT "id" FROM chain)"#;
    change(tx, text, &[Value::Id(session), Value::DateTime(now)]).await.map(|_| ())
}

/// Revokes all sessions of a user.
pub async fn revoke_sessions_of(tx: &mut WriteTx, user: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text =
        r#"UPDATE "session" SET "revoked_at" = $2::timestamptz WHERE "user_id" = $1::uuid AND "revoked_at" IS NULL"#;
    change(tx, text, &[Value::Id(user), Value::DateTime(now)]).await.map(|_| ())
}

/// The session of an access token that is good now.
pub async fn fetch_access_token(
    tx: &mut ReadTx,
    access_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<TokenRow>, StoreError> {
    let text = r#"SELECT "id", "user_id", "expires_at" FROM "session"
        WHERE "access_hash" = $1::text AND "revoked_at" IS NULL AND "replaced_by_id" IS NULL AND "expires_at" > $2::timestamptz"#;
    let columns = [ColumnType::Id, ColumnType::Id, ColumnType::DateTime];
    let values = [Value::Text(access_hash.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let expires_at = Some(text_of(&rows, 0, 2)?);
    Ok(Some(TokenRow { id: id(&rows, 0, 0)?, user: id(&rows, 0, 1)?, expires_at, scopes: None }))
}

/// The API key of a secret that is good now.
pub async fn fetch_api_key(
    tx: &mut ReadTx,
    secret_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<TokenRow>, StoreError> {
    let text = r#"SELECT "id", "user_id", "expires_at", "scopes" FROM "api_key"
        WHERE "secret_hash" = $1::text AND "revoked_at" IS NULL AND ("expires_at" IS NULL OR "expires_at" > $2::timestamptz)"#;
    let columns = [ColumnType::Id, ColumnType::Id, ColumnType::DateTime, ColumnType::Text];
    let values = [Value::Text(secret_hash.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(TokenRow {
        id: id(&rows, 0, 0)?,
        user: id(&rows, 0, 1)?,
        expires_at: rows.cell(0, 2).text().map(str::to_owned),
        scopes: Some(text_of(&rows, 0, 3)?),
    }))
}

/// An API key to be stored.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user: Uuid,
    /// For people.
    pub name: String,
    /// SHA-256, in hexadecimal.
    pub secret_hash: String,
    /// JSON: a list of scopes; empty for all that the user may do.
    pub scopes: String,
    /// When it ends; `None`: never.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Stores an API key.
pub async fn insert_api_key(tx: &mut WriteTx, key: &NewApiKey) -> Result<(), StoreError> {
    let text = r#"INSERT INTO "api_key" ("id", "user_id", "name", "secret_hash", "scopes", "expires_at", "created_at")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::text, $6::timestamptz, $7::timestamptz)"#;
    let values = [
        Value::Id(key.id),
        Value::Id(key.user),
        Value::Text(key.name.clone()),
        Value::Text(key.secret_hash.clone()),
        Value::Text(key.scopes.clone()),
        key.expires_at.map_or(Value::Null, Value::DateTime),
        Value::DateTime(key.created_at),
    ];
    change(tx, text, &values).await.map(|_| ())
}

async fn one_session(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<Option<SessionRow>, StoreError> {
    let columns = [ColumnType::Id, ColumnType::Id, ColumnType::DateTime, ColumnType::Id, ColumnType::DateTime];
    let rows = select(tx, text, values, &columns).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(SessionRow {
        id: id(&rows, 0, 0)?,
        user: id(&rows, 0, 1)?,
        refresh_expires_at: text_of(&rows, 0, 2)?,
        replaced_by: optional_id_of(&rows, 0, 3)?,
        revoked: !rows.cell(0, 4).is_null(),
    }))
}
