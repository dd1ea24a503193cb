//! Runs the calls of one operation inside their bounds.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime::Store;
use wasmtime::component::Instance;

use crate::call_context::CallContext;
use crate::call_state::{CallState, fill_up};
use crate::cpu::Metered;
use crate::ending::{End, EndedCall};
use crate::entry::{Answer, Entry};
use crate::failure::{Bound, PluginFailure, PluginIssue, Reason};
use crate::lanes::Laned;
use crate::limits::Limits;
use crate::logs::LogLine;
use crate::manifest::Manifest;
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
    /// Goes with the call while one runs: whoever drops that frees the place when the instance is gone, and no sooner.
    place: Option<Place>,
    /// Not there while a call runs: a caller that drops one drops the instance, which it has left unusable.
    live: Option<Live>,
    host_calls: u64,
    used: Usage,
}

struct Live {
    store: Store<CallState>,
    /// None until it is instantiated, which is part of the first call.
    instance: Option<Instance>,
}

/// A place among the running calls of the plugin and of the host.
struct Place {
    _plugin: OwnedSemaphorePermit,
    _host: OwnedSemaphorePermit,
}

impl Session {
    pub(crate) fn new(plugin: LoadedPlugin, services: Arc<dyn HostServices>) -> Self {
        Self { plugin, services, place: None, live: None, host_calls: 0, used: Usage::default() }
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
        let texts = self.check_inputs(name, function, &inputs, as_batch)?;
        let bytes = texts.iter().map(String::len).sum();
        let limits = self.limits();
        let cpu_budget = limits.cpu_budget(function.timeout_ms, inputs.len());
        let wall_budget = limits.wall_budget(cpu_budget);
        let entry = Entry::Function { name: name.to_owned(), inputs: texts, as_batch };
        let what = format!("function `{name}`");
        let (answer, (usage, logs)) = self.run_entry(context, &what, entry, bytes, cpu_budget, wall_budget).await?;
        let Answer::Texts(answers) = answer else { unreachable!("the entry decides the answer") };
        let call = EndedCall { plugin: plugin.manifest().name(), what: &what, limits: &limits };
        if answers.len() == inputs.len() {
            let check = |answer| {
                let checked = call.check_answer(&function.schemas, answer);
                checked.inspect_err(|failure| self.keep(&what, failure))
            };
            let outputs = answers.into_iter().map(check).collect();
            return Ok(BatchOutcome { outputs, usage, logs });
        }
        let failure = call.wrong_number_of_answers(inputs.len(), answers.len());
        Err(self.end(&what, failure, usage, logs))
    }

    /// One call of any kind: admitted, in its turn, within its bounds, accounted for. `bytes` is the text that it passes.
    pub(crate) async fn run_entry(
        &mut self,
        context: CallContext,
        what: &str,
        entry: Entry,
        bytes: usize,
        cpu_budget: Duration,
        wall_budget: Duration,
    ) -> Result<(Answer, (Usage, Vec<LogLine>)), PluginFailure> {
        let admitted = async {
            self.check_admission(&context)?;
            self.check_input_bytes(bytes)?;
            self.take_place().await
        };
        if let Err(failure) = admitted.await {
            self.count(Some(&failure), &Usage::default());
            self.keep(what, &failure);
            return Err(failure);
        }
        let answer = self.call(context, entry, cpu_budget, wall_budget).await;
        let (usage, logs) = self.account();
        let end = match answer {
            Ok(answer) => {
                self.count(None, &usage);
                return Ok((answer, (usage, logs)));
            }
            Err(end) => end,
        };
        let limits = self.limits();
        let call = EndedCall { plugin: self.plugin_name(), what, limits: &limits };
        let state = self.live.as_ref().map(|live| live.store.data());
        let failure = call.explain(end, state, cpu_budget, wall_budget);
        self.count(Some(&failure), &usage);
        self.keep(what, &failure);
        Err(self.end(what, failure, usage, logs))
    }

    fn count(&self, failure: Option<&PluginFailure>, usage: &Usage) {
        self.plugin.inner.host.counts.add(self.plugin_name(), failure, usage.cpu_ms);
    }

    /// For administrators, if a bound or a trap ended it.
    pub(crate) fn keep(&self, what: &str, failure: &PluginFailure) {
        self.plugin.inner.host.failed.add(self.plugin_name(), what, failure);
    }

