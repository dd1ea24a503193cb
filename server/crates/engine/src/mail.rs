//! Mail on its way out: queued in the transaction of what causes it, so that none is lost, and sent by whoever leases it.

use async_recursion::async_recursion as boxed;
use cardine_store::WriteTx;
use cardine_store::platform::mail::{
    NewMail, any_due, delete_old_mails, give_mail_up, insert_mail, lease_mail, postpone_mail, set_sent,
};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::{Engine, EngineError};

pub use cardine_store::platform::mail::LeasedMail;

/// The name for mails that bring what they say with them: `{subject, text, html, to, cc, replyTo}`.
pub const WRITTEN_MAIL: &str = "written";

/// How long a sender has a mail to itself; longer than an attempt may take.
const LEASE: TimeDelta = TimeDelta::minutes(3);
/// How long it is kept that a mail was sent.
const RETENTION: TimeDelta = TimeDelta::days(30);

/// A mail: which template, filled with what, to whom.
#[derive(Debug, Clone)]
pub struct Mail {
    /// One address.
    pub recipient: String,
    /// The template's name.
    pub template: String,
    /// BCP 47.
    pub locale: String,
    /// A JSON object.
    pub parameters: Json,
    /// How long it is tried to send it.
    pub useful_for: TimeDelta,
}

impl Mail {
    /// As it is queued. Nothing but one plain address can be a recipient: no list, no name, no line break.
    pub(crate) fn queued(self, now: DateTime<Utc>) -> Result<NewMail, EngineError> {
        if !is_address(&self.recipient) {
            let message = "a mail goes to one address such as ann@example.org";
            let issue = cardine_model::Issue::new(cardine_model::path!["recipient"], "email", message);
            return Err(EngineError::Validation(vec![issue]));
        }
        let id = Uuid::now_v7();
        Ok(NewMail {
            id,
            // Random, so that it tells nothing of the mail that it names.
            message_id: format!("{}@cardine", Uuid::new_v4().simple()),
            recipient: self.recipient,
            template: self.template,
            locale: self.locale,
            parameters: self.parameters.to_string(),
            created_at: now,
            expires_at: now + self.useful_for,
        })
    }
}

/// Whether a text is one plain address: no list, no name, no line break.
pub fn is_address(text: &str) -> bool {
    let options = email_address::Options::default().without_display_text().without_domain_literal();
    text.len() <= 254
        && !text.contains(|character: char| character.is_control() || character.is_whitespace())
        && email_address::EmailAddress::parse_with_options(text, options).is_ok()
}

/// Queues a mail in the transaction of what causes it. After the commit, [`Engine::wake_mail`] saves it a moment of waiting.
#[boxed]
pub async fn queue_mail(tx: &mut WriteTx, mail: Mail, now: DateTime<Utc>) -> Result<Uuid, EngineError> {
    let mail = mail.queued(now)?;
    insert_mail(tx, &mail).await?;
    Ok(mail.id)
}

impl Engine {
    /// Tells the sender of this process that there is mail.
    pub fn wake_mail(&self) {
        self.0.mail.notify_one();
    }

    /// Waits until [`Self::wake_mail`] was called since the last time; senders also poll, for other processes' mail.
    #[boxed]
    pub async fn mail_written(&self) {
        self.0.mail.notified().await;
    }

    /// Leases a mail that is due, for one attempt to send it.
    #[boxed]
    pub async fn lease_mail(&self, now: DateTime<Utc>) -> Result<Option<LeasedMail>, EngineError> {
        let due = self.store().read(move |tx| Box::pin(async move { Ok::<_, EngineError>(any_due(tx, now).await?) }));
        if !due.await? {
            return Ok(None);
        }
        let write = self
            .store()
            .write(move |tx| Box::pin(async move { Ok::<_, EngineError>(lease_mail(tx, now, now + LEASE).await?) }));
        write.await
    }

    /// Records what became of an attempt to send a mail.
    #[boxed]
    pub async fn end_mail(&self, mail: LeasedMail, end: MailEnd, now: DateTime<Utc>) -> Result<(), EngineError> {
        let write = self.store().write(move |tx| {
            let (mail, end) = (mail.clone(), end.clone());
            Box::pin(async move {
                let ours = match &end {
                    MailEnd::Sent => set_sent(tx, &mail, now).await?,
                    MailEnd::Again { error, after } => postpone_mail(tx, &mail, error, now + *after).await?,
                    MailEnd::GivenUp { error } => give_mail_up(tx, &mail, error, now).await?,
                };
                if !ours {
                    tracing::warn!(mail = %mail.id, "a mail took longer to send than its lease; it may be sent twice");
                }
                Ok::<_, EngineError>(())
            })
        });
        write.await
    }

    /// Forgets mails that ended long ago; gives how many.
    #[boxed]
    pub async fn delete_old_mails(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move { Ok::<_, EngineError>(delete_old_mails(tx, now - RETENTION).await?) })
        });
        write.await
    }
}

/// What became of an attempt to send a mail.
#[derive(Debug, Clone)]
pub enum MailEnd {
    /// The mail server has it.
    Sent,
    /// A later attempt may succeed.
    Again {
        /// What went wrong, for administrators.
        error: String,
        /// When.
        after: TimeDelta,
    },
    /// It will not.
    GivenUp {
        /// What went wrong, for administrators.
        error: String,
    },
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mail(recipient: &str) -> Mail {
        Mail {
            recipient: recipient.to_owned(),
            template: "x".to_owned(),
            locale: "en".to_owned(),
            parameters: json!({}),
            useful_for: TimeDelta::minutes(1),
        }
    }

    #[test]
    fn a_mail_goes_to_one_plain_address() {
        let now = Utc::now();
        let queued = mail("ann@example.org").queued(now).unwrap();
        assert_eq!((queued.recipient.as_str(), queued.expires_at), ("ann@example.org", now + TimeDelta::minutes(1)));
        assert_ne!(queued.message_id, mail("ann@example.org").queued(now).unwrap().message_id);
        for recipient in [
            "",
            "ann",
            "ann@example.org\r\nBcc: bob@example.org",
            "ann@example.org\n",
            "ann@example.org, bob@example.org",
            "Ann <ann@example.org>",
            "\"a b\"@example.org",
            "ann@[192.0.2.1]",
            &format!("{}@example.org", "a".repeat(300)),
        ] {
            assert!(mail(recipient).queued(now).is_err(), "{recipient:?}");
        }
    }
}
