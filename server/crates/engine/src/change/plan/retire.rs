//! What is hidden, with all that would make no sense without it; and what is dropped for good.

use std::collections::{BTreeMap, BTreeSet};

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_model::definition::{FieldDefinition, FieldUses, ModuleDefinition, RetiredField};
use cardine_model::dependants::{Dependant, Place, of_field, of_module};
use cardine_model::{Issue, path};
use cardine_sql::ddl;

use super::{Planned, Planning, Written, WrittenDefinition};
use crate::change::follow::Follow;
use crate::change::steps::Step;

impl Planning<'_> {
    pub(super) fn retire_field(self, name: &str, field: &str, force: bool) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let position = self.position_of(module, field)?;
        let id = FieldId(u32::try_from(Module::SYSTEM_FIELDS.len() + position).unwrap_or(u32::MAX));
        let gone = Gone::with(self.catalog(), vec![(module.id, id)], &[])?;
        let summary = format!("retire field {field} of module {name}");
        self.retired(gone, None, force, "FIELD_RETIRED", name, summary)
    }

    pub(super) fn retire_module(self, name: &str, force: bool) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "name")?;
        let gone = Gone::with(self.catalog(), Vec::new(), &of_module(self.catalog(), module.id))?;
        self.retired(gone, Some(module), force, "MODULE_RETIRED", name, format!("retire module {name}"))
    }

    fn retired(
        self,
        gone: Gone,
        whole: Option<&Module>,
        force: bool,
        action: &'static str,
        module: &str,
        summary: String,
    ) -> Result<Planned, Vec<Issue>> {
        let catalog = self.catalog();
        let (mut names, mut definitions, mut written) = (Vec::new(), Vec::new(), Vec::new());
        let is_left = |module: &&Module| {
            !module.platform && module.link.is_none() && whole.is_none_or(|whole| whole.id != module.id)
        };
        for module in catalog.modules.iter().map(std::convert::AsRef::as_ref).filter(is_left) {
            if let Some(definition) = gone.without(module, self.base.now) {
                names.push(module.name.as_str());
                definitions.push(definition.clone());
                written.push(WrittenDefinition { definition, how: Written::Instead });
            }
        }
        if let Some(whole) = whole {
            names.push(whole.name.as_str());
            written.push(WrittenDefinition { definition: whole.definition(), how: Written::Retired });
        }
        let after = self.resolved(&names, &definitions, "name")?;
        let statements = ddl::difference(self.dialect, Some(catalog), &after);
        let links =
            catalog.modules.iter().map(std::convert::AsRef::as_ref).filter(|module| match (module.link, whole) {
                (Some(link), Some(whole)) => link.owner == whole.id,
                _ => false,
            });
        let modules: Vec<ModuleId> = whole.into_iter().chain(links).map(|module| module.id).collect();
        let needed = gone.needed.iter().map(|dependant| dependant.told(catalog)).collect();
        let mut planned = self.planned(after, action, module, summary);
        planned.follow = Some(Follow::Hidden {
            fields: gone.fields.into_iter().collect(),
            modules,
            needed,
            features: Vec::new(),
            force,
            at: path!["name"],
            hint: "change or retire them first, or say `force: true`, which takes them along",
        });
        Ok(Planned { steps: vec![Step::Ddl(statements)], definitions: written, ..planned })
    }

    pub(super) fn purge_field(self, name: &str, field: &str) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let mut definition = module.definition();
        if definition.retired_named(field).is_none() {
            let message = match self.position_of(module, field) {
                Ok(_) => format!("`{field}` is in use: only what is retired can be purged; retireField hides it first"),
                Err(issues) => return Err(issues),
            };
            return Err(vec![Issue::new(path!["name"], "notRetired", message)]);
        }
        let statements = ddl::drop_field(&definition, field);
        let lost = Step::LostValues { definition: Box::new(definition.clone()), field: field.to_owned() };
        definition.retired.retain(|retired| retired.field.name != field);
        let after = self.resolved(&[name], std::slice::from_ref(&definition), "name")?;
        let summary = format!("purge field {field} of module {name}");
        Ok(Planned {
            steps: vec![lost, Step::Ddl(statements)],
            definitions: vec![WrittenDefinition { definition, how: Written::Instead }],
            follow: Some(Follow::PurgedField { module: name.to_owned(), field: field.to_owned() }),
            ..self.planned(after, "FIELD_PURGED", name, summary)
        })
    }

    pub(super) fn purge_module(self, name: &str) -> Result<Planned, Vec<Issue>> {
        let Some(retired) = self.base.retired.iter().find(|retired| retired.definition.name == name) else {
            self.changeable_module(name, "name")?;
            let message =
                format!("`{name}` is in use: only what is retired can be purged; retireModule hides it first");
            return Err(vec![Issue::new(path!["name"], "notRetired", message)]);
        };
        let definition = retired.definition.clone();
        let after = self.resolved(&[], &[], "name")?;
        Ok(Planned {
            steps: vec![
                Step::LostRecords { definition: Box::new(definition.clone()) },
                Step::Ddl(ddl::drop_module(&definition)),
            ],
            definitions: vec![WrittenDefinition { definition, how: Written::Purged }],
            follow: Some(Follow::PurgedModule { module: name.to_owned() }),
            ..self.planned(after, "MODULE_PURGED", name, format!("purge module {name}"))
        })
    }
}

/// What goes with a field or a module.
struct Gone {
    fields: BTreeSet<(ModuleId, FieldId)>,
    /// What stands in the documents of the fields' own modules beside them, by the field that it goes with.
    uses: BTreeMap<(ModuleId, FieldId), Vec<Place>>,
    /// Everything that was found to need something of it.
    needed: Vec<Dependant>,
}

