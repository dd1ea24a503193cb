//! All modules as documents say, in one change: new ones, others, those that come back and those that go, however they refer to each other.
//!
//! What comes back is planned first, step by step as an administrator would do it; everything else then is one difference between two
//! catalogs. So modules may be new that need each other, and a field may need what comes with another document.

mod converted;
mod faults;
mod merged;
mod restoring;
mod telling;

use std::sync::Arc;

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::resolve_change;
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl;

use self::faults::{follows_from_modules, names_unread, place, told};
use self::merged::Merged;
use self::restoring::Restoring;
use super::convert::unique_sets;
use super::{Planned, Planning, Written, WrittenDefinition};
use crate::as_code::{AccessPart, Difference, Kind, Present, WantedFiles, WorkflowDocuments, WrittenBeside};
use crate::change::follow::Follow;
use crate::change::steps::{Conversion, Step};

/// What a plan of documents tells and does beside modules.
#[derive(Debug, Default)]
pub(crate) struct DocumentsPart {
    pub access: AccessPart,
    /// By kind and name.
    pub differences: Vec<Difference>,
    pub left: Vec<String>,
    pub beside: Option<Arc<dyn WrittenBeside>>,
}

/// A plan for documents.
pub(super) fn plan_documents(
    planning: Planning<'_>,
    files: &WantedFiles,
    present: &Present,
    workflows: &dyn WorkflowDocuments,
) -> Result<Planned, Vec<Issue>> {
    let mut faults = files.faults.clone();
    let restoring = Restoring::run(planning, files, &mut faults);
    let base = &restoring.base;
    let planning = Planning { dialect: planning.dialect, base };
    let merged: Vec<Merged<'_>> = files.modules.iter().map(|file| Merged::of(file, base, files)).collect();
    faults.retain(|fault| !merged.iter().any(|merged| merged.keeps_features_of(fault)));
    let pruned: Vec<&Module> = planning.own_modules().filter(|module| goes(files, &module.name)).collect();
    let (after, is_whole) = planning.resolve_merged(&merged, &pruned, files, &mut faults);
    let moved = if is_whole { planning.converted(&merged, &after, &mut faults) } else { Vec::new() };
    let found = AccessPart::faults(files, present, (&base.catalog, &after), workflows);
    faults.extend(found.into_iter().filter(|issue| is_whole || !follows_from_modules(issue, files, &after)));
    if !faults.is_empty() {
        return Err(faults);
    }

    let access = AccessPart::plan(files, present, (&base.catalog, &after), workflows);
    let beside = files.beside.clone();
    let mut part = DocumentsPart { access, beside, ..DocumentsPart::default() };
    part.tell(planning, &restoring, &merged, &pruned, files);
    let hidden = planning.hidden(&merged, &pruned);
    let (mut steps, mut definitions) = (restoring.steps, restoring.definitions);
    for merged in merged.iter().filter(|merged| merged.differs()) {
        let how = if merged.before.is_some() { Written::Instead } else { Written::New };
        definitions.push(WrittenDefinition { definition: merged.target.clone(), how });
    }
    for module in &pruned {
        definitions.push(WrittenDefinition { definition: module.definition(), how: Written::Retired });
    }
    steps.extend(planning.steps(&merged, &after, &moved));
    for step in &mut steps {
        place(step, files, &after);
    }
    let count = part.differences.len();
    let summary = format!("apply definitions: {count} {}", if count == 1 { "thing differs" } else { "things differ" });
    Ok(Planned {
        base: Some(Arc::clone(&base.catalog)),
        catalog: Arc::new(after),
        definitions,
        steps,
        follow: hidden,
        action: "DEFINITIONS_APPLIED",
        summary,
        module: None,
        warnings: restoring.warnings,
        documents: Some(part),
    })
}

/// Whether a module that is there goes, having no file.
fn goes(files: &WantedFiles, name: &str) -> bool {
    let is_pruned = files.prune && files.speaks_of(Kind::Module);
    (is_pruned || files.going.has(Kind::Module, name)) && !is_wanted(files, name)
}

fn is_wanted(files: &WantedFiles, name: &str) -> bool {
    let is_unread = files.unread.iter().any(|(kind, unread)| *kind == Kind::Module && unread == name);
    is_unread || files.modules.iter().any(|file| file.definition.name == name)
}

