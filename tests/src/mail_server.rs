//! A mail server of the tests: the protocol is that of a library for SMTP servers, and what it takes is kept for the case.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use mailin::{Action, AuthMechanism, Handler, Response, Session, SessionBuilder};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::certificate::Certificate;
use crate::eventually;

/// A running mail server; it ends with the value.
#[derive(Debug)]
pub struct MailServer {
    address: String,
    state: Arc<Mutex<State>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// How a mail server protects its connections.
#[derive(Clone)]
enum Protection {
    None,
    /// By STARTTLS, without which it takes no password.
    Offered(TlsAcceptor),
    FromTheStart(TlsAcceptor),
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
    /// Whether it came over TLS.
    pub protected: bool,
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
    /// Every line that was not protected.
    heard: Vec<String>,
}

impl MailServer {
    /// On a free port, without TLS.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> MailServer {
        MailServer::listen(Protection::None).await
    }

    /// On a free port, with STARTTLS and this certificate.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start_with_starttls(certificate: &Certificate) -> MailServer {
        MailServer::listen(Protection::Offered(certificate.acceptor())).await
    }

    /// On a free port, with TLS from the first byte and this certificate.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start_with_tls(certificate: &Certificate) -> MailServer {
        MailServer::listen(Protection::FromTheStart(certificate.acceptor())).await
    }

    async fn listen(protection: Protection) -> MailServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it listens").to_string();
        let state = Arc::<Mutex<State>>::default();
        let for_sessions = Arc::clone(&state);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                tokio::spawn(serve(stream, peer.ip(), Arc::clone(&for_sessions), protection.clone()));
            }
        });
        MailServer { address, state, accepting }
    }

    /// What `--smtp-url` is to be.
    #[must_use]
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// Its address and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Asks for this user and password from now on.
    pub fn ask_for(&self, user: &str, password: &str) {
        self.state().credentials = Some((user.to_owned(), password.to_owned()));
    }

    /// Every line that came in without protection.
    #[must_use]
    pub fn heard_in_clear(&self) -> Vec<String> {
        self.state().heard.clone()
    }

    /// What `--smtp-url` is to be for a server that is asked for user and password from now on.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn url_with_credentials(&self, user: &str, password: &str) -> String {
        self.ask_for(user, password);
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
    is_protected: Arc<AtomicBool>,
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
        let content = String::from_utf8_lossy(&self.content).into_owned();
        let mail = ReceivedMail { content, protected: self.is_protected.load(Ordering::Relaxed), ..self.mail.clone() };
        self.state().mails.push(mail);
        mailin::response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        let expected = self.state().credentials.clone();
        self.is_known = expected.is_some_and(|known| known == (user.to_owned(), password.to_owned()));
        if self.is_known { mailin::response::AUTH_OK } else { mailin::response::INVALID_CREDENTIALS }
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, state: Arc<Mutex<State>>, protection: Protection) -> Option<()> {
    let mut builder = SessionBuilder::new("mail.example.org");
    let is_protected = Arc::<AtomicBool>::default();
    let asks = state.lock().expect("nobody panics while holding it").credentials.is_some();
    let (mail, content) = (ReceivedMail::default(), Vec::new());
    let inbox =
        Inbox { state: Arc::clone(&state), mail, content, is_known: false, is_protected: Arc::clone(&is_protected) };
    if asks {
        builder.enable_auth(AuthMechanism::Plain);
        if !matches!(protection, Protection::Offered(_)) {
            builder.insecure_enable_plaintext_auth();
        }
    }
    if matches!(protection, Protection::Offered(_)) {
        builder.enable_start_tls();
    }
    let mut session = builder.build(peer, inbox);
    let greeting = session.greeting().buffer().ok()?;
    match protection {
        Protection::FromTheStart(acceptor) => {
            let mut stream = BufReader::new(acceptor.accept(stream).await.ok()?);
            is_protected.store(true, Ordering::Relaxed);
            stream.write_all(&greeting).await.ok()?;
            talk(&mut stream, &mut session, &state, &is_protected).await.map(|_| ())
        }
        Protection::None | Protection::Offered(_) => {
            let mut clear = BufReader::new(stream);
            clear.write_all(&greeting).await.ok()?;
            let upgrades = talk(&mut clear, &mut session, &state, &is_protected).await?;
            let Protection::Offered(acceptor) = protection else { return None };
            if !upgrades {
                return None;
            }
            // What stands in the buffer was sent before the protection, and is dropped with it.
            let mut stream = BufReader::new(acceptor.accept(clear.into_inner()).await.ok()?);
            is_protected.store(true, Ordering::Relaxed);
            session.tls_active();
            talk(&mut stream, &mut session, &state, &is_protected).await.map(|_| ())
        }
    }
}

/// Answers until the client goes, or asks for protection: then it is true.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    session: &mut Session<Inbox>,
    state: &Mutex<State>,
    is_protected: &AtomicBool,
) -> Option<bool> {
    let mut line = Vec::new();
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await.ok()? == 0 {
            return None;
        }
        let taken = {
            let mut state = state.lock().expect("nobody panics while holding it");
            if !is_protected.load(Ordering::Relaxed) {
                state.heard.push(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            state.mails.len()
        };
        let response = session.process(&line);
        let is_silent = {
            let state = state.lock().expect("nobody panics while holding it");
            state.is_silent && state.mails.len() > taken
        };
        if is_silent {
            // Until the client is gone.
            while stream.read_until(b'\n', &mut line).await.ok()? > 0 {}
            return None;
        }
        let answer = response.buffer().ok()?;
        match response.action {
            Action::NoReply => {}
            Action::Reply => stream.write_all(&answer).await.ok()?,
            Action::Close => return stream.write_all(&answer).await.ok().map(|()| false),
            Action::UpgradeTls => return stream.write_all(&answer).await.ok().map(|()| true),
        }
        stream.flush().await.ok()?;
    }
}
