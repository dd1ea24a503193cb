//! Records that get another owner, or another parent by whose sharing they are reached.
//!
//! Whoever has a record may delete it, so to give it to somebody, oneself among them, takes what a delete takes: else a share for
//! writing alone would be one for everything.

use cardine_model::catalog::{Module, ModuleId};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which};
use cardine_store::WriteTx;
use rustc_hash::FxHashMap;
use uuid::Uuid;

use super::Writing;
use super::batch::{Batch, Draft};
use crate::EngineError;
use crate::identity::{SharedRecords, SharingRule};

const REFUSED: &str = "you may change this record, but not give it another owner, or another parent that decides who sees it: that takes a share that lets you delete it";

impl Batch<'_> {
    /// What the caller's data give away, by their positions. What follows from a write is nobody's wish.
    pub(super) fn given_away(&self) -> Vec<usize> {
        let is_given = |draft: &Draft<'_>| draft.validated && self.is_given(draft);
        (0..self.drafts.len()).filter(|position| is_given(&self.drafts[*position])).collect()
    }

    /// Refuses what the caller gives away without having it.
    pub(super) async fn check_transfers(&self, tx: &mut WriteTx, given_away: &[usize]) -> Result<(), EngineError> {
        let mut given: FxHashMap<ModuleId, Vec<Uuid>> = FxHashMap::default();
        // What was sent back as the caller sees it is as it was by now.
        for draft in given_away.iter().map(|position| &self.drafts[*position]).filter(|draft| self.is_given(draft)) {
            given.entry(draft.module.id).or_default().push(draft.id);
        }
        for (module, ids) in given {
            let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(module) };
            if !writing.may_give_away(tx, &ids).await? {
                return Err(refused());
            }
        }
        Ok(())
    }

    fn is_given(&self, draft: &Draft<'_>) -> bool {
        let Some(before) = &draft.before else { return false };
        let name = &draft.module.name;
        let asks_for_owner =
            |rule: &SharingRule| rule.module == *name && matches!(rule.records, SharedRecords::OwnedBy(_));
        // Where the parent decides, the owner does not, unless a sharing rule asks for it, whomever it means.
        let owner_decides =
            draft.module.parent.is_none() || self.ctx.snapshot.access.sharing_rules().iter().any(asks_for_owner);
        let deciding = [owner_decides.then_some(Module::OWNER), draft.module.parent];
        deciding.into_iter().flatten().any(|field| before.get(field) != draft.after.get(field))
    }
}

impl Writing<'_> {
    /// Whether the caller has all of these records, which are not the same.
    pub(super) async fn may_give_away(&self, tx: &mut WriteTx, ids: &[Uuid]) -> Result<bool, EngineError> {
        let (which, purpose, reach, life) = (Which::Ids, Purpose::Transfer, Reach::Caller, Life::Any);
        let selection = Selection { which, purpose, reach, life, limit: None };
        Ok(self.take(tx, selection, ids, &[]).await?.len() == ids.len())
    }
}

/// What is told to whoever does not have what they would give away.
pub(super) fn refused() -> EngineError {
    EngineError::Forbidden(REFUSED.to_owned())
}
