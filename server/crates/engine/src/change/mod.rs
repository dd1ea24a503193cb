//! Changing modules while requests run: one change is one new version of the catalog, with definitions, tables and version row
//! written in one transaction, or nothing.
//!
//! A change is planned outside the transaction on the catalog that is in memory: all faults are told at once, and nothing is
//! locked meanwhile. The transaction then begins with the version row. If another process has changed the catalog since, the
//! plan is thrown away, the new catalog is loaded, and the change is planned anew.

mod bootstrap;
mod commit;
mod convert;
mod follow;
mod ids;
mod load;
mod operations;
mod plan;
mod retention;
mod rollups;
mod steps;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cardine_failpoints::pass;
use cardine_model::{Catalog, Issue};
use cardine_store::{Store, StoreError};
use uuid::Uuid;

use crate::as_code::{Applied, Present, WantedFiles, WorkflowDocuments};
use crate::events::EventMatcherLoader;
use crate::identity::AccessState;
use crate::{Engine, EngineError, RequestContext, Snapshot};
use commit::{Author, CommitError, commit};
use plan::{Base, Change, Planned, plan};

pub(crate) use bootstrap::bootstrap;
pub(crate) use load::{current_state, load};
pub use plan::RetiredModule;
pub(crate) use plan::without_unknown_keys;
pub use rollups::DifferingRollup;

/// How often a change is tried that other processes' changes, or requests on its tables, are in the way of.
const ATTEMPTS_MAX: u32 = 6;

/// What a change did, or would do.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogChange {
    /// The catalog's version after it; with a dry run the present one.
    pub version: i64,
    /// Whether it is in force.
    pub applied: bool,
    /// The job that applies it, if it is too large for one transaction. No change so far is.
    pub job: Option<Uuid>,
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

    async fn change(&self, ctx: &RequestContext, change: Change, dry_run: bool) -> Result<CatalogChange, EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change modules".to_owned()));
        }
        let author = Author { actor: ctx.actor.user, via: ctx.via, request: ctx.request_id, now: ctx.now };
        self.change_as(author, change, dry_run).await
    }

    async fn change_as(&self, author: Author, change: Change, dry_run: bool) -> Result<CatalogChange, EngineError> {
        self.change_and_tell(author, change, dry_run).await.map(|outcome| outcome.change)
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
        let Outcome { change, planned, .. } = self.change_and_tell(author, change, dry_run).await?;
        let (differences, left) = match planned.documents.as_ref() {
            Some(part) => (part.differences.clone(), part.left.clone()),
            None => (Vec::new(), Vec::new()),
        };
        Ok(Applied { change, differences, left })
    }

    async fn change_and_tell(&self, author: Author, change: Change, dry_run: bool) -> Result<Outcome, EngineError> {
        let change = Arc::new(change);
        let workflows = self.0.matcher_loader.get().cloned();
        let mut attempt = 1;
        loop {
            let changing = self.0.changing.lock().await;
            let known = self.snapshot();
            let base = Arc::clone(&known.catalog);
            let version = base.version;
            if !dry_run {
                // Before it is made: who reads meanwhile looks at the version afterwards.
                self.0.announced.store(version + 1, Ordering::Release);
            }
            let attempted = attempt_change(self.store(), &known, &change, &author, workflows.clone(), dry_run).await;
            if matches!(attempted, Err(CommitError::Engine(_) | CommitError::Overtaken)) {
                self.0.announced.store(version, Ordering::Release);
            }
            match attempted {
                Ok(outcome) => {
                    if let Some(catalog) = outcome.catalog.clone() {
                        pass!("catalog.committed");
                        let access = if outcome.touches_rights {
                            Arc::new(crate::identity::load(self.store()).await?)
                        } else {
                            Arc::clone(&self.snapshot().access)
                        };
                        let matcher = self.load_matcher(&catalog).await?;
                        let hooks = self.load_hooks(&catalog).await?;
                        self.0.snapshot.store(Arc::new(Snapshot { catalog, access, matcher, hooks }));
                    }
                    return Ok(outcome);
                }
                Err(CommitError::Engine(error)) => return Err(error),
                Err(CommitError::InVain(_)) => return Err(EngineError::Internal),
                Err(CommitError::Store(error)) if attempt == ATTEMPTS_MAX || !error.is_retryable() => {
                    return Err(error.into());
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
    store: &Store,
    known: &Snapshot,
    change: &Arc<Change>,
    author: &Author,
    workflows: Option<Arc<dyn EventMatcherLoader>>,
    dry_run: bool,
) -> Result<Outcome, CommitError> {
    let base = Arc::clone(&known.catalog);
    let (version, retired) = load::fetch_retired(store).await?;
    if version != base.version {
        return Err(CommitError::Overtaken);
    }
    let present = fetch_present(store, change, known, version).await?;
    let plan_on = |without_required: bool| {
        let (catalog, retired, present) = (Arc::clone(&base), retired.clone(), present.clone());
        let base = Base { catalog, retired, now: author.now, without_required, present };
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
    let mut committed = commit(store, Arc::clone(&planned), author.clone(), workflows.clone(), dry_run).await;
    // What was required before may be missing in records that were made meanwhile.
    if matches!(**change, Change::RestoreField { .. }) && committed.as_ref().is_err_and(is_required_missing) {
        planned = plan_on(true).await?;
        committed = commit(store, Arc::clone(&planned), author.clone(), workflows, dry_run).await;
    }
    let committed = committed?;
    let version = if dry_run { base.version } else { planned.catalog.version };
    let change = CatalogChange {
        version: i64::try_from(version).unwrap_or(i64::MAX),
        applied: !dry_run,
        job: None,
        statements: planned.statements(),
        warnings: committed.warnings,
    };
    let catalog = (!dry_run).then(|| Arc::clone(&planned.catalog));
    Ok(Outcome { change, catalog, touches_rights: committed.touches_rights, planned })
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
        statements: Vec::new(),
        warnings: Vec::new(),
    };
    Outcome { change, catalog: None, touches_rights: false, planned }
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
