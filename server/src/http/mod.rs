//! HTTP: every route in one list, and the border that each request passes.

pub mod cors;
pub mod error;
pub mod graphql_request;
pub mod metrics;
pub mod negotiation;
