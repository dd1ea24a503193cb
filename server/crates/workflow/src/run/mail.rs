//! Mails that steps send: written whole, and queued when the step's end is recorded, so that one step sends one mail.

use cardine_engine::RequestContext;
use cardine_engine::mail::{Mail, WRITTEN_MAIL, is_address};
use chrono::TimeDelta;
use serde_json::{Value as Json, json};

use super::acts::Done;
use super::commit::Effect;
use super::ids::ids_of;
use super::state::Known;
use super::{Runner, StepError};
use crate::program::MailOut;
use crate::template::Template;

/// Most recipients of a mail.
const RECIPIENTS_MAX: usize = 100;
/// Most files of a mail.
const ATTACHMENTS_MAX: usize = 10;
/// Their bytes in all: mail servers take some 25 MB, in which files are a third longer.
const ATTACHMENT_BYTES_MAX: u64 = 10 << 20;
/// How long it is tried to send a mail.
const USEFUL_FOR: TimeDelta = TimeDelta::days(3);

impl Runner {
    /// Each recipient gets a mail of their own, in whose head those of `to` and `cc` stand.
    pub(super) async fn send_email(
        &self,
        ctx: &RequestContext,
        mail: &MailOut,
        known: &Known<'_>,
    ) -> Result<Done, StepError> {
        let list = |templates: &[Template], name: &str| addresses(templates, name, known);
        let (to, cc, bcc) = (list(&mail.to, "to")?, list(&mail.cc, "cc")?, list(&mail.bcc, "bcc")?);
        let reply_to = list(mail.reply_to.as_slice(), "replyTo")?.into_iter().next();
        let mut recipients: Vec<String> = to.iter().chain(&cc).chain(&bcc).cloned().collect();
        recipients.sort_unstable();
        recipients.dedup();
        if recipients.is_empty() {
            return Err(StepError::lasting("`to` gave no address"));
        }
        if recipients.len() > RECIPIENTS_MAX {
            let message = format!(
                "LIMIT_EXCEEDED: the mail has {} recipients; at most {RECIPIENTS_MAX} are allowed",
                recipients.len()
            );
            return Err(StepError::lasting(message));
        }
        let attachments = self.attachments(ctx, &mail.attachments, known).await?;
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
            "attachments": attachments,
        });
        let mails = recipients.iter().map(|recipient| Mail {
            recipient: recipient.clone(),
            template: WRITTEN_MAIL.to_owned(),
            locale: ctx.actor.locale().to_owned(),
            parameters: written.clone(),
            useful_for: USEFUL_FOR,
        });
        let output = json!({"recipients": recipients.len()});
        let mut input = json!({"recipients": recipients, "subject": written["subject"]});
        if !attachments.is_empty() {
            input["attachments"] = json!(attachments);
        }
        Ok(Done { input: Some(input), output, effect: Some(Effect::Mail(mails.collect())), ..Done::default() })
    }

    /// Files that whoever the workflow runs as may read; what is in them is read when the mail is sent.
    async fn attachments(
        &self,
        ctx: &RequestContext,
        templates: &[Template],
        known: &Known<'_>,
    ) -> Result<Vec<Json>, StepError> {
        let mut ids = Vec::new();
        for template in templates {
            for id in ids_of(&template.fill(known), "attachments", ATTACHMENTS_MAX)? {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
        }
        if ids.len() > ATTACHMENTS_MAX {
            let message =
                format!("LIMIT_EXCEEDED: the mail has {} files; at most {ATTACHMENTS_MAX} are allowed", ids.len());
            return Err(StepError::lasting(message));
        }
        let (mut files, mut bytes) = (Vec::with_capacity(ids.len()), 0);
        for id in ids {
            let file = self.engine.find_file(ctx, id).await?;
            let file = file.ok_or_else(|| StepError::lasting("NOT_FOUND: not all of the attached files are there"))?;
            bytes += file.size;
            files.push(json!({"id": file.id, "name": file.name, "mimeType": file.mime_type, "size": file.size}));
        }
        if bytes > ATTACHMENT_BYTES_MAX {
            let message =
                format!("LIMIT_EXCEEDED: the files have {bytes} bytes; at most {ATTACHMENT_BYTES_MAX} go with a mail");
            return Err(StepError::lasting(message));
        }
        Ok(files)
    }
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
                _ => return Err(StepError::lasting(format!("`{name}` gave what is no address"))),
            }
        }
    }
    Ok(found)
}
