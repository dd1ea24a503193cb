//! What a record must meet as a whole: the module's validations and its unique fields.

use cardine_model::catalog::FieldId;
use cardine_model::{Issue, Value};
use cardine_sql::write::validations;
use cardine_store::{StoreError, WriteTx};
use uuid::Uuid;

use super::{Writing, data_path, refuse};
use crate::EngineError;
use crate::check::issue;

impl Writing<'_> {
    pub(super) async fn check_validations(&self, tx: &mut WriteTx, id: Uuid) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        let Some(statement) = validations(tx.dialect(), self.ctx.catalog(), rights, self.module) else {
            return Ok(());
        };
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        let mut issues = Vec::new();
        for (position, validation) in self.module.validations.iter().enumerate() {
            if rows.is_empty() || rows.cell(0, position).boolean() != Some(false) {
                continue;
            }
            let message = validation.message.text(&self.ctx.actor.locale);
            // A hidden field is not named; the rule's message is the admin's word to everyone who writes.
            let readable = |field: &&FieldId| rights.can_read(self.module.id, **field);
            let fields: Vec<&FieldId> = validation.fields.iter().filter(readable).collect();
            if fields.is_empty() {
                issues.push(Issue::new(data_path(), "validation", message));
            }
            for field in fields {
                issues.push(issue(self.module.field(*field), &data_path(), "validation", message));
            }
        }
        refuse(issues)
    }

    /// A unique index's refusal as a conflict at its fields.
    pub(super) fn name_conflict(&self, error: StoreError) -> EngineError {
        let StoreError::UniqueViolation { index } = &error else {
            return error.into();
        };
        let fields = cardine_sql::ddl::unique_index_fields(self.module, index).unwrap_or_default();
        let readable = |field: &&FieldId| self.ctx.actor.rights.can_read(self.module.id, **field);
        let issues = fields.iter().filter(readable).map(|field| {
            issue(self.module.field(*field), &data_path(), "unique", "another record has this value already")
        });
        EngineError::Conflict { message: "another record has this value already".to_owned(), issues: issues.collect() }
    }
}
