//! What a chain of changes chooses from: fields of all types with their options, patches, other types, and values of records.

use std::collections::BTreeSet;

use cardine_model::catalog::{Field, FieldKind, TextFormat};
use cardine_model::resolve::{MODULE_SCHEMA, parse_document, resolve};
use cardine_model::{Decimal, Value};
use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::{Value as Json, json};

use super::chains::Chance;
use crate::change::load::PLATFORM;

pub(super) const FIELDS: [&str; 8] = ["one", "two", "three", "four", "five", "taxId2", "billingURL", "seven"];

pub(super) fn new_module(chance: &mut Chance, name: &str) -> Json {
    let mut above = json!({"name": "above", "type": "reference", "to": name, "inverse": "below"});
    if chance.below(3) == 0 {
        above["hierarchy"] = json!(true);
    }
    json!({"name": name, "plural": format!("{name}Several"), "nameField": "title", "search": ["title"], "fields": [
        {"name": "title", "type": "text", "maxLength": 80, "indexed": true},
        {"name": "size", "type": "integer"},
        {"name": "kind", "type": "choice", "options": [{"value": "ONE"}, {"value": "TWO"}]},
        above]})
}

/// Two options, in some order, one of which new values may not use.
fn options(chance: &mut Chance) -> Json {
    [
        json!([{"value": "ONE"}, {"value": "TWO"}]),
        json!([{"value": "TWO"}, {"value": "ONE"}]),
        json!([{"value": "ONE", "order": 2}, {"value": "TWO", "order": 1, "active": false}, {"value": "THREE", "color": "#00ff00"}]),
    ][chance.below(3)]
    .clone()
}

/// A field of one of all types, but those that a plugin computes.
pub(super) fn new_field(chance: &mut Chance, modules: &[String]) -> Json {
    let name = chance.of(&FIELDS).unwrap();
    let to = chance.of(modules).unwrap_or_else(|| "Organization".to_owned());
    let both = options(chance);
    chance.of(&fields(name, &to, &both)).unwrap()
}

