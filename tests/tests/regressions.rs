//! Faults that were found by attack: each is a case that failed once.

use cardine_tests::on_both_databases;
use serde_json::json;

on_both_databases! {
    async fn a_missing_value_of_a_hidden_field_does_not_tell_its_name(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Parcel", "plural": "Parcels", "fields": [
                {"name": "label", "type": "text", "required": true},
                {"name": "declaredWorth", "type": "money", "required": true},
            ]}))
            .await
            .ok();
        admin.create_role("packer", None).await;
        let fields = json!({"*": "WRITE", "declaredWorth": "NONE"});
        admin.set_access("packer", "Parcel", json!({"create": true, "read": true, "fields": fields})).await;
        let packer = server.create_user_with_role("packer").await;
        let answer = packer.query("mutation { createParcel(data: {label: \"one\"}) { id } }").await;
        answer.refused("VALIDATION_FAILED").never_says("declaredWorth");
        assert_eq!(answer.issues()[0]["path"], json!(["data"]));
        let named = admin.query_with("mutation($data: ParcelCreate!) { createParcel(data: $data) { id } }", json!({"data": {"label": "one"}})).await;
        named.refused("BAD_USER_INPUT");
        assert_eq!(packer.query("{ parcels { totalCount } }").await.ok()["parcels"]["totalCount"], 0);
    }
}

on_both_databases! {
    async fn sums_of_whole_numbers_are_exact_beyond_64_bits(server: Server) {
        let admin = server.admin().await;
        admin
            .create_module(json!({"name": "Shelf", "plural": "Shelves", "fields": [{"name": "label", "type": "text"}]}))
            .await
            .ok();
        admin
            .create_module(json!({"name": "Grain", "plural": "Grains", "fields": [
                {"name": "count", "type": "integer", "big": true},
                {"name": "shelf", "type": "reference", "to": "Shelf", "inverse": "grains"},
            ]}))
            .await
            .ok();
        let rollup = json!({"name": "total", "type": "rollup", "relation": "grains", "function": "SUM", "field": "count", "scope": "ALL"});
        admin.add_field("Shelf", rollup).await.ok();
        for (label, counts) in [("small", ["2", "1"]), ("large", ["9223372036854775807", "9223372036854775807"])] {
            let shelf = admin.create("Shelf", json!({"label": label})).await;
            for count in counts {
                admin.create("Grain", json!({"count": count, "shelfId": shelf})).await;
            }
        }
        let by_total = admin.query("{ shelves(orderBy: [{total: DESC}]) { nodes { label total } } }").await;
        let expected = json!([{"label": "large", "total": "18446744073709551614"}, {"label": "small", "total": "3"}]);
        assert_eq!(by_total.ok()["shelves"]["nodes"], expected);
        for (filter, count) in [("gt: \"3\"", 1), ("eq: \"3\"", 1), ("in: [\"3\", \"4\"]", 1), ("lte: \"3\"", 1), ("notIn: [\"3\"]", 1)] {
            let found = admin.query(&format!("{{ shelves(filter: {{total: {{{filter}}}}}) {{ totalCount }} }}")).await;
            assert_eq!(found.ok()["shelves"]["totalCount"], count, "{filter}");
        }
        let first = admin.query("{ shelves(orderBy: [{total: ASC}], first: 1) { edges { cursor } } }").await;
        let cursor = first.ok()["shelves"]["edges"][0]["cursor"].clone();
        let rest = "query($after: String) { shelves(orderBy: [{total: ASC}], after: $after) { nodes { label } } }";
        let rest = admin.query_with(rest, json!({"after": cursor})).await;
        assert_eq!(rest.ok()["shelves"]["nodes"], json!([{"label": "large"}]));
    }
}
