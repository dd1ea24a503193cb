//! The words of a text as the search knows them: folded, without marks, cut at everything that is neither letter nor digit.
//!
//! There is no stemming and there are no stop words: what is found does not depend on a language, and is the same for Italian and
//! English texts in one field. A word is found by its beginning, which covers most endings of both.

use super::sort_key;
use crate::catalog::{Field, FieldKind, TextFormat};

/// Most characters of one value that the search reads: what comes after them is not found. A bound on the size of the index.
pub const SEARCHED_LENGTH_MAX: usize = 20_000;

/// Most characters of a word; what is longer is cut, in texts and in what is searched for alike.
pub const WORD_LENGTH_MAX: usize = 64;

/// Code points between words, in order: all of ASCII but letters and digits, and the blocks of punctuation, symbols and emoji.
/// A table of ours and not a property of Unicode, so that both databases cut alike, whatever their version of it.
pub(super) const SEPARATORS: [(char, char); 30] = [
    ('\u{1}', '\u{2f}'),
    ('\u{3a}', '\u{60}'),
    ('\u{7b}', '\u{a9}'),
    ('\u{ab}', '\u{b1}'),
    ('\u{b4}', '\u{b4}'),
    ('\u{b6}', '\u{b8}'),
    ('\u{bb}', '\u{bf}'),
    ('\u{d7}', '\u{d7}'),
    ('\u{f7}', '\u{f7}'),
    ('\u{5be}', '\u{5be}'),
    ('\u{5c0}', '\u{5c0}'),
    ('\u{5c3}', '\u{5c3}'),
    ('\u{5f3}', '\u{5f4}'),
    ('\u{60c}', '\u{60d}'),
    ('\u{61b}', '\u{61f}'),
    ('\u{66a}', '\u{66d}'),
    ('\u{6d4}', '\u{6d4}'),
    ('\u{964}', '\u{965}'),
    ('\u{2000}', '\u{206f}'),
    ('\u{20a0}', '\u{20cf}'),
    ('\u{2190}', '\u{2bff}'),
    ('\u{2e00}', '\u{2e7f}'),
    ('\u{3000}', '\u{3004}'),
    ('\u{3008}', '\u{3020}'),
    ('\u{fe10}', '\u{fe1f}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ff00}', '\u{ff0f}'),
    ('\u{ff1a}', '\u{ff20}'),
    ('\u{1f000}', '\u{1faff}'),
];

/// The words of a text in their order, as often as they stand in it.
pub fn words(text: &str) -> Vec<String> {
    let key = sort_key(beginning(text));
    key.split(is_separator).filter(|word| !word.is_empty()).map(|word| cut(word).to_owned()).collect()
}

/// The words with one space between them.
pub fn words_text(text: &str) -> String {
    words(text).join(" ")
}

/// Rich text as the search reads it: what stands between `<` and `>`, and character references, are no words.
pub fn plain(rich: &str) -> String {
    let mut text = String::with_capacity(rich.len());
    let mut rest = rich;
    while let Some(start) = rest.find(['<', '&']) {
        text.push_str(&rest[..start]);
        let tail = &rest[start..];
        let end = match tail.starts_with('<') {
            true => tail.find('>'),
            false => tail[1..].find(|character: char| !is_of_reference(character)).map(|end| end + 1),
        };
        let end = end.filter(|end| tail.starts_with('<') || (*end > 1 && tail[*end..].starts_with(';')));
        match end {
            Some(end) => {
                text.push(' ');
                rest = &tail[end + 1..];
            }
            None => {
                text.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// The same for PostgreSQL.
pub const PLAIN_PATTERN_OF_POSTGRES: &str = "<[^>]*>|&[#0-9A-Za-z]+;";

fn is_of_reference(character: char) -> bool {
    character == '#' || character.is_ascii_alphanumeric()
}

/// Whether a field holds rich text.
pub fn is_rich(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Text { format: TextFormat::Rich, .. })
}

/// Whether a character stands between words.
pub fn is_separator(character: char) -> bool {
    character == '\0'
        || SEPARATORS
            .binary_search_by(|(first, last)| match (*first > character, *last < character) {
                (true, _) => std::cmp::Ordering::Greater,
                (_, true) => std::cmp::Ordering::Less,
                _ => std::cmp::Ordering::Equal,
            })
            .is_ok()
}

/// A part of a text around the first of these words, with `…` where something is left out; `None` if none of them stands in it.
///
/// Words are found as the search finds them, by their beginnings.
pub fn snippet(text: &str, terms: &[String], length_max: usize) -> Option<String> {
    let text = beginning(text);
    let start = word_starts(text).find(|(start, end)| {
        let word = sort_key(&text[*start..*end]);
        terms.iter().any(|term| cut(&word).starts_with(term.as_str()))
    })?;
    let before = length_max / 4;
    let from = text[..start.0].char_indices().rev().nth(before.saturating_sub(1)).map_or(0, |(at, _)| at);
    let from = if from == 0 { 0 } else { next_word(text, from).min(start.0) };
    let to = text[from..].char_indices().nth(length_max).map_or(text.len(), |(at, _)| from + at);
    let to = if to == text.len() { to } else { last_space(text, start.1.min(to), to) };
    let part = text[from..to].split_whitespace().collect::<Vec<_>>().join(" ");
    let (left, right) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
    Some(format!("{left}{part}{right}"))
}

/// Where the words of the text as it stands begin and end. A mark belongs to its letter, and no separator is folded to a letter.
fn word_starts(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = from + text[from..].find(|character| !is_cut(character))?;
        let end = text[start..].find(is_cut).map_or(text.len(), |length| start + length);
        from = end;
        Some((start, end))
    })
}

/// As [`is_separator`], for text that is not folded yet. A mark by itself is nothing when folded, and cuts nothing.
fn is_cut(character: char) -> bool {
    if character.is_ascii() {
        return !character.is_ascii_alphanumeric();
    }
    let mut buffer = [0_u8; 4];
    let key = sort_key(character.encode_utf8(&mut buffer));
    !key.is_empty() && key.chars().all(is_separator)
}

fn next_word(text: &str, from: usize) -> usize {
    text[from..].find(char::is_whitespace).map_or(from, |length| from + length)
}

fn last_space(text: &str, from: usize, to: usize) -> usize {
    text[from..to].rfind(char::is_whitespace).map_or(to, |length| from + length)
}

fn beginning(text: &str) -> &str {
    first_characters(text, SEARCHED_LENGTH_MAX)
}

fn cut(word: &str) -> &str {
    first_characters(word, WORD_LENGTH_MAX)
}

fn first_characters(text: &str, count: usize) -> &str {
    // No text has more characters than bytes.
    match text.len() > count {
        true => text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end]),
        false => text,
    }
}

