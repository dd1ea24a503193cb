//! Mentions: who is named in a text and may see it is notified, nobody else, and nobody sees others' notifications.

mod tables;

use cardine_tests::document::blocks_of;
use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

const PAGE: &str = "docs/features/mentions.md";
const PASSWORD: &str = "a long enough password";

/// Blocks of the page, in their order.
fn block(info: &str, number: usize) -> String {
    blocks_of(PAGE).into_iter().filter(|block| block.info == info).nth(number).expect("a block").text
}

/// The page's module, read by all of a role but for the text by some; somebody of each who signs in.
struct World {
    admin: Client,
    anna: Client,
    bruno: Client,
    /// Sees remarks and not their texts.
    carla: Client,
    /// Sees no remarks.
    dario: Client,
}

async fn prepare(server: &Server, sharing: &str) -> World {
    let admin = server.admin().await;
    let mut definition: Value = serde_json::from_str(&block("json", 0)).expect("JSON");
    definition["sharing"] = json!(sharing);
    admin.create_module(definition).await.ok();
    for (role, parent) in [("writer", None), ("clerk", Some("writer")), ("titles", None), ("outsider", None)] {
        admin.create_role(role, parent).await;
    }
    let write = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
    admin.set_access("writer", "Remark", write.clone()).await;
    admin.set_access("clerk", "Remark", write).await;
    admin.set_access("titles", "Remark", json!({"read": true, "fields": {"title": "READ"}})).await;
    for (name, role) in [("anna", "writer"), ("bruno", "clerk"), ("carla", "titles"), ("dario", "outsider")] {
        admin.create_user(&format!("{name}@example.org"), PASSWORD, role).await;
    }
    let [anna, bruno, carla, dario] = ["anna", "bruno", "carla", "dario"].map(|name| format!("{name}@example.org"));
    let sign_in = |email: String| async move { server.sign_in(&email, PASSWORD).await };
    World {
        admin,
        anna: sign_in(anna).await,
        bruno: sign_in(bruno).await,
        carla: sign_in(carla).await,
        dario: sign_in(dario).await,
    }
}

/// The titles of the caller's notifications, the latest first, and how many are unread.
async fn told(caller: &Client) -> (Vec<String>, i64) {
    let answer = caller.query("{ notifications { unreadCount totalCount nodes { title } } }").await;
    let page = &answer.ok()["notifications"];
    let nodes = page["nodes"].as_array().expect("nodes");
    assert_eq!(page["totalCount"].as_u64(), Some(nodes.len() as u64), "{answer}");
    let titles = nodes.iter().map(|node| node["title"].as_str().unwrap_or_default().to_owned()).collect();
    (titles, page["unreadCount"].as_i64().expect("a count"))
}

async fn update(caller: &Client, id: &str, data: Value) -> Answer {
    caller
        .query_with(
            "mutation($id: ID!, $data: RemarkUpdate!) { updateRemark(id: $id, data: $data) { id } }",
            json!({"id": id, "data": data}),
        )
        .await
}

