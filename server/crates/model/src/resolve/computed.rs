//! What plugins are told to compute a field: the record's fields that its definition names.

use super::draft::{Document, Draft, Issues};
use crate::catalog::FieldKind;
use crate::suggest::did_you_mean;
use crate::{FieldId, path};

/// Puts the inputs into the field, or tells why there are none.
pub(super) fn resolve(
    draft: &mut Draft<'_>,
    document: &Document<'_>,
    position: usize,
    id: FieldId,
    issues: &mut Issues,
) {
    let module = draft.module_at(document.id);
    let definition = &document.definition.fields[position];
    let mut inputs = Vec::with_capacity(definition.inputs.len());
    let mut sound = true;
    for (told, name) in &definition.inputs {
        let place = path!["fields", position, "inputs", told.as_str()];
        let mut refuse = |rule: &str, message: String| {
            issues.add(document.definition, place.clone(), rule, message);
            sound = false;
        };
        match module.field_named(name) {
            None => {
                let hint = did_you_mean(name, module.fields.iter().map(|field| field.name.as_str()));
                refuse("unknownField", format!("`{}` has no field `{name}`{hint}", module.name));
            }
            Some(field) if field.computed().is_some() => {
                refuse("type", format!("`{name}` is computed by a plugin itself; name what it is computed from"));
            }
            // A reference says nothing to a plugin but an id, which it may see only if the caller sees the record.
            Some(field) if field.reference().is_some() || !field.has_value() => {
                refuse("type", format!("`{name}` has no value of its own; name a field with one value, or a part"));
            }
            Some(field) if draft.is_faulty(module.id, field.id) => sound = false,
            Some(field) => inputs.push((told.clone(), field.id)),
        }
    }
    if !sound {
        draft.faulty.insert((document.id, id));
        return;
    }
    if let FieldKind::Computed(computed) = &mut draft.module_mut(document.id).fields[id.0 as usize].kind {
        computed.inputs = inputs;
    }
}
