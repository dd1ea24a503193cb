//! Which types exist for the caller: exactly those that can be reached from the root types through what the caller may see.

use cardine_failpoints::switched_off;
use cardine_model::catalog::{Field, FieldId, Module, ModuleId, Relation};
use rustc_hash::FxHashSet;

use super::record::scalar_of;
use super::{InputValue, OutputField, Scalar, Schema, TypeKey, introspection_types};

/// What a type is made of; empty where its kind has no such members.
#[derive(Debug)]
pub(crate) struct Members {
    pub(crate) fields: Vec<OutputField>,
    pub(crate) input_fields: Vec<InputValue>,
}

/// Walks the types depth first, each with its members, so that who needs both does not derive them twice.
#[derive(Debug)]
pub(crate) struct Reachable<'a> {
    schema: Schema<'a>,
    seen: FxHashSet<TypeKey>,
    /// A stack in reverse, so that types come in the order of the members that lead to them.
    open: Vec<TypeKey>,
}

impl Iterator for Reachable<'_> {
    type Item = (TypeKey, Members);

    fn next(&mut self) -> Option<Self::Item> {
        let key = loop {
            let key = self.open.pop()?;
            if self.seen.insert(key) {
                break key;
            }
        };
        let members = Members { fields: self.schema.fields(key), input_fields: self.schema.input_fields(key) };
        let mut next = Vec::new();
        for field in &members.fields {
            next.push(field.ty.inner());
            next.extend(field.arguments.iter().map(|argument| argument.ty.inner()));
        }
        next.extend(members.input_fields.iter().map(|field| field.ty.inner()));
        next.extend(self.schema.possible_types(key));
        next.extend(self.schema.interfaces(key));
        self.open.extend(next.into_iter().rev().filter(|key| !self.seen.contains(key)));
        Some((key, members))
    }
}

impl<'a> Schema<'a> {
    /// The types of [`Self::all_types`] with their members.
    pub(crate) fn reachable(&self) -> Reachable<'a> {
        let roots =
            [TypeKey::Query, TypeKey::Mutation, TypeKey::Subscription].into_iter().filter(|root| self.exists(*root));
        let mut open: Vec<TypeKey> = roots.chain(introspection_types::all()).collect();
        open.reverse();
        Reachable { schema: *self, seen: FxHashSet::default(), open }
    }
}

