//! Rules give the same in memory, on SQLite and on PostgreSQL: random ones over random records, nulls and the ends of the calendar included.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod databases;

use cardine_access::{Grants, Rights};
use cardine_model::catalog::{Catalog, FieldKind, FieldPath, Module};
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{platform_documents, resolve};
use cardine_model::rule::{self, Context, Expected, Root, RuleType, Scope};
use cardine_model::{Decimal, ScalarType, Value};
use cardine_query::{Deleted, List, Nulls, OrderKey, Page, Slot, Take, authorise};
use cardine_sql::write::{Assignment, insert_rows, stored_fields};
use cardine_sql::{Found, ddl, render_list};
use cardine_store::{Bindings, RowSet, WriteTx};
use chrono::{DateTime, NaiveDate, Utc};
use databases::TestDatabase;
use serde_json::{Value as Json, json};
use uuid::Uuid;

const RULES: usize = 400;
const RECORDS: usize = 60;
/// Digits behind the point of the formulas that give numbers.
const SCALE: u8 = 10;

/// The same on every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn of<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const TEXTS: [&str; 16] = [
    "",
    " ",
    "a",
    "Ab",
    "ÀÉß",
    "straße",
    "ﬃ K",
    "a%b_c",
    "aXaXa",
    "日本語",
    "e\u{301}",
    "\u{a0}x\u{3000}",
    "ıİI",
    "😀b",
    "  pad ",
    "ǅ",
];
const NUMBERS: [&str; 12] =
    ["0", "1", "-1", "2.5", "-2.5", "0.0001", "3", "7", "99999999999999999999.9999", "-12345.6789", "31", "400000"];
const DATES: [&str; 9] = [
    "0001-01-01",
    "9999-12-31",
    "2024-02-29",
    "2026-01-31",
    "2025-12-29",
    "2026-02-01",
    "1999-10-01",
    "2000-03-31",
    "0999-06-15",
];
const INSTANTS: [&str; 6] = [
    "0001-01-01T00:00:00.000Z",
    "9999-12-31T23:59:59.999Z",
    "2026-03-29T00:59:59.999Z",
    "2026-02-28T23:30:00.001Z",
    "1969-12-31T23:59:59.500Z",
    "2025-07-01T12:00:00.000Z",
];

const TIMES: [&str; 4] = ["00:00:00", "23:59:59", "09:30:00", "12:00:01"];

/// A rule of this type, as it is written.
fn written(chance: &mut Chance, ty: RuleType, depth: usize) -> String {
    if depth == 0 || chance.below(6) == 0 {
        return leaf(chance, ty);
    }
    let common = chance.below(9);
    if common == 0 {
        let condition = written(chance, RuleType::Boolean, depth - 1);
        return format!("({condition} ? {} : {})", written(chance, ty, depth - 1), written(chance, ty, depth - 1));
    }
    if common == 1 {
        return format!("coalesce({}, {})", written(chance, ty, depth - 1), written(chance, ty, depth - 1));
    }
    let mut of = |ty: RuleType| written(chance, ty, depth - 1);
    let (number, other_number) = (of(RuleType::Number), of(RuleType::Number));
    let (text, other_text) = (of(RuleType::Text), of(RuleType::Text));
    let (date, other_date) = (of(RuleType::Date), of(RuleType::Date));
    let (instant, other_instant) = (of(RuleType::DateTime), of(RuleType::DateTime));
    let (time, other_time) = (of(RuleType::Time), of(RuleType::Time));
    let (truth, other_truth) = (of(RuleType::Boolean), of(RuleType::Boolean));
    let digits = chance.below(6);
    let ways: Vec<String> = match ty {
        RuleType::Number => vec![
            format!("({number} + {other_number})"),
            format!("({number} - {other_number})"),
            format!("({number} * {other_number})"),
            format!("({number} / {other_number})"),
            format!("({number} % {other_number})"),
            format!("-({number})"),
            format!("abs({number})"),
            format!("floor({number})"),
            format!("ceil({number})"),
            format!("round({number}, {digits})"),
            format!("min({number}, {other_number})"),
            format!("max({number}, {other_number})"),
            format!("({text}).size()"),
            format!("({text}).indexOf({other_text})"),
            format!("({date}).year()"),
            format!("({date}).month()"),
            format!("({date}).day()"),
            format!("({date}).weekday()"),
            format!("({date}).daysUntil({other_date})"),
            format!("({instant}).secondsUntil({other_instant})"),
        ],
        RuleType::Text => vec![
            format!("({text} + {other_text})"),
            format!("({text}).lower()"),
            format!("({text}).upper()"),
            format!("({text}).trim()"),
            format!("({text}).replace({other_text}, {})", leaf(chance, RuleType::Text)),
            format!("({text}).substring({number})"),
            format!("({text}).substring({number}, {other_number})"),
            format!("text({number})"),
            format!("text({date})"),
        ],
        RuleType::Date => vec![
            format!("({date}).addDays({number})"),
            format!("({date}).addMonths({number})"),
            format!("({date}).startOfWeek()"),
            format!("({date}).startOfMonth()"),
            format!("({date}).startOfQuarter()"),
            format!("({date}).startOfYear()"),
            format!("({date}).endOfMonth()"),
            format!("({instant}).date()"),
            format!("min({date}, {other_date})"),
            format!("max({date}, {other_date})"),
        ],
        RuleType::DateTime => {
            vec![format!("({instant}).addSeconds({number})"), format!("max({instant}, {other_instant})")]
        }
        RuleType::Time => vec![format!("min({time}, {other_time})"), format!("max({time}, {other_time})")],
        _ => {
            let operator = chance.of(&["==", "!=", "<", "<=", ">", ">="]);
            let place = chance.of(&["startsWith", "endsWith", "contains"]);
            vec![
                format!("({number} {operator} {other_number})"),
                format!("({text} {operator} {other_text})"),
                format!("({date} {operator} {other_date})"),
                format!("({instant} {operator} {other_instant})"),
                format!("({time} {operator} {other_time})"),
                format!("({text}).{place}({other_text})"),
                format!("({truth} && {other_truth})"),
                format!("({truth} || {other_truth})"),
                format!("!({truth})"),
                format!("({text} == null)"),
                format!("({number} in [1, 2.5, {other_number}])"),
                format!("({text} in [\"a\", {other_text}])"),
                "tags.has(\"RED\")".to_owned(),
            ]
        }
    };
    ways[chance.below(ways.len())].clone()
}

