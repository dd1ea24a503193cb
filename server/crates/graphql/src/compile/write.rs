//! Mutations: what is written, and what is asked of the record afterwards.

use cardine_model::{FieldId, ModuleId, PathSegment, Value};
use cardine_query::{Deleted, Slot};

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
        let (module, write) = match definition.meaning {
            Meaning::Create(module) => (module, Write::Create { module, data: data(module) }),
            Meaning::Update(module) => (module, Write::Update { module, id, data: data(module), if_version }),
            Meaning::Delete(module) => (module, Write::Delete { module, id, if_version }),
            _ => return Err(unvalidated()),
        };

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
        self.mutations.push(Mutation { write, then, values, path, position: collected.field.pos });
        Ok(RootField::Written { step: self.mutations.len() - 1, object })
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
