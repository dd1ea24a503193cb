//! Module definitions as they are written: the JSON documents of `schema/module.schema.json`, before any meaning is given to them.

use std::num::NonZeroU32;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Text, or text by language (`{"en": …, "it": …}`). A copy shares the text: a large catalog has tens of thousands of labels, each
/// in its definition and in what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenLabel", into = "WrittenLabel")]
pub enum Label {
    /// The same text in every language.
    Plain(Arc<str>),
    /// Text by BCP 47 language, in the order in which it was written.
    ByLanguage(Arc<[(Box<str>, Box<str>)]>),
}

/// A label as it stands in a document.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WrittenLabel {
    Plain(String),
    ByLanguage(IndexMap<Box<str>, Box<str>>),
}

impl From<WrittenLabel> for Label {
    fn from(label: WrittenLabel) -> Self {
        match label {
            WrittenLabel::Plain(text) => Self::Plain(text.into()),
            WrittenLabel::ByLanguage(texts) => Self::ByLanguage(texts.into_iter().collect()),
        }
    }
}

impl From<Label> for WrittenLabel {
    fn from(label: Label) -> Self {
        match label {
            Label::Plain(text) => Self::Plain(text.as_ref().to_owned()),
            Label::ByLanguage(texts) => Self::ByLanguage(texts.iter().cloned().collect()),
        }
    }
}

impl Label {
    /// The text in the first of these languages that there is one in, best one first, with commas between. Of each is tried what it is a kind of
    /// too (`de` for `de-CH`), before the next one (RFC 4647, section 3.4). Else it is in English, else the first one.
    pub fn text(&self, languages: &str) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::ByLanguage(texts) => {
                let of = |language: &str| texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(language));
                let found = languages.split(',').find_map(|one| std::iter::successors(Some(one), wider).find_map(of));
                found.or_else(|| of("en")).or_else(|| texts.first()).map_or("", |(_, text)| text)
            }
        }
    }
}

/// The language that one is a kind of; none for those that are no kind of another.
fn wider<'a>(language: &&'a str) -> Option<&'a str> {
    let end = language.rfind('-')?;
    Some(&language[..end])
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
    /// The fields, in order. Shared by all copies, of which every version of the catalog has one.
    #[serde(with = "shared")]
    pub fields: Arc<[FieldDefinition]>,
    /// Indexes over several fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<FieldList>,
    /// Sets of fields whose values together are unique.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uniques: Vec<FieldList>,
    /// Rules by which two records may be the same: all fields of one of them alike.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<FieldList>,
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
    /// What the server calls the module, whatever its name. Kept, never written by people.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<StableId>,
    /// Fields that were taken away and may come back: their columns are still there. Kept, never written by people.
    #[serde(rename = "_retired", default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<RetiredField>,
}

/// What stays the same of a module or field as long as it lives, and is given to no other one afterwards.
pub type StableId = NonZeroU32;

/// A field that is hidden from everybody, with what would bring it back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetiredField {
    /// As it was.
    pub field: FieldDefinition,
    /// Where it stood among the fields.
    pub position: usize,
    /// Since when.
    pub at: DateTime<Utc>,
    /// Where the module named it beside rules of other fields.
    #[serde(default, skip_serializing_if = "FieldUses::is_empty")]
    pub uses: FieldUses,
}

/// Where a module's document names one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FieldUses {
    /// As `nameField`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub name_field: bool,
    /// In `search`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub search: bool,
    /// In `indexes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub indexes: Vec<FieldList>,
    /// In `uniques`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uniques: Vec<FieldList>,
    /// In `duplicates`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub duplicates: Vec<FieldList>,
    /// In `validations`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validations: Vec<ValidationDefinition>,
}

impl FieldUses {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl ModuleDefinition {
    /// The document as people write it: without what only the server keeps.
    #[must_use]
    pub fn written(&self) -> Self {
        let field = |field: &FieldDefinition| {
            let link = field.link.as_ref().map(|link| LinkDefinition {
                fields: link.fields.iter().map(|field| FieldDefinition { id: None, ..field.clone() }).collect(),
            });
            FieldDefinition { id: None, link, ..field.clone() }
        };
        Self { id: None, retired: Vec::new(), fields: self.fields.iter().map(field).collect(), ..self.clone() }
    }

    /// The retired field of this name.
    pub fn retired_named(&self, name: &str) -> Option<&RetiredField> {
        self.retired.iter().find(|retired| retired.field.name == name)
    }
}

/// A list of fields of an index, a unique set or a rule for duplicates.
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

/// A plugin's check of a field's values.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ValidatorUse {
    /// The plugin's name.
    pub plugin: String,
    /// The name of the validator in its manifest.
    pub validator: String,
    /// What the validator is told, by its `paramsSchema`.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub params: serde_json::Value,
}

