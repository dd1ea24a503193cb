//! A transaction on either database: what the work of [`crate::Store::read`] and [`crate::Store::write`] gets.

use cardine_model::Value;
use cardine_sql::{ColumnType, Dialect, ForRows, Statement};

use crate::error::cause;
use crate::postgres::Session;
use crate::sqlite::Connection;
use crate::state::PlatformState;
use crate::{Bindings, Cell, Deadline, RowSet, StoreError};

/// Reads on one snapshot, from the first statement to the last.
pub struct ReadTx(Database);

/// Reads and writes that take effect together, or not at all.
pub struct WriteTx {
    database: Database,
    /// The first statement that failed.
    failure: Option<StoreError>,
    changed_state: Option<PlatformState>,
    deadline: Option<Deadline>,
}

enum Database {
    Sqlite(Connection),
    Postgres(Box<Session>),
}

impl ReadTx {
    pub(crate) fn sqlite(connection: Connection) -> Self {
        Self(Database::Sqlite(connection))
    }

    pub(crate) fn postgres(session: Session) -> Self {
        Self(Database::Postgres(Box::new(session)))
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.0.dialect()
    }

    /// Runs a statement and gives its rows.
    pub async fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        tell(statement);
        self.0.query(statement, bindings).await
    }

    /// The counters as this snapshot has them.
    pub async fn state(&mut self) -> Result<PlatformState, StoreError> {
        self.0.state().await
    }

    pub(crate) fn sqlite_connection(&mut self) -> &mut Connection {
        self.0.sqlite_connection()
    }

    pub(crate) fn into_session(self) -> Option<Session> {
        self.0.into_session()
    }

    /// Whether it was ended because another was in its way, so that it may pass when it is run again.
    pub(crate) fn was_in_the_way(&self) -> bool {
        match &self.0 {
            Database::Sqlite(_) => false,
            Database::Postgres(session) => session.was_in_the_way(),
        }
    }
}

impl WriteTx {
    pub(crate) fn sqlite(connection: Connection) -> Self {
        Self { database: Database::Sqlite(connection), failure: None, changed_state: None, deadline: None }
    }

    pub(crate) fn postgres(session: Session) -> Self {
        Self { database: Database::Postgres(Box::new(session)), failure: None, changed_state: None, deadline: None }
    }

    /// Which database this is.
    pub fn dialect(&self) -> Dialect {
        self.database.dialect()
    }

