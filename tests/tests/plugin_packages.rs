//! Packages that bring modules, fields, roles and workflows: installed, taken away and purged with them, or not at all; and hooks that
//! see the records beside a change.

use cardine_tests::{Answer, Client, Launch, Server, WebhookServer, eventually, on_both_databases, plugins};
use reqwest::Method;
use serde_json::{Value, json};

fn grant() -> Value {
    json!({"api": {"plugin": {"Equipment": {"read": true}, "EquipmentBooking": {"read": true, "fields": {
        "equipment": "READ", "startsOn": "READ", "endsOn": "READ", "status": "READ", "number": "READ"}}}}})
}

async fn install(admin: &Client, grant: Value, dry_run: bool) -> Answer {
    install_bytes(admin, package("rental"), grant, dry_run).await
}

async fn install_bytes(admin: &Client, package: Vec<u8>, grant: Value, dry_run: bool) -> Answer {
    plugins::install(admin, package, grant, dry_run, "name changes apiChanges permissions").await
}

fn package(name: &str) -> Vec<u8> {
    std::fs::read(plugins::package(name)).expect("the script built it")
}

async fn with_rental(server: &Server) -> Client {
    let admin = server.admin().await;
    let _ = install(&admin, grant(), false).await.ok();
    admin
}

async fn equipment(client: &Client, name: &str) -> String {
    let text = "mutation($name: String!) { createEquipment(data: {name: $name}) { id } }";
    let made = client.query_with(text, json!({"name": name})).await;
    made.ok()["createEquipment"]["id"].as_str().expect("an id").to_owned()
}

fn days(equipment: &str, from: &str, to: &str) -> Value {
    json!({"equipmentId": equipment, "startsOn": from, "endsOn": to})
}

async fn book(client: &Client, bookings: Value) -> Answer {
    let text = "mutation($data: [EquipmentBookingCreate!]!) { createEquipmentBookings(data: $data) { id number } }";
    client.query_with(text, json!({"data": bookings})).await
}

async fn bookings(client: &Client) -> i64 {
    let count = client.query("{ equipmentBookings { totalCount } }").await;
    count.ok()["equipmentBookings"]["totalCount"].as_i64().expect("a number")
}

fn rules(answer: &Answer) -> Vec<&str> {
    answer.issues().iter().filter_map(|issue| issue["rule"].as_str()).collect()
}

const UNINSTALL: &str = "mutation { uninstallPlugin(name: \"rental\") }";
const PURGE: &str = "mutation { purgePlugin(name: \"rental\") }";

