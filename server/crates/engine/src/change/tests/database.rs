//! A database of each kind with the built-in modules, and what the cases ask of it.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use cardine_access::{Actor, Grants, Rights};
use cardine_model::Catalog;
use cardine_store::{
    BoxFuture, ColumnType, DatabaseUrl, Options, PlatformState, ReadTx, Statement, Store, StoreError, WriteTx,
};
use cardine_test_postgres::PostgresDatabase;
use chrono::Utc;
use tokio::sync::Notify;

use crate::change::bootstrap;
use crate::events::NoRuns;
use crate::hooks::NoHooks;
use crate::identity::AccessState;
use crate::{Engine, Inner, RequestContext, Snapshot};

/// An empty, migrated database; gone with the value.
pub(crate) struct Database {
    pub store: Store,
    url: DatabaseUrl,
    _folder: Option<tempfile::TempDir>,
    _server: Option<PostgresDatabase>,
}

impl Database {
    /// One of each kind that this machine has.
    pub async fn each() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let sqlite = Self::open(DatabaseUrl::Sqlite(path), Some(folder), None).await;
        let mut databases = vec![sqlite];
        if let Some(server) = tokio::task::spawn_blocking(cardine_test_postgres::database).await.unwrap() {
            let url = server.url().parse().unwrap();
            databases.push(Self::open(url, None, Some(server)).await);
        }
        databases
    }

    async fn open(url: DatabaseUrl, folder: Option<tempfile::TempDir>, server: Option<PostgresDatabase>) -> Self {
        let store = Store::open(&url, &options()).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, url, _folder: folder, _server: server }
    }

    /// The same database after a restart. No other value may hold the store.
    pub async fn restart(self) -> Self {
        let Self { store, url, _folder, _server } = self;
        store.shutdown().await;
        drop(store);
        Self { store: Store::open(&url, &options()).await.unwrap(), url, _folder, _server }
    }

    /// An engine with the built-in modules and without users.
    pub async fn engine(&self) -> Engine {
        self.engine_with(bootstrap(&self.store).await.unwrap())
    }

    /// An engine with this catalog, whatever the database says.
    pub fn engine_with(&self, catalog: Catalog) -> Engine {
        let catalog = Arc::new(catalog);
        let access = Arc::new(AccessState::default());
        let snapshot =
            ArcSwap::from_pointee(Snapshot { catalog, access, matcher: Arc::new(NoRuns), hooks: Arc::new(NoHooks) });
        let changing = tokio::sync::Mutex::new(());
        let (store, events, matcher_loader) = (self.store.clone(), Notify::new(), OnceLock::new());
        let hooks_loader = OnceLock::new();
        let feed = crate::feed::ChangeFeed::new(store.clone());
        let (mail, locating) = (Notify::new(), crate::read::Locating::default());
        let retention = std::sync::Mutex::new(None);
        let announced = std::sync::atomic::AtomicU64::new(0);
        let (job_rows, jobs) = (std::sync::atomic::AtomicUsize::new(crate::change::JOB_ROWS), Notify::new());
        let (files, files_freed) = (OnceLock::new(), Arc::default());
        Engine(Arc::new(Inner {
            store,
            snapshot,
            events,
            requests_written: std::sync::atomic::AtomicU64::new(0),
            mail,
            feed,
            matcher_loader,
            hooks_loader,
            locating,
            files,
            files_freed,
            changing,
            announced,
            freed: crate::change::FreedNames::default(),
            job_rows,
            jobs,
            retention,
        }))
    }
}

fn options() -> Options {
    Options { sqlite_readers: 2, postgres_connections: 6, ..Options::default() }
}

/// A request of an administrator on the engine's newest snapshot.
pub(crate) fn administrator(engine: &Engine) -> RequestContext {
    request(engine, &Grants { administrator: true, ..Grants::default() })
}

/// A request of somebody without any grant.
pub(crate) fn nobody(engine: &Engine) -> RequestContext {
    request(engine, &Grants::default())
}

fn request(engine: &Engine, grants: &Grants) -> RequestContext {
    let snapshot = engine.snapshot();
    let rights = Arc::new(Rights::resolve(&snapshot.catalog, &[grants], true));
    let actor = Actor {
        user: None,
        role: "test".to_owned(),
        rights,
        visible_owners: Arc::from([]),
        shared_owners: Arc::from([]),
        principals: Arc::from([]),
        time_zone: "UTC".to_owned(),
        languages: "en".to_owned(),
    };
    let now = Utc::now();
    engine.request(snapshot, actor, now, now.date_naive())
}

/// The rows of a query without parameters, as text; null is empty.
pub(crate) async fn rows(store: &Store, text: &str, columns: Vec<ColumnType>) -> Vec<Vec<String>> {
    let statement = Statement { text: text.to_owned(), params: Vec::new(), columns };
    store
        .read(move |tx: &mut ReadTx| -> BoxFuture<'_, Result<_, StoreError>> {
            Box::pin(async move {
                let rows = tx.query(&statement, &Default::default()).await?;
                let cell = |row, column| match rows.cell(row, column) {
                    cardine_store::Cell::Integer(number) => number.to_string(),
                    cardine_store::Cell::Boolean(truth) => truth.to_string(),
                    other => other.text().unwrap_or_default().to_owned(),
                };
                Ok((0..rows.len()).map(|row| (0..rows.columns()).map(|column| cell(row, column)).collect()).collect())
            })
        })
        .await
        .unwrap()
}

/// Runs statements without parameters and commits them.
pub(crate) async fn run(store: &Store, text: &str) {
    let text = Arc::<str>::from(text);
    store
        .write(move |tx: &mut WriteTx| -> BoxFuture<'_, Result<(), StoreError>> {
            let text = Arc::clone(&text);
            Box::pin(async move { tx.run_ddl(&text).await })
        })
        .await
        .unwrap();
}

/// All that a change may touch: counters, definitions, history, audit, and every table with its columns and indexes.
pub(crate) async fn everything(store: &Store) -> Vec<Vec<String>> {
    use ColumnType::{Boolean, Integer, Text};
    let mut all = rows(store, "SELECT catalog_version, access_epoch FROM platform_state", vec![Integer, Integer]).await;
    all.extend(rows(store, "SELECT name, definition FROM module_definition ORDER BY name", vec![Text, Text]).await);
    all.extend(rows(store, "SELECT version, summary FROM catalog_version ORDER BY version", vec![Integer, Text]).await);
    all.extend(rows(store, "SELECT action, module FROM audit_entry ORDER BY id", vec![Text, Text]).await);
    let columns = cardine_sql::ddl::records::select_columns(store.dialect());
    all.extend(rows(store, &columns.text, vec![Text, Text, Text, Boolean]).await);
    let indexes = cardine_sql::ddl::records::select_indexes(store.dialect());
    all.extend(rows(store, &indexes.text, vec![Text, Text]).await);
    all
}

pub(crate) async fn state(store: &Store) -> PlatformState {
    crate::change::current_state(store).await.unwrap()
}

pub(crate) fn module_names(catalog: &Catalog) -> Vec<&str> {
    catalog.modules.iter().map(|module| module.name.as_str()).collect()
}