impl Planning<'_> {
    /// The modules that administrators have made or may change.
    fn own_modules(&self) -> impl Iterator<Item = &Module> {
        let modules = self.base.catalog.modules.iter().map(std::convert::AsRef::as_ref);
        modules.filter(|module| !module.platform && module.link.is_none())
    }

    /// The catalog with all of it; with faults, of what resolves without the modules at fault, so that the other documents can be looked at
    /// all the same.
    fn resolve_merged(
        &self,
        merged: &[Merged<'_>],
        pruned: &[&Module],
        files: &WantedFiles,
        faults: &mut Vec<Issue>,
    ) -> (Catalog, bool) {
        let mut left: Vec<&Merged<'_>> = merged.iter().filter(|merged| merged.differs()).collect();
        // Of what cannot be read, what is there stands in for it.
        let stands_in = |name: &str| self.catalog().module_by_name(name).is_some();
        let mut is_whole = files.unread.iter().all(|(kind, name)| *kind != Kind::Module || stands_in(name));
        let mut is_first = true;
        loop {
            let gone = left.iter().filter(|merged| merged.before.is_some()).map(|merged| merged.target.name.as_str());
            let gone: Vec<&str> = gone.chain(pruned.iter().map(|module| module.name.as_str())).collect();
            let come: Vec<ModuleDefinition> = left.iter().map(|merged| merged.target.clone()).collect();
            match resolve_change(self.catalog(), self.catalog().version + 1, &gone, &come) {
                Ok(catalog) => return (catalog, is_whole),
                Err(found) => {
                    // What is said without the faulty ones is said because of them.
                    if is_first {
                        let is_known = |fault: &Issue| files.faults.iter().any(|known| known.path == fault.path);
                        let found = told(&found, merged).into_iter();
                        faults.extend(
                            found.filter(|fault| !is_known(fault) && !names_unread(fault, files, self.catalog())),
                        );
                    }
                    is_first = false;
                    is_whole = false;
                    let before = left.len();
                    left.retain(|merged| !found.iter().any(|fault| fault.module == merged.target.name));
                    if left.len() == before {
                        left.clear();
                        if before == 0 {
                            return (Catalog::clone(self.catalog()), false);
                        }
                    }
                }
            }
        }
    }

    /// What becomes of tables and rows, beside what comes back.
    fn steps(&self, merged: &[Merged<'_>], after: &Catalog, moved: &[(String, String)]) -> Vec<Step> {
        let is_moved = |module: &str, field: &str| moved.iter().any(|(of, name)| of == module && name == field);
        // What is looked at in new values stands behind the conversions, and what fills new fields behind their columns.
        let (mut held, mut checks, mut filled, mut late) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for merged in merged.iter().filter(|merged| merged.before.is_some() && merged.differs()) {
            let name = &merged.target.name;
            for step in self.stricter(after, name, &[PathSegment::from(merged.file.file())]) {
                match step {
                    Step::Fill { is_new: true, .. } => late.push(step),
                    // Their new values are checked by the conversion.
                    Step::Values { ref module, ref field, .. } if is_moved(module, field) => {}
                    Step::Fill { ref module, ref field, .. } if is_moved(module, field) => filled.push(step),
                    // As is every set with such a field.
                    Step::Alike { ref module, ref fields, .. }
                        if fields.iter().any(|field| is_moved(module, field)) => {}
                    Step::Hold(tables) => held.extend(tables),
                    step => checks.push(step),
                }
            }
        }
        let mut alike: Vec<(&String, Vec<String>)> = Vec::new();
        for (module, field) in moved {
            let before = self.catalog().module_by_name(module);
            let is_known = |name: &String| before.and_then(|before| before.field_named(name)).is_some();
            // A new field has no value yet; what fills it looks at its sets.
            for fields in unique_sets(after, module, field).filter(|fields| fields.iter().all(is_known)) {
                if !alike.iter().any(|(of, known)| *of == module && *known == fields) {
                    alike.push((module, fields));
                }
            }
        }
        let alike =
            alike.into_iter().map(|(module, fields)| Step::Alike { module: module.clone(), fields, at: Vec::new() });
        let tables = moved.iter().filter_map(|(module, _)| Some(after.module_by_name(module)?.table.clone()));
        held.extend(tables);
        held.sort();
        held.dedup();
        let difference = ddl::difference_with_conversions(self.dialect, self.catalog(), after, moved);
        let conversions = moved.iter().filter_map(|(module, field)| {
            let before = self.catalog().module_by_name(module)?.field_named(field)?.clone();
            let (module, field) = (module.clone(), field.clone());
            Some(Step::Convert(Box::new(Conversion { module, field, before, clears: false, at: Vec::new() })))
        });
        let mut steps = Vec::new();
        steps.extend((!held.is_empty()).then_some(Step::Hold(held)));
        steps.extend(checks);
        steps.push(Step::Ddl(difference.removed));
        steps.extend(conversions);
        steps.extend(filled);
        steps.extend(alike);
        steps.push(Step::Ddl(difference.made));
        steps.extend(late);
        steps
    }

    /// What rules, workflows and grants are told of what goes.
    fn hidden(&self, merged: &[Merged<'_>], pruned: &[&Module]) -> Option<Follow> {
        let catalog = self.catalog();
        let fields: Vec<(ModuleId, FieldId)> = merged
            .iter()
            .flat_map(|merged| merged.retired.iter().map(|field| (merged.target.name.as_str(), field)))
            .filter_map(|(module, field)| {
                let module = catalog.module_by_name(module)?;
                Some((module.id, module.field_named(field)?.id))
            })
            .collect();
        let links = catalog
            .modules
            .iter()
            .filter(|module| module.link.is_some_and(|link| pruned.iter().any(|pruned| pruned.id == link.owner)));
        let modules: Vec<ModuleId> =
            pruned.iter().map(|module| module.id).chain(links.map(|module| module.id)).collect();
        (!fields.is_empty() || !modules.is_empty()).then(|| Follow::Hidden {
            fields,
            modules,
            needed: Vec::new(),
            features: Vec::new(),
            force: false,
            at: path!["modules"],
            hint: "change or remove them first",
        })
    }
}
