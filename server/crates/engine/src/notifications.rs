//! Notifications: what the caller was told of, as far as they may see it now.

use async_recursion::async_recursion as boxed;

use cardine_model::Value;
use cardine_model::catalog::{Module, ModuleId};
use cardine_sql::{Statement, locate_records};
use cardine_store::platform::notifications::{
    NotificationRow, read_notifications, select_notifications, select_notifications_by_id,
};
use cardine_store::{Bindings, ReadTx};
use chrono::TimeDelta;
use futures_util::FutureExt as _;
use uuid::Uuid;

use crate::read::{Tx, places};
use crate::{Engine, EngineError, RequestContext};

/// So many of a user's notifications are shown and counted, the latest ones of those whose records they see.
pub const NOTIFICATIONS_MAX: usize = 1_000;
/// So often as many are looked at, to find those.
const PORTIONS_MAX: usize = 10;
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
        let store = self.store().until(ctx.deadline);
        let ctx = ctx.clone();
        let seen =
            store.read(move |tx: &mut ReadTx| async move { seen(&mut Tx::Read(tx), &ctx, user).await }.boxed()).await?;
        Ok(asked.iter().map(|asked| page(&seen, *asked)).collect())
    }

    /// Those of the caller's own notifications that have these ids and are of records that the caller sees now, the earliest first.
    #[boxed]
    pub async fn notifications_by_id(&self, ctx: &RequestContext, ids: Vec<Uuid>) -> Result<Vec<Notice>, EngineError> {
        let Some(user) = ctx.actor.user.filter(|_| !ids.is_empty()) else { return Ok(Vec::new()) };
        let store = self.store().until(ctx.deadline);
        let ctx = ctx.clone();
        let read = store.read(move |tx: &mut ReadTx| {
            async move {
                let tx = &mut Tx::Read(tx);
                let Some(locating) = locating(tx, &ctx) else { return Ok(Vec::new()) };
                let statement = select_notifications_by_id(tx.dialect());
                let values = [Value::Id(user)];
                let asked = Bindings { values: &values, parents: &ids, ..Bindings::default() };
                let rows = read_notifications(&tx.query(&statement, &asked).await?)?;
                located(tx, &ctx, &locating, rows).await
            }
            .boxed()
        });
        read.await
    }
}

/// The latest of the user's notifications: of records that they see now, in modules of which they may read a text that mentions users.
#[boxed]
pub(crate) async fn seen(tx: &mut Tx<'_>, ctx: &RequestContext, user: Uuid) -> Result<Vec<Notice>, EngineError> {
    let Some(locating) = locating(tx, ctx) else { return Ok(Vec::new()) };
    let mut seen: Vec<Notice> = Vec::new();
    let mut values = vec![Value::Id(user)];
    for _ in 0..PORTIONS_MAX {
        let statement = select_notifications(tx.dialect(), values.len() > 1, NOTIFICATIONS_MAX);
        let rows = tx.query(&statement, &Bindings { values: &values, ..Bindings::default() }).await?;
        let rows = read_notifications(&rows)?;
        let Some(last) = rows.last().map(|row| row.id) else { break };
        let is_last_portion = rows.len() < NOTIFICATIONS_MAX;
        seen.extend(located(tx, ctx, &locating, rows).await?);
        if is_last_portion || seen.len() >= NOTIFICATIONS_MAX {
            break;
        }
        values.truncate(1);
        values.push(Value::Id(last));
    }
    seen.truncate(NOTIFICATIONS_MAX);
    Ok(seen)
}

/// Asks which records the caller sees, in modules of which they may read a text that mentions users; none if there are none.
fn locating(tx: &Tx<'_>, ctx: &RequestContext) -> Option<Statement> {
    let (catalog, rights) = (ctx.catalog(), &ctx.actor.rights);
    let tells = |module: &Module| {
        let mentions = module.mentions.as_deref();
        mentions.is_some_and(|mentions| mentions.texts(module).any(|field| rights.can_read(module.id, field.id)))
    };
    locate_records(tx.dialect(), catalog, rights, tells)
}

/// Those among them whose records the caller sees, in their order.
async fn located(
    tx: &mut Tx<'_>,
    ctx: &RequestContext,
    locating: &Statement,
    rows: Vec<NotificationRow>,
) -> Result<Vec<Notice>, EngineError> {
    let mut records: Vec<Uuid> = rows.iter().map(|row| row.record).collect();
    records.sort_unstable();
    records.dedup();
    let found = tx.query(locating, &Bindings { parents: &records, ..ctx.bindings(&[]) }).await?;
    let modules = places(&found);
    let notice = |row: NotificationRow| {
        let module = *modules.get(&row.record)?;
        let NotificationRow { id, at, kind, record, read_at } = row;
        Some(Notice { id, kind, at, read_at, module, record })
    };
    Ok(rows.into_iter().filter_map(notice).collect())
}

fn page(seen: &[Notice], asked: NoticesAsked) -> Notices {
    let is_unread = |notice: &&Notice| notice.read_at.is_none();
    let meant = || seen.iter().filter(|notice| !asked.unread || is_unread(notice));
    let mut rest = meant().filter(|notice| asked.after.is_none_or(|after| notice.id < after));
    let page: Vec<Notice> = rest.by_ref().take(asked.first).cloned().collect();
    let has_more = rest.next().is_some();
    Notices { page, has_more, total: meant().count(), unread: seen.iter().filter(is_unread).count() }
}
