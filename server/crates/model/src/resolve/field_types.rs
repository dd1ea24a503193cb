//! A field's type and options → what it holds. Targets, relations and rules are left to later stages.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use regex::RegexBuilder;
use rustc_hash::FxHashMap;
use serde_json::Value as Json;

use super::draft::{Document, Draft, Issues, UNKNOWN_RELATION, label_from_name, unchecked_rule};
use super::links::{ENDS, target_of};
use super::numbers::{DIGITS_MAX, SCALE_DEFAULT, SCALE_MAX, parse_decimal, parse_integer};
use super::option_table::{self, FIELD_TYPES};
use super::sql_names::column_names_of_reference;
use crate::catalog::{
    Checks, ChoiceOption, Computed, DecimalUnit, Field, FieldKind, FileRules, Formula, Group, GroupShape, Reference,
    Rollup, TextFormat,
};
use crate::definition::{FieldDefinition, Label, OnDelete, RollupFunction, RollupScope};
use crate::name::{snake_case, upper_first};
use crate::suggest::did_you_mean;
use crate::{Decimal, FieldId, ModuleId, ScalarType, path};

/// Most characters of a text that stands in an index: PostgreSQL bounds an index's entries to a third of a page.
pub const INDEXED_TEXT_LENGTH_MAX: u32 = 500;
/// Most bytes of a compiled pattern: a few hundred characters can ask for gigabytes.
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// Adds every document's own fields to its module.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    for document in draft.documents.clone() {
        for (position, id, definition) in document.fields() {
            let before = issues.len();
            option_table::check(&document, position, definition, issues);
            if document.link.is_some()
                && position >= ENDS
                && !option_table::LINK_FIELD_TYPES.contains(&definition.kind.as_str())
            {
                let message =
                    format!("a link may have fields of the types {}", option_table::LINK_FIELD_TYPES.join(", "));
                issues.add_at_field(document.definition, position, "type", "enum", message);
            }
            if document.link.is_some() {
                let given =
                    [("requiredIf", definition.required_if.is_some()), ("dependsOn", definition.depends_on.is_some())];
                for (key, _) in given.into_iter().filter(|(_, is_there)| *is_there) {
                    let message = "a field of links has none; leave it out";
                    issues.add_at_field(document.definition, position, key, "notForThisType", message);
                }
            }
            let kind = Resolver { draft, document, position, id, definition, issues }.kind();
            if !definition.validators.is_empty() {
                draft.module_mut(document.id).checks.validators.insert(id, definition.validators.clone());
            }
            if issues.len() > before {
                draft.faulty.insert((document.id, id));
            }
            let field = declare(id, definition, kind);
            // Of two fields of one name the stage of GraphQL names tells; rules mean the first.
            draft.module_mut(document.id).add_field(field);
        }
        add_parts(draft, document.id);
    }
}

/// Adds the parts of addresses and places behind all own fields, so that those keep the positions of their definitions.
fn add_parts(draft: &mut Draft<'_>, module: ModuleId) {
    let module = draft.module_mut(module);
    for position in 0..module.fields.len() {
        let whole = &module.fields[position];
        let Some(shape) = whole.group().map(|group| group.shape) else { continue };
        let parts: Vec<Field> = (module.fields.len()..)
            .zip(shape.parts())
            .map(|(id, part)| {
                declare_part(whole, FieldId(u32::try_from(id).expect("fewer than 4 billion fields")), shape, part)
            })
            .collect();
        if let FieldKind::Group(group) = &mut module.fields[position].kind {
            group.parts = parts.iter().map(|part| part.id).collect();
        }
        parts.into_iter().for_each(|part| module.add_field(part));
    }
}

fn declare_part(whole: &Field, id: FieldId, shape: GroupShape, part: &str) -> Field {
    Field {
        stable_id: None,
        id,
        name: format!("{}.{part}", whole.name),
        kind: part_kind(shape, part),
        column: Some(snake_case(&format!("{}{}", whole.name, upper_first(part)))),
        part_of: Some(whole.id),
        required: false,
        unique: false,
        default: None,
        indexed: false,
        ..whole.clone()
    }
}

