//! Sessions: tokens as hashes, what people recognise a session by, and what ends it.

use cardine_model::Value;
use cardine_sql::ColumnType;
use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::access::{change, id, optional_id, optional_id_of, select, text_of};
use super::{optional_text, portable};
use crate::{Bindings, ReadTx, StoreError, WriteTx};

/// A pair of tokens to be stored: hashes in hexadecimal.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The pair's.
    pub id: Uuid,
    /// The session: what came from one sign-in, however often it was refreshed.
    pub chain: Uuid,
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
    /// When the password was shown.
    pub signed_in_at: DateTime<Utc>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Where it calls from.
    pub network: Option<String>,
}

/// A session found by its refresh token.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// The session.
    pub chain: Uuid,
    /// Whose.
    pub user: Uuid,
    /// When the password was shown; RFC 3339.
    pub signed_in_at: String,
    /// When the chain ends; RFC 3339.
    pub refresh_expires_at: String,
    /// The session that took its place.
    pub replaced_by: Option<Uuid>,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// Whose access token it is and how long it is good. Instants are RFC 3339.
#[derive(Debug, Clone)]
pub struct AccessTokenRow {
    /// The pair of tokens.
    pub id: Uuid,
    /// The session.
    pub chain: Uuid,
    /// Whose.
    pub user: Uuid,
    /// When it ends.
    pub expires_at: String,
    /// When the password was shown.
    pub signed_in_at: String,
    /// When it was last seen to be used, to the minute.
    pub last_used_at: Option<String>,
}

/// A session as its user sees it. Instants are RFC 3339.
#[derive(Debug, Clone)]
pub struct ListedSession {
    /// The session.
    pub chain: Uuid,
    /// When the password was shown.
    pub signed_in_at: String,
    /// When it was last seen to be used, to the minute.
    pub last_used_at: Option<String>,
    /// When it ends by itself.
    pub expires_at: String,
    /// What the client called itself.
    pub user_agent: Option<String>,
    /// Where it called from.
    pub network: Option<String>,
}

/// Of the columns that [`one_session`] reads.
const FOUND: &str = r#""chain_id", "user_id", "signed_in_at", "refresh_expires_at", "replaced_by_id", "revoked_at""#;

