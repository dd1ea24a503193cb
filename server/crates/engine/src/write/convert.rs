//! A record becomes others: they are made by the mapping that its module declares, or were there, and what belongs to it moves to them.

use cardine_model::catalog::{Field, FieldKind, Module, ModuleId};
use cardine_model::conversion::{Conversion, ConversionTarget, ITSELF, Mapped};
use cardine_model::{Issue, Value, path};
use cardine_sql::write::{Life, Purpose, Reach, Selection, Which, visible_records};
use cardine_store::{Bindings, WriteTx};
use rustc_hash::FxHashSet;
use uuid::Uuid;

use super::batch::{Batch, Draft};
use super::rules::id_at;
use super::update::check_version;
use super::{CASCADE_MAX, Converted, Data, Writing};
use crate::EngineError;
use crate::record::Record;

/// A record that the converted one has become.
struct Made<'a> {
    target: &'a ConversionTarget,
    module: &'a Module,
    id: Uuid,
}

impl<'a> Writing<'a> {
    pub(super) async fn convert(
        &self,
        tx: &mut WriteTx,
        id: Uuid,
        conversion: usize,
        given: &[(String, Converted)],
        if_version: Option<i64>,
    ) -> Result<Vec<Uuid>, EngineError> {
        let module: &'a Module = self.module;
        let conversion = module.conversions.get(conversion).ok_or(EngineError::Internal)?;
        self.check_may_update()?;
        let before = self.take_one(tx, id, Purpose::Update, Life::Live).await?;
        check_version(&before, if_version)?;
        let mut after = before.clone();
        let done = module.field_named(&conversion.done).filter(|field| matches!(field.kind, FieldKind::Boolean));
        let Some(done) = done else {
            let message = "what tells whether a record was converted is gone: ask an administrator to mend the module";
            return Err(refused("conversion", message));
        };
        if *before.get(done.id) == Value::Boolean(true) {
            return Err(refused("converted", "this record was converted before"));
        }
        after.set(done.id, Value::Boolean(true));
        if let Some(field) = conversion.at.as_ref().and_then(|name| module.field_named(name)) {
            match field.kind {
                FieldKind::Date => after.set(field.id, Value::Date(self.ctx.today)),
                FieldKind::DateTime => after.set(field.id, Value::DateTime(self.ctx.now)),
                _ => {}
            }
        }
        let mut batch = Batch::new(self.ctx);
        let mut made: Vec<Made<'a>> = Vec::new();
        let (mut targets, mut issues) = (Vec::new(), Vec::new());
        for target in &conversion.targets {
            let found = self.ctx.catalog().module_by_name(&target.module);
            let Some(module) = found.filter(|module| !module.platform) else { continue };
            let given = given.iter().find(|(name, _)| *name == target.name).map(|(_, given)| given);
            let (made_id, is_new) = match given {
                Some(Converted::Existing(existing)) if self.is_seen(tx, module, *existing).await? => (*existing, false),
                Some(Converted::Existing(_)) => {
                    let place = path![format!("{}Id", target.name)];
                    issues.push(Issue::new(place, "reference", "there is no such record"));
                    continue;
                }
                given => {
                    let data = match given {
                        Some(Converted::New(data)) => data.clone(),
                        _ if self.is_made(tx, target, &after).await? => Data::default(),
                        _ => continue,
                    };
                    let data = self.mapped(tx, target, module, (&after, id), &made, data).await?;
                    (batch.add_new(module, &data, None, path![target.name.as_str()])?, true)
                }
            };
            let kept = target.keep.as_ref().and_then(|name| self.module.field_named(name));
            if let Some(field) =
                kept.filter(|field| field.reference().is_some_and(|known| known.targets.contains(&module.id)))
            {
                after.set(field.id, Value::Id(made_id));
                targets.push((field.id, Some(module.id)));
            }
            made.push(Made { target, module, id: made_id });
            if let (true, Some(made)) = (is_new, made.last()) {
                self.copy_lists(tx, &mut batch, id, made).await?;
            }
        }
        if made.is_empty() && issues.is_empty() {
            return Err(refused(
                "minItems",
                "nothing would be made of this record: give values for one of the targets",
            ));
        }
        let draft = Draft::unchanged(module, id, before, after);
        batch.push(Draft { targets, issues, path: path!["id"], ..draft });
        // Asked before: what is converted may be out of the caller's reach then.
        let may_give = self.may_give_away(tx, &[id]).await?;
        batch.write(tx).await?;
        for made in &made {
            self.move_to(tx, id, made, may_give).await?;
        }
        Ok(vec![id])
    }

