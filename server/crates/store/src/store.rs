//! The store: opening, reading, writing, watching and closing a database of either kind.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cardine_failpoints::pass;
use cardine_sql::Dialect;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::postgres::{Isolation, Planning, Pool, Session, run_alone};
use crate::sqlite::{Connection, FileLock, Here, Job, Lane, Purpose, Readers, Writer};
use crate::state::{PlatformState, raise};
use crate::transaction::{ReadTx, WriteTx};
use crate::work::{Outcome, ReadWork, WriteWork, reading, writing};
use crate::{DatabaseUrl, Deadline, Extent, Habit, Options, StoreError};

/// How often a write on PostgreSQL is tried whose transaction another one was in the way of.
const WRITE_ATTEMPTS_MAX: u32 = 6;

/// A change of tables takes a moment, and the next one is not in the way of the same tables.
const READ_ATTEMPTS_MAX: u32 = 3;

/// A database. Clones are the same one.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
    deadline: Option<Deadline>,
    is_first: bool,
    lane: Lane,
}

struct Inner {
    database: Database,
    state: watch::Sender<PlatformState>,
    watch_interval: Duration,
    polls: AtomicBool,
    shut_down: AtomicBool,
}

enum Database {
    Sqlite(Box<Sqlite>),
    Postgres { pool: Pool, kept_free: Pool, url: String },
}

struct Sqlite {
    path: PathBuf,
    migrating: tokio::sync::Mutex<()>,
    // Dropped in this order: the lock after the threads have been told to end.
    here: Here,
    readers: Readers,
    writer: Writer,
    _lock: Option<FileLock>,
}

impl Store {
    /// Opens a database: the file with its threads, or the pool with a first connection. Changes nothing in it.
    ///
    /// Must be called in a tokio runtime, which then drives what transactions wait for.
    ///
    /// # Errors
    /// [`StoreError::Setting`] if the database cannot be used as it is (a file that another process has, an old server);
    /// [`StoreError::Unavailable`] if it is not there.
    pub async fn open(url: &DatabaseUrl, options: &Options) -> Result<Self, StoreError> {
        let (state, _) = watch::channel(PlatformState::default());
        let database = match url {
            DatabaseUrl::Sqlite(path) => Database::Sqlite(Box::new(Sqlite::open(path.clone(), options, &state)?)),
            DatabaseUrl::Postgres(url) => {
                let kept_free = Pool::kept_free(url, options)?;
                Database::Postgres { pool: Pool::open(url, options).await?, kept_free, url: url.clone() }
            }
        };
        let (watch_interval, polls, shut_down) = (options.watch_interval, AtomicBool::default(), AtomicBool::default());
        Ok(Self {
            inner: Arc::new(Inner { database, state, watch_interval, polls, shut_down }),
            deadline: None,
            is_first: false,
            lane: Lane::Awaited,
        })
    }

    /// The same database for what others wait for, such as a change of modules: on PostgreSQL it does not wait for a connection behind them.
    #[must_use]
    pub fn first(&self) -> Self {
        Self { is_first: true, ..self.clone() }
    }

    /// The same database for a request that has this much time: a statement that runs when it is over is stopped, what was
    /// written is undone, and the outcome is [`StoreError::TimeLimit`].
    #[must_use]
    pub fn until(&self, deadline: Option<Deadline>) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// The same database for what nobody waits for: on SQLite its writes let those of requests go first, three of them for one of its own where
    /// there are always some.
    #[must_use]
    pub fn beside_requests(&self) -> Self {
        Self { lane: Lane::Beside, ..self.clone() }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        match self.inner.database {
            Database::Sqlite(_) => Dialect::Sqlite,
            Database::Postgres { .. } => Dialect::Postgres,
        }
    }

