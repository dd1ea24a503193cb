//! Inserts, updates and deletes of many rows in one go.
//!
//! PostgreSQL takes a list per column: `INSERT INTO t (…) SELECT … FROM unnest($1::uuid[], $2::text[]) AS v(c0, c1)`, so that the
//! text is the same for any number of rows. SQLite runs the statement of one row for each: it is prepared once, and nothing
//! travels.

use cardine_model::catalog::Module;

use super::{Assignment, placeholder, slots};
use crate::ident::quote;
use crate::statement::{Dialect, ForRows, Param, Statement};

/// Inserts rows; the value of the n-th assignment is slot n of a row. A row that a unique index refuses is passed over, so that
/// all of them are known afterwards: by the number of rows that were inserted.
pub fn insert_rows(dialect: Dialect, module: &Module, assignments: &[Assignment], rows: usize) -> ForRows {
    let table = quote(&module.table);
    let columns: Vec<String> = assignments.iter().map(|assignment| quote(&assignment.column)).collect();
    let columns = columns.join(", ");
    if one_by_one(dialect, rows) {
        let values = each(dialect, assignments).join(", ");
        return single(
            format!("INSERT INTO {table} ({columns}) VALUES ({values}) ON CONFLICT DO NOTHING"),
            assignments.len(),
        );
    }
    let values: Vec<String> =
        assignments.iter().enumerate().map(|(slot, assignment)| taken(slot, assignment)).collect();
    let types = assignments.iter().map(|assignment| assignment.ty);
    let text = format!(
        "INSERT INTO {table} ({columns}) SELECT {} FROM {} ON CONFLICT DO NOTHING",
        values.join(", "),
        lists(types)
    );
    ForRows::Lists(Statement { text, params: slots(assignments.len()), columns: Vec::new() })
}

/// Updates rows: the value of the n-th assignment is slot n of a row, and the row's id the slot behind them.
pub fn update_rows(dialect: Dialect, module: &Module, assignments: &[Assignment], rows: usize) -> ForRows {
    let table = quote(&module.table);
    let set = |values: Vec<String>| {
        let set = assignments.iter().zip(values);
        let set: Vec<String> =
            set.map(|(assignment, value)| format!("{} = {value}", quote(&assignment.column))).collect();
        set.join(", ")
    };
    if one_by_one(dialect, rows) {
        let id = placeholder(dialect, assignments.len(), "uuid");
        let text = format!("UPDATE {table} SET {} WHERE \"id\" = {id}", set(each(dialect, assignments)));
        return single(text, assignments.len() + 1);
    }
    let values = assignments.iter().enumerate().map(|(slot, assignment)| taken(slot, assignment)).collect();
    let types = assignments.iter().map(|assignment| assignment.ty).chain(["uuid"]);
    let (set, id) = (set(values), assignments.len());
    let text = format!("UPDATE {table} t SET {set} FROM {} WHERE t.\"id\" = v.c{id}", lists(types));
    ForRows::Lists(Statement { text, params: slots(assignments.len() + 1), columns: Vec::new() })
}

/// Takes the rows with the parents' ids out of the table.
pub fn delete_rows(dialect: Dialect, module: &Module) -> Statement {
    let among = match dialect {
        Dialect::Sqlite => "IN (SELECT value FROM json_each(?1))",
        Dialect::Postgres => "= ANY($1::uuid[])",
    };
    let text = format!("DELETE FROM {} WHERE \"id\" {among}", quote(&module.table));
    Statement { text, params: vec![Param::Parents], columns: Vec::new() }
}

fn one_by_one(dialect: Dialect, rows: usize) -> bool {
    dialect == Dialect::Sqlite || rows == 1
}

fn single(text: String, values: usize) -> ForRows {
    ForRows::Each(Statement { text, params: slots(values), columns: Vec::new() })
}

/// The values of one row.
fn each(dialect: Dialect, assignments: &[Assignment]) -> Vec<String> {
    let value = |(slot, assignment): (usize, &Assignment)| {
        let value = placeholder(dialect, slot, assignment.ty);
        match (dialect, assignment.scale) {
            (Dialect::Sqlite, Some(scale)) => format!("cardine_round({value}, {scale})"),
            _ => value,
        }
    };
    assignments.iter().enumerate().map(value).collect()
}

/// `unnest` takes a list of lists apart to its elements, so a column of lists travels as JSON texts.
fn taken(slot: usize, assignment: &Assignment) -> String {
    match assignment.ty {
        "text[]" => format!(
            "CASE WHEN v.c{slot} IS NULL THEN NULL ELSE ARRAY(SELECT json_array_elements_text(v.c{slot}::json)) END"
        ),
        _ => format!("v.c{slot}"),
    }
}

/// PostgreSQL's rows `v(c0, c1, …)` of a list for each column.
pub(super) fn lists<'a>(types: impl Iterator<Item = &'a str>) -> String {
    let (lists, names): (Vec<String>, Vec<String>) = types
        .enumerate()
        .map(|(slot, ty)| {
            let element = if ty == "text[]" { "text" } else { ty };
            (format!("${}::{element}[]", slot + 1), format!("c{slot}"))
        })
        .unzip();
    format!("unnest({}) AS v({})", lists.join(", "), names.join(", "))
}
