//! Busy times: told to those with whom users share their calendar, and nothing but the times; nobody else opens a calendar.

use cardine_tests::document::blocks_of;
use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/calendar-shares.md";

fn block(info: &str, number: usize) -> String {
    blocks_of(PAGE).into_iter().filter(|block| block.info == info).nth(number).expect("a block").text
}

fn definition(number: usize) -> Value {
    serde_json::from_str(&block("json", number)).expect("JSON")
}

/// The page's modules, and a role whose users see their own records alone.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    for number in 0..2 {
        admin.create_module(definition(number)).await.ok();
    }
    admin.create_role("clerk", None).await;
    for module in ["Visit", "Openness"] {
        allow(&admin, module, json!({"*": "WRITE"})).await;
    }
    admin
}

async fn allow(admin: &Client, module: &str, fields: Value) {
    let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": fields});
    admin.set_access("clerk", module, rights).await;
}

async fn visit(client: &Client, title: &str, begins: &str, ends: &str, repeats: Value) -> String {
    let (begins, ends) = (format!("2026-{begins}:00Z"), format!("2026-{ends}:00Z"));
    client.create("Visit", json!({"title": title, "begins": begins, "ends": ends, "repeats": repeats})).await
}

/// The spans of each user among `users` who is shown, as the day and the hours.
async fn busy(caller: &Client, users: &[&str]) -> Vec<(String, String)> {
    let answer = caller.query_with(&block("graphql", 0), json!({"users": users})).await;
    let shown = answer.ok()["visitBusyTimes"].as_array().expect("users").clone();
    let of_user = |user: &Value| {
        let times = user["times"].as_array().expect("times").iter().map(|time| {
            let part = |key: &str| time[key].as_str().expect("an instant")[5..16].to_owned();
            format!("{}/{}", part("startsAt"), part("endsAt"))
        });
        (user["userId"].as_str().expect("an id").to_owned(), times.collect::<Vec<_>>().join(" "))
    };
    shown.iter().map(of_user).collect()
}

fn issue(answer: &Answer) -> (Value, Value) {
    answer.refused("VALIDATION_FAILED");
    let issues = answer.issues();
    (issues[0]["path"].clone(), issues[0]["rule"].clone())
}

