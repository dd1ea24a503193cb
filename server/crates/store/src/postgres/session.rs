//! One transaction on a connection of the pool, from its first statement on.

use async_recursion::async_recursion as boxed;
use std::pin::pin;
use std::time::Duration;

use cardine_sql::Statement;
use futures_util::{FutureExt as _, TryStreamExt as _, future};
use tokio::runtime::Handle;
use tokio_postgres::NoTls;

use super::decode::push_row;
use super::error::{is_lock_missed, is_lost, is_stale, translate};
use super::pool::{Connection, Pool, Pooled};
use crate::bindings::{Bindings, Bound, resolve_params};
use crate::error::cause;
use crate::rows::RowSetBuilder;
use crate::{RowSet, StoreError};

/// How a transaction stands to others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// A single statement, which sees one snapshot by itself; nothing can be written. There is no transaction around it.
    Statement(Planning),
    /// One snapshot from the first statement to the last; nothing can be written.
    Snapshot,
    /// Each statement sees what was committed before it. Rows that are written are locked, and a condition on them is
    /// checked again on their newest version, so that `version = $1` in an update is safe, and counters count without
    /// failing. A stricter level would fail every second writer of one row instead of letting it wait.
    Committed,
    /// The same, while nobody else writes: what others were in the way of again and again gets through. It waits for those who write to
    /// end, and new ones wait for it. Whoever cannot have that in time, as where one write waits for another inside it, goes on beside the others.
    Alone,
}

/// Begins a transaction that writes beside others.
const BEGIN_WRITE: &str =
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_advisory_xact_lock_shared(7231804466512093451)";

/// The same on a connection that plans otherwise.
const BEGIN_WRITE_BY_VALUES: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL plan_cache_mode = force_custom_plan; \
    SELECT pg_advisory_xact_lock_shared(7231804466512093451)";

/// Begins one that writes alone. An error in the block undoes the block only.
const BEGIN_WRITE_ALONE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL plan_cache_mode = force_custom_plan; \
    SET LOCAL lock_timeout = '4s'; \
    DO $$ BEGIN PERFORM pg_advisory_xact_lock(7231804466512093451); EXCEPTION WHEN lock_not_available THEN NULL; END $$; \
    SET LOCAL lock_timeout TO DEFAULT";

/// The longest break between two tries of a change of tables, in which those go on that it has kept waiting.
const BREAK_MAX: Duration = Duration::from_millis(250);

/// How PostgreSQL plans a prepared statement (`plan_cache_mode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planning {
    /// For the values at hand: a list's best plan depends on how many records its filter leaves and on the size of its page, and
    /// guessing costs more than planning.
    Custom,
    /// Once: a record is found by its key whatever the key is, and planning would cost more than finding.
    Generic,
}

impl Isolation {
    /// What goes with the first statement, in the same round trip.
    fn prelude(self, planning: Option<Planning>) -> Option<&'static str> {
        match (self, planning) {
            (Self::Statement(wanted), Some(set)) if wanted == set => None,
            (Self::Statement(Planning::Custom), _) => Some("SET plan_cache_mode = force_custom_plan"),
            (Self::Statement(Planning::Generic), _) => Some("SET plan_cache_mode = force_generic_plan"),
            (Self::Snapshot, Some(Planning::Custom)) => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            (Self::Snapshot, _) => {
                Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL plan_cache_mode = force_custom_plan")
            }
            (Self::Committed, Some(Planning::Custom)) => Some(BEGIN_WRITE),
            (Self::Committed, _) => Some(BEGIN_WRITE_BY_VALUES),
            (Self::Alone, _) => Some(BEGIN_WRITE_ALONE),
        }
    }
}

/// A transaction, or a single statement. `BEGIN` goes with the first statement, in the same round trip. A session that is dropped rolls back.
pub(crate) struct Session {
    pool: Pool,
    isolation: Isolation,
    connection: Option<Pooled>,
    begun: bool,
    /// A statement was run, beside which a session of a single one has no other.
    used: bool,
    in_flight: bool,
    /// The connection was lost after the first statement: the transaction is over, and must not go on as another.
    broken: bool,
    /// A statement was ended because another transaction was in its way.
    in_the_way: bool,
}

impl Session {
    /// A transaction without any statement yet: it has no connection.
    pub(crate) fn new(pool: Pool, isolation: Isolation) -> Self {
        Self {
            pool,
            isolation,
            connection: None,
            begun: false,
            used: false,
            in_flight: false,
            broken: false,
            in_the_way: false,
        }
    }

