//! What is taken away for good, and columns that get another type.

use cardine_model::catalog::{Catalog, Field, Module};
use cardine_model::definition::{FieldDefinition, ModuleDefinition};
use cardine_model::name::{snake_case, upper_first};
use cardine_model::resolve::column_names;

use super::columns::{column_definition, field_columns};
use crate::ident::quote;
use crate::statement::Dialect;

/// Holds the converted values until the old column is gone. No field's column begins with `_` and ends without `_module`.
const CONVERTED: &str = "_converted";

/// Drops the columns, or the table of links, of a field that its document has as retired.
pub fn drop_field(definition: &ModuleDefinition, field: &str) -> Vec<String> {
    let Some(retired) = definition.retired_named(field) else { return Vec::new() };
    let table = quote(&snake_case(&definition.name));
    if retired.field.kind == "references" {
        return vec![format!("DROP TABLE {}", quote(&link_table(&definition.name, field)))];
    }
    let dropped = column_names(&retired.field).into_iter();
    let dropped = dropped.map(|column| format!("ALTER TABLE {table} DROP COLUMN {}", quote(&column)));
    free_files(&definition.name, &retired.field).into_iter().chain(dropped).collect()
}

/// Lets the files go that a field holds, if no other one does.
fn free_files(module: &str, field: &FieldDefinition) -> Option<String> {
    let column = column_names(field).into_iter().next().filter(|_| matches!(field.kind.as_str(), "file" | "image"))?;
    let (column, table) = (quote(&column), quote(&snake_case(module)));
    Some(format!("UPDATE \"file\" SET \"free_at\" = \"created_at\" WHERE \"id\" IN (SELECT {column} FROM {table})"))
}

/// Drops the tables of a retired module and of its links.
pub fn drop_module(definition: &ModuleDefinition) -> Vec<String> {
    let links = link_tables(definition);
    let tables = links.into_iter().chain([snake_case(&definition.name)]);
    let dropped = tables.map(|table| format!("DROP TABLE {}", quote(&table)));
    let fields = definition.fields.iter().chain(definition.retired.iter().map(|retired| &retired.field));
    fields.filter_map(|field| free_files(&definition.name, field)).chain(dropped).collect()
}

/// The tables of a module's links, those of retired references too.
pub fn link_tables(definition: &ModuleDefinition) -> Vec<String> {
    let retired = definition.retired.iter().map(|retired| &retired.field);
    let links = definition.fields.iter().chain(retired).filter(|field| field.kind == "references");
    links.map(|field| link_table(&definition.name, &field.name)).collect()
}

fn link_table(module: &str, field: &str) -> String {
    snake_case(&format!("{module}{}", upper_first(field)))
}

/// Clears a reference to a single module where it leads to no record: while the reference was retired, or its module, nobody did that
/// when records of the target were destroyed. Gives the target's table too.
pub fn clear_lost(catalog: &Catalog, module: &Module, field: &Field) -> Option<(String, String)> {
    let [target] = field.reference()?.targets.as_slice() else { return None };
    let target = catalog.module(*target);
    let (table, reference) = (quote(&module.table), quote(field.column.as_deref()?));
    let lost = format!(
        "NOT EXISTS (SELECT 1 FROM {} AS target WHERE target.\"id\" = {table}.{reference})",
        quote(&target.table)
    );
    let cleared = format!("UPDATE {table} SET {reference} = NULL WHERE {reference} IS NOT NULL AND {lost}");
    (!target.platform).then(|| (cleared, target.table.clone()))
}

/// Makes the column that takes the values of `field` from `before`, and what puts it in the place of the old one; both empty
/// where the column stays as it is, and the name of the column to write to.
pub fn convert_column(
    dialect: Dialect,
    module: &Module,
    before: &Field,
    field: &Field,
) -> (Vec<String>, String, Vec<String>) {
    let (old, new) = (field_columns(dialect, before), field_columns(dialect, field));
    let [column] = new.as_slice() else { return (Vec::new(), String::new(), Vec::new()) };
    if old == new {
        return (Vec::new(), column.name.clone(), Vec::new());
    }
    let table = quote(&module.table);
    let mut converted = column.clone();
    converted.name = CONVERTED.to_owned();
    let made = vec![format!("ALTER TABLE {table} ADD COLUMN {}", column_definition(dialect, &converted))];
    let dropped = old.iter().map(|column| format!("ALTER TABLE {table} DROP COLUMN {}", quote(&column.name)));
    let renamed = format!("ALTER TABLE {table} RENAME COLUMN {} TO {}", quote(CONVERTED), quote(&column.name));
    (made, CONVERTED.to_owned(), dropped.chain([renamed]).collect())
}
