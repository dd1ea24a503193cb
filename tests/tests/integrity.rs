//! What records promise each other: unique values, numbers without gaps or doubles, and references that never dangle.

use std::collections::BTreeSet;

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

async fn prepare(admin: &Client) {
    let part = |name: &str, on_delete: &str| json!({"name": name, "type": "reference", "to": "Box", "inverse": format!("{name}Items"), "onDelete": on_delete});
    let boxes = json!({"name": "Box", "plural": "Boxes", "fields": [
        {"name": "code", "type": "text", "unique": true}, {"name": "serial", "type": "autoNumber", "format": "BOX-{000}"}, {"name": "count", "type": "integer"},
    ]});
    admin.create_module(boxes).await.ok();
    let items = json!({"name": "Item", "plural": "Items", "fields": [
        {"name": "title", "type": "text"}, part("kept", "RESTRICT"), part("inside", "CASCADE"), part("near", "SET_NULL"),
        {"name": "lid", "type": "reference", "to": "Item", "inverse": "covers", "onDelete": "CASCADE"},
    ]});
    admin.create_module(items).await.ok();
}

async fn delete(admin: &Client, module: &str, id: &str) -> cardine_tests::Answer {
    let text = format!("mutation($id: ID!) {{ delete{module}(id: $id) {{ id }} }}");
    admin.query_with(&text, json!({"id": id})).await
}

