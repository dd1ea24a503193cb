//! The links of a record's many-to-many relations: made, changed and removed together with the record, by whoever may write the
//! reference; a record that the caller may not see is neither linked nor unlinked.

use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId, Relation, RelationId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::links::{link_row, linked_records, remove_links};
use cardine_sql::write::{
    Assignment, Life, Purpose, Reach, Selection, Which, delete_referring, delete_rows, insert_rows, stored_fields,
    update_rows, visible_records,
};
use cardine_store::platform::events::{self, NewAudit};
use cardine_store::{Bindings, RowSet, StoreError, WriteTx};
use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use serde_json::json;
use uuid::Uuid;

use super::update::id_of;
use super::{CASCADE_MAX, Writing, refuse};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Most links of one record that a `set` looks through.
const LINKS_MAX: usize = 5_000;

/// What is to become of a record's links in one relation.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkChange {
    /// The relation, which goes through links.
    pub relation: RelationId,
    /// These records are to be linked.
    pub connect: Vec<Uuid>,
    /// These no longer.
    pub disconnect: Vec<Uuid>,
    /// These and no others, of those that the caller may see.
    pub set: Option<Vec<Uuid>>,
    /// These are to be linked, by links with these values.
    pub link: Vec<(Uuid, Vec<(FieldId, Value)>)>,
}

impl LinkChange {
    /// None yet.
    pub fn new(relation: RelationId) -> Self {
        Self { relation, connect: Vec::new(), disconnect: Vec::new(), set: None, link: Vec::new() }
    }
}

/// Brings the links of the record `id` of `module` to what `changes`, which stand at `path`, ask for. The caller has locked the
/// record, or just made it.
pub(super) async fn change_links(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: &Module,
    id: Uuid,
    changes: &[LinkChange],
    path: &[PathSegment],
) -> Result<(), EngineError> {
    for change in changes {
        let relation = module.relation(change.relation);
        let catalog = ctx.catalog();
        let hop = catalog.hop_through(relation).ok_or(EngineError::Internal)?;
        if !ctx.actor.rights.can_write(relation.module, relation.field) {
            return Err(EngineError::Forbidden("you may not write this field".to_owned()));
        }
        let links = catalog.module(relation.module);
        Linking { ctx, module, id, path, relation, links, ends: (relation.field, hop.field), target: hop.target }
            .apply(tx, change)
            .await?;
    }
    Ok(())
}

/// Removes the links of records that are removed for good.
pub(super) async fn remove_links_of(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: ModuleId,
    records: &[Uuid],
) -> Result<(), EngineError> {
    for (links, end) in link_ends(ctx.catalog(), module) {
        let statement = delete_referring(tx.dialect(), links, end);
        tx.execute(&statement, &Bindings { parents: records, ..ctx.bindings(&[]) }).await?;
    }
    Ok(())
}

/// Lets the links of records that are merged lead to the one that stays. It has one link with each record, and none with itself.
pub(super) async fn move_links(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: ModuleId,
    from: &[Uuid],
    to: Uuid,
) -> Result<(), EngineError> {
    for (links, end) in link_ends(ctx.catalog(), module) {
        let writing = Writing { ctx, module: links };
        let (which, limit) = (Which::Referring(end), Some(CASCADE_MAX + 1));
        let selection = Selection { which, purpose: Purpose::Update, reach: Reach::All, life: Life::Any, limit };
        let moved = writing.take(tx, selection, from, &[]).await?;
        if moved.len() > CASCADE_MAX {
            return Err(EngineError::Limit(format!("the records that are merged have more than {CASCADE_MAX} links")));
        }
        let (twins, moved) = writing.part_twins(tx, moved, end, to).await?;
        let others = links.fields.iter().filter(|field| !field.system && field.reference().is_some());
        let others: Vec<FieldId> = others.map(|field| field.id).filter(|field| *field != end).collect();
        let to_itself = |link: &Record| others.iter().any(|other| *link.get(*other) == Value::Id(to));
        let (turned, moved): (Vec<Record>, Vec<Record>) = moved.into_iter().partition(to_itself);
        let gone: Vec<Uuid> = twins.iter().chain(&turned).filter_map(id_of).collect();
        if !gone.is_empty() {
            let statement = delete_rows(tx.dialect(), links);
            tx.execute(&statement, &Bindings { parents: &gone, ..ctx.bindings(&[]) }).await?;
        }
        let rows: Vec<Vec<Value>> =
            moved.iter().map(|link| vec![Value::Id(to), link.get(Module::ID).clone()]).collect();
        if !rows.is_empty() {
            let statement = update_rows(tx.dialect(), links, &[Assignment::field(links.field(end))], rows.len());
            tx.execute_rows(&statement, rows).await?;
        }
    }
    Ok(())
}

