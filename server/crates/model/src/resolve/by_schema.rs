//! What the JSON Schemas of roles, permission sets and sharing rules find in a document, in words.

use std::sync::LazyLock;

use jsonschema::Validator;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value as Json;

use super::document::path_of;
use crate::{Issue, PathSegment};

/// A JSON Schema with which documents are checked.
#[derive(Debug)]
pub struct DocumentSchema {
    /// Its text, as it is published.
    pub text: &'static str,
    validator: LazyLock<Validator>,
}

/// Of roles.
pub static ROLE_SCHEMA: DocumentSchema = DocumentSchema {
    text: include_str!("../../../../../schema/role.schema.json"),
    validator: LazyLock::new(|| compiled(ROLE_SCHEMA.text)),
};

/// Of permission sets.
pub static PERMISSION_SET_SCHEMA: DocumentSchema = DocumentSchema {
    text: include_str!("../../../../../schema/permission-set.schema.json"),
    validator: LazyLock::new(|| compiled(PERMISSION_SET_SCHEMA.text)),
};

/// Of sharing rules.
pub static SHARING_RULE_SCHEMA: DocumentSchema = DocumentSchema {
    text: include_str!("../../../../../schema/sharing-rule.schema.json"),
    validator: LazyLock::new(|| compiled(SHARING_RULE_SCHEMA.text)),
};

fn compiled(text: &str) -> Validator {
    let document = serde_json::from_str(text).expect("the embedded JSON Schema is JSON");
    jsonschema::draft202012::new(&document).expect("the embedded JSON Schema is valid")
}

impl DocumentSchema {
    /// All faults of `document`, each with its place.
    pub fn faults(&self, document: &Json) -> Vec<Issue> {
        let mut issues = Vec::new();
        for error in self.validator.iter_errors(document) {
            let path = path_of(error.instance_path());
            let at = |key: &str| path.iter().cloned().chain([PathSegment::from(key)]).collect();
            match error.kind() {
                ValidationErrorKind::AdditionalProperties { unexpected } => issues.extend(
                    unexpected
                        .iter()
                        .map(|key| Issue::new(at(key), "unknownKey", format!("`{key}` is not known here"))),
                ),
                ValidationErrorKind::Required { property } => {
                    let key = property.as_str().unwrap_or_default();
                    issues.push(Issue::new(at(key), "required", format!("`{key}` is missing")));
                }
                ValidationErrorKind::OneOfNotValid { .. } | ValidationErrorKind::OneOfMultipleValid { .. } => {
                    let message = "say whose records it opens, by `ownedBy`, or which, by `rule`: one of the two";
                    issues.push(Issue::new(path, "oneOf", message));
                }
                kind => {
                    let rule = kind.keyword().to_owned();
                    issues.push(Issue::new(path, &rule, error.masked_with("this value").to_string()));
                }
            }
        }
        issues
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn faults_are_told_at_their_places() {
        let document =
            json!({"label": {"en": 1}, "acess": {}, "access": {"deal": {"read": "yes", "fields": {"*": "read"}}}});
        let told: Vec<String> = ROLE_SCHEMA.faults(&document).iter().map(|issue| format!("{:?}", issue.path)).collect();
        for place in [r#"Name("name")"#, r#"Name("acess")"#, r#"Name("read")"#, r#"Name("*")"#, r#"Name("en")"#] {
            assert!(told.iter().any(|told| told.contains(place)), "{place}: {told:?}");
        }
        let sound = json!({"name": "rep", "access": {"Deal": {"read": true, "fields": {"*": "READ"}}}, "recordRules": {"Deal": "true"}});
        assert_eq!(ROLE_SCHEMA.faults(&sound), []);
        assert_eq!(PERMISSION_SET_SCHEMA.faults(&json!({"name": "a", "access": {}})), []);
        let rule = json!({"name": "a", "module": "Deal", "with": {"role": "b"}, "access": "READ", "rule": "true"});
        assert_eq!(SHARING_RULE_SCHEMA.faults(&rule), []);
        let mut both = rule.clone();
        both["ownedBy"] = json!({"group": "x"});
        assert_eq!(SHARING_RULE_SCHEMA.faults(&both)[0].rule, "oneOf");
        let mut several = rule;
        several["with"] = json!({"role": "b", "group": "c"});
        assert!(!SHARING_RULE_SCHEMA.faults(&several).is_empty());
    }

    #[test]
    fn the_built_in_roles_keep_to_their_schema() {
        for (file, text) in super::super::role_documents() {
            assert_eq!(ROLE_SCHEMA.faults(&serde_json::from_str(text).unwrap()), [], "{file}");
        }
    }
}