    /// Brings the platform's own tables up to date. Several processes may do so at once.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        match &self.inner.database {
            Database::Sqlite(sqlite) => {
                // The file's lock keeps other processes away.
                let _alone = sqlite.migrating.lock().await;
                crate::migrate::migrate_sqlite(self, &sqlite.path).await
            }
            Database::Postgres { pool, url, .. } => crate::migrate::migrate_postgres(pool, url).await,
        }
    }

    /// Runs `work` on one snapshot of the database.
    ///
    /// On SQLite the whole of it runs on one of the reading threads, and no other read runs there meanwhile; what it
    /// awaits besides the database is driven by the runtime. If the caller goes away, the statement that runs is stopped.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'a> FnOnce(&'a mut ReadTx) -> BoxFuture<'a, Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (work, slot) = reading(work);
        slot.answer(self.run_read(work, Extent::Several).await)
    }

    /// As [`Store::read`], for a read of a known kind: one that asks a single statement has no transaction around it, and a
    /// short one on SQLite runs on the caller's thread. `work` may be run several times, and waits for nothing but the database:
    /// PostgreSQL ends one of two that wait for each other, a change of tables and whoever reads two of them.
    pub async fn read_again<T, E, F>(&self, habit: &Habit, work: F) -> Result<T, E>
    where
        F: for<'a> Fn(&'a mut ReadTx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let extent = habit.extent();
        if let Database::Sqlite(sqlite) = &self.inner.database
            && habit.is_short()
        {
            if let Some(outcome) = sqlite.here.run(&work, extent == Extent::Several) {
                return outcome;
            }
            habit.was_long();
        }
        let (work, overtaken) = (Arc::new(work), Arc::new(AtomicBool::new(false)));
        let mut attempt = 1;
        loop {
            let (again, in_the_way) = (Arc::clone(&work), Arc::clone(&overtaken));
            let (once, slot) = reading(move |tx: &mut ReadTx| {
                Box::pin(async move {
                    let result = again(tx).await;
                    in_the_way.store(result.is_err() && tx.was_in_the_way(), Ordering::Relaxed);
                    result
                })
            });
            let answer = slot.answer(self.run_read(once, extent).await);
            let over = self.deadline.is_some_and(|deadline| deadline.is_over());
            if !overtaken.swap(false, Ordering::Relaxed) || over || attempt == READ_ATTEMPTS_MAX {
                return answer;
            }
            attempt += 1;
        }
    }

    /// Runs `work` and commits what it wrote if it succeeds, undoes it if not. It may be run several times, but takes
    /// effect at most once.
    ///
    /// On SQLite all writes run one after the other on one thread, several of them with one sync to the disk; `work`
    /// should not wait for anything slow. On PostgreSQL they run side by side, read committed: each statement sees what
    /// others have committed before it, and rows that are changed are locked. A caller that goes away before the commit undoes all.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: for<'a> Fn(&'a mut WriteTx) -> BoxFuture<'a, Result<T, E>> + Send + Sync + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (work, slot) = writing(work);
        slot.answer(self.run_write(work).await)
    }

    /// Runs one statement that PostgreSQL takes outside of transactions only; it may take as long as it needs. On SQLite it is like any.
    pub async fn run_alone(&self, text: &str) -> Result<(), StoreError> {
        match &self.inner.database {
            Database::Postgres { pool, .. } => run_alone(pool, text).await,
            Database::Sqlite(_) => {
                let text = Arc::<str>::from(text);
                self.write(move |tx| {
                    let text = Arc::clone(&text);
                    Box::pin(async move { tx.run_ddl(&text).await })
                })
                .await
            }
        }
    }

    /// The counters, as they change: by this process at once, by others within the interval of [`Options::watch_interval`].
    /// Both are 0 until they were read for the first time. Needs the platform's tables.
    pub fn watch(&self) -> watch::Receiver<PlatformState> {
        if !self.inner.polls.swap(true, Ordering::Relaxed) {
            tokio::spawn(poll_state(self.clone_weakly(), self.inner.watch_interval));
        }
        self.inner.state.subscribe()
    }

    /// Ends what runs, tidies up and closes. Later reads and writes are [`StoreError::Unavailable`].
    pub async fn shutdown(&self) {
        self.inner.shut_down.store(true, Ordering::Relaxed);
        match &self.inner.database {
            Database::Postgres { pool, kept_free, .. } => {
                pool.close();
                kept_free.close();
            }
            Database::Sqlite(sqlite) => {
                sqlite.here.close();
                sqlite.readers.close();
                sqlite.writer.close();
                let this = self.clone();
                let joined = tokio::task::spawn_blocking(move || {
                    if let Database::Sqlite(sqlite) = &this.inner.database {
                        sqlite.readers.join();
                        sqlite.writer.join();
                    }
                });
                if let Err(error) = joined.await {
                    tracing::error!(%error, "the database's threads did not end in order");
                }
            }
        }
    }

    /// Whether it was shut down: whatever fails now does so for this reason.
    pub fn is_shut_down(&self) -> bool {
        self.inner.shut_down.load(Ordering::Relaxed)
    }

    async fn run_read(&self, work: ReadWork, extent: Extent) -> Outcome {
        match &self.inner.database {
            Database::Sqlite(sqlite) => Deadline::bound(self.deadline, sqlite.read(work)).await,
            Database::Postgres { pool, kept_free, .. } => {
                let pool = if self.is_first { kept_free } else { pool };
                let isolation = match extent {
                    Extent::Several => Isolation::Snapshot,
                    Extent::One => Isolation::Statement(Planning::Custom),
                    Extent::Key => Isolation::Statement(Planning::Generic),
                };
                Deadline::bound(self.deadline, read_postgres(pool, isolation, work)).await
            }
        }
    }

    async fn run_write(&self, work: WriteWork) -> Outcome {
        match &self.inner.database {
            Database::Sqlite(sqlite) => {
                let (reply, mut answer) = oneshot::channel();
                let (deadline, lane, begun) = (self.deadline, self.lane, Arc::<AtomicBool>::default());
                let job = Job { work, deadline, begun: Arc::clone(&begun), outcome: None, reply };
                let waited = async {
                    sqlite.writer.run(job, lane).await?;
                    Ok::<_, StoreError>((&mut answer).await)
                };
                let answered = match Deadline::bound(deadline, waited).await {
                    // It ends by itself, and is the only one to know whether it took effect.
                    Err(StoreError::TimeLimit { .. }) if begun.load(Ordering::Relaxed) => answer.await,
                    other => other?,
                };
                answered.unwrap_or_else(|_| Err(stopped().into()))
            }
            Database::Postgres { pool, kept_free, .. } => {
                self.write_postgres(if self.is_first { kept_free } else { pool }, &work).await
            }
        }
    }

    /// What failed because of another transaction is run again while nobody else writes, after a moment that grows; what failed because a
    /// statement was prepared before a table changed, once, beside the others.
    async fn write_postgres(&self, pool: &Pool, work: &WriteWork) -> Outcome {
        let (mut attempt, mut isolation) = (1, Isolation::Committed);
        loop {
            let mut tx = WriteTx::postgres(Session::new(pool.clone(), isolation));
            let outcome = Deadline::bound(self.deadline, work(&mut tx)).await;
            let failure = tx.failure().cloned();
            let changed_state = tx.changed_state();
            let Some(mut session) = tx.into_session() else {
                return Err(StoreError::internal("a transaction of another database").into());
            };
            let (error, failure) = match (outcome, failure) {
                (Ok(()), None) => {
                    pass!("write.before_commit");
                    match session.commit().await {
                        Ok(()) => {
                            pass!("write.after_commit");
                            raise(&self.inner.state, changed_state);
                            return Ok(());
                        }
                        Err(error) => (error.clone().into(), Some(error)),
                    }
                }
                (Ok(_), Some(ignored)) => {
                    session.roll_back();
                    (ignored.clone().into(), Some(ignored))
                }
                (Err(error), failure) => {
                    session.roll_back();
                    (error, failure)
                }
            };
            let again = match failure {
                Some(StoreError::Serialization(_)) => {
                    // PostgreSQL takes a second to see that transactions wait for each other in a circle, in which whoever needs the same
                    // rows waits too, and a request has not many of them.
                    isolation = Isolation::Alone;
                    attempt < WRITE_ATTEMPTS_MAX
                }
                // Nobody was in its way.
                Some(StoreError::Stale(_)) => attempt == 1,
                _ => false,
            };
            if !again {
                return Err(error);
            }
            if let Some(deadline) = self.deadline.filter(Deadline::is_over) {
                return Err(deadline.exceeded().into());
            }
            tokio::time::sleep(pause_before(attempt)).await;
            attempt += 1;
        }
    }

    fn clone_weakly(&self) -> std::sync::Weak<Inner> {
        Arc::downgrade(&self.inner)
    }
}

