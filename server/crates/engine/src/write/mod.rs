//! Writing: one transaction for all mutations of an operation; row, audit entry and outbox event commit together.

mod assignment;
mod batch;
mod before_commit;
mod calendar_shares;
mod clocks;
mod convert;
mod create;
mod delete;
mod destroy;
mod files;
mod hierarchy;
mod history;
mod hooks;
mod input;
mod links;
mod locks;
mod many_to_many;
mod mentions;
mod merge;
mod nested;
mod operation;
mod recurrence;
mod restore;
mod rollups;
mod rules;
mod stages;
mod targets;
mod transfer;
mod update;
mod upsert;

use async_recursion::async_recursion as boxed;
use cardine_model::catalog::{FieldId, Module, ModuleId, RelationId};
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_query::{Authorised, List};
use cardine_store::WriteTx;
use cardine_store::platform::notifications::mark_read;
use uuid::Uuid;

use crate::read::Tx;
use crate::{EngineError, RequestContext, notifications};

pub use many_to_many::LinkChange;
pub use operation::{ANSWER_RETENTION, FailedStep, Mutated, MutationResult, MutationStep, Once};
pub(crate) use rollups::{compute as compute_rollup, lock as lock_rollups};

/// Most records that setting a relation disconnects.
const SET_APART_MAX: usize = 5_000;
/// Most records that one mutation takes along: by `CASCADE`, or by moving what refers to them.
pub const CASCADE_MAX: usize = 5_000;

/// One mutation.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a record.
    Create {
        /// Its module.
        module: ModuleId,
        /// What is left out gets its default.
        data: Data,
    },
    /// Makes records.
    CreateMany {
        /// Their module.
        module: ModuleId,
        /// A record's each.
        data: Vec<Data>,
    },
    /// Changes a record.
    Update {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// What to change; null clears.
        data: Data,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
    /// Changes the records of a filter which the caller may change, all in the same way.
    UpdateMany {
        /// The list whose filter tells which.
        list: Authorised<List>,
        /// What that list's slots name.
        values: Vec<Value>,
        /// Refuses if there are more.
        limit: usize,
        /// What to change; null clears. Nothing nested.
        data: Data,
    },
    /// Changes the record that has these unique values, or makes it.
    Upsert {
        /// Its module.
        module: ModuleId,
        /// The values of a unique set of fields.
        key: Vec<(FieldId, Value)>,
        /// What to change, or to make it of; of the latter the key is a part.
        data: Data,
    },
    /// Changes the records that have unique values, and makes those that nobody has.
    UpsertMany {
        /// Their module.
        module: ModuleId,
        /// For each record what tells it, and its data.
        entries: Vec<Keyed>,
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
    /// Deletes the records of a filter softly, those which the caller may delete.
    DeleteMany {
        /// The list whose filter tells which.
        list: Authorised<List>,
        /// What that list's slots name.
        values: Vec<Value>,
        /// Refuses if there are more.
        limit: usize,
    },
    /// Takes a soft delete back.
    Restore {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
    },
    /// Takes the soft deletes of the records of a filter back, of those that the caller may delete.
    RestoreMany {
        /// The list whose filter tells which.
        list: Authorised<List>,
        /// What that list's slots name.
        values: Vec<Value>,
        /// Refuses if there are more.
        limit: usize,
    },
    /// Removes a record for good, deleted before or not.
    Destroy {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
    },
    /// Removes the records of a filter for good, those that the caller may delete.
    DestroyMany {
        /// The list whose filter tells which, and whether deleted ones are among them.
        list: Authorised<List>,
        /// What that list's slots name.
        values: Vec<Value>,
        /// Refuses if there are more.
        limit: usize,
    },
    /// Makes one record of several: whatever refers to the others refers to it afterwards, and the others are deleted softly.
    Merge {
        /// Their module.
        module: ModuleId,
        /// The others; the survivor may be among them.
        ids: Vec<Uuid>,
        /// The survivor.
        into: Uuid,
        /// What to change of the survivor.
        data: Data,
        /// Tells what would be, and changes nothing.
        dry_run: bool,
    },
    /// Makes other records of one, as its module declares it.
    Convert {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// Which of the module's conversions, by its position.
        conversion: usize,
        /// What is given for the targets of the conversion, by their names.
        given: Vec<(String, Converted)>,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
    /// Marks the caller's own notifications as read.
    MarkNotificationsRead {
        /// Which; `None` for all.
        ids: Option<Vec<Uuid>>,
    },
}

/// What a record is converted to.
#[derive(Debug, Clone, PartialEq)]
pub enum Converted {
    /// A new record, with these values beside those that are mapped.
    New(Data),
    /// A record that is there.
    Existing(Uuid),
}

impl Write {
    /// The module of the records that it is about; none where it is about no records.
    pub fn module(&self) -> Option<ModuleId> {
        Some(match self {
            Self::Create { module, .. }
            | Self::CreateMany { module, .. }
            | Self::Update { module, .. }
            | Self::Upsert { module, .. }
            | Self::UpsertMany { module, .. }
            | Self::Delete { module, .. }
            | Self::Restore { module, .. }
            | Self::Destroy { module, .. }
            | Self::Merge { module, .. }
            | Self::Convert { module, .. } => *module,
            Self::UpdateMany { list, .. }
            | Self::DeleteMany { list, .. }
            | Self::RestoreMany { list, .. }
            | Self::DestroyMany { list, .. } => list.get().module,
            Self::MarkNotificationsRead { .. } => return None,
        })
    }
}

/// A record by its unique values, and what is given for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Keyed {
    /// The values of a unique set of fields.
    pub key: Vec<(FieldId, Value)>,
    /// What to change, or to make it of; of the latter the key is a part.
    pub data: Data,
}

/// What a caller gives for one record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Data {
    /// Values by field, each of its field's scalar type; a reference's is an id.
    pub values: Vec<(FieldId, Value)>,
    /// References given by the record that they lead to.
    pub to_one: Vec<(FieldId, ToOne)>,
    /// Records on the other side of a reference.
    pub to_many: Vec<(RelationId, ToMany)>,
    /// What becomes of many-to-many relations.
    pub links: Vec<LinkChange>,
}

