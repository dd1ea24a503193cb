//! Two running servers with the two worlds: asks both the same, and compares what they say to the byte.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cardine_tests::{Client, Server};
use reqwest::Method;
use serde_json::{Value as Json, json};

use super::base::{apart, caller, started};
use super::diverge::Twins;
use super::operation::Operation;
use super::profile::Profile;

pub struct Pair {
    pub callers: [Client; 2],
    pub admins: [Client; 2],
    servers: [Server; 2],
}

/// Where two answers are not alike.
#[derive(Debug)]
pub struct Difference {
    pub a: String,
    pub b: String,
}

/// What a caller is told.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    status: u16,
    headers: Vec<(String, String)>,
    pub text: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {} {:?}\n    {}", self.status, self.headers, self.text)
    }
}

/// Zones of callers, which periods and days depend on.
const ZONES: [&str; 3] = ["UTC", "Europe/Rome", "America/New_York"];

impl Pair {
    /// Starts copies of the two worlds, with points in the words of `CARDINE_TEST_FAILPOINTS`.
    pub async fn start(twins: &Arc<Twins>, profile: &Profile, points: &str) -> Pair {
        let start = |which: fn(&Twins) -> &Server| {
            let (twins, points) = (Arc::clone(twins), points.to_owned());
            started(move || {
                let mut server = which(&twins).copy();
                server.set_variable("CARDINE_TEST_FAILPOINTS", &points);
                server
            })
        };
        let (a, b) = tokio::join!(start(|twins| &twins.a), start(|twins| &twins.b));
        let (one, other, admin, other_admin) =
            tokio::join!(caller(&a, profile), caller(&b, profile), a.admin(), b.admin());
        Pair { callers: [one, other], admins: [admin, other_admin], servers: [a, b] }
    }

    /// Ends the servers and removes their worlds.
    pub async fn end(self) {
        apart(move || async move { drop(self.servers) }).await;
    }

    /// What both say, or where they are not alike.
    pub async fn ask(&self, operation: &Operation, moment: &str) -> Result<Said, Box<Difference>> {
        let (text, variables) = operation.request();
        self.ask_text(&text, variables, moment).await
    }

    /// The same of an operation's text.
    pub async fn ask_text(&self, text: &str, variables: Json, moment: &str) -> Result<Said, Box<Difference>> {
        let body = json!({"query": text, "variables": variables});
        let zone = ZONES[text.len() % ZONES.len()];
        let [a, b] = &self.callers;
        let (a, b) = tokio::join!(send(a, &body, zone, moment), send(b, &body, zone, moment));
        alike(a, b)
    }

    /// How long one of them takes to answer.
    pub async fn time(&self, world: usize, operation: &Operation, moment: &str) -> Duration {
        let (text, variables) = operation.request();
        let body = json!({"query": text, "variables": variables});
        let asked = Instant::now();
        send(&self.callers[world], &body, ZONES[0], moment).await;
        asked.elapsed()
    }

    /// The schema's text.
    pub async fn ask_sdl(&self) -> Result<Said, Box<Difference>> {
        let [a, b] = &self.callers;
        let get = |caller: &Client| said(caller.request(Method::GET, "/graphql/schema.graphql"));
        let (a, b) = tokio::join!(get(a), get(b));
        alike(a, b)
    }
}

fn alike(a: Said, b: Said) -> Result<Said, Box<Difference>> {
    if a == b { Ok(a) } else { Err(Box::new(Difference { a: a.to_string(), b: b.to_string() })) }
}

async fn send(caller: &Client, body: &Json, zone: &str, moment: &str) -> Said {
    let request = caller
        .request(Method::POST, "/graphql")
        .header("accept", "application/graphql-response+json")
        .header("time-zone", zone)
        .header("cardine-test-moment", moment);
    said(request.json(body)).await
}

/// All headers but those that name the request and the time of day.
async fn said(request: reqwest::RequestBuilder) -> Said {
    let response = request.send().await.expect("the server answers");
    let header = |(name, value): (&reqwest::header::HeaderName, &reqwest::header::HeaderValue)| {
        (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let told = |(name, _): &(String, String)| !["date", "x-request-id"].contains(&name.as_str());
    let mut headers: Vec<(String, String)> = response.headers().iter().map(header).filter(told).collect();
    headers.sort();
    let status = response.status().as_u16();
    Said { status, headers, text: response.text().await.expect("a text") }
}
