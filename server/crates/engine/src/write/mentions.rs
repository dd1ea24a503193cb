//! Mentions: who is named in the texts of what was written, and may see it, gets a notification in the same transaction.

use std::collections::BTreeMap;

use cardine_model::Value;
use cardine_model::catalog::{Field, FieldKind, Module, ModuleId, TextFormat};
use cardine_model::mentions::{Mentions, mentioned};
use cardine_model::text::account_key;
use cardine_sql::write::visible_records;
use cardine_store::platform::events::{NewEvent, insert_events};
use cardine_store::platform::notifications::{NewNotification, UNSEEN, fetch_unread_records, insert_notifications};
use cardine_store::{Bindings, WriteTx};
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::json;
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::rules::id_at;
use crate::feed::NOTIFICATIONS;
use crate::identity::AccessState;
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// What the notification says of its cause.
const KIND: &str = "MENTION";
/// Of so many mentions one mutation notifies, that is, of pairs of a user and a record.
const NOTIFIED_MAX: usize = 500;

/// A record, and its texts that mention somebody.
type Mentioning<'m> = (Uuid, Vec<&'m Field>);

impl Batch<'_> {
    /// Notifies those who are mentioned now and were not before, each once for a record. Whether they see it is asked under their
    /// own rights, when all of it is written. For who does not the same is done, and what is kept of it is never shown: how long a
    /// write takes tells nobody who may read what.
    pub(super) async fn notify(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let ctx = self.ctx;
        // By user and module: the records, each with the fields that mention the user.
        let mut asked: BTreeMap<(Uuid, ModuleId), Vec<Mentioning<'_>>> = BTreeMap::new();
        let mut names: Option<Names> = None;
        for draft in &self.drafts {
            let Some(mentions) = draft.module.mentions.as_deref().filter(|_| draft.is_changed()) else { continue };
            let mut of_record: BTreeMap<Uuid, Vec<&Field>> = BTreeMap::new();
            for (field, name) in new_mentions(mentions, draft) {
                let names = names.get_or_insert_with(|| Names::of(&ctx.snapshot.access));
                let user = names.user(&ctx.snapshot.access, &name);
                if let Some(user) = user.filter(|user| Some(*user) != ctx.actor.user) {
                    of_record.entry(user).or_default().push(field);
                }
            }
            for (user, fields) in of_record {
                asked.entry((user, draft.module.id)).or_default().push((draft.id, fields));
            }
        }
        if asked.values().map(Vec::len).sum::<usize>() > NOTIFIED_MAX {
            let message =
                format!("one mutation mentions users at most {NOTIFIED_MAX} times: write its records in parts");
            return Err(EngineError::Limit(message));
        }
        let mut notifications = Vec::new();
        for ((user, module), records) in asked {
            let seen = seen_by(tx, ctx, user, module, &records).await?;
            let ids: Vec<Uuid> = records.iter().map(|(id, _)| *id).collect();
            // By another name, or in another text: they know already that they are mentioned there.
            let told: FxHashSet<(Uuid, String)> = fetch_unread_records(tx, user, &ids).await?.into_iter().collect();
            let module = &ctx.catalog().module(module).name;
            for record in ids {
                let kind = if seen.contains(&record) { KIND } else { UNSEEN };
                if !told.contains(&(record, kind.to_owned())) {
                    let id = ctx.new_ids.next();
                    notifications.push(NewNotification { id, user, at: ctx.now, kind, module, record });
                }
            }
        }
        insert_notifications(tx, &notifications).await?;
        self.tell_notified(tx, &notifications).await
    }

    /// Writes an event for each, for those who follow their notifications: also for one that is never shown, as that takes its time too.
    async fn tell_notified(&self, tx: &mut WriteTx, notifications: &[NewNotification<'_>]) -> Result<(), EngineError> {
        let ctx = self.ctx;
        let event = |notification: &NewNotification<'_>| NewEvent {
            at: ctx.now,
            module: NOTIFICATIONS,
            record: notification.user,
            kind: "CREATED",
            actor: ctx.actor.user,
            depth: ctx.depth,
            before: None,
            after: Some(json!({"id": notification.id}).to_string().into()),
            changed: "[]".into(),
        };
        let events: Vec<NewEvent<'_>> = notifications.iter().map(event).collect();
        insert_events(tx, &events).await?;
        Ok(())
    }
}

/// The records among those in which the user is mentioned that the user sees, with a field that mentions them.
async fn seen_by(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    user: Uuid,
    module: ModuleId,
    records: &[Mentioning<'_>],
) -> Result<FxHashSet<Uuid>, EngineError> {
    let catalog = ctx.catalog();
    let actor = ctx.snapshot.access.shared_actor_within(catalog, user, None, None, None);
    let reader = actor.filter(|actor| actor.rights.can_read_module(module));
    // The database is asked the same of who may not read the module: as the one who writes, whose answer then counts for nothing.
    let theirs = RequestContext { actor: reader.clone().unwrap_or_else(|| ctx.actor.clone()), ..ctx.clone() };
    let statement = visible_records(tx.dialect(), catalog, &theirs.actor.rights, module);
    let ids: Vec<Uuid> = records.iter().map(|(id, _)| *id).collect();
    let rows = tx.query(&statement, &Bindings { parents: &ids, ..theirs.bindings(&[]) }).await?;
    let visible: FxHashSet<Uuid> = (0..rows.len()).filter_map(|row| id_at(&rows, row, 0)).collect();
    let shows = |fields: &[&Field]| {
        reader.as_ref().is_some_and(|reader| fields.iter().any(|field| reader.rights.can_read(module, field.id)))
    };
    let seen = records.iter().filter(|(id, fields)| shows(fields) && visible.contains(id));
    Ok(seen.map(|(id, _)| *id).collect())
}

/// The names that a record mentions and did not before, with the texts in which they stand.
fn new_mentions<'m>(mentions: &'m Mentions, draft: &Draft<'m>) -> Vec<(&'m Field, String)> {
    let module: &'m Module = draft.module;
    let mut found = Vec::new();
    for field in mentions.texts(module) {
        let names = names_in(field, &draft.after);
        let before = draft.before.as_ref().map(|before| names_in(field, before)).unwrap_or_default();
        found.extend(names.into_iter().filter(|name| !before.contains(name)).map(|name| (field, name)));
    }
    found
}

fn names_in(field: &Field, record: &Record) -> Vec<String> {
    let is_rich = matches!(field.kind, FieldKind::Text { format: TextFormat::Rich, .. });
    match record.get(field.id) {
        Value::Text(text) => mentioned(text, is_rich),
        _ => Vec::new(),
    }
}

/// Who is meant by what stands before the sign of their address; nobody where several have it.
struct Names(FxHashMap<String, Option<Uuid>>);

impl Names {
    fn of(access: &AccessState) -> Self {
        let mut names = FxHashMap::default();
        for user in access.users().into_iter().filter(|user| user.active) {
            if let Some((name, _)) = user.email.split_once('@') {
                names.entry(name.to_owned()).and_modify(|known| *known = None).or_insert(Some(user.id));
            }
        }
        Self(names)
    }

    fn user(&self, access: &AccessState, name: &str) -> Option<Uuid> {
        match name.contains('@') {
            true => access.user_with_email(name).filter(|user| user.active).map(|user| user.id),
            false => self.0.get(&account_key(name)).copied().flatten(),
        }
    }
}
