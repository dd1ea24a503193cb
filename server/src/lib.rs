//! cardine
