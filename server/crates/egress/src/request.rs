//! What is sent, and what comes back.

use std::time::Duration;

/// A request that somebody wants to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    /// Such as `POST`.
    pub method: String,
    /// An absolute address, `https://…`.
    pub url: String,
    /// By name; those that belong to the connection (`Host`, `Content-Length` …) are the client's own and refused here.
    pub headers: Vec<(String, String)>,
    /// What is sent; none and an empty one are alike.
    pub body: Vec<u8>,
    /// For all of it: waiting for one's turn, the name, the connection, the answer. At most two minutes.
    pub timeout: Duration,
    /// The answer's body.
    pub response_bytes_max: usize,
}

impl Request {
    /// Ten seconds, and an answer of 5 MiB.
    pub fn new(method: &str, url: &str) -> Self {
        Self {
            method: method.to_owned(),
            url: url.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout: Duration::from_secs(10),
            response_bytes_max: 5 << 20,
        }
    }
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// By name in lower case; those that are no text are left out.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }
}
