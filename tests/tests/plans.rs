//! What was compiled for one request never answers another wrongly: rights and modules change between the same texts, and
//! callers with one role share a plan and see their own.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

/// A module, and two clerks with the same rights below a boss.
async fn prepare(server: &Server) -> (Client, Client, Client) {
    let admin = server.admin().await;
    let definition = json!({"name": "Parcel", "plural": "Parcels", "fields": [
        {"name": "title", "type": "text", "required": true}, {"name": "weight", "type": "integer"}, {"name": "price", "type": "money"},
    ]});
    admin.create_module(definition).await.ok();
    admin.create_role("clerk", None).await;
    grant(&admin, json!({"*": "WRITE"})).await;
    (admin, server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await)
}

async fn grant(admin: &Client, fields: Value) {
    let rights = json!({"create": true, "read": true, "update": true, "delete": true, "fields": fields});
    admin.set_access("clerk", "Parcel", rights).await;
}

/// Sent often enough that it is not compiled for the first time.
async fn repeat(caller: &Client, text: &str, variables: Value) -> Value {
    let first = caller.query_with(text, variables.clone()).await.ok().clone();
    for _ in 0..3 {
        assert_eq!(caller.query_with(text, variables.clone()).await.ok(), &first);
    }
    first
}

const HEAVY: &str = "query($w: Int, $t: String) { parcels(filter: {weight: {gte: $w}, title: {startsWith: $t}}, orderBy: [{weight: ASC}]) { totalCount nodes { title price } } }";

