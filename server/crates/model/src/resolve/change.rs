//! Some documents come, go or change → the next version of the catalog, in which only what they touch is resolved anew.
//!
//! What is resolved begins with the documents that come, with those that mention a module that goes, and, if modules come or go,
//! with those that refer to every module. It grows until nothing outside looks different from within: by modules whose
//! relations come or go, and by those whose formulas and rollups read a field that is not what it was. All others are
//! shared with the version before. Where anything is at fault, all documents are resolved together instead: that tells
//! every fault there is, wherever it stands.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashSet;

use super::draft::{Draft, Entry, Issues, Rank};
use super::links::LinkDocument;
use super::renumber::renumbered;
use super::unserved::Kept;
use super::{ModuleIssue, give_meaning, graphql_names, limits, links, resolve_with, stored};
use crate::catalog::{Catalog, FieldKind, Module};
use crate::definition::ModuleDefinition;
use crate::rule::catalog_schema::schema_field;
use crate::{Field, ModuleId};

/// The catalog after a change of `base`: without the modules named in `gone`, and with those of `come`. A module that changes is in both.
///
/// It is what [`resolve`](super::resolve) makes of all documents, those that come last, and so are the faults.
pub fn resolve_change(
    base: &Catalog,
    version: u64,
    gone: &[&str],
    come: &[ModuleDefinition],
) -> Result<Catalog, Vec<ModuleIssue>> {
    let touched = resolve_touched(base, version, gone, come);
    touched.map_or_else(|| resolve_all(base, version, gone, come, &Kept::Unserved(base)), Ok)
}

/// The same of documents that are kept already, as [`resolve_kept`](super::resolve_kept) takes them.
pub fn resolve_kept_change(
    base: &Catalog,
    version: u64,
    gone: &[&str],
    come: &[ModuleDefinition],
) -> Result<Catalog, Vec<ModuleIssue>> {
    let touched = resolve_touched(base, version, gone, come);
    touched.map_or_else(|| resolve_all(base, version, gone, come, &Kept::All), Ok)
}

/// The same of one module that comes back, or gets back a field, after it was hidden: a name of it that the API has taken meanwhile
/// leaves the module unserved.
pub fn resolve_restored(
    base: &Catalog,
    version: u64,
    restored: &ModuleDefinition,
) -> Result<Catalog, Vec<ModuleIssue>> {
    let come = std::slice::from_ref(restored);
    let gone: Vec<&str> = base.module_by_name(&restored.name).iter().map(|module| module.name.as_str()).collect();
    let touched = resolve_touched(base, version, &gone, come);
    let kept = Kept::UnservedAnd(base, &restored.name);
    touched.map_or_else(|| resolve_all(base, version, &gone, come, &kept), Ok)
}

/// `None` if anything is at fault, or if modules are unserved: whose names are free is seen by those of all together.
fn resolve_touched(base: &Catalog, version: u64, gone: &[&str], come: &[ModuleDefinition]) -> Option<Catalog> {
    let is_plain = base.modules.iter().all(|module| module.unserved.is_none());
    Change::new(base, gone, come).filter(|_| is_plain)?.resolve(version)
}

fn resolve_all(
    base: &Catalog,
    version: u64,
    gone: &[&str],
    come: &[ModuleDefinition],
    kept: &Kept<'_>,
) -> Result<Catalog, Vec<ModuleIssue>> {
    let documents = |platform: bool| {
        let modules = base.modules.iter().filter(move |module| module.platform == platform && module.link.is_none());
        modules
            .filter(move |module| platform || !gone.contains(&module.name.as_str()))
            .map(|module| module.definition())
    };
    let platform: Vec<ModuleDefinition> = documents(true).collect();
    let modules: Vec<ModuleDefinition> = documents(false).chain(come.iter().cloned()).collect();
    resolve_with(version, &platform, &modules, kept)
}

/// The modules of the next version, and which of them are to be resolved.
pub(super) struct Change<'a> {
    base: &'a Catalog,
    /// In the order of the new ids.
    places: Vec<Place<'a>>,
    /// The new id of each old one.
    ids: Vec<Option<ModuleId>>,
    open: BTreeSet<ModuleId>,
}

/// A module of the next version.
struct Place<'a> {
    rank: Rank,
    name: String,
    /// As it was in the version before, with the ids of the next one.
    before: Option<Arc<Module>>,
    /// Its document, if that comes with the change.
    document: Option<&'a ModuleDefinition>,
}

