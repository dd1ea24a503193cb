//! The write bench: many records in batches beside raw inserts into the same table, and single ones by 1, 16 and 64 clients.

mod raw;

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_store::DatabaseUrl;
use cardine_tests::Backend;
use serde_json::{Value as Json, json};

use crate::company::{Company, OPPORTUNITY};
use crate::measure::{Asking, Effort, Run};
use crate::questions::View;
use crate::site::{Site, load};
use crate::{company, http};

/// Records in all, and of each batch: the most that a mutation takes.
const RECORDS: u32 = 10_000;
const BATCH: u32 = 500;

/// How many create single records at the same time.
const CLIENTS: [usize; 3] = [1, 16, 64];

/// Bodies of single creates, which are sent in turn.
const SINGLES: u32 = 400;

const CREATE_MANY: &str = "mutation($data: [OpportunityCreate!]!) { createOpportunities(data: $data) { id } }";
const CREATE_ONE: &str = "mutation($data: OpportunityCreate!) { createOpportunity(data: $data) { id } }";

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rounds, in each of which everything is measured once; the figures are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds of each measurement of single records
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// What one database gave.
#[derive(Debug)]
pub struct Written {
    /// The database.
    pub backend: Backend,
    /// Records per second in batches through the API; none where the server does not know the mutation.
    pub batches: Option<f64>,
    /// The same records by raw inserts.
    pub raw: f64,
    /// Single creates, by clients.
    pub singles: Vec<(usize, Run)>,
}

/// Measures all of it.
pub async fn measure(sites: &[Site], options: &Options) -> anyhow::Result<Vec<Written>> {
    let mut written = Vec::new();
    for site in sites {
        written.push(measure_one(site, options).await?);
    }
    Ok(written)
}

async fn measure_one(site: &Site, options: &Options) -> anyhow::Result<Written> {
    let backend = site.server.backend();
    println!("\n{backend:?}: writing");
    let knows_batches = site.knows("Mutation", "createOpportunities").await;
    let duration = Duration::from_secs(options.seconds);
    let (mut batches, mut raw, mut singles) = (Vec::new(), Vec::new(), vec![Vec::new(); CLIENTS.len()]);
    for round in 0..u32::from(options.rounds) {
        if knows_batches {
            batches.push(in_batches(site).await?);
        }
        raw.push(insert_raw(site, round).await?);
        for (clients, runs) in CLIENTS.into_iter().zip(&mut singles) {
            runs.push(one_by_one(site).await?.run(Effort { duration, concurrency: clients }).await?);
        }
        let last: Vec<String> =
            singles.iter().flat_map(|runs| runs.last()).map(|run| format!("{:.0}", run.requests_per_second)).collect();
        println!(
            "  round {}: in batches {:.0} records/s, raw {:.0}; single creates/s by {CLIENTS:?} clients: {}",
            round + 1,
            batches.last().copied().unwrap_or(f64::NAN),
            raw[round as usize],
            last.join(", ")
        );
    }
    let singles = CLIENTS.into_iter().zip(&singles).map(|(clients, runs)| (clients, Run::median(runs)));
    Ok(Written { backend, batches: median(batches), raw: median(raw).context("a round")?, singles: singles.collect() })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

/// Creates the records by one client, batch after batch; gives records per second.
async fn in_batches(site: &Site) -> anyhow::Result<f64> {
    let token = site.token(View::All).await?;
    let address = site.server.address();
    let host = address.strip_prefix("http://").context("the server listens without TLS")?;
    let requests = (0..RECORDS).step_by(BATCH as usize).map(|start| {
        let data: Vec<Json> = (start..start + BATCH).map(|n| input(&site.company, n)).collect();
        let body = json!({"query": CREATE_MANY, "variables": {"data": data}}).to_string();
        http::request(host, "/graphql", Some(&token), &body)
    });
    let requests: Vec<Vec<u8>> = requests.collect();
    let mut connection = http::Connection::open(host).await?;
    let start = Instant::now();
    for request in &requests {
        let answer: Json = serde_json::from_slice(connection.ask(request).await?)?;
        let created = answer["data"]["createOpportunities"].as_array().map(Vec::len);
        ensure!(created == Some(BATCH as usize), "{answer}");
    }
    Ok(f64::from(RECORDS) / start.elapsed().as_secs_f64())
}

/// Inserts as many by hand.
async fn insert_raw(site: &Site, round: u32) -> anyhow::Result<f64> {
    // Behind those that were loaded, so that ids and numbers are new.
    let first = site.company.opportunities() + round * RECORDS;
    let records = |start: u32| -> Vec<_> {
        (start..start + BATCH).map(|n| load::row(OPPORTUNITY, site.company.opportunity(n))).collect()
    };
    let batches: Vec<_> = (first..first + RECORDS).step_by(BATCH as usize).map(records).collect();
    let columns = site.opportunity_columns.clone();
    let elapsed = match site.past_the_server() {
        DatabaseUrl::Postgres(url) => raw::into_postgres(&url, &columns, &batches).await?,
        DatabaseUrl::Sqlite(path) => {
            tokio::task::spawn_blocking(move || raw::into_sqlite(&path, &columns, &batches)).await??
        }
    };
    Ok(f64::from(RECORDS) / elapsed.as_secs_f64())
}

async fn one_by_one(site: &Site) -> anyhow::Result<Asking> {
    let token = site.token(View::All).await?;
    let postmaster = site.postmaster().await?;
    Asking::new(&site.server.address(), site.server.process_id(), postmaster, |host| {
        let request = |n| {
            let variables = json!({"data": input(&site.company, n)});
            let body = json!({"query": CREATE_ONE, "variables": variables}).to_string();
            http::request(host, "/graphql", Some(&token), &body)
        };
        (0..SINGLES).map(request).collect()
    })
}

/// An opportunity as a client gives it.
fn input(company: &Company, n: u32) -> Json {
    json!({
        "name": format!("Written {n}"),
        "organizationId": company.organization_id(n % company.organizations).to_string(),
        "amount": format!("{n}.50"),
        "closeDate": company::day(i64::from(n % 700)).to_string(),
        "stage": company::STAGES[n as usize % company::STAGES.len()],
        "probability": "45.00",
        "type": "NEW_BUSINESS",
        "leadSource": "WEB_SITE",
        "productLine": "SOFTWARE",
        "nextStep": "Call back with the offer",
        "description": "They asked for it.",
        "region": company::REGIONS[n as usize % company::REGIONS.len()],
        "discount": "5.00",
    })
}
