//! Directives: known, where they may stand, once each, and with their arguments.

use std::collections::HashSet;

use async_graphql_parser::Positioned;
use async_graphql_parser::types::Directive;

use super::Validator;
use crate::schema::{InputValue, Scalar, TypeKey, TypeRef};

/// `@skip` and `@include` stand on what is selected; the others on types only.
const CONDITIONAL: [&str; 2] = ["skip", "include"];
const OF_TYPES: [&str; 3] = ["deprecated", "specifiedBy", "oneOf"];
const SELECTIONS: [&str; 3] = ["FIELD", "FRAGMENT_SPREAD", "INLINE_FRAGMENT"];

impl<'a> Validator<'a> {
    pub(super) fn directives(&mut self, directives: &'a [Positioned<Directive>], location: &str) {
        let mut seen = HashSet::new();
        for directive in directives {
            let name = directive.node.name.node.as_str();
            let conditional = CONDITIONAL.contains(&name);
            if !conditional && !OF_TYPES.contains(&name) {
                self.refuse(format!("Unknown directive \"@{name}\"."), directive.pos);
                continue;
            }
            if !conditional || !SELECTIONS.contains(&location) {
                self.refuse(format!("Directive \"@{name}\" may not be used on {location}."), directive.pos);
            }
            if !seen.insert(name) {
                self.refuse(
                    format!("The directive \"@{name}\" can only be used once at this location."),
                    directive.pos,
                );
            }
            if conditional {
                let condition = InputValue::condition();
                self.arguments(
                    &directive.node.arguments,
                    &[condition],
                    &format!("directive \"@{name}\""),
                    directive.pos,
                );
            }
        }
    }
}

impl InputValue {
    /// `if: Boolean!` of `@skip` and `@include`.
    pub(crate) fn condition() -> Self {
        Self::operator("if", TypeRef::required(TypeKey::Scalar(Scalar::Boolean)))
    }
}
