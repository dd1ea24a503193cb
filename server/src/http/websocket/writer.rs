//! What is sent on a WebSocket: messages in their order, pings, and the end. One that does not take them is given up.

use std::time::Duration;

use cardine_graphql::transport_ws::Close;
use futures_util::stream::SplitSink;
use futures_util::{Sink, SinkExt as _};
use poem::web::websocket::{Message, WebSocketStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Messages that wait to be sent; who has more waits with them.
const WAITING_MAX: usize = 4;
/// How long a message may take.
const SEND_MAX: Duration = Duration::from_secs(30);
/// How long the last one may take.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How often it is asked whether the other side is there, and what lies between is kept open.
pub const PING: Duration = Duration::from_secs(20);

/// The way to the client.
#[derive(Clone)]
pub struct Outbox(mpsc::Sender<String>);

/// The client is gone.
#[derive(Debug)]
pub struct Gone;

impl Outbox {
    /// Sends a message as soon as those before it are sent.
    pub async fn send(&self, message: String) -> Result<(), Gone> {
        self.0.send(message).await.map_err(|_| Gone)
    }

    /// Completes when the client is gone.
    pub async fn gone(&self) {
        self.0.closed().await;
    }
}

/// Begins to send on `sink`. A close overtakes all messages.
pub fn start(
    sink: SplitSink<WebSocketStream, Message>,
) -> (Outbox, oneshot::Sender<Close>, tokio::task::JoinHandle<()>) {
    let (sender, queue) = mpsc::channel(WAITING_MAX);
    let (close, closing) = oneshot::channel();
    let task = tokio::spawn(write(sink, queue, closing));
    (Outbox(sender), close, task)
}

async fn write<S>(mut sink: S, mut queue: mpsc::Receiver<String>, mut closing: oneshot::Receiver<Close>)
where
    S: Sink<Message> + Unpin,
{
    let mut pings = interval(PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.tick().await;
    let close = loop {
        let message = tokio::select! {
            biased;
            close = &mut closing => break close.ok(),
            message = queue.recv() => match message {
                Some(text) => Message::text(text),
                None => break None,
            },
            _ = pings.tick() => Message::ping(Vec::new()),
        };
        tokio::select! {
            biased;
            close = &mut closing => break close.ok(),
            sent = timeout(SEND_MAX, sink.send(message)) => {
                if !matches!(sent, Ok(Ok(()))) {
                    return;
                }
            }
        }
    };
    let last = match close {
        Some(close) => Message::close_with(close.code(), close.reason()),
        None => Message::close(),
    };
    // Whether it arrives is not ours to know.
    let _ = timeout(CLOSE_MAX, sink.send(last)).await;
}
