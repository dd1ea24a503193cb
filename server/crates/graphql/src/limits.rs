//! The bounds of one request: nearly all are checked before anything runs.

use std::time::Duration;

/// Each bound, with the number that the error tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body, files apart; the transport holds it.
    pub body_bytes: usize,
    /// Bytes of the query text.
    pub text_bytes: usize,
    /// Brackets within brackets, and selections within selections once fragments are put in their place.
    pub nesting: usize,
    /// Operations of a document.
    pub operations: usize,
    /// Selections of a document, each fragment counted at each place where it stands.
    pub selections: usize,
    /// Aliases of one field in one selection.
    pub aliases: usize,
    /// Fields at the root of an operation.
    pub root_fields: usize,
    /// Relations within relations, in selections, filters and orders alike.
    pub relation_levels: usize,
    /// Fragment definitions of a document.
    pub fragments: usize,
    /// Directives of a document.
    pub directives: usize,
    /// Places of a document where a variable stands.
    pub variables: usize,
    /// Objects in the variables' values.
    pub variable_objects: usize,
    /// Values in a request's JSON, those within others counted too.
    pub variable_values: usize,
    /// Rows that an operation may fetch by its page sizes.
    pub rows: u64,
    /// Rows of a page.
    pub page: u64,
    /// Rows of a page where none is given.
    pub page_default: u64,
    /// The same for a nested list.
    pub page_default_nested: u64,
    /// Conditions of one list's filter: SQLite takes 1,000 in a row.
    pub conditions: usize,
    /// Keys of an order.
    pub order_keys: usize,
    /// Figures over one list, or over each of its groups: PostgreSQL selects 1,664 columns.
    pub figures: usize,
    /// Records reached by to-one references in one list: SQLite joins at most 64 tables.
    pub references: usize,
    /// Bytes of an introspection's answer; more where the standard one of many modules has more.
    pub introspection_bytes: usize,
    /// Records that one mutation writes, those within others apart.
    pub records: usize,
    /// Records that one mutation writes within others.
    pub nested_records: usize,
    /// Words of a search.
    pub search_terms: usize,
    /// How long the operation may run. What it has written by then is undone.
    pub execution: Duration,
    /// Connections with operations that last, WebSockets and event streams alike; the transport holds this and the next two.
    pub connections: usize,
    /// Those of one user, or of one address without a token.
    pub connections_per_caller: usize,
    /// Operations at once in one WebSocket.
    pub operations_per_connection: usize,
    /// Errors of an answer.
    pub errors: usize,
    /// Requests that may be sent together as a list; 0 refuses lists.
    pub batch: usize,
    /// Mails to one user who forgot the password, in an hour; the transport holds this and the next one.
    pub resets_per_user: usize,
    /// Requests for such mails from one network, in an hour.
    pub resets_per_network: usize,
    /// Requests from outside that start one workflow, in a minute; the transport holds this too.
    pub hook_requests: usize,
    /// Bytes of a file; the transport holds this and the next one.
    pub file_bytes: u64,
    /// Files that a user has uploaded and that no record holds yet.
    pub uploads: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            text_bytes: 64 * 1024,
            nesting: 64,
            operations: 100,
            selections: 2_000,
            aliases: 100,
            root_fields: 20,
            relation_levels: 12,
            fragments: 200,
            directives: 50,
            variables: 2_000,
            variable_objects: 12_000,
            variable_values: 100_000,
            rows: 50_000,
            page: 1_000,
            page_default: 50,
            page_default_nested: 10,
            conditions: 500,
            order_keys: 20,
            figures: 500,
            references: 50,
            introspection_bytes: 64 * 1024 * 1024,
            records: 500,
            nested_records: 5_000,
            search_terms: 10,
            execution: Duration::from_secs(10),
            connections: 10_000,
            connections_per_caller: 50,
            operations_per_connection: 100,
            errors: 20,
            batch: 0,
            resets_per_user: 3,
            resets_per_network: 20,
            hook_requests: 600,
            file_bytes: 25 << 20,
            uploads: 1_000,
        }
    }
}
