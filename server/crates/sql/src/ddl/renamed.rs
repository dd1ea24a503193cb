//! Tables, columns and indexes that follow a new name; no row is rewritten but the words of SQLite's search.

use cardine_model::catalog::{Catalog, FieldKind, Module};
use cardine_model::renaming::Renaming;

use super::columns::table_columns;
use super::indexes::{Index, indexes_of, primary_key_name};
use super::search;
use crate::ident::quote;
use crate::statement::Dialect;

/// The statements that bring the tables of `old` to `new`, which differ by `renaming` alone.
pub fn renamed(dialect: Dialect, old: &Catalog, new: &Catalog, renaming: &Renaming) -> Vec<String> {
    let pairs: Vec<(&Module, &Module)> = old
        .modules
        .iter()
        .map(AsRef::as_ref)
        .filter(|module: &&Module| !module.platform)
        .filter_map(|before| Some((before, counterpart(old, new, renaming, before)?)))
        .collect();
    let mut statements = Vec::new();
    let mut searches = Vec::new();
    for (before, after) in &pairs {
        let (removed, made) = search::changes(dialect, Some(before), Some(after));
        statements.extend(removed);
        searches.extend(made);
    }
    for (before, after) in &pairs {
        statements.extend(renamed_table(dialect, before, after));
    }
    if let Some((from, to)) = renaming.module() {
        statements.extend(pairs.iter().flat_map(|(_, after)| renamed_targets(after, from, to)));
    }
    statements.extend(searches);
    statements
}

/// The same module in the new catalog. Fields keep their positions, so links are known by that of their reference.
fn counterpart<'n>(old: &Catalog, new: &'n Catalog, renaming: &Renaming, before: &Module) -> Option<&'n Module> {
    let Some(link) = before.link else {
        return new.module_by_name(renaming.module_name(&before.name));
    };
    let owner = new.module_by_name(renaming.module_name(&old.module(link.owner).name))?;
    match owner.field(link.field).kind {
        FieldKind::References { link } => Some(new.module(link)),
        _ => None,
    }
}

fn renamed_table(dialect: Dialect, before: &Module, after: &Module) -> Vec<String> {
    let table = quote(&after.table);
    let mut statements = Vec::new();
    if before.table != after.table {
        statements.push(format!("ALTER TABLE {} RENAME TO {table}", quote(&before.table)));
        let (old, new) = (primary_key_name(before), primary_key_name(after));
        // SQLite's constraints have no name that anything goes by.
        if dialect == Dialect::Postgres {
            statements.push(format!("ALTER TABLE {table} RENAME CONSTRAINT {} TO {}", quote(&old), quote(&new)));
        }
    }
    let (old, new) = (table_columns(dialect, before), table_columns(dialect, after));
    for (old, new) in old.iter().zip(&new).filter(|(old, new)| old.name != new.name) {
        statements.push(format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote(&old.name), quote(&new.name)));
    }
    let (old, new) = (indexes_of(dialect, before), indexes_of(dialect, after));
    let other_name: Vec<(&Index, &Index)> = old.iter().zip(&new).filter(|(old, new)| old.name != new.name).collect();
    match dialect {
        Dialect::Postgres => statements.extend(other_name.iter().map(|(old, new)| old.rename(new))),
        // It cannot rename an index.
        Dialect::Sqlite => {
            statements.extend(other_name.iter().map(|(old, _)| old.drop_statement()));
            statements.extend(other_name.iter().map(|(_, new)| new.create(after)));
        }
    }
    statements
}

/// References to several modules hold the name of the one that each leads to. Names have letters and digits only.
fn renamed_targets(module: &Module, from: &str, to: &str) -> Vec<String> {
    // The system's own references lead to users and groups, which keep their names.
    let own = module.fields.iter().filter(|field| !field.system);
    let columns = own.filter_map(|field| field.reference()?.module_column.as_ref());
    columns
        .map(|column| {
            let (table, column) = (quote(&module.table), quote(column));
            format!("UPDATE {table} SET {column} = '{to}' WHERE {column} = '{from}'")
        })
        .collect()
}
