//! Calls around a write: hooks before and after records are written, and checks of their values.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::bindings::exports::cardine::plugin::{record_hooks, validators};
use crate::call_context::CallContext;
use crate::ending::EndedCall;
use crate::entry::{Answer, Entry};
use crate::failure::{PluginFailure, PluginIssue, Reason};
use crate::limits::Limits;
use crate::session::Session;

/// Records of one call; more are passed in several.
const ITEMS_MAX: usize = 1_000;
/// Their JSON text in one call; a single item may be larger.
const ITEMS_BYTES_MAX: usize = 1 << 20;

/// A change of a record, as far as the plugin may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordChange {
    /// The record's id.
    pub id: String,
    /// As it is; none on create.
    pub before: Option<Value>,
    /// As it is to be; none on delete.
    pub after: Option<Value>,
    /// The fields that differ.
    pub changed_fields: Vec<String>,
}

impl RecordChange {
    /// Of the JSON of a record before and after, without what is not under one of the `visible` keys.
    pub fn seen(
        id: String,
        before: Option<Map<String, Value>>,
        after: Option<Map<String, Value>>,
        visible: &BTreeSet<String>,
    ) -> Self {
        let seen = |image: Map<String, Value>| -> Map<String, Value> {
            image.into_iter().filter(|(key, _)| visible.contains(key)).collect()
        };
        let (before, after) = (before.map(seen), after.map(seen));
        let side = |image: &Option<Map<String, Value>>, key: &str| -> Value {
            image.as_ref().and_then(|image| image.get(key)).cloned().unwrap_or_default()
        };
        let differs = |key: &&String| side(&before, key) != side(&after, key);
        let changed_fields = visible.iter().filter(differs).cloned().collect();
        Self { id, before: before.map(Value::Object), after: after.map(Value::Object), changed_fields }
    }
}

/// What becomes of a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is written as it is.
    Keep,
    /// It is written with this JSON merge patch applied.
    Patch(Value),
    /// It is refused, with all others of the operation.
    Veto(Vec<PluginIssue>),
}

/// A value to check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedValue {
    /// As the API writes it.
    pub value: Value,
    /// The record's other fields, as far as the plugin may see them.
    pub siblings: Value,
}

impl Session {
    /// Asks the plugin's hook what becomes of changes of one module; one decision per change, same order.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn before_write(
        &mut self,
        context: &CallContext,
        module: &str,
        operation: &str,
        changes: Vec<RecordChange>,
    ) -> Result<Vec<Decision>, PluginFailure> {
        let what = format!("the hook before {operation} of {module}");
        let limits = self.limits();
        let mut decisions = Vec::with_capacity(changes.len());
        for changes in chunks(changes.into_iter().map(change_for_guest), change_bytes) {
            let count = changes.len();
            let bytes = changes.iter().map(change_bytes).sum();
            let (cpu, wall) = (limits.hook_budget(count), limits.write_wall());
            let (module, operation) = (module.to_owned(), operation.to_owned());
            let entry = Entry::BeforeWrite { module, operation, changes };
            let (answer, _) = self.run_entry(context.clone(), &what, entry, bytes, cpu, wall).await?;
            let Answer::Decisions(answer) = answer else { unreachable!("the entry decides the answer") };
            let call = EndedCall { plugin: self.plugin_name(), what: &what, limits: &limits };
            let answers = answer.map_err(|error| call.plugins_own_words(error))?;
            if answers.len() != count {
                return Err(call.wrong_number_of_answers(count, answers.len()));
            }
            for answer in answers {
                decisions.push(decision(&call, answer)?);
            }
        }
        Ok(decisions)
    }

    /// Tells the plugin's hook of changes of one module that are committed.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn after_write(
        &mut self,
        context: &CallContext,
        module: &str,
        operation: &str,
        changes: Vec<RecordChange>,
    ) -> Result<(), PluginFailure> {
        let what = format!("the hook after {operation} of {module}");
        let limits = self.limits();
        for changes in chunks(changes.into_iter().map(change_for_guest), change_bytes) {
            let bytes = changes.iter().map(change_bytes).sum();
            let (cpu, wall) = limits.after_budgets();
            let (module, operation) = (module.to_owned(), operation.to_owned());
            let entry = Entry::AfterWrite { module, operation, changes };
            let (answer, _) = self.run_entry(context.clone(), &what, entry, bytes, cpu, wall).await?;
            let Answer::Noted(answer) = answer else { unreachable!("the entry decides the answer") };
            let call = EndedCall { plugin: self.plugin_name(), what: &what, limits: &limits };
            answer.map_err(|error| call.plugins_own_words(error))?;
        }
        Ok(())
    }

    /// Asks one of the plugin's validators; the issues name the position of the value among `values`.
    ///
    /// # Errors
    /// See [`PluginFailure`]; the session stays usable.
    pub async fn validate(
        &mut self,
        context: &CallContext,
        validator: &str,
        params: &Value,
        values: Vec<CheckedValue>,
    ) -> Result<Vec<PluginIssue>, PluginFailure> {
        let plugin = self.plugin_name().to_owned();
        let what = format!("validator `{validator}`");
        let limits = self.limits();
        if !self.manifest().validators().iter().any(|known| known.name == validator) {
            let message = format!("plugin `{plugin}` has no validator `{validator}`");
            return Err(PluginFailure::new(Reason::UnknownFunction, message));
        }
        let mut issues = Vec::new();
        let mut first = 0;
        for mut items in chunks(values.into_iter().map(item_for_guest), item_bytes) {
            for (position, item) in (0..).zip(&mut items) {
                item.position = position;
            }
            let count = items.len();
            let bytes = items.iter().map(item_bytes).sum();
            let (cpu, wall) = (limits.validator_budget(count), limits.write_wall());
            let entry = Entry::Validate { validator: validator.to_owned(), params: params.to_string(), items };
            let (answer, _) = self.run_entry(context.clone(), &what, entry, bytes, cpu, wall).await?;
            let Answer::Issues(answer) = answer else { unreachable!("the entry decides the answer") };
            let call = EndedCall { plugin: &plugin, what: &what, limits: &limits };
            for issue in answer.map_err(|error| call.plugins_own_words(error))? {
                let mut issue = PluginIssue::from(issue);
                let position = issue.item.unwrap_or(0) as usize;
                if position >= count {
                    let detail = format!("an issue names item {position} of {count}");
                    return Err(call.invalid_output().with_detail(detail));
                }
                issue.item = u32::try_from(first + position).ok();
                issues.push(issue);
            }
            first += count;
        }
        Ok(issues)
    }
}

