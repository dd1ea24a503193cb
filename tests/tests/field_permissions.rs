//! Who signs in, which records they see by the role tree, and that a field which a role may not read does not exist for it.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

/// A module with a secret, and two roles: `boss` above `clerk`; the clerk may not read `salary` nor write `grade`.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    admin
        .create_module(json!({
            "name": "Person", "plural": "People", "nameField": "title", "fields": [
                {"name": "title", "type": "text", "required": true},
                {"name": "grade", "type": "integer"},
                {"name": "salary", "type": "money"},
                {"name": "manager", "type": "reference", "to": "Person", "inverse": "reports"},
                {"name": "yearly", "type": "formula", "rule": "salary * 12", "returns": "money"},
                {"name": "reportPay", "type": "rollup", "relation": "reports", "function": "SUM", "field": "salary", "scope": "ALL"},
                {"name": "bossPay", "type": "formula", "rule": "manager.salary", "returns": "money"},
            ],
        }))
        .await
        .ok();
    admin.create_role("boss", None).await;
    admin.create_role("clerk", Some("boss")).await;
    let all = json!({"create": true, "read": true, "update": true, "delete": true});
    let mut of_boss = all.clone();
    of_boss["fields"] = json!({"*": "WRITE"});
    admin.set_access("boss", "Person", of_boss).await;
    let mut of_clerk = all;
    of_clerk["fields"] = json!({"*": "WRITE", "salary": "NONE", "grade": "READ"});
    admin.set_access("clerk", "Person", of_clerk).await;
    admin
}

/// The fields that depend on the salary.
const HIDDEN: [&str; 4] = ["salary", "yearly", "reportPay", "bossPay"];

/// The answer is the one that a name that was never there gets, to the byte.
async fn assert_same_as_unknown(client: &Client, text: &str, name: &str) -> Answer {
    let unknown = "z".repeat(name.len());
    let twin = client.query(&text.replace(name, &unknown)).await;
    let answer = client.query(text).await;
    twin.refused("BAD_USER_INPUT");
    answer.refused("BAD_USER_INPUT");
    assert_eq!(answer.status, twin.status, "{text}");
    assert_eq!(answer.text, twin.text.replace(&unknown, name), "{text}");
    answer
}

