//! What administrators read.

use async_graphql::{Context, ID, Object, Result};
use cardine_model::{Issue, path};
use cardine_store::platform::runs::RunFilter;
use serde_json::Value as Json;

use super::AdminContext;
use super::audit::{AuditEntry, AuditFilter};
use super::error::{graphql_error, invalid};
use super::model::Module;
use super::mutation::parse_id;
use super::people::{Group, Role, User};
use super::simulation::{Meant, Simulation, simulate};
use super::workflow::{Plugin, Run, Workflow, fetch_runs, fetch_workflows};

/// What is not read elsewhere.
#[derive(Default)]
pub struct BaseQuery;

#[Object]
impl BaseQuery {
    /// All modules in force.
    async fn modules(&self, ctx: &Context<'_>) -> Vec<Module> {
        request(ctx)
            .catalog()
            .modules
            .iter()
            .filter(|module| module.link.is_none())
            .map(|module| Module::from(&**module))
            .collect()
    }

    /// The module of this name.
    async fn module(&self, ctx: &Context<'_>, name: String) -> Option<Module> {
        request(ctx).catalog().module_by_name(&name).map(Module::from)
    }

    /// All roles, with what they grant.
    async fn roles(&self, ctx: &Context<'_>) -> Vec<Role> {
        let access = &request(ctx).snapshot.access;
        access.roles().into_iter().map(|role| Role::of(role, access)).collect()
    }

    /// All users.
    async fn users(&self, ctx: &Context<'_>) -> Vec<User> {
        request(ctx).snapshot.access.users().into_iter().map(User::from).collect()
    }

    /// All groups.
    async fn groups(&self, ctx: &Context<'_>) -> Vec<Group> {
        request(ctx).snapshot.access.groups().map(|(name, id)| Group::of(name, id)).collect()
    }

    /// The newest entries of the audit log; at most 1,000. For those before them, give the id of the last one as `after`.
    async fn audit(
        &self,
        ctx: &Context<'_>,
        filter: Option<AuditFilter>,
        #[graphql(default = 50)] first: i32,
        after: Option<ID>,
    ) -> Result<Vec<AuditEntry>> {
        let count = page_size(first)?;
        let filter = filter.unwrap_or_default().stored(after.as_ref())?;
        let app = &ctx.data_unchecked::<AdminContext>().app;
        let rows = app.engine.audit_log(filter, count).await.map_err(graphql_error)?;
        Ok(rows.into_iter().map(AuditEntry::from).collect())
    }

    /// All workflows.
    async fn workflows(&self, ctx: &Context<'_>) -> Result<Vec<Workflow>> {
        fetch_workflows(ctx).await
    }

    /// The secret that steps with `"secret": name` sign with: whoever is called checks the signature with it.
    async fn webhook_secret(&self, ctx: &Context<'_>, name: String) -> String {
        ctx.data_unchecked::<AdminContext>().app.outside.webhook_key.secret(&name)
    }

    /// Where requests start the workflow of this name; null if its trigger is no webhook. Whoever knows it can start the workflow.
    async fn webhook_address(&self, ctx: &Context<'_>, workflow: String) -> Option<String> {
        let AdminContext { app, request, .. } = ctx.data_unchecked();
        let path = cardine_workflow::hook_address(&request.snapshot, &app.outside.webhook_key, &workflow)?;
        Some(format!("{}{path}", app.public_url))
    }

    /// What a workflow, given by its document or its name, would do over a change of a record: the newest one, or the one that the
    /// entry `change` of the audit log tells of. Nothing comes of it: writes are tried and undone, and nothing is sent. `outputs` says by step
    /// what those outside answer. Changes are kept for a week.
    async fn simulate_workflow(
        &self,
        ctx: &Context<'_>,
        definition: Option<Json>,
        workflow: Option<String>,
        record: ID,
        change: Option<ID>,
        outputs: Option<Json>,
    ) -> Result<Simulation> {
        simulate(ctx, Meant::of(definition, workflow)?, &record, change, outputs).await
    }

    /// The newest runs of workflows; at most 1,000. For those before them, give the id of the last one as `after`. Those that failed
    /// wait, with `status: "FAILED"`, for `retryRun` or `skipStep`.
    async fn runs(
        &self,
        ctx: &Context<'_>,
        workflow: Option<String>,
        status: Option<String>,
        record: Option<ID>,
        #[graphql(default = 50)] first: i32,
        after: Option<ID>,
    ) -> Result<Vec<Run>> {
        let count = page_size(first)?;
        let status = status.map(|status| match RUN_STATUSES.contains(&status.as_str()) {
            true => Ok(status),
            false => {
                let message = format!("a status is one of {}", RUN_STATUSES.join(", "));
                Err(invalid(Issue::new(path!["status"], "enum", message)))
            }
        });
        let id = |id: Option<ID>, name: &str| id.map(|id| parse_id(&id, name)).transpose();
        let (record, before) = (id(record, "record")?, id(after, "after")?);
        let filter = RunFilter { workflow, status: status.transpose()?, record, before, ..RunFilter::default() };
        fetch_runs(ctx, count, filter).await
    }

    /// The run with this id.
    async fn run(&self, ctx: &Context<'_>, id: ID) -> Result<Option<Run>> {
        let id = Some(parse_id(&id, "id")?);
        Ok(fetch_runs(ctx, 1, RunFilter { id, ..RunFilter::default() }).await?.pop())
    }

    /// Installed plugins.
    async fn plugins(&self, ctx: &Context<'_>) -> Vec<Plugin> {
        ctx.data_unchecked::<AdminContext>().app.outside.plugins.installed().into_iter().map(Plugin::from).collect()
    }

    /// Counts up with every change of the modules.
    async fn catalog_version(&self, ctx: &Context<'_>) -> u64 {
        request(ctx).catalog().version
    }
}

const RUN_STATUSES: [&str; 6] = ["QUEUED", "RUNNING", "WAITING", "DONE", "FAILED", "CANCELLED"];

fn page_size(first: i32) -> Result<u32> {
    let fits = u32::try_from(first).ok().filter(|count| *count <= 1_000);
    fits.ok_or_else(|| invalid(Issue::new(path!["first"], "range", "first must be from 0 to 1,000")))
}

fn request<'a>(ctx: &Context<'a>) -> &'a cardine_engine::RequestContext {
    &ctx.data_unchecked::<AdminContext>().request
}