impl Schema<'_> {
    /// All types that exist for the caller, the introspection system's included, in the order in which they are met.
    pub fn all_types(&self) -> Vec<TypeKey> {
        self.reachable().map(|(key, _)| key).collect()
    }

    /// Whether the type exists for the caller.
    pub fn exists(&self, key: TypeKey) -> bool {
        let readable = |module: ModuleId| self.knows(module);
        match key {
            TypeKey::Query | TypeKey::Viewer | TypeKey::ViewerModule | TypeKey::Introspection(_) => true,
            TypeKey::Mutation => {
                self.may_mark_notifications() || self.catalog.modules.iter().any(|module| self.has_mutation(module.id))
            }
            TypeKey::Subscription | TypeKey::ChangeKind => {
                self.catalog.modules.iter().any(|module| self.may_follow(module.id))
            }
            TypeKey::Change(module) => self.may_follow(module),
            TypeKey::Scalar(scalar) => self.uses_scalar(scalar),
            TypeKey::ScalarFilter(scalar) => self.uses_scalar_filter(scalar),
            TypeKey::Node | TypeKey::PageInfo | TypeKey::SortOrder => {
                self.catalog.modules.iter().any(|module| self.is_listed(module.id))
            }
            TypeKey::HistoryConnection
            | TypeKey::HistoryEdge
            | TypeKey::HistoryEntry
            | TypeKey::FieldChange
            | TypeKey::HistoryAction
            | TypeKey::HistoryVia => self.any_readable_module(|module| self.has_history(module)),
            TypeKey::SearchConnection | TypeKey::SearchEdge | TypeKey::SearchHit => self.has_search(),
            TypeKey::TimelineConnection | TypeKey::TimelineEdge | TypeKey::TimelineEntry => self.has_timelines(),
            TypeKey::OccurrenceConnection | TypeKey::OccurrenceEdge | TypeKey::OccurrenceEntry => {
                self.has_occurrences()
            }
            TypeKey::BusyTimes | TypeKey::BusyTime | TypeKey::BusyEntry => self.has_busy_times(),
            TypeKey::NotificationConnection
            | TypeKey::NotificationEdge
            | TypeKey::Notification
            | TypeKey::NotificationChange => self.has_notifications(),
            TypeKey::Deleted => self.catalog.modules.iter().any(|module| self.may_see_deleted(module.id)),
            TypeKey::Record(module) | TypeKey::Filter(module) | TypeKey::OrderBy(module) => readable(module),
            TypeKey::Connection(module) | TypeKey::Edge(module) => self.is_listed(module),
            TypeKey::LinkConnection(module, relation) | TypeKey::LinkEdge(module, relation) => {
                readable(module) && self.reads_relation(self.relation(module, relation))
            }
            TypeKey::LinkInput(module, relation) => {
                self.may_link(self.relation(module, relation)) && (self.may_create(module) || self.may_update(module))
            }
            TypeKey::LinkDataInput(module, relation) => {
                self.exists(TypeKey::LinkInput(module, relation)) && self.link_data_fields(module, relation).len() > 1
            }
            TypeKey::ListFilter(module) => readable(module) && self.is_on_a_many_side(module),
            TypeKey::Create(module) => self.may_create(module),
            TypeKey::Update(module) => self.may_update(module),
            TypeKey::Unique(module) | TypeKey::Upsert(module) => self.may_upsert(module),
            TypeKey::UniqueSet(module, position) => self.may_upsert(module) && self.has_unique_set(module, position),
            TypeKey::ToOneInput(module) => self
                .written_modules()
                .any(|one| self.writable_fields(one).any(|field| self.to_one_target(field) == Some(module))),
            TypeKey::ToManyInput(module) => {
                self.written_modules().any(|one| self.linkable(one).any(|relation| relation.module == module))
            }
            TypeKey::BulkResult => self.may_mark_notifications() || self.written_or_deleted().next().is_some(),
            TypeKey::Choice(module, field) | TypeKey::ChoiceFilter(module, field) => self.reads(module, field),
            TypeKey::DatePart | TypeKey::Within => self.any_readable_module(|module| self.has_periods(module)),
            TypeKey::Figures(module, ty) => self.figure_exists(module, ty),
            TypeKey::Group(shape) | TypeKey::GroupFilter(shape) | TypeKey::GroupOrderBy(shape) => {
                self.uses_group(shape, |schema, module, field| schema.reads(module, field.id))
            }
            TypeKey::GroupInput(shape) => self.uses_group(shape, |schema, module, field| {
                schema.writes(module, field.id) && (schema.may_create(module) || schema.may_update(module))
            }),
            TypeKey::Union(_, Module::OWNER) | TypeKey::UnionFilter(_, Module::OWNER) => {
                self.catalog.modules.iter().any(|module| self.reads(module.id, Module::OWNER))
            }
            TypeKey::Union(module, field) | TypeKey::UnionFilter(module, field) => self.reads(module, field),
        }
    }

    /// The modules that the API has, for some callers at least.
    pub(super) fn served_modules(&self) -> impl Iterator<Item = &Module> {
        self.catalog.modules.iter().map(|module| &**module).filter(|module| module.unserved.is_none())
    }

    /// How many fields of all modules exist for the caller.
    pub(crate) fn fields_to_read(&self) -> usize {
        let of_module = |module: &Module| module.fields.iter().filter(|field| self.reads(module.id, field.id)).count();
        self.served_modules().map(of_module).sum()
    }

    /// Whether the module exists for the caller.
    pub(super) fn knows(&self, module: ModuleId) -> bool {
        let has_name = || self.catalog.module(module).link.is_none();
        self.rights.can_read_module(module) || (switched_off!("schema.module") && has_name())
    }

    /// Whether the field exists for the caller.
    pub(super) fn reads(&self, module: ModuleId, field: FieldId) -> bool {
        self.rights.can_read(module, field) || (switched_off!("schema.field") && self.rights.can_read_module(module))
    }

    /// Whether the to-many relation does.
    pub(super) fn reads_relation(&self, relation: &Relation) -> bool {
        self.rights.can_read_relation(relation)
            || (switched_off!("schema.relation") && self.rights.can_read_module(relation.module))
    }

    /// Whether the field may be given in an input.
    pub(super) fn writes(&self, module: ModuleId, field: FieldId) -> bool {
        let exists = || self.rights.can_read_module(module) || self.rights.can_follow(module);
        let may_be = || exists() && !self.catalog.field(module, field).read_only;
        self.rights.can_write(module, field) || (switched_off!("schema.input") && may_be())
    }

    /// Whether records of the module are read by its own root fields and by `node`: what records hold is read through them alone.
    pub fn is_listed(&self, module: ModuleId) -> bool {
        self.knows(module) && !self.catalog.module(module).held
    }

    /// Whether `createDeal` exists.
    pub fn may_create(&self, module: ModuleId) -> bool {
        self.may(module, self.rights.module(module).create, switched_off!("schema.create"))
            && self.has_writable_field(module)
    }

    /// Whether `updateDeal` exists.
    pub fn may_update(&self, module: ModuleId) -> bool {
        self.may(module, self.rights.module(module).update, switched_off!("schema.update"))
            && self.has_writable_field(module)
    }

    /// Whether `upsertDeal` exists.
    pub fn may_upsert(&self, module: ModuleId) -> bool {
        self.may_create(module) && self.may_update(module) && self.unique_sets(module).next().is_some()
    }

    /// The modules with values as input.
    fn written_modules(&self) -> impl Iterator<Item = ModuleId> {
        let modules = self.catalog.modules.iter().map(|module| module.id);
        modules.filter(|module| self.may_create(*module) || self.may_update(*module))
    }

    /// The modules with a mutation that takes a filter.
    fn written_or_deleted(&self) -> impl Iterator<Item = ModuleId> {
        let modules = self.catalog.modules.iter().map(|module| module.id);
        modules.filter(|module| self.may_update(*module) || self.may_delete(*module))
    }

    /// Whether `deleteDeal` exists.
    pub fn may_delete(&self, module: ModuleId) -> bool {
        self.may(module, self.rights.module(module).delete, switched_off!("schema.delete"))
    }

    /// What is granted, or what a test's server no longer asks for of a module that is there.
    fn may(&self, module: ModuleId, granted: bool, switched_off: bool) -> bool {
        granted || (switched_off && self.rights.can_read_module(module) && !self.catalog.module(module).platform)
    }

    /// Whether lists of the module have the argument `deleted`.
    pub fn may_see_deleted(&self, module: ModuleId) -> bool {
        self.knows(module) && (self.may_delete(module) || switched_off!("schema.deleted"))
    }

    /// The fields of the module that exist for the caller.
    pub(super) fn readable_fields(&self, module: ModuleId) -> impl Iterator<Item = &Field> {
        self.catalog.module(module).own_fields().filter(move |field| self.reads(module, field.id))
    }

    fn has_mutation(&self, module: ModuleId) -> bool {
        self.may_create(module) || self.may_update(module) || self.may_delete(module)
    }

    fn has_writable_field(&self, module: ModuleId) -> bool {
        let fields = &self.catalog.module(module).fields;
        fields.iter().any(|field| self.writes(module, field.id))
    }

    fn is_on_a_many_side(&self, module: ModuleId) -> bool {
        self.catalog.modules.iter().filter(|one| self.knows(one.id)).any(|one| {
            one.relations
                .iter()
                .any(|relation| self.catalog.related_module(relation) == module && self.reads_relation(relation))
        })
    }

    fn uses_scalar(&self, scalar: Scalar) -> bool {
        match scalar {
            // Of the introspection system and of `Viewer`.
            Scalar::String | Scalar::Boolean => true,
            Scalar::Float => self.has_search(),
            Scalar::Int | Scalar::Id => self.any_readable_module(|_| true),
            // The first day of a period is a date, also of an instant's.
            Scalar::Date => self.exists(TypeKey::DatePart),
            Scalar::Duration if self.exists(TypeKey::Within) => true,
            Scalar::Json if self.exists(TypeKey::FieldChange) => true,
            _ => {
                self.any_readable_field(|schema, module, field| {
                    let computed = schema.catalog.field(module, field).computed();
                    schema.value_type(module, field) == Some(TypeKey::Scalar(scalar))
                        || computed.is_some_and(|computed| scalar_of(computed.returns) == scalar)
                }) || self.any_readable_module(|module| self.figures_use(module, scalar))
            }
        }
    }

    fn uses_scalar_filter(&self, scalar: Scalar) -> bool {
        self.any_readable_field(|schema, module, field| {
            schema.value_filter(module, field) == Some(TypeKey::ScalarFilter(scalar))
        }) || self.any_readable_module(|module| self.figure_filters_use(module, scalar))
    }

    fn any_readable_module(&self, test: impl Fn(ModuleId) -> bool) -> bool {
        self.catalog.modules.iter().any(|module| self.knows(module.id) && test(module.id))
    }

    /// Parts of others included.
    fn any_readable_field(&self, test: impl Fn(&Self, ModuleId, FieldId) -> bool) -> bool {
        self.catalog.modules.iter().any(|module| {
            let readable = |field: &&Field| self.reads(module.id, field.id);
            module.fields.iter().filter(readable).any(|field| test(self, module.id, field.id))
        })
    }
}
