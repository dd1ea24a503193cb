//! Prints how long each bomb takes to be refused over HTTP and over a WebSocket, and what a neighbour waits meanwhile:
//! `cargo run -p cardine-tests --example bomb_times`, with `CARDINE_TEST_BINARY` for a binary of another profile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cardine_tests::bombs::{Bomb, bombs};
use cardine_tests::{Backend, Client, Fate, Server, WebSocket};
use tokio_tungstenite::tungstenite::Message;

/// How often each is sent; the slowest time counts.
const ROUNDS: usize = 5;

#[tokio::main]
async fn main() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let quiet = neighbour_of(&server, async { tokio::time::sleep(Duration::from_secs(2)).await }).await;
    println!("the neighbour alone: {} answers, p99 {:.1?}", quiet.len(), percentile(&quiet, 99));
    for transport in ["HTTP", "WebSocket"] {
        println!("\n{transport}\n   median   slowest");
        let mut slowest = Duration::ZERO;
        let waits = neighbour_of(&server, async {
            let mut socket = admin.websocket().await;
            for bomb in bombs() {
                let mut times = Vec::with_capacity(ROUNDS);
                for _ in 0..ROUNDS {
                    let time = match transport {
                        "HTTP" => over_http(&admin, &bomb).await,
                        _ => over_websocket(&admin, &mut socket, &bomb).await,
                    };
                    times.push(time);
                }
                times.sort_unstable();
                println!("{:>9.1?} {:>9.1?}  {}", times[ROUNDS / 2], times[ROUNDS - 1], bomb.name);
                slowest = slowest.max(times[ROUNDS - 1]);
            }
        })
        .await;
        println!("slowest of all: {slowest:.1?}");
        println!("neighbour meanwhile: {} answers, p99 {:.1?}", waits.len(), percentile(&waits, 99));
    }
}

async fn over_http(admin: &Client, bomb: &Bomb) -> Duration {
    let start = Instant::now();
    let answer = admin.post_raw("/graphql", "application/json", bomb.body.clone()).await;
    let time = start.elapsed();
    assert!(!answer.codes().is_empty(), "{} was not refused", bomb.name);
    time
}

async fn over_websocket(admin: &Client, socket: &mut WebSocket, bomb: &Bomb) -> Duration {
    let message = format!("{{\"type\":\"subscribe\",\"id\":\"b\",\"payload\":{}}}", bomb.body);
    let start = Instant::now();
    socket.throw(Message::text(message)).await;
    let fate = socket.fate("b").await;
    let time = start.elapsed();
    assert_ne!(fate, Fate::Answered, "{} was not refused", bomb.name);
    if let Fate::Closed(_) = fate {
        *socket = admin.websocket().await;
    }
    time
}

/// How long each of a neighbour's small questions waited while `work` was done, sorted.
async fn neighbour_of(server: &Server, work: impl Future<Output = ()>) -> Vec<Duration> {
    let stop = Arc::new(AtomicBool::new(false));
    let neighbour = tokio::spawn(ask(server.admin().await, Arc::clone(&stop)));
    work.await;
    stop.store(true, Ordering::Relaxed);
    let mut waits = neighbour.await.expect("the neighbour got an error");
    waits.sort_unstable();
    waits
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[sorted.len() * percent / 100]
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
