//! What a package brings beside code: modules, fields of other modules, roles and workflows, as documents of one change.
//!
//! What a plugin brought before is known by the manifest that is stored: an upgrade takes away what the new one does not name, and
//! nothing else. What others made is neither replaced nor taken away.

use std::collections::BTreeMap;

use cardine_engine::as_code::{Definitions, Difference, Document, Fate, Going, Kind};
use cardine_model::{Issue, PathSegment, path};
use cardine_plugin_host::job_workflow;
use serde_json::{Map, Value as Json, json};

/// What a manifest brings, by names.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    modules: BTreeMap<String, Json>,
    /// By module and name.
    fields: BTreeMap<(String, String), Json>,
    roles: BTreeMap<String, Json>,
    workflows: BTreeMap<String, Json>,
}

/// What is to be there, and what is to go.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub documents: Vec<Document>,
    pub going: Going,
}

impl Wish {
    /// Whether the package brings nothing, and takes nothing away.
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty() && self.going == Going::default()
    }
}

impl Parts {
    /// Of a manifest, which has been read.
    pub fn of(manifest: &Json) -> Self {
        let list = |key: &str| manifest.get(key).and_then(Json::as_array).into_iter().flatten();
        let text = |of: &Json, key: &str| of.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let named = |key: &str| list(key).map(|document| (text(document, "name"), document.clone())).collect();
        let plugin = text(manifest, "name");
        let added = list("fields").filter_map(|added| {
            let field = added.get("field")?;
            Some(((text(added, "module"), text(field, "name")), field.clone()))
        });
        let computed = list("computed").map(|computed| {
            let (module, name) = (text(computed, "module"), text(computed, "field"));
            let field = computed_field(&plugin, &name, computed);
            ((module, name), field)
        });
        let fields = added.chain(computed).collect();
        let mut workflows: BTreeMap<String, Json> = named("workflows");
        for document in hook_workflows(&plugin, list("hooks")) {
            workflows.insert(text(&document, "name"), document);
        }
        for document in job_workflows(&plugin, list("jobs")) {
            workflows.insert(text(&document, "name"), document);
        }
        Self { modules: named("modules"), fields, roles: named("roles"), workflows }
    }

    /// The module of this name, if it brings it.
    pub fn has_module(&self, name: &str) -> bool {
        self.modules.contains_key(name)
    }

    /// Whether it brings this field of another's module.
    pub fn has_field(&self, module: &str, name: &str) -> bool {
        self.fields.contains_key(&(module.to_owned(), name.to_owned()))
    }

    /// Whether it brings the workflow of this name.
    pub fn has_workflow(&self, name: &str) -> bool {
        self.workflows.contains_key(name)
    }

    /// The names of its workflows.
    pub fn workflows(&self) -> impl Iterator<Item = &str> {
        self.workflows.keys().map(String::as_str)
    }

    /// The modules, and the fields of others with their modules.
    pub fn purged(&self) -> (Vec<&str>, Vec<(&str, &str)>) {
        let fields = self.fields.keys().filter(|(module, _)| !self.modules.contains_key(module));
        let fields = fields.map(|(module, name)| (module.as_str(), name.as_str()));
        (self.modules.keys().map(String::as_str).collect(), fields.collect())
    }

    /// What makes this of what there is, where a plugin brought `before` already.
    pub fn wish(&self, before: &Self, present: &Definitions) -> Result<Wish, Vec<Issue>> {
        let mut making = Making { present, modules: BTreeMap::new(), wish: Wish::default(), issues: Vec::new() };
        making.modules(self, before);
        making.fields(self, before);
        making.others(Kind::Role, &self.roles, &before.roles);
        making.others(Kind::Workflow, &self.workflows, &before.workflows);
        let Making { modules, mut wish, issues, .. } = making;
        if !issues.is_empty() {
            return Err(issues);
        }
        let document = |(name, content)| Document { kind: Kind::Module, name, content };
        wish.documents.extend(modules.into_iter().map(document));
        Ok(wish)
    }
}

/// A wish that is being made.
struct Making<'a> {
    present: &'a Definitions,
    /// Documents of modules, by name.
    modules: BTreeMap<String, Json>,
    wish: Wish,
    issues: Vec<Issue>,
}

