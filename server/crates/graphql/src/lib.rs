//! The GraphQL front: an operation is guarded, validated and compiled under the caller's rights, run by the engine, and
//! written as JSON straight from rows.

pub mod introspection;
pub mod schema;
pub mod sdl;