    /// Runs a statement and gives its rows; also one that writes and has `RETURNING`.
    ///
    /// After a statement has failed the transaction cannot be committed any more, on either database.
    pub async fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        tell(statement);
        self.run_query(statement, bindings).await
    }

    /// Runs a statement that gives no rows, and tells how many it changed.
    pub async fn execute(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<u64, StoreError> {
        tell(statement);
        self.run(statement, bindings).await
    }

    async fn run_query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        self.check_time()?;
        let result = self.database.query(statement, bindings).await;
        self.note(result)
    }

    async fn run(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<u64, StoreError> {
        self.check_time()?;
        let result = match &mut self.database {
            Database::Sqlite(connection) => connection.execute(statement, bindings),
            Database::Postgres(session) => session.execute(statement, bindings).await,
        };
        self.note(result)
    }

    /// Runs a statement over rows of values, and tells how many rows of its table it changed.
    pub async fn execute_rows(&mut self, statement: &ForRows, rows: Vec<Vec<Value>>) -> Result<u64, StoreError> {
        let mut changed = 0;
        match statement {
            ForRows::Each(statement) => {
                tell(statement);
                for values in &rows {
                    changed += self.run(statement, &Bindings { values, ..Bindings::default() }).await?;
                }
            }
            ForRows::Lists(statement) => {
                let values = &lists(rows);
                changed = self.execute(statement, &Bindings { values, ..Bindings::default() }).await?;
            }
        }
        Ok(changed)
    }

    /// Runs a statement over rows of values, and gives what it returns for all of them.
    pub async fn query_rows(&mut self, statement: &ForRows, rows: Vec<Vec<Value>>) -> Result<RowSet, StoreError> {
        let mut returned = RowSet::default();
        match statement {
            ForRows::Each(statement) => {
                tell(statement);
                for values in &rows {
                    let row = self.run_query(statement, &Bindings { values, ..Bindings::default() }).await?;
                    returned.append(row)?;
                }
            }
            ForRows::Lists(statement) => {
                let values = &lists(rows);
                returned = self.query(statement, &Bindings { values, ..Bindings::default() }).await?;
            }
        }
        Ok(returned)
    }

    /// Has the whole of the work run again: what it went by has changed meanwhile. The answer to it is an error that ends the work.
    pub fn run_again(&mut self) -> StoreError {
        let error = StoreError::Serialization(cause("what was looked up has changed meanwhile"));
        self.failure.get_or_insert(error).clone()
    }

    /// Changes the shape of tables: one or more statements without parameters. On PostgreSQL a lock that is not had
    /// within [`crate::Options::lock_waits`] is [`StoreError::Busy`], so that requests do not queue up behind it.
    pub async fn run_ddl(&mut self, text: &str) -> Result<(), StoreError> {
        let result = match &mut self.database {
            Database::Sqlite(connection) => connection.run_batch(text),
            Database::Postgres(session) => session.run_ddl(text).await,
        };
        self.note(result)
    }

    /// The counters as this transaction sees them.
    pub async fn state(&mut self) -> Result<PlatformState, StoreError> {
        let result = self.database.state().await;
        self.note(result)
    }

    /// Counts a change of the catalog. Other transactions that count one wait for this one's end.
    pub async fn bump_catalog_version(&mut self) -> Result<PlatformState, StoreError> {
        self.bump(r#"UPDATE "platform_state" SET "catalog_version" = "catalog_version" + 1 WHERE "id" = 1 RETURNING "catalog_version", "access_epoch""#)
            .await
    }

    /// The counters, which nobody else changes until this transaction ends.
    pub async fn lock_state(&mut self) -> Result<PlatformState, StoreError> {
        let text = r#"UPDATE "platform_state" SET "catalog_version" = "catalog_version" WHERE "id" = 1 RETURNING "catalog_version", "access_epoch""#;
        read_state(&self.query(&state_statement(text), &Bindings::default()).await?)
    }

    /// Counts a change of users, groups, roles or grants.
    pub async fn bump_access_epoch(&mut self) -> Result<PlatformState, StoreError> {
        self.bump(r#"UPDATE "platform_state" SET "access_epoch" = "access_epoch" + 1 WHERE "id" = 1 RETURNING "catalog_version", "access_epoch""#)
            .await
    }

    async fn bump(&mut self, text: &str) -> Result<PlatformState, StoreError> {
        let rows = self.query(&state_statement(text), &Bindings::default()).await?;
        let state = read_state(&rows)?;
        self.changed_state = Some(state);
        Ok(state)
    }

    /// SQLite's statements are not waited for, so that nothing else looks at the time between them.
    fn check_time(&mut self) -> Result<(), StoreError> {
        match self.deadline.filter(Deadline::is_over) {
            None => Ok(()),
            Some(deadline) => self.note(Err(deadline.exceeded())),
        }
    }

    fn note<T>(&mut self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        let result = result.map_err(|error| match (error, self.deadline) {
            (StoreError::Cancelled, Some(deadline)) if deadline.is_over() => deadline.exceeded(),
            (error, _) => error,
        });
        if let (Err(error), None) = (&result, &self.failure) {
            self.failure = Some(error.clone());
        }
        result
    }

    /// Forgets what an earlier job did; the new one may work until `deadline`.
    pub(crate) fn begin_job(&mut self, deadline: Option<Deadline>) {
        self.deadline = deadline;
        self.failure = None;
        self.changed_state = None;
    }

    /// The first failure, although the work says that it succeeded. PostgreSQL would silently roll back.
    pub(crate) fn ignored_failure(&self) -> Option<StoreError> {
        self.failure.clone()
    }

    /// The first failure.
    pub(crate) fn failure(&self) -> Option<&StoreError> {
        self.failure.as_ref()
    }

    pub(crate) fn changed_state(&self) -> Option<PlatformState> {
        self.changed_state
    }

    pub(crate) fn sqlite_connection(&mut self) -> &mut Connection {
        self.database.sqlite_connection()
    }

    pub(crate) fn into_session(self) -> Option<Session> {
        self.database.into_session()
    }
}

impl Database {
    fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    async fn query(&mut self, statement: &Statement, bindings: &Bindings<'_>) -> Result<RowSet, StoreError> {
        match self {
            Self::Sqlite(connection) => connection.query(statement, bindings),
            Self::Postgres(session) => session.query(statement, bindings).await,
        }
    }

    async fn state(&mut self) -> Result<PlatformState, StoreError> {
        let statement =
            state_statement(r#"SELECT "catalog_version", "access_epoch" FROM "platform_state" WHERE "id" = 1"#);
        read_state(&self.query(&statement, &Bindings::default()).await?)
    }

    /// # Panics
    /// On PostgreSQL; the threads that call this have made the transaction themselves.
    fn sqlite_connection(&mut self) -> &mut Connection {
        match self {
            Self::Sqlite(connection) => connection,
            Self::Postgres(_) => unreachable!("a thread of SQLite has a connection to SQLite"),
        }
    }

    fn into_session(self) -> Option<Session> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(session) => Some(*session),
        }
    }
}

/// For who looks for what a request asks of its database: `--log cardine_store::statement=trace`. Values are not in a statement's
/// text; one that SQLite runs for each of many rows is told once.
fn tell(statement: &Statement) {
    tracing::trace!(target: "cardine_store::statement", "{}", statement.text);
}

/// Rows of values → a list for each column.
pub(crate) fn lists(rows: Vec<Vec<Value>>) -> Vec<Value> {
    let width = rows.first().map_or(0, Vec::len);
    let mut lists: Vec<Vec<Value>> = (0..width).map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        debug_assert_eq!(row.len(), width);
        for (list, value) in lists.iter_mut().zip(row) {
            list.push(value);
        }
    }
    lists.into_iter().map(Value::List).collect()
}

fn state_statement(text: &str) -> Statement {
    Statement { text: text.to_owned(), params: Vec::new(), columns: vec![ColumnType::Integer, ColumnType::Integer] }
}

fn read_state(rows: &RowSet) -> Result<PlatformState, StoreError> {
    let missing = || StoreError::corrupt("the row of platform_state is missing");
    let counter = |column| match rows.is_empty() {
        true => Err(missing()),
        false => match rows.cell(0, column) {
            Cell::Integer(number) => Ok(number),
            _ => Err(missing()),
        },
    };
    Ok(PlatformState { catalog_version: counter(0)?, access_epoch: counter(1)? })
}
