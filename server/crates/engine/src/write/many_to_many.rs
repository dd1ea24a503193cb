//! The links of a record's many-to-many relations: made, changed and removed together with the record. They belong to the record that
//! has the reference, as a plain reference does: who writes them may change that record, and see the one that it refers to.

use std::sync::Arc;

use cardine_failpoints::switched_off;
use cardine_model::catalog::{Catalog, FieldId, Module, ModuleId, Relation, RelationId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::links::{link_rows, linked_records, remove_links};
use cardine_sql::write::{
    Assignment, Life, Purpose, Reach, Selection, Which, delete_rows, insert_rows, stored_fields, update_rows,
    visible_records,
};
use cardine_store::{Bindings, RowSet, StoreError, WriteTx};
use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::history::{LinkTold, LinksChanged, audit_links, tell_links};
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
    /// These and no others, of those whose links the caller may change.
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
        if !ctx.actor.rights.can_write(relation.module, relation.field) && !switched_off!("write.links") {
            return Err(EngineError::Forbidden("you may not write this field".to_owned()));
        }
        let links = catalog.module(relation.module);
        let owns = links.link.is_some_and(|link| link.source == relation.field);
        let ends = (relation.field, hop.field);
        if !owns {
            Writing { ctx, module: catalog.module(hop.target) }.check_may_update()?;
        }
        Linking { ctx, module, id, path, relation, links, owns, ends, target: hop.target }.apply(tx, change).await?;
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
        let (which, limit) = (Which::Referring(end), Some(CASCADE_MAX));
        let selection = Selection { which, purpose: Purpose::Delete, reach: Reach::All, life: Life::Any, limit };
        loop {
            let removed = Writing { ctx, module: links }.take(tx, selection, records, &[]).await?;
            if removed.is_empty() {
                break;
            }
            remove_rows(tx, ctx, links, removed).await?;
        }
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
        let gone: Vec<Record> = twins.into_iter().chain(turned).collect();
        if !gone.is_empty() {
            remove_rows(tx, ctx, links, gone).await?;
        }
        let rows: Vec<Vec<Value>> =
            moved.iter().map(|link| vec![Value::Id(to), link.get(Module::ID).clone()]).collect();
        if !rows.is_empty() {
            let statement = update_rows(tx.dialect(), links, &[Assignment::field(links.field(end))], rows.len());
            tx.execute_rows(&statement, rows).await?;
            let mut told = Vec::with_capacity(moved.len() * 2);
            for before in moved {
                let mut after = before.clone();
                after.set(end, Value::Id(to));
                told.push(LinkTold { before: Some(before), after: None });
                told.push(LinkTold { before: None, after: Some(after) });
            }
            audit_links(tx, ctx, links, &told).await?;
        }
    }
    Ok(())
}

/// Removes these links, and tells of them.
async fn remove_rows(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    links: &Module,
    removed: Vec<Record>,
) -> Result<(), EngineError> {
    let ids: Vec<Uuid> = removed.iter().filter_map(id_of).collect();
    let statement = delete_rows(tx.dialect(), links);
    tx.execute(&statement, &Bindings { parents: &ids, ..ctx.bindings(&[]) }).await?;
    let told: Vec<LinkTold> = removed.into_iter().map(|link| LinkTold { before: Some(link), after: None }).collect();
    audit_links(tx, ctx, links, &told).await
}

