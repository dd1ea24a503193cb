//! The access decision has a model, a few dozen lines that decide record by record; random companies hold the statements of both
//! databases, the explanations and the lists of who sees what against it.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails; clippy sees only functions marked #[test]")]

mod chance;
mod compare;
mod model;
mod site;
mod world;

use cardine_store::{DatabaseUrl, Options, Store};
use cardine_test_postgres::PostgresDatabase;

use chance::Chance;
use compare::{Compared, Comparison, says_something};
use site::Site;
use world::{Size, World};

/// So many decisions over a caller, a record and an action are compared on each database; `CARDINE_DECISIONS` asks for more.
const DECISIONS: usize = 100_000;

/// `CARDINE_SEED` chooses another one.
const SEED: u64 = 0x0C0F_FEE0_DDBA_11ED;

/// How often a world is changed by what administrators call, and compared again.
const CHANGES: usize = 3;

const LARGE: Size = Size { roles: 7, users: 10, groups: 4, sets: 4, rules: 7, records: 60 };

/// From a disagreement on, smaller worlds are tried: these sizes, each by so many seeds.
const SMALL: [Size; 5] = [
    Size { roles: 1, users: 1, groups: 0, sets: 0, rules: 1, records: 5 },
    Size { roles: 2, users: 2, groups: 1, sets: 1, rules: 1, records: 5 },
    Size { roles: 2, users: 3, groups: 1, sets: 1, rules: 2, records: 10 },
    Size { roles: 3, users: 4, groups: 2, sets: 2, rules: 3, records: 15 },
    Size { roles: 5, users: 6, groups: 3, sets: 2, rules: 5, records: 30 },
];
const SMALL_SEEDS: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_and_sqlite_agree() {
    let folder = tempfile::tempdir().unwrap();
    agree_on(DatabaseUrl::Sqlite(folder.path().join("test.db"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_model_and_postgresql_agree() {
    let started = tokio::task::spawn_blocking(cardine_test_postgres::database).await.unwrap();
    let Some(database): Option<PostgresDatabase> = started else { return };
    agree_on(database.url().parse().unwrap()).await;
}

async fn agree_on(url: DatabaseUrl) {
    let options = Options { sqlite_readers: 2, postgres_connections: 6, ..Options::default() };
    let mut site = Site::new(Store::open(&url, &options).await.unwrap()).await;
    let first = number("CARDINE_SEED").unwrap_or(SEED);
    let wanted = number("CARDINE_DECISIONS").map_or(DECISIONS, |wanted| usize::try_from(wanted).unwrap());
    let (mut all, mut worlds, mut telling) = (Compared::default(), 0_u64, 0);
    while all.records < wanted {
        let seed = first.wrapping_add(worlds);
        match compare(&mut site, seed, LARGE).await {
            Ok((compared, tells)) => {
                all.records += compared.records;
                all.fields += compared.fields;
                telling += u64::from(tells);
            }
            Err(disagreement) => {
                let smaller = shrink(&mut site, seed).await;
                panic!("CARDINE_SEED={seed}\n{disagreement}\n\n{}", smaller.unwrap_or_default());
            }
        }
        worlds += 1;
    }
    println!("{worlds} worlds from CARDINE_SEED={first}: {all:?}");
    assert!(
        telling * 10 > worlds * 9,
        "too few worlds in which some reach a record and some do not: {telling} of {worlds}"
    );
    site.engine.store().shutdown().await;
}

/// Compares one world and what becomes of it; tells also whether some reach a record and some do not.
async fn compare(site: &mut Site, seed: u64, size: Size) -> Result<(Compared, bool), String> {
    let mut chance = Chance::new(seed);
    let mut world = World::random(&mut chance, size);
    let tells = says_something(&world);
    site.install(&world).await;
    let (mut compared, mut changes) = (Compared::default(), Vec::new());
    for round in 0..=CHANGES {
        if round > 0 {
            changes.push(site.change(&mut world, &mut chance).await);
        }
        let mut comparison = Comparison { site, world: &world, compared };
        let outcome = comparison.run(&mut chance).await;
        compared = comparison.compared;
        outcome.map_err(|disagreement| format!("{disagreement}\nafter {changes:?}\nin {world:#?}"))?;
    }
    Ok((compared, tells))
}

/// The smallest world that is found to disagree too.
async fn shrink(site: &mut Site, seed: u64) -> Option<String> {
    for size in SMALL {
        for other in 0..SMALL_SEEDS {
            let seed = seed.wrapping_add(other);
            if let Err(disagreement) = compare(site, seed, size).await {
                return Some(format!("A smaller one, of {size:?}, by seed {seed}:\n{disagreement}"));
            }
        }
    }
    None
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}
