//! A dry run tells what a change would do to records, and everything that names what is changed; it changes nothing.

use cardine_tests::{Answer, Client, Server, eventually, on_both_databases};
use serde_json::{Value, json};

async fn start(server: &Server) -> Client {
    let admin = server.admin().await;
    let fields = json!([
        {"name": "title", "type": "text", "maxLength": 60},
        {"name": "power", "type": "integer"},
        {"name": "note", "type": "text"},
        {"name": "half", "type": "formula", "returns": "decimal", "rule": "power / 2"}]);
    let validations = json!([{"rule": "power >= 0", "message": "power is not negative", "fields": ["power"]}]);
    let module = json!({"name": "Machine", "plural": "Machines", "nameField": "title", "fields": fields,
        "indexes": [{"fields": ["title", "power"]}], "validations": validations});
    admin.create_module(module).await.ok();
    let records = (0..7).map(|n| json!({"title": format!("M{n}"), "power": n, "note": if n == 0 { Value::Null } else { json!(format!("{n}.5")) }}));
    admin.create_many("Machine", records).await;
    admin.create_role("clerk", None).await;
    admin.set_access("clerk", "Machine", json!({"read": true, "fields": {"power": "READ", "title": "READ"}})).await;
    admin.create_role("other", None).await;
    admin.set_access("other", "Machine", json!({"read": true, "fields": {"note": "READ"}})).await;
    let rule = "mutation { setRecordRule(role: \"clerk\", module: \"Machine\", rule: \"power > 3\") { name } }";
    admin.admin_query(rule).await.ok();
    let sets = "mutation { savePermissionSet(name: \"engineers\", label: \"Engineers\", access: {Machine: {read: true, fields: {power: \"WRITE\"}}}) { name } }";
    admin.admin_query(sets).await.ok();
    let workflow = json!({"name": "note-power", "label": "Note the power", "module": "Machine",
        "trigger": {"on": ["UPDATED"], "changed": ["power"], "when": "power > 9"},
        "steps": [{"id": "write", "update": {"set": {"note": "much"}}}]});
    admin.save_workflow(workflow).await.ok();
    admin
}

/// A dry run, after which everything is as it was.
async fn dry(admin: &Client, name: &str, mut arguments: Value) -> Answer {
    let before = state(admin).await;
    arguments["dryRun"] = json!(true);
    let answer = admin.change(name, arguments).await;
    assert_eq!(state(admin).await, before);
    answer
}

async fn state(admin: &Client) -> Value {
    let text = "{ catalogVersion modules { name definition retiredFields { name } } retiredModules { name } roles { name access { module fields } }
        permissionSets { name access { module fields } } workflows { name status definition } }";
    let mut state = admin.admin_query(text).await.ok().clone();
    let machines = admin.query("{ machines(orderBy: [{title: ASC}]) { nodes { title version } } }").await;
    state["machines"] = machines.data()["machines"].clone();
    state
}

/// The warnings of a rule, each up to the words that are the same for all.
fn told<'a>(answer: &'a Answer, rule: &str) -> Vec<&'a str> {
    let warnings = answer.ok()["change"]["warnings"].as_array().expect("a list");
    let of_rule = warnings.iter().filter(|warning| warning["rule"] == rule);
    of_rule.map(|warning| warning["message"].as_str().expect("a text")).collect()
}

