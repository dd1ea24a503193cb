//! A change of a record that is there: locked in the caller's reach, checked, written.

use cardine_model::catalog::{FieldId, Module};
use cardine_model::{Issue, Value, path};
use cardine_sql::write::{Assignment, Purpose, select_row, update};
use cardine_store::WriteTx;
use uuid::Uuid;

use super::{Writing, refuse};
use crate::EngineError;
use crate::record::Record;

impl Writing<'_> {
    pub(super) async fn update(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        data: &[(FieldId, Value)],
        if_version: Option<i64>,
    ) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).update {
            return Err(EngineError::NotFound);
        }
        self.check_writable(data)?;
        let before = self.lock(tx, id, Purpose::Update, if_version).await?;
        let mut issues = Vec::new();
        let mut record = before.clone();
        self.take_input(&mut record, Some(&before), data, &mut issues);
        let changed = record.changed(&before);
        let changed_data: Vec<(FieldId, Value)> =
            changed.iter().map(|field| (*field, record.get(*field).clone())).collect();
        let targets = self.find_targets(tx, &record, &changed_data, &mut issues).await?;
        refuse(issues)?;
        if changed.is_empty() {
            return Ok(id);
        }
        self.stamp_changed(&mut record, &before);
        let changed = record.changed(&before);
        let fields = changed.iter().map(|field| self.module.field(*field));
        let mut assignments: Vec<Assignment> = fields.map(Assignment::field).collect();
        let mut values: Vec<Value> = changed.iter().map(|field| record.get(*field).clone()).collect();
        self.push_targets(&targets, &mut assignments, &mut values);
        self.store_update(tx, id, &assignments, values).await?;
        self.check_validations(tx, id).await?;
        self.record_change(tx, "UPDATED", id, Some(&before), Some(&record)).await?;
        Ok(id)
    }

    /// The record as it is, locked, if it is in the caller's scope for `purpose` and has the expected version.
    pub(super) async fn lock(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        purpose: Purpose,
        if_version: Option<i64>,
    ) -> Result<Record, EngineError> {
        let statement = select_row(tx.dialect(), self.ctx.catalog(), &self.ctx.actor.rights, self.module.id, purpose);
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        if rows.is_empty() {
            return Err(EngineError::NotFound);
        }
        let record = Record::from_row(self.module, &rows, 0);
        if let (Some(expected), Value::Integer(actual)) = (if_version, record.get(Module::VERSION))
            && expected != *actual
        {
            return Err(EngineError::Conflict {
                message: format!("the record has version {actual}, not {expected}: read it again"),
                issues: vec![Issue::new(path!["ifVersion"], "version", format!("expected {expected}, found {actual}"))],
            });
        }
        Ok(record)
    }

    pub(super) fn stamp_changed(&self, record: &mut Record, before: &Record) {
        let version = match before.get(Module::VERSION) {
            Value::Integer(version) => version + 1,
            _ => 1,
        };
        record.set(Module::VERSION, Value::Integer(version));
        record.set(Module::UPDATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::UPDATED_BY, self.ctx.actor.user.map_or(Value::Null, Value::Id));
    }

    pub(super) async fn store_update(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        assignments: &[Assignment],
        mut values: Vec<Value>,
    ) -> Result<(), EngineError> {
        values.push(Value::Id(id));
        let statement = update(tx.dialect(), self.module, assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map(|_| ()).map_err(|error| self.name_conflict(error))
    }
}
