//! Assignment: rules in order, queues and turns, on the module of the page; nobody twice among many writers, and nobody who may not sign in.

use std::collections::BTreeMap;

use cardine_tests::document::blocks_of;
use cardine_tests::{Client, Server, on_both_databases};
use futures_util::future::join_all;
use serde_json::{Value, json};

const PAGE: &str = "docs/features/assignment.md";
const PEOPLE: [&str; 6] = ["head", "anna", "bruno", "carla", "dario", "elena"];
const PASSWORD: &str = "a long enough password";

/// The page's module.
fn definition() -> Value {
    let block = blocks_of(PAGE).into_iter().find(|block| block.info == "json");
    serde_json::from_str(&block.expect("a block").text).expect("JSON")
}

/// Who is who.
struct People {
    admin: Client,
    /// By the part of the address before the sign.
    ids: BTreeMap<&'static str, String>,
    desk: String,
}

/// The page's module with its people: all of them may make and read enquiries, and these have a password to sign in with.
async fn prepare(server: &Server, sharing: &str, signing_in: &[&str]) -> People {
    let admin = server.admin().await;
    admin.create_role("clerk", None).await;
    let mut ids = BTreeMap::new();
    for name in PEOPLE {
        let password = signing_in.contains(&name).then_some(PASSWORD);
        let text = "mutation($email: String!, $password: String) { createUser(email: $email, password: $password, role: \"clerk\") { id } }";
        let made =
            admin.admin_query_with(text, json!({"email": format!("{name}@example.org"), "password": password})).await;
        ids.insert(name, made.ok()["createUser"]["id"].as_str().expect("an id").to_owned());
    }
    let inside = save_group(&admin, "Inside sales", &[&ids["carla"], &ids["dario"], &ids["elena"]]).await;
    let desk = save_group(&admin, "Export desk", &[&ids["bruno"]]).await;
    assert_ne!(inside, desk);
    let mut definition = definition();
    definition["sharing"] = json!(sharing);
    admin.create_module(definition).await.ok();
    let rights = json!({"create": true, "read": true, "update": true, "fields": {"title": "WRITE", "country": "WRITE", "worth": "WRITE"}});
    admin.set_access("clerk", "Enquiry", rights).await;
    People { admin, ids, desk }
}

async fn save_group(admin: &Client, name: &str, members: &[&String]) -> String {
    let text = "mutation($name: String!, $members: [ID!]) { saveGroup(name: $name, members: $members) { id } }";
    let saved = admin.admin_query_with(text, json!({"name": name, "members": members})).await;
    saved.ok()["saveGroup"]["id"].as_str().expect("an id").to_owned()
}

impl People {
    /// The owner of a new record, as the administrator sees it.
    async fn owner_of(&self, caller: &Client, data: Value) -> Value {
        let id = caller.create("Enquiry", data).await;
        self.owner(&id).await
    }

    async fn owner(&self, id: &str) -> Value {
        let answer = self.admin.query_with("query($id: ID!) { enquiry(id: $id) { ownerId } }", json!({"id": id})).await;
        answer.ok()["enquiry"]["ownerId"].clone()
    }

    /// How many records each owner of the filter has, by id.
    async fn shares(&self, filter: &str) -> BTreeMap<String, i64> {
        let text = format!(
            "{{ enquiryGroups(filter: {filter}, groupBy: [{{ownerId: true}}]) {{ key {{ ownerId }} count }} }}"
        );
        let answer = self.admin.query(&text).await;
        let groups = answer.ok()["enquiryGroups"].as_array().expect("groups").clone();
        let share = |group: Value| {
            (group["key"]["ownerId"].as_str().unwrap_or_default().to_owned(), group["count"].as_i64().expect("a count"))
        };
        groups.into_iter().map(share).collect()
    }
}

fn patch(rules: &Value) -> Value {
    json!({"name": "Enquiry", "patch": {"features": {"assignment": {"rules": rules}}}})
}

