//! The fields that every record has, in the order of `Module::SYSTEM_FIELDS`.

use super::draft::{Draft, Issues};
use crate::catalog::{Field, FieldKind, Module, Reference};
use crate::definition::{Label, OnDelete};
use crate::name::snake_case;
use crate::{FieldId, ModuleId, path};

/// The platform module whose records act.
const USER: &str = "User";
/// The platform module whose records own together with users.
const GROUP: &str = "Group";

/// Adds the system fields to every module; their references need the platform modules of users and groups.
pub(super) fn add(draft: &mut Draft<'_>, issues: &mut Issues) {
    let target = |name: &str| draft.by_name.get(name).copied().filter(|id| draft.module_at(*id).platform);
    let (user, group) = (target(USER), target(GROUP));
    for (name, id) in [(USER, user), (GROUP, group)] {
        if let (None, Some(document)) = (id, draft.documents.first()) {
            issues.add(
                document.definition,
                path![],
                "platform",
                format!("the platform's own module `{name}` is missing"),
            );
        }
    }
    let users: Vec<ModuleId> = user.into_iter().collect();
    let owners: Vec<ModuleId> = user.into_iter().chain(group).collect();

    // The same in every module, so that all share their labels.
    let fields: Vec<Field> = (0..)
        .zip(Module::SYSTEM_FIELDS)
        .map(|(position, name)| system_field(FieldId(position), name, &users, &owners))
        .collect();
    for document in draft.documents.clone() {
        let module = draft.module_mut(document.id);
        fields.iter().for_each(|field| module.add_field(field.clone()));
    }
}

fn system_field(id: FieldId, name: &str, users: &[ModuleId], owners: &[ModuleId]) -> Field {
    let kind = match id {
        Module::ID => FieldKind::Id,
        Module::VERSION => FieldKind::Integer { big: false, min: None, max: None },
        Module::CREATED_BY | Module::UPDATED_BY => reference(users, None),
        Module::OWNER => reference(owners, Some("_owner_module".to_owned())),
        _ => FieldKind::DateTime,
    };
    let column = match &kind {
        FieldKind::Reference(_) => snake_case(&format!("{name}Id")),
        _ => snake_case(name),
    };
    let (english, italian) = label(id);
    Field {
        stable_id: None,
        id,
        name: name.to_owned(),
        kind,
        column: Some(column),
        label: Label::ByLanguage([("en".into(), english.into()), ("it".into(), italian.into())].into()),
        help: None,
        system: true,
        part_of: None,
        required: matches!(id, Module::ID | Module::VERSION | Module::CREATED_AT | Module::UPDATED_AT),
        unique: id == Module::ID,
        default: None,
        read_only: id != Module::OWNER,
        indexed: false,
        deprecated: None,
    }
}

fn reference(targets: &[ModuleId], module_column: Option<String>) -> FieldKind {
    FieldKind::Reference(Reference {
        targets: targets.to_vec(),
        module_column,
        inverse: None,
        on_delete: OnDelete::SetNull,
        hierarchy: false,
        file: None,
    })
}

fn label(id: FieldId) -> (&'static str, &'static str) {
    match id {
        Module::ID => ("Id", "Id"),
        Module::VERSION => ("Version", "Versione"),
        Module::CREATED_AT => ("Created at", "Creato il"),
        Module::UPDATED_AT => ("Updated at", "Aggiornato il"),
        Module::CREATED_BY => ("Created by", "Creato da"),
        Module::UPDATED_BY => ("Updated by", "Aggiornato da"),
        Module::OWNER => ("Owner", "Proprietario"),
        _ => ("Deleted at", "Eliminato il"),
    }
}
