//! One WebSocket from its first message to its end, by the protocol `graphql-transport-ws`.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cardine_graphql::Error;
use cardine_graphql::limits::Limits;
use cardine_graphql::protocol::Request;
use cardine_graphql::subscription::End;
use cardine_graphql::transport_ws::{self as messages, ClientMessage, Close};
use futures_util::StreamExt as _;
use futures_util::stream::SplitStream;
use poem::http::StatusCode;
use poem::web::websocket::{Message, WebSocketStream};
use serde_json::{Map, Value as Json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::operations::Operations;
use super::run::{follow, run};
use super::writer::{Gone, Outbox, PING, start};
use crate::app::App;
use crate::http::Caller;
use crate::http::caller::Wishes;
use crate::http::connections::{Connection, Ending};
use crate::http::credential::{Credential, shows_csrf_token, token_of};
use crate::http::error::ApiError;

/// How long a client may take to begin.
const INIT_MAX: Duration = Duration::from_secs(5);
/// How long a client may be silent; it answers pings.
const SILENCE_MAX: Duration = PING.saturating_mul(3);
/// How long the client may take to close its side.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// What is known before the first message.
pub struct Opening {
    /// The token of the header `Authorization`, which only programs can send, or the cookie of an own page.
    pub credential: Option<Credential>,
    /// Time zone and language.
    pub wishes: Wishes,
    /// The peer's.
    pub address: IpAddr,
    /// Its place among all connections.
    pub counted: Connection,
    /// Whether the client offered the sub-protocol.
    pub speaks: bool,
}

/// Why a connection ends: it is closed, or the client is gone.
type Ended = Option<Close>;

/// Serves it until it ends.
pub async fn serve(app: Arc<App>, opening: Opening, stream: WebSocketStream) {
    let (sink, incoming) = stream.split();
    let (outbox, close, mut writer) = start(sink);
    let mut inbox = Inbox { frames: incoming, limits: app.front.limits.clone() };
    let operations = Operations::default();
    let Err(ended) = converse(app, opening, &mut inbox, &outbox, &operations).await;
    operations.stop_all();
    if let Some(reason) = ended {
        tracing::debug!(code = reason.code(), "a WebSocket is closed");
        // While there is an outbox: without one the writer ends for no reason.
        let _ = close.send(reason);
        drop(outbox);
        if timeout(FAREWELL_MAX, &mut writer).await.is_ok() {
            // Until the client has closed too: what lies unread would make the network drop the reason.
            let farewell = async { while let Some(Ok(_)) = inbox.frames.next().await {} };
            let _ = timeout(FAREWELL_MAX, farewell).await;
        }
    }
    writer.abort();
}

async fn converse(
    app: Arc<App>,
    opening: Opening,
    inbox: &mut Inbox,
    outbox: &Outbox,
    operations: &Operations,
) -> Result<Infallible, Ended> {
    let Opening { credential, wishes, address, mut counted, speaks } = opening;
    if !speaks {
        return Err(Some(Close::SubProtocolNotAcceptable));
    }
    let first = unless_ended(&mut counted, outbox, first_message(inbox, outbox));
    let payload = timeout(INIT_MAX, first).await.map_err(|_| Some(Close::InitialisationTimeout))??;
    let credential = match authorization(&payload)? {
        Some(token) => Some(Credential::Bearer(token)),
        None => shown(&payload, credential)?,
    };
    let caller = Caller::with_credential(&app, credential.as_ref(), wishes.clone()).await;
    let caller = caller.map_err(|error| Some(refusal(&error)))?;
    let belongs = counted.belongs_to(caller.token.as_ref(), address);
    belongs.map_err(|too_many| Some(Close::TryAgainLater(too_many.to_string())))?;
    outbox.send(messages::connection_ack()).await?;

    let (ends, mut ended) = mpsc::channel(1);
    let session = Session { app, credential, wishes, outbox: outbox.clone(), operations: operations.clone(), ends };
    loop {
        let next = async {
            tokio::select! {
                biased;
                Some(reason) = ended.recv() => Err(Some(reason)),
                message = inbox.next() => message,
            }
        };
        let message = unless_ended(&mut counted, outbox, next).await?;
        unless_ended(&mut counted, outbox, session.take(message)).await?;
    }
}

/// Does `work`, unless the connection must end first.
async fn unless_ended<T>(
    counted: &mut Connection,
    outbox: &Outbox,
    work: impl Future<Output = Result<T, Ended>>,
) -> Result<T, Ended> {
    tokio::select! {
        biased;
        ending = counted.ended() => Err(Some(match ending {
            Ending::Revoked => Close::Forbidden,
            Ending::Draining => Close::GoingAway,
        })),
        () = outbox.gone() => Err(None),
        done = work => done,
    }
}

/// Waits for the message that begins the connection; gives its payload.
async fn first_message(inbox: &mut Inbox, outbox: &Outbox) -> Result<Map<String, Json>, Ended> {
    loop {
        match inbox.next().await? {
            ClientMessage::ConnectionInit(payload) => return Ok(payload),
            ClientMessage::Ping(payload) => outbox.send(messages::pong(payload)).await?,
            ClientMessage::Pong | ClientMessage::Complete { .. } => {}
            ClientMessage::Subscribe { .. } | ClientMessage::Excessive { .. } => {
                return Err(Some(Close::Unauthorized));
            }
        }
    }
}

/// The token of the payload's `authorization`: as in the header, or bare.
fn authorization(payload: &Map<String, Json>) -> Result<Option<String>, Ended> {
    let value = payload.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value);
    match value {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) if !text.contains(' ') => Ok(Some(text.clone())),
        Some(Json::String(text)) => token_of(text).map(|token| Some(token.to_owned())).ok_or(Some(Close::Forbidden)),
        Some(_) => Err(Some(Close::Forbidden)),
    }
}

