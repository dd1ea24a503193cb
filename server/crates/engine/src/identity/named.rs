//! What a name that people see in a module stands for: a field, a reference by its id, or the records on the other side of a reference.

use cardine_access::{FieldAccess, Rights};
use cardine_model::catalog::{Catalog, Field, FieldId, Module, ModuleId, Relation};
use cardine_model::{Issue, path};

use crate::EngineError;

/// What the API adds to a reference's name for its id.
const ID_SUFFIX: &str = "Id";

/// What is named.
#[derive(Debug, Clone, Copy)]
pub(super) enum Named<'a> {
    Field(&'a Field),
    /// Records that refer to this one, or are linked with it.
    Relation(&'a Relation),
}

impl<'a> Named<'a> {
    /// Finds it; a name that stands for nothing is told at `field`.
    pub fn find(module: &'a Module, name: &str) -> Result<Self, EngineError> {
        let by_id = || {
            let field = module.field_named(name.strip_suffix(ID_SUFFIX)?)?;
            field.reference().is_some().then_some(field)
        };
        let field = module.field_named(name).or_else(by_id).map(Self::Field);
        field.or_else(|| module.relation_named(name).map(Self::Relation)).ok_or_else(|| {
            let message = format!("{} has no field named {name}", module.name);
            EngineError::Validation(vec![Issue::new(path!["field"], "unknownField", message)])
        })
    }

    /// What may be done with it by these rights.
    pub fn access(self, rights: &Rights, module: &Module) -> FieldAccess {
        match self {
            Self::Field(field) => rights.module(module.id).access(field.id),
            Self::Relation(_) if !rights.can_read_module(module.id) => FieldAccess::None,
            Self::Relation(relation) if !rights.can_read_relation(relation) => FieldAccess::None,
            Self::Relation(relation) => {
                let others = rights.module(relation.module);
                let linkable = relation.through.is_some() || others.create || others.update;
                let writable = rights.can_write(relation.module, relation.field);
                if linkable && writable { FieldAccess::Write } else { FieldAccess::Read }
            }
        }
    }

    /// Whether a record must be changed itself for this to change: what refers to it is changed there.
    pub fn is_of_the_record(self) -> bool {
        match self {
            Self::Field(_) => true,
            Self::Relation(relation) => relation.through.is_some(),
        }
    }

    /// The field whose grants decide, with its module.
    pub fn decided_by(self, catalog: &Catalog, module: &Module) -> (ModuleId, FieldId) {
        match self {
            Self::Field(field) => (module.id, module.whole_of(field).id),
            Self::Relation(relation) => match catalog.module(relation.module).link {
                Some(link) => (link.owner, link.field),
                None => (relation.module, relation.field),
            },
        }
    }
}
