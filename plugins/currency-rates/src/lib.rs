//! Keeps the rates of currencies up to date: asks an address outside, and writes what it answers.

pub mod rates;

use cardine_plugin::host::{api, config, http};
use cardine_plugin::serde_json::{self, json};
use cardine_plugin::{CallContext, Manifest, Plugin, PluginError, Value};

use rates::Rates;

/// Rates that are written in one operation; the API takes no more root fields.
const RATES_AT_ONCE: usize = 20;

/// The plugin `currency-rates`.
pub struct ReferenceRates;

impl Plugin for ReferenceRates {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(_context: &CallContext, name: &str, _input: Value) -> Result<Value, PluginError> {
        match name {
            "refresh" => refresh(),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

fn refresh() -> Result<Value, PluginError> {
    let settings: Value = serde_json::from_str(&config::settings()).unwrap_or_default();
    let Some(url) = settings.get("url").and_then(Value::as_str) else {
        return Err(PluginError::Denied(
            "an administrator has to say in the settings where the rates are: `url`".to_owned(),
        ));
    };
    let rates = Rates::parse(&fetch(url)?).map_err(PluginError::Failed)?;
    for some in rates.rates.chunks(RATES_AT_ONCE) {
        let (document, variables) = rates.mutation(some);
        let operation = api::Operation { document, variables: variables.to_string(), operation_name: None };
        let answer = api::execute(api::RunAs::Plugin, &operation);
        let answer = answer.map_err(|refused| PluginError::Denied(format!("{refused:?}")))?;
        let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
        if let Some(errors) = answer.get("errors") {
            return Err(PluginError::Failed(format!("the rates cannot be written: {errors}")));
        }
    }
    Ok(json!({"date": rates.date, "count": rates.rates.len()}))
}

/// What an address answers. What may pass by itself is tried again.
fn fetch(url: &str) -> Result<Vec<u8>, PluginError> {
    let request = http::Request {
        method: "GET".to_owned(),
        url: url.to_owned(),
        headers: vec![("accept".to_owned(), "application/json".to_owned())],
        body: None,
        timeout_ms: Some(5_000),
    };
    let later = |message: String| PluginError::Retryable { message, after_ms: Some(60_000) };
    match http::send_many(&[request]).pop() {
        Some(Ok(answer)) if answer.status == 200 => Ok(answer.body),
        Some(Ok(answer)) if answer.status == 429 || answer.status >= 500 => {
            Err(later(format!("the address answered {}", answer.status)))
        }
        Some(Ok(answer)) => Err(PluginError::Failed(format!("the address answered {}", answer.status))),
        Some(Err(http::HttpError::Denied(message))) => Err(PluginError::Denied(message)),
        Some(Err(error)) => Err(later(format!("the address cannot be asked: {error:?}"))),
        None => Err(PluginError::Failed("the server gave no answer".to_owned())),
    }
}

cardine_plugin::export_plugin!(ReferenceRates);