fn leaf(chance: &mut Chance, ty: RuleType) -> String {
    let quoted = |text: &str| Json::String(text.to_owned()).to_string();
    let is_field = chance.below(3) > 0;
    match ty {
        RuleType::Number if is_field => chance.of(&["n", "m", "i", "mate.n", "mate.i"]).to_owned(),
        RuleType::Number => format!("({})", chance.of(&NUMBERS)),
        RuleType::Text if is_field => chance.of(&["t", "u", "mate.t", "colour"]).to_owned(),
        RuleType::Text => quoted(chance.of(&TEXTS)),
        RuleType::Date if is_field => chance.of(&["d", "e", "mate.d", "today()"]).to_owned(),
        RuleType::Date => format!("date({})", quoted(chance.of(&DATES))),
        RuleType::DateTime if is_field => chance.of(&["s", "z", "mate.s", "now()"]).to_owned(),
        RuleType::DateTime => format!("datetime({})", quoted(chance.of(&INSTANTS))),
        RuleType::Time if is_field => chance.of(&["k", "mate.k"]).to_owned(),
        RuleType::Time => format!("time({})", quoted(chance.of(&TIMES))),
        _ => chance.of(&["b", "mate.b", "(b == true)", "(i > 0)"]).to_owned(),
    }
}

fn document(formulas: &[(String, RuleType)]) -> ModuleDefinition {
    let mut fields = vec![
        json!({"name": "n", "type": "decimal", "scale": 4}),
        json!({"name": "m", "type": "money"}),
        json!({"name": "i", "type": "integer"}),
        json!({"name": "t", "type": "text"}),
        json!({"name": "u", "type": "longText"}),
        json!({"name": "b", "type": "boolean"}),
        json!({"name": "d", "type": "date"}),
        json!({"name": "e", "type": "date"}),
        json!({"name": "s", "type": "dateTime"}),
        json!({"name": "z", "type": "dateTime"}),
        json!({"name": "k", "type": "time"}),
        json!({"name": "colour", "type": "choice", "options": [{"value": "RED"}, {"value": "Blue"}]}),
        json!({"name": "tags", "type": "multiChoice", "options": [{"value": "RED"}, {"value": "BLUE"}]}),
        json!({"name": "mate", "type": "reference", "to": "Thing"}),
    ];
    fields.extend(formulas.iter().enumerate().map(|(number, (rule, ty))| {
        let (returns, scale) = match ty {
            RuleType::Number => ("decimal", Some(SCALE)),
            RuleType::Text => ("text", None),
            RuleType::Date => ("date", None),
            RuleType::DateTime => ("dateTime", None),
            RuleType::Time => ("time", None),
            _ => ("boolean", None),
        };
        let mut field = json!({"name": format!("f{number}"), "type": "formula", "returns": returns, "rule": rule});
        if let Some(scale) = scale {
            field["scale"] = json!(scale);
        }
        field
    }));
    serde_json::from_value(json!({"name": "Thing", "plural": "Things", "fields": fields})).unwrap()
}

