//! An operation as a tree that can be written as GraphQL, and cut down when it fails.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

/// A value given to an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Json(Json),
    Enum(String),
    List(Vec<Given>),
    Object(Vec<(String, Given)>),
}

/// A field that is selected, or an inline fragment.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    pub name: String,
    /// The type's name, where this is a fragment.
    pub on: Option<String>,
    pub arguments: Vec<Argument>,
    pub inner: Vec<Selection>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    pub name: String,
    /// As GraphQL writes it, such as `[ID!]!`.
    pub ty: String,
    pub value: Given,
    /// Whether it is given by a variable.
    pub by_variable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Query,
    Mutation,
    Subscription,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    pub kind: Kind,
    pub roots: Vec<Selection>,
}

impl Selection {
    pub fn leaf(name: &str) -> Self {
        Self { name: name.to_owned(), on: None, arguments: Vec::new(), inner: Vec::new() }
    }

    pub fn fragment(on: &str, inner: Vec<Selection>) -> Self {
        Self { name: String::new(), on: Some(on.to_owned()), arguments: Vec::new(), inner }
    }

    pub fn with(self, inner: Vec<Selection>) -> Self {
        Self { inner, ..self }
    }

    /// Sets an argument, or leaves it out.
    pub fn set(&mut self, name: &str, ty: &str, value: Option<Json>) {
        self.arguments.retain(|argument| argument.name != name);
        let argument = |value| Argument {
            name: name.to_owned(),
            ty: ty.to_owned(),
            value: Given::Json(value),
            by_variable: false,
        };
        self.arguments.extend(value.map(argument));
    }
}

impl Given {
    fn literal(&self, out: &mut String) {
        match self {
            Self::Json(json) => literal(json, out),
            Self::Enum(name) => out.push_str(name),
            Self::List(items) => {
                out.push('[');
                for item in items {
                    item.literal(out);
                    out.push(' ');
                }
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (name, value) in entries {
                    let _ = write!(out, "{name}: ");
                    value.literal(out);
                    out.push(' ');
                }
                out.push('}');
            }
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Json(json) => json.clone(),
            Self::Enum(name) => json!(name),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Object(entries) => entries.iter().map(|(name, value)| (name.clone(), value.json())).collect(),
        }
    }
}

fn literal(json: &Json, out: &mut String) {
    match json {
        Json::Object(entries) => {
            out.push('{');
            for (name, value) in entries {
                let _ = write!(out, "{name}: ");
                literal(value, out);
                out.push(' ');
            }
            out.push('}');
        }
        Json::Array(items) => {
            out.push('[');
            for item in items {
                literal(item, out);
                out.push(' ');
            }
            out.push(']');
        }
        other => out.push_str(&other.to_string()),
    }
}

impl Operation {
    /// The text and the variables.
    pub fn request(&self) -> (String, Json) {
        let mut variables = Map::new();
        let mut declared = String::new();
        let mut body = String::from("{");
        for (position, root) in self.roots.iter().enumerate() {
            let _ = write!(body, " r{position}: ");
            write_selection(root, &mut body, &mut variables, &mut declared);
        }
        body.push('}');
        let kind = match self.kind {
            Kind::Query => "query",
            Kind::Mutation => "mutation",
            Kind::Subscription => "subscription",
        };
        let declared = if declared.is_empty() { declared } else { format!("({declared})") };
        (format!("{kind}{declared} {body}"), Json::Object(variables))
    }
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (text, variables) = self.request();
        write!(f, "{text}")?;
        if variables.as_object().is_some_and(|variables| !variables.is_empty()) {
            write!(f, "\n  with {variables}")?;
        }
        Ok(())
    }
}

fn write_selection(selection: &Selection, out: &mut String, variables: &mut Map<String, Json>, declared: &mut String) {
    match &selection.on {
        Some(on) => {
            let _ = write!(out, "... on {on}");
        }
        None => out.push_str(&selection.name),
    }
    if !selection.arguments.is_empty() {
        out.push('(');
        for argument in &selection.arguments {
            let _ = write!(out, "{}: ", argument.name);
            if argument.by_variable {
                let name = format!("v{}", variables.len());
                let _ = write!(declared, "${name}: {} ", argument.ty);
                let _ = write!(out, "${name} ");
                variables.insert(name, argument.value.json());
            } else {
                argument.value.literal(out);
                out.push(' ');
            }
        }
        out.push(')');
    }
    if !selection.inner.is_empty() {
        out.push_str(" {");
        // Fields of several types stand beside each other: what they are of is in their names.
        let inside = selection.on.as_deref().unwrap_or_default();
        for inner in &selection.inner {
            let _ = match &inner.on {
                Some(_) => write!(out, " "),
                None => write!(out, " {}", alias(inner, inside)),
            };
            write_selection(inner, out, variables, declared);
        }
        out.push('}');
    }
}

/// A field with arguments has a name of its own, so that the same one with others is no conflict; `name: `, or nothing.
fn alias(selection: &Selection, inside: &str) -> String {
    if selection.arguments.is_empty() && selection.inner.is_empty() {
        return if inside.is_empty() { String::new() } else { format!("{inside}_{}: ", selection.name) };
    }
    let mut text = inside.to_owned();
    write_key(selection, &mut text);
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{}_{:x}: ", selection.name, hash & 0xff_ffff)
}

fn write_key(selection: &Selection, out: &mut String) {
    for argument in &selection.arguments {
        let _ = write!(out, "{}:", argument.name);
        argument.value.literal(out);
    }
    for inner in &selection.inner {
        let _ = write!(out, "{}{}", inner.on.as_deref().unwrap_or_default(), inner.name);
        write_key(inner, out);
    }
}
