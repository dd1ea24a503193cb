//! A workflow's document against a catalog and the installed plugins: from what is written to what can run, all faults at once.

use cardine_model::catalog::{Catalog, Field, FieldId, Module, ModuleId};
use cardine_model::rule::{self, Context, Expected, TypedRule};
use cardine_model::{Issue, PathSegment, path};
use serde_json::Value as Json;

use crate::definition::{Definition, OnError, RunAs, Step, Timing};
use crate::plugins::Plugins;
use crate::template::{Checker, Template};

/// A workflow that can run.
#[derive(Debug)]
pub(crate) struct Workflow {
    pub module: ModuleId,
    pub run_as: RunAs,
    /// Kinds of event that start it.
    pub on: Vec<String>,
    /// For updates: only if one of these changed; any if empty.
    pub changed: Vec<FieldId>,
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

/// Checks `definition`; `plugins` tells which functions there are, where that is to be checked.
pub(crate) fn check(definition: &Definition, catalog: &Catalog, plugins: Option<&Plugins>) -> Result<Workflow, Vec<Issue>> {
    let mut issues = Vec::new();
    let module = find_module(definition, catalog, &mut issues);
    check_timing(definition, &mut issues);
    let Some(module) = module else { return Err(issues) };
    let mut checking = Checking { catalog, module, plugins, issues };
    let changed = checking.changed(definition);
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
    if !checking.issues.is_empty() {
        return Err(checking.issues);
    }
    Ok(Workflow {
        module: module.id,
        run_as: definition.run_as.clone(),
        on: definition.trigger.on.clone().unwrap_or_default(),
        changed,
        when,
        steps,
    })
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

fn check_timing(definition: &Definition, issues: &mut Vec<Issue>) {
    if definition.timing == Timing::BeforeCommit {
        let message = "workflows before the commit are not available yet; leave `timing` out";
        issues.push(Issue::new(path!["definition", "timing"], "notAvailable", message));
    }
    if definition.trigger.on.is_none() {
        let message = "only triggers by `on` (created, updated, deleted) are available yet";
        issues.push(Issue::new(path!["definition", "trigger"], "notAvailable", message));
    }
}

struct Checking<'a> {
    catalog: &'a Catalog,
    module: &'a Module,
    plugins: Option<&'a Plugins>,
    issues: Vec<Issue>,
}

impl Checking<'_> {
    fn changed(&mut self, definition: &Definition) -> Vec<FieldId> {
        let mut fields = Vec::new();
        for (position, name) in definition.trigger.changed.iter().enumerate() {
            let place = path!["definition", "trigger", "changed", position];
            fields.extend(self.stored_field(name, place).map(|field| field.id));
        }
        fields
    }

    fn step(&mut self, step: &Step, position: usize, before: &[String]) -> Option<CheckedStep> {
        let place = |name: &str| path!["definition", "steps", position, name];
        for name in step.others.keys().filter(|name| LATER_STEPS.contains(&name.as_str()) || *name == "retry") {
            let message = format!("`{name}` is not available yet; steps are `call` and `update`");
            self.issues.push(Issue::new(place(name), "notAvailable", message));
        }
        let when = step.when.as_deref().and_then(|source| self.condition(source, place("when")));
        let checker = Checker { catalog: self.catalog, module: self.module.id, steps: before };
        let action = if let Some(call) = &step.call {
            self.check_function(&call.plugin, &call.function, position);
            let input_place = [place("call"), path!["input"]].concat();
            let input = self.template(&checker, &call.input, &input_place);
            Action::Call { plugin: call.plugin.clone(), function: call.function.clone(), input }
        } else if let Some(update) = &step.update {
            let other = update.module.as_deref().is_some_and(|name| name != self.module.name);
            if other || update.record.is_some() {
                let message = "only the record of the event can be updated yet; leave `module` and `record` out";
                self.issues.push(Issue::new(place("update"), "notAvailable", message));
            }
            let mut set = Vec::new();
            for (name, value) in &update.set {
                let field_place = [place("update"), path!["set", name.as_str()]].concat();
                let template = self.template(&checker, value, &field_place);
                set.extend(self.writable_field(name, field_place).map(|field| (field, template)));
            }
            Action::Update { set }
        } else {
            return None;
        };
        Some(CheckedStep { id: step.id.clone(), when, on_error: step.on_error, action })
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
        let context =
            Context { module: self.module.id, allow_old: true, allow_relations: false, expected: Expected::Boolean };
        match rule::check(source, &context, self.catalog) {
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

    fn writable_field(&mut self, name: &str, place: Vec<PathSegment>) -> Option<FieldId> {
        let field = self.stored_field(name, place.clone())?;
        if field.read_only {
            self.issues.push(Issue::new(place, "readOnly", format!("`{name}` can't be written")));
            return None;
        }
        Some(field.id)
    }

    /// A stored field by its name in the API: a reference by `accountId`.
    fn stored_field(&mut self, name: &str, place: Vec<PathSegment>) -> Option<&'_ Field> {
        let module = self.module;
        let found = module.fields.iter().find(|field| field.column.is_some() && cardine_engine::json_name(field) == name);
        if found.is_none() {
            let message = format!("{} has no stored field `{name}`", module.name);
            self.issues.push(Issue::new(place, "unknownField", message));
        }
        found
    }
}
