//! Questions about groups: keys, conditions and orders, as GraphQL and in memory.

use std::cmp::Ordering;

use chrono::{Datelike as _, Days, NaiveDate};
use chrono_tz::Tz;
use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::figure::{self, Figure};
use crate::filter::{Filter, compare};
use crate::list::{direction, random_direction};
use crate::record::{FIELDS, Kind, Record, shown};
use crate::value::{UNIT, Value};

/// A key: of the record or of that above it, a field or (none) the id of the record above; of dates the period.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Key {
    above: bool,
    field: Option<usize>,
    part: Option<&'static str>,
}

#[derive(Debug, Clone, Copy)]
enum Term {
    Key(usize),
    Count,
    Figure(Figure),
}

#[derive(Debug)]
pub struct Groups {
    filter: Filter,
    keys: Vec<Key>,
    figures: Vec<Figure>,
    /// A figure (none for the number of records), an operator, and what it is compared with.
    having: Option<(Option<Figure>, &'static str, Value)>,
    order: Vec<(Term, &'static str)>,
    first: usize,
}

struct Group<'a> {
    keys: Vec<Value>,
    records: Vec<&'a Record>,
}

impl Groups {
    pub fn random(chance: &mut Chance) -> Self {
        let mut keys: Vec<Key> = Vec::new();
        for _ in 0..=chance.below(3) {
            let key = random_key(chance);
            // Two periods of one field are refused.
            if !keys.iter().any(|known| (known.above, known.field) == (key.above, key.field)) {
                keys.push(key);
            }
        }
        let having = (chance.below(2) == 0).then(|| random_condition(chance));
        let order = (0..chance.below(3)).map(|_| {
            let term = match chance.below(3) {
                0 => Term::Count,
                1 => Term::Figure(Figure::random(chance)),
                _ => Term::Key(chance.below(keys.len())),
            };
            (term, random_direction(chance))
        });
        let order = order.collect();
        let first = *chance.pick(&[1_usize, 3, 100]);
        Self { filter: Filter::random(chance, 2), keys, figures: figure::some(chance), having, order, first }
    }

    pub fn text(&self) -> String {
        let keys: Vec<String> = self.keys.iter().map(|key| key.nested(key.part.unwrap_or("true"))).collect();
        let having =
            self.having.as_ref().map_or_else(String::new, |condition| format!(", having: {}", having(condition)));
        let order: Vec<String> = self.order.iter().map(|(term, direction)| self.term(*term, direction)).collect();
        format!(
            "sampleGroups(filter: {}, groupBy: [{}]{having}, orderBy: [{}], first: {}) {{ key {{ {} }} {} }}",
            self.filter.text(),
            keys.join(", "),
            order.join(", "),
            self.first,
            self.keys.iter().enumerate().map(|(position, key)| key.selection(position)).collect::<Vec<_>>().join(" "),
            figure::selection(&self.figures),
        )
    }

    fn term(&self, term: Term, direction: &str) -> String {
        match term {
            Term::Count => format!("{{count: {direction}}}"),
            Term::Figure(figure) => format!("{{{}: {{{}: {direction}}}}}", figure.function, figure.name()),
            Term::Key(position) => match self.keys[position] {
                Key { above: false, field: None, .. } => format!("{{key: {{above: {{id: {direction}}}}}}}"),
                Key { field: None, .. } => format!("{{key: {{above: {{above: {{id: {direction}}}}}}}}}"),
                key => format!("{{key: {}}}", key.nested(direction)),
            },
        }
    }

    pub fn answer(&self, records: &[Record], ids: &[String], zone: Tz) -> Json {
        let mut groups: Vec<Group<'_>> = Vec::new();
        for (position, record) in records.iter().enumerate() {
            if self.filter.decide(records, Some(position)) != Some(true) {
                continue;
            }
            let keys: Vec<Value> = self.keys.iter().map(|key| key.of(records, ids, position, zone)).collect();
            match groups.iter_mut().find(|group| group.keys == keys) {
                Some(group) => group.records.push(record),
                None => groups.push(Group { keys, records: vec![record] }),
            }
        }
        groups.retain(|group| {
            self.having.iter().all(|(figure, operator, operand)| {
                let value = figure
                    .map_or_else(|| Value::Integer(group.records.len() as i128), |figure| figure.of(&group.records));
                compare(&value, operator, std::slice::from_ref(operand)) == Some(true)
            })
        });
        groups.sort_by(|one, other| self.compare(one, other));
        let shown = groups.iter().take(self.first).map(|group| {
            let mut answer = figure::answer(&self.figures, &group.records);
            answer["key"] = json!({});
            for (position, (key, value)) in self.keys.iter().zip(&group.keys).enumerate() {
                answer["key"][format!("k{position}")] = key.shown(value, ids);
            }
            answer
        });
        Json::Array(shown.collect())
    }

