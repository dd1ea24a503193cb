//! The module that is asked about, its records, and what its computed fields come to.

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::value::{Value, round};

/// What a field's values are, and so what can be asked of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Integer,
    Big,
    /// With so many digits.
    Decimal(u32),
    Boolean,
    Date,
    Time,
    Instant,
    Choice,
    Options,
}

/// Every field, stored ones first.
pub const FIELDS: [(&str, Kind); 16] = [
    ("label", Kind::Text),
    ("amount", Kind::Decimal(2)),
    ("pieces", Kind::Integer),
    ("views", Kind::Big),
    ("day", Kind::Date),
    ("clock", Kind::Time),
    ("instant", Kind::Instant),
    ("done", Kind::Boolean),
    ("stage", Kind::Choice),
    ("tags", Kind::Options),
    ("ratio", Kind::Decimal(3)),
    ("isDear", Kind::Boolean),
    ("belowCount", Kind::Integer),
    ("belowSum", Kind::Decimal(2)),
    ("belowMean", Kind::Decimal(2)),
    ("lastDay", Kind::Date),
];

/// How many of them are stored.
pub const STORED: usize = 10;

pub const TEXTS: [&str; 24] = [
    "",
    " ",
    "a",
    "A",
    "á",
    "À",
    "b",
    "e",
    "E",
    "è",
    "È",
    "é",
    "Straße",
    "STRASSE",
    "strasse",
    "istanbul",
    "İstanbul",
    "Istanbul",
    "ıstanbul",
    "Σίσυφος",
    "ΣΊΣΥΦΟΣ",
    "100%_\\",
    "日本",
    "\u{1f986}",
];
const DECIMALS: [i128; 10] = [0, -10, 10, 1_000, 9_990, 10_000, 10_010, -10_000, 123_456_789_012_340, 2_500];
const INTEGERS: [i128; 8] = [0, 1, -1, 7, 10, 2_147_483_647, -2_147_483_648, 3];
const BIG: [i128; 5] = [0, 9_007_199_254_740_993, i64::MIN as i128, i64::MAX as i128, 12];
const DATES: [&str; 9] = [
    "2026-01-01",
    "2024-02-29",
    "1999-12-31",
    "2026-12-31",
    "0001-01-01",
    "9999-12-31",
    "2026-03-30",
    "2026-04-05",
    "2026-02-01",
];
const TIMES: [&str; 4] = ["00:00:00", "23:59:59", "12:30:00", "09:05:07"];
/// Around midnights and changes of clocks of several zones.
const INSTANTS: [&str; 12] = [
    "2026-01-01T00:00:00Z",
    "2025-12-31T23:00:00Z",
    "2025-12-31T22:59:59.999Z",
    "1970-01-01T00:00:00Z",
    "2026-03-28T23:00:00Z",
    "2026-03-29T21:59:59.999Z",
    "2026-03-29T22:00:00Z",
    "2026-10-24T21:59:59Z",
    "2026-10-25T23:00:00Z",
    "1916-06-03T23:00:00Z",
    "2011-12-30T10:00:00Z",
    "2038-07-01T22:30:00Z",
];
/// In their order, which is neither that of their texts nor that in which the definition lists them.
pub const STAGES: [&str; 4] = ["NEW", "OLD", "LOST", "MISLAID"];
const TAGS: [&str; 3] = ["RED", "BLUE", "GREEN"];

/// A record, with its values in the order of [`FIELDS`].
#[derive(Debug, Clone)]
pub struct Record {
    pub code: String,
    pub values: Vec<Value>,
    pub above: Option<usize>,
}

pub fn definition() -> Json {
    let options = |values: &[&str]| -> Vec<Json> { values.iter().map(|value| json!({"value": value})).collect() };
    let stages: Vec<Json> =
        STAGES.iter().enumerate().rev().map(|(place, value)| json!({"value": value, "order": 10 * place})).collect();
    json!({"name": "Sample", "plural": "Samples", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true}, {"name": "label", "type": "text", "indexed": true}, {"name": "amount", "type": "money"},
        {"name": "pieces", "type": "integer"}, {"name": "views", "type": "integer", "big": true}, {"name": "day", "type": "date"},
        {"name": "clock", "type": "time"}, {"name": "instant", "type": "dateTime"}, {"name": "done", "type": "boolean"},
        {"name": "stage", "type": "choice", "options": stages}, {"name": "tags", "type": "multiChoice", "options": options(&TAGS)},
        {"name": "above", "type": "reference", "to": "Sample", "inverse": "below"},
        {"name": "ratio", "type": "formula", "returns": "decimal", "scale": 3, "rule": "amount / pieces"},
        {"name": "isDear", "type": "formula", "returns": "boolean", "rule": "amount > 9.99 && done != true"},
        {"name": "belowCount", "type": "rollup", "relation": "below", "function": "COUNT"},
        {"name": "belowSum", "type": "rollup", "relation": "below", "function": "SUM", "field": "amount", "filter": "pieces != 0"},
        {"name": "belowMean", "type": "rollup", "relation": "below", "function": "AVG", "field": "pieces"},
        {"name": "lastDay", "type": "rollup", "relation": "below", "function": "MAX", "field": "day"},
    ]})
}

