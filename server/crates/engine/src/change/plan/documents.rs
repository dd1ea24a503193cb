//! All modules as documents say, in one change: new ones, others, those that come back and those that go, however they refer to each other.
//!
//! What comes back is planned first, step by step as an administrator would do it; everything else then is one difference between two
//! catalogs. So modules may be new that need each other, and a field may need what comes with another document.

use std::collections::BTreeSet;
use std::sync::Arc;

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_model::definition::{FieldDefinition, FieldUses, ModuleDefinition, RetiredField};
use cardine_model::resolve::{ModuleIssue, resolve_change};
use cardine_model::{Issue, PathSegment, path};
use cardine_sql::ddl;
use serde_json::Value as Json;

use super::convert::{is_source, is_target};
use super::update::lost_target;
use super::{Base, Planned, Planning, Written, WrittenDefinition};
use crate::as_code::{
    AccessPart, Difference, Fate, Kind, ModuleFile, Present, WantedFiles, WorkflowDocuments, at_file, lines,
    module_file, written,
};
use crate::change::follow::Follow;
use crate::change::ids::identified;
use crate::change::steps::{Conversion, Step};

/// What a plan of documents tells and does beside modules.
#[derive(Debug, Default)]
pub(crate) struct DocumentsPart {
    pub access: AccessPart,
    /// By kind and name.
    pub differences: Vec<Difference>,
    pub left: Vec<String>,
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
    let pruned: Vec<&Module> = planning.own_modules().filter(|module| goes(files, &module.name)).collect();
    let (after, is_whole) = planning.resolve_merged(&merged, &pruned, files, &mut faults);
    let moved = if is_whole { planning.converted(&merged, &after, &mut faults) } else { Vec::new() };
    let found = AccessPart::faults(files, present, (&base.catalog, &after), workflows);
    faults.extend(found.into_iter().filter(|issue| is_whole || !follows_from_modules(issue, files, &after)));
    if !faults.is_empty() {
        return Err(faults);
    }

    let access = AccessPart::plan(files, present, (&base.catalog, &after), workflows);
    let mut part = DocumentsPart { access, ..DocumentsPart::default() };
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
    files.prune && files.speaks_of(Kind::Module) && !is_wanted(files, name)
}

fn is_wanted(files: &WantedFiles, name: &str) -> bool {
    let is_unread = files.unread.iter().any(|(kind, unread)| *kind == Kind::Module && unread == name);
    is_unread || files.modules.iter().any(|file| file.definition.name == name)
}

/// Retired modules and fields that have a document come back before anything else.
struct Restoring {
    base: Base,
    modules: BTreeSet<String>,
    steps: Vec<Step>,
    definitions: Vec<WrittenDefinition>,
    warnings: Vec<Issue>,
}

