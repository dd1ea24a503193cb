//! Changing modules while requests run: one change is one new version of the catalog, with definitions, tables and version row
//! written in one transaction, or nothing.
//!
//! A change is planned outside the transaction on the catalog that is in memory: all faults are told at once, and nothing is
//! locked meanwhile. The transaction then begins with the version row. If another process has changed the catalog since, the
//! plan is thrown away, the new catalog is loaded, and the change is planned anew.

mod alike;
mod bootstrap;
mod commit;
mod convert;
mod faults;
mod follow;
mod freed;
mod ids;
mod job;
mod load;
mod operations;
mod plan;
mod retention;
mod rollups;
mod steps;
mod tables;
#[cfg(test)]
pub(crate) mod tests;
mod work;

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cardine_failpoints::pass;
use cardine_model::{Catalog, Issue, path};
use cardine_sql::{Dialect, ddl};
use cardine_store::platform::jobs::NewJob;
use cardine_store::{Bindings, ReadTx, Store, StoreError};
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::as_code::{Applied, Present, WantedFiles, WorkflowDocuments};
use crate::events::EventMatcherLoader;
use crate::identity::AccessState;
use crate::{Engine, EngineError, RequestContext, Snapshot};
use commit::{Author, CommitError, Committed, Manner, begin_job, commit};
use job::Held;
use plan::{Base, Change, Planned, plan};

pub(crate) use bootstrap::bootstrap;
pub(crate) use freed::FreedNames;
pub use job::{JOB_ROWS, Job};
pub(crate) use load::{current_state, load};
pub use plan::RetiredModule;
pub(crate) use plan::without_unknown_keys;
pub use rollups::DifferingRollup;

/// How often a change is tried that other processes' changes, or requests on its tables, are in the way of.
const ATTEMPTS_MAX: u32 = 6;

/// Rows that are counted at the most to see whether a job is needed; a number that both databases know.
const COUNTED_MAX: usize = 1 << 40;

/// What a change did, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogChange {
    /// The catalog's version after it; with a dry run the present one.
    pub version: i64,
    /// Whether it is in force.
    pub applied: bool,
    /// The job that applies it, if it is too large for one transaction.
    pub job: Option<Uuid>,
    /// Records that get other values by it, or go.
    pub rows: i64,
    /// The statements that change tables, for people.
    pub statements: Vec<String>,
    /// What is not wrong but should be known.
    pub warnings: Vec<Issue>,
}

impl Engine {
    /// Compares the catalog with the tables, columns and indexes that are really there; each difference as a sentence.
    #[boxed]
    pub async fn check_tables(&self) -> Result<Vec<String>, EngineError> {
        tables::differences(self.store(), &self.snapshot().catalog).await
    }

    /// The modules that are there and of which the API has nothing, as a name of theirs is not free any more; each as a sentence.
    pub fn unserved_modules(&self) -> Vec<String> {
        load::unserved(&self.snapshot().catalog).map(|(_, told)| told).collect()
    }

