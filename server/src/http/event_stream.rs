//! GraphQL over server-sent events, in distinct connections mode
//! (<https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md>): one operation, a `next` event for each
//! result, and `complete`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cardine_graphql::Response as Answer;
use cardine_graphql::subscription::Subscriber;
use futures_util::{Stream, stream};
use poem::http::header;
use poem::{Body, Request, Response};

use super::Caller;
use super::again;
use super::connections::{Connection, Ending};
use super::error::ApiError;
use super::graphql_request::{Asked, read};
use super::negotiation::ResponseType;
use super::peer::peer_address;
use crate::app::App;

/// How often a comment is sent while nothing happens, so that what lies between keeps the connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers `POST` or `GET /graphql` by a stream. When its head is sent, a subscription has begun.
pub async fn answer(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let caller = Caller::authenticate(&app, &request).await?;
    let address = peer_address(&request, &app.config.trusted_proxies)?;
    let asked = read(&mut request, &app.front.limits).await;
    let Asked { request, mutations_allowed } = match asked {
        Ok(asked) => asked,
        Err(error) => return Ok(error.into_graphql_response(ResponseType::Json.content_type())),
    };
    if !app.subscriptions.is_subscription(&caller.context, &request) {
        let answer = again::execute(&app, &caller.context, &caller.identity, &request, mutations_allowed).await;
        return Ok(response(Body::from([event("next", &answer.body), complete()].concat())));
    }
    let too_many = |too_many: super::connections::TooMany| ApiError::too_many(too_many.to_string());
    let mut counted = app.connections.open().map_err(too_many)?;
    counted.belongs_to(caller.token.as_ref(), address).map_err(too_many)?;
    match app.subscriptions.subscribe(caller.identity, request).await {
        Ok(subscriber) => {
            let ready = VecDeque::from([comment()]);
            let stream = events(Following { subscriber, counted, ready, is_over: false });
            Ok(response(Body::from_bytes_stream(stream)))
        }
        Err(end) => Ok(response(Body::from(last(&end.errors())))),
    }
}

struct Following {
    subscriber: Subscriber,
    counted: Connection,
    ready: VecDeque<Bytes>,
    is_over: bool,
}

fn events(following: Following) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    stream::unfold(following, |mut following| async move {
        let bytes = following.next().await?;
        Some((Ok(bytes), following))
    })
}

impl Following {
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.ready.pop_front() {
            return Some(bytes);
        }
        if self.is_over {
            return None;
        }
        tokio::select! {
            biased;
            ending = self.counted.ended() => {
                self.is_over = true;
                match ending {
                    Ending::Revoked => Some(last(&cardine_graphql::subscription::End::Unauthenticated.errors())),
                    // Without `complete`: the client is to connect again.
                    Ending::Draining => None,
                }
            }
            change = self.subscriber.next() => Some(match change {
                Ok(body) => event("next", &body),
                Err(end) => {
                    self.is_over = true;
                    last(&end.errors())
                }
            }),
            () = tokio::time::sleep(KEEP_ALIVE) => Some(comment()),
        }
    }
}

/// The errors, and the end.
fn last(errors: &[cardine_graphql::Error]) -> Bytes {
    [event("next", &Answer::refused(errors).body), complete()].concat().into()
}

fn response(body: Body) -> Response {
    Response::builder()
        .content_type(ResponseType::EventStream.content_type())
        // Proxies must not gather what is to go on at once.
        .header("x-accel-buffering", "no")
        .header(header::CACHE_CONTROL, "no-store")
        .body(body)
}

fn event(name: &str, data: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(data.len() + name.len() + 20);
    bytes.extend_from_slice(format!("event: {name}\n").as_bytes());
    // A line of JSON may end within it; each has to say that it is data.
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.extend_from_slice(b"data: ");
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes.push(b'\n');
    bytes.into()
}

/// The data are empty but there: browsers pass over an event without.
fn complete() -> Bytes {
    Bytes::from_static(b"event: complete\ndata:\n\n")
}

fn comment() -> Bytes {
    Bytes::from_static(b":\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_its_data_line_by_line() {
        assert_eq!(&event("next", b"{\"a\":1}")[..], b"event: next\ndata: {\"a\":1}\n\n");
        assert_eq!(&event("next", b"{\n\"a\":\r\n1}")[..], b"event: next\ndata: {\ndata: \"a\":\ndata: \ndata: 1}\n\n");
    }
}