on_both_databases! {
    async fn who_shares_a_calendar_tells_when_they_are_busy_and_nothing_else(server: Server) {
        let admin = prepare(&server).await;
        let (anna, bruno, carla) =
            (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let (anna_id, bruno_id, carla_id) = (anna.own_id().await, bruno.own_id().await, carla.own_id().await);
        visit(&anna, "secret", "03-30T09:00", "03-30T10:00", Value::Null).await;
        visit(&anna, "beside", "03-30T09:30", "03-30T11:00", Value::Null).await;
        visit(&anna, "next", "03-30T11:00", "03-30T12:00", Value::Null).await;
        visit(&anna, "weekly", "03-24T14:00", "03-24T15:00", json!("FREQ=WEEKLY;BYDAY=TU")).await;
        visit(&anna, "reaches in", "03-29T23:00", "03-30T01:00", Value::Null).await;
        visit(&anna, "no length", "04-02T12:00", "04-02T12:00", Value::Null).await;
        let off = visit(&anna, "off", "04-01T09:00", "04-01T10:00", Value::Null).await;
        anna.query_with("mutation($id: ID!) { updateVisit(id: $id, data: {state: OFF}) { id } }", json!({"id": off})).await.ok();
        visit(&bruno, "bruno's", "04-03T09:00", "04-03T10:00", Value::Null).await;
        let times = "03-30T00:00/03-30T01:00 03-30T09:00/03-30T12:00 03-31T14:00/03-31T15:00".to_owned();
        let everybody = [anna_id.as_str(), &bruno_id, &carla_id, "00000000-0000-7000-8000-000000000000", &anna_id];
        let own = (bruno_id.clone(), "04-03T09:00/04-03T10:00".to_owned());
        let of_anna = (anna_id.clone(), times);

        // Whoever shares nothing is not there, to an administrator neither.
        assert_eq!(busy(&bruno, &everybody).await, std::slice::from_ref(&own));
        assert_eq!(busy(&anna, &everybody).await, std::slice::from_ref(&of_anna));
        assert_eq!(busy(&admin, &everybody).await, []);

        let share = anna.create("Openness", json!({"personId": anna_id, "how": "CLOSED", "friends": {"connect": [bruno_id]}})).await;
        assert_eq!(busy(&bruno, &everybody).await, std::slice::from_ref(&own));
        let change = |data: Value| {
            let text = "mutation($id: ID!, $data: OpennessUpdate!) { updateOpenness(id: $id, data: $data) { id } }";
            anna.query_with(text, json!({"id": share, "data": data}))
        };
        change(json!({"how": "FRIENDS"})).await.ok();
        assert_eq!(busy(&bruno, &everybody).await, [of_anna.clone(), own.clone()]);
        assert_eq!(busy(&carla, &everybody).await, [(carla_id.clone(), String::new())]);
        let told = bruno.query_with(&block("graphql", 0), json!({"users": everybody})).await;
        told.never_says("secret");
        change(json!({"friends": {"disconnect": [bruno_id]}})).await.ok();
        assert_eq!(busy(&bruno, &everybody).await, std::slice::from_ref(&own));
        change(json!({"how": "OPEN"})).await.ok();
        assert_eq!(busy(&carla, &[&anna_id]).await, std::slice::from_ref(&of_anna));
        assert_eq!(busy(&admin, &[&anna_id]).await, std::slice::from_ref(&of_anna));
        // The records stay hers.
        assert_eq!(bruno.query("{ visits { totalCount } }").await.ok()["visits"]["totalCount"], 1);
        anna.query_with("mutation($id: ID!) { deleteOpenness(id: $id) { id } }", json!({"id": share})).await.ok();
        assert_eq!(busy(&carla, &[&anna_id]).await, []);

        // Nobody who is not signed in, and nobody without the fields.
        allow(&admin, "Visit", json!({"*": "WRITE", "ends": "NONE"})).await;
        bruno.query_with(&block("graphql", 0), json!({"users": everybody})).await.refused("BAD_USER_INPUT");
        assert!(!bruno.get("/graphql/schema.graphql").await.text.contains("BusyTimes"));
    }

    async fn what_is_shared_with_details_is_told_by_its_name(server: Server) {
        let admin = prepare(&server).await;
        let (anna, bruno) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let anna_id = anna.own_id().await;
        visit(&anna, "dentist", "03-30T09:00", "03-30T10:00", Value::Null).await;
        let secret = visit(&anna, "surprise", "03-30T09:30", "03-30T11:00", Value::Null).await;
        anna.query_with("mutation($id: ID!) { updateVisit(id: $id, data: {secrecy: SECRET}) { id } }", json!({"id": secret})).await.ok();
        visit(&anna, "weekly", "03-24T14:00", "03-24T15:00", json!("FREQ=WEEKLY;BYDAY=TU")).await;
        let off = visit(&anna, "off", "04-01T09:00", "04-01T10:00", Value::Null).await;
        anna.query_with("mutation($id: ID!) { updateVisit(id: $id, data: {state: OFF}) { id } }", json!({"id": off})).await.ok();
        let share = anna.create("Openness", json!({"personId": anna_id, "how": "OPEN", "shows": "TIMES"})).await;
        let entries = async |caller: &Client| {
            let text = "query($user: ID!) { visitBusyTimes(users: [$user], from: \"2026-03-30T00:00:00Z\", to: \"2026-04-06T00:00:00Z\") { times { startsAt } entries { __typename startsAt endsAt title } } }";
            let answer = caller.query_with(text, json!({"user": anna_id})).await;
            let shown = answer.ok()["visitBusyTimes"][0].clone();
            assert_eq!(shown["times"].as_array().map(Vec::len), Some(2), "{answer}");
            shown["entries"].clone()
        };
        let entry = |from: &str, to: &str, title: Value| json!({"__typename": "BusyEntry", "startsAt": format!("2026-{from}:00.000Z"), "endsAt": format!("2026-{to}:00.000Z"), "title": title});
        let told = |dentist: Value, surprise: Value, weekly: Value| json!([
            entry("03-30T09:00", "03-30T10:00", dentist), entry("03-30T09:30", "03-30T11:00", surprise), entry("03-31T14:00", "03-31T15:00", weekly)]);
        assert_eq!(entries(&bruno).await, Value::Null, "the times alone");
        assert_eq!(entries(&anna).await, told(json!("dentist"), json!("surprise"), json!("weekly")));
        let change = "mutation($id: ID!) { updateOpenness(id: $id, data: {shows: TITLES}) { id } }";
        anna.query_with(change, json!({"id": share})).await.ok();
        for caller in [&bruno, &admin] {
            assert_eq!(entries(caller).await, told(json!("dentist"), Value::Null, json!("weekly")));
        }
        // Who reads no names of visits reads none here; and names are followed.
        admin.change("renameField", json!({"module": "Openness", "name": "shows", "to": "tells"})).await.ok();
        admin.change("renameField", json!({"module": "Visit", "name": "secrecy", "to": "veil"})).await.ok();
        assert_eq!(entries(&bruno).await, told(json!("dentist"), Value::Null, json!("weekly")));
        admin.create_role("stranger", None).await;
        let rights = json!({"read": true, "fields": {"*": "READ", "title": "NONE"}});
        admin.set_access("stranger", "Visit", rights).await;
        let stranger = server.create_user_with_role("stranger").await;
        assert_eq!(entries(&stranger).await, told(Value::Null, Value::Null, Value::Null));
        // Where its own user may not read what makes a visit private, all may be.
        allow(&admin, "Visit", json!({"*": "WRITE", "veil": "NONE"})).await;
        assert_eq!(entries(&bruno).await, told(Value::Null, Value::Null, Value::Null));
        assert_eq!(entries(&anna).await, told(json!("dentist"), json!("surprise"), json!("weekly")));
        // Nor is what was private told where the field that says so is taken away.
        allow(&admin, "Visit", json!({"*": "WRITE"})).await;
        assert_eq!(entries(&bruno).await, told(json!("dentist"), Value::Null, json!("weekly")));
        admin.change("retireField", json!({"module": "Visit", "name": "veil", "force": true})).await.ok();
        assert_eq!(entries(&bruno).await, told(Value::Null, Value::Null, Value::Null));
    }

    async fn a_calendar_with_too_much_in_it_is_in_nobody_elses_way(server: Server) {
        let admin = prepare(&server).await;
        let (anna, bruno) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let (anna_id, bruno_id) = (anna.own_id().await, bruno.own_id().await);
        let daily = json!({"begins": "2026-01-01T09:00:00Z", "ends": "2026-01-01T09:10:00Z", "repeats": "FREQ=DAILY"});
        anna.create_many("Visit", vec![daily; 14]).await;
        visit(&bruno, "his", "04-03T09:00", "04-03T10:00", Value::Null).await;
        anna.create("Openness", json!({"personId": anna_id, "how": "OPEN"})).await;
        let year = "query($users: [ID!]!) { visitBusyTimes(users: $users, from: \"2026-01-01T00:00:00Z\", to: \"2027-01-01T00:00:00Z\") { userId times { startsAt } } }";
        let shown = bruno.query_with(year, json!({"users": [anna_id, bruno_id]})).await;
        let his = json!([{"startsAt": "2026-04-03T09:00:00.000Z"}]);
        assert_eq!(shown.ok()["visitBusyTimes"], json!([{"userId": anna_id, "times": null}, {"userId": bruno_id, "times": his}]));
        // One who shares nothing is not told of, whatever there is.
        let shown = admin.query_with(year, json!({"users": [bruno_id, anna_id]})).await;
        assert_eq!(shown.ok()["visitBusyTimes"], json!([{"userId": anna_id, "times": null}]));
        // In a shorter window there is less.
        assert_eq!(busy(&bruno, &[&anna_id]).await[0].1.split(' ').count(), 7);
    }

    async fn nobody_opens_the_calendar_of_another(server: Server) {
        let admin = prepare(&server).await;
        let (anna, bruno) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let (anna_id, bruno_id) = (anna.own_id().await, bruno.own_id().await);
        let make = "mutation($data: OpennessCreate!) { createOpenness(data: $data) { id } }";
        let forged = json!({"personId": anna_id, "how": "OPEN", "ownerId": anna_id});
        let refused = bruno.query_with(make, json!({"data": forged})).await;
        assert_eq!(issue(&refused), (json!(["data", "personId"]), json!("calendarShares")));
        // Neither one's own that is given to another, nor another's that is shared for writing.
        let own = bruno.create("Openness", json!({"personId": bruno_id, "how": "OPEN"})).await;
        let text = "mutation($id: ID!, $data: OpennessUpdate!) { updateOpenness(id: $id, data: $data) { id } }";
        issue(&bruno.query_with(text, json!({"id": own, "data": {"personId": anna_id}})).await);
        let closed = anna.create("Openness", json!({"personId": anna_id, "how": "FRIENDS"})).await;
        admin.admin_query(&format!("mutation {{ shareRecord(module: \"Openness\", id: \"{closed}\", with: {{user: \"{bruno_id}\"}}, access: WRITE) {{ access }} }}")).await.ok();
        let by_link = bruno.query_with(text, json!({"id": closed, "data": {"friends": {"connect": [bruno_id]}}})).await;
        assert_eq!(issue(&by_link), (json!(["data", "personId"]), json!("calendarShares")));
        let by_filter = bruno.query("mutation { updateOpennesses(filter: {how: {eq: FRIENDS}}, data: {how: OPEN}) { count } }").await;
        assert_eq!(issue(&by_filter).1, "calendarShares");
        assert_eq!(busy(&bruno, &[&anna_id]).await, []);
        // Whoever may delete it brings it not back, neither alone nor by a filter; its user does.
        admin.admin_query(&format!("mutation {{ shareRecord(module: \"Openness\", id: \"{closed}\", with: {{user: \"{bruno_id}\"}}, access: WRITE, delete: true) {{ access }} }}")).await.ok();
        anna.query_with("mutation($id: ID!) { deleteOpenness(id: $id) { id } }", json!({"id": closed})).await.ok();
        let back = "mutation($id: ID!) { restoreOpenness(id: $id) { id } }";
        for text in [back, "mutation($id: ID!) { restoreOpennesses(filter: {id: {eq: $id}}) { count } }"] {
            assert_eq!(issue(&bruno.query_with(text, json!({"id": closed})).await).1, "calendarShares");
        }
        anna.query_with(back, json!({"id": closed})).await.ok();
        // An administrator may.
        admin.query_with(text, json!({"id": closed, "data": {"how": "OPEN"}})).await.ok();
        assert_eq!(busy(&bruno, &[&anna_id]).await, [(anna_id.clone(), String::new())]);
        // It counts while its user may read it.
        admin.set_access("clerk", "Openness", json!({"create": false, "read": false, "update": false, "delete": false})).await;
        assert_eq!(busy(&bruno, &[&anna_id]).await, []);
    }

    async fn faults_are_told_and_names_are_followed(server: Server) {
        let admin = server.admin().await;
        let mut unknown = definition(0);
        unknown["features"]["recurrence"]["free"] = json!({"state": ["GONE"], "title": ["A"]});
        let told = admin.create_module(unknown).await;
        let rules: Vec<Value> = told.refused("VALIDATION_FAILED").issues().iter().map(|issue| issue["rule"].clone()).collect();
        assert_eq!(rules, ["unknownOption", "type"]);
        let early = admin.create_module(definition(1)).await;
        assert_eq!(issue(&early), (json!(["definition", "features", "calendarShares", "of", 0]), json!("unknownModule")));
        admin.create_module(definition(0)).await.ok();
        for (key, value, expected) in [
            ("user", json!("how"), "type"), ("mode", json!("person"), "type"), ("mode", json!("none"), "unknownField"), ("users", json!("person"), "type"), ("everybody", json!(["GONE"]), "unknownOption"), ("detail", json!("friends"), "type"), ("details", json!(["GONE"]), "unknownOption"),
            ("of", json!(["User"]), "type"),
        ] {
            let mut faulty = definition(1);
            faulty["features"]["calendarShares"][key] = value;
            let (path, rule) = issue(&admin.create_module(faulty).await);
            assert_eq!((path[3].as_str(), rule.as_str()), (Some(key), Some(expected)));
        }
        admin.create_module(definition(1)).await.ok();
        for (module, from, to) in [("Openness", "how", "manner"), ("Openness", "friends", "others"), ("Openness", "person", "whose"), ("Visit", "state", "course")] {
            admin.change("renameField", json!({"module": module, "name": from, "to": to})).await.ok();
        }
        admin.change("renameModule", json!({"name": "Visit", "to": "Call", "plural": "Calls"})).await.ok();
        let own = admin.own_id().await;
        admin.query("mutation { createCall(data: {begins: \"2026-03-30T09:00:00Z\", ends: \"2026-03-30T10:00:00Z\"}) { id } }").await.ok();
        admin.query("mutation { createCall(data: {begins: \"2026-03-31T09:00:00Z\", ends: \"2026-03-31T10:00:00Z\", course: OFF}) { id } }").await.ok();
        admin.create_role("clerk", None).await;
        allow(&admin, "Call", json!({"*": "READ"})).await;
        let clerk = server.create_user_with_role("clerk").await;
        admin.query_with("mutation($own: ID!, $clerk: ID!) { createOpenness(data: {whoseId: $own, manner: FRIENDS, others: {connect: [$clerk]}}) { id } }", json!({"own": own, "clerk": clerk.own_id().await})).await.ok();
        let text = "query($user: ID!) { callBusyTimes(users: [$user], from: \"2026-03-30T00:00:00Z\", to: \"2026-04-06T00:00:00Z\") { times { startsAt } } }";
        let shown = clerk.query_with(text, json!({"user": own})).await;
        assert_eq!(shown.ok()["callBusyTimes"], json!([{"times": [{"startsAt": "2026-03-30T09:00:00.000Z"}]}]));
    }
}
