//! Values that steps write: from JSON, as a rule or a plugin gave it, to a field's type.

use cardine_engine::value_of_json;
use cardine_model::catalog::{Field, FieldKind};
use cardine_model::rule::RuleType;
use cardine_model::{Decimal, Value, duration};
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
        (FieldKind::Duration, text @ Json::String(_)) => {
            Some(value_of_json(field, text)).filter(|value| !value.is_null())
        }
        (FieldKind::Boolean, Json::Bool(truth)) => Some(Value::Boolean(*truth)),
        (FieldKind::Boolean, _) | (_, Json::Bool(_)) => None,
        (kind @ (FieldKind::Integer { .. } | FieldKind::Decimal { .. } | FieldKind::Duration), json) => {
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

/// JSON in a rule's type; null if it is of another one. Decimals and durations are numbers to rules.
pub(crate) fn rule_value(json: &Json, ty: RuleType) -> Value {
    let text = json.as_str();
    let value = match ty {
        RuleType::Null => None,
        RuleType::Boolean => json.as_bool().map(Value::Boolean),
        RuleType::Number => match json {
            Json::Number(number) => Decimal::parse(&number.to_string()).map(Value::Decimal),
            _ => text.and_then(|text| {
                let seconds = || duration::parse(text).ok().map(Decimal::from_i64);
                Decimal::parse(text).or_else(seconds).map(Value::Decimal)
            }),
        },
        RuleType::Text => text.map(|text| Value::Text(text.to_owned())),
        RuleType::Date => text.and_then(|text| text.parse().ok()).map(Value::Date),
        RuleType::Time => text.and_then(|text| text.parse().ok()).map(Value::Time),
        RuleType::DateTime => {
            text.and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok()).map(|at| Value::DateTime(at.to_utc()))
        }
        RuleType::Id => text.and_then(|text| uuid::Uuid::try_parse(text).ok()).map(Value::Id),
        RuleType::TextList => json.as_array().map(|items| {
            let texts = items.iter().filter_map(Json::as_str).map(|text| Value::Text(text.to_owned()));
            Value::List(texts.collect())
        }),
    };
    value.unwrap_or(Value::Null)
}

/// Whether what a rule of this type gives can be a field's value.
pub(crate) fn fits_rule(field: &Field, given: RuleType) -> bool {
    let expected = match &field.kind {
        FieldKind::Json { .. } => return true,
        // Anything that is one value can be written out.
        FieldKind::Text { .. } => return given != RuleType::TextList && given != RuleType::Boolean,
        FieldKind::Choice { .. } => RuleType::Text,
        FieldKind::MultiChoice { .. } => RuleType::TextList,
        FieldKind::Integer { .. } | FieldKind::Decimal { .. } | FieldKind::Duration => RuleType::Number,
        FieldKind::Boolean => RuleType::Boolean,
        FieldKind::Date => RuleType::Date,
        FieldKind::Time => RuleType::Time,
        FieldKind::DateTime => RuleType::DateTime,
        FieldKind::Id | FieldKind::Reference(_) => RuleType::Id,
        FieldKind::AutoNumber { .. }
        | FieldKind::Formula(_)
        | FieldKind::Rollup(_)
        | FieldKind::Computed(_)
        | FieldKind::Group(_)
        | FieldKind::References { .. } => {
            return false;
        }
    };
    given == expected || given == RuleType::Null
}

#[cfg(test)]
mod tests {
    use cardine_model::Catalog;
    use cardine_model::resolve::builtin_catalog;
    use serde_json::json;

    use super::*;

    fn field<'c>(catalog: &'c Catalog, name: &str) -> &'c Field {
        let module = catalog.module_by_name("Opportunity").unwrap();
        module.fields.iter().find(|field| field.name == name).unwrap()
    }

    #[test]
    fn json_becomes_the_fields_type_or_is_refused() {
        let catalog = builtin_catalog(1).unwrap();
        let value = |name: &str, json: Json| typed_value(field(&catalog, name), &json);
        let decimal = |text: &str| Some(Value::Decimal(Decimal::parse(text).unwrap()));
        assert_eq!(value("amount", json!("12.345")), decimal("12.35"));
        assert_eq!(value("amount", json!(7)), decimal("7"));
        assert_eq!(value("amount", json!(0.125)), decimal("0.13"));
        assert_eq!(value("amount", Json::Null), Some(Value::Null));
        assert_eq!(value("version", json!("2.5")), Some(Value::Integer(3)));
        assert_eq!(value("version", json!(-4)), Some(Value::Integer(-4)));
        assert_eq!(value("name", json!(12)), Some(Value::Text("12".to_owned())));
        assert_eq!(value("convertedFromLead", json!(true)), Some(Value::Boolean(true)));
        for (name, misfit) in [
            ("amount", json!("much")),
            ("amount", json!(true)),
            ("amount", json!({"value": 1})),
            ("version", json!("")),
            ("version", json!("99999999999999999999")),
            ("name", json!(["a"])),
            ("name", json!(false)),
            ("convertedFromLead", json!("true")),
            ("closeDate", json!("soon")),
            ("closeDate", json!(20_260_630)),
            ("organization", json!("no-id")),
        ] {
            assert_eq!(value(name, misfit.clone()), None, "{name}: {misfit}");
        }
    }

    #[test]
    fn json_becomes_the_rules_type_or_null() {
        let number = |text: &str| Value::Decimal(Decimal::parse(text).unwrap());
        for (json, ty, expected) in [
            (json!(3), RuleType::Number, number("3")),
            (json!("12.50"), RuleType::Number, number("12.5")),
            (json!("PT1M"), RuleType::Number, number("60")),
            (json!("x"), RuleType::Number, Value::Null),
            (json!(true), RuleType::Boolean, Value::Boolean(true)),
            (json!("true"), RuleType::Boolean, Value::Null),
            (json!(["a", 1]), RuleType::TextList, Value::List(vec![Value::Text("a".to_owned())])),
            (json!(7), RuleType::Text, Value::Null),
            (json!("2026-02-30"), RuleType::Date, Value::Null),
            (json!("no-id"), RuleType::Id, Value::Null),
        ] {
            assert_eq!(rule_value(&json, ty), expected, "{json} {ty:?}");
        }
    }

    #[test]
    fn rules_fit_fields_of_their_type() {
        let catalog = builtin_catalog(1).unwrap();
        let fits = |name: &str, ty| fits_rule(field(&catalog, name), ty);
        assert!(fits("amount", RuleType::Number) && fits("name", RuleType::Number) && fits("amount", RuleType::Null));
        assert!(
            fits("stage", RuleType::Text) && fits("organization", RuleType::Id) && fits("closeDate", RuleType::Date)
        );
        assert!(
            !fits("amount", RuleType::Text)
                && !fits("name", RuleType::Boolean)
                && !fits("closeDate", RuleType::DateTime)
        );
        assert!(!fits("weightedAmount", RuleType::Number), "formulas are not written");
    }
}
