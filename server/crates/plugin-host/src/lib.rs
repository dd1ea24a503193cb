//! cardine-plugin-host
