//! Catalogs much larger than usual work: very many modules, made by one change of files, and a module with very many fields.

use std::path::Path;

use cardine_tests::{Client, Server, on_both_databases};
use reqwest::Method;
use serde_json::{Value, json};

/// The query that GraphiQL and others send.
const INTROSPECTION: &str = include_str!("../../server/crates/graphql/src/introspection_query.graphql");

const MODULES: usize = 500;
const FIELDS: usize = 40;
/// Of the one module with many: one less than a module may have.
const MANY_FIELDS: usize = 499;

/// The n-th module: fields of common kinds, and references to modules before it.
fn module(n: usize) -> Value {
    let mut fields = vec![
        json!({"name": "title", "type": "text", "required": true, "indexed": true, "maxLength": 200}),
        json!({"name": "amount", "type": "money"}),
        json!({"name": "double", "type": "formula", "returns": "money", "rule": "amount * 2"}),
    ];
    if n > 0 {
        fields.push(json!({"name": "above", "type": "reference", "to": format!("Thing{}", n / 2), "inverse": format!("below{n}")}));
        fields.push(
            json!({"name": "aboveAmount", "type": "formula", "returns": "money", "rule": "above.amount + amount"}),
        );
    }
    fields.extend((fields.len()..FIELDS).map(field));
    json!({"name": format!("Thing{n}"), "plural": format!("Things{n}"), "nameField": "title", "fields": fields})
}

fn field(n: usize) -> Value {
    match n % 8 {
        0 => json!({"name": format!("field{n}"), "type": "choice", "options": [{"value": "NEW"}, {"value": "OLD"}]}),
        1 => json!({"name": format!("field{n}"), "type": "longText"}),
        2 => json!({"name": format!("field{n}"), "type": "decimal", "scale": 4}),
        3 => json!({"name": format!("field{n}"), "type": "date"}),
        4 => json!({"name": format!("field{n}"), "type": "boolean", "default": false}),
        5 => json!({"name": format!("field{n}"), "type": "integer"}),
        6 => json!({"name": format!("field{n}"), "type": "email"}),
        _ => json!({"name": format!("field{n}"), "type": "text"}),
    }
}

/// A value of a field as it is written, and as it is shown.
fn value(n: usize) -> Value {
    match n % 8 {
        0 => json!("OLD"),
        2 => json!(format!("{n}.0000")),
        3 => json!("2026-02-28"),
        4 => json!(true),
        5 => json!(n),
        6 => json!(format!("a{n}@example.org")),
        _ => json!(format!("Text {n}")),
    }
}

