//! The messages of `graphql-transport-ws` (<https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverWebSocket.md>)
//! and the codes that it closes connections with; the connection itself is the server's.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json, json};

use crate::error::Error;
use crate::extent;
use crate::limits::Limits;
use crate::protocol::Request;

/// The sub-protocol's name.
pub const SUB_PROTOCOL: &str = "graphql-transport-ws";

/// What a client says.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Begins the connection.
    ConnectionInit(Map<String, Json>),
    /// Wants a pong.
    Ping(Option<Json>),
    /// Answers a ping.
    Pong,
    /// Begins an operation.
    Subscribe {
        /// The client's name for it.
        id: String,
        /// The operation.
        request: Request,
    },
    /// Begins an operation whose variables hold more than any may.
    Excessive {
        /// The client's name for it.
        id: String,
        /// The bound.
        error: Error,
    },
    /// Ends an operation.
    Complete {
        /// The client's name for it.
        id: String,
    },
}

/// Why a connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Close {
    /// A message that is none of the protocol.
    InvalidMessage(String),
    /// An operation before the connection was acknowledged.
    Unauthorized,
    /// The token is not good, or no longer.
    Forbidden,
    /// The client does not speak the sub-protocol.
    SubProtocolNotAcceptable,
    /// The client did not begin the connection in time.
    InitialisationTimeout,
    /// An operation with this name runs already.
    SubscriberExists(String),
    /// The connection was begun already.
    TooManyInitialisations,
    /// A fault of the server.
    Internal,
    /// What came is no WebSocket frame.
    Malformed,
    /// A text is no UTF-8.
    NotText,
    /// A message is longer than a request may be.
    TooLong,
    /// The server ends; connect again.
    GoingAway,
    /// The server has as many connections as it takes, or its database is away; try later.
    TryAgainLater(String),
}

/// Longest reason of a close frame, in bytes (<https://www.rfc-editor.org/rfc/rfc6455#section-5.5>).
const REASON_MAX: usize = 123;

impl Close {
    /// The code of the close frame.
    pub fn code(&self) -> u16 {
        match self {
            Self::InvalidMessage(_) => 4400,
            Self::Unauthorized => 4401,
            Self::Forbidden => 4403,
            Self::SubProtocolNotAcceptable => 4406,
            Self::InitialisationTimeout => 4408,
            Self::SubscriberExists(_) => 4409,
            Self::TooManyInitialisations => 4429,
            Self::Internal => 4500,
            Self::GoingAway => 1001,
            Self::Malformed => 1002,
            Self::NotText => 1007,
            Self::TooLong => 1009,
            Self::TryAgainLater(_) => 1013,
        }
    }

    /// Its reason, short enough for a close frame.
    pub fn reason(&self) -> String {
        let mut reason = match self {
            Self::InvalidMessage(what) => what.clone(),
            Self::Unauthorized => "Unauthorized".to_owned(),
            Self::Forbidden => "Forbidden".to_owned(),
            Self::SubProtocolNotAcceptable => "Subprotocol not acceptable".to_owned(),
            Self::InitialisationTimeout => "Connection initialisation timeout".to_owned(),
            Self::SubscriberExists(id) => format!("Subscriber for {id} already exists"),
            Self::TooManyInitialisations => "Too many initialisation requests".to_owned(),
            Self::Internal => "Internal server error".to_owned(),
            Self::GoingAway => "The server ends".to_owned(),
            Self::Malformed => "Malformed frame".to_owned(),
            Self::NotText => "Text that is no UTF-8".to_owned(),
            Self::TooLong => "Message too long".to_owned(),
            Self::TryAgainLater(why) => why.clone(),
        };
        let end = (0..=REASON_MAX.min(reason.len())).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
        reason.truncate(end);
        reason
    }
}

/// A message before its payload is looked at: that may be long, and is bounded by what stands in it.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", default)]
    kind: Option<Json>,
    #[serde(default)]
    id: Option<Json>,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
}

