//! Orders as input: a direction for each value of a record, and the same for the records that its references lead to.

use cardine_model::catalog::{Field, ModuleId};
use cardine_model::{FieldKind, ScalarType};

use super::group::group_input;
use super::{InputTarget, InputValue, Schema, TypeKey, TypeRef, Words};

impl Schema<'_> {
    pub(super) fn order_fields(&self, module: ModuleId) -> Vec<InputValue> {
        self.readable_fields(module).filter_map(order_of).collect()
    }

    pub(super) fn order_field(&self, module: ModuleId, name: &str) -> Option<InputValue> {
        let field = self.catalog.module(module).field_named(name)?;
        if self.reads(module, field.id) { order_of(field) } else { None }
    }
}

/// `None` for what has no order: JSON, several options, references to several modules, and what plugins compute.
fn order_of(field: &Field) -> Option<InputValue> {
    let (ty, target) = match &field.kind {
        FieldKind::Group(_) => return group_input(field, TypeKey::GroupOrderBy),
        FieldKind::Reference(reference) => {
            let [target] = reference.targets.as_slice() else { return None };
            (TypeKey::OrderBy(*target), InputTarget::Reference(field.id))
        }
        FieldKind::MultiChoice { .. } | FieldKind::References { .. } | FieldKind::Computed(_) => return None,
        _ if field.scalar() == Some(ScalarType::Json) => return None,
        _ => (TypeKey::SortOrder, InputTarget::Value(field.id)),
    };
    let value = InputValue::targeting(&field.name, TypeRef::named(ty), target);
    Some(value.described(Words::of_field(field)).deprecated(field.deprecated.as_ref()))
}