fn apply(server: &Server, folder: &Path, options: &[&str]) {
    let folder = folder.display().to_string();
    let words: Vec<&str> = ["apply", folder.as_str()].into_iter().chain(options.iter().copied()).collect();
    let output = server.run(&words);
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

async fn all_of(admin: &Client, id: &str) -> Value {
    let names: Vec<String> = (0..MANY_FIELDS).map(|n| format!("field{n}")).collect();
    let text = format!("query($id: ID!) {{ wide(id: $id) {{ {} }} }}", names.join(" "));
    let answer = admin.query_with(&text, json!({"id": id})).await;
    answer.ok()["wide"].clone()
}

on_both_databases! {
    async fn very_many_modules_are_one_change_and_each_works(server: Server) {
        let folder = tempfile::tempdir().expect("a folder");
        let modules = folder.path().join("modules");
        std::fs::create_dir(&modules).expect("the folder can be made");
        for n in 0..MODULES {
            let text = serde_json::to_string_pretty(&module(n)).expect("JSON");
            std::fs::write(modules.join(format!("Thing{n}.json")), text).expect("the file can be written");
        }
        apply(&server, folder.path(), &[]);
        let admin = server.admin().await;
        let last = MODULES - 1;
        let known = format!("{{ __type(name: \"Thing{last}\") {{ name }} }}");
        cardine_tests::eventually("the modules are known", || async {
            (admin.query(&known).await.ok()["__type"]["name"] == json!(format!("Thing{last}"))).then_some(())
        })
        .await;
        let above = admin.create(&format!("Thing{}", last / 2), json!({"title": "above", "amount": "10.50"})).await;
        let text = format!("mutation($above: ID!) {{ createThing{last}(data: {{title: \"last\", amount: \"1\", field10: \"2.5\", aboveId: $above}}) {{ double aboveAmount field10 above {{ title below{last} {{ totalCount }} }} }} }}");
        let answer = admin.query_with(&text, json!({"above": above})).await;
        assert_eq!(answer.ok()[format!("createThing{last}")], json!({
            "double": "2.00", "aboveAmount": "11.50", "field10": "2.5000",
            "above": {"title": "above", format!("below{last}"): {"totalCount": 1}}}));
        // One that is in their midst changes as if they were few, and none that has no file is touched.
        admin.add_field("Thing250", json!({"name": "added", "type": "text", "indexed": true})).await.ok();
        admin.change("renameField", json!({"module": "Thing249", "name": "amount", "to": "worth"})).await.ok();
        let answer = admin.query(&format!("{{ things{last}(filter: {{aboveAmount: {{eq: \"11.50\"}}}}) {{ nodes {{ title }} }} things250 {{ nodes {{ added }} }} }}")).await;
        assert_eq!(answer.ok()[format!("things{last}")]["nodes"], json!([{"title": "last"}]));
        // Whoever asks what there is, as tools do, is told all of it.
        let request = admin.request(Method::POST, "/graphql").json(&json!({"query": INTROSPECTION}));
        let told = request.send().await.expect("the server answers").bytes().await.expect("the answer comes whole");
        assert!(told.starts_with(br#"{"data":{"__schema""#), "{}", String::from_utf8_lossy(&told[..told.len().min(500)]));
        assert!(told.ends_with(b"}}}"), "{}", String::from_utf8_lossy(&told[told.len().saturating_sub(500)..]));
    }

    async fn a_module_has_very_many_fields(server: Server) {
        let admin = server.admin().await;
        let fields: Vec<Value> = (0..MANY_FIELDS).map(field).collect();
        admin.create_module(json!({"name": "Wide", "plural": "Wides", "fields": fields})).await.ok();
        let data: serde_json::Map<String, Value> = (0..MANY_FIELDS).map(|n| (format!("field{n}"), value(n))).collect();
        let id = admin.create("Wide", Value::Object(data.clone())).await;
        assert_eq!(all_of(&admin, &id).await, Value::Object(data.clone()));
        // Many at once, changed at once, and each field filters and orders.
        admin.create_many("Wide", (0..20).map(|n| json!({"field5": n, "field495": "x"}))).await;
        let conditions: Vec<String> = (0..MANY_FIELDS).filter(|n| n % 8 == 5).map(|n| format!("field{n}: {{eq: {n}}}")).collect();
        let text = format!("{{ wides(filter: {{{}}}, orderBy: [{{field495: DESC}}, {{field498: ASC}}]) {{ totalCount nodes {{ id }} aggregate {{ max {{ field485 }} }} }} }}", conditions.join(", "));
        let answer = admin.query(&text).await;
        assert_eq!(answer.ok()["wides"], json!({"totalCount": 1, "nodes": [{"id": id}], "aggregate": {"max": {"field485": 485}}}));
        let text = "mutation($data: WideUpdate!) { updateWides(filter: {field495: {eq: \"x\"}}, data: $data) { count } }";
        let answer = admin.query_with(text, json!({"data": data})).await;
        assert_eq!(answer.ok()["updateWides"]["count"], 20);
        let answer = admin.query("{ wides(filter: {field495: {eq: \"Text 495\"}, field0: {eq: OLD}}) { totalCount } }").await;
        assert_eq!(answer.ok()["wides"]["totalCount"], 21);
        // It changes like any other, and has a history.
        admin.add_field("Wide", json!({"name": "more", "type": "text", "required": true, "default": "as before"})).await.ok();
        let refused = admin.add_field("Wide", json!({"name": "tooMany", "type": "text"})).await;
        assert!(refused.refused("VALIDATION_FAILED").text.contains("at most 500"), "{refused}");
        admin.change("changeFieldType", json!({"module": "Wide", "name": "field5", "to": "text"})).await.ok();
        admin.change("retireField", json!({"module": "Wide", "name": "field6"})).await.ok();
        let text = "query($id: ID!) { wide(id: $id) { more field5 history { totalCount nodes { changes { field } } } } }";
        let answer = admin.query_with(text, json!({"id": id})).await;
        let wide = &answer.ok()["wide"];
        assert_eq!((&wide["more"], &wide["field5"]), (&json!("as before"), &json!("5")));
        assert!(wide["history"]["nodes"][0]["changes"].as_array().is_some_and(|changes| changes.len() >= MANY_FIELDS - 1), "{answer}");
    }
}
