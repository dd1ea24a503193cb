//! How text matches and orders: Unicode case folding, and the key by which text is ordered.
//!
//! Text matches if its folded forms are equal; it orders by its folded form without marks, so that È stands beside E.

pub mod postgres;
pub mod words;

use std::borrow::Cow;

use icu_casemap::CaseMapper;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

use crate::resolve::INDEXED_TEXT_LENGTH_MAX;

/// `text` by full default case folding (Unicode 3.13, `toCasefold`), code point by code point; not the Turkic one.
pub fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Cow::Owned(text.to_ascii_lowercase());
        }
        return Cow::Borrowed(text);
    }
    CaseMapper::new().fold_string(text)
}

/// An address to sign in with in its one form: equal ones are one account, and none that only looks alike is. Compatible forms
/// of a letter are one (NFKC) and case does not matter; marks do.
pub fn account_key(address: &str) -> String {
    let composed: String = address.trim().nfkc().collect();
    fold(&composed).nfkc().collect()
}

/// What text is ordered by: the canonical decomposition of the folded form, without the marks U+0300 to U+036F.
pub fn sort_key(text: &str) -> Cow<'_, str> {
    let folded = fold(text);
    if folded.is_ascii() {
        return folded;
    }
    Cow::Owned(folded.nfd().filter(|character| !is_mark(*character)).collect())
}

/// So many of the last character stand behind every text that may be in an index.
const LAST_COUNT: usize = INDEXED_TEXT_LENGTH_MAX as usize + 1;

/// Where the sort keys of texts lie that begin with `text`, both folded: from the first on, and before the second, by code points.
/// Others may lie there too.
pub fn sort_keys_from(text: &str) -> (String, String) {
    let decomposed: Vec<char> = fold(text).nfd().collect();
    // Marks at the end change places with those that follow them in a longer text.
    let settled = decomposed.iter().rposition(|character| canonical_combining_class(*character) == 0);
    let settled = settled.map_or(0, |last| last + 1);
    let start: String = decomposed[..settled].iter().copied().filter(|character| !is_mark(*character)).collect();
    let mut end: Vec<char> = start.chars().collect();
    while let Some(last) = end.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            break;
        }
    }
    let end = if end.is_empty() { char::MAX.to_string().repeat(LAST_COUNT) } else { end.into_iter().collect() };
    (start, end)
}

/// `text` in small letters, code point by code point; one whose small form is several code points stays.
pub fn lower(text: &str) -> String {
    text.chars().map(lower_char).collect()
}

/// `text` in capital letters, code point by code point; one whose capital form is several code points stays: `ß`.
pub fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

fn lower_char(character: char) -> char {
    single(character.to_lowercase(), character)
}

fn upper_char(character: char) -> char {
    single(character.to_uppercase(), character)
}

fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(mapped), None) => mapped,
        _ => otherwise,
    }
}

/// The code points beyond ASCII that [`lower`] changes, and what they become, at the same positions.
pub fn lower_table() -> (String, String) {
    case_table(lower_char)
}

/// The same of [`upper`].
pub fn upper_table() -> (String, String) {
    case_table(upper_char)
}

fn case_table(mapped: fn(char) -> char) -> (String, String) {
    let pairs = ('\u{80}'..=char::MAX).map(|character| (character, mapped(character)));
    pairs.filter(|(character, mapped)| character != mapped).unzip()
}

/// What stands around a text and is no part of it.
pub fn white_space() -> String {
    ('\0'..=char::MAX).filter(|character| character.is_whitespace()).collect()
}

/// How single code points beyond ASCII fold, for databases to do exactly the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoldTables {
    /// Code points that fold to one code point.
    pub from: String,
    /// What those of `from` fold to, at the same positions.
    pub to: String,
    /// Code points that fold to several.
    pub expansions: Vec<(char, String)>,
}

/// The tables of [`fold`], in the order of code points.
pub fn fold_tables() -> FoldTables {
    let mut tables = FoldTables { from: String::new(), to: String::new(), expansions: Vec::new() };
    for character in '\u{80}'..=char::MAX {
        let mut buffer = [0_u8; 4];
        let text: &str = character.encode_utf8(&mut buffer);
        let folded = fold(text);
        if folded == text {
            continue;
        }
        if folded.chars().count() == 1 {
            tables.from.push(character);
            tables.to.push_str(&folded);
        } else {
            tables.expansions.push((character, folded.into_owned()));
        }
    }
    tables
}

