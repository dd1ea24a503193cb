//! Hierarchies: all records above and below one, under the rights of the reader; no record ever stands above itself.

use cardine_tests::{Answer, Chance, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn units() -> Value {
    json!({"name": "Unit", "plural": "Units", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true, "unique": true},
        {"name": "cost", "type": "money"},
        {"name": "above", "type": "reference", "to": "Unit", "inverse": "below", "hierarchy": true},
        {"name": "unitCount", "type": "rollup", "relation": "descendants", "function": "COUNT"},
        {"name": "wholeCost", "type": "rollup", "relation": "descendants", "function": "SUM", "field": "cost", "filter": "cost > 1", "scope": "ALL"},
        {"name": "level", "type": "rollup", "relation": "ancestors", "function": "COUNT"}
    ]})
}

/// ```text
/// a ─ b ─ c ─ d
/// │   └ e
/// └ f          g ─ h
/// ```
async fn prepare(server: &Server) -> (Client, Vec<String>) {
    let admin = server.admin().await;
    admin.create_module(units()).await.ok();
    let mut ids: Vec<String> = Vec::new();
    for (position, above) in [None, Some(0), Some(1), Some(2), Some(1), Some(0), None, Some(6)].into_iter().enumerate()
    {
        let above = above.map(|above: usize| ids[above].clone());
        let code = char::from(b'a' + u8::try_from(position).expect("eight units")).to_string();
        let unit = json!({"code": code, "cost": (position + 1).to_string(), "aboveId": above});
        ids.push(admin.create("Unit", unit).await);
    }
    (admin, ids)
}

/// The codes of a list of nodes, in their order.
fn codes(list: &Value) -> String {
    let nodes = list["nodes"].as_array().expect("nodes");
    nodes.iter().map(|node| node["code"].as_str().expect("a code")).collect()
}

async fn related(client: &Client, id: &str, relation: &str) -> String {
    let text = format!(
        "query($id: ID!) {{ unit(id: $id) {{ {relation}(orderBy: [{{code: ASC}}]) {{ totalCount nodes {{ code }} }} }} }}"
    );
    let answer = client.query_with(&text, json!({"id": id})).await;
    let list = &answer.ok()["unit"][relation];
    assert_eq!(list["totalCount"], json!(list["nodes"].as_array().expect("nodes").len()), "{answer}");
    codes(list)
}

async fn found(client: &Client, filter: &str) -> String {
    let text = format!("{{ units(filter: {filter}, orderBy: [{{code: ASC}}]) {{ nodes {{ code }} }} }}");
    codes(&client.query(&text).await.ok()["units"])
}

async fn place(client: &Client, id: &str, above: Option<&str>) -> Answer {
    let text = "mutation($id: ID!, $above: ID) { updateUnit(id: $id, data: {aboveId: $above}) { aboveId } }";
    client.query_with(text, json!({"id": id, "above": above})).await
}

fn is_circle(answer: &Answer, path: Value) {
    answer.refused("VALIDATION_FAILED");
    let issues = answer.issues();
    assert_eq!((&issues[0]["rule"], &issues[0]["path"]), (&json!("cycle"), &path), "{answer}");
}

/// Follows the references up from every unit: each must come to an end.
async fn has_no_circle(admin: &Client) {
    let answer = admin.query("{ units(first: 1000, deleted: INCLUDE) { nodes { id aboveId } } }").await;
    let nodes = answer.ok()["units"]["nodes"].as_array().expect("nodes").clone();
    for node in &nodes {
        let (mut at, mut steps) = (node, 0);
        while let Some(next) = nodes.iter().find(|other| other["id"] == at["aboveId"]) {
            (at, steps) = (next, steps + 1);
            assert!(steps <= nodes.len(), "a circle: {answer}");
        }
    }
}

