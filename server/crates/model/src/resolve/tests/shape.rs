//! What a resolved catalog looks like: ids, columns, relations, types and defaults.

use serde_json::json;

use super::{catalog, deal};
use crate::catalog::{Default, FieldKind};
use crate::definition::{Label, OnDelete};
use crate::{Decimal, Module, ScalarType, Value};

#[test]
fn system_fields_are_the_same_everywhere() {
    let catalog = catalog(&[deal(json!([]))]);
    for module in &catalog.modules {
        let columns: Vec<&str> = module.fields[..8].iter().map(|field| field.column.as_deref().unwrap()).collect();
        assert_eq!(
            columns,
            ["id", "version", "created_at", "updated_at", "created_by_id", "updated_by_id", "owner_id", "deleted_at"]
        );
        let writable: Vec<&str> =
            module.fields[..8].iter().filter(|field| !field.read_only).map(|field| field.name.as_str()).collect();
        assert_eq!(writable, ["owner"]);
        let non_null: Vec<bool> = module.fields[..8].iter().map(|field| field.is_non_null()).collect();
        assert_eq!(non_null, [true, true, true, true, false, false, false, false]);
        let owner = module.field(Module::OWNER).reference().unwrap();
        let owners: Vec<&str> = owner.targets.iter().map(|id| catalog.module(*id).name.as_str()).collect();
        assert_eq!(owners, ["User", "Group"]);
        assert_eq!(owner.module_column.as_deref(), Some("_owner_module"));
        assert!(owner.inverse.is_none());
    }
}

#[test]
fn platform_modules_come_first_and_all_are_sorted_by_name() {
    let module = |name: &str| json!({"name": name, "plural": format!("{name}s"), "fields": []});
    let catalog = catalog(&[module("Zebra"), module("Ant"), module("Bee")]);
    let names: Vec<&str> = catalog.modules.iter().map(|module| module.name.as_str()).collect();
    assert_eq!(names, ["File", "Group", "Role", "User", "Ant", "Bee", "Zebra"]);
    for (position, module) in catalog.modules.iter().enumerate() {
        assert_eq!(module.id.0 as usize, position);
        assert_eq!(module.platform, position < 4);
    }
}

#[test]
fn references_have_columns_and_make_relations() {
    let catalog = catalog(&[
        deal(json!([
            {"name": "buyer", "type": "reference", "to": "User", "inverse": "purchases", "onDelete": "RESTRICT"},
            {"name": "about", "type": "reference", "to": ["Note", "User"], "inverse": "deals"},
        ])),
        json!({"name": "Note", "plural": "Notes", "fields": [{"name": "parentURL", "type": "reference", "to": "*", "inverse": "notes"}]}),
    ]);
    let deal = catalog.module_by_name("Deal").unwrap();
    let note = catalog.module_by_name("Note").unwrap();
    let user = catalog.module_by_name("User").unwrap();

    let buyer = deal.field_named("buyer").unwrap();
    assert_eq!(buyer.column.as_deref(), Some("buyer_id"));
    assert_eq!(buyer.reference().unwrap().module_column, None);
    assert_eq!(buyer.reference().unwrap().on_delete, OnDelete::Restrict);
    assert!(deal.field_named("buyerId").is_none());

    let about = deal.field_named("about").unwrap().reference().unwrap();
    assert_eq!(about.targets, [note.id, user.id]);
    assert_eq!(about.module_column.as_deref(), Some("_about_module"));
    assert_eq!(about.on_delete, OnDelete::SetNull);

    let parent = note.field_named("parentURL").unwrap();
    assert_eq!(parent.column.as_deref(), Some("parent_url_id"));
    assert_eq!(parent.reference().unwrap().targets, [deal.id, note.id]);

    let relation = user.relation_named("purchases").unwrap();
    assert_eq!((relation.module, relation.field), (deal.id, buyer.id));
    for module in [deal, note] {
        assert_eq!(module.relation_named("notes").unwrap().module, note.id);
    }
    assert!(user.relation_named("notes").is_none(), "\"*\" means no platform module");
    for module in &catalog.modules {
        for (position, relation) in module.relations.iter().enumerate() {
            assert_eq!(relation.id.0 as usize, position);
        }
    }
}

#[test]
fn a_reference_to_every_module_keeps_its_second_column_while_there_is_one_module() {
    let catalog = catalog(&[deal(json!([{"name": "about", "type": "reference", "to": "*"}]))]);
    let about = catalog.module_by_name("Deal").unwrap().field_named("about").unwrap().reference().unwrap().clone();
    assert_eq!(about.targets.len(), 1);
    assert_eq!(about.module_column.as_deref(), Some("_about_module"));
}

