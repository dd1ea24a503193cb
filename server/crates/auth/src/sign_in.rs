//! Signing in by password, exchanging refresh tokens, signing out, and finding out whose token a request carries.

use async_recursion::async_recursion as boxed;
use cardine_engine::identity::{Attempt, ChangedBy, RefreshOutcome, TokenOwner, TokenPair};
use cardine_engine::{Engine, EngineError};
use cardine_model::text::account_key;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::secret::{Secret, SecretKind};
use crate::{Auth, Peer};

/// How long an access token is good.
const ACCESS_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// How long a session can be refreshed before the password is asked for again.
const SESSION_LIFETIME: TimeDelta = TimeDelta::days(30);
/// How long a browser's session lasts. It is not refreshed.
const CONSOLE_LIFETIME: TimeDelta = TimeDelta::hours(12);

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

/// A new session of a browser.
#[derive(Debug)]
pub struct ConsoleSession {
    /// What the cookie holds.
    pub cookie: Secret,
    /// Seconds until it ends.
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

/// A user who has proved to be one. Nothing else begins a session, so whatever is to be asked of everybody who signs in, by
/// whatever way, is asked where a value of this type is taken: see [`Auth::sign_in`].
#[derive(Debug, Clone, Copy)]
struct Principal(Uuid);

impl Auth {
    /// Signs in by password.
    ///
    /// Signing in has two steps. The first one proves who somebody is and gives a `Principal`: today by password; an identity
    /// provider (OpenID Connect) would be another way to one, with the provider's issuer, audience and algorithm pinned. The
    /// second one makes the session. A second factor belongs between the two: it takes the principal, and what it gives is
    /// what the second step takes, so that no way of signing in goes past it.
    #[boxed]
    pub async fn sign_in(
        &self,
        engine: &Engine,
        email: &str,
        password: &str,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<Tokens, SignInError> {
        let Principal(user) = self.prove_by_password(engine, email, password, peer, now).await?;
        let tokens = Tokens::generate();
        engine.start_session(user, tokens.pair(), SESSION_LIFETIME, peer.origin(), now).await?;
        Ok(tokens)
    }

    /// Signs a browser in by password, as [`Self::sign_in`] does.
    #[boxed]
    pub async fn sign_in_console(
        &self,
        engine: &Engine,
        email: &str,
        password: &str,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<ConsoleSession, SignInError> {
        let Principal(user) = self.prove_by_password(engine, email, password, peer, now).await?;
        let cookie = Secret::generate(SecretKind::Console);
        // There is no way to refresh such a session: nobody knows this token.
        let refresh = Secret::generate(SecretKind::Refresh);
        let pair = TokenPair {
            access_hash: cookie.hash().to_hex(),
            refresh_hash: refresh.hash().to_hex(),
            access_lifetime: CONSOLE_LIFETIME,
        };
        engine.start_session(user, pair, CONSOLE_LIFETIME, peer.origin(), now).await?;
        Ok(ConsoleSession { cookie, expires_in: CONSOLE_LIFETIME.num_seconds() })
    }

    /// Whether this is the password of a user who is signed in. It is an attempt like any other: a stolen token is no way to
    /// guess faster. Gives the hash that is stored.
    #[boxed]
    pub async fn confirm_password(
        &self,
        engine: &Engine,
        user: Uuid,
        password: &str,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<String, SignInError> {
        let snapshot = engine.snapshot();
        let email = snapshot.access.user(user).map(|user| user.email.clone()).ok_or(SignInError::Refused)?;
        self.prove_by_password(engine, &email, password, peer, now).await?;
        engine.password_hash(user).await?.ok_or(SignInError::Refused)
    }

    async fn prove_by_password(
        &self,
        engine: &Engine,
        email: &str,
        password: &str,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<Principal, SignInError> {
        let account = account_key(email);
        let attempt = Attempt::new(&account, peer.network());
        if let Some(wait) = engine.begin_attempt(&attempt, now).await? {
            return Err(SignInError::Wait { seconds: u64::try_from(wait.num_seconds()).unwrap_or_default() + 1 });
        }
        let snapshot = engine.snapshot();
        let user = snapshot.access.user_with_email(&account).filter(|user| user.active).map(|user| user.id);
        // For nobody too: whether there is somebody must not be told by the time that it takes.
        let stored = engine.password_hash(user.unwrap_or(Uuid::nil())).await?;
        let right = self.passwords.verify(password, stored.as_deref()).await;
        let Some(user) = user.filter(|_| right) else {
            engine.note_failed_sign_in(ChangedBy::by_origin(&peer.origin(), now), user, email).await?;
            return Err(SignInError::Refused);
        };
        engine.end_attempt(&attempt).await?;
        Ok(Principal(user))
    }

    /// Exchanges a refresh token for the next pair. One that was used before ends the session of all that came from it.
    #[boxed]
    pub async fn refresh(
        &self,
        engine: &Engine,
        refresh: &str,
        peer: &Peer,
        now: DateTime<Utc>,
    ) -> Result<Tokens, SignInError> {
        let Some(refresh) = Secret::parse(refresh, SecretKind::Refresh) else { return Err(SignInError::Refused) };
        let tokens = Tokens::generate();
        let outcome = engine.refresh_session(refresh.hash().to_hex(), tokens.pair(), peer.origin(), now).await?;
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
    #[boxed]
    pub async fn sign_out(&self, engine: &Engine, refresh: &str, now: DateTime<Utc>) -> Result<(), EngineError> {
        if let Some(refresh) = Secret::parse(refresh, SecretKind::Refresh) {
            engine.end_session(refresh.hash().to_hex(), now).await?;
            self.tokens.clear();
        }
        Ok(())
    }

    /// Whose bearer token this is: an access token or an API key that is good now.
    #[boxed]
    pub async fn owner(
        &self,
        engine: &Engine,
        token: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenOwner>, EngineError> {
        let access = Secret::parse(token, SecretKind::Access);
        let Some(secret) = access.or_else(|| Secret::parse(token, SecretKind::ApiKey)) else { return Ok(None) };
        self.owner_of(engine, &secret, now).await
    }

    /// Whose secret this is, if it is good now. Which kinds may come by which way is the caller's business.
    #[boxed]
    pub async fn owner_of(
        &self,
        engine: &Engine,
        secret: &Secret,
        now: DateTime<Utc>,
    ) -> Result<Option<TokenOwner>, EngineError> {
        let hash = secret.hash();
        let asked = self.elapsed();
        let owner = match self.tokens.get(&hash, asked) {
            Some(owner) => Some(owner),
            None => {
                let found = match secret.kind() {
                    SecretKind::Access | SecretKind::Console => engine.access_token(hash.to_hex(), now).await?,
                    SecretKind::ApiKey => engine.api_key(hash.to_hex(), now).await?,
                    SecretKind::Refresh | SecretKind::Setup | SecretKind::Reset => None,
                };
                if let Some(owner) = &found {
                    self.tokens.put(hash, asked, owner.clone());
                    note_use(engine, owner.clone(), now);
                }
                found
            }
        };
        Ok(owner.filter(|owner| owner.expires_at.is_none_or(|end| end > now)))
    }

    /// Believes no token any more without asking the database, after a change of users in this process.
    pub fn forget_tokens(&self) {
        self.tokens.clear();
    }
}

/// Beside the request, which does not wait for it.
fn note_use(engine: &Engine, owner: TokenOwner, now: DateTime<Utc>) {
    let engine = engine.clone();
    tokio::spawn(async move {
        if let Err(error) = engine.note_use(&owner, now).await {
            tracing::debug!(%error, "when a token was used could not be noted");
        }
    });
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
