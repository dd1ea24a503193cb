//! `cardine plugin …` for packages: checks, tests and installs them.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use cardine_engine::events::EventMatcherLoader;
use cardine_engine::{Engine, EngineError};
use cardine_plugin_host::{HostConfig, Limits, LoadedPlugin, Package, PluginHost, generate_key};
use cardine_store::Store;
use cardine_workflow::{Grant, InstallError, Plugins, WorkflowLoader};
use chrono::Utc;

use super::{database, plugin_cases};
use crate::config::Config;

/// The installed plugins, with compiled code kept in the data folder.
pub async fn open_plugins(config: &Config, store: &Store) -> anyhow::Result<Plugins> {
    let plugins = Plugins::new(host(config, false)?);
    plugins.reload(store).await.context("the installed plugins could not be read")?;
    Ok(plugins)
}

/// `cardine plugin test FILE CASES…`: runs cases without a database.
pub async fn test(config: &Config, file: &Path, cases: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let plugin = load(config, file, true).await?;
    plugin_cases::run(&plugin, cases).await
}

async fn load(config: &Config, file: &Path, counts_fuel: bool) -> anyhow::Result<LoadedPlugin> {
    let package = read_package(file)?;
    let package = Package::read(&package).with_context(|| format!("{} is no sound package", file.display()))?;
    database::make_private_folder(&config.data)
        .with_context(|| format!("the data folder {} cannot be used", config.data.display()))?;
    host(config, counts_fuel)?.load(&package).await.with_context(|| format!("{} cannot be loaded", file.display()))
}

/// `cardine plugin check FILE`: reads, compiles and describes a package, and stores nothing but compiled code.
pub async fn check(config: &Config, file: &Path) -> anyhow::Result<ExitCode> {
    let plugin = load(config, file, false).await?;
    let manifest = plugin.manifest();
    println!("{} {} ({})", manifest.name(), manifest.version(), manifest.title());
    println!("SHA-256 of the component: {}", plugin.digest());
    for function in manifest.functions() {
        println!("function {}", function.name);
    }
    for hook in manifest.hooks() {
        println!("hook {} {} of {}", hook.phase.as_str(), hook.operation.join(", "), hook.module);
    }
    for job in manifest.jobs() {
        println!("job {} at {} in {}", job.name, job.schedule, job.time_zone.as_deref().unwrap_or("UTC"));
    }
    for validator in manifest.validators() {
        println!("validator {} for {}", validator.name, validator.applies_to.join(", "));
    }
    if let Some(permissions) = manifest.raw().get("permissions") {
        println!("asks for {permissions}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `cardine plugin key FILE`: makes a key to sign with, and prints the public key that servers are told to trust.
pub fn key(file: &Path) -> anyhow::Result<ExitCode> {
    let (secret, public) = generate_key()?;
    // Never in place of another key, and for nobody else to read.
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut made = options.open(file).with_context(|| format!("{} cannot be made", file.display()))?;
    made.write_all(&secret).with_context(|| format!("{} cannot be written", file.display()))?;
    println!("{public}");
    Ok(ExitCode::SUCCESS)
}

/// `cardine plugin sign FILE --key KEY`: puts a signature of all its files into a package.
pub fn sign(file: &Path, key: &Path) -> anyhow::Result<ExitCode> {
    let secret = std::fs::read(key).with_context(|| format!("{} cannot be read", key.display()))?;
    let signed = cardine_plugin_host::sign(&read_package(file)?, &secret)?;
    std::fs::write(file, signed).with_context(|| format!("{} cannot be written", file.display()))?;
    println!("{} is signed.", file.display());
    Ok(ExitCode::SUCCESS)
}

/// `cardine plugin install FILE`: a running server of the same database has it within a second.
pub async fn install(config: &Config, file: &Path, grant_all: bool) -> anyhow::Result<ExitCode> {
    let package = read_package(file)?;
    let store = database::open_beside(config).await?;
    store.migrate().await.context("the platform's tables could not be brought up to date")?;
    let engine = Engine::open(store.clone()).await.context("the modules could not be loaded")?;
    let plugins = Plugins::new(host(config, false)?);
    let snapshot = engine.snapshot();
    let actor = snapshot.access.system(&snapshot.catalog);
    let now = Utc::now();
    let mut context = engine.request(snapshot, actor, now, now.date_naive());
    context.via = "command line";
    plugins.reload(&store).await.context("the installed plugins could not be read")?;
    let loader: Arc<dyn EventMatcherLoader> = Arc::new(WorkflowLoader);
    engine.set_matcher_loader(loader).await.context("the workflows could not be loaded")?;
    let grant = if grant_all { Grant::AllThatItAsksFor } else { Grant::AsBefore };
    let installed = plugins.install(&engine, &context, package, grant).await;
    drop(engine);
    store.shutdown().await;
    let installed = installed.map_err(told)?;
    println!("{} {} is installed.", installed.name, installed.version);
    for line in &installed.changes {
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// All faults, one in a line: a summary would leave the reader to guess.
fn told(error: InstallError) -> anyhow::Error {
    match error {
        InstallError::Engine(EngineError::Validation(issues)) => {
            let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the plugin cannot be installed:\n{}", issues.join("\n"))
        }
        other => other.into(),
    }
}

fn host(config: &Config, counts_fuel: bool) -> anyhow::Result<PluginHost> {
    let trusted_keys = config.plugin_keys.clone();
    // Nobody but whoever asks waits for the compiler here.
    let limits = Limits { compile_ms: 300_000, compile_memory_bytes: config.plugin_compile_bytes, ..Limits::default() };
    let host_config = HostConfig::new(config.data.join("plugins"));
    let host =
        PluginHost::new(HostConfig { trusted_keys, limits, compiler: own_program(), counts_fuel, ..host_config });
    host.context("the host of plugins cannot be started")
}

/// The program that runs, also where another one has taken its place since.
fn own_program() -> Option<PathBuf> {
    if cfg!(target_os = "linux") { Some(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe().ok() }
}

fn read_package(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}
