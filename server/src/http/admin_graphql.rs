//! `/admin/graphql`: lets administrators in only, and runs their operations on the static schema.

use std::sync::Arc;

use async_graphql::{PathSegment, Response as GraphqlResponse, Variables};
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use cardine_graphql::guard;
use cardine_graphql::limits::Limits;
use poem::http::{Method, StatusCode, header};
use poem::{Request, Response};

use super::Caller;
use super::error::ApiError;
use super::graphql_request::{Asked, read};
use super::negotiation::{ResponseType, negotiate, wants_html};
use super::page;
use crate::admin::AdminContext;
use crate::app::App;

/// The most errors of an answer.
const ERRORS_MAX: usize = 20;

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
        Err(error) => Ok(error.into_graphql_response(content_type)),
        Ok(answer) => {
            let status = status_of(&answer, media_type);
            let body = serde_json::to_vec(&answer).map_err(|_| ApiError::internal())?;
            Ok(Response::builder().status(status).content_type(content_type).body(body))
        }
    }
}

async fn execute(app: Arc<App>, caller: Caller, request: &mut Request) -> Result<GraphqlResponse, ApiError> {
    caller.require_administrator()?;
    let Asked { request: asked, mutations_allowed } = read(request).await?;
    // In front of the library, whose own validator unfolds fragments without a bound.
    let document = guard::parse(&asked.query, &Limits::default())?;
    if !mutations_allowed && is_mutation(&document, asked.operation_name.as_deref()) {
        return Err(ApiError::method_not_allowed("POST"));
    }
    let mut operation = async_graphql::Request::new(asked.query)
        .variables(Variables::from_json(asked.variables.into()))
        .data(AdminContext { app: Arc::clone(&app), request: caller.context });
    operation.operation_name = asked.operation_name;
    operation.set_parsed_query(document);
    let mut answer = app.admin.execute(operation).await;
    answer.errors.truncate(ERRORS_MAX);
    for error in &mut answer.errors {
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            // What the library refuses by itself is the request's fault: syntax, validation, coercion.
            extensions.set("code", "BAD_USER_INPUT");
        }
    }
    Ok(answer)
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
}
