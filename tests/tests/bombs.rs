//! Requests that would be dear to serve are refused, and nobody else notices them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cardine_tests::bombs::bombs;
use cardine_tests::{Answer, Client, Launch, on_both_databases};
use reqwest::Method;
use serde_json::json;

const MEDIA_TYPE: &str = "application/graphql-response+json";

async fn throw(client: &Client, path: &str, body: String) -> Answer {
    let request =
        client.request(Method::POST, path).header("accept", MEDIA_TYPE).header("content-type", "application/json");
    Answer::of(request.body(body)).await
}

/// Asks and writes until it is told to stop; how often it did.
async fn go_on(client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) || answers < 2 {
        let _ = client
            .query("{ me { role } contacts(filter: {lastName: {eq: \"Rossi\"}}) { nodes { lastName } } }")
            .await
            .ok();
        let _ = client.query("mutation { createContact(data: {lastName: \"Rossi\"}) { id } }").await.ok();
        answers += 1;
    }
    answers
}

/// The standard introspection query, as GraphiQL and the code generators send it.
const INTROSPECTION: &str = include_str!("../../server/crates/graphql/src/introspection_query.graphql");

on_both_databases! {
    async fn every_bomb_is_refused_while_others_are_served(server: Server) {
        let admin = server.admin().await;
        let stop = Arc::new(AtomicBool::new(false));
        let neighbour = tokio::spawn(go_on(server.admin().await, Arc::clone(&stop)));
        for bomb in bombs() {
            let answer = throw(&admin, "/graphql", bomb.body).await;
            let shown = answer.text.chars().take(400).collect::<String>();
            assert!(!answer.codes().is_empty() && answer.codes().iter().all(|code| *code == bomb.code), "{}: {shown}", bomb.name);
            assert!(answer.data().is_null() && (400..500).contains(&answer.status), "{}: {shown}", bomb.name);
            assert!(answer.errors().len() <= 20 && answer.text.len() < 64 * 1024, "{}: {}", bomb.name, answer.text.len());
            let told = answer.errors().iter().all(|error| error["message"].as_str().is_some_and(|message| message.len() < 2_000));
            assert!(told, "{}: {shown}", bomb.name);
        }
        stop.store(true, Ordering::Relaxed);
        assert!(neighbour.await.expect("the neighbour got an error") >= 2);
        let _ = admin.query(INTROSPECTION).await.ok();
    }

    async fn the_administration_refuses_them_too(server: Server) {
        let admin = server.admin().await;
        for bomb in bombs() {
            let answer = throw(&admin, "/admin/graphql", bomb.body).await;
            assert!(!answer.codes().is_empty() && answer.data().is_null(), "{}: {}", bomb.name, answer.text.chars().take(400).collect::<String>());
            assert!((400..500).contains(&answer.status) && answer.errors().len() <= 20, "{}: {}", bomb.name, answer.status);
        }
        let _ = admin.admin_query("{ catalogVersion modules { name } users { email } }").await.ok();
        let _ = admin.admin_query(INTROSPECTION).await.ok();
    }

    async fn every_limit_can_be_set_and_tells_itself(backend: Backend) {
        let limits = ["selections=12", "aliases=2", "root-fields=3", "relation-levels=1", "fragments=1", "directives=1", "rows=20", "page=10", "query-bytes=300"];
        let server = Launch::new(backend).arguments(limits.iter().flat_map(|limit| ["--limit", limit]))
            .variable("CARDINE_LIMIT_BODY_BYTES", "2000").variable("CARDINE_LIMIT_ERRORS", "2").start().await;
        let admin = server.admin().await;
        for (text, message) in [
            (format!("{{ me {{ {} }} }}", "role ".repeat(12)), "12 selections"),
            ("{ me { a: role b: role c: role } }".to_owned(), "2 aliases of the field \"role\""),
            ("{ a: __typename me { role } __typename b: __typename }".to_owned(), "3 root fields"),
            ("{ contacts { nodes { organization { contacts { totalCount } } } } }".to_owned(), "1 levels of relations"),
            ("{ ...A ...B } fragment A on Query { __typename } fragment B on Query { __typename }".to_owned(), "1 fragments"),
            ("{ me { role @include(if: true) locale @include(if: true) } }".to_owned(), "1 directives"),
            ("{ a: contacts(first: 10) { nodes { id } } b: contacts(first: 10) { nodes { id } } contacts(first: 1) { nodes { id } } }".to_owned(), "20 estimated rows"),
            (format!("{{ me {{ role }} }} # {}", "x".repeat(300)), "300 bytes of query text"),
        ] {
            let answer = admin.query(&text).await;
            let told = answer.refused("LIMIT_EXCEEDED").errors()[0]["message"].as_str().unwrap_or_default().to_owned();
            assert!(told.contains(&format!("The limit of {message} is exceeded: the request has ")), "{text}: {told}");
        }
        assert!(admin.query("{ contacts(first: 11) { nodes { id } } }").await.refused("BAD_USER_INPUT").text.contains("10"));
        assert_eq!(admin.query("{ a b c }").await.errors().len(), 2);
        let answer = admin.query_with("{ me { role } }", json!({"x": "x".repeat(2_000)})).await;
        assert_eq!((answer.status, answer.codes()), (413, vec!["LIMIT_EXCEEDED"]));
        // What keeps the limits is served.
        let _ = admin.query("{ contacts(first: 10) { nodes { organization { name } } } }").await.ok();
    }

    async fn an_operation_that_takes_too_long_is_stopped_and_undone(backend: Backend) {
        let mut server = Launch::new(backend).arguments(["--limit", "execution-ms=1"]).start().await;
        let admin = server.admin().await;
        // Too much for a millisecond on any machine: each record is some statements, with its audit entry and event.
        let mutation = format!("mutation {{ {} }}", (0..20).map(|n| format!("a{n}: createContact(data: {{lastName: \"Late {n}\"}}) {{ id }}")).collect::<Vec<_>>().join(" "));
        let answer = admin.query(&mutation).await;
        let told = answer.refused("LIMIT_EXCEEDED").errors()[0]["message"].clone();
        assert_eq!(told, "The limit of 0.001 s of execution is exceeded.", "{answer}");
        server.set_arguments::<&str>([]);
        server.restart().await;
        let answer = server.admin().await.query("{ contacts { totalCount } }").await;
        assert_eq!(answer.ok()["contacts"]["totalCount"], 0, "what was late was undone");
    }
}
