//! What stops making sense when a field or a module is taken away.

use rustc_hash::FxHashSet;

use crate::catalog::{Catalog, Default, FieldId, FieldKind, Module, ModuleId, ValidationOrigin};
use crate::definition::ReferenceTarget;
use crate::rule::TypedRule;

/// One place that needs what is to be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dependant {
    /// The module in whose document it stands.
    pub module: ModuleId,
    /// The place in that document.
    pub place: Place,
}

/// Where a document needs a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A field that is computed from it, or that refers to it.
    Field(FieldId),
    /// The default of a field.
    Default(FieldId),
    /// The `requiredIf` of a field.
    RequiredIf(FieldId),
    /// The `dependsOn` of a choice.
    DependsOn(FieldId),
    /// A validation, by its position.
    Validation(usize),
    /// `nameField`.
    NameField,
    /// `search`.
    Search,
    /// `parent`.
    Parent,
    /// One of `indexes`, by its position.
    Index(usize),
    /// One of `uniques`, by its position.
    Unique(usize),
    /// One of `duplicates`, by its position.
    Duplicates(usize),
}

impl Dependant {
    /// For people: `the field Deal.half`.
    pub fn told(&self, catalog: &Catalog) -> String {
        let module = catalog.module(self.module);
        let name = &module.name;
        let field = |id: FieldId| module.whole_of(module.field(id)).name.as_str();
        match self.place {
            Place::Field(id) => {
                let kind = match module.field(id).kind {
                    FieldKind::Formula(_) => "formula",
                    FieldKind::Rollup(_) => "rollup",
                    _ => "field",
                };
                format!("the {kind} {name}.{}", field(id))
            }
            Place::Default(id) => format!("the default of {name}.{}", field(id)),
            Place::RequiredIf(id) => format!("the requiredIf of {name}.{}", field(id)),
            Place::DependsOn(id) => format!("the dependsOn of {name}.{}", field(id)),
            Place::Validation(position) => format!("validation {} of {name}", position + 1),
            Place::NameField => format!("the nameField of {name}"),
            Place::Search => format!("the search of {name}"),
            Place::Parent => format!("the parent of {name}"),
            Place::Index(position) => format!("index {} of {name}", position + 1),
            Place::Unique(position) => format!("unique set {} of {name}", position + 1),
            Place::Duplicates(position) => format!("the rule for duplicates {} of {name}", position + 1),
        }
    }
}

/// All places that need a field, those in its own module first.
pub fn of_field(catalog: &Catalog, module: ModuleId, field: FieldId) -> Vec<Dependant> {
    let owner = catalog.module(module);
    let mut gone: FxHashSet<(ModuleId, FieldId)> = FxHashSet::from_iter([(module, field)]);
    if let Some(group) = owner.field(field).group() {
        gone.extend(group.parts.iter().map(|part| (module, *part)));
    }
    let mut links = None;
    if let FieldKind::References { link } = owner.field(field).kind {
        gone.extend(catalog.module(link).fields.iter().map(|field| (link, field.id)));
        links = Some(link);
    }
    let gone = Gone { fields: gone, module: links };
    let mut found = document_uses(owner, &gone, module, field);
    for other in catalog.modules.iter().filter(|module| module.link.is_none()) {
        found.extend(rules_over(catalog, other, &gone));
    }
    found.retain(|dependant| !gone.fields.contains(&(dependant.module, field_of(dependant.place))));
    in_order(found, module)
}

/// All places in other modules that need a module.
pub fn of_module(catalog: &Catalog, module: ModuleId) -> Vec<Dependant> {
    let own: Vec<&Module> = catalog
        .modules
        .iter()
        .map(AsRef::as_ref)
        .filter(|other: &&Module| other.id == module || other.link.is_some_and(|link| link.owner == module))
        .collect();
    let fields = own.iter().flat_map(|module| module.fields.iter().map(|field| (module.id, field.id))).collect();
    let gone = Gone { fields, module: Some(module) };
    let name = &catalog.module(module).name;
    let mut found = Vec::new();
    for other in catalog.modules.iter().filter(|other| other.link.is_none() && other.id != module) {
        for (position, definition) in other.definition().fields.iter().enumerate() {
            let named = match &definition.to {
                Some(ReferenceTarget::One(target)) => target == name,
                Some(ReferenceTarget::Several(targets)) => targets.contains(name),
                None => false,
            };
            let linked = definition.link.iter().flat_map(|link| &link.fields).any(|own| match &own.to {
                Some(ReferenceTarget::One(target)) => target == name,
                Some(ReferenceTarget::Several(targets)) => targets.contains(name),
                None => false,
            });
            if named || linked {
                let id = FieldId(u32::try_from(Module::SYSTEM_FIELDS.len() + position).unwrap_or(u32::MAX));
                found.push(Dependant { module: other.id, place: Place::Field(id) });
            }
        }
        found.extend(rules_over(catalog, other, &gone));
    }
    in_order(found, module)
}

