//! Sends the mail that stands in the outbox: the one way by which mail leaves this server, whatever has caused it.
//!
//! What causes a mail queues it in its own transaction (`cardine_engine::mail`), so none is lost and none is sent for what was
//! undone. A sender leases a mail, fills the template in the recipient's language, and notes what became of it. Between the mail
//! server's answer and that note a crash makes a second attempt: the same mail goes out twice, with the same `Message-ID`.

mod message;
mod template;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use cardine_engine::files::FileRow;
use cardine_engine::identity::{RESET_LIFETIME, RESET_MAIL, ResetLimits};
use cardine_engine::mail::{LeasedMail, MailEnd};
use cardine_engine::{Engine, EngineError};
use chrono::{TimeDelta, Utc};
use futures_util::StreamExt as _;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

use crate::config::MailServer;
use cardine_auth::secret::{Secret, SecretKind};
use template::{Attached, Templates};
use transport::Transport;

/// How often it is looked for mail that other processes have queued, or that is to be tried again.
const POLL: Duration = Duration::from_secs(1);
/// Mails on their way at once.
const SENDING_MAX: usize = 4;
/// The first wait after an attempt that failed; each further one is twice as long.
const WAIT_FIRST: TimeDelta = TimeDelta::seconds(5);
/// The longest wait.
const WAIT_MAX: TimeDelta = TimeDelta::hours(1);

/// What sends mail.
pub struct Mailer {
    engine: Engine,
    transport: Transport,
    templates: Templates,
    public_url: Url,
    limits: ResetLimits,
}

/// A mail server that cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("the mail server cannot be used: {0}")]
pub struct UnusableServer(String);

impl Mailer {
    /// For this mail server. Links begin with `public_url`.
    pub fn new(
        engine: Engine,
        server: &MailServer,
        public_url: Url,
        limits: ResetLimits,
    ) -> Result<Self, UnusableServer> {
        let transport = Transport::new(server, &public_url).map_err(|error| UnusableServer(error.to_string()))?;
        Ok(Self { engine, transport, templates: Templates::new(), public_url, limits })
    }

    /// Sends until `stop` says so; mails on their way are finished.
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let mailer = Arc::new(self);
        let mut sending = JoinSet::new();
        while !*stop.borrow() {
            if sending.len() < SENDING_MAX {
                match mailer.next().await {
                    Ok(Some(mail)) => {
                        let mailer = Arc::clone(&mailer);
                        sending.spawn(async move { mailer.send(mail).await });
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => tracing::warn!(%error, "the queue of mails can't be read"),
                }
            }
            tokio::select! {
                Some(_) = sending.join_next() => {}
                () = mailer.engine.mail_written() => {}
                () = tokio::time::sleep(POLL) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        while sending.join_next().await.is_some() {}
    }

    /// The next mail to be sent, after all requests that wait for theirs.
    async fn next(&self) -> Result<Option<LeasedMail>, EngineError> {
        while self.engine.prepare_reset(self.limits, Utc::now()).await? {}
        self.engine.lease_mail(Utc::now()).await
    }

    async fn send(&self, mail: LeasedMail) {
        let end = self.attempt(&mail).await;
        match &end {
            MailEnd::Sent => tracing::info!(mail = %mail.id, template = mail.template, "a mail was sent"),
            MailEnd::Again { error, .. } => {
                tracing::warn!(mail = %mail.id, attempt = mail.attempts, error, "a mail could not be sent; it is tried again");
            }
            MailEnd::GivenUp { error } => tracing::warn!(mail = %mail.id, error, "a mail is given up"),
        }
        let id = mail.id;
        if let Err(error) = self.engine.end_mail(mail, end, Utc::now()).await {
            tracing::warn!(%error, mail = %id, "what became of a mail can't be noted; it may be sent again");
        }
    }

    async fn attempt(&self, mail: &LeasedMail) -> MailEnd {
        let parameters = match self.parameters(mail).await {
            Ok(Some(parameters)) => parameters,
            Ok(None) => return MailEnd::GivenUp { error: "what it was for is over".to_owned() },
            Err(error) => return again(mail, error.to_string()),
        };
        let mut filled = match self.templates.fill(&mail.template, &mail.locale, &parameters) {
            Ok(filled) => filled,
            // Another attempt would fill it alike.
            Err(error) => return MailEnd::GivenUp { error: error.to_string() },
        };
        for file in &mut filled.attachments {
            match self.content(file).await {
                Ok(content) => file.content = content,
                Err(error) => return again(mail, format!("an attached file can't be read: {error}")),
            }
        }
        let message = self.transport.message(mail, filled).map_err(|error| error.to_string());
        match message {
            Err(error) => MailEnd::GivenUp { error },
            Ok(message) => match self.transport.send(message).await {
                Ok(()) => MailEnd::Sent,
                Err(failure) if failure.is_final => MailEnd::GivenUp { error: failure.text },
                Err(failure) => again(mail, failure.text),
            },
        }
    }

    /// The content of a file. That it may go with the mail was asked when the mail was written.
    async fn content(&self, file: &Attached) -> Result<Vec<u8>, EngineError> {
        let row = FileRow {
            id: file.id,
            name: file.name.clone(),
            mime_type: file.mime_type.clone(),
            size: file.size,
            checksum: String::new(),
            uploader: None,
            attached: true,
        };
        let mut pieces = self.engine.read_content(&row, 0..file.size).await?;
        let mut content = Vec::new();
        while let Some(piece) = pieces.next().await {
            content.extend_from_slice(&piece.map_err(|_| EngineError::Unavailable)?);
        }
        Ok(content)
    }

    /// What the template is filled with. A link's token is made for each attempt: only its hash is ever stored.
    async fn parameters(&self, mail: &LeasedMail) -> Result<Option<Json>, EngineError> {
        let mut parameters: Json = serde_json::from_str(&mail.parameters).unwrap_or_else(|_| json!({}));
        if mail.template == RESET_MAIL {
            let Some(reset) = parameters["reset"].as_str().and_then(|id| id.parse().ok()) else { return Ok(None) };
            let token = Secret::generate(SecretKind::Reset);
            if !self.engine.add_reset_token(reset, token.hash().to_hex(), Utc::now()).await? {
                return Ok(None);
            }
            let mut link = self.public_url.join("reset").map_err(|_| EngineError::Internal)?;
            link.query_pairs_mut().append_pair("token", token.reveal());
            parameters["link"] = json!(link.as_str());
            parameters["minutes"] = json!(RESET_LIFETIME.num_minutes());
        }
        parameters["server"] = json!(self.public_url.as_str());
        Ok(Some(parameters))
    }
}

fn again(mail: &LeasedMail, error: String) -> MailEnd {
    let doublings = u32::try_from(mail.attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
    MailEnd::Again { error, after: (WAIT_FIRST * (1 << doublings)).min(WAIT_MAX) }
}
