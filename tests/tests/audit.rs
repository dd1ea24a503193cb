//! What the audit log tells of changes of rights and accounts: who, through what, in which request, and what was there before.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// The newest entry of the audit log.
async fn newest(admin: &Client) -> Value {
    let text = "{ audit(first: 1) { actorId onBehalfOfId via action module recordId changes requestId } }";
    admin.admin_query(text).await.ok()["audit"][0].clone()
}

async fn count(admin: &Client) -> usize {
    admin.admin_query("{ audit(first: 1000) { id } }").await.ok()["audit"].as_array().expect("a list").len()
}

/// Sends a mutation to the administration and gives what the audit log tells of it.
async fn told(admin: &Client, mutation: &str) -> Value {
    let before = count(admin).await;
    let answer = admin.admin_query(&format!("mutation {{ {mutation} }}")).await;
    answer.ok();
    assert_eq!(count(admin).await, before + 1, "one entry for {mutation}");
    let entry = newest(admin).await;
    assert_eq!(entry["requestId"], json!(request_id(&answer)), "{mutation}");
    assert_eq!((&entry["via"], &entry["onBehalfOfId"]), (&json!("api"), &Value::Null), "{mutation}");
    entry
}

fn request_id(answer: &Answer) -> String {
    answer.headers["x-request-id"].to_str().expect("ASCII").to_owned()
}

async fn prepare(server: &Server) -> (Client, Client, String) {
    let admin = server.admin().await;
    let deal = json!({"name": "Deal", "plural": "Deals", "fields": [{"name": "title", "type": "text"}]});
    admin.create_module(deal).await.ok();
    admin.create_role("clerk", None).await;
    admin.set_access("clerk", "Deal", json!({"create": true, "read": true, "fields": {"*": "WRITE"}})).await;
    let clerk = server.create_user_with_role("clerk").await;
    let me = clerk.own_id().await;
    (admin, clerk, me)
}

