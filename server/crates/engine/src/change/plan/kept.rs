//! Tables that stay while what they belong to is retired: nothing else gets their names.

use std::collections::HashMap;

use cardine_model::definition::ModuleDefinition;
use cardine_model::name::snake_case;
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl;

use super::{Base, Change, Planned, Written};
use crate::as_code::module_file;

/// Refuses a plan in which a module, or the links of a reference, would have the table of something that is retired.
pub(super) fn checked(base: &Base, change: &Change, planned: Planned) -> Result<Planned, Vec<Issue>> {
    let kept = kept_tables(base, &planned);
    if kept.is_empty() {
        return Ok(planned);
    }
    let modules = planned.catalog.modules.iter().filter(|module| !module.platform);
    let taken = modules.filter_map(|module| Some((module, kept.get(&module.table)?)));
    let issues = taken.map(|(module, owner)| {
        let message = format!(
            "the table `{}` still belongs to {owner}: restore it, or purge it first, or choose another name",
            module.table
        );
        let owner = module.link.map_or(&**module, |link| planned.catalog.module(link.owner));
        Issue::new(place(change, &owner.name), "nameTaken", message)
    });
    let issues: Vec<Issue> = issues.collect();
    if issues.is_empty() { Ok(planned) } else { Err(issues) }
}

/// Tables of what is retired after the change, each with what it belongs to, for people.
fn kept_tables(base: &Base, planned: &Planned) -> HashMap<String, String> {
    let comes_or_goes = |name: &str| {
        planned.definitions.iter().any(|written| {
            matches!(written.how, Written::Restored | Written::Purged) && written.definition.name == name
        })
    };
    let retired = base.retired.iter().map(|retired| &retired.definition);
    let retired = retired.filter(|definition| !comes_or_goes(&definition.name));
    let retiring = planned.definitions.iter().filter(|written| written.how == Written::Retired);
    let mut kept = HashMap::new();
    for definition in retired.chain(retiring.map(|written| &written.definition)) {
        let name = &definition.name;
        let links = ddl::link_tables(definition).into_iter();
        kept.extend(links.map(|table| (table, format!("the links of the retired module `{name}`"))));
        kept.insert(snake_case(name), format!("the retired module `{name}`"));
    }
    let modules = planned.catalog.modules.iter().filter(|module| !module.platform && module.link.is_none());
    // Reading all documents of a large catalog takes long.
    for module in modules.filter(|module| module.document.contains("\"_retired\"")) {
        let (name, retired) = (module.name.clone(), module.definition().retired);
        let links = ddl::link_tables(&ModuleDefinition { name, retired, ..ModuleDefinition::default() }).into_iter();
        kept.extend(links.map(|table| (table, format!("the links of a retired field of `{}`", module.name))));
    }
    kept
}

/// Where in the argument the name stands.
fn place(change: &Change, module: &str) -> Vec<PathSegment> {
    match change {
        Change::CreateModule { .. } => path!["definition", "name"],
        Change::AddField { .. } => path!["field", "name"],
        Change::UpdateModule { .. } | Change::UpdateField { .. } => path!["patch"],
        Change::RenameModule { .. } | Change::RenameField { .. } | Change::ConvertField { .. } => path!["to"],
        Change::Documents { .. } => path![module_file(module), "name"],
        _ => path!["name"],
    }
}
