//! Twin worlds: two databases that differ only in what a caller must not see answer everything that the caller may ask to the byte
//! alike; and when any check of the server is switched off, they no longer do.
//!
//! The operations are random, from the caller's own schema, seeded; the seed is printed with a difference, and the operation is cut down to
//! what is needed for it. `CARDINE_TWIN_CHECK` names the checks that are switched off, or `all`. `CARDINE_TWIN_SEED` sets the seed, `CARDINE_TWIN_OPERATIONS` the number of operations for each caller.
//!
//! Both servers are told when each request is (the header `cardine-test-moment`, which only a server under test reads), so that
//! times, new ids and cursors are alike too and nothing needs to be made alike before it is compared: status, headers and body.
//! Left out are the headers `date` and `x-request-id`, and the positions of subscriptions, which stand for the number of all changes.
//!
//! Allowed to differ, and so not in the worlds: rollups with scope `ALL`, automatic numbers, unique values and quotas. Two more cannot
//! but differ, and so are alike in both worlds where the caller may write: a record that refers by `RESTRICT` holds back what it refers to,
//! seen or not; and a rule of a module that reads hidden values tells whoever writes whether it holds.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "twin/base.rs"]
mod base;
#[path = "twin/checks.rs"]
mod checks;
#[path = "twin/diverge.rs"]
mod diverge;
#[path = "twin/follow.rs"]
mod follow;
#[path = "twin/generate.rs"]
mod generate;
#[path = "twin/modules.rs"]
mod modules;
#[path = "twin/moments.rs"]
mod moments;
#[path = "twin/operation.rs"]
mod operation;
#[path = "twin/pair.rs"]
mod pair;
#[path = "twin/profile.rs"]
mod profile;
#[path = "twin/run.rs"]
mod run;
#[path = "twin/schema.rs"]
mod schema;
#[path = "twin/shrink.rs"]
mod shrink;
#[path = "twin/values.rs"]
mod values;

use std::collections::{BTreeMap, BTreeSet};

use base::Base;
use cardine_tests::on_both_databases;
use cardine_tests::{Backend, repository};
use checks::{CHECKS, OTHERWISE};
use diverge::{Twins, twins};
use futures_util::stream::{self, StreamExt as _};
use generate::Focus;
use profile::{PROFILES, Profile};
use run::{Outcome, Run};
use serde_json::json;

/// For each caller.
const OPERATIONS: usize = 250;
/// Each part has worlds of its own, so that what it writes does not use them up.
const PARTS: usize = 4;
/// Of each caller, beside the operations.
const SUBSCRIPTIONS: usize = 40;
/// How many are tried until a check that is switched off is noticed.
const TRIED_MAX: usize = 4_000;
/// The checks that are switched off in every run of the tests; `CARDINE_TWIN_CHECK=all` takes all of `twin/checks.rs`.
const NOTICED: &[&str] = &[
    "module.read",
    "field.read",
    "reach.owner",
    "reach.narrowing",
    "record.list",
    "record.groups",
    "record.join",
    "record.search",
];
const SEED: u64 = 0x2026_0615;
/// Pairs of servers at once.
const AT_ONCE: usize = 4;

fn setting(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
        Err(_) => default,
    }
}

fn seed() -> u64 {
    setting("CARDINE_TWIN_SEED", SEED).max(1)
}

async fn all_twins(backend: Backend, seed: u64) -> BTreeMap<&'static str, (&'static Profile, Twins)> {
    let base = &Base::build(backend, seed).await;
    let made = stream::iter(&PROFILES)
        .map(|profile| async move { (profile.role, (profile, twins(base, profile, seed).await)) });
    made.buffer_unordered(AT_ONCE).collect().await
}