    async fn change(&self, ctx: &RequestContext, change: Change, dry_run: bool) -> Result<CatalogChange, EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change modules".to_owned()));
        }
        let author = Author { actor: ctx.actor.user, via: ctx.via, request: ctx.request_id, now: ctx.now };
        self.change_as(author, change, dry_run, None).await
    }

    async fn change_as(
        &self,
        author: Author,
        change: Change,
        dry_run: bool,
        job: Option<Held>,
    ) -> Result<CatalogChange, EngineError> {
        self.change_and_tell(author, change, dry_run, job).await.map(|outcome| outcome.change)
    }

    /// Brings documents in, by an administrator.
    pub(crate) async fn change_to_documents(
        &self,
        ctx: &RequestContext,
        files: WantedFiles,
        workflows: Arc<dyn WorkflowDocuments>,
        dry_run: bool,
    ) -> Result<Applied, EngineError> {
        let author = Author { actor: ctx.actor.user, via: ctx.via, request: ctx.request_id, now: ctx.now };
        let change = Change::Documents { files: Arc::new(files), workflows };
        let Outcome { change, planned, .. } = self.change_and_tell(author, change, dry_run, None).await?;
        let (differences, left) = match planned.documents.as_ref() {
            Some(part) => (part.differences.clone(), part.left.clone()),
            None => (Vec::new(), Vec::new()),
        };
        Ok(Applied { change, differences, left, catalog: Arc::clone(&planned.catalog) })
    }

    /// Makes a change; `job` is the one that has done most of it ahead.
    async fn change_and_tell(
        &self,
        author: Author,
        change: Change,
        dry_run: bool,
        job: Option<Held>,
    ) -> Result<Outcome, EngineError> {
        let manner = match (dry_run, job) {
            (true, _) => Manner::Dry,
            (false, None) => Manner::Whole,
            (false, Some(held)) => Manner::Ahead(held),
        };
        let change = Arc::new(change);
        let workflows = self.0.matcher_loader.get().cloned();
        let mut attempt = 1;
        loop {
            let changing = self.0.changing.lock().await;
            let known = self.snapshot();
            let base = Arc::clone(&known.catalog);
            let version = base.version;
            let attempted = attempt_change(self, &known, &change, &author, workflows.clone(), manner).await;
            let is_made = match &attempted {
                Ok(outcome) => outcome.catalog.is_some(),
                // It may have been, before the connection was lost.
                Err(error) => matches!(error, CommitError::Store(_)),
            };
            if !dry_run && !is_made {
                self.0.announced.store(version, Ordering::Release);
            }
            match attempted {
                Ok(outcome) => {
                    if let Some(catalog) = outcome.catalog.clone() {
                        pass!("catalog.committed");
                        self.0.freed.note(&known.catalog, &catalog, Instant::now());
                        let access = if outcome.touches_rights {
                            Arc::new(crate::identity::load(&self.store().first()).await?)
                        } else {
                            Arc::clone(&self.snapshot().access)
                        };
                        let matcher = self.load_matcher(&catalog).await?;
                        let hooks = self.load_hooks(&catalog).await?;
                        self.0.snapshot.store(Arc::new(Snapshot { catalog, access, matcher, hooks }));
                    }
                    if outcome.change.job.is_some() {
                        self.0.jobs.notify_one();
                    }
                    return Ok(outcome);
                }
                Err(CommitError::Engine(error)) => return Err(error),
                Err(CommitError::InVain(_)) => return Err(EngineError::Internal),
                Err(CommitError::Lost) => return Err(EngineError::Unavailable),
                Err(CommitError::TooSoon(rest)) => {
                    drop(changing);
                    tokio::time::sleep(rest).await;
                    continue;
                }
                Err(CommitError::Store(error)) if attempt == ATTEMPTS_MAX || !error.is_retryable() => {
                    return Err(error.into());
                }
                Err(CommitError::Overtaken) if attempt == ATTEMPTS_MAX && job.is_some() => {
                    return Err(EngineError::Unavailable);
                }
                Err(CommitError::Overtaken) if attempt == ATTEMPTS_MAX => {
                    return Err(EngineError::Conflict {
                        message: "modules are being changed elsewhere all the time; try again".to_owned(),
                        issues: Vec::new(),
                    });
                }
                Err(CommitError::Overtaken) => self.reload_locked().await?,
                // Long requests on the table held the lock; others are let through before the next try.
                Err(CommitError::Store(_)) => {
                    drop(changing);
                    tokio::time::sleep(pause_before(attempt)).await;
                }
            }
            attempt += 1;
        }
    }
}

/// What one attempt led to.
struct Outcome {
    change: CatalogChange,
    /// The new catalog; none of a dry run.
    catalog: Option<Arc<Catalog>>,
    /// Whether rights are other ones now.
    touches_rights: bool,
    /// What was planned.
    planned: Arc<Planned>,
}

/// Plans a change on `base` and commits it, or looks what it would do.
async fn attempt_change(
    engine: &Engine,
    known: &Snapshot,
    change: &Arc<Change>,
    author: &Author,
    workflows: Option<Arc<dyn EventMatcherLoader>>,
    manner: Manner,
) -> Result<Outcome, CommitError> {
    let base = Arc::clone(&known.catalog);
    let (store, rows_max) = (&engine.store().first(), engine.job_rows());
    let dry_run = manner.is_dry();
    let (version, retired) = load::fetch_retired(store).await?;
    if version != base.version {
        return Err(CommitError::Overtaken);
    }
    let present = fetch_present(store, change, known, version).await?;
    let plan_on = |without_required: bool| {
        let (catalog, retired, present) = (Arc::clone(&base), retired.clone(), present.clone());
        let access = Arc::clone(&known.access);
        let base = Base { catalog, retired, now: author.now, without_required, present, access };
        let (dialect, change) = (store.dialect(), Arc::clone(change));
        async move {
            let planned = blocking(move || plan(dialect, &base, &change)).await?.map_err(EngineError::Validation)?;
            Ok::<_, CommitError>(Arc::new(planned))
        }
    };
    let mut planned = plan_on(false).await?;
    if planned.documents.as_ref().is_some_and(|part| part.differences.is_empty()) {
        return Ok(unchanged(&base, planned));
    }
    // SQLite serves one process, which changes its catalog at once.
    if !dry_run && store.dialect() == Dialect::Postgres {
        let rest = engine.0.freed.rest(&base, &planned.catalog, Instant::now());
        if !rest.is_zero() {
            return Err(CommitError::TooSoon(rest));
        }
    }
    let large = match manner {
        Manner::Ahead(_) => None,
        Manner::Dry | Manner::DryOfMany | Manner::Whole => large_tables(store, change, &planned, rows_max).await?,
    };
    let manner = if dry_run && large.is_some() { Manner::DryOfMany } else { manner };
    if let Some(large) = large.as_ref().filter(|_| !dry_run) {
        let job = new_job(change, &planned, author, large);
        let id = job.id;
        begin_job(store, Arc::clone(&planned), workflows, job).await?;
        let change = CatalogChange {
            version: i64::try_from(base.version).unwrap_or(i64::MAX),
            applied: false,
            job: Some(id),
            rows: large.rows,
            statements: planned.statements(),
            warnings: planned.warnings.clone(),
        };
        return Ok(Outcome { change, catalog: None, touches_rights: false, planned });
    }
    if !dry_run {
        // Before it is made: who reads meanwhile looks at the version afterwards.
        engine.0.announced.store(base.version + 1, Ordering::Release);
    }
    let mut committed = commit(store, Arc::clone(&planned), author.clone(), workflows.clone(), manner).await;
    // What was required before may be missing in records that were made meanwhile.
    if matches!(**change, Change::RestoreField { .. }) && committed.as_ref().is_err_and(is_required_missing) {
        planned = plan_on(true).await?;
        committed = commit(store, Arc::clone(&planned), author.clone(), workflows, manner).await;
    }
    let Committed { mut effects, touches_rights } = committed?;
    if let Some(large) = large {
        let message = format!("{} records are too many for one transaction: the change would run as a job", large.rows);
        effects.warnings.push(Issue::new(path!["dryRun"], "job", message));
    }
    let version = if dry_run { base.version } else { planned.catalog.version };
    let change = CatalogChange {
        version: i64::try_from(version).unwrap_or(i64::MAX),
        applied: !dry_run,
        job: None,
        rows: effects.rows,
        statements: planned.statements(),
        warnings: effects.warnings,
    };
    let catalog = (!dry_run).then(|| Arc::clone(&planned.catalog));
    Ok(Outcome { change, catalog, touches_rights, planned })
}

