//! SQLite's errors → ours.

use std::sync::Arc;

use rusqlite::ffi::{self, ErrorCode};

use crate::StoreError;
use crate::error::cause;

/// By SQLite's result codes (<https://www.sqlite.org/rescode.html>). A unique violation carries what the message says
/// about the index, which the connection then looks up.
pub(crate) fn translate(error: rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, message) = &error else {
        return translate_other(error);
    };
    let message = message.as_deref().unwrap_or_default();
    let detail = message.split_once(": ").map_or("", |(_, detail)| detail).to_owned();
    match failure.code {
        ErrorCode::ConstraintViolation => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_UNIQUE => StoreError::UniqueViolation { index: detail },
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID => {
                // As PostgreSQL would name it.
                let table = detail.split_once('.').map_or(detail.as_str(), |(table, _)| table);
                StoreError::UniqueViolation { index: format!("{table}_pkey") }
            }
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER => {
                StoreError::ForeignKeyViolation { constraint: None }
            }
            ffi::SQLITE_CONSTRAINT_NOTNULL => StoreError::NotNullViolation {
                column: detail.rsplit_once('.').map_or(detail.clone(), |(_, column)| column.to_owned()),
            },
            ffi::SQLITE_CONSTRAINT_CHECK => StoreError::CheckViolation { constraint: detail },
            _ => StoreError::ValueRefused(Arc::new(error)),
        },
        ErrorCode::TooBig | ErrorCode::TypeMismatch => StoreError::ValueRefused(Arc::new(error)),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
            StoreError::Busy(Arc::new(error))
        }
        ErrorCode::OperationInterrupted => StoreError::Cancelled,
        ErrorCode::SchemaChanged => StoreError::Stale(Arc::new(error)),
        ErrorCode::DiskFull
        | ErrorCode::SystemIoFailure
        | ErrorCode::CannotOpen
        | ErrorCode::ReadOnly
        | ErrorCode::PermissionDenied
        | ErrorCode::OutOfMemory => StoreError::Unavailable(Arc::new(error)),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(Arc::new(error)),
        _ if names_what_is_missing(message) => StoreError::Stale(Arc::new(error)),
        _ => StoreError::Internal(Arc::new(error)),
    }
}

/// Errors on preparing carry the statement, and so the offset of what is wrong in it.
fn translate_other(error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::SqlInputError { ref msg, .. } if names_what_is_missing(msg) => {
            StoreError::Stale(Arc::new(error))
        }
        // It is not `Sync`, as others of the kind; its text is enough for a log.
        other => StoreError::Internal(cause(other.to_string())),
    }
}

fn names_what_is_missing(message: &str) -> bool {
    ["no such column", "no such table", "no such index"].iter().any(|start| message.starts_with(start))
        || message.contains("has no column named")
}
