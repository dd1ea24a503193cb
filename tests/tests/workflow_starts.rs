//! Workflows that other workflows start: on which records, with what input and rights, once, and not for ever.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Client, Server, eventually, on_both_databases};
use serde_json::{Value, json};

const RUN: &str = "id workflow recordId status error depth cause { id } steps { step status output }";

/// On new contacts: starts another workflow as the case says.
fn starter(start: Value) -> Value {
    let find = json!({"id": "find", "find": {"module": "Contact", "filter": {"lastName": {"startsWith": "Friend"}}, "orderBy": [{"lastName": "ASC"}]}});
    json!({"name": "starter", "module": "Contact", "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"], "when": "lastName == \"Rossi\""},
        "steps": [find, {"id": "start", "startWorkflow": start}]})
}

/// Notes on a contact what it was given.
fn noter() -> Value {
    let schema = json!({"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}});
    json!({"name": "noter", "module": "Contact", "trigger": {"workflow": {"inputSchema": schema}}, "steps": [
        {"id": "note", "update": {"set": {"description": "{{ trigger.input.why }} {{ lastName }} {{ phone }}"}}}]})
}

async fn site(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "phone": "NONE"}});
    admin.set_access("clerk", "Contact", rights).await;
    // The role has records of nobody: it sees those that all see.
    admin.change("updateModule", json!({"name": "Contact", "patch": {"sharing": "PUBLIC_READ"}})).await.ok();
    admin
}

async fn contact(admin: &Client, name: &str) -> String {
    admin.create("Contact", json!({"lastName": name, "phone": "+39051123456"})).await
}

async fn runs_of(admin: &Client, workflow: &str) -> Vec<Value> {
    let text = format!("query($workflow: String!) {{ runs(first: 1000, workflow: $workflow) {{ {RUN} }} }}");
    let answer = admin.admin_query_with(&text, json!({"workflow": workflow})).await;
    answer.ok()["runs"].as_array().unwrap().clone()
}

/// The runs of a workflow, once there are so many and all have ended.
async fn ended(admin: &Client, workflow: &str, count: usize) -> Vec<Value> {
    let runs = eventually(&format!("{count} runs of {workflow} end"), || async {
        let runs = runs_of(admin, workflow).await;
        let is_over = |run: &Value| ["DONE", "FAILED"].contains(&run["status"].as_str().unwrap());
        (runs.len() >= count && runs.iter().all(is_over)).then_some(runs)
    })
    .await;
    assert_eq!(runs.len(), count, "{runs:#?}");
    runs
}

