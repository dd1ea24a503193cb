//! Filters: conditions on values, on the records that references lead to, and on related records.

use cardine_model::catalog::{FieldId, FieldPath, Hop, Module, ModuleId, RelationId};
use cardine_model::{Issue, PathSegment, ScalarType, Value, json_value};
use cardine_query::{CompareOp, DatePart, Filter, Quantifier, Span};

use super::Compiler;
use super::list::ListBuilder;
use super::record::unvalidated;
use crate::coerce::Input;
use crate::error::Error;
use crate::schema::{InputTarget, InputValue, JSON_PLACE};
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
                let target = FieldPath { hops: at.to_vec(), field: id };
                match self.schema.catalog.field(module, id).scalar() {
                    Some(ScalarType::Json) => self.json_operators(list, &target, value, path),
                    _ => self.operators(list, &target, value, path),
                }
            }
            Some(InputTarget::Group(group)) => self.group_filter(list, at, module, group, value, path),
            Some(InputTarget::Reference(reference)) => {
                list.check_level(level + 1)?;
                let hops = self.hop(at, module, reference);
                let target = hops.last().map_or(module, |hop| hop.target);
                list.joins(&hops)?;
                self.filter(list, &hops, target, value, level + 1, path)
            }
            Some(InputTarget::Union(reference)) => self.union_filter(list, at, reference, value, level + 1, path),
            Some(InputTarget::Relation(relation)) => self.related(list, at, module, relation, value, level + 1, path),
            // Targets stand in a filter of their reference alone.
            Some(InputTarget::Target(_) | InputTarget::Links(_)) => Err(unvalidated()),
            Some(InputTarget::Logic) | None => self.logic(list, at, module, &field.name, value, level, path),
        }
    }

    /// Conditions on the record of a reference to several modules: it is of that module, and meets the filter.
    fn union_filter(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        reference: FieldId,
        value: &Input,
        level: usize,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        list.check_level(level)?;
        list.joins(at)?;
        let mut parts = Vec::with_capacity(value.fields().len());
        for (field, value) in value.fields() {
            list.condition()?;
            path.push(field.name.as_str().into());
            if *value == Input::Null {
                return Err(null_refused(path));
            }
            parts.push(match (field.target, value) {
                (Some(InputTarget::Target(target)), filter) => {
                    let mut hops = at.to_vec();
                    hops.push(Hop { field: reference, target });
                    list.joins(&hops)?;
                    let is_such =
                        Filter::IsNull { path: FieldPath { hops: hops.clone(), field: Module::ID }, negated: true };
                    // Of another module's record it is known that it is none of these: false, not unknown.
                    Filter::All(vec![is_such, self.filter(list, &hops, target, filter, level, path)?])
                }
                (_, Input::Value(Value::Boolean(is_null))) => {
                    let path = FieldPath { hops: at.to_vec(), field: reference };
                    Filter::IsNull { path, negated: !is_null }
                }
                _ => return Err(unvalidated()),
            });
            path.pop();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    /// Conditions on the parts of an address or place.
    fn group_filter(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        group: FieldId,
        value: &Input,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        list.joins(at)?;
        let mut parts = Vec::with_capacity(value.fields().len());
        for (field, value) in value.fields() {
            path.push(field.name.as_str().into());
            if *value == Input::Null {
                return Err(null_refused(path));
            }
            let part = self.part(module, group, &field.name).map(|field| FieldPath { hops: at.to_vec(), field });
            parts.push(match (part, value) {
                (Some(part), operators) => self.operators(list, &part, operators, path)?,
                (None, Input::Value(Value::Boolean(is_null))) => {
                    list.condition()?;
                    let group = self.schema.catalog.field(module, group).group();
                    let absent = |field: &FieldId| {
                        let path = FieldPath { hops: at.to_vec(), field: *field };
                        Filter::IsNull { path, negated: !is_null }
                    };
                    let parts = group.into_iter().flat_map(|group| &group.parts).map(absent).collect();
                    if *is_null { Filter::All(parts) } else { Filter::Any(parts) }
                }
                (None, _) => continue,
            });
            path.pop();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    /// The operators on a place in a JSON document; all must hold.
    fn json_operators(
        &mut self,
        list: &mut ListBuilder<'a>,
        document: &FieldPath,
        operators: &Input,
        path: &mut Path,
    ) -> Result<Filter, Error> {
        let is_place = |(field, _): &&(InputValue, Input)| field.name == JSON_PLACE;
        let given = operators.fields().iter().find(is_place).map(|(_, place)| place.to_value());
        let text = match &given {
            Some(Value::Text(text)) => text.as_str(),
            _ => "$",
        };
        if json_value::steps(text).is_none() {
            path.push(JSON_PLACE.into());
            let message = "A path begins with $ and goes on by .name, [\"any name\"] or [0], such as $.lines[0].price, at most 32 steps.";
            let issue = Issue::new(path.clone(), "path", message);
            return Err(Error { issues: vec![issue], ..Error::input(message) });
        }
        let place = self.slot(Value::Text(text.to_owned()));
        let mut parts = Vec::new();
        for (operator, operand) in operators.fields().iter().filter(|entry| !is_place(entry)) {
            list.condition()?;
            let document = document.clone();
            parts.push(match (compare_op(&operator.name), operand) {
                (Some(op), operand) => {
                    if let Some(fault) = json_operand_fault(op, operand) {
                        path.push(operator.name.as_str().into());
                        let issue = Issue::new(path.clone(), "type", fault);
                        return Err(Error { issues: vec![issue], ..Error::input(fault) });
                    }
                    // Null matches nothing, whatever the operator.
                    let operand = self.slot(operand.to_value());
                    Filter::CompareJson { path: document, place, op, operand }
                }
                (None, Input::Value(Value::Boolean(is_null))) => {
                    Filter::IsNullJson { path: document, place, negated: !is_null }
                }
                (None, _) => Filter::Any(Vec::new()),
            });
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
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
        let definition = self.schema.catalog.module(module).relation(relation);
        let related = self.schema.catalog.related_module(definition);
        // Of links, the records that they lead to are meant.
        let base: Vec<Hop> = self.schema.catalog.hop_through(definition).into_iter().collect();
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
            let filter = Box::new(self.filter(list, &base, related, value, level, path)?);
            parts.push(Filter::Related { at: at.to_vec(), relation, quantifier, filter });
            path.pop();
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    /// The operators on one value, which stand at `place`; all must hold.
    fn operators(
        &mut self,
        list: &mut ListBuilder<'a>,
        path: &FieldPath,
        operators: &Input,
        place: &[PathSegment],
    ) -> Result<Filter, Error> {
        let mut parts = Vec::with_capacity(operators.fields().len());
        for (operator, operand) in operators.fields() {
            list.condition()?;
            parts.push(match self.span(operator, operand, place)? {
                Some(span) => Filter::Within { path: path.clone(), span },
                None => self.condition_of(path, operator, operand),
            });
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::All(parts) })
    }

    /// The span of time that the operator `within` names; none of other operators, or of null.
    pub(super) fn span(
        &mut self,
        operator: &InputValue,
        operand: &Input,
        place: &[PathSegment],
    ) -> Result<Option<Span>, Error> {
        let ("within", [(field, value)]) = (operator.name.as_str(), operand.fields()) else { return Ok(None) };
        Ok(Some(match value {
            Input::Value(Value::Text(part)) => Span::This(DatePart::of_word(part).ok_or_else(unvalidated)?),
            Input::Value(Value::Integer(seconds)) if *seconds > 0 => {
                let length = self.slot_given(Value::Integer(*seconds), field.given, Reading::Positive);
                if field.name == "last" { Span::Last(length) } else { Span::Next(length) }
            }
            _ => {
                let message = format!("`{}` must be longer than nothing, such as \"P7D\".", field.name);
                let path = place.iter().cloned().chain(["within".into(), field.name.as_str().into()]).collect();
                return Err(Error {
                    issues: vec![Issue::new(path, "range", message.clone())],
                    ..Error::input(message)
                });
            }
        }))
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

/// Why an operand is nothing that a value in a document could be compared with.
fn json_operand_fault(op: CompareOp, operand: &Input) -> Option<&'static str> {
    let is_single = |input: &Input| match input {
        Input::Value(Value::Json(json)) => !json.is_array() && !json.is_object(),
        _ => true,
    };
    let is_ordered = |input: &Input| match input {
        Input::Value(Value::Json(json)) => json.is_number() || json.is_string(),
        _ => true,
    };
    match op {
        CompareOp::Lt | CompareOp::Lte | CompareOp::Gt | CompareOp::Gte => {
            (!is_ordered(operand)).then_some("Only numbers and texts have an order.")
        }
        _ => (!is_single(operand) || !operand.items().iter().all(is_single)).then_some(
            "A value in a document is compared with a text, a number or a truth value; name a place inside by `path`.",
        ),
    }
}

pub(super) fn compare_op(name: &str) -> Option<CompareOp> {
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
pub(super) fn null_refused(path: &[PathSegment]) -> Error {
    let message = "A condition must not be null: leave it out, or ask for an absent value with `isNull`.";
    let issue = Issue::new(path.to_vec(), "required", message);
    Error { issues: vec![issue], ..Error::input(message) }
}
