//! Each rule on fields and modules, with its opposite that passes; and that all faults are told at once.

use serde_json::{Value as Json, json};

use super::{catalog, deal, definition, faults_of_field, parse_document, path_of, platform, refused, resolved};
use crate::resolve::resolve;

#[test]
fn a_schema_that_leads_elsewhere_is_told_in_words_for_its_author() {
    for to in ["https://example.org/schema", "#/$defs/nothing"] {
        let field = json!({"name": "a", "type": "json", "schema": {"$ref": to}});
        let faults = faults_of_field(&field);
        assert_eq!(faults.len(), 1, "{faults:?}");
        let message = &faults[0].message;
        assert!(message.contains("a `$ref` of it leads nowhere") && !message.contains("resolve"), "{message}");
    }
    let field =
        json!({"name": "a", "type": "json", "schema": {"$ref": "#/$defs/b", "$defs": {"b": {"type": "object"}}}});
    assert!(faults_of_field(&field).is_empty());
}

#[test]
fn each_option_is_checked_by_the_fields_type() {
    for (right, wrong, key) in [
        (
            json!({"name": "a", "type": "text", "maxLength": 5}),
            json!({"name": "a", "type": "integer", "maxLength": 5}),
            "maxLength",
        ),
        (
            json!({"name": "a", "type": "text", "pattern": "[A-Z]{2}"}),
            json!({"name": "a", "type": "text", "pattern": "[A-Z"}),
            "pattern",
        ),
        (
            json!({"name": "a", "type": "text", "pattern": "a|b"}),
            json!({"name": "a", "type": "text", "pattern": "(?=a)"}),
            "pattern",
        ),
        (
            json!({"name": "a", "type": "text", "pattern": "(x{50}){50}"}),
            json!({"name": "a", "type": "text", "pattern": "((x{500}){500}){500}"}),
            "pattern",
        ),
        (
            json!({"name": "a", "type": "integer", "max": 2_147_483_647_i64}),
            json!({"name": "a", "type": "integer", "max": 2_147_483_648_i64}),
            "max",
        ),
        (
            json!({"name": "a", "type": "integer", "big": true, "max": 2_147_483_648_i64}),
            json!({"name": "a", "type": "decimal", "big": true}),
            "big",
        ),
        (
            json!({"name": "a", "type": "integer", "min": 1, "max": 1}),
            json!({"name": "a", "type": "integer", "min": 2, "max": 1}),
            "min",
        ),
        (
            json!({"name": "a", "type": "money", "min": "0.01"}),
            json!({"name": "a", "type": "money", "min": 0.01}),
            "min",
        ),
        (
            json!({"name": "a", "type": "money", "max": "1.25"}),
            json!({"name": "a", "type": "money", "max": "1.255"}),
            "max",
        ),
        (
            json!({"name": "a", "type": "decimal", "scale": 10}),
            json!({"name": "a", "type": "decimal", "scale": 11}),
            "scale",
        ),
        (
            json!({"name": "a", "type": "decimal", "min": "-1", "max": "1"}),
            json!({"name": "a", "type": "decimal", "min": "1", "max": "-1"}),
            "min",
        ),
        (
            json!({"name": "a", "type": "json", "schema": {"type": "object"}}),
            json!({"name": "a", "type": "json", "schema": {"type": "thing"}}),
            "schema",
        ),
        (
            json!({"name": "a", "type": "json", "schema": {"$ref": "#/$defs/x", "$defs": {"x": {}}}}),
            json!({"name": "a", "type": "json", "schema": {"$ref": "https://example.com/x.json"}}),
            "schema",
        ),
        (
            json!({"name": "a", "type": "reference", "to": "Deal"}),
            json!({"name": "a", "type": "reference", "to": "Daal"}),
            "to",
        ),
        (
            json!({"name": "a", "type": "autoNumber", "format": "D-{0000}"}),
            json!({"name": "a", "type": "autoNumber", "format": "D-0000"}),
            "format",
        ),
        (
            json!({"name": "a", "type": "formula", "returns": "money", "rule": "1 + 2"}),
            json!({"name": "a", "type": "formula", "returns": "money", "rule": "1 +"}),
            "rule",
        ),
        (
            json!({"name": "a", "type": "formula", "returns": "boolean", "rule": "version > 2"}),
            json!({"name": "a", "type": "formula", "returns": "money", "rule": "version > 2"}),
            "rule",
        ),
        (
            json!({"name": "a", "type": "formula", "returns": "decimal", "scale": 4, "rule": "1"}),
            json!({"name": "a", "type": "formula", "returns": "integer", "scale": 4, "rule": "1"}),
            "scale",
        ),
        (json!({"name": "a", "type": "date"}), json!({"name": "a", "type": "dat"}), "type"),
        (
            json!({"name": "a", "type": "text", "unique": true}),
            json!({"name": "a", "type": "longText", "unique": true}),
            "unique",
        ),
        (
            json!({"name": "a", "type": "text", "label": "x".repeat(200)}),
            json!({"name": "a", "type": "text", "label": "x".repeat(201)}),
            "label",
        ),
        (
            json!({"name": "a", "type": "text", "help": "è".repeat(2000)}),
            json!({"name": "a", "type": "text", "help": "è".repeat(2001)}),
            "help",
        ),
    ] {
        assert_eq!(faults_of_field(&right), [], "{right}");
        let issues = faults_of_field(&wrong);
        assert_eq!(issues.len(), 1, "{wrong}: {issues:?}");
        assert_eq!(path_of(&issues[0].path), json!(["fields", 0, key]), "{wrong}");
    }
}

