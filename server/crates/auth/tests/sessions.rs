//! Sessions over a real database: signing in, rotation of refresh tokens, what reuse and revocation end.

// In a test a panic is how it fails, in the functions that it calls too.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cardine_auth::{Auth, Peer, SignInError, Tokens};
use cardine_engine::Engine;
use cardine_engine::identity::{ApiKey, Assignment, ChangedBy, NewUser};
use cardine_store::{DatabaseUrl, Options, Store};
use chrono::{DateTime, TimeDelta, Utc};
use tempfile::TempDir;
use uuid::Uuid;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const PASSWORD: &str = "correct horse battery staple";

fn peer() -> Peer {
    ADDRESS.into()
}

struct World {
    engine: Engine,
    auth: Auth,
    /// In seconds; stands still unless a test moves it.
    clock: Arc<AtomicU64>,
    user: Uuid,
    now: DateTime<Utc>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("cardine.db"));
        let store = Store::open(&url, &Options::default()).await.unwrap();
        store.migrate().await.unwrap();
        let engine = Engine::open(store).await.unwrap();
        let clock = Arc::new(AtomicU64::new(0));
        let seconds = Arc::clone(&clock);
        let auth = Auth::with_clock(move || Duration::from_secs(seconds.load(Ordering::Relaxed)));
        let now = Utc::now();
        let by = ChangedBy::system("test", now);
        let hash = auth.passwords.hash(PASSWORD).await.unwrap();
        engine.create_first_administrator(by, "admin@example.org", hash.clone()).await.unwrap().unwrap();
        let new = NewUser {
            email: "Ann@Example.org".to_owned(),
            name: None,
            role: "sales-person".to_owned(),
            password_hash: Some(hash),
            locale: None,
            time_zone: None,
        };
        let user = engine.create_user(by, new).await.unwrap();
        Self { engine, auth, clock, user, now, _folder: folder }
    }

    async fn sign_in(&self) -> Tokens {
        self.auth.sign_in(&self.engine, "ann@example.ORG", PASSWORD, &peer(), self.now).await.unwrap()
    }

    async fn refresh(&self, tokens: &Tokens) -> Result<Tokens, SignInError> {
        self.auth.refresh(&self.engine, tokens.refresh.reveal(), &peer(), self.now).await
    }

    async fn is_good(&self, token: &str, now: DateTime<Utc>) -> bool {
        let owner = self.auth.owner(&self.engine, token, now).await.unwrap();
        owner.is_some_and(|owner| owner.user == self.user)
    }
}

