//! What was retired and has a document again comes back first, step by step as an administrator would do it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cardine_model::{Issue, path};

use super::super::{Base, Planned, Planning, WrittenDefinition};
use crate::as_code::{WantedFiles, module_file};
use crate::change::steps::Step;

/// Retired modules and fields that have a document come back before anything else.
pub(super) struct Restoring {
    pub(super) base: Base,
    pub(super) modules: BTreeSet<String>,
    pub(super) steps: Vec<Step>,
    pub(super) definitions: Vec<WrittenDefinition>,
    pub(super) warnings: Vec<Issue>,
}

impl Restoring {
    pub(super) fn run(planning: Planning<'_>, files: &WantedFiles, faults: &mut Vec<Issue>) -> Self {
        let Base { catalog, retired, now, access, .. } = planning.base;
        let base = Base {
            catalog: Arc::clone(catalog),
            retired: retired.clone(),
            now: *now,
            without_required: false,
            present: None,
            access: Arc::clone(access),
        };
        let mut restoring =
            Self { base, modules: BTreeSet::new(), steps: Vec::new(), definitions: Vec::new(), warnings: Vec::new() };
        let is_retired = |name: &str| retired.iter().any(|retired| retired.definition.name == name);
        let modules = files.modules.iter().filter(|file| is_retired(&file.definition.name));
        let modules = modules.map(|file| (file.definition.name.clone(), None)).collect();
        restoring.all_of(planning, modules, faults);
        let mut fields = Vec::new();
        for file in &files.modules {
            let Some(module) = restoring.base.catalog.module_by_name(&file.definition.name) else { continue };
            let definition = module.definition();
            let back = file.definition.fields.iter().filter(|field| definition.retired_named(&field.name).is_some());
            fields.extend(back.map(|field| (module.name.clone(), Some(field.name.clone()))));
        }
        restoring.all_of(planning, fields, faults);
        restoring
    }

    /// In whatever order they need each other.
    fn all_of(&mut self, planning: Planning<'_>, mut waiting: Vec<(String, Option<String>)>, faults: &mut Vec<Issue>) {
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut last = Vec::new();
            waiting.retain(|(module, field)| {
                let planning = Planning { dialect: planning.dialect, base: &self.base };
                let planned = match field {
                    None => planning.restore_module(module),
                    Some(field) => planning.restore_field(module, field),
                };
                match planned {
                    Ok(planned) => {
                        self.take(planned, module, field.is_none());
                        false
                    }
                    Err(found) => {
                        last.extend(found.into_iter().map(|issue| {
                            let what =
                                field.as_ref().map_or_else(String::new, |field| format!("the field `{field}` of "));
                            let message = format!(
                                "{what}the module is retired, and does not come back as it was: {}",
                                issue.message
                            );
                            Issue { path: path![module_file(module)], message, ..issue }
                        }));
                        true
                    }
                }
            });
            if waiting.len() == before {
                faults.extend(last);
                return;
            }
        }
    }

    fn take(&mut self, planned: Planned, name: &str, is_module: bool) {
        let mut catalog = Arc::unwrap_or_clone(planned.catalog);
        // All of it is one version.
        catalog.version = self.base.catalog.version;
        self.base.catalog = Arc::new(catalog);
        if is_module {
            self.base.retired.retain(|retired| retired.definition.name != name);
            self.modules.insert(name.to_owned());
        }
        self.steps.extend(planned.steps);
        self.definitions.extend(planned.definitions);
        let file = module_file(name);
        self.warnings.extend(planned.warnings.into_iter().map(|issue| Issue { path: path![file.as_str()], ..issue }));
    }
}