#[test]
fn a_default_is_of_the_fields_type() {
    let options = json!([{"value": "A"}, {"value": "B"}, {"value": "OLD", "active": false}]);
    for (field, right, wrong) in [
        (
            json!({"type": "text", "maxLength": 3}),
            vec![json!("abc"), json!("èèè"), json!({"rule": "\"x\""})],
            vec![json!("abcd"), json!(5), json!({"rule": "1"})],
        ),
        (json!({"type": "text", "pattern": "a|bc"}), vec![json!("a"), json!("bc")], vec![json!("abc"), json!("xa")]),
        (
            json!({"type": "integer", "min": 1}),
            vec![json!(1), json!("2")],
            vec![json!(0), json!(1.5), json!("x"), json!(3_000_000_000_u64), json!({"rule": "true"})],
        ),
        (json!({"type": "integer", "big": true}), vec![json!(3_000_000_000_u64)], vec![json!("9223372036854775808")]),
        (
            json!({"type": "decimal", "scale": 3, "max": "10"}),
            vec![json!("1.125"), json!(10)],
            vec![json!(1.5), json!("1.1255"), json!("10.001"), json!("1".repeat(26))],
        ),
        (
            json!({"type": "boolean"}),
            vec![json!(true), json!({"rule": "1 > 2"})],
            vec![json!("true"), json!(1), json!({"rule": "nothing"})],
        ),
        (
            json!({"type": "date"}),
            vec![json!("2028-02-29"), json!({"rule": "today()"})],
            vec![json!("2027-02-29"), json!("2026-1-5"), json!({"rule": "now()"})],
        ),
        (json!({"type": "time"}), vec![json!("23:59:59")], vec![json!("24:00:00"), json!("12:00"), json!("12:00:60")]),
        (
            json!({"type": "dateTime"}),
            vec![json!("2026-01-31T09:30:00.5+02:00"), json!({"rule": "now()"})],
            vec![json!("2026-01-31"), json!("2026-02-31T09:30:00Z")],
        ),
        (
            json!({"type": "choice", "options": options}),
            vec![json!("A"), json!({"rule": "\"B\""})],
            vec![json!("C"), json!("OLD"), json!("a"), json!({"rule": "\"C\""})],
        ),
        (
            json!({"type": "multiChoice", "options": options}),
            vec![json!(["A", "B"]), json!([])],
            vec![json!("A"), json!(["A", "C"]), json!(["A", "A"])],
        ),
        (
            json!({"type": "json", "schema": {"type": "object"}}),
            vec![json!({"rule": 5}), json!({})],
            vec![json!([1]), json!("x")],
        ),
        (
            json!({"type": "reference", "to": "User"}),
            vec![json!("0190a8f0-0000-7000-8000-000000000000"), json!({"rule": "actor.id"})],
            vec![json!("me"), json!(5), json!({"rule": "\"x\""})],
        ),
        (
            json!({"type": "reference", "to": ["User", "Group"]}),
            vec![],
            vec![json!("0190a8f0-0000-7000-8000-000000000000")],
        ),
    ] {
        let with = |default: &Json| {
            let mut field = field.clone();
            field["name"] = json!("a");
            field["default"] = default.clone();
            field
        };
        for default in &right {
            assert_eq!(faults_of_field(&with(default)), [], "{field} {default}");
        }
        for default in &wrong {
            let issues = faults_of_field(&with(default));
            let expected = json!(["fields", 0, "default"]);
            let near = |issue: &crate::Issue| {
                path_of(&issue.path).as_array().unwrap().starts_with(expected.as_array().unwrap())
            };
            assert!(!issues.is_empty() && issues.iter().all(near), "{field} {default}: {issues:?}");
        }
    }
}