    /// Runs a statement that gives rows.
    #[boxed]
    pub(crate) async fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        self.run(statement, bindings).await.map(|(rows, _)| rows)
    }

    /// Runs a statement that gives none, and tells how many rows it changed.
    #[boxed]
    pub(crate) async fn execute(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<u64, StoreError> {
        self.run(statement, bindings).await.map(|(_, changed)| changed)
    }

    /// Runs statements that change tables. What was prepared before may not fit after it.
    ///
    /// Whoever comes to a table while this waits for its lock waits too. So it gives up after a moment, lets them through, and tries
    /// again, each time a little longer: without a break only readers would be waited for that are there already, and with breaks there
    /// are always some.
    #[boxed]
    pub(crate) async fn run_ddl(&mut self, text: &str) -> Result<(), StoreError> {
        let waits = self.pool.lock_waits();
        let mut waits = waits.iter().copied().peekable();
        loop {
            let wait = waits.next().unwrap_or_default();
            let batch = format!(
                "SAVEPOINT ddl;\nSET LOCAL lock_timeout = {};\n{text}\n;SET LOCAL lock_timeout TO DEFAULT;\nRELEASE ddl",
                wait.as_millis().max(1)
            );
            match self.send_batch(&batch).await? {
                Ok(()) => break,
                Err(error) if is_lock_missed(&error) && waits.peek().is_some() => {
                    self.run_batch("ROLLBACK TO ddl; RELEASE ddl").await?;
                    tokio::time::sleep(wait.min(BREAK_MAX)).await;
                }
                Err(error) => return Err(translate(error)),
            }
        }
        if let Some(connection) = &mut self.connection {
            connection.statements.clear();
        }
        Ok(())
    }

    /// Runs statements without parameters.
    #[boxed]
    pub(crate) async fn run_batch(&mut self, text: &str) -> Result<(), StoreError> {
        self.send_batch(text).await?.map_err(translate)
    }

    /// The inner error is the server's.
    async fn send_batch(&mut self, text: &str) -> Result<Result<(), tokio_postgres::Error>, StoreError> {
        self.check_whole()?;
        let Self { pool, isolation, connection, begun, in_flight, .. } = self;
        let Connection { client, planning, .. } = &mut **connected(pool, connection).await?;
        *in_flight = true;
        let result = match isolation.prelude(*planning) {
            Some(begin) if !*begun => {
                *begun = true;
                client.batch_execute(&format!("{begin};\n{text}")).await
            }
            _ => client.batch_execute(text).await,
        };
        *in_flight = false;
        Ok(result)
    }

    /// Ends a transaction that has only read. Nobody waits for the server's answer, as nothing depends on it.
    pub(crate) fn end(mut self) {
        self.send_last("COMMIT");
    }

    /// Commits. An error may come after the commit has taken effect, if the connection is lost in between.
    #[boxed]
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        let Some(connection) = self.connection.as_ref().filter(|_| self.begun) else {
            return Ok(());
        };
        self.in_flight = true;
        let result = connection.client.batch_execute("COMMIT").await;
        self.in_flight = false;
        self.begun = result.is_err();
        result.map_err(translate)
    }

    /// Undoes all.
    pub(crate) fn roll_back(mut self) {
        self.send_last("ROLLBACK");
    }

    /// Runs a statement. If it is the transaction's first, and fails because it was prepared before a table changed or
    /// because the connection was dead, it is prepared anew, or run on another connection, once. Later in a transaction
    /// that is not possible: PostgreSQL refuses all further statements after an error.
    async fn run(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<(RowSet, u64), StoreError> {
        let result = self.run_once_more(statement, bindings).await;
        self.in_the_way |= matches!(&result, Err(StoreError::Serialization(_)));
        result
    }

    async fn run_once_more(
        &mut self,
        statement: &Statement,
        bindings: &Bindings<'_>,
    ) -> Result<(RowSet, u64), StoreError> {
        self.check_whole()?;
        let bound = resolve_params(statement, bindings)?;
        if matches!(self.isolation, Isolation::Statement(_)) && std::mem::replace(&mut self.used, true) {
            return Err(StoreError::internal("a second statement, which would see another snapshot"));
        }
        let is_first = !self.begun;
        let (error, was_used_before) = match self.attempt(statement, &bound).await? {
            Ok(result) => return Ok(result),
            Err(failure) => failure,
        };
        let stale = is_stale(&error);
        if stale && let Some(connection) = &mut self.connection {
            connection.statements.remove(statement.text.as_str());
        }
        if is_lost(&error) {
            self.discard_connection();
            self.broken = !is_first;
        }
        if !is_first || !was_used_before || !(stale || is_lost(&error)) {
            return Err(translate(error));
        }
        self.send_last("ROLLBACK");
        self.attempt(statement, &bound).await?.map_err(|(error, _)| translate(error))
    }

    /// The inner error comes with whether the connection, or the prepared statement, was used before and so may be out of date.
    async fn attempt(&mut self, statement: &Statement, bound: &[Bound<'_>]) -> Result<Attempt, StoreError> {
        let Self { pool, isolation, connection, begun, in_flight, .. } = self;
        let Connection { client, statements, planning, .. } = &mut **connected(pool, connection).await?;
        *in_flight = true;
        let known = statements.get(statement.text.as_str()).cloned();
        let was_used_before = known.is_some() || !statements.is_empty();
        let prepared = match known {
            Some(prepared) => prepared,
            None => match client.prepare(&statement.text).await {
                Ok(prepared) => {
                    statements.insert(statement.text.clone(), prepared.clone());
                    prepared
                }
                Err(error) => {
                    *in_flight = false;
                    return Ok(Err((error, was_used_before)));
                }
            },
        };
        if prepared.params().len() != bound.len() || prepared.columns().len() != statement.columns.len() {
            *in_flight = false;
            return Err(StoreError::internal(format!(
                "{} parameters and {} columns where the statement has {} and {}: {}",
                bound.len(),
                statement.columns.len(),
                prepared.params().len(),
                prepared.columns().len(),
                statement.text
            )));
        }
        let run = client.query_raw(&prepared, bound);
        let started = match isolation.prelude(*planning) {
            Some(prelude) if !*begun => {
                match isolation {
                    Isolation::Statement(wanted) => *planning = Some(*wanted),
                    Isolation::Snapshot | Isolation::Committed | Isolation::Alone => *begun = true,
                }
                // Both are sent before either is waited for.
                match future::join(client.batch_execute(prelude), run).await {
                    (Ok(()), started) => started,
                    (Err(error), _) => {
                        *planning = None;
                        Err(error)
                    }
                }
            }
            _ => run.await,
        };
        let mut builder = RowSetBuilder::new(statement.columns.len());
        let result = match started {
            Err(error) => Err(error),
            Ok(rows) => {
                let mut rows = pin!(rows);
                loop {
                    match rows.try_next().await {
                        Ok(Some(row)) => push_row(&row, &statement.columns, &mut builder)?,
                        Ok(None) => break Ok(rows.rows_affected().unwrap_or_default()),
                        Err(error) => break Err(error),
                    }
                }
            }
        };
        *in_flight = false;
        Ok(result.map(|changed| (builder.finish(), changed)).map_err(|error| (error, was_used_before)))
    }

    /// Whether a statement was ended because another transaction was in its way.
    pub(crate) fn was_in_the_way(&self) -> bool {
        self.in_the_way
    }

    fn check_whole(&self) -> Result<(), StoreError> {
        match self.broken {
            true => Err(StoreError::Unavailable(cause("the transaction's connection was lost"))),
            false => Ok(()),
        }
    }

    /// Sends the transaction's last word. Whoever uses the connection next comes after it.
    fn send_last(&mut self, text: &str) {
        if let Some(connection) = self.connection.as_ref().filter(|_| self.begun) {
            // The first poll sends; the answer is read and dropped by the connection's task.
            let _ = connection.client.batch_execute(text).now_or_never();
        }
        self.begun = false;
    }

    fn discard_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Pooled::take(connection));
        }
        self.begun = false;
        self.in_flight = false;
    }
}

type Attempt = Result<(RowSet, u64), (tokio_postgres::Error, bool)>;

async fn connected<'a>(pool: &Pool, connection: &'a mut Option<Pooled>) -> Result<&'a mut Pooled, StoreError> {
    if connection.is_none() {
        *connection = Some(pool.get().await?);
    }
    connection.as_mut().ok_or_else(|| StoreError::internal("a session without a connection"))
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.in_flight {
            return self.send_last("ROLLBACK");
        }
        // The caller went away in the middle of a statement. The server is told to stop it; and the connection is not
        // used again, as the order to stop might arrive after the statement's end and hit another's.
        if let (Some(connection), Ok(runtime)) = (self.connection.take(), Handle::try_current()) {
            let connection = Pooled::take(connection);
            runtime.spawn(async move {
                if let Err(error) = connection.client.cancel_token().cancel_query(NoTls).await {
                    tracing::debug!(%error, "a statement that nobody waits for could not be stopped");
                }
                drop(connection);
            });
        }
    }
}
