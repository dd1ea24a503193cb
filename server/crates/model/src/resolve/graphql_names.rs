//! Names in the GraphQL schema: all that a module and its fields derive, and what is taken already, ignoring case.
//!
//! Whoever derives a name for the API takes it from here, so that two things can never get the same one.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use rustc_hash::{FxBuildHasher, FxHashMap, FxHashSet};

use super::draft::{Document, Draft, Issues, own_field_id};
use super::field_types::group_shape;
use super::links::target_of;
use super::unserved::{self, Kept, Unserved};
use crate::catalog::{GroupShape, HierarchyWay, Module};
use crate::conversion::Conversions;
use crate::definition::{FieldDefinition, ModuleDefinition, ReferenceTarget};
use crate::name::{FieldName, ModuleName, lower_first, upper_first};
use crate::{ModuleId, PathSegment, path};

/// What follows a module's name in the names of its types; the empty one is the type of a record.
pub const MODULE_TYPE_SUFFIXES: [&str; 34] = [
    "",
    "Filter",
    "ListFilter",
    "OrderBy",
    "Connection",
    "Edge",
    "Create",
    "Update",
    "Unique",
    "Upsert",
    "Aggregate",
    "Sum",
    "Avg",
    "Min",
    "Max",
    "CountDistinct",
    "Group",
    "GroupKey",
    "GroupBy",
    "GroupOrderBy",
    "Having",
    "NumberOrderBy",
    "RangeOrderBy",
    "CountDistinctOrderBy",
    "SumHaving",
    "AvgHaving",
    "RangeHaving",
    "CountDistinctHaving",
    "Change",
    "Access",
    "Link",
    "ToOneInput",
    "ToManyInput",
    "History",
];

/// What follows a module's and a field's name in the names of that field's types: the enum of a choice or the union of a
/// reference to several modules, its filter, what writes it, and the connection and edges of a many-to-many reference.
pub const FIELD_TYPE_SUFFIXES: [&str; 6] = ["", "Filter", "Input", "Connection", "Edge", "LinkInput"];

/// Keys of every filter beside the fields.
pub const FILTER_COMBINATORS: [&str; 3] = ["and", "or", "not"];

/// Type names that belong to the API itself.
pub const BUILT_IN_TYPES: [&str; 97] = [
    "Query",
    "Mutation",
    "Subscription",
    "Node",
    "PageInfo",
    "Viewer",
    "ViewerModule",
    "ViewerField",
    "ModuleAccess",
    "FieldAccess",
    "BulkResult",
    "Deleted",
    "SortOrder",
    "OrderDirection",
    "DatePart",
    "ChangeKind",
    "SearchConnection",
    "SearchEdge",
    "SearchResult",
    "SearchHit",
    "TimelineConnection",
    "TimelineEdge",
    "TimelineEntry",
    "OccurrenceConnection",
    "OccurrenceEdge",
    "OccurrenceEntry",
    "BusyTimes",
    "BusyTime",
    "BusyEntry",
    "Notification",
    "NotificationConnection",
    "NotificationEdge",
    "NotificationChange",
    "Owner",
    "OwnerFilter",
    "OwnerOrderBy",
    "History",
    "HistoryConnection",
    "HistoryEdge",
    "HistoryEntry",
    "HistoryChange",
    "HistoryAction",
    "HistoryVia",
    "FieldChange",
    "AuditEntry",
    "Issue",
    "Address",
    "AddressInput",
    "AddressFilter",
    "AddressOrderBy",
    "GeoPoint",
    "GeoPointInput",
    "GeoPointFilter",
    "GeoPointOrderBy",
    "Upload",
    "Any",
    "Entity",
    "Int",
    "Float",
    "String",
    "Boolean",
    "ID",
    "BigInt",
    "Decimal",
    "Date",
    "Time",
    "DateTime",
    "Duration",
    "JSON",
    "EmailAddress",
    "PhoneNumber",
    "URL",
    "IntFilter",
    "FloatFilter",
    "StringFilter",
    "BooleanFilter",
    "IDFilter",
    "BigIntFilter",
    "DecimalFilter",
    "DateFilter",
    "TimeFilter",
    "DateTimeFilter",
    "DurationFilter",
    "JSONFilter",
    "EmailAddressFilter",
    "PhoneNumberFilter",
    "URLFilter",
    "CountFilter",
    "DateWithin",
    "DateTimeWithin",
    "Within",
    "WithinPeriod",
    "CalendarUnit",
    "Period",
    "TextFilter",
    "EnumFilter",
    "ListFilter",
];

