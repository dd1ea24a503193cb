//! The GraphQL type system as a view over catalog and rights: types are derived when asked for, and nothing is stored.
//!
//! What the caller may not read is not answered here, so every later stage (validation, compilation, introspection, SDL)
//! treats a hidden name exactly as one that was never there.

use cardine_access::Rights;
use cardine_model::catalog::{Catalog, FieldId, GroupShape, ModuleId, RelationId};

use crate::variables::Use;

mod aggregate;
mod build;
mod busy;
mod enums;
mod filter;
mod group;
mod history;
pub mod introspection_types;
mod link;
mod lookup;
mod mutations;
mod names;
mod notifications;
mod occurrences;
mod order;
mod reach;
mod record;
mod root;
mod search;
mod show;
mod subscription;
mod timeline;
mod unique;
mod words;
mod write;

pub(crate) use filter::JSON_PLACE;
pub(crate) use reach::Members;
pub use words::Words;

/// The types of one caller.
#[derive(Debug, Clone, Copy)]
pub struct Schema<'a> {
    /// The modules.
    pub catalog: &'a Catalog,
    /// What of them exists.
    pub rights: &'a Rights,
    /// In which descriptions speak where modules have words in it: by BCP 47, best one first, with commas between. Nothing else depends on it.
    pub language: &'a str,
}

/// A named type. Types of modules carry the module's id; their names are derived from the module's (`DealFilter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TypeKey {
    /// `Query`.
    Query,
    /// `Mutation`; absent if it has no field.
    Mutation,
    /// `Subscription`; absent if it has no field.
    Subscription,
    /// A scalar.
    Scalar(Scalar),
    /// Interface `Node { id: ID! }`.
    Node,
    /// `PageInfo`.
    PageInfo,
    /// `Viewer`, the type of `me`.
    Viewer,
    /// `ViewerModule`: what the caller may do with one module.
    ViewerModule,
    /// `SearchConnection`: what a search found.
    SearchConnection,
    /// `SearchEdge`.
    SearchEdge,
    /// `SearchHit`.
    SearchHit,
    /// `TimelineConnection`: what belongs to a record.
    TimelineConnection,
    /// `TimelineEdge`.
    TimelineEdge,
    /// `TimelineEntry`.
    TimelineEntry,
    /// `OccurrenceConnection`: when records occur.
    OccurrenceConnection,
    /// `OccurrenceEdge`.
    OccurrenceEdge,
    /// `OccurrenceEntry`.
    OccurrenceEntry,
    /// `BusyTimes`: when a user is busy.
    BusyTimes,
    /// `BusyTime`.
    BusyTime,
    /// `BusyEntry`: a time with what the user is busy with.
    BusyEntry,
    /// `NotificationConnection`: a page of what the caller was told of.
    NotificationConnection,
    /// `NotificationEdge`.
    NotificationEdge,
    /// `Notification`.
    Notification,
    /// `NotificationChange`: that the caller was told of something.
    NotificationChange,
    /// `HistoryConnection`: a page of what was done to a record.
    HistoryConnection,
    /// `HistoryEdge`.
    HistoryEdge,
    /// `HistoryEntry`.
    HistoryEntry,
    /// `FieldChange`: the old and the new value of a field.
    FieldChange,
    /// Enum `HistoryAction`: `CREATED UPDATED LINKED UNLINKED DELETED RESTORED MERGED DESTROYED`.
    HistoryAction,
    /// Enum `HistoryVia`: `API WORKFLOW PLUGIN IMPORT SYSTEM`.
    HistoryVia,
    /// Enum `SortOrder`: `ASC DESC ASC_NULLS_FIRST ASC_NULLS_LAST DESC_NULLS_FIRST DESC_NULLS_LAST`.
    SortOrder,
    /// Enum `Deleted`: `EXCLUDE INCLUDE ONLY`.
    Deleted,
    /// Enum `DatePart`: `DAY WEEK MONTH QUARTER YEAR`.
    DatePart,
    /// Enum `ChangeKind`: `CREATED UPDATED DELETED ENTERED LEFT GAP`.
    ChangeKind,
    /// `Deal`.
    Record(ModuleId),
    /// `DealConnection`.
    Connection(ModuleId),
    /// `DealEdge`.
    Edge(ModuleId),
    /// Connection of a relation by links: `DealProductsConnection`.
    LinkConnection(ModuleId, RelationId),
    /// Its edges, which have the link's own fields: `DealProductsEdge`.
    LinkEdge(ModuleId, RelationId),
    /// `DealProductsInput`: what is to become of the links.
    LinkInput(ModuleId, RelationId),
    /// `DealProductsLinkInput`: a record to be linked, with the link's own fields.
    LinkDataInput(ModuleId, RelationId),
    /// `DealFilter`.
    Filter(ModuleId),
    /// `DealListFilter { some none every }`.
    ListFilter(ModuleId),
    /// `DealOrderBy`, `@oneOf`.
    OrderBy(ModuleId),
    /// `DealCreate`.
    Create(ModuleId),
    /// `DealUpdate`.
    Update(ModuleId),
    /// `DealChange`.
    Change(ModuleId),
    /// `DealUnique`, `@oneOf`: what tells one record of the module.
    Unique(ModuleId),
    /// `DealUnique_name_city`: the values of several fields that are unique together, by their position among the module's.
    UniqueSet(ModuleId, u32),
    /// `DealUpsert { match data }`: a record by what tells it, and its values.
    Upsert(ModuleId),
    /// `DealToOneInput`, `@oneOf`: the record that a reference is to lead to.
    ToOneInput(ModuleId),
    /// `DealToManyInput`: what is to become of the records on the other side of a reference.
    ToManyInput(ModuleId),
    /// `BulkResult`: what a mutation with a filter has written.
    BulkResult,
    /// Enum of a choice's options: `DealStage`.
    Choice(ModuleId, FieldId),
    /// `DealStageFilter`.
    ChoiceFilter(ModuleId, FieldId),
    /// Filter of a scalar: `StringFilter`, `DecimalFilter`, …
    ScalarFilter(Scalar),
    /// `Address`, `GeoPoint`.
    Group(GroupShape),
    /// `AddressFilter`.
    GroupFilter(GroupShape),
    /// `AddressOrderBy`, `@oneOf`.
    GroupOrderBy(GroupShape),
    /// `AddressInput`.
    GroupInput(GroupShape),
    /// Union of a reference's targets: `TaskParent`; `Owner` for the system field of every module, always by the key that
    /// [`Schema::union_of`] gives, so that equal types have equal keys.
    Union(ModuleId, FieldId),
    /// Filter of such a reference: `TaskParentFilter`, `OwnerFilter`; by the same key as the union.
    UnionFilter(ModuleId, FieldId),
    /// `Within`, `@oneOf`: a span of time around now.
    Within,
    /// A type of figures over many records, or of what they are asked by.
    Figures(ModuleId, FigureType),
    /// A type of the introspection system, by its position in the introspection module's list (`__Schema`, `__Type`, …).
    Introspection(u8),
}

