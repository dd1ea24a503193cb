//! The calls of each plugin that a bound or a trap ended last, for administrators: whoever called is told no more than a sentence.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::failure::{Bound, PluginFailure, Reason};

/// A call that broke a bound, or was trapped.
#[derive(Debug, Clone)]
pub struct FailedCall {
    /// When it ended.
    pub at: SystemTime,
    /// Such as "function `score`".
    pub what: String,
    /// Why.
    pub reason: Reason,
    /// What the caller was told.
    pub message: String,
    /// The bound that was broken, if one was.
    pub bound: Option<Bound>,
    /// The trap with its backtrace, cut where it is long.
    pub detail: Option<String>,
}

/// The last ones of each plugin. Plugins are few, so the table is small.
#[derive(Debug, Default)]
pub(crate) struct FailedCalls(Mutex<BTreeMap<String, VecDeque<FailedCall>>>);

/// Calls that are kept of a plugin.
const KEPT_MAX: usize = 20;

impl FailedCalls {
    /// Keeps a call if a bound or a trap ended it.
    pub(crate) fn add(&self, plugin: &str, what: &str, failure: &PluginFailure) {
        if failure.bound.is_none() && failure.reason != Reason::Trap {
            return;
        }
        let call = FailedCall {
            at: SystemTime::now(),
            what: what.to_owned(),
            reason: failure.reason,
            message: failure.message.clone(),
            bound: failure.bound.clone(),
            detail: failure.diagnosis.kept_detail().map(str::to_owned),
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = all.entry(plugin.to_owned()).or_default();
        calls.truncate(KEPT_MAX - 1);
        calls.push_front(call);
    }

    /// Those of a plugin, the newest first.
    pub(crate) fn of(&self, plugin: &str) -> Vec<FailedCall> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(plugin).map_or_else(Vec::new, |calls| calls.iter().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_breaches_are_kept_and_no_other_failures() {
        let calls = FailedCalls::default();
        let bound = |used| Bound { name: "cpuMs", used, allowed: 1 };
        for used in 0..30 {
            calls.add("a", "it", &PluginFailure::of_bound(Reason::Time, "too long", bound(used)));
        }
        calls.add("a", "it", &PluginFailure::new(Reason::Trap, "stopped").with_detail("unreachable"));
        calls.add("a", "it", &PluginFailure::new(Reason::Invalid, "no"));
        let kept = calls.of("a");
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!((kept[0].reason, kept[0].detail.as_deref()), (Reason::Trap, Some("unreachable")));
        assert_eq!(kept[1].bound, Some(bound(29)));
        assert!(calls.of("b").is_empty());
    }

    #[test]
    fn long_details_are_cut_between_two_characters() {
        let failure = PluginFailure::new(Reason::Trap, "stopped").with_detail("é".repeat(20_000));
        let kept = failure.diagnosis.kept_detail().unwrap();
        assert_eq!((kept.len(), kept.chars().all(|letter| letter == 'é')), (16 << 10, true));
        assert_eq!(PluginFailure::new(Reason::Trap, "stopped").diagnosis.kept_detail(), None);
    }
}
