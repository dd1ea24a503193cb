//! Other options of a module or a field; the records that are there must meet them.

use cardine_model::catalog::{Catalog, Field, FieldKind, Module, Reference};
use cardine_model::merge_patch::merge;
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl;
use serde_json::Value as Json;

use super::{Planned, Planning, Written, WrittenDefinition, resolve_document};
use crate::change::steps::Step;
use crate::check::length_max;

impl Planning<'_> {
    pub(super) fn update_module(self, name: &str, patch: &Json) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "name")?;
        refuse_keys(
            patch,
            &[
                ("name", "a module gets another name by renameModule"),
                (
                    "fields",
                    "fields are changed one by one: addField, updateField, renameField, changeFieldType, retireField",
                ),
            ],
        )?;
        let document = merge(written(module), patch);
        let place = |path: Vec<PathSegment>| Some([path!["patch"], path].concat());
        self.updated(module, &document, &place, "MODULE_UPDATED", format!("update module {name}"))
    }

    pub(super) fn update_field(self, name: &str, field: &str, patch: &Json) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let position = self.position_of(module, field)?;
        refuse_keys(
            patch,
            &[
                ("name", "a field gets another name by renameField"),
                ("type", "a field gets another type by changeFieldType"),
            ],
        )?;
        let mut document = written(module);
        let place = &mut document["fields"][position];
        *place = merge(place.take(), patch);
        let place = |path: Vec<PathSegment>| match path.as_slice() {
            [PathSegment::Name(key), PathSegment::Index(index), rest @ ..] if key == "fields" && *index == position => {
                Some([path!["patch"].as_slice(), rest].concat())
            }
            _ => None,
        };
        self.updated(module, &document, &place, "FIELD_UPDATED", format!("update field {field} of module {name}"))
    }

    fn updated(
        self,
        module: &Module,
        document: &Json,
        place: &dyn Fn(Vec<PathSegment>) -> Option<Vec<PathSegment>>,
        action: &'static str,
        summary: String,
    ) -> Result<Planned, Vec<Issue>> {
        let (definition, after) = resolve_document(self.catalog(), document, Some(&module.name))
            .map_err(|faults| faults.told(place, path!["patch"]))?;
        if let Some((field, lost)) = lost_target(self.catalog(), &after, &module.name) {
            let message = format!(
                "records of `{}` may lead to `{lost}` by `{field}`: {LOST_TARGET}; add a new reference, and retire this one",
                module.name
            );
            return Err(vec![Issue::new(path!["patch", "to"], "notChangeable", message)]);
        }
        let otherwise = ddl::stored_otherwise(self.catalog(), &after);
        if !otherwise.is_empty() {
            let told = otherwise.iter().map(|(module, field)| {
                let ends = self.catalog().module_or_link_named(module).and_then(|module| module.link);
                let message = match ends {
                    None => format!("the values of {module}.{field} would be stored otherwise: use changeFieldType"),
                    Some(_) => lost_of_links(field),
                };
                Issue::new(path!["patch"], "notChangeable", message)
            });
            return Err(told.collect());
        }
        let mut steps = self.stricter(&after, &module.name, &[PathSegment::from("patch")]);
        // A field of links may be new.
        let (new, known): (Vec<Step>, Vec<Step>) =
            steps.drain(..).partition(|step| matches!(step, Step::Fill { is_new: true, .. }));
        steps = known;
        steps.push(Step::Ddl(ddl::difference(self.dialect, Some(self.catalog()), &after)));
        steps.extend(new);
        Ok(Planned {
            steps,
            definitions: vec![WrittenDefinition { definition, how: Written::Instead }],
            ..self.planned(after, action, &module.name, summary)
        })
    }

    /// What the records of a module and its links are checked by and filled with before `after` is in force.
    pub(super) fn stricter(&self, after: &Catalog, name: &str, at: &[PathSegment]) -> Vec<Step> {
        let owner = after.module_by_name(name).map(|module| module.id);
        let own = after
            .modules
            .iter()
            .filter(|module| module.link.map_or_else(|| Some(module.id) == owner, |link| Some(link.owner) == owner));
        let (mut checks, mut fills, mut alike, mut tables) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for module in own {
            let Some(before) = self.catalog().module_or_link_named(&module.name) else { continue };
            let held = checks.len() + fills.len() + alike.len();
            for field in module.own_fields().filter(|field| !field.system && !field.is_derived()) {
                let known = before.field_named(&field.name);
                let becomes_required = field.required && known.is_none_or(|known| !known.required);
                if becomes_required {
                    fills.push(Step::Fill {
                        module: module.name.clone(),
                        field: field.name.clone(),
                        at: at.to_vec(),
                        is_new: known.is_none(),
                    });
                }
                if field.is_hierarchy() && known.is_some_and(|known| !known.is_hierarchy()) {
                    checks.push(Step::Hierarchy {
                        module: module.name.clone(),
                        field: field.name.clone(),
                        at: at.to_vec(),
                    });
                }
                if known.is_some_and(|known| loses_targets((self.catalog(), known), (after, field))) {
                    checks.push(Step::Targets {
                        module: module.name.clone(),
                        field: field.name.clone(),
                        at: at.to_vec(),
                    });
                }
                if known.is_some_and(|known| is_narrower(known, field)) {
                    checks.push(Step::Values {
                        module: module.name.clone(),
                        field: field.name.clone(),
                        at: at.to_vec(),
                    });
                }
            }
            let names = |module: &Module, fields: &[cardine_model::FieldId]| -> Vec<String> {
                fields.iter().map(|field| module.field(*field).name.clone()).collect()
            };
            let known: Vec<Vec<String>> = before.uniques.iter().map(|fields| names(before, fields)).collect();
            let all_known = |fields: &[String]| fields.iter().all(|field| before.field_named(field).is_some());
            for fields in module.uniques.iter().map(|fields| names(module, fields)) {
                if !known.contains(&fields) && all_known(&fields) {
                    alike.push(Step::Alike { module: module.name.clone(), fields, at: at.to_vec() });
                }
            }
            if checks.len() + fills.len() + alike.len() > held {
                tables.push(module.table.clone());
            }
        }
        let hold = (!tables.is_empty()).then_some(Step::Hold(tables));
        hold.into_iter().chain(checks).chain(fills).chain(alike).collect()
    }
}

