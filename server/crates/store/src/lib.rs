//! cardine-store
