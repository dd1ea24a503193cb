//! Records written inside others: made, connected and disconnected with their parents, under the rights of their own module.

use std::collections::BTreeSet;

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Firms with people and ventures; a person has a boss, and must have a firm.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let firm =
        json!({"name": "Firm", "plural": "Firms", "fields": [{"name": "title", "type": "text", "required": true}]});
    admin.create_module(firm).await.ok();
    let venture = json!({"name": "Venture", "plural": "Ventures", "fields": [
        {"name": "title", "type": "text"},
        {"name": "firm", "type": "reference", "to": "Firm", "inverse": "ventures"},
    ]});
    admin.create_module(venture).await.ok();
    let person = json!({
        "name": "Worker", "plural": "Workers",
        "fields": [
            {"name": "title", "type": "text", "required": true},
            {"name": "age", "type": "integer", "min": 0},
            {"name": "firm", "type": "reference", "to": "Firm", "inverse": "workers", "required": true},
            {"name": "boss", "type": "reference", "to": "Worker", "inverse": "team"},
            {"name": "topic", "type": "reference", "to": ["Firm", "Venture"], "inverse": "experts"},
        ],
        "validations": [{"rule": "age < 90", "message": "nobody is so old", "fields": ["age"]}],
    });
    admin.create_module(person).await.ok();
    admin
}

fn faults(answer: &Answer) -> BTreeSet<String> {
    let fault = |issue: &&Value| format!("{} {}", issue["rule"].as_str().expect("a rule"), issue["path"]);
    answer.issues().iter().map(fault).collect()
}

fn set(faults: &[&str]) -> BTreeSet<String> {
    faults.iter().map(|fault| (*fault).to_owned()).collect()
}

async fn team_of(client: &Client, firm: &str) -> Vec<String> {
    let text = "query($id: ID!) { firm(id: $id) { workers(orderBy: [{title: ASC}]) { nodes { title } } } }";
    let answer = client.query_with(text, json!({"id": firm})).await;
    let nodes = answer.ok()["firm"]["workers"]["nodes"].as_array().expect("a list").clone();
    nodes.iter().map(|node| node["title"].as_str().expect("a title").to_owned()).collect()
}

const UPDATE: &str = "mutation($id: ID!, $data: FirmUpdate!) { updateFirm(id: $id, data: $data) { version } }";

