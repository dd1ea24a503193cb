//! Soft deletes, and what refers to the records: it goes along, or holds them back.

use std::sync::Arc;

use cardine_model::Value;
use cardine_model::catalog::{Catalog, Field, FieldId, Module, ModuleId};
use cardine_model::definition::OnDelete;
use cardine_query::{Authorised, List};
use cardine_sql::write::{Assignment, Life, Purpose, Reach, Selection, Which, referring_ids, update_rows};
use cardine_store::{Bindings, WriteTx};
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::history::{Change, tell};
use super::hooks::ask_about;
use super::rules::id_at;
use super::update::{check_version, id_of};
use super::{CASCADE_MAX, Writing};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Records of one module that are taken away, or brought back, with those that it concerns.
pub(super) struct Taken<'a> {
    pub module: &'a Module,
    pub records: Vec<Record>,
}

impl Taken<'_> {
    pub fn ids(&self) -> Vec<Uuid> {
        self.records.iter().filter_map(id_of).collect()
    }

    /// When each of them was deleted.
    fn deleted_at(&self) -> FxHashMap<Uuid, Value> {
        let deleted_at = |record: &Record| Some((id_of(record)?, record.get(Module::DELETED_AT).clone()));
        self.records.iter().filter_map(deleted_at).collect()
    }
}

impl<'a> Writing<'a> {
    pub(super) async fn delete(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        if_version: Option<i64>,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let before = self.take_one(tx, id, Purpose::Delete, Life::Live).await?;
        check_version(&before, if_version)?;
        self.delete_taken(tx, vec![before], "DELETED").await?;
        Ok(vec![id])
    }

    pub(super) async fn delete_many(
        &self,
        tx: &mut WriteTx,
        list: &Authorised<List>,
        values: &[Value],
        limit: usize,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_delete()?;
        let records = self.take_filtered(tx, list, values, limit, (Purpose::Delete, Life::Live)).await?;
        let ids = records.iter().filter_map(id_of).collect();
        self.delete_taken(tx, records, "DELETED").await?;
        Ok(ids)
    }

    /// Deletes these and what goes along with them. `action` is what the audit says of these.
    pub(super) async fn delete_taken(
        &self,
        tx: &mut WriteTx,
        records: Vec<Record>,
        action: &'static str,
    ) -> Result<(), EngineError> {
        let all = self.with_dependents(tx, records, Life::Live, &[]).await?;
        self.check_held_back(tx, &all).await?;
        ask_about(tx, self.ctx, &all, "delete").await?;
        for (position, taken) in all.iter().enumerate() {
            let action = if position == 0 { action } else { "DELETED" };
            let deleted = Value::DateTime(self.ctx.now);
            set_deleted_at(tx, self.ctx, taken, &deleted, action, "DELETED").await?;
        }
        Ok(())
    }

