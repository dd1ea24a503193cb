//! What is told of changes, in their own transaction: the audit entries, the events, and the runs that they start.

use std::borrow::Cow;

use cardine_model::catalog::{Field, FieldId, FieldKind, Module, Relation};
use cardine_model::{ScalarType, Value};
use cardine_store::WriteTx;
use cardine_store::platform::events::{Inserted, NewAudit, NewEvent, insert_audits, insert_events_and_runs};
use cardine_store::platform::workflows::NewRun;
use serde_json::{Map, Value as Json, json};
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
    /// What is told of it, if that was made before.
    pub told: Option<&'a Told>,
}

/// What is told of a change, as JSON.
#[derive(Debug, Clone)]
pub(super) struct Told {
    changes: String,
    before: Option<String>,
    after: Option<String>,
    changed: String,
}

impl Told {
    /// For thousands of records it takes as long as some of their statements: it is made while the database works, where that can be.
    pub fn of(change: &Change<'_>) -> Self {
        let image = |record: &Record| Json::Object(record.to_json(change.module)).to_string();
        // The event of what was live tells of its deletion; to the audit nothing is left.
        let left = change.after.filter(|_| change.action != "DESTROYED");
        let changed: Vec<String> =
            change.changed().into_iter().map(|field| json_name(change.module.field(field))).collect();
        Self {
            changes: Json::Object(changes_of(change.module, change.before, left)).to_string(),
            before: change.before.filter(|_| change.event.is_some()).map(image),
            after: change.after.filter(|_| change.event.is_some()).map(image),
            changed: Json::from(changed).to_string(),
        }
    }
}

impl Change<'_> {
    fn changed(&self) -> Vec<FieldId> {
        let nothing = Record::empty(self.module);
        self.after.unwrap_or(&nothing).changed(self.before.unwrap_or(&nothing))
    }
}

/// Keeps the stored rollups over the records right, writes audit entries and events of all changes, and queues what follows: a statement for each, however many changes there are.
pub(super) async fn tell(tx: &mut WriteTx, ctx: &RequestContext, changes: &[Change<'_>]) -> Result<(), EngineError> {
    super::before_commit::ask_before_deletion(ctx, changes)?;
    super::rollups::keep(tx, ctx, changes).await?;
    let all: Vec<Cow<'_, Told>> =
        changes.iter().map(|change| change.told.map_or_else(|| Cow::Owned(Told::of(change)), Cow::Borrowed)).collect();
    let audits = changes
        .iter()
        .zip(&all)
        .map(|(change, told)| entry(ctx, change.action, change.module, change.id, told.changes.as_str().into()));
    insert_audits(tx, &audits.collect::<Vec<_>>()).await?;
    let told: Vec<(&Change<'_>, &'static str)> =
        changes.iter().filter_map(|change| change.event.map(|event| (change, event))).collect();
    let events = changes.iter().zip(&all).filter_map(|(change, told)| Some(event(ctx, change, change.event?, told)));
    let events: Vec<NewEvent<'_>> = events.collect();
    let mut runs: Vec<(usize, NewRun)> = Vec::new();
    let followed = if is_too_deep(ctx, told.len()) { &[][..] } else { &told[..] };
    for (position, (change, kind)) in followed.iter().enumerate() {
        let Some(after) = change.after else { continue };
        let changed = change.changed();
        let (module, id, before) = (change.module, change.id, change.before);
        let event = RecordEvent { ctx, module, kind, id, before, after, changed: &changed, relation: None };
        runs.extend(ctx.snapshot.matcher.runs(&event).into_iter().map(|run| (position, run)));
    }
    put_events(tx, ctx, &events, runs).await?;
    if told.is_empty() && !changes.is_empty() {
        refuse_older(ctx, tx.state().await?.catalog_version)?;
    }
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
    let image = |change: &LinksChanged<'_>| Json::Object(change.record.to_json(change.module)).to_string();
    let told = |change: &LinksChanged<'_>| Some((id_of(change.record)?, image(change)));
    let told: Vec<(Uuid, String)> = changes.iter().filter_map(told).collect();
    let events = changes.iter().zip(&told).map(|(change, (id, image))| NewEvent {
        at: ctx.now,
        module: &change.module.name,
        record: *id,
        kind: KIND,
        actor: ctx.actor.user,
        depth: ctx.depth,
        before: Some(image.into()),
        after: Some(image.into()),
        changed: json!([change.relation.name]).to_string().into(),
    });
    let events: Vec<NewEvent<'_>> = events.collect();
    let mut runs: Vec<(usize, NewRun)> = Vec::new();
    let followed = if is_too_deep(ctx, told.len()) { &[][..] } else { &told[..] };
    for (position, (change, (id, _))) in changes.iter().zip(followed).enumerate() {
        let (module, record, relation) = (change.module, change.record, Some(change.relation.id));
        let (id, before) = (*id, Some(record));
        let event = RecordEvent { ctx, module, kind: KIND, id, before, after: record, changed: &[], relation };
        runs.extend(ctx.snapshot.matcher.runs(&event).into_iter().map(|run| (position, run)));
    }
    put_events(tx, ctx, &events, runs).await
}

/// Writes events, and queues the runs that they start, each given with its event's position. The statement tells at no cost whether modules have
/// changed since the request began.
async fn put_events(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    events: &[NewEvent<'_>],
    runs: Vec<(usize, NewRun)>,
) -> Result<(), EngineError> {
    if events.is_empty() {
        return Ok(());
    }
    let Inserted { catalog_version, .. } = insert_events_and_runs(tx, events, runs, ctx.now).await?;
    refuse_older(ctx, catalog_version)
}

/// What was written by the rules of an older version is not kept.
fn refuse_older(ctx: &RequestContext, catalog_version: i64) -> Result<(), EngineError> {
    if u64::try_from(catalog_version) == Ok(ctx.catalog().version) { Ok(()) } else { Err(EngineError::Stale) }
}

fn is_too_deep(ctx: &RequestContext, events: usize) -> bool {
    let is = ctx.depth >= CAUSE_DEPTH_MAX;
    if is && events > 0 {
        tracing::warn!(depth = ctx.depth, "a chain of causes is too long: these events queue nothing");
    }
    is
}

/// One link that was made, changed or taken away.
pub(super) struct LinkTold {
    pub before: Option<Record>,
    pub after: Option<Record>,
}

/// Writes an audit entry for each of the records that `links` tie, as far as the links can be seen from it.
pub(super) async fn audit_links(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    links: &Module,
    told: &[LinkTold],
) -> Result<(), EngineError> {
    let catalog = ctx.catalog();
    let Some(link) = links.link else { return Ok(()) };
    let mut audits = Vec::new();
    for (own, other) in [(link.source, link.target), (link.target, link.source)] {
        let Some(target) = links.field(own).reference().and_then(|reference| reference.targets.first()) else {
            continue;
        };
        let module = catalog.module(*target);
        let seen = module
            .relations
            .iter()
            .find(|relation| relation.module == links.id && relation.field == own && relation.through == Some(other));
        let Some(relation) = seen else { continue };
        let Some(key) = catalog.link_history_key(relation) else { continue };
        for LinkTold { before, after } in told {
            let Some(Value::Id(record)) = after.as_ref().or(before.as_ref()).map(|link| link.get(own)) else {
                continue;
            };
            let side =
                |link: &Option<Record>| link.as_ref().map_or(Json::Null, |link| json_of_link(links, link, own, other));
            let action = if after.is_some() { "LINKED" } else { "UNLINKED" };
            let change = change_of(&key, &relation.name, side(before), side(after));
            let changes = Json::Object(Map::from_iter([change])).to_string();
            audits.push(entry(ctx, action, module, *record, changes.into()));
        }
    }
    Ok(insert_audits(tx, &audits).await?)
}

/// The record on the other side, and the link's own values.
fn json_of_link(links: &Module, link: &Record, own: FieldId, other: FieldId) -> Json {
    let mut json = Map::new();
    json.insert("id".to_owned(), value_of(links, links.field(other), link));
    let others = links.own_fields().filter(|field| !field.system && field.id != own && field.id != other);
    for field in others {
        let value = value_of(links, field, link);
        if !value.is_null() {
            json.insert(json_name(field), value);
        }
    }
    Json::Object(json)
}

fn entry<'a>(
    ctx: &'a RequestContext,
    action: &'a str,
    module: &'a Module,
    record: Uuid,
    changes: Cow<'a, str>,
) -> NewAudit<'a> {
    NewAudit {
        at: ctx.now,
        actor: ctx.actor.user,
        on_behalf_of: ctx.on_behalf_of,
        via: ctx.via,
        action,
        module: Some(&module.name),
        record: Some(record),
        changes,
        request: ctx.request_id,
    }
}