impl<'a> Making<'a> {
    fn present(&self, kind: Kind, name: &str) -> Option<&'a Json> {
        let found = self.present.documents.iter().find(|one| one.kind == kind && one.name == name);
        found.map(|one| &one.content)
    }

    fn modules(&mut self, new: &Parts, before: &Parts) {
        for (name, document) in &new.modules {
            if self.present(Kind::Module, name).is_some() && !before.modules.contains_key(name) {
                self.issues.push(taken(Kind::Module, name));
            }
            self.modules.insert(name.clone(), document.clone());
        }
        for (name, old) in &before.modules {
            let Some(there) = self.present(Kind::Module, name) else { continue };
            match new.modules.get(name) {
                None => self.wish.going.things.push((Kind::Module, name.clone())),
                Some(new) => {
                    let gone =
                        names_of_fields(old).filter(|field| !names_field(new, field) && names_field(there, field));
                    self.wish.going.fields.extend(gone.map(|field| (name.clone(), field.to_owned())));
                }
            }
        }
    }

    fn fields(&mut self, new: &Parts, before: &Parts) {
        for ((module, name), field) in &new.fields {
            let mut refuse = |rule: &str, message: String| {
                self.issues.push(Issue::new(path!["file", "fields", module.as_str(), name.as_str()], rule, message));
            };
            let there = self.present.documents.iter().find(|one| one.kind == Kind::Module && one.name == *module);
            let document = match (self.modules.get_mut(module), there) {
                (Some(document), _) => document,
                (None, Some(there)) => self.modules.entry(module.clone()).or_insert_with(|| there.content.clone()),
                (None, None) => {
                    refuse("unknownModule", format!("there is no module `{module}` that it could be a field of"));
                    continue;
                }
            };
            let is_own = before.fields.contains_key(&(module.clone(), name.clone()));
            if !put_field(document, name, field, is_own) {
                refuse("nameTaken", format!("{module} has a field of this name already that is not of this plugin"));
            }
        }
        // Of another's module the document is the one that is there, without what goes.
        for (module, field) in before.fields.keys().filter(|added| !new.fields.contains_key(*added)) {
            let there = self.present(Kind::Module, module).filter(|there| names_field(there, field));
            let Some(there) = there else { continue };
            take_field(self.modules.entry(module.clone()).or_insert_with(|| there.clone()), field);
            self.wish.going.fields.push((module.clone(), field.clone()));
        }
    }

    fn others(&mut self, kind: Kind, new: &BTreeMap<String, Json>, before: &BTreeMap<String, Json>) {
        for (name, document) in new {
            if self.present(kind, name).is_some() && !before.contains_key(name) {
                self.issues.push(taken(kind, name));
            }
            self.wish.documents.push(Document { kind, name: name.clone(), content: document.clone() });
        }
        for name in before.keys().filter(|name| !new.contains_key(*name)) {
            if self.present(kind, name).is_some() {
                self.wish.going.things.push((kind, name.clone()));
            }
        }
    }
}

/// What hooks after writes become: each is a workflow, queued in the write's own transaction, tried again, and seen run by run.
fn hook_workflows<'a>(plugin: &str, hooks: impl Iterator<Item = &'a Json>) -> Vec<Json> {
    let mut documents: Vec<Json> = Vec::new();
    for hook in hooks.filter(|hook| hook["phase"] == "after") {
        let module = hook["module"].as_str().unwrap_or_default();
        let operations: Vec<&str> =
            hook["operation"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
        let has = |operation: &str| operations.contains(&operation);
        let mut on = Vec::new();
        for (kind, is_meant) in
            [("CREATED", has("create")), ("UPDATED", has("update") || has("restore")), ("DELETED", has("delete"))]
        {
            on.extend(is_meant.then_some(kind));
        }
        let mut changed: Vec<Json> = match &hook["fields"] {
            Json::Array(fields) if has("update") => fields.clone(),
            _ => Vec::new(),
        };
        // What comes back changes this alone.
        if has("restore") && (!has("update") || !changed.is_empty()) {
            changed.push(json!("deletedAt"));
        }
        let first = format!("{plugin}-after-{}", kebab(module));
        let same = documents.iter().filter(|document| document["module"] == module).count();
        let name = if same == 0 { first } else { format!("{first}-{}", same + 1) };
        let mut document = json!({
            "name": name,
            "label": format!("{plugin}: after changes of {module}"),
            "module": module,
            "trigger": {"on": on},
            "steps": [{"id": "tell", "hook": {"plugin": plugin}}],
        });
        if !changed.is_empty() {
            document["trigger"]["changed"] = Json::Array(changed);
        }
        if hook["onError"] == "ignore" {
            document["steps"][0]["onError"] = json!("CONTINUE");
        }
        documents.push(document);
    }
    documents
}

/// What jobs become: workflows that the clock starts, once for each due time over all processes, tried again, and seen run by run.
fn job_workflows<'a>(plugin: &'a str, jobs: impl Iterator<Item = &'a Json>) -> impl Iterator<Item = Json> {
    jobs.map(move |job| {
        let name = job["name"].as_str().unwrap_or_default();
        let title = job["title"].as_str().unwrap_or(name);
        let mut schedule = json!({"cron": job["schedule"]});
        if let Some(zone) = job.get("timeZone") {
            schedule["timeZone"] = zone.clone();
        }
        json!({
            "name": job_workflow(plugin, name),
            "label": format!("{plugin}: {title}"),
            "trigger": {"schedule": schedule},
            "steps": [{"id": "run", "job": {"plugin": plugin, "name": name}}],
        })
    })
}

