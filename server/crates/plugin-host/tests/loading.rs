//! Loads good and forged packages, and the cache of compiled code.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

mod packages;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use cardine_plugin_host::{
    CallContext, DeniedServices, HostConfig, HostError, Limits, LoadError, Package, PluginHost, Reason, componentize,
};
use packages::package;
use serde_json::{Value, json};

struct Fixture {
    host: PluginHost,
    cache: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let cache = tempfile::tempdir().unwrap();
        let host = start(&cache, limits);
        Self { host, cache }
    }

    async fn refusal(&self, package: &Package) -> LoadError {
        self.host.load(package).await.err().expect("the package must be refused")
    }

    /// The files of compiled code.
    fn compiled(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.cache.path().join("code")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
    }
}

fn start(cache: &tempfile::TempDir, limits: Limits) -> PluginHost {
    let config = HostConfig { limits, ..HostConfig::new(cache.path().join("code")) };
    PluginHost::new(config).unwrap()
}

fn manifest(changes: Value) -> Vec<u8> {
    let mut manifest = json!({"name": "small", "version": "1.0.0", "title": "Small", "api": "0.1"});
    manifest.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    manifest.to_string().into_bytes()
}

/// The interface as the project publishes it.
const WIT: &str = include_str!("../../../../plugins/wit/since_v0_1/cardine-plugin.wit");

/// A small component for the world `base` of `wit`; `parts` is the core module's text, which
/// must export `describe` and may import.
fn component(wit: &str, parts: &str) -> Vec<u8> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_source("cardine-plugin.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("base")).unwrap();
    let mut module = wat::parse_str(format!(
        r#"(module
            {parts}
            (memory (export "memory") 1)
            (func (export "cardine:plugin/lifecycle@0.1.0#notify") (param i32) (result i32) unreachable)
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))"#
    ))
    .unwrap();
    let encoding = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut module, &resolve, world, encoding).unwrap();
    componentize(&module).unwrap()
}

/// A component whose `describe` has this body.
fn with_describe(body: &str) -> Vec<u8> {
    component(WIT, &describe_with(body))
}

fn describe_with(body: &str) -> String {
    format!(r#"(func (export "cardine:plugin/lifecycle@0.1.0#describe") (result i32) {body})"#)
}

/// A component whose `describe` answers with `described`.
fn small(described: &[u8]) -> Vec<u8> {
    component(WIT, &answering(described))
}

fn answering(described: &[u8]) -> String {
    let text: String = described.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let length = described.len();
    let body = format!(
        "(i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const {length})) (i32.const 0)"
    );
    format!(r#"{} (data (i32.const 16) "{text}")"#, describe_with(&body))
}

fn package_of(manifest: &[u8], component: Vec<u8>) -> Package {
    Package::from_parts(manifest, component).unwrap()
}

#[tokio::test]
async fn bounds_that_contradict_each_other_refuse_to_start() {
    let cache = tempfile::tempdir().unwrap();
    let limits = Limits { concurrent_per_plugin: 100, concurrent: 10, ..Limits::default() };
    let config = HostConfig { limits, ..HostConfig::new(cache.path()) };
    assert!(matches!(PluginHost::new(config).err(), Some(HostError::Limits(found)) if found.len() == 1));
}

#[tokio::test]
async fn a_wasi_import_is_refused_by_its_name() {
    let component = wat::parse_str(
        r#"(component (import "wasi:cli/environment@0.2.0" (instance
            (export "get-arguments" (func (result (list string)))))))"#,
    );
    let refusal = Fixture::new().refusal(&package_of(&manifest(json!({})), component.unwrap())).await;
    assert!(refusal.to_string().contains("wasi:cli/environment@0.2.0"), "{refusal}");
    assert!(matches!(refusal, LoadError::Imports(names) if names.len() == 1));
}

