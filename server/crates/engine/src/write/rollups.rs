//! Stored rollups are kept by the transaction that changes what they are made of: computed anew under the locks of their records.
//!
//! Whoever changes a related record takes the lock of the record with the rollup, and then computes with what has been committed by
//! those who held it before. Writes that are known to do so take these locks first ([`super::locks`]).

use std::collections::{BTreeMap, BTreeSet};

use cardine_access::Rights;
use cardine_model::Value;
use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId, StoredRollup};
use cardine_sql::write::{Keeping, Purpose, keep_rollup, lock_rows};
use cardine_store::{Bindings, StoreError, WriteTx};
use uuid::Uuid;

use super::history::Change;
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Computes the stored rollups that changes touch; the rows are written already.
pub(super) async fn keep(tx: &mut WriteTx, ctx: &RequestContext, changes: &[Change<'_>]) -> Result<(), EngineError> {
    let catalog = ctx.catalog();
    if catalog.stored_rollups.is_empty() {
        return Ok(());
    }
    let mut touched: BTreeMap<ModuleId, BTreeMap<FieldId, BTreeSet<Uuid>>> = BTreeMap::new();
    for change in changes {
        let over = catalog.stored_rollups.get(&change.module.id).map(Vec::as_slice).unwrap_or_default();
        for stored in over {
            let ids = touched_by(change, stored);
            if !ids.is_empty() {
                touched.entry(stored.module).or_default().entry(stored.field).or_default().extend(ids);
            }
        }
        // A new record's are those of no related ones: a count is 0.
        if change.before.is_none() && change.after.is_some() {
            for field in change.module.stored_rollups() {
                touched.entry(change.module.id).or_default().entry(field.id).or_default().insert(change.id);
            }
        }
    }
    for (module, fields) in touched {
        let module = catalog.module(module);
        let all: BTreeSet<Uuid> = fields.values().flatten().copied().collect();
        lock(tx, module, &all.into_iter().collect::<Vec<_>>()).await?;
        for (field, ids) in fields {
            let ids: Vec<Uuid> = ids.into_iter().collect();
            compute(tx, (catalog, &*ctx.actor.rights), (module, field), &ids).await?;
        }
    }
    Ok(())
}

/// Lets others who write these records wait until the transaction ends.
pub(crate) async fn lock(tx: &mut WriteTx, module: &Module, ids: &[Uuid]) -> Result<(), StoreError> {
    if let Some(statement) = lock_rows(tx.dialect(), module, Purpose::Update) {
        tx.query(&statement, &Bindings { parents: ids, ..Bindings::default() }).await?;
    }
    Ok(())
}

/// Computes a stored rollup of these records, which are locked.
pub(crate) async fn compute(
    tx: &mut WriteTx,
    (catalog, rights): (&Catalog, &Rights),
    (module, field): (&Module, FieldId),
    ids: &[Uuid],
) -> Result<(), StoreError> {
    let statement = keep_rollup(tx.dialect(), catalog, rights, (module, module.field(field)), Keeping::Ids);
    tx.execute(&statement, &Bindings { parents: ids, ..Bindings::default() }).await.map(|_| ())
}

/// The records whose rollup is another one by a change. A deleted record is in none.
fn touched_by(change: &Change<'_>, stored: &StoredRollup) -> Vec<Uuid> {
    let live = |record: Option<&'_ Record>| -> Option<Vec<Value>> {
        let record = record.filter(|record| record.get(Module::DELETED_AT).is_null())?;
        let read = std::iter::once(&stored.reference).chain(&stored.reads);
        Some(read.map(|field| record.get(*field).clone()).collect())
    };
    let (before, after) = (live(change.before), live(change.after));
    if before == after {
        return Vec::new();
    }
    let led_to = |values: &Option<Vec<Value>>| match values.as_ref().and_then(|values| values.first()) {
        Some(Value::Id(id)) => Some(*id),
        _ => None,
    };
    led_to(&before).into_iter().chain(led_to(&after)).collect()
}
