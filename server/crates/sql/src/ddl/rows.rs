//! Statements over all rows of a module's table: what a stricter definition would not allow, and values on the way to another type.

use cardine_model::catalog::{Field, FieldId, HIERARCHY_LEVELS_MAX, Module};
use cardine_query::Slot;

use super::indexes::unique_keys;
use crate::expr::Shape;
use crate::ident::quote;
use crate::statement::{ColumnType, Dialect, ForRows, Param, Statement, Transform};
use crate::write::Assignment;
use crate::writer::stored_column;

/// How many records a table has, deleted ones included.
pub fn count_rows(table: &str) -> Statement {
    plain(format!("SELECT count(*) FROM {}", quote(table)), vec![ColumnType::Integer])
}

/// How many records have a value in a column.
pub fn count_values(table: &str, column: &str) -> Statement {
    plain(format!("SELECT count({}) FROM {}", quote(column), quote(table)), vec![ColumnType::Integer])
}

/// How many records have no value in any of a field's parts, deleted ones included.
pub fn count_missing(module: &Module, parts: &[&Field]) -> Statement {
    let text = format!("SELECT count(*) FROM {} WHERE {}", quote(&module.table), missing(parts));
    plain(text, vec![ColumnType::Integer])
}

/// How many live records have none, or how many there are where the field is new.
pub fn count_live_missing(module: &Module, parts: &[&Field], is_new: bool) -> Statement {
    let condition = if is_new { String::new() } else { format!(" AND {}", missing(parts)) };
    let text = format!("SELECT count(*) FROM {} WHERE \"deleted_at\" IS NULL{condition}", quote(&module.table));
    plain(text, vec![ColumnType::Integer])
}

/// Some of those records.
pub fn some_missing(module: &Module, parts: &[&Field], limit: usize) -> Statement {
    let (table, missing) = (quote(&module.table), missing(parts));
    plain(format!("SELECT \"id\" FROM {table} WHERE {missing} ORDER BY \"id\" LIMIT {limit}"), vec![ColumnType::Id])
}

/// That a record has no value in any of a field's parts.
pub(super) fn missing(parts: &[&Field]) -> String {
    parts.iter().map(|part| format!("{} IS NULL", quote(stored_column(part)))).collect::<Vec<_>>().join(" AND ")
}

/// How many records have no way up to the top of a hierarchy within its levels, deleted ones included.
pub fn count_misplaced(module: &Module, reference: &Field) -> Statement {
    let (before, table, condition) = misplaced(module, reference);
    plain(format!("{before} SELECT count(*) FROM {table} t WHERE {condition}"), vec![ColumnType::Integer])
}

/// Some of those records.
pub fn some_misplaced(module: &Module, reference: &Field, limit: usize) -> Statement {
    let (before, table, condition) = misplaced(module, reference);
    let text = format!("{before} SELECT t.\"id\" FROM {table} t WHERE {condition} ORDER BY t.\"id\" LIMIT {limit}");
    plain(text, vec![ColumnType::Id])
}

fn misplaced(module: &Module, reference: &Field) -> (String, String, String) {
    let (table, above) = (quote(&module.table), quote(stored_column(reference)));
    let before = format!(
        "WITH RECURSIVE way(id, level) AS (SELECT t.\"id\", 1 FROM {table} t WHERE t.{above} IS NULL UNION ALL \
         SELECT t.\"id\", way.level + 1 FROM way JOIN {table} t ON t.{above} = way.id WHERE way.level < {HIERARCHY_LEVELS_MAX})"
    );
    (before, table, "t.\"id\" NOT IN (SELECT id FROM way)".to_owned())
}

/// How many records a reference to several modules leads to others than these, deleted ones included. The slots are the modules' names.
pub fn count_led_elsewhere(dialect: Dialect, module: &Module, module_column: &str, targets: usize) -> Statement {
    let condition = led_elsewhere(dialect, module_column, targets);
    Statement {
        params: slots(targets),
        ..plain(format!("SELECT count(*) FROM {} WHERE {condition}", quote(&module.table)), vec![ColumnType::Integer])
    }
}

