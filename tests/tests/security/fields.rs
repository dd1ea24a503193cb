//! Hidden fields: by no filter, order, group, figure, search, path or type does anybody learn of what they may not read.

use std::collections::BTreeSet;

use cardine_tests::{Client, on_both_databases};
use serde_json::{Value, json};

use crate::cast::{Cast, HIDDEN, same_as_unknown};

/// Every name of a caller's schema with the type that has it: fields, arguments, inputs.
async fn names(caller: &Client) -> BTreeSet<(String, String)> {
    let text = "{ __schema { types { name fields(includeDeprecated: true) { name } inputFields(includeDeprecated: true) { name } enumValues(includeDeprecated: true) { name } } } }";
    let answer = caller.query(text).await;
    let types = answer.ok()["__schema"]["types"].as_array().expect("types").clone();
    let text = |value: &Value| value["name"].as_str().expect("a name").to_owned();
    let of_type = |of: &Value| -> Vec<(String, String)> {
        let lists = ["fields", "inputFields", "enumValues"].into_iter().filter_map(|list| of[list].as_array());
        lists.flatten().map(|name| (text(of), text(name))).collect()
    };
    types.iter().flat_map(of_type).collect()
}

on_both_databases! {
    async fn a_hidden_field_stays_hidden_whatever_becomes_of_it(server: Server) {
        let admin = server.admin().await;
        let staff = json!({"name": "Employee", "plural": "Employees", "sharing": "PUBLIC_READ_WRITE", "fields": [
            {"name": "name", "type": "text"}, {"name": "salary", "type": "decimal"},
            {"name": "bonus", "type": "formula", "rule": "salary / 10", "returns": "decimal"}]});
        admin.create_module(staff).await.ok();
        admin.create_role("rep", None).await;
        let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE", "salary": "NONE"}});
        admin.set_access("rep", "Employee", rights).await;
        let rep = server.create_user_with_role("rep").await;
        admin.create("Employee", json!({"name": "Ann", "salary": "90000"})).await;
        let (mut module, mut list, mut field) = ("Employee", "employees", "salary");
        for (change, arguments) in [
            ("renameField", json!({"module": "Employee", "name": "salary", "to": "pay"})),
            ("updateField", json!({"module": "Employee", "name": "pay", "patch": {"label": "Pay"}})),
            ("changeFieldType", json!({"module": "Employee", "name": "pay", "to": {"type": "money", "scale": 4}})),
            ("updateModule", json!({"name": "Employee", "patch": {"label": "Staff"}})),
            ("renameModule", json!({"name": "Employee", "to": "Worker", "plural": "Workers"})),
            ("retireModule", json!({"name": "Worker"})),
            ("restoreModule", json!({"name": "Worker"})),
        ] {
            let answer = admin.change(change, arguments.clone()).await;
            answer.ok();
            match change {
                "renameField" => field = "pay",
                "renameModule" => (module, list) = ("Worker", "workers"),
                "retireModule" => continue,
                _ => {}
            }
            let all = names(&admin).await;
            assert!(all.contains(&(module.to_owned(), field.to_owned())), "{change}");
            for (ty, name) in names(&rep).await.into_iter().filter(|(ty, _)| ty.starts_with(module)) {
                assert!(name != field && name != "bonus" && name != "salary", "{ty}.{name} after {change}");
            }
            rep.query(&format!("{{ {list} {{ nodes {{ {field} }} }} }}")).await.refused("BAD_USER_INPUT");
            rep.query(&format!("{{ {list}(filter: {{{field}: {{gt: \"1\"}}}}) {{ totalCount }} }}")).await.refused("BAD_USER_INPUT");
            let seen = rep.query(&format!("{{ {list} {{ nodes {{ name }} }} }}")).await;
            assert_eq!(seen.ok()[list]["nodes"], json!([{"name": "Ann"}]), "{change}");
        }
    }

    async fn a_hidden_field_in_a_filter_of_a_mutation_is_unknown(server: Server) {
        let cast = Cast::new(server).await;
        let own = cast.rep.create("Person", json!({"name": "Own"})).await;
        cast.set(&own, json!({"salary": "90000", "badge": "B-1"})).await;
        for (text, name) in [
            ("mutation { updatePeople(filter: {salary: {eq: \"90000\"}}, data: {stage: NEW}) { count } }", "salary"),
            ("mutation { updatePeople(filter: {name: {eq: \"Own\"}, salary: {gt: \"1\"}}, data: {stage: NEW}) { count } }", "salary"),
            ("mutation { deletePeople(filter: {not: {yearly: {lt: \"1\"}}}) { count } }", "yearly"),
            ("mutation { deletePeople(filter: {company: {budget: {isNull: true}}}) { count } }", "budget"),
            ("mutation { updatePeople(filter: {name: {eq: \"Own\"}}, data: {salary: \"1\"}) { count } }", "salary"),
            ("mutation { upsertPerson(match: {badge: \"B-1\"}, data: {name: \"x\"}) { id } }", "badge"),
            ("mutation { createPerson(data: {name: \"x\", badge: \"B-1\"}) { id } }", "badge"),
            ("mutation { createPerson(data: {name: \"x\"}) { salary } }", "salary"),
            ("mutation { createPeople(data: [{name: \"x\"}]) { memo } }", "memo"),
        ] {
            // Without any unique field, the whole mutation is as unknown as the field.
            let name = if text.contains("upsertPerson") { "upsertPerson" } else { name };
            same_as_unknown(&cast.rep, text, name).await;
        }
        let answer = cast.rep.query("{ people { totalCount nodes { name stage } } }").await;
        assert_eq!(answer.ok()["people"], json!({"totalCount": 1, "nodes": [{"name": "Own", "stage": null}]}));
        // Whoever may read it may filter by it: the attack itself works.
        let answer = cast.manager.query("mutation { updatePeople(filter: {salary: {eq: \"90000\"}}, data: {stage: NEW}) { count } }").await;
        assert_eq!(answer.ok()["updatePeople"]["count"], 1);
    }

    async fn no_path_leads_into_a_hidden_document_or_past_a_visible_one(server: Server) {
        let cast = Cast::new(server).await;
        let own = cast.rep.create("Person", json!({"name": "Own", "prefs": {"theme": "dark"}})).await;
        cast.set(&own, json!({"vault": {"salary": {"base": 1}}})).await;
        for text in [
            "{ people(filter: {vault: {path: \"$.salary.base\", gt: 0}}) { totalCount } }",
            "{ people(filter: {vault: {path: \"$\", isNull: false}}) { totalCount } }",
            "{ people(orderBy: [{vault: ASC}]) { totalCount } }",
            "{ companies(filter: {staff: {some: {vault: {path: \"$.a\", eq: 1}}}}) { totalCount } }",
        ] {
            same_as_unknown(&cast.rep, text, "vault").await;
        }
        let by_path = "query($path: String!) { people(filter: {prefs: {path: $path, isNull: false}}) { totalCount } }";
        assert_eq!(cast.rep.query_with(by_path, json!({"path": "$.theme"})).await.ok()["people"]["totalCount"], 1);
        for path in ["$.salary", "$.vault", "$[\"salary\"]", "$[\"..\"]", "$.prefs.vault", "$[\"vault\"].salary"] {
            let answer = cast.rep.query_with(by_path, json!({"path": path})).await;
            assert_eq!(answer.ok()["people"]["totalCount"], 0, "{path} is a place in the visible document, and nothing stands there");
        }
        for path in ["salary", "vault.salary", "t1.salary", "prefs\" OR 1=1 --", "$.a'||salary||'", "$.*", "$..salary", ""] {
            // No place at all, or one whose name looks like more than it is.
            let answer = cast.rep.query_with(by_path, json!({"path": path})).await;
            assert!(answer.codes() == ["BAD_USER_INPUT"] || answer.data()["people"]["totalCount"] == 0, "{path}: {answer}");
        }
    }

    async fn columns_of_the_system_and_secrets_have_no_name(server: Server) {
        let cast = Cast::new(server).await;
        cast.rep.create("Person", json!({"name": "Own"})).await;
        for (text, name) in [
            ("{ users(filter: {passwordHash: {startsWith: \"$argon2\"}}) { totalCount } }", "passwordHash"),
            ("{ users(orderBy: [{passwordHash: ASC}]) { nodes { id } } }", "passwordHash"),
            ("{ userGroups(groupBy: [{passwordHash: true}]) { count } }", "passwordHash"),
            ("{ people(filter: {createdBy: {passwordHash: {startsWith: \"a\"}}}) { totalCount } }", "passwordHash"),
            ("{ people(filter: {createdBy: {resetToken: {startsWith: \"a\"}}}) { totalCount } }", "resetToken"),
            ("{ people(orderBy: [{updatedBy: {apiKey: ASC}}]) { totalCount } }", "apiKey"),
            ("{ people { nodes { createdBy { passwordHash } } } }", "passwordHash"),
            ("{ people { nodes { owner { ... on User { sessions } } } } }", "sessions"),
            ("{ people(filter: {_ownerModule: {eq: \"User\"}}) { totalCount } }", "_ownerModule"),
            ("{ people { nodes { _name } } }", "_name"),
            ("{ sessions { totalCount } }", "sessions"),
            ("{ apiKeys { totalCount } }", "apiKeys"),
            ("{ outbox { totalCount } }", "outbox"),
        ] {
            for caller in [&cast.admin, &cast.manager, &cast.rep] {
                same_as_unknown(caller, text, name).await;
            }
        }
        // The user's public fields are there for those who are signed in, and for nobody else.
        let answer = cast.rep.query("{ people { nodes { createdBy { name email } } } users(first: 1) { nodes { name } } }").await;
        assert!(answer.ok()["people"]["nodes"][0]["createdBy"]["email"].is_string());
        same_as_unknown(&cast.guest, "{ users { totalCount } }", "users").await;
        same_as_unknown(&cast.guest, "{ roles { totalCount } }", "roles").await;
    }

    async fn whoever_may_not_read_a_field_has_no_type_argument_or_operator_for_it(server: Server) {
        let cast = Cast::new(server).await;
        let (all, seen) = (names(&cast.admin).await, names(&cast.rep).await);
        let hidden = |known: &BTreeSet<(String, String)>| -> Vec<(String, String)> {
            let is_hidden = |of: &str, name: &str| (HIDDEN.contains(&name) && of.starts_with("Person")) || (name == "budget" && of.starts_with("Company"));
            known.iter().filter(|(of, name)| is_hidden(of, name)).cloned().collect()
        };
        let attackable = hidden(&all);
        for suffix in ["", "Filter", "OrderBy", "GroupBy", "GroupKey", "Sum", "Min", "Max", "CountDistinct", "Create", "Update"] {
            let of = format!("Person{suffix}");
            assert!(attackable.iter().any(|(known, _)| *known == of), "{of}");
        }
        assert!(hidden(&seen).is_empty(), "{:?} of {} places", hidden(&seen), attackable.len());
        // Whatever else there is comes from what may be read.
        assert!(seen.is_subset(&all), "{:?}", seen.difference(&all).take(5).collect::<Vec<_>>());
        let sdl = cast.rep.get("/graphql/schema.graphql").await;
        for name in HIDDEN.iter().chain(&["budget"]) {
            sdl.never_says(name);
        }
    }

    async fn a_hidden_value_that_changes_changes_no_answer(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.rep.create("Company", json!({"name": "Acme", "rating": 3})).await;
        let mut own = Vec::new();
        for name in ["Ann", "Bea", "Cleo"] {
            own.push(cast.rep.create("Person", json!({"name": name, "companyId": company, "stage": "NEW"})).await);
        }
        let questions = [
            "{ people { totalCount nodes { id name stage grade company { name } } aggregate { count max { name } countDistinct { stage } } } }",
            "{ people(orderBy: [{name: DESC}], first: 2) { edges { cursor node { name } } pageInfo { endCursor hasNextPage } } }",
            "{ people(filter: {or: [{name: {contains: \"e\"}}, {grade: {isNull: true}}]}) { totalCount } }",
            "{ personGroups(groupBy: [{stage: true}, {company: {name: true}}], having: {count: {gt: 0}}) { key { stage company { name } } count min { name } } }",
            "{ search(text: \"90000\", first: 5) { totalCount nodes { module score snippet } } }",
            "{ search(text: \"ann\", first: 5) { totalCount nodes { module title score snippet } } }",
            "{ companies(filter: {staff: {some: {name: {startsWith: \"A\"}}}}) { nodes { name staff(orderBy: [{name: ASC}]) { totalCount nodes { name } } } } }",
            "{ duplicatesOfPerson(data: {name: \"ann\"}) { name } }",
            "{ me { modules { name read } } }",
            "mutation { updatePeople(filter: {stage: {eq: NEW}}, data: {stage: NEW}) { count ids } }",
        ];
        let mut answers: Vec<Vec<String>> = Vec::new();
        for (salary, memo) in [("1", "nothing"), ("90000", "90000 ann"), ("5000000", "")] {
            for (position, id) in own.iter().enumerate() {
                cast.set(id, json!({"salary": salary, "memo": memo, "badge": format!("{salary}-{position}"), "vault": {"a": salary}})).await;
            }
            let mut told = Vec::new();
            for question in questions {
                let answer = cast.rep.query(question).await;
                let _ = answer.ok();
                told.push(answer.text);
            }
            answers.push(told);
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2]);
        // The manager, who may read them, is told the difference.
        let found = cast.manager.query("{ people(filter: {salary: {eq: \"5000000\"}}) { totalCount } }").await;
        assert_eq!(found.ok()["people"]["totalCount"], 3);
    }

    async fn a_question_that_finds_nothing_is_checked_like_any_other(server: Server) {
        let cast = Cast::new(server).await;
        for (text, name) in [
            ("{ personGroups(groupBy: [{salary: true}], filter: {name: {eq: \"nobody\"}}) { count } }", "salary"),
            ("{ personGroups(groupBy: [{stage: true}]) { sum { salary } } }", "salary"),
            ("{ personGroups(groupBy: [{stage: true}], having: {sum: {salary: {gt: \"1\"}}}) { count } }", "salary"),
            ("{ personGroups(groupBy: [{company: {budget: true}}]) { count } }", "budget"),
            ("{ people(first: 0) { aggregate { avg { salary } } } }", "salary"),
            ("{ people(filter: {name: {eq: \"nobody\"}}) { nodes { salary } } }", "salary"),
            ("{ people(orderBy: [{salary: DESC}], first: 0) { totalCount } }", "salary"),
            ("{ person(id: \"019a0000-0000-7000-8000-000000000000\") { yearly } }", "yearly"),
            ("{ duplicatesOfPerson(data: {name: \"x\"}) { badge } }", "badge"),
        ] {
            same_as_unknown(&cast.rep, text, name).await;
        }
    }

    async fn lists_on_the_other_side_take_the_fields_of_their_module(server: Server) {
        let cast = Cast::new(server).await;
        let company = cast.rep.create("Company", json!({"name": "Acme"})).await;
        let list = |arguments: &str, selection: &str| format!("{{ company(id: \"{company}\") {{ staff{arguments} {{ {selection} }} }} }}");
        for text in [
            list("(filter: {salary: {gt: \"1\"}})", "totalCount"), list("(orderBy: [{salary: ASC}])", "totalCount"), list("", "nodes { salary }"),
            list("", "edges { node { salary } }"), list("", "aggregate { sum { salary } }"), list("", "nodes { company { staff { nodes { salary } } } }"),
            "{ companies(filter: {staff: {every: {company: {staff: {some: {salary: {gt: \"1\"}}}}}}}) { totalCount } }".to_owned(),
        ] {
            same_as_unknown(&cast.rep, &text, "salary").await;
        }
        let answer = cast.rep.query(&list("(filter: {name: {isNull: false}}, orderBy: [{name: ASC}])", "totalCount")).await;
        assert_eq!(answer.ok()["company"]["staff"]["totalCount"], 0);
    }

    async fn a_new_field_is_closed_to_whom_it_was_not_granted(server: Server) {
        let cast = Cast::new(server).await;
        cast.admin.create_role("narrow", None).await;
        cast.admin.set_access("narrow", "Person", json!({"read": true, "fields": {"name": "READ", "salary": "NONE"}})).await;
        let narrow = cast.server.create_user_with_role("narrow").await;
        cast.admin.add_field("Person", json!({"name": "iban", "type": "text"})).await.ok();
        cast.admin.add_field("Person", json!({"name": "initial", "type": "formula", "rule": "iban", "returns": "text"})).await.ok();
        for field in ["iban", "initial"] {
            same_as_unknown(&narrow, &format!("{{ people {{ nodes {{ {field} }} }} }}"), field).await;
            narrow.get("/graphql/schema.graphql").await.never_says(field);
        }
        narrow.query("{ people { nodes { name } } }").await.ok();
        // A module that comes anew is closed to all.
        cast.admin.create_module(json!({"name": "Payroll", "plural": "Payrolls", "fields": [{"name": "sum", "type": "money"}]})).await.ok();
        for caller in [&narrow, &cast.rep, &cast.manager, &cast.guest] {
            same_as_unknown(caller, "{ payrolls { totalCount } }", "payrolls").await;
        }
    }
}
