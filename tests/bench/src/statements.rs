//! A question → the statements that the server makes of it, by the server's own compiler, and each request's values for them.

use anyhow::{Context as _, anyhow, bail, ensure};
use cardine_engine::Engine;
use cardine_graphql::Request;
use cardine_graphql::compile::{Located, Operation, Setting, Viewer};
use cardine_graphql::cursor::CursorKey;
use cardine_graphql::limits::Limits;
use cardine_graphql::prepare::Prepared;
use cardine_graphql::schema::Schema;
use cardine_model::{Value, text};
use cardine_sql::{Found, ListStatements, Param, Statement, Transform, render_list};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::company::Company;
use crate::questions::{Question, VARIANTS};

/// A question, ready to be asked over HTTP and raw.
#[derive(Debug)]
pub struct Compiled {
    /// For the report.
    pub name: &'static str,
    /// How many records each answer must hold.
    pub records: usize,
    /// The body of each request.
    pub bodies: Vec<String>,
    /// The statements, the same for all requests.
    pub root: Level,
    /// The values of each request.
    pub values: Vec<Vec<Value>>,
}

/// A statement, and those that take the ids in its rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The rows' statement.
    pub statement: Statement,
    /// The column of the parent level in which this one's parents stand.
    pub parent_column: usize,
    /// Nested.
    pub children: Vec<Level>,
}

/// What a parameter is bound to in a raw run.
#[derive(Debug, Clone)]
pub enum Bound {
    /// A value of the request.
    Value(Value),
    /// The ids of the level above.
    Parents,
}

/// Compiles each question for an administrator, as the server does for each request.
pub fn compile(engine: &Engine, company: &Company, questions: &[Question]) -> anyhow::Result<Vec<Compiled>> {
    questions.iter().map(|question| compile_one(engine, company, question).context(question.name)).collect()
}

fn compile_one(engine: &Engine, company: &Company, question: &Question) -> anyhow::Result<Compiled> {
    let snapshot = engine.snapshot();
    let actor = snapshot.access.system(&snapshot.catalog);
    let (limits, cursors) = (Limits::default(), CursorKey::new(b"no cursor is made here"));
    let viewer = Viewer { user: None, role: &actor.role, locale: &actor.locale, time_zone: &actor.time_zone };
    let schema = Schema { catalog: &snapshot.catalog, rights: &actor.rights };
    let setting = Setting { schema, limits: &limits, cursors: &cursors, viewer };
    let operation = |variables: &Json| -> anyhow::Result<Operation> {
        let variables = variables.as_object().cloned().unwrap_or_default();
        let request = Request { query: question.text.to_owned(), variables, ..Request::default() };
        let prepared = Prepared::new(setting, &request).map_err(|errors| anyhow!("{errors:?}"))?;
        prepared.compile(setting, &Located::default()).map_err(|errors| anyhow!("{errors:?}"))
    };
    let dialect = engine.store().dialect();
    let mut compiled: Option<Compiled> = None;
    for n in 0..VARIANTS {
        let variables = (question.variables)(company, n);
        let operation = operation(&variables)?;
        let [list] = operation.lists.as_slice() else { bail!("a question has one list at its root") };
        let statements = render_list(dialect, &snapshot.catalog, &actor.rights, list, Found::Asked);
        let root = level(statements, 0, 0)?;
        let compiled = compiled.get_or_insert_with(|| Compiled {
            name: question.name,
            records: question.records,
            bodies: Vec::new(),
            root: root.clone(),
            values: Vec::new(),
        });
        ensure!(root == compiled.root, "the requests of one question differ in more than their values");
        compiled.bodies.push(json!({"query": question.text, "variables": variables}).to_string());
        compiled.values.push(operation.values);
    }
    compiled.context("there are requests")
}

/// `parent_shift` and `shift` are 1 where the rows begin with their own parent's id: in a nested level.
fn level(statements: ListStatements, parent_shift: usize, shift: usize) -> anyhow::Result<Level> {
    ensure!(statements.totals.is_none(), "no question counts");
    let children = statements.children.into_iter().map(|child| level(child, shift, 1));
    Ok(Level {
        statement: statements.rows.context("every list of a question has rows")?,
        parent_column: statements.parent_output + parent_shift,
        children: children.collect::<Result<_, _>>()?,
    })
}

/// What each parameter of `statement` takes, with the values of one request.
pub fn bind(statement: &Statement, values: &[Value]) -> anyhow::Result<Vec<Bound>> {
    let slot = |place: u32| values.get(place as usize).context("a slot has a value");
    let bound = statement.params.iter().map(|param| {
        Ok(match param {
            Param::Parents => Bound::Parents,
            Param::SlotPlus(place, more) => match slot(place.0)? {
                Value::Integer(number) => Bound::Value(Value::Integer(number + more)),
                _ => bail!("a page's size is an integer"),
            },
            Param::Slot(place, transform) => Bound::Value(transformed(slot(place.0)?, *transform)?),
            Param::Value(value, transform) => Bound::Value(transformed(value, *transform)?),
            other => bail!("a raw run has no {other:?}"),
        })
    });
    bound.collect()
}

fn transformed(value: &Value, transform: Transform) -> anyhow::Result<Value> {
    Ok(match (value, transform) {
        (value, Transform::None) => value.clone(),
        (Value::Text(value), Transform::Fold) => Value::Text(text::fold(value).into_owned()),
        (Value::Text(value), Transform::SortKey) => Value::Text(text::sort_key(value).into_owned()),
        other => bail!("a raw run does not make {other:?}"),
    })
}

/// The ids in one column, each once, in order.
pub fn distinct(mut ids: Vec<Uuid>) -> Vec<Uuid> {
    let mut seen = std::collections::HashSet::new();
    ids.retain(|id| seen.insert(*id));
    ids
}
