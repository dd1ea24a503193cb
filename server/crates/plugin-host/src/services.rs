//! What the server provides to running plugins: the port that it fills.

use std::future::Future;
use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::call_context::CallContext;

/// The types that cross the border, as the WIT package names them.
pub mod port {
    pub use crate::bindings::cardine::plugin::api::{Operation, RunAs};
    pub use crate::bindings::cardine::plugin::http::{HttpError, Request, Response};
    pub use crate::bindings::cardine::plugin::state::{Change, Entry, StateError};
    pub use crate::bindings::cardine::plugin::types::HostError;
}

use port::{Change, Entry, HostError, HttpError, Operation, Request, Response, RunAs, StateError};

/// The answer to a call that may have to wait.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the server does for a plugin that runs. Every method is denied unless the server fills it;
/// the implementation holds what the plugin asked for *and* the admin granted. `call` is the
/// context of the plugin call from which the request comes.
///
/// The host counts the calls before they come here.
pub trait HostServices: Send + Sync + 'static {
    /// The admin's settings for this plugin, a JSON object.
    fn settings(&self) -> Value {
        Value::Object(serde_json::Map::new())
    }

    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
    }

    /// Runs GraphQL operations in order, in one transaction; one JSON response per operation.
    fn execute<'a>(
        &'a self,
        call: &'a CallContext,
        run_as: RunAs,
        operations: Vec<Operation>,
    ) -> Answer<'a, Result<Vec<String>, HostError>> {
        let _ = (call, run_as, operations);
        denied(HostError::Denied("this call may not use the API".to_owned()))
    }

    /// Entries of the plugin's own store; one answer per key.
    fn fetch_state<'a>(
        &'a self,
        call: &'a CallContext,
        keys: Vec<String>,
    ) -> Answer<'a, Result<Vec<Option<Entry>>, StateError>> {
        let _ = (call, keys);
        denied(state_denied())
    }

    /// Changes entries of the plugin's own store, all or none; the new etags.
    fn store_state<'a>(
        &'a self,
        call: &'a CallContext,
        changes: Vec<Change>,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        let _ = (call, changes);
        denied(state_denied())
    }

    /// Keys of the plugin's own store that begin with `prefix`, in order, after `after`.
    fn fetch_state_keys<'a>(
        &'a self,
        call: &'a CallContext,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        let _ = (call, prefix, after, limit);
        denied(state_denied())
    }

    /// The placeholder of a secret, for headers of outbound requests.
    fn secret_handle<'a>(&'a self, call: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        let _ = (call, name);
        denied(HostError::Denied("this call may not use secrets".to_owned()))
    }

    /// The value of a secret.
    fn reveal_secret<'a>(&'a self, call: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        let _ = (call, name);
        denied(HostError::Denied("this call may not see secrets".to_owned()))
    }

    /// Sends HTTP requests at the same time; one answer per request, same order.
    fn send_http<'a>(
        &'a self,
        call: &'a CallContext,
        requests: Vec<Request>,
    ) -> Answer<'a, Vec<Result<Response, HttpError>>> {
        let _ = call;
        let refuse = |_| Err(HttpError::Denied("this call may not use HTTP".to_owned()));
        let answers = requests.into_iter().map(refuse).collect();
        Box::pin(std::future::ready(answers))
    }

    /// Emits an event, which is queued before this answers, whatever becomes of the call. `payload` is JSON text.
    fn emit_event<'a>(
        &'a self,
        call: &'a CallContext,
        name: String,
        payload: String,
    ) -> Answer<'a, Result<(), HostError>> {
        let _ = (call, name, payload);
        denied(HostError::Denied("this call may not emit events".to_owned()))
    }

    /// Queues a call of one of the plugin's functions; the id of the queued work.
    fn enqueue<'a>(
        &'a self,
        call: &'a CallContext,
        function: String,
        input: String,
        delay_ms: f64,
        key: Option<String>,
    ) -> Answer<'a, Result<String, HostError>> {
        let _ = (call, function, input, delay_ms, key);
        denied(HostError::Denied("this call may not queue work".to_owned()))
    }
}

/// Services that grant nothing: clock, randomness and log only.
#[derive(Debug, Clone, Copy, Default)]
pub struct DeniedServices;

impl HostServices for DeniedServices {}

fn denied<'a, T: Send + 'a, E: Send + 'a>(error: E) -> Answer<'a, Result<T, E>> {
    Box::pin(std::future::ready(Err(error)))
}

fn state_denied() -> StateError {
    StateError::Denied("this call may not use the state store".to_owned())
}
