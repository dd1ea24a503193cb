//! The filter and the order of a step that looks for records, checked.

use cardine_model::PathSegment;
use cardine_model::catalog::{Field, FieldKind, FieldPath, Hop, Module};
use cardine_query::{CompareOp, Nulls, OrderKey};
use serde_json::Value as Json;

use super::{Checking, below};
use crate::definition::Values;
use crate::find::{Condition, operand_value};
use crate::shape::readable_field;
use crate::template::{Hole, Template};
use crate::value::fits_rule;

/// Most conditions of a filter.
const CONDITIONS_MAX: usize = 100;
/// Most references that a condition goes along.
const HOPS_MAX: usize = 3;

impl<'a> Checking<'a> {
    pub(super) fn filter(&mut self, module: &'a Module, filter: &Values, place: &[PathSegment]) -> Option<Condition> {
        let mut count = 0;
        let condition = self.conditions(module, &[], filter, place, &mut count);
        if count > CONDITIONS_MAX {
            let message = format!("there are {count} conditions; at most {CONDITIONS_MAX} are allowed");
            self.tell(place.to_vec(), "limit", message);
        }
        condition
    }

    /// All of an object's conditions, on the record of `module` that `at` leads to.
    fn conditions(
        &mut self,
        module: &'a Module,
        at: &[Hop],
        filter: &Values,
        place: &[PathSegment],
        count: &mut usize,
    ) -> Option<Condition> {
        let mut parts = Vec::new();
        for (name, value) in filter {
            *count += 1;
            let place = below(place, name.as_str());
            parts.extend(match (name.as_str(), value) {
                ("and" | "or", Json::Array(items)) => {
                    let mut all = Vec::new();
                    for (position, item) in items.iter().enumerate() {
                        let place = below(&place, position);
                        all.extend(
                            self.object(item, &place).and_then(|item| self.conditions(module, at, item, &place, count)),
                        );
                    }
                    Some(if name == "and" { Condition::All(all) } else { Condition::Any(all) })
                }
                ("and" | "or", _) => {
                    self.tell(place, "type", format!("`{name}` takes a list of filters"));
                    None
                }
                ("not", value) => {
                    let inner =
                        self.object(value, &place).and_then(|item| self.conditions(module, at, item, &place, count));
                    inner.map(|inner| Condition::Not(Box::new(inner)))
                }
                (_, value) => self.field_conditions(module, at, name, value, place, count),
            });
        }
        Some(Condition::All(parts))
    }

    fn field_conditions(
        &mut self,
        module: &'a Module,
        at: &[Hop],
        name: &str,
        value: &Json,
        place: Vec<PathSegment>,
        count: &mut usize,
    ) -> Option<Condition> {
        let operators = self.object(value, &place)?;
        if let Some((field, [target])) = module
            .field_named(name)
            .and_then(|field| Some((field, field.reference().filter(|to| to.file.is_none())?.targets.as_slice())))
        {
            if at.len() >= HOPS_MAX {
                self.tell(place, "limit", format!("a condition goes along at most {HOPS_MAX} references"));
                return None;
            }
            let mut hops = at.to_vec();
            hops.push(Hop { field: field.id, target: *target });
            return self.conditions(self.catalog.module(*target), &hops, operators, &place, count);
        }
        let Some(field) = readable_field(module, name).map(|id| module.field(id)) else {
            let is_many = module.relation_named(name).is_some() || module.field_named(name).is_some();
            let (rule, message) = if is_many {
                (
                    "notAvailable",
                    format!("`{name}` can't be filtered by here: stored fields and references to one module can"),
                )
            } else {
                ("unknownField", format!("{} has no field `{name}`", module.name))
            };
            self.tell(place, rule, message);
            return None;
        };
        let path = || FieldPath { hops: at.to_vec(), field: field.id };
        let mut parts = Vec::new();
        for (operator, operand) in operators {
            *count += 1;
            let place = below(&place, operator.as_str());
            if operator == "isNull" {
                match operand {
                    Json::Bool(is_null) => parts.push(Condition::IsNull { path: path(), negated: !is_null }),
                    _ => self.tell(place, "type", "`isNull` takes true or false"),
                }
                continue;
            }
            let Some(op) = operator_of(field, operator) else {
                let known: Vec<&str> =
                    OPERATORS.iter().map(|(name, _)| *name).filter(|name| operator_of(field, name).is_some()).collect();
                let message =
                    format!("`{}` has no operator `{operator}`; it has: {}, isNull", field.name, known.join(", "));
                self.tell(place, "unknownOperator", message);
                continue;
            };
            let template = self.template(operand, &place);
            if !fits_operand(field, op, &template) {
                self.tell(place, "type", format!("`{}` can't be compared with this", field.name));
            }
            parts.push(Condition::Compare { path: path(), op, operand: template });
        }
        Some(Condition::All(parts))
    }

