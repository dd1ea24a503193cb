//! The schema of `/admin/graphql`: what administrators see and change, as a static GraphQL schema.
//!
//! The endpoint lets administrators in only (`http::admin_graphql`), so the resolvers check no rights; the engine checks
//! once more where a change is made.

mod access;
mod error;
mod model;
mod mutation;
mod people;
mod query;
mod upload;
mod workflow;

use async_graphql::{EmptySubscription, MergedObject, Schema};

use access::{AccessMutation, AccessQuery};
use mutation::BaseMutation;
use query::BaseQuery;
pub use upload::PACKAGE_BYTES_MAX;

/// The root of queries.
#[derive(MergedObject, Default)]
pub struct Query(BaseQuery, AccessQuery);

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(BaseMutation, AccessMutation);

/// The schema. A request brings its [`AdminContext`] as data.
pub type AdminSchema = Schema<Query, Mutation, EmptySubscription>;

/// What resolvers work with.
pub struct AdminContext {
    /// The server.
    pub app: std::sync::Arc<crate::app::App>,
    /// Pinned to one snapshot, with an administrator as actor.
    pub request: cardine_engine::RequestContext,
}

/// The standard introspection query has 13 levels.
const DEPTH_MAX: usize = 15;
/// One for each field.
const COMPLEXITY_MAX: usize = 2_000;

/// Makes the schema; once per process.
pub fn schema() -> AdminSchema {
    Schema::build(Query::default(), Mutation::default(), EmptySubscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .disable_suggestions()
        .finish()
}
