//! A change → the definitions, catalog and steps that it leads to, or all of its faults; pure.

mod convert;
mod documents;
mod features;
mod kept;
mod name;
mod restore;
mod retire;
mod update;

use std::sync::Arc;

use cardine_model::catalog::{Catalog, Module};
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{ModuleIssue, is_of_features, parse_document, resolve, resolve_change};
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::{Dialect, ddl};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::follow::Follow;
use super::ids::identified;
use super::rollups::with_rollups;
use super::steps::Step;
use crate::as_code::{Present, WantedFiles, WorkflowDocuments};
use crate::identity::AccessState;
pub(crate) use documents::DocumentsPart;

/// What an administrator asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Change {
    /// A new module.
    CreateModule {
        /// Its document.
        definition: Json,
    },
    /// Other options of a module.
    UpdateModule { module: String, patch: Json },
    /// Another name.
    RenameModule { module: String, to: String, plural: Option<String> },
    /// Hides a module.
    RetireModule { module: String, force: bool },
    /// Shows a retired module again.
    RestoreModule { module: String },
    /// Drops a retired module.
    PurgeModule { module: String },
    /// A new field of a module.
    AddField {
        /// The module's name.
        module: String,
        /// The field's part of the document.
        field: Json,
    },
    /// Other options of a field.
    UpdateField { module: String, field: String, patch: Json },
    /// Another name.
    RenameField { module: String, field: String, to: String },
    /// Another type, with the values converted.
    ConvertField { module: String, field: String, to: Json },
    /// Hides a field.
    RetireField { module: String, field: String, force: bool },
    /// Shows a retired field again.
    RestoreField { module: String, field: String },
    /// Drops a retired field.
    PurgeField { module: String, field: String },
    /// All as documents say. Never a job: what they say is no part of its row.
    #[serde(skip)]
    Documents {
        /// What they say.
        files: Arc<WantedFiles>,
        /// Says what workflows' documents come to.
        workflows: Arc<dyn WorkflowDocuments>,
    },
}

impl Change {
    /// Whether it may take longer the more records there are, so that a job makes it where there are many.
    pub(super) fn may_be_a_job(&self) -> bool {
        match self {
            Self::UpdateModule { .. }
            | Self::AddField { .. }
            | Self::UpdateField { .. }
            | Self::ConvertField { .. } => true,
            Self::CreateModule { .. }
            | Self::RenameModule { .. }
            | Self::RenameField { .. }
            | Self::RetireModule { .. }
            | Self::RetireField { .. }
            | Self::RestoreModule { .. }
            | Self::RestoreField { .. }
            | Self::PurgeModule { .. }
            | Self::PurgeField { .. }
            | Self::Documents { .. } => false,
        }
    }
}

/// What a change is planned on.
#[derive(Debug)]
pub(super) struct Base {
    /// The modules in force.
    pub catalog: Arc<Catalog>,
    /// Those that are retired.
    pub retired: Vec<RetiredModule>,
    /// When the change is made.
    pub now: DateTime<Utc>,
    /// Brings a field back that was required as one that is not.
    pub without_required: bool,
    /// Rights and workflows, for a change that is of them too.
    pub present: Option<Present>,
    /// Users and groups, whom features may name.
    pub access: Arc<AccessState>,
}

/// A module that is hidden from everybody.
#[derive(Debug, Clone)]
pub struct RetiredModule {
    /// Its document.
    pub definition: ModuleDefinition,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A change that can be made.
#[derive(Debug)]
pub(super) struct Planned {
    /// The catalog before it; none on first start.
    pub base: Option<Arc<Catalog>>,
    /// The catalog after it.
    pub catalog: Arc<Catalog>,
    /// What is to be written.
    pub definitions: Vec<WrittenDefinition>,
    /// What is to be done to tables and rows, in this order.
    pub steps: Vec<Step>,
    /// What the platform's own tables are told.
    pub follow: Option<Follow>,
    /// For the audit: `MODULE_CREATED`, …
    pub action: &'static str,
    /// For people.
    pub summary: String,
    /// The module that the audit is about; none of several.
    pub module: Option<String>,
    /// What is not wrong but should be known.
    pub warnings: Vec<Issue>,
    /// What is not of modules, where documents are applied.
    pub documents: Option<DocumentsPart>,
}

impl Planned {
    /// The statements that change tables, for people.
    pub fn statements(&self) -> Vec<String> {
        self.steps.iter().flat_map(Step::statements).collect()
    }
}

/// A definition to be written.
#[derive(Debug)]
pub(super) struct WrittenDefinition {
    /// What it says.
    pub definition: ModuleDefinition,
    /// In whose place.
    pub how: Written,
}

/// What becomes of a definition's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// There is none yet.
    New,
    /// It is replaced.
    Instead,
    /// It is replaced, and had this name.
    InsteadOf(String),
    /// It is hidden.
    Retired,
    /// It is shown again.
    Restored,
    /// It goes.
    Purged,
}

