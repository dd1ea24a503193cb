//! cardine-workflow
