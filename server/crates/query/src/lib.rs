//! cardine-query
