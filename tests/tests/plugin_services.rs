//! What a running plugin gets of the server, from the grant to the answer: records, state, settings, secrets, requests outside, events.

use cardine_tests::chance::Chance;
use cardine_tests::{Answer, Backend, Client, Launch, Server, eventually, on_both_databases, plugins};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

async fn install(admin: &Client, grant: Value) -> Answer {
    let package = std::fs::read(plugins::package("test-services")).expect("the script built it");
    plugins::install(admin, package, grant, false, "name settings suspended").await
}

async fn with_grant(server: &Server, grant: Value) -> Client {
    let admin = server.admin().await;
    install(&admin, grant).await.ok();
    admin
}

/// Calls a function; the whole of what the administrator is told.
async fn told(admin: &Client, function: &str, input: Value) -> Value {
    let text = "mutation($function: String!, $input: JSON!) { callPlugin(name: \"test-services\", function: $function, input: $input) \
                { output hostCalls failure { reason detail } } }";
    let answer = admin.admin_query_with(text, json!({"function": function, "input": input})).await;
    answer.ok()["callPlugin"].clone()
}

async fn call(admin: &Client, function: &str, input: Value) -> Value {
    let told = told(admin, function, input).await;
    assert_eq!(told["failure"], Value::Null, "{told}");
    told["output"].clone()
}

async fn api(admin: &Client, run_as: &str, documents: &[&str]) -> Value {
    let operations: Vec<Value> = documents.iter().map(|text| json!({"document": text, "variables": {}})).collect();
    call(admin, "api", json!({"runAs": run_as, "operations": operations})).await
}

/// Why the host refused, as the plugin saw it.
fn refusal(output: &Value) -> &str {
    output["refused"].as_str().unwrap_or_else(|| panic!("not refused: {output}"))
}

/// A server outside that answers each request with its text, and `/away` with a redirect.
async fn outside() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut text = Vec::new();
                let mut part = [0; 1024];
                while !text.windows(4).any(|end| end == b"\r\n\r\n") {
                    match stream.read(&mut part).await {
                        Ok(count) if count > 0 => text.extend_from_slice(&part[..count]),
                        _ => return,
                    }
                }
                let head = match text.starts_with(b"GET /away") {
                    true => "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n",
                    false => "HTTP/1.1 200 OK\r\n",
                };
                let head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", text.len());
                // Whoever does not listen is not answered.
                let _ = stream.write_all(&[head.into_bytes(), text].concat()).await;
            });
        }
    });
    port
}

async fn with_inner_host(backend: Backend, port: u16) -> Server {
    Launch::new(backend).arguments(["--inner-host".to_owned(), format!("127.0.0.1:{port}")]).start().await
}

