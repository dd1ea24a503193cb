//! Scores leads from 0 to 100 by what is known of them.

pub mod score;

use cardine_plugin::serde_json::{Map, json};
use cardine_plugin::{CallContext, Manifest, Plugin, PluginError, Value};

use score::Known;

/// The plugin `lead-score`.
pub struct LeadScore;

impl Plugin for LeadScore {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn compute(
        _context: &CallContext,
        _module: &str,
        fields: &[String],
        records: &[Value],
    ) -> Result<Vec<Value>, PluginError> {
        records.iter().map(|record| values(fields, record)).collect()
    }
}

fn values(fields: &[String], record: &Value) -> Result<Value, PluginError> {
    let text = |name: &str| record.get(name).and_then(Value::as_str);
    let known = Known {
        status: text("status"),
        source: text("leadSource"),
        revenue: text("annualRevenue"),
        employees: record.get("employees").and_then(Value::as_i64),
        has_email: text("email").is_some(),
        has_phone: text("phone").is_some(),
    };
    let score = known.score();
    let mut values = Map::new();
    for field in fields {
        let value = match field.as_str() {
            "score" => json!(score),
            "grade" => json!(score::grade(score)),
            other => return Err(PluginError::NotFound(format!("there is no computed field `{other}`"))),
        };
        values.insert(field.clone(), value);
    }
    Ok(Value::Object(values))
}

cardine_plugin::export_plugin!(LeadScore);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_that_is_asked_for_has_a_value() {
        let record = json!({"status": "HOT", "leadSource": null, "annualRevenue": "100000.00", "employees": null});
        let fields = ["grade".to_owned(), "score".to_owned()];
        assert_eq!(values(&fields, &record), Ok(json!({"score": 52, "grade": "B"})));
        assert!(matches!(values(&["colour".to_owned()], &record), Err(PluginError::NotFound(_))));
    }
}