/// Root fields that belong to the API itself, of all three operations.
const BUILT_IN_ROOT_FIELDS: [&str; 8] =
    ["search", "node", "nodes", "me", "duplicates", "notifications", "markNotificationsRead", "notificationChanges"];

/// Names of the types of a module: the record's first.
pub fn type_names(name: &str) -> impl Iterator<Item = String> {
    MODULE_TYPE_SUFFIXES.iter().map(move |suffix| format!("{name}{suffix}"))
}

/// Query fields of a module: one record, list, groups, timeline, occurrences, busy times, duplicates.
pub fn query_names(name: &str, plural: &str) -> [String; 7] {
    let one = lower_first(name);
    [
        one.clone(),
        lower_first(plural),
        format!("{one}Groups"),
        format!("{one}Timeline"),
        format!("{one}Occurrences"),
        format!("{one}BusyTimes"),
        format!("duplicatesOf{name}"),
    ]
}

/// Mutation fields of a module.
pub fn mutation_names(name: &str, plural: &str) -> [String; 15] {
    [
        format!("create{name}"),
        format!("create{plural}"),
        format!("update{name}"),
        format!("update{plural}"),
        format!("upsert{name}"),
        format!("upsert{plural}"),
        format!("delete{name}"),
        format!("delete{plural}"),
        format!("restore{name}"),
        format!("restore{plural}"),
        format!("destroy{name}"),
        format!("destroy{plural}"),
        format!("merge{name}"),
        format!("merge{plural}"),
        format!("convert{name}"),
    ]
}

/// The mutations of a module's conversions that have names; what two of them share is told where the feature is checked.
fn further_conversions(module: &ModuleDefinition) -> Vec<String> {
    let mut names = Conversions::mutation_names(module);
    let plain = format!("convert{}", module.name);
    names.retain(|name| *name != plain);
    names.sort_unstable_by_key(|name| name.to_ascii_lowercase());
    names.dedup_by_key(|name| name.to_ascii_lowercase());
    names
}

/// Subscription fields of a module.
pub fn subscription_names(name: &str) -> [String; 1] {
    [format!("{}Changes", lower_first(name))]
}

/// The names that a document takes for types and root fields, as fingerprints: two that differ are of different names.
pub(super) fn claims(module: &ModuleDefinition, is_link: bool) -> Arc<[u64]> {
    let ModuleDefinition { name, plural, .. } = module;
    let mut claims = Vec::new();
    if !is_link {
        claims.extend(type_names(name).map(|name| fingerprint(Space::Type, &name)));
        claims.extend(query_names(name, plural).iter().map(|name| fingerprint(Space::Query, name)));
        let conversions = further_conversions(module);
        let mutations = mutation_names(name, plural).into_iter().chain(conversions);
        claims.extend(mutations.map(|name| fingerprint(Space::Mutation, &name)));
        claims.extend(subscription_names(name).iter().map(|name| fingerprint(Space::Subscription, name)));
    }
    for field in module.fields.iter().filter(|field| has_own_type(field)) {
        let names = stems_of_types(module, field);
        let names = names.flat_map(|stem| FIELD_TYPE_SUFFIXES.map(|suffix| format!("{stem}{suffix}")));
        claims.extend(names.map(|name| fingerprint(Space::Type, &name)));
    }
    claims.into()
}

/// Where a name stands.
#[derive(Clone, Copy, Hash)]
enum Space {
    Type,
    Query,
    Mutation,
    Subscription,
}

fn fingerprint(space: Space, name: &str) -> u64 {
    FxBuildHasher.hash_one((space, name.to_ascii_lowercase()))
}

/// Checks the names of what a change resolves: their form, and that nobody else has them. A clash is told without its parties.
pub(super) fn check_change(draft: &Draft<'_>, issues: &mut Issues) {
    let mut taken = built_in_claims();
    for document in &draft.documents {
        if document.link.is_some() {
            check_field_forms(document.definition, issues);
        } else {
            check_form(document.definition, issues);
        }
        for claim in draft.module_at(document.id).claims.iter() {
            if !taken.insert(*claim) {
                issues.add(document.definition, path!["name"], "nameTaken", "one of its names is taken");
            }
        }
    }
    for module in draft.modules.iter().filter(|module| !draft.is_open(module.id)) {
        if module.claims.iter().any(|claim| taken.contains(claim)) {
            issues.add_in(&module.name, path!["name"], "nameTaken", "one of its names is taken");
        }
    }
}

