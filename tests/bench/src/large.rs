//! The bench of large modules: what adding a field takes where there are a million records or 500 fields, and what lists take afterwards.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_model::Value;
use cardine_tests::{Backend, Client, Launch, Server};
use chrono::{TimeDelta, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::company::Fields;
use crate::measure::{Asking, Effort, Run};
use crate::site::{add_user, load};
use crate::{http, processor_time};

/// Fields that are added to each of both modules; the figure is the slowest.
const ADDED: u32 = 5;

/// In the order in which records are loaded.
const MASS: Fields = &["id", "version", "createdAt", "updatedAt", "owner:User", "title", "state", "size"];

const LIST: &str = "{ masses(first: 50, filter: {size: {gte: 500}}, orderBy: [{title: ASC}]) { nodes { id title state size createdAt } } }";

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Records of the one module
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=100_000_000))]
    records: u32,
    /// Fields of the other, with those that are added
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=500))]
    fields: u32,
    /// Seconds of each measurement of a list
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds of the list before the fields are added, and as many after; the figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
}

/// What one database gave.
#[derive(Debug)]
pub struct Stretched {
    /// The database.
    pub backend: Backend,
    /// Adding a field to the module with many fields: the slowest.
    pub many_fields: Duration,
    /// Adding a field to the module with many records: the slowest.
    pub many_records: Duration,
    /// The same, with an index; a job makes it ahead.
    pub with_index: Duration,
    /// A required field with a default: how long the job took that gave it to all records.
    pub filled: Duration,
    /// A list of the many records: before, after the fields were added that no record has a value in, and after all.
    pub list: [Run; 3],
}

/// Measures it on one database.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Stretched> {
    let mut server = Launch::new(backend).start().await;
    let admin = server.admin().await;
    let _ = admin.create_module(wide(options.fields - ADDED)).await.ok();
    let _ = admin.create_module(mass()).await.ok();
    let owner = add_user(&admin, "owner@example.org", None, "sales-person").await?;
    ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());
    let loading = Instant::now();
    load::load_module(&load::database_url(&server)?, "Mass", MASS, options.records, |n| record(n, owner)).await?;
    println!("{backend:?}: {} records loaded in {:.1} s", options.records, loading.elapsed().as_secs_f64());
    server.restart().await;
    let admin = server.admin().await;
    server.gather_statistics().await;
    let before = list(&server, &admin, options).await?;
    let many_fields = slowest(&admin, "Wide").await?;
    let many_records = slowest(&admin, "Mass").await?;
    let after_fields = list(&server, &admin, options).await?;
    let with_index = add(&admin, "Mass", json!({"name": "indexed", "type": "text", "indexed": true})).await?;
    let required = json!({"name": "filled", "type": "integer", "required": true, "default": 7});
    let filled = add(&admin, "Mass", required).await?;
    let after_all = list(&server, &admin, options).await?;
    let list = [before, after_fields, after_all];
    Ok(Stretched { backend, many_fields, many_records, with_index, filled, list })
}

/// The module with many fields.
fn wide(fields: u32) -> Json {
    let kinds = ["text", "integer", "money", "date", "boolean", "longText", "email", "decimal", "dateTime", "url"];
    let fields: Vec<Json> =
        (0..fields).map(|n| json!({"name": format!("field{n}"), "type": kinds[n as usize % kinds.len()]})).collect();
    json!({"name": "Wide", "plural": "Wides", "fields": fields})
}

/// The module with many records.
fn mass() -> Json {
    let states: Vec<Json> = ["NEW", "OPEN", "WON", "LOST"].iter().map(|value| json!({"value": value})).collect();
    json!({"name": "Mass", "plural": "Masses", "fields": [
        {"name": "title", "type": "text", "required": true, "indexed": true, "maxLength": 60},
        {"name": "state", "type": "choice", "options": states},
        {"name": "size", "type": "integer"}]})
}

fn record(n: u32, owner: Uuid) -> Vec<Value> {
    let at = Utc::now() - TimeDelta::seconds(i64::from(n));
    vec![
        Value::Id(Uuid::now_v7()),
        Value::Integer(1),
        Value::DateTime(at),
        Value::DateTime(at),
        Value::Id(owner),
        Value::Text(format!("Record {n}")),
        Value::Text(["NEW", "OPEN", "WON", "LOST"][n as usize % 4].to_owned()),
        Value::Integer(i64::from(n % 1_000)),
    ]
}

async fn slowest(admin: &Client, module: &str) -> anyhow::Result<Duration> {
    let kinds = ["text", "integer", "money", "date", "boolean"];
    let mut slowest = Duration::ZERO;
    for n in 0..ADDED {
        let field = json!({"name": format!("added{n}"), "type": kinds[n as usize % kinds.len()]});
        slowest = slowest.max(add(admin, module, field).await?);
    }
    Ok(slowest)
}

/// Adds a field; tells how long it took until it was there.
async fn add(admin: &Client, module: &str, field: Json) -> anyhow::Result<Duration> {
    let text = "mutation($module: String!, $field: JSON!) { addField(module: $module, field: $field) { applied job } }";
    let start = Instant::now();
    let answer = admin.admin_query_with(text, json!({"module": module, "field": field})).await;
    let added = &answer.ok()["addField"];
    let Some(job) = added["job"].as_str() else {
        ensure!(added["applied"] == true, "{added}");
        return Ok(start.elapsed());
    };
    let text = format!("{{ job(id: \"{job}\") {{ state finishedAt error {{ message }} }} }}");
    // A million records take a while, longer than anybody waits for in a test.
    loop {
        let ended = admin.admin_query(&text).await.ok()["job"].clone();
        if !ended["finishedAt"].is_null() {
            ensure!(ended["state"] == "DONE", "{ended}");
            return Ok(start.elapsed());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn list(server: &Server, admin: &Client, options: &Options) -> anyhow::Result<Run> {
    let postmaster = match server.postgres() {
        None => None,
        Some(database) => {
            let backend: i32 = database.connect().await.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
            processor_time::postmaster(u32::try_from(backend)?)
        }
    };
    let shown = admin.query(LIST).await.ok()["masses"]["nodes"].as_array().map(Vec::len);
    ensure!(shown == Some(50), "{shown:?} records are shown");
    let token = admin.token().context("who signed in has a token")?.to_owned();
    let body = json!({"query": LIST}).to_string();
    let request = |host: &str| vec![http::request(host, "/graphql", Some(&token), &body)];
    let asking = Asking::new(&server.address(), server.process_id(), postmaster, request)?;
    let effort = Effort { duration: Duration::from_secs(options.seconds), concurrency: 4 };
    let mut runs = Vec::new();
    for _ in 0..options.rounds {
        runs.push(asking.run(effort).await?);
    }
    Ok(Run::median(&runs))
}
