//! Writes as input: the fields that the caller may set.

#![allow(clippy::wrong_self_convention, reason = "to-one and to-many are the words for relations, not conversions")]

use cardine_model::FieldKind;
use cardine_model::catalog::{Field, ModuleId, Relation};

use super::group::group_input;
use super::record::ID_SUFFIX;
use super::{InputTarget, InputValue, Scalar, Schema, TypeKey, TypeRef, Words};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);

impl Schema<'_> {
    pub(super) fn create_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let value = |field| [self.create_value(module, field), self.to_one_field(field)];
        self.writable_fields(module)
            .flat_map(value)
            .flatten()
            .chain(self.to_many_inputs(module))
            .chain(self.link_inputs(module))
            .collect()
    }

    /// One of [`Schema::create_fields`], without making the others: a request may name very many.
    pub(super) fn create_input(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        self.named_like(module, name)
            .find_map(|field| self.create_value(module, field).filter(|value| value.name == name))
            .or_else(|| self.nested_input(module, name))
            .or_else(|| self.link_inputs(module).find(|value| value.name == name))
    }

    /// One of [`Schema::update_fields`].
    pub(super) fn update_input(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        self.named_like(module, name)
            .find_map(|field| self.write_field(module, field).filter(|value| value.name == name))
            .or_else(|| self.nested_input(module, name))
            .or_else(|| self.link_inputs(module).find(|value| value.name == name))
    }

    fn create_value(&self, module: ModuleId, field: &Field) -> Option<InputValue> {
        let value = self.write_field(module, field)?;
        // A reference may stay out even if required, as there are other ways to set it; the engine has the last word.
        let has_default = field.default.is_some()
            || field.group().is_some_and(|group| {
                let module = self.catalog.module(module);
                group.parts.iter().any(|part| module.field(*part).default.is_some())
            });
        let must = field.is_non_null() && !has_default;
        // What must be given cannot be deprecated (<https://spec.graphql.org/September2025/#sec--deprecated>).
        Some(if must { InputValue { ty: value.ty.non_null(), deprecated: None, ..value } } else { value })
    }

    /// The fields that may be what an input of this name is for.
    fn named_like(&self, module: ModuleId, name: &str) -> impl Iterator<Item = &Field> {
        self.writable_fields(module).filter(move |field| name.starts_with(field.name.as_str()))
    }

    pub(super) fn update_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let value = |field| [self.write_field(module, field), self.to_one_field(field)];
        self.writable_fields(module)
            .flat_map(value)
            .flatten()
            .chain(self.to_many_inputs(module))
            .chain(self.link_inputs(module))
            .collect()
    }

    pub(super) fn writable_fields(&self, module: ModuleId) -> impl Iterator<Item = &Field> {
        self.catalog.module(module).own_fields().filter(move |field| self.writes(module, field.id))
    }

    pub(super) fn write_field(&self, module: ModuleId, field: &Field) -> Option<InputValue> {
        if field.group().is_some() {
            return group_input(field, TypeKey::GroupInput);
        }
        let value = if field.reference().is_some() {
            let name = format!("{}{ID_SUFFIX}", field.name);
            InputValue::targeting(
                &name,
                TypeRef::named(TypeKey::Scalar(Scalar::Id)),
                InputTarget::ReferenceId(field.id),
            )
        } else {
            let key = self.value_type(module, field.id)?;
            let ty = match field.kind {
                FieldKind::MultiChoice { .. } => TypeRef::list(key),
                _ => TypeRef::named(key),
            };
            InputValue::targeting(&field.name, ty, InputTarget::Value(field.id))
        };
        Some(value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
    }

    /// The input of this name that holds other records.
    fn nested_input(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        let definition = self.catalog.module(module);
        if let Some(field) = definition.field_named(name) {
            return self.writes(module, field.id).then(|| self.to_one_field(field)).flatten();
        }
        let relation = definition.relation_named(name)?;
        self.is_linkable(relation).then(|| to_many_input(relation))
    }

    /// The module whose records stand in a reference's input: only one with a single target has it, as with several it would not be
    /// clear of which module a new one is.
    pub(super) fn to_one_target(&self, field: &Field) -> Option<ModuleId> {
        match field.reference()?.targets.as_slice() {
            // A file is uploaded, and given by its id.
            [target] if !self.catalog.module(*target).held => Some(*target),
            _ => None,
        }
    }

    fn to_one_field(&self, field: &Field) -> Option<InputValue> {
        let ty = TypeRef::named(TypeKey::ToOneInput(self.to_one_target(field)?));
        let value = InputValue::targeting(&field.name, ty, InputTarget::Reference(field.id));
        Some(value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
    }

    /// The relations whose records may be made, connected and disconnected.
    pub(super) fn linkable(&self, module: ModuleId) -> impl Iterator<Item = &Relation> {
        self.catalog.module(module).relations.iter().filter(|relation| self.is_linkable(relation))
    }

    /// It is the reference on the other side that is written.
    fn is_linkable(&self, relation: &Relation) -> bool {
        relation.through.is_none()
            && relation.hierarchy.is_none()
            && self.reads_relation(relation)
            && self.writes(relation.module, relation.field)
            && (self.may_create(relation.module) || self.may_update(relation.module))
    }

    fn to_many_inputs(&self, module: ModuleId) -> impl Iterator<Item = InputValue> {
        self.linkable(module).map(to_many_input)
    }

    pub(super) fn to_one_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let connect = InputValue::argument("connect", TypeRef::named(ID), "A record that is there.");
        let create = || {
            InputValue::argument("create", TypeRef::named(TypeKey::Create(module)), "A new record, of these values.")
        };
        std::iter::once(connect).chain(self.may_create(module).then(create)).collect()
    }

    pub(super) fn to_many_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let mut fields = Vec::new();
        if self.may_create(module) {
            let ty = TypeRef::list(TypeKey::Create(module));
            fields.push(InputValue::argument("create", ty, "New records, of these values."));
        }
        if self.may_update(module) {
            for (name, words) in [
                ("connect", "These records too."),
                ("disconnect", "These records no longer."),
                ("set", "These records and no others, of those that the caller may change."),
            ] {
                fields.push(InputValue::argument(name, TypeRef::list(ID), words));
            }
        }
        fields
    }
}

fn to_many_input(relation: &Relation) -> InputValue {
    let ty = TypeRef::named(TypeKey::ToManyInput(relation.module));
    InputValue::targeting(&relation.name, ty, InputTarget::Relation(relation.id))
}
