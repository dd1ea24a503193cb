//! Runs the calls of one operation inside their bounds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Store;

use crate::bindings::cardine::plugin::types;
use crate::bindings::exports::cardine::plugin::functions;
use crate::call_context::CallContext;
use crate::call_state::CallState;
use crate::cpu::Metered;
use crate::ending::{End, EndedCall};
use crate::failure::{Bound, PluginFailure, PluginIssue, Reason};
use crate::logs::LogLine;
use crate::plugin::{BatchOutcome, Function, LoadedPlugin, Outcome, Usage};
use crate::services::HostServices;

/// Calls of one operation into one plugin, one after another in one instance. The instance is made
/// at the first call and lives no longer than the session; after a call that ended it, the next
/// call gets a new one. Host calls count over the whole session.
///
/// From its first call on, a session holds a place among the calls that may run at the same time:
/// drop it when the operation is over.
pub struct Session {
    plugin: LoadedPlugin,
    services: Arc<dyn HostServices>,
    place: Option<Place>,
    live: Option<Live>,
    /// True while a call runs: a caller that dropped one has left the instance unusable.
    entered: bool,
    host_calls: u64,
}

struct Live {
    store: Store<CallState>,
    /// The instance's export; none until it is instantiated, which is part of the first call.
    functions: Option<functions::Guest>,
}

/// A place among the running calls of the plugin and of the host.
struct Place {
    _plugin: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

/// The answers of one call as the component gave them: one per input.
type Answers = Vec<Result<String, types::PluginError>>;

impl Session {
    pub(crate) fn new(plugin: LoadedPlugin, services: Arc<dyn HostServices>) -> Self {
        Self { plugin, services, place: None, live: None, entered: false, host_calls: 0 }
    }

    /// Calls a function.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn invoke(
        &mut self,
        context: CallContext,
        function: &str,
        input: Value,
    ) -> Result<Outcome, PluginFailure> {
        let mut batch = self.run(context, function, vec![input], false).await?;
        match batch.outputs.pop() {
            Some(Ok(output)) => Ok(Outcome { output, usage: batch.usage, logs: batch.logs }),
            Some(Err(mut failure)) => {
                failure.diagnosis.usage = batch.usage;
                failure.diagnosis.logs = batch.logs;
                Err(failure)
            }
            None => unreachable!("`run` answers every input"),
        }
    }

    /// Calls a function over many inputs at once.
    ///
    /// # Errors
    /// What ended the whole batch; failures of single inputs are in the outcome.
    pub async fn invoke_batch(
        &mut self,
        context: CallContext,
        function: &str,
        inputs: Vec<Value>,
    ) -> Result<BatchOutcome, PluginFailure> {
        self.run(context, function, inputs, true).await
    }

    async fn run(
        &mut self,
        context: CallContext,
        name: &str,
        inputs: Vec<Value>,
        as_batch: bool,
    ) -> Result<BatchOutcome, PluginFailure> {
        let plugin = self.plugin.clone();
        let function = plugin.inner.functions.get(name).ok_or_else(|| {
            let message = format!("plugin `{}` has no function `{name}`", plugin.manifest().name());
            PluginFailure::new(Reason::UnknownFunction, message)
        })?;
        self.check_admission(&context)?;
        let texts = self.check_inputs(name, function, &inputs, as_batch)?;
        self.take_place().await?;

        let cpu_budget = plugin.inner.limits.cpu_budget(function.timeout_ms, inputs.len());
        let wall_budget = plugin.inner.limits.wall_budget(cpu_budget);
        let answers = self.call(context, name, texts, as_batch, cpu_budget, wall_budget).await;
        let (usage, logs) = self.account();
        let call = EndedCall { plugin: plugin.manifest().name(), function: name, limits: &plugin.inner.limits };
        let answers = answers.map_err(|end| {
            let state = self.live.as_ref().map(|live| live.store.data());
            call.explain(end, state, cpu_budget, wall_budget)
        });
        let mut failure = match answers {
            Ok(answers) if answers.len() == inputs.len() => {
                let check = |answer| call.check_answer(&function.schemas, answer);
                let outputs = answers.into_iter().map(check).collect();
                return Ok(BatchOutcome { outputs, usage, logs });
            }
            Ok(answers) => call.wrong_number_of_answers(inputs.len(), answers.len()),
            Err(failure) => failure,
        };
        // An instance that was ended is never entered again.
        self.live = None;
        failure.diagnosis.usage = usage;
        failure.diagnosis.logs = logs;
        self.note(name, &failure);
        Err(failure)
    }

    /// What the call that just ended used and logged.
    fn account(&mut self) -> (Usage, Vec<LogLine>) {
        let Some(live) = &mut self.live else { return Default::default() };
        let state = live.store.data_mut();
        self.host_calls = state.host_calls;
        let usage = Usage {
            cpu_ms: state.cpu.used().as_secs_f64() * 1e3,
            memory_peak: state.memory.bytes_peak as u64,
            host_calls: state.host_calls,
        };
        (usage, state.log.take())
    }

