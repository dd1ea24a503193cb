//! Upper bounds: modules, fields, options and the length of what people read.

use super::draft::Issues;
use super::field_types::group_shape;
use super::links::LinkDocument;
use crate::definition::{FieldDefinition, Label, ModuleDefinition};
use crate::{PathSegment, path};

/// Most modules of a catalog, the platform's own apart.
pub(super) const MODULES_MAX: usize = 2_000;
/// Most own fields of a module.
const FIELDS_MAX: usize = 500;
/// Most columns of a module's table: PostgreSQL takes 1,600, those that were dropped included.
const COLUMNS_MAX: usize = 1_000;
/// Most options of a choice.
const OPTIONS_MAX: usize = 500;
/// Most characters of a label.
const LABEL_LENGTH_MAX: usize = 200;
/// Most characters of a description, help or message.
const TEXT_LENGTH_MAX: usize = 2_000;

/// Checks every document against the bounds.
pub(super) fn check(
    platform: &[ModuleDefinition],
    modules: &[ModuleDefinition],
    links: &[LinkDocument],
    issues: &mut Issues,
) {
    if let Some(first_over) = modules.get(MODULES_MAX) {
        let message = format!("there may be at most {MODULES_MAX} modules; these are {}", modules.len());
        issues.add(first_over, path![], "limit", message);
    }
    for module in platform.iter().chain(modules).chain(links.iter().map(|link| &link.definition)) {
        check_module(module, issues);
    }
}

/// Checks one document against the bounds.
pub(super) fn check_module(module: &ModuleDefinition, issues: &mut Issues) {
    if module.fields.len() > FIELDS_MAX {
        let message = format!("a module may have at most {FIELDS_MAX} fields; this one has {}", module.fields.len());
        issues.add(module, path!["fields"], "limit", message);
    }
    let columns: usize =
        module.fields.iter().map(|field| group_shape(&field.kind).map_or(1, |shape| shape.parts().len())).sum();
    if columns > COLUMNS_MAX {
        let message = format!("a module may have at most {COLUMNS_MAX} columns; the fields of this one need {columns}");
        issues.add(module, path!["fields"], "limit", message);
    }
    check_text(module, module.label.as_ref(), || path!["label"], LABEL_LENGTH_MAX, issues);
    check_text(module, module.plural_label.as_ref(), || path!["pluralLabel"], LABEL_LENGTH_MAX, issues);
    check_text(module, module.description.as_ref(), || path!["description"], TEXT_LENGTH_MAX, issues);
    for (position, validation) in module.validations.iter().enumerate() {
        let place = || path!["validations", position, "message"];
        check_text(module, Some(&validation.message), place, TEXT_LENGTH_MAX, issues);
    }
    for (position, field) in module.fields.iter().enumerate() {
        check_field(module, position, field, issues);
    }
}

fn check_field(module: &ModuleDefinition, position: usize, field: &FieldDefinition, issues: &mut Issues) {
    check_text(module, field.label.as_ref(), || path!["fields", position, "label"], LABEL_LENGTH_MAX, issues);
    check_text(module, field.help.as_ref(), || path!["fields", position, "help"], TEXT_LENGTH_MAX, issues);
    if field.options.len() > OPTIONS_MAX {
        let message = format!("a choice may have at most {OPTIONS_MAX} options; this one has {}", field.options.len());
        issues.add_at_field(module, position, "options", "limit", message);
    }
    for (index, option) in field.options.iter().enumerate() {
        let place = || path!["fields", position, "options", index, "label"];
        check_text(module, option.label.as_ref(), place, LABEL_LENGTH_MAX, issues);
    }
}

fn check_text(
    module: &ModuleDefinition,
    label: Option<&Label>,
    place: impl Fn() -> Vec<PathSegment>,
    length_max: usize,
    issues: &mut Issues,
) {
    let mut check = |text: &str, language: Option<&str>| {
        // Bytes bound characters from above, so that counting is for the rare long text.
        if text.len() <= length_max && !text.is_empty() {
            return;
        }
        let length = text.chars().count();
        let message = match length {
            0 => "must not be empty".to_owned(),
            _ if length > length_max => {
                format!("may have at most {length_max} characters; this one has {length}")
            }
            _ => return,
        };
        let mut path = place();
        path.extend(language.map(PathSegment::from));
        issues.add(module, path, "length", message);
    };
    match label {
        None => {}
        Some(Label::Plain(text)) => check(text, None),
        Some(Label::ByLanguage(texts)) => {
            for (language, text) in texts.iter() {
                check(text, Some(language));
            }
        }
    }
}
