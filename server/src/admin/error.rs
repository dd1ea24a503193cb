//! Failures of use cases as GraphQL errors with `extensions.code` and `extensions.issues`.

use async_graphql::{Error, ErrorExtensionValues, Value};
use cardine_engine::EngineError;
use cardine_model::Issue;

use crate::http::error::ApiError;

/// The GraphQL error for a failed use case.
pub fn graphql_error(error: EngineError) -> Error {
    api_error(error.into())
}

/// The GraphQL error for what would be answered so outside GraphQL.
pub fn api_error(error: ApiError) -> Error {
    let ApiError { code, message, issues, .. } = error;
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code);
    if !issues.is_empty() {
        let list = serde_json::to_value(issues).ok().and_then(|list| Value::from_json(list).ok());
        extensions.set("issues", list.unwrap_or_default());
    }
    Error { message, source: None, extensions: Some(extensions) }
}

/// An input that breaks a rule, told at its argument.
pub fn invalid(issue: Issue) -> Error {
    graphql_error(EngineError::Validation(vec![issue]))
}
