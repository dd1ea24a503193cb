//! The arguments of a field: coerced with their variables, defaults filled in.

use async_graphql_parser::Positioned;
use async_graphql_parser::types::Field;
use cardine_model::{Issue, Value};
use uuid::Uuid;

use super::Compiler;
use crate::coerce::{Coercion, Input, Raw};
use crate::error::Error;
use crate::schema::OutputField;
use crate::variables::Use;

/// Arguments by name; those that were left out and have no default are not among them.
pub(super) struct Arguments(Vec<Argument>);

struct Argument {
    name: String,
    value: Input,
    given: Option<Use>,
}

impl Arguments {
    /// The argument, if it was given and is not null.
    pub fn get(&self, name: &str) -> Option<&Input> {
        self.find(name).map(|argument| &argument.value).filter(|value| **value != Input::Null)
    }

    /// The use of a variable that the argument's value came from as a whole.
    pub fn given(&self, name: &str) -> Option<Use> {
        self.find(name).and_then(|argument| argument.given)
    }

    fn find(&self, name: &str) -> Option<&Argument> {
        self.0.iter().find(|argument| argument.name == name)
    }

    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            Some(Input::Value(Value::Integer(number))) => Some(*number),
            _ => None,
        }
    }

    pub fn boolean(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some(Input::Value(Value::Boolean(truth))) => Some(*truth),
            _ => None,
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Input::Value(Value::Text(text))) => Some(text),
            _ => None,
        }
    }

    /// A required id.
    pub fn id(&self, name: &str) -> Uuid {
        match self.get(name) {
            Some(Input::Value(Value::Id(id))) => *id,
            _ => Uuid::nil(),
        }
    }
}

impl Compiler<'_> {
    pub(super) fn arguments(&self, field: &Positioned<Field>, definition: &OutputField) -> Result<Arguments, Error> {
        let mut arguments = Vec::new();
        let mut issues = Vec::new();
        for argument in &definition.arguments {
            let given = field.node.arguments.iter().find(|(name, _)| name.node == argument.name.as_str());
            let mut value = None;
            if let Some((_, literal)) = given {
                let path = vec![argument.name.as_str().into()];
                let mut coercion = Coercion::new(self.schema, Some(self.variables), self.setting.limits, path);
                let coerced = coercion.value(Raw::Literal(&literal.node), &argument.ty);
                let given = coercion.given();
                issues.extend(coercion.into_issues().map_err(|exceeded| exceeded.at(field.pos))?);
                value = coerced.map(|coerced| (coerced, given));
            }
            match value.or_else(|| argument.default.as_deref().map(|default| (default_of(default), None))) {
                Some((value, given)) => arguments.push(Argument { name: argument.name.clone(), value, given }),
                None if argument.ty.is_non_null() => {
                    let path = vec![argument.name.as_str().into()];
                    issues.push(Issue::new(
                        path,
                        "required",
                        format!("The argument \"{}\" is required.", argument.name),
                    ));
                }
                None => {}
            }
        }
        if issues.is_empty() { Ok(Arguments(arguments)) } else { Err(refused(issues).at(field.pos)) }
    }
}

/// One error for all faulty inputs.
pub(super) fn refused(issues: Vec<Issue>) -> Error {
    let message = match issues.as_slice() {
        [one] => one.to_string(),
        several => {
            let first = several.first().map(Issue::to_string).unwrap_or_default();
            format!("{} inputs are wrong; the first: {first}", several.len())
        }
    };
    Error { issues, ..Error::input(message) }
}

/// The defaults of this schema are enum values and truth values.
fn default_of(literal: &str) -> Input {
    Input::Value(match literal {
        "true" => Value::Boolean(true),
        "false" => Value::Boolean(false),
        name => Value::Text(name.to_owned()),
    })
}
