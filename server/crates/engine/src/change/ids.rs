//! What modules and fields are called by the server, whatever their names: so that nothing is inherited by who takes a name later.

use cardine_model::definition::{FieldDefinition, LinkDefinition, ModuleDefinition, StableId};
use rustc_hash::FxHashSet;

/// `definition` with the ids that its module and fields have had in `before`, and new ones for the others; what is retired there
/// stays so.
pub(super) fn identified(definition: ModuleDefinition, before: Option<&ModuleDefinition>) -> ModuleDefinition {
    let old = before.map(|before| &*before.fields).unwrap_or_default();
    let retired = before.map(|before| before.retired.clone()).unwrap_or_default();
    let mut taken: FxHashSet<StableId> = old.iter().filter_map(|field| field.id).collect();
    taken.extend(retired.iter().filter_map(|retired| retired.field.id));
    let fields = definition.fields.iter().map(|field| {
        let known = old.iter().find(|known| known.name == field.name);
        let link = field.link.as_ref().map(|link| {
            let old =
                known.and_then(|known| known.link.as_ref()).map(|link| link.fields.as_slice()).unwrap_or_default();
            let mut taken: FxHashSet<StableId> = old.iter().filter_map(|field| field.id).collect();
            let own = link.fields.iter().map(|field| {
                let known = old.iter().find(|known| known.name == field.name);
                FieldDefinition { id: Some(id_of(known, &mut taken)), ..field.clone() }
            });
            LinkDefinition { fields: own.collect() }
        });
        FieldDefinition { id: Some(id_of(known, &mut taken)), link, ..field.clone() }
    });
    let mut fields: Vec<FieldDefinition> = fields.collect();
    if before.is_none() {
        in_order_of_names(&mut fields);
    }
    let fields = fields.into();
    let id = before.and_then(|before| before.id).or_else(|| Some(new_id(&mut FxHashSet::default())));
    ModuleDefinition { id, fields, retired, ..definition }
}

/// Gives the ids of a new module's fields so that they ascend with the names: what is listed by ids, such as the changes of an entry of
/// the history, is then listed by names as far as it can be.
fn in_order_of_names(fields: &mut [FieldDefinition]) {
    let mut ids: Vec<Option<StableId>> = fields.iter().map(|field| field.id).collect();
    ids.sort_unstable();
    let mut places: Vec<usize> = (0..fields.len()).collect();
    places.sort_by(|one, other| fields[*one].name.cmp(&fields[*other].name));
    for (place, id) in places.into_iter().zip(ids) {
        fields[place].id = id;
    }
}

/// Whether the module and all of its fields have ids.
pub(super) fn is_identified(definition: &ModuleDefinition) -> bool {
    let known = |fields: &[FieldDefinition]| fields.iter().all(|field| field.id.is_some());
    definition.id.is_some()
        && known(&definition.fields)
        && definition.fields.iter().filter_map(|field| field.link.as_ref()).all(|link| known(&link.fields))
}

fn id_of(known: Option<&FieldDefinition>, taken: &mut FxHashSet<StableId>) -> StableId {
    known.and_then(|known| known.id).unwrap_or_else(|| new_id(taken))
}

/// By chance, so that none is given twice although nobody counts: one that was purged stands nowhere.
fn new_id(taken: &mut FxHashSet<StableId>) -> StableId {
    loop {
        // 31 bits, which every database and client has as an integer.
        if let Some(id) = StableId::new(rand::random::<u32>() >> 1)
            && taken.insert(id)
        {
            return id;
        }
    }
}
