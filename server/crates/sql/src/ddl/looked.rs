//! Values that records would get, in a table of the transaction alone: what would not be unique among them shows before anything is changed,
//! by the statements that look at the module's own table.

use cardine_model::catalog::{Field, FieldId, Module};

use super::columns::{column_definition, field_columns};
use crate::ident::quote;
use crate::statement::{Dialect, ForRows};
use crate::write::{Assignment, insert_rows};

/// No other name of a table has two `_` beside each other.
const TABLE: &str = "__looked_at";

/// The module as it would be, with such values of some of its fields alone.
#[derive(Debug)]
pub struct LookedAt {
    dialect: Dialect,
    module: Module,
    fields: Vec<FieldId>,
}

impl LookedAt {
    /// With these fields of `module`.
    pub fn new(dialect: Dialect, module: &Module, fields: Vec<FieldId>) -> Self {
        let mut looked_at = module.clone();
        looked_at.table = TABLE.to_owned();
        Self { dialect, module: looked_at, fields }
    }

    /// The module whose table it is.
    pub fn module(&self) -> &Module {
        &self.module
    }

    /// Makes the table; who undoes the transaction undoes it too.
    pub fn create(&self) -> String {
        let own = [Module::ID, Module::DELETED_AT];
        let fields = own.iter().chain(&self.fields).map(|field| self.module.field(*field));
        let columns = fields.flat_map(|field| field_columns(self.dialect, field).into_iter().take(1));
        let columns: Vec<String> = columns.map(|column| column_definition(self.dialect, &column)).collect();
        let end = if self.dialect == Dialect::Postgres { " ON COMMIT DROP" } else { "" };
        format!("CREATE TEMPORARY TABLE {} ({}){end}", quote(TABLE), columns.join(", "))
    }

    /// Drops it.
    pub fn drop(&self) -> String {
        format!("DROP TABLE {}", quote(TABLE))
    }

    /// Puts live records into it. A row's values: one for each field, the id.
    pub fn put(&self, rows: usize) -> ForRows {
        let id: &Field = self.module.field(Module::ID);
        let fields = self.fields.iter().map(|field| self.module.field(*field)).chain([id]);
        let assignments: Vec<Assignment> = fields.map(Assignment::field).collect();
        insert_rows(self.dialect, &self.module, &assignments, rows)
    }
}
