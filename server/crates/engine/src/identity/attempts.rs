//! Slows down guessing: after failures of an account or a network, the next attempt must wait, twice as long each time. All
//! servers of a database count together.

use async_recursion::async_recursion as boxed;
use cardine_store::WriteTx;
use cardine_store::platform::attempts::{
    delete_failures, delete_old_failures, find_failures, put_failures, take_failure_back, take_turns,
};
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::sessions::parse_instant;
use crate::{Engine, EngineError};

/// Failures before an account that is tried from one network must wait: people mistype.
const FREE_PER_PAIR: i64 = 5;
/// From one network over all accounts: an office has one address.
const FREE_PER_NETWORK: i64 = 30;
/// For one account over all networks. High, so that a stranger cannot easily lock somebody out.
const FREE_PER_ACCOUNT: i64 = 100;
/// The longest wait.
const WAIT_MAX: TimeDelta = TimeDelta::minutes(5);
/// Failures older than this are forgotten.
const MEMORY: TimeDelta = TimeDelta::hours(1);

/// Who tries to sign in, from where: what failures are counted for.
#[derive(Debug, Clone)]
pub struct Attempt {
    pair: String,
    network: String,
    account: String,
}

impl Attempt {
    /// `account` is the address as it was typed, in its one form; whether anybody has it makes no difference.
    pub fn new(account: &str, network: &str) -> Self {
        Self {
            pair: key("pair", &[account, network]),
            network: key("network", &[network]),
            account: key("account", &[account]),
        }
    }

    /// In an order of their own, so that attempts that have some of them in common never wait for each other in a circle.
    fn keys(&self) -> [(&str, i64); 3] {
        let mut keys = [
            (self.pair.as_str(), FREE_PER_PAIR),
            (self.network.as_str(), FREE_PER_NETWORK),
            (self.account.as_str(), FREE_PER_ACCOUNT),
        ];
        keys.sort_unstable();
        keys
    }
}

impl Engine {
    /// Begins an attempt, unless it must wait: then it is told how long. It counts as failed until it has succeeded, so that
    /// attempts side by side all count.
    #[boxed]
    pub async fn begin_attempt(&self, attempt: &Attempt, now: DateTime<Utc>) -> Result<Option<TimeDelta>, EngineError> {
        let attempt = attempt.clone();
        let write = self.store().write(move |tx| {
            let attempt = attempt.clone();
            Box::pin(async move { begin(tx, &attempt, now).await })
        });
        write.await
    }

    /// Forgets the failures of an account that has shown its password. Those of the network lose this one attempt alone: who
    /// has one account must not use it to guess at others.
    #[boxed]
    pub async fn end_attempt(&self, attempt: &Attempt) -> Result<(), EngineError> {
        let attempt = attempt.clone();
        let write = self.store().write(move |tx| {
            let attempt = attempt.clone();
            Box::pin(async move {
                for (key, _) in attempt.keys() {
                    take_turns(tx, key).await?;
                }
                delete_failures(tx, &attempt.pair).await?;
                delete_failures(tx, &attempt.account).await?;
                take_failure_back(tx, &attempt.network).await?;
                Ok(())
            })
        });
        write.await
    }

    /// Forgets failures that count no more; gives of how many accounts and networks.
    #[boxed]
    pub async fn delete_old_failures(&self, now: DateTime<Utc>) -> Result<u64, EngineError> {
        let write = self.store().write(move |tx| {
            Box::pin(async move { Ok::<_, EngineError>(delete_old_failures(tx, now - MEMORY).await?) })
        });
        write.await
    }
}

async fn begin(tx: &mut WriteTx, attempt: &Attempt, now: DateTime<Utc>) -> Result<Option<TimeDelta>, EngineError> {
    let mut counted = Vec::new();
    let mut longest = TimeDelta::zero();
    for (key, free) in attempt.keys() {
        take_turns(tx, key).await?;
        let failures = find_failures(tx, key, now - MEMORY).await?;
        let count = failures.as_ref().map_or(0, |failures| failures.count);
        if let Some(failures) = failures {
            longest = longest.max(wait(count, free, parse_instant(&failures.last_at)?, now));
        }
        counted.push((key, count + 1));
    }
    if longest > TimeDelta::zero() {
        return Ok(Some(longest));
    }
    for (key, count) in counted {
        put_failures(tx, key, count, now).await?;
    }
    Ok(None)
}

/// How long must be waited at `now` after so many failures, of which so many are free.
fn wait(count: i64, free: i64, last: DateTime<Utc>, now: DateTime<Utc>) -> TimeDelta {
    if count < free {
        return TimeDelta::zero();
    }
    let wait = TimeDelta::seconds(1 << (count - free).min(16)).min(WAIT_MAX);
    (last + wait - now).max(TimeDelta::zero())
}

