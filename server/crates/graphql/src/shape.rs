//! The form of an answer: which keys in which order, and in which cell of which list each value stands.

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// A key of an object as its bytes in the answer: `"name":`.
pub type Key = Box<[u8]>;

/// Keys and what stands there, in the order of the query.
pub type Fields<T> = Vec<(Key, T)>;

/// What stands at the root, and in `me`.
#[derive(Debug, Clone)]
pub enum RootField {
    /// JSON that no row decides.
    Constant(Vec<u8>),
    /// Something of the caller.
    Viewer(ViewerField),
    /// `{…}` of these.
    Object(Fields<RootField>),
    /// A record or null.
    One {
        /// Position among the operation's lists.
        list: usize,
        /// The record.
        object: ObjectShape,
    },
    /// Records, without a page around them.
    List {
        /// Position among the operation's lists.
        list: usize,
        /// A record.
        object: ObjectShape,
    },
    /// A page.
    Connection {
        /// Position among the operation's lists.
        list: usize,
        /// The page.
        shape: ConnectionShape,
    },
    /// Groups of records.
    Groups {
        /// Position among the operation's lists.
        list: usize,
        /// A group.
        fields: Fields<FigureField>,
    },
    /// Records by id, in the order of the ids.
    Nodes(NodesShape),
    /// What a search found, or what belongs to a record.
    Search(SearchShape),
    /// The record that a mutation wrote.
    Written {
        /// Position among the operation's mutations.
        step: usize,
        /// The record.
        object: ObjectShape,
    },
    /// The records that a mutation wrote.
    WrittenList {
        /// Position among the operation's mutations.
        step: usize,
        /// The output with the id, if the order is that in which the mutation tells them; else it is that of the list.
        id: Option<usize>,
        /// A record.
        object: ObjectShape,
    },
    /// The id of the record that a mutation wrote.
    WrittenId {
        /// Position among the operation's mutations.
        step: usize,
    },
    /// What a mutation with a filter wrote.
    Bulk {
        /// Position among the operation's mutations.
        step: usize,
        /// Its fields.
        fields: Fields<BulkField>,
    },
}

/// What of the caller is told that those with equal rights need not share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerField {
    /// The role's name.
    Role,
    /// The language.
    Locale,
    /// The time zone.
    TimeZone,
}

/// A field of a `BulkResult`.
#[derive(Debug, Clone)]
pub enum BulkField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// How many records.
    Count,
    /// Their ids.
    Ids,
}

/// The records of `nodes(ids)`: a list per module among them.
#[derive(Debug, Clone)]
pub struct NodesShape {
    /// For each id its text and the position in `lists`; `None` if there is no such record.
    pub entries: Vec<Option<(String, usize)>>,
    /// Position among the operation's lists, the output with the id, and the record.
    pub lists: Vec<(usize, usize, ObjectShape)>,
}

/// What a search found: known before the records are read, so that of the rows only the records themselves are taken.
#[derive(Debug, Clone)]
pub struct SearchShape {
    /// Its fields.
    pub fields: Fields<SearchField>,
    /// What was found, in order.
    pub places: Vec<HitPlace>,
    /// The modules among it, with their lists.
    pub modules: Vec<HitsOfModule>,
    /// The words that were searched for.
    pub terms: Vec<String>,
}

/// One record that was found.
#[derive(Debug, Clone, Default)]
pub struct HitPlace {
    /// Position among the search's modules.
    pub module: usize,
    /// Its id.
    pub id: String,
    /// From 0 to 1.
    pub score: f64,
    /// Its place in the order.
    pub cursor: String,
    /// When, in a timeline; when it begins.
    pub at: String,
    /// Which list of a timeline led to it; of a notification, why there is one.
    pub way: String,
    /// The notification that is about it.
    pub notice: Option<NoticeShown>,
    /// Of the time that it occurs.
    pub time: Option<TimeShown>,
}

/// One time that a record occurs, beside when it begins.
#[derive(Debug, Clone)]
pub struct TimeShown {
    /// When it ends.
    pub ends: Option<String>,
    /// Whether it is one of a series.
    pub recurs: bool,
}

/// A notification, beside what is shown of its record.
#[derive(Debug, Clone)]
pub struct NoticeShown {
    /// Its id.
    pub id: String,
    /// When it was marked as read.
    pub read_at: Option<String>,
}

/// What of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticePart {
    /// Its id.
    Id,
    /// When it was marked as read.
    ReadAt,
}

/// The records of one module among what was found.
#[derive(Debug, Clone)]
pub struct HitsOfModule {
    /// Position among the operation's lists.
    pub list: usize,
    /// The output with the id.
    pub id: usize,
}

/// A field of a search's page.
#[derive(Debug, Clone)]
pub enum SearchField {
    /// JSON that no row decides.
    Constant(Vec<u8>),
    /// What was found: a form for each of the modules.
    Hits(Vec<Fields<HitField>>),
    /// The only thing that was found, if its record is still there.
    Hit(Fields<HitField>),
}

/// A field of one hit, or of the edge around it.
#[derive(Debug, Clone)]
pub enum HitField {
    /// JSON that no row decides.
    Constant(Vec<u8>),
    /// The place in the order.
    Cursor,
    /// How well it fits.
    Score,
    /// When it was or will be.
    At,
    /// Which list has it.
    Way,
    /// When it ends.
    Ends,
    /// Whether it is one of a series.
    Recurs,
    /// Of the notification.
    Notice(NoticePart),
    /// The hit in its edge.
    Node(Fields<HitField>),
    /// The record.
    Record(ObjectShape),
    /// The output with the text that names the record.
    Title(usize),
    /// The outputs with the texts that may be shown a part of, the first ones preferred; and whether each is rich text.
    Snippet(Vec<(usize, bool)>),
}

