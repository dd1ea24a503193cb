//! The index that the search reads: which words stand in which field of which record.
//!
//! It is kept by the database itself, in the transaction of the write, whichever statement writes. PostgreSQL has a GIN index over
//! the words of each searched field ([`super::indexes`]); there is nothing more to keep. SQLite has for each module a table of
//! FTS5 with a column per searched field, and triggers that fill it. That table names rows by numbers, which the module's own table
//! does not keep for good (`VACUUM` may change them); so a table beside it gives each record one. FTS5 gets words that are
//! cut and folded already, and its tokenizer does no more than split them at spaces.

use cardine_model::catalog::{Field, Module};
use cardine_model::text::words;

use crate::ident::{column, quote};
use crate::statement::Dialect;

/// The searched fields that have a column.
pub(super) fn searched_fields(module: &Module) -> impl Iterator<Item = &Field> {
    module.search.iter().map(|field| module.field(*field)).filter(|field| field.column.is_some())
}

/// The text of a searched field that the words are taken from; `column` is the field's, with or without an alias.
pub(crate) fn searched_text(dialect: Dialect, field: &Field, column: &str) -> String {
    match (words::is_rich(field), dialect) {
        (false, _) => column.to_owned(),
        (true, Dialect::Sqlite) => format!("cardine_plain({column})"),
        (true, Dialect::Postgres) => {
            format!("regexp_replace({column}, '{}', ' ', 'g')", words::PLAIN_PATTERN_OF_POSTGRES)
        }
    }
}

/// SQLite's table that gives each record a number. No other name begins so: see [`super::indexes`].
pub(crate) fn ids_table(module: &Module) -> String {
    format!("_fi_{}", module.table)
}

/// SQLite's table of words. FTS5 keeps tables of its own whose names begin with this one; the two `_` keep them apart from those
/// of other modules.
pub(crate) fn words_table(module: &Module) -> String {
    format!("_ft_{}__words", module.table)
}

/// A column's name in the table of words, where `rank` and `rowid` are taken.
pub(crate) fn word_column(column: &str) -> String {
    format!("_{column}")
}

/// The triggers that keep a module's table of words; none on PostgreSQL, and none if nothing is searched.
pub fn search_trigger_names(dialect: Dialect, module: &Module) -> Vec<String> {
    if dialect == Dialect::Postgres || searched_fields(module).next().is_none() {
        return Vec::new();
    }
    ["insert", "update", "delete"].map(|event| trigger_name(module, event)).to_vec()
}

/// What is taken away before tables change, and what is made after it, to bring SQLite's index from `before` to `after`.
pub(super) fn changes(dialect: Dialect, before: Option<&Module>, after: Option<&Module>) -> (Vec<String>, Vec<String>) {
    let columns = |module: Option<&Module>| -> Vec<String> {
        module.into_iter().flat_map(searched_fields).filter_map(|field| field.column.clone()).collect()
    };
    let (old, new) = (columns(before), columns(after));
    let same_table = before.map(|module| &module.table) == after.map(|module| &module.table);
    if dialect == Dialect::Postgres || (old == new && same_table) {
        return (Vec::new(), Vec::new());
    }
    let removed = before.filter(|_| !old.is_empty()).map(remove).unwrap_or_default();
    let made = after.filter(|_| !new.is_empty()).map(make).unwrap_or_default();
    (removed, made)
}

fn remove(module: &Module) -> Vec<String> {
    let triggers = search_trigger_names(Dialect::Sqlite, module);
    let triggers = triggers.iter().map(|name| format!("DROP TRIGGER {}", quote(name)));
    let tables = [words_table(module), ids_table(module)];
    triggers.chain(tables.iter().map(|name| format!("DROP TABLE {}", quote(name)))).collect()
}

/// The tables, the triggers, and the records that are there already.
fn make(module: &Module) -> Vec<String> {
    let fields: Vec<(&Field, &str)> =
        searched_fields(module).filter_map(|field| Some((field, field.column.as_deref()?))).collect();
    let columns: Vec<&str> = fields.iter().map(|(_, column)| *column).collect();
    let (table, words, ids) = (quote(&module.table), quote(&words_table(module)), quote(&ids_table(module)));
    let (n, id) = (quote("n"), quote("id"));
    let word_columns: Vec<String> = columns.iter().map(|name| quote(&word_column(name))).collect();
    let listed = word_columns.join(", ");
    let values = |alias: &str| {
        fields.iter().map(|(field, name)| words_of(field, &column(alias, name))).collect::<Vec<_>>().join(", ")
    };
    let assigned: Vec<String> = fields
        .iter()
        .map(|(field, name)| format!("{} = {}", quote(&word_column(name)), words_of(field, &column("new", name))))
        .collect();
    let changed: Vec<String> =
        columns.iter().map(|name| format!("{} IS NOT {}", column("old", name), column("new", name))).collect();
    let number = |alias: &str| format!("(SELECT {n} FROM {ids} WHERE {id} = {})", column(alias, "id"));
    let trigger = |event: &str, when: String, work: String| {
        let name = quote(&trigger_name(module, event));
        format!("CREATE TRIGGER {name} AFTER {when} BEGIN {work}; END")
    };
    let updated: Vec<String> = columns.iter().map(|name| quote(name)).collect();
    vec![
        format!("CREATE TABLE {ids} ({n} INTEGER PRIMARY KEY, {id} TEXT NOT NULL UNIQUE)"),
        format!(
            "CREATE VIRTUAL TABLE {words} USING fts5({listed}, content='', contentless_delete=1, detail=column, tokenize='ascii')"
        ),
        trigger(
            "insert",
            format!("INSERT ON {table}"),
            format!(
                "INSERT INTO {ids} ({id}) VALUES ({}); INSERT INTO {words} (rowid, {listed}) VALUES ({}, {})",
                column("new", "id"),
                number("new"),
                values("new")
            ),
        ),
        trigger(
            "update",
            format!("UPDATE OF {} ON {table} WHEN {}", updated.join(", "), changed.join(" OR ")),
            format!("UPDATE {words} SET {} WHERE rowid = {}", assigned.join(", "), number("new")),
        ),
        trigger(
            "delete",
            format!("DELETE ON {table}"),
            format!(
                "DELETE FROM {words} WHERE rowid = {}; DELETE FROM {ids} WHERE {id} = {}",
                number("old"),
                column("old", "id")
            ),
        ),
        format!("INSERT INTO {ids} ({id}) SELECT {id} FROM {table}"),
        format!(
            "INSERT INTO {words} (rowid, {listed}) SELECT i.{n}, {} FROM {ids} i JOIN {table} t ON {} = i.{id}",
            values("t"),
            column("t", "id")
        ),
    ]
}

fn words_of(field: &Field, column: &str) -> String {
    format!("cardine_words({})", searched_text(Dialect::Sqlite, field, column))
}

fn trigger_name(module: &Module, event: &str) -> String {
    format!("_ft_{}__{event}", module.table)
}
