//! Stored rollups: columns that always have what the same rollup gives that is computed when it is read, whatever is written by how many.

use std::process::Output;

use cardine_tests::{Answer, Chance, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Each rollup twice: with a column, and without.
const ROLLUPS: [&str; 7] = ["pieces", "lines", "dearest", "mean", "dear", "worth", "lastDay"];

fn rollup(name: &str, stored: bool) -> Value {
    let mut rollup = match name {
        "pieces" => json!({"function": "SUM", "field": "pieces"}),
        "lines" => json!({"function": "COUNT"}),
        "dearest" => json!({"function": "MAX", "field": "price"}),
        "mean" => json!({"function": "AVG", "field": "price"}),
        "dear" => json!({"function": "COUNT", "filter": "isDear && state in [\"NEW\", \"PAID\"]"}),
        "worth" => json!({"function": "SUM", "field": "worth", "filter": "state != \"VOID\""}),
        _ => json!({"function": "MAX", "field": "day"}),
    };
    rollup["name"] = json!(if stored { format!("{name}Kept") } else { name.to_owned() });
    rollup["type"] = json!("rollup");
    rollup["relation"] = json!("items");
    rollup["scope"] = json!("ALL");
    if stored {
        rollup["stored"] = json!(true);
        rollup["indexed"] = json!(true);
    }
    rollup
}

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let boxes = json!({"name": "Box", "plural": "Boxes", "nameField": "code", "fields": [
        {"name": "code", "type": "text"}, {"name": "shelf", "type": "reference", "to": "Contact"}]});
    admin.create_module(boxes).await.ok();
    let items = json!({"name": "Item", "plural": "Items", "fields": [
        {"name": "box", "type": "reference", "to": "Box", "inverse": "items", "onDelete": "CASCADE"},
        {"name": "pieces", "type": "integer"}, {"name": "price", "type": "money"}, {"name": "day", "type": "date"},
        {"name": "state", "type": "choice", "options": [{"value": "NEW"}, {"value": "PAID"}, {"value": "VOID"}]},
        {"name": "worth", "type": "formula", "returns": "decimal", "scale": 3, "rule": "price * pieces / 3"},
        {"name": "isDear", "type": "formula", "returns": "boolean", "rule": "worth > 10"},
        {"name": "note", "type": "text"}]});
    admin.create_module(items).await.ok();
    for name in ROLLUPS {
        admin.add_field("Box", rollup(name, false)).await.ok();
    }
    admin
}

async fn declare(admin: &Client) {
    for name in ROLLUPS {
        admin.add_field("Box", rollup(name, true)).await.ok();
    }
    let half = json!({"name": "half", "type": "formula", "returns": "decimal", "scale": 4, "rule": "mean / 2 + lines"});
    let half_kept = json!({"name": "halfKept", "type": "formula", "returns": "decimal", "scale": 4, "rule": "meanKept / 2 + linesKept"});
    admin.add_field("Box", half).await.ok();
    admin.add_field("Box", half_kept).await.ok();
}

/// Deleted boxes too; gives how many there are.
async fn all_alike(admin: &Client) -> usize {
    let fields: Vec<String> = ROLLUPS.iter().chain(&["half"]).map(|name| format!("{name} {name}Kept")).collect();
    let text = format!("{{ boxes(first: 1000, deleted: INCLUDE) {{ nodes {{ id {} }} }} }}", fields.join(" "));
    let answer = admin.query(&text).await;
    let nodes = answer.ok()["boxes"]["nodes"].as_array().expect("nodes").clone();
    for node in &nodes {
        for name in ROLLUPS.iter().chain(&["half"]) {
            assert_eq!(node[name], node[format!("{name}Kept")], "{name} of {node}");
        }
    }
    nodes.len()
}

fn item(chance: &mut Chance, boxes: &[String]) -> Value {
    let mut item = json!({
        "pieces": chance.below(9), "price": format!("{}.{}", chance.below(30), chance.below(10)),
        "day": format!("2026-0{}-11", 1 + chance.below(9)),
        "state": (["NEW", "PAID", "VOID"][chance.below(3)])
    });
    for name in ["pieces", "price", "day", "state"] {
        if chance.one_in(7) {
            item[name] = Value::Null;
        }
    }
    item["boxId"] = if chance.one_in(8) { Value::Null } else { json!(chance.below(boxes.len()).min(boxes.len() - 1)) };
    if let Some(place) = item["boxId"].as_u64() {
        item["boxId"] = json!(boxes[usize::try_from(place).expect("a place")]);
    }
    item
}

