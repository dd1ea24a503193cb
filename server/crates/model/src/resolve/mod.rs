//! Definitions → catalog: one stage per file, every fault of every document found in one pass and told with its JSON path.
//!
//! A document that came from outside goes through [`parse_document`] first (JSON Schema, then types); [`resolve`] then gives
//! meaning to all documents together. The stages run in the order of the files below and share one draft; a stage
//! that meets something faulty reports it once, marks it, and later stages stay silent about what follows from it.

mod builtin;
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
mod rollups;
mod rules;
mod sql_names;
mod system_fields;
#[cfg(test)]
mod tests;

use serde::Serialize;

pub use builtin::{builtin_catalog, builtin_documents, demo_documents, module_documents, platform_documents};
pub use document::{MODULE_SCHEMA, parse_document};
pub use field_types::INDEXED_TEXT_LENGTH_MAX;
pub use graphql_names::{
    BUILT_IN_TYPES, FIELD_TYPE_SUFFIXES, FILTER_COMBINATORS, MODULE_TYPE_SUFFIXES, mutation_names, query_names,
    subscription_names, type_names,
};
pub use sql_names::{PLATFORM_TABLES, SQL_NAME_LENGTH_MAX};

use crate::Issue;
use crate::catalog::{Catalog, Checks};
use crate::definition::ModuleDefinition;
use draft::{Draft, Issues};

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
    let mut issues = Issues::default();

    let links = links::documents(modules);
    limits::check(platform, modules, &links, &mut issues);
    let mut draft = Draft::open(platform, modules, &links, &mut issues);
    graphql_names::check(&draft, &mut issues);
    sql_names::check(&draft, &mut issues);
    field_types::resolve(&mut draft, &mut issues);
    references::resolve(&mut draft, &mut issues);
    rollups::resolve(&mut draft, &mut issues);
    defaults::resolve(&mut draft, &mut issues);
    layout::resolve(&mut draft, &mut issues);
    rules::resolve(&mut draft, &mut issues);
    let inputs = dependencies::trace(&draft, &mut issues);

    issues.into_result().map_err(|found| links::told_where_written(&links, found))?;
    let Draft { modules, by_name, patterns, json_schemas, .. } = draft;
    Ok(Catalog { version, modules, by_name, inputs, checks: Checks { patterns, json_schemas } })
}
