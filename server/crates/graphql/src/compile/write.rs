//! Mutations: what is written, and what is asked of the record afterwards.

use cardine_model::{FieldId, PathSegment, Value};
use cardine_query::{Deleted, Slot};

use super::collect::Collected;
use super::record::unvalidated;
use super::{Compiler, Mutation, Write};
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{InputTarget, Meaning, OutputField};
use crate::shape::RootField;

impl<'a> Compiler<'a> {
    pub(super) fn write(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<RootField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let (id, if_version) = (arguments.id("id"), arguments.integer("ifVersion"));
        let data = || arguments.get("data").map(data_of).unwrap_or_default();
        let (module, write) = match definition.meaning {
            Meaning::Create(module) => (module, Write::Create { module, data: data() }),
            Meaning::Update(module) => (module, Write::Update { module, id, data: data(), if_version }),
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
}

fn data_of(data: &Input) -> Vec<(FieldId, Value)> {
    let entry = |(field, value): &(crate::schema::InputValue, Input)| match field.target {
        Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => Some((id, value.to_value())),
        _ => None,
    };
    data.fields().iter().filter_map(entry).collect()
}
