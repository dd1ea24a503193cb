//! The records that references lead to: they must exist for the caller.

use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Issue, Value};
use cardine_sql::write::{Assignment, visible_record};
use cardine_store::WriteTx;

use super::{Writing, data_path};
use crate::EngineError;
use crate::check::issue;
use crate::record::Record;

impl Writing<'_> {
    /// The module that each reference of `data` leads to; one that leads nowhere the caller may see is an issue.
    pub(super) async fn find_targets(
        &self,
        tx: &mut WriteTx,
        record: &Record,
        data: &[(FieldId, Value)],
        issues: &mut Vec<Issue>,
    ) -> Result<Vec<(FieldId, Option<ModuleId>)>, EngineError> {
        let catalog = self.ctx.catalog();
        let owner = (self.ctx.actor.user.is_some() && !data.iter().any(|(field, _)| *field == Module::OWNER))
            .then_some(Module::OWNER)
            .filter(|_| matches!(record.get(Module::VERSION), Value::Integer(1)));
        let mut targets = Vec::new();
        for id in data.iter().map(|(field, _)| *field).chain(owner) {
            let field = self.module.field(id);
            let Some(reference) = field.reference() else { continue };
            if record.get(id).is_null() {
                targets.push((id, None));
                continue;
            }
            let mut found = None;
            for target in &reference.targets {
                // The creator becomes the owner whether or not users can be read.
                let rights = &self.ctx.actor.rights;
                if owner != Some(id) && !rights.can_read_module(*target) {
                    continue;
                }
                let statement = visible_record(tx.dialect(), catalog, rights, *target);
                let values = [record.get(id).clone()];
                if !tx.query(&statement, &self.ctx.bindings(&values)).await?.is_empty() {
                    found = Some(*target);
                    break;
                }
            }
            match found {
                Some(target) => targets.push((id, Some(target))),
                None => issues.push(issue(field, &data_path(), "reference", "there is no such record")),
            }
        }
        Ok(targets)
    }

    /// The names of the modules that references to several modules lead to.
    pub(super) fn push_targets(
        &self,
        targets: &[(FieldId, Option<ModuleId>)],
        assignments: &mut Vec<Assignment>,
        values: &mut Vec<Value>,
    ) {
        for (field, target) in targets {
            if let Some(assignment) = Assignment::target_module(self.module.field(*field)) {
                let name = target.map(|target| self.ctx.catalog().module(target).name.clone());
                assignments.push(assignment);
                values.push(name.map_or(Value::Null, Value::Text));
            }
        }
    }
}
