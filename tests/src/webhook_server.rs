//! An address outside, of the tests: it keeps what it is sent, and answers as the case says.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::eventually;

/// A running HTTP server; it ends with the value.
#[derive(Debug)]
pub struct WebhookServer {
    address: String,
    state: Arc<Mutex<State>>,
    held: watch::Sender<Held>,
    accepting: tokio::task::JoinHandle<()>,
}

/// A request as it came.
#[derive(Debug, Clone, Default)]
pub struct ReceivedRequest {
    /// Such as `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// By name in lower case.
    pub headers: HashMap<String, String>,
    /// What it says.
    pub body: String,
}

#[derive(Debug, Default)]
struct State {
    requests: Vec<ReceivedRequest>,
    /// Answers to be given, the next one first: status, further head lines, body. Then `200` and `{}`.
    answers: Vec<(u16, String, String)>,
    /// Of the next requests for such a target, before those.
    statuses: Vec<(String, u16)>,
    /// Requests that have come and have no answer yet, and the most that ever were.
    open: usize,
    most_open: usize,
}

/// Whose answers are held back.
#[derive(Debug, Default)]
struct Held {
    all: bool,
    but: HashSet<String>,
}

impl Held {
    fn lets_go(&self, target: &str) -> bool {
        !self.all || self.but.contains(target)
    }
}

impl WebhookServer {
    /// On a free port.
    ///
    /// # Panics
    /// If there is none.
    pub async fn start() -> WebhookServer {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let address = listener.local_addr().expect("it listens").to_string();
        let state = Arc::<Mutex<State>>::default();
        let kept = Arc::clone(&state);
        let (held, holding) = watch::channel(Held::default());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, holding) = (Arc::clone(&kept), holding.clone());
                tokio::spawn(async move { drop(serve(stream, &state, holding).await) });
            }
        });
        WebhookServer { address, state, held, accepting }
    }

    /// Such as `127.0.0.1:40123`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The next request that has no answer yet gets this one: `head` holds further lines, each with its line break.
    ///
    /// # Panics
    /// Never, unless a task panicked while using it.
    pub fn answer(&self, status: u16, head: &str, body: &str) {
        lock(&self.state).answers.push((status, head.to_owned(), body.to_owned()));
    }

    /// The next request for `target` that has no answer yet is answered by this status alone.
    ///
    /// # Panics
    /// Never, unless a task panicked while using it.
    pub fn answer_at(&self, target: &str, status: u16) {
        lock(&self.state).statuses.push((target.to_owned(), status));
    }

    /// From now on requests wait for their answers.
    pub fn hold_back(&self) {
        self.held.send_replace(Held { all: true, but: HashSet::new() });
    }

    /// Those for `target` wait no longer.
    pub fn let_go_at(&self, target: &str) {
        self.held.send_modify(|held| _ = held.but.insert(target.to_owned()));
    }

    /// None waits any longer.
    pub fn let_go(&self) {
        self.held.send_replace(Held::default());
    }

    /// The most requests that ever waited for an answer at the same time.
    ///
    /// # Panics
    /// Never, unless a task panicked while using it.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        lock(&self.state).most_open
    }

    /// All requests so far.
    ///
    /// # Panics
    /// Never, unless a task panicked while using it.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        lock(&self.state).requests.clone()
    }

    /// The request that comes as the `number`-th, from 1.
    ///
    /// # Panics
    /// If it does not come.
    pub async fn request(&self, number: usize) -> ReceivedRequest {
        eventually("a request comes", || async { self.requests().get(number - 1).cloned() }).await
    }
}

impl Drop for WebhookServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nobody panics while holding it")
}

/// One request of a connection, and its answer.
async fn serve(stream: TcpStream, state: &Mutex<State>, mut held: watch::Receiver<Held>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut request = ReceivedRequest { method, target, ..ReceivedRequest::default() };
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            // Who sends it has died, and it was not said to the end.
            return Ok(());
        }
        if line.trim().is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':') {
            request.headers.insert(name.to_lowercase(), value.trim().to_owned());
        }
    }
    let length = request.headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    request.body = String::from_utf8_lossy(&body).into_owned();
    let target = request.target.clone();
    {
        let mut state = lock(state);
        state.requests.push(request);
        state.open += 1;
        state.most_open = state.most_open.max(state.open);
    }
    // An error is that the server goes, and whoever waits with it.
    let _ = held.wait_for(|held| held.lets_go(&target)).await;
    let (status, head, body) = {
        let mut state = lock(state);
        state.open -= 1;
        let own = state.statuses.iter().position(|(of, _)| *of == target);
        if let Some(position) = own {
            (state.statuses.remove(position).1, String::new(), String::new())
        } else if state.answers.is_empty() {
            (200, String::new(), "{}".to_owned())
        } else {
            state.answers.remove(0)
        }
    };
    let answer =
        format!("HTTP/1.1 {status} Answer\r\ncontent-length: {}\r\nconnection: close\r\n{head}\r\n{body}", body.len());
    stream.get_mut().write_all(answer.as_bytes()).await?;
    stream.get_mut().shutdown().await
}
