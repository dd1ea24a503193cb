//! The ways into a component: which of its exports a call enters, and what comes back.

use std::time::Duration;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::cardine::plugin::types::{CallContext, Issue, PluginError};
use crate::bindings::exports::cardine::plugin::{computed_fields, functions, jobs, record_hooks, routes, validators};
use crate::call_state::CallState;
use crate::manifest::Manifest;

/// The exports that a manifest makes use of.
pub(crate) struct Exports {
    functions: Option<functions::GuestIndices>,
    record_hooks: Option<record_hooks::GuestIndices>,
    validators: Option<validators::GuestIndices>,
    computed_fields: Option<computed_fields::GuestIndices>,
    routes: Option<routes::GuestIndices>,
    jobs: Option<jobs::GuestIndices>,
}

/// One call.
pub(crate) enum Entry {
    Function { name: String, inputs: Vec<String>, as_batch: bool },
    BeforeWrite { module: String, operation: String, changes: Vec<record_hooks::Change> },
    AfterWrite { module: String, operation: String, changes: Vec<record_hooks::Change> },
    Validate { validator: String, params: String, items: Vec<validators::Item> },
    Compute { module: String, fields: Vec<String>, records: Vec<String> },
    Serve { route: String, request: routes::Request },
    Run { job: String, due_at_ms: f64, cursor: Option<String> },
}

/// What a computing call or a route may use before it goes on at low priority: most use less.
const HEAD_START: Duration = Duration::from_millis(10);

impl Entry {
    /// How long the call runs at the server's own priority; none: to its end. A write holds what others wait for, so what it waits for is
    /// never slowed down: its bounds are close. What somebody waits for at the other end may begin with a rush, and all else may not: many
    /// short calls take as much as one that is long.
    pub(crate) fn head_start(&self) -> Option<Duration> {
        match self {
            Self::BeforeWrite { .. } | Self::Validate { .. } => None,
            Self::Compute { .. } | Self::Serve { .. } => Some(HEAD_START),
            Self::Function { .. } | Self::AfterWrite { .. } | Self::Run { .. } => Some(Duration::ZERO),
        }
    }

    /// Whether the call waits for its turn when it asks the API. What may not leave its thread is waited for, and what computes is denied
    /// the API at once.
    pub(crate) fn takes_turns(&self) -> bool {
        match self {
            Self::Function { .. } | Self::AfterWrite { .. } | Self::Serve { .. } | Self::Run { .. } => true,
            Self::BeforeWrite { .. } | Self::Validate { .. } | Self::Compute { .. } => false,
        }
    }
}

/// What a component gave back.
pub(crate) enum Answer {
    /// One per input.
    Texts(Vec<Result<String, PluginError>>),
    Decisions(Result<Vec<record_hooks::Decision>, PluginError>),
    Noted(Result<(), PluginError>),
    Issues(Result<Vec<Issue>, PluginError>),
    Computed(Result<Vec<String>, PluginError>),
    Served(Result<routes::Response, PluginError>),
    Ran(Result<Option<String>, PluginError>),
}

impl Exports {
    /// What the manifest names must be exported; what else a component exports is never called.
    pub(crate) fn find(manifest: &Manifest, component: &InstancePre<CallState>) -> wasmtime::Result<Self> {
        let wants = |is_used: bool| is_used.then_some(component);
        Ok(Self {
            functions: wants(!manifest.functions().is_empty()).map(functions::GuestIndices::new).transpose()?,
            record_hooks: wants(!manifest.hooks().is_empty()).map(record_hooks::GuestIndices::new).transpose()?,
            validators: wants(!manifest.validators().is_empty()).map(validators::GuestIndices::new).transpose()?,
            computed_fields: wants(!manifest.computed().is_empty())
                .map(computed_fields::GuestIndices::new)
                .transpose()?,
            routes: wants(!manifest.routes().is_empty()).map(routes::GuestIndices::new).transpose()?,
            jobs: wants(!manifest.jobs().is_empty()).map(jobs::GuestIndices::new).transpose()?,
        })
    }

    pub(crate) async fn enter(
        &self,
        store: &mut Store<CallState>,
        instance: &Instance,
        context: &CallContext,
        entry: &Entry,
    ) -> wasmtime::Result<Answer> {
        const NAMED: &str = "only what the manifest names is called";
        match entry {
            Entry::Function { name, inputs, as_batch } => {
                let functions = self.functions.as_ref().expect(NAMED).load(&mut *store, instance)?;
                if *as_batch {
                    return functions.call_invoke_batch(store, context, name, inputs).await.map(Answer::Texts);
                }
                let [input] = inputs.as_slice() else { unreachable!("a single call has one input") };
                let answer = functions.call_invoke(store, context, name, input).await?;
                Ok(Answer::Texts(vec![answer]))
            }
            Entry::BeforeWrite { module, operation, changes } => {
                let hooks = self.record_hooks.as_ref().expect(NAMED).load(&mut *store, instance)?;
                hooks.call_before(store, context, module, operation, changes).await.map(Answer::Decisions)
            }
            Entry::AfterWrite { module, operation, changes } => {
                let hooks = self.record_hooks.as_ref().expect(NAMED).load(&mut *store, instance)?;
                hooks.call_after(store, context, module, operation, changes).await.map(Answer::Noted)
            }
            Entry::Validate { validator, params, items } => {
                let validators = self.validators.as_ref().expect(NAMED).load(&mut *store, instance)?;
                validators.call_validate(store, context, validator, params, items).await.map(Answer::Issues)
            }
            Entry::Serve { route, request } => {
                let routes = self.routes.as_ref().expect(NAMED).load(&mut *store, instance)?;
                routes.call_serve(store, context, route, request).await.map(Answer::Served)
            }
            Entry::Run { job, due_at_ms, cursor } => {
                let jobs = self.jobs.as_ref().expect(NAMED).load(&mut *store, instance)?;
                jobs.call_run(store, context, job, *due_at_ms, cursor.as_ref()).await.map(Answer::Ran)
            }
            Entry::Compute { module, fields, records } => {
                let computed = self.computed_fields.as_ref().expect(NAMED).load(&mut *store, instance)?;
                // No field takes arguments yet.
                let arguments = "{}".to_owned();
                computed.call_compute(store, context, module, fields, &arguments, records).await.map(Answer::Computed)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_write_waits_for_is_never_slowed_down() {
        let (module, operation) = (String::new(), String::new());
        let before = Entry::BeforeWrite { module: module.clone(), operation: operation.clone(), changes: Vec::new() };
        let check = Entry::Validate { validator: String::new(), params: String::new(), items: Vec::new() };
        assert_eq!((before.head_start(), check.head_start()), (None, None));
        let after = Entry::AfterWrite { module, operation, changes: Vec::new() };
        assert_eq!(after.head_start(), Some(Duration::ZERO));
    }

    #[test]
    fn what_computes_waits_for_no_turn_at_the_api() {
        let (module, operation) = (String::new(), String::new());
        let compute = Entry::Compute { module: module.clone(), fields: Vec::new(), records: Vec::new() };
        assert!(compute.head_start().is_some() && !compute.takes_turns());
        assert!(Entry::AfterWrite { module, operation, changes: Vec::new() }.takes_turns());
    }
}