/// A cookie counts if the payload's `csrfToken` is that of its pages: browsers send cookies for foreign pages too.
fn shown(payload: &Map<String, Json>, credential: Option<Credential>) -> Result<Option<Credential>, Ended> {
    match &credential {
        Some(Credential::Cookie(cookie))
            if !shows_csrf_token(cookie, payload.get("csrfToken").and_then(Json::as_str)) =>
        {
            Err(Some(Close::Forbidden))
        }
        _ => Ok(credential),
    }
}

/// How a caller is refused who would get this answer over HTTP.
fn refusal(error: &ApiError) -> Close {
    match error.status {
        StatusCode::UNAUTHORIZED => Close::Forbidden,
        StatusCode::SERVICE_UNAVAILABLE => Close::TryAgainLater(error.message.clone()),
        _ => Close::Internal,
    }
}

/// What the client sends.
struct Inbox {
    frames: SplitStream<WebSocketStream>,
    limits: Limits,
}

impl Inbox {
    async fn next(&mut self) -> Result<ClientMessage, Ended> {
        loop {
            return match timeout(SILENCE_MAX, self.frames.next()).await.ok().flatten() {
                Some(Ok(Message::Text(text))) => ClientMessage::parse(&text, &self.limits).map_err(Some),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Binary(_))) => {
                    Err(Some(Close::InvalidMessage("Invalid message: it must be text".to_owned())))
                }
                Some(Err(error)) => Err(breach(&error)),
                Some(Ok(Message::Close(_))) | None => Err(None),
            };
        }
    }
}

/// What the client did against the WebSocket protocol itself; none if the network failed. The library below tells only in words.
fn breach(error: &std::io::Error) -> Ended {
    if error.kind() != std::io::ErrorKind::Other {
        return None;
    }
    match error.to_string() {
        text if text.starts_with("Space limit") => Some(Close::TooLong),
        text if text.starts_with("UTF-8") => Some(Close::NotText),
        text if text.contains("without closing handshake") => None,
        _ => Some(Close::Malformed),
    }
}

struct Session {
    app: Arc<App>,
    credential: Option<Credential>,
    wishes: Wishes,
    outbox: Outbox,
    operations: Operations,
    ends: mpsc::Sender<Close>,
}

impl Session {
    /// Messages are taken in their order; a subscription has begun when the next one is.
    async fn take(&self, message: ClientMessage) -> Result<(), Ended> {
        match message {
            ClientMessage::ConnectionInit(_) => Err(Some(Close::TooManyInitialisations)),
            ClientMessage::Ping(payload) => Ok(self.outbox.send(messages::pong(payload)).await?),
            ClientMessage::Pong => Ok(()),
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
            ClientMessage::Subscribe { id, request } => self.begin(id, request).await,
            ClientMessage::Excessive { id, error } => Ok(self.outbox.send(messages::error(&id, &[error])).await?),
        }
    }

    async fn begin(&self, id: String, request: Request) -> Result<(), Ended> {
        let begun = self.operations.begin(&id).ok_or_else(|| Some(Close::SubscriberExists(id.clone())))?;
        let (limit, count) = (self.app.front.limits.operations_per_connection, self.operations.count());
        if count > limit {
            self.operations.finish(&begun);
            let error = Error::limit("operations in one connection", limit, count);
            return Ok(self.outbox.send(messages::error(&id, &[error])).await?);
        }
        // Each operation is one more request: its token is looked at, and it runs under the rights of now.
        let caller = Caller::with_credential(&self.app, self.credential.as_ref(), self.wishes.clone()).await;
        let caller = caller.map_err(|error| Some(refusal(&error)))?;
        let (outbox, operations) = (self.outbox.clone(), self.operations.clone());
        let task = if self.app.subscriptions.is_subscription(&caller.context, &request) {
            match self.app.subscriptions.subscribe(caller.identity, request).await {
                Ok(subscriber) => {
                    tokio::spawn(follow(subscriber, begun.clone(), outbox, operations, self.ends.clone()))
                }
                Err(End::Unauthenticated) => return Err(Some(Close::Forbidden)),
                Err(End::Failed(errors)) => {
                    self.operations.finish(&begun);
                    return Ok(self.outbox.send(messages::error(&id, &errors)).await?);
                }
            }
        } else {
            tokio::spawn(run(Arc::clone(&self.app), caller, request, begun.clone(), outbox, operations))
        };
        self.operations.runs(&begun, task.abort_handle());
        Ok(())
    }
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        None
    }
}
