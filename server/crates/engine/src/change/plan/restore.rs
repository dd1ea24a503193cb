//! What is shown again.

use cardine_model::catalog::Catalog;
use cardine_model::definition::{FieldUses, ModuleDefinition, RetiredField};
use cardine_model::resolve::{ModuleIssue, resolve_restored};
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl::{self, Kept};
use chrono::{DateTime, Utc};

use super::{Planned, Planning, Written, WrittenDefinition, told_at};
use crate::change::steps::Step;

impl Planning<'_> {
    pub(super) fn restore_field(self, name: &str, field: &str) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let mut definition = module.definition();
        let Some(place) = definition.retired.iter().position(|retired| retired.field.name == field) else {
            let message = match self.position_of(module, field) {
                Ok(_) => format!("`{field}` is not retired"),
                Err(issues) => return Err(issues),
            };
            return Err(vec![Issue::new(path!["name"], "notRetired", message)]);
        };
        let mut retired = definition.retired.remove(place);
        let mut warnings = Vec::new();
        if self.base.without_required {
            retired.field.required = false;
            let message = format!(
                "records were written meanwhile that have no value in `{field}`: it is not required any more; give them values, then set `required` again"
            );
            warnings.push(Issue::new(path!["name"], "required", message));
        }
        let mut fields = definition.fields.to_vec();
        let position = retired.position.min(fields.len());
        fields.insert(position, retired.field.clone());
        definition.fields = fields.into();
        let whole = with_uses(&definition, field, &retired.uses);
        let mut left_out = |message: &str| warnings.push(Issue::new(path!["name"], "leftOut", message));
        let (definition, after) = match (self.restored(&whole), self.restored(&definition)) {
            (Ok(after), _) => (whole, after),
            (Err(_), Ok(after)) => {
                left_out(
                    "where the module named the field does not fit any more, and is left out: its search, indexes, unique sets, validations and the like",
                );
                (definition, after)
            }
            (Err(_), Err(found)) => {
                // Its values come back all the same.
                let definition = without_conditions(definition, position);
                let after = self.restored(&definition).map_err(|_| told_at(found, "name"))?;
                left_out(
                    "what the field asked of others does not fit any more, and is left out: its `requiredIf`, `dependsOn` or the rule of its `default`",
                );
                (definition, after)
            }
        };
        if module.unserved.is_none() {
            warnings.extend(unserved(&after, name));
        }
        let links = new_links(self.catalog(), &after);
        let kept = Kept { modules: links, fields: vec![(name.to_owned(), field.to_owned())], ..Kept::default() };
        let ddl::Difference { removed, made } =
            ddl::difference_beside(self.dialect, Some(self.catalog()), &after, &kept);
        let mut steps = vec![Step::Hold(vec![module.table.clone()])];
        steps.extend(cleared(&after, name, Some(field)));
        let is_stored = after
            .module_by_name(name)
            .and_then(|module| module.field_named(field))
            .is_some_and(|field| field.column.is_some() || field.group().is_some());
        if retired.field.required && is_stored {
            steps.push(Step::Fill {
                module: name.to_owned(),
                field: field.to_owned(),
                at: path!["name"],
                is_new: false,
            });
        }
        if let Some(restored) = after.module_by_name(name) {
            let uniques = restored.uniques.iter().map(|fields| -> Vec<String> {
                fields.iter().map(|field| restored.field(*field).name.clone()).collect()
            });
            steps.extend(uniques.filter(|fields| fields.iter().any(|name| name == field)).map(|fields| Step::Alike {
                module: name.to_owned(),
                fields,
                at: path!["name"],
            }));
        }
        steps.push(Step::Ddl([removed, made].concat()));
        let summary = format!("restore field {field} of module {name}");
        let mut planned = self.planned(after, "FIELD_RESTORED", name, summary);
        planned.warnings = warnings;
        Ok(Planned { steps, definitions: vec![WrittenDefinition { definition, how: Written::Instead }], ..planned })
    }

    pub(super) fn restore_module(self, name: &str) -> Result<Planned, Vec<Issue>> {
        let Some(retired) = self.base.retired.iter().find(|retired| retired.definition.name == name) else {
            self.changeable_module(name, "name")?;
            return Err(vec![Issue::new(path!["name"], "notRetired", format!("`{name}` is not retired"))]);
        };
        let mut definition = retired.definition.clone();
        let mut warnings = Vec::new();
        let after = loop {
            match self.restored(&definition) {
                Ok(after) => break after,
                Err(found) => {
                    let unfit = unfit_fields(name, &found);
                    if unfit.is_empty() {
                        return Err(told_at(found, "name"));
                    }
                    warnings.extend(unfit.iter().filter_map(|position| definition.fields.get(*position)).map(
                        |field| {
                            let message = format!("`{}` needs what is not there now, and stays retired", field.name);
                            Issue::new(path!["name"], "leftOut", message)
                        },
                    ));
                    definition = with_retired(&definition, &unfit, self.base.now);
                }
            }
        };
        warnings.extend(unserved(&after, name));
        let mut modules = new_links(self.catalog(), &after);
        modules.push(name.to_owned());
        let kept = Kept { modules, ..Kept::default() };
        let ddl::Difference { removed, made } =
            ddl::difference_beside(self.dialect, Some(self.catalog()), &after, &kept);
        let mut definitions = Vec::new();
        if definition != retired.definition {
            definitions.push(WrittenDefinition { definition: definition.clone(), how: Written::Instead });
        }
        definitions.push(WrittenDefinition { definition, how: Written::Restored });
        let mut steps = cleared(&after, name, None);
        steps.push(Step::Ddl([removed, made].concat()));
        let mut planned = self.planned(after, "MODULE_RESTORED", name, format!("restore module {name}"));
        planned.warnings = warnings;
        Ok(Planned { steps, definitions, ..planned })
    }

    fn restored(&self, definition: &ModuleDefinition) -> Result<Catalog, Vec<ModuleIssue>> {
        resolve_restored(self.catalog(), self.catalog().version + 1, definition)
    }
}

