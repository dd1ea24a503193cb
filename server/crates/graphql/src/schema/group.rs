//! Addresses and places: one object type for each kind, whatever the field, with its input, filter and order.

use cardine_model::catalog::{Field, GroupShape};

use super::{InputTarget, InputValue, Meaning, OutputField, Scalar, Schema, TypeKey, TypeRef, Words};

/// All kinds.
pub(super) const SHAPES: [GroupShape; 2] = [GroupShape::Address, GroupShape::GeoPoint];

/// The name of the object type; those of input, filter and order begin with it.
pub(super) fn type_name(shape: GroupShape) -> &'static str {
    match shape {
        GroupShape::Address => "Address",
        GroupShape::GeoPoint => "GeoPoint",
    }
}

/// The type of the parts.
fn part_scalar(shape: GroupShape) -> Scalar {
    match shape {
        GroupShape::Address => Scalar::String,
        GroupShape::GeoPoint => Scalar::Decimal,
    }
}

fn part_description(part: &str) -> &'static str {
    match part {
        "street" => "Street and number.",
        "street2" => "Further lines: building, floor, care of.",
        "poBox" => "Post office box.",
        "postalCode" => "Postal code.",
        "city" => "City.",
        "state" => "State, province or region.",
        "country" => "Country.",
        "latitude" => "Degrees north of the equator, from -90 to 90, with 7 digits after the point.",
        _ => "Degrees east of Greenwich, from -180 to 180, with 7 digits after the point.",
    }
}

impl Schema<'_> {
    pub(super) fn group_fields(&self, shape: GroupShape) -> Vec<OutputField> {
        let ty = TypeRef::named(TypeKey::Scalar(part_scalar(shape)));
        let ty = if shape.is_whole() { ty.non_null() } else { ty };
        shape.parts().iter().map(|part| OutputField::part(part, ty.clone(), part_description(part))).collect()
    }

    pub(super) fn group_input_fields(&self, shape: GroupShape) -> Vec<InputValue> {
        let ty = TypeRef::named(TypeKey::Scalar(part_scalar(shape)));
        let ty = if shape.is_whole() { ty.non_null() } else { ty };
        shape.parts().iter().map(|part| InputValue::argument(part, ty.clone(), part_description(part))).collect()
    }

    pub(super) fn group_filter_fields(&self, shape: GroupShape) -> Vec<InputValue> {
        let ty = TypeRef::named(TypeKey::ScalarFilter(part_scalar(shape)));
        let parts = shape.parts().iter().map(|part| InputValue::operator(part, ty.clone()));
        let words = "Whether it is absent: whether no part has a value.";
        parts.chain([InputValue::argument("isNull", TypeRef::named(TypeKey::Scalar(Scalar::Boolean)), words)]).collect()
    }

    pub(super) fn group_order_fields(&self, shape: GroupShape) -> Vec<InputValue> {
        shape.parts().iter().map(|part| InputValue::operator(part, TypeRef::named(TypeKey::SortOrder))).collect()
    }

    /// The field as output; `None` if it has no parts.
    pub(super) fn group_field(&self, field: &Field) -> Option<OutputField> {
        let ty = TypeRef::named(TypeKey::Group(field.group()?.shape));
        let ty = if field.is_non_null() { ty.non_null() } else { ty };
        let output = OutputField::new(&field.name, ty, Meaning::Group(field.id), None);
        Some(output.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
    }

    /// Whether some field of this kind exists for the caller.
    pub(super) fn uses_group(
        &self,
        shape: GroupShape,
        test: impl Fn(&Self, cardine_model::ModuleId, &Field) -> bool,
    ) -> bool {
        let is_such = |field: &&Field| field.group().is_some_and(|group| group.shape == shape);
        self.catalog
            .modules
            .iter()
            .any(|module| module.own_fields().filter(is_such).any(|field| test(self, module.id, field)))
    }
}

/// The field in an input object of this type; `None` if it has no parts.
pub(super) fn group_input(field: &Field, key: impl Fn(GroupShape) -> TypeKey) -> Option<InputValue> {
    let ty = TypeRef::named(key(field.group()?.shape));
    let value = InputValue::targeting(&field.name, ty, InputTarget::Group(field.id));
    Some(value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
}
