//! The request's variables: coerced on every request, whatever is cached (<https://spec.graphql.org/September2025/#CoerceVariableValues()>).

use async_graphql_parser::types::VariableDefinition;
use async_graphql_parser::{Positioned, types::OperationDefinition};
use serde_json::{Map, Value as Json};

use super::arguments::refused;
use crate::coerce::{Coercion, Input, Raw, Variables};
use crate::error::Error;
use crate::schema::Schema;
use crate::validate::variable_type;

/// The variables of a valid operation, from what the request gives. What the operation does not define is ignored.
pub fn variables(
    schema: Schema<'_>,
    operation: &Positioned<OperationDefinition>,
    given: &Map<String, Json>,
    errors_max: usize,
) -> Result<Variables, Vec<Error>> {
    let mut variables = Variables::default();
    let mut errors = Vec::new();
    for definition in &operation.node.variable_definitions {
        if let Err(error) = variable(schema, &definition.node, given, &mut variables) {
            errors.push(error.at(definition.pos));
        }
    }
    errors.truncate(errors_max);
    if errors.is_empty() { Ok(variables) } else { Err(errors) }
}

fn variable(
    schema: Schema<'_>,
    definition: &VariableDefinition,
    given: &Map<String, Json>,
    variables: &mut Variables,
) -> Result<(), Error> {
    let name = definition.name.node.as_str();
    let Some(ty) = variable_type(schema, &definition.var_type.node) else { return Ok(()) };
    let nothing = Variables::default();
    let raw = match (given.get(name), &definition.default_value) {
        (Some(json), _) => Raw::Json(json),
        (None, Some(default)) => Raw::Const(&default.node),
        (None, None) if ty.is_non_null() => {
            let ty = schema.show(&ty);
            return Err(Error::input(format!("Variable \"${name}\" of required type \"{ty}\" was not provided.")));
        }
        (None, None) => return Ok(()),
    };
    let mut coercion = Coercion::new(schema, Some(&nothing), vec![name.into()]);
    let input = coercion.value(raw, &ty).unwrap_or(Input::Null);
    let issues = coercion.into_issues();
    if !issues.is_empty() {
        let error = refused(issues);
        let message = format!("Variable \"${name}\" got an invalid value: {}", error.message);
        return Err(Error { message, ..error });
    }
    variables.set(name, input, raw.to_json(&nothing).unwrap_or(Json::Null));
    Ok(())
}
