//! The values that a caller gives: what may be written, checked by the rules of its field.

use cardine_access::FieldAccess;
use cardine_failpoints::switched_off;
use cardine_model::catalog::FieldId;
use cardine_model::{Issue, PathSegment, Value};

use super::Writing;
use crate::EngineError;
use crate::check::{check_groups, check_value};
use crate::record::Record;

impl Writing<'_> {
    pub(super) fn check_may_create(&self) -> Result<(), EngineError> {
        if self.ctx.actor.rights.module(self.module.id).create || switched_off!("write.create") {
            return Ok(());
        }
        Err(EngineError::Forbidden(format!("you may not create records of {}", self.module.name)))
    }

    /// Whoever may change nothing of a module has no record of it to change.
    pub(super) fn check_may_update(&self) -> Result<(), EngineError> {
        let may = self.ctx.actor.rights.module(self.module.id).update || switched_off!("write.update");
        if may { Ok(()) } else { Err(EngineError::NotFound) }
    }

    /// Likewise for deleting, restoring and destroying.
    pub(super) fn check_may_delete(&self) -> Result<(), EngineError> {
        let may = self.ctx.actor.rights.module(self.module.id).delete || switched_off!("write.delete");
        if may { Ok(()) } else { Err(EngineError::NotFound) }
    }

    /// The front offers only what may be written; this holds even if one did not.
    pub(super) fn check_writable(&self, data: &[(FieldId, Value)]) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        let refused = data.iter().any(|(field, _)| rights.module(self.module.id).access(*field) != FieldAccess::Write);
        if refused && !switched_off!("write.field") {
            Err(EngineError::Forbidden("you may not write this field".to_owned()))
        } else {
            Ok(())
        }
    }

    pub(super) fn take_input(
        &self,
        record: &mut Record,
        before: Option<&Record>,
        data: &[(FieldId, Value)],
        path: &[PathSegment],
        issues: &mut Vec<Issue>,
    ) {
        for (id, value) in data {
            // What stays as it is need not meet rules that came later: a retired choice may be sent back.
            if before.is_some_and(|before| before.get(*id) == value) {
                continue;
            }
            let field = self.module.field(*id);
            let checked = check_value(self.ctx.catalog(), self.module.id, field, value.clone(), path, issues);
            record.set(*id, checked);
        }
        check_groups(self.module, &self.ctx.actor.rights, record, before, path, issues);
    }
}
