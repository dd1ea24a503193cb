//! Enums: the options of a choice, the directions of an order, and whether deleted records take part.

use cardine_model::catalog::{FieldId, ModuleId};

use super::{EnumValue, Schema, Words};

impl Schema<'_> {
    pub(super) fn choice_values(&self, module: ModuleId, field: FieldId) -> Vec<EnumValue> {
        let options = self.catalog.field(module, field).options().unwrap_or_default();
        let value = |option: &cardine_model::catalog::ChoiceOption| EnumValue {
            name: option.value.clone(),
            description: Some(Words::Label(option.label.clone())),
            deprecated: (!option.active).then(|| "This option is retired; new values may not use it.".to_owned()),
        };
        options.iter().map(value).collect()
    }

    pub(super) fn sort_orders(&self) -> Vec<EnumValue> {
        fixed(&[
            ("ASC", "Least first, absent values last."),
            ("DESC", "Greatest first, absent values before them."),
            ("ASC_NULLS_FIRST", "Least first, absent values before them."),
            ("ASC_NULLS_LAST", "Least first, absent values last."),
            ("DESC_NULLS_FIRST", "Greatest first, absent values before them."),
            ("DESC_NULLS_LAST", "Greatest first, absent values last."),
        ])
    }

    pub(super) fn deleted_values(&self) -> Vec<EnumValue> {
        fixed(&[
            ("EXCLUDE", "Without deleted records."),
            ("INCLUDE", "With deleted records."),
            ("ONLY", "Deleted records only."),
        ])
    }
}

pub(super) fn fixed(values: &[(&str, &str)]) -> Vec<EnumValue> {
    let value = |(name, description): &(&str, &str)| EnumValue {
        name: (*name).to_owned(),
        description: Some((*description).into()),
        deprecated: None,
    };
    values.iter().map(value).collect()
}
