//! What others say of records before they are written: hooks change or refuse them, and plugins check values.

use cardine_model::Value;
use cardine_model::catalog::{FieldId, Module};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which};
use cardine_store::WriteTx;
use cardine_store::platform::attempts::take_turns;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::Batch;
use super::delete::Taken;
use super::update::id_of;
use super::{Writing, below};
use crate::hooks::{Proposed, ValueCheck};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Most records that hooks see beside changes.
const SIBLINGS_MAX: usize = 5_000;

impl Batch<'_> {
    /// Asks the hooks of all records that are made and changed: one question for each module and operation.
    pub(super) async fn ask_hooks(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let ctx = self.ctx;
        let hooks = &ctx.snapshot.hooks;
        for (operation, is_new) in [("create", true), ("update", false)] {
            // What follows from another write is not refused, as it is not for a rule.
            let groups = self.groups(|draft| {
                draft.before.is_none() == is_new
                    && draft.validated
                    && hooks.concerns(draft.module.id)
                    && draft.is_changed()
            });
            for group in groups {
                let module = self.drafts[group[0]].module;
                let proposed = |position: &usize| {
                    let draft = &self.drafts[*position];
                    let (before, after) = (draft.before.clone(), Some(draft.after.clone()));
                    Proposed { id: draft.id, before, after, issues: Vec::new() }
                };
                let mut changes: Vec<Proposed> = group.iter().map(proposed).collect();
                let siblings = siblings(tx, ctx, module, operation, &changes).await?;
                hooks.before_write(ctx, module, operation, &mut changes, &siblings).await?;
                for (position, change) in group.into_iter().zip(changes) {
                    let draft = &mut self.drafts[position];
                    if let Some(after) = change.after {
                        draft.after = after;
                    }
                    for mut issue in change.issues {
                        issue.path = below(&draft.path, issue.path);
                        draft.issues.push(issue);
                    }
                    let mut missing = Vec::new();
                    Writing { ctx, module }.require_others(&draft.after, &[], &draft.path, &mut missing);
                    missing.retain(|issue| !draft.issues.contains(issue));
                    draft.issues.append(&mut missing);
                }
            }
        }
        Ok(())
    }

    /// Asks the plugins that check values of the fields that are written.
    pub(super) async fn ask_validators(&mut self) -> Result<(), EngineError> {
        if self.drafts.iter().all(|draft| draft.module.checks.validators.is_empty()) {
            return Ok(());
        }
        let mut asked = Vec::new();
        let mut values = Vec::new();
        for (position, draft) in self.drafts.iter().enumerate().filter(|(_, draft)| draft.validated) {
            for (field, uses) in &draft.module.checks.validators {
                let value = draft.after.get(*field);
                let is_written = draft.before.as_ref().is_none_or(|before| before.get(*field) != value);
                if value.is_null() || !is_written {
                    continue;
                }
                for by in uses {
                    asked.push(position);
                    let (module, field, record) = (draft.module, draft.module.field(*field), &draft.after);
                    values.push(ValueCheck { module, field, by, record });
                }
            }
        }
        if values.is_empty() {
            return Ok(());
        }
        let found = self.ctx.snapshot.hooks.check_values(self.ctx, &values).await?;
        for (number, mut issue) in found {
            let Some(position) = asked.get(number) else { continue };
            let draft = &mut self.drafts[*position];
            issue.path = below(&draft.path, issue.path);
            draft.issues.push(issue);
        }
        Ok(())
    }
}

/// The records that hooks want to see beside changes. Whoever wants to see them has the module for itself until the end of the
/// transaction, so that no two of them decide without knowing of each other.
async fn siblings(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: &Module,
    operation: &str,
    changes: &[Proposed],
) -> Result<Vec<Record>, EngineError> {
    let references = ctx.snapshot.hooks.siblings(module.id, operation);
    if references.is_empty() {
        return Ok(Vec::new());
    }
    take_turns(tx, &format!("siblings {}", module.table)).await?;
    let mut seen: FxHashSet<Uuid> = changes.iter().map(|change| change.id).collect();
    let mut siblings = Vec::new();
    for reference in references {
        let images = changes.iter().filter_map(|change| change.after.as_ref());
        let mut targets: Vec<Uuid> = images.filter_map(|image| id_in(image, reference)).collect();
        targets.sort_unstable();
        targets.dedup();
        if targets.is_empty() {
            continue;
        }
        let (which, limit) = (Which::Referring(reference), Some(SIBLINGS_MAX + 1 + changes.len()));
        let selection = Selection { which, purpose: Purpose::Look, reach: Reach::All, life: Life::Live, limit };
        let found = Writing { ctx, module }.take(tx, selection, &targets, &[]).await?;
        siblings.extend(found.into_iter().filter(|record| id_of(record).is_some_and(|id| seen.insert(id))));
    }
    if siblings.len() > SIBLINGS_MAX {
        let message = format!(
            "a hook wants to see all {} that refer to the same record, and there are more than {SIBLINGS_MAX}",
            module.plural
        );
        return Err(EngineError::Limit(message));
    }
    Ok(siblings)
}

fn id_in(record: &Record, reference: FieldId) -> Option<Uuid> {
    match record.get(reference) {
        Value::Id(id) => Some(*id),
        _ => None,
    }
}

/// Asks the hooks of records that go, or come back.
pub(super) async fn ask_about(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    taken: &[Taken<'_>],
    operation: &'static str,
) -> Result<(), EngineError> {
    let hooks = &ctx.snapshot.hooks;
    let mut issues = Vec::new();
    for Taken { module, records } in taken.iter().filter(|taken| hooks.concerns(taken.module.id)) {
        let proposed = |record: &Record| {
            let mut after = (operation == "restore").then(|| record.clone());
            if let Some(after) = &mut after {
                after.set(Module::DELETED_AT, Value::Null);
            }
            Some(Proposed { id: id_of(record)?, before: Some(record.clone()), after, issues: Vec::new() })
        };
        let mut changes: Vec<Proposed> = records.iter().filter_map(proposed).collect();
        let siblings = siblings(tx, ctx, module, operation, &changes).await?;
        hooks.before_write(ctx, module, operation, &mut changes, &siblings).await?;
        for mut issue in changes.into_iter().flat_map(|change| change.issues) {
            // There are no data: the record as a whole is refused.
            issue.path.clear();
            if !issues.contains(&issue) {
                issues.push(issue);
            }
        }
    }
    super::refuse(issues)
}
