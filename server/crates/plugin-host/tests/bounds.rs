//! Breaks each bound with a real component, while a neighbour's calls go on.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod packages;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use cardine_plugin_host::{
    Answer, CallContext, DeniedServices, HostConfig, HostServices, Limits, LoadedPlugin, Outcome, PluginFailure,
    PluginHost, Pooling, Reason, port,
};
use packages::package;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

struct Fixture {
    hostile: LoadedPlugin,
    neighbour: LoadedPlugin,
}

impl Fixture {
    async fn new(limits: Limits) -> Self {
        Self::with_pooling(limits, Pooling::Auto).await
    }

    async fn with_pooling(limits: Limits, pooling: Pooling) -> Self {
        // One folder for all tests and runs, so that each component is compiled once for each engine.
        let cache = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugin-code");
        let config = HostConfig { limits, pooling, ..HostConfig::new(cache) };
        let host = PluginHost::new(config).unwrap();
        let hostile = host.load(&package("test-hostile")).await.unwrap();
        let neighbour = host.load(&package("deal-score")).await.unwrap();
        Self { hostile, neighbour }
    }

    async fn hostile(&self, function: &str, input: Value) -> Result<Outcome, PluginFailure> {
        self.hostile.invoke(CallContext::default(), function, input, denied()).await
    }

    async fn score(&self, amount: &str) -> Value {
        let input = json!({"id": "1", "amount": amount});
        let called = self.neighbour.invoke(CallContext::default(), "score", input, denied()).await;
        called.unwrap().output["value"].clone()
    }