fn declare(id: FieldId, definition: &FieldDefinition, kind: FieldKind) -> Field {
    let derived = matches!(kind, FieldKind::Formula(_) | FieldKind::Rollup(_) | FieldKind::Computed(_));
    let numbered = matches!(kind, FieldKind::AutoNumber { .. });
    let is_file = matches!(&kind, FieldKind::Reference(reference) if reference.file.is_some());
    let column = match kind {
        FieldKind::Formula(_)
        | FieldKind::Rollup(_)
        | FieldKind::Computed(_)
        | FieldKind::Group(_)
        | FieldKind::References { .. } => None,
        FieldKind::Reference(_) => Some(column_names_of_reference(definition).0),
        _ => Some(snake_case(&definition.name)),
    };
    Field {
        stable_id: definition.id,
        id,
        name: definition.name.clone(),
        kind,
        column,
        label: definition.label.clone().unwrap_or_else(|| label_from_name(&definition.name)),
        help: definition.help.clone(),
        system: false,
        part_of: None,
        required: definition.required,
        // The server gives numbers without duplicates; the database holds it to that.
        unique: definition.unique || numbered,
        default: None,
        read_only: definition.read_only || derived || numbered,
        // Who may read a file is asked of the records that hold it.
        indexed: definition.indexed || is_file,
        deprecated: deprecation(definition.deprecated.as_deref()),
    }
}

fn deprecation(deprecated: Option<&Json>) -> Option<String> {
    match deprecated {
        Some(Json::String(reason)) => Some(reason.clone()),
        // GraphQL's own words for a deprecation without a reason.
        Some(Json::Bool(true)) => Some("No longer supported".to_owned()),
        _ => None,
    }
}

/// What the parts of a field of this type are together, if it has parts.
pub(super) fn group_shape(field_type: &str) -> Option<GroupShape> {
    match field_type {
        "address" => Some(GroupShape::Address),
        "geoPoint" => Some(GroupShape::GeoPoint),
        _ => None,
    }
}

/// What a part holds.
fn part_kind(shape: GroupShape, part: &str) -> FieldKind {
    let text = |max_length| FieldKind::Text { format: TextFormat::Plain, max_length: Some(max_length), pattern: None };
    let degrees = |most: i64| FieldKind::Decimal {
        unit: DecimalUnit::Plain,
        // About a centimetre.
        scale: 7,
        min: Some(Decimal::from_i64(-most)),
        max: Some(Decimal::from_i64(most)),
    };
    match (shape, part) {
        (GroupShape::Address, "street" | "street2") => text(INDEXED_TEXT_LENGTH_MAX),
        (GroupShape::Address, "postalCode" | "poBox") => text(40),
        (GroupShape::Address, _) => text(120),
        (GroupShape::GeoPoint, "latitude") => degrees(90),
        (GroupShape::GeoPoint, _) => degrees(180),
    }
}

/// What stands for the kind of a faulty field until the whole is refused.
fn stand_in() -> FieldKind {
    FieldKind::Json { schema: None }
}

/// One field on its way from definition to kind.
struct Resolver<'r, 'd> {
    draft: &'r mut Draft<'d>,
    document: Document<'d>,
    position: usize,
    id: FieldId,
    definition: &'d FieldDefinition,
    issues: &'r mut Issues,
}

impl Resolver<'_, '_> {
    fn kind(&mut self) -> FieldKind {
        match self.definition.kind.as_str() {
            "text" => self.text(TextFormat::Plain),
            "longText" => self.text(TextFormat::Long),
            "richText" => self.text(TextFormat::Rich),
            "email" => self.text(TextFormat::Email),
            "phone" => self.text(TextFormat::Phone),
            "url" => self.text(TextFormat::Url),
            "integer" => self.integer(),
            "decimal" => self.decimal(DecimalUnit::Plain),
            "percent" => self.decimal(DecimalUnit::Percent),
            "money" => self.decimal(DecimalUnit::Money),
            "boolean" => FieldKind::Boolean,
            "date" => FieldKind::Date,
            "time" => FieldKind::Time,
            "dateTime" => FieldKind::DateTime,
            "duration" => FieldKind::Duration,
            "choice" => FieldKind::Choice { options: self.options() },
            "multiChoice" => FieldKind::MultiChoice { options: self.options() },
            "json" => self.json(),
            "reference" => self.reference(),
            "references" => self.references(),
            "file" => self.file(false),
            "image" => self.file(true),
            "autoNumber" => self.auto_number(),
            "formula" => self.formula(),
            "rollup" => self.rollup(),
            "computed" => self.computed(),
            other => match group_shape(other) {
                // Its parts are added when all own fields stand.
                Some(shape) => FieldKind::Group(Group { shape, parts: Vec::new() }),
                None => self.unknown_type(other),
            },
        }
    }

