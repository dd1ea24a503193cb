//! The one place that knows which columns a field has, and of what type.

use cardine_model::catalog::{Catalog, Field, FieldKind, Module};

use crate::expr::{Shape, TEXT_COLLATION};
use crate::ident::quote;
use crate::statement::{ColumnType, Dialect};

/// Digits of a decimal column. Values have at most 28; the rest is for what rules write.
const DECIMAL_DIGITS: u8 = 38;

/// One column of a table, as the database itself describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableColumn {
    /// Its SQL name.
    pub name: String,
    /// Its type as the database tells it: by `format_type` on PostgreSQL, by `pragma table_info` on SQLite.
    pub ty: String,
    /// Whether it refuses null. Only system columns do: what a module's own field requires is checked on writing, so that a
    /// required field can be added to a table with rows.
    pub not_null: bool,
}

/// The columns of a module's table, in the order of its fields.
pub fn table_columns(dialect: Dialect, module: &Module) -> Vec<TableColumn> {
    module.fields.iter().flat_map(|field| field_columns(dialect, field)).collect()
}

/// A field's columns: none of what is computed when read, two of a reference to several modules.
pub(super) fn field_columns(dialect: Dialect, field: &Field) -> Vec<TableColumn> {
    let (Some(name), Some(ty)) = (field.kept_column(), column_type(dialect, field)) else {
        return Vec::new();
    };
    let value = TableColumn { name: name.to_owned(), ty, not_null: field.system && field.required };
    let module_column = field.reference().and_then(|reference| reference.module_column.as_ref());
    let module = module_column.map(|name| TableColumn { name: name.clone(), ty: text(dialect), not_null: false });
    [Some(value), module].into_iter().flatten().collect()
}

/// A field's columns as they stand in `CREATE TABLE` and `ADD COLUMN`.
///
/// That of a file refers to the file's row, which therefore cannot go as long as any record holds it, deleted ones and those of
/// retired fields included. Other references are kept by the engine, which knows of deleted records and of several targets.
pub(super) fn field_definitions(dialect: Dialect, catalog: &Catalog, field: &Field) -> Vec<String> {
    let file = field.reference().filter(|reference| reference.file.is_some());
    let file = file.and_then(|reference| reference.targets.first()).map(|target| &catalog.module(*target).table);
    let holds = file.map(|table| format!(" REFERENCES {} ({})", quote(table), quote("id"))).unwrap_or_default();
    field_columns(dialect, field).iter().map(|column| column_definition(dialect, column) + &holds).collect()
}

/// One column of them, whatever it refers to.
pub(super) fn column_definition(dialect: Dialect, column: &TableColumn) -> String {
    // The database's own collation depends on its host; ours are functions and collations of their own.
    let is_text = dialect == Dialect::Postgres && column.ty == "text";
    let collation = if is_text { format!(" {TEXT_COLLATION}") } else { String::new() };
    let not_null = if column.not_null { " NOT NULL" } else { "" };
    format!("{} {}{collation}{not_null}", quote(&column.name), column.ty)
}

/// SQLite gives a column its affinity by its type's name (<https://www.sqlite.org/datatype3.html#determination_of_column_affinity>):
/// a name with `INT` in it INTEGER, else one with `TEXT` TEXT. Decimals must have TEXT: any numeric affinity makes them floats.
fn column_type(dialect: Dialect, field: &Field) -> Option<String> {
    let (sqlite, postgres) = match &field.kind {
        FieldKind::Text { .. } | FieldKind::Choice { .. } | FieldKind::AutoNumber { .. } => return Some(text(dialect)),
        FieldKind::Decimal { scale, .. } => match dialect {
            Dialect::Sqlite => return Some("DECIMAL_TEXT".to_owned()),
            Dialect::Postgres => return Some(format!("numeric({DECIMAL_DIGITS},{scale})")),
        },
        FieldKind::Id | FieldKind::Reference(_) => ("TEXT", "uuid"),
        FieldKind::Integer { big: false, .. } => ("INTEGER", "integer"),
        // Seconds; PostgreSQL's `interval` would take 24 hours and a day for equal and show them differently.
        FieldKind::Integer { big: true, .. } | FieldKind::Duration => ("INTEGER", "bigint"),
        FieldKind::Boolean => ("BOOLEAN_INTEGER", "boolean"),
        FieldKind::Date => ("TEXT", "date"),
        FieldKind::Time => ("TEXT", "time(0) without time zone"),
        FieldKind::DateTime => ("TEXT", "timestamp(3) with time zone"),
        FieldKind::MultiChoice { .. } => ("TEXT", "text[]"),
        FieldKind::Json { .. } => ("TEXT", "json"),
        FieldKind::Rollup(rollup) if rollup.stored.is_some() => match Shape::of(field).column_type() {
            ColumnType::Integer => ("INTEGER", "bigint"),
            // A mean is kept with all its digits, for the formulas that use it.
            ColumnType::Decimal => ("DECIMAL_TEXT", "numeric"),
            ColumnType::Date => ("TEXT", "date"),
            ColumnType::Time => ("TEXT", "time(0) without time zone"),
            ColumnType::DateTime => ("TEXT", "timestamp(3) with time zone"),
            // No function gives anything else.
            ColumnType::Id | ColumnType::Text | ColumnType::Boolean | ColumnType::TextList | ColumnType::Json => {
                return None;
            }
        },
        // The parts of a group are fields with columns of their own, and links have a table.
        FieldKind::Formula(_)
        | FieldKind::Rollup(_)
        | FieldKind::Computed(_)
        | FieldKind::Group(_)
        | FieldKind::References { .. } => {
            return None;
        }
    };
    Some(match dialect {
        Dialect::Sqlite => sqlite.to_owned(),
        Dialect::Postgres => postgres.to_owned(),
    })
}

fn text(dialect: Dialect) -> String {
    match dialect {
        Dialect::Sqlite => "TEXT".to_owned(),
        Dialect::Postgres => "text".to_owned(),
    }
}
