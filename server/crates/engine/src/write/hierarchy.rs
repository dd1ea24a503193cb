//! Hierarchies: what is written may not put a record above itself, nor make a way up that is longer than the bound.

use cardine_model::Value;
use cardine_model::catalog::{Field, HIERARCHY_LEVELS_MAX, Module};
use cardine_sql::Statement;
use cardine_sql::write::{levels_above, levels_below, path_above};
use cardine_store::platform::attempts::take_turns;
use cardine_store::{Bindings, RowSet, WriteTx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::rules::id_at;
use super::{Writing, data_path};
use crate::EngineError;
use crate::check::issue;

impl Draft<'_> {
    /// Whether it gets another place below a record.
    fn is_moved_by(&self, reference: &Field) -> bool {
        let now = self.after.get(reference.id);
        !now.is_null() && self.before.as_ref().is_none_or(|before| before.get(reference.id) != now)
    }
}

impl Batch<'_> {
    /// Lets those wait who move other records of the same hierarchies: two moves can make a circle of which neither shows anything.
    /// A new record has nothing below it, so it needs no turn.
    pub(super) async fn take_turns_moving(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let mut modules: Vec<&Module> = Vec::new();
        for draft in self.drafts.iter().filter(|draft| draft.before.is_some()) {
            let moved = draft.module.hierarchy().is_some_and(|reference| draft.is_moved_by(reference));
            if moved && !modules.iter().any(|module| module.id == draft.module.id) {
                modules.push(draft.module);
            }
        }
        modules.sort_by_key(|module| module.id);
        for module in modules {
            take_turns_in(tx, module).await?;
        }
        Ok(())
    }

    /// Asks of all records that got another place whether they may stand there, over the rows as they now are.
    pub(super) async fn check_hierarchies(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let is_moved = |draft: &Draft<'_>| draft.module.hierarchy().is_some_and(|field| draft.is_moved_by(field));
        for group in self.groups(is_moved) {
            let module = self.drafts[group[0]].module;
            let Some(reference) = module.hierarchy() else { continue };
            let ids: Vec<Uuid> = group.iter().map(|position| self.drafts[*position].id).collect();
            let above = self.ask(tx, &levels_above(tx.dialect(), module, reference), &ids).await?;
            let mut levels = Vec::with_capacity(above.len());
            let mut is_circle = false;
            for row in 0..above.len() {
                let Some(id) = id_at(&above, row, 0) else { continue };
                if above.cell(row, 1).boolean() == Some(true) {
                    is_circle = true;
                    self.misplaced(id, reference, "cycle", "this record would stand above itself");
                }
                levels.push((id, above.cell(row, 2).integer().unwrap_or_default()));
            }
            // Below a circle there is no end.
            if is_circle {
                continue;
            }
            let known: Vec<Uuid> =
                levels.iter().map(|(id, _)| *id).filter(|id| self.drafts[self.by_id[id]].before.is_some()).collect();
            let below = match known.is_empty() {
                true => RowSet::default(),
                false => self.ask(tx, &levels_below(tx.dialect(), module, reference), &known).await?,
            };
            for row in 0..below.len() {
                let entry = levels.iter_mut().find(|(id, _)| Some(*id) == id_at(&below, row, 0));
                if let Some((_, level)) = entry {
                    *level += below.cell(row, 1).integer().unwrap_or_default();
                }
            }
            let message = format!("a hierarchy has at most {HIERARCHY_LEVELS_MAX} levels");
            for (id, _) in levels.iter().filter(|(_, level)| *level > HIERARCHY_LEVELS_MAX as i64) {
                self.misplaced(*id, reference, "levels", &message);
            }
        }
        Ok(())
    }

    async fn ask(&self, tx: &mut WriteTx, statement: &Statement, ids: &[Uuid]) -> Result<RowSet, EngineError> {
        Ok(tx.query(statement, &Bindings { parents: ids, ..self.ctx.bindings(&[]) }).await?)
    }

    fn misplaced(&mut self, id: Uuid, reference: &Field, rule: &str, message: &str) {
        let Some(position) = self.by_id.get(&id).copied() else { return };
        let draft = &mut self.drafts[position];
        // What follows from another write has no place of its own among the arguments.
        let path = if draft.path.is_empty() { data_path() } else { draft.path.clone() };
        draft.issues.push(issue(reference, &path, rule, message));
    }
}

impl Writing<'_> {
    /// Where the survivor of a merge is to stand if it stood below one of the others: in the place of the highest of these, so that
    /// what is moved to it does not end up above it. `None` if it stays where it is.
    pub(super) async fn place_after_merge(
        &self,
        tx: &mut WriteTx,
        reference: &Field,
        survivor: Uuid,
        merged: &FxHashSet<Uuid>,
    ) -> Result<Option<Option<Uuid>>, EngineError> {
        take_turns_in(tx, self.module).await?;
        let statement = path_above(tx.dialect(), self.module, reference);
        let values = [Value::Id(survivor)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        let path: Vec<Uuid> = (0..rows.len()).filter_map(|row| id_at(&rows, row, 0)).collect();
        let highest = path.iter().rposition(|id| merged.contains(id));
        Ok(highest.map(|position| path.get(position + 1).copied()))
    }
}

async fn take_turns_in(tx: &mut WriteTx, module: &Module) -> Result<(), EngineError> {
    Ok(take_turns(tx, &format!("hierarchy {}", module.table)).await?)
}
