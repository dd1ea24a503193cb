//! Requests that workflows send: signed, tried again with the same key, replayed, and only where they may go.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Answer, Backend, Client, Launch, Server, WebhookServer, eventually, on_both_databases};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

async fn site(backend: Backend) -> (Server, WebhookServer) {
    let outside = WebhookServer::start().await;
    let server = Launch::new(backend).arguments(["--inner-host", outside.address()]).start().await;
    (server, outside)
}

async fn save(admin: &Client, webhook: Value, further: Value) -> Answer {
    let mut steps =
        vec![json!({"id": "tell", "webhook": webhook, "retry": {"times": 3, "firstAfter": "PT0S", "atMost": "PT0S"}})];
    steps.extend(further.as_array().unwrap().iter().cloned());
    admin.save_workflow(json!({"name": "tell", "module": "Contact", "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]}, "steps": steps})).await
}

/// A role that may read and write all of contacts but their telephone numbers.
async fn clerk(admin: &Client) {
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "phone": "NONE"}});
    admin.set_access("clerk", "Contact", rights).await;
    admin.set_access("clerk", "Task", json!({"create": true, "read": true, "fields": {"*": "WRITE"}})).await;
}

async fn ended(admin: &Client, status: &str) -> Value {
    eventually(&format!("the run is {status}"), || async {
        let answer = admin
            .admin_query("{ runs(first: 1) { id status error steps { step attempt status input output error } } }")
            .await;
        let run = answer.ok()["runs"][0].clone();
        assert!(status == "FAILED" || run["status"] != "FAILED", "{run:#}");
        (run["status"] == status).then_some(run)
    })
    .await
}