async fn ids(admin: &Client, list: &str, deleted: &str) -> Vec<String> {
    let answer = admin.query(&format!("{{ {list}(first: 1000, deleted: {deleted}) {{ nodes {{ id }} }} }}")).await;
    let nodes = answer.ok()[list]["nodes"].as_array().expect("nodes").clone();
    nodes.iter().map(|node| node["id"].as_str().expect("an id").to_owned()).collect()
}

/// One write of any kind. Others may have taken its records away meanwhile.
async fn write_something(admin: &Client, chance: &mut Chance) -> Answer {
    let deleted = if chance.one_in(3) { "ONLY" } else { "EXCLUDE" };
    let (boxes, items) = (ids(admin, "boxes", "EXCLUDE").await, ids(admin, "items", deleted).await);
    if boxes.len() < 3 || items.is_empty() {
        return admin
            .query("mutation { createBox(data: {items: {create: [{pieces: 2, price: \"5\"}, {pieces: 1}]}}) { id } }")
            .await;
    }
    let some = |chance: &mut Chance, from: &[String]| from[chance.below(from.len())].clone();
    let (one, other, which) = (some(chance, &boxes), some(chance, &boxes), some(chance, &items));
    let data = item(chance, &boxes);
    let (text, variables) = match chance.below(14) {
        0 | 1 => ("mutation($data: ItemCreate!) { createItem(data: $data) { id } }", json!({"data": data})),
        2 => (
            "mutation($data: [ItemCreate!]!) { createItems(data: $data) { id } }",
            json!({"data": [data, item(chance, &boxes)]}),
        ),
        3 | 4 => (
            "mutation($id: ID!, $data: ItemUpdate!) { updateItem(id: $id, data: $data) { id } }",
            json!({"id": which, "data": data}),
        ),
        5 => (
            "mutation($id: ID!, $box: ID) { updateItem(id: $id, data: {boxId: $box}) { id } }",
            json!({"id": which, "box": one}),
        ),
        6 => (
            "mutation($box: ID!, $to: ID!) { updateItems(filter: {boxId: {eq: $box}}, data: {boxId: $to, state: PAID}) { count } }",
            json!({"box": one, "to": other}),
        ),
        7 => ("mutation($id: ID!) { deleteItem(id: $id) { id } }", json!({"id": which})),
        8 => ("mutation($id: ID!) { restoreItem(id: $id) { id } }", json!({"id": which})),
        9 => ("mutation($id: ID!) { destroyItem(id: $id) }", json!({"id": which})),
        10 => ("mutation($id: ID!) { deleteBox(id: $id) { id } }", json!({"id": one})),
        11 => (
            "mutation($ids: [ID!]!, $into: ID!) { mergeBoxes(ids: $ids, into: $into) { id } }",
            json!({"ids": [one], "into": other}),
        ),
        12 => {
            let gone = ids(admin, "boxes", "ONLY").await;
            let id = if gone.is_empty() { one } else { some(chance, &gone) };
            let text = match chance.one_in(2) {
                true => "mutation($id: ID!) { restoreBox(id: $id) { id } }",
                false => "mutation($id: ID!) { destroyBox(id: $id) }",
            };
            (text, json!({"id": id}))
        }
        _ => (
            "mutation($id: ID!, $item: ID!) { updateBox(id: $id, data: {items: {connect: [$item], create: [{price: \"12\", pieces: 3, state: NEW}]}}) { id } }",
            json!({"id": one, "item": which}),
        ),
    };
    admin.query_with(text, variables).await
}

/// What is refused is so because others were faster, or because the records are gone.
fn is_in_order(answer: &Answer) {
    let fine = ["NOT_FOUND", "CONFLICT", "VALIDATION_FAILED"];
    assert!(answer.codes().iter().all(|code| fine.contains(code)), "{answer}");
}

