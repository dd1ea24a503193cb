//! The page on failpoints names those that are in the sources; a server ends at each point that it passes, and is whole afterwards.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::collections::BTreeSet;

use cardine_tests::{Backend, Client, Server, on_both_databases, repository};
use serde_json::json;

const PAGE: &str = "docs/failpoints.md";
/// Points that a write with a key passes, and nothing else does by itself.
const OF_A_WRITE: [&str; 4] = ["write.audit", "write.outbox", "idempotency.claim", "idempotency.answer"];
/// Points of every transaction, those of the server's own included, and whether what was written is there afterwards.
const OF_A_COMMIT: [(&str, bool); 4] =
    [("write.before_commit", false), ("write.after_commit", true), ("group.begun", false), ("group.job_done", false)];
/// How often such a point is passed before the server ends there.
const PASSED: usize = 60;
const OF_A_CHANGE: [(&str, bool); 6] = [
    ("catalog.definitions", false),
    ("catalog.statement", false),
    ("catalog.follow", false),
    ("catalog.version", false),
    ("catalog.before_commit", false),
    ("catalog.committed", true),
];

fn named_in_sources() -> BTreeSet<String> {
    let files = repository::text_files().into_iter();
    let sources = files.filter(|(path, _)| path.starts_with("server/") && path.ends_with(".rs"));
    let sources: String = sources.filter(|(path, _)| !path.contains("/failpoints/")).map(|(_, text)| text).collect();
    let named = ["switched_off!(\"", "pass!(\""].into_iter().flat_map(|mark| sources.split(mark).skip(1));
    named.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_page_names_the_points_of_the_sources() {
    let files = repository::text_files();
    let (_, page) = files.iter().find(|(path, _)| path == PAGE).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.filter_map(|row| row.split('|').nth(1));
    let told: BTreeSet<String> =
        first_cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    assert_eq!(told, named_in_sources());
}

#[test]
fn every_point_of_a_crash_is_tried_here() {
    let of_others = OF_A_COMMIT.iter().chain(&OF_A_CHANGE).map(|(point, _)| *point);
    let tried: BTreeSet<&str> = OF_A_WRITE.into_iter().chain(of_others).chain(["write.runs"]).collect();
    let named = named_in_sources();
    let groups = ["write.audit", "write.outbox", "write.runs", "write.before_commit", "write.after_commit"];
    let is_point = |name: &&String| {
        ["group.", "idempotency.", "catalog."].iter().any(|start| name.starts_with(start))
            || groups.contains(&name.as_str())
    };
    assert_eq!(named.iter().filter(is_point).map(String::as_str).collect::<BTreeSet<_>>(), tried);
}

/// Sends what cannot be answered, as the server ends.
async fn try_in_vain(request: reqwest::RequestBuilder) {
    assert!(request.send().await.is_err(), "the server answered, so it did not pass the point");
}

async fn restart_with(server: &mut Server, points: &str) {
    server.kill_hard();
    server.set_variable("CARDINE_TEST_FAILPOINTS", points);
    server.restart().await;
}

fn create(client: &Client, key: &str) -> reqwest::RequestBuilder {
    let body = json!({"query": "mutation { createParcel(data: {title: \"x\"}) { id } }"});
    client.request(reqwest::Method::POST, "/graphql").header("idempotency-key", key).json(&body)
}

async fn count(client: &Client) -> i64 {
    client.query("{ parcels { totalCount } }").await.ok()["parcels"]["totalCount"].as_i64().unwrap()
}

fn parcel(name: &str, plural: &str) -> serde_json::Value {
    json!({"name": name, "plural": plural, "fields": [{"name": "title", "type": "text", "indexed": true}], "search": ["title"]})
}

on_both_databases! {
    async fn a_write_that_ends_at_a_point_is_there_or_not(mut server: Server) {
        let admin = server.admin().await;
        admin.create_module(parcel("Parcel", "Parcels")).await.ok();
        for point in OF_A_WRITE {
            let before = count(&admin).await;
            restart_with(&mut server, &format!("{point}=abort")).await;
            try_in_vain(create(&admin, point)).await;
            restart_with(&mut server, "").await;
            assert_eq!(count(&admin).await, before, "{point}");
            // The key was not used up by what did not happen.
            assert_eq!(create(&admin, point).send().await.unwrap().status(), 200, "{point}");
            assert_eq!(count(&admin).await - before, 1, "{point}");
        }
    }

    async fn what_was_answered_is_there_after_an_end_around_a_commit(mut server: Server) {
        let admin = server.admin().await;
        admin.create_module(parcel("Parcel", "Parcels")).await.ok();
        for (point, is_done) in OF_A_COMMIT {
            if point.starts_with("group.") && server.backend() != Backend::Sqlite {
                continue;
            }
            let before = count(&admin).await;
            restart_with(&mut server, &format!("{point}={PASSED}*pass->abort")).await;
            let mut answered = 0;
            while create(&admin, &format!("{point}.{answered}")).send().await.is_ok() {
                answered += 1;
                assert!(answered <= PASSED as i64, "{point} is not passed");
            }
            restart_with(&mut server, "").await;
            let found = count(&admin).await - before;
            // It may have been a transaction of the server's own that ended it.
            assert!(found == answered || (is_done && found == answered + 1), "{point}: {answered} answered, {found} found");
            // Sent again, the last one is there once.
            assert_eq!(create(&admin, &format!("{point}.{answered}")).send().await.unwrap().status(), 200, "{point}");
            assert_eq!(count(&admin).await - before, answered + 1, "{point}");
        }
    }

    async fn a_change_of_modules_that_ends_at_a_point_is_there_or_not(mut server: Server) {
        let admin = server.admin().await;
        for (number, (point, is_done)) in OF_A_CHANGE.into_iter().enumerate() {
            let (name, plural) = (format!("Parcel{number}x"), format!("Parcels{number}x"));
            restart_with(&mut server, &format!("{point}=abort")).await;
            let body = json!({"query": "mutation($definition: JSON!) { createModule(definition: $definition) { version } }",
                "variables": {"definition": parcel(&name, &plural)}});
            try_in_vain(admin.request(reqwest::Method::POST, "/admin/graphql").json(&body)).await;
            restart_with(&mut server, "").await;
            let modules = admin.admin_query("{ modules { name } }").await;
            let modules = modules.ok()["modules"].as_array().unwrap().clone();
            assert_eq!(modules.iter().any(|module| module["name"] == name), is_done, "{point}");
            let made = admin.create_module(parcel(&name, &plural)).await;
            assert_eq!(made.errors().is_empty(), !is_done, "{point}: {made}");
            assert!(!admin.create(&name, json!({"title": "y"})).await.is_empty());
        }
    }
}
