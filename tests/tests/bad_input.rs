//! What must not be served: malformed, mistyped, too deep, too large, from elsewhere. Each is told clearly and changes nothing.

use cardine_tests::{Answer, Backend, Client, Launch, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

/// What no error may tell: SQL, the insides of the server, paths.
const INSIDES: [&str; 14] = [
    "select ",
    "insert into",
    "sqlite",
    "postgres",
    "rusqlite",
    "pg_",
    "panicked",
    ".rs:",
    "server/crates",
    "/tmp/",
    "stack backtrace",
    "constraint failed",
    "violates",
    "relation \"",
];

fn tells_no_insides(answer: &Answer) {
    for word in INSIDES {
        answer.never_says(word);
    }
}

/// Sends `query` and `variables` with an `Accept` header.
async fn accepting(client: &Client, accept: &str, query: &str) -> Answer {
    let request = client.request(Method::POST, "/graphql").header("accept", accept);
    Answer::of(request.json(&json!({"query": query}))).await
}

/// A path with a GraphQL document in its parameters.
fn addressed(path: &str, query: &str) -> String {
    let mut url = reqwest::Url::parse("http://localhost").expect("an address");
    url.query_pairs_mut().append_pair("query", query);
    format!("{path}?{}", url.query().unwrap_or_default())
}

on_both_databases! {
    async fn malformed_requests_are_told_what_is_wrong(server: Server) {
        let admin = server.admin().await;
        for path in ["/graphql", "/admin/graphql"] {
            for body in ["", "{", "nonsense", "null", "[]", "\"{me{role}}\"", "{\"query\": 5}", "{}", "{\"query\": null}",
                "{\"query\": \"{me{role}}\", \"variables\": []}", "{\"query\": \"{me{role}}\", \"variables\": \"x\"}", "{\"query\": \"{me{role}}\", \"operationName\": 1}",
                "[{\"query\": \"{me{role}}\"}]", "{\"query\": \"\u{0}", "\u{feff}{"] {
                let answer = admin.post_raw(path, "application/json", body).await;
                assert_eq!((answer.status, answer.codes()), (400, vec!["BAD_USER_INPUT"]), "{path} {body}: {answer}");
                tells_no_insides(&answer);
            }
        }
        // Bytes that are no text.
        let answer = admin.post_raw("/graphql", "application/json", vec![0x22, 0xff, 0xfe, 0x22]).await;
        assert_eq!(answer.status, 400);
    }

    async fn faulty_documents_are_refused_with_their_place(server: Server) {
        let admin = server.admin().await;
        for text in [
            "", " ", "#", "{", "}", "{ me { role }", "{ me { } }", "{ leads }", "{ me { role { x } } }", "{ nothing }", "{ leads { nodes { nothing } } }",
            "{ leads(nothing: 1) { totalCount } }", "{ leads(first: \"5\") { totalCount } }", "{ leads(first: 1.5) { totalCount } }", "{ leads(first: 99999999999) { totalCount } }",
            "{ leads(filter: 5) { totalCount } }", "{ leads(filter: {nothing: {eq: 1}}) { totalCount } }", "{ leads(filter: {lastName: {eq: 5}}) { totalCount } }",
            "{ leads(filter: {lastName: {nothing: \"x\"}}) { totalCount } }", "{ leads(filter: {status: {eq: NOTHING}}) { totalCount } }", "{ leads(filter: {status: {eq: \"NOT_CONTACTED\"}}) { totalCount } }",
            "{ leads(filter: {annualRevenue: {gt: 1.5}}) { totalCount } }", "{ leads(filter: {createdAt: {gt: \"yesterday\"}}) { totalCount } }", "{ leads(filter: {createdAt: {gt: \"2026-02-30T00:00:00Z\"}}) { totalCount } }",
            "{ leads(filter: {converted: {eq: 1}}) { totalCount } }", "{ leads(filter: {lastName: null}) { totalCount } }", "{ leads(filter: {lastName: {isNull: 5}}) { totalCount } }", "{ leads(orderBy: [{lastName: UP}]) { totalCount } }",
            "{ lead { id } }", "{ lead(id: null) { id } }", "query($x: Nothing) { me { role } }", "query($x: Int) { me { role } }", "{ leads(first: $x) { totalCount } }", "query($x: String) { leads(first: $x) { totalCount } }", "query($x: Lead) { leads { totalCount } }",
            "{ ...Nothing }", "{ me { role } } fragment Unused on Query { me { role } }", "{ ... on Lead { id } }", "fragment A on Query { ...B } fragment B on Query { ...A } { ...A }",
            "{ me @nothing { role } }", "{ me @include { role } }", "{ me @skip(if: \"yes\") { role } }", "{ a: me { role } a: leads { totalCount } }", "query A { me { role } } query A { me { role } }",
            "{ me { role } } query B { me { role } }", "query A { me { role } } query B { me { role } }", "subscription { leadChanges { id } }",
            "mutation { createLead(data: {}) { id } }", "mutation { createLead(data: {lastName: null}) { id } }", "mutation { createLead(data: {lastName: \"x\", nothing: 1}) { id } }",
            "mutation { createLead(data: {lastName: \"x\", id: \"00000000-0000-7000-8000-000000000000\"}) { id } }", "mutation { createLead(data: {lastName: \"x\", createdAt: \"2020-01-01T00:00:00Z\"}) { id } }",
            "mutation { createLead(data: {lastName: 5}) { id } }", "mutation { createLead(data: {lastName: \"x\", employees: \"5\"}) { id } }", "mutation { createLead(data: {lastName: \"x\", annualRevenue: 0.1}) { id } }",
            "mutation { createLead { id } }", "mutation { updateLead(data: {lastName: \"x\"}) { id } }", "mutation { deleteLead(id: 5.5) { id } }",
        ] {
            let answer = admin.query(text).await;
            assert!(answer.data().is_null() && answer.codes().iter().all(|code| *code == "BAD_USER_INPUT"), "{text}: {answer}");
            assert_eq!(answer.status, 400, "{text}: {answer}");
            assert!(answer.errors().iter().all(|error| error["message"].as_str().is_some_and(|message| !message.is_empty())), "{answer}");
            tells_no_insides(&answer);
            let lenient = accepting(&admin, "application/json", text).await;
            assert_eq!((lenient.status, lenient.codes()[0]), (200, "BAD_USER_INPUT"), "{text}: {lenient}");
        }
        let answer = admin.query("{\n  leads {\n    nodes { nothing }\n  }\n}").await;
        assert_eq!(answer.errors()[0]["locations"], json!([{"line": 3, "column": 13}]), "{answer}");
        assert_eq!(admin.query("{ leads { totalCount } }").await.ok()["leads"]["totalCount"], 0, "nothing was written");
    }

    async fn faulty_variables_are_told_by_path_all_at_once(server: Server) {
        let admin = server.admin().await;
        let text = "mutation($data: LeadCreate!) { createLead(data: $data) { id } }";
        let answer = admin.query_with(text, json!({"data": {"employees": "many", "nothing": 1, "annualRevenue": 0.5, "status": "NOTHING"}})).await;
        answer.refused("BAD_USER_INPUT");
        let paths: Vec<String> = answer.issues().iter().map(|issue| issue["path"].to_string()).collect();
        for name in ["employees", "nothing", "annualRevenue", "status", "lastName"] {
            assert!(paths.iter().any(|path| path.ends_with(&format!("\"{name}\"]"))), "{name}: {answer}");
        }
        for variables in [json!({}), json!({"data": null}), json!({"data": 5}), json!({"data": []})] {
            admin.query_with(text, variables).await.refused("BAD_USER_INPUT");
        }
        let many: Value = (0..50).map(|n| (format!("nothing{n}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
        let answer = admin.query_with(text, json!({"data": many})).await;
        answer.refused("BAD_USER_INPUT");
        assert!(answer.errors().len() <= 20, "{answer}");
    }

    async fn values_that_break_rules_are_told_and_nothing_is_written(server: Server) {
        let admin = server.admin().await;
        for (data, field) in [
            (json!({"lastName": ""}), "lastName"), (json!({"lastName": "x".repeat(121)}), "lastName"),
            (json!({"lastName": "x", "email": "nobody"}), "email"), (json!({"lastName": "x", "phone": "call me"}), "phone"), (json!({"lastName": "x", "website": "javascript:alert(1)"}), "website"),
            (json!({"lastName": "x", "employees": -1}), "employees"), (json!({"lastName": "x", "annualRevenue": "1.005"}), "annualRevenue"),
            (json!({"lastName": "x", "annualRevenue": "1000000000000000000000000000"}), "annualRevenue"),
            (json!({"lastName": "x", "convertedContactId": uuid::Uuid::now_v7()}), "convertedContactId"),
        ] {
            let answer = admin.query_with("mutation($data: LeadCreate!) { createLead(data: $data) { id } }", json!({"data": data})).await;
            assert_eq!((field, answer.codes()), (field, vec!["VALIDATION_FAILED"]), "{answer}");
            assert_eq!(answer.issues()[0]["path"], json!(["data", field]), "{answer}");
            tells_no_insides(&answer);
        }
        let nul = admin.query_with("mutation($data: LeadCreate!) { createLead(data: $data) { id } }", json!({"data": {"lastName": "a\u{0}b"}})).await;
        tells_no_insides(nul.refused("BAD_USER_INPUT"));
        let event = "mutation { createEvent(data: {subject: \"Back in time\", type: CALL, startAt: \"2026-01-02T00:00:00Z\", endAt: \"2026-01-01T00:00:00Z\"}) { id } }";
        let answer = admin.query(event).await;
        answer.refused("VALIDATION_FAILED");
        assert!(answer.text.contains("cannot end before it starts"), "{answer}");
        assert_eq!(admin.query("{ leads { totalCount } events { totalCount } }").await.ok(), &json!({"leads": {"totalCount": 0}, "events": {"totalCount": 0}}));
        // Texts of every alphabet come back as they went in.
        for text in ["Ὀδυσσεύς", "李小龍", "مرحبا", "🦆👩‍👩‍👧", "O'Brien; drop table lead", "a\"b\\c", "e\u{301}", "  spaces  "] {
            let answer = admin.query_with("mutation($data: LeadCreate!) { createLead(data: $data) { lastName } }", json!({"data": {"lastName": text}})).await;
            assert_eq!(answer.ok()["createLead"]["lastName"], text);
            let found = admin.query_with("query($name: String) { leads(filter: {lastName: {eq: $name}}) { totalCount } }", json!({"name": text})).await;
            assert_eq!(found.ok()["leads"]["totalCount"], 1, "{text}");
        }
    }

    async fn an_id_that_is_none_is_one_that_nobody_has(server: Server) {
        let admin = server.admin().await;
        admin.create("Lead", json!({"lastName": "x"})).await;
        for id in ["5", "", "x' OR 1=1 --", "\u{1f986}", "00000000-0000-0000-0000-000000000000", "{01890a5d-ac96-774b-bcce-b302099a8057}"] {
            let text = "query($id: ID!) { lead(id: $id) { id } node(id: $id) { id } nodes(ids: [$id]) { id } leads(filter: {id: {eq: $id}}) { totalCount } }";
            let answer = admin.query_with(text, json!({"id": id})).await;
            assert_eq!(answer.ok(), &json!({"lead": null, "node": null, "nodes": [null], "leads": {"totalCount": 0}}), "{id}");
            for text in ["mutation($id: ID!) { updateLead(id: $id, data: {lastName: \"y\"}) { id } }", "mutation($id: ID!) { deleteLead(id: $id) { id } }"] {
                tells_no_insides(admin.query_with(text, json!({"id": id})).await.refused("NOT_FOUND"));
            }
        }
    }

    async fn limits_hold_and_tell_the_limit(server: Server) {
        let admin = server.admin().await;
        let nest = |levels: usize| (0..levels).fold("id".to_owned(), |inner, level| if level % 2 == 0 { format!("contacts {{ nodes {{ {inner} }} }}") } else { format!("organization {{ {inner} }}") });
        let deep = |levels: usize| {
            let inner = (0..levels).rev().fold("id".to_owned(), |inner, _| format!("organization {{ contacts(first: 1) {{ nodes {{ {inner} }} }} }}"));
            format!("{{ contacts(first: 1) {{ nodes {{ {inner} }} }} }}")
        };
        let _ = admin.query(&deep(5)).await.ok();
        let bomb = (0..26).map(|n| format!("fragment F{n} on Query {{ ...F{next} ...F{next} }}", next = n + 1)).collect::<String>();
        let many = |count: usize, each: &dyn Fn(usize) -> String| (0..count).map(each).collect::<Vec<_>>().join(" ");
        for (text, limit) in [
            (deep(12), "12"),
            (format!("{{ organizations {{ nodes {{ {} }} }} }}", nest(41)), ""),
            (format!("{{ {} }}", many(21, &|n| format!("a{n}: me {{ role }}"))), "20"),
            (format!("{{ leads {{ nodes {{ {} }} }} }}", many(101, &|n| format!("a{n}: lastName"))), "100"),
            (format!("{{ leads {{ nodes {{ {} }} }} }}", many(2_100, &|_| "id".to_owned())), "2000"),
            (format!("{{ ...F0 }} {bomb} fragment F26 on Query {{ me {{ role }} }}"), "2000"),
            (format!("{{ me {{ role }} }} {}", many(201, &|n| format!("fragment G{n} on Query {{ me {{ role }} }}"))), "200"),
            (format!("{{ me {{ {} }} }}", many(51, &|n| format!("a{n}: role @include(if: true)"))), "50"),
            (format!("{{ me {{ role }} }} # {}", "x".repeat(65 * 1024)), "65536"),
            ("{a".repeat(10_000), ""),
            (format!("{{ leads(filter: {}{{lastName: {{eq: \"x\"}}}}{}) {{ totalCount }} }}", "{not: ".repeat(200), "}".repeat(200)), ""),
            (format!("{{ leads(filter: {{or: [{}]}}) {{ totalCount }} }}", many(600, &|n| format!("{{lastName: {{eq: \"{n}\"}}}}"))), "500"),
            ("{ organizations(first: 1000) { nodes { contacts(first: 1000) { nodes { id } } } } }".to_owned(), "50000"),
        ] {
            let shown = text.chars().take(80).collect::<String>();
            let answer = admin.query(&text).await;
            assert_eq!((&shown, answer.codes()), (&shown, vec!["LIMIT_EXCEEDED"]), "{answer}");
            let message = answer.errors()[0]["message"].as_str().unwrap_or_default().replace([',', ' '], "");
            assert!(message.contains(limit), "{shown}: {answer}");
            tells_no_insides(&answer);
        }
        for page in ["first: 1001", "last: 1001", "first: -1"] {
            let answer = admin.query(&format!("{{ leads({page}) {{ totalCount }} }}")).await;
            assert!(page.contains('-') || answer.refused("BAD_USER_INPUT").text.contains("1000"), "{answer}");
        }
        // What is just within the limits is served.
        let _ = admin.query(&format!("{{ {} }}", many(20, &|n| format!("a{n}: me {{ role }}")))).await.ok();
        let _ = admin.query(&format!("{{ leads {{ nodes {{ {} }} }} }}", many(100, &|n| format!("a{n}: lastName")))).await.ok();
        let _ = admin.query("{ organizations(first: 40) { nodes { contacts(first: 1000) { nodes { id } } } } }").await.ok();
    }

    async fn a_body_that_is_too_large_is_refused(server: Server) {
        let admin = server.admin().await;
        let body = json!({"query": "{ me { role } }", "variables": {"x": "y".repeat(1 << 20)}}).to_string();
        for path in ["/graphql", "/admin/graphql", "/auth/sign-in"] {
            let answer = admin.post_raw(path, "application/json", body.clone()).await;
            assert_eq!((answer.status, answer.codes()), (413, vec!["LIMIT_EXCEEDED"]), "{path}");
        }
        let fits = json!({"query": "{ me { role } }", "variables": {"x": "y".repeat(1_000_000)}}).to_string();
        assert_eq!(admin.post_raw("/graphql", "application/json", fits).await.status, 200);
    }

    async fn a_foreign_page_cannot_send_what_changes_something(server: Server) {
        let admin = server.admin().await;
        let mutation = json!({"query": "mutation { createLead(data: {lastName: \"Forged\"}) { id } }"}).to_string();
        for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", ""] {
            let answer = admin.post_raw("/graphql", kind, mutation.clone()).await;
            assert_eq!(answer.status, 415, "{kind}: {answer}");
        }
        let get = |query: &str| {
            let request = admin.request(Method::GET, &addressed("/graphql", query)).header("accept", "application/graphql-response+json");
            Answer::of(request)
        };
        let answer = get("mutation { createLead(data: {lastName: \"Forged\"}) { id } }").await;
        assert_eq!(answer.status, 405, "{answer}");
        assert_eq!(get("{ leads { totalCount } }").await.ok()["leads"]["totalCount"], 0);
        let text = "mutation { createRole(name: \"forged\") { name } }";
        let answer = admin.get(&addressed("/admin/graphql", text)).await;
        assert!(answer.status == 405 || !answer.errors().is_empty(), "{answer}");
        assert_eq!(admin.query("{ roles(filter: {name: {eq: \"forged\"}}) { totalCount } }").await.ok()["roles"]["totalCount"], 0);
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            assert_eq!(Answer::of(admin.request(method, "/graphql").json(&json!({"query": "{ me { role } }"}))).await.status, 405);
        }
        assert_eq!(admin.get("/nothing/here").await.status, 404);
        assert_eq!(admin.get("/assets/graphiql/..%2f..%2fCargo.toml").await.status, 404);
    }

    async fn answers_have_the_type_that_the_caller_accepts(server: Server) {
        let nobody = server.anonymous();
        for (accept, expected) in [("application/json", "application/json"), ("application/graphql-response+json", "application/graphql-response+json"), ("*/*", "application/json")] {
            let answer = accepting(&nobody, accept, "{ me { role } }").await;
            let kind = answer.headers["content-type"].to_str().expect("ASCII").to_owned();
            assert_eq!((answer.status, kind.split(';').next()), (200, Some(expected)), "{answer}");
        }
        assert_eq!(accepting(&nobody, "application/xml", "{ me { role } }").await.status, 406);
        let answer = accepting(&nobody, "application/json", "{ me { role } }").await;
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert!(answer.headers.contains_key("x-request-id"));
    }
}

/// Origins are let in as configured, and not otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_may_call_only_if_listed() {
    let preflight = |client: Client, origin: &'static str| async move {
        let request = client
            .request(Method::OPTIONS, "/graphql")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        Answer::of(request).await
    };
    let post = |client: Client, origin: &'static str| async move {
        let request = client.request(Method::POST, "/graphql").header("origin", origin);
        Answer::of(request.json(&json!({"query": "{ me { role } }"}))).await
    };
    let allowed = |answer: &Answer| {
        let header = answer.headers.get("access-control-allow-origin");
        header.map(|value| value.to_str().expect("ASCII").to_owned())
    };
    let closed = Server::start(Backend::Sqlite).await;
    assert_eq!(allowed(&preflight(closed.anonymous(), "https://app.example.org").await), None);
    assert_eq!(allowed(&post(closed.anonymous(), "https://app.example.org").await), None);

    let listed = Launch::new(Backend::Sqlite).arguments(["--cors-origin", "https://app.example.org"]).start().await;
    for answer in [
        preflight(listed.anonymous(), "https://app.example.org").await,
        post(listed.anonymous(), "https://app.example.org").await,
    ] {
        assert_eq!(allowed(&answer).as_deref(), Some("https://app.example.org"), "{answer}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    }
    for origin in ["https://evil.example", "https://app.example.org.evil.example", "http://app.example.org", "null"] {
        assert_eq!(allowed(&preflight(listed.anonymous(), origin).await), None, "{origin}");
        assert_eq!(allowed(&post(listed.anonymous(), origin).await), None, "{origin}");
    }
}
