//! Who reaches which record beyond its owner: permission sets, groups, sharing rules, shares, record rules, and their explanation.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

const EVERYTHING: &str = r#"{"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}}"#;

/// A private module of cases with a public one of clients, and two clerks below one boss who may do everything with both.
struct Office {
    admin: Client,
    boss: Client,
    clerk: Client,
    peer: Client,
}

async fn prepare(server: &Server) -> Office {
    let admin = server.admin().await;
    let client = json!({"name": "Patron", "plural": "Patrons", "sharing": "PUBLIC_READ_WRITE", "fields": [{"name": "name", "type": "text"}, {"name": "industry", "type": "text"}]});
    admin.create_module(client).await.ok();
    let case = json!({"name": "Folder", "plural": "Folders", "fields": [
        {"name": "title", "type": "text", "unique": true}, {"name": "worth", "type": "money"}, {"name": "salary", "type": "money"},
        {"name": "patron", "type": "reference", "to": "Patron", "inverse": "folders"},
    ]});
    admin.create_module(case).await.ok();
    let count = json!({"name": "folderCount", "type": "rollup", "relation": "folders", "function": "COUNT"});
    admin.add_field("Patron", count).await.ok();
    admin.create_role("boss", None).await;
    admin.create_role("clerk", Some("boss")).await;
    for role in ["boss", "clerk"] {
        for module in ["Patron", "Folder"] {
            admin.set_access(role, module, serde_json::from_str(EVERYTHING).expect("JSON")).await;
        }
    }
    Office {
        admin,
        boss: server.create_user_with_role("boss").await,
        clerk: server.create_user_with_role("clerk").await,
        peer: server.create_user_with_role("clerk").await,
    }
}

impl Office {
    /// An administrator's mutation that must be accepted.
    async fn admin(&self, text: &str, variables: Value) -> Value {
        self.admin.admin_query_with(text, variables).await.ok().clone()
    }

    async fn share(&self, rule: Value) {
        let text = "mutation($rule: SharingRuleInput!) { saveSharingRule(rule: $rule) { name } }";
        self.admin(text, json!({"rule": rule})).await;
    }

    async fn narrow(&self, role: &str, rule: Option<&str>) {
        let text = "mutation($role: String!, $rule: String) { setRecordRule(role: $role, module: \"Folder\", rule: $rule) { name } }";
        self.admin(text, json!({"role": role, "rule": rule})).await;
    }
}

async fn id_of(caller: &Client) -> String {
    let answer = caller.query("{ me { user { id } } }").await;
    answer.ok()["me"]["user"]["id"].as_str().expect("an id").to_owned()
}

/// The titles of the folders that somebody sees, by every way of reading: list, count, nested list, rollup, one by one.
async fn titles(caller: &Client) -> Vec<String> {
    let text = "{ folders(orderBy: [{title: ASC}]) { totalCount nodes { id title } } patrons { nodes { folderCount folders { totalCount } } } }";
    let answer = caller.query(text).await;
    let folders = &answer.ok()["folders"];
    let nodes = folders["nodes"].as_array().expect("nodes");
    assert_eq!(folders["totalCount"], nodes.len(), "{answer}");
    for patron in answer.ok()["patrons"]["nodes"].as_array().expect("nodes") {
        assert_eq!(patron["folderCount"], patron["folders"]["totalCount"], "{answer}");
    }
    for node in nodes {
        let one = caller
            .query_with("query($id: ID!) { folder(id: $id) { title } node(id: $id) { id } }", json!({"id": node["id"]}))
            .await;
        assert_eq!((&one.ok()["folder"]["title"], &one.ok()["node"]["id"]), (&node["title"], &node["id"]));
    }
    nodes.iter().map(|node| node["title"].as_str().expect("a title").to_owned()).collect()
}

async fn may_change(caller: &Client, id: &str) -> bool {
    let answer = caller
        .query_with("mutation($id: ID!) { updateFolder(id: $id, data: {worth: \"1\"}) { id } }", json!({"id": id}))
        .await;
    if !answer.errors().is_empty() {
        answer.refused("NOT_FOUND");
    }
    answer.errors().is_empty()
}

async fn may_delete(caller: &Client, id: &str) -> bool {
    let answer = caller.query_with("mutation($id: ID!) { deleteFolder(id: $id) { id } }", json!({"id": id})).await;
    if !answer.errors().is_empty() {
        answer.refused("NOT_FOUND");
    }
    answer.errors().is_empty()
}

