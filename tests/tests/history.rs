//! What was done: each record's history under the rights of the moment, and the audit log of everything else.

use cardine_tests::{Answer, Client, Server, eventually, on_both_databases};
use reqwest::Method;
use serde_json::{Map, Value, json};

const HISTORY: &str = "query($id: ID!) { deal(id: $id) { history(first: 100) { totalCount nodes { \
     id at action via requestId actor { email } onBehalfOf { email } changes { field old new } } } } }";

/// Deals of firms, with goods, and a clerk who may not read the margin, sees their own firms alone, and may not delete.
async fn prepare(server: &Server) -> (Client, Client) {
    let admin = server.admin().await;
    let firm = json!({"name": "Firm", "plural": "Firms", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(firm).await.ok();
    let good = json!({"name": "Good", "plural": "Goods", "sharing": "PUBLIC_READ_WRITE", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(good).await.ok();
    let deal = json!({"name": "Deal", "plural": "Deals", "sharing": "PUBLIC_READ_WRITE", "fields": [
        {"name": "title", "type": "text"},
        {"name": "margin", "type": "decimal"},
        {"name": "pin", "type": "text", "sensitive": true},
        {"name": "firm", "type": "reference", "to": "Firm", "inverse": "deals"},
        {"name": "goods", "type": "references", "to": "Good", "inverse": "deals", "link": {"fields": [{"name": "count", "type": "integer"}]}},
    ]});
    admin.create_module(deal).await.ok();
    admin.create_role("clerk", None).await;
    let write = |fields: Value| json!({"create": true, "read": true, "update": true, "fields": fields});
    admin.set_access("clerk", "Deal", write(json!({"*": "WRITE", "margin": "NONE"}))).await;
    admin.set_access("clerk", "Good", write(json!({"*": "WRITE"}))).await;
    admin.set_access("clerk", "Firm", write(json!({"*": "WRITE"}))).await;
    let clerk = server.create_user_with_role("clerk").await;
    (admin, clerk)
}

async fn update(client: &Client, id: &str, data: Value) -> Answer {
    let text = "mutation($id: ID!, $data: DealUpdate!) { updateDeal(id: $id, data: $data) { id } }";
    let answer = client.query_with(text, json!({"id": id, "data": data})).await;
    answer.ok();
    answer
}

async fn history(client: &Client, id: &str) -> Value {
    client.query_with(HISTORY, json!({"id": id})).await.ok()["deal"]["history"].clone()
}

/// `ACTION field:old>new …` of each entry, the newest first.
async fn told(client: &Client, id: &str) -> Vec<String> {
    let history = history(client, id).await;
    let entries = history["nodes"].as_array().expect("entries");
    assert_eq!(history["totalCount"], json!(entries.len()), "{history}");
    entries.iter().map(line).collect()
}

fn line(entry: &Value) -> String {
    let changes = entry["changes"].as_array().expect("changes").iter();
    let changes =
        changes.map(|change| format!(" {}:{}>{}", word(&change["field"]), word(&change["old"]), word(&change["new"])));
    word(&entry["action"]) + &changes.collect::<String>()
}

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The id of the user who asks.
async fn own_id(client: &Client) -> String {
    word(&client.query("{ me { user { id } } }").await.ok()["me"]["user"]["id"])
}

/// The entries of the audit log that meet the filter, the newest first.
async fn audit(admin: &Client, filter: Value) -> Vec<Value> {
    let text = "query($filter: AuditFilter) { audit(first: 1000, filter: $filter) { \
                id at actorId onBehalfOfId via action module recordId changes requestId } }";
    let answer = admin.admin_query_with(text, json!({"filter": filter})).await;
    answer.ok()["audit"].as_array().expect("a list").clone()
}

fn actions(entries: &[Value]) -> Vec<String> {
    entries.iter().map(|entry| word(&entry["action"])).collect()
}

on_both_databases! {
    async fn every_type_of_field_tells_its_old_and_new_value(server: Server) {
        let admin = server.admin().await;
        let every = json!({"name": "Every", "plural": "Everys", "fields": [
            {"name": "text", "type": "text"}, {"name": "long", "type": "longText"}, {"name": "rich", "type": "richText"},
            {"name": "mail", "type": "email"}, {"name": "phone", "type": "phone"}, {"name": "link", "type": "url"},
            {"name": "small", "type": "integer"}, {"name": "big", "type": "integer", "big": true},
            {"name": "number", "type": "decimal", "scale": 3}, {"name": "part", "type": "percent"}, {"name": "cash", "type": "money"},
            {"name": "yes", "type": "boolean"}, {"name": "day", "type": "date"}, {"name": "hour", "type": "time"},
            {"name": "moment", "type": "dateTime"}, {"name": "span", "type": "duration"},
            {"name": "one", "type": "choice", "options": [{"value": "A"}, {"value": "B"}]},
            {"name": "many", "type": "multiChoice", "options": [{"value": "A"}, {"value": "B"}]},
            {"name": "home", "type": "address"}, {"name": "place", "type": "geoPoint"}, {"name": "data", "type": "json"},
            {"name": "other", "type": "reference", "to": "Every", "inverse": "others"},
            {"name": "any", "type": "reference", "to": ["Every", "Contact"]},
            {"name": "serial", "type": "autoNumber", "format": "E-{00}"},
            {"name": "double", "type": "formula", "rule": "small * 2", "returns": "integer"},
        ]});
        admin.create_module(every).await.ok();
        let other = admin.create("Every", json!({"text": "other"})).await;
        let first = json!({
            "text": "a\"b\\", "long": "x\ny", "rich": "<p>x</p>", "mail": "a@example.org", "phone": "+390612345678", "link": "https://example.org/",
            "small": 1, "big": "9007199254740993", "number": "1.5", "part": "45", "cash": "12.50", "yes": true,
            "day": "2026-01-31", "hour": "08:30:00", "moment": "2026-01-31T10:00:00.000Z", "span": "P1DT2H", "one": "A", "many": ["A", "B"],
            "home": {"city": "Roma", "country": "IT"}, "place": {"latitude": "41.9", "longitude": "12.5"}, "data": {"k": [1, null, "v"]},
            "otherId": other, "anyId": other,
        });
        let id = admin.create("Every", first).await;
        let second = json!({
            "text": "c", "long": null, "rich": "<b>y</b>", "mail": "b@example.org", "phone": null, "link": null,
            "small": -2, "big": null, "number": "0.125", "part": null, "cash": "0", "yes": false,
            "day": null, "hour": "23:59:59", "moment": null, "span": "PT1S", "one": "B", "many": [],
            "home": {"city": null, "street": "Via Po 1"}, "place": null, "data": [true], "otherId": null, "anyId": id,
        });
        let text = "mutation($id: ID!, $data: EveryUpdate!) { updateEvery(id: $id, data: $data) { home { city street } many } }";
        admin.query_with(text, json!({"id": id, "data": second})).await.ok();
        let text = "query($id: ID!) { every(id: $id) { history { nodes { action changes { field old new } } } } }";
        let answer = admin.query_with(text, json!({"id": id})).await;
        let entries = answer.ok()["every"]["history"]["nodes"].as_array().expect("entries").clone();
        let [updated, created] = &entries[..] else { panic!("{entries:?}") };
        let pairs = |entry: &Value| -> Map<String, Value> {
            let changes = entry["changes"].as_array().expect("changes").iter();
            changes.map(|change| (word(&change["field"]), json!([change["old"], change["new"]]))).collect()
        };
        let address = |city: Value, street: Value| json!({"street": street, "street2": null, "poBox": null, "postalCode": null, "city": city, "state": null, "country": "IT"});
        let expected = json!({
            "text": ["a\"b\\", "c"], "long": ["x\ny", null], "rich": ["<p>x</p>", "<b>y</b>"], "mail": ["a@example.org", "b@example.org"],
            "phone": ["+390612345678", null], "link": ["https://example.org/", null], "small": [1, -2], "big": ["9007199254740993", null],
            "number": ["1.500", "0.125"], "part": ["45.00", null], "cash": ["12.50", "0.00"], "yes": [true, false],
            "day": ["2026-01-31", null], "hour": ["08:30:00", "23:59:59"], "moment": ["2026-01-31T10:00:00.000Z", null],
            "span": ["P1DT2H", "PT1S"], "one": ["A", "B"], "many": [["A", "B"], []],
            "home": [address(json!("Roma"), json!(null)), address(json!(null), json!("Via Po 1"))],
            "place": [{"latitude": "41.9000000", "longitude": "12.5000000"}, null], "data": [{"k": [1, null, "v"]}, [true]],
            "otherId": [other, null], "anyId": [other, id],
        });
        let found = Value::Object(pairs(updated));
        for (field, pair) in expected.as_object().expect("an object") {
            assert_eq!(found[field], *pair, "{field}");
        }
        assert_eq!(found.as_object().expect("an object").len(), expected.as_object().expect("an object").len(), "{found}");
        let created = pairs(created);
        assert_eq!(created["serial"], json!([null, "E-02"]));
        assert_eq!(created["cash"], json!([null, "12.50"]));
        assert!(created.contains_key("ownerId") && !created.contains_key("double") && !created.contains_key("version"), "{created:?}");
    }

    async fn a_hidden_field_has_no_history_and_one_that_is_shown_has_all_of_it(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let id = clerk.create("Deal", json!({"title": "a"})).await;
        let me = own_id(&clerk).await;
        update(&admin, &id, json!({"margin": "7"})).await;
        update(&admin, &id, json!({"margin": "8.25", "title": "b"})).await;
        update(&admin, &id, json!({"pin": "4711"})).await;
        let created = format!("CREATED ownerId:null>{me} title:null>a");
        let all = ["UPDATED pin:null>4711", "UPDATED margin:7.00>8.25 title:a>b", "UPDATED margin:null>7.00", &created];
        assert_eq!(told(&admin, &id).await, all);
        assert_eq!(told(&clerk, &id).await, ["UPDATED title:a>b", &created]);
        let answer = clerk.query_with(HISTORY, json!({"id": id})).await;
        assert!(!answer.text.contains("margin") && !answer.text.contains("\"8.25\"") && !answer.text.contains("\"4711\""), "{answer}");
        // The same request in one with the page bounded: nothing hidden takes a place.
        let text = "query($id: ID!) { deal(id: $id) { history(first: 2) { totalCount nodes { action } pageInfo { hasNextPage } } } }";
        let page = clerk.query_with(text, json!({"id": id})).await.ok()["deal"]["history"].clone();
        assert_eq!(page, json!({"totalCount": 2, "nodes": [{"action": "UPDATED"}, {"action": "CREATED"}], "pageInfo": {"hasNextPage": false}}));

        admin.set_access("clerk", "Deal", json!({"fields": {"*": "READ"}})).await;
        assert_eq!(told(&clerk, &id).await, all[1..], "what is sensitive stays with administrators");
        admin.set_access("clerk", "Deal", json!({"fields": {"*": "NONE", "margin": "READ"}})).await;
        assert_eq!(told(&clerk, &id).await, ["UPDATED margin:7.00>8.25", "UPDATED margin:null>7.00", "CREATED"]);
        let nobody = history(&clerk, &id).await;
        assert_eq!(nobody["nodes"][0]["actor"], json!(null), "who may not read `updatedBy` is not told here either");
        admin.set_access("clerk", "Deal", json!({"fields": {"*": "NONE", "updatedBy": "READ"}})).await;
        let entries = history(&clerk, &id).await;
        assert_eq!(entries["nodes"].as_array().map(Vec::len), Some(1), "{entries}");
        assert!(entries["nodes"][0]["actor"]["email"].is_string(), "{entries}");
        admin.set_access("clerk", "Deal", json!({"read": false})).await;
        clerk.query_with(HISTORY, json!({"id": id})).await.refused("BAD_USER_INPUT");
    }

    async fn a_record_out_of_sight_is_null_in_the_history_of_those_that_refer_to_it(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let (a, b) = (admin.create("Firm", json!({"title": "a"})).await, admin.create("Firm", json!({"title": "b"})).await);
        let own = clerk.create("Firm", json!({"title": "own"})).await;
        let id = admin.create("Deal", json!({"firmId": a})).await;
        let boss = own_id(&admin).await;
        for firm in [&b, &own, &a] {
            update(&admin, &id, json!({"firmId": firm})).await;
        }
        update(&admin, &id, json!({"firmId": null})).await;
        let own_changes = [format!("UPDATED firmId:{own}>null"), format!("UPDATED firmId:null>{own}")];
        assert_eq!(told(&clerk, &id).await[..2], own_changes);
        assert_eq!(told(&clerk, &id).await[2..], [format!("CREATED ownerId:null>{boss}")]);
        let all = [format!("UPDATED firmId:{a}>null"), format!("UPDATED firmId:{own}>{a}"), format!("UPDATED firmId:{b}>{own}"), format!("UPDATED firmId:{a}>{b}")];
        assert_eq!(told(&admin, &id).await[..4], all);
        // Whose record the caller gets to see later, they see in what was done before.
        let text = "mutation($id: ID!, $owner: ID) { updateFirm(id: $id, data: {ownerId: $owner}) { id } }";
        admin.query_with(text, json!({"id": b, "owner": own_id(&clerk).await})).await.ok();
        assert_eq!(told(&clerk, &id).await[1..3], [format!("UPDATED firmId:{b}>{own}"), format!("UPDATED firmId:null>{b}")]);
        // A deleted record is nobody's any more.
        admin.query_with("mutation($id: ID!) { deleteFirm(id: $id) { id } }", json!({"id": own})).await.ok();
        assert_eq!(told(&clerk, &id).await[..2], [format!("UPDATED firmId:{b}>null"), format!("UPDATED firmId:null>{b}")]);
    }

    async fn pages_stand_in_each_record_and_go_by_sealed_cursors(server: Server) {
        let (_, clerk) = prepare(&server).await;
        let mut ids = Vec::new();
        for deal in 0..3 {
            let id = clerk.create("Deal", json!({"title": format!("d{deal}")})).await;
            for step in 0..=deal {
                update(&clerk, &id, json!({"title": format!("d{deal}.{step}")})).await;
            }
            ids.push(id);
        }
        let page = |arguments: &str| format!(
            "{{ deals(orderBy: [{{id: ASC}}]) {{ nodes {{ history({arguments}) {{ totalCount \
             edges {{ cursor node {{ changes {{ new }} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }} }} }}"
        );
        let news = |history: &Value| -> Vec<String> {
            let edges = history["edges"].as_array().expect("edges").iter();
            edges.map(|edge| word(&edge["node"]["changes"].as_array().and_then(|all| all.last()).expect("a change")["new"])).collect()
        };
        let answer = clerk.query(&page("first: 2")).await;
        let nodes = answer.ok()["deals"]["nodes"].as_array().expect("nodes").clone();
        let histories: Vec<&Value> = nodes.iter().map(|node| &node["history"]).collect();
        assert_eq!(histories.iter().map(|history| history["totalCount"].clone()).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(news(histories[0]), ["d0.0", "d0"]);
        assert_eq!(news(histories[1]), ["d1.1", "d1.0"]);
        assert_eq!(news(histories[2]), ["d2.2", "d2.1"]);
        let more: Vec<&Value> = histories.iter().map(|history| &history["pageInfo"]["hasNextPage"]).collect();
        assert_eq!(more, [false, true, true]);
        for history in &histories {
            assert_eq!(history["pageInfo"]["endCursor"], history["edges"][1]["cursor"]);
            assert_eq!(history["pageInfo"]["startCursor"], history["edges"][0]["cursor"]);
        }

        let text = "query($id: ID!, $after: String) { deal(id: $id) { history(first: 2, after: $after) { \
                    edges { cursor node { changes { new } } } pageInfo { hasNextPage hasPreviousPage } } } }";
        let after = &histories[2]["pageInfo"]["endCursor"];
        let next = clerk.query_with(text, json!({"id": ids[2], "after": after})).await.ok()["deal"]["history"].clone();
        assert_eq!(news(&next), ["d2.0", "d2"]);
        assert_eq!(next["pageInfo"], json!({"hasNextPage": false, "hasPreviousPage": true}));
        // New entries don't move the place.
        update(&clerk, &ids[2], json!({"title": "new"})).await;
        let again = clerk.query_with(text, json!({"id": ids[2], "after": after})).await;
        assert_eq!(news(&again.ok()["deal"]["history"]), ["d2.0", "d2"]);
        let text = "query($id: ID!, $before: String) { deal(id: $id) { history(last: 1, before: $before) { \
                    edges { node { changes { new } } } pageInfo { hasNextPage hasPreviousPage } } } }";
        let last = clerk.query_with(text, json!({"id": ids[2], "before": after})).await.ok()["deal"]["history"].clone();
        assert_eq!(news(&last), ["d2.2"]);
        assert_eq!(last["pageInfo"], json!({"hasNextPage": true, "hasPreviousPage": true}));
        let oldest = clerk.query_with(text, json!({"id": ids[2]})).await;
        assert_eq!(news(&oldest.ok()["deal"]["history"]), ["d2"]);

        let forged = word(after).replace(|last: char| last.is_ascii_digit(), "A");
        let cursor_of_deals = clerk.query("{ deals(first: 1) { pageInfo { endCursor } } }").await;
        let cursor_of_deals = word(&cursor_of_deals.ok()["deals"]["pageInfo"]["endCursor"]);
        for (arguments, wrong) in [
            (format!("first: 1, after: \"{forged}\""), "`after` is no cursor of this list"),
            (format!("first: 1, after: \"{cursor_of_deals}\""), "`after` is no cursor of this list"),
            ("first: -1".to_owned(), "`first` must not be negative"),
            ("first: 1001".to_owned(), "`first` may be at most 1000"),
            ("first: 1, last: 1".to_owned(), "cannot both be given"),
        ] {
            let answer = clerk.query(&page(&arguments)).await;
            answer.refused("BAD_USER_INPUT");
            assert!(answer.text.contains(wrong), "{arguments}: {answer}");
        }
        let bomb = "{ deals(first: 1000) { nodes { history(first: 1000) { nodes { id } } } } }";
        clerk.query(bomb).await.refused("LIMIT_EXCEEDED");
    }

    async fn links_are_told_on_both_records(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let goods = admin.create_many("Good", [json!({"title": "x"}), json!({"title": "y"})]).await;
        let [x, y] = &goods[..] else { panic!("two goods") };
        let deal = clerk.create("Deal", json!({"title": "d", "goods": {"connect": [x], "link": [{"id": y, "count": 3}]}})).await;
        update(&clerk, &deal, json!({"goods": {"link": [{"id": y, "count": 4}], "disconnect": [x]}})).await;
        let side = |id: &str, count: Option<i32>| match count {
            Some(count) => json!({"count": count, "id": id}),
            None => json!({"id": id}),
        };
        let text = "query($id: ID!) { deal(id: $id) { history { totalCount nodes { action changes { field old new } } } } }";
        let answer = clerk.query_with(text, json!({"id": deal})).await;
        let mut entries = answer.ok()["deal"]["history"]["nodes"].as_array().expect("entries").clone();
        assert_eq!(answer.ok()["deal"]["history"]["totalCount"], json!(5));
        assert_eq!(actions(&entries)[4], "CREATED");
        entries.truncate(4);
        for (action, old, new) in [
            ("LINKED", side(y, Some(3)), side(y, Some(4))),
            ("UNLINKED", side(x, None), json!(null)),
            ("LINKED", json!(null), side(y, Some(3))),
            ("LINKED", json!(null), side(x, None)),
        ] {
            let expected = json!({"action": action, "changes": [{"field": "goods", "old": old, "new": new}]});
            assert!(entries.contains(&expected), "{expected} in {entries:#?}");
        }
        let text = "query($id: ID!) { good(id: $id) { history { nodes { action changes { field old new } } } } }";
        let answer = clerk.query_with(text, json!({"id": x})).await;
        let entries = answer.ok()["good"]["history"]["nodes"].as_array().expect("entries").clone();
        assert_eq!(actions(&entries), ["UNLINKED", "LINKED", "CREATED"]);
        assert_eq!(entries[0]["changes"], json!([{"field": "deals", "old": side(&deal, None), "new": null}]));
        // Without the right to the relation there is no such change, and no such entry.
        admin.set_access("clerk", "Deal", json!({"fields": {"*": "WRITE", "goods": "NONE"}})).await;
        let text = "query($id: ID!) { good(id: $id) { history { totalCount nodes { action } } } }";
        let answer = clerk.query_with(text, json!({"id": x})).await;
        assert_eq!(answer.ok()["good"]["history"], json!({"totalCount": 1, "nodes": [{"action": "CREATED"}]}));
        // Destroying one record ends its links: the others say so to administrators, as nobody sees what it was.
        admin.query_with("mutation($id: ID!) { destroyDeal(id: $id) }", json!({"id": deal})).await.ok();
        assert_eq!(actions(&audit(&admin, json!({"recordId": y})).await)[..2], ["UNLINKED", "LINKED"]);
        let answer = admin.query_with(text, json!({"id": y})).await;
        assert_eq!(answer.ok()["good"]["history"], json!({"totalCount": 1, "nodes": [{"action": "CREATED"}]}));
    }

    async fn a_deleted_record_keeps_its_history_for_those_who_may_see_it(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let id = clerk.create("Deal", json!({"title": "d"})).await;
        let delete = "mutation($id: ID!) { deleteDeal(id: $id) { history { nodes { action } } } }";
        let answer = admin.query_with(delete, json!({"id": id})).await;
        assert_eq!(answer.ok()["deleteDeal"]["history"]["nodes"][0], json!({"action": "DELETED"}));
        assert_eq!(clerk.query_with(HISTORY, json!({"id": id})).await.ok()["deal"], json!(null));
        let deleted = "{ deals(deleted: ONLY) { nodes { history { nodes { action } } } } }";
        let answer = admin.query(deleted).await;
        assert_eq!(actions(answer.ok()["deals"]["nodes"][0]["history"]["nodes"].as_array().expect("entries")), ["DELETED", "CREATED"]);
        clerk.query(deleted).await.refused("BAD_USER_INPUT");
        admin.query_with("mutation($id: ID!) { restoreDeal(id: $id) { id } }", json!({"id": id})).await.ok();
        assert_eq!(told(&clerk, &id).await[..2], ["RESTORED", "DELETED"]);
        let twin = admin.create("Deal", json!({"title": "twin"})).await;
        let merge = "mutation($ids: [ID!]!, $into: ID!) { mergeDeals(ids: $ids, into: $into) { id } }";
        admin.query_with(merge, json!({"ids": [twin], "into": id})).await.ok();
        assert_eq!(told(&clerk, &id).await[0], "MERGED");
        admin.query_with("mutation($id: ID!) { destroyDeal(id: $id) }", json!({"id": id})).await.ok();
        let entries = audit(&admin, json!({"recordId": id})).await;
        assert_eq!(actions(&entries), ["DESTROYED", "MERGED", "RESTORED", "DELETED", "CREATED"]);
        assert_eq!(entries[0]["changes"]["title"], json!({"old": "d", "new": null}));
        // What was refused left nothing.
        let before = audit(&admin, json!({})).await.len();
        let text = "mutation { createDeal(data: {title: \"x\"}) { id } updateDeal(id: \"01990000-0000-7000-8000-000000000000\", data: {title: \"y\"}) { id } }";
        clerk.query(text).await.refused("NOT_FOUND");
        assert_eq!(audit(&admin, json!({})).await.len(), before);
    }

    async fn a_workflow_acts_for_its_author_and_on_behalf_of_who_caused_it(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let workflow = json!({"name": "mark", "module": "Deal", "trigger": {"on": ["CREATED"], "when": "title == \"go\""},
            "steps": [{"id": "mark", "update": {"set": {"margin": "5"}}}]});
        admin.save_workflow(workflow).await.ok();
        let id = clerk.create("Deal", json!({"title": "go"})).await;
        let entry = eventually("the workflow writes", || async {
            let history = history(&admin, &id).await;
            (history["totalCount"] == json!(2)).then(|| history["nodes"][0].clone())
        })
        .await;
        let created = history(&admin, &id).await["nodes"][1].clone();
        assert_eq!((line(&entry), &entry["via"]), ("UPDATED margin:null>5.00".to_owned(), &json!("WORKFLOW")));
        assert_eq!(entry["actor"], json!({"email": "admin@example.org"}));
        assert_eq!(entry["onBehalfOf"], created["actor"]);
        assert_eq!((&created["onBehalfOf"], &created["via"]), (&json!(null), &json!("API")));
        assert_eq!(entry["requestId"], created["requestId"], "of the request that began it");
        assert_eq!(told(&clerk, &id).await.len(), 1, "the clerk may not read what it wrote");
        let saved = audit(&admin, json!({"module": "Workflow"})).await;
        assert_eq!((actions(&saved), &saved[0]["changes"]["definition"]["new"]["name"]), (vec!["SAVED".to_owned()], &json!("mark")));
    }

    async fn the_audit_log_tells_of_everything_and_is_asked_by_who_what_where_and_when(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let (boss, me) = (own_id(&admin).await, own_id(&clerk).await);
        // A request is named by its client, or by the server; its answer tells.
        let mine = "6f1c2b6e-5f0a-4d37-9a51-2f2c6b0c9d11";
        let create = json!({"query": "mutation { createDeal(data: {title: \"x\"}) { id } }"});
        let send = |id: &'static str| clerk.request(Method::POST, "/graphql").header("X-Request-Id", id).json(&create);
        let answer = Answer::of(send(mine)).await;
        assert_eq!(answer.headers["x-request-id"], mine);
        let id = word(&answer.ok()["createDeal"]["id"]);
        let own = audit(&admin, json!({"requestId": mine})).await;
        assert_eq!((actions(&own), word(&own[0]["recordId"]), word(&own[0]["actorId"])), (vec!["CREATED".to_owned()], id.clone(), me.clone()));
        let odd = Answer::of(send("not an id; drop table")).await;
        let given = odd.headers["x-request-id"].to_str().expect("ASCII").to_owned();
        assert_eq!((given.len(), audit(&admin, json!({"requestId": given})).await.len()), (36, 1));

        // Who changes rights is told, by everything that changes them.
        let since = audit(&admin, json!({})).await.len();
        for (mutation, module, action) in RIGHTS {
            let text = mutation.replace("ME", &format!("\"{me}\"")).replace("DEAL", &format!("\"{id}\""));
            admin.admin_query(&format!("mutation {{ {text} }}")).await.ok();
            let newest = &audit(&admin, json!({"module": module})).await[0];
            assert_eq!((word(&newest["action"]), word(&newest["actorId"])), ((*action).to_owned(), boss.clone()), "{mutation}");
        }
        assert_eq!(audit(&admin, json!({})).await.len(), since + RIGHTS.len());
        // What is done to rights is in no record's history.
        assert!(told(&admin, &id).await.iter().all(|line| line.starts_with("CREATED")));

        let filters = [
            json!({"actorId": me}), json!({"module": "Deal"}), json!({"action": "CREATED"}), json!({"via": "system"}),
            json!({"actorId": boss, "module": "Role", "action": "ACCESS_SET"}), json!({"recordId": id}),
        ];
        for filter in filters {
            let found = audit(&admin, filter.clone()).await;
            let all = audit(&admin, json!({})).await;
            let meets = |entry: &&Value| filter.as_object().expect("an object").iter().all(|(key, value)| entry[key] == *value);
            let expected: Vec<Value> = all.iter().filter(meets).cloned().collect();
            assert!(!found.is_empty() && found.len() < all.len(), "{filter}");
            assert_eq!(found, expected, "{filter}");
        }
        let all = audit(&admin, json!({})).await;
        let at = word(&own[0]["at"]);
        let later = audit(&admin, json!({"from": at})).await;
        let earlier = audit(&admin, json!({"until": at})).await;
        assert_eq!(later.len() + earlier.len(), all.len());
        assert!(later.iter().all(|entry| word(&entry["at"]) >= at) && earlier.iter().all(|entry| word(&entry["at"]) < at));
        // Page by page, all of them.
        let mut paged: Vec<Value> = Vec::new();
        loop {
            let text = "query($after: ID) { audit(first: 7, after: $after) { id } }";
            let after = paged.last().map(|entry| entry["id"].clone());
            let answer = admin.admin_query_with(text, json!({"after": after})).await;
            let page = answer.ok()["audit"].as_array().expect("a list").clone();
            if page.is_empty() {
                break;
            }
            paged.extend(page);
        }
        assert_eq!(paged, all.iter().map(|entry| json!({"id": entry["id"]})).collect::<Vec<_>>());
        for faulty in ["audit(first: 1001) { id }", "audit(after: \"x\") { id }", "audit(filter: {actorId: \"x\"}) { id }"] {
            admin.admin_query(&format!("{{ {faulty} }}")).await.refused("VALIDATION_FAILED");
        }
        clerk.admin_query("{ audit { id } }").await.refused("FORBIDDEN");
    }

    async fn signing_in_and_failing_to_is_told_to_administrators(server: Server) {
        let admin = server.admin().await;
        admin.create_user("ann@example.org", "the right password", "marketing").await;
        assert!(server.anonymous().sign_in("Ann@example.org", "a wrong password").await.is_err());
        assert!(server.anonymous().sign_in("nobody@example.org", "a wrong password").await.is_err());
        assert!(server.anonymous().sign_in("not an address, but a password", "x").await.is_err());
        let ann = server.anonymous().post("/auth/sign-in", &json!({"email": "ann@example.org", "password": "the right password"})).await;
        let token = word(&ann.body["accessToken"]);
        let user = own_id(&server.anonymous().with_token(&token)).await;
        server.anonymous().post("/auth/sign-out", &json!({"refreshToken": ann.body["refreshToken"]})).await;
        let failed = audit(&admin, json!({"action": "SIGN_IN_FAILED"})).await;
        let told: Vec<Value> = failed.iter().map(|entry| json!([entry["recordId"], entry["changes"]])).collect();
        assert_eq!(told, [json!([null, {}]), json!([null, {"email": "nobody@example.org"}]), json!([user, {"email": "ann@example.org"}])]);
        let own = audit(&admin, json!({"actorId": user})).await;
        assert_eq!(actions(&own), ["SIGNED_OUT", "SIGNED_IN"]);
        assert!(own.iter().chain(&failed).all(|entry| entry["via"] == "auth" && entry["requestId"].is_string()));
        let all = json!(audit(&admin, json!({})).await).to_string();
        assert!(!all.contains("password"), "{all}");
    }

    async fn a_renamed_field_keeps_its_history_and_another_of_its_name_has_none_of_it(server: Server) {
        let (admin, _) = prepare(&server).await;
        let id = admin.create("Deal", json!({"title": "d"})).await;
        update(&admin, &id, json!({"margin": "7"})).await;
        for change in [
            "renameField(module: \"Deal\", name: \"margin\", to: \"profit\")",
            "addField(module: \"Deal\", field: {name: \"margin\", type: \"text\"})",
        ] {
            admin.admin_query(&format!("mutation {{ {change} {{ applied }} }}")).await.ok();
        }
        assert_eq!(told(&admin, &id).await[0], "UPDATED profit:null>7.00");
        update(&admin, &id, json!({"margin": "m"})).await;
        assert_eq!(told(&admin, &id).await[..2], ["UPDATED margin:null>m", "UPDATED profit:null>7.00"]);
        for change in [
            "retireField(module: \"Deal\", name: \"profit\")",
            "purgeField(module: \"Deal\", name: \"profit\")",
            "addField(module: \"Deal\", field: {name: \"profit\", type: \"text\"})",
        ] {
            admin.admin_query(&format!("mutation {{ {change} {{ applied }} }}")).await.ok();
        }
        let entries = told(&admin, &id).await;
        assert_eq!((entries.len(), entries[0].as_str()), (2, "UPDATED margin:null>m"), "{entries:?}");
        let audited = audit(&admin, json!({"recordId": id, "action": "UPDATED"})).await;
        assert_eq!(audited[1]["changes"], json!({"margin": {"old": null, "new": "7.00"}}), "by the name of that time");
    }

    async fn what_is_written_in_bulk_is_told_of_each_record(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let data: Vec<Value> = (0..500).map(|number| json!({"title": format!("t{number}")})).collect();
        let text = "mutation($data: [DealCreate!]!) { createDeals(data: $data) { id history { totalCount nodes { action } } } }";
        let answer = clerk.query_with(text, json!({"data": data})).await;
        let deals = answer.ok()["createDeals"].as_array().expect("a list").clone();
        assert_eq!(deals.len(), 500);
        let one = json!({"totalCount": 1, "nodes": [{"action": "CREATED"}]});
        assert!(deals.iter().all(|deal| deal["history"] == one));
        let update = "mutation { updateDeals(filter: {title: {startsWith: \"t\"}}, data: {title: \"same\"}) { count } }";
        assert_eq!(admin.query(update).await.ok()["updateDeals"]["count"], json!(500));
        let text = "{ deals(first: 50, filter: {title: {eq: \"same\"}}) { nodes { history(first: 1) { totalCount nodes { action changes { field new } } } } } }";
        let answer = clerk.query(text).await;
        let one = json!({"totalCount": 2, "nodes": [{"action": "UPDATED", "changes": [{"field": "title", "new": "same"}]}]});
        let deals = answer.ok()["deals"]["nodes"].as_array().expect("nodes").clone();
        assert!(deals.len() == 50 && deals.iter().all(|deal| deal["history"] == one));
    }

    async fn the_history_is_part_of_the_schema_of_modules_alone(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let fields = "query($name: String!) { __type(name: $name) { fields { name } } }";
        let has = |answer: Answer| answer.ok()["__type"]["fields"].as_array().is_some_and(|all| all.contains(&json!({"name": "history"})));
        for (module, expected) in [("Deal", true), ("Firm", true), ("User", false), ("Group", false), ("Role", false)] {
            for client in [&admin, &clerk] {
                assert_eq!(has(client.query_with(fields, json!({"name": module})).await), expected, "{module}");
            }
        }
        let anonymous = server.anonymous().query("{ __type(name: \"HistoryEntry\") { name } }").await;
        assert_eq!(anonymous.ok()["__type"], json!(null));
        let field = json!({"name": "history", "type": "text"});
        admin.add_field("Deal", field).await.refused("VALIDATION_FAILED");
        let id = clerk.create("Firm", json!({"title": "f"})).await;
        let deal = clerk.create("Deal", json!({"firmId": id})).await;
        let text = "query($id: ID!) { deal(id: $id) { firm { history { __typename totalCount nodes { __typename changes { __typename field } } } } } \
                    node(id: $id) { ... on Deal { history { totalCount } } } }";
        let answer = clerk.query_with(text, json!({"id": deal})).await;
        let changes = json!([{"__typename": "FieldChange", "field": "ownerId"}, {"__typename": "FieldChange", "field": "title"}]);
        let entry = json!({"__typename": "HistoryEntry", "changes": changes});
        assert_eq!(answer.ok()["deal"]["firm"]["history"], json!({"__typename": "HistoryConnection", "totalCount": 1, "nodes": [entry]}));
        assert_eq!(answer.ok()["node"]["history"], json!({"totalCount": 1}));
    }
}

/// Each change of rights, with the module and the action that its entry tells.
const RIGHTS: &[(&str, &str, &str)] = &[
    ("createRole(name: \"temp\") { name }", "Role", "CREATED"),
    ("updateRole(name: \"temp\", parent: \"clerk\") { name }", "Role", "UPDATED"),
    ("setAccess(role: \"temp\", module: \"Deal\", read: true) { name }", "Role", "ACCESS_SET"),
    ("createUser(email: \"temp@example.org\", role: \"temp\") { id }", "User", "CREATED"),
    ("savePermissionSet(name: \"extra\", access: {Deal: {read: true}}) { name }", "PermissionSet", "SAVED"),
    ("assignUser(user: ME, permissionSets: [\"extra\"]) { id }", "User", "UPDATED"),
    ("deletePermissionSet(name: \"extra\")", "PermissionSet", "DELETED"),
    (
        "saveSharingRule(rule: {name: \"open\", module: \"Deal\", ownedBy: {role: \"clerk\"}, with: {role: \"clerk\"}, access: READ}) { name }",
        "SharingRule",
        "SAVED",
    ),
    ("deleteSharingRule(name: \"open\")", "SharingRule", "DELETED"),
    ("shareRecord(module: \"Deal\", id: DEAL, with: {user: ME}, access: READ) { __typename }", "Deal", "SHARED"),
    ("unshareRecord(module: \"Deal\", id: DEAL, with: {user: ME}) { __typename }", "Deal", "UNSHARED"),
    ("setRecordRule(role: \"temp\", module: \"Deal\", rule: \"title != null\") { name }", "Role", "RECORD_RULE_SET"),
    ("saveGroup(name: \"team\", members: [ME]) { name }", "Group", "SAVED"),
    ("saveGroup(name: \"spare\") { name }", "Group", "SAVED"),
    ("deleteGroup(name: \"spare\")", "Group", "DELETED"),
    ("createRole(name: \"spare\") { name }", "Role", "CREATED"),
    ("deleteRole(name: \"spare\")", "Role", "DELETED"),
    ("setUserActive(user: ME, active: true) { id }", "User", "UPDATED"),
    ("createApiKey(name: \"key\") { id }", "User", "API_KEY_CREATED"),
    ("addField(module: \"Firm\", field: {name: \"more\", type: \"text\"}) { version }", "Firm", "FIELD_ADDED"),
];
