//! One fault in a definition or an input, with the place where it stands.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A step of a path into a JSON document or an argument: `["fields", 0, "name"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum PathSegment {
    /// A key of an object.
    Name(String),
    /// A position in a list, from 0.
    Index(usize),
}

impl Serialize for PathSegment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => serializer.serialize_str(name),
            Self::Index(index) => serializer.serialize_u64(*index as u64),
        }
    }
}

impl From<&str> for PathSegment {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for PathSegment {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<usize> for PathSegment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// One fault: where it is, the rule that it breaks, and what would be right.
///
/// A definition or an input reports all its issues at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// From the document's root, or from the argument on.
    pub path: Vec<PathSegment>,
    /// A stable name for the rule that is broken, in camelCase: `required`, `pattern`, `unknownField`.
    pub rule: String,
    /// For the person who must act: what is wrong and what would be right.
    pub message: String,
}

impl Issue {
    /// An issue at `path`.
    pub fn new(path: Vec<PathSegment>, rule: &str, message: impl Into<String>) -> Self {
        Self { path, rule: rule.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.path.iter().enumerate() {
            match segment {
                PathSegment::Name(name) if position == 0 => write!(f, "{name}")?,
                PathSegment::Name(name) => write!(f, ".{name}")?,
                PathSegment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        if !self.path.is_empty() {
            write!(f, ": ")?;
        }
        write!(f, "{}", self.message)
    }
}

/// Builds a path from names and indexes: `path!["fields", 0, "name"]`.
#[macro_export]
macro_rules! path {
    ($($segment:expr),* $(,)?) => { vec![$($crate::PathSegment::from($segment)),*] };
}
