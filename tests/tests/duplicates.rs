//! Records that may be the same, by rules that a module declares.

use cardine_tests::{Client, Server, on_both_databases};
use serde_json::{Value, json};

async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    admin
        .create_module(json!({
            "name": "Person", "plural": "People",
            "fields": [
                {"name": "title", "type": "text", "required": true}, {"name": "city", "type": "text", "indexed": true},
                {"name": "mail", "type": "email"}, {"name": "phone", "type": "phone"}, {"name": "pay", "type": "money"},
                {"name": "boss", "type": "reference", "to": "Person", "inverse": "team"},
            ],
            "duplicates": [{"fields": ["mail"]}, {"fields": ["title", "city"]}, {"fields": ["phone"]}, {"fields": ["pay", "boss"]}],
        }))
        .await
        .ok();
    admin
}

async fn titles(client: &Client, arguments: &str, variables: Value) -> Vec<String> {
    let variable = if variables.get("id").is_some() { "$id: ID" } else { "$data: PersonCreate" };
    let text = format!("query({variable}) {{ found: duplicatesOfPerson({arguments}) {{ title }} }}");
    let answer = client.query_with(&text, variables).await;
    let found = answer.ok()["found"].as_array().expect("a list").clone();
    found.iter().map(|person| person["title"].as_str().expect("a title").to_owned()).collect()
}