/// The types of figures over a module's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FigureType {
    /// `DealAggregate`.
    Aggregate,
    /// `DealSum`; absent, as all for numbers, if there is no number.
    Sum,
    /// `DealAvg`.
    Avg,
    /// `DealMin`.
    Min,
    /// `DealMax`.
    Max,
    /// `DealCountDistinct`.
    CountDistinct,
    /// `DealGroup`.
    Group,
    /// `DealGroupKey`.
    GroupKey,
    /// `DealGroupBy`, `@oneOf`.
    GroupBy,
    /// `DealGroupOrderBy`, `@oneOf`.
    GroupOrderBy,
    /// `DealHaving`.
    Having,
    /// `DealNumberOrderBy`, `@oneOf`: by a sum or a mean.
    NumberOrderBy,
    /// `DealRangeOrderBy`, `@oneOf`: by a least or greatest value.
    RangeOrderBy,
    /// `DealCountDistinctOrderBy`, `@oneOf`.
    CountDistinctOrderBy,
    /// `DealSumHaving`.
    SumHaving,
    /// `DealAvgHaving`.
    AvgHaving,
    /// `DealRangeHaving`: on a least or greatest value.
    RangeHaving,
    /// `DealCountDistinctHaving`.
    CountDistinctHaving,
}

/// The scalars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scalar {
    /// `Int`: 32 bits.
    Int,
    /// `Float`: the score of a search; no field of a module.
    Float,
    /// `String`.
    String,
    /// `Boolean`.
    Boolean,
    /// `ID`.
    Id,
    /// `BigInt`: 64 bits, a string in JSON.
    BigInt,
    /// `Decimal`: exact, a string in JSON; input is a string or an integer.
    Decimal,
    /// `Date`.
    Date,
    /// `Time`.
    Time,
    /// `DateTime`.
    DateTime,
    /// `Duration`.
    Duration,
    /// `EmailAddress`.
    EmailAddress,
    /// `PhoneNumber`.
    PhoneNumber,
    /// `URL`.
    Url,
    /// `JSON`.
    Json,
}

/// A type in a position: with its list and non-null wrappers, outermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TypeRef {
    /// Nullable named type.
    Named(TypeKey),
    /// Non-null.
    NonNull(Box<TypeRef>),
    /// List.
    List(Box<TypeRef>),
}

