//! Modules are renamed, changed, retired, restored and purged while the server runs; what names them follows.

mod hand;

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn told(answer: &Answer) -> String {
    let warnings = answer.data()["change"]["warnings"].as_array().cloned().unwrap_or_default();
    let issues = answer.issues().into_iter().cloned().chain(warnings);
    issues.map(|issue| issue["message"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("\n")
}

fn doctor(server: &Server) {
    let mut doctor = cardine_tests::binary::command(&server.data_directory());
    doctor.args(["doctor", "--data"]).arg(server.data_directory());
    if let Some(database) = server.postgres() {
        doctor.args(["--database", database.url()]);
    }
    let output = doctor.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Garages with machines; visits lead to either.
async fn start(server: &Server) -> Client {
    let admin = server.admin().await;
    admin
        .create_module(
            json!({"name": "Garage", "plural": "Garages", "nameField": "name", "search": ["name"], "fields": [
            {"name": "name", "type": "text", "required": true, "unique": true},
            {"name": "number", "type": "autoNumber", "format": "G-{000}"}]}),
        )
        .await
        .ok();
    admin
        .create_module(json!({"name": "Machine", "plural": "Machines", "search": ["title"], "fields": [
            {"name": "title", "type": "text", "indexed": true},
            {"name": "garage", "type": "reference", "to": "Garage", "inverse": "machines"},
            {"name": "garages", "type": "references", "to": "Garage", "inverse": "visitors"},
            {"name": "where", "type": "formula", "returns": "text", "rule": "garage.name"}]}))
        .await
        .ok();
    admin
        .create_module(json!({"name": "Visit", "plural": "Visits", "fields": [
            {"name": "about", "type": "reference", "to": ["Garage", "Machine"]}]}))
        .await
        .ok();
    admin
        .add_field("Garage", json!({"name": "count", "type": "rollup", "relation": "machines", "function": "COUNT"}))
        .await
        .ok();
    admin
}

on_both_databases! {
    async fn a_renamed_module_takes_all_that_names_it_along(mut server: Server) {
        let admin = start(&server).await;
        let garage = admin.create("Garage", json!({"name": "North"})).await;
        admin.create("Machine", json!({"title": "Drill", "garageId": garage, "garages": {"connect": [garage]}})).await;
        admin.create("Visit", json!({"aboutId": garage})).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Garage", json!({"read": true, "fields": {"name": "READ"}})).await;
        admin.create_user("clerk@example.org", "correct horse battery", "clerk").await;
        let share = format!("mutation {{ shareRecord(module: \"Garage\", id: \"{garage}\", with: {{role: \"clerk\"}}, access: READ) {{ access }} }}");
        admin.admin_query(&share).await.ok();

        let rename = |dry: bool| json!({"name": "Garage", "to": "Depot", "plural": "Depots", "dryRun": dry});
        let dry = admin.change("renameModule", rename(true)).await;
        assert!(dry.ok()["change"]["statements"].to_string().contains("RENAME TO"), "{dry}");
        admin.query("{ garages { totalCount } }").await.ok();
        admin.change("renameModule", rename(false)).await.ok();
        admin.query("{ garages { totalCount } }").await.refused("BAD_USER_INPUT");

        let list = admin.query("{ depots { nodes { name number count machines { nodes { title where } } visitors { totalCount } } }
            visits { nodes { about { __typename ... on Depot { name } } } }
            machines { nodes { garages { nodes { name } } } }
            search(text: \"north\") { nodes { module title } } }").await;
        let list = list.ok();
        assert_eq!(list["depots"]["nodes"], json!([{"name": "North", "number": "G-001", "count": 1,
            "machines": {"nodes": [{"title": "Drill", "where": "North"}]}, "visitors": {"totalCount": 1}}]));
        assert_eq!(list["visits"]["nodes"], json!([{"about": {"__typename": "Depot", "name": "North"}}]));
        assert_eq!(list["machines"]["nodes"], json!([{"garages": {"nodes": [{"name": "North"}]}}]));
        assert_eq!(list["search"]["nodes"], json!([{"module": "Depot", "title": "North"}]));
        // Its counter goes on, and a unique value is still one.
        let next = admin.query("mutation { createDepot(data: {name: \"South\"}) { number } }").await;
        assert_eq!(next.ok()["createDepot"]["number"], "G-002");
        admin.query("mutation { createDepot(data: {name: \"north\"}) { number } }").await.refused("CONFLICT");
        let clerk = server.anonymous().sign_in("clerk@example.org", "correct horse battery").await.expect("the clerk signs in");
        assert_eq!(clerk.query("{ depots { nodes { name } } }").await.ok()["depots"]["nodes"], json!([{"name": "North"}]));
        for to in ["Machine", "Garage2!", "depot", "User", "Depot"] {
            admin.change("renameModule", json!({"name": "Depot", "to": to})).await.refused("VALIDATION_FAILED");
        }
        admin.change("renameModule", json!({"name": "User", "to": "Person"})).await.refused("VALIDATION_FAILED");
        server.restart().await;
        assert_eq!(admin.query("{ depots { totalCount } }").await.ok()["depots"]["totalCount"], 2);
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn options_of_a_module_change_by_a_patch(mut server: Server) {
        let admin = start(&server).await;
        admin.create_many("Machine", [json!({"title": "A"}), json!({"title": "a"}), json!({"title": "B"})]).await;
        let update = |patch: Value| json!({"name": "Machine", "patch": patch});
        let refused = admin.change("updateModule", update(json!({"uniques": [{"fields": ["title"]}]}))).await;
        refused.refused("VALIDATION_FAILED");
        assert!(told(&refused).starts_with("2 records of `Machine` are not alone"), "{refused}");
        let patch = json!({"label": "Device", "pluralLabel": "Devices", "plural": "Devices", "nameField": "title", "search": null,
            "indexes": [{"fields": ["title", "createdAt"]}], "uniques": [{"fields": ["title", "garage"]}], "sharing": "PUBLIC_READ",
            "validations": [{"rule": "title != \"X\"", "message": "not X"}]});
        admin.change("updateModule", update(patch)).await.ok();
        assert_eq!(admin.query("{ devices { totalCount } }").await.ok()["devices"]["totalCount"], 3);
        admin.query("mutation { createMachine(data: {title: \"X\"}) { id } }").await.refused("VALIDATION_FAILED");
        for patch in [json!({"name": "X"}), json!({"fields": []}), json!({"nonsense": true}), json!({"search": ["garage"]}), json!("x")] {
            let refused = admin.change("updateModule", update(patch.clone())).await;
            refused.refused("VALIDATION_FAILED");
            assert_eq!(refused.issues()[0]["path"][0], "patch", "{patch}: {refused}");
        }
        admin.change("updateModule", json!({"name": "User", "patch": {"label": "Person"}})).await.refused("VALIDATION_FAILED");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_retired_module_is_hidden_and_comes_back_with_its_records(mut server: Server) {
        let admin = start(&server).await;
        let garage = admin.create("Garage", json!({"name": "North"})).await;
        admin.create("Machine", json!({"title": "Drill", "garageId": garage, "garages": {"connect": [garage]}})).await;
        let needed = admin.change("retireModule", json!({"name": "Garage"})).await;
        needed.refused("VALIDATION_FAILED");
        for what in ["the field Machine.garage", "the field Machine.garages", "the formula Machine.where", "the field Visit.about"] {
            assert!(told(&needed).contains(what), "{what}: {needed}");
        }
        admin.query("{ garages { totalCount } }").await.ok();
        // Who sees what is a question that no force answers; all of them are told, and what else needs it.
        let child = |name: &str, plural: &str| json!({"name": name, "plural": plural, "sharing": "CONTROLLED_BY_PARENT", "parent": "garage",
            "fields": [{"name": "garage", "type": "reference", "to": "Garage", "required": true}]});
        for (name, plural) in [("Door", "Doors"), ("Gate", "Gates")] {
            admin.create_module(child(name, plural)).await.ok();
        }
        let needed = admin.change("retireModule", json!({"name": "Garage", "force": true})).await;
        needed.refused("VALIDATION_FAILED");
        for what in ["who sees the records of `Door`", "who sees the records of `Gate`", "the field Machine.garage", "the formula Machine.where"] {
            assert!(told(&needed).contains(what), "{what}: {needed}");
        }
        for name in ["Door", "Gate"] {
            admin.change("retireModule", json!({"name": name})).await.ok();
            admin.change("purgeModule", json!({"name": name})).await.ok();
        }
        // A module that nothing needs goes without force.
        admin.create("Visit", json!({"aboutId": garage})).await;
        admin.change("retireModule", json!({"name": "Visit"})).await.ok();
        admin.query("{ visits { totalCount } }").await.refused("BAD_USER_INPUT");
        admin.change("restoreModule", json!({"name": "Visit"})).await.ok();
        assert_eq!(admin.query("{ visits { totalCount } }").await.ok()["visits"]["totalCount"], 1);

        admin.change("retireModule", json!({"name": "Garage", "force": true})).await.ok();
        admin.query("{ garages { totalCount } }").await.refused("BAD_USER_INPUT");
        let machines = admin.query("{ machines { nodes { title } } search(text: \"north\") { nodes { title } } }").await;
        assert_eq!(machines.ok()["machines"]["nodes"], json!([{"title": "Drill"}]));
        assert_eq!(machines.ok()["search"]["nodes"], json!([]));
        admin.create_module(json!({"name": "Garage", "plural": "Garages2", "fields": []})).await.refused("VALIDATION_FAILED");
        admin.change("renameModule", json!({"name": "Machine", "to": "Garage"})).await.refused("VALIDATION_FAILED");
        server.restart().await;
        let retired = admin.admin_query("{ retiredModules { name definition } modules { name } }").await;
        assert_eq!(retired.ok()["retiredModules"][0]["name"], "Garage");
        assert!(!retired.ok()["modules"].to_string().contains("Garage"));
        admin.change("restoreModule", json!({"name": "Garage"})).await.ok();
        for (module, field) in
            [("Machine", "garage"), ("Machine", "garages"), ("Machine", "where"), ("Visit", "about"), ("Garage", "count")]
        {
            admin.change("restoreField", json!({"module": module, "name": field})).await.ok();
        }
        let list = admin.query("{ garages { nodes { name count machines { nodes { where } } visitors { totalCount } } } search(text: \"north\") { nodes { title } } }").await;
        assert_eq!(list.ok()["garages"]["nodes"], json!([{"name": "North", "count": 1, "machines": {"nodes": [{"where": "North"}]}, "visitors": {"totalCount": 1}}]));
        assert_eq!(list.ok()["search"]["nodes"], json!([{"title": "North"}]));
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_target_to_which_no_record_leads_is_taken_out_of_a_reference(mut server: Server) {
        let admin = start(&server).await;
        let to = |targets: &[&str]| json!({"module": "Visit", "name": "about", "patch": {"to": targets}});
        admin.create_module(json!({"name": "Shed", "plural": "Sheds", "fields": [{"name": "title", "type": "text"}]})).await.ok();
        admin.change("updateField", to(&["Garage", "Machine", "Shed"])).await.ok();
        let (garage, shed) = (admin.create("Garage", json!({"name": "North"})).await, admin.create("Shed", json!({"title": "East"})).await);
        let (kept, visit) = (admin.create("Visit", json!({"aboutId": garage})).await, admin.create("Visit", json!({"aboutId": shed})).await);
        admin.query_with("mutation($id: ID!) { deleteVisit(id: $id) { id } }", json!({"id": visit})).await.ok();
        // A deleted record may come back.
        let dry = |mut arguments: Value| { arguments["dryRun"] = json!(true); arguments };
        for arguments in [dry(to(&["Machine", "Garage"])), to(&["Machine", "Garage"])] {
            let refused = admin.change("updateField", arguments).await;
            refused.refused("VALIDATION_FAILED");
            let told: Vec<&str> = refused.issues().iter().map(|issue| issue["message"].as_str().expect("a text")).collect();
            assert!(told[0].starts_with("1 records of `Visit` lead by `about` to a module that would not be among its targets"), "{refused}");
            assert_eq!(told[1..], [format!("record {visit} leads there")]);
        }
        admin.change("updateField", to(&["Garage"])).await.refused("VALIDATION_FAILED");
        admin.query_with("mutation($id: ID!) { destroyVisit(id: $id) }", json!({"id": visit})).await.ok();
        admin.change("updateField", dry(to(&["Machine", "Garage"]))).await.ok();
        admin.change("updateField", to(&["Machine", "Garage"])).await.ok();
        admin.query_with("mutation($id: ID!) { createVisit(data: {aboutId: $id}) { id } }", json!({"id": shed})).await.refused("VALIDATION_FAILED");
        // Nothing needs the module any more.
        admin.change("retireModule", json!({"name": "Shed"})).await.ok();
        let visits = admin.query("{ visits { nodes { id about { ... on Garage { name } } } } }").await;
        assert_eq!(visits.ok()["visits"]["nodes"], json!([{"id": kept, "about": {"name": "North"}}]));
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn nothing_gets_a_table_that_something_retired_has(mut server: Server) {
        let admin = server.admin().await;
        let module = |name: &str, plural: &str, fields: Value| json!({"name": name, "plural": plural, "fields": fields});
        let links = json!({"name": "drivers", "type": "references", "to": "Contact", "inverse": "rides"});
        let title = json!({"name": "title", "type": "text"});
        admin.create_module(module("Gizmo", "Gizmos", json!([title]))).await.ok();
        admin.create("Gizmo", json!({"title": "kept"})).await;
        admin.create_module(module("Ride", "Rides", json!([title, links]))).await.ok();
        admin.create_module(module("Trip", "Trips", json!([title]))).await.ok();
        admin.create_module(module("Bus", "Buses", json!([title, {"name": "drivers", "type": "references", "to": "Contact"}]))).await.ok();
        admin.create_module(module("TripDrivers", "TripsDrivers", json!([title]))).await.ok();
        for (mutation, arguments) in [
            ("retireModule", json!({"name": "Gizmo"})), ("retireModule", json!({"name": "TripDrivers"})), ("retireModule", json!({"name": "Bus"})),
            ("retireField", json!({"module": "Ride", "name": "drivers"})),
        ] {
            admin.change(mutation, arguments).await.ok();
        }
        let links = json!({"name": "drivers", "type": "references", "to": "Contact"});
        for (mutation, arguments, place, owner) in [
            ("createModule", json!({"definition": module("GIZMO", "Gadgets", json!([]))}), json!(["definition", "name"]), "the retired module `Gizmo`"),
            ("renameModule", json!({"name": "Trip", "to": "GIZMO", "plural": "Gadgets"}), json!(["to"]), "the retired module `Gizmo`"),
            ("createModule", json!({"definition": module("RideDrivers", "Riders", json!([]))}), json!(["definition", "name"]), "the links of a retired field of `Ride`"),
            ("renameModule", json!({"name": "Trip", "to": "RideDrivers", "plural": "Riders"}), json!(["to"]), "the links of a retired field of `Ride`"),
            ("createModule", json!({"definition": module("BusDrivers", "BusRiders", json!([]))}), json!(["definition", "name"]), "the links of the retired module `Bus`"),
            ("addField", json!({"module": "Trip", "field": links}), json!(["field", "name"]), "the retired module `TripDrivers`"),
        ] {
            for dry in [true, false] {
                let mut arguments = arguments.clone();
                arguments["dryRun"] = json!(dry);
                let refused = admin.change(mutation, arguments.clone()).await;
                refused.refused("VALIDATION_FAILED");
                let issue = refused.issues()[0].clone();
                assert_eq!((&issue["path"], &issue["rule"]), (&place, &json!("nameTaken")), "{mutation} {arguments}: {refused}");
                assert!(issue["message"].as_str().expect("a text").contains(owner), "{mutation} {arguments}: {refused}");
            }
        }
        // They come back as they were, and what is purged is in nobody's way.
        admin.change("restoreModule", json!({"name": "Gizmo"})).await.ok();
        assert_eq!(admin.query("{ gizmos { nodes { title } } }").await.ok()["gizmos"]["nodes"], json!([{"title": "kept"}]));
        admin.change("restoreField", json!({"module": "Ride", "name": "drivers"})).await.ok();
        admin.change("purgeModule", json!({"name": "TripDrivers"})).await.ok();
        admin.add_field("Trip", json!({"name": "drivers", "type": "references", "to": "Contact"})).await.ok();
        admin.change("purgeModule", json!({"name": "Bus"})).await.ok();
        admin.create_module(module("BusDrivers", "BusRiders", json!([]))).await.ok();
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_purged_module_is_gone_with_its_records_and_grants(mut server: Server) {
        let admin = start(&server).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Machine", json!({"read": true, "fields": {"title": "READ"}})).await;
        let garage = admin.create("Garage", json!({"name": "North"})).await;
        admin.create("Machine", json!({"title": "Drill", "garages": {"connect": [garage]}})).await;
        admin.change("purgeModule", json!({"name": "Machine"})).await.refused("VALIDATION_FAILED");
        admin.change("retireModule", json!({"name": "Machine", "force": true})).await.ok();
        let dry = admin.change("purgeModule", json!({"name": "Machine", "dryRun": true})).await;
        assert!(told(&dry).contains("1 records of `Machine` and 1 links of them are lost"), "{dry}");
        admin.change("purgeModule", json!({"name": "Machine"})).await.ok();
        admin.change("restoreModule", json!({"name": "Machine"})).await.refused("VALIDATION_FAILED");
        admin.create_module(json!({"name": "Machine", "plural": "Machines", "fields": [{"name": "title", "type": "integer"}]})).await.ok();
        assert_eq!(admin.query("{ machines { totalCount } }").await.ok()["machines"]["totalCount"], 0);
        let roles = admin.admin_query("{ roles { name access { module } } }").await;
        let clerk = roles.ok()["roles"].as_array().expect("roles").iter().find(|role| role["name"] == "clerk").cloned().expect("the clerk");
        assert_eq!(clerk["access"], json!([]));
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn what_the_server_knows_nothing_of_is_no_feature(mut server: Server) {
        let admin = start(&server).await;
        let features = json!({"stagse": {"field": "title"}, "comments": true, "tasks": {"subject": "title", "subjet": "title"}});
        let fields = json!([{"name": "title", "type": "text"}]);
        let module = json!({"name": "Errand", "plural": "Errands", "fields": fields, "features": features});
        let create = admin.change("createModule", json!({"definition": module})).await;
        let update = admin.change("updateModule", json!({"name": "Machine", "patch": {"features": features}})).await;
        for (answer, argument) in [(create, "definition"), (update, "patch")] {
            answer.refused("VALIDATION_FAILED");
            let found = |place: &[&str], words: &[&str]| {
                let place: Vec<&str> = [argument, "features"].into_iter().chain(place.iter().copied()).collect();
                let issues = answer.issues();
                let issue = issues.iter().find(|issue| issue["path"] == json!(place)).unwrap_or_else(|| panic!("{place:?}: {answer}"));
                let message = issue["message"].as_str().expect("a text");
                assert!(words.iter().all(|word| message.contains(word)), "{message}");
            };
            found(&["stagse"], &["conversion", "tasks", "timeline", "did you mean `stages`?"]);
            found(&["comments"], &["conversion", "tasks", "timeline"]);
            found(&["tasks", "subjet"], &["description", "did you mean `subject`?"]);
            assert_eq!(answer.issues().len(), 3, "{answer}");
        }
        let list = admin.change("updateModule", json!({"name": "Machine", "patch": {"features": ["tasks"]}})).await;
        list.refused("VALIDATION_FAILED");

        // What an older version took is in nobody's way.
        let tasks = json!({"name": "Machine", "patch": {"features": {"tasks": {"subject": "title"}}}});
        admin.change("updateModule", tasks).await.ok();
        let older = r#"UPDATE module_definition SET definition = replace(definition, '"features":{"tasks":{', '"features":{"comments":true,"tasks":{"old":1,')"#;
        hand::run(&server, older).await;
        server.restart().await;
        let definition = || async {
            let answer = admin.admin_query("{ module(name: \"Machine\") { definition } }").await;
            answer.ok()["module"]["definition"].clone()
        };
        assert_eq!(definition().await["features"], json!({"comments": true, "tasks": {"old": 1, "subject": "title"}}));
        admin.change("updateField", json!({"module": "Machine", "name": "title", "patch": {"label": "Name"}})).await.ok();
        admin.change("updateModule", json!({"name": "Machine", "patch": {"label": "Machine"}})).await.ok();
        admin.change("renameField", json!({"module": "Machine", "name": "title", "to": "caption"})).await.ok();
        let features = definition().await["features"].clone();
        assert_eq!(features, json!({"comments": true, "tasks": {"old": 1, "subject": "caption"}}));
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().display().to_string();
        for words in [["export", &folder], ["diff", &folder]] {
            let output = server.run(&words);
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        let timeline = json!({"name": "Machine", "patch": {"features": {"timeline": {"sources": [{"list": "nothing"}]}}}});
        admin.change("updateModule", timeline).await.refused("VALIDATION_FAILED");
        let gone = json!({"name": "Machine", "patch": {"features": {"comments": null, "tasks": {"old": null}}}});
        admin.change("updateModule", gone).await.ok();
        assert_eq!(definition().await["features"], json!({"tasks": {"subject": "caption"}}));
    }
}
