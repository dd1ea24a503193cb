//! Workflows, their runs and plugins, as administrators see them.

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use async_graphql::{ComplexObject, Context, ID, Result, SimpleObject};
use cardine_access::{Grants, Rights};
use cardine_engine::EngineError;
use cardine_graphql::schema::Schema;
use cardine_graphql::sdl::difference;
use cardine_model::Catalog;
use cardine_store::platform::runs::{RunFilter, RunRow, StepRow, find_runs, steps_of_run};
use cardine_store::platform::workflows::{WorkflowRow, load_workflows};
use cardine_store::{BoxFuture, ReadTx};
use cardine_workflow::InstalledPlugin;
use serde_json::Value as Json;

use super::AdminContext;
use super::error::graphql_error;
use super::plugins::FailedPluginCall;

/// A workflow.
#[derive(SimpleObject)]
pub struct Workflow {
    /// Its id.
    pub id: ID,
    /// Its name.
    pub name: String,
    /// Its document.
    pub definition: Json,
    /// `DRAFT`, `ACTIVE`, `PAUSED`.
    pub status: String,
    /// Counts its saves.
    pub version: i64,
}

/// One run of a workflow.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Run {
    /// Its id.
    pub id: ID,
    /// The workflow's name.
    pub workflow: String,
    /// The version of the workflow that it began with.
    pub version: i64,
    /// The record that it is about.
    pub record_id: Option<ID>,
    /// `QUEUED`, `RUNNING`, `WAITING`, `DONE`, `FAILED`, `CANCELLED`.
    pub status: String,
    /// How often its step was begun.
    pub attempts: i64,
    /// Why it failed, or waits to be tried again.
    pub error: Option<String>,
    /// How many causes came before it.
    pub depth: i64,
    /// The due time that started it, of one that the clock started.
    pub due_at: Option<String>,
    /// When it goes on, or went on last.
    pub run_at: String,
    /// When it was queued.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
    #[graphql(skip)]
    row: RunRow,
}

#[ComplexObject]
impl Run {
    /// What its steps did, in their order: the newest 1,000 entries.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Vec<RunStep>> {
        let id = self.row.id;
        let rows =
            read(ctx, move |tx| Box::pin(async move { Ok::<_, EngineError>(steps_of_run(tx, id, 1_000).await?) }))
                .await?;
        Ok(rows.into_iter().map(RunStep::from).collect())
    }

    /// The run whose write caused it.
    async fn cause(&self, ctx: &Context<'_>) -> Result<Option<Run>> {
        let Some(cause) = self.row.cause else { return Ok(None) };
        let filter = RunFilter { id: Some(cause), ..RunFilter::default() };
        Ok(fetch_runs(ctx, 1, filter).await?.pop())
    }

    /// The runs that its writes caused, the newest first; at most 100.
    async fn caused(&self, ctx: &Context<'_>) -> Result<Vec<Run>> {
        fetch_runs(ctx, 100, RunFilter { cause: Some(self.row.id), ..RunFilter::default() }).await
    }
}

/// One time that a step was begun.
#[derive(SimpleObject)]
pub struct RunStep {
    /// The step's id.
    pub step: String,
    /// The items of the loops around, from 0, such as `3.1`; empty outside of loops.
    pub place: String,
    /// Which attempt, from 1.
    pub attempt: i64,
    /// `DONE`, `SKIPPED`, `FAILED`.
    pub status: String,
    /// What it was given.
    pub input: Option<Json>,
    /// What it gave.
    pub output: Option<Json>,
    /// Why it failed.
    pub error: Option<String>,
    /// More of that: of what a later try may help with, and of plugins' calls.
    pub failure: Option<StepFailure>,
    /// When it began.
    pub started_at: String,
    /// When it ended.
    pub finished_at: String,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<i64>,
}

/// What a step failed of, as nobody but administrators is told it. All but the class is about a plugin's call.
#[derive(SimpleObject)]
pub struct StepFailure {
    /// The class by which it is tried again: `TIMEOUT`, `NETWORK`, `UPSTREAM`, `RATE_LIMITED`, `UNAVAILABLE`, `CONFLICT`, `PLUGIN_LIMIT`; none of what stays as it is.
    pub class: Option<String>,
    /// `MEMORY`, `TIME`, `TRAP`, …
    pub reason: Option<String>,
    /// The bound that was broken.
    pub bound: Option<String>,
    /// How much of it was used.
    pub used: Option<f64>,
    /// How much may be.
    pub allowed: Option<f64>,
    /// The text and the backtrace of a trap, or the plugin's own words; the first 16 KiB.
    pub detail: Option<String>,
}

impl From<Json> for StepFailure {
    fn from(kept: Json) -> Self {
        let text = |name: &str| kept[name].as_str().map(str::to_owned);
        Self {
            class: text("class"),
            reason: text("reason"),
            bound: text("bound"),
            used: kept["used"].as_f64(),
            allowed: kept["allowed"].as_f64(),
            detail: text("detail"),
        }
    }
}