#[test]
fn rollups_fit_their_relation_and_field() {
    let documents = |rollup: Json| {
        let part = json!({"name": "Part", "plural": "Parts", "fields": [
            {"name": "deal", "type": "reference", "to": "Deal", "inverse": "parts"},
            {"name": "price", "type": "money", "scale": 4},
            {"name": "pieces", "type": "integer"},
            {"name": "note", "type": "text"},
            {"name": "day", "type": "date"},
            {"name": "data", "type": "json"},
        ]});
        let mut field = rollup;
        field["name"] = json!("a");
        field["type"] = json!("rollup");
        [deal(json!([field])), part]
    };
    for right in [
        json!({"relation": "parts", "function": "COUNT"}),
        json!({"relation": "parts", "function": "COUNT_DISTINCT", "field": "note"}),
        json!({"relation": "parts", "function": "COUNT_DISTINCT", "field": "owner"}),
        json!({"relation": "parts", "function": "SUM", "field": "price", "filter": "pieces > 1 && deal.version == 1"}),
        json!({"relation": "parts", "function": "AVG", "field": "pieces", "scale": 6}),
        json!({"relation": "parts", "function": "MAX", "field": "createdAt", "scope": "ALL"}),
    ] {
        catalog(&documents(right));
    }
    for (wrong, issue) in [
        (
            json!({"relation": "part", "function": "COUNT"}),
            "fields[0].relation: `Deal` has no to-many relation `part`, made by an `inverse` that points here; did you mean `parts`?",
        ),
        (json!({"relation": "a", "function": "COUNT"}), "fields[0].relation: `Deal` has no to-many relation `a`"),
        (
            json!({"relation": "parts", "function": "SUM", "field": "prise"}),
            "fields[0].field: `Part` has no field `prise`; did you mean `price`?",
        ),
        (
            json!({"relation": "parts", "function": "SUM", "field": "note"}),
            "fields[0].function: SUM needs a number; `note` is none",
        ),
        (json!({"relation": "parts", "function": "AVG", "field": "day"}), "fields[0].function: AVG needs a number"),
        (json!({"relation": "parts", "function": "MIN", "field": "note"}), "fields[0].function: MIN and MAX need"),
        (
            json!({"relation": "parts", "function": "COUNT_DISTINCT", "field": "data"}),
            "fields[0].function: COUNT_DISTINCT needs",
        ),
        (json!({"relation": "parts", "function": "COUNT", "filter": "pieces"}), "fields[0].filter: "),
        (json!({"relation": "parts", "function": "COUNT", "filter": "old.pieces > 1"}), "fields[0].filter: "),
    ] {
        let issues = refused(&documents(wrong));
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert!(issues[0].starts_with(&format!("Deal {issue}")), "{issue}: {issues:?}");
    }
}

