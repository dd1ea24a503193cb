//! Records that are in a change's way: all are counted, some are named.

use cardine_model::catalog::{Field, FieldId, Module};
use cardine_model::{Issue, PathSegment};

/// Records that are named where several are at fault.
pub(super) const EXAMPLES_MAX: usize = 10;

/// Records at fault.
#[derive(Debug, Default, Clone)]
pub(super) struct Faults {
    pub count: usize,
    some: Vec<(String, String)>,
}

impl Faults {
    pub(super) fn add(&mut self, record: &str, message: String) {
        self.count += 1;
        if self.some.len() < EXAMPLES_MAX {
            self.some.push((record.to_owned(), message));
        }
    }

    /// Those of `more` too.
    pub(super) fn join(&mut self, more: Self) {
        self.count += more.count;
        let room = EXAMPLES_MAX.saturating_sub(self.some.len());
        self.some.extend(more.some.into_iter().take(room));
    }

    pub(super) fn told(self, at: &[PathSegment], rule: &str, message: String) -> Vec<Issue> {
        let some =
            self.some.into_iter().map(|(id, message)| Issue::new(at.to_vec(), rule, format!("record {id}: {message}")));
        std::iter::once(Issue::new(at.to_vec(), rule, message)).chain(some).collect()
    }
}

pub(super) fn missing(count: i64, module: &Module, field: &Field) -> String {
    format!(
        "{count} records of `{}` have no value in `{}`: give them one, or a constant `default` that fills them",
        module.name, field.name
    )
}

pub(super) fn not_allowed(count: usize, module: &Module, field: &Field) -> String {
    format!(
        "{count} records of `{}` have values in `{}` that would not be allowed: change them first",
        module.name, field.name
    )
}

/// That so many live records share what is unique, and which ones do.
pub(super) fn told_alike(
    count: i64,
    module: &Module,
    fields: &[FieldId],
    at: &[PathSegment],
    some: impl Iterator<Item = String>,
) -> Vec<Issue> {
    let names: Vec<&str> = fields.iter().map(|field| module.field(*field).name.as_str()).collect();
    let message =
        format!("{count} records of `{}` are not alone with their value in `{}`", module.name, names.join("`, `"));
    let some = some.map(|id| format!("record {id} shares its value with another record"));
    let told = std::iter::once(message).chain(some);
    told.map(|message| Issue::new(at.to_vec(), "unique", message)).collect()
}

pub(super) fn not_convertible(values: &str) -> String {
    format!("{values} can't be converted: change them first, or clear them with \"onUnconvertible\": \"NULL\"")
}
