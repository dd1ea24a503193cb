//! cardine-migrations
