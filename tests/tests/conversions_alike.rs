//! A change of type gives the same on SQLite and on PostgreSQL, value by value: what is converted, what is refused and in which words.

use cardine_tests::{Answer, Backend, Client, Server};
use serde_json::{Value, json};

/// Texts of which each is a value of some type, or nearly one.
const TEXTS: [&str; 53] = [
    " ",
    "1",
    "-1",
    "+5",
    "-0",
    "007",
    "1.50",
    " 2",
    "1.5 ",
    "1e3",
    "１２",
    "12,5",
    "99999999999999999999",
    "9223372036854775808",
    "2147483648",
    "true",
    "TRUE",
    "Yes",
    "no",
    "t",
    "2026-02-03",
    "2026-2-3",
    "2026-02-30",
    "2026-02-03T00:00:00Z",
    "2026-02-03T01:00:00+01:00",
    "2026-02-03T10:00:00.123Z",
    "2026-02-03 10:00",
    "2026-02-03T10:00:00.1230Z",
    "2026-02-03T10:00:00.1239Z",
    "2016-12-31T23:59:60Z",
    "0000-01-01T00:00:00Z",
    "0000-01-01",
    "10000-01-01",
    "09:30",
    "09:30:00",
    "24:00:00",
    "23:59:60",
    "PT1H",
    "P1D",
    "P1Y",
    "-PT1S",
    "ONE",
    "one",
    "[1]",
    "{\"a\":1.0}",
    "{\"a\":1,\"a\":2}",
    "[123456789012345678901]",
    "0.1000000000000000055511151231257827",
    "null",
    "[\"ONE\"]",
    "ann@example.org",
    "+390512345678",
    "https://example.org/é",
];

/// What the texts become.
fn types() -> Vec<Value> {
    let options = json!([{"value": "ONE"}, {"value": "TWO", "active": false}]);
    vec![
        json!({"type": "integer"}),
        json!({"type": "integer", "big": true}),
        json!({"type": "integer", "min": 0, "max": 10}),
        json!({"type": "decimal", "scale": 2}),
        json!({"type": "percent", "scale": 0}),
        json!({"type": "boolean"}),
        json!({"type": "date"}),
        json!({"type": "time"}),
        json!({"type": "dateTime"}),
        json!({"type": "duration"}),
        json!({"type": "choice", "options": options}),
        json!({"type": "multiChoice", "options": options}),
        json!({"type": "json"}),
        json!({"type": "email"}),
        json!({"type": "phone"}),
        json!({"type": "url"}),
        json!({"type": "richText"}),
        json!({"type": "text", "maxLength": 5}),
    ]
}

/// One record after the other; every field becomes every type.
fn records() -> Value {
    json!([
        {"whole": 0, "exact": "1.000", "truth": true, "day": "2026-02-03", "moment": "2026-02-03T00:00:00Z", "hour": "00:00:00",
         "span": "PT60S", "state": "ONE", "states": ["ONE"], "data": 1},
        {"whole": 1, "exact": "-2.500", "truth": false, "day": "0001-01-01", "moment": "2026-02-03T10:30:00.5Z", "hour": "09:30:00",
         "span": "P2D", "state": "TWO", "states": ["ONE", "TWO"], "data": "x"},
        {"whole": -2_147_483_648_i64, "exact": "0.125", "day": "9999-12-31", "moment": "9999-12-31T23:59:59.999Z", "hour": "23:59:59",
         "span": "-PT5S", "states": [], "data": {"a": [1, 2.50]}},
        {"whole": 2, "exact": "99999999999.999", "data": "2026-02-03"},
        {"data": true},
        {},
    ])
}

