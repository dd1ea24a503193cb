//! The resolved, immutable catalog: every module with its fields and relations, ready to be asked by name or by id.
//!
//! Ids are positions within one catalog version; they never leave the process.

use std::sync::Arc;

use regex::Regex;
use rustc_hash::FxHashMap;

use crate::assignment::Assignment;
use crate::calendar_shares::SharedCalendars;
use crate::clocks::Clocks;
use crate::conversion::Conversion;
use crate::definition::{
    ComputedBy, Label, ModuleDefinition, OnDelete, RollupFunction, RollupScope, Sharing, StableId, ValidatorUse,
};
use crate::mentions::Mentions;
use crate::recurrence::Recurrence;
use crate::rule::TypedRule;
use crate::stages::Stages;
use crate::timeline::Timeline;
use crate::{Decimal, ScalarType, Value};

/// A module's position in its catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u32);

/// A field's position in its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u32);

/// A to-many relation's position in its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationId(pub u32);

/// A step along a to-one reference. The target tells which module is meant where a reference has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hop {
    /// The reference, in the module that the path has reached.
    pub field: FieldId,
    /// The module that it leads to.
    pub target: ModuleId,
}

/// A field reached from a module by to-one references; a reference at the end means its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath {
    /// The references, outermost first; none for the module's own field.
    pub hops: Vec<Hop>,
    /// The field, in the module that the last hop leads to.
    pub field: FieldId,
}

impl FieldPath {
    /// A field of the module itself.
    pub fn own(field: FieldId) -> Self {
        Self { hops: Vec::new(), field }
    }
}

/// All modules at one version.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Counts up by one with every change.
    pub version: u64,
    /// Platform modules first, then the others by name. What a change leaves as it is, two versions share.
    pub modules: Vec<Arc<Module>>,
    /// Module by name.
    pub by_name: FxHashMap<String, ModuleId>,
    /// What each formula and rollup reads; ask by [`Catalog::inputs_of`].
    pub inputs: FxHashMap<(ModuleId, FieldId), Vec<(ModuleId, FieldId)>>,
    /// The stored rollups, by the module of the records that they are computed over.
    pub stored_rollups: FxHashMap<ModuleId, Vec<StoredRollup>>,
}

/// The checks of written values that are compiled once per definition.
#[derive(Debug, Clone, std::default::Default)]
pub struct Checks {
    /// The pattern of a text field, anchored at both ends.
    pub patterns: FxHashMap<FieldId, Regex>,
    /// The JSON Schema of a JSON field.
    pub json_schemas: FxHashMap<FieldId, Arc<jsonschema::Validator>>,
    /// The checks of plugins that a field's values pass.
    pub validators: FxHashMap<FieldId, Vec<ValidatorUse>>,
}

