//! Catalog differences → DDL: the tables of modules with their columns and indexes; pure.
//!
//! The platform modules' tables are not made here but by the migrations. What a change takes away keeps its table or column:
//! only indexes go at once, as they hold no data. Statements are plain text, with every name through [`crate::ident`]:
//! indexes on expressions and own type names are what sea-query panics on or gets wrong on SQLite.

mod columns;
mod indexes;
pub mod records;
pub(crate) mod search;
#[cfg(test)]
mod tests;

use cardine_model::catalog::{Catalog, Module};

pub use columns::{TableColumn, table_columns};
pub use indexes::{index_names, unique_index_fields};
pub use search::search_trigger_names;

use crate::ident::quote;
use crate::statement::Dialect;
use columns::{column_definition, field_columns};
use indexes::{Index, indexes_of};

/// The statements that bring the tables of `old` (none on first start) to `new`, in the order in which they must run: what
/// the search does not read any more goes; then new tables, new columns, indexes, and what the search reads from now on.
///
/// Modules and fields are told apart by name. A field that is in both must be stored alike; the caller refuses other changes.
pub fn difference(dialect: Dialect, old: Option<&Catalog>, new: &Catalog) -> Vec<String> {
    let mut removed = Vec::new();
    let mut tables = Vec::new();
    let mut columns = Vec::new();
    let mut indexes = Vec::new();
    let mut searches = Vec::new();
    for module in new.modules.iter().filter(|module| !module.platform) {
        let before = old.and_then(|old| old.module_or_link_named(&module.name));
        // The tables of a module follow from its document alone.
        if before.is_some_and(|before| before.document == module.document) {
            continue;
        }
        let (mut old_search, mut new_search) = search::changes(dialect, before, Some(module));
        removed.append(&mut old_search);
        searches.append(&mut new_search);
        match before {
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
    for module in old.into_iter().flat_map(|old| &old.modules).filter(|module| !module.platform) {
        if new.module_by_name(&module.name).is_none() {
            removed.append(&mut search::changes(dialect, Some(module), None).0);
        }
    }
    [removed, tables, columns, indexes, searches].concat()
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
