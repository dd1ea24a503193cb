//! References → the modules that they may point to, and the to-many relations that they make on the other side.

use rustc_hash::FxHashMap;

use super::draft::{Document, Draft, Issues, own_field_id};
use super::links::ENDS;
use crate::catalog::{FieldKind, HierarchyWay, Link, Relation, RelationId};
use crate::definition::{FieldDefinition, ModuleDefinition, ReferenceTarget};
use crate::suggest::did_you_mean;
use crate::{Field, ModuleId, PathSegment, path};

/// Every module that is no platform table.
const ANY: &str = "*";
/// The platform module whose records are files.
pub(super) const FILE: &str = "File";

/// Resolves all targets, then adds the inverses in the order of module and field ids, which is the order of relation ids.
pub(super) fn resolve(draft: &mut Draft<'_>, issues: &mut Issues) {
    let mut documents = draft.documents.clone();
    documents.sort_by_key(|document| document.id);
    let mut inverses: FxHashMap<ModuleId, Vec<Relation>> = FxHashMap::default();
    for document in documents {
        for (position, id, definition) in document.fields() {
            if matches!(definition.kind.as_str(), "file" | "image") {
                let targets = draft.by_name.get(FILE).copied().filter(|file| draft.module_at(*file).held);
                let field = &mut draft.module_mut(document.id).fields[id.0 as usize];
                if let (FieldKind::Reference(reference), Some(file)) = (&mut field.kind, targets) {
                    reference.targets = vec![file];
                }
                continue;
            }
            if definition.kind != "reference" {
                continue;
            }
            let before = issues.len();
            let targets = targets(draft, &document, position, definition, issues);
            if issues.len() > before {
                draft.faulty.insert((document.id, id));
            }
            // From one end of a link the way leads on to the other.
            let through = document.link.filter(|_| position < ENDS).map(|_| own_field_id(ENDS - 1 - position));
            if let Some(inverse) = &definition.inverse {
                for target in &targets {
                    let (name, module) = (inverse.clone(), document.id);
                    let relation = Relation { id: RelationId(0), name, module, field: id, through, hierarchy: None };
                    inverses.entry(*target).or_default().push(relation);
                }
            }
            if definition.hierarchy {
                check_hierarchy(&document, position, definition, &targets, issues);
                let along = HierarchyWay::BOTH.map(|way| Relation {
                    id: RelationId(0),
                    name: way.name().to_owned(),
                    module: document.id,
                    field: id,
                    through: None,
                    hierarchy: Some(way),
                });
                inverses.entry(document.id).or_default().extend(along);
            }
            let field = &mut draft.module_mut(document.id).fields[id.0 as usize];
            if let FieldKind::Reference(reference) = &mut field.kind {
                reference.targets = targets;
            }
        }
        declare_link(draft, &document);
    }
    relate(draft, inverses);
}

/// Tells what keeps a reference from making a hierarchy.
fn check_hierarchy(
    document: &Document<'_>,
    position: usize,
    definition: &FieldDefinition,
    targets: &[ModuleId],
    issues: &mut Issues,
) {
    let module = document.definition;
    if !targets.is_empty() && targets != [document.id] {
        let message = format!("a hierarchy is made by a reference to `{}` itself, and to no other module", module.name);
        issues.add_at_field(module, position, "hierarchy", "ownModule", message);
    }
    if definition.required {
        let message = "what stands at the top of a hierarchy has nothing above it; leave out `required`";
        issues.add_at_field(module, position, "required", "ownModule", message);
    }
    if let Some(first) = module.fields[..position].iter().find(|field| field.hierarchy) {
        let message = format!("a module has one hierarchy, and `{}` makes it already", first.name);
        issues.add_at_field(module, position, "hierarchy", "nameTaken", message);
    }
}