on_both_databases! {
    async fn a_hidden_field_is_like_a_name_that_was_never_there(server: Server) {
        let admin = prepare(&server).await;
        let clerk = server.create_user_with_role("clerk").await;
        let own = clerk.create("Person", json!({"title": "Own"})).await;
        let set = "mutation($id: ID!) { updatePerson(id: $id, data: {salary: \"4321.09\", grade: 7}) { salary yearly } }";
        let answer = admin.query_with(set, json!({"id": own})).await;
        assert_eq!(answer.ok()["updatePerson"], json!({"salary": "4321.09", "yearly": "51853.08"}));

        for field in HIDDEN {
            for text in [
                format!("{{ people {{ nodes {{ {field} }} }} }}"),
                format!("{{ people {{ edges {{ node {{ manager {{ {field} }} }} }} }} }}"),
                format!("{{ person(id: \"{own}\") {{ reports {{ nodes {{ x: {field} }} }} }} }}"),
                format!("{{ node(id: \"{own}\") {{ ... on Person {{ {field} }} }} }}"),
                format!("query {{ people {{ nodes {{ ...F }} }} }} fragment F on Person {{ {field} }}"),
                format!("{{ people {{ nodes {{ {field} @include(if: false) }} }} }}"),
                format!("{{ people(filter: {{{field}: {{gt: \"1\"}}}}) {{ totalCount }} }}"),
                format!("{{ people(filter: {{not: {{or: [{{{field}: {{isNull: true}}}}]}}}}) {{ totalCount }} }}"),
                format!("{{ people(filter: {{manager: {{{field}: {{gt: \"1\"}}}}}}) {{ totalCount }} }}"),
                format!("{{ people(filter: {{reports: {{some: {{{field}: {{gt: \"1\"}}}}}}}}) {{ totalCount }} }}"),
                format!("{{ people(orderBy: [{{{field}: DESC}}]) {{ totalCount }} }}"),
                format!("{{ people(orderBy: [{{manager: {{{field}: DESC}}}}]) {{ totalCount }} }}"),
                format!("{{ people {{ aggregate {{ sum {{ {field} }} }} }} }}"),
                format!("{{ people {{ aggregate {{ avg {{ {field} }} }} }} }}"),
                format!("{{ people {{ aggregate {{ min {{ x: {field} }} max {{ {field} }} }} }} }}"),
                format!("{{ people {{ nodes {{ reports {{ aggregate {{ countDistinct {{ {field} }} }} }} }} }} }}"),
                format!("{{ personGroups(groupBy: [{{{field}: true}}]) {{ count }} }}"),
                format!("{{ personGroups(groupBy: [{{manager: {{{field}: true}}}}]) {{ count }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}]) {{ key {{ {field} }} }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}]) {{ key {{ manager {{ {field} }} }} }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}]) {{ sum {{ {field} }} }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}], having: {{sum: {{{field}: {{gt: \"1\"}}}}}}) {{ count }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}], having: {{max: {{{field}: {{gt: \"1\"}}}}}}) {{ count }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}], orderBy: [{{avg: {{{field}: DESC}}}}]) {{ count }} }}"),
                format!("{{ personGroups(groupBy: [{{title: true}}], orderBy: [{{key: {{{field}: DESC}}}}]) {{ count }} }}"),
                format!("mutation {{ createPerson(data: {{title: \"x\", {field}: \"1\"}}) {{ id }} }}"),
                format!("mutation {{ updatePerson(id: \"{own}\", data: {{{field}: \"1\"}}) {{ id }} }}"),
                format!("mutation {{ updatePerson(id: \"{own}\", data: {{title: \"y\"}}) {{ {field} }} }}"),
            ] {
                assert_same_as_unknown(&clerk, &text, field).await.never_says("4321");
            }
            for variables in [json!({"f": {field: {"gt": "1"}}}), json!({"f": {"and": [{field: null}]}})] {
                let text = "query($f: PersonFilter) { people(filter: $f) { totalCount } }";
                let unknown = "z".repeat(field.len());
                let twin_variables = serde_json::from_str(&variables.to_string().replace(field, &unknown)).expect("JSON");
                let twin = clerk.query_with(text, twin_variables).await;
                let answer = clerk.query_with(text, variables).await;
                assert_eq!(answer.refused("BAD_USER_INPUT").text, twin.text.replace(&unknown, field));
            }
        }
        let title = clerk.query("{ people { nodes { title } } }").await;
        assert_eq!(title.ok()["people"]["nodes"][0]["title"], "Own", "the refused mutations changed nothing");
    }

    async fn introspection_and_sdl_show_what_the_caller_may_read_and_write(server: Server) {
        let admin = prepare(&server).await;
        let clerk = server.create_user_with_role("clerk").await;
        let text = "{ object: __type(name: \"Person\") { fields { name } } filter: __type(name: \"PersonFilter\") { inputFields { name } }
            order: __type(name: \"PersonOrderBy\") { inputFields { name } } create: __type(name: \"PersonCreate\") { inputFields { name } }
            update: __type(name: \"PersonUpdate\") { inputFields { name } }
            sum: __type(name: \"PersonSum\") { fields { name } } min: __type(name: \"PersonMin\") { fields { name } } distinct: __type(name: \"PersonCountDistinct\") { fields { name } }
            key: __type(name: \"PersonGroupKey\") { fields { name } } by: __type(name: \"PersonGroupBy\") { inputFields { name } }
            having: __type(name: \"PersonRangeHaving\") { inputFields { name } } byNumber: __type(name: \"PersonNumberOrderBy\") { inputFields { name } } }";
        let names = |answer: &Answer, part: &str| -> Vec<String> {
            let part = &answer.ok()[part];
            let fields = part.get("fields").or_else(|| part.get("inputFields")).and_then(Value::as_array);
            fields.expect("the type is there").iter().map(|field| field["name"].as_str().expect("named").to_owned()).collect()
        };
        let seen = clerk.query(text).await;
        let all = admin.query(text).await;
        for field in HIDDEN {
            for part in ["object", "filter", "order", "sum", "min", "distinct", "key", "by", "having", "byNumber"] {
                assert!(names(&all, part).contains(&field.to_owned()), "{field} in {part}");
            }
            seen.never_says(&format!("\"{field}\""));
        }
        assert!(names(&seen, "object").contains(&"grade".to_owned()) && names(&seen, "filter").contains(&"grade".to_owned()));
        for part in ["create", "update"] {
            assert!(!names(&seen, part).contains(&"grade".to_owned()), "read only");
            assert!(names(&seen, part).contains(&"managerId".to_owned()));
            assert!(names(&all, part).contains(&"grade".to_owned()) && !names(&all, part).contains(&"yearly".to_owned()));
        }
        let (sdl, whole) = (clerk.get("/graphql/schema.graphql").await, admin.get("/graphql/schema.graphql").await);
        for field in HIDDEN {
            sdl.never_says(field);
            assert!(whole.text.contains(&format!(" {field}:")));
        }
        // A module without a grant is absent altogether, for the clerk and for nobody in particular.
        for caller in [&clerk, &server.anonymous()] {
            let lead = caller.query("{ __type(name: \"Lead\") { name } __schema { types { name } } }").await;
            lead.never_says("\"Lead");
            assert_same_as_unknown(caller, "{ leads { totalCount } }", "leads").await;
        }
        server.anonymous().get("/graphql/schema.graphql").await.never_says("person");
    }

    async fn a_field_that_may_be_read_but_not_written_is_in_no_input(server: Server) {
        let admin = prepare(&server).await;
        let clerk = server.create_user_with_role("clerk").await;
        let own = clerk.create("Person", json!({"title": "Own"})).await;
        assert_same_as_unknown(&clerk, &format!("mutation {{ updatePerson(id: \"{own}\", data: {{grade: 9}}) {{ id }} }}"), "grade").await;
        assert_same_as_unknown(&clerk, "mutation { createPerson(data: {title: \"t\", grade: 9}) { id } }", "grade").await;
        let answer = clerk.query("{ people(filter: {grade: {isNull: true}}) { nodes { grade } } }").await;
        assert_eq!(answer.ok()["people"]["nodes"], json!([{"grade": null}]));
        // A grant bites in the next request.
        admin.set_access("clerk", "Person", json!({"fields": {"*": "WRITE", "salary": "NONE"}})).await;
        let answer = clerk.query(&format!("mutation {{ updatePerson(id: \"{own}\", data: {{grade: 9}}) {{ grade }} }}")).await;
        assert_eq!(answer.ok()["updatePerson"]["grade"], 9);
        admin.set_access("clerk", "Person", json!({"update": false})).await;
        assert_same_as_unknown(&clerk, &format!("mutation {{ updatePerson(id: \"{own}\", data: {{title: \"n\"}}) {{ id }} }}"), "updatePerson").await;
        admin.set_access("clerk", "Person", json!({"read": false})).await;
        assert_same_as_unknown(&clerk, "{ people { totalCount } }", "people").await;
    }

    async fn a_required_field_that_is_hidden_is_not_named_where_it_is_missing(server: Server) {
        let admin = prepare(&server).await;
        let definition = json!({"name": "Form", "plural": "Forms", "fields": [
            {"name": "title", "type": "text"}, {"name": "clearance", "type": "text", "required": true},
            {"name": "cause", "type": "reference", "to": "Person", "inverse": "forms", "required": true, "onDelete": "CASCADE"},
        ]});
        admin.create_module(definition).await.ok();
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "clearance": "NONE", "cause": "NONE"}});
        admin.set_access("clerk", "Form", rights).await;
        let clerk = server.create_user_with_role("clerk").await;
        let answer = clerk.query("mutation { createForm(data: {title: \"t\"}) { title } }").await;
        assert!(!answer.errors().is_empty() && answer.data().is_null(), "{answer}");
        answer.never_says("clearance");
        answer.never_says("cause");
        assert_eq!(admin.query("{ forms { totalCount } }").await.ok()["forms"]["totalCount"], 0);
        // An administrator is told both.
        let answer = admin.query("mutation { createForm(data: {title: \"t\", clearance: \"x\"}) { title } }").await;
        assert!(answer.refused("VALIDATION_FAILED").text.contains("cause"), "{answer}");
    }

    async fn a_hidden_unique_value_and_a_hidden_check_are_not_told(server: Server) {
        let admin = prepare(&server).await;
        let definition = json!({"name": "Badge", "plural": "Badges", "sharing": "PUBLIC_READ_WRITE", "fields": [
            {"name": "title", "type": "text"}, {"name": "pin", "type": "text", "default": "0000", "unique": true},
        ]});
        admin.create_module(definition).await.ok();
        admin.set_access("clerk", "Badge", json!({"create": true, "read": true, "fields": {"*": "WRITE", "pin": "NONE"}})).await;
        let clerk = server.create_user_with_role("clerk").await;
        clerk.create("Badge", json!({"title": "one"})).await;
        let answer = clerk.query("mutation { createBadge(data: {title: \"two\"}) { title } }").await;
        answer.refused("CONFLICT").never_says("pin");
        answer.never_says("0000");
    }

    async fn deleted_records_are_for_those_who_may_delete(server: Server) {
        let admin = prepare(&server).await;
        let clerk = server.create_user_with_role("clerk").await;
        let own = clerk.create("Person", json!({"title": "Own"})).await;
        clerk.query_with("mutation($id: ID!) { deletePerson(id: $id) { id } }", json!({"id": own})).await.ok();
        let text = "{ people(deleted: ONLY) { nodes { title deletedAt } } }";
        assert!(clerk.query(text).await.ok()["people"]["nodes"][0]["deletedAt"].is_string());
        admin.set_access("clerk", "Person", json!({"delete": false})).await;
        assert_same_as_unknown(&clerk, "{ people(deleted: ONLY) { totalCount } }", "deleted").await;
        assert_same_as_unknown(&clerk, &format!("mutation {{ deletePerson(id: \"{own}\") {{ id }} }}"), "deletePerson").await;
        assert_eq!(clerk.query("{ people { totalCount } }").await.ok()["people"]["totalCount"], 0);
    }

    async fn private_records_are_seen_by_owner_and_superior_and_by_no_peer(server: Server) {
        prepare(&server).await;
        let boss = server.create_user_with_role("boss").await;
        let (clerk, peer) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let of_clerk = clerk.create("Person", json!({"title": "Of clerk"})).await;
        let of_boss = boss.create("Person", json!({"title": "Of boss"})).await;
        let list = "{ people(orderBy: [{title: ASC}]) { totalCount nodes { title } } }";
        let titles = |answer: &Answer| answer.ok()["people"].clone();
        assert_eq!(titles(&clerk.query(list).await), json!({"totalCount": 1, "nodes": [{"title": "Of clerk"}]}));
        assert_eq!(titles(&peer.query(list).await), json!({"totalCount": 0, "nodes": []}));
        assert_eq!(titles(&boss.query(list).await), json!({"totalCount": 2, "nodes": [{"title": "Of boss"}, {"title": "Of clerk"}]}));

        // Invisible and absent are alike: null in a query, NOT_FOUND in a mutation.
        let absent = uuid::Uuid::now_v7().to_string();
        for (caller, id) in [(&peer, &of_clerk), (&clerk, &of_boss)] {
            for text in [
                "query($id: ID!) { person(id: $id) { title } }", "query($id: ID!) { node(id: $id) { id } }",
                "query($id: ID!) { nodes(ids: [$id]) { id } }", "query($id: ID!) { people(filter: {id: {eq: $id}}) { totalCount } }",
                "mutation($id: ID!) { updatePerson(id: $id, data: {title: \"Taken\"}) { title } }",
                "mutation($id: ID!) { updatePerson(id: $id, data: {title: \"Taken\"}, ifVersion: 1) { title } }",
                "mutation($id: ID!) { deletePerson(id: $id) { id } }",
            ] {
                let answer = caller.query_with(text, json!({"id": id})).await;
                let twin = caller.query_with(text, json!({"id": absent})).await;
                assert_eq!((answer.status, &answer.text), (twin.status, &twin.text), "{text}");
                if text.starts_with("mutation") {
                    answer.refused("NOT_FOUND");
                } else {
                    let _ = answer.ok();
                }
            }
        }
        let answer = boss.query_with("mutation($id: ID!) { updatePerson(id: $id, data: {title: \"By boss\"}) { title } }", json!({"id": of_clerk})).await;
        assert_eq!(answer.ok()["updatePerson"]["title"], "By boss");
    }

    async fn a_reference_to_an_invisible_record_reads_as_null(server: Server) {
        prepare(&server).await;
        let boss = server.create_user_with_role("boss").await;
        let clerk = server.create_user_with_role("clerk").await;
        let chief = boss.create("Person", json!({"title": "Chief"})).await;
        let own = clerk.create("Person", json!({"title": "Own"})).await;
        let set = "mutation($id: ID!, $manager: ID!) { updatePerson(id: $id, data: {managerId: $manager}) { managerId } }";
        let refused = clerk.query_with(set, json!({"id": own, "manager": chief})).await;
        let absent = clerk.query_with(set, json!({"id": own, "manager": uuid::Uuid::now_v7()})).await;
        assert_eq!(refused.refused("VALIDATION_FAILED").text, absent.text, "an invisible target is like none");
        assert_eq!(boss.query_with(set, json!({"id": own, "manager": chief})).await.ok()["updatePerson"]["managerId"], chief);
        let see = "query($id: ID!, $manager: ID!) { person(id: $id) { managerId manager { title } }
            none: people(filter: {managerId: {eq: $manager}}) { totalCount }
            null: people(filter: {managerId: {isNull: true}}) { totalCount }
            named: people(filter: {manager: {title: {eq: \"Chief\"}}}) { totalCount } }";
        let of_clerk = clerk.query_with(see, json!({"id": own, "manager": chief})).await;
        assert_eq!(of_clerk.ok(), &json!({"person": {"managerId": null, "manager": null}, "none": {"totalCount": 0}, "null": {"totalCount": 1}, "named": {"totalCount": 0}}));
        let of_boss = boss.query_with(see, json!({"id": own, "manager": chief})).await;
        assert_eq!(of_boss.ok(), &json!({"person": {"managerId": chief, "manager": {"title": "Chief"}}, "none": {"totalCount": 1}, "null": {"totalCount": 1}, "named": {"totalCount": 1}}));
    }

    async fn users_show_no_secrets(server: Server) {
        let admin = server.admin().await;
        let sdl = admin.get("/graphql/schema.graphql").await;
        for secret in ["password", "token", "hash", "argon"] {
            sdl.never_says(secret);
        }
        let answer = admin.query("{ users { nodes { name email role { name } } } me { role user { email } } }").await;
        assert_eq!(answer.ok()["me"]["role"], "administrator");
        answer.never_says("argon");
        admin.query("{ users(filter: {passwordHash: {isNull: false}}) { totalCount } }").await.refused("BAD_USER_INPUT");
    }

    async fn tokens_are_handed_out_renewed_once_and_taken_back(server: Server) {
        let admin = server.admin().await;
        admin.create_role("clerk", None).await;
        admin.create_user("ada@example.org", "ada counts with engines", "clerk").await;
        let nobody = server.anonymous();
        let signed = nobody.post("/auth/sign-in", &json!({"email": "ADA@example.org", "password": "ada counts with engines"})).await;
        assert_eq!(signed.status, 200, "{signed}");
        assert!(signed.body["expiresIn"].as_i64().expect("seconds") > 0);
        let refresh = signed.body["refreshToken"].clone();
        let role = |answer: &Answer| answer.ok()["me"]["role"].clone();
        let access = |answer: &Answer| nobody.with_token(answer.body["accessToken"].as_str().expect("a token"));
        let me = "{ me { role } }";
        assert_eq!(role(&access(&signed).query(me).await), "clerk");
        assert_eq!(role(&nobody.query(me).await), "anonymous");

        let renewed = nobody.post("/auth/refresh", &json!({"refreshToken": refresh})).await;
        assert_eq!(renewed.status, 200, "{renewed}");
        assert_ne!(renewed.body["refreshToken"], refresh);
        assert_eq!(role(&access(&renewed).query(me).await), "clerk");
        // A refresh token that comes twice was stolen, by the first or the second who used it: the whole session ends.
        let stolen = nobody.post("/auth/refresh", &json!({"refreshToken": refresh})).await;
        assert_eq!((stolen.status, stolen.codes()), (401, vec!["UNAUTHENTICATED"]));
        let after = nobody.post("/auth/refresh", &json!({"refreshToken": renewed.body["refreshToken"]})).await;
        assert_eq!(after.status, 401, "{after}");
        assert_eq!(access(&renewed).query(me).await.status, 401);

        let again = nobody.post("/auth/sign-in", &json!({"email": "ada@example.org", "password": "ada counts with engines"})).await;
        let out = nobody.post("/auth/sign-out", &json!({"refreshToken": again.body["refreshToken"]})).await;
        assert!(out.status < 300, "{out}");
        assert_eq!(access(&again).query(me).await.status, 401);
    }

    async fn a_bad_token_is_never_anonymous_and_a_wrong_password_tells_nothing(server: Server) {
        let nobody = server.anonymous();
        for token in ["x", "0", "eyJhbGciOiJub25lIn0.e30.", &"a".repeat(5_000), "cardine_at_0000000000000000000000000000000000000000000"] {
            let answer = nobody.with_token(token).query("{ me { role } }").await;
            assert_eq!((answer.status, answer.codes()), (401, vec!["UNAUTHENTICATED"]), "{answer}");
        }
        let wrong = |email: &str| json!({"email": email, "password": "not the password"});
        let known = nobody.post("/auth/sign-in", &wrong("admin@example.org")).await;
        let unknown = nobody.post("/auth/sign-in", &wrong("who@example.org")).await;
        assert_eq!((known.status, unknown.status), (401, 401));
        assert_eq!(known.text, unknown.text);
        let malformed = nobody.post("/auth/sign-in", &json!({"email": 5})).await;
        assert_eq!((malformed.status, malformed.codes()), (400, vec!["BAD_USER_INPUT"]), "{malformed}");
    }

    async fn guessing_a_password_is_slowed_down(server: Server) {
        let nobody = server.anonymous();
        let mut statuses = Vec::new();
        for _ in 0..8 {
            let answer = nobody.post("/auth/sign-in", &json!({"email": "who@example.org", "password": "guess"})).await;
            statuses.push(answer.status);
        }
        assert_eq!(statuses[0], 401);
        assert!(statuses.contains(&429), "{statuses:?}");
    }
}
