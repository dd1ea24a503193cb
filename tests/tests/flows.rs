//! Steps of workflows that read and write records, branch, loop and wait; what becomes of runs that fail; and who may do what.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Answer, Client, eventually, on_both_databases};
use serde_json::{Value, json};

const RUN: &str = "id workflow version recordId status attempts error depth cause { id } caused { id workflow } \
    steps { step place attempt status input output error }";

/// A workflow on opportunities that are won.
fn on_won(name: &str, steps: Value) -> Value {
    json!({"name": name, "module": "Opportunity", "steps": steps,
        "trigger": {"on": ["UPDATED"], "changed": ["stage"], "when": "stage == \"CLOSED_WON\""}})
}

async fn deal(client: &Client, name: &str, data: Value) -> String {
    let mut values = json!({"name": name, "closeDate": "2026-06-30"});
    for (key, value) in data.as_object().expect("an object") {
        values[key] = value.clone();
    }
    client.create("Opportunity", values).await
}

async fn update_deal(client: &Client, id: &str, data: Value) {
    let text = "mutation($id: ID!, $data: OpportunityUpdate!) { updateOpportunity(id: $id, data: $data) { id } }";
    client.query_with(text, json!({"id": id, "data": data})).await.ok();
}

async fn win(client: &Client, id: &str) {
    update_deal(client, id, json!({"stage": "CLOSED_WON"})).await;
}

/// A field of an opportunity.
async fn read_deal(client: &Client, id: &str, field: &str) -> Value {
    let answer = client
        .query_with(&format!("query($id: ID!) {{ opportunity(id: $id) {{ {field} }} }}"), json!({"id": id}))
        .await;
    answer.ok()["opportunity"][field].clone()
}

/// The tasks with a subject that begins so, by subject.
async fn tasks(client: &Client, subject: &str) -> Vec<Value> {
    let text = "query($subject: String!) { tasks(filter: {subject: {startsWith: $subject}}, orderBy: [{subject: ASC}]) { nodes { \
        id subject status description dueDate ownerId parent { ... on Opportunity { name } } } } }";
    let answer = client.query_with(text, json!({"subject": subject})).await;
    answer.ok()["tasks"]["nodes"].as_array().expect("a list").clone()
}

fn task(subject: &str) -> Value {
    json!({"subject": subject, "startAt": "2026-01-01T09:00:00Z", "dueDate": "2026-01-02"})
}

/// The newest run of a workflow once it has this status.
async fn run_with(admin: &Client, workflow: &str, status: &str) -> Value {
    let text = format!("query($workflow: String!) {{ runs(first: 1, workflow: $workflow) {{ {RUN} }} }}");
    eventually(&format!("a run of {workflow} is {status}"), || async {
        let answer = admin.admin_query_with(&text, json!({"workflow": workflow})).await;
        let run = answer.ok()["runs"][0].clone();
        let ended = ["DONE", "FAILED", "CANCELLED"].contains(&run["status"].as_str().unwrap_or_default());
        assert!(run["status"] == status || !ended, "it has ended otherwise: {run:#}");
        (run["status"] == status).then_some(run)
    })
    .await
}

/// A mutation of the run with this id.
async fn change_run(client: &Client, name: &str, id: &Value, others: &str) -> Answer {
    let text = format!("mutation($id: ID!) {{ {name}(id: $id{others}) {{ id status }} }}");
    client.admin_query_with(&text, json!({"id": id})).await
}

/// `path: rule` of every issue, sorted.
fn faults(answer: &Answer) -> Vec<String> {
    let words = |issue: &Value| -> Vec<String> {
        let path = issue["path"].as_array().expect("a path");
        path.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect()
    };
    let mut found: Vec<String> = answer
        .issues()
        .into_iter()
        .map(|issue| format!("{}: {}", words(issue).join("."), issue["rule"].as_str().unwrap_or_default()))
        .collect();
    found.sort();
    found
}

/// What each step of a run did: `step place status`.
fn done(run: &Value) -> Vec<String> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap_or_default().to_owned();
    let steps = run["steps"].as_array().expect("a list");
    steps
        .iter()
        .map(|step| format!("{} {} {}", text(step, "step"), text(step, "place"), text(step, "status")))
        .collect()
}

