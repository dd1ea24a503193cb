//! The writer on rows in memory: what stands where, and that what it writes is JSON.

use std::collections::HashMap;

use cardine_engine::{Cell, Group};
use serde_json::{Value as Json, json};

use super::{Rows, Sealing, Written, row_of, write_data, write_text};
use crate::file_link::FileLinks;
use crate::fixture::{World, sales};

/// Rows as JSON arrays, and the pages of parents.
#[derive(Default)]
struct Table {
    rows: Vec<Vec<Json>>,
    root: Group,
    pages: HashMap<String, Group>,
    totals: Vec<Vec<Json>>,
    children: Vec<Table>,
    histories: Vec<Table>,
    /// How often a cell was looked at.
    looks: std::cell::Cell<usize>,
}

impl Table {
    fn new(rows: Json) -> Self {
        let rows: Vec<Vec<Json>> = serde_json::from_value(rows).unwrap();
        let root = Group { rows: 0..rows.len(), has_more: false, totals: None };
        Self { rows, root, ..Self::default() }
    }
}

fn cell(value: &Json) -> Cell<'_> {
    match value {
        Json::Null => Cell::Null,
        Json::Bool(truth) => Cell::Boolean(*truth),
        Json::Number(number) => Cell::Integer(number.as_i64().unwrap()),
        Json::String(text) => Cell::Text(text),
        other => panic!("{other} is no cell"),
    }
}

impl Rows for Table {
    fn cell(&self, row: usize, output: usize) -> Cell<'_> {
        self.looks.set(self.looks.get() + 1);
        cell(&self.rows[row][output])
    }

    fn total(&self, group: &Group, position: usize) -> Cell<'_> {
        group.totals.map_or(Cell::Null, |row| cell(&self.totals[row][position]))
    }

    fn root(&self) -> Group {
        self.root.clone()
    }

    fn of_parent(&self, parent: &str) -> Group {
        self.pages.get(parent).cloned().unwrap_or_default()
    }

    fn child(&self, position: usize) -> &Self {
        &self.children[position]
    }

    fn history(&self, position: usize) -> &Self {
        &self.histories[position]
    }
}

fn answer(world: &World, query: &str, tables: &[Table]) -> String {
    let operation = world.compile(query, json!({})).unwrap();
    let written: Vec<Written<'_, Table>> = tables.iter().map(|rows| Written { ids: &[], rows }).collect();
    let (read, written) = if operation.mutations.is_empty() { (tables, &[][..]) } else { (&[][..], &written[..]) };
    let mut out = Vec::new();
    let sealing =
        Sealing { key: &world.cursors, links: FileLinks::default(), contexts: &operation.contexts, computed: &[] };
    match write_data(&operation.shape, read, written, sealing, Some(world.setting().viewer), &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(error) => error.message,
    }
}