/// Checks the names inside each module that a change resolves, when its relations are known. A clash is told without its parties.
pub(super) fn check_members(draft: &Draft<'_>, issues: &mut Issues) {
    let mut members = Members::new();
    for document in &draft.documents {
        members.claim_fields(document, issues);
        let members = members.of(document.id);
        for relation in &draft.module_at(document.id).relations {
            // From its owner's side a link's relation is the many-to-many reference itself.
            let is_reference = relation.through.is_some() && relation.field == own_field_id(0);
            if !is_reference && take(members, &relation.name, Member::Inverse("", "")).is_some() {
                issues.add(
                    document.definition,
                    path!["name"],
                    "nameTaken",
                    "the name of one of its relations is taken",
                );
            }
        }
    }
}

/// Checks the form of all names, and that each is free where it would stand; gives the modules of `kept` for which it is not.
pub(super) fn check<'a>(draft: &Draft<'a>, kept: &Kept<'_>, issues: &mut Issues) -> Vec<Unserved> {
    let mut sound: Vec<Document<'a>> = Vec::with_capacity(draft.documents.len());
    for document in &draft.documents {
        if document.link.is_some() {
            check_field_forms(document.definition, issues);
            sound.push(*document);
        } else if check_form(document.definition, issues) {
            sound.push(*document);
        }
    }
    let mut clashes = clashes(&sound);
    let mut unserved = Vec::new();
    if !clashes.0.is_empty() && !matches!(kept, Kept::None) {
        (unserved, clashes) = unserved::told_apart(draft, &sound, kept);
    }
    issues.0.append(&mut clashes.0);
    let mut members = Members::new();
    for document in &draft.documents {
        let mut found = Issues::default();
        members.claim_fields(document, &mut found);
        members.claim_inverses(document, draft, &mut found);
        let of_api = std::mem::take(&mut members.of_api);
        unserved::tell_members_apart(draft, document, (found, &of_api), kept, &mut unserved, issues);
    }
    unserved
}

/// The names for types and root fields that are taken already, by the API or by a document that stands before.
pub(super) fn clashes(documents: &[Document<'_>]) -> Issues {
    let mut issues = Issues::default();
    let mut names = Names::new();
    names.types.reserve(documents.len() * MODULE_TYPE_SUFFIXES.len());
    names.mutations.reserve(documents.len() * mutation_names("", "").len());
    for document in documents.iter().filter(|document| document.link.is_none()) {
        names.claim_module(document, &mut issues);
    }
    // Only then the types of fields: a module outranks another module's field in the claim to a type's name.
    for document in documents {
        names.claim_field_types(document, &mut issues);
    }
    issues
}

/// The fingerprints of the names that belong to the API itself.
pub(super) fn built_in_claims() -> FxHashSet<u64> {
    let types = BUILT_IN_TYPES.iter().map(|name| fingerprint(Space::Type, name));
    types.chain(BUILT_IN_ROOT_FIELDS.iter().map(|name| fingerprint(Space::Query, name))).collect()
}

/// Whether name and plural are sound; faults of fields' names are told, too.
fn check_form(module: &ModuleDefinition, issues: &mut Issues) -> bool {
    let before = issues.len();
    for (key, name) in [("name", &module.name), ("plural", &module.plural)] {
        if ModuleName::parse(name).is_none() {
            let message = format!(
                "{name:?} is no module name: it must begin with a capital letter (A to Z) and have only letters and digits, at most 48"
            );
            issues.add(module, path![key], "pattern", message);
        }
    }
    if module.name.eq_ignore_ascii_case(&module.plural) {
        let message = format!("the plural must differ from the name `{}` by more than case", module.name);
        issues.add(module, path!["plural"], "nameTaken", message);
    }
    let sound = issues.len() == before;
    check_field_forms(module, issues);
    sound
}

fn check_field_forms(module: &ModuleDefinition, issues: &mut Issues) {
    for (position, field) in module.fields.iter().enumerate() {
        for (key, name) in [("name", Some(&field.name)), ("inverse", field.inverse.as_ref())] {
            if let Some(name) = name.filter(|name| FieldName::parse(name).is_none()) {
                let message = format!(
                    "{name:?} is no field name: it must begin with a small letter (a to z) and have only letters and digits, at most 48"
                );
                issues.add_at_field(module, position, key, "pattern", message);
            }
        }
    }
}

/// Who has a name.
#[derive(Clone, Copy)]
enum Party<'a> {
    /// The API itself.
    BuiltIn,
    /// A module, by its name.
    Module(&'a str),
    /// A field of a module.
    Field(&'a str, &'a str),
}

impl std::fmt::Display for Party<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::BuiltIn => write!(f, "Cardine's own API"),
            Self::Module(module) => write!(f, "the module `{module}`"),
            Self::Field(module, field) => write!(f, "the field `{module}.{field}`"),
        }
    }
}

