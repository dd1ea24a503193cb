//! A server that is killed in the middle of a change comes up with the old version or the new one, whole, and needs no repair.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Crashes of each kind of change, each at another point; `CARDINE_TEST_CRASHES` says otherwise.
fn crashes() -> usize {
    std::env::var("CARDINE_TEST_CRASHES").ok().and_then(|count| count.parse().ok()).unwrap_or(2)
}

/// Where the server ends; behind the last of them the change is there.
const POINTS: [&str; 7] = [
    "catalog.definitions=abort",
    "catalog.statement=abort",
    "catalog.follow=abort",
    "catalog.statement=2*pass->abort",
    "catalog.version=abort",
    "catalog.before_commit=abort",
    "catalog.committed=abort",
];

/// One kind of change after the other, on a module `Machine`.
fn changes() -> Vec<(&'static str, Value)> {
    let of = |name: &str| json!({"module": "Machine", "name": name});
    let with = |mut arguments: Value, key: &str, value: Value| {
        arguments[key] = value;
        arguments
    };
    vec![
        (
            "createModule",
            json!({"definition": {"name": "Other", "plural": "Others", "search": ["title"], "fields": [{"name": "title", "type": "text", "unique": true}]}}),
        ),
        (
            "addField",
            json!({"module": "Machine", "field": {"name": "added", "type": "integer", "required": true, "default": 3, "indexed": true}}),
        ),
        ("addField", json!({"module": "Machine", "field": {"name": "links", "type": "references", "to": "Other"}})),
        ("updateField", with(of("added"), "patch", json!({"min": 1, "indexed": null}))),
        ("renameField", with(of("title"), "to", json!("heading"))),
        ("changeFieldType", with(of("serial"), "to", json!({"type": "decimal", "scale": 2}))),
        (
            "updateModule",
            json!({"name": "Machine", "patch": {"uniques": [{"fields": ["heading", "serial"]}], "search": null}}),
        ),
        ("retireField", with(of("serial"), "force", json!(true))),
        ("restoreField", of("serial")),
        ("retireField", with(of("links"), "force", json!(true))),
        ("purgeField", of("links")),
        ("renameModule", json!({"name": "Other", "to": "Another"})),
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

/// Ends the server, and starts it with these failpoints. What a crash has left is looked at in between.
async fn restart_with(server: &mut Server, points: &str) {
    server.kill_hard();
    doctor(server);
    server.set_variable("CARDINE_TEST_FAILPOINTS", points);
    server.restart().await;
}

async fn is_alive(server: &Server) -> bool {
    server.anonymous().request(reqwest::Method::GET, "/health/live").send().await.is_ok()
}

on_both_databases! {
    async fn each_change_is_made_whole_or_not_at_all(mut server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Machine", "plural": "Machines", "nameField": "title", "search": ["title"], "fields": [
            {"name": "title", "type": "text", "maxLength": 60, "indexed": true},
            {"name": "serial", "type": "text", "maxLength": 40}]})).await.ok();
        admin.create_many("Machine", (0..40).map(|n| json!({"title": format!("Machine {n}"), "serial": format!("{n}.5")}))).await;
        for (number, (name, arguments)) in changes().into_iter().enumerate() {
            let (version, before) = state(&admin).await;
            let mut is_made = false;
            for round in 0..crashes() {
                let point = POINTS[(number * 2 + round) % POINTS.len()];
                restart_with(&mut server, point).await;
                admin.send_change(name, arguments.clone()).await;
                let was_passed = !is_alive(&server).await;
                restart_with(&mut server, "").await;
                let (now, after) = state(&admin).await;
                // A change may have too few statements for the point: then it is made.
                is_made = !was_passed || point.starts_with("catalog.committed");
                assert_eq!(now, version + i64::from(is_made), "{name} at {point}");
                assert_eq!(after == before, !is_made, "{name} at {point}: {before} → {after}");
                assert_eq!(admin.query("{ machines { totalCount } }").await.ok()["machines"]["totalCount"], 40);
                if is_made {
                    break;
                }
            }
            if !is_made {
                admin.change(name, arguments).await.ok();
            }
        }
        assert!(server.stop().success());
        doctor(&server);
    }
}
