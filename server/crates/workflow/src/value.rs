//! Values that steps write: from JSON, as a rule or a plugin gave it, to a field's type.

use cardine_engine::value_of_json;
use cardine_model::catalog::{Field, FieldKind};
use cardine_model::rule::RuleType;
use cardine_model::{Decimal, Value};
use serde_json::Value as Json;

/// JSON in a field's type; `None` if it does not fit. Numbers may come as JSON numbers or as text, and are rounded to the field's
/// digits, as formulas are.
pub(crate) fn typed_value(field: &Field, json: &Json) -> Option<Value> {
    match (&field.kind, json) {
        (_, Json::Null) => Some(Value::Null),
        (FieldKind::Json { .. }, json) => Some(Value::Json(json.clone())),
        (FieldKind::MultiChoice { .. }, Json::Array(items)) => {
            items.iter().all(Json::is_string).then(|| value_of_json(field, json))
        }
        (FieldKind::MultiChoice { .. }, _) | (_, Json::Array(_) | Json::Object(_)) => None,
        (FieldKind::Boolean, Json::Bool(truth)) => Some(Value::Boolean(*truth)),
        (FieldKind::Boolean, _) | (_, Json::Bool(_)) => None,
        (kind @ (FieldKind::Integer { .. } | FieldKind::Decimal { .. }), json) => {
            let number = match json {
                Json::String(text) => Decimal::parse(text),
                other => Decimal::parse(&other.to_string()),
            }?;
            match kind {
                FieldKind::Decimal { scale, .. } => Some(Value::Decimal(number.round(u32::from(*scale)))),
                _ => number.round(0).to_i64().map(Value::Integer),
            }
        }
        (FieldKind::Text { .. }, Json::Number(number)) => Some(Value::Text(number.to_string())),
        (_, Json::Number(_)) => None,
        (_, text @ Json::String(_)) => Some(value_of_json(field, text)).filter(|value| !value.is_null()),
    }
}

/// Whether what a rule of this type gives can be a field's value.
pub(crate) fn fits_rule(field: &Field, given: RuleType) -> bool {
    let expected = match &field.kind {
        FieldKind::Json { .. } => return true,
        // Anything that is one value can be written out.
        FieldKind::Text { .. } => return given != RuleType::TextList && given != RuleType::Boolean,
        FieldKind::Choice { .. } => RuleType::Text,
        FieldKind::MultiChoice { .. } => RuleType::TextList,
        FieldKind::Integer { .. } | FieldKind::Decimal { .. } => RuleType::Number,
        FieldKind::Boolean => RuleType::Boolean,
        FieldKind::Date => RuleType::Date,
        FieldKind::Time => RuleType::Time,
        FieldKind::DateTime => RuleType::DateTime,
        FieldKind::Id | FieldKind::Reference(_) => RuleType::Id,
        FieldKind::AutoNumber { .. } | FieldKind::Formula(_) | FieldKind::Rollup(_) => return false,
    };
    given == expected || given == RuleType::Null
}
