//! What a module says about its fields by name: the naming field, search, parent, unique sets, indexes and rules for duplicates.

use rustc_hash::FxHashSet;

use super::draft::{Document, Draft, Issues};
use crate::catalog::{FieldKind, Module, TextFormat};
use crate::definition::{FieldList, Sharing};
use crate::suggest::did_you_mean;
use crate::{Field, FieldId, ModuleId, PathSegment, path};

/// Resolves all of it for every module.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    for document in draft.documents.clone() {
        let layout = Layout { draft, document, issues };
        layout.resolve();
    }
    check_parents(draft, issues);
}

struct Layout<'r, 'd> {
    draft: &'r mut Draft<'d>,
    document: Document<'d>,
    issues: &'r mut Issues,
}

impl Layout<'_, '_> {
    fn resolve(mut self) {
        let name_field = self.name_field();
        let search = self.search();
        let parent = self.parent();
        let uniques = self.uniques();
        let indexes = self.indexes();
        let duplicates = self.duplicates();
        let module = self.draft.module_mut(self.document.id);
        module.name_field = name_field;
        module.search = search;
        module.parent = parent;
        module.uniques = uniques;
        module.indexes = indexes;
        module.duplicates = duplicates;
    }

    fn name_field(&mut self) -> Option<FieldId> {
        let name = self.document.definition.name_field.as_deref()?;
        let field = self.own_field(name, || path!["nameField"])?;
        let fits = matches!(
            field.kind,
            FieldKind::AutoNumber { .. }
                | FieldKind::Text {
                    format: TextFormat::Plain | TextFormat::Email | TextFormat::Phone | TextFormat::Url,
                    ..
                }
        );
        if !fits {
            let message =
                format!("`{name}` cannot name a record: choose a stored field of one line of text, or an autoNumber");
            self.fault(path!["nameField"], "type", message);
            return None;
        }
        Some(field.id)
    }

    fn search(&mut self) -> Vec<FieldId> {
        let mut fields = Vec::new();
        for (index, name) in self.document.definition.search.iter().enumerate() {
            let place = || path!["search", index];
            let Some(field) = self.own_field(name, place) else {
                continue;
            };
            if !matches!(field.kind, FieldKind::Text { .. } | FieldKind::AutoNumber { .. }) {
                self.fault(place(), "type", format!("`{name}` cannot be searched: the search reads stored text"));
            } else if fields.contains(&field.id) {
                self.fault(place(), "uniqueItems", format!("`{name}` stands here twice"));
            } else {
                fields.push(field.id);
            }
        }
        fields
    }

    fn parent(&mut self) -> Option<FieldId> {
        let definition = self.document.definition;
        let controlled = definition.sharing == Some(Sharing::ControlledByParent);
        let name = match (&definition.parent, controlled) {
            (Some(name), true) => name,
            (Some(_), false) => {
                self.fault(path!["parent"], "notForThisType", "only with `sharing` CONTROLLED_BY_PARENT; leave it out");
                return None;
            }
            (None, true) => {
                self.fault(
                    path!["parent"],
                    "required",
                    "`sharing` CONTROLLED_BY_PARENT needs `parent`: a required reference",
                );
                return None;
            }
            (None, false) => return None,
        };
        let field = self.own_field(name, || path!["parent"])?;
        if field.reference().is_none() || !field.required {
            self.fault(
                path!["parent"],
                "type",
                format!("`{name}` must be a required reference, as its record decides who sees this one"),
            );
            return None;
        }
        Some(field.id)
    }

    /// The sets of `uniques`, and one for every `unique` field.
    fn uniques(&mut self) -> Vec<Vec<FieldId>> {
        let module = self.draft.module_at(self.document.id);
        let mut uniques: Vec<Vec<FieldId>> = Vec::new();
        let mut known: FxHashSet<Vec<FieldId>> = FxHashSet::default();
        for field in module.fields.iter().filter(|field| !field.system && field.unique) {
            uniques.push(vec![field.id]);
            known.insert(vec![field.id]);
        }
        for (index, list) in self.document.definition.uniques.iter().enumerate() {
            let Some(fields) = self.field_list("uniques", index, list) else {
                continue;
            };
            let mut set = fields.clone();
            set.sort();
            if known.insert(set) {
                uniques.push(fields);
            } else {
                self.fault(
                    path!["uniques", index],
                    "uniqueItems",
                    "these fields are declared unique already; leave one out",
                );
            }
        }
        uniques
    }

