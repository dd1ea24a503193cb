//! CORS exactly as configured: an origin that is listed may call the API from a page, no other; cookies are never shared.

use poem::Response;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::config::CorsOrigins;

const ALLOWED_METHODS: HeaderValue = HeaderValue::from_static("GET, POST");
const ALLOWED_HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, idempotency-key, time-zone, accept-language");
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static("x-request-id, retry-after");
/// Two hours, in seconds: what the strictest of the large browsers takes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");

/// The whole answer to a preflight; `None` if the request is none. An origin that is not listed gets an answer without
/// permission, which the browser takes as a refusal.
pub fn answer_preflight(origins: &CorsOrigins, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let is_preflight = method == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let origin = headers.get(header::ORIGIN).filter(|_| is_preflight)?;
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    if permit(origins, origin, response.headers_mut()) {
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS);
        answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS);
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    } else {
        response.set_status(StatusCode::FORBIDDEN);
    }
    Some(response)
}

/// Permits a listed origin to read an ordinary answer.
pub fn permit_reading(origins: &CorsOrigins, origin: Option<&HeaderValue>, answer: &mut HeaderMap) {
    if let Some(origin) = origin
        && permit(origins, origin, answer)
    {
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
}

fn permit(origins: &CorsOrigins, origin: &HeaderValue, answer: &mut HeaderMap) -> bool {
    // A cache must not give one origin's answer to another.
    answer.append(header::VARY, HeaderValue::from_static("origin"));
    let allowed = origin.to_str().is_ok_and(|origin| origins.allow(origin));
    if allowed {
        let value = if *origins == CorsOrigins::All { HeaderValue::from_static("*") } else { origin.clone() };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://app.example.org";

    fn listed() -> CorsOrigins {
        CorsOrigins::parse(&[ORIGIN.to_owned()]).unwrap()
    }

    fn preflight(origin: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("POST"));
        headers
    }

    #[test]
    fn a_listed_origin_passes_the_preflight() {
        let response = answer_preflight(&listed(), &Method::OPTIONS, &preflight(ORIGIN)).unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
        assert!(response.header("access-control-allow-headers").unwrap().contains("authorization"));
        assert_eq!(response.header("vary"), Some("origin"));
    }

    #[test]
    fn others_get_no_permission() {
        for (origins, origin) in
            [(listed(), "https://evil.example"), (listed(), "null"), (CorsOrigins::Listed(vec![]), ORIGIN)]
        {
            let response = answer_preflight(&origins, &Method::OPTIONS, &preflight(origin)).unwrap();
            assert_eq!(response.status(), StatusCode::FORBIDDEN);
            assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control")), "{origin}");
        }
    }

    #[test]
    fn reading_is_permitted_to_the_listed_alone_and_never_with_cookies() {
        for (origin, permitted) in [(ORIGIN, true), ("https://evil.example", false)] {
            let mut answer = HeaderMap::new();
            permit_reading(&listed(), Some(&HeaderValue::from_static(origin)), &mut answer);
            assert_eq!(answer.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), permitted);
            assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }

    #[test]
    fn what_is_no_preflight_is_left_alone() {
        assert!(answer_preflight(&listed(), &Method::POST, &preflight(ORIGIN)).is_none());
        assert!(answer_preflight(&listed(), &Method::OPTIONS, &HeaderMap::new()).is_none());
    }
}
