//! HTTP: every route in one list, and the border that each request passes.

mod admin_graphql;
mod assets;
mod auth;
mod border;
mod caller;
pub mod cors;
pub mod error;
mod graphql;
pub mod graphql_request;
mod health;
pub mod metrics;
pub mod negotiation;
mod page;
mod routes;
mod schemas;
pub mod setup;

pub use caller::Caller;
pub use routes::routes;
