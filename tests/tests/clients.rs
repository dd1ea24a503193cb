//! Others' clients work with a running server as they come from their makers: Apollo Client, urql, Relay, graphql-ws, graphql-codegen.

use cardine_tests::{Backend, Client, Node, Server};
use serde_json::json;

/// Products to page through, and a task about an organization.
async fn fill(admin: &Client) {
    admin.create_many("Product", (0..5).map(|number| json!({"name": format!("P{number}")}))).await;
    let parent = admin.create("Organization", json!({"name": "Parent"})).await;
    admin
        .create(
            "Task",
            json!({"subject": "Call", "parentId": parent, "startAt": "2026-05-04T09:00:00Z", "dueDate": "2026-05-04"}),
        )
        .await;
}

/// What a script writes that is given the server's address and an administrator's token.
async fn run(script: &str) -> Option<String> {
    let node = Node::prepare().await?;
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    fill(&admin).await;
    let token = admin.token().expect("signed in");
    Some(node.run(script, &[&server.address(), token], String::new()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apollo_client_pages_and_keeps_one_record_in_one_place() {
    run("apollo.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urql_pages_and_keeps_one_record_in_one_place() {
    run("urql.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn relay_compiles_pages_and_fetches_again_by_node() {
    run("relay.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_ws_follows_and_goes_on_after_a_lost_connection() {
    run("graphql-ws.mjs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn graphql_codegen_makes_types_of_the_schema() {
    let Some(made) = run("codegen.mjs").await else { return };
    for line in [
        "export type Product = Node & {",
        "  unitPrice?: Maybe<Scalars['Decimal']['output']>;",
        "export type ProductsQueryVariables = Exact<{",
        "  order?: InputMaybe<Array<ProductOrderBy> | ProductOrderBy>;",
        "export type AddMutation = { __typename?: 'Mutation', createProduct: { __typename?: 'Product', id: string, version: number } };",
    ] {
        assert!(made.lines().any(|found| found == line), "{line} is missing in\n{made}");
    }
}

/// The program of `examples/typescript`, with one text in place of another where given.
async fn typed(server: &Server, exchanged: &[&str]) -> Option<String> {
    let node = Node::prepare().await?;
    let admin = server.admin().await;
    let (address, token) = (server.address(), admin.token().expect("signed in").to_owned());
    let example = cardine_tests::repository::root().join("examples/typescript").display().to_string();
    let arguments: Vec<&str> =
        [address.as_str(), &token, &example].into_iter().chain(exchanged.iter().copied()).collect();
    Some(node.run("typescript.mjs", &arguments, String::new()).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_of_the_examples_runs_and_its_compiler_finds_what_is_not_there() {
    let server = Server::start(Backend::Sqlite).await;
    let admin = server.admin().await;
    let organization = admin.create("Organization", json!({"name": "Acme"})).await;
    admin.create("Opportunity", json!({"name": "A lathe", "stage": "PROSPECTING", "closeDate": "2030-01-01", "amount": "99.50", "organizationId": organization})).await;
    admin
        .create("Opportunity", json!({"name": "Won", "stage": "CLOSED_WON", "closeDate": "2030-01-01", "amount": "7"}))
        .await;
    let Some(said) = typed(&server, &[]).await else { return };
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "made, version 1",
            "QUALIFICATION A press brake 125000.50 nobody",
            "PROSPECTING A lathe 99.50 Acme",
            "2 of 2, 125100.00 in all, 12510000 hundredths shown",
        ]
    );
    for (before, after, found) in [
        ("stage: 'QUALIFICATION'", "stage: 'QUALIFIED'", "'\"QUALIFIED\"' is not assignable"),
        ("amount: '125000.50'", "amount: 125000.5", "'number' is not assignable to type 'string'"),
        ("organization?.name", "organization.name", "'organization' is possibly 'null'"),
        ("opportunities.totalCount", "opportunities.count", "Property 'count' does not exist"),
    ] {
        let said = typed(&server, &[before, after]).await.expect("Node was there");
        assert!(said.lines().all(|line| line.starts_with("error: ")) && said.contains(found), "{after}: {said}");
    }
    let listed = admin.query("{ opportunities { totalCount } }").await;
    assert_eq!(listed.ok()["opportunities"]["totalCount"], 3, "what does not compile does not run");
}