/// One module.
#[derive(Debug, Clone)]
pub struct Module {
    /// Its position.
    pub id: ModuleId,
    /// PascalCase name.
    pub name: String,
    /// PascalCase plural.
    pub plural: String,
    /// What people see.
    pub label: Label,
    /// What people see for several.
    pub plural_label: Label,
    /// What the module is for.
    pub description: Option<Label>,
    /// That its records are the links of a many-to-many reference. Such a module has a table, but no types, no root fields and no rights
    /// of its own in the API, and is not among [`Catalog::by_name`].
    pub link: Option<Link>,
    /// A platform table (users, groups, roles): read by `/graphql` with its public fields, never written there.
    pub platform: bool,
    /// That its records, such as files, are read only through the references of the records that hold them: it has types in the API,
    /// but no root fields.
    pub held: bool,
    /// Its table's SQL name.
    pub table: String,
    /// System fields first (see [`Module::SYSTEM_FIELDS`]), then its own in the definition's order.
    pub fields: Vec<Field>,
    /// The fields in the order of their names; ask by [`Module::field_named`].
    pub(crate) fields_by_name: Vec<FieldId>,
    /// To-many relations: the inverses of other modules' references.
    pub relations: Vec<Relation>,
    /// The relations in the order of their names; ask by [`Module::relation_named`].
    pub(crate) relations_by_name: Vec<RelationId>,
    /// The field that names a record.
    pub name_field: Option<FieldId>,
    /// Indexes over several fields.
    pub indexes: Vec<Vec<FieldId>>,
    /// Unique sets of fields, those of `unique` fields included.
    pub uniques: Vec<Vec<FieldId>>,
    /// Sets of fields: records that are alike in all fields of one set may be the same.
    pub duplicates: Vec<Vec<FieldId>>,
    /// Fields that the search reads.
    pub search: Vec<FieldId>,
    /// Who sees records by default.
    pub sharing: Sharing,
    /// With `CONTROLLED_BY_PARENT`: the reference to the parent.
    pub parent: Option<FieldId>,
    /// Rules that every record meets.
    pub validations: Vec<Validation>,
    /// What its records are converted to.
    pub conversions: Arc<[Conversion]>,
    /// Who owns new records that nobody gave an owner.
    pub assignment: Option<Arc<Assignment>>,
    /// Until when something is to be done to its records.
    pub clocks: Option<Arc<Clocks>>,
    /// Which of its texts mention users.
    pub mentions: Option<Arc<Mentions>>,
    /// The stages that its records go through.
    pub stages: Option<Arc<Stages>>,
    /// Which related records are shown together in the order of time.
    pub timeline: Option<Arc<Timeline>>,
    /// With whom users share when they are busy.
    pub calendar_shares: Option<Arc<SharedCalendars>>,
    /// When records occur, once or by a rule.
    pub recurrence: Option<Arc<Recurrence>>,
    /// What values are checked with when written.
    pub checks: Checks,
    /// The document that it was made from, as it is kept: [`Module::definition`] reads it. As text it takes a fifth of the memory.
    pub document: Arc<str>,
    /// Fingerprints of the names that it takes in the API, by which a change is seen to want one of them.
    pub(crate) claims: Arc<[u64]>,
    /// Why the API has nothing of the module: names that it or a field needs, and who has them. Only of a module that was there before the API took
    /// the name; it has its table and records as ever, and comes back when it gets another name.
    pub unserved: Option<Arc<str>>,
}

/// Whose links a module's records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The module of the many-to-many reference.
    pub owner: ModuleId,
    /// That reference, whose rights are the links'.
    pub field: FieldId,
    /// The link's reference to the owner's record.
    pub source: FieldId,
    /// The link's reference to the record on the other side.
    pub target: FieldId,
}

/// A rule over a record that must not be false.
#[derive(Debug, Clone)]
pub struct Validation {
    /// The condition.
    pub rule: TypedRule,
    /// What to tell when it is false.
    pub message: Label,
    /// The fields at fault.
    pub fields: Vec<FieldId>,
    /// Where it comes from.
    pub origin: ValidationOrigin,
}

/// Where a validation stands in the module's document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValidationOrigin {
    /// Among its validations. These come first.
    Declared,
    /// It is the `requiredIf` of a field.
    RequiredIf(FieldId),
    /// It is the `dependsOn` of a choice.
    DependsOn(FieldId),
}

/// One field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its position in the module.
    pub id: FieldId,
    /// What the server calls it; see [`Module::stable_field_id`].
    pub stable_id: Option<StableId>,
    /// camelCase name, as in GraphQL.
    pub name: String,
    /// What it holds.
    pub kind: FieldKind,
    /// SQL name of its column; `None` for what is computed. A reference's column holds the id.
    pub column: Option<String>,
    /// What people see.
    pub label: Label,
    /// More words for people.
    pub help: Option<Label>,
    /// One of the fields that every record has.
    pub system: bool,
    /// The field that this one is a part of: its rights, label and other words are that field's.
    pub part_of: Option<FieldId>,
    /// Whether a record must have a value.
    pub required: bool,
    /// Whether no two live records may share a value.
    pub unique: bool,
    /// The value of a record created without one.
    pub default: Option<Box<Default>>,
    /// Whether the API refuses to write it (computed and most system fields included).
    pub read_only: bool,
    /// Whether it has an index.
    pub indexed: bool,
    /// The reason, when deprecated.
    pub deprecated: Option<String>,
}

/// A field's default.
#[derive(Debug, Clone)]
pub enum Default {
    /// This value.
    Value(Value),
    /// What the rule gives over the new record.
    Rule(TypedRule),
}

/// How a text is checked and normalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextFormat {
    /// One line.
    Plain,
    /// Several lines.
    Long,
    /// Sanitised HTML.
    Rich,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// An absolute URL.
    Url,
}

