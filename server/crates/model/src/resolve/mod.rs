//! Definitions → catalog: one stage per file, every fault of every document found in one pass and told with its JSON path.
//!
//! A document that came from outside goes through [`parse_document`] first (JSON Schema, then types); [`resolve`] then gives
//! meaning to all documents together, and [`resolve_change`] to those that a change touches. The stages share one draft; a
//! stage that meets something faulty reports it once, marks it, and later stages stay silent about what follows from it.

mod builtin;
mod by_schema;
mod change;
mod computed;
mod conditions;
mod defaults;
mod dependencies;
mod document;
mod draft;
mod field_types;
mod graphql_names;
mod layout;
mod limits;
mod links;
mod numbers;
mod option_table;
mod references;
mod renumber;
mod rollups;
mod rules;
mod sql_names;
mod stored;
mod system_fields;
#[cfg(test)]
mod tests;
mod unserved;

use serde::Serialize;

pub use builtin::{
    builtin_catalog, builtin_documents, demo_documents, module_documents, platform_documents, role_documents,
};
pub use by_schema::{DocumentSchema, PERMISSION_SET_SCHEMA, ROLE_SCHEMA, SHARING_RULE_SCHEMA};
pub use change::{resolve_change, resolve_kept_change, resolve_restored};
pub use document::{MODULE_SCHEMA, is_of_features, parse_document};
pub use field_types::INDEXED_TEXT_LENGTH_MAX;
pub use graphql_names::{
    BUILT_IN_TYPES, FIELD_TYPE_SUFFIXES, FILTER_COMBINATORS, MODULE_TYPE_SUFFIXES, mutation_names, query_names,
    subscription_names, type_names,
};
pub use sql_names::{PLATFORM_TABLES, SQL_NAME_LENGTH_MAX, column_names};

use crate::Issue;
use crate::catalog::Catalog;
use crate::definition::ModuleDefinition;
use dependencies::Inputs;
use draft::{Draft, Issues};
use unserved::Kept;

/// A fault, and the module in whose document it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModuleIssue {
    /// The module's name as its document has it.
    pub module: String,
    /// The fault; its path starts at that document's root.
    pub issue: Issue,
}

/// Resolves all documents of one catalog version.
///
/// Where two documents want the same name, the earlier one in `modules` keeps it and the later one is told; a caller that
/// changes a module passes it last. The order has no other effect.
pub fn resolve(
    version: u64,
    platform: &[ModuleDefinition],
    modules: &[ModuleDefinition],
) -> Result<Catalog, Vec<ModuleIssue>> {
    resolve_with(version, platform, modules, &Kept::None)
}

/// The same of what is kept: it was sound when it was written, and where the API has taken a name of it since, the module is
/// [unserved](crate::Module::unserved) until it has another one.
pub fn resolve_kept(
    version: u64,
    platform: &[ModuleDefinition],
    modules: &[ModuleDefinition],
) -> Result<Catalog, Vec<ModuleIssue>> {
    resolve_with(version, platform, modules, &Kept::All)
}

fn resolve_with(
    version: u64,
    platform: &[ModuleDefinition],
    modules: &[ModuleDefinition],
    kept: &Kept<'_>,
) -> Result<Catalog, Vec<ModuleIssue>> {
    let mut issues = Issues::default();

    let links = links::documents(modules);
    limits::check(platform, modules, &links, &mut issues);
    let mut draft = Draft::open(platform, modules, &links, &mut issues);
    let unserved = graphql_names::check(&draft, kept, &mut issues);
    unserved::mark(&mut draft, unserved);
    let inputs = give_meaning(&mut draft, &mut issues);

    issues.into_result().map_err(|found| links::told_where_written(&links, found))?;
    let Draft { modules, by_name, .. } = draft;
    let stored_rollups = stored::by_related_module(&modules);
    Ok(Catalog { version, modules, by_name, inputs, stored_rollups })
}

/// The stages from the names in the database on; gives what each formula and rollup reads.
fn give_meaning(draft: &mut Draft<'_>, issues: &mut Issues) -> Inputs {
    sql_names::check(draft, issues);
    field_types::resolve(draft, issues);
    references::resolve(draft, issues);
    rollups::resolve(draft, issues);
    defaults::resolve(draft, issues);
    layout::resolve(draft, issues);
    rules::resolve(draft, issues);
    stored::check(draft, issues);
    dependencies::trace(draft, issues)
}
