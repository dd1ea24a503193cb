//! Mutations: what is written, and what is asked of the records afterwards.

use cardine_engine::{Converted, Keyed, Write};
use cardine_model::catalog::{FieldId, FieldPath, Module, ModuleId};
use cardine_model::{Issue, PathSegment, Value, path};
use cardine_query::{Authorised, CompareOp, Deleted, Filter, List, Page, Slot, Take};

use super::arguments::Arguments;
use super::collect::Collected;
use super::data::DataReader;
use super::list::ListBuilder;
use super::record::unvalidated;
use super::root::by_id;
use super::{Compiler, Mutation, key, quoted};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{InputTarget, Meaning, OutputField, TypeKey};
use crate::shape::{BulkField, Fields, ObjectShape, RootField};

impl<'a> Compiler<'a> {
    pub(super) fn write(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let write = self.write_of(&arguments, definition.meaning, collected)?;
        let step = self.mutations.len();
        let (then, values, field) = match &write {
            Write::UpdateMany { .. }
            | Write::DeleteMany { .. }
            | Write::RestoreMany { .. }
            | Write::DestroyMany { .. }
            | Write::MarkNotificationsRead { .. } => {
                (None, Vec::new(), RootField::Bulk { step, fields: self.bulk(collected) })
            }
            Write::Destroy { .. } => (None, Vec::new(), RootField::WrittenId { step }),
            Write::CreateMany { module, data } => {
                let (list, values, object) =
                    self.shown(Deleted::Exclude, |compiler| compiler.by_ids(*module, data.len(), collected))?;
                // Ids count up as records are made, so their order is that of the data.
                (Some(list), values, RootField::WrittenList { step, id: None, object })
            }
            Write::UpsertMany { module, entries } => {
                let (list, values, (id, object)) = self.shown(Deleted::Exclude, |compiler| {
                    let (mut list, object) = compiler.by_ids(*module, entries.len(), collected)?;
                    let id = list.output(&[], Module::ID)?;
                    Ok((list, (id, object)))
                })?;
                (Some(list), values, RootField::WrittenList { step, id: Some(id), object })
            }
            Write::Delete { module, .. } => {
                let (list, values, object) =
                    self.shown(Deleted::Include, |compiler| compiler.by_id(*module, Slot(0), collected))?;
                (Some(list), values, RootField::Written { step, object })
            }
            one => {
                let module = one.module().ok_or_else(unvalidated)?;
                let (list, values, object) =
                    self.shown(Deleted::Exclude, |compiler| compiler.by_id(module, Slot(0), collected))?;
                (Some(list), values, RootField::Written { step, object })
            }
        };
        let path = vec![PathSegment::from(collected.key)];
        self.mutations.push(Mutation { write, then, values, path, position: collected.field.pos });
        Ok(field)
    }

