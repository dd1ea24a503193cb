//! A change that is too large for one transaction: what takes long is done ahead of it, in batches, while the old version serves;
//! at the end one short transaction does what was written meanwhile and puts the new version in force.
//!
//! A job is a row that a process leases. Each of its transactions notes how far it is and proves the lease, so a process that lost it
//! writes nothing, and another one goes on where it ended. Whatever becomes of a job, nothing of it is left in the tables.

mod run;

use async_recursion::async_recursion as boxed;
use std::time::Duration;

use cardine_model::{Issue, path};
use cardine_sql::Dialect;
use cardine_store::platform::jobs::{self, CANCELLING, JobRow, Progress, RUNNING};
use cardine_store::{ReadTx, StoreError, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt as _;
use futures_util::future::{self, Either};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::commit::CommitError;
use super::plan::Planned;
use crate::{Engine, EngineError, RequestContext};

/// A change of more records than this runs as a job, unless told otherwise.
pub const JOB_ROWS: usize = 10_000;
/// How long a process has a job to itself without saying that it is still at it.
const LEASE: TimeDelta = TimeDelta::seconds(5);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How often a process looks for jobs that another one has left.
const POLL: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(200);
/// How often what fails for no reason that people could mend is tried.
const ATTEMPTS_MAX: u32 = 5;

/// A change that runs, or has run, as a job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// What it does, for people.
    pub summary: String,
    /// The modules that nothing else changes meanwhile.
    pub modules: Vec<String>,
    /// `RUNNING`, `CANCELLING`, `DONE`, `FAILED`, `CANCELLED`.
    pub state: String,
    /// Records that it has been at.
    pub done: i64,
    /// Records that there were when it began.
    pub total: i64,
    /// Why it failed.
    pub errors: Vec<Issue>,
    /// Who started it; none of the system.
    pub started_by: Option<Uuid>,
    /// When.
    pub created_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// The catalog version that it has led to.
    pub version: Option<i64>,
}

/// A job that this process has for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub id: Uuid,
    pub token: Uuid,
}

/// Why a job does not go on now.
#[derive(Debug)]
enum Stop {
    /// It is not ours any more, or is to be undone.
    Lost,
    /// What is asked for cannot be.
    Failed(Vec<Issue>),
    /// The database, or somebody in the way: later.
    Later(EngineError),
    /// A fault that waiting may not mend.
    Broken(EngineError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error.is_retryable() || matches!(error, StoreError::Unavailable(_) | StoreError::Stale(_)) {
            true => Self::Later(error.into()),
            false => Self::Broken(error.into()),
        }
    }
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Validation(issues) => Self::Failed(issues),
            EngineError::Unavailable | EngineError::Stale => Self::Later(error),
            EngineError::Conflict { message, issues } if issues.is_empty() => {
                Self::Failed(vec![Issue::new(path!["change"], "conflict", message)])
            }
            EngineError::Conflict { issues, .. } => Self::Failed(issues),
            _ => Self::Broken(error),
        }
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => error.into(),
            CommitError::Engine(error) => error.into(),
            CommitError::Lost => Self::Lost,
            CommitError::Overtaken | CommitError::InVain(_) | CommitError::TooSoon(_) => {
                Self::Later(EngineError::Unavailable)
            }
        }
    }
}

impl Engine {
    /// Changes of more records than this run as jobs.
    pub fn set_job_rows(&self, rows: usize) {
        self.0.job_rows.store(rows, std::sync::atomic::Ordering::Relaxed);
    }

