//! Prints how long each bomb takes to be refused over HTTP and over a WebSocket, what processor time it takes of the server, and what
//! a neighbour waits meanwhile: `cargo run -p cardine-tests --example bomb_times`, with `CARDINE_TEST_BINARY` for a binary of another
//! profile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cardine_tests::bombs::{Bomb, bombs};
use cardine_tests::{Backend, Client, Fate, Server, WebSocket};
use tokio_tungstenite::tungstenite::Message;

/// How often each is sent; the slowest time counts.
const ROUNDS: usize = 5;

/// A way to send a bomb.
enum Way {
    Http,
    Socket(Box<WebSocket>),
}

impl Way {
    async fn send(&mut self, admin: &Client, bomb: &Bomb) -> Duration {
        let start = Instant::now();
        match self {
            Self::Http => {
                let answer = admin.post_raw("/graphql", "application/json", bomb.body.clone()).await;
                assert!(!answer.codes().is_empty(), "{} was not refused", bomb.name);
                start.elapsed()
            }
            Self::Socket(socket) => {
                let message = format!("{{\"type\":\"subscribe\",\"id\":\"b\",\"payload\":{}}}", bomb.body);
                socket.throw(Message::text(message)).await;
                let fate = socket.fate("b").await;
                let time = start.elapsed();
                assert_ne!(fate, Fate::Answered, "{} was not refused", bomb.name);
                if let Fate::Closed(_) = fate {
                    **socket = admin.websocket().await;
                }
                time
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let quiet = neighbour_of(&server, tokio::time::sleep(Duration::from_secs(2))).await;
    println!("the neighbour alone: {} answers, p99 {:.1?}", quiet.len(), percentile(&quiet, 99));
    for (name, mut way) in [("HTTP", Way::Http), ("WebSocket", Way::Socket(Box::new(admin.websocket().await)))] {
        println!("\n{name}\n   median   slowest  processor");
        let (mut slowest, mut dearest) = (Duration::ZERO, Duration::ZERO);
        for bomb in bombs() {
            let mut times = Vec::with_capacity(ROUNDS);
            let before = processor_time(server.process_id());
            for _ in 0..ROUNDS {
                times.push(way.send(&admin, &bomb).await);
            }
            let processor = (processor_time(server.process_id()) - before) / ROUNDS as u32;
            times.sort_unstable();
            println!("{:>9.1?} {:>9.1?}  {processor:>9.1?}  {}", times[ROUNDS / 2], times[ROUNDS - 1], bomb.name);
            slowest = slowest.max(times[ROUNDS - 1]);
            dearest = dearest.max(processor);
        }
        println!("slowest of all: {slowest:.1?}; dearest: {dearest:.1?}");
        let waits = neighbour_of(&server, async {
            for bomb in bombs().iter().cycle().take(bombs().len() * ROUNDS) {
                way.send(&admin, bomb).await;
            }
        });
        let waits = waits.await;
        println!("a neighbour meanwhile: {} answers, p99 {:.1?}", waits.len(), percentile(&waits, 99));
    }
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

/// What the threads of a process have used so far, to the nanosecond, by Linux's `/proc`; nothing elsewhere.
fn processor_time(process: u32) -> Duration {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return Duration::ZERO };
    let used = |thread: std::io::Result<std::fs::DirEntry>| {
        let used = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        used.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    threads.filter_map(used).sum()
}
