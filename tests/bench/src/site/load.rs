//! Puts the company into a database that a server has made and does not use now: SQLite by the server's own insert statements,
//! PostgreSQL by `COPY`.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use cardine_engine::Engine;
use cardine_model::Value;
use cardine_model::catalog::{Catalog, Field, Module};
use cardine_sql::write::{Assignment, insert_rows};
use cardine_store::{BoxFuture, DatabaseUrl, Options, Store, StoreError, WriteTx};
use cardine_tests::Server;
use chrono::SecondsFormat;
use futures_util::SinkExt as _;
use tokio_postgres::NoTls;

use super::sqlite_file;
use crate::company::{CONTACT, Company, Fields, OPPORTUNITY, ORGANIZATION, TASK};

/// Records of one transaction, or of one piece of a copy.
const BATCH: u32 = 2_000;

/// The database that a server works on.
pub fn database_url(server: &Server) -> anyhow::Result<DatabaseUrl> {
    match server.postgres() {
        Some(database) => Ok(database.url().parse()?),
        None => Ok(DatabaseUrl::Sqlite(sqlite_file(server))),
    }
}

/// Loads everything; gives the columns that opportunities were loaded in.
pub(super) async fn load(url: &DatabaseUrl, company: &Company) -> anyhow::Result<Vec<String>> {
    let store = Store::open(url, &Options::default()).await?;
    let catalog = Arc::clone(&Engine::open(store.clone()).await?.snapshot().catalog);
    type Record = fn(&Company, u32) -> Vec<Value>;
    let modules: [(&str, Fields, u32, Record); 4] = [
        ("Organization", ORGANIZATION, company.organizations, Company::organization),
        ("Contact", CONTACT, company.contacts(), Company::contact),
        ("Opportunity", OPPORTUNITY, company.opportunities(), Company::opportunity),
        ("Task", TASK, company.tasks(), Company::task),
    ];
    for (name, fields, count, record) in modules {
        let table = Table::new(&catalog, name, fields)?;
        fill(&store, url, &table, count, |n| row(fields, record(company, n))).await.with_context(|| name.to_owned())?;
    }
    analyse(&store, url).await?;
    store.shutdown().await;
    let opportunities = Table::new(&catalog, "Opportunity", OPPORTUNITY)?;
    Ok(opportunities.columns().into_iter().map(str::to_owned).collect())
}

/// Loads records of one module, whose server does not run.
pub async fn load_module(
    url: &DatabaseUrl,
    module: &str,
    fields: Fields,
    count: u32,
    record: impl Fn(u32) -> Vec<Value>,
) -> anyhow::Result<()> {
    let store = Store::open(url, &Options::default()).await?;
    let catalog = Arc::clone(&Engine::open(store.clone()).await?.snapshot().catalog);
    let table = Table::new(&catalog, module, fields)?;
    fill(&store, url, &table, count, |n| row(fields, record(n))).await?;
    analyse(&store, url).await?;
    store.shutdown().await;
    Ok(())
}

async fn fill(
    store: &Store,
    url: &DatabaseUrl,
    table: &Table<'_>,
    count: u32,
    record: impl Fn(u32) -> Vec<Value>,
) -> anyhow::Result<()> {
    match url {
        DatabaseUrl::Sqlite(_) => insert_all(store, table, count, record).await,
        DatabaseUrl::Postgres(url) => copy_all(url, table, count, record).await,
    }
}

/// Makes the statistics that a database in use has; and what readers would otherwise see to one by one.
async fn analyse(store: &Store, url: &DatabaseUrl) -> anyhow::Result<()> {
    let statement = if matches!(url, DatabaseUrl::Postgres(_)) { "ANALYZE" } else { "ANALYZE; PRAGMA optimize" };
    let analysed: Result<(), StoreError> =
        store.write(move |tx: &mut WriteTx| Box::pin(async move { tx.run_ddl(statement).await })).await;
    Ok(analysed?)
}