/// A digest: of a fixed length, and telling nothing of what was typed.
fn key(kind: &str, parts: &[&str]) -> String {
    let mut digest = Sha256::new_with_prefix(kind);
    for part in parts {
        // Each part with its length, so that no two lists of parts give the same bytes.
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::tests::database::Database;

    const HOME: &str = "192.0.2.1";
    const ELSEWHERE: &str = "192.0.2.2";

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_900_000_000 + seconds, 0).unwrap()
    }

    async fn fail(engine: &Engine, times: u32, account: &str, network: &str) {
        for _ in 0..times {
            // Not through the door, which would not let so many in.
            let attempt = Attempt::new(account, network);
            let counted = engine.store().write(move |tx| {
                let attempt = attempt.clone();
                Box::pin(async move {
                    for (key, _) in attempt.keys() {
                        let count = find_failures(tx, key, at(-1)).await?.map_or(0, |failures| failures.count);
                        put_failures(tx, key, count + 1, at(0)).await?;
                    }
                    Ok::<_, EngineError>(())
                })
            });
            counted.await.unwrap();
        }
    }

    async fn waits(engine: &Engine, account: &str, network: &str, now: DateTime<Utc>) -> i64 {
        engine.begin_attempt(&Attempt::new(account, network), now).await.unwrap().unwrap_or_default().num_seconds()
    }

    #[test]
    fn the_wait_doubles_and_passes() {
        let seconds = |count, now| wait(count, FREE_PER_PAIR, at(0), at(now)).num_seconds();
        assert_eq!([seconds(4, 0), seconds(5, 0), seconds(8, 0), seconds(8, 5), seconds(8, 8)], [0, 1, 8, 3, 0]);
        assert_eq!([seconds(29, 0), seconds(1_000_000, 0)], [WAIT_MAX.num_seconds(); 2]);
    }

    #[test]
    fn keys_tell_nothing_and_differ() {
        let attempt = Attempt::new("ann@example.org", HOME);
        let keys = attempt.keys().map(|(key, _)| key.to_owned());
        assert!(keys.iter().all(|key| key.len() == 64 && !key.contains("ann")));
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert_ne!(key("pair", &["ab", "c"]), key("pair", &["a", "bc"]));
    }

    #[tokio::test]
    async fn each_of_many_attempts_side_by_side_counts() {
        for database in Database::each().await {
            let engine = database.engine().await;
            let attempts = (0..20).map(|_| async { waits(&engine, "ann", HOME, at(0)).await });
            let outcomes = futures_util::future::join_all(attempts).await;
            assert_eq!(outcomes.iter().filter(|wait| **wait == 0).count(), FREE_PER_PAIR as usize);
        }
    }

    #[tokio::test]
    async fn others_are_not_held_up() {
        for database in Database::each().await {
            let engine = database.engine().await;
            fail(&engine, 20, "ann", HOME).await;
            assert!(waits(&engine, "ann", HOME, at(0)).await > 0);
            assert_eq!(waits(&engine, "bob", HOME, at(0)).await, 0);
            assert_eq!(waits(&engine, "ann", ELSEWHERE, at(0)).await, 0);
        }
    }

    #[tokio::test]
    async fn many_accounts_of_one_network_and_many_networks_of_one_account_must_wait() {
        for database in Database::each().await {
            let engine = database.engine().await;
            for number in 0..FREE_PER_NETWORK {
                fail(&engine, 1, &format!("user{number}"), HOME).await;
            }
            assert!(waits(&engine, "fresh", HOME, at(0)).await > 0);
            for number in 0..FREE_PER_ACCOUNT {
                fail(&engine, 1, "ann", &format!("198.51.100.{number}")).await;
            }
            assert!(waits(&engine, "ann", ELSEWHERE, at(0)).await > 0);
        }
    }

    #[tokio::test]
    async fn success_clears_the_account_and_not_the_network() {
        for database in Database::each().await {
            let engine = database.engine().await;
            fail(&engine, 40, "ann", HOME).await;
            engine.end_attempt(&Attempt::new("ann", HOME)).await.unwrap();
            assert_eq!(waits(&engine, "ann", ELSEWHERE, at(0)).await, 0);
            assert!(waits(&engine, "bob", HOME, at(0)).await > 0, "39 failures of the network are left");
        }
    }

    #[tokio::test]
    async fn failures_are_forgotten_after_an_hour() {
        for database in Database::each().await {
            let engine = database.engine().await;
            fail(&engine, 29, "ann", HOME).await;
            assert_eq!(waits(&engine, "ann", HOME, at(3600)).await, 0);
            assert_eq!(waits(&engine, "ann", HOME, at(3600)).await, 0, "counted from one again");
            assert_eq!(engine.delete_old_failures(at(3600 + 3601)).await.unwrap(), 3);
        }
    }
}
