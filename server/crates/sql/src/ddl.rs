//! Catalog differences → DDL: the tables of modules with their columns and indexes; pure.
//!
//! The platform modules' tables are not made here but by the migrations. What a change takes away keeps its table or column:
//! only indexes go at once, as they hold no data. Statements are plain text, with every name through [`crate::ident`]:
//! indexes on expressions and own type names are what sea-query panics on or gets wrong on SQLite.

mod columns;
mod indexes;
pub mod records;
#[cfg(test)]
mod tests;

use cardine_model::catalog::{Catalog, Module};

pub use columns::{TableColumn, table_columns};
pub use indexes::{index_names, unique_index_fields};

use crate::ident::quote;
use crate::statement::Dialect;
use columns::{column_definition, field_columns};
use indexes::{Index, indexes_of};

/// The statements that bring the tables of `old` (none on first start) to `new`, in the order in which they must run: new
/// tables, then new columns, then indexes.
///
/// Modules and fields are told apart by name. A field that is in both must be stored alike; the caller refuses other changes.
pub fn difference(dialect: Dialect, old: Option<&Catalog>, new: &Catalog) -> Vec<String> {
    let mut tables = Vec::new();
    let mut columns = Vec::new();
    let mut indexes = Vec::new();
    for module in new.modules.iter().filter(|module| !module.platform) {
        match old.and_then(|old| old.module_by_name(&module.name)) {
            None => {
                tables.push(create_table(dialect, module));
                indexes.extend(indexes_of(dialect, module).iter().map(|index| index.create(module)));
            }
            Some(before) => {
                columns.extend(added_columns(dialect, before, module));
                indexes.extend(changed_indexes(dialect, before, module));
            }
        }
    }
    [tables, columns, indexes].concat()
}

/// The statement that makes a module's table. On SQLite it is an ordinary one with a rowid, by which nested lists pick rows.
fn create_table(dialect: Dialect, module: &Module) -> String {
    let columns: Vec<String> =
        table_columns(dialect, module).iter().map(|column| column_definition(dialect, column)).collect();
    let key = format!("CONSTRAINT {} PRIMARY KEY ({})", quote(&indexes::primary_key_name(module)), quote("id"));
    format!("CREATE TABLE {} (\n  {},\n  {key}\n)", quote(&module.table), columns.join(",\n  "))
}

/// One statement per column: SQLite takes no more at once. None of them rewrites the table.
fn added_columns(dialect: Dialect, before: &Module, module: &Module) -> Vec<String> {
    let is_new = |name: &str| before.field_named(name).is_none_or(|field| field.column.is_none());
    let added = module.fields.iter().filter(|field| is_new(&field.name));
    added
        .flat_map(|field| field_columns(dialect, field))
        .map(|column| {
            format!("ALTER TABLE {} ADD COLUMN {}", quote(&module.table), column_definition(dialect, &column))
        })
        .collect()
}

fn changed_indexes(dialect: Dialect, before: &Module, module: &Module) -> Vec<String> {
    let (old, new) = (indexes_of(dialect, before), indexes_of(dialect, module));
    let missing_in = |indexes: &[Index], index: &Index| !indexes.iter().any(|other| other.name == index.name);
    let dropped = old.iter().filter(|index| missing_in(&new, index)).map(Index::drop_statement);
    let created = new.iter().filter(|index| missing_in(&old, index)).map(|index| index.create(module));
    dropped.chain(created).collect()
}
