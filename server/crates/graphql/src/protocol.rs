//! Requests as they come by GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>): which parts there are
//! and of which JSON types; the transport is the server's.

use serde_json::{Map, Value as Json};

use crate::error::Error;
use crate::extent;
use crate::limits::Limits;

/// One request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// The document's text.
    pub query: String,
    /// Which of its operations; may be left out if there is only one.
    pub operation_name: Option<String>,
    /// The variables' values.
    pub variables: Map<String, Json>,
    /// What clients add; nothing is known yet.
    pub extensions: Map<String, Json>,
    /// Given by the transport: a mutation with the same key and the same parts is done once, and answered again.
    pub idempotency_key: Option<String>,
}

/// What one body holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Requests {
    /// One request, as is usual.
    One(Request),
    /// Several, which are answered by a list.
    Batch(Vec<Request>),
}

impl Requests {
    /// The body of a `POST` of `application/json`; a list is refused unless the limits allow it.
    pub fn from_body(body: &[u8], limits: &Limits) -> Result<Self, Error> {
        let batch_max = limits.batch;
        extent::check(body, batch_max.max(1), limits)?;
        match read_json(body)? {
            Json::Object(parts) => Request::from_parts(parts).map(Self::One),
            Json::Array(_) if batch_max == 0 => Err(no_batches()),
            Json::Array(items) if items.is_empty() => Err(Error::input("The list of requests is empty.")),
            Json::Array(items) if items.len() > batch_max => {
                Err(Error::limit("requests in a list", batch_max, items.len()))
            }
            Json::Array(items) => {
                items.into_iter().enumerate().map(in_batch).collect::<Result<_, _>>().map(Self::Batch)
            }
            _ => Err(no_object()),
        }
    }
}

fn in_batch((position, item): (usize, Json)) -> Result<Request, Error> {
    let request = match item {
        Json::Object(parts) => Request::from_parts(parts),
        _ => Err(no_object()),
    };
    request.map_err(|error| Error { message: format!("Request {}: {}", position + 1, error.message), ..error })
}

fn read_json(body: &[u8]) -> Result<Json, Error> {
    serde_json::from_slice(body).map_err(|error| {
        Error::input(format!("The body is no JSON: line {}, column {}.", error.line(), error.column()))
    })
}

fn no_batches() -> Error {
    Error::input("Send one request at a time: lists of requests are not served here.")
}

fn no_object() -> Error {
    Error::input("The body must be a JSON object with `query`.")
}

impl Request {
    /// The parameters of a `GET`, decoded; `variables` and `extensions` are JSON.
    pub fn from_parameters(
        parameters: impl IntoIterator<Item = (String, String)>,
        limits: &Limits,
    ) -> Result<Self, Error> {
        let mut parts = Map::new();
        for (name, value) in parameters {
            let value = match name.as_str() {
                "query" | "operationName" => Json::String(value),
                "variables" | "extensions" if value.is_empty() => Json::Null,
                "variables" | "extensions" => {
                    extent::check(value.as_bytes(), 1, limits)?;
                    serde_json::from_str(&value)
                        .map_err(|_| Error::input(format!("The parameter `{name}` is no JSON.")))?
                }
                _ => continue,
            };
            if parts.insert(name.clone(), value).is_some() {
                return Err(Error::input(format!("The parameter `{name}` is given twice.")));
            }
        }
        if parts.get("operationName") == Some(&Json::String(String::new())) {
            parts.remove("operationName");
        }
        Self::from_parts(parts)
    }

