//! Defaults that are values → values of the field's type, checked as an input would be. Defaults by rule are checked with the rules.

use chrono::{DateTime, NaiveDate, NaiveTime, SubsecRound, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use super::draft::{Document, Draft, Issues};
use super::numbers::{parse_decimal, parse_integer};
use crate::catalog::{ChoiceOption, Default, FieldKind, Group};
use crate::definition::FieldDefinition;
use crate::{Field, FieldId, Value};

/// Resolves the default of every field that has a value as its default.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    for document in draft.documents.clone() {
        for (position, id, definition) in document.fields() {
            let Some(value) = value_of(definition) else {
                continue;
            };
            if draft.is_faulty(document.id, id) {
                continue;
            }
            if let Some(group) = draft.module_at(document.id).field(id).group().cloned() {
                match parse_group(draft, &document, &group, value) {
                    Ok(values) => {
                        for (part, value) in values {
                            draft.module_mut(document.id).fields[part.0 as usize].default =
                                Some(Box::new(Default::Value(value)));
                        }
                    }
                    Err(message) => issues.add_at_field(document.definition, position, "default", "type", message),
                }
                continue;
            }
            match parse(draft, &document, id, value) {
                Ok(value) => {
                    draft.module_mut(document.id).fields[id.0 as usize].default = Some(Box::new(Default::Value(value)));
                }
                Err(message) => issues.add_at_field(document.definition, position, "default", "type", message),
            }
        }
    }
}

/// The default if it is a value.
fn value_of(definition: &FieldDefinition) -> Option<&Json> {
    definition.default.as_deref().filter(|_| rule_of(definition).is_none())
}

/// The source of the default if it is a rule: an object with the key `rule` alone.
pub(super) fn rule_of(definition: &FieldDefinition) -> Option<&str> {
    let default = definition.default.as_ref()?.as_object()?;
    default.get("rule").filter(|_| default.len() == 1).and_then(Json::as_str)
}

/// The default of each part that `value` names.
fn parse_group(
    draft: &Draft<'_>,
    document: &Document<'_>,
    group: &Group,
    value: &Json,
) -> Result<Vec<(FieldId, Value)>, String> {
    let names = group.shape.parts();
    let given = value.as_object().filter(|given| !given.is_empty());
    let given = given.ok_or_else(|| format!("must be an object with some of {}", names.join(", ")))?;
    let mut values = Vec::with_capacity(given.len());
    for (name, value) in given {
        let Some(position) = names.iter().position(|known| known == name) else {
            let hint = crate::suggest::did_you_mean(name, names.iter().copied());
            return Err(format!("{name:?} is none of {}{hint}", names.join(", ")));
        };
        let part = group.parts[position];
        values.push((part, parse(draft, document, part, value).map_err(|message| format!("`{name}` {message}"))?));
    }
    if group.shape.is_whole() && values.len() < names.len() {
        return Err(format!("needs all of {}", names.join(", ")));
    }
    Ok(values)
}

fn parse(draft: &Draft<'_>, document: &Document<'_>, id: FieldId, value: &Json) -> Result<Value, String> {
    let module = draft.module_at(document.id);
    let field = module.field(id);
    let value = parse_kind(field, value)?;
    match &value {
        Value::Text(text) => {
            if let Some(pattern) = module.checks.patterns.get(&id)
                && !pattern.is_match(text)
            {
                return Err("does not meet the field's own `pattern`".to_owned());
            }
        }
        Value::Json(json) => {
            if let Some(schema) = module.checks.json_schemas.get(&id)
                && !schema.is_valid(json)
            {
                return Err("does not meet the field's own `schema`".to_owned());
            }
        }
        _ => {}
    }
    Ok(value)
}