#[tokio::test]
async fn an_access_token_is_good_for_a_quarter_of_an_hour() {
    let world = World::new().await;
    let tokens = world.sign_in().await;
    assert_eq!(tokens.expires_in, 900);
    assert!(world.is_good(tokens.access.reveal(), world.now).await);
    assert!(world.is_good(tokens.access.reveal(), world.now + TimeDelta::seconds(899)).await);
    assert!(!world.is_good(tokens.access.reveal(), world.now + TimeDelta::seconds(900)).await);
    assert!(!world.is_good(tokens.refresh.reveal(), world.now).await, "a refresh token is no access token");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_user_are_refused_alike() {
    let world = World::new().await;
    for (email, password) in [("ann@example.org", "wrong"), ("nobody@example.org", PASSWORD), ("", "")] {
        let refused = world.auth.sign_in(&world.engine, email, password, &peer(), world.now).await;
        assert!(matches!(refused, Err(SignInError::Refused)), "{email}");
    }
}

#[tokio::test]
async fn guessing_must_wait_and_the_right_password_too() {
    let world = World::new().await;
    for _ in 0..5 {
        let refused = world.auth.sign_in(&world.engine, "ann@example.org", "wrong", &peer(), world.now).await;
        assert!(matches!(refused, Err(SignInError::Refused)));
    }
    // Another spelling of the address is the same account.
    let refused = world.auth.sign_in(&world.engine, " ANN@example.org", PASSWORD, &peer(), world.now).await;
    assert!(matches!(refused, Err(SignInError::Wait { seconds: 1.. })));
    let later = world.now + TimeDelta::seconds(1);
    world.auth.sign_in(&world.engine, "ann@example.org", PASSWORD, &peer(), later).await.unwrap();
}

#[tokio::test]
async fn a_revocation_by_another_process_bites_within_a_second() {
    let world = World::new().await;
    let tokens = world.sign_in().await;
    assert!(world.is_good(tokens.access.reveal(), world.now).await);
    // Past this process's own cache of tokens, as another process would.
    world.engine.end_session(tokens.refresh.hash().to_hex(), world.now).await.unwrap();
    assert!(world.is_good(tokens.access.reveal(), world.now).await, "believed for a moment, which the next line ends");
    world.clock.store(1, Ordering::Relaxed);
    assert!(!world.is_good(tokens.access.reveal(), world.now).await);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_the_old_access_token_ends() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let second = world.refresh(&first).await.unwrap();
    assert!(!world.is_good(first.access.reveal(), world.now).await);
    assert!(world.is_good(second.access.reveal(), world.now).await);
    let third = world.refresh(&second).await.unwrap();
    assert!(world.is_good(third.access.reveal(), world.now).await);
}

#[tokio::test]
async fn reuse_of_a_refresh_token_ends_all_that_came_from_it_and_nothing_else() {
    let world = World::new().await;
    let other = world.sign_in().await;
    let first = world.sign_in().await;
    let second = world.refresh(&first).await.unwrap();
    let third = world.refresh(&second).await.unwrap();
    assert!(matches!(world.refresh(&first).await, Err(SignInError::Refused)));
    assert!(!world.is_good(third.access.reveal(), world.now).await);
    assert!(matches!(world.refresh(&third).await, Err(SignInError::Refused)));
    assert!(world.is_good(other.access.reveal(), world.now).await, "another session of the same user");
}

#[tokio::test]
async fn a_session_cannot_be_refreshed_for_ever() {
    let world = World::new().await;
    let first = world.sign_in().await;
    let later = world.now + TimeDelta::days(29);
    let second = world.auth.refresh(&world.engine, first.refresh.reveal(), &peer(), later).await.unwrap();
    let end = world.now + TimeDelta::days(30);
    let refused = world.auth.refresh(&world.engine, second.refresh.reveal(), &peer(), end).await;
    assert!(matches!(refused, Err(SignInError::Refused)), "30 days count from the password, not from the last refresh");
}

#[tokio::test]
async fn signing_out_ends_the_session_at_once() {
    let world = World::new().await;
    let tokens = world.sign_in().await;
    assert!(world.is_good(tokens.access.reveal(), world.now).await);
    world.auth.sign_out(&world.engine, tokens.refresh.reveal(), world.now).await.unwrap();
    assert!(!world.is_good(tokens.access.reveal(), world.now).await);
    assert!(matches!(world.refresh(&tokens).await, Err(SignInError::Refused)));
    world.auth.sign_out(&world.engine, "crt_nonsense", world.now).await.unwrap();
}

#[tokio::test]
async fn a_user_who_may_not_sign_in_any_more_is_nobody() {
    let world = World::new().await;
    let tokens = world.sign_in().await;
    let by = ChangedBy::system("test", world.now);
    world.engine.set_user_active(by, world.user, false).await.unwrap();
    world.auth.forget_tokens();
    assert!(!world.is_good(tokens.access.reveal(), world.now).await);
    assert!(matches!(world.refresh(&tokens).await, Err(SignInError::Refused)));
    let refused = world.auth.sign_in(&world.engine, "ann@example.org", PASSWORD, &peer(), world.now).await;
    assert!(matches!(refused, Err(SignInError::Refused)));
    let snapshot = world.engine.snapshot();
    assert!(snapshot.access.actor(&snapshot.catalog, world.user, None, None).is_none());
}

#[tokio::test]
async fn an_api_key_ends_when_it_says() {
    let world = World::new().await;
    let secret = cardine_auth::secret::Secret::generate(cardine_auth::secret::SecretKind::ApiKey);
    let end = world.now + TimeDelta::hours(1);
    let key =
        ApiKey { name: "import".to_owned(), secret_hash: secret.hash().to_hex(), scopes: None, expires_at: Some(end) };
    world.engine.create_api_key(ChangedBy::system("test", world.now), world.user, key).await.unwrap();
    assert!(world.is_good(secret.reveal(), world.now).await);
    assert!(!world.is_good(secret.reveal(), end).await);
}

fn role(name: &str) -> Assignment {
    Assignment { role: Some(name.to_owned()), ..Assignment::default() }
}

#[tokio::test]
async fn there_is_one_first_administrator_and_always_one_left() {
    let world = World::new().await;
    let by = ChangedBy::system("test", world.now);
    let second = world.engine.create_first_administrator(by, "second@example.org", "hash".to_owned()).await.unwrap();
    assert!(second.is_none());
    let admin = world.engine.snapshot().access.user_with_email("admin@example.org").unwrap().id;
    assert!(world.engine.set_user_active(by, admin, false).await.is_err());
    assert!(world.engine.assign_user(by, admin, role("marketing")).await.is_err());
    assert!(world.engine.snapshot().access.has_administrator());
    world.engine.assign_user(by, world.user, role("administrator")).await.unwrap();
    world.engine.assign_user(by, admin, role("marketing")).await.unwrap();
}
