//! HTTP: every route in one list, and the border that each request passes.

pub mod acceptor;
mod admin_graphql;
mod again;
mod assets;
pub mod auth;
mod border;
mod calendar;
mod caller;
pub mod connections;
pub mod cors;
mod credential;
mod download;
pub mod error;
mod event_stream;
mod form;
mod graphql;
pub mod graphql_request;
mod health;
mod hooks;
mod icalendar;
pub mod metrics;
pub mod negotiation;
mod page;
mod peer;
pub mod plugin_routes;
mod range;
mod reset;
mod routes;
pub mod schemas;
pub mod setup;
mod upload;
mod websocket;

pub use caller::{Caller, context_of, today};
pub use routes::routes;