impl Sqlite {
    fn open(path: PathBuf, options: &Options, state: &watch::Sender<PlatformState>) -> Result<Self, StoreError> {
        let lock = options.sqlite_exclusive.then(|| FileLock::take(&path)).transpose()?;
        let runtime = Handle::current();
        let connection = Connection::open(&path, Purpose::Write, options)?;
        let writer = Writer::start(connection, state.clone(), runtime.clone())?;
        let readers = Readers::start(path.clone(), options, runtime)?;
        let here = Here::open(&path, options)?;
        Ok(Self { path, migrating: tokio::sync::Mutex::default(), here, readers, writer, _lock: lock })
    }

    async fn read(&self, work: ReadWork) -> Outcome {
        let given_up = GivenUp(Arc::new(AtomicBool::new(false)));
        let stop = Arc::clone(&given_up.0);
        let (mut reply, answer) = oneshot::channel();
        let job = move |tx: &mut ReadTx, runtime: &Handle| {
            if reply.is_closed() {
                return;
            }
            let outcome = match begin_snapshot(tx, stop) {
                Err(error) => Err(error.into()),
                Ok(()) => {
                    let drive = async {
                        tokio::select! {
                            biased;
                            outcome = work(tx) => outcome,
                            () = reply.closed() => Err(StoreError::Cancelled.into()),
                        }
                    };
                    catch_unwind(AssertUnwindSafe(|| runtime.block_on(drive)))
                        .unwrap_or_else(|_| Err(StoreError::internal("a read panicked").into()))
                }
            };
            end_snapshot(tx);
            // Who has gone away wants no answer.
            let _ = reply.send(outcome);
        };
        self.readers.run(Box::new(job))?;
        let outcome = answer.await.unwrap_or_else(|_| Err(stopped().into()));
        drop(given_up);
        outcome
    }
}

