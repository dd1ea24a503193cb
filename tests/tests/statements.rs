//! How many statements a mutation of many records takes: as many as one of few.

use cardine_tests::{Answer, Backend, Client, Launch, Server, on_both_databases};
use serde_json::{Value, json};

const FEW: usize = 5;
const MANY: usize = 450;

/// Records that have every kind of rule, and belong to a maker.
async fn prepare(server: &Server) -> Client {
    let admin = server.admin().await;
    let maker = json!({"name": "Maker", "plural": "Makers", "fields": [{"name": "name", "type": "text"}]});
    admin.create_module(maker).await.ok();
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": false});
    let gauge = json!({"name": "Gauge", "plural": "Gauges", "fields": [
        {"name": "code", "type": "text", "required": true, "unique": true, "pattern": "[a-z0-9-]+"},
        {"name": "low", "type": "integer", "min": 0, "max": 1000}, {"name": "high", "type": "integer"},
        {"name": "serial", "type": "autoNumber", "format": "G-{0000}"}, {"name": "data", "type": "json", "schema": schema},
        {"name": "maker", "type": "reference", "to": "Maker", "inverse": "gauges", "onDelete": "CASCADE"},
        {"name": "span", "type": "formula", "rule": "high - low", "returns": "integer"},
    ], "search": ["code"], "uniques": [{"fields": ["maker", "low"]}],
       "validations": [{"rule": "high > low", "message": "the upper end is above the lower one", "fields": ["high"]}]});
    admin.create_module(gauge).await.ok();
    admin
}

/// The statements about these modules and about what was done to them that the server has run meanwhile.
async fn counted(server: &Server, asked: impl Future<Output = Answer>) -> (Answer, Vec<String>) {
    let before = server.log().len();
    let answer = asked.await;
    let log = server.log();
    let is_meant = |line: &&str| {
        line.contains("cardine_store::statement")
            && ["\"gauge\"", "\"maker\"", "INTO \"audit_entry\"", "INTO \"outbox\"", "\"auto_number\""]
                .iter()
                .any(|table| line.contains(table))
    };
    (answer, log[before..].lines().filter(is_meant).map(str::to_owned).collect())
}

fn gauge(prefix: &str, number: usize, maker: &str) -> Value {
    json!({"code": format!("{prefix}-{number}"), "low": number, "high": number + 5, "data": {"a": number}, "makerId": maker})
}

const CREATE: &str = "mutation($data: [GaugeCreate!]!) { createGauges(data: $data) { id } }";