/// Plans `change` on `base`. Paths of faults start at the argument: `definition`, `module`, `field`, `patch`, `to`, `name`.
pub(super) fn plan(dialect: Dialect, base: &Base, change: &Change) -> Result<Planned, Vec<Issue>> {
    let planning = Planning { dialect, base };
    let planned = match change {
        Change::CreateModule { definition } => planning.create_module(definition),
        Change::AddField { module, field } => planning.add_field(module, field),
        Change::UpdateModule { module, patch } => planning.update_module(module, patch),
        Change::UpdateField { module, field, patch } => planning.update_field(module, field, patch),
        Change::RenameModule { module, to, plural } => planning.rename_module(module, to, plural.as_deref()),
        Change::RenameField { module, field, to } => planning.rename_field(module, field, to),
        Change::ConvertField { module, field, to } => planning.change_field_type(module, field, to),
        Change::RetireModule { module, force } => planning.retire_module(module, *force),
        Change::RetireField { module, field, force } => planning.retire_field(module, field, *force),
        Change::RestoreModule { module } => planning.restore_module(module),
        Change::RestoreField { module, field } => planning.restore_field(module, field),
        Change::PurgeModule { module } => planning.purge_module(module),
        Change::PurgeField { module, field } => planning.purge_field(module, field),
        Change::Documents { files, workflows } => {
            let present = base.present.as_ref().expect("what is there was read for documents");
            documents::plan_documents(planning, files, present, &**workflows)
        }
    };
    let planned = planned.and_then(|planned| kept::checked(base, change, planned));
    let planned = planned.and_then(|planned| features::checked(base, change, planned));
    planned.map(|planned| with_rollups(dialect, &base.catalog, planned))
}

/// The plan that adds modules whose definitions are sound by themselves, such as those that come with Cardine.
pub(super) fn install(
    dialect: Dialect,
    base: Option<&Catalog>,
    platform: &[ModuleDefinition],
    added: Vec<ModuleDefinition>,
) -> Result<Planned, Vec<ModuleIssue>> {
    let added: Vec<ModuleDefinition> = added.into_iter().map(|definition| identified(definition, None)).collect();
    let catalog = match base {
        None => resolve(1, platform, &added)?,
        Some(base) => resolve_change(base, base.version + 1, &[], &added)?,
    };
    let names: Vec<&str> = added.iter().map(|definition| definition.name.as_str()).collect();
    Ok(Planned {
        base: None,
        steps: vec![Step::Ddl(ddl::difference(dialect, base, &catalog))],
        catalog: Arc::new(catalog),
        action: "MODULES_INSTALLED",
        summary: format!("install {}", names.join(", ")),
        definitions: added.into_iter().map(|definition| WrittenDefinition { definition, how: Written::New }).collect(),
        follow: None,
        module: None,
        warnings: Vec::new(),
        documents: None,
    })
}

/// What all plans are made with.
#[derive(Clone, Copy)]
pub(super) struct Planning<'a> {
    dialect: Dialect,
    base: &'a Base,
}

