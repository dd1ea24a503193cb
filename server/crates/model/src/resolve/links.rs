//! Many-to-many references → the modules of their links: a table each, with the ids of both records and the link's own fields.
//!
//! A link is a record like others to most of Cardine. Its document is made here and resolved with the others; what is faulty in
//! it is told where it was written, at the reference.

use super::ModuleIssue;
use crate::definition::{FieldDefinition, FieldList, ModuleDefinition, OnDelete, ReferenceTarget};
use crate::name::{lower_first, upper_first};
use crate::{Issue, PathSegment, path};

/// A link has these fields before its own: to the record that has the reference, and to the other one.
pub(super) const ENDS: usize = 2;

/// The document of a reference's links.
pub(super) struct LinkDocument {
    pub definition: ModuleDefinition,
    /// Whose field it is.
    pub owner: String,
    /// The field's position in its document.
    pub position: usize,
}

/// The documents of all links that `modules` need. A reference that leads to no single module has none; the stage of field types tells.
pub(super) fn documents(modules: &[ModuleDefinition]) -> Vec<LinkDocument> {
    let of_module = |module: &ModuleDefinition| -> Vec<LinkDocument> {
        let fields = module.fields.iter().enumerate();
        let link = |(position, field)| {
            let definition = document(module, field)?;
            Some(LinkDocument { definition, owner: module.name.clone(), position })
        };
        fields.filter_map(link).collect()
    };
    modules.iter().flat_map(of_module).collect()
}

fn document(module: &ModuleDefinition, field: &FieldDefinition) -> Option<ModuleDefinition> {
    let target = target_of(field)?;
    let name = format!("{}{}", module.name, upper_first(&field.name));
    let source = lower_first(&module.name);
    let other = if target == module.name { format!("other{target}") } else { lower_first(target) };
    let ends = [
        end(source.clone(), &module.name, Some(field.name.clone())),
        end(other.clone(), target, field.inverse.clone()),
    ];
    let own = field.link.iter().flat_map(|link| link.fields.iter().cloned());
    Some(ModuleDefinition {
        plural: format!("{name}Links"),
        name,
        label: field.label.clone(),
        fields: ends.into_iter().chain(own).collect(),
        uniques: vec![FieldList { fields: vec![source, other] }],
        ..ModuleDefinition::default()
    })
}

fn end(name: String, to: &str, inverse: Option<String>) -> FieldDefinition {
    FieldDefinition {
        name,
        kind: "reference".to_owned(),
        to: Some(ReferenceTarget::One(to.to_owned())),
        required: true,
        inverse,
        on_delete: Some(OnDelete::Cascade),
        ..FieldDefinition::default()
    }
}

/// The module that a many-to-many reference leads to; `None` for other fields, and where it names none or several.
pub(super) fn target_of(field: &FieldDefinition) -> Option<&str> {
    let targets = (field.kind == "references").then_some(field.to.as_ref()).flatten()?;
    match targets {
        ReferenceTarget::One(name) if name != "*" => Some(name),
        ReferenceTarget::Several(names) => match names.as_slice() {
            [name] => Some(name),
            _ => None,
        },
        ReferenceTarget::One(_) => None,
    }
}

/// The same faults, those of links at the references that need them.
pub(super) fn told_where_written(links: &[LinkDocument], found: Vec<ModuleIssue>) -> Vec<ModuleIssue> {
    found
        .into_iter()
        .map(|fault| match links.iter().find(|link| link.definition.name == fault.module) {
            None => fault,
            Some(link) => {
                let path = written_at(link.position, &fault.issue.path);
                ModuleIssue { module: link.owner.clone(), issue: Issue { path, ..fault.issue } }
            }
        })
        .collect()
}

fn written_at(position: usize, path: &[PathSegment]) -> Vec<PathSegment> {
    match path {
        [PathSegment::Name(key), PathSegment::Index(field), rest @ ..] if key == "fields" && *field >= ENDS => {
            [path!["fields", position, "link", "fields", field - ENDS].as_slice(), rest].concat()
        }
        [PathSegment::Name(key), PathSegment::Index(1), PathSegment::Name(option), ..]
            if key == "fields" && (option == "to" || option == "inverse") =>
        {
            path!["fields", position, option.as_str()]
        }
        _ => path!["fields", position, "name"],
    }
}
