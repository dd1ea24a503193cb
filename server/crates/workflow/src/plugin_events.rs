//! Events that plugins emit: each starts a run of every active workflow that waits for it, all of them in one transaction.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_engine::events::CAUSE_DEPTH_MAX;
use cardine_engine::{Engine, EngineError};
use cardine_store::WriteTx;
use cardine_store::platform::workflows::{NewRun, Origin, queue_runs};
use chrono::{DateTime, Utc};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::definition::Status;
use crate::matcher::Workflows;
use crate::program::Start;
use crate::run::RunState;

/// Longest payload of an event, as JSON: it is kept with every run that it starts.
pub const PAYLOAD_BYTES_MAX: usize = 64 << 10;

/// Something that a plugin says has happened.
#[derive(Debug, Clone)]
pub struct EmittedEvent {
    /// Who says so.
    pub plugin: String,
    /// What it is called.
    pub name: String,
    /// What the plugin tells of it.
    pub payload: Json,
    /// When it was said.
    pub at: DateTime<Utc>,
    /// On whose behalf the plugin was called.
    pub user: Option<Uuid>,
    /// Names the call in the log, and in the audit log of what follows.
    pub request: Uuid,
    /// How many causes lie above it.
    pub depth: u32,
}

/// Queues the runs that an event starts, and tells how many: once it has, they are done, whatever dies.
///
/// # Errors
/// [`EngineError::Limit`] where a chain of causes ends.
#[boxed]
pub async fn emit_event(engine: &Engine, event: EmittedEvent) -> Result<usize, EngineError> {
    if event.depth >= CAUSE_DEPTH_MAX {
        return Err(EngineError::Limit(format!("a chain of causes ends after {CAUSE_DEPTH_MAX}")));
    }
    let snapshot = engine.snapshot();
    let waiting = Workflows::all(&snapshot).filter(|(_, version)| {
        let Start::Emitted { plugin, name } = &version.workflow.start else { return false };
        version.workflow.status == Status::Active && *plugin == event.plugin && *name == event.name
    });
    let mut runs: Vec<(Origin, NewRun)> = waiting
        .map(|(id, version)| {
            let run = NewRun {
                workflow: *id,
                version: version.number,
                state: event.state(),
                cause: None,
                depth: event.depth,
            };
            (Origin { event: None, record: None, due_at: None }, run)
        })
        .collect();
    if runs.is_empty() {
        return Ok(0);
    }
    runs.sort_by_key(|(_, run)| run.workflow);
    let (count, at, runs) = (runs.len(), event.at, Arc::new(runs));
    let queued = engine.store().write(move |tx: &mut WriteTx| {
        let runs = Arc::clone(&runs);
        Box::pin(async move { Ok::<_, EngineError>(queue_runs(tx, &runs, at).await?) })
    });
    queued.await?;
    engine.wake_event_readers();
    Ok(count)
}

impl EmittedEvent {
    fn state(&self) -> Json {
        RunState::of_event(json!({
            "kind": "EMITTED",
            "at": self.at,
            "today": self.at.date_naive(),
            "actor": null,
            "cause": self.user,
            "request": self.request,
            "depth": self.depth,
            "trigger": {"payload": self.payload},
        }))
    }
}
