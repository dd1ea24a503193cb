//! Twin worlds: two databases that differ only in what a caller must not see answer everything that the caller may ask to the byte
//! alike; and when any check of the server is switched off, they no longer do.
//!
//! The operations are random, from the caller's own schema, seeded; the seed is printed with a difference, and the operation is cut down to
//! what is needed for it. `CARDINE_TWIN_SEED` sets the seed, `CARDINE_TWIN_OPERATIONS` the number of operations for each caller, and
//! `CARDINE_TWIN_CHECK` names the checks that are switched off, in place of all.
//!
//! `CARDINE_TWIN_TIMES` asks an operation of each kind so many times of both worlds in turn, and prints where one of them takes longer.
//!
//! Both servers are told when each request is (the header `cardine-test-moment`, which only a server under test reads), so that
//! times, new ids and cursors are alike too and nothing needs to be made alike before it is compared: status, headers and body.
//! Left out are the headers `date` and `x-request-id`, and the positions of subscriptions, which stand for the number of all changes.
//!
//! Allowed to differ, and so not in the worlds: rollups with scope `ALL`, automatic numbers, unique values and quotas. Two more cannot
//! but differ, and so are alike in both worlds where the caller may write: a record that refers by `RESTRICT` holds back what it refers to,
//! seen or not; and a rule of a module that reads hidden values tells whoever writes whether it holds.
#![allow(clippy::unwrap_used, reason = "in a test a panic is how it fails; clippy sees only functions marked #[test]")]

#[path = "twin/attacks.rs"]
mod attacks;
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
#[path = "twin/times.rs"]
mod times;
#[path = "twin/values.rs"]
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Weak};

use attacks::ATTACKS;
use base::Base;
use cardine_tests::on_both_databases;
use cardine_tests::{Backend, repository};
use checks::{CHECKS, Check};
use diverge::{Twins, twins};
use futures_util::stream::{self, StreamExt as _};
use generate::Focus;
use profile::{PROFILES, Profile};
use run::{Outcome, Run};
use serde_json::json;
use tokio::sync::Mutex;

/// For each caller.
const OPERATIONS: usize = 2_000;
/// Each part has worlds of its own, so that what it writes does not use them up.
const PARTS: usize = 2;
/// Of each caller, beside the operations.
const SUBSCRIPTIONS: usize = 64;
/// How many are tried, in worlds of their own, until a check that is switched off is noticed; of operations and of subscriptions.
const TRIED: (usize, usize) = (300, 24);
/// How many are tried in all.
const TRIED_MAX: usize = 1_500;
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

/// The twins for each profile, by its role.
type Worlds = BTreeMap<&'static str, Arc<Twins>>;

/// Made once for the tests that run at the same time.
async fn worlds(backend: Backend, seed: u64) -> Arc<Worlds> {
    static MADE: [Mutex<Weak<Worlds>>; 2] = [const { Mutex::const_new(Weak::new()) }; 2];
    let mut made = MADE[usize::from(backend == Backend::Postgres)].lock().await;
    if let Some(worlds) = made.upgrade() {
        return worlds;
    }
    let base = Arc::new(Base::build(backend, seed).await);
    let worlds = at_once(PROFILES.iter().map(|profile: &'static Profile| {
        let base = Arc::clone(&base);
        async move { (profile.role, Arc::new(twins(&base, profile, seed).await)) }
    }));
    let worlds = Arc::new(worlds.await.into_iter().collect());
    *made = Arc::downgrade(&worlds);
    worlds
}

/// Does it all, some of it at the same time.
async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(work: impl Iterator<Item = F>) -> Vec<T> {
    let done = stream::iter(work).map(tokio::spawn).buffer_unordered(AT_ONCE);
    done.map(|done| done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))).collect().await
}

