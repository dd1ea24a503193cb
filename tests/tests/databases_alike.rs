//! SQLite and PostgreSQL answer random filters and orders over awkward values alike, to the byte.

use cardine_tests::{Backend, Chance, Client, Server};
use serde_json::{Value, json};

/// How many random requests are compared; each holds several conditions.
const REQUESTS: usize = 400;
/// Any number but zero; the failing request is printed, so another is a matter of this line.
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;

const TEXTS: [&str; 16] = [
    "",
    " ",
    "a",
    "A",
    "á",
    "Á",
    "b",
    "Straße",
    "STRASSE",
    "İstanbul",
    "ıstanbul",
    "Σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "100%_",
    "日本",
    "\u{1f986}",
];
const DECIMALS: [&str; 12] = [
    "0",
    "-0.01",
    "0.01",
    "1",
    "9.99",
    "10",
    "10.01",
    "-10",
    "99999999999999999999999999.99",
    "-99999999999999999999999999.99",
    "0.1",
    "2.5",
];
const INTEGERS: [&str; 8] = ["0", "1", "-1", "7", "10", "2147483647", "-2147483648", "3"];
const BIG: [&str; 5] = ["0", "9007199254740993", "-9223372036854775808", "9223372036854775807", "12"];
const DATES: [&str; 6] = ["2026-01-01", "2024-02-29", "1999-12-31", "2026-12-31", "0001-01-01", "9999-12-31"];
const TIMES: [&str; 4] = ["00:00:00", "23:59:59", "12:30:00", "09:05:07"];
const INSTANTS: [&str; 5] = [
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:00.001Z",
    "2025-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00Z",
    "2026-03-29T02:30:00+01:00",
];
const STAGES: [&str; 3] = ["NEW", "OLD", "LOST"];

const SPELLS: [&str; 6] = ["PT0S", "P1D", "PT90M", "-PT1S", "P3652500D", "PT24H"];
const CITIES: [&str; 5] = ["Bologna", "BOLOGNA", "Àosta", "", "Zürich"];
/// Documents, and what values in them are compared with.
const DOCUMENTS: [&str; 7] = [
    r#"{"a": 1, "b": ["x", 2.5]}"#,
    r#"{"a": 1.0, "b": []}"#,
    r#"{"a": "1", "b": {"0": "X"}}"#,
    r#"{"a": null, "b": true}"#,
    r#"{"a": -1e-7}"#,
    r#"{"a": "straße", "b": [[3], null]}"#,
    r#"[1, 2]"#,
];
const PLACES: [&str; 7] = ["$.a", "$.b", "$.b[0]", "$.b[1]", "$[0]", "$.b[0][0]", "$"];
const OPERANDS: [&str; 8] = ["1", "\"1\"", "2.5", "true", "\"STRASSE\"", "\"x\"", "0", "-0.0000001"];

/// Name, values as they stand in JSON, whether the values stand in quotes in a query.
const FIELDS: [(&str, &[&str], bool); 10] = [
    ("label", &TEXTS, true),
    ("amount", &DECIMALS, true),
    ("pieces", &INTEGERS, false),
    ("views", &BIG, true),
    ("day", &DATES, true),
    ("clock", &TIMES, true),
    ("instant", &INSTANTS, true),
    ("stage", &STAGES, false),
    ("done", &["true", "false"], false),
    ("spell", &SPELLS, true),
];

