//! Following changes: every kind, by WebSocket and by server-sent events, under permissions, over lost connections, and from
//! one server process to another.

use cardine_tests::{Backend, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// A private module, and a boss above two clerks, who may not read `worth`.
async fn prepare(server: &Server) -> (Client, Client, Client, Client) {
    let admin = server.admin().await;
    let definition = json!({"name": "Errand", "plural": "Errands", "fields": [
        {"name": "title", "type": "text", "required": true},
        {"name": "stage", "type": "choice", "default": "OPEN", "options": [{"value": "OPEN"}, {"value": "DONE"}]},
        {"name": "worth", "type": "money"},
        {"name": "tags", "type": "multiChoice", "options": [{"value": "HOT"}, {"value": "COLD"}]},
        {"name": "dueDate", "type": "date"},
        {"name": "text", "type": "longText"},
        {"name": "place", "type": "address"},
        {"name": "effort", "type": "duration"},
        {"name": "extra", "type": "json"},
        {"name": "parent", "type": "reference", "to": "Errand", "inverse": "parts"},
        {"name": "double", "type": "formula", "rule": "worth * 2", "returns": "money"},
    ]});
    admin.create_module(definition).await.ok();
    admin
        .create_module(json!({"name": "Other", "plural": "Others", "fields": [{"name": "title", "type": "text"}]}))
        .await
        .ok();
    admin.create_role("boss", None).await;
    admin.create_role("clerk", Some("boss")).await;
    let rights = json!({"create": true, "read": true, "update": true, "delete": true});
    let with = |fields: Value| {
        let mut rights = rights.clone();
        rights["fields"] = fields;
        rights
    };
    admin.set_access("boss", "Errand", with(json!({"*": "WRITE"}))).await;
    admin.set_access("clerk", "Errand", with(json!({"*": "WRITE", "worth": "NONE"}))).await;
    (
        admin,
        server.create_user_with_role("boss").await,
        server.create_user_with_role("clerk").await,
        server.create_user_with_role("clerk").await,
    )
}

async fn update(caller: &Client, id: &str, data: Value) {
    let text = "mutation($id: ID!, $data: ErrandUpdate!) { updateErrand(id: $id, data: $data) { id } }";
    let answer = caller.query_with(text, json!({"id": id, "data": data})).await;
    assert!(answer.errors().is_empty(), "{answer}");
}

async fn delete(caller: &Client, id: &str) {
    let answer = caller.query_with("mutation($id: ID!) { deleteErrand(id: $id) { id } }", json!({"id": id})).await;
    assert!(answer.errors().is_empty(), "{answer}");
}

/// Without the position, which is opaque.
fn told(mut data: Value) -> Value {
    let change = data["errandChanges"].as_object_mut().expect("a change");
    let position = change.remove("position").expect("a position");
    assert!(position.as_str().is_some_and(|position| position.len() == 32), "{position}");
    data["errandChanges"].take()
}

const ALL: &str = "subscription { errandChanges { kind id record { title } changedFields position } }";
const OPEN: &str = "subscription { errandChanges(filter: {stage: {eq: OPEN}}) { kind id record { title stage } changedFields position } }";

on_both_databases! {
    async fn every_kind_is_told_as_the_filter_sees_it(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let mut socket = admin.websocket().await;
        socket.subscribe("a", OPEN, json!({})).await;

        let id = admin.create("Errand", json!({"title": "One", "tags": ["HOT"]})).await;
        let expected = json!({"kind": "CREATED", "id": id, "record": {"title": "One", "stage": "OPEN"}, "changedFields": ["ownerId", "title", "stage", "tags"]});
        assert_eq!(told(socket.next("a").await), expected);
        update(&admin, &id, json!({"title": "Uno", "worth": "12"})).await;
        let expected = json!({"kind": "UPDATED", "id": id, "record": {"title": "Uno", "stage": "OPEN"}, "changedFields": ["title", "worth"]});
        assert_eq!(told(socket.next("a").await), expected);
        update(&admin, &id, json!({"stage": "DONE"})).await;
        let left = json!({"kind": "LEFT", "id": id, "record": null, "changedFields": []});
        assert_eq!(told(socket.next("a").await), left);
        // What happens outside the filter is not told.
        update(&admin, &id, json!({"title": "Eins"})).await;
        admin.create("Errand", json!({"title": "Done before", "stage": "DONE"})).await;
        update(&admin, &id, json!({"stage": "OPEN", "title": "Un"})).await;
        let expected = json!({"kind": "ENTERED", "id": id, "record": {"title": "Un", "stage": "OPEN"}, "changedFields": ["title", "stage"]});
        assert_eq!(told(socket.next("a").await), expected);
        delete(&admin, &id).await;
        assert_eq!(told(socket.next("a").await), json!({"kind": "DELETED", "id": id, "record": null, "changedFields": []}));
    }

    async fn the_record_is_selected_as_any_other(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let parent = admin.create("Errand", json!({"title": "Parent"})).await;
        let mut socket = admin.websocket().await;
        let text = "subscription($f: ErrandFilter, $on: [ChangeKind!]) { changes: errandChanges(filter: $f, on: $on) { __typename what: kind
            record { ...T } again: record { worth double parts(first: 1) { totalCount } } } } fragment T on Errand { title
            parent { title parts(orderBy: [{title: DESC}], first: 1) { totalCount nodes { title } } } dueDate tags }";
        let filter = json!({"or": [{"worth": {"gte": "10.5"}}, {"tags": {"has": "COLD"}}], "parent": {"title": {"startsWith": "par"}}, "dueDate": {"lt": "2030-01-01"}});
        socket.subscribe("x", text, json!({"f": filter, "on": ["CREATED", "ENTERED"]})).await;
        admin.create("Errand", json!({"title": "Cheap", "worth": "10.49", "parentId": parent, "dueDate": "2026-01-01"})).await;
        admin.create("Errand", json!({"title": "Orphan", "worth": "100", "dueDate": "2026-01-01"})).await;
        let late = admin.create("Errand", json!({"title": "Late", "tags": ["COLD", "HOT"], "parentId": parent, "dueDate": "2031-01-01"})).await;
        update(&admin, &late, json!({"dueDate": "2029-12-31", "worth": "1.5"})).await;
        let expected = json!({"changes": {"__typename": "ErrandChange", "what": "ENTERED",
            "record": {"title": "Late", "parent": {"title": "Parent", "parts": {"totalCount": 2, "nodes": [{"title": "Late"}]}}, "dueDate": "2029-12-31", "tags": ["COLD", "HOT"]},
            "again": {"worth": "1.50", "double": "3.00", "parts": {"totalCount": 0}}}});
        assert_eq!(socket.next("x").await, expected);
        // Of the kinds that were not asked for nothing is told.
        update(&admin, &late, json!({"title": "Later"})).await;
        delete(&admin, &late).await;
        admin.create("Errand", json!({"title": "Dear", "worth": "10.50", "parentId": parent, "dueDate": "2026-01-01"})).await;
        let change = socket.next("x").await;
        assert_eq!((&change["changes"]["what"], &change["changes"]["record"]["title"]), (&json!("CREATED"), &json!("Dear")));
    }

    async fn every_type_is_judged_as_it_was_and_as_it_is(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let inside = json!({"title": "Ünder", "worth": "0.10", "tags": ["HOT"], "dueDate": "2026-03-01", "place": {"city": "Forlì", "country": "IT"}, "effort": "PT90M", "extra": {"a": [1]}, "text": "x"});
        let outside = json!({"title": "z", "worth": "0.1", "tags": [], "dueDate": "2026-02-28", "place": {"city": "Bari"}, "effort": "PT1H", "extra": null, "text": null});
        let filters = [
            ("title", "title: {eq: \"ÜNDER\"}", json!(["title"])), ("worth", "worth: {gt: \"0.09\"}", json!([])), ("tags", "tags: {hasAny: [HOT, COLD]}", json!(["tags"])),
            ("dueDate", "dueDate: {gte: \"2026-03-01\"}", json!(["dueDate"])), ("place", "place: {city: {startsWith: \"forlÌ\"}}", json!(["place"])),
            ("effort", "effort: {gt: \"PT1H\"}", json!(["effort"])), ("extra", "extra: {isNull: false}", json!(["extra"])), ("text", "text: {lt: \"~\"}", json!(["text"])),
            ("version", "version: {lte: 1}", json!(["title", "tags", "dueDate", "text", "place", "effort", "extra"])),
        ];
        let mut socket = admin.websocket().await;
        for (name, filter, _) in &filters {
            let text = format!("subscription {{ errandChanges(filter: {{{filter}}}) {{ kind changedFields position }} }}");
            socket.subscribe(name, &text, json!({})).await;
        }
        let mut told_to = async |count: usize| {
            let mut told_to = std::collections::BTreeMap::new();
            for _ in 0..count {
                let message = socket.receive().await;
                let change = told(message["payload"]["data"].clone());
                told_to.insert(message["id"].as_str().expect("an id").to_owned(), change);
            }
            assert_eq!(told_to.len(), count, "each once");
            told_to
        };
        let id = admin.create("Errand", inside.clone()).await;
        assert!(told_to(filters.len()).await.values().all(|change| change["kind"] == "CREATED"));
        update(&admin, &id, outside).await;
        for (name, change) in told_to(filters.len()).await {
            // The same number with fewer digits is the same number.
            let kind = if name == "worth" { "UPDATED" } else { "LEFT" };
            assert_eq!(change["kind"], kind, "{name}");
        }
        let back = filters.iter().filter(|(name, ..)| !matches!(*name, "worth" | "version"));
        for (before, (name, _, changed)) in back.enumerate() {
            update(&admin, &id, json!({*name: inside[*name]})).await;
            // Whoever has it again, that of `worth`, and this one.
            let changes = told_to(before + 2).await;
            assert!(changes.values().all(|change| change["changedFields"] == *changed), "{name}: {changes:?}");
            let entered: Vec<&String> = changes.iter().filter(|(_, change)| change["kind"] == "ENTERED").map(|(id, _)| id).collect();
            assert_eq!(entered, [*name]);
        }
    }

    async fn nobody_is_told_of_what_they_may_not_see(server: Server) {
        let (_, boss, clerk, peer) = prepare(&server).await;
        let (mut of_clerk, mut of_peer, mut of_boss) = (clerk.websocket().await, peer.websocket().await, boss.websocket().await);
        for socket in [&mut of_clerk, &mut of_peer, &mut of_boss] {
            socket.subscribe("a", ALL, json!({})).await;
        }
        // The boss's own record is nobody else's business.
        let hidden = boss.create("Errand", json!({"title": "Hidden", "worth": "1"})).await;
        update(&boss, &hidden, json!({"title": "Still hidden"})).await;
        delete(&boss, &hidden).await;
        let id = clerk.create("Errand", json!({"title": "Seen"})).await;
        assert_eq!(told(of_clerk.next("a").await)["kind"], "CREATED");
        for kind in ["CREATED", "UPDATED", "DELETED"] {
            let change = told(of_boss.next("a").await);
            assert_eq!((&change["kind"], &change["id"]), (&json!(kind), &json!(hidden)));
        }
        assert_eq!(told(of_boss.next("a").await)["id"], json!(id));

        // A hidden field has no name, also where it was changed.
        update(&boss, &id, json!({"worth": "99", "title": "Seen too"})).await;
        assert_eq!(told(of_boss.next("a").await)["changedFields"], json!(["title", "worth"]));
        assert_eq!(told(of_clerk.next("a").await)["changedFields"], json!(["title"]));

        // Whose it is decides who sees it.
        let me = peer.query("{ me { user { id } } }").await;
        update(&boss, &id, json!({"ownerId": me.ok()["me"]["user"]["id"]})).await;
        assert_eq!(told(of_clerk.next("a").await), json!({"kind": "LEFT", "id": id, "record": null, "changedFields": []}));
        let change = told(of_peer.next("a").await);
        assert_eq!(change, json!({"kind": "ENTERED", "id": id, "record": {"title": "Seen too"}, "changedFields": ["ownerId"]}));
        assert_eq!(told(of_boss.next("a").await)["kind"], "UPDATED");
        update(&peer, &id, json!({"title": "Now the peer's"})).await;
        assert_eq!(told(of_peer.next("a").await)["kind"], "UPDATED");
        let last = clerk.create("Errand", json!({"title": "Last"})).await;
        assert_eq!(told(of_clerk.next("a").await)["id"], json!(last), "nothing in between");
    }

    async fn what_is_hidden_is_like_a_name_that_was_never_there(server: Server) {
        let (_, _, clerk, _) = prepare(&server).await;
        let mut socket = clerk.websocket().await;
        for (number, text) in [
            "subscription { errandChanges { record { worth } } }",
            "subscription { errandChanges { record { double } } }",
            "subscription { errandChanges(filter: {worth: {gt: \"1\"}}) { kind } }",
            "subscription { errandChanges(filter: {parent: {worth: {isNull: true}}}) { kind } }",
            "subscription { otherChanges { kind } }",
            "subscription { userChanges { kind } }",
        ].into_iter().enumerate() {
            let hidden = ["worth", "double", "other", "user"].into_iter().find(|name| text.contains(name)).expect("one");
            let unknown = "z".repeat(hidden.len());
            let mut answers = Vec::new();
            for (name, text) in [(hidden, text.to_owned()), (&unknown, text.replace(hidden, &unknown))] {
                let id = format!("{number}");
                socket.send(&json!({"type": "subscribe", "id": id, "payload": {"query": text}})).await;
                let answer = socket.receive().await;
                assert_eq!((&answer["type"], &answer["payload"][0]["extensions"]["code"]), (&json!("error"), &json!("BAD_USER_INPUT")));
                answers.push(answer.to_string().replace(name, &unknown));
            }
            assert_eq!(answers[0], answers[1]);
        }
        let text = "{ __type(name: \"Subscription\") { fields { name } } change: __type(name: \"OtherChange\") { name } }";
        let answer = clerk.query(text).await;
        assert_eq!(answer.ok(), &json!({"__type": {"fields": [{"name": "errandChanges"}]}, "change": null}));
        let anonymous = server.anonymous().query("{ __schema { subscriptionType { name } } __type(name: \"ChangeKind\") { name } }").await;
        assert_eq!(anonymous.ok(), &json!({"__schema": {"subscriptionType": null}, "__type": null}));
        let sdl = clerk.get("/graphql/schema.graphql").await;
        for line in ["type Subscription {", "): ErrandChange!", "on: [ChangeKind!]", "enum ChangeKind {", "changedFields: [String!]!"] {
            assert!(sdl.text.contains(line), "{line}");
        }
        sdl.never_says("OtherChange").never_says("userChanges");
    }

    async fn who_may_no_longer_is_told_no_more(server: Server) {
        let (admin, boss, clerk, peer) = prepare(&server).await;
        let mut of_clerk = clerk.websocket().await;
        of_clerk.subscribe("a", ALL, json!({})).await;
        let mut of_boss = boss.websocket().await;
        of_boss.subscribe("a", "subscription { errandChanges { record { worth } } }", json!({})).await;
        let mut events = peer.events(ALL, json!({})).await;

        // Signed out: the socket with the token is closed, and only that.
        let tokens = server.anonymous().post("/auth/sign-in", &json!({"email": cardine_tests::server::ADMIN_EMAIL, "password": cardine_tests::server::ADMIN_PASSWORD})).await;
        let second = admin.with_token(tokens.body["accessToken"].as_str().expect("a token"));
        let mut of_admin = second.websocket().await;
        of_admin.subscribe("a", ALL, json!({})).await;
        let out = server.anonymous().post("/auth/sign-out", &json!({"refreshToken": tokens.body["refreshToken"]})).await;
        assert_eq!(out.status, 200, "{out}");
        assert_eq!(of_admin.closed().await, 4403);

        // A right that is taken away ends what needs it, and what does not need it goes on.
        admin.set_access("boss", "Errand", json!({"fields": {"*": "WRITE", "worth": "NONE"}})).await;
        assert_eq!(of_boss.error("a").await, ["BAD_USER_INPUT"]);
        of_boss.subscribe("a", ALL, json!({})).await;
        let id = clerk.create("Errand", json!({"title": "x"})).await;
        assert_eq!(told(of_boss.next("a").await)["id"], json!(id));
        assert_eq!(told(of_clerk.next("a").await)["id"], json!(id));

        // A user who is switched off is nobody.
        let users = admin.admin_query("{ users { id email } }").await;
        let off = "mutation($id: ID!) { setUserActive(user: $id, active: false) { email } }";
        for user in users.ok()["users"].as_array().expect("users").iter().filter(|user| user["email"].as_str().is_some_and(|email| email.starts_with("clerk-"))) {
            let _ = admin.admin_query_with(off, json!({"id": user["id"]})).await.ok();
        }
        assert_eq!(of_clerk.closed().await, 4403);
        assert_eq!(events.errors().await, ["UNAUTHENTICATED"]);
        let refused = clerk.request(reqwest::Method::POST, "/graphql").header("accept", "text/event-stream").json(&json!({"query": ALL}));
        assert_eq!(refused.send().await.expect("an answer").status(), 401);
    }

    async fn a_changed_module_goes_on_being_followed(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let mut socket = admin.websocket().await;
        socket.subscribe("a", ALL, json!({})).await;
        admin.add_field("Errand", json!({"name": "added", "type": "integer"})).await.ok();
        let id = admin.create("Errand", json!({"title": "x", "added": 7})).await;
        assert_eq!(told(socket.next("a").await)["changedFields"], json!(["ownerId", "title", "stage", "added"]));
        socket.subscribe("b", "subscription { errandChanges(filter: {added: {gt: 7}}) { record { added } } }", json!({})).await;
        update(&admin, &id, json!({"added": 8})).await;
        let both = [socket.receive().await, socket.receive().await];
        let data = |id: &str| both.iter().find(|message| message["id"] == id).expect("told to both")["payload"]["data"].clone();
        assert_eq!(told(data("a"))["kind"], "UPDATED");
        assert_eq!(data("b"), json!({"errandChanges": {"record": {"added": 8}}}));
    }

    async fn after_a_lost_connection_nothing_is_missing(server: Server) {
        let (admin, _, clerk, _) = prepare(&server).await;
        let mut socket = clerk.websocket().await;
        socket.subscribe("a", ALL, json!({})).await;
        let first = clerk.create("Errand", json!({"title": "first"})).await;
        let position = socket.next("a").await["errandChanges"]["position"].clone();
        drop(socket);
        update(&clerk, &first, json!({"title": "second"})).await;
        admin.create("Errand", json!({"title": "unseen"})).await;
        admin.create("Other", json!({"title": "elsewhere"})).await;
        let titles: Vec<String> = (0..250).map(|number| format!("t{number}")).collect();
        clerk.create_many("Errand", titles.iter().map(|title| json!({"title": title}))).await;
        delete(&clerk, &first).await;

        let resume = "subscription($after: String) { errandChanges(after: $after) { kind id record { title } position } }";
        let mut events = clerk.events(resume, json!({"after": position})).await;
        // The record is read when the change is told, so of one that is deleted meanwhile there is only the id.
        let change = told(events.data().await);
        assert_eq!((&change["kind"], &change["id"], &change["record"]), (&json!("UPDATED"), &json!(first), &Value::Null));
        for title in &titles {
            assert_eq!(told(events.data().await)["record"]["title"], json!(title));
        }
        let last = events.data().await;
        assert_eq!(last["errandChanges"]["kind"], "DELETED");
        // From there on it is live.
        clerk.create("Errand", json!({"title": "live"})).await;
        assert_eq!(told(events.data().await)["record"]["title"], "live");
        // A position is no one's to make up.
        let position = position.as_str().expect("text");
        for forged in ["", "1", &position[1..], &format!("A{}", &position[1..]), &format!("{position}A")] {
            if forged != position {
                assert_eq!(clerk.events(resume, json!({"after": forged})).await.errors().await, ["BAD_USER_INPUT"], "{forged}");
            }
        }
        let mut events = clerk.events(resume, json!({"after": last["errandChanges"]["position"]})).await;
        assert_eq!(told(events.data().await)["record"]["title"], "live");
    }

    async fn a_slow_reader_holds_nobody_up_and_misses_nothing(server: Server) {
        let (admin, _, clerk, _) = prepare(&server).await;
        let text = "subscription { errandChanges(on: [UPDATED]) { record { title text } } }";
        let (mut slow, mut slow_events) = (clerk.websocket().await, clerk.events(text, json!({})).await);
        slow.subscribe("s", text, json!({})).await;
        let mut fast = clerk.websocket().await;
        fast.subscribe("f", text, json!({})).await;
        let id = clerk.create("Errand", json!({"title": "0"})).await;
        let long = "x".repeat(90_000);
        // Some 14 MB: more than every buffer on the way.
        for number in 1..=160 {
            update(&admin, &id, json!({"title": number.to_string(), "text": format!("{long}{number}")})).await;
            let change = fast.next("f").await;
            assert_eq!(change["errandChanges"]["record"]["title"], number.to_string());
        }
        // What waited for it is as it was; what it reads by itself is as it is now.
        for number in 1..=160 {
            for change in [slow.next("s").await, slow_events.data().await] {
                let record = &change["errandChanges"]["record"];
                let title: i32 = record["title"].as_str().and_then(|title| title.parse().ok()).expect("a number");
                assert!(title >= number, "{title} for {number}");
            }
        }
        update(&admin, &id, json!({"title": "last"})).await;
        assert_eq!(slow.next("s").await["errandChanges"]["record"]["title"], "last");
        assert_eq!(slow_events.data().await["errandChanges"]["record"]["title"], "last");
    }

    async fn a_server_that_ends_tells_so(server: Server) {
        let mut server = server;
        let (admin, ..) = prepare(&server).await;
        let mut socket = admin.websocket().await;
        socket.subscribe("a", ALL, json!({})).await;
        let mut events = admin.events(ALL, json!({})).await;
        let ended = tokio::task::spawn_blocking(move || server.stop());
        assert_eq!(socket.closed().await, 1001);
        assert_eq!(events.next().await, None, "without `complete`: the client is to connect again");
        assert!(ended.await.expect("it ends").success());
    }
}

