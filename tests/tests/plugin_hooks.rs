//! Hooks and validators of plugins, from the package to the refused or changed record: what they see, what they may do, what holds them.

use std::process::Stdio;

use cardine_tests::{Answer, Client, Server, binary, on_both_databases, plugins};
use serde_json::{Value, json};

/// All that the plugin for tests asks for, but `phone`, which it could only read.
fn grant() -> Value {
    json!({"api": {"plugin": {
        "Organization": {"read": true, "fields": {"name": "WRITE", "description": "READ", "website": "WRITE", "employees": "WRITE"}},
        "Contact": {"read": true, "fields": {"lastName": "WRITE"}}}}})
}

async fn install(admin: &Client, name: &str, grant: Value, dry_run: bool) -> Answer {
    let package = std::fs::read(plugins::package(name)).expect("the script built it");
    plugins::install(admin, package, grant, dry_run, "name grant permissions").await
}

async fn with_hooks(server: &Server) -> Client {
    let admin = server.admin().await;
    install(&admin, "test-hooks", grant(), false).await.ok();
    admin
}

async fn create(client: &Client, description: &str) -> Answer {
    let text = "mutation($data: OrganizationCreate!) { createOrganization(data: $data) { id name website employees version } }";
    client
        .query_with(text, json!({"data": {"name": "Acme", "phone": "+39051123456", "description": description}}))
        .await
}

async fn create_many(client: &Client, descriptions: &[&str]) -> Answer {
    let text = "mutation($data: [OrganizationCreate!]!) { createOrganizations(data: $data) { id name } }";
    let data: Vec<Value> = descriptions.iter().map(|words| json!({"name": "Acme", "description": words})).collect();
    client.query_with(text, json!({"data": data})).await
}

async fn update(client: &Client, id: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: OrganizationUpdate!) { updateOrganization(id: $id, data: $data) { id name version } }";
    client.query_with(text, json!({"id": id, "data": data})).await
}

async fn by_id(client: &Client, mutation: &str, id: &str) -> Answer {
    client.query_with(&format!("mutation($id: ID!) {{ {mutation} }}"), json!({"id": id})).await
}

async fn count(client: &Client) -> Value {
    client.query("{ organizations { totalCount } }").await.ok()["organizations"]["totalCount"].clone()
}

fn patch(patch: Value) -> String {
    json!({ "patch": patch }).to_string()
}

/// Code and reason of the first error.
fn reason(answer: &Answer) -> (Value, Value) {
    let error = &answer.errors()[0]["extensions"];
    (error["code"].clone(), error["reason"].clone())
}

fn failed(reason: &str) -> (Value, Value) {
    (json!("PLUGIN_FAILED"), json!(reason))
}

