//! What happened to comparable systems and must not happen here: real attacks over HTTP on both databases, by group. The page
//! `docs/security.md` says which claim each of them proves.

mod cast;
mod fields;
mod files;
mod injection;
mod page;
mod realtime;
mod records;
mod side_doors;
#[path = "../tables/mod.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod tables;
mod writes;