fn fields(name: &str, to: &str, both: &Json) -> Vec<Json> {
    let inverse = format!("{name}Of{to}");
    let mut fields = vec![
        json!({"type": "text", "maxLength": 50}),
        json!({"type": "text", "unique": true, "maxLength": 30}),
        json!({"type": "text", "maxLength": 50, "requiredIf": "size > 2000"}),
        json!({"type": "text", "pattern": "[a-z0-9@:/. -]*", "default": "none", "required": true, "sensitive": true}),
        json!({"type": "longText"}),
        json!({"type": "longText", "maxLength": 400, "help": "more"}),
        json!({"type": "richText", "deprecated": "use another"}),
        json!({"type": "email", "unique": true}),
        json!({"type": "email", "indexed": true}),
        json!({"type": "phone", "indexed": true}),
        json!({"type": "url", "default": "https://example.org/", "required": true}),
        json!({"type": "integer", "indexed": true, "default": 3}),
        json!({"type": "integer", "big": true, "unique": true, "min": -5}),
        json!({"type": "integer", "max": 2000, "readOnly": true}),
        json!({"type": "decimal", "scale": 3}),
        json!({"type": "decimal", "scale": 0, "indexed": true, "min": "-1", "max": "999999"}),
        json!({"type": "decimal", "scale": 10, "unique": true}),
        json!({"type": "percent", "scale": 1, "default": "12.5"}),
        json!({"type": "money", "indexed": true, "required": true, "default": "0"}),
        json!({"type": "boolean", "required": true, "default": true}),
        json!({"type": "boolean", "indexed": true}),
        json!({"type": "date"}),
        json!({"type": "date", "indexed": true, "default": {"rule": "today()"}}),
        json!({"type": "time", "indexed": true}),
        json!({"type": "dateTime", "unique": true}),
        json!({"type": "dateTime", "default": {"rule": "now()"}}),
        json!({"type": "duration", "indexed": true}),
        json!({"type": "duration", "required": true, "default": "PT1H"}),
        json!({"type": "choice", "options": both}),
        json!({"type": "choice", "options": both, "indexed": true, "default": "ONE", "required": true}),
        json!({"type": "choice", "dependsOn": "kind", "options": [{"value": "ONE", "for": ["ONE"]}, {"value": "TWO"}]}),
        json!({"type": "multiChoice", "options": both}),
        json!({"type": "multiChoice", "options": both, "default": ["ONE"], "required": true}),
        json!({"type": "address"}),
        json!({"type": "address", "required": true, "default": {"country": "Italia"}}),
        json!({"type": "geoPoint"}),
        json!({"type": "json"}),
        json!({"type": "json", "schema": {"type": ["object", "number", "string", "boolean", "array"]}}),
        json!({"type": "file", "accept": ["image/*", "text/plain"], "maxSize": 5000}),
        json!({"type": "image"}),
        json!({"type": "autoNumber", "format": "N-{000}"}),
        json!({"type": "reference", "to": to}),
        json!({"type": "reference", "to": to, "inverse": inverse, "onDelete": "CASCADE"}),
        json!({"type": "reference", "to": to, "unique": true, "onDelete": "RESTRICT"}),
        json!({"type": "reference", "to": [to, "Organization"], "inverse": inverse, "indexed": true}),
        json!({"type": "reference", "to": "*"}),
        json!({"type": "references", "to": to}),
        json!({"type": "references", "to": to, "inverse": inverse, "link": {"fields": [{"name": "since", "type": "date", "indexed": true}]}}),
        json!({"type": "references", "to": to, "link": {"fields": [
            {"name": "weight", "type": "money", "required": true, "default": "1"}, {"name": "place", "type": "address"}, {"name": "kind", "type": "choice", "options": both}]}}),
        json!({"type": "formula", "returns": "decimal", "rule": "size * 2"}),
        json!({"type": "formula", "returns": "integer", "rule": "above.size", "published": true}),
        json!({"type": "formula", "returns": "money", "rule": "size / 3", "scale": 4}),
        json!({"type": "formula", "returns": "percent", "rule": "size * 100"}),
        json!({"type": "formula", "returns": "text", "rule": "title.upper()"}),
        json!({"type": "formula", "returns": "boolean", "rule": "kind == \"ONE\""}),
        json!({"type": "formula", "returns": "date", "rule": "today()"}),
        json!({"type": "formula", "returns": "dateTime", "rule": "createdAt"}),
        json!({"type": "formula", "returns": "duration", "rule": "size * 60"}),
        json!({"type": "rollup", "relation": "below", "function": "COUNT"}),
        json!({"type": "rollup", "relation": "below", "function": "AVG", "field": "size", "scale": 3, "published": true}),
        json!({"type": "rollup", "relation": "below", "function": "MAX", "field": "createdAt"}),
        json!({"type": "rollup", "relation": "ancestors", "function": "COUNT"}),
        json!({"type": "rollup", "relation": "descendants", "function": "SUM", "field": "size"}),
        json!({"type": "rollup", "relation": "below", "function": "COUNT", "filter": "size > 300", "scope": "ALL", "stored": true, "indexed": true}),
        json!({"type": "rollup", "relation": "below", "function": "SUM", "field": "size", "scope": "ALL", "stored": true}),
        json!({"type": "rollup", "relation": "below", "function": "AVG", "field": "size", "scope": "ALL", "stored": true, "indexed": true}),
        json!({"type": "rollup", "relation": "below", "function": "MIN", "field": "size", "scope": "ALL", "stored": true}),
        json!({"type": "rollup", "relation": "below", "function": "MAX", "field": "size", "scope": "ALL", "stored": true}),
    ];
    fields.iter_mut().for_each(|field| field["name"] = json!(name));
    fields
}

/// Other options of a field; many fit one type alone.
pub(super) fn field_patch(chance: &mut Chance) -> Json {
    let both = options(chance);
    let patches = [
        json!({"indexed": true}),
        json!({"indexed": null}),
        json!({"unique": true}),
        json!({"unique": null}),
        json!({"maxLength": 60}),
        json!({"maxLength": null}),
        json!({"pattern": "[0-9]*"}),
        json!({"pattern": null}),
        json!({"required": true, "default": "x"}),
        json!({"required": true, "default": 7}),
        json!({"required": true}),
        json!({"required": null, "default": null}),
        json!({"label": "Other"}),
        json!({"sensitive": true, "help": {"en": "one", "it": "uno"}}),
        json!({"readOnly": true, "deprecated": true}),
        json!({"min": 0, "max": 5000}),
        json!({"min": null, "max": null}),
        json!({"stored": null, "indexed": null}),
        json!({"stored": true}),
        json!({"stored": true, "scope": "ALL", "indexed": true}),
        json!({"filter": "size < 500"}),
        json!({"function": "COUNT", "field": null}),
        json!({"requiredIf": "size > 3000"}),
        json!({"options": both}),
        json!({"to": "*"}),
        json!({"inverse": "seenFrom"}),
        json!({"inverse": null}),
        json!({"onDelete": "CASCADE"}),
        json!({"onDelete": "RESTRICT"}),
        json!({"hierarchy": true}),
        json!({"hierarchy": null}),
        json!({"link": {"fields": [{"name": "since", "type": "date"}, {"name": "note", "type": "text", "maxLength": 40, "indexed": true}]}}),
        json!({"link": null}),
        json!({"schema": {"type": "object"}}),
        json!({"schema": null}),
        json!({"returns": "text", "rule": "title"}),
        json!({"maxSize": 100}),
    ];
    chance.of(&patches).unwrap()
}

