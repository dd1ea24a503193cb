//! A mail server of the tests: the protocol is that of a library for SMTP servers, and what it takes is kept for the case.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use mailin::{Action, AuthMechanism, Handler, Response, SessionBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::eventually;

/// A running mail server; it ends with the value.
#[derive(Debug)]
pub struct MailServer {
    address: String,
    state: Arc<Mutex<State>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A mail as it was taken.
#[derive(Debug, Clone, Default)]
pub struct ReceivedMail {
    /// Of the envelope.
    pub from: String,
    /// Of the envelope.
    pub to: Vec<String>,
    /// Headers, an empty line, and what it says.
    pub content: String,
}

#[derive(Debug, Default)]
struct State {
    mails: Vec<ReceivedMail>,
    credentials: Option<(String, String)>,
    /// How many mails are still to be refused, and with which code.
    refusing: (usize, u16),
    /// Whether mails are kept and never acknowledged.
    is_silent: bool,
    refused: usize,
}

impl MailServer {
    /// On a free port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let state = Arc::<Mutex<State>>::default();
        let for_sessions = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(serve(stream, peer.ip(), Arc::clone(&for_sessions)));
            }
        });
        MailServer { address, state, accepting }
    }

    /// What `--smtp-url` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What `--smtp-url` is to be for a server that is asked for user and password from now on.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn url_with_credentials(&self, user: &str, password: &str) -> String {
        self.state().credentials = Some((user.to_owned(), password.to_owned()));
        format!("smtp://{user}:{password}@{}", self.address)
    }

    /// Refuses the next mails with this code.
    pub fn refuse(&self, mails: usize, code: u16) {
        self.state().refusing = (mails, code);
    }

    /// How many mails were refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.state().refused
    }

    /// Whether mails are kept without ever saying so, as if the connection broke.
    pub fn keep_silent(&self, is_silent: bool) {
        self.state().is_silent = is_silent;
    }

    /// All mails so far, the oldest first.
    #[must_use]
    pub fn mails(&self) -> Vec<ReceivedMail> {
        self.state().mails.clone()
    }

    /// The mail that comes as the `number`-th, from 1.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn mail(&self, number: usize) -> ReceivedMail {
        eventually("a mail comes", || async { self.mails().get(number - 1).cloned() }).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl ReceivedMail {
    /// A header's value; empty if there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> String {
        let head = self.content.split("\r\n\r\n").next().unwrap_or_default();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let lines = unfolded.split("\r\n").filter_map(|line| line.split_once(':'));
        let found: HashMap<String, &str> = lines.map(|(name, value)| (name.to_lowercase(), value.trim())).collect();
        found.get(&name.to_lowercase()).copied().unwrap_or_default().to_owned()
    }

    /// What it says, with the line breaks of its transport taken out.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.replace("=\r\n", "").replace("=3D", "=")
    }

    /// The first token of a link that it holds.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn token(&self) -> String {
        let text = self.text();
        let (_, rest) = text.split_once("token=").unwrap_or_else(|| panic!("no link: {text}"));
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect()
    }
}

struct Inbox {
    state: Arc<Mutex<State>>,
    mail: ReceivedMail,
    content: Vec<u8>,
    is_known: bool,
}

impl Inbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while holding it")
    }
}

impl Handler for Inbox {
    fn mail(&mut self, _: IpAddr, _: &str, from: &str) -> Response {
        if self.state().credentials.is_some() && !self.is_known {
            return mailin::response::AUTHENTICATION_REQUIRED;
        }
        let mut state = self.state();
        if state.refusing.0 > 0 {
            state.refusing.0 -= 1;
            state.refused += 1;
            return Response::custom(state.refusing.1, "not now".to_owned());
        }
        drop(state);
        self.mail = ReceivedMail { from: from.to_owned(), ..ReceivedMail::default() };
        self.content.clear();
        mailin::response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        self.mail.to.push(to.to_owned());
        mailin::response::OK
    }

    fn data(&mut self, line: &[u8]) -> io::Result<()> {
        self.content.extend_from_slice(line);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        let mail = ReceivedMail { content: String::from_utf8_lossy(&self.content).into_owned(), ..self.mail.clone() };
        self.state().mails.push(mail);
        mailin::response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        let expected = self.state().credentials.clone();
        self.is_known = expected.is_some_and(|known| known == (user.to_owned(), password.to_owned()));
        if self.is_known { mailin::response::AUTH_OK } else { mailin::response::INVALID_CREDENTIALS }
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, state: Arc<Mutex<State>>) -> Option<()> {
    let mut builder = SessionBuilder::new("mail.example.org");
    let (asks, inbox) = {
        let asks = state.lock().expect("nobody panics while holding it").credentials.is_some();
        let (mail, content) = (ReceivedMail::default(), Vec::new());
        (asks, Inbox { state: Arc::clone(&state), mail, content, is_known: false })
    };
    if asks {
        builder.enable_auth(AuthMechanism::Plain).insecure_enable_plaintext_auth();
    }
    let mut session = builder.build(peer, inbox);
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    write.write_all(&session.greeting().buffer().ok()?).await.ok()?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if read.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let taken = state.lock().expect("nobody panics while holding it").mails.len();
        let response = session.process(&line);
        let is_silent = {
            let state = state.lock().expect("nobody panics while holding it");
            state.is_silent && state.mails.len() > taken
        };
        if is_silent {
            // Until the client is gone.
            while read.read_until(b'\n', &mut line).await.ok()? > 0 {}
            return None;
        }
        match response.action {
            Action::NoReply => {}
            Action::Reply => write.write_all(&response.buffer().ok()?).await.ok()?,
            Action::Close | Action::UpgradeTls => return write.write_all(&response.buffer().ok()?).await.ok(),
        }
    }
}
