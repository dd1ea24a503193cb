//! Every rule of every document → a typed rule: formulas, defaults by rule, rollup filters, validations.

use std::cell::Cell;
use std::sync::Arc;

use super::draft::{Document, Draft, Issues};
use super::{computed, conditions, defaults};
use crate::assignment::Assignment;
use crate::catalog::{Default, FieldKind, Validation, ValidationOrigin};
use crate::clocks::Clocks;
use crate::rule::catalog_schema::{find_field, rule_type, scalar_rule_type, schema_field};
use crate::rule::{self, Context, Expected, Expr, Schema, SchemaField, TypedRule};
use crate::{FieldId, ModuleId, PathSegment, ScalarType, Value, path};

/// Checks all rules and puts them where they belong.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    for document in draft.documents.clone() {
        for (position, id, definition) in document.fields() {
            if draft.is_faulty(document.id, id) {
                continue;
            }
            if let Some(source) = defaults::rule_of(definition) {
                resolve_default(draft, &document, position, id, source, issues);
            }
            match draft.module_at(document.id).field(id).kind {
                FieldKind::Formula(_) => resolve_formula(draft, &document, position, id, issues),
                FieldKind::Rollup(_) => resolve_filter(draft, &document, position, id, issues),
                FieldKind::Computed(_) => computed::resolve(draft, &document, position, id, issues),
                _ => {}
            }
        }
        resolve_validations(draft, &document, issues);
        resolve_features(draft, &document);
    }
}

fn resolve_formula(draft: &mut Draft<'_>, document: &Document<'_>, position: usize, id: FieldId, issues: &mut Issues) {
    let FieldKind::Formula(formula) = &draft.module_at(document.id).field(id).kind else {
        return;
    };
    let context =
        Context { module: document.id, allow_old: false, allow_relations: true, expected: expected(formula.returns) };
    match (Checker { draft, document, issues }).check(&formula.rule.source, &context, path!["fields", position, "rule"])
    {
        Some(rule) => {
            if let FieldKind::Formula(formula) = &mut draft.module_mut(document.id).fields[id.0 as usize].kind {
                formula.rule = rule;
            }
        }
        None => {
            draft.faulty.insert((document.id, id));
        }
    }
}

fn resolve_filter(draft: &mut Draft<'_>, document: &Document<'_>, position: usize, id: FieldId, issues: &mut Issues) {
    let Some(source) = document.definition.fields[position].filter.as_deref() else {
        return;
    };
    let module = draft.module_at(document.id);
    let FieldKind::Rollup(rollup) = &module.field(id).kind else {
        return;
    };
    let context = Context {
        module: module.relation(rollup.relation).module,
        allow_old: false,
        allow_relations: true,
        expected: Expected::Boolean,
    };
    match (Checker { draft, document, issues }).check(source, &context, path!["fields", position, "filter"]) {
        Some(rule) => {
            if let FieldKind::Rollup(rollup) = &mut draft.module_mut(document.id).fields[id.0 as usize].kind {
                rollup.filter = Some(rule);
            }
        }
        None => {
            draft.faulty.insert((document.id, id));
        }
    }
}

/// A default is computed over the record that is being made, before anything is read from the database: no relations.
fn resolve_default(
    draft: &mut Draft<'_>,
    document: &Document<'_>,
    position: usize,
    id: FieldId,
    source: &str,
    issues: &mut Issues,
) {
    let field = draft.module_at(document.id).field(id);
    let place = path!["fields", position, "default", "rule"];
    let Some(ty) = rule_type(field) else {
        issues.add(document.definition, place, "type", "a field of this type has no default by rule; give a value");
        return;
    };
    let context =
        Context { module: document.id, allow_old: false, allow_relations: false, expected: Expected::Type(ty) };
    let Some(rule) = (Checker { draft, document, issues }).check(source, &context, place.clone()) else {
        return;
    };
    if let (Some(options), Expr::Literal(Value::Text(text))) = (field.options(), &rule.expr)
        && !options.iter().any(|option| option.active && option.value == *text)
    {
        issues.add(document.definition, place, "type", format!("{text:?} is none of the field's active options"));
        return;
    }
    draft.module_mut(document.id).fields[id.0 as usize].default = Some(Box::new(Default::Rule(rule)));
}

