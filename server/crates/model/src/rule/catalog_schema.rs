//! The catalog as rules see it: fields by name with their rule types.

use super::{RuleType, Schema, SchemaField};
use crate::catalog::{Catalog, Field, FieldKind, Module, ModuleId};
use crate::scalar::ScalarType;

impl Schema for Catalog {
    fn field(&self, module: ModuleId, name: &str) -> Option<SchemaField> {
        let (field, with_targets) = find_field(self.module(module), name)?;
        schema_field(field, with_targets)
    }

    fn field_names(&self, module: ModuleId) -> Vec<String> {
        self.module(module).fields.iter().map(|field| field.name.clone()).collect()
    }
}

/// The field that `name` means in a rule, and whether it leads to a record (`account`) or is only its id (`accountId`).
pub(crate) fn find_field<'m>(module: &'m Module, name: &str) -> Option<(&'m Field, bool)> {
    if let Some(field) = module.field_named(name) {
        return Some((field, true));
    }
    let field = module.field_named(name.strip_suffix("Id")?)?;
    field.reference()?;
    Some((field, false))
}

/// A field as rules see it; `None` if rules cannot use it.
pub(crate) fn schema_field(field: &Field, with_targets: bool) -> Option<SchemaField> {
    let targets = field.reference().filter(|_| with_targets).map(|reference| reference.targets.clone());
    let options = field.options().map(|options| options.iter().map(|option| option.value.clone()).collect());
    Some(SchemaField { id: field.id, ty: rule_type(field)?, targets: targets.unwrap_or_default(), options })
}

/// The type in rules of a field's value; `None` if rules cannot use it.
pub(crate) fn rule_type(field: &Field) -> Option<RuleType> {
    match &field.kind {
        FieldKind::Reference(_) => Some(RuleType::Id),
        FieldKind::MultiChoice { .. } => Some(RuleType::TextList),
        _ => field.scalar().and_then(scalar_rule_type),
    }
}

/// The type in rules of a scalar's values; `None` if rules cannot use it.
pub(crate) fn scalar_rule_type(scalar: ScalarType) -> Option<RuleType> {
    Some(match scalar {
        ScalarType::Id => RuleType::Id,
        ScalarType::Text | ScalarType::Email | ScalarType::Phone | ScalarType::Url | ScalarType::Choice => {
            RuleType::Text
        }
        ScalarType::Integer | ScalarType::BigInteger | ScalarType::Decimal { .. } | ScalarType::Duration => {
            RuleType::Number
        }
        ScalarType::Boolean => RuleType::Boolean,
        ScalarType::Date => RuleType::Date,
        ScalarType::Time => RuleType::Time,
        ScalarType::DateTime => RuleType::DateTime,
        ScalarType::Json => return None,
    })
}
