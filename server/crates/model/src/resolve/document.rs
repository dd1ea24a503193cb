//! A document as it came from outside → a definition: checked against the JSON Schema, every fault told in words for people.

use std::fmt::Write as _;
use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::{Location, LocationSegment};
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use crate::definition::ModuleDefinition;
use crate::suggest::did_you_mean;
use crate::{Issue, PathSegment, path};

/// The JSON Schema of module definitions, as published.
pub const MODULE_SCHEMA: &str = include_str!("../../../../../schema/module.schema.json");

/// The JSON Schema and what validates by it.
struct Schema {
    document: Json,
    validator: Validator,
}

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| {
    let document: Json = serde_json::from_str(MODULE_SCHEMA).expect("the embedded JSON Schema is JSON");
    let validator = jsonschema::draft202012::new(&document).expect("the embedded JSON Schema is valid");
    Schema { document, validator }
});

/// Checks a module's document against the JSON Schema and reads it; all faults at once.
pub fn parse_document(value: &Json) -> Result<ModuleDefinition, Vec<Issue>> {
    let mut issues: Vec<Issue> = Vec::new();
    for error in SCHEMA.validator.iter_errors(value) {
        for issue in (Reader { root: value }).issues(&error) {
            // Two branches of the schema may find the same fault.
            if !issues.iter().any(|known| known.path == issue.path && known.rule == issue.rule) {
                issues.push(issue);
            }
        }
    }
    if !issues.is_empty() {
        return Err(issues);
    }
    ModuleDefinition::deserialize_from(value)
        .map_err(|error| vec![Issue::new(path![], "document", format!("not a module definition: {error}"))])
}

/// Whether a place in a document is within what it says of features.
pub fn is_of_features(path: &[PathSegment]) -> bool {
    matches!(path.first(), Some(PathSegment::Name(key)) if key == "features")
}

impl ModuleDefinition {
    fn deserialize_from(value: &Json) -> serde_json::Result<Self> {
        serde::Deserialize::deserialize(value)
    }
}

/// Puts the errors of one document into words.
struct Reader<'a> {
    root: &'a Json,
}

