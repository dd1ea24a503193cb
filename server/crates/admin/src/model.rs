//! Modules, their fields, and what a change of them did.

use async_graphql::{ID, SimpleObject};
use cardine_engine::change;
use cardine_model::{PathSegment, catalog, definition};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

/// A module in force.
#[derive(SimpleObject)]
pub struct Module {
    /// PascalCase name.
    name: String,
    /// PascalCase plural.
    plural: String,
    /// Text, or text by language.
    label: Json,
    /// Users, groups and roles: read by everyone who is signed in, changed here only.
    platform: bool,
    /// Its table in the database.
    table: String,
    /// Why `/graphql` has nothing of it until it is renamed: a newer version of Cardine took a name that it needs. Null of others.
    unserved: Option<String>,
    /// Its own fields, then those of the system.
    fields: Vec<Field>,
    /// Fields that are hidden, and may be restored until they are purged.
    retired_fields: Vec<RetiredField>,
    /// The document that it was made from.
    definition: Json,
}

/// A field that is hidden from everybody.
#[derive(SimpleObject)]
pub struct RetiredField {
    /// camelCase name.
    name: String,
    /// Since when.
    retired_at: DateTime<Utc>,
    /// As the definition had it.
    definition: Json,
}

/// A module that is hidden from everybody.
#[derive(SimpleObject)]
pub struct RetiredModule {
    /// PascalCase name.
    name: String,
    /// Since when.
    retired_at: DateTime<Utc>,
    /// The document that it was made from.
    definition: Json,
}

/// A field of a module.
#[derive(SimpleObject)]
pub struct Field {
    /// camelCase name.
    name: String,
    /// Set by the system, and part of every module.
    system: bool,
    /// Never in an input.
    read_only: bool,
    /// As the definition has it; null for a field of the system.
    definition: Option<Json>,
}

/// What a change of modules did, or would do.
#[derive(SimpleObject)]
pub struct CatalogChange {
    /// The catalog's version after it; with a dry run the present one.
    version: i64,
    /// Whether it is in force.
    applied: bool,
    /// The job that applies it, if it is too large for one transaction.
    job: Option<ID>,
    /// Records that get other values by it, or go.
    rows: i64,
    /// The statements that change tables.
    statements: Vec<String>,
    /// What is not wrong but should be known.
    warnings: Vec<Issue>,
}

/// A fault or warning with its place.
#[derive(SimpleObject)]
pub struct Issue {
    /// Names and indexes, from the argument on.
    path: Vec<Json>,
    /// A stable name for the rule.
    rule: String,
    /// For people.
    message: String,
}

impl From<&catalog::Module> for Module {
    fn from(module: &catalog::Module) -> Self {
        let document = module.definition();
        let definition = json(&document.written());
        let field = |field: &catalog::Field| Field {
            name: field.name.clone(),
            system: field.system,
            read_only: field.read_only,
            definition: definition["fields"]
                .as_array()
                .and_then(|fields| fields.iter().find(|definition| definition["name"] == field.name.as_str()).cloned()),
        };
        let (system, own): (Vec<_>, Vec<_>) = module.own_fields().partition(|field| field.system);
        Self {
            name: module.name.clone(),
            plural: module.plural.clone(),
            label: json(&module.label),
            platform: module.platform,
            table: module.table.clone(),
            unserved: module.unserved.as_deref().map(str::to_owned),
            fields: own.into_iter().chain(system).map(field).collect(),
            retired_fields: document.retired.iter().map(RetiredField::from).collect(),
            definition,
        }
    }
}

impl From<&definition::RetiredField> for RetiredField {
    fn from(retired: &definition::RetiredField) -> Self {
        let field = definition::FieldDefinition { id: None, ..retired.field.clone() };
        Self { name: field.name.clone(), retired_at: retired.at, definition: json(&field) }
    }
}

impl From<change::RetiredModule> for RetiredModule {
    fn from(retired: change::RetiredModule) -> Self {
        let name = retired.definition.name.clone();
        Self { name, retired_at: retired.at, definition: json(&retired.definition.written()) }
    }
}

impl From<change::CatalogChange> for CatalogChange {
    fn from(change: change::CatalogChange) -> Self {
        Self {
            version: change.version,
            applied: change.applied,
            job: change.job.map(|job| ID(job.to_string())),
            rows: change.rows,
            statements: change.statements,
            warnings: change.warnings.into_iter().map(Issue::from).collect(),
        }
    }
}

impl From<cardine_model::Issue> for Issue {
    fn from(issue: cardine_model::Issue) -> Self {
        let segment = |segment| match segment {
            PathSegment::Name(name) => Json::from(name),
            PathSegment::Index(index) => Json::from(index),
        };
        Self { path: issue.path.into_iter().map(segment).collect(), rule: issue.rule, message: issue.message }
    }
}

/// A document of the model as JSON; its types have names for keys, so this cannot fail.
fn json(document: &impl serde::Serialize) -> Json {
    serde_json::to_value(document).expect("definitions are JSON")
}
