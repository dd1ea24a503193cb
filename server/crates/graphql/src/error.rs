//! Errors as GraphQL shows them: a code, a place in the text, a place in the answer, and every faulty input.

use async_graphql_parser::Pos;
use cardine_engine::EngineError;
use cardine_model::{Issue, PathSegment};

/// The stable name of a reaction (`extensions.code`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Syntax, validation, coercion: the request itself is wrong.
    BadUserInput,
    /// Values break a rule.
    ValidationFailed,
    /// Nobody is signed in.
    Unauthenticated,
    /// The role may not do this.
    Forbidden,
    /// No such record for the caller.
    NotFound,
    /// The state has changed, or something is in the way.
    Conflict,
    /// A bound is passed.
    LimitExceeded,
    /// A plugin failed.
    PluginFailed,
    /// Try again later.
    Unavailable,
    /// Our fault.
    Internal,
}

impl Code {
    /// As it stands in the answer.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::ValidationFailed => "VALIDATION_FAILED",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::LimitExceeded => "LIMIT_EXCEEDED",
            Self::PluginFailed => "PLUGIN_FAILED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

/// One error of an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What kind.
    pub code: Code,
    /// For people: what is wrong, and what would be right.
    pub message: String,
    /// Where in the query text.
    pub locations: Vec<Pos>,
    /// Where in the answer.
    pub path: Vec<PathSegment>,
    /// Every faulty input, from the argument on.
    pub issues: Vec<Issue>,
    /// Why a plugin failed (`extensions.reason`).
    pub reason: Option<Box<str>>,
}

impl Error {
    /// An error without a place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (locations, path, issues) = (Vec::new(), Vec::new(), Vec::new());
        Self { code, message: message.into(), locations, path, issues, reason: None }
    }

    /// The request itself is wrong.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Code::BadUserInput, message)
    }

    /// A bound is passed: tells which one, the bound, and what was asked for.
    pub fn limit(what: &str, limit: impl std::fmt::Display, value: impl std::fmt::Display) -> Self {
        Self::new(Code::LimitExceeded, format!("The limit of {limit} {what} is exceeded: the request has {value}."))
    }

    /// At a place of the text.
    #[must_use]
    pub fn at(mut self, position: Pos) -> Self {
        self.locations.push(position);
        self
    }

    /// At a place of the answer.
    #[must_use]
    pub fn under(mut self, path: Vec<PathSegment>) -> Self {
        self.path = path;
        self
    }
}

/// A failed use case.
impl From<EngineError> for Error {
    fn from(error: EngineError) -> Self {
        let message = sentence(&error.to_string());
        match error {
            EngineError::NotFound => Self::new(Code::NotFound, message),
            EngineError::Conflict { issues, .. } => Self { issues, ..Self::new(Code::Conflict, message) },
            EngineError::Validation(issues) => Self { issues, ..Self::new(Code::ValidationFailed, message) },
            EngineError::Forbidden(_) => Self::new(Code::Forbidden, message),
            EngineError::Limit(_) => Self::new(Code::LimitExceeded, message),
            EngineError::PluginFailed { reason, .. } => {
                Self { reason: Some(reason.into_boxed_str()), ..Self::new(Code::PluginFailed, message) }
            }
            EngineError::Unavailable | EngineError::Stale => Self::new(Code::Unavailable, message),
            EngineError::Internal => Self::new(Code::Internal, message),
        }
    }
}

/// With a capital and a full stop, as all messages of the API.
pub fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let Some(first) = characters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), characters.as_str())
}
