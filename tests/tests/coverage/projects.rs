//! Points about projects: S23 and S34.

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

async fn project(admin: &Client) -> String {
    let project = admin
        .create(
            "Project",
            json!({"name": "Line 3", "startDate": "2026-01-01", "targetBudget": "3000", "hourlyRate": "50"}),
        )
        .await;
    let milestone =
        admin.create("ProjectMilestone", json!({"name": "Drawings", "projectId": project, "date": "2026-02-01"})).await;
    let task = |name: &str, hours: i64, progress: i64, spent: Value| json!({"name": name, "projectId": project, "milestoneId": milestone, "hours": hours, "progress": progress, "spentHours": spent});
    let first = admin.create("ProjectTask", task("Draw", 10, 100, json!("12"))).await;
    let mut second = task("Build", 30, 50, json!("20"));
    second["predecessors"] = json!({"connect": [first]});
    admin.create("ProjectTask", second).await;
    project
}

on_both_databases! {
    async fn s23_progress_is_computed_from_tasks_by_their_hours(server: Server) {
        let admin = server.admin().await;
        let id = project(&admin).await;
        let text = "query($id: ID!) { project(id: $id) { plannedHours computedProgress milestones { nodes { name projectTasks { totalCount } } }
            projectTasks(orderBy: [{name: ASC}]) { nodes { name predecessors { nodes { name } } successors { nodes { name } } } } } }";
        let answer = admin.query_with(text, json!({"id": id})).await;
        assert_eq!(answer.ok()["project"], json!({
            "plannedHours": "40.00", "computedProgress": "62.50", "milestones": {"nodes": [{"name": "Drawings", "projectTasks": {"totalCount": 2}}]},
            "projectTasks": {"nodes": [
                {"name": "Build", "predecessors": {"nodes": [{"name": "Draw"}]}, "successors": {"nodes": []}},
                {"name": "Draw", "predecessors": {"nodes": []}, "successors": {"nodes": [{"name": "Build"}]}},
            ]},
        }));
        let empty = admin.create("Project", json!({"name": "Nothing yet"})).await;
        let nothing = admin.query_with("query($id: ID!) { project(id: $id) { computedProgress } }", json!({"id": empty})).await;
        assert_eq!(nothing.ok()["project"]["computedProgress"], Value::Null);
        let backwards = "mutation($id: ID!) { updateProject(id: $id, data: {targetEndDate: \"2025-12-31\"}) { id } }";
        admin.query_with(backwards, json!({"id": id})).await.refused("VALIDATION_FAILED");
    }

    async fn s34_hours_and_cost_stand_against_the_budget(server: Server) {
        let admin = server.admin().await;
        let id = project(&admin).await;
        let answer = admin.query_with("query($id: ID!) { project(id: $id) { spentHours actualCost budgetLeft } }", json!({"id": id})).await;
        assert_eq!(answer.ok()["project"], json!({"spentHours": "32.00", "actualCost": "1600.00", "budgetLeft": "1400.00"}));
    }
}