fn catalog(formulas: &[(String, RuleType)]) -> Catalog {
    let platform: Vec<ModuleDefinition> =
        platform_documents().iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect();
    resolve(1, &platform, &[document(formulas)]).unwrap_or_else(|faults| panic!("{faults:?}"))
}

/// One record: a value for each stored field of the module, in its order.
type Record = Vec<Value>;

fn record(chance: &mut Chance, module: &Module, number: usize) -> Record {
    let id = |number: usize| Value::Id(Uuid::from_u128(1_000 + number as u128));
    stored_fields(module)
        .map(|field| {
            let system = match field.name.as_str() {
                "id" => Some(id(number)),
                "version" => Some(Value::Integer(1)),
                "createdAt" | "updatedAt" => Some(Value::DateTime(instant(INSTANTS[3]))),
                // Some mates are gone.
                "deletedAt" if number.is_multiple_of(7) => Some(Value::DateTime(instant(INSTANTS[3]))),
                _ if field.system => Some(Value::Null),
                _ => None,
            };
            if let Some(value) = system {
                return value;
            }
            if chance.below(5) == 0 {
                return Value::Null;
            }
            match &field.kind {
                FieldKind::Decimal { scale, .. } => {
                    Value::Decimal(Decimal::parse(chance.of(&NUMBERS)).unwrap().round(u32::from(*scale)))
                }
                FieldKind::Integer { .. } => Value::Integer(i64::try_from(chance.below(9)).unwrap() - 4),
                FieldKind::Boolean => Value::Boolean(chance.below(2) == 0),
                FieldKind::Date => Value::Date(chance.of(&DATES).parse().unwrap()),
                FieldKind::DateTime => Value::DateTime(instant(chance.of(&INSTANTS))),
                FieldKind::Time => Value::Time(chance.of(&TIMES).parse().unwrap()),
                FieldKind::Choice { .. } => Value::Text(chance.of(&["RED", "Blue"]).to_owned()),
                FieldKind::MultiChoice { .. } => Value::List(
                    [["RED"].as_slice(), &["BLUE", "RED"], &[]][chance.below(3)]
                        .iter()
                        .map(|tag| Value::Text((*tag).to_owned()))
                        .collect(),
                ),
                FieldKind::Reference(_) => id(chance.below(RECORDS)),
                _ => Value::Text(chance.of(&TEXTS).to_owned()),
            }
        })
        .collect()
}

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A record in memory, with the others that its reference may lead to.
struct InMemory<'a> {
    module: &'a Module,
    records: &'a [Record],
    own: &'a Record,
}

impl InMemory<'_> {
    fn value(&self, record: &Record, name: &str) -> Value {
        let place = stored_fields(self.module).position(|field| field.name == name).unwrap();
        record[place].clone()
    }

    fn mate(&self, record: &Record) -> Option<&Record> {
        let id = self.value(record, "mate");
        self.records.iter().find(|other| other[0] == id && self.value(other, "deletedAt").is_null())
    }
}

impl Scope for InMemory<'_> {
    fn field(&self, _: Root, path: &FieldPath) -> Value {
        let mut record = self.own;
        for _ in &path.hops {
            match self.mate(record) {
                Some(mate) => record = mate,
                None => return Value::Null,
            }
        }
        self.value(record, &self.module.field(path.field).name)
    }

    fn actor_id(&self) -> Value {
        Value::Null
    }

    fn now(&self) -> DateTime<Utc> {
        instant("2026-02-01T10:30:00.250Z")
    }

    fn today(&self) -> NaiveDate {
        "2026-02-01".parse().unwrap()
    }
}

/// A value as both databases give it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Decimal(number) => number.to_fixed(u32::from(SCALE)),
        Value::Text(text) => text.clone(),
        Value::Date(date) => date.format("%Y-%m-%d").to_string(),
        Value::Time(time) => time.format("%H:%M:%S").to_string(),
        Value::DateTime(instant) => instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        other => panic!("no formula gives {other:?}"),
    }
}

