//! What becomes of a record: made or changed by its unique values, deleted, restored, removed for good, merged into another.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Boxes with unique codes, and items that refer to them in each way.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let part = |name: &str, on_delete: &str| json!({"name": name, "type": "reference", "to": "Box", "inverse": format!("{name}Items"), "onDelete": on_delete});
    let boxes = json!({
        "name": "Box", "plural": "Boxes",
        "fields": [
            {"name": "code", "type": "text", "unique": true}, {"name": "mail", "type": "email", "unique": true},
            {"name": "city", "type": "text"}, {"name": "street", "type": "text"}, {"name": "count", "type": "integer", "default": 1},
            {"name": "inner", "type": "reference", "to": "Box", "inverse": "outer"},
            {"name": "serial", "type": "autoNumber", "format": "B-{00}"},
        ],
        "uniques": [{"fields": ["city", "street"]}],
    });
    admin.create_module(boxes).await.ok();
    let items = json!({
        "name": "Item", "plural": "Items",
        "fields": [
            {"name": "title", "type": "text"}, part("kept", "RESTRICT"), part("inside", "CASCADE"), part("near", "SET_NULL"),
            {"name": "any", "type": "reference", "to": ["Box", "Item"], "inverse": "anyItems", "onDelete": "SET_NULL"},
            {"name": "lid", "type": "reference", "to": "Item", "inverse": "covers", "onDelete": "CASCADE"},
        ],
        "uniques": [{"fields": ["title", "inside"]}],
    });
    admin.create_module(items).await.ok();
    admin
}

/// `restoreBox(id: …)` and the like.
async fn act(client: &Client, verb: &str, module: &str, id: &str) -> Answer {
    let shown = if verb == "destroy" { "" } else { "{ id version deletedAt }" };
    let text = format!("mutation($id: ID!) {{ it: {verb}{module}(id: $id) {shown} }}");
    client.query_with(&text, json!({"id": id})).await
}

async fn titles(client: &Client, arguments: &str) -> Vec<String> {
    let text = format!("{{ items(orderBy: [{{title: ASC}}]{arguments}) {{ nodes {{ title }} }} }}");
    let answer = client.query(&text).await;
    let nodes = answer.ok()["items"]["nodes"].as_array().expect("a list").clone();
    nodes.iter().map(|node| node["title"].as_str().expect("a title").to_owned()).collect()
}

/// What the audit log says of a record, newest first.
async fn history(client: &Client, id: &str) -> Vec<String> {
    let answer = client.admin_query("{ audit(first: 1000) { action recordId } }").await;
    let entries = answer.ok()["audit"].as_array().expect("a list").clone();
    let own = entries.iter().filter(|entry| entry["recordId"] == json!(id));
    own.map(|entry| entry["action"].as_str().expect("an action").to_owned()).collect()
}

const UPSERT: &str = "mutation($match: BoxUnique!, $data: BoxCreate!) { upsertBox(match: $match, data: $data) { id version code city street mail count } }";

async fn upsert(client: &Client, unique: Value, data: Value) -> Answer {
    client.query_with(UPSERT, json!({"match": unique, "data": data})).await
}

const MERGE: &str = "mutation($ids: [ID!]!, $into: ID!, $data: BoxUpdate, $dry: Boolean) { mergeBoxes(ids: $ids, into: $into, data: $data, dryRun: $dry) {
    version code mail keptItems { totalCount } insideItems(orderBy: [{title: ASC}]) { nodes { title } } nearItems { totalCount } anyItems { totalCount } outer { totalCount } inner { code } } }";