#[tokio::test]
async fn an_import_with_another_type_is_refused() {
    let text = manifest(json!({}));
    let clock = |result: &str| format!(r#"(import "cardine:plugin/runtime@0.1.0" "now-ms" (func {result}))"#);
    let fixture = Fixture::new();
    let right = component(WIT, &format!("{} {}", clock("(result f64)"), answering(&text)));
    assert!(fixture.host.load(&package_of(&text, right)).await.is_ok());
    let other_wit = WIT.replace("now-ms: func() -> f64;", "now-ms: func() -> string;");
    let wrong = component(&other_wit, &format!("{} {}", clock("(param i32)"), answering(&text)));
    let refusal = fixture.refusal(&package_of(&text, wrong)).await;
    assert!(matches!(&refusal, LoadError::Interface(text) if text.contains("now-ms")), "{refusal:?}");
}

#[tokio::test]
async fn describe_may_not_call_the_host() {
    let text = manifest(json!({}));
    let calling = component(
        WIT,
        &format!(
            r#"(import "cardine:plugin/runtime@0.1.0" "now-ms" (func $now (result f64))) {}"#,
            describe_with("(drop (call $now)) unreachable"),
        ),
    );
    let refusal = Fixture::new().refusal(&package_of(&text, calling)).await;
    assert!(matches!(&refusal, LoadError::Describe(text) if text.contains("now-ms")), "{refusal:?}");
}

#[tokio::test]
async fn a_component_without_the_lifecycle_is_refused() {
    let component = wat::parse_str("(component)").unwrap();
    let refusal = Fixture::new().refusal(&package_of(&manifest(json!({})), component)).await;
    assert!(matches!(&refusal, LoadError::Interface(text) if text.contains("lifecycle")), "{refusal:?}");
}

#[tokio::test]
async fn functions_that_are_not_exported_are_refused() {
    let text = manifest(json!({"functions": [{"name": "ghost"}]}));
    let described = small(&text);
    let refusal = Fixture::new().refusal(&package_of(&text, described)).await;
    assert!(matches!(&refusal, LoadError::Interface(text) if text.contains("functions")), "{refusal:?}");
}

#[tokio::test]
async fn a_manifest_that_differs_from_describe_is_refused() {
    let honest = package("deal-score");
    let mut forged = honest.manifest().raw().clone();
    forged["permissions"] = json!({"http": {"hosts": ["evil.example.org"]}});
    forged["functions"][0]["name"] = json!("other");
    let forged = package_of(forged.to_string().as_bytes(), honest.component().to_vec());
    let fixture = Fixture::new();
    let refusal = fixture.refusal(&forged).await;
    assert!(
        matches!(&refusal, LoadError::ManifestDiffers(places)
        if places.contains(&"functions.0.name".to_owned()) && places.contains(&"permissions".to_owned())),
        "{refusal}"
    );
    assert!(fixture.host.load(&honest).await.is_ok());
}

#[tokio::test]
async fn extension_points_that_do_not_run_are_refused() {
    let hook = |module: &str, more: serde_json::Value| {
        let mut hook = json!({"module": module, "operation": ["create"], "phase": "after"});
        hook.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"hooks": [hook]})
    };
    for (more, name) in [
        (hook("*", json!({})), "hooks after writes of every module: name the modules"),
        (hook("Deal", json!({"filter": "true"})), "a hook's `filter`"),
        (hook("Deal", json!({"siblings": "account"})), "`siblings` of hooks after writes"),
    ] {
        let text = manifest(more);
        let refusal = Fixture::new().refusal(&package_of(&text, small(&text))).await;
        assert!(matches!(&refusal, LoadError::Unsupported(names) if *names == [name]), "{refusal}");
    }
}

#[tokio::test]
async fn a_plugin_for_a_newer_server_is_refused() {
    let fixture = Fixture::new();
    for (wanted, fits) in [("0.1", true), ("0.1.0", true), ("99.0", false)] {
        let text = manifest(json!({"minServer": wanted}));
        let loaded = fixture.host.load(&package_of(&text, small(&text))).await;
        assert_eq!(loaded.is_ok(), fits, "{wanted}");
    }
}

#[tokio::test]
async fn describe_must_answer_with_json() {
    let text = manifest(json!({}));
    let traps = with_describe("unreachable");
    let fixture = Fixture::new();
    assert!(matches!(fixture.refusal(&package_of(&text, traps)).await, LoadError::Describe(_)));
    let not_json = package_of(&text, small(b"hello"));
    assert!(matches!(fixture.refusal(&not_json).await, LoadError::Describe(_)));
    assert!(fixture.host.load(&package_of(&text, small(&text))).await.is_ok());
}

#[tokio::test]
async fn an_endless_describe_ends() {
    let text = manifest(json!({}));
    let endless = with_describe("(loop (br 0)) unreachable");
    assert!(matches!(Fixture::new().refusal(&package_of(&text, endless)).await, LoadError::Describe(_)));
}

/// The engine is asked for its thread between two operations, however much memory each of them writes; what comes after finds it sound.
#[tokio::test]
async fn operations_on_all_of_memory_end_too() {
    let fill = "(memory.fill (i32.const 0) (i32.const 1) (i32.const 65000000))";
    let copy = "(memory.copy (i32.const 1) (i32.const 0) (i32.const 65000000))";
    let fixture = Fixture::new();
    for operation in [fill, copy] {
        let endless =
            with_describe(&format!("(drop (memory.grow (i32.const 1000))) (loop {operation} (br 0)) unreachable"));
        let refused = fixture.refusal(&package_of(&manifest(json!({})), endless)).await;
        assert!(matches!(refused, LoadError::Describe(_)), "{refused:?}");
        let text = manifest(json!({}));
        assert!(fixture.host.load(&package_of(&text, small(&text))).await.is_ok());
    }
}

#[tokio::test]
async fn what_is_no_valid_component_is_refused() {
    let mut broken = wat::parse_str("(component)").unwrap();
    broken.extend([0xff; 10]);
    let refusal = Fixture::new().refusal(&package_of(&manifest(json!({})), broken)).await;
    assert!(matches!(refusal, LoadError::Compile(_)), "{refusal:?}");
}

