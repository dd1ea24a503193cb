//! Points about what comes after a sale: S03, S10, S24, S33, S41.

use cardine_tests::document::blocks_of;
use cardine_tests::{eventually, on_both_databases};
use serde_json::{Value, json};

on_both_databases! {
    async fn s03_what_a_contract_has_left_is_computed_from_closed_tickets(server: Server) {
        let admin = server.admin().await;
        let customer = admin.create("Organization", json!({"name": "Officine Rossi"})).await;
        let product = admin.create("Product", json!({"name": "Controller"})).await;
        let contract = admin.create("ServiceContract", json!({"subject": "Yearly", "customerId": customer, "trackingUnit": "HOURS", "totalUnits": 40})).await;
        let tickets = admin.create_many("Ticket", [("CLOSED", "3.5"), ("CLOSED", "2.5"), ("OPEN", "9")].map(|(status, hours)| json!({
            "title": "Broken", "status": status, "hours": hours, "organizationId": customer, "serviceContractId": contract,
        }))).await;
        admin.create("Asset", json!({"name": "C7", "productId": product, "serialNumber": "7", "organizationId": customer, "dateSold": "2026-01-01", "dateInService": "2026-01-02", "tickets": {"connect": [tickets[0]]}})).await;
        let used = async || admin.query("{ serviceContracts { nodes { usedUnits progress tickets { totalCount } } } assets { nodes { ticketCount } } }").await.ok().clone();
        assert_eq!(used().await, json!({"serviceContracts": {"nodes": [{"usedUnits": "6.00", "progress": "15.00", "tickets": {"totalCount": 3}}]}, "assets": {"nodes": [{"ticketCount": 1}]}}));
        // Closed and opened again, it is as if it had never been closed.
        for (status, units) in [("CLOSED", "15.00"), ("OPEN", "6.00"), ("CLOSED", "15.00")] {
            let text = format!("mutation($id: ID!) {{ updateTicket(id: $id, data: {{status: {status}}}) {{ id }} }}");
            admin.query_with(&text, json!({"id": tickets[2]})).await.ok();
            assert_eq!(used().await["serviceContracts"]["nodes"][0]["usedUnits"], units, "{status}");
        }
        admin.query_with("mutation($id: ID!) { updateServiceContract(id: $id, data: {trackingUnit: INCIDENTS}) { usedUnits } }", json!({"id": contract})).await.ok();
        assert_eq!(used().await["serviceContracts"]["nodes"][0]["usedUnits"], "3.00");
    }

    async fn s24_a_customers_reply_opens_a_ticket_again(server: Server) {
        let admin = server.admin().await;
        let block = blocks_of("docs/workflows.md").into_iter().find(|block| block.info == "json reopen").expect("a block");
        let workflow: Value = serde_json::from_str(&block.text).expect("JSON");
        admin.save_workflow(workflow).await.ok();
        let agent = server.create_user_with_role("support-agent").await;
        let customer = admin.create("Contact", json!({"lastName": "Rossi"})).await;
        let [ticket, other] = [json!("CLOSED"), json!("CLOSED")].map(|status| json!({"title": "Broken", "status": status}));
        let (ticket, other) = (agent.create("Ticket", ticket).await, agent.create("Ticket", other).await);
        // Neither what colleagues say, nor what the customer is not meant to see.
        agent.create("Comment", json!({"recordId": ticket, "content": "It was the fuse."})).await;
        admin.create("Comment", json!({"recordId": ticket, "content": "Noted on the telephone", "customerId": customer, "isPrivate": true})).await;
        admin.create("Comment", json!({"recordId": ticket, "content": "It is broken again.", "customerId": customer})).await;
        let read = async || agent.query("{ tickets(orderBy: [{id: ASC}]) { nodes { id status resolvedAt } } }").await.ok()["tickets"]["nodes"].clone();
        let reopened = eventually("the ticket is open", || async { Some(read().await).filter(|tickets| tickets[0]["status"] == "OPEN") }).await;
        assert_eq!((&reopened[0]["id"], &reopened[0]["resolvedAt"]), (&json!(ticket), &Value::Null));
        assert_eq!((&reopened[1]["id"], &reopened[1]["status"]), (&json!(other), &json!("CLOSED")));
        let runs = admin.admin_query("{ runs(first: 10, workflow: \"reopen-tickets\") { id } }").await;
        assert_eq!(runs.ok()["runs"].as_array().map(Vec::len), Some(1));
    }

    async fn s41_tickets_are_answered_and_solved_in_time_by_their_service_level(server: Server) {
        let admin = server.admin().await;
        let day = json!([["00:00", "24:00"]]);
        let calendar = admin.create("WorkingCalendar", json!({"name": "Always", "timeZone": "UTC", "weekdays": {"1": day, "2": day, "3": day, "4": day, "5": day, "6": day, "7": day}})).await;
        let gold = admin.create("SlaPolicy", json!({"name": "Gold", "isDefault": true, "calendarId": calendar, "targets": {"create": [
            {"priority": "NORMAL", "firstResponseMinutes": 240, "resolutionMinutes": 2880}, {"priority": "URGENT", "firstResponseMinutes": 30, "resolutionMinutes": 480}]}})).await;
        let over = admin.create("SlaPolicy", json!({"name": "Over", "isDefault": true, "endDate": "2020-01-01", "targets": {"create": [{"priority": "NORMAL", "firstResponseMinutes": 1, "resolutionMinutes": 1}]}})).await;
        let agent = server.create_user_with_role("support-agent").await;
        let ticket = agent.create("Ticket", json!({"title": "Broken"})).await;
        let shown = "id slaPolicyId createdAt responseDueAt responseRunningSince resolutionDueAt resolutionRunningSince";
        let read = async || agent.query_with(&format!("query($id: ID!) {{ ticket(id: $id) {{ {shown} }} }}"), json!({"id": ticket})).await.ok()["ticket"].clone();
        let update = async |data: &str| {
            agent.query_with(&format!("mutation($id: ID!) {{ updateTicket(id: $id, data: {{{data}}}) {{ id }} }}"), json!({"id": ticket})).await.ok();
            read().await
        };
        let later = |at: &serde_json::Value, minutes: i64| {
            let at: chrono::DateTime<chrono::Utc> = at.as_str().expect("an instant").parse().expect("an instant");
            json!((at + chrono::TimeDelta::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
        };
        let opened = read().await;
        assert_eq!((&opened["slaPolicyId"], &opened["responseDueAt"], &opened["resolutionDueAt"]), (&json!(gold), &later(&opened["createdAt"], 240), &later(&opened["createdAt"], 2880)));
        let urgent = update("priority: URGENT").await;
        assert_eq!((&urgent["responseDueAt"], &urgent["resolutionDueAt"]), (&later(&opened["createdAt"], 30), &later(&opened["createdAt"], 480)));
        let asked = update("status: WAIT_FOR_RESPONSE, firstRespondedAt: \"2026-01-01T00:00:00Z\"").await;
        assert_eq!((&asked["responseDueAt"], &asked["responseRunningSince"], &asked["resolutionDueAt"]), (&urgent["responseDueAt"], &json!(null), &json!(null)));
        let again = update("status: IN_PROGRESS").await;
        assert!(again["resolutionDueAt"].as_str() > urgent["resolutionDueAt"].as_str() && again["responseRunningSince"].is_null(), "{again}");
        let closed = update("status: CLOSED").await;
        assert_eq!((&closed["resolutionDueAt"], &closed["resolutionRunningSince"]), (&again["resolutionDueAt"], &json!(null)));
        let due = "{ tickets(filter: {resolutionDueAt: {isNull: false}}, orderBy: [{resolutionDueAt: ASC}]) { nodes { id } } }";
        assert_eq!(agent.query(due).await.ok()["tickets"]["nodes"], json!([{"id": ticket}]));
        // One that is over gives no time.
        let late = agent.create("Ticket", json!({"title": "Old", "slaPolicyId": over})).await;
        let answer = agent.query_with("query($id: ID!) { ticket(id: $id) { resolutionDueAt } }", json!({"id": late})).await;
        assert_eq!(answer.ok()["ticket"]["resolutionDueAt"], json!(null));
    }

    async fn s10_work_after_the_sale_is_summed_by_customer(server: Server) {
        let admin = server.admin().await;
        let ids = admin.create_many("Organization", ["a", "b"].map(|name| json!({"name": name}))).await;
        admin.create_many("Ticket", [(0, "1.5"), (0, "2"), (1, "4")].map(|(customer, hours)| json!({"title": "T", "status": "CLOSED", "hours": hours, "organizationId": ids[customer]}))).await;
        let answer = admin.query("{ ticketGroups(groupBy: [{organization: {name: true}}]) { key { organization { name } } count sum { hours } } }").await;
        assert_eq!(answer.ok()["ticketGroups"], json!([
            {"key": {"organization": {"name": "a"}}, "count": 2, "sum": {"hours": "3.50"}}, {"key": {"organization": {"name": "b"}}, "count": 1, "sum": {"hours": "4.00"}},
        ]));
    }

    async fn s33_interventions_are_events_of_tickets(server: Server) {
        let agent = server.create_user_with_role("support-agent").await;
        let ticket = agent.create("Ticket", json!({"title": "Broken", "status": "OPEN"})).await;
        agent.create("Event", json!({"subject": "Visit", "type": "MEETING", "parentId": ticket, "location": "Via Emilia 1, Modena", "startAt": "2026-03-02T08:00:00Z", "endAt": "2026-03-02T10:00:00Z"})).await;
        let busy = "{ events(filter: {startAt: {lt: \"2026-03-02T09:00:00Z\"}, endAt: {gt: \"2026-03-02T09:00:00Z\"}}) { nodes { subject location parent { ... on Ticket { title } } } } }";
        assert_eq!(agent.query(busy).await.ok()["events"]["nodes"], json!([{"subject": "Visit", "location": "Via Emilia 1, Modena", "parent": {"title": "Broken"}}]));
        let backwards = "mutation { createEvent(data: {subject: \"x\", type: CALL, startAt: \"2026-03-02T10:00:00Z\", endAt: \"2026-03-02T09:00:00Z\"}) { id } }";
        agent.query(backwards).await.refused("VALIDATION_FAILED");
    }
}
