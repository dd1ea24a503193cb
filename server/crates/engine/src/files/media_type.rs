//! The media type of a content by its first bytes: neither its name nor what the client says of it is trusted.

/// As many bytes are enough.
pub(super) const HEAD_BYTES: usize = 8 * 1024;

/// What is known of a content of which nothing else is.
const BYTES: &str = "application/octet-stream";

/// The media type of a content that begins with `head`.
pub(super) fn of_head(head: &[u8]) -> &'static str {
    let text = text_of(head);
    if let Some(markup) = text.and_then(markup) {
        return markup;
    }
    match infer::get(head) {
        Some(found) => found.mime_type(),
        None if text.is_some() => "text/plain",
        None => BYTES,
    }
}

/// The head as text, if it is some: UTF-8 without control characters. A character may be cut in two at the end.
fn text_of(head: &[u8]) -> Option<&str> {
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => std::str::from_utf8(&head[..error.valid_up_to()]).ok()?,
        Err(_) => return None,
    };
    let is_text =
        text.chars().all(|character| !character.is_control() || matches!(character, '\t' | '\n' | '\r' | '\u{c}'));
    is_text.then_some(text)
}

/// What browsers would run or take for a document, wherever the first mark stands that tells.
fn markup(text: &str) -> Option<&'static str> {
    let text = text.trim_start_matches(['\u{feff}']).trim_start();
    if !text.starts_with('<') {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    Some(if lower.contains("<svg") {
        "image/svg+xml"
    } else if lower.contains("<html")
        || lower.contains("<!doctype html")
        || lower.contains("<script")
        || !lower.starts_with("<?xml")
    {
        "text/html"
    } else {
        "text/xml"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_its_type() {
        for (head, mime_type) in [
            (&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a", "image/gif"),
            (b"%PDF-1.7\n", "application/pdf"),
            (b"PK\x03\x04\x14\0", "application/zip"),
            (&[b"\x7fELF\x02".as_slice(), &[0; 60]].concat(), "application/x-executable"),
            (b"MZ\x90\0\x03", "application/vnd.microsoft.portable-executable"),
            (b"plain words\n", "text/plain"),
            ("Übung".as_bytes(), "text/plain"),
            (&"Übung".as_bytes()[..1], "text/plain"),
            (b"<!DOCTYPE html><p>", "text/html"),
            (b"  \n<a href=x>", "text/html"),
            (b"<?xml version=\"1.0\"?><svg onload=alert(1)>", "image/svg+xml"),
            ("\u{feff}<!-- x --><SVG>".as_bytes(), "image/svg+xml"),
            (b"<?xml version=\"1.0\"?><note/>", "text/xml"),
            (b"\0\x01\x02\x03", BYTES),
            (b"\xfe\xff\0<", BYTES),
        ] {
            assert_eq!(of_head(head), mime_type, "{head:?}");
        }
    }
}
