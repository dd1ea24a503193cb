//! Names that came from outside, each made by one checking constructor, and the SQL names derived from them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest name of a module or field, in characters (all ASCII).
pub const NAME_LENGTH_MAX: usize = 48;

/// A module's name: `[A-Z][A-Za-z0-9]{0,47}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModuleName(String);

/// A field's name: `[a-z][A-Za-z0-9]{0,47}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldName(String);

impl ModuleName {
    /// Checks `text` against the pattern.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text, |first| first.is_ascii_uppercase()).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FieldName {
    /// Checks `text` against the pattern.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(text, |first| first.is_ascii_lowercase()).then(|| Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_name(text: &str, first_ok: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= NAME_LENGTH_MAX
        && bytes.first().is_some_and(|first| first_ok(*first))
        && bytes.iter().all(u8::is_ascii_alphanumeric)
}

/// The SQL name of a module or field: snake_case (`taxId2` → `tax_id2`, `billingURL` → `billing_url`).
///
/// A run of capitals is one word, whose last capital starts the next word if a small letter follows (`URLPath` → `url_path`).
pub fn snake_case(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut snake = String::with_capacity(name.len() + 4);
    for (position, byte) in bytes.iter().enumerate() {
        if byte.is_ascii_uppercase() && position > 0 {
            let after_small = !bytes[position - 1].is_ascii_uppercase();
            let before_small = bytes.get(position + 1).is_some_and(u8::is_ascii_lowercase);
            if after_small || before_small {
                snake.push('_');
            }
        }
        snake.push(byte.to_ascii_lowercase() as char);
    }
    snake
}

/// `name` with its first letter lower-cased: the root field of a module.
pub fn lower_first(name: &str) -> String {
    change_first(name, |first| first.to_ascii_lowercase())
}

/// `name` with its first letter upper-cased: the type of a field.
pub fn upper_first(name: &str) -> String {
    change_first(name, |first| first.to_ascii_uppercase())
}

fn change_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut characters = name.chars();
    characters.next().map(change).into_iter().chain(characters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_no_names() {
        for text in ["", "a\"; drop table x", "é", "😀", "a_b", "1a", "A b", &"a".repeat(49)] {
            assert!(FieldName::parse(text).is_none(), "{text}");
            assert!(ModuleName::parse(text).is_none(), "{text}");
        }
        assert!(FieldName::parse(&"a".repeat(48)).is_some());
        assert!(ModuleName::parse("Lead2").is_some());
        assert!(ModuleName::parse("lead").is_none());
        assert!(FieldName::parse("Name").is_none());
    }

    #[test]
    fn snake_case_splits_words() {
        for (name, snake) in [
            ("taxId2", "tax_id2"),
            ("billingURL", "billing_url"),
            ("URLPath", "url_path"),
            ("SalesOrder", "sales_order"),
            ("a", "a"),
            ("x2Y", "x2_y"),
        ] {
            assert_eq!(snake_case(name), snake);
        }
    }
}
