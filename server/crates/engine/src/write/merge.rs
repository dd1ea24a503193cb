//! Several records become one: what refers to the others is moved to the survivor, and the others are deleted softly.

use cardine_model::catalog::{FieldId, Module};
use cardine_model::{Issue, Value, path};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which, unique_holders};
use cardine_store::WriteTx;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::Batch;
use super::delete::references_to;
use super::history::{Change, tell};
use super::many_to_many::move_links;
use super::rules::id_at;
use super::update::id_of;
use super::{CASCADE_MAX, Data, Writing, data_path};
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn merge(
        &self,
        tx: &mut WriteTx,
        ids: &[Uuid],
        into: Uuid,
        data: &Data,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_update()?;
        self.check_may_delete()?;
        let mut others: Vec<Uuid> = ids.iter().copied().filter(|id| *id != into).collect();
        others.sort_unstable();
        others.dedup();
        if others.is_empty() {
            let message = "name at least one record beside the one that stays";
            return Err(EngineError::Validation(vec![Issue::new(path!["ids"], "minItems", message)]));
        }
        let survivor = self.take_one(tx, into, Purpose::Update, Life::Live).await?;
        let selection = Selection {
            which: Which::Ids,
            purpose: Purpose::Delete,
            reach: Reach::Caller,
            life: Life::Live,
            limit: None,
        };
        let losers = self.take(tx, selection, &others, &[]).await?;
        if losers.len() < others.len() {
            return Err(EngineError::NotFound);
        }
        self.move_references(tx, &others, into).await?;
        move_links(tx, self.ctx, self.module.id, &others, into).await?;
        // They free their unique values, which the survivor may be given.
        self.delete_taken(tx, losers, "MERGED").await?;
        // Moving may have changed it: a record may refer to its own module.
        let survivor = match self.take_one(tx, into, Purpose::Update, Life::Live).await {
            Ok(survivor) => survivor,
            Err(EngineError::NotFound) => survivor,
            Err(error) => return Err(error),
        };
        let mut batch = Batch::new(self.ctx);
        batch.add_change(self.module, survivor, data, data_path())?;
        batch.write(tx).await?;
        self.tell_merged(tx, into).await?;
        Ok(vec![into])
    }

    /// The survivor's history says so too, whether or not a value of its own changed.
    async fn tell_merged(&self, tx: &mut WriteTx, into: Uuid) -> Result<(), EngineError> {
        let (module, action) = (self.module, "MERGED");
        tell(tx, self.ctx, &[Change { module, id: into, action, event: None, before: None, after: None, told: None }])
            .await
    }

    /// Lets whatever refers to `others` refer to `into`, deleted records too; seen by the caller or not: it is one record now.
    async fn move_references(&self, tx: &mut WriteTx, others: &[Uuid], into: Uuid) -> Result<(), EngineError> {
        let merged: FxHashSet<Uuid> = others.iter().copied().collect();
        let mut moved = 0;
        let mut batch = Batch::new(self.ctx);
        for (module, field, _) in references_to(self.ctx.catalog(), self.module.id) {
            let place = match field.is_hierarchy() {
                true => self.place_after_merge(tx, field, into, &merged).await?,
                false => None,
            };
            let (which, limit) = (Which::Referring(field.id), Some(CASCADE_MAX + others.len() + 1));
            let selection = Selection { which, purpose: Purpose::Update, reach: Reach::All, life: Life::Any, limit };
            let writing = Writing { ctx: self.ctx, module };
            let mut records = writing.take(tx, selection, others, &[]).await?;
            records.retain(|record| id_of(record).is_some_and(|id| !merged.contains(&id)));
            if place.is_some() && !records.iter().any(|record| id_of(record) == Some(into)) {
                records.push(self.take_one(tx, into, Purpose::Update, Life::Live).await?);
            }
            moved += records.len();
            if moved > CASCADE_MAX {
                let message = format!("more than {CASCADE_MAX} records refer to the ones that are merged");
                return Err(EngineError::Limit(message));
            }
            let (twins, records) = writing.part_twins(tx, records, field.id, into).await?;
            if !twins.is_empty() {
                writing.delete_taken(tx, twins, "DELETED").await?;
            }
            for record in records {
                let is_survivor = id_of(&record) == Some(into);
                let target = if is_survivor { place.flatten() } else { Some(into) };
                let target = target.map(|target| (target, self.module.id));
                batch.add_consequence(module, record, field.id, target)?;
            }
        }
        batch.write(tx).await
    }

    /// The records that can not be moved, and those that can. One that would then have the unique values of another, such as a
    /// second membership in the same campaign, is a twin: the survivor has what it stands for.
    pub(super) async fn part_twins(
        &self,
        tx: &mut WriteTx,
        records: Vec<Record>,
        field: FieldId,
        into: Uuid,
    ) -> Result<(Vec<Record>, Vec<Record>), EngineError> {
        let mut twins: FxHashSet<Uuid> = FxHashSet::default();
        for unique in self.module.uniques.iter().filter(|unique| unique.contains(&field)) {
            let values = |record: &Record| -> Option<Vec<Value>> {
                let value = |id: &FieldId| if *id == field { Value::Id(into) } else { record.get(*id).clone() };
                let values: Vec<Value> = unique.iter().map(value).collect();
                let is_held = record.get(Module::DELETED_AT).is_null() && !values.iter().any(Value::is_null);
                is_held.then_some(values)
            };
            let mut seen: Vec<Vec<Value>> = Vec::new();
            let mut rows = Vec::new();
            for record in &records {
                let (Some(id), Some(values)) = (id_of(record), values(record)) else { continue };
                if seen.contains(&values) {
                    twins.insert(id);
                    continue;
                }
                rows.push(std::iter::once(Value::Id(id)).chain(values.iter().cloned()).collect());
                seen.push(values);
            }
            if !rows.is_empty() {
                let statement = unique_holders(tx.dialect(), self.module, unique, rows.len());
                let held = tx.query_rows(&statement, rows).await?;
                twins.extend((0..held.len()).filter_map(|row| id_at(&held, row, 0)));
            }
        }
        Ok(records.into_iter().partition(|record| id_of(record).is_some_and(|id| twins.contains(&id))))
    }
}