on_both_databases! {
    async fn a_hook_keeps_changes_and_refuses(server: Server) {
        let admin = with_hooks(&server).await;
        let kept = create(&admin, "nothing").await;
        assert_eq!(kept.ok()["createOrganization"]["name"], "Acme");

        let changed = create(&admin, &patch(json!({"name": "Changed", "website": "example.com", "employees": 7}))).await;
        let record = changed.ok()["createOrganization"].clone();
        // Normalised like what a caller gives.
        assert_eq!((&record["name"], &record["website"], &record["employees"], &record["version"]),
            (&json!("Changed"), &json!("https://example.com/"), &json!(7), &json!(1)));

        let before = count(&admin).await;
        let refused = create_many(&admin, &["nothing", "veto", "nothing"]).await;
        assert_eq!(refused.codes(), ["VALIDATION_FAILED"]);
        let issues = refused.issues();
        assert_eq!(issues.len(), 1, "{issues:?}");
        assert_eq!((&issues[0]["path"], &issues[0]["rule"], &issues[0]["message"]),
            (&json!(["data", 1, "name"]), &json!("on-purpose"), &json!("refused on purpose")));
        assert_eq!(count(&admin).await, before, "none of them is written");

        // Updates too, and what comes before and after.
        let id = record["id"].as_str().expect("an id");
        let refused = update(&admin, id, json!({"description": "veto"})).await;
        assert_eq!(refused.issues()[0]["path"], json!(["data", "name"]));
        update(&admin, id, json!({"description": patch(json!({"name": "Again"}))})).await.ok();
        let history = admin.query_with("query($id: ID!) { organization(id: $id) { name version } }", json!({"id": id})).await;
        assert_eq!(history.ok()["organization"], json!({"name": "Again", "version": 2}));
    }

    async fn a_batch_is_one_call_and_shows_what_was_granted(server: Server) {
        let admin = with_hooks(&server).await;
        let created = create_many(&admin, &["show", "show", "show"]).await;
        for record in created.ok()["createOrganizations"].as_array().expect("a list") {
            let shown: Value = serde_json::from_str(record["name"].as_str().expect("a text")).expect("what it saw");
            assert_eq!(shown["count"], 3, "{shown}");
            assert_eq!(shown["operation"], "create");
            // What comes with `read`, and what the grant names: no phone, though the caller gave one, and no owner.
            assert_eq!(shown["changed"], json!(["createdAt", "description", "id", "name", "updatedAt", "version"]), "{shown}");
        }
        let shown = create(&admin, "show").await.ok()["createOrganization"]["name"].as_str().expect("a text").to_owned();
        assert!(!shown.contains("phone"), "{shown}");
    }

    async fn a_hook_changes_only_what_it_may_write(server: Server) {
        let admin = with_hooks(&server).await;
        let before = count(&admin).await;
        for faulty in [
            json!({"phone": "+390511"}),
            json!({"description": "x"}),
            json!({"billingCity": "Bologna"}),
            json!({"ownerId": null}),
            json!({"version": 7}),
            json!({"nothing": 1}),
            json!({"employees": "many"}),
            json!({"employees": 1.5}),
            json!({"website": "javascript:alert(1)"}),
            json!({"name": null}),
            json!({"name": " "}),
            json!([1]),
        ] {
            let refused = create(&admin, &patch(faulty.clone())).await;
            assert_eq!(reason(&refused), failed("OUTPUT_INVALID"), "{faulty}: {refused}");
            let said = refused.to_string();
            assert!(!said.contains("billingCity") && !said.contains("phone"), "{said}");
        }
        assert_eq!(count(&admin).await, before);
    }

    async fn a_hook_that_fails_refuses_the_write_or_is_passed_over_as_it_says(server: Server) {
        let admin = with_hooks(&server).await;
        for (wish, expected) in [("trap", "TRAP"), ("loop", "TIME"), ("too few", "FAILED")] {
            let refused = create(&admin, wish).await;
            assert_eq!(reason(&refused), failed(expected), "{refused}");
            assert!(!refused.to_string().contains("on purpose"), "a trap's text is not for the API: {refused}");
        }
        assert_eq!(count(&admin).await, 0);
        // What was ended is listed for administrators, with where in the plugin it was.
        let told = admin.admin_query("{ plugins { failedCalls { what reason bound detail } } }").await;
        let calls = told.ok()["plugins"][0]["failedCalls"].as_array().expect("a list").clone();
        let reasons: Vec<_> = calls.iter().map(|call| (&call["what"], &call["reason"])).collect();
        let hook = json!("the hook before create of Organization");
        assert_eq!(reasons, [(&hook, &json!("TIME")), (&hook, &json!("TRAP"))], "the newest first");
        assert!(calls[1]["detail"].as_str().is_some_and(|detail| detail.contains("wasm backtrace")), "{told}");
        // Contacts say `ignore` for new ones, and `fail` for changes of the last name alone.
        let id = admin.create("Contact", json!({"lastName": "Rossi"})).await;
        let change = |data: Value| {
            let text = "mutation($id: ID!, $data: ContactUpdate!) { updateContact(id: $id, data: $data) { lastName } }";
            admin.query_with(text, json!({"id": id, "data": data}))
        };
        change(json!({"firstName": "Mario"})).await.ok();
        assert_eq!(reason(&change(json!({"lastName": "Verdi"})).await), failed("TRAP"));
        // Modules without hooks know nothing of it.
        admin.create("Lead", json!({"lastName": "trap"})).await;
    }

    async fn a_record_is_held_back_by_every_way_of_deleting(server: Server) {
        let admin = with_hooks(&server).await;
        let id = admin.create("Organization", json!({"name": "Kept", "description": "hold"})).await;
        for mutation in ["deleteOrganization(id: $id) { id }", "destroyOrganization(id: $id)"] {
            let refused = by_id(&admin, mutation, &id).await;
            assert_eq!(refused.codes(), ["VALIDATION_FAILED"], "{mutation}");
            assert_eq!(refused.issues()[0]["message"], "held back on purpose");
        }
        let many = |verb: &str, name: &str| format!("mutation {{ {verb}Organizations(filter: {{name: {{eq: \"{name}\"}}}}) {{ count }} }}");
        for verb in ["delete", "destroy"] {
            assert_eq!(admin.query(&many(verb, "Kept")).await.codes(), ["VALIDATION_FAILED"]);
        }
        assert_eq!(count(&admin).await, 1);

        let away = admin.create("Organization", json!({"name": "Away", "description": "stay away"})).await;
        by_id(&admin, "deleteOrganization(id: $id) { id }", &away).await.ok();
        let refused = by_id(&admin, "restoreOrganization(id: $id) { id }", &away).await;
        assert_eq!(refused.issues()[0]["message"], "stays away on purpose");
        assert_eq!(admin.query(&many("restore", "Away")).await.issues()[0]["message"], "stays away on purpose");
        by_id(&admin, "destroyOrganization(id: $id)", &away).await.ok();
    }

    async fn what_the_caller_may_not_read_is_not_named(server: Server) {
        let admin = with_hooks(&server).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Organization", json!({"create": true, "read": true,
            "fields": {"name": "WRITE", "description": "WRITE"}})).await;
        let clerk = server.create_user_with_role("clerk").await;
        let text = "mutation($data: OrganizationCreate!) { createOrganization(data: $data) { id name } }";
        let refused = clerk.query_with(text, json!({"data": {"name": "A", "description": "veto hidden"}})).await;
        assert_eq!(refused.issues()[0]["path"], json!(["data"]));
        assert!(!refused.to_string().contains("phone"), "{refused}");
        // The plugin writes by its own grant, as a workflow does by its author's rights.
        let written = patch(json!({"employees": 12}));
        let made = clerk.query_with(text, json!({"data": {"name": "B", "description": written}})).await;
        let id = made.ok()["createOrganization"]["id"].clone();
        let seen = admin.query_with("query($id: ID!) { organization(id: $id) { employees } }", json!({"id": id})).await;
        assert_eq!(seen.ok()["organization"]["employees"], 12);
    }

    async fn a_grant_is_part_of_what_is_asked_for_and_hooks_need_it(server: Server) {
        let admin = server.admin().await;
        let nothing = install(&admin, "test-hooks", json!({}), false).await;
        assert_eq!(nothing.codes(), ["VALIDATION_FAILED"]);
        let rules: Vec<&Value> = nothing.issues().into_iter().map(|issue| &issue["rule"]).collect();
        assert_eq!(rules, ["notGranted"; 3]);
        let mut more = grant();
        more["api"]["plugin"]["Organization"]["fields"]["phone"] = json!("WRITE");
        more["api"]["plugin"]["Lead"] = json!({"read": true});
        let refused = install(&admin, "test-hooks", more, false).await;
        let mut paths: Vec<String> = refused.issues().into_iter().map(|issue| issue["path"].to_string()).collect();
        paths.sort();
        assert_eq!(paths, [r#"["grant","api","plugin","Lead","read"]"#, r#"["grant","api","plugin","Organization","fields","phone"]"#]);

        // A dry run tells, and puts nothing in force.
        let told = install(&admin, "test-hooks", grant(), true).await;
        assert_eq!(told.ok()["installPlugin"]["permissions"]["api"]["plugin"]["Organization"]["fields"]["phone"], "READ");
        create(&admin, "veto").await.ok();
        install(&admin, "test-hooks", grant(), false).await.ok();
        assert_eq!(create(&admin, "veto").await.codes(), ["VALIDATION_FAILED"]);
        // Installed again without a word of grants, it keeps them; after a restart too.
        let again = install(&admin, "test-hooks", Value::Null, false).await;
        assert_eq!(again.ok()["installPlugin"]["grant"], grant());
        let mut server = server;
        server.restart().await;
        assert_eq!(create(&server.admin().await, "veto").await.codes(), ["VALIDATION_FAILED"]);
    }

    async fn a_hook_that_the_command_line_installs_holds_in_the_running_server(server: Server) {
        let admin = server.admin().await;
        let package = plugins::package("test-hooks");
        let run = |words: &[&str]| {
            let mut command = binary::command(&server.data_directory());
            command.args(words).arg(&package).arg("--data").arg(server.data_directory());
            if let Some(database) = server.postgres() {
                command.args(["--database", database.url()]);
            }
            command.stdin(Stdio::null()).output().expect("the binary runs")
        };
        let ungranted = run(&["plugin", "install"]);
        assert!(!ungranted.status.success());
        assert!(String::from_utf8_lossy(&ungranted.stderr).contains("Organization"), "{ungranted:?}");
        let installed = run(&["plugin", "install", "--grant-all"]);
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        cardine_tests::eventually("the hook is in force", || async {
            (create(&admin, "veto").await.codes() == ["VALIDATION_FAILED"]).then_some(())
        }).await;
    }

    async fn a_field_has_its_values_checked(server: Server) {
        let admin = server.admin().await;
        let field = json!({"name": "vatNumber", "type": "text", "validators": [{"plugin": "italian-codes", "validator": "vat-number"}]});
        admin.add_field("Organization", field).await.ok();
        let text = "mutation($data: [OrganizationCreate!]!) { createOrganizations(data: $data) { id vatNumber } }";
        let create = |numbers: &[Value]| {
            let data: Vec<Value> = numbers.iter().map(|number| json!({"name": "Acme", "vatNumber": number})).collect();
            admin.query_with(text, json!({ "data": data }))
        };
        // Nobody can vouch for a value while the plugin is not there; a record without a value needs nobody.
        assert_eq!(reason(&create(&[json!("12345678903")]).await), failed("UNKNOWN_FUNCTION"));
        create(&[Value::Null]).await.ok();

        install(&admin, "italian-codes", Value::Null, false).await.ok();
        let made = create(&[json!("12345678903"), Value::Null, json!("IT00743110157")]).await;
        let id = made.ok()["createOrganizations"][0]["id"].as_str().expect("an id").to_owned();
        let refused = create(&[json!("12345678903"), json!("12345678904"), json!("x")]).await;
        assert_eq!(refused.codes(), ["VALIDATION_FAILED"]);
        let mut found: Vec<String> =
            refused.issues().into_iter().map(|issue| format!("{} {}", issue["path"], issue["rule"])).collect();
        found.sort();
        assert_eq!(found, [r#"["data",1,"vatNumber"] "vat-number-invalid""#, r#"["data",2,"vatNumber"] "vat-number-malformed""#]);
        // Together with the faults that the server finds itself.
        let both = admin.query_with(text, json!({"data": [{"name": " ", "vatNumber": "1"}]})).await;
        assert_eq!(both.issues().len(), 2, "{both}");
        update(&admin, &id, json!({"name": "Other"})).await.ok();
        let refused = admin.query_with("mutation($id: ID!) { updateOrganization(id: $id, data: {vatNumber: \"1\"}) { id } }",
            json!({"id": id})).await;
        assert_eq!(refused.issues()[0]["path"], json!(["data", "vatNumber"]));
    }

    async fn validators_have_parameters_types_and_bounds(server: Server) {
        let admin = with_hooks(&server).await;
        let add = |name: &str, kind: &str, validator: Value| {
            admin.add_field("Lead", json!({"name": name, "type": kind, "validators": [validator]}))
        };
        let by = |validator: &str, params: Value| json!({"plugin": "test-hooks", "validator": validator, "params": params});
        add("checked", "text", by("not", json!({"word": "spam"}))).await.ok();
        add("unsaid", "text", by("not", json!({}))).await.ok();
        add("trapped", "text", by("trap", Value::Null)).await.ok();
        add("unknown", "text", by("nothing", Value::Null)).await.ok();
        add("dated", "date", by("trap", Value::Null)).await.ok();
        assert_eq!(add("site", "address", by("trap", Value::Null)).await.codes(), ["VALIDATION_FAILED"]);

        let create = |data: Value| {
            let text = "mutation($data: LeadCreate!) { createLead(data: $data) { id } }";
            let mut data = data;
            data["lastName"] = json!("Rossi");
            admin.query_with(text, json!({ "data": data }))
        };
        create(json!({"checked": "fine"})).await.ok();
        let refused = create(json!({"checked": "spam"})).await;
        assert_eq!((&refused.issues()[0]["path"], &refused.issues()[0]["rule"]), (&json!(["data", "checked"]), &json!("word-forbidden")));
        for (data, expected) in [
            (json!({"unsaid": "x"}), "INPUT"),
            (json!({"trapped": "x"}), "TRAP"),
            (json!({"unknown": "x"}), "UNKNOWN_FUNCTION"),
            (json!({"dated": "2026-01-01"}), "INPUT"),
        ] {
            assert_eq!(reason(&create(data.clone()).await), failed(expected), "{data}");
        }
    }
}