#[test]
fn what_a_module_says_of_its_fields_is_checked() {
    let fields = json!([
        {"name": "title", "type": "text"},
        {"name": "number", "type": "autoNumber", "format": "{0}"},
        {"name": "story", "type": "longText"},
        {"name": "day", "type": "date"},
        {"name": "data", "type": "json"},
        {"name": "twice", "type": "formula", "returns": "integer", "rule": "version * 2"},
        {"name": "folder", "type": "reference", "to": "Folder", "required": true},
        {"name": "loose", "type": "reference", "to": "Folder"},
    ]);
    let documents = |key: &str, value: &Json, sharing: &str| {
        let mut document = deal(fields.clone());
        document[key] = value.clone();
        document["sharing"] = json!(sharing);
        [document, json!({"name": "Folder", "plural": "Folders", "fields": []})]
    };
    for (key, right, wrong, place) in [
        ("nameField", json!("title"), json!("day"), json!(["nameField"])),
        ("nameField", json!("number"), json!("story"), json!(["nameField"])),
        ("nameField", json!("title"), json!("id"), json!(["nameField"])),
        ("nameField", json!("title"), json!("titel"), json!(["nameField"])),
        ("search", json!(["title", "story"]), json!(["title", "day"]), json!(["search", 1])),
        ("search", json!(["number"]), json!(["createdAt"]), json!(["search", 0])),
        (
            "uniques",
            json!([{"fields": ["title", "day"]}]),
            json!([{"fields": ["title", "data"]}]),
            json!(["uniques", 0, "fields", 1]),
        ),
        (
            "uniques",
            json!([{"fields": ["title", "owner"]}]),
            json!([{"fields": ["twice"]}]),
            json!(["uniques", 0, "fields", 0]),
        ),
        (
            "uniques",
            json!([{"fields": ["title"]}]),
            json!([{"fields": ["title", "day"]}, {"fields": ["day", "title"]}]),
            json!(["uniques", 1]),
        ),
        (
            "indexes",
            json!([{"fields": ["day"]}, {"fields": ["day", "title"]}]),
            json!([{"fields": ["story"]}]),
            json!(["indexes", 0, "fields", 0]),
        ),
        (
            "indexes",
            json!([{"fields": ["folder", "createdAt"]}]),
            json!([{"fields": ["nothing"]}]),
            json!(["indexes", 0, "fields", 0]),
        ),
        (
            "validations",
            json!([{"rule": "day > old.day", "message": "m", "fields": ["day"]}]),
            json!([{"rule": "day > 5", "message": "m"}]),
            json!(["validations", 0, "rule"]),
        ),
        (
            "validations",
            json!([{"rule": "title != \"\"", "message": "m"}]),
            json!([{"rule": "true", "message": "m", "fields": ["x"]}]),
            json!(["validations", 0, "fields", 0]),
        ),
    ] {
        catalog(&documents(key, &right, "PRIVATE"));
        let issues = resolved(&documents(key, &wrong, "PRIVATE")).unwrap_err();
        assert_eq!(issues.len(), 1, "{key} {wrong}: {issues:?}");
        assert_eq!(path_of(&issues[0].issue.path), place, "{key} {wrong}: {issues:?}");
    }
    let controlled = catalog(&documents("parent", &json!("folder"), "CONTROLLED_BY_PARENT"));
    let deal = controlled.module_by_name("Deal").unwrap();
    assert_eq!(deal.parent, deal.field_named("folder").map(|field| field.id));
    for wrong in ["loose", "title", "nothing"] {
        assert!(
            refused(&documents("parent", &json!(wrong), "CONTROLLED_BY_PARENT"))[0].starts_with("Deal parent: "),
            "{wrong}"
        );
    }
}

#[test]
fn parents_lead_to_an_end() {
    let module = |name: &str, plural: &str, to: &str| {
        json!({"name": name, "plural": plural, "sharing": "CONTROLLED_BY_PARENT", "parent": "above",
            "fields": [{"name": "above", "type": "reference", "to": to, "required": true}]})
    };
    catalog(&[deal(json!([])), module("Part", "Parts", "Deal"), module("Screw", "Screws", "Part")]);
    assert_eq!(
        refused(&[module("Part", "Parts", "Screw"), module("Screw", "Screws", "Part"), module("Bit", "Bits", "Part")])
            .len(),
        2
    );
    assert_eq!(refused(&[module("Part", "Parts", "Part")]).len(), 1);
}