/// `EquipmentBooking` as `equipment-booking`.
fn kebab(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut is_word = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && is_word {
            text.push('-');
        }
        is_word = !letter.is_ascii_uppercase();
        text.push(letter.to_ascii_lowercase());
    }
    text
}

/// The field that a manifest's computed field becomes: the plugin's names for its inputs are those of the module's fields.
fn computed_field(plugin: &str, name: &str, computed: &Json) -> Json {
    let inputs = computed.get("inputs").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str);
    let inputs: Map<String, Json> = inputs.map(|input| (input.to_owned(), json!(input))).collect();
    let mut field = json!({
        "name": name, "type": "computed", "returns": computed["type"], "by": {"plugin": plugin, "field": name}, "inputs": inputs,
    });
    for key in ["label", "scale"] {
        if let Some(value) = computed.get(key) {
            field[key] = value.clone();
        }
    }
    field
}

fn names_of_fields(document: &Json) -> impl Iterator<Item = &str> {
    let fields = document.get("fields").and_then(Json::as_array).into_iter().flatten();
    fields.filter_map(|field| field.get("name").and_then(Json::as_str))
}

fn names_field(document: &Json, field: &str) -> bool {
    names_of_fields(document).any(|name| name == field)
}

/// Puts a field into a document; not in place of one that is another's.
fn put_field(document: &mut Json, name: &str, field: &Json, is_own: bool) -> bool {
    let Some(fields) = document.get_mut("fields").and_then(Json::as_array_mut) else { return false };
    match fields.iter_mut().find(|known| known["name"] == name) {
        Some(known) if is_own => *known = field.clone(),
        Some(_) => return false,
        None => fields.push(field.clone()),
    }
    true
}

fn take_field(document: &mut Json, name: &str) {
    if let Some(fields) = document.get_mut("fields").and_then(Json::as_array_mut) {
        fields.retain(|field| field["name"] != name);
    }
}

fn taken(kind: Kind, name: &str) -> Issue {
    let message = format!("there is a {} `{name}` already that is not of this plugin", kind.words());
    Issue::new(path!["file", kind.folder(), name], "nameTaken", message)
}

/// A fault of a document that a package brings, told at the package.
pub(crate) fn at_package(issue: Issue) -> Issue {
    let path = std::iter::once(PathSegment::from("file")).chain(issue.path).collect();
    Issue { path, ..issue }
}

