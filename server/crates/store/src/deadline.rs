//! Until when a request may work, and what it is told when the time is over.

use std::time::{Duration, Instant};

use crate::StoreError;

/// The end of the time that a request has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    /// Whether the time is over.
    pub fn is_over(&self) -> bool {
        Instant::now() >= self.at
    }

    /// What the request is told then.
    pub fn exceeded(&self) -> StoreError {
        StoreError::TimeLimit { limit: self.limit }
    }

    /// The outcome of `work`, or the refusal if it takes too long; `work` is dropped then.
    pub async fn bound<T, E: From<StoreError>>(
        deadline: Option<Self>,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        match deadline {
            None => work.await,
            Some(deadline) => match tokio::time::timeout_at(deadline.at.into(), work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(deadline.exceeded().into()),
            },
        }
    }
}
