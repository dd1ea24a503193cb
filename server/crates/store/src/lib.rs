//! The only crate that talks to a database: SQLite or PostgreSQL behind one asynchronous face.
//!
//! A request is one [`Store::read`] or [`Store::write`]: a whole transaction, whose statements come from `cardine-sql`
//! and whose values from [`Bindings`]. Rows come back in one form, whichever database gave them.

mod backup;
mod bindings;
mod calendar;
mod deadline;
mod error;
mod file_store;
mod habit;
mod migrate;
mod options;
pub mod platform;
mod postgres;
mod rows;
mod sqlite;
mod state;
mod store;
mod text_form;
mod transaction;
mod url;
mod work;
mod zone;

pub use bindings::Bindings;
pub use cardine_sql::{ColumnType, Dialect, Param, Statement, Transform};
pub use deadline::Deadline;
pub use error::{Cause, StoreError};
pub use file_store::{ContentStream, ContentWriter, FileStore, FilesUrl, Stored};
pub use futures_util::future::BoxFuture;
pub use habit::{Extent, Habit};
pub use options::Options;
pub use rows::{Cell, RowSet};
pub use state::PlatformState;
pub use store::Store;
pub use transaction::{ReadTx, WriteTx};
pub use url::DatabaseUrl;
