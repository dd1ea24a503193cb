//! Turns a [`Plugin`] into the exports that the WIT package wants.

use std::marker::PhantomData;
use std::sync::Once;

use crate::bindings::cardine::plugin::{log, types};
use crate::bindings::exports::cardine::plugin::{
    computed_fields, functions, jobs, lifecycle, record_hooks, routes, validators, virtual_modules,
};
use crate::records::{change, item, parse};
use crate::{Change, Item, Plugin, PluginError, Value};

/// The component's exports for the plugin `P`; named by [`crate::export_plugin!`] only.
#[derive(Debug)]
pub struct Adapter<P>(PhantomData<P>);

impl<P: Plugin> lifecycle::Guest for Adapter<P> {
    fn describe() -> String {
        P::describe().into_json()
    }

    fn notify(_context: types::CallContext, _kind: String, _payload: String) -> Result<(), types::PluginError> {
        Ok(())
    }
}

impl<P: Plugin> functions::Guest for Adapter<P> {
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

impl<P: Plugin> record_hooks::Guest for Adapter<P> {
    fn before(
        context: types::CallContext,
        module: String,
        operation: String,
        changes: Vec<record_hooks::Change>,
    ) -> Result<Vec<record_hooks::Decision>, types::PluginError> {
        log_panics();
        let changes: Result<Vec<Change>, String> = changes.into_iter().map(change).collect();
        let changes = changes.map_err(types::PluginError::Failed)?;
        let decisions = P::before_write(&context, &module, &operation, &changes)?;
        Ok(decisions.into_iter().map(record_hooks::Decision::from).collect())
    }

    fn after(
        context: types::CallContext,
        module: String,
        operation: String,
        changes: Vec<record_hooks::Change>,
    ) -> Result<(), types::PluginError> {
        log_panics();
        let changes: Result<Vec<Change>, String> = changes.into_iter().map(change).collect();
        let changes = changes.map_err(types::PluginError::Failed)?;
        P::after_write(&context, &module, &operation, &changes).map_err(|error: PluginError| error.into())
    }
}

impl<P: Plugin> validators::Guest for Adapter<P> {
    fn validate(
        context: types::CallContext,
        validator: String,
        params: String,
        items: Vec<validators::Item>,
    ) -> Result<Vec<types::Issue>, types::PluginError> {
        log_panics();
        let items: Result<Vec<Item>, String> = items.into_iter().map(item).collect();
        let items = items.map_err(types::PluginError::Failed)?;
        let params = parse(&params).map_err(types::PluginError::Failed)?;
        let issues = P::validate(&context, &validator, &params, &items)?;
        Ok(issues.into_iter().map(types::Issue::from).collect())
    }
}

impl<P: Plugin> computed_fields::Guest for Adapter<P> {
    fn compute(
        context: types::CallContext,
        module: String,
        fields: Vec<String>,
        _args: String,
        records: Vec<String>,
    ) -> Result<Vec<String>, types::PluginError> {
        log_panics();
        let records: Result<Vec<Value>, String> = records.iter().map(|record| parse(record)).collect();
        let records = records.map_err(types::PluginError::Failed)?;
        let values = P::compute(&context, &module, &fields, &records)?;
        Ok(values.iter().map(Value::to_string).collect())
    }
}

impl<P: Plugin> jobs::Guest for Adapter<P> {
    fn run(
        context: types::CallContext,
        name: String,
        scheduled_at_ms: f64,
        cursor: Option<String>,
    ) -> Result<Option<String>, types::PluginError> {
        log_panics();
        let cursor = cursor.as_deref().map(parse).transpose().map_err(types::PluginError::Failed)?;
        let next = P::run_job(&context, &name, scheduled_at_ms, cursor)?;
        Ok(next.as_ref().map(Value::to_string))
    }
}

impl<P: Plugin> routes::Guest for Adapter<P> {
    fn serve(
        context: types::CallContext,
        route: String,
        request: routes::Request,
    ) -> Result<routes::Response, types::PluginError> {
        log_panics();
        P::serve(&context, &route, &request).map_err(|error: PluginError| error.into())
    }
}

impl<P: Plugin> virtual_modules::Guest for Adapter<P> {
    fn list_records(
        _context: types::CallContext,
        _module: String,
        _query: String,
    ) -> Result<virtual_modules::Page, types::PluginError> {
        Err(not_there())
    }

    fn get_many(
        _context: types::CallContext,
        _module: String,
        _ids: Vec<String>,
        _fields: Vec<String>,
    ) -> Result<Vec<Option<String>>, types::PluginError> {
        Err(not_there())
    }

    fn write(
        _context: types::CallContext,
        _module: String,
        _operations: Vec<String>,
    ) -> Result<Vec<Result<String, types::PluginError>>, types::PluginError> {
        Err(not_there())
    }
}

/// The manifest names nothing of the kind, so the host does not call it.
fn not_there() -> types::PluginError {
    types::PluginError::NotFound("the plugin has nothing of the kind".to_owned())
}

fn call<P: Plugin>(context: &types::CallContext, name: &str, input: &str) -> Result<String, types::PluginError> {
    let input = parse(input).map_err(types::PluginError::Failed)?;
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
