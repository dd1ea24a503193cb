//! What introspection answers, for callers with different rights.

use std::collections::BTreeSet;

use cardine_access::Rights;
use serde_json::{Value as Json, json};

use super::fixture::{
    HIDDEN, STANDARD_QUERY, administrator, answer, catalog, root_field, salesperson, some_rights, stranger, type_answer,
};
use super::selection::MetaName;
use super::{TooLarge, write};
use crate::schema::Schema;

#[test]
fn standard_query_names_every_type_that_it_refers_to() {
    let catalog = catalog();
    for rights in [administrator(&catalog), salesperson(&catalog), stranger(&catalog)] {
        let answer = answer(Schema { catalog: &catalog, rights: &rights, language: "en" }, STANDARD_QUERY);
        let types = answer["types"].as_array().unwrap();
        let defined: BTreeSet<&str> = types.iter().map(|ty| ty["name"].as_str().unwrap()).collect();
        assert_eq!(defined.len(), types.len(), "a type comes twice");
        let mut used = BTreeSet::new();
        named_types(&answer, &mut used);
        assert_eq!(used.difference(&defined).collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}

#[test]
fn types_found_by_name_are_exactly_those_listed() {
    let catalog = catalog();
    let listed = |rights: &Rights| -> BTreeSet<String> {
        let types = answer(Schema { catalog: &catalog, rights, language: "en" }, "{ __schema { types { name } } }");
        types["types"].as_array().unwrap().iter().map(|ty| ty["name"].as_str().unwrap().to_owned()).collect()
    };
    let all = listed(&administrator(&catalog));
    let mut sizes = BTreeSet::new();
    for seed in 0..100 {
        let rights = some_rights(&catalog, seed);
        let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
        let listed = listed(&rights);
        for name in &all {
            let found = type_answer(schema, name, "{ name }");
            let expected = if listed.contains(name) { json!({"name": name}) } else { Json::Null };
            assert_eq!(found, expected, "{name}, seed {seed}");
        }
        assert!(listed.is_subset(&all), "seed {seed}");
        sizes.insert(listed.len());
    }
    assert!(sizes.len() > 10, "the rights hardly differ: {sizes:?}");
}

#[test]
fn what_a_caller_may_not_read_is_not_mentioned() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let all = answer(Schema { catalog: &catalog, rights: &rights, language: "en" }, STANDARD_QUERY).to_string();
    let rights = salesperson(&catalog);
    let some = answer(Schema { catalog: &catalog, rights: &rights, language: "en" }, STANDARD_QUERY).to_string();
    for hidden in HIDDEN {
        assert!(all.contains(hidden), "{hidden} should be seen by an administrator");
        assert!(!some.contains(hidden), "{hidden} should be hidden");
    }
    assert!(some.contains("GadgetStage"));
}

#[test]
fn hidden_type_by_name_is_null_as_an_unknown_one() {
    let catalog = catalog();
    let query = "{ name kind fields { name } }";
    let rights = salesperson(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    for name in ["Vault", "VaultFilter", "GadgetSecretTier", "GadgetSecretTierFilter", "Time", "NoSuchType", ""] {
        assert_eq!(type_answer(schema, name, query), Json::Null, "{name}");
    }
    assert_eq!(type_answer(schema, "Gadget", query)["name"], "Gadget");
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    assert_eq!(type_answer(schema, "Vault", query)["kind"], "OBJECT");
    assert_eq!(type_answer(schema, "NoSuchType", query), Json::Null);
}

#[test]
fn stranger_has_no_mutation() {
    let catalog = catalog();
    let query = "{ __schema { queryType { name } mutationType { name } subscriptionType { name } description } }";
    let rights = stranger(&catalog);
    let expected =
        json!({"queryType": {"name": "Query"}, "mutationType": null, "subscriptionType": null, "description": null});
    assert_eq!(answer(Schema { catalog: &catalog, rights: &rights, language: "en" }, query), expected);
    let rights = salesperson(&catalog);
    let answer = answer(Schema { catalog: &catalog, rights: &rights, language: "en" }, query);
    assert_eq!(answer["mutationType"], json!({"name": "Mutation"}));
}

#[test]
fn deprecated_members_are_listed_only_when_asked_for() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    let members = |name: &str, list: &str, argument: &str| -> Vec<String> {
        let query = format!("{{ {list}{argument} {{ name isDeprecated deprecationReason }} }}");
        let answer = type_answer(schema, name, &query);
        answer[list].as_array().unwrap().iter().map(ToString::to_string).collect()
    };
    let old =
        |name: &str, reason: &str| json!({"name": name, "isDeprecated": true, "deprecationReason": reason}).to_string();
    for (name, list, member) in [
        ("Gadget", "fields", old("old", "Use `title`, not \"old\".")),
        ("GadgetFilter", "inputFields", old("old", "Use `title`, not \"old\".")),
        ("GadgetStage", "enumValues", old("OLD", "This option is retired; new values may not use it.")),
    ] {
        assert!(members(name, list, "(includeDeprecated: true)").contains(&member), "{name}");
        for argument in ["", "(includeDeprecated: false)"] {
            assert!(!members(name, list, argument).contains(&member), "{name}{argument}");
        }
    }
}

#[test]
fn wrappers_unfold_from_the_outside() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    let query = "{ fields { name type { kind name fields { name } ofType { kind ofType { kind ofType { kind name ofType { name } } } } } } }";
    let fields = type_answer(schema, "GadgetConnection", query);
    let nodes = fields["fields"].as_array().unwrap().iter().find(|field| field["name"] == "nodes").unwrap();
    let record = json!({"kind": "OBJECT", "name": "Gadget", "ofType": null});
    let items = json!({"kind": "LIST", "ofType": {"kind": "NON_NULL", "ofType": record}});
    assert_eq!(nodes["type"], json!({"kind": "NON_NULL", "name": null, "fields": null, "ofType": items}));
}

