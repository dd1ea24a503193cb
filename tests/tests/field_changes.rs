//! Fields are renamed, changed, converted, retired, restored and purged while the server runs; what names them follows.

use cardine_tests::{Answer, Client, Server, on_both_databases};
use serde_json::{Value, json};

fn module() -> Value {
    json!({
        "name": "Machine", "plural": "Machines", "nameField": "title", "search": ["title", "note"],
        "indexes": [{"fields": ["title", "power"]}], "uniques": [{"fields": ["title", "serial"]}],
        "fields": [
            {"name": "title", "type": "text", "maxLength": 60, "indexed": true},
            {"name": "serial", "type": "text", "maxLength": 40},
            {"name": "note", "type": "longText"},
            {"name": "power", "type": "integer", "default": 5},
            {"name": "price", "type": "money"},
            {"name": "maker", "type": "reference", "to": "Organization", "inverse": "machines"},
            {"name": "parts", "type": "references", "to": "Product"},
            {"name": "half", "type": "formula", "returns": "decimal", "rule": "power / 2 + (maker.name == 'power' ? 1 : 0)"},
            {"name": "partCount", "type": "rollup", "relation": "parts", "function": "COUNT"},
        ],
        "validations": [{"rule": "power == null || power >= 0", "message": "power is not negative", "fields": ["power"]}],
    })
}

async fn start(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.create_module(module()).await.ok();
    admin
}

fn of(name: &str) -> Value {
    json!({"module": "Machine", "name": name})
}

fn with(mut arguments: Value, key: &str, value: impl Into<Value>) -> Value {
    arguments[key] = value.into();
    arguments
}

fn rules(answer: &Answer) -> Vec<&str> {
    answer.issues().iter().map(|issue| issue["rule"].as_str().unwrap_or_default()).collect()
}

