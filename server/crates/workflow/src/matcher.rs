//! Which workflows an event starts, decided inside the event's own transaction.

use std::any::Any;
use std::sync::Arc;

use cardine_engine::events::{EventMatcher, EventMatcherLoader, RecordEvent};
use cardine_engine::{EngineError, RecordScope, Snapshot};
use cardine_model::Catalog;
use cardine_model::catalog::{FieldId, ModuleId};
use cardine_model::renaming::Renaming;
use cardine_store::platform::workflows::{NewRun, WorkflowRow, load_workflows};
use cardine_store::{BoxFuture, ReadTx, Store};
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::check::{Workflow, check};
use crate::definition::parse;
use crate::rename;

/// The active workflows over one catalog.
#[derive(Debug)]
pub(crate) struct Workflows {
    by_id: FxHashMap<Uuid, ActiveWorkflow>,
}

/// A workflow, and who saved it.
#[derive(Debug)]
pub(crate) struct ActiveWorkflow {
    pub author: Option<Uuid>,
    pub workflow: Workflow,
}

impl Workflows {
    /// Those of `rows` that are active and fit the catalog. One that does not fit (any more) starts no runs, and the log says so.
    pub(crate) fn from_rows(rows: &[WorkflowRow], catalog: &Catalog) -> Self {
        let mut by_id = FxHashMap::default();
        for row in rows.iter().filter(|row| row.active) {
            match parse(&row.definition).and_then(|definition| check(&definition, catalog, None)) {
                Ok(workflow) => {
                    by_id.insert(row.id, ActiveWorkflow { author: row.author, workflow });
                }
                Err(issues) => {
                    let first = issues.first().map(ToString::to_string).unwrap_or_default();
                    tracing::error!(
                        workflow = row.name,
                        issue = first,
                        "this workflow does not fit the modules and starts no runs"
                    );
                }
            }
        }
        Self { by_id }
    }

    /// The workflow with this id in a snapshot, whose catalog it fits; `None` if it is not active there.
    pub(crate) fn of(snapshot: &Snapshot, id: Uuid) -> Option<&ActiveWorkflow> {
        let matcher: &dyn Any = &*snapshot.matcher;
        matcher.downcast_ref::<Self>().and_then(|workflows| workflows.by_id.get(&id))
    }
}

impl EventMatcher for Workflows {
    fn runs(&self, event: &RecordEvent<'_>) -> Vec<NewRun> {
        let mut runs: Vec<NewRun> = self
            .by_id
            .iter()
            .filter(|(_, active)| matches(&active.workflow, event))
            .map(|(id, _)| NewRun { workflow: *id, state: initial_state(event) })
            .collect();
        runs.sort_by_key(|run| run.workflow);
        runs
    }
}

fn matches(workflow: &Workflow, event: &RecordEvent<'_>) -> bool {
    workflow.module == event.module.id
        && workflow.on.iter().any(|kind| kind == event.kind)
        && (event.kind != "UPDATED" || is_about(workflow, event))
        && workflow.when.as_ref().is_none_or(|when| {
            when.is_met(&RecordScope {
                record: event.after,
                old: event.before,
                actor: event.ctx.actor.user,
                now: event.ctx.now,
                today: event.ctx.today,
            })
        })
}

/// Whether an update changed something that the workflow names, or it names nothing.
fn is_about(workflow: &Workflow, event: &RecordEvent<'_>) -> bool {
    let (changed, relinked) = (&workflow.changed, &workflow.relinked);
    changed.is_empty() && relinked.is_empty()
        || changed.iter().any(|field| event.changed.contains(field))
        || event.relation.is_some_and(|relation| relinked.contains(&relation))
}

/// What the steps see of the event: it is kept with the run, so that later changes of the record don't show.
fn initial_state(event: &RecordEvent<'_>) -> serde_json::Value {
    json!({
        "event": {
            "kind": event.kind,
            "module": event.module.name,
            "at": event.ctx.now,
            "today": event.ctx.today,
            "actor": event.ctx.actor.user,
            // Of a chain of causes the first: on whose behalf all that follows is done, and in which request it began.
            "cause": event.ctx.on_behalf_of.or(event.ctx.actor.user),
            "request": event.ctx.request_id,
            "depth": event.ctx.depth,
            "record": event.after.to_json(event.module),
            "old": event.before.map(|record| record.to_json(event.module)),
        },
        "outputs": {},
    })
}

/// Loads the workflows for the engine's snapshots.
#[derive(Debug, Default)]
pub struct WorkflowLoader;

impl EventMatcherLoader for WorkflowLoader {
    fn load<'a>(
        &'a self,
        store: &'a Store,
        catalog: &'a Catalog,
    ) -> BoxFuture<'a, Result<Arc<dyn EventMatcher>, EngineError>> {
        Box::pin(async move {
            let rows = store
                .read(|tx: &mut ReadTx| Box::pin(async move { Ok::<_, EngineError>(load_workflows(tx).await?) }))
                .await?;
            Ok(Arc::new(Workflows::from_rows(&rows, catalog)) as Arc<dyn EventMatcher>)
        })
    }

    fn renamed(&self, catalog: &Catalog, renaming: &Renaming, document: Json) -> Json {
        rename::renamed(catalog, renaming, document)
    }

    fn needs(&self, catalog: &Catalog, document: &Json, fields: &[(ModuleId, FieldId)], modules: &[ModuleId]) -> bool {
        rename::needs(catalog, document, fields, modules)
    }
}