/// The columns that a module's records are given in.
struct Table<'a> {
    module: &'a Module,
    /// A field, and the module of a reference that could lead to several.
    fields: Vec<(&'a Field, Option<&'static str>)>,
}

impl<'a> Table<'a> {
    fn new(catalog: &'a Catalog, name: &str, fields: Fields) -> anyhow::Result<Self> {
        let module = catalog.module_by_name(name).with_context(|| format!("there is no module {name}"))?;
        let fields = fields.iter().map(|field| {
            let (field, target) = field.split_once(':').map_or((*field, None), |(field, to)| (field, Some(to)));
            let field = module.field_named(field).with_context(|| format!("{name} has no field {field}"))?;
            Ok((field, target))
        });
        Ok(Self { module, fields: fields.collect::<anyhow::Result<_>>()? })
    }

    fn assignments(&self) -> Vec<Assignment> {
        let columns = self.fields.iter().flat_map(|(field, target)| {
            [Some(Assignment::field(field)), target.and_then(|_| Assignment::target_module(field))]
        });
        columns.flatten().collect()
    }

    fn columns(&self) -> Vec<&str> {
        let columns = self.fields.iter().flat_map(|(field, target)| {
            let module_column = field.reference().and_then(|reference| reference.module_column.as_deref());
            [field.column.as_deref(), target.and(module_column)]
        });
        columns.flatten().collect()
    }
}

/// The values of a record with the modules that its references lead to.
pub fn row(fields: Fields, values: Vec<Value>) -> Vec<Value> {
    let targets = fields.iter().map(|field| field.split_once(':').map(|(_, module)| Value::Text(module.to_owned())));
    values.into_iter().zip(targets).flat_map(|(value, target)| [Some(value), target]).flatten().collect()
}

async fn insert_all(
    store: &Store,
    table: &Table<'_>,
    count: u32,
    record: impl Fn(u32) -> Vec<Value>,
) -> anyhow::Result<()> {
    let statement = Arc::new(insert_rows(store.dialect(), table.module, &table.assignments(), 1));
    for start in (0..count).step_by(BATCH as usize) {
        let records: Arc<Vec<Vec<Value>>> = Arc::new((start..count.min(start + BATCH)).map(&record).collect());
        let statement = Arc::clone(&statement);
        let written: Result<(), StoreError> = store
            .write(move |tx: &mut WriteTx| -> BoxFuture<'_, Result<(), StoreError>> {
                let (records, statement) = (Arc::clone(&records), Arc::clone(&statement));
                Box::pin(async move {
                    tx.execute_rows(&statement, records.to_vec()).await?;
                    Ok(())
                })
            })
            .await;
        written?;
    }
    Ok(())
}

async fn copy_all(url: &str, table: &Table<'_>, count: u32, record: impl Fn(u32) -> Vec<Value>) -> anyhow::Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let columns = table.columns().join(", ");
    let sink = client.copy_in(&format!("COPY {} ({columns}) FROM STDIN", table.module.table)).await?;
    let mut sink = std::pin::pin!(sink);
    for start in (0..count).step_by(BATCH as usize) {
        let mut lines = String::new();
        for n in start..count.min(start + BATCH) {
            for (position, value) in record(n).iter().enumerate() {
                lines.push_str(if position == 0 { "" } else { "\t" });
                match text(value)? {
                    Some(text) => lines.push_str(&text),
                    None => lines.push_str("\\N"),
                }
            }
            lines.push('\n');
        }
        sink.send(Bytes::from(lines)).await?;
    }
    sink.finish().await?;
    Ok(())
}

/// A value as PostgreSQL reads it; none where there is none. No text of the company has a character that `COPY` wants escaped.
pub fn text(value: &Value) -> anyhow::Result<Option<String>> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Id(id) => id.to_string(),
        Value::Decimal(number) => number.to_string(),
        Value::Date(date) => date.to_string(),
        Value::DateTime(instant) => instant.to_rfc3339_opts(SecondsFormat::Millis, true),
        other => bail!("a record has no value like {other:?}"),
    }))
}
