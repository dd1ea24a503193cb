//! What records must meet as a whole: the module's validations and its unique fields.

use cardine_model::catalog::{Default as FieldDefault, Field, FieldId, FieldKind, FieldPath, Module, ValidationOrigin};
use cardine_model::rule::Root;
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::write::{unique_holders, validations};
use cardine_store::{Bindings, RowSet, StoreError, WriteTx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::Writing;
use super::batch::{Batch, Draft};
use crate::check::issue;
use crate::record::RecordScope;
use crate::{EngineError, json_name};

/// What is told of a value that another record has.
const TAKEN: &str = "another record has this value already";

impl Batch<'_> {
    /// Asks the validations of all records that were written: one statement for each module.
    pub(super) async fn check_validations(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        for group in self.groups(|draft| draft.validated && draft.is_changed()) {
            let module = self.drafts[group[0]].module;
            let Some(statement) = validations(tx.dialect(), self.ctx.catalog(), rights, module) else { continue };
            let ids: Vec<Uuid> = group.iter().map(|position| self.drafts[*position].id).collect();
            let rows = tx.query(&statement, &Bindings { parents: &ids, ..self.ctx.bindings(&[]) }).await?;
            for row in 0..rows.len() {
                let Some(position) = id_at(&rows, row, 0).and_then(|id| self.by_id.get(&id)) else { continue };
                let draft = &mut self.drafts[*position];
                let writing = Writing { ctx: self.ctx, module };
                for (number, _) in module.validations.iter().enumerate() {
                    if rows.cell(row, number + 1).boolean() == Some(false) {
                        draft.issues.extend(writing.broken_rule(number, &draft.path));
                    }
                }
            }
        }
        Ok(())
    }

    /// Asks the validations of records that are refused already, and so have no row that could be asked: those over the record's own
    /// values, none of which is at fault.
    pub(super) fn check_validations_in_memory(&mut self) {
        let ctx = self.ctx;
        for draft in self.drafts.iter_mut().filter(|draft| draft.validated && draft.is_changed()) {
            let module = draft.module;
            // What these would have made of the record is not known.
            let others = module.clocks.is_some()
                || module.recurrence.is_some()
                || module.stages.is_some()
                || ctx.snapshot.hooks.concerns(module.id)
                || ctx.snapshot.matcher.is_asked_before_commit(module.id);
            // A value that the caller may not know of is told of the record as a whole.
            let is_below = |issue: &Issue| issue.path.len() > draft.path.len() && issue.path.starts_with(&draft.path);
            let is_whole = |issue: &Issue| issue.rule != "validation" && !is_below(issue);
            if others || draft.issues.is_empty() || draft.issues.iter().any(is_whole) {
                continue;
            }
            let is_known = |(root, path): &(Root, FieldPath)| {
                let is_own = *root == Root::Record && path.hops.is_empty();
                let is_found = |field: &Field| {
                    draft.before.is_none() && matches!(field.default.as_deref(), Some(FieldDefault::Rule(_)))
                };
                let is_sound = |field: &Field| is_given(field) && !is_found(field) && !is_at_fault(field, draft);
                is_own && is_sound(module.field(path.field))
            };
            let (record, old) = (&draft.after, draft.before.as_ref());
            let scope = RecordScope { record, old, actor: ctx.actor.user, now: ctx.now, today: ctx.today };
            let mut found = Vec::new();
            for (number, validation) in module.validations.iter().enumerate() {
                if validation.rule.inputs().iter().all(is_known)
                    && validation.rule.eval(&scope) == Value::Boolean(false)
                {
                    found.extend(Writing { ctx, module }.broken_rule(number, &draft.path));
                }
            }
            found.retain(|issue| !draft.issues.contains(issue));
            draft.issues.append(&mut found);
        }
    }

    /// Which of the new records have a unique value of another record, and in which fields.
    pub(super) async fn find_conflicts(&mut self, tx: &mut WriteTx, group: &[usize]) -> Result<(), EngineError> {
        let module = self.drafts[group[0]].module;
        for unique in &module.uniques {
            let has_all = |position: &&usize| {
                let record = &self.drafts[**position].after;
                unique.iter().all(|field| !record.get(*field).is_null())
            };
            let rows: Vec<Vec<Value>> = group
                .iter()
                .filter(has_all)
                .map(|position| {
                    let draft = &self.drafts[*position];
                    let values = unique.iter().map(|field| draft.after.get(*field).clone());
                    std::iter::once(Value::Id(draft.id)).chain(values).collect()
                })
                .collect();
            if rows.is_empty() {
                continue;
            }
            let statement = unique_holders(tx.dialect(), module, unique, rows.len());
            let held = tx.query_rows(&statement, rows).await?;
            let conflicting: FxHashSet<Uuid> = (0..held.len()).filter_map(|row| id_at(&held, row, 0)).collect();
            for position in group {
                let draft = &mut self.drafts[*position];
                if conflicting.contains(&draft.id) {
                    self.conflict = true;
                    draft.issues.extend(Writing { ctx: self.ctx, module }.taken_values(unique, &draft.path));
                }
            }
        }
        Ok(())
    }
}

