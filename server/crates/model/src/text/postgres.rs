//! The SQL functions by which PostgreSQL folds and orders text exactly as this crate does, whatever its locale.
//!
//! The tables come from this crate, so that only the decomposition for the order depends on the server's version of Unicode.

use super::words::{SEARCHED_LENGTH_MAX, WORD_LENGTH_MAX, separators_of_postgres};
use super::{FoldTables, fold_tables};

/// Pairs of one `translate`, which compares each character of the text with all of them.
const PAIRS_MAX: usize = 128;

/// Statements that create `cardine_fold(text)`, `cardine_sort_key(text)` and `cardine_words(text)`, one after the other. The last
/// gives the set of a text's words as a `tsvector` ([`super::words`]), made without PostgreSQL's own parser, which cuts by the
/// server's locale.
///
/// All are immutable, so that indexes may be built on them, and each stands alone, so that a restored dump builds those
/// indexes whatever the search path is. They are in PL/pgSQL because a function in SQL that cannot be inlined costs twenty
/// times as much per call. ASCII, most of all text, takes the short way, and other text only the steps that it needs:
///
/// ```sql
/// CREATE OR REPLACE FUNCTION cardine_fold(text) RETURNS text
/// IMMUTABLE STRICT PARALLEL SAFE LANGUAGE plpgsql AS $cardine$
/// DECLARE folded text COLLATE "C" := lower($1 COLLATE "C");
/// BEGIN
/// IF octet_length(folded) = length(folded) THEN RETURN folded; END IF;
/// IF folded ~ '[ÀÁ…]' THEN folded := translate(folded, 'ÀÁ…', 'àá…'); END IF;
/// IF folded ~ '[ßŉ…]' THEN folded := replace(replace(folded, 'ß', 'ss'), 'ŉ', 'ʼn'); END IF;
/// RETURN folded;
/// END $cardine$;
/// ```
pub fn postgres_functions() -> String {
    let steps = folding_steps(&fold_tables());
    let function = |name: &str, ty: &str, attributes: &str, text: &str, short: &str, result: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION {name}(text) RETURNS {ty}\n\
             IMMUTABLE STRICT PARALLEL SAFE {attributes}LANGUAGE plpgsql AS $cardine$\n\
             DECLARE folded text COLLATE \"C\" := lower({text} COLLATE \"C\");\n\
             BEGIN\n\
             IF octet_length(folded) = length(folded) THEN RETURN {short}; END IF;\n\
             {steps}\
             RETURN {result};\n\
             END $cardine$;\n"
        )
    };
    let key = "regexp_replace(normalize(folded, NFD), '[\\u0300-\\u036F]', '', 'g')";
    let beginning = format!("left($1, {SEARCHED_LENGTH_MAX})");
    let words = |text: &str| {
        let separators = separators_of_postgres();
        format!(
            "array_to_tsvector(ARRAY(SELECT left(word, {WORD_LENGTH_MAX}) \
             FROM regexp_split_to_table({text}, '{separators}+') AS found(word) WHERE word <> ''))"
        )
    };
    function("cardine_fold", "text", "", "$1", "folded", "folded")
        + &function("cardine_sort_key", "text", "", "$1", "folded", key)
        // Told to be dear, so that the planner never calls it for each row where an index has the answer.
        + &function("cardine_words", "tsvector", "COST 10000 ", &beginning, &words("folded"), &words(key))
}

/// Statements that fold the variable `folded`, whose ASCII letters are small already.
///
/// No text in them is ASCII on the left, and none holds a quote, a backslash or a bracket, so nothing needs escaping. What
/// comes out of one step is folded, so their order does not matter.
fn folding_steps(tables: &FoldTables) -> String {
    let mut steps = String::new();
    let pairs: Vec<(char, char)> = tables.from.chars().zip(tables.to.chars()).collect();
    for part in pairs.chunks(PAIRS_MAX) {
        let (from, to): (String, String) = part.iter().copied().unzip();
        steps += &format!("IF folded ~ '[{from}]' THEN folded := translate(folded, '{from}', '{to}'); END IF;\n");
    }
    let (mut class, mut expression) = (String::new(), "folded".to_owned());
    for (from, to) in &tables.expansions {
        class.push(*from);
        expression = format!("replace({expression}, '{from}', '{to}')");
    }
    steps + &format!("IF folded ~ '[{class}]' THEN folded := {expression}; END IF;\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_in_the_statements_need_no_escape() {
        let tables = fold_tables();
        let from = tables.from.chars().chain(tables.expansions.iter().map(|(from, _)| *from));
        assert!(from.into_iter().all(|character| !character.is_ascii()));
        let to = tables.expansions.iter().map(|(_, to)| to.as_str()).chain([tables.to.as_str()]);
        for text in to {
            assert!(!text.contains(['\'', '\\', '$']), "{text}");
        }
    }

    #[test]
    fn every_mapping_is_in_both_functions() {
        let sql = postgres_functions();
        assert_eq!(sql.matches("CREATE OR REPLACE FUNCTION").count(), 3);
        assert_eq!(sql.matches(", 'ß', 'ss')").count(), 3);
        for character in fold_tables().from.chars() {
            // Once in the test and once in the mapping of each function.
            assert_eq!(sql.matches(character).count(), 6, "{character}");
        }
    }
}
