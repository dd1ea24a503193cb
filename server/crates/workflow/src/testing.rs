//! A database of each kind, with an engine that knows workflows, for the cases of this crate.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;
use std::time::Duration;

use cardine_engine::Engine;
use cardine_store::platform::runs::{RunFilter, RunRow, find_runs};
use cardine_store::platform::workflows::save_workflow;
use cardine_store::{DatabaseUrl, Options, ReadTx, Store, StoreError, WriteTx};
use cardine_test_postgres::PostgresDatabase;
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::WorkflowLoader;

/// A migrated database; gone with the value.
pub(crate) struct Database {
    store: Store,
    _folder: Option<tempfile::TempDir>,
    server: Option<PostgresDatabase>,
}

fn options() -> Options {
    Options { sqlite_readers: 2, postgres_connections: 8, ..Options::default() }
}

impl Database {
    /// One of each kind that this machine has.
    #[boxed]
    pub async fn each() -> Vec<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let mut databases = vec![Self::open(DatabaseUrl::Sqlite(path), Some(folder), None).await];
        if let Some(server) = tokio::task::spawn_blocking(cardine_test_postgres::database).await.unwrap() {
            let url = server.url().parse().unwrap();
            databases.push(Self::open(url, None, Some(server)).await);
        }
        databases
    }

    async fn open(url: DatabaseUrl, folder: Option<tempfile::TempDir>, server: Option<PostgresDatabase>) -> Self {
        let store = Store::open(&url, &options()).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, _folder: folder, server }
    }

    /// As a process elsewhere would have it that has not heard of anything since; of those that serve several, so not SQLite's.
    #[boxed]
    pub async fn elsewhere(&self) -> Option<Engine> {
        let url = self.server.as_ref()?.url().parse().unwrap();
        let options = Options { watch_interval: Duration::from_secs(86_400), ..options() };
        let store = Store::open(&url, &options).await.unwrap();
        let elsewhere = Self { store, _folder: None, server: None };
        Some(elsewhere.engine().await)
    }

    /// As a process of its own would have it.
    #[boxed]
    pub async fn engine(&self) -> Engine {
        let engine = Engine::open(self.store.clone()).await.unwrap();
        engine.set_matcher_loader(Arc::new(WorkflowLoader)).await.unwrap();
        engine
    }

    /// Saves a workflow in nobody's name.
    #[boxed]
    pub async fn save(&self, engine: &Engine, document: Json) {
        self.save_at(engine, document, Utc::now()).await;
    }

    /// Saves a workflow in nobody's name, as if it were then: its due times count from there.
    #[boxed]
    pub async fn save_at(&self, engine: &Engine, document: Json, now: DateTime<Utc>) {
        engine
            .store()
            .write(move |tx: &mut WriteTx| {
                let document = document.clone();
                Box::pin(async move {
                    let name = document["name"].as_str().unwrap();
                    save_workflow(tx, name, &document, "ACTIVE", None, now).await?;
                    tx.bump_access_epoch().await?;
                    Ok::<_, StoreError>(())
                })
            })
            .await
            .unwrap();
        engine.reload().await.unwrap();
    }

    /// The due times of all runs.
    #[boxed]
    pub async fn due(&self, engine: &Engine) -> Vec<String> {
        self.due_of(engine, |_| true).await
    }

    /// The due times of the runs that have not ended.
    #[boxed]
    pub async fn unfinished(&self, engine: &Engine) -> Vec<String> {
        self.due_of(engine, |run| run.finished_at.is_none()).await
    }

    async fn due_of(&self, engine: &Engine, is_meant: impl Fn(&RunRow) -> bool) -> Vec<String> {
        let rows = engine
            .store()
            .read(|tx: &mut ReadTx| Box::pin(async move { find_runs(tx, &RunFilter::default(), 1_000).await }))
            .await
            .unwrap();
        let mut due: Vec<String> = rows.into_iter().filter(|row| is_meant(row)).filter_map(|row| row.due_at).collect();
        due.sort_unstable();
        due
    }
}
