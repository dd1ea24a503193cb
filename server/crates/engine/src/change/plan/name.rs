//! New names.

use cardine_model::definition::ModuleDefinition;
use cardine_model::dependants::{of_field, of_module};
use cardine_model::name::{FieldName, ModuleName};
use cardine_model::renaming::{NAMES_OF_RULES, Renaming};
use cardine_model::{FieldId, Issue, Module, path};
use cardine_sql::ddl;

use super::{Planned, Planning, Written, WrittenDefinition};
use crate::change::follow::Follow;
use crate::change::steps::Step;

impl Planning<'_> {
    pub(super) fn rename_field(self, name: &str, field: &str, to: &str) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "module")?;
        let position = self.position_of(module, field)?;
        if FieldName::parse(to).is_none() {
            return refuse(
                "pattern",
                format!("{to:?} is no field's name: a small letter, then letters and digits, at most 48"),
            );
        }
        if NAMES_OF_RULES.contains(&to) {
            let names = NAMES_OF_RULES.join("`, `");
            return refuse("nameTaken", format!("`{names}` mean something else in rules; choose another name"));
        }
        self.refuse_retired_links(name)?;
        let id = FieldId(u32::try_from(Module::SYSTEM_FIELDS.len() + position).unwrap_or(u32::MAX));
        let renaming = Renaming::of_field(module.id, id, to);
        let summary = format!("rename field {field} of module {name} to {to}");
        self.renamed(renaming, None, "FIELD_RENAMED", name, summary)
    }

    pub(super) fn rename_module(self, name: &str, to: &str, plural: Option<&str>) -> Result<Planned, Vec<Issue>> {
        let module = self.changeable_module(name, "name")?;
        if ModuleName::parse(to).is_none() {
            return refuse(
                "pattern",
                format!("{to:?} is no module's name: a capital letter, then letters and digits, at most 48"),
            );
        }
        if let Some(retired) = self.base.retired.iter().find(|retired| retired.definition.name == to) {
            let name = &retired.definition.name;
            return refuse(
                "nameTaken",
                format!("the retired module `{name}` still has this name: restore it, or purge it first"),
            );
        }
        self.refuse_retired_links(name)?;
        let renaming = Renaming::of_module(self.catalog(), module, to);
        let plural = plural.map(|plural| (to, plural));
        self.renamed(renaming, plural, "MODULE_RENAMED", to, format!("rename module {name} to {to}"))
    }

    fn renamed(
        self,
        renaming: Renaming,
        plural: Option<(&str, &str)>,
        action: &'static str,
        module: &str,
        summary: String,
    ) -> Result<Planned, Vec<Issue>> {
        let catalog = self.catalog();
        let (mut names, mut definitions, mut written) = (Vec::new(), Vec::new(), Vec::new());
        for module in catalog.modules.iter().filter(|module| !module.platform && module.link.is_none()) {
            let mut definition = renaming.definition(catalog, module);
            if let Some((name, plural)) = plural
                && definition.name == name
            {
                definition.plural = plural.to_owned();
            }
            if definition != module.definition() {
                let how = if definition.name == module.name {
                    Written::Instead
                } else {
                    Written::InsteadOf(module.name.clone())
                };
                names.push(module.name.as_str());
                definitions.push(definition.clone());
                written.push(WrittenDefinition { definition, how });
            }
        }
        let needed = match renaming.module() {
            Some((from, _)) => catalog.module_by_name(from).map(|module| of_module(catalog, module.id)),
            None => renaming.fields().next().map(|(module, field, _)| of_field(catalog, module, field)),
        };
        let needed = needed.iter().flatten().map(|dependant| dependant.told(catalog)).collect();
        if written.is_empty() {
            return refuse("sameName", "that is its name already".to_owned());
        }
        let after = self.resolved(&names, &definitions, "to")?;
        let statements = ddl::renamed(self.dialect, catalog, &after, &renaming);
        Ok(Planned {
            steps: vec![Step::Ddl(statements)],
            definitions: written,
            follow: Some(Follow::Renamed { renaming, needed }),
            ..self.planned(after, action, module, summary)
        })
    }

    /// What is retired and holds the module's name in a table would not find back.
    fn refuse_retired_links(&self, name: &str) -> Result<(), Vec<Issue>> {
        let leads = |definition: &ModuleDefinition, retired_only: bool| -> Vec<String> {
            let active = definition.fields.iter().filter(|_| !retired_only);
            let retired = definition.retired.iter().map(|retired| &retired.field);
            let held = active.chain(retired).filter(|field| match &field.to {
                None => false,
                Some(to) => {
                    let own = definition.name == name && field.kind == "references";
                    own || names_of(to).any(|target| target == name || target == "*")
                }
            });
            held.map(|field| format!("{}.{}", definition.name, field.name)).collect()
        };
        let own = self.catalog().modules.iter().filter(|module| module.link.is_none() && !module.platform);
        let mut held: Vec<String> = own.flat_map(|module| leads(&module.definition(), true)).collect();
        held.extend(self.base.retired.iter().flat_map(|retired| leads(&retired.definition, false)));
        if held.is_empty() {
            return Ok(());
        }
        let message = format!("retired references still go by this name: restore or purge {} first", held.join(", "));
        refuse("retired", message)
    }
}

fn names_of(target: &cardine_model::definition::ReferenceTarget) -> impl Iterator<Item = &str> {
    use cardine_model::definition::ReferenceTarget;
    match target {
        ReferenceTarget::One(name) => std::slice::from_ref(name),
        ReferenceTarget::Several(names) => names.as_slice(),
    }
    .iter()
    .map(String::as_str)
}

fn refuse<T>(rule: &str, message: String) -> Result<T, Vec<Issue>> {
    Err(vec![Issue::new(path!["to"], rule, message)])
}
