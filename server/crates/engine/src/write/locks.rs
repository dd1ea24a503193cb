//! What writes lock before they touch a row, so that none waits for another in a circle.
//!
//! PostgreSQL takes a second to see such a circle, and all who write the same records wait meanwhile. So operations take locks in
//! one order: a record with stored rollups comes before the records that these are computed over, as it does for who deletes it
//! with them; and records of one module by their ids. What an operation meets later (a cascade, a hook's writes) is locked then:
//! who is in a circle all the same runs again, while nobody else writes.

use async_recursion::async_recursion as boxed;
use std::collections::{BTreeMap, BTreeSet};

use cardine_model::Value;
use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId};
use cardine_sql::Dialect;
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which, lock_rows};
use cardine_store::{Bindings, WriteTx};
use uuid::Uuid;

use super::rules::find_holders;
use super::{Data, ToOne, Write, Writing};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Locks what these writes are about, and the records whose stored rollups they change, before the first of them runs.
pub(super) async fn lock_in_order<'w>(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    writes: impl ExactSizeIterator<Item = &'w Write>,
) -> Result<(), EngineError> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    // A single write takes its own records in the order of their ids.
    let is_several = writes.len() > 1;
    if !is_several && ctx.catalog().stored_rollups.is_empty() {
        return Ok(());
    }
    let mut locks = Locks { ctx, records: BTreeMap::new() };
    for write in writes {
        locks.add_write(tx, write).await?;
    }
    if !is_several && !locks.records.keys().any(|module| has_stored_rollups(ctx.catalog().module(*module))) {
        return Ok(());
    }
    let mut records: Vec<_> = locks.records.into_iter().collect();
    records.sort_by_key(|(module, _)| (levels_above(ctx.catalog(), *module), *module));
    for (module, (ids, purpose)) in records {
        if let Some(statement) = lock_rows(tx.dialect(), ctx.catalog().module(module), purpose) {
            let ids: Vec<Uuid> = ids.into_iter().collect();
            tx.query(&statement, &Bindings { parents: &ids, ..ctx.bindings(&[]) }).await?;
        }
    }
    Ok(())
}

fn has_stored_rollups(module: &Module) -> bool {
    module.stored_rollups().next().is_some()
}

/// How many modules with stored rollups stand above one another over this one; modules in a circle have as many as all.
fn levels_above(catalog: &Catalog, module: ModuleId) -> usize {
    let mut reached = BTreeSet::from([module]);
    for level in 0.. {
        let over =
            |below: &ModuleId| catalog.stored_rollups.get(below).into_iter().flatten().map(|stored| stored.module);
        let next: BTreeSet<ModuleId> = reached.iter().flat_map(over).collect();
        if next.is_empty() || level > catalog.modules.len() {
            return level;
        }
        reached = next;
    }
    0
}

struct Locks<'a> {
    ctx: &'a RequestContext,
    records: BTreeMap<ModuleId, (BTreeSet<Uuid>, Purpose)>,
}

impl<'a> Locks<'a> {
    async fn add_write(&mut self, tx: &mut WriteTx, write: &Write) -> Result<(), EngineError> {
        let Some(module) = write.module() else { return Ok(()) };
        let (update, delete) = (Purpose::Update, Purpose::Delete);
        match write {
            Write::Create { data, .. } => self.add_data(tx, module, data).await?,
            Write::Upsert { key, data, .. } => {
                self.add_held(tx, module, std::slice::from_ref(key)).await?;
                self.add_data(tx, module, data).await?;
            }
            Write::CreateMany { data, .. } => {
                for data in data {
                    self.add_data(tx, module, data).await?;
                }
            }
            Write::UpsertMany { entries, .. } => {
                let keys: Vec<_> = entries.iter().map(|entry| entry.key.clone()).collect();
                self.add_held(tx, module, &keys).await?;
                for entry in entries {
                    self.add_data(tx, module, &entry.data).await?;
                }
            }
            Write::Update { id, data, .. } => {
                self.add_records(tx, module, &[*id], update).await?;
                self.add_data(tx, module, data).await?;
            }
            Write::Convert { id, .. } => self.add_records(tx, module, &[*id], update).await?,
            Write::Delete { id, .. } | Write::Restore { id, .. } | Write::Destroy { id, .. } => {
                self.add_records(tx, module, &[*id], delete).await?;
            }
            Write::Merge { ids, into, data, .. } => {
                let ids: Vec<Uuid> = ids.iter().copied().chain([*into]).collect();
                self.add_records(tx, module, &ids, delete).await?;
                self.add_data(tx, module, data).await?;
            }
            Write::UpdateMany { list, values, limit, data } => {
                self.add_holders(tx, module, Which::Filter(list), &[], values, Some(limit + 1)).await?;
                self.add_data(tx, module, data).await?;
            }
            Write::DeleteMany { list, values, limit }
            | Write::RestoreMany { list, values, limit }
            | Write::DestroyMany { list, values, limit } => {
                self.add_holders(tx, module, Which::Filter(list), &[], values, Some(limit + 1)).await?;
            }
            Write::MarkNotificationsRead { .. } => {}
        }
        Ok(())
    }

