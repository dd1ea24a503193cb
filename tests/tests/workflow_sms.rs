//! Text messages of workflows: sent by a plugin, once for each number or again with the same key, and by nobody else.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Backend, Client, Launch, Server, WebhookServer, eventually, on_both_databases, plugins};
use serde_json::{Value, json};

async fn install(admin: &Client, gateway: &str) {
    let package = std::fs::read(plugins::package("sms-gateway")).expect("the script built it");
    plugins::install(admin, package, json!({"http": {"hosts": [gateway]}}), false, "name").await.ok();
    let text = "mutation($settings: JSON!) { setPluginSettings(name: \"sms-gateway\", settings: $settings) { name } \
        setPluginSecret(name: \"sms-gateway\", secret: \"TOKEN\", value: \"s-3cret\") }";
    let settings = json!({"url": format!("http://{gateway}/messages"), "usesToken": true});
    admin.admin_query_with(text, json!({"settings": settings})).await.ok();
}

async fn site(backend: Backend) -> (Server, Client, WebhookServer) {
    let gateway = WebhookServer::start().await;
    let server = Launch::new(backend).arguments(["--inner-host", gateway.address()]).start().await;
    let admin = server.admin().await;
    (server, admin, gateway)
}

fn tell(sms: Value) -> Value {
    json!({"name": "tell", "module": "Contact", "trigger": {"on": ["CREATED"]}, "retry": {"times": 2, "firstAfter": "PT0S", "atMost": "PT0S"},
        "steps": [{"id": "tell", "sendSms": sms}]})
}

async fn ended(admin: &Client, count: usize) -> Value {
    eventually(&format!("run {count} ends"), || async {
        let answer = admin.admin_query("{ runs { status error steps { attempt status input output error } } }").await;
        let runs = answer.ok()["runs"].as_array().unwrap().clone();
        let is_over = runs.len() == count && ["DONE", "FAILED"].contains(&runs[0]["status"].as_str().unwrap());
        is_over.then(|| runs[0].clone())
    })
    .await
}

on_both_databases! {
    async fn each_number_gets_the_message_once_or_again_with_the_same_key(backend: Backend) {
        let (_server, admin, gateway) = site(backend).await;
        install(&admin, gateway.address()).await;
        let steps = json!({"to": ["{{ phone }}", "+39 051 123456", "0039-051-123456", "{{ mobile }}"], "text": "Welcome, {{ lastName }} <b>"});
        admin.save_workflow(tell(steps)).await.ok();
        gateway.answer(200, "", "{\"id\": \"m-1\"}");
        gateway.answer(503, "", "");
        gateway.answer(202, "", "{\"id\": \"m-1\"}");
        gateway.answer(202, "", "{\"id\": \"m-2\"}");
        admin.create("Contact", json!({"lastName": "Rossi", "phone": "+39 333 4444444"})).await;
        let run = ended(&admin, 1).await;
        assert_eq!(run["status"], "DONE", "{run:#}");
        let steps = run["steps"].as_array().unwrap();
        assert_eq!((steps.len(), &steps[0]["status"]), (2, &json!("FAILED")), "{run:#}");
        assert_eq!(steps[1]["output"], json!({"recipients": 2, "messages": [{"id": "m-1"}, {"id": "m-2"}]}), "{run:#}");
        let sent: Vec<(Value, String)> = gateway.requests().iter()
            .map(|request| (serde_json::from_str(&request.body).unwrap(), request.headers["idempotency-key"].clone())).collect();
        let text = "Welcome, Rossi <b>";
        let (one, two) = (json!({"to": "+393334444444", "text": text}), json!({"to": "+39051123456", "text": text}));
        assert_eq!(sent.iter().map(|(body, _)| body).collect::<Vec<_>>(), [&one, &two, &one, &two]);
        assert!(gateway.requests().iter().all(|request| request.headers["authorization"] == "Bearer s-3cret"));
        assert!(sent[0].1 == sent[2].1 && sent[1].1 == sent[3].1 && sent[0].1 != sent[1].1, "{sent:?}");
    }

    async fn what_can_not_be_sent_fails_the_run(backend: Backend) {
        let (_server, admin, gateway) = site(backend).await;
        // Nobody sends it: told when it is saved.
        let refused = admin.save_workflow(tell(json!({"to": "{{ phone }}", "text": "x"}))).await;
        assert_eq!(refused.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["definition", "steps", 0, "sendSms", "provider"]));
        install(&admin, gateway.address()).await;
        for (sms, place) in [
            (json!({"to": ["{{ phone }}", "Rossi"], "text": "x"}), json!(["to", 1])),
            (json!({"to": "{{ phone }}", "text": "{{ nothing }}"}), json!(["text"])),
            (json!({"to": "{{ phone }}", "text": "x", "provider": {"plugin": "sms", "function": "sendSms"}}), json!(["provider", "plugin"])),
            (json!({"to": "{{ phone }}", "text": "x", "provider": {"plugin": "sms-gateway", "function": "send"}}), json!(["provider", "function"])),
        ] {
            let answer = admin.save_workflow(tell(sms)).await;
            let path = answer.refused("VALIDATION_FAILED").issues()[0]["path"].as_array().unwrap().clone();
            assert_eq!(json!(path[4..]), place, "{answer}");
        }
        for (number, (sms, answer, error)) in [
            (json!({"to": "{{ phone }}", "text": "x"}), None, "`to` gave no phone number"),
            (json!({"to": "{{ lastName }}", "text": "x"}), None, "`to` gave what is no phone number"),
            (json!({"to": "+39051123456", "text": "{{ phone }}"}), None, "LIMIT_EXCEEDED: a message has 1 to 1600 characters"),
            (json!({"to": "+39051123456", "text": "x", "provider": {"plugin": "sms-gateway", "function": "sendSms"}}), Some(400), "the gateway answered 400"),
        ].into_iter().enumerate() {
            admin.save_workflow(tell(sms)).await.ok();
            if let Some(status) = answer {
                gateway.answer(status, "", "");
            }
            admin.create("Contact", json!({"lastName": "Rossi"})).await;
            let run = ended(&admin, number + 1).await;
            assert!(run["status"] == "FAILED" && run["error"].as_str().unwrap().contains(error), "{error}: {run:#}");
        }
        assert_eq!(gateway.requests().len(), 1);
    }

    async fn whoever_it_runs_as_reads_the_number(backend: Backend) {
        let (_server, admin, gateway) = site(backend).await;
        install(&admin, gateway.address()).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Contact", json!({"read": true, "fields": {"*": "READ", "phone": "NONE"}})).await;
        let mut document = tell(json!({"to": "{{ phone }}", "text": "x"}));
        document["runAs"] = json!({"role": "clerk"});
        admin.save_workflow(document).await.ok();
        admin.create("Contact", json!({"lastName": "Rossi", "phone": "+39 333 4444444"})).await;
        let run = ended(&admin, 1).await;
        assert!(run["error"].as_str().unwrap().starts_with("FORBIDDEN"), "{run:#}");
        assert!(gateway.requests().is_empty());
    }
}
