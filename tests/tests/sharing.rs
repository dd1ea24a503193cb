//! Whose records are seen: each way of sharing, lists and counts and rollups over what is not seen, and owners that change.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

/// A module for each way of sharing, and two clerks below one boss, who may do everything but see everything.
async fn prepare(server: &Server) -> (Client, Client, Client) {
    let admin = server.admin().await;
    for (name, plural, sharing) in [
        ("Secret", "Secrets", "PRIVATE"),
        ("Notice", "Notices", "PUBLIC_READ"),
        ("Board", "Boards", "PUBLIC_READ_WRITE"),
    ] {
        let definition = json!({"name": name, "plural": plural, "sharing": sharing, "fields": [{"name": "title", "type": "text"}, {"name": "worth", "type": "money"}]});
        admin.create_module(definition).await.ok();
    }
    let part = json!({"name": "Detail", "plural": "Details", "sharing": "CONTROLLED_BY_PARENT", "parent": "secret", "fields": [
        {"name": "title", "type": "text"}, {"name": "secret", "type": "reference", "to": "Secret", "inverse": "details", "required": true, "onDelete": "CASCADE"},
    ]});
    admin.create_module(part).await.ok();
    let reference = json!({"name": "board", "type": "reference", "to": "Board", "inverse": "secrets"});
    admin.add_field("Secret", reference).await.ok();
    for (name, function, field, scope) in [
        ("seenCount", "COUNT", None, "VISIBLE"),
        ("allCount", "COUNT", None, "ALL"),
        ("seenWorth", "SUM", Some("worth"), "VISIBLE"),
        ("allWorth", "SUM", Some("worth"), "ALL"),
    ] {
        let mut rollup =
            json!({"name": name, "type": "rollup", "relation": "secrets", "function": function, "scope": scope});
        if let Some(field) = field {
            rollup["field"] = json!(field);
        }
        admin.add_field("Board", rollup).await.ok();
    }
    admin.create_role("boss", None).await;
    admin.create_role("clerk", Some("boss")).await;
    for role in ["boss", "clerk"] {
        for module in ["Secret", "Notice", "Board", "Detail"] {
            let rights =
                json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
            admin.set_access(role, module, rights).await;
        }
    }
    (
        server.create_user_with_role("boss").await,
        server.create_user_with_role("clerk").await,
        server.create_user_with_role("clerk").await,
    )
}

async fn total(caller: &Client, list: &str) -> i64 {
    let answer = caller.query(&format!("{{ {list} {{ totalCount }} }}")).await;
    let name = list.split('(').next().expect("a name");
    answer.ok()[name]["totalCount"].as_i64().expect("a count")
}

async fn change(caller: &Client, module: &str, id: &str) -> bool {
    let text = format!("mutation($id: ID!) {{ update{module}(id: $id, data: {{title: \"changed\"}}) {{ id }} }}");
    let answer = caller.query_with(&text, json!({"id": id})).await;
    if !answer.errors().is_empty() {
        answer.refused("NOT_FOUND");
    }
    answer.errors().is_empty()
}

/// The refusals of a deletion, as it tells them.
async fn needs(admin: &Client, mutation: &str) -> Vec<String> {
    let answer = admin.admin_query(&format!("mutation {{ {mutation} }}")).await;
    let issues = answer.refused("CONFLICT").issues();
    assert!(issues.iter().all(|issue| issue["rule"] == "needed" && issue["path"] == json!(["name"])), "{answer}");
    issues.iter().map(|issue| issue["message"].as_str().expect("a text").to_owned()).collect()
}

