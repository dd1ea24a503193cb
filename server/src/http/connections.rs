//! Connections that last: how many there are, and what ends them from outside: a token that is no longer good, or the
//! server's own end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use cardine_engine::Engine;
use cardine_engine::identity::TokenOwner;
use cardine_graphql::limits::Limits;
use chrono::Utc;
use tokio::sync::watch;
use uuid::Uuid;

/// How often it is looked whether the tokens are still good: one statement for all connections.
const LOOK: Duration = Duration::from_millis(300);

/// All of this process.
pub struct Connections {
    most: usize,
    most_per_caller: usize,
    state: Mutex<State>,
    draining: watch::Sender<bool>,
    open: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    by_caller: HashMap<CallerKey, usize>,
    /// By session or API key: its user, and whom to tell when it is no longer good.
    tokens: HashMap<Uuid, Watched>,
}

struct Watched {
    user: Uuid,
    connections: usize,
    revoked: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum CallerKey {
    User(Uuid),
    Address(IpAddr),
}

/// Why a connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Its token is no longer good.
    Revoked,
    /// The server ends.
    Draining,
}

/// There are as many connections as may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("The limit of {limit} {what} is reached.")]
pub struct TooMany {
    what: &'static str,
    limit: usize,
}

/// One connection, counted until it is dropped.
pub struct Connection {
    connections: Arc<Connections>,
    caller: Option<CallerKey>,
    token: Option<Uuid>,
    revoked: Option<watch::Receiver<bool>>,
    draining: watch::Receiver<bool>,
}

impl Connections {
    /// None yet. A task looks after their tokens for as long as the value lives.
    pub fn new(limits: &Limits, engine: Engine) -> Arc<Self> {
        let connections = Arc::new(Self {
            most: limits.connections,
            most_per_caller: limits.connections_per_caller,
            state: Mutex::default(),
            draining: watch::Sender::new(false),
            open: watch::Sender::new(0),
        });
        tokio::spawn(look(Arc::downgrade(&connections), engine));
        connections
    }

    /// Counts one more.
    pub fn open(self: &Arc<Self>) -> Result<Connection, TooMany> {
        let fits = self.open.send_if_modified(|open| {
            let fits = *open < self.most;
            *open += usize::from(fits);
            fits
        });
        if !fits {
            return Err(TooMany { what: "connections", limit: self.most });
        }
        let draining = self.draining.subscribe();
        Ok(Connection { connections: Arc::clone(self), caller: None, token: None, revoked: None, draining })
    }

    /// Ends all of them.
    pub fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Waits until there are none.
    pub async fn closed(&self) {
        // The sender is ours, so it is there.
        let _ = self.open.subscribe().wait_for(|open| *open == 0).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while counting")
    }

    /// Tells those whose tokens are not among the good ones, or whose user is gone.
    fn keep(&self, asked: &[Uuid], good: &[Uuid], is_active: impl Fn(Uuid) -> bool) {
        let state = self.state();
        for token in asked {
            if let Some(watched) = state.tokens.get(token)
                && !(good.contains(token) && is_active(watched.user))
            {
                watched.revoked.send_replace(true);
            }
        }
    }
}

impl Connection {
    /// Says who it belongs to. Until then it counts for nobody.
    pub fn belongs_to(&mut self, token: Option<&TokenOwner>, address: IpAddr) -> Result<(), TooMany> {
        let key = token.map_or(CallerKey::Address(address), |owner| CallerKey::User(owner.user));
        let mut state = self.connections.state();
        let count = state.by_caller.entry(key).or_default();
        if *count >= self.connections.most_per_caller {
            let what = "connections of one caller";
            return Err(TooMany { what, limit: self.connections.most_per_caller });
        }
        *count += 1;
        self.caller = Some(key);
        if let Some(owner) = token {
            let watched = state.tokens.entry(owner.id).or_insert_with(|| Watched {
                user: owner.user,
                connections: 0,
                revoked: watch::Sender::new(false),
            });
            watched.connections += 1;
            self.revoked = Some(watched.revoked.subscribe());
            self.token = Some(owner.id);
        }
        Ok(())
    }

