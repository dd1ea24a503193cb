//! The request's variables: coerced on every request, whatever is cached (<https://spec.graphql.org/September2025/#CoerceVariableValues()>).

use async_graphql_parser::types::{ExecutableDocument, OperationDefinition};
use async_graphql_parser::{Pos, Positioned};
use cardine_model::{Issue, PathSegment};
use serde_json::{Map, Value as Json};

use super::arguments::refused;
use crate::coerce::{Coercion, Input, Raw};
use crate::error::Error;
use crate::limits::Limits;
use crate::places::places;
use crate::schema::{Schema, TypeRef};
use crate::validate::variable_type;
use crate::variables::{Inputs, Variables};

/// What a valid operation says of one variable.
#[derive(Debug)]
pub struct Definition {
    name: String,
    ty: TypeRef,
    default: Option<(Input, Json)>,
    /// Where its value goes, from the argument on.
    place: Vec<PathSegment>,
    position: Pos,
}

/// The definitions of a valid operation's variables.
pub fn definitions(
    schema: Schema<'_>,
    limits: &Limits,
    document: &ExecutableDocument,
    operation: &Positioned<OperationDefinition>,
) -> Vec<Definition> {
    if operation.node.variable_definitions.is_empty() {
        return Vec::new();
    }
    let places = places(document, &operation.node);
    let nothing = Variables::default();
    let definition = |definition: &Positioned<async_graphql_parser::types::VariableDefinition>| {
        let name = definition.node.name.node.to_string();
        let ty = variable_type(schema, &definition.node.var_type.node)?;
        let default = definition.node.default_value.as_ref().map(|default| {
            let raw = Raw::Const(&default.node);
            let input = Coercion::new(schema, Some(&nothing), limits, Vec::new()).value(raw, &ty);
            (input.unwrap_or(Input::Null), raw.to_json(&nothing).unwrap_or(Json::Null))
        });
        let place = places.get(name.as_str()).cloned().unwrap_or_default();
        Some(Definition { name, ty, default, place, position: definition.pos })
    };
    operation.node.variable_definitions.iter().filter_map(definition).collect()
}

/// The values of the variables, from what the request gives. What the operation does not define is ignored.
pub fn coerce(
    schema: Schema<'_>,
    definitions: &[Definition],
    given: &Map<String, Json>,
    limits: &Limits,
) -> Result<Inputs, Vec<Error>> {
    let mut inputs = Vec::with_capacity(definitions.len());
    let mut errors = Vec::new();
    for definition in definitions {
        match definition.coerce(schema, given, limits) {
            Ok(input) => inputs.push(input),
            Err(error) => errors.push(error.at(definition.position)),
        }
    }
    errors.truncate(limits.errors);
    if errors.is_empty() { Ok(inputs) } else { Err(errors) }
}

/// The variables as compilation reads them.
pub fn variables(definitions: &[Definition], inputs: Inputs, given: &Map<String, Json>) -> Variables {
    let mut variables = Variables::default();
    for (definition, input) in definitions.iter().zip(inputs) {
        let default = definition.default.as_ref().map(|(_, json)| json);
        variables.push(&definition.name, input, given.get(&definition.name).or(default).cloned());
    }
    variables
}

impl Definition {
    fn coerce(&self, schema: Schema<'_>, given: &Map<String, Json>, limits: &Limits) -> Result<Option<Input>, Error> {
        let name = &self.name;
        let Some(json) = given.get(name) else {
            if self.default.is_none() && self.ty.is_non_null() {
                let ty = schema.show(&self.ty);
                let message = format!("Variable \"${name}\" of required type \"{ty}\" was not provided.");
                let issues = vec![Issue::new(self.place.clone(), "required", &message)];
                return Err(Error { issues, ..Error::input(message) });
            }
            return Ok(self.default.as_ref().map(|(input, _)| input.clone()));
        };
        let nothing = Variables::default();
        let mut coercion = Coercion::new(schema, Some(&nothing), limits, self.place.clone());
        let input = coercion.value(Raw::Json(json), &self.ty).unwrap_or(Input::Null);
        let issues = coercion.into_issues()?;
        if issues.is_empty() {
            return Ok(Some(input));
        }
        let error = refused(issues);
        let message = format!("Variable \"${name}\" got an invalid value: {}", error.message);
        Err(Error { message, ..error })
    }
}
