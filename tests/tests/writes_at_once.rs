//! Writers who want the same records in different orders: each is answered as if nobody else had been there.

use std::collections::BTreeMap;

use cardine_tests::{Chance, on_both_databases};
use futures_util::future::join_all;
use serde_json::{Value, json};

const WRITERS: usize = 32;
const OPERATIONS: usize = 6;
/// Few enough that everybody is in everybody's way.
const RECORDS: usize = 6;
/// Of one operation.
const UPDATES: usize = 4;

on_both_databases! {
    // PostgreSQL ends one of two transactions that wait for each other: that is run again, and not told.
    async fn who_is_in_anothers_way_is_not_told(server: Server) {
        let admin = server.admin().await;
        let counters = json!({"name": "Counter", "plural": "Counters", "fields": [{"name": "note", "type": "text"}]});
        admin.create_module(counters).await.ok();
        let ids = admin.create_many("Counter", (0..RECORDS).map(|_| json!({"note": "new"}))).await;
        let writers = (0..WRITERS).map(|writer| {
            let (admin, ids) = (admin.clone(), ids.clone());
            tokio::spawn(async move {
                let mut chance = Chance::new(writer as u64 + 1);
                let mut updated: BTreeMap<String, i64> = BTreeMap::new();
                for operation in 0..OPERATIONS {
                    let mut text = String::new();
                    for update in 0..UPDATES {
                        let id: &String = chance.item(&ids);
                        *updated.entry(id.clone()).or_default() += 1;
                        text += &format!("u{update}: updateCounter(id: \"{id}\", data: {{note: \"{writer}.{operation}.{update}\"}}) {{ id }} ");
                    }
                    admin.query(&format!("mutation {{ {text} }}")).await.ok();
                }
                updated
            })
        });
        let mut updated: BTreeMap<String, i64> = BTreeMap::new();
        for one in join_all(writers).await {
            for (id, count) in one.expect("a writer ends") {
                *updated.entry(id).or_default() += count;
            }
        }
        // None was lost and none ran twice.
        let answer = admin.query("{ counters { nodes { id version } } }").await;
        let nodes: &Vec<Value> = answer.ok()["counters"]["nodes"].as_array().expect("nodes");
        let versions = nodes.iter().map(|node| (node["id"].as_str().expect("an id").to_owned(), node["version"].as_i64().expect("a version") - 1));
        assert_eq!(versions.collect::<BTreeMap<_, _>>(), updated);
    }

    async fn nobody_waits_in_a_circle_for_what_is_there_by_its_key(server: Server) {
        let admin = server.admin().await;
        let counters = json!({"name": "Counter", "plural": "Counters", "fields": [
            {"name": "code", "type": "text", "unique": true, "required": true}, {"name": "note", "type": "text"}]});
        admin.create_module(counters).await.ok();
        admin.create_many("Counter", (0..RECORDS).map(|code| json!({"code": code.to_string()}))).await;
        let writers = (0..WRITERS).map(|writer| {
            let admin = admin.clone();
            tokio::spawn(async move {
                let mut chance = Chance::new(writer as u64 + 1);
                for operation in 0..OPERATIONS {
                    let mut text = String::new();
                    // Of each other one it is one mutation.
                    let is_of_many = operation % 2 == 1;
                    let mut codes: Vec<usize> = Vec::new();
                    while is_of_many && codes.len() < UPDATES {
                        let code = chance.below(RECORDS);
                        if !codes.contains(&code) {
                            codes.push(code);
                        }
                    }
                    if is_of_many {
                        let entry = |code: &usize| format!("{{match: {{code: \"{code}\"}}, data: {{code: \"{code}\", note: \"{writer}.{operation}\"}}}}");
                        let entries: Vec<String> = codes.iter().map(entry).collect();
                        text = format!("upsertCounters(data: [{}]) {{ id }}", entries.join(" "));
                    }
                    for update in 0..if is_of_many { 0 } else { UPDATES } {
                        let code = chance.below(RECORDS);
                        text += &format!("u{update}: upsertCounter(match: {{code: \"{code}\"}}, data: {{code: \"{code}\", note: \"{writer}.{operation}.{update}\"}}) {{ id }} ");
                    }
                    admin.query(&format!("mutation {{ {text} }}")).await.ok();
                }
            })
        });
        for one in join_all(writers).await {
            one.expect("a writer ends");
        }
        let answer = admin.query("{ counters { nodes { version } } }").await;
        let nodes = answer.ok()["counters"]["nodes"].as_array().expect("nodes");
        assert_eq!(nodes.len(), RECORDS);
        let written: i64 = nodes.iter().map(|node| node["version"].as_i64().expect("a version") - 1).sum();
        assert_eq!(written as usize, WRITERS * OPERATIONS * UPDATES);
        // Each begins anew who was in one, and the log tells of it.
        assert!(!server.log().contains("deadlock"), "{}", server.log());
    }
}
