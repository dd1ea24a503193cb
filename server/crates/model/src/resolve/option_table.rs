//! Which option belongs to which type of field: the one table of it on this side of the JSON Schema.

use super::draft::{Document, Issues};
use crate::definition::FieldDefinition;

/// The types of fields that this version makes, in the order of the contract.
pub(super) const FIELD_TYPES: [&str; 28] = [
    "text",
    "longText",
    "richText",
    "email",
    "phone",
    "url",
    "integer",
    "decimal",
    "percent",
    "money",
    "boolean",
    "date",
    "time",
    "dateTime",
    "duration",
    "choice",
    "multiChoice",
    "address",
    "geoPoint",
    "json",
    "reference",
    "references",
    "file",
    "image",
    "autoNumber",
    "formula",
    "rollup",
    "computed",
];

/// Types that a link's own fields may have.
pub(super) const LINK_FIELD_TYPES: [&str; 20] = [
    "text",
    "longText",
    "richText",
    "email",
    "phone",
    "url",
    "integer",
    "decimal",
    "percent",
    "money",
    "boolean",
    "date",
    "time",
    "dateTime",
    "duration",
    "choice",
    "multiChoice",
    "address",
    "geoPoint",
    "json",
];

/// Tells every option that the field's type doesn't have, and every one that it needs.
pub(super) fn check(document: &Document<'_>, position: usize, field: &FieldDefinition, issues: &mut Issues) {
    let field_type = field.kind.as_str();
    let (allowed, needed) = options_of(field_type);
    for (option, present) in options_present(field) {
        let module = document.definition;
        if present && !allowed.contains(&option) && !needed.contains(&option) {
            let message = format!("a field of type `{field_type}` has no `{option}`; leave it out");
            issues.add_at_field(module, position, option, "notForThisType", message);
        }
        if !present && needed.contains(&option) {
            let message = format!("a field of type `{field_type}` needs `{option}`");
            issues.add_at_field(module, position, option, "required", message);
        }
    }
}

/// Options that a type may have, and those that it must have.
fn options_of(field_type: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match field_type {
        "text" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "maxLength", "pattern", "validators"], &[])
        }
        "longText" | "richText" => (&["required", "requiredIf", "default", "maxLength", "pattern", "validators"], &[]),
        "email" | "phone" | "url" | "boolean" | "date" | "time" | "dateTime" | "duration" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "validators"], &[])
        }
        "integer" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "big", "min", "max", "validators"], &[])
        }
        "decimal" | "percent" | "money" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "scale", "min", "max", "validators"], &[])
        }
        "choice" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "dependsOn", "validators"], &["options"])
        }
        "multiChoice" => (&["required", "requiredIf", "default", "validators"], &["options"]),
        "address" | "geoPoint" => (&["required", "requiredIf", "default"], &[]),
        "json" => (&["required", "requiredIf", "default", "schema", "validators"], &[]),
        "reference" => {
            (&["required", "requiredIf", "unique", "indexed", "default", "inverse", "onDelete", "hierarchy"], &["to"])
        }
        "references" => (&["inverse", "link"], &["to"]),
        "file" | "image" => (&["required", "requiredIf", "accept", "maxSize"], &[]),
        "autoNumber" => (&["required", "requiredIf", "unique", "indexed"], &["format"]),
        "formula" => (&["scale", "published"], &["returns", "rule"]),
        "computed" => (&["scale", "inputs"], &["returns", "by"]),
        "rollup" => {
            (&["field", "filter", "scope", "scale", "published", "stored", "indexed"], &["relation", "function"])
        }
        _ => (&[], &[]),
    }
}

/// Every option that only some types have, and whether the field has it.
fn options_present(field: &FieldDefinition) -> [(&'static str, bool); 34] {
    [
        ("required", field.required),
        ("requiredIf", field.required_if.is_some()),
        ("unique", field.unique),
        ("indexed", field.indexed),
        ("default", field.default.is_some()),
        ("maxLength", field.max_length.is_some()),
        ("pattern", field.pattern.is_some()),
        ("big", field.big),
        ("min", field.min.is_some()),
        ("max", field.max.is_some()),
        ("scale", field.scale.is_some()),
        ("options", !field.options.is_empty()),
        ("dependsOn", field.depends_on.is_some()),
        ("schema", field.schema.is_some()),
        ("to", field.to.is_some()),
        ("inverse", field.inverse.is_some()),
        ("onDelete", field.on_delete.is_some()),
        ("hierarchy", field.hierarchy),
        ("link", field.link.is_some()),
        ("accept", field.accept.is_some()),
        ("maxSize", field.max_size.is_some()),
        ("format", field.format.is_some()),
        ("returns", field.returns.is_some()),
        ("rule", field.rule.is_some()),
        ("by", field.by.is_some()),
        ("inputs", !field.inputs.is_empty()),
        ("published", field.published),
        ("relation", field.relation.is_some()),
        ("function", field.function.is_some()),
        ("field", field.field.is_some()),
        ("filter", field.filter.is_some()),
        ("scope", field.scope.is_some()),
        ("stored", field.stored),
        ("validators", !field.validators.is_empty()),
    ]
}
