//! `cardine migrate`: brings the platform's tables and the built-in modules up to this version, and ends.

use std::process::ExitCode;

use anyhow::Context as _;
use cardine_engine::Engine;

use super::database;
use crate::config::Config;

/// Runs it.
pub async fn migrate(config: &Config) -> anyhow::Result<ExitCode> {
    let store = database::open(config).await?;
    store.migrate().await.context("the platform's tables could not be brought up to date")?;
    let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
    let snapshot = engine.snapshot();
    println!(
        "The database is up to date: {} modules, version {} of their definitions.",
        snapshot.catalog.modules.len(),
        snapshot.catalog.version
    );
    drop(engine);
    store.shutdown().await;
    Ok(ExitCode::SUCCESS)
}
