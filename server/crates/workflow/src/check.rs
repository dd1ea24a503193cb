//! A workflow's document against a catalog and the installed plugins: from what is written to what can run, all faults at once.

use cardine_model::catalog::{Catalog, Field, FieldId, FieldKind, Module, ModuleId, RelationId};
use cardine_model::rule::{self, Context, Expected, TypedRule};
use cardine_model::{Issue, PathSegment, path};
use serde_json::Value as Json;

use crate::definition::{Definition, OnError, RunAs, Step, Timing};
use crate::plugins::Plugins;
use crate::template::{COMPUTED_FIELDS, Checker, Hole, Template, reads_computed_fields};
use crate::value::{fits_rule, typed_value};

/// A workflow that can run.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub module: ModuleId,
    pub run_as: RunAs,
    /// Kinds of event that start it.
    pub on: Vec<String>,
    /// For updates: only if one of these changed; any if empty.
    pub changed: Vec<FieldId>,
    /// Or the links of one of these.
    pub relinked: Vec<RelationId>,
    pub when: Option<TypedRule>,
    pub steps: Vec<CheckedStep>,
}

/// A step that can run.
#[derive(Debug)]
pub(crate) struct CheckedStep {
    pub id: String,
    pub when: Option<TypedRule>,
    pub on_error: OnError,
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Action {
    /// Calls a function of a plugin.
    Call { plugin: String, function: String, input: Template },
    /// Changes the event's record.
    Update { set: Vec<(FieldId, Template)> },
}

/// Step kinds that documents may have and the server does not carry out yet.
const LATER_STEPS: [&str; 10] =
    ["create", "find", "assignTask", "sendEmail", "sendSms", "webhook", "branch", "forEach", "wait", "approve"];

/// What a document is checked against beside the modules, when it is saved.
pub(crate) struct Installed<'a> {
    pub plugins: &'a Plugins,
    /// Whether there is a role of this name.
    pub has_role: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Checks `definition`; `installed` is left out where what is not there makes the run fail, not the document.
pub(crate) fn check(
    definition: &Definition,
    catalog: &Catalog,
    installed: Option<&Installed<'_>>,
) -> Result<Workflow, Vec<Issue>> {
    let mut issues = Vec::new();
    let module = find_module(definition, catalog, &mut issues);
    check_options(definition, installed, &mut issues);
    let mut checking = Checking { catalog, module, plugins: installed.map(|installed| installed.plugins), issues };
    let (changed, relinked) = checking.changed(definition);
    let when_path = path!["definition", "trigger", "when"];
    let when = definition.trigger.when.as_deref().and_then(|source| checking.condition(source, when_path));
    let mut steps = Vec::new();
    let mut before = Vec::new();
    for (position, step) in definition.steps.iter().enumerate() {
        if before.contains(&step.id) {
            let message = format!("there is a step `{}` already", step.id);
            checking.issues.push(Issue::new(path!["definition", "steps", position, "id"], "unique", message));
        }
        steps.extend(checking.step(step, position, &before));
        before.push(step.id.clone());
    }
    match module {
        Some(module) if checking.issues.is_empty() => Ok(Workflow {
            module: module.id,
            run_as: definition.run_as.clone(),
            on: definition.trigger.on.clone().unwrap_or_default(),
            changed,
            relinked,
            when,
            steps,
        }),
        _ => Err(checking.issues),
    }
}

fn find_module<'c>(definition: &Definition, catalog: &'c Catalog, issues: &mut Vec<Issue>) -> Option<&'c Module> {
    let Some(name) = &definition.module else {
        issues.push(Issue::new(path!["definition", "module"], "required", "say whose records the workflow is about"));
        return None;
    };
    let module = catalog.module_by_name(name).filter(|module| !module.platform);
    if module.is_none() {
        issues.push(Issue::new(path!["definition", "module"], "unknownModule", format!("there is no module `{name}`")));
    }
    module
}

