//! The GraphQL front: an operation is guarded, validated and compiled under the caller's rights, run by the engine, and
//! written as JSON straight from rows.

pub mod answer;
pub mod coerce;
pub mod compile;
pub mod computed;
pub mod cursor;
pub mod error;
mod execute;
mod extent;
pub mod file_link;
#[cfg(test)]
mod fixture;
pub mod guard;
pub mod introspection;
pub mod limits;
pub mod parse;
mod places;
pub mod plans;
pub mod position;
pub mod prepare;
pub mod protocol;
pub mod response;
pub mod schema;
pub mod sdl;
pub mod shape;
pub mod subscription;
pub mod transport_ws;
pub mod validate;
pub mod variables;

pub use error::{Code, Error, sentence};
pub use execute::{Front, execute};
pub use protocol::Request;
pub use response::{Kind, Response};
pub use subscription::Subscriptions;
