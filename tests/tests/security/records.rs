//! Hidden records: no count, nested list, id, filter or rule tells of a record that the caller may not see.

use std::collections::BTreeSet;

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

use crate::cast::{Cast, id_of, people, same_as_unknown};

/// All ids that somebody can page through.
async fn paged(caller: &Client, list: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut after = Value::Null;
    loop {
        let text = format!(
            "query($after: String) {{ {list}(first: 2, after: $after) {{ nodes {{ id }} pageInfo {{ endCursor hasNextPage }} }} }}"
        );
        let answer = caller.query_with(&text, json!({"after": after})).await;
        let page = answer.ok()[list].clone();
        let nodes = page["nodes"].as_array().expect("nodes").iter();
        ids.extend(nodes.map(|node| node["id"].as_str().expect("an id").to_owned()));
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            return ids;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

on_both_databases! {
    async fn every_count_is_of_what_can_be_paged_through(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.manager.create("Company", json!({"name": "Acme"})).await;
        let open = "mutation { saveSharingRule(rule: {name: \"all\", module: \"Company\", rule: \"true\", with: {roleAndBelow: \"manager\"}, access: WRITE}) { name } }";
        cast.administer(open, json!({})).await;
        for (caller, count) in [(&cast.rep, 5), (&cast.other, 3), (&cast.manager, 1)] {
            let data = (0..count).map(|n| json!({"name": format!("anna {n}"), "stage": "NEW", "companyId": company}));
            caller.create_many("Person", data).await;
        }
        for (caller, seen) in [(&cast.rep, 5), (&cast.other, 3), (&cast.manager, 9)] {
            assert_eq!(paged(caller, "people").await.len(), seen);
            let answer = caller.query("{ people(first: 0) { totalCount aggregate { count } pageInfo { hasNextPage } }
                personGroups(groupBy: [{stage: true}]) { count } search(text: \"anna\", first: 1) { totalCount }
                companies { nodes { staff { totalCount aggregate { count } } } }
                none: people(filter: {name: {contains: \"anna\"}}, first: 0) { totalCount } duplicatesOfPerson(data: {name: \"anna 0\"}) { id } }").await;
            let data = answer.ok();
            let counts = [
                &data["people"]["totalCount"], &data["people"]["aggregate"]["count"], &data["personGroups"][0]["count"], &data["search"]["totalCount"],
                &data["companies"]["nodes"][0]["staff"]["totalCount"], &data["companies"]["nodes"][0]["staff"]["aggregate"]["count"], &data["none"]["totalCount"],
            ];
            assert_eq!(counts.map(Value::as_u64), [Some(seen as u64); 7], "{answer}");
            assert_eq!(data["people"]["pageInfo"]["hasNextPage"], true, "{answer}");
            let alike = data["duplicatesOfPerson"].as_array().expect("records").len();
            assert_eq!(alike, if seen == 9 { 3 } else { 1 });
        }
        let stranger = cast.server.create_user_with_role("rep").await;
        let answer = stranger.query("{ people(first: 0) { totalCount pageInfo { hasNextPage hasPreviousPage startCursor } } }").await;
        assert_eq!(answer.ok()["people"], json!({"totalCount": 0, "pageInfo": {"hasNextPage": false, "hasPreviousPage": false, "startCursor": null}}));
    }

    async fn no_field_at_the_root_shows_a_stranger_anything(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.rep.create("Company", json!({"name": "Acme"})).await;
        let person = cast.rep.create("Person", json!({"name": "Ann", "companyId": company})).await;
        let stranger = cast.server.create_user_with_role("rep").await;
        let answer = stranger.query("{ __type(name: \"Query\") { fields { name args { name } type { name ofType { name kind ofType { name kind ofType { name } } } } } } }").await;
        let fields = answer.ok()["__type"]["fields"].as_array().expect("fields").clone();
        let mut asked = BTreeSet::new();
        for field in &fields {
            let name = field["name"].as_str().expect("a name");
            let arguments: Vec<&str> = field["args"].as_array().expect("arguments").iter().filter_map(|argument| argument["name"].as_str()).collect();
            // What the platform shows to everybody who is signed in.
            if ["user", "users", "group", "groups", "role", "roles", "userGroups", "groupGroups", "roleGroups", "me"].contains(&name) {
                continue;
            }
            for id in [&person, &company] {
                let (text, empty) = match (name, arguments.as_slice()) {
                    ("search", _) => ("search(text: \"a\", first: 5) { totalCount nodes { module } }".to_owned(), json!({"totalCount": 0, "nodes": []})),
                    ("nodes", _) => (format!("nodes(ids: [\"{id}\"]) {{ id }}"), json!([null])),
                    (_, ["id"]) => (format!("{name}(id: \"{id}\") {{ id }}"), Value::Null),
                    (_, arguments) if arguments.contains(&"groupBy") => (format!("{name}(groupBy: [{{createdAt: YEAR}}]) {{ count }}"), json!([])),
                    (_, arguments) if arguments.contains(&"offset") => (format!("{name} {{ totalCount nodes {{ id }} aggregate {{ count }} }}"), json!({"totalCount": 0, "nodes": [], "aggregate": {"count": 0}})),
                    (_, arguments) if arguments.contains(&"data") => (format!("{name}(data: {{name: \"Ann\"}}) {{ id }}"), json!([])),
                    other => panic!("a new field at the root needs its attack: {other:?}"),
                };
                let answer = stranger.query(&format!("{{ {text} }}")).await;
                assert_eq!(answer.ok()[name], empty, "{text}");
                asked.insert(name.to_owned());
            }
        }
        for name in ["people", "person", "personGroups", "companies", "node", "nodes", "search", "duplicatesOfPerson"] {
            assert!(asked.contains(name), "{name} of {asked:?}");
        }
        // The same questions find it for whom it is.
        let answer = cast.rep.query("{ people { totalCount } search(text: \"ann\") { totalCount } }").await;
        assert_eq!(answer.ok(), &json!({"people": {"totalCount": 1}, "search": {"totalCount": 1}}));
    }

    async fn a_guest_finds_neither_records_nor_names(server: Server) {
        let cast = Cast::new(server).await;
        let person = cast.rep.create("Person", json!({"name": "Ann"})).await;
        let answer = cast.guest.query("{ __schema { types { name } queryType { fields { name } } mutationType { name } subscriptionType { name } } }").await;
        let schema = &answer.ok()["__schema"];
        assert_eq!((&schema["mutationType"], &schema["subscriptionType"]), (&Value::Null, &Value::Null));
        let modules = cast.administer("{ modules { name plural } }", json!({})).await;
        let sdl = cast.guest.get("/graphql/schema.graphql").await;
        for module in modules["modules"].as_array().expect("modules") {
            for name in [&module["name"], &module["plural"]] {
                let name = name.as_str().expect("a name");
                let shown = |text: &str| text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
                assert!(!shown(&answer.text) && !shown(&sdl.text), "{name}");
            }
            let plural = module["plural"].as_str().expect("a name");
            let list = format!("{}{}", plural[..1].to_lowercase(), &plural[1..]);
            same_as_unknown(&cast.guest, &format!("{{ {list} {{ totalCount }} }}"), &list).await;
        }
        let me = cast.guest.query("{ me { role modules { name } } }").await;
        assert_eq!(me.ok()["me"], json!({"role": "anonymous", "modules": []}));
        for text in [format!("{{ node(id: \"{person}\") {{ id }} }}"), format!("mutation {{ deletePerson(id: \"{person}\") {{ id }} }}"), "mutation { createPerson(data: {name: \"x\"}) { id } }".to_owned()] {
            let answer = cast.guest.query(&text).await;
            assert!(answer.data().is_null() || answer.data()["node"].is_null(), "{answer}");
        }
        assert_eq!(people(&cast.rep).await, ["Ann"]);
    }

    async fn an_id_of_another_kind_is_nobodys(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.rep.create("Company", json!({"name": "Acme"})).await;
        let person = cast.rep.create("Person", json!({"name": "Ann"})).await;
        let user = id_of(&cast.rep).await;
        for id in [&company, &user] {
            let answer = cast.rep.query_with("query($id: ID!) { person(id: $id) { id } people(filter: {id: {eq: $id}}) { totalCount } }", json!({"id": id})).await;
            assert_eq!(answer.ok(), &json!({"person": null, "people": {"totalCount": 0}}));
            for verb in ["updatePerson(id: $id, data: {name: \"x\"}) { id }", "deletePerson(id: $id) { id }", "restorePerson(id: $id) { id }", "destroyPerson(id: $id)", "mergePeople(ids: [$id], into: \"PERSON\") { id }", "mergePeople(ids: [\"PERSON\"], into: $id) { id }"] {
                let text = format!("mutation($id: ID!) {{ {} }}", verb.replace("PERSON", &person));
                cast.rep.query_with(&text, json!({"id": id})).await.refused("NOT_FOUND");
            }
        }
        // A reference leads only where its definition says.
        for (field, id) in [("companyId", &person), ("companyId", &user), ("topicId", &user)] {
            let text = format!("mutation($id: ID!, $to: ID!) {{ updatePerson(id: $id, data: {{{field}: $to}}) {{ id }} }}");
            cast.rep.query_with(&text, json!({"id": person, "to": id})).await.refused("VALIDATION_FAILED");
        }
        for owner in [&person, &company] {
            let text = "mutation($id: ID!, $to: ID!) { updatePerson(id: $id, data: {ownerId: $to}) { id } }";
            cast.rep.query_with(text, json!({"id": person, "to": owner})).await.refused("VALIDATION_FAILED");
        }
        let answer = cast.rep.query_with("query($id: ID!) { node(id: $id) { __typename ... on Person { name } } }", json!({"id": user})).await;
        assert_eq!(answer.ok()["node"], json!({"__typename": "User"}));
        let topic = cast.rep.query_with("mutation($id: ID!, $to: ID!) { updatePerson(id: $id, data: {topicId: $to}) { topic { __typename } } }", json!({"id": person, "to": company})).await;
        assert_eq!(topic.ok()["updatePerson"]["topic"]["__typename"], "Company");
    }

    async fn a_filter_over_relations_knows_only_records_in_sight(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.manager.create("Company", json!({"name": "Acme"})).await;
        let open = "mutation { saveSharingRule(rule: {name: \"all\", module: \"Company\", rule: \"true\", with: {role: \"rep\"}, access: READ}) { name } }";
        cast.administer(open, json!({})).await;
        cast.rep.create("Person", json!({"name": "Of rep", "companyId": company, "stage": "NEW"})).await;
        cast.other.create("Person", json!({"name": "Of other", "companyId": company, "stage": "OLD"})).await;
        let count = |filter: &str| format!("{{ companies(filter: {{staff: {filter}}}) {{ totalCount }} }}");
        for (filter, of_rep, of_other, of_manager) in [
            ("{some: {stage: {eq: OLD}}}", 0, 1, 1), ("{none: {stage: {eq: OLD}}}", 1, 0, 0), ("{every: {stage: {eq: NEW}}}", 1, 0, 0),
            ("{some: {name: {contains: \"of other\"}}}", 0, 1, 1), ("{some: {company: {staff: {some: {stage: {eq: OLD}}}}}}", 0, 1, 1),
        ] {
            for (caller, expected) in [(&cast.rep, of_rep), (&cast.other, of_other), (&cast.manager, of_manager)] {
                assert_eq!(caller.query(&count(filter)).await.ok()["companies"]["totalCount"], expected, "{filter}");
            }
        }
        let nested = "{ companies { nodes { staff { totalCount nodes { name company { staff { totalCount } } } } } } }";
        let answer = cast.rep.query(nested).await;
        assert_eq!(answer.ok()["companies"]["nodes"][0]["staff"], json!({"totalCount": 1, "nodes": [{"name": "Of rep", "company": {"staff": {"totalCount": 1}}}]}));
    }

    async fn an_empty_list_opens_nothing(server: Server) {
        let cast = Cast::new(server).await;
        cast.rep.create("Person", json!({"name": "Ann"})).await;
        cast.other.create("Person", json!({"name": "Bea"})).await;
        let total = |filter: &str| format!("{{ people(filter: {filter}) {{ totalCount }} }}");
        for (filter, found) in [
            ("{name: {in: []}}", 0), ("{name: {notIn: []}}", 1), ("{not: {name: {in: []}}}", 1), ("{or: []}", 0), ("{and: []}", 1), ("{id: {in: []}}", 0),
            ("{or: [{name: {in: []}}, {stage: {notIn: []}}]}", 1), ("{stage: {ne: OLD}}", 0),
        ] {
            assert_eq!(cast.rep.query(&total(filter)).await.ok()["people"]["totalCount"], found, "{filter}");
        }
        // A group without members owns nothing, and nobody is meant by it.
        cast.administer("mutation { saveGroup(name: \"Nobody\", members: []) { name } }", json!({})).await;
        for rule in ["{name: \"a\", module: \"Person\", ownedBy: {group: \"Nobody\"}, with: {role: \"rep\"}, access: WRITE, delete: true}",
                     "{name: \"b\", module: \"Person\", rule: \"true\", with: {group: \"Nobody\"}, access: WRITE}"] {
            cast.administer(&format!("mutation {{ saveSharingRule(rule: {rule}) {{ name }} }}"), json!({})).await;
            assert_eq!((people(&cast.rep).await, people(&cast.other).await), (vec!["Ann".to_owned()], vec!["Bea".to_owned()]), "{rule}");
        }
    }

    async fn rules_that_say_nothing_are_refused(server: Server) {
        let cast = Cast::new(server).await;
        cast.rep.create("Person", json!({"name": "Ann"})).await;
        for rule in ["", "  ", "()", "1", "\"true\"", "name", "true ||", "{}", "[]"] {
            let text = "mutation($rule: String!) { setRecordRule(role: \"rep\", module: \"Person\", rule: $rule) { name } }";
            cast.admin.admin_query_with(text, json!({"rule": rule})).await.refused("VALIDATION_FAILED");
            let text = "mutation($rule: String!) { saveSharingRule(rule: {name: \"x\", module: \"Person\", rule: $rule, with: {role: \"rep\"}, access: READ}) { name } }";
            cast.admin.admin_query_with(text, json!({"rule": rule})).await.refused("VALIDATION_FAILED");
        }
        for rule in ["{name: \"x\", module: \"Person\", with: {role: \"rep\"}, access: READ}", "{name: \"x\", module: \"Person\", rule: \"true\", ownedBy: {role: \"rep\"}, with: {role: \"rep\"}, access: READ}"] {
            cast.admin.admin_query(&format!("mutation {{ saveSharingRule(rule: {rule}) {{ name }} }}")).await.refused("VALIDATION_FAILED");
        }
        assert!(people(&cast.other).await.is_empty());
        // A rule that is never true narrows to nothing, one that has no value too.
        for rule in ["false", "grade > 1", "actor.id == null"] {
            let text = "mutation($rule: String!) { setRecordRule(role: \"rep\", module: \"Person\", rule: $rule) { name } }";
            cast.administer(text, json!({"rule": rule})).await;
            assert!(people(&cast.rep).await.is_empty(), "{rule}");
        }
    }
}
