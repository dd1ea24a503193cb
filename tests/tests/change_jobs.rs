//! A change of more records than fit one transaction runs as a job: the old version serves meanwhile, nothing that is written is lost, and
//! whatever becomes of the job, catalog and tables are those of the old version or of the new one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cardine_tests::{Backend, Client, Server, eventually, on_both_databases};
use serde_json::{Value, json};

/// Records of the module; far more than the setting lets one transaction go through.
const RECORDS: usize = 60;
const JOB_ROWS: &str = "20";

/// Where a job ends the server, and whether its change is in force afterwards.
const POINTS: [(&str, bool); 10] = [
    ("job.begun", false),
    ("job.columns", false),
    ("job.prepared", false),
    ("job.batch", false),
    ("job.batch_done", false),
    ("job.indexed", false),
    ("job.held", false),
    ("catalog.statement", false),
    ("catalog.before_commit", false),
    ("catalog.committed", true),
];

async fn start(server: &mut Server) -> Client {
    server.set_variable("CARDINE_JOB_ROWS", JOB_ROWS);
    server.restart().await;
    let admin = server.admin().await;
    let fields = json!([
        {"name": "title", "type": "text", "maxLength": 60, "indexed": true},
        {"name": "serial", "type": "text", "maxLength": 40, "indexed": true},
        {"name": "size", "type": "integer"}]);
    let module =
        json!({"name": "Machine", "plural": "Machines", "nameField": "title", "search": ["title"], "fields": fields});
    admin.create_module(module).await.ok();
    let records = (0..RECORDS).map(|n| json!({"title": format!("Machine {n}"), "serial": format!("{n}.5")}));
    admin.create_many("Machine", records).await;
    admin
}

fn to_decimal() -> Value {
    json!({"module": "Machine", "name": "serial", "to": {"type": "decimal", "scale": 2}})
}

fn required() -> Value {
    json!({"module": "Machine", "name": "size", "patch": {"required": true, "default": 7, "indexed": true}})
}

