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

const UPSERT_MANY: &str = "mutation($data: [BoxUpsert!]!) { upsertBoxes(data: $data) { id version code city mail count outer { totalCount } } }";

async fn upsert_many(client: &Client, data: Value) -> Answer {
    client.query_with(UPSERT_MANY, json!({"data": data})).await
}

/// `restoreBoxes(filter: …)` and the like.
async fn act_on_many(client: &Client, mutation: &str, filter: &str) -> Answer {
    client.query(&format!("mutation {{ it: {mutation}(filter: {filter}) {{ count ids }} }}")).await
}

/// `rule path` of each issue.
fn faults(answer: &Answer) -> Vec<String> {
    let fault = |issue: &&Value| format!("{} {}", issue["rule"].as_str().expect("a rule"), issue["path"]);
    let mut faults: Vec<String> = answer.issues().iter().map(fault).collect();
    faults.sort();
    faults
}

async fn boxes(client: &Client) -> Value {
    let read = client
        .query("{ boxes(orderBy: [{code: ASC}], deleted: INCLUDE) { nodes { code mail count version deletedAt } } }")
        .await;
    read.ok()["boxes"]["nodes"].clone()
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

    async fn many_records_are_made_and_changed_by_what_tells_each(server: Server) {
        let admin = prepare(&server).await;
        let there = admin.create_many("Box", [json!({"code": "A"}), json!({"code": "B", "mail": "b@example.org"})]).await;
        let data = json!([
            {"match": {"code": "new"}, "data": {"count": 7}},
            {"match": {"mail": " b@EXAMPLE.org"}, "data": {"count": 2}},
            {"match": {"city_street": {"street": "Via 1", "city": "Roma"}}, "data": {"code": "pair"}},
            {"match": {"code": "a"}, "data": {"code": "A", "count": 3, "outer": {"create": [{"code": "inside"}]}}},
            {"match": {"city_street": {"city": "Roma", "street": "Via 2"}}, "data": {}},
        ]);
        let first = upsert_many(&admin, data.clone()).await;
        let records = first.ok()["upsertBoxes"].as_array().expect("a list").clone();
        let told: Vec<Value> = records.iter().map(|record| json!([record["code"], record["version"], record["count"], record["city"], record["outer"]["totalCount"]])).collect();
        assert_eq!(told, [
            json!(["new", 1, 7, null, 0]),
            json!(["B", 2, 2, null, 0]),
            json!(["pair", 1, 1, "Roma", 0]),
            json!(["A", 2, 3, null, 1]),
            json!([null, 1, 1, "Roma", 0]),
        ]);
        assert_eq!((&records[1]["id"], &records[3]["id"]), (&json!(there[1]), &json!(there[0])));
        // In the same order the other way round; what is so already is not changed again.
        let mut back = data;
        let entries = back.as_array_mut().expect("a list");
        entries[3]["data"] = json!({"count": 3});
        entries.reverse();
        let second = upsert_many(&admin, back).await;
        let again = second.ok()["upsertBoxes"].as_array().expect("a list");
        assert!(again.iter().eq(records.iter().rev()), "{second}");
        assert_eq!(upsert_many(&admin, json!([])).await.ok()["upsertBoxes"], json!([]));
        assert_eq!(history(&admin, &there[1]).await, ["UPDATED", "CREATED"]);
        // What is left out of the answer does not change its order.
        let text = "mutation { upsertBoxes(data: [{match: {code: \"zz\"}, data: {}}, {match: {code: \"B\"}, data: {}}]) { code } }";
        assert_eq!(admin.query(text).await.ok()["upsertBoxes"], json!([{"code": "zz"}, {"code": "B"}]));
    }

    async fn every_fault_of_many_that_are_upserted_is_told_and_nothing_is_written(server: Server) {
        let admin = prepare(&server).await;
        let there = [json!({"code": "A", "mail": "a@example.org"}), json!({"code": "B"}), json!({"code": "C"})];
        admin.create_many("Box", there).await;
        let before = boxes(&admin).await;
        for (data, code, expected) in [
            (json!([
                {"match": {"code": "A"}, "data": {"count": 9}},
                {"match": {"code": "X"}, "data": {"mail": "nobody"}},
                {"match": {"code": "B"}, "data": {"mail": "a@example.org"}},
                {"match": {"code": "Y"}, "data": {"mail": "a@example.org"}},
            ]), "VALIDATION_FAILED", vec!["email [\"data\",1,\"data\",\"mail\"]", "unique [\"data\",2,\"data\",\"mail\"]", "unique [\"data\",3,\"data\",\"mail\"]"]),
            (json!([
                {"match": {"code": "new"}, "data": {}},
                {"match": {"code": "B"}, "data": {"count": 2}},
                {"match": {"code": "C"}, "data": {"mail": "a@example.org"}},
            ]), "CONFLICT", vec!["unique [\"data\",2,\"data\",\"mail\"]"]),
            (json!([
                {"match": {"code": "A"}, "data": {"count": 9}},
                {"match": {"mail": "a@example.org"}, "data": {"count": 8}},
                {"match": {"code": "Z"}, "data": {}},
                {"match": {"code": "Z"}, "data": {}},
            ]), "VALIDATION_FAILED", vec!["duplicate [\"data\",1,\"match\"]", "duplicate [\"data\",3,\"match\"]"]),
            (json!([
                {"match": {"code": "new"}, "data": {}},
                {"match": {"mail": "nobody"}, "data": {}},
            ]), "VALIDATION_FAILED", vec!["email [\"data\",1,\"match\",\"mail\"]"]),
        ] {
            let answer = upsert_many(&admin, data).await;
            answer.refused(code);
            assert_eq!(faults(&answer), expected, "{answer}");
            assert_eq!(boxes(&admin).await, before);
        }
        // Two that become one by their values, which no key tells.
        let twins = json!([{"match": {"code": "t"}, "data": {}}, {"match": {"code": "T"}, "data": {}}]);
        upsert_many(&admin, twins).await.refused("CONFLICT");
        let same = json!([{"match": {"code": "B"}, "data": {"mail": "x@example.org"}}, {"match": {"code": "C"}, "data": {"mail": "x@example.org"}}]);
        upsert_many(&admin, same).await.refused("CONFLICT");
        let swapped = json!([{"match": {"code": "A"}, "data": {"mail": null}}, {"match": {"code": "B"}, "data": {"mail": "a@example.org"}}]);
        upsert_many(&admin, swapped).await.refused("CONFLICT");
        for data in [json!([{"match": {"code": "A"}}]), json!([{"data": {}}]), json!([{"match": {}, "data": {}}]), json!([null])] {
            upsert_many(&admin, data).await.refused("BAD_USER_INPUT");
        }
        assert_eq!(boxes(&admin).await, before);
    }

    async fn hidden_records_are_neither_changed_nor_told_by_upserting_many(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let all = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.set_access("clerk", "Box", all).await;
        let clerk = server.create_user_with_role("clerk").await;
        clerk.create("Box", json!({"code": "own"})).await;
        admin.create("Box", json!({"code": "H", "mail": "h@example.org"})).await;
        let before = boxes(&admin).await;
        // Both keys are taken; that they are of one record is not told.
        let data = json!([
            {"match": {"code": "own"}, "data": {"count": 5}},
            {"match": {"code": "H"}, "data": {"count": 9}},
            {"match": {"mail": "h@example.org"}, "data": {"count": 9}},
        ]);
        let refused = clerk.query_with("mutation($data: [BoxUpsert!]!) { upsertBoxes(data: $data) { id } }", json!({"data": data})).await;
        refused.refused("CONFLICT");
        assert_eq!(faults(&refused), ["unique [\"data\",1,\"data\",\"code\"]", "unique [\"data\",2,\"data\",\"mail\"]"], "{refused}");
        assert_eq!(boxes(&admin).await, before);
    }

    async fn of_many_who_upsert_the_same_records_all_find_them(server: Server) {
        let admin = prepare(&server).await;
        let racers: Vec<_> = (0..6).map(|n| {
            let admin = admin.clone();
            let data = json!(["R", "S", "T"].map(|code| json!({"match": {"code": code}, "data": {"count": n}})));
            tokio::spawn(async move { upsert_many(&admin, data).await })
        }).collect();
        let mut ids = Vec::new();
        for racer in racers {
            let answer = racer.await.expect("it ends");
            ids.push(Vec::from_iter(answer.ok()["upsertBoxes"].as_array().expect("a list").iter().map(|record| record["id"].clone())));
        }
        ids.dedup();
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(boxes(&admin).await.as_array().map(Vec::len), Some(3));
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
        for name in ["deleteBox", "deleteBoxes", "restoreBox", "restoreBoxes", "destroyBox", "destroyBoxes", "mergeBoxes"] {
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

    async fn many_come_back_each_with_what_its_delete_took_along(server: Server) {
        let admin = prepare(&server).await;
        let codes = ["one", "two", "live", "other", "twin"].map(|code| json!({"code": code}));
        let ids = admin.create_many("Box", codes).await;
        let item = |title: &str, of: usize| json!({"title": title, "insideId": ids[of]});
        let items = [item("in one", 0), item("before", 0), item("with two", 0), item("in two", 1), item("in other", 3)];
        let items = admin.create_many("Item", items).await;
        act(&admin, "delete", "Item", &items[1]).await.ok();
        // At one instant: a box, and an item of another box.
        let both = "mutation($box: ID!, $item: ID!) { deleteBox(id: $box) { id } deleteItem(id: $item) { id } }";
        admin.query_with(both, json!({"box": ids[1], "item": items[2]})).await.ok();
        for id in [&ids[0], &ids[3], &ids[4]] {
            act(&admin, "delete", "Box", id).await.ok();
        }
        assert_eq!(titles(&admin, "").await, Vec::<String>::new());
        let none = act_on_many(&admin, "restoreBoxes", "{code: {eq: \"live\"}}").await;
        assert_eq!(none.ok()["it"], json!({"count": 0, "ids": []}), "what is not deleted is not found");
        let restored = act_on_many(&admin, "restoreBoxes", "{code: {in: [\"one\", \"two\", \"live\"]}}").await;
        assert_eq!(restored.ok()["it"], json!({"count": 2, "ids": [ids[0], ids[1]]}));
        assert_eq!(titles(&admin, "").await, ["in one", "in two"], "each box brings what went along with it");
        assert_eq!(history(&admin, &ids[1]).await, ["RESTORED", "DELETED", "CREATED"]);
        let read = admin.query_with("query($id: ID!) { box(id: $id) { version deletedAt } }", json!({"id": ids[0]})).await;
        assert_eq!(read.ok()["box"], json!({"version": 3, "deletedAt": null}));
        // A unique value that is somebody else's by now holds all of them back.
        admin.create("Box", json!({"code": "TWIN"})).await;
        let refused = act_on_many(&admin, "restoreBoxes", "{code: {in: [\"other\", \"twin\"]}}").await;
        assert!(refused.refused("CONFLICT").text.contains("code"), "{refused}");
        assert_eq!(titles(&admin, "").await, ["in one", "in two"]);
        let rest = act_on_many(&admin, "restoreItems", "{inside: {code: {eq: \"one\"}}}").await;
        assert_eq!(rest.ok()["it"], json!({"count": 2, "ids": [items[1], items[2]]}));
        assert_eq!(titles(&admin, "").await, ["before", "in one", "in two", "with two"]);
    }

    async fn many_are_destroyed_deleted_before_or_not(server: Server) {
        let admin = prepare(&server).await;
        let ids = admin.create_many("Box", ["A", "B", "C", "D"].map(|code| json!({"code": code}))).await;
        act(&admin, "delete", "Box", &ids[1]).await.ok();
        act(&admin, "delete", "Box", &ids[2]).await.ok();
        let held = admin.create("Item", json!({"title": "held", "keptId": ids[0]})).await;
        let near = admin.create("Item", json!({"title": "near", "nearId": ids[0]})).await;
        let inside = admin.create("Item", json!({"title": "inside", "insideId": ids[0]})).await;
        let before = boxes(&admin).await;
        let refused = act_on_many(&admin, "destroyBoxes", "{code: {in: [\"A\", \"B\"]}}").await;
        assert!(refused.refused("CONFLICT").text.contains("Items"), "{refused}");
        assert_eq!(boxes(&admin).await, before, "one that is held back holds the others back");
        act(&admin, "destroy", "Item", &held).await.ok();
        let destroyed = act_on_many(&admin, "destroyBoxes", "{code: {in: [\"A\", \"B\"]}}").await;
        assert_eq!(destroyed.ok()["it"], json!({"count": 2, "ids": [ids[0], ids[1]]}));
        act(&admin, "restore", "Item", &inside).await.refused("NOT_FOUND");
        let read = admin.query_with("query($id: ID!) { item(id: $id) { version nearId } }", json!({"id": near})).await;
        assert_eq!(read.ok()["item"], json!({"version": 2, "nearId": null}));
        assert_eq!(history(&admin, &ids[0]).await, ["DESTROYED", "CREATED"]);
        assert_eq!(history(&admin, &ids[1]).await, ["DESTROYED", "DELETED", "CREATED"]);
        // The recycle bin is emptied by what its records have in common.
        let emptied = act_on_many(&admin, "destroyBoxes", "{deletedAt: {isNull: false}}").await;
        assert_eq!(emptied.ok()["it"], json!({"count": 1, "ids": [ids[2]]}));
        assert_eq!(boxes(&admin).await.as_array().map(Vec::len), Some(1));
        let again = act_on_many(&admin, "destroyBoxes", "{code: {in: [\"A\", \"B\", \"C\"]}}").await;
        assert_eq!(again.ok()["it"], json!({"count": 0, "ids": []}));
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