async fn notes(admin: &Client) -> Vec<Value> {
    let answer = admin.query("{ contacts(orderBy: [{lastName: ASC}]) { nodes { description } } }").await;
    let nodes = answer.ok()["contacts"]["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|node| node["description"].clone()).collect()
}

on_both_databases! {
    async fn each_record_gets_a_run_of_the_other_workflow(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(noter()).await.ok();
        admin.save_workflow(starter(json!({"workflow": "noter", "records": "{{ steps.find.output.nodes }}", "input": {"why": "of {{ lastName }}:"}}))).await.ok();
        for name in ["Friend 1", "Friend 2"] {
            contact(&admin, name).await;
        }
        contact(&admin, "Rossi").await;
        let runs = ended(&admin, "noter", 2).await;
        let cause = ended(&admin, "starter", 1).await.remove(0);
        assert_eq!(cause["steps"][1]["output"], json!({"count": 2}), "{cause:#}");
        for run in &runs {
            assert_eq!((&run["status"], &run["cause"]["id"], &run["depth"]), (&json!("DONE"), &cause["id"], &json!(1)), "{run:#}");
        }
        // The started runs have their author's rights, over the records as the starting run may read them: without telephone numbers.
        assert_eq!(notes(&admin).await, [json!("of Rossi: Friend 1 "), json!("of Rossi: Friend 2 "), Value::Null]);
        // Its own record, where none is named.
        admin.save_workflow(starter(json!({"workflow": "noter", "input": {"why": "again"}}))).await.ok();
        contact(&admin, "Rossi").await;
        let runs = ended(&admin, "noter", 3).await;
        assert_eq!(runs[0]["status"], "DONE", "{:#}", runs[0]);
        assert_eq!(notes(&admin).await.iter().filter(|note| **note == "again Rossi ").count(), 1);
    }

    async fn the_manuals_example_closes_tasks(server: Server) {
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json caller").expect("the manual has such a block");
        let steps: Value = serde_json::from_str(&block.text).expect("JSON");
        admin.save_workflow(json!({"name": "close-tasks", "module": "Opportunity", "trigger": {"on": ["CREATED"]}, "steps": steps})).await.ok();
        admin.save_workflow(json!({"name": "close-task", "module": "Task", "trigger": {"workflow": {}}, "steps": [
            {"id": "close", "update": {"set": {"status": "COMPLETED", "description": "{{ text(trigger.input.why) }}"}}}]})).await.ok();
        let task = |subject: &str| json!({"subject": subject, "startAt": "2026-01-01T09:00:00Z", "dueDate": "2026-01-02"});
        admin.create_many("Task", [task("Alba 1"), task("Alba 2"), task("Other")]).await;
        admin.create("Opportunity", json!({"name": "Alba", "closeDate": "2026-06-30"})).await;
        ended(&admin, "close-task", 2).await;
        let tasks = admin.query("{ tasks(orderBy: [{subject: ASC}]) { nodes { status description } } }").await;
        let closed = json!({"status": "COMPLETED", "description": "Alba is won"});
        assert_eq!(tasks.ok()["tasks"]["nodes"], json!([closed, closed, {"status": "NOT_STARTED", "description": null}]));
    }

    async fn what_can_not_be_started_fails_the_run_and_starts_nothing(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(noter()).await.ok();
        let mut paused = noter();
        paused["name"] = json!("paused");
        paused["status"] = json!("PAUSED");
        admin.save_workflow(paused).await.ok();
        let hidden = contact(&admin, "Friend").await;
        for (start, error) in [
            (json!({"workflow": "none"}), "there is no workflow `none`"),
            (json!({"workflow": "starter"}), "the trigger of `starter` is not `workflow`"),
            (json!({"workflow": "paused", "input": {"why": "x"}}), "is not active"),
            (json!({"workflow": "noter", "input": {"why": 7}}), "VALIDATION_FAILED: input.why"),
            (json!({"workflow": "noter"}), "VALIDATION_FAILED: input"),
            (json!({"workflow": "noter", "input": {"why": "x"}, "records": "00000000-0000-7000-8000-000000000001"}), "NOT_FOUND"),
        ] {
            admin.save_workflow(starter(start)).await.ok();
            contact(&admin, "Rossi").await;
            let count = runs_of(&admin, "starter").await.len();
            let run = ended(&admin, "starter", count).await.remove(0);
            assert!(run["status"] == "FAILED" && run["error"].as_str().unwrap().contains(error), "{error}: {run:#}");
        }
        // A record that the starting run does not see is not there for it.
        admin.change("updateModule", json!({"name": "Contact", "patch": {"sharing": "PRIVATE"}})).await.ok();
        admin.save_workflow(starter(json!({"workflow": "noter", "input": {"why": "x"}, "records": hidden}))).await.ok();
        contact(&admin, "Rossi").await;
        let run = ended(&admin, "starter", 7).await.remove(0);
        assert!(run["error"].as_str().unwrap().starts_with("NOT_FOUND"), "{run:#}");
        assert!(runs_of(&admin, "noter").await.is_empty());
        // Nor is it started by hand, or a manual one by a step.
        let answer = admin.admin_query_with("mutation($record: ID!) { startWorkflow(workflow: \"noter\", record: $record, input: {why: \"x\"}) { id } }", json!({"record": hidden})).await;
        assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["workflow"]));
    }

    async fn workflows_that_start_each_other_come_to_an_end(server: Server) {
        let admin = server.admin().await;
        let one = |name: &str, other: &str| json!({"name": name, "trigger": {"workflow": {}}, "steps": [{"id": "next", "startWorkflow": {"workflow": other}}]});
        admin.save_workflow(one("ping", "pong")).await.ok();
        admin.save_workflow(one("pong", "ping")).await.ok();
        let answer = admin.save_workflow(one("self", "self")).await;
        assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["rule"], "endless");
        let first = json!({"name": "first", "trigger": {"manual": {}}, "steps": [{"id": "next", "startWorkflow": {"workflow": "ping"}}]});
        admin.save_workflow(first).await.ok();
        admin.admin_query("mutation { startWorkflow(workflow: \"first\") { id } }").await.ok();
        // The first has no cause; the one behind fifteen more is the last.
        let last = eventually("the chain ends", || async {
            let text = format!("{{ runs(first: 1, status: \"FAILED\") {{ {RUN} }} }}");
            admin.admin_query(&text).await.ok()["runs"].as_array().unwrap().first().cloned()
        }).await;
        assert_eq!((&last["depth"], &last["error"]), (&json!(15), &json!("LIMIT_EXCEEDED: a chain of causes ends after 16")), "{last:#}");
        assert_eq!(runs_of(&admin, "ping").await.len() + runs_of(&admin, "pong").await.len(), 15);
    }
}
