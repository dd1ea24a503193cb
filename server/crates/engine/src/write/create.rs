//! New records: their defaults, their required fields, their automatic numbers.

use cardine_model::catalog::{Default as FieldDefault, Field, FieldId, FieldKind, Module};
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_sql::write::stored_fields;
use cardine_store::WriteTx;
use cardine_store::platform::events;
use uuid::Uuid;

use super::batch::Batch;
use super::{Data, Writing, data_path};
use crate::EngineError;
use crate::check::{check_value, issue};
use crate::record::{Record, RecordScope};

impl Writing<'_> {
    /// New records, with what stands inside their data. `many` tells how the argument is written.
    pub(super) async fn create(&self, tx: &mut WriteTx, data: &[Data], many: bool) -> Result<Vec<Uuid>, EngineError> {
        let mut batch = Batch::new(self.ctx);
        let mut ids = Vec::with_capacity(data.len());
        for (position, data) in data.iter().enumerate() {
            let path = if many { path!["data", position] } else { data_path() };
            ids.push(batch.add_new(self.module, data, None, path)?);
        }
        batch.write(tx).await?;
        Ok(ids)
    }

    pub(super) fn fill_defaults(
        &self,
        record: &mut Record,
        data: &[(FieldId, Value)],
        path: &[PathSegment],
        issues: &mut Vec<Issue>,
    ) {
        let given = |field: &Field| data.iter().any(|(id, _)| *id == field.id);
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Value(value)) = field.default.as_deref() {
                let checked = self.check_default(field, value.clone(), path, issues);
                record.set(field.id, checked);
            }
        }
        for (field, value) in data {
            record.set(*field, value.clone());
        }
        // Rules see the values given and the plain defaults.
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Rule(rule)) = field.default.as_deref() {
                let value = rule.eval(&RecordScope {
                    record,
                    old: None,
                    actor: self.ctx.actor.user,
                    now: self.ctx.now,
                    today: self.ctx.today,
                });
                let checked = self.check_default(field, value, path, issues);
                record.set(field.id, checked);
            }
        }
    }

    /// What a rule gave must meet the field's rules like what a caller gives. A field that the caller may not read is not named.
    pub(super) fn check_default(
        &self,
        field: &Field,
        value: Value,
        path: &[PathSegment],
        issues: &mut Vec<Issue>,
    ) -> Value {
        let Some(value) = fit(field, value) else {
            issues.push(self.default_fault(field, path, issue(field, path, "range", "its default is out of range")));
            return Value::Null;
        };
        // Whether a value is missing is told with the other required fields.
        if value.is_null() {
            return value;
        }
        let mut faults = Vec::new();
        let checked = check_value(self.ctx.catalog(), self.module.id, field, value, path, &mut faults);
        issues.extend(faults.into_iter().map(|fault| self.default_fault(field, path, fault)));
        checked
    }

    pub(super) fn default_fault(&self, field: &Field, path: &[PathSegment], fault: Issue) -> Issue {
        if self.ctx.actor.rights.can_read(self.module.id, field.id) {
            return fault;
        }
        Issue::new(path.to_vec(), "default", "a default breaks a rule of its field; ask an administrator")
    }

    /// Required fields that were neither given nor have a default.
    pub(super) fn require_others(
        &self,
        record: &Record,
        data: &[(FieldId, Value)],
        path: &[PathSegment],
        issues: &mut Vec<Issue>,
    ) {
        for field in stored_fields(self.module).filter(|field| field.required && !field.system) {
            let given = data.iter().any(|(id, _)| *id == field.id);
            let numbered = matches!(field.kind, FieldKind::AutoNumber { .. });
            if given || numbered || !record.get(field.id).is_null() {
                continue;
            }
            let missing = if self.ctx.actor.rights.can_read(self.module.id, field.id) {
                issue(field, path, "required", "a value is required")
            } else {
                // Its name is not the caller's to know.
                let message = "a value is required that you may not set; ask an administrator";
                Issue::new(path.to_vec(), "required", message)
            };
            if !issues.contains(&missing) {
                issues.push(missing);
            }
        }
    }

    pub(super) fn stamp_new(&self, record: &mut Record, id: Uuid, data: &[(FieldId, Value)]) {
        let user = self.ctx.actor.user.map_or(Value::Null, Value::Id);
        record.set(Module::ID, Value::Id(id));
        record.set(Module::VERSION, Value::Integer(1));
        record.set(Module::CREATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::UPDATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::CREATED_BY, user.clone());
        record.set(Module::UPDATED_BY, user.clone());
        if !data.iter().any(|(field, _)| *field == Module::OWNER) {
            record.set(Module::OWNER, user);
        }
    }
}

impl Batch<'_> {
    /// Gives the automatic numbers; the counter's row is locked until the transaction ends, so there are no duplicates.
    pub(super) async fn number(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        for group in self.groups(|draft| draft.before.is_none()) {
            let module = self.drafts[group[0]].module;
            for field in &module.fields {
                let FieldKind::AutoNumber { format } = &field.kind else {
                    continue;
                };
                let period = crate::number::period(format, self.ctx.today);
                let first = events::next_numbers(tx, &module.name, &field.name, &period, group.len()).await?;
                for (number, position) in (first..).zip(&group) {
                    let text = crate::number::write(format, self.ctx.today, number);
                    self.drafts[*position].after.set(field.id, Value::Text(text));
                }
            }
        }
        Ok(())
    }
}

/// A rule's value in the type of the field that it is the default of; `None` where the type has no such value.
pub(super) fn fit(field: &Field, value: Value) -> Option<Value> {
    Some(match (&field.kind, value) {
        (FieldKind::Integer { .. } | FieldKind::Duration, Value::Decimal(number)) => {
            Value::Integer(number.round(0).to_i64()?)
        }
        (FieldKind::Decimal { scale, .. }, Value::Decimal(number)) => Value::Decimal(number.round(u32::from(*scale))),
        (_, value) => value,
    })
}
