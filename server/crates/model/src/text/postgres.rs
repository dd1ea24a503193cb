//! The SQL functions by which PostgreSQL folds and orders text exactly as this crate does, whatever its locale.
//!
//! The tables come from this crate, so that only the decomposition for the order depends on the server's version of Unicode.

use super::{FoldTables, fold_tables};

/// Statements that create `cardine_fold(text)` and `cardine_sort_key(text)`, one after the other.
///
/// Both are immutable, so that indexes may be built on them, and each stands alone, so that a restored dump builds those
/// indexes whatever the search path is. ASCII, most of all text, takes the short way:
///
/// ```sql
/// CREATE OR REPLACE FUNCTION cardine_fold(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $$
///   SELECT CASE WHEN $1 !~ '[^\x01-\x7f]' THEN lower($1 COLLATE "C")
///     ELSE replace(translate(lower($1 COLLATE "C"), 'ÀÁ…', 'àá…'), 'ß', 'ss') END $$;
/// ```
pub fn postgres_functions() -> String {
    let folded = folded_argument(&fold_tables());
    let function = |name: &str, beyond_ascii: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION {name}(text) RETURNS text IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS $cardine$\n\
             SELECT CASE WHEN $1 !~ '[^\\x01-\\x7f]' THEN lower($1 COLLATE \"C\")\n\
             ELSE {beyond_ascii} END\n\
             $cardine$;\n"
        )
    };
    let sort_key =
        format!("regexp_replace(normalize({folded}, NFD), '[\\u0300-\\u036F]', '', 'g')");
    function("cardine_fold", &folded) + &function("cardine_sort_key", &sort_key)
}

/// The expression that folds `$1`. Nothing in the tables is ASCII on the left, so no quote or backslash needs escaping.
fn folded_argument(tables: &FoldTables) -> String {
    let mut expression = format!(
        "translate(lower($1 COLLATE \"C\"), '{}', '{}')",
        tables.from, tables.to
    );
    for (from, to) in &tables.expansions {
        expression = format!("replace({expression}, '{from}', '{to}')");
    }
    expression
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_the_statements_need_no_escape() {
        let tables = fold_tables();
        let texts = tables
            .expansions
            .iter()
            .map(|(_, to)| to.as_str())
            .chain([tables.from.as_str(), tables.to.as_str()]);
        for text in texts {
            assert!(!text.contains(['\'', '\\', '$']), "{text}");
        }
        let sql = postgres_functions();
        assert_eq!(sql.matches("CREATE OR REPLACE FUNCTION").count(), 2);
        assert!(sql.contains("'ß', 'ss')"));
    }
}