fn parse_kind(field: &Field, value: &Json) -> Result<Value, String> {
    match &field.kind {
        FieldKind::Text { max_length, .. } => {
            let text = text(value)?;
            let length = text.chars().count();
            match max_length {
                Some(length_max) if length > *length_max as usize => {
                    Err(format!("has {length} characters; the field's `maxLength` is {length_max}"))
                }
                _ => Ok(Value::Text(text.to_owned())),
            }
        }
        FieldKind::Integer { big, min, max } => {
            let number = parse_integer(value, *big)?;
            within(&number, min.as_ref(), max.as_ref()).map(|()| Value::Integer(number))
        }
        FieldKind::Decimal { scale, min, max, .. } => {
            let number = parse_decimal(value, *scale)?;
            within(&number, min.as_ref(), max.as_ref()).map(|()| Value::Decimal(number))
        }
        FieldKind::Boolean => value.as_bool().map(Value::Boolean).ok_or_else(|| "must be true or false".to_owned()),
        FieldKind::Date => parse_date(value),
        FieldKind::Time => parse_time(value),
        FieldKind::DateTime => parse_instant(value),
        FieldKind::Duration => parse_duration(value),
        FieldKind::Choice { options } => option(value, options).map(Value::Text),
        FieldKind::MultiChoice { options } => parse_list(value, options),
        FieldKind::Json { .. } => Ok(Value::Json(value.clone())),
        FieldKind::Reference(reference) if reference.module_column.is_some() => {
            Err("a reference to several modules has no default by id, as that would not tell the module".to_owned())
        }
        FieldKind::Reference(_) | FieldKind::Id => {
            let id = Uuid::parse_str(text(value)?).map_err(|_| "must be a record's id".to_owned())?;
            Ok(Value::Id(id))
        }
        // Its parts are parsed one by one.
        FieldKind::Group(_) => Err("has parts".to_owned()),
        FieldKind::AutoNumber { .. }
        | FieldKind::Formula(_)
        | FieldKind::Rollup(_)
        | FieldKind::Computed(_)
        | FieldKind::References { .. } => {
            Err("a field whose value the server gives has no default; leave it out".to_owned())
        }
    }
}

fn text(value: &Json) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "must be text".to_owned())
}

fn within<T: PartialOrd>(value: &T, min: Option<&T>, max: Option<&T>) -> Result<(), String> {
    if min.is_some_and(|min| value < min) {
        return Err("is less than the field's own `min`".to_owned());
    }
    if max.is_some_and(|max| value > max) {
        return Err("is greater than the field's own `max`".to_owned());
    }
    Ok(())
}

fn parse_date(value: &Json) -> Result<Value, String> {
    let text = text(value)?;
    // chrono also takes `2026-1-5`; the contract's dates have ten characters.
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == "YYYY-MM-DD".len());
    date.map(Value::Date).ok_or_else(|| "must be a date such as \"2026-01-31\"".to_owned())
}

fn parse_time(value: &Json) -> Result<Value, String> {
    let text = text(value)?;
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S").ok().filter(|_| text.len() == "HH:MM:SS".len());
    // chrono reads second 60 as a leap second, which no clock field shows.
    let time = time.filter(|_| !text.ends_with(":60"));
    time.map(Value::Time).ok_or_else(|| "must be a time of day such as \"09:30:00\"".to_owned())
}

fn parse_duration(value: &Json) -> Result<Value, String> {
    let seconds = crate::duration::parse(text(value)?);
    seconds.map(Value::Integer).map_err(|fault| format!("is no duration{}", fault.hint()))
}

fn parse_instant(value: &Json) -> Result<Value, String> {
    let instant = DateTime::parse_from_rfc3339(text(value)?);
    instant
        .map(|instant| Value::DateTime(instant.with_timezone(&Utc).trunc_subsecs(3)))
        .map_err(|_| "must be an instant such as \"2026-01-31T09:30:00Z\"".to_owned())
}

fn option(value: &Json, options: &[ChoiceOption]) -> Result<String, String> {
    let text = text(value)?;
    let active = || options.iter().filter(|option| option.active).map(|option| option.value.as_str());
    if active().any(|option| option == text) {
        return Ok(text.to_owned());
    }
    let hint = crate::suggest::did_you_mean(text, active());
    Err(format!("{:?} is none of the field's active options{hint}", text.chars().take(60).collect::<String>()))
}

fn parse_list(value: &Json, options: &[ChoiceOption]) -> Result<Value, String> {
    let entries = value.as_array().ok_or_else(|| "must be a list of options".to_owned())?;
    let mut values = Vec::with_capacity(entries.len());
    for entry in entries {
        let value = Value::Text(option(entry, options)?);
        if values.contains(&value) {
            return Err("an option stands in it twice".to_owned());
        }
        values.push(value);
    }
    Ok(Value::List(values))
}
