//! cardine-tests
