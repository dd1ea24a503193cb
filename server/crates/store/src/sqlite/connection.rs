//! One connection to a SQLite file, and what is set on it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cardine_sql::Statement;
use rusqlite::config::DbConfig;
use rusqlite::{OpenFlags, StatementStatus};

use super::{date_functions, decode, encode, error, functions, index_name};
use crate::bindings::{Bindings, resolve_params};
use crate::error::cause;
use crate::{Deadline, Options, RowSet, StoreError};

/// How long a statement waits for a lock. Our own writer never holds one against another, so this is for a foreign
/// program that writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite instructions between two looks at whether the caller is still there; about a tenth of a millisecond.
const INSTRUCTIONS_BETWEEN_CHECKS: i32 = 10_000;

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Reads; anything else is refused by SQLite itself.
    Read,
    /// The same on threads that must not wait: a lock that is not had at once is an error.
    Here,
    /// The one that writes.
    Write,
}

/// A connection with Cardine's functions.
pub(crate) struct Connection(rusqlite::Connection);

impl Connection {
    /// Opens the file. A writer makes it if it is not there, and puts it into write-ahead mode, in which readers and
    /// the writer do not wait for each other.
    pub(crate) fn open(path: &Path, purpose: Purpose, options: &Options) -> Result<Self, StoreError> {
        let mut flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        if purpose == Purpose::Write {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let connection = rusqlite::Connection::open_with_flags(path, flags).map_err(error::translate)?;
        let busy_timeout = if purpose == Purpose::Here { Duration::ZERO } else { BUSY_TIMEOUT };
        connection.busy_timeout(busy_timeout).map_err(error::translate)?;
        connection.set_prepared_statement_cache_capacity(options.statement_cache_size);
        // Without it SQLite looks at the values, the size of a page among them, and prepares a statement anew whenever one was
        // bound that might matter: every list would be parsed and planned on every request.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(error::translate)?;
        let mmap_bytes = options.sqlite_mmap_bytes;
        let pragmas = match purpose {
            // An fsync per commit: an acknowledged write survives a power cut. Foreign keys are on so that both
            // databases refuse the same references. What a statement would have to undo may go to a file: kept in memory it
            // is a list of small pieces that SQLite walks after every statement inside a savepoint, so that the time of a
            // transaction grows with its square. The pages that some hundred records with a dozen indexes change fit into the
            // cache, so that none goes to the file twice in a transaction.
            Purpose::Write => format!(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
                 PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; PRAGMA mmap_size = {mmap_bytes};"
            ),
            Purpose::Read | Purpose::Here => {
                format!("PRAGMA query_only = ON; PRAGMA mmap_size = {mmap_bytes}; PRAGMA temp_store = MEMORY;")
            }
        };
        connection.execute_batch(&pragmas).map_err(error::translate)?;
        if purpose == Purpose::Write {
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).map_err(error::translate)?;
            if mode != "wal" {
                return Err(StoreError::Setting(format!(
                    "the SQLite database needs a file system with shared memory (its journal mode stayed {mode}); \
                     a network drive is not one"
                )));
            }
        }
        functions::register(&connection).map_err(error::translate)?;
        date_functions::register(&connection).map_err(error::translate)?;
        Ok(Self(connection))
    }