    /// Runs a call that must fail while the neighbour works; afterwards both must work.
    async fn breach(&self, function: &str, input: Value) -> PluginFailure {
        let ended = AtomicBool::new(false);
        let calls_meanwhile = AtomicUsize::new(0);
        let breach = async {
            let failure = self.hostile(function, input).await.unwrap_err();
            ended.store(true, Ordering::Relaxed);
            failure
        };
        let neighbour = async {
            while !ended.load(Ordering::Relaxed) || calls_meanwhile.load(Ordering::Relaxed) == 0 {
                assert_eq!(self.score("55000").await, 50);
                calls_meanwhile.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        };
        let (failure, ()) = tokio::join!(breach, neighbour);
        assert_eq!(self.score("1000").await, 20);
        let echo = self.hostile("echo", json!({"a": [1, null]})).await.unwrap();
        assert_eq!(echo.output, json!({"a": [1, null]}));
        failure
    }
}

fn denied() -> Arc<dyn HostServices> {
    Arc::new(DeniedServices)
}

fn limits() -> Limits {
    Limits { cpu_ms: 200, ..Limits::default() }
}

#[tokio::test]
async fn deal_score_scores() {
    let fixture = Fixture::new(Limits::default()).await;
    assert_eq!(fixture.score("164002.75").await, 61);
    let input = json!({"id": "1", "amount": null, "name": "more is allowed"});
    let outcome = fixture.neighbour.invoke(CallContext::default(), "score", input, denied()).await.unwrap();
    assert_eq!(outcome.output, json!({"value": 0}));
    assert!(outcome.usage.cpu_ms > 0.0 && outcome.usage.memory_peak > 0);
    assert_eq!(outcome.usage.host_calls, 0);
}

/// One worker only: if a busy guest held its thread, the neighbour could not have worked meanwhile.
#[tokio::test]
async fn an_endless_loop_ends_within_about_its_cpu_time() {
    let fixture = Fixture::new(limits()).await;
    let failure = fixture.breach("loop", json!({})).await;
    assert_eq!(failure.reason, Reason::Time);
    let bound = failure.bound.unwrap();
    assert_eq!((bound.name, bound.allowed), ("cpuMs", 200));
    assert!((200..=400).contains(&bound.used), "{} ms", bound.used);
    assert!((200.0..=400.0).contains(&failure.diagnosis.usage.cpu_ms), "{:?}", failure.diagnosis);
}

#[tokio::test]
async fn grabbing_memory_ends_at_the_bound() {
    for pooling in [Pooling::Auto, Pooling::Off] {
        let fixture = Fixture::with_pooling(Limits { memory_bytes: 16 << 20, ..Limits::default() }, pooling).await;
        let failure = fixture.breach("grab", json!({})).await;
        assert_eq!(failure.reason, Reason::Memory, "{failure:?}");
        let bound = failure.bound.unwrap();
        assert_eq!((bound.name, bound.allowed), ("memoryBytes", 16 << 20));
        assert!(bound.used > 16 << 20);
        assert!(failure.diagnosis.usage.memory_peak <= 16 << 20);
        assert!(failure.diagnosis.usage.memory_peak > 8 << 20);
    }
}

#[tokio::test]
async fn a_panic_ends_that_call_and_tells_the_admin_alone() {
    let fixture = Fixture::new(Limits::default()).await;
    let failure = fixture.breach("trap", json!({})).await;
    assert_eq!(failure.reason, Reason::Trap);
    assert_eq!(failure.message, "function `trap` of plugin `test-hostile` stopped unexpectedly");
    assert!(failure.diagnosis.detail.contains("unreachable"), "{}", failure.diagnosis.detail);
    let log = &failure.diagnosis.logs[0].message;
    assert!(log.contains("the plugin panicked on purpose"), "{log}");
}

#[tokio::test]
async fn endless_depth_ends_at_the_stack() {
    let fixture = Fixture::new(Limits::default()).await;
    assert_eq!(fixture.breach("deep", json!({})).await.reason, Reason::Stack);
}

#[tokio::test]
async fn a_log_flood_is_cut_and_the_call_goes_on() {
    let fixture = Fixture::new(Limits::default()).await;
    let outcome = fixture.hostile("flood", json!({"lines": 5000, "bytes": 20})).await.unwrap();
    assert_eq!(outcome.output, 5000);
    assert_eq!(outcome.logs.len(), 101);
    assert!(outcome.logs[100].message.starts_with("truncated"));
    let few = fixture.hostile("flood", json!({"lines": 2, "bytes": 20})).await.unwrap();
    assert_eq!(few.logs.len(), 2);
    assert_eq!(few.logs[1].fields, "{\"line\":1}");
}

#[tokio::test]
async fn output_is_bounded() {
    let fixture = Fixture::new(Limits { output_bytes: 100_000, ..Limits::default() }).await;
    let fits = fixture.hostile("big-output", json!({"bytes": 99_998})).await.unwrap();
    assert_eq!(fits.output.as_str().unwrap().len(), 99_998);
    // Just over the bound: found after the call; far over it: the engine refuses to copy it.
    for bytes in [99_999, 300_000, 5_000_000] {
        let failure = fixture.breach("big-output", json!({"bytes": bytes})).await;
        assert_eq!(failure.reason, Reason::Output, "{bytes}: {failure:?}");
        assert_eq!(failure.bound.unwrap().allowed, 100_000);
    }
}

#[tokio::test]
async fn an_answer_that_the_schema_forbids_is_refused() {
    let fixture = Fixture::new(Limits::default()).await;
    let failure = fixture.breach("wrong-output", json!({})).await;
    assert_eq!(failure.reason, Reason::OutputInvalid);
    assert!(failure.diagnosis.detail.contains("value"), "{:?}", failure.diagnosis);
}

#[tokio::test]
async fn input_is_checked_before_the_plugin_sees_it() {
    let fixture = Fixture::new(Limits { input_bytes: 1_000, ..Limits::default() }).await;
    let call = |input| fixture.neighbour.invoke(CallContext::default(), "score", input, denied());
    let failure = call(json!({"id": 7, "amount": false})).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Input);
    let mut paths: Vec<_> = failure.issues.iter().map(|issue| issue.path.clone().unwrap()).collect();
    paths.sort();
    assert_eq!(paths, ["amount", "id"]);
    let failure = call(json!({"id": "x".repeat(2_000), "amount": null})).await.unwrap_err();
    assert_eq!((failure.reason, failure.bound.unwrap().name), (Reason::Input, "inputBytes"));
    assert!(call(json!({"id": "x".repeat(900), "amount": null})).await.is_ok());
}

