//! Subscriptions: what committed changes mean for each caller, evaluated once for all who ask the same.
//!
//! Subscribers with the same caller and request share a group, which follows its module in the engine's feed. A subscriber that
//! takes too long is left behind by its group, without anybody waiting: it reads the outbox at its own pace, and joins again
//! when it has caught up. The same way begins a subscription that goes on after a lost connection.

mod evaluate;
mod group;
mod notices;
mod plan;
mod subscriber;

use async_recursion::async_recursion as boxed;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use cardine_access::Scopes;
use cardine_engine::{Engine, RequestContext};
use sha2::{Digest as _, Sha256};
use tokio::sync::{Semaphore, watch};
use uuid::Uuid;

use crate::error::{Code, Error};
use crate::execute::Front;
use crate::protocol::Request;
use evaluate::gap;
use group::Group;
use plan::{Plan, is_subscription};

pub use subscriber::Subscriber;

/// Evaluations that use the database at once.
const EVALUATIONS_MAX: usize = 4;
/// How often it is looked whether rights or modules have changed, for subscriptions that nothing is told to meanwhile.
const LOOK: Duration = Duration::from_millis(200);
/// Bytes of a subscription's variables, as JSON.
const VARIABLES_MAX: usize = 16 << 10;
/// How long the beginning of a subscription may wait for transactions that were under way.
const BEGIN_MAX: Duration = Duration::from_secs(10);

/// Who subscribes: what is needed to find out, at each moment, what they may see.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The user; `None` for a caller without a token.
    pub user: Option<Uuid>,
    /// What an API key leaves of the user's rights; `None`: all.
    pub scopes: Option<Arc<Scopes>>,
    /// The time zone that the caller asked for.
    pub time_zone: Option<String>,
    /// The languages that the caller asked for: best one first, with commas between.
    pub languages: Option<String>,
}

/// Gives a caller's context as of now; `None` if there is no such user any more.
pub type Contexts = Box<dyn Fn(&Identity) -> Option<RequestContext> + Send + Sync>;

/// Why a subscription ends.
#[derive(Debug, Clone)]
pub enum End {
    /// The caller is nobody any more.
    Unauthenticated,
    /// The request is wrong, or no longer right, or it failed.
    Failed(Arc<[Error]>),
}

impl End {
    fn failed(error: Error) -> Self {
        Self::Failed([error].into())
    }

    /// What is told.
    pub fn errors(&self) -> Vec<Error> {
        match self {
            Self::Unauthenticated => {
                vec![Error::new(Code::Unauthenticated, "You are no longer signed in. Sign in again.")]
            }
            Self::Failed(errors) => errors.to_vec(),
        }
    }
}

/// All subscriptions of a process. Cheap to clone.
#[derive(Clone)]
pub struct Subscriptions(Arc<Hub>);

struct Hub {
    front: Front,
    engine: Engine,
    contexts: Contexts,
    groups: Mutex<HashMap<Key, Weak<Group>>>,
    evaluations: Semaphore,
    /// Told when rights or modules have changed.
    renewed: watch::Sender<()>,
}

/// What subscribers must have in common to share a group: a digest of who they are and what they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

impl Key {
    fn of(identity: &Identity, request: &Request, variables: &str) -> Self {
        let user = identity.user.map(|user| user.to_string());
        let scopes = identity.scopes.as_ref().map(|scopes| scopes.to_string());
        let optional = [&user, &scopes, &identity.time_zone, &identity.languages, &request.operation_name];
        let mut digest = Sha256::new();
        // Each part with its length, so that no two lists of parts give the same bytes.
        for part in optional.map(Option::as_deref).into_iter().chain([Some(&*request.query), Some(variables)]) {
            digest.update(part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            digest.update(part.unwrap_or_default());
        }
        Self(digest.finalize().into())
    }
}

/// A subscription's request and who made it.
struct Source {
    identity: Identity,
    request: Request,
    key: Key,
}

impl Subscriptions {
    /// None yet.
    pub fn new(front: Front, engine: Engine, contexts: Contexts) -> Self {
        let (groups, evaluations) = (Mutex::default(), Semaphore::new(EVALUATIONS_MAX));
        let hub = Arc::new(Hub { front, engine, contexts, groups, evaluations, renewed: watch::Sender::new(()) });
        tokio::spawn(look(Arc::downgrade(&hub)));
        Self(hub)
    }

    /// Begins a subscription: all that is committed after this has returned is told.
    #[boxed]
    pub async fn subscribe(&self, identity: Identity, request: Request) -> Result<Subscriber, End> {
        let hub = &self.0;
        let ctx = (hub.contexts)(&identity).ok_or(End::Unauthenticated)?;
        let variables = serde_json::Value::Object(request.variables.clone()).to_string();
        if variables.len() > VARIABLES_MAX {
            // They are kept for as long as the subscription lasts.
            let error = Error::limit("bytes of a subscription's variables", VARIABLES_MAX, variables.len());
            return Err(End::failed(error));
        }
        let plan = Plan::new(&hub.front, &ctx, &request).map_err(|errors| End::Failed(errors.into()))?;
        let after = match plan.followed.after() {
            None => None,
            Some(text) => Some(hub.front.cursors.open_position(text).ok_or_else(|| {
                let message =
                    "`after` is no position of a change: give one that a subscription of this server has told.";
                End::failed(Error::input(message))
            })?),
        };
        let following = hub.engine.feed().follow(plan.module_name());
        let now = tokio::time::timeout(BEGIN_MAX, following.now()).await;
        let now = now.ok().and_then(Result::ok).ok_or_else(|| {
            End::failed(Error::new(Code::Unavailable, "The changes cannot be followed at the moment. Try again."))
        })?;
        // A position from the future is of a database that was put back to an earlier state.
        let missed = after.is_some_and(|after| after > now);
        let position = after.filter(|_| !missed).unwrap_or(now);
        let key = Key::of(&identity, &request, &variables);
        let source = Arc::new(Source { identity, request, key });
        let first = match missed {
            true => Some(gap(hub, &ctx, &plan, &source, now)?),
            false => None,
        };
        Ok(Subscriber::new(Arc::clone(hub), source, following, position, Arc::new(plan), first))
    }

    /// Whether the request's operation is a subscription. One that is faulty is none: executing it tells the fault.
    pub fn is_subscription(&self, ctx: &RequestContext, request: &Request) -> bool {
        is_subscription(&self.0.front, ctx, request)
    }
}

/// Tells the groups when rights or modules have changed, as long as there are subscriptions at all.
async fn look(hub: Weak<Hub>) {
    let mut known = None;
    while let Some(hub) = hub.upgrade() {
        let snapshot = hub.engine.snapshot();
        let state = (snapshot.catalog.version, snapshot.access.epoch);
        if known.replace(state).is_some_and(|known| known != state) {
            hub.renewed.send_replace(());
        }
        drop((snapshot, hub));
        tokio::time::sleep(LOOK).await;
    }
}
