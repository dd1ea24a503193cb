//! Workflows, their runs and plugins, as administrators see them.

use async_graphql::{Context, ID, Result, SimpleObject};
use cardine_model::{Issue, path};
use cardine_store::ReadTx;
use cardine_store::platform::workflows::{RunRow, WorkflowRow, load_workflows, newest_runs};
use cardine_workflow::InstalledPlugin;
use serde_json::Value as Json;

use super::AdminContext;
use super::error::{graphql_error, invalid};

/// A workflow.
#[derive(SimpleObject)]
pub struct Workflow {
    /// Its id.
    pub id: ID,
    /// Its name.
    pub name: String,
    /// Its document.
    pub definition: Json,
    /// Whether it starts runs.
    pub active: bool,
    /// Counts its saves.
    pub version: i64,
}

/// One run of a workflow.
#[derive(SimpleObject)]
pub struct Run {
    /// Its id.
    pub id: ID,
    /// The workflow's name.
    pub workflow: String,
    /// The record that it is about.
    pub record_id: Option<ID>,
    /// `QUEUED`, `RUNNING`, `DONE`, `FAILED`.
    pub status: String,
    /// How often its step was begun.
    pub attempts: i64,
    /// Why it failed, or waits to be tried again.
    pub error: Option<String>,
    /// When it was queued.
    pub created_at: String,
    /// When it ended.
    pub finished_at: Option<String>,
}

/// An installed plugin.
#[derive(SimpleObject)]
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
}

impl From<WorkflowRow> for Workflow {
    fn from(row: WorkflowRow) -> Self {
        Self {
            id: ID(row.id.to_string()),
            name: row.name,
            definition: row.definition,
            active: row.active,
            version: row.version,
        }
    }
}

impl From<RunRow> for Run {
    fn from(row: RunRow) -> Self {
        Self {
            id: ID(row.id.to_string()),
            workflow: row.workflow,
            record_id: row.record.map(|id| ID(id.to_string())),
            status: row.status,
            attempts: row.attempts,
            error: row.error,
            created_at: row.created_at,
            finished_at: row.finished_at,
        }
    }
}

impl From<InstalledPlugin> for Plugin {
    fn from(plugin: InstalledPlugin) -> Self {
        let InstalledPlugin { name, version, title, digest, functions } = plugin;
        Self { name, version, title, digest, functions }
    }
}

/// All workflows, by name.
pub async fn fetch_workflows(ctx: &Context<'_>) -> Result<Vec<Workflow>> {
    let store = ctx.data_unchecked::<AdminContext>().app.engine.store();
    let rows = store
        .read(|tx: &mut ReadTx| {
            Box::pin(async move { Ok::<_, cardine_engine::EngineError>(load_workflows(tx).await?) })
        })
        .await
        .map_err(graphql_error)?;
    Ok(rows.into_iter().map(Workflow::from).collect())
}

/// The newest runs.
pub async fn fetch_runs(ctx: &Context<'_>, first: i32) -> Result<Vec<Run>> {
    if !(0..=1_000).contains(&first) {
        return Err(invalid(Issue::new(path!["first"], "range", "first must be from 0 to 1,000")));
    }
    let store = ctx.data_unchecked::<AdminContext>().app.engine.store();
    let rows = store
        .read(move |tx: &mut ReadTx| {
            Box::pin(async move { Ok::<_, cardine_engine::EngineError>(newest_runs(tx, i64::from(first)).await?) })
        })
        .await
        .map_err(graphql_error)?;
    Ok(rows.into_iter().map(Run::from).collect())
}
