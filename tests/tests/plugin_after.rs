//! Hooks after writes, from the package to what the plugin was told: of all that is committed and of nothing else, whatever dies.

use cardine_tests::{Answer, Client, Server, eventually, on_both_databases, plugins};
use serde_json::{Value, json};

const UPDATE: &str =
    "mutation($id: ID!, $data: OrganizationUpdate!) { updateOrganization(id: $id, data: $data) { id } }";

/// All that the plugin asks for.
fn grant() -> Value {
    json!({"api": {"plugin": {
        "Organization": {"read": true, "update": true, "fields": {"name": "WRITE", "description": "READ"}},
        "AfterNote": {"create": true, "read": true, "fields": {"operation": "WRITE", "request": "WRITE", "text": "WRITE"}}},
        "asCaller": true}, "state": {"bytes": 4096}})
}

async fn install(admin: &Client, grant: Value, dry_run: bool) -> Answer {
    let package = std::fs::read(plugins::package("test-after")).expect("the script built it");
    plugins::install(admin, package, grant, dry_run, "name changes").await
}

async fn with_hook(server: &Server) -> Client {
    let admin = server.admin().await;
    install(&admin, grant(), false).await.ok();
    admin
}

async fn organization(client: &Client, description: &str) -> String {
    client.create("Organization", json!({"name": "Acme", "phone": "+39051123456", "description": description})).await
}

/// What the plugin has noted, in the order in which it was told.
async fn notes(admin: &Client) -> Vec<Value> {
    let text = "{ afterNotes(first: 500, orderBy: [{createdAt: ASC}]) { nodes { operation request text } } }";
    let answer = admin.query(text).await;
    let nodes = answer.ok()["afterNotes"]["nodes"].as_array().expect("a list").clone();
    let parsed = |mut note: Value| {
        note["text"] = serde_json::from_str(note["text"].as_str().expect("a text")).expect("what it was told");
        note
    };
    nodes.into_iter().map(parsed).collect()
}

async fn noted(admin: &Client, count: usize) -> Vec<Value> {
    eventually(&format!("{count} notes"), || async { Some(notes(admin).await).filter(|notes| notes.len() >= count) })
        .await
}

async fn runs(admin: &Client) -> Vec<Value> {
    let text = "{ runs(first: 1000) { workflow recordId status attempts error finishedAt } }";
    admin.admin_query(text).await.ok()["runs"].as_array().expect("a list").clone()
}

async fn ended_runs(admin: &Client, count: usize) -> Vec<Value> {
    eventually(&format!("{count} runs end"), || async {
        let runs = runs(admin).await;
        (runs.len() >= count && runs.iter().all(|run| run["finishedAt"].is_string())).then_some(runs)
    })
    .await
}