/// The places in the order of ids, with the module that was there before and the document that comes.
type Planned<'a> = BTreeMap<(Rank, String), (Option<ModuleId>, Option<&'a ModuleDefinition>)>;

/// What resolving led to.
enum Resolved {
    All(Catalog),
    /// These are to be resolved, too.
    Too(Vec<ModuleId>),
}

impl<'a> Change<'a> {
    /// `None` if two modules have one name.
    pub(super) fn new(base: &'a Catalog, gone: &[&str], come: &'a [ModuleDefinition]) -> Option<Self> {
        let mut places = Planned::new();
        let goes = |module: &Module| {
            let document = module.link.map_or(module, |link| base.module(link.owner));
            !document.platform && gone.contains(&document.name.as_str())
        };
        let (going, staying): (Vec<_>, Vec<_>) = base.modules.iter().partition(|module| goes(module));
        for module in staying {
            places.insert((rank_of(module), module.name.clone()), (Some(module.id), None));
        }
        let links = links::documents(come);
        let coming = come.iter().map(|definition| (Rank::Module, definition.name.clone(), Some(definition)));
        let coming = coming.chain(links.into_iter().map(|link| (Rank::Link, link.definition.name, None)));
        let mut new = BTreeSet::new();
        for (rank, name, definition) in coming {
            new.insert((rank, name.clone()));
            if places.insert((rank, name), (None, definition)).is_some() {
                return None;
            }
        }
        // What changes is where it was.
        for module in going {
            if let Some((before, _)) = places.get_mut(&(rank_of(module), module.name.clone())) {
                *before = Some(module.id);
            }
        }
        let mut ids = vec![None; base.modules.len()];
        for (new, (old, _)) in (0u32..).map(ModuleId).zip(places.values()) {
            if let Some(old) = old {
                ids[old.0 as usize] = Some(new);
            }
        }
        let mut change = Self { base, places: Vec::with_capacity(places.len()), ids, open: BTreeSet::new() };
        change.fill(places, &new);
        Some(change)
    }

    fn fill(&mut self, places: Planned<'a>, new: &BTreeSet<(Rank, String)>) {
        let same_ids = (0u32..).map(ModuleId).zip(&self.ids).all(|(old, new)| *new == Some(old));
        let is_record = |rank: &Rank| *rank == Rank::Module;
        let records = self.base.modules.iter().filter(|module| is_record(&rank_of(module))).count();
        let same_modules = same_ids && places.values().all(|(before, _)| before.is_some());
        for (id, (key, (before, document))) in (0u32..).map(ModuleId).zip(places) {
            let mut open = new.contains(&key);
            let before = before.map(|old| {
                let module = &self.base.modules[old.0 as usize];
                open |= !same_modules && refers_to_all(module, records);
                if same_ids {
                    return Arc::clone(module);
                }
                let (module, whole) = renumbered(module, &self.ids);
                open |= !whole;
                Arc::new(module)
            });
            if open {
                self.open.insert(id);
            }
            let (rank, name) = key;
            self.places.push(Place { rank, name, before, document });
        }
    }

    /// `None` if anything is at fault.
    pub(super) fn resolve(mut self, version: u64) -> Option<Catalog> {
        if self.places.iter().filter(|place| place.rank == Rank::Module).count() > limits::MODULES_MAX {
            return None;
        }
        loop {
            self.open_links_with_owners();
            match self.resolve_open(version)? {
                Resolved::All(catalog) => return Some(catalog),
                Resolved::Too(more) => self.open.extend(more),
            }
        }
    }

    /// The document of a link is made of its owner's, so that both are resolved or none.
    fn open_links_with_owners(&mut self) {
        let links = self.places.iter().filter_map(|place| place.before.as_ref()).filter_map(|module| {
            let link = module.link?;
            Some((module.id, link.owner))
        });
        let links: Vec<(ModuleId, ModuleId)> = links.collect();
        for (link, owner) in links {
            if self.open.contains(&link) || self.open.contains(&owner) {
                self.open.extend([link, owner]);
            }
        }
    }

