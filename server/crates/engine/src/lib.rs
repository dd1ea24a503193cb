//! The use cases: read, write, change modules; transaction borders; one door for every front.

pub mod as_code;
mod busy;
pub mod calendar;
pub mod change;
mod check;
mod context;
mod error;
pub mod events;
pub mod feed;
pub mod files;
pub mod hooks;
pub mod identity;
pub mod mail;
mod memory;
mod notifications;
mod number;
mod occurrences;
mod read;
mod record;
mod search;
mod snapshot;
mod timeline;
mod upkeep;
mod write;

use async_recursion::async_recursion as boxed;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};

use arc_swap::ArcSwap;
use cardine_access::Actor;
use cardine_model::Catalog;
use cardine_store::{FileStore, Store};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use tokio::sync::Notify;

pub use busy::{BusyAsked, BusyTimes};
pub use cardine_store::Cell;
pub use cardine_store::platform::idempotency::KeyUse;
pub use check::{DECIMAL_DIGITS_MAX, LONG_TEXT_LENGTH_MAX, TEXT_LENGTH_MAX, normalise_phone, normalised};
pub use context::{NewIds, RequestContext, new_request_id};
pub use error::EngineError;
pub use notifications::{NOTIFICATION_RETENTION, NOTIFICATIONS_MAX, Notice, Notices, NoticesAsked};
pub use occurrences::{OccurrencesAsked, Occurring, Occurrings, SERIES_MAX};
pub use read::{Group, ListResult, ReadPlan};
pub use record::{Record, RecordScope, json_name, json_of_field, json_of_value, value_of_cell, value_of_json};
pub use search::{Hit, Hits, SEARCH_SCORE_MAX};
pub use snapshot::Snapshot;
pub use timeline::{Moment, Moments};
pub use upkeep::{EVENT_RETENTION, UPKEEP_INTERVAL};
pub use write::{
    ANSWER_RETENTION, CASCADE_MAX, Converted, Data, FailedStep, Keyed, LinkChange, Mutated, MutationResult,
    MutationStep, Once, ToMany, ToOne, Write, apply,
};

/// How often a snapshot is loaded anew because something changed while it was.
const RELOADS_MAX: usize = 10;

/// The use cases over one database. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    store: Store,
    snapshot: ArcSwap<Snapshot>,
    /// Rung after every write that put events into the outbox.
    events: Notify,
    /// Counts the writes of requests that have taken effect.
    requests_written: AtomicU64,
    /// Rung after every write that queued mail.
    mail: Notify,
    /// The changes of records, for those who follow them.
    feed: feed::ChangeFeed,
    /// Filled by the crate that knows workflows.
    matcher_loader: OnceLock<Arc<dyn events::EventMatcherLoader>>,
    /// Filled by whoever runs plugins.
    hooks_loader: OnceLock<Arc<dyn hooks::RecordHooksLoader>>,
    /// What finds a record of any module, by the rights that it was made for.
    locating: read::Locating,
    /// Where the contents of files are; set by who serves requests.
    files: OnceLock<FileStore>,
    /// Rung after every write, as it may have freed files.
    files_freed: Arc<Notify>,
    /// Changes of the catalog and reloads run one at a time in this process.
    changing: tokio::sync::Mutex<()>,
    /// The newest version of the catalog that this process has begun to make.
    announced: AtomicU64,
    /// Names that nothing takes for a moment.
    freed: change::FreedNames,
    /// Changes of more records than this run as jobs.
    job_rows: AtomicUsize,
    /// Rung when there is a job, or one is to be cancelled.
    jobs: Notify,
    /// How long what is retired is kept; none if for good.
    retention: std::sync::Mutex<Option<TimeDelta>>,
}

