//! Forgotten passwords: asking for a link, and setting another password by it.

use async_recursion::async_recursion as boxed;
use cardine_engine::identity::ResetLimits;
use cardine_engine::{Engine, EngineError};
use cardine_model::text::account_key;
use chrono::{DateTime, Utc};

use crate::password::UnfitPassword;
use crate::secret::{Secret, SecretKind};
use crate::{Auth, Peer};

/// Why a password was not reset.
#[derive(Debug)]
pub enum ResetError {
    /// The link is not good, or not any more.
    Stale,
    /// The password cannot be taken.
    Unfit(UnfitPassword),
    /// The database failed.
    Engine(EngineError),
}

impl From<EngineError> for ResetError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Auth {
    /// Asks for a link to be mailed. What is done here is the same whether anybody has the address or not; all that differs is
    /// done later, by the sender of mails. False if the network has asked too often.
    #[boxed]
    pub async fn forgot_password(
        &self,
        engine: &Engine,
        email: &str,
        peer: &Peer,
        limits: ResetLimits,
        now: DateTime<Utc>,
    ) -> Result<bool, EngineError> {
        let snapshot = engine.snapshot();
        let user = snapshot.access.user_with_email(&account_key(email)).filter(|user| user.active);
        engine.request_reset(user.map(|user| user.id), peer.network(), limits, now).await
    }

    /// Whether a link's token could be used now.
    #[boxed]
    pub async fn reset_is_open(&self, engine: &Engine, token: &str, now: DateTime<Utc>) -> Result<bool, EngineError> {
        match Secret::parse(token, SecretKind::Reset) {
            Some(token) => engine.reset_is_open(token.hash().to_hex(), now).await,
            None => Ok(false),
        }
    }

    /// Sets the password of the link's user, once, and ends all sessions.
    #[boxed]
    pub async fn reset_password(
        &self,
        engine: &Engine,
        token: &str,
        password: &str,
        now: DateTime<Utc>,
    ) -> Result<(), ResetError> {
        // Before anything is hashed: that is dear, and only who was sent a link may ask for it.
        if !self.reset_is_open(engine, token, now).await? {
            return Err(ResetError::Stale);
        }
        let token = Secret::parse(token, SecretKind::Reset).ok_or(ResetError::Stale)?;
        let password_hash = self.passwords.hash(password).await.map_err(ResetError::Unfit)?;
        let user = engine.reset_password(token.hash().to_hex(), password_hash, now).await?;
        self.forget_tokens();
        user.map(|_| ()).ok_or(ResetError::Stale)
    }
}
