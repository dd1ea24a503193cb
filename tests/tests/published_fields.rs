//! A formula or rollup that is published is shown to who may not see what it is made of, and that stays hidden; any other is hidden with it.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

async fn prepare(server: &Server) -> (Client, Client) {
    let admin = server.admin().await;
    let margin = |name: &str, published: bool| json!({"name": name, "type": "formula", "returns": "money", "rule": "price - cost", "published": published});
    let rollup = |name: &str, scope: &str| json!({"name": name, "type": "rollup", "relation": "parts", "function": "SUM", "field": "cost", "scope": scope, "published": true});
    let fields = json!([
        {"name": "code", "type": "text", "unique": true},
        {"name": "cost", "type": "money"},
        {"name": "price", "type": "money"},
        {"name": "above", "type": "reference", "to": "Offer", "inverse": "parts"},
        margin("hiddenMargin", false), margin("shownMargin", true), rollup("seenCost", "VISIBLE"), rollup("wholeCost", "ALL"),
        {"name": "twice", "type": "formula", "returns": "money", "rule": "shownMargin * 2"}]);
    admin.create_module(json!({"name": "Offer", "plural": "Offers", "fields": fields})).await.ok();
    admin.create_role("clerk", None).await;
    let names = ["code", "hiddenMargin", "shownMargin", "seenCost", "wholeCost", "twice"];
    let granted: serde_json::Map<String, Value> =
        names.map(|name| (name.to_owned(), json!("READ"))).into_iter().collect();
    admin.set_access("clerk", "Offer", json!({"read": true, "fields": granted})).await;
    let clerk = server.create_user_with_role("clerk").await;
    let own = clerk.own_id().await;
    let a = admin.create("Offer", json!({"code": "a", "cost": "10", "price": "15", "ownerId": own})).await;
    admin.create("Offer", json!({"code": "b", "cost": "1", "price": "9", "aboveId": a, "ownerId": own})).await;
    // Of somebody else.
    admin.create("Offer", json!({"code": "c", "cost": "100", "price": "101", "aboveId": a})).await;
    (admin, clerk)
}

on_both_databases! {
    async fn what_is_published_is_shown_by_itself(server: Server) {
        let (_, clerk) = prepare(&server).await;
        let text = "{ offers(orderBy: [{shownMargin: DESC}], filter: {shownMargin: {gt: \"1\"}}) { nodes { code shownMargin twice seenCost wholeCost }
            aggregate { sum { shownMargin } } } }";
        let answer = clerk.query(text).await;
        assert_eq!(answer.ok()["offers"]["nodes"], json!([
            {"code": "b", "shownMargin": "8.00", "twice": "16.00", "seenCost": null, "wholeCost": null},
            {"code": "a", "shownMargin": "5.00", "twice": "10.00", "seenCost": "1.00", "wholeCost": "101.00"}]), "{answer}");
        assert_eq!(answer.ok()["offers"]["aggregate"]["sum"]["shownMargin"], "13.00");
        for hidden in ["cost", "price", "hiddenMargin", "above { id }", "parts { totalCount }"] {
            clerk.query(&format!("{{ offers {{ nodes {{ {hidden} }} }} }}")).await.refused("BAD_USER_INPUT");
        }
        for filter in ["hiddenMargin: {gt: \"1\"}", "cost: {gt: \"1\"}", "above: {code: {eq: \"a\"}}"] {
            clerk.query(&format!("{{ offers(filter: {{{filter}}}) {{ totalCount }} }}")).await.refused("BAD_USER_INPUT");
        }
        let fields = clerk.query("{ __type(name: \"Offer\") { fields { name } } }").await;
        let told = fields.ok()["__type"]["fields"].to_string();
        assert!(told.contains("shownMargin") && !told.contains("hiddenMargin") && !told.contains("\"cost\""), "{told}");
    }

    async fn publishing_is_in_force_in_the_next_request(server: Server) {
        let (admin, clerk) = prepare(&server).await;
        let publish = |published: Value| admin.change("updateField", json!({"module": "Offer", "name": "hiddenMargin", "patch": {"published": published}}));
        let text = "{ offers(filter: {code: {eq: \"a\"}}) { nodes { hiddenMargin } } }";
        clerk.query(text).await.refused("BAD_USER_INPUT");
        publish(json!(true)).await.ok();
        assert_eq!(clerk.query(text).await.ok()["offers"]["nodes"], json!([{"hiddenMargin": "5.00"}]));
        publish(Value::Null).await.ok();
        clerk.query(text).await.refused("BAD_USER_INPUT");
        // Nothing else can be.
        let refused = admin.change("updateField", json!({"module": "Offer", "name": "cost", "patch": {"published": true}})).await;
        refused.refused("VALIDATION_FAILED");
    }
}