#[test]
fn values_are_written_as_their_types() {
    let world = World::new(sales);
    let query = "{ deal(id: 1) { title t: title amount views won stage notes closeDate version account { name } kind: __typename } }";
    let row =
        json!([["a\"b\\\n", "12.50", 9_007_199_254_740_993_i64, true, "WON", "{\"x\": [1.0]}", null, 3, null, null]]);
    let expected = r#"{"deal":{"title":"a\"b\\\n","t":"a\"b\\\n","amount":"12.50","views":"9007199254740993","won":true,"stage":"WON","notes":{"x": [1.0]},"closeDate":null,"version":3,"account":null,"kind":"Deal"}}"#;
    assert_eq!(answer(&world, query, &[Table::new(row)]), expected);
    assert_eq!(answer(&world, query, &[Table::new(json!([]))]), r#"{"deal":null}"#);
}

#[test]
fn a_reference_to_several_modules_shows_the_one_that_is_there() {
    let world = World::new(sales);
    let query = "{ tasks { nodes { parent { __typename ... on Account { name } ... on Deal { title } } } } }";
    // Outputs: the account's id and name, the deal's id and title.
    let rows = json!([["a", "Acme", null, null], [null, null, "d", "Big"], [null, null, null, null]]);
    let expected = r#"{"tasks":{"nodes":[{"parent":{"__typename":"Account","name":"Acme"}},{"parent":{"__typename":"Deal","title":"Big"}},{"parent":null}]}}"#;
    assert_eq!(answer(&world, query, &[Table::new(rows)]), expected);
}

#[test]
fn each_parent_has_its_own_page() {
    let world = World::new(sales);
    let query = "{ accounts { nodes { one: deals(first: 1) { totalCount nodes { title } pageInfo { hasNextPage hasPreviousPage } } } } }";
    let mut deals = Table::new(json!([["x"], ["y"]]));
    deals.totals = vec![vec![json!(7)]];
    deals.pages.insert("a".to_owned(), Group { rows: 1..2, has_more: true, totals: Some(0) });
    let accounts = Table { children: vec![deals], ..Table::new(json!([["a"], ["b"]])) };
    let expected = r#"{"accounts":{"nodes":[{"one":{"totalCount":7,"nodes":[{"title":"y"}],"pageInfo":{"hasNextPage":true,"hasPreviousPage":false}}},{"one":{"totalCount":0,"nodes":[],"pageInfo":{"hasNextPage":false,"hasPreviousPage":false}}}]}}"#;
    assert_eq!(answer(&world, query, &[accounts]), expected);
}

#[test]
fn figures_are_written_as_their_types() {
    let world = World::new(sales);
    let query = "{ deals { aggregate { count n: count sum { amount views } avg { views amount } max { title closeDate } countDistinct { accountId } __typename } totalCount } }";
    // Each measure once: the number, the sums, the means, the greatest values, the number of accounts.
    let row = json!([3, "37.5", "9223372036854775808", "1.50", "12.5", "z\"", null, 2]);
    let figures = Table { totals: vec![row.as_array().unwrap().clone()], ..Table::new(json!([])) };
    let figures = Table { root: Group { totals: Some(0), ..Group::default() }, ..figures };
    let expected = r#"{"deals":{"aggregate":{"count":3,"n":3,"sum":{"amount":"37.50","views":"9223372036854775808"},"avg":{"views":"1.50","amount":"12.50"},"max":{"title":"z\"","closeDate":null},"countDistinct":{"accountId":2},"__typename":"DealAggregate"},"totalCount":3}}"#;
    assert_eq!(answer(&world, query, &[figures]), expected);
    let none = r#"{"deals":{"aggregate":{"count":0,"n":0,"sum":{"amount":null,"views":null},"avg":{"views":null,"amount":null},"max":{"title":null,"closeDate":null},"countDistinct":{"accountId":0},"__typename":"DealAggregate"},"totalCount":0}}"#;
    assert_eq!(answer(&world, query, &[Table::new(json!([]))]), none, "no row stands for no records");
}

#[test]
fn groups_show_their_keys_as_nested_objects() {
    let world = World::new(sales);
    let query = "{ dealGroups(groupBy: [{closeDate: MONTH}, {account: {industry: true}}, {accountId: true}]) {
        count key { closeDate stage accountId account { industry name parent { name } __typename } } sum { amount } } }";
    let rows = json!([["2026-05-01", "RETAIL", "a", 2, "3"], [null, null, null, 1, null]]);
    let expected = r#"{"dealGroups":[{"count":2,"key":{"closeDate":"2026-05-01","stage":null,"accountId":"a","account":{"industry":"RETAIL","name":null,"parent":null,"__typename":"AccountGroupKey"}},"sum":{"amount":"3.00"}},{"count":1,"key":{"closeDate":null,"stage":null,"accountId":null,"account":{"industry":null,"name":null,"parent":null,"__typename":"AccountGroupKey"}},"sum":{"amount":null}}]}"#;
    assert_eq!(answer(&world, query, &[Table::new(rows)]), expected);
}

#[test]
fn pages_tell_what_lies_before_and_after() {
    let world = World::new(sales);
    let more = |has_more| {
        let table = Table::new(json!([["a"]]));
        Table { root: Group { has_more, ..table.root.clone() }, ..table }
    };
    for (arguments, has_more, next, previous) in [
        ("first: 1", true, true, false),
        ("first: 1", false, false, false),
        ("first: 1, offset: 1", false, false, true),
        ("last: 1", true, false, true),
        ("last: 1, offset: 2", false, true, false),
    ] {
        let query = format!("{{ deals({arguments}) {{ pageInfo {{ hasNextPage hasPreviousPage }} }} }}");
        let expected = json!({"deals": {"pageInfo": {"hasNextPage": next, "hasPreviousPage": previous}}});
        let written = answer(&world, &query, &[more(has_more)]);
        assert_eq!(serde_json::from_str::<Json>(&written).unwrap(), expected, "{arguments}");
    }
}

