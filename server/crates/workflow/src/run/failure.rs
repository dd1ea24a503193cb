//! Why steps fail: what whoever looks at the run is told, and what administrators alone are told beside.

use std::time::Duration;

use cardine_engine::EngineError;
use cardine_plugin_host::{PluginFailure, Reason};
use cardine_store::StoreError;
use serde_json::{Value as Json, json};

use crate::definition::ErrorClass;

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
    /// Of errors that a later try may help with.
    pub class: Option<ErrorClass>,
    /// How long it is to rest before that.
    pub after: Option<Duration>,
    /// Of a plugin's call, for administrators.
    pub call: Option<Json>,
}

impl StepError {
    /// However often it is tried, it fails.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self::Failed(Box::new(Failed { message: message.into(), class: None, after: None, call: None }))
    }

    /// A later try may succeed, as the class says; not before so long has passed, if anybody said so.
    pub fn of_class(class: ErrorClass, message: impl Into<String>, after: Option<Duration>) -> Self {
        Self::Failed(Box::new(Failed { message: message.into(), class: Some(class), after, call: None }))
    }

    /// A plugin's call failed.
    pub fn of_call(failure: &PluginFailure) -> Self {
        Self::Failed(Box::new(Failed {
            // The plugin's own words may have what no text in a database has.
            message: format!("PLUGIN_FAILED {}: {}", failure.reason, failure.message).replace('\0', ""),
            class: class_of_call(failure.reason),
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

impl Failed {
    /// Whether time alone may make it pass.
    pub fn passes(&self) -> bool {
        self.class.is_some_and(ErrorClass::passes)
    }

    /// What administrators are told beside the message.
    pub fn told(&self) -> Option<Json> {
        let mut told = self.call.clone().or_else(|| self.class.map(|_| json!({})))?;
        told["class"] = json!(self.class.map(ErrorClass::name));
        Some(told)
    }
}

/// A trap, a wrong answer and the plugin's own failure are faults of its code: they stay.
fn class_of_call(reason: Reason) -> Option<ErrorClass> {
    match reason {
        Reason::Busy | Reason::Suspended => Some(ErrorClass::RateLimited),
        Reason::Retryable => Some(ErrorClass::Upstream),
        Reason::Memory | Reason::Time | Reason::Stack | Reason::Output | Reason::Calls => Some(ErrorClass::PluginLimit),
        Reason::Depth
        | Reason::OutputInvalid
        | Reason::Trap
        | Reason::Input
        | Reason::UnknownFunction
        | Reason::Invalid
        | Reason::NotFound
        | Reason::Denied
        | Reason::Failed => None,
    }
}

impl From<EngineError> for StepError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Unavailable | EngineError::Stale => {
                Self::of_class(ErrorClass::Unavailable, error.to_string(), None)
            }
            EngineError::Conflict { .. } => Self::of_class(ErrorClass::Conflict, error.to_string(), None),
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