/// Other options of a module with these fields.
pub(super) fn module_patch(chance: &mut Chance, fields: &[Json]) -> Json {
    // Parts stand in lists under the name of the field and their own.
    let name = |field: &Json| match (field["name"].as_str().unwrap_or_default(), field["type"].as_str()) {
        (name, Some("address")) => format!("{name}.city"),
        (name, Some("geoPoint")) => format!("{name}.latitude"),
        (name, _) => name.to_owned(),
    };
    let names: Vec<String> = fields.iter().map(name).collect();
    let mut two: Vec<String> = (0..2).filter_map(|_| chance.of(&names)).collect();
    two.dedup();
    let one = chance.of(&names).unwrap_or_else(|| "title".to_owned());
    let patches = [
        json!({"indexes": [{"fields": two}]}),
        json!({"indexes": [{"fields": two}, {"fields": ["kind", "createdAt"]}]}),
        json!({"indexes": null}),
        json!({"uniques": [{"fields": two}]}),
        json!({"uniques": [{"fields": two}, {"fields": ["title", "above"]}]}),
        json!({"uniques": null}),
        json!({"duplicates": [{"fields": two}]}),
        json!({"duplicates": null}),
        json!({"search": [one]}),
        json!({"search": null}),
        json!({"nameField": one}),
        json!({"nameField": null, "sharing": "PUBLIC_READ"}),
        json!({"sharing": "PUBLIC_READ_WRITE", "label": "Other"}),
        json!({"validations": [{"rule": "size != 1001", "message": "no"}]}),
        json!({"validations": null}),
    ];
    chance.of(&patches).unwrap()
}

/// What a field may be converted to.
pub(super) fn other_type(chance: &mut Chance) -> Json {
    let both = options(chance);
    let types = [
        json!("text"),
        json!("longText"),
        json!({"type": "richText"}),
        json!({"type": "text", "maxLength": 40, "unique": true, "onUnconvertible": "NULL"}),
        json!({"type": "email", "onUnconvertible": "NULL"}),
        json!({"type": "phone", "indexed": true, "onUnconvertible": "NULL"}),
        json!({"type": "url", "onUnconvertible": "NULL"}),
        json!({"type": "integer", "onUnconvertible": "NULL"}),
        json!({"type": "integer", "big": true, "onUnconvertible": "NULL"}),
        json!({"type": "decimal", "scale": 5, "onUnconvertible": "NULL"}),
        json!({"type": "decimal", "scale": 1, "unique": true, "onUnconvertible": "NULL"}),
        json!({"type": "money", "onUnconvertible": "NULL"}),
        json!({"type": "percent", "required": true, "default": "5"}),
        json!({"type": "date", "onUnconvertible": "NULL"}),
        json!({"type": "time", "onUnconvertible": "NULL"}),
        json!({"type": "dateTime", "onUnconvertible": "NULL"}),
        json!({"type": "duration", "indexed": true, "onUnconvertible": "NULL"}),
        json!({"type": "choice", "options": [{"value": "ONE"}], "onUnconvertible": "NULL"}),
        json!({"type": "choice", "options": both}),
        json!({"type": "multiChoice", "options": both, "onUnconvertible": "NULL"}),
        json!({"type": "boolean", "onUnconvertible": "NULL"}),
        json!({"type": "json", "onUnconvertible": "NULL"}),
        json!({"type": "address"}),
        json!({"type": "reference", "to": "Organization"}),
        json!({"type": "autoNumber", "format": "{00}"}),
    ];
    chance.of(&types).unwrap()
}

