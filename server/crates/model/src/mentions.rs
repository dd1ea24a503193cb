//! What a module's feature `mentions` says, which texts mention users, and how a mention is found in one.

use serde::Deserialize;

use crate::catalog::{Catalog, Field, FieldKind, Module, TextFormat};
use crate::feature::Feature;
use crate::{Issue, path};

/// Most different names of a text that are looked at.
pub const MENTIONS_MAX: usize = 50;

/// The feature as the module's document has it. A name that no longer leads to a text is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mentions {
    /// Texts of the module.
    pub fields: Vec<String>,
}

impl Mentions {
    /// The texts, those that are there.
    pub fn texts<'m>(&'m self, module: &'m Module) -> impl Iterator<Item = &'m Field> {
        self.fields.iter().filter_map(move |name| module.field_named(name)).filter(|field| is_text(field))
    }
}

impl Feature for Mentions {
    const NAME: &'static str = "mentions";

    fn check(&self, _: &Catalog, module: &Module) -> Vec<Issue> {
        let fault = |(position, name): (usize, &String)| {
            let (rule, message) = match module.field_named(name) {
                Some(field) if is_text(field) => return None,
                Some(_) => ("type", format!("`{name}` must be a text of the module, of one line, of several or rich")),
                None => ("unknownField", format!("`{}` has no field `{name}`", module.name)),
            };
            Some(Issue::new(path!["fields", position], rule, message))
        };
        self.fields.iter().enumerate().filter_map(fault).collect()
    }
}

fn is_text(field: &Field) -> bool {
    let FieldKind::Text { format, .. } = &field.kind else { return false };
    field.column.is_some() && matches!(format, TextFormat::Plain | TextFormat::Long | TextFormat::Rich)
}

/// The names that a text mentions, as they stand behind the sign: `anna` or `anna@example.org`; each once, the first
/// [`MENTIONS_MAX`]. A sign inside a word, such as that of an address, mentions nobody.
pub fn mentioned(text: &str, is_rich: bool) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let text = if is_rich { without_tags(text) } else { text.to_owned() };
    let mut before = ' ';
    for (position, character) in text.char_indices() {
        let begins = character == '@' && !in_word(before) && !matches!(before, '@' | '/' | '=');
        before = character;
        if !begins {
            continue;
        }
        let name = name_at(&text[position + 1..]);
        if !name.is_empty() && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
            if names.len() == MENTIONS_MAX {
                break;
            }
        }
    }
    names
}

/// The longest name with which the text begins: with a host behind a second sign, if one follows.
fn name_at(text: &str) -> &str {
    let end_of = |text: &str| text.find(|character| !in_word(character)).unwrap_or(text.len());
    let own = end_of(text);
    let host = match text[own..].strip_prefix('@') {
        Some(rest) if own > 0 => end_of(rest),
        _ => 0,
    };
    let end = if host > 0 { own + 1 + host } else { own };
    // What ends a sentence is no part of a name.
    text[..end].trim_end_matches(['.', '-', '_', '+', '@'])
}

fn in_word(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | '_' | '+' | '-')
}

/// Rich text is sanitised, so that `<` begins a tag and nothing else.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => {
                inside = true;
                text.push(' ');
            }
            '>' if inside => inside = false,
            _ if inside => {}
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_people_write_them() {
        for (text, names) in [
            ("@anna, and @bruno.", vec!["anna", "bruno"]),
            ("(@anna.rossi) @anna.rossi! @Élodie-2", vec!["anna.rossi", "Élodie-2"]),
            ("ask @anna@example.org.", vec!["anna@example.org"]),
            ("anna@example.org, a@@b, https://example.org/@anna, a=@x", vec![]),
            ("@ @. @- x@anna", vec![]),
            ("@anna@ @bruno@,", vec!["anna", "bruno"]),
            ("", vec![]),
        ] {
            assert_eq!(mentioned(text, false), names, "{text}");
        }
    }

    #[test]
    fn tags_of_rich_text_mention_nobody() {
        let html = r#"<p title="@bruno">Dear<b>@anna</b>&nbsp;@carla<br>@dario</p>"#;
        assert_eq!(mentioned(html, true), ["anna", "carla", "dario"]);
    }

    #[test]
    fn so_many_names_are_looked_at_and_no_more() {
        let text: String = (0..60).map(|number| format!("@user{number} @user0 ")).collect();
        let names = mentioned(&text, false);
        assert_eq!((names.len(), names.last().map(String::as_str)), (MENTIONS_MAX, Some("user49")));
    }
}