/// The kinds of jobs that convert nothing.
fn others() -> [(&'static str, Value); 4] {
    let site = json!({"name": "site", "type": "address", "required": true, "default": {"country": "Italia"}});
    let sets = json!({"uniques": [{"fields": ["title", "size"]}], "indexes": [{"fields": ["size", "title"]}]});
    [
        ("updateField", required()),
        ("addField", json!({"module": "Machine", "field": site})),
        ("updateModule", json!({"name": "Machine", "patch": sets})),
        ("updateField", json!({"module": "Machine", "name": "serial", "patch": {"maxLength": 10}})),
    ]
}

/// The job that a change has begun.
async fn begin(admin: &Client, name: &str, arguments: Value) -> String {
    let answer = admin.change(name, arguments).await;
    assert_eq!(answer.ok()["change"]["applied"], false, "{answer}");
    answer.data()["change"]["job"].as_str().expect("a job").to_owned()
}

async fn job(admin: &Client, id: &str) -> Value {
    let text = format!(
        "{{ job(id: \"{id}\") {{ state done total version startedBy finishedAt summary modules error {{ path rule message }} }} }}"
    );
    admin.admin_query(&text).await.ok()["job"].clone()
}

async fn ended(admin: &Client, id: &str) -> Value {
    eventually("the job ends", || async {
        let job = job(admin, id).await;
        (!job["finishedAt"].is_null()).then_some(job)
    })
    .await
}

async fn versions(admin: &Client) -> (i64, Value) {
    let answer = admin.admin_query("{ catalogVersion module(name: \"Machine\") { definition } }").await;
    let data = answer.ok();
    (data["catalogVersion"].as_i64().expect("a number"), data["module"]["definition"].clone())
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

async fn restart_with(server: &mut Server, points: &str) {
    server.kill_hard();
    server.set_variable("CARDINE_TEST_FAILPOINTS", points);
    server.restart().await;
}

async fn is_alive(server: &Server) -> bool {
    server.anonymous().request(reqwest::Method::GET, "/health/live").send().await.is_ok()
}

/// All values of a field, in the order of the titles.
async fn all(admin: &Client, field: &str) -> Vec<Value> {
    let text = format!("{{ machines(first: 500, orderBy: [{{title: ASC}}]) {{ nodes {{ title {field} }} }} }}");
    admin.query(&text).await.ok()["machines"]["nodes"].as_array().expect("a list").clone()
}

/// Writes all the time until it is told to stop, by the fields that no job touches and by the one that is converted; gives what it wrote.
fn busy(
    admin: Client,
    stop: Arc<AtomicBool>,
    written: Arc<AtomicUsize>,
) -> tokio::task::JoinHandle<Vec<(String, String)>> {
    tokio::spawn(async move {
        let mut made = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let number = made.len();
            let (title, serial) = (format!("Busy {number:05}"), format!("{number}.25"));
            let text =
                format!("mutation {{ createMachine(data: {{title: \"{title}\", serial: \"{number}\"}}) {{ id }} }}");
            let created = admin.query(&text).await;
            let id = created.ok()["createMachine"]["id"].as_str().expect("an id").to_owned();
            let text =
                format!("mutation {{ updateMachine(id: \"{id}\", data: {{serial: \"{serial}\"}}) {{ serial }} }}");
            admin.query(&text).await.ok();
            made.push((title, serial));
            written.fetch_add(1, Ordering::Relaxed);
        }
        made
    })
}

on_both_databases! {
    async fn a_large_conversion_ends_as_a_small_one_whatever_is_written_meanwhile(mut server: Server) {
        let admin = start(&mut server).await;
        restart_with(&mut server, "job.batch_done=sleep(20)").await;
        let (version, before) = versions(&admin).await;
        let dry = admin.change("changeFieldType", { let mut dry = to_decimal(); dry["dryRun"] = true.into(); dry }).await;
        assert!(dry.ok()["change"]["warnings"].to_string().contains("as a job"), "{dry}");
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let writer = busy(admin.clone(), Arc::clone(&stop), Arc::clone(&written));
        eventually("something is written", || async { (written.load(Ordering::Relaxed) > 2).then_some(()) }).await;
        let id = begin(&admin, "changeFieldType", to_decimal()).await;
        // The old version serves, and says that it is about to change.
        assert_eq!(versions(&admin).await, (version, before.clone()));
        let refused = admin.change("updateField", json!({"module": "Machine", "name": "title", "patch": {"label": "Name"}})).await;
        refused.refused("CONFLICT");
        assert!(refused.to_string().contains(&id), "{refused}");
        let elsewhere = json!({"definition": {"name": "Other", "plural": "Others", "fields": [{"name": "title", "type": "text"}]}});
        admin.change("createModule", elsewhere).await.ok();
        let job = ended(&admin, &id).await;
        stop.store(true, Ordering::Relaxed);
        assert_eq!((&job["state"], &job["error"]), (&json!("DONE"), &json!([])), "{job}");
        assert_eq!(job["startedBy"], json!(admin.own_id().await));
        assert!(job["total"].as_i64() >= Some(RECORDS as i64) && job["done"] == job["total"], "{job}");
        assert_eq!(job["version"].as_i64(), Some(version + 2));
        let made = writer.await.expect("no write failed");
        let values = all(&admin, "serial").await;
        for (title, serial) in made {
            // What is not shown on the page is found.
            let text = format!("{{ machines(filter: {{title: {{eq: \"{title}\"}}, serial: {{eq: \"{serial}\"}}}}) {{ totalCount }} }}");
            assert_eq!(admin.query(&text).await.ok()["machines"]["totalCount"], 1, "{title} {serial}");
        }
        let first = values.iter().find(|node| node["title"] == "Machine 7").expect("it is there");
        assert_eq!(first["serial"], "7.50");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn what_is_in_the_way_fails_a_job_without_any_change(mut server: Server) {
        let admin = start(&mut server).await;
        let odd = admin.create("Machine", json!({"title": "Odd", "serial": "seven"})).await;
        let before = versions(&admin).await;
        let refused = admin.change("changeFieldType", { let mut dry = to_decimal(); dry["dryRun"] = true.into(); dry }).await;
        assert!(refused.to_string().contains(&odd), "the dry run tells it: {refused}");
        let id = begin(&admin, "changeFieldType", to_decimal()).await;
        let failed = ended(&admin, &id).await;
        assert_eq!(failed["state"], "FAILED");
        assert!(failed["error"].to_string().contains(&odd) && failed["error"][0]["rule"] == "notConvertible", "{failed}");
        // Two records that share what is to be unique.
        admin.create("Machine", json!({"title": "Odd", "serial": "8"})).await;
        let id = begin(&admin, "updateField", json!({"module": "Machine", "name": "title", "patch": {"unique": true}})).await;
        let failed = ended(&admin, &id).await;
        assert_eq!((&failed["state"], &failed["error"][0]["rule"]), (&json!("FAILED"), &json!("unique")), "{failed}");
        // A missing value without a default.
        let id = begin(&admin, "updateField", json!({"module": "Machine", "name": "size", "patch": {"required": true}})).await;
        let failed = ended(&admin, &id).await;
        assert_eq!((&failed["state"], &failed["error"][0]["rule"]), (&json!("FAILED"), &json!("required")), "{failed}");
        assert_eq!(failed["error"].as_array().map(Vec::len), Some(11), "some are named: {failed}");
        assert_eq!(versions(&admin).await, before);
        assert_eq!(job(&admin, "no id").await, Value::Null);
        admin.admin_query(&format!("mutation {{ cancelJob(id: \"{id}\") {{ state }} }}")).await.refused("CONFLICT");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn what_would_be_shared_is_told_by_the_job_and_one_default_for_all_before_it(mut server: Server) {
        let admin = start(&mut server).await;
        let dry = |mut arguments: Value| { arguments["dryRun"] = true.into(); arguments };
        // One default for all is refused before there is a job.
        let before = versions(&admin).await;
        let code = json!({"module": "Machine", "field": {"name": "code", "type": "text", "unique": true, "required": true, "default": "x"}});
        let size = json!({"module": "Machine", "name": "size", "patch": {"unique": true, "required": true, "default": 7}});
        for (name, arguments, argument) in [("addField", code, "field"), ("updateField", size, "patch")] {
            for arguments in [dry(arguments.clone()), arguments] {
                let refused = admin.change(name, arguments).await;
                refused.refused("VALIDATION_FAILED");
                assert_eq!((&refused.issues()[0]["rule"], &refused.issues()[0]["path"]), (&json!("unique"), &json!([argument, "unique"])), "{refused}");
            }
        }
        assert_eq!(versions(&admin).await, before);
        assert_eq!(admin.admin_query("{ jobs(first: 1) { id } }").await.ok()["jobs"], json!([]));
        // Beside other values, and by other values, it takes a look at the records.
        let sets = json!({"name": "Machine", "patch": {"uniques": [{"fields": ["title", "size"]}]}});
        let serial = json!({"module": "Machine", "name": "serial", "patch": {"unique": true}});
        for (name, arguments) in [("updateModule", sets), ("updateField", serial)] {
            let id = begin(&admin, name, arguments).await;
            assert_eq!(ended(&admin, &id).await["state"], "DONE", "{name}");
        }
        let before = versions(&admin).await;
        let twins = [json!({"title": "Twin", "serial": "900"}), json!({"title": "Twin", "serial": "900.0"})];
        let ids = admin.create_many("Machine", twins).await;
        let size = json!({"module": "Machine", "name": "size", "patch": {"required": true, "default": 7}});
        for (name, arguments, place) in [("updateField", size, json!(["patch"])), ("changeFieldType", to_decimal(), json!(["to", "unique"]))] {
            let told = admin.change(name, dry(arguments.clone())).await;
            let warnings = told.ok()["change"]["warnings"].as_array().expect("a list");
            let left = warnings.iter().filter(|warning| warning["path"] == place && warning["rule"] == "job");
            assert_eq!(left.count(), 1, "{told}");
            let id = begin(&admin, name, arguments).await;
            let failed = ended(&admin, &id).await;
            assert_eq!(failed["state"], "FAILED", "{failed}");
            let issues = failed["error"].as_array().expect("a list");
            assert_eq!(issues.len(), 3, "{failed}");
            assert!(issues.iter().all(|issue| issue["rule"] == "unique" && issue["path"] == place), "{failed}");
            assert!(ids.iter().all(|id| failed["error"].to_string().contains(id.as_str())), "{failed}");
        }
        assert_eq!(versions(&admin).await, before);
        // Deleted records share nothing.
        admin.query(&format!("mutation {{ deleteMachine(id: \"{}\") {{ id }} }}", ids[1])).await.ok();
        let id = begin(&admin, "changeFieldType", to_decimal()).await;
        assert_eq!(ended(&admin, &id).await["state"], "DONE");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_cancelled_job_leaves_nothing(mut server: Server) {
        let admin = start(&mut server).await;
        restart_with(&mut server, "job.batch_done=sleep(100)").await;
        let (version, before) = versions(&admin).await;
        let values = all(&admin, "serial").await;
        let id = begin(&admin, "changeFieldType", to_decimal()).await;
        eventually("it is at work", || async { (job(&admin, &id).await["done"].as_i64() > Some(0)).then_some(()) }).await;
        let cancelled = admin.admin_query(&format!("mutation {{ cancelJob(id: \"{id}\") {{ state }} }}")).await;
        assert!(["CANCELLING", "CANCELLED"].contains(&cancelled.ok()["cancelJob"]["state"].as_str().expect("a state")));
        assert_eq!(ended(&admin, &id).await["state"], "CANCELLED");
        assert_eq!((versions(&admin).await, all(&admin, "serial").await), ((version, before), values));
        // The module is free for other changes again.
        admin.change("updateField", json!({"module": "Machine", "name": "title", "patch": {"label": "Name"}})).await.ok();
        let sales = server.create_user_with_role("sales-person").await;
        sales.admin_query(&format!("mutation {{ cancelJob(id: \"{id}\") {{ state }} }}")).await.refused("FORBIDDEN");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn a_job_goes_on_after_a_crash_at_any_of_its_points(mut server: Server) {
        let admin = start(&mut server).await;
        let (mut version, _) = versions(&admin).await;
        for (number, (point, is_made)) in POINTS.into_iter().enumerate() {
            // Each time the other way.
            let to = if number % 2 == 0 { to_decimal() } else { json!({"module": "Machine", "name": "serial", "to": {"type": "text", "maxLength": 40}}) };
            restart_with(&mut server, &format!("{point}={}abort", if point == "job.batch_done" { "3*pass->" } else { "" })).await;
            // The server may end before it answers.
            admin.send_change("changeFieldType", to).await;
            eventually("the server ends at the point", || async { (!is_alive(&server).await).then_some(()) }).await;
            server.kill_hard();
            doctor(&server);
            restart_with(&mut server, "").await;
            let latest = || async {
                let jobs = admin.admin_query("{ jobs(first: 1) { id finishedAt } }").await;
                let job = jobs.ok()["jobs"][0].clone();
                assert!(!is_made || !job["finishedAt"].is_null(), "{point}");
                (!job["finishedAt"].is_null()).then(|| job["id"].as_str().expect("an id").to_owned())
            };
            let id = eventually("the job goes on", latest).await;
            let ended = job(&admin, &id).await;
            assert_eq!((&ended["state"], &ended["done"]), (&json!("DONE"), &json!(RECORDS)), "{point}: {ended}");
            version += 1;
            assert_eq!(versions(&admin).await.0, version, "{point}");
            let seven = all(&admin, "serial").await.into_iter().find(|node| node["title"] == "Machine 7");
            assert_eq!(seven.expect("it is there")["serial"], "7.50", "{point}");
        }
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn whatever_a_job_is_about_it_goes_on_after_a_crash(mut server: Server) {
        let admin = start(&mut server).await;
        for (number, (name, arguments)) in others().into_iter().enumerate() {
            let (version, before) = versions(&admin).await;
            // What any of them passes.
            let points = ["job.begun", "job.held", "catalog.statement", "catalog.before_commit"];
            let point = points[(number + 1) % points.len()];
            restart_with(&mut server, &format!("{point}=abort")).await;
            admin.send_change(name, arguments.clone()).await;
            eventually("the server ends at the point", || async { (!is_alive(&server).await).then_some(()) }).await;
            server.kill_hard();
            doctor(&server);
            restart_with(&mut server, "").await;
            let made = || async {
                let (now, document) = versions(&admin).await;
                assert_eq!(now > version, document != before, "{name} {arguments} at {point}");
                (now > version).then_some(now)
            };
            assert_eq!(eventually("the job goes on", made).await, version + 1, "{name} {arguments} at {point}");
        }
        let nodes = all(&admin, "size site { country }").await;
        assert_eq!(nodes.len(), RECORDS);
        assert!(nodes.iter().all(|node| node["size"] == 7 && node["site"]["country"] == "Italia"), "{nodes:?}");
        admin.query("mutation { createMachine(data: {title: \"Machine 1\", size: 7, site: {city: \"Bari\"}}) { id } }").await.refused("CONFLICT");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn defaults_indexes_and_unique_sets_of_many_records_are_made_by_jobs(mut server: Server) {
        let admin = start(&mut server).await;
        for (name, arguments) in others() {
            let id = begin(&admin, name, arguments).await;
            let ended = ended(&admin, &id).await;
            assert_eq!(ended["state"], "DONE", "{name}: {ended}");
        }
        let nodes = all(&admin, "size site { country city }").await;
        assert_eq!(nodes.len(), RECORDS);
        for node in nodes {
            assert_eq!((&node["size"], &node["site"]), (&json!(7), &json!({"country": "Italia", "city": null})));
        }
        let twice = admin.query("mutation { createMachine(data: {title: \"Machine 1\", size: 7, site: {city: \"Bari\"}}) { id } }").await;
        twice.refused("CONFLICT");
        // A field without a value needs no look at any record.
        let added = admin.add_field("Machine", json!({"name": "note", "type": "text", "indexed": true})).await;
        assert_eq!(added.ok()["addField"]["applied"], true, "{added}");
        assert!(server.stop().success());
        doctor(&server);
    }

    async fn another_process_goes_on_with_a_job(mut server: Server) {
        if server.backend() == Backend::Postgres {
            start(&mut server).await;
            restart_with(&mut server, "job.batch_done=4*pass->abort").await;
            let admin = server.admin().await;
            let other = server.another_with("CARDINE_TEST_FAILPOINTS", "").await;
            let beside = other.admin().await;
            admin.send_change("changeFieldType", to_decimal()).await;
            let jobs = || async {
                let jobs = beside.admin_query("{ jobs(first: 1) { id finishedAt state } }").await;
                let job = jobs.ok()["jobs"][0].clone();
                (!job["finishedAt"].is_null()).then_some(job)
            };
            let job = eventually("the other one ends it", jobs).await;
            assert_eq!(job["state"], "DONE");
            let seven = all(&beside, "serial").await.into_iter().find(|node| node["title"] == "Machine 7");
            assert_eq!(seven.expect("it is there")["serial"], "7.50");
        }
    }
}