on_both_databases! {
    async fn a_hook_is_told_of_what_is_committed_and_sees_what_was_granted(server: Server) {
        let admin = with_hook(&server).await;
        let id = organization(&admin, "quiet").await;
        let with_id = || json!({"id": id});
        // Of fields that it does not name it is not told, nor of what is refused or changes nothing.
        admin.query_with(UPDATE, json!({"id": id, "data": {"phone": "+39051654321"}})).await.ok();
        admin.query_with(UPDATE, json!({"id": id, "data": {"name": "Acme"}})).await.ok();
        let refused = admin.query_with(UPDATE, json!({"id": id, "data": {"name": " "}})).await;
        assert_eq!(refused.codes(), ["VALIDATION_FAILED"]);
        admin.query_with(UPDATE, json!({"id": id, "data": {"name": "Ajax", "phone": "+39051000000"}})).await.ok();
        admin.query_with("mutation($id: ID!) { deleteOrganization(id: $id) { id } }", with_id()).await.ok();
        admin.query_with("mutation($id: ID!) { restoreOrganization(id: $id) { id } }", with_id()).await.ok();
        let told = noted(&admin, 4).await;
        let operations: Vec<&Value> = told.iter().map(|note| &note["operation"]).collect();
        assert_eq!(operations, ["create", "update", "delete", "restore"], "{told:#?}");
        assert!(told.iter().all(|note| note["text"]["id"] == id), "{told:#?}");

        let (create, update, delete) = (&told[0]["text"], &told[1]["text"], &told[2]["text"]);
        assert_eq!((&create["before"], &create["after"]["name"]), (&Value::Null, &json!("Acme")));
        assert_eq!((&update["before"]["name"], &update["after"]["name"]), (&json!("Acme"), &json!("Ajax")));
        assert_eq!(update["changed"], json!(["name", "updatedAt", "version"]), "the phone is not for it");
        assert_eq!((&delete["before"]["name"], &delete["after"]), (&json!("Ajax"), &Value::Null));
        assert!(!json!(told).to_string().contains("+39051"), "{told:#?}");
        assert_eq!(runs(&admin).await.len(), 4, "each is a run, seen like any other");
        assert!(runs(&admin).await.iter().all(|run| run["workflow"] == "test-after-after-organization"));
    }

    async fn it_comes_with_its_package_and_goes_with_it(server: Server) {
        let admin = server.admin().await;
        let ungranted = install(&admin, json!({}), false).await;
        assert_eq!(ungranted.issues().iter().map(|issue| issue["rule"].clone()).collect::<Vec<_>>(), [json!("notGranted")]);
        let looked = install(&admin, grant(), true).await;
        assert!(looked.ok()["installPlugin"]["changes"].to_string().contains("+ workflow test-after-after-organization"), "{looked}");
        let _ = organization(&admin, "quiet").await;
        assert!(runs(&admin).await.is_empty(), "it was only looked at");

        // From the command line too, where nobody is the author.
        let package = plugins::package("test-after");
        let package = package.to_str().expect("a path");
        let installed = server.run(&["plugin", "install", "--grant-all", package]);
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        eventually("the hook is in force", || async {
            let _ = organization(&admin, "quiet").await;
            (!runs(&admin).await.is_empty()).then_some(())
        })
        .await;
        noted(&admin, 1).await;
        admin.admin_query("mutation { uninstallPlugin(name: \"test-after\") }").await.ok();
        let before = runs(&admin).await.len();
        let _ = organization(&admin, "quiet").await;
        assert_eq!(runs(&admin).await.len(), before);
    }

    async fn what_fails_is_tried_again_where_it_may_pass_and_listed_where_not(server: Server) {
        let admin = with_hook(&server).await;
        for word in ["later", "fail", "trap"] {
            let _ = organization(&admin, word).await;
        }
        let told = noted(&admin, 1).await;
        let ended = ended_runs(&admin, 3).await;
        assert_eq!(told[0]["text"]["after"]["description"], "later");
        let mut ends: Vec<String> = ended
            .iter()
            .map(|run| {
                let error = run["error"].as_str().unwrap_or_default();
                assert!(!error.contains("on purpose"), "the plugin's own words are for its log: {error}");
                format!("{} {}", run["status"].as_str().unwrap_or_default(), error.split(':').next().unwrap_or_default())
            })
            .collect();
        ends.sort();
        assert_eq!(ends, ["DONE ", "FAILED PLUGIN_FAILED FAILED", "FAILED PLUGIN_FAILED TRAP"]);
        assert_eq!(notes(&admin).await.len(), 1);
    }

    async fn what_was_written_before_a_crash_is_told_after_it(mut server: Server) {
        let admin = with_hook(&server).await;
        let data: Vec<Value> = (0..40).map(|number| json!({"name": format!("N{number}"), "description": "quiet"})).collect();
        let text = "mutation($data: [OrganizationCreate!]!) { createOrganizations(data: $data) { id } }";
        let made = admin.query_with(text, json!({"data": data})).await;
        server.kill_hard();
        let mut ids: Vec<Value> =
            made.ok()["createOrganizations"].as_array().expect("a list").iter().map(|one| one["id"].clone()).collect();
        server.restart().await;
        let admin = server.admin().await;
        let ended = ended_runs(&admin, 40).await;
        assert!(ended.iter().all(|run| run["status"] == "DONE"), "{ended:#?}");
        // At least once; the note of a second time has the same request.
        let mut told: Vec<Value> = noted(&admin, 40).await.iter().map(|note| note["text"]["id"].clone()).collect();
        told.sort_by_key(Value::to_string);
        ids.sort_by_key(Value::to_string);
        assert_eq!(told, ids);
    }

    async fn it_has_its_own_rights_and_not_those_of_who_wrote(server: Server) {
        let admin = with_hook(&server).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Organization", json!({"create": true, "read": true, "fields": {"name": "WRITE", "description": "WRITE"}})).await;
        let clerk = server.create_user_with_role("clerk").await;
        let text = "mutation { createOrganization(data: {name: \"A\", description: \"caller\"}) { id } }";
        clerk.query(text).await.ok();
        let told = noted(&admin, 1).await;
        // The clerk may not make notes, the plugin may; and it may not speak for the clerk, whose request is over.
        let said = told[0]["text"]["said"].as_str().expect("what it was answered");
        assert!(said.contains("Denied") && said.contains("gone"), "{said}");
        let entries = admin.admin_query("{ audit(first: 50) { via action onBehalfOfId changes } }").await;
        let entries = entries.ok()["audit"].as_array().expect("a list").clone();
        let note = entries.iter().find(|entry| entry["via"] == "plugin" && entry["action"] == "CREATED").expect("the note's entry");
        assert_eq!(note["onBehalfOfId"], told[0]["text"]["user"]);
        assert!(note["onBehalfOfId"].is_string());
    }

    async fn a_hook_that_causes_itself_comes_to_an_end(server: Server) {
        let admin = with_hook(&server).await;
        let id = organization(&admin, "rename").await;
        let ended = eventually("the chain ends", || async {
            let runs = runs(&admin).await;
            (runs.iter().any(|run| run["status"] == "FAILED") && runs.iter().all(|run| run["finishedAt"].is_string())).then_some(runs)
        })
        .await;
        let failed: Vec<&Value> = ended.iter().filter(|run| run["status"] == "FAILED").collect();
        assert_eq!(failed.len(), 1, "{ended:#?}");
        assert!(failed[0]["error"].as_str().is_some_and(|error| error.starts_with("PLUGIN_FAILED DEPTH")), "{failed:#?}");
        assert_eq!(failed[0]["recordId"], id);
    }

    async fn a_workflow_tells_a_hook_only_of_changes_that_the_plugin_has_one_for(server: Server) {
        let admin = with_hook(&server).await;
        let workflow = |module: &str, trigger: Value, plugin: &str| {
            json!({"name": "by-hand", "module": module, "trigger": trigger, "steps": [{"id": "tell", "hook": {"plugin": plugin}}]})
        };
        let on = json!({"on": ["CREATED"]});
        for (document, rule) in [
            (workflow("Lead", on.clone(), "test-after"), "unknownHook"),
            (workflow("Organization", on.clone(), "nothing"), "unknownPlugin"),
            (workflow("Organization", json!({"manual": {}}), "test-after"), "notAvailable"),
        ] {
            let refused = admin.save_workflow(document).await;
            assert_eq!(refused.issues().iter().map(|issue| issue["rule"].clone()).collect::<Vec<_>>(), [json!(rule)], "{refused}");
        }
        let mut inside = workflow("Organization", on.clone(), "test-after");
        inside["timing"] = json!("BEFORE_COMMIT");
        assert_eq!(admin.save_workflow(inside).await.codes(), ["VALIDATION_FAILED"]);
        // One of its own holds the plugin in place.
        admin.save_workflow(workflow("Organization", on, "test-after")).await.ok();
        let held = admin.admin_query("mutation { uninstallPlugin(name: \"test-after\") }").await;
        assert!(held.issues().iter().any(|issue| issue["rule"] == "inUse"), "{held}");
    }
}
