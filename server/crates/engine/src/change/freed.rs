//! Names of tables and columns that changes have set free: taken again only when every process knows, so that none reads another thing
//! by the old name, and under the old rights.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cardine_model::Catalog;
use cardine_model::catalog::Field;
use rustc_hash::{FxHashMap, FxHashSet};

/// Within a second every process serves a new version.
const REST: Duration = Duration::from_secs(1);

/// The names that this process has seen go, each with when.
#[derive(Debug, Default)]
pub(crate) struct FreedNames(Mutex<FxHashMap<String, Instant>>);

impl FreedNames {
    /// Notes what `before` has and `after` has not.
    pub(crate) fn note(&self, before: &Catalog, after: &Catalog, now: Instant) {
        let gone = names_only_in(before, after);
        let mut freed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        freed.retain(|_, at| now.saturating_duration_since(*at) < REST);
        freed.extend(gone.into_iter().map(|name| (name, now)));
    }

    /// How long it is until what `after` has and `before` has not may be taken; zero if now.
    pub(super) fn rest(&self, before: &Catalog, after: &Catalog, now: Instant) -> Duration {
        let freed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if freed.is_empty() {
            return Duration::ZERO;
        }
        let taken = names_only_in(after, before);
        let rests = taken.iter().filter_map(|name| freed.get(name));
        rests.map(|at| REST.saturating_sub(now.saturating_duration_since(*at))).max().unwrap_or_default()
    }
}

/// Tables, and columns as `table.column`, that `other` does not have. Of a table that is not there its columns are not told.
fn names_only_in(one: &Catalog, other: &Catalog) -> Vec<String> {
    let shared: FxHashSet<_> = other.modules.iter().map(std::sync::Arc::as_ptr).collect();
    let tables: FxHashMap<&str, _> = other.modules.iter().map(|module| (module.table.as_str(), module)).collect();
    let mut names = Vec::new();
    for module in one.modules.iter().filter(|module| !shared.contains(&std::sync::Arc::as_ptr(module))) {
        let Some(known) = tables.get(module.table.as_str()) else {
            names.push(module.table.clone());
            continue;
        };
        let known: FxHashSet<&str> = known.fields.iter().filter_map(Field::kept_column).collect();
        let columns = module.fields.iter().filter_map(Field::kept_column);
        names.extend(
            columns.filter(|column| !known.contains(column)).map(|column| format!("{}.{column}", module.table)),
        );
    }
    names
}
