//! Statements, without a database.