#[test]
fn each_kind_has_its_own_parts_and_null_for_the_others() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    let query = "{ kind isOneOf specifiedByURL fields { __typename } interfaces { name } possibleTypes { name }
        enumValues { __typename } inputFields { __typename } ofType { name } }";
    let parts = |name: &str| -> Vec<String> {
        let answer = type_answer(schema, name, query);
        answer.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).map(|(part, _)| part.clone()).collect()
    };
    assert_eq!(parts("Gadget"), ["kind", "fields", "interfaces"]);
    assert_eq!(parts("Node"), ["kind", "fields", "interfaces", "possibleTypes"]);
    assert_eq!(parts("GadgetAbout"), ["kind", "possibleTypes"]);
    assert_eq!(parts("GadgetStage"), ["kind", "enumValues"]);
    assert_eq!(parts("GadgetFilter"), ["kind", "isOneOf", "inputFields"]);
    assert_eq!(parts("DateTime"), ["kind", "specifiedByURL"]);
    assert_eq!(parts("Decimal"), ["kind"]);
    assert_eq!(type_answer(schema, "GadgetOrderBy", "{ isOneOf }"), json!({"isOneOf": true}));
    assert_eq!(type_answer(schema, "GadgetFilter", "{ isOneOf }"), json!({"isOneOf": false}));
    let makers_and_gadgets = json!({"possibleTypes": [{"name": "Maker"}, {"name": "Gadget"}]});
    assert_eq!(type_answer(schema, "GadgetAbout", "{ possibleTypes { name } }"), makers_and_gadgets);
}

#[test]
fn aliases_and_typenames_stand_in_the_order_of_the_selection() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    let mut out = b"before ".to_vec();
    let field = root_field("{ __type(name: \"PageInfo\") { b: name a: name __typename kind } }");
    write(schema, &field, usize::MAX, &mut out).unwrap();
    let expected = r#"before {"b":"PageInfo","a":"PageInfo","__typename":"__Type","kind":"OBJECT"}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    let query = "{ __schema { __typename directives { __typename name isRepeatable args { name defaultValue } } } }";
    let answer = answer(schema, query);
    assert_eq!(answer["__typename"], "__Schema");
    let names: Vec<_> = answer["directives"].as_array().unwrap().iter().map(|directive| &directive["name"]).collect();
    assert_eq!(names, ["include", "skip", "deprecated", "specifiedBy", "oneOf"]);
    assert_eq!(answer["directives"][2]["args"], json!([{"name": "reason", "defaultValue": "\"No longer supported\""}]));
}

#[test]
fn introspection_describes_itself_as_it_answers() {
    let catalog = catalog();
    let rights = stranger(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    for name in ["__Schema", "__Type", "__Field", "__InputValue", "__EnumValue", "__Directive"] {
        for field in type_answer(schema, name, "{ fields { name } }")["fields"].as_array().unwrap() {
            let field = field["name"].as_str().unwrap();
            assert!(MetaName::named(field).is_some(), "{name}.{field}");
        }
    }
    assert_eq!(MetaName::named("noSuchField"), None);
}

#[test]
fn an_answer_beyond_the_limit_is_refused() {
    let catalog = catalog();
    let rights = administrator(&catalog);
    let schema = Schema { catalog: &catalog, rights: &rights, language: "en" };
    let nested =
        root_field("{ __schema { types { fields { type { fields { type { fields { type { name } } } } } } } } }");
    let mut out = Vec::new();
    let refused = write(schema, &nested, 10_000, &mut out);
    assert_eq!(refused, Err(TooLarge { limit_bytes: 10_000 }));
    assert!(out.len() < 11_000, "{}", out.len());
    let flat = root_field("{ __schema { types { name } } }");
    assert_eq!(write(schema, &flat, 10_000, &mut Vec::new()), Ok(()));
}

/// The names of all types that members and lists of types refer to.
fn named_types<'a>(value: &'a Json, names: &mut BTreeSet<&'a str>) {
    match value {
        Json::Array(items) => items.iter().for_each(|item| named_types(item, names)),
        Json::Object(parts) => {
            if parts.contains_key("ofType") {
                names.extend(parts.get("name").and_then(Json::as_str));
            }
            parts.values().for_each(|part| named_types(part, names));
        }
        _ => {}
    }
}
