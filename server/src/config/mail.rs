//! The server that takes mail, and whom it is from.

use std::net::IpAddr;
use std::str::FromStr as _;

use lettre::message::Mailbox;
use url::{Host, Url};

/// Where mail goes out.
#[derive(Clone)]
pub struct MailServer {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: MailSecurity,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// Whom mail is from.
    pub from: Mailbox,
}

/// How the connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Not at all: on one machine, or where it is asked for.
    None,
    /// By STARTTLS; a server that does not offer it gets nothing.
    StartTls,
    /// From the first byte.
    Tls,
}

impl MailServer {
    /// Reads `--smtp-url` and `--mail-from`, which go together; every fault at once.
    pub fn parse(url: Option<&str>, from: Option<&str>) -> Result<Option<Self>, Vec<String>> {
        let (url, from) = match (url, from) {
            (None, None) => return Ok(None),
            (Some(url), Some(from)) => (url, from),
            _ => return Err(vec!["smtp-url and mail-from go together: set both or none".to_owned()]),
        };
        let mut faults = Vec::new();
        let from = Mailbox::from_str(from).ok().filter(|_| !from.contains(char::is_control));
        if from.is_none() {
            faults.push("mail-from: give an address such as crm@example.org or Our CRM <crm@example.org>".to_owned());
        }
        let server = parse_url(url).map_err(|fault| faults.push(fault));
        match (server, from) {
            (Ok((host, port, security, credentials)), Some(from)) => {
                Ok(Some(Self { host, port, security, credentials, from }))
            }
            _ => Err(faults),
        }
    }
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the password.
        f.debug_struct("MailServer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

type Parts = (String, u16, MailSecurity, Option<(String, String)>);

/// No fault repeats the text: it may hold a password.
fn parse_url(text: &str) -> Result<Parts, String> {
    let form = || {
        "smtp-url: give an address such as smtp://user:password@mail.example.org:587 or smtps://…, without a path"
            .to_owned()
    };
    let url = Url::parse(text).map_err(|_| form())?;
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(form)?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(form());
    }
    let (security, port) = match (url.scheme(), url.query()) {
        ("smtps", None) => (MailSecurity::Tls, 465),
        ("smtp", None) if is_here(&host) => (MailSecurity::None, 25),
        ("smtp", None | Some("tls=required")) => (MailSecurity::StartTls, 587),
        ("smtp", Some("tls=none")) => (MailSecurity::None, 25),
        ("smtp", Some(_)) => return Err("smtp-url: what may stand behind the ? is tls=required or tls=none".to_owned()),
        _ => return Err(form()),
    };
    let decoded = |text: &str| percent_decoded(text).ok_or_else(form);
    let credentials = match (url.username(), url.password()) {
        ("", None) => None,
        (user, Some(password)) if !user.is_empty() => Some((decoded(user)?, decoded(password)?)),
        _ => return Err("smtp-url: user and password go together".to_owned()),
    };
    if security == MailSecurity::None && credentials.is_some() && !is_here(&host) {
        return Err("smtp-url: a password is not sent in clear to another machine: leave tls=none out".to_owned());
    }
    Ok((host, url.port().unwrap_or(port), security, credentials))
}

/// Whether this is the same machine.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// What stands in an address as `%40` and the like. The form of a query is the same but for `+`, which is no space here.
fn percent_decoded(text: &str) -> Option<String> {
    let plain = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    let (decoded, _) = url::form_urlencoded::parse(plain.as_bytes()).next()?;
    let whole = !decoded.contains('\u{fffd}') && !decoded.contains(char::is_control);
    whole.then(|| decoded.into_owned())
}

/// The name by which a server introduces itself to others.
pub fn name_of(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain(name) => Some(name.to_owned()),
        Host::Ipv4(_) | Host::Ipv6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Option<&str> = Some("Our CRM <crm@example.org>");

    fn server(url: &str) -> MailServer {
        MailServer::parse(Some(url), FROM).unwrap().unwrap()
    }

    #[test]
    fn a_connection_to_another_machine_is_protected() {
        for (url, security, port) in [
            ("smtp://mail.example.org", MailSecurity::StartTls, 587),
            ("smtp://mail.example.org:2525?tls=required", MailSecurity::StartTls, 2525),
            ("smtps://mail.example.org", MailSecurity::Tls, 465),
            ("smtp://10.0.0.1?tls=none", MailSecurity::None, 25),
            ("smtp://localhost:1025", MailSecurity::None, 1025),
            ("smtp://[::1]:1025", MailSecurity::None, 1025),
            ("smtp://127.0.0.1:1025?tls=required", MailSecurity::StartTls, 1025),
        ] {
            let server = server(url);
            assert_eq!((server.security, server.port), (security, port), "{url}");
        }
    }

    #[test]
    fn credentials_are_decoded_and_never_printed() {
        let server = server("smtp://crm%40example.org:p%40ss+w%25rd@mail.example.org");
        assert_eq!(server.credentials, Some(("crm@example.org".to_owned(), "p@ss+w%rd".to_owned())));
        assert!(!format!("{server:?}").contains("ss+w"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_a_password() {
        for url in [
            "mail.example.org:587",
            "http://mail.example.org",
            "smtp://",
            "smtp://user@mail.example.org",
            "smtp://u:hunter2@mail.example.org?tls=none",
            "smtp://u:hunter2@mail.example.org?tls=maybe",
            "smtp://u:hunter2@mail.example.org/path",
            "smtp://u:hunter2%0d%0a@mail.example.org",
            "smtps://u:hunter2@mail.example.org?tls=none",
        ] {
            let faults = MailServer::parse(Some(url), FROM).unwrap_err();
            assert!(faults.len() == 1 && !faults[0].contains("hunter2"), "{url}: {faults:?}");
        }
        for from in ["", "crm", "crm@example.org\r\nBcc: x@example.org", "a@x.org, b@x.org"] {
            assert!(MailServer::parse(Some("smtp://localhost"), Some(from)).is_err(), "{from:?}");
        }
        assert!(MailServer::parse(Some("smtp://localhost"), None).is_err() && MailServer::parse(None, FROM).is_err());
    }
}