const FIELDS: [&str; 10] = ["whole", "exact", "truth", "day", "moment", "hour", "span", "state", "states", "data"];

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let options = json!([{"value": "ONE"}, {"value": "TWO"}]);
    let values = json!({"name": "Item", "plural": "Items", "fields": [
        {"name": "number", "type": "integer"},
        {"name": "whole", "type": "integer"}, {"name": "exact", "type": "decimal", "scale": 3}, {"name": "truth", "type": "boolean"},
        {"name": "day", "type": "date"}, {"name": "moment", "type": "dateTime"}, {"name": "hour", "type": "time"},
        {"name": "span", "type": "duration"}, {"name": "state", "type": "choice", "options": options},
        {"name": "states", "type": "multiChoice", "options": options}, {"name": "data", "type": "json"}]});
    let mut fields = vec![json!({"name": "number", "type": "integer"})];
    fields.extend((0..types().len()).map(|n| json!({"name": format!("text{n}"), "type": "text", "maxLength": 200})));
    for module in [values, json!({"name": "Word", "plural": "Words", "fields": fields})] {
        let _ = admin.create_module(module).await.ok();
    }
    let words = TEXTS.iter().enumerate().map(|(number, text)| {
        let texts = (0..types().len()).map(|n| (format!("text{n}"), json!(text)));
        Value::Object(std::iter::once(("number".to_owned(), json!(number))).chain(texts).collect())
    });
    admin.create_many("Word", words).await;
    let items = records().as_array().expect("a list").clone().into_iter().enumerate().map(|(number, mut item)| {
        item["number"] = json!(number);
        item
    });
    admin.create_many("Item", items).await;
    admin
}

/// What is told of a change, without what differs by nature: ids, and the statements.
fn told(answer: &Answer) -> Value {
    let nameless = |text: &str| -> String {
        let is_id = |word: &str| word.trim_end_matches(':').parse::<uuid::Uuid>().is_ok();
        text.split(' ').map(|word| if is_id(word) { "id" } else { word }).collect::<Vec<_>>().join(" ")
    };
    let issues = match answer.errors().is_empty() {
        true => answer.ok()["change"]["warnings"].as_array().cloned().unwrap_or_default(),
        false => answer.issues().into_iter().cloned().collect(),
    };
    let issues: Vec<Value> = issues
        .iter()
        .map(|issue| json!([issue["rule"], issue["path"], nameless(issue["message"].as_str().unwrap_or_default())]))
        .collect();
    let mut issues: Vec<String> = issues.iter().map(Value::to_string).collect();
    // Records are named by their ids, whose order is their own.
    issues.sort();
    json!({"codes": answer.codes(), "issues": issues, "rows": answer.data()["change"]["rows"]})
}

/// All that is asked, and what comes of it.
async fn script(admin: &Client) -> Vec<(String, Value)> {
    let mut said = Vec::new();
    let change = |module: &'static str, name: String, mut to: Value, cleared: bool, dry: bool| {
        if cleared {
            to["onUnconvertible"] = json!("NULL");
        }
        async move {
            let arguments = json!({"module": module, "name": name, "to": to, "dryRun": dry});
            let asked = format!("{module}.{name} to {to}{}", if dry { ", looked at" } else { "" });
            (asked, told(&admin.change("changeFieldType", arguments).await))
        }
    };
    for (n, to) in types().into_iter().enumerate() {
        let name = format!("text{n}");
        for (cleared, dry) in [(false, false), (true, true), (true, false)] {
            said.push(change("Word", name.clone(), to.clone(), cleared, dry).await);
        }
        let list = format!("{{ words(first: 100, orderBy: [{{number: ASC}}]) {{ nodes {{ number {name} }} }} }}");
        said.push((list.clone(), admin.query(&list).await.ok().clone()));
        said.push(change("Word", name.clone(), json!({"type": "text", "maxLength": 200}), false, false).await);
        said.push((format!("{name} is text again"), admin.query(&list).await.ok().clone()));
    }
    for field in FIELDS {
        for to in types() {
            said.push(change("Item", field.to_owned(), to, false, true).await);
        }
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_type_becomes_every_other_alike() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let (one, other) = (Server::start(Backend::Sqlite).await, Server::start(Backend::Postgres).await);
    let (sqlite, postgres) = (prepare(&one).await, prepare(&other).await);
    let (sqlite, postgres) = tokio::join!(script(&sqlite), script(&postgres));
    assert_eq!(sqlite.len(), postgres.len());
    for ((asked, found), (_, expected)) in sqlite.iter().zip(&postgres) {
        assert_eq!(found, expected, "{asked}");
        assert!(!found.to_string().contains("INTERNAL"), "{asked}: {found}");
    }
    // Both outcomes are among them, so that what is alike is not nothing.
    let outcomes = |code: &str| sqlite.iter().filter(|(_, found)| found["codes"] == json!([code])).count();
    let made = sqlite.iter().filter(|(_, found)| found["codes"] == json!([])).count();
    assert!(outcomes("VALIDATION_FAILED") > 50 && made > 50, "{} refused, {made} made", outcomes("VALIDATION_FAILED"));
}
