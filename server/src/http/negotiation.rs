//! Which media type answers a GraphQL request: what `Accept` asks for, by RFC 9110 section 12.5.1 and GraphQL over HTTP.

/// The media types of a GraphQL answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseType {
    /// `application/graphql-response+json`: the HTTP status tells whether the request was understood.
    GraphqlResponse,
    /// `application/json`: 200 for every well-formed request, as servers did before the specification.
    Json,
    /// `text/event-stream`: a stream of results.
    EventStream,
}

impl ResponseType {
    /// The value of `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
            Self::EventStream => "text/event-stream; charset=utf-8",
        }
    }
}

/// In order of preference among those that the client likes equally well.
const OFFERED: [(ResponseType, &str, &str); 3] = [
    (ResponseType::GraphqlResponse, "application", "graphql-response+json"),
    (ResponseType::Json, "application", "json"),
    (ResponseType::EventStream, "text", "event-stream"),
];

/// The answer's type for an `Accept` header; `None` if nothing that the client accepts can be had.
///
/// Without the header, or where only a wildcard matches, it is `application/json`: the specification asks for that for
/// clients older than itself.
pub fn negotiate(accept: Option<&str>) -> Option<ResponseType> {
    let Some(accept) = accept.filter(|accept| !accept.trim().is_empty()) else {
        return Some(ResponseType::Json);
    };
    let ranges: Vec<Range<'_>> = accept.split(',').filter_map(Range::parse).collect();
    let named = OFFERED.iter().filter_map(|(offer, kind, subtype)| {
        let range = ranges.iter().find(|range| range.kind == *kind && range.subtype == *subtype)?;
        Some((*offer, range.quality))
    });
    let is_refused = |offer| named.clone().any(|(named, quality)| named == offer && quality == 0);
    let wildcard = ranges
        .iter()
        .filter(|range| range.subtype == "*" && (range.kind == "*" || range.kind == "application"))
        .map(|range| (ResponseType::Json, range.quality))
        .filter(|_| !is_refused(ResponseType::Json));
    let mut best = None;
    for (offer, quality) in named.clone().chain(wildcard) {
        if quality > 0 && best.is_none_or(|(_, found)| quality > found) {
            best = Some((offer, quality));
        }
    }
    best.map(|(offer, _)| offer)
}

/// Whether a person's browser asks for a page.
pub fn wants_html(accept: Option<&str>) -> bool {
    let ranges: Vec<Range<'_>> = accept.unwrap_or_default().split(',').filter_map(Range::parse).collect();
    ranges.iter().any(|range| range.kind == "text" && range.subtype == "html" && range.quality > 0)
}

/// One element of the header.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// In thousandths.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let quality = match quality {
            None => 1000,
            Some(text) => {
                let number: f32 = text.parse().ok().filter(|number| (0.0..=1.0).contains(number))?;
                // Both bounds were checked, and three digits are all that the header may have.
                (number * 1000.0).round() as u16
            }
        };
        Some(Self { kind, subtype, quality })
    }
}

/// Whether a `Content-Type` is JSON in UTF-8, the only kind of body that a request may have.
pub fn is_json(content_type: Option<&str>) -> bool {
    let Some(content_type) = content_type else { return false };
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    let charset = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("charset").then(|| value.trim_matches('"'))
    });
    essence.eq_ignore_ascii_case("application/json")
        && charset.is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8"))
}

#[cfg(test)]
mod tests {
    use super::ResponseType::{EventStream, GraphqlResponse, Json};
    use super::*;

    #[test]
    fn the_answer_is_what_the_client_likes_best() {
        for (accept, expected) in [
            (None, Json),
            (Some(""), Json),
            (Some("*/*"), Json),
            (Some("application/*"), Json),
            (Some("application/json"), Json),
            (Some("application/json; charset=utf-8"), Json),
            (Some("application/graphql-response+json"), GraphqlResponse),
            (Some("application/graphql-response+json, application/json;q=0.9"), GraphqlResponse),
            (Some("application/json, application/graphql-response+json"), GraphqlResponse),
            (Some("application/graphql-response+json;q=0.1, application/json;q=0.5"), Json),
            (Some("application/graphql-response+json, */*"), GraphqlResponse),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), Json),
            (Some("application/json, multipart/mixed"), Json),
            (Some("text/event-stream"), EventStream),
            (Some("text/event-stream, application/json;q=0.5"), EventStream),
        ] {
            assert_eq!(negotiate(accept), Some(expected), "{accept:?}");
        }
    }

    #[test]
    fn what_cannot_be_had_is_refused() {
        for accept in
            ["text/html", "text/*", "application/xml", "application/json;q=0", "application/json;q=0, */*", "nonsense"]
        {
            assert_eq!(negotiate(Some(accept)), None, "{accept}");
        }
    }

    #[test]
    fn only_json_in_utf_8_is_read() {
        for content_type in
            ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""]
        {
            assert!(is_json(Some(content_type)), "{content_type}");
        }
        assert!(!is_json(None));
        for content_type in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "text/plain; x=application/json",
            "application/jsonp",
        ] {
            assert!(!is_json(Some(content_type)), "{content_type}");
        }
    }

    #[test]
    fn a_page_is_for_those_who_name_html() {
        assert!(wants_html(Some("text/html,application/xhtml+xml,*/*;q=0.8")));
        assert!(!wants_html(Some("*/*")) && !wants_html(None) && !wants_html(Some("text/html;q=0")));
    }
}