/// The separators as a bracket expression of PostgreSQL's regular expressions, with escapes for what is not plain.
pub(super) fn separators_of_postgres() -> String {
    let escaped = |character: char| match u32::from(character) {
        code @ 0..=0xffff => format!("\\u{code:04x}"),
        code => format!("\\U{code:08x}"),
    };
    let ranges: String =
        SEPARATORS.iter().map(|(first, last)| format!("{}-{}", escaped(*first), escaped(*last))).collect();
    format!("[{ranges}]")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_are_folded_and_without_marks() {
        assert_eq!(words("Perché l’Aquila è BELLA?"), ["perche", "l", "aquila", "e", "bella"]);
        assert_eq!(words("anna@rossi.it, tel. +39-06/1234"), ["anna", "rossi", "it", "tel", "39", "06", "1234"]);
        assert_eq!(words("Straße 5²"), ["strasse", "5²"]);
        assert_eq!(words(" -- “…” 🙂 "), Vec::<String>::new());
        assert_eq!(words("naïve coöperation don't"), ["naive", "cooperation", "don", "t"]);
    }

    #[test]
    fn what_is_too_long_is_cut() {
        assert_eq!(words(&"x".repeat(100)), ["x".repeat(WORD_LENGTH_MAX)]);
        let long = format!("{} end", "à ".repeat(SEARCHED_LENGTH_MAX / 2));
        assert!(!words(&long).contains(&"end".to_owned()));
        assert_eq!(words(&long).len(), SEARCHED_LENGTH_MAX / 2);
    }

    #[test]
    fn a_snippet_shows_the_first_word_that_was_found() {
        let terms = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(snippet("Short and perché not", &terms(&["perche"]), 100).unwrap(), "Short and perché not");
        assert_eq!(snippet("Short and perché not", &terms(&["absent"]), 100), None);
        let long = format!("{}the Perché word{}", "before ".repeat(50), " after".repeat(50));
        let shown = snippet(&long, &terms(&["perch"]), 60).unwrap();
        assert!(shown.starts_with("…") && shown.ends_with('…') && shown.contains("Perché"), "{shown}");
        assert!(shown.chars().count() <= 62, "{shown}");
        assert_eq!(snippet("a\n\tb  c", &terms(&["b"]), 50).unwrap(), "a b c");
    }

    #[test]
    fn tags_and_references_are_no_words() {
        assert_eq!(words(&plain("<p class=\"x\">Ciao&nbsp;<b>Anna</b> &amp; Ugo &#39;</p>")), ["ciao", "anna", "ugo"]);
        assert_eq!(plain("a < b & c; d &; e &x f"), "a < b & c; d &; e &x f");
        assert_eq!(plain("1 <2"), "1 <2");
    }

    #[test]
    fn separators_are_in_order_and_need_no_quote() {
        assert!(SEPARATORS.windows(2).all(|pair| pair[0].1 < pair[1].0), "in order and apart");
        assert!(SEPARATORS.iter().all(|(first, last)| first <= last));
        assert!(!separators_of_postgres().contains(['\'', '$']));
    }

    proptest! {
        #[test]
        fn a_word_is_a_word_of_itself(text in "\\PC{0,40}") {
            for word in words(&text) {
                prop_assert_eq!(sort_key(&word), word.as_str());
                prop_assert_eq!(words(&word), vec![word.clone()]);
            }
        }

        #[test]
        fn every_word_that_is_found_has_a_snippet(text in "[\\PC\\n]{0,60}", length in 1_usize..50) {
            for word in words(&text) {
                prop_assert!(snippet(&text, std::slice::from_ref(&word), length).is_some(), "{word:?} in {text:?}");
            }
        }
    }
}
