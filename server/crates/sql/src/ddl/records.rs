//! The statements that keep a catalog's definitions and versions, and that look at the tables that are really there.

use cardine_model::catalog::{Field, Module};
use cardine_query::Slot;

use super::rows::missing;
use crate::ident::quote;
use crate::statement::{ColumnType, Dialect, Param, Statement, Transform};
use crate::writer::stored_column;

/// All definitions that are in force: name, document.
pub fn select_definitions() -> Statement {
    let text = r#"SELECT "name", "definition" FROM "module_definition" WHERE "retired_at" IS NULL ORDER BY "name""#;
    statement(text, 0, vec![ColumnType::Text, ColumnType::Text])
}

/// The names of all definitions, those of retired modules too.
pub fn select_definition_names() -> Statement {
    statement(r#"SELECT "name" FROM "module_definition" ORDER BY "name""#, 0, vec![ColumnType::Text])
}

/// Keeps a new module's definition. Values: name, document.
pub fn insert_definition(dialect: Dialect) -> Statement {
    with_params(dialect, r#"INSERT INTO "module_definition" ("name", "definition") VALUES (@, @)"#)
}

/// Replaces a module's definition. Values: document, name.
pub fn update_definition(dialect: Dialect) -> Statement {
    with_params(dialect, r#"UPDATE "module_definition" SET "definition" = @ WHERE "name" = @"#)
}

/// Replaces a module's definition, whose name it changes. Values: new name, document, old name.
pub fn rename_definition(dialect: Dialect) -> Statement {
    with_params(dialect, r#"UPDATE "module_definition" SET "name" = @, "definition" = @ WHERE "name" = @"#)
}

/// Hides a module, or with null brings it back. Values: instant, name.
pub fn retire_definition(dialect: Dialect) -> Statement {
    with_params(dialect, r#"UPDATE "module_definition" SET "retired_at" = @ WHERE "name" = @"#)
}

/// Forgets a module. Values: name.
pub fn delete_definition(dialect: Dialect) -> Statement {
    with_params(dialect, r#"DELETE FROM "module_definition" WHERE "name" = @"#)
}

/// All definitions of retired modules: name, document, since when.
pub fn select_retired_definitions() -> Statement {
    let text = r#"SELECT "name", "definition", "retired_at" FROM "module_definition" WHERE "retired_at" IS NOT NULL ORDER BY "name""#;
    statement(text, 0, vec![ColumnType::Text, ColumnType::Text, ColumnType::DateTime])
}

/// Keeps when a catalog version was made. Values: version, instant, user's id or null, what was done.
pub fn insert_version(dialect: Dialect) -> Statement {
    with_params(
        dialect,
        r#"INSERT INTO "catalog_version" ("version", "created_at", "actor_id", "summary") VALUES (@, @, @, @)"#,
    )
}

/// Keeps writers off a table, and lets readers be; for PostgreSQL. Those too that have locked a record and not written it yet: they would
/// wait for who holds the table, and who goes on to change the table for them.
pub fn hold_table(table: &str) -> String {
    format!("LOCK TABLE {} IN EXCLUSIVE MODE", quote(table))
}

/// Gives every record without a value in any of `parts` values in some of them, as with a default. Values: one for each of `filled`.
pub fn fill_missing(dialect: Dialect, module: &Module, filled: &[&Field], parts: &[&Field]) -> Statement {
    let set: Vec<String> = filled.iter().map(|field| format!("{} = @", quote(stored_column(field)))).collect();
    let (table, set) = (quote(&module.table), set.join(", "));
    with_params(dialect, &format!("UPDATE {table} SET {set} WHERE {}", missing(parts)))
}

/// The columns of all tables, the database's own apart: table, column, type as [`super::TableColumn`] has it, whether null is refused; by table, in their order.
pub fn select_columns(dialect: Dialect) -> Statement {
    let text = match dialect {
        Dialect::Sqlite => {
            r#"SELECT t."name", c."name", c."type", c."notnull" FROM sqlite_schema t CROSS JOIN pragma_table_info(t."name") c WHERE t."type" = 'table' AND substr(t."name", 1, 7) <> 'sqlite_' ORDER BY t."name", c."cid""#
        }
        Dialect::Postgres => {
            r#"SELECT t.relname::text, c.attname::text, format_type(c.atttypid, c.atttypmod), c.attnotnull FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid WHERE t.relnamespace = current_schema()::regnamespace AND t.relkind IN ('r', 'p') AND c.attnum > 0 AND NOT c.attisdropped ORDER BY t.relname, c.attnum"#
        }
    };
    statement(text, 0, vec![ColumnType::Text, ColumnType::Text, ColumnType::Text, ColumnType::Boolean])
}

/// As [`select_columns`], of so many tables. Values: their names. There must be one.
pub fn select_columns_of_tables(dialect: Dialect, tables: usize) -> Statement {
    let column = if dialect == Dialect::Sqlite { r#"t."name""# } else { "t.relname" };
    let names = vec!["@"; tables].join(", ");
    let of_all = select_columns(dialect);
    let text = of_all.text.replacen(" ORDER BY", &format!(" AND {column} IN ({names}) ORDER BY"), 1);
    Statement { columns: of_all.columns, ..with_params(dialect, &text) }
}

/// The indexes of all tables, and on SQLite their triggers: table, index.
pub fn select_indexes(dialect: Dialect) -> Statement {
    let text = match dialect {
        Dialect::Sqlite => {
            r#"SELECT "tbl_name", "name" FROM sqlite_schema WHERE "type" IN ('index', 'trigger') ORDER BY "name""#
        }
        Dialect::Postgres => {
            r#"SELECT tablename::text, indexname::text FROM pg_indexes WHERE schemaname = current_schema() ORDER BY indexname"#
        }
    };
    statement(text, 0, vec![ColumnType::Text, ColumnType::Text])
}

/// Each `@` is the next value. Such texts have no other `@`: a name has none, and values are not in them.
fn with_params(dialect: Dialect, text: &str) -> Statement {
    let sigil = if dialect == Dialect::Sqlite { '?' } else { '$' };
    let mut numbered = String::with_capacity(text.len() + 8);
    let mut count = 0;
    for character in text.chars() {
        if character == '@' {
            count += 1;
            numbered.push(sigil);
            numbered.push_str(&count.to_string());
        } else {
            numbered.push(character);
        }
    }
    statement(&numbered, count, Vec::new())
}

fn statement(text: &str, values: u32, columns: Vec<ColumnType>) -> Statement {
    let params = (0..values).map(|value| Param::Slot(Slot(value), Transform::None)).collect();
    Statement { text: text.to_owned(), params, columns }
}