/// The references of links to a module's records.
fn link_ends(catalog: &Catalog, module: ModuleId) -> impl Iterator<Item = (&Module, FieldId)> {
    catalog.modules.iter().filter(|links| links.link.is_some()).flat_map(move |links| {
        let ends = links.fields.iter().filter(move |field| {
            !field.system && field.reference().is_some_and(|reference| reference.targets.contains(&module))
        });
        ends.map(move |field| (links, field.id))
    })
}

struct Linking<'a> {
    ctx: &'a RequestContext,
    module: &'a Module,
    id: Uuid,
    path: &'a [PathSegment],
    relation: &'a Relation,
    links: &'a Module,
    /// The link's references to this record and to the other one.
    ends: (FieldId, FieldId),
    target: ModuleId,
}

/// A record that is to be linked: where it is named, and the link's values.
struct Wanted<'a> {
    path: Vec<PathSegment>,
    values: &'a [(FieldId, Value)],
}

impl Linking<'_> {
    async fn apply(&self, tx: &mut WriteTx, change: &LinkChange) -> Result<(), EngineError> {
        let linked = self.linked(tx).await?;
        let wanted = self.wanted(change);
        let kept = |id: &Uuid| change.set.as_ref().is_none_or(|_| wanted.contains_key(id));
        let removed: Vec<Uuid> = linked
            .iter()
            .filter(|id| !kept(id) || (change.disconnect.contains(id) && !wanted.contains_key(*id)))
            .copied()
            .collect();
        let added: Vec<Uuid> = wanted.keys().filter(|id| !linked.contains(*id)).copied().collect();
        self.check_visible(tx, &added, &wanted).await?;

        if !removed.is_empty() {
            let statement = remove_links(tx.dialect(), self.links, self.ends);
            let values = [Value::Id(self.id)];
            tx.execute(&statement, &Bindings { parents: &removed, ..self.ctx.bindings(&values) }).await?;
        }
        let mut changed = Vec::new();
        for (other, wanted) in &wanted {
            if !linked.contains(other) {
                self.add(tx, *other, wanted).await?;
            } else if !wanted.values.is_empty() && self.change(tx, *other, wanted).await? {
                changed.push(*other);
            }
        }
        self.tell(tx, &added, &removed, &changed).await
    }

    /// The records that this one is linked with, of those that the caller may see.
    async fn linked(&self, tx: &mut WriteTx) -> Result<FxHashSet<Uuid>, EngineError> {
        let (catalog, rights) = (self.ctx.catalog(), &self.ctx.actor.rights);
        let statement = linked_records(tx.dialect(), catalog, rights, self.links.id, self.ends, LINKS_MAX + 1);
        let rows = tx.query(&statement, &self.ctx.bindings(&[Value::Id(self.id)])).await?;
        if rows.len() > LINKS_MAX {
            let message = format!("a record with more than {LINKS_MAX} links in one relation is not changed this way");
            return Err(EngineError::Limit(message));
        }
        Ok(ids(&rows).collect())
    }

    /// Each record that is to be linked, once.
    fn wanted<'c>(&self, change: &'c LinkChange) -> IndexMap<Uuid, Wanted<'c>> {
        let place = |key: &str, position: usize| -> Vec<PathSegment> {
            let relation = PathSegment::from(self.relation.name.as_str());
            self.path.iter().cloned().chain([relation, key.into(), position.into()]).collect()
        };
        let mut wanted = IndexMap::new();
        for (position, (id, values)) in change.link.iter().enumerate() {
            wanted.entry(*id).or_insert_with(|| Wanted { path: place("link", position), values });
        }
        for (key, ids) in [("connect", Some(&change.connect)), ("set", change.set.as_ref())] {
            for (position, id) in ids.into_iter().flatten().enumerate() {
                wanted.entry(*id).or_insert_with(|| Wanted { path: place(key, position), values: &[] });
            }
        }
        wanted
    }

    async fn check_visible(
        &self,
        tx: &mut WriteTx,
        added: &[Uuid],
        wanted: &IndexMap<Uuid, Wanted<'_>>,
    ) -> Result<(), EngineError> {
        if added.is_empty() {
            return Ok(());
        }
        let (catalog, rights) = (self.ctx.catalog(), &self.ctx.actor.rights);
        let statement = visible_records(tx.dialect(), catalog, rights, self.target);
        let rows = tx.query(&statement, &Bindings { parents: added, ..self.ctx.bindings(&[]) }).await?;
        let found: FxHashSet<Uuid> = ids(&rows).collect();
        let missing = added.iter().filter(|id| !found.contains(*id));
        let issue = |id: &Uuid| Issue::new(wanted[id].path.clone(), "reference", "there is no such record");
        refuse(missing.map(issue).collect())
    }

    async fn add(&self, tx: &mut WriteTx, other: Uuid, wanted: &Wanted<'_>) -> Result<(), EngineError> {
        let writing = Writing { ctx: self.ctx, module: self.links };
        let mut data = vec![(self.ends.0, Value::Id(self.id)), (self.ends.1, Value::Id(other))];
        data.extend(wanted.values.iter().cloned());
        let mut issues = Vec::new();
        let mut link = Record::empty(self.links);
        writing.fill_defaults(&mut link, &data, &wanted.path, &mut issues);
        writing.take_input(&mut link, None, &data, &wanted.path, &mut issues);
        writing.require_others(&link, &data, &wanted.path, &mut issues);
        refuse(issues)?;
        writing.stamp_new(&mut link, Uuid::now_v7(), &data);
        // Nobody owns a link: who may see and change it follows from its records.
        link.set(Module::OWNER, Value::Null);

        let stored: Vec<_> = stored_fields(self.links).filter(|field| !link.get(field.id).is_null()).collect();
        let assignments: Vec<Assignment> = stored.iter().map(|field| Assignment::field(field)).collect();
        let values: Vec<Value> = stored.iter().map(|field| link.get(field.id).clone()).collect();
        let statement = insert_rows(tx.dialect(), self.links, &assignments, 1);
        if tx.execute_rows(&statement, vec![values]).await? == 1 { Ok(()) } else { Err(conflict(wanted)) }
    }

    /// Changes the link that is there; whether it was another one before.
    async fn change(&self, tx: &mut WriteTx, other: Uuid, wanted: &Wanted<'_>) -> Result<bool, EngineError> {
        let statement = link_row(tx.dialect(), self.links, self.ends);
        let rows = tx.query(&statement, &self.ctx.bindings(&[Value::Id(self.id), Value::Id(other)])).await?;
        if rows.is_empty() {
            return Ok(false);
        }
        let before = Record::from_row(self.links, &rows, 0);
        let writing = Writing { ctx: self.ctx, module: self.links };
        let mut issues = Vec::new();
        let mut link = before.clone();
        writing.take_input(&mut link, Some(&before), wanted.values, &wanted.path, &mut issues);
        refuse(issues)?;
        if link.changed(&before).is_empty() {
            return Ok(false);
        }
        writing.stamp_changed(&mut link, &before);
        let changed = link.changed(&before);
        let assignments: Vec<Assignment> =
            changed.iter().map(|field| Assignment::field(self.links.field(*field))).collect();
        let mut values: Vec<Value> = changed.iter().map(|field| link.get(*field).clone()).collect();
        values.push(before.get(Module::ID).clone());
        let statement = update_rows(tx.dialect(), self.links, &assignments, 1);
        let written = tx.execute_rows(&statement, vec![values]).await;
        written.map_err(|error| match error {
            StoreError::UniqueViolation { .. } => conflict(wanted),
            other => other.into(),
        })?;
        Ok(true)
    }

    /// The audit entry of the record through which the links were written.
    async fn tell(
        &self,
        tx: &mut WriteTx,
        added: &[Uuid],
        removed: &[Uuid],
        changed: &[Uuid],
    ) -> Result<(), EngineError> {
        if added.is_empty() && removed.is_empty() && changed.is_empty() {
            return Ok(());
        }
        let links = json!({"connected": added, "disconnected": removed, "changed": changed});
        let audit = NewAudit {
            at: self.ctx.now,
            actor: self.ctx.actor.user,
            via: self.ctx.via,
            action: "LINKED",
            module: Some(&self.module.name),
            record: Some(self.id),
            changes: json!({ self.relation.name.as_str(): links }),
            request: self.ctx.request_id,
        };
        Ok(events::insert_audit(tx, &audit).await?)
    }
}

fn conflict(wanted: &Wanted<'_>) -> EngineError {
    let message = "another request has linked these records meanwhile, or another link has this value already";
    EngineError::Conflict {
        message: message.to_owned(),
        issues: vec![Issue::new(wanted.path.clone(), "unique", message)],
    }
}

fn ids(rows: &RowSet) -> impl Iterator<Item = Uuid> {
    (0..rows.len()).filter_map(|row| rows.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok()))
}