async fn fill(database: &TestDatabase, catalog: &Catalog, records: &[Record]) {
    if database.postgres.is_some() {
        database.ddl(&cardine_model::text::postgres::postgres_functions()).await;
        database.ddl(&cardine_sql::postgres_functions()).await;
    }
    for statement in ddl::difference(database.dialect(), None, catalog) {
        database.ddl(&statement).await;
    }
    let module = catalog.module_by_name("Thing").unwrap();
    let assignments: Vec<Assignment> = stored_fields(module).map(Assignment::field).collect();
    let statement = insert_rows(database.dialect(), module, &assignments, records.len());
    let records = records.to_vec();
    let written = database
        .store
        .write(move |tx: &mut WriteTx| {
            let (statement, records) = (statement.clone(), records.clone());
            Box::pin(async move { tx.execute_rows(&statement, records).await })
        })
        .await;
    assert_eq!(written.unwrap(), RECORDS as u64);
}

/// The formulas of all records that are there, by their ids.
async fn ask(database: &TestDatabase, catalog: &Catalog, fields: &[FieldPath]) -> RowSet {
    let rights = Rights::resolve(catalog, &[&Grants { administrator: true, ..Grants::default() }], true);
    let order = OrderKey { path: FieldPath::own(Module::ID), descending: false, nulls: Nulls::Last };
    let list = List {
        module: catalog.module_by_name("Thing").unwrap().id,
        filter: None,
        order: vec![order],
        page: Page { take: Take::First(Slot(0)), after: None, before: None, offset: None },
        deleted: Deleted::Exclude,
        outputs: fields.to_vec(),
        rows: true,
        totals: Vec::new(),
        groups: None,
        children: Vec::new(),
        histories: Vec::new(),
    };
    let list = authorise(list, catalog, &rights).unwrap();
    let statement = render_list(database.dialect(), catalog, &rights, &list, Found::Asked).rows.unwrap();
    let values = [Value::Integer(i64::try_from(RECORDS).unwrap())];
    let rows = database.store.read(move |tx| {
        Box::pin(async move {
            let bindings = Bindings {
                values: &values,
                now: instant("2026-02-01T10:30:00.250Z"),
                today: "2026-02-01".parse().unwrap(),
                time_zone: "Asia/Kolkata",
                ..Bindings::default()
            };
            tx.query(&statement, &bindings).await
        })
    });
    rows.await.unwrap()
}

#[tokio::test]
async fn random_rules_give_the_same_in_memory_and_on_both_databases() {
    let mut chance = Chance(0x2545_f491_4f6c_dd1d);
    let plain = catalog(&[]);
    let module = plain.module_by_name("Thing").unwrap().id;
    let types =
        [RuleType::Number, RuleType::Text, RuleType::Date, RuleType::DateTime, RuleType::Time, RuleType::Boolean];
    let mut formulas = Vec::new();
    while formulas.len() < RULES {
        let ty = types[formulas.len() % types.len()];
        let depth = 1 + chance.below(3);
        let source = written(&mut chance, ty, depth);
        let context = Context { module, allow_old: false, allow_relations: true, expected: Expected::Type(ty) };
        if rule::check(&source, &context, &plain).is_ok() {
            formulas.push((source, ty));
        }
    }
    let catalog = catalog(&formulas);
    let module = catalog.module_by_name("Thing").unwrap();
    let records: Vec<Record> = (0..RECORDS).map(|number| record(&mut chance, module, number)).collect();
    let live: Vec<&Record> =
        records.iter().enumerate().filter(|(number, _)| !number.is_multiple_of(7)).map(|(_, record)| record).collect();

    let mut told = 0;
    for database in databases::each().await {
        fill(&database, &catalog, &records).await;
        for part in (0..RULES).collect::<Vec<_>>().chunks(50) {
            let fields: Vec<_> = part.iter().map(|number| module.field_named(&format!("f{number}")).unwrap()).collect();
            let paths: Vec<FieldPath> = fields.iter().map(|field| FieldPath::own(field.id)).collect();
            let rows = ask(&database, &catalog, &paths).await;
            assert_eq!(rows.len(), live.len());
            for (row, own) in live.iter().enumerate() {
                let scope = InMemory { module, records: &records, own };
                for (column, field) in fields.iter().enumerate() {
                    let FieldKind::Formula(formula) = &field.kind else { unreachable!() };
                    let expected = shown(&formula.rule.eval(&scope));
                    let cell = rows.cell(row, column);
                    let found = match formula.returns {
                        ScalarType::Boolean => cell.boolean().map_or("null".to_owned(), |truth| truth.to_string()),
                        _ => cell.text().map_or("null".to_owned(), str::to_owned),
                    };
                    assert_eq!(found, expected, "{:?}: {} over {own:?}", database.dialect(), formula.rule.source);
                    told += usize::from(expected != "null");
                }
            }
        }
    }
    assert!(told > RULES * RECORDS / 3, "only {told} values were not null");
}
