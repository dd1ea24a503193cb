//! The workflows bench: how many runs of one step are done in a second, and what a workflow adds to the write that triggers it.

use std::time::{Duration, Instant};

use anyhow::ensure;
use cardine_tests::{Backend, Client, Server};
use serde_json::{Value as Json, json};

/// Records of one mutation while the queue is filled.
const TOGETHER: u32 = 100;

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Runs that are queued and done
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    runs: u32,
    /// Single writes of each round, with and without the workflow in turn
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    writes: u32,
    /// Rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
}

/// What one database gave.
#[derive(Debug)]
pub struct Worked {
    /// The database.
    pub backend: Backend,
    /// Done in a second, from the first write to the last run's end.
    pub runs_per_second: f64,
    /// Of one write that triggers nothing.
    pub without: Taken,
    /// Of one that queues a run, while runs are done beside.
    pub with: Taken,
}

/// What writes took.
#[derive(Debug)]
pub struct Taken {
    /// Half of them at most: what a write takes itself.
    pub median: Duration,
    /// All of them, shared out: with what they waited for runs.
    pub mean: Duration,
}

/// Measures it on one database.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Worked> {
    let server = Server::start(backend).await;
    let admin = server.admin().await;
    let definition = json!({"name": "Parcel", "plural": "Parcels", "fields": [{"name": "code", "type": "text"}, {"name": "note", "type": "text"}]});
    let _ = admin.create_module(definition).await.ok();
    save(&admin, "ACTIVE").await;
    let start = Instant::now();
    let mut queued = 0;
    while queued < options.runs {
        let data: Vec<Json> = (0..TOGETHER).map(|n| json!({"code": format!("P{n}")})).collect();
        write(&admin, "mutation($data: [ParcelCreate!]!) { createParcels(data: $data) { id } }", &json!(data)).await;
        queued += TOGETHER;
    }
    all_done(&admin).await?;
    let runs_per_second = f64::from(queued) / start.elapsed().as_secs_f64();
    println!("{backend:?}: {queued} runs in {:.1} s", start.elapsed().as_secs_f64());
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        for (status, times) in [("PAUSED", &mut without), ("ACTIVE", &mut with)] {
            save(&admin, status).await;
            for n in 0..options.writes {
                let one = Instant::now();
                write(
                    &admin,
                    "mutation($data: ParcelCreate!) { createParcel(data: $data) { id } }",
                    &json!({"code": format!("S{n}")}),
                )
                .await;
                times.push(one.elapsed());
            }
            all_done(&admin).await?;
        }
    }
    Ok(Worked { backend, runs_per_second, without: taken(without), with: taken(with) })
}

fn taken(mut times: Vec<Duration>) -> Taken {
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len()).unwrap_or(u32::MAX).max(1);
    Taken { median, mean }
}

async fn save(admin: &Client, status: &str) {
    let document = json!({"name": "note", "module": "Parcel", "status": status, "trigger": {"on": ["CREATED"]},
        "steps": [{"id": "note", "update": {"set": {"note": "seen {{ code }}"}}}]});
    let _ = admin.save_workflow(document).await.ok();
}

async fn write(admin: &Client, text: &str, data: &Json) {
    let _ = admin.query_with(text, json!({"data": data})).await.ok();
}

/// Waits until nothing is queued and nothing runs; fails where a run has failed.
async fn all_done(admin: &Client) -> anyhow::Result<()> {
    let text = "{ queued: runs(status: \"QUEUED\", first: 1) { id } running: runs(status: \"RUNNING\", first: 1) { id }
        failed: runs(status: \"FAILED\", first: 1) { error } }";
    loop {
        let answer = admin.admin_query(text).await;
        let runs = answer.ok();
        ensure!(runs["failed"] == json!([]), "a run failed: {}", runs["failed"]);
        if runs["queued"] == json!([]) && runs["running"] == json!([]) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
