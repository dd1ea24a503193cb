//! Fields that plugins compute: one call for each list, under the rights of both the caller and the plugin, and only when they are
//! selected.

use cardine_tests::{Answer, Client, Server, on_both_databases, plugins};
use reqwest::Method;
use serde_json::{Value, json};

const INPUTS: [&str; 6] = ["status", "leadSource", "annualRevenue", "employees", "email", "phone"];

fn grant(without: &str) -> Value {
    let fields = INPUTS.iter().filter(|name| **name != without);
    let fields: serde_json::Map<String, Value> = fields.map(|name| ((*name).to_owned(), json!("READ"))).collect();
    json!({"api": {"plugin": {"Lead": {"read": true, "fields": fields}}}})
}

async fn install(admin: &Client, grant: Value) {
    let package = std::fs::read(plugins::package("lead-score")).expect("the script built it");
    let _ = plugins::install(admin, package, grant, false, "name").await.ok();
}

fn computed(name: &str, field: &str, returns: &str) -> Value {
    let inputs: serde_json::Map<String, Value> = INPUTS.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    json!({"name": name, "type": "computed", "returns": returns, "by": {"plugin": "lead-score", "field": field}, "inputs": inputs})
}

/// With the plugin, which brings both of its fields, and three leads.
async fn with_scores(server: &Server) -> Client {
    let admin = server.admin().await;
    install(&admin, grant("")).await;
    let data = json!([
        {"lastName": "Best", "status": "HOT", "leadSource": "PARTNER", "annualRevenue": "25000000", "employees": 120,
         "email": "a@example.org", "phone": "+39051123456"},
        {"lastName": "Junk", "status": "JUNK_LEAD"},
        {"lastName": "New", "email": "n@example.org"},
    ]);
    let create = "mutation($data: [LeadCreate!]!) { createLeads(data: $data) { id } }";
    let _ = admin.query_with(create, json!({"data": data})).await.ok();
    admin
}

async fn calls(client: &Client) -> u64 {
    let metrics =
        client.request(Method::GET, "/metrics").send().await.expect("an answer").text().await.expect("a text");
    let line = metrics
        .lines()
        .find(|line| line.starts_with("cardine_plugin_calls_total{plugin=\"lead-score\",outcome=\"OK\""));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().expect("a number"))
}

const LEADS: &str = "{ leads(orderBy: [{lastName: ASC}]) { nodes { lastName score grade } } }";

