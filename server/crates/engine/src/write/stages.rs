//! Stages: a choice whose moves a module allows, and what is kept of them: kind, probability, since when, until when.

use cardine_model::catalog::{Field, FieldKind, Module};
use cardine_model::stages::{Mover, StageHistory, StageKind, Stages};
use cardine_model::{Issue, Value};
use uuid::Uuid;

use super::Writing;
use super::batch::{Batch, Draft};
use super::create::fit;
use crate::RequestContext;
use crate::check::issue;
use crate::record::Record;

/// The rule that an issue names.
const RULE: &str = "stage";

impl<'a> Batch<'a> {
    /// Checks the moves of all records that are made and changed, and keeps what their modules keep of them.
    pub(super) fn keep_stages(&mut self) {
        let ctx = self.ctx;
        let mut stays = Vec::new();
        for draft in &mut self.drafts {
            let module: &'a Module = draft.module;
            let Some(stages) = module.stages.as_deref() else { continue };
            let Some(choice) = stages.choice(module) else { continue };
            let after = stage_of(&draft.after, choice);
            let before = draft.before.as_ref().and_then(|before| stage_of(before, choice));
            if draft.before.is_some() && before == after {
                continue;
            }
            let is_superior = is_superior(ctx, draft);
            if let Some(message) = refusal(ctx, stages, choice, (before.as_deref(), after.as_deref()), is_superior) {
                let is_known = ctx.actor.rights.can_read(module.id, choice.id);
                draft.issues.push(match is_known {
                    true => issue(choice, &draft.path, RULE, message),
                    false => Issue::new(draft.path.clone(), RULE, "the record may not be in this stage"),
                });
                continue;
            }
            if let (Some(history), Some(stage), Some(record)) = (&stages.history, before.clone(), draft.before.as_ref())
            {
                let entered = own(module, stages.since.as_ref()).map(|field| record.get(field.id).clone());
                let entered = entered.filter(|entered| !entered.is_null());
                let entered = entered.unwrap_or_else(|| record.get(Module::CREATED_AT).clone());
                let (id, path) = (draft.id, draft.path.clone());
                stays.push(Stay { module, id, path, history, stage, entered });
            }
            settle(ctx, stages, draft, before.as_deref(), after.as_deref());
        }
        for stay in stays {
            self.keep_stay(stay);
        }
    }

    /// Drafts the record of a stay that is over: whoever moves the record writes it, whether or not they may write such records.
    fn keep_stay(&mut self, stay: Stay<'a>) {
        let ctx = self.ctx;
        let Some(relation) = stay.module.relation_named(&stay.history.list) else { return };
        if relation.through.is_some() {
            return;
        }
        let module = ctx.catalog().module(relation.module);
        let writing = Writing { ctx, module };
        let (mut record, mut issues) = (Record::empty(module), Vec::new());
        writing.fill_defaults(&mut record, &[], &stay.path, &mut issues);
        record.set(relation.field, Value::Id(stay.id));
        let history = stay.history;
        let kept = [
            (&history.stage, Value::Text(stay.stage)),
            (&history.entered, stay.entered),
            (&history.left, Value::DateTime(ctx.now)),
        ];
        for (name, value) in kept {
            if let Some(field) = module.field_named(name).filter(|field| takes(field, &value)) {
                record.set(field.id, value);
            }
        }
        writing.require_others(&record, &[], &stay.path, &mut issues);
        if !issues.is_empty() {
            let message =
                "the history of its stages cannot be kept: ask an administrator to mend the module of the history";
            issues = vec![Issue::new(stay.path.clone(), RULE, message)];
        }
        let id = ctx.new_ids.next();
        writing.stamp_new(&mut record, id, &[]);
        let users = module.field(Module::CREATED_BY).reference().and_then(|users| users.targets.first().copied());
        self.push(Draft {
            module,
            id,
            path: stay.path,
            before: None,
            after: record,
            lookups: Vec::new(),
            connected: Vec::new(),
            targets: vec![
                (relation.field, Some(stay.module.id)),
                (Module::OWNER, users.filter(|_| ctx.actor.user.is_some())),
            ],
            validated: false,
            issues,
            told: None,
        });
    }
}

/// A stay in a stage that is over.
struct Stay<'a> {
    module: &'a Module,
    id: Uuid,
    path: Vec<cardine_model::PathSegment>,
    history: &'a StageHistory,
    stage: String,
    entered: Value,
}

