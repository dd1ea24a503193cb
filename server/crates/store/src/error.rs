//! What can go wrong with a database, one variant per reaction.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

/// What the database said, for the log: it may name tables and hold values, so it is never shown to users.
pub type Cause = Arc<dyn Error + Send + Sync>;

/// A failure of the database. Its text names no table, no statement and no value; those are in its sources.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// A unique index has the value already.
    #[error("a value that must be unique exists already")]
    UniqueViolation {
        /// The index; of a primary key `<table>_pkey`.
        index: String,
    },
    /// A reference to a record that does not exist, or the removal of one that is referred to.
    #[error("a reference to a record that does not exist")]
    ForeignKeyViolation {
        /// The constraint's name; SQLite does not tell it.
        constraint: Option<String>,
    },
    /// A required column without a value.
    #[error("a required value is missing")]
    NotNullViolation {
        /// The column.
        column: String,
    },
    /// A `CHECK` constraint is not met.
    #[error("a value breaks a constraint")]
    CheckViolation {
        /// The constraint's name.
        constraint: String,
    },
    /// A value that the database cannot hold: out of range, too long, or text with a NUL character.
    #[error("a value that the database cannot hold")]
    ValueRefused(#[source] Cause),
    /// Another transaction was in the way. [`crate::Store::write`] has tried several times; the caller may try once more.
    #[error("another change was in the way")]
    Serialization(#[source] Cause),
    /// A lock was not had in time, or a statement ran too long.
    #[error("the database is busy")]
    Busy(#[source] Cause),
    /// A table or column of the statement is not there (any more): load the catalog, plan anew, and try once more.
    #[error("the data model has changed")]
    Stale(#[source] Cause),
    /// No connection, no space, or shutting down. A write that ends so may have been committed.
    #[error("the database cannot be reached")]
    Unavailable(#[source] Cause),
    /// The data are damaged, or not what they should be.
    #[error("the database holds damaged data")]
    Corrupt(#[source] Cause),
    /// The caller went away; nothing was changed.
    #[error("the request was given up")]
    Cancelled,
    /// The time that the request has is over; nothing was changed.
    #[error("the request took longer than it may")]
    TimeLimit {
        /// How long it may take.
        limit: Duration,
    },
    /// A setting is wrong; this text is made for the one who runs the server.
    #[error("{0}")]
    Setting(String),
    /// A mistake in this program.
    #[error("an internal error of the database layer")]
    Internal(#[source] Cause),
}

impl StoreError {
    /// A mistake in this program, told for its log.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal(cause(message))
    }

    /// Data that are not what they should be.
    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::Corrupt(cause(message))
    }

    /// Whether the same transaction may succeed when it is run again.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Serialization(_) | Self::Busy(_))
    }
}

/// A cause of our own words.
pub(crate) fn cause(message: impl Into<String>) -> Cause {
    Arc::from(Box::<dyn Error + Send + Sync>::from(message.into()))
}
