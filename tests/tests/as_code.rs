//! The model as files: what is exported, compared and applied, on both databases and from one to the other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cardine_tests::document::{Block, blocks_of};
use cardine_tests::{Answer, Backend, Client, Server, binary, eventually, on_both_databases, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

const FOLDERS: [&str; 5] = ["modules", "roles", "permission-sets", "sharing-rules", "workflows"];

/// A folder with definitions.
struct Files(TempDir);

impl Files {
    fn new() -> Files {
        Files(tempfile::tempdir().expect("a folder"))
    }

    /// What a server has.
    fn exported(server: &Server) -> Files {
        let files = Files::new();
        assert_eq!(exit(&files.run(server, "export", &[])), 0);
        files
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, server: &Server, command: &str, options: &[&str]) -> Output {
        let folder = self.path().display().to_string();
        let words: Vec<&str> = [command, folder.as_str()].into_iter().chain(options.iter().copied()).collect();
        server.run(&words)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn read(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn put(&self, name: &str, content: &Value) {
        self.put_text(name, &serde_json::to_string_pretty(content).expect("JSON"));
    }

    fn put_text(&self, name: &str, text: &str) {
        let file = self.file(name);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("the folder can be made");
        std::fs::write(file, text).expect("the file can be written");
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut content = self.read(name);
        change(&mut content);
        self.put(name, &content);
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.file(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// All texts by their place, pages and schemas included.
    fn texts(&self) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        for folder in FOLDERS.into_iter().chain(["schema", "."]) {
            let entries = std::fs::read_dir(self.file(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
            for path in entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
                let name = format!("{folder}/{}", path.file_name().expect("a name").display());
                texts.insert(name, std::fs::read_to_string(path).expect("text"));
            }
        }
        texts
    }
}

fn exit(output: &Output) -> i32 {
    let code = output.status.code().expect("it ended by itself");
    if code != 0 {
        eprintln!("{}", said(output));
    }
    code
}

#[track_caller]
fn exit_is(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

#[track_caller]
fn says(output: &Output, sentences: &[&str]) {
    let said = said(output);
    for sentence in sentences {
        assert!(said.contains(sentence), "{sentence:?} is missing in\n{said}");
    }
}

/// The field of this name in a module's file.
fn field<'a>(module: &'a mut Value, name: &str) -> &'a mut Value {
    let fields = module["fields"].as_array_mut().expect("fields");
    fields.iter_mut().find(|field| field["name"] == name).unwrap_or_else(|| panic!("there is no field {name}"))
}

fn workflow(name: &str) -> Value {
    json!({"name": name, "label": {"it": "Chiuse", "en": "Closed"}, "module": "Garage", "runAs": {"role": "mechanic"},
        "trigger": {"on": ["UPDATED"], "changed": ["title"], "when": "title != old.title"},
        "steps": [{"id": "write", "update": {"set": {"note": "{{ record.title }}"}}}]})
}

/// Modules with fields of many kinds that need each other, a role tree, grants, rules, and a workflow.
async fn fill(admin: &Client) {
    admin.create_module(json!({"name": "Garage", "plural": "Garages", "label": {"it": "Officina", "en": "Garage"}, "description": "Where cars are mended.",
        "nameField": "title", "fields": [
            {"name": "title", "type": "text", "required": true, "maxLength": 80},
            {"name": "note", "type": "longText"},
            {"name": "kind", "type": "choice", "default": "SMALL", "options": [{"value": "SMALL", "label": {"en": "Small", "it": "Piccola"}}, {"value": "LARGE", "active": false}]},
            {"name": "address", "type": "address", "default": {"country": "Italia"}},
            {"name": "fee", "type": "decimal", "scale": 3, "min": "0.5"},
            {"name": "number", "type": "autoNumber", "format": "G-{0000}"}],
        "search": ["title", "address.city"], "uniques": [{"fields": ["title", "kind"]}],
        "validations": [{"rule": "fee < 1000", "message": {"en": "Too much", "it": "Troppo"}, "fields": ["fee"]}]})).await.ok();
    admin.create_module(json!({"name": "Car", "plural": "Cars", "sharing": "PUBLIC_READ", "fields": [
            {"name": "plate", "type": "text", "required": true, "unique": true},
            {"name": "garage", "type": "reference", "to": "Garage", "inverse": "cars", "onDelete": "RESTRICT"},
            {"name": "price", "type": "money"},
            {"name": "drivers", "type": "references", "to": "Contact", "inverse": "driven", "link": {"fields": [{"name": "since", "type": "date"}]}},
            {"name": "net", "type": "formula", "returns": "decimal", "scale": 4, "rule": "price - garage.fee"},
            {"name": "watched", "type": "reference", "to": ["Lead", "Contact"]}]})).await.ok();
    admin.add_field("Garage", json!({"name": "worth", "type": "rollup", "relation": "cars", "function": "SUM", "field": "price", "filter": "price > 10"})).await.ok();
    admin.create_role("owner", None).await;
    admin.create_role("mechanic", Some("owner")).await;
    admin
        .set_access(
            "mechanic",
            "Garage",
            json!({"read": true, "update": true, "fields": {"*": "READ", "note": "WRITE", "fee": "NONE"}}),
        )
        .await;
    admin.set_access("mechanic", "Car", json!({"read": true, "create": true, "fields": {"*": "WRITE"}})).await;
    for text in [
        r#"mutation { updateRole(name: "mechanic", label: {it: "Meccanico", en: "Mechanic"}) { name } }"#,
        r#"mutation { setRecordRule(role: "mechanic", module: "Garage", rule: "kind == \"SMALL\"") { name } }"#,
        r#"mutation { savePermissionSet(name: "fees", label: "Fees", access: {Garage: {read: true, fields: {fee: "WRITE"}}}) { name } }"#,
        r#"mutation { saveGroup(name: "Night shift / Nord") { name } }"#,
        r#"mutation { saveSharingRule(rule: {name: "night", module: "Garage", ownedBy: {group: "Night shift / Nord"}, with: {roleAndBelow: "owner"}, access: WRITE, delete: true}) { name } }"#,
        r#"mutation { saveSharingRule(rule: {name: "small", module: "Car", rule: "price < 100", with: {role: "mechanic"}, access: READ}) { name } }"#,
    ] {
        admin.admin_query(text).await.ok();
    }
    admin.save_workflow(workflow("close")).await.ok();
    let mut off = workflow("rests");
    off["status"] = json!("PAUSED");
    admin.save_workflow(off).await.ok();
}

async fn sdl(client: &Client) -> String {
    let answer = client.get("/graphql/schema.graphql").await;
    assert_eq!(answer.status, 200, "{answer}");
    answer.text
}

/// What roles, sets and rules say, by names alone.
async fn rights(admin: &Client) -> Value {
    let text = "{ roles { name label administrator access { module create read update delete fields } }
        permissionSets { name label access { module create read update delete fields } }
        sharingRules { name module ownedBy { role roleAndBelow group } rule with { role roleAndBelow group } access delete }
        workflows { name definition status } }";
    admin.admin_query(text).await.ok().clone()
}

async fn version(admin: &Client) -> i64 {
    admin.admin_query("{ catalogVersion }").await.ok()["catalogVersion"].as_i64().expect("a number")
}

/// Waits until a running server answers so.
async fn until(client: &Client, text: &str, is: impl Fn(&Answer) -> bool) {
    eventually(text, || async {
        let answer = client.query(text).await;
        is(&answer).then_some(())
    })
    .await;
}

fn answers(answer: &Answer) -> bool {
    answer.errors().is_empty()
}

on_both_databases! {
    async fn what_was_exported_differs_in_nothing_and_keeps_to_the_served_schemas(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let text = "mutation($user: ID!) { saveSharingRule(rule: {name: \"personal\", module: \"Car\", rule: \"true\", with: {user: $user}, access: READ}) { name } }";
        admin.admin_query_with(text, json!({"user": admin.own_id().await})).await.ok();
        let (files, before) = (Files::new(), version(&admin).await);
        let exported = files.run(&server, "export", &[]);
        says(&exported, &["definitions are in", "personal is left out: it names a person"]);
        for options in [&[][..], &["--prune"]] {
            let compared = files.run(&server, "diff", options);
            assert_eq!((exit(&compared), said(&compared)), (0, "Nothing differs.\n".to_owned()));
        }
        let applied = files.run(&server, "apply", &["--prune"]);
        assert_eq!((exit(&applied), said(&applied)), (0, "Nothing differs.\n".to_owned()));
        assert_eq!(version(&admin).await, before, "what changes nothing is no version");
        let texts = files.texts();
        for name in ["modules/Garage.json", "modules/Lead.json", "roles/mechanic.json", "roles/anonymous.json", "permission-sets/fees.json",
            "sharing-rules/night.json", "workflows/rests.json", "./README.md"] {
            assert!(texts.contains_key(name), "{name}: {:?}", texts.keys());
        }
        assert!(!texts.contains_key("sharing-rules/personal.json"));
        let mut checked = 0;
        let is_document = |name: &str| name.ends_with(".json") && FOLDERS.iter().any(|folder| name.starts_with(folder));
        for (name, text) in texts.iter().filter(|(name, _)| is_document(name)) {
            let mut document: Value = serde_json::from_str(text).expect("JSON");
            let schema = document["$schema"].as_str().expect("editors are told the schema").to_owned();
            let (_, schema) = schema.split_once("../").expect("it is beside the file");
            let served = admin.get(&format!("/{schema}")).await;
            assert_eq!(served.text, texts[schema], "{schema}");
            let validator = jsonschema::draft202012::new(&served.body).expect("a JSON Schema");
            assert!(validator.is_valid(&document), "{name}: {:?}", validator.iter_errors(&document).map(|fault| fault.to_string()).collect::<Vec<_>>());
            document["name"] = json!(7);
            assert!(!validator.is_valid(&document), "{schema} finds a fault");
            assert!(!text.contains('@'), "{name} names nobody");
            checked += 1;
        }
        assert!(checked >= 28, "{checked}");
        assert_eq!(files.read("workflows/rests.json")["status"], "PAUSED");
        assert_eq!(files.read("roles/mechanic.json")["access"]["Garage"], json!({"read": true, "update": true, "fields": {"*": "READ", "fee": "NONE", "note": "WRITE"}}));
    }

    async fn files_change_modules_rights_and_workflows_at_once(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let garage = admin.create("Garage", json!({"title": "12", "fee": "3.5"})).await;
        let files = Files::exported(&server);
        files.change("modules/Garage.json", |module| {
            *field(module, "title") = json!({"name": "title", "type": "integer", "min": 1, "required": true});
            field(module, "note")["help"] = json!("Words");
            module["uniques"] = json!([]);
            module["search"] = json!(["address.city"]);
            module.as_object_mut().expect("an object").remove("nameField");
            let fields = module["fields"].as_array_mut().expect("fields");
            fields.insert(0, json!({"name": "code", "type": "text", "required": true, "default": "none"}));
            // Needs what another file brings, which needs this module.
            fields.push(json!({"name": "firstBay", "type": "reference", "to": "Bay"}));
            fields.push(json!({"name": "bays", "type": "rollup", "relation": "bayList", "function": "COUNT", "scope": "ALL"}));
        });
        files.put("modules/Bay.json", &json!({"name": "Bay", "plural": "Bays", "fields": [
            {"name": "title", "type": "text"},
            {"name": "garage", "type": "reference", "to": "Garage", "inverse": "bayList"},
            {"name": "lift", "type": "reference", "to": "Lift"},
            {"name": "share", "type": "formula", "returns": "decimal", "rule": "garage.bays + lift.strength"}]}));
        files.put("modules/Lift.json", &json!({"name": "Lift", "plural": "Lifts", "fields": [
            {"name": "bay", "type": "reference", "to": "Bay", "inverse": "lifts"},
            {"name": "strength", "type": "integer"}]}));
        files.put("roles/trainee.json", &json!({"name": "trainee", "parent": "mechanic", "access": {
            "Bay": {"read": true, "fields": {"*": "READ", "garage": "NONE"}}, "Garage": {"read": true, "fields": {"code": "READ"}}},
            "recordRules": {"Bay": "lift.strength > 1"}}));
        files.change("roles/mechanic.json", |role| {
            role["access"].as_object_mut().expect("an object").remove("Car");
            role["recordRules"] = json!({});
        });
        files.put("sharing-rules/day.json", &json!({"name": "day", "module": "Bay", "ownedBy": {"group": "Day shift"}, "with": {"role": "trainee"}, "access": "READ"}));
        files.change("workflows/close.json", |workflow| {
            workflow["trigger"] = json!({"on": ["UPDATED"], "when": "title > 1"});
            workflow["runAs"] = json!({"role": "trainee"});
            workflow["steps"] = json!([{"id": "write", "update": {"set": {"note": "{{ record.code }}"}}}]);
        });
        let before = (version(&admin).await, Files::exported(&server).texts());

        let compared = files.run(&server, "diff", &[]);
        assert_eq!(compared.status.code(), Some(1), "{}", said(&compared));
        says(&compared, &["+ module Bay", "+ module Lift", "~ module Garage", "    + fields.code: ", "    fields.title.type: \"text\" → \"integer\"", "    + fields.note.help: \"Words\"",
            "+ role trainee", "~ role mechanic", "    - access.Car: ", "+ sharing rule day", "~ workflow close", "CREATE TABLE \"bay\"", "1 values are converted", "1 records get the default of `code`"]);
        let dry = files.run(&server, "apply", &["--dry-run"]);
        assert_eq!((exit(&dry), said(&dry)), (0, said(&compared)), "both tell the same");
        assert_eq!((version(&admin).await, Files::exported(&server).texts()), before, "and change nothing");

        let applied = files.run(&server, "apply", &[]);
        assert_eq!(exit(&applied), 0);
        says(&applied, &[&format!("Applied: version {} of the definitions.", before.0 + 1)]);
        until(&admin, "{ bays { totalCount } }", answers).await;
        assert_eq!(version(&admin).await, before.0 + 1, "all of it is one version");
        let see = "query($id: ID!) { garage(id: $id) { code title fee number bays kind address { country } } }";
        let is = json!({"garage": {"code": "none", "title": 12, "fee": "3.500", "number": "G-0001", "bays": 0, "kind": "SMALL", "address": {"country": "Italia"}}});
        assert_eq!(*admin.query_with(see, json!({"id": garage})).await.ok(), is);
        let lift = admin.create("Lift", json!({"strength": 3})).await;
        let bay = admin.create("Bay", json!({"garageId": garage, "liftId": lift})).await;
        assert_eq!(admin.query_with("query($id: ID!) { bay(id: $id) { share } }", json!({"id": bay})).await.ok()["bay"]["share"], "4.00");
        let trainee = server.create_user_with_role("trainee").await;
        let schema = sdl(&trainee).await;
        assert!(schema.contains("type Bay ") && !schema.contains("garageId") && !schema.contains("type Lift "), "{schema}");
        let audited = admin.admin_query("{ audit(first: 1, filter: {action: \"DEFINITIONS_APPLIED\"}) { action } }").await;
        assert!(audited.text.contains("DEFINITIONS_APPLIED"), "{audited}");

        let compared = files.run(&server, "diff", &["--prune"]);
        assert_eq!((exit(&compared), said(&compared)), (0, "Nothing differs.\n".to_owned()));
        let again = Files::exported(&server);
        for (name, content) in [("roles/trainee.json", files.read("roles/trainee.json")), ("modules/Bay.json", files.read("modules/Bay.json"))] {
            let mut found = again.read(name);
            found.as_object_mut().expect("an object").remove("$schema");
            assert_eq!(found, content);
        }
    }

    async fn what_is_unique_may_be_of_new_fields_and_of_such_with_other_values(server: Server) {
        let admin = server.admin().await;
        let fields = json!([{"name": "title", "type": "text"}, {"name": "code", "type": "text"}]);
        admin.create_module(json!({"name": "Part", "plural": "Parts", "fields": fields})).await.ok();
        let codes = [("A", "7.5"), ("B", "7.5"), ("C", "8")];
        let ids = admin.create_many("Part", codes.map(|(title, code)| json!({"title": title, "code": code}))).await;
        let files = Files::exported(&server);
        let adds = |scale: i32, new: Value| files.change("modules/Part.json", |module| {
            *field(module, "code") = json!({"name": "code", "type": "decimal", "scale": scale});
            module["uniques"] = json!([{"fields": ["code", new["name"]]}]);
            module["fields"].as_array_mut().expect("fields").push(new);
        });
        // Without values in the new field no record shares anything.
        adds(1, json!({"name": "shelf", "type": "text"}));
        for options in [&["--dry-run"][..], &[]] {
            exit_is(&files.run(&server, "apply", options), 0);
        }
        let see = "{ parts(orderBy: [{title: ASC}]) { nodes { code shelf } } }";
        until(&admin, see, answers).await;
        assert_eq!(admin.query(see).await.ok()["parts"]["nodes"][1], json!({"code": "7.5", "shelf": null}));
        // With one value for all, those that are alike in the other field do.
        adds(2, json!({"name": "room", "type": "text", "required": true, "default": "here"}));
        for options in [&["--dry-run"][..], &[]] {
            let refused = files.run(&server, "apply", options);
            exit_is(&refused, 2);
            let of = |id: &str| format!("modules/Part.json: fields[1]: record {id} shares its value with another record");
            says(&refused, &["2 records of `Part` are not alone with their value in `code`, `room`", &of(&ids[0]), &of(&ids[1])]);
        }
        admin.query(&format!("mutation {{ updatePart(id: \"{}\", data: {{code: \"9\"}}) {{ id }} }}", ids[0])).await.ok();
        for options in [&["--dry-run"][..], &[]] {
            exit_is(&files.run(&server, "apply", options), 0);
        }
        let see = "{ parts(orderBy: [{title: ASC}]) { nodes { code room } } }";
        until(&admin, see, answers).await;
        assert_eq!(admin.query(see).await.ok()["parts"]["nodes"][0], json!({"code": "9.00", "room": "here"}));
        let twin = admin.query("mutation { createPart(data: {code: \"9\", room: \"here\"}) { id } }").await;
        twin.refused("CONFLICT");
    }

    async fn faults_of_all_files_are_told_at_once_and_change_nothing(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        admin.create("Garage", json!({"title": "twelve"})).await;
        let (before, at) = (Files::exported(&server).texts(), version(&admin).await);
        let files = Files::exported(&server);
        files.put("modules/Bay.json", &json!({"name": "Bay", "plural": "Bays", "fields": [
            {"name": "a", "type": "reference", "to": "Nowhere"}, {"name": "b", "type": "text", "maxLenght": 3}, {"name": "c", "type": "formula", "returns": "decimal", "rule": "d + 1"}]}));
        files.put("modules/Tool.json", &json!({"name": "Hammer", "plural": "Hammers", "fields": []}));
        files.change("modules/Car.json", |module| *field(module, "garage") = json!({"name": "garage", "type": "text"}));
        files.put_text("modules/Garage.json", "{\"name\": \"Garage\",\n oops");
        files.put_text("modules/Twice.json", "{\"name\": \"Twice\", \"plural\": \"Twices\",\n\"plural\": \"Twos\", \"fields\": []}");
        std::fs::create_dir(files.file("roles/folder.json")).expect("a folder can be made");
        std::fs::write(files.file("roles/latin.json"), b"{\"name\": \"\xe8\"}").expect("it can be written");
        files.change("roles/mechanic.json", |role| {
            role["parent"] = json!("nobody");
            role["access"]["Car"]["fields"] = json!({"colour": "READ"});
            role["access"]["Truck"] = json!({"read": true});
            role["access"]["Bay"] = json!({"read": true});
            role["recordRules"]["Car"] = json!("colour == 1");
        });
        files.change("roles/owner.json", |role| role["administrator"] = json!(true));
        files.put("roles/round.json", &json!({"name": "round", "parent": "round"}));
        files.put("permission-sets/fees.json", &json!({"name": "fees", "access": {"Car": {"read": "yes"}}}));
        files.put("sharing-rules/day.json", &json!({"name": "day", "module": "Bus", "rule": "true", "with": {"role": "ghost"}, "access": "READ"}));
        files.put("workflows/open.json", &json!({"name": "open", "module": "Car", "trigger": {"on": ["CREATED"]}, "steps": [{"id": "x", "call": {"plugin": "none", "function": "f"}}]}));
        for command in ["diff", "apply"] {
            let refused = files.run(&server, command, &["--prune"]);
            assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
            says(&refused, &["modules/Bay.json: fields[0].to: ", "modules/Bay.json: fields[1].maxLenght: ", "modules/Bay.json: fields[2].rule: ", "modules/Tool.json: name: ",
                "modules/Garage.json: this is not JSON: key must be a string at line 2", "modules/Twice.json: `plural` stands twice in one object at line 2",
                "roles/folder.json: it cannot be read: ", "roles/latin.json: it cannot be read: ", "roles/round.json: parent: a role can't stand above itself", "roles/mechanic.json: parent: there is no role named nobody", "roles/mechanic.json: access.Car.fields.colour: ",
                "roles/mechanic.json: access.Truck: there is no module named Truck", "roles/mechanic.json: recordRules.Car: ", "roles/owner.json: administrator: ", "roles/round.json: parent: ",
                "permission-sets/fees.json: access.Car.read: ", "sharing-rules/day.json: module: there is no module named Bus", "sharing-rules/day.json: with.role: there is no role named ghost",
                "workflows/open.json: steps[0].call.plugin: ", "faults; nothing is changed."]);
            assert!(!said(&refused).contains("named Bay"), "what only follows is not told: {}", said(&refused));
        }
        // What only the records refuse: rights, which are sound, are not changed either.
        let files = Files::exported(&server);
        files.change("modules/Garage.json", |module| {
            *field(module, "title") = json!({"name": "title", "type": "integer"});
            module["search"] = json!([]);
            module.as_object_mut().expect("an object").remove("nameField");
        });
        files.change("workflows/close.json", |workflow| {
            workflow["trigger"] = json!({"on": ["UPDATED"]});
            workflow["steps"] = json!([{"id": "write", "update": {"set": {"note": "x"}}}]);
        });
        files.change("workflows/rests.json", |workflow| {
            workflow["trigger"] = json!({"on": ["UPDATED"]});
            workflow["steps"] = json!([{"id": "write", "update": {"set": {"note": "x"}}}]);
        });
        files.put("roles/late.json", &json!({"name": "late"}));
        for command in ["diff", "apply"] {
            let refused = files.run(&server, command, &[]);
            assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
            says(&refused, &["modules/Garage.json: fields[0]: 1 of 1 values can't be converted"]);
        }
        files.change("modules/Garage.json", |module| *field(module, "title") = json!({"name": "title", "type": "reference", "to": "Car"}));
        let refused = files.run(&server, "apply", &[]);
        assert_eq!(refused.status.code(), Some(2));
        says(&refused, &["modules/Garage.json: fields[0].type: the values of `title` (text) can't become reference"]);
        assert_eq!((Files::exported(&server).texts(), version(&admin).await), (before, at));
        let nothing = Files::new();
        let refused = nothing.run(&server, "diff", &[]);
        assert_eq!(refused.status.code(), Some(2));
        says(&refused, &["has none of the folders"]);
    }

    async fn what_has_no_file_stays_unless_it_is_pruned_and_comes_back_with_its_values(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let garage = admin.create("Garage", json!({"title": "One", "note": "kept", "fee": "7"})).await;
        admin.create("Car", json!({"plate": "AA", "garageId": garage, "price": "20"})).await;
        let (files, whole) = (Files::exported(&server), Files::exported(&server).texts());
        files.remove("modules/Car.json");
        files.remove("permission-sets/fees.json");
        files.remove("sharing-rules/small.json");
        files.remove("sharing-rules/night.json");
        files.remove("workflows/close.json");
        files.remove("roles/mechanic.json");
        files.remove("roles/owner.json");
        files.remove("roles/sales-person.json");
        files.change("modules/Garage.json", |module| {
            let fields = module["fields"].as_array_mut().expect("fields");
            fields.retain(|field| !["fee", "worth"].contains(&field["name"].as_str().expect("a name")));
            module["validations"] = json!([]);
        });
        // What stays needs nothing of what is changed: a workflow that rests names the role, so it goes as well.
        files.remove("workflows/rests.json");
        let kept = files.run(&server, "diff", &[]);
        assert_eq!(kept.status.code(), Some(1), "the validations differ: {}", said(&kept));
        says(&kept, &["~ module Garage", "- validations", "= the module Car has no file: it stays; --prune takes it away", "= the field Garage.fee is not in modules/Garage.json",
            "= the permission set fees has no file", "= the role sales-person has no file", "= the workflow close has no file"]);
        let user = server.create_user_with_role("mechanic").await;
        let refused = files.run(&server, "apply", &["--prune"]);
        assert_eq!(refused.status.code(), Some(2));
        says(&refused, &["roles/mechanic.json: the role has no file, and cannot go: 1 users have it"]);
        let text = "mutation($user: ID!) { assignUser(user: $user, role: \"support-agent\") { id } }";
        admin.admin_query_with(text, json!({"user": user.own_id().await})).await.ok();

        let pruned = files.run(&server, "apply", &["--prune"]);
        assert_eq!(exit(&pruned), 0);
        says(&pruned, &["- module Car is retired", "    - fields.fee: ", "- permission set fees is removed", "- role mechanic is removed", "- role owner is removed",
            "- sharing rule small is removed", "- workflow close is switched off", "= the role sales-person has no file: it stays\n"]);
        until(&admin, "{ cars { totalCount } }", |answer| !answers(answer)).await;
        assert!(!answers(&admin.query("{ garages { nodes { fee } } }").await));
        assert_eq!(admin.admin_query("{ retiredModules { name } }").await.ok()["retiredModules"], json!([{"name": "Car"}]));
        let again = files.run(&server, "diff", &["--prune"]);
        assert_eq!(exit(&again), 0);

        for (name, text) in &whole {
            files.put_text(name, text);
        }
        let restored = files.run(&server, "apply", &[]);
        assert_eq!(exit(&restored), 0);
        says(&restored, &["+ module Car, which was retired", "~ module Garage", "+ role mechanic", "+ sharing rule small"]);
        until(&admin, "{ cars { totalCount } }", answers).await;
        let see = "{ cars { nodes { plate net garage { fee worth note } } } }";
        let is = json!({"cars": {"nodes": [{"plate": "AA", "net": "13.0000", "garage": {"fee": "7.000", "worth": "20.00", "note": "kept"}}]}});
        assert_eq!(*admin.query(see).await.ok(), is);
        assert_eq!(Files::exported(&server).texts(), whole);
        let doctor = server.run(&["doctor"]);
        says(&doctor, &["the tables are as the modules say"]);
    }

    async fn files_take_nothing_away_that_a_feature_needs(server: Server) {
        let admin = server.admin().await;
        admin.create_module(json!({"name": "Errand", "plural": "Errands", "fields": [
            {"name": "state", "type": "choice", "options": [{"value": "NEW"}, {"value": "DONE"}]}, {"name": "since", "type": "dateTime"}],
            "features": {"stages": {"field": "state", "since": "since"}}})).await.ok();
        let files = Files::exported(&server);
        let version = || async { admin.admin_query("{ catalogVersion }").await.ok()["catalogVersion"].clone() };
        let before = version().await;
        let changed = |change: &dyn Fn(&mut Value)| {
            let changed = Files::exported(&server);
            changed.change("modules/Errand.json", change);
            changed
        };
        let texts = changed(&|errand| *field(errand, "state") = json!({"name": "state", "type": "text"}));
        let without = changed(&|errand| errand["fields"].as_array_mut().expect("fields").retain(|field| field["name"] != "since"));
        for (files, options, what) in [(&texts, &[][..], "`state` must be a choice"), (&without, &["--prune"][..], "no field `since`")] {
            for command in ["diff", "apply"] {
                let refused = files.run(&server, command, options);
                exit_is(&refused, 2);
                says(&refused, &["the feature `stages` of `Errand` needs it", what]);
            }
        }
        assert_eq!(version().await, before);
        // Together with the feature they go.
        texts.change("modules/Errand.json", |errand| errand["features"] = json!({}));
        exit_is(&texts.run(&server, "apply", &[]), 0);
        exit_is(&files.run(&server, "apply", &[]), 0);
    }

    async fn an_apply_that_ends_midway_has_changed_all_or_nothing(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        admin.create("Garage", json!({"title": "12"})).await;
        let before = Files::exported(&server).texts();
        let files = Files::exported(&server);
        files.change("modules/Garage.json", |module| {
            *field(module, "title") = json!({"name": "title", "type": "integer"});
            module["search"] = json!([]);
            module.as_object_mut().expect("an object").remove("nameField");
            module["fields"].as_array_mut().expect("fields").push(json!({"name": "bay", "type": "reference", "to": "Bay", "inverse": "garages"}));
        });
        files.put("modules/Bay.json", &json!({"name": "Bay", "plural": "Bays", "fields": [{"name": "garage", "type": "reference", "to": "Garage"}]}));
        files.put("roles/late.json", &json!({"name": "late", "access": {"Bay": {"read": true}}}));
        files.remove("workflows/close.json");
        files.put("workflows/rests.json", &json!({"name": "rests", "module": "Garage", "runAs": {"role": "late"}, "trigger": {"on": ["CREATED"]},
            "steps": [{"id": "write", "update": {"set": {"note": "x"}}}]}));
        let folder = files.path().display().to_string();
        for point in ["catalog.definitions", "catalog.follow", "catalog.statement", "catalog.statement=3*off->", "catalog.version", "catalog.before_commit"] {
            let asked = if point.contains('=') { format!("{point}abort") } else { format!("{point}=abort") };
            let ended = server.run_with(&[("CARDINE_TEST_FAILPOINTS", &asked)], &["apply", &folder, "--prune"]);
            assert_eq!(ended.status.code(), None, "{point}: {}", said(&ended));
            assert_eq!(Files::exported(&server).texts(), before, "{point}");
            says(&server.run(&["doctor"]), &["the tables are as the modules say"]);
        }
        let ended = server.run_with(&[("CARDINE_TEST_FAILPOINTS", "catalog.committed=abort")], &["apply", &folder, "--prune"]);
        assert_eq!(ended.status.code(), None);
        let compared = files.run(&server, "diff", &["--prune"]);
        assert_eq!((exit(&compared), said(&compared)), (0, "Nothing differs.\n".to_owned()));
        says(&server.run(&["doctor"]), &["the tables are as the modules say"]);
        until(&admin, "{ bays { totalCount } }", answers).await;
    }

    async fn a_folder_that_is_not_there_says_nothing_about_its_kind(server: Server) {
        let admin = server.admin().await;
        fill(&admin).await;
        let (files, before) = (Files::new(), rights(&admin).await);
        // With the mark that some editors put before a text.
        let bus = json!({"name": "Bus", "plural": "Buses", "fields": [{"name": "line", "type": "text"}]});
        files.put_text("modules/Bus.json", &format!("\u{feff}{bus}"));
        assert_eq!(exit(&files.run(&server, "apply", &[])), 0);
        until(&admin, "{ buses { totalCount } }", answers).await;
        assert_eq!(rights(&admin).await, before);
        let roles = Files::new();
        roles.put("roles/driver.json", &json!({"name": "driver", "access": {"Bus": {"read": true, "fields": {"*": "READ"}}}}));
        let refused = roles.run(&server, "apply", &["--prune"]);
        assert_eq!(refused.status.code(), Some(2), "what needs a role stays, so the role must");
        says(&refused, &["roles/mechanic.json: the role has no file, and cannot go: the sharing rule small names it"]);
        let applied = roles.run(&server, "apply", &["--dry-run"]);
        says(&applied, &["+ role driver", "= the role mechanic has no file: it stays; --prune takes it away"]);
        assert!(!said(&applied).contains("module") && !said(&applied).contains("sharing"), "{}", said(&applied));
        let sets = Files::new();
        sets.put("permission-sets/more.json", &json!({"name": "more", "access": {"Bus": {"read": true}}}));
        let applied = sets.run(&server, "apply", &["--prune"]);
        assert_eq!((exit(&applied), said(&applied).lines().take(2).collect::<Vec<_>>()), (0, vec!["- permission set fees is removed", "+ permission set more"]));
        // A workflow that runs as its author needs one.
        let workflows = Files::new();
        let mut document = workflow("mine");
        document["runAs"] = json!("author");
        workflows.put("workflows/mine.json", &document);
        assert_eq!(workflows.run(&server, "apply", &[]).status.code(), Some(2));
        let unknown = workflows.run(&server, "apply", &["--author", "nobody@example.org"]);
        assert_eq!(unknown.status.code(), Some(1));
        says(&unknown, &["there is no user with the address nobody@example.org"]);
        assert_eq!(exit(&workflows.run(&server, "apply", &["--author", "Admin@Example.org"])), 0);
        let garage = admin.create("Garage", json!({"title": "One"})).await;
        eventually("the workflow starts runs", || async {
            let text = "mutation($id: ID!, $title: String!) { updateGarage(id: $id, data: {title: $title}) { id } }";
            admin.query_with(text, json!({"id": garage, "title": uuid::Uuid::new_v4()})).await.ok();
            let runs = admin.admin_query("{ runs { workflow status } }").await;
            runs.ok()["runs"].as_array()?.iter().any(|run| run["workflow"] == "mine" && run["status"] == "DONE").then_some(())
        }).await;
    }
}

/// One model is the same wherever it is applied: on an empty database of the other kind, under running servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_sqlite_has_makes_the_same_api_on_postgres_and_comes_back_as_it_was() {
    if !Backend::Postgres.is_available() {
        return;
    }
    let from = Server::start(Backend::Sqlite).await;
    let to = Server::start(Backend::Postgres).await;
    let beside = to.another().await;
    let (admin, other) = (from.admin().await, to.admin().await);
    fill(&admin).await;
    // Records that were there before stay.
    other.create("Lead", json!({"lastName": "Kept"})).await;
    let files = Files::exported(&from);
    assert_eq!(exit(&files.run(&to, "apply", &[])), 0);
    let far = beside.admin().await;
    for client in [&other, &far] {
        until(client, "{ cars { totalCount } }", answers).await;
        assert_eq!(sdl(client).await, sdl(&admin).await);
    }
    assert_eq!(rights(&other).await, rights(&admin).await);
    for role in ["owner", "mechanic", "sales-manager", "support-agent", "portal-customer"] {
        let (here, there) = (from.create_user_with_role(role).await, to.create_user_with_role(role).await);
        assert_eq!(sdl(&here).await, sdl(&there).await, "{role}");
    }
    assert_eq!(other.query("{ leads { totalCount } }").await.ok()["leads"]["totalCount"], 1);
    let back = Files::exported(&to);
    assert_eq!(back.texts(), files.texts());
    // And onto an empty database, which is made and migrated on the way.
    let mut fresh = Server::start(Backend::Sqlite).await;
    assert!(fresh.stop().success());
    std::fs::remove_dir_all(fresh.data_directory()).expect("the data can be removed");
    assert_eq!(exit(&back.run(&fresh, "apply", &["--prune"])), 0);
    assert_eq!(Files::exported(&fresh).texts(), files.texts());
    fresh.restart().await;
    assert_eq!(sdl(&fresh.admin().await).await, sdl(&admin).await);
}

/// What is no database of this program is told, and `diff` and `export` make none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_no_database_nothing_is_compared_or_exported() {
    let mut server = Server::start(Backend::Sqlite).await;
    let files = Files::exported(&server);
    assert!(server.stop().success());
    std::fs::remove_dir_all(server.data_directory()).expect("the data can be removed");
    assert_eq!(files.run(&server, "diff", &[]).status.code(), Some(2));
    assert_eq!(files.run(&server, "export", &[]).status.code(), Some(1));
    assert!(!server.data_directory().exists());
}

/// Files of what is gone stay unless they are pruned, and what did not change is not written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_over_files_changes_what_differs() {
    let server = Server::start(Backend::Sqlite).await;
    let files = Files::exported(&server);
    let modified = |name: &str| std::fs::metadata(files.file(name)).and_then(|file| file.modified()).expect("a time");
    let before = modified("modules/Lead.json");
    files.put_text("modules/Old.json", "{}");
    files.put_text("modules/notes.txt", "mine");
    let kept = files.run(&server, "export", &[]);
    says(&kept, &["modules/Old.json is of nothing in the database; --prune removes it"]);
    assert!(files.file("modules/Old.json").exists());
    says(&files.run(&server, "export", &["--prune"]), &["modules/Old.json is removed"]);
    assert!(!files.file("modules/Old.json").exists() && files.file("modules/notes.txt").exists());
    assert_eq!(modified("modules/Lead.json"), before);
}

