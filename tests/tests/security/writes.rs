//! Writes: no verb reaches a record that it may not, no input takes what is the system's, and rights are given by administrators alone.

use std::collections::BTreeSet;

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

use crate::cast::{Cast, id_of, people};

/// What a verb needs of the record.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Need {
    Read,
    Update,
    Delete,
}

/// The verbs, each tried by one operation.
const VERBS: [(&str, Need, &str); 12] = [
    ("read", Need::Read, "query($id: ID!) { done: person(id: $id) { id } }"),
    ("filter", Need::Read, "query($id: ID!) { done: people(filter: {id: {eq: $id}}) { nodes { id } } }"),
    ("update", Need::Update, "mutation($id: ID!) { done: updatePerson(id: $id, data: {stage: OLD}) { id } }"),
    (
        "updateMany",
        Need::Update,
        "mutation($id: ID!) { done: updatePeople(filter: {id: {eq: $id}}, data: {stage: OLD}) { ids } }",
    ),
    ("delete", Need::Delete, "mutation($id: ID!) { done: deletePerson(id: $id) { id } }"),
    ("deleteMany", Need::Delete, "mutation($id: ID!) { done: deletePeople(filter: {id: {eq: $id}}) { ids } }"),
    ("restore", Need::Delete, "mutation($id: ID!) { done: restorePerson(id: $id) { id } }"),
    ("restoreMany", Need::Delete, "mutation($id: ID!) { done: restorePeople(filter: {id: {eq: $id}}) { ids } }"),
    ("destroy", Need::Delete, "mutation($id: ID!) { done: destroyPerson(id: $id) }"),
    ("destroyMany", Need::Delete, "mutation($id: ID!) { done: destroyPeople(filter: {id: {eq: $id}}) { ids } }"),
    ("destroyManyDeleted", Need::Delete, "mutation($id: ID!) { done: destroyPeople(filter: {id: {eq: $id}}) { ids } }"),
    ("merge", Need::Delete, "mutation($id: ID!, $into: ID!) { done: mergePeople(ids: [$id], into: $into) { id } }"),
];

