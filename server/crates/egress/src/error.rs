//! Why a request got no answer.

use std::time::Duration;

/// Why a request got no answer. The texts may be shown to whoever made the request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EgressError {
    /// It is not a request that can be sent.
    #[error("{0}")]
    Invalid(String),
    /// It may not be sent there.
    #[error("{0}")]
    Denied(String),
    /// There was no whole answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The answer is larger than its reader allows.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// No connection, or one that broke.
    #[error("{0}")]
    Connect(String),
    /// No trusted connection.
    #[error("{0}")]
    Tls(String),
}

impl EgressError {
    /// Whether the same request may get an answer later without a change of anybody's.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Timeout(_) | Self::Connect(_))
    }
}
