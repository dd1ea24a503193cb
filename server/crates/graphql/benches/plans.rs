//! What a request costs in this process, with its plan known and without: memory asked for, and time, SQLite's share included.
//!
//! `cargo bench -p cardine-graphql --bench plans`

#![allow(unsafe_code, reason = "to count what is allocated, one has to be the allocator")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cardine_access::Actor;
use cardine_engine::{Engine, RequestContext};
use cardine_graphql::cursor::CursorKey;
use cardine_graphql::limits::Limits;
use cardine_graphql::{Front, Kind, Request, execute};
use cardine_store::{DatabaseUrl, Options, Store};
use chrono::Utc;
use serde_json::{Value as Json, json};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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
    let url = DatabaseUrl::Sqlite(directory.path().join("bench.db"));
    let store = Store::open(&url, &Options::default()).await.unwrap();
    store.migrate().await.unwrap();
    let engine = Engine::open(store).await.unwrap();
    let snapshot = engine.snapshot();
    let actor = snapshot.access.system(&snapshot.catalog);
    let front = new_front();
    let mut id = Json::Null;
    for number in 0..RECORDS {
        let create = "mutation($data: OrganizationCreate!) { createOrganization(data: $data) { id } }";
        let data =
            json!({"name": format!("Company {number:03}"), "employees": number + 1, "website": "https://example.org"});
        let answer = ask(&front, &engine, &actor, create, &json!({"data": data})).await;
        id = answer["data"]["createOrganization"]["id"].clone();
    }
    println!("{:34}{:>14}{:>12}{:>12}", "a request", "allocations", "KiB", "µs");
    for (name, text, variables) in [
        ("one by id, 10 fields", ONE, json!({"id": id})),
        ("one of any module", NODE, json!({"id": id})),
        ("the caller", ME, json!({})),
        ("groups, 1 filter", GROUPS, json!({"employees": 1})),
        ("one changed", UPDATE, json!({"id": id, "name": "Other"})),
        ("list of 50, 15 fields, 2 filters", LIST, json!({"name": "company", "employees": 1})),
    ] {
        let known = measure(&engine, &actor, text, &variables, Some(&front)).await;
        let unknown = measure(&engine, &actor, text, &variables, None).await;
        print(&format!("{name}, plan known"), known);
        print(&format!("{name}, unknown"), unknown);
        println!("{:34}{:>38.1}", "  difference", (unknown.time.as_secs_f64() - known.time.as_secs_f64()) * 1e6);
    }
    engine.store().shutdown().await;
}

#[derive(Clone, Copy)]
struct Cost {
    allocations: u64,
    bytes: u64,
    time: Duration,
}

/// The cheapest of several rounds: what else the machine does only adds to it.
async fn measure(engine: &Engine, actor: &Actor, text: &str, variables: &Json, known: Option<&Front>) -> Cost {
    let mut best: Option<Cost> = None;
    for _ in 0..ROUNDS {
        let before = (ALLOCATIONS.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
        let start = Instant::now();
        for _ in 0..REQUESTS {
            let fresh = known.is_none().then(new_front);
            let front = known.or(fresh.as_ref()).expect("one of the two");
            let request = request(text, variables);
            let answer = execute(front, engine, &context(engine, actor), &request, true).await;
            assert_eq!(answer.kind, Kind::Executed);
        }
        let cost = Cost {
            allocations: (ALLOCATIONS.load(Ordering::Relaxed) - before.0) / u64::from(REQUESTS),
            bytes: (BYTES.load(Ordering::Relaxed) - before.1) / u64::from(REQUESTS),
            time: start.elapsed() / REQUESTS,
        };
        if best.is_none_or(|best| cost.time < best.time) {
            best = Some(cost);
        }
    }
    best.expect("there are rounds")
}

fn print(name: &str, cost: Cost) {
    let kib = cost.bytes as f64 / 1024.0;
    println!("{name:34}{:>14}{kib:>12.1}{:>12.1}", cost.allocations, cost.time.as_secs_f64() * 1e6);
}

fn new_front() -> Front {
    Front::new(Limits::default(), CursorKey::new(&[7; 32]))
}

fn context(engine: &Engine, actor: &Actor) -> RequestContext {
    let now = Utc::now();
    engine.request(engine.snapshot(), actor.clone(), now, now.date_naive())
}

fn request(text: &str, variables: &Json) -> Request {
    let variables = variables.as_object().cloned().unwrap_or_default();
    Request { query: text.to_owned(), variables, ..Request::default() }
}

async fn ask(front: &Front, engine: &Engine, actor: &Actor, text: &str, variables: &Json) -> Json {
    let answer = execute(front, engine, &context(engine, actor), &request(text, variables), true).await;
    let json: Json = serde_json::from_slice(&answer.body).unwrap();
    assert!(json.get("errors").is_none(), "{json}");
    json
}
