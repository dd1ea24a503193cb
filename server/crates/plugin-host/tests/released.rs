//! Components of released versions of the interface run on this host, and are answered and answer as they were then.
//!
//! Each was built when its version was the newest, by the script and the SDK of then; none is ever built anew. Together they use all that 0.1
//! offers, which a test holds. Nothing calls virtual modules yet: they are exported alone.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use cardine_plugin_host::port::{Change, Entry, HostError, HttpError, Operation, Request, Response, RunAs, StateError};
use cardine_plugin_host::{
    Answer, CallContext, CheckedValue, Decision, DeniedServices, HostConfig, HostServices, LoadedPlugin, LogLevel,
    Package, PluginHost, Reason, RecordChange, RouteRequest,
};
use serde_json::{Map, Value, json};
use wit_parser::{Resolve, WorldId, WorldItem};

/// The interface as it was published.
const WIT: &str = include_str!("../../../../plugins/wit/since_v0_1/cardine-plugin.wit");

const DEAL_SCORE: &[u8] = include_bytes!("released/deal-score-0.1.0.cardine");
const HOSTILE: &[u8] = include_bytes!("released/test-hostile-0.1.0.cardine");
const HOOKS: &[u8] = include_bytes!("released/test-hooks-0.1.0.cardine");
const AFTER: &[u8] = include_bytes!("released/test-after-0.1.0.cardine");
const JOBS: &[u8] = include_bytes!("released/test-jobs-0.1.0.cardine");
const ROUTES: &[u8] = include_bytes!("released/test-routes-0.1.0.cardine");
const LEAD_SCORE: &[u8] = include_bytes!("released/lead-score-0.1.0.cardine");
const ALL: [&[u8]; 7] = [DEAL_SCORE, HOSTILE, HOOKS, AFTER, JOBS, ROUTES, LEAD_SCORE];

async fn load(package: &[u8]) -> LoadedPlugin {
    // One folder for all tests and runs, so that each component is compiled once.
    let host = PluginHost::new(HostConfig::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/plugin-code"))).unwrap();
    host.load(&Package::read(package).unwrap()).await.unwrap()
}

fn denied() -> Arc<dyn HostServices> {
    Arc::new(DeniedServices)
}

/// A host that grants everything, answers each call in one way and notes what it was asked.
#[derive(Default)]
struct Granting(Mutex<Vec<String>>);

impl Granting {
    fn note(&self, asked: String) {
        self.0.lock().unwrap().push(asked);
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn answered<'a, T: Send + 'a>(answer: T) -> Answer<'a, T> {
    Box::pin(std::future::ready(answer))
}

impl HostServices for Granting {
    fn settings(&self) -> Value {
        json!({"size": 7})
    }

    fn now_ms(&self) -> f64 {
        1_500.0
    }

    fn execute<'a>(
        &'a self,
        _: &'a CallContext,
        run_as: RunAs,
        operations: Vec<Operation>,
    ) -> Answer<'a, Result<Vec<String>, HostError>> {
        operations.iter().for_each(|one| self.note(format!("api {run_as:?} {} {}", one.document, one.variables)));
        answered(Ok(operations.iter().map(|_| r#"{"data":{"n":1}}"#.to_owned()).collect()))
    }

    fn fetch_state<'a>(
        &'a self,
        _: &'a CallContext,
        keys: Vec<String>,
    ) -> Answer<'a, Result<Vec<Option<Entry>>, StateError>> {
        self.note(format!("get {keys:?}"));
        let entry = |key: String| Some(Entry { key, value: vec![1, 2], etag: "e1".to_owned() });
        answered(Ok(keys.into_iter().map(entry).collect()))
    }

    fn store_state<'a>(
        &'a self,
        _: &'a CallContext,
        changes: Vec<Change>,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        self.note(format!("put {}", changes.len()));
        answered(Ok(vec!["e2".to_owned()]))
    }

    fn fetch_state_keys<'a>(
        &'a self,
        _: &'a CallContext,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Answer<'a, Result<Vec<String>, StateError>> {
        self.note(format!("keys {prefix:?} {after:?} {limit}"));
        answered(Ok(vec!["a".to_owned(), "b".to_owned()]))
    }

    fn secret_handle<'a>(&'a self, _: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        answered(Ok(format!("handle of {name}")))
    }

    fn reveal_secret<'a>(&'a self, _: &'a CallContext, name: String) -> Answer<'a, Result<String, HostError>> {
        answered(Err(HostError::Denied(format!("{name} is shown to nobody"))))
    }

    fn send_http<'a>(
        &'a self,
        _: &'a CallContext,
        requests: Vec<Request>,
    ) -> Answer<'a, Vec<Result<Response, HttpError>>> {
        let answer = |request: Request| {
            self.note(format!("{} {}", request.method, request.url));
            Ok(Response { status: 201, headers: vec![("a".to_owned(), "b".to_owned())], body: vec![3] })
        };
        answered(requests.into_iter().map(answer).collect())
    }

    fn emit_event<'a>(
        &'a self,
        _: &'a CallContext,
        name: String,
        payload: String,
    ) -> Answer<'a, Result<(), HostError>> {
        self.note(format!("emit {name} {payload}"));
        answered(Ok(()))
    }

    fn enqueue<'a>(
        &'a self,
        _: &'a CallContext,
        function: String,
        input: String,
        delay_ms: f64,
        key: Option<String>,
    ) -> Answer<'a, Result<String, HostError>> {
        self.note(format!("enqueue {function} {input} {delay_ms} {key:?}"));
        answered(Ok("w1".to_owned()))
    }
}