/// What the document asks for and the server does not do yet is told: nothing is passed over in silence.
fn check_options(definition: &Definition, installed: Option<&Installed<'_>>, issues: &mut Vec<Issue>) {
    if definition.timing == Timing::BeforeCommit {
        let message = "workflows before the commit are not available yet; leave `timing` out";
        issues.push(Issue::new(path!["definition", "timing"], "notAvailable", message));
    }
    if definition.trigger.on.is_none() {
        let message = "only triggers by `on` (created, updated, deleted) are available yet";
        issues.push(Issue::new(path!["definition", "trigger"], "notAvailable", message));
    }
    if definition.retry.is_some() {
        let message = "how steps are tried again can't be chosen yet; leave `retry` out";
        issues.push(Issue::new(path!["definition", "retry"], "notAvailable", message));
    }
    if let (RunAs::Role { role }, Some(installed)) = (&definition.run_as, installed)
        && !(installed.has_role)(role)
    {
        let message = format!("there is no role `{role}`");
        issues.push(Issue::new(path!["definition", "runAs", "role"], "unknownRole", message));
    }
}

struct Checking<'a> {
    catalog: &'a Catalog,
    /// `None` if it is unknown: then what does not need it is checked.
    module: Option<&'a Module>,
    plugins: Option<&'a Plugins>,
    issues: Vec<Issue>,
}

impl<'a> Checking<'a> {
    fn changed(&mut self, definition: &Definition) -> (Vec<FieldId>, Vec<RelationId>) {
        let (mut fields, mut relations) = (Vec::new(), Vec::new());
        for (position, name) in definition.trigger.changed.iter().enumerate() {
            let place = path!["definition", "trigger", "changed", position];
            let relation = self.module.and_then(|module| module.relation_named(name));
            match relation.filter(|relation| relation.through.is_some()) {
                Some(relation) => relations.push(relation.id),
                None => fields.extend(self.stored_field(name, place).map(|field| field.id)),
            }
        }
        (fields, relations)
    }

    fn step(&mut self, step: &Step, position: usize, before: &[String]) -> Option<CheckedStep> {
        let place = |name: &str| path!["definition", "steps", position, name];
        for name in step.others.keys().filter(|name| LATER_STEPS.contains(&name.as_str()) || *name == "retry") {
            let message = format!("`{name}` is not available yet; steps are `call` and `update`");
            self.issues.push(Issue::new(place(name), "notAvailable", message));
        }
        if let Some(call) = &step.call {
            self.check_function(&call.plugin, &call.function, position);
            if call.timeout_ms.is_some() {
                let message = "the plugin's own `timeoutMs` holds; leave it out here";
                let call_place = [place("call"), path!["timeoutMs"]].concat();
                self.issues.push(Issue::new(call_place, "notAvailable", message));
            }
        }
        let module = self.module?;
        let when = step.when.as_deref().and_then(|source| self.condition(source, place("when")));
        let checker = Checker { catalog: self.catalog, module: module.id, steps: before };
        let action = if let Some(call) = &step.call {
            let input_place = [place("call"), path!["input"]].concat();
            let input = self.template(&checker, &call.input, &input_place);
            Action::Call { plugin: call.plugin.clone(), function: call.function.clone(), input }
        } else if let Some(update) = &step.update {
            let other = update.module.as_deref().is_some_and(|name| name != module.name);
            if other || update.record.is_some() {
                let message = "only the record of the event can be updated yet; leave `module` and `record` out";
                self.issues.push(Issue::new(place("update"), "notAvailable", message));
            }
            let mut set = Vec::new();
            for (name, value) in &update.set {
                let field_place = [place("update"), path!["set", name.as_str()]].concat();
                let template = self.template(&checker, value, &field_place);
                if let Some(field) = self.writable_field(name, field_place.clone()) {
                    self.check_type(field, &template, field_place);
                    set.push((field.id, template));
                }
            }
            Action::Update { set }
        } else {
            return None;
        };
        Some(CheckedStep { id: step.id.clone(), when, on_error: step.on_error, action })
    }