on_both_databases! {
    async fn a_permission_set_adds_to_the_role_and_takes_nothing_away(server: Server) {
        let office = prepare(&server).await;
        office.admin.set_access("clerk", "Folder", json!({"fields": {"*": "READ", "salary": "NONE"}})).await;
        office.clerk.query("{ folders { nodes { salary } } }").await.refused("BAD_USER_INPUT");
        let save = "mutation($access: JSON!) { savePermissionSet(name: \"payroll\", access: $access) { name access { module read fields } } }";
        let saved = office.admin(save, json!({"access": {"Folder": {"fields": {"salary": "READ", "worth": "NONE"}}}})).await;
        assert_eq!(saved["savePermissionSet"]["access"][0]["fields"], json!({"salary": "READ", "worth": "NONE"}));
        let user = id_of(&office.clerk).await;
        let assign = "mutation($user: ID!, $sets: [String!]) { assignUser(user: $user, permissionSets: $sets) { permissionSets role { name } } }";
        let assigned = office.admin(assign, json!({"user": user, "sets": ["payroll"]})).await;
        assert_eq!(assigned["assignUser"], json!({"permissionSets": ["payroll"], "role": {"name": "clerk"}}));
        let _ = office.clerk.query("{ folders { nodes { salary worth } } }").await.ok();
        office.peer.query("{ folders { nodes { salary } } }").await.refused("BAD_USER_INPUT");
        office.clerk.query("mutation { createFolder(data: {salary: \"1\"}) { id } }").await.refused("BAD_USER_INPUT");
        office.admin("mutation { deletePermissionSet(name: \"payroll\") }", json!({})).await;
        office.clerk.query("{ folders { nodes { salary } } }").await.refused("BAD_USER_INPUT");
        let faulty = office.admin.admin_query_with(save, json!({"access": {"Folder": {"fields": {"salry": "READ"}}, "Foldr": {"read": true}}})).await;
        faulty.refused("VALIDATION_FAILED");
        let paths: Vec<Value> = faulty.errors()[0]["extensions"]["issues"].as_array().expect("issues").iter().map(|issue| issue["path"].clone()).collect();
        assert_eq!(paths, [json!(["access", "Folder", "fields", "salry"]), json!(["access", "Foldr"])]);
        let unknown = office.admin.admin_query_with(assign, json!({"user": user, "sets": ["payroll"]})).await;
        unknown.refused("VALIDATION_FAILED");
    }

    async fn a_sharing_rule_opens_what_others_own(server: Server) {
        let office = prepare(&server).await;
        let of_boss = office.boss.create("Folder", json!({"title": "of boss"})).await;
        let of_clerk = office.clerk.create("Folder", json!({"title": "of clerk"})).await;
        assert_eq!((titles(&office.clerk).await, titles(&office.peer).await), (vec!["of clerk".to_owned()], vec![]));
        office.share(json!({"name": "peers-read", "module": "Folder", "ownedBy": {"role": "clerk"}, "with": {"role": "clerk"}, "access": "READ"})).await;
        assert_eq!(titles(&office.peer).await, ["of clerk"]);
        assert!(!may_change(&office.peer, &of_clerk).await && !may_delete(&office.peer, &of_clerk).await, "it opens reading only");
        office.share(json!({"name": "peers-read", "module": "Folder", "ownedBy": {"roleAndBelow": "boss"}, "with": {"role": "clerk"}, "access": "WRITE"})).await;
        assert_eq!(titles(&office.peer).await, ["of boss", "of clerk"]);
        assert!(may_change(&office.peer, &of_boss).await && !may_delete(&office.peer, &of_boss).await, "deleting is open only where it is said");
        office.share(json!({"name": "peers-read", "module": "Folder", "ownedBy": {"roleAndBelow": "boss"}, "with": {"role": "clerk"}, "access": "READ", "delete": true})).await;
        assert!(!may_change(&office.peer, &of_boss).await && may_delete(&office.peer, &of_boss).await);
        office.admin("mutation { deleteSharingRule(name: \"peers-read\") }", json!({})).await;
        assert!(titles(&office.peer).await.is_empty());
    }

    async fn a_sharing_rule_opens_what_meets_a_condition(server: Server) {
        let office = prepare(&server).await;
        let bank = office.clerk.create("Patron", json!({"name": "Bank", "industry": "BANKING"})).await;
        let farm = office.clerk.create("Patron", json!({"name": "Farm", "industry": "FARMING"})).await;
        office.clerk.create("Folder", json!({"title": "bank, dear", "worth": "500", "patronId": bank})).await;
        office.clerk.create("Folder", json!({"title": "bank, cheap", "worth": "5", "patronId": bank})).await;
        office.clerk.create("Folder", json!({"title": "farm, dear", "worth": "500", "patronId": farm})).await;
        office.clerk.create("Folder", json!({"title": "nobody, unknown"})).await;
        let rule = "patron.industry == \"BANKING\" && worth > 100";
        office.share(json!({"name": "banks", "module": "Folder", "rule": rule, "with": {"user": id_of(&office.peer).await}, "access": "READ"})).await;
        assert_eq!(titles(&office.peer).await, ["bank, dear"]);
        let filtered = office.peer.query("{ patrons(filter: {folders: {some: {worth: {gt: \"0\"}}}}) { nodes { name } } }").await;
        assert_eq!(filtered.ok()["patrons"]["nodes"], json!([{"name": "Bank"}]));
        let text = "mutation($rule: SharingRuleInput!) { saveSharingRule(rule: $rule) { name } }";
        for (rule, path) in [
            (json!({"name": "x", "module": "Folder", "rule": "worth > ", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "rule"])),
            (json!({"name": "x", "module": "Folder", "rule": "wort > 1", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "rule"])),
            (json!({"name": "x", "module": "Folder", "rule": "worth", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "rule"])),
            (json!({"name": "x", "module": "Folder", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "rule"])),
            (json!({"name": "x", "module": "Nothing", "rule": "true", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "module"])),
            (json!({"name": "x", "module": "Folder", "rule": "true", "with": {"role": "nobody"}, "access": "READ"}), json!(["rule", "with", "role"])),
            (json!({"name": "X y", "module": "Folder", "rule": "true", "with": {"role": "clerk"}, "access": "READ"}), json!(["rule", "name"])),
        ] {
            let answer = office.admin.admin_query_with(text, json!({"rule": rule})).await;
            answer.refused("VALIDATION_FAILED");
            assert_eq!(answer.errors()[0]["extensions"]["issues"][0]["path"], path, "{answer}");
        }
    }

    async fn one_record_is_shared_and_unshared(server: Server) {
        let office = prepare(&server).await;
        let shared = office.clerk.create("Folder", json!({"title": "shared"})).await;
        office.clerk.create("Folder", json!({"title": "kept"})).await;
        let share = "mutation($id: ID!, $with: PrincipalInput!, $access: SharedAccess!, $delete: Boolean) {
            shareRecord(module: \"Folder\", id: $id, with: $with, access: $access, delete: $delete) { access delete } }";
        let peer = id_of(&office.peer).await;
        let answer = office.admin(share, json!({"id": shared, "with": {"user": peer}, "access": "READ"})).await;
        assert_eq!(answer["shareRecord"], json!([{"access": "READ", "delete": false}]));
        assert_eq!(titles(&office.peer).await, ["shared"]);
        assert!(!may_change(&office.peer, &shared).await);
        office.admin(share, json!({"id": shared, "with": {"user": peer}, "access": "WRITE"})).await;
        assert!(may_change(&office.peer, &shared).await && !may_delete(&office.peer, &shared).await);
        let unshare = "mutation($id: ID!, $with: PrincipalInput!) { unshareRecord(module: \"Folder\", id: $id, with: $with) { access } }";
        office.admin(unshare, json!({"id": shared, "with": {"user": peer}})).await;
        assert!(titles(&office.peer).await.is_empty() && !may_change(&office.peer, &shared).await);
        // By group and by role too.
        office.admin("mutation($members: [ID!]) { saveGroup(name: \"Desk\", members: $members) { name } }", json!({"members": [peer]})).await;
        office.admin(share, json!({"id": shared, "with": {"group": "Desk"}, "access": "READ"})).await;
        assert_eq!(titles(&office.peer).await, ["shared"]);
        office.admin(unshare, json!({"id": shared, "with": {"group": "Desk"}})).await;
        office.admin(share, json!({"id": shared, "with": {"role": "clerk"}, "access": "READ", "delete": true})).await;
        assert_eq!(titles(&office.peer).await, ["shared"]);
        assert!(may_delete(&office.peer, &shared).await);
        office.admin.admin_query_with(share, json!({"id": peer, "with": {"user": peer}, "access": "READ"})).await.refused("NOT_FOUND");
        office.admin.admin_query_with(unshare, json!({"id": shared, "with": {"user": peer}})).await.refused("NOT_FOUND");
    }

    async fn a_record_rule_narrows_every_way(server: Server) {
        let office = prepare(&server).await;
        let patron = office.clerk.create("Patron", json!({"name": "P"})).await;
        let small = office.clerk.create("Folder", json!({"title": "small", "worth": "5", "patronId": patron})).await;
        let big = office.clerk.create("Folder", json!({"title": "big", "worth": "500", "patronId": patron})).await;
        office.clerk.create("Folder", json!({"title": "unknown", "patronId": patron})).await;
        assert_eq!(titles(&office.clerk).await, ["big", "small", "unknown"]);
        office.narrow("clerk", Some("worth < 100")).await;
        assert_eq!(titles(&office.clerk).await, ["small"], "what the rule does not call true is out of reach");
        assert!(may_change(&office.clerk, &small).await && !may_change(&office.clerk, &big).await && !may_delete(&office.clerk, &big).await);
        assert_eq!(titles(&office.boss).await, ["big", "small", "unknown"], "it binds that role alone");
        // Not by a share either.
        let share = "mutation($id: ID!, $user: ID!) { shareRecord(module: \"Folder\", id: $id, with: {user: $user}, access: WRITE) { access } }";
        office.admin(share, json!({"id": big, "user": id_of(&office.clerk).await})).await;
        assert_eq!(titles(&office.clerk).await, ["small"]);
        office.narrow("clerk", Some("createdById == actor.id || patron.name == \"P\"")).await;
        assert_eq!(titles(&office.clerk).await, ["big", "small", "unknown"]);
        office.narrow("clerk", None).await;
        assert_eq!(titles(&office.clerk).await, ["big", "small", "unknown"]);
        let text = "mutation($role: String!, $rule: String) { setRecordRule(role: $role, module: \"Folder\", rule: $rule) { name } }";
        office.admin.admin_query_with(text, json!({"role": "clerk", "rule": "worth + 1"})).await.refused("VALIDATION_FAILED");
        office.admin.admin_query_with(text, json!({"role": "administrator", "rule": "false"})).await.refused("VALIDATION_FAILED");
        office.admin.admin_query_with(text, json!({"role": "nobody", "rule": "false"})).await.refused("VALIDATION_FAILED");
    }

    async fn those_above_see_what_groups_of_those_below_own(server: Server) {
        let office = prepare(&server).await;
        let peer = id_of(&office.peer).await;
        let saved = office.admin("mutation($members: [ID!]) { saveGroup(name: \"Desk\", members: $members) { id } }", json!({"members": [peer]})).await;
        let group = saved["saveGroup"]["id"].clone();
        office.peer.create("Folder", json!({"title": "of desk", "ownerId": group})).await;
        assert_eq!(titles(&office.peer).await, ["of desk"]);
        assert_eq!(titles(&office.boss).await, ["of desk"]);
        assert!(titles(&office.clerk).await.is_empty(), "who is not in the group does not see it");
        let assign = "mutation($user: ID!, $groups: [String!]) { assignUser(user: $user, groups: $groups) { groups { name } } }";
        office.admin(assign, json!({"user": id_of(&office.clerk).await, "groups": ["Desk"]})).await;
        assert_eq!(titles(&office.clerk).await, ["of desk"]);
        office.admin(assign, json!({"user": peer, "groups": []})).await;
        assert!(titles(&office.peer).await.is_empty());
    }

    async fn a_role_that_moves_in_the_tree_is_seen_from_its_new_place_at_once(server: Server) {
        let office = prepare(&server).await;
        office.clerk.create("Folder", json!({"title": "of clerk"})).await;
        office.admin.create_role("director", None).await;
        office.admin.set_access("director", "Folder", serde_json::from_str(EVERYTHING).expect("JSON")).await;
        office.admin.set_access("director", "Patron", serde_json::from_str(EVERYTHING).expect("JSON")).await;
        let director = server.create_user_with_role("director").await;
        assert!(titles(&director).await.is_empty());
        let update = "mutation($name: String!, $parent: String) { updateRole(name: $name, parent: $parent) { parent } }";
        office.admin(update, json!({"name": "clerk", "parent": "director"})).await;
        assert_eq!((titles(&director).await, titles(&office.boss).await), (vec!["of clerk".to_owned()], vec![]));
        office.admin(update, json!({"name": "director", "parent": "boss"})).await;
        assert_eq!(titles(&office.boss).await, ["of clerk"], "over two steps");
        office.admin.admin_query_with(update, json!({"name": "boss", "parent": "clerk"})).await.refused("VALIDATION_FAILED");
        office.admin.admin_query_with(update, json!({"name": "boss", "parent": "boss"})).await.refused("VALIDATION_FAILED");
        office.admin(update, json!({"name": "clerk", "parent": null})).await;
        assert!(titles(&office.boss).await.is_empty() && titles(&director).await.is_empty());
    }

    async fn an_explanation_says_what_requests_show(server: Server) {
        let office = prepare(&server).await;
        let folder = office.clerk.create("Folder", json!({"title": "t", "worth": "5"})).await;
        let (boss, clerk, peer) = (id_of(&office.boss).await, id_of(&office.clerk).await, id_of(&office.peer).await);
        let explain = "query($user: ID!, $record: ID, $field: String) { explainAccess(user: $user, module: \"Folder\", record: $record, field: $field) {
            read update because field { access because } record { read update delete because } } }";
        let told = |answer: &Value| answer["explainAccess"]["record"]["because"].as_array().expect("reasons").iter().map(|reason| reason.as_str().expect("text").to_owned()).collect::<Vec<_>>();
        let answer = office.admin(explain, json!({"user": boss, "record": folder, "field": "worth"})).await;
        assert_eq!(told(&answer), ["the user's role stands above the owner's"]);
        assert_eq!(answer["explainAccess"]["field"], json!({"access": "WRITE", "because": ["the role boss says WRITE by \"*\""]}));
        let answer = office.admin(explain, json!({"user": peer, "record": folder})).await;
        assert_eq!(answer["explainAccess"]["record"]["read"], json!(false));
        assert_eq!(told(&answer), ["nothing opens it: neither its owner, nor the module's sharing, a rule or a share"]);
        let who = "query($record: ID!, $field: String!) { whoCanSee(module: \"Folder\", field: $field, record: $record) { user { id } mayChange } }";
        let seers = |answer: Value| {
            let mut ids: Vec<(String, bool)> = answer["whoCanSee"].as_array().expect("users").iter().map(|seer| (seer["user"]["id"].as_str().expect("an id").to_owned(), seer["mayChange"].as_bool().expect("a truth"))).collect();
            ids.retain(|(id, _)| [&boss, &clerk, &peer].contains(&id));
            ids.sort();
            ids
        };
        let mut expected = vec![(boss.clone(), true), (clerk.clone(), true)];
        expected.sort();
        assert_eq!(seers(office.admin(who, json!({"record": folder, "field": "worth"})).await), expected);
        office.share(json!({"name": "cheap", "module": "Folder", "rule": "worth < 10", "with": {"role": "clerk"}, "access": "READ"})).await;
        let answer = office.admin(explain, json!({"user": peer, "record": folder})).await;
        assert_eq!((&answer["explainAccess"]["record"]["read"], &answer["explainAccess"]["record"]["update"]), (&json!(true), &json!(false)));
        assert_eq!(told(&answer), ["the sharing rule cheap opens it to read"]);
        expected.push((peer.clone(), false));
        expected.sort();
        assert_eq!(seers(office.admin(who, json!({"record": folder, "field": "worth"})).await), expected);
        office.narrow("clerk", Some("worth > 100")).await;
        let answer = office.admin(explain, json!({"user": clerk, "record": folder})).await;
        assert_eq!(answer["explainAccess"]["record"]["read"], json!(false));
        assert_eq!(told(&answer), ["the user owns it", "the sharing rule cheap opens it to read", "the record rule of the role clerk keeps it out"]);
        assert!(titles(&office.clerk).await.is_empty());
        assert_eq!(seers(office.admin(who, json!({"record": folder, "field": "worth"})).await), [(boss.clone(), true)]);
        office.admin.set_access("boss", "Folder", json!({"fields": {"*": "WRITE", "worth": "NONE"}})).await;
        assert_eq!(seers(office.admin(who, json!({"record": folder, "field": "worth"})).await), []);
        let unknown = office.admin.admin_query_with(explain, json!({"user": boss, "field": "wort"})).await;
        unknown.refused("VALIDATION_FAILED");
    }
}
