//! PostgreSQL: a pool of connections, transactions on them, and its binary formats.

mod alone;
mod decode;
mod encode;
mod error;
mod numeric;
mod pool;
mod session;

pub(crate) use alone::run_alone;
pub(crate) use pool::Pool;
pub(crate) use session::{Isolation, Planning, Session};