/// A call of a function of the host with arguments that nobody means well with.
fn hostile_call(chance: &mut Chance) -> (&'static str, Value) {
    let long = "x".repeat(70_000);
    let text = |chance: &mut Chance| {
        let texts = [
            "",
            "\u{0}",
            "a\u{0}b",
            "../../etc/passwd",
            "\u{202e}\u{feff}",
            "'; DROP TABLE user; --",
            "%00%ff",
            "{{secret:TOKEN}}",
            "\u{1f4a5}",
            "a\r\nSet-Cookie: x",
            "__proto__",
            "order.paid",
            "-1",
            "NaN",
            "{",
            "null",
            &long,
        ];
        json!(chance.of(&texts))
    };
    let number = |chance: &mut Chance| json!(chance.item(&[0, 1, u64::from(u32::MAX), u64::MAX, 1 << 53]));
    let nested = |depth: usize| (0..depth).fold(json!(null), |inside, _| json!([inside]));
    match chance.below(7) {
        0 => (
            "put",
            json!({"changes": [{"key": text(chance), "value": text(chance), "etag": text(chance), "ttl": number(chance)},
            {"key": text(chance), "value": null, "ttl": number(chance)}]}),
        ),
        1 => ("get", json!({"keys": [text(chance), text(chance), text(chance)]})),
        2 => ("keys", json!({"prefix": text(chance), "after": text(chance), "limit": number(chance)})),
        3 => ("config", json!({"secret": text(chance)})),
        4 => (
            "emit",
            json!({"name": text(chance), "payload": if chance.one_in(2) { text(chance) } else { nested(100) }, "times": 2}),
        ),
        5 => {
            let urls = [
                "",
                "https://",
                "https:///",
                "https://a b/",
                "https://127.0.0.1:1/",
                "https://[::1]/",
                "https://[::ffff:127.0.0.1]/",
                "https://0x7f.1/",
                "https://169.254.169.254/",
                "https://127.0.0.1:99999/",
                "https://user:pass@127.0.0.1/",
                "http://127.0.0.1/",
                "file:///etc/passwd",
                "ftp://127.0.0.1/",
                "javascript:alert(1)",
                "https://\u{0}/",
                "//127.0.0.1",
                &long,
            ];
            let url = chance.of(&urls);
            let methods = ["GET", "", "CONNECT", "TRACE", "G E T", "POST\r\n\r\n", "\u{1f4a5}"];
            let headers = json!([
                [text(chance), text(chance)],
                ["host", "other"],
                ["content-length", text(chance)],
                ["transfer-encoding", "chunked"]
            ]);
            (
                "http",
                json!({"requests": [{"url": url, "method": chance.of(&methods), "headers": headers, "body": text(chance)}]}),
            )
        }
        _ => {
            let documents = [
                "",
                "{",
                "{ __typename }",
                "query { organizations(first: -1) { nodes { id } } }",
                "{ organizations { nodes { phone } } }",
                "mutation { deleteOrganization(id: \"x\") { id } }",
                "subscription { organizationChanges { id } }",
                "\u{0}",
                &long,
            ];
            let operation = |chance: &mut Chance| json!({"document": chance.of(&documents), "variables": if chance.one_in(2) { text(chance) } else { nested(90) }});
            (
                "api",
                json!({"runAs": chance.of(&["plugin", "caller"]), "operations": [operation(chance), operation(chance)]}),
            )
        }
    }
}

