//! The access bench: what it costs to decide who sees which record, in a tree of roles with many users and many records.

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

/// Roles below the one that moves: its users have these.
const OFFICES: u32 = 10;

/// How often the role moves; it ends where it began.
const MOVES: u32 = 10;

const PASSWORD: &str = "viewers like long passwords";

/// In the order in which records are loaded.
const DEAL: Fields = &["id", "version", "createdAt", "updatedAt", "owner:User", "title", "stage", "size"];

const LIST: &str = "{ deals(first: 50) { nodes { id title stage size owner { ... on User { name } } } } }";
const COUNT: &str = "{ deals(first: 50) { totalCount nodes { id } } }";

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Users below the role that moves
    #[arg(long, default_value_t = 700, value_parser = clap::value_parser!(u32).range(10..=10_000))]
    users: u32,
    /// Records that they own
    #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u32).range(1_000..=10_000_000))]
    records: u32,
    /// Seconds of each measurement of a list
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, in each of which every list is measured once; the figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
}

/// Who asks for the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Viewer {
    /// An administrator, bound by nothing.
    Everything,
    /// One whose role stands above all owners.
    Above,
    /// The same, with a record rule that all records meet.
    AboveWithRule,
    /// One whose role stands above a tenth of the owners.
    AboveTenth,
}

/// What one database gave.
#[derive(Debug)]
pub struct Decided {
    /// The database.
    pub backend: Backend,
    /// Of the change that gives the role another place, from request to answer.
    pub change: Duration,
    /// Of the first list and count under the new place.
    pub next: Duration,
    /// Lists of 50.
    pub lists: Vec<(Viewer, Run)>,
}

impl Viewer {
    const ALL: [Self; 4] = [Self::Everything, Self::Above, Self::AboveWithRule, Self::AboveTenth];

    /// Who sees the same without a record rule: what the rule costs is the difference.
    pub fn without_rule(self) -> Option<Self> {
        (self == Self::AboveWithRule).then_some(Self::Above)
    }

    /// For people.
    pub fn told(self) -> &'static str {
        match self {
            Self::Everything => "an administrator",
            Self::Above => "who stands above all owners",
            Self::AboveWithRule => "the same, with a record rule",
            Self::AboveTenth => "who stands above a tenth of them",
        }
    }

    fn email(self) -> &'static str {
        match self {
            Self::Everything => cardine_tests::server::ADMIN_EMAIL,
            Self::Above => "above@example.org",
            Self::AboveWithRule => "ruled@example.org",
            Self::AboveTenth => "office@example.org",
        }
    }

    fn password(self) -> &'static str {
        if self == Self::Everything { cardine_tests::server::ADMIN_PASSWORD } else { PASSWORD }
    }
}

/// Measures it on one database.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Decided> {
    let mut server = Launch::new(backend).start().await;
    let admin = server.admin().await;
    let owners = prepare(&admin, options.users).await?;
    ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());
    let loading = Instant::now();
    let url = load::database_url(&server)?;
    load::load_module(&url, "Deal", DEAL, options.records, |n| deal(n, &owners)).await?;
    println!(
        "{backend:?}: {} users, {} records loaded in {:.1} s",
        options.users,
        options.records,
        loading.elapsed().as_secs_f64()
    );
    server.restart().await;
    let (change, next) = moves(&server, options.records).await?;
    let lists = lists(&server, options).await?;
    Ok(Decided { backend, change, next, lists })
}

