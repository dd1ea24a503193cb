//! Writing: one transaction for all mutations of an operation; row, audit entry and outbox event commit together.

use std::collections::BTreeMap;
use std::sync::Arc;

use cardine_access::FieldAccess;
use cardine_model::catalog::{Default as FieldDefault, Field, FieldId, FieldKind, Module, ModuleId};
use cardine_model::definition::OnDelete;
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_query::{Authorised, List};
use cardine_sql::write::{
    Assignment, Purpose, insert, lock_rows, referring_records, select_row, stored_fields, update, validations,
    visible_record,
};
use cardine_sql::{Found, render_list};
use cardine_store::platform::events::{self, NewAudit, NewEvent};
use cardine_store::platform::workflows;
use cardine_store::{Bindings, StoreError, WriteTx};
use futures_util::FutureExt as _;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::check::{check_value, issue};
use crate::events::{CAUSE_DEPTH_MAX, RecordEvent};
use crate::read::{Tx, fetch_list};
use crate::record::{Record, RecordScope, json_name, json_of_value};
use crate::{Engine, EngineError, ListResult, RequestContext};

/// Most records that one delete takes along by `CASCADE`.
pub const CASCADE_MAX: usize = 5_000;

/// One mutation.
#[derive(Debug, Clone)]
pub enum Write {
    /// Makes a record.
    Create {
        /// Its module.
        module: ModuleId,
        /// Values by field, each of its field's scalar type; a reference's is an id. What is left out gets its default.
        data: Vec<(FieldId, Value)>,
    },
    /// Changes a record.
    Update {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// The values to change; null clears.
        data: Vec<(FieldId, Value)>,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
    /// Deletes a record softly.
    Delete {
        /// Its module.
        module: ModuleId,
        /// Its id.
        id: Uuid,
        /// Only if the record still has this version.
        if_version: Option<i64>,
    },
}

/// A mutation, and what is asked of the record afterwards.
#[derive(Debug, Clone)]
pub struct MutationStep {
    /// What is written.
    pub write: Write,
    /// The answer's list: its filter compares the id with slot 0.
    pub then: Authorised<List>,
    /// The values of that list from slot 1 on; slot 0 is the record's id.
    pub values: Vec<Value>,
}

/// What a mutation did.
#[derive(Debug)]
pub struct MutationResult {
    /// The record.
    pub id: Uuid,
    /// The answer to the step's list.
    pub list: ListResult,
}

impl Engine {
    /// Runs mutations in order in one transaction: all take effect, or none.
    ///
    /// A failed step is told with its position among the steps.
    pub async fn mutate(
        &self,
        ctx: &RequestContext,
        steps: Vec<MutationStep>,
    ) -> Result<Vec<MutationResult>, FailedStep> {
        let shared = Arc::new((ctx.clone(), steps));
        let results = self
            .store()
            .write(move |tx: &mut WriteTx| {
                let shared = Arc::clone(&shared);
                async move {
                    let (ctx, steps) = &*shared;
                    lock_in_order(tx, ctx, steps).await?;
                    let mut results = Vec::with_capacity(steps.len());
                    for (position, step) in steps.iter().enumerate() {
                        let result = run_step(tx, ctx, step).await;
                        results.push(result.map_err(|error| FailedStep { position, error })?);
                    }
                    Ok::<_, FailedStep>(results)
                }
                .boxed()
            })
            .await?;
        self.wake_event_readers();
        Ok(results)
    }
}

/// The mutation that failed, and why. Nothing of the operation took effect.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}")]
pub struct FailedStep {
    /// Its position among the steps; that of the first one when the failure belongs to all.
    pub position: usize,
    /// Why.
    pub error: EngineError,
}

impl From<StoreError> for FailedStep {
    fn from(error: StoreError) -> Self {
        Self { position: 0, error: error.into() }
    }
}

/// Locks what several steps will write, before the first of them does.
async fn lock_in_order(tx: &mut WriteTx, ctx: &RequestContext, steps: &[MutationStep]) -> Result<(), StoreError> {
    let mut written: BTreeMap<ModuleId, (Vec<Uuid>, Purpose)> = BTreeMap::new();
    for step in steps {
        let (module, id, purpose) = match &step.write {
            Write::Create { .. } => continue,
            Write::Update { module, id, .. } => (*module, *id, Purpose::Update),
            Write::Delete { module, id, .. } => (*module, *id, Purpose::Delete),
        };
        let (ids, strongest) = written.entry(module).or_insert_with(|| (Vec::new(), purpose));
        ids.push(id);
        if purpose == Purpose::Delete {
            *strongest = purpose;
        }
    }
    if steps.len() < 2 {
        return Ok(());
    }
    for (module, (ids, purpose)) in &written {
        if let Some(statement) = lock_rows(tx.dialect(), ctx.catalog().module(*module), *purpose) {
            tx.query(&statement, &Bindings { parents: ids, ..ctx.bindings(&[]) }).await?;
        }
    }
    Ok(())
}

async fn run_step(tx: &mut WriteTx, ctx: &RequestContext, step: &MutationStep) -> Result<MutationResult, EngineError> {
    let id = apply(tx, ctx, &step.write).await?;
    let statements = render_list(tx.dialect(), ctx.catalog(), &ctx.actor.rights, &step.then, Found::Written);
    let mut values = vec![Value::Id(id)];
    values.extend(step.values.iter().cloned());
    let list = fetch_list(&mut Tx::Write(tx), &statements, ctx.bindings(&values)).await?;
    Ok(MutationResult { id, list })
}

/// Runs one write inside a transaction; gives the record's id.
pub async fn apply(tx: &mut WriteTx, ctx: &RequestContext, write: &Write) -> Result<Uuid, EngineError> {
    let module = match write {
        Write::Create { module, .. } | Write::Update { module, .. } | Write::Delete { module, .. } => {
            ctx.catalog().module(*module)
        }
    };
    let writer = Writing { ctx, module };
    match write {
        Write::Create { data, .. } => writer.create(tx, data).await,
        Write::Update { id, data, if_version, .. } => writer.update(tx, *id, data, *if_version).await,
        Write::Delete { id, if_version, .. } => writer.delete(tx, *id, *if_version).await,
    }
}

struct Writing<'a> {
    ctx: &'a RequestContext,
    module: &'a Module,
}

