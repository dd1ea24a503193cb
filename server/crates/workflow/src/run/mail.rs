//! Mails that steps send: written whole, and queued when the step's end is recorded, so that one step sends one mail.

use cardine_engine::RequestContext;
use cardine_engine::mail::{Mail, WRITTEN_MAIL, is_address};
use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use super::StepError;
use super::acts::Done;
use super::commit::Effect;
use super::state::Known;
use crate::program::MailOut;
use crate::template::Template;

/// Most recipients of a mail.
const RECIPIENTS_MAX: usize = 100;
/// How long it is tried to send a mail.
const USEFUL_FOR: TimeDelta = TimeDelta::days(3);

/// Each recipient gets a mail of their own, in whose head those of `to` and `cc` stand.
pub(super) fn send_email(ctx: &RequestContext, mail: &MailOut, known: &Known<'_>) -> Result<Done, StepError> {
    let list = |templates: &[Template], name: &str| addresses(templates, name, known);
    let (to, cc, bcc) = (list(&mail.to, "to")?, list(&mail.cc, "cc")?, list(&mail.bcc, "bcc")?);
    let reply_to = list(mail.reply_to.as_slice(), "replyTo")?.into_iter().next();
    let mut recipients: Vec<String> = to.iter().chain(&cc).chain(&bcc).cloned().collect();
    recipients.sort_unstable();
    recipients.dedup();
    if recipients.is_empty() {
        return Err(StepError::Final("`to` gave no address".to_owned()));
    }
    if recipients.len() > RECIPIENTS_MAX {
        let message = format!(
            "LIMIT_EXCEEDED: the mail has {} recipients; at most {RECIPIENTS_MAX} are allowed",
            recipients.len()
        );
        return Err(StepError::Final(message));
    }
    let text = |template: &Template| match template.fill(known) {
        Json::Null => String::new(),
        Json::String(text) => text,
        other => other.to_string(),
    };
    let written = json!({
        "to": to,
        "cc": cc,
        "replyTo": reply_to,
        "subject": text(&mail.subject),
        "text": mail.text.as_ref().map(text),
        "html": mail.html.as_ref().map(|html| html.fill_html(known)),
    });
    let mails = recipients.iter().map(|recipient| Mail {
        recipient: recipient.clone(),
        template: WRITTEN_MAIL.to_owned(),
        locale: ctx.actor.locale().to_owned(),
        parameters: written.clone(),
        useful_for: USEFUL_FOR,
    });
    let output = json!({"recipients": recipients.len()});
    let input = json!({"recipients": recipients, "subject": written["subject"]});
    Ok(Done { input: Some(input), output, effect: Some(Effect::Mail(mails.collect())), ..Done::default() })
}

/// What the templates give: an address each, a list of them, or nothing.
fn addresses(templates: &[Template], name: &str, known: &Known<'_>) -> Result<Vec<String>, StepError> {
    let mut found = Vec::new();
    for template in templates {
        let given = match template.fill(known) {
            Json::Array(items) => items,
            one => vec![one],
        };
        for one in given {
            match one {
                Json::Null => {}
                Json::String(text) if is_address(text.trim()) => found.push(text.trim().to_owned()),
                _ => return Err(StepError::Final(format!("`{name}` gave what is no address"))),
            }
        }
    }
    Ok(found)
}