    /// The parts of a request that has been read already, such as a message of a WebSocket.
    pub fn from_parts(mut parts: Map<String, Json>) -> Result<Self, Error> {
        let query = match parts.remove("query") {
            Some(Json::String(query)) => query,
            Some(_) => return Err(Error::input("`query` must be a string.")),
            None => return Err(Error::input("`query` is missing: it holds the GraphQL document.")),
        };
        let operation_name = match parts.remove("operationName") {
            Some(Json::String(name)) => Some(name),
            Some(Json::Null) | None => None,
            Some(_) => return Err(Error::input("`operationName` must be a string.")),
        };
        let mut object = |name: &str| match parts.remove(name) {
            Some(Json::Object(object)) => Ok(object),
            Some(Json::Null) | None => Ok(Map::new()),
            Some(_) => Err(Error::input(format!("`{name}` must be an object."))),
        };
        Ok(Self {
            query,
            operation_name,
            variables: object("variables")?,
            extensions: object("extensions")?,
            idempotency_key: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str, batch: usize) -> Result<Requests, Error> {
        Requests::from_body(body.as_bytes(), &Limits { batch, ..Limits::default() })
    }

    fn one(body: &str) -> Request {
        let Requests::One(request) = read(body, 0).unwrap() else { panic!("one request") };
        request
    }

    #[test]
    fn a_body_has_its_parts() {
        let request =
            one(r#"{"query": "{a}", "operationName": null, "variables": {"x": 1}, "extensions": {}, "other": 1}"#);
        assert_eq!((request.query.as_str(), request.operation_name), ("{a}", None));
        assert_eq!(request.variables["x"], 1);
    }

    #[test]
    fn a_faulty_body_is_told_what_is_wrong() {
        for (body, message) in [
            ("", "The body is no JSON: line 1, column 0."),
            ("{\"query\": ", "The body is no JSON: line 1, column 10."),
            ("[{\"query\": \"{a}\"}]", "Send one request at a time: lists of requests are not served here."),
            ("1", "The body must be a JSON object with `query`."),
            ("{}", "`query` is missing: it holds the GraphQL document."),
            ("{\"query\": 1}", "`query` must be a string."),
            ("{\"query\": \"{a}\", \"operationName\": 1}", "`operationName` must be a string."),
            ("{\"query\": \"{a}\", \"variables\": []}", "`variables` must be an object."),
            ("{\"query\": \"{a}\", \"extensions\": \"x\"}", "`extensions` must be an object."),
        ] {
            assert_eq!(read(body, 0).unwrap_err().message, message);
        }
        assert!(read(&"[".repeat(100_000), 0).is_err());
    }

    #[test]
    fn a_list_has_as_many_requests_as_are_allowed() {
        let two = r#"[{"query": "{a}"}, {"query": "{b}", "variables": {"x": 1}}]"#;
        let Requests::Batch(requests) = read(two, 2).unwrap() else { panic!("a list") };
        assert_eq!((requests.len(), requests[1].query.as_str()), (2, "{b}"));
        assert!(matches!(read(r#"{"query": "{a}"}"#, 2), Ok(Requests::One(_))));
        for (body, most, message) in [
            (two, 0, "Send one request at a time: lists of requests are not served here."),
            (two, 1, "The limit of 1 requests in a list is exceeded: the request has 2."),
            ("[]", 2, "The list of requests is empty."),
            (r#"[{"query": "{a}"}, {}]"#, 2, "Request 2: `query` is missing: it holds the GraphQL document."),
            (r#"[[{"query": "{a}"}]]"#, 2, "Request 1: The body must be a JSON object with `query`."),
        ] {
            assert_eq!(read(body, most).unwrap_err().message, message);
        }
    }

    #[test]
    fn parameters_make_the_same_request() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Request::from_parameters(pairs, &Limits::default())
        };
        let request = pairs(&[("query", "{a}"), ("variables", "{\"x\": 1}"), ("operationName", "A")]).unwrap();
        assert_eq!(request, one(r#"{"query": "{a}", "variables": {"x": 1}, "operationName": "A"}"#));
        assert!(pairs(&[("query", "{a}"), ("variables", "x")]).is_err());
        assert!(pairs(&[("query", "{a}"), ("query", "{b}")]).is_err());
        assert!(pairs(&[]).is_err());
    }
}
