//! A small world for rules: an opportunity, its account, and a record with values.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeZone, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::super::*;
use crate::catalog::{FieldId, ModuleId};
use crate::{Decimal, Value};

pub const OPPORTUNITY: ModuleId = ModuleId(0);
pub const ACCOUNT: ModuleId = ModuleId(1);
pub const ACTOR: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

/// Fields of both modules: name, type, and the options of choices.
const OPPORTUNITY_FIELDS: [(&str, RuleType, &[&str]); 15] = [
    ("name", RuleType::Text, &[]),
    ("amount", RuleType::Number, &[]),
    ("budgetCost", RuleType::Number, &[]),
    ("expectedLeads", RuleType::Number, &[]),
    ("discount", RuleType::Number, &[]),
    ("stage", RuleType::Text, &["NEW", "NEGOTIATION", "CLOSED_WON", "CLOSED_LOST"]),
    ("tags", RuleType::TextList, &["VIP", "EXPO", "WEB"]),
    ("closeDate", RuleType::Date, &[]),
    ("callTime", RuleType::Time, &[]),
    ("createdAt", RuleType::DateTime, &[]),
    ("urgent", RuleType::Boolean, &[]),
    ("package", RuleType::Text, &[]),
    ("ownerId", RuleType::Id, &[]),
    ("account", RuleType::Id, &[]),
    ("parent", RuleType::Id, &[]),
];
const ACCOUNT_FIELDS: [(&str, RuleType, &[&str]); 5] = [
    ("name", RuleType::Text, &[]),
    ("industry", RuleType::Text, &["BANKING", "RETAIL"]),
    ("creditLimit", RuleType::Number, &[]),
    ("account", RuleType::Id, &[]),
    ("function", RuleType::Text, &[]),
];

fn fields(module: ModuleId) -> &'static [(&'static str, RuleType, &'static [&'static str])] {
    if module == OPPORTUNITY { &OPPORTUNITY_FIELDS } else { &ACCOUNT_FIELDS }
}

pub struct World;

impl Schema for World {
    fn field(&self, module: ModuleId, name: &str) -> Option<SchemaField> {
        let by_id = matches!(name, "accountId" | "parentId");
        let own = if by_id { name.trim_end_matches("Id") } else { name };
        let index = fields(module).iter().position(|(known, ..)| *known == own)?;
        let (_, ty, options) = fields(module)[index];
        let targets = match name {
            "account" => vec![ACCOUNT],
            "parent" => vec![OPPORTUNITY, ACCOUNT],
            _ => vec![],
        };
        let options = (!options.is_empty()).then(|| options.iter().map(|option| (*option).to_owned()).collect());
        Some(SchemaField { id: FieldId(index as u32), ty, targets, options })
    }

    fn field_names(&self, module: ModuleId) -> Vec<String> {
        fields(module).iter().map(|(name, ..)| (*name).to_owned()).collect()
    }
}

pub fn context(expected: Expected) -> Context {
    Context { module: OPPORTUNITY, allow_old: true, allow_relations: true, expected }
}

/// The rule, which must be right.
pub fn rule(source: &str) -> TypedRule {
    check(source, &context(Expected::Any), &World).unwrap_or_else(|issues| panic!("{source}: {issues:?}"))
}

/// The faults of a rule that must have some.
pub fn issues(source: &str) -> Vec<RuleIssue> {
    check(source, &context(Expected::Any), &World).map(|rule| rule.expr).expect_err(source)
}

/// A record, with its account and its former self nested.
pub struct Record(pub Json);

impl Record {
    pub fn sample() -> Self {
        Self(json!({
            "name": "Fiera Milano", "amount": "1250.50", "budgetCost": "1000.00", "expectedLeads": 3, "discount": null,
            "stage": "CLOSED_WON", "tags": ["VIP", "EXPO"], "closeDate": "2026-01-31", "callTime": "09:30:00",
            "createdAt": "2026-01-05T08:00:00Z", "urgent": true, "package": "gold", "ownerId": ACTOR, "parent": null,
            "account": {"id": "01890a5d-ac96-774b-bcce-b302099a8058", "name": "Büro È", "industry": "BANKING", "function": "x"},
            "old": {"stage": "NEGOTIATION", "amount": "1000.00"},
        }))
    }
}

impl Scope for Record {
    fn field(&self, root: Root, path: &FieldPath) -> Value {
        let mut module = OPPORTUNITY;
        let mut record = if root == Root::Old { &self.0["old"] } else { &self.0 };
        for hop in &path.hops {
            record = &record[fields(module)[hop.field.0 as usize].0];
            module = hop.target;
        }
        let (name, ty, _) = fields(module)[path.field.0 as usize];
        value(ty, &record[name])
    }

    fn actor_id(&self) -> Value {
        Value::Id(Uuid::parse_str(ACTOR).expect("an id"))
    }

    fn now(&self) -> DateTime<Utc> {
        Utc.with_ymd_and_hms(2026, 1, 31, 23, 30, 0).single().expect("an instant")
    }

    fn today(&self) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 2, 1).expect("a date")
    }
}

/// A JSON value of a record or of an expected result, as the value of `ty`.
pub fn value(ty: RuleType, json: &Json) -> Value {
    let text = || json.as_str().expect("a text");
    match (ty, json) {
        (_, Json::Null) => Value::Null,
        (RuleType::Number, Json::Number(number)) => Value::Integer(number.as_i64().expect("an integer")),
        (RuleType::Number, _) => Value::Decimal(Decimal::parse(text()).expect("a decimal")),
        (RuleType::Boolean, _) => Value::Boolean(json.as_bool().expect("a boolean")),
        (RuleType::Date, _) => Value::Date(NaiveDate::parse_from_str(text(), "%Y-%m-%d").expect("a date")),
        (RuleType::Time, _) => Value::Time(NaiveTime::parse_from_str(text(), "%H:%M:%S").expect("a time")),
        (RuleType::DateTime, _) => Value::DateTime(text().parse().expect("an instant")),
        (RuleType::Id, Json::Object(record)) => value(RuleType::Id, &record["id"]),
        (RuleType::Id, _) => Value::Id(Uuid::parse_str(text()).expect("an id")),
        (RuleType::TextList, Json::Array(texts)) => {
            Value::List(texts.iter().map(|text| value(RuleType::Text, text)).collect())
        }
        _ => Value::Text(text().to_owned()),
    }
}
