//! Notifications: what the caller was told of, as far as they may see it now.

use async_recursion::async_recursion as boxed;

use cardine_model::catalog::ModuleId;
use cardine_store::ReadTx;
use cardine_store::platform::notifications::{NotificationRow, fetch_notifications};
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::{Engine, EngineError, RequestContext};

/// So many of a user's notifications are looked at, the latest ones; none older is shown or counted.
pub const NOTIFICATIONS_MAX: usize = 1_000;
/// How long notifications are kept.
pub const NOTIFICATION_RETENTION: TimeDelta = TimeDelta::days(180);

/// Which page of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoticesAsked {
    /// How many.
    pub first: usize,
    /// Only those that come after this one, that is, were made before it.
    pub after: Option<Uuid>,
    /// Only those that are unread.
    pub unread: bool,
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its id.
    pub id: Uuid,
    /// Why: `MENTION`.
    pub kind: String,
    /// When, as the API writes it.
    pub at: String,
    /// When it was marked as read.
    pub read_at: Option<String>,
    /// The module of the record.
    pub module: ModuleId,
    /// The record.
    pub record: Uuid,
}

/// One page of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    /// The latest first.
    pub page: Vec<Notice>,
    /// Whether there are more after them.
    pub has_more: bool,
    /// How many there are, read or not as it is asked.
    pub total: usize,
    /// How many are unread.
    pub unread: usize,
}

impl Engine {
    /// Pages of the caller's own notifications. Those of records that the caller does not see now are left out and not counted.
    #[boxed]
    pub async fn notifications(
        &self,
        ctx: &RequestContext,
        asked: &[NoticesAsked],
    ) -> Result<Vec<Notices>, EngineError> {
        let Some(user) = ctx.actor.user else { return Ok(vec![Notices::default(); asked.len()]) };
        let rows: Vec<NotificationRow> = self
            .store()
            .until(ctx.deadline)
            .read(move |tx: &mut ReadTx| {
                async move { Ok::<_, EngineError>(fetch_notifications(tx, user, NOTIFICATIONS_MAX).await?) }.boxed()
            })
            .await?;
        let mut records: Vec<Uuid> = rows.iter().map(|row| row.record).collect();
        records.sort_unstable();
        records.dedup();
        let modules = self.locate(ctx, records).await?;
        let notice = |row: NotificationRow| {
            let module = *modules.get(&row.record)?;
            let NotificationRow { id, at, kind, record, read_at } = row;
            Some(Notice { id, kind, at, read_at, module, record })
        };
        let seen: Vec<Notice> = rows.into_iter().filter_map(notice).collect();
        Ok(asked.iter().map(|asked| page(&seen, *asked)).collect())
    }
}

fn page(seen: &[Notice], asked: NoticesAsked) -> Notices {
    let is_unread = |notice: &&Notice| notice.read_at.is_none();
    let meant = || seen.iter().filter(|notice| !asked.unread || is_unread(notice));
    let mut rest = meant().filter(|notice| asked.after.is_none_or(|after| notice.id < after));
    let page: Vec<Notice> = rest.by_ref().take(asked.first).cloned().collect();
    let has_more = rest.next().is_some();
    Notices { page, has_more, total: meant().count(), unread: seen.iter().filter(is_unread).count() }
}
