//! What things of the schema say of themselves to people: of modules, in the language of who reads.

use std::borrow::Cow;

use cardine_model::Field;
use cardine_model::definition::Label;

/// A description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Of Cardine itself, in English.
    Fixed(String),
    /// Of a module.
    Label(Label),
    /// Of a module, and what Cardine says behind it.
    LabelThen(Label, &'static str),
    /// A field's label and, after an empty line, its help: who shows a form needs both, and each for itself.
    LabelAndHelp(Label, Label),
}

impl Words {
    /// A field's.
    pub(super) fn of_field(field: &Field) -> Self {
        match &field.help {
            Some(help) => Self::LabelAndHelp(field.label.clone(), help.clone()),
            None => Self::Label(field.label.clone()),
        }
    }

    /// In this language, as far as there are words in it.
    pub fn text(&self, language: &str) -> Cow<'_, str> {
        match self {
            Self::Fixed(text) => text.into(),
            Self::Label(label) => label.text(language).into(),
            Self::LabelThen(label, then) => format!("{} {then}", label.text(language)).into(),
            Self::LabelAndHelp(label, help) => format!("{}\n\n{}", label.text(language), help.text(language)).into(),
        }
    }
}

impl From<&str> for Words {
    fn from(text: &str) -> Self {
        Self::Fixed(text.to_owned())
    }
}

impl From<String> for Words {
    fn from(text: String) -> Self {
        Self::Fixed(text)
    }
}