/// What a decimal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecimalUnit {
    /// A plain number.
    Plain,
    /// Hundredths: 45 means 45 %.
    Percent,
    /// An amount of money.
    Money,
}

/// What a field holds, with its type's options.
#[derive(Debug, Clone)]
pub enum FieldKind {
    /// The record's id.
    Id,
    /// Text of some format.
    Text {
        /// How it is checked.
        format: TextFormat,
        /// Most characters.
        max_length: Option<u32>,
        /// A regular expression for the whole value.
        pattern: Option<String>,
    },
    /// A whole number.
    Integer {
        /// 64 bits instead of 32.
        big: bool,
        /// Least value.
        min: Option<i64>,
        /// Greatest value.
        max: Option<i64>,
    },
    /// An exact decimal.
    Decimal {
        /// What it counts.
        unit: DecimalUnit,
        /// Digits after the point.
        scale: u8,
        /// Least value.
        min: Option<Decimal>,
        /// Greatest value.
        max: Option<Decimal>,
    },
    /// True or false.
    Boolean,
    /// A calendar date.
    Date,
    /// A time of day.
    Time,
    /// An instant.
    DateTime,
    /// A length of time, stored as whole seconds.
    Duration,
    /// One of the options.
    Choice {
        /// In order.
        options: Vec<ChoiceOption>,
    },
    /// Several of the options.
    MultiChoice {
        /// In order.
        options: Vec<ChoiceOption>,
    },
    /// Any JSON.
    Json {
        /// The JSON Schema that values meet.
        schema: Option<Box<serde_json::Value>>,
    },
    /// Several values under one name, such as the parts of an address. Each part is a field of the module by itself, with a column
    /// of its own; its name is this field's, a point and the part's (`billingAddress.city`), which no field of a definition has.
    Group(Group),
    /// To one record of another module. In GraphQL `name` is the object and `nameId` the id.
    Reference(Reference),
    /// To many records of another module, by links. In GraphQL a connection of that name, which is a relation of the module.
    References {
        /// The module of the links.
        link: ModuleId,
    },
    /// A number given by the server.
    AutoNumber {
        /// Such as `TT-{YYYY}-{0000}`.
        format: String,
    },
    /// Computed from the record and its to-one relations.
    Formula(Box<Formula>),
    /// Computed from related records.
    Rollup(Box<Rollup>),
    /// Computed by a plugin from the record that is shown: it can be selected, and nothing else.
    Computed(Box<Computed>),
}

/// The values under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What they are together.
    pub shape: GroupShape,
    /// The fields of the parts, in the order of [`GroupShape::parts`].
    pub parts: Vec<FieldId>,
}

/// What the parts of a [`Group`] are together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GroupShape {
    /// A postal address.
    Address,
    /// A place on Earth, in degrees.
    GeoPoint,
}

impl GroupShape {
    /// The names of the parts.
    pub fn parts(self) -> &'static [&'static str] {
        match self {
            Self::Address => &["street", "street2", "poBox", "postalCode", "city", "state", "country"],
            Self::GeoPoint => &["latitude", "longitude"],
        }
    }

    /// Whether a value has all parts or none.
    pub fn is_whole(self) -> bool {
        self == Self::GeoPoint
    }
}

/// A to-one reference.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Modules that it may point to; more than one means a union in GraphQL and a second column with the module's name.
    pub targets: Vec<ModuleId>,
    /// SQL name of the column with the target module's name; present when `targets` are several.
    pub module_column: Option<String>,
    /// Name of the to-many on the other side.
    pub inverse: Option<String>,
    /// What a delete of the target does.
    pub on_delete: OnDelete,
    /// Whether it leads from each record of the module to the one above it: no record is ever above itself.
    pub hierarchy: bool,
    /// Of a `file` or `image`: which files may stand here.
    pub file: Option<FileRules>,
}

/// Which files a field takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileRules {
    /// Media types, or all of a kind: `application/pdf`, `image/*`. Empty: any.
    pub accept: Vec<String>,
    /// Most bytes.
    pub max_size: Option<u64>,
    /// Images alone.
    pub image: bool,
}