    fn checks(&mut self) -> &mut Checks {
        &mut self.draft.module_mut(self.document.id).checks
    }

    fn fault(&mut self, key: &str, rule: &str, message: impl Into<String>) {
        self.issues.add_at_field(self.document.definition, self.position, key, rule, message);
    }

    fn unknown_type(&mut self, name: &str) -> FieldKind {
        let hint = did_you_mean(name, FIELD_TYPES);
        self.fault("type", "enum", format!("{name:?} is not one of {}{hint}", FIELD_TYPES.join(", ")));
        stand_in()
    }

    fn text(&mut self, format: TextFormat) -> FieldKind {
        let (definition, id) = (self.definition, self.id);
        if definition.max_length == Some(0) {
            self.fault("maxLength", "minimum", "must be at least 1");
        }
        if (definition.indexed || definition.unique)
            && definition.max_length.is_some_and(|length| length > INDEXED_TEXT_LENGTH_MAX)
        {
            let message = format!("must be at most {INDEXED_TEXT_LENGTH_MAX} in a field that is `indexed` or `unique`");
            self.fault("maxLength", "maximum", message);
        }
        if let Some(pattern) = &definition.pattern {
            // The whole value meets it, whatever alternatives it has.
            match RegexBuilder::new(&format!("^(?:{pattern})$")).size_limit(PATTERN_SIZE_MAX).build() {
                Ok(compiled) => {
                    self.checks().patterns.insert(id, compiled);
                }
                Err(regex::Error::CompiledTooBig(_)) => {
                    self.fault("pattern", "regex", "the regular expression is too large; use smaller repetitions");
                }
                Err(_) => {
                    let message = "is no regular expression of the supported kind (no look-around, no back-references): check brackets and escapes";
                    self.fault("pattern", "regex", message);
                }
            }
        }
        FieldKind::Text { format, max_length: definition.max_length, pattern: definition.pattern.clone() }
    }

    fn integer(&mut self) -> FieldKind {
        let FieldDefinition { big, min, max, .. } = self.definition;
        let mut bound = |key: &str, value: &Option<Box<Json>>| {
            let parsed = value.as_ref().map(|value| parse_integer(value, *big));
            parsed.and_then(|parsed| parsed.map_err(|message| self.fault(key, "type", message)).ok())
        };
        let (min, max) = (bound("min", min), bound("max", max));
        if let (Some(min), Some(max)) = (min, max)
            && min > max
        {
            self.fault("min", "maximum", format!("must be at most `max`, which is {max}"));
        }
        FieldKind::Integer { big: *big, min, max }
    }

    fn decimal(&mut self, unit: DecimalUnit) -> FieldKind {
        let FieldDefinition { min, max, .. } = self.definition;
        let scale = self.scale();
        let mut bound = |key: &str, value: &Option<Box<Json>>| {
            let parsed = value.as_ref().map(|value| parse_decimal(value, scale));
            parsed.and_then(|parsed| parsed.map_err(|message| self.fault(key, "type", message)).ok())
        };
        let (min, max) = (bound("min", min), bound("max", max));
        if let (Some(min), Some(max)) = (&min, &max)
            && min > max
        {
            let message = format!("must be at most `max`, which is {}", max.to_fixed(u32::from(scale)));
            self.fault("min", "maximum", message);
        }
        FieldKind::Decimal { unit, scale, min, max }
    }

