//! `GET /files/{id}`: a file's content, by the caller's right or by an address that was made for a user.

use std::sync::Arc;

use cardine_engine::RequestContext;
use cardine_engine::files::FileRow;
use cardine_graphql::subscription::Identity;
use chrono::Utc;
use poem::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use poem::{Body, Request, Response};
use uuid::Uuid;

use super::error::ApiError;
use super::range::{Part, part_of};
use super::{Caller, context_of};
use crate::app::App;

/// What a browser may show in place; all else is offered for saving.
const SHOWN: [&str; 5] = ["image/avif", "image/gif", "image/jpeg", "image/png", "image/webp"];
/// What is named as it is, beside images, sound and films: nothing that a browser would run.
const NAMED: [&str; 9] = [
    "application/pdf",
    "application/zip",
    "application/gzip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
];
/// What a browser does with nothing.
const BYTES: &str = "application/octet-stream";

/// `GET` and `HEAD /files/{id}`.
pub async fn download(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let id = request.raw_path_param("id").filter(|id| id.len() == Uuid::nil().to_string().len());
    let id = id.and_then(|id| Uuid::try_parse(id).ok()).ok_or_else(ApiError::not_found)?;
    let context = match request.uri().query() {
        Some(query) => linked(&app, id, query)?,
        None => Caller::authenticate(&app, &request).await?.context,
    };
    let context = context.within(app.front.limits.execution);
    let file = app.engine.find_file(&context, id).await?.ok_or_else(ApiError::not_found)?;
    let tag = format!("\"{}\"", file.checksum);
    if is_named(request.headers(), header::IF_NONE_MATCH, &tag) {
        return Ok(with_headers(StatusCode::NOT_MODIFIED, &file, &tag).finish());
    }
    // A part is asked for of the content that the client has already begun with.
    let is_same =
        !request.headers().contains_key(header::IF_RANGE) || is_named(request.headers(), header::IF_RANGE, &tag);
    let range = request.header(header::RANGE).filter(|_| is_same);
    let (status, part) = match part_of(range, file.size) {
        Part::Whole => (StatusCode::OK, 0..file.size),
        Part::Some(part) => (StatusCode::PARTIAL_CONTENT, part),
        Part::None => {
            let mut response = ApiError::range_not_satisfiable(file.size).into_response();
            response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            return Ok(response);
        }
    };
    let mut response = with_headers(status, &file, &tag).header(header::CONTENT_LENGTH, part.end - part.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let place = format!("bytes {}-{}/{}", part.start, part.end - 1, file.size);
        response = response.header(header::CONTENT_RANGE, place);
    }
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let content = app.engine.read_content(&file, part).await?;
    Ok(response.body(Body::from_bytes_stream(content)))
}

/// The user that an address was made for, as of now: what they may read is asked anew.
fn linked(app: &App, file: Uuid, query: &str) -> Result<RequestContext, ApiError> {
    let user = app.front.cursors.open_file_link(file, query, Utc::now().timestamp());
    let identity = user.map(|user| Identity { user: Some(user), scopes: None, time_zone: None, languages: None });
    let context = identity.and_then(|identity| context_of(&app.engine, &identity));
    context
        .ok_or_else(|| ApiError::forbidden("This address is not valid, or no longer. Ask for the file's `url` again."))
}

fn with_headers(status: StatusCode, file: &FileRow, tag: &str) -> poem::ResponseBuilder {
    let mime_type = file.mime_type.as_str();
    let is_shown = SHOWN.contains(&mime_type);
    let is_medium = ["image/", "audio/", "video/"].iter().any(|kind| mime_type.starts_with(kind));
    let media_type = match mime_type {
        "image/svg+xml" => BYTES,
        "text/plain" => "text/plain; charset=utf-8",
        named if is_medium || NAMED.contains(&named) => named,
        _ => BYTES,
    };
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, media_type)
        .header(header::CONTENT_DISPOSITION, disposition(is_shown, &file.name))
        .header(header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'")
        // Browsers may keep it and ask whether it may still be shown.
        .header(header::CACHE_CONTROL, "private, no-cache")
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ETAG, tag)
}

/// By RFC 6266: the name in ASCII for old clients, and as it is in the form of RFC 8187.
fn disposition(is_shown: bool, name: &str) -> String {
    let how = if is_shown { "inline" } else { "attachment" };
    let plain = |character: char| {
        character.is_ascii_alphanumeric() || matches!(character, ' ' | '.' | '-' | '_' | '(' | ')' | ',' | '+' | '@')
    };
    let ascii: String = name.chars().map(|character| if plain(character) { character } else { '_' }).collect();
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) => encoded.push(char::from(byte)),
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    format!("{how}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Whether a conditional header names this tag, or any.
pub(super) fn is_named(headers: &HeaderMap, name: header::HeaderName, tag: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let mut tags = values.flat_map(|value| value.split(','));
    tags.any(|one| matches!(one.trim(), "*") || one.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        assert_eq!(
            disposition(false, "a\"; x=\"b.pdf"),
            "attachment; filename=\"a__ x__b.pdf\"; filename*=UTF-8''a%22%3B%20x%3D%22b.pdf"
        );
        assert_eq!(disposition(true, "è.png"), "inline; filename=\"_.png\"; filename*=UTF-8''%C3%A8.png");
        assert!(HeaderValue::from_str(&disposition(false, "\u{7f}\r\n\u{202e}x")).is_ok());
    }

    #[test]
    fn what_could_run_is_bytes_to_save() {
        let sent = |mime_type: &str| {
            let file = FileRow {
                id: Uuid::nil(),
                name: "x".to_owned(),
                mime_type: mime_type.to_owned(),
                size: 1,
                checksum: String::new(),
                uploader: None,
                attached: true,
            };
            let response = with_headers(StatusCode::OK, &file, "\"t\"").finish();
            let text = |name| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
            (text("content-type"), text("content-disposition").starts_with("inline"))
        };
        assert_eq!(sent("image/png"), ("image/png".to_owned(), true));
        assert_eq!(sent("image/bmp"), ("image/bmp".to_owned(), false));
        assert_eq!(sent("application/pdf"), ("application/pdf".to_owned(), false));
        assert_eq!(sent("text/plain"), ("text/plain; charset=utf-8".to_owned(), false));
        for active in ["image/svg+xml", "text/html", "text/xml", "application/x-executable", "text/javascript", "x/y"] {
            assert_eq!(sent(active), (BYTES.to_owned(), false), "{active}");
        }
    }
}
