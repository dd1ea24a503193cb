//! Records that occur by rules: checked when written, shown in a window in the order of time, in pages, and only as their reader sees them.

use cardine_tests::document::blocks_of;
use cardine_tests::{Answer, Client, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

const PAGE: &str = "docs/features/recurrence.md";

fn block(info: &str) -> String {
    blocks_of(PAGE).into_iter().find(|block| block.info == info).expect("a block").text
}

fn definition() -> Value {
    serde_json::from_str(&block("json")).expect("JSON")
}

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.create_module(definition()).await.ok();
    admin
}

/// A shift of an hour.
fn shift(title: &str, begins: &str, ends: &str, repeats: &str) -> Value {
    let mut shift = json!({"title": title, "begins": begins, "ends": ends});
    if !repeats.is_empty() {
        shift["repeats"] = json!(repeats);
        shift["zone"] = json!("Europe/Rome");
    }
    shift
}

const PAGED: &str = "query($from: DateTime!, $to: DateTime!, $filter: ShiftFilter, $first: Int, $after: String) {
    shiftOccurrences(from: $from, to: $to, filter: $filter, first: $first, after: $after) {
        edges { cursor node { startsAt endsAt recurs title record { id __typename } } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn page(caller: &Client, (from, to): (&str, &str), filter: Value, first: usize, after: Value) -> Answer {
    let variables = json!({"from": from, "to": to, "filter": filter, "first": first, "after": after});
    caller.query_with(PAGED, variables).await
}

/// Pages of `size` until there are no more, as `title start`.
async fn pages(caller: &Client, window: (&str, &str), filter: Value, size: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = page(caller, window, filter.clone(), size, after.clone()).await;
        let page = &answer.ok()["shiftOccurrences"];
        let edges = page["edges"].as_array().expect("edges");
        assert!(edges.len() <= size, "{answer}");
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        for edge in edges {
            let node = &edge["node"];
            assert_eq!(node["record"]["__typename"], "Shift");
            let starts = node["startsAt"].as_str().expect("a start");
            found.push(format!("{} {}", node["title"].as_str().expect("a title"), &starts[5..16]));
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return found;
        }
        assert_eq!(page["pageInfo"]["endCursor"], edges[edges.len() - 1]["cursor"]);
        after = page["pageInfo"]["endCursor"].clone();
    }
}

async fn make(client: &Client, data: Value) -> Answer {
    let text = "mutation($data: ShiftCreate!) { createShift(data: $data) { id zone over } }";
    client.query_with(text, json!({"data": data})).await
}

async fn change(client: &Client, id: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: ShiftUpdate!) { updateShift(id: $id, data: $data) { id zone over } }";
    client.query_with(text, json!({"id": id, "data": data})).await
}

/// Where and why a write was refused.
fn faults(answer: &Answer) -> Vec<(String, String)> {
    answer.refused("VALIDATION_FAILED");
    let told = answer.issues().into_iter().map(|issue| {
        let path: Vec<&str> = issue["path"].as_array().expect("a path").iter().filter_map(Value::as_str).collect();
        (path.join("."), issue["rule"].as_str().expect("a rule").to_owned())
    });
    told.collect()
}

const MARCH: (&str, &str) = ("2026-03-28T00:00:00Z", "2026-04-02T00:00:00Z");

