//! Definition documents and the immutable catalog that they resolve to, with the rule language; pure, no IO, no clock.

pub mod assignment;
pub mod calendar_shares;
pub mod catalog;
pub mod clocks;
pub mod conversion;
pub mod decimal;
pub mod definition;
pub mod dependants;
pub mod duration;
pub mod feature;
pub mod history_key;
pub mod issue;
pub mod json_value;
pub mod mentions;
pub mod merge_patch;
pub mod name;
pub mod recurrence;
pub mod renaming;
pub mod resolve;
pub mod rule;
pub mod scalar;
pub mod stages;
pub mod suggest;
pub mod text;
pub mod timeline;
pub mod value;
pub mod working_hours;

pub use catalog::{Catalog, Field, FieldId, FieldKind, Module, ModuleId, Relation, RelationId};
pub use decimal::Decimal;
pub use issue::{Issue, PathSegment};
pub use scalar::ScalarType;
pub use value::Value;
