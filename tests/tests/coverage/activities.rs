//! Points about tasks and appointments: S19, S20, S21, S42, S43, S44, S50.

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

fn visit(start: &str, end: &str) -> Value {
    json!({"subject": "Visit", "type": "MEETING", "startAt": start, "endAt": end})
}

async fn count(client: &Client, list: &str) -> i64 {
    let answer = client.query(&format!("{{ list: {list} {{ totalCount }} }}")).await;
    answer.ok()["list"]["totalCount"].as_i64().expect("a count")
}

on_both_databases! {
    async fn s19_a_task_is_assigned_with_a_date(server: Server) {
        let manager = server.create_user_with_role("sales-manager").await;
        let seller = server.create_user_with_role("sales-person").await;
        let task = json!({"subject": "Call", "startAt": "2026-03-01T08:00:00Z", "dueDate": "2026-03-05", "ownerId": seller.own_id().await});
        manager.create("Task", task).await;
        let mine = seller.query("{ tasks(filter: {dueDate: {lte: \"2026-03-05\"}, status: {ne: COMPLETED}}) { nodes { subject dueDate } } }").await;
        assert_eq!(mine.ok()["tasks"]["nodes"], json!([{"subject": "Call", "dueDate": "2026-03-05"}]));
    }

    async fn s20_events_have_times_zones_and_attendees(server: Server) {
        let admin = server.admin().await;
        let contact = admin.create("Contact", json!({"lastName": "Rossi"})).await;
        let mut data = visit("2026-03-29T00:30:00+01:00", "2026-03-29T03:30:00+02:00");
        data["timeZone"] = json!("Europe/Rome");
        data["attendees"] = json!({"create": [{"attendeeId": contact}, {"attendeeId": admin.own_id().await, "status": "ACCEPTED"}]});
        admin.create("Event", data).await;
        let answer = admin.query("{ events { nodes { startAt endAt timeZone attendees(orderBy: [{status: ASC}]) { nodes { status attendee { __typename } } } } } contacts { nodes { attendances { totalCount } } } }").await;
        assert_eq!(answer.ok()["events"]["nodes"][0], json!({"startAt": "2026-03-28T23:30:00.000Z", "endAt": "2026-03-29T01:30:00.000Z", "timeZone": "Europe/Rome",
            "attendees": {"nodes": [{"status": "SENT", "attendee": {"__typename": "Contact"}}, {"status": "ACCEPTED", "attendee": {"__typename": "User"}}]}}));
        assert_eq!(answer.ok()["contacts"]["nodes"][0]["attendances"]["totalCount"], 1);
    }

    async fn s20_events_and_tasks_recur_by_rules(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let mut meeting = visit("2026-01-31T10:00:00+01:00", "2026-01-31T11:00:00+01:00");
        meeting["timeZone"] = json!("Europe/Rome");
        meeting["recurrence"] = json!("FREQ=MONTHLY;RSCALE=GREGORIAN;SKIP=BACKWARD");
        meeting["exceptDays"] = json!("2026-04-30");
        seller.create("Event", meeting).await;
        seller.create("Event", visit("2026-03-31T07:00:00Z", "2026-03-31T09:00:00Z")).await;
        seller.create("Task", json!({"subject": "Report", "startAt": "2026-01-02T08:00:00Z", "dueDate": "2026-12-31", "recurrence": "FREQ=WEEKLY;BYDAY=FR;COUNT=3"})).await;
        let window = "from: \"2026-01-01T00:00:00Z\", to: \"2026-06-01T00:00:00Z\"";
        let shown = seller.query(&format!("{{ eventOccurrences({window}) {{ nodes {{ startsAt recurs title }} }} taskOccurrences({window}) {{ nodes {{ startsAt record {{ ... on Task {{ recursUntil }} }} }} }} }}")).await;
        let starts = |list: &str| {
            let nodes = shown.ok()[list]["nodes"].as_array().expect("nodes").clone();
            nodes.iter().map(|node| node["startsAt"].as_str().expect("a start")[5..16].to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(starts("eventOccurrences"), ["01-31T09:00", "02-28T09:00", "03-31T07:00", "03-31T08:00", "05-31T08:00"]);
        assert_eq!(starts("taskOccurrences"), ["01-02T08:00", "01-09T08:00", "01-16T08:00"]);
        assert_eq!(shown.ok()["taskOccurrences"]["nodes"][0]["record"]["recursUntil"], "2026-01-16T08:00:00.000Z");
        let peer = server.create_user_with_role("sales-person").await;
        let nothing = peer.query(&format!("{{ eventOccurrences({window}) {{ nodes {{ title }} }} }}")).await;
        assert_eq!(nothing.ok()["eventOccurrences"]["nodes"], json!([]));
    }

    async fn s21_calendars_are_shared_with_all_or_some_as_busy_times(server: Server) {
        let seller = server.create_user_with_role("sales-person").await;
        let (agent, peer) = (server.create_user_with_role("support-agent").await, server.create_user_with_role("sales-person").await);
        seller.create("Event", visit("2026-03-02T09:00:00Z", "2026-03-02T10:00:00Z")).await;
        let id = seller.own_id().await;
        let text = format!("{{ eventBusyTimes(users: [\"{id}\"], from: \"2026-03-02T00:00:00Z\", to: \"2026-03-03T00:00:00Z\") {{ times {{ startsAt endsAt }} }} }}");
        let share = json!({"userId": id, "mode": "SELECTED_USERS", "sharedWith": {"connect": [agent.own_id().await]}});
        let share = seller.create("CalendarShare", share).await;
        let busy = json!([{"times": [{"startsAt": "2026-03-02T09:00:00.000Z", "endsAt": "2026-03-02T10:00:00.000Z"}]}]);
        assert_eq!(agent.query(&text).await.ok()["eventBusyTimes"], busy);
        assert_eq!(peer.query(&text).await.ok()["eventBusyTimes"], json!([]));
        assert_eq!(agent.query("{ events { totalCount } }").await.ok()["events"]["totalCount"], 0);
        seller.query_with("mutation($id: ID!) { updateCalendarShare(id: $id, data: {mode: PUBLIC}) { id } }", json!({"id": share})).await.ok();
        assert_eq!(peer.query(&text).await.ok()["eventBusyTimes"], busy);
    }

    async fn s42_everybody_makes_appointments_and_tasks(server: Server) {
        for role in ["sales-manager", "sales-person", "support-agent", "marketing"] {
            let user = server.create_user_with_role(role).await;
            user.create("Event", visit("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z")).await;
            user.create("Task", json!({"subject": "Call", "startAt": "2026-03-01T08:00:00Z", "dueDate": "2026-03-05"})).await;
        }
        let refused = server.anonymous().query("mutation { createEvent(data: {}) { id } }").await;
        refused.refused("BAD_USER_INPUT");
    }

    async fn s43_superiors_see_change_and_approve_appointments_and_nobody_else_does(server: Server) {
        let manager = server.create_user_with_role("sales-manager").await;
        let (seller, peer) = (server.create_user_with_role("sales-person").await, server.create_user_with_role("sales-person").await);
        let id = seller.create("Event", visit("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z")).await;
        let write = "mutation($id: ID!, $data: EventUpdate!) { updateEvent(id: $id, data: $data) { location } }";
        assert_eq!(manager.query_with(write, json!({"id": id, "data": {"location": "Modena"}})).await.ok()["updateEvent"]["location"], "Modena");
        // Who owns it asks, and cannot answer.
        seller.query_with(write, json!({"id": id, "data": {"approvalStatus": "PENDING"}})).await.ok();
        let approve = "mutation($id: ID!) { updateEvent(id: $id, data: {approvalStatus: APPROVED}) { approvalStatus } }";
        seller.query_with(approve, json!({"id": id})).await.refused("VALIDATION_FAILED");
        assert_eq!(manager.query_with(approve, json!({"id": id})).await.ok()["updateEvent"]["approvalStatus"], "APPROVED");
        peer.query_with(approve, json!({"id": id})).await.refused("NOT_FOUND");
        assert_eq!((count(&seller, "events").await, count(&peer, "events").await), (1, 0));
    }

    async fn s44_each_edit_of_an_appointment_tells_its_author(server: Server) {
        let manager = server.create_user_with_role("sales-manager").await;
        let seller = server.create_user_with_role("sales-person").await;
        let id = seller.create("Event", visit("2026-03-01T09:00:00Z", "2026-03-01T10:00:00Z")).await;
        manager.query_with("mutation($id: ID!) { updateEvent(id: $id, data: {location: \"Modena\"}) { id } }", json!({"id": id})).await.ok();
        let text = "query($id: ID!) { event(id: $id) { history(first: 1) { nodes { actor { id } changes { field old new } } } } }";
        let told = seller.query_with(text, json!({"id": id})).await;
        let entry = json!({"actor": {"id": manager.own_id().await}, "changes": [{"field": "location", "old": null, "new": "Modena"}]});
        assert_eq!(told.ok()["event"]["history"]["nodes"], json!([entry]));
    }

    async fn s50_planned_and_past_events_are_told_apart(server: Server) {
        let admin = server.admin().await;
        for (status, day) in [("HELD", "01"), ("NOT_HELD", "02"), ("PLANNED", "20")] {
            let mut event = visit(&format!("2026-03-{day}T09:00:00Z"), &format!("2026-03-{day}T10:00:00Z"));
            event["status"] = json!(status);
            admin.create("Event", event).await;
        }
        assert_eq!(count(&admin, "events(filter: {status: {eq: PLANNED}})").await, 1);
        assert_eq!(count(&admin, "events(filter: {startAt: {lt: \"2026-03-10T00:00:00Z\"}, status: {in: [HELD, NOT_HELD]}})").await, 2);
        assert_eq!(count(&admin, "events(filter: {startAt: {gte: \"2026-03-10T00:00:00Z\"}})").await, 1);
    }
}
