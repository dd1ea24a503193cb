//! The plugin host of a server: compiles, checks and links components.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::{Component, HasSelf, Linker};

use crate::bindings::FullPlugin;
use crate::bindings::exports::cardine::plugin::lifecycle;
use crate::cache::CodeCache;
use crate::call_state::CallState;
use crate::compiler::{NotCompiled, compile_apart};
use crate::counts::{CallCount, Counts};
use crate::cpu::Metered;
use crate::engine::{Pooling, build_engine};
use crate::entry::Exports;
use crate::failed_calls::FailedCalls;
use crate::lanes::{Laned, Lanes, Priority};
use crate::limits::Limits;
use crate::manifest::{HookPhase, Manifest};
use crate::package::Package;
use crate::plugin::LoadedPlugin;
use crate::services::DeniedServices;
use crate::ticker::Ticker;

/// How a plugin host is set up.
#[derive(Debug, Clone)]
pub struct HostConfig {
    /// Where compiled code is kept. The folder is made, with access for its owner only; nobody
    /// else may write there.
    pub cache_dir: PathBuf,
    /// The bounds of all plugins.
    pub limits: Limits,
    /// How instances get their memory.
    pub pooling: Pooling,
    /// Public keys, in hexadecimal digits: only packages that one of them signed are loaded. None: all are.
    pub trusted_keys: Vec<String>,
    /// The program that compiles components in a process of its own, within [`Limits::compile_memory_bytes`]: it must do
    /// [`compile_from_stdin`](crate::compile_from_stdin) when it is started so. None: they are compiled in this process, whose memory bounds them alone.
    pub compiler: Option<PathBuf>,
    /// Whether calls are told the fuel that they use, which is the same on each machine: code that counts it is slower, so for tests alone.
    pub counts_fuel: bool,
}

impl HostConfig {
    /// The default bounds, with compiled code in `cache_dir`.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Self {
        let cache_dir = cache_dir.into();
        let (limits, pooling) = (Limits::default(), Pooling::default());
        Self { cache_dir, limits, pooling, trusted_keys: Vec::new(), compiler: None, counts_fuel: false }
    }
}

/// Why a plugin host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Bounds that contradict each other or cannot be.
    #[error("plugin limits: {}", .0.join("; "))]
    Limits(Vec<String>),
    /// The cache folder cannot be used, or no thread can be started.
    #[error("plugin code cache: {0}")]
    Cache(#[from] std::io::Error),
    /// The WebAssembly engine refuses this machine.
    #[error("WebAssembly engine: {0}")]
    Engine(String),
}

/// Why a package cannot be loaded. All texts are for the admin who installs it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The component is larger than the operator allows.
    #[error("the component has {bytes} bytes; at most {allowed} are allowed")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The bound.
        allowed: usize,
    },
    /// The manifest wants a newer server.
    #[error("the plugin needs server version {wanted} or later; this is {here}")]
    ServerTooOld {
        /// The manifest's `minServer`.
        wanted: String,
        /// This server's version.
        here: &'static str,
    },
    /// Nobody that the operator trusts answers for it.
    #[error("{0}")]
    Signature(String),
    /// The manifest uses extension points that this server does not run yet.
    #[error("this server version does not run: {}", .0.join(", "))]
    Unsupported(Vec<&'static str>),
    /// The component is not valid WebAssembly.
    #[error("the component cannot be compiled: {0}")]
    Compile(String),
    /// Compiling took too long.
    #[error("the component was not compiled within {allowed_ms} ms")]
    CompileTime {
        /// The bound.
        allowed_ms: u64,
    },
    /// Compiling took too much memory.
    #[error("compiling the component takes more than the {} MiB of memory that are allowed for it", allowed_bytes >> 20)]
    CompileMemory {
        /// The bound.
        allowed_bytes: u64,
    },
    /// It imports what no plugin gets.
    #[error("the component imports what plugins do not get: {}; only cardine:plugin@0.1 is provided", .0.join(", "))]
    Imports(Vec<String>),
    /// It imports or exports the right names with other types, or lacks an export.
    #[error("the component does not fit cardine:plugin@0.1: {0}")]
    Interface(String),
    /// `describe()` did not answer.
    #[error("describe() failed: {0}")]
    Describe(String),
    /// `describe()` and `plugin.json` are not the same document.
    #[error("plugin.json differs from what the component's describe() says, at: {}", .0.join(", "))]
    ManifestDiffers(Vec<String>),
}