fn literal(chance: &mut Chance, field: usize) -> String {
    let (_, values, quoted) = FIELDS[field];
    let value = chance.of(values);
    if quoted { json!(value).to_string() } else { value.to_owned() }
}

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let definition = json!({"name": "Sample", "plural": "Samples", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true}, {"name": "label", "type": "text"}, {"name": "amount", "type": "money"},
        {"name": "pieces", "type": "integer"}, {"name": "views", "type": "integer", "big": true}, {"name": "day", "type": "date"},
        {"name": "clock", "type": "time"}, {"name": "instant", "type": "dateTime"}, {"name": "done", "type": "boolean"},
        {"name": "stage", "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD"}, {"value": "LOST"}]},
        {"name": "above", "type": "reference", "to": "Sample", "inverse": "below"},
        {"name": "spell", "type": "duration"}, {"name": "home", "type": "address"}, {"name": "extra", "type": "json"},
        {"name": "friends", "type": "references", "to": "Sample", "inverse": "friendOf", "link": {"fields": [{"name": "weight", "type": "integer"}]}},
        {"name": "friendWeight", "type": "rollup", "relation": "friends", "function": "SUM", "field": "weight", "filter": "otherSample.amount > 1"},
        {"name": "ratio", "type": "formula", "returns": "decimal", "scale": 3, "rule": "amount / pieces"},
        {"name": "isDear", "type": "formula", "returns": "boolean", "rule": "amount > 9.99 && done != true"},
        {"name": "aboveAmount", "type": "formula", "returns": "decimal", "scale": 2, "rule": "coalesce(above.amount, 0) - amount"},
        {"name": "belowCount", "type": "rollup", "relation": "below", "function": "COUNT"},
        {"name": "belowSum", "type": "rollup", "relation": "below", "function": "SUM", "field": "amount", "filter": "pieces != 0"},
        {"name": "belowMean", "type": "rollup", "relation": "below", "function": "AVG", "field": "pieces"},
        {"name": "belowLabels", "type": "rollup", "relation": "below", "function": "COUNT_DISTINCT", "field": "label"},
        {"name": "lastDay", "type": "rollup", "relation": "below", "function": "MAX", "field": "day"},
    ]});
    admin.create_module(definition).await.ok();
    let mut chance = Chance::new(SEED);
    let mut ids: Vec<String> = Vec::new();
    for batch in 0..4 {
        let records: Vec<Value> = (0..20)
            .map(|n| {
                let mut record = json!({"code": format!("{batch}-{n:02}")});
                for (field, (name, _, _)) in FIELDS.iter().enumerate() {
                    if chance.below(5) > 0 {
                        let text = literal(&mut chance, field);
                        record[name] = serde_json::from_str(&text).unwrap_or_else(|_| json!(text));
                    }
                }
                if chance.below(3) > 0 {
                    record["home"] = json!({"city": chance.of(&CITIES), "street": chance.of(&TEXTS)});
                    record["extra"] = serde_json::from_str(chance.of(&DOCUMENTS)).expect("a document");
                }
                if !ids.is_empty() && chance.below(2) > 0 {
                    // Each once: of one that stands there twice the first weight counts.
                    let first = chance.below(ids.len());
                    let friends = (0..chance.below(4)).map(|more| &ids[(first + more) % ids.len()]);
                    let links: Vec<Value> = friends.map(|id| json!({"id": id, "weight": chance.below(9)})).collect();
                    record["friends"] = json!({"link": links});
                }
                if !ids.is_empty() && chance.below(4) > 0 {
                    record["aboveId"] = json!(ids[chance.below(ids.len())]);
                }
                record
            })
            .collect();
        ids.extend(admin.create_many("Sample", records).await);
    }
    server.gather_statistics().await;
    admin
}

fn condition(chance: &mut Chance) -> String {
    let field = chance.below(FIELDS.len());
    let (name, _, _) = FIELDS[field];
    let operators: &[&str] = match name {
        "stage" | "done" => &["eq", "ne", "in", "notIn", "isNull"],
        "label" => {
            &["eq", "ne", "in", "notIn", "lt", "lte", "gt", "gte", "contains", "startsWith", "endsWith", "isNull"]
        }
        _ => &["eq", "ne", "in", "notIn", "lt", "lte", "gt", "gte", "isNull"],
    };
    let operator = chance.of(operators);
    let operand = match operator {
        "isNull" => chance.of(&["true", "false"]).to_owned(),
        "in" | "notIn" => {
            let count = chance.below(4);
            let values: Vec<String> = (0..count).map(|_| literal(chance, field)).collect();
            format!("[{}]", values.join(", "))
        }
        _ => literal(chance, field),
    };
    format!("{{{name}: {{{operator}: {operand}}}}}")
}

