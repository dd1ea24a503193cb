//! The schema as it exists for one caller, read by introspection: all that the generator knows of the API.

use std::collections::HashMap;

use cardine_tests::Client;
use serde_json::Value as Json;

pub const QUESTION: &str = "{ __schema { queryType { name } mutationType { name } subscriptionType { name } types { kind name isOneOf
  fields(includeDeprecated: true) { name type { ...T } args { name type { ...T } } }
  inputFields(includeDeprecated: true) { name defaultValue type { ...T } }
  enumValues(includeDeprecated: true) { name } possibleTypes { name } } } }
  fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } }";

/// What is made by chance in each world: an entry of a history has an id of its own, whose pages' cursors hold it, and names the request that
/// made it. What it tells, and how many there are, is compared.
const BY_CHANCE: [(&str, &[&str]); 3] =
    [("HistoryEntry", &["id", "requestId"]), ("HistoryEdge", &["cursor"]), ("HistoryConnection", &["pageInfo"])];

/// A type with its wrappers.
#[derive(Debug, Clone)]
pub enum Ty {
    Named(String),
    NonNull(Box<Ty>),
    List(Box<Ty>),
}

#[derive(Debug, Clone)]
pub struct Input {
    pub name: String,
    pub ty: Ty,
    pub has_default: bool,
}

#[derive(Debug, Clone)]
pub struct Output {
    pub name: String,
    pub ty: Ty,
    pub arguments: Vec<Input>,
}

#[derive(Debug, Clone, Default)]
pub struct Type {
    pub kind: String,
    pub name: String,
    pub one_of: bool,
    pub fields: Vec<Output>,
    pub inputs: Vec<Input>,
    pub values: Vec<String>,
    pub possible: Vec<String>,
}

/// All types.
#[derive(Debug, Clone)]
pub struct Schema {
    types: HashMap<String, Type>,
    nothing: Type,
}

impl Schema {
    pub async fn of(caller: &Client) -> Schema {
        let answer = caller.query(QUESTION).await;
        let found = answer.ok()["__schema"]["types"].as_array().expect("types").iter().map(read_type);
        Schema { types: found.map(|ty| (ty.name.clone(), ty)).collect(), nothing: Type::default() }
    }

    /// The type of this name; one without anything if there is none.
    pub fn get(&self, name: &str) -> &Type {
        self.types.get(name).unwrap_or(&self.nothing)
    }

    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.types.keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    }
}

impl Ty {
    /// The name inside all wrappers.
    pub fn name(&self) -> &str {
        match self {
            Ty::Named(name) => name,
            Ty::NonNull(inner) | Ty::List(inner) => inner.name(),
        }
    }

    pub fn is_required(&self) -> bool {
        matches!(self, Ty::NonNull(_))
    }

    pub fn show(&self) -> String {
        match self {
            Ty::Named(name) => name.clone(),
            Ty::NonNull(inner) => format!("{}!", inner.show()),
            Ty::List(inner) => format!("[{}]", inner.show()),
        }
    }
}

fn read_type(json: &Json) -> Type {
    let list = |key: &str| json[key].as_array().cloned().unwrap_or_default();
    let names = |key: &str| list(key).iter().map(|one| text(&one["name"])).collect();
    let output = |field: &Json| Output {
        name: text(&field["name"]),
        ty: read_ty(&field["type"]),
        arguments: field["args"].as_array().into_iter().flatten().map(read_input).collect(),
    };
    let by_chance = BY_CHANCE.iter().filter(|(name, _)| json["name"] == *name).flat_map(|(_, fields)| *fields);
    let by_chance: Vec<&&str> = by_chance.collect();
    let fields =
        list("fields").iter().map(output).filter(|field| !by_chance.iter().any(|name| field.name == **name)).collect();
    Type {
        kind: text(&json["kind"]),
        name: text(&json["name"]),
        one_of: json["isOneOf"] == true,
        fields,
        inputs: list("inputFields").iter().map(read_input).collect(),
        values: names("enumValues"),
        possible: names("possibleTypes"),
    }
}

fn read_input(json: &Json) -> Input {
    let has_default = json.get("defaultValue").is_some_and(|default| !default.is_null());
    Input { name: text(&json["name"]), ty: read_ty(&json["type"]), has_default }
}

fn read_ty(json: &Json) -> Ty {
    match json["kind"].as_str() {
        Some("NON_NULL") => Ty::NonNull(Box::new(read_ty(&json["ofType"]))),
        Some("LIST") => Ty::List(Box::new(read_ty(&json["ofType"]))),
        _ => Ty::Named(text(&json["name"])),
    }
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}
