//! Fields that get another type by their documents: whose values follow, and whose can't.

use cardine_model::catalog::Catalog;
use cardine_model::definition::FieldDefinition;
use cardine_model::{Issue, path};
use cardine_sql::ddl;

use super::super::Planning;
use super::super::convert::{is_source, is_target};
use super::super::update::{LOST_TARGET, lost_of_links, lost_target};
use super::faults::place_of;
use super::merged::Merged;
use crate::as_code::module_file;

impl Planning<'_> {
    /// The fields that are in both catalogs and get another type; those whose values cannot are faults.
    pub(super) fn converted(
        &self,
        merged: &[Merged<'_>],
        after: &Catalog,
        faults: &mut Vec<Issue>,
    ) -> Vec<(String, String)> {
        let otherwise = ddl::stored_otherwise(self.catalog(), after);
        let mut moved = Vec::new();
        for merged in merged.iter().filter(|merged| merged.differs()) {
            let (Some(known), name) = (&merged.before, merged.target.name.as_str()) else { continue };
            let (Some(old), Some(new)) = (self.catalog().module_by_name(name), after.module_by_name(name)) else {
                continue;
            };
            for (position, field) in merged.target.fields.iter().enumerate() {
                let Some(was) = known.fields.iter().find(|known| known.name == field.name) else { continue };
                let other_type = was.kind != field.kind;
                let other_form = otherwise.iter().any(|(module, other)| module == name && *other == field.name);
                let is_derived =
                    |field: &FieldDefinition| ["formula", "rollup", "computed"].contains(&field.kind.as_str());
                if !(other_type || other_form) || (is_derived(was) && is_derived(field)) {
                    continue;
                }
                let fields = (old.field_named(&field.name), new.field_named(&field.name));
                let (Some(before), Some(new)) = fields else { continue };
                if is_source(before) && is_target(new) {
                    moved.push((name.to_owned(), field.name.clone()));
                    continue;
                }
                let message = format!(
                    "the values of `{}` ({}) can't become {}: give the new field another name, and take this one out",
                    field.name, was.kind, field.kind
                );
                let at = path![merged.file.file(), "fields", position, "type"];
                faults.push(Issue::new(at, "notConvertible", message));
            }
            if let Some((field, lost)) = lost_target(self.catalog(), after, name) {
                let message = format!(
                    "records of `{name}` may lead to `{lost}` by `{field}`: {LOST_TARGET}; add a new reference, and take this one out"
                );
                faults.push(Issue::new(place_of(merged.file, &field), "notChangeable", message));
            }
        }
        faults.extend(otherwise.iter().filter(|(module, _)| self.catalog().module_by_name(module).is_none()).map(
            |(link, field)| {
                let owner = self.catalog().module_or_link_named(link).and_then(|module| module.link);
                let file =
                    owner.map_or_else(|| link.clone(), |ends| module_file(&self.catalog().module(ends.owner).name));
                Issue::new(path![file], "notConvertible", lost_of_links(field))
            },
        ));
        moved
    }
}
