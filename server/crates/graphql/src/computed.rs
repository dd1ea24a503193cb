//! What plugins compute of the records that an answer shows: one question for each list and plugin, over all of its records.
//!
//! It is asked for what was selected alone, after the reading and outside of its transaction. What a plugin cannot give is null, and
//! an error beside the data says why: who asks for a list gets the list.

use std::sync::Arc;

use cardine_engine::hooks::Computation;
use cardine_engine::{Cell, EngineError, RequestContext};
use cardine_model::catalog::{Computed, Field};
use cardine_model::{Decimal, ScalarType};
use chrono::{DateTime, NaiveDate, Utc};
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use crate::answer::{Rows, Written, write_cell, write_decimal, write_text};
use crate::compile::Computing;
use crate::error::{Code, Error};
use crate::shape::{
    ConnectionField, ConnectionShape, EdgeField, FieldShape, Fields, HitField, ObjectShape, RootField, SearchField,
};

/// The values of one computed field as JSON, by the rows of its list; nothing where there is none.
pub type ComputedColumn = Vec<Arc<[u8]>>;

/// All that plugins computed for an answer.
#[derive(Debug, Default)]
pub struct ComputedFields {
    /// By their positions among the operation's.
    pub columns: Vec<ComputedColumn>,
    /// What could not be computed, and why.
    pub errors: Vec<Error>,
}

/// Asks the plugins about all records that the answer shows.
pub(crate) async fn compute<R: Rows + Sync>(
    ctx: &RequestContext,
    computings: &[Computing],
    shape: &Fields<RootField>,
    lists: &[R],
    written: &[Written<'_, R>],
) -> ComputedFields {
    if computings.is_empty() {
        return ComputedFields::default();
    }
    let mut shown = Shown { places: computings.iter().map(|_| None).collect(), key: "" };
    shown.root(shape, lists, written);
    let mut computed = ComputedFields { columns: vec![ComputedColumn::new(); computings.len()], errors: Vec::new() };
    for question in questions(ctx, computings, &shown.places) {
        question.ask(ctx, &mut computed).await;
    }
    computed
}

/// Where a computed field is shown: rows of a list, under a key of the answer.
struct Place<'a, R> {
    key: &'a str,
    rows: &'a R,
    shown: Vec<usize>,
}

/// The walk through the form of the answer that finds the places of all computed fields.
struct Shown<'a, R> {
    places: Vec<Option<Place<'a, R>>>,
    key: &'a str,
}

