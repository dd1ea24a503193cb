//! The records that one mutation makes and changes, written together: a statement for what they have in common, not one for each.

use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_sql::write::{Assignment, insert_rows, stored_fields, update_rows};
use cardine_store::WriteTx;
use futures_util::join;
use rustc_hash::{FxHashMap, FxHashSet};
use uuid::Uuid;

use super::Writing;
use super::history::{Change, Told};
use super::links::Link;
use super::many_to_many::{LinkChange, change_links};
use crate::record::Record;
use crate::{EngineError, RequestContext};

/// Records to be written. Nothing reaches a table before the values of all of them were checked.
pub(super) struct Batch<'a> {
    pub ctx: &'a RequestContext,
    /// In the order in which their events are told.
    pub drafts: Vec<Draft<'a>>,
    pub by_id: FxHashMap<Uuid, usize>,
    /// New records whose owner a workflow inside the write set.
    pub owned: FxHashSet<Uuid>,
    /// Records that are to be connected and disconnected, before they were looked up.
    pub links: Vec<Link<'a>>,
    /// What becomes of records' many-to-many relations, with the record and where it stands.
    pub many_to_many: Vec<(&'a Module, Uuid, Vec<LinkChange>, Vec<PathSegment>)>,
    /// A unique value that another record has, whether or not the caller may know of which field.
    pub conflict: bool,
}

/// One record to be written.
pub(super) struct Draft<'a> {
    pub module: &'a Module,
    pub id: Uuid,
    /// Where its data stand in the mutation's arguments.
    pub path: Vec<PathSegment>,
    /// As it was; `None` for a new one.
    pub before: Option<Record>,
    pub after: Record,
    /// References given by the caller whose records must be looked up.
    pub lookups: Vec<FieldId>,
    /// Of these those that were given by `connect`.
    pub connected: Vec<FieldId>,
    /// The modules that references lead to.
    pub targets: Vec<(FieldId, Option<ModuleId>)>,
    /// Whether the module's validations are asked: what follows from another write is not refused for a rule that came later.
    pub validated: bool,
    pub issues: Vec<Issue>,
    /// What is told of it, from when it is written on.
    pub told: Option<Told>,
}

impl<'a> Draft<'a> {
    /// A record that is there.
    pub fn unchanged(module: &'a Module, id: Uuid, before: Record, after: Record) -> Self {
        let (lookups, connected, targets, issues) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let (before, path) = (Some(before), Vec::new());
        Self { module, id, path, before, after, lookups, connected, targets, validated: true, issues, told: None }
    }

    pub fn is_changed(&self) -> bool {
        self.before.as_ref() != Some(&self.after)
    }

    fn is_faulty(&self) -> bool {
        !self.issues.is_empty()
    }

    fn as_change(&self) -> Change<'_> {
        let action = if self.before.is_none() { "CREATED" } else { "UPDATED" };
        Change {
            module: self.module,
            id: self.id,
            action,
            event: Some(action),
            before: self.before.as_ref(),
            after: Some(&self.after),
            told: self.told.as_ref(),
        }
    }
}

impl<'a> Batch<'a> {
    pub fn new(ctx: &'a RequestContext) -> Self {
        Self {
            ctx,
            drafts: Vec::new(),
            by_id: FxHashMap::default(),
            owned: FxHashSet::default(),
            links: Vec::new(),
            many_to_many: Vec::new(),
            conflict: false,
        }
    }

    pub fn push(&mut self, draft: Draft<'a>) {
        self.by_id.insert(draft.id, self.drafts.len());
        self.drafts.push(draft);
    }

    /// Checks all, writes all, and tells of all; or refuses with every fault of every record.
    pub(super) async fn write(mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        self.resolve_links(tx).await?;
        let given_away = self.given_away();
        self.ask_before_commit();
        self.assign(tx).await?;
        self.find_targets(tx).await?;
        self.check_transfers(tx, &given_away).await?;
        if !self.is_faulty() {
            self.ask_hooks(tx).await?;
        }
        self.ask_validators().await?;
        self.keep_stages();
        self.guard_calendars();
        self.keep_recurrences();
        self.keep_clocks(tx).await?;
        if self.is_faulty() {
            // What the database would say of the others is told in the same answer. All of it is undone.
            let _ = self.try_others(tx).await;
            return Err(self.refusal());
        }
        self.store(tx).await?;
        if self.is_faulty() {
            return Err(self.refusal());
        }
        self.tell(tx).await?;
        for (module, id, changes, path) in &self.many_to_many {
            change_links(tx, self.ctx, module, *id, changes, path).await?;
        }
        self.notify(tx).await
    }

