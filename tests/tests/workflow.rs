//! A plugin in a workflow, from the package to the written field: what starts it, what survives a crash, and who may do what.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use cardine_tests::document::blocks_of;
use cardine_tests::plugins::{package, upload};
use cardine_tests::{Answer, Backend, Client, Server, binary, eventually, on_both_databases, plugins};
use serde_json::{Value, json};

const MANUAL: &str = "docs/workflows.md";

fn package_bytes(name: &str) -> Vec<u8> {
    std::fs::read(package(name)).expect("the script built it")
}

/// Standard output, then standard error.
fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// The workflow that the manual prints.
fn score_won_deals() -> Value {
    printed_json("json workflow")
}

/// A workflow on new leads of that last name, which calls a function of the hostile plugin.
fn on_lead(name: &str, function: &str) -> Value {
    json!({"name": name, "module": "Lead", "trigger": {"on": ["CREATED"], "when": format!("lastName == \"{function}\"")},
        "steps": [{"id": "call", "call": {"plugin": "test-hostile", "function": function, "input": {"id": "{{ record.id }}"}}}]})
}

async fn install(client: &Client, bytes: Vec<u8>) -> Answer {
    plugins::install(client, bytes, Value::Null, false, "name version functions digest").await
}

async fn installed_plugins(admin: &Client) -> Vec<Value> {
    let answer = admin.admin_query("{ plugins { name version functions } }").await;
    answer.ok()["plugins"].as_array().expect("a list").clone()
}

/// The field, the plugin and the workflow.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.add_field("Opportunity", json!({"name": "score", "type": "integer"})).await.ok();
    install(&admin, package_bytes("deal-score")).await.ok();
    admin.save_workflow(score_won_deals()).await.ok();
    admin
}

async fn create_deal(client: &Client, amount: &str) -> String {
    client.create("Opportunity", json!({"name": "Deal", "closeDate": "2026-06-30", "amount": amount})).await
}

async fn update_deal(client: &Client, id: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: OpportunityUpdate!) { updateOpportunity(id: $id, data: $data) { id } }";
    client.query_with(text, json!({"id": id, "data": data})).await
}

async fn win(client: &Client, id: &str) {
    update_deal(client, id, json!({"stage": "CLOSED_WON"})).await.ok();
}

async fn deal(client: &Client, id: &str) -> Value {
    let text = "query($id: ID!) { opportunity(id: $id) { score version nextStep } }";
    client.query_with(text, json!({"id": id})).await.ok()["opportunity"].clone()
}

/// All runs, the newest first. A run is queued in the write's transaction, so a write that was answered shows here at once.
async fn runs(admin: &Client) -> Vec<Value> {
    let text = "{ runs(first: 1000) { id workflow recordId status attempts error finishedAt } }";
    admin.admin_query(text).await.ok()["runs"].as_array().expect("a list").clone()
}

/// All runs, once there are `count` and every one has ended.
async fn ended_runs(admin: &Client, count: usize) -> Vec<Value> {
    let ended = eventually(&format!("{count} runs end"), || async {
        let runs = runs(admin).await;
        let all = runs.len() >= count && runs.iter().all(|run| run["finishedAt"].is_string());
        all.then_some(runs)
    })
    .await;
    assert_eq!(ended.len(), count, "{ended:#?}");
    ended
}

fn statuses(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["status"].as_str().expect("a text")).collect()
}

/// What workflows changed, of all records, the newest first.
async fn changes_by_workflows(admin: &Client) -> Vec<Value> {
    let text = "{ audit(first: 1000) { via action recordId actorId changes } }";
    let answer = admin.admin_query(text).await;
    let entries = answer.ok()["audit"].as_array().expect("a list");
    entries.iter().filter(|entry| entry["via"] == "workflow").cloned().collect()
}

fn run_command(server: &Server, words: &[&str]) -> Output {
    let mut command = binary::command(&server.data_directory());
    command.args(words).arg("--data").arg(server.data_directory());
    if let Some(database) = server.postgres() {
        command.args(["--database", database.url()]);
    }
    command.stdin(Stdio::null()).output().expect("the binary runs")
}

