//! What this process has done of workflows, counted for whoever watches the server.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start.
#[derive(Debug, Default)]
pub struct Counters {
    done: AtomicU64,
    failed: AtomicU64,
    postponed: AtomicU64,
    steps: AtomicU64,
    step_microseconds: AtomicU64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// A run ended well.
    Done,
    /// A run ended as failed.
    Failed,
    /// A run's step is tried again later.
    Postponed,
}

impl Counters {
    pub(crate) fn count(&self, what: Counted) {
        let counter = match what {
            Counted::Done => &self.done,
            Counted::Failed => &self.failed,
            Counted::Postponed => &self.postponed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A step was begun and ended, whichever way.
    pub(crate) fn count_step(&self, took: chrono::TimeDelta) {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let microseconds = took.num_microseconds().and_then(|took| u64::try_from(took).ok()).unwrap_or_default();
        self.step_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// In the text format of Prometheus.
    pub fn render(&self) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let seconds = read(&self.step_microseconds) as f64 / 1_000_000.0;
        format!(
            "# HELP cardine_workflow_runs_total Runs of workflows that this process has ended, and steps that are tried again.\n\
             # TYPE cardine_workflow_runs_total counter\n\
             cardine_workflow_runs_total{{end=\"done\"}} {}\n\
             cardine_workflow_runs_total{{end=\"failed\"}} {}\n\
             cardine_workflow_runs_total{{end=\"postponed\"}} {}\n\
             # HELP cardine_workflow_steps_total Steps of runs that were begun and ended.\n\
             # TYPE cardine_workflow_steps_total counter\n\
             cardine_workflow_steps_total {}\n\
             # HELP cardine_workflow_step_seconds_total Time that they took.\n\
             # TYPE cardine_workflow_step_seconds_total counter\n\
             cardine_workflow_step_seconds_total {seconds:.6}\n",
            read(&self.done),
            read(&self.failed),
            read(&self.postponed),
            read(&self.steps),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_ended_is_counted() {
        let counters = Counters::default();
        counters.count(Counted::Done);
        counters.count(Counted::Done);
        counters.count(Counted::Failed);
        counters.count_step(chrono::TimeDelta::milliseconds(1_500));
        let text = counters.render();
        for line in [
            "cardine_workflow_runs_total{end=\"done\"} 2",
            "cardine_workflow_runs_total{end=\"failed\"} 1",
            "cardine_workflow_runs_total{end=\"postponed\"} 0",
            "cardine_workflow_steps_total 1",
            "cardine_workflow_step_seconds_total 1.500000",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }
}
