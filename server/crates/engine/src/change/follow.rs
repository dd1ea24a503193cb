//! What grants, sharing rules, record rules, workflows and plugins say of modules and fields, brought along with a change.

mod plugins;

use cardine_model::catalog::{Catalog, FieldId, ModuleId};
use cardine_model::name::upper_first;
use cardine_model::renaming::Renaming;
use cardine_model::rule::{Context, Expected, mentions};
use cardine_model::{Issue, PathSegment, path};
use cardine_store::WriteTx;
use cardine_store::platform::names::{self, DocumentKind, NamedDocument};
use serde_json::{Map, Value as Json};

use super::commit::CommitError;
use super::plan::Planned;
use crate::EngineError;
use crate::events::EventMatcherLoader;

/// What the platform's own tables are told.
#[derive(Debug)]
pub(super) enum Follow {
    /// Something is called otherwise.
    Renamed {
        /// What.
        renaming: Renaming,
        /// What in the modules' documents says the new name then, for people.
        needed: Vec<String>,
    },
    /// A field has another type.
    Converted {
        /// The field.
        field: (ModuleId, FieldId),
        /// What in the modules' documents uses it, for people.
        needed: Vec<String>,
    },
    /// Something is hidden.
    Hidden {
        /// Fields.
        fields: Vec<(ModuleId, FieldId)>,
        /// A module, with its links.
        modules: Vec<ModuleId>,
        /// What in the modules' documents goes with it, for people.
        needed: Vec<String>,
        /// The features of modules that would do without it, for people.
        features: Vec<String>,
        /// Goes on although something needs it.
        force: bool,
        /// Where what needs it is told.
        at: Vec<PathSegment>,
        /// What may be done about it, for people.
        hint: &'static str,
    },
    /// A retired field is dropped.
    PurgedField { module: String, field: String },
    /// A retired module is dropped.
    PurgedModule { module: String },
}

impl Follow {
    /// Whether rights may be other ones afterwards.
    pub(super) fn touches_rights(&self) -> bool {
        !matches!(self, Self::Hidden { .. } | Self::Converted { .. })
    }
}