/// Names of types and root fields, each in lower case, and who has it.
struct Names<'a> {
    types: FxHashMap<String, Party<'a>>,
    queries: FxHashMap<String, Party<'a>>,
    mutations: FxHashMap<String, Party<'a>>,
    subscriptions: FxHashMap<String, Party<'a>>,
}

impl<'a> Names<'a> {
    fn new() -> Self {
        let taken = |names: &[&str]| names.iter().map(|name| (name.to_ascii_lowercase(), Party::BuiltIn)).collect();
        Self {
            types: taken(&BUILT_IN_TYPES),
            queries: taken(&BUILT_IN_ROOT_FIELDS),
            mutations: FxHashMap::default(),
            subscriptions: FxHashMap::default(),
        }
    }

    fn claim_module(&mut self, document: &Document<'a>, issues: &mut Issues) {
        let ModuleDefinition { name, plural, .. } = document.definition;
        let owner = Party::Module(name);
        let mut refused = Refusals::default();
        for type_name in type_names(name) {
            refused.note("type", "name", claim(&mut self.types, type_name, owner));
        }
        let [one, list, groups, timeline, occurrences, busy, duplicates] = query_names(name, plural);
        let names = [
            ("name", one),
            ("plural", list),
            ("name", groups),
            ("name", timeline),
            ("name", occurrences),
            ("name", busy),
            ("name", duplicates),
        ];
        for (key, query) in names {
            refused.note("query", key, claim(&mut self.queries, query, owner));
        }
        for mutation in mutation_names(name, plural) {
            let key = if mutation.ends_with(plural.as_str()) { "plural" } else { "name" };
            refused.note("mutation", key, claim(&mut self.mutations, mutation, owner));
        }
        for mutation in further_conversions(document.definition) {
            refused.note("mutation", "name", claim(&mut self.mutations, mutation, owner));
        }
        for subscription in subscription_names(name) {
            refused.note("subscription", "name", claim(&mut self.subscriptions, subscription, owner));
        }
        refused.report(document.definition, issues);
    }

    fn claim_field_types(&mut self, document: &Document<'a>, issues: &mut Issues) {
        let module = document.definition;
        for (position, field) in module.fields.iter().enumerate().filter(|(_, field)| has_own_type(field)) {
            for stem in stems_of_types(module, field) {
                for suffix in FIELD_TYPE_SUFFIXES {
                    let owner = Party::Field(&module.name, &field.name);
                    if let Err((wanted, party)) = claim(&mut self.types, format!("{stem}{suffix}"), owner) {
                        // Two fields of one name are told of as members.
                        if matches!(party, Party::Field(other, name) if other == module.name && name.eq_ignore_ascii_case(&field.name))
                        {
                            break;
                        }
                        let message = format!(
                            "the field would need the type name `{wanted}`, which belongs to {party}; choose another name"
                        );
                        issues.add_at_field(module, position, "name", "nameTaken", message);
                        break;
                    }
                }
            }
        }
    }
}

/// What the names of a field's own types begin with.
fn stems_of_types(module: &ModuleDefinition, field: &FieldDefinition) -> impl Iterator<Item = String> {
    let own = format!("{}{}", module.name, upper_first(&field.name));
    // The other side of a many-to-many reference has a connection, too.
    let inverse = field.inverse.as_ref().filter(|_| field.kind == "references");
    let inverse = inverse.zip(target_of(field)).map(|(inverse, target)| format!("{target}{}", upper_first(inverse)));
    [own].into_iter().chain(inverse)
}