on_both_databases! {
    async fn records_alike_in_all_fields_of_a_rule_are_found(server: Server) {
        let admin = prepare(&server).await;
        let boss = admin.create("Person", json!({"title": "boss"})).await;
        let people = admin.create_many("Person", [
            json!({"title": "Ada", "city": "Roma", "mail": "ada@example.org", "phone": "+39 06 1", "pay": "10.5", "bossId": boss}),
            json!({"title": "by mail", "mail": "ADA@EXAMPLE.ORG"}),
            json!({"title": "ADA", "city": "ROMA"}),
            json!({"title": "Ada", "city": "Bologna"}),
            json!({"title": "by pay", "pay": "10.50", "bossId": boss}),
            json!({"title": "not by pay alone", "pay": "10.5"}),
            json!({"title": "by phone", "phone": "0039 (06) 1"}),
            json!({"title": "nothing"}),
            json!({"title": "gone", "mail": "ada@example.org"}),
        ]).await;
        admin.query_with("mutation($id: ID!) { deletePerson(id: $id) { id } }", json!({"id": people[8]})).await.ok();
        assert_eq!(titles(&admin, "id: $id", json!({"id": people[0]})).await, ["by mail", "ADA", "by pay", "by phone"]);
        assert_eq!(titles(&admin, "id: $id, first: 2", json!({"id": people[0]})).await, ["by mail", "ADA"]);
        assert_eq!(titles(&admin, "id: $id", json!({"id": people[7]})).await, Vec::<String>::new(), "what is absent is alike with nothing");
        assert_eq!(titles(&admin, "id: $id", json!({"id": people[8]})).await, Vec::<String>::new(), "a deleted record is none");
        assert_eq!(titles(&admin, "id: $id", json!({"id": "01900000-0000-7000-8000-000000000000"})).await, Vec::<String>::new());
        let data = |data: Value| json!({"data": data});
        assert_eq!(titles(&admin, "data: $data", data(json!({"title": "x", "mail": " ada@Example.org "}))).await, ["Ada", "by mail"]);
        assert_eq!(titles(&admin, "data: $data", data(json!({"title": "ada", "city": "bologna"}))).await, ["Ada"]);
        assert_eq!(titles(&admin, "data: $data", data(json!({"title": "x", "pay": "10.500", "bossId": boss}))).await, ["Ada", "by pay"]);
        assert_eq!(titles(&admin, "data: $data", data(json!({"title": "Ada"}))).await, Vec::<String>::new());
        assert_eq!(titles(&admin, "data: $data", data(json!({"title": "x", "mail": "no address"}))).await, Vec::<String>::new());
        for arguments in ["", "(id: \"1\", data: {title: \"x\"})", "(first: 3)", "(id: null)"] {
            admin.query(&format!("{{ duplicatesOfPerson{arguments} {{ title }} }}")).await.refused("BAD_USER_INPUT");
        }
        admin.query("{ duplicatesOfPerson(id: \"1\", first: 1001) { title } }").await.refused("BAD_USER_INPUT");
        // A module without rules has no such field.
        admin.query("{ duplicatesOfTask(id: \"1\") { id } }").await.refused("BAD_USER_INPUT");
    }

    async fn what_a_caller_may_not_see_decides_nothing(server: Server) {
        let admin = prepare(&server).await;
        admin.create_role("clerk", None).await;
        let fields = json!({"*": "WRITE", "mail": "NONE", "phone": "READ"});
        admin.set_access("clerk", "Person", json!({"create": true, "read": true, "fields": fields})).await;
        admin.create_role("reader", None).await;
        admin.set_access("reader", "Person", json!({"read": true, "fields": {"title": "READ", "mail": "READ"}})).await;
        admin.create_role("blind", None).await;
        admin.set_access("blind", "Person", json!({"read": true, "fields": {"title": "READ"}})).await;
        let (one, two) = (server.create_user_with_role("clerk").await, server.create_user_with_role("clerk").await);
        let own = one.create("Person", json!({"title": "Ada", "city": "Roma"})).await;
        let twin = one.create("Person", json!({"title": "other", "city": "Roma"})).await;
        two.create("Person", json!({"title": "ada", "city": "roma"})).await;
        let theirs = two.create("Person", json!({"title": "Ada", "city": "Roma"})).await;
        for id in [&own, &twin] {
            let set = "mutation($id: ID!) { updatePerson(id: $id, data: {mail: \"a@example.org\"}) { id } }";
            admin.query_with(set, json!({"id": id})).await.ok();
        }
        assert_eq!(titles(&one, "id: $id", json!({"id": own})).await, Vec::<String>::new());
        assert_eq!(titles(&two, "id: $id", json!({"id": theirs})).await, ["ada"]);
        assert_eq!(titles(&one, "id: $id", json!({"id": theirs})).await, Vec::<String>::new(), "of a hidden record nothing is known");
        assert_eq!(titles(&admin, "id: $id", json!({"id": own})).await.len(), 3);
        let data = json!({"data": {"title": "ada", "city": "ROMA"}});
        assert_eq!(titles(&one, "data: $data", data).await, ["Ada"]);
        let hidden = one.query_with("query($data: PersonCreate) { duplicatesOfPerson(data: $data) { id } }", json!({"data": {"title": "x", "mail": "a@example.org"}})).await;
        hidden.refused("BAD_USER_INPUT");
        let fields = "{ __type(name: \"Query\") { fields { name args { name } } } }";
        let of = |answer: &cardine_tests::Answer| {
            let fields = answer.ok()["__type"]["fields"].as_array().expect("fields").clone();
            fields.into_iter().find(|field| field["name"] == "duplicatesOfPerson").map(|field| field["args"].clone())
        };
        let reader = server.create_user_with_role("reader").await;
        assert_eq!(of(&reader.query(fields).await), Some(json!([{"name": "id"}, {"name": "first"}])), "without create there is no data");
        let blind = server.create_user_with_role("blind").await;
        assert_eq!(of(&blind.query(fields).await), None, "without a whole rule there is no field");
    }

    async fn a_faulty_rule_is_refused(server: Server) {
        let admin = server.admin().await;
        for (rules, path) in [
            (json!([{"fields": ["nothing"]}]), json!(["duplicates", 0, "fields", 0])),
            (json!([{"fields": ["tags"]}]), json!(["duplicates", 0, "fields", 0])),
            (json!([{"fields": ["a", "b"]}, {"fields": ["b", "a"]}]), json!(["duplicates", 1])),
            (json!([{"fields": []}]), json!(["duplicates", 0, "fields"])),
            (json!([{"field": "a"}]), json!(["duplicates", 0, "fields"])),
        ] {
            let definition = json!({"name": "Thing", "plural": "Things", "duplicates": rules, "fields": [
                {"name": "a", "type": "text"}, {"name": "b", "type": "text"}, {"name": "tags", "type": "multiChoice", "options": [{"value": "X"}]}]});
            let answer = admin.create_module(definition).await;
            answer.refused("VALIDATION_FAILED");
            let paths: Vec<&Value> = answer.issues().iter().map(|issue| &issue["path"]).collect();
            assert!(paths.iter().any(|found| found.as_array().is_some_and(|found| found.ends_with(path.as_array().expect("a path")))), "{path} in {answer}");
        }
    }
}
