//! Statements that write records: insert, update, and the row locked for it.
