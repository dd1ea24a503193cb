//! What a function answers when it did not succeed.

use crate::Value;
use crate::bindings::cardine::plugin::types;

/// Why a call did not succeed; the case decides what the host does next.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginError {
    /// The caller's input is wrong: shown to the user and never retried.
    Invalid(Vec<Issue>),
    /// Something that the input names is not there.
    NotFound(String),
    /// The plugin refuses the call.
    Denied(String),
    /// Temporary: the host tries again, not before `after_ms` milliseconds if given.
    Retryable {
        /// What happened, for the run log.
        message: String,
        /// Earliest next try, in milliseconds from now.
        after_ms: Option<u32>,
    },
    /// A bug or an unexpected state: not retried; the text goes to the admin's log only.
    Failed(String),
}

/// One problem of the input.
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// Position in the batch; the SDK leaves it to the host in single calls.
    pub item: Option<u32>,
    /// Path of the faulty field, such as `address.city`.
    pub path: Option<String>,
    /// Stable machine-readable code, such as `amount-malformed`.
    pub code: String,
    /// What is wrong and what would be right, for the user.
    pub message: String,
    /// The message's parameters, a JSON object.
    pub params: Value,
}

impl Issue {
    /// An issue of one field, without parameters.
    pub fn at(path: &str, code: &str, message: impl Into<String>) -> Self {
        Self {
            item: None,
            path: Some(path.to_owned()),
            code: code.to_owned(),
            message: message.into(),
            params: Value::Object(serde_json::Map::new()),
        }
    }
}

impl From<PluginError> for types::PluginError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Invalid(issues) => Self::Invalid(issues.into_iter().map(types::Issue::from).collect()),
            PluginError::NotFound(message) => Self::NotFound(message),
            PluginError::Denied(message) => Self::Denied(message),
            PluginError::Retryable { message, after_ms } => Self::Retryable(types::RetryAdvice { message, after_ms }),
            PluginError::Failed(message) => Self::Failed(message),
        }
    }
}

impl From<Issue> for types::Issue {
    fn from(issue: Issue) -> Self {
        Self {
            item: issue.item,
            path: issue.path,
            code: issue.code,
            message: issue.message,
            params: issue.params.to_string(),
        }
    }
}
