//! cardine-model
