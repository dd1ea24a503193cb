//! A client of `graphql-transport-ws` that speaks the protocol letter by letter, so that cases may also speak it wrongly.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::Client;

/// A passing case never waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of an operation, or of the connection that it was sent on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It gave a result.
    Answered,
    /// It ended with errors of these codes.
    Refused(Vec<String>),
    /// The server has closed the connection, with this code if any arrived.
    Closed(Option<u16>),
}

/// An open WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Messages that came while another one was waited for.
    unread: VecDeque<Value>,
}

impl Client {
    /// A WebSocket that this caller has begun.
    ///
    /// # Panics
    /// If it is not acknowledged.
    pub async fn websocket(&self) -> WebSocket {
        let mut socket = self.unbegun_websocket().await;
        let payload = self.token().map_or(json!({}), |token| json!({"authorization": format!("Bearer {token}")}));
        socket.send(&json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.receive().await, json!({"type": "connection_ack"}));
        socket
    }

    /// A WebSocket in which nothing was said yet, not even who calls.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn unbegun_websocket(&self) -> WebSocket {
        let socket = self.open_websocket(&[("sec-websocket-protocol", "graphql-transport-ws")]).await;
        socket.unwrap_or_else(|status| panic!("the WebSocket was refused with {status}"))
    }

    /// Asks for a WebSocket with these headers and no others.
    ///
    /// # Errors
    /// The HTTP status that refused it.
    ///
    /// # Panics
    /// If there is no answer.
    pub async fn open_websocket(&self, headers: &[(&'static str, &str)]) -> Result<WebSocket, u16> {
        let address = self.address().replacen("http", "ws", 1);
        let mut request = format!("{address}/graphql").into_client_request().expect("an address");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).expect("a header's value");
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(WebSocket { stream, unread: VecDeque::new() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("no answer from the server: {error}"),
        }
    }
}

impl WebSocket {
    /// Sends a message.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send(&mut self, message: &Value) {
        self.send_frame(Message::text(message.to_string())).await;
    }

    /// Sends any frame.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn send_frame(&mut self, frame: Message) {
        self.stream.send(frame).await.expect("the connection is open");
    }

    /// Begins an operation, and waits until the server has begun it.
    ///
    /// # Panics
    /// If the connection ends.
    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"type": "subscribe", "id": id, "payload": payload})).await;
        // The server takes messages in their order.
        self.send(&json!({"type": "ping", "payload": {"after": id}})).await;
        let pong = json!({"type": "pong", "payload": {"after": id}});
        let mut earlier = VecDeque::new();
        loop {
            let message = self.receive().await;
            if message == pong {
                break;
            }
            earlier.push_back(message);
        }
        self.unread = earlier;
    }

    /// The next message.
    ///
    /// # Panics
    /// If the connection ends instead.
    pub async fn receive(&mut self) -> Value {
        if let Some(message) = self.unread.pop_front() {
            return message;
        }
        loop {
            match self.frame().await {
                Some(Message::Text(text)) => return serde_json::from_str(&text).expect("messages are JSON"),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("expected a message, got {other:?}"),
            }
        }
    }

    /// The data of the next result, which must be one of the operation.
    ///
    /// # Panics
    /// If anything else comes.
    pub async fn next(&mut self, id: &str) -> Value {
        let message = self.receive().await;
        assert!(message["type"] == "next" && message["id"] == id, "expected a result of {id}, got {message:#}");
        assert!(message["payload"].get("errors").is_none(), "expected data without errors, got {message:#}");
        message["payload"]["data"].clone()
    }

    /// The codes of the errors with which the operation ends.
    ///
    /// # Panics
    /// If anything else comes.
    pub async fn error(&mut self, id: &str) -> Vec<String> {
        let message = self.receive().await;
        assert!(message["type"] == "error" && message["id"] == id, "expected errors of {id}, got {message:#}");
        codes(&message["payload"])
    }

    /// Sends a frame that the server may not take to the end.
    pub async fn throw(&mut self, frame: Message) {
        // What becomes of it, is told by what comes back.
        let _ = self.stream.send(frame).await;
    }

    /// Waits for what becomes of the operation `id`. Other messages are passed over; a pong with this `id` counts as an answer.
    ///
    /// # Panics
    /// If nothing comes for a minute.
    pub async fn fate(&mut self, id: &str) -> Fate {
        loop {
            let frame = timeout(PATIENCE, self.stream.next()).await.expect("the server says something within a minute");
            let text = match frame {
                Some(Ok(Message::Text(text))) => text,
                Some(Ok(Message::Close(close))) => return Fate::Closed(close.map(|close| close.code.into())),
                Some(Ok(_)) => continue,
                Some(Err(_)) | None => return Fate::Closed(None),
            };
            let message: Value = serde_json::from_str(&text).expect("messages are JSON");
            let is_pong = message["type"] == "pong" && message["payload"]["id"] == id;
            match message["type"].as_str() {
                Some("error") if message["id"] == id => return Fate::Refused(codes(&message["payload"])),
                Some("next") if message["id"] == id => return Fate::Answered,
                _ if is_pong => return Fate::Answered,
                _ => {}
            }
        }
    }

    /// Whether the connection still serves.
    pub async fn is_alive(&mut self) -> bool {
        self.throw(Message::text(json!({"type": "ping", "payload": {"id": "alive"}}).to_string())).await;
        self.fate("alive").await == Fate::Answered
    }

    /// Waits until the server closes the connection; gives the code. What comes before is passed over.
    ///
    /// # Panics
    /// If the connection breaks instead.
    pub async fn closed(&mut self) -> u16 {
        loop {
            match self.frame().await {
                Some(Message::Close(Some(close))) => return close.code.into(),
                Some(Message::Close(None)) | None => panic!("the connection ended without a code"),
                Some(_) => {}
            }
        }
    }

    async fn frame(&mut self) -> Option<Message> {
        let frame = timeout(PATIENCE, self.stream.next()).await.expect("the server says something within a minute");
        frame.map(|frame| frame.unwrap_or_else(|error| panic!("the connection broke: {error}")))
    }
}

fn codes(errors: &Value) -> Vec<String> {
    let errors = errors.as_array().expect("a list of errors");
    errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or_default().to_owned()).collect()
}
