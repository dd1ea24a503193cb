//! Module definitions as they are written: the JSON documents of `schema/module.schema.json`, before any meaning is given to them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Text, or text by language (`{"en": …, "it": …}`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Label {
    /// The same text in every language.
    Plain(String),
    /// Text by BCP 47 language.
    ByLanguage(IndexMap<String, String>),
}

impl Label {
    /// The text in `language`, else in English, else the first one.
    pub fn text(&self, language: &str) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::ByLanguage(texts) => texts
                .get(language)
                .or_else(|| texts.get("en"))
                .or_else(|| texts.values().next())
                .map_or("", String::as_str),
        }
    }
}

/// One module's document.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModuleDefinition {
    /// Editor help only; not kept.
    #[serde(rename = "$schema", default, skip_serializing)]
    pub schema: Option<String>,
    /// PascalCase name.
    pub name: String,
    /// PascalCase plural.
    pub plural: String,
    /// What people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// What people see for several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plural_label: Option<Label>,
    /// What the module is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<Label>,
    /// Name of an icon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<String>,
    /// The field that names a record to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_field: Option<String>,
    /// The fields, in order.
    pub fields: Vec<FieldDefinition>,
    /// Indexes over several fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<FieldList>,
    /// Sets of fields whose values together are unique.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uniques: Vec<FieldList>,
    /// Fields that the text search reads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub search: Vec<String>,
    /// Who sees records by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<Sharing>,
    /// With `CONTROLLED_BY_PARENT`: the reference to the parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Rules that every record must meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<ValidationDefinition>,
    /// Declared behaviours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<serde_json::Value>,
}

/// A list of fields of an index or unique.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldList {
    /// Field names, in order.
    pub fields: Vec<String>,
}

/// Who sees a module's records without any sharing rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Sharing {
    /// The owner, and those above.
    Private,
    /// Everyone with module read reads.
    PublicRead,
    /// Everyone with module read reads, with update writes.
    PublicReadWrite,
    /// As the parent record.
    ControlledByParent,
}

/// A rule over the record that must not be false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidationDefinition {
    /// The condition.
    pub rule: String,
    /// What to tell when it is false.
    pub message: Label,
    /// The fields at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
}

/// One field of a module's document. Options that its type does not have are refused by the JSON Schema.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldDefinition {
    /// camelCase name.
    pub name: String,
    /// One of the contract's field types.
    #[serde(rename = "type")]
    pub kind: String,
    /// What people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// More words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<Label>,
    /// Whether a record must have a value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub required: bool,
    /// Whether no two live records may have the same value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// A value, or `{"rule": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// Whether the API refuses to write it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Whether lists often filter or order by it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub indexed: bool,
    /// Whether values are personal data.
    #[serde(default, skip_serializing_if = "is_false")]
    pub sensitive: bool,
    /// `true` or the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<serde_json::Value>,

    /// Text: most characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Text: a regular expression that the whole value meets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Integer: 64 bits.
    #[serde(default, skip_serializing_if = "is_false")]
    pub big: bool,
    /// Numbers: least value; an integer or a decimal string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<serde_json::Value>,
    /// Numbers: greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<serde_json::Value>,
    /// Decimals: digits after the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u8>,
    /// Choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ChoiceOptionDefinition>,
    /// JSON: the schema that values meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<serde_json::Value>,
    /// Reference: target module, list of modules, or `"*"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReferenceTarget>,
    /// Reference: name of the to-many on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<String>,
    /// Reference: what a delete of the target does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
    /// Many-to-many: fields of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkDefinition>,
    /// File: MIME types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Vec<String>>,
    /// File: most bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<u64>,
    /// Auto number: `TT-{YYYY}-{0000}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Formula: the result's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returns: Option<String>,
    /// Formula: the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Formula, rollup: readable without its inputs.
    #[serde(default, skip_serializing_if = "is_false")]
    pub published: bool,
    /// Rollup: the to-many relation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relation: Option<String>,
    /// Rollup: the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<RollupFunction>,
    /// Rollup: the related records' field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Rollup: a rule over the related record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// Rollup: which related records count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<RollupScope>,
}

/// What a many-to-many reference says about its links.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinkDefinition {
    /// The link's own fields.
    pub fields: Vec<FieldDefinition>,
}

/// One option of a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChoiceOptionDefinition {
    /// A GraphQL enum name.
    pub value: String,
    /// What people see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<Label>,
    /// A colour for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// Position among the options.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<i64>,
    /// Whether new values may use it; a retired one stays readable.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub active: bool,
}

/// Where a reference points.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ReferenceTarget {
    /// One module by name, or `"*"` for any.
    One(String),
    /// Several modules by name.
    Several(Vec<String>),
}

/// What a delete of a record does to those that refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OnDelete {
    /// Refuses the delete.
    Restrict,
    /// Clears the reference.
    SetNull,
    /// Deletes them too.
    Cascade,
}

/// How related values become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RollupFunction {
    /// Number of related records, or of those with a value in `field`.
    Count,
    /// Number of different values.
    CountDistinct,
    /// Sum; null over no value.
    Sum,
    /// Mean; null over no value.
    Avg,
    /// Least value.
    Min,
    /// Greatest value.
    Max,
}

/// Which related records a rollup counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RollupScope {
    /// Those that the reader may see.
    Visible,
    /// All.
    All,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn yes() -> bool {
    true
}
