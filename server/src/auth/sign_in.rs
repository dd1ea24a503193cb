//! Signing in by password, exchanging refresh tokens, signing out, and finding out whose token a request carries.

use std::net::IpAddr;

use cardine_engine::identity::{RefreshOutcome, TokenOwner, TokenPair};
use cardine_engine::{Engine, EngineError};
use cardine_model::text::fold;
use chrono::{DateTime, TimeDelta, Utc};

use super::Auth;
use super::secret::{Secret, SecretKind};

/// How long an access token is good.
const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// How long a session can be refreshed before the password is asked for again.
const SESSION_LIFETIME: TimeDelta = TimeDelta::days(30);

/// A new pair of tokens, for its owner's eyes.
#[derive(Debug)]
pub struct Tokens {
    /// Sent with every request.
    pub access: Secret,
    /// Exchanged for the next pair.
    pub refresh: Secret,
    /// Seconds until the access token ends.
    pub expires_in: i64,
}

/// Why nobody was signed in.
#[derive(Debug)]
pub enum SignInError {
    /// Not with these; what is wrong of them is not told.
    Refused,
    /// Too many failures: not before so many seconds.
    Wait {
        /// Seconds, at least 1.
        seconds: u64,
    },
    /// The database failed.
    Engine(EngineError),
}

impl From<EngineError> for SignInError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl Auth {
    /// Signs in by password. `address` is the peer's own: a header that claims another is not believed.
    pub async fn sign_in(
        &self,
        engine: &Engine,
        email: &str,
        password: &str,
        address: IpAddr,
        now: DateTime<Utc>,
    ) -> Result<Tokens, SignInError> {
        let account = fold(email.trim()).into_owned();
        let wait = self.back_off.wait(&account, address, self.elapsed());
        if !wait.is_zero() {
            return Err(SignInError::Wait { seconds: wait.as_secs() + 1 });
        }
        self.back_off.count_failure(&account, address, self.elapsed());
        let snapshot = engine.snapshot();
        let user = snapshot.access.user_with_email(&account).filter(|user| user.active).map(|user| user.id);
        let stored = match user {
            Some(user) => engine.password_hash(user).await?,
            None => None,
        };
        let right = self.passwords.verify(password, stored.as_deref()).await;
        let Some(user) = user.filter(|_| right) else { return Err(SignInError::Refused) };
        self.back_off.count_success(&account, address);
        let tokens = Tokens::generate();
        engine.start_session(user, tokens.pair(), SESSION_LIFETIME, now).await?;
        Ok(tokens)
    }

    /// Exchanges a refresh token for the next pair. One that was used before ends the session of all that came from it.
    pub async fn refresh(&self, engine: &Engine, refresh: &str, now: DateTime<Utc>) -> Result<Tokens, SignInError> {
        let Some(refresh) = Secret::parse(refresh, SecretKind::Refresh) else { return Err(SignInError::Refused) };
        let tokens = Tokens::generate();
        let outcome = engine.refresh_session(refresh.hash().to_hex(), tokens.pair(), now).await?;
        self.tokens.clear();
        match outcome {
            RefreshOutcome::Refreshed { user }
                if engine.snapshot().access.user(user).is_some_and(|user| user.active) =>
            {
                Ok(tokens)
            }
            RefreshOutcome::Refreshed { .. } | RefreshOutcome::Unknown => Err(SignInError::Refused),
            RefreshOutcome::Reused => {
                tracing::warn!("a refresh token was used twice; its session is revoked");
                Err(SignInError::Refused)
            }
        }
    }

    /// Ends the session of a refresh token. An unknown one is no error: there is nothing left to end.
    pub async fn sign_out(&self, engine: &Engine, refresh: &str, now: DateTime<Utc>) -> Result<(), EngineError> {
        if let Some(refresh) = Secret::parse(refresh, SecretKind::Refresh) {
            engine.end_session(refresh.hash().to_hex(), now).await?;
            self.tokens.clear();
        }
        Ok(())
    }

    /// Whose bearer token this is: an access token or an API key that is good now.
    pub async fn owner(
        &self,
        engine: &Engine,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenOwner>, EngineError> {
        let access = Secret::parse(token, SecretKind::Access);
        let Some(secret) = access.clone().or_else(|| Secret::parse(token, SecretKind::ApiKey)) else { return Ok(None) };
        let hash = secret.hash();
        let asked = self.elapsed();
        let owner = match self.tokens.get(&hash, asked) {
            Some(owner) => Some(owner),
            None => {
                let found = match access {
                    Some(_) => engine.access_token(hash.to_hex(), now).await?,
                    None => engine.api_key(hash.to_hex(), now).await?,
                };
                if let Some(owner) = &found {
                    self.tokens.put(hash, asked, owner.clone());
                }
                found
            }
        };
        let is_good = |owner: &TokenOwner| owner.expires_at.is_none_or(|end| end > now);
        // No key has scopes yet. One that has them comes from a newer version, and must not be taken for one without bounds.
        Ok(owner.filter(is_good).filter(|owner| owner.scopes.is_empty()))
    }

    /// Believes no token any more without asking the database, after a change of users in this process.
    pub fn forget_tokens(&self) {
        self.tokens.clear();
    }
}

impl Tokens {
    fn generate() -> Self {
        Self {
            access: Secret::generate(SecretKind::Access),
            refresh: Secret::generate(SecretKind::Refresh),
            expires_in: ACCESS_LIFETIME.num_seconds(),
        }
    }

    fn pair(&self) -> TokenPair {
        TokenPair {
            access_hash: self.access.hash().to_hex(),
            refresh_hash: self.refresh.hash().to_hex(),
            access_lifetime: ACCESS_LIFETIME,
        }
    }
}
