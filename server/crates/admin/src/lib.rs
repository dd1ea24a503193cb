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

use std::sync::Arc;

use async_graphql::{EmptySubscription, MergedObject, ObjectType, Request, Response, Schema};
use async_recursion::async_recursion as boxed;
use cardine_auth::{Auth, Peer};
use cardine_engine::identity::TokenOwner;
use cardine_engine::{Engine, RequestContext};
use cardine_workflow::Outside;
use url::Url;

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

type AdminSchema = Schema<Query, Mutation, EmptySubscription>;
/// The schema of those who are no administrators.
type AccountSchema = Schema<OwnQuery, OwnMutation, EmptySubscription>;

/// What administrators work on.
pub struct Administered {
    /// The use cases.
    pub engine: Engine,
    /// Passwords and tokens.
    pub auth: Arc<Auth>,
    /// Installed plugins, and what else workflows use.
    pub outside: Outside,
    /// What links begin with; ends with a slash.
    pub public_url: Url,
}

/// Who asks.
pub struct Asker {
    /// Whether the whole schema is theirs.
    pub is_administrator: bool,
    /// Pinned to one snapshot, with somebody who is signed in as actor; an administrator if it says so above.
    pub request: RequestContext,
    /// What the request was sent with.
    pub token: Option<TokenOwner>,
    /// Where it came from, if that is known.
    pub peer: Option<Peer>,
}

/// The administration API.
pub struct Administration {
    administrators: AdminSchema,
    others: AccountSchema,
    app: Arc<Administered>,
}

impl Administration {
    /// Makes the schemas; once per process.
    pub fn new(app: Administered) -> Self {
        Self { administrators: schema(), others: account_schema(), app: Arc::new(app) }
    }

    /// Runs an operation that passed the guard.
    #[boxed]
    pub async fn execute(&self, asker: Asker, operation: Request) -> Response {
        let Asker { is_administrator, request, token, peer } = asker;
        let uploads = operation.uploads.len();
        let operation = operation.data(AdminContext { app: Arc::clone(&self.app), request, token, peer, uploads });
        match is_administrator {
            true => self.administrators.execute(operation).await,
            false => self.others.execute(operation).await,
        }
    }
}

/// What resolvers work with.
struct AdminContext {
    app: Arc<Administered>,
    request: RequestContext,
    token: Option<TokenOwner>,
    peer: Option<Peer>,
    /// How many files came with it.
    uploads: usize,
}

/// The fields at the roots that everybody has who is signed in.
pub fn own_fields() -> Vec<&'static str> {
    account::ROOT_FIELDS.into_iter().chain(approvals::ROOT_FIELDS).collect()
}

/// The standard introspection query has 13 levels.
const DEPTH_MAX: usize = 15;
/// One for each field.
const COMPLEXITY_MAX: usize = 2_000;

fn schema() -> AdminSchema {
    bounded(Query::default(), Mutation::default())
}

fn account_schema() -> AccountSchema {
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
