//! `/graphql`: the records API by GraphQL over HTTP, GraphiQL for browsers, and the schema as text.

use std::sync::Arc;

use cardine_graphql::Kind;
use cardine_graphql::protocol;
use cardine_graphql::schema::Schema;
use poem::http::{HeaderValue, Method, StatusCode, header};
use poem::{Request, Response};

use super::Caller;
use super::error::ApiError;
use super::graphql_request::{Asked, Sent, read_sent};
use super::negotiation::{ResponseType, negotiate, wants_html};
use super::{again, event_stream, page, websocket};
use crate::app::App;

/// Headers of an answer, with those that every answer gets on its way out: room for them is made once.
const HEADERS: usize = 8;

/// `GET` and `POST /graphql`.
pub async fn answer(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    if websocket::is_upgrade(&request) {
        // Boxed, as the other way below: most requests go neither, and each has the size of the largest way.
        return Box::pin(websocket::open(app, request)).await;
    }
    let accept = request.header(header::ACCEPT);
    if request.method() == Method::GET && request.uri().query().is_none() && wants_html(accept) {
        return Ok(page::graphiql("", "graphql"));
    }
    let media_type = negotiate(accept).ok_or_else(|| {
        ApiError::not_acceptable("application/graphql-response+json, application/json, text/event-stream")
    })?;
    if media_type == ResponseType::EventStream {
        return Box::pin(event_stream::answer(app, request)).await;
    }
    let caller = Caller::authenticate(&app, &request).await?;
    let key = idempotency_key(&request)?;
    let limits = &app.front.limits;
    let Asked { request, mutations_allowed } = match read_sent(&mut request, limits).await {
        Ok(Sent::One(asked)) => asked,
        Ok(Sent::Batch(_)) if key.is_some() => {
            return Err(ApiError::bad_request(
                "The header Idempotency-Key is for one request: send the list without it.",
            ));
        }
        Ok(Sent::Batch(requests)) => {
            return Ok(Box::pin(answer_batch(&app, &caller, requests, media_type)).await);
        }
        Err(error) => return Ok(error.into_graphql_response(media_type.content_type())),
    };
    let request = protocol::Request { idempotency_key: key, ..request };
    let answer = again::execute(&app, &caller.context, &caller.identity, &request, mutations_allowed).await;
    let mut response = Response::builder().status(status_of(answer.kind, media_type)).body(answer.body);
    response.headers_mut().reserve(HEADERS);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type.content_type()));
    if answer.kind == Kind::MethodNotAllowed {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    }
    Ok(response)
}

/// Answers a list of requests in their order, one after the other: one that writes is seen by the next. There is no status of
/// them all, so it is 200.
async fn answer_batch(
    app: &App,
    caller: &Caller,
    requests: Vec<protocol::Request>,
    media_type: ResponseType,
) -> Response {
    let mut body = vec![b'['];
    for request in requests {
        if body.len() > 1 {
            body.push(b',');
        }
        let answer = again::execute(app, &caller.context, &caller.identity, &request, true).await;
        body.extend_from_slice(&answer.body);
    }
    body.push(b']');
    Response::builder().content_type(media_type.content_type()).body(body)
}

/// The header `Idempotency-Key`: what a client chose for one request and its repetitions.
pub(super) fn idempotency_key(request: &Request) -> Result<Option<String>, ApiError> {
    const LENGTH_MAX: usize = 255;
    let mut values = request.headers().get_all("idempotency-key").iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=LENGTH_MAX).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic())
            && values.next().is_none()
    });
    let message = "The header Idempotency-Key must stand once, with 1 to 255 visible ASCII characters without spaces.";
    key.map(|key| Some(key.to_owned())).ok_or_else(|| ApiError::bad_request(message))
}

/// `GET /graphql/schema.graphql`: the schema as far as it exists for the caller, described in the caller's language.
pub async fn sdl(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let context = Caller::authenticate(&app, &request).await?.context;
    let schema =
        Schema { catalog: context.catalog(), rights: &context.actor.rights, language: &context.actor.languages };
    let text = cardine_graphql::sdl::sdl(&schema);
    Ok(Response::builder().content_type("text/plain; charset=utf-8").body(text))
}

/// By GraphQL over HTTP, section 6.4: under `application/json` a well-formed request is answered with 200.
fn status_of(kind: Kind, media_type: ResponseType) -> StatusCode {
    match kind {
        Kind::RequestError if media_type == ResponseType::GraphqlResponse => StatusCode::BAD_REQUEST,
        Kind::RequestError | Kind::Executed | Kind::Overtaken => StatusCode::OK,
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_the_media_type() {
        for (kind, media_type, status) in [
            (Kind::Executed, ResponseType::GraphqlResponse, 200),
            (Kind::RequestError, ResponseType::GraphqlResponse, 400),
            (Kind::RequestError, ResponseType::Json, 200),
            (Kind::MethodNotAllowed, ResponseType::Json, 405),
        ] {
            assert_eq!(status_of(kind, media_type).as_u16(), status, "{kind:?} {media_type:?}");
        }
    }
}
