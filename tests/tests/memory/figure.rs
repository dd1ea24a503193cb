//! Figures over records: made at random, written as GraphQL, and computed in memory.

use serde_json::{Value as Json, json};

use crate::chance::Chance;
use crate::record::{FIELDS, Kind, Record, shown};
use crate::value::{UNIT, Value, round};

/// A function, and the field that it is of; none for the number of different records above.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    pub function: &'static str,
    pub field: Option<usize>,
}

impl Figure {
    pub fn random(chance: &mut Chance) -> Self {
        loop {
            let function = chance.of(&["sum", "avg", "min", "max", "countDistinct"]);
            let field = chance.below(FIELDS.len());
            let kind = FIELDS[field].1;
            let applies = match function {
                "sum" | "avg" => matches!(kind, Kind::Integer | Kind::Big | Kind::Decimal(_)),
                "min" | "max" => !matches!(kind, Kind::Boolean | Kind::Options),
                _ => kind != Kind::Options,
            };
            if function == "countDistinct" && chance.below(8) == 0 {
                return Self { function, field: None };
            }
            if applies {
                return Self { function, field: Some(field) };
            }
        }
    }

    pub fn name(self) -> &'static str {
        self.field.map_or("aboveId", |field| FIELDS[field].0)
    }

    /// What the figure itself is.
    pub fn kind(self) -> Kind {
        let field = self.field.map_or(Kind::Integer, |field| FIELDS[field].1);
        match (self.function, field) {
            ("countDistinct", _) => Kind::Integer,
            ("sum", Kind::Integer | Kind::Big) => Kind::Big,
            ("avg", Kind::Integer | Kind::Big) => Kind::Decimal(2),
            (_, kind) => kind,
        }
    }

    pub fn of(self, records: &[&Record]) -> Value {
        let Some(field) = self.field else {
            let mut above: Vec<usize> = records.iter().filter_map(|record| record.above).collect();
            above.sort_unstable();
            above.dedup();
            return Value::Integer(above.len() as i128);
        };
        let values: Vec<&Value> =
            records.iter().map(|record| &record.values[field]).filter(|value| !value.is_null()).collect();
        let number = |value: &&Value| match value {
            Value::Integer(number) | Value::Decimal(number) => *number,
            other => panic!("{other:?} is no number"),
        };
        let is_whole = matches!(values.first(), Some(Value::Integer(_)));
        match self.function {
            "countDistinct" => {
                let mut different: Vec<&Value> = Vec::new();
                values.into_iter().for_each(|value| {
                    if !different.contains(&value) {
                        different.push(value)
                    }
                });
                Value::Integer(different.len() as i128)
            }
            _ if values.is_empty() => Value::Null,
            "sum" if is_whole => Value::Integer(values.iter().map(number).sum()),
            "sum" => Value::Decimal(values.iter().map(number).sum()),
            "avg" => {
                let Kind::Decimal(scale) = self.kind() else { panic!("a mean is a decimal") };
                let sum: i128 = values.iter().map(number).sum::<i128>() * if is_whole { UNIT } else { 1 };
                let digit = UNIT / 10_i128.pow(scale);
                Value::Decimal(round(sum, values.len() as i128 * digit) * digit)
            }
            "min" => {
                values.into_iter().min_by(|one, other| one.compare(other).expect("they compare")).expect("one").clone()
            }
            _ => {
                values.into_iter().max_by(|one, other| one.compare(other).expect("they compare")).expect("one").clone()
            }
        }
    }
}

/// `count`, then each figure under a name of its own.
pub fn selection(figures: &[Figure]) -> String {
    let one =
        |(position, figure): (usize, &Figure)| format!(" f{position}: {} {{ {} }}", figure.function, figure.name());
    format!("count{}", figures.iter().enumerate().map(one).collect::<String>())
}

/// What that selection gives.
pub fn answer(figures: &[Figure], records: &[&Record]) -> Json {
    let mut answer = json!({"count": records.len()});
    for (position, figure) in figures.iter().enumerate() {
        answer[format!("f{position}")] = json!({figure.name(): shown_figure(*figure, records)});
    }
    answer
}

fn shown_figure(figure: Figure, records: &[&Record]) -> Json {
    match (figure.of(records), figure.kind()) {
        // A sum may need more than 64 bits.
        (Value::Integer(number), Kind::Big) => json!(number.to_string()),
        (value, kind) => shown(&value, kind),
    }
}

pub fn some(chance: &mut Chance) -> Vec<Figure> {
    (0..chance.below(4)).map(|_| Figure::random(chance)).collect()
}
