//! Stages: moves allowed by role, what the server keeps of them, and the time spent in each, on the modules of the page and on opportunities.

use cardine_tests::document::blocks_of;
use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/stages.md";

/// The page's modules: with stages, and of stays.
fn definitions() -> [Value; 2] {
    let mut found = blocks_of(PAGE).into_iter().filter(|block| block.info == "json");
    [found.next(), found.next()].map(|block| serde_json::from_str(&block.expect("a block").text).expect("JSON"))
}

/// Requests of the page, in their order.
fn request(number: usize) -> String {
    blocks_of(PAGE).into_iter().filter(|block| block.info == "graphql").nth(number).expect("a request").text
}

fn patch(features: &Value) -> Value {
    json!({"name": "Repair", "patch": {"features": features}})
}

/// The page's modules; somebody who repairs, who stands above, and who may know of no stay.
async fn prepare(server: &Server) -> (Client, Client, Client, Client) {
    let admin = server.admin().await;
    let [mut repair, stay] = definitions();
    let features = repair.as_object_mut().expect("an object").remove("features").expect("features");
    admin.create_module(repair).await.ok();
    admin.create_module(stay).await.ok();
    admin.change("updateModule", patch(&features)).await.ok();
    admin.create_role("workshop-head", None).await;
    admin.create_role("mechanic", Some("workshop-head")).await;
    admin.create_role("apprentice", Some("workshop-head")).await;
    for role in ["workshop-head", "mechanic", "apprentice"] {
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.set_access(role, "Repair", rights).await;
    }
    for role in ["workshop-head", "mechanic"] {
        admin.set_access(role, "Stay", json!({"read": true, "fields": {"*": "READ"}})).await;
    }
    let head = server.create_user_with_role("workshop-head").await;
    let mechanic = server.create_user_with_role("mechanic").await;
    let apprentice = server.create_user_with_role("apprentice").await;
    (admin, head, mechanic, apprentice)
}

async fn update(caller: &Client, id: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: RepairUpdate!) { updateRepair(id: $id, data: $data) { state chance outcome expected endedOn } }";
    caller.query_with(text, json!({"id": id, "data": data})).await
}

/// The rule, the path and the message of the one fault.
fn fault(answer: &Answer) -> (String, Value, String) {
    answer.refused("VALIDATION_FAILED");
    let issues = answer.issues();
    assert_eq!(issues.len(), 1, "{answer}");
    let text = |name: &str| issues[0][name].as_str().expect("a text").to_owned();
    (text("rule"), issues[0]["path"].clone(), text("message"))
}