    /// Whether the target is made although no values are given for it.
    async fn is_made(&self, tx: &mut WriteTx, target: &ConversionTarget, record: &Record) -> Result<bool, EngineError> {
        let field = target.when.as_ref().and_then(|name| self.module.field_named(name));
        Ok(match field {
            _ if target.optional => false,
            Some(field) => !self.readable(tx, field, record).await?.is_null(),
            None => true,
        })
    }

    async fn is_seen(&self, tx: &mut WriteTx, module: &Module, id: Uuid) -> Result<bool, EngineError> {
        let exists = self.ctx.actor.rights.can_read_module(module.id);
        Ok(exists && !self.seen_of(tx, module.id, &[id]).await?.is_empty())
    }

    /// The values that are given, and those that the mapping adds: of what the caller may read, into what the caller may write.
    async fn mapped(
        &self,
        tx: &mut WriteTx,
        target: &ConversionTarget,
        module: &'a Module,
        (record, id): (&Record, Uuid),
        made: &[Made<'a>],
        mut data: Data,
    ) -> Result<Data, EngineError> {
        for (name, from) in &target.fields {
            match from {
                Mapped::Field(from) => {
                    for (field, source) in Conversion::pairs(module, name, self.module, from) {
                        let value = self.readable(tx, source, record).await?;
                        self.add_value(module, &mut data, field, value);
                    }
                }
                Mapped::Record(of) => {
                    let known = match of.target == ITSELF {
                        true => Some((self.module.id, id)),
                        false => {
                            made.iter().find(|made| made.target.name == of.target).map(|made| (made.module.id, made.id))
                        }
                    };
                    let field = module.field_named(name);
                    if let (Some((of, id)), Some(field)) = (known, field)
                        && field.reference().is_some_and(|reference| reference.targets.contains(&of))
                    {
                        self.add_value(module, &mut data, field, Value::Id(id));
                    }
                }
            }
        }
        Ok(data)
    }

    /// Adds a value, unless one is given or the caller may not write it.
    fn add_value(&self, module: &Module, data: &mut Data, field: &Field, value: Value) {
        let is_given = data.values.iter().any(|(given, _)| *given == field.id)
            || data.to_one.iter().any(|(given, _)| *given == field.id);
        if !is_given && !value.is_null() && self.ctx.actor.rights.can_write(module.id, field.id) {
            data.values.push((field.id, value));
        }
    }

    /// A value of the converted record as the caller reads it.
    async fn readable(&self, tx: &mut WriteTx, field: &Field, record: &Record) -> Result<Value, EngineError> {
        if !self.ctx.actor.rights.can_read(self.module.id, field.id) {
            return Ok(Value::Null);
        }
        let value = record.get(field.id).clone();
        match (field.reference(), &value) {
            (Some(_), Value::Id(id)) if !self.seen(tx, field, &[*id]).await?.contains(id) => Ok(Value::Null),
            _ => Ok(value),
        }
    }

    /// Which of the records that a reference leads to the caller sees. A file is seen by who sees the record that holds it.
    async fn seen(&self, tx: &mut WriteTx, field: &Field, ids: &[Uuid]) -> Result<FxHashSet<Uuid>, EngineError> {
        let targets: Vec<ModuleId> = self.ctx.actor.rights.readable_targets(field).collect();
        let mut seen = FxHashSet::default();
        for module in targets {
            match self.ctx.catalog().module(module).held {
                true => seen.extend(ids),
                false => seen.extend(self.seen_of(tx, module, ids).await?),
            }
        }
        Ok(seen)
    }

    async fn seen_of(&self, tx: &mut WriteTx, module: ModuleId, ids: &[Uuid]) -> Result<Vec<Uuid>, EngineError> {
        let statement = visible_records(tx.dialect(), self.ctx.catalog(), &self.ctx.actor.rights, module);
        let rows = tx.query(&statement, &Bindings { parents: ids, ..self.ctx.bindings(&[]) }).await?;
        Ok((0..rows.len()).filter_map(|row| id_at(&rows, row, 0)).collect())
    }

    /// Drafts the records of the lists that are made again: of those that the caller sees, as the caller sees them.
    async fn copy_lists(
        &self,
        tx: &mut WriteTx,
        batch: &mut Batch<'a>,
        id: Uuid,
        made: &Made<'a>,
    ) -> Result<(), EngineError> {
        let (catalog, rights) = (self.ctx.catalog(), &self.ctx.actor.rights);
        for copied in &made.target.copies {
            let relation = self.module.relation_named(&copied.list);
            let relation = relation.filter(|relation| relation.through.is_none() && rights.can_read_relation(relation));
            let to = catalog.module_by_name(&copied.module).filter(|module| !module.platform);
            let link = to.and_then(|module| module.field_named(&copied.to));
            let link = link.and_then(|field| Some((field, field.reference()?)));
            let link = link.filter(|(_, reference)| reference.targets.contains(&made.module.id));
            let (Some(relation), Some(to), Some((link, _))) = (relation, to, link) else { continue };
            let writing = Writing { ctx: self.ctx, module: catalog.module(relation.module) };
            let (which, limit) = (Which::Referring(relation.field), Some(CASCADE_MAX + 1));
            let (purpose, reach, life) = (Purpose::Look, Reach::Caller, Life::Live);
            let records = writing.take(tx, Selection { which, purpose, reach, life, limit }, &[id], &[]).await?;
            if records.len() > CASCADE_MAX {
                return Err(EngineError::Limit(format!("more than {CASCADE_MAX} records would be made again")));
            }
            let mut data = vec![Data::default(); records.len()];
            for (name, from) in &copied.fields {
                for (field, source) in Conversion::pairs(to, name, writing.module, from) {
                    let values = writing.readable_of_all(tx, source, &records).await?;
                    for (data, value) in data.iter_mut().zip(values) {
                        self.add_value(to, data, field, value);
                    }
                }
            }
            for (position, data) in data.iter().enumerate() {
                let path = path![made.target.name.as_str(), copied.list.as_str(), position];
                batch.add_new(to, data, Some((link.id, made.id)), path)?;
            }
        }
        Ok(())
    }

    /// A field's values of several records as the caller reads them.
    async fn readable_of_all(
        &self,
        tx: &mut WriteTx,
        field: &Field,
        records: &[Record],
    ) -> Result<Vec<Value>, EngineError> {
        if !self.ctx.actor.rights.can_read(self.module.id, field.id) {
            return Ok(vec![Value::Null; records.len()]);
        }
        let mut values: Vec<Value> = records.iter().map(|record| record.get(field.id).clone()).collect();
        if field.reference().is_some() {
            let id = |value: &Value| if let Value::Id(id) = value { Some(*id) } else { None };
            let ids: Vec<Uuid> = values.iter().filter_map(id).collect();
            let seen = self.seen(tx, field, &ids).await?;
            for value in &mut values {
                if id(value).is_some_and(|id| !seen.contains(&id)) {
                    *value = Value::Null;
                }
            }
        }
        Ok(values)
    }

    /// Lets the records of the lists that the target takes lead to it, deleted ones too; seen by the caller or not, as for a merge. Those
    /// that are reached by what they lead to are given away with it, by whoever may.
    async fn move_to(&self, tx: &mut WriteTx, id: Uuid, made: &Made<'_>, may_give: bool) -> Result<(), EngineError> {
        let mut moved = 0;
        let mut batch = Batch::new(self.ctx);
        for relation in made.target.takes.iter().filter_map(|name| self.module.relation_named(name)) {
            let module = self.ctx.catalog().module(relation.module);
            let field = module.field(relation.field);
            let leads_there = field.reference().is_some_and(|reference| reference.targets.contains(&made.module.id));
            if !leads_there || module.link.is_some() {
                continue;
            }
            let (which, limit) = (Which::Referring(field.id), Some(CASCADE_MAX + 1));
            let selection = Selection { which, purpose: Purpose::Update, reach: Reach::All, life: Life::Any, limit };
            let writing = Writing { ctx: self.ctx, module };
            let records = writing.take(tx, selection, &[id], &[]).await?;
            moved += records.len();
            if moved > CASCADE_MAX {
                return Err(EngineError::Limit(format!(
                    "more than {CASCADE_MAX} records belong to the one that is converted"
                )));
            }
            // Of what the other record has already, a second one stays where it is.
            let (_, records) = writing.part_twins(tx, records, field.id, made.id).await?;
            if !records.is_empty() && module.parent == Some(field.id) && !may_give {
                return Err(super::transfer::refused());
            }
            for record in records {
                batch.add_consequence(module, record, field.id, Some((made.id, made.module.id)))?;
            }
        }
        batch.write(tx).await
    }
}

fn refused(rule: &str, message: &str) -> EngineError {
    EngineError::Validation(vec![Issue::new(path!["id"], rule, message)])
}
