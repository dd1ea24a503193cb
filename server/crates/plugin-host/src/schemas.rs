//! Checks inputs and outputs of functions against their JSON Schemas.

use jsonschema::Validator;
use serde_json::Value;

use crate::issue::Issue;
use crate::manifest::{FunctionManifest, compile_schema};

const ISSUES_MAX: usize = 20;

/// The compiled schemas of one function.
#[derive(Debug)]
pub(crate) struct FunctionSchemas {
    input: Option<Validator>,
    output: Option<Validator>,
}

impl FunctionSchemas {
    /// Compiles what [`crate::Manifest::parse`] found to be compilable.
    pub(crate) fn compile(function: &FunctionManifest) -> Result<Self, String> {
        let compile = |schema: &Option<Value>| schema.as_ref().map(compile_schema).transpose();
        Ok(Self { input: compile(&function.input_schema)?, output: compile(&function.output_schema)? })
    }

    pub(crate) fn input_issues(&self, input: &Value) -> Vec<Issue> {
        issues(self.input.as_ref(), input)
    }

    pub(crate) fn output_issues(&self, output: &Value) -> Vec<Issue> {
        issues(self.output.as_ref(), output)
    }
}

fn issues(schema: Option<&Validator>, value: &Value) -> Vec<Issue> {
    let Some(schema) = schema else { return Vec::new() };
    if schema.is_valid(value) {
        return Vec::new();
    }
    schema.iter_errors(value).map(|error| Issue::from_schema(&error)).take(ISSUES_MAX).collect()
}
