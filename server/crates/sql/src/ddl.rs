//! Catalog differences → DDL: the tables of modules with their columns and indexes; pure.
//!
//! The platform modules' tables are not made here but by the migrations. What a change takes away keeps its table or column
//! until it is purged: only indexes go at once, as they hold no data. Statements are plain text, with every name through [`crate::ident`]:
//! indexes on expressions and own type names are what sea-query panics on or gets wrong on SQLite.

mod ahead;
mod columns;
mod indexes;
mod kept;
pub mod records;
mod renamed;
pub mod rows;
pub(crate) mod search;
#[cfg(test)]
mod tests;

use cardine_model::catalog::{Catalog, Field, Module};

pub use ahead::{AHEAD, Ahead, IndexAhead, count_up_to, drop_column_ahead, drop_index_ahead};
pub use columns::{TableColumn, table_columns};
pub use indexes::{index_names, missing_indexes, unique_index_fields};
pub use kept::{clear_lost, convert_column, drop_field, drop_module, link_tables};
pub use renamed::renamed;
pub use search::search_trigger_names;

use crate::ident::quote;
use crate::statement::Dialect;
use columns::{field_columns, field_definitions};
use indexes::{Index, indexes_of};

/// What a catalog takes up again and the database has kept meanwhile.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Modules and links, by name: their tables have all columns and indexes.
    pub modules: Vec<String>,
    /// Fields, by module and name: their columns are there, but no index.
    pub fields: Vec<(String, String)>,
    /// Modules and links whose tables are changed elsewhere ([`Ahead`]).
    pub elsewhere: Vec<String>,
}

/// The way from the tables of one catalog to those of another.
#[derive(Debug, Clone, Default)]
pub struct Difference {
    /// What goes first, and holds no data: what the search does not read any more, and indexes.
    pub removed: Vec<String>,
    /// What is made then: tables, columns, indexes, and what the search reads from now on.
    pub made: Vec<String>,
}

/// The statements that bring the tables of `old` (none on first start) to `new`, in the order in which they must run.
pub fn difference(dialect: Dialect, old: Option<&Catalog>, new: &Catalog) -> Vec<String> {
    let Difference { removed, made } = difference_beside(dialect, old, new, &Kept::default());
    [removed, made].concat()
}

/// As [`difference`], beside what was kept.
///
/// Modules and fields are told apart by name. A field that is in both must be stored alike ([`stored_otherwise`]), or be
/// converted between the two halves.
pub fn difference_beside(dialect: Dialect, old: Option<&Catalog>, new: &Catalog, kept: &Kept) -> Difference {
    let mut removed = Vec::new();
    let mut tables = Vec::new();
    let mut columns = Vec::new();
    let mut indexes = Vec::new();
    let mut searches = Vec::new();
    for module in new.modules.iter().filter(|module| !module.platform) {
        let before = old.and_then(|old| old.module_or_link_named(&module.name));
        // The tables of a module follow from its document alone.
        if before.is_some_and(|before| before.document == module.document) || kept.elsewhere.contains(&module.name) {
            continue;
        }
        let (mut old_search, mut new_search) = search::changes(dialect, before, Some(module));
        removed.append(&mut old_search);
        searches.append(&mut new_search);
        match before {
            None if kept.modules.contains(&module.name) => {}
            None => {
                tables.push(create_table(dialect, new, module));
                indexes.extend(indexes_of(dialect, module).iter().map(|index| index.create(module)));
            }
            Some(before) => {
                columns.extend(added_columns(dialect, new, before, module, kept));
                let (dropped, created) = changed_indexes(dialect, before, module);
                removed.extend(dropped);
                removed.extend(unkept_columns(before, module));
                indexes.extend(created);
            }
        }
    }
    for module in old.into_iter().flat_map(|old| &old.modules).filter(|module| !module.platform) {
        if new.module_or_link_named(&module.name).is_none() {
            removed.append(&mut search::changes(dialect, Some(module), None).0);
        }
    }
    Difference { removed, made: [tables, columns, indexes, searches].concat() }
}

