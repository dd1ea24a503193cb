//! Checks Italian VAT numbers and fiscal codes.

pub mod fiscal_code;
pub mod vat_number;

use cardine_plugin::{CallContext, Issue, Item, Manifest, Plugin, PluginError, Value};

/// The plugin `italian-codes`.
pub struct ItalianCodes;

impl Plugin for ItalianCodes {
    fn describe() -> Manifest {
        Manifest::from_json(include_str!("../plugin.json"))
    }

    fn validate(context: &CallContext, name: &str, params: &Value, items: &[Item]) -> Result<Vec<Issue>, PluginError> {
        let companies = params["companies"].as_bool().unwrap_or(true);
        let check = |text: &str| match name {
            "vat-number" => Ok(vat_number::fault(text)),
            "fiscal-code" => Ok(fiscal_code::fault(text, companies)),
            other => Err(PluginError::NotFound(format!("there is no validator `{other}`"))),
        };
        let mut issues = Vec::new();
        for item in items {
            let Some(text) = item.value.as_str() else { continue };
            if let Some(fault) = check(text)? {
                issues.push(fault.issue(item.position, &context.locale));
            }
        }
        Ok(issues)
    }
}

/// What is wrong with a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub english: &'static str,
    /// The same in Italian.
    pub italian: &'static str,
}

impl Fault {
    fn issue(self, item: u32, locale: &str) -> Issue {
        let message = if locale.starts_with("it") { self.italian } else { self.english };
        let issue = Issue::at("", self.code, message);
        Issue { item: Some(item), path: None, ..issue }
    }
}

cardine_plugin::export_plugin!(ItalianCodes);

#[cfg(test)]
mod tests {
    use cardine_plugin::serde_json::json;

    use super::*;

    #[test]
    fn faults_speak_the_callers_language() {
        let fault = vat_number::fault("1").unwrap();
        assert!(fault.issue(3, "it-IT").message.contains("cifre"));
        let issue = fault.issue(3, "en");
        assert!(issue.message.contains("digits") && issue.item == Some(3));
    }

    #[test]
    fn the_manifest_is_json() {
        let manifest: Value = cardine_plugin::serde_json::from_str(&ItalianCodes::describe().into_json()).unwrap();
        assert_eq!(manifest["validators"][1]["appliesTo"], json!(["text"]));
    }
}
