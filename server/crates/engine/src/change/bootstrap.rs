//! The first start of a database, and the first one of a newer program on it: the modules that come with Cardine.

use std::sync::Arc;

use cardine_model::Catalog;
use cardine_model::catalog::Module;
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{ModuleIssue, module_documents, resolve_kept};
use cardine_sql::Dialect;
use cardine_sql::ddl::{self, records};
use cardine_store::{Bindings, ReadTx, RowSet, Store, StoreError, WriteTx};
use chrono::Utc;
use futures_util::FutureExt as _;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::blocking;
use super::commit::{Author, CommitError, Manner, commit};
use super::ids::{identified, is_identified};
use super::load::{PLATFORM, Stored, fetch, parse_built_in, resolve_stored, unsound};
use super::plan::{Planned, Written, WrittenDefinition, install};
use crate::EngineError;

/// How often a start is tried beside those of other processes.
const ATTEMPTS_MAX: u32 = 20;

/// The catalog to start with. Built-in modules that the database has not are installed, all in one transaction; those that it
/// has are left as they are, retired ones too.
pub(crate) async fn bootstrap(store: &Store) -> Result<Catalog, EngineError> {
    let catalog = bootstrap_with(store, parse_built_in(&module_documents())).await?;
    if let Err(error) = make_missing_indexes(store, &catalog).await {
        // Everything is answered without them, only slower.
        tracing::warn!(%error, "indexes that are missing could not be made");
    }
    Ok(catalog)
}

/// Makes the indexes that an older program did not make. Of several processes that start, one makes them, and the others wait for it.
pub(super) async fn make_missing_indexes(store: &Store, catalog: &Catalog) -> Result<(), EngineError> {
    let modules: Arc<[Arc<Module>]> = catalog.modules.iter().filter(|module| !module.platform).cloned().collect();
    let dialect = store.dialect();
    let wanted = Arc::clone(&modules);
    let is_complete = store
        .read(move |tx: &mut ReadTx| {
            async move {
                let there = tx.query(&records::select_indexes(dialect), &Bindings::default()).await?;
                Ok::<_, StoreError>(missing(dialect, &wanted, &there).is_empty())
            }
            .boxed()
        })
        .await?;
    if is_complete {
        return Ok(());
    }
    store
        .write(move |tx: &mut WriteTx| {
            let modules = Arc::clone(&modules);
            async move {
                if dialect == Dialect::Postgres {
                    tx.run_ddl(&records::hold_table("module_definition")).await?;
                }
                let there = tx.query(&records::select_indexes(dialect), &Bindings::default()).await?;
                for statement in missing(dialect, &modules, &there) {
                    tx.run_ddl(&statement).await?;
                }
                Ok::<_, StoreError>(())
            }
            .boxed()
        })
        .await?;
    Ok(())
}

/// What makes them, where those of `there` are.
fn missing(dialect: Dialect, modules: &[Arc<Module>], there: &RowSet) -> Vec<String> {
    let there: FxHashSet<&str> = (0..there.len()).filter_map(|row| there.cell(row, 1).text()).collect();
    let of = |module: &Arc<Module>| ddl::missing_indexes(dialect, module, &|name| there.contains(name));
    modules.iter().flat_map(of).collect()
}

