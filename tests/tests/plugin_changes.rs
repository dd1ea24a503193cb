//! What plugins ask for, where modules change: their grants follow new names and forget what is purged, and nothing that their code needs
//! goes without a word.

use cardine_tests::{Answer, Client, Server, on_both_databases, plugins};
use serde_json::{Value, json};

/// Its hook on contacts is about changes of the last name.
fn grant() -> Value {
    json!({"api": {"plugin": {
        "Organization": {"read": true, "fields": {"name": "WRITE", "description": "READ", "employees": "WRITE", "phone": "NONE"}},
        "Contact": {"read": true, "fields": {}}}}})
}

async fn install(admin: &Client, grant: Value) -> Answer {
    let package = std::fs::read(plugins::package("test-hooks")).expect("the script built it");
    plugins::install(admin, package, grant, false, "name grant").await
}

async fn start(server: &Server) -> Client {
    let admin = server.admin().await;
    let _ = install(&admin, grant()).await.ok();
    admin
}

/// What the plugin was granted on organizations.
async fn granted(admin: &Client) -> Value {
    let plugins = admin.admin_query("{ plugins { name grant } }").await;
    let plugins = plugins.ok()["plugins"].as_array().expect("a list").clone();
    let ours = plugins.into_iter().find(|plugin| plugin["name"] == "test-hooks").expect("it is installed");
    ours["grant"]["api"]["plugin"].clone()
}

/// The hook does what the description says: sets these values.
async fn patch(admin: &Client, values: Value) -> Answer {
    let text = "mutation($data: OrganizationCreate!) { createOrganization(data: $data) { id name } }";
    let description = json!({ "patch": values }).to_string();
    admin.query_with(text, json!({"data": {"name": "Acme", "description": description}})).await
}

async fn change(admin: &Client, name: &str, dry: bool, mut arguments: Value) -> Answer {
    if dry {
        arguments["dryRun"] = json!(true);
    }
    admin.change(name, arguments).await
}

/// The messages of a rule: of what is told, or of what is in the way.
fn told(answer: &Answer, rule: &str) -> Vec<String> {
    let issues = match answer.errors().is_empty() {
        true => answer.ok()["change"]["warnings"].as_array().expect("a list").iter().collect(),
        false => answer.issues(),
    };
    let of_rule = issues.into_iter().filter(|issue| issue["rule"] == rule);
    of_rule.map(|issue| issue["message"].as_str().expect("a text").to_owned()).collect()
}

fn names_plugin(messages: &[String]) -> bool {
    messages.iter().any(|message| message.starts_with("the plugin test-hooks"))
}

fn names_grant(messages: &[String]) -> bool {
    messages.iter().any(|message| message.starts_with("the grant of the plugin test-hooks"))
}