/// What to tell of a module that the API has nothing of, as it has a name of it.
fn unserved(after: &Catalog, name: &str) -> Option<Issue> {
    let why = after.module_by_name(name)?.unserved.as_ref()?;
    let message = format!("the API has nothing of `{name}` until what has the name is renamed: {why}");
    Some(Issue::new(path!["name"], "unserved", message))
}

/// What sees to it that the references of a module, or this one alone, lead to records that are there.
fn cleared(after: &Catalog, name: &str, field: Option<&str>) -> Vec<Step> {
    let Some(module) = after.module_by_name(name) else { return Vec::new() };
    let fields = module.own_fields().filter(|known| !known.system && field.is_none_or(|field| known.name == field));
    let lost = fields.filter_map(|field| ddl::clear_lost(after, module, field));
    let (statements, mut tables): (Vec<String>, Vec<String>) = lost.unzip();
    if statements.is_empty() {
        return Vec::new();
    }
    tables.push(module.table.clone());
    vec![Step::Hold(tables), Step::Ddl(statements)]
}

/// The positions of a module's fields that do not fit.
fn unfit_fields(module: &str, found: &[ModuleIssue]) -> Vec<usize> {
    let mut positions: Vec<usize> = found
        .iter()
        .filter(|fault| fault.module == module)
        .filter_map(|fault| match fault.issue.path.as_slice() {
            [PathSegment::Name(key), PathSegment::Index(position), ..] if key == "fields" => Some(*position),
            _ => None,
        })
        .collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

/// `definition` with the fields at these positions retired.
fn with_retired(definition: &ModuleDefinition, positions: &[usize], now: DateTime<Utc>) -> ModuleDefinition {
    let mut changed = definition.clone();
    let (gone, left): (Vec<_>, Vec<_>) =
        definition.fields.iter().cloned().enumerate().partition(|(position, _)| positions.contains(position));
    changed.fields = left.into_iter().map(|(_, field)| field).collect();
    let retired =
        gone.into_iter().map(|(position, field)| RetiredField { field, position, at: now, uses: FieldUses::default() });
    changed.retired.extend(retired);
    changed
}

/// `definition` without what its field at `position` asks of other fields.
fn without_conditions(definition: ModuleDefinition, position: usize) -> ModuleDefinition {
    let mut fields = definition.fields.to_vec();
    if let Some(field) = fields.get_mut(position) {
        field.required_if = None;
        field.depends_on = None;
        field.options.iter_mut().for_each(|option| option.only_for.clear());
        field.default = field.default.take().filter(|default| default.get("rule").is_none());
    }
    ModuleDefinition { fields: fields.into(), ..definition }
}

/// `definition` with the field named again where it was.
fn with_uses(definition: &ModuleDefinition, field: &str, uses: &FieldUses) -> ModuleDefinition {
    let mut whole = definition.clone();
    if uses.name_field && whole.name_field.is_none() {
        whole.name_field = Some(field.to_owned());
    }
    if uses.search && !whole.search.iter().any(|name| name == field) {
        whole.search.push(field.to_owned());
    }
    for (lists, added) in [
        (&mut whole.indexes, &uses.indexes),
        (&mut whole.uniques, &uses.uniques),
        (&mut whole.duplicates, &uses.duplicates),
    ] {
        let new: Vec<_> = added.iter().filter(|list| !lists.contains(list)).cloned().collect();
        lists.extend(new);
    }
    let new: Vec<_> = uses.validations.iter().filter(|rule| !whole.validations.contains(rule)).cloned().collect();
    whole.validations.extend(new);
    whole
}

/// The links that are in `after` and not in `before`: of a restored reference or module, whose tables are still there.
fn new_links(before: &Catalog, after: &Catalog) -> Vec<String> {
    let links = after.modules.iter().filter(|module| module.link.is_some());
    links.filter(|link| before.module_or_link_named(&link.name).is_none()).map(|link| link.name.clone()).collect()
}
