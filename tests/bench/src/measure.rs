//! Asks one question over HTTP and then raw, as often as it goes for some seconds, and notes what it cost.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_store::DatabaseUrl;
use cardine_tests::{Backend, Server};
use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::statements::Compiled;
use crate::{http, load, processor_time, raw};

/// How long and how much at once.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Of one measurement.
    pub duration: Duration,
    /// Requests at the same time.
    pub concurrency: usize,
}

/// What a run of one kind gave.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// How many were answered in a second.
    pub requests_per_second: f64,
    /// Processor time of a request outside the database: of the server, or of this program where it runs the statements itself.
    pub processor: Duration,
    /// Processor time of a request in PostgreSQL; `None` where the database is part of the program, or on another machine.
    pub database: Option<Duration>,
}

impl Run {
    /// Processor time of a request, wherever it was spent.
    pub fn whole(&self) -> Duration {
        self.processor + self.database.unwrap_or_default()
    }
}

/// One question on one database.
#[derive(Debug)]
pub struct Comparison {
    /// The database.
    pub backend: Backend,
    /// The question.
    pub question: &'static str,
    /// Over HTTP.
    pub api: Run,
    /// The same statements.
    pub raw: Run,
}

/// Measures one question.
pub async fn compare(server: &Server, compiled: &Arc<Compiled>, effort: Effort) -> anyhow::Result<Comparison> {
    let asking = Asking::new(server, compiled).await?;
    asking.check().await?;
    let warm_up = Effort { duration: effort.duration / 4, ..effort };
    asking.over_http(warm_up).await?;
    let api = asking.measured(Some(server.process_id()), asking.over_http(effort)).await?;
    asking.raw(warm_up).await?;
    let raw = asking.measured(None, asking.raw(effort)).await?;
    Ok(Comparison { backend: server.backend(), question: compiled.name, api, raw })
}

/// All that is needed to ask one question, made before the clock runs.
struct Asking {
    compiled: Arc<Compiled>,
    host: Arc<str>,
    requests: Arc<Vec<Vec<u8>>>,
    url: DatabaseUrl,
    postmaster: Option<u32>,
}

impl Asking {
    async fn new(server: &Server, compiled: &Arc<Compiled>) -> anyhow::Result<Self> {
        let admin = server.admin().await;
        let token = admin.token().context("the administrator has a token")?;
        let address = server.address();
        let host = address.strip_prefix("http://").context("the server listens without TLS")?;
        let requests = compiled.bodies.iter().map(|body| http::request(host, token, body)).collect();
        Ok(Self {
            compiled: Arc::clone(compiled),
            host: host.into(),
            requests: Arc::new(requests),
            url: load::database_url(server)?,
            postmaster: postmaster(server).await?,
        })
    }

    /// That every request gets what it should, once.
    async fn check(&self) -> anyhow::Result<()> {
        let mut connection = http::Connection::open(&self.host).await?;
        for request in self.requests.iter() {
            let answer: Json = serde_json::from_slice(connection.ask(request).await?)?;
            let records = records(&answer["data"]);
            ensure!(records == self.compiled.records, "{records} records, not {}: {answer}", self.compiled.records);
        }
        Ok(())
    }

    async fn measured(
        &self,
        server: Option<u32>,
        asking: impl Future<Output = anyhow::Result<u64>>,
    ) -> anyhow::Result<Run> {
        let process = server.unwrap_or_else(std::process::id);
        let database = || self.postmaster.map(processor_time::of_family).transpose();
        let (processor_before, database_before) = (processor_time::of_process(process)?, database()?);
        let start = Instant::now();
        let asked = asking.await?;
        let elapsed = start.elapsed();
        let (processor, database) = (processor_time::of_process(process)?, database()?);
        let of_each = |used: Duration| used.div_f64(asked.max(1) as f64);
        Ok(Run {
            requests_per_second: asked as f64 / elapsed.as_secs_f64(),
            processor: of_each(processor - processor_before),
            database: database.zip(database_before).map(|(after, before)| of_each(after.saturating_sub(before))),
        })
    }

    /// Tells how many requests were answered.
    async fn over_http(&self, effort: Effort) -> anyhow::Result<u64> {
        let deadline = Instant::now() + effort.duration;
        let mut tasks = JoinSet::new();
        for first in self.firsts(effort) {
            let (host, requests) = (Arc::clone(&self.host), Arc::clone(&self.requests));
            tasks.spawn(async move {
                let mut connection = http::Connection::open(&host).await?;
                let mut asked = 0;
                while Instant::now() < deadline {
                    let body = connection.ask(&requests[(first + asked) % requests.len()]).await?;
                    ensure!(body.starts_with(br#"{"data":{"#), "{}", String::from_utf8_lossy(body));
                    asked += 1;
                }
                Ok(asked as u64)
            });
        }
        total(tasks).await
    }

    async fn raw(&self, effort: Effort) -> anyhow::Result<u64> {
        let deadline = Instant::now() + effort.duration;
        let mut tasks = JoinSet::new();
        for first in self.firsts(effort) {
            let compiled = Arc::clone(&self.compiled);
            match &self.url {
                DatabaseUrl::Sqlite(path) => {
                    let path: PathBuf = path.clone();
                    tasks.spawn_blocking(move || raw::sqlite::ask_until(&path, &compiled, first, deadline));
                }
                DatabaseUrl::Postgres(url) => {
                    let url = url.clone();
                    tasks.spawn(async move { raw::postgres::ask_until(&url, &compiled, first, deadline).await });
                }
            }
        }
        total(tasks).await
    }

    /// Where each of the askers begins, so that they do not ask the same in step.
    fn firsts(&self, effort: Effort) -> impl Iterator<Item = usize> {
        let variants = self.requests.len();
        (0..effort.concurrency).map(move |asker| asker * variants / effort.concurrency)
    }
}

async fn total(mut tasks: JoinSet<anyhow::Result<u64>>) -> anyhow::Result<u64> {
    let mut asked = 0;
    while let Some(ended) = tasks.join_next().await {
        asked += ended??;
    }
    Ok(asked)
}

async fn postmaster(server: &Server) -> anyhow::Result<Option<u32>> {
    let Some(database) = server.postgres() else { return Ok(None) };
    let client = database.connect().await;
    let backend: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
    Ok(processor_time::postmaster(u32::try_from(backend)?))
}

/// How many objects with an id there are, at every level.
fn records(json: &Json) -> usize {
    match json {
        Json::Object(fields) => usize::from(fields.contains_key("id")) + fields.values().map(records).sum::<usize>(),
        Json::Array(elements) => elements.iter().map(records).sum(),
        _ => 0,
    }
}