impl FileRules {
    /// Whether content of this media type may stand in the field. SVG is a document that may hold scripts: it is no image here, and `image/*`
    /// does not mean it; a `file` that is to take it names it.
    pub fn accepts(&self, mime_type: &str) -> bool {
        const SVG: &str = "image/svg+xml";
        let is_image = mime_type.starts_with("image/") && mime_type != SVG;
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(kind) => mime_type.starts_with(kind) && mime_type != SVG,
            None => pattern == mime_type,
        };
        (is_image || !self.image) && (self.accept.is_empty() || self.accept.iter().any(fits))
    }
}

/// A formula field.
#[derive(Debug, Clone)]
pub struct Formula {
    /// Type of the result, rounded to its scale when returned, filtered, ordered or grouped.
    pub returns: ScalarType,
    /// The rule; over formulas it uses their unrounded values.
    pub rule: TypedRule,
    /// Readable without its inputs.
    pub published: bool,
}

/// A field that a plugin computes when it is selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Computed {
    /// By whom.
    pub by: ComputedBy,
    /// Type of the result.
    pub returns: ScalarType,
    /// What the plugin is told: its own name for it, and the field.
    pub inputs: Vec<(String, FieldId)>,
}

/// A rollup field.
#[derive(Debug, Clone)]
pub struct Rollup {
    /// The to-many relation of its module.
    pub relation: RelationId,
    /// How values become one.
    pub function: RollupFunction,
    /// The related module's field; `None` only with `COUNT`.
    pub field: Option<FieldId>,
    /// Which related records take part: a rule over the related record.
    pub filter: Option<TypedRule>,
    /// Which related records are seen.
    pub scope: RollupScope,
    /// Type of the result.
    pub returns: ScalarType,
    /// Readable without its inputs.
    pub published: bool,
    /// SQL name of the column that every write of a related record keeps right; `None` where it is computed when read.
    pub stored: Option<String>,
}

/// A stored rollup, seen from the records that it is computed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRollup {
    /// The module that has it.
    pub module: ModuleId,
    /// The rollup.
    pub field: FieldId,
    /// The related record's reference to the record that has it.
    pub reference: FieldId,
    /// The related record's stored fields of which it is made.
    pub reads: Vec<FieldId>,
}

/// One option of a choice.
#[derive(Debug, Clone)]
pub struct ChoiceOption {
    /// A GraphQL enum name.
    pub value: String,
    /// What people see.
    pub label: Label,
    /// Whether new values may use it.
    pub active: bool,
}

/// A to-many relation: the records of `module` whose reference `field` points here, or those that such links lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Its position.
    pub id: RelationId,
    /// camelCase name.
    pub name: String,
    /// The module on the many side.
    pub module: ModuleId,
    /// That module's reference.
    pub field: FieldId,
    /// Where `module` holds links: the reference that leads on to the related record.
    pub through: Option<FieldId>,
    /// Where the reference makes a hierarchy and the relation goes along all of it, up or down, not to the next level alone.
    pub hierarchy: Option<HierarchyWay>,
}

/// Which way a relation goes along a hierarchy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HierarchyWay {
    /// From a record up to all that stand above it.
    Ancestors,
    /// From a record down to all that stand below it.
    Descendants,
}

impl HierarchyWay {
    /// Both, in the order of their names.
    pub const BOTH: [Self; 2] = [Self::Ancestors, Self::Descendants];

    /// What the relation is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ancestors => "ancestors",
            Self::Descendants => "descendants",
        }
    }
}

/// Most levels of a hierarchy, its top included: a write that would make more is refused, and no way is followed further.
pub const HIERARCHY_LEVELS_MAX: usize = 100;

impl Catalog {
    /// The module at `id`.
    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[id.0 as usize]
    }

    /// The module of this name.
    pub fn module_by_name(&self, name: &str) -> Option<&Module> {
        self.by_name.get(name).map(|id| self.module(*id))
    }

    /// The module of this name, if the API has it.
    pub fn served_by_name(&self, name: &str) -> Option<&Module> {
        self.module_by_name(name).filter(|module| module.unserved.is_none())
    }

    /// The module of this name, also where its records are links.
    pub fn module_or_link_named(&self, name: &str) -> Option<&Module> {
        let links = || self.modules.iter().map(Arc::as_ref).find(|module| module.link.is_some() && module.name == name);
        self.module_by_name(name).or_else(links)
    }

    /// The module of the records that a relation gives.
    pub fn related_module(&self, relation: &Relation) -> ModuleId {
        self.hop_through(relation).map_or(relation.module, |hop| hop.target)
    }

    /// The step from a link to the related record; `None` of a relation without links.
    pub fn hop_through(&self, relation: &Relation) -> Option<Hop> {
        let field = relation.through?;
        let reference = self.field(relation.module, field).reference()?;
        reference.targets.first().map(|target| Hop { field, target: *target })
    }

    /// The field `field` of `module`.
    pub fn field(&self, module: ModuleId, field: FieldId) -> &Field {
        self.module(module).field(field)
    }

    /// Every field that the formula or rollup `field` reads, sorted: fields of related records and the references on the way
    /// included, and what the formulas and rollups among them read. A `published` one stands for itself: it may
    /// be read without its inputs, and so may what is computed from it. Empty for other fields.
    pub fn inputs_of(&self, module: ModuleId, field: FieldId) -> &[(ModuleId, FieldId)] {
        self.inputs.get(&(module, field)).map_or(&[], Vec::as_slice)
    }
}

