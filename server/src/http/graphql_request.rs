//! Takes a GraphQL request out of HTTP: a JSON body (POST) or the address's parameters (GET).

use std::pin::{Pin, pin};
use std::time::Duration;

use cardine_graphql::limits::Limits;
use cardine_graphql::protocol::{self, Requests};
use futures_util::{Stream, StreamExt as _};
use poem::http::Method;
use poem::{Body, Request};

use super::error::ApiError;
use super::negotiation::is_json;

/// How much of a body that is too long is read before the answer goes out, and for how long.
const DISCARD_BYTES_MAX: usize = 16 << 20;
const DISCARD_PATIENCE: Duration = Duration::from_secs(5);

/// What was asked, and whether it may change anything: not by GET, which browsers send from any page.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// The request.
    pub request: protocol::Request,
    /// By POST only.
    pub mutations_allowed: bool,
}

/// What a request holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// One operation, as is usual.
    One(Asked),
    /// A list, by POST.
    Batch(Vec<protocol::Request>),
}

/// Reads one operation from `request`, whose body is taken out.
pub async fn read(request: &mut Request, limits: &Limits) -> Result<Asked, ApiError> {
    match read_sent(request, &Limits { batch: 0, ..limits.clone() }).await? {
        Sent::One(asked) => Ok(asked),
        Sent::Batch(_) => Err(ApiError::bad_request("Send one request at a time.")),
    }
}

/// Reads one operation, or a list if the limits allow it, from `request`, whose body is taken out.
pub async fn read_sent(request: &mut Request, limits: &Limits) -> Result<Sent, ApiError> {
    if request.method() != Method::POST {
        let query = request.uri().query().unwrap_or_default();
        let parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        let request = protocol::Request::from_parameters(parameters, limits)?;
        return Ok(Sent::One(Asked { request, mutations_allowed: false }));
    }
    if !is_json(request.content_type()) {
        return Err(ApiError::unsupported_media_type("application/json"));
    }
    let body = read_body(request.take_body(), limits.body_bytes).await?;
    Ok(match Requests::from_body(&body, limits)? {
        Requests::One(request) => Sent::One(Asked { request, mutations_allowed: true }),
        Requests::Batch(requests) => Sent::Batch(requests),
    })
}

/// The whole body, refused if it is longer than `limit_bytes`.
pub async fn read_body(body: Body, limit_bytes: usize) -> Result<bytes::Bytes, ApiError> {
    let broke_off = |_| ApiError::bad_request("The body broke off.");
    let mut parts = pin!(body.into_bytes_stream());
    // Most bodies come in one part, which is taken as it is.
    let mut first = bytes::Bytes::new();
    let mut whole = Vec::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(broke_off)?;
        if first.len().max(whole.len()) + part.len() > limit_bytes {
            discard(parts).await;
            return Err(ApiError::too_large(limit_bytes));
        }
        if first.is_empty() {
            first = part;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&part);
    }
    Ok(if whole.is_empty() { first } else { whole.into() })
}

/// A client that is still sending when the connection is closed does not see the answer; so a little more is taken.
pub async fn discard(mut parts: Pin<&mut impl Stream<Item = Result<bytes::Bytes, std::io::Error>>>) {
    let discarded = async {
        let mut bytes = 0;
        while let Some(Ok(part)) = parts.next().await {
            bytes += part.len();
            if bytes > DISCARD_BYTES_MAX {
                return;
            }
        }
    };
    if tokio::time::timeout(DISCARD_PATIENCE, discarded).await.is_err() {
        tracing::debug!("a body that is too long was still being sent when the answer went out");
    }
}

#[cfg(test)]
mod tests {
    use poem::http::StatusCode;
    use serde_json::json;

    use super::*;

    const BODY_BYTES_MAX: usize = 1 << 20;

    fn limits() -> Limits {
        Limits { body_bytes: BODY_BYTES_MAX, ..Limits::default() }
    }

    async fn post(content_type: Option<&str>, body: String) -> Result<Asked, ApiError> {
        let builder = Request::builder().method(Method::POST);
        let builder = match content_type {
            Some(content_type) => builder.content_type(content_type),
            None => builder,
        };
        read(&mut builder.body(body), &limits()).await
    }

    async fn get(query: &str) -> Result<Asked, ApiError> {
        let uri = format!("/graphql?{query}").parse().unwrap();
        read(&mut Request::builder().uri(uri).finish(), &limits()).await
    }

    #[tokio::test]
    async fn only_json_is_read_so_that_no_foreign_form_can_send_it() {
        let body = json!({"query": "{a}"}).to_string();
        assert!(post(Some("application/json"), body.clone()).await.unwrap().mutations_allowed);
        for content_type in [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("multipart/form-data; boundary=b"),
        ] {
            let error = post(content_type, body.clone()).await.unwrap_err();
            assert_eq!(error.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type:?}");
        }
    }

    #[tokio::test]
    async fn a_body_beyond_the_limit_is_refused() {
        let fits = json!({"query": "#".repeat(BODY_BYTES_MAX - 12)}).to_string();
        assert_eq!(fits.len(), BODY_BYTES_MAX);
        assert!(post(Some("application/json"), fits).await.is_ok());
        let beyond = json!({"query": "#".repeat(BODY_BYTES_MAX - 11)}).to_string();
        let error = post(Some("application/json"), beyond).await.unwrap_err();
        assert_eq!((error.status, error.code), (StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED"));
    }

    #[tokio::test]
    async fn a_body_comes_in_parts() {
        let read = async |parts: &[&'static str], limit_bytes: usize| {
            let parts: Vec<_> =
                parts.iter().map(|part| Ok::<_, std::io::Error>(bytes::Bytes::from_static(part.as_bytes()))).collect();
            read_body(Body::from_bytes_stream(futures_util::stream::iter(parts)), limit_bytes).await
        };
        for parts in [&[][..], &["ab"], &["ab", "cd"], &["", "ab", "", "c", "de", ""], &["a", "b", "c", "d", "e", "f"]]
        {
            let whole = parts.concat();
            assert_eq!(read(parts, whole.len()).await.unwrap(), whole.as_bytes());
            if let Some(less) = whole.len().checked_sub(1) {
                assert_eq!(read(parts, less).await.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE, "{parts:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_get_reads_the_address_and_changes_nothing() {
        let asked = get("query=%7Ba%7D&variables=%7B%22x%22%3A%22%C3%A8%22%7D&other=1").await.unwrap();
        assert_eq!((asked.request.query.as_str(), &asked.request.variables["x"]), ("{a}", &json!("è")));
        assert!(!asked.mutations_allowed);
        for faulty in ["", "query=%7Ba%7D&variables=x", "query=%7Ba%7D&query=%7Bb%7D"] {
            assert_eq!(get(faulty).await.unwrap_err().status, StatusCode::BAD_REQUEST, "{faulty}");
        }
    }
}