on_both_databases! {
    async fn what_occurs_in_a_window_is_one_list_in_pages(server: Server) {
        let admin = prepare(&server).await;
        // The clocks are put forward on the 29th.
        let daily = admin.create("Shift", shift("daily", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "FREQ=DAILY")).await;
        admin.create("Shift", shift("month's end", "2026-01-31T08:00:00Z", "2026-01-31T09:00:00Z", "FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD")).await;
        admin.create("Shift", shift("over", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "FREQ=DAILY;COUNT=20")).await;
        admin.create("Shift", shift("to come", "2026-04-02T00:00:00Z", "2026-04-02T09:00:00Z", "FREQ=DAILY")).await;
        admin.create("Shift", shift("once", "2026-03-30T07:00:00Z", "2026-03-30T07:30:00Z", "")).await;
        admin.create("Shift", shift("reaches in", "2026-03-20T07:00:00Z", "2026-03-28T00:00:01Z", "")).await;
        admin.create("Shift", shift("ended", "2026-03-20T07:00:00Z", "2026-03-28T00:00:00Z", "")).await;
        admin.create("Shift", json!({"title": "no end", "begins": "2026-03-28T00:00:00Z"})).await;
        admin.create("Shift", json!({"title": "no start"})).await;
        admin.create("Shift", shift("night", "2026-03-26T20:00:00Z", "2026-03-27T04:00:00Z", "FREQ=DAILY;COUNT=2")).await;
        let expected = ["reaches in 03-20T07:00", "night 03-27T20:00", "no end 03-28T00:00", "daily 03-28T08:00", "daily 03-29T07:00", "daily 03-30T07:00", "once 03-30T07:00",
            "daily 03-31T07:00", "month's end 03-31T07:00", "daily 04-01T07:00"];
        for size in [1, 2, 3, 50] {
            assert_eq!(pages(&admin, MARCH, Value::Null, size).await, expected, "by {size}");
        }
        let filter = json!({"or": [{"title": {"contains": "end"}}, {"title": {"eq": "once"}}]});
        assert_eq!(pages(&admin, MARCH, filter.clone(), 1).await, ["no end 03-28T00:00", "once 03-30T07:00", "month's end 03-31T07:00"]);
        assert_eq!(pages(&admin, ("2027-02-27T00:00:00Z", "2027-03-01T00:00:00Z"), filter, 2).await, ["month's end 02-28T08:00"]);
        // One is left out, and the rest of the series stays; what is deleted does not occur.
        change(&admin, &daily, json!({"notOn": "2026-03-30"})).await.ok();
        admin.query("mutation { deleteShifts(filter: {title: {in: [\"once\", \"night\"]}}) { count } }").await.ok();
        let rest = ["reaches in 03-20T07:00", "no end 03-28T00:00", "daily 03-28T08:00", "daily 03-29T07:00", "daily 03-31T07:00", "month's end 03-31T07:00", "daily 04-01T07:00"];
        assert_eq!(pages(&admin, MARCH, Value::Null, 2).await, rest);
        // What the page asks for.
        let shown = admin.query_with(&block("graphql"), json!({"from": "2026-03-31T00:00:00Z", "to": "2026-04-01T00:00:00Z"})).await;
        assert_eq!(shown.ok()["shiftOccurrences"]["nodes"][0], json!({"startsAt": "2026-03-31T07:00:00.000Z", "endsAt": "2026-03-31T08:00:00.000Z", "recurs": true, "title": "daily",
            "record": {"id": daily, "repeats": "FREQ=DAILY"}}));
        let alone = page(&admin, ("2026-03-28T00:00:00Z", "2026-03-28T00:00:01Z"), json!({"title": {"eq": "no end"}}), 5, Value::Null).await;
        let node = &alone.ok()["shiftOccurrences"]["edges"][0]["node"];
        assert_eq!((&node["endsAt"], &node["recurs"]), (&Value::Null, &json!(false)));
        assert_eq!(page(&admin, MARCH, Value::Null, 0, Value::Null).await.ok()["shiftOccurrences"]["pageInfo"]["hasNextPage"], true);
    }

    async fn windows_and_cursors_have_their_bounds(server: Server) {
        let admin = prepare(&server).await;
        admin.create("Shift", shift("daily", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "FREQ=DAILY")).await;
        let first = page(&admin, MARCH, Value::Null, 1, Value::Null).await;
        let cursor = first.ok()["shiftOccurrences"]["pageInfo"]["endCursor"].clone();
        page(&admin, MARCH, Value::Null, 1, cursor.clone()).await.ok();
        page(&admin, (MARCH.0, "2026-04-02T00:00:01Z"), Value::Null, 1, cursor.clone()).await.refused("BAD_USER_INPUT");
        page(&admin, MARCH, json!({"title": {"eq": "daily"}}), 1, cursor).await.refused("BAD_USER_INPUT");
        page(&admin, MARCH, Value::Null, 1, json!("none")).await.refused("BAD_USER_INPUT");
        page(&admin, (MARCH.1, MARCH.0), Value::Null, 1, Value::Null).await.refused("BAD_USER_INPUT");
        page(&admin, (MARCH.0, MARCH.0), Value::Null, 1, Value::Null).await.refused("BAD_USER_INPUT");
        assert_eq!(pages(&admin, ("2027-01-01T00:00:00Z", "2028-01-02T00:00:00Z"), Value::Null, 1000).await.len(), 366);
        page(&admin, ("2027-01-01T00:00:00Z", "2028-01-02T00:00:01Z"), Value::Null, 1, Value::Null).await.refused("LIMIT_EXCEEDED");
        page(&admin, MARCH, Value::Null, 1001, Value::Null).await.refused("BAD_USER_INPUT");
    }

    async fn a_rule_is_checked_when_it_is_written(server: Server) {
        let admin = prepare(&server).await;
        let monday = |repeats: &str| shift("a", "2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z", repeats);
        for repeats in ["FREQ=SECONDLY", "FREQ=DAILY;COUNT=100000", "FREQ=WEEKLY;BYDAY=TU", "weekly"] {
            assert_eq!(faults(&make(&admin, monday(repeats)).await), [("data.repeats".to_owned(), "recurrence".to_owned())], "{repeats}");
        }
        let mut wrong = monday("FREQ=DAILY");
        for (key, value) in [("zone", "Europe/Atlantis"), ("notOn", "tomorrow"), ("ends", "2027-02-05T09:00:00Z")] {
            wrong[key] = json!(value);
        }
        let told: Vec<String> = faults(&make(&admin, wrong).await).into_iter().map(|(path, _)| path).collect();
        assert_eq!(told, ["data.zone", "data.notOn", "data.ends"]);
        assert_eq!(faults(&make(&admin, json!({"title": "a", "repeats": "FREQ=DAILY"})).await)[0].0, "data.begins");
        assert_eq!(admin.query("{ shifts { totalCount } }").await.ok()["shifts"]["totalCount"], 0);

        // The end of a series is kept by the server.
        let made = make(&admin, monday("FREQ=WEEKLY;BYDAY=MO,FR;COUNT=4")).await.ok()["createShift"].clone();
        let id = made["id"].as_str().expect("an id");
        assert_eq!(made["over"], "2026-01-16T09:00:00.000Z");
        let over = |answer: Answer| answer.ok()["updateShift"]["over"].clone();
        assert_eq!(over(change(&admin, id, json!({"title": "b"})).await), "2026-01-16T09:00:00.000Z");
        assert_eq!(over(change(&admin, id, json!({"repeats": "FREQ=MONTHLY;UNTIL=20260501", "ends": "2026-01-05T10:30:00Z"})).await), "2026-04-05T09:30:00.000Z");
        assert_eq!(over(change(&admin, id, json!({"repeats": "FREQ=DAILY"})).await), Value::Null);
        assert_eq!(over(change(&admin, id, json!({"repeats": "FREQ=DAILY;UNTIL=20260110T080000Z"})).await), "2026-01-10T10:30:00.000Z");
        assert_eq!(over(change(&admin, id, json!({"repeats": null})).await), Value::Null);
        // The start alone is moved away from the rule; by a filter too, with all records told of.
        assert_eq!(over(change(&admin, id, json!({"repeats": "FREQ=WEEKLY;BYDAY=MO"})).await), Value::Null);
        let moved = json!({"begins": "2026-01-06T08:00:00Z", "ends": "2026-01-06T09:00:00Z"});
        assert_eq!(faults(&change(&admin, id, moved.clone()).await)[0].0, "data.repeats");
        let by_filter = "mutation($data: ShiftUpdate!) { updateShifts(filter: {title: {eq: \"b\"}}, data: $data) { count } }";
        assert_eq!(faults(&admin.query_with(by_filter, json!({"data": moved})).await)[0].1, "recurrence");

        // Whoever names no zone means their own.
        let text = "mutation($data: ShiftCreate!) { createShift(data: $data) { zone } }";
        let mut here = monday("FREQ=DAILY");
        here.as_object_mut().expect("an object").remove("zone");
        let request = admin.request(Method::POST, "/graphql").header("time-zone", "America/New_York");
        let answer = Answer::of(request.json(&json!({"query": text, "variables": {"data": here}}))).await;
        assert_eq!(answer.ok()["createShift"]["zone"], "America/New_York");
        let once = make(&admin, json!({"title": "c", "begins": "2026-01-05T08:00:00Z"})).await;
        assert_eq!(once.ok()["createShift"]["zone"], Value::Null);
    }

    async fn it_shows_what_its_reader_sees(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let rights = |fields: Value| json!({"create": true, "read": true, "update": true, "fields": fields});
        admin.set_access("clerk", "Shift", rights(json!({"*": "WRITE"}))).await;
        let clerk = server.create_user_with_role("clerk").await;
        admin.create("Shift", shift("hidden series", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "FREQ=DAILY")).await;
        admin.create("Shift", shift("hidden", "2026-03-30T08:00:00Z", "2026-03-30T09:00:00Z", "")).await;
        clerk.create("Shift", shift("own series", "2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "FREQ=WEEKLY")).await;
        clerk.create("Shift", shift("own", "2026-03-30T08:00:00Z", "2026-03-30T09:00:00Z", "")).await;
        assert_eq!(pages(&clerk, MARCH, Value::Null, 1).await, ["own series 03-29T07:00", "own 03-30T08:00"]);
        assert_eq!(pages(&admin, MARCH, Value::Null, 50).await.len(), 8);
        // Without the end of series all is as it was, but for what was written of it; without a name there is none.
        admin.set_access("clerk", "Shift", rights(json!({"*": "WRITE", "over": "NONE", "title": "NONE"}))).await;
        let shown = "{ shiftOccurrences(from: \"2026-03-28T00:00:00Z\", to: \"2026-04-02T00:00:00Z\") { nodes { title recurs } } }";
        assert_eq!(clerk.query(shown).await.ok()["shiftOccurrences"]["nodes"], json!([{"title": null, "recurs": true}, {"title": null, "recurs": false}]));
        // Each of the fields would be known from what occurs.
        for hidden in ["begins", "ends", "repeats", "notOn", "zone", "wholeDays"] {
            let mut fields = json!({"*": "WRITE"});
            fields[hidden] = json!("NONE");
            admin.set_access("clerk", "Shift", rights(fields)).await;
            clerk.query(shown).await.refused("BAD_USER_INPUT");
            assert!(!clerk.get("/graphql/schema.graphql").await.text.contains("shiftOccurrences"), "{hidden}");
        }
        // Who may write a rule's day, but not read the rule, is not told of it.
        admin.set_access("clerk", "Shift", rights(json!({"*": "WRITE", "repeats": "NONE"}))).await;
        let own = clerk.query("{ shifts(filter: {title: {eq: \"own series\"}}) { nodes { id } } }").await;
        let id = own.ok()["shifts"]["nodes"][0]["id"].as_str().expect("an id").to_owned();
        let refused = change(&clerk, &id, json!({"begins": "2026-03-01T10:00:00Z", "ends": "2028-03-01T11:00:00Z"})).await;
        assert_eq!(faults(&refused), [("data.ends".to_owned(), "recurrence".to_owned())]);
        admin.query_with("mutation($id: ID!) { updateShift(id: $id, data: {repeats: \"FREQ=WEEKLY;BYDAY=SU\"}) { id } }", json!({"id": id})).await.ok();
        let refused = change(&clerk, &id, json!({"begins": "2026-03-02T08:00:00Z", "ends": "2026-03-02T09:00:00Z"})).await;
        assert_eq!(faults(&refused), [("data".to_owned(), "recurrence".to_owned())]);
        refused.never_says("repeats");
        refused.never_says("FREQ");
        // Without the module there is nothing.
        admin.set_access("clerk", "Shift", json!({"create": false, "read": false, "update": false})).await;
        clerk.query(shown).await.refused("BAD_USER_INPUT");
    }

    async fn faults_are_told_and_names_are_followed(server: Server) {
        let admin = server.admin().await;
        for (key, value, expected) in [
            ("start", json!("nothing"), "unknownField"), ("start", json!("title"), "type"), ("start", json!("createdAt"), "type"), ("end", json!("begins"), "nameTaken"),
            ("rule", json!("begins"), "type"), ("timeZone", json!("repeats"), "nameTaken"), ("allDay", json!("zone"), "type"), ("last", json!("ends"), "nameTaken"),
        ] {
            let mut faulty = definition();
            faulty["features"]["recurrence"][key] = value;
            let answer = admin.create_module(faulty).await;
            let told = faults(&answer);
            assert!(told.iter().any(|(path, rule)| *path == format!("definition.features.recurrence.{key}") && rule == expected), "{key}: {told:?}");
        }
        let mut without = definition();
        without["features"]["recurrence"].as_object_mut().expect("an object").remove("rule");
        admin.create_module(without).await.refused("VALIDATION_FAILED");

        // Rules that were there before occur once where they make no sense.
        let mut plain = definition();
        let features = plain.as_object_mut().expect("an object").remove("features").expect("features");
        admin.create_module(plain).await.ok();
        admin.create("Shift", shift("nonsense", "2026-03-30T08:00:00Z", "2026-03-30T09:00:00Z", "each day")).await;
        admin.create("Shift", shift("daily", "2026-03-30T08:00:00Z", "2026-03-30T09:00:00Z", "FREQ=DAILY;COUNT=2")).await;
        admin.query("{ shiftOccurrences(from: \"2026-03-28T00:00:00Z\", to: \"2026-04-02T00:00:00Z\") { nodes { title } } }").await.refused("BAD_USER_INPUT");
        admin.change("updateModule", json!({"name": "Shift", "patch": {"features": features}})).await.ok();
        assert_eq!(pages(&admin, MARCH, Value::Null, 50).await, ["nonsense 03-30T08:00", "daily 03-30T08:00", "daily 03-31T08:00"]);

        for (from, to) in [("begins", "from"), ("repeats", "rule"), ("over", "until")] {
            admin.change("renameField", json!({"module": "Shift", "name": from, "to": to})).await.ok();
        }
        assert_eq!(pages(&admin, MARCH, Value::Null, 50).await.len(), 3);
        let told = admin.query("mutation { createShift(data: {title: \"x\", from: \"2026-03-30T08:00:00Z\", rule: \"FREQ=DAILY;COUNT=3\"}) { until } }").await;
        assert_eq!(told.ok()["createShift"]["until"], "2026-04-01T08:00:00.000Z");
        // Without its rule nothing occurs any more, and nothing else stops.
        let retire = json!({"module": "Shift", "name": "rule"});
        let refused = admin.change("retireField", retire.clone()).await;
        refused.refused("VALIDATION_FAILED");
        assert!(refused.to_string().contains("the feature recurrence of Shift"), "{refused}");
        let mut forced = retire;
        forced["force"] = json!(true);
        admin.change("retireField", forced).await.ok();
        admin.query("{ shiftOccurrences(from: \"2026-03-28T00:00:00Z\", to: \"2026-04-02T00:00:00Z\") { nodes { title } } }").await.refused("BAD_USER_INPUT");
        admin.query("mutation { createShift(data: {title: \"y\"}) { id } }").await.ok();
    }
}
