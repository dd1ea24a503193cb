//! Fields that plugins compute: what is read for them, though it may not be shown.

use cardine_model::catalog::{FieldId, Hop, Module, ModuleId};

use super::Compiler;
use super::list::ListBuilder;
use super::record::unvalidated;
use crate::error::Error;
use crate::shape::{Encoding, FieldShape};

/// A selected field that a plugin computes, for every row of one list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computing {
    /// The module of the records.
    pub module: ModuleId,
    /// The field.
    pub field: FieldId,
    /// The output with the record's id; where it is null there is no record.
    pub id: usize,
    /// What the plugin is told, in the order of the field's inputs: the output, and how it is written.
    pub inputs: Vec<(usize, Encoding)>,
}

impl<'a> Compiler<'a> {
    pub(super) fn computed(
        &mut self,
        list: &mut ListBuilder<'a>,
        at: &[Hop],
        module: ModuleId,
        field: FieldId,
    ) -> Result<FieldShape, Error> {
        let computed = self.schema.catalog.field(module, field).computed().ok_or_else(unvalidated)?;
        let id = list.output(at, Module::ID)?;
        let mut inputs = Vec::with_capacity(computed.inputs.len());
        for (_, input) in &computed.inputs {
            inputs.push((list.output(at, *input)?, self.encoding(module, *input)));
        }
        self.computings.push(Computing { module, field, id, inputs });
        Ok(FieldShape::Computed(self.computings.len() - 1))
    }
}
