//! Following one's notifications: by WebSocket and by server-sent events, one's own alone, of what one sees, over lost connections and for as long as one may.

use cardine_tests::{Backend, Client, Server, on_both_databases};
use serde_json::{Value, json};

const ALL: &str = "subscription($after: String) { notificationChanges(after: $after) {
    __typename kind position notification { kind module title readAt record { ... on Remark { text } } } } }";

/// Remarks in which users are mentioned, and how each of these users is mentioned, with their client: two who read all remarks, one who reads the own ones alone.
struct World {
    admin: Client,
    anna: (String, Client),
    bruno: (String, Client),
    carla: (String, Client),
}

async fn prepare(server: &Server) -> World {
    let admin = server.admin().await;
    let definition = json!({"name": "Remark", "plural": "Remarks", "nameField": "title", "fields": [
        {"name": "title", "type": "text"}, {"name": "text", "type": "longText"}], "features": {"mentions": {"fields": ["text"]}}});
    admin.create_module(definition).await.ok();
    admin.create_role("reader", None).await;
    admin.create_role("clerk", Some("reader")).await;
    let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
    for role in ["reader", "clerk"] {
        admin.set_access(role, "Remark", rights.clone()).await;
    }
    let user = async |name: &str, role: &str| {
        let (email, password) = (format!("{name}@example.org"), "a long enough password");
        admin.create_user(&email, password, role).await;
        (format!("@{email}"), server.sign_in(&email, password).await)
    };
    World {
        anna: user("anna", "reader").await,
        bruno: user("bruno", "reader").await,
        carla: user("carla", "clerk").await,
        admin,
    }
}

async fn remark(by: &Client, title: &str, text: &str) -> String {
    by.create("Remark", json!({"title": title, "text": text})).await
}

/// The title of the record that is told of, and the position.
fn told(data: &Value) -> (String, Value) {
    let change = &data["notificationChanges"];
    assert_eq!(change["kind"], "CREATED", "{data}");
    let title = change["notification"]["title"].as_str().unwrap_or_else(|| panic!("a title in {data}"));
    (title.to_owned(), change["position"].clone())
}

