//! A list of records: filter, order, page, wanted values, and lists nested in it.

use cardine_model::catalog::{FieldId, FieldPath, Hop, ModuleId, RelationId};

use crate::aggregate::{DatePart, Grouping, Measure};
use crate::history::History;

/// The position of a value in the request's list of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(pub u32);

/// A list of records of one module. A single record is a list with a filter on its id.
#[derive(Debug, Clone, PartialEq)]
pub struct List {
    /// The module.
    pub module: ModuleId,
    /// Which records.
    pub filter: Option<Filter>,
    /// In which order; ends with the id, so that it is total.
    pub order: Vec<OrderKey>,
    /// Which part of them; for a nested list, of each parent's.
    pub page: Page,
    /// Whether deleted records take part.
    pub deleted: Deleted,
    /// The values wanted of each record, each once. A reference means the id of a target that the caller may see.
    pub outputs: Vec<FieldPath>,
    /// Whether rows are wanted at all, or only figures over all of them.
    pub rows: bool,
    /// Figures over all records of the filter, whatever the page (per parent in a nested list), each once.
    pub totals: Vec<Measure>,
    /// Rows are groups of the records instead of the records: then there are neither outputs nor children, and `order` is
    /// the grouping's.
    pub groups: Option<Grouping>,
    /// Lists nested in each record.
    pub children: Vec<Child>,
    /// Pages of each record's history.
    pub histories: Vec<History>,
}

/// A to-many relation's list, for each record of the list around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Child {
    /// Position in the parent's `outputs` of the id of the record that the relation belongs to: the record's own id, or that
    /// of one reached by to-one references.
    pub parent_output: usize,
    /// To-one references to the module that has the relation; none for the parent's own.
    pub at: Vec<Hop>,
    /// The relation.
    pub relation: RelationId,
    /// What is asked of the related records.
    pub list: List,
}

/// Part of an ordered list (<https://relay.dev/graphql/connections.htm>).
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// How many, from which end.
    pub take: Take,
    /// Only what comes after this place in the order; a value for each order key.
    pub after: Option<Vec<KeysetValue>>,
    /// Only what comes before this place.
    pub before: Option<Vec<KeysetValue>>,
    /// How many to leave out first.
    pub offset: Option<Slot>,
}

/// How many records, from which end. One more is fetched, to know whether there are more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// From the start.
    First(Slot),
    /// From the end.
    Last(Slot),
    /// Exactly one is possible (a filter on the id): no limit, no further row.
    One,
}

/// A cursor's value for one order key. Whether it is null is part of the question's shape, as the SQL differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeysetValue {
    /// The value.
    pub slot: Slot,
    /// Whether it is null.
    pub is_null: bool,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderKey {
    /// The value to order by.
    pub path: FieldPath,
    /// Greatest first.
    pub descending: bool,
    /// Where absent values stand.
    pub nulls: Nulls,
}

/// Where absent values stand in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nulls {
    /// Before all others.
    First,
    /// After all others.
    Last,
}

/// Whether soft-deleted records take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// They don't.
    Exclude,
    /// They do.
    Include,
    /// Only they do.
    Only,
}

/// A condition with SQL's three-valued logic; a record is in the list where it is true.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of these; true if there are none.
    All(Vec<Filter>),
    /// One of these; false if there are none.
    Any(Vec<Filter>),
    /// The opposite; unknown stays unknown.
    Not(Box<Filter>),
    /// Compares a value. Unknown if either side is null.
    Compare {
        /// The left side.
        path: FieldPath,
        /// How.
        op: CompareOp,
        /// The right side; a list for the operators that take one.
        operand: Slot,
    },
    /// Whether a date or an instant is in a span of time. Unknown if it is null.
    Within {
        /// The value.
        path: FieldPath,
        /// The span.
        span: Span,
    },
    /// Whether a value is absent; a reference is absent also where its target may not be seen.
    IsNull {
        /// The value.
        path: FieldPath,
        /// Asks for presence instead.
        negated: bool,
    },
    /// Compares a value inside a JSON field. Unknown if it is absent or null.
    CompareJson {
        /// The field.
        path: FieldPath,
        /// The text of the place in the document, such as `$.a.b`.
        place: Slot,
        /// How.
        op: CompareOp,
        /// The right side; a list for the operators that take one.
        operand: Slot,
    },
    /// Whether a value inside a JSON field is absent or null.
    IsNullJson {
        /// The field.
        path: FieldPath,
        /// The text of the place in the document.
        place: Slot,
        /// Asks for presence instead.
        negated: bool,
    },
    /// The record's own value is that of another record of the module which the caller may see, text without regard to case. Not
    /// true of an absent value.
    Alike {
        /// The field.
        field: FieldId,
        /// The other record's id.
        record: Slot,
    },
    /// Related records.
    Related {
        /// To-one references to the module that has the relation.
        at: Vec<Hop>,
        /// The relation.
        relation: RelationId,
        /// How many must meet the filter.
        quantifier: Quantifier,
        /// A condition on the related record.
        filter: Box<Filter>,
    },
}

/// A span of time around the request's instant, in the caller's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Span {
    /// So many seconds up to now, now included. Of dates: up to today, today included.
    Last(Slot),
    /// So many seconds from now on, now included. Of dates: from today on.
    Next(Slot),
    /// The period of the calendar that is now.
    This(DatePart),
}

/// How many related records must meet a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Some,
    /// None.
    None,
    /// All: none fails to meet it (an unknown condition is not met).
    Every,
}

/// How a value is compared. Text is compared by its folded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOp {
    /// Equal.
    Eq,
    /// Not equal.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Text that contains the operand.
    Contains,
    /// Text that starts with it.
    StartsWith,
    /// Text that ends with it.
    EndsWith,
    /// One of the operand's list; false for an empty one.
    In,
    /// None of the operand's list; true for an empty one.
    NotIn,
    /// A multi-choice that has the operand.
    Has,
    /// A multi-choice that has one of the operand's list.
    HasAny,
    /// A multi-choice that has all of the operand's list.
    HasAll,
}
