//! What later stages ask of a type: its kind, its fields, its values; each answer goes to the file of the type's family.

use cardine_model::catalog::{GroupShape, Module};

use super::unique::upsert_fields;
use super::{EnumValue, InputValue, Kind, OutputField, Scalar, Schema, TypeKey, Words, introspection_types};

impl Schema<'_> {
    /// The kind of a type.
    pub fn kind(&self, key: TypeKey) -> Kind {
        match key {
            TypeKey::Query
            | TypeKey::Mutation
            | TypeKey::Subscription
            | TypeKey::PageInfo
            | TypeKey::Viewer
            | TypeKey::ViewerModule
            | TypeKey::SearchConnection
            | TypeKey::SearchEdge
            | TypeKey::SearchHit
            | TypeKey::TimelineConnection
            | TypeKey::TimelineEdge
            | TypeKey::TimelineEntry
            | TypeKey::OccurrenceConnection
            | TypeKey::OccurrenceEdge
            | TypeKey::OccurrenceEntry
            | TypeKey::BusyTimes
            | TypeKey::BusyTime
            | TypeKey::BusyEntry
            | TypeKey::NotificationConnection
            | TypeKey::NotificationEdge
            | TypeKey::Notification
            | TypeKey::NotificationChange
            | TypeKey::HistoryConnection
            | TypeKey::HistoryEdge
            | TypeKey::HistoryEntry
            | TypeKey::FieldChange
            | TypeKey::Record(_)
            | TypeKey::Connection(_)
            | TypeKey::Edge(_)
            | TypeKey::LinkConnection(..)
            | TypeKey::LinkEdge(..)
            | TypeKey::Group(_)
            | TypeKey::Change(_)
            | TypeKey::BulkResult => Kind::Object,
            TypeKey::Scalar(_) => Kind::Scalar,
            TypeKey::Node => Kind::Interface,
            TypeKey::SortOrder
            | TypeKey::Deleted
            | TypeKey::DatePart
            | TypeKey::ChangeKind
            | TypeKey::HistoryAction
            | TypeKey::HistoryVia
            | TypeKey::Choice(..) => Kind::Enum,
            TypeKey::Figures(_, ty) => ty.kind(),
            TypeKey::Within
            | TypeKey::Filter(_)
            | TypeKey::ListFilter(_)
            | TypeKey::OrderBy(_)
            | TypeKey::Create(_)
            | TypeKey::Update(_)
            | TypeKey::Unique(_)
            | TypeKey::UniqueSet(..)
            | TypeKey::Upsert(_)
            | TypeKey::ToOneInput(_)
            | TypeKey::ToManyInput(_)
            | TypeKey::ChoiceFilter(..)
            | TypeKey::GroupFilter(_)
            | TypeKey::GroupOrderBy(_)
            | TypeKey::GroupInput(_)
            | TypeKey::UnionFilter(..)
            | TypeKey::LinkInput(..)
            | TypeKey::LinkDataInput(..)
            | TypeKey::ScalarFilter(_) => Kind::InputObject,
            TypeKey::Union(..) => Kind::Union,
            TypeKey::Introspection(position) => introspection_types::kind(position),
        }
    }

    /// The fields of an object or interface, without the meta-fields; none for other kinds.
    pub fn fields(&self, key: TypeKey) -> Vec<OutputField> {
        match key {
            TypeKey::Query => self.query_fields(),
            TypeKey::Mutation => self.mutation_fields(),
            TypeKey::Subscription => self.subscription_fields(),
            TypeKey::Record(module) => self.record_fields(module),
            TypeKey::Connection(module) => self.connection_fields(module),
            TypeKey::Edge(module) => self.edge_fields(module),
            TypeKey::LinkConnection(module, relation) => self.link_connection_fields(module, relation),
            TypeKey::LinkEdge(module, relation) => self.link_edge_fields(module, relation),
            TypeKey::Group(shape) => self.group_fields(shape),
            TypeKey::Figures(module, ty) => self.figure_fields(module, ty),
            TypeKey::Change(module) => self.change_fields(module),
            TypeKey::Node => self.node_fields(),
            TypeKey::PageInfo => self.page_info_fields(),
            TypeKey::BulkResult => self.bulk_result_fields(),
            TypeKey::Viewer => self.viewer_fields(),
            TypeKey::ViewerModule => self.viewer_module_fields(),
            TypeKey::SearchConnection => self.search_connection_fields(),
            TypeKey::SearchEdge => self.search_edge_fields(),
            TypeKey::SearchHit => self.search_hit_fields(),
            TypeKey::TimelineConnection => self.timeline_connection_fields(),
            TypeKey::TimelineEdge => self.timeline_edge_fields(),
            TypeKey::TimelineEntry => self.timeline_entry_fields(),
            TypeKey::OccurrenceConnection => self.occurrence_connection_fields(),
            TypeKey::OccurrenceEdge => self.occurrence_edge_fields(),
            TypeKey::OccurrenceEntry => self.occurrence_entry_fields(),
            TypeKey::BusyTimes => self.busy_times_fields(),
            TypeKey::BusyTime => self.busy_time_fields(),
            TypeKey::BusyEntry => self.busy_entry_fields(),
            TypeKey::NotificationConnection => self.notification_connection_fields(),
            TypeKey::NotificationEdge => self.notification_edge_fields(),
            TypeKey::Notification => self.notification_fields(),
            TypeKey::NotificationChange => self.notification_change_fields(),
            TypeKey::HistoryConnection => self.history_connection_fields(),
            TypeKey::HistoryEdge => self.history_edge_fields(),
            TypeKey::HistoryEntry => self.history_entry_fields(),
            TypeKey::FieldChange => self.field_change_fields(),
            TypeKey::Introspection(position) => introspection_types::fields(position),
            _ => Vec::new(),
        }
    }

    /// The field of this name, `__typename` of every composite type and the root's `__schema` and `__type` included.
    pub fn field(&self, key: TypeKey, name: &str) -> Option<OutputField> {
        if name.starts_with("__") {
            return self.meta_field(key, name);
        }
        match key {
            TypeKey::Query => self.query_field(name),
            TypeKey::Mutation => self.mutation_field(name),
            TypeKey::Subscription => self.subscription_field(name),
            TypeKey::Record(module) => self.record_field(module, name),
            TypeKey::Figures(module, ty) => self.figure_field(module, ty, name),
            _ => self.fields(key).into_iter().find(|field| field.name == name),
        }
    }

    /// The fields of an input object; none for other kinds.
    pub fn input_fields(&self, key: TypeKey) -> Vec<InputValue> {
        match key {
            TypeKey::Filter(module) => self.filter_fields(module),
            TypeKey::ListFilter(module) => self.list_filter_fields(module),
            TypeKey::ScalarFilter(scalar) => self.scalar_filter_fields(scalar),
            TypeKey::Within => self.within_fields(),
            TypeKey::ChoiceFilter(module, field) => self.choice_filter_fields(module, field),
            TypeKey::LinkInput(module, relation) => self.link_input_fields(module, relation),
            TypeKey::LinkDataInput(module, relation) => self.link_data_fields(module, relation),
            TypeKey::UnionFilter(module, field) => self.union_filter_fields(module, field),
            TypeKey::OrderBy(module) => self.order_fields(module),
            TypeKey::GroupFilter(shape) => self.group_filter_fields(shape),
            TypeKey::GroupOrderBy(shape) => self.group_order_fields(shape),
            TypeKey::GroupInput(shape) => self.group_input_fields(shape),
            TypeKey::Create(module) => self.create_fields(module),
            TypeKey::Update(module) => self.update_fields(module),
            TypeKey::Figures(module, ty) => self.figure_inputs(module, ty),
            TypeKey::Unique(module) => self.unique_fields(module),
            TypeKey::UniqueSet(module, position) => self.unique_set_fields(module, position),
            TypeKey::Upsert(module) => upsert_fields(module),
            TypeKey::ToOneInput(module) => self.to_one_fields(module),
            TypeKey::ToManyInput(module) => self.to_many_fields(module),
            _ => Vec::new(),
        }
    }

    /// The field of this name of an input object.
    pub fn input_field(&self, key: TypeKey, name: &str) -> Option<InputValue> {
        match key {
            TypeKey::Filter(module) => self.filter_field(module, name),
            TypeKey::OrderBy(module) => self.order_field(module, name),
            TypeKey::Create(module) => self.create_input(module, name),
            TypeKey::Update(module) => self.update_input(module, name),
            _ => self.input_fields(key).into_iter().find(|field| field.name == name),
        }
    }

    /// The values of an enum; none for other kinds.
    pub fn enum_values(&self, key: TypeKey) -> Vec<EnumValue> {
        match key {
            TypeKey::SortOrder => self.sort_orders(),
            TypeKey::Deleted => self.deleted_values(),
            TypeKey::DatePart => self.date_parts(),
            TypeKey::ChangeKind => self.change_kinds(),
            TypeKey::HistoryAction => self.history_actions(),
            TypeKey::HistoryVia => self.history_vias(),
            TypeKey::Choice(module, field) => self.choice_values(module, field),
            TypeKey::Introspection(position) => introspection_types::enum_values(position),
            _ => Vec::new(),
        }
    }

    /// Whether the enum has a value of this name; without making the list.
    pub fn has_enum_value(&self, key: TypeKey, name: &str) -> bool {
        match key {
            TypeKey::Choice(module, field) => {
                let options = self.catalog.field(module, field).options().unwrap_or_default();
                options.iter().any(|option| option.value == name)
            }
            _ => self.enum_values(key).iter().any(|value| value.name == name),
        }
    }

    /// The object types that a value of an abstract type may have; none for other kinds.
    pub fn possible_types(&self, key: TypeKey) -> Vec<TypeKey> {
        match key {
            TypeKey::Node => {
                let modules = self.catalog.modules.iter().map(|module| module.id);
                modules.filter(|module| self.is_listed(*module)).map(TypeKey::Record).collect()
            }
            TypeKey::Union(module, field) => {
                let field = self.catalog.field(module, field);
                self.rights.readable_targets(field).map(TypeKey::Record).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The interfaces that an object type implements.
    pub fn interfaces(&self, key: TypeKey) -> Vec<TypeKey> {
        let is_node = matches!(key, TypeKey::Record(_)) && self.implements(key, TypeKey::Node);
        if is_node { vec![TypeKey::Node] } else { Vec::new() }
    }

    /// Whether a value of the object type `object` is one of `key`, which may be the same, an interface or a union.
    pub fn implements(&self, object: TypeKey, key: TypeKey) -> bool {
        object == key
            || match (object, key) {
                (TypeKey::Record(record), TypeKey::Node) => !self.catalog.module(record).held,
                (TypeKey::Record(record), TypeKey::Union(module, field)) => {
                    let reference = self.catalog.field(module, field).reference();
                    self.knows(record) && reference.is_some_and(|reference| reference.targets.contains(&record))
                }
                _ => false,
            }
    }

    /// Whether values of the two composite types may be the same: what a fragment on one may be spread into.
    pub fn overlaps(&self, one: TypeKey, other: TypeKey) -> bool {
        if self.implements(one, other) || self.implements(other, one) {
            return true;
        }
        let others = self.possible_types(other);
        self.possible_types(one).iter().any(|key| others.contains(key))
    }

    /// Whether exactly one field of the input object must be given.
    pub fn is_one_of(&self, key: TypeKey) -> bool {
        match key {
            TypeKey::OrderBy(_)
            | TypeKey::GroupOrderBy(_)
            | TypeKey::Within
            | TypeKey::Unique(_)
            | TypeKey::ToOneInput(_) => true,
            TypeKey::Figures(_, ty) => ty.is_one_of(),
            _ => false,
        }
    }

    /// Whether values may be given by a client.
    pub fn is_input(&self, key: TypeKey) -> bool {
        matches!(self.kind(key), Kind::Scalar | Kind::Enum | Kind::InputObject)
    }

    /// Whether values have fields to select.
    pub fn is_composite(&self, key: TypeKey) -> bool {
        matches!(self.kind(key), Kind::Object | Kind::Interface | Kind::Union)
    }

    /// What the type is for.
    pub fn description(&self, key: TypeKey) -> Option<String> {
        let label = |module| self.catalog.module(module).label.text(self.language).to_owned();
        Some(match key {
            TypeKey::Query => "What can be read.".to_owned(),
            TypeKey::Mutation => "What can be changed. All mutations of one operation take effect, or none.".to_owned(),
            TypeKey::Subscription => "What can be followed.".to_owned(),
            TypeKey::ChangeKind => "What happened to a record, as the caller sees it.".to_owned(),
            TypeKey::Change(module) => format!("A change of a record: {}.", label(module)),
            TypeKey::Node => "A record of any module.".to_owned(),
            TypeKey::PageInfo => "Where a page stands in its list.".to_owned(),
            TypeKey::Viewer => "The caller.".to_owned(),
            TypeKey::ViewerModule => "What the caller may do with one module.".to_owned(),
            TypeKey::HistoryConnection => "A page of what was done to a record, the newest first.".to_owned(),
            TypeKey::HistoryEdge => "Something that was done to a record, with its place in the history.".to_owned(),
            TypeKey::HistoryEntry => "Something that was done to a record.".to_owned(),
            TypeKey::FieldChange => "The old and the new value of a field.".to_owned(),
            TypeKey::HistoryAction => "What was done to a record.".to_owned(),
            TypeKey::HistoryVia => "Through what it was done.".to_owned(),
            TypeKey::SearchConnection => "A page of what a search found.".to_owned(),
            TypeKey::SearchEdge => "Something that was found, with its place in the order.".to_owned(),
            TypeKey::SearchHit => "A record that was found.".to_owned(),
            TypeKey::TimelineConnection => "A page of what belongs to a record, in the order of time.".to_owned(),
            TypeKey::TimelineEdge => "Something that belongs to a record, with its place in the order.".to_owned(),
            TypeKey::TimelineEntry => "Something that belongs to a record.".to_owned(),
            TypeKey::OccurrenceConnection => "A page of when records occur, in the order of time.".to_owned(),
            TypeKey::OccurrenceEdge => "One time that a record occurs, with its place in the order.".to_owned(),
            TypeKey::OccurrenceEntry => "One time that a record occurs.".to_owned(),
            TypeKey::BusyTimes => "When a user is busy.".to_owned(),
            TypeKey::BusyTime => "A span of time in which a user is busy.".to_owned(),
            TypeKey::BusyEntry => "A time at which a user is busy, and what with.".to_owned(),
            TypeKey::NotificationConnection => "A page of what the caller was told of.".to_owned(),
            TypeKey::NotificationEdge => "What the caller was told of, with its place in the order.".to_owned(),
            TypeKey::Notification => "What the caller was told of.".to_owned(),
            TypeKey::NotificationChange => "That the caller was told of something.".to_owned(),
            TypeKey::SortOrder => {
                "The direction of an order. Absent values stand last ascending and first descending, unless said otherwise."
                    .to_owned()
            }
            TypeKey::Deleted => "Whether deleted records take part.".to_owned(),
            TypeKey::Record(module) => {
                let module = self.catalog.module(module);
                module.description.as_ref().unwrap_or(&module.label).text(self.language).to_owned()
            }
            TypeKey::Connection(module) => format!("A page of a list of records: {}.", label(module)),
            TypeKey::Edge(module) => format!("A record in a list, with its place: {}.", label(module)),
            TypeKey::LinkInput(..) => "What becomes of a record's links.".to_owned(),
            TypeKey::LinkDataInput(..) => "A record to be linked, with the link's own fields.".to_owned(),
            TypeKey::LinkConnection(..) => "A page of a list of linked records.".to_owned(),
            TypeKey::LinkEdge(..) => "A linked record in a list, with its place and the fields of the link.".to_owned(),
            TypeKey::Filter(module) => format!("Which records: all conditions must be met. {}.", label(module)),
            TypeKey::ListFilter(_) => "A condition on related records: some, none or every one of them.".to_owned(),
            TypeKey::OrderBy(_) | TypeKey::GroupOrderBy(_) => "One key of an order; give exactly one field.".to_owned(),
            TypeKey::Create(module) => format!("The values of a new record: {}.", label(module)),
            TypeKey::Update(module) => format!("The values to change; those left out keep theirs. {}.", label(module)),
            TypeKey::Unique(module) => format!("What tells one record; give exactly one field. {}.", label(module)),
            TypeKey::UniqueSet(module, _) => format!("Values that no two records share. {}.", label(module)),
            TypeKey::Upsert(module) => format!("What tells one record, and its values: {}.", label(module)),
            TypeKey::ToOneInput(module) => format!("The record to refer to; give exactly one field. {}.", label(module)),
            TypeKey::ToManyInput(module) => format!("Related records to write: {}.", label(module)),
            TypeKey::BulkResult => "What a mutation with a filter has written.".to_owned(),
            TypeKey::Union(_, Module::OWNER) => "Who owns a record.".to_owned(),
            TypeKey::Choice(module, field) => Words::of_field(self.catalog.field(module, field)).text(self.language).into_owned(),
            TypeKey::Group(GroupShape::Address) => "A postal address; null where no part has a value.".to_owned(),
            TypeKey::Group(GroupShape::GeoPoint) => "A place on Earth, in degrees by WGS 84.".to_owned(),
            TypeKey::GroupInput(_) => "The parts to write; those left out keep their value, null clears.".to_owned(),
            TypeKey::GroupFilter(_) => "All conditions on the parts must hold.".to_owned(),
            TypeKey::Scalar(scalar) => return scalar_description(scalar).map(str::to_owned),
            TypeKey::ScalarFilter(_) | TypeKey::ChoiceFilter(..) => {
                "All operators that are given must hold; none but `isNull` matches an absent value.".to_owned()
            }
            TypeKey::UnionFilter(..) => {
                "What the reference leads to: all conditions must hold, so at most one module's can.".to_owned()
            }
            TypeKey::Union(..) => "What the reference may lead to.".to_owned(),
            TypeKey::DatePart => "A period of the calendar, in the caller's time zone.".to_owned(),
            TypeKey::Within => {
                "A span of time around now, in the caller's time zone; give exactly one field.".to_owned()
            }
            TypeKey::Figures(_, ty) => return ty.description().map(str::to_owned),
            TypeKey::Introspection(_) => return None,
        })
    }
}

fn scalar_description(scalar: Scalar) -> Option<&'static str> {
    Some(match scalar {
        Scalar::BigInt => "A whole number of up to 64 bits, as a string; input may be an integer too.",
        Scalar::Decimal => {
            "An exact decimal, as a string such as \"12.50\"; input is a string or an integer, of at most 28 digits."
        }
        Scalar::Date => "A calendar date: YYYY-MM-DD.",
        Scalar::Time => "A time of day: HH:MM:SS.",
        Scalar::DateTime => "An instant by RFC 3339; output is in UTC with milliseconds.",
        Scalar::Duration => {
            "A length of time by ISO 8601, in weeks, days of 24 hours, hours, minutes and whole seconds: P1DT2H30M."
        }
        Scalar::EmailAddress => "An e-mail address.",
        Scalar::PhoneNumber => "A phone number.",
        Scalar::Url => "An absolute URL.",
        Scalar::Json => "Any JSON value.",
        Scalar::Int | Scalar::Float | Scalar::String | Scalar::Boolean | Scalar::Id => return None,
    })
}
