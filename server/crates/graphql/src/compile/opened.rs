//! The places in an order that cursors name: opened when an operation is compiled, and again in each request that it serves.

use cardine_model::Value;
use cardine_model::catalog::{FieldId, ModuleId};
use cardine_query::{KeysetValue, OrderKey, Slot};

use super::list::ListBuilder;
use super::order::key_value;
use super::{Compiler, Setting};
use crate::cursor::CursorContext;
use crate::variables::{Inputs, Place, Reading, Use};

/// A cursor that comes from a variable: later requests put their own in its slots.
#[derive(Debug)]
pub struct GivenCursor {
    cursor: Place,
    /// Position among the operation's contexts.
    context: usize,
    keys: Vec<Key>,
    /// The slot of the first key; the others follow.
    first_slot: usize,
}

#[derive(Debug)]
struct Key {
    module: ModuleId,
    field: FieldId,
    /// Part of the structure, as the SQL differs.
    is_null: bool,
}

impl GivenCursor {
    /// Where its values stand.
    pub fn slots(&self) -> std::ops::Range<usize> {
        self.first_slot..self.first_slot + self.keys.len()
    }

    /// Puts the place that the request's cursor names into `values`. `None` if it is no cursor of this list, or one for which the
    /// structure would be another.
    pub fn put(
        &self,
        setting: Setting<'_>,
        inputs: &Inputs,
        contexts: &[CursorContext],
        values: &mut [Value],
    ) -> Option<()> {
        let Value::Text(cursor) = self.cursor.value(inputs) else { return None };
        let fields = self.keys.iter().map(|key| (key.module, key.field));
        let place = open(setting, fields, &cursor, contexts.get(self.context)?)?;
        for (position, (key, value)) in self.keys.iter().zip(place).enumerate() {
            if key.is_null != value.is_null() {
                return None;
            }
            *values.get_mut(self.first_slot + position)? = value;
        }
        Some(())
    }
}

impl<'a> Compiler<'a> {
    /// The place that a cursor names in the list's order; `None` if it is none of this list's. `context` is the position of the
    /// list's own.
    pub(super) fn open_cursor(
        &mut self,
        list: &ListBuilder<'a>,
        cursor: &str,
        given: Option<Use>,
        context: usize,
    ) -> Option<Vec<KeysetValue>> {
        let field = |key: &OrderKey| (key.path.hops.last().map_or(list.list.module, |hop| hop.target), key.path.field);
        let fields = list.list.order.iter().map(field);
        let place = open(self.setting, fields.clone(), cursor, &self.contexts[context].now())?;
        let key =
            |((module, field), value): ((ModuleId, FieldId), &Value)| Key { module, field, is_null: value.is_null() };
        let keys = fields.zip(&place).map(key).collect();
        let opened: Vec<KeysetValue> =
            place.into_iter().map(|value| KeysetValue { is_null: value.is_null(), slot: self.slot(value) }).collect();
        if let (Some(given), Some(KeysetValue { slot: Slot(first), .. })) = (given, opened.first()) {
            let cursor = self.variables.take(given, Reading::Free);
            self.cursors.push(GivenCursor { cursor, context, keys, first_slot: *first as usize });
        }
        Some(opened)
    }
}

/// A value for each of the order's fields.
fn open(
    setting: Setting<'_>,
    fields: impl ExactSizeIterator<Item = (ModuleId, FieldId)>,
    cursor: &str,
    context: &CursorContext,
) -> Option<Vec<Value>> {
    let place = setting.cursors.open(context, cursor)?;
    if place.len() != fields.len() {
        return None;
    }
    let catalog = setting.schema.catalog;
    fields.zip(&place).map(|((module, field), json)| key_value(catalog.field(module, field), json)).collect()
}