on_both_databases! {
    async fn callers_of_one_role_share_a_plan_and_see_their_own(server: Server) {
        let (_, one, other) = prepare(&server).await;
        for (caller, name) in [(&one, "one"), (&other, "other")] {
            for weight in 1..=3 {
                caller.create("Parcel", json!({"title": format!("{name} {weight}"), "weight": weight})).await;
            }
        }
        let titles = |answer: &Value| -> Vec<String> {
            answer["parcels"]["nodes"].as_array().expect("a list").iter().map(|node| node["title"].as_str().expect("text").to_owned()).collect()
        };
        for _ in 0..2 {
            assert_eq!(titles(&repeat(&one, HEAVY, json!({"w": 2, "t": "o"})).await), ["one 2", "one 3"]);
            assert_eq!(titles(&repeat(&other, HEAVY, json!({"w": 2, "t": "o"})).await), ["other 2", "other 3"]);
            assert_eq!(titles(&repeat(&other, HEAVY, json!({"w": 3, "t": "o"})).await), ["other 3"]);
            assert_eq!(titles(&repeat(&other, HEAVY, json!({"w": 1, "t": "one"})).await), Vec::<String>::new());
        }
    }

    async fn a_change_of_rights_bites_in_the_next_request(server: Server) {
        let (admin, clerk, _) = prepare(&server).await;
        clerk.create("Parcel", json!({"title": "a", "weight": 1, "price": "5"})).await;
        let variables = json!({"w": 0, "t": "a"});
        for _ in 0..2 {
            let seen = repeat(&clerk, HEAVY, variables.clone()).await;
            assert_eq!(seen["parcels"], json!({"totalCount": 1, "nodes": [{"title": "a", "price": "5.00"}]}));
            grant(&admin, json!({"*": "WRITE", "price": "NONE"})).await;
            clerk.query_with(HEAVY, variables.clone()).await.refused("BAD_USER_INPUT");
            grant(&admin, json!({"*": "WRITE", "weight": "NONE"})).await;
            clerk.query_with(HEAVY, variables.clone()).await.refused("BAD_USER_INPUT");
            // The administrator's own plan is another one all the time.
            assert_eq!(admin.query_with(HEAVY, variables.clone()).await.ok()["parcels"]["totalCount"], json!(1));
            grant(&admin, json!({"*": "WRITE"})).await;
        }
        admin.set_access("clerk", "Parcel", json!({"read": false})).await;
        clerk.query_with(HEAVY, variables).await.refused("BAD_USER_INPUT");
    }

    async fn who_a_caller_is_is_looked_at_on_every_request(server: Server) {
        let (admin, clerk, other) = prepare(&server).await;
        admin.create_role("guest", None).await;
        let id = clerk.own_id().await;
        let key = clerk.with_api_key(Some(&["Parcel:read"])).await;
        clerk.create("Parcel", json!({"title": "pa", "weight": 1})).await;
        let group = admin.admin_query("mutation { saveGroup(name: \"Desk\") { id } }").await.ok()["saveGroup"]["id"].clone();
        admin.create("Parcel", json!({"title": "pb", "weight": 2, "ownerId": group})).await;
        let variables = json!({"w": 0, "t": "p"});
        let count = async |caller: &Client| repeat(caller, HEAVY, variables.clone()).await["parcels"]["totalCount"].clone();
        let assign = async |arguments: &str| {
            let text = format!("mutation($id: ID!) {{ assignUser(user: $id, {arguments}) {{ id }} }}");
            admin.admin_query_with(&text, json!({"id": id})).await.ok();
        };
        let heavier = "mutation { updateParcels(filter: {title: {eq: \"pa\"}}, data: {weight: 1}) { count } }";
        for _ in 0..2 {
            // A key and a token of one user, in turn.
            for _ in 0..3 {
                assert_eq!((count(&clerk).await, count(&key).await, count(&other).await), (json!(1), json!(1), json!(0)));
                clerk.query(heavier).await.ok();
                key.query(heavier).await.refused("BAD_USER_INPUT");
            }
            assign("groups: [\"Desk\"]").await;
            assert_eq!((count(&clerk).await, count(&key).await, count(&other).await), (json!(2), json!(2), json!(0)));
            assign("role: \"guest\"").await;
            for caller in [&clerk, &key] {
                caller.query_with(HEAVY, variables.clone()).await.refused("BAD_USER_INPUT");
            }
            assign("role: \"clerk\", groups: []").await;
        }
        admin.set_user_active(&id, false).await;
        for caller in [&clerk, &key] {
            assert_eq!(caller.query_with(HEAVY, variables.clone()).await.status, 401);
        }
        assert_eq!(count(&other).await, json!(0));
    }

    async fn each_request_is_answered_for_its_own_time_zone_and_language(server: Server) {
        let (_, clerk, _) = prepare(&server).await;
        let zones = ["Europe/Rome", "Asia/Tokyo", "America/New_York", "UTC", "Asia/Kolkata", "Pacific/Auckland"];
        for _ in 0..3 {
            for (zone, language) in zones.iter().flat_map(|zone| [(zone, "it"), (zone, "de")]) {
                let request = clerk.request(Method::POST, "/graphql").header("time-zone", *zone).header("accept-language", language);
                let answer = Answer::of(request.json(&json!({"query": "{ me { timeZone locale } }"}))).await;
                assert_eq!(answer.ok()["me"], json!({"timeZone": zone, "locale": language}));
            }
            assert_eq!(clerk.query("{ me { timeZone locale } }").await.ok()["me"], json!({"timeZone": "UTC", "locale": "en"}));
        }
    }

    async fn a_change_of_modules_bites_in_the_next_request(server: Server) {
        let (admin, clerk, _) = prepare(&server).await;
        clerk.create("Parcel", json!({"title": "a", "weight": 1})).await;
        let text = "{ parcels { nodes { title color } } }";
        let known = "{ parcels { nodes { title } } }";
        repeat(&clerk, known, json!({})).await;
        clerk.query(text).await.refused("BAD_USER_INPUT");
        admin.add_field("Parcel", json!({"name": "color", "type": "text"})).await.ok();
        assert_eq!(repeat(&clerk, text, json!({})).await["parcels"]["nodes"], json!([{"title": "a", "color": null}]));
        clerk.create("Parcel", json!({"title": "b", "color": "red"})).await;
        let seen = repeat(&clerk, text, json!({})).await;
        assert_eq!(seen["parcels"]["nodes"], json!([{"title": "a", "color": null}, {"title": "b", "color": "red"}]));
        assert_eq!(repeat(&clerk, known, json!({})).await["parcels"]["nodes"], json!([{"title": "a"}, {"title": "b"}]));
    }

    async fn variables_are_looked_at_on_every_request(server: Server) {
        let (_, clerk, _) = prepare(&server).await;
        for weight in 1..=4 {
            clerk.create("Parcel", json!({"title": format!("p{weight}"), "weight": weight})).await;
        }
        let text = "query($f: ParcelFilter, $o: [ParcelOrderBy!], $n: Int, $skip: Boolean = false) {
            parcels(filter: $f, orderBy: $o, first: $n) { totalCount nodes { title weight @skip(if: $skip) } } }";
        let titles = |answer: &Value| -> Vec<String> {
            answer["parcels"]["nodes"].as_array().expect("a list").iter().map(|node| node["title"].as_str().expect("text").to_owned()).collect()
        };
        for _ in 0..2 {
            for (variables, expected) in [
                (json!({"f": {"weight": {"gt": 2}}, "o": [{"weight": "ASC"}]}), vec!["p3", "p4"]),
                (json!({"f": {"weight": {"gt": 3}}, "o": [{"weight": "ASC"}]}), vec!["p4"]),
                (json!({"f": {"weight": {"gt": 2}}, "o": [{"weight": "DESC"}]}), vec!["p4", "p3"]),
                (json!({"f": {"weight": {"lt": 2}}, "o": [{"weight": "DESC"}]}), vec!["p1"]),
                (json!({"f": {"weight": {"in": [1, 3]}}, "o": [{"weight": "ASC"}], "n": 1}), vec!["p1"]),
                (json!({"f": {"weight": {"in": [1, 3]}}, "o": [{"weight": "ASC"}], "n": 2}), vec!["p1", "p3"]),
                (json!({"f": {"weight": {"in": []}}, "o": [{"weight": "ASC"}], "n": 2}), vec![]),
                (json!({"f": {"weight": {"isNull": false}}, "o": [{"title": "DESC"}], "n": 2, "skip": true}), vec!["p4", "p3"]),
                (json!({"f": {"weight": {"isNull": true}}}), vec![]),
            ] {
                let seen = repeat(&clerk, text, variables.clone()).await;
                assert_eq!(titles(&seen), expected, "{variables}");
                let shows_weight = seen["parcels"]["nodes"].as_array().expect("a list").iter().all(|node| node.get("weight").is_some());
                assert_eq!(shows_weight || expected.is_empty(), variables.get("skip").is_none() || expected.is_empty(), "{variables}");
            }
            for faulty in [json!({"f": {"weight": {"gt": "x"}}}), json!({"n": -1}), json!({"n": 1001}), json!({"f": {"wait": {"gt": 1}}})] {
                clerk.query_with(text, faulty).await.refused("BAD_USER_INPUT");
            }
        }
    }

    async fn pages_by_cursor_and_offset_go_on_where_the_last_one_ended(server: Server) {
        let (_, clerk, _) = prepare(&server).await;
        for weight in 0..7 {
            clerk.create("Parcel", json!({"title": format!("p{weight}"), "weight": weight % 3})).await;
        }
        let text = "query($after: String, $min: Int, $offset: Int) { parcels(filter: {weight: {gte: $min}}, orderBy: [{weight: DESC}], first: 2, after: $after, offset: $offset) {
            edges { cursor node { title } } pageInfo { hasNextPage endCursor } } }";
        let titles = |page: &Value| -> Vec<String> {
            page["edges"].as_array().expect("a list").iter().map(|edge| edge["node"]["title"].as_str().expect("text").to_owned()).collect()
        };
        for (min, all) in [(0, vec!["p2", "p5", "p1", "p4", "p0", "p3", "p6"]), (1, vec!["p2", "p5", "p1", "p4"])] {
            let (mut found, mut after) = (Vec::new(), Value::Null);
            loop {
                let answer = repeat(&clerk, text, json!({"after": after, "min": min})).await;
                let page = &answer["parcels"];
                found.extend(titles(page));
                after = page["pageInfo"]["endCursor"].clone();
                if page["pageInfo"]["hasNextPage"] == json!(false) {
                    break;
                }
            }
            assert_eq!(found.len(), all.len(), "{found:?}");
            let mut sorted = found.clone();
            sorted.sort();
            let mut expected = all.clone();
            expected.sort_unstable();
            assert_eq!(sorted, expected);
            for offset in 0..all.len() {
                let answer = repeat(&clerk, text, json!({"min": min, "offset": offset})).await;
                assert_eq!(titles(&answer["parcels"]), found[offset..found.len().min(offset + 2)], "{offset}");
            }
            // A cursor holds for the values of its own filter.
            clerk.query_with(text, json!({"after": after, "min": min + 10})).await.refused("BAD_USER_INPUT");
        }
    }
}