impl Engine {
    /// Opens the use cases over a migrated database: installs the built-in modules and roles where they are missing, loads
    /// the snapshot, and from then on follows the changes of other processes.
    #[boxed]
    pub async fn open(store: Store) -> Result<Self, EngineError> {
        let catalog = Arc::new(change::bootstrap(&store).await?);
        let access = Arc::new(identity::bootstrap(&store, &catalog).await?);
        let (matcher, hooks) = (Arc::new(events::NoRuns), Arc::new(hooks::NoHooks));
        let snapshot = ArcSwap::from_pointee(Snapshot { catalog, access, matcher, hooks });
        let inner = Inner {
            feed: feed::ChangeFeed::new(store.clone()),
            store,
            snapshot,
            events: Notify::new(),
            requests_written: AtomicU64::new(0),
            mail: Notify::new(),
            matcher_loader: OnceLock::new(),
            hooks_loader: OnceLock::new(),
            locating: read::Locating::default(),
            files: OnceLock::new(),
            files_freed: Arc::default(),
            changing: tokio::sync::Mutex::new(()),
            announced: AtomicU64::new(0),
            freed: change::FreedNames::default(),
            job_rows: AtomicUsize::new(change::JOB_ROWS),
            jobs: Notify::new(),
            retention: std::sync::Mutex::new(None),
        };
        let engine = Self(Arc::new(inner));
        engine.follow_changes();
        engine.keep_up();
        memory::give_back();
        Ok(engine)
    }

    /// The newest snapshot. A request takes it once.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshot.load_full()
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// Sets, once, what loads the matcher of events, and loads it.
    #[boxed]
    pub async fn set_matcher_loader(&self, loader: Arc<dyn events::EventMatcherLoader>) -> Result<(), EngineError> {
        let _one_at_a_time = self.0.changing.lock().await;
        if self.0.matcher_loader.set(loader).is_err() {
            tracing::error!("the loader of workflows was set twice; the first one stays");
        }
        let current = self.snapshot();
        let matcher = self.load_matcher(&current.catalog).await?;
        self.0.snapshot.store(Arc::new(Snapshot { matcher, ..Snapshot::clone(&current) }));
        Ok(())
    }

    /// Sets, once, what loads the hooks of writes, and loads them.
    #[boxed]
    pub async fn set_hooks_loader(&self, loader: Arc<dyn hooks::RecordHooksLoader>) -> Result<(), EngineError> {
        let _one_at_a_time = self.0.changing.lock().await;
        if self.0.hooks_loader.set(loader).is_err() {
            tracing::error!("the loader of hooks was set twice; the first one stays");
        }
        let current = self.snapshot();
        let hooks = self.load_hooks(&current.catalog).await?;
        self.0.snapshot.store(Arc::new(Snapshot { hooks, ..Snapshot::clone(&current) }));
        Ok(())
    }

    async fn load_hooks(&self, catalog: &Catalog) -> Result<Arc<dyn hooks::RecordHooks>, EngineError> {
        match self.0.hooks_loader.get() {
            Some(loader) => loader.load(&self.store().first(), catalog).await,
            None => Ok(Arc::new(hooks::NoHooks)),
        }
    }

    async fn load_matcher(&self, catalog: &Catalog) -> Result<Arc<dyn events::EventMatcher>, EngineError> {
        match self.0.matcher_loader.get() {
            Some(loader) => loader.load(&self.store().first(), catalog).await,
            None => Ok(Arc::new(events::NoRuns)),
        }
    }

    /// A request's context; `today` is the day in the actor's time zone.
    pub fn request(
        &self,
        snapshot: Arc<Snapshot>,
        actor: impl Into<Arc<Actor>>,
        now: DateTime<Utc>,
        today: NaiveDate,
    ) -> RequestContext {
        let (actor, request_id, new_ids) = (actor.into(), new_request_id(now), NewIds::default());
        let (depth, run, via, on_behalf_of, deadline) = (0, None, "api", None, None);
        RequestContext { snapshot, actor, now, today, request_id, depth, run, via, on_behalf_of, deadline, new_ids }
    }

    /// Waits until this process has written events since the last call; readers also poll, for other processes' events.
    #[boxed]
    pub async fn events_written(&self) {
        self.0.events.notified().await;
    }

    /// How many writes of requests have taken effect in this process: whoever works beside them sees by it whether they go on.
    pub fn requests_written(&self) -> u64 {
        self.0.requests_written.load(Ordering::Relaxed)
    }