#[test]
fn a_written_cursor_is_read_back_as_the_place_of_its_row() {
    let world = World::new(sales);
    let order = "orderBy: [{amount: DESC}, {title: ASC}, {closeDate: ASC}, {won: ASC}, {views: DESC}, {callAt: ASC}, {createdAt: ASC}]";
    let query = |more: &str| {
        format!("{{ deals({order}{more}) {{ edges {{ cursor }} pageInfo {{ startCursor endCursor }} }} }}")
    };
    let id = "01900000-0000-7000-8000-00000000000a";
    let row = json!(["12.50", "è \"x\"", null, true, 5, "09:30:00", "2026-01-31T10:00:00.000Z", id]);
    let written = answer(&world, &query(""), &[Table::new(json!([row]))]);
    let json: Json = serde_json::from_str(&written).unwrap();
    let cursor = json["deals"]["pageInfo"]["endCursor"].as_str().unwrap();
    assert_eq!(json["deals"]["edges"][0]["cursor"], cursor);

    let operation = world.compile(&query(&format!(", after: \"{cursor}\"")), json!({})).unwrap();
    let place = operation.lists[0].get().page.after.clone().unwrap();
    let values: Vec<String> =
        place.iter().map(|part| format!("{} {:?}", part.is_null, operation.values[part.slot.0 as usize])).collect();
    let expected = [
        "false Decimal(12.5)".to_owned(),
        "false Text(\"è \\\"x\\\"\")".to_owned(),
        "true Null".to_owned(),
        "false Boolean(true)".to_owned(),
        "false Integer(5)".to_owned(),
        "false Time(09:30:00)".to_owned(),
        "false DateTime(2026-01-31T10:00:00Z)".to_owned(),
        format!("false Id({id})"),
    ];
    assert_eq!(values, expected);

    let empty = answer(&world, &query(""), &[Table::new(json!([]))]);
    assert_eq!(empty, r#"{"deals":{"edges":[],"pageInfo":{"startCursor":null,"endCursor":null}}}"#);
}

#[test]
fn a_mutation_shows_what_it_wrote() {
    let world = World::new(sales);
    let query = "mutation { a: deleteDeal(id: 1) { title } }";
    assert_eq!(answer(&world, query, &[Table::new(json!([["x"]]))]), r#"{"a":{"title":"x"}}"#);
    let unseen = "The record was written, but you may not see it any more.";
    assert_eq!(answer(&world, query, &[Table::new(json!([]))]), unseen);
}

#[test]
fn a_record_is_found_by_its_id_in_a_few_looks() {
    let id = |number: usize| format!("01900000-0000-7000-8000-{:012x}", 2 * number);
    let table = Table::new(json!((0..1_000).map(|number| json!(["x", id(number)])).collect::<Vec<_>>()));
    for number in 0..1_000 {
        assert_eq!(row_of(&table, 1, &id(number)), Some(number));
    }
    assert!(table.looks.get() <= 10 * 1_000, "{}", table.looks.get());
    for absent in ["", "01900000-0000-7000-8000-000000000001", "01900000-0000-7000-8000-ffffffffffff"] {
        assert_eq!(row_of(&table, 1, absent), None);
    }
    assert_eq!(row_of(&Table::default(), 1, &id(0)), None);
}

#[test]
fn any_text_is_read_back_as_it_was() {
    let all: String = (0..=0x250_u32).chain([0x2028, 0xfffd, 0x1f600]).filter_map(char::from_u32).collect();
    for text in ["", "plain", "\"\\\u{0}\n", "è \u{7f} 😀", &all] {
        let mut json = Vec::new();
        write_text(text, &mut json);
        assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
    }
}

#[test]
fn every_character_is_escaped_wherever_it_stands() {
    for character in (0..0x300).filter_map(char::from_u32) {
        for position in 0..18 {
            let mut text = "è23456789abcdefgh".to_owned();
            let start = text.char_indices().nth(position).map_or(text.len(), |(start, _)| start);
            text.insert(start, character);
            let mut json = Vec::new();
            write_text(&text, &mut json);
            assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text, "{character:?} at {position}");
        }
    }
}
