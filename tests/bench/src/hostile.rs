//! The hostile bench: what eight plugins that break every bound at the same time take of the requests of people.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardine_tests::{Backend, Client, Launch, Server, plugins};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::http;
use crate::measure::{Asking, Effort, Run};

/// Records that people work on.
const RECORDS: u32 = 2_000;
/// Functions of the module of the compile bomb, and the instructions of each.
const BOMB: (u32, u32) = (1_500, 1_000);

/// What to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Seconds of each measurement
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Rounds, alone and beside the plugins in turn; the figures are medians
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: u16,
    /// Requests of people at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    concurrency: u16,
    /// Calls of each plugin at the same time
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    calls: u16,
}

/// What one database gave.
#[derive(Debug)]
pub struct Endured {
    /// The database.
    pub backend: Backend,
    /// People alone.
    pub alone: Run,
    /// People beside the plugins.
    pub beside: Run,
    /// How the calls of each plugin ended, and how often.
    pub ends: BTreeMap<&'static str, BTreeMap<String, u32>>,
}

/// A plugin that does harm, by its name and function.
#[derive(Debug, Clone)]
struct Hostile {
    name: &'static str,
    function: &'static str,
    input: Json,
}

/// Measures it on one database.
pub async fn measure(backend: Backend, options: &Options) -> anyhow::Result<Endured> {
    let sink = slow_sink().await?;
    let server = Launch::new(backend).arguments(["--inner-host", &sink]).start().await;
    let admin = server.admin().await;
    let data = |from: u32| (from..from + 500).map(|n| json!({"name": format!("Organization {n}"), "employees": n}));
    for from in (0..RECORDS).step_by(500) {
        admin.create_many("Organization", data(from)).await;
    }
    let hostile = all(&sink);
    for one in &hostile {
        let package = plugins::altered("test-hostile", &[("test-hostile", one.name)]);
        let grant = json!({"http": {"hosts": [sink]},
            "api": {"plugin": {"Organization": {"read": true, "fields": {"*": "READ"}}}}});
        let _ = plugins::install(&admin, package, grant, false, "name").await.ok();
    }
    let asking = asking(&server, &admin).await?;
    let effort =
        Effort { duration: Duration::from_secs(options.seconds), concurrency: usize::from(options.concurrency) };
    // The first requests fill what is kept.
    let _ = asking.run(effort).await?;
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut ends: BTreeMap<&'static str, BTreeMap<String, u32>> = BTreeMap::new();
    for round in 1..=options.rounds {
        alone.push(asking.run(effort).await?);
        let pressure = Pressure::begin(&admin, &hostile, options.calls);
        let run = asking.run(effort).await;
        for (name, end) in pressure.end().await {
            *ends.entry(name).or_default().entry(end).or_default() += 1;
        }
        beside.push(run?);
        println!("{backend:?}: round {round} of {}", options.rounds);
    }
    for one in hostile.iter().map(|one| one.name).chain([BOMB_NAME]) {
        ensure!(ends.contains_key(one), "no call of {one} ended: nothing was shown of it");
    }
    Ok(Endured { backend, alone: Run::median(&alone), beside: Run::median(&beside), ends })
}

/// All but the compile bomb. The names are as long as the one that they stand for.
fn all(sink: &str) -> Vec<Hostile> {
    let hostile = |name, function, input| Hostile { name, function, input };
    vec![
        hostile("hostile-loop", "loop", json!({})),
        hostile("hostile-grab", "grab", json!({})),
        hostile("hostile-deep", "deep", json!({})),
        hostile("hostile-call", "calls", json!({"times": 1_000_000})),
        hostile("hostile-logs", "flood", json!({"lines": 1_000_000, "bytes": 10_000})),
        hostile(
            "hostile-rows",
            "rows",
            json!({"document": "{ organizations(first: 1000) { totalCount nodes { id name employees website createdAt } } }"}),
        ),
        hostile("hostile-sink", "sink", json!({"url": format!("http://{sink}/")})),
    ]
}

/// What people ask: lists, single records, and a change now and then.
async fn asking(server: &Server, admin: &Client) -> anyhow::Result<Asking> {
    let some = admin.query("{ organizations(first: 40) { nodes { id } } }").await;
    let ids: Vec<Json> =
        some.ok()["organizations"]["nodes"].as_array().context("a list")?.iter().map(|one| one["id"].clone()).collect();
    let token = admin.token().context("the administrator has a token")?;
    let list = "query($from: Int!) { organizations(filter: {employees: {gte: $from}}, orderBy: [{name: ASC}], first: 20) \
                { nodes { id name employees website createdAt } } }";
    let one = "query($id: ID!) { organization(id: $id) { name employees contacts(first: 5) { nodes { lastName } } } }";
    let change = "mutation($id: ID!, $data: OrganizationUpdate!) { updateOrganization(id: $id, data: $data) { id } }";
    let mut bodies: Vec<String> = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        bodies.push(json!({"query": list, "variables": {"from": number * 40}}).to_string());
        bodies.push(json!({"query": one, "variables": {"id": id}}).to_string());
        if number % 4 == 0 {
            let data = json!({"employees": number});
            bodies.push(json!({"query": change, "variables": {"id": id, "data": data}}).to_string());
        }
    }
    let requests = |host: &str| bodies.iter().map(|body| http::request(host, "/graphql", Some(token), body)).collect();
    Asking::new(&server.address(), server.process_id(), None, requests)
}