on_both_databases! {
    async fn what_a_plugin_needs_goes_by_force_alone(server: Server) {
        let admin = start(&server).await;
        let field = |module: &str, name: &str, force: bool| json!({"module": module, "name": name, "force": force});
        // By its grant, and by a hook.
        for (module, name) in [("Organization", "employees"), ("Contact", "lastName")] {
            let refused = change(&admin, "retireField", true, field(module, name, false)).await;
            assert_eq!(refused.codes(), ["VALIDATION_FAILED"], "{module}.{name}");
            assert!(names_plugin(&told(&refused, "needed")), "{refused}");
        }
        // What it was refused, and what it does not name.
        for name in ["phone", "website"] {
            let answer = change(&admin, "retireField", true, field("Organization", name, true)).await;
            assert!(!names_plugin(&told(&answer, "needed")), "{answer}");
            assert_eq!(names_grant(&told(&answer, "granted")), name == "phone", "{answer}");
        }
        let forced = change(&admin, "retireField", false, field("Organization", "employees", true)).await;
        assert!(names_plugin(&told(&forced, "needed")) && names_grant(&told(&forced, "granted")), "{forced}");
        // Its hook goes on, and the field does not exist for it.
        patch(&admin, json!({"name": "Changed"})).await.ok();
        assert_eq!(patch(&admin, json!({"employees": 3})).await.codes(), ["PLUGIN_FAILED"]);
        let _ = change(&admin, "restoreField", false, json!({"module": "Organization", "name": "employees"})).await.ok();
        patch(&admin, json!({"employees": 3})).await.ok();
        // Out of service it needs nothing; what it was granted rests.
        let _ = admin.admin_query("mutation { uninstallPlugin(name: \"test-hooks\") }").await.ok();
        let answer = change(&admin, "retireField", true, field("Organization", "employees", true)).await;
        assert!(!names_plugin(&told(&answer, "needed")) && names_grant(&told(&answer, "granted")), "{answer}");
    }

    async fn another_type_tells_the_plugins_that_use_the_field(server: Server) {
        let admin = start(&server).await;
        let to = |name: &str, to: Value| json!({"module": "Organization", "name": name, "to": to});
        let answer = change(&admin, "changeFieldType", true, to("employees", json!({"type": "integer", "big": true}))).await;
        assert!(names_plugin(&told(&answer, "uses")), "{answer}");
        let answer = change(&admin, "changeFieldType", true, to("phone", json!("text"))).await;
        assert!(!names_plugin(&told(&answer, "uses")), "{answer}");
    }

    async fn a_grant_follows_a_new_name_and_who_takes_the_old_one_inherits_nothing(mut server: Server) {
        let admin = start(&server).await;
        let rename = |dry: bool, name: &str, to: &str| {
            change(&admin, "renameField", dry, json!({"module": "Organization", "name": name, "to": to}))
        };
        let answer = rename(true, "employees", "staff").await;
        assert!(names_grant(&told(&answer, "follows")) && names_plugin(&told(&answer, "outdates")), "{answer}");
        // Code that may not see a field does not ask for it.
        let answer = rename(true, "phone", "telephone").await;
        assert!(names_grant(&told(&answer, "follows")) && !names_plugin(&told(&answer, "outdates")), "{answer}");
        assert_eq!(granted(&admin).await, grant()["api"]["plugin"], "a dry run changes nothing");

        rename(false, "employees", "staff").await.ok();
        assert_eq!(granted(&admin).await["Organization"]["fields"],
            json!({"name": "WRITE", "description": "READ", "staff": "WRITE", "phone": "NONE"}));
        patch(&admin, json!({"staff": 3})).await.ok();
        admin.add_field("Organization", json!({"name": "employees", "type": "integer"})).await.ok();
        assert_eq!(patch(&admin, json!({"employees": 3})).await.codes(), ["PLUGIN_FAILED"]);

        // A module too; its hook is known by the old name, and asked no more.
        let answer = change(&admin, "renameModule", false, json!({"name": "Contact", "to": "Person", "plural": "People"})).await;
        assert!(names_plugin(&told(&answer, "outdates")), "{answer}");
        assert_eq!(granted(&admin).await["Person"], json!({"read": true, "fields": {}}));
        // It is loaded with names that its manifest does not have.
        server.restart().await;
        let admin = server.admin().await;
        patch(&admin, json!({"staff": 4})).await.ok();
        assert_eq!(patch(&admin, json!({"employees": 3})).await.codes(), ["PLUGIN_FAILED"]);
        // Who installs it grants what it asks for, by the names that it knows.
        let mut more = grant();
        more["api"]["plugin"]["Organization"]["fields"]["staff"] = json!("WRITE");
        let refused = install(&admin, more).await;
        assert!(refused.issues().iter().any(|issue| issue["rule"] == "notAskedFor"), "{refused}");
    }

    async fn what_is_purged_is_forgotten(server: Server) {
        let admin = start(&server).await;
        let employees = json!({"module": "Organization", "name": "employees"});
        let mut forced = employees.clone();
        forced["force"] = json!(true);
        change(&admin, "retireField", false, forced).await.ok();
        let answer = change(&admin, "purgeField", true, employees.clone()).await;
        assert!(names_grant(&told(&answer, "forgets")), "{answer}");
        change(&admin, "purgeField", false, employees).await.ok();
        admin.add_field("Organization", json!({"name": "employees", "type": "integer"})).await.ok();
        assert_eq!(granted(&admin).await["Organization"]["fields"], json!({"name": "WRITE", "description": "READ", "phone": "NONE"}));
        assert_eq!(patch(&admin, json!({"employees": 3})).await.codes(), ["PLUGIN_FAILED"]);
    }
}