/// Some of those records.
pub fn some_led_elsewhere(
    dialect: Dialect,
    module: &Module,
    module_column: &str,
    targets: usize,
    limit: usize,
) -> Statement {
    let (table, condition) = (quote(&module.table), led_elsewhere(dialect, module_column, targets));
    let text = format!("SELECT \"id\" FROM {table} WHERE {condition} ORDER BY \"id\" LIMIT {limit}");
    Statement { params: slots(targets), ..plain(text, vec![ColumnType::Id]) }
}

fn led_elsewhere(dialect: Dialect, module_column: &str, targets: usize) -> String {
    let sign = match dialect {
        Dialect::Sqlite => '?',
        Dialect::Postgres => '$',
    };
    let names: Vec<String> = (1..=targets).map(|slot| format!("{sign}{slot}")).collect();
    format!("{} NOT IN ({})", quote(module_column), names.join(", "))
}

fn slots(count: usize) -> Vec<Param> {
    (0..).take(count).map(|slot| Param::Slot(Slot(slot), Transform::None)).collect()
}

/// How many live records share the values of a unique set with another one.
pub fn count_alike(dialect: Dialect, module: &Module, fields: &[FieldId]) -> Statement {
    let text = format!("SELECT count(*) FROM {} WHERE {}", quote(&module.table), alike(dialect, module, fields));
    plain(text, vec![ColumnType::Integer])
}

/// Some of those records.
pub fn some_alike(dialect: Dialect, module: &Module, fields: &[FieldId], limit: usize) -> Statement {
    let condition = alike(dialect, module, fields);
    let table = quote(&module.table);
    plain(format!("SELECT \"id\" FROM {table} WHERE {condition} ORDER BY \"id\" LIMIT {limit}"), vec![ColumnType::Id])
}

fn alike(dialect: Dialect, module: &Module, fields: &[FieldId]) -> String {
    let keys = unique_keys(dialect, module, fields).join(", ");
    let given: Vec<String> =
        fields.iter().map(|field| format!("{} IS NOT NULL", quote(stored_column(module.field(*field))))).collect();
    let (table, given) = (quote(&module.table), given.join(" AND "));
    let live = "\"deleted_at\" IS NULL";
    // A row constructor of one key is the key.
    format!(
        "{live} AND {given} AND ({keys}) IN (SELECT {keys} FROM {table} WHERE {live} AND {given} GROUP BY {keys} HAVING count(*) > 1)"
    )
}

/// The next records with a value in a field, and that value: those behind the id of slot 0, all of them behind null. Deleted ones too.
pub fn next_values(dialect: Dialect, table: &str, field: &Field, limit: usize) -> Statement {
    let (table, column) = (quote(table), quote(stored_column(field)));
    let behind = match dialect {
        Dialect::Sqlite => "(?1 IS NULL OR \"id\" > ?1)",
        Dialect::Postgres => "($1::uuid IS NULL OR \"id\" > $1::uuid)",
    };
    Statement {
        text: format!(
            "SELECT \"id\", {column} FROM {table} WHERE {column} IS NOT NULL AND {behind} ORDER BY \"id\" LIMIT {limit}"
        ),
        params: vec![Param::Slot(Slot(0), Transform::None)],
        columns: vec![ColumnType::Id, Shape::of(field).column_type()],
    }
}

/// Writes values of `field` to a column of its type. A row's values: the value, the id.
pub fn put_values(dialect: Dialect, module: &Module, field: &Field, column: &str, rows: usize) -> ForRows {
    let assignment = Assignment::field(field).in_column(column);
    crate::write::update_rows(dialect, module, &[assignment], rows)
}

fn plain(text: String, columns: Vec<ColumnType>) -> Statement {
    Statement { text, params: Vec::new(), columns }
}