/// All messages of an answer's issues or warnings.
fn told(answer: &Answer) -> String {
    let warnings = answer.data()["change"]["warnings"].as_array().cloned().unwrap_or_default();
    let issues = answer.issues().into_iter().cloned().chain(warnings);
    issues.map(|issue| issue["message"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>().join("\n")
}

fn doctor(server: &Server) -> String {
    let mut doctor = cardine_tests::binary::command(&server.data_directory());
    doctor.args(["doctor", "--data"]).arg(server.data_directory());
    if let Some(database) = server.postgres() {
        doctor.args(["--database", database.url()]);
    }
    let output = doctor.output().expect("the binary runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

on_both_databases! {
    async fn a_renamed_field_takes_all_that_names_it_along(mut server: Server) {
        let admin = start(&server).await;
        let organization = admin.create("Organization", json!({"name": "Maker"})).await;
        let id = admin.create("Machine", json!({"title": "Drill", "power": 8, "makerId": organization})).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Machine", json!({"read": true, "update": true, "fields": {"power": "READ", "half": "READ", "maker": "READ"}})).await;
        admin.set_access("clerk", "Organization", json!({"read": true, "fields": {"*": "READ"}})).await;
        admin.create_user("clerk@example.org", "correct horse battery", "clerk").await;
        let rule = "mutation { setRecordRule(role: \"clerk\", module: \"Machine\", rule: \"power > 3\") { name } }";
        admin.admin_query(rule).await.ok();
        let workflow = json!({"name": "note-power", "label": "Note the power", "module": "Machine",
            "trigger": {"on": ["UPDATED"], "changed": ["power"], "when": "power > 9"},
            "steps": [{"id": "write", "update": {"set": {"note": "{{ record.power }} kW"}}}]});
        admin.save_workflow(workflow).await.ok();

        let dry = admin.change("renameField", with(with(of("power"), "to", "strength"), "dryRun", true)).await;
        assert_eq!(dry.ok()["change"]["applied"], false);
        assert!(dry.data()["change"]["statements"].to_string().contains("RENAME COLUMN"), "{dry}");
        admin.query("{ machines { nodes { power } } }").await.ok();

        let renamed = admin.change("renameField", with(of("power"), "to", "strength")).await;
        assert_eq!(renamed.ok()["change"]["applied"], true);
        admin.query("{ machines { nodes { power } } }").await.refused("BAD_USER_INPUT");
        let list = admin.query("{ machines(filter: {strength: {eq: 8}}, orderBy: [{strength: ASC}]) { nodes { strength half } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"strength": 8, "half": "4.00"}]));
        admin.query("mutation { createMachine(data: {strength: -1}) { id } }").await.refused("VALIDATION_FAILED");
        let definition = admin.admin_query("{ module(name: \"Machine\") { definition } }").await;
        let definition = &definition.ok()["module"]["definition"];
        assert_eq!(definition["fields"][7]["rule"], "strength / 2 + (maker.name == 'power' ? 1 : 0)");
        assert_eq!(definition["indexes"], json!([{"fields": ["title", "strength"]}]));
        assert!(!definition.to_string().contains("_id"), "{definition}");

        let clerk = server.anonymous().sign_in("clerk@example.org", "correct horse battery").await.expect("the clerk signs in");
        let share = format!("mutation {{ shareRecord(module: \"Machine\", id: \"{id}\", with: {{role: \"clerk\"}}, access: READ) {{ access }} }}");
        admin.admin_query(&share).await.ok();
        let other = admin.create("Machine", json!({"title": "Weak", "strength": 2})).await;
        admin.admin_query(&share.replace(&id, &other)).await.ok();
        // Its grant by field and the record rule of its role have followed.
        let seen = clerk.query("{ machines { nodes { strength half } } }").await;
        assert_eq!(seen.ok()["machines"]["nodes"], json!([{"strength": 8, "half": "4.00"}]));
        clerk.query("{ machines { nodes { title } } }").await.refused("BAD_USER_INPUT");
        admin.query(&format!("mutation {{ destroyMachine(id: \"{other}\") }}")).await.ok();
        let saved = admin.admin_query("{ workflows { name definition } }").await;
        let saved = saved.ok()["workflows"][0]["definition"].to_string();
        assert!(saved.contains("record.strength") && saved.contains("strength > 9") && !saved.contains("power > 9"), "{saved}");
        admin.query(&format!("mutation {{ updateMachine(id: \"{id}\", data: {{strength: 12}}) {{ strength }} }}")).await.ok();
        let noted = || async {
            let answer = admin.query(&format!("{{ machine(id: \"{id}\") {{ note }} }}")).await;
            (answer.ok()["machine"]["note"] == "12 kW").then_some(())
        };
        cardine_tests::eventually("the workflow has run", noted).await;

        server.restart().await;
        assert_eq!(admin.query("{ machines { nodes { strength } } }").await.ok()["machines"]["nodes"][0]["strength"], 12);
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn references_addresses_and_links_are_renamed_with_what_belongs_to_them(mut server: Server) {
        let admin = start(&server).await;
        admin.add_field("Machine", json!({"name": "site", "type": "address"})).await.ok();
        admin.add_field("Machine", json!({"name": "subject", "type": "reference", "to": ["Organization", "Contact"]})).await.ok();
        let organization = admin.create("Organization", json!({"name": "Maker"})).await;
        let product = admin.create("Product", json!({"name": "Screw"})).await;
        let data = json!({"title": "Drill", "makerId": organization, "subjectId": organization,
            "site": {"city": "Bologna"}, "parts": {"connect": [product]}});
        admin.create("Machine", data).await;
        for (from, to) in [("maker", "builder"), ("site", "place"), ("subject", "about"), ("parts", "pieces")] {
            admin.change("renameField", with(of(from), "to", to)).await.ok();
        }
        let list = admin.query("{ machines(filter: {place: {city: {eq: \"Bologna\"}}, builder: {name: {eq: \"Maker\"}}}) { nodes {
            builderId builder { machines { totalCount } } place { city } about { __typename } pieces { nodes { name } } partCount half } } }").await;
        let expected = json!({"builderId": organization, "builder": {"machines": {"totalCount": 1}}, "place": {"city": "Bologna"},
            "about": {"__typename": "Organization"}, "pieces": {"nodes": [{"name": "Screw"}]}, "partCount": 1, "half": "2.50"});
        assert_eq!(list.ok()["machines"]["nodes"], json!([expected]));
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_name_that_cannot_be_is_refused(server: Server) {
        let admin = start(&server).await;
        for to in ["Strength", "a b", "id", "createdAt", "serial", "maker", "makerId", "record", "old", "actor", "", "power"] {
            let refused = admin.change("renameField", with(of("power"), "to", to)).await;
            refused.refused("VALIDATION_FAILED");
            assert_eq!(refused.issues()[0]["path"][0], "to", "{refused}");
        }
        for name in ["nothing", "id"] {
            admin.change("renameField", with(of(name), "to", "other")).await.refused("VALIDATION_FAILED");
        }
        let nobody = server.anonymous().change("renameField", with(of("power"), "to", "other")).await;
        assert_eq!(nobody.status, 401);
        admin.query("{ machines { nodes { power } } }").await.ok();
    }

    async fn options_change_and_the_values_that_are_there_must_fit(server: Server) {
        let admin = start(&server).await;
        let ids = admin.create_many("Machine", [
            json!({"title": "Long title", "serial": "1", "power": 900}),
            json!({"title": "Short", "serial": "1", "power": 1}),
            json!({"title": "Other", "power": 2}),
        ]).await;
        let update = |name: &str, patch: Value| with(of(name), "patch", patch);
        admin.change("updateField", update("title", json!({"label": {"en": "Name"}, "help": "How it is called", "maxLength": 80}))).await.ok();
        for (name, patch, count) in [
            ("title", json!({"maxLength": 6}), 1),
            ("title", json!({"pattern": "[A-Z][a-z]+"}), 1),
            ("power", json!({"max": 100}), 1),
            ("power", json!({"min": 2}), 1),
            ("serial", json!({"required": true}), 1),
            ("serial", json!({"unique": true}), 2),
        ] {
            for dry in [true, false] {
                let refused = admin.change("updateField", with(update(name, patch.clone()), "dryRun", dry)).await;
                refused.refused("VALIDATION_FAILED");
                let issues = refused.issues();
                assert!(issues[0]["message"].as_str().expect("a message").starts_with(&format!("{count} records")), "{name} {patch}: {refused}");
                assert_eq!(issues.len(), 1 + count, "{refused}");
                assert!(ids.iter().any(|id| issues[1]["message"].as_str().expect("a message").contains(id.as_str())), "{refused}");
            }
        }
        // With a default that fills what is missing, and values that fit.
        let filled = admin.change("updateField", update("serial", json!({"required": true, "default": "none"}))).await;
        assert!(told(&filled).contains("1 records get the default"), "{filled}");
        admin.change("updateField", update("power", json!({"max": 1000, "indexed": true}))).await.ok();
        let list = admin.query("{ machines(orderBy: [{title: ASC}]) { nodes { serial } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"serial": "1"}, {"serial": "none"}, {"serial": "1"}]));
        admin.query("mutation { createMachine(data: {power: 1001}) { id } }").await.refused("VALIDATION_FAILED");
        admin.change("updateField", update("power", json!({"max": null}))).await.ok();
        admin.query("mutation { createMachine(data: {power: 1001}) { id } }").await.ok();
        for (patch, rule) in [
            (json!({"name": "x"}), "notChangeable"),
            (json!({"type": "text"}), "notChangeable"),
            (json!({"big": true}), "notChangeable"),
            (json!({"nonsense": 1}), "unknownKey"),
            (json!([1]), "type"),
        ] {
            let refused = admin.change("updateField", update("power", patch.clone())).await;
            refused.refused("VALIDATION_FAILED");
            assert_eq!(rules(&refused)[0], rule, "{patch}: {refused}");
        }
    }

    async fn a_default_fills_what_has_no_value_and_nothing_else(server: Server) {
        let admin = start(&server).await;
        admin.add_field("Machine", json!({"name": "site", "type": "address"})).await.ok();
        admin.create_many("Machine", [json!({"title": "A", "site": {"city": "Bari"}}), json!({"title": "B"})]).await;
        let filled = with(of("site"), "patch", json!({"required": true, "default": {"country": "Italia"}}));
        let answer = admin.change("updateField", filled).await;
        assert_eq!(answer.ok()["change"]["rows"], 1);
        let list = admin.query("{ machines(orderBy: [{title: ASC}]) { nodes { site { city country } } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"site": {"city": "Bari", "country": null}}, {"site": {"city": null, "country": "Italia"}}]));
    }

    async fn a_value_that_would_lose_something_is_not_converted(server: Server) {
        let admin = start(&server).await;
        let instants = ["2026-02-03T10:00:00.1239Z", "2026-02-03T10:00:00.0000000001+01:00", "2016-12-31T23:59:60Z", "0000-02-03T10:00:00Z"];
        let documents = ["123456789012345678901", r#"{"rate": [0.1000000000000000055511151231257827]}"#, r#"{"a": 1, "a": 2}"#];
        for (to, lossy, exact, shown) in [
            ("dateTime", &instants[..], "2026-02-03T11:00:00.123000+01:00", json!("2026-02-03T10:00:00.123Z")),
            ("json", &documents[..], r#"{"a:a": [1.50, "123456789012345678901"]}"#, json!({"a:a": [1.5, "123456789012345678901"]})),
        ] {
            let name = format!("{to}Text");
            admin.add_field("Machine", json!({"name": name, "type": "text", "maxLength": 100})).await.ok();
            let kept = admin.create("Machine", json!({"title": to, &name: exact})).await;
            let ids = admin.create_many("Machine", lossy.iter().map(|text| json!({"title": "Lossy", &name: text}))).await;
            for dry in [true, false] {
                let refused = admin.change("changeFieldType", with(with(of(&name), "to", to), "dryRun", dry)).await;
                refused.refused("VALIDATION_FAILED");
                assert_eq!(rules(&refused), vec!["notConvertible"; 1 + lossy.len()], "{refused}");
                assert!(ids.iter().all(|id| told(&refused).contains(id.as_str())) && !told(&refused).contains(&kept), "{refused}");
            }
            let cleared = json!({"type": to, "onUnconvertible": "NULL"});
            let answer = admin.change("changeFieldType", with(of(&name), "to", cleared)).await;
            assert!(told(&answer).contains(&format!("{} of {} values can't be converted", lossy.len(), lossy.len() + 1)), "{answer}");
            let list = admin.query(&format!("{{ machines(filter: {{{name}: {{isNull: false}}}}) {{ nodes {{ {name} }} }} }}")).await;
            assert_eq!(list.ok()["machines"]["nodes"], json!([{&name: shown}]));
        }
    }

    async fn a_retired_field_is_hidden_keeps_nobody_from_writing_and_comes_back(mut server: Server) {
        let admin = start(&server).await;
        admin.change("updateField", with(of("serial"), "patch", json!({"required": true}))).await.ok();
        let old = admin.create("Machine", json!({"title": "Old", "serial": "S1"})).await;
        let needed = admin.change("retireField", of("serial")).await;
        needed.refused("VALIDATION_FAILED");
        assert!(told(&needed).contains("unique set 1 of Machine"), "{needed}");
        let needed = admin.change("retireField", of("power")).await;
        for what in ["the formula Machine.half", "validation 1 of Machine", "index 1 of Machine"] {
            assert!(told(&needed).contains(what), "{what}: {needed}");
        }
        let retired = admin.change("retireField", with(of("serial"), "force", true)).await;
        assert!(told(&retired).contains("unique set 1 of Machine"), "{retired}");
        admin.query("{ machines { nodes { serial } } }").await.refused("BAD_USER_INPUT");
        let types = admin.query("{ __type(name: \"MachineCreate\") { inputFields { name } } }").await;
        assert!(!types.ok().to_string().contains("serial"));
        admin.create("Machine", json!({"title": "Made meanwhile"})).await;
        for answer in [
            admin.add_field("Machine", json!({"name": "serial", "type": "text"})).await,
            admin.change("renameField", with(of("note"), "to", "serial")).await,
        ] {
            answer.refused("VALIDATION_FAILED");
            assert!(told(&answer).contains("retired field `serial`"), "{answer}");
        }
        server.restart().await;
        let module = admin.admin_query("{ module(name: \"Machine\") { retiredFields { name retiredAt definition } } }").await;
        assert_eq!(module.ok()["module"]["retiredFields"][0]["name"], "serial");
        let restored = admin.change("restoreField", of("serial")).await;
        assert!(told(&restored).contains("not required any more"), "{restored}");
        let answer = admin.query(&format!("{{ machine(id: \"{old}\") {{ serial }} }}")).await;
        assert_eq!(answer.ok()["machine"]["serial"], "S1");
        let definition = admin.admin_query("{ module(name: \"Machine\") { definition } }").await;
        let definition = &definition.ok()["module"]["definition"];
        assert_eq!(definition["uniques"], json!([{"fields": ["title", "serial"]}]));
        assert_eq!(definition["fields"][1]["name"], "serial", "where it was");
        admin.query("mutation { createMachine(data: {title: \"Old\", serial: \"S1\"}) { id } }").await.refused("CONFLICT");
        admin.change("restoreField", of("serial")).await.refused("VALIDATION_FAILED");
        admin.change("purgeField", of("serial")).await.refused("VALIDATION_FAILED");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn what_depends_on_a_field_goes_with_it_by_force_and_one_by_one_comes_back(server: Server) {
        let admin = start(&server).await;
        admin.create("Machine", json!({"title": "Drill", "power": 8})).await;
        let retired = admin.change("retireField", with(of("power"), "force", true)).await;
        assert!(told(&retired).contains("the formula Machine.half"), "{retired}");
        let fields = admin.query("{ __type(name: \"Machine\") { fields { name } } }").await.ok().to_string();
        assert!(!fields.contains("\"power\"") && !fields.contains("\"half\""), "{fields}");
        admin.change("restoreField", of("half")).await.refused("VALIDATION_FAILED");
        admin.change("restoreField", of("power")).await.ok();
        admin.change("restoreField", of("half")).await.ok();
        let list = admin.query("{ machines { nodes { power half } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"power": 8, "half": "4.00"}]));
        admin.query("mutation { createMachine(data: {power: -1}) { id } }").await.refused("VALIDATION_FAILED");
        // Links have a table of their own, which is kept as well.
        let product = admin.create("Product", json!({"name": "Screw"})).await;
        admin.create("Machine", json!({"title": "Saw", "parts": {"connect": [product]}})).await;
        admin.change("retireField", of("parts")).await.refused("VALIDATION_FAILED");
        admin.change("retireField", with(of("parts"), "force", true)).await.ok();
        admin.change("restoreField", of("parts")).await.ok();
        admin.change("restoreField", of("partCount")).await.ok();
        let list = admin.query("{ machines(filter: {title: {eq: \"Saw\"}}) { nodes { partCount parts { nodes { name } } } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"partCount": 1, "parts": {"nodes": [{"name": "Screw"}]}}]));
    }

    async fn a_reference_that_comes_back_leads_to_no_record_that_went_meanwhile(mut server: Server) {
        let admin = start(&server).await;
        let [deleted, gone, there] = ["deleted", "gone", "there"].map(|name| json!({"name": name}));
        let makers = admin.create_many("Organization", [deleted, gone, there]).await;
        let machines = makers.iter().map(|maker| json!({"title": "Drill", "makerId": maker}));
        admin.create_many("Machine", machines.collect::<Vec<_>>()).await;
        let write = async |mutation: &str, id: &str| {
            let answer = admin.query(&format!("mutation {{ {mutation}(id: \"{id}\") {} }}", if mutation.starts_with("destroy") { "" } else { "{ id }" })).await;
            let _ = answer.ok();
        };
        let leads = async || {
            let list = admin.query("{ machines { nodes { makerId maker { id } } } }").await;
            let list = list.ok()["machines"]["nodes"].clone();
            let joined = admin.query("{ machines { nodes { makerId maker { id name } } } }").await;
            for (alone, joined) in list.as_array().expect("machines").iter().zip(joined.ok()["machines"]["nodes"].as_array().expect("machines")) {
                assert_eq!((&alone["makerId"], &alone["maker"]["id"]), (&joined["makerId"], &joined["maker"]["id"]));
            }
            let mut leads: Vec<Value> = list.as_array().expect("machines").iter().map(|machine| machine["makerId"].clone()).collect();
            leads.retain(|lead| !lead.is_null());
            leads
        };
        assert_eq!(leads().await.len(), 3);
        write("deleteOrganization", &makers[0]).await;
        assert_eq!(leads().await.len(), 2);
        admin.change("retireField", with(of("maker"), "force", true)).await.ok();
        write("destroyOrganization", &makers[1]).await;
        admin.change("restoreField", of("maker")).await.ok();
        assert_eq!(leads().await, [json!(makers[2])]);
        write("restoreOrganization", &makers[0]).await;
        assert_eq!(leads().await.len(), 2, "what was deleted is still known");
        admin.change("retireModule", json!({"name": "Machine", "force": true})).await.ok();
        write("destroyOrganization", &makers[0]).await;
        admin.change("restoreModule", json!({"name": "Machine"})).await.ok();
        assert_eq!(leads().await, [json!(makers[2])]);
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn what_is_retired_follows_new_names_and_comes_back_without_what_does_not_fit(mut server: Server) {
        let admin = server.admin().await;
        let text = |name: &str| json!({"name": name, "type": "text"});
        admin.create_module(json!({"name": "Client", "plural": "Clients", "fields": [text("name"), text("city")]})).await.ok();
        admin.create_module(json!({"name": "Sale", "plural": "Sales", "uniques": [{"fields": ["code", "label"]}], "fields": [
            text("label"), text("code"), {"name": "amount", "type": "integer"}, {"name": "client", "type": "reference", "to": "Client", "inverse": "sales"},
            {"name": "kind", "type": "choice", "options": [{"value": "A"}, {"value": "B"}]},
            {"name": "half", "type": "formula", "returns": "decimal", "rule": "amount / 2"},
            {"name": "place", "type": "formula", "returns": "text", "rule": "client.city"},
            {"name": "note", "type": "text", "requiredIf": "amount > 100"},
            {"name": "copy", "type": "text", "default": {"rule": "label + \"!\""}},
            {"name": "reason", "type": "choice", "dependsOn": "kind", "options": [{"value": "X", "for": ["A"]}, {"value": "Y"}]}]})).await.ok();
        let sum = json!({"name": "sum", "type": "rollup", "relation": "sales", "function": "SUM", "field": "amount", "filter": "label != \"out\""});
        admin.add_field("Client", sum).await.ok();
        let sale = json!({"label": "one", "code": "c", "amount": 200, "kind": "A", "note": "kept", "reason": "X", "client": {"create": {"name": "n", "city": "Rome"}}});
        admin.create("Sale", sale).await;
        let of = |module: &str, name: &str| json!({"module": module, "name": name});
        let mine = [("Sale", "half"), ("Sale", "place"), ("Sale", "note"), ("Sale", "copy"), ("Sale", "reason"), ("Client", "sum"), ("Sale", "code")];
        for (module, name) in mine {
            admin.change("retireField", with(of(module, name), "force", true)).await.ok();
        }
        for (module, name, to) in [("Sale", "amount", "worth"), ("Sale", "label", "title"), ("Sale", "kind", "sort"), ("Sale", "client", "buyer"), ("Client", "city", "town")] {
            admin.change("renameField", with(of(module, name), "to", to)).await.ok();
        }
        for (module, name) in mine {
            let restored = admin.change("restoreField", of(module, name)).await;
            assert!(!restored.ok()["change"]["warnings"].to_string().contains("leftOut"), "{module}.{name}: {restored}");
        }
        let seen = admin.query("{ sales { nodes { half place note copy reason code buyer { sum } } } }").await;
        let expected = json!([{"half": "100.00", "place": "Rome", "note": "kept", "copy": "one!", "reason": "X", "code": "c", "buyer": {"sum": "200"}}]);
        assert_eq!(seen.ok()["sales"]["nodes"], expected);
        admin.query("mutation { createSale(data: {worth: 200}) { id } }").await.refused("VALIDATION_FAILED");
        admin.query("mutation { createSale(data: {sort: B, reason: X}) { id } }").await.refused("VALIDATION_FAILED");
        admin.query("mutation { createSale(data: {title: \"one\", code: \"c\"}) { id } }").await.refused("CONFLICT");

        // Where what it names is gone, its values come back without what it asked.
        for (name, needs) in [("note", "worth"), ("copy", "title"), ("reason", "sort")] {
            for name in [name, needs] {
                admin.change("retireField", with(of("Sale", name), "force", true)).await.ok();
            }
            let restored = admin.change("restoreField", of("Sale", name)).await;
            assert!(restored.ok()["change"]["warnings"].to_string().contains("what the field asked of others does not fit any more"), "{restored}");
        }
        let seen = admin.query("{ sales { nodes { note copy reason } } }").await;
        assert_eq!(seen.ok()["sales"]["nodes"], json!([{"note": "kept", "copy": "one!", "reason": "X"}]));
        // A formula has nothing without what it needs.
        let refused = admin.change("restoreField", of("Sale", "half")).await;
        assert!(told(refused.refused("VALIDATION_FAILED")).contains("there is no field `worth`"), "{refused}");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_field_of_links_comes_and_stays(server: Server) {
        let admin = server.admin().await;
        let link = |fields: Value| json!({"module": "Squad", "name": "members", "patch": {"link": {"fields": fields}}});
        let hours = json!({"name": "hours", "type": "integer"});
        admin.create_module(json!({"name": "Squad", "plural": "Squads", "fields": [{"name": "title", "type": "text"},
            {"name": "members", "type": "references", "to": "Contact", "inverse": "squads", "link": {"fields": [hours]}}]})).await.ok();
        let contact = admin.create("Contact", json!({"lastName": "Rossi"})).await;
        admin.create("Squad", json!({"title": "A", "members": {"link": [{"id": contact, "hours": 3}]}})).await;
        let since = json!({"name": "since", "type": "date"});
        admin.change("updateField", link(json!([hours, since]))).await.ok();
        for fields in [json!([since]), json!([{"name": "time", "type": "integer"}, since]), json!([{"name": "hours", "type": "text"}, since])] {
            let refused = admin.change("updateField", link(fields.clone())).await;
            refused.refused("VALIDATION_FAILED");
            assert!(told(&refused).contains("the values of `hours` of the links would be lost"), "{fields}: {refused}");
        }
        let old = json!({"name": "hours", "type": "integer", "max": 5, "deprecated": "minutes"});
        admin.change("updateField", link(json!([old, since, {"name": "minutes", "type": "integer"}]))).await.ok();
        let seen = admin.query("{ squads { nodes { members { edges { hours since minutes } } } } }").await;
        assert_eq!(seen.ok()["squads"]["nodes"][0]["members"]["edges"], json!([{"hours": 3, "since": null, "minutes": null}]));
    }

    async fn a_purged_field_is_gone_and_who_takes_its_name_inherits_nothing(mut server: Server) {
        let admin = start(&server).await;
        admin.create_many("Machine", [json!({"title": "A", "note": "one"}), json!({"title": "B"})]).await;
        admin.create_role("clerk", None).await;
        admin.set_access("clerk", "Machine", json!({"read": true, "fields": {"note": "READ", "title": "READ"}})).await;
        admin.change("purgeField", of("note")).await.refused("VALIDATION_FAILED");
        admin.change("retireField", with(of("note"), "force", true)).await.ok();
        let dry = admin.change("purgeField", with(of("note"), "dryRun", true)).await;
        assert!(told(&dry).contains("in 1 records are lost"), "{dry}");
        assert!(dry.ok()["change"]["statements"].to_string().contains("DROP COLUMN"), "{dry}");
        admin.change("restoreField", with(of("note"), "dryRun", true)).await.ok();
        let purged = admin.change("purgeField", of("note")).await;
        assert!(told(&purged).contains("in 1 records are lost"), "{purged}");
        admin.change("restoreField", of("note")).await.refused("VALIDATION_FAILED");
        admin.add_field("Machine", json!({"name": "note", "type": "text"})).await.ok();
        let list = admin.query("{ machines { nodes { note } } }").await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([{"note": null}, {"note": null}]));
        let roles = admin.admin_query("{ roles { name access { module fields } } }").await;
        let clerk = roles.ok()["roles"].as_array().expect("roles").iter().find(|role| role["name"] == "clerk").cloned().expect("the clerk");
        assert!(!clerk["access"].to_string().contains("note") && clerk["access"].to_string().contains("title"), "{clerk}");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn values_are_converted_without_loss_or_the_change_is_refused(mut server: Server) {
        let admin = start(&server).await;
        admin.create_many("Machine", [
            json!({"title": "1", "serial": "12.50", "note": "2026-01-31", "power": 3, "price": "1.10"}),
            json!({"title": "2", "serial": " 7 ", "note": "2026-02-28", "power": 0, "price": "-2.00"}),
            json!({"title": "3", "serial": "twelve", "power": 1}),
            json!({"title": "4", "serial": ""}),
        ]).await;
        admin.change("retireField", with(of("half"), "force", true)).await.ok();
        let to = |name: &str, to: Value| with(of(name), "to", to);
        for dry in [true, false] {
            let refused = admin.change("changeFieldType", with(to("serial", json!({"type": "decimal", "scale": 2})), "dryRun", dry)).await;
            refused.refused("VALIDATION_FAILED");
            assert!(told(&refused).starts_with("1 of 4 values can't be converted"), "{refused}");
            assert!(told(&refused).contains("twelve"), "{refused}");
        }
        let cleared = to("serial", json!({"type": "decimal", "scale": 2, "onUnconvertible": "NULL"}));
        let changed = admin.change("changeFieldType", cleared).await;
        assert!(told(&changed).contains("1 of 4 values can't be converted, and are cleared"), "{changed}");
        admin.change("changeFieldType", to("note", json!("date"))).await.refused("VALIDATION_FAILED");
        admin.change("updateModule", json!({"name": "Machine", "patch": {"search": ["title"]}})).await.ok();
        admin.change("changeFieldType", to("note", json!("date"))).await.ok();
        admin.change("changeFieldType", to("power", json!({"type": "decimal", "scale": 1}))).await.ok();
        admin.change("changeFieldType", to("title", json!({"type": "choice", "options": [{"value": "ONE"}]}))).await.refused("VALIDATION_FAILED");
        let text = "{ machines(orderBy: [{title: ASC}], filter: {title: {in: [\"1\", \"2\", \"3\", \"4\"]}}) { nodes { serial note power price } } }";
        let list = admin.query(text).await;
        assert_eq!(list.ok()["machines"]["nodes"], json!([
            {"serial": "12.50", "note": "2026-01-31", "power": "3.0", "price": "1.10"},
            {"serial": "7.00", "note": "2026-02-28", "power": "0.0", "price": "-2.00"},
            {"serial": null, "note": null, "power": "1.0", "price": null},
            {"serial": null, "note": null, "power": "5.0", "price": null},
        ]));
        admin.change("changeFieldType", to("note", json!("dateTime"))).await.ok();
        admin.change("changeFieldType", to("price", json!({"type": "money", "scale": 0}))).await.refused("VALIDATION_FAILED");
        admin.change("changeFieldType", to("price", json!({"type": "money", "scale": 4}))).await.ok();
        admin.change("changeFieldType", to("power", json!({"type": "integer", "big": true}))).await.ok();
        let list = admin.query(text).await;
        let first = json!({"serial": "12.50", "note": "2026-01-31T00:00:00.000Z", "power": "3", "price": "1.1000"});
        assert_eq!(list.ok()["machines"]["nodes"][0], first);
        admin.change("changeFieldType", to("serial", json!("text"))).await.ok();
        let list = admin.query(text).await;
        assert_eq!(list.ok()["machines"]["nodes"][1]["serial"], "7.00");
        for bad in [json!("reference"), json!("nonsense"), json!("formula"), json!("autoNumber"), json!(3), json!({"type": "text", "name": "x"}),
            json!({"type": "text", "onUnconvertible": "MAYBE"}), json!({"type": "text", "options": []})] {
            admin.change("changeFieldType", to("serial", bad)).await.refused("VALIDATION_FAILED");
        }
        assert!(server.stop().success());
        doctor(&server);
    }
}
