//! The text search: what is found, in which order, and that it tells nothing of what the caller may not see.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// Two modules with search fields, and one without.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    for definition in [
        json!({"name": "Person", "plural": "People", "nameField": "lastName", "search": ["lastName", "city", "page", "email"], "fields": [
            {"name": "lastName", "type": "text"}, {"name": "city", "type": "text"}, {"name": "page", "type": "richText"},
            {"name": "email", "type": "email"}]}),
        json!({"name": "Memo", "plural": "Memos", "nameField": "title", "search": ["title", "body", "secret"], "fields": [
            {"name": "title", "type": "text"}, {"name": "body", "type": "longText"}, {"name": "secret", "type": "text"},
            {"name": "person", "type": "reference", "to": "Person", "inverse": "memos"}]}),
        json!({"name": "Plain", "plural": "Plains", "fields": [{"name": "title", "type": "text"}]}),
    ] {
        admin.create_module(definition).await.ok();
    }
    admin
}

const HITS: &str = "query($text: String!, $modules: [String!], $first: Int, $after: String) { \
    search(text: $text, modules: $modules, first: $first, after: $after) { \
        totalCount nodes { module title snippet score record { __typename id } } \
        edges { cursor node { title } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

async fn search(client: &Client, variables: Value) -> Value {
    let answer = client.query_with(HITS, variables).await;
    let found = answer.ok()["search"].clone();
    let (nodes, edges) = (found["nodes"].as_array().expect("nodes"), found["edges"].as_array().expect("edges"));
    assert_eq!(nodes.len(), edges.len());
    for (node, edge) in nodes.iter().zip(edges) {
        assert_eq!((&node["title"], &node["module"]), (&edge["node"]["title"], &node["record"]["__typename"]));
    }
    found
}

/// The titles of what is found, with their scores.
async fn titles(client: &Client, text: &str) -> Vec<(String, f64)> {
    let found = search(client, json!({"text": text})).await;
    let nodes = found["nodes"].as_array().expect("nodes");
    assert_eq!(found["totalCount"], nodes.len());
    let title = |node: &Value| node["title"].as_str().unwrap_or("-").to_owned();
    nodes.iter().map(|node| (title(node), node["score"].as_f64().expect("a score"))).collect()
}

fn hit(title: &str, score: f64) -> (String, f64) {
    (title.to_owned(), score)
}

async fn refused(client: &Client, variables: Value) -> Answer {
    let answer = client.query_with(HITS, variables).await;
    assert!(answer.data().is_null() && answer.errors().len() == 1, "{answer}");
    answer
}

