//! Filters: made at random, written as GraphQL, and decided over records in memory, with three truth values.

use std::cmp::Ordering;

use crate::chance::Chance;
use crate::record::{FIELDS, Kind, Record, random_value};
use crate::value::{Value, fold};

#[derive(Debug, Clone)]
pub enum Filter {
    /// A field, an operator, and its operands: one, or a list.
    Condition(usize, &'static str, Vec<Value>),
    IsNull(usize, bool),
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Not(Box<Filter>),
    /// Of the record above.
    Above(Box<Filter>),
    /// Of the records below: `some`, `none` or `every`.
    Below(&'static str, Box<Filter>),
}

/// Truth, or `None` where it is not known.
pub type Truth = Option<bool>;

impl Filter {
    pub fn random(chance: &mut Chance, depth: usize) -> Self {
        let list = |chance: &mut Chance| {
            let count = chance.below(4);
            (0..count).map(|_| Self::random(chance, depth - 1)).collect()
        };
        match chance.below(if depth == 0 { 5 } else { 11 }) {
            0..=3 => Self::condition(chance),
            4 => Self::IsNull(chance.below(FIELDS.len()), chance.below(2) == 0),
            5 => Self::All(list(chance)),
            6 => Self::Any(list(chance)),
            7 => Self::Not(Box::new(Self::random(chance, depth - 1))),
            8 => Self::Above(Box::new(Self::random(chance, depth - 1))),
            _ => {
                let quantifier = chance.of(&["some", "none", "every"]);
                Self::Below(quantifier, Box::new(Self::random(chance, depth - 1)))
            }
        }
    }

    fn condition(chance: &mut Chance) -> Self {
        let field = chance.below(FIELDS.len());
        let operators: &[&'static str] = match FIELDS[field].1 {
            Kind::Text => &["eq", "ne", "in", "notIn", "lt", "lte", "gt", "gte", "contains", "startsWith", "endsWith"],
            Kind::Boolean | Kind::Choice => &["eq", "ne", "in", "notIn"],
            Kind::Options => &["has", "hasAny", "hasAll"],
            _ => &["eq", "ne", "in", "notIn", "lt", "lte", "gt", "gte"],
        };
        let operator = chance.of(operators);
        let one = |chance: &mut Chance| match random_value(chance, field) {
            Value::Options(_) => Value::Choice(chance.of(&["RED", "BLUE", "GREEN"])),
            value => value,
        };
        let operands = match operator {
            "in" | "notIn" | "hasAny" | "hasAll" => {
                let count = chance.below(4);
                (0..count).map(|_| one(chance)).collect()
            }
            _ => vec![one(chance)],
        };
        Self::Condition(field, operator, operands)
    }

    pub fn text(&self) -> String {
        let list = |parts: &[Filter]| parts.iter().map(Filter::text).collect::<Vec<_>>().join(", ");
        match self {
            Self::Condition(field, operator, operands) => {
                let (name, kind) = FIELDS[*field];
                let literal = |value: &Value| match (value, kind) {
                    (Value::Integer(number), Kind::Integer) => number.to_string(),
                    (value, _) => value.literal(),
                };
                let literals: Vec<String> = operands.iter().map(literal).collect();
                let operand = match *operator {
                    "in" | "notIn" | "hasAny" | "hasAll" => format!("[{}]", literals.join(", ")),
                    _ => literals.concat(),
                };
                format!("{{{name}: {{{operator}: {operand}}}}}")
            }
            Self::IsNull(field, is_null) => format!("{{{}: {{isNull: {is_null}}}}}", FIELDS[*field].0),
            Self::All(parts) => format!("{{and: [{}]}}", list(parts)),
            Self::Any(parts) => format!("{{or: [{}]}}", list(parts)),
            Self::Not(part) => format!("{{not: {}}}", part.text()),
            Self::Above(part) => format!("{{above: {}}}", part.text()),
            Self::Below(quantifier, part) => format!("{{below: {{{quantifier}: {}}}}}", part.text()),
        }
    }

    /// Whether the record at `position` meets it; of a record that is not there nothing is known but that its values are absent.
    pub fn decide(&self, records: &[Record], position: Option<usize>) -> Truth {
        let record = position.map(|position| &records[position]);
        let value = |field: usize| record.map_or(&Value::Null, |record| &record.values[field]);
        match self {
            Self::Condition(field, operator, operands) => compare(value(*field), operator, operands),
            Self::IsNull(field, is_null) => Some(value(*field).is_null() == *is_null),
            Self::All(parts) => all(parts.iter().map(|part| part.decide(records, position))),
            Self::Any(parts) => any(parts.iter().map(|part| part.decide(records, position))),
            Self::Not(part) => part.decide(records, position).map(|truth| !truth),
            Self::Above(part) => part.decide(records, record.and_then(|record| record.above)),
            Self::Below(quantifier, part) => {
                let position = position?;
                let mine = (0..records.len()).filter(|other| records[*other].above == Some(position));
                let mut met = mine.map(|other| part.decide(records, Some(other)) == Some(true));
                Some(match *quantifier {
                    "some" => met.any(|met| met),
                    "none" => !met.any(|met| met),
                    _ => met.all(|met| met),
                })
            }
        }
    }
}

/// The conjunction of SQL: false if one is false, else unknown if one is.
pub fn all(parts: impl Iterator<Item = Truth>) -> Truth {
    let mut unknown = false;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => unknown = true,
        }
    }
    if unknown { None } else { Some(true) }
}

pub fn any(parts: impl Iterator<Item = Truth>) -> Truth {
    all(parts.map(|part| part.map(|truth| !truth))).map(|truth| !truth)
}

/// One operator on one value.
pub fn compare(value: &Value, operator: &str, operands: &[Value]) -> Truth {
    let among = || any(operands.iter().map(|operand| value.equals(operand)));
    let order = |test: fn(Ordering) -> bool| value.compare(&operands[0]).map(test);
    let texts = |test: fn(&str, &str) -> bool| match (value, &operands[0]) {
        (Value::Text(text), Value::Text(part)) => Some(test(&fold(text), &fold(part))),
        _ => None,
    };
    match operator {
        "eq" => value.equals(&operands[0]),
        "ne" => value.equals(&operands[0]).map(|equal| !equal),
        "in" => among(),
        "notIn" => among().map(|found| !found),
        "lt" => order(Ordering::is_lt),
        "lte" => order(Ordering::is_le),
        "gt" => order(Ordering::is_gt),
        "gte" => order(Ordering::is_ge),
        "contains" => texts(|text, part| text.contains(part)),
        "startsWith" => texts(|text, part| text.starts_with(part)),
        "endsWith" => texts(|text, part| text.ends_with(part)),
        "has" | "hasAny" | "hasAll" => {
            let Value::Options(options) = value else { return None };
            let has = |operand: &Value| matches!(operand, Value::Choice(option) if options.contains(option));
            Some(if operator == "hasAll" { operands.iter().all(has) } else { operands.iter().any(has) })
        }
        other => panic!("{other} is no operator"),
    }
}
