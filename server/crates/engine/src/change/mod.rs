//! Changing modules while requests run: one change is one new version of the catalog, with definitions, tables and version row
//! written in one transaction, or nothing.
//!
//! A change is planned outside the transaction on the catalog that is in memory: all faults are told at once, and nothing is
//! locked meanwhile. The transaction then begins with the version row. If another process has changed the catalog since, the
//! plan is thrown away, the new catalog is loaded, and the change is planned anew.

mod bootstrap;
mod commit;
mod load;
mod plan;
mod tables;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;
use std::time::Duration;

use cardine_failpoints::pass;
use cardine_model::{Catalog, Issue};
use cardine_store::{Store, StoreError};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{Engine, EngineError, RequestContext, Snapshot};
use commit::{Author, CommitError, commit, inspect};
use plan::{Change, plan};

pub(crate) use bootstrap::bootstrap;
pub(crate) use load::{current_state, load};

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
    /// Makes a module with its table. `definition` is a document of `schema/module.schema.json`.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] if the caller is no administrator; [`EngineError::Validation`] with every fault of the
    /// definition, its paths starting at `definition`; [`EngineError::Conflict`] if the database has such a table already.
    pub async fn create_module(
        &self,
        ctx: &RequestContext,
        definition: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::CreateModule { definition }, dry_run).await
    }

    /// Adds a field to a module, built-in ones included, but not to a platform module. Records that are there have no value in
    /// it, except in a required field with a constant default, which they get; other required fields are warned about.
    ///
    /// # Errors
    /// As [`Engine::create_module`], with paths starting at `field` or `module`.
    pub async fn add_field(
        &self,
        ctx: &RequestContext,
        module: &str,
        field: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::AddField { module: module.to_owned(), field }, dry_run).await
    }

    /// Compares the catalog with the tables, columns and indexes that are really there; each difference as a sentence.
    pub async fn check_tables(&self) -> Result<Vec<String>, EngineError> {
        tables::differences(self.store(), &self.snapshot().catalog).await
    }

    async fn change(&self, ctx: &RequestContext, change: Change, dry_run: bool) -> Result<CatalogChange, EngineError> {
        if !ctx.actor.rights.administrator {
            return Err(EngineError::Forbidden("only administrators may change modules".to_owned()));
        }
        let change = Arc::new(change);
        let author = Author { actor: ctx.actor.user, via: ctx.via, request: ctx.request_id, now: ctx.now };
        let mut attempt = 1;
        loop {
            let changing = self.0.changing.lock().await;
            let base = Arc::clone(&self.snapshot().catalog);
            match attempt_change(self.store(), base, &change, &author, dry_run).await {
                Ok(outcome) => {
                    if let Some(catalog) = outcome.catalog {
                        pass!("catalog.committed");
                        let access = Arc::clone(&self.snapshot().access);
                        let matcher = self.load_matcher(&catalog).await?;
                        self.0.snapshot.store(Arc::new(Snapshot { catalog, access, matcher }));
                    }
                    return Ok(outcome.change);
                }
                Err(CommitError::Engine(error)) => return Err(error),
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
}

/// Plans a change on `base` and commits it, or looks what it would do.
async fn attempt_change(
    store: &Store,
    base: Arc<Catalog>,
    change: &Arc<Change>,
    author: &Author,
    dry_run: bool,
) -> Result<Outcome, CommitError> {
    let dialect = store.dialect();
    let planned = {
        let (base, change) = (Arc::clone(&base), Arc::clone(change));
        blocking(move || plan(dialect, &base, &change)).await?.map_err(EngineError::Validation)?
    };
    let planned = Arc::new(planned);
    let version = if dry_run { base.version } else { planned.catalog.version };
    let warnings = if dry_run {
        inspect(store, &planned, version).await?
    } else {
        commit(store, Arc::clone(&planned), author.clone()).await?
    };
    let change = CatalogChange {
        version: i64::try_from(version).unwrap_or(i64::MAX),
        applied: !dry_run,
        job: None,
        statements: planned.statements.clone(),
        warnings,
    };
    Ok(Outcome { change, catalog: (!dry_run).then(|| Arc::clone(&planned.catalog)) })
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
