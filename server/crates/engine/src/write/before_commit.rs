//! What workflows inside a write make of it before it is committed: they change what is written, or refuse it.

use cardine_model::catalog::{FieldId, Module};
use cardine_model::{Issue, PathSegment, Value};

use super::batch::{Batch, Draft};
use super::history::Change;
use crate::check::{check_groups, check_value, issue};
use crate::events::{RecordEvent, Refusal};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// The rule that an issue names.
const RULE: &str = "workflow";

impl Batch<'_> {
    /// Asks the workflows of each record that is made or changed. What follows from another write is not asked.
    pub(super) fn ask_before_commit(&mut self) {
        let ctx = self.ctx;
        for draft in &mut self.drafts {
            let is_asked = draft.validated && draft.issues.is_empty() && draft.is_changed();
            if is_asked && ctx.snapshot.matcher.is_asked_before_commit(draft.module.id) {
                match ask(ctx, draft) {
                    Ok(set) => {
                        if set.iter().any(|(field, _)| *field == Module::OWNER) {
                            self.owned.insert(draft.id);
                        }
                        put(ctx, draft, set);
                    }
                    Err(refusal) => {
                        let issues = issues_of(ctx, draft.module, &draft.path, &refusal);
                        draft.issues.extend(issues);
                    }
                }
            }
        }
    }
}

fn ask(ctx: &RequestContext, draft: &Draft<'_>) -> Result<Vec<(FieldId, Value)>, Refusal> {
    let before = draft.before.as_ref();
    let changed = draft.after.changed(before.unwrap_or(&Record::empty(draft.module)));
    let event = RecordEvent {
        ctx,
        module: draft.module,
        kind: if before.is_none() { "CREATED" } else { "UPDATED" },
        id: draft.id,
        before,
        after: &draft.after,
        changed: &changed,
        relation: None,
    };
    ctx.snapshot.matcher.before_commit(&event)
}

/// What a workflow sets must meet the fields' rules like what a caller gives.
fn put(ctx: &RequestContext, draft: &mut Draft<'_>, set: Vec<(FieldId, Value)>) {
    let (module, mut faults) = (draft.module, Vec::new());
    for (id, value) in set {
        let field = module.field(id);
        let value = check_value(ctx.catalog(), module.id, field, value, &draft.path, &mut faults);
        if *draft.after.get(id) == value {
            continue;
        }
        draft.after.set(id, value);
        draft.connected.retain(|known| *known != id);
        if field.reference().is_some() && !draft.lookups.contains(&id) {
            draft.lookups.push(id);
        }
    }
    let rights = &ctx.actor.rights;
    check_groups(module, rights, &draft.after, draft.before.as_ref(), &draft.path, &mut faults);
    // The caller gave none of it, and may not read all of it.
    draft.issues.extend(faults.into_iter().map(|fault| {
        let name = fault.path.get(draft.path.len()).and_then(|step| match step {
            PathSegment::Name(name) => Some(name.clone()),
            PathSegment::Index(_) => None,
        });
        let mut fields = module.fields.iter().filter(|field| rights.can_read(module.id, field.id));
        let is_known =
            fields.any(|field| Some(crate::json_name(field).split('.').next().unwrap_or_default()) == name.as_deref());
        if is_known {
            return fault;
        }
        Issue::new(draft.path.clone(), RULE, "what a workflow adds breaks a rule of its field; ask an administrator")
    }));
}

/// Asks the workflows of records that are deleted.
pub(super) fn ask_before_deletion(ctx: &RequestContext, changes: &[Change<'_>]) -> Result<(), EngineError> {
    let deleted = changes.iter().filter(|change| change.event == Some("DELETED"));
    let mut issues = Vec::new();
    for change in deleted.filter(|change| ctx.snapshot.matcher.is_asked_before_commit(change.module.id)) {
        let Some(after) = change.after else { continue };
        let (module, id, before) = (change.module, change.id, change.before);
        let event = RecordEvent {
            ctx,
            module,
            kind: "DELETED",
            id,
            before,
            after,
            changed: &[Module::DELETED_AT],
            relation: None,
        };
        if let Err(refusal) = ctx.snapshot.matcher.before_commit(&event) {
            let told = Issue::new(Vec::new(), RULE, refusal.message);
            if !issues.contains(&told) {
                issues.push(told);
            }
        }
    }
    if issues.is_empty() { Ok(()) } else { Err(EngineError::Validation(issues)) }
}

/// At the fields that it names, of those that the caller may read.
fn issues_of(ctx: &RequestContext, module: &Module, path: &[PathSegment], refusal: &Refusal) -> Vec<Issue> {
    let readable = |field: &&FieldId| ctx.actor.rights.can_read(module.id, **field);
    let fields: Vec<&FieldId> = refusal.fields.iter().filter(readable).collect();
    if fields.is_empty() {
        return vec![Issue::new(path.to_vec(), RULE, refusal.message.clone())];
    }
    fields.into_iter().map(|field| issue(module.field(*field), path, RULE, refusal.message.clone())).collect()
}