    /// An instance that was ended is never entered again.
    fn end(&mut self, what: &str, mut failure: PluginFailure, usage: Usage, logs: Vec<LogLine>) -> PluginFailure {
        self.live = None;
        failure.diagnosis.usage = usage;
        failure.diagnosis.logs = logs;
        self.note(what, &failure);
        failure
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        self.plugin.manifest()
    }

    pub(crate) fn plugin_name(&self) -> &str {
        self.plugin.manifest().name()
    }

    pub(crate) fn limits(&self) -> Arc<Limits> {
        self.plugin.inner.limits.clone()
    }

    /// What the call that just ended used and logged.
    fn account(&mut self) -> (Usage, Vec<LogLine>) {
        let Some(live) = &mut self.live else { return Default::default() };
        let left = self.plugin.inner.host.counts_fuel.then(|| live.store.get_fuel().ok()).flatten();
        let state = live.store.data_mut();
        self.host_calls = state.host_calls;
        let usage = Usage {
            cpu_ms: state.cpu.used().as_secs_f64() * 1e3,
            memory_peak: state.memory.bytes_peak as u64,
            host_calls: state.host_calls,
            fuel: left.map(|left| u64::MAX - left),
        };
        self.used = usage;
        (usage, state.log.take())
    }

    /// What the last call used.
    pub fn used(&self) -> Usage {
        self.used
    }

    /// Logs a call that was ended, and counts it towards a suspension.
    fn note(&self, what: &str, failure: &PluginFailure) {
        let manifest = self.plugin.manifest();
        tracing::warn!(
            plugin = manifest.name(),
            version = manifest.version(),
            what,
            reason = failure.reason.as_str(),
            bound = failure.bound.as_ref().map(|bound| bound.name),
            used = failure.bound.as_ref().map(|bound| bound.used),
            allowed = failure.bound.as_ref().map(|bound| bound.allowed),
            detail = failure.diagnosis.detail,
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
        Ok(inputs.iter().map(Value::to_string).collect())
    }

    fn check_input_bytes(&self, used: usize) -> Result<(), PluginFailure> {
        let allowed = self.plugin.inner.limits.input_bytes;
        if used > allowed {
            let bound = Bound { name: "inputBytes", used: used as u64, allowed: allowed as u64 };
            let message = format!("the input has {used} bytes; a call may pass {allowed}");
            return Err(PluginFailure::of_bound(Reason::Input, message, bound));
        }
        Ok(())
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
        entry: Entry,
        cpu_budget: Duration,
        wall_budget: Duration,
    ) -> Result<Answer, End> {
        let plugin = self.plugin.inner.clone();
        let host = plugin.host.clone();
        let guest_context = context.for_guest(plugin.manifest.name(), wall_budget);
        let head_start = entry.head_start();
        let mut live = self.live.take().unwrap_or_else(|| {
            let mut state = CallState::new(plugin.limits.clone(), self.services.clone());
            state.host_calls = self.host_calls;
            Live { store: state.into_store(&host.engine, host.counts_fuel), instance: None }
        });
        if host.counts_fuel {
            fill_up(&mut live.store);
        }
        let state = live.store.data_mut();
        state.begin_call(Arc::new(context), cpu_budget, wall_budget);
        state.may_leave = head_start.is_some();
        state.api_turns = entry.takes_turns().then(|| plugin.api_turns.clone());
        let meter = state.cpu.clone();
        live.store.set_epoch_deadline(1);

        let (lanes, ticking, measured) = (host.lanes.clone(), host.ticker.run(), meter.clone());
        let place = self.place.take();
        // It owns all that it uses, so that it can go on elsewhere.
        let call = async move {
            let _ticking = ticking;
            // What comes last is dropped first.
            let (place, mut live) = (place, live);
            let Live { store, instance } = &mut live;
            let work = async {
                let instance = match instance {
                    Some(instance) => instance,
                    None => instance.insert(plugin.instance_pre.instantiate_async(&mut *store).await?),
                };
                plugin.exports.enter(store, instance, &guest_context, &entry).await
            };
            let ended = timeout(wall_budget, Metered::new(measured, work)).await;
            (live, place, ended)
        };
        let (live, place, ended) = match head_start {
            None => call.await,
            Some(head_start) => Laned::new(lanes, meter, head_start, call).await,
        };
        (self.place, self.live) = (place, Some(live));
        match ended {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(End::Error(error)),
            Err(_) => Err(End::WallClock),
        }
    }
}
