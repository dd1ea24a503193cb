//! Answers `__schema` and `__type`: JSON written straight from the caller's view of the types, without a tree in between.
//!
//! Response shapes follow <https://spec.graphql.org/September2025/#sec-Schema-Introspection>. Types come in the order in which
//! they are met from the roots on, fields in the order of the view, so equal schemas give equal bytes.

mod directives;
mod members;
mod scalars;
mod selection;
mod types;
mod writer;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

pub use selection::MetaField;

pub(crate) use scalars::specified_by;

use crate::schema::Schema;
use selection::Selected;
use writer::Writer;

/// The answer would have more bytes than the caller of this module allows.
///
/// Types refer to each other, so a short selection can ask for any number of them; only the size of what was written says
/// what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what introspection answers has more than {limit_bytes} bytes; select less")]
pub struct TooLarge {
    /// The most bytes allowed.
    pub limit_bytes: usize,
}

/// Appends the value of `field` to `out`: of `__schema` an object, of `__type` an object, or `null` for a name that does not exist
/// for the caller. Writing stops soon after `limit_bytes`, and what `out` then has is of no use.
pub fn write(schema: Schema<'_>, field: &MetaField, limit_bytes: usize, out: &mut Vec<u8>) -> Result<(), TooLarge> {
    let selected = Selected::all_in(field);
    let mut writer = Writer::new(schema, limit_bytes, out);
    match &field.type_name {
        None => writer.schema(&selected),
        Some(name) => match schema.type_named(name) {
            Some(key) => writer.named_type(key, &selected),
            None => writer.null(),
        },
    }
}
