//! A database that an older server left: it is brought up to this one, with all that was in it.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod hand;

use cardine_tests::{Answer, Client, Launch, MailServer, Server, eventually, on_both_databases};
use serde_json::{Value, json};

const EMAIL: &str = "ann@example.org";
const PASSWORD: &str = "Ann likes long passwords";

/// Takes a database back to what it was before sign-ins had names, files were kept and workflows had versions: what the fourth, the
/// fifth and the sixth migration made goes, with what is in it, and none is noted as done.
const UNDO: &[&str] = &[
    "DROP TABLE mail_outbox",
    "DROP TABLE password_reset_token",
    "DROP TABLE password_reset",
    "DROP TABLE sign_in_failure",
    "ALTER TABLE api_key DROP COLUMN last_used_at",
    "DROP INDEX session_chain_id_idx",
    "ALTER TABLE session DROP COLUMN chain_id",
    "ALTER TABLE session DROP COLUMN signed_in_at",
    "ALTER TABLE session DROP COLUMN last_used_at",
    "ALTER TABLE session DROP COLUMN user_agent",
    "ALTER TABLE session DROP COLUMN network",
    "DROP TABLE file",
    "DROP TABLE workflow_version",
    "CREATE TABLE workflow_step_run AS SELECT run_id, step, attempt, status, input, output, error, started_at, finished_at FROM workflow_step_log",
    "DROP TABLE workflow_step_log",
    "DROP INDEX workflow_run_due_key",
    "DROP INDEX workflow_run_record_due_key",
    "ALTER TABLE workflow DROP COLUMN looked_at",
    "DROP INDEX workflow_run_due_idx",
    "DROP INDEX workflow_run_cause_idx",
    "DROP INDEX workflow_run_failed_idx",
    "ALTER TABLE workflow_run DROP COLUMN version",
    "ALTER TABLE workflow_run DROP COLUMN loops",
    "ALTER TABLE workflow_run DROP COLUMN steps_done",
    "ALTER TABLE workflow_run DROP COLUMN cause_run_id",
    "ALTER TABLE workflow_run DROP COLUMN depth",
    "ALTER TABLE workflow_run DROP COLUMN due_at",
    "CREATE INDEX workflow_run_due_idx ON workflow_run (run_at) WHERE finished_at IS NULL",
    "UPDATE workflow SET active = FALSE, definition = replace(definition, '\"status\":\"PAUSED\"', '\"active\":false') WHERE status <> 'ACTIVE'",
    "ALTER TABLE workflow DROP COLUMN status",
    "DELETE FROM seaql_migrations WHERE version IN ('m0004_sign_in', 'm0005_files', 'm0006_workflows', 'm0014_failures')",
];

async fn undo(server: &Server) {
    if server.postgres().is_some() {
        // There were no modules that hold files either.
        let undo = UNDO.join(";\n").replace("DROP TABLE file;", "DROP TABLE file CASCADE;");
        return hand::run(server, &undo).await;
    }
    by_hand(server, &UNDO.join(";\n")).await;
}

/// Runs statements while the server rests.
async fn by_hand(server: &Server, statements: &str) {
    if server.postgres().is_some() {
        return hand::run(server, statements).await;
    }
    let database = rusqlite::Connection::open(server.data_directory().join("cardine.db")).unwrap();
    // Indexes of modules are over functions that this connection has not; with this it does not look at them.
    database.execute_batch("PRAGMA writable_schema = ON").unwrap();
    database.execute_batch(statements).unwrap();
}

async fn refresh(server: &Server, tokens: &Value) -> Answer {
    server.anonymous().post("/auth/refresh", &json!({"refreshToken": tokens["refreshToken"]})).await
}

/// What somebody sees of the deals and of what was done to them.
async fn seen(client: &Client) -> Value {
    let text = "{ deals(orderBy: [{title: ASC}]) { totalCount nodes { id title worth version createdAt owner { ... on User { email } }
        history { nodes { id at action via requestId actor { email } changes { field old new } } } } } me { role } }";
    client.query(text).await.ok().clone()
}

