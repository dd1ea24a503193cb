//! Choices stand in the order of their options: the place of a value among them, and the value that stands at a place.

use cardine_model::Value;
use cardine_model::catalog::{Field, FieldKind};

use crate::statement::{Dialect, Param, Transform};
use crate::writer::Writer;

/// The options of a choice in their order; none where the values order in the same way by themselves, which an index may give.
pub(crate) fn places(field: &Field) -> Option<Value> {
    let FieldKind::Choice { options } = &field.kind else { return None };
    let is_by_value = options.is_sorted_by(|one, other| one.value <= other.value);
    let value = |option: &cardine_model::catalog::ChoiceOption| Value::Text(option.value.clone());
    (!is_by_value).then(|| Value::List(options.iter().map(value).collect()))
}

impl Writer<'_> {
    /// The place of `value`; null where it is null.
    pub fn place(&mut self, places: &Value, value: &str) -> String {
        let list = self.list_of(places);
        match self.dialect {
            Dialect::Sqlite => format!("cardine_place({list}, {value})"),
            Dialect::Postgres => format!("array_position({list}, {value})"),
        }
    }

    /// The place that a cursor names; that of an option which is gone meanwhile is behind all others.
    pub fn place_of_cursor(&mut self, places: &Value, value: &str) -> String {
        let behind = match places {
            Value::List(options) => options.len() + 1,
            _ => 0,
        };
        format!("coalesce({}, {behind})", self.place(places, value))
    }

    /// The first or last of all values, by `min` or `max`.
    pub fn extreme_place(&mut self, places: &Value, function: &str, value: &str) -> String {
        let place = self.place(places, value);
        let list = self.list_of(places);
        match self.dialect {
            Dialect::Sqlite => format!("({list} ->> {function}({place}))"),
            Dialect::Postgres => format!("({list})[{function}({place})]"),
        }
    }

    fn list_of(&mut self, places: &Value) -> String {
        self.typed_param(Param::Value(places.clone(), Transform::None), "text[]")
    }
}