on_both_databases! {
    async fn a_change_of_rights_tells_what_was_there_before(server: Server) {
        let (admin, clerk, me) = prepare(&server).await;
        let deal = clerk.create("Deal", json!({"title": "d"})).await;
        let boss = admin.own_id().await;
        let read = json!({"create": false, "read": true, "update": false, "delete": false, "fields": {}});
        let update = json!({"create": false, "read": true, "update": true, "delete": false, "fields": {}});
        let change = |old: Value, new: Value| json!({"old": old, "new": new});
        let none = || Value::Null;
        let opens = |update: bool| json!({"update": update, "delete": false});
        let with = json!({"kind": "user", "id": me});
        for (mutation, action, changes) in [
            ("createRole(name: \"temp\", parent: \"clerk\", label: \"Temp\") { name }", "CREATED",
                json!({"name": change(none(), json!("temp")), "parent": change(none(), json!("clerk")), "label": change(none(), json!("Temp"))})),
            ("updateRole(name: \"temp\", parent: null, label: \"T\") { name }", "UPDATED",
                json!({"parent": change(json!("clerk"), none()), "label": change(json!("Temp"), json!("T"))})),
            ("updateRole(name: \"temp\", parent: \"clerk\") { name }", "UPDATED", json!({"parent": change(none(), json!("clerk"))})),
            ("setAccess(role: \"temp\", module: \"Deal\", read: true) { name }", "ACCESS_SET",
                json!({"module": "Deal", "access": change(json!({"create": false, "read": false, "update": false, "delete": false, "fields": {}}), read.clone())})),
            ("setAccess(role: \"temp\", module: \"Deal\", update: true) { name }", "ACCESS_SET",
                json!({"module": "Deal", "access": change(read.clone(), update.clone())})),
            ("savePermissionSet(name: \"extra\", label: \"E\", access: {Deal: {read: true}}) { name }", "SAVED",
                json!({"name": "extra", "label": change(none(), json!("E")), "access": change(none(), json!({"Deal": read}))})),
            ("savePermissionSet(name: \"extra\", label: \"E\", access: {Deal: {read: true, update: true}}) { name }", "SAVED",
                json!({"name": "extra", "access": change(json!({"Deal": read}), json!({"Deal": update}))})),
            ("saveGroup(name: \"team\") { name }", "SAVED", json!({"name": "team"})),
            ("saveGroup(name: \"team\", members: [ME]) { name }", "SAVED", json!({"name": "team", "members": change(json!([]), json!([me]))})),
            ("saveGroup(name: \"team\", members: []) { name }", "SAVED", json!({"name": "team", "members": change(json!([me]), json!([]))})),
            ("assignUser(user: ME, role: \"temp\", permissionSets: [\"extra\"], groups: [\"team\"]) { id }", "UPDATED",
                json!({"role": change(json!("clerk"), json!("temp")), "permissionSets": change(json!([]), json!(["extra"])), "groups": change(json!([]), json!(["team"]))})),
            ("assignUser(user: ME, role: \"clerk\", groups: []) { id }", "UPDATED",
                json!({"role": change(json!("temp"), json!("clerk")), "groups": change(json!(["team"]), json!([]))})),
            ("deletePermissionSet(name: \"extra\")", "DELETED",
                json!({"name": "extra", "access": change(json!({"Deal": update}), none()), "users": change(json!([me]), json!([]))})),
            ("shareRecord(module: \"Deal\", id: DEAL, with: {user: ME}, access: READ) { __typename }", "SHARED",
                json!({"with": with, "opens": change(none(), opens(false))})),
            ("shareRecord(module: \"Deal\", id: DEAL, with: {user: ME}, access: WRITE) { __typename }", "SHARED",
                json!({"with": with, "opens": change(opens(false), opens(true))})),
            ("unshareRecord(module: \"Deal\", id: DEAL, with: {user: ME}) { __typename }", "UNSHARED",
                json!({"with": with, "opens": change(opens(true), none())})),
            ("setRecordRule(role: \"temp\", module: \"Deal\", rule: \"title != null\") { name }", "RECORD_RULE_SET",
                json!({"module": "Deal", "rule": change(none(), json!("title != null"))})),
            ("setRecordRule(role: \"temp\", module: \"Deal\", rule: \"title == null\") { name }", "RECORD_RULE_SET",
                json!({"module": "Deal", "rule": change(json!("title != null"), json!("title == null"))})),
            ("setRecordRule(role: \"temp\", module: \"Deal\") { name }", "RECORD_RULE_SET",
                json!({"module": "Deal", "rule": change(json!("title == null"), none())})),
            ("deleteGroup(name: \"team\")", "DELETED",
                json!({"name": change(json!("team"), none()), "members": change(json!([]), json!([])), "sharedRecords": change(json!([]), json!([]))})),
            ("setRecordRule(role: \"temp\", module: \"Deal\", rule: \"title != null\") { name }", "RECORD_RULE_SET",
                json!({"module": "Deal", "rule": change(none(), json!("title != null"))})),
            ("deleteRole(name: \"temp\")", "DELETED",
                json!({"name": change(json!("temp"), none()), "access": change(json!({"Deal": update}), none()), "recordRules": change(json!({"Deal": "title != null"}), none())})),
            ("setUserActive(user: ME, active: false) { id }", "UPDATED", json!({"active": change(json!(true), json!(false))})),
            ("updateUser(user: ME, name: \"Ann\", locale: \"it\") { id }", "UPDATED", json!({"locale": change(none(), json!("it"))})),
        ] {
            let text = mutation.replace("ME", &format!("\"{me}\"")).replace("DEAL", &format!("\"{deal}\""));
            let entry = told(&admin, &text).await;
            assert_eq!((&entry["action"], &entry["actorId"]), (&json!(action), &json!(boss)), "{mutation}");
            for (key, expected) in changes.as_object().expect("an object") {
                assert_eq!(entry["changes"][key], *expected, "{key} of {mutation}: {entry}");
            }
        }
    }

    async fn a_sharing_rule_is_told_as_it_was_and_as_it_is(server: Server) {
        let (admin, ..) = prepare(&server).await;
        let save = |what: &str| format!("saveSharingRule(rule: {{name: \"open\", module: \"Deal\", with: {{role: \"clerk\"}}, {what}}}) {{ name }}");
        let made = told(&admin, &save("ownedBy: {role: \"clerk\"}, access: READ")).await;
        assert_eq!((&made["module"], &made["changes"]["definition"]["old"]), (&json!("SharingRule"), &Value::Null));
        assert_eq!(made["changes"]["module"], json!({"old": null, "new": "Deal"}));
        let changed = told(&admin, &save("rule: \"title != null\", access: WRITE")).await;
        let definition = &changed["changes"]["definition"];
        assert_eq!(definition["old"], made["changes"]["definition"]["new"]);
        assert_eq!((&definition["new"]["records"], &definition["new"]["update"]), (&json!({"rule": "title != null"}), &json!(true)), "{changed}");
        let gone = told(&admin, "deleteSharingRule(name: \"open\")").await;
        assert_eq!(gone["changes"]["definition"], json!({"old": definition["new"], "new": null}));
        assert_eq!(gone["changes"]["name"], json!("open"));
    }

    async fn every_other_change_has_one_entry_too(server: Server) {
        let (admin, clerk, me) = prepare(&server).await;
        let made = clerk.create_api_key(json!({"name": "key"})).await;
        let key = made.ok()["createApiKey"]["id"].as_str().expect("an id").to_owned();
        let session = admin.admin_query_with("query($user: ID!) { sessions(user: $user) { id } }", json!({"user": me})).await;
        let session = session.ok()["sessions"][0]["id"].as_str().expect("an id").to_owned();
        let workflow = "saveWorkflow(definition: {name: \"w\", module: \"Deal\", trigger: {on: [CREATED]}, steps: [{id: \"s\", update: {set: {title: \"x\"}}}]}) { id }"
            .replace("CREATED", "\"CREATED\"");
        for (mutation, module, action) in [
            ("revokeApiKey(id: KEY)", "User", "API_KEY_REVOKED"),
            ("revokeSession(id: SESSION)", "Session", "SESSION_REVOKED"),
            ("revokeAllSessions(user: ME)", "User", "SESSIONS_REVOKED"),
            ("setPassword(user: ME, password: \"another pass phrase\") { id }", "User", "PASSWORD_CHANGED"),
            (workflow.as_str(), "Workflow", "SAVED"),
            ("createModule(definition: {name: \"Extra\", plural: \"Extras\", fields: [{name: \"a\", type: \"text\"}]}) { version }", "Extra", "MODULE_CREATED"),
            ("updateModule(name: \"Extra\", patch: {label: \"E\"}) { version }", "Extra", "MODULE_UPDATED"),
            ("addField(module: \"Extra\", field: {name: \"b\", type: \"text\"}) { version }", "Extra", "FIELD_ADDED"),
            ("updateField(module: \"Extra\", name: \"b\", patch: {label: \"B\"}) { version }", "Extra", "FIELD_UPDATED"),
            ("renameField(module: \"Extra\", name: \"b\", to: \"c\") { version }", "Extra", "FIELD_RENAMED"),
            ("retireField(module: \"Extra\", name: \"c\") { version }", "Extra", "FIELD_RETIRED"),
            ("restoreField(module: \"Extra\", name: \"c\") { version }", "Extra", "FIELD_RESTORED"),
            ("renameModule(name: \"Extra\", to: \"More\") { version }", "More", "MODULE_RENAMED"),
            ("retireModule(name: \"More\") { version }", "More", "MODULE_RETIRED"),
            ("restoreModule(name: \"More\") { version }", "More", "MODULE_RESTORED"),
        ] {
            let text = mutation.replace("ME)", &format!("\"{me}\")")).replace("ME,", &format!("\"{me}\","));
            let text = text.replace("KEY", &format!("\"{key}\"")).replace("SESSION)", &format!("\"{session}\")"));
            let entry = told(&admin, &text).await;
            assert_eq!((&entry["module"], &entry["action"]), (&json!(module), &json!(action)), "{mutation}: {entry}");
            assert!(entry["actorId"].is_string(), "{mutation}");
            assert!(!entry["changes"].to_string().contains("phrase"), "no password is told: {entry}");
        }
    }
}
