//! Workflows inside the write: they change what is written, or refuse it, whoever writes and by whatever way.

use cardine_tests::{Answer, Client, on_both_databases};
use serde_json::{Value, json};

async fn save(admin: &Client, name: &str, trigger: Value, steps: Value) -> Answer {
    let document =
        json!({"name": name, "module": "Deal", "timing": "BEFORE_COMMIT", "trigger": trigger, "steps": steps});
    admin.save_workflow(document).await
}

async fn deal(client: &Client, data: Value) -> Answer {
    let text = "mutation($data: DealCreate!) { createDeal(data: $data) { id title band amount version } }";
    client.query_with(text, json!({"data": data})).await
}

async fn update(client: &Client, id: &Value, data: Value) -> Answer {
    let text =
        "mutation($id: ID!, $data: DealUpdate!) { updateDeal(id: $id, data: $data) { id title band amount version } }";
    client.query_with(text, json!({"id": id, "data": data})).await
}

/// `path: message` of every issue.
fn issues(answer: &Answer) -> Vec<String> {
    let path = |issue: &Value| {
        issue["path"]
            .as_array()
            .map_or(String::new(), |path| path.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("."))
    };
    answer
        .issues()
        .iter()
        .map(|issue| format!("{}: {}", path(issue), issue["message"].as_str().unwrap_or_default()))
        .collect()
}

async fn deals(admin: &Client) {
    let deal = json!({"name": "Deal", "plural": "Deals", "fields": [{"name": "title", "type": "text", "maxLength": 40}, {"name": "amount", "type": "decimal"},
        {"name": "band", "type": "text", "maxLength": 5}, {"name": "secret", "type": "text"}]});
    admin.create_module(deal).await.ok();
}

const BANDS: &str = r#"[{"id": "which", "branch": {"cases": [{"when": "amount >= 1000", "steps": [{"id": "large", "update": {"set": {"band": "LARGE"}}}]}],
    "otherwise": [{"id": "small", "update": {"set": {"band": "SMALL"}}}]}}]"#;

