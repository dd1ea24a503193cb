//! cardine-engine
