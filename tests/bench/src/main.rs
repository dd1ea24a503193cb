//! Measures the API over HTTP beside its own statements run raw, on SQLite and on PostgreSQL, with a large company loaded.

mod company;
mod http;
mod load;
mod measure;
mod processor_time;
mod questions;
mod raw;
mod report;
mod statements;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_tests::binary::BINARY_VARIABLE;
use cardine_tests::{Backend, Launch, Server};
use clap::Parser;

use company::Company;
use measure::Effort;
use statements::Compiled;

/// Loads organizations, contacts and opportunities, and measures the API beside its own statements run raw.
#[derive(Debug, Parser)]
#[command(name = "cardine-bench")]
struct Options {
    /// Organizations; there are 5 times as many contacts and 10 times as many opportunities
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    organizations: u32,
    /// Seconds of each measurement, after a warm-up of a quarter of it
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests that are under way at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
    /// Print each statement and the database's plan for it
    #[arg(long)]
    explain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    build_server()?;
    let company = Company::new(options.organizations);
    let mut results = Vec::new();
    for (database, backend) in [(Database::Sqlite, Backend::Sqlite), (Database::Postgres, Backend::Postgres)] {
        if options.database.is_none_or(|only| only == database) && backend.is_available() {
            results.extend(run(&options, backend, &company).await?);
        }
    }
    println!("\n{}", report::table(&results));
    Ok(())
}

async fn run(options: &Options, backend: Backend, company: &Company) -> anyhow::Result<Vec<measure::Comparison>> {
    // A first start makes the tables and the administrator.
    let mut server = Launch::new(backend).start().await;
    ensure!(server.stop().success(), "the server did not end well:\n{}", server.log());
    let url = load::database_url(&server)?;
    let loading = Instant::now();
    let compiled = load::load(&url, company).await?;
    println!(
        "{backend:?}: loaded {} organizations, {} contacts and {} opportunities in {:.1} s",
        company.organizations,
        company.contacts(),
        company.opportunities(),
        loading.elapsed().as_secs_f64()
    );
    if options.explain {
        load::explain(&url, &compiled).await?;
    }
    let effort =
        Effort { duration: Duration::from_secs(options.seconds), concurrency: usize::from(options.concurrency) };
    let starting = Instant::now();
    server.restart().await;
    println!("{backend:?}: started on them in {:.2} s", starting.elapsed().as_secs_f64());
    measure_all(&server, &compiled, effort).await
}

async fn measure_all(
    server: &Server,
    compiled: &[Arc<Compiled>],
    effort: Effort,
) -> anyhow::Result<Vec<measure::Comparison>> {
    let mut results = Vec::new();
    for question in compiled {
        println!("{:?}: {}", server.backend(), question.name);
        results.push(measure::compare(server, question, effort).await.with_context(|| question.name.to_owned())?);
    }
    Ok(results)
}

/// The server of this checkout, in this program's own profile; unless another one is named.
fn build_server() -> anyhow::Result<()> {
    if std::env::var_os(BINARY_VARIABLE).is_some() {
        return Ok(());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "cardine"]).current_dir(cardine_tests::repository::root());
    if cfg!(debug_assertions) {
        println!("Built without optimization: the figures say little. Use `cargo run --release`.");
    } else {
        command.arg("--release");
    }
    let status = command.status().context("cargo could not be run")?;
    ensure!(status.success(), "the server could not be built");
    Ok(())
}