on_both_databases! {
    async fn steps_find_branch_loop_and_write_other_records(server: Server) {
        let admin = server.admin().await;
        let organization = admin.create("Organization", json!({"name": "Ferrero"})).await;
        admin.save_workflow(on_won("clear-up", json!([
            {"id": "open", "find": {"module": "Task", "fields": ["subject", "dueDate"], "orderBy": [{"subject": "DESC"}],
                "filter": {"subject": {"startsWith": "{{ name }}"}, "not": {"status": {"in": ["COMPLETED", "DEFERRED"]}}}}},
            {"id": "any", "branch": {
                "cases": [{"when": "steps.open.output.totalCount > 1", "steps": [
                    {"id": "each", "forEach": {"in": "{{ steps.open.output.nodes }}", "as": "one", "steps": [
                        {"id": "skip", "when": "one.subject.endsWith(\"2\")", "update": {"module": "Task", "record": "{{ one.id }}",
                            "set": {"status": "DEFERRED"}}},
                        {"id": "close", "when": "!one.subject.endsWith(\"2\")", "update": {"module": "Task", "record": "{{ one.id }}",
                            "set": {"status": "COMPLETED", "description": "{{ one.subject }} due {{ one.dueDate }} of {{ name }}"}}}]}}]}],
                "otherwise": [{"id": "make", "create": {"module": "Task",
                    "set": {"subject": "None for {{ name }}", "startAt": "{{ now() }}", "dueDate": "{{ closeDate }}"}}},
                    {"id": "again", "update": {"module": "Task", "record": "{{ steps.make.output.id }}", "set": {"status": "PLANNED"}}}]}},
            {"id": "tell", "when": "organizationId != null", "update": {"module": "Organization", "record": "{{ organizationId }}",
                "set": {"description": "{{ steps.open.output.totalCount }} of {{ name }}, first {{ steps.open.output.first.subject }}"}}},
            {"id": "call", "assignTask": {"to": "{{ ownerId }}", "subject": "Call about {{ name }}", "dueIn": "P2D"}}
        ]))).await.ok();
        admin.create_many("Task", ["Alba 1", "Alba 2", "Alba 3", "Other"].map(task)).await;
        let alba = deal(&admin, "Alba", json!({"organizationId": organization})).await;
        win(&admin, &alba).await;
        let run = run_with(&admin, "clear-up", "DONE").await;
        assert_eq!(done(&run), ["open  DONE", "any  DONE", "each  DONE", "skip 0 SKIPPED", "close 0 DONE", "skip 1 DONE", "close 1 SKIPPED",
            "skip 2 SKIPPED", "close 2 DONE", "tell  DONE", "call  DONE"]);
        let found = tasks(&admin, "Alba").await;
        let seen: Vec<_> = found.iter().map(|task| (task["status"].as_str().unwrap(), task["description"].clone())).collect();
        assert_eq!(seen, [("COMPLETED", json!("Alba 1 due 2026-01-02 of Alba")), ("DEFERRED", Value::Null),
            ("COMPLETED", json!("Alba 3 due 2026-01-02 of Alba"))]);
        assert_eq!(tasks(&admin, "Other").await[0]["status"], "NOT_STARTED");
        let told = admin.query("{ organizations { nodes { description } } }").await;
        assert_eq!(told.ok()["organizations"]["nodes"][0]["description"], "3 of Alba, first Alba 3");
        let call = &tasks(&admin, "Call about").await[0];
        assert_eq!((&call["parent"]["name"], &call["ownerId"]), (&json!("Alba"), &json!(admin.own_id().await)));
        let metrics = server.anonymous().request(reqwest::Method::GET, "/metrics").send().await.unwrap().text().await.unwrap();
        for line in ["cardine_workflow_runs_total{end=\"done\"} 1", "cardine_workflow_steps_total 11"] {
            assert!(metrics.lines().any(|found| found == line), "{line}: {metrics}");
        }
        // The other way, where nothing is found.
        let barolo = deal(&admin, "Barolo", json!({})).await;
        win(&admin, &barolo).await;
        let run = run_with(&admin, "clear-up", "DONE").await;
        assert_eq!(run["recordId"], json!(barolo));
        assert_eq!(done(&run), ["open  DONE", "any  DONE", "make  DONE", "again  DONE", "tell  SKIPPED", "call  DONE"]);
        let made = &tasks(&admin, "None for Barolo").await[0];
        assert_eq!((&made["status"], &made["dueDate"]), (&json!("PLANNED"), &json!("2026-06-30")));
        let again = run["steps"].as_array().unwrap().iter().find(|step| step["step"] == "again").unwrap();
        assert_eq!(again["input"], json!({"id": made["id"], "status": "PLANNED"}), "{run:#}");
    }

    async fn the_manuals_steps_are_saved_and_done(server: Server) {
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json steps").expect("the manual has such a block");
        admin.save_workflow(on_won("printed", serde_json::from_str(&block.text).expect("JSON"))).await.ok();
        let id = deal(&admin, "Alba", json!({"closeDate": "2020-06-30"})).await;
        win(&admin, &id).await;
        run_with(&admin, "printed", "DONE").await;
        assert_eq!(tasks(&admin, "Thank for Alba").await.len(), 1);
        assert_eq!(read_deal(&admin, &id, "nextStep").await, "Closed");
    }

    async fn steps_see_and_change_only_what_the_author_may(server: Server) {
        let admin = server.admin().await;
        admin.create_user("author@example.org", "the author writes workflows", "administrator").await;
        let author = server.sign_in("author@example.org", "the author writes workflows").await;
        let id = author.own_id().await;
        author.save_workflow(on_won("count", json!([
            {"id": "found", "find": {"module": "Task", "fields": ["subject", "location"]}},
            {"id": "note", "update": {"set": {"nextStep": "{{ steps.found.output.totalCount }}"}}}]))).await.ok();
        author.save_workflow(on_won("make", json!([{"id": "make", "create": {"module": "Ticket", "set": {"title": "x"}}}]))).await.ok();
        admin.create_role("clerk", None).await;
        let all = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.set_access("clerk", "Opportunity", all.clone()).await;
        admin.set_access("clerk", "Task", all).await;
        admin.admin_query_with("mutation($id: ID!) { assignUser(user: $id, role: \"clerk\") { id } }", json!({"id": id})).await.ok();
        let author = server.sign_in("author@example.org", "the author writes workflows").await;
        // Two of its own, and one that it does not see.
        author.create_many("Task", ["Own 1", "Own 2"].map(task)).await;
        admin.create("Task", task("Hidden")).await;
        let first = deal(&author, "First", json!({})).await;
        win(&author, &first).await;
        let run = run_with(&admin, "count", "DONE").await;
        assert_eq!(read_deal(&author, &first, "nextStep").await, "2");
        assert!(!run.to_string().contains("Hidden"), "{run:#}");
        let refused = run_with(&admin, "make", "FAILED").await;
        assert!(refused["error"].as_str().unwrap().contains("may not create"), "{refused:#}");
        // A field that is read no more fails the step, whatever it would give.
        admin.set_access("clerk", "Task", json!({"read": true, "fields": {"*": "WRITE", "location": "NONE"}})).await;
        let second = deal(&author, "Second", json!({})).await;
        win(&author, &second).await;
        let run = run_with(&admin, "count", "FAILED").await;
        assert!(run["error"].as_str().unwrap().starts_with("FORBIDDEN"), "{run:#}");
        assert_eq!(read_deal(&author, &second, "nextStep").await, Value::Null);
        // Runs, with their inputs and outputs, are for administrators.
        for text in ["{ runs { steps { input output } } }".to_owned(), format!("{{ run(id: {}) {{ error }} }}", run["id"])] {
            assert_eq!(author.admin_query(&text).await.codes(), ["FORBIDDEN"]);
        }
        for mutation in ["cancelRun", "retryRun", "skipStep"] {
            assert_eq!(change_run(&author, mutation, &run["id"], "").await.codes(), ["FORBIDDEN"]);
        }
    }

    async fn a_failed_run_is_tried_again_from_any_step_or_goes_on_without_it(server: Server) {
        let admin = server.admin().await;
        admin.save_workflow(on_won("fill", json!([
            {"id": "make", "create": {"module": "Task", "set": {"subject": "Made for {{ name }}", "startAt": "{{ now() }}", "dueDate": "{{ closeDate }}"}}},
            {"id": "find", "find": {"module": "Organization", "fields": ["name"]}},
            {"id": "name", "update": {"module": "Task", "record": "{{ steps.make.output.id }}", "set": {"subject": "{{ steps.find.output.first.name }}"}}},
            {"id": "last", "update": {"set": {"nextStep": "last"}}}]))).await.ok();
        let first = deal(&admin, "First", json!({})).await;
        win(&admin, &first).await;
        // There is no organization, so a required field would be emptied.
        let failed = run_with(&admin, "fill", "FAILED").await;
        assert!(failed["error"].as_str().unwrap().starts_with("VALIDATION_FAILED"), "{failed:#}");
        let listed = admin.admin_query("{ runs(status: \"FAILED\") { id } }").await;
        assert_eq!(listed.ok()["runs"], json!([{"id": failed["id"]}]));
        admin.admin_query("{ runs(status: \"LOST\") { id } }").await.refused("VALIDATION_FAILED");
        // Where it failed: the same again, as the output of the step before is kept.
        admin.create("Organization", json!({"name": "Barilla"})).await;
        change_run(&admin, "retryRun", &failed["id"], "").await.ok();
        run_with(&admin, "fill", "FAILED").await;
        // From the step before, which finds one now; the record is not made twice.
        change_run(&admin, "retryRun", &failed["id"], ", step: \"find\"").await.ok();
        let run = run_with(&admin, "fill", "DONE").await;
        assert_eq!(run["id"], failed["id"]);
        assert_eq!((tasks(&admin, "Barilla").await.len(), tasks(&admin, "Made").await.len()), (1, 0));
        assert_eq!(done(&run), ["make  DONE", "find  DONE", "name  FAILED", "name  FAILED", "find  DONE", "name  DONE", "last  DONE"]);
        for mutation in ["retryRun", "cancelRun", "skipStep"] {
            change_run(&admin, mutation, &run["id"], "").await.refused("CONFLICT");
        }
        change_run(&admin, "retryRun", &json!("01890a5d-ac96-774b-bcce-b302099a8057"), "").await.refused("NOT_FOUND");

        // Without the step.
        admin.save_workflow(on_won("fill", json!([
            {"id": "name", "update": {"set": {"name": "{{ leadSource }}"}}},
            {"id": "last", "update": {"set": {"nextStep": "skipped{{ steps.name.output.id }}!"}}}]))).await.ok();
        let second = deal(&admin, "Second", json!({})).await;
        win(&admin, &second).await;
        let failed = run_with(&admin, "fill", "FAILED").await;
        assert_eq!(faults(change_run(&admin, "retryRun", &failed["id"], ", step: \"last\"").await.refused("VALIDATION_FAILED")), ["step: unknownStep"]);
        change_run(&admin, "skipStep", &failed["id"], "").await.ok();
        run_with(&admin, "fill", "DONE").await;
        assert_eq!(read_deal(&admin, &second, "nextStep").await, "skipped!");
        assert_eq!(read_deal(&admin, &second, "name").await, "Second");

        // Or it is done with: off the list of those that wait for somebody.
        let third = deal(&admin, "Third", json!({})).await;
        win(&admin, &third).await;
        let failed = run_with(&admin, "fill", "FAILED").await;
        change_run(&admin, "dismissRun", &failed["id"], "").await.ok();
        assert_eq!(admin.admin_query("{ runs(status: \"FAILED\") { id } }").await.ok()["runs"], json!([]));
        let dismissed = run_with(&admin, "fill", "CANCELLED").await;
        assert_eq!((&dismissed["id"], &dismissed["error"]), (&failed["id"], &failed["error"]));
        change_run(&admin, "dismissRun", &failed["id"], "").await.refused("CONFLICT");
        change_run(&admin, "dismissRun", &json!("01890a5d-ac96-774b-bcce-b302099a8057"), "").await.refused("NOT_FOUND");
        change_run(&admin, "retryRun", &failed["id"], "").await.ok();
        run_with(&admin, "fill", "FAILED").await;
    }

    async fn a_waiting_run_survives_a_restart_and_holds_up_no_other(mut server: Server) {
        let admin = server.admin().await;
        admin.save_workflow(on_won("patient", json!([
            {"id": "wait", "wait": {"until": "{{ closeDate }}"}},
            {"id": "note", "update": {"set": {"nextStep": "{{ steps.wait.output.until }}"}}}]))).await.ok();
        let far = deal(&admin, "Far", json!({"closeDate": "2999-06-30"})).await;
        win(&admin, &far).await;
        let waiting = run_with(&admin, "patient", "WAITING").await;
        // A date that has passed, or none, is waited for no longer; and other runs of the record go on.
        update_deal(&admin, &far, json!({"stage": "CLOSED_LOST", "closeDate": "2020-06-30"})).await;
        win(&admin, &far).await;
        let other = run_with(&admin, "patient", "DONE").await;
        assert_ne!(other["id"], waiting["id"]);
        assert_eq!(read_deal(&admin, &far, "nextStep").await, "2020-06-30T00:00:00.000Z");
        server.restart().await;
        let text = "query($id: ID!) { run(id: $id) { status runAt error } }";
        let answer = admin.admin_query_with(text, json!({"id": waiting["id"]})).await;
        assert_eq!(answer.ok()["run"], json!({"status": "WAITING", "runAt": "2999-06-30T00:00:00.000Z", "error": null}));
        change_run(&admin, "cancelRun", &waiting["id"], "").await.ok();
        let answer = admin.admin_query_with(text, json!({"id": waiting["id"]})).await;
        assert_eq!(answer.ok()["run"]["status"], "CANCELLED");
        // A short one ends by itself.
        admin.save_workflow(on_won("patient", json!([
            {"id": "wait", "wait": {"for": "PT1S"}}, {"id": "note", "update": {"set": {"nextStep": "waited"}}}]))).await.ok();
        let near = deal(&admin, "Near", json!({})).await;
        win(&admin, &near).await;
        let run = run_with(&admin, "patient", "DONE").await;
        assert_eq!((read_deal(&admin, &near, "nextStep").await, done(&run)), (json!("waited"), vec!["wait  DONE".to_owned(), "note  DONE".to_owned()]));
    }

    async fn a_run_finishes_on_the_version_that_it_began_with(server: Server) {
        let admin = server.admin().await;
        let version = |note: &str, status: &str| {
            let mut definition = on_won("note", json!([{"id": "wait", "wait": {"for": "PT2S"}}, {"id": "note", "update": {"set": {"nextStep": note}}}]));
            definition["status"] = json!(status);
            definition
        };
        let list = "{ workflows { name status version } }";
        admin.save_workflow(version("draft", "DRAFT")).await.ok();
        let id = deal(&admin, "Deal", json!({})).await;
        win(&admin, &id).await;
        assert_eq!(admin.admin_query("{ runs { id } }").await.ok()["runs"], json!([]), "a draft starts nothing");
        admin.save_workflow(version("one", "ACTIVE")).await.ok();
        let first = deal(&admin, "First", json!({})).await;
        win(&admin, &first).await;
        run_with(&admin, "note", "WAITING").await;
        // Paused, its runs rest and no new one begins.
        admin.save_workflow(version("two", "PAUSED")).await.ok();
        let rested = deal(&admin, "Rested", json!({})).await;
        win(&admin, &rested).await;
        assert_eq!(admin.admin_query("{ runs { id } }").await.ok()["runs"].as_array().unwrap().len(), 1);
        admin.save_workflow(version("three", "ACTIVE")).await.ok();
        assert_eq!(admin.admin_query(list).await.ok()["workflows"], json!([{"name": "note", "status": "ACTIVE", "version": 4}]));
        let run = run_with(&admin, "note", "DONE").await;
        assert_eq!((&run["version"], read_deal(&admin, &first, "nextStep").await), (&json!(2), json!("one")));
        let last = deal(&admin, "Last", json!({})).await;
        win(&admin, &last).await;
        let run = run_with(&admin, "note", "DONE").await;
        assert_eq!((&run["version"], read_deal(&admin, &last, "nextStep").await), (&json!(4), json!("three")));
    }

    async fn a_renamed_field_is_followed_into_running_versions(server: Server) {
        let admin = server.admin().await;
        admin.save_workflow(on_won("note", json!([
            {"id": "found", "find": {"module": "Task", "filter": {"subject": {"eq": "{{ name }}"}}, "fields": ["subject"]}},
            {"id": "wait", "wait": {"for": "PT2S"}},
            {"id": "each", "forEach": {"in": "{{ steps.found.output.nodes }}", "as": "one", "steps": [
                {"id": "note", "update": {"module": "Task", "record": "{{ one.id }}", "set": {"subject": "{{ name }} is done"}}}]}}]))).await.ok();
        admin.create("Task", task("Deal")).await;
        let id = deal(&admin, "Deal", json!({})).await;
        win(&admin, &id).await;
        run_with(&admin, "note", "WAITING").await;
        admin.change("renameField", json!({"module": "Task", "name": "subject", "to": "title"})).await.ok();
        run_with(&admin, "note", "DONE").await;
        let answer = admin.query("{ tasks { nodes { title } } }").await;
        assert_eq!(answer.ok()["tasks"]["nodes"], json!([{"title": "Deal is done"}]));
    }

    async fn a_run_is_started_by_hand_with_an_input(server: Server) {
        let admin = server.admin().await;
        admin.save_workflow(json!({"name": "give", "module": "Opportunity", "trigger": {"manual": {"inputSchema":
            {"type": "object", "required": ["percent"], "properties": {"percent": {"type": "integer", "maximum": 50}}}}},
            "steps": [{"id": "give", "when": "number(trigger.input.percent) > 0",
                "update": {"set": {"amount": "{{ amount * (100 - number(trigger.input.percent)) / 100 }}"}}}]})).await.ok();
        admin.save_workflow(json!({"name": "count", "trigger": {"manual": {}}, "steps": [
            {"id": "all", "find": {"module": "Opportunity"}},
            {"id": "note", "create": {"module": "Task", "set": {"subject": "Counted {{ steps.all.output.totalCount }}", "startAt": "{{ now() }}", "dueDate": "{{ today() }}"}}}]})).await.ok();
        let id = deal(&admin, "Deal", json!({"amount": "200"})).await;
        let start = |arguments: Value| {
            let admin = admin.clone();
            async move {
                let text = "mutation($workflow: String!, $record: ID, $input: JSON) { startWorkflow(workflow: $workflow, record: $record, input: $input) { id status } }";
                admin.admin_query_with(text, arguments).await
            }
        };
        start(json!({"workflow": "give", "record": id, "input": {"percent": 25}})).await.ok();
        run_with(&admin, "give", "DONE").await;
        assert_eq!(read_deal(&admin, &id, "amount").await, "150.00");
        start(json!({"workflow": "count"})).await.ok();
        run_with(&admin, "count", "DONE").await;
        assert_eq!(tasks(&admin, "Counted 1").await.len(), 1);
        for (arguments, fault) in [
            (json!({"workflow": "give", "record": id, "input": {"percent": 51}}), "input.percent: schema"),
            (json!({"workflow": "give", "record": id}), "input: schema"),
            (json!({"workflow": "give", "input": {"percent": 1}}), "record: required"),
            (json!({"workflow": "count", "record": id}), "record: notAvailable"),
            (json!({"workflow": "none"}), "workflow: unknownWorkflow"),
        ] {
            assert_eq!(faults(start(arguments).await.refused("VALIDATION_FAILED")), [fault]);
        }
        start(json!({"workflow": "give", "record": "01890a5d-ac96-774b-bcce-b302099a8057", "input": {"percent": 1}})).await.refused("NOT_FOUND");
        assert_eq!(admin.admin_query("{ runs { id } }").await.ok()["runs"].as_array().unwrap().len(), 2);
    }

    async fn a_records_date_starts_a_run_and_takes_it_along_when_it_moves(server: Server) {
        let admin = server.admin().await;
        admin.save_workflow(json!({"name": "remind", "module": "Task", "trigger": {"date": {"field": "startAt", "offset": "-PT1H"}, "when": "status != \"COMPLETED\""},
            "steps": [{"id": "note", "update": {"set": {"description": "due {{ trigger.dueAt }} for {{ startAt }}"}}}]})).await.ok();
        let start = |seconds: i64| {
            let at = chrono::Utc::now() + chrono::TimeDelta::seconds(3_600 + seconds);
            json!(at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        };
        let made = |subject: &str, seconds: i64| json!({"subject": subject, "startAt": start(seconds), "dueDate": "2099-01-01"});
        let due = made("R due", 4);
        let ids = admin.create_many("Task", [due.clone(), made("R away", 4), made("R nearer", 40_000), made("R past", -600)]).await;
        let done = json!({"subject": "R done", "startAt": start(4), "dueDate": "2099-01-01", "status": "COMPLETED"});
        admin.create("Task", done).await;
        let text = "mutation($id: ID!, $data: TaskUpdate!) { updateTask(id: $id, data: $data) { id } }";
        admin.query_with(text, json!({"id": ids[1], "data": {"startAt": start(40_000)}})).await.ok();
        admin.query_with(text, json!({"id": ids[2], "data": {"startAt": start(5)}})).await.ok();
        let runs = eventually("both are due", || async {
            let answer = admin.admin_query("{ runs(workflow: \"remind\") { recordId status dueAt } }").await;
            let runs = answer.ok()["runs"].as_array().unwrap().clone();
            (runs.len() == 2 && runs.iter().all(|run| run["status"] == "DONE")).then_some(runs)
        }).await;
        let mut records: Vec<_> = runs.iter().map(|run| run["recordId"].clone()).collect();
        records.sort_by_key(|id| id.as_str().map(str::to_owned));
        let mut expected = vec![json!(ids[0]), json!(ids[2])];
        expected.sort_by_key(|id| id.as_str().map(str::to_owned));
        assert_eq!(records, expected);
        let noted = tasks(&admin, "R due").await[0]["description"].as_str().unwrap().to_owned();
        assert!(noted.ends_with(&format!("for {}", due["startAt"].as_str().unwrap())), "{noted}");
        assert_eq!(tasks(&admin, "R past").await[0]["description"], Value::Null, "it was over when it was set");
        for (trigger, fault) in [
            (json!({"date": {"field": "subject"}}), "definition.trigger.date.field: type"),
            (json!({"date": {"field": "dueDate", "offset": "-PT5H"}}), "definition.trigger.date.offset: duration"),
            (json!({"date": {"field": "startAt", "at": "09:00"}}), "definition.trigger.date.at: notAvailable"),
            (json!({"date": {"field": "dueDate", "timeZone": "Rome"}}), "definition.trigger.date.timeZone: timeZone"),
            (json!({"date": {"field": "none"}}), "definition.trigger.date.field: unknownField"),
        ] {
            let document = json!({"name": "faulty", "module": "Task", "trigger": trigger, "steps": [{"id": "w", "wait": {"for": "PT0S"}}]});
            assert_eq!(faults(admin.save_workflow(document).await.refused("VALIDATION_FAILED")), [fault]);
        }
    }

    async fn a_run_waits_until_whoever_is_asked_has_decided(server: Server) {
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json approval").expect("the manual has such a block");
        admin.save_workflow(on_won("ask", serde_json::from_str(&block.text).expect("JSON"))).await.ok();
        let (manager, person) = (server.create_user_with_role("sales-manager").await, server.create_user_with_role("sales-person").await);
        let open = |client: &Client| {
            let client = client.clone();
            async move { client.admin_query("{ approvals { id question recordId workflow approved } }").await.ok()["approvals"].as_array().unwrap().clone() }
        };
        let decide = |client: &Client, id: &Value, approved: bool| {
            let (client, id) = (client.clone(), id.clone());
            let text = "mutation($id: ID!, $approved: Boolean!) { decideApproval(id: $id, approved: $approved, comment: \"by me\") { approved decidedById } }";
            async move { client.admin_query_with(text, json!({"id": id, "approved": approved})).await }
        };
        let first = deal(&admin, "Alba", json!({})).await;
        win(&admin, &first).await;
        let asked = eventually("it is asked", || async { open(&manager).await.pop() }).await;
        assert_eq!((&asked["question"], &asked["recordId"]), (&json!("A discount for Alba?"), &json!(first)));
        assert_eq!(run_with(&admin, "ask", "WAITING").await["steps"][0]["status"], "WAITING");
        // Nobody else sees it, or can answer it; a key is no person.
        assert_eq!(open(&person).await, [] as [Value; 0]);
        decide(&person, &asked["id"], true).await.refused("NOT_FOUND");
        let key = manager.with_api_key(None).await;
        assert!(!decide(&key, &asked["id"], true).await.codes().is_empty());
        assert_eq!(decide(&manager, &asked["id"], true).await.ok()["decideApproval"]["decidedById"], json!(manager.own_id().await));
        let run = run_with(&admin, "ask", "DONE").await;
        assert_eq!(done(&run), ["ask  WAITING", "ask  DONE", "note  DONE"]);
        assert_eq!(read_deal(&admin, &first, "nextStep").await, "by me");
        decide(&manager, &asked["id"], false).await.refused("CONFLICT");
        assert_eq!(open(&manager).await, [] as [Value; 0]);
        // Handed on, and rejected.
        let second = deal(&admin, "Barolo", json!({})).await;
        win(&admin, &second).await;
        let asked = eventually("it is asked again", || async { open(&manager).await.pop() }).await;
        let hand_on = "mutation($id: ID!, $to: ID!) { delegateApproval(id: $id, to: $to) { askedId } }";
        let to = json!({"id": asked["id"], "to": person.own_id().await});
        person.admin_query_with(hand_on, to.clone()).await.refused("NOT_FOUND");
        manager.admin_query_with(hand_on, to).await.ok();
        decide(&person, &asked["id"], false).await.ok();
        let run = run_with(&admin, "ask", "DONE").await;
        assert_eq!(done(&run), ["ask  WAITING", "ask  DONE", "note  SKIPPED"]);
        // The time is over: nobody has to do anything.
        for (on_timeout, status, approved) in [("APPROVE", "DONE", json!(true)), ("REJECT", "DONE", json!(false)), ("FAIL", "FAILED", Value::Null)] {
            let by = json!({"user": "{{ ownerId }}"});
            admin.save_workflow(on_won("late", json!([{"id": "ask", "approve": {"by": by, "dueIn": "PT0S", "onTimeout": on_timeout}},
                {"id": "note", "update": {"set": {"description": "it is {{ steps.ask.output.approved }}"}}}]))).await.ok();
            let id = deal(&admin, on_timeout, json!({})).await;
            win(&admin, &id).await;
            let run = run_with(&admin, "late", status).await;
            let ended = run["steps"].as_array().unwrap().iter().find(|step| step["status"] == "DONE");
            assert_eq!(ended.map_or(Value::Null, |step| step["output"]["approved"].clone()), approved, "{run:#}");
        }
        // Tried again, it is asked again.
        let failed = run_with(&admin, "late", "FAILED").await;
        change_run(&admin, "retryRun", &failed["id"], "").await.ok();
        let again = eventually("it is over again", || async {
            let run = run_with(&admin, "late", "FAILED").await;
            (done(&run).len() == 4).then_some(run)
        }).await;
        assert_eq!(done(&again), ["ask  WAITING", "ask  FAILED", "ask  WAITING", "ask  FAILED"]);
        let nobody = json!([{"id": "ask", "approve": {"by": {"role": "none"}}}]);
        assert_eq!(faults(admin.save_workflow(on_won("late", nobody)).await.refused("VALIDATION_FAILED")), ["definition.steps.0.approve.by.role: unknownRole"]);
    }

    async fn whoever_stands_above_is_asked(server: Server) {
        let admin = server.admin().await;
        // Nobody has the role between the clerk's and the head's.
        for (role, parent) in [("chief", None), ("head", Some("chief")), ("foreman", Some("head")), ("clerk", Some("foreman")), ("apprentice", Some("clerk"))] {
            admin.create_role(role, parent).await;
            admin.set_access(role, "Opportunity", json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}})).await;
        }
        let mut people = Vec::new();
        for role in ["chief", "head", "clerk", "apprentice"] {
            people.push(server.create_user_with_role(role).await);
        }
        let [chief, head, clerk, apprentice] = <[Client; 4]>::try_from(people).expect("four");
        let save = |superior: &str, on_nobody: Option<&str>| {
            let mut approve = json!({"by": {"superior": superior}, "question": "May {{ name }}?"});
            if let Some(on_nobody) = on_nobody {
                approve["onNobody"] = json!(on_nobody);
            }
            on_won("ask", json!([{"id": "ask", "approve": approve},
                {"id": "note", "update": {"set": {"description": "it is {{ steps.ask.output.approved }}"}}}]))
        };
        let asked = |client: &Client| {
            let client = client.clone();
            async move { client.admin_query("{ approvals { id question } }").await.ok()["approvals"].as_array().unwrap().clone() }
        };
        let decide = |client: &Client, id: &Value| {
            let (client, id) = (client.clone(), id.clone());
            async move { client.admin_query_with("mutation($id: ID!) { decideApproval(id: $id, approved: true) { approved } }", json!({"id": id})).await }
        };
        let deal_of = |owner: &Client, name: &'static str| {
            let (owner, admin) = (owner.clone(), admin.clone());
            async move { deal(&admin, name, json!({"ownerId": owner.own_id().await})).await }
        };
        // Of the owner: the nearest above that somebody has.
        admin.save_workflow(save("{{ ownerId }}", None)).await.ok();
        let first = deal_of(&clerk, "Alba").await;
        win(&admin, &first).await;
        let question = eventually("the head is asked", || async { asked(&head).await.pop() }).await;
        assert_eq!(question["question"], "May Alba?");
        for other in [&chief, &clerk, &apprentice] {
            assert_eq!(asked(other).await, [] as [Value; 0]);
            decide(other, &question["id"]).await.refused("NOT_FOUND");
        }
        decide(&head, &question["id"]).await.ok();
        run_with(&admin, "ask", "DONE").await;
        assert_eq!(read_deal(&admin, &first, "description").await, "it is true");
        // Of whoever caused the run, whoever the owner is.
        admin.save_workflow(save("{{ actor.id }}", None)).await.ok();
        let second = deal_of(&apprentice, "Barolo").await;
        win(&clerk, &second).await;
        let question = eventually("the head is asked again", || async { asked(&head).await.pop() }).await;
        assert_eq!(question["question"], "May Barolo?");
        decide(&head, &question["id"]).await.ok();
        run_with(&admin, "ask", "DONE").await;
        // Who may not sign in stands above nobody.
        admin.save_workflow(save("{{ ownerId }}", None)).await.ok();
        admin.set_user_active(&head.own_id().await, false).await;
        let third = deal_of(&clerk, "Cuneo").await;
        win(&admin, &third).await;
        let question = eventually("the chief is asked", || async { asked(&chief).await.pop() }).await;
        decide(&chief, &question["id"]).await.ok();
        run_with(&admin, "ask", "DONE").await;
        // Above the head of all there is nobody, nor above a group.
        let saved = admin.admin_query("mutation { saveGroup(name: \"Desk\") { id } }").await;
        let group = saved.ok()["saveGroup"]["id"].as_str().unwrap().to_owned();
        for (on_nobody, status, told) in [(None, "FAILED", Value::Null), (Some("REJECT"), "DONE", json!("it is false")), (Some("APPROVE"), "DONE", json!("it is true"))] {
            admin.save_workflow(save("{{ ownerId }}", on_nobody)).await.ok();
            for owner in [chief.own_id().await, group.clone()] {
                let id = deal(&admin, "Dogliani", json!({"ownerId": owner})).await;
                win(&admin, &id).await;
                let run = eventually("the run ends", || async {
                    let answer = admin.admin_query_with(&format!("query($id: ID!) {{ runs(record: $id) {{ {RUN} }} }}"), json!({"id": id})).await;
                    let run = answer.ok()["runs"][0].clone();
                    ["DONE", "FAILED"].contains(&run["status"].as_str().unwrap_or_default()).then_some(run)
                }).await;
                assert_eq!((&run["status"], read_deal(&admin, &id, "description").await), (&json!(status), told.clone()), "{run:#}");
                assert_eq!(run["error"].is_null(), status == "DONE", "{run:#}");
            }
        }
        let faulty = faults(admin.save_workflow(save("{{ name }}", None)).await.refused("VALIDATION_FAILED"));
        assert_eq!(faulty, ["definition.steps.0.approve.by.superior: type"]);
    }

    async fn a_long_queue_of_one_workflow_holds_up_no_other(server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Parcel", "plural": "Parcels", "fields": [{"name": "note", "type": "text"}]})).await.ok();
        let step = |module: &str, field: &str| json!({"name": module.to_lowercase(), "module": module, "trigger": {"on": ["CREATED"]},
            "steps": [{"id": "note", "update": {"set": {field: "seen"}}}]});
        admin.save_workflow(step("Parcel", "note")).await.ok();
        admin.save_workflow(step("Task", "description")).await.ok();
        let data: Vec<Value> = (0..500).map(|_| json!({})).collect();
        for _ in 0..4 {
            admin.query_with("mutation($data: [ParcelCreate!]!) { createParcels(data: $data) { id } }", json!({"data": data})).await.ok();
        }
        admin.create("Task", task("Behind them")).await;
        run_with(&admin, "task", "DONE").await;
        let left = admin.admin_query("{ runs(workflow: \"parcel\", status: \"QUEUED\", first: 1) { id } }").await;
        assert_ne!(left.ok()["runs"], json!([]), "it was done before all that stood before it");
    }

    async fn a_chain_of_causes_is_told_and_ends(server: Server) {
        let admin = server.admin().await;
        // Each record makes the next one, as long as nothing says where to stop: the bound does.
        admin.save_workflow(json!({"name": "multiply", "module": "Task", "trigger": {"on": ["CREATED"], "when": "subject == \"Copy\""},
            "steps": [{"id": "again", "create": {"module": "Task", "set": {"subject": "Copy", "startAt": "{{ startAt }}", "dueDate": "{{ dueDate }}"}}}]})).await.ok();
        admin.create("Task", task("Copy")).await;
        let text = format!("{{ runs(first: 100) {{ {RUN} }} }}");
        let runs = eventually("the chain ends", || async {
            let answer = admin.admin_query(&text).await;
            let runs = answer.ok()["runs"].as_array().unwrap().clone();
            (runs.len() >= 16 && runs.iter().all(|run| run["status"] == "DONE")).then_some(runs)
        }).await;
        assert_eq!((runs.len(), tasks(&admin, "Copy").await.len()), (16, 17));
        for (position, run) in runs.iter().enumerate() {
            assert_eq!(run["depth"], json!(15 - position), "{run:#}");
            let cause = runs.get(position + 1).map_or(Value::Null, |cause| json!({"id": cause["id"]}));
            assert_eq!(run["cause"], cause);
        }
        assert_eq!(runs[15]["caused"], json!([{"id": runs[14]["id"], "workflow": "multiply"}]));
    }

    async fn documents_that_can_t_work_are_refused_with_every_fault(server: Server) {
        let admin = server.admin().await;
        let find = || json!({"id": "found", "find": {"module": "Task", "fields": ["subject"]}});
        let note = |value: &str| json!({"id": "note", "update": {"set": {"nextStep": value}}});
        let each = |list: &str, item: &str, inside: Value| json!({"id": "each", "forEach": {"in": list, "as": item, "steps": [inside]}});
        let cases = [
            (json!([find(), note("{{ steps.found.output.nods }}")]), vec!["definition.steps.1.update.set.nextStep: rule"]),
            (json!([find(), note("{{ steps.found.output.nodes }}")]), vec!["definition.steps.1.update.set.nextStep: type"]),
            (json!([find(), note("{{ steps.found.output.first.location }}")]), vec!["definition.steps.1.update.set.nextStep: rule"]),
            (json!([find(), note("{{ steps.found.output.totalCount + name }}")]), vec!["definition.steps.1.update.set.nextStep: rule"]),
            (json!([find(), {"id": "n", "update": {"set": {"amount": "{{ steps.found.output.first.subject }}"}}}]), vec!["definition.steps.1.update.set.amount: type"]),
            (json!([find(), each("{{ steps.found.output.first }}", "one", note("x"))]), vec!["definition.steps.1.forEach.in: type"]),
            (json!([find(), each("{{ steps.found.output.nodes }}", "name", note("x"))]), vec!["definition.steps.1.forEach.as: unique"]),
            (json!([find(), each("{{ steps.found.output.nodes }}", "one", note("{{ one.subjct }}"))]), vec!["definition.steps.1.forEach.steps.0.update.set.nextStep: rule"]),
            // What a loop's steps give is forgotten behind it.
            (json!([find(), each("{{ steps.found.output.nodes }}", "one", find_again()), note("{{ steps.again.output.totalCount }}")]),
                vec!["definition.steps.2.update.set.nextStep: rule"]),
            (json!([{"id": "found", "find": {"module": "Task", "filter": {"subjct": {"eq": 1}, "dueDate": {"contains": "x", "lt": "soon"}, "status": "PLANNED"},
                "fields": ["none"], "orderBy": [{"subject": "UP"}]}}]),
                vec!["definition.steps.0.find.fields.0: unknownField", "definition.steps.0.find.filter.dueDate.contains: unknownOperator",
                    "definition.steps.0.find.filter.dueDate.lt: type", "definition.steps.0.find.filter.status: type",
                    "definition.steps.0.find.filter.subjct: unknownField", "definition.steps.0.find.orderBy.0.subject: order"]),
            (json!([{"id": "n", "update": {"module": "Task", "set": {"subject": "x"}}}]), vec!["definition.steps.0.update.record: required"]),
            (json!([{"id": "n", "update": {"record": "{{ name }}", "set": {"name": "x"}}}]), vec!["definition.steps.0.update.record: type"]),
            (json!([{"id": "n", "create": {"module": "Taks", "set": {"subject": "x"}}}]), vec!["definition.steps.0.create.module: unknownModule"]),
            (json!([{"id": "n", "create": {"module": "User", "set": {"email": "x"}}}]), vec!["definition.steps.0.create.module: unknownModule"]),
            (json!([{"id": "w", "wait": {"for": "P1M"}}]), vec!["definition.steps.0.wait.for: duration"]),
            (json!([{"id": "w", "wait": {"until": "{{ amount }}"}}]), vec!["definition.steps.0.wait.until: type"]),
            (json!([{"id": "n", "when": "1 > 2", "update": {"set": {"name": "x"}}}]), vec!["definition.steps.0.when: unreachable"]),
            (json!([{"id": "b", "branch": {"cases": [{"when": "true", "steps": [note("x")]}, {"when": "amount > 1", "steps": [find()]}], "otherwise": [find_again()]}}]),
                vec!["definition.steps.0.branch.cases.1: unreachable", "definition.steps.0.branch.otherwise: unreachable"]),
            (json!([{"id": "a", "assignTask": {"to": "{{ name }}", "subject": "x", "priority": "URGENT"}}]),
                vec!["definition.steps.0.assignTask.priority: type", "definition.steps.0.assignTask.to: type"]),
            (json!([{"id": "b", "branch": {"cases": [{"when": "amount > 1", "steps": [note("x")]}], "otherwise": [note("y")]}}]),
                vec!["definition.steps.0.branch.otherwise.0.id: unique"]),
        ];
        for (steps, expected) in cases {
            let answer = admin.save_workflow(on_won("faulty", steps.clone())).await;
            assert_eq!(faults(answer.refused("VALIDATION_FAILED")), expected, "{steps}: {answer}");
        }
        for (document, expected) in [
            // It would start itself for ever.
            (json!({"name": "endless", "module": "Task", "trigger": {"on": ["CREATED"]}, "steps": [
                {"id": "again", "create": {"module": "Task", "set": {"subject": "x"}}}]}), "definition.steps: endless"),
            (json!({"name": "endless", "module": "Opportunity", "trigger": {"on": ["UPDATED"]}, "steps": [
                {"id": "more", "update": {"set": {"amount": "{{ amount + 1 }}"}}}]}), "definition.steps: endless"),
            (json!({"name": "clock", "trigger": {"schedule": {"cron": "61 * * * *"}}, "steps": [find()]}), "definition.trigger.schedule.cron: cron"),
            (json!({"name": "clock", "trigger": {"schedule": {"cron": "1 * * * *", "timeZone": "Rome"}}, "steps": [find()]}),
                "definition.trigger.schedule.timeZone: timeZone"),
            (json!({"name": "clock", "trigger": {"schedule": {"cron": "1 * * * *"}}, "steps": [{"id": "n", "when": "amount > 1", "find": {"module": "Task"}}]}),
                "definition.steps.0.when: rule"),
        ] {
            assert_eq!(faults(admin.save_workflow(document).await.refused("VALIDATION_FAILED")), [expected]);
        }
        assert_eq!(admin.admin_query("{ workflows { name } }").await.ok()["workflows"], json!([]));
        // The same, but for an end.
        admin.save_workflow(json!({"name": "more", "module": "Opportunity", "trigger": {"on": ["UPDATED"], "when": "amount < 3"},
            "steps": [{"id": "more", "update": {"set": {"amount": "{{ amount + 1 }}"}}}]})).await.ok();
        let id = deal(&admin, "Deal", json!({"amount": "0"})).await;
        update_deal(&admin, &id, json!({"nextStep": "x"})).await;
        eventually("it counts to three", || async { (read_deal(&admin, &id, "amount").await == "3.00").then_some(()) }).await;
    }
}

fn find_again() -> Value {
    json!({"id": "again", "find": {"module": "Task"}})
}
