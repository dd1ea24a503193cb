//! A change → the definitions, catalog and statements that it leads to, or all of its faults; pure.

use std::sync::Arc;

use cardine_model::catalog::{Catalog, FieldId, Module};
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{ModuleIssue, parse_document, resolve, resolve_change};
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::{Dialect, ddl};
use serde_json::Value as Json;

/// What an administrator asks for.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// A new module.
    CreateModule {
        /// Its document.
        definition: Json,
    },
    /// A new field of a module.
    AddField {
        /// The module's name.
        module: String,
        /// The field's part of the document.
        field: Json,
    },
}

/// A change that can be made.
#[derive(Debug)]
pub(super) struct Planned {
    /// The catalog after it.
    pub catalog: Arc<Catalog>,
    /// What is to be written.
    pub definitions: Vec<WrittenDefinition>,
    /// What is to be done to tables.
    pub statements: Vec<String>,
    /// For the audit: `MODULE_CREATED`, …
    pub action: &'static str,
    /// For people.
    pub summary: String,
    /// The module that the audit is about; none of several.
    pub module: Option<String>,
    /// The field that was added to a module that may have records.
    pub added: Option<(String, FieldId)>,
}

/// A definition to be written.
#[derive(Debug)]
pub(super) struct WrittenDefinition {
    /// What it says.
    pub definition: ModuleDefinition,
    /// Whether the module is new.
    pub is_new: bool,
}

/// Plans `change` on `base`. Paths of faults start at the argument: `definition`, `module` or `field`.
pub(super) fn plan(dialect: Dialect, base: &Catalog, change: &Change) -> Result<Planned, Vec<Issue>> {
    match change {
        Change::CreateModule { definition } => create_module(dialect, base, definition),
        Change::AddField { module, field } => add_field(dialect, base, module, field),
    }
}

/// The plan that adds modules whose definitions are sound by themselves, such as those that come with Cardine.
pub(super) fn install(
    dialect: Dialect,
    base: Option<&Catalog>,
    platform: &[ModuleDefinition],
    added: Vec<ModuleDefinition>,
) -> Result<Planned, Vec<ModuleIssue>> {
    let catalog = match base {
        None => resolve(1, platform, &added)?,
        Some(base) => resolve_change(base, base.version + 1, &[], &added)?,
    };
    let names: Vec<&str> = added.iter().map(|definition| definition.name.as_str()).collect();
    Ok(Planned {
        statements: ddl::difference(dialect, base, &catalog),
        catalog: Arc::new(catalog),
        action: "MODULES_INSTALLED",
        summary: format!("install {}", names.join(", ")),
        definitions: added.into_iter().map(|definition| WrittenDefinition { definition, is_new: true }).collect(),
        module: None,
        added: None,
    })
}

fn create_module(dialect: Dialect, base: &Catalog, document: &Json) -> Result<Planned, Vec<Issue>> {
    let place = |path: Vec<PathSegment>| Some([path!["definition"], path].concat());
    let (definition, catalog) =
        resolve_document(base, document, None).map_err(|faults| faults.told(&place, path!["definition"]))?;
    Ok(Planned {
        statements: ddl::difference(dialect, Some(base), &catalog),
        catalog: Arc::new(catalog),
        action: "MODULE_CREATED",
        summary: format!("create module {}", definition.name),
        module: Some(definition.name.clone()),
        definitions: vec![WrittenDefinition { definition, is_new: true }],
        added: None,
    })
}

fn add_field(dialect: Dialect, base: &Catalog, name: &str, field: &Json) -> Result<Planned, Vec<Issue>> {
    let module = changeable_module(base, name).map_err(|issue| vec![issue])?;
    let before = module.definition();
    let position = before.fields.len();
    let document = with_field(&before, field);
    // What is faulty outside the new field is so because of it.
    let place = |path: Vec<PathSegment>| match path.as_slice() {
        [PathSegment::Name(key), PathSegment::Index(index), rest @ ..] if key == "fields" && *index == position => {
            Some([path!["field"].as_slice(), rest].concat())
        }
        _ => None,
    };
    let (definition, catalog) =
        resolve_document(base, &document, Some(name)).map_err(|faults| faults.told(&place, path!["field"]))?;
    let added = FieldId(
        u32::try_from(Module::SYSTEM_FIELDS.len() + position).expect("a module has fewer than 4 billion fields"),
    );
    let field_name = definition.fields.last().map(|field| field.name.clone()).unwrap_or_default();
    Ok(Planned {
        statements: ddl::difference(dialect, Some(base), &catalog),
        catalog: Arc::new(catalog),
        action: "FIELD_ADDED",
        summary: format!("add field {field_name} to module {name}"),
        module: Some(name.to_owned()),
        definitions: vec![WrittenDefinition { definition, is_new: false }],
        added: Some((name.to_owned(), added)),
    })
}

