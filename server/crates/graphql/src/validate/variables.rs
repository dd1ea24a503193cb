//! Variables: unique, of input types, used, defined, and of a type that fits each place where they stand.

use std::collections::{HashMap, HashSet};

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{BaseType, OperationDefinition, Type, VariableDefinition};
use async_graphql_value::ConstValue;

use super::{Use, Validator};
use crate::coerce::{Coercion, Raw};
use crate::places::places;
use crate::schema::{Schema, TypeRef};

/// The type that a variable's definition names; `None` if it does not exist.
pub fn variable_type(schema: Schema<'_>, ty: &Type) -> Option<TypeRef> {
    let inner = match &ty.base {
        BaseType::Named(name) => TypeRef::Named(schema.type_named(name.as_str())?),
        BaseType::List(item) => TypeRef::List(Box::new(variable_type(schema, item)?)),
    };
    Some(if ty.nullable { inner } else { inner.non_null() })
}

impl<'a> Validator<'a> {
    pub(super) fn variables(&mut self, operation: &'a Positioned<OperationDefinition>, own: Vec<Use<'a>>) {
        let uses = self.all_uses(operation, own);
        let mut by_name: HashMap<&str, Vec<&Use<'a>>> = HashMap::new();
        for one in &uses {
            by_name.entry(one.name).or_default().push(one);
        }
        let mut defined = HashSet::new();
        for definition in &operation.node.variable_definitions {
            let name = definition.node.name.node.as_str();
            if !defined.insert(name) {
                self.refuse(format!("There can be only one variable named \"${name}\"."), definition.pos);
                continue;
            }
            let own_uses = by_name.get(name).map(Vec::as_slice).unwrap_or_default();
            self.definition(operation, &definition.node, own_uses);
            if own_uses.is_empty() {
                self.refuse(format!("Variable \"${name}\" is never used."), definition.pos);
            }
        }
        let mut told = HashSet::new();
        for one in uses.iter().filter(|one| !defined.contains(one.name)) {
            if told.insert(one.name) {
                self.refuse(format!("Variable \"${}\" is not defined.", one.name), one.position);
            }
        }
    }

    fn definition(
        &mut self,
        operation: &'a Positioned<OperationDefinition>,
        definition: &'a VariableDefinition,
        uses: &[&Use<'a>],
    ) {
        let name = definition.name.node.as_str();
        self.directives(&definition.directives, "VARIABLE_DEFINITION");
        let position = definition.var_type.pos;
        let Some(ty) = variable_type(self.schema, &definition.var_type.node) else {
            self.refuse(format!("Unknown type \"{}\".", inner_name(&definition.var_type.node)), position);
            return;
        };
        if !self.schema.is_input(ty.inner()) {
            let shown = self.schema.show(&ty);
            self.refuse(format!("Variable \"${name}\" cannot be non-input type \"{shown}\"."), position);
            return;
        }
        if let Some(default) = &definition.default_value {
            let mut coercion = Coercion::new(self.schema, None, self.limits, Vec::new());
            coercion.value(Raw::Const(&default.node), &ty);
            let mut issues = coercion.into_issues();
            if let Ok([_, ..]) = issues.as_deref() {
                let place = places(self.document, &operation.node).remove(name).unwrap_or_default();
                issues.iter_mut().flatten().for_each(|issue| {
                    issue.path.splice(..0, place.iter().cloned());
                });
            }
            self.add_issues(issues, default.pos);
        }
        let default = definition.default_value.as_ref().map(|default| &default.node);
        for one in uses {
            let Some(expected) = &one.expected else { continue };
            if !fits(&ty, default, expected, one.has_default) {
                let (ty, expected) = (self.schema.show(&ty), self.schema.show(expected));
                let message =
                    format!("Variable \"${name}\" of type \"{ty}\" used in position expecting type \"{expected}\".");
                self.refuse(message, one.position);
            } else if let (Some(one_of), false) = (one.one_of, ty.is_non_null()) {
                let shown = self.schema.name(one_of);
                let message =
                    format!("Variable \"${name}\" must be non-nullable to be used for the oneOf type \"{shown}\".");
                self.refuse(message, one.position);
            }
        }
    }

    /// The uses in the operation and in all fragments that it reaches.
    fn all_uses(&self, operation: &'a Positioned<OperationDefinition>, own: Vec<Use<'a>>) -> Vec<Use<'a>> {
        let mut reached = HashSet::new();
        self.reach(&operation.node.selection_set.node, &mut reached);
        let fragments = reached.iter().filter_map(|name| self.fragment_uses.get(name));
        own.into_iter().chain(fragments.flatten().cloned()).collect()
    }
}

/// Whether a variable may stand where `expected` is (`IsVariableUsageAllowed` of the specification).
fn fits(ty: &TypeRef, default: Option<&ConstValue>, expected: &TypeRef, place_has_default: bool) -> bool {
    match (expected, ty.is_non_null()) {
        (TypeRef::NonNull(inner), false) => {
            let has_default = default.is_some_and(|default| *default != ConstValue::Null);
            (has_default || place_has_default) && is_sub_type(ty, inner)
        }
        _ => is_sub_type(ty, expected),
    }
}

fn is_sub_type(ty: &TypeRef, expected: &TypeRef) -> bool {
    match (ty, expected) {
        (TypeRef::NonNull(ty), TypeRef::NonNull(expected)) | (TypeRef::List(ty), TypeRef::List(expected)) => {
            is_sub_type(ty, expected)
        }
        (TypeRef::NonNull(ty), _) => is_sub_type(ty, expected),
        (TypeRef::Named(ty), TypeRef::Named(expected)) => ty == expected,
        _ => false,
    }
}

fn inner_name(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(item) => inner_name(item),
    }
}