/// `interface.function` of all that a world imports, or exports.
fn functions(resolve: &Resolve, world: WorldId, imports: bool) -> BTreeSet<String> {
    let world = &resolve.worlds[world];
    let items = if imports { &world.imports } else { &world.exports };
    let of = |item: &WorldItem| -> Vec<String> {
        let WorldItem::Interface { id, .. } = item else { return Vec::new() };
        let interface = resolve.id_of(*id).expect("they have names");
        resolve.interfaces[*id].functions.keys().map(|function| format!("{interface}.{function}")).collect()
    };
    items.values().flat_map(of).collect()
}

#[test]
fn together_they_use_all_that_the_version_offers() {
    let mut published = Resolve::default();
    let package = published.push_source("cardine-plugin.wit", WIT).unwrap();
    let world = published.select_world(&[package], Some("full-plugin")).unwrap();
    for imports in [true, false] {
        let mut used = BTreeSet::new();
        for released in ALL {
            let package = Package::read(released).unwrap();
            let Ok(wit_component::DecodedWasm::Component(resolve, world)) = wit_component::decode(package.component())
            else {
                panic!("{} is no component", package.manifest().name());
            };
            used.extend(functions(&resolve, world, imports));
        }
        assert_eq!(used, functions(&published, world, imports));
        assert!(used.len() > 10 && used.iter().all(|name| name.contains("@0.1.0")), "{used:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_are_called_one_by_one_and_many_at_once() {
    let plugin = load(DEAL_SCORE).await;
    let call = |amount: &str| json!({"id": "1", "amount": amount});
    let score = async |amount: &str| plugin.invoke(CallContext::default(), "score", call(amount), denied()).await;
    assert_eq!(score("164002.75").await.unwrap().output, json!({"value": 61}));
    assert_eq!(score("much").await.unwrap_err().reason, Reason::Invalid);
    let inputs = vec![call("164002.75"), call("much"), call("1000")];
    let batch = plugin.invoke_batch(CallContext::default(), "score", inputs, denied()).await.unwrap();
    let outputs: Vec<_> = batch.outputs.into_iter().map(|output| output.map_err(|failure| failure.reason)).collect();
    assert_eq!(outputs, [Ok(json!({"value": 61})), Err(Reason::Invalid), Ok(json!({"value": 20}))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_import_is_answered() {
    let plugin = load(HOSTILE).await;
    let services = Arc::new(Granting::default());
    let call = async |function: &str, input: Value| {
        let context =
            CallContext { request_id: "r1".to_owned(), user: Some("u1".to_owned()), ..CallContext::default() };
        plugin.invoke(context, function, input, services.clone()).await
    };
    let told = call("denied", json!({})).await.unwrap();
    assert_eq!(
        told.output,
        json!({
            "api.execute": r#"Ok("{\"data\":{\"n\":1}}")"#,
            "api.execute-batch": r#"Ok(["{\"data\":{\"n\":1}}"])"#,
            "state.get-many": r#"Ok([Some(Entry { key: "a", value: [1, 2], etag: "e1" })])"#,
            "state.put-many": r#"Ok(["e2"])"#,
            "state.list-keys": r#"Ok(["a", "b"])"#,
            "config.secret-handle": r#"Ok("handle of token")"#,
            "config.reveal-secret": r#"Err(HostError::Denied("token is shown to nobody"))"#,
            "http.send-many": r#"[Ok(Response { status: 201, headers: [("a", "b")], body: [3] })]"#,
            "events.emit": "Ok(())",
            "events.enqueue": r#"Ok("w1")"#,
        })
    );
    assert_eq!(told.usage.host_calls, 10);
    assert_eq!(
        services.asked(),
        [
            "api RunAs::Plugin { __typename } {}",
            "api RunAs::Caller { __typename } {}",
            r#"get ["a"]"#,
            "put 0",
            r#"keys "" None 10"#,
            "GET https://example.org/",
            "emit something {}",
            "enqueue echo {} 0 None",
        ]
    );
    assert_eq!(call("settings", json!({})).await.unwrap().output, json!({"size": 7}));
    let runtime = call("runtime", json!({})).await.unwrap().output;
    assert_eq!((&runtime["now"], runtime["random"].as_array().unwrap().len()), (&json!(1_500.0), 16));
    assert_eq!(runtime["uuid"].as_str().unwrap().len(), 36);
    assert!(runtime["monotonic"].as_f64() >= Some(0.0) && runtime["remaining"].as_u64() > Some(0), "{runtime}");
    let logged = call("flood", json!({"lines": 2, "bytes": 3})).await.unwrap().logs;
    let lines: Vec<_> = logged.iter().map(|line| (line.level, line.message.as_str())).collect();
    assert_eq!(lines, [(LogLevel::Info, "lll"), (LogLevel::Info, "lll")]);
    let context = call("context", json!({})).await.unwrap().output;
    assert_eq!(
        context,
        json!({"tenant": "default", "plugin": "test-hostile", "user": "u1", "requestId": "r1", "locale": "en", "timeZone": "UTC",
            "depth": 0, "dryRun": false, "deadlineMs": 10_000, "extra": "{}"})
    );
    for (kind, reason) in [
        ("invalid", Reason::Invalid),
        ("not-found", Reason::NotFound),
        ("denied", Reason::Denied),
        ("retryable", Reason::Retryable),
        ("failed", Reason::Failed),
    ] {
        let failure = call("errors", json!({"kind": kind})).await.unwrap_err();
        assert_eq!((failure.reason, failure.retry_after_ms), (reason, (kind == "retryable").then_some(250)));
    }
    // What is not granted is answered too.
    let refused = plugin.invoke(CallContext::default(), "denied", json!({}), denied()).await.unwrap().output;
    assert!(
        refused.as_object().unwrap().values().all(|answer| answer.as_str().unwrap().contains("Denied")),
        "{refused}"
    );
}

fn image(json: Value) -> Option<Map<String, Value>> {
    json.as_object().cloned()
}

fn change(before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> RecordChange {
    let visible = ["name", "description"].map(str::to_owned).into();
    RecordChange::seen("1".to_owned(), before, after, &visible)
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_before_writes_decide_and_validators_check() {
    let plugin = load(HOOKS).await;
    let mut session = plugin.session(denied());
    let wish = |description: &str| change(None, image(json!({"name": "A", "description": description})));
    let changes = vec![wish("nothing"), wish(r#"{"patch": {"name": "B"}}"#), wish("veto")];
    let context = CallContext::default();
    let decisions = session.before_write(&context, "Organization", "create", changes).await.unwrap();
    assert_eq!(decisions[..2], [Decision::Keep, Decision::Patch(json!({"name": "B"}))]);
    let Decision::Veto(issues) = &decisions[2] else { panic!("{decisions:?}") };
    assert_eq!((issues[0].path.as_deref(), issues[0].code.as_str()), (Some("name"), "on-purpose"));
    let updated = change(image(json!({"name": "A"})), image(json!({"name": "B", "description": "show"})));
    let decisions = session.before_write(&context, "Organization", "update", vec![updated]).await.unwrap();
    let [Decision::Patch(shown)] = &decisions[..] else { panic!("{decisions:?}") };
    let shown: Value = serde_json::from_str(shown["name"].as_str().unwrap()).unwrap();
    assert_eq!(
        shown,
        json!({"keys": ["description", "name"], "changed": ["description", "name"], "operation": "update", "count": 1})
    );
    let values = ["fine", "a bad word"].map(|text| CheckedValue { value: json!(text), siblings: json!({}) });
    let validator = plugin.manifest().validators()[0].name.clone();
    let issues = session.validate(&context, &validator, &json!({"word": "bad"}), values.into()).await.unwrap();
    let found: Vec<_> = issues.iter().map(|issue| (issue.item, issue.code.as_str())).collect();
    assert_eq!(found, [(Some(1), "word-forbidden")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_after_writes_are_told() {
    let plugin = load(AFTER).await;
    let services = Arc::new(Granting::default());
    let mut session = plugin.session(services.clone());
    let context = CallContext { request_id: "r1".to_owned(), is_detached: true, ..CallContext::default() };
    let told = change(image(json!({"name": "A"})), image(json!({"name": "B"})));
    session.after_write(&context, "Organization", "update", vec![told]).await.unwrap();
    let [note] = &services.asked()[..] else { panic!("it keeps one note") };
    assert!(
        note.starts_with("api RunAs::Plugin mutation($data: AfterNoteCreate!)") && note.contains(r#""request":"r1""#),
        "{note}"
    );
    let failing = change(None, image(json!({"name": "A", "description": "fail"})));
    let failure = session.after_write(&context, "Organization", "create", vec![failing]).await.unwrap_err();
    assert_eq!((failure.reason, failure.diagnosis.detail.as_str()), (Reason::Failed, "on purpose"));
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_go_on_from_their_cursors_to_the_end() {
    let plugin = load(JOBS).await;
    let mut session = plugin.session(Arc::new(Granting::default()));
    let mut cursor = None;
    for part in [json!({"part": 1}), json!({"part": 2}), Value::Null] {
        cursor = session.run_job(CallContext::default(), "note", 1_000.0, cursor.as_ref()).await.unwrap();
        assert_eq!(cursor.clone().unwrap_or_default(), part);
    }
    let failure = session.run_job(CallContext::default(), "fail", 1_000.0, None).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_answer_requests() {
    let plugin = load(ROUTES).await;
    let mut session = plugin.session(Arc::new(Granting::default()));
    let request = |query: &str| RouteRequest {
        method: "POST".to_owned(),
        path: "/open/door".to_owned(),
        query: query.to_owned(),
        headers: vec![("x-kind".to_owned(), "a".to_owned())],
        body: b"hello".to_vec(),
        verified: true,
    };
    let answer = session.serve(CallContext::default(), "/open/door", request("page")).await.unwrap();
    assert_eq!((answer.status, answer.headers[0].1.as_str()), (203, "text/html"));
    assert_eq!(answer.body, b"<script>alert(1)</script>");
    let answer = session.serve(CallContext::default(), "/open/door", request("a=1")).await.unwrap();
    let told: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        told,
        json!({"route": "/open/door", "method": "POST", "path": "/open/door", "query": "a=1", "headers": ["x-kind"], "body": "hello",
            "verified": true, "user": null, "asPlugin": r#"{"data":{"n":1}}"#, "asCaller": r#"{"data":{"n":1}}"#})
    );
    let failure = session.serve(CallContext::default(), "/open/door", request("invalid")).await.unwrap_err();
    assert_eq!((failure.reason, failure.issues[0].path.as_deref()), (Reason::Invalid, Some("order.number")));
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_are_computed() {
    let plugin = load(LEAD_SCORE).await;
    let mut session = plugin.session(denied());
    let record = json!({"status": "HOT", "leadSource": "PARTNER", "annualRevenue": "25000000.00", "employees": 120,
        "email": "a@example.org", "phone": "+39051123456"});
    let junk = json!({"status": "JUNK_LEAD"});
    let fields = ["score", "grade"].map(str::to_owned);
    let records = vec![record.to_string(), junk.to_string()];
    let values = session.compute(&CallContext::default(), "Lead", &fields, records).await.unwrap();
    assert_eq!(json!(values[0]), json!({"score": 100, "grade": "A"}));
    assert_eq!(values[1]["score"], 0);
}
