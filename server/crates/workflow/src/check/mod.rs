//! A workflow's document against a catalog and the installed plugins: from what is written to what can run, all faults at once.

mod approve;
mod filter;
mod mail;
mod reach;
mod sms;
mod steps;
mod trigger;
mod values;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use cardine_model::catalog::{Catalog, FieldId, Module};
use cardine_model::rule::{self, Expected, TypedRule};
use cardine_model::{Issue, PathSegment, duration, path};

use crate::definition::{Definition, Retry, RetryOf, RunAs, Timing};
use crate::plugins::Plugins;
use crate::program::{Backoff, Node, Retrying, Workflow};
use crate::shape::{Names, readable_field};
use crate::template::{COMPUTED_FIELDS, reads_computed_fields};

/// Most steps of a workflow, nested ones included.
const STEPS_MAX: usize = 200;
/// Deepest nesting of branches and loops.
const DEPTH_MAX: usize = 5;

/// What a document is checked against beside the modules, when it is saved.
pub(crate) struct Installed<'a> {
    pub plugins: &'a Plugins,
    /// Whether there is a role of this name.
    pub has_role: &'a (dyn Fn(&str) -> bool + Sync),
}

/// Checks `definition`; `installed` is left out where what is not there makes the run fail, not the document.
pub(crate) fn check<'a>(
    definition: &Definition,
    catalog: &'a Catalog,
    installed: Option<&'a Installed<'a>>,
) -> Result<Workflow, Vec<Issue>> {
    let mut issues = Vec::new();
    let module = find_module(definition, catalog, &mut issues);
    check_options(definition, installed, &mut issues);
    let unknown_module = definition.module.is_some() && module.is_none();
    let mut checking = Checking {
        catalog,
        names: Names::of(catalog, module),
        unknown_module,
        plugins: installed.map(|installed| installed.plugins),
        has_role: installed.map(|installed| installed.has_role),
        ids: Vec::new(),
        retrying: Retrying::default(),
        before_commit: definition.timing == Timing::BeforeCommit,
        is_beside_others: false,
        is_about_changes: definition.trigger.on.is_some(),
        is_about_deletes: definition.trigger.on.iter().flatten().any(|kind| kind == "DELETED"),
        nodes: Vec::new(),
        issues,
    };
    if let Some(retry) = &definition.retry {
        checking.retrying = checking.retrying(retry, path!["definition", "retry"]);
    }
    let start = checking.start(definition);
    let when_path = path!["definition", "trigger", "when"];
    let when = definition.trigger.when.as_deref().and_then(|source| checking.condition(source, when_path));
    checking.steps(&definition.steps, &["definition".into(), "steps".into()], 0, 0);
    if checking.ids.len() > STEPS_MAX {
        let message = format!("there are {} steps; at most {STEPS_MAX} are allowed", checking.ids.len());
        checking.issues.push(Issue::new(path!["definition", "steps"], "limit", message));
    }
    if let (Some(start), true) = (start, checking.issues.is_empty()) {
        let workflow = Workflow {
            name: definition.name.clone(),
            module: module.map(|module| module.id),
            status: definition.status,
            run_as: definition.run_as.clone(),
            timing: definition.timing,
            start,
            when,
            steps: checking.nodes,
        };
        // A change inside the write is no event of its own.
        let endless = if checking.before_commit { Vec::new() } else { reach::endless(&workflow, catalog) };
        return if endless.is_empty() { Ok(workflow) } else { Err(endless) };
    }
    Err(checking.issues)
}

fn find_module<'c>(definition: &Definition, catalog: &'c Catalog, issues: &mut Vec<Issue>) -> Option<&'c Module> {
    let name = definition.module.as_ref()?;
    let module = catalog.module_by_name(name).filter(|module| !module.platform);
    if module.is_none() {
        issues.push(Issue::new(path!["definition", "module"], "unknownModule", format!("there is no module `{name}`")));
    }
    module
}

/// What the document asks for and the server does not do yet is told: nothing is passed over in silence.
fn check_options(definition: &Definition, installed: Option<&Installed<'_>>, issues: &mut Vec<Issue>) {
    if let (RunAs::Role { role }, Some(installed)) = (&definition.run_as, installed)
        && !(installed.has_role)(role)
    {
        let message = format!("there is no role `{role}`");
        issues.push(Issue::new(path!["definition", "runAs", "role"], "unknownRole", message));
    }
}

