//! One list of what belongs to a record, of several modules in the order of time: paged, once each, and only what its reader sees.

use cardine_tests::document::blocks_of;
use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/timeline.md";

fn block(info: &str) -> String {
    blocks_of(PAGE).into_iter().find(|block| block.info == info).expect("a block").text
}

fn features() -> Value {
    let definition: Value = serde_json::from_str(&block("json")).expect("JSON");
    definition["features"].clone()
}

fn patch(features: &Value) -> Value {
    json!({"name": "Garage", "patch": {"features": features}})
}

/// The page's garages, with what belongs to them.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let mut garage: Value = serde_json::from_str(&block("json")).expect("JSON");
    garage.as_object_mut().expect("an object").remove("features");
    let reference =
        |name: &str, to: &str, inverse: &str| json!({"name": name, "type": "reference", "to": to, "inverse": inverse});
    for definition in [
        garage,
        json!({"name": "Visit", "plural": "Visits", "nameField": "title", "fields": [{"name": "title", "type": "text"}, {"name": "due", "type": "dateTime"}, reference("garage", "Garage", "visits")]}),
        json!({"name": "Remark", "plural": "Remarks", "fields": [{"name": "text", "type": "text"}, reference("garage", "Garage", "remarks")]}),
        json!({"name": "Car", "plural": "Cars", "fields": [{"name": "plate", "type": "text"}, reference("garage", "Garage", "cars")]}),
        json!({"name": "Job", "plural": "Jobs", "nameField": "title", "fields": [{"name": "title", "type": "text"}, {"name": "begins", "type": "dateTime"}, reference("car", "Car", "jobs"), reference("garage", "Garage", "jobs")]}),
    ] {
        admin.create_module(definition).await.ok();
    }
    admin.change("updateModule", patch(&features())).await.ok();
    admin
}

/// Pages of `size` until there are no more, as `list title`.
async fn pages(caller: &Client, id: &str, size: usize, lists: Value) -> Vec<String> {
    let text = "query($id: ID!, $first: Int, $after: String, $lists: [String!]) { garageTimeline(id: $id, first: $first, after: $after, lists: $lists) {
        edges { cursor node { at list module title record { id } } } pageInfo { hasNextPage hasPreviousPage endCursor } } }";
    let (mut found, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = caller.query_with(text, json!({"id": id, "first": size, "after": after, "lists": lists})).await;
        let page = &answer.ok()["garageTimeline"];
        let edges = page["edges"].as_array().expect("edges");
        assert!(edges.len() <= size, "{answer}");
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        for edge in edges {
            let node = &edge["node"];
            assert!(node["at"].is_string() && node["record"]["id"].is_string(), "{answer}");
            found.push(format!("{} {}", node["list"].as_str().expect("a list"), node["title"].as_str().unwrap_or("-")));
        }
        if page["pageInfo"]["hasNextPage"] == false {
            return found;
        }
        assert_eq!(page["pageInfo"]["endCursor"], edges[edges.len() - 1]["cursor"]);
        after = page["pageInfo"]["endCursor"].clone();
    }
}