on_both_databases! {
    async fn the_first_rule_that_is_met_decides(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &["anna", "bruno"]).await;
        let (admin, ids) = (&people.admin, &people.ids);
        let clerk = server.sign_in("anna@example.org", PASSWORD).await;
        for (data, owner) in [
            (json!({"title": "a", "country": "FR", "worth": "250000"}), &ids["head"]),
            (json!({"title": "b", "country": "FR", "worth": "500"}), &people.desk),
            (json!({"title": "c", "country": "IT", "worth": "20000"}), &ids["anna"]),
            (json!({"title": "d", "country": "IT", "worth": "30000"}), &ids["bruno"]),
            (json!({"title": "e", "country": "IT", "worth": "40000"}), &ids["anna"]),
        ] {
            // Without the right to give records away.
            assert_eq!(people.owner_of(&clerk, data.clone()).await, json!(owner), "{data}");
        }
        // Nulls are no condition met: it is the last rule's.
        let other = people.owner_of(&clerk, json!({"title": "f"})).await;
        assert!(["carla", "dario", "elena"].iter().any(|name| other == json!(ids[*name])), "{other}");
        // What is given stays, and a change assigns nothing.
        let page = blocks_of(PAGE).into_iter().find(|block| block.info == "graphql").expect("a request").text;
        let answer = admin.query_with(&page, json!({"anna": ids["anna"]})).await;
        assert_eq!(answer.ok()["given"]["owner"]["name"], "anna@example.org");
        assert_eq!(answer.ok()["byRule"]["owner"]["name"], "bruno@example.org");
        assert_eq!(people.owner_of(admin, json!({"title": "g", "country": "FR", "ownerId": null})).await, Value::Null);
        let own = people.owner_of(admin, json!({"title": "h", "ownerId": ids["head"]})).await;
        assert_eq!(own, json!(ids["head"]));
        let id = admin.create("Enquiry", json!({"title": "i", "country": "FR"})).await;
        admin.query_with("mutation($id: ID!) { updateEnquiry(id: $id, data: {worth: \"900000\"}) { id } }", json!({"id": id})).await.ok();
        assert_eq!(people.owner(&id).await, json!(people.desk));
        // Fields' new names are followed.
        admin.change("renameField", json!({"module": "Enquiry", "name": "country", "to": "land"})).await.ok();
        assert_eq!(people.owner_of(admin, json!({"title": "j", "land": "FR"})).await, json!(people.desk));
        // A group owns it: its members change what comes to the queue, and take it.
        admin.set_access("clerk", "Enquiry", json!({"fields": {"*": "WRITE"}})).await;
        let bruno = server.sign_in("bruno@example.org", PASSWORD).await;
        let take = "mutation($id: ID!, $to: ID!) { updateEnquiry(id: $id, data: {ownerId: $to}) { ownerId } }";
        clerk.query_with(take, json!({"id": id, "to": ids["anna"]})).await.refused("NOT_FOUND");
        assert_eq!(bruno.query_with(take, json!({"id": id, "to": ids["bruno"]})).await.ok()["updateEnquiry"]["ownerId"], json!(ids["bruno"]));
    }

    async fn turns_are_fair_and_nobody_comes_twice_among_many_writers(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &["anna", "carla"]).await;
        let ids = &people.ids;
        let second = match server.backend() {
            cardine_tests::Backend::Postgres => Some(server.another().await),
            cardine_tests::Backend::Sqlite => None,
        };
        let mut clients = Vec::new();
        for name in ["anna", "carla"] {
            clients.push(server.sign_in(&format!("{name}@example.org"), PASSWORD).await);
            if let Some(second) = &second {
                clients.push(second.sign_in(&format!("{name}@example.org"), PASSWORD).await);
            }
        }
        // 12 writers with 5 single records and 2 of many each: 12 · (5 + 4) = 108, as many as three in turn can share.
        let writers = (0..12).map(|writer| {
            let client = clients[writer % clients.len()].clone();
            tokio::spawn(async move {
                for number in 0..5 {
                    client.create("Enquiry", json!({"title": format!("{writer}.{number}")})).await;
                }
                let many = "mutation { a: createEnquiries(data: [{title: \"x\"}, {title: \"y\"}]) { id } b: createEnquiries(data: [{title: \"x\"}, {title: \"y\"}]) { id } }";
                client.query(many).await.ok();
                // What is undone takes no turn.
                client.query("mutation { createEnquiry(data: {title: \"\"}) { id } }").await.refused("VALIDATION_FAILED");
                client.query("mutation { a: createEnquiry(data: {title: \"z\"}) { id } b: updateEnquiry(id: \"019a0000-0000-7000-8000-000000000000\", data: {title: \"z\"}) { id } }").await.refused("NOT_FOUND");
            })
        });
        for writer in join_all(writers).await {
            writer.expect("a writer ends");
        }
        let expected: BTreeMap<String, i64> = ["carla", "dario", "elena"].map(|name| (ids[name].clone(), 36)).into();
        assert_eq!(people.shares("{}").await, expected);
    }

    async fn who_may_not_sign_in_is_passed_over(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &[]).await;
        let (admin, ids) = (&people.admin, &people.ids);
        admin.set_user_active(&ids["dario"], false).await;
        admin.set_user_active(&ids["head"], false).await;
        for number in 0..4 {
            admin.create("Enquiry", json!({"title": format!("{number}")})).await;
        }
        let expected: BTreeMap<String, i64> = ["carla", "elena"].map(|name| (ids[name].clone(), 2)).into();
        assert_eq!(people.shares("{worth: {isNull: true}}").await, expected);
        // The next rule that is met decides.
        assert_eq!(people.owner_of(admin, json!({"title": "large", "country": "FR", "worth": "100000"})).await, json!(people.desk));
        for name in ["carla", "elena"] {
            admin.set_user_active(&ids[name], false).await;
        }
        // Nobody is left: it is its creator's.
        assert_eq!(people.owner_of(admin, json!({"title": "left"})).await, json!(admin.own_id().await));
        admin.set_user_active(&ids["elena"], true).await;
        assert_eq!(people.owner_of(admin, json!({"title": "back"})).await, json!(ids["elena"]));
    }

    async fn who_makes_a_private_record_for_others_sees_it_no_more(server: Server) {
        let people = prepare(&server, "PRIVATE", &["anna", "bruno"]).await;
        let clerk = server.sign_in("anna@example.org", PASSWORD).await;
        let made = clerk.query("mutation { createEnquiry(data: {title: \"far\", country: \"FR\"}) { id title } }").await;
        assert_eq!(made.ok()["createEnquiry"]["title"], "far", "what one has written is answered");
        let id = &made.ok()["createEnquiry"]["id"];
        assert_eq!(people.shares("{title: {eq: \"far\"}}").await, BTreeMap::from([(people.desk.clone(), 1)]));
        assert_eq!(clerk.query_with("query($id: ID!) { enquiry(id: $id) { id } }", json!({"id": id})).await.ok()["enquiry"], Value::Null);
        let bruno = server.sign_in("bruno@example.org", PASSWORD).await;
        assert_eq!(clerk.query("{ enquiries { totalCount } }").await.ok()["enquiries"]["totalCount"], 0);
        assert_eq!(bruno.query("{ enquiries { totalCount } }").await.ok()["enquiries"]["totalCount"], 1, "the queue is its members'");
    }

    async fn turns_go_on_as_members_come_and_go(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &[]).await;
        let (admin, ids) = (&people.admin, &people.ids);
        let rule = |names: &[&str]| {
            let users: Vec<String> = names.iter().map(|name| format!("{name}@example.org")).collect();
            patch(&json!([{"name": "all", "to": {"roundRobin": {"users": users}}}]))
        };
        let next = async |count: usize| -> Vec<&str> {
            let mut owners = Vec::new();
            for _ in 0..count {
                let owner = people.owner_of(admin, json!({"title": "next"})).await;
                owners.push(*ids.iter().find(|(_, id)| owner == json!(id)).expect("one of them").0);
            }
            owners
        };
        admin.change("updateModule", rule(&["anna", "bruno", "carla", "dario"])).await.ok();
        assert_eq!(next(6).await, ["anna", "bruno", "carla", "dario", "anna", "bruno"]);
        // Who had the last turn goes: the others have not had theirs.
        admin.change("updateModule", rule(&["anna", "carla", "dario"])).await.ok();
        assert_eq!(next(4).await, ["carla", "dario", "anna", "carla"]);
        // Who comes is next, wherever they stand, and so is who comes back.
        admin.change("updateModule", rule(&["anna", "carla", "dario", "elena"])).await.ok();
        assert_eq!(next(3).await, ["elena", "dario", "anna"]);
        admin.set_user_active(&ids["carla"], false).await;
        assert_eq!(next(3).await, ["elena", "dario", "anna"]);
        admin.set_user_active(&ids["carla"], true).await;
        assert_eq!(next(3).await, ["carla", "elena", "dario"]);
        // Many at once go around more than once.
        let many = admin.query("mutation { createEnquiries(data: [{title: \"a\"}, {title: \"b\"}, {title: \"c\"}, {title: \"d\"}, {title: \"e\"}]) { ownerId } }").await;
        let owners: Vec<&Value> = many.ok()["createEnquiries"].as_array().expect("records").iter().map(|made| &made["ownerId"]).collect();
        assert_eq!(owners, ["anna", "carla", "elena", "dario", "anna"].map(|name| json!(ids[name])).iter().collect::<Vec<_>>());
        assert_eq!(next(1).await, ["carla"]);
        // Who is named twice is one: of three records the first and the last are theirs.
        let twice = json!({"roundRobin": {"users": ["anna@example.org", "Anna@Example.org", "bruno@example.org"]}});
        admin.change("updateModule", patch(&json!([{"name": "twice", "to": twice}]))).await.ok();
        let many = admin.query("mutation { createEnquiries(data: [{title: \"a\"}, {title: \"b\"}, {title: \"c\"}]) { ownerId } }").await;
        let owners: Vec<&Value> = many.ok()["createEnquiries"].as_array().expect("records").iter().map(|made| &made["ownerId"]).collect();
        assert_eq!(owners, ["anna", "bruno", "anna"].map(|name| json!(ids[name])).iter().collect::<Vec<_>>());
        admin.change("updateModule", rule(&["anna", "carla", "dario", "elena"])).await.ok();
        // Turns follow the module's new name.
        admin.change("renameModule", json!({"name": "Enquiry", "to": "Question", "plural": "Questions"})).await.ok();
        let id = admin.create("Question", json!({"title": "renamed"})).await;
        let owner = admin.query_with("query($id: ID!) { question(id: $id) { ownerId } }", json!({"id": id})).await;
        assert_eq!(owner.ok()["question"]["ownerId"], json!(ids["elena"]));
    }

    async fn an_owner_whom_a_workflow_sets_stays_be_it_the_creator(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &["anna"]).await;
        let (admin, ids) = (&people.admin, &people.ids);
        let steps = json!([{"id": "keep", "update": {"set": {"ownerId": "{{ actor.id }}"}}}]);
        let trigger = json!({"on": ["CREATED"], "when": "title == \"mine\""});
        let document = json!({"name": "keep", "module": "Enquiry", "timing": "BEFORE_COMMIT", "trigger": trigger, "steps": steps});
        admin.save_workflow(document).await.ok();
        let clerk = server.sign_in("anna@example.org", PASSWORD).await;
        assert_eq!(people.owner_of(&clerk, json!({"title": "mine", "country": "FR"})).await, json!(ids["anna"]));
        assert_eq!(people.owner_of(&clerk, json!({"title": "other", "country": "FR"})).await, json!(people.desk));
    }

    async fn a_faulty_declaration_tells_all_that_is_wrong(server: Server) {
        let people = prepare(&server, "PUBLIC_READ", &[]).await;
        let admin = &people.admin;
        admin.add_field("Enquiry", json!({"name": "half", "type": "formula", "returns": "decimal", "rule": "worth / 2"})).await.ok();
        admin.add_field("Enquiry", json!({"name": "number", "type": "autoNumber", "format": "E-{000}"})).await.ok();
        let rules = json!([
            {"name": "one", "when": "nothing == 1", "to": {"user": "nobody@example.org"}},
            {"name": "one", "when": "half > 1", "to": {"group": "Nobody's desk"}},
            {"name": "two", "when": "worth + 1", "to": {"roundRobin": {"users": ["anna@example.org", "none@example.org"]}}},
            {"name": "three", "when": "owner.name == \"x\"", "to": {"roundRobin": {"group": "None"}}},
            {"name": "four", "when": "number != null", "to": {"group": "Export desk"}},
        ]);
        let answer = admin.change("updateModule", patch(&rules)).await;
        answer.refused("VALIDATION_FAILED");
        let place = |issue: &&Value| {
            let path = issue["path"].as_array().expect("a path").iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
            (path.collect::<Vec<_>>().join("."), issue["rule"].as_str().expect("a rule").to_owned())
        };
        let mut found: Vec<(String, String)> = answer.issues().iter().map(place).collect();
        found.sort();
        let at = |place: &str, rule: &str| (format!("patch.features.assignment.rules.{place}"), rule.to_owned());
        assert_eq!(found, [
            at("0.to.user", "unknownUser"), at("0.when", "rule"), at("1.name", "nameTaken"), at("1.to.group", "unknownGroup"), at("1.when", "rule"),
            at("2.to.roundRobin.users.1", "unknownUser"), at("2.when", "rule"), at("3.to.roundRobin.group", "unknownGroup"), at("3.when", "rule"), at("4.when", "rule"),
        ]);
        for rules in [json!([{"name": "x", "to": {}}]), json!([{"name": "x", "to": {"user": "anna@example.org", "group": "Export desk"}}]), json!([{"to": {"group": "Export desk"}}]), json!([])] {
            admin.change("updateModule", patch(&rules)).await.refused("VALIDATION_FAILED");
        }
        // What was declared before goes on.
        assert_eq!(people.owner_of(admin, json!({"title": "far", "country": "FR"})).await, json!(people.desk));
    }
}