impl From<Vec<(FieldId, Value)>> for Data {
    fn from(values: Vec<(FieldId, Value)>) -> Self {
        Self { values, ..Self::default() }
    }
}

/// What a reference is to lead to.
#[derive(Debug, Clone, PartialEq)]
pub enum ToOne {
    /// A record that is there.
    Connect(Uuid),
    /// A new one.
    Create(Data),
}

/// What is to become of the records whose reference leads to this one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToMany {
    /// New ones.
    pub create: Vec<Data>,
    /// These are to lead here.
    pub connect: Vec<Uuid>,
    /// These no longer.
    pub disconnect: Vec<Uuid>,
    /// These and no others, of those that the caller may change.
    pub set: Option<Vec<Uuid>>,
}

/// Runs one write inside a transaction; gives the ids of the records that it is about, in the order of its argument, or of the
/// ids for one with a filter.
#[boxed]
pub async fn apply(tx: &mut WriteTx, ctx: &RequestContext, write: &Write) -> Result<Vec<Uuid>, EngineError> {
    locks::lock_in_order(tx, ctx, std::iter::once(write)).await?;
    apply_locked(tx, ctx, write).await
}

/// The same for one of several writes, which were locked together.
#[boxed]
async fn apply_locked(tx: &mut WriteTx, ctx: &RequestContext, write: &Write) -> Result<Vec<Uuid>, EngineError> {
    let Some(module) = write.module() else { return mark_notifications_read(tx, ctx, write).await };
    let writer = Writing { ctx, module: ctx.catalog().module(module) };
    match write {
        Write::Create { data, .. } => writer.create(tx, std::slice::from_ref(data), false).await,
        Write::CreateMany { data, .. } => writer.create(tx, data, true).await,
        Write::Update { id, data, if_version, .. } => writer.update(tx, *id, data, *if_version).await,
        Write::UpdateMany { list, values, limit, data } => writer.update_many(tx, list, values, *limit, data).await,
        Write::Upsert { key, data, .. } => {
            let entry = Keyed { key: key.clone(), data: data.clone() };
            writer.upsert(tx, std::slice::from_ref(&entry), false).await
        }
        Write::UpsertMany { entries, .. } => writer.upsert(tx, entries, true).await,
        Write::Delete { id, if_version, .. } => writer.delete(tx, *id, *if_version).await,
        Write::DeleteMany { list, values, limit } => writer.delete_many(tx, list, values, *limit).await,
        Write::Restore { id, .. } => writer.restore(tx, *id).await,
        Write::RestoreMany { list, values, limit } => writer.restore_many(tx, list, values, *limit).await,
        Write::Destroy { id, .. } => writer.destroy(tx, *id).await,
        Write::DestroyMany { list, values, limit } => writer.destroy_many(tx, list, values, *limit).await,
        Write::Merge { ids, into, data, .. } => writer.merge(tx, ids, *into, data).await,
        Write::Convert { id, conversion, given, if_version, .. } => {
            writer.convert(tx, *id, *conversion, given, *if_version).await
        }
        Write::MarkNotificationsRead { .. } => Err(EngineError::Internal),
    }
}

/// Nobody's but the caller's own are marked, whatever ids are given, and of them those that are shown to the caller.
async fn mark_notifications_read(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    write: &Write,
) -> Result<Vec<Uuid>, EngineError> {
    let (Write::MarkNotificationsRead { ids }, Some(user)) = (write, ctx.actor.user) else { return Ok(Vec::new()) };
    if !ctx.actor.rights.whole {
        return Err(EngineError::Forbidden("a key with scopes does not mark notifications".to_owned()));
    }
    let seen = notifications::seen(&mut Tx::Write(tx), ctx, user).await?;
    let is_asked = |id: &Uuid| ids.as_ref().is_none_or(|ids| ids.contains(id));
    let unread = seen.iter().filter(|notice| notice.read_at.is_none()).map(|notice| notice.id);
    let meant: Vec<Uuid> = unread.filter(is_asked).collect();
    Ok(mark_read(tx, user, &meant, ctx.now).await?)
}

/// The records of one module, and who writes them.
#[derive(Clone, Copy)]
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

/// A path and what follows.
fn below(path: &[PathSegment], more: impl IntoIterator<Item = PathSegment>) -> Vec<PathSegment> {
    path.iter().cloned().chain(more).collect()
}

#[cfg(test)]
mod tests;