/// Whether the field has types of its own: an enum, a union of targets, or a connection by links.
fn has_own_type(field: &FieldDefinition) -> bool {
    match &field.to {
        _ if field.kind == "references" => true,
        Some(ReferenceTarget::Several(targets)) => targets.len() > 1,
        Some(ReferenceTarget::One(target)) => target == "*",
        None => matches!(field.kind.as_str(), "choice" | "multiChoice"),
    }
}

/// Takes `name` for `owner`, or tells who has it.
fn claim<'a>(
    taken: &mut FxHashMap<String, Party<'a>>,
    name: String,
    owner: Party<'a>,
) -> Result<(), (String, Party<'a>)> {
    match taken.entry(name.to_ascii_lowercase()) {
        std::collections::hash_map::Entry::Occupied(entry) => Err((name, *entry.get())),
        std::collections::hash_map::Entry::Vacant(entry) => {
            entry.insert(owner);
            Ok(())
        }
    }
}

/// The refused names of one module. Two modules of one name clash in all their names; that is one fault, not forty.
#[derive(Default)]
struct Refusals<'a> {
    first: Vec<(&'static str, &'static str, String, Party<'a>)>,
    known: FxHashSet<(&'static str, String)>,
}

impl<'a> Refusals<'a> {
    fn note(&mut self, what: &'static str, key: &'static str, claimed: Result<(), (String, Party<'a>)>) {
        if let Err((name, party)) = claimed
            && self.known.insert((key, party.to_string()))
        {
            self.first.push((what, key, name, party));
        }
    }

    fn report(self, module: &ModuleDefinition, issues: &mut Issues) {
        for (what, key, name, party) in self.first {
            let own = if key == "name" { &module.name } else { &module.plural };
            let message = match party {
                // A name of its own type or field: the plural collides with what the name derives.
                Party::Module(other) if *other == module.name && key == "plural" => {
                    format!(
                        "`{own}` would need the {what} name `{name}`, which the module's name `{other}` needs already; choose another plural"
                    )
                }
                party => format!(
                    "`{own}` would need the {what} name `{name}`, which belongs to {party}; choose another name"
                ),
            };
            issues.add(module, path![key], "nameTaken", message);
        }
    }
}

/// Names of fields, their companions and to-many relations of every module, in lower case.
struct Members<'a> {
    /// What every module has.
    system: FxHashMap<String, Member<'a>>,
    by_module: FxHashMap<ModuleId, FxHashMap<String, Member<'a>>>,
    /// The faults so far, by their places, in which the API alone has the name.
    of_api: Vec<usize>,
}

/// Who has a member's name.
#[derive(Clone, Copy)]
enum Member<'a> {
    System(&'static str),
    SystemReferenceId(&'static str),
    History,
    Combinator,
    Field(&'a str),
    ReferenceId(&'a str),
    Part(&'a str, &'static str),
    Inverse(&'a str, &'a str),
}

impl std::fmt::Display for Member<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::System(field) => write!(f, "the system field `{field}`"),
            Self::SystemReferenceId(field) => write!(f, "the id of the system field `{field}`"),
            Self::History => write!(f, "the system field `history`"),
            Self::Combinator => write!(f, "the combinators of every filter (`and`, `or`, `not`)"),
            Self::Field(field) => write!(f, "the field `{field}`"),
            Self::ReferenceId(field) => write!(f, "the id of the reference `{field}`"),
            Self::Part(field, part) => write!(f, "the column of `{field}.{part}`"),
            Self::Inverse(module, field) => write!(f, "the inverse of `{module}.{field}`"),
        }
    }
}

impl Member<'_> {
    /// Whether nothing but the API has the name: no column has it, so that a field of that name can be kept.
    fn is_of_api(self) -> bool {
        matches!(self, Self::History | Self::Combinator)
    }
}

impl<'a> Members<'a> {
    fn new() -> Self {
        let mut system: FxHashMap<String, Member<'a>> = FxHashMap::default();
        for name in Module::SYSTEM_FIELDS {
            system.insert(name.to_ascii_lowercase(), Member::System(name));
        }
        for name in ["createdBy", "updatedBy", "owner"] {
            system.insert(format!("{}id", name.to_ascii_lowercase()), Member::SystemReferenceId(name));
        }
        system.insert("history".to_owned(), Member::History);
        for name in FILTER_COMBINATORS {
            system.insert(name.to_owned(), Member::Combinator);
        }
        Self { system, by_module: FxHashMap::default(), of_api: Vec::new() }
    }

