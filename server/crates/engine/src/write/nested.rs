//! What a caller gives for one record → the records that it means: those created inside it are records like any other.

use cardine_model::catalog::{FieldId, Module, ModuleId};
use cardine_model::{Issue, PathSegment, Value};
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::links::Link;
use super::{Data, ToOne, Writing, below};
use crate::EngineError;
use crate::record::{Record, json_name};

/// A record's values by field, and those of its references that were connected.
type OwnValues = (Vec<(FieldId, Value)>, Vec<FieldId>);

impl<'a> Batch<'a> {
    /// Drafts a new record and what stands inside its data; gives its id.
    pub fn add_new(
        &mut self,
        module: &'a Module,
        data: &Data,
        linked: Option<(FieldId, Uuid)>,
        path: Vec<PathSegment>,
    ) -> Result<Uuid, EngineError> {
        let writing = Writing { ctx: self.ctx, module };
        writing.check_may_create()?;
        let (mut values, connected) = self.add_one_side(module, data, &path)?;
        let mut issues = Vec::new();
        if let Some((field, parent)) = linked {
            if values.iter().any(|(given, _)| *given == field) {
                let message = "leave it out: the record that this one stands in is meant";
                let name = json_name(module.field(field));
                issues.push(Issue::new(below(&path, [name.into()]), "oneOf", message));
                values.retain(|(given, _)| *given != field);
            }
            values.push((field, Value::Id(parent)));
        }
        writing.check_writable(&values)?;
        let id = self.ctx.new_ids.next();
        let mut record = Record::empty(module);
        writing.fill_defaults(&mut record, &values, &path, &mut issues);
        writing.take_input(&mut record, None, &values, &path, &mut issues);
        writing.require_others(&record, &values, &path, &mut issues);
        writing.stamp_new(&mut record, id, &values);
        let lookups = references(module, values.iter().map(|(field, _)| *field));
        // The creator becomes the owner whether or not users can be read.
        let owner = (!values.iter().any(|(field, _)| *field == Module::OWNER)).then(|| {
            let users = module.field(Module::CREATED_BY).reference().and_then(|users| users.targets.first().copied());
            (Module::OWNER, users.filter(|_| self.ctx.actor.user.is_some()))
        });
        self.push(Draft {
            module,
            id,
            before: None,
            after: record,
            lookups,
            connected,
            targets: owner.into_iter().collect(),
            validated: true,
            issues,
            told: None,
            path: path.clone(),
        });
        self.add_many_side(module, id, data, &path)?;
        Ok(id)
    }

    /// Drafts a change of a record that was taken for it, and what stands inside its data.
    pub fn add_change(
        &mut self,
        module: &'a Module,
        before: Record,
        data: &Data,
        path: Vec<PathSegment>,
    ) -> Result<(), EngineError> {
        let writing = Writing { ctx: self.ctx, module };
        let (values, connected) = self.add_one_side(module, data, &path)?;
        writing.check_writable(&values)?;
        let mut issues = Vec::new();
        let mut after = before.clone();
        writing.take_input(&mut after, Some(&before), &values, &path, &mut issues);
        let Value::Id(id) = *before.get(Module::ID) else { return Err(EngineError::Internal) };
        // One that is given as it is too: whether it leads there is not for whoever does not see where it leads.
        let lookups = references(module, values.iter().map(|(field, _)| *field));
        let draft = Draft::unchanged(module, id, before, after);
        self.push(Draft { lookups, connected, issues, path: path.clone(), ..draft });
        self.add_many_side(module, id, data, &path)
    }

    /// Drafts what follows for a record that refers to another one: whether or not the caller may see it, and whether or not the
    /// caller's own rules would let it pass.
    pub fn add_consequence(
        &mut self,
        module: &'a Module,
        before: Record,
        field: FieldId,
        target: Option<(Uuid, ModuleId)>,
    ) -> Result<(), EngineError> {
        let Value::Id(id) = *before.get(Module::ID) else { return Err(EngineError::Internal) };
        let position = match self.by_id.get(&id) {
            Some(position) => *position,
            None => {
                let after = before.clone();
                self.push(Draft { validated: false, ..Draft::unchanged(module, id, before, after) });
                self.drafts.len() - 1
            }
        };
        let draft = &mut self.drafts[position];
        draft.after.set(field, target.map_or(Value::Null, |(target, _)| Value::Id(target)));
        draft.targets.push((field, target.map(|(_, module)| module)));
        Ok(())
    }

    /// The record's own values, those of references that are given by their records included; and the references that are
    /// connected.
    fn add_one_side(
        &mut self,
        module: &'a Module,
        data: &Data,
        path: &[PathSegment],
    ) -> Result<OwnValues, EngineError> {
        let mut values = data.values.clone();
        let mut connected = Vec::new();
        for (field, to_one) in &data.to_one {
            let id = match to_one {
                ToOne::Connect(id) => {
                    connected.push(*field);
                    *id
                }
                ToOne::Create(data) => {
                    let reference = module.field(*field);
                    let targets = reference.reference().map_or(&[][..], |reference| &reference.targets);
                    let [target] = targets else { return Err(EngineError::Internal) };
                    // Before the record is made for nothing.
                    Writing { ctx: self.ctx, module }.check_writable(&[(*field, Value::Null)])?;
                    let path = below(path, [reference.name.as_str().into(), "create".into()]);
                    self.add_new(self.ctx.catalog().module(*target), data, None, path)?
                }
            };
            values.push((*field, Value::Id(id)));
        }
        Ok((values, connected))
    }

    fn add_many_side(
        &mut self,
        module: &'a Module,
        parent: Uuid,
        data: &Data,
        path: &[PathSegment],
    ) -> Result<(), EngineError> {
        if !data.links.is_empty() {
            self.many_to_many.push((module, parent, data.links.clone(), path.to_vec()));
        }
        for (relation, list) in &data.to_many {
            let relation = module.relation(*relation);
            let child = self.ctx.catalog().module(relation.module);
            let path = below(path, [relation.name.as_str().into()]);
            for (position, data) in list.create.iter().enumerate() {
                let path = below(&path, ["create".into(), position.into()]);
                self.add_new(child, data, Some((relation.field, parent)), path)?;
            }
            if !list.connect.is_empty() || !list.disconnect.is_empty() || list.set.is_some() {
                let writing = Writing { ctx: self.ctx, module: child };
                writing.check_may_update()?;
                writing.check_writable(&[(relation.field, Value::Null)])?;
                let (connect, disconnect) = (list.connect.clone(), list.disconnect.clone());
                let (set, field) = (list.set.clone(), relation.field);
                self.links.push(Link { module: child, field, parent, path, connect, disconnect, set });
            }
        }
        Ok(())
    }
}

/// The references among the fields.
fn references(module: &Module, fields: impl Iterator<Item = FieldId>) -> Vec<FieldId> {
    fields.filter(|field| module.field(*field).reference().is_some()).collect()
}
