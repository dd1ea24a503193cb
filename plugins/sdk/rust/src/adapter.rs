//! Turns a [`FunctionPlugin`] into the exports that the WIT package wants.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::cardine::plugin::{log, types};
use crate::bindings::exports::cardine::plugin::{functions, lifecycle};
use crate::{FunctionPlugin, PluginError};

/// The component's exports for the plugin `P`; named by [`crate::export_functions!`] only.
#[derive(Debug)]
pub struct Adapter<P>(PhantomData<P>);

impl<P: FunctionPlugin> lifecycle::Guest for Adapter<P> {
    fn describe() -> String {
        P::describe().into_json()
    }

    fn notify(_context: types::CallContext, _kind: String, _payload: String) -> Result<(), types::PluginError> {
        Ok(())
    }
}

impl<P: FunctionPlugin> functions::Guest for Adapter<P> {
    fn invoke(context: types::CallContext, name: String, input: String) -> Result<String, types::PluginError> {
        log_panics();
        call::<P>(&context, &name, &input)
    }

    fn invoke_batch(
        context: types::CallContext,
        name: String,
        inputs: Vec<String>,
    ) -> Vec<Result<String, types::PluginError>> {
        log_panics();
        inputs.iter().map(|input| call::<P>(&context, &name, input)).collect()
    }
}

fn call<P: FunctionPlugin>(
    context: &types::CallContext,
    name: &str,
    input: &str,
) -> Result<String, types::PluginError> {
    let input = serde_json::from_str(input)
        .map_err(|error| types::PluginError::Failed(format!("the host passed malformed JSON: {error}")))?;
    P::invoke(context, name, input).map(|output| output.to_string()).map_err(|error: PluginError| error.into())
}

/// A panic is a trap without text; the log line before it tells the admin where it happened.
fn log_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            log::write(log::Level::Error, &info.to_string(), "{}");
        }));
    });
}
