//! Which workflows an event starts, decided inside the event's own transaction.

use std::any::Any;
use std::sync::Arc;

use cardine_engine::events::{EventMatcher, EventMatcherLoader, RecordEvent, Refusal};
use cardine_engine::{EngineError, RecordScope, Snapshot};
use cardine_model::catalog::{FieldId, ModuleId, RelationId};
use cardine_model::renaming::Renaming;
use cardine_model::{Catalog, Value};
use cardine_store::platform::workflows::{NewRun, WorkflowRow, load_workflows};
use cardine_store::{BoxFuture, ReadTx, Store};
use rustc_hash::FxHashMap;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::before_commit;
use crate::check::check;
use crate::definition::{Status, Timing, parse};
use crate::program::{Start, Workflow};
use crate::rename;
use crate::run::RunState;
use crate::versions::Version;

/// The newest versions of the workflows over one catalog.
#[derive(Debug)]
pub(crate) struct Workflows {
    by_id: FxHashMap<Uuid, Arc<Version>>,
    /// Those that are done inside the write, by module and in the order of their names.
    before_commit: FxHashMap<ModuleId, Vec<Arc<Version>>>,
}

impl Workflows {
    /// Those of `rows` that fit the catalog. One that does not fit (any more) starts no runs, and the log says so.
    pub(crate) fn from_rows(rows: &[WorkflowRow], catalog: &Catalog) -> Self {
        let mut by_id = FxHashMap::default();
        let mut before_commit: FxHashMap<ModuleId, Vec<Arc<Version>>> = FxHashMap::default();
        for row in rows {
            match parse(&row.definition).and_then(|definition| check(&definition, catalog, None)) {
                Ok(mut workflow) => {
                    // What needed a field that was retired is paused past its document.
                    if row.status != workflow.status.name() {
                        workflow.status = Status::Paused;
                    }
                    let version = Arc::new(Version { author: row.author, number: row.version, workflow });
                    let Workflow { timing, status, module, .. } = &version.workflow;
                    if let (Timing::BeforeCommit, Status::Active, Some(module)) = (timing, status, module) {
                        // The rows come by name.
                        before_commit.entry(*module).or_default().push(Arc::clone(&version));
                    }
                    by_id.insert(row.id, version);
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
        Self { by_id, before_commit }
    }

    /// The newest version of the workflow with this id in a snapshot, whose catalog it fits.
    pub(crate) fn of(snapshot: &Snapshot, id: Uuid) -> Option<&Arc<Version>> {
        Self::in_snapshot(snapshot).and_then(|workflows| workflows.by_id.get(&id))
    }

    /// All of a snapshot.
    pub(crate) fn all(snapshot: &Snapshot) -> impl Iterator<Item = (&Uuid, &Arc<Version>)> {
        Self::in_snapshot(snapshot).into_iter().flat_map(|workflows| &workflows.by_id)
    }

    /// The workflows that do a job which this one does too, in their newest versions or in these older ones, itself among them; none where it
    /// does no job. What one does whose newest version is not known can't be told: it is not done beside itself at least.
    pub(crate) fn of_same_jobs(snapshot: &Snapshot, older: &[(Uuid, Arc<Version>)], id: Uuid) -> Vec<Uuid> {
        let versions = || Self::all(snapshot).chain(older.iter().map(|(id, version)| (id, version)));
        let of_own = versions().filter(|(of, _)| **of == id);
        let own: Vec<(&str, &str)> = of_own.flat_map(|(_, version)| version.workflow.jobs()).collect();
        let does = |version: &Version| version.workflow.jobs().any(|job| own.contains(&job));
        let mut same: Vec<Uuid> = versions().filter(|(_, version)| does(version)).map(|(id, _)| *id).collect();
        if same.is_empty() && Self::of(snapshot, id).is_none() {
            same.push(id);
        }
        same.sort_unstable();
        same.dedup();
        same
    }

    fn in_snapshot(snapshot: &Snapshot) -> Option<&Self> {
        let matcher: &dyn Any = &*snapshot.matcher;
        matcher.downcast_ref::<Self>()
    }
}

impl EventMatcher for Workflows {
    fn runs(&self, event: &RecordEvent<'_>) -> Vec<NewRun> {
        let mut runs: Vec<NewRun> = self
            .by_id
            .iter()
            .filter(|(_, version)| version.workflow.timing == Timing::AfterCommit && matches(&version.workflow, event))
            .map(|(id, version)| NewRun {
                workflow: *id,
                version: version.number,
                state: initial_state(event),
                cause: event.ctx.run,
                depth: event.ctx.depth,
            })
            .collect();
        runs.sort_by_key(|run| run.workflow);
        runs
    }

    fn is_asked_before_commit(&self, module: ModuleId) -> bool {
        self.before_commit.contains_key(&module)
    }

    fn before_commit(&self, event: &RecordEvent<'_>) -> Result<Vec<(FieldId, Value)>, Refusal> {
        let asked = self.before_commit.get(&event.module.id).into_iter().flatten().map(|version| &**version);
        before_commit::ask(asked, event, |version, event| matches(&version.workflow, event))
    }
}

pub(crate) fn matches(workflow: &Workflow, event: &RecordEvent<'_>) -> bool {
    let Start::Change { on, changed, relinked } = &workflow.start else { return false };
    workflow.status == Status::Active
        && workflow.module == Some(event.module.id)
        && on.iter().any(|kind| kind == event.kind)
        && (event.kind != "UPDATED" || is_about(changed, relinked, event))
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
fn is_about(changed: &[FieldId], relinked: &[RelationId], event: &RecordEvent<'_>) -> bool {
    changed.is_empty() && relinked.is_empty()
        || changed.iter().any(|field| event.changed.contains(field))
        || event.relation.is_some_and(|relation| relinked.contains(&relation))
}

/// What the steps see of the event: it is kept with the run, so that later changes of the record don't show.
pub(crate) fn initial_state(event: &RecordEvent<'_>) -> serde_json::Value {
    RunState::of_event(json!({
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
    }))
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
