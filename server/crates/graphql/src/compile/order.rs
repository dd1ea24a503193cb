//! Orders: their keys, which always end on the id, and the places in them that cursors name.

use cardine_model::catalog::{Field, FieldId, FieldPath, Hop, Module, ModuleId};
use cardine_model::{Decimal, ScalarType, Value};
use cardine_query::{Nulls, OrderKey};
use serde_json::Value as Json;
use uuid::Uuid;

use super::Compiler;
use super::list::ListBuilder;
use crate::coerce::{self, Input};
use crate::error::Error;
use crate::schema::InputTarget;

impl<'a> Compiler<'a> {
    pub(super) fn order(
        &mut self,
        list: &mut ListBuilder<'a>,
        module: ModuleId,
        order: Option<&Input>,
        level: usize,
    ) -> Result<(), Error> {
        let entries = order.map(Input::items).unwrap_or_default();
        if entries.len() > self.setting.limits.order_keys {
            return Err(Error::limit("keys of an order", self.setting.limits.order_keys, entries.len()));
        }
        // A record stands in a list by links once, as otherwise.
        let id = FieldPath { hops: list.base.clone(), field: Module::ID };
        for entry in entries {
            let Some(key) = self.order_key(list, module, entry, level)? else { continue };
            let known = list.list.order.iter().any(|known| known.path == key.path);
            let is_id = key.path == id;
            if !known {
                list.order(key)?;
            }
            // Nothing is left to decide after the id.
            if is_id {
                return Ok(());
            }
        }
        // In the direction of the key before it, so that an index over that key, read from either end, gives the whole order.
        let descending = list.list.order.last().is_some_and(|key| key.descending);
        list.order(OrderKey { path: id, descending, nulls: Nulls::Last })
    }

    pub(super) fn order_key(
        &self,
        list: &ListBuilder<'a>,
        mut module: ModuleId,
        entry: &Input,
        mut level: usize,
    ) -> Result<Option<OrderKey>, Error> {
        let mut hops = list.base.clone();
        let mut entry = entry;
        while let [(field, value)] = entry.fields() {
            match field.target {
                Some(InputTarget::Reference(reference)) => {
                    let targets =
                        self.schema.catalog.field(module, reference).reference().map(|one| one.targets.as_slice());
                    let Some([target]) = targets else { return Ok(None) };
                    level += 1;
                    list.check_level(level)?;
                    hops.push(Hop { field: reference, target: *target });
                    module = *target;
                    entry = value;
                }
                Some(InputTarget::Group(group)) => {
                    let [(part, direction)] = value.fields() else { return Ok(None) };
                    let Some(field) = self.part(module, group, &part.name) else { return Ok(None) };
                    return Ok(order_key(hops, field, direction));
                }
                Some(InputTarget::Value(field)) => {
                    return Ok(order_key(hops, field, value));
                }
                _ => return Ok(None),
            }
        }
        Ok(None)
    }
}

fn order_key(hops: Vec<Hop>, field: FieldId, order: &Input) -> Option<OrderKey> {
    let (descending, nulls) = direction(order)?;
    Some(OrderKey { path: FieldPath { hops, field }, descending, nulls })
}

/// Whether a `SortOrder` is descending, and where it puts absent values.
pub(super) fn direction(order: &Input) -> Option<(bool, Nulls)> {
    let Input::Value(Value::Text(direction)) = order else { return None };
    let descending = direction.starts_with("DESC");
    let first = direction.ends_with("NULLS_FIRST") || (descending && !direction.ends_with("NULLS_LAST"));
    Some((descending, if first { Nulls::First } else { Nulls::Last }))
}

/// An order key's value as a cursor holds it: as the row showed it.
pub(super) fn key_value(field: &Field, json: &Json) -> Option<Value> {
    if json.is_null() {
        return Some(Value::Null);
    }
    let text = json.as_str();
    Some(match field.scalar()? {
        ScalarType::Id => Value::Id(Uuid::try_parse(text?).ok()?),
        ScalarType::Text | ScalarType::Email | ScalarType::Phone | ScalarType::Url | ScalarType::Choice => {
            Value::Text(text?.to_owned())
        }
        // A computed number is a decimal to the database, whatever it is shown as.
        ScalarType::Integer | ScalarType::BigInteger | ScalarType::Duration => match json.as_i64() {
            Some(number) => Value::Integer(number),
            None => Value::Decimal(Decimal::parse(text?)?),
        },
        ScalarType::Decimal { .. } => Value::Decimal(Decimal::parse(text?)?),
        ScalarType::Boolean => Value::Boolean(json.as_bool()?),
        ScalarType::Date => Value::Date(coerce::date(text?)?),
        ScalarType::Time => Value::Time(coerce::time(text?)?),
        ScalarType::DateTime => Value::DateTime(coerce::date_time(text?)?),
        ScalarType::Json => return None,
    })
}