fn computed(chance: &mut Chance) -> String {
    let comparison = chance.of(&["eq", "ne", "lt", "lte", "gt", "gte"]);
    let decimal = chance.of(&["\"0\"", "\"3.333\"", "\"-1\"", "\"10\"", "\"0.01\""]);
    match chance.below(10) {
        6 => format!("{{home: {{city: {{{comparison}: {}}}}}}}", json!(chance.of(&CITIES))),
        7 => format!("{{friendWeight: {{{comparison}: \"{}\"}}}}", chance.below(9)),
        8 => {
            let operand = chance.of(&OPERANDS);
            let comparison = if operand == "true" { chance.of(&["eq", "ne"]) } else { comparison };
            format!("{{extra: {{path: \"{}\", {comparison}: {operand}}}}}", chance.of(&PLACES))
        }
        0 => format!("{{ratio: {{{comparison}: {decimal}}}}}"),
        1 => format!("{{aboveAmount: {{{comparison}: {decimal}}}}}"),
        2 => format!("{{belowCount: {{{comparison}: {}}}}}", chance.below(3)),
        3 => format!("{{belowSum: {{{comparison}: {decimal}}}}}"),
        4 => format!("{{belowMean: {{{comparison}: {decimal}}}}}"),
        5 => format!("{{lastDay: {{{comparison}: \"2026-01-01\"}}}}"),
        _ => format!("{{isDear: {{eq: {}}}}}", chance.of(&["true", "false"])),
    }
}

fn filter(chance: &mut Chance, depth: usize) -> String {
    let list = |chance: &mut Chance| {
        let count = chance.below(3);
        let parts: Vec<String> = (0..=count).map(|_| filter(chance, depth - 1)).collect();
        parts.join(", ")
    };
    match chance.below(if depth == 0 { 4 } else { 11 }) {
        0..=2 => condition(chance),
        3 => computed(chance),
        4 => format!("{{and: [{}]}}", list(chance)),
        5 => format!("{{or: [{}]}}", list(chance)),
        6 => format!("{{not: {}}}", filter(chance, depth - 1)),
        7 => format!("{{above: {}}}", filter(chance, depth - 1)),
        8 => {
            let quantifier = chance.of(&["some", "none", "every"]);
            format!("{{{}: {{{quantifier}: {}}}}}", chance.of(&["friends", "friendOf"]), filter(chance, depth - 1))
        }
        _ => {
            let quantifier = chance.of(&["some", "none", "every"]);
            format!("{{below: {{{quantifier}: {}}}}}", filter(chance, depth - 1))
        }
    }
}

fn order(chance: &mut Chance) -> String {
    let names = [
        "label",
        "amount",
        "pieces",
        "views",
        "day",
        "clock",
        "instant",
        "stage",
        "done",
        "ratio",
        "aboveAmount",
        "belowCount",
        "belowSum",
        "belowMean",
        "lastDay",
        "isDear",
        "spell",
        "home",
        "friendWeight",
    ];
    let keys: Vec<String> = (0..=chance.below(3))
        .map(|_| {
            let name = chance.of(&names.each_ref().map(|name| *name));
            let direction =
                chance.of(&["ASC", "DESC", "ASC_NULLS_FIRST", "DESC_NULLS_LAST", "ASC_NULLS_LAST", "DESC_NULLS_FIRST"]);
            if name == "home" {
                format!("{{home: {{city: {direction}}}}}")
            } else if chance.below(4) == 0 {
                format!("{{above: {{{name}: {direction}}}}}")
            } else {
                format!("{{{name}: {direction}}}")
            }
        })
        .collect();
    format!("[{}, {{code: ASC}}]", keys.join(", "))
}