/// Brings the platform's tables along; gives what should be known. With `dry` only looks.
pub(super) async fn follow(
    tx: &mut WriteTx,
    planned: &Planned,
    workflows: Option<&dyn EventMatcherLoader>,
    dry: bool,
) -> Result<Vec<Issue>, CommitError> {
    let (Some(follow), Some(base)) = (&planned.follow, planned.base.as_deref()) else { return Ok(Vec::new()) };
    match follow {
        Follow::Renamed { renaming, needed } => {
            let Renamed { followers, outdated } = rename(tx, base, renaming, workflows, dry).await?;
            let told = needed.iter().cloned().chain(followers);
            let told = told.map(|what| Issue::new(path!["to"], "follows", format!("{what} says the new name")));
            let outdated = outdated.into_iter().map(|plugin| {
                let message =
                    format!("{} asks for it by its old name until another version is installed", named(&plugin));
                Issue::new(path!["to"], "outdates", message)
            });
            Ok(told.chain(outdated).collect())
        }
        Follow::Converted { field, needed } => {
            let gone = Gone { base, fields: std::slice::from_ref(field), modules: &[] };
            let documents = names::fetch_documents(tx).await?;
            let users = gone.needed_by(&documents, workflows).into_iter().map(|(what, _, _)| what);
            let plugins = gone.plugins(&documents).into_iter().map(named);
            let told = needed.iter().cloned().chain(users).chain(plugins);
            Ok(told.map(|what| Issue::new(path!["name"], "uses", format!("{what} uses it"))).collect())
        }
        Follow::Hidden { fields, modules, needed, features, force, at, hint } => {
            let gone = Gone { base, fields, modules };
            let part = planned.documents.as_ref();
            let going = Going {
                workflows: part.map_or(&[][..], |part| &part.access.workflows_gone),
                plugin: part.and_then(|part| part.beside.as_ref()).map(|beside| beside.plugin()),
            };
            hide(tx, &gone, (needed, features, going), (*force, at, hint), workflows, dry).await
        }
        Follow::PurgedField { module, field } => {
            let mut told = Vec::new();
            for document in names::fetch_documents(tx).await? {
                let forgotten = match document.kind {
                    DocumentKind::Grant if document.module == *module => without_key(&document.text, field),
                    DocumentKind::PermissionSet => changed_json(&document.text, |json| {
                        if let Some(fields) = json.get_mut(module).and_then(|grant| grant.get_mut("fields")) {
                            remove_key(fields, field);
                        }
                    }),
                    DocumentKind::PluginGrant => changed_json(&document.text, |json| {
                        let grant = plugins::records_mut(json).and_then(|records| records.get_mut(module));
                        if let Some(fields) = grant.and_then(|grant| grant.get_mut("fields")) {
                            remove_key(fields, field);
                        }
                    }),
                    _ => continue,
                };
                if forgotten != document.text {
                    told.extend(name_of(&document));
                    put(tx, &document, &forgotten, dry).await?;
                }
            }
            if !dry {
                names::forget_field(tx, module, field).await?;
            }
            Ok(told_to_forget(told))
        }
        Follow::PurgedModule { module } => {
            let mut told = Vec::new();
            for document in names::fetch_documents(tx).await? {
                if matches!(
                    document.kind,
                    DocumentKind::PermissionSet | DocumentKind::PluginGrant | DocumentKind::ApiKey
                ) {
                    let forgotten = match document.kind {
                        // A key without any scope would do all that its owner may.
                        DocumentKind::ApiKey => changed_json(&document.text, |scopes| {
                            rename_scopes(scopes, module, &format!("{module} (purged)"));
                        }),
                        DocumentKind::PluginGrant => changed_json(&document.text, |json| {
                            if let Some(records) = plugins::records_mut(json) {
                                remove_key(records, module);
                            }
                        }),
                        _ => without_key(&document.text, module),
                    };
                    if forgotten != document.text {
                        told.extend(name_of(&document));
                        put(tx, &document, &forgotten, dry).await?;
                    }
                } else if document.module == *module {
                    told.extend(name_of(&document));
                }
            }
            if !dry {
                names::forget_module(tx, module).await?;
            }
            Ok(told_to_forget(told))
        }
    }
}

/// What becomes of those who say a name.
struct Renamed {
    /// Who says the new one, for people.
    followers: Vec<String>,
    /// The plugins that go on saying the old one.
    outdated: Vec<String>,
}

