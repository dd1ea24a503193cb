//! What records' dates start: it is looked for by what they hold now, so a date that moves takes its due time along.

use std::sync::Arc;

use async_recursion::async_recursion as boxed;
use cardine_engine::{Engine, EngineError, Record, RecordScope, RequestContext, Snapshot};
use cardine_model::Value;
use cardine_model::catalog::{FieldPath, Module};
use cardine_query::{CompareOp, Filter, Slot};
use cardine_store::platform::workflows::{NewRun, Origin, last_look, note_look, queue_runs};
use cardine_store::{ReadTx, WriteTx};
use chrono::{DateTime, TimeDelta, Utc};
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::RunState;
use super::steps::today_in;
use crate::definition::{RunAs, Status};
use crate::due_dates::DueDates;
use crate::matcher::Workflows;
use crate::program::Start;
use crate::records::fetch_records;
use crate::versions::Version;

/// How often it is looked.
const LOOK: TimeDelta = TimeDelta::seconds(5);
/// A due time so long ago is looked for once more: its record may have been committed after the last look.
const GRACE: TimeDelta = TimeDelta::seconds(60);
/// How often it is noted up to when it was looked.
const NOTE: TimeDelta = TimeDelta::seconds(30);
/// Records at a time.
const PAGE: u32 = 500;

/// How far this process has looked.
#[derive(Debug, Default)]
pub(super) struct DateWatch {
    looked: FxHashMap<Uuid, Looked>,
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    /// Nothing before it is due: the workflow was saved, or looked at last by another process, then.
    since: DateTime<Utc>,
    up_to: DateTime<Utc>,
    noted: DateTime<Utc>,
}

impl DateWatch {
    /// Queues a run for each record that has come to be due. A unique key keeps two processes, and two looks, from queueing one twice.
    #[boxed]
    pub async fn queue_due(&mut self, engine: &Engine, now: DateTime<Utc>) -> Result<(), EngineError> {
        let snapshot = engine.snapshot();
        let dated: Vec<(Uuid, Arc<Version>)> = Workflows::all(&snapshot)
            .filter(|(_, version)| {
                version.workflow.status == Status::Active && matches!(version.workflow.start, Start::Date(_))
            })
            .map(|(id, version)| (*id, Arc::clone(version)))
            .collect();
        // One that is paused is begun with anew: what was due meanwhile is not made up for.
        self.looked.retain(|id, _| dated.iter().any(|(known, _)| known == id));
        for (id, version) in &dated {
            let looked = match self.looked.get(id) {
                Some(looked) if now < looked.up_to + LOOK => continue,
                Some(looked) => *looked,
                None => {
                    let workflow = *id;
                    let read = engine.store().read(move |tx: &mut ReadTx| {
                        Box::pin(async move { Ok::<_, EngineError>(last_look(tx, workflow).await?) })
                    });
                    let since = read.await?.unwrap_or(now).min(now);
                    Looked { since, up_to: since, noted: since }
                }
            };
            self.look(engine, &snapshot, *id, version, looked, now).await?;
        }
        Ok(())
    }