/// The module, two places in the tree with a role that moves between them, and the owners below it.
async fn prepare(admin: &Client, users: u32) -> anyhow::Result<Vec<Uuid>> {
    let stages: Vec<Json> = ["NEW", "OPEN", "WON", "LOST"].iter().map(|value| json!({"value": value})).collect();
    let definition = json!({"name": "Deal", "plural": "Deals", "sharing": "PRIVATE", "fields": [
        {"name": "title", "type": "text", "required": true}, {"name": "stage", "type": "choice", "options": stages}, {"name": "size", "type": "integer"}]});
    let _ = admin.create_module(definition).await.ok();
    // `ruled` stands above `top`, so that it sees the same by the tree.
    for (role, parent) in [("ruled", None), ("top", Some("ruled")), ("elsewhere", None), ("division", Some("top"))] {
        admin.create_role(role, parent).await;
    }
    for office in 0..OFFICES {
        admin.create_role(&format!("office-{office}"), Some("division")).await;
        admin.create_role(&format!("desk-{office}"), Some(&format!("office-{office}"))).await;
    }
    for role in ["ruled", "top", "elsewhere", "office-0"] {
        admin.set_access(role, "Deal", json!({"read": true, "fields": {"*": "READ"}})).await;
    }
    let rule = "mutation { setRecordRule(role: \"ruled\", module: \"Deal\", rule: \"size >= 0\") { name } }";
    let _ = admin.admin_query(rule).await.ok();
    for (viewer, role) in [(Viewer::Above, "top"), (Viewer::AboveWithRule, "ruled"), (Viewer::AboveTenth, "office-0")] {
        add_user(admin, viewer.email(), Some(PASSWORD), role).await?;
    }
    add_user(admin, "elsewhere@example.org", Some(PASSWORD), "elsewhere").await?;
    let mut owners = Vec::new();
    for n in 0..users {
        owners.push(add_user(admin, &format!("owner{n}@example.org"), None, &format!("desk-{}", n % OFFICES)).await?);
    }
    Ok(owners)
}

fn deal(n: u32, owners: &[Uuid]) -> Vec<Value> {
    let at = Utc::now() - TimeDelta::seconds(i64::from(n));
    vec![
        Value::Id(Uuid::now_v7()),
        Value::Integer(1),
        Value::DateTime(at),
        Value::DateTime(at),
        Value::Id(owners[n as usize % owners.len()]),
        Value::Text(format!("Deal {n}")),
        Value::Text(["NEW", "OPEN", "WON", "LOST"][n as usize % 4].to_owned()),
        Value::Integer(i64::from(n % 1_000)),
    ]
}

/// Moves the role to and fro. Tells how long a change takes, and the first question after it; both see the new place.
async fn moves(server: &Server, records: u32) -> anyhow::Result<(Duration, Duration)> {
    let admin = server.admin().await;
    let here = server.sign_in(Viewer::Above.email(), PASSWORD).await;
    let there = server.sign_in("elsewhere@example.org", PASSWORD).await;
    let text = "mutation($parent: String!) { updateRole(name: \"division\", parent: $parent) { parent } }";
    let (mut changes, mut next) = (Vec::new(), Vec::new());
    for n in 0..MOVES {
        let (parent, sees, blind) = if n % 2 == 0 { ("elsewhere", &there, &here) } else { ("top", &here, &there) };
        let start = Instant::now();
        let _ = admin.admin_query_with(text, json!({"parent": parent})).await.ok();
        changes.push(start.elapsed());
        let start = Instant::now();
        let seen = count(sees).await?;
        next.push(start.elapsed());
        ensure!(seen == u64::from(records), "after the move {seen} records are seen of {records}");
        ensure!(count(blind).await? == 0, "who stands no longer above sees nothing");
    }
    Ok((median(changes), median(next)))
}

async fn count(caller: &Client) -> anyhow::Result<u64> {
    let answer = caller.query(COUNT).await;
    answer.ok()["deals"]["totalCount"].as_u64().context("a count")
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) / 2]
}

async fn lists(server: &Server, options: &Options) -> anyhow::Result<Vec<(Viewer, Run)>> {
    let postmaster = match server.postgres() {
        None => None,
        Some(database) => {
            let backend: i32 = database.connect().await.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
            processor_time::postmaster(u32::try_from(backend)?)
        }
    };
    let mut askings = Vec::new();
    for viewer in Viewer::ALL {
        let client = server.sign_in(viewer.email(), viewer.password()).await;
        let shown = client.query(LIST).await.ok()["deals"]["nodes"].as_array().map(Vec::len);
        ensure!(shown == Some(50), "{viewer:?} is shown {shown:?} records");
        let token = client.token().context("who signed in has a token")?.to_owned();
        let body = json!({"query": LIST}).to_string();
        let request = |host: &str| vec![http::request(host, "/graphql", Some(&token), &body)];
        askings.push((viewer, Asking::new(&server.address(), server.process_id(), postmaster, request)?, Vec::new()));
    }
    let effort = Effort { duration: Duration::from_secs(options.seconds), concurrency: 4 };
    for _ in 0..options.rounds {
        for (_, asking, runs) in &mut askings {
            runs.push(asking.run(effort).await?);
        }
    }
    Ok(askings.into_iter().map(|(viewer, _, runs)| (viewer, Run::median(&runs))).collect())
}
