//! Types as text, as they stand in SDL and in messages.

use super::{InputValue, Schema, TypeKey, TypeRef};

impl Schema<'_> {
    /// `[Deal!]!`.
    pub fn show(&self, ty: &TypeRef) -> String {
        match ty {
            TypeRef::Named(key) => self.name(*key).into_owned(),
            TypeRef::NonNull(inner) => format!("{}!", self.show(inner)),
            TypeRef::List(inner) => format!("[{}]", self.show(inner)),
        }
    }

    /// The fields of an input object that must be given. Only those of records, places and links have any.
    pub fn input_fields_required(&self, key: TypeKey) -> Vec<InputValue> {
        let (TypeKey::Create(_)
        | TypeKey::Upsert(_)
        | TypeKey::GroupInput(_)
        | TypeKey::LinkDataInput(..)
        | TypeKey::UniqueSet(..)) = key
        else {
            return Vec::new();
        };
        let fields = self.input_fields(key).into_iter();
        fields.filter(|field| field.ty.is_non_null() && field.default.is_none()).collect()
    }
}
