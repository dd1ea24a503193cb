//! Calendars are shared by their users: nobody else opens one, or closes it.

use cardine_model::{Issue, Value};

use super::batch::Batch;
use crate::check::issue;
use crate::record::Record;

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
            let Some(shares) = draft.module.calendar_shares.as_deref() else { continue };
            let Some((user, _)) = shares.fields(draft.module) else { continue };
            let is_own = |record: &Record| match record.get(user.id) {
                Value::Id(id) => Some(*id) == ctx.actor.user,
                _ => true,
            };
            if is_own(&draft.after) && draft.before.as_ref().is_none_or(is_own) {
                continue;
            }
            draft.issues.push(match ctx.actor.rights.can_read(draft.module.id, user.id) {
                true => issue(user, &draft.path, RULE, MESSAGE),
                false => Issue::new(draft.path.clone(), RULE, MESSAGE),
            });
        }
    }
}
