//! The changes of records in the order of the outbox, for those who follow modules: read and decoded once per process.
//!
//! Whoever follows has a place of its own, the number of the last event that it has seen, and reads on from there whenever its
//! module is told to have changed. Nothing waits for a slow reader: what has left the memory is read from the outbox again.

mod change;
mod matching;
mod poll;
#[cfg(test)]
mod tests;

use async_recursion::async_recursion as boxed;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use cardine_store::platform::feed::{fetch_events, fetch_oldest_event, fetch_outbox_mark};
use cardine_store::{ReadTx, Store};
use tokio::sync::{Notify, watch};

pub use change::RecordChange;
pub use matching::Sides;

use crate::EngineError;

/// What stands in the place of a module's name in the events that tell users of notifications; no module is called so. Their record is the user.
pub const NOTIFICATIONS: &str = "_notification";
/// Most changes that one [`Following::read`] gives.
pub const CHANGES_MAX: usize = 100;
/// How far back in the outbox, counted in events of all modules, a reader may begin. Who was away for longer reads its lists anew.
pub const REPLAY_MAX: i64 = 100_000;
/// Events kept in memory for readers that are not quite up to date.
const KEPT_MAX: usize = 5_000;
/// Bytes of those.
const KEPT_BYTES_MAX: usize = 32 << 20;
/// Events that one statement reads.
const BATCH: usize = 1_000;

/// The outbox as this process follows it.
pub struct ChangeFeed(Arc<Inner>);

struct Inner {
    store: Store,
    state: Mutex<State>,
    /// How far the outbox was read: no event up to here can appear any more. `None` while nobody follows.
    head: watch::Sender<Option<i64>>,
    /// Rung when there may be something new.
    wake: Notify,
}

#[derive(Default)]
struct State {
    /// The newest changes of followed modules, in order.
    kept: VecDeque<Arc<RecordChange>>,
    kept_bytes: usize,
    followed: HashMap<String, Followed>,
    polls: bool,
}

struct Followed {
    /// Nothing of this module after this is missing in `kept`.
    since: i64,
    /// The number of its last change.
    last: watch::Sender<i64>,
    followers: usize,
}

/// What a reader gets.
#[derive(Debug, Default)]
pub struct Read {
    /// The changes of its module, in order.
    pub changes: Vec<Arc<RecordChange>>,
    /// Where to read on.
    pub through: i64,
    /// What came after the reader's place is not kept any more, or is too much: reading begins again at `through`.
    pub missed: bool,
}

impl ChangeFeed {
    pub(crate) fn new(store: Store) -> Self {
        let head = watch::Sender::new(None);
        Self(Arc::new(Inner { store, state: Mutex::default(), head, wake: Notify::new() }))
    }

    /// From now on the module's changes are kept, until the answer is dropped.
    pub fn follow(&self, module: &str) -> Following {
        let mut state = self.0.state();
        let head = self.0.head.borrow().unwrap_or(i64::MAX);
        let followed = state.followed.entry(module.to_owned()).or_insert_with(|| Followed {
            since: head,
            last: watch::Sender::new(0),
            followers: 0,
        });
        followed.followers += 1;
        let changed = followed.last.subscribe();
        if !state.polls {
            state.polls = true;
            tokio::spawn(poll::poll(Arc::downgrade(&self.0)));
        }
        Following { feed: Arc::clone(&self.0), module: module.to_owned(), changed }
    }

    /// Tells that this process has written events.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding the feed's state")
    }
}

/// Keeps a module's changes in reach.
pub struct Following {
    feed: Arc<Inner>,
    module: String,
    changed: watch::Receiver<i64>,
}

impl Following {
    /// The place behind everything that was committed before this call.
    #[boxed]
    pub async fn now(&self) -> Result<i64, EngineError> {
        let mark = self
            .feed
            .store
            .read(|tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(fetch_outbox_mark(tx).await?) }));
        let last = mark.await?.last;
        let mut head = self.feed.head.subscribe();
        self.feed.wake.notify_one();
        let reached = head.wait_for(|head| head.is_some_and(|head| head >= last)).await;
        reached.map(|_| last).map_err(|_| EngineError::Unavailable)
    }

    /// How far the feed has come; `None` before the first look.
    pub fn head(&self) -> Option<i64> {
        *self.feed.head.borrow()
    }

    /// Waits for the next change of the module that was not waited for yet.
    #[boxed]
    pub async fn changed(&mut self) {
        // The sender lives as long as somebody follows.
        let _ = self.changed.changed().await;
    }

    /// The module's changes after a place that was given out earlier, at most [`CHANGES_MAX`].
    #[boxed]
    pub async fn read(&self, after: i64) -> Result<Read, EngineError> {
        let Some(head) = self.head() else { return Ok(Read { through: after, ..Read::default() }) };
        if after >= head {
            return Ok(Read { through: after, ..Read::default() });
        }
        match self.kept(after, head) {
            Some(read) => Ok(read),
            None => self.stored(after, head).await,
        }
    }

    /// From memory, if nothing after `after` has left it.
    fn kept(&self, after: i64, head: i64) -> Option<Read> {
        let state = self.feed.state();
        let followed = state.followed.get(&self.module)?;
        if after < followed.since {
            return None;
        }
        let start = state.kept.partition_point(|change| change.seq <= after);
        let own = state.kept.range(start..).take_while(|change| change.seq <= head);
        let own = own.filter(|change| change.module == self.module);
        let changes: Vec<_> = own.take(CHANGES_MAX).cloned().collect();
        let through = if changes.len() < CHANGES_MAX { head } else { changes.last().map_or(head, |last| last.seq) };
        Some(Read { changes, through, missed: false })
    }

    /// From the outbox.
    async fn stored(&self, after: i64, head: i64) -> Result<Read, EngineError> {
        if head - after > REPLAY_MAX {
            return Ok(Read { through: head, missed: true, ..Read::default() });
        }
        let module = self.module.clone();
        let read = self.feed.store.read(move |tx: &mut ReadTx| {
            Box::pin(async move {
                let oldest = fetch_oldest_event(tx).await?;
                let rows = fetch_events(tx, &[module], after, head, CHANGES_MAX).await?;
                Ok::<_, EngineError>((oldest, rows))
            })
        });
        let (oldest, rows) = read.await?;
        // The oldest ones are taken away first, so what is left tells whether one is missing.
        if oldest.is_none_or(|oldest| oldest - 1 > after) {
            return Ok(Read { through: head, missed: true, ..Read::default() });
        }
        let through = if rows.len() < CHANGES_MAX { head } else { rows.last().map_or(head, |last| last.seq) };
        Ok(Read { changes: rows.into_iter().map(RecordChange::decode).collect(), through, missed: false })
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut state = self.feed.state();
        if let Some(followed) = state.followed.get_mut(&self.module) {
            followed.followers -= 1;
            if followed.followers == 0 {
                state.followed.remove(&self.module);
            }
        }
    }
}

impl std::fmt::Debug for Following {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Following").field("module", &self.module).finish_non_exhaustive()
    }
}
