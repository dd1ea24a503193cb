//! Sessions: what an access token stands for, and how it ends. Tokens come in as hashes; this crate never sees one.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_access::Scopes;
use cardine_store::platform::api_keys::{fetch_api_key, touch_api_key};
use cardine_store::platform::sessions::{
    AccessTokenRow, NewSession, fetch_access_token, fetch_sessions_of, find_session, insert_session, replace_session,
    revoke_session, revoke_sessions_of, touch_session,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::api_keys::scopes_of;
use super::{ChangedBy, audit};
use crate::{Engine, EngineError};

pub use cardine_store::platform::sessions::ListedSession;

/// Most sessions of one user that are listed.
const LISTED_MAX: usize = 200;
/// How exactly it is known when a token was last used: a write for each use would cost more than the use.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// The hashes of a new pair of tokens, in hexadecimal.
#[derive(Debug, Clone)]
pub struct TokenPair {
    /// SHA-256 of the access token.
    pub access_hash: String,
    /// SHA-256 of the refresh token.
    pub refresh_hash: String,
    /// How long the access token is good.
    pub access_lifetime: TimeDelta,
}

/// What people recognise a session by.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// Where it calls from.
    pub network: Option<String>,
    /// The request with which it signs in.
    pub request: Option<Uuid>,
}

/// What became of a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshOutcome {
    /// The new pair is stored for this user.
    Refreshed {
        /// Whose.
        user: Uuid,
    },
    /// It was used before, so somebody has a copy: the session is revoked.
    Reused,
    /// It does not exist, or has ended.
    Unknown,
}

/// Whose token it is.
#[derive(Debug, Clone)]
pub struct TokenOwner {
    /// The pair of tokens, or the API key.
    pub id: Uuid,
    /// The user.
    pub user: Uuid,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last seen to be used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// The session; `None` for an API key.
    pub session: Option<SessionOf>,
    /// What an API key leaves of the user's rights; `None`: all.
    pub scopes: Option<Arc<Scopes>>,
}

/// The session that an access token belongs to.
#[derive(Debug, Clone, Copy)]
pub struct SessionOf {
    /// Its id.
    pub id: Uuid,
    /// When the password was shown.
    pub signed_in_at: DateTime<Utc>,
}

impl Engine {
    /// Stores a session of a user who has just shown the password. The chain of refreshes ends after `lifetime`.
    #[boxed]
    pub async fn start_session(
        &self,
        user: Uuid,
        pair: TokenPair,
        lifetime: TimeDelta,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let id = Uuid::now_v7();
        let session = SessionOf { id, signed_in_at: now };
        let by = ChangedBy { actor: Some(user), ..ChangedBy::by_origin(&origin, now) };
        let session = new_session(id, user, session, pair, origin, now, now + lifetime);
        let write = self.store().write(move |tx| {
            let session = session.clone();
            Box::pin(async move {
                insert_session(tx, &session).await?;
                audit(tx, &by, "SIGNED_IN", "User", user, serde_json::json!({})).await?;
                Ok(())
            })
        });
        write.await
    }

    /// Exchanges a refresh token for the next pair, once.
    #[boxed]
    pub async fn refresh_session(
        &self,
        refresh_hash: String,
        pair: TokenPair,
        origin: Origin,
        now: DateTime<Utc>,
    ) -> Result<RefreshOutcome, EngineError> {
        let write = self.store().write(move |tx| {
            let (refresh_hash, pair, origin) = (refresh_hash.clone(), pair.clone(), origin.clone());
            Box::pin(async move {
                let next = Uuid::now_v7();
                if let Some(old) = replace_session(tx, &refresh_hash, next, now).await? {
                    let ends = parse_instant(&old.refresh_expires_at)?;
                    let session = SessionOf { id: old.chain, signed_in_at: parse_instant(&old.signed_in_at)? };
                    insert_session(tx, &new_session(next, old.user, session, pair, origin, now, ends)).await?;
                    return Ok(RefreshOutcome::Refreshed { user: old.user });
                }
                let Some(old) = find_session(tx, &refresh_hash).await? else {
                    return Ok(RefreshOutcome::Unknown);
                };
                if old.replaced_by.is_none() {
                    return Ok(RefreshOutcome::Unknown);
                }
                if revoke_session(tx, old.chain, None, now).await? {
                    let by = ChangedBy { actor: Some(old.user), ..ChangedBy::system("auth", now) };
                    audit(tx, &by, "TOKEN_REUSED", "User", old.user, serde_json::json!({})).await?;
                }
                Ok(RefreshOutcome::Reused)
            })
        });
        write.await
    }

