//! The port to what follows an event: higher crates say which runs a change of a record queues.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use cardine_model::catalog::{FieldId, Module, ModuleId, RelationId};
use cardine_model::renaming::Renaming;
use cardine_model::{Catalog, Value};
use cardine_store::platform::workflows::NewRun;
use cardine_store::{BoxFuture, Store};
use serde_json::Value as Json;
use uuid::Uuid;

use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Longest chain of causes: an event this deep queues nothing more.
pub const CAUSE_DEPTH_MAX: u32 = 16;

/// A change of a record, inside its transaction.
#[derive(Debug)]
pub struct RecordEvent<'a> {
    /// The request that caused it.
    pub ctx: &'a RequestContext,
    /// The record's module.
    pub module: &'a Module,
    /// `CREATED`, `UPDATED`, `DELETED`.
    pub kind: &'static str,
    /// The record.
    pub id: Uuid,
    /// Before; `None` for a new record.
    pub before: Option<&'a Record>,
    /// After.
    pub after: &'a Record,
    /// What differs.
    pub changed: &'a [FieldId],
    /// The relation whose links differ, where that is what has changed.
    pub relation: Option<RelationId>,
}

/// Says which runs an event queues. It belongs to a snapshot, so it is over that snapshot's catalog. Whoever made it gets it back
/// from the snapshot as [`Any`].
pub trait EventMatcher: Any + Send + Sync + Debug {
    /// The runs to queue in the event's own transaction.
    fn runs(&self, event: &RecordEvent<'_>) -> Vec<NewRun>;

    /// Whether changes of this module's records are shown to [`Self::before_commit`].
    fn is_asked_before_commit(&self, module: ModuleId) -> bool;

    /// What else a change sets of its record, in the types of the fields, be it as it was; or why it is not to be. For one that deletes, nothing is set.
    fn before_commit(&self, event: &RecordEvent<'_>) -> Result<Vec<(FieldId, Value)>, Refusal>;
}

/// Why a change is not to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For whoever asked for the change.
    pub message: String,
    /// The fields at fault; none if it is the record as a whole.
    pub fields: Vec<FieldId>,
}

/// Makes the matcher of a snapshot; called when the catalog or the access epoch has changed.
pub trait EventMatcherLoader: Send + Sync {
    /// Reads what there is in the database.
    fn load<'a>(
        &'a self,
        store: &'a Store,
        catalog: &'a Catalog,
    ) -> BoxFuture<'a, Result<Arc<dyn EventMatcher>, EngineError>>;

    /// A kept document with the names that modules and fields of `catalog` have from now on.
    fn renamed(&self, catalog: &Catalog, renaming: &Renaming, document: Json) -> Json;

    /// Whether a kept document makes no sense without these fields and modules of `catalog`.
    fn needs(&self, catalog: &Catalog, document: &Json, fields: &[(ModuleId, FieldId)], modules: &[ModuleId]) -> bool;
}

/// Queues nothing: the matcher of an engine without workflows.
#[derive(Debug)]
pub(crate) struct NoRuns;

impl EventMatcher for NoRuns {
    fn runs(&self, _event: &RecordEvent<'_>) -> Vec<NewRun> {
        Vec::new()
    }

    fn is_asked_before_commit(&self, _module: ModuleId) -> bool {
        false
    }

    fn before_commit(&self, _event: &RecordEvent<'_>) -> Result<Vec<(FieldId, Value)>, Refusal> {
        Ok(Vec::new())
    }
}