    /// Completes when it must end.
    pub async fn ended(&mut self) -> Ending {
        let revoked = async {
            match &mut self.revoked {
                // The sender lives as long as a connection has the token.
                Some(revoked) => drop(revoked.wait_for(|revoked| *revoked).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = revoked => Ending::Revoked,
            _ = self.draining.wait_for(|draining| *draining) => Ending::Draining,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut state = self.connections.state();
        if let Some(key) = self.caller
            && let Some(count) = state.by_caller.get_mut(&key)
        {
            *count -= 1;
            if *count == 0 {
                state.by_caller.remove(&key);
            }
        }
        if let Some(token) = self.token
            && let Some(watched) = state.tokens.get_mut(&token)
        {
            watched.connections -= 1;
            if watched.connections == 0 {
                state.tokens.remove(&token);
            }
        }
        drop(state);
        self.connections.open.send_modify(|open| *open -= 1);
    }
}

async fn look(connections: Weak<Connections>, engine: Engine) {
    while let Some(connections) = connections.upgrade() {
        let asked: Vec<Uuid> = connections.state().tokens.keys().copied().collect();
        if !asked.is_empty() {
            match engine.good_tokens(asked.clone(), Utc::now()).await {
                Ok(good) => {
                    let access = std::sync::Arc::clone(&engine.snapshot().access);
                    connections.keep(&asked, &good, |user| access.user(user).is_some_and(|user| user.active));
                }
                Err(error) => tracing::warn!(%error, "the tokens of open connections could not be looked at"),
            }
        }
        drop(connections);
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, most_per_caller: usize) -> Arc<Connections> {
        Arc::new(Connections {
            most,
            most_per_caller,
            state: Mutex::default(),
            draining: watch::Sender::new(false),
            open: watch::Sender::new(0),
        })
    }

    fn owner(id: u128, user: u128) -> TokenOwner {
        TokenOwner {
            id: Uuid::from_u128(id),
            user: Uuid::from_u128(user),
            expires_at: None,
            last_used_at: None,
            session: None,
            scopes: None,
        }
    }

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn both_bounds_hold_and_what_is_closed_makes_room() {
        let connections = connections(3, 2);
        let mut first = connections.open().unwrap();
        let mut second = connections.open().unwrap();
        let mut third = connections.open().unwrap();
        let message = connections.open().err().unwrap().to_string();
        assert_eq!(message, "The limit of 3 connections is reached.");
        first.belongs_to(Some(&owner(1, 7)), HERE).unwrap();
        second.belongs_to(Some(&owner(2, 7)), HERE).unwrap();
        let message = third.belongs_to(Some(&owner(3, 7)), HERE).unwrap_err().to_string();
        assert_eq!(message, "The limit of 2 connections of one caller is reached.");
        third.belongs_to(None, HERE).unwrap();
        drop((first, third));
        connections.open().unwrap().belongs_to(Some(&owner(3, 7)), HERE).unwrap();
        drop(second);
        assert!(connections.state().by_caller.is_empty() && connections.state().tokens.is_empty());
        assert_eq!(*connections.open.borrow(), 0);
    }

    #[tokio::test]
    async fn a_token_that_is_no_longer_good_ends_its_connections_alone() {
        let connections = connections(9, 9);
        let open = |id, user| {
            let mut connection = connections.open().unwrap();
            connection.belongs_to(Some(&owner(id, user)), HERE).unwrap();
            connection
        };
        let (mut gone, mut good, mut inactive) = (open(1, 7), open(2, 7), open(3, 8));
        let ids: Vec<Uuid> = [1, 2, 3].map(Uuid::from_u128).into();
        connections.keep(&ids, &ids[1..], |user| user == Uuid::from_u128(7));
        assert_eq!(gone.ended().await, Ending::Revoked);
        assert_eq!(inactive.ended().await, Ending::Revoked);
        assert!(futures_util::FutureExt::now_or_never(good.ended()).is_none());
        connections.drain();
        assert_eq!(good.ended().await, Ending::Draining);
    }
}
