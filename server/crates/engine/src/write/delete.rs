//! A soft delete, and what refers to the record: it goes along, or holds the record back.

use cardine_model::Value;
use cardine_model::catalog::{Field, Module, ModuleId};
use cardine_model::definition::OnDelete;
use cardine_sql::write::{Assignment, Purpose, referring_records, select_row};
use cardine_store::WriteTx;
use uuid::Uuid;

use super::{CASCADE_MAX, Writing};
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn delete(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        if_version: Option<i64>,
    ) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).delete {
            return Err(EngineError::NotFound);
        }
        let before = self.lock(tx, id, Purpose::Delete, if_version).await?;
        self.delete_locked(tx, id, before).await?;

        // What refers to a deleted record goes with it, or holds it back.
        let catalog = self.ctx.catalog();
        let mut pending = vec![(self.module.id, id)];
        let mut taken = 1;
        while let Some((target, target_id)) = pending.pop() {
            for (module, field, on_delete) in references_to(catalog, target) {
                if on_delete == OnDelete::SetNull {
                    continue;
                }
                let limit = if on_delete == OnDelete::Restrict { 1 } else { CASCADE_MAX + 1 };
                let statement = referring_records(tx.dialect(), module, field.id, limit);
                let values = [Value::Id(target_id)];
                let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
                let ids: Vec<Uuid> = (0..rows.len())
                    .filter_map(|row| rows.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok()))
                    .collect();
                if on_delete == OnDelete::Restrict && !ids.is_empty() {
                    return Err(self.held_back(module, field));
                }
                taken += ids.len();
                if taken > CASCADE_MAX {
                    return Err(EngineError::Limit(format!(
                        "this delete would take along more than {CASCADE_MAX} records"
                    )));
                }
                let dependents = Writing { ctx: self.ctx, module };
                for id in ids {
                    if let Some(before) = dependents.read_any(tx, id).await? {
                        dependents.delete_locked(tx, id, before).await?;
                        pending.push((module.id, id));
                    }
                }
            }
        }
        Ok(id)
    }

    pub(super) async fn delete_locked(&self, tx: &mut WriteTx, id: Uuid, before: Record) -> Result<(), EngineError> {
        let mut record = before.clone();
        record.set(Module::DELETED_AT, Value::DateTime(self.ctx.now));
        self.stamp_changed(&mut record, &before);
        let changed = record.changed(&before);
        let assignments: Vec<Assignment> =
            changed.iter().map(|field| Assignment::field(self.module.field(*field))).collect();
        let values = changed.iter().map(|field| record.get(*field).clone()).collect();
        self.store_update(tx, id, &assignments, values).await?;
        self.record_change(tx, "DELETED", id, Some(&before), Some(&record)).await
    }

    /// The record whoever may see it: a cascade does not stop at what its cause may see.
    pub(super) async fn read_any(&self, tx: &mut WriteTx, id: Uuid) -> Result<Option<Record>, EngineError> {
        let everything = cardine_access::Grants { administrator: true, ..cardine_access::Grants::default() };
        let rights = cardine_access::Rights::resolve(self.ctx.catalog(), &[&everything], true);
        let statement = select_row(tx.dialect(), self.ctx.catalog(), &rights, self.module.id, Purpose::Delete);
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        Ok((!rows.is_empty()).then(|| Record::from_row(self.module, &rows, 0)))
    }

    pub(super) fn held_back(&self, module: &Module, field: &Field) -> EngineError {
        let visible = self.ctx.actor.rights.can_read(module.id, field.id);
        let by = if visible { format!("records of {}", module.plural) } else { "other records".to_owned() };
        EngineError::Conflict {
            message: format!("{by} refer to this record, so it can't be deleted"),
            issues: Vec::new(),
        }
    }
}

/// The references of all modules that may lead to `target`, with what a delete does to them.
pub(super) fn references_to(
    catalog: &cardine_model::Catalog,
    target: ModuleId,
) -> impl Iterator<Item = (&Module, &Field, OnDelete)> {
    catalog.modules.iter().filter(|module| !module.platform && module.link.is_none()).flat_map(move |module| {
        module.fields.iter().filter_map(move |field| {
            let reference = field.reference()?;
            reference.targets.contains(&target).then_some((module, field, reference.on_delete))
        })
    })
}