fn tells_all(answer: &Answer, rule: &str, expected: &[&str]) {
    let told = told(answer, rule);
    for one in expected {
        assert!(told.iter().any(|message| message.starts_with(one)), "{one} is missing: {told:?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:?}");
}

on_both_databases! {
    async fn it_tells_what_follows_a_new_name(server: Server) {
        let admin = start(&server).await;
        let of_power = ["the formula Machine.half", "index 1 of Machine", "validation 1 of Machine", "the grant of the role clerk on Machine",
            "the permission set engineers", "the record rule of the role clerk on Machine", "the workflow note-power"];
        let renaming = json!({"module": "Machine", "name": "power", "to": "strength"});
        let answer = dry(&admin, "renameField", renaming).await;
        tells_all(&answer, "follows", &of_power);
        assert_eq!(answer.ok()["change"]["rows"], 0);
        // A field that nothing names, but a role.
        let answer = dry(&admin, "renameField", json!({"module": "Machine", "name": "note", "to": "remark"})).await;
        tells_all(&answer, "follows", &["the grant of the role other on Machine", "the workflow note-power"]);
        let answer = dry(&admin, "renameModule", json!({"name": "Machine", "to": "Device"})).await;
        let of_machine = ["the grant of the role clerk on Machine", "the grant of the role other on Machine", "the permission set engineers",
            "the record rule of the role clerk on Machine", "the workflow note-power"];
        tells_all(&answer, "follows", &of_machine);
    }

    async fn it_tells_how_many_records_are_touched_and_which_are_in_the_way(server: Server) {
        let admin = start(&server).await;
        let filled = json!({"module": "Machine", "field": {"name": "site", "type": "text", "required": true, "default": "here"}});
        let answer = dry(&admin, "addField", filled).await;
        assert_eq!(answer.ok()["change"]["rows"], 7);
        let answer = dry(&admin, "addField", json!({"module": "Machine", "field": {"name": "site", "type": "text"}})).await;
        assert_eq!(answer.ok()["change"]["rows"], 0);
        let missing = json!({"module": "Machine", "name": "note", "patch": {"required": true, "default": "none"}});
        let answer = dry(&admin, "updateField", missing).await;
        assert_eq!(answer.ok()["change"]["rows"], 1);
        // One value for all is not a unique one.
        let alike = json!({"module": "Machine", "field": {"name": "site", "type": "text", "unique": true, "required": true, "default": "here"}});
        dry(&admin, "addField", alike.clone()).await.refused("VALIDATION_FAILED");
        admin.change("addField", alike).await.refused("VALIDATION_FAILED");
        let alone = json!({"module": "Machine", "name": "note", "patch": {"unique": true, "required": true, "default": "none"}});
        dry(&admin, "updateField", alone).await.ok();
        let converting = |to: Value| json!({"module": "Machine", "name": "note", "to": to});
        let answer = dry(&admin, "changeFieldType", converting(json!({"type": "decimal", "scale": 1}))).await;
        assert_eq!(answer.ok()["change"]["rows"], 6);
        let odd = admin.create("Machine", json!({"title": "Odd", "note": "much"})).await;
        let answer = dry(&admin, "changeFieldType", converting(json!({"type": "decimal", "scale": 1}))).await;
        answer.refused("VALIDATION_FAILED");
        assert!(answer.to_string().contains(&odd), "{answer}");
        let answer = dry(&admin, "changeFieldType", converting(json!({"type": "decimal", "scale": 1, "onUnconvertible": "NULL"}))).await;
        assert_eq!((&answer.ok()["change"]["rows"], told(&answer, "cleared").len()), (&json!(7), 2));
        // As many as a dry run has told.
        let answer = admin.change("changeFieldType", converting(json!({"type": "decimal", "scale": 1, "onUnconvertible": "NULL"}))).await;
        assert_eq!(answer.ok()["change"]["rows"], 7);
    }

    async fn nobody_who_writes_waits_for_it(mut server: Server) {
        let admin = start(&server).await;
        // It stays where it has read the records, until the file is gone.
        let file = server.data_directory().join("held");
        server.set_variable("CARDINE_TEST_FAILPOINTS", &format!("dry.rows=wait({})", file.display()));
        server.restart().await;
        let converting = json!({"module": "Machine", "name": "note", "to": {"type": "decimal", "scale": 1}, "dryRun": true});
        let dry = tokio::spawn({
            let (admin, converting) = (admin.clone(), converting.clone());
            async move { admin.change("changeFieldType", converting).await }
        });
        eventually("it has read the records", || async { file.exists().then_some(()) }).await;
        let id = admin.create("Machine", json!({"title": "Meanwhile", "note": "much"})).await;
        assert!(!dry.is_finished());
        std::fs::remove_file(&file).expect("it is there");
        // It tells of the records that there were when it began.
        let answer = dry.await.expect("it is answered");
        assert_eq!(answer.ok()["change"]["rows"], 6);
        server.set_variable("CARDINE_TEST_FAILPOINTS", "");
        server.restart().await;
        let answer = admin.change("changeFieldType", converting).await;
        assert!(answer.refused("VALIDATION_FAILED").to_string().contains(&id), "{answer}");
    }

    async fn it_tells_what_would_be_shared_as_the_change_does(server: Server) {
        let admin = start(&server).await;
        let refused = async |name: &str, arguments: Value, place: Value, ids: &[String]| {
            let told = dry(&admin, name, arguments.clone()).await;
            told.refused("VALIDATION_FAILED");
            assert_eq!(told.issues().len(), 1 + ids.len(), "{told}");
            assert!(told.issues().iter().all(|issue| issue["rule"] == "unique" && issue["path"] == place), "{told}");
            assert!(ids.iter().all(|id| told.to_string().contains(id.as_str())), "{told}");
            assert_eq!(admin.change(name, arguments).await.issues(), told.issues());
        };
        let converting = |to: Value| json!({"module": "Machine", "name": "note", "to": to});
        let decimal = || converting(json!({"type": "decimal", "scale": 2}));
        // By other values.
        admin.change("updateField", json!({"module": "Machine", "name": "note", "patch": {"unique": true}})).await.ok();
        let mut ids = admin.create_many("Machine", [json!({"title": "A", "note": "7.5"}), json!({"title": "B", "note": "7.50"})]).await;
        refused("changeFieldType", decimal(), json!(["to", "unique"]), &ids).await;
        let cleared = converting(json!({"type": "integer", "onUnconvertible": "NULL"}));
        dry(&admin, "changeFieldType", cleared).await.ok();
        // Beside other values.
        admin.change("updateField", json!({"module": "Machine", "name": "note", "patch": {"unique": null}})).await.ok();
        admin.change("updateModule", json!({"name": "Machine", "patch": {"uniques": [{"fields": ["power", "note"]}]}})).await.ok();
        dry(&admin, "changeFieldType", decimal()).await.ok();
        for id in &ids {
            admin.query(&format!("mutation {{ updateMachine(id: \"{id}\", data: {{power: 9}}) {{ id }} }}")).await.ok();
        }
        refused("changeFieldType", decimal(), json!(["to"]), &ids).await;
        // By a default.
        for id in &ids {
            admin.query(&format!("mutation {{ updateMachine(id: \"{id}\", data: {{note: null}}) {{ id }} }}")).await.ok();
        }
        ids.extend(admin.create_many("Machine", [json!({"title": "C", "power": 9, "note": "none"})]).await);
        let filled = json!({"module": "Machine", "name": "note", "patch": {"required": true, "default": "none"}});
        refused("updateField", filled.clone(), json!(["patch"]), &ids).await;
        let alone = filled;
        let filled = json!({"module": "Machine", "name": "note", "patch": {"required": true, "unique": true, "default": "none"}});
        let told = dry(&admin, "updateField", filled.clone()).await;
        assert_eq!(told.issues()[0]["path"], json!(["patch", "unique"]), "{told}");
        assert_eq!(admin.change("updateField", filled).await.issues(), told.issues());
        // Deleted records share nothing.
        for id in &ids[..2] {
            admin.query(&format!("mutation {{ deleteMachine(id: \"{id}\") {{ id }} }}")).await.ok();
        }
        dry(&admin, "updateField", alone).await.ok();
    }

    async fn it_tells_what_uses_a_field_of_another_type(server: Server) {
        let admin = start(&server).await;
        let answer = dry(&admin, "changeFieldType", json!({"module": "Machine", "name": "power", "to": {"type": "decimal", "scale": 1}})).await;
        let of_power = ["the formula Machine.half", "index 1 of Machine", "validation 1 of Machine", "the record rule of the role clerk on Machine",
            "the workflow note-power"];
        tells_all(&answer, "uses", &of_power);
        let note = json!({"module": "Machine", "name": "note", "to": {"type": "decimal", "scale": 1}});
        tells_all(&dry(&admin, "changeFieldType", note).await, "uses", &["the workflow note-power"]);
    }

    async fn what_goes_is_refused_with_the_list_or_taken_along_by_force(server: Server) {
        let admin = start(&server).await;
        let power = json!({"module": "Machine", "name": "power"});
        let answer = dry(&admin, "retireField", power.clone()).await;
        answer.refused("VALIDATION_FAILED");
        let needing = ["the formula Machine.half", "index 1 of Machine", "validation 1 of Machine", "the record rule of the role clerk on Machine",
            "the workflow note-power"];
        let listed: Vec<&str> = answer.issues().iter().map(|issue| issue["message"].as_str().expect("a text")).collect();
        for one in needing {
            assert!(listed.iter().any(|message| message.starts_with(one)), "{one} is missing: {listed:?}");
        }
        assert_eq!(listed.len(), needing.len() + 1, "{listed:?}");
        let mut forced = power.clone();
        forced["force"] = json!(true);
        let answer = dry(&admin, "retireField", forced.clone()).await;
        tells_all(&answer, "needed", &needing);
        tells_all(&answer, "granted", &["the grant of the role clerk on Machine", "the permission set engineers"]);
        admin.change("retireField", forced).await.ok();
        let answer = dry(&admin, "purgeField", power).await;
        tells_all(&answer, "forgets", &["the grant of the role clerk on Machine", "the permission set engineers"]);
        assert_eq!(answer.ok()["change"]["rows"], 7);
        admin.change("retireModule", json!({"name": "Machine", "force": true})).await.ok();
        let answer = dry(&admin, "purgeModule", json!({"name": "Machine"})).await;
        assert_eq!(answer.ok()["change"]["rows"], 7);
        let of_machine = ["the grant of the role clerk on Machine", "the grant of the role other on Machine", "the permission set engineers",
            "the record rule of the role clerk on Machine"];
        tells_all(&answer, "forgets", &of_machine);
    }
}
