//! Fields that need a value where a rule says so, and choices whose options depend on another's value.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn claims() -> Value {
    json!({"name": "Claim", "plural": "Claims", "fields": [
        {"name": "code", "type": "text", "unique": true},
        {"name": "kind", "type": "choice", "options": [{"value": "DAMAGE"}, {"value": "DELAY"}, {"value": "NONE"}]},
        {"name": "reason", "type": "choice", "dependsOn": "kind", "options": [
            {"value": "BROKEN", "for": ["DAMAGE"]}, {"value": "WET", "for": ["DAMAGE", "NONE"]}, {"value": "STRIKE", "for": ["DELAY"]}, {"value": "OTHER"}]},
        {"name": "amount", "type": "money"},
        {"name": "explanation", "type": "text", "requiredIf": "reason == \"OTHER\" || amount > 100"},
        {"name": "place", "type": "address", "requiredIf": "kind == \"DAMAGE\""},
        {"name": "payer", "type": "reference", "to": "Contact", "requiredIf": "amount != null"},
        {"name": "tags", "type": "multiChoice", "options": [{"value": "A"}], "requiredIf": "code == \"tagged\""},
        {"name": "mother", "type": "reference", "to": "Claim", "inverse": "daughters"},
    ]})
}

async fn prepare(server: &Server) -> (Client, String) {
    let admin = server.admin().await;
    admin.create_module(claims()).await.ok();
    let contact = admin.create("Contact", json!({"lastName": "Bianchi"})).await;
    (admin, contact)
}

async fn create(client: &Client, data: Value) -> Answer {
    client.query_with("mutation($data: ClaimCreate!) { createClaim(data: $data) { id } }", json!({"data": data})).await
}

/// Each issue as `rule path`.
fn told(answer: &Answer) -> Vec<String> {
    answer.refused("VALIDATION_FAILED");
    let issues = answer.issues();
    issues.iter().map(|issue| format!("{} {}", issue["rule"].as_str().expect("a rule"), issue["path"])).collect()
}