/// Who computes a field's value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ComputedBy {
    /// The plugin's name.
    pub plugin: String,
    /// What the field is called in the plugin's manifest.
    pub field: String,
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
    /// A rule over the record that asks for a value where it is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_if: Option<String>,
    /// Whether no two live records may have the same value.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unique: bool,
    /// A value, or `{"rule": …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Box<serde_json::Value>>,
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
    pub deprecated: Option<Box<serde_json::Value>>,
    /// Checks of plugins that each value passes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<ValidatorUse>,

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
    pub min: Option<Box<serde_json::Value>>,
    /// Numbers: greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Box<serde_json::Value>>,
    /// Decimals: digits after the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<u8>,
    /// Choices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ChoiceOptionDefinition>,
    /// Choice: another choice of the module, whose value decides which options may be taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<String>,
    /// JSON: the schema that values meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Box<serde_json::Value>>,
    /// Reference: target module, list of modules, or `"*"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ReferenceTarget>,
    /// Reference: name of the to-many on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inverse: Option<String>,
    /// Reference: what a delete of the target does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<OnDelete>,
    /// Reference to its own module: that its records make a hierarchy, with `ancestors` and `descendants`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub hierarchy: bool,
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
    /// Computed: by which plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<ComputedBy>,
    /// Computed: what the plugin is told, by its own names: fields of the record.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub inputs: IndexMap<String, String>,
    /// Computed, formula: the result's type.
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
    /// Rollup: that it has a column, which every write of a related record keeps right.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stored: bool,
    /// What the server calls the field, whatever its name. Kept, never written by people.
    #[serde(rename = "_id", default, skip_serializing_if = "Option::is_none")]
    pub id: Option<StableId>,
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
    /// With `dependsOn`: the other choice's values with which it may be taken; with any if left out.
    #[serde(rename = "for", default, skip_serializing_if = "Vec::is_empty")]
    pub only_for: Vec<String>,
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

/// A list that copies share, written as any list.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<T: Serialize, S: Serializer>(list: &Arc<[T]>, serializer: S) -> Result<S::Ok, S::Error> {
        list.as_ref().serialize(serializer)
    }

    pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[T]>, D::Error> {
        Vec::deserialize(deserializer).map(Arc::from)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_is_written_as_it_was_read() {
        for document in [json!("Deal"), json!({"it": "Affare", "en": "Deal", "de": "Geschäft"}), json!({})] {
            let label: Label = serde_json::from_value(document.clone()).unwrap();
            assert_eq!(serde_json::to_string(&label).unwrap(), document.to_string(), "languages keep their order");
        }
        assert!(serde_json::from_value::<Label>(json!(["Deal"])).is_err());
        assert!(serde_json::from_value::<Label>(json!({"en": 1})).is_err());
    }

    #[test]
    fn a_label_is_told_in_the_language_else_in_english_else_in_the_first() {
        let label = |document| serde_json::from_value::<Label>(document).unwrap();
        let all = label(json!({"it": "Affare", "en": "Deal"}));
        assert_eq!((all.text("it"), all.text("en"), all.text("fr")), ("Affare", "Deal", "Deal"));
        assert_eq!(
            (all.text("it-CH"), all.text("IT"), all.text("ita"), all.text("")),
            ("Affare", "Affare", "Deal", "Deal")
        );
        let many = label(json!({"en": "Deal", "de": "Geschäft", "de-CH": "Gschäft"}));
        assert_eq!((many.text("de-CH-1996"), many.text("de-AT"), many.text("-")), ("Gschäft", "Geschäft", "Deal"));
        assert_eq!(label(json!({"it": "Affare"})).text("fr"), "Affare");
        assert_eq!(
            (many.text("it,de-AT,en"), many.text("it,fr"), all.text("fr-CH,it,en")),
            ("Geschäft", "Deal", "Affare")
        );
        assert_eq!(label(json!("Deal")).text("it"), "Deal");
        assert_eq!(label(json!({})).text("it"), "");
    }

    #[test]
    fn copies_of_a_definition_share_their_fields() {
        let document = json!({"name": "Deal", "plural": "Deals", "fields": [{"name": "title", "type": "text"}]});
        let definition: ModuleDefinition = serde_json::from_value(document.clone()).unwrap();
        assert!(Arc::ptr_eq(&definition.fields, &definition.clone().fields));
        assert_eq!(serde_json::to_value(&definition).unwrap(), document);
    }
}