impl Module {
    /// Names of the fields that every record has, in the order of their ids, from 0.
    pub const SYSTEM_FIELDS: [&str; 8] =
        ["id", "version", "createdAt", "updatedAt", "createdBy", "updatedBy", "owner", "deletedAt"];
    /// The id of `id`.
    pub const ID: FieldId = FieldId(0);
    /// The id of `version`.
    pub const VERSION: FieldId = FieldId(1);
    /// The id of `createdAt`.
    pub const CREATED_AT: FieldId = FieldId(2);
    /// The id of `updatedAt`.
    pub const UPDATED_AT: FieldId = FieldId(3);
    /// The id of `createdBy`.
    pub const CREATED_BY: FieldId = FieldId(4);
    /// The id of `updatedBy`.
    pub const UPDATED_BY: FieldId = FieldId(5);
    /// The id of `owner`.
    pub const OWNER: FieldId = FieldId(6);
    /// The id of `deletedAt`.
    pub const DELETED_AT: FieldId = FieldId(7);

    /// The field at `id`.
    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[id.0 as usize]
    }

    /// The field of this name (`accountId` is not a field's name; see [`FieldKind::Reference`]).
    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.place_of_field(name).ok().map(|place| self.field(self.fields_by_name[place]))
    }

    fn place_of_field(&self, name: &str) -> Result<usize, usize> {
        self.fields_by_name.binary_search_by(|id| self.field(*id).name.as_str().cmp(name))
    }

    /// Adds a field; of two of one name the first is the one that the name means.
    pub(crate) fn add_field(&mut self, field: Field) {
        let (id, place) = (field.id, self.place_of_field(&field.name));
        self.fields.push(field);
        if let Err(place) = place {
            self.fields_by_name.insert(place, id);
        }
    }

    /// The document that it was made from.
    pub fn definition(&self) -> ModuleDefinition {
        serde_json::from_str(&self.document).expect("a module's document was written from its definition")
    }

    /// The fields that have names of their own in the API: all but the parts of others.
    pub fn own_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.part_of.is_none())
    }

    /// The field whose rights and words hold for `field`: itself, or what it is a part of.
    pub fn whole_of<'a>(&'a self, field: &'a Field) -> &'a Field {
        field.part_of.map_or(field, |whole| self.field(whole))
    }

    /// What the server calls a field, whatever its name; that of the whole for a part. `None` for fields of the system and of
    /// links' ends, whose names never change, and in definitions that were not kept yet.
    pub fn stable_field_id(&self, id: FieldId) -> Option<StableId> {
        self.whole_of(self.field(id)).stable_id
    }

    /// The field that the server calls so.
    pub fn field_with_stable_id(&self, id: StableId) -> Option<&Field> {
        self.own_fields().find(|field| field.stable_id == Some(id))
    }

    /// The rollups that have a column.
    pub fn stored_rollups(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.rollup().is_some_and(|rollup| rollup.stored.is_some()))
    }

    /// The reference that makes its records a hierarchy; a module has at most one.
    pub fn hierarchy(&self) -> Option<&Field> {
        self.fields.iter().find(|field| field.is_hierarchy())
    }

    /// The relation at `id`.
    pub fn relation(&self, id: RelationId) -> &Relation {
        &self.relations[id.0 as usize]
    }

    /// The relation of this name.
    pub fn relation_named(&self, name: &str) -> Option<&Relation> {
        self.place_of_relation(name).ok().map(|place| self.relation(self.relations_by_name[place]))
    }

    fn place_of_relation(&self, name: &str) -> Result<usize, usize> {
        self.relations_by_name.binary_search_by(|id| self.relation(*id).name.as_str().cmp(name))
    }

    /// Sets all relations; of two of one name the first is the one that the name means.
    pub(crate) fn set_relations(&mut self, relations: Vec<Relation>) {
        (self.relations, self.relations_by_name) = (relations, Vec::new());
        for position in 0..self.relations.len() {
            let Relation { id, name, .. } = &self.relations[position];
            let id = *id;
            if let Err(place) = self.place_of_relation(name) {
                self.relations_by_name.insert(place, id);
            }
        }
    }
}