/// A record.
#[derive(Debug, Clone, Default)]
pub struct ObjectShape {
    /// Its fields.
    pub fields: Fields<FieldShape>,
}

/// A field of a record.
#[derive(Debug, Clone)]
pub enum FieldShape {
    /// `__typename`.
    Constant(Vec<u8>),
    /// A value of the row.
    Cell {
        /// Position among the list's outputs.
        output: usize,
        /// How it is written.
        encoding: Encoding,
    },
    /// The address of a file's content.
    FileLink {
        /// The output with the file's id.
        id: usize,
    },
    /// An address or place; null if no part has a value.
    Group {
        /// The outputs of all parts.
        parts: Vec<usize>,
        /// What is shown of it.
        object: ObjectShape,
    },
    /// The record that a reference leads to: that of the first target whose id is there, else null.
    ToOne(Vec<Target>),
    /// A page of related records.
    ToMany {
        /// Position among the list's children.
        child: usize,
        /// The output with the id of the record that they are related to.
        parent: usize,
        /// The page.
        shape: ConnectionShape,
    },
    /// A page of the record's history, whose rows are entries.
    History {
        /// Position among the list's histories.
        history: usize,
        /// The output with the record's id.
        parent: usize,
        /// The page.
        shape: ConnectionShape,
    },
    /// What an entry of a history shows.
    Entry(EntryField),
    /// What a plugin computes, by its position among what the operation lets plugins compute.
    Computed(usize),
}

/// What an entry of a history shows beside its own values.
#[derive(Debug, Clone)]
pub enum EntryField {
    /// A user that the entry names; null if there is none that the caller may see.
    User {
        /// Position among the history's children.
        child: usize,
        /// Position among the entry's values of the user's id.
        id: usize,
        /// The user.
        object: ObjectShape,
    },
    /// Through what it was done, by its position among the entry's values.
    Via(usize),
    /// The changes of its fields.
    Changes {
        /// A change.
        fields: Fields<FieldChangeField>,
        /// The names of the fields by their keys, as JSON.
        names: Arc<FxHashMap<String, Vec<u8>>>,
    },
}

/// A field of a `FieldChange`.
#[derive(Debug, Clone)]
pub enum FieldChangeField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// The field's name.
    Name,
    /// The value before.
    Old,
    /// The value after.
    New,
}

/// One module that a reference may lead to.
#[derive(Debug, Clone)]
pub struct Target {
    /// The output with the id.
    pub id: usize,
    /// The record.
    pub object: ObjectShape,
}

/// How a cell becomes JSON; null is always `null`, a truth value always itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Text, with escapes.
    Text,
    /// Text that needs no escapes: ids, numbers, dates, options.
    Plain,
    /// A decimal as a string, with exactly this many digits after the point: what is stored may have fewer.
    Decimal {
        /// Digits after the point.
        scale: u8,
    },
    /// A number.
    Number,
    /// A whole number as a string.
    NumberText,
    /// Seconds, by ISO 8601.
    Duration,
    /// A number of records; where there is no row there are none.
    Count,
    /// Text that is JSON already.
    Raw,
}

/// A page.
#[derive(Debug, Clone)]
pub struct ConnectionShape {
    /// Its fields.
    pub fields: Fields<ConnectionField>,
    /// How cursors are made, where one is selected.
    pub cursor: Option<CursorShape>,
    /// Whether the page is taken from the end.
    pub from_end: bool,
    /// Whether records on the side from which the page is taken are left out, by a cursor or an offset.
    pub cut: bool,
}

/// How a row's cursor is made.
#[derive(Debug, Clone)]
pub struct CursorShape {
    /// The outputs with the order's keys.
    pub keys: Vec<usize>,
    /// Position among the operation's contexts of what it belongs to.
    pub context: usize,
}

/// A field of a page.
#[derive(Debug, Clone)]
pub enum ConnectionField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// The records.
    Nodes(ObjectShape),
    /// The records with their cursors.
    Edges(Fields<EdgeField>),
    /// Where the page stands.
    PageInfo(Fields<PageInfoField>),
    /// The number of all records of the filter, by its position among the list's totals.
    TotalCount(usize),
    /// Figures over them, by their positions among the totals.
    Aggregate(Fields<FigureField>),
}

/// A field of an aggregate or of a group.
#[derive(Debug, Clone)]
pub enum FigureField {
    /// `__typename`, or the null of what is no key of the group.
    Constant(Vec<u8>),
    /// A figure.
    Cell {
        /// Its position in the row: of the totals, or of the groups.
        position: usize,
        /// How it is written.
        encoding: Encoding,
    },
    /// `{…}` of these.
    Object(Fields<FigureField>),
}

/// A field of an edge.
#[derive(Debug, Clone)]
pub enum EdgeField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// The place.
    Cursor,
    /// The record.
    Node(ObjectShape),
    /// A field of the link.
    Link(FieldShape),
}

/// A field of a change.
#[derive(Debug, Clone)]
pub enum ChangeField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// What happened.
    Kind,
    /// The record's id.
    Id,
    /// The record.
    Record(ObjectShape),
    /// What is different.
    ChangedFields,
    /// Where to read on.
    Position,
}

/// A field of `pageInfo`.
#[derive(Debug, Clone)]
pub enum PageInfoField {
    /// `__typename`.
    Constant(Vec<u8>),
    /// Whether there is more after.
    HasNextPage,
    /// Whether there is more before.
    HasPreviousPage,
    /// The first row's cursor.
    StartCursor,
    /// The last row's cursor.
    EndCursor,
}