    /// Logs a call that was ended, and counts it towards a suspension.
    fn note(&self, function: &str, failure: &PluginFailure) {
        let manifest = self.plugin.manifest();
        tracing::warn!(
            plugin = manifest.name(),
            version = manifest.version(),
            function,
            reason = failure.reason.as_str(),
            bound = failure.bound.as_ref().map(|bound| bound.name),
            used = failure.bound.as_ref().map(|bound| bound.used),
            allowed = failure.bound.as_ref().map(|bound| bound.allowed),
            "plugin call ended"
        );
        if failure.counts_towards_suspension() && self.plugin.breaker().note_end(self.plugin.inner.host.now()) {
            tracing::error!(plugin = manifest.name(), "plugin suspended: it failed too often");
        }
    }

    fn check_admission(&self, context: &CallContext) -> Result<(), PluginFailure> {
        let plugin_name = self.plugin.manifest().name();
        let depth_allowed = self.plugin.inner.limits.depth;
        if context.depth > depth_allowed {
            let bound = Bound { name: "depth", used: context.depth.into(), allowed: depth_allowed.into() };
            let message = format!("plugin calls caused plugin calls more than {depth_allowed} deep");
            return Err(PluginFailure::of_bound(Reason::Depth, message, bound));
        }
        if let Some(rest) = self.plugin.suspended_for() {
            let message = format!("plugin `{plugin_name}` failed too often and rests for {} s", rest.as_secs() + 1);
            let mut failure = PluginFailure::new(Reason::Suspended, message);
            failure.retry_after_ms = u64::try_from(rest.as_millis()).ok();
            return Err(failure);
        }
        Ok(())
    }

    /// The inputs as JSON text, if they fit the function and the bound.
    fn check_inputs(
        &self,
        name: &str,
        function: &Function,
        inputs: &[Value],
        as_batch: bool,
    ) -> Result<Vec<String>, PluginFailure> {
        let plugin_name = self.plugin.manifest().name();
        let mut issues = Vec::new();
        for (position, input) in inputs.iter().enumerate() {
            let item = if as_batch { u32::try_from(position).ok() } else { None };
            let found = function.schemas.input_issues(input);
            issues.extend(found.iter().map(|issue| PluginIssue { item, ..issue.into() }));
        }
        if !issues.is_empty() {
            let message =
                format!("the input does not fit function `{name}` of plugin `{plugin_name}`: {}", issues[0].message);
            return Err(PluginFailure { issues, ..PluginFailure::new(Reason::Input, message) });
        }
        let texts: Vec<String> = inputs.iter().map(Value::to_string).collect();
        let used: usize = texts.iter().map(String::len).sum();
        let allowed = self.plugin.inner.limits.input_bytes;
        if used > allowed {
            let bound = Bound { name: "inputBytes", used: used as u64, allowed: allowed as u64 };
            let message = format!("the input has {used} bytes; a call may pass {allowed}");
            return Err(PluginFailure::of_bound(Reason::Input, message, bound));
        }
        Ok(texts)
    }

    async fn take_place(&mut self) -> Result<(), PluginFailure> {
        if self.place.is_some() {
            return Ok(());
        }
        let queue = Duration::from_millis(self.plugin.inner.limits.queue_ms);
        let take = |semaphore: &Arc<Semaphore>| {
            let semaphore = semaphore.clone();
            async move { semaphore.acquire_owned().await.expect("it is never closed") }
        };
        let both = async {
            let plugin = take(&self.plugin.inner.running).await;
            Place { _plugin: plugin, _host: take(&self.plugin.inner.host.running).await }
        };
        match timeout(queue, both).await {
            Ok(place) => {
                self.place = Some(place);
                Ok(())
            }
            Err(_) => Err(PluginFailure::busy(self.plugin.manifest().name(), &self.plugin.inner.limits)),
        }
    }

    /// The call itself: measured, interrupted at each tick, and ended at the wall clock's budget.
    async fn call(
        &mut self,
        context: CallContext,
        name: &str,
        inputs: Vec<String>,
        as_batch: bool,
        cpu_budget: Duration,
        wall_budget: Duration,
    ) -> Result<Answers, End> {
        if std::mem::replace(&mut self.entered, true) {
            self.live = None;
        }
        let plugin = self.plugin.inner.clone();
        let guest_context = context.for_guest(plugin.manifest.name(), wall_budget);
        let context = Arc::new(context);
        let _ticking = plugin.host.ticker.run();

        let Live { store, functions } = self.live.get_or_insert_with(|| {
            let mut state = CallState::new(plugin.limits.clone(), self.services.clone());
            state.host_calls = self.host_calls;
            Live { store: state.into_store(&plugin.host.engine), functions: None }
        });
        store.data_mut().begin_call(context, cpu_budget, wall_budget);
        store.set_epoch_deadline(1);
        let meter = store.data().cpu.clone();
        let work = async {
            let functions = match functions {
                Some(functions) => functions,
                None => {
                    let instance = plugin.instance_pre.instantiate_async(&mut *store).await?;
                    let export = plugin.export.as_ref().expect("only functions of the manifest are called");
                    functions.insert(export.load(&mut *store, &instance)?)
                }
            };
            if as_batch {
                functions.call_invoke_batch(store, &guest_context, name, &inputs).await
            } else {
                let [input] = inputs.as_slice() else { unreachable!("a single call has one input") };
                functions.call_invoke(store, &guest_context, name, input).await.map(|answer| vec![answer])
            }
        };
        let ended = timeout(wall_budget, Metered::new(meter, work)).await;
        self.entered = false;
        match ended {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) => Err(End::Error(error)),
            Err(_) => Err(End::WallClock),
        }
    }
}