    pub(super) fn job_rows(&self) -> usize {
        self.0.job_rows.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The newest jobs.
    #[boxed]
    pub async fn jobs(&self, first: u32) -> Result<Vec<Job>, EngineError> {
        let rows =
            self.store().read(move |tx: &mut ReadTx| async move { jobs::fetch_jobs(tx, first).await }.boxed()).await?;
        self.serve_what_ended(&rows).await?;
        Ok(rows.into_iter().map(Job::from).collect())
    }

    /// The job with this id.
    #[boxed]
    pub async fn job(&self, id: Uuid) -> Result<Option<Job>, EngineError> {
        let row =
            self.store().read(move |tx: &mut ReadTx| async move { jobs::fetch_job(tx, id).await }.boxed()).await?;
        self.serve_what_ended(row.as_slice()).await?;
        Ok(row.map(Job::from))
    }

    /// Whoever is told that a job is done is served what it has led to from then on.
    async fn serve_what_ended(&self, rows: &[JobRow]) -> Result<(), EngineError> {
        let newest = rows.iter().filter_map(|row| u64::try_from(row.catalog_version?).ok()).max();
        if newest > Some(self.snapshot().catalog.version) {
            self.reload().await?;
        }
        Ok(())
    }

    /// Has a job undone. What it has led to when it has ended stays.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if it has ended, [`EngineError::NotFound`] if there is none.
    #[boxed]
    pub async fn cancel_job(&self, ctx: &RequestContext, id: Uuid) -> Result<Job, EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may cancel jobs".to_owned()));
        }
        let is_open =
            self.store().write(move |tx: &mut WriteTx| async move { jobs::cancel_job(tx, id).await }.boxed()).await?;
        self.0.jobs.notify_one();
        let job = self.job(id).await?.ok_or(EngineError::NotFound)?;
        if !is_open && job.state != "CANCELLED" {
            let message = format!("the job has ended: {}", job.state);
            return Err(EngineError::Conflict { message, issues: Vec::new() });
        }
        Ok(job)
    }

    /// Runs jobs, those of other processes that ended too, until it is told to stop.
    pub fn run_jobs(&self, mut stopped: watch::Receiver<bool>) -> JoinHandle<()> {
        let weak = self.downgrade();
        tokio::spawn(async move {
            let token = Uuid::new_v4();
            if let Some(engine) = weak.upgrade().map(Self)
                && engine.store().dialect() == Dialect::Sqlite
                && let Err(error) = engine.release(None).await
            {
                tracing::warn!(%error, "jobs of an earlier process go on when its time with them is over");
            }
            let mut attempts = 0;
            loop {
                let Some(engine) = weak.upgrade().map(Self) else { return };
                let work = async {
                    match engine.run_next_job(token, &mut attempts).await {
                        Ok(true) => {}
                        Ok(false) => {
                            let _ = tokio::time::timeout(POLL, engine.0.jobs.notified()).await;
                        }
                        Err(error) => {
                            tracing::warn!(%error, "jobs can't be looked for; it is tried again");
                            tokio::time::sleep(POLL).await;
                        }
                    }
                };
                tokio::select! {
                    () = work => {}
                    () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
                        // Another process may go on with it at once.
                        let _ = engine.release(Some(token)).await;
                        return;
                    }
                }
            }
        })
    }

    /// Runs the oldest job that nobody is at as far as it goes; false if there is none. `attempts` is how often one was broken.
    #[boxed]
    pub(super) async fn run_next_job(&self, token: Uuid, attempts: &mut u32) -> Result<bool, EngineError> {
        let Some(row) = self.lease(token).await? else { return Ok(false) };
        *attempts = self.attend(row, token, *attempts).await;
        Ok(true)
    }

    async fn lease(&self, token: Uuid) -> Result<Option<JobRow>, EngineError> {
        let now = Utc::now();
        let waits = self.store().read(move |tx: &mut ReadTx| async move { jobs::any_waiting(tx, now).await }.boxed());
        if !waits.await? {
            return Ok(None);
        }
        let leased = self
            .store()
            .write(move |tx: &mut WriteTx| async move { jobs::lease_job(tx, now, now + LEASE, token).await }.boxed());
        Ok(leased.await?)
    }

    async fn release(&self, token: Option<Uuid>) -> Result<(), EngineError> {
        let released =
            self.store().write(move |tx: &mut WriteTx| async move { jobs::release_jobs(tx, token).await }.boxed());
        Ok(released.await?)
    }

    /// Runs a job as far as it goes. `attempts` is how often a job was broken before; gives how often now.
    async fn attend(&self, row: JobRow, token: Uuid, attempts: u32) -> u32 {
        let held = Held { id: row.id, token };
        let ended = match row.state.as_str() {
            CANCELLING => self.clean_up(&row, held, (CANCELLING, "CANCELLED"), Vec::new()).await,
            _ => match self.run_job(&row, held).await {
                Err(Stop::Failed(issues)) => self.clean_up(&row, held, (RUNNING, "FAILED"), issues).await,
                Err(Stop::Broken(error)) if attempts >= ATTEMPTS_MAX => {
                    let issue = Issue::new(path!["change"], "internal", error.to_string());
                    self.clean_up(&row, held, (RUNNING, "FAILED"), vec![issue]).await
                }
                other => other,
            },
        };
        let attempts = match ended {
            Ok(()) => 0,
            Err(Stop::Lost) => 0,
            Err(Stop::Later(error)) => {
                tracing::debug!(%error, job = %row.id, "a job waits");
                tokio::time::sleep(PAUSE).await;
                attempts
            }
            Err(Stop::Broken(error)) => {
                tracing::warn!(%error, job = %row.id, "a job was interrupted; it is tried again");
                tokio::time::sleep(POLL).await;
                attempts + 1
            }
            Err(Stop::Failed(_)) => 0,
        };
        if let Err(error) = self.release(Some(token)).await {
            tracing::debug!(%error, "a job is taken up again when the time for it is over");
        }
        attempts
    }

    /// Waits for what may take long, and says meanwhile that the job is attended to.
    async fn while_held<T>(&self, held: Held, work: impl Future<Output = T>) -> Result<T, Stop> {
        let mut work = std::pin::pin!(work);
        loop {
            if let Ok(ended) = tokio::time::timeout(HEARTBEAT, &mut work).await {
                return Ok(ended);
            }
            let store = self.store().first();
            let kept = store.write(move |tx: &mut WriteTx| async move { keep(tx, held, None).await }.boxed());
            // The work goes on meanwhile: this may wait for those who wait for what it holds.
            match future::select(work.as_mut(), std::pin::pin!(kept)).await {
                Either::Left((ended, _)) => return Ok(ended),
                Either::Right((Ok(()), _)) => {}
                // It may be the work itself that has just ended the job.
                Either::Right((Err(error), _)) => {
                    return tokio::time::timeout(HEARTBEAT, work).await.map_err(|_| error.into());
                }
            }
        }
    }
}

