//! Jobs of plugins, from the package to what was done part by part, with the plugin's own rights and nobody else's.

use cardine_tests::{Answer, Client, Server, eventually, on_both_databases, plugins};
use serde_json::{Value, json};

fn grant() -> Value {
    json!({"api": {"plugin": {"JobNote": {"create": true, "read": true, "fields": {"part": "WRITE", "text": "WRITE"}}}, "asCaller": true}})
}

async fn install(admin: &Client, package: Vec<u8>, grant: Value) -> Answer {
    plugins::install(admin, package, grant, false, "name changes").await
}

async fn with_jobs(server: &Server) -> Client {
    let admin = server.admin().await;
    let package = std::fs::read(plugins::package("test-jobs")).expect("the script built it");
    install(&admin, package, grant()).await.ok();
    admin
}

async fn workflow(admin: &Client, name: &str) -> Value {
    let answer = admin.admin_query("{ workflows { name status definition } }").await;
    let all = answer.ok()["workflows"].as_array().expect("a list").clone();
    all.into_iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("there is no {name}"))
}

/// A workflow by which a job is done at another time than its own.
fn by_hand(job: &str) -> Value {
    json!({"name": format!("{job}-now"), "trigger": {"manual": {}}, "steps": [{"id": "run", "job": {"plugin": "test-jobs", "name": job}}]})
}

/// When the first of a run's five parts began, and the last one ended.
fn span(run: &Value) -> (String, String) {
    let steps = run["steps"].as_array().expect("a list");
    assert_eq!(steps.len(), 5, "{run:#}");
    let time = |step: &Value, name: &str| step[name].as_str().expect("a time").to_owned();
    let begun = steps.iter().map(|step| time(step, "startedAt")).min();
    let ended = steps.iter().map(|step| time(step, "finishedAt")).max();
    (begun.expect("there are steps"), ended.expect("there are steps"))
}

async fn run_by_hand(admin: &Client, job: &str) -> Value {
    admin.save_workflow(by_hand(job)).await.ok();
    let text = "mutation($workflow: String!) { startWorkflow(workflow: $workflow) { id } }";
    let started = admin.admin_query_with(text, json!({"workflow": format!("{job}-now")})).await;
    let id = started.ok()["startWorkflow"]["id"].clone();
    eventually("the run ends", || async {
        let answer =
            admin.admin_query("{ runs { id status error finishedAt steps { step status input output error } } }").await;
        let runs = answer.ok()["runs"].as_array().expect("a list").clone();
        runs.into_iter().find(|run| run["id"] == id && run["finishedAt"].is_string())
    })
    .await
}

