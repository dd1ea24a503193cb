//! What a workflow would do over a change that has been: told step by step, and nothing comes of it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use cardine_tests::{Answer, Client, Launch, WebhookServer, on_both_databases};
use serde_json::{Value, json};

const SIMULATION: &str = "starts error refused set steps { step place status input output error }";

async fn simulate(client: &Client, definition: &Value, record: &str, more: Value) -> Answer {
    let mut variables = json!({"definition": definition, "record": record});
    for (name, value) in more.as_object().unwrap() {
        variables[name] = value.clone();
    }
    let text = format!(
        "query($definition: JSON, $workflow: String, $record: ID!, $change: ID, $outputs: JSON) {{ simulateWorkflow(definition: $definition, \
         workflow: $workflow, record: $record, change: $change, outputs: $outputs) {{ {SIMULATION} }} }}"
    );
    client.admin_query_with(&text, variables).await
}

async fn simulated(client: &Client, definition: &Value, record: &str, more: Value) -> Value {
    simulate(client, definition, record, more).await.ok()["simulateWorkflow"].clone()
}

/// `step place status` of each step.
fn told(simulation: &Value) -> Vec<String> {
    let text = |step: &Value, key: &str| step[key].as_str().unwrap().to_owned();
    let steps = simulation["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| format!("{} {} {}", text(step, "step"), text(step, "place"), text(step, "status")))
        .collect()
}

async fn deal(admin: &Client, name: &str) -> String {
    admin.create("Opportunity", json!({"name": name, "closeDate": "2026-06-30", "amount": "100.00"})).await
}

async fn update(admin: &Client, id: &str, data: Value) {
    let text = "mutation($id: ID!, $data: OpportunityUpdate!) { updateOpportunity(id: $id, data: $data) { id } }";
    admin.query_with(text, json!({"id": id, "data": data})).await.ok();
}

/// All that a workflow could have changed.
async fn everything(admin: &Client) -> Value {
    let records = "{ opportunities(orderBy: [{id: ASC}]) { nodes { id version name nextStep stage } } tasks { totalCount } organizations { totalCount } }";
    let platform = "{ audit(first: 1000) { id } runs(first: 1000) { id } approvals { id } workflows { name } }";
    json!([admin.query(records).await.ok(), admin.admin_query(platform).await.ok()])
}

fn on_won(steps: Value) -> Value {
    json!({"name": "try", "module": "Opportunity", "status": "DRAFT", "steps": steps,
        "trigger": {"on": ["UPDATED"], "changed": ["stage"], "when": "stage == \"CLOSED_WON\" && old.stage != stage"}})
}

on_both_databases! {
    async fn every_step_is_gone_through_and_nothing_comes_of_it(backend: Backend) {
        let outside = WebhookServer::start().await;
        let server = Launch::new(backend).arguments(["--inner-host", outside.address()]).start().await;
        let admin = server.admin().await;
        let definition = on_won(json!([
            {"id": "find", "find": {"module": "Opportunity", "filter": {"name": {"startsWith": "Al"}}, "fields": ["name"]}},
            {"id": "tell", "webhook": {"url": format!("http://{}/{{{{ name }}}}", outside.address()), "body": {"was": "{{ old.stage }}"}}},
            {"id": "ask", "approve": {"by": {"role": "sales-manager"}, "question": "A discount for {{ name }}?"}},
            {"id": "way", "branch": {"cases": [{"when": "steps.ask.output.approved", "steps": [
                {"id": "make", "create": {"module": "Organization", "set": {"name": "{{ text(steps.tell.output.body.name) }}"}}},
                {"id": "name", "update": {"module": "Organization", "record": "{{ steps.make.output.id }}", "set": {"name": "Other"}}}]}],
                "otherwise": [{"id": "no", "wait": {"for": "P30D"}}]}},
            {"id": "each", "forEach": {"in": "{{ steps.find.output.nodes }}", "as": "one", "steps": [
                {"id": "note", "update": {"record": "{{ one.id }}", "set": {"nextStep": "{{ one.name }} beside {{ name }}"}}}]}},
            {"id": "call", "when": "amount > 1000", "assignTask": {"to": "{{ ownerId }}", "subject": "Call"}},
            {"id": "wrong", "onError": "CONTINUE", "update": {"set": {"name": "{{ leadSource }}"}}},
            {"id": "last", "update": {"set": {"name": "{{ leadSource }}"}}},
            {"id": "never", "update": {"set": {"nextStep": "x"}}}]));
        let (alba, _) = (deal(&admin, "Alba").await, deal(&admin, "Aldo").await);
        update(&admin, &alba, json!({"stage": "CLOSED_WON"})).await;
        let before = everything(&admin).await;
        let outputs = json!({"ask": {"approved": true}, "tell": {"status": 200, "body": {"name": "Ferrero"}}});
        let simulation = simulated(&admin, &definition, &alba, json!({"outputs": outputs})).await;
        assert_eq!(told(&simulation), ["find  DONE", "tell  SIMULATED", "ask  SIMULATED", "way  DONE", "make  SIMULATED", "name  SIMULATED", "each  DONE",
            "note 0 SIMULATED", "note 1 SIMULATED", "call  SKIPPED", "wrong  FAILED", "last  FAILED"], "{simulation:#}");
        let steps = &simulation["steps"];
        assert_eq!((&steps[1]["input"]["body"], &steps[2]["input"]["question"]), (&json!({"was": "PROSPECTING"}), &json!("A discount for Alba?")));
        assert_eq!((&steps[4]["input"], &steps[4]["output"]["id"]), (&json!({"name": "Ferrero"}), &steps[5]["output"]["id"]));
        assert!(steps[8]["input"]["nextStep"].as_str().unwrap().ends_with(" beside Alba"), "{simulation:#}");
        // The rules of the field, asked as a write would ask them.
        assert!(simulation["error"].as_str().unwrap().starts_with("VALIDATION_FAILED"), "{simulation:#}");
        // The other way, and nothing at all of what was gone through.
        let simulation = simulated(&admin, &definition, &alba, json!({})).await;
        assert!(told(&simulation).contains(&"no  DONE".to_owned()), "{simulation:#}");
        assert_eq!(everything(&admin).await, before);
        assert!(outside.requests().is_empty());
    }

    async fn the_change_is_judged_as_it_was(server: Server) {
        let admin = server.admin().await;
        let definition = on_won(json!([{"id": "note", "update": {"set": {"nextStep": "{{ old.stage }} to {{ stage }} worth {{ amount }}"}}}]));
        let id = deal(&admin, "Alba").await;
        update(&admin, &id, json!({"stage": "CLOSED_WON"})).await;
        update(&admin, &id, json!({"amount": "5.00"})).await;
        // The newest change is another one.
        assert_eq!(simulated(&admin, &definition, &id, json!({})).await["starts"], false);
        let answer = admin.admin_query_with("query($record: ID) { audit(filter: {recordId: $record}) { id action changes } }", json!({"record": id})).await;
        let entries = answer.ok()["audit"].as_array().unwrap().clone();
        assert_eq!(entries.len(), 3, "{entries:#?}");
        let simulation = simulated(&admin, &definition, &id, json!({"change": entries[1]["id"]})).await;
        assert_eq!((&simulation["starts"], &simulation["steps"][0]["input"]), (&json!(true), &json!({"nextStep": "PROSPECTING to CLOSED_WON worth 100"})));
        assert_eq!(simulated(&admin, &definition, &id, json!({"change": entries[2]["id"]})).await["starts"], false, "it was made then");
        // The saved one, by its name.
        admin.save_workflow(definition.clone()).await.ok();
        let saved = simulated(&admin, &Value::Null, &id, json!({"workflow": "try", "change": entries[1]["id"]})).await;
        assert_eq!(saved, simulation);
        // Inside the write: what it sets, or why it refuses.
        let inside = |step: Value| json!({"name": "inside", "module": "Opportunity", "timing": "BEFORE_COMMIT", "trigger": {"on": ["UPDATED"]}, "steps": [step]});
        let set = simulated(&admin, &inside(json!({"id": "set", "update": {"set": {"probability": 7}}})), &id, json!({})).await;
        assert_eq!((&set["set"], &set["refused"]), (&json!({"probability": "7"}), &Value::Null), "{set:#}");
        let refused = simulated(&admin, &inside(json!({"id": "no", "refuse": {"message": "Not {{ name }}"}})), &id, json!({})).await;
        assert_eq!((&refused["set"], &refused["refused"]), (&Value::Null, &json!("Not Alba")), "{refused:#}");
    }

    async fn it_has_the_rights_that_a_run_would_have_and_is_for_administrators(server: Server) {
        let admin = server.admin().await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Opportunity", json!({"read": true, "update": true, "fields": {"*": "WRITE", "amount": "NONE"}})).await;
        let id = deal(&admin, "Alba").await;
        update(&admin, &id, json!({"stage": "CLOSED_WON"})).await;
        let mut definition = on_won(json!([{"id": "note", "update": {"set": {"nextStep": "{{ amount }}"}}}]));
        definition["runAs"] = json!({"role": "clerk"});
        let simulation = simulated(&admin, &definition, &id, json!({})).await;
        assert!(simulation["error"].as_str().unwrap().starts_with("FORBIDDEN"), "{simulation:#}");
        let clerk = server.create_user_with_role("clerk").await;
        let told = simulate(&clerk, &definition, &id, json!({})).await;
        assert!(told.data()["simulateWorkflow"].is_null() && !told.errors().is_empty(), "{told}");
        // What is wrong is told where it stands.
        let nothing = on_won(json!([{"id": "note", "update": {"set": {"nothing": 1}}}]));
        let answer = simulate(&admin, &nothing, &id, json!({})).await;
        assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["definition", "steps", 0, "update", "set", "nothing"]));
        let by_clock = json!({"name": "clock", "trigger": {"schedule": {"cron": "0 0 * * *"}}, "steps": [{"id": "w", "wait": {"for": "PT0S"}}]});
        let answer = simulate(&admin, &by_clock, &id, json!({})).await;
        assert_eq!(answer.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["definition", "trigger"]));
        let none = "01890a5d-ac96-774b-bcce-b302099a8057";
        simulate(&admin, &definition, none, json!({})).await.refused("NOT_FOUND");
        simulate(&admin, &definition, &id, json!({"change": none})).await.refused("NOT_FOUND");
        simulate(&admin, &Value::Null, &id, json!({"workflow": "none"})).await.refused("NOT_FOUND");
        simulate(&admin, &Value::Null, &id, json!({})).await.refused("VALIDATION_FAILED");
        simulate(&admin, &definition, &id, json!({"outputs": []})).await.refused("VALIDATION_FAILED");
    }
}