on_both_databases! {
    async fn what_goes_with_its_parent_is_told_to_all_who_saw_it(server: Server) {
        let (admin, boss, clerk, other) = prepare(&server).await;
        let part = |name: &str, plural: &str, parent: &str, to: &str| {
            json!({"name": name, "plural": plural, "sharing": "CONTROLLED_BY_PARENT", "parent": parent, "fields": [
                {"name": "title", "type": "text"}, {"name": parent, "type": "reference", "to": to, "required": true, "onDelete": "CASCADE"}
            ]})
        };
        for definition in [part("Step", "Steps", "errand", "Errand"), part("Substep", "Substeps", "step", "Step")] {
            let name = definition["name"].as_str().expect("a name").to_owned();
            admin.create_module(definition).await.ok();
            let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
            for role in ["boss", "clerk"] {
                admin.set_access(role, &name, rights.clone()).await;
            }
        }
        let errand = clerk.create("Errand", json!({"title": "goes"})).await;
        let step = clerk.create("Step", json!({"title": "goes", "errandId": errand})).await;
        let substep = clerk.create("Substep", json!({"title": "goes", "stepId": step})).await;
        let mut sockets = Vec::new();
        for client in [&admin, &boss, &clerk, &other] {
            let mut socket = client.websocket().await;
            socket.subscribe("step", "subscription { stepChanges { kind id } }", json!({})).await;
            socket.subscribe("substep", "subscription { substepChanges { kind id } }", json!({})).await;
            sockets.push(socket);
        }
        delete(&clerk, &errand).await;
        for socket in &mut sockets[..3] {
            let mut told = Vec::new();
            for _ in 0..2 {
                let message = socket.receive().await;
                told.push((message["id"].as_str().expect("an id").to_owned(), message["payload"]["data"].clone()));
            }
            told.sort_by(|one, other| one.0.cmp(&other.0));
            let gone = |field: &str, id: &str| json!({field: {"kind": "DELETED", "id": id}});
            assert_eq!(told[0].1, gone("stepChanges", &step));
            assert_eq!(told[1].1, gone("substepChanges", &substep));
        }
        // Who did not see them hears of their own alone.
        let own = other.create("Errand", json!({"title": "own"})).await;
        let id = other.create("Step", json!({"errandId": own})).await;
        assert_eq!(sockets[3].next("step").await["stepChanges"], json!({"kind": "CREATED", "id": id}));
    }
}

