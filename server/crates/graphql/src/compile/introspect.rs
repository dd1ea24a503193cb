//! `__schema` and `__type`: no row has a part in them, so they are written where they are compiled.

use super::Compiler;
use super::collect::Collected;
use super::record::unvalidated;
use crate::error::{Code, Error};
use crate::introspection::{self, MetaField};
use crate::schema::{OutputField, TypeKey};

/// Bytes of an answer that each field of the modules makes room for: the standard introspection takes some 4,000 for each, with the
/// types for its filters, orders and figures.
const BYTES_OF_FIELD: usize = 8 * 1024;

impl<'a> Compiler<'a> {
    pub(super) fn introspect(&self, collected: &Collected<'a>, definition: &OutputField) -> Result<Vec<u8>, Error> {
        let field = self.meta_field(collected, definition)?;
        let mut json = Vec::new();
        let fields: usize = self.schema.catalog.modules.iter().map(|module| module.fields.len()).sum();
        let limit_bytes = self.setting.limits.introspection_bytes.max(fields.saturating_mul(BYTES_OF_FIELD));
        introspection::write(self.schema, &field, limit_bytes, &mut json)
            .map_err(|error| Error::new(Code::LimitExceeded, format!("{error}.")))?;
        Ok(json)
    }

    fn meta_field(&self, collected: &Collected<'a>, definition: &OutputField) -> Result<MetaField, Error> {
        let arguments = self.arguments(collected.field, definition)?;
        let ty = definition.ty.inner();
        Ok(MetaField {
            key: collected.key.to_owned(),
            name: collected.name().to_owned(),
            type_name: arguments.text("name").map(str::to_owned),
            include_deprecated: arguments.boolean("includeDeprecated").unwrap_or(false),
            fields: if self.schema.is_composite(ty) { self.meta_fields(ty, collected)? } else { Vec::new() },
        })
    }

    fn meta_fields(&self, ty: TypeKey, collected: &Collected<'a>) -> Result<Vec<MetaField>, Error> {
        let fields = self.collect(ty, &collected.sets);
        let field = |field: &Collected<'a>| {
            let definition = self.schema.field(ty, field.name()).ok_or_else(unvalidated)?;
            self.meta_field(field, &definition)
        };
        fields.iter().map(field).collect()
    }
}