/// Compiles and runs plugins; one per server.
#[derive(Clone)]
pub struct PluginHost {
    shared: Arc<Shared>,
}

/// What all plugins of a host have in common.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) running: Arc<Semaphore>,
    pub(crate) ticker: Ticker,
    pub(crate) counts: Counts,
    pub(crate) failed: FailedCalls,
    pub(crate) lanes: Arc<Lanes>,
    trusted_keys: Vec<String>,
    linker: Linker<CallState>,
    cache: CodeCache,
    compiling: Arc<Semaphore>,
    compiler: Option<PathBuf>,
    pub(crate) counts_fuel: bool,
}

/// What of `cardine:plugin` a component may import.
const PROVIDED: [&str; 8] = ["types", "log", "api", "state", "config", "http", "runtime", "events"];
/// Compiling uses all threads that are there for it already; more at the same time only use more memory.
const COMPILING_MAX: usize = 1;
const SERVER_VERSION: &str = env!("CARGO_PKG_VERSION");
const DESCRIBE_CPU: Duration = Duration::from_secs(1);

impl PluginHost {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    /// The bounds contradict each other, the cache folder cannot be used, or the engine refuses.
    pub fn new(config: HostConfig) -> Result<Self, HostError> {
        let contradictions = config.limits.contradictions();
        if !contradictions.is_empty() {
            return Err(HostError::Limits(contradictions));
        }
        let cache = CodeCache::open(&config.cache_dir)?;
        let refused = |error: wasmtime::Error| HostError::Engine(format!("{error:#}"));
        let engine = build_engine(&config.limits, config.pooling, config.counts_fuel).map_err(refused)?;
        let mut linker = Linker::new(&engine);
        FullPlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut CallState| state).map_err(refused)?;
        let shared = Shared {
            ticker: Ticker::start(&engine)?,
            counts: Counts::default(),
            failed: FailedCalls::default(),
            lanes: Arc::new(Lanes::start().map_err(std::io::Error::other)?),
            trusted_keys: config.trusted_keys,
            running: Arc::new(Semaphore::new(config.limits.concurrent)),
            compiling: Arc::new(Semaphore::new(COMPILING_MAX)),
            compiler: config.compiler,
            counts_fuel: config.counts_fuel,
            limits: config.limits,
            engine,
            linker,
            cache,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Compiles at low priority (or takes from the cache), checks and links a package. Nothing is kept but the
    /// compiled code; which plugins are installed is the server's business.
    ///
    /// # Errors
    /// See [`LoadError`]; the component ran nothing but `describe()`, with every import trapping.
    pub async fn load(&self, package: &Package) -> Result<LoadedPlugin, LoadError> {
        self.load_at(package, Priority::Low).await
    }

    /// Loads a package that is installed, so that requests may wait for it: compiled at the server's own priority.
    ///
    /// # Errors
    /// As [`PluginHost::load`].
    pub async fn load_installed(&self, package: &Package) -> Result<LoadedPlugin, LoadError> {
        self.load_at(package, Priority::Own).await
    }

    async fn load_at(&self, package: &Package, priority: Priority) -> Result<LoadedPlugin, LoadError> {
        let manifest = package.manifest();
        self.check_signature(package)?;
        check_server_version(manifest)?;
        check_supported(manifest)?;
        let allowed = self.shared.limits.component_bytes;
        let bytes = package.component().len();
        if bytes > allowed {
            return Err(LoadError::TooLarge { bytes, allowed });
        }
        let component = self.compile(package, priority).await?;
        check_imports(&self.shared.engine, &component)?;
        let limits = Arc::new(self.shared.limits.for_plugin(manifest));
        let described = self.describe(&component, limits.clone()).await?;
        let differences = manifest.differences(&described);
        if !differences.is_empty() {
            return Err(LoadError::ManifestDiffers(differences));
        }
        let interface = |error: wasmtime::Error| LoadError::Interface(format!("{error:#}"));
        let instance_pre = self.shared.linker.instantiate_pre(&component).map_err(interface)?;
        let exports = Exports::find(manifest, &instance_pre).map_err(interface)?;
        LoadedPlugin::link(self.shared.clone(), package, limits, instance_pre, exports).map_err(LoadError::Interface)
    }

    fn check_signature(&self, package: &Package) -> Result<(), LoadError> {
        let signer = package.signer().map_err(|error| LoadError::Signature(error.to_string()))?;
        let trusted = &self.shared.trusted_keys;
        let fault = match signer {
            _ if trusted.is_empty() => return Ok(()),
            Some(key) if trusted.contains(&key) => return Ok(()),
            Some(key) => format!("the package is signed with the key {key}, which this server does not trust"),
            None => "the package is not signed; this server takes only packages that a trusted key signed".to_owned(),
        };
        Err(LoadError::Signature(fault))
    }

    /// What the calls of all plugins came to since the start.
    pub fn counts(&self) -> Vec<CallCount> {
        self.shared.counts.all()
    }

    /// Off the async workers, within a time, one at a time; in a process of its own where there is a program for that. One of those that
    /// takes too long is ended; on a thread it goes on to its end and keeps its place, so that there are never more of them.
    async fn compile(&self, package: &Package, priority: Priority) -> Result<Component, LoadError> {
        let allowed_ms = self.shared.limits.compile_ms;
        let work = self.compile_in_turn(package, priority);
        let too_long = |_| LoadError::CompileTime { allowed_ms };
        tokio::time::timeout(Duration::from_millis(allowed_ms), work).await.map_err(too_long)?
    }

    async fn compile_in_turn(&self, package: &Package, priority: Priority) -> Result<Component, LoadError> {
        let (shared, digest) = (self.shared.clone(), package.digest().to_owned());
        let place = shared.compiling.clone().acquire_owned().await.expect("it is never closed");
        let kept = blocking(move || shared.cache.fetch(&shared.engine, &digest)).await?;
        if let Some(component) = kept {
            return Ok(component);
        }
        let (shared, digest) = (self.shared.clone(), package.digest().to_owned());
        if let Some(program) = &self.shared.compiler {
            match compile_apart(program, &self.shared.limits, priority, self.shared.counts_fuel, package.component())
                .await
            {
                Ok(code) => {
                    let adopted = blocking(move || shared.cache.adopt(&shared.engine, &digest, &code)).await?;
                    return adopted.ok_or_else(|| LoadError::Compile("what the compiler made is not sound".to_owned()));
                }
                Err(NotCompiled::Refused(error)) => return Err(error),
                Err(NotCompiled::NoProcess(error)) => {
                    tracing::warn!(%error, "no process can be started to compile a plugin; it is compiled in this one, without a bound of memory");
                }
            }
        }
        let bytes = package.component().to_vec();
        let compiled = blocking(move || {
            let _place = place;
            shared.lanes.compile(priority, || {
                let component = Component::from_binary(&shared.engine, &bytes)
                    .map_err(|error| LoadError::Compile(format!("{error:#}")))?;
                shared.cache.store(&shared.engine, &digest, &component);
                Ok(component)
            })
        });
        compiled.await?
    }

    /// Asks the component for its manifest, without any capability.
    async fn describe(&self, component: &Component, limits: Arc<Limits>) -> Result<serde_json::Value, LoadError> {
        let engine = &self.shared.engine;
        let interface = |error: wasmtime::Error| LoadError::Interface(format!("{error:#}"));
        let mut linker = Linker::<CallState>::new(engine);
        linker.define_unknown_imports_as_traps(component).map_err(interface)?;
        let instance_pre = linker.instantiate_pre(component).map_err(interface)?;
        let indices = lifecycle::GuestIndices::new(&instance_pre).map_err(interface)?;
        let wall = limits.wall_budget(DESCRIBE_CPU);
        let mut state = CallState::new(limits, Arc::new(DeniedServices));
        state.begin_call(Arc::default(), DESCRIBE_CPU, wall);
        let (meter, measured) = (state.cpu.clone(), state.cpu.clone());
        let (mut store, ticking) = (state.into_store(engine, self.shared.counts_fuel), self.shared.ticker.run());
        let call = async move {
            let _ticking = ticking;
            let work = async {
                let instance = instance_pre.instantiate_async(&mut store).await?;
                indices.load(&mut store, &instance)?.call_describe(&mut store).await
            };
            tokio::time::timeout(wall, Metered::new(measured, work)).await
        };
        let text = match Laned::new(self.shared.lanes.clone(), meter, Duration::ZERO, call).await {
            Ok(Ok(text)) => text,
            Ok(Err(error)) => return Err(LoadError::Describe(format!("{error:#}"))),
            Err(_) => return Err(LoadError::Describe(format!("no answer within {} ms", wall.as_millis()))),
        };
        serde_json::from_str(&text).map_err(|error| LoadError::Describe(format!("its answer is not JSON: {error}")))
    }
}

/// Off the async workers.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, LoadError> {
    let failed = |error| LoadError::Compile(format!("the compiler failed: {error}"));
    tokio::task::spawn_blocking(work).await.map_err(failed)
}

