//! Says why a call ended: which bound it broke, or what the plugin answered.

use std::time::Duration;

use serde_json::Value;
use wasmtime::{PoolConcurrencyLimitError, Trap};

use crate::bindings::cardine::plugin::types;
use crate::call_state::{Breach, CallState};
use crate::failure::{Bound, PluginFailure, PluginIssue, Reason};
use crate::limits::Limits;
use crate::schemas::FunctionSchemas;

/// Why a call into a component gave nothing.
pub(crate) enum End {
    Error(wasmtime::Error),
    WallClock,
}

/// The call that ended, by name.
#[derive(Clone, Copy)]
pub(crate) struct EndedCall<'a> {
    pub(crate) plugin: &'a str,
    /// Such as "function `score`".
    pub(crate) what: &'a str,
    pub(crate) limits: &'a Limits,
}

/// The engine has no type for this error that could be told by; a test holds the text.
const COPIED_TOO_MUCH: &str = "fuel allocated for hostcalls has been exhausted";

impl EndedCall<'_> {
    /// Why the component gave no answer at all.
    pub(crate) fn explain(
        &self,
        end: End,
        state: Option<&CallState>,
        cpu_budget: Duration,
        wall_budget: Duration,
    ) -> PluginFailure {
        let cpu_used = state.map_or(Duration::ZERO, |state| state.cpu.used());
        let error = match end {
            End::Error(error) => error,
            End::WallClock => {
                let detail = format!("{} ms of it were CPU time", cpu_used.as_millis());
                return self.took_too_long(wall_budget, wall_budget).with_detail(detail);
            }
        };
        if let (Some(Breach::WallClock), Some(state)) = (error.downcast_ref(), state) {
            let detail = format!("{} ms of it were CPU time\n{error:?}", cpu_used.as_millis());
            return self.took_too_long(state.began.elapsed(), wall_budget).with_detail(detail);
        }
        self.explain_error(&error, state, cpu_used, cpu_budget).with_detail(format!("{error:?}"))
    }

    fn took_too_long(&self, used: Duration, allowed: Duration) -> PluginFailure {
        let (used, allowed) = (used.as_millis() as u64, allowed.as_millis() as u64);
        let what = format!("did not end within {allowed} ms");
        self.broke(Reason::Time, &what, "wallMs", used, allowed)
    }

    fn explain_error(
        &self,
        error: &wasmtime::Error,
        state: Option<&CallState>,
        cpu_used: Duration,
        cpu_budget: Duration,
    ) -> PluginFailure {
        match error.downcast_ref::<Breach>() {
            Some(Breach::CpuTime) => {
                let (used, allowed) = (cpu_used.as_millis() as u64, cpu_budget.as_millis() as u64);
                let what = format!("used up its CPU time of {allowed} ms");
                return self.broke(Reason::Time, &what, "cpuMs", used, allowed);
            }
            Some(Breach::HostCalls) => {
                let (used, allowed) = (state.map_or(0, |state| state.host_calls), self.limits.host_calls);
                let what = format!("called the host more than {allowed} times and went on");
                return self.broke(Reason::Calls, &what, "hostCalls", used, allowed);
            }
            Some(Breach::WallClock | Breach::RandomBytes) | None => {}
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return PluginFailure::busy(self.plugin, self.limits);
        }
        if error.chain().any(|cause| cause.to_string().contains(COPIED_TOO_MUCH)) {
            let allowed = self.limits.output_bytes as u64;
            return self.too_large(allowed + 1);
        }
        if let Some(Trap::StackOverflow) = error.downcast_ref::<Trap>() {
            let allowed = self.limits.stack_bytes as u64;
            let what = "nested its calls too deep for the stack";
            return self.broke(Reason::Stack, what, "stackBytes", allowed, allowed);
        }
        if let Some(denied) = state.and_then(|state| state.memory.bytes_denied) {
            let allowed = self.limits.memory_bytes as u64;
            let what = format!("wanted more memory than its {allowed} bytes");
            return self.broke(Reason::Memory, &what, "memoryBytes", denied as u64, allowed);
        }
        PluginFailure::new(Reason::Trap, self.sentence("stopped unexpectedly"))
    }

    /// The output of one answer, if it is one that the function may give.
    pub(crate) fn check_answer(
        &self,
        schemas: &FunctionSchemas,
        answer: Result<String, types::PluginError>,
    ) -> Result<Value, PluginFailure> {
        let text = answer.map_err(|error| self.plugins_own_words(error))?;
        if text.len() > self.limits.output_bytes {
            return Err(self.too_large(text.len() as u64));
        }
        let output: Value = serde_json::from_str(&text)
            .map_err(|error| self.invalid_output().with_detail(format!("the output is not JSON: {error}")))?;
        let issues = schemas.output_issues(&output);
        if issues.is_empty() {
            return Ok(output);
        }
        let found: Vec<String> = issues.iter().map(ToString::to_string).collect();
        Err(self.invalid_output().with_detail(format!("the output does not fit: {}", found.join("; "))))
    }

    pub(crate) fn wrong_number_of_answers(&self, inputs: usize, answers: usize) -> PluginFailure {
        self.invalid_output().with_detail(format!("{answers} answers to {inputs} inputs"))
    }

    pub(crate) fn plugins_own_words(&self, error: types::PluginError) -> PluginFailure {
        match error {
            types::PluginError::Invalid(issues) => {
                let message = self.sentence("found the input wrong");
                let issues = issues.into_iter().map(PluginIssue::from).collect();
                PluginFailure { issues, ..PluginFailure::new(Reason::Invalid, message) }
            }
            types::PluginError::NotFound(message) => PluginFailure::new(Reason::NotFound, message),
            types::PluginError::Denied(message) => PluginFailure::new(Reason::Denied, message),
            types::PluginError::Retryable(advice) => PluginFailure {
                retry_after_ms: advice.after_ms.map(u64::from),
                ..PluginFailure::new(Reason::Retryable, advice.message)
            },
            types::PluginError::Failed(detail) => {
                PluginFailure::new(Reason::Failed, self.sentence("failed")).with_detail(detail)
            }
        }
    }

    pub(crate) fn invalid_output(&self) -> PluginFailure {
        let message = self.sentence("gave an answer that its manifest does not allow");
        PluginFailure::new(Reason::OutputInvalid, message)
    }

    pub(crate) fn too_large(&self, used: u64) -> PluginFailure {
        let allowed = self.limits.output_bytes as u64;
        let what = format!("passed more than {allowed} bytes at once to the server");
        self.broke(Reason::Output, &what, "outputBytes", used, allowed)
    }

    fn broke(&self, reason: Reason, what: &str, name: &'static str, used: u64, allowed: u64) -> PluginFailure {
        PluginFailure::of_bound(reason, self.sentence(what), Bound { name, used, allowed })
    }

    fn sentence(&self, what: &str) -> String {
        format!("{} of plugin `{}` {what}", self.what, self.plugin)
    }
}

impl From<types::Issue> for PluginIssue {
    fn from(issue: types::Issue) -> Self {
        let empty = || Value::Object(serde_json::Map::new());
        Self {
            item: issue.item,
            path: issue.path,
            code: issue.code,
            message: issue.message,
            params: serde_json::from_str(&issue.params).unwrap_or_else(|_| empty()),
        }
    }
}
