//! cardine-sql