    /// What is known of a value before it runs: its rule's type, or all of a constant.
    fn check_type(&mut self, field: &Field, template: &Template, place: Vec<PathSegment>) {
        let fits = match template {
            Template::Constant(value) => fits_constant(field, value),
            Template::Value(Hole::Rule(rule)) => fits_rule(field, rule.ty),
            Template::Value(Hole::Output(..)) | Template::Text(_) => true,
            Template::List(_) => matches!(field.kind, FieldKind::MultiChoice { .. } | FieldKind::Json { .. }),
            Template::Object(_) => matches!(field.kind, FieldKind::Json { .. }),
        };
        if !fits {
            self.issues.push(Issue::new(place, "type", format!("this is no value for the field `{}`", field.name)));
        }
    }

    fn template(&mut self, checker: &Checker<'_>, value: &Json, place: &[PathSegment]) -> Template {
        let mut faults = Vec::new();
        let template = checker.check(value, &mut faults);
        for fault in faults {
            self.issues.push(Issue::new([place, &fault.path].concat(), "rule", fault.message));
        }
        template
    }

    fn condition(&mut self, source: &str, place: Vec<PathSegment>) -> Option<TypedRule> {
        let module = self.module?.id;
        let context = Context { module, allow_old: true, allow_relations: false, expected: Expected::Boolean };
        match rule::check(source, &context, self.catalog) {
            Ok(rule) if reads_computed_fields(&rule, self.catalog, module) => {
                self.issues.push(Issue::new(place, "notAvailable", COMPUTED_FIELDS));
                None
            }
            Ok(rule) => Some(rule),
            Err(faults) => {
                let issues = faults.into_iter().map(|fault| Issue::new(place.clone(), "rule", fault.message));
                self.issues.extend(issues);
                None
            }
        }
    }

    fn check_function(&mut self, plugin: &str, function: &str, position: usize) {
        let Some(plugins) = self.plugins else { return };
        let place = |name: &str| path!["definition", "steps", position, "call", name];
        match plugins.functions(plugin) {
            None => {
                let message = format!("no plugin `{plugin}` is installed");
                self.issues.push(Issue::new(place("plugin"), "unknownPlugin", message));
            }
            Some(functions) if !functions.iter().any(|known| known == function) => {
                let message = format!("the plugin has no function `{function}`; it has: {}", functions.join(", "));
                self.issues.push(Issue::new(place("function"), "unknownFunction", message));
            }
            Some(_) => {}
        }
    }

    fn writable_field(&mut self, name: &str, place: Vec<PathSegment>) -> Option<&'a Field> {
        let field = self.stored_field(name, place.clone())?;
        if field.read_only {
            self.issues.push(Issue::new(place, "readOnly", format!("`{name}` can't be written")));
            return None;
        }
        Some(field)
    }

    /// A stored field by its name in the API: a reference by `accountId`.
    fn stored_field(&mut self, name: &str, place: Vec<PathSegment>) -> Option<&'a Field> {
        let module = self.module?;
        let found =
            module.fields.iter().find(|field| field.column.is_some() && cardine_engine::json_name(field) == name);
        if found.is_none() {
            let message = format!("{} has no stored field `{name}`", module.name);
            self.issues.push(Issue::new(place, "unknownField", message));
        }
        found
    }
}

fn fits_constant(field: &Field, value: &Json) -> bool {
    let known = match (&field.kind, value) {
        (FieldKind::Choice { options }, Json::String(text)) => options.iter().any(|option| option.value == *text),
        _ => true,
    };
    known && typed_value(field, value).is_some()
}

#[cfg(test)]
mod tests {
    use cardine_model::resolve::builtin_catalog;
    use serde_json::json;

    use super::*;
    use crate::definition::parse;

