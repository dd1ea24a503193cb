//! Clocks: until when something is to be done, in working time, on the modules of the page; what is overdue is told once.

use cardine_tests::document::blocks_of;
use cardine_tests::{Backend, Client, Server, eventually, on_both_databases};
use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc, Weekday};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/clocks.md";
const PASSWORD: &str = "a long enough password";
const SHOWN: &str = "id solveBy runningSince timeSpent";

/// Blocks of the page, in their order.
fn block(info: &str, number: usize) -> String {
    blocks_of(PAGE).into_iter().filter(|block| block.info == info).nth(number).expect("a block").text
}

fn json_block(info: &str, number: usize) -> Value {
    serde_json::from_str(&block(info, number)).expect("JSON")
}

fn instant(value: &Value) -> DateTime<Utc> {
    value.as_str().unwrap_or_else(|| panic!("{value} is an instant")).parse().expect("an instant")
}

fn seconds(value: &Value) -> i64 {
    let text = value.as_str().and_then(|text| text.strip_prefix("PT")).unwrap_or_else(|| panic!("{value} is short"));
    let (mut total, mut number) = (0, 0);
    for character in text.chars() {
        match character.to_digit(10) {
            Some(digit) => number = number * 10 + i64::from(digit),
            None => {
                total += number
                    * if character == 'H' {
                        3_600
                    } else if character == 'M' {
                        60
                    } else {
                        1
                    };
                number = 0;
            }
        }
    }
    total
}

/// Whether people work on the page, at this instant.
fn is_working(at: DateTime<Utc>) -> bool {
    let local = at.with_timezone(&chrono_tz::Europe::Rome);
    let (month, day) = (local.month(), local.day());
    if local.year() == 2026 && (month, day) == (12, 24) {
        return (9..12).contains(&local.hour());
    }
    let is_free = [(1, 1), (12, 25), (12, 26)].contains(&(month, day));
    match local.weekday() {
        _ if is_free => false,
        Weekday::Sat | Weekday::Sun => false,
        Weekday::Fri => (9..13).contains(&local.hour()),
        _ => (9..13).contains(&local.hour()) || (14..18).contains(&local.hour()),
    }
}

/// When so many seconds of work have passed, found minute by minute.
fn due(since: DateTime<Utc>, seconds: i64) -> DateTime<Utc> {
    let (mut at, mut left) = (since, TimeDelta::seconds(seconds));
    loop {
        let into = TimeDelta::milliseconds(at.timestamp_millis().rem_euclid(60_000));
        let rest = TimeDelta::minutes(1) - into;
        if is_working(at) {
            if left <= rest {
                return at + left;
            }
            left -= rest;
        }
        at += rest;
    }
}

async fn make(client: &Client, data: Value) -> Value {
    let text = format!("mutation($data: RequestCreate!) {{ createRequest(data: $data) {{ {SHOWN} createdAt }} }}");
    client.query_with(&text, json!({"data": data})).await.ok()["createRequest"].clone()
}

async fn change(client: &Client, id: &Value, data: Value) -> Value {
    let text = format!(
        "mutation($id: ID!, $data: RequestUpdate!) {{ updateRequest(id: $id, data: $data) {{ {SHOWN} late }} }}"
    );
    client.query_with(&text, json!({"id": id, "data": data})).await.ok()["updateRequest"].clone()
}

/// Somebody who may write these fields of a module, and read others.
async fn clerk(server: &Server, module: &str, fields: Value) -> Client {
    let admin = server.admin().await;
    admin.create_role("clerk", None).await;
    let rights = json!({"create": true, "read": true, "update": true, "fields": fields});
    admin.set_access("clerk", module, rights).await;
    admin.create_user("anna@example.org", PASSWORD, "clerk").await;
    server.sign_in("anna@example.org", PASSWORD).await
}

