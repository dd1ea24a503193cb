//! A page of what was done to a record, nested in a list of records: for each of them, the newest entry first.

use cardine_model::catalog::Hop;

use crate::list::{List, Page};

/// The values of an entry by position: id, instant, action, through what, request, actor, on whose behalf.
pub const ENTRY_ACTOR: usize = 5;
/// Position of the id of the user on whose behalf the actor acted.
pub const ENTRY_ON_BEHALF_OF: usize = 6;

/// The entries of the history of each record of the list around it.
///
/// An entry shows the changes of those fields alone that exist for the caller; one of an update that shows none is not there.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Position in the parent's `outputs` of the id of the record whose history it is.
    pub parent_output: usize,
    /// To-one references to that record; none for the parent's own.
    pub at: Vec<Hop>,
    /// Which part; a place is an entry's id.
    pub page: Page,
    /// Whether entries are wanted at all, or only their number.
    pub rows: bool,
    /// Whether their number is wanted.
    pub count: bool,
    /// Whether the changes of each entry are wanted.
    pub changes: bool,
    /// What is asked of the users that entries name.
    pub users: Vec<HistoryUser>,
}

/// What is asked of a user that an entry names.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryUser {
    /// Position of the user's id among the entry's values: [`ENTRY_ACTOR`] or [`ENTRY_ON_BEHALF_OF`].
    pub entry_value: usize,
    /// The one user.
    pub list: List,
}
