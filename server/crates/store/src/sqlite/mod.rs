//! SQLite: connections, and the threads that use them.

mod connection;
mod date_functions;
mod decode;
mod encode;
mod error;
mod functions;
mod group_function;
mod here;
mod index_name;
mod json_functions;
mod lock;
mod readers;
mod thread;
mod writer;

pub(crate) use connection::{Connection, Purpose};
pub(crate) use here::Here;
pub(crate) use lock::FileLock;
pub(crate) use readers::Readers;
pub(crate) use writer::{Job, Lane, Writer};
