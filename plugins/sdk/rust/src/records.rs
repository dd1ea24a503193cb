//! Records and values that the host shows to a plugin, and what becomes of them.

use crate::bindings::exports::cardine::plugin::{record_hooks, validators};
use crate::{Issue, Value, bindings};

/// A change of a record. It holds what the plugin may read, in the names and forms of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The record's id.
    pub id: String,
    /// As it is; none on create.
    pub before: Option<Value>,
    /// As it is to be; none on delete.
    pub after: Option<Value>,
    /// The fields that differ.
    pub changed_fields: Vec<String>,
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is written as it is.
    Keep,
    /// It is written with this JSON merge patch applied; only fields that were granted with `WRITE`.
    Patch(Value),
    /// It is refused, and the whole operation with it.
    Veto(Vec<Issue>),
}

/// A value to check.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its position, for [`Issue::item`].
    pub position: u32,
    /// As the API writes it.
    pub value: Value,
    /// The record's other fields, as far as the plugin may read them.
    pub siblings: Value,
}

pub(crate) fn change(change: record_hooks::Change) -> Result<Change, String> {
    let record_hooks::Change { id, before, after, changed_fields } = change;
    let read = |text: Option<String>| text.as_deref().map(parse).transpose();
    Ok(Change { id, before: read(before)?, after: read(after)?, changed_fields })
}

pub(crate) fn item(item: validators::Item) -> Result<Item, String> {
    let validators::Item { position, value, siblings } = item;
    Ok(Item { position, value: parse(&value)?, siblings: parse(&siblings)? })
}

impl From<Decision> for record_hooks::Decision {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Keep => Self::Keep,
            Decision::Patch(patch) => Self::Patch(patch.to_string()),
            Decision::Veto(issues) => {
                Self::Veto(issues.into_iter().map(bindings::cardine::plugin::types::Issue::from).collect())
            }
        }
    }
}

pub(crate) fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("the host passed malformed JSON: {error}"))
}
