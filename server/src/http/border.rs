//! The border: what happens to every request on its way in and out, whichever route it takes.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use cardine_engine::new_request_id;
use chrono::Utc;
use futures_util::FutureExt as _;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use poem::{Endpoint, Request, Response};
use uuid::Uuid;

use super::cors;
use super::error::ApiError;
use crate::app::App;

/// What a route does with a request.
pub type Handler = fn(Arc<App>, Request) -> Answer;
/// The answer to come.
pub type Answer = Pin<Box<dyn Future<Output = Result<Response, ApiError>> + Send>>;

/// Names the request in the log, in the audit log, and in the answer's header `X-Request-Id`.
#[derive(Debug, Clone, Copy)]
pub struct RequestId(pub Uuid);

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// One path of the list of routes.
pub struct Site {
    /// As it stands in the list: the name of the route in metrics.
    pub pattern: &'static str,
    /// None: there is nothing at this path.
    pub methods: &'static [(Method, Handler)],
    /// For the handlers.
    pub app: Arc<App>,
}

impl Endpoint for Site {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let id = request_id(request.headers());
        let method = request.method().clone();
        let origin = request.headers().get(header::ORIGIN).cloned();
        request.extensions_mut().insert(RequestId(id));
        let origins = &self.app.config.cors_origins;
        let mut response = match cors::answer_preflight(origins, &method, request.headers()) {
            Some(preflight) => preflight,
            None => {
                let mut response = self.answer(&method, request).await.unwrap_or_else(ApiError::into_response);
                cors::permit_reading(origins, origin.as_ref(), response.headers_mut());
                response
            }
        };
        let mut buffer = Uuid::encode_buffer();
        let id_text: &str = id.hyphenated().encode_lower(&mut buffer);
        response.headers_mut().insert(REQUEST_ID, HeaderValue::from_str(id_text).expect("a UUID is ASCII"));
        secure(response.headers_mut());
        let (status, elapsed) = (response.status().as_u16(), started.elapsed());
        self.app.metrics.record(self.pattern, &method, status, elapsed);
        // Not the address itself: its parameters may hold a token.
        tracing::debug!(request = id_text, %method, route = self.pattern, status, ms = elapsed.as_millis() as u64, "answered");
        Ok(response)
    }
}

/// What the client calls its request, if that is a UUID: its own log and ours then name it alike. Else a new one.
fn request_id(headers: &HeaderMap) -> Uuid {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    given
        .and_then(|text| Uuid::try_parse(text).ok())
        .filter(|id| !id.is_nil())
        .unwrap_or_else(|| new_request_id(Utc::now()))
}

impl Site {
    async fn answer(&self, method: &Method, request: Request) -> Result<Response, ApiError> {
        if self.methods.is_empty() {
            return Err(ApiError::not_found());
        }
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        let Some((_, handler)) = self.methods.iter().find(|(offered, _)| offered == wanted) else {
            return Err(ApiError::method_not_allowed(&self.allowed()));
        };
        let answer = AssertUnwindSafe(handler(Arc::clone(&self.app), request)).catch_unwind().await;
        answer.unwrap_or_else(|_| {
            tracing::error!(route = self.pattern, "a request panicked");
            Err(ApiError::internal())
        })
    }

    fn allowed(&self) -> String {
        let mut methods: Vec<&str> = self.methods.iter().map(|(method, _)| method.as_str()).collect();
        if methods.contains(&"GET") {
            methods.push("HEAD");
        }
        methods.push("OPTIONS");
        methods.join(", ")
    }
}

/// Headers that keep browsers from doing what this server never needs. A page that needs more sets its own policy.
fn secure(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
