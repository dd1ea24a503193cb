//! Records by their unique values: changed if they are there, made if not.

use cardine_model::catalog::FieldId;
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which};
use cardine_store::WriteTx;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::batch::Batch;
use super::rules::find_holders;
use super::update::id_of;
use super::{Data, Keyed, Writing, data_path, refuse};
use crate::EngineError;
use crate::check::check_value;
use crate::record::Record;

/// The values of a unique set of fields, as they are stored.
type Key = Vec<(FieldId, Value)>;

impl Writing<'_> {
    /// Gives the records' ids in the order of the entries. `many` tells how the arguments are written.
    pub(super) async fn upsert(
        &self,
        tx: &mut WriteTx,
        entries: &[Keyed],
        many: bool,
    ) -> Result<Vec<Uuid>, EngineError> {
        self.check_may_update()?;
        self.check_may_create()?;
        let keys = self.normalise_keys(entries, many)?;
        let holders = find_holders(tx, self.module, &keys).await?;
        let mut known = self.take_held(tx, holders.iter().flatten().copied()).await?;
        // While this waited for the records' locks, they may have been changed.
        if holders.iter().any(Option::is_some) && find_holders(tx, self.module, &keys).await? != holders {
            return Err(tx.run_again().into());
        }
        refuse(self.find_repeated(&keys, &holders, &known))?;
        let mut batch = Batch::new(self.ctx);
        let mut ids = Vec::with_capacity(entries.len());
        for (position, (entry, key)) in entries.iter().zip(&keys).enumerate() {
            let path = if many { path!["data", position, "data"] } else { data_path() };
            let held = holders[position].and_then(|id| Some((id, known.remove(&id)?)));
            ids.push(match held {
                Some((id, before)) => {
                    batch.add_change(self.module, before, &entry.data, path)?;
                    id
                }
                // As if it were created: what somebody else has is a conflict, seen or not.
                None => batch.add_new(self.module, &self.with_key(key, &entry.data), None, path)?,
            });
        }
        if many {
            // One statement changes several, and would not tell which of them has another's value.
            let taking: Vec<usize> =
                (0..batch.drafts.len()).filter(|position| self.gets_unique_values(&batch, *position)).collect();
            if !taking.is_empty() {
                batch.find_conflicts(tx, &taking).await?;
            }
        }
        let own: FxHashSet<Uuid> = batch.drafts.iter().map(|draft| draft.id).collect();
        let written = batch.write(tx).await;
        if matches!(written, Err(EngineError::Conflict { .. }))
            && let Ok(true) = self.is_made_meanwhile(tx, &keys, &holders, &own).await
        {
            return Err(tx.run_again().into());
        }
        written.map(|()| ids)
    }

    /// As the values are stored, so that what was written one way is found the other.
    fn normalise_keys(&self, entries: &[Keyed], many: bool) -> Result<Vec<Key>, EngineError> {
        let (catalog, mut issues) = (self.ctx.catalog(), Vec::new());
        let mut keys = Vec::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            let path = match_path(position, many);
            let normal = entry.key.iter().map(|(id, value)| {
                let field = self.module.field(*id);
                (*id, check_value(catalog, self.module.id, field, value.clone(), &path, &mut issues))
            });
            // In one order, however the parts were given.
            let mut key: Key = normal.collect();
            key.sort_by_key(|(field, _)| *field);
            keys.push(key);
        }
        refuse(issues)?;
        Ok(keys)
    }

    /// Of these records those that the caller may change, locked, as they are.
    async fn take_held(
        &self,
        tx: &mut WriteTx,
        ids: impl Iterator<Item = Uuid>,
    ) -> Result<FxHashMap<Uuid, Record>, EngineError> {
        let mut ids: Vec<Uuid> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let (which, life) = (Which::Ids, Life::Live);
        let selection = Selection { which, purpose: Purpose::Update, reach: Reach::Caller, life, limit: None };
        let taken = self.take(tx, selection, &ids, &[]).await?;
        Ok(taken.into_iter().filter_map(|record| Some((id_of(&record)?, record))).collect())
    }

    /// Entries that mean the record of an earlier one. Of a record that the caller may not change it is not told that two keys are its own.
    fn find_repeated(&self, keys: &[Key], holders: &[Option<Uuid>], known: &FxHashMap<Uuid, Record>) -> Vec<Issue> {
        let mut seen = FxHashSet::default();
        let is_repeated = |position: &usize| match holders[*position].filter(|id| known.contains_key(id)) {
            Some(id) => !seen.insert(id),
            None => keys[..*position].contains(&keys[*position]),
        };
        let repeated = (0..keys.len()).filter(is_repeated);
        let told = |position| {
            let message = "an earlier entry means this record already: give each record once";
            Issue::new(match_path(position, true), "duplicate", message)
        };
        repeated.map(told).collect()
    }

    /// What `data` leaves out of the key, and the caller may write, is the key's.
    fn with_key(&self, key: &[(FieldId, Value)], data: &Data) -> Data {
        let mut data = data.clone();
        for (field, value) in key {
            let given = data.values.iter().any(|(given, _)| given == field)
                || data.to_one.iter().any(|(given, _)| given == field);
            if !given && self.ctx.actor.rights.can_write(self.module.id, *field) {
                data.values.push((*field, value.clone()));
            }
        }
        data
    }

    /// Whether the draft is of a record that is there, and gets other values of a unique set of fields.
    fn gets_unique_values(&self, batch: &Batch<'_>, position: usize) -> bool {
        let draft = &batch.drafts[position];
        let Some(before) = draft.before.as_ref().filter(|_| draft.module.id == self.module.id) else { return false };
        let mut fields = self.module.uniques.iter().flatten();
        fields.any(|field| before.get(*field) != draft.after.get(*field))
    }

    /// Whether somebody else has made one of the records meanwhile: then it is there to be changed.
    async fn is_made_meanwhile(
        &self,
        tx: &mut WriteTx,
        keys: &[Key],
        holders: &[Option<Uuid>],
        own: &FxHashSet<Uuid>,
    ) -> Result<bool, EngineError> {
        let now = find_holders(tx, self.module, keys).await?;
        let new = now.iter().zip(holders).filter(|(now, before)| now != before).filter_map(|(now, _)| *now);
        let new: Vec<Uuid> = new.filter(|id| !own.contains(id)).collect();
        Ok(!self.take_held(tx, new.into_iter()).await?.is_empty())
    }
}

fn match_path(position: usize, many: bool) -> Vec<PathSegment> {
    if many { path!["data", position, "match"] } else { path!["match"] }
}