    fn resolve_open(&self, version: u64) -> Option<Resolved> {
        let open = self.open.iter().map(|id| &self.places[id.0 as usize]).filter(|place| place.rank != Rank::Link);
        let documents: Vec<(Rank, Cow<'_, ModuleDefinition>)> = open.map(Place::definition).collect();
        let records = documents.iter().filter(|(rank, _)| *rank == Rank::Module);
        let links: Vec<LinkDocument> =
            records.flat_map(|(_, document)| links::documents(std::slice::from_ref(&**document))).collect();

        let mut issues = Issues::default();
        documents.iter().for_each(|(_, document)| limits::check_module(document, &mut issues));
        links.iter().for_each(|link| limits::check_module(&link.definition, &mut issues));
        let mut draft = Draft::of(self.entries(&documents, &links)?, &mut issues);
        graphql_names::check_change(&draft, &mut issues);
        let inputs = give_meaning(&mut draft, &mut issues);
        let disturbed = std::mem::take(&mut draft.disturbed);
        if !disturbed.is_empty() {
            return Some(Resolved::Too(disturbed));
        }
        graphql_names::check_members(&draft, &mut issues);
        issues.into_result().ok()?;
        let readers = self.readers_of_changed(&draft);
        if !readers.is_empty() {
            return Some(Resolved::Too(readers));
        }
        let Draft { modules, by_name, .. } = draft;
        let stored_rollups = stored::by_related_module(&modules);
        Some(Resolved::All(Catalog { version, modules, by_name, inputs, stored_rollups }))
    }

    /// What the draft begins with; `None` if a link's document is missing.
    fn entries<'d>(
        &self,
        documents: &'d [(Rank, Cow<'_, ModuleDefinition>)],
        links: &'d [LinkDocument],
    ) -> Option<Vec<Entry<'d>>> {
        let entry = |(id, place): (ModuleId, &Place<'_>)| {
            if !self.open.contains(&id) {
                return place.before.clone().map(Entry::Kept);
            }
            let named = |definition: &ModuleDefinition| definition.name == place.name;
            let (definition, link) = if place.rank == Rank::Link {
                let link = links.iter().find(|link| named(&link.definition))?;
                (&link.definition, Some(link))
            } else {
                let same_rank = documents.iter().filter(|(rank, _)| *rank == place.rank);
                let mut same_rank = same_rank.map(|(_, document)| &**document);
                (same_rank.find(|document| named(document))?, None)
            };
            let (rank, before) = (place.rank, place.before.clone());
            Some(Entry::Open { rank, definition, link, position: id.0 as usize, before })
        };
        (0u32..).map(ModuleId).zip(&self.places).map(entry).collect()
    }

    /// Modules that stay as they were and whose formulas and rollups read a field that is not any more what they know.
    fn readers_of_changed(&self, draft: &Draft<'_>) -> Vec<ModuleId> {
        let looks_different = |id: &&ModuleId| {
            let before = self.places[id.0 as usize].before.as_ref();
            before.is_some_and(|before| !looks_alike(before, draft.module_at(**id)))
        };
        let changed: FxHashSet<ModuleId> = self.open.iter().filter(looks_different).copied().collect();
        if changed.is_empty() {
            return Vec::new();
        }
        let reads_changed = |read: &ModuleId| self.ids[read.0 as usize].is_none_or(|id| changed.contains(&id));
        let readers = self.base.inputs.iter().filter_map(|((module, _), inputs)| {
            let reader = self.ids[module.0 as usize].filter(|id| !self.open.contains(id))?;
            inputs.iter().any(|(read, _)| reads_changed(read)).then_some(reader)
        });
        readers.collect()
    }
}

impl<'a> Place<'a> {
    fn definition(&self) -> (Rank, Cow<'a, ModuleDefinition>) {
        let kept = || Cow::Owned(self.before.as_ref().expect("a module comes, or was there before").definition());
        (self.rank, self.document.map_or_else(kept, Cow::Borrowed))
    }
}

fn rank_of(module: &Module) -> Rank {
    match module {
        Module { platform: true, .. } => Rank::Platform,
        Module { link: Some(_), .. } => Rank::Link,
        _ => Rank::Module,
    }
}

/// Whether a reference may lead to all of so many modules, as one to `"*"` does.
fn refers_to_all(module: &Module, records: usize) -> bool {
    let references = module.fields.iter().filter(|field| !field.system).filter_map(Field::reference);
    let mut references = references.filter(|reference| reference.module_column.is_some());
    references.any(|reference| reference.targets.len() >= records)
}

/// Whether others find in `after` all that they could know of `before`.
fn looks_alike(before: &Module, after: &Module) -> bool {
    before.fields.iter().all(|field| {
        after.field_named(&field.name).is_some_and(|found| {
            found.id == field.id
                && found.scalar() == field.scalar()
                && is_rollup(found) == is_rollup(field)
                && schema_field(found, true) == schema_field(field, true)
        })
    })
}

fn is_rollup(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Rollup(_))
}