    async fn try_others(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let faulty = self.grouped(|draft| draft.is_faulty() && draft.before.is_none());
        if self.drafts.iter().any(|draft| !draft.is_faulty() && has_rules(draft.module)) {
            self.store(tx).await?;
        }
        for group in faulty {
            self.find_conflicts(tx, &group).await?;
        }
        Ok(())
    }

    pub(super) fn is_faulty(&self) -> bool {
        self.conflict || self.drafts.iter().any(Draft::is_faulty)
    }

    fn refusal(&mut self) -> EngineError {
        self.check_validations_in_memory();
        let mut issues: Vec<Issue> = Vec::new();
        for issue in self.drafts.iter_mut().flat_map(|draft| draft.issues.drain(..)) {
            // Records of a filter share one input, and so its faults.
            if !issues.contains(&issue) {
                issues.push(issue);
            }
        }
        if self.conflict && issues.iter().all(|issue| issue.rule == "unique") {
            return EngineError::Conflict { message: "another record has this value already".to_owned(), issues };
        }
        EngineError::Validation(issues)
    }

    /// Writes the rows of what is not faulty, and asks the rules that need the rows.
    async fn store(&mut self, tx: &mut WriteTx) -> Result<(), EngineError> {
        self.take_turns_moving(tx).await?;
        self.number(tx).await?;
        self.attach_files(tx).await?;
        for draft in &mut self.drafts {
            if let (Some(before), true) = (&draft.before, draft.is_changed()) {
                Writing { ctx: self.ctx, module: draft.module }.stamp_changed(&mut draft.after, before);
            }
        }
        for group in self.groups(|draft| draft.before.is_none()) {
            self.insert(tx, &group).await?;
        }
        for group in self.groups(|draft| draft.before.is_some() && draft.is_changed()) {
            for (fields, group) in self.by_changed_fields(group) {
                self.update(tx, &fields, &group).await?;
            }
        }
        self.release_files(tx).await?;
        self.check_hierarchies(tx).await?;
        self.check_validations(tx).await
    }