/// A validation sees the record as it will be written and as it was; not the records that it refers to.
fn resolve_validations(draft: &mut Draft<'_>, document: &Document<'_>, issues: &mut Issues) {
    let mut validations = Vec::with_capacity(document.definition.validations.len());
    for (index, definition) in document.definition.validations.iter().enumerate() {
        let context =
            Context { module: document.id, allow_old: true, allow_relations: false, expected: Expected::Boolean };
        let place = path!["validations", index, "rule"];
        let rule = (Checker { draft, document, issues }).check(&definition.rule, &context, place);
        let fields = fields_at_fault(draft, document, index, &definition.fields, issues);
        if let Some(rule) = rule {
            let (message, origin) = (definition.message.clone(), ValidationOrigin::Declared);
            validations.push(Validation { rule, message, fields, origin });
        }
    }
    validations.extend(conditions::resolve(draft, document, issues));
    draft.module_mut(document.id).validations = validations;
}

/// Rules that make no sense are told when the feature is declared; later, when a name in one has gone, it is passed over.
fn resolve_features(draft: &mut Draft<'_>, document: &Document<'_>) {
    let schema = Fields { draft, met_faulty: Cell::new(false) };
    let assignment = Assignment::of(document.definition, document.id, &schema);
    let clocks = Clocks::of(document.definition, document.id, &schema);
    let module = draft.module_mut(document.id);
    module.assignment = assignment.map(Arc::new);
    module.clocks = clocks.map(Arc::new);
}

fn fields_at_fault(
    draft: &Draft<'_>,
    document: &Document<'_>,
    index: usize,
    names: &[String],
    issues: &mut Issues,
) -> Vec<FieldId> {
    let module = draft.module_at(document.id);
    let mut fields = Vec::with_capacity(names.len());
    for (position, name) in names.iter().enumerate() {
        match module.field_named(name) {
            Some(field) => fields.push(field.id),
            None => {
                let known = module.fields.iter().map(|field| field.name.as_str());
                let hint = crate::suggest::did_you_mean(name, known);
                let message = format!("`{}` has no field `{name}`{hint}", module.name);
                issues.add(
                    document.definition,
                    path!["validations", index, "fields", position],
                    "unknownField",
                    message,
                );
            }
        }
    }
    fields
}

/// Checks rules of one document.
pub(super) struct Checker<'r, 'd> {
    pub draft: &'r Draft<'d>,
    pub document: &'r Document<'d>,
    pub issues: &'r mut Issues,
}

impl Checker<'_, '_> {
    /// The typed rule; `None` after telling its faults, or where they follow from a field's fault that was told already.
    pub fn check(&mut self, source: &str, context: &Context, place: Vec<PathSegment>) -> Option<TypedRule> {
        let schema = Fields { draft: self.draft, met_faulty: Cell::new(false) };
        match rule::check(source, context, &schema) {
            _ if schema.met_faulty.get() => None,
            Ok(rule) => Some(rule),
            Err(faults) => {
                for fault in faults {
                    let message =
                        format!("{} (at character {} of the rule)", fault.message, character(source, fault.position));
                    self.issues.add(self.document.definition, place.clone(), "rule", message);
                }
                None
            }
        }
    }
}

/// The character, from 1, at this byte of the rule's text.
fn character(source: &str, byte: usize) -> usize {
    source.char_indices().take_while(|(position, _)| *position < byte).count() + 1
}

/// The draft as rules see it.
struct Fields<'r, 'd> {
    draft: &'r Draft<'d>,
    /// Whether a rule asked for a field whose fault was told already.
    met_faulty: Cell<bool>,
}

impl Schema for Fields<'_, '_> {
    fn field(&self, module: ModuleId, name: &str) -> Option<SchemaField> {
        let (field, with_targets) = find_field(self.draft.module_at(module), name)?;
        if self.draft.is_faulty(module, field.id) {
            self.met_faulty.set(true);
            return None;
        }
        schema_field(field, with_targets)
    }

    fn field_names(&self, module: ModuleId) -> Vec<String> {
        self.draft.module_at(module).fields.iter().map(|field| field.name.clone()).collect()
    }
}

fn expected(returns: ScalarType) -> Expected {
    scalar_rule_type(returns).map_or(Expected::Any, Expected::Type)
}