impl ClientMessage {
    /// Reads a message. What is wrong with it is told with the close.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, Close> {
        // A list would be read as its members in their order.
        let message = text.trim_start().starts_with('{').then(|| serde_json::from_str(text).ok()).flatten();
        let Some(Envelope { kind, id, payload }) = message else {
            return Err(invalid("Invalid message: it must be a JSON object"));
        };
        let id = match id {
            Some(Json::String(id)) if !id.is_empty() => Some(id),
            None => None,
            Some(_) => return Err(invalid("Invalid message: `id` must be a string that is not empty")),
        };
        let with_id = |id: Option<String>| id.ok_or_else(|| invalid("Invalid message: `id` is missing"));
        let kind = kind.as_ref().and_then(Json::as_str);
        if let (Some("subscribe"), Some(id), Some(payload)) = (kind, &id, payload)
            && let Err(error) = extent::check(payload.get().as_bytes(), 1, limits)
        {
            return Ok(Self::Excessive { id: id.clone(), error });
        }
        let payload = payload.map(|payload| serde_json::from_str::<Json>(payload.get()).unwrap_or(Json::Bool(false)));
        if payload.as_ref().is_some_and(|payload| !payload.is_object()) {
            return Err(invalid("Invalid message: `payload` must be an object, not too deep"));
        }
        match kind {
            Some("connection_init") => Ok(Self::ConnectionInit(object(payload).unwrap_or_default())),
            Some("ping") => Ok(Self::Ping(payload)),
            Some("pong") => Ok(Self::Pong),
            Some("complete") => Ok(Self::Complete { id: with_id(id)? }),
            Some("subscribe") => {
                let id = with_id(id)?;
                let parts = object(payload).ok_or_else(|| invalid("Invalid message: `payload` is missing"))?;
                let request = Request::from_parts(parts)
                    .map_err(|error| invalid(&format!("Invalid message: {}", error.message)))?;
                Ok(Self::Subscribe { id, request })
            }
            Some(_) => Err(invalid("Invalid message: its `type` is none of the protocol")),
            None => Err(invalid("Invalid message: `type` must be a string")),
        }
    }
}

fn object(payload: Option<Json>) -> Option<Map<String, Json>> {
    match payload {
        Some(Json::Object(object)) => Some(object),
        _ => None,
    }
}

fn invalid(what: &str) -> Close {
    Close::InvalidMessage(what.to_owned())
}

/// Acknowledges the connection.
pub fn connection_ack() -> String {
    json!({"type": "connection_ack"}).to_string()
}

/// Answers a ping, with what it brought.
pub fn pong(payload: Option<Json>) -> String {
    match payload {
        Some(payload) => json!({"type": "pong", "payload": payload}),
        None => json!({"type": "pong"}),
    }
    .to_string()
}

/// A result of an operation; `body` is the whole answer as JSON.
pub fn next(id: &str, body: &[u8]) -> String {
    let id = quoted(id);
    let mut message = Vec::with_capacity(body.len() + id.len() + 40);
    message.extend_from_slice(b"{\"id\":");
    message.extend_from_slice(id.as_bytes());
    message.extend_from_slice(b",\"type\":\"next\",\"payload\":");
    message.extend_from_slice(body);
    message.push(b'}');
    String::from_utf8(message).expect("an answer is JSON, which is UTF-8")
}

/// Ends an operation that failed before or instead of giving results.
pub fn error(id: &str, errors: &[Error]) -> String {
    let errors: Vec<Json> = errors.iter().map(Error::to_json).collect();
    error_of_json(id, &Json::Array(errors))
}

/// The same with errors that are JSON already.
pub fn error_of_json(id: &str, errors: &Json) -> String {
    json!({"id": id, "type": "error", "payload": errors}).to_string()
}

/// Ends an operation that has given all its results.
pub fn complete(id: &str) -> String {
    json!({"id": id, "type": "complete"}).to_string()
}

