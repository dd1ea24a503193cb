//! A server that is killed in the middle of a change comes up with the old version or the new one, whole, and needs no repair.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Crashes of each kind of change, the last of them when it has been committed; `CARDINE_TEST_CRASHES` says otherwise, and a number as large as
/// 100 ends the server at every point of every change.
fn crashes() -> usize {
    std::env::var("CARDINE_TEST_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

/// Where a change that runs so many statements can end the server without being made.
fn points(statements: usize) -> Vec<String> {
    let around = ["definitions", "follow", "version", "before_commit"].map(|point| format!("catalog.{point}=abort"));
    let between = (0..statements).map(|before| match before {
        0 => "catalog.statement=abort".to_owned(),
        _ => format!("catalog.statement={before}*pass->abort"),
    });
    around.into_iter().chain(between).collect()
}

/// Those of them that are tried, another choice for each change.
fn chosen(points: &[String], number: usize) -> Vec<&str> {
    let count = crashes().saturating_sub(1).clamp(1, points.len());
    (0..count).map(|round| points[(number * 5 + round * points.len() / count) % points.len()].as_str()).collect()
}

/// One kind of change after the other, on a module `Machine`.
fn changes() -> Vec<(&'static str, Value)> {
    let of = |name: &str| json!({"module": "Machine", "name": name});
    let with = |name: &str, key: &str, value: Value| {
        let mut arguments = of(name);
        arguments[key] = value;
        arguments
    };
    let patched = |name: &str, patch: Value| ("updateField", with(name, "patch", patch));
    let added = |field: Value| ("addField", json!({"module": "Machine", "field": field}));
    let retired = |name: &str| ("retireField", with(name, "force", json!(true)));
    let module = |patch: Value| ("updateModule", json!({"name": "Machine", "patch": patch}));
    let other = json!({"name": "Other", "plural": "Others", "search": ["title"], "fields": [
        {"name": "title", "type": "text", "unique": true},
        {"name": "machine", "type": "reference", "to": "Machine", "inverse": "others", "onDelete": "CASCADE"}]});
    let count = json!({"name": "partCount", "type": "rollup", "relation": "parts", "function": "COUNT", "scope": "ALL", "stored": true, "indexed": true});
    let states = json!([{"value": "NEW"}, {"value": "OLD", "active": false}, {"value": "SOLD"}]);
    vec![
        ("createModule", json!({ "definition": other })),
        added(json!({"name": "added", "type": "integer", "required": true, "default": 3, "indexed": true})),
        added(
            json!({"name": "links", "type": "references", "to": "Other", "link": {"fields": [{"name": "since", "type": "date"}]}}),
        ),
        added(json!({"name": "maker", "type": "reference", "to": "Organization", "inverse": "machines"})),
        added(json!({"name": "half", "type": "formula", "returns": "decimal", "rule": "power / 2"})),
        added(json!({"name": "place", "type": "address", "default": {"country": "Italia"}})),
        added(count),
        patched("added", json!({"min": 1, "indexed": null})),
        patched("state", json!({"options": states, "required": true, "default": "NEW"})),
        patched("serial", json!({"unique": true})),
        patched("above", json!({"hierarchy": true})),
        patched("partCount", json!({"stored": null, "indexed": null})),
        patched("partCount", json!({"stored": true})),
        ("renameField", with("title", "to", json!("heading"))),
        ("renameField", with("power", "to", json!("strength"))),
        ("changeFieldType", with("serial", "to", json!({"type": "decimal", "scale": 2}))),
        ("changeFieldType", with("state", "to", json!({"type": "multiChoice", "options": states}))),
        module(
            json!({"uniques": [{"fields": ["heading", "serial"]}], "indexes": [{"fields": ["place.city"]}], "search": null}),
        ),
        module(json!({"label": "Device", "search": ["heading", "place.city"]})),
        retired("serial"),
        ("restoreField", of("serial")),
        retired("maker"),
        ("purgeField", of("maker")),
        retired("links"),
        ("purgeField", of("links")),
        retired("partCount"),
        ("purgeField", of("partCount")),
        ("renameModule", json!({"name": "Other", "to": "Another", "plural": "AnotherSeveral"})),
        ("renameModule", json!({"name": "Machine", "to": "Device"})),
        ("renameModule", json!({"name": "Device", "to": "Machine"})),
        ("retireModule", json!({"name": "Another", "force": true})),
        ("restoreModule", json!({"name": "Another"})),
        ("retireModule", json!({"name": "Another", "force": true})),
        ("purgeModule", json!({"name": "Another"})),
    ]
}

/// The catalog's version, and all documents in force.
async fn state(admin: &Client) -> (i64, Value) {
    let answer = admin
        .admin_query(
            "{ catalogVersion modules { name definition retiredFields { name } } retiredModules { name definition } }",
        )
        .await;
    let data = answer.ok();
    let mut documents = data.clone();
    documents["catalogVersion"] = Value::Null;
    (data["catalogVersion"].as_i64().expect("a number"), documents)
}

fn doctor(server: &Server) {
    let mut doctor = cardine_tests::binary::command(&server.data_directory());
    doctor.args(["doctor", "--data"]).arg(server.data_directory());
    if let Some(database) = server.postgres() {
        doctor.args(["--database", database.url()]);
    }
    let output = doctor.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Ends the server, and starts it with these failpoints.
async fn restart_with(server: &mut Server, points: &str) {
    server.kill_hard();
    server.set_variable("CARDINE_TEST_FAILPOINTS", points);
    server.restart().await;
}

async fn is_alive(server: &Server) -> bool {
    server.anonymous().request(reqwest::Method::GET, "/health/live").send().await.is_ok()
}

/// Statements that the change runs.
async fn statements(admin: &Client, name: &str, arguments: &Value) -> usize {
    let mut dry = arguments.clone();
    dry["dryRun"] = json!(true);
    let answer = admin.change(name, dry).await;
    let told = answer.ok()["change"]["statements"].as_array().expect("a list");
    told.iter().filter(|statement| statement.as_str().is_some_and(|text| !text.starts_with("--"))).count()
}

on_both_databases! {
    async fn each_change_is_made_whole_or_not_at_all(mut server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Machine", "plural": "Machines", "nameField": "title", "search": ["title"], "fields": [
            {"name": "title", "type": "text", "maxLength": 60, "indexed": true},
            {"name": "serial", "type": "text", "maxLength": 40},
            {"name": "state", "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD"}]},
            {"name": "power", "type": "integer"},
            {"name": "above", "type": "reference", "to": "Machine", "inverse": "parts"}]})).await.ok();
        let top = admin.create("Machine", json!({"title": "Top", "serial": "99.5", "state": "NEW", "power": 7})).await;
        let parts = (0..39).map(|n| json!({"title": format!("Machine {n}"), "serial": format!("{n}.5"), "aboveId": top}));
        admin.create_many("Machine", parts).await;
        for (number, (name, arguments)) in changes().into_iter().enumerate() {
            let (version, before) = state(&admin).await;
            let points = points(statements(&admin, name, &arguments).await);
            for point in chosen(&points, number).into_iter().chain(["catalog.committed=abort"]) {
                restart_with(&mut server, point).await;
                admin.send_change(name, arguments.clone()).await;
                assert!(!is_alive(&server).await, "{name} {arguments} went on behind {point}");
                server.kill_hard();
                doctor(&server);
                restart_with(&mut server, "").await;
                let (now, after) = state(&admin).await;
                let is_made = point.starts_with("catalog.committed");
                assert_eq!(now, version + i64::from(is_made), "{name} {arguments} at {point}");
                assert_eq!(after == before, !is_made, "{name} {arguments} at {point}: {before} → {after}");
                assert_eq!(admin.query("{ machines { totalCount } }").await.ok()["machines"]["totalCount"], 40);
            }
        }
        assert!(server.stop().success());
        doctor(&server);
    }
}