/// What no plugin needs is no part of the engine, so that its faults are none of ours.
#[tokio::test]
async fn memory_of_64_bits_threads_and_garbage_collection_are_refused() {
    let refusal = async |module: &str| {
        let component = wat::parse_str(format!("(component (core module {module}))")).unwrap();
        Fixture::new().refusal(&package_of(&manifest(json!({})), component)).await
    };
    let allowed = refusal("(memory 1)").await;
    assert!(!matches!(allowed, LoadError::Compile(_)), "{allowed:?}");
    for module in ["(memory i64 1)", "(memory 1 1 shared)", "(type (struct))"] {
        let refused = refusal(module).await;
        assert!(matches!(refused, LoadError::Compile(_)), "{module}: {refused:?}");
    }
}

#[tokio::test]
async fn what_takes_too_long_to_compile_is_refused() {
    let fixture = Fixture::with_limits(Limits { compile_ms: 1, ..Limits::default() });
    let function =
        "(func (param i32) (result i32) (loop (br_if 0 (local.get 0))) (i32.mul (local.get 0) (i32.const 3)))";
    let bomb = wat::parse_str(format!("(component (core module {}))", function.repeat(3_000))).unwrap();
    let refused = fixture.refusal(&package_of(&manifest(json!({})), bomb)).await;
    assert!(matches!(refused, LoadError::CompileTime { allowed_ms: 1 }), "{refused:?}");
}

/// How a server fares whose compiler is this program.
#[cfg(unix)]
async fn load_with(program: &str) -> Result<(), LoadError> {
    let cache = tempfile::tempdir().unwrap();
    let config = HostConfig { compiler: Some(program.into()), ..HostConfig::new(cache.path().join("code")) };
    PluginHost::new(config).unwrap().load(&package("deal-score")).await.map(|_| ())
}

#[cfg(unix)]
#[tokio::test]
async fn where_no_process_can_be_started_it_is_compiled_in_this_one() {
    load_with("/none/such").await.unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn what_another_program_makes_is_not_trusted() {
    let refused = load_with("true").await.unwrap_err().to_string();
    assert!(refused.contains("what the compiler made is not sound"), "{refused}");
    let refused = load_with("false").await.unwrap_err();
    assert!(matches!(refused, LoadError::Compile(_)), "{refused:?}");
}

#[tokio::test]
async fn a_component_over_the_operators_size_is_refused() {
    let fixture = Fixture::with_limits(Limits { component_bytes: 10_000, ..Limits::default() });
    assert!(matches!(fixture.refusal(&package("deal-score")).await, LoadError::TooLarge { allowed: 10_000, .. }));
}

#[tokio::test]
async fn memory_that_is_too_large_from_the_start_is_refused_at_the_call() {
    let fixture = Fixture::with_limits(Limits { memory_bytes: 65_536, ..Limits::default() });
    // Every Rust component starts with more than one page.
    assert!(matches!(fixture.refusal(&package("deal-score")).await, LoadError::Describe(_)));
}

#[tokio::test]
async fn compiled_code_is_kept_and_used_again() {
    let fixture = Fixture::new();
    fixture.host.load(&package("deal-score")).await.unwrap();
    let [file] = fixture.compiled().try_into().unwrap();
    let written = fs::metadata(&file).unwrap().modified().unwrap();
    start(&fixture.cache, Limits::default()).load(&package("deal-score")).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), written, "it was not compiled anew");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn corrupted_compiled_code_is_compiled_anew_and_never_trusted() {
    let fixture = Fixture::new();
    fixture.host.load(&package("deal-score")).await.unwrap();
    let [file] = fixture.compiled().try_into().unwrap();
    let good = fs::read(&file).unwrap();
    let mut forged = good.clone();
    let middle = forged.len() / 2;
    forged[middle] ^= 0xff;
    for bad in [forged, good[..100].to_vec(), Vec::new()] {
        fs::write(&file, &bad).unwrap();
        let plugin = fixture.host.load(&package("deal-score")).await.unwrap();
        let input = json!({"id": "1", "amount": "1000"});
        let outcome = plugin.invoke(CallContext::default(), "score", input, Arc::new(DeniedServices)).await.unwrap();
        assert_eq!(outcome.output, json!({"value": 20}));
        assert_ne!(fs::read(&file).unwrap(), bad, "the file was written anew");
    }
}

#[tokio::test]
async fn code_under_another_plugins_name_is_not_trusted() {
    let fixture = Fixture::new();
    fixture.host.load(&package("deal-score")).await.unwrap();
    let [victim] = fixture.compiled().try_into().unwrap();
    fixture.host.load(&package("test-hostile")).await.unwrap();
    let attacker = fixture.compiled().into_iter().find(|file| *file != victim).unwrap();
    fs::copy(&attacker, &victim).unwrap();
    let plugin = fixture.host.load(&package("deal-score")).await.unwrap();
    let call = plugin.invoke(CallContext::default(), "trap", json!({}), Arc::new(DeniedServices)).await;
    assert_eq!(call.unwrap_err().reason, Reason::UnknownFunction);
    assert_ne!(fs::read(&victim).unwrap(), fs::read(&attacker).unwrap());
}