#[tokio::test]
async fn host_calls_are_counted_then_refused_then_ended() {
    let fixture = Fixture::new(Limits { host_calls: 10, ..Limits::default() }).await;
    let within = fixture.hostile("calls", json!({"times": 10})).await.unwrap();
    assert_eq!(within.output["denied"], 10);
    assert_eq!(within.usage.host_calls, 10);
    let over = fixture.hostile("calls", json!({"times": 20})).await.unwrap();
    assert_eq!((&over.output["denied"], &over.output["limited"]), (&json!(10), &json!(10)));
    let failure = fixture.breach("calls", json!({"times": 21})).await;
    assert_eq!((failure.reason, failure.bound.unwrap().allowed), (Reason::Calls, 10));
}

#[tokio::test]
async fn depth_is_bounded() {
    let fixture = Fixture::new(Limits::default()).await;
    let at = |depth| {
        let context = CallContext { depth, ..CallContext::default() };
        fixture.hostile.invoke(context, "echo", json!({}), denied())
    };
    assert!(at(5).await.is_ok());
    assert_eq!(at(6).await.unwrap_err().reason, Reason::Depth);
}

#[tokio::test]
async fn what_was_not_granted_answers_denied() {
    let fixture = Fixture::new(Limits::default()).await;
    let answers = fixture.hostile("denied", json!({})).await.unwrap().output;
    let answers = answers.as_object().unwrap();
    assert_eq!(answers.len(), 10);
    for (call, answer) in answers {
        assert!(answer.as_str().unwrap().contains("Denied("), "{call}: {answer}");
    }
}

#[tokio::test]
async fn random_bytes_are_bounded() {
    let fixture = Fixture::new(Limits::default()).await;
    let enough = fixture.hostile("random", json!({"bytes": 65_536})).await.unwrap();
    assert_eq!(enough.output, 65_536);
    let failure = fixture.breach("random", json!({"bytes": 4_000_000_000_u32})).await;
    assert_eq!(failure.reason, Reason::Trap);
}

/// An API that never answers.
struct SilentApi;

impl HostServices for SilentApi {
    fn execute<'a>(
        &'a self,
        _call: &'a CallContext,
        _run_as: port::RunAs,
        _operations: Vec<port::Operation>,
    ) -> Answer<'a, Result<Vec<String>, port::HostError>> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn waiting_for_the_host_ends_at_the_wall_clock() {
    let fixture = Fixture::new(Limits { wall_ms: 150, cpu_ms: 75, ..Limits::default() }).await;
    let began = Instant::now();
    let call = fixture.hostile.invoke(CallContext::default(), "slow-host", json!({}), Arc::new(SilentApi));
    let failure = call.await.unwrap_err();
    assert_eq!((failure.reason, failure.bound.unwrap().name), (Reason::Time, "wallMs"));
    assert!(began.elapsed() >= Duration::from_millis(150));
    assert!(failure.diagnosis.usage.cpu_ms < 75.0, "{:?}", failure.diagnosis.usage);
    assert!(fixture.hostile("echo", json!(1)).await.is_ok());
}

#[tokio::test]
async fn a_call_beyond_the_places_is_busy() {
    let limits = Limits { concurrent_per_plugin: 1, queue_ms: 30, ..Limits::default() };
    let fixture = Fixture::new(limits).await;
    let mut holder = fixture.hostile.session(denied());
    holder.invoke(CallContext::default(), "echo", json!(1)).await.unwrap();
    let failure = fixture.hostile("echo", json!(1)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Busy);
    assert!(failure.reason.is_temporary());
    assert_eq!(fixture.score("1000").await, 20, "another plugin has its own places");
    drop(holder);
    assert!(fixture.hostile("echo", json!(1)).await.is_ok());
}

