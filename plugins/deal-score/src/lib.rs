//! Scores a deal from 0 to 100 by the order of magnitude of its amount.

pub mod score;

use cardine_plugin::{CallContext, FunctionPlugin, Issue, Manifest, PluginError, Value, serde_json::json};

/// The plugin `deal-score`.
pub struct DealScore;

impl FunctionPlugin for DealScore {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn invoke(_context: &CallContext, name: &str, input: Value) -> Result<Value, PluginError> {
        match name {
            "score" => answer(&input),
            other => Err(PluginError::NotFound(format!("there is no function `{other}`"))),
        }
    }
}

/// A deal without an amount has the score 0.
fn answer(input: &Value) -> Result<Value, PluginError> {
    let Some(amount) = input.get("amount").and_then(Value::as_str) else {
        return Ok(json!({"value": 0}));
    };
    match score::score(amount) {
        Some(value) => Ok(json!({"value": value})),
        None => Err(PluginError::Invalid(vec![Issue::at(
            "amount",
            "amount-malformed",
            "must be a decimal number such as \"164002.75\"",
        )])),
    }
}

cardine_plugin::export_functions!(DealScore);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_amount_scores_nothing() {
        assert_eq!(answer(&json!({"id": "1", "amount": null})), Ok(json!({"value": 0})));
    }

    #[test]
    fn a_malformed_amount_is_the_callers_fault() {
        let refused = answer(&json!({"id": "1", "amount": "much"}));
        assert!(matches!(refused, Err(PluginError::Invalid(issues)) if issues[0].path.as_deref() == Some("amount")));
    }
}