    fn object<'j>(&mut self, value: &'j Json, place: &[PathSegment]) -> Option<&'j Values> {
        let object = value.as_object();
        if object.is_none() {
            self.tell(place.to_vec(), "type", "here stands an object, such as `{\"eq\": 5}`");
        }
        object
    }

    pub(super) fn order(&mut self, module: &'a Module, keys: &[Values], place: &[PathSegment]) -> Vec<OrderKey> {
        let mut order = Vec::new();
        for (position, key) in keys.iter().enumerate() {
            for (name, direction) in key {
                let place = [place, &[position.into(), name.as_str().into()]].concat();
                let Some(field) = self.stored_field(module, name, place.clone()) else { continue };
                let is_ordered =
                    !matches!(module.field(field).kind, FieldKind::Json { .. } | FieldKind::MultiChoice { .. });
                let direction = direction.as_str().filter(|direction| DIRECTIONS.contains(direction));
                let (Some(direction), true) = (direction, is_ordered) else {
                    self.tell(
                        place,
                        "order",
                        format!("an order is one of {}, by a field of one value", DIRECTIONS.join(", ")),
                    );
                    continue;
                };
                let descending = direction.starts_with("DESC");
                let first = direction.ends_with("NULLS_FIRST") || (descending && !direction.ends_with("NULLS_LAST"));
                let nulls = if first { Nulls::First } else { Nulls::Last };
                order.push(OrderKey { path: FieldPath::own(field), descending, nulls });
            }
        }
        order
    }
}

const DIRECTIONS: [&str; 6] =
    ["ASC", "DESC", "ASC_NULLS_FIRST", "ASC_NULLS_LAST", "DESC_NULLS_FIRST", "DESC_NULLS_LAST"];

const OPERATORS: [(&str, CompareOp); 14] = [
    ("eq", CompareOp::Eq),
    ("ne", CompareOp::Ne),
    ("in", CompareOp::In),
    ("notIn", CompareOp::NotIn),
    ("lt", CompareOp::Lt),
    ("lte", CompareOp::Lte),
    ("gt", CompareOp::Gt),
    ("gte", CompareOp::Gte),
    ("contains", CompareOp::Contains),
    ("startsWith", CompareOp::StartsWith),
    ("endsWith", CompareOp::EndsWith),
    ("has", CompareOp::Has),
    ("hasAny", CompareOp::HasAny),
    ("hasAll", CompareOp::HasAll),
];

/// The operator of this name, if the field has it.
fn operator_of(field: &Field, name: &str) -> Option<CompareOp> {
    use CompareOp as Op;
    let (_, op) = *OPERATORS.iter().find(|(known, _)| *known == name)?;
    let fits = match &field.kind {
        FieldKind::Json { .. } => false,
        FieldKind::MultiChoice { .. } => matches!(op, Op::Has | Op::HasAny | Op::HasAll),
        FieldKind::Boolean => matches!(op, Op::Eq | Op::Ne),
        FieldKind::Id | FieldKind::Reference(_) | FieldKind::Choice { .. } => {
            matches!(op, Op::Eq | Op::Ne | Op::In | Op::NotIn)
        }
        FieldKind::Text { .. } | FieldKind::AutoNumber { .. } => !matches!(op, Op::Has | Op::HasAny | Op::HasAll),
        _ => matches!(op, Op::Eq | Op::Ne | Op::In | Op::NotIn | Op::Lt | Op::Lte | Op::Gt | Op::Gte),
    };
    fits.then_some(op)
}

fn fits_operand(field: &Field, op: CompareOp, template: &Template) -> bool {
    match template {
        Template::Constant(value) => operand_value(field, op, value).is_some(),
        Template::List(items) => {
            let takes_list = matches!(op, CompareOp::In | CompareOp::NotIn | CompareOp::HasAny | CompareOp::HasAll);
            let single = match op {
                CompareOp::HasAny | CompareOp::HasAll => CompareOp::Has,
                _ => CompareOp::Eq,
            };
            takes_list && items.iter().all(|item| fits_operand(field, single, item))
        }
        Template::Value(Hole::Rule(rule)) => fits_rule(field, rule.ty),
        Template::Value(Hole::Outside(..)) | Template::Text(_) => true,
        Template::Object(_) => false,
    }
}
