//! What would be dear or harmful over a WebSocket is refused by the protocol's words, and nobody else notices it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cardine_tests::bombs::bombs;
use cardine_tests::{Backend, Chance, Client, Fate, Server, WebSocket, on_both_databases};
use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Asks and writes over HTTP until it is told to stop; how often it did.
async fn go_on(client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut answers = 0;
    while !stop.load(Ordering::Relaxed) || answers < 2 {
        let _ = client.query("{ me { role } organizations(first: 1) { nodes { name } } }").await.ok();
        answers += 1;
    }
    answers
}

fn subscribe(id: &str, payload: &str) -> Message {
    Message::text(format!("{{\"type\":\"subscribe\",\"id\":\"{id}\",\"payload\":{payload}}}"))
}

fn frame(bytes: Vec<u8>, opcode: OpCode, is_last: bool) -> Message {
    Message::Frame(Frame::message(bytes, opcode, is_last))
}

/// A connection that serves: the same, or a new one if it was closed.
async fn serving(client: &Client, socket: WebSocket, fate: &Fate) -> WebSocket {
    match fate {
        Fate::Closed(_) => {
            drop(socket);
            client.websocket().await
        }
        _ => socket,
    }
}

on_both_databases! {
    async fn every_bomb_is_refused_over_a_websocket_too(server: Server) {
        let admin = server.admin().await;
        let stop = Arc::new(AtomicBool::new(false));
        let neighbour = tokio::spawn(go_on(server.admin().await, Arc::clone(&stop)));
        let mut socket = admin.websocket().await;
        for bomb in bombs() {
            socket.throw(subscribe("bomb", &bomb.body)).await;
            let fate = socket.fate("bomb").await;
            match &fate {
                Fate::Refused(codes) => {
                    assert!(!codes.is_empty() && codes.len() <= 20, "{}: {codes:?}", bomb.name);
                    assert!(codes.iter().all(|code| code == bomb.code), "{}: {codes:?}", bomb.name);
                    assert!(socket.is_alive().await, "{}: the connection serves on", bomb.name);
                }
                // What is no message of the protocol, or longer than any may be. The rest of what is too long may break the
                // connection before its code arrives.
                Fate::Closed(code) => {
                    assert!(matches!(code, Some(4400 | 1009) | None), "{}: {code:?}", bomb.name);
                    assert!(code.is_some() || bomb.body.len() > 1 << 20, "{}: closed without a word", bomb.name);
                }
                Fate::Answered => panic!("{} was answered", bomb.name),
            }
            socket = serving(&admin, socket, &fate).await;
        }
        stop.store(true, Ordering::Relaxed);
        assert!(neighbour.await.expect("the neighbour got an error") >= 2);
    }

    async fn a_flood_of_operations_is_served_or_refused_one_by_one(server: Server) {
        let admin = server.admin().await;
        let follow = json!({"query": "subscription { organizationChanges { kind } }"}).to_string();
        let mut socket = admin.websocket().await;
        for number in 0..100 {
            socket.throw(subscribe(&format!("s{number}"), &follow)).await;
        }
        socket.throw(subscribe("more", &follow)).await;
        assert_eq!(socket.fate("more").await, Fate::Refused(vec!["LIMIT_EXCEEDED".to_owned()]));
        for number in 0..100 {
            socket.throw(Message::text(json!({"type": "complete", "id": format!("s{number}")}).to_string())).await;
        }
        // Completed and never begun ones are the same to it.
        for number in 0..1_000 {
            socket.throw(Message::text(json!({"type": "complete", "id": format!("x{number}")}).to_string())).await;
        }
        let question = json!({"query": "{ me { role } }"}).to_string();
        for number in 0..300 {
            let id = format!("q{number}");
            socket.throw(subscribe(&id, &question)).await;
            assert_eq!(socket.fate(&id).await, Fate::Answered);
        }
        socket.throw(subscribe("s0", &follow)).await;
        socket.throw(subscribe("s0", &follow)).await;
        assert_eq!(socket.fate("s0").await, Fate::Closed(Some(4409)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_are_none_close_the_connection_and_pieces_do_not() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let (text, binary) = (OpCode::Data(Data::Text), OpCode::Data(Data::Binary));
    let goes_on = OpCode::Data(Data::Continue);
    let ping = json!({"type": "ping", "payload": {"id": "p"}}).to_string().into_bytes();
    let (start, end) = ping.split_at(10);
    let pieces: Vec<Message> = ping
        .iter()
        .enumerate()
        .map(|(at, byte)| frame(vec![*byte], if at == 0 { text } else { goes_on }, at + 1 == ping.len()))
        .collect();
    for (what, frames, fate) in [
        ("two pieces", vec![frame(start.to_vec(), text, false), frame(end.to_vec(), goes_on, true)], Fate::Answered),
        ("a piece for each byte", pieces, Fate::Answered),
        (
            "a ping between pieces",
            vec![
                frame(start.to_vec(), text, false),
                Message::Frame(Frame::ping(vec![1])),
                frame(end.to_vec(), goes_on, true),
            ],
            Fate::Answered,
        ),
        ("no UTF-8", vec![frame(vec![b'"', 0xff, 0xfe], text, true)], Fate::Closed(Some(1007))),
        ("binary", vec![frame(ping.clone(), binary, true)], Fate::Closed(Some(4400))),
        ("a piece of nothing", vec![frame(ping.clone(), goes_on, true)], Fate::Closed(Some(1002))),
        (
            "text within text",
            vec![frame(start.to_vec(), text, false), frame(ping.clone(), text, true)],
            Fate::Closed(Some(1002)),
        ),
        ("nothing", vec![frame(Vec::new(), text, true)], Fate::Closed(Some(4400))),
        ("deep JSON", vec![Message::text("{\"type\":".to_owned() + &"[".repeat(900_000))], Fate::Closed(Some(4400))),
    ] {
        let mut socket = admin.websocket().await;
        for frame in frames {
            socket.throw(frame).await;
        }
        assert_eq!(socket.fate("p").await, fate, "{what}");
    }
    // A message may be as long as a body, in one piece or in many; while the rest comes, its end may be lost on the way.
    for frames in [
        vec![Message::text(" ".repeat(3 << 20))],
        (0..3_000).map(|at| frame(vec![b' '; 1_024], if at == 0 { text } else { goes_on }, false)).collect(),
    ] {
        let mut socket = admin.websocket().await;
        for frame in frames {
            socket.throw(frame).await;
        }
        assert!(matches!(socket.fate("p").await, Fate::Closed(Some(1009) | None)));
    }
    let _ = admin.query("{ me { role } }").await.ok();
}

/// Messages of the protocol with something changed in each.
#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_fuzzed_frames_do_no_harm() {
    const FRAMES: usize = 5_000;
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let question = json!({"query": "query Q($first: Int) { organizations(first: $first) { totalCount } }", "variables": {"first": 1}, "operationName": "Q"});
    let seeds = [
        json!({"type": "subscribe", "id": "f", "payload": question}).to_string(),
        json!({"type": "subscribe", "id": "g", "payload": {"query": "subscription { organizationChanges { kind } }"}})
            .to_string(),
        json!({"type": "complete", "id": "g"}).to_string(),
        json!({"type": "ping", "payload": {"a": [1, null, true]}}).to_string(),
        json!({"type": "pong"}).to_string(),
        json!({"type": "connection_init", "payload": {"authorization": "Bearer x"}}).to_string(),
    ];
    let snippets = [
        "{",
        "}",
        "[",
        "]",
        "\"",
        "\\",
        ":",
        ",",
        "null",
        "1e999",
        "\"id\"",
        "\u{1F986}",
        "type",
        "$first",
        "-",
        "@skip",
        "...",
        "\\ud800",
    ];
    let mut chance = Chance::new(20_260_509);
    let mut socket = admin.websocket().await;
    let mut closed = 0;
    for number in 0..FRAMES {
        let mut bytes = chance.item(&seeds).clone().into_bytes();
        for _ in 0..=chance.below(3) {
            let at = chance.below(bytes.len() + 1);
            match chance.below(5) {
                0 => bytes.truncate(at),
                1 => {
                    let snippet = chance.of(&snippets).bytes();
                    bytes.splice(at..at, snippet);
                }
                2 if at < bytes.len() => {
                    bytes.remove(at);
                }
                3 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
                _ => {
                    let end = at + chance.below(bytes.len() - at + 1);
                    let copy = bytes[at..end].to_vec();
                    bytes.extend(copy);
                }
            }
        }
        let opcode = if chance.one_in(40) { OpCode::Data(Data::Binary) } else { OpCode::Data(Data::Text) };
        socket.throw(frame(bytes, opcode, !chance.one_in(200))).await;
        let id = format!("n{number}");
        socket.throw(Message::text(json!({"type": "ping", "payload": {"id": id}}).to_string())).await;
        if let Fate::Closed(code) = socket.fate(&id).await {
            closed += 1;
            // What was sent behind a frame that is none may break the connection before its code arrives.
            assert!(
                matches!(code, Some(4400 | 4409 | 4429 | 1002 | 1007) | None),
                "frame {number} closed the connection with {code:?}"
            );
            drop(socket);
            socket = admin.websocket().await;
        }
    }
    assert!(closed > FRAMES / 10 && closed < FRAMES, "{closed} of {FRAMES} closed their connection");
    let _ = admin.query("{ me { role } }").await.ok();
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Connections that only hold a place.
#[tokio::test(flavor = "multi_thread")]
async fn silent_and_endless_clients_hold_nobody_up() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let address = server.address().replace("http://", "");
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        stream.write_all(b"POST /graphql HTTP/1.1\r\nhost: x\r\nx-a: ").await.expect("it takes the beginning");
        slow.push(stream);
    }
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(admin.unbegun_websocket().await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let neighbour = tokio::spawn(go_on(server.admin().await, Arc::clone(&stop)));
    for mut socket in idle {
        assert_eq!(socket.closed().await, 4408);
    }
    for (what, head) in [
        ("10,000 headers", (0..10_000).map(|number| format!("x-{number}: y\r\n")).collect::<String>()),
        ("a header of 2 MiB", format!("x: {}\r\n", "y".repeat(2 << 20))),
    ] {
        let mut stream = TcpStream::connect(&address).await.expect("a connection");
        let request = format!("GET /graphql HTTP/1.1\r\nhost: x\r\n{head}\r\n");
        // It may be refused before all of it was sent.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{what}: {answer:.100}");
    }
    let health = admin.request(reqwest::Method::GET, "/health/ready").send().await.expect("an answer");
    assert_eq!(health.status(), StatusCode::OK);
    stop.store(true, Ordering::Relaxed);
    assert!(neighbour.await.expect("the neighbour got an error") >= 2);
    drop(slow);
}
