//! What administrators are told of who may do what with a field: by every name that the API has for it, what the API shows.

use std::collections::BTreeSet;

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

const MODULES: [&str; 3] = ["Deal", "Firm", "Good"];

/// Deals with fields of every way to be named, of firms, with goods.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let good = json!({"name": "Good", "plural": "Goods", "sharing": "PUBLIC_READ_WRITE", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(good).await.ok();
    let firm = json!({"name": "Firm", "plural": "Firms", "sharing": "PUBLIC_READ_WRITE", "fields": [
        {"name": "title", "type": "text"}, {"name": "seat", "type": "address"}]});
    admin.create_module(firm).await.ok();
    let deal = json!({"name": "Deal", "plural": "Deals", "sharing": "PUBLIC_READ_WRITE", "fields": [
        {"name": "title", "type": "text"}, {"name": "margin", "type": "decimal"}, {"name": "twice", "type": "formula", "rule": "margin * 2", "returns": "decimal"},
        {"name": "serial", "type": "autoNumber", "format": "D-{0000}"}, {"name": "scan", "type": "file"}, {"name": "place", "type": "geoPoint"},
        {"name": "firm", "type": "reference", "to": "Firm", "inverse": "deals"}, {"name": "other", "type": "reference", "to": ["Firm", "Good"]},
        {"name": "parent", "type": "reference", "to": "Deal", "inverse": "parts"},
        {"name": "goods", "type": "references", "to": "Good", "inverse": "deals", "link": {"fields": [{"name": "count", "type": "integer"}]}},
    ]});
    admin.create_module(deal).await.ok();
    admin
}

/// The names of the fields that a type shows; none if there is no such type.
async fn names(client: &Client, ty: &str, kind: &str) -> BTreeSet<String> {
    let text = format!("query($name: String!) {{ __type(name: $name) {{ {kind} {{ name }} }} }}");
    let answer = client.query_with(&text, json!({"name": ty})).await;
    let fields = answer.ok()["__type"][kind].as_array().cloned().unwrap_or_default();
    fields.iter().map(|field| field["name"].as_str().expect("a name").to_owned()).collect()
}

on_both_databases! {
    async fn a_field_is_explained_by_every_name_that_it_has_as_the_api_shows_it(server: Server) {
        let admin = prepare(&server).await;
        let firm = admin.create("Firm", json!({"title": "f"})).await;
        let good = admin.create("Good", json!({"title": "g"})).await;
        let deal = admin.create("Deal", json!({"title": "d", "firmId": firm})).await;
        let mut asked = 0;
        for (role, grants) in [
            ("all", [json!({"*": "WRITE"}), json!({"*": "WRITE"}), json!({"*": "WRITE"})]),
            ("reader", [json!({"*": "READ"}), json!({"*": "READ"}), json!({"*": "READ"})]),
            ("blind", [json!({"*": "WRITE", "firm": "NONE", "margin": "NONE", "goods": "NONE", "scan": "NONE", "parent": "READ"}),
                json!({"*": "WRITE"}), json!({"*": "READ"})]),
            ("firmless", [json!({"*": "WRITE", "place": "READ"}), Value::Null, json!({"*": "WRITE"})]),
            ("goodless", [json!({"title": "READ", "firm": "WRITE", "other": "READ", "goods": "READ", "owner": "WRITE"}), json!({"seat": "READ"}), Value::Null]),
            ("dealless", [Value::Null, json!({"*": "WRITE"}), json!({"*": "WRITE"})]),
        ] {
            admin.create_role(role, None).await;
            for (module, fields) in MODULES.into_iter().zip(grants) {
                if !fields.is_null() {
                    admin.set_access(role, module, json!({"create": true, "read": true, "update": true, "fields": fields})).await;
                }
            }
            let caller = server.create_user_with_role(role).await;
            let user = caller.own_id().await;
            let written_of_deals = names(&caller, "DealUpdate", "inputFields").await;
            for (module, record) in [("Deal", &deal), ("Firm", &firm), ("Good", &good)] {
                let shown = names(&caller, module, "fields").await;
                let written = names(&caller, &format!("{module}Update"), "inputFields").await;
                // Those of `history` follow the fields that it tells of.
                for field in names(&admin, module, "fields").await.into_iter().filter(|name| name != "history") {
                    let text = "query($user: ID!, $module: String!, $field: String!, $record: ID!) {
                        explainAccess(user: $user, module: $module, field: $field) { read update field { access because } }
                        whoCanSee(module: $module, field: $field, record: $record) { user { id } mayChange } }";
                    let variables = json!({"user": user, "module": module, "field": field, "record": record});
                    let answer = admin.admin_query_with(text, variables).await;
                    let told = &answer.ok()["explainAccess"]["field"];
                    // What refers to a record is changed there, whether or not the record itself may be.
                    let other_side = match (module, field.as_str()) {
                        ("Firm", "deals") => "firmId",
                        ("Deal", "parts") => "parentId",
                        _ => "",
                    };
                    // A file, and a record of one of several modules, are written by their id alone.
                    let writes = written.contains(&field)
                        || written.contains(&format!("{field}Id"))
                        || written_of_deals.contains(other_side);
                    let expected = match (shown.contains(&field), writes) {
                        (false, _) => "NONE",
                        (true, false) => "READ",
                        (true, true) => "WRITE",
                    };
                    assert_eq!(told["access"], json!(expected), "{module}.{field} for {role}: {told}");
                    assert!(!told["because"].as_array().expect("reasons").is_empty(), "{module}.{field} for {role}");
                    let seers = answer.data()["whoCanSee"].as_array().expect("users").clone();
                    let own = seers.iter().find(|seer| seer["user"]["id"] == json!(user)).map(|seer| seer["mayChange"].clone());
                    let seen = (expected != "NONE").then(|| json!(expected == "WRITE"));
                    assert_eq!(own, seen, "whoCanSee {module}.{field} for {role}");
                    asked += 1;
                }
            }
        }
        assert!(asked > 6 * 40, "{asked}");
        for (module, field) in [("Deal", "titleId"), ("Deal", "goodsId"), ("Deal", "marginId"), ("Firm", "dealsId"), ("Firm", "city"), ("Good", "firm"), ("Deal", "")] {
            let text = "query($user: ID!, $module: String!, $field: String!) { explainAccess(user: $user, module: $module, field: $field) { read } }";
            let user = admin.own_id().await;
            let answer = admin.admin_query_with(text, json!({"user": user, "module": module, "field": field})).await;
            assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["rule"], json!("unknownField"), "{module}.{field}");
        }
    }
}
