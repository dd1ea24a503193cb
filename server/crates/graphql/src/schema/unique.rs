//! What tells one record: the values that no two records of a module share, and those that records share which may be the same.

use cardine_model::catalog::{Field, FieldId, ModuleId};

use super::record::ID_SUFFIX;
use super::{InputTarget, InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, Words};

const ID: TypeKey = TypeKey::Scalar(Scalar::Id);
const INT: TypeKey = TypeKey::Scalar(Scalar::Int);

impl Schema<'_> {
    /// The unique sets of fields that the caller may read, with their positions among the module's.
    pub(super) fn unique_sets(&self, module: ModuleId) -> impl Iterator<Item = (u32, &[FieldId])> {
        let sets = (0_u32..).zip(self.catalog.module(module).uniques.iter().map(Vec::as_slice));
        // A part of an address has no input of its own.
        let is_known = move |field: &FieldId| {
            self.reads(module, *field) && self.catalog.module(module).own_fields().any(|own| own.id == *field)
        };
        sets.filter(move |(_, set)| set.iter().all(is_known))
    }

    pub(super) fn has_unique_set(&self, module: ModuleId, position: u32) -> bool {
        self.unique_sets(module).any(|(one, set)| one == position && set.len() > 1)
    }

    /// `name_city`.
    pub(super) fn unique_set_name(&self, module: ModuleId, position: u32) -> String {
        let module = self.catalog.module(module);
        let set = module.uniques.get(position as usize).map_or(&[][..], Vec::as_slice);
        let names: Vec<&str> = set.iter().map(|field| module.field(*field).name.as_str()).collect();
        names.join("_")
    }

    pub(super) fn unique_fields(&self, module: ModuleId) -> Vec<InputValue> {
        let field = |(position, set): (u32, &[FieldId])| match set {
            [one] => self.unique_value(module, self.catalog.field(module, *one)),
            _ => {
                let ty = TypeRef::named(TypeKey::UniqueSet(module, position));
                Some(InputValue::argument(&self.unique_set_name(module, position), ty, "These values together."))
            }
        };
        self.unique_sets(module).filter_map(field).collect()
    }

    pub(super) fn unique_set_fields(&self, module: ModuleId, position: u32) -> Vec<InputValue> {
        let set = self.catalog.module(module).uniques.get(position as usize).map_or(&[][..], Vec::as_slice);
        let value = |field: &FieldId| self.unique_value(module, self.catalog.field(module, *field));
        let required = |value: InputValue| InputValue { ty: value.ty.non_null(), deprecated: None, ..value };
        set.iter().filter_map(value).map(required).collect()
    }

    fn unique_value(&self, module: ModuleId, field: &Field) -> Option<InputValue> {
        let value = if field.reference().is_some() {
            let (name, ty) = (format!("{}{ID_SUFFIX}", field.name), TypeRef::named(TypeKey::Scalar(Scalar::Id)));
            InputValue::targeting(&name, ty, InputTarget::ReferenceId(field.id))
        } else {
            let ty = TypeRef::named(self.value_type(module, field.id)?);
            InputValue::targeting(&field.name, ty, InputTarget::Value(field.id))
        };
        Some(value.described(Words::of_field(field)))
    }

    /// The sets of fields in which records that may be the same are alike, as far as the caller may read them.
    pub fn duplicate_rules(&self, module: ModuleId) -> impl Iterator<Item = &[FieldId]> {
        let rules = self.catalog.module(module).duplicates.iter().map(Vec::as_slice);
        rules.filter(move |rule| rule.iter().all(|field| self.reads(module, *field)))
    }

    pub(super) fn duplicates_field(&self, module: ModuleId) -> Option<OutputField> {
        if !self.is_listed(module) {
            return None;
        }
        self.duplicate_rules(module).next()?;
        let id = InputValue::argument("id", TypeRef::named(ID), "A record that is there; give this or `data`.");
        let data =
            || InputValue::argument("data", TypeRef::named(TypeKey::Create(module)), "A record that may be made.");
        let first = InputValue::argument("first", TypeRef::named(INT), "How many; 50 by default, at most 1,000.");
        let arguments = std::iter::once(id).chain(self.may_create(module).then(data)).chain([first]);
        let words = "Records that may be the same, by the module's rules; those that the caller may see.".to_owned();
        let name = format!("duplicatesOf{}", self.catalog.module(module).name);
        let ty = TypeRef::required_list(TypeKey::Record(module));
        Some(OutputField::new(&name, ty, Meaning::Duplicates(module), Some(words)).with(arguments.collect()))
    }
}

/// The fields of `DealUpsert`, which are the arguments of `upsertDeal`.
pub(super) fn upsert_fields(module: ModuleId) -> Vec<InputValue> {
    let unique = TypeRef::required(TypeKey::Unique(module));
    let data = TypeRef::required(TypeKey::Create(module));
    vec![
        InputValue::argument("match", unique, "What tells the record."),
        InputValue::argument("data", data, "The record's values."),
    ]
}
