//! Requests as they come by GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>): which parts there are
//! and of which JSON types; the transport is the server's.

use serde_json::{Map, Value as Json};

use crate::error::Error;

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
}

impl Request {
    /// The body of a `POST` of `application/json`.
    pub fn from_body(body: &[u8]) -> Result<Self, Error> {
        let json: Json = serde_json::from_slice(body).map_err(|error| {
            Error::input(format!("The body is no JSON: line {}, column {}.", error.line(), error.column()))
        })?;
        match json {
            Json::Object(parts) => Self::from_parts(parts),
            Json::Array(_) => Err(Error::input("Send one request at a time: batches are not supported.")),
            _ => Err(Error::input("The body must be a JSON object with `query`.")),
        }
    }

    /// The parameters of a `GET`, decoded; `variables` and `extensions` are JSON.
    pub fn from_parameters(parameters: impl IntoIterator<Item = (String, String)>) -> Result<Self, Error> {
        let mut parts = Map::new();
        for (name, value) in parameters {
            let value = match name.as_str() {
                "query" | "operationName" => Json::String(value),
                "variables" | "extensions" if value.is_empty() => Json::Null,
                "variables" | "extensions" => serde_json::from_str(&value)
                    .map_err(|_| Error::input(format!("The parameter `{name}` is no JSON.")))?,
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
        Ok(Self { query, operation_name, variables: object("variables")?, extensions: object("extensions")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_parts() {
        let body = br#"{"query": "{a}", "operationName": null, "variables": {"x": 1}, "extensions": {}, "other": 1}"#;
        let request = Request::from_body(body).unwrap();
        assert_eq!((request.query.as_str(), request.operation_name), ("{a}", None));
        assert_eq!(request.variables["x"], 1);
    }

    #[test]
    fn a_faulty_body_is_told_what_is_wrong() {
        for (body, message) in [
            ("", "The body is no JSON: line 1, column 0."),
            ("{\"query\": ", "The body is no JSON: line 1, column 10."),
            ("[{\"query\": \"{a}\"}]", "Send one request at a time: batches are not supported."),
            ("1", "The body must be a JSON object with `query`."),
            ("{}", "`query` is missing: it holds the GraphQL document."),
            ("{\"query\": 1}", "`query` must be a string."),
            ("{\"query\": \"{a}\", \"operationName\": 1}", "`operationName` must be a string."),
            ("{\"query\": \"{a}\", \"variables\": []}", "`variables` must be an object."),
            ("{\"query\": \"{a}\", \"extensions\": \"x\"}", "`extensions` must be an object."),
        ] {
            assert_eq!(Request::from_body(body.as_bytes()).unwrap_err().message, message);
        }
        assert!(Request::from_body("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn parameters_make_the_same_request() {
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            Request::from_parameters(pairs)
        };
        let request = pairs(&[("query", "{a}"), ("variables", "{\"x\": 1}"), ("operationName", "A")]).unwrap();
        let body = br#"{"query": "{a}", "variables": {"x": 1}, "operationName": "A"}"#;
        assert_eq!(request, Request::from_body(body).unwrap());
        assert!(pairs(&[("query", "{a}"), ("variables", "x")]).is_err());
        assert!(pairs(&[("query", "{a}"), ("query", "{b}")]).is_err());
        assert!(pairs(&[]).is_err());
    }
}