fn doctor(server: &Server, options: &[&str]) -> Output {
    let mut doctor = cardine_tests::binary::command(&server.data_directory());
    doctor.args(["doctor", "--data"]).arg(server.data_directory()).args(options);
    if let Some(database) = server.postgres() {
        doctor.args(["--database", database.url()]);
    }
    doctor.output().expect("the binary runs")
}

async fn change_past_the_server(server: &Server, statement: &str) {
    match server.postgres() {
        Some(database) => {
            let (client, connection) =
                tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("a connection");
            tokio::spawn(connection);
            client.batch_execute(statement).await.expect("the statement runs");
        }
        None => {
            let file = server.data_directory().join("cardine.db");
            rusqlite::Connection::open(file)
                .expect("the database")
                .execute_batch(statement)
                .expect("the statement runs");
        }
    }
}

on_both_databases! {
    async fn columns_have_what_is_computed_after_any_write(server: Server) {
        let admin = prepare(&server).await;
        // Some records are there before the columns.
        let mut chance = Chance::new(11);
        for _ in 0..30 {
            is_in_order(&write_something(&admin, &mut chance).await);
        }
        declare(&admin).await;
        assert!(all_alike(&admin).await > 2);
        for round in 0..120 {
            is_in_order(&write_something(&admin, &mut chance).await);
            if round % 6 == 0 {
                all_alike(&admin).await;
            }
        }
        all_alike(&admin).await;
        // What a mutation answers with has it already; and a new box has none.
        let text = "mutation { createBox(data: {items: {create: [{pieces: 4, price: \"3\"}]}}) { linesKept piecesKept dearestKept meanKept items { nodes { box { linesKept } } } } }";
        let answer = admin.query(text).await;
        assert_eq!(answer.ok()["createBox"], json!({"linesKept": 1, "piecesKept": "4", "dearestKept": "3.00", "meanKept": "3.00", "items": {"nodes": [{"box": {"linesKept": 1}}]}}));
        let answer = admin.query("mutation { createBox(data: {}) { linesKept piecesKept lastDayKept } }").await;
        assert_eq!(answer.ok()["createBox"], json!({"linesKept": 0, "piecesKept": null, "lastDayKept": null}));
        // They filter, order, group and are summed as the others.
        for kept in ["", "Kept"] {
            let text = format!("{{ boxes(first: 1000, filter: {{lines{kept}: {{gt: 0}}, dearest{kept}: {{gte: \"3\"}}, lastDay{kept}: {{isNull: true}}}}, orderBy: [{{pieces{kept}: DESC}}, {{mean{kept}: ASC}}, {{id: ASC}}]) {{ totalCount nodes {{ id }} }} \
                boxGroups(groupBy: [{{lines{kept}: true}}], orderBy: [{{key: {{lines{kept}: ASC}}}}]) {{ key {{ n: lines{kept} }} count sum {{ n: pieces{kept} }} }} }}");
            let answer = admin.query(&text).await;
            let before = answer.ok().clone();
            let again = admin.query(&text.replace("Kept", "")).await;
            assert_eq!(&before, again.ok());
        }
    }

    async fn many_writers_lose_nothing(server: Server) {
        let admin = prepare(&server).await;
        declare(&admin).await;
        let boxes = admin.create_many("Box", (0..3).map(|number| json!({"code": number.to_string()}))).await;
        // All into the same few boxes.
        let writers = (1..=64).map(|seed| {
            let (admin, boxes) = (admin.clone(), boxes.clone());
            tokio::spawn(async move {
                let mut chance = Chance::new(seed);
                for _ in 0..3 {
                    let mut data = item(&mut chance, &boxes);
                    data["pieces"] = json!(1);
                    data["boxId"] = json!(boxes[chance.below(3)]);
                    let made = admin.create("Item", data).await;
                    let text = "mutation($id: ID!, $box: ID!) { updateItem(id: $id, data: {boxId: $box, state: PAID}) { id } }";
                    admin.query_with(text, json!({"id": made, "box": boxes[chance.below(3)]})).await.ok();
                }
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.expect("a task ends");
        }
        all_alike(&admin).await;
        let answer = admin.query("{ boxes { aggregate { sum { piecesKept linesKept } } } }").await;
        assert_eq!(answer.ok()["boxes"]["aggregate"]["sum"], json!({"piecesKept": "192", "linesKept": "192"}));
        // Anything at once. Who deletes a box waits for those who hold its items, and they for the box: some begin anew, in the end alone.
        let writers = (1..=64).map(|seed| {
            let admin = admin.clone();
            tokio::spawn(async move {
                let mut chance = Chance::new(100 + seed);
                for _ in 0..3 {
                    is_in_order(&write_something(&admin, &mut chance).await);
                }
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.expect("a task ends");
        }
        all_alike(&admin).await;
    }

    async fn nobody_waits_in_a_circle(server: Server) {
        let admin = prepare(&server).await;
        declare(&admin).await;
        let boxes = admin.create_many("Box", (0..2).map(|number| json!({"code": number.to_string()}))).await;
        let items = (0..8).map(|number| json!({"pieces": 1, "boxId": boxes[number % 2]}));
        let items = admin.create_many("Item", items).await;
        // Boxes go with their items and come back, while the items are written in their boxes, and new ones come.
        let writers = (1..=32).map(|seed| {
            let (admin, boxes, items) = (admin.clone(), boxes.clone(), items.clone());
            tokio::spawn(async move {
                let mut chance = Chance::new(seed);
                for _ in 0..4 {
                    let (a_box, an_item): (&String, &String) = (chance.item(&boxes), chance.item(&items));
                    let (text, variables) = match seed % 8 {
                        0 => ("mutation($id: ID!) { deleteBox(id: $id) { id } }", json!({"id": a_box})),
                        1 => ("mutation($id: ID!) { restoreBox(id: $id) { id } }", json!({"id": a_box})),
                        2 => (
                            "mutation($id: ID!) { updateItems(filter: {boxId: {eq: $id}}, data: {state: PAID}) { count } }",
                            json!({"id": a_box}),
                        ),
                        3 => (
                            "mutation($a: ID!, $b: ID!) { one: createItem(data: {pieces: 2, boxId: $b}) { id } two: createItem(data: {pieces: 2, boxId: $a}) { id } }",
                            json!({"a": boxes[0], "b": boxes[1]}),
                        ),
                        _ => (
                            "mutation($id: ID!, $pieces: Int!) { updateItem(id: $id, data: {pieces: $pieces}) { id } }",
                            json!({"id": an_item, "pieces": chance.below(9)}),
                        ),
                    };
                    is_in_order(&admin.query_with(text, variables).await);
                }
            })
        });
        for ended in futures_util::future::join_all(writers).await {
            ended.expect("a task ends");
        }
        all_alike(&admin).await;
        // The database would have told so in the server's log, as each of them begins anew.
        assert!(!server.log().contains("deadlock"), "{}", server.log());
    }

    async fn columns_follow_what_modules_become(mut server: Server) {
        let admin = prepare(&server).await;
        declare(&admin).await;
        let mut chance = Chance::new(5);
        for _ in 0..40 {
            is_in_order(&write_something(&admin, &mut chance).await);
        }
        let rules = |rule: &str| json!({"module": "Item", "name": "worth", "patch": {"rule": rule}});
        admin.change("updateField", rules("price * pieces + 1")).await.ok();
        all_alike(&admin).await;
        for name in ["dear", "dearKept"] {
            admin.change("updateField", json!({"module": "Box", "name": name, "patch": {"filter": "pieces > 2"}})).await.ok();
        }
        all_alike(&admin).await;
        admin.change("changeFieldType", json!({"module": "Item", "name": "pieces", "to": "integer"})).await;
        admin.change("renameField", json!({"module": "Item", "name": "price", "to": "cost"})).await.ok();
        admin.change("renameField", json!({"module": "Item", "name": "cost", "to": "price"})).await.ok();
        all_alike(&admin).await;
        // What is retired is kept by nobody, and computed when it comes back.
        let lines = json!({"module": "Box", "name": "linesKept", "force": true});
        admin.change("retireField", lines).await.ok();
        let answer = admin.query("mutation { createItem(data: {pieces: 1, box: {create: {code: \"new\"}}}) { box { id lines } } }").await;
        assert_eq!(answer.ok()["createItem"]["box"]["lines"], 1);
        admin.change("restoreField", json!({"module": "Box", "name": "linesKept"})).await.ok();
        admin.change("restoreField", json!({"module": "Box", "name": "halfKept"})).await.ok();
        all_alike(&admin).await;
        // Computed when read again, and stored again.
        for stored in [false, true] {
            let patch = json!({"module": "Box", "name": "linesKept", "patch": {"stored": stored, "indexed": stored}});
            admin.change("updateField", patch).await.ok();
            is_in_order(&write_something(&admin, &mut chance).await);
            all_alike(&admin).await;
        }
        assert!(server.stop().success());
        let output = doctor(&server, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    async fn what_cannot_be_kept_is_refused(server: Server) {
        let admin = prepare(&server).await;
        let links = json!({"name": "near", "type": "references", "to": "Box", "inverse": "nearTo"});
        admin.add_field("Item", links).await.ok();
        for (faulty, says) in [
            (json!({"function": "COUNT", "scope": "VISIBLE"}), "ALL"),
            (json!({"function": "COUNT", "filter": "day < today()"}), "the time"),
            (json!({"function": "COUNT", "filter": "actor.id == createdBy"}), "who acts"),
            (json!({"function": "COUNT", "filter": "box.code == \"a\""}), "`box` leads to"),
            (json!({"function": "COUNT", "filter": "box != null"}), "the reference `box`"),
            (json!({"function": "COUNT_DISTINCT", "field": "box"}), "the reference `box`"),
            (json!({"function": "COUNT", "relation": "nearTo"}), "links"),
        ] {
            let mut field = json!({"name": "kept", "type": "rollup", "relation": "items", "scope": "ALL", "stored": true});
            field.as_object_mut().expect("a field").extend(faulty.as_object().expect("options").clone());
            let answer = admin.add_field("Box", field.clone()).await;
            answer.refused("VALIDATION_FAILED");
            assert!(answer.issues().iter().any(|issue| issue["path"] == json!(["field", "stored"]) || issue["path"] == json!(["field", "filter"])), "{answer}");
            assert!(answer.text.contains(says), "{field}: {answer}");
        }
        let plain = json!({"name": "kept", "type": "rollup", "relation": "items", "function": "COUNT", "indexed": true});
        admin.add_field("Box", plain).await.refused("VALIDATION_FAILED");
        let text = json!({"name": "kept", "type": "text", "stored": true});
        admin.add_field("Box", text).await.refused("VALIDATION_FAILED");
        // A formula that a stored rollup reads stays one that can be kept.
        declare(&admin).await;
        let patch = json!({"module": "Item", "name": "worth", "patch": {"rule": "day < today() ? 1 : 2"}});
        let refused = admin.change("updateField", patch).await;
        refused.refused("VALIDATION_FAILED");
        assert!(refused.text.contains("the time"), "{refused}");
    }

    async fn the_doctor_finds_and_computes_what_differs(mut server: Server) {
        let admin = prepare(&server).await;
        declare(&admin).await;
        let ids = admin.create_many("Box", (0..3).map(|number| json!({"code": number.to_string()}))).await;
        admin.create_many("Item", (0..4).map(|_| json!({"boxId": ids[0], "pieces": 2, "price": "7.10"}))).await;
        assert!(server.stop().success());
        let output = doctor(&server, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        change_past_the_server(&server, &format!("UPDATE \"box\" SET \"lines_kept\" = 9, \"last_day_kept\" = '2020-02-02' WHERE \"id\" = '{}'", ids[0])).await;
        let output = doctor(&server, &[]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!output.status.success() && told.contains("Box.linesKept") && told.contains("Box.lastDayKept") && told.contains(&ids[0]), "{told}");
        assert!(!told.contains(&ids[1]) && !told.contains("Box.piecesKept"), "{told}");
        let output = doctor(&server, &["--recompute-rollups"]);
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && told.contains("2 values"), "{told}");
        assert!(doctor(&server, &[]).status.success());
        server.restart().await;
        all_alike(&admin).await;
    }
}
