//! From a type's key to its name and back: the only place that spells derived names.

use std::borrow::Cow;

use cardine_model::catalog::{FieldId, Module, ModuleId, RelationId};
use cardine_model::name::{lower_first, upper_first};

use super::group::{SHAPES, type_name};
use super::{FigureType, Scalar, Schema, TypeKey, introspection_types};

/// Makes the key of a module's type.
type OfModule = fn(ModuleId) -> TypeKey;

/// What follows a module's name in the names of its types; longer ones first where one ends with another.
const SUFFIXES: [(&str, OfModule); 12] = [
    ("ListFilter", TypeKey::ListFilter),
    ("Filter", TypeKey::Filter),
    ("OrderBy", TypeKey::OrderBy),
    ("Connection", TypeKey::Connection),
    ("Edge", TypeKey::Edge),
    ("Create", TypeKey::Create),
    ("Update", TypeKey::Update),
    ("Change", TypeKey::Change),
    ("Unique", TypeKey::Unique),
    ("Upsert", TypeKey::Upsert),
    ("ToOneInput", TypeKey::ToOneInput),
    ("ToManyInput", TypeKey::ToManyInput),
];

/// Makes the key of a relation's type.
type OfRelation = fn(ModuleId, RelationId) -> TypeKey;

/// What follows a module's and a relation's name in the names of the types of links.
const LINK_SUFFIXES: [(&str, OfRelation); 4] = [
    ("Connection", TypeKey::LinkConnection),
    ("Edge", TypeKey::LinkEdge),
    ("LinkInput", TypeKey::LinkDataInput),
    ("Input", TypeKey::LinkInput),
];

const SCALARS: [Scalar; 15] = [
    Scalar::Int,
    Scalar::Float,
    Scalar::String,
    Scalar::Boolean,
    Scalar::Id,
    Scalar::BigInt,
    Scalar::Decimal,
    Scalar::Date,
    Scalar::Time,
    Scalar::DateTime,
    Scalar::Duration,
    Scalar::EmailAddress,
    Scalar::PhoneNumber,
    Scalar::Url,
    Scalar::Json,
];

impl Scalar {
    /// The name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Int => "Int",
            Self::Float => "Float",
            Self::String => "String",
            Self::Boolean => "Boolean",
            Self::Id => "ID",
            Self::BigInt => "BigInt",
            Self::Decimal => "Decimal",
            Self::Date => "Date",
            Self::Time => "Time",
            Self::DateTime => "DateTime",
            Self::Duration => "Duration",
            Self::EmailAddress => "EmailAddress",
            Self::PhoneNumber => "PhoneNumber",
            Self::Url => "URL",
            Self::Json => "JSON",
        }
    }
}