/// What administrators see of users and rights.
async fn administered(admin: &Client) -> Value {
    let text = "{ users { id email active role { name } permissionSets groups { name } } roles { name parent access { module read update fields } }
        permissionSets { name access { module read } } sharingRules { name module rule access } groups { name } modules { name }
        workflows { name version status definition } runs { workflow version status steps { step status output } } }";
    admin.admin_query(text).await.ok().clone()
}

/// Whether `cardine doctor` finds nothing, and what it says.
fn doctor(server: &Server) -> (bool, String) {
    let mut doctor = cardine_tests::binary::command(&server.data_directory());
    doctor.args(["doctor", "--data"]).arg(server.data_directory());
    if let Some(database) = server.postgres() {
        doctor.args(["--database", database.url()]);
    }
    let output = doctor.output().expect("the binary runs");
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

on_both_databases! {
    async fn a_database_from_before_sign_ins_had_names_and_files_were_kept_is_brought_up(backend: Backend) {
        let mail = MailServer::start().await;
        let arguments = ["--smtp-url", &mail.url(), "--mail-from", "crm@example.org", "--public-url", "https://crm.example.org/"];
        let mut server = Launch::new(backend).arguments(arguments).start().await;
        let admin = server.admin().await;
        let deal = json!({"name": "Deal", "plural": "Deals", "fields": [
            {"name": "title", "type": "text", "required": true, "unique": true}, {"name": "worth", "type": "decimal"}]});
        admin.create_module(deal).await.ok();
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Deal", json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "worth": "READ"}})).await;
        admin.create_user(EMAIL, PASSWORD, "clerk").await;
        let signed_in = server.anonymous().post("/auth/sign-in", &json!({"email": EMAIL, "password": PASSWORD})).await;
        let first = signed_in.body.clone();
        let second = refresh(&server, &first).await.body;
        let third = refresh(&server, &second).await.body;
        let ann = server.anonymous().with_token(third["accessToken"].as_str().unwrap());
        let id = ann.own_id().await;
        for mutation in [
            "savePermissionSet(name: \"worth\", access: {Deal: {read: true, fields: {worth: \"WRITE\"}}}) { name }".to_owned(),
            format!("saveGroup(name: \"Desk\", members: [\"{id}\"]) {{ name }}"),
            format!("assignUser(user: \"{id}\", permissionSets: [\"worth\"]) {{ id }}"),
            "saveSharingRule(rule: {name: \"open\", module: \"Deal\", rule: \"worth > 5\", with: {role: \"clerk\"}, access: READ}) { name }".to_owned(),
        ] {
            admin.admin_query(&format!("mutation {{ {mutation} }}")).await.ok();
        }
        let (key, narrow) = (ann.with_api_key(None).await, ann.with_api_key(Some(&["Deal:read"])).await);
        let deal = ann.create("Deal", json!({"title": "a", "worth": "1.50"})).await;
        admin.create("Deal", json!({"title": "shared", "worth": "10"})).await;
        admin.create("Deal", json!({"title": "unseen", "worth": "2"})).await;
        ann.query_with("mutation($id: ID!) { updateDeal(id: $id, data: {worth: \"7\"}) { id } }", json!({"id": deal})).await.ok();
        let workflow = |name: &str, status: &str| json!({"name": name, "module": "Deal", "status": status, "trigger": {"on": ["CREATED"]},
            "steps": [{"id": "more", "update": {"set": {"worth": "{{ worth + 1 }}"}}}]});
        admin.save_workflow(workflow("rests", "PAUSED")).await.ok();
        admin.save_workflow(workflow("works", "ACTIVE")).await.ok();
        let counted = admin.create("Deal", json!({"title": "counted", "worth": "1"})).await;
        eventually("its run is done", || async {
            let runs = admin.admin_query("{ runs { status } }").await;
            (runs.ok()["runs"] == json!([{"status": "DONE"}])).then_some(())
        }).await;
        let (before, rights) = (seen(&ann).await, administered(&admin).await);
        assert_eq!(before["deals"]["totalCount"], json!(2), "{before}");
        let sessions = "{ sessions { createdAt current } }";
        let session = ann.admin_query(sessions).await.ok()["sessions"].clone();

        server.stop();
        undo(&server).await;
        server.restart().await;

        // Who was signed in still is, by every kind of token, and sees what they saw.
        for client in [&ann, &key] {
            assert_eq!(seen(client).await, before);
        }
        assert_eq!(narrow.query("{ deals { totalCount } }").await.ok()["deals"]["totalCount"], json!(2));
        assert_eq!(administered(&admin).await, rights);
        assert_eq!(ann.admin_query(sessions).await.ok()["sessions"], session, "since the password was shown, not since the last refresh");
        narrow.query("mutation { createDeal(data: {title: \"x\"}) { id } }").await.refused("BAD_USER_INPUT");
        key.query("mutation { createDeal(data: {title: \"a\"}) { id } }").await.refused("CONFLICT");
        key.create("Deal", json!({"title": "by key"})).await;
        eventually("it is noted that the key is used", || async {
            let keys = ann.admin_query("{ apiKeys { lastUsedAt } }").await;
            keys.ok()["apiKeys"].as_array().unwrap().iter().any(|key| key["lastUsedAt"].is_string()).then_some(())
        }).await;
        let worth = "query($id: ID!) { deal(id: $id) { worth } }";
        assert_eq!(admin.query_with(worth, json!({"id": counted})).await.ok()["deal"]["worth"], "2.00", "done once");
        // What the new tables are for.
        assert!(server.anonymous().sign_in(EMAIL, "a wrong password").await.is_err());
        assert_eq!(hand::count(&server, "SELECT CAST(count(*) AS bigint) FROM sign_in_failure").await.min(1), 1);
        server.sign_in(EMAIL, PASSWORD).await;
        admin.add_field("Deal", json!({"name": "scan", "type": "file"})).await.ok();
        let file = ann.upload("a.txt", *b"content").await;
        ann.query_with("mutation($id: ID!, $file: ID!) { updateDeal(id: $id, data: {scanId: $file}) { id } }", json!({"id": deal, "file": file})).await.ok();
        assert_eq!(ann.download(&file).await.content, b"content");
        assert_eq!(server.anonymous().post("/auth/forgot-password", &json!({"email": EMAIL})).await.status, 202);
        let token = mail.mail(1).await.token();
        // A token that was used up before is a stolen one still, and ends all that came from that sign-in.
        let fourth = refresh(&server, &third).await;
        assert_eq!(fourth.status, 200, "{fourth}");
        assert_eq!(refresh(&server, &first).await.status, 401);
        assert_eq!(refresh(&server, &fourth.body).await.status, 401);
        let answer = server.anonymous().post("/auth/reset-password", &json!({"token": token, "password": "quite another one"})).await;
        assert_eq!(answer.status, 200, "{answer}");

        // Brought up once, it stays so.
        let ann = server.sign_in(EMAIL, "quite another one").await;
        let after = seen(&ann).await;
        server.restart().await;
        assert_eq!(seen(&ann).await, after);
        assert_eq!(hand::count(&server, "SELECT CAST(count(*) AS bigint) FROM seaql_migrations WHERE version IN ('m0004_sign_in', 'm0005_files', 'm0006_workflows')").await, 3);
    }

    async fn modules_with_names_that_the_api_has_taken_since_are_kept_until_they_are_renamed(mut server: Server) {
        let admin = server.admin().await;
        for definition in [
            json!({"name": "Issuer", "plural": "Issuers", "fields": [{"name": "rank", "type": "integer"}]}),
            json!({"name": "Bond", "plural": "Bonds", "fields": [
                {"name": "number", "type": "integer", "required": true, "unique": true},
                {"name": "kind", "type": "choice", "options": [{"value": "OPEN"}, {"value": "CLOSED"}]},
                {"name": "issuer", "type": "reference", "to": "Issuer", "inverse": "bonds"}]}),
            json!({"name": "Memo", "plural": "Memos", "sharing": "PUBLIC_READ", "fields": [{"name": "line", "type": "text"},
                {"name": "about", "type": "reference", "to": ["Bond", "Issuer"]}]}),
            json!({"name": "Hidden", "plural": "Hiddens", "fields": [{"name": "line", "type": "integer"}]}),
        ] {
            admin.create_module(definition).await.ok();
        }
        let rollup = json!({"name": "bondCount", "type": "rollup", "relation": "bonds", "function": "COUNT", "scope": "ALL", "stored": true});
        admin.add_field("Issuer", rollup).await.ok();
        let links = json!({"name": "allBonds", "type": "references", "to": "Bond", "inverse": "issuers"});
        admin.add_field("Issuer", links).await.ok();
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Memo", json!({"read": true, "fields": {"*": "READ"}})).await;
        admin.create_user(EMAIL, PASSWORD, "clerk").await;
        let issuer = admin.create("Issuer", json!({"rank": 1})).await;
        let bonds = json!([1, 2].map(|number| json!({"number": number, "kind": "OPEN", "issuerId": issuer, "issuers": {"connect": [issuer]}})));
        admin.create_many("Bond", bonds.as_array().unwrap().clone()).await;
        admin.create("Memo", json!({"line": "kept", "aboutId": issuer})).await;
        admin.create("Hidden", json!({"line": 7})).await;
        admin.change("retireModule", json!({"name": "Hidden"})).await.ok();
        // What an older server would have made: its tables are those of a name that is free now.
        let dry = admin.change("renameModule", json!({"name": "Bond", "to": "NotificationConnectioX", "dryRun": true})).await;
        let statements = dry.ok()["change"]["statements"].as_array().unwrap().clone();
        let statements = statements.iter().map(|statement| statement.as_str().unwrap().replace("notification_connectio_x", "notification_connection"));
        assert!(server.stop().success());
        by_hand(&server, &statements.collect::<Vec<_>>().join(";\n")).await;
        let definitions = [
            "UPDATE module_definition SET definition = replace(definition, '\"Bond\"', '\"NotificationConnection\"')",
            "UPDATE module_definition SET name = 'NotificationConnection' WHERE name = 'Bond'",
            "UPDATE module_definition SET definition = replace(definition, '\"Memos\"', '\"Notifications\"')",
            "UPDATE module_definition SET definition = replace(definition, '\"Hiddens\"', '\"Nodes\"')",
        ];
        by_hand(&server, &definitions.join(";\n")).await;

        let (sound, told) = doctor(&server);
        assert!(!sound && told.contains("2 faults."), "{told}");
        for (module, name) in [("NotificationConnection", "the type name `NotificationConnection`"), ("Memo", "the query name `notifications`")] {
            let fault = told.lines().find(|line| line.starts_with("FAULT") && line.contains(&format!("`{module}` until an administrator renames it")));
            assert!(fault.is_some_and(|fault| fault.contains("`renameModule`") && fault.contains(name)), "{told}");
        }
        server.restart().await;
        assert!(server.log().contains("the API has nothing of the module `NotificationConnection`"), "{}", server.log());

        // The names are the API's own, and nothing else is gone.
        let of_the_api = admin.query("{ notifications { totalCount } __type(name: \"NotificationConnection\") { fields { name } } }").await;
        assert!(of_the_api.ok()["__type"]["fields"].to_string().contains("unread"), "{of_the_api}");
        assert_eq!(admin.query("{ issuers { nodes { rank } } }").await.ok()["issuers"]["nodes"], json!([{"rank": 1}]));
        let client = server.anonymous().sign_in(EMAIL, PASSWORD).await.expect("the clerk signs in");
        for (who, text) in [
            (&admin, "{ memo(id: \"x\") { id } }"),
            (&client, "{ memo(id: \"x\") { id } }"),
            (&admin, "{ notificationConnection(id: \"x\") { id } }"),
            (&admin, "mutation { createMemo(data: {line: \"x\"}) { id } }"),
            (&admin, "{ issuers { nodes { bonds { totalCount } } } }"),
            (&admin, "{ issuers { nodes { allBonds { totalCount } } } }"),
        ] {
            who.query(text).await.refused("BAD_USER_INPUT");
        }
        let listed = admin.admin_query("{ modules { name unserved } }").await;
        let listed = listed.ok()["modules"].as_array().unwrap().iter().filter(|module| module["unserved"].is_string());
        assert_eq!(listed.map(|module| module["name"].clone()).collect::<Vec<_>>(), [json!("Memo"), json!("NotificationConnection")]);

        // Other changes are made meanwhile, of these modules too; no other module gets such a name, nor do these another of that kind.
        admin.add_field("Issuer", json!({"name": "note", "type": "text"})).await.ok();
        admin.add_field("Memo", json!({"name": "more", "type": "text"})).await.ok();
        admin.create_module(json!({"name": "Other", "plural": "Notifications", "fields": []})).await.refused("VALIDATION_FAILED");
        admin.create_module(json!({"name": "TimelineEntry", "plural": "TimelineEntries", "fields": []})).await.refused("VALIDATION_FAILED");
        admin.change("renameModule", json!({"name": "Memo", "to": "TimelineEntry"})).await.refused("VALIDATION_FAILED");
        admin.change("renameModule", json!({"name": "Memo", "to": "Memory"})).await.refused("VALIDATION_FAILED");
        let restored = admin.change("restoreModule", json!({"name": "Hidden"})).await;
        assert!(restored.ok()["change"]["warnings"].to_string().contains("unserved"), "{restored}");

        admin.change("renameModule", json!({"name": "NotificationConnection", "to": "Bond"})).await.ok();
        admin.change("updateModule", json!({"name": "Memo", "patch": {"plural": "Memos"}})).await.ok();
        admin.change("renameModule", json!({"name": "Hidden", "to": "Seen", "plural": "SeenOnes"})).await.ok();
        let all = "{ issuers { nodes { rank bondCount bonds(orderBy: [{number: ASC}]) { nodes { number kind } } allBonds { totalCount } } }
            memos { nodes { line about { __typename ... on Issuer { rank } } } } seenOnes { nodes { line } } }";
        let expected = json!({"issuers": {"nodes": [{"rank": 1, "bondCount": 2, "bonds": {"nodes": [{"number": 1, "kind": "OPEN"}, {"number": 2, "kind": "OPEN"}]},
            "allBonds": {"totalCount": 2}}]}, "memos": {"nodes": [{"line": "kept", "about": {"__typename": "Issuer", "rank": 1}}]}, "seenOnes": {"nodes": [{"line": 7}]}});
        assert_eq!(*admin.query(all).await.ok(), expected);
        assert_eq!(client.query("{ memos { nodes { line } } }").await.ok()["memos"]["nodes"], json!([{"line": "kept"}]));
        server.restart().await;
        assert_eq!(*admin.query(all).await.ok(), expected);
        assert!(server.stop().success());
        let (sound, told) = doctor(&server);
        assert!(sound, "{told}");
    }

    async fn fields_with_names_that_the_api_has_taken_since_are_kept_until_they_are_renamed(mut server: Server) {
        let admin = server.admin().await;
        let text = |name: &str| json!({"name": name, "type": "text"});
        for definition in [
            json!({"name": "Issuer", "plural": "Issuers", "fields": [{"name": "rank", "type": "integer"}]}),
            json!({"name": "Memo", "plural": "Memos", "nameField": "histoire", "sharing": "PUBLIC_READ", "fields": [
                {"name": "histoire", "type": "text", "required": true},
                {"name": "loud", "type": "formula", "rule": "histoire.upper()", "returns": "text"}]}),
            json!({"name": "Sort", "plural": "Sorts", "fields": [{"name": "ordre", "type": "choice", "options": [{"value": "UP"}, {"value": "DOWN"}]},
                {"name": "issuer", "type": "reference", "to": "Issuer", "inverse": "sorts"}]}),
            json!({"name": "Bond", "plural": "Bonds", "fields": [{"name": "issuer", "type": "reference", "to": "Issuer", "inverse": "bonds"}]}),
            json!({"name": "Hidden", "plural": "Hiddens", "fields": [text("histoire")]}),
            json!({"name": "Half", "plural": "Halves", "fields": [text("histoire"), text("line")]}),
        ] {
            admin.create_module(definition).await.ok();
        }
        let rollup = json!({"name": "best", "type": "rollup", "relation": "sorts", "function": "COUNT", "filter": "ordre == \"UP\"", "scope": "ALL", "stored": true});
        admin.add_field("Issuer", rollup).await.ok();
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Memo", json!({"create": true, "read": true, "fields": {"histoire": "WRITE", "loud": "READ"}})).await;
        admin.create_user(EMAIL, PASSWORD, "clerk").await;
        let issuer = admin.create("Issuer", json!({"rank": 1})).await;
        admin.create("Memo", json!({"histoire": "kept"})).await;
        admin.create("Sort", json!({"ordre": "UP", "issuerId": issuer})).await;
        admin.create("Bond", json!({"issuerId": issuer})).await;
        admin.create("Hidden", json!({"histoire": "old"})).await;
        admin.create("Half", json!({"histoire": "half", "line": "x"})).await;
        admin.change("retireModule", json!({"name": "Hidden"})).await.ok();
        admin.change("retireField", json!({"module": "Half", "name": "histoire"})).await.ok();
        // What an older server would have made, by way of names that are free now.
        let mut statements = Vec::new();
        for (module, field, free, taken) in [("Memo", "histoire", "histore", "history"), ("Sort", "ordre", "ordeer", "order")] {
            let dry = admin.change("renameField", json!({"module": module, "name": field, "to": free, "dryRun": true})).await;
            let renamed = dry.ok()["change"]["statements"].as_array().unwrap().clone();
            statements.extend(renamed.iter().map(|statement| statement.as_str().unwrap().replace(free, taken)));
            statements.push(format!("UPDATE module_definition SET definition = replace(replace(definition, '\"{field}\"', '\"{taken}\"'), '{field}.', '{taken}.')
                WHERE name = '{module}'"));
        }
        statements.extend([
            "UPDATE module_definition SET definition = replace(definition, 'ordre ==', 'order ==') WHERE name = 'Issuer'".to_owned(),
            "UPDATE role_grant SET fields = replace(fields, '\"histoire\"', '\"history\"')".to_owned(),
            "UPDATE module_definition SET definition = replace(definition, '\"bonds\"', '\"history\"') WHERE name = 'Bond'".to_owned(),
            "ALTER TABLE hidden RENAME COLUMN histoire TO history".to_owned(),
            "ALTER TABLE half RENAME COLUMN histoire TO history".to_owned(),
            "UPDATE module_definition SET definition = replace(definition, '\"histoire\"', '\"history\"') WHERE name IN ('Hidden', 'Half')".to_owned(),
        ]);
        assert!(server.stop().success());
        by_hand(&server, &statements.join(";\n")).await;

        let (sound, told) = doctor(&server);
        assert!(!sound && told.contains("3 faults."), "{told}");
        for (module, why) in [("Memo", "field `history`: "), ("Sort", "field `order`: the field would need the type name `SortOrder`"), ("Bond", "field `issuer`: ")] {
            let fault = told.lines().find(|line| line.starts_with("FAULT") && line.contains(&format!("`{module}` until an administrator renames it")));
            assert!(fault.is_some_and(|fault| fault.contains("`renameField`") && fault.contains(why)), "{told}");
        }
        server.restart().await;
        assert!(server.log().contains("the API has nothing of the module `Memo`"), "{}", server.log());

        // The names are the API's own, and nothing else is gone.
        let seen = admin.query("{ issuers(filter: {and: [{rank: {eq: 1}}]}) { nodes { rank history { nodes { action } } } } halves { nodes { line } } }").await;
        let expected = json!({"issuers": {"nodes": [{"rank": 1, "history": {"nodes": [{"action": "CREATED"}]}}]}, "halves": {"nodes": [{"line": "x"}]}});
        assert_eq!(*seen.ok(), expected);
        let client = server.anonymous().sign_in(EMAIL, PASSWORD).await.expect("the clerk signs in");
        for (who, text) in [
            (&admin, "{ memos { nodes { loud } } }"),
            (&client, "{ memos { nodes { loud } } }"),
            (&admin, "mutation { createMemo(data: {history: \"x\"}) { id } }"),
            (&admin, "{ issuers { nodes { sorts { totalCount } } } }"),
            (&admin, "{ issuers { nodes { best } } }"),
            (&admin, "{ issuers(filter: {history: {some: {}}}) { totalCount } }"),
        ] {
            who.query(text).await.refused("BAD_USER_INPUT");
        }
        let listed = admin.admin_query("{ modules { name unserved } }").await;
        let listed = listed.ok()["modules"].as_array().unwrap().iter().filter(|module| module["unserved"].is_string());
        assert_eq!(listed.map(|module| module["name"].clone()).collect::<Vec<_>>(), [json!("Bond"), json!("Memo"), json!("Sort")]);

        // Other changes are made meanwhile, of a module whose fields have sound names too; nobody else gets such a name.
        admin.add_field("Sort", text("more")).await.ok();
        for (module, field) in [("Memo", "more"), ("Memo", "not"), ("Issuer", "history"), ("Half", "history")] {
            admin.add_field(module, text(field)).await.refused("VALIDATION_FAILED");
        }
        for (mutation, arguments, module) in [
            ("restoreModule", json!({"name": "Hidden"}), "Hidden"),
            ("restoreField", json!({"module": "Half", "name": "history"}), "Half"),
        ] {
            let restored = admin.change(mutation, arguments).await;
            assert!(restored.ok()["change"]["warnings"].to_string().contains(&format!("the API has nothing of `{module}`")), "{restored}");
        }

        for (module, field, to) in [("Memo", "history", "past"), ("Sort", "order", "way"), ("Hidden", "history", "past"), ("Half", "history", "past")] {
            admin.change("renameField", json!({"module": module, "name": field, "to": to})).await.ok();
        }
        admin.change("updateField", json!({"module": "Bond", "name": "issuer", "patch": {"inverse": "bonds"}})).await.ok();
        let all = "{ issuers { nodes { rank best bonds { totalCount } sorts { nodes { way } } } } memos(filter: {past: {eq: \"kept\"}}) { nodes { past loud } }
            hiddens { nodes { past } } halves { nodes { past line } }}";
        let expected = json!({"issuers": {"nodes": [{"rank": 1, "best": 1, "bonds": {"totalCount": 1}, "sorts": {"nodes": [{"way": "UP"}]}}]},
            "memos": {"nodes": [{"past": "kept", "loud": "KEPT"}]}, "hiddens": {"nodes": [{"past": "old"}]}, "halves": {"nodes": [{"past": "half", "line": "x"}]}});
        assert_eq!(*admin.query(all).await.ok(), expected);
        assert_eq!(client.query("{ memos { nodes { past } } }").await.ok()["memos"]["nodes"], json!([{"past": "kept"}]));
        client.create("Memo", json!({"past": "more"})).await;
        admin.query("mutation { createMemo(data: {}) { id } }").await.refused("BAD_USER_INPUT");
        server.restart().await;
        assert_eq!(*admin.query(all).await.ok(), expected);
        assert!(server.stop().success());
        let (sound, told) = doctor(&server);
        assert!(sound, "{told}");
    }
}