/// A value of a field that conversions must care for; `above` is a record of the own module. Files and links are not written.
pub(super) fn value(field: &Field, number: usize, above: Option<&Value>) -> Option<Value> {
    let small = u32::try_from(number % 28).unwrap() + 1;
    match &field.kind {
        FieldKind::Text { .. } if field.part_of.is_some() => Some(Value::Text(format!("Rome {number}"))),
        FieldKind::Text { format, .. } => Some(Value::Text(match format {
            TextFormat::Plain | TextFormat::Long => match number % 5 {
                0 => format!("2024-02-{small:02}"),
                1 => "ONE".to_owned(),
                2 => format!("{number}.50"),
                _ => format!("{number}"),
            },
            TextFormat::Rich => format!("<p>{number}</p>"),
            TextFormat::Email => format!("a{number}@example.org"),
            TextFormat::Phone => format!("+39012345{number:03}"),
            TextFormat::Url => format!("https://example.org/{number}"),
        })),
        FieldKind::Integer { .. } => i64::try_from(number).ok().map(Value::Integer),
        FieldKind::Duration => i64::try_from(number).ok().map(|minutes| Value::Integer(minutes * 60)),
        FieldKind::Decimal { scale: 0, .. } => Decimal::parse(&number.to_string()).map(Value::Decimal),
        FieldKind::Decimal { .. } if field.part_of.is_some() => {
            Decimal::parse(&format!("{small}.25")).map(Value::Decimal)
        }
        FieldKind::Decimal { .. } => Decimal::parse(&format!("{number}.5")).map(Value::Decimal),
        FieldKind::Boolean => Some(Value::Boolean(number.is_multiple_of(2))),
        FieldKind::Date => NaiveDate::from_ymd_opt(2024, 2, small).map(Value::Date),
        FieldKind::Time => NaiveTime::from_hms_opt(small % 24, small, 0).map(Value::Time),
        FieldKind::DateTime => {
            let seconds = i64::try_from(number).ok()? * 86_400 + i64::from(number.is_multiple_of(3));
            DateTime::from_timestamp(seconds, 0).map(Value::DateTime)
        }
        FieldKind::Choice { .. } => Some(Value::Text("ONE".to_owned())),
        FieldKind::MultiChoice { .. } => {
            let values: &[&str] = if number.is_multiple_of(3) { &["ONE", "TWO"] } else { &["ONE"] };
            Some(Value::List(values.iter().map(|value| Value::Text((*value).to_owned())).collect()))
        }
        FieldKind::Json { .. } => {
            Some(Value::Json(if number.is_multiple_of(2) { json!({"n": number}) } else { json!(number) }))
        }
        FieldKind::Reference(reference) => {
            above.filter(|_| reference.module_column.is_none() && reference.file.is_none()).cloned()
        }
        _ => None,
    }
}

#[test]
fn every_field_that_is_chosen_from_can_be_made_and_none_of_the_types_is_missing() {
    let (mut types, mut faulty) = (BTreeSet::new(), Vec::new());
    let organization = json!({"name": "Organization", "plural": "Organizations", "fields": []});
    let both = options(&mut Chance(1));
    for field in fields("one", "Alpha", &both) {
        types.insert(field["type"].as_str().unwrap().to_owned());
        let mut module = new_module(&mut Chance(1), "Alpha");
        module["fields"][3]["hierarchy"] = json!(true);
        module["fields"].as_array_mut().unwrap().push(field.clone());
        let definitions = [&module, &organization].map(parse_document);
        let told = match definitions {
            [Ok(module), Ok(organization)] => {
                let resolved = resolve(1, &PLATFORM, &[module, organization]);
                resolved.err().map(|faults| format!("{field}: {faults:?}"))
            }
            [module, _] => Some(format!("{field}: {:?}", module.err())),
        };
        faulty.extend(told);
    }
    assert!(faulty.is_empty(), "{faulty:#?}");
    let schema: Json = serde_json::from_str(MODULE_SCHEMA).unwrap();
    let all = schema["$defs"]["fieldType"]["enum"].as_array().unwrap();
    let all = all.iter().map(|kind| kind.as_str().unwrap().to_owned()).filter(|kind| kind != "computed");
    assert_eq!(types, all.collect());
}
