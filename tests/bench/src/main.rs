//! Measures the API over HTTP beside hand-written statements and PostGraphile, on SQLite and on PostgreSQL, with a large company loaded.

mod access;
mod catalog;
mod changes;
mod company;
mod compare;
mod hostile;
mod http;
mod large;
mod measure;
mod postgraphile;
mod processor_time;
mod questions;
mod reads;
mod report;
mod site;
mod workflows;
mod writes;
mod yardstick;

use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use cardine_tests::Backend;
use cardine_tests::binary::BINARY_VARIABLE;
use clap::{Parser, Subcommand};

use site::Site;

/// Loads a large company and measures how fast questions about it are answered, beside hand-written statements and PostGraphile.
#[derive(Debug, Parser)]
#[command(name = "cardine-bench", args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    task: Option<Task>,
    #[command(flatten)]
    reads: Reads,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Questions (what is done without a command)
    Reads(Reads),
    /// Creating records
    Writes(Writes),
    /// A catalog of many modules: memory, a change, introspection, a start
    Catalog(Catalog),
    /// Changes of modules while requests come at a steady rate
    Changes(Changes),
    /// A module with very many records, and one with very many fields: adding a field, and lists afterwards
    Large(Large),
    /// What deciding who sees which record costs: a role with many users that moves in the tree, and lists under it
    Access(Access),
    /// Runs of workflows in a second, and what a workflow adds to a write
    Workflows(Workflows),
    /// What eight plugins that break every bound at once take of the requests of people
    Hostile(Hostile),
    /// A bare server of hand-written statements, as the bench starts it for itself
    #[command(hide = true)]
    Yardstick(yardstick::Options),
}

#[derive(Debug, clap::Args)]
struct Reads {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    reads: reads::Options,
}

#[derive(Debug, clap::Args)]
struct Writes {
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    writes: writes::Options,
}

#[derive(Debug, clap::Args)]
struct Catalog {
    #[command(flatten)]
    catalog: catalog::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, clap::Args)]
struct Changes {
    #[command(flatten)]
    changes: changes::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, clap::Args)]
struct Large {
    #[command(flatten)]
    large: large::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, clap::Args)]
struct Access {
    #[command(flatten)]
    access: access::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, clap::Args)]
struct Workflows {
    #[command(flatten)]
    workflows: workflows::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, clap::Args)]
struct Hostile {
    #[command(flatten)]
    hostile: hostile::Options,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

/// On what is measured.
#[derive(Debug, clap::Args)]
struct Data {
    /// Organizations; there are 5 times as many contacts, 10 times as many opportunities and 20 times as many tasks
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    organizations: u32,
    /// Measure on one of the databases only
    #[arg(long, value_enum)]
    database: Option<Database>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Database {
    Sqlite,
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = CommandLine::parse();
    let task = options.task.unwrap_or(Task::Reads(options.reads));
    if let Task::Yardstick(options) = task {
        return yardstick::serve(options).await;
    }
    tokio::select! {
        done = run(task) => done,
        // What was started ends with the values that hold it, so this must not end the process by itself.
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
    }
}

async fn run(task: Task) -> anyhow::Result<()> {
    build_server()?;
    match task {
        Task::Reads(Reads { data, reads }) => {
            let lines = reads::measure(&sites(&data).await?, &reads).await?;
            println!("\n{}\n{}", report::figures(&lines), report::ratios(&lines));
        }
        Task::Writes(Writes { data, writes }) => {
            let written = writes::measure(&sites(&data).await?, &writes).await?;
            println!("\n{}", report::writes(&written));
        }
        Task::Catalog(Catalog { catalog, database }) => {
            let mut weighed = Vec::new();
            for backend in backends(database) {
                weighed.push(catalog::measure(backend, &catalog).await?);
            }
            println!("\n{}", report::catalogs(&weighed));
        }
        Task::Changes(Changes { changes, database }) => {
            let mut withstood = Vec::new();
            for backend in backends(database) {
                withstood.extend(changes::measure(backend, &changes).await?);
            }
            println!("\n{}", report::changes(&withstood));
        }
        Task::Large(Large { large, database }) => {
            let mut stretched = Vec::new();
            for backend in backends(database) {
                stretched.push(large::measure(backend, &large).await?);
            }
            println!("\n{}", report::large(&stretched));
        }
        Task::Access(Access { access, database }) => {
            let mut decided = Vec::new();
            for backend in backends(database) {
                decided.push(access::measure(backend, &access).await?);
            }
            println!("\n{}", report::access(&decided));
        }
        Task::Workflows(Workflows { workflows, database }) => {
            let mut worked = Vec::new();
            for backend in backends(database) {
                worked.push(workflows::measure(backend, &workflows).await?);
            }
            println!("\n{}", report::workflows(&worked));
        }
        Task::Hostile(Hostile { hostile, database }) => {
            let mut endured = Vec::new();
            for backend in backends(database) {
                endured.push(hostile::measure(backend, &hostile).await?);
            }
            println!("\n{}", report::hostile(&endured));
        }
        Task::Yardstick(_) => unreachable!("it measures nothing"),
    }
    Ok(())
}

async fn sites(data: &Data) -> anyhow::Result<Vec<Site>> {
    let mut sites = Vec::new();
    for backend in backends(data.database) {
        sites.push(Site::start(backend, data.organizations).await?);
    }
    Ok(sites)
}

fn backends(only: Option<Database>) -> Vec<Backend> {
    let both = [(Database::Sqlite, Backend::Sqlite), (Database::Postgres, Backend::Postgres)];
    let asked = both.into_iter().filter(|(database, _)| only.is_none_or(|only| only == *database));
    asked.map(|(_, backend)| backend).filter(|backend| backend.is_available()).collect()
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
        let reads = |arguments: &[&str]| matches!(CommandLine::parse_from(arguments).task, None | Some(Task::Reads(_)));
        assert!(reads(&["cardine-bench", "--rounds", "5", "--database", "sqlite"]));
        assert!(reads(&["cardine-bench", "reads", "--question", "by-id,list"]));
        assert!(CommandLine::try_parse_from(["cardine-bench", "--rounds", "0"]).is_err());
        assert!(CommandLine::try_parse_from(["cardine-bench", "writes", "--question", "list"]).is_err());
    }
}