/// Whether `after` refuses values that `before` took.
fn is_narrower(before: &Field, after: &Field) -> bool {
    // A text of spaces is no value where one is required.
    let blank = after.required && !before.required && matches!(after.kind, FieldKind::Text { .. });
    blank
        || match (&before.kind, &after.kind) {
            (FieldKind::Text { pattern: old, .. }, FieldKind::Text { pattern: new, .. }) => {
                length_max(after) < length_max(before) || (new.is_some() && new != old)
            }
            (FieldKind::Integer { min, max, .. }, FieldKind::Integer { min: new_min, max: new_max, .. }) => {
                raised(min.as_ref(), new_min.as_ref()) || lowered(max.as_ref(), new_max.as_ref())
            }
            (FieldKind::Decimal { min, max, .. }, FieldKind::Decimal { min: new_min, max: new_max, .. }) => {
                raised(min.as_ref(), new_min.as_ref()) || lowered(max.as_ref(), new_max.as_ref())
            }
            (FieldKind::Choice { options }, FieldKind::Choice { options: new })
            | (FieldKind::MultiChoice { options }, FieldKind::MultiChoice { options: new }) => {
                options.iter().any(|option| !new.iter().any(|other| other.value == option.value))
            }
            (FieldKind::Json { schema }, FieldKind::Json { schema: new }) => new.is_some() && new != schema,
            _ => false,
        }
}

fn raised<T: PartialOrd>(old: Option<&T>, new: Option<&T>) -> bool {
    new.is_some_and(|new| old.is_none_or(|old| new > old))
}

fn lowered<T: PartialOrd>(old: Option<&T>, new: Option<&T>) -> bool {
    new.is_some_and(|new| old.is_none_or(|old| new < old))
}

/// Why a target stays, for people.
pub(super) const LOST_TARGET: &str =
    "a target can be taken away only where no record leads there and two others are left";

/// Whether a reference to several modules leads to fewer of them, and still to several.
fn loses_targets((before, was): (&Catalog, &Field), (after, is): (&Catalog, &Field)) -> bool {
    let (Some(was), Some(is)) = (was.reference(), is.reference()) else { return false };
    let names = |catalog: &Catalog, reference: &Reference| -> Vec<String> {
        reference.targets.iter().map(|target| catalog.module(*target).name.clone()).collect()
    };
    let (left, lost) = (names(after, is), names(before, was).into_iter());
    let mut lost = lost.filter(|name| !left.contains(name)).peekable();
    let is_less = was.module_column.is_some() && is.module_column.is_some() && lost.peek().is_some();
    // A module that goes itself takes along what leads to it.
    is_less && lost.all(|name| after.module_by_name(&name).is_some())
}

/// That a field of links stays as it is, for people.
pub(super) fn lost_of_links(field: &str) -> String {
    format!(
        "the values of `{field}` of the links would be lost: fields of links are neither taken away, nor do they get another name or type; leave it as it is, or mark it `deprecated`, and add another one"
    )
}

/// Records may lead to any of a reference's targets, so that a single one is not exchanged. One of several may go where no record leads
/// there, which is looked for later. Gives field and target.
pub(super) fn lost_target(before: &Catalog, after: &Catalog, name: &str) -> Option<(String, String)> {
    let (old, new) = (before.module_by_name(name)?, after.module_by_name(name)?);
    let targets = |catalog: &Catalog, module: &Module, field: &Field| -> Vec<String> {
        match &field.kind {
            FieldKind::Reference(reference) => {
                reference.targets.iter().map(|target| catalog.module(*target).name.clone()).collect()
            }
            FieldKind::References { link } => catalog
                .module(*link)
                .link
                .and_then(|ends| catalog.module(*link).field(ends.target).reference().cloned())
                .map(|reference| reference.targets.iter().map(|id| catalog.module(*id).name.clone()).collect())
                .unwrap_or_else(|| vec![module.name.clone()]),
            _ => Vec::new(),
        }
    };
    for field in old.own_fields().filter(|field| !field.system) {
        let Some(other) = new.field_named(&field.name) else { continue };
        if loses_targets((before, field), (after, other)) {
            continue;
        }
        let (had, has) = (targets(before, old, field), targets(after, new, other));
        if let Some(lost) = had.iter().find(|target| !has.contains(target)) {
            return Some((field.name.clone(), lost.clone()));
        }
    }
    None
}

fn written(module: &Module) -> Json {
    serde_json::to_value(module.definition().written()).expect("a definition is a JSON document")
}

fn refuse_keys(patch: &Json, keys: &[(&str, &str)]) -> Result<(), Vec<Issue>> {
    let Json::Object(entries) = patch else {
        let message = "a patch is an object with the options that change (JSON Merge Patch, RFC 7386)";
        return Err(vec![Issue::new(path!["patch"], "type", message)]);
    };
    let refused = keys.iter().filter(|(key, _)| entries.contains_key(*key));
    let issues: Vec<Issue> =
        refused.map(|(key, message)| Issue::new(path!["patch", *key], "notChangeable", *message)).collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}