impl Restoring {
    fn run(planning: Planning<'_>, files: &WantedFiles, faults: &mut Vec<Issue>) -> Self {
        let Base { catalog, retired, now, .. } = planning.base;
        let base = Base {
            catalog: Arc::clone(catalog),
            retired: retired.clone(),
            now: *now,
            without_required: false,
            present: None,
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

/// A file's document, with what stays of the module that is there.
struct Merged<'a> {
    file: &'a ModuleFile,
    before: Option<ModuleDefinition>,
    target: ModuleDefinition,
    /// Fields without a place in the file that stay.
    left: Vec<String>,
    /// Fields without a place in the file that go.
    retired: Vec<String>,
}

impl<'a> Merged<'a> {
    fn of(file: &'a ModuleFile, base: &Base, files: &WantedFiles) -> Self {
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
            if files.prune {
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

    fn differs(&self) -> bool {
        self.before.as_ref() != Some(&self.target)
    }
}

/// Where a module's document names a field beside rules.
fn uses_of(definition: &ModuleDefinition, field: &str) -> FieldUses {
    let is_meant = |name: &String| name == field || name.split_once('.').is_some_and(|(whole, _)| whole == field);
    let lists = |lists: &[cardine_model::definition::FieldList]| {
        lists.iter().filter(|list| list.fields.iter().any(is_meant)).cloned().collect()
    };
    FieldUses {
        name_field: definition.name_field.as_deref() == Some(field),
        search: definition.search.iter().any(|name| name == field),
        indexes: lists(&definition.indexes),
        uniques: lists(&definition.uniques),
        duplicates: lists(&definition.duplicates),
        validations: definition.validations.iter().filter(|rule| rule.fields.iter().any(is_meant)).cloned().collect(),
    }
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

    /// The fields that are in both catalogs and get another type; those whose values cannot are faults.
    fn converted(&self, merged: &[Merged<'_>], after: &Catalog, faults: &mut Vec<Issue>) -> Vec<(String, String)> {
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
                let is_derived = |field: &FieldDefinition| ["formula", "rollup"].contains(&field.kind.as_str());
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
                    "records of `{name}` may lead to `{lost}` by `{field}`: a target can't be taken away; add a new reference, and take this one out"
                );
                faults.push(Issue::new(place_of(merged.file, &field), "notChangeable", message));
            }
        }
        faults.extend(otherwise.iter().filter(|(module, _)| self.catalog().module_by_name(module).is_none()).map(
            |(link, field)| {
                let owner = self.catalog().module_or_link_named(link).and_then(|module| module.link);
                let file =
                    owner.map_or_else(|| link.clone(), |ends| module_file(&self.catalog().module(ends.owner).name));
                let message = format!(
                    "the values of `{field}` of the links would be stored otherwise: give the new field another name"
                );
                Issue::new(path![file], "notConvertible", message)
            },
        ));
        moved
    }

    /// What becomes of tables and rows, beside what comes back.
    fn steps(&self, merged: &[Merged<'_>], after: &Catalog, moved: &[(String, String)]) -> Vec<Step> {
        let is_moved = |module: &str, field: &str| moved.iter().any(|(of, name)| of == module && name == field);
        let (mut held, mut checks, mut late) = (Vec::new(), Vec::new(), Vec::new());
        for merged in merged.iter().filter(|merged| merged.before.is_some() && merged.differs()) {
            let name = &merged.target.name;
            for step in self.stricter(after, name, &[PathSegment::from(merged.file.file())]) {
                match step {
                    Step::Fill { is_new: true, .. } => late.push(step),
                    // Their new values are checked by the conversion.
                    Step::Values { ref module, ref field, .. } if is_moved(module, field) => {}
                    Step::Fill { ref module, ref field, .. } if is_moved(module, field) => late.push(step),
                    Step::Alike { ref module, ref fields, .. }
                        if fields.iter().any(|field| is_moved(module, field)) =>
                    {
                        late.push(step);
                    }
                    Step::Hold(tables) => held.extend(tables),
                    step => checks.push(step),
                }
            }
        }
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
            force: false,
            at: path!["modules"],
            hint: "change or remove them first",
        })
    }
}

impl DocumentsPart {
    fn tell(
        &mut self,
        planning: Planning<'_>,
        restoring: &Restoring,
        merged: &[Merged<'_>],
        pruned: &[&Module],
        files: &WantedFiles,
    ) {
        for merged in merged {
            let name = &merged.target.name;
            let fate = match &merged.before {
                None => Fate::Created,
                Some(before) => {
                    // Fields that came back were retired, and are there again.
                    let back = restoring
                        .definitions
                        .iter()
                        .filter(|written| written.definition.name == *name && written.how != Written::Restored);
                    let is_back = restoring.modules.contains(name);
                    let old = document(before);
                    let mut told = lines(&old, &document(&merged.target));
                    if back.count() > 0 && !is_back {
                        told.insert(0, "retired fields that are in the file come back with their values".to_owned());
                    }
                    if is_back {
                        Fate::Restored(told)
                    } else if told.is_empty() {
                        continue;
                    } else {
                        Fate::Changed(told)
                    }
                }
            };
            self.differences.push(Difference { kind: Kind::Module, name: name.clone(), fate });
        }
        for module in pruned {
            self.differences.push(Difference { kind: Kind::Module, name: module.name.clone(), fate: Fate::Retired });
        }
        self.differences.append(&mut self.access.differences);
        self.differences.sort_by(|one, other| (one.kind, &one.name).cmp(&(other.kind, &other.name)));
        if files.speaks_of(Kind::Module) {
            let left = planning.own_modules().filter(|module| !is_wanted(files, &module.name) && !files.prune);
            self.left.extend(left.map(|module| format!("the module {} has no file", module.name)));
        }
        for merged in merged {
            let new = merged.before.as_ref().map(|before| new_fields(before, merged)).unwrap_or_default();
            for field in &merged.left {
                let kind =
                    merged.target.fields.iter().find(|known| known.name == *field).map(|known| known.kind.as_str());
                let alike = new.iter().find(|new| Some(new.kind.as_str()) == kind);
                let hint = alike.map_or_else(String::new, |new| {
                    format!("; if `{}` is its new name, rename it by renameField: values do not follow files", new.name)
                });
                let file = merged.file.file();
                self.left.push(format!("the field {}.{field} is not in {file}{hint}", merged.target.name));
            }
        }
        self.left.append(&mut self.access.left);
    }
}

fn new_fields<'m>(before: &ModuleDefinition, merged: &'m Merged<'_>) -> Vec<&'m FieldDefinition> {
    let is_known = |name: &str| before.fields.iter().any(|known| known.name == name);
    merged.target.fields.iter().filter(|field| !is_known(&field.name)).collect()
}

fn document(definition: &ModuleDefinition) -> Json {
    written(&definition.written())
}

/// Faults of documents at their files.
fn told(found: &[ModuleIssue], merged: &[Merged<'_>]) -> Vec<Issue> {
    let told = |ModuleIssue { module, issue }: &ModuleIssue| {
        let file = module_file(module);
        let Some(merged) = merged.iter().find(|merged| merged.target.name == *module) else {
            let message = format!("in the module as it is: {issue}");
            return Issue { path: path![file], message, ..issue.clone() };
        };
        match issue.path.as_slice() {
            // It stands behind those of the file.
            [PathSegment::Name(key), PathSegment::Index(position), ..]
                if key == "fields" && *position >= merged.file.definition.fields.len() =>
            {
                let name = merged.target.fields.get(*position).map_or("", |field| field.name.as_str());
                let message = format!("in the field `{name}`, which is there and not in the file: {}", issue.message);
                Issue { path: path![file, "fields"], message, ..issue.clone() }
            }
            _ => at_file(&file, issue.clone()),
        }
    };
    found.iter().map(told).collect()
}

/// Whether something is only missing because the module that has it is at fault itself.
fn follows_from_modules(issue: &Issue, files: &WantedFiles, after: &Catalog) -> bool {
    let wanted = |name: &str| files.modules.iter().find(|file| file.definition.name == name);
    match (issue.rule.as_str(), issue.path.as_slice()) {
        ("unknownField", [_, _, PathSegment::Name(module), _, PathSegment::Name(field)]) => {
            wanted(module).is_some_and(|file| file.definition.fields.iter().any(|known| known.name == *field))
        }
        ("unknownModule", _) => {
            let unread = files.unread.iter().filter(|(kind, _)| *kind == Kind::Module).map(|(_, name)| name);
            let mut names = files.modules.iter().map(|file| &file.definition.name).chain(unread);
            names.any(|name| after.module_by_name(name).is_none() && issue.message.contains(name.as_str()))
        }
        _ => false,
    }
}

/// Whether a fault tells that there is no module whose document cannot be read.
fn names_unread(fault: &Issue, files: &WantedFiles, catalog: &Catalog) -> bool {
    let unread =
        files.unread.iter().filter(|(kind, name)| *kind == Kind::Module && catalog.module_by_name(name).is_none());
    let quoted = unread.map(|(_, name)| [format!("\"{name}\""), format!("`{name}`")]);
    quoted.flatten().any(|name| fault.message.contains(&name))
}

fn place_of(file: &ModuleFile, field: &str) -> Vec<PathSegment> {
    match file.definition.fields.iter().position(|known| known.name == field) {
        Some(position) => path![file.file(), "fields", position],
        None => path![file.file(), "fields"],
    }
}

/// Says where in the files a step stands that finds something.
fn place(step: &mut Step, files: &WantedFiles, after: &Catalog) {
    let find = |module: &str| {
        let owner =
            after.module_or_link_named(module).and_then(|module| module.link).map(|link| after.module(link.owner));
        let name = owner.map_or(module, |owner| owner.name.as_str());
        files.modules.iter().find(|file| file.definition.name == name)
    };
    match step {
        Step::Fill { module, field, at, .. }
        | Step::Values { module, field, at }
        | Step::Hierarchy { module, field, at } => {
            *at = find(module).map_or_else(Vec::new, |file| place_of(file, field));
        }
        Step::Alike { module, fields, at } => {
            *at = match (find(module), fields.as_slice()) {
                (Some(file), [field]) => place_of(file, field),
                (Some(file), _) => path![file.file(), "uniques"],
                (None, _) => Vec::new(),
            };
        }
        Step::Convert(conversion) => {
            let at = find(&conversion.module).map_or_else(Vec::new, |file| place_of(file, &conversion.field));
            conversion.at = at;
        }
        Step::Ddl(_) | Step::Hold(_) | Step::Rollup { .. } | Step::LostValues { .. } | Step::LostRecords { .. } => {}
    }
}
