//! Write Cardine plugins in Rust: implement [`Plugin`] and call [`export_plugin!`].
//!
//! The crate targets `wasm32-unknown-unknown`. That target has no clock and no randomness of its
//! own; [`host::runtime`] supplies both. The other interfaces of the host are in [`host`] too, and
//! answer `denied` unless the plugin's manifest asked for them and the admin granted them.

mod adapter;
mod error;
mod records;

pub use adapter::Adapter;
pub use error::{Issue, PluginError};
pub use records::{Change, Decision, Item};
pub use serde_json::{self, Value};

/// The code generated from `plugins/wit/since_v0_1`; plugins use [`host`] and [`Plugin`].
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/since_v0_1",
        world: "full-plugin",
        pub_export_macro: true,
        export_macro_name: "export_full_plugin",
        default_bindings_module: "cardine_plugin::bindings",
    });
}

pub use bindings::cardine::plugin::types::CallContext;
/// A request that comes to one of the plugin's routes, and the answer to it.
pub use bindings::exports::cardine::plugin::routes::{Request as RouteRequest, Response as RouteResponse};

/// What the host provides to a running plugin.
pub mod host {
    pub use crate::bindings::cardine::plugin::{api, config, events, http, log, runtime, state};
}

/// A plugin. What its manifest does not name need not be implemented: the host never calls it.
pub trait Plugin {
    /// The plugin's manifest. It must equal the package's `plugin.json`, so take it from there:
    /// `Manifest::from_json(include_str!("../plugin.json"))`. The host's interfaces may not be
    /// called here.
    fn describe() -> Manifest;

    /// Runs the function `name` of the manifest. `input` is valid under its `inputSchema`; the
    /// answer must be valid under its `outputSchema`.
    ///
    /// # Errors
    /// [`PluginError`] tells the host whose fault it is and whether trying again makes sense.
    fn invoke(_context: &CallContext, name: &str, _input: Value) -> Result<Value, PluginError> {
        Err(PluginError::NotFound(format!("there is no function `{name}`")))
    }

    /// Says what becomes of changes that are about to be written, in the write's transaction: one decision for each, in
    /// their order. `operation` is `create`, `update`, `delete` or `restore`, the same for all.
    ///
    /// # Errors
    /// Any error refuses the write, unless the manifest says `"onError": "ignore"`.
    fn before_write(
        _context: &CallContext,
        _module: &str,
        _operation: &str,
        changes: &[Change],
    ) -> Result<Vec<Decision>, PluginError> {
        Ok(changes.iter().map(|_| Decision::Keep).collect())
    }

    /// Is told of changes that are committed; they cannot be refused any more. It may be told of one twice, after a crash or an
    /// error: [`CallContext::request_id`] is the same then. Everything that was granted may be used, with the plugin's own rights.
    ///
    /// # Errors
    /// [`PluginError::Retryable`] is tried again later; any other error ends up in the list of runs that failed.
    fn after_write(
        _context: &CallContext,
        module: &str,
        _operation: &str,
        _changes: &[Change],
    ) -> Result<(), PluginError> {
        Err(PluginError::NotFound(format!("there is no hook after writes of {module}")))
    }

    /// Checks values by the validator `name` of the manifest. Only the log, the clock and randomness may be used.
    ///
    /// # Errors
    /// Any error refuses the write. What is wrong with a value is no error: it is an issue in the answer.
    fn validate(
        _context: &CallContext,
        name: &str,
        _params: &Value,
        _items: &[Item],
    ) -> Result<Vec<Issue>, PluginError> {
        Err(PluginError::NotFound(format!("there is no validator `{name}`")))
    }

    /// Answers a request that comes to a route of the manifest, at `/hooks/{plugin}` and its path. `request.verified` tells whether the
    /// server has checked who sends it.
    ///
    /// # Errors
    /// [`PluginError`] becomes the status: 422 for `Invalid`, 404, 403, 503 with `Retry-After` for `Retryable`, 502 for `Failed`.
    fn serve(_context: &CallContext, route: &str, _request: &RouteRequest) -> Result<RouteResponse, PluginError> {
        Err(PluginError::NotFound(format!("there is no route {route}")))
    }

    /// Does a part of the job `name` of the manifest, which was due at that moment (milliseconds since the Unix epoch), with the plugin's own
    /// rights. The answer says where the next part begins, which is called for with a fresh budget; `None` ends the job. A part may be begun
    /// twice, after a crash or an error: [`CallContext::request_id`] is the same then as in all parts for this due time.
    ///
    /// # Errors
    /// [`PluginError::Retryable`] is tried again later; any other error ends up in the list of runs that failed.
    fn run_job(
        _context: &CallContext,
        name: &str,
        _due_at_ms: f64,
        _cursor: Option<Value>,
    ) -> Result<Option<Value>, PluginError> {
        Err(PluginError::NotFound(format!("there is no job `{name}`")))
    }

    /// Computes fields of the manifest for records that are shown: one JSON object for each, in their order, with a value for
    /// each of `fields`; null and what is left out are no value. A record holds the inputs of the fields, in the forms of the
    /// API: decimals, dates and options are strings. Only the log, the clock and randomness may be used.
    ///
    /// # Errors
    /// Any error leaves the fields without a value, and the caller is told.
    fn compute(
        _context: &CallContext,
        module: &str,
        _fields: &[String],
        _records: &[Value],
    ) -> Result<Vec<Value>, PluginError> {
        Err(PluginError::NotFound(format!("there is no computed field of {module}")))
    }
}

/// The name of [`Plugin`] for plugins that have functions alone.
pub use Plugin as FunctionPlugin;

/// A plugin's manifest as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest(String);

impl Manifest {
    /// Takes the text of a `plugin.json`; the host checks it.
    pub fn from_json(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The manifest's JSON text.
    pub fn into_json(self) -> String {
        self.0
    }
}

/// Makes a type that implements [`Plugin`] the component's exports.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod cardine_plugin_exports {
            use super::*;
            type Exported = $crate::Adapter<$plugin>;
            $crate::bindings::export_full_plugin!(Exported with_types_in $crate::bindings);
        }
    };
}

/// The same, by the name that plugins with functions alone know.
#[macro_export]
macro_rules! export_functions {
    ($plugin:ty) => {
        $crate::export_plugin!($plugin);
    };
}
