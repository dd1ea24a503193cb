//! Workflows: an event queues runs in its own transaction; runs go step by step, durable, each step's effect recorded with it.
//!
//! A run is a row. Who leases it owns it until the lease ends; every write of a run names the lease's token, so a process that
//! was paused too long cannot write any more. A step that changes records commits the change and the run's progress together,
//! so it takes effect once; a call of a plugin may be made again after a crash.

mod approvals;
mod before_commit;
mod check;
mod control;
mod counters;
mod definition;
mod documents;
mod due_dates;
mod find;
mod granted;
mod hooks;
mod matcher;
mod plugin_admin;
mod plugin_events;
mod plugin_parts;
mod plugin_row;
mod plugins;
mod program;
mod records;
mod rename;
mod run;
mod save;
mod schedule;
mod shape;
mod signing;
mod started;
mod template;
#[cfg(test)]
mod testing;
mod value;
mod versions;

pub use approvals::{approvals_for, decide_approval, delegate_approval};
pub use control::{cancel_run, dismiss_run, retry_run, skip_step, start_workflow};
pub use counters::Counters;
pub use definition::WORKFLOW_SCHEMA;
pub use documents::WorkflowFiles;
pub use granted::{Grant, Granted, visible_keys};
pub use hooks::{HOOK_BODY_BYTES_MAX, HookError, HookRequest, OpenHook, hook_address, hook_at};
pub use matcher::WorkflowLoader;
pub use plugin_events::{EmittedEvent, PAYLOAD_BYTES_MAX, emit_event};
pub use plugins::{GrantedPlugin, InstallError, InstalledPlugin, Plugins, ServiceProvider, call_context};
pub use run::{LEASE, OUTPUT_BYTES_MAX, Outside, STEPS_DONE_MAX, run_workflows};
pub use run::{SimulatedStep, Simulation, WhichChange, simulate_workflow};
pub use save::save_workflow;
pub use signing::{WebhookKey, is_code};