impl Shared {
    pub(crate) fn now(&self) -> Instant {
        Instant::now()
    }
}

fn check_server_version(manifest: &Manifest) -> Result<(), LoadError> {
    let numbers = |version: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        numbers.resize(3, 0);
        numbers
    };
    match manifest.min_server() {
        Some(wanted) if numbers(wanted) > numbers(SERVER_VERSION) => {
            Err(LoadError::ServerTooOld { wanted: wanted.to_owned(), here: SERVER_VERSION })
        }
        _ => Ok(()),
    }
}

/// A hook that never runs would be worse than a refusal.
fn check_supported(manifest: &Manifest) -> Result<(), LoadError> {
    let mut used: Vec<&'static str> = Vec::new();
    if manifest.hooks().iter().any(|hook| hook.filter.is_some()) {
        used.push("a hook's `filter`");
    }
    if manifest.hooks().iter().any(|hook| hook.phase == HookPhase::After && hook.module == "*") {
        used.push("hooks after writes of every module: name the modules");
    }
    if manifest.hooks().iter().any(|hook| hook.phase == HookPhase::After && hook.siblings.is_some()) {
        used.push("`siblings` of hooks after writes");
    }
    if used.is_empty() { Ok(()) } else { Err(LoadError::Unsupported(used)) }
}

fn check_imports(engine: &Engine, component: &Component) -> Result<(), LoadError> {
    let ty = component.component_type();
    let strangers: Vec<String> =
        ty.imports(engine).map(|(name, _)| name.to_owned()).filter(|name| !is_provided(name)).collect();
    if strangers.is_empty() { Ok(()) } else { Err(LoadError::Imports(strangers)) }
}

fn is_provided(import: &str) -> bool {
    let Some((interface, version)) = import.strip_prefix("cardine:plugin/").and_then(|rest| rest.split_once('@'))
    else {
        return false;
    };
    PROVIDED.contains(&interface) && version.starts_with("0.1.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_interfaces_of_this_version_are_provided() {
        assert!(is_provided("cardine:plugin/log@0.1.0"));
        assert!(is_provided("cardine:plugin/types@0.1.7"));
        for stranger in [
            "wasi:cli/environment@0.2.0",
            "cardine:plugin/log@0.2.0",
            "cardine:plugin/log",
            "cardine:plugin/files@0.1.0",
            "log",
            "cardine:plugin/log@0.10.0",
        ] {
            assert!(!is_provided(stranger), "{stranger}");
        }
    }
}