impl<'a> Schema<'a> {
    /// The name of a type.
    pub fn name(&self, key: TypeKey) -> Cow<'a, str> {
        let module = |id: ModuleId| self.catalog.module(id).name.as_str();
        let with = |id: ModuleId, suffix: &str| Cow::Owned(format!("{}{suffix}", module(id)));
        match key {
            TypeKey::Query => "Query".into(),
            TypeKey::Mutation => "Mutation".into(),
            TypeKey::Subscription => "Subscription".into(),
            TypeKey::ChangeKind => "ChangeKind".into(),
            TypeKey::Scalar(scalar) => scalar.name().into(),
            TypeKey::ScalarFilter(scalar) => Cow::Owned(format!("{}Filter", scalar.name())),
            TypeKey::Node => "Node".into(),
            TypeKey::PageInfo => "PageInfo".into(),
            TypeKey::Viewer => "Viewer".into(),
            TypeKey::ViewerModule => "ViewerModule".into(),
            TypeKey::SearchConnection => "SearchConnection".into(),
            TypeKey::SearchEdge => "SearchEdge".into(),
            TypeKey::SearchHit => "SearchHit".into(),
            TypeKey::TimelineConnection => "TimelineConnection".into(),
            TypeKey::TimelineEdge => "TimelineEdge".into(),
            TypeKey::TimelineEntry => "TimelineEntry".into(),
            TypeKey::OccurrenceConnection => "OccurrenceConnection".into(),
            TypeKey::OccurrenceEdge => "OccurrenceEdge".into(),
            TypeKey::OccurrenceEntry => "OccurrenceEntry".into(),
            TypeKey::BusyTimes => "BusyTimes".into(),
            TypeKey::BusyTime => "BusyTime".into(),
            TypeKey::BusyEntry => "BusyEntry".into(),
            TypeKey::NotificationConnection => "NotificationConnection".into(),
            TypeKey::NotificationEdge => "NotificationEdge".into(),
            TypeKey::Notification => "Notification".into(),
            TypeKey::NotificationChange => "NotificationChange".into(),
            TypeKey::HistoryConnection => "HistoryConnection".into(),
            TypeKey::HistoryEdge => "HistoryEdge".into(),
            TypeKey::HistoryEntry => "HistoryEntry".into(),
            TypeKey::FieldChange => "FieldChange".into(),
            TypeKey::HistoryAction => "HistoryAction".into(),
            TypeKey::HistoryVia => "HistoryVia".into(),
            TypeKey::SortOrder => "SortOrder".into(),
            TypeKey::Deleted => "Deleted".into(),
            TypeKey::DatePart => "DatePart".into(),
            TypeKey::Within => "Within".into(),
            TypeKey::Figures(id, ty) => with(id, ty.suffix()),
            TypeKey::Record(id) => module(id).into(),
            TypeKey::Connection(id) => with(id, "Connection"),
            TypeKey::Edge(id) => with(id, "Edge"),
            TypeKey::LinkConnection(id, relation) => {
                Cow::Owned(format!("{}Connection", self.relation_type_name(id, relation)))
            }
            TypeKey::LinkInput(id, relation) => Cow::Owned(format!("{}Input", self.relation_type_name(id, relation))),
            TypeKey::LinkDataInput(id, relation) => {
                Cow::Owned(format!("{}LinkInput", self.relation_type_name(id, relation)))
            }
            TypeKey::LinkEdge(id, relation) => Cow::Owned(format!("{}Edge", self.relation_type_name(id, relation))),
            TypeKey::Filter(id) => with(id, "Filter"),
            TypeKey::ListFilter(id) => with(id, "ListFilter"),
            TypeKey::OrderBy(id) => with(id, "OrderBy"),
            TypeKey::Create(id) => with(id, "Create"),
            TypeKey::Update(id) => with(id, "Update"),
            TypeKey::Change(id) => with(id, "Change"),
            TypeKey::Unique(id) => with(id, "Unique"),
            TypeKey::Upsert(id) => with(id, "Upsert"),
            TypeKey::UniqueSet(id, position) => {
                Cow::Owned(format!("{}Unique_{}", module(id), self.unique_set_name(id, position)))
            }
            TypeKey::ToOneInput(id) => with(id, "ToOneInput"),
            TypeKey::ToManyInput(id) => with(id, "ToManyInput"),
            TypeKey::BulkResult => "BulkResult".into(),
            TypeKey::Choice(id, field) => Cow::Owned(self.field_type_name(id, field)),
            TypeKey::ChoiceFilter(id, field) => Cow::Owned(format!("{}Filter", self.field_type_name(id, field))),
            TypeKey::Group(shape) => type_name(shape).into(),
            TypeKey::GroupFilter(shape) => Cow::Owned(format!("{}Filter", type_name(shape))),
            TypeKey::GroupOrderBy(shape) => Cow::Owned(format!("{}OrderBy", type_name(shape))),
            TypeKey::GroupInput(shape) => Cow::Owned(format!("{}Input", type_name(shape))),
            TypeKey::Union(_, Module::OWNER) => "Owner".into(),
            TypeKey::Union(id, field) => Cow::Owned(self.field_type_name(id, field)),
            TypeKey::UnionFilter(_, Module::OWNER) => "OwnerFilter".into(),
            TypeKey::UnionFilter(id, field) => Cow::Owned(format!("{}Filter", self.field_type_name(id, field))),
            TypeKey::Introspection(position) => introspection_types::name(position).into(),
        }
    }

    /// The type of this name, if it exists for the caller.
    pub fn type_named(&self, name: &str) -> Option<TypeKey> {
        self.spelled(name).filter(|key| self.exists(*key))
    }

    /// The key that the name would have, were everything visible.
    fn spelled(&self, name: &str) -> Option<TypeKey> {
        builtin(name)
            .or_else(|| self.module_type(name))
            .or_else(|| self.unique_set_type(name))
            .or_else(|| self.field_type(name))
            .or_else(|| self.link_type(name))
    }

    fn module_type(&self, name: &str) -> Option<TypeKey> {
        if let Some(module) = self.catalog.served_by_name(name) {
            return Some(TypeKey::Record(module.id));
        }
        let module = |suffix: &str| self.catalog.served_by_name(name.strip_suffix(suffix)?).map(|module| module.id);
        let plain = SUFFIXES.iter().find_map(|(suffix, key)| module(suffix).map(key));
        plain.or_else(|| {
            let mut figures = FigureType::NAMES.iter();
            figures.find_map(|(suffix, ty)| module(suffix).map(|id| TypeKey::Figures(id, *ty)))
        })
    }

    /// `DealUnique_name_city`; no other name has the underscore.
    fn unique_set_type(&self, name: &str) -> Option<TypeKey> {
        let (module, fields) = name.split_once("Unique_")?;
        let module = self.catalog.served_by_name(module)?;
        let position = (0_u32..)
            .zip(&module.uniques)
            .find(|(position, set)| set.len() > 1 && self.unique_set_name(module.id, *position) == fields);
        position.map(|(position, _)| TypeKey::UniqueSet(module.id, position))
    }

    /// `DealStage`, `DealStageFilter`, `TaskParent`: a module's name, then a field's with a capital.
    fn field_type(&self, name: &str) -> Option<TypeKey> {
        let find = |name: &str| {
            let capitals = name.char_indices().skip(1).filter(|(_, character)| character.is_ascii_uppercase());
            capitals.map(|(position, _)| name.split_at(position)).find_map(|(module, field)| {
                let module = self.catalog.module_or_link_named(module).filter(|module| module.unserved.is_none())?;
                let field = module.field_named(&lower_first(field))?;
                Some((module.id, field))
            })
        };
        if let Some((module, field)) = find(name) {
            if field.options().is_some() {
                return Some(TypeKey::Choice(module, field.id));
            }
            if field.id != Module::OWNER && self.is_union(module, field.id) {
                return Some(TypeKey::Union(module, field.id));
            }
        }
        let (module, field) = find(name.strip_suffix("Filter")?)?;
        if field.options().is_some() {
            return Some(TypeKey::ChoiceFilter(module, field.id));
        }
        (field.id != Module::OWNER && self.is_union(module, field.id)).then_some(TypeKey::UnionFilter(module, field.id))
    }

    /// `DealProductsConnection`, `DealProductsEdge`: a module's name, then a relation's with a capital.
    fn link_type(&self, name: &str) -> Option<TypeKey> {
        LINK_SUFFIXES.iter().find_map(|(suffix, key)| self.link_type_of(name.strip_suffix(suffix)?, *key))
    }

    fn link_type_of(&self, stem: &str, key: OfRelation) -> Option<TypeKey> {
        let capitals = stem.char_indices().skip(1).filter(|(_, character)| character.is_ascii_uppercase());
        capitals.map(|(position, _)| stem.split_at(position)).find_map(|(module, relation)| {
            let module = self.catalog.served_by_name(module)?;
            let relation = module.relation_named(&lower_first(relation))?;
            relation.through.map(|_| key(module.id, relation.id))
        })
    }

    fn relation_type_name(&self, module: ModuleId, relation: RelationId) -> String {
        let module = self.catalog.module(module);
        format!("{}{}", module.name, upper_first(&module.relation(relation).name))
    }

    fn field_type_name(&self, module: ModuleId, field: FieldId) -> String {
        let module = self.catalog.module(module);
        format!("{}{}", module.name, upper_first(&module.field(field).name))
    }

    /// The union of a reference to several modules. The owner of every module is one and the same union.
    pub fn union_of(&self, module: ModuleId, field: FieldId) -> TypeKey {
        let module = if field == Module::OWNER { ModuleId(0) } else { module };
        TypeKey::Union(module, field)
    }

    /// Whether the field is a reference that may lead to several modules.
    pub fn is_union(&self, module: ModuleId, field: FieldId) -> bool {
        self.catalog.field(module, field).reference().is_some_and(|reference| reference.targets.len() > 1)
    }
}

