//! The server's own statements run without the server: prepared once, their rows read and thrown away.

pub mod postgres;
pub mod sqlite;