on_both_databases! {
    async fn a_job_is_done_part_by_part_with_the_plugins_own_rights(server: Server) {
        let admin = with_jobs(&server).await;
        let run = run_by_hand(&admin, "note").await;
        assert_eq!((&run["status"], &run["error"]), (&json!("DONE"), &Value::Null), "{run:#}");
        let steps = run["steps"].as_array().expect("a list");
        let mut outputs: Vec<&Value> = steps.iter().map(|step| &step["output"]).collect();
        outputs.sort_by_key(|output| output["next"]["part"].as_i64().unwrap_or(i64::MAX));
        assert_eq!(outputs, [&json!({"next": {"part": 1}}), &json!({"next": {"part": 2}}), &Value::Null], "{run:#}");
        let notes = admin.query("{ jobNotes(orderBy: [{part: ASC}]) { nodes { part text } } }").await;
        let notes = notes.ok()["jobNotes"]["nodes"].as_array().expect("a list").clone();
        let told: Vec<Value> = notes.iter().map(|note| serde_json::from_str(note["text"].as_str().expect("a text")).expect("JSON")).collect();
        assert_eq!(told.iter().map(|one| &one["cursor"]).collect::<Vec<_>>(), [&Value::Null, &json!({"part": 1}), &json!({"part": 2})]);
        for one in &told {
            assert_eq!((&one["request"], &one["due"]), (&run["id"], &told[0]["due"]), "all parts are of one due time");
            assert!(one["asCaller"].as_str().expect("a text").contains("Denied"), "{one}");
        }
        let audit = admin.admin_query("{ audit(first: 1) { via actorId } }").await;
        assert_eq!(audit.ok()["audit"], json!([{"via": "plugin", "actorId": null}]));

        // A part that fails ends the run, and what was done before it stays.
        let failed = run_by_hand(&admin, "fail").await;
        assert!(failed["status"] == "FAILED" && failed["error"].as_str().expect("a text").contains("FAILED"), "{failed:#}");
        let again = run_by_hand(&admin, "note").await;
        assert_eq!(again["status"], "FAILED", "the first part is there already: {again:#}");
    }

    async fn a_job_is_never_done_beside_itself(server: Server) {
        let admin = with_jobs(&server).await;
        let names = ["five-now", "five-too"];
        for name in names {
            let mut document = by_hand("five");
            document["name"] = json!(name);
            admin.save_workflow(document).await.ok();
        }
        let other = if server.postgres().is_some() { Some(server.another().await) } else { None };
        let there = match &other {
            Some(other) => other.admin().await,
            None => admin.clone(),
        };
        let text = "mutation($workflow: String!) { startWorkflow(workflow: $workflow) { id } }";
        for (number, client) in [&admin, &there, &admin, &there, &admin, &there, &admin, &there].into_iter().enumerate() {
            client.admin_query_with(text, json!({"workflow": names[number / 4]})).await.ok();
        }
        let mut spans = eventually("all runs have ended", || async {
            let answer = admin.admin_query("{ runs { status steps { startedAt finishedAt } } }").await;
            let runs = answer.ok()["runs"].as_array()?.clone();
            runs.iter().all(|run| run["status"] == "DONE").then_some(runs)
        }).await.iter().map(span).collect::<Vec<_>>();
        assert_eq!(spans.len(), 8);
        spans.sort();
        for two in spans.windows(2) {
            assert!(two[0].1 <= two[1].0, "one began before the one before it had ended: {spans:#?}");
        }
    }

    async fn the_package_brings_a_workflow_that_the_clock_starts(server: Server) {
        let admin = with_jobs(&server).await;
        let note = workflow(&admin, "test-jobs-job-note").await;
        assert_eq!((&note["status"], &note["definition"]["trigger"]),
            (&json!("ACTIVE"), &json!({"schedule": {"cron": "0 3 * * *", "timeZone": "Europe/Rome"}})));
        assert_eq!(workflow(&admin, "test-jobs-job-fail").await["definition"]["trigger"], json!({"schedule": {"cron": "30 3 * * *"}}));
        // What is no time is refused with the package, and what is no job with the workflow.
        for (old, new) in [("Europe/Rome", "Europe/Roma"), ("\"0 3 * * *\"", "\"0 9 * * 9\"")] {
            let refused = install(&admin, plugins::altered("test-jobs", &[(old, new)]), Value::Null).await;
            assert!(refused.issues().iter().all(|issue| issue["path"][0] == "file") && !refused.issues().is_empty(), "{new}: {refused}");
        }
        let mut other = by_hand("note");
        other["steps"][0]["job"]["name"] = json!("other");
        assert_eq!(admin.save_workflow(other.clone()).await.issues()[0]["rule"], "unknownJob");
        other["steps"][0]["job"]["plugin"] = json!("other");
        assert_eq!(admin.save_workflow(other).await.issues()[0]["rule"], "unknownPlugin");
        // It goes with the plugin, and nothing that needs it stays behind unheard.
        admin.save_workflow(by_hand("note")).await.ok();
        let refused = admin.admin_query("mutation { uninstallPlugin(name: \"test-jobs\") }").await;
        assert_eq!(refused.codes(), ["VALIDATION_FAILED"], "{refused}");
    }
}
