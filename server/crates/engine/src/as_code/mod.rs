//! The whole model as documents: modules, roles, permission sets, sharing rules and workflows, written out and brought in again as one
//! change. People, secrets and records are none of it.
//!
//! What is brought in is compared with what is there as it would be written out, so both sides of every comparison are made by the same
//! code, and what was written out changes nothing when it comes back.

mod access_check;
mod access_documents;
mod access_plan;
mod access_writes;
mod compare;
mod present;
mod read;

use async_recursion::async_recursion as boxed;
use std::sync::Arc;

use cardine_model::{Catalog, Issue, path};
use cardine_store::{BoxFuture, WriteTx};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::change::CatalogChange;
use crate::{Engine, EngineError, RequestContext};
pub(crate) use access_documents::RoleDocument;
pub(crate) use access_plan::AccessPart;
pub(crate) use compare::lines;
pub(crate) use present::{Present, written};
pub(crate) use read::{ModuleFile, WantedFiles, at_file, module_file};

/// What a document describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A module with its fields.
    Module,
    /// A role with its grants and record rules.
    Role,
    /// A permission set.
    PermissionSet,
    /// A sharing rule.
    SharingRule,
    /// A workflow.
    Workflow,
}

impl Kind {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 5] = [Self::Module, Self::Role, Self::PermissionSet, Self::SharingRule, Self::Workflow];

    /// The folder of its documents.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Module => "modules",
            Self::Role => "roles",
            Self::PermissionSet => "permission-sets",
            Self::SharingRule => "sharing-rules",
            Self::Workflow => "workflows",
        }
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Module => "module",
            Self::Role => "role",
            Self::PermissionSet => "permission set",
            Self::SharingRule => "sharing rule",
            Self::Workflow => "workflow",
        }
    }

    /// The file of its JSON Schema.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Module => "module.schema.json",
            Self::Role => "role.schema.json",
            Self::PermissionSet => "permission-set.schema.json",
            Self::SharingRule => "sharing-rule.schema.json",
            Self::Workflow => "workflow.schema.json",
        }
    }
}

/// One thing's document.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What it describes.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What it says.
    pub content: Json,
}

impl Document {
    /// The file that it stands in: `modules/Vehicle.json`. Paths of faults begin with it.
    pub fn file(&self) -> String {
        format!("{}/{}.json", self.kind.folder(), self.name)
    }
}

/// Everything that is there, as documents by kind and name.
#[derive(Debug, Clone, PartialEq)]
pub struct Definitions {
    /// The documents.
    pub documents: Vec<Document>,
    /// What has none, each with its reason.
    pub left_out: Vec<String>,
}

/// What is to be there.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The documents.
    pub documents: Vec<Document>,
    /// Things whose documents cannot be read: they are wanted, but nobody knows how. With any, nothing can be applied.
    pub unread: Vec<(Kind, String)>,
    /// Of what kinds they speak: things of other kinds stay as they are, whatever `prune` says.
    pub kinds: Vec<Kind>,
    /// Takes away what is there and not wanted; else it is left.
    pub prune: bool,
    /// Who becomes the author of workflows that are new or differ; else the one that they have stays it.
    pub author: Option<Uuid>,
    /// What goes by name, whatever `prune` says.
    pub going: Going,
    /// What is written in the same transaction.
    pub beside: Option<Arc<dyn WrittenBeside>>,
}

/// Things that go one by one. What is not there is gone already.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Going {
    /// Modules, roles and workflows by name.
    pub things: Vec<(Kind, String)>,
    /// Fields by the names of their module and themselves; their modules have documents without them.
    pub fields: Vec<(String, String)>,
}

impl Going {
    /// Whether a thing goes.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        self.things.iter().any(|(of, going)| *of == kind && going == name)
    }

    /// Whether a field goes.
    pub fn has_field(&self, module: &str, field: &str) -> bool {
        self.fields.iter().any(|(of, going)| of == module && going == field)
    }
}

/// What a higher crate writes in the transaction that brings documents in, so that both are there or neither is.
pub trait WrittenBeside: Send + Sync + std::fmt::Debug {
    /// Writes it. It may be asked again after a transaction that was undone.
    fn write<'a>(&'a self, tx: &'a mut WriteTx) -> BoxFuture<'a, Result<(), EngineError>>;

    /// The plugin that comes, goes or is replaced, whose needs are not what they were.
    fn plugin(&self) -> &str;
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a thing.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is new.
    Created,
    /// It was retired, and is there again; with what differs.
    Restored(Vec<String>),
    /// What differs, a line each.
    Changed(Vec<String>),
    /// It is hidden; what it holds is kept.
    Retired,
    /// It goes for good.
    Removed,
    /// It starts no runs any more.
    SwitchedOff,
}

/// What bringing documents in did, or would do.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The change of the catalog; not applied if nothing differs.
    pub change: CatalogChange,
    /// What differs, by kind and name.
    pub differences: Vec<Difference>,
    /// What is there and not wanted, and stays; a sentence each.
    pub left: Vec<String>,
    /// The modules that there are with it.
    pub catalog: Arc<Catalog>,
}

/// Says what a workflow's document comes to; filled by the crate that knows workflows.
pub trait WorkflowDocuments: Send + Sync + std::fmt::Debug {
    /// Checks a document whole against a catalog and the roles that there will be. Paths of faults start at the document's root.
    fn check(
        &self,
        catalog: &Catalog,
        has_role: &(dyn Fn(&str) -> bool + Sync),
        document: &Json,
    ) -> Result<CheckedWorkflow, Vec<Issue>>;
}

/// What is asked of a workflow's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedWorkflow {
    /// `DRAFT`, `ACTIVE`, `PAUSED`.
    pub status: &'static str,
    /// Whether it runs with its author's rights.
    pub runs_as_author: bool,
}

impl Engine {
    /// Everything that is there, as documents.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] if the caller is no administrator.
    #[boxed]
    pub async fn definitions(&self, ctx: &RequestContext) -> Result<Definitions, EngineError> {
        refuse_others(ctx)?;
        let present = Present::fetch(self.store(), Arc::clone(&ctx.snapshot.access)).await?;
        Ok(present.definitions(ctx.catalog()))
    }

    /// Makes what is there as the documents say: one version of the catalog, one transaction, or nothing. With `dry_run` only tells what
    /// would happen.
    ///
    /// # Errors
    /// [`EngineError::Forbidden`] if the caller is no administrator; [`EngineError::Validation`] with all faults of all documents, each
    /// path beginning with the document's file.
    #[boxed]
    pub async fn apply_definitions(
        &self,
        ctx: &RequestContext,
        wanted: Wanted,
        workflows: Arc<dyn WorkflowDocuments>,
        dry_run: bool,
    ) -> Result<Applied, EngineError> {
        refuse_others(ctx)?;
        if let Some(author) = wanted.author
            && ctx.snapshot.access.user(author).is_none()
        {
            return Err(EngineError::Validation(vec![Issue::new(
                path!["author"],
                "unknownUser",
                "there is no such user",
            )]));
        }
        self.change_to_documents(ctx, WantedFiles::read(wanted)?, workflows, dry_run).await
    }
}

fn refuse_others(ctx: &RequestContext) -> Result<(), EngineError> {
    if ctx.actor.rights.administrator {
        return Ok(());
    }
    Err(EngineError::Forbidden("only administrators may read and change all definitions".to_owned()))
}
