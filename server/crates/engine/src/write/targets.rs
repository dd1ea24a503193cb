//! The records that references lead to: they must exist for the caller. One statement for each module that they may be of.

use cardine_model::catalog::{FieldId, ModuleId};
use cardine_model::{Value, path};
use cardine_sql::write::visible_records;
use cardine_store::{Bindings, WriteTx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::below;
use crate::EngineError;
use crate::check::issue;

/// A reference whose record was not found so far.
struct Wanted {
    draft: usize,
    field: FieldId,
    id: Uuid,
    /// The modules that it may be of, those that exist for the caller.
    targets: Vec<ModuleId>,
    /// The reference led there, and is to lead nowhere.
    cleared: bool,
}

impl Batch<'_> {
    /// Finds the module that each reference leads to; one that leads nowhere the caller may see is an issue.
    pub(super) async fn find_targets(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let mut wanted = self.wanted();
        // A reference to several modules is looked for in one after the other, all references together.
        for round in 0.. {
            let (mut open, hopeless): (Vec<Wanted>, Vec<Wanted>) =
                wanted.into_iter().partition(|wanted| wanted.targets.len() > round);
            for lost in hopeless {
                match lost.cleared {
                    true => self.keep(&lost),
                    false => self.note_missing(&lost),
                }
            }
            if open.is_empty() {
                break;
            }
            let mut modules: Vec<ModuleId> = open.iter().map(|wanted| wanted.targets[round]).collect();
            modules.sort_unstable();
            modules.dedup();
            for module in modules {
                let asked = |wanted: &&Wanted| wanted.targets[round] == module;
                let mut ids: Vec<Uuid> = open.iter().filter(asked).map(|wanted| wanted.id).collect();
                ids.sort_unstable();
                ids.dedup();
                let found = match self.ctx.catalog().module(module).held {
                    true => self.find_files(tx, &ids).await?,
                    false => self.find(tx, module, &ids).await?,
                };
                open.retain(|wanted| {
                    let is_found = wanted.targets[round] == module && found.contains(&wanted.id);
                    if is_found {
                        let target = (!wanted.cleared).then_some(module);
                        self.drafts[wanted.draft].targets.push((wanted.field, target));
                    }
                    !is_found
                });
            }
            wanted = open;
        }
        Ok(())
    }

    /// What must be looked up. Records of the batch itself are there, or will be.
    fn wanted(&mut self) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        for position in 0..self.drafts.len() {
            for field in std::mem::take(&mut self.drafts[position].lookups) {
                let draft = &self.drafts[position];
                let reference = draft.module.field(field);
                let Value::Id(id) = *draft.after.get(field) else {
                    match draft.before.as_ref().map(|before| before.get(field)) {
                        Some(Value::Id(id)) => {
                            let targets = self.ctx.actor.rights.readable_targets(reference).collect();
                            wanted.push(Wanted { draft: position, field, id: *id, targets, cleared: true });
                        }
                        _ => self.drafts[position].targets.push((field, None)),
                    }
                    continue;
                };
                let inside = self.by_id.get(&id).map(|inside| self.drafts[*inside].module.id);
                let allowed = reference.reference().map_or(&[][..], |reference| &reference.targets);
                match inside.filter(|module| allowed.contains(module)) {
                    Some(module) => self.drafts[position].targets.push((field, Some(module))),
                    None => {
                        let targets = self.ctx.actor.rights.readable_targets(reference).collect();
                        wanted.push(Wanted { draft: position, field, id, targets, cleared: false });
                    }
                }
            }
        }
        wanted
    }

    async fn find(&self, tx: &mut WriteTx, module: ModuleId, ids: &[Uuid]) -> Result<FxHashSet<Uuid>, EngineError> {
        let statement = visible_records(tx.dialect(), self.ctx.catalog(), &self.ctx.actor.rights, module);
        let rows = tx.query(&statement, &Bindings { parents: ids, ..self.ctx.bindings(&[]) }).await?;
        let id = |row| rows.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok());
        Ok((0..rows.len()).filter_map(id).collect())
    }

    /// A reference to a record that the caller does not see reads as null, and so nothing changes when it is set to null: else the
    /// record's version would tell that it led somewhere, and who sends back what they read would lose it.
    fn keep(&mut self, wanted: &Wanted) {
        let draft = &mut self.drafts[wanted.draft];
        if let Some(before) = &draft.before {
            draft.after.set(wanted.field, before.get(wanted.field).clone());
        }
    }

    fn note_missing(&mut self, wanted: &Wanted) {
        let draft: &mut Draft<'_> = &mut self.drafts[wanted.draft];
        let field = draft.module.field(wanted.field);
        let is_file = field.reference().is_some_and(|reference| reference.file.is_some());
        let missing = if is_file { "there is no such file" } else { "there is no such record" };
        let mut fault = issue(field, &draft.path, "reference", missing);
        if draft.connected.contains(&wanted.field) {
            fault.path = below(&draft.path, path![field.name.as_str(), "connect"]);
        }
        draft.issues.push(fault);
    }
}