on_both_databases! {
    async fn what_is_not_seen_changes_no_answer(backend: Backend) {
        let seed = seed();
        let operations = usize::try_from(setting("CARDINE_TWIN_OPERATIONS", OPERATIONS as u64)).unwrap();
        let worlds = worlds(backend, seed).await;
        let mut runs = Vec::new();
        for part in 0..PARTS {
            for profile in &PROFILES {
                runs.push(Run {
                    twins: Arc::clone(&worlds[profile.role]),
                    profile,
                    points: String::new(),
                    focus: Focus::All,
                    lean: &[],
                    operations: operations.div_ceil(PARTS),
                    subscriptions: SUBSCRIPTIONS / PARTS,
                    seed: seed + 1 + part as u64,
                });
            }
        }
        let outcomes = at_once(runs.into_iter().map(|run| async move { (run.profile.name, run.go().await) })).await;
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
        let times = usize::try_from(setting("CARDINE_TWIN_TIMES", 0)).unwrap();
        for profile in PROFILES.iter().filter(|_| times > 0) {
            let (asked, told) = times::differences(&worlds[profile.role], profile, seed, times).await;
            eprintln!("{}: {} of {asked} operations are told apart by time\n{}", profile.name, told.len(), told.join("\n"));
        }
        // A generator that asks nothing sensible would find nothing.
        let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(|(_, outcome)| count(outcome)).sum::<usize>();
        let done = sum(|outcome| outcome.operations);
        assert!(sum(|outcome| outcome.refused) * 3 < done * 2, "most operations were refused");
        assert!(sum(|outcome| outcome.written) * 200 > done && sum(|outcome| outcome.paged) * 200 > done);
        assert!(sum(|outcome| outcome.followed) > 0);
    }

    async fn each_check_is_missed_when_it_is_switched_off(backend: Backend) {
        let seed = seed();
        let worlds = worlds(backend, seed).await;
        let asked = std::env::var("CARDINE_TWIN_CHECK").unwrap_or_else(|_| "all".to_owned());
        let is_asked = |name: &str| asked == "all" || asked.split(',').any(|one| one == name);
        let checks = CHECKS.iter().filter(|check| is_asked(check.name));
        let tried = checks.map(|check| {
            let twins = Arc::clone(&worlds[check.role]);
            async move { try_without(check, twins, seed + 77).await }
        });
        let tried = at_once(tried).await;
        let faults: Vec<String> = tried.into_iter().filter_map(Result::err).collect();
        assert!(faults.is_empty(), "with CARDINE_TWIN_SEED={seed}:\n{}", faults.join("\n"));
    }

    // What is about changing, and not about telling, is alike in both worlds; or it is no matter of records.
    async fn each_attack_succeeds_without_the_check_that_is_meant_for_it(backend: Backend) {
        assert_eq!(attacks::faults(backend).await, [] as [String; 0]);
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

/// The twins without a check, until they differ; and with it, but without those that do its work too.
async fn try_without(check: &'static Check, twins: Arc<Twins>, seed: u64) -> Result<(), String> {
    let profile = PROFILES.iter().find(|profile| profile.role == check.role).expect("checked below");
    let follows = check.focus == Focus::Changes;
    let run = |off: &[&str], operations: usize| Run {
        twins: Arc::clone(&twins),
        profile,
        points: off.iter().map(|name| format!("{name}=off;")).collect(),
        focus: check.focus,
        lean: check.lean,
        operations: if follows { 0 } else { operations },
        subscriptions: if follows { TRIED.1 } else { 0 },
        seed,
    };
    let outcome = run(&[&[check.name], check.with].concat(), TRIED.0).until_different(TRIED_MAX).await;
    eprintln!("{}: {} operations, {} of the last were refused", check.name, outcome.operations, outcome.refused);
    if outcome.difference.is_none() {
        return Err(format!("nobody noticed that {} was off", check.name));
    }
    if check.with.is_empty() {
        return Ok(());
    }
    match run(check.with, outcome.operations.max(TRIED.0 / 5)).go().await.difference {
        None => Ok(()),
        Some(found) => Err(format!("{:?} being off is noticed without {}: {found}", check.with, check.name)),
    }
}

#[test]
fn every_check_of_the_server_is_switched_off_here() {
    let by_attacks = ATTACKS.iter().map(|attack| attack.check);
    let known: BTreeSet<&str> = CHECKS.iter().map(|check| check.name).chain(by_attacks).collect();
    let sources =
        repository::text_files().into_iter().filter(|(path, _)| path.starts_with("server/") && path.ends_with(".rs"));
    let sources: String = sources.filter(|(path, _)| !path.contains("/failpoints/")).map(|(_, text)| text).collect();
    let found: BTreeSet<&str> =
        sources.split("switched_off!(\"").skip(1).map(|rest| rest.split('"').next().unwrap_or_default()).collect();
    assert_eq!(found, known);
    for check in CHECKS {
        assert!(PROFILES.iter().any(|profile| profile.role == check.role), "{}", check.name);
    }
    let with = CHECKS.iter().flat_map(|check| check.with).chain(ATTACKS.iter().flat_map(|attack| attack.with));
    for name in with {
        assert!(known.contains(name), "{name}");
    }
}
