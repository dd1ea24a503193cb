//! The caller's notifications, in two steps as a search: the page of them, and then a list for each module among their records.

use cardine_engine::{Notice, NoticesAsked};
use cardine_model::Value;
use cardine_query::Take;
use uuid::Uuid;

use super::Compiler;
use super::arguments::Arguments;
use super::collect::Collected;
use super::found::{Found, FoundTypes};
use super::record::unvalidated;
use super::search::faulty;
use crate::cursor::{ContextBuilder, CursorContext};
use crate::error::Error;
use crate::schema::{OutputField, TypeKey};
use crate::shape::{HitPlace, NoticeShown, RootField};

/// The types of its answer.
const TYPES: FoundTypes = FoundTypes {
    connection: TypeKey::NotificationConnection,
    edge: TypeKey::NotificationEdge,
    entry: TypeKey::Notification,
};

impl<'a> Compiler<'a> {
    /// Which page is asked for.
    pub(super) fn notifications_asked(
        &mut self,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<NoticesAsked, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let unread = arguments.boolean("unread").unwrap_or_default();
        let (take, _) = self.take(&arguments, self.setting.limits.page_default)?;
        let (Take::First(first) | Take::Last(first)) = take else { return Err(unvalidated()) };
        let first = match self.values.get(first.0 as usize) {
            Some(Value::Integer(first)) => usize::try_from(*first).unwrap_or_default(),
            _ => return Err(unvalidated()),
        };
        let after = match arguments.text("after") {
            None => None,
            Some(cursor) => {
                let place = self.setting.cursors.open(&self.notifications_context(unread), cursor);
                let id = place.as_deref().and_then(|place| match place {
                    [id] => Uuid::try_parse(id.as_str()?).ok(),
                    _ => None,
                });
                Some(id.ok_or_else(|| faulty("after", "`after` is no cursor of the caller's notifications."))?)
            }
        };
        Ok(NoticesAsked { first, after, unread })
    }

    /// What their cursors belong to: a caller.
    fn notifications_context(&self, unread: bool) -> CursorContext {
        let mut context = ContextBuilder::default();
        context.text("notifications");
        context.value(&self.setting.viewer.user.map_or(Value::Null, Value::Id));
        context.value(&Value::Boolean(unread));
        context.finish()
    }

    /// The answer's form, when it is known which they are.
    pub(super) fn notifications(
        &mut self,
        collected: &Collected<'a>,
        definition: &OutputField,
    ) -> Result<RootField, Error> {
        let notices = self.located.notices.get(collected.key).cloned().unwrap_or_default();
        let arguments: Arguments = self.arguments(collected.field, definition)?;
        let context = self.notifications_context(arguments.boolean("unread").unwrap_or_default());
        let told = |notice: &Notice| {
            let cursor = self.setting.cursors.seal(&context, format!("[\"{}\"]", notice.id).as_bytes());
            (Some(notice.module), notice.record, HitPlace { cursor, ..place(notice) })
        };
        let page = notices.page.iter().map(told).collect();
        let counts = vec![("totalCount", notices.total.to_string()), ("unreadCount", notices.unread.to_string())];
        let found = Found { types: TYPES, page, has_more: notices.has_more, counts, terms: Vec::new() };
        self.found(found, collected, &arguments)
    }
}

/// What is shown of a notification beside its record.
pub(super) fn place(notice: &Notice) -> HitPlace {
    HitPlace {
        at: notice.at.clone(),
        way: notice.kind.clone(),
        notice: Some(NoticeShown { id: notice.id.to_string(), read_at: notice.read_at.clone() }),
        ..HitPlace::default()
    }
}
