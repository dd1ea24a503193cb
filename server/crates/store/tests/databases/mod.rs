//! An empty database of each kind for a test, and short ways to write statements.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_model::Value;
use cardine_store::{
    Bindings, ColumnType, DatabaseUrl, Dialect, Options, Param, RowSet, Statement, Store, StoreError, Transform,
};
use cardine_test_postgres::PostgresDatabase;
use tempfile::TempDir;

/// A database that goes away with the value.
pub struct TestDatabase {
    pub store: Store,
    pub url: DatabaseUrl,
    pub postgres: Option<PostgresDatabase>,
    _directory: Option<TempDir>,
}

/// An empty SQLite file, and an empty PostgreSQL database if there is a server.
pub async fn each() -> Vec<TestDatabase> {
    let mut databases = vec![sqlite().await];
    databases.extend(postgres().await);
    databases
}

pub async fn sqlite() -> TestDatabase {
    let directory = tempfile::tempdir().unwrap();
    let url = DatabaseUrl::Sqlite(directory.path().join("test.db"));
    let store = Store::open(&url, &Options::default()).await.unwrap();
    TestDatabase { store, url, postgres: None, _directory: Some(directory) }
}

pub async fn postgres() -> Option<TestDatabase> {
    postgres_with(&Options::default()).await
}

pub async fn postgres_with(options: &Options) -> Option<TestDatabase> {
    let postgres = cardine_test_postgres::database()?;
    let url: DatabaseUrl = postgres.url().parse().unwrap();
    let store = Store::open(&url, options).await.unwrap();
    Some(TestDatabase { store, url, postgres: Some(postgres), _directory: None })
}

impl TestDatabase {
    pub fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    /// `sqlite` or `postgres` text, whichever this is.
    pub fn either(&self, sqlite: &str, postgres: &str) -> String {
        match self.dialect() {
            Dialect::Sqlite => sqlite.to_owned(),
            Dialect::Postgres => postgres.to_owned(),
        }
    }

    /// Creates tables.
    pub async fn ddl(&self, text: &str) {
        run_ddl(&self.store, text).await.unwrap();
    }

    pub async fn query(&self, text: &str, values: Vec<Value>, columns: &[ColumnType]) -> Result<RowSet, StoreError> {
        query(&self.store, text, values, columns).await
    }

    pub async fn execute(&self, text: &str, values: Vec<Value>) -> Result<u64, StoreError> {
        execute(&self.store, text, values).await
    }

    /// The one number that a statement gives.
    pub async fn number(&self, text: &str) -> i64 {
        let rows = self.query(text, Vec::new(), &[ColumnType::Integer]).await.unwrap();
        rows.cell(0, 0).integer().unwrap()
    }
}

pub async fn run_ddl(store: &Store, text: &str) -> Result<(), StoreError> {
    let text = text.to_owned();
    store
        .write(move |tx| {
            let text = text.clone();
            Box::pin(async move { tx.run_ddl(&text).await })
        })
        .await
}

pub async fn query(
    store: &Store,
    text: &str,
    values: Vec<Value>,
    columns: &[ColumnType],
) -> Result<RowSet, StoreError> {
    let statement = statement(store.dialect(), text, values, columns);
    store.read(move |tx| Box::pin(async move { tx.query(&statement, &Bindings::default()).await })).await
}

pub async fn execute(store: &Store, text: &str, values: Vec<Value>) -> Result<u64, StoreError> {
    let statement = statement(store.dialect(), text, values, &[]);
    store
        .write(move |tx| {
            let statement = statement.clone();
            Box::pin(async move { tx.execute(&statement, &Bindings::default()).await })
        })
        .await
}

/// A statement with constants; parameters are written `$1` for both databases.
pub fn statement(dialect: Dialect, text: &str, values: Vec<Value>, columns: &[ColumnType]) -> Statement {
    let text = match dialect {
        Dialect::Sqlite => text.replace('$', "?"),
        Dialect::Postgres => text.to_owned(),
    };
    let params = values.into_iter().map(|value| Param::Value(value, Transform::None)).collect();
    Statement { text, params, columns: columns.to_vec() }
}