fn signature(secret: &str, second: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{second}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

on_both_databases! {
    async fn a_webhook_is_signed_tried_again_and_replayed_with_one_key(backend: Backend) {
        let (server, outside) = site(backend).await;
        let admin = server.admin().await;
        clerk(&admin).await;
        let url = format!("http://{}/hooks/{{{{ lastName }}}}?at={{{{ email }}}}", outside.address());
        save(&admin, json!({"url": url, "secret": "erp", "headers": {"X-Kind": "{{ lastName }}"}}), json!([
{"id": "note", "create": {"module": "Task", "set": {"subject": "{{ steps.tell.output.body.number }}", "startAt": "{{ now() }}", "dueDate": "{{ today() }}"}}}])).await.ok();
        // Busy, and broken, and then fine.
        outside.answer(503, "retry-after: 0\r\n", "later");
        outside.answer(500, "", "");
        outside.answer(200, "", "{\"number\": 17}");
        let id = admin.create("Contact", json!({"lastName": "De Rossi/../x", "email": "rossi@example.org", "phone": "+390612345678"})).await;
        let run = ended(&admin, "DONE").await;
        let statuses: Vec<_> = run["steps"].as_array().unwrap().iter().map(|step| step["status"].clone()).collect();
        assert_eq!(statuses, ["FAILED", "FAILED", "DONE", "DONE"], "{run:#}");
        let sent = outside.requests();
        assert_eq!(sent.len(), 3);
        let secret = admin.admin_query("{ webhookSecret(name: \"erp\") }").await.ok()["webhookSecret"].as_str().unwrap().to_owned();
        for request in &sent {
            assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/hooks/De%20Rossi%2F..%2Fx?at=rossi%40example.org"));
            assert_eq!(request.headers["idempotency-key"], sent[0].headers["idempotency-key"]);
            assert_eq!(request.headers["x-kind"], "De Rossi/../x");
            let (second, code) = request.headers["cardine-signature"].split_once(",v1=").unwrap();
            assert_eq!(code, signature(&secret, second.trim_start_matches("t="), &request.body));
            // The event, without what whoever the workflow runs as may not read.
            let body: Value = serde_json::from_str(&request.body).unwrap();
            assert_eq!((&body["kind"], &body["record"]["id"]), (&json!("CREATED"), &json!(id)));
            assert!(!request.body.contains("390612345678"), "{}", request.body);
        }
        let tasks = "{ tasks(orderBy: [{subject: ASC}]) { nodes { subject } } }";
        assert_eq!(admin.query(tasks).await.ok()["tasks"]["nodes"], json!([{"subject": "17"}]));
        // Replayed: a run that ended well goes on from a step that is named.
        outside.answer(200, "", "{\"number\": 18}");
        let text = "mutation($id: ID!) { retryRun(id: $id, step: \"tell\") { id } }";
        admin.admin_query_with(text, json!({"id": run["id"]})).await.ok();
        let again = outside.request(4).await;
        assert_eq!(again.headers["idempotency-key"], sent[0].headers["idempotency-key"]);
        ended(&admin, "DONE").await;
        // Whoever is no administrator learns no secret.
        let clerk = server.create_user_with_role("clerk").await;
        assert!(clerk.admin_query("{ webhookSecret(name: \"erp\") }").await.body["data"]["webhookSecret"].is_null());
    }

    async fn each_class_of_errors_is_tried_again_as_is_said_of_it(backend: Backend) {
        let outside = WebhookServer::start().await;
        // At the second address nobody ever listens.
        let inner = ["--inner-host", outside.address(), "--inner-host", "127.0.0.1:1"];
        let server = Launch::new(backend).arguments(inner).start().await;
        let admin = server.admin().await;
        clerk(&admin).await;
        let save = |address: &str, timeout_ms: u32, retry: Value| {
            let mut retry = retry;
            (retry["firstAfter"], retry["atMost"]) = (json!("PT0S"), json!("PT0S"));
            let tell = json!({"id": "tell", "webhook": {"url": format!("http://{address}/"), "timeoutMs": timeout_ms}, "retry": retry});
            let document = json!({"name": "tell", "module": "Contact", "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]}, "steps": [tell]});
            let admin = admin.clone();
            async move { admin.save_workflow(document).await }
        };
        // The status of each attempt, with its class.
        let attempts = || async {
            let id = admin.create("Contact", json!({"lastName": "Rossi"})).await;
            let text = "query($id: ID!) { runs(record: $id) { finishedAt steps { status failure { class reason } } } }";
            let run = eventually("the run ends", || async {
                let run = admin.admin_query_with(text, json!({"id": id})).await.ok()["runs"][0].clone();
                (!run["finishedAt"].is_null()).then_some(run)
            }).await;
            let word = |step: &Value| format!("{} {}", step["status"].as_str().unwrap(), step["failure"]["class"].as_str().unwrap_or("-"));
            run["steps"].as_array().unwrap().iter().map(word).collect::<Vec<_>>()
        };
        let by_error = json!({"UPSTREAM": {"times": 1}, "CONFLICT": {"times": 2}, "RATE_LIMITED": {"times": 0}, "TIMEOUT": {"times": 0}});
        for (retry, answers, expected) in [
            (json!({"times": 3, "byError": by_error}), vec![503, 500], vec!["FAILED UPSTREAM", "FAILED UPSTREAM"]),
            (json!({"times": 3, "byError": by_error}), vec![409, 409], vec!["FAILED CONFLICT", "FAILED CONFLICT", "DONE -"]),
            (json!({"times": 3, "byError": by_error}), vec![429], vec!["FAILED RATE_LIMITED"]),
            (json!({"times": 3, "byError": by_error}), vec![408], vec!["FAILED TIMEOUT"]),
            // All tries are counted together.
            (json!({"times": 3, "byError": by_error}), vec![409, 503], vec!["FAILED CONFLICT", "FAILED UPSTREAM"]),
            // What a class leaves out is as for the others; conflicts stay where nothing is said, and what has no class always does.
            (json!({"times": 1, "byError": {"CONFLICT": {"atMost": "PT1S"}}}), vec![409, 409], vec!["FAILED CONFLICT", "FAILED CONFLICT"]),
            (json!({"times": 3}), vec![409], vec!["FAILED CONFLICT"]),
            (json!({"times": 3}), vec![404], vec!["FAILED -"]),
        ] {
            save(outside.address(), 10_000, retry).await.ok();
            for status in answers {
                outside.answer(status, "", "");
            }
            assert_eq!(attempts().await, expected);
        }
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let printed = blocks.iter().find(|block| block.info == "json retry").expect("the manual has such a block");
        save(outside.address(), 10_000, serde_json::from_str(&printed.text).unwrap()).await.ok();
        outside.answer(404, "", "");
        assert_eq!(attempts().await, ["FAILED -"]);
        outside.hold_back();
        save(outside.address(), 100, json!({"times": 3, "byError": by_error})).await.ok();
        assert_eq!(attempts().await, ["FAILED TIMEOUT"]);
        outside.let_go();
        save("127.0.0.1:1", 10_000, json!({"times": 3, "byError": {"NETWORK": {"times": 1}}})).await.ok();
        assert_eq!(attempts().await, ["FAILED NETWORK", "FAILED NETWORK"]);
    }

    async fn what_is_answered_for_good_or_may_not_be_called_fails_the_run(backend: Backend) {
        let (server, outside) = site(backend).await;
        let admin = server.admin().await;
        clerk(&admin).await;
        save(&admin, json!({"url": format!("http://{}/", outside.address()), "body": {"n": "{{ lastName }}"}}), json!([])).await.ok();
        outside.answer(404, "", "");
        admin.create("Contact", json!({"lastName": "Rossi"})).await;
        assert_eq!(ended(&admin, "FAILED").await["error"], "the webhook answered 404");
        assert_eq!((outside.requests().len(), outside.requests()[0].body.as_str()), (1, "{\"n\":\"Rossi\"}"));
        // A redirect is not followed.
        outside.answer(302, &format!("location: http://{}/other\r\n", outside.address()), "");
        admin.create("Contact", json!({"lastName": "Bianchi"})).await;
        eventually("the redirect fails the run", || async {
            (ended(&admin, "FAILED").await["error"] == "the webhook answered 302").then_some(())
        }).await;
        assert_eq!(outside.requests().len(), 2);
        // Another port of the same machine is not named as an inner host.
        save(&admin, json!({"url": "http://127.0.0.1:1/"}), json!([])).await.ok();
        admin.create("Contact", json!({"lastName": "Verdi"})).await;
        eventually("it is not called", || async {
            let error = ended(&admin, "FAILED").await["error"].as_str().unwrap_or_default().to_owned();
            error.starts_with("the webhook was not called").then_some(())
        }).await;
        // Nobody's values say whom it goes to.
        for url in ["https://{{ lastName }}/x", "https://{{ lastName }}", "https://a{{ lastName }}"] {
            let answer = save(&admin, json!({"url": url}), json!([])).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(answer.issues()[0]["path"], json!(["definition", "steps", 0, "webhook", "url"]), "{url}");
        }
    }
}
