//! Authorised questions → statements with parameters, and catalog differences → DDL; pure.
//!
//! A name becomes an SQL identifier in [`ident`] only; a value is always a parameter. Two aliases of one table never share a name.

mod aggregate;
pub mod ddl;
mod expr;
mod filter;
mod filter_json;
mod functions;
mod hierarchy;
mod history;
pub mod ident;
mod images;
pub mod links;
mod list;
mod locate;
mod place;
mod reach;
mod search;
mod statement;
mod timeline;
pub mod write;
mod writer;

pub use functions::postgres_functions;
pub use history::{PART_ACTIONS, WHOLE_ACTIONS};
pub use images::{IMAGE_GONE, IMAGE_NUMBER, render_matches};
pub use list::{Found, ListStatements, render_list};
pub use locate::{file_fields, locate_holders, locate_records};
pub use reach::select_reach;
pub use search::{SEARCH_SCORE_MAX, SearchStatements, render_search};
pub use statement::{ColumnType, Dialect, ForRows, Param, SpanOf, Statement, Transform};
pub use timeline::render_timeline;
