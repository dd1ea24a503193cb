//! GraphQL over HTTP as the specification says: the audits of `graphql-http`, and what they do not look at.

use cardine_tests::{Answer, Backend, Client, Launch, Node, Server};
use reqwest::Method;
use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE};
use serde_json::{Value, json};

/// How many there are: an audit that disappears must not go by unseen.
const AUDITS: usize = 61;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_audits_of_graphql_http_pass() {
    let Some(node) = Node::prepare().await else { return };
    let server = Server::start(Backend::Sqlite).await;
    let output = node.run("audits.mjs", &[&format!("{}/graphql", server.address())], String::new()).await;
    let audits: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let faulty: Vec<String> =
        audits.iter().filter(|audit| audit["status"] != "ok").map(|audit| format!("{audit:#}")).collect();
    assert!(faulty.is_empty(), "{} of {} audits failed:\n{}", faulty.len(), audits.len(), faulty.join("\n"));
    assert_eq!(audits.len(), AUDITS);
}

const JSON: &str = "application/json; charset=utf-8";
const GRAPHQL: &str = "application/graphql-response+json; charset=utf-8";

fn content_type(answer: &Answer) -> &str {
    answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

async fn get(client: &Client, query: &str, accept: &str) -> Answer {
    let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    Answer::of(client.request(Method::GET, &format!("/graphql?query={query}")).header(ACCEPT, accept)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_changes_but_by_a_post_of_json() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let mutation = "mutation { createProduct(data: {name: \"Screw\"}) { id } }";
    for accept in ["application/json", "application/graphql-response+json"] {
        let answer = get(&admin, mutation, accept).await;
        assert_eq!(
            (answer.status, answer.headers.get(ALLOW).map(|allow| allow.as_bytes())),
            (405, Some(&b"POST"[..])),
            "{answer}"
        );
        answer.refused("BAD_USER_INPUT");
    }
    let body = json!({"query": mutation}).to_string();
    let form = "query=mutation%20%7B%20createProduct(data%3A%20%7Bname%3A%20%22Screw%22%7D)%20%7B%20id%20%7D%20%7D";
    for (content_type, body) in [
        ("text/plain", body.as_str()),
        ("application/graphql", mutation),
        ("application/x-www-form-urlencoded", form),
        ("multipart/form-data; boundary=x", body.as_str()),
        ("application/json; charset=utf-16", body.as_str()),
        ("application/json-seq", body.as_str()),
    ] {
        let answer = admin.post_raw("/graphql", content_type, body.to_owned()).await;
        assert_eq!(answer.status, 415, "{content_type}: {answer}");
    }
    assert_eq!(admin.query("{ products { totalCount } }").await.ok()["products"]["totalCount"], 0);
    let answer = admin.post_raw("/graphql", "application/json; charset=UTF-8", body).await;
    assert!(answer.ok()["createProduct"]["id"].is_string());
    assert_eq!(admin.query("{ products { totalCount } }").await.ok()["products"]["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_is_of_a_type_that_the_client_accepts() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    for (accept, valid, invalid, expected) in [
        ("application/json", 200, 200, JSON),
        ("*/*", 200, 200, JSON),
        ("application/graphql-response+json", 200, 400, GRAPHQL),
        ("application/json;q=0.5, application/graphql-response+json", 200, 400, GRAPHQL),
    ] {
        for (query, status) in [("{ me { role } }", valid), ("{ nothing }", invalid), ("{", invalid)] {
            let answer = get(&admin, query, accept).await;
            assert_eq!((answer.status, content_type(&answer)), (status, expected), "{accept} {query}");
        }
    }
    for accept in ["text/html;q=0", "image/png", "application/json;q=0", "application/xml, text/plain"] {
        let answer = get(&admin, "{ me { role } }", accept).await;
        assert_eq!(answer.status, 406, "{accept}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_of_requests_is_refused_unless_allowed_and_then_bounded() {
    let create = |name: &str| json!({"query": "mutation($data: ProductCreate!) { createProduct(data: $data) { name } }", "variables": {"data": {"name": name}}});
    let count = json!({"query": "{ products { totalCount } }"});
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let answer = admin.post("/graphql", &json!([create("a"), count])).await;
    assert_eq!((answer.status, answer.codes()), (400, vec!["BAD_USER_INPUT"]), "{answer}");
    assert_eq!(admin.query("{ products { totalCount } }").await.ok()["products"]["totalCount"], 0);

    let server = Launch::new(Backend::Sqlite).arguments(["--limit", "batch=3"]).start().await;
    let admin = server.admin().await;
    let answer = admin.post("/graphql", &json!([create("a"), {"query": "{ nothing }"}, count])).await;
    let [created, refused, counted] = answer.body.as_array().expect("a list").as_slice() else { panic!("{answer}") };
    assert_eq!((answer.status, created), (200, &json!({"data": {"createProduct": {"name": "a"}}})), "{answer}");
    assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
    assert_eq!(counted, &json!({"data": {"products": {"totalCount": 1}}}), "{answer}");
    admin
        .post("/graphql", &json!([create("b"), create("c"), create("d"), create("e")]))
        .await
        .refused("LIMIT_EXCEEDED");
    admin.post("/graphql", &json!([create("b"), {"variables": {}}])).await.refused("BAD_USER_INPUT");
    admin.post("/graphql", &json!([])).await.refused("BAD_USER_INPUT");
    assert_eq!(admin.query("{ products { totalCount } }").await.ok()["products"]["totalCount"], 1);
    assert_eq!(admin.post("/graphql", &count).await.ok()["products"]["totalCount"], 1);
}
