//! What a plugin may use in a case of `cardine plugin test`: settings, and what the case says that the API answers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cardine_plugin_host::port::{HostError, Operation, RunAs};
use cardine_plugin_host::{Answer, CallContext, HostServices};
use serde::Deserialize;
use serde_json::{Value as Json, json};

/// One operation that the plugin is to ask the API for, and what it is answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exchange {
    /// What stands in the document; absent: anything.
    #[serde(default)]
    document: String,
    /// Absent: any.
    variables: Option<Json>,
    /// The response, `{"data": …}` or `{"errors": …}`.
    answer: Json,
}

/// Everything else is denied: what a case needs stands in it.
pub struct CaseServices {
    settings: Json,
    expected: Mutex<VecDeque<Exchange>>,
    faults: Mutex<Vec<String>>,
}

impl CaseServices {
    /// With the case's settings and what its API is asked.
    pub fn new(settings: Option<Json>, api: Vec<Exchange>) -> Self {
        let settings = settings.unwrap_or_else(|| json!({}));
        Self { settings, expected: Mutex::new(api.into()), faults: Mutex::default() }
    }

    /// What was asked otherwise than the case says, and what was not asked at all.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = locked(&self.faults).clone();
        let left = locked(&self.expected).len();
        if left > 0 {
            faults.push(format!("{left} more operations of the API were to be asked for"));
        }
        faults
    }

    fn answer(&self, operation: &Operation) -> Result<String, HostError> {
        let Some(expected) = locked(&self.expected).pop_front() else {
            return Err(HostError::Denied("the case has no answer of the API to this".to_owned()));
        };
        let variables: Json = serde_json::from_str(&operation.variables).unwrap_or_default();
        let is_other = expected.variables.as_ref().is_some_and(|expected| *expected != variables);
        if is_other || !operation.document.contains(&expected.document) {
            locked(&self.faults).push(format!("asked the API for {} with {variables}", operation.document));
        }
        Ok(expected.answer.to_string())
    }
}

impl HostServices for CaseServices {
    fn settings(&self) -> Json {
        self.settings.clone()
    }

    fn execute<'a>(
        &'a self,
        _call: &'a CallContext,
        _run_as: RunAs,
        operations: Vec<Operation>,
    ) -> Answer<'a, Result<Vec<String>, HostError>> {
        let answers = operations.iter().map(|operation| self.answer(operation)).collect();
        Box::pin(std::future::ready(answers))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