fn quoted(text: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_protocol_are_read() {
        let parse = |text: Json| ClientMessage::parse(&text.to_string(), &Limits::default()).unwrap();
        let init = parse(json!({"type": "connection_init", "payload": {"authorization": "Bearer x"}}));
        assert_eq!(
            init,
            ClientMessage::ConnectionInit(json!({"authorization": "Bearer x"}).as_object().unwrap().clone())
        );
        assert_eq!(parse(json!({"type": "connection_init"})), ClientMessage::ConnectionInit(Map::new()));
        assert_eq!(parse(json!({"type": "ping", "payload": null})), ClientMessage::Ping(None));
        assert_eq!(parse(json!({"type": "ping", "payload": {"a": 1}})), ClientMessage::Ping(Some(json!({"a": 1}))));
        assert_eq!(parse(json!({"type": "pong"})), ClientMessage::Pong);
        assert_eq!(parse(json!({"type": "complete", "id": "1"})), ClientMessage::Complete { id: "1".to_owned() });
        let request = json!({"query": "{ a }", "variables": {"x": 1}, "operationName": "A"});
        let ClientMessage::Subscribe { id, request } =
            parse(json!({"type": "subscribe", "id": "1", "payload": request}))
        else {
            panic!("a subscribe message")
        };
        assert_eq!((id.as_str(), request.query.as_str(), request.operation_name.as_deref()), ("1", "{ a }", Some("A")));
    }

    #[test]
    fn anything_else_closes_with_4400() {
        let query = json!({"query": "{ a }"});
        for text in [
            "".to_owned(),
            "nonsense".to_owned(),
            "[]".to_owned(),
            "null".to_owned(),
            "[".repeat(100_000),
            json!({}).to_string(),
            json!({"type": 1}).to_string(),
            json!({"type": "start", "id": "1"}).to_string(),
            json!({"type": "ping", "payload": "x"}).to_string(),
            json!(["ping", "1", null]).to_string(),
            format!("{{\"type\":\"ping\",\"payload\":{{\"a\":{}{}}}}}", "[".repeat(50_000), "]".repeat(50_000)),
            json!({"type": "connection_init", "payload": [1]}).to_string(),
            json!({"type": "complete"}).to_string(),
            json!({"type": "complete", "id": ""}).to_string(),
            json!({"type": "complete", "id": 1}).to_string(),
            json!({"type": "subscribe", "payload": query}).to_string(),
            json!({"type": "subscribe", "id": "1"}).to_string(),
            json!({"type": "subscribe", "id": "1", "payload": {}}).to_string(),
            json!({"type": "subscribe", "id": "1", "payload": {"query": 1}}).to_string(),
            json!({"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}).to_string(),
        ] {
            let close = ClientMessage::parse(&text, &Limits::default()).unwrap_err();
            assert_eq!(close.code(), 4400, "{text:.80}");
            assert!(close.reason().len() <= REASON_MAX);
        }
    }

    #[test]
    fn variables_beyond_the_limits_are_refused_before_they_are_read() {
        let of = |count: usize| {
            let variables = json!({"x": vec![json!({}); count]});
            let message =
                json!({"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": variables}});
            ClientMessage::parse(&message.to_string(), &Limits::default()).unwrap()
        };
        assert!(matches!(of(12_000), ClientMessage::Subscribe { .. }));
        let ClientMessage::Excessive { id, error } = of(13_000) else { panic!("too much") };
        assert_eq!((id.as_str(), error.code.as_str()), ("1", "LIMIT_EXCEEDED"));
    }

    #[test]
    fn a_long_reason_is_cut_at_a_letter() {
        let close = Close::SubscriberExists("è".repeat(200));
        assert_eq!(close.code(), 4409);
        assert!(close.reason().len() <= REASON_MAX && close.reason().starts_with("Subscriber for èè"));
    }

    #[test]
    fn results_stand_in_their_message_as_they_are() {
        let message: Json = serde_json::from_str(&next("a\"b", br#"{"data":{"x":[1,2]}}"#)).unwrap();
        assert_eq!(message, json!({"id": "a\"b", "type": "next", "payload": {"data": {"x": [1, 2]}}}));
        let message: Json = serde_json::from_str(&error("1", &[Error::input("Wrong.")])).unwrap();
        assert_eq!(message["payload"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
}
