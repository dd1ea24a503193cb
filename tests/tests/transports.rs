//! The transports of operations that last: how a WebSocket is opened, begun, used and closed, and answers by server-sent events.

use cardine_tests::{Backend, Launch, WebSocket, on_both_databases};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
const FOLLOW: &str = "subscription { organizationChanges { kind id } }";

fn subscribe(id: &str, query: &str) -> Value {
    json!({"type": "subscribe", "id": id, "payload": {"query": query}})
}

on_both_databases! {
    async fn faulty_clients_are_closed_with_the_code_of_their_fault(server: Server) {
        let admin = server.admin().await;
        // Before the connection is begun.
        let mut socket = admin.unbegun_websocket().await;
        socket.send(&subscribe("1", FOLLOW)).await;
        assert_eq!(socket.closed().await, 4401);
        for token in ["Bearer nobody", "Basic YTpi", "cat_x"] {
            let mut socket = admin.unbegun_websocket().await;
            socket.send(&json!({"type": "connection_init", "payload": {"authorization": token}})).await;
            assert_eq!(socket.closed().await, 4403, "{token}");
        }
        let mut socket = admin.open_websocket(&[]).await.expect("a WebSocket");
        assert_eq!(socket.closed().await, 4406);
        let mut silent = admin.unbegun_websocket().await;
        assert_eq!(silent.closed().await, 4408);

        // What is no message.
        for frame in [Message::text("nonsense"), Message::text("{\"type\":\"start\"}"), Message::binary(vec![1, 2]), Message::text("[".repeat(100_000))] {
            let mut socket = admin.websocket().await;
            socket.send_frame(frame).await;
            assert_eq!(socket.closed().await, 4400);
        }
        let mut socket = admin.websocket().await;
        socket.send(&json!({"type": "connection_init"})).await;
        assert_eq!(socket.closed().await, 4429);
        let mut socket = admin.websocket().await;
        socket.subscribe("same", FOLLOW, json!({})).await;
        socket.send(&subscribe("same", FOLLOW)).await;
        assert_eq!(socket.closed().await, 4409);
        // The server lives.
        admin.query("{ me { role } }").await.ok();
    }

    async fn queries_and_mutations_run_over_a_websocket_as_over_http(server: Server) {
        let admin = server.admin().await;
        let mut socket = admin.websocket().await;
        socket.send(&json!({"type": "ping", "payload": {"n": 1}})).await;
        assert_eq!(socket.receive().await, json!({"type": "pong", "payload": {"n": 1}}));
        socket.send(&subscribe("q", "{ me { role } }")).await;
        assert_eq!(socket.next("q").await, json!({"me": {"role": "administrator"}}));
        assert_eq!(socket.receive().await, json!({"type": "complete", "id": "q"}));
        // The name is free again.
        socket.send(&subscribe("q", "mutation { createOrganization(data: {name: \"Over a socket\"}) { name } }")).await;
        assert_eq!(socket.next("q").await, json!({"createOrganization": {"name": "Over a socket"}}));
        assert_eq!(socket.receive().await["type"], "complete");
        for (text, code) in [
            ("{ nothing }", "BAD_USER_INPUT"), ("{", "BAD_USER_INPUT"), ("subscription { nothing { id } }", "BAD_USER_INPUT"),
            ("subscription { a: organizationChanges { id } b: organizationChanges { id } }", "BAD_USER_INPUT"),
            ("subscription { organizationChanges @skip(if: true) { id } }", "BAD_USER_INPUT"),
            ("subscription { organizationChanges { record { contacts(first: 1000) { nodes { organization { contacts(first: 1000) { nodes { id } } } } } } } }", "LIMIT_EXCEEDED"),
        ] {
            socket.send(&subscribe("f", text)).await;
            let codes = socket.error("f").await;
            assert!(!codes.is_empty() && codes.iter().all(|found| found == code), "{text}: {codes:?}");
        }
        let aliases: String = (0..101).map(|number| format!("a{number}: me {{ role }} ")).collect();
        for bomb in [format!("{{ {aliases} }}"), format!("subscription {{ organizationChanges {{ record {{ {} }} }} }}", "a: name b: name ".repeat(1_100))] {
            socket.send(&subscribe("b", &bomb)).await;
            assert_eq!(socket.error("b").await, ["LIMIT_EXCEEDED"]);
        }
        // Who says that they want no more gets no more.
        socket.subscribe("s", FOLLOW, json!({})).await;
        socket.send(&json!({"type": "complete", "id": "s"})).await;
        socket.subscribe("t", FOLLOW, json!({})).await;
        admin.create("Organization", json!({"name": "x"})).await;
        assert_eq!(socket.next("t").await["organizationChanges"]["kind"], "CREATED");
        socket.send(&json!({"type": "ping"})).await;
        assert_eq!(socket.receive().await, json!({"type": "pong"}));
        // Without a token one is anonymous, and may do nothing.
        let mut nobody = server.anonymous().websocket().await;
        nobody.send(&subscribe("q", "{ organizations { totalCount } }")).await;
        assert_eq!(nobody.error("q").await, ["BAD_USER_INPUT"]);
        nobody.send(&subscribe("s", FOLLOW)).await;
        assert_eq!(nobody.error("s").await, ["BAD_USER_INPUT"]);
    }

    async fn a_stream_of_events_answers_any_operation(server: Server) {
        let admin = server.admin().await;
        let mut events = admin.events("{ me { role } }", json!({})).await;
        assert_eq!(events.data().await, json!({"me": {"role": "administrator"}}));
        assert_eq!(events.next().await, Some(("complete".to_owned(), Value::Null)));
        assert_eq!(events.next().await, None);
        assert_eq!(admin.events("{ nothing }", json!({})).await.errors().await, ["BAD_USER_INPUT"]);
        assert_eq!(admin.events("subscription { nothing { id } }", json!({})).await.errors().await, ["BAD_USER_INPUT"]);
        assert_eq!(server.anonymous().events(FOLLOW, json!({})).await.errors().await, ["BAD_USER_INPUT"]);
        let mut events = admin.events(FOLLOW, json!({})).await;
        let id = admin.create("Organization", json!({"name": "x"})).await;
        assert_eq!(events.data().await, json!({"organizationChanges": {"kind": "CREATED", "id": id}}));
        // Without a stream there is nothing to answer with.
        let answer = admin.query(FOLLOW).await;
        assert_eq!((answer.status, answer.codes()), (400, vec!["BAD_USER_INPUT"]));
        assert!(answer.text.contains("text/event-stream"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_open_no_websocket() {
    let server = Launch::new(Backend::Sqlite).arguments(["--cors-origin", "https://app.example.org"]).start().await;
    let admin = server.admin().await;
    let own = server.address();
    for origin in [own.as_str(), &own.replace("127.0.0.1", "localhost"), "https://app.example.org"] {
        assert!(admin.open_websocket(&[PROTOCOL, ("origin", origin)]).await.is_ok(), "{origin}");
    }
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "https://app.example.org.evil.example"] {
        assert_eq!(admin.open_websocket(&[PROTOCOL, ("origin", origin)]).await.err(), Some(403), "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_and_their_operations_are_bounded() {
    let limits = ["connections=4", "connections-per-caller=2", "operations-per-connection=2"];
    let server =
        Launch::new(Backend::Sqlite).arguments(limits.iter().flat_map(|limit| ["--limit", limit])).start().await;
    let admin = server.admin().await;
    let mut first = admin.websocket().await;
    for id in ["1", "2"] {
        first.subscribe(id, FOLLOW, json!({})).await;
    }
    first.send(&subscribe("3", FOLLOW)).await;
    assert_eq!(first.error("3").await, ["LIMIT_EXCEEDED"]);
    let second: WebSocket = admin.websocket().await;
    let mut third = admin.unbegun_websocket().await;
    let token = format!("Bearer {}", admin.token().expect("a token"));
    third.send(&json!({"type": "connection_init", "payload": {"authorization": token}})).await;
    assert_eq!(third.closed().await, 1013);
    drop(third);
    // Two of others fill the house.
    let others = (server.anonymous().websocket().await, server.anonymous().websocket().await);
    assert_eq!(admin.open_websocket(&[PROTOCOL]).await.err(), Some(429));
    drop((first, second));
    cardine_tests::eventually("a place is free again", || async {
        admin.open_websocket(&[PROTOCOL]).await.ok().map(drop)
    })
    .await;
    drop(others);
}
