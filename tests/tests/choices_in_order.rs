//! Choices stand in the order of their options, whatever these are called: in lists, over references, in pages, groups and figures.

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

/// The stages of a pipeline: neither their texts nor their places in the list are in the order that `order` gives.
fn stages() -> Value {
    json!([{"value": "WON", "order": 30}, {"value": "OPEN", "order": 10}, {"value": "ASKED", "order": 20}, {"value": "LOST", "order": 40}])
}

async fn prepare(admin: &Client) {
    let deals = json!({"name": "Trade", "plural": "Trades", "nameField": "code", "fields": [
        {"name": "code", "type": "text", "required": true},
        {"name": "stage", "type": "choice", "options": stages(), "indexed": true},
        {"name": "mother", "type": "reference", "to": "Trade", "inverse": "parts"}]});
    admin.create_module(deals).await.ok();
    let stage = |code: &str, stage: Value| json!({"code": code, "stage": stage});
    let trades = [
        stage("a", json!("WON")),
        stage("b", json!("LOST")),
        stage("c", json!("OPEN")),
        stage("d", Value::Null),
        stage("e", json!("ASKED")),
        stage("f", json!("OPEN")),
    ];
    let ids = admin.create_many("Trade", trades).await;
    // Each leads to the one before it.
    for pair in ids.windows(2) {
        let text = "mutation($id: ID!, $mother: ID!) { updateTrade(id: $id, data: {motherId: $mother}) { id } }";
        admin.query_with(text, json!({"id": pair[1], "mother": pair[0]})).await.ok();
    }
}

async fn codes(admin: &Client, order: &str) -> String {
    let text = format!("{{ trades(orderBy: [{order}, {{code: ASC}}]) {{ nodes {{ code }} }} }}");
    let answer = admin.query(&text).await;
    let nodes = answer.ok()["trades"]["nodes"].as_array().expect("nodes").clone();
    nodes.iter().map(|node| node["code"].as_str().expect("a code").to_owned()).collect()
}

/// All codes, by pages of two, from either end.
async fn paged(admin: &Client, order: &str, forward: bool) -> String {
    let (mut all, mut cursor) = (String::new(), Value::Null);
    loop {
        let page = if forward { "first: 2, after: $at" } else { "last: 2, before: $at" };
        let text = format!(
            "query($at: String) {{ trades(orderBy: [{order}, {{code: ASC}}], {page}) {{ nodes {{ code }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"
        );
        let answer = admin.query_with(&text, json!({"at": cursor})).await;
        let page = &answer.ok()["trades"];
        let codes: String =
            page["nodes"].as_array().expect("nodes").iter().filter_map(|node| node["code"].as_str()).collect();
        let (more, next) = if forward { ("hasNextPage", "endCursor") } else { ("hasPreviousPage", "startCursor") };
        all = if forward { all + &codes } else { codes + &all };
        if page["pageInfo"][more] == json!(false) {
            return all;
        }
        cursor = page["pageInfo"][next].clone();
    }
}

