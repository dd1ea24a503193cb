//! The read bench: each question is asked of Cardine, the yardstick and PostGraphile in turn, round by round, on both databases.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardine_store::DatabaseUrl;
use cardine_tests::Backend;
use cardine_tests::process::Process;
use serde_json::{Value as Json, json};

use crate::compare::ensure_same;
use crate::measure::{Asking, Effort, Run};
use crate::questions::{Question, VARIANTS, View};
use crate::report::{Line, Served};
use crate::site::Site;
use crate::{http, postgraphile};

/// Requests of each question whose answers are compared.
const COMPARED: usize = 12;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rounds, in each of which everybody is measured once; the figures are medians
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Requests that are under way at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    concurrency: u16,
    /// Ask only these
    #[arg(long, value_enum, value_delimiter = ',')]
    question: Vec<Question>,
    /// Leave out the manager with a record rule and a field mask
    #[arg(long)]
    without_role: bool,
    /// Leave out PostGraphile
    #[arg(long)]
    without_postgraphile: bool,
}

/// A database with all that is measured on it.
struct Bench<'s> {
    site: &'s Site,
    postmaster: Option<u32>,
    yardstick: Process,
    /// On SQLite: the same by the HTTP server that Cardine uses.
    by_poem: Option<Process>,
    postgraphile: Option<Process>,
}

/// Measures everything; gives a line for each question and who asked it.
pub async fn measure(sites: &[Site], options: &Options) -> anyhow::Result<Vec<Line>> {
    let mut benches = Vec::new();
    for site in sites {
        benches.push(Bench::start(site, options).await?);
    }
    let questions = if options.question.is_empty() { Question::ALL.to_vec() } else { options.question.clone() };
    let views = if options.without_role { &[View::All][..] } else { &[View::All, View::Team] };
    let mut lines = Vec::new();
    for view in views {
        for question in &questions {
            lines.extend(measure_one(&benches, *question, *view, options).await?);
        }
    }
    Ok(lines)
}

