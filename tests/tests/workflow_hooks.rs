//! Requests from outside that start workflows: only at their address, as they must be, once each, and with the workflow's rights.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Answer, Client, Launch, Server, eventually, on_both_databases};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

fn orders(webhook: Value) -> Value {
    json!({"name": "orders", "runAs": {"role": "clerk"}, "trigger": {"webhook": webhook}, "steps": [
        {"id": "make", "create": {"module": "Contact", "set": {"lastName": "{{ trigger.body.name }}"}}}]})
}

/// What the body of an order must be.
fn order_schema() -> Value {
    json!({"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
        "name": {"type": "string", "maxLength": 20}, "phone": {"type": ["string", "null"]}}})
}

/// A role that makes contacts, and may write all of them but their telephone numbers.
async fn site(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "fields": {"*": "WRITE", "phone": "READ"}});
    admin.set_access("clerk", "Contact", rights).await;
    admin
}

/// The path of the workflow's address.
async fn address(admin: &Client) -> String {
    let answer = admin.admin_query("{ webhookAddress(workflow: \"orders\") }").await;
    let address = answer.ok()["webhookAddress"].as_str().unwrap().to_owned();
    address[address.find("/hooks/").unwrap()..].to_owned()
}

async fn send(client: &Client, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request =
        client.request(Method::POST, path).header("content-type", "application/json").body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

async fn runs(admin: &Client) -> Vec<Value> {
    let answer = admin.admin_query("{ runs(first: 1000) { id status error depth } }").await;
    answer.ok()["runs"].as_array().unwrap().clone()
}

async fn ended(admin: &Client, id: &Value) -> Value {
    eventually("the run ends", || async {
        let run = runs(admin).await.into_iter().find(|run| run["id"] == *id)?;
        ["DONE", "FAILED"].contains(&run["status"].as_str().unwrap()).then_some(run)
    })
    .await
}

async fn names(admin: &Client) -> Vec<String> {
    let answer = admin.query("{ contacts(orderBy: [{lastName: ASC}]) { nodes { lastName } } }").await;
    let nodes = answer.ok()["contacts"]["nodes"].as_array().unwrap().clone();
    nodes.iter().map(|node| node["lastName"].as_str().unwrap().to_owned()).collect()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The header of a request that is signed at this second.
fn signature(secret: &str, second: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{second}.{body}").as_bytes());
    let code: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={second},v1={code}")
}

on_both_databases! {
    async fn a_request_starts_a_run_with_the_workflows_rights(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders", "inputSchema": order_schema()}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        let answer = send(&stranger, &path, "{\"name\": \"Rossi\"}", &[]).await;
        assert_eq!(answer.status, 202, "{answer}");
        assert_eq!(ended(&admin, &answer.body["run"]).await["status"], "DONE");
        assert_eq!(names(&admin).await, ["Rossi"]);
        // Not the rights of whoever sends it: the role may not write this field, so an administrator's request does not either.
        let mut document = orders(json!({"path": "orders"}));
        document["steps"][0]["create"]["set"]["phone"] = json!("{{ trigger.body.phone }}");
        admin.save_workflow(document).await.ok();
        let answer = send(&admin, &path, "{\"name\": \"Verdi\", \"phone\": \"+39 051 123456\"}", &[]).await;
        assert_eq!(answer.status, 202, "{answer}");
        let run = ended(&admin, &answer.body["run"]).await;
        assert_eq!(run["status"], "FAILED", "{run}");
        assert_eq!(names(&admin).await, ["Rossi"]);
    }

    async fn a_body_that_does_not_fit_starts_nothing(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders", "inputSchema": order_schema()}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        let long = format!("{{\"name\": \"{}\"}}", "x".repeat(256 * 1024));
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        for (body, status, code) in [
            ("{\"phone\": 5, \"other\": 1}", 422, "VALIDATION_FAILED"),
            ("{\"name\": \"Rossi\"", 400, "BAD_USER_INPUT"),
            ("", 400, "BAD_USER_INPUT"),
            (deep.as_str(), 400, "BAD_USER_INPUT"),
            (long.as_str(), 413, "LIMIT_EXCEEDED"),
        ] {
            let answer = send(&stranger, &path, body, &[]).await;
            assert_eq!((answer.status, answer.codes()), (status, vec![code]), "{answer}");
        }
        // Every fault, at its place, without what was sent.
        let answer = send(&stranger, &path, "{\"name\": \"A name of far too many letters\", \"phone\": 5}", &[]).await;
        let mut paths: Vec<_> = answer.issues().iter().map(|issue| issue["path"].clone()).collect();
        paths.sort_by_key(Value::to_string);
        assert_eq!(paths, [json!(["body", "name"]), json!(["body", "phone"])], "{answer}");
        answer.never_says("far too many");
        let form = stranger.post_raw(&path, "text/plain", "{\"name\": \"Rossi\"}").await;
        assert_eq!(form.status, 415, "a form of a foreign page can't send it: {form}");
        assert!(runs(&admin).await.is_empty());
    }

    async fn a_repetition_is_known_by_its_key(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders"}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        let key = [("idempotency-key", "order-7")];
        // All at once, and once more when it is done.
        let body = "{\"name\": \"Rossi\"}";
        let sending = (0..8).map(|_| send(&stranger, &path, body, &key));
        let mut answers = futures_util::future::join_all(sending).await;
        let run = ended(&admin, &answers[0].body["run"]).await;
        answers.push(send(&stranger, &path, body, &key).await);
        assert!(answers.iter().all(|answer| answer.status == 202 && answer.body["run"] == run["id"]), "{answers:?}");
        let other = send(&stranger, &path, "{\"name\": \"Verdi\"}", &key).await;
        assert_eq!((other.status, other.codes()), (409, vec!["CONFLICT"]), "{other}");
        let faulty = send(&stranger, &path, body, &[("idempotency-key", "")]).await;
        assert_eq!(faulty.status, 400, "{faulty}");
        let next = send(&stranger, &path, body, &[("idempotency-key", "order-8")]).await;
        ended(&admin, &next.body["run"]).await;
        assert_eq!((runs(&admin).await.len(), names(&admin).await), (2, vec!["Rossi".to_owned(), "Rossi".to_owned()]));
    }

    async fn where_a_secret_is_named_requests_are_signed_and_not_replayed(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders", "secret": "shop"}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        let told = admin.admin_query("{ shop: webhookSecret(name: \"shop\") other: webhookSecret(name: \"other\") }").await;
        let (secret, other) = (told.ok()["shop"].as_str().unwrap(), told.ok()["other"].as_str().unwrap());
        let body = "{\"name\": \"Rossi\"}";
        let right = signature(secret, now(), body);
        for wrong in [signature(other, now(), body), signature(secret, now(), "{}"), signature(secret, now() - 400, body),
            signature(secret, now() + 400, body), right[..right.len() - 1].to_owned(), "t=,v1=".to_owned()] {
            let answer = send(&stranger, &path, body, &[("cardine-signature", wrong.as_str())]).await;
            assert_eq!((answer.status, answer.codes()), (401, vec!["UNAUTHENTICATED"]), "{wrong}: {answer}");
        }
        assert_eq!(send(&stranger, &path, body, &[]).await.status, 401);
        assert!(runs(&admin).await.is_empty());
        let first = send(&stranger, &path, body, &[("cardine-signature", right.as_str())]).await;
        assert_eq!(first.status, 202, "{first}");
        // What was signed once starts one run, whatever else is said of it.
        for headers in [vec![("cardine-signature", right.clone())], vec![("cardine-signature", right.clone()), ("idempotency-key", "new".to_owned())],
            vec![("cardine-signature", right.replace("t=", "t=+0"))]] {
            let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let again = send(&stranger, &path, body, &headers).await;
            assert_eq!((again.status, &again.body), (202, &first.body), "{again}");
        }
        assert_eq!(runs(&admin).await.len(), 1);
    }

    async fn nothing_is_told_of_what_is_there(server: Server) {
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders", "secret": "shop"}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        let wrong = format!("{}{}", &path[..path.len() - 1], if path.ends_with('0') { '1' } else { '0' });
        let nowhere = send(&stranger, &wrong.replace("orders", "nowhere"), "{}", &[]).await;
        assert_eq!((nowhere.status, nowhere.codes()), (404, vec!["NOT_FOUND"]));
        let tried = |path: String| { let stranger = stranger.clone(); async move { send(&stranger, &path, "{}", &[]).await } };
        for path in [wrong.clone(), wrong[..wrong.len() - 2].to_owned(), path.replace("orders", "nowhere"), path.replace("orders", "Orders"), "/hooks/workflows/orders/".to_owned()] {
            let answer = tried(path.clone()).await;
            assert_eq!((answer.status, &answer.body), (404, &nowhere.body), "{path}");
        }
        // What rests is not there either; and with another path, the address is another one.
        let mut resting = orders(json!({"path": "orders", "secret": "shop"}));
        resting["status"] = json!("PAUSED");
        admin.save_workflow(resting).await.ok();
        assert_eq!(tried(path.clone()).await.body, nowhere.body);
        admin.save_workflow(orders(json!({"path": "orders-2"}))).await.ok();
        let moved = address(&admin).await;
        assert_eq!(tried(path.clone()).await.body, nowhere.body);
        assert_eq!(tried(path.replace("orders", "orders-2")).await.body, nowhere.body);
        assert_eq!(tried(moved).await.status, 202);
        // The address is for administrators.
        let clerk = server.create_user_with_role("clerk").await;
        let told = clerk.admin_query("{ webhookAddress(workflow: \"orders\") }").await;
        assert!(told.body["data"]["webhookAddress"].is_null() && !told.text.contains("/hooks/"), "{told}");
        assert!(admin.admin_query("{ webhookAddress(workflow: \"none\") }").await.ok()["webhookAddress"].is_null());
    }

    async fn too_many_in_a_minute_are_put_off(backend: Backend) {
        let server = Launch::new(backend).arguments(["--limit", "hook-requests=3"]).start().await;
        let admin = site(&server).await;
        admin.save_workflow(orders(json!({"path": "orders"}))).await.ok();
        let (stranger, path) = (server.anonymous(), address(&admin).await);
        // More than two minutes' worth, so that some are beyond wherever the minute ends.
        let mut statuses = Vec::new();
        for number in 0..10 {
            let answer = send(&stranger, &path, &format!("{{\"name\": \"{number}\"}}"), &[]).await;
            let wait: Option<u64> = answer.headers.get("retry-after").map(|wait| wait.to_str().unwrap().parse().unwrap());
            assert_eq!(wait.is_some_and(|wait| (1..=61).contains(&wait)), answer.status == 429, "{answer}");
            statuses.push(answer.status);
        }
        assert_eq!(statuses[..3], [202; 3]);
        assert!(statuses.contains(&429), "{statuses:?}");
        let taken = statuses.iter().filter(|status| **status == 202).count();
        assert_eq!(runs(&admin).await.len(), taken);
    }

    async fn the_manuals_example_takes_orders(server: Server) {
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json hook").expect("the manual has such a block");
        admin.save_workflow(serde_json::from_str(&block.text).expect("JSON")).await.ok();
        let told = admin.admin_query("{ webhookAddress(workflow: \"take-orders\") webhookSecret(name: \"shop\") }").await;
        let (address, secret) = (told.ok()["webhookAddress"].as_str().unwrap(), told.ok()["webhookSecret"].as_str().unwrap());
        let (body, path) = ("{\"name\": \"Ferrero\"}", &address[address.find("/hooks/").unwrap()..]);
        let answer = send(&server.anonymous(), path, body, &[("cardine-signature", signature(secret, now(), body).as_str())]).await;
        assert_eq!(ended(&admin, &answer.body["run"]).await["status"], "DONE", "{answer}");
        let made = admin.query("{ organizations { nodes { name } } }").await;
        assert_eq!(made.ok()["organizations"]["nodes"], json!([{"name": "Ferrero"}]));
    }

    async fn what_makes_no_sense_is_refused_when_it_is_saved(server: Server) {
        let admin = site(&server).await;
        let mut about = orders(json!({"path": "orders"}));
        about["module"] = json!("Contact");
        let mut as_actor = orders(json!({"path": "orders"}));
        as_actor["runAs"] = json!("actor");
        for (document, place) in [
            (about, json!(["definition", "module"])),
            (as_actor, json!(["definition", "runAs"])),
            (orders(json!({"path": "orders", "inputSchema": {"type": "nothing"}})), json!(["definition", "trigger", "webhook", "inputSchema"])),
            (orders(json!({"path": "No path"})), json!(["definition", "trigger", "webhook", "path"])),
        ] {
            let answer = admin.save_workflow(document).await;
            assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["path"], place, "{answer}");
        }
    }
}