on_both_databases! {
    async fn a_record_is_made_once_and_changed_after(server: Server) {
        let admin = prepare(&server).await;
        let first = upsert(&admin, json!({"code": "A"}), json!({"city": "Roma"})).await;
        let made = &first.ok()["upsertBox"];
        assert_eq!((&made["version"], &made["code"], &made["count"]), (&json!(1), &json!("A"), &json!(1)), "the key and the defaults are its values");
        let second = upsert(&admin, json!({"code": "a"}), json!({"code": "A", "count": 5})).await;
        let changed = &second.ok()["upsertBox"];
        assert_eq!((&changed["id"], &changed["version"], &changed["count"], &changed["city"]), (&made["id"], &json!(2), &json!(5), &json!("Roma")));
        // As an address is stored, whatever it was written like.
        upsert(&admin, json!({"mail": "x@EXAMPLE.org"}), json!({})).await.ok();
        let found = upsert(&admin, json!({"mail": " x@example.ORG"}), json!({"count": 2})).await;
        assert_eq!((&found.ok()["upsertBox"]["version"], &found.ok()["upsertBox"]["mail"]), (&json!(2), &json!("x@example.org")));
        let pair = json!({"city_street": {"city": "Roma", "street": "Via 1"}});
        upsert(&admin, pair.clone(), json!({})).await.ok();
        let again = upsert(&admin, pair, json!({"count": 8})).await;
        assert_eq!((&again.ok()["upsertBox"]["version"], &again.ok()["upsertBox"]["street"]), (&json!(2), &json!("Via 1")));
        let total = admin.query("{ boxes { totalCount } }").await;
        assert_eq!(total.ok()["boxes"]["totalCount"], 3);
        for (unique, path) in [
            (json!({"mail": "nobody"}), "match"),
            (json!({"code": "B", "mail": "b@example.org"}), "match"),
            (json!({}), "match"),
            (json!({"city_street": {"city": "Roma"}}), "street"),
        ] {
            let answer = upsert(&admin, unique, json!({})).await;
            assert!(!answer.errors().is_empty() && answer.text.contains(path), "{answer}");
        }
        // Another of its values may be taken.
        upsert(&admin, json!({"code": "Z"}), json!({"mail": "x@example.org"})).await.refused("CONFLICT");
    }

    async fn of_many_who_upsert_one_record_all_find_the_same(server: Server) {
        let admin = prepare(&server).await;
        let racers: Vec<_> = (0..8).map(|n| {
            let admin = admin.clone();
            tokio::spawn(async move { upsert(&admin, json!({"code": "R"}), json!({"count": n})).await })
        }).collect();
        let mut ids = Vec::new();
        for racer in racers {
            ids.push(racer.await.expect("it ends").ok()["upsertBox"]["id"].clone());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
        let read = admin.query("{ boxes { totalCount nodes { version } } }").await;
        assert_eq!(read.ok()["boxes"]["totalCount"], 1);
    }

    async fn a_hidden_record_is_neither_changed_nor_told(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let all = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE", "mail": "NONE"}});
        admin.set_access("clerk", "Box", all).await;
        let clerk = server.create_user_with_role("clerk").await;
        let hidden = admin.create("Box", json!({"code": "H", "mail": "h@example.org"})).await;
        let text = "mutation($match: BoxUnique!, $data: BoxCreate!) { upsertBox(match: $match, data: $data) { id version } }";
        clerk.query_with(text, json!({"match": {"code": "H"}, "data": {"count": 9}})).await.refused("CONFLICT");
        let by_mail = clerk.query_with(text, json!({"match": {"mail": "h@example.org"}, "data": {}})).await;
        let unknown = clerk.query_with(text, json!({"match": {"zail": "h@example.org"}, "data": {}})).await;
        assert_eq!(by_mail.refused("BAD_USER_INPUT").text, unknown.text.replace("zail", "mail"));
        for verb in ["restore", "destroy"] {
            let seen = act(&clerk, verb, "Box", &hidden).await;
            let never = act(&clerk, verb, "Box", "01900000-0000-7000-8000-000000000000").await;
            assert_eq!(seen.refused("NOT_FOUND").text, never.text);
        }
        let own = clerk.create("Box", json!({"code": "own"})).await;
        let merge = "mutation($ids: [ID!]!, $into: ID!) { mergeBoxes(ids: $ids, into: $into) { id } }";
        for (ids, into) in [([&hidden], &own), ([&own], &hidden)] {
            clerk.query_with(merge, json!({"ids": ids, "into": into})).await.refused("NOT_FOUND");
        }
        let kept = admin.query_with("query($id: ID!) { box(id: $id) { version count deletedAt } }", json!({"id": hidden})).await;
        assert_eq!(kept.ok()["box"], json!({"version": 1, "count": 1, "deletedAt": null}));
        // Whoever may not delete has none of these.
        admin.create_role("writer", None).await;
        admin.set_access("writer", "Box", json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}})).await;
        let writer = server.create_user_with_role("writer").await;
        let fields = writer.query("{ __type(name: \"Mutation\") { fields { name } } }").await;
        for name in ["deleteBox", "deleteBoxes", "restoreBox", "destroyBox", "mergeBoxes"] {
            fields.never_says(&format!("\"{name}\""));
        }
        assert!(fields.text.contains("\"upsertBox\"") && fields.text.contains("\"createBoxes\""));
    }

    async fn a_restore_brings_what_the_delete_took_along(server: Server) {
        let admin = prepare(&server).await;
        let crate_ = admin.create("Box", json!({"code": "C", "mail": "c@example.org"})).await;
        let item = |title: &str| json!({"title": title, "insideId": crate_, "nearId": crate_});
        let items = admin.create_many("Item", ["a", "b", "gone before"].map(item)).await;
        admin.create("Item", json!({"title": "lid", "lidId": items[0]})).await;
        act(&admin, "delete", "Item", &items[2]).await.ok();
        act(&admin, "restore", "Box", &crate_).await.refused("NOT_FOUND");
        act(&admin, "delete", "Box", &crate_).await.ok();
        assert_eq!(titles(&admin, "").await, Vec::<String>::new());
        assert_eq!(titles(&admin, ", deleted: ONLY").await.len(), 4);
        let restored = act(&admin, "restore", "Box", &crate_).await;
        assert_eq!(restored.ok()["it"], json!({"id": crate_, "version": 3, "deletedAt": null}));
        assert_eq!(titles(&admin, "").await, ["a", "b", "lid"], "links are kept, and what was deleted before stays so");
        let linked = admin.query("{ items(filter: {near: {code: {eq: \"C\"}}}) { totalCount } }").await;
        assert_eq!(linked.ok()["items"]["totalCount"], 2);
        // Its unique values may be somebody else's by now.
        act(&admin, "delete", "Box", &crate_).await.ok();
        admin.create("Box", json!({"code": "c"})).await;
        let refused = act(&admin, "restore", "Box", &crate_).await;
        assert!(refused.refused("CONFLICT").text.contains("code"), "{refused}");
        assert_eq!(titles(&admin, "").await, Vec::<String>::new(), "nothing of it took effect");
    }

    async fn what_is_destroyed_is_gone_and_nothing_refers_to_it(server: Server) {
        let admin = prepare(&server).await;
        let boxes = admin.create_many("Box", [json!({"code": "A"}), json!({"code": "B"})]).await;
        let held = admin.create("Item", json!({"title": "held", "keptId": boxes[0]})).await;
        let refused = act(&admin, "destroy", "Box", &boxes[0]).await;
        assert!(refused.refused("CONFLICT").text.contains("Items"), "{refused}");
        act(&admin, "delete", "Item", &held).await.ok();
        let inside = admin.create("Item", json!({"title": "inside", "insideId": boxes[0]})).await;
        admin.create("Item", json!({"title": "lid", "lidId": inside, "nearId": boxes[1]})).await;
        let near = admin.create("Item", json!({"title": "near", "nearId": boxes[0], "anyId": boxes[0]})).await;
        act(&admin, "delete", "Item", &inside).await.ok();
        assert_eq!(act(&admin, "destroy", "Box", &boxes[0]).await.ok()["it"], json!(boxes[0]));
        act(&admin, "destroy", "Box", &boxes[0]).await.refused("NOT_FOUND");
        act(&admin, "restore", "Item", &inside).await.refused("NOT_FOUND");
        assert_eq!(titles(&admin, ", deleted: INCLUDE").await, ["held", "near"], "deleted ones that went along are gone for good too");
        let read = admin.query_with("query($id: ID!) { item(id: $id) { version nearId anyId any { __typename } } }", json!({"id": near})).await;
        assert_eq!(read.ok()["item"], json!({"version": 2, "nearId": null, "anyId": null, "any": null}));
        // It comes back without what it was kept by.
        act(&admin, "restore", "Item", &held).await.ok();
        let restored = admin.query_with("query($id: ID!) { item(id: $id) { keptId } }", json!({"id": held})).await;
        assert_eq!(restored.ok()["item"]["keptId"], json!(null));
        // A deleted record can be destroyed too, and its code is free for ever.
        act(&admin, "delete", "Box", &boxes[1]).await.ok();
        act(&admin, "destroy", "Box", &boxes[1]).await.ok();
        let none = admin.query("{ boxes(deleted: INCLUDE) { totalCount } }").await;
        assert_eq!(none.ok()["boxes"]["totalCount"], 0);
        assert_eq!(history(&admin, &boxes[1]).await, ["DESTROYED", "DELETED", "CREATED"]);
        assert_eq!(history(&admin, &near).await, ["UPDATED", "CREATED"]);
        assert_eq!(history(&admin, &held).await, ["RESTORED", "UPDATED", "DELETED", "CREATED"]);
    }

    async fn a_merge_moves_every_relation_to_the_survivor(server: Server) {
        let admin = prepare(&server).await;
        let boxes = admin.create_many("Box", ["A", "B", "C"].map(|code| json!({"code": code, "mail": format!("{code}@example.org")}))).await;
        let outer = admin.create("Box", json!({"code": "O", "innerId": boxes[1]})).await;
        let set = "mutation($id: ID!, $inner: ID!) { updateBox(id: $id, data: {innerId: $inner}) { id } }";
        admin.query_with(set, json!({"id": boxes[0], "inner": boxes[1]})).await.ok();
        let item = |title: &str, field: &str, of: usize| json!({"title": title, field: boxes[of]});
        let items = admin.create_many("Item", [
            item("kept", "keptId", 1), item("in a", "insideId", 0), item("in b", "insideId", 1), item("IN A", "insideId", 2),
            item("in c", "insideId", 2), item("near", "nearId", 1), item("any", "anyId", 2), item("was near", "nearId", 1),
        ]).await;
        act(&admin, "delete", "Item", &items[7]).await.ok();
        let variables = json!({"ids": [boxes[0], boxes[1], boxes[2]], "into": boxes[0], "data": {"mail": "b@example.org"}, "dry": true});
        let expected = json!({
            "version": 4, "code": "A", "mail": "b@example.org", "keptItems": {"totalCount": 1},
            "insideItems": {"nodes": [{"title": "in a"}, {"title": "in b"}, {"title": "in c"}]}, "nearItems": {"totalCount": 1},
            "anyItems": {"totalCount": 1}, "outer": {"totalCount": 1}, "inner": null,
        });
        let before = admin.query("{ boxes { totalCount } items { totalCount nodes { version } } }").await;
        assert_eq!(admin.query_with(MERGE, variables.clone()).await.ok()["mergeBoxes"], expected);
        assert_eq!(admin.query("{ boxes { totalCount } items { totalCount nodes { version } } }").await.body, before.body, "a dry run changes nothing");
        let mut wet = variables;
        wet["dry"] = json!(false);
        assert_eq!(admin.query_with(MERGE, wet.clone()).await.ok()["mergeBoxes"], expected);
        let after = admin.query("{ boxes { nodes { code } } gone: boxes(deleted: ONLY, orderBy: [{code: ASC}]) { nodes { code } } twins: items(deleted: ONLY, orderBy: [{title: ASC}]) { nodes { title } } }").await;
        assert_eq!(after.ok(), &json!({
            "boxes": {"nodes": [{"code": "A"}, {"code": "O"}]},
            "gone": {"nodes": [{"code": "B"}, {"code": "C"}]},
            "twins": {"nodes": [{"title": "IN A"}, {"title": "was near"}]},
        }));
        assert_eq!(history(&admin, &boxes[1]).await[0], "MERGED");
        assert_eq!(history(&admin, &boxes[0]).await[..2], ["MERGED", "UPDATED"]);
        assert_eq!(history(&admin, &items[2]).await, ["UPDATED", "CREATED"]);
        // A deleted record that is restored finds the survivor.
        act(&admin, "restore", "Item", &items[7]).await.ok();
        let near = admin.query_with("query($id: ID!) { item(id: $id) { nearId } }", json!({"id": items[7]})).await;
        assert_eq!(near.ok()["item"]["nearId"], json!(boxes[0]));
        admin.query_with(MERGE, wet).await.refused("NOT_FOUND");
        for (ids, into, code) in [
            (json!([]), &outer, "VALIDATION_FAILED"),
            (json!([outer]), &outer, "VALIDATION_FAILED"),
            (json!(["01900000-0000-7000-8000-000000000000"]), &outer, "NOT_FOUND"),
            (json!(vec![&outer; 501]), &boxes[0], "LIMIT_EXCEEDED"),
        ] {
            admin.query_with(MERGE, json!({"ids": ids, "into": into})).await.refused(code);
        }
        let alone = "mutation($ids: [ID!]!, $into: ID!) { a: createBox(data: {}) { id } mergeBoxes(ids: $ids, into: $into, dryRun: true) { id } }";
        admin.query_with(alone, json!({"ids": [outer], "into": boxes[0]})).await.refused("BAD_USER_INPUT");
        // A faulty value refuses the whole merge.
        let faulty = admin.query_with(MERGE, json!({"ids": [outer], "into": boxes[0], "data": {"mail": "x"}})).await;
        assert_eq!(faulty.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["data", "mail"]));
        let total = admin.query("{ boxes { totalCount } }").await;
        assert_eq!(total.ok()["boxes"]["totalCount"], 2);
    }

    async fn a_wrong_version_tells_both(server: Server) {
        let admin = prepare(&server).await;
        let id = admin.create("Box", json!({"code": "A"})).await;
        for text in ["mutation($id: ID!) { updateBox(id: $id, data: {count: 2}, ifVersion: 7) { id } }", "mutation($id: ID!) { deleteBox(id: $id, ifVersion: 7) { id } }"] {
            let answer = admin.query_with(text, json!({"id": id})).await;
            answer.refused("CONFLICT");
            assert!(answer.errors()[0]["message"].as_str().is_some_and(|text| text.contains("version 1") && text.contains('7')), "{answer}");
            assert_eq!(answer.issues()[0]["path"], json!(["ifVersion"]));
        }
    }
}