    /// Runs a statement that gives rows.
    pub(crate) fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        let mut prepared = self.bind(statement, bindings)?;
        if prepared.column_count() != statement.columns.len() {
            return Err(StoreError::internal(format!(
                "{} columns where the statement has {}: {}",
                statement.columns.len(),
                prepared.column_count(),
                statement.text
            )));
        }
        let rows = decode::read_rows(prepared.raw_query(), &statement.columns);
        drop(prepared);
        rows.map_err(|error| self.explain(error))
    }

    /// Runs a statement that gives none, and tells how many rows it changed.
    pub(crate) fn execute(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<u64, StoreError> {
        let changed = self.bind(statement, bindings)?.raw_execute();
        match changed {
            Ok(changed) => Ok(changed as u64),
            Err(error) => Err(self.explain(error::translate(error))),
        }
    }

    /// Runs statements without parameters.
    pub(crate) fn run_batch(&mut self, text: &str) -> Result<(), StoreError> {
        self.0.execute_batch(text).map_err(|error| self.explain(error::translate(error)))
    }

    /// Runs one of the store's own short statements, such as `BEGIN`, prepared once.
    pub(crate) fn run_control(&mut self, text: &'static str) -> Result<(), StoreError> {
        let run = || {
            let mut prepared = self.0.prepare_cached(text)?;
            // SQLite counts a statement's instructions over all its runs, towards the next check of whether to stop.
            prepared.reset_status(StatementStatus::VmStep);
            prepared.raw_execute()
        };
        run().map(|_| ()).map_err(error::translate)
    }

    /// Whether a transaction is open.
    pub(crate) fn in_transaction(&self) -> bool {
        !self.0.is_autocommit()
    }

    /// Makes statements stop soon after `given_up` becomes true. For reads.
    pub(crate) fn stop_when(&mut self, given_up: Arc<AtomicBool>) -> Result<(), StoreError> {
        let handler = move || given_up.load(Ordering::Relaxed);
        self.0.progress_handler(INSTRUCTIONS_BETWEEN_CHECKS, Some(handler)).map_err(error::translate)
    }

    /// Makes statements stop that are not short, and sets `long` then. For reads.
    pub(crate) fn stop_when_long(&mut self, long: Arc<AtomicBool>) -> Result<(), StoreError> {
        let handler = move || {
            long.store(true, Ordering::Relaxed);
            true
        };
        self.0.progress_handler(INSTRUCTIONS_BETWEEN_CHECKS, Some(handler)).map_err(error::translate)
    }

    /// Makes statements stop soon after the deadline; without one, not any more. If a write is stopped, SQLite rolls the whole
    /// transaction back, and the other writes of the group have to run again.
    pub(crate) fn stop_at(&mut self, deadline: Option<Deadline>) -> Result<(), StoreError> {
        let handler = deadline.map(|deadline| move || deadline.is_over());
        self.0.progress_handler(INSTRUCTIONS_BETWEEN_CHECKS, handler).map_err(error::translate)
    }

    /// Copies the database, as it is now, into a new file.
    pub(crate) fn copy_into(&mut self, target: &Path) -> Result<(), StoreError> {
        let target = target.to_str().ok_or_else(|| StoreError::Setting("the target's path is not UTF-8".to_owned()))?;
        // It counts as writing, although this database stays as it is.
        self.0.execute_batch("PRAGMA query_only = OFF").map_err(error::translate)?;
        self.0.execute("VACUUM INTO ?1", [target]).map(|_| ()).map_err(error::translate)
    }

    /// Leaves the file tidy: statistics for the planner, and nothing in the write-ahead log.
    pub(crate) fn close_tidily(&mut self) {
        let tidied = self.0.execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);");
        if let Err(error) = tidied {
            tracing::warn!(%error, "the database was not tidied on closing");
        }
    }

    /// Counts the commits from now on.
    #[cfg(test)]
    pub(super) fn count_commits(&mut self) -> Arc<std::sync::atomic::AtomicUsize> {
        let commits = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&commits);
        let count = move || {
            counter.fetch_add(1, Ordering::SeqCst);
            // Not to be turned into a rollback.
            false
        };
        self.0.commit_hook(Some(count)).unwrap();
        commits
    }

    fn bind(
        &self,
        statement: &Statement,
        bindings: &Bindings<'_>,
    ) -> Result<rusqlite::CachedStatement<'_>, StoreError> {
        let bound = resolve_params(statement, bindings)?;
        let mut prepared = self.0.prepare_cached(&statement.text).map_err(error::translate)?;
        if prepared.parameter_count() != bound.len() {
            return Err(StoreError::internal(format!(
                "{} parameters where the statement has {}: {}",
                bound.len(),
                prepared.parameter_count(),
                statement.text
            )));
        }
        // SQLite counts a statement's instructions over all its runs, and a bound on them is meant for one.
        prepared.reset_status(StatementStatus::VmStep);
        for (position, bound) in bound.iter().enumerate() {
            let value = encode::encode(bound);
            prepared.raw_bind_parameter(position + 1, value).map_err(error::translate)?;
        }
        Ok(prepared)
    }

    /// Adds what SQLite leaves out of its messages.
    fn explain(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::UniqueViolation { index } => {
                StoreError::UniqueViolation { index: index_name::find(&self.0, &index).unwrap_or(index) }
            }
            StoreError::Internal(source) if source.to_string().contains("interrupted") => {
                StoreError::Busy(cause("the statement was interrupted"))
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use cardine_model::Value;
    use cardine_query::Slot;
    use cardine_sql::{ColumnType, Param, Transform};

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_values_it_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection =
            Connection::open(&directory.path().join("once.db"), Purpose::Write, &Options::default()).unwrap();
        connection
            .run_batch(
                "CREATE TABLE kept (kind TEXT, size INTEGER);
                 CREATE INDEX by_kind ON kept (kind, size);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                 INSERT INTO kept SELECT CASE WHEN i % 9 = 0 THEN 'rare' ELSE 'usual' END, i FROM n;
                 ANALYZE;",
            )
            .unwrap();
        let slot = |position| Param::Slot(Slot(position), Transform::None);
        let statement = Statement {
            text: "SELECT size FROM kept WHERE kind = ?1 AND size > ?2 ORDER BY size LIMIT ?3".to_owned(),
            params: vec![slot(0), slot(1), slot(2)],
            columns: vec![ColumnType::Integer],
        };
        for (kind, size, limit) in [("rare", 1, 2), ("usual", 400, 7), ("usual", 100, 300), ("rare", 480, 5)] {
            let values = [Value::Text(kind.to_owned()), Value::Integer(size), Value::Integer(limit)];
            let rows = connection.query(&statement, &Bindings { values: &values, ..Bindings::default() }).unwrap();
            assert!(!rows.is_empty());
        }
        let prepared = connection.0.prepare_cached(&statement.text).unwrap();
        assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0);
        assert_eq!(prepared.get_status(StatementStatus::Run), 4);
    }
}