#[tokio::test]
async fn too_many_traps_suspend_the_plugin_alone() {
    let fixture = Fixture::new(Limits { breaker_traps: 3, ..Limits::default() }).await;
    for _ in 0..3 {
        assert_eq!(fixture.hostile("trap", json!({})).await.unwrap_err().reason, Reason::Trap);
    }
    let failure = fixture.hostile("echo", json!(1)).await.unwrap_err();
    assert_eq!(failure.reason, Reason::Suspended);
    assert!(failure.retry_after_ms.unwrap() > 200_000);
    assert_eq!(fixture.score("1000").await, 20);
    fixture.hostile.resume();
    assert!(fixture.hostile("echo", json!(1)).await.is_ok());
}

#[tokio::test]
async fn the_plugins_own_errors_keep_their_kind_and_do_not_suspend() {
    let fixture = Fixture::new(Limits { breaker_traps: 1, ..Limits::default() }).await;
    let error = |kind| fixture.hostile("errors", json!({"kind": kind}));
    let invalid = error("invalid").await.unwrap_err();
    assert_eq!(invalid.reason, Reason::Invalid);
    assert_eq!((invalid.issues[0].path.as_deref(), invalid.issues[0].code.as_str()), (Some("amount"), "too-small"));
    assert_eq!(error("not-found").await.unwrap_err().reason, Reason::NotFound);
    assert_eq!(error("denied").await.unwrap_err().reason, Reason::Denied);
    let retryable = error("retryable").await.unwrap_err();
    assert_eq!((retryable.reason, retryable.retry_after_ms), (Reason::Retryable, Some(250)));
    let failed = error("failed").await.unwrap_err();
    assert_eq!(failed.reason, Reason::Failed);
    assert!(!failed.message.contains("internal detail"));
    assert_eq!(failed.diagnosis.detail, "internal detail");
    assert_eq!(fixture.hostile("nothing", json!({})).await.unwrap_err().reason, Reason::UnknownFunction);
}

#[tokio::test]
async fn no_state_outlives_a_session() {
    let fixture = Fixture::new(Limits::default()).await;
    let mut session = fixture.hostile.session(denied());
    for expected in 1..=3 {
        let outcome = session.invoke(CallContext::default(), "count", json!({})).await.unwrap();
        assert_eq!(outcome.output, expected, "one instance serves a session");
    }
    session.invoke(CallContext::default(), "trap", json!({})).await.unwrap_err();
    let outcome = session.invoke(CallContext::default(), "count", json!({})).await.unwrap();
    assert_eq!(outcome.output, 1, "a trapped instance is thrown away");
    for _ in 0..2 {
        assert_eq!(fixture.hostile("count", json!({})).await.unwrap().output, 1);
    }
}

/// `CARDINE_CANARIES` tells how many instances look: 300 unless told otherwise.
#[tokio::test]
async fn no_instance_reads_what_another_left_in_memory() {
    let rounds = std::env::var("CARDINE_CANARIES").map_or(300, |rounds| rounds.parse().unwrap());
    let fixture = Fixture::new(Limits::default()).await;
    // Below and above what a place in the pool keeps of its memory.
    for (round, bytes) in (1..=rounds).zip([64 << 10, 200 << 10, 2 << 20].into_iter().cycle()) {
        let mut session = fixture.hostile.session(denied());
        let filled =
            session.invoke(CallContext::default(), "fill", json!({"seed": round, "bytes": bytes})).await.unwrap();
        let words = filled.output.as_u64().unwrap();
        if round <= 3 {
            let own = session.invoke(CallContext::default(), "look", json!({"seed": round})).await.unwrap();
            assert!(own.output.as_u64().unwrap() >= words, "it finds what it has left itself: {}", own.output);
        }
        drop(session);
        assert_eq!(fixture.hostile("look", json!({"seed": round})).await.unwrap().output, 0, "round {round}");
    }
}

#[tokio::test]
async fn a_call_that_was_dropped_leaves_the_session_usable() {
    let fixture = Fixture::new(Limits::default()).await;
    let mut session = fixture.hostile.session(Arc::new(SilentApi));
    let waiting = session.invoke(CallContext::default(), "slow-host", json!({}));
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    let outcome = session.invoke(CallContext::default(), "count", json!({})).await.unwrap();
    assert_eq!(outcome.output, 1);
}

