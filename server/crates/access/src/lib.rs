//! cardine-access