on_both_databases! {
    async fn what_was_not_granted_is_denied(server: Server) {
        let admin = with_grant(&server, json!({})).await;
        for run_as in ["plugin", "caller"] {
            assert!(refusal(&api(&admin, run_as, &["{ __typename }"]).await).contains("Denied"), "{run_as}");
        }
        let sent = call(&admin, "http", json!({"requests": [{"url": "https://api.example.org/"}]})).await;
        assert!(refusal(&sent[0]).contains("Denied"), "{sent}");
        for (function, input) in [
            ("put", json!({"changes": [{"key": "a", "value": "1"}]})),
            ("get", json!({"keys": ["a"]})),
            ("keys", json!({"prefix": ""})),
        ] {
            assert!(refusal(&call(&admin, function, input).await).contains("Denied"), "{function}");
        }
        let config = call(&admin, "config", json!({"secret": "TOKEN"})).await;
        assert!(refusal(&config["value"]).contains("Denied") && config["settings"] == json!({}), "{config}");
    }

    async fn a_plugin_reads_and_writes_by_its_own_role(server: Server) {
        let admin = with_grant(&server, json!({"api": {"plugin": {"Organization": {
            "create": true, "read": true, "update": true, "fields": {"name": "WRITE", "employees": "READ"}}}}})).await;
        admin.create("Organization", json!({"name": "Acme", "employees": 7, "phone": "+39051123456"})).await;
        let read = api(&admin, "plugin", &["{ organizations { nodes { name employees } } }"]).await;
        assert_eq!(read[0]["data"]["organizations"]["nodes"], json!([{"name": "Acme", "employees": 7}]));

        // What was not granted does not exist for it: no field, no module, no input.
        for hidden in [
            "{ organizations { nodes { phone } } }",
            "{ organizations(filter: {phone: {eq: \"x\"}}) { nodes { name } } }",
            "{ contacts { nodes { id } } }",
            "mutation { createOrganization(data: {name: \"B\", employees: 1}) { id } }",
            "mutation { deleteOrganizations(filter: {}) { count } }",
        ] {
            let answer = api(&admin, "plugin", &[hidden]).await;
            assert_eq!(answer[0]["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{hidden}: {answer}");
        }

        let made = api(&admin, "plugin", &["mutation { createOrganization(data: {name: \"Made\"}) { id } }"]).await;
        let id = made[0]["data"]["createOrganization"]["id"].clone();
        assert!(id.is_string(), "{made}");
        // The log says that a plugin did it, and for whom.
        let audit = admin.admin_query("{ audit(first: 1) { via recordId actorId } }").await;
        assert_eq!(audit.ok()["audit"], json!([{"via": "plugin", "recordId": id, "actorId": null}]));

        // Several operations in one call only read.
        let names = ["{ organizations { totalCount } }", "{ organizations(first: 1) { nodes { name } } }"];
        let read = api(&admin, "plugin", &names).await;
        assert_eq!(read.as_array().map(Vec::len), Some(2));
        let write = "mutation { createOrganization(data: {name: \"C\"}) { id } }";
        assert!(refusal(&api(&admin, "plugin", &[names[0], write]).await).contains("one operation"));
        let count = admin.query("{ organizations { totalCount } }").await;
        assert_eq!(count.ok()["organizations"]["totalCount"], 2);
        // As the caller it may not ask at all.
        assert!(refusal(&api(&admin, "caller", &[names[0]]).await).contains("asCaller"));
    }

    async fn as_the_caller_a_plugin_has_the_callers_rights(server: Server) {
        let admin = with_grant(&server, json!({"api": {"asCaller": true}})).await;
        admin.create("Contact", json!({"lastName": "Rossi"})).await;
        let read = api(&admin, "caller", &["{ me { user { email } } contacts { nodes { lastName } } }"]).await;
        assert_eq!(read[0]["data"]["contacts"]["nodes"], json!([{"lastName": "Rossi"}]));
        assert!(refusal(&api(&admin, "plugin", &["{ __typename }"]).await).contains("api.plugin"));
    }

    async fn requests_of_the_api_are_counted_and_bounded(server: Server) {
        let admin = with_grant(&server, json!({"api": {"plugin": {"Organization": {"read": true}}}})).await;
        let many = vec!["{ __typename }"; 21];
        assert!(refusal(&api(&admin, "plugin", &many).await).contains("Limit"));
        let costly = "{ organizations(first: 1000) { nodes { owner { ... on User { id } } history(first: 1000) { nodes { at } } } } }";
        let refused = api(&admin, "plugin", &[costly]).await;
        assert!(refused[0]["errors"][0]["extensions"]["code"] != Value::Null, "{refused}");
        let malformed = call(&admin, "api", json!({"runAs": "plugin", "operations": [{"document": "{ __typename }", "variables": [1]}]})).await;
        assert!(refusal(&malformed).contains("variables"), "{malformed}");
    }

    async fn state_is_kept_within_its_bounds(server: Server) {
        let admin = with_grant(&server, json!({"state": {"bytes": 100}})).await;
        let put = async |changes: Value| call(&admin, "put", json!({ "changes": changes })).await;
        let get = async |keys: Value| call(&admin, "get", json!({ "keys": keys })).await;
        let first = put(json!([{"key": "b", "value": "1"}, {"key": "a/x", "value": "2"}, {"key": "a/y", "value": "3"}])).await;
        assert_eq!(get(json!(["a/y", "none", "b"])).await, json!(["3", null, "1"]));
        assert_eq!(call(&admin, "keys", json!({"prefix": "a/"})).await, json!(["a/x", "a/y"]));
        assert_eq!(call(&admin, "keys", json!({"prefix": "", "after": "a/x", "limit": 1})).await, json!(["a/y"]));

        // An etag lets a change apply only to what was seen.
        put(json!([{"key": "b", "value": "4", "etag": first[0]}])).await;
        assert!(refusal(&put(json!([{"key": "b", "value": "5", "etag": first[0]}])).await).contains("Conflict"));
        // All or nothing: what comes before the refused one is not kept either.
        let refused = put(json!([{"key": "c", "value": "6"}, {"key": "d", "value": "x".repeat(100)}])).await;
        assert!(refusal(&refused).contains("Quota"), "{refused}");
        assert_eq!(get(json!(["b", "c", "d"])).await, json!(["4", null, null]));
        put(json!([{"key": "b", "value": null}, {"key": "gone", "value": "7", "ttl": 0}])).await;
        assert_eq!(get(json!(["b", "gone"])).await, json!([null, null]));
        for bad in [json!([{"key": "", "value": "1"}]), json!([{"key": "k".repeat(257), "value": "1"}]), json!([{"key": "n\0", "value": "1"}])] {
            assert!(refusal(&put(bad).await).contains("Limit"));
        }
    }

    async fn the_state_of_another_plugin_is_out_of_reach(server: Server) {
        let admin = with_grant(&server, json!({"state": {"bytes": 100}})).await;
        let other = plugins::altered("test-services", &[("test-services", "twin-services")]);
        plugins::install(&admin, other, json!({"state": {"bytes": 100}}), false, "name").await.ok();
        call(&admin, "put", json!({"changes": [{"key": "a", "value": "1"}]})).await;
        let of_other = async |function: &str, input: Value| {
            let text = "mutation($function: String!, $input: JSON!) { callPlugin(name: \"twin-services\", function: $function, input: $input) { output } }";
            admin.admin_query_with(text, json!({"function": function, "input": input})).await.ok()["callPlugin"]["output"].clone()
        };
        assert_eq!(of_other("keys", json!({"prefix": ""})).await, json!([]));
        for key in ["a", "test-services/a", "../test-services/a", "test-services\u{0}a", "test-services:a"] {
            let got = of_other("get", json!({"keys": [key]})).await;
            assert!(got == json!([null]) || got["refused"].is_string(), "{key}: {got}");
        }
        of_other("put", json!({"changes": [{"key": "a", "value": "2"}]})).await;
        assert_eq!(call(&admin, "get", json!({"keys": ["a"]})).await, json!(["1"]));
    }

    async fn names_that_are_none_call_nothing(server: Server) {
        let admin = with_grant(&server, json!({})).await;
        let long = "x".repeat(200_000);
        for name in ["__proto__", "constructor", "toString", "", "../api", "api\u{0}", "$(id)", "describe", "lifecycle", &long] {
            let answer = told(&admin, name, json!({})).await;
            assert_eq!((&answer["failure"]["reason"], &answer["output"]), (&json!("UNKNOWN_FUNCTION"), &Value::Null), "{name:.40}");
            let text = "mutation($name: String!) { callPlugin(name: $name, function: \"api\", input: {}) { output } }";
            let answer = admin.admin_query_with(text, json!({"name": name})).await;
            assert!(answer.codes().iter().all(|code| *code != "INTERNAL") && !answer.codes().is_empty(), "{name:.40}: {answer}");
        }
    }

    async fn hostile_arguments_of_host_functions_are_refused_and_harm_nobody(server: Server) {
        let granted = json!({"api": {"plugin": {"Organization": {"read": true, "fields": {"name": "READ"}}}, "asCaller": true},
            "http": {"hosts": ["*"]}, "state": {"bytes": 4096}, "events": {"emit": ["order.paid"]}});
        let admin = with_grant(&server, granted).await;
        let seed = 20_261_123;
        println!("seed {seed}");
        let mut chance = Chance::new(seed);
        for _ in 0..200 {
            let (function, input) = hostile_call(&mut chance);
            let answer = told(&admin, function, input.clone()).await;
            // Each is answered or refused in the host function's own words: none ends the plugin, or the server.
            assert_eq!(answer["failure"], Value::Null, "{function} {input:.2000}");
        }
        assert!(!server.log().contains("panicked"), "{}", server.log());
        assert_eq!(call(&admin, "get", json!({"keys": ["none"]})).await, json!([null]));
    }

    async fn settings_are_checked_and_reach_the_plugin(server: Server) {
        let admin = with_grant(&server, json!({})).await;
        let set = async |settings: Value| {
            let text = "mutation($settings: JSON!) { setPluginSettings(name: \"test-services\", settings: $settings) { settings } }";
            admin.admin_query_with(text, json!({ "settings": settings })).await
        };
        assert_eq!(set(json!({"unit": "EUR"})).await.ok()["setPluginSettings"]["settings"], json!({"unit": "EUR"}));
        for bad in [json!({"unit": "GBP"}), json!({}), json!({"unit": "USD", "more": 1}), json!([])] {
            let refused = set(bad.clone()).await;
            assert_eq!(refused.codes(), ["VALIDATION_FAILED"], "{bad}");
            assert_eq!(refused.issues()[0]["path"][0], "settings");
        }
        assert_eq!(call(&admin, "config", json!({})).await["settings"], json!({"unit": "EUR"}));
        // An installation of another version keeps them.
        assert_eq!(install(&admin, json!({})).await.ok()["installPlugin"]["name"], "test-services");
        assert_eq!(call(&admin, "config", json!({})).await["settings"], json!({"unit": "EUR"}));
    }

    async fn a_request_goes_to_granted_hosts_alone(backend: Backend) {
        let port = outside().await;
        let server = with_inner_host(backend, port).await;
        let host = format!("127.0.0.1:{port}");
        let admin = with_grant(&server, json!({"http": {"hosts": [host]}})).await;
        let sent = call(&admin, "http", json!({"requests": [
            {"url": format!("http://{host}/one"), "headers": [["x-of-plugin", "1"]]},
            {"url": format!("http://{host}/away")},
            {"url": "http://127.0.0.1:1/"},
            {"url": "https://api.example.org/"},
            {"url": format!("http://localhost:{port}/")},
            {"url": format!("http://{host}/"), "headers": [["host", "other.example"]]},
        ]})).await;
        assert_eq!(sent[0]["status"], 200, "{sent}");
        let seen = sent[0]["body"].as_str().expect("a text");
        assert!(seen.starts_with("GET /one ") && seen.contains("x-of-plugin: 1"), "{seen}");
        assert_eq!(sent[1]["status"], 302, "a redirect is an answer: {sent}");
        for refused in &sent.as_array().expect("a list")[2..] {
            assert!(refusal(refused).contains("Denied"), "{refused}");
        }
        // The count is over the whole operation.
        let many: Vec<Value> = (0..21).map(|_| json!({"url": format!("http://{host}/")})).collect();
        let refused = call(&admin, "http", json!({ "requests": many })).await;
        assert!(refusal(&refused[0]).contains("Limit"), "{refused}");
    }

    async fn a_secret_reaches_its_hosts_and_not_the_plugin(backend: Backend) {
        let port = outside().await;
        let server = with_inner_host(backend, port).await;
        let host = format!("127.0.0.1:{port}");
        let admin = with_grant(&server, json!({"http": {"hosts": [host]}})).await;
        let store = async |secret: &str, value: Option<&str>| {
            let text = "mutation($secret: String!, $value: String) { setPluginSecret(name: \"test-services\", secret: $secret, value: $value) }";
            admin.admin_query_with(text, json!({"secret": secret, "value": value})).await
        };
        let send = async |handle: &str| {
            let requests = json!([{"url": format!("http://{host}/"), "headers": [["authorization", format!("Bearer {handle}")]]}]);
            call(&admin, "http", json!({ "requests": requests })).await[0].clone()
        };
        let config = call(&admin, "config", json!({"secret": "TOKEN"})).await;
        let handle = config["handle"].as_str().expect("a handle").to_owned();
        assert!(refusal(&send(&handle).await).contains("TOKEN"), "nobody has stored it");

        assert_eq!(store("TOKEN", Some("s3cret-value")).await.ok()["setPluginSecret"], json!(["TOKEN"]));
        let answer = send(&handle).await;
        assert!(answer["body"].as_str().is_some_and(|seen| seen.contains("Bearer s3cret-value")), "{answer}");
        // The grant does not let it be seen, and no administrator is shown it.
        assert!(refusal(&call(&admin, "config", json!({"secret": "TOKEN"})).await["value"]).contains("Denied"));
        let audit = admin.admin_query("{ audit(first: 100) { action changes } }").await;
        assert!(audit.to_string().contains("CONFIGURED") && !audit.to_string().contains("s3cret-value"), "{audit}");
        // One that is for another host is not sent to this one.
        store("ELSEWHERE", Some("other-value")).await.ok();
        let refused = send("{{secret:ELSEWHERE}}").await;
        assert!(refusal(&refused).contains("ELSEWHERE") && !refused.to_string().contains("other-value"), "{refused}");
        assert!(refusal(&send("{{secret:UNKNOWN}}").await).contains("UNKNOWN"));
        for (secret, value) in [("UNKNOWN", "x"), ("TOKEN", ""), ("TOKEN", "a\r\nb")] {
            assert_eq!(store(secret, Some(value)).await.codes(), ["VALIDATION_FAILED"], "{secret} {value:?}");
        }
        // Granted, it is seen; taken away, it is gone.
        install(&admin, json!({"http": {"hosts": [host]}, "secrets": {"reveal": ["TOKEN"]}})).await.ok();
        assert_eq!(call(&admin, "config", json!({"secret": "TOKEN"})).await["value"], "s3cret-value");
        assert_eq!(store("TOKEN", None).await.ok()["setPluginSecret"], json!(["ELSEWHERE"]));
        assert!(refusal(&call(&admin, "config", json!({"secret": "TOKEN"})).await["value"]).contains("Denied"));
    }

    async fn a_plugin_that_is_in_use_stays_and_one_that_goes_keeps_its_data_until_it_is_purged(server: Server) {
        let admin = with_grant(&server, json!({"state": {"bytes": 100}})).await;
        call(&admin, "put", json!({"changes": [{"key": "a", "value": "1"}]})).await;
        let run = async |mutation: &str| admin.admin_query(&format!("mutation {{ {mutation}(name: \"test-services\") }}")).await;
        admin.save_workflow(json!({"name": "w", "module": "Lead", "trigger": {"on": ["CREATED"]}, "steps": [
            {"id": "s", "call": {"plugin": "test-services", "function": "get", "input": {}}}]})).await.ok();
        let refused = run("uninstallPlugin").await;
        assert_eq!(refused.codes(), ["VALIDATION_FAILED"]);
        assert!(refused.to_string().contains("workflow `w`"), "{refused}");
        admin.save_workflow(json!({"name": "w", "module": "Lead", "trigger": {"on": ["CREATED"]}, "steps": [
            {"id": "s", "update": {"set": {"lastName": "X"}}}]})).await.ok();
        assert_eq!(run("purgePlugin").await.codes(), ["VALIDATION_FAILED"], "it is in service");

        let dry = admin.admin_query("mutation { uninstallPlugin(name: \"test-services\", dryRun: true) }").await;
        assert_eq!(dry.ok()["uninstallPlugin"], false);
        assert_eq!(call(&admin, "get", json!({"keys": ["a"]})).await, json!(["1"]));
        assert_eq!(run("uninstallPlugin").await.ok()["uninstallPlugin"], true);
        assert_eq!(run("uninstallPlugin").await.codes(), ["NOT_FOUND"]);
        let gone = "mutation { callPlugin(name: \"test-services\", function: \"get\", input: {}) { output } }";
        assert_eq!(admin.admin_query(gone).await.codes(), ["NOT_FOUND"]);
        assert_eq!(admin.admin_query("{ plugins { name } }").await.ok()["plugins"], json!([]));

        // Installed again, all is there; purged, nothing is.
        install(&admin, json!({"state": {"bytes": 100}})).await.ok();
        assert_eq!(call(&admin, "get", json!({"keys": ["a"]})).await, json!(["1"]));
        run("uninstallPlugin").await.ok();
        run("purgePlugin").await.ok();
        assert_eq!(run("purgePlugin").await.codes(), ["NOT_FOUND"]);
        install(&admin, json!({"state": {"bytes": 100}})).await.ok();
        assert_eq!(call(&admin, "get", json!({"keys": ["a"]})).await, json!([null]));
    }

    async fn calls_are_counted_by_their_end(server: Server) {
        let admin = with_grant(&server, json!({})).await;
        call(&admin, "get", json!({})).await;
        let failed = told(&admin, "nothing", json!({})).await;
        assert_eq!(failed["failure"]["reason"], "UNKNOWN_FUNCTION");
        let metrics = admin.request(Method::GET, "/metrics").send().await.expect("an answer").text().await.expect("a text");
        let line = "cardine_plugin_calls_total{plugin=\"test-services\",outcome=\"OK\",bound=\"\"} 1\n";
        assert!(metrics.contains(line), "{metrics}");
        // Those who are no administrators may not call it.
        admin.create_role("clerk", None).await;
        let clerk = server.create_user_with_role("clerk").await;
        let text = "mutation { callPlugin(name: \"test-services\", function: \"get\", input: {}) { output } }";
        assert_eq!(clerk.admin_query(text).await.codes(), ["FORBIDDEN"]);
    }

    async fn an_event_starts_the_workflows_that_wait_for_it(mut server: Server) {
        let admin = with_grant(&server, json!({})).await;
        let emit = |name: &str, payload: Value| json!({"name": name, "payload": payload});
        let rossi = json!({"customer": "Rossi"});
        assert!(refusal(&call(&admin, "emit", emit("order.paid", rossi.clone())).await).contains("Denied"));
        install(&admin, json!({"events": {"emit": ["order.paid"]}})).await.ok();

        let waits = |name: &str, status: &str, plugin: &str, event: &str, more: Value| {
            let mut document = json!({"name": name, "status": status, "trigger": {"event": {"plugin": plugin, "name": event}},
                "steps": [{"id": "make", "create": {"module": "Lead", "set": {"lastName": format!("{{{{ trigger.payload.customer }}}} {name}")}}}]});
            document.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            admin.save_workflow(document)
        };
        let rule = |refused: &Answer| refused.issues()[0]["rule"].clone();
        assert_eq!(rule(&waits("a", "ACTIVE", "nothing", "order.paid", json!({})).await), "unknownPlugin");
        assert_eq!(rule(&waits("a", "ACTIVE", "test-services", "order.lost", json!({})).await), "unknownEvent");
        assert_eq!(rule(&waits("a", "ACTIVE", "test-services", "order.paid", json!({"module": "Lead"})).await), "notAvailable");
        assert_eq!(rule(&waits("a", "ACTIVE", "test-services", "order.paid", json!({"runAs": "actor"})).await), "notAvailable");
        for (name, status, event) in
            [("one", "ACTIVE", "order.paid"), ("two", "ACTIVE", "order.paid"), ("draft", "DRAFT", "order.paid"), ("other", "ACTIVE", "order.again")]
        {
            waits(name, status, "test-services", event, json!({})).await.ok();
        }
        let names = async |admin: &Client| {
            let leads = admin.query("{ leads(orderBy: [{lastName: ASC}]) { nodes { lastName } } }").await;
            leads.ok()["leads"]["nodes"].clone()
        };
        assert_eq!(call(&admin, "emit", emit("order.paid", rossi)).await, json!({"emitted": 1}));
        let expected = json!([{"lastName": "Rossi one"}, {"lastName": "Rossi two"}]);
        eventually("both workflows make their lead", || async { (names(&admin).await == expected).then_some(()) }).await;
        for refused in [emit("order.again", json!({})), emit("nothing", json!({}))] {
            assert!(refusal(&call(&admin, "emit", refused).await).contains("Denied"));
        }
        let held = admin.admin_query("mutation { uninstallPlugin(name: \"test-services\") }").await;
        assert!(held.issues().iter().all(|issue| issue["rule"] == "inUse") && held.issues().len() == 3, "{held}");

        // What was emitted is not lost by a crash.
        assert_eq!(call(&admin, "emit", emit("order.paid", json!({"customer": "Verdi"}))).await, json!({"emitted": 1}));
        server.kill_hard();
        server.restart().await;
        let admin = server.admin().await;
        let expected = json!([{"lastName": "Rossi one"}, {"lastName": "Rossi two"}, {"lastName": "Verdi one"}, {"lastName": "Verdi two"}]);
        eventually("what was emitted before the crash is done after it", || async {
            (names(&admin).await == expected).then_some(())
        })
        .await;
    }

    async fn events_have_bounds_and_chains_of_them_end(server: Server) {
        let admin = with_grant(&server, json!({"events": {"emit": ["order.paid", "order.again"]}})).await;
        let many = call(&admin, "emit", json!({"name": "order.paid", "payload": {}, "times": 101})).await;
        assert!(refusal(&many).contains("Limit"), "{many}");
        assert_eq!(call(&admin, "emit", json!({"name": "order.paid", "payload": {}, "times": 100})).await, json!({"emitted": 100}));
        let large = call(&admin, "emit", json!({"name": "order.paid", "payload": "x".repeat(70_000)})).await;
        assert!(refusal(&large).contains("Limit"), "{large}");
        assert!(refusal(&call(&admin, "enqueue", json!({})).await).contains("Denied"));

        let again = json!({"name": "again", "trigger": {"event": {"plugin": "test-services", "name": "order.again"}}, "steps": [
            {"id": "emit", "call": {"plugin": "test-services", "function": "emit", "input": {"name": "order.again", "payload": "{{ trigger.payload }}"}}}]});
        admin.save_workflow(again).await.ok();
        call(&admin, "emit", json!({"name": "order.again", "payload": {"a": 1}})).await;
        let ended = eventually("the chain ends", || async {
            let runs = admin.admin_query("{ runs(first: 100) { status error finishedAt } }").await.ok()["runs"].clone();
            let runs = runs.as_array().expect("a list").clone();
            (runs.iter().any(|run| run["status"] == "FAILED") && runs.iter().all(|run| run["finishedAt"].is_string())).then_some(runs)
        })
        .await;
        let failed: Vec<&Value> = ended.iter().filter(|run| run["status"] == "FAILED").collect();
        assert_eq!(failed.len(), 1, "{ended:#?}");
        assert!(failed[0]["error"].as_str().is_some_and(|error| error.contains("DEPTH")), "{failed:#?}");
    }
}
