//! Mutations: what is written, and what is asked of the record afterwards.

use cardine_engine::LinkChange;
use cardine_model::{FieldId, ModuleId, PathSegment, Value};
use cardine_query::{Deleted, Slot};

use uuid::Uuid;

use super::collect::Collected;
use super::record::unvalidated;
use super::{Compiler, Mutation, Write};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{InputTarget, InputValue, Meaning, OutputField};
use crate::shape::RootField;

impl<'a> Compiler<'a> {
    pub(super) fn write(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let (id, if_version) = (arguments.id("id"), arguments.integer("ifVersion"));
        let data = |module| arguments.get("data").map(|data| self.data(module, data)).unwrap_or_default();
        let links = |module| arguments.get("data").map(|data| self.links(module, data)).transpose();
        let (module, write) = match definition.meaning {
            Meaning::Create(module) => (module, Write::Create { module, data: data(module) }),
            Meaning::Update(module) => (module, Write::Update { module, id, data: data(module), if_version }),
            Meaning::Delete(module) => (module, Write::Delete { module, id, if_version }),
            _ => return Err(unvalidated()),
        };

        let links = links(module).map_err(|error| error.at(collected.field.pos))?.unwrap_or_default();
        // Each mutation has values of its own, of which the engine puts in the first: the record's id.
        let others = std::mem::replace(&mut self.values, vec![Value::Null]);
        let compiled = self.by_id(module, Slot(0), collected);
        let mut values = std::mem::replace(&mut self.values, others);
        values.remove(0);
        let (mut list, object) = compiled?;
        if matches!(write, Write::Delete { .. }) {
            list.list.deleted = Deleted::Include;
        }
        let then = self.authorise(list.list)?;
        let path = vec![PathSegment::from(collected.key)];
        self.mutations.push(Mutation { write, links, then, values, path, position: collected.field.pos });
        Ok(RootField::Written { step: self.mutations.len() - 1, object })
    }

    /// What becomes of the record's links.
    fn links(&self, module: ModuleId, data: &Input) -> Result<Vec<LinkChange>, Error> {
        let mut changes = Vec::new();
        let mut count = 0;
        for (field, value) in data.fields() {
            let Some(InputTarget::Links(relation)) = field.target else { continue };
            let mut change =
                LinkChange { relation, connect: Vec::new(), disconnect: Vec::new(), set: None, link: Vec::new() };
            for (part, value) in value.fields().iter().filter(|(_, value)| *value != Input::Null) {
                count += value.items().len();
                match part.name.as_str() {
                    "connect" => change.connect = ids(value),
                    "disconnect" => change.disconnect = ids(value),
                    "set" => change.set = Some(ids(value)),
                    _ => {
                        let links = self.schema.catalog.module(module).relation(relation).module;
                        change.link = value.items().iter().filter_map(|link| self.link(links, link)).collect();
                    }
                }
            }
            changes.push(change);
        }
        let most = self.setting.limits.nested_records;
        if count > most {
            return Err(Error::limit("records that a mutation links", most, count));
        }
        Ok(changes)
    }

    fn link(&self, links: ModuleId, link: &Input) -> Option<(Uuid, Vec<(FieldId, Value)>)> {
        let id = link.fields().iter().find(|(field, _)| field.target.is_none()).map(|(_, id)| id.to_value());
        match id {
            Some(Value::Id(id)) => Some((id, self.data(links, link))),
            _ => None,
        }
    }

    /// The values by field; an address or place by its parts, those that were left out excepted.
    fn data(&self, module: ModuleId, data: &Input) -> Vec<(FieldId, Value)> {
        let mut values = Vec::with_capacity(data.fields().len());
        for (field, value) in data.fields() {
            match field.target {
                Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => values.push((id, value.to_value())),
                Some(InputTarget::Group(id)) if *value == Input::Null => {
                    let group = self.schema.catalog.field(module, id).group();
                    values.extend(group.into_iter().flat_map(|group| &group.parts).map(|part| (*part, Value::Null)));
                }
                Some(InputTarget::Group(id)) => {
                    let part = |(part, value): &(InputValue, Input)| {
                        Some((self.part(module, id, &part.name)?, value.to_value()))
                    };
                    values.extend(value.fields().iter().filter_map(part));
                }
                _ => {}
            }
        }
        values
    }
}

fn ids(list: &Input) -> Vec<Uuid> {
    let id = |input: &Input| match input {
        Input::Value(Value::Id(id)) => Some(*id),
        _ => None,
    };
    list.items().iter().filter_map(id).collect()
}
