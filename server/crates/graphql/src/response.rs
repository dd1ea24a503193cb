//! The whole answer: errors first, as they are what a reader looks for, then data.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use crate::error::Error;

/// Most errors beside data.
const ERRORS_MAX: usize = 20;

/// What kind of answer it is, for the transport's status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The operation was executed, maybe with errors.
    Executed,
    /// The request itself is wrong; nothing was executed. HTTP 400 under `application/graphql-response+json`.
    RequestError,
    /// A mutation by a method that must be safe. HTTP 405.
    MethodNotAllowed,
    /// Modules changed under the request, of which nothing took effect: the caller's context is made anew and the request run
    /// once more. An answer of this kind goes out only if that did not help.
    Overtaken,
}

/// An answer as it goes out.
#[derive(Debug, Clone)]
pub struct Response {
    /// JSON.
    pub body: Bytes,
    /// What kind.
    pub kind: Kind,
}

impl Response {
    /// Data as JSON bytes, without errors.
    pub fn data(data: Vec<u8>) -> Self {
        Self { body: Bytes::from(data), kind: Kind::Executed }
    }

    /// The same data with errors of parts that are null in it.
    #[must_use]
    pub(crate) fn beside(self, errors: &[Error]) -> Self {
        if errors.is_empty() {
            return self;
        }
        let errors: Json = errors.iter().take(ERRORS_MAX).map(Error::to_json).collect();
        let mut body = format!("{{\"errors\":{errors},").into_bytes();
        // Behind its opening brace.
        body.extend_from_slice(&self.body[1..]);
        Self { body: Bytes::from(body), ..self }
    }

    /// Errors of a request of which nothing was executed: there is no `data`.
    pub fn refused(errors: &[Error]) -> Self {
        Self { body: body(errors, None), kind: Kind::RequestError }
    }

    /// Errors of the execution, with which all data is null.
    pub fn failed(errors: &[Error]) -> Self {
        Self { body: body(errors, Some(Json::Null)), kind: Kind::Executed }
    }
}

fn body(errors: &[Error], data: Option<Json>) -> Bytes {
    let mut object = Map::new();
    object.insert("errors".to_owned(), errors.iter().map(Error::to_json).collect());
    if let Some(data) = data {
        object.insert("data".to_owned(), data);
    }
    Bytes::from(Json::Object(object).to_string())
}

impl Error {
    /// As it stands in the answer.
    pub fn to_json(&self) -> Json {
        let mut error = Map::new();
        error.insert("message".to_owned(), self.message.as_str().into());
        if !self.locations.is_empty() {
            let locations = self.locations.iter();
            let location =
                |position: &async_graphql_parser::Pos| json!({"line": position.line, "column": position.column});
            error.insert("locations".to_owned(), locations.map(location).collect());
        }
        if !self.path.is_empty() {
            error.insert("path".to_owned(), as_json(&self.path));
        }
        let mut extensions = Map::new();
        extensions.insert("code".to_owned(), self.code.as_str().into());
        if !self.issues.is_empty() {
            extensions.insert("issues".to_owned(), as_json(&self.issues));
        }
        if let Some(reason) = &self.reason {
            extensions.insert("reason".to_owned(), (&**reason).into());
        }
        error.insert("extensions".to_owned(), Json::Object(extensions));
        Json::Object(error)
    }
}

fn as_json(value: &impl Serialize) -> Json {
    serde_json::to_value(value).expect("paths and issues are plain data")
}
