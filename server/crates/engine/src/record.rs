//! A record in memory: the values of its stored fields, from a row, and as JSON for audit, events and workflows.

use cardine_model::catalog::{Field, FieldId, FieldKind, FieldPath, Module};
use cardine_model::rule::{Root, Scope};
use cardine_model::{Decimal, ScalarType, Value, duration};
use cardine_sql::write::stored_fields;
use cardine_store::{Cell, RowSet};
use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

/// The values of a record by field; null for fields that are not stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    values: Vec<Value>,
}

impl Record {
    /// A record without any value.
    pub fn empty(module: &Module) -> Self {
        Self { values: vec![Value::Null; module.fields.len()] }
    }

    /// From a row that holds the module's stored fields in their order.
    pub(crate) fn from_row(module: &Module, rows: &RowSet, row: usize) -> Self {
        let mut record = Self::empty(module);
        for (column, field) in stored_fields(module).enumerate() {
            record.set(field.id, value_of_cell(field, rows.cell(row, column)));
        }
        record
    }

    /// From what [`Record::to_json`] made; unknown names are passed over, as the module may have changed since.
    pub fn from_json(module: &Module, json: &serde_json::Map<String, Json>) -> Self {
        let mut record = Self::empty(module);
        for field in stored_fields(module) {
            let name = json_name(field);
            let value = match name.split_once('.') {
                Some((whole, part)) => json.get(whole).and_then(|whole| whole.get(part)),
                None => json.get(&name),
            };
            if let Some(value) = value {
                record.set(field.id, value_of_json(field, value));
            }
        }
        record
    }

    /// The stored values that are not null, by their names in the API (`accountId` for a reference; an object for an address).
    pub fn to_json(&self, module: &Module) -> serde_json::Map<String, Json> {
        let mut json = serde_json::Map::new();
        for field in stored_fields(module).filter(|field| !self.get(field.id).is_null()) {
            let (name, value) = (json_name(field), json_of_field(field, self.get(field.id)));
            match name.split_once('.') {
                Some((whole, part)) => {
                    let whole = json.entry(whole).or_insert_with(|| Json::Object(serde_json::Map::new()));
                    whole[part] = value;
                }
                None => {
                    json.insert(name, value);
                }
            }
        }
        json
    }

    /// A field's value.
    pub fn get(&self, field: FieldId) -> &Value {
        &self.values[field.0 as usize]
    }

    /// Sets a field's value.
    pub fn set(&mut self, field: FieldId, value: Value) {
        self.values[field.0 as usize] = value;
    }

    /// The fields whose values differ from those of `other`.
    pub fn changed(&self, other: &Self) -> Vec<FieldId> {
        (0..self.values.len() as u32).map(FieldId).filter(|field| self.get(*field) != other.get(*field)).collect()
    }
}

/// What a rule sees of a record in memory: its own stored fields, now and before; what lies behind relations is null.
pub struct RecordScope<'a> {
    /// As it is.
    pub record: &'a Record,
    /// As it was.
    pub old: Option<&'a Record>,
    /// Who acts.
    pub actor: Option<Uuid>,
    /// The instant.
    pub now: DateTime<Utc>,
    /// The day for the actor.
    pub today: NaiveDate,
}

impl Scope for RecordScope<'_> {
    fn field(&self, root: Root, path: &FieldPath) -> Value {
        let record = match root {
            Root::Record => Some(self.record),
            Root::Old => self.old,
        };
        match record {
            Some(record) if path.hops.is_empty() => record.get(path.field).clone(),
            _ => Value::Null,
        }
    }

    fn actor_id(&self) -> Value {
        self.actor.map_or(Value::Null, Value::Id)
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn today(&self) -> NaiveDate {
        self.today
    }
}

/// A stored field's name in JSON and in inputs: its own (`billingAddress.city` for a part), or with `Id` behind for a reference.
pub fn json_name(field: &Field) -> String {
    match field.kind {
        FieldKind::Reference(_) => format!("{}Id", field.name),
        _ => field.name.clone(),
    }
}

/// A field's value as JSON, in the API's form.
pub fn json_of_field(field: &Field, value: &Value) -> Json {
    match (&field.kind, value) {
        (FieldKind::Duration, Value::Integer(seconds)) => Json::String(duration::text(*seconds)),
        _ => json_of_value(value),
    }
}

/// A value as JSON, in the API's form. A duration is a number of seconds where its field is not known, as it is to rules.
pub fn json_of_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(truth) => Json::Bool(*truth),
        Value::Integer(number) => Json::from(*number),
        Value::Decimal(number) => Json::String(number.to_string()),
        Value::Text(text) => Json::String(text.clone()),
        Value::Date(date) => Json::String(date.to_string()),
        Value::Time(time) => Json::String(time.format("%H:%M:%S").to_string()),
        Value::DateTime(instant) => Json::String(instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        Value::Id(id) => Json::String(id.to_string()),
        Value::List(values) => Json::Array(values.iter().map(json_of_value).collect()),
        Value::Json(json) => json.clone(),
    }
}

/// A field's value from JSON in the API's form; null where it does not fit the field.
pub fn value_of_json(field: &Field, json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Boolean(*truth),
        Json::Number(number) => match (number.as_i64(), field.scalar()) {
            (Some(number), Some(ScalarType::Decimal { .. })) => Value::Decimal(Decimal::from_i64(number)),
            (Some(number), _) => Value::Integer(number),
            (None, _) => Value::Null,
        },
        Json::String(text) => value_of_text(field, text),
        Json::Array(values) if matches!(field.kind, FieldKind::MultiChoice { .. }) => {
            let texts = values.iter().filter_map(Json::as_str).map(|text| Value::Text(text.to_owned()));
            Value::List(texts.collect())
        }
        other => Value::Json(other.clone()),
    }
}

/// A stored field's value from a cell of an answer.
pub fn value_of_cell(field: &Field, cell: Cell<'_>) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(truth) => Value::Boolean(truth),
        Cell::Integer(number) => Value::Integer(number),
        Cell::Text(text) => match field.kind {
            FieldKind::MultiChoice { .. } | FieldKind::Json { .. } => {
                serde_json::from_str(text).map_or(Value::Null, |json| value_of_json(field, &json))
            }
            _ => value_of_text(field, text),
        },
    }
}

fn value_of_text(field: &Field, text: &str) -> Value {
    let scalar = match &field.kind {
        FieldKind::Reference(_) => ScalarType::Id,
        _ => field.scalar().unwrap_or(ScalarType::Text),
    };
    let value = match scalar {
        ScalarType::Id => Uuid::try_parse(text).ok().map(Value::Id),
        ScalarType::Integer | ScalarType::BigInteger => text.parse().ok().map(Value::Integer),
        // What is computed comes as the text of its seconds.
        ScalarType::Duration => duration::parse(text).ok().or_else(|| text.parse().ok()).map(Value::Integer),
        ScalarType::Decimal { .. } => Decimal::parse(text).map(Value::Decimal),
        ScalarType::Date => text.parse().ok().map(Value::Date),
        ScalarType::Time => NaiveTime::parse_from_str(text, "%H:%M:%S").ok().map(Value::Time),
        ScalarType::DateTime => {
            DateTime::parse_from_rfc3339(text).ok().map(|instant| Value::DateTime(instant.with_timezone(&Utc)))
        }
        ScalarType::Json => Some(Value::Json(Json::String(text.to_owned()))),
        _ => Some(Value::Text(text.to_owned())),
    };
    value.unwrap_or(Value::Null)
}
