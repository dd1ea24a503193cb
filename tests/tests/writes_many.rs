//! Many records in one mutation: all faults of all records at once, everything or nothing, within the caller's reach and the limits.

use std::collections::BTreeSet;

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Parts with unique codes and rules, and the shelves that they lie on.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let shelf = json!({"name": "Shelf", "plural": "Shelves", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(shelf).await.ok();
    admin
        .create_module(json!({
            "name": "Part", "plural": "Parts",
            "fields": [
                {"name": "title", "type": "text", "required": true, "maxLength": 20},
                {"name": "code", "type": "text", "unique": true, "pattern": "[A-Z]-[0-9]+"},
                {"name": "serial", "type": "autoNumber", "format": "P-{000}"},
                {"name": "amount", "type": "integer", "min": 0, "default": 1},
                {"name": "most", "type": "integer"},
                {"name": "price", "type": "money"},
                {"name": "mail", "type": "email"},
                {"name": "tags", "type": "multiChoice", "options": [{"value": "NEW"}, {"value": "OLD"}, {"value": "LOST", "active": false}]},
                {"name": "extra", "type": "json", "schema": {"type": "object"}},
                {"name": "shelf", "type": "reference", "to": "Shelf", "inverse": "parts"},
                {"name": "holder", "type": "reference", "to": ["Shelf", "Part"], "inverse": "held"},
            ],
            "uniques": [{"fields": ["title", "shelf"]}],
            "validations": [
                {"rule": "amount <= most", "message": "too many", "fields": ["amount"]},
                {"rule": "title != \"NONE\"", "message": "that is no title"},
            ],
        }))
        .await
        .ok();
    admin
}

const CREATE: &str = "mutation($data: [PartCreate!]!) { createParts(data: $data) { id title code serial amount price tags extra shelf { title } holder { __typename } } }";

async fn create(client: &Client, data: Value) -> Answer {
    client.query_with(CREATE, json!({"data": data})).await
}

/// `rule path` of each issue.
fn faults(answer: &Answer) -> BTreeSet<String> {
    let fault = |issue: &&Value| format!("{} {}", issue["rule"].as_str().expect("a rule"), issue["path"]);
    answer.issues().iter().map(fault).collect()
}

fn set(faults: &[&str]) -> BTreeSet<String> {
    faults.iter().map(|fault| (*fault).to_owned()).collect()
}

async fn count(client: &Client) -> i64 {
    let answer = client.query("{ parts { totalCount } }").await;
    answer.ok()["parts"]["totalCount"].as_i64().expect("a number")
}

on_both_databases! {
    async fn records_are_made_in_order_with_all_that_one_alone_would_have(server: Server) {
        let admin = prepare(&server).await;
        let shelf = admin.create("Shelf", json!({"title": "S"})).await;
        let first = admin.create("Part", json!({"title": "first"})).await;
        let answer = create(&admin, json!([
            {"title": "a", "code": "A-1", "price": "12.5", "tags": ["OLD", "NEW"], "extra": {"x": [1, "'", null]}, "shelfId": shelf},
            {"title": "b", "amount": null, "holderId": first},
            {"title": "c", "tags": [], "holderId": shelf, "extra": {}},
        ])).await;
        let made = answer.ok()["createParts"].as_array().expect("a list");
        let parts: Vec<Value> = made.iter().map(|part| {
            let mut part = part.clone();
            part.as_object_mut().expect("an object").remove("id");
            part
        }).collect();
        assert_eq!(parts, [
            json!({"title": "a", "code": "A-1", "serial": "P-002", "amount": 1, "price": "12.50", "tags": ["OLD", "NEW"], "extra": {"x": [1, "'", null]}, "shelf": {"title": "S"}, "holder": null}),
            json!({"title": "b", "code": null, "serial": "P-003", "amount": null, "price": null, "tags": null, "extra": null, "shelf": null, "holder": {"__typename": "Part"}}),
            json!({"title": "c", "code": null, "serial": "P-004", "amount": 1, "price": null, "tags": [], "extra": {}, "shelf": null, "holder": {"__typename": "Shelf"}}),
        ]);
        let read = admin.query("{ parts(orderBy: [{serial: ASC}]) { nodes { title createdBy { email } owner { ... on User { email } } } } }").await;
        for (node, title) in read.ok()["parts"]["nodes"].as_array().expect("a list").iter().zip(["first", "a", "b", "c"]) {
            assert_eq!(node["title"], title);
            assert_eq!(node["owner"]["email"], "admin@example.org");
        }
        assert_eq!(create(&admin, json!([])).await.ok()["createParts"], json!([]));
    }

    async fn every_fault_of_every_record_is_told_at_once_and_nothing_is_written(server: Server) {
        let admin = prepare(&server).await;
        admin.create("Part", json!({"title": "there", "code": "A-1"})).await;
        let nowhere = "01900000-0000-7000-8000-000000000000";
        let answer = create(&admin, json!([
            {"title": "good"},
            {"title": " ", "amount": -1, "code": "x", "mail": "nobody", "price": "1.234", "extra": []},
            {"title": "a title that is far too long", "shelfId": nowhere, "holderId": nowhere, "ownerId": nowhere},
            {"title": "rule", "amount": 9, "most": 3},
            {"title": "NONE"},
            {"title": "taken", "code": "a-1"},
            {"title": "retired", "tags": ["LOST"], "code": "A-1"},
            {"title": "NONE", "mail": "nobody", "amount": 9, "most": 3},
            {"title": "over what is faulty", "amount": -1, "most": -5},
            {"title": "NONE", "code": "A-1", "amount": 9, "most": 3},
        ])).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(faults(&answer), set(&[
            "required [\"data\",1,\"title\"]",
            "range [\"data\",1,\"amount\"]",
            "pattern [\"data\",1,\"code\"]",
            "email [\"data\",1,\"mail\"]",
            "scale [\"data\",1,\"price\"]",
            "schema [\"data\",1,\"extra\"]",
            "maxLength [\"data\",2,\"title\"]",
            "reference [\"data\",2,\"shelfId\"]",
            "reference [\"data\",2,\"holderId\"]",
            "reference [\"data\",2,\"ownerId\"]",
            "validation [\"data\",3,\"amount\"]",
            "validation [\"data\",4]",
            "pattern [\"data\",5,\"code\"]",
            "choice [\"data\",6,\"tags\"]",
            "unique [\"data\",6,\"code\"]",
            "email [\"data\",7,\"mail\"]",
            "validation [\"data\",7]",
            "validation [\"data\",7,\"amount\"]",
            "range [\"data\",8,\"amount\"]",
            "unique [\"data\",9,\"code\"]",
            "validation [\"data\",9]",
            "validation [\"data\",9,\"amount\"]",
        ]), "{answer}");
        assert_eq!(count(&admin).await, 1);
        // The counter did not move either: what was refused never was.
        let next = create(&admin, json!([{"title": "next"}])).await;
        assert_eq!(next.ok()["createParts"][0]["serial"], "P-002");
    }

    async fn unique_values_hold_against_others_and_within_the_mutation(server: Server) {
        let admin = prepare(&server).await;
        let shelf = admin.create("Shelf", json!({"title": "S"})).await;
        admin.create("Part", json!({"title": "there", "code": "A-1", "shelfId": shelf})).await;
        let answer = create(&admin, json!([
            {"title": "one", "code": "B-1"},
            {"title": "two", "code": "B-1"},
            {"title": "three", "code": "A-1"},
            {"title": "THERE", "shelfId": shelf},
            {"title": "there"},
        ])).await;
        answer.refused("CONFLICT");
        assert_eq!(faults(&answer), set(&[
            "unique [\"data\",1,\"code\"]",
            "unique [\"data\",2,\"code\"]",
            "unique [\"data\",3,\"title\"]",
            "unique [\"data\",3,\"shelfId\"]",
        ]), "{answer}");
        assert_eq!(count(&admin).await, 1);
        // What has no value is in nobody's way.
        create(&admin, json!([{"title": "there"}, {"title": "there"}, {"title": "x", "code": null}])).await.ok();
    }

    async fn a_mutation_has_at_most_so_many_records(server: Server) {
        let admin = prepare(&server).await;
        let many = |count: usize| Value::Array((0..count).map(|number| json!({"title": format!("t{number}"), "most": 7})).collect());
        let refused = create(&admin, many(501)).await;
        refused.refused("LIMIT_EXCEEDED");
        assert!(refused.text.contains("500") && refused.text.contains("501"), "{refused}");
        assert_eq!(create(&admin, many(500)).await.ok()["createParts"].as_array().expect("a list").len(), 500);
        create(&admin, many(1)).await.ok();
        for text in [
            "mutation { updateParts(filter: {most: {eq: 7}}, data: {amount: 2}) { count } }",
            "mutation { deleteParts(filter: {most: {eq: 7}}) { count } }",
            "mutation { destroyParts(filter: {most: {eq: 7}}) { count } }",
        ] {
            let answer = admin.query(text).await;
            assert!(answer.refused("LIMIT_EXCEEDED").text.contains("500"), "{answer}");
        }
        let upsert = "mutation($data: [PartUpsert!]!) { upsertParts(data: $data) { id } }";
        let entries: Vec<Value> = (0..501).map(|number| json!({"match": {"code": format!("U-{number}")}, "data": {"title": "u"}})).collect();
        let refused = admin.query_with(upsert, json!({"data": entries})).await;
        assert!(refused.refused("LIMIT_EXCEEDED").text.contains("501"), "{refused}");
        assert_eq!(count(&admin).await, 501);
        let none = admin.query("{ parts(filter: {amount: {eq: 2}}) { totalCount } }").await;
        assert_eq!(none.ok()["parts"]["totalCount"], 0);
        for filter in ["{title: {startsWith: \"t1\"}}", "{most: {eq: 7}}"] {
            admin.query(&format!("mutation {{ deleteParts(filter: {filter}) {{ count }} }}")).await.ok();
        }
        let restored = admin.query("mutation { restoreParts(filter: {most: {eq: 7}}) { count } }").await;
        assert!(restored.refused("LIMIT_EXCEEDED").text.contains("500"), "{restored}");
        assert_eq!(count(&admin).await, 0);
    }

    async fn the_records_of_a_filter_are_changed_and_deleted(server: Server) {
        let admin = prepare(&server).await;
        let shelf = admin.create("Shelf", json!({"title": "S"})).await;
        let ids = admin.create_many("Part", (0..6).map(|n| json!({"title": format!("t{n}"), "amount": n, "most": 10}))).await;
        let text = "mutation($data: PartUpdate!, $shelf: String) { updateParts(filter: {amount: {gte: 2}, or: [{shelf: {title: {eq: $shelf}}}, {shelfId: {isNull: true}}]}, data: $data) { count ids __typename } }";
        let answer = admin.query_with(text, json!({"data": {"shelfId": shelf, "most": 4, "extra": {"a": 1}}, "shelf": "none"})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(faults(&answer), set(&["validation [\"data\",\"amount\"]"]), "one of them has 5, more than 4");
        let both = admin.query_with(text, json!({"data": {"shelfId": shelf, "most": 4, "mail": "nobody"}, "shelf": "none"})).await;
        assert_eq!(faults(&both), set(&["validation [\"data\",\"amount\"]", "email [\"data\",\"mail\"]"]), "{both}");
        let answer = admin.query_with(text, json!({"data": {"shelfId": shelf, "most": 5, "tags": ["NEW"]}, "shelf": "none"})).await;
        assert_eq!(answer.ok()["updateParts"], json!({"count": 4, "ids": ids[2..], "__typename": "BulkResult"}));
        let read = admin.query("{ parts(orderBy: [{amount: ASC}]) { nodes { version most tags shelf { title } } } }").await;
        let nodes = read.ok()["parts"]["nodes"].as_array().expect("a list");
        assert_eq!(nodes[1], json!({"version": 1, "most": 10, "tags": null, "shelf": null}));
        assert_eq!(nodes[2], json!({"version": 2, "most": 5, "tags": ["NEW"], "shelf": {"title": "S"}}));
        // What is so already is not changed again.
        let again = admin.query_with(text, json!({"data": {"most": 5}, "shelf": "S"})).await;
        assert_eq!(again.ok()["updateParts"]["count"], 4);
        let versions = admin.query("{ parts(filter: {version: {gt: 2}}) { totalCount } }").await;
        assert_eq!(versions.ok()["parts"]["totalCount"], 0);
        // One value for several is no unique value.
        let unique = admin.query("mutation { updateParts(filter: {amount: {lt: 2}}, data: {code: \"C-1\"}) { count } }").await;
        assert!(unique.refused("CONFLICT").text.contains("code"), "{unique}");
        let deleted = admin.query("mutation { deleteParts(filter: {shelf: {title: {eq: \"S\"}}, amount: {ne: 3}}) { count ids } }").await;
        assert_eq!(deleted.ok()["deleteParts"], json!({"count": 3, "ids": [ids[2], ids[4], ids[5]]}));
        let none = admin.query("mutation { deleteParts(filter: {amount: {eq: 99}}) { count ids } }").await;
        assert_eq!(none.ok()["deleteParts"], json!({"count": 0, "ids": []}));
        assert_eq!(count(&admin).await, 3);
    }

    async fn a_filter_without_a_condition_is_refused(server: Server) {
        let admin = prepare(&server).await;
        admin.create("Part", json!({"title": "t"})).await;
        for filter in ["{}", "{and: []}", "{and: [{}, {or: [{}]}]}"] {
            for verb in ["delete", "restore", "destroy"] {
                let answer = admin.query(&format!("mutation {{ {verb}Parts(filter: {filter}) {{ count }} }}")).await;
                assert!(answer.refused("BAD_USER_INPUT").text.contains("isNull"), "{answer}");
            }
        }
        let variable = admin.query_with("mutation($f: PartFilter!) { updateParts(filter: $f, data: {most: 1}) { count } }", json!({"f": {}})).await;
        variable.refused("BAD_USER_INPUT");
        let all = admin.query("mutation { deleteParts(filter: {id: {isNull: false}}) { count } }").await;
        assert_eq!(all.ok()["deleteParts"]["count"], 1);
    }

    async fn only_records_in_reach_are_touched_and_hidden_fields_are_unknown(server: Server) {
        let admin = prepare(&server).await;
        let clerks = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "price": "NONE", "most": "READ"}});
        admin.create_role("packer", None).await;
        admin.set_access("packer", "Part", clerks).await;
        let clerk = server.create_user_with_role("packer").await;
        let theirs = admin.create("Part", json!({"title": "theirs", "price": "7"})).await;
        let own = create_own(&clerk).await;
        let answer = clerk.query("mutation { updateParts(filter: {title: {isNull: false}}, data: {amount: 5}) { ids } }").await;
        assert_eq!(answer.ok()["updateParts"]["ids"], json!([own]));
        let untouched = admin.query_with("query($id: ID!) { part(id: $id) { amount } }", json!({"id": theirs})).await;
        assert_eq!(untouched.ok()["part"]["amount"], 1);
        for (text, name) in [
            ("mutation { updateParts(filter: {price: {eq: \"7\"}}, data: {amount: 5}) { ids } }", "price"),
            ("mutation { updateParts(filter: {title: {eq: \"x\"}}, data: {price: \"5\"}) { ids } }", "price"),
            ("mutation { updateParts(filter: {title: {eq: \"x\"}}, data: {most: 5}) { ids } }", "most"),
            ("mutation { createParts(data: [{title: \"x\", price: \"5\"}]) { id } }", "price"),
            ("mutation { createParts(data: [{title: \"x\"}]) { price } }", "price"),
            // Without the right to delete there is no such mutation.
            ("mutation { deleteParts(filter: {title: {eq: \"x\"}}) { count } }", "deleteParts"),
            ("mutation { restoreParts(filter: {title: {eq: \"x\"}}) { count } }", "restoreParts"),
            ("mutation { destroyParts(filter: {title: {eq: \"x\"}}) { count } }", "destroyParts"),
            ("mutation { upsertParts(data: [{match: {code: \"x\"}, data: {title: \"x\", price: \"1\"}}]) { id } }", "price"),
        ] {
            let unknown = "z".repeat(name.len());
            let twin = clerk.query(&text.replace(name, &unknown)).await;
            let answer = clerk.query(text).await;
            assert_eq!(answer.refused("BAD_USER_INPUT").text, twin.text.replace(&unknown, name), "{text}");
        }
        let shelf = clerk.query("mutation { createParts(data: [{title: \"x\", shelfId: \"1\"}]) { id } }").await;
        assert!(shelf.refused("BAD_USER_INPUT").text.contains("shelfId"), "shelves do not exist for the role");
    }
}

async fn create_own(client: &Client) -> String {
    let answer =
        client.query("mutation { createParts(data: [{title: \"own\"}]) { id owner { ... on User { name } } } }").await;
    answer.ok()["createParts"][0]["id"].as_str().expect("an id").to_owned()
}
