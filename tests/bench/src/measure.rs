//! Asks one server one question as often as it goes for some seconds, and notes what it cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::Value as Json;
use tokio::task::JoinSet;

use crate::{http, processor_time};

/// How long and how much at once.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Of one measurement.
    pub duration: Duration,
    /// Requests at the same time.
    pub concurrency: usize,
}

/// One server's requests, made before the clock runs.
pub struct Asking {
    host: Arc<str>,
    requests: Arc<Vec<Vec<u8>>>,
    process: u32,
    postmaster: Option<u32>,
}

/// What a measurement gave, or several together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Run {
    /// How many were answered in a second.
    pub requests_per_second: f64,
    /// Processor time of a request in the server.
    pub server: Duration,
    /// Processor time of a request in PostgreSQL; `None` where the database is part of the server, or on another machine.
    pub database: Option<Duration>,
}

impl Run {
    /// Processor time of a request, wherever it was spent.
    pub fn processor(&self) -> Duration {
        self.server + self.database.unwrap_or_default()
    }

    /// Of each number the median over the rounds.
    pub fn median(rounds: &[Self]) -> Self {
        Self {
            requests_per_second: middle(rounds.iter().map(|run| run.requests_per_second), f64::total_cmp),
            server: middle(rounds.iter().map(|run| run.server), Ord::cmp),
            database: middle(rounds.iter().map(|run| run.database), Ord::cmp),
        }
    }
}

fn middle<T: Copy>(values: impl Iterator<Item = T>, compare: impl Fn(&T, &T) -> std::cmp::Ordering) -> T {
    let mut values: Vec<T> = values.collect();
    values.sort_by(compare);
    values[(values.len() - 1) / 2]
}

impl Asking {
    /// The requests to the server at `address`, which is this process; `postmaster` is the head of its PostgreSQL.
    pub fn new(
        address: &str,
        process: u32,
        postmaster: Option<u32>,
        request: impl Fn(&str) -> Vec<Vec<u8>>,
    ) -> anyhow::Result<Self> {
        let host = address.strip_prefix("http://").context("the server listens without TLS")?;
        Ok(Self { host: host.into(), requests: Arc::new(request(host)), process, postmaster })
    }

    /// The data of the answers to these requests.
    pub async fn answers(&self, variants: impl Iterator<Item = usize>) -> anyhow::Result<Vec<Json>> {
        let mut connection = http::Connection::open(&self.host).await?;
        let mut answers = Vec::new();
        for variant in variants {
            let mut answer: Json = serde_json::from_slice(connection.ask(&self.requests[variant]).await?)?;
            ensure!(answer.get("errors").is_none(), "{answer}");
            answers.push(answer["data"].take());
        }
        Ok(answers)
    }

    /// Asks for so long.
    pub async fn run(&self, effort: Effort) -> anyhow::Result<Run> {
        let database = || self.postmaster.map(processor_time::of_family).transpose();
        let (server_before, database_before) = (processor_time::of_process(self.process)?, database()?);
        let start = Instant::now();
        let asked = self.ask(effort).await?;
        let elapsed = start.elapsed();
        let (server, database) = (processor_time::of_process(self.process)?, database()?);
        let of_each = |used: Duration| used.div_f64(asked.max(1) as f64);
        Ok(Run {
            requests_per_second: asked as f64 / elapsed.as_secs_f64(),
            server: of_each(server - server_before),
            database: database.zip(database_before).map(|(after, before)| of_each(after.saturating_sub(before))),
        })
    }

    /// Tells how many requests were answered.
    async fn ask(&self, effort: Effort) -> anyhow::Result<u64> {
        let deadline = Instant::now() + effort.duration;
        let mut tasks = JoinSet::new();
        for asker in 0..effort.concurrency {
            let (host, requests) = (Arc::clone(&self.host), Arc::clone(&self.requests));
            // So that they do not ask the same in step.
            let first = asker * requests.len() / effort.concurrency;
            tasks.spawn(async move {
                let mut connection = http::Connection::open(&host).await?;
                let mut asked = 0;
                while Instant::now() < deadline {
                    let body = connection.ask(&requests[(first + asked) % requests.len()]).await?;
                    ensure!(body.starts_with(br#"{"data":{""#), "{}", String::from_utf8_lossy(body));
                    asked += 1;
                }
                anyhow::Ok(asked as u64)
            });
        }
        let mut asked = 0;
        while let Some(ended) = tasks.join_next().await {
            asked += ended??;
        }
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_give_the_median_of_each_number() {
        let run = |requests_per_second, server, database| Run {
            requests_per_second,
            server: Duration::from_micros(server),
            database: Some(Duration::from_micros(database)),
        };
        let rounds = [run(100.0, 30, 7), run(300.0, 10, 9), run(200.0, 20, 8)];
        assert_eq!(Run::median(&rounds), run(200.0, 20, 8));
        assert_eq!(Run::median(&rounds[..2]), run(100.0, 10, 7), "of two the lower");
        assert_eq!(run(1.0, 30, 7).processor(), Duration::from_micros(37));
    }
}
