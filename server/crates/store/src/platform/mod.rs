//! Statements over the platform's own tables, written once for both databases.

pub mod access;
pub mod api_keys;
pub mod approvals;
pub mod attempts;
pub mod audit;
pub mod condition;
pub mod events;
pub mod feed;
pub mod files;
pub mod idempotency;
pub mod jobs;
pub mod mail;
pub mod names;
pub mod needed;
pub mod notifications;
pub mod password_resets;
pub mod past_changes;
pub mod permission_sets;
pub mod plugin_state;
pub mod plugins;
pub mod requests;
pub mod runs;
pub mod sessions;
pub mod settings;
pub mod sharing;
pub mod statistics;
pub mod tokens;
pub mod turns;
pub mod workflows;

use cardine_model::Value;
use cardine_query::Slot;
use cardine_sql::{ColumnType, Dialect, ForRows, Param, Statement, Transform};

/// A statement written in PostgreSQL's form: parameters are `$1::uuid`, … with their type; slot n is parameter n + 1.
///
/// For SQLite the casts of parameters are taken out and `$` becomes `?`.
pub(crate) fn portable(dialect: Dialect, text: &str, params: usize, columns: &[ColumnType]) -> Statement {
    let text = match dialect {
        Dialect::Postgres => text.to_owned(),
        Dialect::Sqlite => without_casts(text),
    };
    let params = (0..params).map(|slot| Param::Slot(Slot(slot as u32), Transform::None)).collect();
    Statement { text, params, columns: columns.to_vec() }
}

/// An insert of `rows` rows into a table's columns, given with PostgreSQL's types. `tail` is what stands behind the values:
/// `RETURNING …`, whose columns are `returned`.
pub(crate) fn insert_rows(
    dialect: Dialect,
    table: &str,
    columns: &[(&str, &str)],
    rows: usize,
    tail: &str,
    returned: &[ColumnType],
) -> ForRows {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{name}\"")).collect();
    let head = format!("INSERT INTO \"{table}\" ({})", names.join(", "));
    let typed = |list: &str| {
        let param = |(slot, (_, ty)): (usize, &(&str, &str))| format!("${}::{ty}{list}", slot + 1);
        columns.iter().enumerate().map(param).collect::<Vec<_>>().join(", ")
    };
    if dialect == Dialect::Sqlite || rows == 1 {
        let text = format!("{head} VALUES ({}) {tail}", typed(""));
        return ForRows::Each(portable(dialect, &text, columns.len(), returned));
    }
    let values: Vec<String> = (0..columns.len()).map(|slot| format!("c{slot}")).collect();
    let values = values.join(", ");
    // In the order in which they were given, so that numbers count up as the rows do.
    let text = format!(
        "{head} SELECT {values} FROM unnest({}) WITH ORDINALITY AS v({values}, place) ORDER BY place {tail}",
        typed("[]")
    );
    ForRows::Lists(portable(dialect, &text, columns.len(), returned))
}

fn without_casts(text: &str) -> String {
    let mut portable = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        portable.push_str(before);
        portable.push('?');
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        portable.push_str(&after[..digits]);
        rest = &after[digits..];
        if let Some(cast) = rest.strip_prefix("::") {
            let name = cast.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            rest = name.strip_prefix("[]").unwrap_or(name);
        }
    }
    portable.push_str(rest);
    portable
}

/// Text, or null.
pub(crate) fn optional_text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, |text| Value::Text(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts_of_parameters_are_taken_out_for_sqlite() {
        let text = "UPDATE x SET a = $1::uuid, b = $12::text[] WHERE c = $2";
        assert_eq!(without_casts(text), "UPDATE x SET a = ?1, b = ?12 WHERE c = ?2");
    }
}
