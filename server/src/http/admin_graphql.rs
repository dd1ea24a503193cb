//! `/admin/graphql`: runs administrators' operations on the static schema, and those of others who are signed in on its part for
//! their own account.

use std::sync::Arc;
use std::time::Duration;

use async_graphql::http::{MultipartOptions, receive_body};
use async_graphql::parser::types::{ExecutableDocument, OperationType, Selection, SelectionSet};
use async_graphql::{PathSegment, Response as GraphqlResponse, Variables};
use cardine_admin::{Asker, PACKAGE_BYTES_MAX, own_fields};
use cardine_graphql::guard;
use poem::http::{Method, StatusCode, header};
use poem::{Request, Response};
use tokio::io::AsyncReadExt as _;

use super::Caller;
use super::error::ApiError;
use super::graphql_request::{Asked, read, read_body};
use super::negotiation::{ResponseType, negotiate, wants_html};
use super::page;
use super::peer::peer;
use crate::app::App;

/// Headers that a browser's page can send to another origin only after a preflight.
const PREFLIGHT_HEADERS: [&str; 3] = ["graphql-preflight", "x-requested-with", "apollo-require-preflight"];
/// How long a refused file is read before the answer goes out.
const DISCARD_PATIENCE: Duration = Duration::from_secs(5);

/// `GET` and `POST /admin/graphql`.
pub async fn answer(app: Arc<App>, mut request: Request) -> Result<Response, ApiError> {
    let accept = request.header(header::ACCEPT);
    if request.method() == Method::GET && request.uri().query().is_none() && wants_html(accept) {
        return Ok(page::graphiql("../", "admin/graphql"));
    }
    let media_type = negotiate(accept)
        .filter(|media_type| *media_type != ResponseType::EventStream)
        .ok_or_else(|| ApiError::not_acceptable("application/graphql-response+json, application/json"))?;
    let caller = Caller::authenticate(&app, &request).await?;
    let content_type = media_type.content_type();
    match execute(app, caller, &mut request).await {
        Err(error) => {
            if is_multipart(&request) {
                discard_body(&mut request).await;
            }
            Ok(error.into_graphql_response(content_type))
        }
        Ok(answer) => {
            let status = status_of(&answer, media_type);
            let body = serde_json::to_vec(&answer).map_err(|_| ApiError::internal())?;
            Ok(Response::builder().status(status).content_type(content_type).body(body))
        }
    }
}

/// A client that is still sending a file when the connection is closed does not see the answer.
async fn discard_body(request: &mut Request) {
    let mut body = request.take_body().into_async_read().take(PACKAGE_BYTES_MAX);
    let mut nowhere = tokio::io::sink();
    let discarded = tokio::io::copy(&mut body, &mut nowhere);
    if tokio::time::timeout(DISCARD_PATIENCE, discarded).await.is_err() {
        tracing::debug!("a refused file was still being sent when the answer went out");
    }
}

async fn execute(app: Arc<App>, caller: Caller, request: &mut Request) -> Result<GraphqlResponse, ApiError> {
    let is_administrator = caller.is_administrator();
    if !is_administrator {
        require_session(&caller)?;
    }
    let peer = peer(request, &app.config.trusted_proxies).ok();
    let limits = &app.front.limits;
    let (mut operation, mutations_allowed) = if is_multipart(request) {
        (read_multipart(request, limits.body_bytes).await?, true)
    } else {
        let Asked { request: asked, mutations_allowed } = read(request, limits).await?;
        guard::check_variables(&asked.variables, limits)?;
        let mut operation =
            async_graphql::Request::new(asked.query).variables(Variables::from_json(asked.variables.into()));
        operation.operation_name = asked.operation_name;
        (operation, mutations_allowed)
    };
    // In front of the library, whose own validator unfolds fragments without a bound.
    let document = guard::parse(&operation.query, limits)?;
    let changes = is_mutation(&document, operation.operation_name.as_deref());
    if changes && !mutations_allowed {
        return Err(ApiError::method_not_allowed("POST"));
    }
    if !is_administrator && asks_beyond(&document, &own_fields()) {
        let message = format!("Only administrators may do this. Others find here {}.", own_fields().join(", "));
        return Err(ApiError::forbidden(message));
    }
    operation.set_parsed_query(document);
    let Caller { context, token, .. } = caller;
    let asker = Asker { is_administrator, request: context, token, peer };
    let executed = app.administration.execute(asker, operation);
    // A change of modules takes as long as its data need; it is whole or not at all.
    let mut answer = match changes {
        true => executed.await,
        false => {
            let limit = limits.execution;
            let exceeded = |_| ApiError::time_limit(limit);
            tokio::time::timeout(limit, executed).await.map_err(exceeded)?
        }
    };
    answer.errors.truncate(limits.errors);
    for error in &mut answer.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            // What the library refuses by itself is the request's fault: syntax, validation, coercion.
            extensions.set("code", "BAD_USER_INPUT");
        }
    }
    Ok(answer)
}

