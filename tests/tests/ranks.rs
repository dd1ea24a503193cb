//! Crates use only what stands lower: the table of docs/architecture.md, held against `cargo metadata`.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

use std::process::Command;

use cardine_tests::repository;
use serde_json::Value;

/// A crate of ours, its rank, and the crates beside the lower ranks that it may use.
///
/// A crate may use every crate of a lower rank. `None` stands apart from the ranks: it may use, and be used by, only
/// what an entry names.
const RANKS: [Rank; 18] = [
    // What everything above may be made to fail by; it knows nothing of the rest.
    Rank { name: "cardine-failpoints", rank: Some(0), also: &[] },
    Rank { name: "cardine-model", rank: Some(0), also: &[] },
    Rank { name: "cardine-access", rank: Some(1), also: &[] },
    Rank { name: "cardine-query", rank: Some(2), also: &[] },
    Rank { name: "cardine-sql", rank: Some(3), also: &[] },
    Rank { name: "cardine-store", rank: Some(4), also: &["cardine-migrations"] },
    Rank { name: "cardine-engine", rank: Some(5), also: &[] },
    Rank { name: "cardine-graphql", rank: Some(6), also: &[] },
    Rank { name: "cardine-workflow", rank: Some(6), also: &["cardine-plugin-host", "cardine-egress"] },
    Rank { name: "cardine-auth", rank: Some(6), also: &[] },
    Rank { name: "cardine-admin", rank: Some(7), also: &["cardine-plugin-host"] },
    Rank { name: "cardine", rank: Some(8), also: &["cardine-plugin-host", "cardine-egress"] },
    Rank { name: "cardine-egress", rank: None, also: &[] },
    Rank { name: "cardine-plugin-host", rank: None, also: &[] },
    Rank { name: "cardine-migrations", rank: None, also: &[] },
    Rank { name: "cardine-test-postgres", rank: None, also: &[] },
    // The whole-system tests know the server as its users do, so they use nothing of it.
    Rank { name: "cardine-tests", rank: None, also: &["cardine-test-postgres"] },
    // The bench asks the server as its users do; it loads the many records past the API.
    Rank {
        name: "cardine-bench",
        rank: None,
        also: &["cardine-tests", "cardine-model", "cardine-sql", "cardine-store", "cardine-engine"],
    },
];

/// The harness that every crate's tests may use, whatever its rank.
const HARNESS: &str = "cardine-test-postgres";

/// Crates of others that only some of ours may use outside their tests: the ones that reach a database, the network
/// or the WebAssembly runtime.
const GUARDED: [(&str, &[&str]); 13] = [
    ("rusqlite", &["cardine-store", "cardine-bench"]),
    ("tokio-postgres", &["cardine-store", "cardine-tests", "cardine-test-postgres", "cardine-bench"]),
    ("deadpool-postgres", &["cardine-store"]),
    ("sea-orm", &["cardine-store", "cardine-migrations"]),
    ("sea-orm-migration", &["cardine-store", "cardine-migrations"]),
    ("opendal", &["cardine-store"]),
    ("opendal-http-transport-reqwest", &["cardine-store"]),
    ("wasmtime", &["cardine-plugin-host"]),
    ("reqwest", &["cardine-tests"]),
    ("tokio-rustls", &["cardine-egress", "cardine-tests"]),
    ("lettre", &["cardine"]),
    ("poem", &["cardine", "cardine-bench"]),
    (
        // What needs no runtime does no input and output: ranks 0 to 3 are not here.
        "tokio",
        &[
            "cardine-store",
            "cardine-engine",
            "cardine-graphql",
            "cardine-workflow",
            "cardine-auth",
            "cardine-admin",
            "cardine",
            "cardine-plugin-host",
            "cardine-egress",
            "cardine-tests",
            "cardine-test-postgres",
            "cardine-bench",
        ],
    ),
];

struct Rank {
    name: &'static str,
    rank: Option<u32>,
    also: &'static [&'static str],
}

struct Use {
    user: String,
    used: String,
    in_tests: bool,
}

#[test]
fn crates_use_only_lower_ranks() {
    let metadata = cargo_metadata();
    let violations = violations(&uses(&metadata));
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn every_crate_of_the_workspace_has_a_rank() {
    let metadata = cargo_metadata();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        assert!(find(name).is_some(), "{name} has no rank: decide where it stands in RANKS and docs/architecture.md");
    }
}

#[test]
fn a_use_of_a_higher_rank_is_found() {
    assert_eq!(violations(&[used("cardine-model", "cardine-store")]).len(), 1);
    assert_eq!(violations(&[used("cardine-graphql", "cardine-workflow")]).len(), 1, "neighbours are not lower");
    assert_eq!(violations(&[used("cardine-engine", "cardine-plugin-host")]).len(), 1);
    assert_eq!(violations(&[used("cardine-engine", "cardine-migrations")]).len(), 1);
    assert_eq!(violations(&[used("cardine-tests", "cardine-model")]).len(), 1);
    assert_eq!(violations(&[used("cardine-plugin-host", "cardine-model")]).len(), 1);
    assert_eq!(violations(&[used("cardine-store", "cardine-test-postgres")]).len(), 1, "the harness outside tests");
    assert!(
        violations(&[used("cardine-workflow", "cardine-plugin-host"), used("cardine", "cardine-model")]).is_empty()
    );
    assert!(violations(&[Use { in_tests: true, ..used("cardine-store", "cardine-test-postgres") }]).is_empty());
}

#[test]
fn a_use_of_a_guarded_crate_is_found() {
    assert_eq!(violations(&[used("cardine-graphql", "rusqlite")]).len(), 1);
    assert_eq!(violations(&[used("cardine-sql", "tokio")]).len(), 1);
    assert!(violations(&[used("cardine-store", "rusqlite"), used("cardine-sql", "serde")]).is_empty());
    assert!(violations(&[Use { in_tests: true, ..used("cardine-sql", "rusqlite") }]).is_empty());
}

fn violations(uses: &[Use]) -> Vec<String> {
    uses.iter()
        .filter(|each| !is_allowed(each))
        .map(|Use { user, used, .. }| format!("{user} may not use {used}"))
        .collect()
}

fn is_allowed(each: &Use) -> bool {
    if let Some((_, users)) = GUARDED.iter().find(|(guarded, _)| *guarded == each.used) {
        return each.in_tests || users.contains(&each.user.as_str());
    }
    let (Some(user), Some(used)) = (find(&each.user), find(&each.used)) else {
        return !each.used.starts_with("cardine");
    };
    let is_lower = matches!((user.rank, used.rank), (Some(user), Some(used)) if used < user);
    is_lower || user.also.contains(&used.name) || (each.in_tests && used.name == HARNESS)
}

fn find(name: &str) -> Option<&'static Rank> {
    RANKS.iter().find(|rank| rank.name == name)
}

fn used(user: &str, used: &str) -> Use {
    Use { user: user.to_owned(), used: used.to_owned(), in_tests: false }
}

fn uses(metadata: &Value) -> Vec<Use> {
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().flat_map(uses_of).collect()
}

fn uses_of(package: &Value) -> Vec<Use> {
    let dependencies = package["dependencies"].as_array().unwrap();
    let in_tests = |dependency: &Value| dependency["kind"] == "dev";
    dependencies
        .iter()
        .map(|dependency| Use {
            in_tests: in_tests(dependency),
            ..used(package["name"].as_str().unwrap(), dependency["name"].as_str().unwrap())
        })
        .collect()
}

fn cargo_metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(repository::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
