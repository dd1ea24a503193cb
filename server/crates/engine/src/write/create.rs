//! A new record: its defaults, its required fields, its automatic numbers.

use cardine_model::catalog::{Default as FieldDefault, Field, FieldId, FieldKind, Module};
use cardine_model::{Issue, Value};
use cardine_sql::write::{Assignment, insert, stored_fields};
use cardine_store::WriteTx;
use cardine_store::platform::events;
use uuid::Uuid;

use super::{Writing, data_path, refuse};
use crate::EngineError;
use crate::check::{check_value, issue};
use crate::record::{Record, RecordScope};

impl Writing<'_> {
    pub(super) async fn create(&self, tx: &mut WriteTx, data: &[(FieldId, Value)]) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).create {
            return Err(EngineError::Forbidden(format!("you may not create records of {}", self.module.name)));
        }
        self.check_writable(data)?;
        let mut issues = Vec::new();
        let mut record = Record::empty(self.module);
        self.fill_defaults(&mut record, data, &mut issues);
        self.take_input(&mut record, None, data, &mut issues);
        self.require_others(&record, data, &mut issues);
        let id = Uuid::now_v7();
        self.stamp_new(&mut record, id, data);
        let targets = self.find_targets(tx, &record, data, &mut issues).await?;
        refuse(issues)?;
        self.number(tx, &mut record).await?;

        let mut assignments = Vec::new();
        let mut values = Vec::new();
        for field in stored_fields(self.module) {
            let value = record.get(field.id);
            if !value.is_null() {
                assignments.push(Assignment::field(field));
                values.push(value.clone());
            }
        }
        self.push_targets(&targets, &mut assignments, &mut values);
        let statement = insert(tx.dialect(), self.module, &assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map_err(|error| self.name_conflict(error))?;
        self.check_validations(tx, id).await?;
        self.record_change(tx, "CREATED", id, None, Some(&record)).await?;
        Ok(id)
    }

    pub(super) fn fill_defaults(&self, record: &mut Record, data: &[(FieldId, Value)], issues: &mut Vec<Issue>) {
        let given = |field: &Field| data.iter().any(|(id, _)| *id == field.id);
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Value(value)) = &field.default {
                let checked = self.check_default(field, value.clone(), issues);
                record.set(field.id, checked);
            }
        }
        for (field, value) in data {
            record.set(*field, value.clone());
        }
        // Rules see the values given and the plain defaults.
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Rule(rule)) = &field.default {
                let value = rule.eval(&RecordScope {
                    record,
                    old: None,
                    actor: self.ctx.actor.user,
                    now: self.ctx.now,
                    today: self.ctx.today,
                });
                let checked = self.check_default(field, value, issues);
                record.set(field.id, checked);
            }
        }
    }

    /// What a rule gave must meet the field's rules like what a caller gives. A field that the caller may not read is not named.
    pub(super) fn check_default(&self, field: &Field, value: Value, issues: &mut Vec<Issue>) -> Value {
        let Some(value) = fit(field, value) else {
            issues.push(self.default_fault(field, issue(field, &data_path(), "range", "its default is out of range")));
            return Value::Null;
        };
        // Whether a value is missing is told with the other required fields.
        if value.is_null() {
            return value;
        }
        let mut faults = Vec::new();
        let checked = check_value(self.ctx.catalog(), self.module.id, field, value, &data_path(), &mut faults);
        issues.extend(faults.into_iter().map(|fault| self.default_fault(field, fault)));
        checked
    }

    pub(super) fn default_fault(&self, field: &Field, fault: Issue) -> Issue {
        if self.ctx.actor.rights.can_read(self.module.id, field.id) {
            return fault;
        }
        Issue::new(data_path(), "default", "a default breaks a rule of its field; ask an administrator")
    }

    /// Required fields that were neither given nor have a default.
    pub(super) fn require_others(&self, record: &Record, data: &[(FieldId, Value)], issues: &mut Vec<Issue>) {
        for field in stored_fields(self.module).filter(|field| field.required && !field.system) {
            let given = data.iter().any(|(id, _)| *id == field.id);
            let numbered = matches!(field.kind, FieldKind::AutoNumber { .. });
            if given || numbered || !record.get(field.id).is_null() {
                continue;
            }
            let missing = if self.ctx.actor.rights.can_read(self.module.id, field.id) {
                issue(field, &data_path(), "required", "a value is required")
            } else {
                // Its name is not the caller's to know.
                let message = "a value is required that you may not set; ask an administrator";
                Issue::new(data_path(), "required", message)
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

    /// Gives the automatic numbers; the counter's row is locked until the transaction ends, so there are no duplicates.
    pub(super) async fn number(&self, tx: &mut WriteTx, record: &mut Record) -> Result<(), EngineError> {
        for field in &self.module.fields {
            let FieldKind::AutoNumber { format } = &field.kind else {
                continue;
            };
            let period = crate::number::period(format, self.ctx.today);
            let next = events::next_number(tx, &self.module.name, &field.name, &period).await?;
            record.set(field.id, Value::Text(crate::number::write(format, self.ctx.today, next)));
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