/// Refuses who is nobody, and programs: their keys are for records, or for administrating.
fn require_session(caller: &Caller) -> Result<(), ApiError> {
    match &caller.token {
        Some(token) if token.session.is_some() => Ok(()),
        Some(_) => Err(ApiError::forbidden(
            "Only administrators may do this, by a key without scopes or with the scope admin.",
        )),
        None => Err(ApiError::unauthenticated("Sign in: send the header Authorization: Bearer <token>.")),
    }
}

/// Whether a field at the root of an operation is none of these, nor one of introspection.
fn asks_beyond(document: &ExecutableDocument, names: &[&str]) -> bool {
    let mut fragments = Vec::new();
    let mut sets: Vec<&SelectionSet> =
        document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => {
                    let name = field.node.name.node.as_str();
                    if !name.starts_with("__") && !names.contains(&name) {
                        return true;
                    }
                }
                Selection::InlineFragment(fragment) => sets.push(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = spread.node.fragment_name.node.as_str();
                    // Each once: a fragment may stand in many places.
                    if !fragments.contains(&name) {
                        fragments.push(name);
                        let fragment = document.fragments.get(name);
                        sets.extend(fragment.map(|fragment| &fragment.node.selection_set.node));
                    }
                }
            }
        }
    }
    false
}

fn is_multipart(request: &Request) -> bool {
    request.method() == Method::POST && request.content_type().is_some_and(|ty| ty.starts_with("multipart/form-data"))
}

/// A request with a file, as of <https://github.com/jaydenseric/graphql-multipart-request-spec>.
///
/// A page of another origin may send such a body without asking first; a header that no form can set makes the browser ask.
async fn read_multipart(request: &mut Request, body_bytes_max: usize) -> Result<async_graphql::Request, ApiError> {
    if !PREFLIGHT_HEADERS.iter().any(|name| request.header(*name).is_some()) {
        let message = format!("A request with a file needs one of the headers {}.", PREFLIGHT_HEADERS.join(", "));
        return Err(ApiError::bad_request(&message));
    }
    let content_type = request.content_type().map(str::to_owned);
    let limit = usize::try_from(PACKAGE_BYTES_MAX).unwrap_or(usize::MAX).saturating_add(body_bytes_max);
    let body = read_body(request.take_body(), limit).await?;
    let options = MultipartOptions::default().max_num_files(1).max_file_size(limit);
    let body = futures_util::io::Cursor::new(body);
    receive_body(content_type, body, options)
        .await
        .map_err(|_| ApiError::bad_request("The body is no multipart GraphQL request."))
}

fn is_mutation(document: &ExecutableDocument, name: Option<&str>) -> bool {
    let mut operations = document.operations.iter();
    operations.any(|(found, operation)| {
        let is_meant = name.is_none_or(|name| found.is_none_or(|found| found == name));
        is_meant && operation.node.ty != OperationType::Query
    })
}

/// 400 for what was refused before it ran, where the client knows the specification's media type.
fn status_of(answer: &GraphqlResponse, media_type: ResponseType) -> StatusCode {
    let ran = |path: &[PathSegment]| !path.is_empty();
    let refused = !answer.errors.is_empty() && !answer.errors.iter().any(|error| ran(&error.path));
    if refused && media_type == ResponseType::GraphqlResponse { StatusCode::BAD_REQUEST } else { StatusCode::OK }
}

#[cfg(test)]
mod tests {
    use cardine_graphql::limits::Limits;

    use super::*;

    fn document(text: &str) -> ExecutableDocument {
        guard::parse(text, &Limits::default()).unwrap()
    }

    #[test]
    fn the_operation_that_is_meant_decides() {
        let both = document("query A { a } mutation B { b }");
        assert!(!is_mutation(&both, Some("A")));
        assert!(is_mutation(&both, Some("B")));
        assert!(is_mutation(&document("mutation { b }"), None));
        assert!(!is_mutation(&document("{ a }"), None));
    }

    #[test]
    fn what_is_asked_at_the_root_is_seen_through_fragments() {
        let beyond = |text: &str| asks_beyond(&document(text), &["a"]);
        assert!(!beyond("{ __typename a { b } ... on Query { a } ...F } fragment F on Query { a }"));
        for text in [
            "{ b }",
            "{ a ... { b } }",
            "{ ...F } fragment F on Query { ...G } fragment G on Query { b }",
            "query A { a } mutation B { b }",
        ] {
            assert!(beyond(text), "{text}");
        }
    }
}
