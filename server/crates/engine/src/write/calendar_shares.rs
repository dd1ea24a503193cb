//! Calendars are shared by their users: nobody else opens one.

use cardine_model::{Field, Issue, Module, Value, path};

use super::Writing;
use super::batch::Batch;
use crate::check::issue;
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// The rule that an issue names.
const RULE: &str = "calendarShares";
const MESSAGE: &str = "a calendar is shared by its own user alone, or by an administrator";

impl Batch<'_> {
    /// Refuses records by which somebody shares the calendar of another, those whose links alone are changed included.
    pub(super) fn guard_calendars(&mut self) {
        let ctx = self.ctx;
        if ctx.actor.rights.administrator {
            return;
        }
        for draft in &mut self.drafts {
            let Some(user) = shared_user(draft.module) else { continue };
            let is_own = |record: &Record| is_own(ctx, user, record);
            let is_users = |before: &Record| before.get(user.id) == draft.after.get(user.id);
            // What follows from another write opens nothing, as long as it is the same user's.
            let follows = !draft.validated && draft.before.as_ref().is_some_and(is_users);
            if follows || is_own(&draft.after) && draft.before.as_ref().is_none_or(is_own) {
                continue;
            }
            draft.issues.push(match ctx.actor.rights.can_read(draft.module.id, user.id) {
                true => issue(user, &draft.path, RULE, MESSAGE),
                false => Issue::new(draft.path.clone(), RULE, MESSAGE),
            });
        }
    }
}

impl Writing<'_> {
    /// Refuses to bring back records by which another's calendar was shared.
    pub(super) fn guard_restored_calendars(&self, module: &Module, records: &[Record]) -> Result<(), EngineError> {
        let Some(user) = shared_user(module).filter(|_| !self.ctx.actor.rights.administrator) else { return Ok(()) };
        match records.iter().all(|record| is_own(self.ctx, user, record)) {
            true => Ok(()),
            false => Err(EngineError::Validation(vec![Issue::new(path!["id"], RULE, MESSAGE)])),
        }
    }
}

/// The field with the user whose calendar records of the module share.
fn shared_user(module: &Module) -> Option<&Field> {
    let (user, _) = module.calendar_shares.as_deref()?.fields(module)?;
    Some(user)
}

fn is_own(ctx: &RequestContext, user: &Field, record: &Record) -> bool {
    match record.get(user.id) {
        Value::Id(id) => Some(*id) == ctx.actor.user,
        _ => true,
    }
}
