//! The one form of an error outside GraphQL: `{error: {code, message, issues}}` with its HTTP status.

use std::time::Duration;

use cardine_engine::EngineError;
use cardine_graphql::{Code, sentence};
use cardine_model::Issue;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse as _, Response};
use serde_json::json;

/// Why a request is not served. The message goes to the client: it says what is wrong and what would be right, and
/// never holds SQL, a file's path, or what the caller may not see.
#[derive(Debug)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// One of the API's error codes.
    pub code: &'static str,
    /// For the person who must act.
    pub message: String,
    /// Every faulty input, by its path.
    pub issues: Vec<Issue>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), issues: Vec::new(), headers: Vec::new() }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_USER_INPUT", message)
    }

    /// 422: understood, but the values break rules.
    pub fn invalid(message: impl Into<String>, issues: Vec<Issue>) -> Self {
        Self { issues, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "VALIDATION_FAILED", message) }
    }

    /// 401: who calls is not known, or no longer.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", message)
            .header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: known, but it may not be done.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", message)
    }

    /// 404.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "There is nothing at this address.")
    }

    /// 405: the address is right and the method is not; `allowed` lists those that are.
    pub fn method_not_allowed(allowed: &str) -> Self {
        let message = format!("This address answers to {allowed} only.");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "BAD_USER_INPUT", message);
        let allow = HeaderValue::from_str(allowed).expect("methods are ASCII");
        error.header(header::ALLOW, allow)
    }

    /// 406: none of the media types that the client accepts can be had.
    pub fn not_acceptable(offered: &str) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "BAD_USER_INPUT", format!("Accept one of: {offered}."))
    }

    /// 422: understood, but it takes longer than `limit`.
    pub fn time_limit(limit: Duration) -> Self {
        let message = format!("The limit of {} s of execution is exceeded.", limit.as_secs_f64());
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "LIMIT_EXCEEDED", message)
    }

    /// 409: it does not go together with what is there.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "CONFLICT", message)
    }

    /// 413: the body is longer than `limit_bytes`.
    pub fn too_large(limit_bytes: usize) -> Self {
        let message = format!("The request's body is longer than {limit_bytes} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED", message)
    }

    /// 413: the file is too long; `message` tells the limit.
    pub fn file_too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED", message)
    }

    /// 416: the content of `size` bytes has no such part.
    pub fn range_not_satisfiable(size: u64) -> Self {
        let message = format!("The file has {size} bytes, and no such part.");
        let error = Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "BAD_USER_INPUT", message);
        let range = HeaderValue::from_str(&format!("bytes */{size}")).expect("digits are ASCII");
        error.header(header::CONTENT_RANGE, range)
    }

    /// 415: the body's media type is not understood here.
    pub fn unsupported_media_type(wanted: &str) -> Self {
        let message = format!("Send the body with the header Content-Type: {wanted}.");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_USER_INPUT", message)
    }

    /// 429: not before `wait_seconds` have passed.
    pub fn too_many_requests(wait_seconds: u64) -> Self {
        let message = format!("Too many attempts. Try again in {wait_seconds} s.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "LIMIT_EXCEEDED", message)
            .header(header::RETRY_AFTER, HeaderValue::from(wait_seconds))
    }

    /// 429: as many as may be are there already.
    pub fn too_many(message: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "LIMIT_EXCEEDED", message)
    }

    /// 502 or 504: a plugin that should answer has failed.
    pub fn plugin_failed(status: StatusCode, message: impl Into<String>) -> Self {
        Self::new(status, "PLUGIN_FAILED", sentence(&message.into()))
    }

    /// 503: not before `wait_seconds` have passed.
    pub fn later(message: impl Into<String>, wait_seconds: u64) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", sentence(&message.into()))
            .header(header::RETRY_AFTER, HeaderValue::from(wait_seconds))
    }

    /// 503: for a moment only.
    pub fn unavailable() -> Self {
        let message = "The database cannot be reached for the moment. Try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// 503: not on this server, as it is configured.
    pub fn unavailable_here(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
    }

    /// 500: a fault of the server; the cause stands in its log under the request's id.
    pub fn internal() -> Self {
        let message = "The server failed. Its log tells why, under this answer's X-Request-Id.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL", message)
    }

    fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// What is sent.
    pub fn into_response(self) -> Response {
        let error = json!({"code": self.code, "message": self.message, "issues": self.issues});
        self.with_body(json!({"error": error}).to_string(), "application/json; charset=utf-8")
    }

    /// What is sent by an endpoint that speaks GraphQL: `{errors: [{message, extensions}]}`.
    pub fn into_graphql_response(self, media_type: &'static str) -> Response {
        let mut extensions = json!({"code": self.code});
        if !self.issues.is_empty() {
            extensions["issues"] = json!(self.issues);
        }
        let body = json!({"errors": [{"message": self.message, "extensions": extensions}]});
        self.with_body(body.to_string(), media_type)
    }

    fn with_body(self, body: String, media_type: &'static str) -> Response {
        let mut response = (self.status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        response.headers_mut().extend(self.headers);
        response
    }
}

/// What poem itself refuses, in our form.
impl From<poem::Error> for ApiError {
    fn from(error: poem::Error) -> Self {
        match error.status() {
            StatusCode::NOT_FOUND => Self::not_found(),
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
            status => Self::new(status, "BAD_USER_INPUT", "The request is malformed."),
        }
    }
}

/// A GraphQL request that is refused before it runs.
impl From<cardine_graphql::Error> for ApiError {
    fn from(error: cardine_graphql::Error) -> Self {
        Self { issues: error.issues, ..Self::new(StatusCode::BAD_REQUEST, error.code.as_str(), error.message) }
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let cardine_graphql::Error { code, message, issues, .. } = error.into();
        let status = match code {
            Code::Unavailable => return Self::unavailable(),
            Code::Internal => return Self::internal(),
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::Conflict => StatusCode::CONFLICT,
            Code::Forbidden => StatusCode::FORBIDDEN,
            Code::Unauthenticated => StatusCode::UNAUTHORIZED,
            Code::BadUserInput => StatusCode::BAD_REQUEST,
            Code::ValidationFailed | Code::LimitExceeded | Code::PluginFailed => StatusCode::UNPROCESSABLE_ENTITY,
        };
        Self { issues, ..Self::new(status, code.as_str(), message) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_the_engine_is_told_as_a_sentence_with_its_code() {
        let error = ApiError::from(EngineError::Forbidden("only administrators may do this".to_owned()));
        assert_eq!((error.status.as_u16(), error.code), (403, "FORBIDDEN"));
        assert_eq!(error.message, "Only administrators may do this.");
        assert_eq!(ApiError::from(EngineError::Unavailable).status.as_u16(), 503);
        assert_eq!(ApiError::from(EngineError::NotFound).code, "NOT_FOUND");
    }

    #[tokio::test]
    async fn an_answer_has_the_headers_of_its_status() {
        let response = ApiError::too_many_requests(8).into_response();
        assert_eq!((response.status().as_u16(), response.header("retry-after")), (429, Some("8")));
        let response = ApiError::method_not_allowed("GET").into_response();
        assert_eq!((response.status().as_u16(), response.header("allow")), (405, Some("GET")));
        let response = ApiError::unauthenticated("x").into_response();
        assert_eq!((response.status().as_u16(), response.header("www-authenticate")), (401, Some("Bearer")));
    }
}
