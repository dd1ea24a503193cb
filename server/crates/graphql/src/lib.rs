//! cardine-graphql