impl Writing<'_> {
    async fn create(&self, tx: &mut WriteTx, data: &[(FieldId, Value)]) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).create {
            return Err(EngineError::Forbidden(format!("you may not create records of {}", self.module.name)));
        }
        self.check_writable(data)?;
        let mut issues = Vec::new();
        let mut record = Record::empty(self.module);
        self.fill_defaults(&mut record, data, &mut issues);
        self.take_input(&mut record, None, data, &mut issues);
        self.require_others(&record, data, &mut issues);
        let id = Uuid::now_v7();
        self.stamp_new(&mut record, id, data);
        let targets = self.find_targets(tx, &record, data, &mut issues).await?;
        refuse(issues)?;
        self.number(tx, &mut record).await?;

        let mut assignments = Vec::new();
        let mut values = Vec::new();
        for field in stored_fields(self.module) {
            let value = record.get(field.id);
            if !value.is_null() {
                assignments.push(Assignment::field(field));
                values.push(value.clone());
            }
        }
        self.push_targets(&targets, &mut assignments, &mut values);
        let statement = insert(tx.dialect(), self.module, &assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map_err(|error| self.name_conflict(error))?;
        self.check_validations(tx, id).await?;
        self.record_change(tx, "CREATED", id, None, Some(&record)).await?;
        Ok(id)
    }

    async fn update(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        data: &[(FieldId, Value)],
        if_version: Option<i64>,
    ) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).update {
            return Err(EngineError::NotFound);
        }
        self.check_writable(data)?;
        let before = self.lock(tx, id, Purpose::Update, if_version).await?;
        let mut issues = Vec::new();
        let mut record = before.clone();
        self.take_input(&mut record, Some(&before), data, &mut issues);
        let changed = record.changed(&before);
        let changed_data: Vec<(FieldId, Value)> =
            changed.iter().map(|field| (*field, record.get(*field).clone())).collect();
        let targets = self.find_targets(tx, &record, &changed_data, &mut issues).await?;
        refuse(issues)?;
        if changed.is_empty() {
            return Ok(id);
        }
        self.stamp_changed(&mut record, &before);
        let changed = record.changed(&before);
        let fields = changed.iter().map(|field| self.module.field(*field));
        let mut assignments: Vec<Assignment> = fields.map(Assignment::field).collect();
        let mut values: Vec<Value> = changed.iter().map(|field| record.get(*field).clone()).collect();
        self.push_targets(&targets, &mut assignments, &mut values);
        self.store_update(tx, id, &assignments, values).await?;
        self.check_validations(tx, id).await?;
        self.record_change(tx, "UPDATED", id, Some(&before), Some(&record)).await?;
        Ok(id)
    }

    async fn delete(&self, tx: &mut WriteTx, id: Uuid, if_version: Option<i64>) -> Result<Uuid, EngineError> {
        if !self.ctx.actor.rights.module(self.module.id).delete {
            return Err(EngineError::NotFound);
        }
        let before = self.lock(tx, id, Purpose::Delete, if_version).await?;
        self.delete_locked(tx, id, before).await?;

        // What refers to a deleted record goes with it, or holds it back.
        let catalog = self.ctx.catalog();
        let mut pending = vec![(self.module.id, id)];
        let mut taken = 1;
        while let Some((target, target_id)) = pending.pop() {
            for (module, field, on_delete) in references_to(catalog, target) {
                if on_delete == OnDelete::SetNull {
                    continue;
                }
                let limit = if on_delete == OnDelete::Restrict { 1 } else { CASCADE_MAX + 1 };
                let statement = referring_records(tx.dialect(), module, field.id, limit);
                let values = [Value::Id(target_id)];
                let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
                let ids: Vec<Uuid> = (0..rows.len())
                    .filter_map(|row| rows.cell(row, 0).text().and_then(|id| Uuid::try_parse(id).ok()))
                    .collect();
                if on_delete == OnDelete::Restrict && !ids.is_empty() {
                    return Err(self.held_back(module, field));
                }
                taken += ids.len();
                if taken > CASCADE_MAX {
                    return Err(EngineError::Limit(format!(
                        "this delete would take along more than {CASCADE_MAX} records"
                    )));
                }
                let dependents = Writing { ctx: self.ctx, module };
                for id in ids {
                    if let Some(before) = dependents.read_any(tx, id).await? {
                        dependents.delete_locked(tx, id, before).await?;
                        pending.push((module.id, id));
                    }
                }
            }
        }
        Ok(id)
    }

    async fn delete_locked(&self, tx: &mut WriteTx, id: Uuid, before: Record) -> Result<(), EngineError> {
        let mut record = before.clone();
        record.set(Module::DELETED_AT, Value::DateTime(self.ctx.now));
        self.stamp_changed(&mut record, &before);
        let changed = record.changed(&before);
        let assignments: Vec<Assignment> =
            changed.iter().map(|field| Assignment::field(self.module.field(*field))).collect();
        let values = changed.iter().map(|field| record.get(*field).clone()).collect();
        self.store_update(tx, id, &assignments, values).await?;
        self.record_change(tx, "DELETED", id, Some(&before), Some(&record)).await
    }

    /// The record as it is, locked, if it is in the caller's scope for `purpose` and has the expected version.
    async fn lock(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        purpose: Purpose,
        if_version: Option<i64>,
    ) -> Result<Record, EngineError> {
        let statement = select_row(tx.dialect(), self.ctx.catalog(), &self.ctx.actor.rights, self.module.id, purpose);
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        if rows.is_empty() {
            return Err(EngineError::NotFound);
        }
        let record = Record::from_row(self.module, &rows, 0);
        if let (Some(expected), Value::Integer(actual)) = (if_version, record.get(Module::VERSION))
            && expected != *actual
        {
            return Err(EngineError::Conflict {
                message: format!("the record has version {actual}, not {expected}: read it again"),
                issues: vec![Issue::new(path!["ifVersion"], "version", format!("expected {expected}, found {actual}"))],
            });
        }
        Ok(record)
    }

    /// The record whoever may see it: a cascade does not stop at what its cause may see.
    async fn read_any(&self, tx: &mut WriteTx, id: Uuid) -> Result<Option<Record>, EngineError> {
        let everything = cardine_access::Grants { administrator: true, ..cardine_access::Grants::default() };
        let rights = cardine_access::Rights::resolve(self.ctx.catalog(), &[&everything], true);
        let statement = select_row(tx.dialect(), self.ctx.catalog(), &rights, self.module.id, Purpose::Delete);
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        Ok((!rows.is_empty()).then(|| Record::from_row(self.module, &rows, 0)))
    }

    /// The front offers only what may be written; this holds even if one did not.
    fn check_writable(&self, data: &[(FieldId, Value)]) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        let refused = data.iter().any(|(field, _)| rights.module(self.module.id).access(*field) != FieldAccess::Write);
        if refused { Err(EngineError::Forbidden("you may not write this field".to_owned())) } else { Ok(()) }
    }

    fn fill_defaults(&self, record: &mut Record, data: &[(FieldId, Value)], issues: &mut Vec<Issue>) {
        let given = |field: &Field| data.iter().any(|(id, _)| *id == field.id);
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Value(value)) = &field.default {
                record.set(field.id, value.clone());
            }
        }
        for (field, value) in data {
            record.set(*field, value.clone());
        }
        // Rules see the values given and the plain defaults.
        for field in stored_fields(self.module).filter(|field| !given(field)) {
            if let Some(FieldDefault::Rule(rule)) = &field.default {
                let value = rule.eval(&RecordScope {
                    record,
                    old: None,
                    actor: self.ctx.actor.user,
                    now: self.ctx.now,
                    today: self.ctx.today,
                });
                let checked = self.check_default(field, value, issues);
                record.set(field.id, checked);
            }
        }
    }

    /// What a rule gave must meet the field's rules like what a caller gives. A field that the caller may not read is not named.
    fn check_default(&self, field: &Field, value: Value, issues: &mut Vec<Issue>) -> Value {
        let Some(value) = fit(field, value) else {
            issues.push(self.default_fault(field, issue(field, &data_path(), "range", "its default is out of range")));
            return Value::Null;
        };
        // Whether a value is missing is told with the other required fields.
        if value.is_null() {
            return value;
        }
        let mut faults = Vec::new();
        let checked = check_value(self.ctx.catalog(), self.module.id, field, value, &data_path(), &mut faults);
        issues.extend(faults.into_iter().map(|fault| self.default_fault(field, fault)));
        checked
    }

    fn default_fault(&self, field: &Field, fault: Issue) -> Issue {
        if self.ctx.actor.rights.can_read(self.module.id, field.id) {
            return fault;
        }
        Issue::new(data_path(), "default", "a default breaks a rule of its field; ask an administrator")
    }

    fn take_input(
        &self,
        record: &mut Record,
        before: Option<&Record>,
        data: &[(FieldId, Value)],
        issues: &mut Vec<Issue>,
    ) {
        for (id, value) in data {
            // What stays as it is need not meet rules that came later: a retired choice may be sent back.
            if before.is_some_and(|before| before.get(*id) == value) {
                continue;
            }
            let field = self.module.field(*id);
            let checked = check_value(self.ctx.catalog(), self.module.id, field, value.clone(), &data_path(), issues);
            record.set(*id, checked);
        }
    }

    /// Required fields that were neither given nor have a default.
    fn require_others(&self, record: &Record, data: &[(FieldId, Value)], issues: &mut Vec<Issue>) {
        for field in stored_fields(self.module).filter(|field| field.required && !field.system) {
            let given = data.iter().any(|(id, _)| *id == field.id);
            let numbered = matches!(field.kind, FieldKind::AutoNumber { .. });
            if given || numbered || !record.get(field.id).is_null() {
                continue;
            }
            let missing = if self.ctx.actor.rights.can_read(self.module.id, field.id) {
                issue(field, &data_path(), "required", "a value is required")
            } else {
                // Its name is not the caller's to know.
                let message = "a value is required that you may not set; ask an administrator";
                Issue::new(data_path(), "required", message)
            };
            if !issues.contains(&missing) {
                issues.push(missing);
            }
        }
    }

    fn stamp_new(&self, record: &mut Record, id: Uuid, data: &[(FieldId, Value)]) {
        let user = self.ctx.actor.user.map_or(Value::Null, Value::Id);
        record.set(Module::ID, Value::Id(id));
        record.set(Module::VERSION, Value::Integer(1));
        record.set(Module::CREATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::UPDATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::CREATED_BY, user.clone());
        record.set(Module::UPDATED_BY, user.clone());
        if !data.iter().any(|(field, _)| *field == Module::OWNER) {
            record.set(Module::OWNER, user);
        }
    }

    fn stamp_changed(&self, record: &mut Record, before: &Record) {
        let version = match before.get(Module::VERSION) {
            Value::Integer(version) => version + 1,
            _ => 1,
        };
        record.set(Module::VERSION, Value::Integer(version));
        record.set(Module::UPDATED_AT, Value::DateTime(self.ctx.now));
        record.set(Module::UPDATED_BY, self.ctx.actor.user.map_or(Value::Null, Value::Id));
    }

    /// The module that each reference of `data` leads to; one that leads nowhere the caller may see is an issue.
    async fn find_targets(
        &self,
        tx: &mut WriteTx,
        record: &Record,
        data: &[(FieldId, Value)],
        issues: &mut Vec<Issue>,
    ) -> Result<Vec<(FieldId, Option<ModuleId>)>, EngineError> {
        let catalog = self.ctx.catalog();
        let owner = (self.ctx.actor.user.is_some() && !data.iter().any(|(field, _)| *field == Module::OWNER))
            .then_some(Module::OWNER)
            .filter(|_| matches!(record.get(Module::VERSION), Value::Integer(1)));
        let mut targets = Vec::new();
        for id in data.iter().map(|(field, _)| *field).chain(owner) {
            let field = self.module.field(id);
            let Some(reference) = field.reference() else { continue };
            if record.get(id).is_null() {
                targets.push((id, None));
                continue;
            }
            let mut found = None;
            for target in &reference.targets {
                // The creator becomes the owner whether or not users can be read.
                let rights = &self.ctx.actor.rights;
                if owner != Some(id) && !rights.can_read_module(*target) {
                    continue;
                }
                let statement = visible_record(tx.dialect(), catalog, rights, *target);
                let values = [record.get(id).clone()];
                if !tx.query(&statement, &self.ctx.bindings(&values)).await?.is_empty() {
                    found = Some(*target);
                    break;
                }
            }
            match found {
                Some(target) => targets.push((id, Some(target))),
                None => issues.push(issue(field, &data_path(), "reference", "there is no such record")),
            }
        }
        Ok(targets)
    }

    /// Gives the automatic numbers; the counter's row is locked until the transaction ends, so there are no duplicates.
    async fn number(&self, tx: &mut WriteTx, record: &mut Record) -> Result<(), EngineError> {
        for field in &self.module.fields {
            let FieldKind::AutoNumber { format } = &field.kind else {
                continue;
            };
            let period = crate::number::period(format, self.ctx.today);
            let next = events::next_number(tx, &self.module.name, &field.name, &period).await?;
            record.set(field.id, Value::Text(crate::number::write(format, self.ctx.today, next)));
        }
        Ok(())
    }

    /// The names of the modules that references to several modules lead to.
    fn push_targets(
        &self,
        targets: &[(FieldId, Option<ModuleId>)],
        assignments: &mut Vec<Assignment>,
        values: &mut Vec<Value>,
    ) {
        for (field, target) in targets {
            if let Some(assignment) = Assignment::target_module(self.module.field(*field)) {
                let name = target.map(|target| self.ctx.catalog().module(target).name.clone());
                assignments.push(assignment);
                values.push(name.map_or(Value::Null, Value::Text));
            }
        }
    }

    async fn store_update(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        assignments: &[Assignment],
        mut values: Vec<Value>,
    ) -> Result<(), EngineError> {
        values.push(Value::Id(id));
        let statement = update(tx.dialect(), self.module, assignments);
        let written = tx.execute(&statement, &self.ctx.bindings(&values)).await;
        written.map(|_| ()).map_err(|error| self.name_conflict(error))
    }

    async fn check_validations(&self, tx: &mut WriteTx, id: Uuid) -> Result<(), EngineError> {
        let rights = &self.ctx.actor.rights;
        let Some(statement) = validations(tx.dialect(), self.ctx.catalog(), rights, self.module) else {
            return Ok(());
        };
        let values = [Value::Id(id)];
        let rows = tx.query(&statement, &self.ctx.bindings(&values)).await?;
        let mut issues = Vec::new();
        for (position, validation) in self.module.validations.iter().enumerate() {
            if rows.is_empty() || rows.cell(0, position).boolean() != Some(false) {
                continue;
            }
            let message = validation.message.text(&self.ctx.actor.locale);
            // A hidden field is not named; the rule's message is the admin's word to everyone who writes.
            let readable = |field: &&FieldId| rights.can_read(self.module.id, **field);
            let fields: Vec<&FieldId> = validation.fields.iter().filter(readable).collect();
            if fields.is_empty() {
                issues.push(Issue::new(data_path(), "validation", message));
            }
            for field in fields {
                issues.push(issue(self.module.field(*field), &data_path(), "validation", message));
            }
        }
        refuse(issues)
    }

    /// Audit and outbox, in the write's own transaction.
    async fn record_change(
        &self,
        tx: &mut WriteTx,
        kind: &'static str,
        id: Uuid,
        before: Option<&Record>,
        after: Option<&Record>,
    ) -> Result<(), EngineError> {
        let empty = Record::empty(self.module);
        let changed = after.unwrap_or(&empty).changed(before.unwrap_or(&empty));
        let names: Vec<String> = changed.iter().map(|field| json_name(self.module.field(*field))).collect();
        let changes: serde_json::Map<String, Json> = changed
            .iter()
            .filter(|field| !self.module.field(**field).system || **field == Module::OWNER)
            .map(|field| {
                let value =
                    |record: Option<&Record>| record.map_or(Json::Null, |record| json_of_value(record.get(*field)));
                (json_name(self.module.field(*field)), serde_json::json!({"old": value(before), "new": value(after)}))
            })
            .collect();
        let audit = NewAudit {
            at: self.ctx.now,
            actor: self.ctx.actor.user,
            via: self.ctx.via,
            action: kind,
            module: Some(&self.module.name),
            record: Some(id),
            changes: Json::Object(changes),
            request: self.ctx.request_id,
        };
        events::insert_audit(tx, &audit).await?;
        let event = NewEvent {
            at: self.ctx.now,
            module: &self.module.name,
            record: id,
            kind,
            actor: self.ctx.actor.user,
            depth: self.ctx.depth,
            before: before.map(|record| Json::Object(record.to_json(self.module))),
            after: after.map(|record| Json::Object(record.to_json(self.module))),
            changed: names,
        };
        let seq = events::insert_event(tx, &event).await?;
        self.queue_runs(tx, kind, id, seq, before, after, &changed).await
    }

    /// What follows the event is queued in the event's own transaction.
    #[expect(clippy::too_many_arguments, reason = "the parts of one event")]
    async fn queue_runs(
        &self,
        tx: &mut WriteTx,
        kind: &'static str,
        id: Uuid,
        seq: i64,
        before: Option<&Record>,
        after: Option<&Record>,
        changed: &[FieldId],
    ) -> Result<(), EngineError> {
        let Some(after) = after else { return Ok(()) };
        if self.ctx.depth >= CAUSE_DEPTH_MAX {
            tracing::warn!(depth = self.ctx.depth, "a chain of causes is too long: this event queues nothing");
            return Ok(());
        }
        let event = RecordEvent { ctx: self.ctx, module: self.module, kind, id, before, after, changed };
        let runs = self.ctx.snapshot.matcher.runs(&event);
        if !runs.is_empty() {
            workflows::queue_runs(tx, seq, id, &runs, self.ctx.now).await?;
        }
        Ok(())
    }

    /// A unique index's refusal as a conflict at its fields.
    fn name_conflict(&self, error: StoreError) -> EngineError {
        let StoreError::UniqueViolation { index } = &error else {
            return error.into();
        };
        let fields = cardine_sql::ddl::unique_index_fields(self.module, index).unwrap_or_default();
        let readable = |field: &&FieldId| self.ctx.actor.rights.can_read(self.module.id, **field);
        let issues = fields.iter().filter(readable).map(|field| {
            issue(self.module.field(*field), &data_path(), "unique", "another record has this value already")
        });
        EngineError::Conflict { message: "another record has this value already".to_owned(), issues: issues.collect() }
    }

    fn held_back(&self, module: &Module, field: &Field) -> EngineError {
        let visible = self.ctx.actor.rights.can_read(module.id, field.id);
        let by = if visible { format!("records of {}", module.plural) } else { "other records".to_owned() };
        EngineError::Conflict {
            message: format!("{by} refer to this record, so it can't be deleted"),
            issues: Vec::new(),
        }
    }
}

/// A rule's value in the type of the field that it is the default of; `None` where the type has no such value.
fn fit(field: &Field, value: Value) -> Option<Value> {
    Some(match (&field.kind, value) {
        (FieldKind::Integer { .. }, Value::Decimal(number)) => Value::Integer(number.round(0).to_i64()?),
        (FieldKind::Decimal { scale, .. }, Value::Decimal(number)) => Value::Decimal(number.round(u32::from(*scale))),
        (_, value) => value,
    })
}

/// The references of all modules that may lead to `target`, with what a delete does to them.
fn references_to(
    catalog: &cardine_model::Catalog,
    target: ModuleId,
) -> impl Iterator<Item = (&Module, &Field, OnDelete)> {
    catalog.modules.iter().filter(|module| !module.platform).flat_map(move |module| {
        module.fields.iter().filter_map(move |field| {
            let reference = field.reference()?;
            reference.targets.contains(&target).then_some((module, field, reference.on_delete))
        })
    })
}

fn refuse(issues: Vec<Issue>) -> Result<(), EngineError> {
    if issues.is_empty() { Ok(()) } else { Err(EngineError::Validation(issues)) }
}

fn data_path() -> Vec<PathSegment> {
    path!["data"]
}
