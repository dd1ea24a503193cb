//! The links of a record's many-to-many relations: made, changed and removed together with the record, by whoever may write the
//! reference; a record that the caller may not see is neither linked nor unlinked.

use cardine_model::catalog::{FieldId, Module, ModuleId, Relation, RelationId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::links::{link_row, linked_records, remove_links, visible_records};
use cardine_sql::write::{Assignment, insert, stored_fields, update};
use cardine_store::platform::events::{self, NewAudit};
use cardine_store::{Bindings, RowSet, StoreError, WriteTx};
use indexmap::IndexMap;
use rustc_hash::FxHashSet;
use serde_json::json;
use uuid::Uuid;

use super::{Writing, data_path, refuse};
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

/// Brings the links of the record `id` of `module` to what `changes` ask for. The caller has locked the record, or just made it.
pub(super) async fn change_links(
    tx: &mut WriteTx,
    ctx: &RequestContext,
    module: &Module,
    id: Uuid,
    changes: &[LinkChange],
) -> Result<(), EngineError> {
    for change in changes {
        let relation = module.relation(change.relation);
        let catalog = ctx.catalog();
        let hop = catalog.hop_through(relation).ok_or(EngineError::Internal)?;
        if !ctx.actor.rights.can_write(relation.module, relation.field) {
            return Err(EngineError::Forbidden("you may not write this field".to_owned()));
        }
        let links = catalog.module(relation.module);
        Linking { ctx, module, id, relation, links, ends: (relation.field, hop.field), target: hop.target }
            .apply(tx, change)
            .await?;
    }
    Ok(())
}

struct Linking<'a> {
    ctx: &'a RequestContext,
    module: &'a Module,
    id: Uuid,
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
            data_path().into_iter().chain([relation, key.into(), position.into()]).collect()
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
        writing.fill_defaults(&mut link, &data, &mut issues);
        writing.take_input(&mut link, None, &data, &mut issues);
        writing.require_others(&link, &data, &mut issues);
        refuse(placed(issues, &wanted.path))?;
        writing.stamp_new(&mut link, Uuid::now_v7(), &data);
        // Nobody owns a link: who may see and change it follows from its records.
        link.set(Module::OWNER, Value::Null);

        let stored: Vec<_> = stored_fields(self.links).filter(|field| !link.get(field.id).is_null()).collect();
        let assignments: Vec<Assignment> = stored.iter().map(|field| Assignment::field(field)).collect();
        let values: Vec<Value> = stored.iter().map(|field| link.get(field.id).clone()).collect();
        let statement = insert(tx.dialect(), self.links, &assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map(|_| ()).map_err(|error| self.conflict(error, wanted))
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
        writing.take_input(&mut link, Some(&before), wanted.values, &mut issues);
        refuse(placed(issues, &wanted.path))?;
        if link.changed(&before).is_empty() {
            return Ok(false);
        }
        writing.stamp_changed(&mut link, &before);
        let changed = link.changed(&before);
        let assignments: Vec<Assignment> =
            changed.iter().map(|field| Assignment::field(self.links.field(*field))).collect();
        let mut values: Vec<Value> = changed.iter().map(|field| link.get(*field).clone()).collect();
        values.push(before.get(Module::ID).clone());
        let statement = update(tx.dialect(), self.links, &assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map_err(|error| self.conflict(error, wanted))?;
        Ok(true)
    }

    fn conflict(&self, error: StoreError, wanted: &Wanted<'_>) -> EngineError {
        if !matches!(error, StoreError::UniqueViolation { .. }) {
            return error.into();
        }
        let message = "another request has linked these records meanwhile, or another link has this value already";
        EngineError::Conflict {
            message: message.to_owned(),
            issues: vec![Issue::new(wanted.path.clone(), "unique", message)],
        }
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

/// The same issues, at the place of the link instead of the data.
fn placed(issues: Vec<Issue>, place: &[PathSegment]) -> Vec<Issue> {
    let skipped = data_path().len();
    let at = |issue: Issue| {
        let path = place.iter().cloned().chain(issue.path.iter().skip(skipped).cloned()).collect();
        Issue { path, ..issue }
    };
    issues.into_iter().map(at).collect()
}

fn ids(rows: &RowSet) -> impl Iterator<Item = Uuid> {
    (0..rows.len()).filter_map(|row| rows.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok()))
}
