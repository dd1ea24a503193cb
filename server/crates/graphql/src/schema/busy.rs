//! When users are busy: the root field, and the types of what it answers.

use cardine_model::catalog::Module;
use cardine_model::name::lower_first;

use super::{InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const STRING: TypeKey = TypeKey::Scalar(Scalar::String);
const DATE_TIME: TypeKey = TypeKey::Scalar(Scalar::DateTime);

/// What follows a module's name in the name of its busy times.
pub(super) const BUSY_TIMES_SUFFIX: &str = "BusyTimes";

impl Schema<'_> {
    /// Whether some module tells the caller when users are busy.
    pub fn has_busy_times(&self) -> bool {
        self.catalog.modules.iter().any(|module| self.tells_busy_times(module))
    }

    pub(super) fn busy_times_field(&self, module: &Module) -> Option<OutputField> {
        if !self.tells_busy_times(module) {
            return None;
        }
        let words =
            "When users are busy who share their calendar with the caller, and what with, where they share that too."
                .to_owned();
        let ty = TypeRef::required_list(TypeKey::BusyTimes);
        let name = format!("{}{BUSY_TIMES_SUFFIX}", lower_first(&module.name));
        let field = OutputField::new(&name, ty, Meaning::BusyTimes(module.id), Some(words));
        let instant = TypeRef::required(DATE_TIME);
        Some(field.with(vec![
            InputValue::argument("users", TypeRef::required_list(ID), "Which users, at most 20."),
            InputValue::argument("from", instant.clone(), "From when on."),
            InputValue::argument("to", instant, "Before when; at most 366 days later."),
        ]))
    }

    /// It needs a module that says with whom calendars are shared, and that the caller may read what tells when records occur.
    fn tells_busy_times(&self, module: &Module) -> bool {
        let is_shared = |other: &Module| {
            let shares = other.calendar_shares.as_deref();
            shares.is_some_and(|shares| shares.of.contains(&module.name))
        };
        self.recurrence_fields(module.id).is_some_and(|fields| fields.end.is_some())
            && self.catalog.modules.iter().any(|other| is_shared(other))
    }

    pub(super) fn busy_times_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("userId", TypeRef::required(ID), "Whose they are."),
            OutputField::part(
                "times",
                TypeRef::list(TypeKey::BusyTime),
                "In their order, apart from each other; null where there is too much in the window to be told: narrow it.",
            ),
            OutputField::part(
                "entries",
                TypeRef::list(TypeKey::BusyEntry),
                "What makes the user busy, each time for itself; null where that is not shared with the caller.",
            ),
        ]
    }

    pub(super) fn busy_entry_fields(&self) -> Vec<OutputField> {
        let title = "What it is called; null for what is private, or where the caller may not read such names.";
        vec![
            OutputField::part("startsAt", TypeRef::required(DATE_TIME), "When it begins."),
            OutputField::part("endsAt", TypeRef::named(DATE_TIME), "When it ends."),
            OutputField::part("title", TypeRef::named(STRING), title),
        ]
    }

    pub(super) fn busy_time_fields(&self) -> Vec<OutputField> {
        vec![
            OutputField::part("startsAt", TypeRef::required(DATE_TIME), "From when on the user is busy."),
            OutputField::part("endsAt", TypeRef::required(DATE_TIME), "Until when."),
        ]
    }
}