impl Field {
    /// The type of one value; `None` for references and lists.
    pub fn scalar(&self) -> Option<ScalarType> {
        Some(match &self.kind {
            FieldKind::Id => ScalarType::Id,
            FieldKind::Text { format, .. } => match format {
                TextFormat::Email => ScalarType::Email,
                TextFormat::Phone => ScalarType::Phone,
                TextFormat::Url => ScalarType::Url,
                TextFormat::Plain | TextFormat::Long | TextFormat::Rich => ScalarType::Text,
            },
            FieldKind::Integer { big: true, .. } => ScalarType::BigInteger,
            FieldKind::Integer { big: false, .. } => ScalarType::Integer,
            FieldKind::Decimal { scale, .. } => ScalarType::Decimal { scale: *scale },
            FieldKind::Boolean => ScalarType::Boolean,
            FieldKind::Date => ScalarType::Date,
            FieldKind::Time => ScalarType::Time,
            FieldKind::DateTime => ScalarType::DateTime,
            FieldKind::Duration => ScalarType::Duration,
            FieldKind::Choice { .. } => ScalarType::Choice,
            FieldKind::Json { .. } => ScalarType::Json,
            FieldKind::AutoNumber { .. } => ScalarType::Text,
            FieldKind::Formula(formula) => formula.returns,
            FieldKind::Rollup(rollup) => rollup.returns,
            FieldKind::MultiChoice { .. }
            | FieldKind::Reference(_)
            | FieldKind::References { .. }
            | FieldKind::Computed(_)
            | FieldKind::Group(_) => return None,
        })
    }

    /// The reference, if it is one.
    pub fn reference(&self) -> Option<&Reference> {
        match &self.kind {
            FieldKind::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    /// The parts, if it has several.
    pub fn group(&self) -> Option<&Group> {
        match &self.kind {
            FieldKind::Group(group) => Some(group),
            _ => None,
        }
    }

    /// Whether it has one value, stored or computed, that can be read, compared or ordered by.
    pub fn has_value(&self) -> bool {
        self.column.is_some() || (self.is_derived() && self.computed().is_none())
    }

    /// The SQL name of a column that holds its value, its own or that of a stored rollup.
    pub fn kept_column(&self) -> Option<&str> {
        self.column.as_deref().or_else(|| self.rollup()?.stored.as_deref())
    }

    /// The rollup, if it is one.
    pub fn rollup(&self) -> Option<&Rollup> {
        match &self.kind {
            FieldKind::Rollup(rollup) => Some(rollup),
            _ => None,
        }
    }

    /// What a plugin computes, if it does.
    pub fn computed(&self) -> Option<&Computed> {
        match &self.kind {
            FieldKind::Computed(computed) => Some(computed),
            _ => None,
        }
    }

    /// Whether it is computed from others, when it is read or when they are written.
    pub fn is_derived(&self) -> bool {
        matches!(self.kind, FieldKind::Formula(_) | FieldKind::Rollup(_) | FieldKind::Computed(_))
    }

    /// Whether it is non-null in output: required, stored, not a reference.
    pub fn is_non_null(&self) -> bool {
        self.required && (self.column.is_some() || self.group().is_some()) && self.reference().is_none()
    }

    /// Whether it is the reference of a hierarchy.
    pub fn is_hierarchy(&self) -> bool {
        self.reference().is_some_and(|reference| reference.hierarchy)
    }

    /// The options of a choice or multi-choice.
    pub fn options(&self) -> Option<&[ChoiceOption]> {
        match &self.kind {
            FieldKind::Choice { options } | FieldKind::MultiChoice { options } => Some(options),
            _ => None,
        }
    }
}