on_both_databases! {
    async fn records_are_made_inside_others_at_any_depth(server: Server) {
        let admin = prepare(&server).await;
        let text = "mutation($data: [WorkerCreate!]!) { createWorkers(data: $data) { title firm { title ventures { totalCount nodes { experts { nodes { title } } } } } boss { title firm { title } team { totalCount } } } }";
        let answer = admin.query_with(text, json!({"data": [
            {"title": "Ada", "age": 30, "firm": {"create": {"title": "Ada's", "ventures": {"create": [
                {"title": "p", "experts": {"create": [{"title": "Ed", "firm": {"create": {"title": "Ed's"}}}]}}, {"title": "q"}]}}},
             "boss": {"create": {"title": "Bo", "age": 50, "firm": {"create": {"title": "Bo's"}}}}},
            {"title": "Cy", "firm": {"create": {"title": "Cy's"}}, "team": {"create": [
                {"title": "D1", "firm": {"create": {"title": "D's"}}}]}},
        ]})).await;
        assert_eq!(answer.ok()["createWorkers"], json!([
            {"title": "Ada", "firm": {"title": "Ada's", "ventures": {"totalCount": 2, "nodes": [{"experts": {"nodes": [{"title": "Ed"}]}}, {"experts": {"nodes": []}}]}},
             "boss": {"title": "Bo", "firm": {"title": "Bo's"}, "team": {"totalCount": 1}}},
            {"title": "Cy", "firm": {"title": "Cy's", "ventures": {"totalCount": 0, "nodes": []}}, "boss": null},
        ]));
        let all = admin.query("{ workers { totalCount } firms { totalCount } expert: workers(filter: {topicId: {isNull: false}}) { nodes { topic { __typename } } } }").await;
        assert_eq!(all.ok()["workers"]["totalCount"], 5);
        assert_eq!(all.ok()["firms"]["totalCount"], 5);
        assert_eq!(all.ok()["expert"]["nodes"], json!([{"topic": {"__typename": "Venture"}}]));
    }

    async fn faults_are_told_where_they_stand_and_nothing_is_written(server: Server) {
        let admin = prepare(&server).await;
        let nobody = "01900000-0000-7000-8000-000000000000";
        let text = "mutation($data: [WorkerCreate!]!) { createWorkers(data: $data) { id } }";
        let answer = admin.query_with(text, json!({"data": [
            {"title": "a", "age": -1, "firm": {"create": {"title": " "}}},
            {"title": "b"},
            {"title": "c", "firm": {"connect": nobody}, "boss": {"connect": nobody}},
            {"title": "d", "firmId": nobody, "team": {"create": [{"title": "e", "age": -2, "firmId": nobody}], "connect": [nobody]}},
            {"title": "f", "age": 90, "firm": {"create": {"title": "F"}}, "boss": {"create": {"title": "g", "age": 99, "firm": {"create": {"title": "G"}}}}},
        ]})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(faults(&answer), set(&[
            "range [\"data\",0,\"age\"]",
            "required [\"data\",0,\"firm\",\"create\",\"title\"]",
            "required [\"data\",1,\"firmId\"]",
            "reference [\"data\",2,\"firm\",\"connect\"]",
            "reference [\"data\",2,\"boss\",\"connect\"]",
            "reference [\"data\",3,\"firmId\"]",
            "range [\"data\",3,\"team\",\"create\",0,\"age\"]",
            "reference [\"data\",3,\"team\",\"create\",0,\"firmId\"]",
            "reference [\"data\",3,\"team\",\"connect\",0]",
            "validation [\"data\",4,\"age\"]",
            "validation [\"data\",4,\"boss\",\"create\",\"age\"]",
        ]), "{answer}");
        let none = admin.query("{ workers { totalCount } firms { totalCount } }").await;
        assert_eq!(none.ok(), &json!({"workers": {"totalCount": 0}, "firms": {"totalCount": 0}}));
    }

    async fn a_reference_is_given_once(server: Server) {
        let admin = prepare(&server).await;
        let firm = admin.create("Firm", json!({"title": "F"})).await;
        let text = "mutation($data: WorkerCreate!) { createWorker(data: $data) { id } }";
        for (data, path) in [
            (json!({"title": "a", "firmId": firm, "firm": {"connect": firm}}), "[\"data\",\"firm\"]"),
            (json!({"title": "a", "firmId": firm, "bossId": null, "boss": null}), "[\"data\",\"boss\"]"),
        ] {
            let answer = admin.query_with(text, json!({"data": data})).await;
            answer.refused("BAD_USER_INPUT");
            assert_eq!(faults(&answer), set(&[&format!("oneOf {path}")]), "{answer}");
        }
        for data in [json!({"title": "a", "firm": {}}), json!({"title": "a", "firm": {"connect": firm, "create": {"title": "x"}}}), json!({"title": "a", "firm": {"connect": null}})] {
            admin.query_with(text, json!({"data": data})).await.refused("BAD_USER_INPUT");
        }
        // The record around it is meant, and no other.
        let inside = json!({"workers": {"create": [{"title": "x", "firmId": firm}]}});
        let answer = admin.query_with(UPDATE, json!({"id": firm, "data": inside})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(faults(&answer), set(&["oneOf [\"data\",\"workers\",\"create\",0,\"firmId\"]"]));
        assert_eq!(team_of(&admin, &firm).await, Vec::<String>::new());
    }

    async fn relations_are_connected_disconnected_and_set(server: Server) {
        let admin = prepare(&server).await;
        let firms = admin.create_many("Firm", [json!({"title": "one"}), json!({"title": "two"})]).await;
        let worker = |title: &str| json!({"title": title, "firmId": firms[0]});
        let workers = admin.create_many("Worker", ["a", "b", "c"].map(worker)).await;
        let ventures = admin.create_many("Venture", (0..3).map(|n| json!({"title": format!("p{n}"), "firmId": firms[0]}))).await;
        let move_two = json!({"workers": {"connect": [workers[0], workers[1]], "create": [{"title": "new"}]}, "title": "Two"});
        assert_eq!(admin.query_with(UPDATE, json!({"id": firms[1], "data": move_two})).await.ok()["updateFirm"]["version"], 2);
        assert_eq!(team_of(&admin, &firms[1]).await, ["a", "b", "new"]);
        assert_eq!(team_of(&admin, &firms[0]).await, ["c"]);
        // Connecting what is connected changes nothing, not even the parent.
        let same = json!({"workers": {"connect": [workers[0]]}});
        assert_eq!(admin.query_with(UPDATE, json!({"id": firms[1], "data": same})).await.ok()["updateFirm"]["version"], 2);
        let versions = admin.query_with("query($id: ID!) { worker(id: $id) { version } }", json!({"id": workers[0]})).await;
        assert_eq!(versions.ok()["worker"]["version"], 2);

        let set_to = json!({"ventures": {"set": [ventures[2]]}});
        admin.query_with(UPDATE, json!({"id": firms[0], "data": set_to})).await.ok();
        let read = "{ ventures(filter: {firmId: {isNull: false}}) { nodes { title } } }";
        assert_eq!(admin.query(read).await.ok()["ventures"]["nodes"], json!([{"title": "p2"}]));
        let none = json!({"ventures": {"set": []}});
        admin.query_with(UPDATE, json!({"id": firms[0], "data": none})).await.ok();
        assert_eq!(admin.query(read).await.ok()["ventures"]["nodes"], json!([]));
        let back = json!({"ventures": {"connect": [ventures[0], ventures[1]]}});
        admin.query_with(UPDATE, json!({"id": firms[1], "data": back})).await.ok();
        let one_less = json!({"ventures": {"disconnect": [ventures[0]]}});
        admin.query_with(UPDATE, json!({"id": firms[1], "data": one_less})).await.ok();
        assert_eq!(admin.query(read).await.ok()["ventures"]["nodes"], json!([{"title": "p1"}]));

        for (data, fault) in [
            (json!({"ventures": {"disconnect": [ventures[0]]}}), "reference [\"data\",\"ventures\",\"disconnect\",0]"),
            (json!({"ventures": {"connect": [ventures[0]], "disconnect": [ventures[0]]}}), "reference [\"data\",\"ventures\",\"disconnect\",0]"),
            (json!({"ventures": {"connect": [workers[0]]}}), "reference [\"data\",\"ventures\",\"connect\",0]"),
            (json!({"workers": {"disconnect": [workers[0]]}}), "required [\"data\",\"workers\",\"disconnect\",0]"),
            (json!({"workers": {"set": [workers[0], workers[2]]}}), "required [\"data\",\"workers\",\"set\"]"),
        ] {
            let answer = admin.query_with(UPDATE, json!({"id": firms[1], "data": data})).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(faults(&answer), set(&[fault]), "{answer}");
        }
        assert_eq!(team_of(&admin, &firms[1]).await, ["a", "b", "new"]);
    }

    async fn nested_writes_have_bounds(server: Server) {
        let admin = prepare(&server).await;
        let firm = admin.create("Firm", json!({"title": "F"})).await;
        let id = "01900000-0000-7000-8000-000000000000";
        let many = json!({"ventures": {"connect": vec![id; 5_001]}});
        let answer = admin.query_with(UPDATE, json!({"id": firm, "data": many})).await;
        assert!(answer.refused("LIMIT_EXCEEDED").text.contains("5000"), "{answer}");
        let mut deep = json!({"title": "x", "firmId": firm});
        for _ in 0..13 {
            deep = json!({"title": "x", "firmId": firm, "boss": {"create": deep}});
        }
        let answer = admin.query_with("mutation($data: WorkerCreate!) { createWorker(data: $data) { id } }", json!({"data": deep})).await;
        assert!(answer.refused("LIMIT_EXCEEDED").text.contains("levels"), "{answer}");
        // What is made inside one record cannot be inside many.
        for data in ["{firm: {create: {title: \"x\"}}}", "{team: {connect: []}, title: \"y\", boss: {create: {title: \"z\"}}}", "{team: {set: []}}"] {
            let answer = admin.query(&format!("mutation {{ updateWorkers(filter: {{title: {{eq: \"q\"}}}}, data: {data}) {{ count }} }}")).await;
            answer.refused("BAD_USER_INPUT");
        }
        let connect = format!("mutation {{ updateWorkers(filter: {{title: {{eq: \"q\"}}}}, data: {{firm: {{connect: \"{firm}\"}}}}) {{ count }} }}");
        assert_eq!(admin.query(&connect).await.ok()["updateWorkers"]["count"], 0);
        assert_eq!(team_of(&admin, &firm).await, Vec::<String>::new());
    }

    async fn rights_of_each_module_hold_inside_too(server: Server) {
        let admin = prepare(&server).await;
        let write = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        for (role, worker) in [
            ("maker", json!({"create": true, "read": true, "fields": {"*": "WRITE"}})),
            ("changer", json!({"read": true, "update": true, "fields": {"*": "WRITE"}})),
            ("reader", json!({"read": true, "fields": {"*": "READ"}})),
            ("blind", json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "firm": "READ"}})),
        ] {
            admin.create_role(role, None).await;
            admin.set_access(role, "Firm", write.clone()).await;
            admin.set_access(role, "Worker", worker).await;
        }
        let inputs = "{ many: __type(name: \"WorkerToManyInput\") { inputFields { name } } one: __type(name: \"WorkerToOneInput\") { inputFields { name } }
            firm: __type(name: \"FirmUpdate\") { inputFields { name } } hidden: __type(name: \"VentureToManyInput\") { name } }";
        let all = json!(["create", "connect", "disconnect", "set"]);
        for (role, many) in [("maker", json!(["create"])), ("changer", json!(["connect", "disconnect", "set"])), ("reader", json!(null)), ("blind", json!(all))] {
            let client = server.create_user_with_role(role).await;
            let answer = client.query(inputs).await;
            let names = |part: &Value| part["inputFields"].as_array().map(|fields| fields.iter().map(|field| field["name"].clone()).collect::<Vec<_>>());
            let offered = names(&answer.ok()["firm"]).expect("the type is there").contains(&json!("workers"));
            // The input type is there for `team` even where the firm's reference may not be written.
            assert_eq!(json!(names(&answer.ok()["many"])), many, "{role}");
            assert_eq!(offered, ["maker", "changer"].contains(&role), "{role}");
            assert_eq!(answer.ok()["hidden"], json!(null), "{role}");
            answer.never_says("Venture");
        }
        let maker = server.create_user_with_role("maker").await;
        let firm = maker.create("Firm", json!({"title": "F"})).await;
        maker.query_with(UPDATE, json!({"id": firm, "data": {"workers": {"create": [{"title": "w"}]}}})).await.ok();
        maker.query_with(UPDATE, json!({"id": firm, "data": {"workers": {"connect": [firm]}}})).await.refused("BAD_USER_INPUT");
        let reader = server.create_user_with_role("reader").await;
        let own = reader.create("Firm", json!({"title": "own"})).await;
        let unknown = reader.query_with(UPDATE, json!({"id": own, "data": {"zorkers": {"create": []}}})).await;
        let hidden = reader.query_with(UPDATE, json!({"id": own, "data": {"workers": {"create": []}}})).await;
        assert_eq!(hidden.refused("BAD_USER_INPUT").text, unknown.text.replace("zorkers", "workers"));
    }

    async fn what_is_not_seen_cannot_be_connected_and_stays_as_it_is(server: Server) {
        let admin = prepare(&server).await;
        let all = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
        admin.create_role("clerk", None).await;
        for module in ["Firm", "Worker", "Venture"] {
            admin.set_access("clerk", module, all.clone()).await;
        }
        let (one, two) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let theirs = two.create("Firm", json!({"title": "theirs"})).await;
        let hidden = two.create("Venture", json!({"title": "hidden", "firmId": theirs})).await;
        let own = one.create("Firm", json!({"title": "own"})).await;
        let mine = one.create("Venture", json!({"title": "mine", "firmId": own})).await;
        let absent = "01900000-0000-7000-8000-000000000000";
        let refuse = |data: Value| {
            let (one, own) = (one.clone(), own.clone());
            async move { one.query_with(UPDATE, json!({"id": own, "data": data})).await }
        };
        for key in ["connect", "disconnect", "set"] {
            let seen = refuse(json!({"ventures": {key: [hidden]}})).await;
            let never = refuse(json!({"ventures": {key: [absent]}})).await;
            assert_eq!(seen.refused("VALIDATION_FAILED").text, never.text, "{key}");
        }
        let create = "mutation($id: ID!) { createVenture(data: {title: \"x\", firm: {connect: $id}}) { id } }";
        let seen = one.query_with(create, json!({"id": theirs})).await;
        let never = one.query_with(create, json!({"id": absent})).await;
        assert_eq!(seen.refused("VALIDATION_FAILED").text, never.text);

        // A hidden record on the other side of the relation stays connected.
        let give = "mutation($id: ID!, $firm: ID!) { updateVenture(id: $id, data: {firmId: $firm}) { version } }";
        admin.query_with(give, json!({"id": hidden, "firm": own})).await.ok();
        refuse(json!({"ventures": {"set": []}})).await.ok();
        let left = admin.query("{ ventures(filter: {firmId: {isNull: false}}) { nodes { title } } }").await;
        assert_eq!(left.ok()["ventures"]["nodes"], json!([{"title": "hidden"}]));
        let version = admin.query_with("query($id: ID!) { venture(id: $id) { version } }", json!({"id": mine})).await;
        assert_eq!(version.ok()["venture"]["version"], 2);
    }
}