async fn rename(
    tx: &mut WriteTx,
    base: &Catalog,
    renaming: &Renaming,
    workflows: Option<&dyn EventMatcherLoader>,
    dry: bool,
) -> Result<Renamed, CommitError> {
    let mut followers = Vec::new();
    let documents = names::fetch_documents(tx).await?;
    let fields: Vec<_> = renaming.fields().map(|(module, field, _)| (module, field)).collect();
    let module = renaming.module().and_then(|(from, _)| base.module_by_name(from)).map(|module| module.id);
    let gone = Gone { base, fields: &fields, modules: module.as_slice() };
    let outdated = gone.plugins(&documents).into_iter().map(str::to_owned).collect();
    for document in &documents {
        let module = base.module_by_name(&document.module);
        let context = module.map(|module| condition(module.id));
        let renamed = match document.kind {
            DocumentKind::Grant => {
                changed_json(&document.text, |fields| rename_fields(base, renaming, &document.module, fields))
            }
            DocumentKind::PermissionSet => changed_json(&document.text, |grants| rename_grants(base, renaming, grants)),
            DocumentKind::RecordRule => match &context {
                Some(context) => renaming.rule(base, context, &document.text),
                None => continue,
            },
            DocumentKind::SharingRule => changed_json(&document.text, |rule| {
                let place = rule.get_mut("records").and_then(|records| records.get_mut("rule"));
                if let (Some(place), Some(context)) = (place, &context)
                    && let Some(source) = place.as_str()
                {
                    *place = renaming.rule(base, context, source).into();
                }
            }),
            DocumentKind::Workflow | DocumentKind::WorkflowVersion => {
                match (workflows, serde_json::from_str::<Json>(&document.text)) {
                    (Some(workflows), Ok(json)) => workflows.renamed(base, renaming, json).to_string(),
                    _ => continue,
                }
            }
            DocumentKind::Run => {
                changed_json(&document.text, |state| rename_event(base, renaming, &mut state["event"]))
            }
            DocumentKind::PluginGrant => changed_json(&document.text, |grant| {
                if let Some(records) = plugins::records_mut(grant) {
                    rename_grants(base, renaming, records);
                }
            }),
            DocumentKind::ApiKey => match renaming.module() {
                Some((from, to)) => changed_json(&document.text, |scopes| rename_scopes(scopes, from, to)),
                None => continue,
            },
            DocumentKind::PluginManifest => continue,
        };
        let is_of_module = renaming.module().is_some_and(|(from, _)| from == document.module);
        if is_of_module || renamed != document.text {
            followers.extend(name_of(document));
            put(tx, document, &renamed, dry).await?;
        }
    }
    let renamed = Renamed { followers, outdated };
    if dry {
        return Ok(renamed);
    }
    for (module, field, to) in renaming.fields() {
        let module = base.module(module);
        if module.link.is_none() {
            let field = module.field(field);
            let id = if field.reference().is_some() { "Id" } else { "" };
            let (old, new) = (format!("{}{id}", field.name), format!("{to}{id}"));
            names::rename_field(tx, &module.name, (&field.name, to), (&old, &new)).await?;
        }
    }
    if let Some((from, to)) = renaming.module() {
        names::rename_module(tx, from, to).await?;
    }
    for links in &base.modules {
        let Some(link) = links.link else { continue };
        let owner = base.module(link.owner);
        let field = renaming.field_name(owner, &owner.field(link.field).name);
        let name = format!("{}{}", renaming.module_name(&owner.name), upper_first(&field));
        if name != links.name {
            names::rename_module(tx, &links.name, &name).await?;
        }
    }
    Ok(renamed)
}

/// For people; none for what they don't know.
fn name_of(document: &NamedDocument) -> Option<String> {
    let NamedDocument { kind, module, name, .. } = document;
    match kind {
        DocumentKind::Grant => Some(format!("the grant of the role {name} on {module}")),
        DocumentKind::PermissionSet => Some(format!("the permission set {name}")),
        DocumentKind::SharingRule => Some(format!("the sharing rule {name}")),
        DocumentKind::RecordRule => Some(format!("the record rule of the role {name} on {module}")),
        DocumentKind::Workflow => Some(format!("the workflow {name}")),
        DocumentKind::PluginGrant => Some(format!("the grant of the plugin {name}")),
        DocumentKind::ApiKey => Some(format!("the API key {name}")),
        DocumentKind::WorkflowVersion | DocumentKind::Run | DocumentKind::PluginManifest => None,
    }
}

/// A plugin, for people.
fn named(plugin: &str) -> String {
    format!("the plugin {plugin}")
}

fn told_to_forget(told: Vec<String>) -> Vec<Issue> {
    told.into_iter()
        .map(|what| Issue::new(path!["name"], "forgets", format!("{what} says nothing of it any more")))
        .collect()
}

/// What is hidden, in the catalog before.
struct Gone<'a> {
    base: &'a Catalog,
    fields: &'a [(ModuleId, FieldId)],
    modules: &'a [ModuleId],
}

