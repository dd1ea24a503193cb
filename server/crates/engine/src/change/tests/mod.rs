//! Changes of modules on both databases: what they make, what they refuse, and what is left when they fail.

pub(crate) mod database;
mod flow;
mod indexes;
mod live;
mod names;
mod search;
mod start;
mod tables;
