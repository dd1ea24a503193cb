//! What a module asks for as a feature must be sound when it is declared, and no later change takes away what it needs without a word.

use cardine_model::assignment::{Assignment, Named};
use cardine_model::calendar_shares::SharedCalendars;
use cardine_model::catalog::{Catalog, Module};
use cardine_model::clocks::Clocks;
use cardine_model::conversion::Conversions;
use cardine_model::feature::Feature as _;
use cardine_model::mentions::Mentions;
use cardine_model::recurrence::Recurrence;
use cardine_model::stages::Stages;
use cardine_model::timeline::Timeline;
use cardine_model::{Issue, path};

use super::{Base, Change, Planned};
use crate::as_code::{at_file, module_file};
use crate::change::follow::Follow;

/// Refuses what is at fault in features that the change declares, and a change of fields that takes away what other features need. What
/// is retired is told to be needed by them.
pub(super) fn checked(base: &Base, change: &Change, mut planned: Planned) -> Result<Planned, Vec<Issue>> {
    let issues = match change {
        Change::CreateModule { .. } => declared(base, &planned, Some("definition")),
        Change::UpdateModule { .. } => declared(base, &planned, Some("patch")),
        Change::UpdateField { .. } => told_at("patch", broken(base, &planned.catalog)),
        Change::ConvertField { .. } => told_at("to", broken(base, &planned.catalog)),
        // One that must have a value, where the server itself makes records.
        Change::AddField { .. } => told_at("field", broken(base, &planned.catalog)),
        Change::RestoreField { .. } => told_at("name", broken(base, &planned.catalog)),
        Change::Documents { .. } => {
            let mut issues = declared(base, &planned, None);
            issues.extend(broken(base, &planned.catalog).into_iter().map(|broken| {
                let file = module_file(&broken.module);
                at_file(&file, Issue { message: broken.told(), rule: NOT_CHANGEABLE.to_owned(), ..broken.fault })
            }));
            issues
        }
        Change::RetireField { .. } | Change::RetireModule { .. } => {
            let broken = broken(base, &planned.catalog);
            if let Some(Follow::Hidden { features, .. }) = &mut planned.follow {
                for Broken { module, feature, .. } in broken {
                    let told = format!("the feature {feature} of {module}");
                    if !features.contains(&told) {
                        features.push(told);
                    }
                }
            }
            Vec::new()
        }
        _ => Vec::new(),
    };
    if issues.is_empty() { Ok(planned) } else { Err(issues) }
}

const NOT_CHANGEABLE: &str = "notChangeable";

/// What is at fault in features that are declared anew or otherwise; at the argument, or at the files.
fn declared(base: &Base, planned: &Planned, argument: Option<&str>) -> Vec<Issue> {
    let mut issues = Vec::new();
    for written in &planned.definitions {
        let Some(module) = planned.catalog.module_by_name(&written.definition.name) else { continue };
        let before = base.catalog.module_by_name(&module.name).and_then(|module| module.definition().features);
        if before == written.definition.features {
            continue;
        }
        let faults = faults(base, &planned.catalog, module).into_iter();
        issues.extend(faults.flat_map(|(_, faults)| faults).map(|fault| match argument {
            None => at_file(&module_file(&module.name), fault),
            Some(argument) => Issue { path: [path![argument], fault.path.clone()].concat(), ..fault },
        }));
    }
    issues
}

/// A feature of a module, and what is at fault in it then and was not before.
struct Broken {
    module: String,
    feature: &'static str,
    fault: Issue,
}

impl Broken {
    fn told(&self) -> String {
        format!("the feature `{}` of `{}` needs it: {}", self.feature, self.module, self.fault.message)
    }
}

fn told_at(argument: &str, broken: Vec<Broken>) -> Vec<Issue> {
    broken.iter().map(|broken| Issue::new(path![argument], NOT_CHANGEABLE, broken.told())).collect()
}

/// What a change takes from features that are declared as they were.
fn broken(base: &Base, after: &Catalog) -> Vec<Broken> {
    let mut found = Vec::new();
    for module in after.modules.iter().filter(|module| has_features(module)) {
        let Some(before) = base.catalog.module_by_name(&module.name).filter(|before| has_features(before)) else {
            continue;
        };
        let then = faults(base, after, module);
        if then.iter().all(|(_, faults)| faults.is_empty())
            || before.definition().features != module.definition().features
        {
            continue;
        }
        let now = faults(base, &base.catalog, before);
        for ((feature, now), (_, then)) in now.into_iter().zip(then) {
            let is_new =
                |fault: &Issue| !now.iter().any(|known| (&known.path, &known.rule) == (&fault.path, &fault.rule));
            let module = &module.name;
            let new = then.into_iter().filter(is_new);
            found.extend(new.map(|fault| Broken { module: module.clone(), feature, fault }));
        }
    }
    found
}

fn has_features(module: &Module) -> bool {
    module.assignment.is_some()
        || module.calendar_shares.is_some()
        || module.clocks.is_some()
        || !module.conversions.is_empty()
        || module.mentions.is_some()
        || module.recurrence.is_some()
        || module.stages.is_some()
        || module.timeline.is_some()
}

/// What is at fault in each feature of a module.
fn faults(base: &Base, catalog: &Catalog, module: &Module) -> [(&'static str, Vec<Issue>); 8] {
    let is_known = |named: Named<'_>| match named {
        Named::User(email) => base.access.user_with_email(email).is_some(),
        Named::Group(name) => base.access.group_named(name).is_some(),
    };
    [
        ("assignment", Assignment::faults(catalog, module, is_known)),
        (SharedCalendars::NAME, SharedCalendars::faults(catalog, module)),
        ("clocks", Clocks::faults(catalog, module)),
        (Conversions::NAME, Conversions::faults(catalog, module)),
        (Mentions::NAME, Mentions::faults(catalog, module)),
        (Recurrence::NAME, Recurrence::faults(catalog, module)),
        (Stages::NAME, Stages::faults(catalog, module)),
        (Timeline::NAME, Timeline::faults(catalog, module)),
    ]
}