on_both_databases! {
    async fn a_mutation_of_many_takes_as_many_statements_as_one_of_few(backend: Backend) {
        let server = Launch::new(backend).arguments(["--log", "warn,cardine_store::statement=trace"]).start().await;
        let admin = prepare(&server).await;
        let taken = admin.create("Maker", json!({"name": "of the one that is there"})).await;
        admin.create("Gauge", json!({"code": "taken", "low": 1, "high": 2, "makerId": taken})).await;
        let mut counts: Vec<Vec<(&str, usize)>> = Vec::new();
        // The first is not counted: plans and statements are made for it.
        for size in [FEW, FEW + 1, MANY] {
            let prefix = format!("g{size}");
            let maker = admin.create("Maker", json!({"name": prefix})).await;
            let mut told = Vec::new();
            let data: Vec<Value> = (0..size).map(|number| gauge(&prefix, number, &maker)).collect();
            let (answer, statements) = counted(&server, admin.query_with(CREATE, json!({"data": data}))).await;
            assert_eq!(answer.ok()["createGauges"].as_array().map(Vec::len), Some(size));
            told.push(("create", statements.len()));

            // Each record has another fault, all are told, and what the database would say of the others too.
            let faults = [
                ("pattern", json!({"code": "A B"})), ("max", json!({"low": 1001, "high": 1002})), ("schema", json!({"data": {"b": 1}})),
                ("required", json!({"code": " "})), ("reference", json!({"makerId": "01890000-0000-7000-8000-000000000000"})),
            ];
            let faulty = (0..size).map(|number| {
                let mut data = gauge(&format!("f{prefix}"), number, &maker);
                let (_, fault) = &faults[number % faults.len()];
                data["low"] = json!(number + 460);
                data["high"] = json!(number + 461);
                for (key, value) in fault.as_object().expect("an object") {
                    data[key] = value.clone();
                }
                data
            });
            let faulty: Vec<Value> = faulty.collect();
            let (answer, statements) = counted(&server, admin.query_with(CREATE, json!({"data": faulty}))).await;
            answer.refused("VALIDATION_FAILED");
            let issues = answer.issues();
            for number in 0..size {
                assert!(issues.iter().any(|issue| issue["path"][1] == json!(number)), "record {number}: {answer}");
            }
            told.push(("faulty create", statements.len()));

            for (what, code, change) in [
                ("taken values", "CONFLICT", json!({"code": "TAKEN"})), ("taken pairs", "CONFLICT", json!({"low": 1, "high": 2, "makerId": taken})),
                ("broken validations", "VALIDATION_FAILED", json!({"high": -1})),
            ] {
                let data: Vec<Value> = (0..size).map(|number| {
                    let mut data = gauge(&format!("t{prefix}"), number + 500, &maker);
                    for (key, value) in change.as_object().expect("an object") {
                        data[key] = value.clone();
                    }
                    if what == "taken values" {
                        data["code"] = json!("taken");
                    }
                    data
                }).collect();
                let (answer, statements) = counted(&server, admin.query_with(CREATE, json!({"data": data}))).await;
                answer.refused(code);
                assert!(answer.issues().len() >= size, "{what}: {answer}");
                told.push((what, statements.len()));
            }

            let filter = json!({"code": {"startsWith": format!("{prefix}-")}});
            let update = "mutation($filter: GaugeFilter!, $data: GaugeUpdate!) { updateGauges(filter: $filter, data: $data) { count } }";
            let (answer, statements) = counted(&server, admin.query_with(update, json!({"filter": filter, "data": {"high": 2000}}))).await;
            assert_eq!(answer.ok()["updateGauges"]["count"], json!(size));
            told.push(("update", statements.len()));
            let (answer, statements) = counted(&server, admin.query_with(update, json!({"filter": filter, "data": {"high": -1}}))).await;
            answer.refused("VALIDATION_FAILED");
            told.push(("faulty update", statements.len()));
            let upsert = "mutation($data: [GaugeUpsert!]!) { upsertGauges(data: $data) { id } }";
            let upserted = |high: usize| {
                let entry = |number: usize| {
                    let mut data = gauge(&prefix, number, &maker);
                    data["high"] = json!(number + high);
                    json!({"match": {"code": data["code"]}, "data": data})
                };
                json!({"data": (0..size + 3).map(entry).collect::<Vec<Value>>()})
            };
            let (answer, statements) = counted(&server, admin.query_with(upsert, upserted(7))).await;
            assert_eq!(answer.ok()["upsertGauges"].as_array().map(Vec::len), Some(size + 3));
            told.push(("upsert", statements.len()));
            let mut taking = upserted(8);
            for entry in taking["data"].as_array_mut().expect("a list") {
                entry["data"]["code"] = json!("taken");
            }
            let (answer, statements) = counted(&server, admin.query_with(upsert, taking)).await;
            answer.refused("CONFLICT");
            assert!(answer.issues().len() >= size, "{answer}");
            told.push(("upsert of taken values", statements.len()));
            for (verb, root) in [("delete", "deleteGauges"), ("restore", "restoreGauges"), ("destroy", "destroyGauges")] {
                let text = format!("mutation($filter: GaugeFilter!) {{ {root}(filter: $filter) {{ count }} }}");
                let (answer, statements) = counted(&server, admin.query_with(&text, json!({"filter": filter}))).await;
                assert_eq!(answer.ok()[root]["count"], json!(size + 3));
                told.push((verb, statements.len()));
            }

            let inside: Vec<Value> = (0..size).map(|number| {
                let mut data = gauge(&format!("n{prefix}"), number, &maker);
                data.as_object_mut().expect("an object").remove("makerId");
                data
            }).collect();
            let text = "mutation($data: MakerCreate!) { createMaker(data: $data) { id } }";
            let (answer, statements) = counted(&server, admin.query_with(text, json!({"data": {"name": "m", "gauges": {"create": inside}}}))).await;
            answer.ok();
            told.push(("create inside", statements.len()));
            let gone = json!({"id": answer.data()["createMaker"]["id"]});
            let (answer, statements) = counted(&server, admin.query_with("mutation($id: ID!) { deleteMaker(id: $id) { id } }", gone)).await;
            answer.ok();
            told.push(("cascade", statements.len()));
            assert!(told.iter().all(|(_, count)| *count > 0), "{told:?}");
            counts.push(told);
        }
        assert_eq!(counts[1], counts[2], "of {} records and of {MANY}", FEW + 1);
    }

    async fn a_run_is_queued_with_the_event_that_starts_it(backend: Backend) {
        let server = Launch::new(backend).arguments(["--log", "warn,cardine_store::statement=trace"]).start().await;
        let admin = prepare(&server).await;
        let mut counts = Vec::new();
        for (name, runs) in [("alone", 0), ("first", 1), ("second", 2)] {
            if runs > 0 {
                // It changes nothing, so all that is told of makers is told by requests.
                let steps = json!([{"id": "rest", "wait": {"for": "P1D"}}]);
                admin.save_workflow(json!({"name": name, "module": "Maker", "trigger": {"on": ["CREATED"]}, "steps": steps})).await.ok();
            }
            admin.create("Maker", json!({"name": "for the first time"})).await;
            let text = "mutation($data: MakerCreate!) { createMaker(data: $data) { id } }";
            let (answer, statements) = counted(&server, admin.query_with(text, json!({"data": {"name": name}}))).await;
            let id = answer.ok()["createMaker"]["id"].clone();
            let queued = statements.iter().filter(|line| line.contains("\"outbox\"") && line.contains("\"workflow_run\"")).count();
            let found = admin.admin_query(&format!("{{ runs(record: {id}) {{ workflow }} }}")).await;
            assert_eq!(found.ok()["runs"].as_array().map(Vec::len), Some(runs));
            counts.push((statements.len(), queued));
        }
        let taken = counts[0].0;
        match backend {
            Backend::Postgres => assert_eq!(counts, [(taken, 0), (taken, 1), (taken, 1)], "a round trip less"),
            Backend::Sqlite => assert_eq!(counts, [(taken, 0); 3], "a statement is no round trip, and is prepared once"),
        }
    }
}
