//! Raw runs through tokio-postgres: a connection per concurrent request, each with statements that it has prepared.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, bail};
use cardine_model::Value;
use cardine_store::BoxFuture;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::statements::{Bound, Compiled, Level, bind, distinct};

/// Asks until the deadline, beginning with the `first` variant; tells how often.
pub async fn ask_until(url: &str, compiled: &Compiled, first: usize, deadline: Instant) -> anyhow::Result<u64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let variants = compiled.values.iter().map(|values| Asked::new(&compiled.root, values));
    let variants: Vec<Asked> = variants.collect::<Result<_, _>>()?;
    let held = Held::prepare(&client, &compiled.root).await?;
    let mut asked = 0;
    while Instant::now() < deadline {
        let rows = held.run(&client, &variants[(first + asked) % variants.len()], Vec::new()).await?;
        if rows < compiled.records {
            bail!("{rows} rows where {} were expected", compiled.records);
        }
        asked += 1;
    }
    Ok(asked as u64)
}

/// One request's parameters; `None` stands for the parents.
struct Asked {
    params: Vec<Option<Given>>,
    children: Vec<Asked>,
}

impl Asked {
    fn new(level: &Level, values: &[Value]) -> anyhow::Result<Self> {
        let params = bind(&level.statement, values)?.into_iter().map(|bound| match bound {
            Bound::Parents => None,
            Bound::Value(value) => Some(Given(value)),
        });
        let children = level.children.iter().map(|child| Self::new(child, values));
        Ok(Self { params: params.collect(), children: children.collect::<Result<_, _>>()? })
    }
}

struct Held {
    statement: Statement,
    parent_column: usize,
    children: Vec<Held>,
}

impl Held {
    fn prepare<'a>(client: &'a Client, level: &'a Level) -> BoxFuture<'a, anyhow::Result<Self>> {
        Box::pin(async move {
            let statement = client.prepare(&level.statement.text).await.context("a statement cannot be prepared")?;
            let mut children = Vec::new();
            for child in &level.children {
                children.push(Self::prepare(client, child).await?);
            }
            Ok(Self { statement, parent_column: level.parent_column, children })
        })
    }

    /// Reads every value of every row; tells how many rows there were, nested ones too.
    fn run<'a>(
        &'a self,
        client: &'a Client,
        asked: &'a Asked,
        parents: Vec<Uuid>,
    ) -> BoxFuture<'a, anyhow::Result<usize>> {
        Box::pin(async move {
            let params: Vec<&(dyn ToSql + Sync)> = asked
                .params
                .iter()
                .map(|param| match param {
                    Some(given) => given as &(dyn ToSql + Sync),
                    None => &parents as &(dyn ToSql + Sync),
                })
                .collect();
            let rows = client.query(&self.statement, &params).await?;
            let columns = self.statement.columns().len();
            let mut ids: Vec<Vec<Uuid>> = vec![Vec::new(); self.children.len()];
            for row in &rows {
                for column in 0..columns {
                    black_box(row.try_get::<_, Option<Raw>>(column)?);
                }
                for (child, ids) in self.children.iter().zip(&mut ids) {
                    ids.push(row.try_get(child.parent_column)?);
                }
            }
            let mut count = rows.len();
            for ((child, asked), ids) in self.children.iter().zip(&asked.children).zip(ids) {
                count += child.run(client, asked, distinct(ids)).await?;
            }
            Ok(count)
        })
    }
}

/// A value's bytes as the database sent them.
struct Raw<'a>(#[allow(dead_code, reason = "read by nobody but black_box")] &'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, bytes: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(bytes))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A value of a request.
#[derive(Debug)]
struct Given(Value);

impl ToSql for Given {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match &self.0 {
            Value::Null => Ok(IsNull::Yes),
            Value::Boolean(truth) => truth.to_sql_checked(ty, out),
            Value::Integer(number) if *ty == Type::INT4 => i32::try_from(*number)?.to_sql_checked(ty, out),
            Value::Integer(number) => number.to_sql_checked(ty, out),
            Value::Text(text) => text.to_sql_checked(ty, out),
            Value::Id(id) => id.to_sql_checked(ty, out),
            Value::Date(date) => date.to_sql_checked(ty, out),
            Value::Decimal(number) if *ty == Type::NUMERIC => {
                out.extend_from_slice(&numeric(&number.to_string()).ok_or("a number of another form")?);
                Ok(IsNull::No)
            }
            other => Err(format!("a raw run has no parameter like {other:?}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A number that is not negative in PostgreSQL's binary form (`numeric_recv` in its `numeric.c`): digits to the base 10,000.
fn numeric(text: &str) -> Option<Vec<u8>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let before = whole.len().div_ceil(4);
    let after = fraction.len().div_ceil(4);
    let digits = format!("{whole:0>0$}{fraction:0<1$}", before * 4, after * 4);
    let digits: Option<Vec<i16>> =
        digits.as_bytes().chunks(4).map(|four| std::str::from_utf8(four).ok()?.parse().ok()).collect();
    let (count, weight) = (i16::try_from(before + after).ok()?, i16::try_from(before).ok()? - 1);
    let head = [count, weight, 0, i16::try_from(fraction.len()).ok()?];
    Some(head.into_iter().chain(digits?).flat_map(i16::to_be_bytes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_form_that_postgresql_reads() {
        let bytes = |words: &[i16]| Some(words.iter().copied().flat_map(i16::to_be_bytes).collect::<Vec<u8>>());
        assert_eq!(numeric("50000.25"), bytes(&[3, 1, 0, 2, 5, 0, 2_500]));
        assert_eq!(numeric("7"), bytes(&[1, 0, 0, 0, 7]));
        assert_eq!(numeric("x"), None);
    }
}
