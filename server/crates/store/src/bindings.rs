//! The values of a request, and which of them each parameter of a statement takes.

use std::borrow::Cow;

use cardine_access::SharedOwners;
use cardine_model::{Decimal, Value, json_value, text};
use cardine_query::{Slot, Span};
use cardine_sql::{Param, SpanOf, Statement, Transform};
use chrono::{DateTime, NaiveDate, Utc};
use uuid::Uuid;

use crate::StoreError;
use crate::calendar::{self, Length};
use crate::zone::Zone;

/// The values that the parameters of statements take. Cheap to copy: `Bindings { parents: &ids, ..bindings }`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bindings<'a> {
    /// The request's values, by [`Slot`].
    pub values: &'a [Value],
    /// The ids of the parent records, each once.
    pub parents: &'a [Uuid],
    /// The owners whose private records the caller may see, in the order of their bytes.
    pub visible_owners: &'a [Uuid],
    /// The owners whose records of a module sharing rules open to the caller.
    pub shared_owners: &'a [SharedOwners],
    /// Whom a single record may be shared with so that the caller is meant.
    pub principals: &'a [Uuid],
    /// The caller.
    pub actor: Option<Uuid>,
    /// The instant of the request.
    pub now: DateTime<Utc>,
    /// Today in the caller's time zone.
    pub today: NaiveDate,
    /// That zone's IANA name; one that is not known counts as UTC.
    pub time_zone: &'a str,
}

/// What one parameter is bound to.
#[derive(Debug)]
pub(crate) enum Bound<'a> {
    Value(Cow<'a, Value>),
    Ids(&'a [Uuid]),
    /// In the order of their bytes.
    IdsInOrder(&'a [Uuid]),
}

/// What each parameter of `statement` is bound to, in their order.
pub(crate) fn resolve_params<'a>(
    statement: &'a Statement,
    bindings: &Bindings<'a>,
) -> Result<Vec<Bound<'a>>, StoreError> {
    statement.params.iter().map(|param| resolve_param(param, bindings)).collect()
}

fn resolve_param<'a>(param: &'a Param, bindings: &Bindings<'a>) -> Result<Bound<'a>, StoreError> {
    let value = match param {
        Param::Slot(slot, transform) => transform_value(slot_value(*slot, bindings)?, *transform),
        Param::SlotPlus(slot, more) => match slot_value(*slot, bindings)? {
            Value::Integer(number) => Cow::Owned(Value::Integer(number.saturating_add(*more))),
            Value::Null => Cow::Owned(Value::Null),
            _ => return Err(StoreError::internal(format!("slot {} is no integer", slot.0))),
        },
        Param::Value(value, transform) => transform_value(value, *transform),
        Param::Parents => return Ok(Bound::Ids(bindings.parents)),
        Param::VisibleOwners => return Ok(Bound::Ids(bindings.visible_owners)),
        Param::VisibleOwnersInOrder => {
            debug_assert!(bindings.visible_owners.is_sorted(), "an owner that is not in its place is not found");
            return Ok(Bound::IdsInOrder(bindings.visible_owners));
        }
        Param::SharedOwners(module, action) => {
            let shared =
                bindings.shared_owners.iter().find(|shared| (shared.module, shared.action) == (*module, *action));
            return Ok(Bound::Ids(shared.map_or(&[], |shared| &shared.owners)));
        }
        Param::Principals => return Ok(Bound::Ids(bindings.principals)),
        Param::ActorId => Cow::Owned(bindings.actor.map_or(Value::Null, Value::Id)),
        Param::Now => Cow::Owned(Value::DateTime(bindings.now)),
        Param::Today => Cow::Owned(Value::Date(bindings.today)),
        Param::SpanStart(span, of) => Cow::Owned(span_bounds(*span, *of, bindings)?.0),
        Param::SpanEnd(span, of) => Cow::Owned(span_bounds(*span, *of, bindings)?.1),
        Param::TimeZone => Cow::Owned(Value::Text(Zone::named(bindings.time_zone).name().to_owned())),
        Param::ZoneStarts => Cow::Borrowed(&Zone::named(bindings.time_zone).offsets().starts),
        Param::ZoneOffsets => Cow::Borrowed(&Zone::named(bindings.time_zone).offsets().seconds),
    };
    Ok(Bound::Value(value))
}

/// A span's first date or instant, and the first one behind it.
fn span_bounds(span: Span, of: SpanOf, bindings: &Bindings<'_>) -> Result<(Value, Value), StoreError> {
    let seconds = |slot: Slot| match slot_value(slot, bindings)? {
        Value::Integer(seconds) => Ok(*seconds),
        _ => Err(StoreError::internal(format!("slot {} is no number of seconds", slot.0))),
    };
    let length = match span {
        Span::Last(slot) => Length::Last(seconds(slot)?),
        Span::Next(slot) => Length::Next(seconds(slot)?),
        Span::This(part) => Length::This(part),
    };
    Ok(match of {
        SpanOf::Dates => {
            let (start, end) = calendar::dates(length, bindings.today);
            (Value::Date(start), Value::Date(end))
        }
        SpanOf::Instants => {
            let zone = Zone::named(bindings.time_zone);
            let (start, end) = calendar::instants(length, bindings.now, bindings.today, zone);
            (Value::DateTime(start), Value::DateTime(end))
        }
    })
}

