//! Counts calls by plugin and by how they ended, for whoever watches the server.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::failure::PluginFailure;

/// What the calls of one plugin that ended alike came to.
#[derive(Debug, Clone, PartialEq)]
pub struct CallCount {
    /// The plugin's name.
    pub plugin: String,
    /// `OK`, or the reason of the failure.
    pub outcome: &'static str,
    /// The bound that was broken, if one was.
    pub bound: Option<&'static str>,
    /// How many calls.
    pub calls: u64,
    /// Their CPU time.
    pub cpu_ms: f64,
}

type Key = (String, &'static str, Option<&'static str>);

/// All counts of a host. Plugins, reasons and bounds are few, so the table is small.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<BTreeMap<Key, (u64, f64)>>);

impl Counts {
    pub(crate) fn add(&self, plugin: &str, failure: Option<&PluginFailure>, cpu_ms: f64) {
        let outcome = failure.map_or("OK", |failure| failure.reason.as_str());
        let bound = failure.and_then(|failure| failure.bound.as_ref()).map(|bound| bound.name);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (calls, cpu) = counts.entry((plugin.to_owned(), outcome, bound)).or_default();
        *calls += 1;
        *cpu += cpu_ms;
    }

    pub(crate) fn all(&self) -> Vec<CallCount> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |((plugin, outcome, bound), (calls, cpu_ms)): (&Key, &(u64, f64))| CallCount {
            plugin: plugin.clone(),
            outcome,
            bound: *bound,
            calls: *calls,
            cpu_ms: *cpu_ms,
        };
        counts.iter().map(count).collect()
    }
}