/// Two processes on one database; SQLite serves one.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_server_writes_the_other_tells() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let server = Server::start(Backend::Postgres).await;
    let (admin, _, clerk, _) = prepare(&server).await;
    let other = server.another().await;
    let there = other.anonymous().with_token(clerk.token().expect("a token"));
    let mut socket = there.websocket().await;
    socket.subscribe("a", ALL, json!({})).await;
    let mut here = clerk.websocket().await;
    here.subscribe("a", ALL, json!({})).await;
    let id = clerk.create("Errand", json!({"title": "written here"})).await;
    let change = socket.next("a").await;
    assert_eq!(here.next("a").await, change, "the position is the same one too");
    drop(here);
    update(&there, &id, json!({"title": "written there"})).await;
    assert_eq!(told(socket.next("a").await)["record"]["title"], "written there");

    // A position of one server is good at the other.
    let resume = "subscription($after: String) { errandChanges(after: $after) { kind record { title } position } }";
    let mut events = clerk.events(resume, json!({"after": change["errandChanges"]["position"]})).await;
    assert_eq!(told(events.data().await)["record"]["title"], "written there");

    // Who is signed out at one is gone at the other.
    let users = admin.admin_query("{ users { id email } }").await;
    let off = "mutation($id: ID!) { setUserActive(user: $id, active: false) { email } }";
    let emails = |user: &&Value| user["email"].as_str().is_some_and(|email| email.starts_with("clerk-"));
    for user in users.ok()["users"].as_array().expect("users").iter().filter(emails) {
        let _ = admin.admin_query_with(off, json!({"id": user["id"]})).await.ok();
    }
    assert_eq!(socket.closed().await, 4403);
    assert_eq!(events.errors().await, ["UNAUTHENTICATED"]);
}
