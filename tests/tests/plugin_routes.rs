//! Addresses that plugins answer at: who may come, what the plugin is told, and what goes back to whom.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Answer, Client, Launch, Server, on_both_databases, plugins};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

async fn install(server: &Server, grant: Value) -> Client {
    let admin = server.admin().await;
    let package = std::fs::read(plugins::package("test-routes")).unwrap();
    plugins::install(&admin, package, grant, false, "name").await.ok();
    admin
}

async fn with_routes(server: &Server) -> Client {
    let grant =
        json!({"api": {"plugin": {"Organization": {"read": true, "fields": {"name": "READ"}}}, "asCaller": true}});
    install(server, grant).await
}

async fn get(client: &Client, path: &str) -> Answer {
    Answer::of(client.request(Method::GET, path)).await
}

/// What the plugin was told, where it answered.
fn told(answer: &Answer) -> &Value {
    assert_eq!(answer.status, 200, "{answer}");
    &answer.body
}

fn code(answer: &Answer) -> (u16, &str) {
    (answer.status, answer.body["error"]["code"].as_str().unwrap_or_default())
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let code: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={code}")
}

on_both_databases! {
    async fn a_plugin_answers_at_its_addresses_and_nowhere_else(server: Server) {
        let admin = with_routes(&server).await;
        let anybody = server.anonymous();
        for path in ["/hooks/test-routes", "/hooks/test-routes/"] {
            assert_eq!(told(&get(&anybody, path).await)["route"], "/", "{path}");
        }
        // A token that nobody asked for is not looked at, and not told.
        let request = admin.request(Method::POST, "/hooks/test-routes/open/door?a=b%20c").header("x-own", "1").header("cookie", "d=e");
        let answer = Answer::of(request.body("words")).await;
        let seen = told(&answer);
        assert_eq!((&seen["route"], &seen["path"], &seen["method"]), (&json!("/open/door"), &json!("/open/door"), &json!("POST")));
        assert_eq!((&seen["query"], &seen["body"], &seen["verified"], &seen["user"]), (&json!("a=b%20c"), &json!("words"), &json!(false), &Value::Null));
        let headers = seen["headers"].to_string();
        assert!(headers.contains("x-own") && !headers.contains("authorization") && !headers.contains("cookie"), "{headers}");
        assert!(seen["asCaller"].as_str().unwrap().contains("Denied"), "nobody is there to speak for: {seen}");

        for path in ["/hooks/test-routes/open", "/hooks/test-routes/open/door/x", "/hooks/nothing", "/hooks/nothing/open/door", "/hooks/workflows/x"] {
            assert_eq!(code(&get(&anybody, path).await), (404, "NOT_FOUND"), "{path}");
        }
        let wrong = Answer::of(anybody.request(Method::DELETE, "/hooks/test-routes/open/door")).await;
        assert_eq!((code(&wrong), wrong.headers["allow"].to_str().unwrap()), ((405, "BAD_USER_INPUT"), "GET, POST"));
        let large = anybody.request(Method::POST, "/hooks/test-routes/open/door").body("x".repeat(1_001));
        assert_eq!(code(&Answer::of(large).await), (413, "LIMIT_EXCEEDED"));
        admin.admin_query("mutation { uninstallPlugin(name: \"test-routes\") }").await.ok();
        assert_eq!(code(&get(&anybody, "/hooks/test-routes").await), (404, "NOT_FOUND"));
    }

    async fn only_who_may_come_is_answered(server: Server) {
        let admin = with_routes(&server).await;
        let clerk = server.create_user_with_role("marketing").await;
        let key = admin.with_api_key(None).await;
        let anybody = server.anonymous();
        let me = |client: &Client| client.request(Method::GET, "/hooks/test-routes/me");
        let machine = |client: &Client| client.request(Method::GET, "/hooks/test-routes/machine");
        for request in [me(&anybody), machine(&anybody), me(&anybody.with_token("cat_wrong")), machine(&anybody.with_token("cak_wrong"))] {
            assert_eq!(code(&Answer::of(request).await), (401, "UNAUTHENTICATED"));
        }
        for request in [me(&key), machine(&admin)] {
            assert_eq!(code(&Answer::of(request).await), (403, "FORBIDDEN"));
        }
        admin.create("Organization", json!({"name": "Acme"})).await;
        let by_admin = Answer::of(me(&admin)).await;
        let by_clerk = Answer::of(me(&clerk)).await;
        let by_key = Answer::of(machine(&key)).await;
        let (by_admin, by_clerk, by_key) = (told(&by_admin), told(&by_clerk), told(&by_key));
        assert!(by_admin["user"].is_string() && by_admin["user"] == by_key["user"] && by_admin["user"] != by_clerk["user"]);
        assert!([by_admin, by_clerk, by_key].iter().all(|seen| seen["verified"] == true));
        // As itself it sees what it was granted; as the caller what the caller sees; for a key it speaks as itself alone.
        let sees = |seen: &Value, who: &str| seen[who].as_str().unwrap().contains("Acme");
        assert!(sees(by_admin, "asPlugin") && sees(by_clerk, "asPlugin") && sees(by_key, "asPlugin"));
        assert!(sees(by_admin, "asCaller") && !sees(by_clerk, "asCaller"), "{by_clerk}");
        assert!(by_key["asCaller"].as_str().unwrap().contains("Denied"), "{by_key}");
    }

    async fn what_is_signed_is_taken(server: Server) {
        let admin = with_routes(&server).await;
        let send = |body: &str, signature: Option<String>| {
            let request = server.anonymous().request(Method::POST, "/hooks/test-routes/signed").body(body.to_owned());
            let request = signature.into_iter().fold(request, |request, value| request.header("x-shop-signature", value));
            Answer::of(request)
        };
        let unauthenticated = (401, "UNAUTHENTICATED");
        assert_eq!(code(&send("{}", Some(signature("", "{}"))).await), unauthenticated, "nobody has stored the secret");
        admin.admin_query("mutation { setPluginSecret(name: \"test-routes\", secret: \"SHOP\", value: \"s3cret\") }").await.ok();
        let taken = send("{\"order\": 1}", Some(signature("s3cret", "{\"order\": 1}"))).await;
        assert_eq!((&told(&taken)["verified"], &told(&taken)["body"]), (&json!(true), &json!("{\"order\": 1}")));
        for wrong in [None, Some(String::new()), Some(signature("other", "{}")), Some(signature("s3cret", "{ }"))] {
            assert_eq!(code(&send("{}", wrong).await), unauthenticated);
        }
    }

    async fn what_a_plugin_answers_becomes_a_status_and_does_no_harm(server: Server) {
        let _ = with_routes(&server).await;
        let anybody = server.anonymous();
        let asked = |query: &str| Answer::of(anybody.request(Method::GET, &format!("/hooks/test-routes/open/door?{query}")));
        for (query, expected) in [
            ("missing", (404, "NOT_FOUND")),
            ("denied", (403, "FORBIDDEN")),
            ("invalid", (422, "VALIDATION_FAILED")),
            ("failed", (502, "PLUGIN_FAILED")),
            ("status", (502, "PLUGIN_FAILED")),
            ("trap", (502, "PLUGIN_FAILED")),
            ("loop", (504, "PLUGIN_FAILED")),
            ("later", (503, "UNAVAILABLE")),
        ] {
            let answer = asked(query).await;
            assert_eq!(code(&answer), expected, "{query}");
            assert!(!answer.text.contains("on purpose") && !answer.text.contains("wasm"), "{query}: {}", answer.text);
        }
        assert_eq!(asked("later").await.headers["retry-after"], "3");
        assert_eq!(asked("invalid").await.body["error"]["issues"][0]["path"], json!(["order", "number"]));
        // A page of a plugin runs nothing in a browser, and sets no cookie.
        let page = asked("page").await;
        assert_eq!((page.status, &page.headers["content-type"], &page.headers["etag"]), (203, &"text/html".parse().unwrap(), &"\"1\"".parse().unwrap()));
        assert!(page.headers.get("set-cookie").is_none());
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox") && page.headers["x-content-type-options"] == "nosniff");
    }

    async fn more_than_may_come_in_a_minute_are_sent_away(server: Server) {
        let server = Launch::new(server.backend()).arguments(["--limit", "hook-requests=3"]).start().await;
        let _ = install(&server, json!({})).await;
        let anybody = server.anonymous();
        for _ in 0..3 {
            let seen = get(&anybody, "/hooks/test-routes").await;
            assert!(told(&seen)["asPlugin"].as_str().unwrap().contains("Denied"), "nothing was granted");
        }
        let away = get(&anybody, "/hooks/test-routes").await;
        assert_eq!(code(&away), (429, "LIMIT_EXCEEDED"));
        assert!(away.headers.contains_key("retry-after"));
    }
}