fn group(name: &str) -> Option<TypeKey> {
    SHAPES.into_iter().find_map(|shape| match name.strip_prefix(type_name(shape))? {
        "" => Some(TypeKey::Group(shape)),
        "Filter" => Some(TypeKey::GroupFilter(shape)),
        "OrderBy" => Some(TypeKey::GroupOrderBy(shape)),
        "Input" => Some(TypeKey::GroupInput(shape)),
        _ => None,
    })
}

fn builtin(name: &str) -> Option<TypeKey> {
    Some(match name {
        "Query" => TypeKey::Query,
        "Mutation" => TypeKey::Mutation,
        "Subscription" => TypeKey::Subscription,
        "ChangeKind" => TypeKey::ChangeKind,
        "Node" => TypeKey::Node,
        "PageInfo" => TypeKey::PageInfo,
        "Viewer" => TypeKey::Viewer,
        "ViewerModule" => TypeKey::ViewerModule,
        "SearchConnection" => TypeKey::SearchConnection,
        "SearchEdge" => TypeKey::SearchEdge,
        "SearchHit" => TypeKey::SearchHit,
        "TimelineConnection" => TypeKey::TimelineConnection,
        "TimelineEdge" => TypeKey::TimelineEdge,
        "TimelineEntry" => TypeKey::TimelineEntry,
        "OccurrenceConnection" => TypeKey::OccurrenceConnection,
        "OccurrenceEdge" => TypeKey::OccurrenceEdge,
        "OccurrenceEntry" => TypeKey::OccurrenceEntry,
        "BusyTimes" => TypeKey::BusyTimes,
        "BusyTime" => TypeKey::BusyTime,
        "BusyEntry" => TypeKey::BusyEntry,
        "NotificationConnection" => TypeKey::NotificationConnection,
        "NotificationEdge" => TypeKey::NotificationEdge,
        "Notification" => TypeKey::Notification,
        "NotificationChange" => TypeKey::NotificationChange,
        "HistoryConnection" => TypeKey::HistoryConnection,
        "HistoryEdge" => TypeKey::HistoryEdge,
        "HistoryEntry" => TypeKey::HistoryEntry,
        "FieldChange" => TypeKey::FieldChange,
        "HistoryAction" => TypeKey::HistoryAction,
        "HistoryVia" => TypeKey::HistoryVia,
        "SortOrder" => TypeKey::SortOrder,
        "Deleted" => TypeKey::Deleted,
        "DatePart" => TypeKey::DatePart,
        "Within" => TypeKey::Within,
        "BulkResult" => TypeKey::BulkResult,
        "Owner" => TypeKey::Union(ModuleId(0), Module::OWNER),
        "OwnerFilter" => TypeKey::UnionFilter(ModuleId(0), Module::OWNER),
        _ => {
            let scalar = |name: &str| SCALARS.into_iter().find(|scalar| scalar.name() == name);
            return scalar(name)
                .map(TypeKey::Scalar)
                .or_else(|| group(name))
                .or_else(|| name.strip_suffix("Filter").and_then(scalar).map(TypeKey::ScalarFilter))
                .or_else(|| introspection_types::position(name).map(TypeKey::Introspection));
        }
    })
}
