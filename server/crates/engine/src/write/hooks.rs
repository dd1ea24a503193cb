//! What others say of records before they are written: hooks change or refuse them, and plugins check values.

use cardine_model::catalog::Module;

use super::batch::Batch;
use super::delete::Taken;
use super::update::id_of;
use super::{Writing, below};
use crate::hooks::{Proposed, ValueCheck};
use crate::record::Record;
use crate::{EngineError, RequestContext};

impl Batch<'_> {
    /// Asks the hooks of all records that are made and changed: one question for each module and operation.
    pub(super) async fn ask_hooks(&mut self) -> Result<(), EngineError> {
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
                hooks.before_write(ctx, module, operation, &mut changes).await?;
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

/// Asks the hooks of records that go, or come back.
pub(super) async fn ask_about(
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
                after.set(Module::DELETED_AT, cardine_model::Value::Null);
            }
            Some(Proposed { id: id_of(record)?, before: Some(record.clone()), after, issues: Vec::new() })
        };
        let mut changes: Vec<Proposed> = records.iter().filter_map(proposed).collect();
        hooks.before_write(ctx, module, operation, &mut changes).await?;
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