impl Gone<'_> {
    fn is_meant_by(&self, module: ModuleId, source: &str) -> bool {
        let Ok(found) = mentions(source, &condition(module), self.base) else { return false };
        found.iter().any(|mention| {
            let owner = self.base.module(mention.module);
            let whole = owner.whole_of(owner.field(mention.field)).id;
            self.fields.contains(&(mention.module, whole)) || self.modules.contains(&mention.module)
        })
    }

    /// The documents that would make no sense without it, what becomes of each, and which of them is a workflow.
    fn needed_by<'d>(
        &self,
        documents: &'d [NamedDocument],
        workflows: Option<&dyn EventMatcherLoader>,
    ) -> Vec<(String, &'static str, Option<&'d str>)> {
        let mut found = Vec::new();
        for document in documents {
            // What is about the hidden module itself rests with it.
            let module = self.base.module_by_name(&document.module).map(|module| module.id);
            let module = module.filter(|module| !self.modules.contains(module));
            let json = || serde_json::from_str::<Json>(&document.text).unwrap_or_default();
            let (is_needing, fate, workflow) = match document.kind {
                DocumentKind::RecordRule => {
                    let is_needing = module.is_some_and(|module| self.is_meant_by(module, &document.text));
                    (is_needing, "lets nothing through from now on", None)
                }
                DocumentKind::SharingRule => {
                    let source = json()["records"]["rule"].as_str().unwrap_or_default().to_owned();
                    let is_needing = module.is_some_and(|module| self.is_meant_by(module, &source));
                    (is_needing, "opens nothing from now on", None)
                }
                DocumentKind::Workflow => {
                    let needs = |workflows: &dyn EventMatcherLoader| {
                        workflows.needs(self.base, &json(), self.fields, self.modules)
                    };
                    (workflows.is_some_and(needs), "is switched off", Some(document.name.as_str()))
                }
                DocumentKind::Grant
                | DocumentKind::PermissionSet
                | DocumentKind::WorkflowVersion
                | DocumentKind::Run
                | DocumentKind::PluginGrant
                | DocumentKind::ApiKey
                | DocumentKind::PluginManifest => continue,
            };
            if is_needing {
                found.extend(name_of(document).map(|what| (what, fate, workflow)));
            }
        }
        found
    }

    /// The grants that say something of it by name: they need nothing of it, and rest with it.
    fn granted_by(&self, documents: &[NamedDocument]) -> Vec<String> {
        let names = |module: &str, fields: &Json| {
            let Some(module) = self.base.module_by_name(module) else { return false };
            self.modules.contains(&module.id)
                || self
                    .fields
                    .iter()
                    .any(|(of, field)| *of == module.id && fields.get(module.field(*field).name.as_str()).is_some())
        };
        let is_granting = |document: &&NamedDocument| {
            let json: Json = serde_json::from_str(&document.text).unwrap_or_default();
            match document.kind {
                DocumentKind::Grant => names(&document.module, &json),
                DocumentKind::PermissionSet | DocumentKind::PluginGrant => {
                    let grants =
                        if document.kind == DocumentKind::PluginGrant { plugins::records(&json) } else { Some(&json) };
                    let grants = grants.and_then(Json::as_object).into_iter().flatten();
                    grants.into_iter().any(|(module, grant)| names(module, &grant["fields"]))
                }
                _ => false,
            }
        };
        documents.iter().filter(is_granting).filter_map(name_of).collect()
    }
}

/// What becomes of those who can do without what goes.
const WITHOUT: &str = "does without it";

/// What goes in the same change, and needs nothing any more.
struct Going<'a> {
    workflows: &'a [String],
    plugin: Option<&'a str>,
}