#[test]
fn all_faults_of_all_documents_are_told_at_once() {
    let by_schema = parse_document(&json!({
        "name": "deal", "plural": 5, "colour": "red",
        "fields": [{"name": "a b", "type": "txt"}, {"name": "b", "type": "integer", "maxLength": 3, "requierd": true}, 7, {"type": "choice"}],
    }))
    .unwrap_err();
    let mut places: Vec<String> = by_schema.iter().map(|issue| path_of(&issue.path).to_string()).collect();
    places.sort();
    assert_eq!(
        places,
        [
            r#"["colour"]"#,
            r#"["fields",0,"name"]"#,
            r#"["fields",0,"type"]"#,
            r#"["fields",1,"maxLength"]"#,
            r#"["fields",1,"requierd"]"#,
            r#"["fields",2]"#,
            r#"["fields",3,"name"]"#,
            r#"["fields",3,"options"]"#,
            r#"["name"]"#,
            r#"["plural"]"#,
        ]
    );
    let message = |place: Json| &by_schema.iter().find(|issue| path_of(&issue.path) == place).unwrap().message;
    assert_eq!(message(json!(["fields", 1, "requierd"])), "\"requierd\" is not known here; did you mean `required`?");
    assert_eq!(
        message(json!(["fields", 1, "maxLength"])),
        "a field of type `integer` has no `maxLength`; leave it out"
    );
    assert_eq!(message(json!(["plural"])), "must be a string, not 5");
    assert!(message(json!(["fields", 0, "type"])).ends_with("did you mean `text`?"));

    let by_catalog = refused(&[
        deal(json!([
            {"name": "createdat", "type": "text"},
            {"name": "a", "type": "reference", "to": "Nothing"},
            {"name": "b", "type": "formula", "returns": "money", "rule": "missing + 1"},
            {"name": "c", "type": "rollup", "relation": "parts", "function": "COUNT"},
            {"name": "d", "type": "integer", "default": "9999999999"},
        ])),
        json!({"name": "Query", "plural": "Queries", "nameField": "x", "fields": []}),
    ]);
    let places: Vec<&str> = by_catalog.iter().map(|issue| issue.split(": ").next().unwrap()).collect();
    for place in [
        "Deal fields[0].name",
        "Deal fields[1].to",
        "Deal fields[2].rule",
        "Deal fields[3].relation",
        "Deal fields[4].default",
        "Query name",
        "Query nameField",
    ] {
        assert!(places.contains(&place), "{place}: {by_catalog:#?}");
    }
}

#[test]
fn what_follows_from_a_fault_is_not_told() {
    let issues = refused(&[deal(json!([
        {"name": "a", "type": "reference", "to": "Nothing"},
        {"name": "b", "type": "formula", "returns": "money", "rule": "a.price + 1"},
        {"name": "c", "type": "formula", "returns": "money", "rule": "b * 2"},
        {"name": "d", "type": "text", "default": {"rule": "c > 1 ? \"x\" : \"y\""}},
    ]))]);
    assert_eq!(issues, ["Deal fields[0].to: there is no module \"Nothing\""]);
}

#[test]
fn faults_that_the_json_schema_lets_by_are_found() {
    // A caller may build definitions without the JSON Schema; then the names must still be names.
    let mut hostile = definition(&deal(json!([{"name": "a", "type": "text"}])));
    let fields = std::sync::Arc::make_mut(&mut hostile.fields);
    fields[0].name = "a\"; drop table deal; --".to_owned();
    fields[0].scale = Some(3);
    hostile.plural = "Dåls".to_owned();
    let issues = resolve(1, &platform(), &[hostile]).unwrap_err();
    let places: Vec<Json> = issues.iter().map(|issue| path_of(&issue.issue.path)).collect();
    assert_eq!(places, [json!(["plural"]), json!(["fields", 0, "name"]), json!(["fields", 0, "scale"])]);
}

#[test]
fn there_are_upper_bounds() {
    let fields = |count: usize| -> Json {
        (0..count).map(|number| json!({"name": format!("f{number}"), "type": "text"})).collect()
    };
    let options = |count: usize| -> Json { (0..count).map(|number| json!({"value": format!("V{number}")})).collect() };
    catalog(&[deal(fields(500))]);
    assert!(parse_document(&deal(fields(501))).is_err());
    assert_eq!(faults_of_field(&json!({"name": "a", "type": "choice", "options": options(500)})), []);
    assert_eq!(faults_of_field(&json!({"name": "a", "type": "choice", "options": options(501)})).len(), 1);

    let modules = |count: usize| -> Vec<_> {
        let module = definition(&deal(json!([])));
        let numbered = |number: usize| {
            let mut module = module.clone();
            (module.name, module.plural) = (format!("M{number}"), format!("Ms{number}"));
            module
        };
        (0..count).map(numbered).collect()
    };
    assert!(resolve(1, &platform(), &modules(2_000)).is_ok());
    assert_eq!(resolve(1, &platform(), &modules(2_001)).unwrap_err().len(), 1);
}

#[test]
fn messages_show_neither_the_schema_nor_the_whole_value() {
    let long = "x".repeat(5_000);
    for document in [
        json!({"name": long, "plural": long, "fields": [{"name": long, "type": long, "label": {"x": long}}]}),
        json!({"name": "Deal", "plural": "Deals", "fields": {"a": long}}),
        json!([long]),
        json!({"name": "Deal", "plural": "Deals", "fields": [], long.as_str(): 1}),
    ] {
        for issue in parse_document(&document).unwrap_err() {
            assert!(issue.message.chars().count() < 500, "{}", issue.message);
        }
    }
}