    fn document() -> Json {
        json!({"name": "note-won-deals", "module": "Opportunity",
        "trigger": {"on": ["UPDATED"], "changed": ["stage", "organizationId"], "when": "stage == \"CLOSED_WON\" && old.stage != \"CLOSED_WON\""},
        "steps": [
            {"id": "ask", "call": {"plugin": "p", "function": "f", "input": {"amount": "{{ record.amount }}", "fixed": [1, "a"]}}},
            {"id": "write", "when": "amount > 5", "update": {"set": {"nextStep": "Got {{ steps.ask.output.a.b }} of {{ record.name }}", "stage": "CLOSED_LOST"}}},
        ]})
    }

    fn faults(document: &Json) -> Vec<String> {
        let catalog = builtin_catalog(1).unwrap();
        let issues =
            parse(document).and_then(|definition| check(&definition, &catalog, None)).err().unwrap_or_default();
        let path = |issue: &Issue| serde_json::to_value(&issue.path).unwrap().to_string().replace(['[', ']', '"'], "");
        issues.iter().map(|issue| format!("{} {}", path(issue), issue.rule)).collect()
    }

    /// The document with another value at a JSON pointer.
    fn with(pointer: &str, value: Json) -> Json {
        let mut document = document();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        match document.pointer_mut(parent).unwrap() {
            Json::Array(items) => items[name.parse::<usize>().unwrap()] = value,
            parent => parent[name] = value,
        }
        document
    }

    #[test]
    fn a_right_document_becomes_steps() {
        let catalog = builtin_catalog(1).unwrap();
        let workflow = check(&parse(&document()).unwrap(), &catalog, None).unwrap();
        assert_eq!((workflow.steps.len(), workflow.changed.len(), &workflow.run_as), (2, 2, &RunAs::Author));
        assert_eq!(workflow.on, ["UPDATED"]);
    }

    #[test]
    fn every_fault_is_told_at_its_place() {
        for (pointer, value, expected) in [
            ("/module", json!("User"), "definition,module unknownModule"),
            ("/trigger/changed", json!(["weightedAmount"]), "definition,trigger,changed,0 unknownField"),
            ("/trigger/when", json!("stage"), "definition,trigger,when rule"),
            ("/trigger/when", json!("organization.name == \"x\""), "definition,trigger,when rule"),
            ("/steps/1/when", json!("amount >"), "definition,steps,1,when rule"),
            ("/steps/0/call/input", json!({"a": [{"b": "{{ nothing }}"}]}), "definition,steps,0,call,input,a,0,b rule"),
            ("/steps/0/call/input", json!({"a": "{{ steps.ask.output }}"}), "definition,steps,0,call,input,a rule"),
            ("/steps/0/call/input", json!({"a": "{{ weightedAmount }}"}), "definition,steps,0,call,input,a rule"),
            ("/steps/1/update/set", json!({"stage": "WON"}), "definition,steps,1,update,set,stage type"),
            ("/steps/1/update/set", json!({"name": ["a"]}), "definition,steps,1,update,set,name type"),
            ("/steps/1/update/set", json!({"version": 1}), "definition,steps,1,update,set,version readOnly"),
            ("/steps/1/update/record", json!("{{ record.id }}"), "definition,steps,1,update notAvailable"),
            ("/steps/1/update/module", json!("Lead"), "definition,steps,1,update notAvailable"),
            ("/steps/1/retry", json!({"times": 1}), "definition,steps,1,retry notAvailable"),
            ("/steps/1/id", json!("ask"), "definition,steps,1,id unique"),
        ] {
            assert_eq!(faults(&with(pointer, value.clone())), [expected], "{pointer} {value}");
        }
        assert_eq!(faults(&document()), Vec::<String>::new());
    }

    #[test]
    fn several_faults_come_together_also_without_the_module() {
        let mut document = with("/module", json!("Deal"));
        document["retry"] = json!({"times": 1});
        document["steps"][1] = json!({"id": "later", "wait": {"for": "P1D"}});
        let expected = [
            "definition,module unknownModule",
            "definition,retry notAvailable",
            "definition,steps,1,wait notAvailable",
        ];
        assert_eq!(faults(&document), expected);
    }
}