    /// The positions of the drafts that are not faulty and meet the condition, by module, in their order.
    pub fn groups(&self, is_meant: impl Fn(&Draft<'_>) -> bool) -> Vec<Vec<usize>> {
        self.grouped(|draft| !draft.is_faulty() && is_meant(draft))
    }

    fn grouped(&self, is_meant: impl Fn(&Draft<'_>) -> bool) -> Vec<Vec<usize>> {
        let mut groups: Vec<(ModuleId, Vec<usize>)> = Vec::new();
        for (position, draft) in self.drafts.iter().enumerate().filter(|(_, draft)| is_meant(draft)) {
            match groups.iter_mut().find(|(module, _)| *module == draft.module.id) {
                Some((_, group)) => group.push(position),
                None => groups.push((draft.module.id, vec![position])),
            }
        }
        groups.into_iter().map(|(_, group)| group).collect()
    }

    async fn insert(&mut self, tx: &mut WriteTx, group: &[usize]) -> Result<(), EngineError> {
        let module = self.drafts[group[0]].module;
        let drafts = || group.iter().map(|position| &self.drafts[*position]);
        let fields: Vec<FieldId> = stored_fields(module)
            .map(|field| field.id)
            .filter(|field| drafts().any(|draft| !draft.after.get(*field).is_null()))
            .collect();
        let (assignments, rows) = self.rows(group, &fields);
        let statement = insert_rows(tx.dialect(), module, &assignments, rows.len());
        let (inserted, told) = join!(tx.execute_rows(&statement, rows), self.made_told(group));
        self.keep_told(group, told);
        let inserted = inserted?;
        if inserted == group.len() as u64 {
            return Ok(());
        }
        self.find_conflicts(tx, group).await?;
        // If nothing is in the way any more, the other record has gone in between.
        if self.conflict { Ok(()) } else { Err(tx.run_again().into()) }
    }

    /// What stays as it is, is not written: of a reference that stays it is not known here to which module it leads.
    fn by_changed_fields(&self, group: Vec<usize>) -> Vec<(Vec<FieldId>, Vec<usize>)> {
        let mut groups: Vec<(Vec<FieldId>, Vec<usize>)> = Vec::new();
        for position in group {
            let draft = &self.drafts[position];
            let fields = draft.before.as_ref().map(|before| draft.after.changed(before)).unwrap_or_default();
            match groups.iter_mut().find(|(known, _)| *known == fields) {
                Some((_, group)) => group.push(position),
                None => groups.push((fields, vec![position])),
            }
        }
        groups
    }

    async fn update(&mut self, tx: &mut WriteTx, fields: &[FieldId], group: &[usize]) -> Result<(), EngineError> {
        let module = self.drafts[group[0]].module;
        let (assignments, mut rows) = self.rows(group, fields);
        for (row, position) in rows.iter_mut().zip(group) {
            row.push(Value::Id(self.drafts[*position].id));
        }
        let statement = update_rows(tx.dialect(), module, &assignments, rows.len());
        let (updated, told) = join!(tx.execute_rows(&statement, rows), self.made_told(group));
        self.keep_told(group, told);
        let path = &self.drafts[group[0]].path;
        let writing = Writing { ctx: self.ctx, module };
        updated.map(|_| ()).map_err(|error| writing.name_conflict(error, path))
    }

    /// The columns of these fields, those with the modules that references lead to included, and the drafts' values in them.
    fn rows(&self, group: &[usize], fields: &[FieldId]) -> (Vec<Assignment>, Vec<Vec<Value>>) {
        let module = self.drafts[group[0]].module;
        let mut assignments: Vec<Assignment> =
            fields.iter().map(|field| Assignment::field(module.field(*field))).collect();
        let several: Vec<(FieldId, Assignment)> = fields
            .iter()
            .filter_map(|field| Some((*field, Assignment::target_module(module.field(*field))?)))
            .collect();
        let rows = group.iter().map(|position| {
            let draft = &self.drafts[*position];
            let values = fields.iter().map(|field| draft.after.get(*field).clone());
            let modules = several.iter().map(|(field, _)| self.target_name(draft, *field));
            values.chain(modules).collect()
        });
        let rows = rows.collect();
        assignments.extend(several.into_iter().map(|(_, assignment)| assignment));
        (assignments, rows)
    }

    /// The name of the module that a reference to several modules leads to.
    fn target_name(&self, draft: &Draft<'_>, field: FieldId) -> Value {
        let known = draft.targets.iter().rev().find(|(known, _)| *known == field);
        let module = known.and_then(|(_, target)| *target);
        module.map_or(Value::Null, |target| Value::Text(self.ctx.catalog().module(target).name.clone()))
    }

    /// What is told of these drafts, in their order: they are as they are written.
    async fn made_told(&self, group: &[usize]) -> Vec<Told> {
        // The statement that was just handed over is sent by a task of this thread: it comes first.
        tokio::task::yield_now().await;
        group.iter().map(|position| Told::of(&self.drafts[*position].as_change())).collect()
    }

    fn keep_told(&mut self, group: &[usize], told: Vec<Told>) {
        for (position, told) in group.iter().zip(told) {
            self.drafts[*position].told = Some(told);
        }
    }

    async fn tell(&self, tx: &mut WriteTx) -> Result<(), EngineError> {
        let changes: Vec<Change<'_>> =
            self.drafts.iter().filter(|draft| draft.is_changed()).map(Draft::as_change).collect();
        super::history::tell(tx, self.ctx, &changes).await
    }
}

/// Whether something can be wrong with a record that its values alone do not tell.
fn has_rules(module: &Module) -> bool {
    !module.validations.is_empty() || !module.uniques.is_empty()
}