on_both_databases! {
    async fn a_value_is_asked_for_where_the_rule_is_true(server: Server) {
        let (admin, payer) = prepare(&server).await;
        create(&admin, json!({})).await.ok();
        create(&admin, json!({"reason": "OTHER", "explanation": "none of these"})).await.ok();
        assert_eq!(told(&create(&admin, json!({"reason": "OTHER"})).await), [r#"required ["data","explanation"]"#]);
        // A form that was sent empty gives no value; nor does an address of spaces.
        for blank in ["", " ", "\n\u{a0}"] {
            assert_eq!(told(&create(&admin, json!({"reason": "OTHER", "explanation": blank})).await), [r#"required ["data","explanation"]"#], "{blank:?}");
            create(&admin, json!({"explanation": blank})).await.ok();
            let damage = create(&admin, json!({"kind": "DAMAGE", "place": {"city": blank}})).await;
            assert_eq!(told(&damage), [r#"required ["data","place"]"#], "{blank:?}");
        }
        assert_eq!(told(&create(&admin, json!({"amount": "101", "kind": "DAMAGE"})).await), [
            r#"required ["data","explanation"]"#, r#"required ["data","place"]"#, r#"required ["data","payerId"]"#]);
        create(&admin, json!({"amount": "100", "kind": "DAMAGE", "place": {"city": "Milano"}, "payerId": payer})).await.ok();
        assert_eq!(told(&create(&admin, json!({"code": "tagged"})).await), [r#"required ["data","tags"]"#]);
        // In what becomes of a record, in one inside another, in many, and in those of a filter.
        let id = admin.create("Claim", json!({"code": "one", "explanation": "x", "reason": "OTHER"})).await;
        let update = "mutation($id: ID!, $data: ClaimUpdate!) { updateClaim(id: $id, data: $data) { id } }";
        assert_eq!(told(&admin.query_with(update, json!({"id": id, "data": {"explanation": null}})).await), [r#"required ["data","explanation"]"#]);
        admin.query_with(update, json!({"id": id, "data": {"explanation": null, "reason": null}})).await.ok();
        let nested = create(&admin, json!({"daughters": {"create": [{}, {"reason": "OTHER"}]}})).await;
        assert_eq!(told(&nested), [r#"required ["data","daughters","create",1,"explanation"]"#]);
        let text = "mutation($data: [ClaimCreate!]!) { createClaims(data: $data) { id } }";
        let many = admin.query_with(text, json!({"data": [{}, {"kind": "DAMAGE"}, {"reason": "OTHER"}]})).await;
        assert_eq!(told(&many), [r#"required ["data",1,"place"]"#, r#"required ["data",2,"explanation"]"#]);
        let text = "mutation { updateClaims(filter: {code: {eq: \"one\"}}, data: {reason: OTHER}) { count } }";
        assert_eq!(told(&admin.query(text).await), [r#"required ["data","explanation"]"#]);
        let text = "mutation { upsertClaim(match: {code: \"one\"}, data: {reason: OTHER}) { id } }";
        assert_eq!(told(&admin.query(text).await), [r#"required ["data","explanation"]"#]);
    }

    async fn an_option_goes_with_the_value_that_it_is_for(server: Server) {
        let (admin, _) = prepare(&server).await;
        let place = json!({"city": "Roma"});
        for (kind, reason, fits) in [
            (json!("DAMAGE"), "BROKEN", true), (json!("DAMAGE"), "WET", true), (json!("DAMAGE"), "STRIKE", false), (json!("DELAY"), "STRIKE", true),
            (json!("DELAY"), "WET", false), (json!("NONE"), "WET", true), (json!("NONE"), "BROKEN", false), (json!("DELAY"), "OTHER", true),
            (Value::Null, "BROKEN", false), (Value::Null, "OTHER", true),
        ] {
            let answer = create(&admin, json!({"kind": kind, "reason": reason, "explanation": "x", "place": place})).await;
            if fits { answer.ok(); } else { assert_eq!(told(&answer), [r#"dependsOn ["data","reason"]"#], "{kind} {reason}"); }
        }
        // Also where the other one changes.
        let id = admin.create("Claim", json!({"kind": "DELAY", "reason": "STRIKE"})).await;
        let update = "mutation($id: ID!, $data: ClaimUpdate!) { updateClaim(id: $id, data: $data) { id } }";
        assert_eq!(told(&admin.query_with(update, json!({"id": id, "data": {"kind": "NONE"}})).await), [r#"dependsOn ["data","reason"]"#]);
        admin.query_with(update, json!({"id": id, "data": {"kind": "NONE", "reason": "WET"}})).await.ok();
        admin.query_with(update, json!({"id": id, "data": {"kind": "DELAY", "reason": null}})).await.ok();
        // Who may not read the other one learns of its own field alone.
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Claim", json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "kind": "NONE"}})).await;
        admin.create_user("clerk@example.org", "a long enough pass phrase", "clerk").await;
        let clerk = server.sign_in("clerk@example.org", "a long enough pass phrase").await;
        assert_eq!(told(&create(&clerk, json!({"reason": "STRIKE"})).await), [r#"dependsOn ["data","reason"]"#]);
    }

    async fn conditions_follow_their_fields(server: Server) {
        let (admin, payer) = prepare(&server).await;
        admin.change("renameField", json!({"module": "Claim", "name": "kind", "to": "sort"})).await.ok();
        admin.change("renameField", json!({"module": "Claim", "name": "amount", "to": "sum"})).await.ok();
        let answer = admin.admin_query("{ module(name: \"Claim\") { definition } }").await;
        let fields = answer.ok()["module"]["definition"]["fields"].clone();
        assert_eq!((&fields[2]["dependsOn"], &fields[4]["requiredIf"]), (&json!("sort"), &json!("reason == \"OTHER\" || sum > 100")));
        assert_eq!(fields[2]["options"][1]["for"], json!(["DAMAGE", "NONE"]));
        assert_eq!(told(&create(&admin, json!({"reason": "BROKEN"})).await), [r#"dependsOn ["data","reason"]"#]);
        let refused = admin.change("retireField", json!({"module": "Claim", "name": "sort"})).await;
        refused.refused("VALIDATION_FAILED");
        assert!(refused.text.contains("dependsOn of Claim.reason") && refused.text.contains("requiredIf of Claim.place"), "{refused}");
        admin.change("retireField", json!({"module": "Claim", "name": "sort", "force": true})).await.ok();
        create(&admin, json!({"reason": "BROKEN"})).await.ok();
        admin.change("retireField", json!({"module": "Claim", "name": "reason", "force": true})).await.ok();
        // Of the explanation nothing is asked any more, of the payer it is.
        create(&admin, json!({"sum": "1000", "payerId": payer})).await.ok();
        assert_eq!(told(&create(&admin, json!({"sum": "1000"})).await), [r#"required ["data","payerId"]"#]);

        for (field, path) in [
            (json!({"name": "new", "type": "text", "required": true, "requiredIf": "sum > 1", "default": "x"}), json!(["field", "requiredIf"])),
            (json!({"name": "new", "type": "text", "requiredIf": "sum + 1"}), json!(["field", "requiredIf"])),
            (json!({"name": "new", "type": "text", "requiredIf": "summ > 1"}), json!(["field", "requiredIf"])),
            (json!({"name": "new", "type": "text", "dependsOn": "sum"}), json!(["field", "dependsOn"])),
            (json!({"name": "new", "type": "choice", "dependsOn": "sum", "options": [{"value": "A"}]}), json!(["field", "dependsOn"])),
            (json!({"name": "new", "type": "choice", "dependsOn": "new", "options": [{"value": "A"}]}), json!(["field", "dependsOn"])),
            (json!({"name": "new", "type": "choice", "options": [{"value": "A", "for": ["B"]}]}), json!(["field", "options", 0, "for"])),
        ] {
            let refused = admin.add_field("Claim", field.clone()).await;
            refused.refused("VALIDATION_FAILED");
            assert!(refused.issues().iter().any(|issue| issue["path"] == path), "{field}: {refused}");
        }
    }
}
