//! Operations and selections: fields exist, leaves and composites are selected as such, arguments are known, unique, given
//! where required, and of their type.

use std::collections::HashSet;

use async_graphql_parser::types::{Field, OperationDefinition, OperationType, Selection, SelectionSet};
use async_graphql_parser::{Pos, Positioned};
use async_graphql_value::{Name, Value};
use cardine_model::Issue;

use super::{Use, Validator, root_type};
use crate::coerce::{Coercion, Raw};
use crate::error::Error;
use crate::schema::{InputValue, TypeKey, TypeRef};

impl<'a> Validator<'a> {
    pub(super) fn operation(&mut self, operation: &'a Positioned<OperationDefinition>) {
        let root = root_type(self.schema, operation.node.ty);
        if root.is_none() {
            self.refuse(format!("The schema has no {}.", root_name(operation.node.ty)), operation.pos);
        }
        self.uses = Vec::new();
        let location = match operation.node.ty {
            OperationType::Query => "QUERY",
            OperationType::Mutation => "MUTATION",
            OperationType::Subscription => "SUBSCRIPTION",
        };
        self.directives(&operation.node.directives, location);
        self.selection_set(&operation.node.selection_set.node, root);
        let uses = std::mem::take(&mut self.uses);
        self.variables(operation, uses);
        if operation.node.ty == OperationType::Subscription && root.is_some() {
            self.single_root_field(operation);
        }
        // Of a document that is faulty already, only the faults are told: fields that do not exist are not compared.
        if let (Some(root), true) = (root, self.errors.is_empty()) {
            self.merge(root, &operation.node.selection_set.node);
        }
    }

    /// `ty` is `None` below something that does not exist: only variables and fragments are looked at then.
    pub(super) fn selection_set(&mut self, set: &'a SelectionSet, ty: Option<TypeKey>) {
        for selection in &set.items {
            if self.is_full() {
                return;
            }
            match &selection.node {
                Selection::Field(field) => self.field(field, ty),
                Selection::InlineFragment(inline) => self.inline_fragment(inline, ty),
                Selection::FragmentSpread(spread) => self.spread(spread, ty),
            }
        }
    }

    fn field(&mut self, field: &'a Positioned<Field>, parent: Option<TypeKey>) {
        let node = &field.node;
        self.directives(&node.directives, "FIELD");
        let name = node.name.node.as_str();
        let definition = parent.and_then(|parent| self.schema.field(parent, name));
        let Some(definition) = definition else {
            if let Some(parent) = parent {
                self.refuse(
                    format!("Cannot query field \"{name}\" on type \"{}\".", self.schema.name(parent)),
                    field.pos,
                );
            }
            self.unknown_arguments_use(&node.arguments);
            self.selection_set(&node.selection_set.node, None);
            return;
        };
        let owner =
            || format!("field \"{}.{name}\"", parent.map(|parent| self.schema.name(parent)).unwrap_or_default());
        let owner = owner();
        self.arguments(&node.arguments, &definition.arguments, &owner, field.pos);

        let ty = definition.ty.inner();
        let selects = !node.selection_set.node.items.is_empty();
        let shown = || self.schema.show(&definition.ty);
        if self.schema.is_composite(ty) {
            if !selects {
                let message = format!("Field \"{name}\" of type \"{}\" must have a selection of subfields.", shown());
                self.refuse(message, field.pos);
            }
            self.selection_set(&node.selection_set.node, Some(ty));
        } else if selects {
            let message =
                format!("Field \"{name}\" must not have a selection since type \"{}\" has no subfields.", shown());
            self.refuse(message, node.selection_set.pos);
            self.selection_set(&node.selection_set.node, None);
        }
    }

    pub(super) fn arguments(
        &mut self,
        given: &'a [(Positioned<Name>, Positioned<Value>)],
        defined: &[InputValue],
        owner: &str,
        position: Pos,
    ) {
        let mut seen = HashSet::new();
        for (name, value) in given {
            if self.is_full() {
                return;
            }
            if !seen.insert(name.node.as_str()) {
                self.refuse(format!("There can be only one argument named \"{}\".", name.node), name.pos);
                continue;
            }
            let Some(argument) = defined.iter().find(|argument| argument.name == name.node.as_str()) else {
                self.refuse(format!("Unknown argument \"{}\" on {owner}.", name.node), name.pos);
                self.collect_uses(&value.node, None, false, value.pos);
                continue;
            };
            self.literal(&value.node, argument, value.pos);
            self.collect_uses(&value.node, Some(&argument.ty), argument.default.is_some(), value.pos);
        }
        for argument in defined.iter().filter(|argument| argument.ty.is_non_null() && argument.default.is_none()) {
            if !seen.contains(argument.name.as_str()) {
                let ty = self.schema.show(&argument.ty);
                let message = format!(
                    "Argument \"{}\" of type \"{ty}\" is required on {owner}, but it was not provided.",
                    argument.name
                );
                self.refuse(message, position);
            }
        }
    }

    fn literal(&mut self, value: &Value, argument: &InputValue, position: Pos) {
        let mut coercion = Coercion::new(self.schema, None, self.limits, vec![argument.name.as_str().into()]);
        coercion.value(Raw::Literal(value), &argument.ty);
        self.add_issues(coercion.into_issues(), position);
    }

    /// Each fault of a value is an error of its own.
    pub(super) fn add_issues(&mut self, issues: Result<Vec<Issue>, Error>, position: Pos) {
        match issues {
            Ok(issues) => {
                for issue in issues {
                    self.add(Error { issues: vec![issue.clone()], ..Error::input(issue.message).at(position) });
                }
            }
            Err(exceeded) => self.add(exceeded.at(position)),
        }
    }

    fn unknown_arguments_use(&mut self, given: &'a [(Positioned<Name>, Positioned<Value>)]) {
        for (_, value) in given {
            self.collect_uses(&value.node, None, false, value.pos);
        }
    }

    /// Notes every variable in a value, with what is expected where it stands.
    fn collect_uses(&mut self, value: &'a Value, expected: Option<&TypeRef>, has_default: bool, position: Pos) {
        self.collect_uses_in(value, expected, has_default, None, position);
    }

    fn collect_uses_in(
        &mut self,
        value: &'a Value,
        expected: Option<&TypeRef>,
        has_default: bool,
        one_of: Option<TypeKey>,
        position: Pos,
    ) {
        match value {
            Value::Variable(name) => {
                let expected = expected.cloned();
                self.uses.push(Use { name: name.as_str(), position, expected, has_default, one_of });
            }
            Value::List(items) => {
                // A list where no list is expected is a scalar's: its parts are taken as the reference implementation does.
                let item = expected.map(TypeRef::nullable).map(|expected| match expected {
                    TypeRef::List(item) => &**item,
                    other => other,
                });
                for value in items {
                    self.collect_uses_in(value, item, false, None, position);
                }
            }
            Value::Object(fields) => {
                // A single object where a list is expected is a list of one.
                let key = expected.map(TypeRef::inner);
                for (name, value) in fields {
                    let field = key.and_then(|key| self.schema.input_field(key, name.as_str()));
                    let one_of = key.filter(|key| self.schema.is_one_of(*key));
                    let has_default = field.as_ref().is_some_and(|field| field.default.is_some());
                    self.collect_uses_in(value, field.as_ref().map(|field| &field.ty), has_default, one_of, position);
                }
            }
            _ => {}
        }
    }
}

fn root_name(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Query => "queries",
        OperationType::Mutation => "mutations",
        OperationType::Subscription => "subscriptions",
    }
}