impl Limits {
    fn hook_budget(&self, records: usize) -> Duration {
        Duration::from_millis(self.hook_cpu_ms + records as u64)
    }

    pub(crate) fn validator_budget(&self, values: usize) -> Duration {
        Duration::from_millis(self.validator_cpu_ms) + Duration::from_micros(500 * values as u64)
    }

    pub(crate) fn write_wall(&self) -> Duration {
        Duration::from_millis(self.write_wall_ms)
    }
}

fn decision(call: &EndedCall<'_>, answer: record_hooks::Decision) -> Result<Decision, PluginFailure> {
    Ok(match answer {
        record_hooks::Decision::Keep => Decision::Keep,
        record_hooks::Decision::Patch(text) => match serde_json::from_str(&text) {
            Ok(patch @ Value::Object(_)) => Decision::Patch(patch),
            _ => return Err(call.invalid_output().with_detail("a patch is no JSON object")),
        },
        record_hooks::Decision::Veto(issues) => Decision::Veto(issues.into_iter().map(PluginIssue::from).collect()),
    })
}

fn change_for_guest(change: RecordChange) -> record_hooks::Change {
    let text = |image: Option<Value>| image.map(|image| image.to_string());
    let RecordChange { id, before, after, changed_fields } = change;
    record_hooks::Change { id, before: text(before), after: text(after), changed_fields }
}

fn change_bytes(change: &record_hooks::Change) -> usize {
    let length = |image: &Option<String>| image.as_ref().map_or(0, String::len);
    length(&change.before) + length(&change.after) + change.changed_fields.iter().map(String::len).sum::<usize>()
}

fn item_for_guest(value: CheckedValue) -> validators::Item {
    validators::Item { position: 0, value: value.value.to_string(), siblings: value.siblings.to_string() }
}

fn item_bytes(item: &validators::Item) -> usize {
    item.value.len() + item.siblings.len()
}

/// In order, each within the bounds of one call.
pub(crate) fn chunks<T>(items: impl Iterator<Item = T>, bytes_of: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut chunks: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for item in items {
        let more = bytes_of(&item);
        match chunks.last_mut() {
            Some(chunk) if chunk.len() < ITEMS_MAX && bytes + more <= ITEMS_BYTES_MAX => {
                bytes += more;
                chunk.push(item);
            }
            _ => {
                bytes = more;
                chunks.push(vec![item]);
            }
        }
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_change_only_what_is_visible_is_seen() {
        let image = |json: Value| json.as_object().cloned();
        let visible: BTreeSet<String> = ["name", "city", "phone"].map(str::to_owned).into();
        let before = image(serde_json::json!({"name": "A", "city": "Rome", "salary": 1}));
        let after = image(serde_json::json!({"name": "B", "city": "Rome", "salary": 2}));
        let seen = RecordChange::seen("1".to_owned(), before, after.clone(), &visible);
        assert_eq!(seen.after, Some(serde_json::json!({"name": "B", "city": "Rome"})));
        assert_eq!(seen.changed_fields, ["name"]);
        let made = RecordChange::seen("1".to_owned(), None, after, &visible);
        assert_eq!((made.before, made.changed_fields), (None, vec!["city".to_owned(), "name".to_owned()]));
    }

    #[test]
    fn a_batch_is_cut_at_its_bounds_and_keeps_its_order() {
        let lengths = |sizes: &[usize]| -> Vec<usize> {
            chunks(sizes.iter().copied(), |size| *size).iter().map(Vec::len).collect()
        };
        assert_eq!(lengths(&[]), Vec::<usize>::new());
        assert_eq!(lengths(&[1; 2_500]), [1_000, 1_000, 500]);
        assert_eq!(lengths(&[600_000, 600_000, 400_000, 5_000_000, 1]), [1, 2, 1, 1]);
        let order: Vec<usize> = chunks(0..2_500, |_| 1_000).into_iter().flatten().collect();
        assert_eq!(order, (0..2_500).collect::<Vec<_>>());
    }
}