async fn hide(
    tx: &mut WriteTx,
    gone: &Gone<'_>,
    (needed, features, going): (&[String], &[String], Going<'_>),
    (force, at, hint): (bool, &[PathSegment], &str),
    workflows: Option<&dyn EventMatcherLoader>,
    dry: bool,
) -> Result<Vec<Issue>, CommitError> {
    let documents = names::fetch_documents(tx).await?;
    let mut told: Vec<(String, &str)> = needed.iter().map(|what| (what.clone(), "goes with it")).collect();
    told.extend(features.iter().map(|what| (what.clone(), WITHOUT)));
    let mut switched_off = Vec::new();
    for (what, fate, workflow) in gone.needed_by(&documents, workflows) {
        if workflow.is_some_and(|name| going.workflows.iter().any(|going| going == name)) {
            continue;
        }
        told.push((what, fate));
        switched_off.extend(workflow);
    }
    let plugins = gone.plugins(&documents).into_iter().filter(|plugin| Some(*plugin) != going.plugin);
    told.extend(plugins.map(|plugin| (named(plugin), WITHOUT)));
    let at = || at.to_vec();
    if !told.is_empty() && !force {
        let first = format!("{} things need what goes: {hint}", told.len());
        let others = told.iter().map(|(what, _)| Issue::new(at(), "needed", what.clone()));
        let issues = std::iter::once(Issue::new(at(), "needed", first)).chain(others).collect();
        return Err(EngineError::Validation(issues).into());
    }
    if !dry {
        for name in switched_off {
            names::switch_workflow_off(tx, name).await?;
        }
    }
    let told = told.into_iter().map(|(what, fate)| Issue::new(at(), "needed", format!("{what} {fate}")));
    let grants = gone.granted_by(&documents).into_iter();
    Ok(told.chain(grants.map(|what| Issue::new(at(), "granted", format!("{what} rests with it")))).collect())
}

/// The context of an administrator's condition on records.
fn condition(module: ModuleId) -> Context {
    Context { module, allow_old: false, allow_relations: true, expected: Expected::Any }
}

async fn put(tx: &mut WriteTx, document: &NamedDocument, text: &str, dry: bool) -> Result<(), CommitError> {
    if !dry && text != document.text {
        names::put_document(tx, document, text).await?;
    }
    Ok(())
}

/// The text of a JSON document after a change of it; the text itself if nothing changed, or if it is no JSON.
fn changed_json(text: &str, change: impl FnOnce(&mut Json)) -> String {
    let Ok(before) = serde_json::from_str::<Json>(text) else { return text.to_owned() };
    let mut after = before.clone();
    change(&mut after);
    if after == before { text.to_owned() } else { after.to_string() }
}

fn without_key(text: &str, key: &str) -> String {
    changed_json(text, |json| remove_key(json, key))
}

fn remove_key(json: &mut Json, key: &str) {
    if let Json::Object(entries) = json {
        entries.shift_remove(key);
    }
}

/// The same entries with other names, in the same order.
fn with_names(entries: &Map<String, Json>, name: impl Fn(&str) -> String) -> Map<String, Json> {
    entries.iter().map(|(key, value)| (name(key), value.clone())).collect()
}

fn rename_fields(base: &Catalog, renaming: &Renaming, module: &str, fields: &mut Json) {
    if let (Some(module), Json::Object(entries)) = (base.module_by_name(module), &*fields) {
        *fields = Json::Object(with_names(entries, |name| renaming.field_name(module, name).into_owned()));
    }
}

/// The scopes over a module, with another name of it.
fn rename_scopes(scopes: &mut Json, from: &str, to: &str) {
    for scope in scopes.as_array_mut().into_iter().flatten() {
        let level = scope.as_str().and_then(|scope| scope.strip_prefix(from)?.strip_prefix(':'));
        if let Some(level) = level {
            *scope = format!("{to}:{level}").into();
        }
    }
}

fn rename_grants(base: &Catalog, renaming: &Renaming, grants: &mut Json) {
    let Json::Object(entries) = &mut *grants else { return };
    for (module, grant) in entries.iter_mut() {
        if let Some(fields) = grant.get_mut("fields") {
            rename_fields(base, renaming, module, fields);
        }
    }
    *grants = Json::Object(with_names(entries, |module| renaming.module_name(module).to_owned()));
}

/// The event that a run was queued with: its records have their values by name.
fn rename_event(base: &Catalog, renaming: &Renaming, event: &mut Json) {
    let Some(name) = event["module"].as_str().map(str::to_owned) else { return };
    for record in ["record", "old"] {
        if event[record].is_object() {
            rename_fields(base, renaming, &name, &mut event[record]);
        }
    }
    event["module"] = renaming.module_name(&name).into();
}
