//! What is asked, in our own words, and the one gate that every question passes before it may become SQL; pure.
//!
//! Questions hold no values: each literal and variable of a request stands in its list of values and is named here by its
//! position, a [`Slot`]. So what is made from a question (SQL text above all) serves every request of the same shape.

mod aggregate;
mod authorise;
mod history;
mod list;
mod occurrences;
mod search;
mod timeline;

pub use aggregate::{
    DatePart, GroupCondition, GroupKey, GroupOrder, GroupTerm, GroupTest, Grouping, Measure, mean_scale,
};
pub use authorise::{Authorised, Denied, authorise};
pub use history::{ENTRY_ACTOR, ENTRY_ON_BEHALF_OF, History, HistoryUser};
pub use list::{
    Child, CompareOp, Deleted, Filter, KeysetValue, List, Nulls, OrderKey, Page, Quantifier, Slot, Span, Take,
};
pub use occurrences::{OccurrenceOutputs, OccurrenceQuestion};
pub use search::{Search, SearchPlace, SearchedModule, authorise_search};
pub use timeline::{Timeline, TimelinePlace, TimelineWay, authorise_timeline};