/// A random value of a field, as a condition may name it.
pub fn random_value(chance: &mut Chance, field: usize) -> Value {
    match FIELDS[field].1 {
        Kind::Text => Value::Text(chance.of(&TEXTS).to_owned()),
        Kind::Integer => Value::Integer(*chance.pick(if field < STORED { &INTEGERS } else { &[0, 1, 2, 3] })),
        Kind::Big => Value::Integer(*chance.pick(&BIG)),
        Kind::Decimal(_) => Value::Decimal(*chance.pick(&DECIMALS)),
        Kind::Boolean => Value::Boolean(chance.below(2) == 0),
        Kind::Date => Value::Date(date(chance.of(&DATES))),
        Kind::Time => Value::Time(chance.of(&TIMES).parse::<NaiveTime>().expect("a time")),
        Kind::Instant => Value::Instant(instant(chance.of(&INSTANTS))),
        Kind::Choice => Value::Choice(chance.of(&STAGES)),
        Kind::Options => {
            let tags = TAGS.iter().copied().filter(|_| chance.below(2) == 0).collect();
            Value::Options(tags)
        }
    }
}

pub fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub fn instant(text: &str) -> DateTime<chrono::Utc> {
    text.parse().expect("an instant")
}

/// Random records; each may stand below one before it.
pub fn random_records(chance: &mut Chance, count: usize) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    for number in 0..count {
        let stored =
            (0..STORED).map(|field| if chance.below(5) == 0 { Value::Null } else { random_value(chance, field) });
        let mut values: Vec<Value> = stored.collect();
        values.resize(FIELDS.len(), Value::Null);
        let above = (number > 0 && chance.below(4) > 0).then(|| chance.below(number));
        records.push(Record { code: format!("c{number:03}"), values, above });
    }
    let computed: Vec<Vec<Value>> = (0..count).map(|position| compute(&records, position)).collect();
    for (record, computed) in records.iter_mut().zip(computed) {
        record.values.splice(STORED.., computed);
    }
    records
}

/// The computed fields of the record at `position`, by the stored ones of all.
fn compute(records: &[Record], position: usize) -> Vec<Value> {
    let own = |name: &str| value(&records[position], name);
    let below: Vec<&Record> = records.iter().filter(|record| record.above == Some(position)).collect();
    let ratio = match (own("amount"), own("pieces")) {
        (Value::Decimal(amount), Value::Integer(pieces)) if pieces != 0 => Value::Decimal(round(amount, pieces)),
        _ => Value::Null,
    };
    // Three truth values: a comparison with nothing is not known, and only what is not true decides an `and` then.
    let dear = match own("amount") {
        Value::Decimal(amount) => Some(amount > 9_990),
        _ => None,
    };
    let open = match own("done") {
        Value::Boolean(done) => Some(!done),
        _ => None,
    };
    let is_dear = match (dear, open) {
        (Some(false), _) | (_, Some(false)) => Value::Boolean(false),
        (Some(true), Some(true)) => Value::Boolean(true),
        _ => Value::Null,
    };
    let numbers = |name: &str, records: &[&Record]| -> Vec<i128> {
        let number = |record: &&Record| match value(record, name) {
            Value::Integer(number) | Value::Decimal(number) => Some(number),
            _ => None,
        };
        records.iter().filter_map(number).collect()
    };
    let counted: Vec<&Record> = below
        .iter()
        .copied()
        .filter(|record| matches!(value(record, "pieces"), Value::Integer(pieces) if pieces != 0))
        .collect();
    let (amounts, pieces) = (numbers("amount", &counted), numbers("pieces", &below));
    let sum = if amounts.is_empty() { Value::Null } else { Value::Decimal(amounts.iter().sum()) };
    let mean = if pieces.is_empty() {
        Value::Null
    } else {
        Value::Decimal(round(pieces.iter().sum::<i128>() * 100, pieces.len() as i128) * 10)
    };
    let days = below.iter().filter_map(|record| match value(record, "day") {
        Value::Date(day) => Some(day),
        _ => None,
    });
    let last_day = days.max().map_or(Value::Null, Value::Date);
    vec![ratio, is_dear, Value::Integer(below.len() as i128), sum, mean, last_day]
}

pub fn value(record: &Record, name: &str) -> Value {
    let field = FIELDS.iter().position(|(known, _)| *known == name).expect("a field");
    record.values[field].clone()
}

/// The record as it is created.
pub fn input(record: &Record, ids: &[String]) -> Json {
    let mut input = json!({"code": record.code});
    for (field, (name, kind)) in FIELDS[..STORED].iter().enumerate() {
        input[name] = match (&record.values[field], kind) {
            (Value::Null, _) => continue,
            (Value::Integer(number), Kind::Big) => json!(number.to_string()),
            (value, Kind::Decimal(scale)) => value.shown(*scale),
            (value, _) => value.shown(0),
        };
    }
    if let Some(above) = record.above {
        input["aboveId"] = json!(ids[above]);
    }
    input
}

/// A value as an answer shows it.
pub fn shown(value: &Value, kind: Kind) -> Json {
    match (value, kind) {
        (Value::Integer(number), Kind::Big) => json!(number.to_string()),
        (value, Kind::Decimal(scale)) => value.shown(scale),
        (value, _) => value.shown(0),
    }
}
