//! Loops whose items are done at the same time: what is outside is waited for together, what is written is written once, and one item's error
//! is the run's.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::collections::HashMap;

use cardine_tests::{Answer, Backend, Client, Launch, Server, WebhookServer, eventually, on_both_databases};
use serde_json::{Value, json};

async fn site(backend: Backend) -> (Server, WebhookServer, Client) {
    let outside = WebhookServer::start().await;
    let server = Launch::new(backend).arguments(["--inner-host", outside.address()]).start().await;
    let admin = server.admin().await;
    (server, outside, admin)
}

fn task(id: &str, subject: &str) -> Value {
    json!({"id": id, "create": {"module": "Task", "set": {"subject": subject, "startAt": "{{ now() }}", "dueDate": "{{ today() }}"}}})
}

/// Tells somebody outside of each name of the input, so many at the same time, and notes it in a task; at the end in another one.
async fn save(admin: &Client, outside: &WebhookServer, concurrency: u32, retry: Value) {
    let url = format!("http://{}/{{{{ one }}}}", outside.address());
    let steps = json!([
        {"id": "each", "forEach": {"in": "{{ trigger.input.names }}", "as": "one", "concurrency": concurrency, "steps": [
            {"id": "tell", "webhook": {"url": url, "body": {"name": "{{ one }}"}, "timeoutMs": 60_000}, "retry": retry},
            task("note", "{{ one }}"),
            {"id": "more", "update": {"module": "Task", "record": "{{ steps.note.output.id }}",
                "set": {"description": "{{ steps.tell.output.status }} for {{ one }}"}}}]}},
        task("last", "of {{ steps.each.output.count }}")]);
    admin.save_workflow(json!({"name": "tell", "trigger": {"manual": {}}, "steps": steps})).await.ok();
}

async fn start(admin: &Client, names: &[&str]) {
    let text = "mutation($input: JSON) { startWorkflow(workflow: \"tell\", input: $input) { id } }";
    admin.admin_query_with(text, json!({"input": {"names": names}})).await.ok();
}

async fn newest(admin: &Client) -> Value {
    nth_newest(admin, 0).await
}

async fn nth_newest(admin: &Client, position: usize) -> Value {
    let text = "{ runs(first: 2) { id status error steps { step place attempt status input output error startedAt finishedAt } } }";
    admin.admin_query(text).await.ok()["runs"][position].clone()
}

async fn run_with(admin: &Client, status: &str) -> Value {
    eventually(&format!("the run is {status}"), || async {
        let run = newest(admin).await;
        assert!(run["status"] == status || !["DONE", "FAILED"].contains(&run["status"].as_str().unwrap()), "{run:#}");
        (run["status"] == status).then_some(run)
    })
    .await
}

async fn change(admin: &Client, name: &str, run: &Value) -> Answer {
    let text = format!("mutation($id: ID!) {{ {name}(id: $id) {{ id }} }}");
    admin.admin_query_with(&text, json!({"id": run["id"]})).await
}

/// The subjects of all tasks, each with what was noted in it later.
async fn noted(admin: &Client) -> Vec<String> {
    let answer =
        admin.query("{ tasks(first: 100, orderBy: [{subject: ASC}]) { nodes { subject description } } }").await;
    let text = |task: &Value| {
        let [subject, more] = ["subject", "description"].map(|name| task[name].as_str().unwrap_or("-").to_owned());
        format!("{subject}: {more}")
    };
    answer.ok()["tasks"]["nodes"].as_array().unwrap().iter().map(text).collect()
}

/// What the log tells of one item: each step with its attempt and status.
fn of_item(run: &Value, number: usize) -> Vec<String> {
    let place = json!(number.to_string());
    let steps = run["steps"].as_array().unwrap().iter().filter(|step| step["place"] == place);
    let text = |step: &Value| {
        format!("{} {} {}", step["step"].as_str().unwrap(), step["attempt"], step["status"].as_str().unwrap())
    };
    steps.map(text).collect()
}

