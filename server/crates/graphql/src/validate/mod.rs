//! Validation by the specification's rules (<https://spec.graphql.org/September2025/#sec-Validation>) against what exists for
//! the caller; it sees no variable's value, so a verdict holds for every request with the same text and rights.
//!
//! Messages name only what the request itself names and types that it has reached: a hidden name gives the same text as one
//! that never existed, and nothing is suggested in its place.

mod directives;
mod fragments;
mod merge;
mod selection;
mod subscription;
#[cfg(test)]
mod tests;
mod variables;

pub use variables::variable_type;

use std::collections::HashMap;

use async_graphql_parser::Pos;
use async_graphql_parser::types::{ExecutableDocument, OperationType};

use crate::error::Error;
use crate::guard;
use crate::limits::Limits;
use crate::schema::{Schema, TypeKey, TypeRef};

/// The faults of the document in the order of the text; none if it is valid. As many as an answer may have are looked for: a
/// text of nothing but faults costs no more than others.
pub fn validate(document: &ExecutableDocument, schema: Schema<'_>, limits: &Limits) -> Vec<Error> {
    let (errors, uses, fragment_uses) = (Vec::new(), Vec::new(), HashMap::new());
    let mut validator = Validator { document, schema, limits, errors, uses, fragment_uses };
    validator.fragments();
    for operation in guard::operations(document) {
        if !validator.is_full() {
            validator.operation(operation);
        }
    }
    let mut errors = validator.errors;
    errors.sort_by_key(|error| error.locations.first().copied());
    errors.truncate(limits.errors);
    errors
}

/// The root type of an operation; `None` if it does not exist.
pub fn root_type(schema: Schema<'_>, operation: OperationType) -> Option<TypeKey> {
    match operation {
        OperationType::Query => Some(TypeKey::Query),
        OperationType::Mutation => schema.exists(TypeKey::Mutation).then_some(TypeKey::Mutation),
        OperationType::Subscription => schema.exists(TypeKey::Subscription).then_some(TypeKey::Subscription),
    }
}

struct Validator<'a> {
    document: &'a ExecutableDocument,
    schema: Schema<'a>,
    limits: &'a Limits,
    errors: Vec<Error>,
    /// Where the operation or fragment that is being looked at uses variables.
    uses: Vec<Use<'a>>,
    /// The same of each fragment: looked at once, asked by each operation that reaches it.
    fragment_uses: HashMap<&'a str, Vec<Use<'a>>>,
}

/// A variable in the place of a value.
#[derive(Clone)]
struct Use<'a> {
    name: &'a str,
    position: Pos,
    /// What is expected there; `None` if the place itself does not exist.
    expected: Option<TypeRef>,
    /// Whether the place has a value of its own when none is given.
    has_default: bool,
    /// The `@oneOf` object whose field it is.
    one_of: Option<TypeKey>,
}

impl Validator<'_> {
    /// Whether an answer has no room for another fault: what is missed by looking no further would be told falsely.
    fn is_full(&self) -> bool {
        self.errors.len() >= self.limits.errors
    }

    fn refuse(&mut self, message: impl Into<String>, position: Pos) {
        self.add(Error::input(message).at(position));
    }

    fn add(&mut self, error: Error) {
        if !self.is_full() {
            self.errors.push(error);
        }
    }
}
