//! A record's selection: values become outputs, to-one references paths in the same list, to-many relations nested lists.

use async_graphql_parser::types::SelectionSet;
use cardine_model::catalog::{FieldId, Hop, Module, ModuleId};
use cardine_model::{FieldKind, ScalarType};

use super::collect::Collected;
use super::list::ListBuilder;
use super::{Compiler, key, quoted};
use crate::error::{Code, Error};
use crate::schema::{Meaning, TypeKey};
use crate::shape::{Encoding, FieldShape, ObjectShape, Target};

impl<'a> Compiler<'a> {
    /// The record of `module` that `at` leads to from the list's own.
    pub(super) fn object(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        sets: &[&'a SelectionSet],
    ) -> Result<ObjectShape, Error> {
        let mut object = ObjectShape::default();
        for collected in self.collect(TypeKey::Record(module), sets) {
            let shape = self.record_field(list, at, module, &collected)?;
            object.fields.push((key(collected.key), shape));
        }
        Ok(object)
    }

    fn record_field(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        collected: &Collected<'a>,
    ) -> Result<FieldShape, Error> {
        let definition = self.schema.field(TypeKey::Record(module), collected.name()).ok_or_else(unvalidated)?;
        Ok(match definition.meaning {
            Meaning::Typename => FieldShape::Constant(quoted(&self.schema.name(TypeKey::Record(module)))),
            Meaning::ReferenceId(field) => {
                FieldShape::Cell { output: list.output(at, field)?, encoding: Encoding::Plain }
            }
            Meaning::Reference(field) => FieldShape::ToOne(self.targets(list, at, module, field, collected)?),
            Meaning::Relation(relation) => {
                let parent = list.output(at, Module::ID)?;
                let relation = self.schema.catalog.module(module).relation(relation);
                let (child, shape) = self.child(list, at, parent, relation, collected, &definition)?;
                FieldShape::ToMany { child, parent, shape }
            }
            Meaning::History => self.history(list, at, module, collected, &definition)?,
            Meaning::Computed(field) => self.computed(list, at, module, field)?,
            Meaning::FileLink => FieldShape::FileLink { id: list.output(at, Module::ID)? },
            meaning => self.value(list, at, module, meaning, collected)?,
        })
    }

    /// A value of a record or link.
    pub(super) fn value(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        meaning: Meaning,
        collected: &Collected<'a>,
    ) -> Result<FieldShape, Error> {
        match meaning {
            Meaning::Value(field) => {
                Ok(FieldShape::Cell { output: list.output(at, field)?, encoding: self.encoding(module, field) })
            }
            Meaning::Group(field) => self.group(list, at, module, field, collected),
            _ => Err(unvalidated()),
        }
    }

    /// An address or place: all of its parts are read, as it is null where none has a value.
    fn group(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        field: FieldId,
        collected: &Collected<'a>,
    ) -> Result<FieldShape, Error> {
        let group = self.schema.catalog.field(module, field).group().ok_or_else(unvalidated)?;
        let parts = group.parts.iter().map(|part| list.output(at, *part)).collect::<Result<Vec<usize>, Error>>()?;
        let ty = TypeKey::Group(group.shape);
        let mut object = ObjectShape::default();
        for collected in self.collect(ty, &collected.sets) {
            let shape = match group.shape.parts().iter().position(|part| *part == collected.name()) {
                Some(part) => {
                    FieldShape::Cell { output: parts[part], encoding: self.encoding(module, group.parts[part]) }
                }
                None if collected.name() == "__typename" => FieldShape::Constant(quoted(&self.schema.name(ty))),
                None => return Err(unvalidated()),
            };
            object.fields.push((key(collected.key), shape));
        }
        Ok(FieldShape::Group { parts, object })
    }

    /// The field of a part by the part's name.
    pub(super) fn part(&self, module: ModuleId, field: FieldId, name: &str) -> Option<FieldId> {
        let group = self.schema.catalog.field(module, field).group()?;
        let position = group.shape.parts().iter().position(|part| *part == name)?;
        group.parts.get(position).copied()
    }

    fn targets(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        field: FieldId,
        collected: &Collected<'a>,
    ) -> Result<Vec<Target>, Error> {
        let reference = self.schema.catalog.field(module, field);
        let targets: Vec<ModuleId> = self.schema.rights.readable_targets(reference).collect();
        let level = list.level;
        list.level += 1;
        list.check_level(list.level).map_err(|error| at_field(error, collected))?;
        let mut shapes = Vec::with_capacity(targets.len());
        for target in targets {
            let mut hops = at.to_vec();
            hops.push(Hop { field, target });
            let id = list.output(&hops, Module::ID)?;
            let object = self.object(list, &hops, target, &collected.sets)?;
            shapes.push(Target { id, object });
        }
        list.level = level;
        Ok(shapes)
    }

    pub(super) fn encoding(&self, module: ModuleId, field: FieldId) -> Encoding {
        let field = self.schema.catalog.field(module, field);
        match (&field.kind, field.scalar()) {
            (FieldKind::MultiChoice { .. }, _) | (_, Some(ScalarType::Json)) => Encoding::Raw,
            (_, Some(ScalarType::Decimal { scale })) => Encoding::Decimal { scale },
            (_, Some(ScalarType::Integer)) => Encoding::Number,
            (_, Some(ScalarType::BigInteger)) => Encoding::NumberText,
            (_, Some(ScalarType::Duration)) => Encoding::Duration,
            (_, Some(ScalarType::Text | ScalarType::Email | ScalarType::Phone | ScalarType::Url)) => Encoding::Text,
            _ => Encoding::Plain,
        }
    }
}

fn at_field(error: Error, collected: &Collected<'_>) -> Error {
    Error { locations: vec![collected.field.pos], ..error }
}

/// Validation lets nothing through that compilation does not know.
pub(super) fn unvalidated() -> Error {
    Error::new(Code::Internal, "The operation was compiled without being valid.")
}
