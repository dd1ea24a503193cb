//! Whether the time of an answer tells what is hidden: the same is asked of both worlds in turn, and compared by rank. A machine has moods, so
//! what is found is printed and fails nothing.

use std::sync::Arc;
use std::time::Duration;

use cardine_tests::Chance;

use super::diverge::Twins;
use super::generate::{Focus, Generator};
use super::moments::Moments;
use super::pair::Pair;
use super::profile::Profile;
use super::schema::Schema;

/// The medians differ by more than this part of the smaller one.
const PART: f64 = 0.05;
/// How far the sum of ranks is from that of equals, in standard deviations: by chance in one of a thousand cases.
const DEVIATIONS: f64 = 3.29;

/// An operation of each root field that the caller may ask, so many times in each world; tells what takes longer in one of them.
pub async fn differences(twins: &Arc<Twins>, profile: &Profile, seed: u64, times: usize) -> (usize, Vec<String>) {
    let pair = Pair::start(twins, profile, "").await;
    let schema = &Schema::of(&pair.callers[0]).await;
    let (mut chance, mut moments, mut told) = (Chance::new(seed), Moments::after(24), Vec::new());
    let roots: Vec<String> = schema.get("Query").fields.iter().map(|field| field.name.clone()).collect();
    for root in &roots {
        let operation =
            Generator { schema, ids: &twins.ids, chance: &mut chance, lean: &[] }.operation(Focus::Queries(root));
        let mut taken = [Vec::with_capacity(times), Vec::with_capacity(times)];
        for turn in 0..times {
            let moment = moments.next();
            // Who comes second finds the machine awake.
            for world in [turn % 2, 1 - turn % 2] {
                taken[world].push(pair.time(world, &operation, &moment).await);
            }
        }
        let [a, b] = &mut taken;
        if tells_apart(a, b) {
            told.push(format!("{:?} in A and {:?} in B: {operation}", median(a), median(b)));
        }
    }
    pair.end().await;
    (roots.len(), told)
}

/// Whether samples differ by more than a little, and by more than chance.
fn tells_apart(a: &mut [Duration], b: &mut [Duration]) -> bool {
    let (one, other) = (median(a).as_secs_f64(), median(b).as_secs_f64());
    (one - other).abs() > PART * one.min(other) && deviations(a, b).abs() > DEVIATIONS
}

/// Leaves them in order.
fn median(samples: &mut [Duration]) -> Duration {
    samples.sort_unstable();
    samples.get(samples.len() / 2).copied().unwrap_or_default()
}

/// The rank-sum test of Wilcoxon, Mann and Whitney.
fn deviations(a: &[Duration], b: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> =
        a.iter().map(|one| (*one, true)).chain(b.iter().map(|one| (*one, false))).collect();
    all.sort_unstable();
    let mut ranks = 0.0;
    let mut before = 0;
    for equal in all.chunk_by(|one, next| one.0 == next.0) {
        // Equals share their ranks.
        let rank = before as f64 + (equal.len() as f64 + 1.0) / 2.0;
        ranks += rank * equal.iter().filter(|(_, of_a)| *of_a).count() as f64;
        before += equal.len();
    }
    let (of_a, of_b) = (a.len() as f64, b.len() as f64);
    let expected = of_a * (of_a + of_b + 1.0) / 2.0;
    let deviation = (of_a * of_b * (of_a + of_b + 1.0) / 12.0).sqrt();
    if deviation == 0.0 { 0.0 } else { (ranks - expected) / deviation }
}

#[test]
fn samples_are_told_apart_by_more_than_chance_and_a_little() {
    let samples = |from: u64, step: u64| -> Vec<Duration> {
        (0..200).map(|number| Duration::from_micros(from + (number * 37 % 200) * step)).collect()
    };
    let tells = |mut a: Vec<Duration>, mut b: Vec<Duration>| tells_apart(&mut a, &mut b);
    assert!(!tells(samples(1_000, 1), samples(1_000, 1)));
    assert!(!tells(samples(1_000, 1), samples(1_020, 1)), "two in a hundred is a little");
    assert!(tells(samples(1_000, 1), samples(1_150, 1)));
    assert!(tells(samples(1_150, 1), samples(1_000, 1)));
    let few = |from: u64| vec![Duration::from_micros(from), Duration::from_micros(from + 500)];
    assert!(!tells(few(1_000), few(1_400)), "two samples say nothing");
    assert!(!tells(Vec::new(), Vec::new()));
}
