//! The bench of changes: requests at a steady rate while modules change, on one process and, on PostgreSQL, on several of one database.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use cardine_tests::shifting::{Changes, User};
use cardine_tests::{Backend, Client, Launch, Server, eventually};
use serde_json::json;
use tokio::task::JoinHandle;

/// Users at the same time; of a steady rate no more wait than these.
const USERS: usize = 64;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Changes that are made
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    changes: u32,
    /// Requests a second, of all processes together
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Server processes on one PostgreSQL database, beside the measurement of one alone
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    processes: u32,
    /// Seconds of requests alone, which is what those during changes are compared with
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Milliseconds of rest after each change; without any, the next one begins when the last is answered
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=60_000))]
    rest: u64,
    /// Choices of the changes: the same number gives the same ones
    #[arg(long, default_value_t = 20_261_122, value_parser = clap::value_parser!(u64).range(1..))]
    seed: u64,
}

/// What one database gave.
#[derive(Debug)]
pub struct Withstood {
    /// The database.
    pub backend: Backend,
    /// Server processes on it.
    pub processes: usize,
    /// Requests a second that were due.
    pub rate: u32,
    /// Of requests alone.
    pub quiet: Waited,
    /// Of requests while modules changed.
    pub changing: Waited,
    /// Changes, and how long all of them took.
    pub changes: (u32, Duration),
    /// How long nothing was changed after each.
    pub rest: Duration,
}

/// What requests waited, from the moment when each was due.
#[derive(Debug)]
pub struct Waited {
    /// How many requests, all of them answered rightly.
    pub requests: usize,
    /// In what time.
    pub within: Duration,
    /// The median.
    pub middle: Duration,
    /// 99 of 100 waited no longer.
    pub most: Duration,
    /// None waited longer.
    pub longest: Duration,
}

/// Requests of one phase: what each waited, and how long all of them took.
type Phase = (Vec<Duration>, Duration);

/// Measures it on one database: by one process, and by several where there can be.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Vec<Withstood>> {
    let mut all = vec![measure_on(backend, 1, options).await?];
    if backend == Backend::Postgres && options.processes > 1 {
        all.push(measure_on(backend, options.processes, options).await?);
    }
    Ok(all)
}

async fn measure_on(backend: Backend, processes: u32, options: &Options) -> anyhow::Result<Withstood> {
    let server = Launch::new(backend).start().await;
    let mut others: Vec<Server> = Vec::new();
    for _ in 1..processes {
        others.push(server.another().await);
    }
    let mut clients = vec![server.admin().await];
    for other in &others {
        clients.push(other.admin().await);
    }
    let admin = &clients[0];
    admin.create("Organization", json!({"name": "Steady"})).await;
    let _ = admin.create_module(Changes::module()).await.ok();
    for client in &clients {
        let known = || async { client.query("{ shiftings { totalCount } }").await.errors().is_empty().then_some(()) };
        eventually("the module is known", known).await;
    }
    let mut users: Vec<User> = (0..USERS).map(|number| User::new(clients[number % clients.len()].clone())).collect();
    // The first requests fill what is kept.
    let _ = phase(&mut users, options.rate, tokio::time::sleep(Duration::from_secs(2))).await?;
    let quiet = phase(&mut users, options.rate, tokio::time::sleep(Duration::from_secs(options.seconds))).await?;
    let changing = phase(&mut users, options.rate, change(&clients, options)).await?;
    let took = changing.1;
    let waited = |phase: Phase| Waited::of(phase).context("nothing was answered");
    Ok(Withstood {
        backend,
        processes: clients.len(),
        rate: options.rate,
        quiet: waited(quiet)?,
        changing: waited(changing)?,
        changes: (options.changes, took),
        rest: Duration::from_millis(options.rest),
    })
}

/// One change after the other, by each process in turn, with a rest after each where one is asked for.
async fn change(clients: &[Client], options: &Options) {
    let mut changes = Changes::new(options.seed);
    for number in 0..options.changes as usize {
        changes.make_next(&clients[number % clients.len()]).await;
        tokio::time::sleep(Duration::from_millis(options.rest)).await;
    }
}

/// Requests at a steady rate as long as something else goes on: what each waited from when it was due. The first wrong answer ends all.
async fn phase(users: &mut Vec<User>, rate: u32, meanwhile: impl Future<Output = ()>) -> anyhow::Result<Phase> {
    let stop = Arc::new(AtomicBool::new(false));
    let due = Arc::new(AtomicU32::new(0));
    let begin = Instant::now();
    let working: Vec<JoinHandle<(User, Vec<Duration>)>> = users
        .drain(..)
        .map(|mut user| {
            let (stop, due) = (Arc::clone(&stop), Arc::clone(&due));
            tokio::spawn(async move {
                let mut waited = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let at = begin + Duration::from_secs(1) * due.fetch_add(1, Ordering::Relaxed) / rate;
                    tokio::time::sleep_until(at.into()).await;
                    user.request().await;
                    waited.push(at.elapsed());
                }
                (user, waited)
            })
        })
        .collect();
    meanwhile.await;
    let within = begin.elapsed();
    stop.store(true, Ordering::Relaxed);
    let mut all = Vec::new();
    for work in working {
        let (user, waited) = work.await.context("a request failed")?;
        users.push(user);
        all.extend(waited);
    }
    ensure!(!all.is_empty(), "nothing was answered");
    Ok((all, within))
}

impl Waited {
    fn of((mut times, within): Phase) -> Option<Self> {
        times.sort_unstable();
        let at =
            |hundredth: usize| times.get((times.len() * hundredth / 100).min(times.len().saturating_sub(1))).copied();
        Some(Self { requests: times.len(), within, middle: at(50)?, most: at(99)?, longest: at(100)? })
    }

    /// Requests answered in a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.within.as_secs_f64().max(f64::EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundredths_are_those_of_the_sorted_times() {
        let times = (1..=200).rev().map(Duration::from_millis).collect();
        let waited = Waited::of((times, Duration::from_secs(4))).expect("there are some");
        assert_eq!((waited.middle, waited.most), (Duration::from_millis(101), Duration::from_millis(199)));
        assert_eq!((waited.longest, waited.rate()), (Duration::from_millis(200), 50.0));
        assert!(Waited::of((Vec::new(), Duration::ZERO)).is_none());
    }
}
