//! Modules and fields are added while the server runs: there in the next request and after a restart, or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cardine_tests::{Answer, Backend, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn vehicle() -> Value {
    json!({
        "name": "Vehicle", "plural": "Vehicles", "nameField": "plate",
        "fields": [
            {"name": "plate", "type": "text", "required": true, "unique": true, "maxLength": 12},
            {"name": "state", "type": "choice", "default": "IN_USE", "options": [{"value": "IN_USE"}, {"value": "SOLD"}]},
            {"name": "price", "type": "money"},
            {"name": "kilometres", "type": "integer", "min": 0},
            {"name": "organization", "type": "reference", "to": "Organization", "inverse": "vehicles", "onDelete": "RESTRICT"},
            {"name": "pricePerKilometre", "type": "formula", "rule": "price / kilometres", "returns": "decimal", "scale": 4},
        ],
    })
}

async fn version(admin: &Client) -> i64 {
    let answer = admin.admin_query("{ catalogVersion }").await;
    answer.ok()["catalogVersion"].as_i64().expect("the version is a number")
}

/// Each issue's path, as `fields.0.name`.
fn paths(answer: &Answer) -> Vec<String> {
    let part = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    let path = |issue: &&Value| {
        let parts = issue["path"].as_array().expect("an issue has a path");
        parts.iter().map(part).collect::<Vec<_>>().join(".")
    };
    answer.issues().iter().map(path).collect()
}

async fn use_vehicles(admin: &Client, plate: &str) {
    let text = "mutation($data: VehicleCreate!) { createVehicle(data: $data) { plate state price pricePerKilometre organization { name } } }";
    let organization = admin.create("Organization", json!({"name": "Trasporti Verdi"})).await;
    let data = json!({"plate": plate, "price": "20000", "kilometres": 30000, "organizationId": organization});
    let answer = admin.query_with(text, json!({"data": data})).await;
    let expected = json!({"plate": plate, "state": "IN_USE", "price": "20000.00", "pricePerKilometre": "0.6667",
        "organization": {"name": "Trasporti Verdi"}});
    assert_eq!(answer.ok()["createVehicle"], expected);
    let text = format!(
        "{{ vehicles(filter: {{plate: {{eq: \"{plate}\"}}, state: {{eq: IN_USE}}, price: {{gte: \"1\"}}}}, orderBy: [{{pricePerKilometre: DESC}}]) {{
            totalCount nodes {{ organization {{ vehicles {{ totalCount }} }} }} }} }}"
    );
    let answer = admin.query(&text).await;
    let expected = json!({"totalCount": 1, "nodes": [{"organization": {"vehicles": {"totalCount": 1}}}]});
    assert_eq!(answer.ok()["vehicles"], expected);
}

