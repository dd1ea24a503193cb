//! Figures over many records: measures and keys of groups → SQL expressions, with the clauses that groups need.
//!
//! They are made of values as the API shows them, so that a sum is that of what stands in the list. An administrator's groups are
//! `SELECT t1."stage", count(*), sum(t1."amount") FROM "deal" t1 WHERE t1."deleted_at" IS NULL GROUP BY 1 ORDER BY 1 … LIMIT $1`.
//! SQLite groups by sorting alone; where counts, sums and means are all that is asked of groups by choices, dates and the like, a function of
//! the store's does it by hashing: `SELECT g.value->>0, g.value->>1, g.value->>3 FROM json_each((SELECT cardine_groups(1, t1."stage", t1."amount") FROM …)) g`.

use cardine_model::catalog::{FieldKind, FieldPath, ModuleId};
use cardine_model::{ScalarType, Value};
use cardine_query::{DatePart, GroupKey, GroupTerm, GroupTest, Grouping, Measure, Nulls, mean_scale};
use chrono::{NaiveDate, NaiveTime};

use crate::expr::{DECIMAL_COLLATION, Shape, postgres_division};
use crate::place::places;
use crate::statement::{ColumnType, Dialect, Param, Transform};
use crate::writer::{Source, Writer};

/// Most arguments that SQLite takes in every build.
const ARGUMENTS_MAX: usize = 100;

/// An expression and what its values are.
pub(crate) struct Figure {
    text: String,
    shape: Shape,
    /// The options of a choice, where their order is not that of their values.
    places: Option<Value>,
}

impl Figure {
    fn new(text: String, shape: Shape) -> Self {
        Self { text, shape, places: None }
    }
}

/// The select items.
pub(crate) fn texts(figures: &[Figure]) -> String {
    figures.iter().map(|figure| figure.text.as_str()).collect::<Vec<_>>().join(", ")
}

/// How they are read.
pub(crate) fn columns(figures: &[Figure]) -> Vec<ColumnType> {
    figures.iter().map(|figure| figure.shape.column_type()).collect()
}

