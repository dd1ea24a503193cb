//! What one field's value asks of another: `requiredIf` and `dependsOn` become validations, so that they hold wherever those do.

use super::draft::{Document, Draft, Issues};
use super::rules::Checker;
use crate::catalog::{FieldKind, FieldPath, Validation, ValidationOrigin};
use crate::definition::{FieldDefinition, Label};
use crate::rule::{BinaryOp, Context, Expected, Expr, Function, Root, RuleType, TypedRule};
use crate::suggest::did_you_mean;
use crate::{Field, FieldId, Value, path};

/// The validations that the fields of a document ask for.
pub(super) fn resolve(draft: &Draft<'_>, document: &Document<'_>, issues: &mut Issues) -> Vec<Validation> {
    let mut found = Vec::new();
    for (position, id, definition) in document.fields() {
        if draft.is_faulty(document.id, id) {
            continue;
        }
        found.extend(required_if(draft, document, (position, id, definition), issues));
        found.extend(depends_on(draft, document, (position, id, definition), issues));
    }
    found
}

/// `!condition || value != null`, of texts `value.trim() != ""` too: where the condition is null, nothing is asked for.
fn required_if(
    draft: &Draft<'_>,
    document: &Document<'_>,
    (position, id, definition): (usize, FieldId, &FieldDefinition),
    issues: &mut Issues,
) -> Option<Validation> {
    let source = definition.required_if.as_deref()?;
    if definition.required {
        let message = "a field that is always `required` needs no `requiredIf`; leave one of them out";
        issues.add_at_field(document.definition, position, "requiredIf", "contradiction", message);
        return None;
    }
    let context =
        Context { module: document.id, allow_old: false, allow_relations: false, expected: Expected::Boolean };
    let place = path!["fields", position, "requiredIf"];
    let condition = (Checker { draft, document, issues }).check(source, &context, place)?;
    let module = draft.module_at(document.id);
    let field = module.field(id);
    // An address is there where any part of it is.
    let parts: &[FieldId] = field.group().map_or(std::slice::from_ref(&field.id), |group| group.parts.as_slice());
    let is_there = parts.iter().map(|part| {
        let known = not(Expr::IsNull(Box::new(value(*part))));
        // A text of spaces is no value where one is required, and so it is here.
        if matches!(module.field(*part).kind, FieldKind::Text { .. }) {
            let trimmed = Expr::Call(Function::Trim, vec![value(*part)]);
            let empty = Expr::Literal(Value::Text(String::new()));
            return and(known, Expr::Binary(BinaryOp::NotEqual, Box::new(trimmed), Box::new(empty)));
        }
        known
    });
    let expr = is_there.fold(not(condition.expr), or);
    Some(Validation {
        rule: TypedRule { source: source.to_owned(), expr, ty: RuleType::Boolean },
        message: Label::Plain("a value is required".into()),
        fields: vec![id],
        origin: ValidationOrigin::RequiredIf(id),
    })
}

/// No value, or an option that goes with any value of the other choice, or with the one that it has.
fn depends_on(
    draft: &Draft<'_>,
    document: &Document<'_>,
    (position, id, definition): (usize, FieldId, &FieldDefinition),
    issues: &mut Issues,
) -> Option<Validation> {
    let module = document.definition;
    let Some(name) = definition.depends_on.as_deref() else {
        for (index, _) in definition.options.iter().enumerate().filter(|(_, option)| !option.only_for.is_empty()) {
            let message = "names values of the choice that this one depends on: say which by `dependsOn`";
            issues.add(module, path!["fields", position, "options", index, "for"], "dependsOn", message);
        }
        return None;
    };
    let known = draft.module_at(document.id);
    let choices = || known.fields.iter().filter(|field| field.id != id && is_choice(field));
    let Some(other) = choices().find(|field| field.name == name) else {
        let hint = did_you_mean(name, choices().map(|field| field.name.as_str()));
        let message = format!("`{}` has no other choice `{name}`{hint}", module.name);
        issues.add_at_field(module, position, "dependsOn", "unknownField", message);
        return None;
    };
    if draft.is_faulty(document.id, other.id) {
        return None;
    }
    let values = other.options().unwrap_or_default();
    let before = issues.len();
    for (index, option) in definition.options.iter().enumerate() {
        for (place, unknown) in option.only_for.iter().enumerate() {
            if !values.iter().any(|known| known.value == *unknown) {
                let hint = did_you_mean(unknown, values.iter().map(|known| known.value.as_str()));
                let message = format!("`{name}` has no option {unknown:?}{hint}");
                issues.add(module, path!["fields", position, "options", index, "for", place], "enum", message);
            }
        }
    }
    if issues.len() > before {
        return None;
    }
    let among = |options: Vec<&str>| {
        let options = options.into_iter().map(|option| Expr::Literal(Value::Text(option.to_owned())));
        Expr::In(Box::new(value(id)), options.collect())
    };
    let with = |is_meant: &dyn Fn(&[String]) -> bool| -> Vec<&str> {
        let options = definition.options.iter().filter(|option| is_meant(&option.only_for));
        options.map(|option| option.value.as_str()).collect()
    };
    let mut expr = or(Expr::IsNull(Box::new(value(id))), among(with(&|only_for| only_for.is_empty())));
    for option in values {
        let options = with(&|only_for| only_for.contains(&option.value));
        if !options.is_empty() {
            let is_there = not(Expr::IsNull(Box::new(value(other.id))));
            let literal = Expr::Literal(Value::Text(option.value.clone()));
            let has_value = Expr::Binary(BinaryOp::Equal, Box::new(value(other.id)), Box::new(literal));
            expr = or(expr, and(is_there, and(has_value, among(options))));
        }
    }
    Some(Validation {
        rule: TypedRule { source: String::new(), expr, ty: RuleType::Boolean },
        message: Label::Plain(format!("this option does not go with the value of `{name}`").into()),
        fields: vec![id],
        origin: ValidationOrigin::DependsOn(id),
    })
}

fn is_choice(field: &Field) -> bool {
    matches!(field.kind, FieldKind::Choice { .. })
}

fn value(field: FieldId) -> Expr {
    Expr::Field(Root::Record, FieldPath::own(field))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn or(left: Expr, right: Expr) -> Expr {
    Expr::Binary(BinaryOp::Or, Box::new(left), Box::new(right))
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::Binary(BinaryOp::And, Box::new(left), Box::new(right))
}