    fn write_of(&mut self, arguments: &Arguments, meaning: Meaning, collected: &Collected<'a>) -> Result<Write, Error> {
        let limits = self.setting.limits;
        let (id, if_version) = (arguments.id("id"), arguments.integer("ifVersion"));
        let mut reader = DataReader::new(self.schema.catalog, limits);
        let given = arguments.get("data");
        let mut data = |module| match given {
            Some(data) => reader.read(module, data, path!["data"]),
            None => Ok(cardine_engine::Data::default()),
        };
        Ok(match meaning {
            Meaning::Create(module) => Write::Create { module, data: data(module)? },
            Meaning::CreateMany(module) => {
                let items = given.map(Input::items).unwrap_or_default();
                self.check_records(items.len())?;
                let data = items.iter().enumerate();
                let data = data.map(|(position, data)| reader.read(module, data, path!["data", position]));
                Write::CreateMany { module, data: data.collect::<Result<_, _>>()? }
            }
            Meaning::Update(module) => Write::Update { module, id, data: data(module)?, if_version },
            Meaning::UpdateMany(module) => {
                let data = data(module)?;
                refuse_nested(self.schema.catalog.module(module), &data)?;
                let (list, values) = self.filtered(module, arguments, Deleted::Exclude, collected)?;
                Write::UpdateMany { list, values, limit: limits.records, data }
            }
            Meaning::Upsert(module) => {
                let key = arguments.get("match").map(key_of).unwrap_or_default();
                Write::Upsert { module, key, data: data(module)? }
            }
            Meaning::UpsertMany(module) => {
                let items = given.map(Input::items).unwrap_or_default();
                self.check_records(items.len())?;
                let entry = |(position, item): (usize, &Input)| {
                    let part = |name: &str| item.fields().iter().find(|(field, _)| field.name == name);
                    let key = part("match").map(|(_, unique)| key_of(unique)).unwrap_or_default();
                    let data = part("data").map(|(_, data)| reader.read(module, data, path!["data", position, "data"]));
                    Ok(Keyed { key, data: data.transpose()?.unwrap_or_default() })
                };
                Write::UpsertMany {
                    module,
                    entries: items.iter().enumerate().map(entry).collect::<Result<_, Error>>()?,
                }
            }
            Meaning::Delete(module) => Write::Delete { module, id, if_version },
            Meaning::DeleteMany(module) => {
                let (list, values) = self.filtered(module, arguments, Deleted::Exclude, collected)?;
                Write::DeleteMany { list, values, limit: limits.records }
            }
            Meaning::RestoreMany(module) => {
                let (list, values) = self.filtered(module, arguments, Deleted::Only, collected)?;
                Write::RestoreMany { list, values, limit: limits.records }
            }
            Meaning::DestroyMany(module) => {
                let (list, values) = self.filtered(module, arguments, Deleted::Include, collected)?;
                Write::DestroyMany { list, values, limit: limits.records }
            }
            Meaning::Restore(module) => Write::Restore { module, id },
            Meaning::Destroy(module) => Write::Destroy { module, id },
            Meaning::Merge(module) => {
                let ids = arguments.get("ids").map(Input::ids).unwrap_or_default();
                self.check_records(ids.len())?;
                let dry_run = arguments.boolean("dryRun").unwrap_or_default();
                Write::Merge { module, ids, into: arguments.id("into"), data: data(module)?, dry_run }
            }
            Meaning::MarkNotificationsRead => {
                let ids = arguments.get("ids").map(Input::ids);
                self.check_records(ids.as_ref().map_or(0, Vec::len))?;
                Write::MarkNotificationsRead { ids }
            }
            Meaning::Convert(module, conversion) => {
                let catalog = self.schema.catalog;
                let mut given = Vec::new();
                let conversion = conversion as usize;
                let declared = catalog.module(module).conversions.get(conversion).ok_or_else(unvalidated)?;
                for target in &declared.targets {
                    let existing = format!("{}Id", target.name);
                    let of = catalog.by_name.get(target.module.as_str());
                    match (of, arguments.get(&target.name), arguments.get(&existing)) {
                        (_, Some(_), Some(_)) => {
                            let message = format!(
                                "`{}` is for a new record and `{existing}` for one that is there: give one of them",
                                target.name
                            );
                            let issue = Issue::new(path![existing.as_str()], "oneOf", message.as_str());
                            return Err(Error { issues: vec![issue], ..Error::input(message) });
                        }
                        (Some(of), Some(data), None) => {
                            let data = reader.read(*of, data, path![target.name.as_str()])?;
                            given.push((target.name.clone(), Converted::New(data)));
                        }
                        (Some(_), None, Some(_)) => {
                            given.push((target.name.clone(), Converted::Existing(arguments.id(&existing))));
                        }
                        _ => {}
                    }
                }
                Write::Convert { module, id, conversion, given, if_version }
            }
            _ => return Err(unvalidated()),
        })
    }

    fn check_records(&self, found: usize) -> Result<(), Error> {
        let most = self.setting.limits.records;
        if found > most { Err(Error::limit("records of a mutation", most, found)) } else { Ok(()) }
    }

