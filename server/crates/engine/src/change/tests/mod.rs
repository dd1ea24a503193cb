//! Changes on both databases.