on_both_databases! {
    async fn what_is_written_is_changed_in_the_same_write(server: Server) {
        let admin = server.admin().await;
        deals(&admin).await;
        save(&admin, "bands", json!({"on": ["CREATED", "UPDATED"], "changed": ["amount"]}), serde_json::from_str(BANDS).expect("JSON")).await.ok();
        // The next one, by its name, sees what the one before left.
        save(&admin, "named", json!({"on": ["CREATED"]}), json!([
            {"id": "name", "when": "title == null", "update": {"set": {"title": "{{ band }} of {{ amount }}"}}}])).await.ok();
        let made = deal(&admin, json!({"amount": "1500"})).await.ok()["createDeal"].clone();
        assert_eq!((&made["title"], &made["band"], &made["version"]), (&json!("LARGE of 1500"), &json!("LARGE"), &json!(1)));
        let changed = update(&admin, &made["id"], json!({"amount": "5"})).await.ok()["updateDeal"].clone();
        assert_eq!((&changed["band"], &changed["version"]), (&json!("SMALL"), &json!(2)), "one write, one version");
        update(&admin, &made["id"], json!({"band": "OWN"})).await.ok();
        let kept = update(&admin, &made["id"], json!({"title": "x"})).await.ok()["updateDeal"].clone();
        assert_eq!(kept["band"], "OWN", "the trigger is about `amount` alone");
        // By every other way too: many at once, by a filter, inside another, upserted.
        let many = admin.query("mutation { createDeals(data: [{amount: \"1\"}, {amount: \"2000\"}]) { band } }").await;
        assert_eq!(many.ok()["createDeals"], json!([{"band": "SMALL"}, {"band": "LARGE"}]));
        admin.query("mutation { updateDeals(filter: {amount: {gte: \"0\"}}, data: {amount: \"3000\"}) { count } }").await.ok();
        let all = admin.query("{ dealGroups(groupBy: [{band: true}]) { key { band } count } }").await;
        assert_eq!(all.ok()["dealGroups"], json!([{"key": {"band": "LARGE"}, "count": 3}]));
        let history = admin.query_with("query($id: ID!) { deal(id: $id) { history(first: 1) { nodes { changes { field new } } } } }", json!({"id": made["id"]})).await;
        let changes = history.ok()["deal"]["history"]["nodes"][0]["changes"].to_string();
        assert!(changes.contains("LARGE") && changes.contains("3000"), "{changes}");
        // It has no runs.
        assert_eq!(admin.admin_query("{ runs { id } }").await.ok()["runs"], json!([]));
    }

    async fn the_manuals_example_is_saved_and_done(server: Server) {
        let admin = server.admin().await;
        let blocks = cardine_tests::document::blocks_of("docs/workflows.md");
        let block = blocks.iter().find(|block| block.info == "json before-commit").expect("the manual has such a block");
        admin.save_workflow(serde_json::from_str(&block.text).expect("JSON")).await.ok();
        let create = "mutation($data: OpportunityCreate!) { createOpportunity(data: $data) { probability } }";
        let mut data = json!({"name": "Alba", "closeDate": "2026-06-30", "stage": "CLOSED_LOST", "probability": "40"});
        let answer = admin.query_with(create, json!({"data": data})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(issues(&answer), ["data.nextStep: Say in the next step why Alba was lost"]);
        data["nextStep"] = json!("Too dear");
        assert_eq!(admin.query_with(create, json!({"data": data})).await.ok()["createOpportunity"]["probability"], "0.00");
    }

    async fn a_write_is_refused_whole(server: Server) {
        let admin = server.admin().await;
        deals(&admin).await;
        save(&admin, "limit", json!({"on": ["UPDATED", "CREATED"], "when": "amount > 100"}), json!([
            {"id": "no", "when": "title != \"allowed\"", "refuse": {"message": "{{ title }} is worth too much", "fields": ["amount"]}}])).await.ok();
        save(&admin, "stays", json!({"on": ["DELETED"], "when": "title == \"keep\""}), json!([
            {"id": "no", "refuse": {"message": "this one stays"}}])).await.ok();
        let refused = deal(&admin, json!({"title": "Alba", "amount": "101"})).await;
        refused.refused("VALIDATION_FAILED");
        assert_eq!(issues(&refused), ["data.amount: Alba is worth too much"]);
        deal(&admin, json!({"title": "allowed", "amount": "101"})).await.ok();
        let kept = deal(&admin, json!({"title": "keep", "amount": "1"})).await.ok()["createDeal"]["id"].clone();
        update(&admin, &kept, json!({"amount": "200"})).await.refused("VALIDATION_FAILED");
        // All of an operation, or nothing.
        let both = "mutation { a: createDeal(data: {title: \"fine\", amount: \"1\"}) { id } b: createDeal(data: {title: \"not\", amount: \"1000\"}) { id } }";
        admin.query(both).await.refused("VALIDATION_FAILED");
        for mutation in ["deleteDeal(id: $id) { id }", "destroyDeal(id: $id)"] {
            let text = format!("mutation($id: ID!) {{ {mutation} }}");
            let answer = admin.query_with(&text, json!({"id": kept})).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(issues(&answer), [": this one stays"]);
        }
        assert_eq!(admin.query("{ deals(orderBy: [{title: ASC}]) { nodes { title amount } } }").await.ok()["deals"]["nodes"],
            json!([{"title": "allowed", "amount": "101.00"}, {"title": "keep", "amount": "1.00"}]));
    }

    async fn it_has_the_rights_of_its_author_and_tells_nothing_hidden(server: Server) {
        let admin = server.admin().await;
        deals(&admin).await;
        admin.create_role("clerk", None).await;
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "secret": "NONE"}});
        admin.set_access("clerk", "Deal", rights).await;
        let clerk = server.create_user_with_role("clerk").await;
        // The author may write what the caller may not even read.
        save(&admin, "mark", json!({"on": ["CREATED"]}), json!([{"id": "mark", "update": {"set": {"secret": "made by {{ title }}"}}}])).await.ok();
        let made = deal(&clerk, json!({"title": "Alba"})).await.ok()["createDeal"]["id"].clone();
        let read = admin.query_with("query($id: ID!) { deal(id: $id) { secret } }", json!({"id": made})).await;
        assert_eq!(read.ok()["deal"]["secret"], "made by Alba");
        // Whoever runs it as themselves may not, so the write is refused, and is not told why.
        let own = json!({"name": "own", "module": "Deal", "timing": "BEFORE_COMMIT", "runAs": "actor", "trigger": {"on": ["UPDATED"]},
            "steps": [{"id": "mark", "update": {"set": {"secret": "x"}}}]});
        admin.save_workflow(own.clone()).await.ok();
        let refused = update(&clerk, &made, json!({"title": "Barolo"})).await;
        refused.refused("VALIDATION_FAILED");
        assert!(!refused.to_string().contains("secret") && refused.to_string().contains("administrator"), "{refused}");
        update(&admin, &made, json!({"title": "Chianti"})).await.ok();
        let mut passed = own;
        passed["steps"][0]["onError"] = json!("CONTINUE");
        admin.save_workflow(passed).await.ok();
        update(&clerk, &made, json!({"title": "Barolo"})).await.ok();
        // A fault of a value that the caller did not give is not told at a field that they do not see.
        save(&admin, "own", json!({"on": ["UPDATED"]}), json!([{"id": "band", "update": {"set": {"band": "{{ title }}"}}}])).await.ok();
        let answer = update(&clerk, &made, json!({"title": "longer than five"})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(answer.issues()[0]["path"], json!(["data", "band"]));
        admin.set_access("clerk", "Deal", json!({"create": true, "read": true, "update": true, "fields": {"title": "WRITE", "band": "NONE"}})).await;
        let text = "mutation($id: ID!) { updateDeal(id: $id, data: {title: \"longer than five\"}) { id } }";
        let answer = clerk.query_with(text, json!({"id": made})).await;
        answer.refused("VALIDATION_FAILED");
        assert_eq!(answer.issues()[0]["path"], json!(["data"]));
        assert!(!answer.to_string().contains("band"), "{answer}");
    }

    async fn what_can_t_be_done_inside_a_write_is_refused_when_it_is_saved(server: Server) {
        let admin = server.admin().await;
        deals(&admin).await;
        let on = || json!({"on": ["UPDATED"]});
        for (trigger, steps, fault) in [
            (on(), json!([{"id": "other", "update": {"record": "{{ ownerId }}", "set": {"title": "x"}}}]), "definition.steps.0"),
            (on(), json!([{"id": "b", "branch": {"cases": [{"when": "amount > 1", "steps": [{"id": "w", "wait": {"for": "P1D"}}]}]}}]), "definition.steps.0.branch.cases.0.steps.0"),
            (on(), json!([{"id": "one", "update": {"set": {"title": "x"}}}, {"id": "two", "update": {"set": {"title": "{{ steps.one.output.id }}"}}}]), "definition.steps.1.update.set.title"),
            (on(), json!([{"id": "no", "refuse": {"message": "x", "fields": ["none"]}}]), "definition.steps.0.refuse.fields.0"),
            (json!({"on": ["DELETED"]}), json!([{"id": "one", "update": {"set": {"title": "x"}}}]), "definition.steps.0"),
        ] {
            let answer = save(&admin, "faulty", trigger, steps.clone()).await;
            answer.refused("VALIDATION_FAILED");
            let path: Vec<String> = answer.issues()[0]["path"].as_array().expect("a path").iter()
                .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned)).collect();
            assert_eq!(path.join("."), fault, "{steps}: {answer}");
        }
        for steps in [json!([{"id": "f", "find": {"module": "Deal"}}]), json!([{"id": "w", "wait": {"for": "P1D"}}])] {
            save(&admin, "faulty", on(), steps).await.refused("VALIDATION_FAILED");
        }
        save(&admin, "faulty", json!({"manual": {}}), json!([{"id": "no", "refuse": {"message": "x"}}])).await.refused("VALIDATION_FAILED");
        let late = json!({"name": "late", "module": "Deal", "trigger": on(), "steps": [{"id": "no", "refuse": {"message": "x"}}]});
        admin.save_workflow(late).await.refused("VALIDATION_FAILED");
    }
}
