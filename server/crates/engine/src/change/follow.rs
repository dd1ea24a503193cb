//! What grants, sharing rules, record rules and workflows say of modules and fields, brought along with a change.

use cardine_model::catalog::{Catalog, FieldId, ModuleId};
use cardine_model::name::upper_first;
use cardine_model::renaming::Renaming;
use cardine_model::rule::{Context, Expected, mentions};
use cardine_model::{Issue, PathSegment};
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
    Renamed(Renaming),
    /// Something is hidden.
    Hidden {
        /// Fields.
        fields: Vec<(ModuleId, FieldId)>,
        /// A module, with its links.
        modules: Vec<ModuleId>,
        /// What in the modules' documents goes with it, for people.
        needed: Vec<String>,
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
        !matches!(self, Self::Hidden { .. })
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
        Follow::Renamed(_) | Follow::PurgedField { .. } | Follow::PurgedModule { .. } if dry => Ok(Vec::new()),
        Follow::Renamed(renaming) => {
            rename(tx, base, renaming, workflows).await?;
            Ok(Vec::new())
        }
        Follow::Hidden { fields, modules, needed, force, at, hint } => {
            let gone = Gone { base, fields, modules };
            hide(tx, &gone, needed, (*force, at, hint), workflows, dry).await
        }
        Follow::PurgedField { module, field } => {
            for document in names::fetch_documents(tx).await? {
                let forgotten = match document.kind {
                    DocumentKind::Grant if document.module == *module => without_key(&document.text, field),
                    DocumentKind::PermissionSet => changed_json(&document.text, |json| {
                        if let Some(fields) = json.get_mut(module).and_then(|grant| grant.get_mut("fields")) {
                            remove_key(fields, field);
                        }
                    }),
                    _ => continue,
                };
                put(tx, &document, &forgotten).await?;
            }
            names::forget_field(tx, module, field).await?;
            Ok(Vec::new())
        }
        Follow::PurgedModule { module } => {
            for document in names::fetch_documents(tx).await? {
                if document.kind == DocumentKind::PermissionSet {
                    put(tx, &document, &without_key(&document.text, module)).await?;
                }
            }
            names::forget_module(tx, module).await?;
            Ok(Vec::new())
        }
    }
}

async fn rename(
    tx: &mut WriteTx,
    base: &Catalog,
    renaming: &Renaming,
    workflows: Option<&dyn EventMatcherLoader>,
) -> Result<(), CommitError> {
    for document in names::fetch_documents(tx).await? {
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
        };
        put(tx, &document, &renamed).await?;
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
    Ok(())
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
}

async fn hide(
    tx: &mut WriteTx,
    gone: &Gone<'_>,
    needed: &[String],
    (force, at, hint): (bool, &[PathSegment], &str),
    workflows: Option<&dyn EventMatcherLoader>,
    dry: bool,
) -> Result<Vec<Issue>, CommitError> {
    let mut told: Vec<(String, &str)> = needed.iter().map(|what| (what.clone(), "goes with it")).collect();
    let mut switched_off = Vec::new();
    for document in names::fetch_documents(tx).await? {
        // What is about the hidden module itself rests with it.
        let module = gone.base.module_by_name(&document.module).map(|module| module.id);
        let module = module.filter(|module| !gone.modules.contains(module));
        match document.kind {
            DocumentKind::RecordRule => {
                if module.is_some_and(|module| gone.is_meant_by(module, &document.text)) {
                    let what = format!("the record rule of the role {} on {}", document.name, document.module);
                    told.push((what, "lets nothing through from now on"));
                }
            }
            DocumentKind::SharingRule => {
                let json: Json = serde_json::from_str(&document.text).unwrap_or_default();
                let source = json["records"]["rule"].as_str().unwrap_or_default();
                if module.is_some_and(|module| gone.is_meant_by(module, source)) {
                    told.push((format!("the sharing rule {}", document.name), "opens nothing from now on"));
                }
            }
            DocumentKind::Workflow => {
                let json: Json = serde_json::from_str(&document.text).unwrap_or_default();
                if workflows.is_some_and(|workflows| workflows.needs(gone.base, &json, gone.fields, gone.modules)) {
                    told.push((format!("the workflow {}", document.name), "is switched off"));
                    switched_off.push(document.name);
                }
            }
            DocumentKind::Grant | DocumentKind::PermissionSet | DocumentKind::WorkflowVersion | DocumentKind::Run => {}
        }
    }
    let at = || at.to_vec();
    if !told.is_empty() && !force {
        let first = format!("{} things need what goes: {hint}", told.len());
        let others = told.iter().map(|(what, _)| Issue::new(at(), "needed", what.clone()));
        let issues = std::iter::once(Issue::new(at(), "needed", first)).chain(others).collect();
        return Err(EngineError::Validation(issues).into());
    }
    if !dry {
        for name in &switched_off {
            names::switch_workflow_off(tx, name).await?;
        }
    }
    Ok(told.into_iter().map(|(what, fate)| Issue::new(at(), "needed", format!("{what} {fate}"))).collect())
}

/// The context of an administrator's condition on records.
fn condition(module: ModuleId) -> Context {
    Context { module, allow_old: false, allow_relations: true, expected: Expected::Any }
}

async fn put(tx: &mut WriteTx, document: &NamedDocument, text: &str) -> Result<(), CommitError> {
    if text != document.text {
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