impl Writer<'_> {
    /// The keys, then the measures.
    pub fn group_figures(&mut self, source: &mut Source, groups: &Grouping) -> Vec<Figure> {
        let mut figures: Vec<Figure> = groups.keys.iter().map(|key| self.group_key(source, key)).collect();
        figures.extend(self.measures(source, &groups.measures));
        figures
    }

    /// What `cardine_groups` is given, and the figures that are taken out of each group of its list; `None` if it cannot tell them all.
    pub fn hashed_figures(&mut self, source: &mut Source, groups: &Grouping) -> Option<(String, Vec<Figure>)> {
        let adds = |measure: &Measure| matches!(measure, Measure::Count | Measure::Sum(_) | Measure::Avg(_));
        let fits = 1 + groups.keys.len() + groups.measures.len() <= ARGUMENTS_MAX;
        let has_few_values = |key: &GroupKey| self.has_few_values(source.module, key);
        if !(fits && groups.measures.iter().all(adds) && groups.keys.iter().all(has_few_values)) {
            return None;
        }
        let taken = |position: usize| format!("(g.value->>{position})");
        let mut figures: Vec<Figure> = groups.keys.iter().map(|key| self.group_key(source, key)).collect();
        let mut arguments: Vec<String> = figures.iter_mut().map(|key| std::mem::take(&mut key.text)).collect();
        for (position, key) in figures.iter_mut().enumerate() {
            key.text = taken(position);
        }
        let (keys, mut numbers) = (arguments.len(), Vec::new());
        for measure in &groups.measures {
            let (Measure::Sum(path) | Measure::Avg(path)) = measure else {
                figures.push(Figure::new(taken(keys), Shape::Scalar(ScalarType::Integer)));
                continue;
            };
            let (value, shape) = self.measured(source, path);
            let place = numbers.iter().position(|known| *known == value).unwrap_or_else(|| {
                numbers.push(value.clone());
                numbers.len() - 1
            });
            let (count, sum) = (taken(keys + 1 + 2 * place), taken(keys + 2 + 2 * place));
            figures.push(match measure {
                Measure::Avg(path) => {
                    let (_, field) = self.end(source.module, path);
                    self.mean_of(&sum, &count, field.scalar().unwrap_or(ScalarType::Integer))
                }
                _ => {
                    let Figure { shape, .. } = self.sum(&value, shape);
                    let is_text = matches!(shape, Shape::Scalar(ScalarType::Decimal { .. }));
                    Figure::new(if is_text { sum } else { format!("CAST({sum} AS INTEGER)") }, shape)
                }
            });
        }
        arguments.insert(0, keys.to_string());
        arguments.append(&mut numbers);
        Some((arguments.join(", "), figures))
    }

    /// Whether a key has so few values by its kind that all groups may be kept in memory: SQLite's own sort needs no such bound.
    fn has_few_values(&self, module: ModuleId, key: &GroupKey) -> bool {
        let (_, field) = self.end(module, &key.path);
        key.part.is_some()
            || matches!(field.kind, FieldKind::Choice { .. })
            || matches!(Shape::of(field), Shape::Scalar(ScalarType::Boolean | ScalarType::Date))
    }

    /// `GROUP BY`, `HAVING` and `ORDER BY`; of what is grouped already, `WHERE` and `ORDER BY`. Keys are named by position: an expression
    /// with parameters or joins is compared only once.
    pub fn group_clauses(&mut self, groups: &Grouping, figures: &[Figure], to_group: bool) -> String {
        let positions: Vec<String> = (1..=groups.keys.len()).map(|position| position.to_string()).collect();
        let mut text = if to_group { format!(" GROUP BY {}", positions.join(", ")) } else { String::new() };
        let mut having = Vec::with_capacity(groups.having.len());
        for condition in &groups.having {
            let Figure { text: value, shape, .. } = &figures[groups.keys.len() + condition.measure];
            having.push(match condition.test {
                GroupTest::Compare { op, operand } => self.compare_value(*shape, false, value, op, operand),
                GroupTest::Within(span) => self.within(*shape, value, span),
                GroupTest::IsNull { negated } => format!("({value} IS {}NULL)", if negated { "NOT " } else { "" }),
            });
        }
        if !having.is_empty() {
            let clause = if to_group { "HAVING" } else { "WHERE" };
            text.push_str(&format!(" {clause} {}", having.join(" AND ")));
        }
        let mut order = Vec::new();
        for key in &groups.order {
            let column = match key.by {
                GroupTerm::Key(position) => position,
                GroupTerm::Measure(position) => groups.keys.len() + position,
            };
            let figure = &figures[column];
            let direction = if key.descending { "DESC" } else { "ASC" };
            let nulls = if key.nulls == Nulls::First { "NULLS FIRST" } else { "NULLS LAST" };
            let values = self.ordered(figure.shape, figure.places.as_ref(), figure.text.clone());
            // A value that orders as it is can be named by its position too.
            let values = if values == [figure.text.as_str()] { vec![(column + 1).to_string()] } else { values };
            order.extend(values.iter().map(|value| format!("{value} {direction} {nulls}")));
        }
        if !order.is_empty() {
            text.push_str(&format!(" ORDER BY {}", order.join(", ")));
        }
        text
    }

    fn group_key(&mut self, source: &mut Source, key: &GroupKey) -> Figure {
        let (_, field) = self.end(source.module, &key.path);
        let (shape, places) = (Shape::of(field), places(field));
        let text = self.shown(source, &key.path);
        let Some(part) = key.part else {
            return Figure { text, shape, places };
        };
        let value = text;
        let text = match shape {
            Shape::Scalar(ScalarType::DateTime) => self.period_of_instant(&value, part),
            _ if part == DatePart::Day => value,
            _ => self.period_of_date(&value, part),
        };
        Figure::new(text, Shape::Scalar(ScalarType::Date))
    }

    fn word(&mut self, word: &str) -> String {
        self.typed_param(Param::Value(Value::Text(word.to_owned()), Transform::None), "text")
    }

    fn period_of_date(&mut self, date: &str, part: DatePart) -> String {
        let word = self.word(part.word());
        match self.dialect {
            Dialect::Sqlite => format!("cardine_period({date}, {word})"),
            Dialect::Postgres => format!("date_trunc({word}, ({date})::timestamp)::date"),
        }
    }

    /// The zone's offsets are parameters: what PostgreSQL knows of time zones depends on its host, and need not be what this
    /// server knows, or have the zone at all.
    fn period_of_instant(&mut self, instant: &str, part: DatePart) -> String {
        if self.dialect == Dialect::Sqlite {
            let word = self.word(part.word());
            let zone = self.param(Param::TimeZone);
            return format!("cardine_period({instant}, {word}, {zone})");
        }
        let utc = self.word("UTC");
        let starts = self.typed_param(Param::ZoneStarts, "timestamptz[]");
        let offsets = self.typed_param(Param::ZoneOffsets, "bigint[]");
        let local = format!(
            "({instant} AT TIME ZONE {utc} + make_interval(secs => ({offsets})[width_bucket({instant}, {starts})]))"
        );
        let local = self.within_calendar(instant, &local);
        if part == DatePart::Day {
            return format!("{local}::date");
        }
        let word = self.word(part.word());
        format!("date_trunc({word}, {local})::date")
    }

    /// The wall clock of an instant, whose first and last days stand for those beyond, as a date has a year of four digits. Nearly
    /// all rows are decided by two comparisons.
    fn within_calendar(&mut self, instant: &str, local: &str) -> String {
        let day = |year, month, day| NaiveDate::from_ymd_opt(year, month, day).expect("a day of the calendar");
        let (first, second, last) = (day(1, 1, 1), day(1, 1, 2), day(9999, 12, 31));
        // Clocks differ from UTC by less than a day.
        let [from, to] = [second, last].map(|day| {
            let start = Value::DateTime(day.and_time(NaiveTime::MIN).and_utc());
            self.typed_param(Param::Value(start, Transform::None), "timestamptz")
        });
        let [first, last] =
            [first, last].map(|day| self.typed_param(Param::Value(Value::Date(day), Transform::None), "date"));
        format!(
            "(CASE WHEN {instant} >= {from} AND {instant} < {to} THEN {local} \
             WHEN {instant} IS NOT NULL THEN LEAST(GREATEST({local}, {first}::timestamp), {last}::timestamp) END)"
        )
    }

    /// The select items of measures.
    pub fn measures(&mut self, source: &mut Source, measures: &[Measure]) -> Vec<Figure> {
        measures.iter().map(|measure| self.measure(source, measure)).collect()
    }

    fn measure(&mut self, source: &mut Source, measure: &Measure) -> Figure {
        let count = Shape::Scalar(ScalarType::Integer);
        match measure {
            Measure::Count => Figure::new("count(*)".to_owned(), count),
            Measure::CountDistinct(path) => {
                let (value, _) = self.measured(source, path);
                Figure::new(format!("count(DISTINCT {value})"), count)
            }
            Measure::Sum(path) => {
                let (value, shape) = self.measured(source, path);
                self.sum(&value, shape)
            }
            Measure::Avg(path) => {
                let (value, _) = self.measured(source, path);
                let (_, field) = self.end(source.module, path);
                self.mean(&value, field.scalar().unwrap_or(ScalarType::Integer))
            }
            Measure::Min(path) => {
                let (value, shape) = self.measured(source, path);
                self.extreme(&value, shape, self.places_of(source.module, path), "min", "ASC")
            }
            Measure::Max(path) => {
                let (value, shape) = self.measured(source, path);
                self.extreme(&value, shape, self.places_of(source.module, path), "max", "DESC")
            }
        }
    }

    fn measured(&mut self, source: &mut Source, path: &FieldPath) -> (String, Shape) {
        let (_, field) = self.end(source.module, path);
        let shape = Shape::of(field);
        (self.shown(source, path), shape)
    }

    /// Integers of 32 bits and durations cannot overflow the database's own sum; all else is added exactly.
    fn sum(&self, value: &str, shape: Shape) -> Figure {
        match (shape, self.dialect) {
            (Shape::Scalar(scalar @ (ScalarType::Integer | ScalarType::Duration)), dialect) => {
                let text = match dialect {
                    Dialect::Sqlite => format!("sum({value})"),
                    Dialect::Postgres => format!("sum({value})::bigint"),
                };
                let sum = if scalar == ScalarType::Integer { ScalarType::BigInteger } else { scalar };
                Figure::new(text, Shape::Scalar(sum))
            }
            (shape, Dialect::Sqlite) => Figure::new(format!("cardine_sum({value})"), exact(shape)),
            (shape, Dialect::Postgres) => Figure::new(format!("sum({value})"), exact(shape)),
        }
    }

    /// Divided as rules divide, then rounded.
    fn mean(&self, value: &str, scalar: ScalarType) -> Figure {
        let sum = match self.dialect {
            Dialect::Sqlite => format!("cardine_sum({value})"),
            Dialect::Postgres => format!("sum({value})::numeric"),
        };
        self.mean_of(&sum, &format!("count({value})"), scalar)
    }

    /// The mean of so many values with this sum.
    fn mean_of(&self, sum: &str, count: &str, scalar: ScalarType) -> Figure {
        let scale = mean_scale(scalar);
        let text = match self.dialect {
            Dialect::Sqlite => format!("cardine_round(cardine_div({sum}, {count}), {scale})"),
            Dialect::Postgres => format!("round({}, {scale})", postgres_division(sum, count)),
        };
        Figure::new(text, Shape::Scalar(ScalarType::Decimal { scale }))
    }

    /// The first value in the order of `direction`.
    fn extreme(&mut self, value: &str, shape: Shape, places: Option<Value>, function: &str, direction: &str) -> Figure {
        if let Some(places) = places {
            let text = self.extreme_place(&places, function, value);
            return Figure { text, shape, places: Some(places) };
        }
        let text = match (shape, self.dialect) {
            (Shape::Scalar(scalar), Dialect::Sqlite) if scalar.is_text() => format!("cardine_{function}_text({value})"),
            (Shape::Scalar(scalar), Dialect::Postgres) if scalar.is_text() => {
                let order = format!("cardine_sort_key({value}) {direction} NULLS LAST, {value} {direction}");
                format!("(array_agg({value} ORDER BY {order}))[1]")
            }
            (Shape::Scalar(ScalarType::Decimal { .. }), Dialect::Sqlite) => {
                format!("{function}({value} {DECIMAL_COLLATION})")
            }
            _ => format!("{function}({value})"),
        };
        Figure::new(text, shape)
    }

    fn places_of(&self, module: ModuleId, path: &FieldPath) -> Option<Value> {
        places(self.end(module, path).1)
    }
}

/// The shape of an exact sum.
fn exact(shape: Shape) -> Shape {
    match shape {
        Shape::Scalar(ScalarType::Decimal { .. }) => shape,
        _ => Shape::Scalar(ScalarType::Decimal { scale: 0 }),
    }
}
