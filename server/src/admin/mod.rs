//! The schemas of `/admin/graphql`: what administrators see and change, and the account that everybody has, as static GraphQL schemas.
//!
//! The endpoint gives administrators the one and all others the other (`http::admin_graphql`), so the resolvers check no rights
//! but those of the account, which stands in both; the engine checks once more where a change is made.

mod access;
mod account;
mod approvals;
mod audit;
mod error;
mod jobs;
mod model;
mod modules;
mod mutation;
mod people;
mod plugins;
mod query;
mod simulation;
mod upload;
mod workflow;

use async_graphql::{EmptySubscription, MergedObject, ObjectType, Schema};

use access::{AccessMutation, AccessQuery};
use account::{AccountMutation, AccountQuery};
use approvals::{ApprovalsMutation, ApprovalsQuery};
use jobs::{JobsMutation, JobsQuery};
use modules::{ModulesMutation, ModulesQuery};
use mutation::BaseMutation;
use plugins::{PluginsMutation, PluginsQuery};
use query::BaseQuery;
pub use upload::PACKAGE_BYTES_MAX;

/// The root of queries.
#[derive(MergedObject, Default)]
pub struct Query(BaseQuery, AccessQuery, AccountQuery, ApprovalsQuery, JobsQuery, ModulesQuery, PluginsQuery);

/// The root of mutations.
#[derive(MergedObject, Default)]
pub struct Mutation(
    BaseMutation,
    AccessMutation,
    AccountMutation,
    ApprovalsMutation,
    JobsMutation,
    ModulesMutation,
    PluginsMutation,
);

/// The root of queries of those who are no administrators.
#[derive(MergedObject, Default)]
pub struct OwnQuery(AccountQuery, ApprovalsQuery);

/// The root of their mutations.
#[derive(MergedObject, Default)]
pub struct OwnMutation(AccountMutation, ApprovalsMutation);

/// The schema. A request brings its [`AdminContext`] as data.
pub type AdminSchema = Schema<Query, Mutation, EmptySubscription>;
/// The schema of those who are no administrators.
pub type AccountSchema = Schema<OwnQuery, OwnMutation, EmptySubscription>;

/// What resolvers work with.
pub struct AdminContext {
    /// The server.
    pub app: std::sync::Arc<crate::app::App>,
    /// Pinned to one snapshot, with somebody who is signed in as actor; in [`AdminSchema`] an administrator.
    pub request: cardine_engine::RequestContext,
    /// What the request was sent with.
    pub token: Option<cardine_engine::identity::TokenOwner>,
    /// Where it came from, if that is known.
    pub peer: Option<crate::auth::Peer>,
    /// How many files came with it.
    pub uploads: usize,
}

/// The fields at the roots that everybody has who is signed in.
pub fn own_fields() -> Vec<&'static str> {
    account::ROOT_FIELDS.into_iter().chain(approvals::ROOT_FIELDS).collect()
}

/// The standard introspection query has 13 levels.
const DEPTH_MAX: usize = 15;
/// One for each field.
const COMPLEXITY_MAX: usize = 2_000;

/// Makes the schema; once per process.
pub fn schema() -> AdminSchema {
    bounded(Query::default(), Mutation::default())
}

/// Makes the schema of those who are no administrators; once per process.
pub fn account_schema() -> AccountSchema {
    bounded(OwnQuery::default(), OwnMutation::default())
}

fn bounded<Q: ObjectType + 'static, M: ObjectType + 'static>(query: Q, mutation: M) -> Schema<Q, M, EmptySubscription> {
    Schema::build(query, mutation, EmptySubscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .disable_suggestions()
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_account_has_is_listed() {
        let sdl = account_schema().sdl();
        let roots = ["type OwnQuery {", "type OwnMutation {"].map(|root| sdl.split_once(root).unwrap().1);
        let bodies = roots.map(|rest| rest.split_once("\n}").unwrap().0);
        let lines = bodies.iter().flat_map(|body| body.lines());
        // The lines of a description do not begin like this.
        let name = |line: &str| {
            let end = line.find(|c: char| !c.is_alphanumeric()).unwrap_or(line.len());
            line[end..].starts_with(['(', ':']).then(|| line[..end].to_owned())
        };
        let mut found: Vec<String> = lines.filter_map(|line| name(line.strip_prefix('\t')?)).collect();
        let mut listed = own_fields();
        found.sort_unstable();
        listed.sort_unstable();
        assert_eq!(found, listed, "{sdl}");
    }
}