fn is_mark(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_has_one_form_and_marks_make_another() {
        for (a, b) in [(" Ann@Example.org ", "ann@example.org"), ("ﬁ@x.org", "FI@x.org"), ("e\u{301}@x.org", "É@x.org")]
        {
            assert_eq!(account_key(a), account_key(b), "{a} {b}");
        }
        assert_ne!(account_key("admin@exámple.com"), account_key("admin@example.com"));
        assert_ne!(account_key("аdmin@example.com"), account_key("admin@example.com"), "a Cyrillic letter");
    }

    #[test]
    fn case_does_not_matter_when_folded() {
        for (a, b) in
            [("Straße", "STRASSE"), ("ΣΊΣΥΦΟΣ", "σίσυφος"), ("ŀOAD", "ĿOad"), ("ﬃ", "FFI"), ("K", "k"), ("Ǆ", "ǆ")]
        {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        // Not the Turkic mapping, and marks matter.
        for (a, b) in [("I", "ı"), ("e", "è"), ("İ", "i")] {
            assert_ne!(fold(a), fold(b), "{a} {b}");
        }
    }

    #[test]
    fn ascii_that_is_folded_is_not_copied() {
        assert!(matches!(fold("plain 12"), Cow::Borrowed(_)));
        assert!(matches!(sort_key("plain 12"), Cow::Borrowed(_)));
        assert_eq!(fold("Plain"), "plain");
    }

    #[test]
    fn marks_do_not_order() {
        assert_eq!(sort_key("Èco"), "eco");
        assert_eq!(sort_key("E\u{300}co"), "eco");
        assert_eq!(sort_key("Ǖ"), "u");
        // The dot of İ is a mark once it is folded.
        assert_eq!(sort_key("İ"), "i");
        // Letters with strokes are letters of their own.
        assert_ne!(sort_key("ø"), "o");
        let mut names = ["Zoe", "eva", "Èlia", "Ezio", "Elia"];
        names.sort_by_key(|name| (sort_key(name).into_owned(), (*name).to_owned()));
        assert_eq!(names, ["Elia", "Èlia", "eva", "Ezio", "Zoe"]);
    }

    #[test]
    fn keys_from_a_beginning_are_narrow() {
        let keys = |start: &str, end: &str| (start.to_owned(), end.to_owned());
        assert_eq!(sort_keys_from("Rò"), keys("ro", "rp"));
        assert_eq!(sort_keys_from("\u{d7ff}"), keys("\u{d7ff}", "\u{e000}"));
        assert_eq!(sort_keys_from("a\u{10ffff}"), keys("a\u{10ffff}", "b"));
        // A mark that another one may come before.
        assert_eq!(sort_keys_from("\u{5e9}\u{5bc}"), keys("\u{5e9}", "\u{5ea}"));
        for all in ["", "\u{10ffff}\u{10ffff}"] {
            let (start, end) = sort_keys_from(all);
            assert_eq!((start.as_str(), end.chars().count()), (all, 501));
        }
    }

    #[test]
    fn case_goes_code_point_by_code_point_and_once() {
        assert_eq!((lower("ÀÉß Straße K"), upper("àéß ﬃ ſ")), ("àéß straße k".to_owned(), "ÀÉß ﬃ S".to_owned()));
        for (table, mapped) in [(lower_table(), lower as fn(&str) -> String), (upper_table(), upper)] {
            assert!(table.0.chars().count() > 1300 && table.0.chars().count() == table.1.chars().count());
            // Nothing that comes out is changed again, so that the order of replacing cannot matter.
            assert_eq!(mapped(&table.1), table.1);
            assert!(!table.1.contains(['\'', '\\', '$']));
        }
        assert!(white_space().contains([' ', '\u{a0}', '\u{3000}']) && !white_space().contains('\u{200b}'));
    }

    #[test]
    fn the_tables_hold_pairs() {
        let tables = fold_tables();
        assert_eq!(tables.from.chars().count(), tables.to.chars().count());
        assert!(tables.from.chars().count() > 1300 && tables.expansions.len() > 100, "{}", tables.from.chars().count());
        assert!(tables.expansions.contains(&('ß', "ss".to_owned())));
        // Nothing that comes out folds again, so that the order of replacing cannot matter.
        for text in tables.expansions.iter().map(|(_, to)| to.as_str()).chain([tables.to.as_str()]) {
            assert_eq!(fold(text), text);
        }
    }

    proptest! {
        #[test]
        fn folding_goes_code_point_by_code_point(text in "\\PC{0,20}") {
            let single: String = text.chars().map(|character| fold(&character.to_string()).into_owned()).collect();
            prop_assert_eq!(fold(&text), single.as_str());
            prop_assert_eq!(fold(&single), single.as_str());
        }

        #[test]
        fn keys_of_texts_lie_among_those_from_their_beginnings(text in "[a-cß\u{e9}\u{301}\u{327}\u{5b0}\u{5bc}\u{5e9}\u{fb01}\u{ac01}\u{d7ff}\u{10ffff}]{0,8}") {
            let (folded, key) = (fold(&text), sort_key(&text));
            for length in 0..=folded.chars().count() {
                let beginning: String = folded.chars().take(length).collect();
                let (start, end) = sort_keys_from(&beginning);
                prop_assert!(start.as_str() <= key.as_ref() && key.as_ref() < end.as_str(), "{beginning} {start} {end}");
            }
        }

        #[test]
        fn keys_ignore_case(text in "\\PC{0,20}") {
            let folded = fold(&text);
            prop_assert_eq!(sort_key(&text), sort_key(&folded));
        }
    }
}