async fn read_postgres(pool: &Pool, isolation: Isolation, work: ReadWork) -> Outcome {
    let mut tx = ReadTx::postgres(Session::new(pool.clone(), isolation));
    let outcome = work(&mut tx).await;
    if let Some(session) = tx.into_session() {
        session.end();
    }
    outcome
}

/// Tells the reading thread that the caller went away, when it is dropped.
struct GivenUp(Arc<AtomicBool>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn begin_snapshot(tx: &mut ReadTx, given_up: Arc<AtomicBool>) -> Result<(), StoreError> {
    let connection = tx.sqlite_connection();
    connection.stop_when(given_up)?;
    // The snapshot is that of the first statement.
    connection.run_control("BEGIN")
}

fn end_snapshot(tx: &mut ReadTx) {
    let connection = tx.sqlite_connection();
    if connection.in_transaction()
        && let Err(error) = connection.stop_when(Arc::default()).and_then(|()| connection.run_control("ROLLBACK"))
    {
        tracing::error!(error = ?error, "a read transaction could not be ended");
    }
}

/// 1, 2, 4, … ms, plus a part that differs between processes and calls.
fn pause_before(attempt: u32) -> Duration {
    let step = 1_u64 << attempt.min(6);
    let jitter = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |now| now.subsec_nanos());
    Duration::from_micros(step * 500 + u64::from(jitter) / 1_000 % (step * 500))
}

fn stopped() -> StoreError {
    StoreError::Unavailable(crate::error::cause("the store was shut down"))
}

/// Runs until the store is gone.
async fn poll_state(store: std::sync::Weak<Inner>, interval: Duration) {
    loop {
        let Some(inner) = store.upgrade() else { return };
        let store_now = Store { inner, deadline: None, is_first: false, lane: Lane::Awaited };
        let state = store_now.read::<_, StoreError, _>(|tx| Box::pin(tx.state())).await;
        match state {
            Ok(state) => raise(&store_now.inner.state, Some(state)),
            Err(_) if store_now.is_shut_down() => return,
            Err(error) => tracing::warn!(error = ?error, "the platform's state could not be read"),
        }
        drop(store_now);
        tokio::time::sleep(interval).await;
    }
}