#[test]
fn rollups_have_the_type_of_their_function() {
    let rollup = |name: &str, function: &str, field: &str| json!({"name": name, "type": "rollup", "relation": "parts", "function": function, "field": field});
    let mut precise = rollup("precise", "AVG", "pieces");
    precise["scale"] = json!(6);
    let catalog = catalog(&[
        deal(json!([
            {"name": "parts1", "type": "rollup", "relation": "parts", "function": "COUNT"},
            rollup("kinds", "COUNT_DISTINCT", "note"),
            rollup("pieces", "SUM", "pieces"),
            rollup("price", "SUM", "price"),
            rollup("mean", "AVG", "pieces"),
            precise,
            rollup("meanPrice", "AVG", "price"),
            rollup("last", "MAX", "day"),
            rollup("least", "MIN", "pieces"),
            rollup("screws", "SUM", "screws"),
            rollup("half", "SUM", "half"),
        ])),
        json!({"name": "Part", "plural": "Parts", "fields": [
            {"name": "deal", "type": "reference", "to": "Deal", "inverse": "parts"},
            {"name": "whole", "type": "reference", "to": "Part", "inverse": "screwsIn"},
            {"name": "price", "type": "money", "scale": 4},
            {"name": "half", "type": "formula", "returns": "decimal", "scale": 7, "rule": "price / 2"},
            {"name": "pieces", "type": "integer"},
            {"name": "note", "type": "text"},
            {"name": "day", "type": "date"},
            {"name": "screws", "type": "rollup", "relation": "screwsIn", "function": "SUM", "field": "price"},
        ]}),
    ]);
    let deal = catalog.module_by_name("Deal").unwrap();
    let types: Vec<(&str, ScalarType)> =
        deal.fields[8..].iter().map(|field| (field.name.as_str(), field.scalar().unwrap())).collect();
    assert_eq!(
        types,
        [
            ("parts1", ScalarType::Integer),
            ("kinds", ScalarType::Integer),
            ("pieces", ScalarType::BigInteger),
            ("price", ScalarType::Decimal { scale: 4 }),
            ("mean", ScalarType::Decimal { scale: 2 }),
            ("precise", ScalarType::Decimal { scale: 6 }),
            ("meanPrice", ScalarType::Decimal { scale: 4 }),
            ("last", ScalarType::Date),
            ("least", ScalarType::Integer),
            ("screws", ScalarType::Decimal { scale: 4 }),
            ("half", ScalarType::Decimal { scale: 7 }),
        ]
    );
    assert!(deal.fields[8..].iter().all(|field| field.read_only && field.column.is_none()));
}

#[test]
fn kinds_labels_and_defaults_are_those_of_the_definition() {
    let catalog = catalog(&[deal(json!([
        {"name": "closeDate", "type": "date", "default": "2026-01-31"},
        {"name": "amount", "type": "money", "default": "12.5", "label": {"en": "Amount", "it": "Importo"}},
        {"name": "stage", "type": "choice", "default": "CLOSED_WON", "options": [{"value": "LAST", "order": 9}, {"value": "CLOSED_WON"}]},
        {"name": "number", "type": "autoNumber", "format": "D-{000}"},
        {"name": "code", "type": "text", "pattern": "a|b", "unique": true, "deprecated": true},
        {"name": "due", "type": "date", "default": {"rule": "today()"}},
        {"name": "data", "type": "json", "schema": {"type": "object"}},
    ]))]);
    let deal = catalog.module_by_name("Deal").unwrap();
    let field = |name: &str| deal.field_named(name).unwrap();

    assert_eq!(field("closeDate").label, Label::Plain("Close date".into()));
    assert_eq!(field("amount").label.text("it"), "Importo");
    assert!(
        matches!(field("amount").default.as_deref(), Some(Default::Value(Value::Decimal(value))) if *value == Decimal::parse("12.50").unwrap())
    );
    assert!(
        matches!(field("stage").default.as_deref(), Some(Default::Value(Value::Text(value))) if value == "CLOSED_WON")
    );
    assert!(matches!(field("due").default.as_deref(), Some(Default::Rule(rule)) if rule.source == "today()"));
    assert!(
        matches!(&field("stage").kind, FieldKind::Choice { options } if options[0].value == "CLOSED_WON" && options[0].label == Label::Plain("Closed won".into()))
    );
    assert_eq!(field("code").deprecated.as_deref(), Some("No longer supported"));
    assert!(field("number").read_only && field("number").unique);
    assert_eq!(deal.uniques, [vec![field("number").id], vec![field("code").id]]);

    let pattern = &deal.checks.patterns[&field("code").id];
    assert!(pattern.is_match("a") && pattern.is_match("b") && !pattern.is_match("ab") && !pattern.is_match("a\n"));
    let schema = &deal.checks.json_schemas[&field("data").id];
    assert!(schema.is_valid(&json!({})) && !schema.is_valid(&json!([])));
}
