//! Statements that write records: the rows taken for a write, inserts and updates of many rows, and the checks around them.

mod hierarchy;
mod rollups;
mod rows;
mod rules;
mod take;

use cardine_model::catalog::{Field, FieldKind, Module};
use cardine_query::Slot;

use crate::expr::Shape;
use crate::statement::{Dialect, Param, Transform};
use crate::writer::stored_column;

pub use hierarchy::{levels_above, levels_below, path_above};
pub use rollups::{Keeping, differing_rollups, keep_rollup};
pub use rows::{delete_rows, insert_rows, update_rows};
pub use rules::{unique_holders, validations};
pub use take::{
    Life, Reach, Selection, Which, count_holding, lock_rows, referring_ids, select_live_record, select_rows,
    visible_records,
};

/// What a row is taken for; each has its own record scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// An update.
    Update,
    /// A delete, a restore, or a removal for good.
    Delete,
    /// It gets another owner or parent: who may delete it may do so. It is locked already.
    Transfer,
    /// Nothing is written: it is looked at, and not locked.
    Look,
    /// Another record is to refer to it: it is not deleted meanwhile.
    Refer,
}

/// A column to write, and PostgreSQL's type of its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    column: String,
    ty: &'static str,
    /// Of decimals: SQLite holds them as text, which gets exactly so many digits after the point, as PostgreSQL's column type does.
    scale: Option<u8>,
}

impl Assignment {
    /// The column of a stored field.
    pub fn field(field: &Field) -> Self {
        let scale = match field.kind {
            FieldKind::Decimal { scale, .. } => Some(scale),
            _ => None,
        };
        Self { column: stored_column(field).to_owned(), ty: Shape::of(field).postgres_type(), scale }
    }

    /// The same values, in another column.
    pub(crate) fn in_column(self, column: &str) -> Self {
        Self { column: column.to_owned(), ..self }
    }

    /// A column of whole numbers that belongs to no field.
    pub(crate) fn whole_number(column: &str) -> Self {
        Self { column: column.to_owned(), ty: "bigint", scale: None }
    }

    /// The column with the name of the module that a reference to several modules leads to.
    pub fn target_module(field: &Field) -> Option<Self> {
        let column = field.reference()?.module_column.clone()?;
        Some(Self { column, ty: "text", scale: None })
    }
}

/// The stored fields of a module, in the order of the columns that [`select_rows`] reads.
pub fn stored_fields(module: &Module) -> impl Iterator<Item = &Field> {
    module.fields.iter().filter(|field| field.column.is_some())
}

fn slots(count: usize) -> Vec<Param> {
    (0..count).map(|slot| Param::Slot(Slot(slot as u32), Transform::None)).collect()
}

fn placeholder(dialect: Dialect, slot: usize, ty: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("?{}", slot + 1),
        Dialect::Postgres => format!("${}::{ty}", slot + 1),
    }
}
