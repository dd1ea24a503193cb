//! `__schema` and `__type`: no row has a part in them, so they are written where they are compiled.

use super::Compiler;
use super::collect::Collected;
use super::record::unvalidated;
use crate::error::{Code, Error};
use crate::introspection::{self, MetaField, TooLarge};
use crate::schema::{OutputField, TypeKey};

/// Bytes of an answer that each field that the caller reads makes room for: the standard introspection takes some 4,000 for each, with the
/// types for its filters, orders and figures.
const BYTES_OF_FIELD: usize = 8 * 1024;

impl<'a> Compiler<'a> {
    pub(super) fn introspect(&mut self, collected: &Collected<'a>, definition: &OutputField) -> Result<Vec<u8>, Error> {
        let field = self.meta_field(collected, definition)?;
        let mut json = Vec::new();
        let room = self.schema.fields_to_read().saturating_mul(BYTES_OF_FIELD);
        let limit_bytes = self.setting.limits.introspection_bytes.max(room);
        let left = limit_bytes.saturating_sub(self.introspected);
        introspection::write(self.schema, &field, left, &mut json)
            .map_err(|_| Error::new(Code::LimitExceeded, format!("{}.", TooLarge { limit_bytes })))?;
        self.introspected += json.len();
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
