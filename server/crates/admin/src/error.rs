//! Failures of use cases as GraphQL errors with `extensions.code` and `extensions.issues`.

use async_graphql::{Error, ErrorExtensionValues, Value};
use cardine_engine::EngineError;
use cardine_graphql::Error as Refusal;
use cardine_model::Issue;

/// The GraphQL error for a failed use case.
pub fn graphql_error(error: EngineError) -> Error {
    told(error.into())
}

/// As the records API tells it.
pub fn told(refusal: Refusal) -> Error {
    let Refusal { code, message, issues, reason, .. } = refusal;
    let mut extensions = ErrorExtensionValues::default();
    extensions.set("code", code.as_str());
    if let Some(reason) = reason {
        extensions.set("reason", String::from(reason));
    }
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