struct Checking<'a> {
    catalog: &'a Catalog,
    /// What rules may name at the step that is looked at.
    names: Names<'a>,
    /// Then what does not need it is checked.
    unknown_module: bool,
    plugins: Option<&'a Plugins>,
    /// Whether there is a role of this name; not asked when it is not saved.
    has_role: Option<&'a (dyn Fn(&str) -> bool + Sync)>,
    /// Of all steps so far.
    ids: Vec<String>,
    retrying: Retrying,
    before_commit: bool,
    /// Inside of a loop whose items are done at the same time.
    is_beside_others: bool,
    is_about_changes: bool,
    is_about_deletes: bool,
    nodes: Vec<Node>,
    issues: Vec<Issue>,
}

impl<'a> Checking<'a> {
    fn tell(&mut self, place: Vec<PathSegment>, rule: &'static str, message: impl Into<String>) {
        self.issues.push(Issue::new(place, rule, message.into()));
    }

    fn condition(&mut self, source: &str, place: Vec<PathSegment>) -> Option<TypedRule> {
        if self.unknown_module {
            return None;
        }
        match rule::check(source, &self.names.context(Expected::Boolean), &self.names) {
            Ok(rule) if reads_computed_fields(&rule, &self.names) => {
                self.tell(place, "notAvailable", COMPUTED_FIELDS);
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

    fn retrying(&mut self, retry: &Retry, place: Vec<PathSegment>) -> Retrying {
        let Retry { times, first_after, at_most, by_error } = retry.clone();
        let usual = self.backoff(&RetryOf { times, first_after, at_most }, Backoff::default(), &place);
        let mut said = BTreeMap::new();
        for (class, retry) in &by_error {
            let place = below(&below(&place, "byError"), class.name());
            said.insert(*class, self.backoff(retry, usual, &place));
        }
        Retrying::of(|class| match said.get(&class) {
            Some(backoff) => *backoff,
            None if class.passes() => usual,
            None => Backoff::never(),
        })
    }

    fn backoff(&mut self, retry: &RetryOf, usual: Backoff, place: &[PathSegment]) -> Backoff {
        let mut length = |text: &Option<String>, name: &str, left_out: Duration| match text {
            None => left_out,
            Some(text) => {
                let seconds = self.seconds(text, below(place, name));
                seconds.and_then(|seconds| u64::try_from(seconds).ok()).map_or(left_out, Duration::from_secs)
            }
        };
        let first_after = length(&retry.first_after, "firstAfter", usual.first_after);
        let at_most = length(&retry.at_most, "atMost", usual.at_most.max(first_after));
        if at_most < first_after {
            self.tell(below(place, "atMost"), "range", "the longest wait is shorter than the first");
        }
        let attempts_max = retry.times.map_or(usual.attempts_max, |times| i64::from(times) + 1);
        Backoff { attempts_max, first_after, at_most }
    }

    /// A length of time in seconds, at least none.
    fn seconds(&mut self, text: &str, place: Vec<PathSegment>) -> Option<i64> {
        match duration::parse(text) {
            Ok(seconds) if seconds >= 0 => Some(seconds),
            Ok(_) => {
                self.tell(place, "range", "this must not be negative");
                None
            }
            Err(fault) => {
                self.tell(place, "duration", format!("this is no duration{}", fault.hint()));
                None
            }
        }
    }

    /// A stored field by its name in the API: a reference by `accountId`.
    fn stored_field(&mut self, module: &Module, name: &str, place: Vec<PathSegment>) -> Option<FieldId> {
        let found = readable_field(module, name);
        if found.is_none() {
            self.tell(place, "unknownField", format!("{} has no stored field `{name}`", module.name));
        }
        found
    }

    /// What a change may be about: a stored field by its name in the API, or the whole of several by its own.
    fn changing_fields(&mut self, module: &Module, name: &str, place: Vec<PathSegment>) -> Vec<FieldId> {
        let whole = module.field_named(name).filter(|_| readable_field(module, name).is_none());
        let parts: Vec<FieldId> = whole.map_or_else(Vec::new, |whole| {
            let stored = module.fields.iter().filter(|field| field.column.is_some());
            stored.filter(|field| module.whole_of(field).id == whole.id).map(|field| field.id).collect()
        });
        if parts.is_empty() { self.stored_field(module, name, place).into_iter().collect() } else { parts }
    }

    /// A module that steps may read and write, by its name.
    fn module(&mut self, name: &str, place: Vec<PathSegment>) -> Option<&'a Module> {
        let module = self.catalog.module_by_name(name).filter(|module| !module.platform && module.link.is_none());
        if module.is_none() {
            self.tell(place, "unknownModule", format!("there is no module `{name}`"));
        }
        module
    }
}

/// A path and one more name.
fn below(place: &[PathSegment], name: impl Into<PathSegment>) -> Vec<PathSegment> {
    place.iter().cloned().chain([name.into()]).collect()
}

#[cfg(test)]
mod tests;
