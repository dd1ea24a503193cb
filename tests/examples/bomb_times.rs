//! Prints how long each bomb takes to be refused, and what a neighbour waits meanwhile: `cargo run -p cardine-tests --example bomb_times`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cardine_tests::bombs::bombs;
use cardine_tests::{Backend, Client, Server};

/// How often each is sent; the slowest time counts.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let stop = Arc::new(AtomicBool::new(false));
    let neighbour = tokio::spawn(ask(server.admin().await, Arc::clone(&stop)));
    let mut slowest = Duration::ZERO;
    for bomb in bombs() {
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let start = Instant::now();
            let answer = admin.post_raw("/graphql", "application/json", bomb.body.clone()).await;
            times.push(start.elapsed());
            assert!(!answer.codes().is_empty(), "{} was not refused", bomb.name);
        }
        times.sort_unstable();
        println!("{:>9.1?} median {:>9.1?} slowest  {}", times[ROUNDS / 2], times[ROUNDS - 1], bomb.name);
        slowest = slowest.max(times[ROUNDS - 1]);
    }
    stop.store(true, Ordering::Relaxed);
    let mut waits = neighbour.await.expect("the neighbour got an error");
    waits.sort_unstable();
    println!("slowest of all: {slowest:.1?}");
    println!("neighbour: {} answers, p99 {:.1?}", waits.len(), waits[waits.len() * 99 / 100]);
}

async fn ask(client: Client, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let mut waits = Vec::new();
    while !stop.load(Ordering::Relaxed) || waits.is_empty() {
        let start = Instant::now();
        let _ = client.query("{ me { role } }").await.ok();
        waits.push(start.elapsed());
    }
    waits
}
