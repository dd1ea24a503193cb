//! Changes of modules on both databases: what they make, what they refuse, and what is left when they fail.

mod chains;
mod choices;
pub(crate) mod database;
mod documents;
mod flow;
mod indexes;
mod kept;
mod live;
mod names;
mod search;
mod start;
mod tables;