    fn compare(&self, one: &Group<'_>, other: &Group<'_>) -> Ordering {
        let value = |term: Term, group: &Group<'_>| match term {
            Term::Key(position) => group.keys[position].clone(),
            Term::Count => Value::Integer(group.records.len() as i128),
            Term::Figure(figure) => figure.of(&group.records),
        };
        let rest = (0..self.keys.len()).map(|position| (Term::Key(position), "ASC"));
        let terms = self.order.iter().copied().chain(rest).map(|(term, word)| {
            let (descending, nulls_first) = direction(word);
            value(term, one).ordered(&value(term, other), descending, nulls_first)
        });
        terms.fold(Ordering::Equal, Ordering::then)
    }
}

fn random_key(chance: &mut Chance) -> Key {
    let above = chance.below(4) == 0;
    loop {
        if chance.below(10) == 0 {
            return Key { above, field: None, part: None };
        }
        let field = chance.below(FIELDS.len());
        let part = chance.of(&["DAY", "WEEK", "MONTH", "QUARTER", "YEAR"]);
        match FIELDS[field].1 {
            Kind::Options => {}
            Kind::Date | Kind::Instant => return Key { above, field: Some(field), part: Some(part) },
            _ => return Key { above, field: Some(field), part: None },
        }
    }
}

fn random_condition(chance: &mut Chance) -> (Option<Figure>, &'static str, Value) {
    let figure = (chance.below(3) > 0).then(|| Figure::random(chance));
    let operator = match figure.map(Figure::kind) {
        Some(Kind::Choice) => chance.of(&["eq", "ne"]),
        _ => chance.of(&["eq", "ne", "lt", "lte", "gt", "gte"]),
    };
    let field = figure.filter(|figure| figure.function != "countDistinct").and_then(|figure| figure.field);
    let operand = match field {
        Some(field) => crate::record::random_value(chance, field),
        None => Value::Integer(chance.below(4) as i128),
    };
    // A mean of whole numbers is a decimal.
    let operand = match (operand, figure.map(Figure::kind)) {
        (Value::Integer(number), Some(Kind::Decimal(_))) => Value::Decimal(number * UNIT),
        (operand, _) => operand,
    };
    (figure, operator, operand)
}

fn having((figure, operator, operand): &(Option<Figure>, &str, Value)) -> String {
    let kind = figure.map_or(Kind::Integer, Figure::kind);
    let operand = match (operand, kind) {
        (Value::Integer(number), Kind::Integer) => number.to_string(),
        (operand, _) => operand.literal(),
    };
    match figure {
        None => format!("{{count: {{{operator}: {operand}}}}}"),
        Some(figure) => format!("{{{}: {{{}: {{{operator}: {operand}}}}}}}", figure.function, figure.name()),
    }
}

impl Key {
    fn name(self) -> &'static str {
        self.field.map_or("aboveId", |field| FIELDS[field].0)
    }

    /// An input object with the key's name at its end.
    fn nested(self, value: &str) -> String {
        if self.above {
            format!("{{above: {{{}: {value}}}}}", self.name())
        } else {
            format!("{{{}: {value}}}", self.name())
        }
    }

    fn selection(self, position: usize) -> String {
        let name = self.name();
        if self.above { format!("k{position}: above {{ {name} }}") } else { format!("k{position}: {name}") }
    }

    fn of(self, records: &[Record], ids: &[String], position: usize, zone: Tz) -> Value {
        let record = if self.above { records[position].above } else { Some(position) };
        let Some(record) = record.map(|record| &records[record]) else { return Value::Null };
        let Some(field) = self.field else {
            // Ids stand in the order of their texts, so a record stands for the place of its id.
            let place = |above: usize| ids.iter().filter(|id| **id < ids[above]).count();
            return record.above.map_or(Value::Null, |above| Value::Record(place(above)));
        };
        match (&record.values[field], self.part) {
            (Value::Date(date), Some(part)) => Value::Date(start(*date, part)),
            (Value::Instant(instant), Some(part)) => {
                Value::Date(start(instant.with_timezone(&zone).date_naive(), part))
            }
            (value, _) => value.clone(),
        }
    }

    fn shown(self, value: &Value, ids: &[String]) -> Json {
        let shown = match (value, self.field) {
            (Value::Record(place), _) => {
                let mut ids: Vec<&String> = ids.iter().collect();
                ids.sort_unstable();
                json!(ids[*place])
            }
            (value, Some(field)) if self.part.is_none() => shown(value, FIELDS[field].1),
            (value, _) => value.shown(0),
        };
        if self.above { json!({self.name(): shown}) } else { shown }
    }
}

/// The first day of a period.
fn start(date: NaiveDate, part: &str) -> NaiveDate {
    let day = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1).expect("a month's first day");
    match part {
        "WEEK" => date - Days::new(u64::from(date.weekday().number_from_monday()) - 1),
        "MONTH" => day(date.month()),
        "QUARTER" => day([1, 1, 1, 4, 4, 4, 7, 7, 7, 10, 10, 10][date.month0() as usize]),
        "YEAR" => day(1),
        _ => date,
    }
}