on_both_databases! {
    async fn all_above_and_below_are_listed_per_record(server: Server) {
        let (admin, ids) = prepare(&server).await;
        for (unit, above, below) in
            [(0, "", "bcdef"), (1, "a", "cde"), (2, "ab", "d"), (3, "abc", ""), (4, "ab", ""), (5, "a", ""), (6, "", "h"), (7, "g", "")]
        {
            assert_eq!(related(&admin, &ids[unit], "ancestors").await, above);
            assert_eq!(related(&admin, &ids[unit], "descendants").await, below);
        }
        // Pages, filters, orders, figures and counts are those of each parent.
        let text = "{ units(orderBy: [{code: ASC}], first: 3) { nodes { code unitCount wholeCost level \
            descendants(first: 2, orderBy: [{code: DESC}], filter: {cost: {gt: \"3\"}}) { \
              totalCount pageInfo { hasNextPage endCursor } nodes { code ancestors(orderBy: [{code: ASC}], last: 1) { totalCount nodes { code } } } \
              aggregate { count sum { cost } } } } } }";
        let answer = admin.query(text).await;
        let mut nodes = answer.ok()["units"]["nodes"].clone();
        for node in nodes.as_array_mut().expect("nodes") {
            node["descendants"]["pageInfo"].as_object_mut().expect("a page").remove("endCursor");
        }
        let node = |code: &str, total: u32, above: &str| json!({"code": code, "ancestors": {"totalCount": total, "nodes": [{"code": above}]}});
        let unit = |code: &str, count: u32, cost: Value, level: u32, more: bool, nodes: Value, sum: (u32, &str)| json!({
            "code": code, "unitCount": count, "wholeCost": cost, "level": level,
            "descendants": {"totalCount": sum.0, "pageInfo": {"hasNextPage": more}, "nodes": nodes, "aggregate": {"count": sum.0, "sum": {"cost": sum.1}}}
        });
        assert_eq!(nodes, json!([
            unit("a", 5, json!("20.00"), 0, true, json!([node("f", 1, "a"), node("e", 2, "b")]), (3, "15.00")),
            unit("b", 3, json!("12.00"), 1, false, json!([node("e", 2, "b"), node("d", 3, "c")]), (2, "9.00")),
            unit("c", 1, json!("4.00"), 2, false, json!([node("d", 3, "c")]), (1, "4.00")),
        ]));
        // The next page goes on behind the cursor.
        let cursor = answer.ok()["units"]["nodes"][0]["descendants"]["pageInfo"]["endCursor"].clone();
        let text = "query($id: ID!, $after: String) { unit(id: $id) { descendants(first: 2, orderBy: [{code: DESC}], filter: {cost: {gt: \"3\"}}, after: $after) { nodes { code } } } }";
        assert_eq!(codes(&admin.query_with(text, json!({"id": ids[0], "after": cursor})).await.ok()["unit"]["descendants"]), "d");
        // As filters, as orders by what is rolled up, through references.
        assert_eq!(found(&admin, &format!("{{ancestors: {{some: {{id: {{eq: \"{}\"}}}}}}}}", ids[1])).await, "cde");
        assert_eq!(found(&admin, "{descendants: {some: {code: {eq: \"d\"}}}}").await, "abc");
        assert_eq!(found(&admin, "{descendants: {none: {}}}").await, "defh");
        assert_eq!(found(&admin, "{ancestors: {every: {code: {in: [\"a\", \"b\"]}}}, level: {gte: 2}}").await, "ce");
        assert_eq!(found(&admin, "{above: {ancestors: {some: {code: {eq: \"a\"}}}}}").await, "cde");
        assert_eq!(found(&admin, "{above: {descendants: {some: {code: {eq: \"e\"}}}}}").await, "bcef");
        assert_eq!(found(&admin, "{unitCount: {gt: 2}, wholeCost: {lt: \"15\"}}").await, "b");
        let groups = admin.query("{ unitGroups(groupBy: [{level: true}], orderBy: [{key: {level: ASC}}]) { key { level } count } }").await;
        let counts: Vec<&Value> = groups.ok()["unitGroups"].as_array().expect("groups").iter().map(|group| &group["count"]).collect();
        assert_eq!(json!(counts), json!([2, 3, 2, 1]));
        // Nothing is written through them.
        let text = "mutation($id: ID!) { updateUnit(id: $id, data: {descendants: {set: []}}) { id } }";
        admin.query_with(text, json!({"id": ids[0]})).await.refused("BAD_USER_INPUT");
    }

    async fn a_way_ends_at_what_is_not_seen(server: Server) {
        let (admin, ids) = prepare(&server).await;
        admin.create_role("reader", None).await;
        admin.set_access("reader", "Unit", json!({"read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}})).await;
        admin.create_user("reader@example.org", "a long enough pass phrase", "reader").await;
        let reader = server.sign_in("reader@example.org", "a long enough pass phrase").await;
        let own = reader.own_id().await;
        // All but `b`: whether `c` stands below `a` is told by `b` alone.
        for position in [0, 2, 3, 4, 5] {
            let text = "mutation($id: ID!, $owner: ID!) { updateUnit(id: $id, data: {ownerId: $owner}) { id } }";
            admin.query_with(text, json!({"id": ids[position], "owner": own})).await.ok();
        }
        assert_eq!(related(&reader, &ids[0], "descendants").await, "f");
        assert_eq!(related(&reader, &ids[3], "ancestors").await, "c");
        assert_eq!(related(&reader, &ids[2], "ancestors").await, "");
        assert_eq!(found(&reader, "{descendants: {some: {code: {eq: \"d\"}}}}").await, "c");
        assert_eq!(found(&reader, "{ancestors: {none: {}}}").await, "ace");
        assert_eq!(found(&reader, "{unitCount: {eq: 1}}").await, "ac");
        // What counts everything says so, and nothing else does.
        let answer = reader.query_with("query($id: ID!) { unit(id: $id) { unitCount wholeCost descendants { totalCount } } }", json!({"id": ids[0]})).await;
        assert_eq!(answer.ok()["unit"], json!({"unitCount": 1, "wholeCost": "20.00", "descendants": {"totalCount": 1}}));
        // Where the hidden record stands changes nothing of it.
        place(&admin, &ids[1], Some(&ids[6])).await.ok();
        assert_eq!(related(&reader, &ids[0], "descendants").await, "f");
        assert_eq!(related(&reader, &ids[3], "ancestors").await, "c");
        place(&admin, &ids[1], Some(&ids[0])).await.ok();
        // Without the reference there is no hierarchy.
        admin.set_access("reader", "Unit", json!({"fields": {"*": "WRITE", "above": "NONE"}})).await;
        reader.query_with("query($id: ID!) { unit(id: $id) { descendants { totalCount } } }", json!({"id": ids[0]})).await.refused("BAD_USER_INPUT");
        reader.query("{ units(filter: {ancestors: {none: {}}}) { totalCount } }").await.refused("BAD_USER_INPUT");
        reader.query("{ units { nodes { unitCount } } }").await.refused("BAD_USER_INPUT");

        // A deleted record ends the way as one out of sight does, and stands at its end for whom may ask for deleted ones.
        let delete = "mutation($id: ID!) { deleteUnit(id: $id) { id } }";
        admin.query_with(delete, json!({"id": ids[1]})).await.ok();
        assert_eq!(related(&admin, &ids[0], "descendants").await, "f");
        let text = "query($id: ID!) { unit(id: $id) { descendants(deleted: INCLUDE, orderBy: [{code: ASC}]) { nodes { code } } } }";
        assert_eq!(codes(&admin.query_with(text, json!({"id": ids[0]})).await.ok()["unit"]["descendants"]), "bf");
        admin.query_with("mutation($id: ID!) { restoreUnit(id: $id) { id } }", json!({"id": ids[1]})).await.ok();
        assert_eq!(related(&admin, &ids[0], "descendants").await, "bcdef");
        admin.query_with("mutation($id: ID!) { destroyUnit(id: $id) }", json!({"id": ids[1]})).await.ok();
        assert_eq!(related(&admin, &ids[0], "descendants").await, "f");
        assert_eq!(related(&admin, &ids[3], "ancestors").await, "c");
    }

    async fn no_record_comes_to_stand_above_itself(server: Server) {
        let (admin, ids) = prepare(&server).await;
        let at = json!(["data", "aboveId"]);
        is_circle(&place(&admin, &ids[0], Some(&ids[0])).await, at.clone());
        is_circle(&place(&admin, &ids[0], Some(&ids[3])).await, at.clone());
        // Past a deleted record too, which may come back.
        admin.query_with("mutation($id: ID!) { deleteUnit(id: $id) { id } }", json!({"id": ids[2]})).await.ok();
        is_circle(&place(&admin, &ids[1], Some(&ids[3])).await, at);
        admin.query_with("mutation($id: ID!) { restoreUnit(id: $id) { id } }", json!({"id": ids[2]})).await.ok();
        // By filter, nested, and by several mutations of one operation.
        let text = "mutation($id: ID!) { updateUnits(filter: {code: {in: [\"f\", \"a\"]}}, data: {aboveId: $id}) { count } }";
        is_circle(&admin.query_with(text, json!({"id": ids[3]})).await, json!(["data", "aboveId"]));
        let text = "mutation($id: ID!, $other: ID!) { updateUnit(id: $id, data: {below: {connect: [$other]}}) { id } }";
        is_circle(&admin.query_with(text, json!({"id": ids[3], "other": ids[0]})).await, json!(["data", "below", "connect", 0, "aboveId"]));
        let text = "mutation($id: ID!, $other: ID!) { createUnit(data: {code: \"x\", aboveId: $id, below: {connect: [$other]}}) { id } }";
        admin.query_with(text, json!({"id": ids[3], "other": ids[0]})).await.refused("VALIDATION_FAILED");
        let text = "mutation($a: ID!, $g: ID!) { one: updateUnit(id: $a, data: {aboveId: $g}) { id } two: updateUnit(id: $g, data: {aboveId: $a}) { id } }";
        admin.query_with(text, json!({"a": ids[0], "g": ids[6]})).await.refused("VALIDATION_FAILED");
        // Nothing of it was written; and what makes no circle is.
        assert_eq!(related(&admin, &ids[0], "descendants").await, "bcdef");
        assert_eq!(related(&admin, &ids[6], "descendants").await, "h");
        let text = "mutation($b: ID!, $h: ID!, $x: ID!) { one: updateUnit(id: $b, data: {aboveId: $h}) { id } two: updateUnit(id: $x, data: {aboveId: null}) { id } \
            three: createUnit(data: {code: \"x\", above: {create: {code: \"y\", aboveId: $b}}, below: {connect: [$x]}}) { id } }";
        admin.query_with(text, json!({"b": ids[1], "h": ids[7], "x": ids[5]})).await.ok();
        assert_eq!(related(&admin, &ids[6], "descendants").await, "bcdefhxy");
        assert_eq!(related(&admin, &ids[5], "ancestors").await, "bghxy");
    }

    async fn a_hierarchy_has_an_end(server: Server) {
        let (admin, ids) = prepare(&server).await;
        // Below `a`, so that the hundredth level is reached.
        let mut above = ids[0].clone();
        for number in 2..=100 {
            above = admin.create("Unit", json!({"code": format!("n{number}"), "aboveId": above})).await;
        }
        let answer = admin.query_with("query($id: ID!) { unit(id: $id) { level ancestors(first: 100) { totalCount } } }", json!({"id": above})).await;
        assert_eq!(answer.ok()["unit"], json!({"level": 99, "ancestors": {"totalCount": 99}}));
        let answer = admin.query_with("query($id: ID!) { unit(id: $id) { unitCount } }", json!({"id": ids[0]})).await;
        assert_eq!(answer.ok()["unit"]["unitCount"], 5 + 99);
        let deeper = admin.query_with("mutation($id: ID!) { createUnit(data: {code: \"deep\", aboveId: $id}) { id } }", json!({"id": above})).await;
        deeper.refused("VALIDATION_FAILED");
        assert_eq!(deeper.issues()[0]["rule"], "levels");
        // What has others below it brings them along.
        let moved = place(&admin, &ids[0], Some(&ids[6])).await;
        moved.refused("VALIDATION_FAILED");
        assert_eq!(moved.issues()[0]["rule"], "levels");
    }

    async fn writers_at_once_make_no_circle(server: Server) {
        let admin = server.admin().await;
        admin.create_module(units()).await.ok();
        let ids = admin.create_many("Unit", (0..6).map(|number| json!({"code": format!("u{number}")}))).await;
        // All want the circle, each a part of it.
        for _ in 0..6 {
            let moves = (0..6).map(|number| {
                let (admin, id, above) = (admin.clone(), ids[number].clone(), ids[(number + 1) % 6].clone());
                tokio::spawn(async move { place(&admin, &id, Some(&above)).await })
            });
            let mut refused = 0;
            for answer in futures_util::future::join_all(moves).await {
                let answer = answer.expect("a task ends");
                if answer.codes().is_empty() { answer.ok(); } else { is_circle(&answer, json!(["data", "aboveId"])); refused += 1; }
            }
            assert!(refused > 0, "one of them closes the circle");
            has_no_circle(&admin).await;
            admin.query("mutation { updateUnits(filter: {id: {isNull: false}}, data: {aboveId: null}) { count } }").await.ok();
        }
        // Anything goes anywhere.
        let moves = (1..=64).map(|seed| {
            let (admin, ids) = (admin.clone(), ids.clone());
            tokio::spawn(async move {
                let mut chance = Chance::new(seed);
                for _ in 0..5 {
                    let (unit, above): (&String, &String) = (chance.item(&ids), chance.item(&ids));
                    let answer = place(&admin, unit, Some(above)).await;
                    if !answer.codes().is_empty() { is_circle(&answer, json!(["data", "aboveId"])); }
                }
            })
        });
        for ended in futures_util::future::join_all(moves).await {
            ended.expect("a task ends");
        }
        has_no_circle(&admin).await;
    }

    async fn a_survivor_takes_the_place_of_what_stood_above_it(server: Server) {
        let (admin, ids) = prepare(&server).await;
        let merge = "mutation($ids: [ID!]!, $into: ID!) { mergeUnits(ids: $ids, into: $into) { aboveId } }";
        // `d` stood two levels below `b`: it comes below `a`, and what stood below `b` comes below it.
        let answer = admin.query_with(merge, json!({"ids": [ids[1]], "into": ids[3]})).await;
        assert_eq!(answer.ok()["mergeUnits"]["aboveId"], json!(ids[0]));
        assert_eq!(related(&admin, &ids[3], "descendants").await, "ce");
        assert_eq!(related(&admin, &ids[2], "ancestors").await, "ad");
        // The top and one below another: the survivor is at the top.
        let answer = admin.query_with(merge, json!({"ids": [ids[0], ids[4]], "into": ids[2]})).await;
        assert_eq!(answer.ok()["mergeUnits"]["aboveId"], json!(null));
        assert_eq!(related(&admin, &ids[2], "descendants").await, "df");
        // Beside it nothing changes for the survivor.
        let answer = admin.query_with(merge, json!({"ids": [ids[6]], "into": ids[5]})).await;
        assert_eq!(answer.ok()["mergeUnits"]["aboveId"], json!(ids[2]));
        assert_eq!(related(&admin, &ids[5], "descendants").await, "h");
        has_no_circle(&admin).await;
    }

    async fn a_hierarchy_is_declared_over_records_that_make_one(server: Server) {
        let admin = server.admin().await;
        let mut plain = units();
        let fields = plain["fields"].as_array_mut().expect("fields");
        fields.truncate(3);
        fields[2].as_object_mut().expect("a field").remove("hierarchy");
        admin.create_module(plain).await.ok();
        let ids = admin.create_many("Unit", ["a", "b", "c"].map(|code| json!({"code": code}))).await;
        for (unit, above) in [(0, 1), (1, 0), (2, 0)] {
            place(&admin, &ids[unit], Some(&ids[above])).await.ok();
        }
        let declare = json!({"module": "Unit", "name": "above", "patch": {"hierarchy": true}});
        let refused = admin.change("updateField", declare.clone()).await;
        refused.refused("VALIDATION_FAILED");
        assert_eq!(refused.issues().len(), 4, "{refused}");
        assert_eq!(refused.issues()[0]["path"], json!(["patch", "hierarchy"]));
        place(&admin, &ids[0], None).await.ok();
        admin.change("updateField", declare).await.ok();
        assert_eq!(related(&admin, &ids[0], "descendants").await, "bc");
        is_circle(&place(&admin, &ids[0], Some(&ids[2])).await, json!(["data", "aboveId"]));

        // What rolls it up needs it.
        let count = json!({"name": "unitCount", "type": "rollup", "relation": "descendants", "function": "COUNT"});
        admin.add_field("Unit", count).await.ok();
        let give_up = json!({"module": "Unit", "name": "above", "patch": {"hierarchy": false}});
        admin.change("updateField", give_up).await.refused("VALIDATION_FAILED");
        admin.change("renameField", json!({"module": "Unit", "name": "above", "to": "parent"})).await.ok();
        let answer = admin.query("{ units(orderBy: [{code: ASC}]) { nodes { unitCount } } }").await;
        assert_eq!(answer.ok()["units"]["nodes"], json!([{"unitCount": 2}, {"unitCount": 0}, {"unitCount": 0}]));
        admin.change("retireField", json!({"module": "Unit", "name": "parent"})).await.refused("VALIDATION_FAILED");
        admin.change("retireField", json!({"module": "Unit", "name": "parent", "force": true})).await.ok();
        admin.query("{ units { nodes { descendants { totalCount } } } }").await.refused("BAD_USER_INPUT");
        admin.change("restoreField", json!({"module": "Unit", "name": "parent"})).await.ok();
        assert_eq!(related(&admin, &ids[0], "descendants").await, "bc");

        for (field, rule) in [
            (json!({"name": "other", "type": "reference", "to": "Unit", "hierarchy": true}), "nameTaken"),
            (json!({"name": "other", "type": "reference", "to": "Contact", "hierarchy": true}), "ownModule"),
            (json!({"name": "other", "type": "reference", "to": ["Unit", "Contact"], "hierarchy": true}), "ownModule"),
            (json!({"name": "other", "type": "text", "hierarchy": true}), "notForThisType"),
        ] {
            let refused = admin.add_field("Unit", field.clone()).await;
            refused.refused("VALIDATION_FAILED");
            assert!(refused.issues().iter().any(|issue| issue["rule"] == rule), "{field}: {refused}");
        }
        let taken = json!({"name": "Shelf", "plural": "Shelves", "fields": [
            {"name": "descendants", "type": "integer"}, {"name": "within", "type": "reference", "to": "Shelf", "hierarchy": true}]});
        let refused = admin.create_module(taken).await;
        refused.refused("VALIDATION_FAILED");
        assert_eq!(refused.issues()[0]["path"], json!(["definition", "fields", 1, "hierarchy"]), "{refused}");
    }
}