/// The kind of a named type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Scalar.
    Scalar,
    /// Object.
    Object,
    /// Interface.
    Interface,
    /// Union.
    Union,
    /// Enum.
    Enum,
    /// Input object.
    InputObject,
}

/// A field of an object or interface.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputField {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<Words>,
    /// Its arguments.
    pub arguments: Vec<InputValue>,
    /// Its type.
    pub ty: TypeRef,
    /// The reason, when deprecated.
    pub deprecated: Option<String>,
    /// What it stands for.
    pub meaning: Meaning,
}

/// An argument, or a field of an input object.
#[derive(Debug, Clone, PartialEq)]
pub struct InputValue {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<Words>,
    /// Its type.
    pub ty: TypeRef,
    /// Its default, as a GraphQL literal.
    pub default: Option<String>,
    /// The reason, when deprecated.
    pub deprecated: Option<String>,
    /// What it stands for in a filter, an order or a write; nothing for arguments and operators, which go by name.
    pub target: Option<InputTarget>,
    /// In a coerced value: the use of a variable that the field's value came from.
    pub given: Option<Use>,
}

/// What an input object's field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputTarget {
    /// A value of the record.
    Value(FieldId),
    /// The parts of an address or place.
    Group(FieldId),
    /// The id of a reference's target (`accountId`).
    ReferenceId(FieldId),
    /// The record that a reference with one target leads to (`account: AccountFilter`, `account: AccountToOneInput`).
    Reference(FieldId),
    /// The record that a reference with several targets leads to (`parent: TaskParentFilter`).
    Union(FieldId),
    /// In a filter of such a reference: the record, if it is one of this module.
    Target(ModuleId),
    /// Related records (`contacts: ContactListFilter`, `contacts: ContactToManyInput`).
    Relation(RelationId),
    /// What becomes of the links of a relation (`products: DealProductsInput`).
    Links(RelationId),
    /// `and`, `or`, `not` of a filter.
    Logic,
}

/// A value of an enum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnumValue {
    /// Its name.
    pub name: String,
    /// For people.
    pub description: Option<Words>,
    /// The reason, when deprecated (a retired option).
    pub deprecated: Option<String>,
}

/// What an output field stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `deal(id)`.
    One(ModuleId),
    /// `deals(…)`.
    List(ModuleId),
    /// `dealGroups(…)`.
    Groups(ModuleId),
    /// `duplicatesOfDeal(…)`.
    Duplicates(ModuleId),
    /// `node(id)`.
    Node,
    /// `nodes(ids)`.
    Nodes,
    /// `search(text)`.
    Search,
    /// `dealTimeline(id)`.
    Timeline(ModuleId),
    /// `dealOccurrences(from, to)`.
    Occurrences(ModuleId),
    /// `dealBusyTimes(users, from, to)`.
    BusyTimes(ModuleId),
    /// `notifications`.
    Notifications,
    /// `markNotificationsRead`.
    MarkNotificationsRead,
    /// `notificationChanges`.
    NotificationChanges,
    /// `me`.
    Me,
    /// `__typename`.
    Typename,
    /// `__schema`.
    IntrospectSchema,
    /// `__type(name)`.
    IntrospectType,
    /// `user` of `Viewer`.
    ViewerUser,
    /// `createDeal`.
    Create(ModuleId),
    /// `updateDeal`.
    Update(ModuleId),
    /// `deleteDeal`.
    Delete(ModuleId),
    /// `dealChanges`.
    Changes(ModuleId),
    /// `createDeals`.
    CreateMany(ModuleId),
    /// `updateDeals`.
    UpdateMany(ModuleId),
    /// `upsertDeal`.
    Upsert(ModuleId),
    /// `upsertDeals`.
    UpsertMany(ModuleId),
    /// `deleteDeals`.
    DeleteMany(ModuleId),
    /// `restoreDeal`.
    Restore(ModuleId),
    /// `restoreDeals`.
    RestoreMany(ModuleId),
    /// `destroyDeal`.
    Destroy(ModuleId),
    /// `destroyDeals`.
    DestroyMany(ModuleId),
    /// `mergeDeals`.
    Merge(ModuleId),
    /// `convertDeal`, `convertDealToQuote`: one of its conversions, by its position.
    Convert(ModuleId, u32),
    /// A value of the record.
    Value(FieldId),
    /// What a plugin computes from the record.
    Computed(FieldId),
    /// The parts of an address or place.
    Group(FieldId),
    /// The record that a reference leads to.
    Reference(FieldId),
    /// The id of that record.
    ReferenceId(FieldId),
    /// The address of a file's content.
    FileLink,
    /// The connection of a to-many relation.
    Relation(RelationId),
    /// `history`: what was done to the record.
    History,
    /// A connection's or edge's part, `pageInfo`'s part, or a part of `Viewer` or of introspection: goes by name.
    Part,
}