    fn add(&mut self, module: ModuleId, ids: impl IntoIterator<Item = Uuid>, purpose: Purpose) {
        let (known, strongest) = self.records.entry(module).or_insert_with(|| (BTreeSet::new(), purpose));
        known.extend(ids);
        if purpose == Purpose::Delete {
            *strongest = purpose;
        }
    }

    /// The records that have these unique values. Whose key is not as it is stored is found when it is taken.
    async fn add_held(
        &mut self,
        tx: &mut WriteTx,
        module: ModuleId,
        keys: &[Vec<(FieldId, Value)>],
    ) -> Result<(), EngineError> {
        let held = find_holders(tx, self.ctx.catalog().module(module), keys).await?;
        let ids: Vec<Uuid> = held.into_iter().flatten().collect();
        if ids.is_empty() { Ok(()) } else { self.add_records(tx, module, &ids, Purpose::Update).await }
    }

    /// Records that are written, and those whose rollups are computed over them.
    async fn add_records(
        &mut self,
        tx: &mut WriteTx,
        module: ModuleId,
        ids: &[Uuid],
        purpose: Purpose,
    ) -> Result<(), EngineError> {
        self.add(module, ids.iter().copied(), purpose);
        self.add_holders(tx, module, Which::Ids, ids, &[], None).await
    }

    /// The records whose rollups are computed over these, as they are now, of those that the caller may see. One that gets another
    /// place until it is locked is the rare case.
    async fn add_holders(
        &mut self,
        tx: &mut WriteTx,
        module: ModuleId,
        which: Which<'_>,
        ids: &[Uuid],
        values: &[Value],
        limit: Option<usize>,
    ) -> Result<(), EngineError> {
        if !self.ctx.catalog().stored_rollups.contains_key(&module) {
            return Ok(());
        }
        // Deleted ones too: they may be back when they are taken.
        let (purpose, life) = (Purpose::Look, Life::Any);
        let selection = Selection { which, purpose, reach: Reach::Caller, life, limit };
        let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(module) };
        for record in writing.take(tx, selection, ids, values).await? {
            self.add_led_to(module, |field| record_id(&record, field));
        }
        Ok(())
    }

    /// The records with stored rollups that the references of a record of this module lead to.
    fn add_led_to(&mut self, module: ModuleId, target: impl Fn(FieldId) -> Option<Uuid>) {
        let catalog = self.ctx.catalog();
        for stored in catalog.stored_rollups.get(&module).into_iter().flatten() {
            self.add(stored.module, target(stored.reference), Purpose::Update);
        }
    }

    /// What the data of a record of `module` lead to, and the data inside them.
    #[boxed]
    async fn add_data(&mut self, tx: &mut WriteTx, module: ModuleId, data: &Data) -> Result<(), EngineError> {
        self.add_led_to(module, |field| given_id(data, field));
        let module = self.ctx.catalog().module(module);
        for (field, to) in &data.to_one {
            let target = module.field(*field).reference().and_then(|reference| reference.targets.first());
            if let (ToOne::Create(data), Some(target)) = (to, target) {
                self.add_data(tx, *target, data).await?;
            }
        }
        for (relation, to) in &data.to_many {
            let related = module.relation(*relation).module;
            for data in &to.create {
                self.add_data(tx, related, data).await?;
            }
            for ids in [Some(&to.connect), Some(&to.disconnect), to.set.as_ref()].into_iter().flatten() {
                self.add_holders(tx, related, Which::Ids, ids, &[], None).await?;
            }
        }
        Ok(())
    }
}

fn record_id(record: &Record, field: FieldId) -> Option<Uuid> {
    match record.get(field) {
        Value::Id(id) => Some(*id),
        _ => None,
    }
}

fn given_id(data: &Data, field: FieldId) -> Option<Uuid> {
    let value = data.values.iter().find(|(given, _)| *given == field).map(|(_, value)| value);
    let connected = data.to_one.iter().find(|(given, _)| *given == field).map(|(_, to)| to);
    match (value, connected) {
        (Some(Value::Id(id)), _) | (None, Some(ToOne::Connect(id))) => Some(*id),
        _ => None,
    }
}