impl From<StepRow> for RunStep {
    fn from(row: StepRow) -> Self {
        let instant = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
        let took =
            instant(&row.started_at).zip(instant(&row.finished_at)).map(|(from, to)| (to - from).num_milliseconds());
        Self {
            step: row.step,
            place: row.place,
            attempt: row.attempt,
            status: row.status,
            input: row.input,
            output: row.output,
            error: row.error,
            failure: row.failure.map(StepFailure::from),
            started_at: row.started_at,
            finished_at: row.finished_at,
            milliseconds: took,
        }
    }
}

/// An installed plugin.
#[derive(SimpleObject)]
#[graphql(complex)]
pub struct Plugin {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its title.
    pub title: String,
    /// SHA-256 of its component, in hexadecimal digits.
    pub digest: String,
    /// The functions that workflows can call.
    pub functions: Vec<String>,
    /// What its manifest asks for.
    pub permissions: Json,
    /// What of that it was granted.
    pub grant: Json,
    /// What was set for it by `setPluginSettings`.
    pub settings: Json,
    /// Whether it rests because its calls ended badly too often; `resumePlugin` ends that.
    pub suspended: bool,
    /// What its installation changes of modules, roles and workflows, a line each; empty where it is only looked at.
    pub changes: Vec<String>,
    #[graphql(skip)]
    catalog: Option<Arc<Catalog>>,
}

#[ComplexObject]
impl Plugin {
    /// Its calls that broke a bound or were trapped, whoever made them: the newest 20 since the start of the server process that answers.
    async fn failed_calls(&self, ctx: &Context<'_>) -> Vec<FailedPluginCall> {
        let plugin = ctx.data_unchecked::<AdminContext>().app.outside.plugins.get(&self.name);
        let calls = plugin.map_or_else(Vec::new, |plugin| plugin.failed_calls());
        calls.into_iter().map(FailedPluginCall::from).collect()
    }

    /// What its installation changes of the records API as administrators see it: lines of the schema definition language with `+` or `-`
    /// before them, each in the definition that it stands in. Empty where it is only looked at.
    async fn api_changes(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let Some(after) = self.catalog.clone() else { return Ok(Vec::new()) };
        let before = Arc::clone(&ctx.data_unchecked::<AdminContext>().request.snapshot.catalog);
        // Both schemas are printed whole: a while without waiting for anything.
        let compared = tokio::task::spawn_blocking(move || {
            let grants = Grants { administrator: true, ..Grants::default() };
            let rights = |catalog: &Catalog| Rights::resolve(catalog, &[&grants], true);
            let (old, new) = (rights(&before), rights(&after));
            let schema = |catalog, rights| Schema { catalog, rights, language: "en" };
            difference(&schema(&before, &old), &schema(&after, &new))
        });
        compared.await.map_err(|_| graphql_error(EngineError::Internal))
    }
}

impl From<WorkflowRow> for Workflow {
    fn from(row: WorkflowRow) -> Self {
        Self {
            id: ID(row.id.to_string()),
            name: row.name,
            definition: row.definition,
            status: row.status,
            version: row.version,
        }
    }
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            id: ID(row.id.to_string()),
            workflow: row.workflow.clone(),
            version: row.version,
            record_id: row.record.map(|id| ID(id.to_string())),
            status: row.status.clone(),
            attempts: row.attempts,
            error: row.error.clone(),
            depth: row.depth,
            due_at: row.due_at.clone(),
            run_at: row.run_at.clone(),
            created_at: row.created_at.clone(),
            finished_at: row.finished_at.clone(),
            row,
        }
    }
}

impl From<InstalledPlugin> for Plugin {
    fn from(plugin: InstalledPlugin) -> Self {
        let InstalledPlugin {
            name,
            version,
            title,
            digest,
            functions,
            permissions,
            grant,
            settings,
            suspended,
            changes,
            catalog,
        } = plugin;
        Self { name, version, title, digest, functions, permissions, grant, settings, suspended, changes, catalog }
    }
}

/// All workflows, by name.
#[boxed]
pub async fn fetch_workflows(ctx: &Context<'_>) -> Result<Vec<Workflow>> {
    let rows = read(ctx, |tx| Box::pin(async move { Ok::<_, EngineError>(load_workflows(tx).await?) })).await?;
    Ok(rows.into_iter().map(Workflow::from).collect())
}

/// The newest runs of those that are meant.
#[boxed]
pub async fn fetch_runs(ctx: &Context<'_>, first: u32, filter: RunFilter) -> Result<Vec<Run>> {
    let rows = read(ctx, move |tx| {
        Box::pin(async move { Ok::<_, EngineError>(find_runs(tx, &filter, i64::from(first)).await?) })
    });
    Ok(rows.await?.into_iter().map(Run::from).collect())
}

/// A run as it is after a change.
#[boxed]
pub async fn fetch_run(ctx: &Context<'_>, id: uuid::Uuid) -> Result<Run> {
    let found = fetch_runs(ctx, 1, RunFilter { id: Some(id), ..RunFilter::default() }).await?.pop();
    found.ok_or_else(|| graphql_error(EngineError::NotFound))
}

async fn read<T, F>(ctx: &Context<'_>, work: F) -> Result<T>
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut ReadTx) -> BoxFuture<'t, std::result::Result<T, EngineError>> + Send + 'static,
{
    let store = ctx.data_unchecked::<AdminContext>().app.engine.store();
    store.read(work).await.map_err(graphql_error)
}
