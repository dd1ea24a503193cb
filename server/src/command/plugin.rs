//! `cardine plugin …`: checks and installs plugin packages.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use cardine_engine::Engine;
use cardine_plugin_host::{HostConfig, Package, PluginHost};
use cardine_store::Store;
use cardine_workflow::Plugins;
use chrono::Utc;

use super::database;
use crate::config::Config;

/// The installed plugins, with compiled code kept in the data folder.
pub async fn open_plugins(config: &Config, store: &Store) -> anyhow::Result<Plugins> {
    let plugins = Plugins::new(host(config)?);
    plugins.reload(store).await.context("the installed plugins could not be read")?;
    Ok(plugins)
}

/// `cardine plugin check FILE`: reads, compiles and describes a package, and stores nothing but compiled code.
pub async fn check(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let package = read_package(file)?;
    let package = Package::read(&package).with_context(|| format!("{} is no sound package", file.display()))?;
    database::make_private_folder(&config.data)
        .with_context(|| format!("the data folder {} cannot be used", config.data.display()))?;
    let plugin = host(config)?.load(&package).await.with_context(|| format!("{} cannot be loaded", file.display()))?;
    let manifest = plugin.manifest();
    println!("{} {} ({})", manifest.name(), manifest.version(), manifest.title());
    println!("SHA-256 of the component: {}", plugin.digest());
    for function in manifest.functions() {
        println!("function {}", function.name);
    }
    Ok(ExitCode::SUCCESS)
}

/// `cardine plugin install FILE`: a running server of the same database has it within a second.
pub async fn install(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let package = read_package(file)?;
    let store = database::open_beside(config).await?;
    store.migrate().await.context("the platform's tables could not be brought up to date")?;
    let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
    let plugins = Plugins::new(host(config)?);
    let snapshot = engine.snapshot();
    let actor = snapshot.access.system(&snapshot.catalog);
    let now = Utc::now();
    let mut context = engine.request(snapshot, actor, now, now.date_naive());
    context.via = "command line";
    let grants = serde_json::Value::Object(serde_json::Map::new());
    let installed = plugins.install(&engine, &context, package, grants).await;
    drop(engine);
    store.shutdown().await;
    let installed = installed?;
    println!("{} {} is installed.", installed.name, installed.version);
    Ok(ExitCode::SUCCESS)
}

fn host(config: &Config) -> anyhow::Result<PluginHost> {
    let host = PluginHost::new(HostConfig::new(config.data.join("plugins")));
    host.context("the host of plugins cannot be started")
}

fn read_package(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}
