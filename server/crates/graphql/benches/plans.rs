//! What a request costs in this process, with its plan known and without: memory asked for, and processor time, SQLite's share included.
//!
//! `cargo bench -p cardine-graphql --bench plans`

#![allow(unsafe_code, reason = "to count what is allocated, one has to be the allocator")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

#[path = "plans/asking.rs"]
mod asking;
#[path = "plans/counting.rs"]
mod counting;

use std::time::Duration;

use cardine_graphql::Front;
use cardine_store::DatabaseUrl;
use serde_json::{Value as Json, json};

use asking::{Asker, new_front, request};
use counting::allocated;

const RECORDS: usize = 50;
const ROUNDS: usize = 15;
const REQUESTS: u32 = 200;

const ONE: &str = "query($id: ID!) { organization(id: $id) {
    id number name website phone email employees industry annualRevenue billingCity } }";
const NODE: &str = "query($id: ID!) { node(id: $id) { id ... on Organization { name website } } }";
const ME: &str = "{ me { role locale timeZone user { id } modules { name create update delete } } }";
const GROUPS: &str = "query($employees: Int!) { organizationGroups(filter: {employees: {gte: $employees}}, groupBy: [{industry: true}]) {
    key { industry } count sum { employees } } }";
const UPDATE: &str =
    "mutation($id: ID!, $name: String!) { updateOrganization(id: $id, data: {name: $name}) { id name version } }";
const LIST: &str = "query($name: String!, $employees: Int!) {
    organizations(filter: {name: {startsWith: $name}, employees: {gte: $employees}}, orderBy: [{name: ASC}], first: 50) { nodes {
        id number name website phone email employees industry annualRevenue billingCity billingCountry version createdAt updatedAt ownerId } } }";

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    let asker = Asker::new(&DatabaseUrl::Sqlite(directory.path().join("bench.db"))).await;
    let id = asker.fill(RECORDS).await;
    let front = new_front();
    println!("{:34}{:>14}{:>12}{:>12}", "a request", "allocations", "KiB", "CPU, µs");
    for (name, text, variables) in [
        ("one by id, 10 fields", ONE, json!({"id": id})),
        ("one of any module", NODE, json!({"id": id})),
        ("the caller", ME, json!({})),
        ("groups, 1 filter", GROUPS, json!({"employees": 1})),
        ("one changed", UPDATE, json!({"id": id, "name": "Other"})),
        ("list of 50, 15 fields, 2 filters", LIST, json!({"name": "company", "employees": 1})),
    ] {
        let known = measure(&asker, text, &variables, Some(&front)).await;
        let unknown = measure(&asker, text, &variables, None).await;
        print(&format!("{name}, plan known"), known);
        print(&format!("{name}, unknown"), unknown);
        println!("{:34}{:>38.1}", "  difference", (unknown.cpu.as_secs_f64() - known.cpu.as_secs_f64()) * 1e6);
    }
    asker.engine.store().shutdown().await;
}

#[derive(Clone, Copy)]
struct Cost {
    allocations: u64,
    bytes: u64,
    cpu: Duration,
}

/// The cheapest of several rounds: what else the machine does only adds to it.
async fn measure(asker: &Asker, text: &str, variables: &Json, known: Option<&Front>) -> Cost {
    let mut best: Option<Cost> = None;
    for _ in 0..ROUNDS {
        let (before, start) = (allocated(), processor_time());
        for _ in 0..REQUESTS {
            let fresh = known.is_none().then(new_front);
            let front = known.or(fresh.as_ref()).expect("one of the two");
            asker.ask(front, &request(text, variables)).await;
        }
        let after = allocated();
        let cost = Cost {
            allocations: (after.0 - before.0) / u64::from(REQUESTS),
            bytes: (after.1 - before.1) / u64::from(REQUESTS),
            cpu: (processor_time() - start) / REQUESTS,
        };
        if best.is_none_or(|best| cost.cpu < best.cpu) {
            best = Some(cost);
        }
    }
    best.expect("there are rounds")
}

/// What all threads of this process have run, by the scheduler's count in nanoseconds.
fn processor_time() -> Duration {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let run = threads.filter_map(|thread| {
        // A thread that has ended meanwhile has no file.
        let count = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        count.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(run.sum())
}

fn print(name: &str, cost: Cost) {
    let kib = cost.bytes as f64 / 1024.0;
    println!("{name:34}{:>14}{kib:>12.1}{:>12.1}", cost.allocations, cost.cpu.as_secs_f64() * 1e6);
}