on_both_databases! {
    async fn words_are_found_in_every_module_the_best_first(server: Server) {
        let admin = prepare(&server).await;
        let person = admin.create("Person", json!({"lastName": "Rossini", "city": "L’Aquila", "email": "rossini@caffe.it"})).await;
        admin.create_many("Memo", [
            json!({"title": "Caffè Rossi", "body": "Perché no? Because the Rossi brothers agreed."}),
            json!({"title": "Order", "body": "ROSSI ordered naïve coöperation"}),
            json!({"title": "Rossetti", "body": null, "personId": person}),
            json!({"body": "In Aquila, rossi"}),
        ]).await;
        admin.create("Plain", json!({"title": "rossi"})).await;
        assert_eq!(titles(&admin, "rossi").await, [hit("Caffè Rossi", 1.0), hit("Rossini", 0.75), hit("Order", 0.5), hit("-", 0.5)]);
        assert_eq!(titles(&admin, "ROSS").await, [hit("Rossini", 0.75), hit("Caffè Rossi", 0.75), hit("Rossetti", 0.75), hit("Order", 0.25), hit("-", 0.25)]);
        assert_eq!(titles(&admin, "perche caffe").await, [hit("Caffè Rossi", 0.5)]);
        assert_eq!(titles(&admin, "Perché Caffè").await, [hit("Caffè Rossi", 0.5)]);
        assert_eq!(titles(&admin, "rossi aquila").await, [hit("-", 0.5), hit("Rossini", 0.25)]);
        assert_eq!(titles(&admin, "naive cooper").await, [hit("Order", 0.25)]);
        assert_eq!(titles(&admin, "rossini@caffe.it").await, [hit("Rossini", 0.5)]);
        assert_eq!(titles(&admin, "rossi absent").await, []);
        assert_eq!(titles(&admin, "ossi").await, [], "words are found by their beginnings");

        let found = search(&admin, json!({"text": "aquila", "modules": ["Person", "Person"]})).await;
        assert_eq!(found["nodes"], json!([{"module": "Person", "title": "Rossini", "snippet": "L’Aquila", "score": 0.5,
            "record": {"__typename": "Person", "id": person}}]));
        let found = search(&admin, json!({"text": "aquila", "modules": []})).await;
        assert_eq!((&found["nodes"], &found["totalCount"]), (&json!([]), &json!(0)));
        let nested = "{ search(text: \"rossini\") { nodes { record { ... on Person { city memos(first: 5) { nodes { title } } } } } } }";
        let answer = admin.query(nested).await;
        assert_eq!(answer.ok()["search"]["nodes"][0]["record"]["memos"]["nodes"], json!([{"title": "Rossetti"}]));
        let twice = admin.query("{ a: search(text: \"order\") { totalCount } b: search(text: \"aquila\") { nodes { score } } }").await;
        assert_eq!(twice.ok(), &json!({"a": {"totalCount": 1}, "b": {"nodes": [{"score": 0.5}, {"score": 0.5}]}}));
        let words = "start ".repeat(60) + "the Perché word" + &" end".repeat(60);
        admin.create("Memo", json!({"title": "Long", "body": words})).await;
        let found = search(&admin, json!({"text": "perche", "modules": ["Memo"]})).await;
        let snippet = found["nodes"][1]["snippet"].as_str().expect("a snippet");
        assert!(snippet.starts_with("…start") && snippet.contains("the Perché word") && snippet.ends_with("end…") && snippet.len() < 200, "{snippet}");
    }

    async fn pages_follow_each_other(server: Server) {
        let admin = prepare(&server).await;
        admin.create_many("Memo", (0..11).map(|n| json!({"title": (["Alfa", "Alfabeto", "Beta"][n % 3]), "body": "alfa"}))).await;
        admin.create_many("Person", (0..4).map(|n| json!({"lastName": format!("Alfa {n}")}))).await;
        let all = search(&admin, json!({"text": "alfa"})).await;
        assert_eq!((&all["totalCount"], all["nodes"].as_array().map(Vec::len)), (&json!(15), Some(15)));
        assert_eq!(all["pageInfo"]["hasNextPage"], false);
        let (mut seen, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = search(&admin, json!({"text": "alfa", "first": 4, "after": after})).await;
            seen.extend(page["nodes"].as_array().expect("nodes").iter().cloned());
            assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
            assert_eq!(page["pageInfo"]["endCursor"], page["edges"].as_array().and_then(|edges| edges.last()).expect("an edge")["cursor"]);
            after = page["pageInfo"]["endCursor"].clone();
            // What comes in the meantime at the places passed already is not shown, and nothing is shown twice.
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(json!(seen), all["nodes"]);
        let none = search(&admin, json!({"text": "alfa", "first": 0})).await;
        assert_eq!((&none["nodes"], &none["totalCount"]), (&json!([]), &json!(15)));
        let cursor = &all["edges"][3]["cursor"];
        for other in [json!({"text": "beta", "after": cursor}), json!({"text": "alfa", "modules": ["Memo"], "after": cursor}), json!({"text": "alfa", "after": "x"})] {
            assert!(refused(&admin, other).await.refused("BAD_USER_INPUT").text.contains("cursor"));
        }
        for first in [-1, 1_001] {
            refused(&admin, json!({"text": "alfa", "first": first})).await.refused("BAD_USER_INPUT");
        }
        assert_eq!(search(&admin, json!({"text": "ALFA alfa", "after": cursor})).await["nodes"].as_array().map(Vec::len), Some(11), "the same words");
    }

    async fn what_may_not_be_read_is_not_found_and_not_shown(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        admin.create_role("blind", None).await;
        admin.set_access("clerk", "Memo", json!({"create": true, "read": true, "fields": {"*": "WRITE", "secret": "NONE"}})).await;
        admin.set_access("clerk", "Plain", json!({"read": true, "fields": {"*": "READ"}})).await;
        admin.set_access("blind", "Memo", json!({"create": true, "read": true, "fields": {"body": "WRITE", "title": "NONE"}})).await;
        let (clerk, blind) = (server.create_user_with_role("clerk").await, server.create_user_with_role("blind").await);
        let own = clerk.create("Memo", json!({"title": "Plain words", "body": "A body"})).await;
        let hidden = blind.create("Memo", json!({"body": "Visible here"})).await;
        for (id, title) in [(&own, Value::Null), (&hidden, json!("Zephyr"))] {
            let text = "mutation($id: ID!, $data: MemoUpdate!) { updateMemo(id: $id, data: $data) { id } }";
            let mut data = json!({"secret": "Zephyr words body visible"});
            if !title.is_null() {
                data["title"] = title;
            }
            let _ = admin.query_with(text, json!({"id": id, "data": data})).await.ok();
        }
        admin.create("Person", json!({"lastName": "Zephyr"})).await;
        assert_eq!(titles(&admin, "zephyr").await.len(), 3);
        // The hidden field matches nothing, adds nothing to the score, and is in no snippet.
        assert_eq!(titles(&clerk, "zephyr").await, []);
        assert_eq!(titles(&clerk, "plain body").await, [hit("Plain words", 0.5)]);
        assert_eq!(titles(&clerk, "plain visible").await, []);
        let found = search(&clerk, json!({"text": "words"})).await;
        assert_eq!((&found["nodes"][0]["snippet"], &found["nodes"][0]["score"]), (&json!("Plain words"), &json!(1)));
        // A hidden title is none.
        assert_eq!(titles(&blind, "zephyr").await, []);
        assert_eq!(titles(&blind, "visible").await, [hit("-", 0.5)]);
        // A hidden module is one that never was.
        for (name, twin) in [("Person", "Nobody"), ("Organization", "Nonexisting1")] {
            let answer = refused(&clerk, json!({"text": "zephyr", "modules": ["Memo", name]})).await;
            let unknown = refused(&clerk, json!({"text": "zephyr", "modules": ["Memo", twin]})).await;
            assert_eq!(answer.text, unknown.text.replace(twin, name));
            assert_eq!(answer.issues()[0]["path"], json!(["modules", 1]));
        }
        let answer = refused(&clerk, json!({"text": "zephyr", "modules": ["Plain"]})).await;
        assert!(answer.refused("BAD_USER_INPUT").text.contains("Nothing is searched"));
        // Who may search nowhere has no search.
        admin.create_role("outsider", None).await;
        admin.set_access("outsider", "Plain", json!({"read": true, "fields": {"*": "READ"}})).await;
        let outsider = server.create_user_with_role("outsider").await;
        outsider.query("{ search(text: \"zephyr\") { totalCount } }").await.refused("BAD_USER_INPUT").never_says("SearchConnection");
        let types = outsider.query("{ __schema { types { name } } }").await;
        types.never_says("SearchHit").never_says("\"Float\"");
        server.anonymous().query("{ search(text: \"zephyr\") { totalCount } }").await.refused("BAD_USER_INPUT");
    }

    async fn records_out_of_sight_do_not_exist(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("boss", None).await;
        admin.create_role("clerk", Some("boss")).await;
        for role in ["boss", "clerk"] {
            admin.set_access(role, "Memo", json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}})).await;
        }
        let (boss, one, other) = (server.create_user_with_role("boss").await, server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let own = one.create("Memo", json!({"title": "Shared word one"})).await;
        other.create("Memo", json!({"title": "Shared word two"})).await;
        boss.create("Memo", json!({"title": "Shared word boss"})).await;
        assert_eq!(titles(&one, "shared").await, [hit("Shared word one", 1.0)]);
        assert_eq!(titles(&other, "shared").await, [hit("Shared word two", 1.0)]);
        assert_eq!(titles(&boss, "shared").await.len(), 3);
        let _ = one.query_with("mutation($id: ID!) { deleteMemo(id: $id) { id } }", json!({"id": own})).await.ok();
        assert_eq!(titles(&one, "shared").await, []);
        assert_eq!(titles(&boss, "shared").await.len(), 2);
        assert_eq!(titles(&admin, "one").await, []);
    }

    async fn the_index_follows_every_write(server: Server) {
        let admin = prepare(&server).await;
        let id = admin.create("Memo", json!({"title": "First", "body": "uno"})).await;
        let update = "mutation($id: ID!, $data: MemoUpdate!) { updateMemo(id: $id, data: $data) { id } }";
        let _ = admin.query_with(update, json!({"id": id, "data": {"title": "Second"}})).await.ok();
        assert_eq!((titles(&admin, "first").await, titles(&admin, "second uno").await), (vec![], vec![hit("Second", 0.5)]));
        let _ = admin.query_with(update, json!({"id": id, "data": {"body": null}})).await.ok();
        assert_eq!(titles(&admin, "uno").await, []);
        // What is undone was never found.
        let both = format!("mutation {{ a: createMemo(data: {{title: \"Undone\"}}) {{ id }} b: updateMemo(id: \"{id}\", data: {{title: \"Undone\"}}, ifVersion: 99) {{ id }} }}");
        admin.query(&both).await.refused("CONFLICT");
        assert_eq!(titles(&admin, "undone").await, []);
        assert_eq!(titles(&admin, "second").await, [hit("Second", 1.0)]);
        // Tags of rich text are no words.
        admin.create("Person", json!({"lastName": "Verdi", "page": "<p>Un <strong>caffè</strong> &amp; tè</p>"})).await;
        assert_eq!(titles(&admin, "caffe te").await, [hit("Verdi", 0.5)]);
        assert_eq!(titles(&admin, "strong").await, []);
        assert_eq!(titles(&admin, "amp").await, []);
        let found = search(&admin, json!({"text": "caffe"})).await;
        assert_eq!(found["nodes"][0]["snippet"], "Un caffè tè");
    }

    async fn texts_of_any_kind_are_searched_for_as_words(server: Server) {
        let admin = prepare(&server).await;
        admin.create("Memo", json!({"title": "Alfa beta", "body": "or and not near title C++ 100%"})).await;
        for text in ["alfa\" OR \"beta", "alfa' OR 1=1 --", "\"alfa\"", "alfa*", "alfa & beta", "(alfa)", "^alfa", "+alfa -beta", "title:alfa", "{title}: alfa", "alfa:*", "alfa NEAR beta", "NOT alfa", "C++ 100%", "alfa\\", "alfa'':*b"] {
            let found = titles(&admin, text).await;
            assert_eq!(found.len(), 1, "{text}");
        }
        for text in ["alfa\" OR \"gamma", "alfa | gamma", "NOT gamma", "lfa", "a NEAR/9 z"] {
            assert_eq!(titles(&admin, text).await, [], "{text}");
        }
        for text in ["", " ", "…", "\"'*()&|!:^-+{}", "🙂 — “”"] {
            let answer = refused(&admin, json!({"text": text})).await;
            answer.refused("BAD_USER_INPUT");
            assert_eq!(answer.issues()[0]["path"], json!(["text"]), "{answer}");
        }
        refused(&admin, json!({"text": "alfa\u{0}"})).await.refused("BAD_USER_INPUT");
        let many = |count: usize| (0..count).map(|n| format!("w{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(titles(&admin, &many(10)).await, []);
        assert!(refused(&admin, json!({"text": many(11)})).await.refused("LIMIT_EXCEEDED").text.contains("10 words of a search"));
        assert!(refused(&admin, json!({"text": "x".repeat(1_001)})).await.refused("LIMIT_EXCEEDED").text.contains("1000 characters"));
        assert_eq!(titles(&admin, &"x".repeat(1_000)).await, []);
    }
}