fn titles(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

on_both_databases! {
    async fn who_is_mentioned_and_may_see_it_is_notified_once(server: Server) {
        let World { anna, bruno, carla, dario, admin } = prepare(&server, "PUBLIC_READ").await;
        let text = "Dear @Bruno@Example.org and @bruno, ask @carla, @dario, @nobody and me, @anna. Not bruno@example.org.";
        let remark = json!({"title": "first", "text": text});
        let made = anna.query_with("mutation($data: RemarkCreate!) { createRemark(data: $data) { id title text } }", json!({"data": remark})).await;
        let id = made.ok()["createRemark"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(made.ok()["createRemark"], json!({"id": id, "title": "first", "text": text}));
        assert_eq!(told(&bruno).await, (titles(&["first"]), 1));
        assert_eq!(told(&anna).await, (vec![], 0), "she wrote it");
        // Who sees no text of it has no notifications at all, and neither has who sees no remark.
        for caller in [&carla, &dario, &server.anonymous()] {
            caller.query("{ notifications { unreadCount } }").await.refused("BAD_USER_INPUT").never_says("Remark");
            caller.query("mutation { markNotificationsRead { count } }").await.refused("BAD_USER_INPUT");
        }
        // The page's request.
        let shown = bruno.query(&block("graphql", 0)).await;
        let node = shown.ok()["notifications"]["nodes"][0].clone();
        assert_eq!((&node["kind"], &node["module"], &node["readAt"], &node["record"]["id"]), (&json!("MENTION"), &json!("Remark"), &Value::Null, &json!(id)));
        assert_eq!((&node["record"]["text"], &node["record"]["createdBy"]["name"]), (&json!(text), &json!("anna@example.org")));
        assert!(node["at"].is_string() && node["id"].is_string(), "{shown}");
        // Another change mentions nobody anew; a new name does, and so does rich text, by its words alone.
        update(&anna, &id, json!({"text": format!("{text} More."), "title": "first still"})).await.ok();
        assert_eq!(told(&bruno).await, (titles(&["first still"]), 1));
        update(&bruno, &id, json!({"draft": "<p>For <b>@anna</b></p>"})).await.refused("NOT_FOUND");
        admin.create("Remark", json!({"title": "rich", "draft": "<p title=\"x\">For <b>@anna</b> <a href=\"https://example.org/@bruno\">there</a></p>"})).await;
        assert_eq!((told(&anna).await, told(&bruno).await.1), ((titles(&["rich"]), 1), 1));
        // One that is undone leaves none; one by a filter makes one for each record.
        anna.query_with("mutation($id: ID!) { updateRemark(id: $id, data: {title: \"@bruno\", text: \"@bruno@example.org again\"}) { id } deleteRemark(id: \"019a0000-0000-7000-8000-000000000000\") { id } }", json!({"id": id})).await.refused("NOT_FOUND");
        assert_eq!(told(&bruno).await.1, 1);
        for title in ["second", "third"] {
            anna.create("Remark", json!({"title": title})).await;
        }
        anna.query("mutation { updateRemarks(filter: {title: {in: [\"second\", \"third\"]}}, data: {text: \"look, @bruno\"}) { count } }").await.ok();
        let (mut all, unread) = told(&bruno).await;
        all.sort();
        assert_eq!((all, unread), (titles(&["first still", "second", "third"]), 3));
    }

    async fn private_records_tell_those_who_see_them(server: Server) {
        let World { anna, bruno, admin, .. } = prepare(&server, "PRIVATE").await;
        // Anna stands above Bruno: she sees his, he does not see hers.
        let hers = anna.create("Remark", json!({"title": "hers", "text": "@bruno"})).await;
        bruno.create("Remark", json!({"title": "his", "text": "@anna, @admin"})).await;
        assert_eq!((told(&anna).await, told(&bruno).await), ((titles(&["his"]), 1), (vec![], 0)));
        // What he gets to see later was not told to him; what he is mentioned in when it is his, is.
        let give = "mutation($id: ID!, $to: ID!) { updateRemark(id: $id, data: {ownerId: $to, title: \"given\"}) { id } }";
        anna.query_with(give, json!({"id": hers, "to": bruno.own_id().await})).await.ok();
        assert_eq!(told(&bruno).await, (vec![], 0));
        update(&anna, &hers, json!({"text": "@bruno@example.org"})).await.ok();
        assert_eq!(told(&bruno).await, (titles(&["given"]), 1));
        let notification = bruno.query("{ notifications { nodes { id } } }").await.ok()["notifications"]["nodes"][0]["id"].clone();
        // Taken away it is neither shown nor counted, nor marked; with the record it comes back, also out of the bin.
        anna.query_with(give, json!({"id": hers, "to": anna.own_id().await})).await.ok();
        assert_eq!(told(&bruno).await, (vec![], 0));
        for ids in [Value::Null, json!([notification])] {
            let marked = bruno.query_with(&block("graphql", 1), json!({"ids": ids})).await;
            assert_eq!(marked.ok()["markNotificationsRead"], json!({"count": 0, "ids": []}));
        }
        admin.query_with(give, json!({"id": hers, "to": bruno.own_id().await})).await.ok();
        admin.query_with("mutation($id: ID!) { deleteRemark(id: $id) { id } }", json!({"id": hers})).await.ok();
        assert_eq!(told(&bruno).await, (vec![], 0));
        admin.query_with("mutation($id: ID!) { restoreRemark(id: $id) { id } }", json!({"id": hers})).await.ok();
        assert_eq!(told(&bruno).await, (titles(&["given"]), 1));
        admin.query_with("mutation($id: ID!) { destroyRemark(id: $id) }", json!({"id": hers})).await.ok();
        assert_eq!(told(&bruno).await, (vec![], 0));
        // Nobody sees others', not from above and not as an administrator.
        assert_eq!(told(&anna).await, (titles(&["his"]), 1));
        let own = told(&admin).await;
        assert!(!own.0.contains(&"given".to_owned()), "{own:?}");
    }

    async fn the_same_is_done_for_who_may_not_see_it(server: Server) {
        let World { anna, bruno, carla, dario, .. } = prepare(&server, "PUBLIC_READ").await;
        let (mut written, mut id) = (Vec::new(), String::new());
        for name in ["bruno", "carla", "dario"] {
            let before = tables::everything(&server).await;
            id = anna.create("Remark", json!({"title": name, "text": format!("@{name}")})).await;
            // Mentioned anew it is not kept anew.
            update(&anna, &id, json!({"text": "nobody"})).await.ok();
            update(&anna, &id, json!({"text": format!("@{name} again")})).await.ok();
            let after = tables::everything(&server).await;
            // What the server looks after by itself is not meant.
            let mut touched = tables::differences(&before, &after);
            touched.retain(|told| ["_notification:", "audit_entry:", "outbox:", "remark:"].iter().any(|table| told.starts_with(table)));
            written.push((touched.len(), after["_notification"].len() - before["_notification"].len()));
        }
        assert_eq!(written, [(4, 1); 3]);
        assert_eq!(told(&bruno).await, (titles(&["bruno"]), 1));
        // What was kept of them is not shown when they may read it, nor marked; what mentions them then is.
        let admin = server.admin().await;
        for role in ["titles", "outsider"] {
            admin.set_access(role, "Remark", json!({"read": true, "fields": {"*": "READ"}})).await;
        }
        for caller in [&carla, &dario] {
            assert_eq!(told(caller).await, (vec![], 0));
            assert_eq!(caller.query("mutation { markNotificationsRead { count } }").await.ok()["markNotificationsRead"]["count"], 0);
        }
        update(&anna, &id, json!({"text": "@dario@example.org"})).await.ok();
        assert_eq!((told(&carla).await, told(&dario).await), ((vec![], 0), (titles(&["dario"]), 1)));
    }

    async fn they_are_paged_and_marked_as_read_by_their_user_alone(server: Server) {
        let World { anna, bruno, .. } = prepare(&server, "PUBLIC_READ").await;
        for number in 0..5 {
            anna.create("Remark", json!({"title": format!("{number}"), "text": "@bruno"})).await;
        }
        let page = "query($after: String, $unread: Boolean) { notifications(first: 2, after: $after, unread: $unread) { totalCount unreadCount nodes { id title readAt } edges { cursor node { id } } pageInfo { hasNextPage startCursor endCursor } } }";
        let (mut seen, mut ids, mut after) = (Vec::new(), Vec::new(), Value::Null);
        loop {
            let answer = bruno.query_with(page, json!({"after": after})).await;
            let found = answer.ok()["notifications"].clone();
            assert_eq!((&found["totalCount"], &found["unreadCount"]), (&json!(5), &json!(5)));
            let edges = found["edges"].as_array().expect("edges");
            assert_eq!((&edges[0]["cursor"], &edges[edges.len() - 1]["cursor"]), (&found["pageInfo"]["startCursor"], &found["pageInfo"]["endCursor"]));
            for (node, edge) in found["nodes"].as_array().expect("nodes").iter().zip(edges) {
                assert_eq!(node["id"], edge["node"]["id"]);
                seen.push(node["title"].as_str().expect("a title").to_owned());
                ids.push(node["id"].clone());
            }
            if found["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = found["pageInfo"]["endCursor"].clone();
        }
        assert_eq!(seen, ["4", "3", "2", "1", "0"]);
        // A cursor is its caller's.
        anna.query_with(page, json!({"after": after})).await.refused("BAD_USER_INPUT");
        bruno.query("{ notifications(first: 1001) { unreadCount } }").await.refused("BAD_USER_INPUT");
        // A key with scopes shows what they leave, and marks nothing.
        let reading = bruno.with_api_key(Some(&["Remark:read"])).await;
        assert_eq!(told(&reading).await.1, 5);
        reading.query("mutation { markNotificationsRead { count } }").await.refused("BAD_USER_INPUT");
        let other = bruno.with_api_key(Some(&["User:read"])).await;
        other.query("{ notifications { unreadCount } }").await.refused("BAD_USER_INPUT");
        // Others' ids mark nothing.
        let mark = block("graphql", 1);
        assert_eq!(anna.query_with(&mark, json!({"ids": ids})).await.ok()["markNotificationsRead"], json!({"count": 0, "ids": []}));
        assert_eq!(anna.query_with(&mark, json!({})).await.ok()["markNotificationsRead"]["count"], 0);
        assert_eq!(told(&bruno).await.1, 5);
        let some = json!({"ids": [ids[0], ids[2], ids[2]]});
        assert_eq!(bruno.query_with(&mark, some.clone()).await.ok()["markNotificationsRead"]["count"], 2);
        assert_eq!(bruno.query_with(&mark, some).await.ok()["markNotificationsRead"], json!({"count": 0, "ids": []}), "they were read already");
        let unread = bruno.query_with(page, json!({"unread": true})).await;
        let unread = &unread.ok()["notifications"];
        assert_eq!((&unread["totalCount"], &unread["unreadCount"], &unread["nodes"][0]["title"]), (&json!(3), &json!(3), &json!("3")));
        let all = bruno.query_with(page, json!({})).await;
        assert!(all.ok()["notifications"]["nodes"][0]["readAt"].is_string(), "{all}");
        assert_eq!(bruno.query_with(&mark, json!({})).await.ok()["markNotificationsRead"]["count"], 3);
        assert_eq!(told(&bruno).await.1, 0);
    }

    async fn another_spelling_or_text_tells_only_who_has_read(server: Server) {
        let World { anna, bruno, .. } = prepare(&server, "PUBLIC_READ").await;
        let id = anna.create("Remark", json!({"title": "one", "text": "@bruno"})).await;
        update(&anna, &id, json!({"text": "@Bruno@example.org", "draft": "<p>@bruno</p>"})).await.ok();
        assert_eq!(told(&bruno).await, (titles(&["one"]), 1));
        bruno.query("mutation { markNotificationsRead { count } }").await.ok();
        update(&anna, &id, json!({"text": "and @bruno"})).await.ok();
        assert_eq!(told(&bruno).await, (titles(&["one", "one"]), 1));
    }

    async fn what_may_not_be_read_any_more_is_not_shown(server: Server) {
        let World { admin, anna, bruno, .. } = prepare(&server, "PUBLIC_READ").await;
        // Of another module he goes on reading the text.
        let mut aside: Value = serde_json::from_str(&block("json", 0)).expect("JSON");
        (aside["name"], aside["plural"], aside["sharing"]) = (json!("Aside"), json!("Asides"), json!("PUBLIC_READ"));
        admin.create_module(aside).await.ok();
        admin.set_access("clerk", "Aside", json!({"read": true, "fields": {"*": "READ"}})).await;
        admin.create("Aside", json!({"title": "aside", "text": "@bruno"})).await;
        anna.create("Remark", json!({"title": "remark", "text": "@bruno"})).await;
        assert_eq!(told(&bruno).await, (titles(&["remark", "aside"]), 2));
        admin.set_access("clerk", "Remark", json!({"read": true, "fields": {"title": "READ"}})).await;
        assert_eq!(told(&bruno).await, (titles(&["aside"]), 1));
        assert_eq!(bruno.query("mutation { markNotificationsRead { count } }").await.ok()["markNotificationsRead"]["count"], 1);
        admin.set_access("clerk", "Remark", json!({"read": true, "fields": {"title": "READ", "draft": "READ"}})).await;
        assert_eq!(told(&bruno).await, (titles(&["remark", "aside"]), 1), "one of its texts is enough");
    }

    async fn many_are_bounded_and_hidden_ones_are_in_nobodys_way(server: Server) {
        let World { admin, anna, bruno, .. } = prepare(&server, "PUBLIC_READ").await;
        anna.create("Remark", json!({"title": "kept", "text": "@bruno"})).await;
        let make = "mutation($data: [RemarkCreate!]!) { createRemarks(data: $data) { id } }";
        let remarks = |count: usize, title: &str, text: &str| json!({"data": vec![json!({"title": title, "text": text}); count]});
        // Two users in each of 251: refused, and nothing is written.
        let refused = admin.query_with(make, remarks(251, "none", "@anna and @bruno")).await;
        assert!(refused.refused("LIMIT_EXCEEDED").to_string().contains("500"), "{refused}");
        assert_eq!(told(&bruno).await.1, 1);
        for title in ["first", "second"] {
            anna.query_with(make, remarks(500, title, "@bruno")).await.ok();
        }
        let counts = "{ notifications(first: 1) { totalCount nodes { title } } }";
        assert_eq!(bruno.query(counts).await.ok()["notifications"], json!({"totalCount": 1_000, "nodes": [{"title": "second"}]}));
        for title in ["first", "second"] {
            let deleted = admin.query_with("mutation($title: String!) { deleteRemarks(filter: {title: {eq: $title}}) { count } }", json!({"title": title})).await;
            assert_eq!(deleted.ok()["deleteRemarks"]["count"], 500);
        }
        assert_eq!(told(&bruno).await, (titles(&["kept"]), 1));
    }

    async fn comments_mention_who_sees_their_record(server: Server) {
        let admin = server.admin().await;
        for (name, role) in [("anna", "sales-person"), ("bruno", "sales-person"), ("elena", "sales-manager")] {
            admin.create_user(&format!("{name}@example.org"), PASSWORD, role).await;
        }
        let anna = server.sign_in("anna@example.org", PASSWORD).await;
        let customer = anna.create("Organization", json!({"name": "Officine Rossi"})).await;
        anna.create("Comment", json!({"content": "@elena, do we grant @bruno's discount?", "recordId": customer})).await;
        let about = "{ notifications { unreadCount nodes { record { ... on Comment { record { ... on Organization { name } } } } } } }";
        let elena = server.sign_in("elena@example.org", PASSWORD).await;
        let expected = json!({"unreadCount": 1, "nodes": [{"record": {"record": {"name": "Officine Rossi"}}}]});
        assert_eq!(elena.query(about).await.ok()["notifications"], expected);
        // A peer does not see the customer, and so not what is said of it.
        let bruno = server.sign_in("bruno@example.org", PASSWORD).await;
        assert_eq!(bruno.query(about).await.ok()["notifications"], json!({"unreadCount": 0, "nodes": []}));
    }

    async fn names_are_followed_and_faults_are_told(server: Server) {
        let World { anna, bruno, admin, .. } = prepare(&server, "PUBLIC_READ").await;
        admin.add_field("Remark", json!({"name": "size", "type": "integer"})).await.ok();
        let patch = json!({"name": "Remark", "patch": {"features": {"mentions": {"fields": ["text", "size", "none"]}}}});
        let answer = admin.change("updateModule", patch).await;
        answer.refused("VALIDATION_FAILED");
        let told_of: Vec<(Value, Value)> = answer.issues().iter().map(|issue| (issue["path"][4].clone(), issue["rule"].clone())).collect();
        assert_eq!(told_of, [(json!(1), json!("type")), (json!(2), json!("unknownField"))]);
        anna.create("Remark", json!({"title": "before", "text": "@bruno"})).await;
        admin.change("renameField", json!({"module": "Remark", "name": "text", "to": "words"})).await.ok();
        admin.change("renameModule", json!({"name": "Remark", "to": "Aside", "plural": "Asides"})).await.ok();
        anna.create("Aside", json!({"title": "after", "words": "@bruno"})).await;
        assert_eq!(told(&bruno).await, (titles(&["after", "before"]), 2));
        admin.change("retireModule", json!({"name": "Aside", "force": true})).await.ok();
        bruno.query("{ me { role } }").await.ok();
        // Two with the same name: neither is meant by it alone.
        admin.change("restoreModule", json!({"name": "Aside"})).await.ok();
        admin.create_user("bruno@example.com", PASSWORD, "clerk").await;
        anna.create("Aside", json!({"title": "which", "words": "@bruno"})).await;
        anna.create("Aside", json!({"title": "this", "words": "@bruno@example.org"})).await;
        assert_eq!(told(&bruno).await, (titles(&["this", "after", "before"]), 3));
    }
}
