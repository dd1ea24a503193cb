//! Writing: one transaction for all mutations of an operation; row, audit entry and outbox event commit together.

mod create;
mod delete;
mod history;
mod input;
mod many_to_many;
mod rules;
mod targets;
mod update;

use std::collections::BTreeMap;
use std::sync::Arc;

use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_query::{Authorised, List};
use cardine_sql::write::{Purpose, lock_rows};
use cardine_sql::{Found, render_list};
use cardine_store::{Bindings, StoreError, WriteTx};
use futures_util::FutureExt as _;
use uuid::Uuid;

pub use many_to_many::LinkChange;
use many_to_many::change_links;

use crate::read::{Tx, fetch_list};
use crate::{Engine, EngineError, ListResult, RequestContext};

/// Most records that one delete takes along by `CASCADE`.
pub const CASCADE_MAX: usize = 5_000;

/// One mutation.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a record.
    Create {
        /// Its module.
        module: ModuleId,
        /// Values by field, each of its field's scalar type; a reference's is an id. What is left out gets its default.
        data: Vec<(FieldId, Value)>,
    },
    /// Changes a record.
    Update {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// The values to change; null clears.
        data: Vec<(FieldId, Value)>,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
    /// Deletes a record softly.
    Delete {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
}

impl Write {
    /// The module of the record that it is about.
    pub fn module(&self) -> ModuleId {
        match self {
            Self::Create { module, .. } | Self::Update { module, .. } | Self::Delete { module, .. } => *module,
        }
    }
}

/// A mutation, and what is asked of the record afterwards.
#[derive(Debug, Clone)]
pub struct MutationStep {
    /// What is written.
    pub write: Write,
    /// What becomes of the written record's links.
    pub links: Vec<LinkChange>,
    /// The answer's list: its filter compares the id with slot 0.
    pub then: Authorised<List>,
    /// The values of that list from slot 1 on; slot 0 is the record's id.
    pub values: Vec<Value>,
}

/// What a mutation did.
#[derive(Debug)]
pub struct MutationResult {
    /// The record.
    pub id: Uuid,
    /// The answer to the step's list.
    pub list: ListResult,
}

impl Engine {
    /// Runs mutations in order in one transaction: all take effect, or none.
    ///
    /// A failed step is told with its position among the steps.
    pub async fn mutate(
        &self,
        ctx: &RequestContext,
        steps: Vec<MutationStep>,
    ) -> Result<Vec<MutationResult>, FailedStep> {
        let shared = Arc::new((ctx.clone(), steps));
        let results = self
            .store()
            .until(ctx.deadline)
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                async move {
                    let (ctx, steps) = &*shared;
                    lock_in_order(tx, ctx, steps).await?;
                    let mut results = Vec::with_capacity(steps.len());
                    for (position, step) in steps.iter().enumerate() {
                        let result = run_step(tx, ctx, step).await;
                        results.push(result.map_err(|error| FailedStep { position, error })?);
                    }
                    Ok::<_, FailedStep>(results)
                }
                .boxed()
            })
            .await?;
        self.wake_event_readers();
        Ok(results)
    }
}

/// The mutation that failed, and why. Nothing of the operation took effect.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct FailedStep {
    /// Its position among the steps; that of the first one when the failure belongs to all.
    pub position: usize,
    /// Why.
    pub error: EngineError,
}

impl From<StoreError> for FailedStep {
    fn from(error: StoreError) -> Self {
        Self { position: 0, error: error.into() }
    }
}

/// Locks what several steps will write, before the first of them does.
async fn lock_in_order(tx: &mut WriteTx, ctx: &RequestContext, steps: &[MutationStep]) -> Result<(), StoreError> {
    let mut written: BTreeMap<ModuleId, (Vec<Uuid>, Purpose)> = BTreeMap::new();
    for step in steps {
        let (module, id, purpose) = match &step.write {
            Write::Create { .. } => continue,
            Write::Update { module, id, .. } => (*module, *id, Purpose::Update),
            Write::Delete { module, id, .. } => (*module, *id, Purpose::Delete),
        };
        let (ids, strongest) = written.entry(module).or_insert_with(|| (Vec::new(), purpose));
        ids.push(id);
        if purpose == Purpose::Delete {
            *strongest = purpose;
        }
    }
    if steps.len() < 2 {
        return Ok(());
    }
    for (module, (ids, purpose)) in &written {
        if let Some(statement) = lock_rows(tx.dialect(), ctx.catalog().module(*module), *purpose) {
            tx.query(&statement, &Bindings { parents: ids, ..ctx.bindings(&[]) }).await?;
        }
    }
    Ok(())
}

async fn run_step(tx: &mut WriteTx, ctx: &RequestContext, step: &MutationStep) -> Result<MutationResult, EngineError> {
    let id = apply(tx, ctx, &step.write).await?;
    change_links(tx, ctx, ctx.catalog().module(step.write.module()), id, &step.links).await?;
    let statements = render_list(tx.dialect(), ctx.catalog(), &ctx.actor.rights, &step.then, Found::Written);
    let mut values = vec![Value::Id(id)];
    values.extend(step.values.iter().cloned());
    let list = fetch_list(&mut Tx::Write(tx), &statements, ctx.bindings(&values)).await?;
    Ok(MutationResult { id, list })
}

/// Runs one write inside a transaction; gives the record's id.
pub async fn apply(tx: &mut WriteTx, ctx: &RequestContext, write: &Write) -> Result<Uuid, EngineError> {
    let module = ctx.catalog().module(write.module());
    let writer = Writing { ctx, module };
    match write {
        Write::Create { data, .. } => writer.create(tx, data).await,
        Write::Update { id, data, if_version, .. } => writer.update(tx, *id, data, *if_version).await,
        Write::Delete { id, if_version, .. } => writer.delete(tx, *id, *if_version).await,
    }
}

struct Writing<'a> {
    ctx: &'a RequestContext,
    module: &'a Module,
}

fn refuse(issues: Vec<Issue>) -> Result<(), EngineError> {
    if issues.is_empty() { Ok(()) } else { Err(EngineError::Validation(issues)) }
}

fn data_path() -> Vec<PathSegment> {
    path!["data"]
}