#[tokio::test]
async fn a_batch_answers_each_input() {
    let fixture = Fixture::new(Limits::default()).await;
    let inputs = ["1000", "much", "10000"].map(|amount| json!({"id": "1", "amount": amount}));
    let batch = fixture.neighbour.invoke_batch(CallContext::default(), "score", inputs.to_vec(), denied());
    let outputs = batch.await.unwrap().outputs;
    assert_eq!(outputs[0].as_ref().unwrap(), &json!({"value": 20}));
    assert_eq!(outputs[1].as_ref().unwrap_err().reason, Reason::Invalid);
    assert_eq!(outputs[2].as_ref().unwrap(), &json!({"value": 40}));
}

#[tokio::test]
async fn the_plugin_sees_its_context_its_settings_and_the_time() {
    struct Settings;
    impl HostServices for Settings {
        fn settings(&self) -> Value {
            json!({"threshold": 3})
        }
        fn now_ms(&self) -> f64 {
            1_700_000_000_000.0
        }
    }
    let fixture = Fixture::new(Limits::default()).await;
    let context = CallContext {
        request_id: "r-1".to_owned(),
        user: Some("u-1".to_owned()),
        locale: "it".to_owned(),
        depth: 2,
        ..CallContext::default()
    };
    let call = |function| fixture.hostile.invoke(context.clone(), function, json!({}), Arc::new(Settings));
    let seen = call("context").await.unwrap().output;
    assert_eq!((&seen["plugin"], &seen["tenant"]), (&json!("test-hostile"), &json!("default")));
    assert_eq!(
        (&seen["requestId"], &seen["user"], &seen["locale"], &seen["depth"]),
        (&json!("r-1"), &json!("u-1"), &json!("it"), &json!(2))
    );
    assert_eq!(seen["deadlineMs"], 10_000);
    assert_eq!(call("settings").await.unwrap().output, json!({"threshold": 3}));
    let runtime = call("runtime").await.unwrap().output;
    assert_eq!(runtime["now"], 1_700_000_000_000.0);
    assert_eq!(runtime["random"].as_array().unwrap().len(), 16);
    assert!(runtime["remaining"].as_u64().unwrap() <= 10_000);
    assert_eq!(runtime["uuid"].as_str().unwrap().len(), 36);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_loops_at_once_starve_nobody() {
    let limits = Limits { cpu_ms: 50, ..Limits::default() };
    let fixture = Arc::new(Fixture::new(limits).await);
    let loops: Vec<_> = (0..8)
        .map(|_| {
            let fixture = fixture.clone();
            tokio::spawn(async move { fixture.hostile("loop", json!({})).await.unwrap_err() })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(fixture.score("1000").await, 20);
    }
    for ended in loops {
        let failure = ended.await.unwrap();
        assert_eq!(failure.reason, Reason::Time);
        assert!(failure.bound.unwrap().used <= 100);
    }
}

/// Notes that the API was asked, and never answers.
struct AskedInVain(Arc<Semaphore>);

impl HostServices for AskedInVain {
    fn execute<'a>(
        &'a self,
        _call: &'a CallContext,
        _run_as: port::RunAs,
        _operations: Vec<port::Operation>,
    ) -> Answer<'a, Result<Vec<String>, port::HostError>> {
        self.0.add_permits(1);
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_plugin_that_holds_all_its_turns_at_the_api_holds_up_no_other() {
    let host = PluginHost::new(HostConfig::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/plugin-code"))).unwrap();
    let holder = host.load(&package("test-hostile")).await.unwrap();
    let other = host.load(&package("test-hostile")).await.unwrap();
    let asked = Arc::new(Semaphore::new(0));
    let turns = (std::thread::available_parallelism().unwrap().get() / 2).max(1);
    let mut held = JoinSet::new();
    for _ in 0..turns {
        let (holder, services) = (holder.clone(), Arc::new(AskedInVain(asked.clone())));
        held.spawn(async move { holder.invoke(CallContext::default(), "slow-host", json!({}), services).await });
    }
    let _all = asked.acquire_many(u32::try_from(turns).unwrap()).await.unwrap();
    tokio::select! {
        ended = held.join_next() => panic!("the other waited for a turn until this one ended: {ended:?}"),
        answered = other.invoke(CallContext::default(), "slow-host", json!({}), Arc::new(Watching::default())) => {
            answered.unwrap();
        }
    }
}

/// Holds a guest in a call of the host until the other end of the channel is dropped.
struct Holding {
    began: Notify,
    released: Mutex<mpsc::Receiver<()>>,
}

impl HostServices for Holding {
    fn settings(&self) -> Value {
        self.began.notify_one();
        let _ = self.released.lock().unwrap().recv();
        json!({})
    }
}

#[tokio::test]
async fn a_dropped_call_keeps_its_place_until_its_instance_is_gone() {
    let limits = Limits { concurrent_per_plugin: 1, queue_ms: 300, ..Limits::default() };
    let fixture = Fixture::new(limits).await;
    let (release, released) = mpsc::channel();
    let holding = Arc::new(Holding { began: Notify::new(), released: Mutex::new(released) });
    tokio::select! {
        ended = fixture.hostile.invoke(CallContext::default(), "settings", json!({}), holding.clone()) => panic!("{ended:?}"),
        () = holding.began.notified() => {}
    }
    assert_eq!(fixture.hostile("echo", json!(1)).await.unwrap_err().reason, Reason::Busy);
    drop::<mpsc::Sender<()>>(release);
    // The lane is about to drop the instance, and the place with it.
    while let Err(failure) = fixture.hostile("echo", json!(1)).await {
        assert_eq!(failure.reason, Reason::Busy);
    }
}

/// Tells and notes on which threads it is asked, and how many requests of the API are under way at the same time.
#[derive(Default)]
struct Watching {
    api_threads: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

/// Of this thread; higher means less of the processors.
fn niceness() -> i32 {
    rustix::process::getpriority_process(None).unwrap()
}

impl HostServices for Watching {
    fn settings(&self) -> Value {
        json!({"thread": thread_name(), "niceness": niceness()})
    }

    fn execute<'a>(
        &'a self,
        _call: &'a CallContext,
        _run_as: port::RunAs,
        _operations: Vec<port::Operation>,
    ) -> Answer<'a, Result<Vec<String>, port::HostError>> {
        Box::pin(async {
            self.most.fetch_max(self.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..100 {
                self.api_threads.lock().unwrap().push(thread_name());
                tokio::task::yield_now().await;
            }
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            Ok(vec!["{}".to_owned()])
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_run_at_low_priority_and_are_answered_at_the_servers_own() {
    let fixture = Fixture::new(Limits::default()).await;
    let watching = Arc::new(Watching::default());
    let call = |function| fixture.hostile.invoke(CallContext::default(), function, json!({}), watching.clone());
    let told = call("settings").await.unwrap().output;
    assert!(told["thread"].as_str().unwrap().starts_with("plugin-guest-"), "{told}");
    if cfg!(target_os = "linux") {
        assert_eq!(told["niceness"], (niceness() + 10).min(19));
    }
    call("slow-host").await.unwrap();
    let threads = watching.api_threads.lock().unwrap();
    assert!(threads.len() == 100 && threads.iter().all(|name| !name.starts_with("plugin-")), "{threads:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_at_low_priority_take_turns_at_the_api() {
    let fixture = Arc::new(Fixture::new(Limits::default()).await);
    let watching = Arc::new(Watching::default());
    let calls: Vec<_> = (0..16)
        .map(|_| {
            let (fixture, watching) = (fixture.clone(), watching.clone());
            tokio::spawn(async move {
                fixture.hostile.invoke(CallContext::default(), "slow-host", json!({}), watching).await.unwrap();
            })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
    let turns = (std::thread::available_parallelism().unwrap().get() / 2).max(1);
    assert!(watching.most.load(Ordering::SeqCst) <= turns, "{watching_most:?}", watching_most = watching.most);
    assert_eq!(watching.api_threads.lock().unwrap().len(), 1_600);
}
