//! Why steps fail: what whoever looks at the run is told, and what administrators alone are told beside.

use std::time::Duration;

use cardine_engine::EngineError;
use cardine_plugin_host::PluginFailure;
use cardine_store::StoreError;
use serde_json::{Value as Json, json};

/// Why a step did not succeed.
#[derive(Debug)]
pub(super) enum StepError {
    /// It failed.
    Failed(Box<Failed>),
    /// The lease went to another process, which goes on, or the run was cancelled; nothing may be written.
    LeaseLost,
}

/// A failure.
#[derive(Debug)]
pub(super) struct Failed {
    /// What happened: never the text of a trap.
    pub message: String,
    /// Whether a later try may succeed.
    pub passes: bool,
    /// How long it is to rest before that.
    pub after: Option<Duration>,
    /// Of a plugin's call, for administrators.
    pub call: Option<Json>,
}

impl StepError {
    /// However often it is tried, it fails.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failed { message: message.into(), passes: false, after: None, call: None }))
    }

    /// A later try may succeed.
    pub fn passing(message: impl Into<String>, after: Option<Duration>) -> Self {
        Self::Failed(Box::new(Failed { message: message.into(), passes: true, after, call: None }))
    }

    /// A plugin's call failed.
    pub fn of_call(failure: &PluginFailure) -> Self {
        Self::Failed(Box::new(Failed {
            message: format!("PLUGIN_FAILED {}: {}", failure.reason, failure.message),
            passes: failure.reason.is_temporary(),
            after: failure.retry_after_ms.map(Duration::from_millis),
            call: Some(diagnosis(failure)),
        }))
    }
}

/// The bound with what was used and allowed, and the trap with its backtrace or the plugin's own words.
fn diagnosis(failure: &PluginFailure) -> Json {
    let bound = failure.bound.as_ref();
    json!({
        "reason": failure.reason,
        "bound": bound.map(|bound| bound.name),
        "used": bound.map(|bound| bound.used),
        "allowed": bound.map(|bound| bound.allowed),
        "detail": failure.diagnosis.kept_detail(),
    })
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable | EngineError::Stale => Self::passing(error.to_string(), None),
            EngineError::Validation(issues) => {
                let issues: Vec<String> = issues.iter().map(ToString::to_string).collect();
                Self::lasting(format!("VALIDATION_FAILED: {}", issues.join("; ")))
            }
            other => Self::lasting(other.to_string()),
        }
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        EngineError::from(error).into()
    }
}