on_both_databases! {
    async fn time_passes_while_people_work_and_stands_still_while_it_should(server: Server) {
        server.admin().await.create_module(json_block("json", 0)).await.ok();
        let anna = clerk(&server, "Request", json!({"*": "WRITE"})).await;
        // What is given is not taken.
        let given = json!({"title": "a", "solveBy": "2020-01-01T00:00:00Z", "runningSince": "2020-01-01T00:00:00Z", "timeSpent": "PT5H"});
        let made = make(&anna, given.clone()).await;
        let id = &made["id"];
        let since = instant(&made["runningSince"]);
        assert_eq!((since, &made["timeSpent"], instant(&made["solveBy"])), (instant(&made["createdAt"]), &json!("PT0S"), due(since, 960 * 60)));
        // Less time counts from the start.
        let mut urgent = given;
        urgent["urgent"] = json!(true);
        let urgent = change(&anna, id, urgent).await;
        assert_eq!((&urgent["runningSince"], instant(&urgent["solveBy"])), (&made["runningSince"], due(since, 240 * 60)));
        // Nothing else moves it.
        assert_eq!(change(&anna, id, json!({"title": "b"})).await, urgent);
        let paused = change(&anna, id, json!({"state": "ASKED_BACK", "solveBy": "2020-01-01T00:00:00Z"})).await;
        assert_eq!((&paused["solveBy"], &paused["runningSince"]), (&Value::Null, &Value::Null));
        let spent = seconds(&paused["timeSpent"]);
        let resumed = change(&anna, id, json!({"state": "OPEN"})).await;
        assert_eq!(instant(&resumed["solveBy"]), due(instant(&resumed["runningSince"]), 240 * 60 - spent));
        // The page's question.
        let open = anna.query(&block("graphql", 0)).await;
        assert_eq!(open.ok()["requests"]["nodes"], json!([{"title": "b", "solveBy": resumed["solveBy"], "timeSpent": resumed["timeSpent"]}]));
        let solved = change(&anna, id, json!({"state": "SOLVED"})).await;
        assert_eq!((&solved["solveBy"], &solved["runningSince"]), (&resumed["solveBy"], &Value::Null));
        let spent = seconds(&solved["timeSpent"]);
        assert_eq!(change(&anna, id, json!({"title": "c"})).await, solved);
        let again = change(&anna, id, json!({"state": "OPEN"})).await;
        assert_eq!(instant(&again["solveBy"]), due(instant(&again["runningSince"]), 240 * 60 - spent));
        // What begins solved has no clock, and what begins paused starts with no time spent.
        let nothing = make(&anna, json!({"title": "d", "state": "SOLVED"})).await;
        assert_eq!((&nothing["solveBy"], &nothing["runningSince"], &nothing["timeSpent"]), (&Value::Null, &Value::Null, &Value::Null));
        let waiting = make(&anna, json!({"title": "e", "state": "ASKED_BACK"})).await;
        assert_eq!((&waiting["solveBy"], &waiting["timeSpent"]), (&Value::Null, &json!("PT0S")));
        // Many at once.
        let count = anna.query("mutation { updateRequests(filter: {title: {in: [\"c\", \"e\"]}}, data: {state: ASKED_BACK}) { count } }").await;
        assert_eq!(count.ok()["updateRequests"]["count"], 2);
        let due = anna.query("{ requests(filter: {solveBy: {isNull: false}}) { totalCount } }").await;
        assert_eq!(due.ok()["requests"]["totalCount"], 0);
    }

    async fn what_is_overdue_starts_one_run_whatever_happens(mut server: Server) {
        let admin = server.admin().await;
        let mut definition = json_block("json", 0);
        definition["fields"].as_array_mut().expect("fields").push(json!({"name": "allowed", "type": "decimal", "scale": 3}));
        let clocks = definition["features"]["clocks"].as_object_mut().expect("an object");
        clocks.remove("hours");
        clocks["clocks"][0]["minutes"] = json!("allowed");
        admin.create_module(definition).await.ok();
        admin.save_workflow(json_block("json workflow", 0)).await.ok();
        let second = match server.backend() {
            Backend::Postgres => Some(server.another().await),
            Backend::Sqlite => None,
        };
        let late = async |admin: &Client, id: &Value| {
            eventually("it is late", || async {
                let answer = admin.query_with("query($id: ID!) { request(id: $id) { late } }", json!({"id": id})).await;
                (answer.ok()["request"]["late"] == true).then_some(())
            })
            .await;
        };
        let first = make(&admin, json!({"title": "first", "allowed": "0.01"})).await;
        let paused = make(&admin, json!({"title": "paused", "allowed": "0.01", "state": "ASKED_BACK"})).await;
        // In one transaction, so that nobody sees it unsolved.
        let both = "mutation { createRequest(data: {title: \"solved\", allowed: \"0.01\"}) { id } updateRequests(filter: {title: {eq: \"solved\"}}, data: {state: SOLVED}) { count } }";
        assert_eq!(admin.query(both).await.ok()["updateRequests"]["count"], 1);
        // More has passed than it has now: it is overdue from then on.
        let shorter = make(&admin, json!({"title": "shorter", "allowed": "600"})).await;
        let now = change(&admin, &shorter["id"], json!({"allowed": "0"})).await;
        assert!(instant(&now["solveBy"]) < instant(&shorter["solveBy"]), "{now}");
        late(&admin, &first["id"]).await;
        late(&admin, &shorter["id"]).await;
        // Neither other changes nor time that stands still makes it due anew.
        let before = change(&admin, &first["id"], json!({"title": "still"})).await["solveBy"].clone();
        for state in ["ASKED_BACK", "OPEN", "SOLVED", "OPEN"] {
            assert_eq!(change(&admin, &first["id"], json!({"state": state})).await["solveBy"], before, "{state}");
        }
        server.restart().await;
        let admin = server.admin().await;
        let last = make(&admin, json!({"title": "last", "allowed": "0.01"})).await;
        change(&admin, &paused["id"], json!({"state": "OPEN"})).await;
        late(&admin, &last["id"]).await;
        late(&admin, &paused["id"]).await;
        let runs = admin.admin_query("{ runs(first: 50, workflow: \"too-late\") { recordId } }").await;
        let mut started: Vec<&str> = runs.ok()["runs"].as_array().expect("runs").iter().filter_map(|run| run["recordId"].as_str()).collect();
        started.sort_unstable();
        let mut expected = [&first, &shorter, &last, &paused].map(|made| made["id"].as_str().expect("an id"));
        expected.sort_unstable();
        assert_eq!(started, expected);
        drop(second);
    }

    async fn policies_give_the_time_whoever_writes(server: Server) {
        let admin = server.admin().await;
        for number in 1..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        let fields = json!({"title": "WRITE", "weight": "WRITE", "answered": "WRITE", "answerBy": "READ", "waitingSince": "READ"});
        let anna = clerk(&server, "Case", fields).await;
        let day = json!([["00:00", "24:00"]]);
        let week = json!({"1": day, "2": day, "3": day, "4": day, "5": day, "6": day, "7": day});
        let shift = admin.create("Shift", json!({"name": "always", "zone": "Europe/Rome", "week": week})).await;
        let goals = json!({"create": [{"answerMinutes": 600}, {"weight": 1, "answerMinutes": 60}]});
        let usual = admin.create("Level", json!({"name": "usual", "usual": true, "shiftId": shift, "goals": goals})).await;
        let idle = admin.create("Level", json!({"name": "idle", "usual": true, "active": false, "goals": goals})).await;
        let minutes = |case: &Value| (instant(&case["answerBy"]) - instant(&case["waitingSince"])).num_minutes();
        let create = "mutation($weight: Int) { createCase(data: {title: \"x\", weight: $weight}) { id answerBy waitingSince } }";
        let mut ids = Vec::new();
        for (weight, given) in [(json!(1), 60), (json!(5), 600), (Value::Null, 600)] {
            let made = anna.query_with(create, json!({"weight": weight})).await;
            assert_eq!(minutes(&made.ok()["createCase"]), given, "{weight}");
            ids.push(made.ok()["createCase"]["id"].clone());
        }
        // She sees nothing of the policies, and cannot write what the server keeps.
        anna.query("{ cases { nodes { level { name } } } }").await.refused("BAD_USER_INPUT");
        anna.query("{ levels { nodes { name } } }").await.refused("BAD_USER_INPUT");
        anna.query("mutation { createCase(data: {answerBy: \"2020-01-01T00:00:00Z\"}) { id } }").await.refused("BAD_USER_INPUT");
        let update = "mutation($id: ID!, $weight: Int) { updateCase(id: $id, data: {weight: $weight}) { answerBy waitingSince } }";
        assert_eq!(minutes(&anna.query_with(update, json!({"id": ids[1], "weight": 1})).await.ok()["updateCase"]), 60);
        let of = "query($id: ID!) { case(id: $id) { levelId answerBy waitingSince } }";
        let shown = admin.query_with(of, json!({"id": ids[1]})).await;
        assert_eq!(shown.ok()["case"]["levelId"], json!(usual), "the policy that is the default is kept");
        // Another policy retimes; one that is not in force gives no time, and one without a fitting target neither.
        let give = "mutation($id: ID!, $level: ID) { updateCase(id: $id, data: {levelId: $level}) { answerBy waitingSince } }";
        let none = admin.query_with(give, json!({"id": ids[0], "level": idle})).await;
        assert_eq!(none.ok()["updateCase"]["answerBy"], Value::Null);
        let one = admin.create("Level", json!({"name": "one", "goals": {"create": [{"weight": 9, "answerMinutes": 5}]}})).await;
        assert_eq!(admin.query_with(give, json!({"id": ids[0], "level": one})).await.ok()["updateCase"]["answerBy"], Value::Null);
        assert_eq!(minutes(&anna.query_with(update, json!({"id": ids[0], "weight": 9})).await.ok()["updateCase"]), 5);
        // A calendar that nobody works by gives no due time; one that makes no sense is passed over.
        for (zone, week, found) in [("UTC", json!({}), None), ("Nowhere", json!({}), Some(60))] {
            let text = "mutation($id: ID!, $zone: String, $week: JSON) { updateShift(id: $id, data: {zone: $zone, week: $week}) { id } }";
            admin.query_with(text, json!({"id": shift, "zone": zone, "week": week})).await.ok();
            let made = anna.query_with(create, json!({"weight": 1})).await.ok()["createCase"].clone();
            let given = (!made["answerBy"].is_null()).then(|| minutes(&made));
            assert_eq!(given, found, "{zone}");
        }
    }

    async fn a_module_has_a_default_of_its_own_and_a_policys_hours_hold_for_minutes_too(server: Server) {
        let admin = server.admin().await;
        for number in 1..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        admin.add_field("Level", json!({"name": "usualForChores", "type": "boolean"})).await.ok();
        let reference = |name: &str, to: &str| json!({"name": name, "type": "reference", "to": to, "inverse": "chores", "onDelete": "SET_NULL"});
        let kept = |name: &str, kind: &str| json!({"name": name, "type": kind});
        let clock = |name: &str| json!({"name": name, "stop": "false", "due": format!("{name}By"), "since": format!("{name}Since"), "spent": format!("{name}Spent")});
        let (mut begin, mut end) = (clock("begin"), clock("end"));
        begin["target"] = json!("answerMinutes");
        end["minutes"] = json!("60");
        let definition = json!({
            "name": "Chore", "plural": "Chores",
            "fields": [
                reference("case", "Case"), reference("level", "Level"),
                kept("beginBy", "dateTime"), kept("beginSince", "dateTime"), kept("beginSpent", "duration"),
                kept("endBy", "dateTime"), kept("endSince", "dateTime"), kept("endSpent", "duration"),
            ],
            "features": {"clocks": {
                "policy": {
                    "field": "level", "default": "usualForChores", "targets": {"list": "goals"},
                    "calendar": {"field": "shift", "timeZone": "zone", "weekdays": "week"},
                },
                "clocks": [begin, end],
            }},
        });
        admin.create_module(definition).await.ok();
        let goals = json!({"create": [{"answerMinutes": 600}]});
        let never = admin.create("Shift", json!({"name": "never", "zone": "UTC", "week": {}})).await;
        let idle = admin.create("Level", json!({"name": "idle", "shiftId": never, "goals": goals})).await;
        admin.create("Level", json!({"name": "cases", "usual": true, "goals": goals})).await;
        let usual = admin.create("Level", json!({"name": "chores", "usualForChores": true, "goals": goals})).await;
        // Records of both modules in one write.
        let made = admin.query("mutation { createCase(data: {title: \"x\", chores: {create: [{}]}}) { level { name } chores { nodes { id level { name } } } } }").await;
        let case = &made.ok()["createCase"];
        let chore = &case["chores"]["nodes"][0];
        assert_eq!((&case["level"]["name"], &chore["level"]["name"]), (&json!("cases"), &json!("chores")));
        // Another policy has other hours, for the clock with minutes of its own too.
        let give = "mutation($id: ID!, $level: ID) { updateChore(id: $id, data: {levelId: $level}) { beginBy beginSince endBy endSince } }";
        for (level, given) in [(idle, None), (usual, Some((600, 60)))] {
            let answer = admin.query_with(give, json!({"id": chore["id"], "level": level})).await;
            let chore = &answer.ok()["updateChore"];
            let minutes = |by: &str, since: &str| (instant(&chore[by]) - instant(&chore[since])).num_minutes();
            let found = (!chore["beginBy"].is_null() || !chore["endBy"].is_null()).then(|| (minutes("beginBy", "beginSince"), minutes("endBy", "endSince")));
            assert_eq!(found, given, "{level}");
        }
    }

    async fn the_default_is_taken_for_minutes_too_and_holds_for_what_runs_already(server: Server) {
        let admin = server.admin().await;
        for number in 1..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        let kept = |name: &str, kind: &str| json!({"name": name, "type": kind});
        let clock = |name: &str| json!({"name": name, "stop": "false", "due": format!("{name}By"), "since": format!("{name}Since"), "spent": format!("{name}Spent")});
        let (mut begin, mut end) = (clock("begin"), clock("end"));
        (begin["start"], begin["target"]) = (json!("begun"), json!("answerMinutes"));
        end["minutes"] = json!("60");
        let definition = json!({
            "name": "Errand", "plural": "Errands",
            "fields": [
                {"name": "level", "type": "reference", "to": "Level", "inverse": "errands", "onDelete": "SET_NULL"},
                {"name": "begun", "type": "boolean", "default": false},
                kept("beginBy", "dateTime"), kept("beginSince", "dateTime"), kept("beginSpent", "duration"),
                kept("endBy", "dateTime"), kept("endSince", "dateTime"), kept("endSpent", "duration"),
            ],
            "features": {"clocks": {
                "policy": {
                    "field": "level", "default": "usual", "targets": {"list": "goals"},
                    "calendar": {"field": "shift", "timeZone": "zone", "weekdays": "week"},
                },
                "clocks": [begin, end],
            }},
        });
        admin.create_module(definition).await.ok();
        let shown = "id level { name } endBy endSince";
        let create = format!("mutation {{ createErrand(data: {{}}) {{ {shown} }} }}");
        let errand = admin.query(&create).await.ok()["createErrand"].clone();
        assert_eq!((instant(&errand["endBy"]) - instant(&errand["endSince"])).num_minutes(), 60, "{errand}");
        assert!(errand["level"].is_null());
        // From now on there is a default, by which nobody ever works.
        let never = admin.create("Shift", json!({"name": "never", "zone": "UTC", "week": {}})).await;
        admin.create("Level", json!({"name": "idle", "usual": true, "shiftId": never})).await;
        let begin = format!("mutation($id: ID!) {{ updateErrand(id: $id, data: {{begun: true}}) {{ {shown} }} }}");
        let begun = admin.query_with(&begin, json!({"id": errand["id"]})).await.ok()["updateErrand"].clone();
        for errand in [begun, admin.query(&create).await.ok()["createErrand"].clone()] {
            assert_eq!((&errand["level"]["name"], &errand["endBy"]), (&json!("idle"), &Value::Null), "{errand}");
            assert!(!errand["endSince"].is_null(), "it runs: {errand}");
        }
    }

    async fn what_a_clock_needs_stays_or_the_clock_stays_as_it_is(server: Server) {
        let admin = server.admin().await;
        for number in 1..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        // A policy written together with what refers to it, and its targets.
        let level = "mutation { createLevel(data: {goals: {create: [{answerMinutes: 60}]}, cases: {create: [{title: \"x\"}]}}) { cases { nodes { id answerBy waitingSince } } } }";
        let made = admin.query(level).await.ok()["createLevel"]["cases"]["nodes"][0].clone();
        assert_eq!((instant(&made["answerBy"]) - instant(&made["waitingSince"])).num_minutes(), 60);
        // Another name of the targets' list would take all times away, and so would another kind of what they are found by.
        let inverse = json!({"module": "Goal", "name": "level", "patch": {"inverse": "aims"}});
        admin.change("updateField", inverse).await.refused("VALIDATION_FAILED");
        admin.add_field("Case", json!({"name": "mass", "type": "decimal", "scale": 2})).await.ok();
        let matching = json!({"name": "Case", "patch": {"features": {"clocks": {"policy": {"targets": {"match": {"weight": "mass"}}}}}}});
        let answer = admin.change("updateModule", matching).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(answer.issues().len(), 1, "{answer:?}");
        // Where what tells that it was done has gone, nobody can tell that it is not.
        let update = "mutation($id: ID!, $data: CaseUpdate!) { updateCase(id: $id, data: $data) { answerBy waitingSince waited } }";
        let done = admin.query_with(update, json!({"id": made["id"], "data": {"answered": true}})).await.ok()["updateCase"].clone();
        assert_eq!(done["waitingSince"], Value::Null);
        let other_type = admin.change("changeFieldType", json!({"module": "Case", "name": "waited", "to": "text"})).await;
        other_type.refused("VALIDATION_FAILED");
        assert_eq!(other_type.issues()[0]["path"], json!(["to"]), "{other_type}");
        assert!(other_type.to_string().contains("the feature `clocks` of `Case` needs it"), "{other_type}");
        let retired = admin.change("retireField", json!({"module": "Case", "name": "answered"})).await;
        retired.refused("VALIDATION_FAILED");
        assert!(retired.issues().iter().any(|issue| issue["message"] == "the feature clocks of Case"), "{retired}");
        admin.change("retireField", json!({"module": "Case", "name": "answered", "force": true})).await.ok();
        // One fault does not give the rest away.
        admin.change("changeFieldType", json!({"module": "Case", "name": "waited", "to": "text"})).await.refused("VALIDATION_FAILED");
        let after = admin.query_with(update, json!({"id": made["id"], "data": {"title": "y"}})).await;
        assert_eq!(after.ok()["updateCase"], done);
    }

    async fn a_policy_that_is_deleted_meanwhile_is_not_the_default(server: Server) {
        let admin = server.admin().await;
        for number in 1..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        let goals = |minutes: u32| json!({"create": [{"answerMinutes": minutes}]});
        let first = admin.create("Level", json!({"usual": true, "goals": goals(600)})).await;
        admin.create("Level", json!({"usual": true, "goals": goals(60)})).await;
        let create = "mutation { createCase(data: {title: \"x\"}) { answerBy waitingSince } }";
        let minutes = |made: &Value| (instant(&made["answerBy"]) - instant(&made["waitingSince"])).num_minutes();
        let Some(database) = server.postgres() else {
            // SQLite has one writer: it is deleted before, or not yet.
            admin.query_with("mutation($id: ID!) { deleteLevel(id: $id) { id } }", json!({"id": first})).await.ok();
            assert_eq!(minutes(&admin.query(create).await.ok()["createCase"]), 60);
            return;
        };
        let (deleter, connection) = tokio_postgres::connect(database.url(), tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        // As a delete locks it.
        let delete = format!(
            "BEGIN; SELECT FROM \"level\" WHERE \"id\" = '{first}' FOR UPDATE; UPDATE \"level\" SET \"deleted_at\" = now() WHERE \"id\" = '{first}'"
        );
        deleter.batch_execute(&delete).await.expect("it is locked");
        let writer = admin.clone();
        let writing = tokio::spawn(async move {
            let made = writer.query(create).await;
            made.ok()["createCase"].clone()
        });
        eventually("it waits, or has not", || async {
            let waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let waiting = deleter.query(waiting, &[]).await.expect("who waits");
            (writing.is_finished() || !waiting.is_empty()).then_some(())
        })
        .await;
        deleter.batch_execute("COMMIT").await.expect("it is deleted");
        assert_eq!(minutes(&writing.await.expect("a writer")), 60);
    }

    async fn names_are_followed_and_faults_are_told(server: Server) {
        let admin = server.admin().await;
        for number in 0..=4 {
            admin.create_module(json_block("json", number)).await.ok();
        }
        for (module, name, to) in [
            ("Request", "state", "phase"), ("Request", "urgent", "hot"), ("Request", "solveBy", "endBy"), ("Request", "timeSpent", "length"),
            ("Shift", "zone", "place"), ("Shift", "week", "days"), ("Level", "usual", "normal"), ("Level", "active", "live"), ("Level", "shift", "plan"),
            ("Goal", "weight", "mass"), ("Goal", "answerMinutes", "span"), ("Case", "weight", "load"), ("Case", "answered", "done"), ("Case", "level", "grade"),
            ("Case", "answerBy", "until"),
        ] {
            admin.change("renameField", json!({"module": module, "name": name, "to": to})).await.ok();
        }
        admin.change("renameModule", json!({"name": "Goal", "to": "Aim", "plural": "Aims"})).await.ok();
        let day = json!([["00:00", "24:00"]]);
        let week = json!({"1": day, "2": day, "3": day, "4": day, "5": day, "6": day, "7": day});
        let plan = admin.create("Shift", json!({"place": "UTC", "days": week})).await;
        let aims = json!({"create": [{"span": 600}, {"mass": 1, "span": 60}]});
        admin.create("Level", json!({"normal": true, "planId": plan, "goals": aims})).await;
        let made = admin.query("mutation { createCase(data: {load: 1}) { until waitingSince grade { live } } }").await;
        let case = made.ok()["createCase"].clone();
        assert_eq!(((instant(&case["until"]) - instant(&case["waitingSince"])).num_minutes(), &case["grade"]["live"]), (60, &json!(true)));
        let text = "mutation { createRequest(data: {title: \"x\", hot: true}) { id endBy runningSince } }";
        let made = admin.query(text).await.ok()["createRequest"].clone();
        assert_eq!(instant(&made["endBy"]), due(instant(&made["runningSince"]), 240 * 60));
        let stopped = admin.query_with("mutation($id: ID!) { updateRequest(id: $id, data: {phase: ASKED_BACK}) { endBy } }", json!({"id": made["id"]})).await;
        assert_eq!(stopped.ok()["updateRequest"]["endBy"], Value::Null);

        admin.add_field("Request", json!({"name": "number", "type": "autoNumber", "format": "R-{000}"})).await.ok();
        let clock = |name: &str, more: Value| {
            let mut clock = json!({"name": name, "stop": "phase == \"SOLVED\"", "minutes": "60", "due": "endBy", "since": "runningSince", "spent": "length"});
            for (key, value) in more.as_object().expect("an object") {
                clock[key] = value.clone();
            }
            clock
        };
        let features = json!({
            "hours": {"timeZone": "Rome", "weekdays": {"1": [["13:00", "09:00"]]}, "exceptions": {"02-30": []}},
            "policy": {"field": "title", "targets": {"list": "none"}},
            "clocks": [
                clock("a", json!({"stop": "number != null", "pause": "nothing", "minutes": "title"})),
                clock("a", json!({"due": "title", "since": "none", "spent": "late", "target": "x"})),
            ],
        });
        let answer = admin.change("updateModule", json!({"name": "Request", "patch": {"features": {"clocks": features}}})).await;
        answer.refused("VALIDATION_FAILED");
        let place = |issue: &Value| {
            let path = issue["path"].as_array().expect("a path").iter().skip(3).map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned));
            format!("{}: {}", path.collect::<Vec<_>>().join("."), issue["rule"].as_str().expect("a rule"))
        };
        let mut found: Vec<String> = answer.issues().into_iter().map(place).collect();
        found.sort();
        assert_eq!(found, [
            "clocks.0.minutes: rule", "clocks.0.pause: rule", "clocks.0.stop: rule", "clocks.1.due: type", "clocks.1.name: nameTaken", "clocks.1.since: unknownField",
            "clocks.1.spent: type", "clocks.1: oneOf", "hours.exceptions.02-30: date", "hours.timeZone: timeZone", "hours.weekdays.1: spans", "policy.field: type",
        ]);
        // What was declared before goes on.
        let made = admin.query("mutation { createRequest(data: {title: \"y\"}) { endBy runningSince } }").await.ok()["createRequest"].clone();
        assert_eq!(instant(&made["endBy"]), due(instant(&made["runningSince"]), 960 * 60));
    }
}