    fn scale(&mut self) -> u8 {
        let scale = self.definition.scale.unwrap_or(SCALE_DEFAULT);
        if scale > SCALE_MAX {
            self.fault(
                "scale",
                "maximum",
                format!("must be at most {SCALE_MAX}, so that {DIGITS_MAX} digits leave room before the point"),
            );
            return SCALE_MAX;
        }
        scale
    }

    /// The options in their order: by `order`, else by place.
    fn options(&mut self) -> Vec<ChoiceOption> {
        let definitions = &self.definition.options;
        let mut seen: FxHashMap<String, usize> = FxHashMap::default();
        for (index, option) in definitions.iter().enumerate() {
            let place = path!["fields", self.position, "options", index, "value"];
            let value = option.value.as_str();
            if !is_enum_value(value) {
                let message = format!(
                    "{value:?} is no option: it must begin with a letter (A to Z) and have only letters, digits and _, at most 64; \
                     `true`, `false` and `null` mean something else"
                );
                self.issues.add(self.document.definition, place, "pattern", message);
            } else if let Some(first) = seen.insert(value.to_ascii_lowercase(), index) {
                let message = format!(
                    "the option `{value}` is taken by `{}` before it; each stands once, ignoring case",
                    definitions[first].value
                );
                self.issues.add(self.document.definition, place, "nameTaken", message);
            }
        }
        if !definitions.is_empty() && definitions.iter().all(|option| !option.active) {
            self.fault("options", "active", "at least one option must be active");
        }
        let mut ordered: Vec<_> = definitions.iter().enumerate().collect();
        ordered.sort_by_key(|(index, option)| option.order.unwrap_or(i64::try_from(*index).unwrap_or(i64::MAX)));
        ordered
            .into_iter()
            .map(|(_, option)| ChoiceOption {
                value: option.value.clone(),
                label: option.label.clone().unwrap_or_else(|| label_from_option(&option.value)),
                active: option.active,
            })
            .collect()
    }

    fn json(&mut self) -> FieldKind {
        let (schema, id) = (self.definition.schema.clone(), self.id);
        if let Some(schema) = &schema {
            // No retriever is compiled in, so that a `$ref` to another address fails here and nothing is fetched.
            match jsonschema::draft202012::new(schema) {
                Ok(validator) => {
                    self.checks().json_schemas.insert(id, Arc::new(validator));
                }
                Err(error) => {
                    let why = match error.kind() {
                        ValidationErrorKind::Referencing(_) => {
                            "a `$ref` of it leads nowhere: it can lead to a place in the schema itself (`#/…`), and nothing is fetched".to_owned()
                        }
                        _ => error.masked_with("a value").to_string(),
                    };
                    let message = format!("is no JSON Schema that can be used: {why}");
                    self.fault("schema", "jsonSchema", message);
                }
            }
        }
        FieldKind::Json { schema }
    }

    fn reference(&mut self) -> FieldKind {
        FieldKind::Reference(Reference {
            targets: Vec::new(),
            module_column: column_names_of_reference(self.definition).1,
            inverse: self.definition.inverse.clone(),
            on_delete: self.definition.on_delete.unwrap_or(OnDelete::SetNull),
            hierarchy: self.definition.hierarchy,
            file: None,
        })
    }

    /// A reference to a file's row, of which only those that meet the rules are taken.
    fn file(&mut self, image: bool) -> FieldKind {
        let FieldDefinition { accept, max_size, .. } = self.definition;
        let accept = accept.clone().unwrap_or_default();
        if self.definition.accept.as_ref().is_some_and(Vec::is_empty) {
            self.fault("accept", "minItems", "must name at least one media type; leave it out to take any");
        }
        if let Some(wrong) = accept.iter().find(|pattern| !is_media_type(pattern)) {
            let message =
                format!("{wrong:?} is no media type such as \"application/pdf\" or \"image/*\", in small letters");
            self.fault("accept", "pattern", message);
        } else if let Some(wrong) = accept.iter().find(|pattern| image && !pattern.starts_with("image/")) {
            let message = format!("an image is never {wrong:?}; use a field of type `file`");
            self.fault("accept", "enum", message);
        }
        if *max_size == Some(0) {
            self.fault("maxSize", "minimum", "must be at least 1");
        }
        FieldKind::Reference(Reference {
            targets: Vec::new(),
            module_column: None,
            inverse: None,
            on_delete: OnDelete::SetNull,
            hierarchy: false,
            file: Some(FileRules { accept, max_size: *max_size, image }),
        })
    }

