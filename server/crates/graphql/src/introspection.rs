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

pub use selection::{DEPTH_MAX, MetaField, MetaName, depth};

pub(crate) use scalars::specified_by;

use crate::schema::Schema;
use writer::Writer;

/// The answer would have more bytes than the caller of this module allows.
///
/// Types refer to each other, so a short selection can ask for any number of them; only the size of what was written says
/// what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer to an introspection has more than {limit_bytes} bytes; select less")]
pub struct TooLarge {
    /// The most bytes allowed.
    pub limit_bytes: usize,
}

/// Appends the value of `__schema`, an object with `fields`, to `out`, adding `limit_bytes` at most (give or take one value).
pub fn write_schema(
    schema: Schema<'_>,
    fields: &[MetaField],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    Writer::new(schema, limit_bytes, out).schema(fields)
}

/// Appends the value of `__type(name)` to `out`: `null` for a name that does not exist for the caller.
pub fn write_type(
    schema: Schema<'_>,
    name: &str,
    fields: &[MetaField],
    limit_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), TooLarge> {
    let mut writer = Writer::new(schema, limit_bytes, out);
    match schema.type_named(name) {
        Some(key) => writer.named_type(key, fields),
        None => writer.null(),
    }
}
