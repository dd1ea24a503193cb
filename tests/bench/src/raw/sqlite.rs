//! Raw runs through rusqlite: a thread per concurrent request, each with a connection and statements that it holds.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, bail};
use cardine_model::{Decimal, Value, text};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use crate::statements::{Bound, Compiled, Level, bind, distinct};

/// Opens the file as the server's readers do, with the functions that its statements and indexes need.
pub fn open(path: &Path) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA query_only = ON; PRAGMA mmap_size = 268435456; PRAGMA temp_store = MEMORY;")?;
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    type TextFunction = fn(&str) -> String;
    let functions: [(&str, TextFunction); 2] = [
        ("cardine_fold", |value| text::fold(value).into_owned()),
        ("cardine_sort_key", |value| text::sort_key(value).into_owned()),
    ];
    for (name, function) in functions {
        connection.create_scalar_function(name, 1, flags, move |context| match context.get_raw(0) {
            ValueRef::Text(bytes) => Ok(Some(function(std::str::from_utf8(bytes)?))),
            _ => Ok(None),
        })?;
    }
    connection.create_collation("cardine_decimal", Decimal::compare_text)?;
    Ok(connection)
}

/// Asks until the deadline, beginning with the `first` variant; tells how often.
pub fn ask_until(path: &Path, compiled: &Compiled, first: usize, deadline: Instant) -> anyhow::Result<u64> {
    let connection = open(path)?;
    let variants = compiled.values.iter().map(|values| Asked::new(&compiled.root, values));
    let variants: Vec<Asked> = variants.collect::<Result<_, _>>()?;
    let mut held = Held::prepare(&connection, &compiled.root)?;
    let mut asked = 0;
    while Instant::now() < deadline {
        let rows = held.run(&variants[(first + asked) % variants.len()], &[])?;
        if rows < compiled.records {
            bail!("{rows} rows where {} were expected", compiled.records);
        }
        asked += 1;
    }
    Ok(asked as u64)
}

/// One request's parameters as SQLite takes them; `None` stands for the parents.
struct Asked {
    params: Vec<Option<Stored>>,
    children: Vec<Asked>,
}

impl Asked {
    fn new(level: &Level, values: &[Value]) -> anyhow::Result<Self> {
        let params = bind(&level.statement, values)?.into_iter().map(|bound| match bound {
            Bound::Parents => Ok(None),
            Bound::Value(value) => stored(value).map(Some),
        });
        let children = level.children.iter().map(|child| Self::new(child, values));
        Ok(Self { params: params.collect::<Result<_, _>>()?, children: children.collect::<Result<_, _>>()? })
    }
}

fn stored(value: Value) -> anyhow::Result<Stored> {
    Ok(match value {
        Value::Null => Stored::Null,
        Value::Boolean(truth) => Stored::Integer(i64::from(truth)),
        Value::Integer(number) => Stored::Integer(number),
        Value::Text(text) => Stored::Text(text),
        Value::Id(id) => Stored::Text(id.to_string()),
        Value::Decimal(number) => Stored::Text(number.to_string()),
        Value::Date(date) => Stored::Text(date.to_string()),
        other => bail!("a raw run has no parameter like {other:?}"),
    })
}

struct Held<'c> {
    statement: rusqlite::Statement<'c>,
    parent_column: usize,
    children: Vec<Held<'c>>,
}

impl<'c> Held<'c> {
    fn prepare(connection: &'c Connection, level: &Level) -> anyhow::Result<Self> {
        let statement = connection.prepare(&level.statement.text).context("a statement cannot be prepared")?;
        let children = level.children.iter().map(|child| Self::prepare(connection, child));
        Ok(Self { statement, parent_column: level.parent_column, children: children.collect::<Result<_, _>>()? })
    }

    /// Reads every value of every row; tells how many rows there were, nested ones too.
    fn run(&mut self, asked: &Asked, parents: &[Uuid]) -> anyhow::Result<usize> {
        for (position, param) in asked.params.iter().enumerate() {
            match param {
                Some(value) => self.statement.raw_bind_parameter(position + 1, value)?,
                None => self.statement.raw_bind_parameter(position + 1, json_list(parents))?,
            }
        }
        let columns = self.statement.column_count();
        let mut ids: Vec<Vec<Uuid>> = vec![Vec::new(); self.children.len()];
        let mut count = 0;
        let mut rows = self.statement.raw_query();
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                black_box(row.get_ref(column)?);
            }
            for (child, ids) in self.children.iter().zip(&mut ids) {
                ids.push(row.get_ref(child.parent_column)?.as_str()?.parse()?);
            }
            count += 1;
        }
        drop(rows);
        for ((child, asked), ids) in self.children.iter_mut().zip(&asked.children).zip(ids) {
            count += child.run(asked, &distinct(ids))?;
        }
        Ok(count)
    }
}

fn json_list(ids: &[Uuid]) -> String {
    let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    format!("[{}]", quoted.join(","))
}