/// The old and new value of each field that differs, by the fields' keys. What has parts is told as a whole.
fn changes_of(module: &Module, before: Option<&Record>, after: Option<&Record>) -> Map<String, Json> {
    let value =
        |field: FieldId, record: Option<&Record>| record.map_or(Value::Null, |record| record.get(field).clone());
    let differs = |field: &FieldId| value(*field, before) != value(*field, after);
    let is_changed = |field: &&Field| match field.group() {
        Some(group) => group.parts.iter().any(differs),
        None => differs(&field.id),
    };
    let told = module.own_fields().filter(|field| !field.system || field.id == Module::OWNER).filter(is_changed);
    let side =
        |field: &Field, record: Option<&Record>| record.map_or(Json::Null, |record| value_of(module, field, record));
    told.map(|field| change_of(&module.history_key(field), &field.name, side(field, before), side(field, after)))
        .collect()
}

/// A change by its key, with the name of the moment where the key does not tell it.
fn change_of(key: &str, name: &str, old: Json, new: Json) -> (String, Json) {
    let mut change = json!({"old": old, "new": new});
    if key != name {
        change["name"] = name.into();
    }
    (key.to_owned(), change)
}

/// A field's value as the API writes it.
fn value_of(module: &Module, field: &Field, record: &Record) -> Json {
    if let Some(group) = field.group() {
        if group.parts.iter().all(|part| record.get(*part).is_null()) {
            return Json::Null;
        }
        let names = group.shape.parts().iter();
        let parts = names
            .zip(&group.parts)
            .map(|(name, part)| ((*name).to_owned(), value_of(module, module.field(*part), record)));
        return Json::Object(parts.collect());
    }
    match (&field.kind, field.scalar(), record.get(field.id)) {
        (_, Some(ScalarType::Decimal { scale }), Value::Decimal(number)) => {
            Json::String(number.to_fixed(u32::from(scale)))
        }
        (FieldKind::Integer { big: true, .. }, _, Value::Integer(number)) => Json::String(number.to_string()),
        (_, _, value) => json_of_field(field, value),
    }
}

fn event<'a>(ctx: &RequestContext, change: &Change<'a>, kind: &'static str, told: &'a Told) -> NewEvent<'a> {
    NewEvent {
        at: ctx.now,
        module: &change.module.name,
        record: change.id,
        kind,
        actor: ctx.actor.user,
        depth: ctx.depth,
        before: told.before.as_deref().map(Cow::Borrowed),
        after: told.after.as_deref().map(Cow::Borrowed),
        changed: told.changed.as_str().into(),
    }
}
