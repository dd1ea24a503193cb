//! A bound value → what SQLite stores for it.

use cardine_model::Value;
use rusqlite::types::{ToSqlOutput, Value as Stored, ValueRef};

use crate::bindings::Bound;
use crate::text_form::{push_id, push_list, push_plain};

/// Integers and booleans as integers, all else as text: an id hyphenated in lower case, a decimal in plain digits, dates and times as the
/// API shows them, lists as JSON. Ids in order are one blob, which `cardine_is_among` reads.
pub(super) fn encode<'a>(bound: &'a Bound<'_>) -> ToSqlOutput<'a> {
    let value = match bound {
        Bound::Value(value) => value.as_ref(),
        Bound::Ids(ids) => {
            let mut text = String::with_capacity(ids.len() * 39 + 2);
            push_list(*ids, &mut text, |id, out| {
                out.push('"');
                push_id(*id, out);
                out.push('"');
            });
            return ToSqlOutput::Owned(Stored::Text(text));
        }
        Bound::IdsInOrder(ids) => {
            return ToSqlOutput::Owned(Stored::Blob(ids.iter().flat_map(|id| *id.as_bytes()).collect()));
        }
    };
    match value {
        Value::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        Value::Boolean(truth) => ToSqlOutput::Borrowed(ValueRef::Integer(i64::from(*truth))),
        Value::Integer(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
        Value::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        other => {
            let mut text = String::new();
            push_plain(other, &mut text);
            ToSqlOutput::Owned(Stored::Text(text))
        }
    }
}