impl<'a, R: Rows> Shown<'a, R> {
    fn root(&mut self, fields: &'a Fields<RootField>, lists: &'a [R], written: &[Written<'a, R>]) {
        for (key, field) in fields {
            self.key = name_of(key);
            match field {
                RootField::Object(fields) => self.root(fields, lists, written),
                RootField::One { list, object } | RootField::List { list, object } => {
                    self.object(&lists[*list], &all(&lists[*list]), object);
                }
                RootField::Connection { list, shape } => self.connection(&lists[*list], &all(&lists[*list]), shape),
                RootField::Nodes(nodes) => {
                    for (list, _, object) in &nodes.lists {
                        self.object(&lists[*list], &all(&lists[*list]), object);
                    }
                }
                RootField::Search(search) => {
                    for (_, field) in &search.fields {
                        let forms = match field {
                            SearchField::Hits(forms) => forms.as_slice(),
                            SearchField::Hit(form) => std::slice::from_ref(form),
                            SearchField::Constant(_) => continue,
                        };
                        for (module, form) in search.modules.iter().zip(forms) {
                            self.hit(&lists[module.list], form);
                        }
                    }
                }
                RootField::Written { step, object } | RootField::WrittenList { step, object, .. } => {
                    let rows = written[*step].rows;
                    self.object(rows, &all(rows), object);
                }
                RootField::Constant(_)
                | RootField::Viewer(_)
                | RootField::Groups { .. }
                | RootField::WrittenId { .. }
                | RootField::Bulk { .. } => {}
            }
        }
    }

    fn hit(&mut self, rows: &'a R, fields: &'a Fields<HitField>) {
        for (_, field) in fields {
            match field {
                HitField::Node(fields) => self.hit(rows, fields),
                HitField::Record(object) => self.object(rows, &all(rows), object),
                _ => {}
            }
        }
    }

    fn connection(&mut self, rows: &'a R, shown: &[usize], shape: &'a ConnectionShape) {
        for (_, field) in &shape.fields {
            match field {
                ConnectionField::Nodes(object) => self.object(rows, shown, object),
                ConnectionField::Edges(edge) => {
                    for (_, field) in edge {
                        if let EdgeField::Node(object) = field {
                            self.object(rows, shown, object);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn object(&mut self, rows: &'a R, shown: &[usize], object: &'a ObjectShape) {
        for (_, field) in &object.fields {
            match field {
                FieldShape::Computed(computing) => {
                    self.places[*computing] = Some(Place { key: self.key, rows, shown: shown.to_vec() });
                }
                FieldShape::ToOne(targets) => {
                    targets.iter().for_each(|target| self.object(rows, shown, &target.object));
                }
                FieldShape::ToMany { child, parent, shape } => {
                    let related = rows.child(*child);
                    let of = |row: &usize| match rows.cell(*row, *parent) {
                        Cell::Text(id) => related.of_parent(id).rows,
                        _ => 0..0,
                    };
                    // Several rows may show the same parent, by a reference.
                    let mut shown: Vec<usize> = shown.iter().flat_map(of).collect();
                    shown.sort_unstable();
                    shown.dedup();
                    self.connection(related, &shown, shape);
                }
                _ => {}
            }
        }
    }
}

fn all<R: Rows>(rows: &R) -> Vec<usize> {
    rows.root().rows.collect()
}

/// The name in a key of the answer: `"name":`.
fn name_of(key: &[u8]) -> &str {
    std::str::from_utf8(key).unwrap_or_default().trim_start_matches('"').trim_end_matches(':').trim_end_matches('"')
}

/// What one plugin is asked about the records of one list.
struct Question<'a, R> {
    /// The fields, with their positions among the operation's; all are told the same of a record.
    fields: Vec<(usize, &'a Field)>,
    computing: &'a Computing,
    computed: &'a Computed,
    place: &'a Place<'a, R>,
}

/// One for all fields of a plugin that are computed from the same values of the same rows.
fn questions<'a, R: Rows>(
    ctx: &'a RequestContext,
    computings: &'a [Computing],
    places: &'a [Option<Place<'a, R>>],
) -> Vec<Question<'a, R>> {
    let mut questions: Vec<Question<'_, R>> = Vec::new();
    for (position, (computing, place)) in computings.iter().zip(places).enumerate() {
        let field = ctx.catalog().field(computing.module, computing.field);
        let (Some(place), Some(computed)) = (place, field.computed()) else { continue };
        let same = questions.iter_mut().find(|question| {
            std::ptr::eq(question.place.rows, place.rows)
                && question.place.shown == place.shown
                && question.computing.id == computing.id
                && question.computed.by.plugin == computed.by.plugin
                && question.computed.inputs == computed.inputs
        });
        match same {
            Some(question) => question.fields.push((position, field)),
            None => questions.push(Question { fields: vec![(position, field)], computing, computed, place }),
        }
    }
    questions
}

impl<R: Rows> Question<'_, R> {
    async fn ask(&self, ctx: &RequestContext, computed: &mut ComputedFields) {
        let (records, of_rows) = self.records();
        if records.is_empty() {
            return;
        }
        let module = ctx.catalog().module(self.computing.module);
        let fields: Vec<&Field> = self.fields.iter().map(|(_, field)| *field).collect();
        let count = records.len();
        let asked = Computation { module, by: &self.computed.by.plugin, fields: &fields, records };
        let answers = match ctx.snapshot.hooks.compute(ctx, asked).await {
            Ok(answers) if answers.len() == count => answers,
            Ok(_) => return computed.errors.push(self.told(EngineError::Internal.into())),
            Err(error) => return computed.errors.push(self.told(error.into())),
        };
        for (position, field) in &self.fields {
            let Some(Computed { by, returns, .. }) = field.computed() else { continue };
            let mut is_sound = true;
            let values = answers.iter().map(|answer| match answer.get(&by.field) {
                None | Some(Json::Null) => Arc::default(),
                Some(value) => shown(*returns, value).map(Arc::from).unwrap_or_else(|| {
                    is_sound = false;
                    Arc::default()
                }),
            });
            let values: Vec<Arc<[u8]>> = values.collect();
            if !is_sound {
                let message = format!(
                    "The plugin `{}` gave a value of {}.{} that is not of the field's type.",
                    by.plugin, module.name, field.name
                );
                let error = Error { reason: Some("OUTPUT_INVALID".into()), ..Error::new(Code::PluginFailed, message) };
                computed.errors.push(self.told(error));
            }
            computed.columns[*position] = column(&of_rows, &values);
        }
    }

    /// Each record once, as the plugin is told it; and for the rows their records.
    fn records(&self) -> (Vec<String>, Vec<(usize, usize)>) {
        let Place { rows, shown, .. } = self.place;
        let mut known: FxHashMap<&str, usize> = FxHashMap::default();
        let (mut records, mut of_rows) = (Vec::new(), Vec::with_capacity(shown.len()));
        for row in shown {
            let Cell::Text(id) = rows.cell(*row, self.computing.id) else { continue };
            let record = *known.entry(id).or_insert_with(|| {
                records.push(self.record(*row));
                records.len() - 1
            });
            of_rows.push((*row, record));
        }
        (records, of_rows)
    }

    fn record(&self, row: usize) -> String {
        let mut json = vec![b'{'];
        for (position, ((name, _), (output, encoding))) in
            self.computed.inputs.iter().zip(&self.computing.inputs).enumerate()
        {
            if position > 0 {
                json.push(b',');
            }
            write_text(name, &mut json);
            json.push(b':');
            write_cell(self.place.rows.cell(row, *output), *encoding, &mut json);
        }
        json.push(b'}');
        String::from_utf8(json).expect("values are UTF-8")
    }

    fn told(&self, error: Error) -> Error {
        error.under(vec![self.place.key.into()])
    }
}

fn column(of_rows: &[(usize, usize)], values: &[Arc<[u8]>]) -> ComputedColumn {
    let rows = of_rows.iter().map(|(row, _)| row + 1).max().unwrap_or(0);
    let mut column = vec![Arc::default(); rows];
    for (row, record) in of_rows {
        column[*row] = Arc::clone(&values[*record]);
    }
    column
}

/// A plugin's value as it stands in the answer; `None` if it is none of this type.
fn shown(returns: ScalarType, value: &Json) -> Option<Vec<u8>> {
    let mut json = Vec::new();
    match returns {
        ScalarType::Integer => {
            let number = i32::try_from(value.as_i64()?).ok()?;
            json.extend_from_slice(number.to_string().as_bytes());
        }
        ScalarType::Decimal { scale } => {
            let number = match value {
                Json::String(text) => Decimal::parse(text)?,
                // A number with a fraction is one that lost digits.
                value => Decimal::from_i64(value.as_i64()?),
            };
            write_decimal(&number.round(u32::from(scale)).to_string(), scale, &mut json);
        }
        ScalarType::Boolean => json.extend_from_slice(value.as_bool()?.to_string().as_bytes()),
        ScalarType::Date => {
            let date: NaiveDate = value.as_str()?.parse().ok()?;
            write_text(&date.to_string(), &mut json);
        }
        ScalarType::DateTime => {
            let instant = DateTime::parse_from_rfc3339(value.as_str()?).ok()?.with_timezone(&Utc);
            write_text(&instant.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(), &mut json);
        }
        ScalarType::Json => json = value.to_string().into_bytes(),
        _ => write_text(value.as_str()?, &mut json),
    }
    Some(json)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(returns: ScalarType, value: Json) -> Option<String> {
        shown(returns, &value).map(|json| String::from_utf8(json).unwrap())
    }

    #[test]
    fn values_are_shown_as_those_of_other_fields() {
        let decimal = ScalarType::Decimal { scale: 2 };
        for (returns, value, expected) in [
            (ScalarType::Integer, json!(7), "7"),
            (decimal, json!("12.5"), "\"12.50\""),
            (decimal, json!("0.005"), "\"0.01\""),
            (decimal, json!(3), "\"3.00\""),
            (ScalarType::Boolean, json!(true), "true"),
            (ScalarType::Text, json!("a\"b"), "\"a\\\"b\""),
            (ScalarType::Date, json!("2026-01-31"), "\"2026-01-31\""),
            (ScalarType::DateTime, json!("2026-01-31T12:00:00+01:00"), "\"2026-01-31T11:00:00.000Z\""),
            (ScalarType::Json, json!({"a": [1]}), "{\"a\":[1]}"),
        ] {
            assert_eq!(text(returns, value.clone()).as_deref(), Some(expected), "{value}");
        }
    }

    #[test]
    fn values_of_another_type_are_none() {
        let decimal = ScalarType::Decimal { scale: 2 };
        for (returns, value) in [
            (ScalarType::Integer, json!(1.5)),
            (ScalarType::Integer, json!(3_000_000_000_u64)),
            (ScalarType::Integer, json!("7")),
            (decimal, json!(12.5)),
            (decimal, json!("much")),
            (ScalarType::Boolean, json!("true")),
            (ScalarType::Text, json!(7)),
            (ScalarType::Date, json!("2026-02-30")),
            (ScalarType::DateTime, json!("2026-01-31")),
        ] {
            assert_eq!(text(returns, value.clone()), None, "{value}");
        }
    }

    #[test]
    fn a_key_has_its_name() {
        assert_eq!(name_of(b"\"deals\":"), "deals");
    }
}
