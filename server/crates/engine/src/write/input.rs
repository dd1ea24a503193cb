//! The values that a caller gives: what may be written, checked by the rules of its field.

use cardine_access::FieldAccess;
use cardine_model::catalog::FieldId;
use cardine_model::{Issue, Value};

use super::{Writing, data_path};
use crate::EngineError;
use crate::check::{check_groups, check_value};
use crate::record::Record;

impl Writing<'_> {
    /// The front offers only what may be written; this holds even if one did not.
    pub(super) fn check_writable(&self, data: &[(FieldId, Value)]) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        let refused = data.iter().any(|(field, _)| rights.module(self.module.id).access(*field) != FieldAccess::Write);
        if refused { Err(EngineError::Forbidden("you may not write this field".to_owned())) } else { Ok(()) }
    }

    pub(super) fn take_input(
        &self,
        record: &mut Record,
        before: Option<&Record>,
        data: &[(FieldId, Value)],
        issues: &mut Vec<Issue>,
    ) {
        for (id, value) in data {
            // What stays as it is need not meet rules that came later: a retired choice may be sent back.
            if before.is_some_and(|before| before.get(*id) == value) {
                continue;
            }
            let field = self.module.field(*id);
            let checked = check_value(self.ctx.catalog(), self.module.id, field, value.clone(), &data_path(), issues);
            record.set(*id, checked);
        }
        check_groups(self.module, &self.ctx.actor.rights, record, before, &data_path(), issues);
    }
}
