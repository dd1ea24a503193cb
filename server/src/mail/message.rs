//! A mail in the form of RFC 5322. Addresses and header fields are typed and encoded, so that no text becomes a header of its own.

use cardine_engine::mail::LeasedMail;
use chrono::DateTime;
use lettre::address::Envelope;
use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};

use super::template::Filled;

/// A mail that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsendable {
    /// Its recipient is no address.
    #[error("the recipient is no address")]
    Recipient,
    /// Something else.
    #[error("{0}")]
    Message(#[from] lettre::error::Error),
}

/// `mail`, from `from`, saying what `filled` says.
pub(super) fn message(from: &Mailbox, mail: &LeasedMail, filled: Filled) -> Result<Message, Unsendable> {
    let recipient: Address = mail.recipient.parse().map_err(|_| Unsendable::Recipient)?;
    let mut builder = Message::builder()
        .message_id(Some(format!("<{}>", mail.message_id)))
        .from(from.clone())
        .subject(one_line(&filled.subject))
        .envelope(Envelope::new(Some(from.email.clone()), vec![recipient.clone()])?);
    let address = |text: &String| text.parse().map_err(|_| Unsendable::Recipient);
    for one in &filled.to {
        builder = builder.to(Mailbox::new(None, address(one)?));
    }
    for one in &filled.cc {
        builder = builder.cc(Mailbox::new(None, address(one)?));
    }
    if filled.to.is_empty() && filled.cc.is_empty() {
        builder = builder.to(Mailbox::new(None, recipient));
    }
    if let Some(one) = &filled.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address(one)?));
    }
    if let Ok(created) = DateTime::parse_from_rfc3339(&mail.created_at) {
        builder = builder.date(created.into());
    }
    if !filled.attachments.is_empty() {
        return Ok(builder.multipart(with_files(filled))?);
    }
    Ok(match (filled.text, filled.html) {
        (Some(text), Some(html)) => builder.multipart(MultiPart::alternative_plain_html(text, html))?,
        (None, Some(html)) => builder.singlepart(SinglePart::html(html))?,
        (text, None) => builder.singlepart(SinglePart::plain(text.unwrap_or_default()))?,
    })
}

/// What the mail says, and behind it its files, which nobody's program shows in place.
fn with_files(filled: Filled) -> MultiPart {
    let mixed = MultiPart::mixed();
    let said = match (filled.text, filled.html) {
        (Some(text), Some(html)) => mixed.multipart(MultiPart::alternative_plain_html(text, html)),
        (None, Some(html)) => mixed.singlepart(SinglePart::html(html)),
        (text, None) => mixed.singlepart(SinglePart::plain(text.unwrap_or_default())),
    };
    filled.attachments.into_iter().fold(said, |whole, file| {
        let media_type = ContentType::parse(&file.mime_type).unwrap_or_else(|_| bytes());
        whole.singlepart(Attachment::new(one_line(&file.name)).body(file.content, media_type))
    })
}

fn bytes() -> ContentType {
    ContentType::parse("application/octet-stream").expect("it is a media type")
}

/// Without line breaks and other control characters.
fn one_line(text: &str) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn written(recipient: &str, subject: &str) -> Result<String, Unsendable> {
        let mail = LeasedMail {
            id: Uuid::nil(),
            message_id: "abc@cardine".to_owned(),
            recipient: recipient.to_owned(),
            template: String::new(),
            locale: String::new(),
            parameters: String::new(),
            created_at: "2026-03-01T10:00:00Z".to_owned(),
            attempts: 1,
            token: Uuid::nil(),
        };
        let (text, html) = (Some("Hello\r\n.\r\nthere".to_owned()), Some("<p>Hello</p>".to_owned()));
        let filled = Filled { subject: subject.to_owned(), text, html, ..Filled::default() };
        let message = message(&"Our CRM <crm@example.org>".parse().unwrap(), &mail, filled)?;
        Ok(String::from_utf8(message.formatted()).unwrap())
    }

    fn headers(written: &str) -> Vec<&str> {
        let head = written.split("\r\n\r\n").next().unwrap();
        head.split("\r\n")
            .filter(|line| !line.starts_with([' ', '\t']))
            .map(|line| line.split(':').next().unwrap())
            .collect()
    }

    #[test]
    fn a_mail_has_the_identity_that_it_was_queued_with() {
        let written = written("ann@example.org", "Password").unwrap();
        assert!(
            written.contains("Message-ID: <abc@cardine>\r\n") && written.contains("To: ann@example.org\r\n"),
            "{written}"
        );
        assert!(written.contains("Date: Sun, 01 Mar 2026 10:00:00 "), "{written}");
    }

    #[test]
    fn no_text_becomes_a_header() {
        let plain = headers(&written("ann@example.org", "Password").unwrap()).join(" ");
        for subject in
            ["a\r\nBcc: eve@example.org", "a\nBcc: eve@example.org", "a\rBcc: x", "è\r\n\r\nbody", "a\u{2028}Bcc: x"]
        {
            let written = written("ann@example.org", subject).unwrap();
            assert_eq!(headers(&written).join(" "), plain, "{subject:?}: {written}");
        }
        for recipient in [
            "ann@example.org\r\nBcc: eve@example.org",
            "ann@example.org\n",
            "Ann <ann@example.org>",
            "a@x.org,b@x.org",
            "",
        ] {
            assert!(matches!(written(recipient, "x"), Err(Unsendable::Recipient)), "{recipient:?}");
        }
    }
}
