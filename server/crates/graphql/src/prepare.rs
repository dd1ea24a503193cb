//! From a request to a compiled operation: parse, guard, validate, choose the operation, coerce variables, compile.

use std::sync::Arc;

use async_graphql_parser::Positioned;
use async_graphql_parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition, OperationType};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::compile::{self, Definition, Followed, Located, NoticeTold, Operation, Searches, Setting};
use crate::error::Error;
use crate::guard;
use crate::protocol::Request;
use crate::validate::validate;
use crate::variables::{Inputs, Variables};

/// A valid document and the operation that was chosen in it: what a request has before its variables are looked at, so that
/// all requests with this text, operation name and rights share it.
#[derive(Debug)]
pub struct Document {
    document: ExecutableDocument,
    operation_name: Option<String>,
    definitions: Vec<Definition>,
}

impl Document {
    /// Parses, bounds and validates. Sees no variable's value.
    pub fn new(setting: Setting<'_>, query: &str, operation_name: Option<&str>) -> Result<Self, Vec<Error>> {
        let document = guard::parse(query, setting.limits).map_err(|error| vec![error])?;
        let faults = validate(&document, setting.schema, setting.limits);
        if !faults.is_empty() {
            return Err(faults);
        }
        let operation = choose(&document, operation_name).map_err(|error| vec![error])?;
        let definitions = compile::definitions(setting.schema, setting.limits, &document, operation);
        Ok(Self { document, operation_name: operation_name.map(str::to_owned), definitions })
    }

    /// Whether it is answered by a stream, which is not made here.
    pub fn is_subscription(&self) -> bool {
        self.operation().node.ty == OperationType::Subscription
    }

    /// Whether it changes something.
    pub fn is_mutation(&self) -> bool {
        self.operation().node.ty == OperationType::Mutation
    }

    /// The values of its variables.
    pub fn coerce(&self, setting: Setting<'_>, given: &Map<String, Json>) -> Result<Inputs, Vec<Error>> {
        guard::check_variables(given, setting.limits).map_err(|error| vec![error])?;
        compile::coerce(setting.schema, &self.definitions, given, setting.limits)
    }

    fn operation(&self) -> &Positioned<OperationDefinition> {
        choose(&self.document, self.operation_name.as_deref()).expect("it was chosen before")
    }
}

/// A valid operation with its variables, ready to be compiled.
#[derive(Debug)]
pub struct Prepared {
    document: Arc<Document>,
    variables: Variables,
}

impl Prepared {
    /// Everything up to compilation. Nothing of it touches the database.
    pub fn new(setting: Setting<'_>, request: &Request) -> Result<Self, Vec<Error>> {
        let document = Document::new(setting, &request.query, request.operation_name.as_deref())?;
        let inputs = document.coerce(setting, &request.variables)?;
        Ok(Self::with(Arc::new(document), inputs, &request.variables))
    }

    /// The operation of a document, with the values that [`Document::coerce`] gave.
    pub fn with(document: Arc<Document>, inputs: Inputs, given: &Map<String, Json>) -> Self {
        let variables = compile::variables(&document.definitions, inputs, given);
        Self { document, variables }
    }

    /// Whether it changes something.
    pub fn is_mutation(&self) -> bool {
        self.document.is_mutation()
    }

    /// The ids that `node` and `nodes` ask for, whose modules must be known before compilation.
    pub fn node_ids(&self, setting: Setting<'_>) -> Result<Vec<Uuid>, Vec<Error>> {
        if self.document.operation().node.ty != OperationType::Query {
            return Ok(Vec::new());
        }
        compile::node_ids(setting, &self.document.document, self.document.operation(), &self.variables)
    }

    /// The searches, which must be answered before compilation.
    pub fn searches(&self, setting: Setting<'_>) -> Result<Searches, Vec<Error>> {
        if self.is_mutation() {
            return Ok(Searches::default());
        }
        compile::searches(setting, &self.document.document, self.document.operation(), &self.variables)
    }

    /// The compiled subscription.
    pub fn compile_subscription(&self, setting: Setting<'_>) -> Result<Followed, Vec<Error>> {
        compile::compile_subscription(setting, &self.document.document, self.document.operation(), &self.variables)
    }

    /// What a subscription to notifications tells one as.
    pub fn compile_notice(&self, setting: Setting<'_>, told: &NoticeTold) -> Result<Operation, Vec<Error>> {
        compile::compile_notice(setting, &self.document.document, self.document.operation(), &self.variables, told)
    }

    /// The compiled operation.
    pub fn compile(&self, setting: Setting<'_>, located: &Located) -> Result<Operation, Vec<Error>> {
        compile::compile(setting, &self.document.document, self.document.operation(), &self.variables, located)
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