on_both_databases! {
    async fn every_verb_reaches_the_records_that_it_may_and_no_others(server: Server) {
        let cast = Cast::new(server).await;
        let rep = id_of(&cast.rep).await;
        let share = "mutation($id: ID!, $to: ID!, $access: SharedAccess!, $delete: Boolean) { shareRecord(module: \"Person\", id: $id, with: {user: $to}, access: $access, delete: $delete) { delete } }";
        let mut tried = 0;
        for (relation, caller, owner, shared, reach) in [
            ("own", &cast.rep, &cast.rep, None, &[Need::Read, Need::Update, Need::Delete][..]),
            ("a peer's", &cast.rep, &cast.other, None, &[]),
            ("a superior's", &cast.rep, &cast.manager, None, &[]),
            ("a subordinate's", &cast.manager, &cast.rep, None, &[Need::Read, Need::Update, Need::Delete]),
            ("shared to read", &cast.rep, &cast.other, Some(("READ", false)), &[Need::Read]),
            ("shared to write", &cast.rep, &cast.other, Some(("WRITE", false)), &[Need::Read, Need::Update]),
            ("shared to delete", &cast.rep, &cast.other, Some(("READ", true)), &[Need::Read, Need::Delete]),
            ("an administrator's", &cast.manager, &cast.admin, None, &[]),
        ] {
            for (verb, need, text) in VERBS {
                // What is merged is changed and deleted: its own case, which is neither.
                if verb == "merge" && relation == "shared to delete" {
                    continue;
                }
                let id = owner.create("Person", json!({"name": "Target"})).await;
                let into = caller.create("Person", json!({"name": "Survivor"})).await;
                if let Some((access, delete)) = shared {
                    cast.administer(share, json!({"id": id, "to": rep, "access": access, "delete": delete})).await;
                }
                let is_deleted = ["restore", "restoreMany", "destroyManyDeleted"].contains(&verb);
                if is_deleted {
                    cast.admin.query_with("mutation($id: ID!) { deletePerson(id: $id) { id } }", json!({"id": id})).await.ok();
                }
                let with_merge = json!({"id": id, "into": into});
                let variables = if verb == "merge" { with_merge } else { json!({"id": id}) };
                let answer = caller.query_with(text, variables).await;
                let done = answer.data()["done"].to_string();
                let reached = done.contains(&id) || (verb == "merge" && done.contains(&into));
                let expected = reach.contains(&need);
                assert_eq!(reached, expected, "{verb} of {relation}: {answer}");
                let exists = "query($id: ID!) { people(filter: {id: {eq: $id}}, deleted: INCLUDE) { nodes { stage deletedAt } } }";
                let exists = cast.admin.query_with(exists, json!({"id": id})).await;
                let now = exists.ok()["people"]["nodes"][0].clone();
                let now = if now.is_null() { now } else { json!({"stage": now["stage"], "deleted": !now["deletedAt"].is_null()}) };
                let untouched = json!({"stage": null, "deleted": is_deleted});
                assert_eq!(now == untouched, !expected || need == Need::Read, "{verb} of {relation}: {now}");
                tried += 1;
            }
        }
        assert_eq!(tried, 8 * VERBS.len() - 1);
    }

    async fn no_input_has_a_field_of_the_system(server: Server) {
        let cast = Cast::new(server).await;
        let answer = cast.admin.query("{ __schema { types { name kind inputFields { name } } mutationType { fields { name } } } }").await;
        let schema = &answer.ok()["__schema"];
        let systems = ["id", "version", "createdAt", "updatedAt", "deletedAt", "createdBy", "createdById", "updatedBy", "updatedById", "_ownerModule", "passwordHash", "roleId", "tenantId"];
        let mut inputs = 0;
        for of in schema["types"].as_array().expect("types") {
            let name = of["name"].as_str().expect("a name");
            if !(name.ends_with("Create") || name.ends_with("Update")) {
                continue;
            }
            inputs += 1;
            for field in of["inputFields"].as_array().into_iter().flatten() {
                assert!(!systems.contains(&field["name"].as_str().expect("a name")), "{name}.{field}");
            }
        }
        assert!(inputs > 20, "{inputs}");
        let person = cast.rep.create("Person", json!({"name": "Ann"})).await;
        for field in systems {
            for text in [format!("mutation {{ createPerson(data: {{name: \"x\", {field}: 1}}) {{ id }} }}"), format!("mutation {{ updatePerson(id: \"{person}\", data: {{{field}: \"1\"}}) {{ id }} }}")] {
                cast.admin.query(&text).await.refused("BAD_USER_INPUT");
            }
            let text = "mutation($data: PersonUpdate!, $id: ID!) { updatePerson(id: $id, data: $data) { id } }";
            cast.admin.query_with(text, json!({"id": person, "data": {"name": "y", field: 1}})).await.refused("BAD_USER_INPUT");
        }
        // Users, sessions and roles are not written here, by nobody.
        let mutations: BTreeSet<&str> = schema["mutationType"]["fields"].as_array().expect("mutations").iter().filter_map(|field| field["name"].as_str()).collect();
        for name in ["createUser", "updateUser", "updateUsers", "deleteUser", "updateGroup", "createRole", "updateRole", "updateSession", "createApiKey"] {
            assert!(!mutations.contains(name), "{name}");
        }
    }

    async fn unknown_keys_are_faults_wherever_they_stand(server: Server) {
        let cast = Cast::new(server).await;
        let text = "mutation($data: PersonCreate!) { createPerson(data: $data) { id } }";
        for data in [
            json!({"name": "x", "role": "administrator"}), json!({"name": "x", "__proto__": {"admin": true}}), json!({"name": "x", "company": {"create": {"name": "c", "admin": 1}}}),
            json!({"name": "x", "company": {"create": {"name": "c", "staff": {"create": [{"name": "y"}, {"name": "z", "salary": "1"}]}}}}),
            json!({"company": {"create": {"name": "c"}}, "name": "x", "salary": "1"}), json!({"name": "x", "mentions": {"create": [{"name": "y"}], "sql": "1"}}),
            json!({"name": "x", "companyId": {"connect": "y"}}), json!({"name": "x", "Name": "y"}), json!({"name": {"set": "x"}}), json!(["x"]), json!("x"),
        ] {
            cast.rep.query_with(text, json!({"data": data})).await.refused("BAD_USER_INPUT");
        }
        assert!(people(&cast.manager).await.is_empty());
    }

    async fn a_record_that_is_given_away_is_gone_with_the_answer_to_that(server: Server) {
        let cast = Cast::new(server).await;
        let (rep, other) = (id_of(&cast.rep).await, id_of(&cast.other).await);
        let person = cast.rep.create("Person", json!({"name": "Ann"})).await;
        let give = "mutation($id: ID!, $to: ID!) { updatePerson(id: $id, data: {ownerId: $to}) { name } }";
        // Who does not reach it cannot take it.
        cast.other.query_with(give, json!({"id": person, "to": other})).await.refused("NOT_FOUND");
        let answer = cast.rep.query_with(give, json!({"id": person, "to": other})).await;
        assert_eq!(answer.ok()["updatePerson"]["name"], "Ann", "what one has written is answered");
        assert_eq!((people(&cast.rep).await, people(&cast.other).await), (vec![], vec!["Ann".to_owned()]));
        cast.rep.query_with(give, json!({"id": person, "to": rep})).await.refused("NOT_FOUND");
        // In the same operation, too, nothing is read of it after it was given away.
        let second = cast.rep.create("Person", json!({"name": "Bea"})).await;
        let both = "mutation($id: ID!, $to: ID!) { a: updatePerson(id: $id, data: {ownerId: $to}) { id } b: updatePerson(id: $id, data: {stage: OLD}) { name stage } }";
        let answer = cast.rep.query_with(both, json!({"id": second, "to": other})).await;
        assert!(answer.codes().contains(&"NOT_FOUND") && answer.data().is_null(), "{answer}");
        assert_eq!(people(&cast.rep).await, ["Bea"], "all of it was undone");
    }

    async fn only_administrators_ask_and_change_who_may_do_what(server: Server) {
        let cast = Cast::new(server).await;
        let schema = cast.administer("{ __schema { queryType { fields { name } } mutationType { fields { name } } } }", json!({})).await;
        // What everybody has of their own account, and the questions that workflows ask of them.
        let own = ["sessions", "apiKeys", "changePassword", "createApiKey", "revokeApiKey", "revokeSession", "revokeAllSessions"];
        let own = [&own[..], &["approvals", "decideApproval", "delegateApproval"]].concat();
        let mut asked = 0;
        for (kind, of) in [("query", "queryType"), ("mutation", "mutationType")] {
            for field in schema["__schema"][of]["fields"].as_array().expect("fields") {
                let name = field["name"].as_str().expect("a name");
                let root = if kind == "query" { "Query" } else { "Mutation" };
                for text in [format!("{kind} {{ {name} }}"), format!("{kind} {{ x: {name} {{ id }} }}"), format!("{kind} {{ ...F }} fragment F on {root} {{ {name} }}")] {
                    assert_eq!(cast.guest.admin_query(&text).await.codes(), ["UNAUTHENTICATED"], "{text}");
                    for caller in [&cast.manager, &cast.rep] {
                        if !own.contains(&name) {
                            let answer = caller.admin_query(&text).await;
                            assert!(answer.codes() == ["FORBIDDEN"] && answer.data().is_null(), "{text}: {answer}");
                        }
                    }
                }
                asked += 1;
            }
        }
        assert!(asked > 30, "{asked}");
        assert_eq!(cast.rep.admin_query("{ approvals { id } }").await.ok()["approvals"], json!([]));
        let decide = "mutation($id: ID!) { decideApproval(id: $id, approved: true) { id } }";
        cast.rep.admin_query_with(decide, json!({"id": "019a0000-0000-7000-8000-000000000000"})).await.refused("NOT_FOUND");
        assert_eq!(cast.rep.admin_query("{ sessions { id } users { email } }").await.codes(), ["FORBIDDEN"]);
        let answer = cast.rep.admin_query("{ __schema { types { name } } }").await;
        answer.never_says("SharingRule").never_says("AuditEntry").never_says("PermissionSet");
        for text in ["{ __schema { types { name } } }", "{ __typename }", "not GraphQL"] {
            assert_eq!(cast.guest.admin_query(text).await.codes(), ["UNAUTHENTICATED"]);
        }
        // Nor by a grant: what a role may do with modules never opens the administration.
        let all = json!({"create": true, "read": true, "update": true, "delete": true, "fields": {"*": "WRITE"}});
        for platform in ["User", "Role", "Group"] {
            let text = "mutation($module: String!, $fields: JSON) { setAccess(role: \"rep\", module: $module, update: true, fields: $fields) { name } }";
            cast.admin.admin_query_with(text, json!({"module": platform, "fields": all["fields"]})).await.refused("VALIDATION_FAILED");
        }
        cast.rep.query("mutation { updateUser(id: \"1\", data: {name: \"x\"}) { id } }").await.refused("BAD_USER_INPUT");
    }

    async fn a_document_meets_its_schema_and_a_bound(server: Server) {
        let cast = Cast::new(server).await;
        let schema = json!({"type": "object", "additionalProperties": false, "properties": {"theme": {"enum": ["dark", "light"]}}});
        cast.admin.create_module(json!({"name": "Setting", "plural": "Settings", "fields": [{"name": "value", "type": "json", "schema": schema}]})).await.ok();
        let create = |value: Value| {
            let admin: Client = cast.admin.clone();
            async move { admin.query_with("mutation($v: JSON) { createSetting(data: {value: $v}) { value } }", json!({"v": value})).await }
        };
        for value in [json!({"theme": "pink"}), json!({"theme": "dark", "isAdmin": true}), json!({"__proto__": {}}), json!([]), json!("dark")] {
            create(value).await.refused("VALIDATION_FAILED");
        }
        assert_eq!(create(json!({"theme": "dark"})).await.ok()["createSetting"]["value"], json!({"theme": "dark"}));
        let mut deep = json!("x");
        for _ in 0..110 {
            deep = json!([deep]);
        }
        let answer = create(deep).await;
        assert!(!answer.codes().is_empty() && answer.status < 500, "{answer}");
    }
}