on_both_databases! {
    async fn a_new_module_is_there_in_the_next_request(server: Server) {
        let admin = server.admin().await;
        let before = admin.query("{ vehicles { totalCount } }").await;
        before.refused("BAD_USER_INPUT");
        let old = version(&admin).await;
        let created = admin.create_module(vehicle()).await;
        assert_eq!(created.ok()["createModule"], json!({"version": old + 1, "applied": true}));
        use_vehicles(&admin, "AB 123 CD").await;
        let types = admin.query("{ a: __type(name: \"Vehicle\") { name } b: __type(name: \"VehicleFilter\") { name }
            c: __type(name: \"VehicleCreate\") { name } d: __type(name: \"VehicleState\") { enumValues { name } } }").await;
        assert_eq!(types.ok()["d"]["enumValues"], json!([{"name": "IN_USE"}, {"name": "SOLD"}]));
        assert_eq!(types.ok()["c"]["name"], "VehicleCreate");
        // A name that is taken now, in the type or the plural.
        admin.create_module(vehicle()).await.refused("VALIDATION_FAILED");
    }

    async fn a_new_field_is_there_in_the_next_request(server: Server) {
        let admin = server.admin().await;
        let old = admin.create("Organization", json!({"name": "Before"})).await;
        admin.query("{ organizations { nodes { fleetSize } } }").await.refused("BAD_USER_INPUT");
        admin.add_field("Organization", json!({"name": "fleetSize", "type": "integer", "default": 3})).await.ok();
        admin.add_field("Organization", json!({"name": "slogan", "type": "text"})).await.ok();
        let new = admin.create("Organization", json!({"name": "After", "slogan": "We drive"})).await;
        let list = admin.query("{ organizations(filter: {or: [{slogan: {isNull: true}}, {slogan: {contains: \"drive\"}}]}, orderBy: [{name: DESC}]) { nodes { id fleetSize slogan } } }").await;
        let nodes = &list.ok()["organizations"]["nodes"];
        assert_eq!(nodes[0]["id"], old);
        assert_eq!(nodes[1], json!({"id": new, "fleetSize": 3, "slogan": "We drive"}));
        admin.add_field("Organization", json!({"name": "fleetSize", "type": "text"})).await.refused("VALIDATION_FAILED");
        admin.add_field("Nothing", json!({"name": "x", "type": "text"})).await.errors().first().expect("a module that is not there");
    }

    async fn changes_are_there_after_a_restart_and_after_a_crash(mut server: Server) {
        let admin = server.admin().await;
        admin.create_module(vehicle()).await.ok();
        server.restart().await;
        use_vehicles(&admin, "AA 111 AA").await;
        admin.add_field("Vehicle", json!({"name": "doors", "type": "integer", "default": 5})).await.ok();
        let version_before = version(&admin).await;
        server.kill_hard();
        server.restart().await;
        assert_eq!(version(&admin).await, version_before);
        let answer = admin.query("{ vehicles { nodes { plate doors } } }").await;
        assert_eq!(answer.ok()["vehicles"]["nodes"][0]["plate"], "AA 111 AA");
        admin.create("Vehicle", json!({"plate": "BB 222 BB", "doors": 2})).await;
    }

    async fn a_crash_during_a_change_leaves_the_old_version_or_the_new_one_whole(mut server: Server) {
        let admin = server.admin().await;
        for round in 0..4 {
            let before = version(&admin).await;
            let fields: Vec<Value> = (0..20).map(|n| json!({"name": format!("f{n}"), "type": "money", "indexed": true})).collect();
            let module = json!({"name": format!("Crash{round}"), "plural": format!("Crashes{round}"), "fields": fields});
            let text = "mutation($definition: JSON!) { createModule(definition: $definition) { version } }";
            let request = admin.request(reqwest::Method::POST, "/admin/graphql").json(&json!({"query": text, "variables": {"definition": module}}));
            let change = tokio::spawn(request.send());
            // Other requests meanwhile: how many is what makes the crash come earlier or later.
            for _ in 0..round {
                admin.query("{ me { role } }").await.ok();
            }
            server.kill_hard();
            let _ = change.await;
            server.restart().await;
            let answer = admin.query(&format!("mutation {{ createCrash{round}(data: {{f19: \"1\"}}) {{ f0 f19 }} }}")).await;
            if answer.errors().is_empty() {
                assert_eq!(answer.ok()[format!("createCrash{round}")], json!({"f0": null, "f19": "1.00"}));
                assert_eq!(version(&admin).await, before + 1);
            } else {
                answer.refused("BAD_USER_INPUT");
                assert_eq!(version(&admin).await, before);
                admin.create_module(module).await.ok();
            }
        }
        assert!(server.stop().success());
        let mut doctor = cardine_tests::binary::command(&server.data_directory());
        doctor.args(["doctor", "--data"]).arg(server.data_directory());
        if let Some(database) = server.postgres() {
            doctor.args(["--database", database.url()]);
        }
        let output = doctor.output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    async fn no_request_fails_while_modules_change(server: Server) {
        let admin = server.admin().await;
        admin.create("Organization", json!({"name": "Steady"})).await;
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicUsize::new(0));
        let readers: Vec<_> = (0..4).map(|_| {
            let (admin, stop, answered) = (admin.clone(), Arc::clone(&stop), Arc::clone(&answered));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let answer = admin.query("{ organizations { nodes { name contacts { totalCount } } } }").await;
                    assert_eq!(answer.ok()["organizations"]["nodes"][0]["name"], "Steady");
                    let created = admin.query("mutation { createContact(data: {lastName: \"Busy\"}) { lastName } }").await;
                    assert_eq!(created.ok()["createContact"]["lastName"], "Busy");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        }).collect();
        for n in 0..6 {
            let seen = answered.load(Ordering::Relaxed);
            let module = json!({"name": format!("Thing{n}"), "plural": format!("Things{n}"), "fields": [{"name": "title", "type": "text"}]});
            admin.create_module(module).await.ok();
            admin.add_field("Organization", json!({"name": format!("extra{n}"), "type": "text"})).await.ok();
            admin.query(&format!("mutation {{ createThing{n}(data: {{title: \"x\"}}) {{ title }} }}")).await.ok();
            cardine_tests::eventually("a reader was answered meanwhile", || async {
                (answered.load(Ordering::Relaxed) > seen || readers.iter().any(tokio::task::JoinHandle::is_finished)).then_some(())
            }).await;
        }
        stop.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.await.expect("no request failed");
        }
    }

    async fn a_faulty_definition_changes_nothing_and_lists_every_issue(server: Server) {
        let admin = server.admin().await;
        let before = version(&admin).await;
        let answer = admin.create_module(json!({
            "name": "Deal", "plural": "Deals", "nameField": "nothing",
            "fields": [
                {"name": "a", "type": "text"},
                {"name": "A1", "type": "text"},
                {"name": "a", "type": "integer"},
                {"name": "total", "type": "formula", "rule": "amount * 2", "returns": "money"},
                {"name": "account", "type": "reference", "to": "Acount"},
            ],
        })).await;
        answer.refused("VALIDATION_FAILED");
        let found = paths(&answer);
        // The form is checked first, and all of its faults are told; the rest needs a right form.
        assert!(found.iter().any(|path| path.ends_with("fields.1.name")), "{answer}");
        let answer = admin.create_module(json!({
            "name": "Deal", "plural": "Deals", "nameField": "nothing",
            "fields": [
                {"name": "a", "type": "text"},
                {"name": "a", "type": "integer"},
                {"name": "total", "type": "formula", "rule": "amount * 2", "returns": "money"},
                {"name": "account", "type": "reference", "to": "Acount"},
            ],
        })).await;
        answer.refused("VALIDATION_FAILED");
        let found = paths(&answer);
        for path in ["nameField", "fields.1.name", "fields.2.rule", "fields.3.to"] {
            assert!(found.iter().any(|one| one.ends_with(path)), "no issue at {path}: {answer}");
        }
        for issue in answer.issues() {
            assert!(issue["rule"].is_string() && issue["message"].is_string(), "{issue}");
        }
        assert_eq!(version(&admin).await, before);
        admin.query("{ deals { totalCount } }").await.refused("BAD_USER_INPUT");
        // What the schema's own cases refuse, the server refuses at the same place.
        admin.create_module(json!({"name": "Deal", "plural": "Deals", "fields": [{"name": "a", "type": "text"}]})).await.ok();
    }

    async fn a_dry_run_tells_the_statements_and_changes_nothing(server: Server) {
        let admin = server.admin().await;
        let before = version(&admin).await;
        let dry = "mutation($definition: JSON!) { createModule(definition: $definition, dryRun: true) { applied statements warnings { message } } }";
        let answer = admin.admin_query_with(dry, json!({"definition": vehicle()})).await;
        let change = &answer.ok()["createModule"];
        assert_eq!(change["applied"], false);
        assert!(change["statements"].to_string().to_lowercase().contains("create table"), "{answer}");
        let dry_field = "mutation { addField(module: \"Lead\", field: {name: \"shoeSize\", type: \"integer\"}, dryRun: true) { applied statements } }";
        let answer = admin.admin_query(dry_field).await;
        assert!(answer.ok()["addField"]["statements"].to_string().contains("shoe_size"), "{answer}");
        assert_eq!(version(&admin).await, before);
        admin.query("{ vehicles { totalCount } }").await.refused("BAD_USER_INPUT");
        admin.query("{ leads { nodes { shoeSize } } }").await.refused("BAD_USER_INPUT");
        let faulty = json!({"definition": {"name": "bad name", "plural": "Bads", "fields": []}});
        admin.admin_query_with(dry, faulty).await.refused("VALIDATION_FAILED");
    }

    async fn hostile_names_are_refused_and_do_nothing(server: Server) {
        let admin = server.admin().await;
        let before = version(&admin).await;
        let long = "a".repeat(300);
        let names = ["a\"; drop table lead; --", "a'); DELETE FROM lead; --", "", " ", "é", "🦆", "а", "a b", "a-b", "a.b",
            "__typename", "id", "version", "createdAt", "ownerId", "owner", "deletedAt", "history", "and", "$where", "a\u{0}", "1a", &long];
        for name in names {
            let field = json!({"name": name, "type": "text"});
            for answer in [
                admin.add_field("Lead", field.clone()).await,
                admin.create_module(json!({"name": "Deal", "plural": "Deals", "fields": [field]})).await,
            ] {
                answer.refused("VALIDATION_FAILED");
                assert!(!answer.issues().is_empty(), "{answer}");
                for sql in ["ALTER TABLE", "CREATE TABLE", "sqlite_", "pg_catalog", "syntax error", "panicked", "src/"] {
                    answer.never_says(sql);
                }
            }
        }
        for name in ["Deal\"; drop table lead", "deal", "Query", "Lead", "LEAD", "Node", "LeadFilter", "__Type", "Deal🦆", "", &"D".repeat(300)] {
            let answer = admin.create_module(json!({"name": name, "plural": "Deals", "fields": [{"name": "a", "type": "text"}]})).await;
            answer.refused("VALIDATION_FAILED").never_says("create table");
            assert!(!answer.issues().is_empty(), "{answer}");
        }
        for option in ["a\"b", "true", "null", "🦆", "a b"] {
            let field = json!({"name": "stage", "type": "choice", "options": [{"value": option}]});
            admin.add_field("Lead", field).await.refused("VALIDATION_FAILED");
        }
        assert_eq!(version(&admin).await, before);
        admin.create("Lead", json!({"lastName": "Still here"})).await;
    }

    async fn words_that_sql_reserves_are_names_like_any_other(server: Server) {
        let admin = server.admin().await;
        let words = ["order", "select", "group", "user", "table", "default", "where", "limit", "primary", "check", "from", "column", "end", "all", "oid", "value"];
        let fields: Vec<Value> = words.iter().map(|word| json!({"name": word, "type": "text"})).collect();
        // What every table of a database has already is told, on both databases alike.
        for taken in ["rowid", "ctid", "xmin"] {
            let answer = admin.add_field("Lead", json!({"name": taken, "type": "text"})).await;
            assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["rule"], "nameTaken", "{answer}");
        }
        let answer = admin.create_module(json!({"name": "Order", "plural": "Orders", "fields": fields})).await;
        answer.ok();
        let data: Value = words.iter().map(|word| ((*word).to_owned(), json!(format!("{word}!")))).collect::<serde_json::Map<_, _>>().into();
        admin.create("Order", data.clone()).await;
        let selection = words.join(" ");
        let text = format!("{{ orders(filter: {{select: {{eq: \"select!\"}}, order: {{contains: \"RDER\"}}}}, orderBy: [{{group: ASC}}, {{limit: DESC}}]) {{ nodes {{ {selection} }} }} }}");
        assert_eq!(admin.query(&text).await.ok()["orders"]["nodes"], json!([data]));
        let select = admin.create_module(json!({"name": "Select", "plural": "Selects", "fields": [{"name": "table", "type": "reference", "to": "Order", "inverse": "joins"}]})).await;
        select.ok();
        let answer = admin.query("{ orders { nodes { joins { totalCount } } } selects(filter: {table: {where: {isNull: false}}}) { totalCount } }").await;
        assert_eq!(answer.ok()["selects"]["totalCount"], 0);
    }

    async fn only_an_administrator_changes_modules(server: Server) {
        let admin = server.admin().await;
        admin.create_role("clerk", None).await;
        let clerk = server.create_user_with_role("clerk").await;
        let before = version(&admin).await;
        for caller in [clerk, server.anonymous()] {
            let answer = caller.create_module(vehicle()).await;
            assert!(matches!(answer.codes().as_slice(), ["FORBIDDEN" | "UNAUTHENTICATED"]), "{answer}");
        }
        assert_eq!(version(&admin).await, before);
    }

    async fn two_servers_on_one_database_serve_a_change_within_seconds(backend: Backend) {
        // Two processes on one SQLite folder are refused (see start.rs); on PostgreSQL they serve side by side.
        if backend == Backend::Postgres {
            let first = Server::start(backend).await;
            let second = first.another().await;
            let admin = first.admin().await;
            let elsewhere = second.admin().await;
            admin.create_module(vehicle()).await.ok();
            cardine_tests::eventually("the other server knows the module", || async {
                let answer = elsewhere.query("{ vehicles { totalCount } }").await;
                answer.errors().is_empty().then_some(())
            }).await;
            use_vehicles(&elsewhere, "CC 333 CC").await;
        }
    }
}