    /// The links are resolved with the references; here only what nobody else tells.
    fn references(&mut self) -> FieldKind {
        if self.definition.to.is_some() && target_of(self.definition).is_none() {
            let message = "a many-to-many reference leads to one module; make one for each of several";
            self.fault("to", "type", message);
        }
        FieldKind::References { link: self.document.id }
    }

    fn auto_number(&mut self) -> FieldKind {
        let format = self.definition.format.clone().unwrap_or_default();
        if self.definition.format.is_some() && !is_number_format(&format) {
            let message = "must be text with exactly one counter in braces, as many zeros as digits at least, and optional {YYYY}, {YY}, {MM}, {DD}: `TT-{YYYY}-{0000}`";
            self.fault("format", "format", message);
        }
        FieldKind::AutoNumber { format }
    }

    fn formula(&mut self) -> FieldKind {
        let Some(returns) = self.returns("formula") else {
            return stand_in();
        };
        let rule = unchecked_rule(self.definition.rule.as_deref().unwrap_or_default());
        FieldKind::Formula(Box::new(Formula { returns, rule, published: self.definition.published }))
    }

    /// The type that the definition gives; `None` after telling that there is no such type.
    fn returns(&mut self, what: &str) -> Option<ScalarType> {
        let returns = match self.definition.returns.as_deref() {
            Some("integer") => Some(ScalarType::Integer),
            Some("decimal" | "percent" | "money") => Some(ScalarType::Decimal { scale: self.scale() }),
            Some("boolean") => Some(ScalarType::Boolean),
            Some("text") => Some(ScalarType::Text),
            Some("date") => Some(ScalarType::Date),
            Some("time") => Some(ScalarType::Time),
            Some("dateTime") => Some(ScalarType::DateTime),
            Some("duration") => Some(ScalarType::Duration),
            Some(other) => {
                const TYPES: [&str; 10] = [
                    "integer", "decimal", "percent", "money", "boolean", "text", "date", "time", "dateTime", "duration",
                ];
                self.fault(
                    "returns",
                    "enum",
                    format!("{other:?} is not one of {}{}", TYPES.join(", "), did_you_mean(other, TYPES)),
                );
                None
            }
            None => None,
        }?;
        if self.definition.scale.is_some() && !matches!(returns, ScalarType::Decimal { .. }) {
            let name = self.definition.returns.as_deref().unwrap_or_default();
            self.fault(
                "scale",
                "notForThisType",
                format!("a {what} that returns `{name}` has no `scale`; leave it out"),
            );
        }
        Some(returns)
    }

    /// Its inputs are found when all fields stand.
    fn computed(&mut self) -> FieldKind {
        let returns = match self.definition.returns.as_deref() {
            Some("json") => Some(ScalarType::Json),
            Some(name @ ("time" | "duration")) => {
                let message = format!("a plugin gives no `{name}`; let it give a `dateTime`, an `integer` or `text`");
                self.fault("returns", "enum", message);
                None
            }
            _ => self.returns("computed field"),
        };
        let (Some(returns), Some(by)) = (returns, self.definition.by.clone()) else {
            return stand_in();
        };
        FieldKind::Computed(Box::new(Computed { by, returns, inputs: Vec::new() }))
    }

