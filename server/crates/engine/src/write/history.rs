//! What is told of changes, in their own transaction: the audit entries, the events, and the runs that they start.

use cardine_model::catalog::{Field, FieldId, Module, Relation};
use cardine_store::WriteTx;
use cardine_store::platform::events::{NewAudit, NewEvent, insert_audits, insert_events};
use cardine_store::platform::workflows::{self, NewRun};
use serde_json::Value as Json;
use uuid::Uuid;

use super::update::id_of;
use crate::events::{CAUSE_DEPTH_MAX, RecordEvent};
use crate::record::{Record, json_name, json_of_field};
use crate::{EngineError, RequestContext};

/// One record's change.
pub(super) struct Change<'a> {
    pub module: &'a Module,
    pub id: Uuid,
    /// What the audit says.
    pub action: &'static str,
    /// What the event says; `None` if there is none.
    pub event: Option<&'static str>,
    pub before: Option<&'a Record>,
    pub after: Option<&'a Record>,
}

impl Change<'_> {
    fn changed(&self) -> Vec<FieldId> {
        let nothing = Record::empty(self.module);
        self.after.unwrap_or(&nothing).changed(self.before.unwrap_or(&nothing))
    }
}

/// Writes audit entries and events of all changes, and queues what follows: a statement for each, however many changes there are.
pub(super) async fn tell(tx: &mut WriteTx, ctx: &RequestContext, changes: &[Change<'_>]) -> Result<(), EngineError> {
    let audits: Vec<NewAudit<'_>> = changes.iter().map(|change| audit(ctx, change)).collect();
    insert_audits(tx, &audits).await?;
    let told: Vec<(&Change<'_>, &'static str)> =
        changes.iter().filter_map(|change| change.event.map(|event| (change, event))).collect();
    let events: Vec<NewEvent<'_>> = told.iter().map(|(change, kind)| event(ctx, change, kind)).collect();
    let numbers = insert_events(tx, &events).await?;
    if is_too_deep(ctx, told.len()) {
        return Ok(());
    }
    let mut runs: Vec<(i64, Uuid, NewRun)> = Vec::new();
    for ((change, kind), number) in told.into_iter().zip(numbers) {
        let Some(after) = change.after else { continue };
        let changed = change.changed();
        let (module, id, before) = (change.module, change.id, change.before);
        let event = RecordEvent { ctx, module, kind, id, before, after, changed: &changed, relation: None };
        runs.extend(ctx.snapshot.matcher.runs(&event).into_iter().map(|run| (number, id, run)));
    }
    workflows::queue_runs(tx, &runs, ctx.now).await?;
    Ok(())
}

/// A record that stays as it is, while its links in one relation change.
pub(super) struct LinksChanged<'a> {
    pub module: &'a Module,
    pub record: &'a Record,
    pub relation: &'a Relation,
}

/// Writes the events of changed links, which name the relation as what has changed, and queues what follows.
pub(super) async fn tell_links(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    changes: &[LinksChanged<'_>],
) -> Result<(), EngineError> {
    const KIND: &str = "UPDATED";
    let told = |change: &LinksChanged<'_>| Some((id_of(change.record)?, change.record.to_json(change.module)));
    let told: Vec<(Uuid, serde_json::Map<String, Json>)> = changes.iter().filter_map(told).collect();
    let events = changes.iter().zip(&told).map(|(change, (id, image))| NewEvent {
        at: ctx.now,
        module: &change.module.name,
        record: *id,
        kind: KIND,
        actor: ctx.actor.user,
        depth: ctx.depth,
        before: Some(Json::Object(image.clone())),
        after: Some(Json::Object(image.clone())),
        changed: vec![change.relation.name.clone()],
    });
    let numbers = insert_events(tx, &events.collect::<Vec<_>>()).await?;
    if is_too_deep(ctx, told.len()) {
        return Ok(());
    }
    let mut runs: Vec<(i64, Uuid, NewRun)> = Vec::new();
    for ((change, (id, _)), number) in changes.iter().zip(&told).zip(numbers) {
        let (module, record, relation) = (change.module, change.record, Some(change.relation.id));
        let (id, before) = (*id, Some(record));
        let event = RecordEvent { ctx, module, kind: KIND, id, before, after: record, changed: &[], relation };
        runs.extend(ctx.snapshot.matcher.runs(&event).into_iter().map(|run| (number, id, run)));
    }
    Ok(workflows::queue_runs(tx, &runs, ctx.now).await?)
}

fn is_too_deep(ctx: &RequestContext, events: usize) -> bool {
    let is = ctx.depth >= CAUSE_DEPTH_MAX;
    if is && events > 0 {
        tracing::warn!(depth = ctx.depth, "a chain of causes is too long: these events queue nothing");
    }
    is
}

fn audit<'a>(ctx: &'a RequestContext, change: &Change<'a>) -> NewAudit<'a> {
    let value = |record: Option<&Record>, field: &Field| {
        record.map_or(Json::Null, |record| json_of_field(field, record.get(field.id)))
    };
    let changes: serde_json::Map<String, Json> = change
        .changed()
        .into_iter()
        .map(|field| change.module.field(field))
        .filter(|field| !field.system || field.id == Module::OWNER)
        .map(|field| {
            let (old, new) = (value(change.before, field), value(change.after, field));
            (json_name(field), serde_json::json!({"old": old, "new": new}))
        })
        .collect();
    NewAudit {
        at: ctx.now,
        actor: ctx.actor.user,
        via: ctx.via,
        action: change.action,
        module: Some(&change.module.name),
        record: Some(change.id),
        changes: Json::Object(changes),
        request: ctx.request_id,
    }
}

fn event<'a>(ctx: &RequestContext, change: &Change<'a>, kind: &'static str) -> NewEvent<'a> {
    let json = |record: Option<&Record>| record.map(|record| Json::Object(record.to_json(change.module)));
    NewEvent {
        at: ctx.now,
        module: &change.module.name,
        record: change.id,
        kind,
        actor: ctx.actor.user,
        depth: ctx.depth,
        before: json(change.before),
        after: json(change.after),
        changed: change.changed().into_iter().map(|field| json_name(change.module.field(field))).collect(),
    }
}
