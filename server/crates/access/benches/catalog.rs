//! What a large catalog costs: time and memory to resolve it, to change it and to give rights over it.
//!
//! `cargo bench -p cardine-access --bench catalog`

#![allow(unsafe_code, reason = "to count what is allocated, one has to be the allocator")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

#[allow(dead_code, unused_imports, reason = "what the bench of the whole server has beside it")]
#[path = "../../../../tests/bench/src/catalog/definitions.rs"]
mod definitions;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cardine_access::{FieldAccess, Grants, ModuleGrant, Rights};
use cardine_model::Catalog;
use cardine_model::definition::ModuleDefinition;
use cardine_model::resolve::{module_documents, parse_document, platform_documents, resolve, resolve_change};
use serde_json::{Value as Json, json};

/// Counts the bytes that are in use, and the most that ever were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: all is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is handed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MODULES: u32 = 500;
const FIELDS: u32 = 40;
const ROUNDS: usize = 9;

fn main() {
    let platform = parsed(&platform_documents());
    let mut texts: Vec<(String, String)> =
        module_documents().iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    texts.extend((0..MODULES).map(|n| (definitions::name(n), definitions::module(n, FIELDS).to_string())));
    println!("{MODULES} modules of {FIELDS} fields beside the built-in ones; KiB kept, KiB more at the most, ms");

    let documents = measured("definitions read", || {
        texts.iter().map(|(_, text)| serde_json::from_str(text).unwrap()).collect::<Vec<ModuleDefinition>>()
    });
    let catalog = measured("all resolved", || resolve(1, &platform, &documents).unwrap());
    drop(documents);
    let changed = |name: &str, change: fn(&mut Vec<Json>)| -> ModuleDefinition {
        let mut document: Json = serde_json::from_str(&catalog.module_by_name(name).unwrap().document).unwrap();
        change(document["fields"].as_array_mut().unwrap());
        parse_document(&document).unwrap()
    };
    let formula = |fields: &mut Vec<Json>| {
        fields.push(json!({"name": "added", "type": "formula", "rule": "amount0 * 3", "returns": "decimal"}));
    };
    let reference = |fields: &mut Vec<Json>| {
        fields.push(json!({"name": "added", "type": "reference", "to": "Thing7", "inverse": "added"}));
    };
    let retype = |fields: &mut Vec<Json>| fields[1]["type"] = json!("decimal");
    for (what, name, change) in [
        ("a formula added", "Thing1", formula as fn(&mut Vec<Json>)),
        ("a reference with an inverse added", "Thing400", reference),
        ("a field's type changed", "Thing3", retype),
    ] {
        let come = [changed(name, change)];
        measured(what, || resolve_change(&catalog, 2, &[name], &come).unwrap());
    }
    let module = [parse_document(&definitions::module(MODULES, FIELDS)).unwrap()];
    measured("a module added", || resolve_change(&catalog, 2, &[], &module).unwrap());
    let clash = [parse_document(
        &json!({"name": "Thing1State4", "plural": "Clashes", "fields": [{"name": "a", "type": "text"}]}),
    )
    .unwrap()];
    measured("a module refused for its name", || resolve_change(&catalog, 2, &[], &clash).unwrap_err());

    measured("rights of an administrator", || {
        Rights::resolve(&catalog, &[&Grants { administrator: true, ..Grants::default() }], true)
    });
    let role = grants(&catalog);
    measured("rights of a role", || Rights::resolve(&catalog, &[&role], true));
}

fn grants(catalog: &Catalog) -> Grants {
    let fields = [("*", FieldAccess::Read), ("amount1", FieldAccess::None)];
    let fields = fields.map(|(name, access)| (name.to_owned(), access)).into();
    let grant = ModuleGrant { read: true, fields, ..ModuleGrant::default() };
    Grants::of(catalog.modules.iter().map(|module| (module.name.as_str(), grant.clone())))
}

fn parsed(documents: &[(&str, &str)]) -> Vec<ModuleDefinition> {
    documents.iter().map(|(_, text)| parse_document(&serde_json::from_str(text).unwrap()).unwrap()).collect()
}

/// Runs it some times, and prints what the last one keeps and the shortest took.
fn measured<T>(what: &str, work: impl Fn() -> T) -> T {
    let mut best = Duration::MAX;
    for _ in 1..ROUNDS {
        let start = Instant::now();
        let result = work();
        best = best.min(start.elapsed());
        drop(result);
    }
    let before = IN_USE.load(Ordering::Relaxed);
    MOST.store(before, Ordering::Relaxed);
    let result = work();
    let kept = IN_USE.load(Ordering::Relaxed) - before;
    let most = MOST.load(Ordering::Relaxed) - before - kept;
    println!("{what:36}{:>10}{:>10}{:>10.2}", kept >> 10, most >> 10, best.as_secs_f64() * 1_000.0);
    result
}
