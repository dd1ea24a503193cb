//! What the stages share: the documents with their ids, the modules as far as they are resolved, and the faults so far.

use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::links::LinkDocument;
use super::references::FILE;
use super::{ModuleIssue, graphql_names, system_fields};
use crate::calendar_shares::SharedCalendars;
use crate::catalog::{Checks, Module, ModuleId, RelationId};
use crate::conversion::Conversions;
use crate::definition::{FieldDefinition, Label, ModuleDefinition, Sharing};
use crate::feature::Feature as _;
use crate::mentions::Mentions;
use crate::name::snake_case;
use crate::recurrence::Recurrence;
use crate::rule::{Expr, RuleType, TypedRule};
use crate::stages::Stages;
use crate::timeline::Timeline;
use crate::{FieldId, Issue, PathSegment, Value, path};

/// A document and the id that its module gets.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub id: ModuleId,
    pub definition: &'a ModuleDefinition,
    /// The reference whose links it describes.
    pub link: Option<&'a LinkDocument>,
}

/// In which order modules get their ids; those of one rank by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Platform,
    Module,
    Link,
}

/// What the draft begins with at one id.
pub(super) enum Entry<'a> {
    /// A module to be resolved.
    Open {
        rank: Rank,
        definition: &'a ModuleDefinition,
        link: Option<&'a LinkDocument>,
        /// Its place among the documents.
        position: usize,
        /// What it was in the version before.
        before: Option<Arc<Module>>,
    },
    /// A module that stays as it was in the version before.
    Kept(Arc<Module>),
}

/// The catalog in the making.
///
/// A faulty field has a stand-in kind so that ids stay positions; as any fault fails the whole, none leaves this module.
pub(super) struct Draft<'a> {
    /// Of what is to be resolved. Platform documents, then the others, each in the order of the caller: the earlier keeps a contested name.
    pub documents: Vec<Document<'a>>,
    /// By id.
    pub modules: Vec<Arc<Module>>,
    pub by_name: FxHashMap<String, ModuleId>,
    /// Fields about which a fault was told already.
    pub faulty: FxHashSet<(ModuleId, FieldId)>,
    /// Modules that were to stay as they were and cannot, as relations of theirs come or go.
    pub disturbed: Vec<ModuleId>,
    /// The documents by id; none where the module stays as it was.
    definitions: Vec<Option<&'a ModuleDefinition>>,
    before: FxHashMap<ModuleId, Arc<Module>>,
}

impl<'a> Draft<'a> {
    /// Of documents alone: gives every module its id, platform modules first, then the others, both by name.
    /// The modules of links come last and have no name that anybody could use.
    pub fn open(
        platform: &'a [ModuleDefinition],
        modules: &'a [ModuleDefinition],
        links: &'a [LinkDocument],
        issues: &mut Issues,
    ) -> Self {
        let given = platform
            .iter()
            .map(|definition| (Rank::Platform, definition, None))
            .chain(modules.iter().map(|definition| (Rank::Module, definition, None)))
            .chain(links.iter().map(|link| (Rank::Link, &link.definition, Some(link))));
        let mut sorted: Vec<_> = given.enumerate().collect();
        sorted.sort_by(|(_, (rank, definition, _)), (_, (other_rank, other, _))| {
            rank.cmp(other_rank).then_with(|| definition.name.cmp(&other.name))
        });
        let entry =
            |(position, (rank, definition, link))| Entry::Open { rank, definition, link, position, before: None };
        Self::of(sorted.into_iter().map(entry).collect(), issues)
    }

    /// Of what each id begins with.
    pub fn of(entries: Vec<Entry<'a>>, issues: &mut Issues) -> Self {
        let mut draft = Self {
            documents: Vec::new(),
            modules: Vec::with_capacity(entries.len()),
            by_name: FxHashMap::with_capacity_and_hasher(entries.len(), FxBuildHasher),
            faulty: FxHashSet::default(),
            disturbed: Vec::new(),
            definitions: Vec::with_capacity(entries.len()),
            before: FxHashMap::default(),
        };
        let mut documents = Vec::new();
        for (id, entry) in (0u32..).map(ModuleId).zip(entries) {
            let is_link = match entry {
                Entry::Open { rank, definition, link, position, before } => {
                    documents.push((position, Document { id, definition, link }));
                    draft.definitions.push(Some(definition));
                    draft.before.extend(before.map(|before| (id, before)));
                    draft.modules.push(Arc::new(Self::module(id, rank, definition)));
                    rank == Rank::Link
                }
                Entry::Kept(module) => {
                    let is_link = module.link.is_some();
                    draft.definitions.push(None);
                    draft.modules.push(module);
                    is_link
                }
            };
            // Of two modules of one name the stage of GraphQL names tells; references mean the first.
            if !is_link {
                draft.by_name.entry(draft.modules[id.0 as usize].name.clone()).or_insert(id);
            }
        }
        documents.sort_by_key(|(position, _)| *position);
        draft.documents = documents.into_iter().map(|(_, document)| document).collect();
        system_fields::add(&mut draft, issues);
        draft
    }