/// For people: `+ module Equipment`.
pub(crate) fn told(differences: &[Difference]) -> Vec<String> {
    let mut lines = Vec::new();
    for Difference { kind, name, fate } in differences {
        let (sign, behind, more): (_, _, &[String]) = match fate {
            Fate::Created => ('+', "", &[]),
            Fate::Restored(more) => ('+', ", which was retired", more),
            Fate::Changed(more) => ('~', "", more),
            Fate::Retired => ('-', " is retired", &[]),
            Fate::Removed => ('-', " is removed", &[]),
            Fate::SwitchedOff => ('-', " is switched off", &[]),
        };
        lines.push(format!("{sign} {} {name}{behind}", kind.words()));
        lines.extend(more.iter().map(|line| format!("    {line}")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(parts: Json) -> Parts {
        let mut manifest = json!({"name": "rental"});
        for (key, value) in parts.as_object().unwrap() {
            manifest[key] = value.clone();
        }
        Parts::of(&manifest)
    }

    fn present(modules: Json) -> Definitions {
        let document = |(name, content): (&String, &Json)| Document {
            kind: Kind::Module,
            name: name.clone(),
            content: content.clone(),
        };
        Definitions { documents: modules.as_object().unwrap().iter().map(document).collect(), left_out: Vec::new() }
    }

    fn fields(names: &[&str]) -> Json {
        json!({"fields": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
    }

    #[test]
    fn a_field_stands_behind_those_of_its_module() {
        let parts = manifest(json!({"fields": [{"module": "Deal", "field": {"name": "rented"}}]}));
        let wish = parts.wish(&Parts::default(), &present(json!({"Deal": fields(&["name"])}))).unwrap();
        assert_eq!(wish.documents.len(), 1);
        assert_eq!(wish.documents[0].content, fields(&["name", "rented"]));
        let missing = parts.wish(&Parts::default(), &present(json!({}))).unwrap_err();
        assert_eq!(missing[0].rule, "unknownModule");
    }

    #[test]
    fn what_is_anothers_is_not_replaced() {
        let parts = manifest(json!({
            "modules": [{"name": "Deal", "fields": []}], "fields": [{"module": "Lead", "field": {"name": "name"}}]}));
        let there = present(json!({"Deal": fields(&["name"]), "Lead": fields(&["name"])}));
        let issues = parts.wish(&Parts::default(), &there).unwrap_err();
        assert_eq!(issues.iter().map(|issue| issue.rule.as_str()).collect::<Vec<_>>(), ["nameTaken", "nameTaken"]);
        assert!(parts.wish(&parts, &there).is_ok(), "what it brought itself is");
    }

    #[test]
    fn what_the_new_version_does_not_name_goes() {
        let old = manifest(json!({
            "modules": [{"name": "Item", "fields": [{"name": "a"}, {"name": "b"}]}, {"name": "Old", "fields": []}],
            "fields": [{"module": "Lead", "field": {"name": "x"}}, {"module": "Lead", "field": {"name": "y"}}]}));
        let new = manifest(json!({
            "modules": [{"name": "Item", "fields": [{"name": "a"}]}], "fields": [{"module": "Lead", "field": {"name": "y"}}]}));
        let there = present(
            json!({"Item": fields(&["a", "b", "own"]), "Old": fields(&[]), "Lead": fields(&["name", "x", "y"])}),
        );
        let wish = new.wish(&old, &there).unwrap();
        assert_eq!(wish.going.things, [(Kind::Module, "Old".to_owned())]);
        assert_eq!(wish.going.fields, [("Item".to_owned(), "b".to_owned()), ("Lead".to_owned(), "x".to_owned())]);
        let lead = wish.documents.iter().find(|document| document.name == "Lead").unwrap();
        assert_eq!(lead.content, fields(&["name", "y"]));

        let all = Parts::default().wish(&old, &there).unwrap();
        assert_eq!(all.going.things.len(), 2);
        assert_eq!(all.documents.iter().map(|document| &document.content).collect::<Vec<_>>(), [&fields(&["name"])]);
    }

    #[test]
    fn a_hook_after_writes_is_a_workflow() {
        let parts = manifest(json!({"hooks": [
            {"module": "DealItem", "operation": ["create", "delete"], "phase": "after"},
            {"module": "DealItem", "operation": ["update"], "phase": "after", "fields": ["name"], "onError": "ignore"},
            {"module": "Lead", "operation": ["restore"], "phase": "after", "fields": ["name"]},
            {"module": "Lead", "operation": ["update", "restore"], "phase": "after"},
            {"module": "Lead", "operation": ["update", "restore"], "phase": "after", "fields": ["name"]},
            {"module": "Lead", "operation": ["create"], "phase": "before"}]}));
        let trigger = |name: &str| parts.workflows[name]["trigger"].clone();
        assert_eq!(parts.workflows.len(), 5);
        assert_eq!(trigger("rental-after-deal-item"), json!({"on": ["CREATED", "DELETED"]}));
        assert_eq!(trigger("rental-after-deal-item-2"), json!({"on": ["UPDATED"], "changed": ["name"]}));
        assert_eq!(parts.workflows["rental-after-deal-item-2"]["steps"][0]["onError"], "CONTINUE");
        assert_eq!(trigger("rental-after-lead"), json!({"on": ["UPDATED"], "changed": ["deletedAt"]}));
        assert_eq!(trigger("rental-after-lead-2"), json!({"on": ["UPDATED"]}));
        assert_eq!(trigger("rental-after-lead-3"), json!({"on": ["UPDATED"], "changed": ["name", "deletedAt"]}));
        assert_eq!((kebab("Lead2Deal"), kebab("HTTPLog")), ("lead2-deal".to_owned(), "httplog".to_owned()));
    }

    #[test]
    fn a_job_is_a_workflow_that_the_clock_starts() {
        let parts = manifest(json!({"jobs": [
            {"name": "sync", "title": "Syncs", "schedule": "*/5 * * * *"},
            {"name": "close-day", "schedule": "0 0 * * *", "timeZone": "Europe/Rome"}]}));
        let (sync, close) = (&parts.workflows["rental-job-sync"], &parts.workflows["rental-job-close-day"]);
        assert_eq!(
            (&sync["label"], &sync["trigger"]),
            (&json!("rental: Syncs"), &json!({"schedule": {"cron": "*/5 * * * *"}}))
        );
        assert_eq!(sync["steps"], json!([{"id": "run", "job": {"plugin": "rental", "name": "sync"}}]));
        assert_eq!(close["trigger"]["schedule"], json!({"cron": "0 0 * * *", "timeZone": "Europe/Rome"}));
    }

    #[test]
    fn a_package_without_parts_wishes_nothing() {
        let parts = manifest(json!({"functions": [{"name": "f"}]}));
        assert!(parts.wish(&Parts::default(), &present(json!({"Deal": fields(&["name"])}))).unwrap().is_empty());
    }
}