impl Reader<'_> {
    /// The issues of one error: several only where it names several unknown keys.
    fn issues(&self, error: &ValidationError<'_>) -> Vec<Issue> {
        let path = path_of(error.instance_path());
        let schema_path = error.schema_path();
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                unexpected.iter().map(|key| unknown_key(&path, key, schema_path)).collect()
            }
            ValidationErrorKind::Required { property } => {
                let key = property.as_str().unwrap_or_default();
                let message = self.missing(&path, key);
                vec![Issue::new(with(&path, key), "required", message)]
            }
            ValidationErrorKind::PropertyNames { error } => {
                let key = error.instance().as_str().unwrap_or_default().to_owned();
                let message = self.message(&path, error);
                vec![Issue::new(with(&path, &key), "key", message)]
            }
            kind => {
                let rule = if is_not_for_this_type(schema_path) { "notForThisType" } else { kind.keyword() };
                vec![Issue::new(path.clone(), rule, self.message(&path, error))]
            }
        }
    }

    fn message(&self, path: &[PathSegment], error: &ValidationError<'_>) -> String {
        let schema_path = error.schema_path();
        let value = shown(error.instance());
        match error.kind() {
            ValidationErrorKind::Enum { options } => {
                let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                let unknown = error.instance().as_str().unwrap_or_default();
                let hint = did_you_mean(unknown, options.iter().copied());
                format!("{value} is not one of {}{hint}", options.join(", "))
            }
            ValidationErrorKind::Pattern { .. } => {
                format!("{value} does not fit: {}", self.pattern_in_words(path, schema_path))
            }
            ValidationErrorKind::Not { .. } if is_not_for_this_type(schema_path) => self.not_for_this_type(path),
            ValidationErrorKind::Not { .. } if schema_path.as_str().contains("newFieldName") => {
                format!("{value} is the name of a system field, which every module has; choose another name")
            }
            ValidationErrorKind::Not { .. } if schema_path.as_str().contains("optionValue") => {
                format!("{value} means something else in GraphQL, so it cannot be an option; choose another value")
            }
            ValidationErrorKind::Not { .. } => "only with `sharing` CONTROLLED_BY_PARENT".to_owned(),
            ValidationErrorKind::Type { kind } => {
                format!("must be {}, not {value}", types_in_words(kind))
            }
            ValidationErrorKind::MaxLength { limit } => {
                let length = error.instance().as_str().map_or(0, |text| text.chars().count());
                format!("may have at most {limit} characters; this one has {length}")
            }
            ValidationErrorKind::MinLength { .. } => "must not be empty".to_owned(),
            ValidationErrorKind::MaxItems { limit } => {
                let length = error.instance().as_array().map_or(0, Vec::len);
                format!("may have at most {limit} entries; this one has {length}")
            }
            ValidationErrorKind::MinItems { limit } => {
                format!("must have at least {limit} entries")
            }
            ValidationErrorKind::MaxProperties { limit } => {
                format!("may have at most {limit} keys")
            }
            ValidationErrorKind::MinProperties { limit } => {
                format!("must have at least {limit} keys")
            }
            ValidationErrorKind::Maximum { limit } => {
                format!("must be at most {limit}, not {value}")
            }
            ValidationErrorKind::Minimum { limit } => {
                format!("must be at least {limit}, not {value}")
            }
            ValidationErrorKind::UniqueItems => "an entry stands here twice; each may stand here once".to_owned(),
            kind => format!("does not fit the rule `{}` of the module schema", kind.keyword()),
        }
    }

    fn missing(&self, path: &[PathSegment], key: &str) -> String {
        match self.field_type(path) {
            Some(field_type) if !["name", "type"].contains(&key) => {
                format!("a field of type `{field_type}` needs `{key}`")
            }
            _ => format!("`{key}` is missing"),
        }
    }

    fn not_for_this_type(&self, path: &[PathSegment]) -> String {
        let key = match path.last() {
            Some(PathSegment::Name(key)) => key.as_str(),
            _ => "this",
        };
        let field_path = &path[..path.len().saturating_sub(1)];
        let field_type = self.field_type(field_path).unwrap_or("this");
        let more = ["returns", "function"]
            .into_iter()
            .find_map(|option| Some(format!(" with `{option}` {}", self.at(field_path)?.get(option)?.as_str()?)));
        format!("a field of type `{field_type}`{} has no `{key}`; leave it out", more.unwrap_or_default())
    }

    /// What the failed pattern asks for.
    fn pattern_in_words(&self, path: &[PathSegment], schema_path: &Location) -> String {
        let default_of = match path.split_last() {
            Some((PathSegment::Name(key), field)) if key == "default" => self.field_type(field),
            _ => None,
        };
        let words = match default_of {
            Some("integer") => Some("an integer is written as 5 or \"5\""),
            Some("date") => Some("a date is written as \"2026-01-31\""),
            Some("time") => Some("a time of day is written as \"09:30:00\""),
            Some("duration") => {
                Some("a duration is written by ISO 8601, without years and months: \"PT1H30M\", \"P2D\"")
            }
            Some("dateTime") => Some("an instant is written as \"2026-01-31T09:30:00Z\""),
            _ => None,
        };
        words.map_or_else(|| pattern_in_words(schema_path), str::to_owned)
    }

    /// The `type` of the field at `path`, if a field is there.
    fn field_type(&self, path: &[PathSegment]) -> Option<&str> {
        self.at(path)?.get("type")?.as_str()
    }

    fn at(&self, path: &[PathSegment]) -> Option<&Json> {
        path.iter().try_fold(self.root, |value, segment| match segment {
            PathSegment::Name(name) => value.get(name),
            PathSegment::Index(index) => value.get(index),
        })
    }
}

