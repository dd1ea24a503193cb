//! What mails say, by template and language. What is put into HTML is escaped by the engine.

use cardine_engine::mail::WRITTEN_MAIL;
use minijinja::Environment;
use serde_json::Value as Json;
use uuid::Uuid;

/// The first line of a text is the subject.
const SOURCES: [(&str, &str); 4] = [
    ("password-reset.en.txt", include_str!("../../assets/mail/password-reset.en.txt")),
    ("password-reset.en.html", include_str!("../../assets/mail/password-reset.en.html")),
    ("password-reset.it.txt", include_str!("../../assets/mail/password-reset.it.txt")),
    ("password-reset.it.html", include_str!("../../assets/mail/password-reset.it.html")),
];

/// Languages that there are templates in; the first one is for all others.
const LANGUAGES: [&str; 2] = ["en", "it"];

/// All templates, compiled.
#[derive(Debug)]
pub(super) struct Templates(Environment<'static>);

/// What a mail says.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filled {
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    /// Who stands in the head; the recipient alone if nobody does.
    #[serde(default)]
    pub to: Vec<String>,
    #[serde(default)]
    pub cc: Vec<String>,
    pub reply_to: Option<String>,
    #[serde(default)]
    pub attachments: Vec<Attached>,
}

/// A file that goes with a mail.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Attached {
    pub id: Uuid,
    pub name: String,
    pub mime_type: String,
    pub size: u64,
    /// Read when the mail is sent.
    #[serde(skip)]
    pub content: Vec<u8>,
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        // A value that is not given is a fault, not nothing.
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            environment.add_template(name, source).expect("the templates are tested");
        }
        Self(environment)
    }

    /// Fills a template in the language of `locale`, or in English.
    pub(super) fn fill(&self, template: &str, locale: &str, parameters: &Json) -> Result<Filled, minijinja::Error> {
        if template == WRITTEN_MAIL {
            let written = serde_json::from_value(parameters.clone());
            return written.map_err(|_| {
                minijinja::Error::new(minijinja::ErrorKind::CannotDeserialize, "not as mails are written")
            });
        }
        let language = locale.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
        let language = LANGUAGES.iter().find(|known| **known == language).unwrap_or(&LANGUAGES[0]);
        let fill = |kind: &str| {
            let template = self.0.get_template(&format!("{template}.{language}.{kind}"))?;
            template.render(minijinja::value::Serde(parameters))
        };
        let (text, html) = (fill("txt")?, fill("html")?);
        let (subject, text) = text.split_once('\n').unwrap_or((&text, ""));
        let (subject, text) = (subject.trim().to_owned(), text.trim().to_owned() + "\n");
        Ok(Filled { subject, text: Some(text), html: Some(html), ..Filled::default() })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Said {
        subject: String,
        text: String,
        html: String,
    }

    fn filled(locale: &str, name: &str) -> Said {
        let parameters = json!({"name": name, "link": "https://crm.example.org/reset?token=x", "minutes": 30,
            "server": "https://crm.example.org/"});
        let Filled { subject, text, html, .. } = Templates::new().fill("password-reset", locale, &parameters).unwrap();
        Said { subject, text: text.unwrap(), html: html.unwrap() }
    }

    #[test]
    fn every_template_is_filled_in_every_language() {
        let (english, italian) = (filled("en", "Ann"), filled("it-IT", "Ann"));
        assert_ne!(english.subject, italian.subject);
        for mail in [&english, &italian] {
            assert!(
                mail.text.contains("https://crm.example.org/reset?token=x") && mail.text.contains("30"),
                "{}",
                mail.text
            );
            assert!(mail.html.contains("reset?token=x\"") && mail.html.contains("30"), "{}", mail.html);
        }
        assert_eq!(filled("de", "Ann").subject, english.subject);
    }

    #[test]
    fn what_people_are_called_is_no_markup() {
        let mail = filled("en", "<img src=x onerror=alert(1)> {{ link }}");
        assert!(mail.html.contains("&lt;img src=x") && !mail.html.contains("<img"), "{}", mail.html);
        assert!(mail.html.contains("{{ link }}"), "a value is not a template");
        assert!(mail.text.contains("<img src=x"), "a plain text is not escaped");
    }

    #[test]
    fn a_mail_that_brings_what_it_says_is_filled_with_nothing() {
        let written = json!({"subject": "{{ link }}", "text": "x", "html": null, "to": ["a@x.org"], "cc": [], "replyTo": null, "server": "y"});
        let filled = Templates::new().fill(WRITTEN_MAIL, "en", &written).unwrap();
        assert_eq!((filled.subject.as_str(), filled.text.as_deref(), filled.html), ("{{ link }}", Some("x"), None));
        assert_eq!(filled.to, ["a@x.org"]);
    }

    #[test]
    fn a_value_that_is_missing_is_a_fault() {
        let templates = Templates::new();
        assert!(templates.fill("password-reset", "en", &json!({"name": "Ann"})).is_err());
        assert!(templates.fill("no-such-template", "en", &json!({})).is_err());
    }
}
