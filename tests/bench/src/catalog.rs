//! The catalog bench: what 500 modules of 40 fields cost in memory, in a change, in an introspection and at a start.

mod definitions;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_tests::{Backend, Client, Launch, Server};
use serde_json::{Value as Json, json};
use tokio_postgres::NoTls;

use crate::{http, processor_time};

/// Roles, each with a grant on every module; the first is measured alone.
const ROLES: u32 = 50;

/// Changes that are measured when all modules are there.
const CHANGES: u32 = 15;

/// Introspections that are measured.
const INTROSPECTIONS: u32 = 5;

/// The query that GraphiQL and others send.
const INTROSPECTION: &str = include_str!("../../../server/crates/graphql/src/introspection_query.graphql");

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Modules beside the built-in ones
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(3..=5_000))]
    modules: u32,
    /// Fields of each
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(20..=400))]
    fields: u32,
}

/// What one thing took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From request to answer.
    pub time: Duration,
    /// Of the server's process, which other work on the machine changes little.
    pub processor: Duration,
}

/// What one database gave.
#[derive(Debug)]
pub struct Weighed {
    /// The database.
    pub backend: Backend,
    /// Of a change that adds a field.
    pub change: Cost,
    /// Of the same as a dry run, which plans it and makes nothing.
    pub dry_run: Cost,
    /// Of the whole API, by an administrator; and how many bytes it has.
    pub introspection: (Cost, usize),
    /// From the start of the process to its first answer about records.
    pub start: Cost,
    /// Resident bytes above an empty server: with the administrator's role alone, and with all roles asking.
    pub memory: (u64, u64),
}

/// Measures it on one database.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Weighed> {
    let mut server = Launch::new(backend).start().await;
    let admin = server.admin().await;
    // A first start makes everything; a second one is what a server in use looks like.
    server.restart().await;
    ask(&server, token(&admin)?, "{ organizations(first: 1) { nodes { id } } }").await?;
    let empty = processor_time::resident_bytes(server.process_id())?;

    let making = Instant::now();
    for n in 0..options.modules {
        let _ = admin.create_module(definitions::module(n, options.fields)).await.ok();
    }
    println!("{backend:?}: made {} modules in {:.1} s", options.modules, making.elapsed().as_secs_f64());
    let dry_run = changes(&server, &admin, true).await?;
    let change = changes(&server, &admin, false).await?;

    let start = restart(&mut server, token(&admin)?).await?;
    let one_role = processor_time::resident_bytes(server.process_id())?.saturating_sub(empty);
    let introspection = introspect(&server, token(&admin)?).await?;

    let users = add_roles(&server, &admin).await;
    ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());
    grant_everything(&server, options.modules).await?;
    restart(&mut server, token(&admin)?).await?;
    for user in &users {
        ask(&server, token(user)?, definitions::LIST).await?;
    }
    let all_roles = processor_time::resident_bytes(server.process_id())?.saturating_sub(empty);
    Ok(Weighed { backend, change, dry_run, introspection, start, memory: (one_role, all_roles) })
}

fn token(client: &Client) -> anyhow::Result<&str> {
    client.token().context("who signed in has a token")
}

/// The median time of adding a field, over HTTP, and the mean of the processor's.
async fn changes(server: &Server, admin: &Client, dry_run: bool) -> anyhow::Result<Cost> {
    let text = "mutation($module: String!, $field: JSON!, $dryRun: Boolean) {
        addField(module: $module, field: $field, dryRun: $dryRun) { version }
    }";
    let mut times = Vec::new();
    let before = processor_time::of_process(server.process_id())?;
    for n in 0..CHANGES {
        let variables = json!({
            "module": definitions::name(n % 3),
            "field": {"name": format!("added{n}"), "type": "formula", "rule": "amount0 * 3", "returns": "decimal"},
            "dryRun": dry_run,
        });
        let start = Instant::now();
        let _ = admin.admin_query_with(text, variables).await.ok();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let processor = (processor_time::of_process(server.process_id())? - before) / CHANGES;
    Ok(Cost { time: times[times.len() / 2], processor })
}

/// Starts the server again; tells how long it took to its first answer about records.
async fn restart(server: &mut Server, token: &str) -> anyhow::Result<Cost> {
    if server.is_running() {
        ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());
    }
    let start = Instant::now();
    server.restart().await;
    ask(server, token, definitions::LIST).await?;
    Ok(Cost { time: start.elapsed(), processor: processor_time::of_process(server.process_id())? })
}

/// The best of some: the first one makes what later ones find. Of the processor's time it is the mean.
async fn introspect(server: &Server, token: &str) -> anyhow::Result<(Cost, usize)> {
    let mut best = Duration::MAX;
    let mut length = 0;
    let before = processor_time::of_process(server.process_id())?;
    for _ in 0..INTROSPECTIONS {
        let start = Instant::now();
        length = ask(server, token, INTROSPECTION).await?;
        best = best.min(start.elapsed());
    }
    let processor = (processor_time::of_process(server.process_id())? - before) / INTROSPECTIONS;
    Ok((Cost { time: best, processor }, length))
}

/// Sends one query; tells how many bytes the answer has.
async fn ask(server: &Server, token: &str, query: &str) -> anyhow::Result<usize> {
    let address = server.address();
    let host = address.strip_prefix("http://").context("the server listens without TLS")?;
    let request = http::request(host, "/graphql", Some(token), &json!({"query": query}).to_string());
    let mut connection = http::Connection::open(host).await?;
    let body = connection.ask(&request).await?;
    ensure!(body.starts_with(br#"{"data":{""#), "{}", String::from_utf8_lossy(&body[..body.len().min(1_000)]));
    Ok(body.len())
}

/// A user for each role, signed in.
async fn add_roles(server: &Server, admin: &Client) -> Vec<Client> {
    let mut users = Vec::new();
    for n in 0..ROLES {
        let role = format!("role-{n}");
        admin.create_role(&role, None).await;
        users.push(server.create_user_with_role(&role).await);
    }
    users
}

/// Grants each role its own mask over all modules, in the tables: by the API it would be tens of thousands of changes.
async fn grant_everything(server: &Server, modules: u32) -> anyhow::Result<()> {
    let mut statements = String::from("DELETE FROM role_grant WHERE module LIKE 'Thing%';");
    for role in 0..ROLES {
        for module in 0..modules {
            let fields: Json = json!({"*": "READ", format!("amount{}", role % 4): "NONE"});
            statements.push_str(&format!(
                "INSERT INTO role_grant (role_id, module, can_read, fields)
                 SELECT id, '{}', {}, '{fields}' FROM role WHERE name = 'role-{role}';\n",
                definitions::name(module),
                if server.backend() == Backend::Sqlite { "1" } else { "true" },
            ));
        }
    }
    match server.postgres() {
        Some(database) => {
            let (client, connection) = tokio_postgres::connect(database.url(), NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(&statements).await?;
        }
        None => {
            let connection = rusqlite::Connection::open(server.data_directory().join("cardine.db"))?;
            connection.execute_batch(&format!("BEGIN; {statements} COMMIT;"))?;
        }
    }
    Ok(())
}