    fn module(id: ModuleId, rank: Rank, definition: &ModuleDefinition) -> Module {
        let fields = Module::SYSTEM_FIELDS.len() + definition.fields.len();
        let document = serde_json::to_string(definition).expect("a definition is a JSON document");
        Module {
            id,
            name: definition.name.clone(),
            plural: definition.plural.clone(),
            label: definition.label.clone().unwrap_or_else(|| label_from_name(&definition.name)),
            plural_label: definition.plural_label.clone().unwrap_or_else(|| label_from_name(&definition.plural)),
            description: definition.description.clone(),
            link: None,
            platform: rank == Rank::Platform,
            held: rank == Rank::Platform && definition.name == FILE,
            table: snake_case(&definition.name),
            fields: Vec::with_capacity(fields),
            fields_by_name: Vec::with_capacity(fields),
            relations: Vec::new(),
            relations_by_name: Vec::new(),
            name_field: None,
            indexes: Vec::new(),
            uniques: Vec::new(),
            duplicates: Vec::new(),
            search: Vec::new(),
            sharing: definition.sharing.unwrap_or(Sharing::Private),
            parent: None,
            validations: Vec::new(),
            assignment: None,
            calendar_shares: SharedCalendars::of(definition).map(Arc::new),
            clocks: None,
            conversions: Conversions::of(definition).map(|conversions| conversions.all.into()).unwrap_or_default(),
            mentions: Mentions::of(definition).map(Arc::new),
            stages: Stages::of(definition).map(Arc::new),
            timeline: Timeline::of(definition).map(Arc::new),
            recurrence: Recurrence::of(definition).map(Arc::new),
            checks: Checks::default(),
            document: document.into(),
            claims: graphql_names::claims(definition, rank == Rank::Link),
            unserved: None,
        }
    }

    /// The document of a module that is being resolved.
    pub fn definition(&self, id: ModuleId) -> Option<&'a ModuleDefinition> {
        self.definitions[id.0 as usize]
    }

    /// Whether the module is being resolved; else it stays as it was.
    pub fn is_open(&self, id: ModuleId) -> bool {
        self.definition(id).is_some()
    }

    /// What the module was in the version before.
    pub fn before(&self, id: ModuleId) -> Option<&Arc<Module>> {
        if self.is_open(id) { self.before.get(&id) } else { Some(&self.modules[id.0 as usize]) }
    }

    /// The module at `id`.
    pub fn module_at(&self, id: ModuleId) -> &Module {
        &self.modules[id.0 as usize]
    }

    /// All modules whose records are records to people: those of the platform and of links excepted.
    pub fn record_modules(&self) -> impl Iterator<Item = ModuleId> {
        let links: FxHashSet<ModuleId> =
            self.documents.iter().filter(|document| document.link.is_some()).map(|document| document.id).collect();
        let ids =
            self.modules.iter().filter(|module| !module.platform && module.link.is_none()).map(|module| module.id);
        ids.filter(move |id| !links.contains(id))
    }

    /// The module at `id`, to be filled in.
    pub fn module_mut(&mut self, id: ModuleId) -> &mut Module {
        Arc::make_mut(&mut self.modules[id.0 as usize])
    }

    /// Whether a fault of this field was told already.
    pub fn is_faulty(&self, module: ModuleId, field: FieldId) -> bool {
        self.faulty.contains(&(module, field))
    }
}

impl<'a> Document<'a> {
    /// Its own fields with their positions in the document and their ids.
    pub fn fields(&self) -> impl Iterator<Item = (usize, FieldId, &'a FieldDefinition)> + use<'a> {
        self.definition.fields.iter().enumerate().map(|(position, field)| (position, own_field_id(position), field))
    }
}

/// The id of the field at this position of its document: after the system fields.
pub(super) fn own_field_id(position: usize) -> FieldId {
    let id = Module::SYSTEM_FIELDS.len() + position;
    FieldId(u32::try_from(id).expect("a document has fewer than 4 billion fields"))
}

/// The position in its document of an own field.
pub(super) fn position_of(field: FieldId) -> usize {
    field.0 as usize - Module::SYSTEM_FIELDS.len()
}

/// Stands where a rule is not checked yet.
pub(super) fn unchecked_rule(source: &str) -> TypedRule {
    TypedRule { source: source.to_owned(), expr: Expr::Literal(Value::Null), ty: RuleType::Null }
}

/// Stands where a relation is not known yet.
pub(super) const UNKNOWN_RELATION: RelationId = RelationId(u32::MAX);

/// A label for who gave none: `closeDate` → "Close date", `SalesOrder` → "Sales order".
pub(super) fn label_from_name(name: &str) -> Label {
    let words = snake_case(name).replace('_', " ");
    Label::Plain(crate::name::upper_first(&words).into())
}

/// The faults found so far.
#[derive(Default)]
pub(super) struct Issues(pub Vec<ModuleIssue>);

impl Issues {
    /// Notes a fault in the document of `module`.
    pub fn add(&mut self, module: &ModuleDefinition, path: Vec<PathSegment>, rule: &str, message: impl Into<String>) {
        self.add_in(&module.name, path, rule, message);
    }

    /// Notes a fault in the document of the module of this name.
    pub fn add_in(&mut self, module: &str, path: Vec<PathSegment>, rule: &str, message: impl Into<String>) {
        self.0.push(ModuleIssue { module: module.to_owned(), issue: Issue::new(path, rule, message) });
    }

    /// Notes a fault at `key` of the field at `position`.
    pub fn add_at_field(
        &mut self,
        module: &ModuleDefinition,
        position: usize,
        key: &str,
        rule: &str,
        message: impl Into<String>,
    ) {
        self.add(module, path!["fields", position, key], rule, message);
    }

    /// Number of faults so far.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All faults, unless there are none.
    pub fn into_result(self) -> Result<(), Vec<ModuleIssue>> {
        if self.0.is_empty() { Ok(()) } else { Err(self.0) }
    }
}