async fn measure_one(
    benches: &[Bench<'_>],
    question: Question,
    view: View,
    options: &Options,
) -> anyhow::Result<Option<Line>> {
    println!("\n{} {}", question.name(), if view == View::Team { "(as a manager)" } else { "" });
    let mut asked = Vec::new();
    for bench in benches {
        let Some(asking) = bench.asking(question, view).await? else { continue };
        bench.check(question, view, &asking).await.with_context(|| question.name())?;
        asked.extend(asking.into_iter().map(|(served, asking)| (bench.site.server.backend(), served, asking)));
    }
    if asked.is_empty() {
        return Ok(None);
    }
    let effort =
        Effort { duration: Duration::from_secs(options.seconds), concurrency: usize::from(options.concurrency) };
    for (.., asking) in &asked {
        asking.run(effort).await?;
    }
    let mut rounds: Vec<Vec<Run>> = vec![Vec::new(); asked.len()];
    for round in 0..usize::from(options.rounds) {
        // Nobody always comes after the same one.
        for turn in 0..asked.len() {
            let place = (turn + round) % asked.len();
            let run = asked[place].2.run(effort).await?;
            println!(
                "  round {}: {:?}, {}: {:.0} requests/s, {} µs",
                round + 1,
                asked[place].0,
                asked[place].1.name(),
                run.requests_per_second,
                run.processor().as_micros()
            );
            rounds[place].push(run);
        }
    }
    let runs = asked.iter().zip(&rounds).map(|((backend, served, _), rounds)| (*backend, *served, Run::median(rounds)));
    Ok(Some(Line { question, view, runs: runs.collect() }))
}

impl<'s> Bench<'s> {
    async fn start(site: &'s Site, options: &Options) -> anyhow::Result<Self> {
        let logs = site.server.data_directory();
        let yardstick = start_yardstick(site, false)?;
        let is_sqlite = site.server.backend() == Backend::Sqlite;
        let by_poem = is_sqlite.then(|| start_yardstick(site, true)).transpose()?;
        let mut postgraphile = None;
        if let Some(database) = site.server.postgres()
            && !options.without_postgraphile
        {
            match postgraphile::start(&database.connect().await, database.url(), &logs).await {
                Ok(process) => postgraphile = Some(process),
                Err(error) => eprintln!(
                    "\n*** POSTGRAPHILE IS NOT MEASURED: {error:#}\n*** It needs Node 20 or newer, and npm with a registry once.\n"
                ),
            }
        }
        Ok(Self { site, postmaster: site.postmaster().await?, yardstick, by_poem, postgraphile })
    }

    /// Everybody who answers this question; nobody if the server does not know it yet.
    async fn asking(&self, question: Question, view: View) -> anyhow::Result<Option<Vec<(Served, Asking)>>> {
        let Self { site, postmaster, yardstick, by_poem, postgraphile } = self;
        let token = site.token(view).await?;
        let variables: Vec<Json> = (0..VARIANTS).map(|n| question.variables(&site.company, view, n)).collect();
        if question == Question::Groups && !site.knows("Query", question.root()).await {
            return Ok(None);
        }
        let body = |text: &str, variables: &Json| json!({"query": text, "variables": variables}).to_string();
        let requests = |text: &'static str, token: Option<String>| {
            let variables = &variables;
            move |host: &str| {
                let requests = variables
                    .iter()
                    .map(|variables| http::request(host, "/graphql", token.as_deref(), &body(text, variables)));
                requests.collect::<Vec<_>>()
            }
        };
        let address = site.server.address();
        let cardine =
            Asking::new(&address, site.server.process_id(), *postmaster, requests(question.text(), Some(token)))?;
        let path = format!("/{}/{}", question.slug(), view.slug());
        let plain = |host: &str| -> Vec<Vec<u8>> {
            variables.iter().map(|variables| http::request(host, &path, None, &variables.to_string())).collect()
        };
        let mut asked = vec![
            (Served::Cardine, cardine),
            (Served::Yardstick, Asking::new(yardstick.address(), yardstick.id(), *postmaster, plain)?),
        ];
        if let Some(process) = by_poem {
            asked.push((Served::ByPoem, Asking::new(process.address(), process.id(), None, plain)?));
        }
        // It has no notion of our rules; with policies of PostgreSQL it would be another comparison.
        if let (Some(process), View::All) = (postgraphile, view) {
            let requests = requests(postgraphile::text(question), None);
            asked.push((Served::PostGraphile, Asking::new(process.address(), process.id(), *postmaster, requests)?));
        }
        Ok(Some(asked))
    }

    /// That everybody gives the same answers, and that there is something in them.
    async fn check(&self, question: Question, view: View, asked: &[(Served, Asking)]) -> anyhow::Result<()> {
        let sample = || (0..COMPARED).map(|n| n * VARIANTS as usize / COMPARED);
        let mut ours: Vec<Json> = Vec::new();
        for (served, asking) in asked {
            let mut answers = asking.answers(sample()).await.with_context(|| served.name())?;
            for answer in &mut answers {
                *answer = canonical(question, *served, answer.take());
                let records = records(answer);
                let complete = view == View::Team || records == question.records();
                ensure!(complete && records > 0, "{records} records, not {}: {answer}", question.records());
            }
            for (n, (ours, theirs)) in ours.iter().zip(&answers).enumerate() {
                ensure_same(ours, theirs).with_context(|| format!("{} differs in sample {n}", served.name()))?;
            }
            if ours.is_empty() {
                ours = answers;
            }
        }
        Ok(())
    }
}

/// The answer in one form, whoever gave it: groups have no order.
fn canonical(question: Question, served: Served, data: Json) -> Json {
    let mut data = if served == Served::PostGraphile { postgraphile::answer(question, data) } else { data };
    if let Some(groups) = data["opportunityGroups"].as_array_mut() {
        groups.sort_by_key(|group| group["key"]["stage"].as_str().map(str::to_owned));
    }
    data
}

/// How many objects with an id there are, at every level; or groups.
fn records(json: &Json) -> usize {
    match json {
        Json::Object(fields) => {
            let counts = fields.contains_key("id") || fields.contains_key("key");
            usize::from(counts) + fields.values().map(records).sum::<usize>()
        }
        Json::Array(elements) => elements.iter().map(records).sum(),
        _ => 0,
    }
}

/// This program as a server of hand-written statements.
fn start_yardstick(site: &Site, by_poem: bool) -> anyhow::Result<Process> {
    let owners: Vec<String> = site.team.iter().map(ToString::to_string).collect();
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("yardstick");
    match site.past_the_server() {
        DatabaseUrl::Sqlite(path) => command.arg("--sqlite").arg(path),
        DatabaseUrl::Postgres(url) => command.args(["--postgres", &url]),
    };
    command.args(["--owners", &owners.join(",")]);
    if by_poem {
        command.arg("--poem");
    }
    let log = site.server.data_directory().join(if by_poem { "yardstick-poem.log" } else { "yardstick.log" });
    Process::start(&mut command, &log).map_err(|error| {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        anyhow::anyhow!("the yardstick did not start: {error}\n{log}")
    })
}
