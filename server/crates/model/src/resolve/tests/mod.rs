//! Documents in, catalog or issues out: one file per question, all through the public functions.

mod change;
mod collisions;
mod cycles;
mod faults;
mod files;
mod shape;
mod speed;
mod unserved;

use serde_json::{Value as Json, json};

use super::{ModuleIssue, builtin, parse_document, resolve};
use crate::definition::ModuleDefinition;
use crate::{Catalog, Issue, PathSegment};

/// Reads a document that is right by the JSON Schema.
fn definition(document: &Json) -> ModuleDefinition {
    parse_document(document).unwrap_or_else(|issues| panic!("{document}: {issues:?}"))
}

fn platform() -> Vec<ModuleDefinition> {
    builtin::platform_documents().iter().map(|(_, text)| definition(&serde_json::from_str(text).unwrap())).collect()
}

/// Resolves these documents beside the platform's.
fn resolved(documents: &[Json]) -> Result<Catalog, Vec<ModuleIssue>> {
    let definitions: Vec<ModuleDefinition> = documents.iter().map(definition).collect();
    resolve(1, &platform(), &definitions)
}

/// The catalog of documents that must be right.
fn catalog(documents: &[Json]) -> Catalog {
    resolved(documents).unwrap_or_else(|issues| panic!("{issues:#?}"))
}

/// The issues of documents that must be refused, as `Module path: message`.
fn refused(documents: &[Json]) -> Vec<String> {
    let issues = resolved(documents).expect_err("should be refused");
    issues.iter().map(|ModuleIssue { module, issue }| format!("{module} {issue}")).collect()
}

/// A module `Deal` with these fields.
fn deal(fields: Json) -> Json {
    json!({"name": "Deal", "plural": "Deals", "fields": fields})
}

/// The faults of a `Deal` with this one field: refused by the JSON Schema or later.
fn faults_of_field(field: &Json) -> Vec<Issue> {
    let document = deal(json!([field]));
    match parse_document(&document) {
        Err(issues) => issues,
        Ok(definition) => match resolve(1, &platform(), &[definition]) {
            Ok(_) => Vec::new(),
            Err(issues) => issues.into_iter().map(|issue| issue.issue).collect(),
        },
    }
}

/// A path as its JSON.
fn path_of(path: &[PathSegment]) -> Json {
    serde_json::to_value(path).unwrap()
}
