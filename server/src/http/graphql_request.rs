//! Reads a GraphQL request from HTTP: a JSON body (POST) or the address's parameters (GET).

use poem::http::Method;
use poem::{Body, Request};
use serde_json::{Map, Value};

use super::error::ApiError;
use super::negotiation::is_json;

/// The longest body, in bytes; files are sent elsewhere.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// A request as GraphQL over HTTP defines it, section 5.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphqlRequest {
    /// The document.
    pub query: String,
    /// Which of its operations.
    pub operation_name: Option<String>,
    /// Values of its variables.
    pub variables: Map<String, Value>,
    /// What protocols beside GraphQL add.
    pub extensions: Map<String, Value>,
    /// Whether it may change anything: not by GET, which browsers send from any page.
    pub mutations_allowed: bool,
}

impl GraphqlRequest {
    /// Reads it from `request`, whose `body` was taken out.
    pub async fn read(request: &Request, body: Body) -> Result<Self, ApiError> {
        if request.method() == Method::GET || request.method() == Method::HEAD {
            return Self::from_parameters(request.uri().query().unwrap_or_default());
        }
        if !is_json(request.content_type()) {
            return Err(ApiError::unsupported_media_type("application/json"));
        }
        Self::from_json(&read_body(body).await?)
    }

    fn from_json(bytes: &[u8]) -> Result<Self, ApiError> {
        let body = serde_json::from_slice(bytes)
            .map_err(|error| ApiError::bad_request(format!("The body is not JSON: {error}.")))?;
        match body {
            Value::Object(members) => Self::from_members(members, true),
            Value::Array(_) => Err(ApiError::bad_request("Send one operation a request: a JSON object, not a list.")),
            _ => Err(ApiError::bad_request("The body must be a JSON object with the member \"query\".")),
        }
    }

    fn from_parameters(query: &str) -> Result<Self, ApiError> {
        let mut members = Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = match &*name {
                "query" | "operationName" => Value::String(value.into_owned()),
                "variables" | "extensions" if value.is_empty() => continue,
                "variables" | "extensions" => serde_json::from_str(&value)
                    .map_err(|_| ApiError::bad_request(format!("The parameter {name:?} must be a JSON object.")))?,
                _ => continue,
            };
            if members.insert(name.clone().into_owned(), value).is_some() {
                return Err(ApiError::bad_request(format!("The parameter {name:?} is there twice.")));
            }
        }
        Self::from_members(members, false)
    }

    fn from_members(mut members: Map<String, Value>, mutations_allowed: bool) -> Result<Self, ApiError> {
        let query = match members.remove("query") {
            Some(Value::String(query)) => query,
            None | Some(Value::Null) => return Err(ApiError::bad_request("The member \"query\" is missing: the GraphQL document, as a string.")),
            Some(_) => return Err(ApiError::bad_request("The member \"query\" must be a string.")),
        };
        let operation_name = match members.remove("operationName") {
            None | Some(Value::Null) => None,
            Some(Value::String(name)) if name.is_empty() => None,
            Some(Value::String(name)) => Some(name),
            Some(_) => return Err(ApiError::bad_request("The member \"operationName\" must be a string or null.")),
        };
        let variables = object(&mut members, "variables")?;
        let extensions = object(&mut members, "extensions")?;
        Ok(Self { query, operation_name, variables, extensions, mutations_allowed })
    }
}

fn object(members: &mut Map<String, Value>, name: &str) -> Result<Map<String, Value>, ApiError> {
    match members.remove(name) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(_) => Err(ApiError::bad_request(format!("The member {name:?} must be an object or null."))),
    }
}

/// The whole body, refused as soon as it is longer than [`BODY_BYTES_MAX`].
pub async fn read_body(body: Body) -> Result<bytes::Bytes, ApiError> {
    body.into_bytes_limit(BODY_BYTES_MAX).await.map_err(|error| match error {
        poem::error::ReadBodyError::PayloadTooLarge => ApiError::too_large(BODY_BYTES_MAX),
        _ => ApiError::bad_request("The body broke off."),
    })
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use serde_json::json;

    use super::*;

    fn post(content_type: &str, body: impl Into<Body>) -> (Request, Body) {
        (Request::builder().method(Method::POST).content_type(content_type).finish(), body.into())
    }

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<GraphqlRequest, ApiError> {
        let (request, body) = post(content_type, body);
        GraphqlRequest::read(&request, body).await
    }

    #[tokio::test]
    async fn a_json_body_is_read() {
        let body = json!({"query": "query A { a }", "operationName": "A", "variables": {"x": 1}, "extensions": null, "more": true});
        let request = read("application/json", body.to_string()).await.unwrap();
        assert_eq!(request.query, "query A { a }");
        assert_eq!(request.operation_name.as_deref(), Some("A"));
        assert_eq!(request.variables["x"], 1);
        assert!(request.extensions.is_empty() && request.mutations_allowed);
    }

    #[tokio::test]
    async fn members_of_the_wrong_type_are_refused() {
        for body in [
            json!({}),
            json!({"query": null}),
            json!({"query": ["{a}"]}),
            json!({"query": {"a": 1}}),
            json!({"query": "{a}", "operationName": 1}),
            json!({"query": "{a}", "operationName": {}}),
            json!({"query": "{a}", "variables": "{}"}),
            json!({"query": "{a}", "variables": []}),
            json!({"query": "{a}", "extensions": 0}),
            json!([{"query": "{a}"}]),
            json!("{a}"),
        ] {
            let error = read("application/json", body.to_string()).await.unwrap_err();
            assert_eq!(error.status, StatusCode::BAD_REQUEST, "{body}");
        }
        for body in ["", "{", "{\"query\": \"{a}\"} trailing"] {
            assert_eq!(read("application/json", body.to_owned()).await.unwrap_err().status, StatusCode::BAD_REQUEST);
        }
    }

    #[tokio::test]
    async fn only_json_is_read_so_that_no_foreign_form_can_send_it() {
        let body = json!({"query": "{a}"}).to_string();
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b"] {
            let error = read(content_type, body.clone()).await.unwrap_err();
            assert_eq!(error.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        }
        let bare = Request::builder().method(Method::POST).finish();
        assert_eq!(GraphqlRequest::read(&bare, Body::from(body)).await.unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let fits = json!({"query": "#".repeat(BODY_BYTES_MAX - 12)}).to_string();
        assert_eq!(fits.len(), BODY_BYTES_MAX);
        assert!(read("application/json", fits).await.is_ok());
        let beyond = json!({"query": "#".repeat(BODY_BYTES_MAX - 11)}).to_string();
        assert_eq!(read("application/json", beyond).await.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_get_reads_the_address_and_changes_nothing() {
        let uri = "/graphql?query=%7Ba%7D&variables=%7B%22x%22%3A%22%C3%A8%22%7D&operationName=A&other=1";
        let request = Request::builder().method(Method::GET).uri(uri.parse().unwrap()).finish();
        let request = GraphqlRequest::read(&request, Body::empty()).await.unwrap();
        assert_eq!((request.query.as_str(), request.operation_name.as_deref()), ("{a}", Some("A")));
        assert_eq!(request.variables["x"], "è");
        assert!(!request.mutations_allowed);
        for faulty in ["", "query=%7Ba%7D&variables=x", "query=%7Ba%7D&variables=%5B%5D", "query=%7Ba%7D&query=%7Bb%7D"] {
            assert!(GraphqlRequest::from_parameters(faulty).is_err(), "{faulty}");
        }
    }
}