impl Gone {
    /// The fields, what needs them, what needs that, and so on.
    fn with(catalog: &Catalog, fields: Vec<(ModuleId, FieldId)>, dependants: &[Dependant]) -> Result<Self, Vec<Issue>> {
        let mut gone = Self { fields: fields.iter().copied().collect(), uses: BTreeMap::new(), needed: Vec::new() };
        let mut ahead = fields;
        gone.take(dependants, None, &mut ahead);
        while let Some((module, field)) = ahead.pop() {
            gone.take(&of_field(catalog, module, field), Some((module, field)), &mut ahead);
        }
        let (parents, others): (Vec<&Dependant>, Vec<&Dependant>) =
            gone.needed.iter().partition(|dependant| dependant.place == Place::Parent);
        if parents.is_empty() {
            return Ok(gone);
        }
        // No force takes these along, and what else there is to do is told with them.
        let parents = parents.iter().map(|dependant| {
            let name = &catalog.module(dependant.module).name;
            format!(
                "who sees the records of `{name}` is decided by its parent, which would go: first retire that module too, or choose another `sharing` by updateModule, or, of a parent that may be of several modules, take this one out of its `to` by updateField"
            )
        });
        let told = parents.chain(others.iter().map(|dependant| dependant.told(catalog)));
        Err(told.map(|message| Issue::new(path!["name"], "needed", message)).collect())
    }

    fn take(
        &mut self,
        dependants: &[Dependant],
        by: Option<(ModuleId, FieldId)>,
        ahead: &mut Vec<(ModuleId, FieldId)>,
    ) {
        for dependant in dependants {
            if let Place::Field(field) = dependant.place
                && !self.fields.insert((dependant.module, field))
            {
                continue;
            }
            match (dependant.place, by) {
                (Place::Field(field), _) => ahead.push((dependant.module, field)),
                (place, Some(by)) => {
                    let known = self.uses.values().flatten().any(|known| *known == place && by.0 == dependant.module);
                    if !known || matches!(place, Place::Search | Place::NameField) {
                        self.uses.entry(by).or_default().push(place);
                    }
                }
                (_, None) => {}
            }
            if !self.needed.contains(dependant) {
                self.needed.push(*dependant);
            }
        }
    }

    /// The document of `module` without what is gone; none if nothing of it is.
    fn without(&self, module: &Module, now: chrono::DateTime<chrono::Utc>) -> Option<ModuleDefinition> {
        if !self.fields.iter().any(|(of, _)| *of == module.id) {
            return None;
        }
        let before = module.definition();
        let mut definition = before.clone();
        let is_gone = |field: FieldId| self.fields.contains(&(module.id, field));
        let mut stripped: BTreeSet<Place> = BTreeSet::new();
        let mut left: Vec<FieldDefinition> = Vec::new();
        for (position, field) in before.fields.iter().enumerate() {
            let id = FieldId(u32::try_from(Module::SYSTEM_FIELDS.len() + position).unwrap_or(u32::MAX));
            if !is_gone(id) {
                left.push(field.clone());
                continue;
            }
            let places = self.uses.get(&(module.id, id)).map(Vec::as_slice).unwrap_or_default();
            let mut uses = FieldUses::default();
            for place in places {
                match place {
                    Place::NameField => uses.name_field = true,
                    Place::Search => uses.search = true,
                    Place::Index(at) => uses.indexes.extend(before.indexes.get(*at).cloned()),
                    Place::Unique(at) => uses.uniques.extend(before.uniques.get(*at).cloned()),
                    Place::Duplicates(at) => uses.duplicates.extend(before.duplicates.get(*at).cloned()),
                    Place::Validation(at) => uses.validations.extend(before.validations.get(*at).cloned()),
                    Place::Field(_)
                    | Place::Default(_)
                    | Place::RequiredIf(_)
                    | Place::DependsOn(_)
                    | Place::Parent => {}
                }
                stripped.insert(*place);
            }
            if uses.name_field {
                definition.name_field = None;
            }
            definition.search.retain(|name| *name != field.name);
            definition.retired.push(RetiredField { field: field.clone(), position, at: now, uses });
        }
        for place in &stripped {
            let (Place::Default(id) | Place::RequiredIf(id) | Place::DependsOn(id)) = place else { continue };
            let name = &module.whole_of(module.field(*id)).name;
            for field in left.iter_mut().filter(|field| field.name == *name) {
                match place {
                    Place::Default(_) => field.default = None,
                    Place::RequiredIf(_) => field.required_if = None,
                    _ => {
                        field.depends_on = None;
                        field.options.iter_mut().for_each(|option| option.only_for.clear());
                    }
                }
            }
        }
        fn keep<T: Clone>(list: &[T], is_gone: impl Fn(usize) -> bool) -> Vec<T> {
            list.iter().enumerate().filter(|(at, _)| !is_gone(*at)).map(|(_, item)| item.clone()).collect()
        }
        definition.indexes = keep(&before.indexes, |at| stripped.contains(&Place::Index(at)));
        definition.uniques = keep(&before.uniques, |at| stripped.contains(&Place::Unique(at)));
        definition.duplicates = keep(&before.duplicates, |at| stripped.contains(&Place::Duplicates(at)));
        definition.validations = keep(&before.validations, |at| stripped.contains(&Place::Validation(at)));
        definition.fields = left.into();
        Some(definition)
    }
}
