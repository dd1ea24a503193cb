//! Short reads run where they are asked for: to cross to another thread and back costs more than they do.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Connection, Purpose};
use crate::transaction::ReadTx;
use crate::{Options, StoreError};

/// Connections for short reads, one for each thread that may ask.
pub(crate) struct Here {
    idle: Mutex<Vec<Seat>>,
}

struct Seat {
    tx: ReadTx,
    /// Set when a statement was stopped because it was not short.
    long: Arc<AtomicBool>,
}

impl Here {
    /// Opens the connections. The file must be there.
    pub(crate) fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let seats = (0..options.sqlite_readers.max(1)).map(|_| Seat::open(path, options));
        Ok(Self { idle: Mutex::new(seats.collect::<Result<_, _>>()?) })
    }

    /// Does the work now. `None` if it did not end within the instructions that hold nobody up, or if no connection is free:
    /// then it has had no effect, and another thread must do it.
    pub(crate) fn run<T, E, F>(&self, work: &F, several: bool) -> Option<Result<T, E>>
    where
        F: for<'a> Fn(&'a mut ReadTx) -> BoxFuture<'a, Result<T, E>>,
        E: From<StoreError>,
    {
        let mut seat = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        seat.long.store(false, Ordering::Relaxed);
        // One statement is a snapshot by itself.
        let begun = if several { seat.tx.sqlite_connection().run_control("BEGIN") } else { Ok(()) };
        let outcome = match begun {
            Ok(()) => work(&mut seat.tx).now_or_never(),
            Err(error) => Some(Err(error.into())),
        };
        let connection = seat.tx.sqlite_connection();
        let ended = if connection.in_transaction() { connection.run_control("ROLLBACK") } else { Ok(()) };
        let was_long = seat.long.load(Ordering::Relaxed);
        match ended {
            Ok(()) => self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(seat),
            // The connection is given up: others have their own.
            Err(error) => tracing::error!(error = ?error, "a read transaction could not be ended"),
        }
        outcome.filter(|_| !was_long)
    }

    /// Closes what is not in use; nothing is read here any more.
    pub(crate) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Seat {
    fn open(path: &Path, options: &Options) -> Result<Self, StoreError> {
        let mut connection = Connection::open(path, Purpose::Here, options)?;
        let long = Arc::<AtomicBool>::default();
        connection.stop_when_long(Arc::clone(&long))?;
        Ok(Self { tx: ReadTx::sqlite(connection), long })
    }
}

#[cfg(test)]
mod tests {
    use cardine_sql::{ColumnType, Statement};

    use super::*;
    use crate::{Bindings, RowSet};

    fn asked(tx: &mut ReadTx, statement: Arc<Statement>) -> BoxFuture<'_, Result<RowSet, StoreError>> {
        async move { tx.query(&statement, &Bindings::default()).await }.boxed()
    }

    #[test]
    fn what_is_short_stays_so_however_often_it_runs_and_what_is_long_is_not_begun_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("here.db");
        let options = Options { sqlite_readers: 1, ..Options::default() };
        let _writer = Connection::open(&path, Purpose::Write, &options).unwrap();
        let here = Here::open(&path, &options).unwrap();
        let count = |most: u32, several: bool| {
            let text = format!(
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) SELECT count(*) FROM n"
            );
            let statement = Arc::new(Statement { text, params: Vec::new(), columns: vec![ColumnType::Integer] });
            here.run(&|tx: &mut ReadTx| asked(tx, Arc::clone(&statement)), several)
        };
        for (times, several) in [(200, false), (10_000, true)] {
            for time in 0..times {
                let rows = count(50, several).unwrap_or_else(|| panic!("it is short: {time}, {several}")).unwrap();
                assert_eq!(rows.cell(0, 0).integer(), Some(50));
            }
            assert!(count(100_000, several).is_none());
            assert!(count(50, several).is_some());
        }
    }
}