/// As [`difference`], for modules of which these fields' columns (module, field) are exchanged between the two halves: with all indexes
/// over them.
pub fn difference_with_conversions(
    dialect: Dialect,
    old: &Catalog,
    new: &Catalog,
    converted: &[(String, String)],
) -> Difference {
    let mut difference = difference_beside(dialect, Some(old), new, &Kept::default());
    for (module, field) in converted {
        let places = (old.module_by_name(module), new.module_by_name(module));
        let (Some(before), Some(after)) = places else { continue };
        let fields = (before.field_named(field), after.field_named(field));
        let (Some(was), Some(is)) = fields else { continue };
        if field_columns(dialect, was) == field_columns(dialect, is) {
            continue;
        }
        let column = is.column.as_deref().unwrap_or_default();
        let dropped = indexes_of(dialect, before).into_iter().filter(|index| index.is_over(column));
        let dropped: Vec<String> = dropped.map(|index| index.drop_statement()).collect();
        let created = indexes_of(dialect, after).into_iter().filter(|index| index.is_over(column));
        let created: Vec<String> = created.map(|index| index.create(after)).collect();
        difference.removed.retain(|statement| !dropped.contains(statement));
        difference.removed.extend(dropped);
        difference.made.retain(|statement| !created.contains(statement));
        difference.made.extend(created);
    }
    difference
}

/// The fields that are in both catalogs, told apart by name, and whose columns are not the same: module, field. By PostgreSQL's types,
/// which are the finer ones, so that both databases refuse the same.
pub fn stored_otherwise(old: &Catalog, new: &Catalog) -> Vec<(String, String)> {
    let dialect = Dialect::Postgres;
    let mut found = Vec::new();
    for before in old.modules.iter().filter(|module| !module.platform) {
        let Some(after) = new.module_or_link_named(&before.name) else { continue };
        for field in before.fields.iter().filter(|field| field.kept_column().is_some()) {
            let other = after.field_named(&field.name);
            // A stored rollup's column holds nothing that could not be computed, so it may go.
            let same = other.is_some_and(|other| field_columns(dialect, field) == field_columns(dialect, other))
                || (field.is_derived() && other.is_none_or(|other| other.kept_column().is_none()));
            if !same {
                found.push((before.name.clone(), before.whole_of(field).name.clone()));
            }
        }
    }
    found.dedup();
    found
}

/// The statement that makes a module's table. On SQLite it is an ordinary one with a rowid, by which nested lists pick rows.
fn create_table(dialect: Dialect, catalog: &Catalog, module: &Module) -> String {
    let columns: Vec<String> =
        module.fields.iter().flat_map(|field| field_definitions(dialect, catalog, field)).collect();
    let key = format!("CONSTRAINT {} PRIMARY KEY ({})", quote(&indexes::primary_key_name(module)), quote("id"));
    format!("CREATE TABLE {} (\n  {},\n  {key}\n)", quote(&module.table), columns.join(",\n  "))
}

/// One statement per column: SQLite takes no more at once. None of them rewrites the table.
fn added_columns(dialect: Dialect, catalog: &Catalog, before: &Module, module: &Module, kept: &Kept) -> Vec<String> {
    let is_new = |name: &str| before.field_named(name).is_none_or(|field| field.kept_column().is_none());
    let is_kept = |field: &Field| {
        let name = &module.whole_of(field).name;
        kept.fields.iter().any(|(of, kept)| *of == module.name && kept == name)
    };
    let added = module.fields.iter().filter(|field| is_new(&field.name) && !is_kept(field));
    added
        .flat_map(|field| field_definitions(dialect, catalog, field))
        .map(|definition| format!("ALTER TABLE {} ADD COLUMN {definition}", quote(&module.table)))
        .collect()
}

/// The columns of rollups that are computed when they are read from now on.
fn unkept_columns(before: &Module, module: &Module) -> Vec<String> {
    let is_kept = |field: &&Field| module.field_named(&field.name).is_none_or(|after| after.kept_column().is_some());
    let dropped = before.stored_rollups().filter(|field| !is_kept(field)).filter_map(Field::kept_column);
    dropped.map(|column| format!("ALTER TABLE {} DROP COLUMN {}", quote(&module.table), quote(column))).collect()
}

/// What goes and what is made; an index that is over something else now is both.
fn changed_indexes(dialect: Dialect, before: &Module, module: &Module) -> (Vec<String>, Vec<String>) {
    let (old, new) = (indexes_of(dialect, before), indexes_of(dialect, module));
    let dropped = old.iter().filter(|index| !new.contains(index)).map(Index::drop_statement);
    let created = new.iter().filter(|index| !old.contains(index)).map(|index| index.create(module));
    (dropped.collect(), created.collect())
}