    fn of(&mut self, module: ModuleId) -> &mut FxHashMap<String, Member<'a>> {
        self.by_module.entry(module).or_insert_with(|| self.system.clone())
    }

    fn claim_fields(&mut self, document: &Document<'a>, issues: &mut Issues) {
        let module = document.definition;
        let members = self.by_module.entry(document.id).or_insert_with(|| self.system.clone());
        members.reserve(module.fields.len());
        for (position, field) in module.fields.iter().enumerate() {
            let name = field.name.as_str();
            if let Some(other) = take(members, name, Member::Field(name)) {
                if other.is_of_api() {
                    self.of_api.push(issues.len());
                }
                let message = format!("the name `{name}` belongs to {other}; choose another name");
                issues.add_at_field(module, position, "name", "nameTaken", message);
            } else if has_companion(field)
                && let Some(other) = take(members, &format!("{name}Id"), Member::ReferenceId(name))
            {
                if other.is_of_api() {
                    self.of_api.push(issues.len());
                }
                let message = format!(
                    "`{name}` would also need the name `{name}Id`, which belongs to {other}; choose another name"
                );
                issues.add_at_field(module, position, "name", "nameTaken", message);
            }
            for part in group_shape(&field.kind).map(GroupShape::parts).unwrap_or_default() {
                // No name in the API, but one in the database, whose names are those of the API in snake_case.
                let column = format!("{name}{}", upper_first(part));
                if let Some(other) = take(members, &column, Member::Part(name, part)) {
                    let message = format!(
                        "the column of `{name}.{part}` would need the name `{column}`, which belongs to {other}; choose another name"
                    );
                    issues.add_at_field(module, position, "name", "nameTaken", message);
                    break;
                }
            }
        }
    }

    fn claim_inverses(&mut self, document: &Document<'a>, draft: &Draft<'a>, issues: &mut Issues) {
        let module = document.definition;
        for (position, field) in module.fields.iter().enumerate() {
            let is_first = field.hierarchy && !module.fields[..position].iter().any(|other| other.hierarchy);
            for way in HierarchyWay::BOTH.iter().filter(|_| is_first) {
                if let Some(other) = take(self.of(document.id), way.name(), Member::Inverse(&module.name, &field.name))
                {
                    let message = format!("a hierarchy needs the name `{}`, which belongs to {other}", way.name());
                    issues.add(module, field_path(position, "hierarchy"), "nameTaken", message);
                }
            }
            let Some(inverse) = field.inverse.as_ref().filter(|_| document.link.is_none()) else {
                continue;
            };
            for target in targets(field, draft) {
                let member = Member::Inverse(&module.name, &field.name);
                if let Some(other) = take(self.of(target), inverse, member) {
                    if other.is_of_api() {
                        self.of_api.push(issues.len());
                    }
                    let target = &draft.module_at(target).name;
                    let message =
                        format!("on `{target}` the name `{inverse}` belongs to {other}; choose another inverse");
                    issues.add(module, field_path(position, "inverse"), "nameTaken", message);
                }
            }
        }
    }
}

/// Whether the field has a companion `…Id`.
fn has_companion(field: &FieldDefinition) -> bool {
    matches!(field.kind.as_str(), "reference" | "file" | "image")
}

fn field_path(position: usize, key: &str) -> Vec<PathSegment> {
    path!["fields", position, key]
}

/// The modules that a reference names, as far as they exist; those that don't are told where references are resolved.
fn targets(field: &FieldDefinition, draft: &Draft<'_>) -> Vec<ModuleId> {
    match &field.to {
        Some(ReferenceTarget::One(name)) if name == "*" => draft.record_modules().collect(),
        Some(ReferenceTarget::One(name)) => draft.by_name.get(name).copied().into_iter().collect(),
        Some(ReferenceTarget::Several(names)) => {
            let mut targets: Vec<ModuleId> = names.iter().filter_map(|name| draft.by_name.get(name).copied()).collect();
            targets.sort();
            targets.dedup();
            targets
        }
        None => Vec::new(),
    }
}

/// Takes `name` for `member`, or tells who has it.
fn take<'a>(members: &mut FxHashMap<String, Member<'a>>, name: &str, member: Member<'a>) -> Option<Member<'a>> {
    match members.entry(name.to_ascii_lowercase()) {
        std::collections::hash_map::Entry::Occupied(entry) => Some(*entry.get()),
        std::collections::hash_map::Entry::Vacant(entry) => {
            entry.insert(member);
            None
        }
    }
}