fn stage_of(record: &Record, choice: &Field) -> Option<String> {
    match record.get(choice.id) {
        Value::Text(stage) => Some(stage.clone()),
        _ => None,
    }
}

/// A stored field of the module that the feature names.
fn own<'m>(module: &'m Module, name: Option<&String>) -> Option<&'m Field> {
    module.field_named(name?).filter(|field| field.column.is_some() && !field.system)
}

/// Whether a field's column holds such values.
fn takes(field: &Field, value: &Value) -> bool {
    match (&field.kind, value) {
        (FieldKind::Text { .. }, Value::Text(_)) | (FieldKind::DateTime, Value::DateTime(_)) => true,
        (FieldKind::Choice { options }, Value::Text(text)) => options.iter().any(|option| option.value == *text),
        _ => false,
    }
}

/// Whether who writes stands above the record's owner: the one that it had, and the one that it gets. Of groups, those stand above who
/// stand above one of their members, and are none of them.
fn is_superior(ctx: &RequestContext, draft: &Draft<'_>) -> bool {
    let actor = &ctx.actor;
    let is_below = |record: &Record| match record.get(Module::OWNER) {
        Value::Id(owner) => actor.visible_owners.contains(owner) && !actor.principals.contains(owner),
        _ => false,
    };
    draft.before.as_ref().is_none_or(is_below) && is_below(&draft.after)
}

/// Why the record may not come into the stage. Administrators mend what others may not.
fn refusal(
    ctx: &RequestContext,
    stages: &Stages,
    choice: &Field,
    (before, after): (Option<&str>, Option<&str>),
    is_superior: bool,
) -> Option<String> {
    if ctx.actor.rights.administrator {
        return None;
    }
    let options = choice.options().unwrap_or_default().iter().filter(|option| option.active);
    let options = options.map(|option| option.value.as_str());
    let mover = Mover { role: &ctx.actor.role, is_superior };
    let allowed = stages.allowed(before, mover, options);
    let names = || if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
    match (before, after) {
        (_, Some(after)) if allowed.contains(&after) => None,
        // What is no option, or none any more, is told by its own rule.
        (_, Some(after)) if !choice.options().unwrap_or_default().iter().any(|option| option.value == after) => None,
        (None, Some(after)) => Some(format!("a record does not start in {after}; allowed: {}", names())),
        (Some(before), Some(after)) => {
            Some(format!("it does not go from {before} to {after}; allowed for you: {}", names()))
        }
        (Some(before), None) if !stages.moves.is_empty() => {
            Some(format!("it does not leave {before} without another stage; allowed for you: {}", names()))
        }
        _ => None,
    }
}

/// Keeps the fields that the feature names. What is given in the same write stays as it is given, but for what only the server knows.
fn settle(ctx: &RequestContext, stages: &Stages, draft: &mut Draft<'_>, before: Option<&str>, after: Option<&str>) {
    let module = draft.module;
    let is_given = |draft: &Draft<'_>, field: &Field| {
        let now = draft.after.get(field.id);
        draft.before.as_ref().map_or(!now.is_null(), |before| before.get(field.id) != now)
    };
    let (was, is) = (stages.kind_of(before), stages.kind_of(after));
    if let Some(field) = own(module, stages.kind.as_ref()) {
        let kind = Value::Text(is.name().to_owned());
        if takes(field, &kind) {
            draft.after.set(field.id, kind);
        }
    }
    let instant = Value::DateTime(ctx.now);
    if let Some(field) = own(module, stages.since.as_ref()).filter(|field| takes(field, &instant)) {
        draft.after.set(field.id, instant.clone());
    }
    let probability = after.and_then(|stage| stages.stages.get(stage)).and_then(|stage| stage.probability.clone());
    if let (Some(field), Some(probability)) = (own(module, stages.probability.as_ref()), probability)
        && !is_given(draft, field)
        && matches!(field.kind, FieldKind::Decimal { .. } | FieldKind::Integer { .. })
        && let Some(value) = fit(field, Value::Decimal(probability))
    {
        draft.after.set(field.id, value);
    }
    if let Some(field) = own(module, stages.closed.as_ref()).filter(|field| !is_given(draft, field)) {
        let moment = match field.kind {
            FieldKind::Date => Value::Date(ctx.today),
            FieldKind::DateTime => instant,
            _ => return,
        };
        match (was, is) {
            (StageKind::Open, StageKind::Open) => {}
            (_, StageKind::Open) => draft.after.set(field.id, Value::Null),
            (StageKind::Open, _) => draft.after.set(field.id, moment),
            _ => {}
        }
    }
}