    fn indexes(&mut self) -> Vec<Vec<FieldId>> {
        let lists = self.document.definition.indexes.iter().enumerate();
        let mut indexes: Vec<Vec<FieldId>> = Vec::new();
        for (index, list) in lists {
            let Some(fields) = self.field_list("indexes", index, list) else {
                continue;
            };
            if indexes.contains(&fields) {
                self.fault(
                    path!["indexes", index],
                    "uniqueItems",
                    "there is an index over these fields already; leave one out",
                );
            } else {
                indexes.push(fields);
            }
        }
        indexes
    }

    fn duplicates(&mut self) -> Vec<Vec<FieldId>> {
        let mut rules: Vec<Vec<FieldId>> = Vec::new();
        for (index, list) in self.document.definition.duplicates.iter().enumerate() {
            let Some(mut fields) = self.field_list("duplicates", index, list) else {
                continue;
            };
            fields.sort();
            if rules.contains(&fields) {
                self.fault(path!["duplicates", index], "uniqueItems", "there is such a rule already; leave one out");
            } else {
                rules.push(fields);
            }
        }
        rules
    }

    /// The fields of an index, a unique set or a rule for duplicates; `None` after telling a fault.
    fn field_list(&mut self, key: &'static str, index: usize, list: &FieldList) -> Option<Vec<FieldId>> {
        let before = self.issues.len();
        let mut fields = Vec::with_capacity(list.fields.len());
        let mut sound = true;
        for (position, name) in list.fields.iter().enumerate() {
            let place = || path![key, index, "fields", position];
            let Some(field) = self.any_field(name, place) else {
                sound = false;
                continue;
            };
            if !is_indexable(&field) {
                let message =
                    format!("`{name}` cannot stand here: it must be stored, with one value of limited length");
                self.fault(place(), "type", message);
            } else if fields.contains(&field.id) {
                self.fault(place(), "uniqueItems", format!("`{name}` stands here twice"));
            } else {
                fields.push(field.id);
            }
        }
        if list.fields.is_empty() {
            self.fault(path![key, index, "fields"], "minItems", "must name at least one field");
        }
        (sound && self.issues.len() == before).then_some(fields)
    }

    /// An own field by name; `None` after telling that there is none, or if a fault of it was told already.
    fn own_field(&mut self, name: &str, place: impl Fn() -> Vec<PathSegment>) -> Option<Field> {
        let field = self.any_field(name, &place)?;
        if field.system {
            self.fault(place(), "type", format!("`{name}` is a system field; name one of the module's own"));
            return None;
        }
        Some(field)
    }

    fn any_field(&mut self, name: &str, place: impl Fn() -> Vec<PathSegment>) -> Option<Field> {
        let module = self.draft.module_at(self.document.id);
        let Some(field) = module.field_named(name) else {
            let hint = did_you_mean(name, module.fields.iter().map(|field| field.name.as_str()));
            let message = format!("`{}` has no field `{name}`{hint}", module.name);
            self.fault(place(), "unknownField", message);
            return None;
        };
        (!self.draft.is_faulty(module.id, field.id)).then(|| field.clone())
    }

    fn fault(&mut self, path: Vec<PathSegment>, rule: &str, message: impl Into<String>) {
        self.issues.add(self.document.definition, path, rule, message);
    }
}

/// Whether the field is one column of limited length whose values compare.
fn is_indexable(field: &Field) -> bool {
    field.column.is_some()
        && !matches!(
            field.kind,
            FieldKind::Json { .. }
                | FieldKind::MultiChoice { .. }
                | FieldKind::Text { format: TextFormat::Long | TextFormat::Rich, .. }
        )
}

/// Refuses modules whose parents lead back to themselves: nobody would decide who sees the records.
fn check_parents(draft: &Draft<'_>, issues: &mut Issues) {
    let parents = |module: &Module| -> Vec<ModuleId> {
        let reference = module.parent.and_then(|parent| module.field(parent).reference());
        reference.map(|reference| reference.targets.clone()).unwrap_or_default()
    };
    for document in &draft.documents {
        let module = draft.module_at(document.id);
        let mut seen: FxHashSet<ModuleId> = FxHashSet::default();
        let mut ahead = parents(module);
        while let Some(next) = ahead.pop() {
            if next == module.id {
                let message = format!(
                    "the parents of `{}` lead back to it; one of them must have another `sharing`",
                    module.name
                );
                issues.add(document.definition, path!["parent"], "cycle", message);
                break;
            }
            if seen.insert(next) {
                ahead.extend(parents(draft.module_at(next)));
            }
        }
    }
}
