//! A reader of server-sent events.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::Client;

/// A passing case never waits so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer that is a stream of events.
#[derive(Debug)]
pub struct EventStream {
    response: reqwest::Response,
    unread: Vec<u8>,
}

impl Client {
    /// Sends an operation to be answered by events. A subscription has begun when this returns.
    ///
    /// # Panics
    /// If the answer is none.
    pub async fn events(&self, query: &str, variables: Value) -> EventStream {
        let request = self.request(Method::POST, "/graphql").header("accept", "text/event-stream");
        let response = request.json(&json!({"query": query, "variables": variables})).send().await;
        let response = response.unwrap_or_else(|error| panic!("no answer from the server: {error:?}"));
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let status = response.status().as_u16();
        assert!(status == 200 && content_type.starts_with("text/event-stream"), "HTTP {status}, {content_type}");
        EventStream { response, unread: Vec::new() }
    }
}

impl EventStream {
    /// The name and the data of the next event; `None` at the end. Comments are passed over, and are not what is waited for.
    ///
    /// # Panics
    /// If no event comes.
    pub async fn next(&mut self) -> Option<(String, Value)> {
        let event = timeout(PATIENCE, self.next_event()).await;
        event.unwrap_or_else(|_| panic!("no event within {} s", PATIENCE.as_secs()))
    }

    async fn next_event(&mut self) -> Option<(String, Value)> {
        loop {
            while let Some(end) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..end + 2).collect();
                if let Some(event) = parse(std::str::from_utf8(&block).expect("events are text")) {
                    return Some(event);
                }
            }
            let chunk =
                self.response.chunk().await.unwrap_or_else(|error| panic!("the stream broke off: {error:?}"))?;
            self.unread.extend_from_slice(&chunk);
        }
    }

    /// The data of the next result.
    ///
    /// # Panics
    /// If anything else comes.
    pub async fn data(&mut self) -> Value {
        let (name, payload) = self.next().await.expect("the stream goes on");
        assert!(name == "next" && payload.get("errors").is_none(), "expected a result, got {name} {payload:#}");
        payload["data"].clone()
    }

    /// The codes of the errors with which it ends.
    ///
    /// # Panics
    /// If it goes on.
    pub async fn errors(&mut self) -> Vec<String> {
        let (_, payload) = self.next().await.expect("the stream goes on");
        let errors = payload["errors"].as_array().unwrap_or_else(|| panic!("expected errors, got {payload:#}"));
        let codes = errors.iter().map(|error| error["extensions"]["code"].as_str().unwrap_or_default().to_owned());
        let codes = codes.collect();
        assert_eq!(self.next().await, Some(("complete".to_owned(), Value::Null)));
        assert_eq!(self.next().await, None);
        codes
    }
}

fn parse(block: &str) -> Option<(String, Value)> {
    let mut name = None;
    let mut data = Vec::new();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("event", value)) => name = Some(value.trim_start().to_owned()),
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value)),
            _ => {}
        }
    }
    let data = data.join("\n");
    let data = if data.is_empty() { Value::Null } else { serde_json::from_str(&data).expect("data are JSON") };
    Some((name?, data))
}
