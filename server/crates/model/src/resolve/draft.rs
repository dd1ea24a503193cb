//! What the stages share: the documents with their ids, the modules as far as they are resolved, and the faults so far.

use std::sync::Arc;

use regex::Regex;
use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::links::LinkDocument;
use super::{ModuleIssue, system_fields};
use crate::catalog::{Module, ModuleId, RelationId};
use crate::definition::{FieldDefinition, Label, ModuleDefinition, Sharing};
use crate::name::snake_case;
use crate::rule::{Expr, RuleType, TypedRule};
use crate::{FieldId, Issue, PathSegment, Value, path};

/// A document and the id that its module gets.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    pub id: ModuleId,
    pub definition: &'a ModuleDefinition,
    /// The reference whose links it describes.
    pub link: Option<&'a LinkDocument>,
}

/// In which order modules get their ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Platform,
    Module,
    Link,
}

/// The catalog in the making.
///
/// A faulty field has a stand-in kind so that ids stay positions; as any fault fails the whole, none leaves this module.
pub(super) struct Draft<'a> {
    /// Platform documents, then the others, each in the order of the caller: the earlier keeps a contested name.
    pub documents: Vec<Document<'a>>,
    /// By id.
    pub modules: Vec<Module>,
    pub by_name: FxHashMap<String, ModuleId>,
    /// Fields about which a fault was told already.
    pub faulty: FxHashSet<(ModuleId, FieldId)>,
    pub patterns: FxHashMap<(ModuleId, FieldId), Regex>,
    pub json_schemas: FxHashMap<(ModuleId, FieldId), Arc<jsonschema::Validator>>,
}

impl<'a> Draft<'a> {
    /// Gives every module its id: platform modules first, then the others, both by name.
    /// The modules of links come last and have no name that anybody could use.
    pub fn open(
        platform: &'a [ModuleDefinition],
        modules: &'a [ModuleDefinition],
        links: &'a [LinkDocument],
        issues: &mut Issues,
    ) -> Self {
        let mut by_name = FxHashMap::default();
        let given = platform
            .iter()
            .map(|definition| (Rank::Platform, definition, None))
            .chain(modules.iter().map(|definition| (Rank::Module, definition, None)))
            .chain(links.iter().map(|link| (Rank::Link, &link.definition, Some(link))));
        let mut sorted: Vec<_> =
            given.enumerate().map(|(position, (rank, definition, link))| (rank, definition, link, position)).collect();
        sorted.sort_by(|(rank, definition, ..), (other_rank, other, ..)| {
            rank.cmp(other_rank).then_with(|| definition.name.cmp(&other.name))
        });

        let mut documents = Vec::with_capacity(sorted.len());
        let mut drafted = Vec::with_capacity(sorted.len());
        for (id, (rank, definition, link, position)) in (0u32..).map(ModuleId).zip(sorted) {
            // Of two modules of one name the stage of GraphQL names tells; references mean the first.
            if rank != Rank::Link {
                by_name.entry(definition.name.clone()).or_insert(id);
            }
            documents.push((position, Document { id, definition, link }));
            drafted.push(Self::module(id, rank == Rank::Platform, definition));
        }
        documents.sort_by_key(|(position, _)| *position);

        let mut draft = Self {
            documents: documents.into_iter().map(|(_, document)| document).collect(),
            modules: drafted,
            by_name,
            faulty: FxHashSet::default(),
            patterns: FxHashMap::default(),
            json_schemas: FxHashMap::default(),
        };
        system_fields::add(&mut draft, issues);
        draft
    }

    fn module(id: ModuleId, platform: bool, definition: &ModuleDefinition) -> Module {
        let fields = Module::SYSTEM_FIELDS.len() + definition.fields.len();
        Module {
            id,
            name: definition.name.clone(),
            plural: definition.plural.clone(),
            label: definition.label.clone().unwrap_or_else(|| label_from_name(&definition.name)),
            plural_label: definition.plural_label.clone().unwrap_or_else(|| label_from_name(&definition.plural)),
            description: definition.description.clone(),
            link: None,
            platform,
            table: snake_case(&definition.name),
            fields: Vec::with_capacity(fields),
            field_by_name: FxHashMap::with_capacity_and_hasher(fields, FxBuildHasher),
            relations: Vec::new(),
            relation_by_name: FxHashMap::default(),
            name_field: None,
            indexes: Vec::new(),
            uniques: Vec::new(),
            duplicates: Vec::new(),
            search: Vec::new(),
            sharing: definition.sharing.unwrap_or(Sharing::Private),
            parent: None,
            validations: Vec::new(),
            definition: definition.clone(),
        }
    }

    /// The module at `id`.
    pub fn module_at(&self, id: ModuleId) -> &Module {
        &self.modules[id.0 as usize]
    }

    /// All modules whose records are records to people: those of the platform and of links excepted.
    pub fn record_modules(&self) -> impl Iterator<Item = ModuleId> {
        let links: FxHashSet<ModuleId> =
            self.documents.iter().filter(|document| document.link.is_some()).map(|document| document.id).collect();
        let ids = self.modules.iter().filter(|module| !module.platform).map(|module| module.id);
        ids.filter(move |id| !links.contains(id))
    }

    /// The module at `id`, to be filled in.
    pub fn module_mut(&mut self, id: ModuleId) -> &mut Module {
        &mut self.modules[id.0 as usize]
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
pub(super) struct Issues(Vec<ModuleIssue>);

impl Issues {
    /// Notes a fault in the document of `module`.
    pub fn add(&mut self, module: &ModuleDefinition, path: Vec<PathSegment>, rule: &str, message: impl Into<String>) {
        self.0.push(ModuleIssue { module: module.name.clone(), issue: Issue::new(path, rule, message) });
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