    /// The list of the records that were written: slot 0 is what the engine puts in, the id or the ids. Each mutation has values of
    /// its own.
    fn shown<T>(
        &mut self,
        deleted: Deleted,
        compile: impl FnOnce(&mut Self) -> Result<(ListBuilder<'a>, T), Error>,
    ) -> Result<(Authorised<List>, Vec<Value>, T), Error> {
        let others = std::mem::replace(&mut self.values, vec![Value::Null]);
        let compiled = compile(self);
        let mut values = std::mem::replace(&mut self.values, others);
        values.remove(0);
        let (mut list, shape) = compiled?;
        list.list.deleted = deleted;
        Ok((self.authorise(list.list)?, values, shape))
    }

    /// The list of the records whose ids are in slot 0.
    fn by_ids(
        &mut self,
        module: ModuleId,
        count: usize,
        collected: &Collected<'a>,
    ) -> Result<(ListBuilder<'a>, ObjectShape), Error> {
        let size = self.slot(Value::Integer(i64::try_from(count).unwrap_or(i64::MAX)));
        let page = Page { take: Take::First(size), after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        list.filter(Filter::Compare { path: FieldPath::own(Module::ID), op: CompareOp::In, operand: Slot(0) });
        list.order(by_id())?;
        list.rows = count as u64;
        self.rows = self.rows.saturating_add(list.rows);
        let object = self.object(&mut list, &[], module, &collected.sets)?;
        list.never_empty()?;
        Ok((list, object))
    }

    /// The list whose filter tells which records are written, and its values.
    fn filtered(
        &mut self,
        module: ModuleId,
        arguments: &Arguments,
        deleted: Deleted,
        collected: &Collected<'a>,
    ) -> Result<(Authorised<List>, Vec<Value>), Error> {
        let page = Page { take: Take::One, after: None, before: None, offset: None };
        let mut list = ListBuilder::new(module, page, self.setting.limits, 0, collected.field.pos);
        let others = std::mem::take(&mut self.values);
        let nothing = Input::Object(Vec::new());
        let given = arguments.get("filter").unwrap_or(&nothing);
        let filter = self.filter(&mut list, &[], module, given, 0, &mut path!["filter"]);
        let values = std::mem::replace(&mut self.values, others);
        let filter = filter?;
        if is_everything(&filter) {
            let message =
                "This filter would mean every record: say so with `{id: {isNull: false}}`, or give a condition.";
            let issue = Issue::new(path!["filter"], "required", message);
            return Err(Error { issues: vec![issue], ..Error::input(message) });
        }
        list.filter(filter);
        list.list.deleted = deleted;
        Ok((self.authorise(list.list)?, values))
    }

    fn bulk(&self, collected: &Collected<'a>) -> Fields<BulkField> {
        let fields = self.collect(TypeKey::BulkResult, &collected.sets);
        let field = |field: Collected<'a>| {
            let shape = match field.name() {
                "count" => BulkField::Count,
                "ids" => BulkField::Ids,
                _ => BulkField::Constant(quoted("BulkResult")),
            };
            (key(field.key), shape)
        };
        fields.into_iter().map(field).collect()
    }
}

/// A dry run undoes its transaction, and so whatever else the operation writes.
pub(super) fn check_dry_run(mutations: &[Mutation]) -> Result<(), Error> {
    let dry_run = mutations.iter().find(|mutation| matches!(mutation.write, Write::Merge { dry_run: true, .. }));
    match dry_run {
        Some(mutation) if mutations.len() > 1 => {
            let message =
                "A dry run must be the only mutation of its operation, as nothing of the operation takes effect.";
            Err(Error::input(message).at(mutation.position).under(mutation.path.clone()))
        }
        _ => Ok(()),
    }
}

/// Whether the filter has no condition at all.
fn is_everything(filter: &Filter) -> bool {
    match filter {
        Filter::All(parts) => parts.iter().all(is_everything),
        Filter::Any(parts) => parts.iter().any(is_everything),
        _ => false,
    }
}

/// What is made inside one record cannot be inside many.
fn refuse_nested(module: &Module, data: &cardine_engine::Data) -> Result<(), Error> {
    let created = data.to_one.iter().find(|(_, to_one)| matches!(to_one, cardine_engine::ToOne::Create(_)));
    let to_many = data.to_many.iter().map(|(relation, _)| *relation);
    let mut relations = to_many.chain(data.links.iter().map(|links| links.relation));
    let name = match (created, relations.next()) {
        (Some((field, _)), _) => &module.field(*field).name,
        (None, Some(relation)) => &module.relation(relation).name,
        (None, None) => return Ok(()),
    };
    let message =
        format!("`{name}` is for one record at a time: many can only be connected to a record that is there.");
    let issue = Issue::new(path!["data", name.as_str()], "nested", message.as_str());
    Err(Error { issues: vec![issue], ..Error::input(message) })
}

/// The values of a unique set: one field's, or those of several inside an object.
fn key_of(unique: &Input) -> Vec<(FieldId, Value)> {
    let value = |(field, value): &(crate::schema::InputValue, Input)| match field.target {
        Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => vec![(id, value.to_value())],
        _ => key_of(value),
    };
    unique.fields().iter().flat_map(value).collect()
}