on_both_databases! {
    async fn what_belongs_to_a_record_is_one_list_in_pages(server: Server) {
        let admin = prepare(&server).await;
        let garage = admin.create("Garage", json!({"title": "Alba"})).await;
        let other = admin.create("Garage", json!({"title": "Other"})).await;
        let car = admin.create("Car", json!({"plate": "AA111", "garageId": garage})).await;
        admin.create("Visit", json!({"title": "first", "due": "2020-01-01T10:00:00Z", "garageId": garage})).await;
        let same = admin.create_many("Visit", ["a", "b", "c"].map(|title| json!({"title": title, "due": "2020-01-02T10:00:00Z", "garageId": garage}))).await;
        admin.create("Visit", json!({"title": "to come", "due": "2199-01-01T00:00:00Z", "garageId": garage})).await;
        admin.create("Visit", json!({"title": "elsewhere", "due": "2020-01-02T10:00:00Z", "garageId": other})).await;
        // By two ways, and shown once, by the first of them.
        admin.create("Job", json!({"title": "brakes", "begins": "2020-01-01T11:00:00+02:00", "carId": car, "garageId": garage})).await;
        admin.create("Job", json!({"title": "oil", "begins": "2020-01-01T11:30:00Z", "garageId": garage})).await;
        admin.create("Remark", json!({"text": "Asked.", "garageId": garage})).await;
        let made = admin.create("Visit", json!({"title": "without a day", "garageId": garage})).await;
        let expected = ["visits to come", "visits without a day", "remarks -", "visits c", "visits b", "visits a", "jobs oil", "visits first", "cars.jobs brakes"];
        for size in [1, 2, 3, 50] {
            assert_eq!(pages(&admin, &garage, size, Value::Null).await, expected, "by {size}");
        }
        assert_eq!(pages(&admin, &garage, 2, json!(["jobs", "remarks"])).await, ["remarks -", "jobs oil", "jobs brakes"]);
        assert_eq!(pages(&admin, &garage, 2, json!([])).await, Vec::<String>::new());
        // What the page of the documentation asks for, with fields of one module.
        let whole = admin.query_with(&block("graphql"), json!({"id": garage})).await;
        let last = whole.ok()["garageTimeline"]["nodes"].as_array().expect("nodes").last().cloned().expect("a node");
        assert_eq!((&last["at"], &last["record"]["car"]["plate"], &whole.ok()["garage"]["title"]), (&json!("2020-01-01T09:00:00.000Z"), &json!("AA111"), &json!("Alba")));
        // What is deleted, or belongs to another record, is there no more.
        admin.query_with("mutation($a: ID!, $b: ID!, $c: ID!, $other: ID!) { deleteVisit(id: $a) { id } updateVisit(id: $b, data: {garageId: $other}) { id } deleteCar(id: $c) { id } }",
            json!({"a": same[0], "b": made, "c": car, "other": other})).await.ok();
        assert_eq!(pages(&admin, &garage, 3, Value::Null).await, ["visits to come", "remarks -", "visits c", "visits b", "jobs oil", "visits first", "jobs brakes"]);
    }

    async fn it_shows_what_its_reader_sees(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        for module in ["Garage", "Visit", "Car", "Job"] {
            admin.set_access("clerk", module, json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}})).await;
        }
        let clerk = server.create_user_with_role("clerk").await;
        let garage = clerk.create("Garage", json!({"title": "Own"})).await;
        let hidden = admin.create("Garage", json!({"title": "Hidden"})).await;
        let owner = clerk.own_id().await;
        for (module, title, owned, garage) in [("Visit", "seen", true, &garage), ("Visit", "not seen", false, &garage), ("Visit", "of what is hidden", true, &hidden)] {
            let mut data = json!({"title": title, "due": "2020-01-01T10:00:00Z", "garageId": garage});
            if owned {
                data["ownerId"] = json!(owner);
            }
            admin.create(module, data).await;
        }
        admin.create("Remark", json!({"text": "Nothing for clerks", "garageId": garage})).await;
        // A job that is seen, of a car that is not.
        let car = admin.create("Car", json!({"plate": "AA111", "garageId": garage})).await;
        admin.create("Job", json!({"title": "secret way", "begins": "2020-01-01T10:00:00Z", "carId": car, "ownerId": owner})).await;
        assert_eq!(pages(&clerk, &garage, 2, Value::Null).await, ["visits seen"]);
        assert_eq!(pages(&clerk, &hidden, 2, Value::Null).await, Vec::<String>::new());
        assert_eq!(pages(&clerk, "00000000-0000-7000-8000-000000000000", 2, Value::Null).await, Vec::<String>::new());
        assert_eq!(pages(&admin, &garage, 2, Value::Null).await.len(), 4);
        // A list that is hidden is one that was never there.
        let lists = "query($id: ID!, $lists: [String!]) { garageTimeline(id: $id, lists: $lists) { nodes { list } } }";
        let refused = |name: &str| clerk.query_with(lists, json!({"id": garage, "lists": [name]}));
        let (hidden_list, unknown) = (refused("remarks").await, refused("tidings").await);
        hidden_list.refused("BAD_USER_INPUT");
        assert_eq!(hidden_list.text.replace("remarks", "tidings"), unknown.text);
        let description = clerk.query("{ __type(name: \"Query\") { fields { name description } } }").await;
        description.ok();
        description.never_says("remarks");
        // A hidden `at` tells nothing of itself: records stand where they were made.
        admin.set_access("clerk", "Visit", json!({"fields": {"*": "WRITE", "due": "NONE"}})).await;
        let made = clerk.query_with("query($id: ID!) { garageTimeline(id: $id) { nodes { at record { ... on Visit { createdAt } } } } }", json!({"id": garage})).await;
        let node = &made.ok()["garageTimeline"]["nodes"][0];
        assert_eq!(node["at"], node["record"]["createdAt"]);
        // Without any list there is no timeline.
        for module in ["Visit", "Car", "Job"] {
            admin.set_access("clerk", module, json!({"read": false, "create": false, "update": false})).await;
        }
        clerk.query_with(lists, json!({"id": garage})).await.refused("BAD_USER_INPUT");
        assert!(!clerk.get("/graphql/schema.graphql").await.text.contains("TimelineConnection"));
    }

    async fn faults_are_told_and_names_are_followed(server: Server) {
        let admin = prepare(&server).await;
        for (pointer, value, expected) in [
            ("/timeline/sources/0/list", json!("nothing"), "unknownRelation"), ("/timeline/sources/2/list", json!("cars.nothing"), "unknownRelation"),
            ("/timeline/sources/0/at", json!("title"), "type"), ("/timeline/sources/3/at", json!("createdAt"), "differs"),
        ] {
            let mut faulty = features();
            *faulty.pointer_mut(pointer).expect(pointer) = value;
            let answer = admin.change("updateModule", patch(&faulty)).await;
            answer.refused("VALIDATION_FAILED");
            let place = pointer.split('/').skip(1).map(|name| name.parse::<usize>().map_or(json!(name), |number| json!(number)));
            let place: Vec<Value> = [json!("patch"), json!("features")].into_iter().chain(place).collect();
            assert!(answer.issues().iter().any(|issue| issue["rule"] == expected && issue["path"] == json!(place)), "{pointer}: {answer}");
        }
        let garage = admin.create("Garage", json!({"title": "Alba"})).await;
        let other = admin.create("Garage", json!({"title": "Other"})).await;
        admin.create_many("Visit", ["a", "b"].map(|title| json!({"title": title, "due": "2020-01-02T10:00:00Z", "garageId": garage}))).await;
        let text = "query($id: ID!, $after: String, $lists: [String!]) { garageTimeline(id: $id, first: 1, after: $after, lists: $lists) { nodes { at } pageInfo { endCursor } } }";
        let cursor = admin.query_with(text, json!({"id": garage})).await.ok()["garageTimeline"]["pageInfo"]["endCursor"].clone();
        for wrong in [json!({"id": other, "after": cursor}), json!({"id": garage, "after": cursor, "lists": ["visits"]}), json!({"id": garage, "after": "x"})] {
            admin.query_with(text, wrong).await.refused("BAD_USER_INPUT");
        }
        admin.query_with("query($id: ID!) { garageTimeline(id: $id, first: 1001) { nodes { at } } }", json!({"id": garage})).await.refused("BAD_USER_INPUT");
        admin.change("renameField", json!({"module": "Visit", "name": "due", "to": "planned"})).await.ok();
        let answer = admin.query_with(text, json!({"id": garage})).await;
        assert_eq!(answer.ok()["garageTimeline"]["nodes"][0]["at"], "2020-01-02T10:00:00.000Z");
        admin.change("retireModule", json!({"name": "Job", "force": true})).await.ok();
        assert_eq!(pages(&admin, &garage, 1, Value::Null).await, ["visits b", "visits a"]);
        admin.query("{ carTimeline(id: \"x\") { nodes { at } } }").await.refused("BAD_USER_INPUT");
    }

    async fn s08_all_that_happened_with_a_customer_is_one_query(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let customer = seller.create("Organization", json!({"name": "Officine Rossi"})).await;
        let contact = seller.create("Contact", json!({"lastName": "Rossi", "organizationId": customer})).await;
        let sale = seller.create("Opportunity", json!({"name": "Panels", "closeDate": "2026-06-30", "organizationId": customer})).await;
        seller.create("Task", json!({"subject": "Call", "startAt": "2020-03-01T08:00:00Z", "dueDate": "2020-03-05", "parentId": customer})).await;
        seller.create("Event", json!({"subject": "Visit", "type": "MEETING", "startAt": "2020-04-01T08:00:00Z", "endAt": "2020-04-01T09:00:00Z", "parentId": sale})).await;
        seller.create("PhoneCall", json!({"startedAt": "2020-02-01T08:00:00Z", "customerId": contact, "customerNumber": "+39 051 123456"})).await;
        seller.create("Comment", json!({"content": "Asked at the fair.", "recordId": customer})).await;
        let text = "query($id: ID!) { organization(id: $id) { name contacts { totalCount } opportunities { aggregate { count } } }
            organizationTimeline(id: $id, first: 20) { nodes { list module title record { ... on Task { dueDate } } } pageInfo { hasNextPage } } }";
        let answer = seller.query_with(text, json!({"id": customer})).await;
        let lists: Vec<String> = answer.ok()["organizationTimeline"]["nodes"].as_array().expect("nodes").iter().map(|node| node["list"].as_str().expect("a list").to_owned()).collect();
        assert_eq!(lists, ["comments", "opportunities", "opportunities.events", "tasks", "contacts.phoneCalls"], "{answer}");
        assert_eq!(answer.ok()["organizationTimeline"]["nodes"][3]["record"]["dueDate"], "2020-03-05");
    }
}
