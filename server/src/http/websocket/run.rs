//! The tasks of a WebSocket's operations: one answer for a query or mutation, one after the other for a subscription.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cardine_graphql::protocol::Request;
use cardine_graphql::subscription::{End, Subscriber};
use cardine_graphql::transport_ws::{self as messages, Close};
use cardine_graphql::{Code, Error, Kind, Response};
use futures_util::FutureExt as _;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use super::operations::{Begun, Operations};
use super::writer::Outbox;
use crate::app::App;
use crate::http::{Caller, again};

/// Runs a query or a mutation.
pub async fn run(
    app: Arc<App>,
    caller: Caller,
    request: Request,
    begun: Begun,
    outbox: Outbox,
    operations: Operations,
) {
    let executed = again::execute(&app, &caller.context, &caller.identity, &request, true);
    let answer = AssertUnwindSafe(executed).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("an operation panicked");
        Response::failed(&[Error::new(Code::Internal, "The server failed; its log tells why.")])
    });
    if !operations.finish(&begun) {
        return;
    }
    let id = &begun.id;
    // Who is gone needs no answer.
    let _ = match answer.kind {
        Kind::Executed | Kind::Overtaken => match outbox.send(messages::next(id, &answer.body)).await {
            Ok(()) => outbox.send(messages::complete(id)).await,
            gone => gone,
        },
        Kind::RequestError | Kind::MethodNotAllowed => {
            let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
            outbox.send(messages::error_of_json(id, &body["errors"])).await
        }
    };
}

/// Sends what a subscription gives, as fast as the client takes it.
pub async fn follow(
    mut subscriber: Subscriber,
    begun: Begun,
    outbox: Outbox,
    operations: Operations,
    ends: mpsc::Sender<Close>,
) {
    loop {
        match subscriber.next().await {
            Ok(body) => {
                if outbox.send(messages::next(&begun.id, &body)).await.is_err() {
                    return;
                }
            }
            Err(End::Unauthenticated) => {
                // There is room for one; a second one would say the same.
                let _ = ends.try_send(Close::Forbidden);
                return;
            }
            Err(End::Failed(errors)) => {
                if operations.finish(&begun) {
                    let _ = outbox.send(messages::error(&begun.id, &errors)).await;
                }
                return;
            }
        }
    }
}