impl<'a> Planning<'a> {
    fn catalog(&self) -> &'a Catalog {
        &self.base.catalog
    }

    /// A plan that leads to `catalog` and does nothing yet.
    fn planned(&self, catalog: Catalog, action: &'static str, module: &str, summary: String) -> Planned {
        Planned {
            base: Some(Arc::clone(&self.base.catalog)),
            catalog: Arc::new(catalog),
            definitions: Vec::new(),
            steps: Vec::new(),
            follow: None,
            action,
            summary,
            module: Some(module.to_owned()),
            warnings: Vec::new(),
            documents: None,
        }
    }

    fn create_module(self, document: &Json) -> Result<Planned, Vec<Issue>> {
        let name = document.get("name").and_then(Json::as_str).unwrap_or_default();
        if self.base.retired.iter().any(|retired| retired.definition.name == name) {
            let message = format!(
                "the retired module `{name}` still has this name: restore it, or purge it first, or choose another name"
            );
            return Err(vec![Issue::new(path!["definition", "name"], "nameTaken", message)]);
        }
        let place = |path: Vec<PathSegment>| Some([path!["definition"], path].concat());
        let (definition, catalog) = resolve_document(self.catalog(), document, None)
            .map_err(|faults| faults.told(&place, path!["definition"]))?;
        let statements = ddl::difference(self.dialect, Some(self.catalog()), &catalog);
        let summary = format!("create module {}", definition.name);
        let name = definition.name.clone();
        Ok(Planned {
            steps: vec![Step::Ddl(statements)],
            definitions: vec![WrittenDefinition { definition, how: Written::New }],
            ..self.planned(catalog, "MODULE_CREATED", &name, summary)
        })
    }

    fn add_field(self, name: &str, field: &Json) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
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
        let (definition, catalog) = resolve_document(self.catalog(), &document, Some(name))
            .map_err(|faults| faults.told(&place, path!["field"]))?;
        let field = definition.fields.last().map(|field| field.name.clone()).unwrap_or_default();
        let summary = format!("add field {field} to module {name}");
        let steps = vec![
            Step::Ddl(ddl::difference(self.dialect, Some(self.catalog()), &catalog)),
            Step::Fill { module: name.to_owned(), field, at: path!["field"], is_new: true },
        ];
        Ok(Planned {
            steps,
            definitions: vec![WrittenDefinition { definition, how: Written::Instead }],
            ..self.planned(catalog, "FIELD_ADDED", name, summary)
        })
    }

    /// A module that an administrator may change, told at `argument`.
    fn changeable_module(&self, name: &str, argument: &str) -> Result<&'a Module, Vec<Issue>> {
        changeable_module(self.catalog(), name, argument).map_err(|issue| {
            let is_retired = self.base.retired.iter().any(|retired| retired.definition.name == name);
            let message = format!("`{name}` is retired: restore it first");
            vec![if is_retired { Issue::new(path![argument], "retired", message) } else { issue }]
        })
    }

    /// The position of a field in its module's document.
    fn position_of(&self, module: &Module, field: &str) -> Result<usize, Vec<Issue>> {
        let definition = module.definition();
        if let Some(position) = definition.fields.iter().position(|known| known.name == field) {
            return Ok(position);
        }
        let (rule, message) = if definition.retired_named(field).is_some() {
            ("retired", format!("`{field}` is retired: restore it first"))
        } else if Module::SYSTEM_FIELDS.contains(&field) {
            ("system", format!("`{field}` is a field of the system, which every module has alike"))
        } else {
            ("unknownField", format!("`{}` has no field `{field}`", module.name))
        };
        Err(vec![Issue::new(path!["name"], rule, message)])
    }

    /// The catalog without the modules `gone`, and with the documents `come`.
    fn resolve(&self, gone: &[&str], come: &[ModuleDefinition]) -> Result<Catalog, Vec<ModuleIssue>> {
        resolve_change(self.catalog(), self.catalog().version + 1, gone, come)
    }

    /// The same, with what is faulty told at `argument`.
    fn resolved(&self, gone: &[&str], come: &[ModuleDefinition], argument: &str) -> Result<Catalog, Vec<Issue>> {
        self.resolve(gone, come).map_err(|found| told_at(found, argument))
    }
}

/// Faults of documents that the caller has not sent, told at an argument.
fn told_at(found: Vec<ModuleIssue>, argument: &str) -> Vec<Issue> {
    let told = |ModuleIssue { module, issue }: ModuleIssue| {
        let message = format!("in the module `{module}`: {issue}");
        Issue { path: path![argument], message, ..issue }
    };
    found.into_iter().map(told).collect()
}

fn changeable_module<'a>(base: &'a Catalog, name: &str, argument: &str) -> Result<&'a Module, Issue> {
    let refuse = |rule: &str, message: String| Err(Issue::new(path![argument], rule, message));
    match base.module_by_name(name) {
        None => refuse("unknownModule", format!("there is no module {name:?}")),
        Some(module) if module.platform => refuse(
            "platform",
            format!("`{name}` is a platform module, which every installation has alike; change a module of your own"),
        ),
        Some(module) => Ok(module),
    }
}

fn with_field(definition: &ModuleDefinition, field: &Json) -> Json {
    let mut document = serde_json::to_value(definition.written()).expect("a definition is a JSON document");
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
/// What the JSON Schema finds does not keep the other faults back, as far as the document can be read at all. Features that stay as they
/// are may be such as an older version took: they keep nobody from changing something else.
fn resolve_document(
    base: &Catalog,
    document: &Json,
    replaced: Option<&str>,
) -> Result<(ModuleDefinition, Catalog), Faults> {
    let before = replaced.and_then(|name| base.module_by_name(name)).map(|module| module.definition());
    let (definition, mut own) = match parse_document(document) {
        Ok(definition) => (definition, Vec::new()),
        Err(mut issues) => match serde_json::from_value::<ModuleDefinition>(without_unknown_keys(document, &issues)) {
            Ok(definition) => {
                if before.as_ref().is_some_and(|before| before.features == definition.features) {
                    issues.retain(|issue| !is_of_features(&issue.path));
                }
                (definition, issues)
            }
            Err(_) => {
                return Err(Faults { module: String::new(), own: issues, others: Vec::new() });
            }
        },
    };
    // It helps editors only and is not kept.
    let definition = ModuleDefinition { schema: None, ..definition };
    let definition = identified(definition, before.as_ref());
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

/// `document` without the keys that it may not have, so that the rest of it can be read and looked at. Those of features can be.
pub(crate) fn without_unknown_keys(document: &Json, issues: &[Issue]) -> Json {
    let mut document = document.clone();
    let unknown = issues.iter().filter(|issue| issue.rule == "unknownKey" && !is_of_features(&issue.path));
    for issue in unknown {
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