/// Takes connections, and never answers.
async fn slow_sink() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?.to_string();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
            if held.len() > 2_000 {
                held.drain(..1_000);
            }
        }
    });
    Ok(address)
}

/// All plugins at once, again and again.
struct Pressure {
    stop: Arc<AtomicBool>,
    calls: JoinSet<Vec<(&'static str, String)>>,
    bomb: JoinHandle<Vec<(&'static str, String)>>,
}

impl Pressure {
    fn begin(admin: &Client, hostile: &[Hostile], calls: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut running = JoinSet::new();
        for one in hostile {
            for _ in 0..calls {
                running.spawn(call_on(admin.clone(), one.clone(), Arc::clone(&stop)));
            }
        }
        let bomb = tokio::spawn(bomb_on(admin.clone(), Arc::clone(&stop)));
        Self { stop, calls: running, bomb }
    }

    /// Waits until all that is under way has ended: the next measurement is of people alone.
    async fn end(mut self) -> Vec<(&'static str, String)> {
        self.stop.store(true, Ordering::Relaxed);
        let mut ends = Vec::new();
        while let Some(ended) = self.calls.join_next().await {
            ends.extend(ended.expect("a caller does not panic"));
        }
        ends.extend(self.bomb.await.expect("a caller does not panic"));
        ends
    }
}

/// A suspension would end the attack, so it is lifted whenever it comes.
async fn call_on(admin: Client, one: Hostile, stop: Arc<AtomicBool>) -> Vec<(&'static str, String)> {
    let text = "mutation($name: String!, $function: String!, $input: JSON!) { \
                callPlugin(name: $name, function: $function, input: $input) { failure { reason } } }";
    let mut ends = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let variables = json!({"name": one.name, "function": one.function, "input": one.input});
        let answer = admin.admin_query_with(text, variables).await;
        let reason = answer.data()["callPlugin"]["failure"]["reason"].as_str().unwrap_or("OK").to_owned();
        if reason == "SUSPENDED" {
            let resume = "mutation($name: String!) { resumePlugin(name: $name) { name } }";
            admin.admin_query_with(resume, json!({"name": one.name})).await;
        } else {
            ends.push((one.name, reason));
        }
    }
    ends
}

const BOMB_NAME: &str = "hostile-bomb";

/// Each one is another component: what was compiled before is not compiled again.
async fn bomb_on(admin: Client, stop: Arc<AtomicBool>) -> Vec<(&'static str, String)> {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let mut ends = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let manifest = json!({"name": BOMB_NAME, "version": "1.0.0", "title": "Compile bomb", "api": "0.1"});
        let component = compile_bomb(NUMBER.fetch_add(1, Ordering::Relaxed));
        let package = plugins::pack(manifest.to_string().as_bytes(), &component);
        let answer = plugins::install(&admin, package, json!({}), true, "name").await;
        ends.push((BOMB_NAME, answer.codes().first().copied().unwrap_or("OK").to_owned()));
    }
    ends
}

/// A component that holds a module of very much code, and nothing that a plugin must have. `seed` makes it another one.
fn compile_bomb(seed: u32) -> Vec<u8> {
    let (functions, instructions) = BOMB;
    // One type: from one 64-bit number to another.
    let types = [1, 0x60, 1, 0x7e, 1, 0x7e];
    let mut declared = number(functions);
    declared.extend((0..functions).map(|_| 0_u8));
    let mut code = number(functions);
    for function in 0..functions {
        let mut body = vec![0, 0x20, 0];
        for instruction in 0..instructions {
            // i64.const, an operation on both, local.tee, and the value of before beside it.
            body.push(0x42);
            body.extend(number((seed ^ function ^ instruction) % 60));
            body.push([0x7c, 0x7e, 0x85, 0x89][instruction as usize % 4]);
            body.extend([0x22, 0]);
        }
        body.push(0x0b);
        code.extend(number(body.len() as u32));
        code.extend(body);
    }
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in [(1, types.to_vec()), (3, declared), (10, code)] {
        module.push(id);
        module.extend(number(content.len() as u32));
        module.extend(content);
    }
    let mut component = b"\0asm\x0d\0\x01\0\x01".to_vec();
    component.extend(number(module.len() as u32));
    component.extend(module);
    component
}

/// Seven bits in a byte, the lowest first.
fn number(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_seven_bits_at_a_time() {
        assert_eq!(number(0), [0]);
        assert_eq!(number(127), [0x7f]);
        assert_eq!(number(624_485), [0xe5, 0x8e, 0x26]);
    }

    #[test]
    fn the_bomb_is_large_enough_to_take_long_and_small_enough_to_be_taken() {
        let (one, other) = (compile_bomb(1), compile_bomb(2));
        assert!(one != other && (5 << 20..24 << 20).contains(&one.len()), "{}", one.len());
    }

    #[test]
    fn names_are_as_long_as_the_one_that_they_stand_for() {
        let names: Vec<&str> = all("127.0.0.1:1").iter().map(|one| one.name).collect();
        assert!(names.len() == 7 && names.iter().all(|name| name.len() == "test-hostile".len()), "{names:?}");
    }
}