fn changeable_module<'a>(base: &'a Catalog, name: &str) -> Result<&'a Module, Issue> {
    let refuse = |rule: &str, message: String| Err(Issue::new(path!["module"], rule, message));
    match base.module_by_name(name) {
        None => refuse("unknownModule", format!("there is no module {name:?}")),
        Some(module) if module.platform => refuse(
            "platform",
            format!(
                "`{name}` is a platform module, which every installation has alike; add the field to a module of your own"
            ),
        ),
        Some(module) => Ok(module),
    }
}

fn with_field(definition: &ModuleDefinition, field: &Json) -> Json {
    let mut document = serde_json::to_value(definition).expect("a definition is a JSON document");
    if let Some(Json::Array(fields)) = document.get_mut("fields") {
        fields.push(field.clone());
    }
    document
}

/// The faults of a document, and of others because of it.
struct Faults {
    module: String,
    own: Vec<Issue>,
    others: Vec<ModuleIssue>,
}

impl Faults {
    /// All issues: `place` says where in the argument a place of the document is, `root` stands for places that are in none.
    fn told(self, place: &dyn Fn(Vec<PathSegment>) -> Option<Vec<PathSegment>>, root: Vec<PathSegment>) -> Vec<Issue> {
        let elsewhere = |module: &str, issue: Issue| {
            let message = format!("in the module `{module}`: {issue}");
            Issue { path: root.clone(), message, ..issue }
        };
        let own = self.own.into_iter().map(|issue| match place(issue.path.clone()) {
            Some(path) => Issue { path, ..issue },
            None => elsewhere(&self.module, issue),
        });
        let others = self.others.into_iter().map(|fault| elsewhere(&fault.module, fault.issue));
        own.chain(others).collect()
    }
}

/// The definition of `document`, and the catalog with it: instead of the module `replaced`, or as one more.
///
/// What the JSON Schema finds does not keep the other faults back, as far as the document can be read at all.
fn resolve_document(
    base: &Catalog,
    document: &Json,
    replaced: Option<&str>,
) -> Result<(ModuleDefinition, Catalog), Faults> {
    let (definition, mut own) = match parse_document(document) {
        Ok(definition) => (definition, Vec::new()),
        Err(issues) => match serde_json::from_value::<ModuleDefinition>(without_unknown_keys(document, &issues)) {
            Ok(definition) => (definition, issues),
            Err(_) => {
                return Err(Faults { module: String::new(), own: issues, others: Vec::new() });
            }
        },
    };
    // It helps editors only and is not kept.
    let definition = ModuleDefinition { schema: None, ..definition };
    let resolved = resolve_change(base, base.version + 1, replaced.as_slice(), std::slice::from_ref(&definition));
    let found = match resolved {
        Ok(catalog) if own.is_empty() => return Ok((definition, catalog)),
        Ok(_) => Vec::new(),
        Err(found) => found,
    };
    let (found, others): (Vec<ModuleIssue>, Vec<ModuleIssue>) =
        found.into_iter().partition(|fault| fault.module == definition.name);
    for ModuleIssue { issue, .. } in found {
        // Both look at some things; the JSON Schema's words came first.
        if !own.iter().any(|known| known.path == issue.path) {
            own.push(issue);
        }
    }
    Err(Faults { module: definition.name, own, others })
}

/// `document` without the keys that it may not have, so that the rest of it can be read and looked at.
fn without_unknown_keys(document: &Json, issues: &[Issue]) -> Json {
    let mut document = document.clone();
    for issue in issues.iter().filter(|issue| issue.rule == "unknownKey") {
        let Some((PathSegment::Name(key), above)) = issue.path.split_last() else { continue };
        let place = above.iter().try_fold(&mut document, |place, segment| match segment {
            PathSegment::Name(name) => place.get_mut(name),
            PathSegment::Index(index) => place.get_mut(index),
        });
        if let Some(Json::Object(entries)) = place {
            entries.remove(key);
        }
    }
    document
}
