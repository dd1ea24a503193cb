//! A schema as introspection tells it: what operations are generated from, and what the other libraries' schemas are built of.

use std::collections::BTreeMap;

use serde_json::Value;

/// The types by name, those of the introspection system included.
#[derive(Debug)]
pub struct Schema {
    pub types: BTreeMap<String, Type>,
    pub query: String,
    pub mutation: Option<String>,
    pub subscription: Option<String>,
}

#[derive(Debug)]
pub struct Type {
    pub name: String,
    /// `OBJECT`, `INPUT_OBJECT`, …
    pub kind: String,
    pub description: Option<String>,
    pub fields: Vec<Field>,
    pub input_fields: Vec<Input>,
    /// With the reason of those that are deprecated.
    pub values: Vec<(String, Option<String>, Option<String>)>,
    pub possible: Vec<String>,
    pub interfaces: Vec<String>,
    pub one_of: bool,
    pub specified_by: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Field {
    pub name: String,
    pub description: Option<String>,
    pub arguments: Vec<Input>,
    pub ty: Ref,
    pub deprecated: Option<String>,
}

#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub description: Option<String>,
    pub ty: Ref,
    pub default: Option<String>,
    pub deprecated: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ref {
    Named(String),
    NonNull(Box<Ref>),
    List(Box<Ref>),
}

impl Ref {
    pub fn inner(&self) -> &str {
        match self {
            Ref::Named(name) => name,
            Ref::NonNull(inner) | Ref::List(inner) => inner.inner(),
        }
    }

    pub fn is_non_null(&self) -> bool {
        matches!(self, Ref::NonNull(_))
    }

    pub fn nullable(&self) -> &Ref {
        match self {
            Ref::NonNull(inner) => inner,
            other => other,
        }
    }
}

impl std::fmt::Display for Ref {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ref::Named(name) => out.write_str(name),
            Ref::NonNull(inner) => write!(out, "{inner}!"),
            Ref::List(inner) => write!(out, "[{inner}]"),
        }
    }
}

impl Schema {
    /// From the answer's `__schema`.
    pub fn read(json: &Value) -> Schema {
        let root = |name: &str| json[name]["name"].as_str().map(str::to_owned);
        let types = items(&json["types"]).map(read_type).map(|ty| (ty.name.clone(), ty)).collect();
        let query = root("queryType").expect("every schema has queries");
        Schema { types, query, mutation: root("mutationType"), subscription: root("subscriptionType") }
    }

    pub fn ty(&self, name: &str) -> &Type {
        &self.types[name]
    }

    pub fn is_composite(&self, name: &str) -> bool {
        matches!(self.ty(name).kind.as_str(), "OBJECT" | "INTERFACE" | "UNION")
    }

    pub fn is_input(&self, name: &str) -> bool {
        matches!(self.ty(name).kind.as_str(), "SCALAR" | "ENUM" | "INPUT_OBJECT")
    }

    /// The types that a fragment inside `name` may be on.
    pub fn overlapping(&self, name: &str) -> Vec<&str> {
        let own = self.objects(name);
        let overlaps = |other: &&Type| self.objects(&other.name).iter().any(|object| own.contains(object));
        self.types.values().filter(|ty| self.is_composite(&ty.name)).filter(overlaps).map(|ty| &*ty.name).collect()
    }

    fn objects<'a>(&'a self, name: &'a str) -> Vec<&'a str> {
        let ty = self.ty(name);
        if ty.kind == "OBJECT" { vec![&ty.name] } else { ty.possible.iter().map(String::as_str).collect() }
    }
}

fn read_type(json: &Value) -> Type {
    let names = |list: &str| items(&json[list]).map(|ty| text(&ty["name"])).collect();
    let value = |value: &Value| (text(&value["name"]), optional(&value["description"]), deprecation(value));
    Type {
        name: text(&json["name"]),
        kind: text(&json["kind"]),
        description: optional(&json["description"]),
        fields: items(&json["fields"]).map(read_field).collect(),
        input_fields: items(&json["inputFields"]).map(read_input).collect(),
        values: items(&json["enumValues"]).map(value).collect(),
        possible: names("possibleTypes"),
        interfaces: names("interfaces"),
        one_of: json["isOneOf"] == true,
        specified_by: optional(&json["specifiedByURL"]),
    }
}

fn read_field(json: &Value) -> Field {
    Field {
        name: text(&json["name"]),
        description: optional(&json["description"]),
        arguments: items(&json["args"]).map(read_input).collect(),
        ty: read_ref(&json["type"]),
        deprecated: deprecation(json),
    }
}

fn read_input(json: &Value) -> Input {
    Input {
        name: text(&json["name"]),
        description: optional(&json["description"]),
        ty: read_ref(&json["type"]),
        default: optional(&json["defaultValue"]),
        deprecated: deprecation(json),
    }
}

fn read_ref(json: &Value) -> Ref {
    let inner = || Box::new(read_ref(&json["ofType"]));
    match json["kind"].as_str() {
        Some("NON_NULL") => Ref::NonNull(inner()),
        Some("LIST") => Ref::List(inner()),
        _ => Ref::Named(text(&json["name"])),
    }
}

fn deprecation(json: &Value) -> Option<String> {
    (json["isDeprecated"] == true).then(|| text(&json["deprecationReason"]))
}

fn items(json: &Value) -> impl Iterator<Item = &Value> {
    json.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_else(|| panic!("a text, not {json}")).to_owned()
}

fn optional(json: &Value) -> Option<String> {
    json.as_str().map(str::to_owned)
}