    fn count_written(&self) {
        self.0.requests_written.fetch_add(1, Ordering::Relaxed);
    }

    /// The changes of records, for those who follow them.
    pub fn feed(&self) -> &feed::ChangeFeed {
        &self.0.feed
    }

    /// A handle that does not keep the engine alive, for tasks of its own.
    fn downgrade(&self) -> Weak<Inner> {
        Arc::downgrade(&self.0)
    }

    /// Tells those who follow events that a transaction of this process may have written some.
    pub fn wake_event_readers(&self) {
        self.0.events.notify_one();
        self.0.feed.wake();
        self.0.files_freed.notify_one();
    }

    /// Loads what another process changed, and swaps it in. What fails is tried again with the next change seen.
    fn follow_changes(&self) {
        let mut states = self.store().watch();
        let weak = self.downgrade();
        tokio::spawn(async move {
            while states.changed().await.is_ok() {
                let Some(inner) = weak.upgrade() else { return };
                if let Err(error) = Self(inner).reload().await {
                    tracing::error!(%error, "the changed catalog or rights could not be loaded");
                }
            }
        });
    }

    /// Brings the snapshot up to the database's catalog version and access epoch. After a change in this process it is called
    /// before the change is answered, so that the next request sees it.
    #[boxed]
    pub async fn reload(&self) -> Result<(), EngineError> {
        let _one_at_a_time = self.0.changing.lock().await;
        self.reload_locked().await
    }

    /// Whether a change of modules by this process may have met what the request has read. Asked after the reading, it costs nothing
    /// as long as nobody changes modules; whether it has, [`Self::is_behind`] tells.
    pub fn may_be_behind(&self, ctx: &RequestContext) -> bool {
        self.0.announced.load(Ordering::Acquire) > ctx.catalog().version
    }

    /// Whether modules have changed since the request began.
    #[boxed]
    pub async fn is_behind(&self, ctx: &RequestContext) -> bool {
        let state = change::current_state(self.store()).await;
        state.is_ok_and(|state| u64::try_from(state.catalog_version) != Ok(ctx.catalog().version))
    }

    /// After a request that modules were changed under: brings the snapshot beyond the one that it had. Of many such requests one loads
    /// it, and the others wait for that; a request that was in luck finds it at once.
    #[boxed]
    pub async fn renew(&self, outdated: &RequestContext) -> Result<(), EngineError> {
        let is_newer = || self.snapshot().catalog.version > outdated.catalog().version;
        if is_newer() {
            return Ok(());
        }
        let _one_at_a_time = self.0.changing.lock().await;
        if is_newer() { Ok(()) } else { self.reload_locked().await }
    }

    pub(crate) async fn reload_locked(&self) -> Result<(), EngineError> {
        let mut known = self.snapshot();
        // What belongs together is read one after the other; a change between them shows in the counters.
        for _ in 0..RELOADS_MAX {
            let state = change::current_state(&self.store().first()).await?;
            let is_same_catalog = u64::try_from(state.catalog_version) == Ok(known.catalog.version);
            let is_same_access = state.access_epoch == known.access.epoch;
            if is_same_catalog && is_same_access {
                break;
            }
            let catalog = match is_same_catalog {
                true => Arc::clone(&known.catalog),
                false => {
                    let catalog = change::load(&self.store().first(), Arc::clone(&known.catalog)).await?;
                    self.0.freed.note(&known.catalog, &catalog, std::time::Instant::now());
                    tokio::task::spawn_blocking(memory::give_back);
                    Arc::new(catalog)
                }
            };
            let access = match is_same_access {
                true => Arc::clone(&known.access),
                false => Arc::new(identity::load(&self.store().first()).await?),
            };
            let matcher = self.load_matcher(&catalog).await?;
            let hooks = self.load_hooks(&catalog).await?;
            known = Arc::new(Snapshot { catalog, access, matcher, hooks });
        }
        self.0.snapshot.store(known);
        Ok(())
    }
}