    /// These, and in turn what refers to them by `CASCADE`, level by level. `life` and `values` tell which of them; of those that were
    /// deleted at certain instants the ones that went along with what they refer to.
    pub(super) async fn with_dependents(
        &self,
        tx: &mut WriteTx,
        records: Vec<Record>,
        life: Life,
        values: &[Value],
    ) -> Result<Vec<Taken<'a>>, EngineError> {
        let catalog = self.ctx.catalog();
        let mut seen: FxHashSet<Uuid> = records.iter().filter_map(id_of).collect();
        let roots = seen.len();
        let mut all = vec![Taken { module: self.module, records }];
        let mut next = 0;
        while next < all.len() {
            let (target, ids) = (all[next].module.id, all[next].ids());
            let deleted_at = match life {
                Life::DeletedAt(_) => Some(all[next].deleted_at()),
                Life::Live | Life::Deleted | Life::Any => None,
            };
            next += 1;
            for (module, field, _) in references_to(catalog, target).filter(|(.., what)| *what == OnDelete::Cascade) {
                let (which, most) = (Which::Referring(field.id), CASCADE_MAX + 1 + seen.len());
                let limit = Some(most);
                let selection = Selection { which, purpose: Purpose::Delete, reach: Reach::All, life, limit };
                let mut found = Writing { ctx: self.ctx, module }.take(tx, selection, &ids, values).await?;
                let may_be_more = found.len() == most;
                if let Some(deleted_at) = &deleted_at {
                    let with = |record: &Record| match record.get(field.id) {
                        Value::Id(id) => deleted_at.get(id),
                        _ => None,
                    };
                    found.retain(|record| with(record) == Some(record.get(Module::DELETED_AT)));
                }
                found.retain(|record| id_of(record).is_some_and(|id| seen.insert(id)));
                if may_be_more || seen.len() - roots > CASCADE_MAX {
                    return Err(EngineError::Limit(format!("this would take along more than {CASCADE_MAX} records")));
                }
                if !found.is_empty() {
                    all.push(Taken { module, records: found });
                }
            }
        }
        Ok(all)
    }

    /// Refuses if a record that stays refers to one of these by `RESTRICT`.
    pub(super) async fn check_held_back(&self, tx: &mut WriteTx, all: &[Taken<'_>]) -> Result<(), EngineError> {
        let going: FxHashSet<Uuid> = all.iter().flat_map(Taken::ids).collect();
        for taken in all {
            let restricting = references_to(self.ctx.catalog(), taken.module.id);
            for (module, field, _) in restricting.filter(|(.., what)| *what == OnDelete::Restrict) {
                let statement = referring_ids(tx.dialect(), module, field.id, going.len() + 1);
                let ids = taken.ids();
                let rows = tx.query(&statement, &Bindings { parents: &ids, ..self.ctx.bindings(&[]) }).await?;
                let mut referring = (0..rows.len()).filter_map(|row| id_at(&rows, row, 0));
                if referring.any(|id| !going.contains(&id)) {
                    return Err(self.held_back(module, field));
                }
            }
        }
        Ok(())
    }

    fn held_back(&self, module: &Module, field: &Field) -> EngineError {
        let visible = self.ctx.actor.rights.can_read(module.id, field.id);
        let by = if visible { format!("records of {}", module.plural) } else { "other records".to_owned() };
        EngineError::Conflict {
            message: format!("{by} refer to this record, so it can't be deleted"),
            issues: Vec::new(),
        }
    }
}

/// Deletes softly, or takes it back, and tells.
pub(super) async fn set_deleted_at(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    taken: &Taken<'_>,
    deleted_at: &Value,
    action: &'static str,
    event: &'static str,
) -> Result<(), EngineError> {
    const FIELDS: [FieldId; 4] = [Module::DELETED_AT, Module::VERSION, Module::UPDATED_AT, Module::UPDATED_BY];
    let writing = Writing { ctx, module: taken.module };
    let after = |before: &Record| {
        let mut after = before.clone();
        after.set(Module::DELETED_AT, deleted_at.clone());
        writing.stamp_changed(&mut after, before);
        after
    };
    let after: Vec<Record> = taken.records.iter().map(after).collect();
    if after.is_empty() {
        return Ok(());
    }
    let assignments = FIELDS.map(|field| Assignment::field(taken.module.field(field)));
    let rows =
        after.iter().map(|record| FIELDS.into_iter().chain([Module::ID]).map(|f| record.get(f).clone()).collect());
    let statement = update_rows(tx.dialect(), taken.module, &assignments, after.len());
    let written = tx.execute_rows(&statement, rows.collect()).await;
    written.map_err(|error| writing.name_conflict(error, &[]))?;
    let change = |(before, after): (&'_ Record, &'_ Record)| Some((id_of(after)?, before.clone(), after.clone()));
    let pairs: Vec<(Uuid, Record, Record)> = taken.records.iter().zip(&after).filter_map(change).collect();
    let changes: Vec<Change<'_>> = pairs
        .iter()
        .map(|(id, before, after)| Change {
            module: taken.module,
            id: *id,
            action,
            event: Some(event),
            before: Some(before),
            after: Some(after),
            told: None,
        })
        .collect();
    tell(tx, ctx, &changes).await
}

/// The references of all modules that may lead to `target`, with what a delete does to them.
pub(super) fn references_to(catalog: &Catalog, target: ModuleId) -> impl Iterator<Item = (&Module, &Field, OnDelete)> {
    let modules = catalog.modules.iter().map(Arc::as_ref).filter(|module| !module.platform && module.link.is_none());
    modules.flat_map(move |module| {
        module.fields.iter().filter_map(move |field| {
            let reference = field.reference()?;
            reference.targets.contains(&target).then_some((module, field, reference.on_delete))
        })
    })
}