    fn rollup(&mut self) -> FieldKind {
        let Some(function) = self.definition.function else {
            return stand_in();
        };
        if self.definition.field.is_none() && function != RollupFunction::Count {
            self.fault(
                "field",
                "required",
                "this function needs the related records' `field`; only COUNT does without",
            );
        }
        if self.definition.scale.is_some() && function != RollupFunction::Avg {
            self.fault(
                "scale",
                "notForThisType",
                "only AVG has a `scale`; other results have the field's: leave it out",
            );
        }
        if self.definition.scale.is_some() {
            self.scale();
        }
        if self.definition.indexed && !self.definition.stored {
            self.fault(
                "indexed",
                "notForThisType",
                "only a rollup that is `stored` has an index: add `stored`, or leave this out",
            );
        }
        FieldKind::Rollup(Box::new(Rollup {
            relation: UNKNOWN_RELATION,
            function,
            field: None,
            filter: None,
            scope: self.definition.scope.unwrap_or(RollupScope::Visible),
            returns: ScalarType::Integer,
            published: self.definition.published,
            stored: self.definition.stored.then(|| snake_case(&self.definition.name)),
        }))
    }
}

/// Whether this is a media type, or all of a kind (`image/*`).
fn is_media_type(pattern: &str) -> bool {
    let is_name = |name: &str| {
        (1..=64).contains(&name.len())
            && name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".+-".contains(&byte))
    };
    pattern.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && (is_name(subtype) || subtype == "*"))
}

/// A label for an option that has none: `CLOSED_WON` → "Closed won".
fn label_from_option(value: &str) -> Label {
    Label::Plain(upper_first(&value.replace('_', " ").to_lowercase()).into())
}

/// Whether `value` is a name that a GraphQL enum value may have.
fn is_enum_value(value: &str) -> bool {
    let bytes = value.as_bytes();
    bytes.len() <= 64
        && bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && !["true", "false", "null"].contains(&value)
}

/// Whether `format` has exactly one counter, and nothing in braces but it and parts of the date.
fn is_number_format(format: &str) -> bool {
    let mut counters = 0;
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return false;
        };
        let is_counter = (1..=12).contains(&name.len()) && name.bytes().all(|byte| byte == b'0');
        if before.contains('}') || !(is_counter || ["YYYY", "YY", "MM", "DD"].contains(&name)) {
            return false;
        }
        counters += usize::from(is_counter);
        rest = after;
    }
    counters == 1 && !rest.contains('}') && format.len() <= 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_formats_have_one_counter() {
        for good in ["TT-{YYYY}-{0000}", "{0}", "A{YY}{MM}{DD}/{000000000000}"] {
            assert!(is_number_format(good), "{good}");
        }
        for bad in ["", "TT", "{YYYY}", "{0}{0}", "{0", "0}", "{X}{0}", "{}", "{0000000000000}", "}{0}", "{{0}}"] {
            assert!(!is_number_format(bad), "{bad}");
        }
    }

    #[test]
    fn media_types_are_written_small_and_in_two_parts() {
        for good in ["image/*", "application/pdf", "application/vnd.oasis.opendocument.text", "image/svg+xml"] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in
            ["", "*", "*/*", "image", "image/", "/png", "Image/PNG", "image/png/x", "image/p*", "a b/c", "text/x;q=1"]
        {
            assert!(!is_media_type(bad), "{bad}");
        }
    }

    #[test]
    fn svg_is_taken_where_it_is_named() {
        let rules = |accept: &[&str], image| FileRules {
            accept: accept.iter().map(|one| (*one).to_owned()).collect(),
            max_size: None,
            image,
        };
        assert!(rules(&[], true).accepts("image/png") && !rules(&[], true).accepts("image/svg+xml"));
        assert!(!rules(&[], true).accepts("application/pdf") && rules(&[], false).accepts("application/pdf"));
        assert!(!rules(&["image/*"], false).accepts("image/svg+xml"));
        assert!(rules(&["image/svg+xml"], false).accepts("image/svg+xml"));
        assert!(
            !rules(&["image/png"], true).accepts("image/jpeg") && !rules(&["image/*"], false).accepts("imagex/png")
        );
    }

    #[test]
    fn enum_values_are_graphql_names() {
        for good in ["A", "CLOSED_WON", "a1", "True"] {
            assert!(is_enum_value(good), "{good}");
        }
        for bad in ["", "_A", "__A", "1A", "A-B", "é", "true", "false", "null", &"A".repeat(65)] {
            assert!(!is_enum_value(bad), "{bad}");
        }
    }
}