/// Rights and workflows beside the catalog's version, for a change that is of them too.
async fn fetch_present(
    store: &Store,
    change: &Change,
    known: &Snapshot,
    version: u64,
) -> Result<Option<Present>, CommitError> {
    if !matches!(change, Change::Documents { .. }) {
        return Ok(None);
    }
    let access: Arc<AccessState> = Arc::clone(&known.access);
    let epoch = access.epoch;
    let present = Present::fetch(store, access).await?;
    let is_same = u64::try_from(present.state.catalog_version) == Ok(version) && present.state.access_epoch == epoch;
    if is_same { Ok(Some(present)) } else { Err(CommitError::Overtaken) }
}

/// Where nothing differs there is no new version.
fn unchanged(base: &Catalog, planned: Arc<Planned>) -> Outcome {
    let change = CatalogChange {
        version: i64::try_from(base.version).unwrap_or(i64::MAX),
        applied: false,
        job: None,
        rows: 0,
        statements: Vec::new(),
        warnings: Vec::new(),
    };
    Outcome { change, catalog: None, touches_rights: false, planned }
}

/// The tables of a plan that has too many records for one transaction.
struct Large {
    tables: Vec<String>,
    rows: i64,
}

/// Whether a change needs a job, and of which tables.
async fn large_tables(
    store: &Store,
    change: &Change,
    planned: &Arc<Planned>,
    rows_max: usize,
) -> Result<Option<Large>, CommitError> {
    let dialect = store.dialect();
    let tables: Vec<String> =
        work::works(dialect, planned).iter().map(|work| work.ahead.module().table.clone()).collect();
    if !change.may_be_a_job() || tables.is_empty() {
        return Ok(None);
    }
    let names = tables.clone();
    let rows = store.read(move |tx: &mut ReadTx| {
        async move {
            let (mut most, mut rows) = (0, 0);
            for table in &names {
                let some = tx
                    .query(&ddl::count_up_to(table, rows_max.saturating_add(1).min(COUNTED_MAX)), &Bindings::default())
                    .await?;
                most = most.max(some.first_integer().unwrap_or_default());
            }
            if usize::try_from(most).is_ok_and(|most| most > rows_max) {
                for table in &names {
                    let all = tx.query(&ddl::rows::count_rows(table), &Bindings::default()).await?;
                    rows += all.first_integer().unwrap_or_default();
                }
            }
            Ok::<_, StoreError>(rows)
        }
        .boxed()
    });
    let rows = rows.await?;
    Ok((rows > 0).then_some(Large { tables, rows }))
}

fn new_job(change: &Change, planned: &Planned, author: &Author, large: &Large) -> NewJob {
    let json = |list: &[String]| serde_json::to_string(list).expect("names are JSON");
    NewJob {
        id: Uuid::now_v7(),
        change: serde_json::to_string(change).expect("a change is a JSON document"),
        summary: planned.summary.clone(),
        modules: json(&job::touched_modules(planned)),
        tables: json(&large.tables),
        actor: author.actor,
        via: author.via.to_owned(),
        request: author.request,
        total: large.rows,
        created_at: author.now,
    }
}

fn is_required_missing(error: &CommitError) -> bool {
    match error {
        CommitError::Engine(EngineError::Validation(issues)) => {
            issues.first().is_some_and(|issue| issue.rule == "required")
        }
        _ => false,
    }
}

/// Runs what takes processor time on a thread where it holds up no request.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "resolving definitions ended unexpectedly");
        EngineError::Internal
    })
}

fn pause_before(attempt: u32) -> Duration {
    Duration::from_millis(100) * attempt
}

impl From<StoreError> for CommitError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<EngineError> for CommitError {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}