on_both_databases! {
    async fn what_the_server_makes_gets_no_field_that_it_has_no_value_for(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let needed = json!({"name": "why", "type": "text", "required": true});
        let (rule, path, message) = fault(&admin.add_field("Stay", needed.clone()).await);
        assert_eq!((rule.as_str(), &path), ("notChangeable", &json!(["field"])));
        assert!(message.contains("the feature `stages` of `Repair` needs it") && message.contains("`why` of `Stay`"), "{message}");
        let mut given = needed;
        given["default"] = json!("moved");
        admin.add_field("Stay", given).await.ok();
        let id = admin.create("Repair", json!({"price": "100"})).await;
        update(&admin, &id, json!({"state": "QUOTED"})).await.ok();
    }

    async fn moves_are_allowed_by_role_and_a_refusal_tells_which_are(server: Server) {
        let (admin, head, mechanic, _) = prepare(&server).await;
        let start = mechanic.query("mutation { createRepair(data: {state: QUOTED}) { id } }").await;
        let (rule, path, message) = fault(&start);
        assert_eq!((rule.as_str(), &path), ("stage", &json!(["data", "state"])));
        assert!(message.contains("allowed: NEW") && !message.contains("AGREED"), "{message}");
        let id = mechanic.create("Repair", json!({"price": "100"})).await;
        let (_, path, message) = fault(&update(&mechanic, &id, json!({"state": "AGREED"})).await);
        assert_eq!(path, json!(["data", "state"]));
        assert!(message.contains("from NEW to AGREED") && message.contains("QUOTED, DROPPED"), "{message}");
        update(&mechanic, &id, json!({"state": "DROPPED"})).await.ok();
        let (_, _, message) = fault(&update(&mechanic, &id, json!({"state": "NEW"})).await);
        assert!(message.contains("allowed for you: none"), "{message}");
        // One of two may not go: none goes.
        let other = mechanic.create("Repair", json!({})).await;
        let both = "mutation { updateRepairs(filter: {id: {isNull: false}}, data: {state: QUOTED}) { count } }";
        mechanic.query(both).await.refused("VALIDATION_FAILED");
        let states = mechanic.query("{ repairs(orderBy: [{state: ASC}]) { nodes { state } } }").await;
        assert_eq!(states.ok()["repairs"]["nodes"], json!([{"state": "NEW"}, {"state": "DROPPED"}]));
        // Who stands above has a move of their own; administrators are bound by none.
        assert_eq!(update(&head, &id, json!({"state": "NEW"})).await.ok()["updateRepair"]["state"], "NEW");
        assert_eq!(update(&admin, &other, json!({"state": "DELIVERED"})).await.ok()["updateRepair"]["outcome"], "WON");
        // What is written as it is, is no move.
        assert_eq!(update(&mechanic, &other, json!({"state": "DELIVERED", "price": "5"})).await.ok()["updateRepair"]["expected"], "5.00");
    }

    async fn a_move_for_superiors_is_made_by_who_stands_above_the_owner_alone(server: Server) {
        let (admin, head, mechanic, apprentice) = prepare(&server).await;
        let mut features = definitions()[0]["features"].clone();
        features["stages"]["moves"] = json!([
            {"from": ["NEW"], "to": ["QUOTED"]}, {"from": ["QUOTED"], "to": ["AGREED"], "superiors": true},
            {"from": ["QUOTED"], "to": ["DROPPED"], "superiors": true, "roles": ["mechanic"]}]);
        admin.change("updateModule", json!({"name": "Repair", "patch": {"features": features, "sharing": "PUBLIC_READ_WRITE"}})).await.ok();
        let ask = async |owner: &Client| {
            let id = owner.create("Repair", json!({})).await;
            update(owner, &id, json!({"state": "QUOTED"})).await.ok();
            id
        };
        let (of_mechanic, of_head) = (ask(&mechanic).await, ask(&head).await);
        // Neither the owner nor a peer, and of what a superior owns nobody below; a role that is named must stand above, too.
        for (caller, id) in [(&mechanic, &of_mechanic), (&apprentice, &of_mechanic), (&head, &of_head), (&mechanic, &of_head)] {
            let (rule, path, message) = fault(&update(caller, id, json!({"state": "AGREED"})).await);
            assert_eq!((rule.as_str(), &path), ("stage", &json!(["data", "state"])));
            assert!(message.contains("allowed for you: none"), "{message}");
        }
        fault(&update(&head, &of_mechanic, json!({"state": "DROPPED"})).await);
        // Giving it away in the same write helps nobody.
        let below = apprentice.own_id().await;
        fault(&update(&head, &of_head, json!({"state": "AGREED", "ownerId": below})).await);
        fault(&update(&head, &of_mechanic, json!({"state": "AGREED", "ownerId": head.own_id().await})).await);
        let group = "mutation($of: [ID!]!) { saveGroup(name: \"bench\", members: $of) { id } }";
        let (mechanics, heads) = (mechanic.own_id().await, head.own_id().await);
        let bench = admin.admin_query_with(group, json!({"of": [mechanics]})).await.ok()["saveGroup"]["id"].clone();
        let of_group = ask(&mechanic).await;
        update(&admin, &of_group, json!({"ownerId": bench})).await.ok();
        fault(&update(&mechanic, &of_group, json!({"state": "AGREED"})).await);
        admin.admin_query_with(group, json!({"of": [mechanics, heads]})).await.ok();
        fault(&update(&head, &of_group, json!({"state": "AGREED"})).await);
        admin.admin_query_with(group, json!({"of": [mechanics]})).await.ok();
        for id in [&of_group, &of_mechanic] {
            assert_eq!(update(&head, id, json!({"state": "AGREED"})).await.ok()["updateRepair"]["state"], "AGREED");
        }
        // Administrators mend what others may not.
        update(&admin, &of_head, json!({"state": "AGREED"})).await.ok();
    }

    async fn the_server_keeps_what_is_declared(server: Server) {
        let (_, head, mechanic, _) = prepare(&server).await;
        let text = "mutation { createRepair(data: {price: \"100\"}) { id state chance outcome expected endedOn stateSince updatedAt } }";
        let made = mechanic.query(text).await;
        let made = &made.ok()["createRepair"];
        assert_eq!((&made["state"], &made["chance"], &made["outcome"], &made["expected"], &made["endedOn"]), (&json!("NEW"), &json!("10.00"), &json!("OPEN"), &json!("10.00"), &Value::Null));
        assert_eq!(made["stateSince"], made["updatedAt"]);
        let id = made["id"].as_str().expect("an id").to_owned();
        for (caller, data, expected) in [
            (&mechanic, json!({"state": "QUOTED", "chance": "55"}), json!({"state": "QUOTED", "chance": "55.00", "outcome": "OPEN", "expected": "55.00", "endedOn": null})),
            (&mechanic, json!({"state": "AGREED"}), json!({"state": "AGREED", "chance": "90.00", "outcome": "OPEN", "expected": "90.00", "endedOn": null})),
            (&mechanic, json!({"state": "DELIVERED", "endedOn": "2026-01-31"}), json!({"state": "DELIVERED", "chance": "100.00", "outcome": "WON", "expected": "100.00", "endedOn": "2026-01-31"})),
        ] {
            assert_eq!(update(caller, &id, data).await.ok()["updateRepair"], expected);
        }
        let id = mechanic.create("Repair", json!({})).await;
        let dropped = update(&mechanic, &id, json!({"state": "DROPPED"})).await;
        assert_eq!(dropped.ok()["updateRepair"]["outcome"], "LOST");
        assert!(dropped.ok()["updateRepair"]["endedOn"].is_string(), "{dropped}");
        assert_eq!(update(&head, &id, json!({"state": "NEW"})).await.ok()["updateRepair"], json!({"state": "NEW", "chance": "10.00", "outcome": "OPEN", "expected": null, "endedOn": null}));
        // Nobody writes what only the server knows.
        update(&mechanic, &id, json!({"outcome": "WON"})).await.refused("BAD_USER_INPUT");
    }

    async fn each_stay_that_is_over_is_a_record(server: Server) {
        let (admin, head, mechanic, apprentice) = prepare(&server).await;
        let id = mechanic.create("Repair", json!({})).await;
        for (caller, state) in [(&mechanic, "QUOTED"), (&mechanic, "DROPPED"), (&head, "NEW")] {
            update(caller, &id, json!({"state": state})).await.ok();
        }
        // A write that is refused leaves none.
        update(&mechanic, &id, json!({"state": "DELIVERED"})).await.refused("VALIDATION_FAILED");
        let answer = mechanic.query_with("query($id: ID!) { repair(id: $id) { stateSince stays(orderBy: [{leftAt: ASC}]) { nodes { state enteredAt leftAt createdById version } } } }", json!({"id": id})).await;
        let stays = answer.ok()["repair"]["stays"]["nodes"].as_array().expect("stays").clone();
        assert_eq!(stays.iter().map(|stay| &stay["state"]).collect::<Vec<_>>(), ["NEW", "QUOTED", "DROPPED"]);
        for pair in stays.windows(2) {
            assert_eq!(pair[0]["leftAt"], pair[1]["enteredAt"], "one begins as the other ends");
        }
        assert_eq!(stays[2]["leftAt"], answer.ok()["repair"]["stateSince"]);
        assert_eq!((&stays[1]["createdById"], &stays[2]["createdById"]), (&json!(mechanic.own_id().await), &json!(head.own_id().await)));
        let groups = mechanic.query(&request(0)).await;
        let groups = groups.ok()["stayGroups"].as_array().expect("groups").clone();
        assert_eq!(groups.iter().map(|group| (group["key"]["state"].as_str(), group["count"].as_i64())).collect::<Vec<_>>(), [(Some("DROPPED"), Some(1)), (Some("NEW"), Some(1)), (Some("QUOTED"), Some(1))]);
        assert!(groups.iter().all(|group| group["avg"]["time"].is_string()), "{groups:?}");
        // Kept whoever moves the record, and shown to whom it is granted.
        let hidden = apprentice.create("Repair", json!({})).await;
        update(&apprentice, &hidden, json!({"state": "QUOTED"})).await.ok();
        apprentice.query("{ stays { totalCount } }").await.refused("BAD_USER_INPUT");
        assert_eq!(mechanic.query("{ stays { totalCount } }").await.ok()["stays"]["totalCount"], 3, "others' repairs are out of sight, and so are their stays");
        assert_eq!(admin.query("{ stays { totalCount } }").await.ok()["stays"]["totalCount"], 4);
        apprentice.query("mutation { createStay(data: {state: \"NEW\"}) { id } }").await.refused("BAD_USER_INPUT");
    }

    async fn a_faulty_declaration_is_refused_and_names_are_followed(server: Server) {
        let (admin, head, mechanic, _) = prepare(&server).await;
        let features = definitions()[0]["features"].clone();
        for (pointer, value, rule) in [
            ("/stages/field", json!("price"), "type"), ("/stages/start/0", json!("NOWHERE"), "unknownOption"), ("/stages/moves/1/to/0", json!("NOWHERE"), "unknownOption"),
            ("/stages/probability", json!("nothing"), "unknownField"), ("/stages/kind", json!("state"), "type"), ("/stages/since", json!("endedOn"), "type"), ("/stages/closed", json!("price"), "type"),
            ("/stages/history/list", json!("rows"), "unknownRelation"), ("/stages/history/entered", json!("state"), "type"), ("/stages/stages/DELIVERED/kind", json!("LIVELY"), ""),
        ] {
            let mut faulty = features.clone();
            *faulty.pointer_mut(pointer).expect(pointer) = value;
            let answer = admin.change("updateModule", patch(&faulty)).await;
            answer.refused("VALIDATION_FAILED");
            let place = pointer.split('/').skip(1).map(|name| name.parse::<usize>().map_or(json!(name), |number| json!(number)));
            let place: Vec<Value> = [json!("patch"), json!("features")].into_iter().chain(place).collect();
            let issues = answer.issues();
            assert!(issues.iter().any(|issue| issue["path"] == json!(place) && (rule.is_empty() || issue["rule"] == rule)), "{pointer}: {answer}");
        }
        // Nor do its fields become what it cannot use, or go without a word.
        for (mutation, arguments) in [
            ("changeFieldType", json!({"module": "Repair", "name": "state", "to": "text"})),
            ("changeFieldType", json!({"module": "Repair", "name": "stateSince", "to": "text"})),
            ("updateField", json!({"module": "Repair", "name": "state", "patch": {"options": [{"value": "NEW"}, {"value": "QUOTED"}, {"value": "DROPPED"}]}})),
            ("retireField", json!({"module": "Repair", "name": "chance"})),
            ("retireModule", json!({"name": "Stay"})),
        ] {
            let answer = admin.change(mutation, arguments.clone()).await;
            answer.refused("VALIDATION_FAILED");
            let told = answer.issues().iter().any(|issue| issue["message"].as_str().expect("a text").replace('`', "").starts_with("the feature stages of Repair"));
            assert!(told, "{mutation} {arguments}: {answer}");
        }
        let forced = admin.change("retireField", json!({"module": "Repair", "name": "chance", "force": true, "dryRun": true})).await;
        assert!(forced.ok()["change"]["warnings"].to_string().contains("the feature stages of Repair does without it"), "{forced}");
        for (module, name, to) in [("Repair", "state", "phase"), ("Repair", "chance", "odds"), ("Stay", "leftAt", "overAt")] {
            admin.change("renameField", json!({"module": module, "name": name, "to": to})).await.ok();
        }
        let id = mechanic.create("Repair", json!({})).await;
        let text = "mutation($id: ID!, $to: RepairPhase!) { updateRepair(id: $id, data: {phase: $to}) { odds stays { nodes { state overAt } } } }";
        mechanic.query_with(text, json!({"id": id, "to": "DELIVERED"})).await.refused("VALIDATION_FAILED");
        let moved = mechanic.query_with(text, json!({"id": id, "to": "DROPPED"})).await;
        assert_eq!(moved.ok()["updateRepair"]["odds"], "0.00");
        assert!(moved.ok()["updateRepair"]["stays"]["nodes"][0]["overAt"].is_string(), "{moved}");
        // Without its history's module the moves are still watched.
        admin.change("retireModule", json!({"name": "Stay", "force": true})).await.ok();
        let text = "mutation($id: ID!, $to: RepairPhase!) { updateRepair(id: $id, data: {phase: $to}) { odds } }";
        mechanic.query_with(text, json!({"id": id, "to": "NEW"})).await.refused("VALIDATION_FAILED");
        assert_eq!(head.query_with(text, json!({"id": id, "to": "NEW"})).await.ok()["updateRepair"]["odds"], "10.00");
    }

    async fn opportunities_have_probabilities_kinds_and_times(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let manager = server.create_user_with_role("sales-manager").await;
        let id = seller.create("Opportunity", json!({"name": "Panels", "amount": "1000", "closeDate": "2026-05-10", "stage": "QUALIFICATION"})).await;
        let open = seller.query(&request(1)).await;
        assert_eq!(open.ok()["pipeline"], json!([{"key": {"stage": "QUALIFICATION"}, "count": 1, "sum": {"amount": "1000.00", "weightedAmount": "200.00"}}]));
        assert_eq!((&open.ok()["byUser"][0]["sum"]["weightedAmount"], &open.ok()["times"]), (&json!("200.00"), &json!([])));
        let text = "mutation($id: ID!) { updateOpportunity(id: $id, data: {stage: CLOSED_WON}) { probability stageKind closedOn stageHistory { nodes { stage } } } }";
        let won = seller.query_with(text, json!({"id": id})).await;
        let won = &won.ok()["updateOpportunity"];
        assert_eq!((&won["probability"], &won["stageKind"], &won["stageHistory"]["nodes"]), (&json!("100.00"), &json!("WON"), &json!([{"stage": "QUALIFICATION"}])));
        assert!(won["closedOn"].is_string(), "{won}");
        let after = manager.query(&request(1)).await;
        assert_eq!((&after.ok()["pipeline"], &after.ok()["times"][0]["count"]), (&json!([]), &json!(1)));
    }
}