/// The references of links to a module's records.
fn link_ends(catalog: &Catalog, module: ModuleId) -> impl Iterator<Item = (&Module, FieldId)> {
    catalog.modules.iter().map(Arc::as_ref).filter(|links| links.link.is_some()).flat_map(move |links| {
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
    /// Whether this record is the one that has the reference.
    owns: bool,
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
        self.check_told_once(change)?;
        let linked = self.linked(tx).await?;
        let wanted = self.wanted(change);
        let others = linked.iter().filter(|id| change.set.is_some() && !wanted.contains_key(*id)).copied();
        let mut removed: Vec<Uuid> =
            others.chain(change.disconnect.iter().filter(|id| linked.contains(*id)).copied()).collect();
        removed.sort_unstable();
        removed.dedup();
        let added: Vec<Uuid> = wanted.keys().filter(|id| !linked.contains(*id)).copied().collect();
        if self.owns {
            self.check_visible(tx, &added, &wanted).await?;
        } else {
            self.keep_changeable(tx, change, &linked, &wanted, &mut removed).await?;
        }

        let mut told = Vec::new();
        if !removed.is_empty() {
            let gone = self.rows(tx, &removed).await?;
            told.extend(gone.into_iter().map(|link| LinkTold { before: Some(link), after: None }));
            let statement = remove_links(tx.dialect(), self.links, self.ends);
            let values = [Value::Id(self.id)];
            tx.execute(&statement, &Bindings { parents: &removed, ..self.ctx.bindings(&values) }).await?;
        }
        let mut changed = Vec::new();
        for (other, wanted) in &wanted {
            if !linked.contains(other) {
                let link = self.add(tx, *other, wanted).await?;
                told.push(LinkTold { before: None, after: Some(link) });
            } else if !wanted.values.is_empty()
                && let Some(link) = self.change(tx, *other, wanted).await?
            {
                told.push(link);
                changed.push(*other);
            }
        }
        audit_links(tx, self.ctx, self.links, &told).await?;
        let touched: Vec<Uuid> = added.iter().chain(&removed).chain(&changed).copied().collect();
        self.tell_both_sides(tx, &touched).await
    }

    /// Refuses what would be guessed otherwise: two sets of values for one link, or a link that is to be and not to be.
    fn check_told_once(&self, change: &LinkChange) -> Result<(), EngineError> {
        let mut seen = FxHashSet::default();
        let twice = change.link.iter().enumerate().filter(|(_, (id, _))| !seen.insert(*id)).map(|(position, _)| {
            let message = "this record stands in `link` already: one link has one set of values";
            Issue::new(self.place("link", position), "unique", message)
        });
        let mut issues: Vec<Issue> = twice.collect();
        let wanted: FxHashSet<&Uuid> =
            change.link.iter().map(|(id, _)| id).chain(&change.connect).chain(change.set.iter().flatten()).collect();
        let both = change.disconnect.iter().enumerate().filter(|(_, id)| wanted.contains(id)).map(|(position, _)| {
            let message = "this record is to be linked and not to be linked";
            Issue::new(self.place("disconnect", position), "reference", message)
        });
        issues.extend(both);
        refuse(issues)
    }

    fn place(&self, key: &str, position: usize) -> Vec<PathSegment> {
        let relation = PathSegment::from(self.relation.name.as_str());
        self.path.iter().cloned().chain([relation, key.into(), position.into()]).collect()
    }

    /// Of the other records, which have the reference, those that the caller may change. What names another one is refused, and
    /// one that is only left out of a `set` keeps its link.
    async fn keep_changeable(
        &self,
        tx: &mut WriteTx,
        change: &LinkChange,
        linked: &FxHashSet<Uuid>,
        wanted: &IndexMap<Uuid, Wanted<'_>>,
        removed: &mut Vec<Uuid>,
    ) -> Result<(), EngineError> {
        let written = wanted.iter().filter(|(id, wanted)| !linked.contains(*id) || !wanted.values.is_empty());
        let mut asked: Vec<Uuid> = written.clone().map(|(id, _)| *id).chain(removed.iter().copied()).collect();
        asked.sort_unstable();
        asked.dedup();
        let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(self.target) };
        let (which, purpose) = (Which::Ids, Purpose::Update);
        let selection = Selection { which, purpose, reach: Reach::Caller, life: Life::Live, limit: None };
        let taken = writing.take(tx, selection, &asked, &[]).await?;
        let changeable: FxHashSet<Uuid> = taken.iter().filter_map(id_of).collect();
        let message = "there is no such record that you may change";
        let lost = written.filter(|(id, _)| !changeable.contains(*id)).map(|(_, wanted)| wanted.path.clone());
        let kept = change.disconnect.iter().enumerate();
        let kept = kept.filter(|(_, id)| linked.contains(*id) && !changeable.contains(*id));
        let kept = kept.map(|(position, _)| self.place("disconnect", position));
        refuse(lost.chain(kept).map(|path| Issue::new(path, "reference", message)).collect())?;
        removed.retain(|id| changeable.contains(id));
        Ok(())
    }

    /// The events of this record and of those whose links with it are others now, each by the name that the relation has there.
    async fn tell_both_sides(&self, tx: &mut WriteTx, touched: &[Uuid]) -> Result<(), EngineError> {
        if touched.is_empty() {
            return Ok(());
        }
        let target = self.ctx.catalog().module(self.target);
        let from_there = |relation: &&Relation| {
            relation.module == self.relation.module && relation.field == self.ends.1 && relation.through.is_some()
        };
        let own = self.taken(tx, self.module, &[self.id]).await?;
        let others = match target.relations.iter().find(from_there) {
            Some(relation) => Some((relation, self.taken(tx, target, touched).await?)),
            None => None,
        };
        let own = own.iter().map(|record| LinksChanged { module: self.module, record, relation: self.relation });
        let others = others.iter().flat_map(|(relation, records)| {
            records.iter().map(|record| LinksChanged { module: target, record, relation })
        });
        tell_links(tx, self.ctx, &own.chain(others).collect::<Vec<_>>()).await
    }

    /// Records as they are, whether or not the caller may see them.
    async fn taken(&self, tx: &mut WriteTx, module: &Module, ids: &[Uuid]) -> Result<Vec<Record>, EngineError> {
        let (which, purpose) = (Which::Ids, Purpose::Look);
        let selection = Selection { which, purpose, reach: Reach::All, life: Life::Live, limit: None };
        Writing { ctx: self.ctx, module }.take(tx, selection, ids, &[]).await
    }

    /// The links with these records.
    async fn rows(&self, tx: &mut WriteTx, others: &[Uuid]) -> Result<Vec<Record>, EngineError> {
        let statement = link_rows(tx.dialect(), self.links, self.ends);
        let values = [Value::Id(self.id)];
        let rows = tx.query(&statement, &Bindings { parents: others, ..self.ctx.bindings(&values) }).await?;
        Ok((0..rows.len()).map(|row| Record::from_row(self.links, &rows, row)).collect())
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
        let mut wanted = IndexMap::new();
        for (position, (id, values)) in change.link.iter().enumerate() {
            wanted.entry(*id).or_insert_with(|| Wanted { path: self.place("link", position), values });
        }
        for (key, ids) in [("connect", Some(&change.connect)), ("set", change.set.as_ref())] {
            for (position, id) in ids.into_iter().flatten().enumerate() {
                wanted.entry(*id).or_insert_with(|| Wanted { path: self.place(key, position), values: &[] });
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

    async fn add(&self, tx: &mut WriteTx, other: Uuid, wanted: &Wanted<'_>) -> Result<Record, EngineError> {
        let writing = Writing { ctx: self.ctx, module: self.links };
        let mut data = vec![(self.ends.0, Value::Id(self.id)), (self.ends.1, Value::Id(other))];
        data.extend(wanted.values.iter().cloned());
        let mut issues = Vec::new();
        let mut link = Record::empty(self.links);
        writing.fill_defaults(&mut link, &data, &wanted.path, &mut issues);
        writing.take_input(&mut link, None, &data, &wanted.path, &mut issues);
        writing.require_others(&link, &data, &wanted.path, &mut issues);
        refuse(issues)?;
        writing.stamp_new(&mut link, self.ctx.new_ids.next(), &data);
        // Nobody owns a link: who may see and change it follows from its records.
        link.set(Module::OWNER, Value::Null);

        let stored: Vec<_> = stored_fields(self.links).filter(|field| !link.get(field.id).is_null()).collect();
        let assignments: Vec<Assignment> = stored.iter().map(|field| Assignment::field(field)).collect();
        let values: Vec<Value> = stored.iter().map(|field| link.get(field.id).clone()).collect();
        let statement = insert_rows(tx.dialect(), self.links, &assignments, 1);
        if tx.execute_rows(&statement, vec![values]).await? == 1 { Ok(link) } else { Err(conflict(wanted)) }
    }

    /// Changes the link that is there; nothing is to be told if it is as it was.
    async fn change(
        &self,
        tx: &mut WriteTx,
        other: Uuid,
        wanted: &Wanted<'_>,
    ) -> Result<Option<LinkTold>, EngineError> {
        let Some(before) = self.rows(tx, &[other]).await?.into_iter().next() else { return Ok(None) };
        let writing = Writing { ctx: self.ctx, module: self.links };
        let mut issues = Vec::new();
        let mut link = before.clone();
        writing.take_input(&mut link, Some(&before), wanted.values, &wanted.path, &mut issues);
        refuse(issues)?;
        if link.changed(&before).is_empty() {
            return Ok(None);
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
        Ok(Some(LinkTold { before: Some(before), after: Some(link) }))
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
