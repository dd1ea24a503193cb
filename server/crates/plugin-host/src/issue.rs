//! One thing that is wrong with a document, and where it stands.

use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a package or an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Issue {
    /// Where, from the document's root on: `["functions", 0, "name"]`.
    pub path: Vec<PathStep>,
    /// The rule that was broken, as a stable word such as `required` or `duplicate`.
    pub rule: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A name or an index on the way to a value inside a JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum PathStep {
    /// A key of an object.
    Name(String),
    /// A position in an array.
    Index(usize),
}

impl From<&str> for PathStep {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for PathStep {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl Issue {
    /// An issue at `path`.
    pub fn new(path: Vec<PathStep>, rule: &str, message: impl Into<String>) -> Self {
        Self { path, rule: rule.to_owned(), message: message.into() }
    }

    /// An issue found by a JSON Schema.
    pub(crate) fn from_schema(error: &jsonschema::ValidationError<'_>) -> Self {
        let path = error
            .instance_path()
            .as_str()
            .split('/')
            .skip(1)
            .map(|segment| match segment.parse() {
                Ok(index) => PathStep::Index(index),
                Err(_) => PathStep::Name(segment.replace("~1", "/").replace("~0", "~")),
            })
            .collect();
        let keyword = error.schema_path().as_str().rsplit('/').find(|word| word.parse::<usize>().is_err());
        Self::new(path, keyword.filter(|word| !word.is_empty()).unwrap_or("schema"), error.to_string())
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, step) in self.path.iter().enumerate() {
            match step {
                PathStep::Name(name) if position == 0 => write!(formatter, "{name}")?,
                PathStep::Name(name) => write!(formatter, ".{name}")?,
                PathStep::Index(index) => write!(formatter, "[{index}]")?,
            }
        }
        let separator = if self.path.is_empty() { "" } else { ": " };
        write!(formatter, "{separator}{}", self.message)
    }
}
