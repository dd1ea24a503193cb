//! When the records of a module occur: the root field, and the types of what it answers.

use cardine_model::catalog::{Module, ModuleId};
use cardine_model::name::lower_first;
use cardine_model::recurrence::RecurrenceFields;

use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const INT: TypeKey = TypeKey::Scalar(Scalar::Int);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const BOOLEAN: TypeKey = TypeKey::Scalar(Scalar::Boolean);
const DATE_TIME: TypeKey = TypeKey::Scalar(Scalar::DateTime);

/// What follows a module's name in the name of its occurrences.
pub(super) const OCCURRENCES_SUFFIX: &str = "Occurrences";

impl<'c> Schema<'c> {
    /// The fields that tell when records occur, if the caller may read all of them: each would be known from the occurrences. Without
    /// that of a series' end where it is hidden.
    pub fn recurrence_fields(&self, module: ModuleId) -> Option<RecurrenceFields<'c>> {
        let definition = self.catalog.module(module);
        let recurrence = definition.recurrence.as_deref().filter(|_| self.is_listed(module))?;
        let fields = recurrence.fields(definition)?;
        let reads = |field: &cardine_model::Field| self.reads(module, field.id);
        fields.read().all(reads).then(|| RecurrenceFields { last: fields.last.filter(|last| reads(last)), ..fields })
    }

    /// Whether the records of some module occur for the caller.
    pub fn has_occurrences(&self) -> bool {
        self.catalog.modules.iter().any(|module| self.recurrence_fields(module.id).is_some())
    }

    pub(super) fn occurrences_field(&self, module: &Module) -> Option<OutputField> {
        self.recurrence_fields(module.id)?;
        let words = "When records occur in a window of time, once or by their rules; the earliest first.".to_owned();
        let ty = TypeRef::required(TypeKey::OccurrenceConnection);
        let name = format!("{}{OCCURRENCES_SUFFIX}", lower_first(&module.name));
        let field = OutputField::new(&name, ty, Meaning::Occurrences(module.id), Some(words));
        let instant = TypeRef::required(DATE_TIME);
        Some(field.with(vec![
            InputValue::argument("from", instant.clone(), "From when on: what has not ended by then."),
            InputValue::argument("to", instant, "Before when; at most 366 days later."),
            InputValue::argument("filter", TypeRef::named(TypeKey::Filter(module.id)), "Of which records."),
            InputValue::argument("first", TypeRef::named(INT), "How many; 50 by default, at most 1,000."),
            InputValue::argument("after", TypeRef::named(STRING), "Only what comes after this cursor."),
        ]))
    }

    pub(super) fn occurrence_connection_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("nodes", TypeRef::required_list(TypeKey::OccurrenceEntry), "When records occur."),
            OutputField::part(
                "edges",
                TypeRef::required_list(TypeKey::OccurrenceEdge),
                "When records occur, with the places in the order.",
            ),
            OutputField::part("pageInfo", TypeRef::required(TypeKey::PageInfo), "Where the page stands in the list."),
        ]
    }

    pub(super) fn occurrence_edge_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("cursor", TypeRef::required(STRING), "The place in the order, for `after`."),
            OutputField::part("node", TypeRef::required(TypeKey::OccurrenceEntry), "One time that a record occurs."),
        ]
    }

    pub(super) fn occurrence_entry_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("startsAt", TypeRef::required(DATE_TIME), "When it begins."),
            OutputField::part("endsAt", TypeRef::named(DATE_TIME), "When it ends."),
            OutputField::part("recurs", TypeRef::required(BOOLEAN), "Whether it is one of a series."),
            OutputField::part("title", TypeRef::named(STRING), "The field that names the record."),
            OutputField::part("record", TypeRef::required(TypeKey::Node), "The record."),
        ]
    }
}
