//! Rights that are changed by one server process bite in the others, in requests and in what is open there.

use cardine_tests::{Backend, Client, Server, eventually};
use serde_json::{Value, json};

const TITLES: &str = "subscription { errandChanges(on: [CREATED]) { record { title } } }";

async fn count(client: &Client, title: &str) -> Option<Value> {
    let answer = client
        .query_with("query($t: String) { errands(filter: {title: {eq: $t}}) { totalCount } }", json!({"t": title}))
        .await;
    // Where it does not know the user yet, it is 401.
    (answer.status == 200 && answer.errors().is_empty()).then(|| answer.ok()["errands"]["totalCount"].clone())
}

/// SQLite serves one process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_takes_away_is_gone_on_the_other_open_subscriptions_included() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let server = Server::start(Backend::Postgres).await;
    let other = server.another().await;
    let admin = server.admin().await;
    let errand = json!({"name": "Errand", "plural": "Errands", "sharing": "PUBLIC_READ", "fields": [
        {"name": "title", "type": "text"}, {"name": "worth", "type": "decimal"}]});
    admin.create_module(errand).await.ok();
    for role in ["clerk", "bystander"] {
        admin.create_role(role, None).await;
    }
    admin.set_access("clerk", "Errand", json!({"read": true, "fields": {"*": "READ"}})).await;
    let clerk = server.create_user_with_role("clerk").await;
    let there = other.anonymous().with_token(clerk.token().expect("a token"));
    eventually("the other server knows the module", || async { count(&there, "x").await }).await;
    let (mut socket, mut events) = (there.websocket().await, there.events(TITLES, json!({})).await);
    socket.subscribe("worth", "subscription { errandChanges { record { worth } } }", json!({})).await;
    socket.subscribe("title", TITLES, json!({})).await;

    // A field: what asks for it ends, without a request to that server; what does not goes on.
    admin.set_access("clerk", "Errand", json!({"fields": {"*": "READ", "worth": "NONE"}})).await;
    assert_eq!(socket.error("worth").await, ["BAD_USER_INPUT"]);
    admin.create("Errand", json!({"title": "first", "worth": "1"})).await;
    assert_eq!(socket.next("title").await["errandChanges"]["record"]["title"], "first");
    assert_eq!(events.data().await["errandChanges"]["record"]["title"], "first");

    // Records: those that the rule keeps out are not told any more.
    let secret = admin.create("Errand", json!({"title": "secret"})).await;
    assert_eq!(socket.next("title").await["errandChanges"]["record"]["title"], "secret");
    assert_eq!(events.data().await["errandChanges"]["record"]["title"], "secret");
    let rule =
        "mutation { setRecordRule(role: \"clerk\", module: \"Errand\", rule: \"title != \\\"secret\\\"\") { name } }";
    admin.admin_query(rule).await.ok();
    eventually("the other server keeps it out", || async {
        (count(&there, "secret").await == Some(json!(0))).then_some(())
    })
    .await;
    admin.create("Errand", json!({"title": "secret"})).await;
    admin.create("Errand", json!({"title": "second"})).await;
    assert_eq!(socket.next("title").await["errandChanges"]["record"]["title"], "second");
    assert_eq!(events.data().await["errandChanges"]["record"]["title"], "second");
    assert_eq!(
        there.query_with("query($id: ID!) { errand(id: $id) { id } }", json!({"id": secret})).await.ok()["errand"],
        Value::Null
    );

    // All of it: another role ends what is open.
    let assign = "mutation($user: ID!) { assignUser(user: $user, role: \"bystander\") { id } }";
    admin.admin_query_with(assign, json!({"user": clerk.own_id().await})).await.ok();
    assert_eq!(socket.error("title").await, ["BAD_USER_INPUT"]);
    assert_eq!(events.errors().await, ["BAD_USER_INPUT"]);
    eventually("the other server refuses it", || async { count(&there, "second").await.is_none().then_some(()) }).await;
    eventually("and so does the one that changed it", || async {
        count(&clerk, "second").await.is_none().then_some(())
    })
    .await;
}