on_both_databases! {
    async fn a_unique_value_is_there_once_and_is_free_after_a_delete(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let first = admin.create("Box", json!({"code": "A-1"})).await;
        let text = "mutation($data: BoxCreate!) { createBox(data: $data) { id } }";
        let answer = admin.query_with(text, json!({"data": {"code": "A-1"}})).await;
        answer.refused("CONFLICT").never_says("constraint");
        answer.never_says("_key");
        assert!(answer.text.contains("code"), "the field is named: {answer}");
        // Several records may have no value.
        admin.create_many("Box", [json!({}), json!({"code": null})]).await;
        let other = admin.create("Box", json!({"code": "A-2"})).await;
        let update = "mutation($id: ID!) { updateBox(id: $id, data: {code: \"A-1\"}) { id } }";
        admin.query_with(update, json!({"id": other})).await.refused("CONFLICT");
        delete(&admin, "Box", &first).await.ok();
        admin.query_with(update, json!({"id": other})).await.ok();
    }

    async fn automatic_numbers_are_given_once_also_side_by_side(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let writers: Vec<_> = (0..64).map(|_| {
            let admin = admin.clone();
            tokio::spawn(async move {
                let mut numbers = Vec::new();
                for _ in 0..2 {
                    let answer = admin.query("mutation { a: createBox(data: {}) { serial } b: createBox(data: {}) { serial } }").await;
                    numbers.extend(["a", "b"].map(|key| answer.ok()[key]["serial"].as_str().expect("a number").to_owned()));
                }
                numbers
            })
        }).collect();
        let mut all = BTreeSet::new();
        for writer in writers {
            all.extend(writer.await.expect("the writer ends"));
        }
        let expected: BTreeSet<String> = (1..=256).map(|number| format!("BOX-{number:03}")).collect();
        assert_eq!(all, expected);
        // A mutation that fails gives no number away that is seen.
        admin.create("Box", json!({"code": "x"})).await;
        admin.query("mutation { createBox(data: {code: \"x\"}) { serial } }").await.refused("CONFLICT");
    }

    async fn of_two_who_change_a_version_one_is_told(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let id = admin.create("Box", json!({"count": 0})).await;
        let text = "mutation($id: ID!, $n: Int!) { updateBox(id: $id, data: {count: $n}, ifVersion: 1) { version } }";
        let racers: Vec<_> = (1..=6).map(|n| {
            let (admin, id) = (admin.clone(), id.clone());
            tokio::spawn(async move { admin.query_with(text, json!({"id": id, "n": n})).await })
        }).collect();
        let mut won = 0;
        for racer in racers {
            let answer = racer.await.expect("it ends");
            if answer.errors().is_empty() {
                won += 1;
            } else {
                answer.refused("CONFLICT");
            }
        }
        assert_eq!(won, 1);
        // Without a version, the last one counts and none is lost.
        let text = "mutation($id: ID!, $n: Int!) { updateBox(id: $id, data: {count: $n}) { version } }";
        let racers: Vec<_> = (11..=16).map(|n| {
            let (admin, id) = (admin.clone(), id.clone());
            tokio::spawn(async move { admin.query_with(text, json!({"id": id, "n": n})).await.ok().clone() })
        }).collect();
        for racer in racers {
            racer.await.expect("none fails");
        }
        let answer = admin.query_with("query($id: ID!) { box(id: $id) { version } }", json!({"id": id})).await;
        assert_eq!(answer.ok()["box"]["version"], 8);
    }

    async fn deleting_restricts_takes_along_or_lets_go(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let boxes = admin.create_many("Box", [json!({"code": "kept"}), json!({"code": "inside"}), json!({"code": "near"})]).await;
        let kept = admin.create("Item", json!({"title": "kept", "keptId": boxes[0]})).await;
        let inside = admin.create("Item", json!({"title": "inside", "insideId": boxes[1]})).await;
        let cover = admin.create("Item", json!({"title": "cover", "lidId": inside})).await;
        let near = admin.create("Item", json!({"title": "near", "nearId": boxes[2]})).await;

        delete(&admin, "Box", &boxes[0]).await.refused("CONFLICT").never_says("constraint");
        let items = "{ items(orderBy: [{title: ASC}]) { nodes { title keptId insideId nearId near { code } } } }";
        let titles = |answer: &cardine_tests::Answer| -> Vec<Value> {
            answer.ok()["items"]["nodes"].as_array().expect("nodes").iter().map(|node| node["title"].clone()).collect()
        };
        assert_eq!(titles(&admin.query(items).await), ["cover", "inside", "kept", "near"]);
        delete(&admin, "Box", &boxes[1]).await.ok();
        assert_eq!(titles(&admin.query(items).await), ["kept", "near"], "what is inside goes too, and what it covers");
        delete(&admin, "Box", &boxes[2]).await.ok();
        let answer = admin.query(items).await;
        assert_eq!(titles(&answer), ["kept", "near"]);
        assert_eq!(answer.ok()["items"]["nodes"][1]["near"], Value::Null, "a deleted record is not read");
        delete(&admin, "Item", &kept).await.ok();
        delete(&admin, "Box", &boxes[0]).await.ok();
        let _ = (cover, near);
    }

    async fn a_reference_leads_to_a_record_of_its_module_or_is_refused(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let lead = admin.create("Lead", json!({"lastName": "x"})).await;
        let gone = admin.create("Box", json!({})).await;
        delete(&admin, "Box", &gone).await.ok();
        let text = "mutation($id: ID) { createItem(data: {title: \"t\", insideId: $id}) { insideId } }";
        for id in [json!(lead), json!(gone), json!(uuid::Uuid::now_v7()), json!("nonsense"), json!("")] {
            let answer = admin.query_with(text, json!({"id": id})).await;
            assert!(matches!(answer.codes().as_slice(), ["VALIDATION_FAILED" | "BAD_USER_INPUT"]), "{id}: {answer}");
            answer.never_says("foreign");
        }
        assert_eq!(admin.query_with(text, json!({"id": null})).await.ok()["createItem"]["insideId"], Value::Null);
        assert_eq!(admin.query("{ items { totalCount } }").await.ok()["items"]["totalCount"], 1);
        // A task may belong to a lead, not to a box.
        let parent = "mutation($id: ID) { createTask(data: {subject: \"t\", startAt: \"2026-05-01T08:00:00Z\", dueDate: \"2026-05-02\", parentId: $id}) { parentId } }";
        assert_eq!(admin.query_with(parent, json!({"id": lead})).await.ok()["createTask"]["parentId"], json!(lead));
        let stranger = admin.create("Box", json!({})).await;
        admin.query_with(parent, json!({"id": stranger})).await.refused("VALIDATION_FAILED");
    }

    async fn a_reference_to_several_modules_holds_takes_along_or_lets_go(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let note = |name: &str, on_delete: &str| json!({"name": name, "type": "reference", "to": ["Box", "Item"], "inverse": format!("{name}Notes"), "onDelete": on_delete});
        admin.create_module(json!({"name": "Note", "plural": "Notes", "fields": [
            {"name": "weight", "type": "integer"}, note("held", "RESTRICT"), note("along", "CASCADE"), note("free", "SET_NULL"),
            {"name": "isHeld", "type": "formula", "returns": "boolean", "rule": "held != null && held != free"},
        ]})).await.ok();
        // Rollups over it are of the one module and of the other, and so is one with a column.
        for module in ["Box", "Item"] {
            for (name, stored) in [("noteWeight", false), ("noteWeightKept", true)] {
                let rollup = json!({"name": name, "type": "rollup", "relation": "freeNotes", "function": "SUM", "field": "weight", "scope": "ALL", "stored": stored});
                admin.add_field(module, rollup).await.ok();
            }
        }
        let (shelf, item) = (admin.create("Box", json!({"code": "b"})).await, admin.create("Item", json!({"title": "i"})).await);
        let weights = async || {
            let answer = admin.query("{ boxes { nodes { noteWeight noteWeightKept } } items { nodes { noteWeight noteWeightKept } } }").await;
            let weight = |list: &str| {
                let node = &answer.ok()[list]["nodes"][0];
                assert_eq!(node["noteWeight"], node["noteWeightKept"], "{answer}");
                node["noteWeight"].as_str().unwrap_or("-").to_owned()
            };
            (weight("boxes"), weight("items"))
        };
        assert_eq!(weights().await, ("-".to_owned(), "-".to_owned()));
        let notes = admin.create_many("Note", [json!({"weight": 2, "freeId": shelf}), json!({"weight": 3, "freeId": item}), json!({"weight": 5, "freeId": shelf})]).await;
        assert_eq!(weights().await, ("7".to_owned(), "3".to_owned()));
        let turn = "mutation($id: ID!, $to: ID, $held: ID) { updateNote(id: $id, data: {freeId: $to, heldId: $held}) { isHeld } }";
        let turned = admin.query_with(turn, json!({"id": notes[0], "to": item, "held": shelf})).await;
        assert_eq!(turned.ok()["updateNote"]["isHeld"], true);
        assert_eq!(weights().await, ("5".to_owned(), "5".to_owned()));
        delete(&admin, "Box", &shelf).await.refused("CONFLICT");
        admin.query_with(turn, json!({"id": notes[0], "to": null, "held": null})).await.ok();
        assert_eq!(weights().await, ("5".to_owned(), "3".to_owned()));
        // Taken along with either of them, and let go by either.
        let along = "mutation($id: ID!, $to: ID) { updateNote(id: $id, data: {alongId: $to}) { id } }";
        admin.query_with(along, json!({"id": notes[2], "to": item})).await.ok();
        delete(&admin, "Item", &item).await.ok();
        let left = admin.query("{ notes(orderBy: [{weight: ASC}]) { nodes { weight freeId } } boxes { nodes { noteWeight noteWeightKept } } }").await;
        assert_eq!(left.ok()["notes"]["nodes"], json!([{"weight": 2, "freeId": null}, {"weight": 3, "freeId": null}]));
        assert_eq!(left.ok()["boxes"]["nodes"][0], json!({"noteWeight": null, "noteWeightKept": null}), "the note went along");
        admin.query_with("mutation($id: ID!) { restoreItem(id: $id) { id } }", json!({"id": item})).await.ok();
        assert_eq!(weights().await, ("5".to_owned(), "3".to_owned()));
        admin.query_with("mutation($id: ID!) { destroyItem(id: $id) }", json!({"id": item})).await.ok();
        let left = admin.query("{ notes(orderBy: [{weight: ASC}]) { nodes { weight freeId } } }").await;
        assert_eq!(left.ok()["notes"]["nodes"], json!([{"weight": 2, "freeId": null}, {"weight": 3, "freeId": null}]));
    }
}
