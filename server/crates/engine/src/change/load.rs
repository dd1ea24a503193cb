//! The catalog as the database has it.

use std::sync::{Arc, LazyLock};

use cardine_model::Catalog;
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{ModuleIssue, parse_document, platform_documents, resolve_kept, resolve_kept_change};
use cardine_sql::ddl::records;
use cardine_store::{Bindings, PlatformState, ReadTx, RowSet, Store, StoreError};
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use rustc_hash::FxHashMap;

use super::blocking;
use super::plan::RetiredModule;
use crate::EngineError;

/// What is kept of a catalog, read on one snapshot.
pub(super) struct Stored {
    /// Its version; 0 before the first start has ended.
    pub version: u64,
    /// Name and document of each module in force.
    pub definitions: Vec<(String, String)>,
    /// Names of all modules, retired ones too.
    pub names: Vec<String>,
}

/// The platform modules' definitions: they come with the program, as their tables do.
pub(super) static PLATFORM: LazyLock<Vec<ModuleDefinition>> = LazyLock::new(|| parse_built_in(&platform_documents()));

/// Definitions that come with the program, as they are when they have been kept: without what only helps editors.
pub(super) fn parse_built_in(documents: &[(&str, &str)]) -> Vec<ModuleDefinition> {
    let parse = |(_, text): &(&str, &str)| {
        let document = serde_json::from_str(text).expect("an embedded definition is JSON");
        let definition = parse_document(&document).expect("an embedded definition keeps to the JSON Schema");
        ModuleDefinition { schema: None, ..definition }
    };
    documents.iter().map(parse).collect()
}

/// The catalog in force. What is as it was in `known`, the two share.
pub(crate) async fn load(store: &Store, known: Arc<Catalog>) -> Result<Catalog, EngineError> {
    let stored = fetch(store).await?;
    blocking(move || resolve_difference(&known, &stored)).await?
}

/// The counters of catalog and rights.
pub(crate) async fn current_state(store: &Store) -> Result<PlatformState, EngineError> {
    store.read(|tx: &mut ReadTx| async move { Ok(tx.state().await?) }.boxed()).await
}

/// Reads what is kept of the catalog.
pub(super) async fn fetch(store: &Store) -> Result<Stored, EngineError> {
    store
        .read(|tx: &mut ReadTx| {
            async move {
                let version = u64::try_from(tx.state().await?.catalog_version).unwrap_or_default();
                let definitions = tx.query(&records::select_definitions(), &Bindings::default()).await?;
                let names = tx.query(&records::select_definition_names(), &Bindings::default()).await?;
                let definitions =
                    (0..definitions.len()).map(|row| (text(&definitions, row, 0), text(&definitions, row, 1)));
                let names = (0..names.len()).map(|row| text(&names, row, 0));
                Ok::<_, StoreError>(Stored { version, definitions: definitions.collect(), names: names.collect() })
            }
            .boxed()
        })
        .await
        .map_err(EngineError::from)
}

/// The retired modules, and the catalog's version that they were read at.
pub(super) async fn fetch_retired(store: &Store) -> Result<(u64, Vec<RetiredModule>), EngineError> {
    store
        .read(|tx: &mut ReadTx| {
            async move {
                let version = u64::try_from(tx.state().await?.catalog_version).unwrap_or_default();
                let rows = tx.query(&records::select_retired_definitions(), &Bindings::default()).await?;
                let mut retired = Vec::with_capacity(rows.len());
                for row in 0..rows.len() {
                    let name = text(&rows, row, 0);
                    let definition = serde_json::from_str::<ModuleDefinition>(&text(&rows, row, 1));
                    let at = text(&rows, row, 2).parse::<DateTime<Utc>>();
                    match (definition, at) {
                        (Ok(definition), Ok(at)) => retired.push(RetiredModule { definition, at }),
                        _ => tracing::error!(module = name, "a retired module's definition cannot be read"),
                    }
                }
                Ok::<_, StoreError>((version, retired))
            }
            .boxed()
        })
        .await
        .map_err(EngineError::from)
}

/// Gives meaning to what is kept. It was checked when it was written; if it does not resolve now, this program is older than the
/// one that wrote it, or the database was changed by hand.
pub(super) async fn resolve_stored(stored: Stored) -> Result<Catalog, EngineError> {
    let resolved = blocking(move || {
        let mut definitions = Vec::with_capacity(stored.definitions.len());
        for (name, document) in &stored.definitions {
            definitions.push(read_definition(name, document)?);
        }
        resolve_kept(stored.version, &PLATFORM, &definitions).map_err(|issues| unsound(&issues))
    });
    let catalog = resolved.await??;
    for (module, told) in unserved(&catalog) {
        tracing::warn!(module, "{told}");
    }
    Ok(catalog)
}

/// The catalog of what is kept, as a change of another one.
fn resolve_difference(known: &Catalog, stored: &Stored) -> Result<Catalog, EngineError> {
    let modules = known.modules.iter().filter(|module| !module.platform && module.link.is_none());
    let mut unseen: FxHashMap<&str, &str> = modules.map(|module| (&*module.name, &*module.document)).collect();
    let mut gone = Vec::new();
    let mut come = Vec::new();
    for (name, document) in &stored.definitions {
        match unseen.remove(name.as_str()) {
            Some(known) if known == document => continue,
            Some(_) => gone.push(name.as_str()),
            None => {}
        }
        come.push(read_definition(name, document)?);
    }
    gone.extend(unseen.into_keys());
    resolve_kept_change(known, stored.version, &gone, &come).map_err(|issues| unsound(&issues))
}

fn read_definition(name: &str, document: &str) -> Result<ModuleDefinition, EngineError> {
    serde_json::from_str(document).map_err(|error| {
        tracing::error!(module = name, %error, "a stored definition cannot be read");
        EngineError::Internal
    })
}

/// The modules of which the API has nothing, each with why and what to do, for people.
pub(super) fn unserved(catalog: &Catalog) -> impl Iterator<Item = (&str, String)> {
    catalog.modules.iter().filter_map(|module| {
        let (name, why) = (&module.name, module.unserved.as_ref()?);
        let told = format!(
            "the API has nothing of the module `{name}` until an administrator renames it (`renameModule` of /admin/graphql; a field by `renameField`, its inverse by `updateField`); its records are kept: {why}"
        );
        Some((name.as_str(), told))
    })
}

/// Tells the log why definitions that should resolve do not.
pub(super) fn unsound(issues: &[ModuleIssue]) -> EngineError {
    for ModuleIssue { module, issue } in issues {
        tracing::error!(module, "a stored definition does not resolve: {issue}");
    }
    EngineError::Internal
}

fn text(rows: &RowSet, row: usize, column: usize) -> String {
    rows.cell(row, column).text().unwrap_or_default().to_owned()
}
