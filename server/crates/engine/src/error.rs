//! What can go wrong in a use case, one variant per reaction; a front maps each to its code.

use cardine_model::Issue;
use cardine_store::StoreError;

/// A use case failed. The text is for users: it names nothing hidden.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The record does not exist, or not for the caller.
    #[error("no such record, or you may not do this with it")]
    NotFound,
    /// The state has changed since the caller looked, or another record is in the way.
    #[error("{message}")]
    Conflict {
        /// What is in the way.
        message: String,
        /// Where, as far as it can be told.
        issues: Vec<Issue>,
    },
    /// Values or a definition break rules; all of them.
    #[error("{}", summary(.0))]
    Validation(Vec<Issue>),
    /// The caller's role may not do this at all.
    #[error("{0}")]
    Forbidden(String),
    /// A limit is passed.
    #[error("{0}")]
    Limit(String),
    /// A plugin failed the request.
    #[error("{message}")]
    PluginFailed {
        /// `TIME`, `MEMORY`, …
        reason: String,
        /// For the caller.
        message: String,
    },
    /// Modules changed under the request, of which nothing took effect: made anew on the catalog of now it may succeed.
    #[error("modules were changed meanwhile; try again")]
    Stale,
    /// The database cannot serve now.
    #[error("the database cannot be reached at the moment; try again")]
    Unavailable,
    /// A fault of this program; details are in the log.
    #[error("an internal error; the log tells more")]
    Internal,
}

fn summary(issues: &[Issue]) -> String {
    match issues {
        [one] => one.message.clone(),
        several => format!("{} values break their rules", several.len()),
    }
}

impl From<StoreError> for EngineError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Unavailable(_) | StoreError::Busy(_) | StoreError::Serialization(_) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the database cannot serve");
                Self::Unavailable
            }
            StoreError::Stale(_) => {
                tracing::info!(
                    error = &error as &dyn std::error::Error,
                    "a statement does not fit the tables any more"
                );
                Self::Stale
            }
            StoreError::Cancelled => Self::Unavailable,
            StoreError::TimeLimit { limit } => {
                Self::Limit(format!("the limit of {} s of execution is exceeded", limit.as_secs_f64()))
            }
            StoreError::UniqueViolation { .. } => {
                Self::Conflict { message: "a record with this value exists already".to_owned(), issues: Vec::new() }
            }
            _ => {
                tracing::error!(error = &error as &dyn std::error::Error, "the database refused a statement");
                Self::Internal
            }
        }
    }
}