impl Writing<'_> {
    /// A unique index's refusal as a conflict at its fields.
    pub(super) fn name_conflict(&self, error: StoreError, path: &[PathSegment]) -> EngineError {
        let StoreError::UniqueViolation { index } = &error else {
            return error.into();
        };
        let fields = cardine_sql::ddl::unique_index_fields(self.module, index).unwrap_or_default();
        EngineError::Conflict { message: TAKEN.to_owned(), issues: self.taken_values(fields, path) }
    }

    /// A field that the caller may not read is not named.
    fn taken_values(&self, fields: &[FieldId], path: &[PathSegment]) -> Vec<Issue> {
        let readable = |field: &&FieldId| self.ctx.actor.rights.can_read(self.module.id, **field);
        let fields = fields.iter().filter(readable);
        fields.map(|field| issue(self.module.field(*field), path, "unique", TAKEN)).collect()
    }

    fn broken_rule(&self, number: usize, path: &[PathSegment]) -> Vec<Issue> {
        let validation = &self.module.validations[number];
        let message = validation.message.text(&self.ctx.actor.languages);
        // A hidden field is not named; the rule's message is the admin's word to everyone who writes.
        let rule = match validation.origin {
            ValidationOrigin::Declared => "validation",
            ValidationOrigin::RequiredIf(_) => "required",
            ValidationOrigin::DependsOn(_) => "dependsOn",
        };
        let readable = |field: &&FieldId| self.ctx.actor.rights.can_read(self.module.id, **field);
        let fields: Vec<&FieldId> = validation.fields.iter().filter(readable).collect();
        if fields.is_empty() {
            return vec![Issue::new(path.to_vec(), rule, message)];
        }
        let at = |field: &FieldId| issue(self.module.field(*field), path, rule, message);
        fields.into_iter().map(at).collect()
    }
}

/// Whether the value is the one that was given, before the record has a row.
fn is_given(field: &Field) -> bool {
    let computed = matches!(field.kind, FieldKind::AutoNumber { .. } | FieldKind::Formula(_) | FieldKind::Rollup(_));
    field.column.is_some() && !field.system && !computed
}

/// Whether an issue stands at the field. That another record has its value does not make the value a faulty one.
fn is_at_fault(field: &Field, draft: &Draft<'_>) -> bool {
    let name = json_name(field);
    let whole = name.split('.').next().unwrap_or_default();
    draft.issues.iter().filter(|issue| issue.rule != "unique").any(|issue| match issue.path.get(draft.path.len()) {
        Some(PathSegment::Name(at)) => at == whole || *at == field.name,
        _ => false,
    })
}

/// The records that have these values of unique sets of fields, whoever may see them: one for each key. A statement for each set.
pub(super) async fn find_holders(
    tx: &mut WriteTx,
    module: &Module,
    keys: &[Vec<(FieldId, Value)>],
) -> Result<Vec<Option<Uuid>>, EngineError> {
    let mut sets: Vec<(Vec<FieldId>, Vec<usize>)> = Vec::new();
    for (position, key) in keys.iter().enumerate() {
        let fields: Vec<FieldId> = key.iter().map(|(field, _)| *field).collect();
        match sets.iter_mut().find(|(known, _)| *known == fields) {
            Some((_, positions)) => positions.push(position),
            None => sets.push((fields, vec![position])),
        }
    }
    let mut holders = vec![None; keys.len()];
    for (fields, positions) in sets {
        let statement = unique_holders(tx.dialect(), module, &fields, positions.len());
        // In place of the id of a record, of which there is none yet: no record has such a one.
        let mark = |position: usize| Value::Id(Uuid::from_u128(position as u128));
        let row = |position: &usize| {
            let values = keys[*position].iter().map(|(_, value)| value.clone());
            std::iter::once(mark(*position)).chain(values).collect()
        };
        let held = tx.query_rows(&statement, positions.iter().map(row).collect()).await?;
        for row in 0..held.len() {
            let position = id_at(&held, row, 0).and_then(|mark| usize::try_from(mark.as_u128()).ok());
            if let Some(holder) = position.and_then(|position| holders.get_mut(position)) {
                *holder = id_at(&held, row, 1);
            }
        }
    }
    Ok(holders)
}

pub(super) fn id_at(rows: &RowSet, row: usize, column: usize) -> Option<Uuid> {
    rows.cell(row, column).text().and_then(|id| Uuid::try_parse(id).ok())
}
