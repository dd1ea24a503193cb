//! A user's calendar by an address with a key: what a parser of others reads in it, under the user's rights of the moment, for as long as the key is good.

use cardine_tests::{Client, Node, Server, on_both_databases};
use chrono::{DateTime, Days, NaiveTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// Visits that two clerks own, who see their own alone.
async fn prepare(server: &Server) -> (Client, Client, Client) {
    let admin = server.admin().await;
    let definition = json!({"name": "Visit", "plural": "Visits", "nameField": "title", "pluralLabel": "Visits of all", "fields": [
        {"name": "title", "type": "text", "maxLength": 500}, {"name": "begins", "type": "dateTime"}, {"name": "ends", "type": "dateTime"},
        {"name": "repeats", "type": "text"}, {"name": "notOn", "type": "longText"}, {"name": "zone", "type": "text"}, {"name": "wholeDays", "type": "boolean"},
        {"name": "state", "type": "choice", "options": [{"value": "PLANNED"}, {"value": "OFF"}]}],
        "features": {"recurrence": {"start": "begins", "end": "ends", "rule": "repeats", "exceptions": "notOn", "timeZone": "zone", "allDay": "wholeDays", "free": {"state": ["OFF"]}}}});
    admin.create_module(definition).await.ok();
    admin
        .create_module(json!({"name": "Note", "plural": "Notes", "fields": [{"name": "title", "type": "text"}]}))
        .await
        .ok();
    admin.create_role("clerk", None).await;
    for module in ["Visit", "Note"] {
        let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
        admin.set_access("clerk", module, rights).await;
    }
    (admin, server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await)
}

/// The id and the secret of a key with these scopes.
async fn key(client: &Client, scopes: Value) -> (Value, String) {
    let made = client.create_api_key(json!({"name": "telephone", "scopes": scopes})).await;
    let key = &made.ok()["createApiKey"];
    (key["id"].clone(), key["secret"].as_str().expect("a secret").to_owned())
}

fn address(secret: &str) -> String {
    format!("/calendars/{secret}/visits.ics")
}

/// The status, the tag and the text of the calendar.
async fn calendar(server: &Server, path: &str, tag: Option<&str>) -> (u16, String, String) {
    let mut request = server.anonymous().request(reqwest::Method::GET, path);
    if let Some(tag) = tag {
        request = request.header("if-none-match", tag);
    }
    let answer = request.send().await.expect("an answer");
    let text =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (status, tag, kind) = (answer.status().as_u16(), text("etag"), text("content-type"));
    let body = answer.text().await.expect("a text");
    assert_eq!(status == 200, kind == "text/calendar; charset=utf-8", "{kind}");
    (status, tag, body)
}

fn at(day: DateTime<Utc>, hour: i64) -> String {
    (day + TimeDelta::hours(hour)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

on_both_databases! {
    async fn others_read_what_a_user_owns_each_time_that_it_occurs(server: Server) {
        let (admin, anna, bruno) = prepare(&server).await;
        // Some days from now, so that no midnight comes between.
        let first = Utc::now().date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(10);
        let day = |number: u64| first.checked_add_days(Days::new(number)).expect("a day");
        let long = "Über; \"die\" lange, sehr lange\\ Brücke, die zwischen den beiden Städten über den breiten Fluss führt und zurück";
        anna.create("Visit", json!({"title": long, "begins": at(first, 9), "ends": at(first, 10)})).await;
        let daily = json!({"title": "daily", "begins": at(first, 12), "ends": at(first, 13), "repeats": "FREQ=DAILY;COUNT=4", "notOn": day(1).format("%Y-%m-%d").to_string()});
        let daily = anna.create("Visit", daily).await;
        // In Tokyo the clocks are never changed: a day begins there at 15:00 of the day before.
        anna.create("Visit", json!({"title": "fair", "begins": at(day(4), 15), "ends": at(day(6), 15), "wholeDays": true, "zone": "Asia/Tokyo"})).await;
        anna.create("Visit", json!({"title": "at once", "begins": at(day(8), 7)})).await;
        anna.create("Visit", json!({"title": "off", "state": "OFF", "begins": at(first, 9), "ends": at(first, 10)})).await;
        anna.create("Visit", json!({"title": "far away", "begins": at(day(340), 9)})).await;
        let gone = anna.create("Visit", json!({"title": "gone", "begins": at(first, 9)})).await;
        anna.query_with("mutation($id: ID!) { deleteVisit(id: $id) { id } }", json!({"id": gone})).await.ok();
        bruno.create("Visit", json!({"title": "bruno's", "begins": at(first, 9)})).await;
        let secret = key(&anna, json!(["Visit:read"])).await.1;
        let (status, tag, text) = calendar(&server, &address(&secret), None).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= 75) && !text.replace("\r\n", "").contains(['\r', '\n']), "{text}");
        for hidden in ["off", "far away", "gone", "bruno"] {
            assert!(!text.contains(hidden), "{hidden}: {text}");
        }
        if let Some(node) = Node::prepare().await {
            let read: Value = serde_json::from_str(&node.run("calendar.mjs", &[], text.clone()).await).expect("JSON");
            let entry = |title: &str, starts: String, ends: String| json!([title, starts, ends]);
            let days = |number: u64| day(number).format("%Y-%m-%d").to_string();
            let mut expected = vec![entry(long, at(first, 9), at(first, 10))];
            expected.extend([0, 2, 3].map(|number| entry("daily", at(day(number), 12), at(day(number), 13))));
            expected.push(entry("fair", days(5), days(7)));
            expected.push(entry("at once", at(day(8), 7), at(day(8), 7)));
            let entries = read["entries"].as_array().expect("entries");
            let shown: Vec<Value> = entries.iter().map(|entry| json!([entry["title"], entry["starts"], entry["ends"]])).collect();
            assert_eq!((&read["name"], &read["version"], shown), (&json!("Visits of all"), &json!("2.0"), expected), "{text}");
            assert!(entries.iter().all(|entry| entry["stamped"] == true && entry["day"] == (entry["title"] == "fair")), "{read}");
            let mut uids: Vec<&str> = entries.iter().filter_map(|entry| entry["uid"].as_str()).collect();
            uids.sort_unstable();
            uids.dedup();
            assert!(uids.len() == entries.len() && uids.iter().filter(|uid| uid.starts_with(&daily)).count() == 3, "{read}");
        }
        // What has not changed is not sent again.
        assert_eq!(calendar(&server, &address(&secret), Some(&tag)).await, (304, tag.clone(), String::new()));
        let text = "mutation($id: ID!) { updateVisit(id: $id, data: {title: \"every day\"}) { id } }";
        anna.query_with(text, json!({"id": daily})).await.ok();
        let (status, other, text) = calendar(&server, &address(&secret), Some(&tag)).await;
        assert!(status == 200 && other != tag && text.contains("SUMMARY:every day"), "{text}");
        // Under the rights of the moment: without the name there is none, without the times no calendar.
        let rights = |fields: Value| json!({"create": true, "read": true, "update": true, "delete": true, "fields": fields});
        admin.set_access("clerk", "Visit", rights(json!({"*": "WRITE", "title": "NONE"}))).await;
        let (_, _, text) = calendar(&server, &address(&secret), None).await;
        assert!(text.contains("SUMMARY:Visit\r\n") && !text.contains("every day"), "{text}");
        admin.set_access("clerk", "Visit", rights(json!({"*": "WRITE", "ends": "NONE"}))).await;
        assert_eq!(calendar(&server, &address(&secret), None).await.0, 404);
    }

    async fn an_address_is_good_for_as_long_as_its_key_and_its_user_are(server: Server) {
        let (admin, anna, bruno) = prepare(&server).await;
        let (id, secret) = key(&anna, json!(["Visit:read"])).await;
        let status = async |path: String| calendar(&server, &path, None).await.0;
        assert_eq!(status(address(&secret)).await, 200);
        // Neither what is no calendar, nor what the key does not open, nor another's secret.
        for name in ["notes.ics", "visits", "Visits.ics", "visit.ics", "events.ics", "nothing.ics"] {
            assert_eq!(status(format!("/calendars/{secret}/{name}")).await, 404, "{name}");
        }
        for unknown in ["", "x", &secret[1..], anna.token().expect("signed in")] {
            assert_eq!(status(address(unknown)).await, 404, "{unknown}");
        }
        // A key that may do more than read is none for an address.
        for scopes in [Value::Null, json!(["Visit:write"]), json!(["Visit:read", "Note:write"]), json!(["Note:read"])] {
            let other = key(&anna, scopes.clone()).await.1;
            assert_eq!(status(address(&other)).await, 404, "{scopes}");
        }
        let all = key(&anna, json!(["records:read"])).await.1;
        assert_eq!(status(address(&all)).await, 200);
        anna.admin_query_with("mutation($id: ID!) { revokeApiKey(id: $id) }", json!({"id": id})).await.ok();
        assert_eq!((status(address(&secret)).await, status(address(&all)).await), (404, 200));
        let of_bruno = key(&bruno, json!(["Visit:read"])).await.1;
        admin.set_user_active(&anna.own_id().await, false).await;
        assert_eq!((status(address(&all)).await, status(address(&of_bruno)).await), (404, 200));
        assert_eq!(server.anonymous().post(&address(&of_bruno), &json!({})).await.status, 405);
    }
}
