//! A statement: text with numbered parameters, where each parameter's value comes from, and how each result column is read.

use cardine_access::RecordAction;
use cardine_model::Value;
use cardine_model::catalog::ModuleId;
use cardine_query::{Slot, Span};

/// Which database a statement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// SQLite with Cardine's functions and collation registered (see the store).
    Sqlite,
    /// PostgreSQL 14 or newer with Cardine's functions created by the migrations.
    Postgres,
}

/// A statement. Parameters are `$1`, `$2`, … on PostgreSQL and `?1`, `?2`, … on SQLite; each may be used several times.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The text; the same for every request of one shape.
    pub text: String,
    /// Where the value of parameter n (from 1) comes from.
    pub params: Vec<Param>,
    /// How each result column is read.
    pub columns: Vec<ColumnType>,
}

/// A statement over rows of values.
#[derive(Debug, Clone, PartialEq)]
pub enum ForRows {
    /// Run once for each row; slot n is the row's n-th value.
    Each(Statement),
    /// Run once; slot n is the list of the rows' n-th values.
    Lists(Statement),
}

/// Where a parameter's value comes from, and what it is made into.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// A value of the request.
    Slot(Slot, Transform),
    /// A number of the request, plus this: a page's limit and the one row more that tells whether there are others.
    SlotPlus(Slot, i64),
    /// A constant of the statement.
    Value(Value, Transform),
    /// The ids of the parent records, each once: an array on PostgreSQL, a JSON list on SQLite.
    Parents,
    /// The caller's visible owners, likewise.
    VisibleOwners,
    /// The same in the order of their bytes: an array on PostgreSQL, one piece of 16 bytes for each on SQLite.
    VisibleOwnersInOrder,
    /// The owners whose records of a module are shared with the caller for an action, likewise.
    SharedOwners(ModuleId, RecordAction),
    /// Whom a single record may be shared with so that the caller is meant, likewise.
    Principals,
    /// The caller's user id, or null.
    ActorId,
    /// The instant of the request.
    Now,
    /// Today's date in the caller's time zone.
    Today,
    /// The first date or instant of a span of time.
    SpanStart(Span, SpanOf),
    /// The first one behind it.
    SpanEnd(Span, SpanOf),
    /// The caller's time zone, by its IANA name.
    TimeZone,
    /// The instants from which on each of that zone's offsets holds, ascending.
    ZoneStarts,
    /// Those offsets from UTC, in seconds.
    ZoneOffsets,
}

/// What a span of time is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanOf {
    /// Dates.
    Dates,
    /// Instants.
    Instants,
}

/// What a value becomes before it is bound. Null stays null.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    /// Itself.
    None,
    /// Folded text (`model::text::fold`); of a list, each element.
    Fold,
    /// The text's sort key (`model::text::sort_key`); of a list, each element.
    SortKey,
    /// The least sort key that a text which begins with this one may have (`model::text::sort_keys_from`).
    PrefixStart,
    /// What stands behind the sort keys of all of them.
    PrefixEnd,
    /// Of the text of a place in a JSON document, the list of its steps; null if it is none.
    JsonSteps,
    /// Of a JSON value, what it is equal by (`model::json_value::key`); of a list, each element.
    JsonKey,
    /// Of a JSON value, its number; null if it is none.
    JsonNumber,
    /// Of a JSON value, its text; null if it is none.
    JsonText,
    /// Of a JSON value, its text's sort key; null if it is none.
    JsonSortKey,
}

/// How a result column is read. What comes out is uniform over the databases: null, boolean, integer, or the text that the API shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    /// An id: `uuid` on PostgreSQL, text on SQLite; read as hyphenated lower-case text.
    Id,
    /// Text.
    Text,
    /// A 32- or 64-bit integer; read as an integer.
    Integer,
    /// `numeric` on PostgreSQL, text on SQLite; read as plain decimal text with the digits that the database gives.
    Decimal,
    /// `boolean` on PostgreSQL, 0 or 1 on SQLite.
    Boolean,
    /// Read as `YYYY-MM-DD`.
    Date,
    /// Read as `HH:MM:SS`.
    Time,
    /// `timestamptz` on PostgreSQL, text on SQLite; read as `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    DateTime,
    /// `text[]` on PostgreSQL, a JSON list on SQLite; read as the text of a JSON list of strings.
    TextList,
    /// `json` on PostgreSQL, which keeps the text as it was written, text on SQLite; read as JSON text.
    Json,
}