/// Proves the lease, and notes how far it is.
async fn keep(tx: &mut WriteTx, held: Held, progress: Option<&Progress>) -> Result<(), CommitError> {
    match jobs::keep_job(tx, (held.id, held.token), Utc::now() + LEASE, progress).await? {
        true => Ok(()),
        false => Err(CommitError::Lost),
    }
}

/// Ends a job in the transaction that puts its version in force.
pub(super) async fn end_with(tx: &mut WriteTx, held: Held, version: i64) -> Result<(), CommitError> {
    let outcome = (Some(version), None);
    match jobs::finish_job(tx, (held.id, held.token), (RUNNING, "DONE"), outcome, Utc::now()).await? {
        true => Ok(()),
        false => Err(CommitError::Lost),
    }
}

/// Refuses to change modules that a job is changing; `own` is the job whose change it is.
pub(super) async fn refuse_held(tx: &mut WriteTx, planned: &Planned, own: Option<Held>) -> Result<(), CommitError> {
    let touched = touched_modules(planned);
    for row in jobs::fetch_open_jobs(tx).await? {
        let modules: Vec<String> = serde_json::from_str(&row.modules).unwrap_or_default();
        let module = modules.iter().find(|module| touched.contains(*module));
        if let Some(module) = module.filter(|_| own.is_none_or(|own| own.id != row.id)) {
            let message = format!(
                "the module `{module}` is being changed by the job {} ({}): wait for its end, or cancel it by cancelJob",
                row.id, row.summary
            );
            return Err(EngineError::Conflict { message, issues: Vec::new() }.into());
        }
    }
    Ok(())
}

/// The modules whose definitions a plan writes, by the names that they have and had.
pub(super) fn touched_modules(planned: &Planned) -> Vec<String> {
    use super::plan::Written;
    let names = planned.definitions.iter().flat_map(|written| {
        let old = match &written.how {
            Written::InsteadOf(old) => Some(old.clone()),
            _ => None,
        };
        [Some(written.definition.name.clone()), old]
    });
    names.flatten().collect()
}

impl From<JobRow> for Job {
    fn from(row: JobRow) -> Self {
        let instant = |text: &str| text.parse::<DateTime<Utc>>().ok();
        Self {
            id: row.id,
            summary: row.summary,
            modules: serde_json::from_str(&row.modules).unwrap_or_default(),
            state: row.state,
            done: row.done,
            total: row.total.max(row.done),
            errors: row.error.and_then(|error| serde_json::from_str(&error).ok()).unwrap_or_default(),
            started_by: row.actor,
            created_at: instant(&row.created_at),
            finished_at: row.finished_at.as_deref().and_then(instant),
            version: row.catalog_version,
        }
    }
}