/// As [`bootstrap`], with these modules as the built-in ones.
pub(super) async fn bootstrap_with(store: &Store, built_in: Vec<ModuleDefinition>) -> Result<Catalog, EngineError> {
    let mut attempt = 1;
    loop {
        let stored = fetch(store).await?;
        let is_first_start = stored.version == 0;
        if !is_first_start && stored.definitions.iter().any(|(_, document)| !has_ids(document)) {
            let base = resolve_stored(stored).await?;
            let planned = Arc::new(blocking(move || identify(&base).map_err(|issues| unsound(&issues))).await??);
            match commit(store, planned, system(), None, Manner::Whole).await {
                Ok(_) => {}
                Err(CommitError::Overtaken) if attempt < ATTEMPTS_MAX => attempt += 1,
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(CommitError::Engine(error)) => return Err(error),
                Err(_) => return Err(EngineError::Unavailable),
            }
            continue;
        }
        let missing = missing_modules(&stored, &built_in);
        if missing.is_empty() && !is_first_start {
            return resolve_stored(stored).await;
        }
        let base = if is_first_start { None } else { Some(resolve_stored(stored).await?) };
        let dialect = store.dialect();
        let planned = blocking(move || match base {
            None => install(dialect, None, &PLATFORM, missing).map_err(|issues| unsound(&issues)).map(Ok),
            Some(base) => Ok(install_what_fits(dialect, base, missing)),
        });
        let planned = match planned.await?? {
            Ok(planned) => Arc::new(planned),
            Err(base) => return Ok(*base),
        };
        match commit(store, Arc::clone(&planned), system(), None, Manner::Whole).await {
            Ok(_) => return Ok(Catalog::clone(&planned.catalog)),
            // Another process starts as well; what it did is there now.
            Err(CommitError::Overtaken) if attempt < ATTEMPTS_MAX => attempt += 1,
            Err(CommitError::Overtaken) => return Err(EngineError::Unavailable),
            Err(CommitError::Store(error)) => return Err(error.into()),
            Err(CommitError::Engine(error)) => return Err(error),
            Err(_) => return Err(EngineError::Internal),
        }
    }
}

/// In the name of nobody.
pub(super) fn system() -> Author {
    Author { actor: None, via: "system", request: Uuid::now_v7(), now: Utc::now() }
}

/// Whether a kept document has what the server calls its module and fields; one of an older program has not.
fn has_ids(document: &str) -> bool {
    serde_json::from_str::<ModuleDefinition>(document).is_ok_and(|definition| is_identified(&definition))
}

/// The plan that gives them.
fn identify(base: &Catalog) -> Result<Planned, Vec<ModuleIssue>> {
    let own = base.modules.iter().filter(|module| !module.platform && module.link.is_none());
    let definitions: Vec<ModuleDefinition> =
        own.map(|module| identified(module.definition(), Some(&module.definition()))).collect();
    let catalog = resolve_kept(base.version + 1, &PLATFORM, &definitions)?;
    let written = definitions.into_iter().map(|definition| WrittenDefinition { definition, how: Written::Instead });
    Ok(Planned {
        base: None,
        catalog: Arc::new(catalog),
        definitions: written.collect(),
        steps: Vec::new(),
        follow: None,
        action: "MODULES_IDENTIFIED",
        summary: "give modules and fields their ids".to_owned(),
        module: None,
        warnings: Vec::new(),
        documents: None,
    })
}

fn missing_modules(stored: &Stored, built_in: &[ModuleDefinition]) -> Vec<ModuleDefinition> {
    let known: FxHashSet<&str> = stored.names.iter().map(String::as_str).collect();
    built_in.iter().filter(|definition| !known.contains(definition.name.as_str())).cloned().collect()
}

/// The plan to install those of `missing` that the modules in force leave room for; the catalog as it is if there are none.
/// A name that an administrator has taken must not keep a newer program from starting.
fn install_what_fits(
    dialect: Dialect,
    base: Catalog,
    mut missing: Vec<ModuleDefinition>,
) -> Result<Planned, Box<Catalog>> {
    while !missing.is_empty() {
        match install(dialect, Some(&base), &PLATFORM, missing.clone()) {
            Ok(planned) => return Ok(planned),
            Err(issues) => {
                let before = missing.len();
                for fault in &issues {
                    tracing::warn!(module = fault.module, "a built-in module is not installed: {}", fault.issue);
                }
                missing.retain(|definition| !issues.iter().any(|fault| fault.module == definition.name));
                if missing.len() == before {
                    break;
                }
            }
        }
    }
    Err(Box::new(base))
}