on_both_databases! {
    async fn what_a_plugin_computes_is_selected_like_any_field(server: Server) {
        let admin = with_scores(&server).await;
        let expected = json!([
            {"lastName": "Best", "score": 100, "grade": "A"},
            {"lastName": "Junk", "score": 0, "grade": "D"},
            {"lastName": "New", "score": 15, "grade": "D"},
        ]);
        for _ in 0..2 {
            assert_eq!(admin.query(LEADS).await.ok()["leads"]["nodes"], expected);
        }
        // By edges and aliases, without its inputs, of one record, of any record, and of what was found.
        let edges = admin.query("{ leads(first: 1, orderBy: [{lastName: ASC}]) { edges { cursor node { id points: score } } } }").await;
        let node = edges.ok()["leads"]["edges"][0]["node"].clone();
        assert_eq!(node["points"], 100);
        let one = "query($id: ID!) { lead(id: $id) { score } node(id: $id) { ... on Lead { grade } } \
                   search(text: \"Best\") { nodes { record { ... on Lead { score } } } } }";
        assert_eq!(*admin.query_with(one, json!({"id": node["id"]})).await.ok(),
            json!({"lead": {"score": 100}, "node": {"grade": "A"}, "search": {"nodes": [{"record": {"score": 100}}]}}));
        // Of what a mutation wrote, with what it wrote.
        let update = "mutation($id: ID!) { updateLead(id: $id, data: {status: COLD}) { score } }";
        assert_eq!(admin.query_with(update, json!({"id": node["id"]})).await.ok()["updateLead"]["score"], 65);
        let shown = admin.query("{ __type(name: \"Lead\") { fields { name type { name } } } }").await;
        let fields = shown.ok()["__type"]["fields"].as_array().expect("a list").clone();
        assert!(fields.contains(&json!({"name": "score", "type": {"name": "Int"}})), "{fields:?}");
    }

    async fn inside_other_records_too(server: Server) {
        let admin = with_scores(&server).await;
        let made = "mutation { createOrganization(data: {name: \"Acme\"}) { id } }";
        let organization = admin.query(made).await.ok()["createOrganization"]["id"].clone();
        let convert = "mutation($to: ID!) { updateLeads(filter: {lastName: {in: [\"Best\", \"New\"]}}, \
                       data: {convertedOrganizationId: $to}) { count } }";
        let _ = admin.query_with(convert, json!({"to": organization})).await.ok();
        let before = calls(&admin).await;
        let nested = "{ organizations { nodes { convertedLeads(orderBy: [{lastName: ASC}]) { nodes { score } } } } }";
        assert_eq!(admin.query(nested).await.ok()["organizations"]["nodes"],
            json!([{"convertedLeads": {"nodes": [{"score": 100}, {"score": 15}]}}]));
        assert_eq!(calls(&admin).await, before + 1, "one call for the page of every parent");
        // By a reference from several records: the record is told to the plugin once.
        let task = "mutation($id: ID!) { createTasks(data: [{subject: \"a\", startAt: \"2026-01-01T00:00:00Z\", dueDate: \"2026-01-02\", parentId: $id}, {subject: \"b\", startAt: \"2026-01-01T00:00:00Z\", dueDate: \"2026-01-02\", parentId: $id}]) \
                    { parent { ... on Lead { score } } } }";
        let lead = admin.query("{ leads(filter: {lastName: {eq: \"Best\"}}) { nodes { id } } }").await.ok()["leads"]["nodes"][0]["id"].clone();
        let tasks = admin.query_with(task, json!({"id": lead})).await;
        assert_eq!(tasks.ok()["createTasks"], json!([{"parent": {"score": 100}}, {"parent": {"score": 100}}]));
    }

    async fn a_page_is_one_call_and_a_request_without_it_none(server: Server) {
        let admin = with_scores(&server).await;
        let data: Vec<Value> = (0..200).map(|number| json!({"lastName": format!("L{number}")})).collect();
        let create = "mutation($data: [LeadCreate!]!) { createLeads(data: $data) { id } }";
        let _ = admin.query_with(create, json!({"data": data})).await.ok();
        let before = calls(&admin).await;
        let page = admin.query("{ leads(first: 150) { nodes { score grade } } }").await;
        assert_eq!(page.ok()["leads"]["nodes"].as_array().map(Vec::len), Some(150));
        assert_eq!(calls(&admin).await, before + 1, "both fields of all records are one call");
        for without in ["{ leads { nodes { lastName email } totalCount } }", "{ leads(filter: {lastName: {eq: \"Nobody\"}}) { nodes { score } } }",
            "{ leads { nodes { lastName score @skip(if: true) } } }"] {
            let _ = admin.query(without).await.ok();
        }
        assert_eq!(calls(&admin).await, before + 1);
    }

    async fn it_is_selected_and_used_in_no_other_way(server: Server) {
        let admin = with_scores(&server).await;
        for text in [
            "{ leads(filter: {score: {gt: 50}}) { nodes { id } } }",
            "{ leads(orderBy: [{score: DESC}]) { nodes { id } } }",
            "mutation { createLead(data: {lastName: \"X\", score: 3}) { id } }",
        ] {
            let answer = admin.query(text).await;
            assert_eq!(answer.codes(), ["BAD_USER_INPUT"], "{text}");
            let message = answer.errors()[0]["message"].as_str().expect("a text").to_owned();
            assert!(message.contains("score") && message.contains("A plugin computes it"), "{message}");
        }
        for text in [
            "{ leads { aggregate { sum { score } } } }",
            "{ leadGroups(groupBy: [{grade: true}]) { count } }",
            "{ leads { aggregate { countDistinct { grade } } } }",
        ] {
            assert_eq!(admin.query(text).await.codes(), ["BAD_USER_INPUT"], "{text}");
        }
        let faulty = |field: Value| admin.add_field("Lead", field);
        let by_rule = faulty(json!({"name": "twice", "type": "formula", "returns": "integer", "rule": "score * 2"})).await;
        assert!(by_rule.issues()[0]["message"].as_str().is_some_and(|message| message.contains("plugin computes it")), "{:?}", by_rule.issues());
        for (field, place) in [
            (json!({"name": "x", "type": "computed", "returns": "integer", "by": {"plugin": "p", "field": "f"}, "inputs": {"a": "nothing"}}), "inputs"),
            (json!({"name": "x", "type": "computed", "returns": "integer", "by": {"plugin": "p", "field": "f"}, "inputs": {"a": "score"}}), "inputs"),
            (json!({"name": "x", "type": "computed", "returns": "integer", "by": {"plugin": "p", "field": "f"}, "inputs": {"a": "owner"}}), "inputs"),
            (json!({"name": "x", "type": "computed", "returns": "time", "by": {"plugin": "p", "field": "f"}}), "returns"),
            (json!({"name": "x", "type": "computed", "returns": "integer"}), "by"),
            (json!({"name": "x", "type": "computed", "by": {"plugin": "p", "field": "f"}}), "returns"),
            (json!({"name": "x", "type": "computed", "returns": "integer", "by": {"plugin": "p", "field": "f"}, "indexed": true}), "indexed"),
            (json!({"name": "x", "type": "text", "by": {"plugin": "p", "field": "f"}}), "by"),
        ] {
            let answer = faulty(field.clone()).await;
            let told = json!(answer.issues()).to_string();
            assert!(answer.codes() == ["VALIDATION_FAILED"] && told.contains(place), "{field}: {told}");
        }
        let updated = admin.change("updateModule", json!({"name": "Lead", "patch": {"indexes": [{"fields": ["score"]}]}})).await;
        assert_eq!(updated.codes(), ["VALIDATION_FAILED"]);

        // Neither an answer that is kept nor one that is told later has what a plugin may not give at that moment.
        let text = "mutation { createLead(data: {lastName: \"Once\"}) { score } }";
        let request = admin.request(Method::POST, "/graphql").header("Idempotency-Key", "k1").json(&json!({"query": text}));
        let kept = Answer::of(request).await;
        assert_eq!(kept.codes(), ["BAD_USER_INPUT"]);
        assert_eq!(admin.query("{ leads(filter: {lastName: {eq: \"Once\"}}) { totalCount } }").await.ok()["leads"]["totalCount"], 0);
    }

    async fn who_may_not_read_an_input_sees_no_score(server: Server) {
        let admin = with_scores(&server).await;
        admin.create_role("caller", None).await;
        admin.create_user("caller@example.com", "a long password", "caller").await;
        let fields = |employees: &str| json!({"read": true, "fields": {"*": "READ", "employees": employees}});
        admin.set_access("caller", "Lead", json!({"read": true, "fields": {"score": "READ", "grade": "READ", "status": "READ"}})).await;
        let _ = admin.change("updateModule", json!({"name": "Lead", "patch": {"sharing": "PUBLIC_READ"}})).await.ok();
        let caller = server.sign_in("caller@example.com", "a long password").await;
        let hidden = caller.query("{ leads { nodes { status score grade } } }").await;
        assert_eq!(hidden.codes(), ["BAD_USER_INPUT"; 2], "they do not exist: {:?}", hidden.errors());
        let filtered = caller.query("{ leads(filter: {score: {gt: 1}}) { totalCount } }").await;
        assert!(!json!(filtered.errors()).to_string().contains("plugin"), "nothing is told of it: {:?}", filtered.errors());
        admin.set_access("caller", "Lead", fields("NONE")).await;
        assert_eq!(caller.query("{ leads { nodes { score } } }").await.codes(), ["BAD_USER_INPUT"]);
        admin.set_access("caller", "Lead", fields("READ")).await;
        assert_eq!(caller.query(LEADS).await.ok()["leads"]["nodes"][0]["score"], 100);
        let published = json!({"module": "Lead", "name": "score", "patch": {"published": true}});
        assert_eq!(admin.change("updateField", published).await.codes(), ["VALIDATION_FAILED"]);
    }

    async fn what_a_plugin_cannot_give_is_null_beside_the_rest(server: Server) {
        let admin = with_scores(&server).await;
        install(&admin, grant("employees")).await;
        let answer = admin.query(LEADS).await;
        let error = &answer.errors()[0];
        assert_eq!((&error["extensions"]["code"], &error["extensions"]["reason"], &error["path"]),
            (&json!("PLUGIN_FAILED"), &json!("DENIED"), &json!(["leads"])), "{error}");
        assert_eq!(answer.errors().len(), 1, "one for all records");
        assert_eq!(answer.data()["leads"]["nodes"][0], json!({"lastName": "Best", "score": null, "grade": null}));

        // A definition that does not fit the manifest.
        install(&admin, grant("")).await;
        let _ = admin.add_field("Lead", computed("colour", "colour", "text")).await.ok();
        let _ = admin.add_field("Lead", computed("wrong", "score", "text")).await.ok();
        let answer = admin.query("{ leads(first: 1) { nodes { score colour } } other: leads(first: 1) { nodes { wrong } } }").await;
        let reasons: Vec<&Value> = answer.errors().iter().map(|error| &error["extensions"]["reason"]).collect();
        assert_eq!(reasons, ["UNKNOWN_FUNCTION", "INPUT"], "{:?}", answer.errors());
    }

    async fn a_field_keeps_its_plugin_and_a_plugin_its_names(server: Server) {
        let admin = with_scores(&server).await;
        // A field of an administrator's own, computed by the same plugin.
        let _ = admin.add_field("Lead", computed("points", "score", "integer")).await.ok();
        let uninstall = "mutation { uninstallPlugin(name: \"lead-score\") }";
        let kept = admin.admin_query(uninstall).await;
        assert_eq!(kept.codes(), ["VALIDATION_FAILED"]);
        let told: Vec<&Value> = kept.issues().iter().map(|issue| &issue["message"]).collect();
        assert_eq!(told, ["the field `points` of Lead is computed by it"]);
        // An input that is called otherwise is told by the plugin's name for it.
        let _ = admin.change("renameField", json!({"module": "Lead", "name": "employees", "to": "staff"})).await.ok();
        let points = "{ leads(orderBy: [{lastName: ASC}]) { nodes { points } } }";
        assert_eq!(admin.query(points).await.ok()["leads"]["nodes"][0]["points"], 100);
        let gone = admin.change("retireField", json!({"module": "Lead", "name": "staff"})).await;
        assert!(json!(gone.issues()).to_string().contains("Lead.points"), "{:?}", gone.issues());
        let _ = admin.change("renameField", json!({"module": "Lead", "name": "staff", "to": "employees"})).await.ok();
        let _ = admin.change("retireField", json!({"module": "Lead", "name": "points"})).await.ok();

        // Its own fields go with it, and come back.
        let _ = admin.admin_query(uninstall).await.ok();
        assert_eq!(admin.query("{ leads { nodes { score } } }").await.codes(), ["BAD_USER_INPUT"]);
        let _ = admin.change("restoreField", json!({"module": "Lead", "name": "points"})).await.ok();
        let answer = admin.query("{ leads(first: 1) { nodes { points } } }").await;
        assert_eq!(answer.errors()[0]["extensions"]["reason"], "UNKNOWN_FUNCTION");
        install(&admin, grant("")).await;
        assert_eq!(admin.query(LEADS).await.ok()["leads"]["nodes"][0]["score"], 100);
    }
}
