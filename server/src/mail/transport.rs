//! The connection to the mail server.

use std::time::Duration;

use cardine_engine::mail::LeasedMail;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use url::Url;

use super::message::{Unsendable, message};
use super::template::Filled;
use crate::config::{MailSecurity, MailServer, mail_server_name};

/// How long the mail server may take for each answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long an attempt may take in all; shorter than a lease.
const ATTEMPT_MAX: Duration = Duration::from_secs(120);

/// The mail server, and whom mail is from.
pub(super) struct Transport {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// The mail server did not take a mail.
pub(super) struct Failure {
    /// What went wrong, for administrators.
    pub text: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

impl Transport {
    pub(super) fn new(server: &MailServer, public_url: &Url) -> Result<Self, lettre::transport::smtp::Error> {
        let tls = match server.security {
            MailSecurity::None => Tls::None,
            MailSecurity::StartTls => Tls::Required(TlsParameters::new(server.host.clone())?),
            MailSecurity::Tls => Tls::Wrapper(TlsParameters::new(server.host.clone())?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(PATIENCE));
        if let Some(name) = mail_server_name(public_url) {
            builder = builder.hello_name(ClientId::Domain(name));
        }
        if let Some((user, password)) = &server.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self { smtp: builder.build(), from: server.from.clone() })
    }

    pub(super) fn message(&self, mail: &LeasedMail, filled: Filled) -> Result<Message, Unsendable> {
        message(&self.from, mail, filled)
    }

    pub(super) async fn send(&self, message: Message) -> Result<(), Failure> {
        match tokio::time::timeout(ATTEMPT_MAX, self.smtp.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => {
                // Not what it refuses to do with these credentials: an administrator mends that.
                let is_final = error.is_permanent() && !is_about_credentials(&error);
                Err(Failure { text: error.to_string(), is_final })
            }
            Err(_) => Err(Failure { text: "the mail server took too long".to_owned(), is_final: false }),
        }
    }
}

/// By RFC 4954: 530, 534, 535 and 538.
fn is_about_credentials(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(u16::from(code), 530 | 534 | 535 | 538))
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("from", &self.from).finish_non_exhaustive()
    }
}
