//! Faults with their place in the files, and without what only follows from others.

use cardine_model::catalog::Catalog;
use cardine_model::resolve::ModuleIssue;
use cardine_model::{Issue, PathSegment, path};

use super::merged::Merged;
use crate::as_code::{Kind, ModuleFile, WantedFiles, at_file, module_file};
use crate::change::steps::Step;

/// Faults of documents at their files.
pub(super) fn told(found: &[ModuleIssue], merged: &[Merged<'_>]) -> Vec<Issue> {
    let told = |ModuleIssue { module, issue }: &ModuleIssue| {
        let file = module_file(module);
        let Some(merged) = merged.iter().find(|merged| merged.target.name == *module) else {
            let message = format!("in the module as it is: {issue}");
            return Issue { path: path![file], message, ..issue.clone() };
        };
        match issue.path.as_slice() {
            // It stands behind those of the file.
            [PathSegment::Name(key), PathSegment::Index(position), ..]
                if key == "fields" && *position >= merged.file.definition.fields.len() =>
            {
                let name = merged.target.fields.get(*position).map_or("", |field| field.name.as_str());
                let message = format!("in the field `{name}`, which is there and not in the file: {}", issue.message);
                Issue { path: path![file, "fields"], message, ..issue.clone() }
            }
            _ => at_file(&file, issue.clone()),
        }
    };
    found.iter().map(told).collect()
}

/// Whether something is only missing because the module that has it is at fault itself.
pub(super) fn follows_from_modules(issue: &Issue, files: &WantedFiles, after: &Catalog) -> bool {
    let wanted = |name: &str| files.modules.iter().find(|file| file.definition.name == name);
    match (issue.rule.as_str(), issue.path.as_slice()) {
        ("unknownField", [_, _, PathSegment::Name(module), _, PathSegment::Name(field)]) => {
            wanted(module).is_some_and(|file| file.definition.fields.iter().any(|known| known.name == *field))
        }
        ("unknownModule", _) => {
            let unread = files.unread.iter().filter(|(kind, _)| *kind == Kind::Module).map(|(_, name)| name);
            let mut names = files.modules.iter().map(|file| &file.definition.name).chain(unread);
            names.any(|name| after.module_by_name(name).is_none() && issue.message.contains(name.as_str()))
        }
        _ => false,
    }
}

/// Whether a fault tells that there is no module whose document cannot be read.
pub(super) fn names_unread(fault: &Issue, files: &WantedFiles, catalog: &Catalog) -> bool {
    let unread =
        files.unread.iter().filter(|(kind, name)| *kind == Kind::Module && catalog.module_by_name(name).is_none());
    let quoted = unread.map(|(_, name)| [format!("\"{name}\""), format!("`{name}`")]);
    quoted.flatten().any(|name| fault.message.contains(&name))
}

pub(super) fn place_of(file: &ModuleFile, field: &str) -> Vec<PathSegment> {
    match file.definition.fields.iter().position(|known| known.name == field) {
        Some(position) => path![file.file(), "fields", position],
        None => path![file.file(), "fields"],
    }
}

/// Says where in the files a step stands that finds something.
pub(super) fn place(step: &mut Step, files: &WantedFiles, after: &Catalog) {
    let find = |module: &str| {
        let owner =
            after.module_or_link_named(module).and_then(|module| module.link).map(|link| after.module(link.owner));
        let name = owner.map_or(module, |owner| owner.name.as_str());
        files.modules.iter().find(|file| file.definition.name == name)
    };
    match step {
        Step::Fill { module, field, at, .. }
        | Step::Values { module, field, at }
        | Step::Hierarchy { module, field, at }
        | Step::Targets { module, field, at } => {
            *at = find(module).map_or_else(Vec::new, |file| place_of(file, field));
        }
        Step::Alike { module, fields, at } => {
            *at = match (find(module), fields.as_slice()) {
                (Some(file), [field]) => place_of(file, field),
                (Some(file), _) => path![file.file(), "uniques"],
                (None, _) => Vec::new(),
            };
        }
        Step::Convert(conversion) => {
            let at = find(&conversion.module).map_or_else(Vec::new, |file| place_of(file, &conversion.field));
            conversion.at = at;
        }
        Step::Ddl(_) | Step::Hold(_) | Step::Rollup { .. } | Step::LostValues { .. } | Step::LostRecords { .. } => {}
    }
}