on_both_databases! {
    async fn everybody_is_told_of_their_own_and_of_what_they_see(server: Server) {
        let World { anna: (at_anna, anna), bruno: (at_bruno, bruno), carla: (at_carla, carla), admin } = prepare(&server).await;
        let (mut of_anna, mut of_carla) = (anna.websocket().await, carla.events(ALL, json!({})).await);
        of_anna.subscribe("a", ALL, json!({})).await;
        let mut of_bruno = bruno.websocket().await;
        of_bruno.subscribe("b", ALL, json!({})).await;
        let text = format!("{at_anna} and {at_carla}, look");
        // Only Anna, who stands above her, sees what Carla wrote.
        remark(&carla, "of carla", &format!("{at_anna}, {at_bruno} and {at_carla}")).await;
        remark(&admin, "hidden", &text).await;
        admin.create("Remark", json!({"title": "given", "text": text, "ownerId": carla.own_id().await})).await;
        let change = of_anna.next("a").await;
        let expected = json!({"kind": "MENTION", "module": "Remark", "title": "of carla", "readAt": null, "record": {"text": format!("{at_anna}, {at_bruno} and {at_carla}")}});
        assert_eq!((&change["notificationChanges"]["notification"], &change["notificationChanges"]["__typename"]), (&expected, &json!("NotificationChange")));
        assert_eq!(told(&of_anna.next("a").await).0, "given");
        assert_eq!(told(&of_carla.data().await).0, "given", "neither what she wrote herself nor what she does not see");
        // Bruno stands above her as well; what is told to one is told to nobody else.
        assert_eq!(told(&of_bruno.next("b").await).0, "of carla");
        remark(&anna, "last", &at_bruno).await;
        // It is hers alone who wrote it: he does not see it. What he is mentioned in when it is his, is told.
        let own = bruno.own_id().await;
        admin.create("Remark", json!({"title": "his", "text": at_bruno, "ownerId": own})).await;
        assert_eq!(told(&of_bruno.next("b").await).0, "his");
        // Anna reads what is told as she reads lists: without the text's field there is nothing left that could be told.
        admin.set_access("reader", "Remark", json!({"fields": {"title": "READ"}})).await;
        assert!(of_anna.error("a").await.iter().all(|code| code == "BAD_USER_INPUT"));
    }

    async fn after_a_lost_connection_nothing_is_missing(server: Server) {
        let World { anna: (_, anna), carla: (at_carla, carla), admin, .. } = prepare(&server).await;
        let own = carla.own_id().await;
        let write = async |titles: &[&str]| {
            let remarks = titles.iter().map(|title| json!({"title": title, "text": at_carla, "ownerId": own}));
            admin.create_many("Remark", remarks).await
        };
        let mut socket = carla.websocket().await;
        socket.subscribe("c", ALL, json!({})).await;
        write(&["first"]).await;
        let (title, position) = told(&socket.next("c").await);
        assert_eq!(title, "first");
        drop(socket);
        let missed = write(&["second", "third", "fourth"]).await;
        // One that is deleted meanwhile is no notification any more; one that is read is still one.
        let text = "mutation($id: ID!) { deleteRemark(id: $id) { id } }";
        admin.query_with(text, json!({"id": missed[1]})).await.ok();
        carla.query("mutation { markNotificationsRead { count } }").await.ok();
        let mut events = carla.events(ALL, json!({"after": position})).await;
        for expected in ["second", "fourth"] {
            assert_eq!(told(&events.data().await).0, expected);
        }
        write(&["live"]).await;
        assert_eq!(told(&events.data().await).0, "live");
        // A position is good for whoever has it, and shows everybody their own: Anna is told of nothing of Carla's.
        let mut of_anna = anna.events(ALL, json!({"after": position})).await;
        admin.create("Remark", json!({"title": "hers", "text": "@anna@example.org", "ownerId": anna.own_id().await})).await;
        assert_eq!(told(&of_anna.data().await).0, "hers");
        assert_eq!(carla.events(ALL, json!({"after": "made up"})).await.errors().await, ["BAD_USER_INPUT"]);
    }

    async fn who_is_switched_off_is_told_no_more(server: Server) {
        let World { anna: (at_anna, anna), carla: (_, carla), admin, .. } = prepare(&server).await;
        let mut events = anna.events(ALL, json!({})).await;
        let mut socket = anna.websocket().await;
        socket.subscribe("a", ALL, json!({})).await;
        remark(&carla, "told", &at_anna).await;
        assert_eq!((told(&events.data().await).0, told(&socket.next("a").await).0), ("told".to_owned(), "told".to_owned()));
        let off = "mutation($id: ID!) { setUserActive(user: $id, active: false) { email } }";
        admin.admin_query_with(off, json!({"id": anna.own_id().await})).await.ok();
        assert_eq!(socket.closed().await, 4403);
        assert_eq!(events.errors().await, ["UNAUTHENTICATED"]);
    }

    async fn who_has_no_notifications_has_no_subscription(server: Server) {
        let World { admin, anna: (_, anna), .. } = prepare(&server).await;
        admin.create_role("outsider", None).await;
        let outsider = server.create_user_with_role("outsider").await;
        let mut socket = outsider.websocket().await;
        for (id, text) in [("a", "subscription { notificationChanges { kind } }"), ("b", "subscription { notificationChangez { kind } }")] {
            socket.send(&json!({"type": "subscribe", "id": id, "payload": {"query": text}})).await;
            assert_eq!(socket.error(id).await, ["BAD_USER_INPUT"]);
        }
        let types = outsider.query("{ __type(name: \"NotificationChange\") { name } __schema { subscriptionType { name } } }").await;
        assert_eq!(types.ok(), &json!({"__type": null, "__schema": {"subscriptionType": null}}));
        let fields = anna.query("{ __schema { subscriptionType { fields { name } } } }").await;
        assert_eq!(fields.ok()["__schema"]["subscriptionType"]["fields"], json!([{"name": "notificationChanges"}, {"name": "remarkChanges"}]));
    }
}

/// Two processes on one database; SQLite serves one.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_writes_the_other_tells() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let server = Server::start(Backend::Postgres).await;
    let World { anna: (at_anna, anna), carla: (_, carla), .. } = prepare(&server).await;
    let other = server.another().await;
    let there = other.anonymous().with_token(anna.token().expect("a token"));
    let mut socket = there.websocket().await;
    socket.subscribe("a", ALL, json!({})).await;
    remark(&carla, "written here", &at_anna).await;
    assert_eq!(told(&socket.next("a").await).0, "written here");
}
