//! Finds the unique index that a write broke, of which SQLite names only the columns.

use rusqlite::{Connection, OptionalExtension as _};

/// The index's name, from what SQLite's message says after its colon: `table.column, table.column`, or `index 'name'` for an index
/// on expressions. `None` if no such index is found.
pub(super) fn find(connection: &Connection, described: &str) -> Option<String> {
    if let Some(quoted) = described.strip_prefix("index '") {
        return quoted.strip_suffix('\'').map(str::to_owned);
    }
    let (table, _) = described.split_once('.')?;
    let prefix = format!("{table}.");
    let columns: Option<Vec<&str>> = described.split(", ").map(|part| part.strip_prefix(&prefix)).collect();
    let found = connection.query_row(
        r#"SELECT "name" FROM pragma_index_list(?1) AS "list" WHERE "list"."unique" = 1 AND (
             SELECT group_concat("column", ', ') FROM (
               SELECT "name" AS "column" FROM pragma_index_info("list"."name") ORDER BY "seqno")) = ?2
           ORDER BY "seq" LIMIT 1"#,
        [table, &columns?.join(", ")],
        |row| row.get(0),
    );
    found.optional().ok()?
}
