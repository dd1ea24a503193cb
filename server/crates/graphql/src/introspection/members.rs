//! Writes what types are made of: `__Field`, `__InputValue` and `__EnumValue`.

use super::selection::{MetaName, Selected};
use super::writer::{Writer, Written};
use crate::schema::{EnumValue, InputValue, OutputField};

impl Writer<'_> {
    /// `fields` of a type.
    pub(super) fn fields(&mut self, fields: &[OutputField], selected: &Selected) -> Written {
        let shown = fields.iter().filter(|field| selected.include_deprecated || field.deprecated.is_none());
        self.list(shown, |writer, field| {
            writer.object(&selected.children, |writer, part| match part.name {
                MetaName::Typename => writer.name("__Field"),
                MetaName::Name => writer.name(&field.name),
                MetaName::Description => writer.words(field.description.as_ref()),
                MetaName::Args => writer.input_values(&field.arguments, part),
                MetaName::Type => writer.ty(&field.ty, &part.children),
                _ => writer.deprecation(field.deprecated.as_deref(), part),
            })
        })
    }

    /// `args` of a field or directive, `inputFields` of a type.
    pub(super) fn input_values(&mut self, values: &[InputValue], selected: &Selected) -> Written {
        let shown = values.iter().filter(|value| selected.include_deprecated || value.deprecated.is_none());
        self.list(shown, |writer, value| {
            writer.object(&selected.children, |writer, part| match part.name {
                MetaName::Typename => writer.name("__InputValue"),
                MetaName::Name => writer.name(&value.name),
                MetaName::Description => writer.words(value.description.as_ref()),
                MetaName::Type => writer.ty(&value.ty, &part.children),
                MetaName::DefaultValue => writer.text_or_null(value.default.as_deref()),
                _ => writer.deprecation(value.deprecated.as_deref(), part),
            })
        })
    }

    /// `enumValues` of a type.
    pub(super) fn enum_values(&mut self, values: Vec<EnumValue>, selected: &Selected) -> Written {
        let shown = values.iter().filter(|value| selected.include_deprecated || value.deprecated.is_none());
        self.list(shown, |writer, value| {
            writer.object(&selected.children, |writer, part| match part.name {
                MetaName::Typename => writer.name("__EnumValue"),
                MetaName::Name => writer.name(&value.name),
                MetaName::Description => writer.words(value.description.as_ref()),
                _ => writer.deprecation(value.deprecated.as_deref(), part),
            })
        })
    }

    /// `isDeprecated` and `deprecationReason`, which fields, arguments and enum values have alike.
    fn deprecation(&mut self, reason: Option<&str>, part: &Selected) -> Written {
        match part.name {
            MetaName::IsDeprecated => self.flag(reason.is_some()),
            MetaName::DeprecationReason => self.text_or_null(reason),
            _ => self.null(),
        }
    }
}
