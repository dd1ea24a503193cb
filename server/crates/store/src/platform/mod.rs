//! Statements over the platform's own tables, written once for both databases.

pub mod access;
pub mod condition;
pub mod events;
pub mod feed;
pub mod permission_sets;
pub mod plugins;
pub mod sessions;
pub mod settings;
pub mod sharing;
pub mod statistics;
pub mod tokens;
pub mod workflows;

use cardine_model::Value;
use cardine_query::Slot;
use cardine_sql::{ColumnType, Dialect, Param, Statement, Transform};

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
