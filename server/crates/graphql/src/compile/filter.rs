//! Filters: conditions on values, on the records that references lead to, and on related records.

use cardine_model::catalog::{FieldId, FieldPath, Hop, ModuleId, RelationId};
use cardine_model::{Issue, PathSegment, Value};
use cardine_query::{CompareOp, Filter, Quantifier};

use super::Compiler;
use super::list::ListBuilder;
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{InputTarget, InputValue};
use crate::variables::Reading;

/// A place in the argument, for messages.
type Path = Vec<PathSegment>;

impl<'a> Compiler<'a> {
    /// A filter on the record of `module` that `at` leads to: all of its fields' conditions together.
    pub(super) fn filter(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        filter: &Input,
        level: usize,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        let mut parts = Vec::new();
        for (field, value) in filter.fields() {
            path.push(field.name.as_str().into());
            if *value == Input::Null {
                return Err(null_refused(path));
            }
            parts.push(self.filter_part(list, at, module, field, value, level, path)?);
            path.pop();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    #[expect(clippy::too_many_arguments, reason = "the recursion's place: list, record, level and path")]
    fn filter_part(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        field: &InputValue,
        value: &Input,
        level: usize,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        match field.target {
            Some(InputTarget::Value(id) | InputTarget::ReferenceId(id)) => {
                list.joins(at)?;
                self.operators(list, &FieldPath { hops: at.to_vec(), field: id }, value)
            }
            Some(InputTarget::Reference(reference)) => {
                list.check_level(level + 1)?;
                let hops = self.hop(at, module, reference);
                let target = hops.last().map_or(module, |hop| hop.target);
                list.joins(&hops)?;
                self.filter(list, &hops, target, value, level + 1, path)
            }
            Some(InputTarget::Relation(relation)) => self.related(list, at, module, relation, value, level + 1, path),
            Some(InputTarget::Logic) | None => self.logic(list, at, module, &field.name, value, level, path),
        }
    }

    fn hop(&self, at: &[Hop], module: ModuleId, field: FieldId) -> Vec<Hop> {
        let reference = self.schema.catalog.field(module, field).reference();
        let target = reference.and_then(|reference| reference.targets.first()).copied().unwrap_or(module);
        let mut hops = at.to_vec();
        hops.push(Hop { field, target });
        hops
    }

    #[expect(clippy::too_many_arguments, reason = "the recursion's place: list, record, level and path")]
    fn logic(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        name: &str,
        value: &Input,
        level: usize,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        list.condition()?;
        if name == "not" {
            return Ok(Filter::Not(Box::new(self.filter(list, at, module, value, level, path)?)));
        }
        let mut parts = Vec::with_capacity(value.items().len());
        for (position, item) in value.items().iter().enumerate() {
            path.push(position.into());
            parts.push(self.filter(list, at, module, item, level, path)?);
            path.pop();
        }
        Ok(if name == "or" { Filter::Any(parts) } else { Filter::All(parts) })
    }

    #[expect(clippy::too_many_arguments, reason = "the recursion's place: list, record, level and path")]
    fn related(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        relation: RelationId,
        value: &Input,
        level: usize,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        list.check_level(level)?;
        list.joins(at)?;
        let related = self.schema.catalog.module(module).relation(relation).module;
        let mut parts = Vec::new();
        for (field, value) in value.fields() {
            list.condition()?;
            path.push(field.name.as_str().into());
            if *value == Input::Null {
                return Err(null_refused(path));
            }
            let quantifier = match field.name.as_str() {
                "some" => Quantifier::Some,
                "none" => Quantifier::None,
                _ => Quantifier::Every,
            };
            // Related records are a question of their own: their references are not joined to this list.
            let filter = Box::new(self.filter(list, &[], related, value, level, path)?);
            parts.push(Filter::Related { at: at.to_vec(), relation, quantifier, filter });
            path.pop();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    /// The operators on one value; all must hold.
    fn operators(&mut self, list: &mut ListBuilder<'a>, path: &FieldPath, operators: &Input) -> Result<Filter, Error> {
        let mut parts = Vec::with_capacity(operators.fields().len());
        for (operator, operand) in operators.fields() {
            list.condition()?;
            parts.push(self.condition_of(path, operator, operand));
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    fn condition_of(&mut self, path: &FieldPath, operator: &InputValue, operand: &Input) -> Filter {
        if let (Some(op), false) = (compare_op(&operator.name), *operand == Input::Null) {
            let operand = self.slot_given(operand.to_value(), operator.given, Reading::Free);
            return Filter::Compare { path: path.clone(), op, operand };
        }
        match operand {
            Input::Value(Value::Boolean(is_null)) => Filter::IsNull { path: path.clone(), negated: !is_null },
            // Null matches nothing, whatever the operator: comparing with it is unknown.
            _ => Filter::Compare { path: path.clone(), op: CompareOp::Eq, operand: self.slot(Value::Null) },
        }
    }
}

fn compare_op(name: &str) -> Option<CompareOp> {
    Some(match name {
        "eq" => CompareOp::Eq,
        "ne" => CompareOp::Ne,
        "lt" => CompareOp::Lt,
        "lte" => CompareOp::Lte,
        "gt" => CompareOp::Gt,
        "gte" => CompareOp::Gte,
        "in" => CompareOp::In,
        "notIn" => CompareOp::NotIn,
        "contains" => CompareOp::Contains,
        "startsWith" => CompareOp::StartsWith,
        "endsWith" => CompareOp::EndsWith,
        "has" => CompareOp::Has,
        "hasAny" => CompareOp::HasAny,
        "hasAll" => CompareOp::HasAll,
        _ => return None,
    })
}

/// A null condition could mean none or an absent value; neither is guessed.
fn null_refused(path: &Path) -> Error {
    let message = "A condition must not be null: leave it out, or ask for an absent value with `isNull`.";
    let issue = Issue::new(path.clone(), "required", message);
    Error { issues: vec![issue], ..Error::input(message) }
}