    async fn look(
        &mut self,
        engine: &Engine,
        snapshot: &Arc<Snapshot>,
        id: Uuid,
        version: &Version,
        looked: Looked,
        now: DateTime<Utc>,
    ) -> Result<(), EngineError> {
        let (Start::Date(dates), Some(module)) = (&version.workflow.start, version.workflow.module) else {
            return Ok(());
        };
        let from = (looked.up_to - GRACE).max(looked.since);
        let Some(ctx) = context(engine, snapshot, version, now) else {
            tracing::debug!(
                workflow = version.workflow.name,
                "nobody is there with whose rights it could look for dates"
            );
            return Ok(());
        };
        let mut last = Uuid::nil();
        if let Some((least, most)) = dates.values(from, now) {
            loop {
                let values = vec![least.clone(), most.clone(), Value::Id(last)];
                let found = match fetch_records(engine, &ctx, module, filter(dates), values, PAGE).await {
                    // They may not read the date, or nothing of the module.
                    Err(EngineError::NotFound) => Vec::new(),
                    found => found?,
                };
                let count = found.len();
                if let Some(Value::Id(id)) = found.last().map(|record| record.get(Module::ID)) {
                    last = *id;
                }
                let runs: Vec<(Origin, NewRun)> = found
                    .iter()
                    .filter_map(|record| {
                        let due = dates.due(record.get(dates.field)).filter(|due| *due > from && *due <= now)?;
                        run_of(&ctx, id, version, record, due)
                    })
                    .collect();
                queue(engine, runs, now).await?;
                if count < PAGE as usize {
                    break;
                }
            }
        }
        let mut noted = looked.noted;
        if now >= noted + NOTE {
            let write = engine.store().write(move |tx: &mut WriteTx| {
                Box::pin(async move { Ok::<_, EngineError>(note_look(tx, id, now).await?) })
            });
            write.await?;
            noted = now;
        }
        self.looked.insert(id, Looked { since: looked.since, up_to: now, noted });
        Ok(())
    }
}

/// Between two values of the field, behind an id.
fn filter(dates: &DueDates) -> Filter {
    let compare = |field, op, slot| Filter::Compare { path: FieldPath::own(field), op, operand: Slot(slot) };
    Filter::All(vec![
        compare(dates.field, CompareOp::Gte, 1),
        compare(dates.field, CompareOp::Lte, 2),
        compare(Module::ID, CompareOp::Gt, 3),
    ])
}

/// As whoever the workflow runs as: what they don't see is not due.
fn context(engine: &Engine, snapshot: &Arc<Snapshot>, version: &Version, now: DateTime<Utc>) -> Option<RequestContext> {
    let actor = match &version.workflow.run_as {
        RunAs::Role { role } => snapshot.access.role_actor(&snapshot.catalog, role),
        RunAs::Author | RunAs::Actor => snapshot.access.actor(&snapshot.catalog, version.author?, None, None),
    }?;
    let today = today_in(&actor.time_zone, now);
    let mut ctx = engine.request(Arc::clone(snapshot), actor, now, today);
    ctx.via = "workflow";
    Some(ctx)
}

/// The run of a record that is due, if the workflow's condition is met.
fn run_of(
    ctx: &RequestContext,
    workflow: Uuid,
    version: &Version,
    record: &Record,
    due: DateTime<Utc>,
) -> Option<(Origin, NewRun)> {
    let module = ctx.catalog().module(version.workflow.module?);
    let today = today_in(&ctx.actor.time_zone, due);
    let scope = RecordScope { record, old: None, actor: None, now: due, today };
    if version.workflow.when.as_ref().is_some_and(|when| !when.is_met(&scope)) {
        return None;
    }
    let Value::Id(id) = *record.get(Module::ID) else { return None };
    let at: Json = cardine_engine::json_of_value(&Value::DateTime(due));
    let event = json!({
        "kind": "DUE",
        "module": module.name,
        "at": at,
        "today": today,
        "actor": null,
        "cause": null,
        "request": Uuid::now_v7(),
        "depth": 0,
        "trigger": {"dueAt": at},
        "record": record.to_json(module),
    });
    let run = NewRun { workflow, version: version.number, state: RunState::of_event(event), cause: None, depth: 0 };
    Some((Origin { event: None, record: Some(id), due_at: Some(due) }, run))
}

async fn queue(engine: &Engine, runs: Vec<(Origin, NewRun)>, now: DateTime<Utc>) -> Result<(), EngineError> {
    if runs.is_empty() {
        return Ok(());
    }
    let runs = Arc::new(runs);
    let write = engine.store().write(move |tx: &mut WriteTx| {
        let runs = Arc::clone(&runs);
        Box::pin(async move { Ok::<_, EngineError>(queue_runs(tx, &runs, now).await?) })
    });
    write.await.map(|_| ())
}
