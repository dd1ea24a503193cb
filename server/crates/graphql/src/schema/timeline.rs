//! The timeline of a record: its root field, and the types of what it answers.

use cardine_model::catalog::{Module, ModuleId};
use cardine_model::name::lower_first;
use cardine_model::timeline::TimelineWay;

use super::root::id_argument;
use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const DATE_TIME: TypeKey = TypeKey::Scalar(Scalar::DateTime);

/// What follows a module's name in the name of its timeline.
pub(super) const TIMELINE_SUFFIX: &str = "Timeline";

impl<'c> Schema<'c> {
    /// The ways to what belongs to a record, those that exist for the caller. A hidden `at` is one that was never named.
    pub fn timeline_ways(&self, module: ModuleId) -> Vec<TimelineWay<'c>> {
        let (catalog, definition) = (self.catalog, self.catalog.module(module));
        let Some(timeline) = definition.timeline.as_deref().filter(|_| self.is_listed(module)) else {
            return Vec::new();
        };
        let is_open = |way: &TimelineWay<'_>| {
            way.relations.iter().all(|relation| self.is_listed(relation.module) && self.reads_relation(relation))
        };
        let ways = timeline.ways(catalog, definition).filter(is_open);
        ways.map(|way| match way.module() {
            Some(end) if !self.reads(end, way.at) => TimelineWay { at: Module::CREATED_AT, ..way },
            _ => way,
        })
        .collect()
    }

    /// Whether some module has a timeline for the caller.
    pub fn has_timelines(&self) -> bool {
        self.catalog.modules.iter().any(|module| !self.timeline_ways(module.id).is_empty())
    }

    pub(super) fn timeline_field(&self, module: &Module) -> Option<OutputField> {
        let ways = self.timeline_ways(module.id);
        if ways.is_empty() {
            return None;
        }
        let lists: Vec<&str> = ways.iter().map(|way| way.list).collect();
        let words = format!("What belongs to a record, the latest first: {}.", lists.join(", "));
        let ty = TypeRef::required(TypeKey::TimelineConnection);
        let name = format!("{}{TIMELINE_SUFFIX}", lower_first(&module.name));
        let field = OutputField::new(&name, ty, Meaning::Timeline(module.id), Some(words));
        Some(field.with(vec![
            id_argument(),
            InputValue::argument("lists", TypeRef::list(STRING), "Only what these of its lists have."),
            InputValue::argument("first", TypeRef::named(INT), "How many; 50 by default, at most 1,000."),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
        ]))
    }

    pub(super) fn timeline_connection_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::TimelineEntry), "What belongs to the record."),
            OutputField::part(
                "edges",
                TypeRef::required_list(TypeKey::TimelineEdge),
                "What belongs to the record, with the places in the order.",
            ),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
        ]
    }

    pub(super) fn timeline_edge_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("cursor", TypeRef::required(STRING), "The place in the order, for `after`."),
            OutputField::part("node", TypeRef::required(TypeKey::TimelineEntry), "What belongs to the record."),
        ]
    }

    pub(super) fn timeline_entry_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("at", TypeRef::required(DATE_TIME), "When it was or will be."),
            OutputField::part("list", TypeRef::required(STRING), "Which of the lists has it."),
            OutputField::part("module", TypeRef::required(STRING), "The name of its module."),
            OutputField::part("title", TypeRef::named(STRING), "The field that names it."),
            OutputField::part("record", TypeRef::required(TypeKey::Node), "It."),
        ]
    }
}
