//! Write Cardine plugins in Rust: implement [`FunctionPlugin`] and call [`export_functions!`].
//!
//! The crate targets `wasm32-unknown-unknown`. That target has no clock and no randomness of its
//! own; [`host::runtime`] supplies both. The other interfaces of the host are in [`host`] too, and
//! answer `denied` unless the plugin's manifest asked for them and the admin granted them.

mod adapter;
mod error;

pub use adapter::Adapter;
pub use error::{Issue, PluginError};
pub use serde_json::{self, Value};

/// The code generated from `plugins/wit/since_v0_1`; plugins use [`host`] and [`FunctionPlugin`].
#[allow(missing_docs, clippy::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit/since_v0_1",
        world: "function-plugin",
        pub_export_macro: true,
        export_macro_name: "export_function_plugin",
        default_bindings_module: "cardine_plugin::bindings",
    });
}

pub use bindings::cardine::plugin::types::CallContext;

/// What the host provides to a running plugin.
pub mod host {
    pub use crate::bindings::cardine::plugin::{api, config, events, http, log, runtime, state};
}

/// A plugin whose functions workflow steps may call.
pub trait FunctionPlugin {
    /// The plugin's manifest. It must equal the package's `plugin.json`, so take it from there:
    /// `Manifest::from_json(include_str!("../plugin.json"))`. The host's interfaces may not be
    /// called here.
    fn describe() -> Manifest;

    /// Runs the function `name` of the manifest. `input` is valid under its `inputSchema`; the
    /// answer must be valid under its `outputSchema`.
    ///
    /// # Errors
    /// [`PluginError`] tells the host whose fault it is and whether trying again makes sense.
    fn invoke(context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError>;
}

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

/// Makes a type that implements [`FunctionPlugin`] the component's exports.
#[macro_export]
macro_rules! export_functions {
    ($plugin:ty) => {
        #[cfg(target_arch = "wasm32")]
        mod cardine_plugin_exports {
            use super::*;
            type Exported = $crate::Adapter<$plugin>;
            $crate::bindings::export_function_plugin!(Exported with_types_in $crate::bindings);
        }
    };
}