on_both_databases! {
    async fn a_role_goes_when_nothing_needs_it_and_takes_what_it_granted_along(server: Server) {
        let (boss, clerk, _) = prepare(&server).await;
        let admin = server.admin().await;
        admin.create_role("temp", Some("boss")).await;
        admin.create_role("trainee", Some("temp")).await;
        admin.set_access("temp", "Board", json!({"read": true, "fields": {"*": "READ"}})).await;
        let temp = server.create_user_with_role("temp").await;
        let board = clerk.create("Board", json!({"title": "b"})).await;
        let secret = clerk.create("Secret", json!({"title": "s"})).await;
        for text in [
            "setRecordRule(role: \"temp\", module: \"Board\", rule: \"title != null\") { name }",
            "saveSharingRule(rule: {name: \"open\", module: \"Secret\", ownedBy: {role: \"clerk\"}, with: {roleAndBelow: \"temp\"}, access: READ}) { name }",
            &format!("shareRecord(module: \"Secret\", id: \"{secret}\", with: {{role: \"temp\"}}, access: READ) {{ __typename }}"),
        ] {
            admin.admin_query(&format!("mutation {{ {text} }}")).await.ok();
        }
        let told = admin.admin_query("{ roles { name recordRules { module rule } } }").await;
        let temp_role = told.ok()["roles"].as_array().expect("a list").iter().find(|role| role["name"] == "temp").expect("the role").clone();
        assert_eq!(temp_role["recordRules"], json!([{"module": "Board", "rule": "title != null"}]));
        let asks = json!([{"id": "ask", "approve": {"by": {"role": "temp"}}}]);
        let workflow = |status: &str| json!({"name": "asks", "module": "Board", "status": status, "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]}, "steps": asks});
        admin.save_workflow(workflow("ACTIVE")).await.ok();
        assert_eq!(needs(&admin, "deleteRole(name: \"temp\")").await, [
            "1 user has it", "the role trainee stands below it", "the sharing rule open names it", "the workflow asks names it",
        ]);
        assert_eq!(total(&temp, "boards").await, 1, "nothing of it took effect");
        let move_user = "mutation($user: ID!) { assignUser(user: $user, role: \"clerk\") { id } }";
        admin.admin_query_with(move_user, json!({"user": temp.own_id().await})).await.ok();
        admin.save_workflow(workflow("PAUSED")).await.ok();
        admin.admin_query("mutation { deleteRole(name: \"trainee\") deleteSharingRule(name: \"open\") }").await.ok();
        let gone = admin.admin_query("mutation { deleteRole(name: \"temp\") }").await;
        assert_eq!(gone.ok()["deleteRole"], true);
        let shares = "query($id: ID!) { recordShares(id: $id) { access } roles { name } }";
        let after = admin.admin_query_with(shares, json!({"id": secret})).await;
        assert_eq!(after.ok()["recordShares"], json!([]));
        assert!(after.ok()["roles"].as_array().expect("a list").iter().all(|role| role["name"] != "temp"));
        for text in ["deleteRole(name: \"temp\")", "deleteRole(name: \"never\")"] {
            admin.admin_query(&format!("mutation {{ {text} }}")).await.refused("NOT_FOUND");
        }
        admin.admin_query("mutation { createUser(email: \"x@example.org\", role: \"temp\") { id } }").await.refused("VALIDATION_FAILED");
        // One of that name is another one, which may do nothing.
        admin.create_role("temp", None).await;
        admin.admin_query_with(&move_user.replace("clerk", "temp"), json!({"user": temp.own_id().await})).await.ok();
        assert_eq!(temp.query("{ boards { totalCount } }").await.codes(), ["BAD_USER_INPUT"]);
        // Those that every start would make again stay.
        for name in ["administrator", "anonymous", "sales-person"] {
            let kept = admin.admin_query(&format!("mutation {{ deleteRole(name: \"{name}\") }}")).await;
            assert_eq!(kept.refused("VALIDATION_FAILED").issues()[0]["rule"], "builtIn");
        }
        clerk.admin_query("mutation { deleteRole(name: \"boss\") }").await.refused("FORBIDDEN");
        assert!(change(&boss, "Board", &board).await);
    }

    async fn a_role_stays_while_a_run_goes_on_by_it(server: Server) {
        let admin = server.admin().await;
        for name in ["temp", "clerk"] {
            admin.create_role(name, None).await;
        }
        let workflow = |role: &str| json!({"name": "later", "runAs": {"role": role}, "trigger": {"manual": {}}, "steps": [{"id": "w", "wait": {"for": "P30D"}}]});
        admin.save_workflow(workflow("temp")).await.ok();
        let started = admin.admin_query("mutation { startWorkflow(workflow: \"later\") { id } }").await;
        let run = started.ok()["startWorkflow"]["id"].clone();
        // It finishes on the version that it began with.
        admin.save_workflow(workflow("clerk")).await.ok();
        for role in ["temp", "clerk"] {
            assert_eq!(needs(&admin, &format!("deleteRole(name: \"{role}\")")).await, ["the workflow later names it"]);
        }
        admin.admin_query_with("mutation($id: ID!) { cancelRun(id: $id) { id } }", json!({"id": run})).await.ok();
        admin.admin_query("mutation { deleteRole(name: \"temp\") }").await.ok();
    }

    async fn a_role_that_stages_name_stays(server: Server) {
        let (..) = prepare(&server).await;
        let admin = server.admin().await;
        admin.create_role("mover", None).await;
        let stages = json!({"field": "state", "moves": [{"from": ["OPEN"], "to": ["DONE"], "roles": ["mover"]}]});
        let job = json!({"name": "Job", "plural": "Jobs", "features": {"stages": stages},
            "fields": [{"name": "state", "type": "choice", "options": [{"value": "OPEN"}, {"value": "DONE"}]}]});
        admin.create_module(job).await.ok();
        assert_eq!(needs(&admin, "deleteRole(name: \"mover\")").await, ["the module Job names it in its feature stages"]);
        admin.change("updateModule", json!({"name": "Job", "patch": {"features": null}})).await.ok();
        admin.admin_query("mutation { deleteRole(name: \"mover\") }").await.ok();
    }

    async fn a_group_goes_when_nothing_needs_it_and_its_members_stay(server: Server) {
        let (_, clerk, peer) = prepare(&server).await;
        let admin = server.admin().await;
        let saved = admin.admin_query_with("mutation($m: [ID!]) { saveGroup(name: \"Desk\", members: $m) { id name members { id role { name } } } }",
            json!({"m": [peer.own_id().await, clerk.own_id().await]})).await;
        let desk = saved.ok()["saveGroup"]["id"].as_str().expect("an id").to_owned();
        let groups = admin.admin_query("{ groups { name members { email } } users { email groups { name members { email } } } }").await;
        let emails: Vec<&str> = groups.ok()["groups"][0]["members"].as_array().expect("a list").iter().map(|member| member["email"].as_str().expect("an address")).collect();
        assert!(emails.len() == 2 && emails.is_sorted(), "{groups}");
        let owned = clerk.create("Secret", json!({"title": "s", "ownerId": desk})).await;
        let deleted = clerk.create("Notice", json!({"title": "n", "ownerId": desk})).await;
        clerk.query_with("mutation($id: ID!) { deleteNotice(id: $id) { id } }", json!({"id": deleted})).await.ok();
        let shared = admin.create("Secret", json!({"title": "of the admin"})).await;
        for text in [
            "saveSharingRule(rule: {name: \"open\", module: \"Board\", ownedBy: {group: \"Desk\"}, with: {role: \"clerk\"}, access: READ}) { name }",
            &format!("shareRecord(module: \"Secret\", id: \"{shared}\", with: {{group: \"Desk\"}}, access: READ) {{ __typename }}"),
        ] {
            admin.admin_query(&format!("mutation {{ {text} }}")).await.ok();
        }
        assert_eq!(total(&peer, "secrets").await, 2);
        let queue = json!({"assignment": {"rules": [{"name": "all", "to": {"group": "Desk"}}]}});
        let errand = json!({"name": "Errand", "plural": "Errands", "features": queue, "fields": [{"name": "title", "type": "text"}]});
        admin.create_module(errand).await.ok();
        let asks = json!([{"id": "ask", "approve": {"by": {"group": desk}}}]);
        let workflow = |status: &str| json!({"name": "asks", "module": "Board", "status": status, "runAs": {"role": "clerk"}, "trigger": {"on": ["CREATED"]}, "steps": asks});
        admin.save_workflow(workflow("ACTIVE")).await.ok();
        let mut told = needs(&admin, "deleteGroup(name: \"Desk\")").await;
        told.sort();
        assert_eq!(told, [
            "1 record of Notices has it as ownerId", "1 record of Secrets has it as ownerId", "the module Errand names it in its feature assignment",
            "the sharing rule open names it", "the workflow asks names it",
        ]);
        assert_eq!(total(&peer, "secrets").await, 2, "nothing of it took effect");
        admin.save_workflow(workflow("PAUSED")).await.ok();
        admin.change("updateModule", json!({"name": "Errand", "patch": {"features": null}})).await.ok();
        admin.admin_query("mutation { deleteSharingRule(name: \"open\") }").await.ok();
        let text = "mutation($deleted: ID!, $owned: ID!, $to: ID!) { destroyNotice(id: $deleted) updateSecret(id: $owned, data: {ownerId: $to}) { id } }";
        admin.query_with(text, json!({"deleted": deleted, "owned": owned, "to": clerk.own_id().await})).await.ok();
        assert_eq!(total(&peer, "secrets").await, 1, "what is shared with the group");
        admin.admin_query("mutation { deleteGroup(name: \"Desk\") }").await.ok();
        assert_eq!((total(&peer, "secrets").await, total(&clerk, "secrets").await), (0, 1));
        let after = admin.admin_query("{ groups { name } users { groups { name } } }").await;
        assert_eq!(after.ok()["groups"], json!([]));
        after.never_says("Desk");
        let gone = clerk.query_with("mutation($to: ID!) { createSecret(data: {ownerId: $to}) { id } }", json!({"to": desk})).await;
        assert_eq!(gone.refused("VALIDATION_FAILED").issues()[0]["path"], json!(["data", "ownerId"]));
        admin.admin_query("mutation { deleteGroup(name: \"Desk\") }").await.refused("NOT_FOUND");
        clerk.admin_query("mutation { deleteGroup(name: \"Desk\") }").await.refused("FORBIDDEN");
        // Its name is free.
        let again = admin.admin_query("mutation { saveGroup(name: \"Desk\") { id members { id } } }").await;
        assert!(again.ok()["saveGroup"]["members"] == json!([]) && again.ok()["saveGroup"]["id"] != json!(desk), "{again}");
    }

    async fn public_records_are_read_or_written_by_all_who_may(server: Server) {
        let (_, clerk, peer) = prepare(&server).await;
        let notice = clerk.create("Notice", json!({"title": "n"})).await;
        let board = clerk.create("Board", json!({"title": "b"})).await;
        assert_eq!((total(&peer, "notices").await, total(&peer, "boards").await), (1, 1));
        assert!(!change(&peer, "Notice", &notice).await, "it may be read only");
        assert!(change(&clerk, "Notice", &notice).await && change(&peer, "Board", &board).await);
        assert_eq!(server.anonymous().query("{ notices { totalCount } }").await.codes(), ["BAD_USER_INPUT"], "public to those who may read the module");
    }

    async fn details_are_seen_and_written_as_their_parent(server: Server) {
        let (boss, clerk, peer) = prepare(&server).await;
        let secret = clerk.create("Secret", json!({"title": "s"})).await;
        let detail = clerk.create("Detail", json!({"title": "d", "secretId": secret})).await;
        let of_boss = boss.create("Secret", json!({"title": "of boss"})).await;
        let hidden = boss.create("Detail", json!({"title": "hidden", "secretId": of_boss})).await;
        assert_eq!((total(&clerk, "details").await, total(&peer, "details").await, total(&boss, "details").await), (1, 0, 2));
        assert!(change(&clerk, "Detail", &detail).await && !change(&peer, "Detail", &detail).await && !change(&clerk, "Detail", &hidden).await);
        let answer = peer.query_with("query($id: ID!) { detail(id: $id) { id } }", json!({"id": detail})).await;
        assert_eq!(answer.ok()["detail"], Value::Null);
        // Nobody puts a detail under a parent that they do not see.
        let text = "mutation($id: ID) { createDetail(data: {title: \"x\", secretId: $id}) { id } }";
        peer.query_with(text, json!({"id": secret})).await.refused("VALIDATION_FAILED");
        assert_eq!(total(&clerk, "details").await, 1);
    }

    async fn who_may_write_what_is_not_theirs_gives_none_of_it_away(server: Server) {
        let (boss, clerk, peer) = prepare(&server).await;
        let own = peer.own_id().await;
        let owned = |module: &str| format!("mutation($id: ID!, $to: ID) {{ update{module}(id: $id, data: {{ownerId: $to}}) {{ id }} }}");
        // Not by the module's sharing, neither one nor all of them, and not together with what it would be taken for.
        let board = clerk.create("Board", json!({"title": "b"})).await;
        let all = "mutation($to: ID) { updateBoards(filter: {title: {eq: \"b\"}}, data: {ownerId: $to}) { count } }";
        let at_once = "mutation($id: ID!, $to: ID) { updateBoard(id: $id, data: {ownerId: $to}) { id } destroyBoard(id: $id) }";
        for (text, to) in [(owned("Board").as_str(), json!(own)), (all, json!(own)), (at_once, json!(own)), (&owned("Board"), Value::Null)] {
            peer.query_with(text, json!({"id": board, "to": to})).await.refused("FORBIDDEN");
        }
        let same = "mutation($id: ID!, $to: ID) { updateBoard(id: $id, data: {title: \"changed\", ownerId: $to}) { id } }";
        peer.query_with(same, json!({"id": board, "to": clerk.own_id().await})).await.ok();
        // Nor by a share that does not let them delete it; nor what goes with its parent.
        let secret = clerk.create("Secret", json!({"title": "s"})).await;
        let detail = clerk.create("Detail", json!({"title": "d", "secretId": secret})).await;
        let theirs = peer.create("Secret", json!({"title": "theirs"})).await;
        let share = "mutation($id: ID!, $with: ID!, $delete: Boolean!) { shareRecord(module: \"Secret\", id: $id, with: {user: $with}, access: WRITE, delete: $delete) { access } }";
        let share = async |delete: bool| {
            let variables = json!({"id": secret, "with": own, "delete": delete});
            server.admin().await.admin_query_with(share, variables).await.ok();
        };
        share(false).await;
        assert!(change(&peer, "Secret", &secret).await && change(&peer, "Detail", &detail).await);
        let moved = "mutation($id: ID!, $to: ID!) { updateDetail(id: $id, data: {secretId: $to}) { id } }";
        let connected = "mutation($id: ID!, $to: ID!) { updateSecret(id: $to, data: {details: {connect: [$id]}}) { id } }";
        peer.query_with(&owned("Secret"), json!({"id": secret, "to": own})).await.refused("FORBIDDEN");
        for text in [moved, connected] {
            peer.query_with(text, json!({"id": detail, "to": theirs})).await.refused("FORBIDDEN");
        }
        share(true).await;
        peer.query_with(moved, json!({"id": detail, "to": theirs})).await.ok();
        peer.query_with(&owned("Secret"), json!({"id": secret, "to": own})).await.ok();
        // Of what is reached by its parent, the owner decides nothing, until a rule asks for it, for whomever.
        let another = clerk.create("Secret", json!({"title": "s"})).await;
        let detail = clerk.create("Detail", json!({"title": "d", "secretId": another})).await;
        let admin = server.admin().await;
        let may_write = "mutation($id: ID!, $with: ID!) { shareRecord(module: \"Secret\", id: $id, with: {user: $with}, access: WRITE) { access } }";
        admin.admin_query_with(may_write, json!({"id": another, "with": own})).await.ok();
        peer.query_with(&owned("Detail"), json!({"id": detail, "to": own})).await.ok();
        let rule = "saveSharingRule(rule: {name: \"o\", module: \"Detail\", ownedBy: {role: \"boss\"}, with: {role: \"administrator\"}, access: WRITE, delete: true}) { name }";
        admin.admin_query(&format!("mutation {{ {rule} }}")).await.ok();
        peer.query_with(&owned("Detail"), json!({"id": detail, "to": boss.own_id().await})).await.refused("FORBIDDEN");
        // Superiors give away what is their people's, and everybody what is their own.
        boss.query_with(&owned("Board"), json!({"id": board, "to": own})).await.ok();
        peer.query_with(&owned("Board"), json!({"id": board, "to": boss.own_id().await})).await.ok();
    }

    async fn what_goes_or_is_merged_takes_along_what_its_owner_does_not_see(server: Server) {
        let (_, clerk, _) = prepare(&server).await;
        let admin = server.admin().await;
        let scrap = json!({"name": "Scrap", "plural": "Scraps", "sharing": "CONTROLLED_BY_PARENT", "parent": "secret", "fields": [
            {"name": "title", "type": "text"}, {"name": "secret", "type": "reference", "to": "Secret", "inverse": "scraps", "required": true}]});
        admin.create_module(scrap).await.ok();
        let ids = clerk.create_many("Secret", ["one", "two", "three"].map(|title| json!({"title": title}))).await;
        for id in &ids {
            admin.create("Detail", json!({"title": "hidden", "secretId": id})).await;
            admin.create("Scrap", json!({"title": "hidden", "secretId": id})).await;
        }
        for module in ["Detail", "Scrap"] {
            let rule = format!("mutation {{ setRecordRule(role: \"clerk\", module: \"{module}\", rule: \"title != 'hidden'\") {{ name }} }}");
            admin.admin_query(&rule).await.ok();
        }
        clerk.query_with("mutation($id: ID!) { deleteSecret(id: $id) { id } }", json!({"id": ids[0]})).await.ok();
        clerk.query_with("mutation($id: ID!) { destroySecret(id: $id) }", json!({"id": ids[0]})).await.ok();
        let merge = "mutation($ids: [ID!]!, $into: ID!) { mergeSecrets(ids: $ids, into: $into) { id } }";
        clerk.query_with(merge, json!({"ids": [ids[1]], "into": ids[2]})).await.ok();
        let kept = "query($id: ID!) { secret(id: $id) { details { totalCount } scraps { totalCount } } scraps { totalCount } }";
        let kept = admin.query_with(kept, json!({"id": ids[2]})).await;
        assert_eq!(kept.ok(), &json!({"secret": {"details": {"totalCount": 2}, "scraps": {"totalCount": 2}}, "scraps": {"totalCount": 3}}));
    }

    async fn counts_lists_and_filters_know_nothing_of_what_is_not_seen(server: Server) {
        let (boss, clerk, peer) = prepare(&server).await;
        let board = boss.create("Board", json!({"title": "b"})).await;
        for (caller, worth) in [(&boss, "100"), (&clerk, "10"), (&clerk, "20"), (&peer, "3")] {
            caller.create("Secret", json!({"title": "s", "worth": worth, "boardId": board})).await;
        }
        let text = "{ boards { nodes { seenCount allCount seenWorth allWorth secrets(orderBy: [{worth: ASC}]) { totalCount nodes { worth } } } } secrets { totalCount } }";
        for (caller, count, worth, seen) in [
            (&boss, 4, "133.00", vec!["3.00", "10.00", "20.00", "100.00"]), (&clerk, 2, "30.00", vec!["10.00", "20.00"]), (&peer, 1, "3.00", vec!["3.00"]),
        ] {
            let answer = caller.query(text).await;
            let nodes: Vec<Value> = seen.iter().map(|worth| json!({"worth": worth})).collect();
            assert_eq!(answer.ok(), &json!({
                "boards": {"nodes": [{"seenCount": count, "allCount": 4, "seenWorth": worth, "allWorth": "133.00", "secrets": {"totalCount": count, "nodes": nodes}}]},
                "secrets": {"totalCount": count},
            }));
        }
        // Nor do figures and groups, and a reference to what is not seen groups as none.
        let text = "{ secrets { aggregate { count sum { worth } max { worth } countDistinct { boardId } } } boards { nodes { secrets(first: 0) { aggregate { sum { worth } } } } }
            secretGroups(groupBy: [{board: {title: true}}]) { key { board { title } } count sum { worth } avg { worth } }
            boardGroups(groupBy: [{seenCount: true}]) { key { seenCount } sum { seenWorth allWorth } } }";
        for (caller, count, worth, mean, most) in [(&boss, 4, "133.00", "33.25", "100.00"), (&clerk, 2, "30.00", "15.00", "20.00"), (&peer, 1, "3.00", "3.00", "3.00")] {
            assert_eq!(caller.query(text).await.ok(), &json!({
                "secrets": {"aggregate": {"count": count, "sum": {"worth": worth}, "max": {"worth": most}, "countDistinct": {"boardId": 1}}},
                "boards": {"nodes": [{"secrets": {"aggregate": {"sum": {"worth": worth}}}}]},
                "secretGroups": [{"key": {"board": {"title": "b"}}, "count": count, "sum": {"worth": worth}, "avg": {"worth": mean}}],
                "boardGroups": [{"key": {"seenCount": count}, "sum": {"seenWorth": worth, "allWorth": "133.00"}}],
            }));
        }
        let mine = clerk.create("Secret", json!({"title": "mine"})).await;
        boss.create("Detail", json!({"title": "of mine", "secretId": mine})).await;
        let by_parent = "{ detailGroups(groupBy: [{secretId: true}, {secret: {title: true}}]) { key { secretId secret { title } } count } }";
        assert_eq!(clerk.query(by_parent).await.ok()["detailGroups"], json!([{"key": {"secretId": mine, "secret": {"title": "mine"}}, "count": 1}]));
        assert_eq!(peer.query(by_parent).await.ok()["detailGroups"], json!([]));
        // By filter and order, nobody finds out more.
        for (filter, found) in [
            ("secrets: {some: {worth: {eq: \"100\"}}}", 0), ("secrets: {none: {worth: {gt: \"50\"}}}", 1), ("secrets: {every: {worth: {lt: \"15\"}}}", 1),
            ("seenCount: {eq: 1}", 1), ("seenWorth: {gt: \"3\"}", 0),
        ] {
            assert_eq!(total(&peer, &format!("boards(filter: {{{filter}}})")).await, found, "{filter}");
        }
        assert_eq!(total(&peer, "secrets(filter: {board: {secrets: {some: {worth: {gt: \"50\"}}}}})").await, 0);
    }

    async fn a_new_owner_sees_the_record_and_the_old_one_no_more(server: Server) {
        let (boss, clerk, peer) = prepare(&server).await;
        let secret = clerk.create("Secret", json!({"title": "s"})).await;
        let me = peer.query("{ me { user { id } } }").await;
        let new_owner = me.ok()["me"]["user"]["id"].clone();
        let give = "mutation($id: ID!, $owner: ID!) { updateSecret(id: $id, data: {ownerId: $owner}) { ownerId } }";
        let answer = boss.query_with(give, json!({"id": secret, "owner": new_owner})).await;
        assert!(answer.errors().is_empty(), "{answer}");
        assert_eq!((total(&clerk, "secrets").await, total(&peer, "secrets").await, total(&boss, "secrets").await), (0, 1, 1));
        assert!(!change(&clerk, "Secret", &secret).await);
        let nobody = boss.query_with(give, json!({"id": secret, "owner": secret})).await;
        nobody.refused("VALIDATION_FAILED");
    }

    async fn a_user_who_is_no_longer_active_is_nobody(server: Server) {
        let (_, clerk, _) = prepare(&server).await;
        clerk.create("Secret", json!({"title": "s"})).await;
        let admin = server.admin().await;
        let users = admin.admin_query("{ users { id email } }").await;
        let off = "mutation($id: ID!) { setUserActive(user: $id, active: false) { email } }";
        for user in users.ok()["users"].as_array().expect("users").iter().filter(|user| user["email"].as_str().is_some_and(|email| email.starts_with("clerk-"))) {
            let _ = admin.admin_query_with(off, json!({"id": user["id"]})).await.ok();
        }
        let answer = clerk.query("{ me { role } }").await;
        assert_eq!((answer.status, answer.codes()), (401, vec!["UNAUTHENTICATED"]), "{answer}");
    }
}
