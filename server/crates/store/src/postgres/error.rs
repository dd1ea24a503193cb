//! PostgreSQL's errors → ours.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::StoreError;

/// By SQLSTATE (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
pub(crate) fn translate(error: Error) -> StoreError {
    let Some(database_error) = error.as_db_error() else {
        return translate_local(error);
    };
    let constraint = || database_error.constraint().unwrap_or_default().to_owned();
    match database_error.code().code() {
        "23505" => StoreError::UniqueViolation { index: constraint() },
        "23503" => StoreError::ForeignKeyViolation { constraint: Some(constraint()) },
        "23502" => StoreError::NotNullViolation { column: database_error.column().unwrap_or_default().to_owned() },
        "23514" => StoreError::CheckViolation { constraint: constraint() },
        "40001" | "40P01" => StoreError::Serialization(Arc::new(error)),
        // A lock not had in time, and a statement stopped for its time.
        "55P03" | "57014" => StoreError::Busy(Arc::new(error)),
        // Read-only: the server has become a standby.
        "25006" => StoreError::Unavailable(Arc::new(error)),
        code if code.starts_with("22") => StoreError::ValueRefused(Arc::new(error)),
        // Connection, resources, operator intervention, system; access refused at the door.
        code if ["08", "53", "57", "58", "28", "3D"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Unavailable(Arc::new(error))
        }
        code if code.starts_with("XX001") || code.starts_with("XX002") => StoreError::Corrupt(Arc::new(error)),
        _ if is_stale(&error) => StoreError::Stale(Arc::new(error)),
        _ => StoreError::Internal(Arc::new(error)),
    }
}

/// Whether the statement does not fit the tables (any more): changed result type, unknown prepared statement, column,
/// table or type.
pub(super) fn is_stale(error: &Error) -> bool {
    let code = error.as_db_error().map(|database_error| database_error.code().code());
    match code {
        Some("0A000") => error.as_db_error().is_some_and(is_changed_result),
        Some(code) => ["26000", "42703", "42P01", "42704"].contains(&code),
        None => false,
    }
}

/// `0A000` stands for all that is not supported; the function that reports it does not depend on the language.
fn is_changed_result(error: &DbError) -> bool {
    error.routine() == Some("RevalidateCachedQuery")
}

/// Whether a lock was not had in the time that was set for it.
pub(super) fn is_lock_missed(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == "55P03")
}

/// Whether the connection is gone.
pub(super) fn is_lost(error: &Error) -> bool {
    let shut_down = error.as_db_error().is_some_and(|error| ["57P01", "57P02"].contains(&error.code().code()));
    shut_down || error.is_closed() || is_io(error)
}

fn is_io(error: &Error) -> bool {
    error.source().is_some_and(|source| source.is::<io::Error>())
}

fn translate_local(error: Error) -> StoreError {
    if let Some(own) = error.source().and_then(|source| source.downcast_ref::<StoreError>()) {
        return own.clone();
    }
    // Without an answer of the server: it could not be reached, or went away.
    let text = error.to_string();
    let connecting = text.starts_with("error connecting") || text.contains("timeout");
    if error.is_closed() || is_io(&error) || connecting {
        return StoreError::Unavailable(Arc::new(error));
    }
    StoreError::Internal(Arc::new(error))
}
