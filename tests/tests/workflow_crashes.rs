//! Every trigger runs, its effects are there once, and what it does outside is done at least once with one key, whatever dies meanwhile; and a
//! write that was undone triggers nothing.
//!
//! `CARDINE_TEST_TRIGGERS` tells how many on each database (600 unless told otherwise), `CARDINE_TEST_CRASHES` how often the server and
//! PostgreSQL itself die meanwhile (6), `CARDINE_TEST_SEED` which choices are made. The whole measure:
//! `CARDINE_TEST_TRIGGERS=100000 CARDINE_TEST_CRASHES=100 cargo test -p cardine-tests --test workflow_crashes`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod hand;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use cardine_test_postgres::OwnServer;
use cardine_tests::chance::Chance;
use cardine_tests::{Backend, Client, Launch, Server, WebhookServer, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const WRITERS: usize = 8;
/// Parcels of one mutation.
const TOGETHER: usize = 10;

/// Where the server dies by itself, also between a step's effect and its note; in between it is killed from outside.
const POINTS: [&str; 4] = ["write.runs", "write.before_commit", "write.after_commit", "group.job_done"];

fn setting(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Parcels, and two labels that a workflow makes for each, of which nothing but the workflow keeps a third one away; beside the second it tells
/// somebody outside, if there is somebody. Runs rest before they begin.
async fn prepare(admin: &Client, rest: &str, outside: Option<&WebhookServer>) {
    let parcel = json!({"name": "Parcel", "plural": "Parcels", "fields": [
        {"name": "code", "type": "text", "maxLength": 40, "unique": true},
        {"name": "ways", "type": "multiChoice", "options": [{"value": "OUT"}, {"value": "BACK"}]}]});
    admin.create_module(parcel).await.ok();
    let label = json!({"name": "Label", "plural": "Labels", "fields": [{"name": "code", "type": "text", "maxLength": 40, "indexed": true},
        {"name": "side", "type": "text", "maxLength": 10}]});
    admin.create_module(label).await.ok();
    let step =
        |side: &str| json!({"id": side, "create": {"module": "Label", "set": {"code": "{{ code }}", "side": side}}});
    let mut steps = vec![json!({"id": "rest", "wait": {"for": rest}}), step("front")];
    match outside {
        None => steps.push(step("back")),
        Some(outside) => {
            let is = |name: &str, mut step: Value| {
                step["when"] = json!(format!("one == \"{name}\""));
                step
            };
            let url = format!("http://{}/{{{{ code }}}}", outside.address());
            let tell = json!({"id": "tell", "webhook": {"url": url}});
            let each = json!({"in": "{{ ways }}", "as": "one", "concurrency": 2,
                "steps": [is("OUT", tell), is("BACK", step("back"))]});
            steps.push(json!({"id": "each", "forEach": each}));
        }
    }
    let document = json!({"name": "label", "module": "Parcel", "trigger": {"on": ["CREATED"]}, "retry": {"firstAfter": "PT1S", "atMost": "PT1S", "times": 20},
        "steps": steps});
    admin.save_workflow(document).await.ok();
}

/// Makes parcels with the codes `{name}-{number}` of `wanted`, until the server is gone or `part` of them are made; gives how many are.
/// What is asked for again is asked for in the same words, with the same key.
async fn write(client: Client, name: String, mut made: usize, part: usize, wanted: usize) -> usize {
    while made < part {
        let codes = (made..wanted.min(made + TOGETHER)).map(|number| json!({"code": format!("{name}-{number}")}));
        let data: Vec<Value> = codes.collect();
        let end = made + data.len();
        // Undone: its second record has a code that the first one has.
        let undone = json!([{"code": format!("undone-{name}-{made}")}, {"code": format!("undone-{name}-{made}")}]);
        let _ = ask(&client, undone, None).await;
        let key = format!("{name}-{made}-{end}");
        let answer = loop {
            match ask(&client, json!(data), Some(&key)).await {
                Asked::ServerGone => return made,
                Asked::DatabaseGone => tokio::time::sleep(Duration::from_millis(20)).await,
                Asked::Answered(answer) => break answer,
            }
        };
        assert!(answer["errors"].is_null(), "{answer}");
        made = end;
    }
    made
}

/// What came of a request.
enum Asked {
    Answered(Value),
    DatabaseGone,
    ServerGone,
}

/// Asks for parcels.
async fn ask(client: &Client, mut data: Value, key: Option<&str>) -> Asked {
    for parcel in data.as_array_mut().unwrap() {
        parcel["ways"] = json!(["OUT", "BACK"]);
    }
    let text = "mutation($data: [ParcelCreate!]!) { createParcels(data: $data) { id } }";
    let mut request = client.request(Method::POST, "/graphql");
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let Ok(response) = request.json(&json!({"query": text, "variables": {"data": data}})).send().await else {
        return Asked::ServerGone;
    };
    let Ok(body) = response.bytes().await else { return Asked::ServerGone };
    let answer: Value = serde_json::from_slice(&body).unwrap();
    let codes = [&answer["errors"][0]["extensions"]["code"], &answer["error"]["code"]];
    // A machine that stands still for longer than a request may take is no fault: it is asked again, with the same key.
    let is_gone = ["UNAVAILABLE", "LIMIT_EXCEEDED"].iter().any(|code| codes.contains(&&json!(code)));
    if is_gone { Asked::DatabaseGone } else { Asked::Answered(answer) }
}

/// Cuts every connection to the server's database, as a restart of PostgreSQL does.
async fn cut_connections(server: &Server) {
    if server.postgres().is_some() {
        let others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        hand::count(server, others).await;
    }
}

async fn unfinished(server: &Server) -> i64 {
    hand::count(server, "SELECT count(*) FROM workflow_run WHERE finished_at IS NULL").await
}

/// Waits until no run is left, as long as they become fewer.
async fn wait_for_all(server: &Server) {
    loop {
        let left = unfinished(server).await;
        if left == 0 {
            return;
        }
        eventually("runs go on", || async { (unfinished(server).await < left).then_some(()) }).await;
    }
}

/// Each parcel has run once, and has one label for each side.
async fn each_was_done_once(server: &Server, parcels: usize) {
    let parcels = i64::try_from(parcels).unwrap();
    assert_eq!(hand::count(server, "SELECT count(*) FROM parcel").await, parcels);
    assert_eq!(hand::count(server, "SELECT count(*) FROM workflow_run WHERE status = 'DONE'").await, parcels);
    assert_eq!(hand::count(server, "SELECT count(*) FROM label").await, 2 * parcels);
    for side in ["front", "back"] {
        let labelled = format!(
            "SELECT count(DISTINCT p.code) FROM parcel p JOIN label l ON l.code = p.code WHERE l.side = '{side}'"
        );
        assert_eq!(hand::count(server, &labelled).await, parcels, "{side}");
    }
    assert_eq!(hand::count(server, "SELECT count(*) FROM label WHERE code LIKE 'undone%'").await, 0);
}

/// Each parcel was told of outside, however often with one key of its own, and nothing else was.
fn each_was_told_with_one_key(outside: &WebhookServer, parcels: usize) {
    let mut keys: HashMap<String, String> = HashMap::new();
    let requests = outside.requests();
    for request in &requests {
        let key = &request.headers["idempotency-key"];
        let known = keys.entry(request.target.clone()).or_insert_with(|| key.clone());
        assert_eq!(known, key, "{} was told with two keys", request.target);
    }
    println!("{} requests of {parcels} steps", requests.len());
    assert_eq!(keys.len(), parcels);
    assert_eq!(keys.values().collect::<HashSet<_>>().len(), parcels, "no two have one key");
    assert!(keys.keys().all(|target| target.starts_with("/w")), "what was undone told nobody");
}

/// A server whose PostgreSQL may be crashed too, where this machine can start one.
async fn site(backend: Backend, outside: &WebhookServer) -> (Option<OwnServer>, Server) {
    let launch = Launch::new(backend).arguments(["--inner-host", outside.address()]);
    let own = if backend == Backend::Postgres { tokio::task::block_in_place(OwnServer::start) } else { None };
    let server = match &own {
        Some(own) => launch.start_on(own.database()).await,
        None => launch.start().await,
    };
    (own, server)
}

on_both_databases! {
    async fn each_trigger_takes_effect_once_whatever_dies(backend: Backend) {
        let (triggers, crashes) = (setting("CARDINE_TEST_TRIGGERS", 600), setting("CARDINE_TEST_CRASHES", 6));
        let seed = setting("CARDINE_TEST_SEED", 20_261_122) as u64;
        println!("CARDINE_TEST_SEED={seed}");
        let mut chance = Chance::new(seed);
        let outside = WebhookServer::start().await;
        // In this order, so that the database goes before its server.
        let (mut own, mut server) = site(backend, &outside).await;
        let admin = server.admin().await;
        prepare(&admin, "PT0S", Some(&outside)).await;
        let wanted = triggers.div_ceil(WRITERS);
        let mut made = [0; WRITERS];
        let begun = Instant::now();
        for crash in 1..=crashes {
            let point = (crash % 2 == 0).then(|| chance.item(&POINTS));
            let failpoints = point.map_or(String::new(), |point| format!("{point}={}*pass->abort", 30 + chance.below(60)));
            server.kill_hard();
            server.set_variable("CARDINE_TEST_FAILPOINTS", &failpoints);
            // With much left to do it may meet its point before it is ready.
            if !server.restart_unless_it_aborts().await {
                assert!(point.is_some(), "it ended by itself\n{}", server.log());
                continue;
            }
            // A part of them in each life, so that there is always something to do when the next end comes.
            let part = wanted * crash / crashes;
            let writing: Vec<_> = made.iter().enumerate()
                .map(|(writer, made)| tokio::spawn(write(admin.clone(), format!("w{writer}"), *made, part, wanted)))
                .collect();
            tokio::time::sleep(Duration::from_millis(chance.below(400) as u64)).await;
            match &mut own {
                Some(own) => tokio::task::block_in_place(|| own.crash()),
                None => cut_connections(&server).await,
            }
            tokio::time::sleep(Duration::from_millis(chance.below(400) as u64)).await;
            if point.is_none() {
                server.kill_hard();
            }
            for (made, writing) in made.iter_mut().zip(writing) {
                *made = writing.await.unwrap();
            }
        }
        server.kill_hard();
        server.set_variable("CARDINE_TEST_FAILPOINTS", "");
        server.restart().await;
        for (writer, made) in made.iter_mut().enumerate() {
            *made = write(admin.clone(), format!("w{writer}"), *made, wanted, wanted).await;
        }
        wait_for_all(&server).await;
        println!("{} triggers, {crashes} crashes, {:?}", wanted * WRITERS, begun.elapsed());
        assert_eq!(made, [wanted; WRITERS]);
        each_was_done_once(&server, wanted * WRITERS).await;
        each_was_told_with_one_key(&outside, wanted * WRITERS);
    }
}

/// Sends a signal to a server's process.
fn signal(server: &Server, name: &str) {
    let status = std::process::Command::new("kill").args([name, &server.process_id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// A process that stands still for longer than its leases last finds on waking that others have gone on, and writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stood_still_writes_nothing_for_leases_that_it_lost() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let still = Server::start(Backend::Postgres).await;
    let admin = still.admin().await;
    // So long that all of them come to be due together.
    prepare(&admin, "PT5S", None).await;
    let parcels = 1_200;
    assert_eq!(write(admin.clone(), "w".to_owned(), 0, parcels, parcels).await, parcels);
    let leased = "SELECT count(*) FROM workflow_run WHERE lease_until IS NOT NULL AND finished_at IS NULL AND step > 0";
    let mut left = 0;
    while left == 0 {
        eventually("it has leased runs", || async { (hand::count(&still, leased).await > 0).then_some(()) }).await;
        signal(&still, "-STOP");
        // What a network does with connections on which nothing is heard: no transaction of its keeps rows locked.
        cut_connections(&still).await;
        left = hand::count(&still, leased).await;
        if left == 0 {
            // Its last batch ended in the moment between: it goes on, and is stopped in another.
            signal(&still, "-CONT");
        }
    }
    let other = still.another().await;
    wait_for_all(&still).await;
    assert!(other.is_running());
    signal(&still, "-CONT");
    eventually("it works again", || async {
        let Asked::Answered(answer) = ask(&admin, json!([{"code": "last"}]), Some("last")).await else { return None };
        answer["errors"].is_null().then_some(())
    })
    .await;
    wait_for_all(&still).await;
    each_was_done_once(&still, parcels + 1).await;
}