/// How often each target was asked for; always with one key of its own.
fn asked(outside: &WebhookServer) -> HashMap<String, usize> {
    let (mut keys, mut counts) = (HashMap::new(), HashMap::new());
    for request in outside.requests() {
        let key = request.headers["idempotency-key"].clone();
        assert_eq!(keys.entry(request.target.clone()).or_insert_with(|| key.clone()), &key, "{}", request.target);
        *counts.entry(request.target).or_default() += 1;
    }
    let mut all: Vec<_> = keys.into_values().collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), counts.len(), "no two have one key");
    counts
}

const ONCE: [&str; 3] = ["tell 1 DONE", "note 1 DONE", "more 1 DONE"];

on_both_databases! {
    async fn so_many_items_wait_for_what_is_outside_together(backend: Backend) {
        let (_server, outside, admin) = site(backend).await;
        save(&admin, &outside, 3, json!({})).await;
        outside.hold_back();
        let names = ["a", "b", "c", "d", "e", "f", "g"];
        start(&admin, &names).await;
        outside.request(3).await;
        // Where one is done the next one begins, while the others still wait.
        outside.let_go_at("/b");
        assert_eq!(outside.request(4).await.target, "/d");
        assert_eq!(noted(&admin).await, ["b: 200 for b"]);
        let run = newest(&admin).await;
        assert_eq!((&run["status"], of_item(&run, 1)), (&json!("RUNNING"), ONCE.map(str::to_owned).to_vec()));
        assert_eq!(of_item(&run, 0), [""; 0], "what has not ended is not in the log");
        outside.let_go();
        let run = run_with(&admin, "DONE").await;
        for (number, name) in names.into_iter().enumerate() {
            assert_eq!(of_item(&run, number), ONCE, "{run:#}");
            let place = json!(number.to_string());
            let told = run["steps"].as_array().unwrap().iter().find(|step| step["place"] == place).unwrap();
            assert_eq!((&told["input"]["body"], &told["output"]["status"]), (&json!({"name": name}), &json!(200)));
            assert!(told["startedAt"].as_str() <= told["finishedAt"].as_str(), "{told}");
        }
        let mut expected: Vec<String> = names.iter().map(|name| format!("{name}: 200 for {name}")).collect();
        expected.push("of 7: -".to_owned());
        assert_eq!(noted(&admin).await, expected);
        assert!(asked(&outside).values().all(|count| *count == 1));
        assert_eq!(outside.most_at_once(), 3);
        // Of nothing there is nothing to do.
        start(&admin, &[]).await;
        eventually("it ends", || async { (noted(&admin).await.len() == 9).then_some(()) }).await;
    }

    async fn an_items_error_ends_the_run_when_those_beside_it_have_ended_their_steps(backend: Backend) {
        let (_server, outside, admin) = site(backend).await;
        save(&admin, &outside, 2, json!({})).await;
        outside.hold_back();
        outside.answer_at("/b", 404);
        start(&admin, &["a", "b", "c"]).await;
        outside.request(2).await;
        outside.let_go_at("/b");
        let run = eventually("the item fails", || async {
            let run = newest(&admin).await;
            (!of_item(&run, 1).is_empty()).then_some(run)
        }).await;
        assert_eq!((&run["status"], of_item(&run, 1)), (&json!("RUNNING"), vec!["tell 1 FAILED".to_owned()]));
        outside.let_go_at("/a");
        let run = run_with(&admin, "FAILED").await;
        assert_eq!((&run["error"], of_item(&run, 0)), (&json!("the webhook answered 404"), vec!["tell 1 DONE".to_owned()]));
        assert_eq!((noted(&admin).await, outside.requests().len()), (vec![], 2), "nothing has begun since");
        // Tried again, all go on where they were.
        outside.let_go();
        change(&admin, "retryRun", &run).await.ok();
        let run = run_with(&admin, "DONE").await;
        assert_eq!(of_item(&run, 0), ONCE);
        assert_eq!(of_item(&run, 1), ["tell 1 FAILED", "tell 1 DONE", "note 1 DONE", "more 1 DONE"]);
        assert_eq!(noted(&admin).await, ["a: 200 for a", "b: 200 for b", "c: 200 for c", "of 3: -"]);
        assert_eq!(asked(&outside), HashMap::from([("/a", 1), ("/b", 2), ("/c", 1)].map(|(of, count)| (of.to_owned(), count))));
        // Skipped, the item goes on behind its step.
        outside.answer_at("/y", 404);
        start(&admin, &["x", "y", "z"]).await;
        change(&admin, "skipStep", &run_with(&admin, "FAILED").await).await.ok();
        let run = run_with(&admin, "DONE").await;
        assert_eq!(of_item(&run, 1), ["tell 1 FAILED", "note 1 DONE", "more 1 DONE"]);
        assert_eq!(noted(&admin).await[5..], ["x: 200 for x", "y:  for y", "z: 200 for z"]);
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json together").expect("the manual has such a block");
        let steps: Value = serde_json::from_str(&block.text).expect("JSON");
        admin.save_workflow(json!({"name": "manual", "trigger": {"manual": {}}, "steps": steps})).await.ok();
        for (faulty, fault) in [
            (json!({"concurrency": 17}), "schema"),
            (json!({"concurrency": 0}), "schema"),
            (json!({"concurrency": 2, "steps": [{"id": "rest", "wait": {"for": "PT1S"}}]}), "notBesideOthers"),
            (json!({"concurrency": 2, "steps": [{"id": "ask", "approve": {"by": {"role": "sales-manager"}}}]}), "notBesideOthers"),
            (json!({"concurrency": 2, "steps": [{"id": "inner", "forEach": {"in": "{{ one }}", "as": "two", "concurrency": 2, "steps": [task("t", "x")]}}]}), "notBesideOthers"),
        ] {
            let mut each = json!({"in": "{{ trigger.input.names }}", "as": "one", "steps": [task("t", "x")]});
            each.as_object_mut().unwrap().extend(faulty.as_object().unwrap().clone());
            let document = json!({"name": "faulty", "trigger": {"manual": {}}, "steps": [{"id": "each", "forEach": each}]});
            let answer = admin.save_workflow(document).await;
            assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["rule"], fault, "{each}");
        }
    }

    async fn an_item_is_tried_again_beside_the_others_and_the_run_rests_when_all_do(backend: Backend) {
        let (_server, outside, admin) = site(backend).await;
        save(&admin, &outside, 2, json!({"times": 3, "firstAfter": "PT0S"})).await;
        outside.hold_back();
        outside.answer_at("/b", 503);
        start(&admin, &["a", "b", "c"]).await;
        outside.request(2).await;
        outside.let_go_at("/b");
        // Again, and then the one behind it, while the first one still waits.
        assert_eq!((outside.request(3).await.target, outside.request(4).await.target), ("/b".to_owned(), "/c".to_owned()));
        outside.let_go();
        let run = run_with(&admin, "DONE").await;
        assert_eq!(of_item(&run, 1), ["tell 1 FAILED", "tell 2 DONE", "note 1 DONE", "more 1 DONE"]);
        assert_eq!((of_item(&run, 0), of_item(&run, 2)), (ONCE.map(str::to_owned).to_vec(), ONCE.map(str::to_owned).to_vec()));
        assert_eq!(asked(&outside), HashMap::from([("/a", 1), ("/b", 2), ("/c", 1)].map(|(of, count)| (of.to_owned(), count))));
        // Both rest: the run is given back, and goes on when the first of them does.
        save(&admin, &outside, 2, json!({"times": 3, "firstAfter": "PT1S"})).await;
        for name in ["/p", "/q"] {
            outside.answer_at(name, 503);
        }
        start(&admin, &["p", "q", "r"]).await;
        let run = run_with(&admin, "DONE").await;
        for number in [0, 1] {
            assert_eq!(of_item(&run, number), ["tell 1 FAILED", "tell 2 DONE", "note 1 DONE", "more 1 DONE"]);
        }
        // For so long that somebody has it tried again.
        save(&admin, &outside, 2, json!({"times": 3, "firstAfter": "PT1H"})).await;
        for name in ["/x", "/y", "/y"] {
            outside.answer_at(name, 503);
        }
        start(&admin, &["x", "y", "z"]).await;
        let run = eventually("all rest", || async {
            let run = newest(&admin).await;
            (run["status"] == "QUEUED" && run["error"] == "the webhook answered 503").then_some(run)
        }).await;
        assert_eq!(of_item(&run, 2), [""; 0], "who rests keeps the place");
        change(&admin, "cancelRun", &run).await.ok();
        change(&admin, "skipStep", &run).await.refused("CONFLICT");
        change(&admin, "retryRun", &run).await.ok();
        let run = eventually("the others go on beside one that rests", || async {
            let run = newest(&admin).await;
            (run["status"] == "QUEUED" && of_item(&run, 2) == ONCE).then_some(run)
        }).await;
        assert_eq!(of_item(&run, 0), ["tell 1 FAILED", "tell 1 DONE", "note 1 DONE", "more 1 DONE"]);
        assert_eq!(of_item(&run, 1), ["tell 1 FAILED", "tell 1 FAILED"]);
        change(&admin, "cancelRun", &run).await.ok();
        change(&admin, "retryRun", &run).await.ok();
        assert_eq!(of_item(&run_with(&admin, "DONE").await, 1)[2..], ONCE);
        // Until it fails for good.
        for _ in 0..4 {
            outside.answer_at("/w", 503);
        }
        save(&admin, &outside, 2, json!({"times": 3, "firstAfter": "PT0S", "atMost": "PT0S"})).await;
        start(&admin, &["w"]).await;
        let run = run_with(&admin, "FAILED").await;
        assert_eq!(of_item(&run, 0), ["tell 1 FAILED", "tell 2 FAILED", "tell 3 FAILED", "tell 4 FAILED"]);
    }

    async fn items_that_rest_leave_room_for_those_of_other_runs(backend: Backend) {
        let (_server, outside, admin) = site(backend).await;
        save(&admin, &outside, 16, json!({"times": 3, "firstAfter": "PT1H"})).await;
        outside.hold_back();
        // One more beside others than a process does at the same time, if those that rest counted.
        for run in 1..=3 {
            let names: Vec<String> = (0..16).map(|number| format!("{run}-{number}")).collect();
            for target in names[1..].iter().map(|name| format!("/{name}")) {
                outside.answer_at(&target, 503);
                outside.let_go_at(&target);
            }
            start(&admin, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
            eventually("all rest but the first one, which waits", || async {
                let run = newest(&admin).await;
                (1..16).all(|number| of_item(&run, number) == ["tell 1 FAILED"]).then_some(())
            }).await;
        }
    }

    async fn after_a_crash_each_item_goes_on_where_it_was(backend: Backend) {
        let (mut server, outside, admin) = site(backend).await;
        save(&admin, &outside, 3, json!({})).await;
        outside.hold_back();
        // An item has ended its run, but for those beside it.
        outside.answer_at("/y", 404);
        start(&admin, &["x", "y", "z", "zz"]).await;
        outside.request(3).await;
        outside.let_go_at("/y");
        eventually("the item fails", || async { (!of_item(&newest(&admin).await, 1).is_empty()).then_some(()) }).await;
        start(&admin, &["a", "b", "c", "d", "e"]).await;
        outside.request(6).await;
        outside.let_go_at("/a");
        outside.request(7).await;
        server.kill_hard();
        server.restart().await;
        outside.let_go();
        let run = run_with(&admin, "DONE").await;
        let twice = ["tell 2 DONE", "note 1 DONE", "more 1 DONE"];
        let expected: [[&str; 3]; 5] = [ONCE, twice, twice, twice, ONCE];
        for (number, expected) in expected.into_iter().enumerate() {
            assert_eq!(of_item(&run, number), expected, "{run:#}");
        }
        assert_eq!(noted(&admin).await, ["a: 200 for a", "b: 200 for b", "c: 200 for c", "d: 200 for d", "e: 200 for e", "of 5: -"]);
        let ended = eventually("the other run ends", || async {
            let run = nth_newest(&admin, 1).await;
            (run["status"] == "FAILED").then_some(run)
        }).await;
        assert_eq!(ended["error"], "the webhook answered 404");
        assert_eq!([0, 1, 2, 3].map(|number| of_item(&ended, number)), [vec![], vec!["tell 1 FAILED".to_owned()], vec![], vec![]]);
        let counts = [("/a", 1), ("/b", 2), ("/c", 2), ("/d", 2), ("/e", 1), ("/x", 1), ("/y", 1), ("/z", 1)];
        assert_eq!(asked(&outside), HashMap::from(counts.map(|(of, count)| (of.to_owned(), count))));
    }
}