    /// Ends the session of a refresh token, if there is one.
    #[boxed]
    pub async fn end_session(&self, refresh_hash: String, now: DateTime<Utc>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            let refresh_hash = refresh_hash.clone();
            Box::pin(async move {
                if let Some(session) = find_session(tx, &refresh_hash).await?
                    && revoke_session(tx, session.chain, None, now).await?
                {
                    let by = ChangedBy { actor: Some(session.user), ..ChangedBy::system("auth", now) };
                    audit(tx, &by, "SIGNED_OUT", "User", session.user, serde_json::json!({})).await?;
                }
                Ok(())
            })
        });
        write.await
    }

    /// Ends a session, by its own client.
    #[boxed]
    pub async fn end_session_with_id(&self, session: Uuid, user: Uuid, now: DateTime<Utc>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                if revoke_session(tx, session, Some(user), now).await? {
                    let by = ChangedBy { actor: Some(user), ..ChangedBy::system("auth", now) };
                    audit(tx, &by, "SIGNED_OUT", "User", user, serde_json::json!({})).await?;
                }
                Ok(())
            })
        });
        write.await
    }

    /// The sessions of a user that are good now, those in use first.
    #[boxed]
    pub async fn sessions_of(&self, user: Uuid, now: DateTime<Utc>) -> Result<Vec<ListedSession>, EngineError> {
        let read = self.store().read(move |tx| {
            Box::pin(async move { Ok::<_, EngineError>(fetch_sessions_of(tx, user, now, LISTED_MAX).await?) })
        });
        read.await
    }

    /// Ends a session; if `owner` is given, one of theirs alone.
    #[boxed]
    pub async fn revoke_session(&self, by: ChangedBy, session: Uuid, owner: Option<Uuid>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                if !revoke_session(tx, session, owner, by.at).await? {
                    return Err(EngineError::NotFound);
                }
                audit(tx, &by, "SESSION_REVOKED", "Session", session, serde_json::json!({})).await?;
                Ok(())
            })
        });
        write.await
    }

    /// Ends all sessions of a user but the one that is to stay; gives how many pairs of tokens ended.
    #[boxed]
    pub async fn revoke_sessions(&self, by: ChangedBy, user: Uuid, stays: Option<Uuid>) -> Result<u64, EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                let ended = revoke_sessions_of(tx, user, stays, by.at).await?;
                audit(tx, &by, "SESSIONS_REVOKED", "User", user, serde_json::json!({})).await?;
                Ok::<_, EngineError>(ended)
            })
        });
        write.await
    }

    /// Whose access token this is, if it is good now.
    #[boxed]
    pub async fn access_token(&self, hash: String, now: DateTime<Utc>) -> Result<Option<TokenOwner>, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_access_token(tx, &hash, now).await?) }));
        read.await?.map(TokenOwner::of_session).transpose()
    }

    /// Whose API key this is, if it is good now.
    #[boxed]
    pub async fn api_key(&self, hash: String, now: DateTime<Utc>) -> Result<Option<TokenOwner>, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_api_key(tx, &hash, now).await?) }));
        let Some(key) = read.await? else { return Ok(None) };
        Ok(Some(TokenOwner {
            id: key.id,
            user: key.user,
            expires_at: key.expires_at.as_deref().map(parse_instant).transpose()?,
            last_used_at: key.last_used_at.as_deref().map(parse_instant).transpose()?,
            session: None,
            scopes: scopes_of(&key.scopes)?,
        }))
    }

    /// Notes that a token is in use, unless that was noted a moment ago.
    #[boxed]
    pub async fn note_use(&self, owner: &TokenOwner, now: DateTime<Utc>) -> Result<(), EngineError> {
        if owner.last_used_at.is_some_and(|last| now - last < USE_NOTED_EVERY) {
            return Ok(());
        }
        let (id, is_session) = (owner.id, owner.session.is_some());
        let write = self.store().write(move |tx| {
            Box::pin(async move {
                match is_session {
                    true => touch_session(tx, id, now).await?,
                    false => touch_api_key(tx, id, now).await?,
                }
                Ok(())
            })
        });
        write.await
    }
}

impl TokenOwner {
    fn of_session(row: AccessTokenRow) -> Result<Self, EngineError> {
        Ok(Self {
            id: row.id,
            user: row.user,
            expires_at: Some(parse_instant(&row.expires_at)?),
            last_used_at: row.last_used_at.as_deref().map(parse_instant).transpose()?,
            session: Some(SessionOf { id: row.chain, signed_in_at: parse_instant(&row.signed_in_at)? }),
            scopes: None,
        })
    }
}

fn new_session(
    id: Uuid,
    user: Uuid,
    session: SessionOf,
    pair: TokenPair,
    origin: Origin,
    now: DateTime<Utc>,
    ends: DateTime<Utc>,
) -> NewSession {
    NewSession {
        id,
        chain: session.id,
        user,
        access_hash: pair.access_hash,
        refresh_hash: pair.refresh_hash,
        created_at: now,
        expires_at: (now + pair.access_lifetime).min(ends),
        refresh_expires_at: ends,
        signed_in_at: session.signed_in_at,
        user_agent: origin.user_agent,
        network: origin.network,
    }
}

pub(super) fn parse_instant(text: &str) -> Result<DateTime<Utc>, EngineError> {
    DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc()).map_err(|error| {
        tracing::error!(%error, "an instant in the database cannot be read");
        EngineError::Internal
    })
}