on_both_databases! {
    async fn a_package_comes_with_all_that_it_brings(server: Server) {
        let admin = server.admin().await;
        let looked = install(&admin, grant(), true).await;
        let changes = looked.ok()["installPlugin"]["changes"].clone();
        let lines: Vec<&str> = changes.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for line in ["+ module Equipment", "+ module EquipmentBooking", "~ module Organization", "+ role rental-desk", "+ workflow rental-handed-out"] {
            assert!(lines.contains(&line), "{line}: {lines:?}");
        }
        assert_eq!(admin.query("{ equipmentItems { totalCount } }").await.codes(), ["BAD_USER_INPUT"], "it was only looked at");

        // What comes of the API: whole types, and lines in those that are there.
        let api = looked.ok()["installPlugin"]["apiChanges"].clone();
        let schema: Vec<&str> = api.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
        for line in ["+ type Equipment implements Node {", "  type Organization implements Node {", "+   rentalNotes: String", "+   equipment(id: ID!): Equipment", "  type Query {"] {
            assert!(schema.contains(&line), "{line}: {schema:#?}");
        }
        let goes = |line: &&&str| line.starts_with('-') && !line.starts_with("- union ");
        assert_eq!(schema.iter().find(goes), None, "unions have one more, and nothing else is another: {schema:#?}");
        let place = |line: &str| schema.iter().position(|known| *known == line).expect("it is there");
        assert!(place("  type Organization implements Node {") < place("+   rentalNotes: String"));

        let installed = install(&admin, grant(), false).await;
        let installed = &installed.ok()["installPlugin"];
        assert_eq!((&installed["changes"], &installed["apiChanges"]), (&changes, &api));
        let sdl = admin.request(Method::GET, "/graphql/schema.graphql").send().await.expect("an answer").text().await.expect("a text");
        assert!(sdl.contains("rentalNotes: String") && sdl.contains("type Equipment implements Node {"));
        let item = equipment(&admin, "Digger").await;
        let _ = book(&admin, json!([days(&item, "2026-03-02", "2026-03-05")])).await.ok();
        let shown = admin.query("{ equipmentItems { nodes { name status bookingCount } } organizations { nodes { rentalNotes } } }").await;
        assert_eq!(shown.ok()["equipmentItems"]["nodes"], json!([{"name": "Digger", "status": "AVAILABLE", "bookingCount": 1}]));
        // Its role is one to give to people, and its workflow runs.
        let desk = server.create_user_with_role("rental-desk").await;
        let out = "mutation { updateEquipmentBookings(filter: {status: {eq: BOOKED}}, data: {status: HANDED_OUT}) { count } }";
        assert_eq!(desk.query(out).await.ok()["updateEquipmentBookings"]["count"], 1);
        eventually("the workflow changes the equipment", || async {
            let shown = desk.query("{ equipmentItems { nodes { status } } }").await;
            (shown.ok()["equipmentItems"]["nodes"][0]["status"] == "RENTED").then_some(())
        })
        .await;
        // Again, the same package changes nothing.
        let again = install(&admin, grant(), false).await;
        assert_eq!((&again.ok()["installPlugin"]["changes"], &again.ok()["installPlugin"]["apiChanges"]), (&json!([]), &json!([])));
        assert_eq!(admin.query("{ equipmentBookings { totalCount } }").await.ok()["equipmentBookings"]["totalCount"], 1);
    }

    async fn what_cannot_come_whole_does_not_come(server: Server) {
        let admin = server.admin().await;
        let own = json!({"name": "Equipment", "plural": "EquipmentItems", "fields": [{"name": "word", "type": "text"}]});
        let _ = admin.create_module(own).await.ok();
        for dry_run in [true, false] {
            let refused = install(&admin, grant(), dry_run).await;
            assert_eq!((refused.codes(), rules(&refused)), (vec!["VALIDATION_FAILED"], vec!["nameTaken"]), "{:?}", refused.issues());
        }
        let plugins = admin.admin_query("{ plugins { name } roles { name } workflows { name } modules { name } }").await;
        let there = plugins.ok().to_string();
        assert!(!there.contains("rental") && !there.contains("EquipmentBooking"), "{there}");
        assert_eq!(admin.query("{ equipmentItems { nodes { word } } }").await.ok()["equipmentItems"]["nodes"], json!([]));

        let seller = server.create_user_with_role("sales-manager").await;
        assert_eq!(install(&seller, grant(), true).await.codes(), ["FORBIDDEN"]);
    }

    async fn nothing_is_booked_twice(server: Server) {
        let admin = with_rental(&server).await;
        let (digger, crane) = (equipment(&admin, "Digger").await, equipment(&admin, "Crane").await);
        let first = book(&admin, json!([days(&digger, "2026-03-02", "2026-03-05"), days(&crane, "2026-03-02", "2026-03-05")])).await;
        let first = first.ok()["createEquipmentBookings"][0]["id"].clone();
        let refused = book(&admin, json!([days(&digger, "2026-03-05", "2026-03-06")])).await;
        assert_eq!(rules(&refused), ["booked-already"]);
        assert_eq!(refused.issues()[0]["path"], json!(["data", 0, "startsOn"]));
        assert!(refused.issues()[0]["message"].as_str().is_some_and(|message| message.contains("2026-03-02 to 2026-03-05")));
        let _ = book(&admin, json!([days(&digger, "2026-03-06", "2026-03-06")])).await.ok();
        // Not by an update, not together, and not one after the other in one operation.
        let update = "mutation($id: ID!, $to: Date!) { updateEquipmentBooking(id: $id, data: {endsOn: $to}) { id } }";
        assert_eq!(rules(&admin.query_with(update, json!({"id": first, "to": "2026-03-06"})).await), ["booked-already"]);
        let _ = admin.query_with(update, json!({"id": first, "to": "2026-03-04"})).await.ok();
        let together = book(&admin, json!([days(&crane, "2026-04-01", "2026-04-02"), days(&crane, "2026-04-02", "2026-04-03")])).await;
        assert_eq!(together.issues().iter().map(|issue| issue["path"].clone()).collect::<Vec<_>>(), [json!(["data", 1, "startsOn"])]);
        let one = |alias: &str| format!("{alias}: createEquipmentBooking(data: {{equipmentId: \"{crane}\", startsOn: \"2026-05-01\", endsOn: \"2026-05-02\"}}) {{ id }}");
        let after = admin.query(&format!("mutation {{ {} {} }}", one("a"), one("b"))).await;
        assert_eq!(rules(&after), ["booked-already"]);
        assert_eq!(bookings(&admin).await, 3, "what is refused leaves nothing");

        // What is over takes no days; what comes back takes its own again.
        let text = "mutation($id: ID!) { deleteEquipmentBooking(id: $id) { id } }";
        let _ = admin.query_with(text, json!({"id": first})).await.ok();
        let again = book(&admin, json!([days(&digger, "2026-03-03", "2026-03-03")])).await;
        let again = again.ok()["createEquipmentBookings"][0]["id"].clone();
        let restore = "mutation($id: ID!) { restoreEquipmentBooking(id: $id) { id } }";
        assert_eq!(rules(&admin.query_with(restore, json!({"id": first})).await), ["booked-already"]);
        let cancel = "mutation($id: ID!) { updateEquipmentBooking(id: $id, data: {status: CANCELLED}) { id } }";
        let _ = admin.query_with(cancel, json!({"id": again})).await.ok();
        let _ = admin.query_with(restore, json!({"id": first})).await.ok();
    }

    async fn nor_by_many_at_once(server: Server) {
        let admin = with_rental(&server).await;
        let item = equipment(&admin, "Digger").await;
        let tries = (0..8).map(|_| book(&admin, json!([days(&item, "2026-03-02", "2026-03-05")])));
        let answers = futures_util::future::join_all(tries).await;
        let refused = answers.iter().filter(|answer| rules(answer) == ["booked-already"]).count();
        assert_eq!((refused, bookings(&admin).await), (7, 1));
    }

    async fn it_goes_with_what_it_brought_and_finds_it_again(server: Server) {
        let admin = with_rental(&server).await;
        let item = equipment(&admin, "Digger").await;
        let _ = book(&admin, json!([days(&item, "2026-03-02", "2026-03-05")])).await.ok();
        let _ = admin.query("mutation { createOrganization(data: {name: \"Acme\", rentalNotes: \"pays late\"}) { id } }").await.ok();
        assert_eq!(admin.admin_query("mutation { uninstallPlugin(name: \"rental\", dryRun: true) }").await.ok()["uninstallPlugin"], false);
        assert_eq!(bookings(&admin).await, 1);
        // Who has its role keeps it there.
        let desk = server.create_user_with_role("rental-desk").await;
        assert_eq!(admin.admin_query(UNINSTALL).await.codes(), ["VALIDATION_FAILED"]);
        assert_eq!(bookings(&desk).await, 1, "nothing of it is done");
        let users = admin.admin_query("{ users { id role { name } } }").await;
        let id = users.ok()["users"].as_array().expect("a list").iter().find(|user| user["role"]["name"] == "rental-desk").expect("the user")["id"].clone();
        let _ = admin.admin_query_with("mutation($id: ID!) { assignUser(user: $id, role: \"marketing\") { id } }", json!({"id": id})).await.ok();

        let _ = admin.admin_query(UNINSTALL).await.ok();
        for text in ["{ equipmentItems { totalCount } }", "{ organizations { nodes { rentalNotes } } }"] {
            assert_eq!(admin.query(text).await.codes(), ["BAD_USER_INPUT"], "{text}");
        }
        let there = admin.admin_query("{ roles { name } plugins { name } }").await.ok().to_string();
        assert!(!there.contains("rental"), "{there}");

        let _ = install(&admin, grant(), false).await.ok();
        let kept = admin.query("{ equipmentBookings { nodes { startsOn } } organizations { nodes { rentalNotes } } }").await;
        assert_eq!(*kept.ok(), json!({"equipmentBookings": {"nodes": [{"startsOn": "2026-03-02"}]}, "organizations": {"nodes": [{"rentalNotes": "pays late"}]}}));

        // Until it is purged.
        assert_eq!(admin.admin_query(PURGE).await.codes(), ["VALIDATION_FAILED"], "it is in service");
        let _ = admin.admin_query(UNINSTALL).await.ok();
        let _ = admin.admin_query(PURGE).await.ok();
        assert_eq!(admin.admin_query(PURGE).await.codes(), ["NOT_FOUND"]);
        let _ = install(&admin, grant(), false).await.ok();
        let new = admin.query("{ equipmentBookings { totalCount } organizations { nodes { rentalNotes } } }").await;
        assert_eq!(*new.ok(), json!({"equipmentBookings": {"totalCount": 0}, "organizations": {"nodes": [{"rentalNotes": null}]}}));
    }

    async fn a_new_version_takes_away_what_it_does_not_name(server: Server) {
        let admin = with_rental(&server).await;
        let _ = admin.add_field("Equipment", json!({"name": "colour", "type": "text"})).await.ok();
        let _ = admin.query("mutation { createOrganization(data: {name: \"Acme\", rentalNotes: \"pays late\"}) { id } }").await.ok();
        let next = plugins::altered("rental", &[("\"version\": \"0.1.0\"", "\"version\": \"0.2.0\""), ("\"rentalNotes\"", "\"rentalHints\"")]);
        let upgraded = install_bytes(&admin, next, grant(), false).await;
        let changes = upgraded.ok()["installPlugin"]["changes"].to_string();
        assert!(changes.contains("~ module Organization") && changes.contains("~ role rental-desk") && !changes.contains("Equipment\""), "{changes}");
        let api = upgraded.ok()["installPlugin"]["apiChanges"].to_string();
        assert!(api.contains("\"-   rentalNotes: String\"") && api.contains("\"+   rentalHints: String\"") && !api.contains("Equipment "), "{api}");
        assert_eq!(admin.query("{ organizations { nodes { rentalNotes } } }").await.codes(), ["BAD_USER_INPUT"]);
        let shown = admin.query("{ organizations { nodes { rentalHints } } equipmentItems { nodes { colour } } }").await;
        assert_eq!(shown.ok()["organizations"]["nodes"], json!([{"rentalHints": null}]));
        let version = admin.admin_query("{ plugins { version } }").await;
        assert_eq!(version.ok()["plugins"], json!([{"version": "0.2.0"}]));
        // The version before finds what it had.
        let _ = install(&admin, grant(), false).await.ok();
        let shown = admin.query("{ organizations { nodes { rentalNotes } } }").await;
        assert_eq!(shown.ok()["organizations"]["nodes"], json!([{"rentalNotes": "pays late"}]));
    }

    async fn no_request_fails_while_versions_change(server: Server) {
        let admin = server.admin().await;
        let fields = ["status", "leadSource", "annualRevenue", "employees", "email", "phone"];
        let fields: serde_json::Map<String, Value> = fields.iter().map(|name| ((*name).to_owned(), json!("READ"))).collect();
        let grant = json!({"api": {"plugin": {"Lead": {"read": true, "fields": fields}}}});
        let versions: Vec<Vec<u8>> = ["0.1.0", "0.1.1", "0.1.2"]
            .map(|number| plugins::altered("lead-score", &[("\"version\": \"0.1.0\"", &format!("\"version\": \"{number}\""))]))
            .into();
        let _ = install_bytes(&admin, versions[0].clone(), grant.clone(), false).await.ok();
        let data: Vec<Value> = (0..50).map(|number| json!({"lastName": format!("L{number}"), "status": "HOT"})).collect();
        let create = "mutation($data: [LeadCreate!]!) { createLeads(data: $data) { score } }";
        let _ = admin.query_with(create, json!({"data": data})).await.ok();

        let stop = std::sync::atomic::AtomicBool::new(false);
        // As many as two cores can compute for within a call's time beside the compiler: this asks about versions.
        let readers = (0..3).map(|_| async {
            let mut answers = 0_usize;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let answer = admin.query("{ leads(first: 50) { nodes { score } } }").await;
                let nodes = answer.ok()["leads"]["nodes"].as_array().expect("a list");
                assert!(nodes.len() == 50 && nodes.iter().all(|node| node["score"] == 40), "{nodes:?}");
                answers += 1;
            }
            answers
        });
        let upgrades = async {
            for turn in 1..=9 {
                let _ = install_bytes(&admin, versions[turn % 3].clone(), grant.clone(), false).await.ok();
                let known = admin.admin_query("{ plugins { version } }").await;
                assert_eq!(known.ok()["plugins"], json!([{"version": format!("0.1.{}", turn % 3)}]));
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        };
        let (answers, ()) = futures_util::future::join(futures_util::future::join_all(readers), upgrades).await;
        assert!(answers.iter().all(|answers| *answers > 0), "everybody was served meanwhile: {answers:?}");
    }

    async fn rates_are_asked_for_outside_and_written(server: Server) {
        let outside = WebhookServer::start().await;
        let server = Launch::new(server.backend()).arguments(["--inner-host".to_owned(), outside.address().to_owned()]).start().await;
        let admin = server.admin().await;
        let package = package("currency-rates");
        let grant = |hosts: Value| json!({"http": {"hosts": hosts}, "api": {"plugin": {"ReferenceRate": {"create": true, "read": true, "update": true,
            "fields": {"currency": "WRITE", "base": "WRITE", "rate": "WRITE", "date": "WRITE"}}}}});
        let _ = install_bytes(&admin, package.clone(), grant(json!([])), false).await.ok();
        let refresh = "mutation { callPlugin(name: \"currency-rates\", function: \"refresh\", input: {}) { output failure { reason } } }";
        let reason = async || admin.admin_query(refresh).await.ok()["callPlugin"]["failure"]["reason"].clone();
        assert_eq!(reason().await, "DENIED", "nobody said where the rates are");
        let settings = "mutation($settings: JSON!) { setPluginSettings(name: \"currency-rates\", settings: $settings) { name } }";
        let url = json!({"settings": {"url": format!("http://{}/latest?base=EUR", outside.address())}});
        let _ = admin.admin_query_with(settings, url).await.ok();
        assert_eq!(reason().await, "DENIED", "the host is not granted");
        assert_eq!(outside.requests().len(), 0);
        let _ = install_bytes(&admin, package, grant(json!([outside.address()])), false).await.ok();

        // More than one operation holds.
        let codes = (0..25).map(|number| format!("\"A{}{}\": {}.5", char::from(b'A' + number / 5), char::from(b'A' + number % 5), number + 1));
        let rates = codes.collect::<Vec<_>>().join(", ");
        outside.answer(503, "", "later");
        assert_eq!(reason().await, "RETRYABLE");
        outside.answer(200, "", "{\"base\": \"EUR\", \"date\": \"2026-03-02\"}");
        assert_eq!(reason().await, "FAILED");
        outside.answer(200, "", &format!("{{\"base\": \"EUR\", \"date\": \"2026-03-02\", \"rates\": {{{rates}}}}}"));
        let told = admin.admin_query(refresh).await;
        assert_eq!(told.ok()["callPlugin"], json!({"output": {"date": "2026-03-02", "count": 25}, "failure": null}));
        outside.answer(200, "", "{\"base\": \"EUR\", \"date\": \"2026-03-03\", \"rates\": {\"AAA\": 1.25}}");
        let _ = admin.admin_query(refresh).await.ok();
        let shown = admin.query("{ referenceRates(first: 2, orderBy: [{currency: ASC}]) { totalCount nodes { currency base rate date } } }").await;
        assert_eq!(shown.ok()["referenceRates"], json!({"totalCount": 25, "nodes": [
            {"currency": "AAA", "base": "EUR", "rate": "1.250000", "date": "2026-03-03"},
            {"currency": "AAB", "base": "EUR", "rate": "2.500000", "date": "2026-03-02"}]}));
        assert_eq!(outside.requests()[0].target, "/latest?base=EUR");
        // The clock asks for them, by a workflow of the package.
        let workflows = admin.admin_query("{ workflows { name status definition } }").await;
        let found = workflows.ok()["workflows"].as_array().expect("a list").iter().find(|one| one["name"] == "currency-rates-daily").cloned();
        let found = found.expect("the package brought it");
        assert_eq!((&found["status"], &found["definition"]["trigger"]["schedule"]["cron"]), (&json!("ACTIVE"), &json!("30 16 * * 1-5")));
    }
}
