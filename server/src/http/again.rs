//! A request whose modules were changed under it: nothing of it took effect, so it is run again on the new version, as a whole.

use cardine_engine::RequestContext;
use cardine_graphql::protocol::Request;
use cardine_graphql::subscription::Identity;
use cardine_graphql::{Kind, Response};

use super::caller::context_of;
use crate::app::App;

/// How often a request is begun. Each time but the first, modules were changed in the few milliseconds before.
const ATTEMPTS_MAX: usize = 8;

/// Executes a request of the caller `identity`, at first with `context`.
pub async fn execute(
    app: &App,
    context: &RequestContext,
    identity: &Identity,
    request: &Request,
    mutations_allowed: bool,
) -> Response {
    let mut answer = cardine_graphql::execute(&app.front, &app.engine, context, request, mutations_allowed).await;
    for attempt in 1..ATTEMPTS_MAX {
        if answer.kind != Kind::Overtaken {
            break;
        }
        // Who has bad luck again waits for the change that is being made.
        let renewed = match attempt {
            1 => app.engine.renew(context).await,
            _ => app.engine.reload().await,
        };
        if renewed.is_err() {
            break;
        }
        // Who may not ask any more is told by the next request.
        let Some(renewed) = context_of(&app.engine, identity) else { break };
        let renewed = RequestContext { request_id: context.request_id, ..renewed };
        answer = cardine_graphql::execute(&app.front, &app.engine, &renewed, request, mutations_allowed).await;
    }
    answer
}
