//! Records that are connected to others, and disconnected: it is their own reference that changes, so they must be the caller's to change.

use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which};
use cardine_store::WriteTx;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::{Writing, below};
use crate::EngineError;
use crate::record::Record;

/// What is asked for of one record's to-many relation.
pub(super) struct Link<'a> {
    /// The module on the many side.
    pub module: &'a Module,
    /// Its reference.
    pub field: FieldId,
    /// The record that they are connected to.
    pub parent: Uuid,
    /// Where the relation stands in the arguments.
    pub path: Vec<PathSegment>,
    pub connect: Vec<Uuid>,
    pub disconnect: Vec<Uuid>,
    pub set: Option<Vec<Uuid>>,
}

/// One record whose reference is to change.
struct Turn<'a> {
    module: &'a Module,
    field: FieldId,
    id: Uuid,
    /// Only if it leads there now.
    from: Option<Uuid>,
    to: Option<Uuid>,
    path: Vec<PathSegment>,
}

impl<'a> Batch<'a> {
    /// Takes the records that are connected and disconnected, and drafts their changes.
    pub(super) async fn resolve_links(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        if self.links.is_empty() {
            return Ok(());
        }
        let links = std::mem::take(&mut self.links);
        let mut taken = self.take_set_apart(tx, &links).await?;
        let turns = turns(&links, &taken);
        let mut wanted: FxHashMap<ModuleId, Vec<Uuid>> = FxHashMap::default();
        for turn in &turns {
            if !taken.contains_key(&turn.id) && !self.by_id.contains_key(&turn.id) {
                wanted.entry(turn.module.id).or_default().push(turn.id);
            }
        }
        let mut wanted: Vec<(ModuleId, Vec<Uuid>)> = wanted.into_iter().collect();
        wanted.sort_unstable();
        for (module, mut ids) in wanted {
            ids.sort_unstable();
            ids.dedup();
            let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(module) };
            for record in writing.take(tx, for_change(Which::Ids), &ids, &[]).await? {
                if let Value::Id(id) = *record.get(Module::ID) {
                    taken.insert(id, record);
                }
            }
        }
        let mut turned: FxHashMap<(Uuid, FieldId), Option<Uuid>> = FxHashMap::default();
        for turn in turns {
            if turned.insert((turn.id, turn.field), turn.to).is_some_and(|before| before != turn.to) {
                let message = "this record is connected to two records, or connected and disconnected";
                self.fault(&turn, Issue::new(turn.path.clone(), "reference", message));
                continue;
            }
            self.turn(turn, &mut taken);
        }
        Ok(())
    }

    /// The records that are connected now where a relation is set as a whole.
    async fn take_set_apart(
        &self,
        tx: &mut WriteTx,
        links: &[Link<'a>],
    ) -> Result<FxHashMap<Uuid, Record>, EngineError> {
        let mut relations: FxHashMap<(ModuleId, FieldId), Vec<Uuid>> = FxHashMap::default();
        for link in links.iter().filter(|link| link.set.is_some()) {
            relations.entry((link.module.id, link.field)).or_default().push(link.parent);
        }
        let mut relations: Vec<_> = relations.into_iter().collect();
        relations.sort_unstable();
        let mut taken = FxHashMap::default();
        for ((module, field), parents) in relations {
            let writing = Writing { ctx: self.ctx, module: self.ctx.catalog().module(module) };
            let selection = Selection { limit: Some(super::SET_APART_MAX + 1), ..for_change(Which::Referring(field)) };
            for record in writing.take(tx, selection, &parents, &[]).await? {
                if let Value::Id(id) = *record.get(Module::ID) {
                    taken.insert(id, record);
                }
            }
        }
        if taken.len() > super::SET_APART_MAX {
            let message =
                format!("more than {} records are connected now: disconnect them in parts", super::SET_APART_MAX);
            return Err(EngineError::Limit(message));
        }
        Ok(taken)
    }

    fn turn(&mut self, turn: Turn<'a>, taken: &mut FxHashMap<Uuid, Record>) {
        let position = match (self.by_id.get(&turn.id), taken.remove(&turn.id)) {
            (Some(position), _) if self.drafts[*position].module.id == turn.module.id => *position,
            (None, Some(record)) => {
                let draft = Draft::unchanged(turn.module, turn.id, record.clone(), record);
                self.push(Draft { path: turn.path.clone(), ..draft });
                self.drafts.len() - 1
            }
            _ => {
                let message = "there is no such record that you may change";
                return self.fault(&turn, Issue::new(turn.path.clone(), "reference", message));
            }
        };
        let parent = turn.to.and_then(|parent| self.by_id.get(&parent)).map(|parent| self.drafts[*parent].module.id);
        let draft = &mut self.drafts[position];
        if turn.from.is_some_and(|from| *draft.after.get(turn.field) != Value::Id(from)) {
            let issue = Issue::new(turn.path.clone(), "reference", "this record is not connected");
            draft.issues.push(issue);
            return;
        }
        if turn.to.is_none() && turn.module.field(turn.field).required {
            let message = "this record cannot be disconnected: it needs one to belong to";
            draft.issues.push(Issue::new(turn.path.clone(), "required", message));
            return;
        }
        draft.after.set(turn.field, turn.to.map_or(Value::Null, Value::Id));
        draft.lookups.retain(|field| *field != turn.field);
        draft.targets.push((turn.field, parent));
    }

    /// Notes a fault of a record that is not in the batch at the one that it was to be connected to.
    fn fault(&mut self, turn: &Turn<'_>, issue: Issue) {
        let parent = turn.to.or(turn.from).and_then(|parent| self.by_id.get(&parent)).copied();
        if let Some(draft) = parent.and_then(|parent| self.drafts.get_mut(parent)) {
            draft.issues.push(issue);
        }
    }
}

fn for_change(which: Which<'_>) -> Selection<'_> {
    Selection { which, purpose: Purpose::Update, reach: Reach::Caller, life: Life::Live, limit: None }
}

/// What the relations ask for, record by record. `taken` are the records connected now to those whose relation is set as a whole.
fn turns<'a>(links: &[Link<'a>], taken: &FxHashMap<Uuid, Record>) -> Vec<Turn<'a>> {
    let mut turns = Vec::new();
    for link in links {
        let mut turn = |key: &str, position: usize, id: Uuid, from: Option<Uuid>, to: Option<Uuid>| {
            let path = below(&link.path, [key.into(), position.into()]);
            turns.push(Turn { module: link.module, field: link.field, id, from, to, path });
        };
        for (position, id) in link.connect.iter().enumerate() {
            turn("connect", position, *id, None, Some(link.parent));
        }
        for (position, id) in link.disconnect.iter().enumerate() {
            turn("disconnect", position, *id, Some(link.parent), None);
        }
        let Some(set) = &link.set else { continue };
        for (position, id) in set.iter().enumerate() {
            turn("set", position, *id, None, Some(link.parent));
        }
        let kept: FxHashSet<Uuid> = set.iter().chain(&link.connect).copied().collect();
        let now = |record: &&Record| *record.get(link.field) == Value::Id(link.parent);
        let mut others: Vec<Uuid> = taken
            .values()
            .filter(now)
            .filter_map(|record| match record.get(Module::ID) {
                Value::Id(id) if !kept.contains(id) && !link.disconnect.contains(id) => Some(*id),
                _ => None,
            })
            .collect();
        others.sort_unstable();
        for id in others {
            let path = below(&link.path, ["set".into()]);
            turns.push(Turn { module: link.module, field: link.field, id, from: None, to: None, path });
        }
    }
    turns
}