fn unknown_key(path: &[PathSegment], key: &str, schema_path: &Location) -> Issue {
    let properties = schema_object(schema_path).and_then(|schema| schema.get("properties")).and_then(Json::as_object);
    let known: Vec<&str> =
        properties.into_iter().flat_map(|properties| properties.keys().map(String::as_str)).collect();
    // A feature has few settings.
    let all = if is_of_features(path) { format!(": there are {}", known.join(", ")) } else { String::new() };
    let message = format!("{} is not known here{all}{}", shown(&Json::from(key)), did_you_mean(key, known));
    Issue::new(with(path, key), "unknownKey", message)
}

/// The object of the schema in which the failed keyword stands.
fn schema_object(schema_path: &Location) -> Option<&'static Json> {
    let (object, _keyword) = schema_path.as_str().rsplit_once('/')?;
    SCHEMA.document.pointer(object)
}

fn is_not_for_this_type(schema_path: &Location) -> bool {
    schema_path.as_str().contains("notForThisType")
}

/// What a pattern of the schema asks for. Patterns are for machines; each definition of the schema that has one is put into words.
fn pattern_in_words(schema_path: &Location) -> String {
    let words = [
        (
            "moduleName",
            "a module's name begins with a capital letter (A to Z) and has only letters and digits, at most 48",
        ),
        (
            "newFieldName",
            "a field's name begins with a small letter (a to z) and has only letters and digits, at most 48",
        ),
        ("fieldName", "a field's name begins with a small letter (a to z) and has only letters and digits, at most 48"),
        ("valueName", "the name of a field, or of a part of an address or place as in `billingAddress.city`"),
        ("target", "a module's name begins with a capital letter (A to Z); \"*\" means every module"),
        ("optionValue", "an option begins with a letter (A to Z) and has only letters, digits and _, at most 64"),
        (
            "exactNumber",
            "a number is an integer or a string such as \"12.50\", with at most 28 digits and 10 of them after the point",
        ),
        ("language", "a language is a BCP 47 tag such as \"en\", \"it\" or \"pt-BR\""),
        ("line", "one line of text without control characters"),
        ("paragraph", "text without control characters"),
    ];
    let location = schema_path.as_str();
    if let Some((_, words)) = words.iter().find(|(name, _)| location.contains(&format!("/$defs/{name}/"))) {
        return (*words).to_owned();
    }
    let described = schema_object(schema_path).and_then(|schema| schema.get("description")).and_then(Json::as_str);
    if let Some(description) = described {
        return description.to_owned();
    }
    let pattern = schema_object(schema_path).and_then(|schema| schema.get("pattern")).and_then(Json::as_str);
    format!("it must match {}", pattern.unwrap_or("the schema's pattern"))
}

fn types_in_words(kind: &TypeKind) -> String {
    let names: Vec<String> = match kind {
        TypeKind::Single(single) => vec![single.to_string()],
        TypeKind::Multiple(several) => several.iter().map(|single| single.to_string()).collect(),
    };
    let mut words = String::new();
    for (position, name) in names.iter().enumerate() {
        let article = if matches!(name.as_str(), "array" | "object" | "integer") { "an" } else { "a" };
        let separator = if position == 0 { "" } else { " or " };
        write!(words, "{separator}{article} {name}").expect("text can be written to");
    }
    words
}

/// The value for a message: short, whatever was sent.
fn shown(value: &Json) -> String {
    const LENGTH_MAX: usize = 60;
    match value {
        Json::String(text) if text.chars().count() > LENGTH_MAX => {
            let start: String = text.chars().take(LENGTH_MAX).collect();
            format!("{}…", Json::from(start))
        }
        Json::Array(_) => "a list".to_owned(),
        Json::Object(_) => "an object".to_owned(),
        value => value.to_string(),
    }
}

pub(super) fn path_of(location: &Location) -> Vec<PathSegment> {
    location
        .segments()
        .map(|segment| match segment {
            LocationSegment::Property(name) => PathSegment::Name(name.into_owned()),
            LocationSegment::Index(index) => PathSegment::Index(index),
        })
        .collect()
}

fn with(path: &[PathSegment], key: &str) -> Vec<PathSegment> {
    path.iter().cloned().chain([PathSegment::from(key)]).collect()
}
