//! A plugin that is ready to be called.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;

use crate::breaker::Breaker;
use crate::call_context::CallContext;
use crate::call_state::CallState;
use crate::entry::Exports;
use crate::failed_calls::FailedCall;
use crate::failure::PluginFailure;
use crate::host::Shared;
use crate::lanes::Lanes;
use crate::limits::Limits;
use crate::logs::LogLine;
use crate::manifest::Manifest;
use crate::package::Package;
use crate::schemas::FunctionSchemas;
use crate::services::HostServices;
use crate::session::Session;

/// What a call gave.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The function's answer, valid under its `outputSchema`.
    pub output: Value,
    /// What the call used.
    pub usage: Usage,
    /// What the plugin logged.
    pub logs: Vec<LogLine>,
}

/// What a call of a whole batch gave.
#[derive(Debug)]
pub struct BatchOutcome {
    /// One answer per input, same order.
    pub outputs: Vec<Result<Value, PluginFailure>>,
    /// What the call used.
    pub usage: Usage,
    /// What the plugin logged.
    pub logs: Vec<LogLine>,
}

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPU time in milliseconds, instantiation included.
    pub cpu_ms: f64,
    /// The most linear memory that the instance had, in bytes.
    pub memory_peak: u64,
    /// Calls of the host in the operation so far; log and clock do not count.
    pub host_calls: u64,
    /// Fuel, which follows from the instructions that were done alone; none where the host does not count it.
    pub fuel: Option<u64>,
}

/// A plugin that is compiled, checked and linked. Clones are the same plugin.
#[derive(Clone)]
pub struct LoadedPlugin {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) host: Arc<Shared>,
    pub(crate) manifest: Manifest,
    pub(crate) digest: String,
    pub(crate) limits: Arc<Limits>,
    pub(crate) instance_pre: InstancePre<CallState>,
    pub(crate) exports: Exports,
    pub(crate) functions: HashMap<String, Function>,
    pub(crate) running: Arc<Semaphore>,
    /// As many as there are lanes: what the host reads and writes for calls on lanes, it does at its own priority. A plugin's calls wait
    /// for each other, and for no other plugin's.
    pub(crate) api_turns: Arc<Semaphore>,
    pub(crate) breaker: Mutex<Breaker>,
}

pub(crate) struct Function {
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) schemas: FunctionSchemas,
}

impl LoadedPlugin {
    pub(crate) fn link(
        host: Arc<Shared>,
        package: &Package,
        limits: Arc<Limits>,
        instance_pre: InstancePre<CallState>,
        exports: Exports,
    ) -> Result<Self, String> {
        let manifest = package.manifest().clone();
        let mut functions = HashMap::new();
        for function in manifest.functions() {
            let schemas = FunctionSchemas::compile(function)?;
            functions.insert(function.name.clone(), Function { timeout_ms: function.timeout_ms, schemas });
        }
        let window = Duration::from_millis(limits.breaker_window_ms);
        let inner = Inner {
            running: Arc::new(Semaphore::new(limits.concurrent_per_plugin)),
            api_turns: Arc::new(Semaphore::new(Lanes::width())),
            breaker: Mutex::new(Breaker::new(limits.breaker_traps, window)),
            digest: package.digest().to_owned(),
            host,
            manifest,
            limits,
            instance_pre,
            exports,
            functions,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The plugin's manifest, as `plugin.json` and `describe()` both say.
    pub fn manifest(&self) -> &Manifest {
        &self.inner.manifest
    }

    /// SHA-256 of the component, in lower-case hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.inner.digest
    }

    /// The bounds of this plugin: its wishes, held by the operator's maxima.
    pub fn limits(&self) -> &Limits {
        &self.inner.limits
    }

    /// Calls a function once, in an instance of its own. Must run inside a tokio runtime with a
    /// timer; dropping the future ends the call.
    ///
    /// # Errors
    /// See [`PluginFailure`]. It harms no other call.
    pub async fn invoke(
        &self,
        context: CallContext,
        function: &str,
        input: Value,
        services: Arc<dyn HostServices>,
    ) -> Result<Outcome, PluginFailure> {
        self.session(services).invoke(context, function, input).await
    }

    /// Calls a function over many inputs in one instance; one answer per input, same order.
    ///
    /// # Errors
    /// What ended the whole batch. Failures of single inputs are in the outcome.
    pub async fn invoke_batch(
        &self,
        context: CallContext,
        function: &str,
        inputs: Vec<Value>,
        services: Arc<dyn HostServices>,
    ) -> Result<BatchOutcome, PluginFailure> {
        self.session(services).invoke_batch(context, function, inputs).await
    }

    /// Calls of one operation (one request, one batch of events) that share an instance, one after
    /// another.
    pub fn session(&self, services: Arc<dyn HostServices>) -> Session {
        Session::new(self.clone(), services)
    }

    /// How long the plugin still rests after too many ended calls; none if it may be called.
    pub fn suspended_for(&self) -> Option<Duration> {
        self.breaker().rest(self.inner.host.now())
    }

    /// Ends a suspension.
    pub fn resume(&self) {
        self.breaker().resume();
    }

    /// The calls that a bound or a trap ended last, the newest first, whatever the plugin's version was then. Other processes have their own.
    pub fn failed_calls(&self) -> Vec<FailedCall> {
        self.inner.host.failed.of(self.manifest().name())
    }

    pub(crate) fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.inner.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