/// Stores a session, and takes away those that ended long ago.
pub async fn insert_session(tx: &mut WriteTx, session: &NewSession) -> Result<(), StoreError> {
    let ended = [Value::DateTime(session.created_at)];
    change(tx, r#"DELETE FROM "session" WHERE "refresh_expires_at" < $1::timestamptz"#, &ended).await?;
    let text = r#"INSERT INTO "session" ("id", "user_id", "access_hash", "refresh_hash", "created_at", "expires_at", "refresh_expires_at",
            "chain_id", "signed_in_at", "last_used_at", "user_agent", "network")
        VALUES ($1::uuid, $2::uuid, $3::text, $4::text, $5::timestamptz, $6::timestamptz, $7::timestamptz,
            $8::uuid, $9::timestamptz, $5::timestamptz, $10::text, $11::text)"#;
    let values = [
        Value::Id(session.id),
        Value::Id(session.user),
        Value::Text(session.access_hash.clone()),
        Value::Text(session.refresh_hash.clone()),
        Value::DateTime(session.created_at),
        Value::DateTime(session.expires_at),
        Value::DateTime(session.refresh_expires_at),
        Value::Id(session.chain),
        Value::DateTime(session.signed_in_at),
        optional_text(session.user_agent.as_deref()),
        optional_text(session.network.as_deref()),
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
    let text = format!(
        r#"UPDATE "session" SET "replaced_by_id" = $2::uuid
        WHERE "refresh_hash" = $1::text AND "replaced_by_id" IS NULL AND "revoked_at" IS NULL AND "refresh_expires_at" > $3::timestamptz
        RETURNING {FOUND}"#
    );
    let values = [Value::Text(refresh_hash.to_owned()), Value::Id(by), Value::DateTime(now)];
    one_session(tx, &text, &values).await
}

/// The session of a refresh token, in whatever state.
pub async fn find_session(tx: &mut WriteTx, refresh_hash: &str) -> Result<Option<SessionRow>, StoreError> {
    let text = format!(r#"SELECT {FOUND} FROM "session" WHERE "refresh_hash" = $1::text"#);
    one_session(tx, &text, &[Value::Text(refresh_hash.to_owned())]).await
}

/// Revokes a session, of this user if one is given. Tells whether there was one to revoke.
pub async fn revoke_session(
    tx: &mut WriteTx,
    chain: Uuid,
    user: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let text = r#"UPDATE "session" SET "revoked_at" = $3::timestamptz
        WHERE "chain_id" = $1::uuid AND "revoked_at" IS NULL AND "refresh_expires_at" > $3::timestamptz
        AND ($2::uuid IS NULL OR "user_id" = $2::uuid)"#;
    let values = [Value::Id(chain), optional_id(user), Value::DateTime(now)];
    Ok(change(tx, text, &values).await? > 0)
}

/// Revokes all sessions of a user, but the one that is to stay.
pub async fn revoke_sessions_of(
    tx: &mut WriteTx,
    user: Uuid,
    stays: Option<Uuid>,
    now: DateTime<Utc>,
) -> Result<u64, StoreError> {
    let text = r#"UPDATE "session" SET "revoked_at" = $3::timestamptz
        WHERE "user_id" = $1::uuid AND "revoked_at" IS NULL AND ($2::uuid IS NULL OR "chain_id" <> $2::uuid)"#;
    change(tx, text, &[Value::Id(user), optional_id(stays), Value::DateTime(now)]).await
}

/// Notes that a session is in use.
pub async fn touch_session(tx: &mut WriteTx, id: Uuid, now: DateTime<Utc>) -> Result<(), StoreError> {
    let text = r#"UPDATE "session" SET "last_used_at" = $2::timestamptz WHERE "id" = $1::uuid"#;
    change(tx, text, &[Value::Id(id), Value::DateTime(now)]).await.map(|_| ())
}

/// The session of an access token that is good now.
pub async fn fetch_access_token(
    tx: &mut ReadTx,
    access_hash: &str,
    now: DateTime<Utc>,
) -> Result<Option<AccessTokenRow>, StoreError> {
    let text = r#"SELECT "id", "chain_id", "user_id", "expires_at", "signed_in_at", "last_used_at" FROM "session"
        WHERE "access_hash" = $1::text AND "revoked_at" IS NULL AND "replaced_by_id" IS NULL AND "expires_at" > $2::timestamptz"#;
    let instant = ColumnType::DateTime;
    let columns = [ColumnType::Id, ColumnType::Id, ColumnType::Id, instant, instant, instant];
    let values = [Value::Text(access_hash.to_owned()), Value::DateTime(now)];
    let statement = portable(tx.dialect(), text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(AccessTokenRow {
        id: id(&rows, 0, 0)?,
        chain: id(&rows, 0, 1)?,
        user: id(&rows, 0, 2)?,
        expires_at: text_of(&rows, 0, 3)?,
        signed_in_at: text_of(&rows, 0, 4)?,
        last_used_at: rows.cell(0, 5).text().map(str::to_owned),
    }))
}

/// The sessions of a user that are good now, those in use first; at most so many.
pub async fn fetch_sessions_of(
    tx: &mut ReadTx,
    user: Uuid,
    now: DateTime<Utc>,
    most: usize,
) -> Result<Vec<ListedSession>, StoreError> {
    let text = format!(
        r#"SELECT "chain_id", "signed_in_at", "last_used_at", "refresh_expires_at", "user_agent", "network" FROM "session"
        WHERE "user_id" = $1::uuid AND "revoked_at" IS NULL AND "replaced_by_id" IS NULL AND "refresh_expires_at" > $2::timestamptz
        ORDER BY "last_used_at" DESC, "id" DESC LIMIT {most}"#
    );
    let instant = ColumnType::DateTime;
    let columns = [ColumnType::Id, instant, instant, instant, ColumnType::Text, ColumnType::Text];
    let values = [Value::Id(user), Value::DateTime(now)];
    let statement = portable(tx.dialect(), &text, values.len(), &columns);
    let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
    let optional = |row, column| rows.cell(row, column).text().map(str::to_owned);
    (0..rows.len())
        .map(|row| {
            Ok(ListedSession {
                chain: id(&rows, row, 0)?,
                signed_in_at: text_of(&rows, row, 1)?,
                last_used_at: optional(row, 2),
                expires_at: text_of(&rows, row, 3)?,
                user_agent: optional(row, 4),
                network: optional(row, 5),
            })
        })
        .collect()
}

async fn one_session(tx: &mut WriteTx, text: &str, values: &[Value]) -> Result<Option<SessionRow>, StoreError> {
    let instant = ColumnType::DateTime;
    let columns = [ColumnType::Id, ColumnType::Id, instant, instant, ColumnType::Id, instant];
    let rows = select(tx, text, values, &columns).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    Ok(Some(SessionRow {
        chain: id(&rows, 0, 0)?,
        user: id(&rows, 0, 1)?,
        signed_in_at: text_of(&rows, 0, 2)?,
        refresh_expires_at: text_of(&rows, 0, 3)?,
        replaced_by: optional_id_of(&rows, 0, 4)?,
        revoked: !rows.cell(0, 5).is_null(),
    }))
}