on_both_databases! {
    async fn what_is_not_seen_changes_no_answer(backend: Backend) {
        let seed = seed();
        let operations = usize::try_from(setting("CARDINE_TWIN_OPERATIONS", OPERATIONS as u64)).unwrap();
        let worlds = all_twins(backend, seed).await;
        let mut runs = Vec::new();
        for (profile, twins) in worlds.values() {
            for part in 0..PARTS {
                let seed = seed + 1 + part as u64;
                let run = Run { twins, profile, points: "", focus: Focus::All, operations: operations.div_ceil(PARTS), seed };
                runs.push(run);
            }
            runs.push(Run { twins, profile, points: "", focus: Focus::Changes, operations: SUBSCRIPTIONS, seed });
        }
        let outcomes: Vec<(&str, Outcome)> = stream::iter(runs)
            .map(|run| async move { (run.profile.name, run.go().await) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut differences = Vec::new();
        for (name, outcome) in &outcomes {
            if let Some(found) = &outcome.difference {
                differences.push(format!("{name}:\n  {found}"));
            }
            eprintln!(
                "{name}: {} operations, {} of them refused, {} written, {} pages, {} followed",
                outcome.operations, outcome.refused, outcome.written, outcome.paged, outcome.followed
            );
        }
        assert!(differences.is_empty(), "with CARDINE_TWIN_SEED={seed}:\n{}", differences.join("\n"));
        // A generator that asks nothing sensible would find nothing.
        let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(|(_, outcome)| count(outcome)).sum::<usize>();
        let done = sum(|outcome| outcome.operations);
        assert!(sum(|outcome| outcome.refused) * 3 < done * 2, "most operations were refused");
        assert!(sum(|outcome| outcome.written) * 200 > done && sum(|outcome| outcome.paged) * 200 > done);
        assert!(sum(|outcome| outcome.followed) > 0);
    }

    async fn each_check_is_missed_when_it_is_switched_off(backend: Backend) {
        let seed = seed();
        let worlds = all_twins(backend, seed).await;
        let asked = std::env::var("CARDINE_TWIN_CHECK").unwrap_or_else(|_| NOTICED.join(","));
        let is_asked = |name: &str| asked == "all" || asked.split(',').any(|one| one == name);
        let checks = CHECKS.iter().filter(|check| is_asked(check.name));
        let outcomes: Vec<_> = stream::iter(checks)
            .map(|check| {
                let (profile, twins) = &worlds[check.role];
                let off: Vec<String> =
                    [&[check.name], check.with].concat().iter().map(|name| format!("{name}=off")).collect();
                async move {
                    let points = &off.join(";");
                    let run = Run { twins, profile, points, focus: check.focus, operations: TRIED_MAX, seed: seed + 77 };
                    (check, run.until_different().await)
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (check, outcome) in &outcomes {
            eprintln!("{}: {} operations", check.name, outcome.operations);
        }
        let unnoticed: Vec<&str> =
            outcomes.iter().filter(|(_, outcome)| outcome.difference.is_none()).map(|(check, _)| check.name).collect();
        assert!(unnoticed.is_empty(), "with CARDINE_TWIN_SEED={seed} nobody noticed that these were off: {unnoticed:?}");
    }

    // Both were told once: a reference out of sight reads as null, but clearing it counted as a change, and naming what it leads to
    // as none.
    async fn what_a_reference_out_of_sight_leads_to_is_not_told(server: Server) {
        let admin = server.admin().await;
        let fields = json!([{"name": "title", "type": "text"}]);
        admin.create_module(json!({"name": "Vault", "plural": "Vaults", "fields": fields})).await.ok();
        let fields = json!([
            {"name": "title", "type": "text"}, {"name": "vault", "type": "reference", "to": "Vault"},
        ]);
        admin.create_module(json!({"name": "Key", "plural": "Keys", "fields": fields})).await.ok();
        admin.create_role("keeper", None).await;
        for module in ["Key", "Vault"] {
            let rights = json!({"create": true, "read": true, "update": true, "fields": {"*": "WRITE"}});
            admin.set_access("keeper", module, rights).await;
        }
        let keeper = server.create_user_with_role("keeper").await;
        let unseen = admin.create("Vault", json!({"title": "unseen"})).await;
        let keys = keeper.create_many("Key", [json!({"title": "leads"}), json!({"title": "leads not"})]).await;
        base::change(&admin, "Key", &keys[0], json!({"vaultId": unseen}), None).await;
        base::change(&admin, "Key", &keys[1], json!({"title": "leads nowhere"}), None).await;
        for key in &keys {
            let text = "mutation($id: ID!, $vault: ID) { updateKey(id: $id, data: {vaultId: $vault}) { version vaultId } }";
            let cleared = keeper.query_with(text, json!({"id": key, "vault": null})).await;
            assert_eq!(cleared.ok()["updateKey"], json!({"version": 2, "vaultId": null}));
            keeper.query_with(text, json!({"id": key, "vault": unseen})).await.refused("VALIDATION_FAILED");
        }
        let text = "query($id: ID!) { key(id: $id) { vaultId } }";
        let kept = admin.query_with(text, json!({"id": keys[0]})).await;
        assert_eq!(kept.ok()["key"]["vaultId"], unseen, "what is not seen is not cleared");
        let own = keeper.create("Vault", json!({"title": "own"})).await;
        base::change(&admin, "Key", &keys[1], json!({"vaultId": own}), None).await;
        let text = "mutation($id: ID!) { updateKey(id: $id, data: {vaultId: null}) { vaultId version } }";
        let cleared = keeper.query_with(text, json!({"id": keys[1]})).await;
        assert_eq!(cleared.ok()["updateKey"], json!({"version": 4, "vaultId": null}), "what is seen is");
    }
}

#[test]
fn every_check_of_the_server_is_switched_off_here() {
    let known: BTreeSet<&str> =
        CHECKS.iter().map(|check| check.name).chain(OTHERWISE.iter().map(|(name, _)| *name)).collect();
    let sources =
        repository::text_files().into_iter().filter(|(path, _)| path.starts_with("server/") && path.ends_with(".rs"));
    let sources: String = sources.filter(|(path, _)| !path.contains("/failpoints/")).map(|(_, text)| text).collect();
    let found: BTreeSet<&str> =
        sources.split("switched_off!(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
    assert_eq!(found, known);
    for check in CHECKS {
        assert!(check.with.iter().all(|name| known.contains(name)), "{}", check.name);
        assert!(PROFILES.iter().any(|profile| profile.role == check.role), "{}", check.name);
    }
}
