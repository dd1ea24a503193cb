//! The bounds of plugin calls, with their defaults and the maxima that manifests may wish for.

use std::time::Duration;

use crate::compiler::MEMORY_BYTES_MIN;
use crate::manifest::{LimitWishes, Manifest};

/// The operator's bounds. Times are milliseconds, sizes are bytes.
///
/// Where a bound has a `_max` beside it, the first is what a plugin gets that asks for nothing and
/// the second is what it can get at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Size of a component; 32 MiB.
    pub component_bytes: usize,
    /// Time to compile a component; 60 s.
    pub compile_ms: u64,
    /// Memory of the process that compiles a component, where there is one for that; 2 GiB.
    pub compile_memory_bytes: u64,
    /// Linear memory of one instance, all its memories together; 64 MiB.
    pub memory_bytes: usize,
    /// 256 MiB.
    pub memory_bytes_max: usize,
    /// Elements of all tables of one instance; 60,000.
    pub table_elements: usize,
    /// CPU time of one call; 1 s.
    pub cpu_ms: u64,
    /// 30 s.
    pub cpu_ms_max: u64,
    /// CPU time that a batch gets for each of its inputs on top; 1 ms.
    pub cpu_ms_per_item: u64,
    /// CPU time of one call before a write; 200 ms.
    pub hook_cpu_ms: u64,
    /// CPU time of one call after a write, or of one part of a job; 5 s.
    pub after_cpu_ms: u64,
    /// Wall-clock time of such calls, which nobody waits for; 60 s.
    pub after_wall_ms: u64,
    /// CPU time of one call of a validator; 50 ms.
    pub validator_cpu_ms: u64,
    /// Wall-clock time of such calls, which a transaction waits for; 2 s.
    pub write_wall_ms: u64,
    /// Wall-clock time of one call, host calls included; 10 s. A call that may use more CPU time
    /// than half of it gets twice its CPU time.
    pub wall_ms: u64,
    /// JSON text of the inputs of one call; 4 MiB.
    pub input_bytes: usize,
    /// JSON text of the outputs of one call; 4 MiB.
    pub output_bytes: usize,
    /// 16 MiB.
    pub output_bytes_max: usize,
    /// Calls of the host in one operation, log and clock not counted; 1,000. Calls over it are
    /// answered with `limit`; twice as many end the call.
    pub host_calls: u64,
    /// 10,000.
    pub host_calls_max: u64,
    /// Nesting of calls that plugins cause; 5.
    pub depth: u8,
    /// 16.
    pub depth_max: u8,
    /// WebAssembly stack; 512 KiB.
    pub stack_bytes: usize,
    /// Log lines of one call; 100.
    pub log_lines: usize,
    /// Log text of one call; 32 KiB.
    pub log_bytes: usize,
    /// Text of one log line; 8 KiB.
    pub log_line_bytes: usize,
    /// Calls at the same time into one plugin; 16.
    pub concurrent_per_plugin: usize,
    /// Calls at the same time into all plugins; 64.
    pub concurrent: usize,
    /// How long a call waits for its turn; 2 s.
    pub queue_ms: u64,
    /// Ended calls (traps and broken bounds) within [`Limits::breaker_window_ms`] that suspend a
    /// plugin; 20.
    pub breaker_traps: usize,
    /// 5 minutes; a suspension lasts as long.
    pub breaker_window_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes: 32 << 20,
            compile_ms: 60_000,
            compile_memory_bytes: 2 << 30,
            memory_bytes: 64 << 20,
            memory_bytes_max: 256 << 20,
            table_elements: 60_000,
            cpu_ms: 1_000,
            cpu_ms_max: 30_000,
            cpu_ms_per_item: 1,
            hook_cpu_ms: 200,
            after_cpu_ms: 5_000,
            after_wall_ms: 60_000,
            validator_cpu_ms: 50,
            write_wall_ms: 2_000,
            wall_ms: 10_000,
            input_bytes: 4 << 20,
            output_bytes: 4 << 20,
            output_bytes_max: 16 << 20,
            host_calls: 1_000,
            host_calls_max: 10_000,
            depth: 5,
            depth_max: 16,
            stack_bytes: 512 << 10,
            log_lines: 100,
            log_bytes: 32 << 10,
            log_line_bytes: 8 << 10,
            concurrent_per_plugin: 16,
            concurrent: 64,
            queue_ms: 2_000,
            breaker_traps: 20,
            breaker_window_ms: 300_000,
        }
    }
}