on_both_databases! {
    async fn lists_groups_and_figures_go_by_the_options(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        for (order, expected) in [
            ("{stage: ASC}", "cfeabd"),
            ("{stage: DESC}", "dbaecf"),
            ("{stage: ASC_NULLS_FIRST}", "dcfeab"),
            ("{stage: DESC_NULLS_LAST}", "baecfd"),
            ("{mother: {stage: ASC}}", "dfbcae"),
        ] {
            assert_eq!(codes(&admin, order).await, expected, "{order}");
            assert_eq!(paged(&admin, order, true).await, expected, "{order}");
            assert_eq!(paged(&admin, order, false).await, expected, "{order}");
        }
        let text = "{ trades { aggregate { min { stage } max { stage } } } \
            up: tradeGroups(groupBy: [{stage: true}], orderBy: [{key: {stage: ASC}}]) { key { stage } count } \
            down: tradeGroups(groupBy: [{stage: true}], orderBy: [{key: {stage: DESC}}]) { key { stage } } \
            ties: tradeGroups(groupBy: [{stage: true}], orderBy: [{count: DESC}]) { key { stage } } \
            by: tradeGroups(groupBy: [{mother: {stage: true}}], orderBy: [{min: {stage: DESC}}], having: {max: {stage: {ne: LOST}}}) { min { stage } } \
            parts: trades(filter: {code: {eq: \"a\"}}) { nodes { parts(orderBy: [{stage: ASC}]) { nodes { code } aggregate { max { stage } } } } } \
            none: trades(filter: {code: {eq: \"d\"}}) { aggregate { min { stage } } } }";
        let answer = admin.query(text).await;
        let data = answer.ok();
        assert_eq!(data["trades"]["aggregate"], json!({"min": {"stage": "OPEN"}, "max": {"stage": "LOST"}}));
        let stages = |list: &str, place: &str| -> Vec<String> {
            let groups = data[list].as_array().expect("groups");
            groups.iter().map(|group| group[place]["stage"].as_str().unwrap_or("-").to_owned()).collect()
        };
        assert_eq!(stages("up", "key"), ["OPEN", "ASKED", "WON", "LOST", "-"]);
        assert_eq!(stages("down", "key"), ["-", "LOST", "WON", "ASKED", "OPEN"]);
        assert_eq!(stages("ties", "key"), ["OPEN", "ASKED", "WON", "LOST", "-"]);
        assert_eq!(stages("by", "min"), ["ASKED", "OPEN", "OPEN"]);
        assert_eq!(data["parts"]["nodes"][0]["parts"], json!({"nodes": [{"code": "b"}], "aggregate": {"max": {"stage": "LOST"}}}));
        assert_eq!(data["none"]["aggregate"]["min"]["stage"], Value::Null);
    }

    async fn another_order_of_the_options_is_another_order_of_the_records(server: Server) {
        let admin = server.admin().await;
        prepare(&admin).await;
        let first = "{ trades(orderBy: [{stage: ASC}, {code: ASC}], first: 3) { nodes { code } pageInfo { endCursor } } }";
        let answer = admin.query(first).await;
        let page = answer.ok()["trades"].clone();
        assert_eq!(page["nodes"], json!([{"code": "c"}, {"code": "f"}, {"code": "e"}]));
        let options = json!([{"value": "LOST"}, {"value": "ASKED"}, {"value": "WON"}, {"value": "OPEN"}, {"value": "NEW"}]);
        let patch = json!({"module": "Trade", "name": "stage", "patch": {"options": options}});
        admin.change("updateField", patch).await.ok();
        assert_eq!(codes(&admin, "{stage: ASC}").await, "beacfd");
        // A place in the list is where the value stands now.
        let after = "query($at: String) { trades(orderBy: [{stage: ASC}, {code: ASC}], after: $at) { nodes { code } } }";
        let answer = admin.query_with(after, json!({"at": page["pageInfo"]["endCursor"]})).await;
        assert_eq!(answer.ok()["trades"]["nodes"], json!([{"code": "a"}, {"code": "c"}, {"code": "f"}, {"code": "d"}]));
        // What no record has any more may go, and a place there is behind all values.
        admin.query("mutation { updateTrades(filter: {stage: {eq: ASKED}}, data: {stage: NEW}) { count } }").await.ok();
        let options = json!([{"value": "LOST"}, {"value": "WON"}, {"value": "OPEN"}, {"value": "NEW"}]);
        let patch = json!({"module": "Trade", "name": "stage", "patch": {"options": options}});
        admin.change("updateField", patch).await.ok();
        let answer = admin.query_with(after, json!({"at": page["pageInfo"]["endCursor"]})).await;
        assert_eq!(answer.ok()["trades"]["nodes"], json!([{"code": "d"}]));
    }
}
