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
        let errors = message["payload"].as_array().expect("a list of errors");
        errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or_default().to_owned()).collect()
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
