//! Changes of modules and their fields; each with `dryRun`, which tells what would happen.

use async_graphql::{Context, Object, Result};
use cardine_engine::{Engine, EngineError, RequestContext, change};
use serde_json::Value as Json;

use super::AdminContext;
use super::error::graphql_error;
use super::model::{CatalogChange, RetiredModule};

/// What is changed of modules.
#[derive(Default)]
pub struct ModulesMutation;

/// What is told of modules beside those in force.
#[derive(Default)]
pub struct ModulesQuery;

#[Object]
impl ModulesQuery {
    /// Modules that are hidden, and may be restored until they are purged.
    async fn retired_modules(&self, ctx: &Context<'_>) -> Result<Vec<RetiredModule>> {
        let retired = of(ctx).0.retired_modules().await.map_err(graphql_error)?;
        Ok(retired.into_iter().map(RetiredModule::from).collect())
    }
}

#[Object]
impl ModulesMutation {
    /// Makes a module. `definition` is a document of `/schema/module.schema.json`.
    async fn create_module(&self, ctx: &Context<'_>, definition: Json, dry_run: Option<bool>) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.create_module(request, definition, dry_run == Some(true)).await)
    }

    /// Changes options of a module: `patch` is a JSON Merge Patch (RFC 7386) of its document. Name and fields have mutations of
    /// their own.
    async fn update_module(
        &self,
        ctx: &Context<'_>,
        name: String,
        patch: Json,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.update_module(request, &name, patch, dry_run == Some(true)).await)
    }

    /// Gives a module another name, and another plural if one is given. Rules, references, grants, workflows and tables follow.
    async fn rename_module(
        &self,
        ctx: &Context<'_>,
        name: String,
        to: String,
        plural: Option<String>,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.rename_module(request, &name, &to, plural, dry_run == Some(true)).await)
    }

    /// Hides a module; its records stay in the database. Refused with the list of what needs it, unless `force` takes that along.
    async fn retire_module(
        &self,
        ctx: &Context<'_>,
        name: String,
        force: Option<bool>,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.retire_module(request, &name, force == Some(true), dry_run == Some(true)).await)
    }

    /// Shows a retired module again, with its records and grants.
    async fn restore_module(&self, ctx: &Context<'_>, name: String, dry_run: Option<bool>) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.restore_module(request, &name, dry_run == Some(true)).await)
    }

    /// Drops a retired module for good, with its records, links and grants; `dryRun` tells how many.
    async fn purge_module(&self, ctx: &Context<'_>, name: String, dry_run: Option<bool>) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.purge_module(request, &name, dry_run == Some(true)).await)
    }

    /// Adds a field to a module. `field` is an element of the module document's `fields`.
    async fn add_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        field: Json,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.add_field(request, &module, field, dry_run == Some(true)).await)
    }

    /// Changes options of a field: `patch` is a JSON Merge Patch (RFC 7386) of its part of the document. What becomes stricter must
    /// hold for the values that are there.
    async fn update_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        patch: Json,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.update_field(request, (&module, &name), patch, dry_run == Some(true)).await)
    }

    /// Gives a field another name. Rules, lists, grants, workflows and the column follow.
    async fn rename_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        to: String,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.rename_field(request, (&module, &name), &to, dry_run == Some(true)).await)
    }

    /// Gives a field another type and converts its values without loss. `to` is the type's name, or an object with its options;
    /// with `"onUnconvertible": "NULL"` values that can't be converted are cleared instead of refusing the change.
    async fn change_field_type(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        to: Json,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.change_field_type(request, (&module, &name), to, dry_run == Some(true)).await)
    }

    /// Hides a field; its values stay in the database. Refused with the list of what needs it, unless `force` takes that along.
    async fn retire_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        force: Option<bool>,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.retire_field(request, (&module, &name), force == Some(true), dry_run == Some(true)).await)
    }

    /// Shows a retired field again, with its values and grants.
    async fn restore_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.restore_field(request, (&module, &name), dry_run == Some(true)).await)
    }

    /// Drops a retired field for good, with its values and grants; `dryRun` tells how many records have one.
    async fn purge_field(
        &self,
        ctx: &Context<'_>,
        module: String,
        name: String,
        dry_run: Option<bool>,
    ) -> Result<CatalogChange> {
        let (engine, request) = of(ctx);
        told(engine.purge_field(request, (&module, &name), dry_run == Some(true)).await)
    }
}

fn of<'a>(ctx: &Context<'a>) -> (&'a Engine, &'a RequestContext) {
    let AdminContext { app, request, .. } = ctx.data_unchecked();
    (&app.engine, request)
}

fn told(change: std::result::Result<change::CatalogChange, EngineError>) -> Result<CatalogChange> {
    change.map(CatalogChange::from).map_err(graphql_error)
}