const PAGE: &str = "docs/as-code.md";

/// Runs a block of the page in a repository, with `cardine` at hand.
fn in_shell(repository: &Path, block: &Block, staging: &str, production: &str) -> Output {
    let program = binary::path();
    let program = program.canonicalize().expect("the binary is there");
    let path =
        format!("{}:{}", program.parent().expect("a folder").display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", &block.text]).current_dir(repository);
    command.env("PATH", path).env("STAGING", staging).env("PRODUCTION", production);
    command.stdin(Stdio::null()).output().expect("bash is installed")
}

fn git(repository: &Path, words: &[&str]) {
    let done = Command::new("git").args(words).current_dir(repository).output().expect("git is installed");
    assert!(done.status.success(), "{words:?}: {}", said(&done));
}

fn database_of(server: &Server) -> String {
    match server.postgres() {
        Some(database) => database.url().to_owned(),
        None => format!("sqlite://{}", server.data_directory().join("cardine.db").display()),
    }
}

on_both_databases! {
    async fn the_recipe_of_the_page_runs_as_it_stands(production: Server) {
        let staging = Server::start(Backend::Sqlite).await;
        fill(&staging.admin().await).await;
        let repository = tempfile::tempdir().expect("a folder");
        let repository = repository.path();
        git(repository, &["init", "--quiet"]);
        git(repository, &["config", "user.email", "test@example.org"]);
        git(repository, &["config", "user.name", "Test"]);
        let (from, to) = (database_of(&staging), database_of(&production));
        let blocks: Vec<Block> = blocks_of(PAGE).into_iter().filter(|block| block.info == "bash recipe").collect();
        let [export, plan, apply, nightly] = blocks.as_slice() else { panic!("the recipe has four steps: {blocks:?}") };
        let run = |block: &Block| in_shell(repository, block, &from, &to);
        assert_eq!(exit(&run(export)), 0);
        let planned = run(plan);
        assert_eq!(exit(&planned), 0);
        says(&planned, &["+ module Garage", "+ role mechanic", "CREATE TABLE \"garage\""]);
        let admin = production.admin().await;
        assert!(!answers(&admin.query("{ garages { totalCount } }").await), "a plan changes nothing");
        let applied = run(apply);
        assert_eq!(exit(&applied), 0);
        says(&applied, &["Applied: version", "Nothing differs."]);
        until(&admin, "{ garages { totalCount } }", answers).await;
        assert_eq!(exit(&run(nightly)), 0);
        // What somebody changes by hand is found by the nightly job.
        admin.add_field("Garage", json!({"name": "hasty", "type": "boolean"})).await.ok();
        let found = run(nightly);
        assert_eq!(found.status.code(), Some(1));
        says(&found, &["+      \"name\": \"hasty\","]);
        git(repository, &["checkout", "--quiet", "crm"]);
        // A plan that cannot be carried out fails.
        std::fs::write(repository.join("crm/modules/Garage.json"), "{").expect("it can be written");
        assert_ne!(run(plan).status.code(), Some(0));
    }
}

#[test]
fn the_page_shows_documents_that_keep_to_their_schemas() {
    let blocks = blocks_of(PAGE);
    let role = blocks.iter().find(|block| block.info == "json role").expect("a role is shown");
    let schema =
        std::fs::read_to_string(repository::root().join("schema/role.schema.json")).expect("the schema is there");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let role: Value = serde_json::from_str(&role.text).expect("JSON");
    assert!(jsonschema::draft202012::new(&schema).expect("a JSON Schema").is_valid(&role));
    let settings = blocks.iter().find(|block| block.info == "json settings").expect("settings are shown");
    let settings: Value = serde_json::from_str(&settings.text).expect("JSON");
    for entry in settings["json.schemas"].as_array().expect("a list") {
        let file = entry["url"].as_str().and_then(|url| url.rsplit('/').next()).expect("a file");
        assert!(repository::root().join("schema").join(file).is_file(), "{file}");
    }
}
