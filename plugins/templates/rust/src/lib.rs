//! Greets by name.

use cardine_plugin::{CallContext, Manifest, Plugin, PluginError, Value, serde_json::json};

/// The plugin.
pub struct Greeter;

impl Plugin for Greeter {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(_context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError> {
        match name {
            "greet" => Ok(json!({"text": format!("Hello, {}!", input["name"].as_str().unwrap_or("you"))})),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

cardine_plugin::export_plugin!(Greeter);
