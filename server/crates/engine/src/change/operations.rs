//! Every change of modules that an administrator can ask for; each with a dry run, which tells the same and changes nothing.
//!
//! All fail with [`EngineError::Forbidden`] if the caller is no administrator, and with [`EngineError::Validation`] and every fault
//! with its place in the arguments.

use async_recursion::async_recursion as boxed;
use serde_json::Value as Json;

use super::plan::Change;
use super::{CatalogChange, RetiredModule, load};
use crate::{Engine, EngineError, RequestContext};

impl Engine {
    /// Makes a module with its table. `definition` is a document of `schema/module.schema.json`.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] if the database has such a table already.
    #[boxed]
    pub async fn create_module(
        &self,
        ctx: &RequestContext,
        definition: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::CreateModule { definition }, dry_run).await
    }

    /// Changes options of a module; `patch` is a JSON Merge Patch of its document.
    #[boxed]
    pub async fn update_module(
        &self,
        ctx: &RequestContext,
        module: &str,
        patch: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::UpdateModule { module: module.to_owned(), patch }, dry_run).await
    }

    /// Gives a module another name, and another plural if one is given; all that names it follows.
    #[boxed]
    pub async fn rename_module(
        &self,
        ctx: &RequestContext,
        module: &str,
        to: &str,
        plural: Option<String>,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::RenameModule { module: module.to_owned(), to: to.to_owned(), plural }, dry_run).await
    }

    /// Hides a module; its records stay in the database. With `force`, what needs it is hidden too.
    #[boxed]
    pub async fn retire_module(
        &self,
        ctx: &RequestContext,
        module: &str,
        force: bool,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::RetireModule { module: module.to_owned(), force }, dry_run).await
    }

    /// Shows a retired module again.
    #[boxed]
    pub async fn restore_module(
        &self,
        ctx: &RequestContext,
        module: &str,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::RestoreModule { module: module.to_owned() }, dry_run).await
    }

    /// Drops a retired module with its records and grants.
    #[boxed]
    pub async fn purge_module(
        &self,
        ctx: &RequestContext,
        module: &str,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::PurgeModule { module: module.to_owned() }, dry_run).await
    }

    /// Adds a field to a module, built-in ones included, but not to a platform module. Records that are there have no value in
    /// it, except in a required field with a constant default, which they get.
    #[boxed]
    pub async fn add_field(
        &self,
        ctx: &RequestContext,
        module: &str,
        field: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::AddField { module: module.to_owned(), field }, dry_run).await
    }

    /// Changes options of a field; `patch` is a JSON Merge Patch of its part of the document. What becomes stricter must hold for
    /// the values that are there.
    #[boxed]
    pub async fn update_field(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        patch: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::UpdateField { module: module.to_owned(), field: field.to_owned(), patch }, dry_run)
            .await
    }

    /// Gives a field another name; all that names it follows.
    #[boxed]
    pub async fn rename_field(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        to: &str,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        let change = Change::RenameField { module: module.to_owned(), field: field.to_owned(), to: to.to_owned() };
        self.change(ctx, change, dry_run).await
    }

    /// Gives a field another type, and converts its values. `to` is the type's name, or an object with its options.
    #[boxed]
    pub async fn change_field_type(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        to: Json,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::ConvertField { module: module.to_owned(), field: field.to_owned(), to }, dry_run).await
    }

    /// Hides a field; its values stay in the database. With `force`, what needs it is hidden too.
    #[boxed]
    pub async fn retire_field(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        force: bool,
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::RetireField { module: module.to_owned(), field: field.to_owned(), force }, dry_run)
            .await
    }

    /// Shows a retired field again.
    #[boxed]
    pub async fn restore_field(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::RestoreField { module: module.to_owned(), field: field.to_owned() }, dry_run).await
    }

    /// Drops a retired field with its values and grants.
    #[boxed]
    pub async fn purge_field(
        &self,
        ctx: &RequestContext,
        (module, field): (&str, &str),
        dry_run: bool,
    ) -> Result<CatalogChange, EngineError> {
        self.change(ctx, Change::PurgeField { module: module.to_owned(), field: field.to_owned() }, dry_run).await
    }

    /// The modules that are retired and not purged yet.
    #[boxed]
    pub async fn retired_modules(&self) -> Result<Vec<RetiredModule>, EngineError> {
        load::fetch_retired(self.store()).await.map(|(_, retired)| retired)
    }
}
