//! The SQL functions that look into JSON documents on SQLite: `(document, steps)`, where the steps are a JSON list of texts.
//!
//! SQLite's own `json_extract` turns numbers into floats, and its paths take `.0` for a name alone.

use cardine_model::json_value;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};
use serde_json::Value as Json;

pub(super) fn register(connection: &Connection, flags: FunctionFlags) -> Result<()> {
    let look = |name: &str, look: fn(&Json) -> Option<String>| {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let (Some(document), Some(Json::Array(steps))) = (json(context, 0), json(context, 1)) else {
                return Ok(None);
            };
            let steps: Vec<String> = steps.into_iter().filter_map(|step| step.as_str().map(str::to_owned)).collect();
            Ok(json_value::at(&document, &steps).and_then(look))
        })
    };
    look("cardine_json_key", json_value::key)?;
    look("cardine_json_number", json_value::number)?;
    look("cardine_json_text", |value| value.as_str().map(str::to_owned))
}

/// An argument; `None` for null, and for what is no JSON: no field stores such.
fn json(context: &Context<'_>, position: usize) -> Option<Json> {
    match context.get_raw(position) {
        ValueRef::Text(bytes) => serde_json::from_slice(bytes).ok(),
        _ => None,
    }
}
