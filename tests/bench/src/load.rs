//! Puts the company into a database that a server has made and does not use now, with the server's own insert statements.

use std::sync::Arc;

use anyhow::Context as _;
use cardine_engine::Engine;
use cardine_model::Value;
use cardine_model::catalog::{Catalog, Module};
use cardine_sql::write::{Assignment, insert};
use cardine_sql::{ColumnType, Dialect, Statement};
use cardine_store::{Bindings, BoxFuture, DatabaseUrl, Options, ReadTx, Store, StoreError, WriteTx};
use cardine_tests::Server;

use crate::company::{CONTACT, Company, Fields, OPPORTUNITY, ORGANIZATION};
use crate::questions::QUESTIONS;
use crate::statements::{Bound, Compiled, Level, bind, compile};

/// Records of one transaction.
const BATCH: u32 = 2_000;

/// The database that a server works on.
pub fn database_url(server: &Server) -> anyhow::Result<DatabaseUrl> {
    match server.postgres() {
        Some(database) => Ok(database.url().parse()?),
        None => Ok(DatabaseUrl::Sqlite(server.data_directory().join("cardine.db"))),
    }
}

/// Loads the company, and compiles the questions under the catalog of this database.
pub async fn load(url: &DatabaseUrl, company: &Company) -> anyhow::Result<Vec<Arc<Compiled>>> {
    let store = Store::open(url, &Options::default()).await?;
    let engine = Engine::open(store.clone()).await?;
    let catalog = Arc::clone(&engine.snapshot().catalog);
    let organization = |n| company.organization(n);
    load_module(&store, &catalog, "Organization", ORGANIZATION, company.organizations, organization).await?;
    load_module(&store, &catalog, "Contact", CONTACT, company.contacts(), |n| company.contact(n)).await?;
    let opportunity = |n| company.opportunity(n);
    load_module(&store, &catalog, "Opportunity", OPPORTUNITY, company.opportunities(), opportunity).await?;
    analyse(&store).await?;
    let compiled = compile(&engine, company, &QUESTIONS)?;
    drop(engine);
    store.shutdown().await;
    Ok(compiled.into_iter().map(Arc::new).collect())
}

async fn load_module(
    store: &Store,
    catalog: &Catalog,
    name: &str,
    fields: Fields,
    count: u32,
    record: impl Fn(u32) -> Vec<Value>,
) -> anyhow::Result<()> {
    let module = catalog.module_by_name(name).with_context(|| format!("there is no module {name}"))?;
    let assignments: Vec<Assignment> =
        fields.iter().map(|field| assignment(module, field)).collect::<Result<_, _>>()?;
    let statement = Arc::new(insert(store.dialect(), module, &assignments));
    let mut start = 0;
    while start < count {
        let end = count.min(start + BATCH);
        let records: Arc<Vec<Vec<Value>>> = Arc::new((start..end).map(&record).collect());
        let statement = Arc::clone(&statement);
        store
            .write(move |tx: &mut WriteTx| -> BoxFuture<'_, Result<(), StoreError>> {
                let (records, statement) = (Arc::clone(&records), Arc::clone(&statement));
                Box::pin(async move {
                    for values in records.iter() {
                        tx.execute(&statement, &Bindings { values, ..Bindings::default() }).await?;
                    }
                    Ok(())
                })
            })
            .await
            .with_context(|| name.to_owned())?;
        start = end;
    }
    Ok(())
}

fn assignment(module: &Module, field: &str) -> anyhow::Result<Assignment> {
    let field = module.field_named(field).with_context(|| format!("{} has no field {field}", module.name))?;
    Ok(Assignment::field(field))
}

/// The statistics that a database in use has.
async fn analyse(store: &Store) -> anyhow::Result<()> {
    let analysed: Result<(), StoreError> =
        store.write(|tx: &mut WriteTx| Box::pin(async move { tx.run_ddl("ANALYZE").await })).await;
    Ok(analysed?)
}

/// Prints each statement with the plan of one request; of a nested one, for no parents.
pub async fn explain(url: &DatabaseUrl, compiled: &[Arc<Compiled>]) -> anyhow::Result<()> {
    let store = Store::open(url, &Options::default()).await?;
    for question in compiled {
        println!("\n## {}", question.name);
        explain_level(&store, &question.root, &question.values[0]).await?;
    }
    store.shutdown().await;
    Ok(())
}

fn explain_level<'a>(store: &'a Store, level: &'a Level, values: &'a [Value]) -> BoxFuture<'a, anyhow::Result<()>> {
    Box::pin(async move {
        println!("\n{}", level.statement.text);
        for (position, bound) in bind(&level.statement, values)?.iter().enumerate() {
            match bound {
                Bound::Value(value) => println!("  parameter {}: {value:?}", position + 1),
                Bound::Parents => println!("  parameter {}: the parents' ids", position + 1),
            }
        }
        for line in plan(store, &level.statement, values).await? {
            println!("    {line}");
        }
        for child in &level.children {
            explain_level(store, child, values).await?;
        }
        Ok(())
    })
}

async fn plan(store: &Store, statement: &Statement, values: &[Value]) -> Result<Vec<String>, StoreError> {
    let (explain, columns) = match store.dialect() {
        Dialect::Sqlite => {
            let number = ColumnType::Integer;
            ("EXPLAIN QUERY PLAN", vec![number, number, number, ColumnType::Text])
        }
        Dialect::Postgres => ("EXPLAIN", vec![ColumnType::Text]),
    };
    let text = format!("{explain} {}", statement.text);
    let statement = Statement { text, params: statement.params.clone(), columns };
    let values = values.to_vec();
    store
        .read(move |tx: &mut ReadTx| {
            Box::pin(async move {
                let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
                let detail = statement.columns.len() - 1;
                let lines = (0..rows.len()).map(|row| rows.cell(row, detail).text().unwrap_or_default().to_owned());
                Ok(lines.collect())
            })
        })
        .await
}