fn request(chance: &mut Chance) -> String {
    let page = chance.of(&["first: 100", "first: 7", "last: 7", "first: 5, offset: 3"]);
    let (filter, order) = (filter(chance, 3), order(chance));
    let (inner_filter, inner_order) = (self::filter(chance, 1), self::order(chance));
    format!(
        "{{ samples(filter: {filter}, orderBy: {order}, {page}) {{ totalCount nodes {{ code label amount pieces views day clock instant stage done \
         spell home {{ city street }} extra friendWeight ratio isDear aboveAmount belowCount belowSum belowMean belowLabels lastDay above {{ code ratio }} \
         friends(filter: {inner_filter}, orderBy: {inner_order}, first: 2) {{ totalCount aggregate {{ sum {{ amount }} }} edges {{ weight node {{ code }} }} }} \
         below(filter: {inner_filter}, orderBy: {inner_order}, first: 3) {{ totalCount nodes {{ code }} pageInfo {{ hasNextPage }} }} }} \
         pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_requests_are_answered_alike() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let (sqlite, postgres) = (Server::start(Backend::Sqlite).await, Server::start(Backend::Postgres).await);
    let (one, other) = (prepare(&sqlite).await, prepare(&postgres).await);
    let mut chance = Chance::new(SEED);
    let mut found_some = 0;
    for _ in 0..REQUESTS {
        let text = request(&mut chance);
        let (answer, twin) = (one.query(&text).await, other.query(&text).await);
        assert!(answer.status == 200 && answer.errors().is_empty(), "{text}\nSQLite: {answer}");
        assert!(answer.text == twin.text, "{text}\nSQLite: {}\nPostgreSQL: {}", answer.text, twin.text);
        found_some += usize::from(answer.data()["samples"]["totalCount"] != 0);
    }
    assert!(found_some > REQUESTS / 2, "most requests find something: {found_some}");
}

/// Pages walked by cursors, forward and backward, hold each record once, in the order of the whole list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cursors_over_any_order_visit_each_record_once() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        if !backend.is_available() {
            continue;
        }
        let server = Server::start(backend).await;
        let admin = prepare(&server).await;
        let mut chance = Chance::new(SEED);
        for round in 0..24 {
            let order = order(&mut chance);
            let page = |arguments: String| {
                let text = format!(
                    "{{ samples(orderBy: {order}, {arguments}) {{ nodes {{ code }} pageInfo {{ startCursor endCursor hasNextPage hasPreviousPage }} }} }}"
                );
                let admin = admin.clone();
                async move { admin.query(&text).await.ok()["samples"].clone() }
            };
            let codes = |page: &Value| -> Vec<String> {
                page["nodes"]
                    .as_array()
                    .expect("nodes")
                    .iter()
                    .map(|node| node["code"].as_str().expect("a code").to_owned())
                    .collect()
            };
            let whole = codes(&page("first: 200".to_owned()).await);
            assert_eq!(whole.len(), 80);
            let forward = round % 2 == 0;
            let (mut walked, mut place): (Vec<String>, Option<Value>) = (Vec::new(), None);
            loop {
                let arguments = match (&place, forward) {
                    (None, true) => "first: 17".to_owned(),
                    (None, false) => "last: 17".to_owned(),
                    (Some(cursor), true) => format!("first: 17, after: {cursor}"),
                    (Some(cursor), false) => format!("last: 17, before: {cursor}"),
                };
                let found = page(arguments).await;
                let more = &found["pageInfo"][if forward { "hasNextPage" } else { "hasPreviousPage" }];
                place = Some(found["pageInfo"][if forward { "endCursor" } else { "startCursor" }].clone());
                if forward {
                    walked.extend(codes(&found));
                } else {
                    walked.splice(0..0, codes(&found));
                }
                if *more == json!(false) {
                    break;
                }
                assert!(walked.len() < 200, "{order}: the walk ends");
            }
            assert_eq!(walked, whole, "{order}");
        }
    }
}
