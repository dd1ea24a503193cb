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

const REFUSED: &str = "you may change this record, but not give it another owner, or another parent that decides who sees it: that takes a share that lets you delete it";

impl Batch<'_> {
    /// Refuses what the caller gives away without having it.
    pub(super) async fn check_transfers(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let mut given: FxHashMap<ModuleId, Vec<Uuid>> = FxHashMap::default();
        for draft in self.drafts.iter().filter(|draft| is_given(draft)) {
            given.entry(draft.module.id).or_default().push(draft.id);
        }
        for (module, mut ids) in given {
            ids.sort_unstable();
            ids.dedup();
            let (which, purpose, reach, life) = (Which::Ids, Purpose::Transfer, Reach::Caller, Life::Any);
            let selection = Selection { which, purpose, reach, life, limit: None };
            let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(module) };
            if writing.take(tx, selection, &ids, &[]).await?.len() < ids.len() {
                return Err(EngineError::Forbidden(REFUSED.to_owned()));
            }
        }
        Ok(())
    }
}

fn is_given(draft: &Draft<'_>) -> bool {
    let Some(before) = &draft.before else { return false };
    let deciding = [Some(Module::OWNER), draft.module.parent];
    deciding.into_iter().flatten().any(|field| before.get(field) != draft.after.get(field))
}
