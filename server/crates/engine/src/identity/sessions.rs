//! Sessions and API keys: what a token stands for, and how it ends. Tokens come in as hashes; this crate never sees one.

use cardine_store::platform::sessions::{
    NewApiKey, NewSession, TokenRow, fetch_access_token, fetch_api_key, find_session, insert_api_key, insert_session,
    replace_session, revoke_chain,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{ChangedBy, audit};
use crate::{Engine, EngineError};

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
    /// The session or API key.
    pub id: Uuid,
    /// The user.
    pub user: Uuid,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
    /// Empty: all that the user may do.
    pub scopes: Vec<String>,
}

/// An API key to be made.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// For people.
    pub name: String,
    /// SHA-256, in hexadecimal.
    pub secret_hash: String,
    /// Empty: all that the user may do.
    pub scopes: Vec<String>,
    /// When it ends by itself.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Engine {
    /// Stores a session of a user who has just shown the password. The chain of refreshes ends after `lifetime`.
    pub async fn start_session(
        &self,
        user: Uuid,
        pair: TokenPair,
        lifetime: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let session = new_session(user, &pair, now, now + lifetime);
        let by = ChangedBy { actor: Some(user), ..ChangedBy::system("auth", now) };
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
    pub async fn refresh_session(
        &self,
        refresh_hash: String,
        pair: TokenPair,
        now: DateTime<Utc>,
    ) -> Result<RefreshOutcome, EngineError> {
        let write = self.store().write(move |tx| {
            let (refresh_hash, pair) = (refresh_hash.clone(), pair.clone());
            Box::pin(async move {
                let next = Uuid::now_v7();
                if let Some(old) = replace_session(tx, &refresh_hash, next, now).await? {
                    let ends = parse_instant(&old.refresh_expires_at)?;
                    let session = NewSession { id: next, ..new_session(old.user, &pair, now, ends) };
                    insert_session(tx, &session).await?;
                    return Ok(RefreshOutcome::Refreshed { user: old.user });
                }
                let Some(old) = find_session(tx, &refresh_hash).await? else {
                    return Ok(RefreshOutcome::Unknown);
                };
                if old.replaced_by.is_none() {
                    return Ok(RefreshOutcome::Unknown);
                }
                revoke_chain(tx, old.id, now).await?;
                if !old.revoked {
                    let by = ChangedBy { actor: Some(old.user), ..ChangedBy::system("auth", now) };
                    audit(tx, &by, "TOKEN_REUSED", "User", old.user, serde_json::json!({})).await?;
                }
                Ok(RefreshOutcome::Reused)
            })
        });
        write.await
    }

    /// Ends the session of a refresh token, if there is one.
    pub async fn end_session(&self, refresh_hash: String, now: DateTime<Utc>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            let refresh_hash = refresh_hash.clone();
            Box::pin(async move {
                if let Some(session) = find_session(tx, &refresh_hash).await? {
                    revoke_chain(tx, session.id, now).await?;
                }
                Ok(())
            })
        });
        write.await
    }

    /// Whose access token this is, if it is good now.
    pub async fn access_token(&self, hash: String, now: DateTime<Utc>) -> Result<Option<TokenOwner>, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_access_token(tx, &hash, now).await?) }));
        read.await?.map(owner).transpose()
    }

    /// Whose API key this is, if it is good now.
    pub async fn api_key(&self, hash: String, now: DateTime<Utc>) -> Result<Option<TokenOwner>, EngineError> {
        let read = self
            .store()
            .read(move |tx| Box::pin(async move { Ok::<_, EngineError>(fetch_api_key(tx, &hash, now).await?) }));
        read.await?.map(owner).transpose()
    }

    /// Stores an API key of a user.
    pub async fn create_api_key(&self, by: ChangedBy, user: Uuid, key: ApiKey) -> Result<Uuid, EngineError> {
        let new = NewApiKey {
            id: Uuid::now_v7(),
            user,
            name: key.name,
            secret_hash: key.secret_hash,
            scopes: serde_json::to_string(&key.scopes).map_err(|_| EngineError::Internal)?,
            expires_at: key.expires_at,
            created_at: by.at,
        };
        let id = new.id;
        let write = self.store().write(move |tx| {
            let new = new.clone();
            Box::pin(async move {
                insert_api_key(tx, &new).await?;
                let changes = serde_json::json!({"name": {"old": null, "new": new.name}});
                audit(tx, &by, "API_KEY_CREATED", "User", user, changes).await?;
                Ok::<_, EngineError>(())
            })
        });
        write.await?;
        Ok(id)
    }
}

fn new_session(user: Uuid, pair: &TokenPair, now: DateTime<Utc>, ends: DateTime<Utc>) -> NewSession {
    NewSession {
        id: Uuid::now_v7(),
        user,
        access_hash: pair.access_hash.clone(),
        refresh_hash: pair.refresh_hash.clone(),
        created_at: now,
        expires_at: (now + pair.access_lifetime).min(ends),
        refresh_expires_at: ends,
    }
}

fn owner(row: TokenRow) -> Result<TokenOwner, EngineError> {
    let scopes = row.scopes.as_deref().map_or(Ok(Vec::new()), serde_json::from_str);
    Ok(TokenOwner {
        id: row.id,
        user: row.user,
        expires_at: row.expires_at.as_deref().map(parse_instant).transpose()?,
        // A key whose scopes cannot be read must not be taken for one without bounds.
        scopes: scopes.map_err(|_| EngineError::Internal)?,
    })
}

fn parse_instant(text: &str) -> Result<DateTime<Utc>, EngineError> {
    DateTime::parse_from_rfc3339(text).map(|instant| instant.to_utc()).map_err(|error| {
        tracing::error!(%error, "an instant in the database cannot be read");
        EngineError::Internal
    })
}