/// The server's clock, in the form of its instants.
fn now() -> String {
    let output = Command::new("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output().expect("there is a clock");
    String::from_utf8(output.stdout).expect("digits").trim().to_owned()
}

/// `path: rule` of every issue.
fn faults(answer: &Answer) -> Vec<String> {
    let steps = |issue: &Value| -> Vec<String> {
        let path = issue["path"].as_array().expect("a path");
        path.iter().map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect()
    };
    let mut found: Vec<String> = answer
        .issues()
        .into_iter()
        .map(|issue| format!("{}: {}", steps(issue).join("."), issue["rule"].as_str().unwrap_or_default()))
        .collect();
    found.sort();
    found
}

/// The block of the manual with these words behind its fence.
fn printed(info: &str) -> String {
    let blocks = blocks_of(MANUAL);
    let block = blocks.iter().find(|block| block.info == info);
    block.unwrap_or_else(|| panic!("{MANUAL} has no block `{info}`")).text.clone()
}

fn printed_json(info: &str) -> Value {
    serde_json::from_str(&printed(info)).unwrap_or_else(|error| panic!("{MANUAL}, {info}: {error}"))
}

on_both_databases! {
    async fn the_manuals_example_gives_what_it_prints(server: Server) {
        let admin = server.admin().await;
        assert!(printed("sh").contains("cardine plugin install plugins/target/packages/deal-score.cardine"));
        let installed = run_command(&server, &["plugin", "install", package("deal-score").to_str().expect("UTF-8")]);
        assert!(installed.status.success(), "{}", said(&installed));
        eventually("the server has the plugin", || async { (!installed_plugins(&admin).await.is_empty()).then_some(()) }).await;
        admin.admin_query(&printed("graphql admin")).await.ok();
        admin.admin_query_with(&printed("graphql admin workflow"), json!({"definition": score_won_deals()})).await.ok();
        let made = admin.query(&printed("graphql deal")).await;
        let id = json!({"id": made.ok()["createOpportunity"]["id"]});
        admin.query_with(&printed("graphql win"), id.clone()).await.ok();
        ended_runs(&admin, 1).await;
        assert_eq!(admin.query_with(&printed("graphql read"), id).await.ok(), &printed_json("json read"));
        assert_eq!(admin.admin_query(&printed("graphql admin runs")).await.ok(), &printed_json("json runs"));
    }

    async fn a_plugins_answer_is_written_when_a_deal_is_won(server: Server) {
        let admin = prepare(&server).await;
        let id = create_deal(&admin, "164002.75").await;
        assert_eq!(runs(&admin).await, Vec::<Value>::new(), "nothing is won yet");
        win(&admin, &id).await;
        let ended = ended_runs(&admin, 1).await;
        let run = &ended[0];
        assert_eq!((&run["workflow"], &run["recordId"], &run["status"], &run["error"]),
            (&json!("score-won-deals"), &json!(id), &json!("DONE"), &Value::Null));
        // Created, won, scored: the workflow's own write is one more version, and queued nothing.
        assert_eq!(deal(&admin, &id).await, json!({"score": 61, "version": 3, "nextStep": null}));
        let changes = changes_by_workflows(&admin).await;
        assert_eq!(changes.len(), 1, "{changes:#?}");
        assert_eq!(changes[0]["changes"], json!({"score": {"old": null, "new": 61}}));
        assert_eq!((&changes[0]["action"], &changes[0]["recordId"]), (&json!("UPDATED"), &json!(id)));

        // Other changes, being won already, being lost, and other records start nothing.
        update_deal(&admin, &id, json!({"nextStep": "Send the invoice"})).await.ok();
        update_deal(&admin, &id, json!({"stage": "CLOSED_WON", "amount": "1000"})).await.ok();
        update_deal(&admin, &id, json!({"stage": "CLOSED_LOST"})).await.ok();
        let won_from_the_start = admin.create("Opportunity",
            json!({"name": "Old deal", "closeDate": "2026-06-30", "amount": "1000", "stage": "CLOSED_WON"})).await;
        update_deal(&admin, &won_from_the_start, json!({"stage": "CLOSED_WON", "name": "Older deal"})).await.ok();
        assert_eq!(runs(&admin).await.len(), 1);
        assert_eq!(deal(&admin, &id).await["score"], 61);

        // Won again, with the amount of then; and without an amount.
        win(&admin, &id).await;
        let without = admin.create("Opportunity", json!({"name": "No amount", "closeDate": "2026-06-30"})).await;
        win(&admin, &without).await;
        assert_eq!(statuses(&ended_runs(&admin, 3).await), ["DONE"; 3]);
        assert_eq!(deal(&admin, &id).await["score"], 20);
        assert_eq!(deal(&admin, &without).await["score"], 0);

        // What is rolled back queues nothing.
        let refused = admin.query_with(
            "mutation($id: ID!) { a: updateOpportunity(id: $id, data: {stage: CLOSED_LOST}) { id }
                b: updateOpportunity(id: $id, data: {stage: CLOSED_WON}) { id } c: updateOpportunity(id: $id, data: {name: \" \"}) { id } }",
            json!({"id": id})).await;
        assert!(!refused.errors().is_empty(), "{refused}");
        assert_eq!(runs(&admin).await.len(), 3);
    }

    async fn what_was_won_before_a_crash_is_scored_once_after_it(mut server: Server) {
        let admin = prepare(&server).await;
        let deals = (1..=40).map(|n| json!({"name": format!("Deal {n}"), "closeDate": "2026-06-30", "amount": "10000"}));
        let ids = admin.create_many("Opportunity", deals).await;
        let win_all = |ids: &[String]| {
            let fields: Vec<String> = ids.iter().enumerate()
                .map(|(n, id)| format!("d{n}: updateOpportunity(id: \"{id}\", data: {{stage: CLOSED_WON}}) {{ id }}")).collect();
            format!("mutation {{ {} }}", fields.join(" "))
        };
        let (first, second) = (win_all(&ids[..20]), win_all(&ids[20..]));
        let (first, second) = tokio::join!(admin.query(&first), admin.query(&second));
        server.kill_hard();
        let crashed_at = now();
        first.ok();
        second.ok();
        server.restart().await;
        let ended = ended_runs(&admin, 40).await;
        assert_eq!(statuses(&ended), ["DONE"; 40]);
        let after = ended.iter().filter(|run| run["finishedAt"].as_str() > Some(crashed_at.as_str())).count();
        assert!(after > 0, "nothing was left for after the crash at {crashed_at}, so this shows nothing: {ended:#?}");
        for id in &ids {
            assert_eq!(deal(&admin, id).await, json!({"score": 40, "version": 3, "nextStep": null}), "{id}");
        }
        let mut changed: Vec<String> = changes_by_workflows(&admin).await.iter()
            .map(|change| change["recordId"].as_str().expect("a record").to_owned()).collect();
        changed.sort();
        let mut expected = ids.clone();
        expected.sort();
        assert_eq!(changed, expected, "each record was changed once");
    }

    async fn a_hostile_plugin_fails_its_own_run_and_nothing_else(server: Server) {
        let admin = prepare(&server).await;
        install(&admin, package_bytes("test-hostile")).await.ok();
        for function in ["loop", "grab", "trap"] {
            admin.save_workflow(on_lead(&format!("hostile-{function}"), function)).await.ok();
        }
        let mut again = on_lead("hostile-again", "grab");
        again["retry"] = json!({"times": 0, "firstAfter": "PT0S", "atMost": "PT0S", "byError": {"PLUGIN_LIMIT": {"times": 2}}});
        admin.save_workflow(again).await.ok();
        for function in ["loop", "grab", "trap"] {
            admin.create("Lead", json!({"lastName": function})).await;
        }
        eventually("the endless loop runs", || async {
            let runs = runs(&admin).await;
            runs.iter().any(|run| run["workflow"] == "hostile-loop" && run["status"] == "RUNNING").then_some(())
        }).await;
        let id = create_deal(&admin, "1000000").await;
        win(&admin, &id).await;
        let ended = ended_runs(&admin, 5).await;
        for (function, reason) in [("loop", "TIME"), ("grab", "MEMORY"), ("trap", "TRAP")] {
            let run = ended.iter().find(|run| run["workflow"] == format!("hostile-{function}")).expect("it was queued");
            let error = run["error"].as_str().unwrap_or_default();
            assert!(error.starts_with(&format!("PLUGIN_FAILED {reason}: ")), "{run:#}");
            assert_eq!((&run["status"], &run["attempts"]), (&json!("FAILED"), &json!(1)), "such a failure is not tried again");
            assert!(!error.contains("wasm") && !error.contains("on purpose"), "a trap's text is not for the API: {error}");
        }
        // An administrator is told which bound, how much of it, and where in the plugin; others are not.
        let steps = "{ runs(status: \"FAILED\") { workflow steps { failure { class reason bound used allowed detail } } } }";
        let calls = "{ plugins { name failedCalls { at what reason message bound used allowed detail } } }";
        let (failed, listed) = (admin.admin_query(steps).await, admin.admin_query(calls).await);
        let listed = listed.ok()["plugins"].as_array().expect("a list").iter().find(|plugin| plugin["name"] == "test-hostile").expect("it is installed");
        for (function, reason, bound) in [("loop", "TIME", "cpuMs"), ("grab", "MEMORY", "memoryBytes"), ("trap", "TRAP", "")] {
            let runs = failed.ok()["runs"].as_array().expect("a list");
            let run = runs.iter().find(|run| run["workflow"] == format!("hostile-{function}")).expect("it was queued");
            let what = format!("function `{function}`");
            let call = listed["failedCalls"].as_array().expect("a list").iter().find(|call| call["what"] == json!(what)).expect("it is kept");
            for told in [&run["steps"][0]["failure"], call] {
                // On a machine that is full the loop may wait until its other clock is over, and be ended while it does.
                let waited = told["bound"] == "wallMs" && function == "loop";
                assert_eq!((&told["reason"], told["bound"].as_str().unwrap_or_default()), (&json!(reason), if waited { "wallMs" } else { bound }), "{told:#}");
                let detail = told["detail"].as_str().unwrap_or_default();
                assert!(detail.contains("wasm backtrace") || (waited && detail.contains("CPU time")), "{told:#}");
                assert!(bound.is_empty() || told["used"].as_f64() >= told["allowed"].as_f64(), "{told:#}");
                assert_eq!(bound.is_empty(), told["allowed"].is_null(), "{told:#}");
            }
        }
        // A broken bound is tried again only where that is said.
        let again = failed.ok()["runs"].as_array().expect("a list").iter().find(|run| run["workflow"] == "hostile-again").expect("it was queued");
        let classes: Vec<_> = again["steps"].as_array().expect("a list").iter().map(|step| step["failure"]["class"].clone()).collect();
        assert_eq!(classes, ["PLUGIN_LIMIT", "PLUGIN_LIMIT", "PLUGIN_LIMIT"]);
        let person = server.create_user_with_role("sales-person").await;
        for text in [steps, calls] {
            person.admin_query(text).await.refused("FORBIDDEN");
        }
        assert_eq!(deal(&admin, &id).await["score"], 80);
        assert!(!server.log().contains("panicked at"), "the server itself did not panic");
    }

    async fn a_chain_of_causes_ends(server: Server) {
        let admin = server.admin().await;
        admin.add_field("Opportunity", json!({"name": "score", "type": "integer"})).await.ok();
        admin.save_workflow(json!({"name": "count-up", "module": "Opportunity", "trigger": {"on": ["UPDATED"], "changed": ["score"], "when": "score > 0"},
            "steps": [{"id": "write", "update": {"set": {"score": "{{ record.score + 1 }}"}}}]})).await.ok();
        let id = create_deal(&admin, "1").await;
        update_deal(&admin, &id, json!({"score": 100})).await.ok();
        // Each run's write queues the next run before the run ends; the sixteenth queues none.
        assert_eq!(statuses(&ended_runs(&admin, 16).await), ["DONE"; 16]);
        assert_eq!(deal(&admin, &id).await["score"], 116);
    }

    async fn a_faulty_workflow_is_refused_with_every_issue(server: Server) {
        let admin = prepare(&server).await;
        let list = "{ workflows { name version definition } }";
        let before = admin.admin_query(list).await.ok().clone();
        let example = score_won_deals();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut definition = example.clone();
            change(&mut definition);
            definition
        };
        let many = with(&|it| {
            it["trigger"]["changed"] = json!(["stage", "stages"]);
            it["trigger"]["when"] = json!("amount + 1");
            it["steps"][0]["call"]["plugin"] = json!("deal-scores");
            it["steps"][0]["call"]["input"]["amount"] = json!("{{ record.amuont }}");
            it["steps"][1]["update"]["set"] = json!({"scores": 1, "score": "{{ record.name }}", "number": "X", "nextStep": "{{ steps.later.output }}"});
            it["steps"].as_array_mut().expect("a list").push(json!({"id": "tell", "sendSms": {"to": "1", "text": "x"}}));
        });
        let unknown_module = with(&|it| {
            it["module"] = json!("Opportunty");
            it["steps"][0]["call"]["function"] = json!("scores");
        });
        let cases = [
            (many, vec![
                "definition.steps.0.call.input.amount: rule", "definition.steps.0.call.plugin: unknownPlugin",
                "definition.steps.1.update.set.nextStep: rule", "definition.steps.1.update.set.number: readOnly",
                "definition.steps.1.update.set.score: type", "definition.steps.1.update.set.scores: unknownField",
                "definition.steps.2.sendSms.provider: required", "definition.steps.2.sendSms.to: phone", "definition.trigger.changed.1: unknownField", "definition.trigger.when: rule",
            ]),
            (unknown_module, vec!["definition.module: unknownModule", "definition.steps.0.call.function: unknownFunction"]),
            (with(&|it| it["timing"] = json!("BEFORE_COMMIT")), vec!["definition.steps.0.call: schema"]),
            (with(&|it| it["retry"] = json!({"firstAfter": "PT5S", "atMost": "PT1S"})), vec!["definition.retry.atMost: range"]),
            (with(&|it| it["retry"] = json!({"byError": {"TIMEOUT": {"firstAfter": "PT9S", "atMost": "PT5S"}}})), vec!["definition.retry.byError.TIMEOUT.atMost: range"]),
            (with(&|it| it["retry"] = json!({"byError": {"TRAP": {"times": 1}}})), vec!["definition.retry.byError: schema"]),
            (with(&|it| it["runAs"] = json!({"role": "nobody"})), vec!["definition.runAs.role: unknownRole"]),
            (with(&|it| it["trigger"] = json!({"webhook": {"path": "x"}})), vec!["definition.module: notAvailable"]),
            (with(&|it| it["steps"][1]["id"] = json!("score")), vec!["definition.steps.1.id: unique"]),
            (with(&|it| it["steps"][0]["call"]["timeoutMs"] = json!(5)), vec!["definition.steps.0.call.timeoutMs: notAvailable"]),
            (with(&|it| it["steps"][1]["update"]["set"]["score"] = json!("many")), vec!["definition.steps.1.update.set.score: type"]),
            (with(&|it| it["trigger"]["when"] = json!("weightedAmount > 5")), vec!["definition.trigger.when: notAvailable"]),
        ];
        for (definition, expected) in cases {
            let answer = admin.save_workflow(definition).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(faults(&answer), expected, "{answer}");
        }
        for shapeless in [json!({}), json!([]), json!("x"), with(&|it| it["steps"] = json!([])), with(&|it| it["typo"] = json!(1))] {
            let answer = admin.save_workflow(shapeless).await;
            answer.refused("VALIDATION_FAILED").never_says("src/");
            assert!(faults(&answer).iter().all(|fault| fault.starts_with("definition") && fault.ends_with(": schema")), "{answer}");
        }
        assert_eq!(admin.admin_query(list).await.ok(), &before);
        // The one that is there goes on.
        let id = create_deal(&admin, "1000").await;
        win(&admin, &id).await;
        assert_eq!(statuses(&ended_runs(&admin, 1).await), ["DONE"]);
    }

    async fn only_administrators_save_workflows_and_install_plugins(server: Server) {
        let admin = server.admin().await;
        admin.add_field("Opportunity", json!({"name": "score", "type": "integer"})).await.ok();
        let seller = server.create_user_with_role("sales-manager").await;
        for (caller, code) in [(&seller, "FORBIDDEN"), (&server.anonymous(), "UNAUTHENTICATED")] {
            assert_eq!(install(caller, package_bytes("deal-score")).await.codes(), [code]);
            assert_eq!(caller.save_workflow(score_won_deals()).await.codes(), [code]);
            assert_eq!(caller.admin_query("{ runs { id } plugins { name } workflows { name } }").await.codes(), [code]);
        }
        // A page of another origin could send a form in the administrator's name.
        let answer = Answer::of(upload(&admin, package_bytes("deal-score"), Value::Null, false, "name")).await;
        assert!(answer.status == 400 && !answer.codes().is_empty(), "{answer}");
        assert_eq!(installed_plugins(&admin).await, Vec::<Value>::new());
        // Without the plugin the workflow can't be saved, by nobody.
        let answer = admin.save_workflow(score_won_deals()).await;
        assert_eq!(faults(answer.refused("VALIDATION_FAILED")), ["definition.steps.0.call.plugin: unknownPlugin"]);
    }

    async fn a_workflow_has_its_authors_rights_of_the_moment(server: Server) {
        let admin = prepare(&server).await;
        admin.create_user("author@example.org", "the author writes workflows", "administrator").await;
        let author = server.sign_in("author@example.org", "the author writes workflows").await;
        author.save_workflow(score_won_deals()).await.ok();
        // No administrator any more, but still somebody who may do what the steps do.
        let users = admin.admin_query("{ users { id email } }").await;
        let users = users.ok()["users"].as_array().expect("a list").clone();
        let id = users.iter().find(|user| user["email"] == "author@example.org").expect("it is there")["id"].clone();
        admin.create_role("clerk", None).await;
        let all = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
        admin.set_access("clerk", "Opportunity", all.clone()).await;
        admin.admin_query_with("mutation($id: ID!) { assignUser(user: $id, role: \"clerk\") { id } }", json!({"id": id})).await.ok();
        let author = server.sign_in("author@example.org", "the author writes workflows").await;
        let mut deals = Vec::new();
        for _ in 0..5 {
            deals.push(create_deal(&author, "1000").await);
        }
        win(&admin, &deals[0]).await;
        assert_eq!(statuses(&ended_runs(&admin, 1).await), ["DONE"]);
        assert_eq!(deal(&admin, &deals[0]).await["score"], 20);
        assert_eq!(changes_by_workflows(&admin).await[0]["actorId"], id, "it is the author who wrote");
        // Another's record, which the author does not see.
        let hidden = create_deal(&admin, "1000").await;
        let losses = [
            (&hidden, all.clone()),
            (&deals[1], json!({"update": false})),
            (&deals[2], json!({"update": true, "fields": {"*": "WRITE", "score": "READ"}})),
            (&deals[3], json!({"update": true, "fields": {"*": "WRITE", "amount": "NONE"}})),
        ];
        for (position, (record, rights)) in losses.into_iter().enumerate() {
            admin.set_access("clerk", "Opportunity", rights).await;
            win(&admin, record).await;
            let ended = ended_runs(&admin, position + 2).await;
            assert_eq!(ended[0]["status"], "FAILED", "{ended:#?}");
            assert_eq!(deal(&admin, record).await, json!({"score": null, "version": 2, "nextStep": null}));
        }
        admin.set_access("clerk", "Opportunity", all).await;
        win(&admin, &deals[4]).await;
        assert_eq!(ended_runs(&admin, 6).await[0]["status"], "DONE");
        // Nobody's rights.
        admin.admin_query_with("mutation($id: ID!) { setUserActive(user: $id, active: false) { id } }", json!({"id": id})).await.ok();
        win(&admin, &hidden).await;
        assert_eq!(runs(&admin).await.len(), 6, "it was won already");
        update_deal(&admin, &hidden, json!({"stage": "CLOSED_LOST"})).await.ok();
        win(&admin, &hidden).await;
        assert_eq!(ended_runs(&admin, 7).await[0]["status"], "FAILED");
    }

    async fn packages_are_checked_and_installed_from_the_command_line(server: Server) {
        let admin = server.admin().await;
        let good = package("deal-score");
        let checked = run_command(&server, &["plugin", "check", good.to_str().expect("UTF-8")]);
        assert!(checked.status.success() && said(&checked).contains("deal-score 0.1.0") && said(&checked).contains("function score"), "{}", said(&checked));
        assert_eq!(installed_plugins(&admin).await, Vec::<Value>::new(), "checking installs nothing");

        let folder = tempfile::tempdir().expect("a folder");
        let bytes = package_bytes("deal-score");
        let mut flipped = bytes.clone();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 0xff;
        let faulty = [("cut", bytes[..bytes.len() / 2].to_vec()), ("flipped", flipped), ("text", b"no package at all".to_vec()), ("empty", Vec::new())];
        for (name, bytes) in faulty {
            let file = folder.path().join(name);
            std::fs::write(&file, &bytes).expect("it can be written");
            for command in ["check", "install"] {
                let output = run_command(&server, &["plugin", command, file.to_str().expect("UTF-8")]);
                assert_eq!(output.status.code(), Some(1), "{name}: {}", said(&output));
                assert!(!output.stderr.is_empty() && !said(&output).contains("panicked"), "{name}: {}", said(&output));
            }
            let answer = install(&admin, bytes).await;
            answer.refused("VALIDATION_FAILED");
            assert!(answer.issues().iter().all(|issue| issue["path"][0] == "file"), "{answer}");
        }
        // A dry run checks, and a grant that is none is not taken.
        let with = |grant: Value, dry_run: bool| {
            Answer::of(upload(&admin, package_bytes("deal-score"), grant, dry_run, "functions").header("x-requested-with", "test"))
        };
        assert_eq!(with(Value::Null, true).await.ok()["installPlugin"]["functions"], json!(["score"]));
        assert_eq!(faults(with(json!({"http": ["*"]}), false).await.refused("VALIDATION_FAILED")), ["grant: shape"]);
        let missing = run_command(&server, &["plugin", "check", Path::new("/nowhere/x.cardine").to_str().expect("UTF-8")]);
        assert_eq!(missing.status.code(), Some(1), "{}", said(&missing));
        assert_eq!(installed_plugins(&admin).await, Vec::<Value>::new());

        // Beside the running server, which calls it from then on.
        let installed = run_command(&server, &["plugin", "install", good.to_str().expect("UTF-8")]);
        assert!(installed.status.success(), "{}", said(&installed));
        let found = eventually("the server has the plugin", || async {
            let plugins = installed_plugins(&admin).await;
            (!plugins.is_empty()).then_some(plugins)
        }).await;
        assert_eq!(found, [json!({"name": "deal-score", "version": "0.1.0", "functions": ["score"]})]);
        admin.add_field("Opportunity", json!({"name": "score", "type": "integer"})).await.ok();
        admin.save_workflow(score_won_deals()).await.ok();
        let id = create_deal(&admin, "1000").await;
        win(&admin, &id).await;
        assert_eq!(statuses(&ended_runs(&admin, 1).await), ["DONE"]);
        assert_eq!(deal(&admin, &id).await["score"], 20);
    }

    async fn plugins_and_workflows_are_there_after_a_restart(mut server: Server) {
        let admin = prepare(&server).await;
        server.restart().await;
        assert_eq!(installed_plugins(&admin).await.len(), 1);
        let id = create_deal(&admin, "100000").await;
        win(&admin, &id).await;
        assert_eq!(statuses(&ended_runs(&admin, 1).await), ["DONE"]);
        assert_eq!(deal(&admin, &id).await["score"], 60);
        // Saved again as not active, it starts nothing more.
        let mut off = score_won_deals();
        off["status"] = json!("PAUSED");
        admin.save_workflow(off).await.ok();
        let other = create_deal(&admin, "100000").await;
        win(&admin, &other).await;
        assert_eq!(runs(&admin).await.len(), 1);
    }

    async fn two_servers_share_the_work(backend: Backend) {
        // One process has a SQLite folder to itself (see start.rs); on PostgreSQL any number work side by side.
        if backend == Backend::Postgres {
            let first = Server::start(backend).await;
            let second = first.another().await;
            let admin = prepare(&first).await;
            let ids = admin.create_many("Opportunity", (1..=30).map(|n| json!({"name": format!("Deal {n}"), "closeDate": "2026-06-30", "amount": "10000"}))).await;
            // At once, while the second server may not know the plugin and the workflow yet.
            for id in &ids {
                win(&admin, id).await;
            }
            assert_eq!(statuses(&ended_runs(&second.admin().await, 30).await), ["DONE"; 30]);
            for id in &ids {
                assert_eq!(deal(&admin, id).await, json!({"score": 40, "version": 3, "nextStep": null}));
            }
            assert_eq!(changes_by_workflows(&admin).await.len(), 30);
        }
    }
}