/// What is taken away: fields, and the module whose records a relation would give.
struct Gone {
    fields: FxHashSet<(ModuleId, FieldId)>,
    module: Option<ModuleId>,
}

impl Gone {
    fn is_read_by(&self, rule: &TypedRule, from: ModuleId) -> bool {
        rule.inputs().iter().any(|(_, path)| {
            let mut module = from;
            let through = path.hops.iter().any(|hop| {
                let here = self.fields.contains(&(module, hop.field)) || self.module == Some(hop.target);
                module = hop.target;
                here
            });
            through || self.fields.contains(&(module, path.field))
        })
    }
}

/// The rules of one module, and its rollups' relations, that need what is gone.
fn rules_over(catalog: &Catalog, module: &Module, gone: &Gone) -> Vec<Dependant> {
    let mut found = Vec::new();
    let mut add = |place| found.push(Dependant { module: module.id, place });
    for field in &module.fields {
        let needs = match &field.kind {
            FieldKind::Formula(formula) => gone.is_read_by(&formula.rule, module.id),
            FieldKind::Computed(computed) => {
                computed.inputs.iter().any(|(_, field)| gone.fields.contains(&(module.id, *field)))
            }
            FieldKind::Rollup(rollup) => {
                let relation = module.relation(rollup.relation);
                gone.fields.contains(&(relation.module, relation.field))
                    || gone.module == Some(relation.module)
                    || gone.module == Some(catalog.related_module(relation))
                    || rollup.field.is_some_and(|field| gone.fields.contains(&(relation.module, field)))
                    || rollup.filter.as_ref().is_some_and(|rule| gone.is_read_by(rule, relation.module))
            }
            _ => false,
        };
        if needs {
            add(Place::Field(field.id));
        }
        if let Some(Default::Rule(rule)) = field.default.as_deref()
            && gone.is_read_by(rule, module.id)
        {
            add(Place::Default(field.id));
        }
    }
    for (position, validation) in module.validations.iter().enumerate() {
        let named = validation.fields.iter().any(|field| gone.fields.contains(&(module.id, *field)));
        if named || gone.is_read_by(&validation.rule, module.id) {
            add(match validation.origin {
                ValidationOrigin::Declared => Place::Validation(position),
                ValidationOrigin::RequiredIf(field) => Place::RequiredIf(field),
                ValidationOrigin::DependsOn(field) => Place::DependsOn(field),
            });
        }
    }
    found
}

/// Where the field's own document names it.
fn document_uses(owner: &Module, gone: &Gone, module: ModuleId, field: FieldId) -> Vec<Dependant> {
    let mut places = Vec::new();
    let holds = |id: &FieldId| gone.fields.contains(&(module, *id));
    if owner.name_field.is_some_and(|id| holds(&id)) {
        places.push(Place::NameField);
    }
    if owner.parent.is_some_and(|id| holds(&id)) {
        places.push(Place::Parent);
    }
    if owner.search.iter().any(holds) {
        places.push(Place::Search);
    }
    let name = &owner.field(field).name;
    // As they are written: the catalog's own lists hold those of `unique` fields too.
    let names = |fields: &[String]| {
        fields.iter().any(|named| named == name || named.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')))
    };
    let document = owner.definition();
    let lists = |lists: &[crate::definition::FieldList], place: fn(usize) -> Place| -> Vec<Place> {
        let named = lists.iter().enumerate().filter(|(_, list)| names(&list.fields));
        named.map(|(position, _)| place(position)).collect()
    };
    places.extend(lists(&document.indexes, Place::Index));
    places.extend(lists(&document.uniques, Place::Unique));
    places.extend(lists(&document.duplicates, Place::Duplicates));
    places.into_iter().map(|place| Dependant { module, place }).collect()
}

/// The field that a place belongs to; none that there is for others.
fn field_of(place: Place) -> FieldId {
    match place {
        Place::Field(field) | Place::Default(field) | Place::RequiredIf(field) | Place::DependsOn(field) => field,
        _ => FieldId(u32::MAX),
    }
}

fn in_order(mut found: Vec<Dependant>, first: ModuleId) -> Vec<Dependant> {
    found.sort_by_key(|dependant| (dependant.module != first, *dependant));
    found.dedup();
    found
}