fn slot_value<'a>(slot: Slot, bindings: &Bindings<'a>) -> Result<&'a Value, StoreError> {
    let value = usize::try_from(slot.0).ok().and_then(|position| bindings.values.get(position));
    value.ok_or_else(|| StoreError::internal(format!("slot {} of {} values", slot.0, bindings.values.len())))
}

/// What a JSON operand is to one parameter; null where it is nothing of the kind.
fn transform_json(json: &serde_json::Value, transform: Transform) -> Value {
    let text = || json.as_str().map(str::to_owned);
    let made = match transform {
        Transform::JsonKey => json_value::key(json).map(Value::Text),
        Transform::JsonNumber => {
            json_value::number(json).and_then(|digits| Decimal::parse(&digits)).map(Value::Decimal)
        }
        Transform::JsonText => text().map(Value::Text),
        Transform::JsonSortKey => text().map(|text| Value::Text(text::sort_key(&text).into_owned())),
        Transform::None
        | Transform::Fold
        | Transform::SortKey
        | Transform::PrefixStart
        | Transform::PrefixEnd
        | Transform::JsonSteps => Some(Value::Json(json.clone())),
    };
    made.unwrap_or(Value::Null)
}

fn transform_value(value: &Value, transform: Transform) -> Cow<'_, Value> {
    match (value, transform) {
        (Value::Text(place), Transform::JsonSteps) => Cow::Owned(match json_value::steps(place) {
            Some(steps) => Value::List(steps.into_iter().map(Value::Text).collect()),
            None => Value::Null,
        }),
        (Value::Text(text), transform) => match transform_text(text, transform) {
            Cow::Borrowed(same) if same.len() == text.len() => Cow::Borrowed(value),
            changed => Cow::Owned(Value::Text(changed.into_owned())),
        },
        (Value::Json(json), _) => Cow::Owned(transform_json(json, transform)),
        (Value::List(elements), Transform::Fold | Transform::SortKey | Transform::JsonKey) => {
            let changed = elements.iter().map(|element| transform_value(element, transform).into_owned());
            Cow::Owned(Value::List(changed.collect()))
        }
        _ => Cow::Borrowed(value),
    }
}

fn transform_text(text: &str, transform: Transform) -> Cow<'_, str> {
    match transform {
        Transform::None
        | Transform::JsonSteps
        | Transform::JsonKey
        | Transform::JsonNumber
        | Transform::JsonText
        | Transform::JsonSortKey => Cow::Borrowed(text),
        Transform::Fold => text::fold(text),
        Transform::SortKey => text::sort_key(text),
        Transform::PrefixStart => Cow::Owned(text::sort_keys_from(text).0),
        Transform::PrefixEnd => Cow::Owned(text::sort_keys_from(text).1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(param: Param, values: &[Value]) -> Value {
        let statement = Statement { text: String::new(), params: vec![param], columns: Vec::new() };
        let bindings = Bindings { values, ..Bindings::default() };
        match resolve_params(&statement, &bindings).unwrap().remove(0) {
            Bound::Value(value) => value.into_owned(),
            Bound::Ids(_) | Bound::IdsInOrder(_) => panic!("ids"),
        }
    }

    #[test]
    fn text_is_transformed() {
        let slot = |transform| Param::Slot(Slot(0), transform);
        let values = [Value::Text("50%_\\ÈÀ".to_owned())];
        let text = |transform| match bound(slot(transform), &values) {
            Value::Text(text) => text,
            other => panic!("{other:?}"),
        };
        assert_eq!(text(Transform::None), "50%_\\ÈÀ");
        assert_eq!(text(Transform::Fold), "50%_\\èà");
        assert_eq!(text(Transform::SortKey), "50%_\\ea");
        assert_eq!(
            (text(Transform::PrefixStart), text(Transform::PrefixEnd)),
            ("50%_\\ea".to_owned(), "50%_\\eb".to_owned())
        );
    }

    #[test]
    fn lists_are_folded_by_element_and_null_stays_null() {
        let list = Value::List(vec![Value::Text("A".to_owned()), Value::Null, Value::Integer(1)]);
        let folded = Value::List(vec![Value::Text("a".to_owned()), Value::Null, Value::Integer(1)]);
        assert_eq!(bound(Param::Value(list, Transform::Fold), &[]), folded);
        assert_eq!(bound(Param::Slot(Slot(0), Transform::Fold), &[Value::Null]), Value::Null);
        assert_eq!(bound(Param::SlotPlus(Slot(0), 1), &[Value::Integer(50)]), Value::Integer(51));
    }

    #[test]
    fn a_slot_without_a_value_is_an_error() {
        let statement =
            Statement { text: String::new(), params: vec![Param::Slot(Slot(1), Transform::None)], columns: Vec::new() };
        let bindings = Bindings { values: &[Value::Null], ..Bindings::default() };
        assert!(matches!(resolve_params(&statement, &bindings), Err(StoreError::Internal(_))));
    }
}
