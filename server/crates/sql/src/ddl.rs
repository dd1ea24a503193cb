//! Catalog differences → DDL.
