//! From a request to a compiled operation: parse, guard, validate, choose the operation, coerce variables, compile.

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use uuid::Uuid;

use crate::coerce::Variables;
use crate::compile::{self, Located, Operation, Setting};
use crate::error::Error;
use crate::guard;
use crate::protocol::Request;
use crate::validate::validate;

/// A valid operation with its variables, ready to be compiled.
#[derive(Debug)]
pub struct Prepared {
    document: ExecutableDocument,
    operation_name: Option<String>,
    variables: Variables,
}

impl Prepared {
    /// Everything up to compilation. Nothing of it touches the database.
    pub fn new(setting: Setting<'_>, request: &Request) -> Result<Self, Vec<Error>> {
        let document = guard::parse(&request.query, setting.limits).map_err(|error| vec![error])?;
        guard::check_variables(&request.variables, setting.limits).map_err(|error| vec![error])?;
        let faults = validate(&document, setting.schema, setting.limits);
        if !faults.is_empty() {
            return Err(faults);
        }
        let operation = choose(&document, request.operation_name.as_deref()).map_err(|error| vec![error])?;
        let variables = compile::variables(setting.schema, operation, &request.variables, setting.limits.errors)?;
        Ok(Self { operation_name: request.operation_name.clone(), document, variables })
    }

    /// Whether it changes something.
    pub fn is_mutation(&self) -> bool {
        self.operation().node.ty == OperationType::Mutation
    }

    /// The ids that `node` and `nodes` ask for, whose modules must be known before compilation.
    pub fn node_ids(&self, setting: Setting<'_>) -> Result<Vec<Uuid>, Vec<Error>> {
        if self.is_mutation() {
            return Ok(Vec::new());
        }
        compile::node_ids(setting, &self.document, self.operation(), &self.variables)
    }

    /// The compiled operation.
    pub fn compile(&self, setting: Setting<'_>, located: &Located) -> Result<Operation, Vec<Error>> {
        compile::compile(setting, &self.document, self.operation(), &self.variables, located)
    }

    fn operation(&self) -> &Positioned<OperationDefinition> {
        choose(&self.document, self.operation_name.as_deref()).expect("it was chosen before")
    }
}

/// The operation to execute (<https://spec.graphql.org/September2025/#GetOperation()>).
fn choose<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Error> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
            Some(operation) if operations.len() == 1 => Ok(operation),
            _ => {
                Err(Error::input("The document has several operations: tell by `operationName` which one to execute."))
            }
        },
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).ok_or_else(|| unknown_operation(name))
        }
        (DocumentOperations::Single(_), Some(name)) => Err(unknown_operation(name)),
    }
}

fn unknown_operation(name: &str) -> Error {
    Error::input(format!("The document has no operation named \"{name}\"."))
}
