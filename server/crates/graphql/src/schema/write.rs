//! Writes as input: the fields that the caller may set.

use cardine_model::FieldKind;
use cardine_model::catalog::{Field, ModuleId};

use super::group::group_input;
use super::record::ID_SUFFIX;
use super::{InputTarget, InputValue, Scalar, Schema, TypeKey, TypeRef, build};

impl Schema<'_> {
    pub(super) fn create_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let values = self.writable_fields(module).filter_map(|field| self.create_value(module, field));
        values.chain(self.link_inputs(module)).collect()
    }

    /// One of [`Schema::create_fields`], without making the others: a request may name very many.
    pub(super) fn create_input(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        self.named_like(module, name)
            .find_map(|field| self.create_value(module, field).filter(|value| value.name == name))
            .or_else(|| self.link_inputs(module).find(|value| value.name == name))
    }

    /// One of [`Schema::update_fields`].
    pub(super) fn update_input(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        self.named_like(module, name)
            .find_map(|field| self.write_field(module, field).filter(|value| value.name == name))
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
        let values = self.writable_fields(module).filter_map(|field| self.write_field(module, field));
        values.chain(self.link_inputs(module)).collect()
    }

    fn writable_fields(&self, module: ModuleId) -> impl Iterator<Item = &Field> {
        self.catalog.module(module).own_fields().filter(move |field| self.rights.can_write(module, field.id))
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
        Some(value.described(Some(build::field_description(field))).deprecated(field.deprecated.as_ref()))
    }
}