/// Gives every module its relations: those that `inverses` has of the documents, and those of modules that stay as they were.
fn relate(draft: &mut Draft<'_>, mut inverses: FxHashMap<ModuleId, Vec<Relation>>) {
    for id in (0u32..).map(ModuleId).take(draft.modules.len()) {
        let mut relations = inverses.remove(&id).unwrap_or_default();
        let known = draft.before(id).map(|before| before.relations.as_slice()).unwrap_or_default();
        let stays = relations.is_empty() && known.iter().all(|relation| !draft.is_open(relation.module));
        if stays && !draft.is_open(id) {
            continue;
        }
        relations.extend(known.iter().filter(|relation| !draft.is_open(relation.module)).cloned());
        // A field's relations are one for each of its targets, so none has two here but the one that makes a hierarchy.
        relations.sort_by_key(|relation| (relation.module, relation.field, relation.hierarchy));
        for (position, relation) in (0..).zip(&mut relations) {
            relation.id = RelationId(position);
        }
        if draft.is_open(id) {
            // Of two relations of one name the stage of GraphQL names tells; rollups mean the first.
            draft.module_mut(id).set_relations(relations);
        } else if draft.module_at(id).relations != relations {
            draft.disturbed.push(id);
        }
    }
}

/// Ties the module of links and the reference that needs it together.
fn declare_link(draft: &mut Draft<'_>, document: &Document<'_>) {
    let Some(origin) = document.link else { return };
    let Some(owner) = draft.by_name.get(&origin.owner).copied() else { return };
    let field = own_field_id(origin.position);
    draft.module_mut(document.id).link = Some(Link { owner, field, source: own_field_id(0), target: own_field_id(1) });
    if let Some(Field { kind: FieldKind::References { link }, .. }) =
        draft.module_mut(owner).fields.get_mut(field.0 as usize)
    {
        *link = document.id;
    }
}

fn targets(
    draft: &Draft<'_>,
    document: &Document<'_>,
    position: usize,
    definition: &FieldDefinition,
    issues: &mut Issues,
) -> Vec<ModuleId> {
    let module = document.definition;
    match &definition.to {
        // The table of options told that `to` is missing.
        None => Vec::new(),
        Some(ReferenceTarget::One(name)) if name == ANY => draft.record_modules().collect(),
        Some(ReferenceTarget::One(name)) => {
            target(draft, module, name, || path!["fields", position, "to"], issues).into_iter().collect()
        }
        Some(ReferenceTarget::Several(names)) if names.is_empty() => {
            let message = "must name at least one module; \"*\" means every module";
            issues.add_at_field(module, position, "to", "minItems", message);
            Vec::new()
        }
        Some(ReferenceTarget::Several(names)) => {
            let mut targets = Vec::with_capacity(names.len());
            for (index, name) in names.iter().enumerate() {
                let place = || path!["fields", position, "to", index];
                let Some(target) = target(draft, module, name, place, issues) else {
                    continue;
                };
                if targets.contains(&target) {
                    issues.add(module, place(), "uniqueItems", format!("`{name}` stands here twice"));
                } else {
                    targets.push(target);
                }
            }
            targets
        }
    }
}

fn target(
    draft: &Draft<'_>,
    module: &ModuleDefinition,
    name: &str,
    place: impl Fn() -> Vec<PathSegment>,
    issues: &mut Issues,
) -> Option<ModuleId> {
    let found = draft.by_name.get(name).copied();
    if found.is_some_and(|found| draft.module_at(found).held) {
        let message = format!("a record refers to a {name} by a field of the type `file` or `image`");
        issues.add(module, place(), "unknownModule", message);
        return None;
    }
    if found.is_none() {
        let hint = did_you_mean(name, draft.by_name.keys().map(String::as_str));
        let message = if name == ANY {
            "\"*\" stands alone, not in a list".to_owned()
        } else {
            format!("there is no module {name:?}{hint}")
        };
        issues.add(module, place(), "unknownModule", message);
    }
    found
}