impl Limits {
    /// Bounds that cannot be right, as sentences; empty if all can.
    pub(crate) fn contradictions(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut hold = |name: &str, value: u64, least: u64, most: u64| {
            if value < least || value > most {
                found.push(format!("{name} must be between {least} and {most}, not {value}"));
            }
        };
        hold("component_bytes", self.component_bytes as u64, 1, 64 << 20);
        hold("compile_ms", self.compile_ms, 1, 300_000);
        hold("compile_memory_bytes", self.compile_memory_bytes, MEMORY_BYTES_MIN, 1 << 40);
        hold("memory_bytes_max", self.memory_bytes_max as u64, 65_536, 256 << 20);
        hold("memory_bytes", self.memory_bytes as u64, 65_536, self.memory_bytes_max as u64);
        hold("table_elements", self.table_elements as u64, 1, 1_000_000);
        hold("cpu_ms_max", self.cpu_ms_max, 1, 60_000);
        hold("cpu_ms", self.cpu_ms, 1, self.cpu_ms_max);
        hold("hook_cpu_ms", self.hook_cpu_ms, 1, 2_000);
        hold("after_cpu_ms", self.after_cpu_ms, 1, 60_000);
        hold("after_wall_ms", self.after_wall_ms, 1, 600_000);
        hold("validator_cpu_ms", self.validator_cpu_ms, 1, 1_000);
        hold("write_wall_ms", self.write_wall_ms, 1, 20_000);
        hold("wall_ms", self.wall_ms, 1, 600_000);
        hold("input_bytes", self.input_bytes as u64, 2, 16 << 20);
        hold("output_bytes_max", self.output_bytes_max as u64, 2, 16 << 20);
        hold("output_bytes", self.output_bytes as u64, 2, self.output_bytes_max as u64);
        hold("host_calls", self.host_calls, 0, self.host_calls_max);
        hold("depth", u64::from(self.depth), 1, u64::from(self.depth_max));
        hold("stack_bytes", self.stack_bytes as u64, 64 << 10, 2 << 20);
        hold("concurrent", self.concurrent as u64, 1, 1_024);
        hold("concurrent_per_plugin", self.concurrent_per_plugin as u64, 1, self.concurrent as u64);
        hold("breaker_traps", self.breaker_traps as u64, 1, 100_000);
        found
    }

    /// The bounds of one plugin: its wishes, held by the maxima.
    pub(crate) fn for_plugin(&self, manifest: &Manifest) -> Self {
        let wishes: &LimitWishes = manifest.limits();
        Self {
            memory_bytes: wish(wishes.memory_bytes, self.memory_bytes as u64, self.memory_bytes_max as u64) as usize,
            cpu_ms: wish(wishes.timeout_ms, self.cpu_ms, self.cpu_ms_max),
            output_bytes: wish(wishes.output_bytes, self.output_bytes as u64, self.output_bytes_max as u64) as usize,
            host_calls: wish(wishes.host_calls, self.host_calls, self.host_calls_max),
            depth: u8::try_from(wish(wishes.depth, u64::from(self.depth), u64::from(self.depth_max)))
                .unwrap_or(self.depth_max),
            ..self.clone()
        }
    }

    /// CPU time of one call of a function with `items` inputs.
    pub(crate) fn cpu_budget(&self, function_ms: Option<u64>, items: usize) -> Duration {
        let own_ms = wish(function_ms, self.cpu_ms, self.cpu_ms_max);
        let extra_ms = if items > 1 { self.cpu_ms_per_item * items as u64 } else { 0 };
        Duration::from_millis((own_ms + extra_ms).min(self.cpu_ms_max))
    }

    /// Wall-clock time of a call with that CPU budget.
    pub(crate) fn wall_budget(&self, cpu: Duration) -> Duration {
        Duration::from_millis(self.wall_ms).max(cpu * 2)
    }

    /// CPU and wall-clock time of a call after a write, or of a part of a job. They run at low priority: on a full machine they get about
    /// a tenth of a processor, and an honest one must still end in its time.
    pub(crate) fn after_budgets(&self) -> (Duration, Duration) {
        let cpu = Duration::from_millis(self.after_cpu_ms);
        (cpu, Duration::from_millis(self.after_wall_ms).max(cpu * 2))
    }
}

fn wish(wished: Option<u64>, default: u64, maximum: u64) -> u64 {
    wished.unwrap_or(default).min(maximum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_do_not_contradict_themselves() {
        assert_eq!(Limits::default().contradictions(), Vec::<String>::new());
    }

    #[test]
    fn contradictions_are_all_named() {
        let limits = Limits { memory_bytes: 1 << 40, concurrent_per_plugin: 0, ..Limits::default() };
        let found = limits.contradictions().join("\n");
        assert!(found.contains("memory_bytes must") && found.contains("concurrent_per_plugin"), "{found}");
    }

    #[test]
    fn wishes_are_held_by_the_maxima() {
        let manifest = Manifest::parse(
            r#"{"name": "p", "version": "1.0.0", "title": "P", "api": "0.1",
                "limits": {"memoryBytes": 131072, "timeoutMs": 60000, "depth": 16}}"#,
        )
        .unwrap();
        let limits = Limits { depth_max: 7, ..Limits::default() }.for_plugin(&manifest);
        assert_eq!((limits.memory_bytes, limits.cpu_ms, limits.depth), (131_072, 30_000, 7));
        assert_eq!(limits.cpu_budget(Some(50), 1), Duration::from_millis(50));
        assert_eq!(limits.cpu_budget(Some(50), 100), Duration::from_millis(150));
    }

    #[test]
    fn what_nobody_waits_for_has_time_on_a_full_machine() {
        let (cpu, wall) = Limits::default().after_budgets();
        assert!(wall >= cpu * 10, "{cpu:?} of {wall:?}");
        let (cpu, wall) = Limits { after_cpu_ms: 60_000, ..Limits::default() }.after_budgets();
        assert!(wall > cpu, "{cpu:?} of {wall:?}");
    }
}
