//! Cases: a query and its variables, with the compiled operation as text beside it.
//!
//! `CARDINE_UPDATE_CASES=1` writes the plans anew; the change is then read like any other.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::print::print;
use crate::error::Code;
use crate::fixture::{World, administrator, sales};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/compile");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "graphql")).collect();
    cases.sort();
    cases
}

#[test]
fn queries_compile_to_their_plans() {
    let world = World::new(sales);
    let mut wrong = Vec::new();
    for path in cases() {
        let text = std::fs::read_to_string(&path).unwrap();
        let (query, variables) = text.split_once("# variables\n").unwrap_or((&text, "{}"));
        let variables: Json = serde_json::from_str(variables).unwrap();
        let plan = match world.compile(query, variables) {
            Ok(operation) => print(&world.catalog, &operation),
            Err(errors) => format!("{errors:#?}\n"),
        };
        let expected = path.with_extension("plan");
        if std::env::var_os("CARDINE_UPDATE_CASES").is_some() {
            std::fs::write(&expected, &plan).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != plan {
            wrong.push(format!("{}:\n{plan}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases().len() >= 8);
}

#[test]
fn the_structure_does_not_depend_on_values() {
    let world = World::new(sales);
    let query = "query ($t: String, $n: Int, $s: [DealStage!], $a: Decimal) {
        deals(first: $n, filter: {title: {contains: $t}, stage: {in: $s}, amount: {gt: $a}}) { nodes { title } totalCount } }";
    let one = world.compile(query, json!({"t": "a", "n": 1, "s": [], "a": 1})).unwrap();
    let two = world.compile(query, json!({"t": "bb", "n": 20, "s": ["WON", "OPEN"], "a": "2.50"})).unwrap();
    assert_eq!(one.lists[0].get(), two.lists[0].get());
    assert_ne!(one.values, two.values);
}

#[test]
fn nodes_ask_each_module_once_and_answer_in_the_order_of_the_ids() {
    let mut world = World::new(sales);
    let id = |name: &str, number: u128| (uuid::Uuid::from_u128(number), world.catalog.by_name[name]);
    world.located.modules = [id("Deal", 1), id("Account", 2), id("Deal", 3)].into_iter().collect();
    let ids: Vec<_> = [3_u128, 2, 9, 1, 3].map(|number| uuid::Uuid::from_u128(number).to_string()).into();
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id ... on Deal { title } } }";
    let operation = world.compile(query, json!({"ids": ids})).unwrap();
    assert_eq!(operation.lists.len(), 2);
    let plan = print(&world.catalog, &operation);
    let lists =
        r#"Some(("00000000-0000-0000-0000-000000000003", 1)), Some(("00000000-0000-0000-0000-000000000002", 0)), None"#;
    assert!(plan.contains(lists), "{plan}");
}

#[test]
fn a_page_is_within_its_bounds() {
    let world = World::new(sales);
    for (arguments, message) in [
        ("first: -1", "`first` must not be negative, found -1."),
        ("last: -5", "`last` must not be negative, found -5."),
        ("first: 1001", "`first` may be at most 1000, found 1001."),
        ("first: 1, last: 1", "`first` and `last` cannot both be given: take one end of the list."),
        ("offset: -1", "`offset` must not be negative, found -1."),
        ("after: \"x\"", "`after` is no cursor of this list: cursors hold for one module, order and filter."),
        ("before: \"\"", "`before` is no cursor of this list: cursors hold for one module, order and filter."),
    ] {
        let query = format!("{{ deals({arguments}) {{ totalCount }} }}");
        assert_eq!(world.refusals(&query, json!({})), [message]);
        let nested = format!("{{ accounts {{ nodes {{ deals({arguments}) {{ totalCount }} }} }} }}");
        assert_eq!(world.refusals(&nested, json!({})), [message]);
    }
    for arguments in ["first: 0", "first: 1000", "last: 0", "first: null", "offset: 0", "first: null, last: 3"] {
        let query = format!("{{ deals({arguments}) {{ totalCount }} }}");
        assert_eq!(world.refusals(&query, json!({})), Vec::<String>::new(), "{arguments}");
    }
}

#[test]
fn estimated_rows_are_bounded_after_coercion() {
    let world = World::new(sales);
    let query = "query ($n: Int = 1) { accounts(first: 100) { nodes { deals(first: 100) { nodes { tasks(first: $n) { nodes { id } } } } } } }";
    assert_eq!(world.compile(query, json!({})).unwrap().rows, 100 + 10_000 + 10_000);
    let errors = world.compile(query, json!({"n": 4})).unwrap_err();
    assert_eq!(errors[0].code, Code::LimitExceeded);
    assert_eq!(errors[0].message, "The limit of 50000 estimated rows is exceeded: the request has 50100.");
}

#[test]
fn relations_are_bounded_in_selections_filters_and_orders() {
    let world = World::new(sales);
    let nest = |open: &str, middle: &str, close: &str, times: usize| {
        format!("{}{middle}{}", open.repeat(times), close.repeat(times))
    };
    let shape = |times| {
        let selection = nest("parent {", "id", "}", times);
        let filter = nest("parent: {", "name: {eq: \"x\"}", "}", times);
        let order = nest("parent: {", "name: ASC", "}", times);
        [
            format!("{{ accounts {{ nodes {{ {selection} }} }} }}"),
            format!("{{ accounts(filter: {{{filter}}}) {{ totalCount }} }}"),
            format!("{{ accounts(orderBy: [{{{order}}}]) {{ totalCount }} }}"),
        ]
    };
    for query in shape(12) {
        assert_eq!(world.refusals(&query, json!({})), Vec::<String>::new());
    }
    for query in shape(13) {
        let message = "The limit of 12 levels of relations is exceeded: the request has 13.";
        assert_eq!(world.refusals(&query, json!({})), [message]);
    }
}

#[test]
fn conditions_are_bounded_whatever_their_form() {
    let world = World::new(sales);
    let query = "query ($f: DealFilter) { deals(filter: $f) { totalCount } }";
    let many: Vec<Json> = (0..501).map(|number| json!({"title": {"eq": number.to_string()}})).collect();
    let errors = world.compile(query, json!({"f": {"or": many}})).unwrap_err();
    assert_eq!(errors[0].code, Code::LimitExceeded);
    assert!(world.compile(query, json!({"f": {"or": many[..400]}})).is_ok());
    let big: Vec<String> = (0..20_000).map(|number| number.to_string()).collect();
    assert!(world.compile(query, json!({"f": {"title": {"in": big}}})).is_ok());
}

#[test]
fn a_cursor_is_of_one_list_only() {
    let world = World::new(sales);
    let page = |world: &World, arguments: &str| {
        let query = format!("{{ deals({arguments}) {{ pageInfo {{ endCursor }} }} }}");
        let operation = world.compile(&query, json!({})).unwrap();
        let crate::shape::RootField::Connection { shape, .. } = &operation.shape[0].1 else { panic!("{query}") };
        operation.contexts[shape.cursor.as_ref().unwrap().context]
    };
    let place = br#"["12.50","01900000-0000-7000-8000-00000000000a"]"#;
    let order = "orderBy: [{amount: DESC}], filter: {title: {eq: \"x\"}}";
    let cursor = world.cursors.seal(&page(&world, order), place);
    let with =
        |arguments: &str| format!("{{ deals({arguments}, after: \"{cursor}\", first: 7) {{ nodes {{ id }} }} }}");
    let operation = world.compile(&with(order), json!({})).unwrap();
    let after = operation.lists[0].get().page.after.clone().unwrap();
    assert_eq!(operation.values[after[0].slot.0 as usize], cardine_model::Value::Decimal("12.5".parse_decimal()));
    for other in [
        "orderBy: [{amount: ASC}], filter: {title: {eq: \"x\"}}",
        "orderBy: [{amount: DESC}], filter: {title: {eq: \"y\"}}",
        "orderBy: [{amount: DESC}]",
        "orderBy: [{double: DESC}], filter: {title: {eq: \"x\"}}",
        "orderBy: [{amount: DESC}], filter: {title: {eq: \"x\"}}, deleted: ONLY",
    ] {
        let refusals = world.refusals(&with(other), json!({}));
        assert!(refusals.len() == 1 && refusals[0].starts_with("`after` is no cursor"), "{other}: {refusals:?}");
    }
    let foreign = with(order).replace("deals", "accounts").replace("amount", "revenue").replace("title", "name");
    assert_eq!(world.refusals(&foreign, json!({})).len(), 1);
}

trait ParseDecimal {
    fn parse_decimal(&self) -> cardine_model::Decimal;
}

impl ParseDecimal for str {
    fn parse_decimal(&self) -> cardine_model::Decimal {
        cardine_model::Decimal::parse(self).unwrap()
    }
}

#[test]
fn the_standard_introspection_query_is_answered() {
    let world = World::new(administrator);
    let query = include_str!("../introspection_query.graphql");
    let operation = world.compile(query, json!({})).unwrap();
    let crate::shape::RootField::Constant(schema) = &operation.shape[0].1 else { panic!("no constant") };
    let schema: Json = serde_json::from_slice(schema).unwrap();
    let types = schema["types"].as_array().unwrap();
    assert!(types.iter().any(|ty| ty["name"] == "DealFilter"));
    assert_eq!(types.len(), world.schema().all_types().len());
}
