//! Forms of the server's own pages: who may send them, and what they hold.

use poem::Request;

use super::error::ApiError;
use super::graphql_request::read_body;

/// The body of a form that one of this server's own pages sends.
pub async fn read_form(request: &mut Request, body_bytes_max: usize) -> Result<bytes::Bytes, ApiError> {
    let is_form = request.content_type().is_some_and(|content_type| {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    });
    if !is_form {
        return Err(ApiError::unsupported_media_type("application/x-www-form-urlencoded"));
    }
    let from_elsewhere = request.header("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none");
    if from_elsewhere {
        return Err(ApiError::forbidden("This form may be sent from this server's own page only."));
    }
    read_body(request.take_body(), body_bytes_max).await
}

/// One value of a form or query; empty if it is not there.
pub fn parameter(encoded: &[u8], name: &str) -> String {
    let mut pairs = url::form_urlencoded::parse(encoded);
    pairs.find(|(found, _)| found == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
}
