//! A module's document beside the module that is there: what it becomes, what stays, and what goes.

use cardine_model::catalog::Module;
use cardine_model::definition::{FieldDefinition, FieldList, FieldUses, ModuleDefinition, RetiredField};
use cardine_model::resolve::is_of_features;
use cardine_model::{Issue, PathSegment};

use super::super::Base;
use crate::as_code::{ModuleFile, WantedFiles};
use crate::change::ids::identified;

/// A file's document, with what stays of the module that is there.
pub(super) struct Merged<'a> {
    pub(super) file: &'a ModuleFile,
    pub(super) before: Option<ModuleDefinition>,
    pub(super) target: ModuleDefinition,
    /// Fields without a place in the file that stay.
    pub(super) left: Vec<String>,
    /// Fields without a place in the file that go.
    pub(super) retired: Vec<String>,
}

impl<'a> Merged<'a> {
    pub(super) fn of(file: &'a ModuleFile, base: &Base, files: &WantedFiles) -> Self {
        let definition = file.definition.clone();
        let before = base.catalog.module_by_name(&definition.name).filter(|module| !module.platform);
        let before = before.map(Module::definition);
        let Some(known) = &before else {
            let target = identified(definition, None);
            return Self { file, before, target, left: Vec::new(), retired: Vec::new() };
        };
        let is_wanted = |name: &str| definition.fields.iter().any(|field| field.name == name);
        let mut target = identified(definition.clone(), Some(known));
        let unwanted = known.fields.iter().enumerate().filter(|(_, field)| !is_wanted(&field.name));
        let (mut left, mut retired) = (Vec::new(), Vec::new());
        let mut fields = target.fields.to_vec();
        for (position, field) in unwanted {
            if files.prune || files.going.has_field(&definition.name, &field.name) {
                retired.push(field.name.clone());
                target.retired.push(RetiredField {
                    field: field.clone(),
                    position,
                    at: base.now,
                    uses: uses_of(known, &field.name),
                });
            } else {
                left.push(field.name.clone());
                fields.push(field.clone());
            }
        }
        target.fields = fields.into();
        Self { file, before, target, left, retired }
    }

    pub(super) fn differs(&self) -> bool {
        self.before.as_ref() != Some(&self.target)
    }

    /// Whether a fault is one of features that stay as they are: an older version took them, and they keep nothing else back.
    pub(super) fn keeps_features_of(&self, fault: &Issue) -> bool {
        let is_kept = self.before.as_ref().is_some_and(|before| before.features == self.target.features);
        let [PathSegment::Name(file), place @ ..] = fault.path.as_slice() else { return false };
        is_kept && is_of_features(place) && *file == self.file.file()
    }

    /// Fields that were not there before; of a new module none.
    pub(super) fn new_fields(&self) -> Vec<&FieldDefinition> {
        let Some(before) = &self.before else { return Vec::new() };
        let is_known = |name: &str| before.fields.iter().any(|known| known.name == name);
        self.target.fields.iter().filter(|field| !is_known(&field.name)).collect()
    }
}

/// Where a module's document names a field beside rules.
fn uses_of(definition: &ModuleDefinition, field: &str) -> FieldUses {
    let is_meant = |name: &String| name == field || name.split_once('.').is_some_and(|(whole, _)| whole == field);
    let lists = |lists: &[FieldList]| lists.iter().filter(|list| list.fields.iter().any(is_meant)).cloned().collect();
    FieldUses {
        name_field: definition.name_field.as_deref() == Some(field),
        search: definition.search.iter().any(|name| name == field),
        indexes: lists(&definition.indexes),
        uniques: lists(&definition.uniques),
        duplicates: lists(&definition.duplicates),
        validations: definition.validations.iter().filter(|rule| rule.fields.iter().any(is_meant)).cloned().collect(),
    }
}
