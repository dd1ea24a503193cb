//! Slows down guessing: after failures of an account or an address, the next attempt must wait, twice as long each time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

/// Failures before an account that is tried from one address must wait: people mistype.
const FREE_PER_PAIR: u32 = 5;
/// From one address over all accounts: an office has one address.
const FREE_PER_ADDRESS: u32 = 30;
/// For one account over all addresses. High, so that a stranger cannot easily lock somebody out.
const FREE_PER_ACCOUNT: u32 = 100;
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Failures older than this are forgotten.
const MEMORY: Duration = Duration::from_secs(3600);
/// Entries per table; the oldest is dropped beyond it, so that no attacker fills the memory.
const ENTRIES_MAX: usize = 10_000;

/// The failures of this process. Time is what the caller says, counted from any fixed point.
#[derive(Debug, Default)]
pub struct BackOff {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    pairs: Table<(String, IpAddr)>,
    addresses: Table<IpAddr>,
    accounts: Table<String>,
}

/// Failures in a row by key.
#[derive(Debug)]
struct Table<K>(HashMap<K, Failures>);

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Duration,
}

impl BackOff {
    /// How long the account must still wait at this address; zero if it may be tried now.
    ///
    /// `account` is the address that was typed, folded; whether it exists makes no difference.
    pub fn wait(&self, account: &str, address: IpAddr, now: Duration) -> Duration {
        let tables = self.tables.lock().expect("nobody panics while counting");
        let pair = tables.pairs.wait(&(account.to_owned(), address), FREE_PER_PAIR, now);
        let address = tables.addresses.wait(&address, FREE_PER_ADDRESS, now);
        let account = tables.accounts.wait(&account.to_owned(), FREE_PER_ACCOUNT, now);
        pair.max(address).max(account)
    }

    /// Counts an attempt as failed. It is counted before the password is looked at, so that attempts side by side all count.
    pub fn count_failure(&self, account: &str, address: IpAddr, now: Duration) {
        let mut tables = self.tables.lock().expect("nobody panics while counting");
        tables.pairs.count((account.to_owned(), address), now);
        tables.addresses.count(address, now);
        tables.accounts.count(account.to_owned(), now);
    }

    /// Forgets the failures of an account that signed in. Those of the address lose this one attempt alone: who has one
    /// account must not use it to guess at others.
    pub fn count_success(&self, account: &str, address: IpAddr) {
        let mut tables = self.tables.lock().expect("nobody panics while counting");
        tables.pairs.0.remove(&(account.to_owned(), address));
        tables.accounts.0.remove(account);
        if let Some(failures) = tables.addresses.0.get_mut(&address) {
            failures.count = failures.count.saturating_sub(1);
        }
    }
}

impl<K> Default for Table<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    fn wait(&self, key: &K, free: u32, now: Duration) -> Duration {
        let Some(failures) = self.0.get(key).filter(|failures| now.saturating_sub(failures.last) < MEMORY) else {
            return Duration::ZERO;
        };
        let Some(beyond) = failures.count.checked_sub(free) else { return Duration::ZERO };
        let wait = Duration::from_secs(1 << beyond.min(16)).min(WAIT_MAX);
        (failures.last + wait).saturating_sub(now)
    }

    fn count(&mut self, key: K, now: Duration) {
        if self.0.len() >= ENTRIES_MAX && !self.0.contains_key(&key) {
            self.make_room(now);
        }
        let failures = self.0.entry(key).or_insert(Failures { count: 0, last: now });
        if now.saturating_sub(failures.last) >= MEMORY {
            failures.count = 0;
        }
        failures.count += 1;
        failures.last = now;
    }

    fn make_room(&mut self, now: Duration) {
        self.0.retain(|_, failures| now.saturating_sub(failures.last) < MEMORY);
        if self.0.len() >= ENTRIES_MAX {
            let oldest = self.0.iter().min_by_key(|(_, failures)| failures.last).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                self.0.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn failed(times: u32, account: &str) -> BackOff {
        let back_off = BackOff::default();
        for _ in 0..times {
            back_off.count_failure(account, HOME, at(100));
        }
        back_off
    }

    #[test]
    fn a_few_mistakes_cost_nothing() {
        assert_eq!(failed(4, "ann").wait("ann", HOME, at(100)), Duration::ZERO);
    }

    #[test]
    fn the_wait_doubles_and_passes() {
        assert_eq!(failed(5, "ann").wait("ann", HOME, at(100)), at(1));
        assert_eq!(failed(8, "ann").wait("ann", HOME, at(100)), at(8));
        assert_eq!(failed(8, "ann").wait("ann", HOME, at(105)), at(3));
        assert_eq!(failed(8, "ann").wait("ann", HOME, at(108)), Duration::ZERO);
        assert_eq!(failed(29, "ann").wait("ann", HOME, at(100)), WAIT_MAX);
    }

    #[test]
    fn others_are_not_held_up() {
        let back_off = failed(20, "ann");
        assert_eq!(back_off.wait("bob", HOME, at(100)), Duration::ZERO);
        assert_eq!(back_off.wait("ann", ELSEWHERE, at(100)), Duration::ZERO);
    }

    #[test]
    fn an_address_that_tries_many_accounts_must_wait() {
        let back_off = BackOff::default();
        for number in 0..FREE_PER_ADDRESS {
            back_off.count_failure(&format!("user{number}"), HOME, at(100));
        }
        assert!(back_off.wait("fresh", HOME, at(100)) > Duration::ZERO);
        assert_eq!(back_off.wait("fresh", ELSEWHERE, at(100)), Duration::ZERO);
    }

    #[test]
    fn an_account_that_is_tried_from_many_addresses_must_wait() {
        let back_off = BackOff::default();
        for number in 0..FREE_PER_ACCOUNT {
            back_off.count_failure("ann", IpAddr::from(number.to_be_bytes()), at(100));
        }
        assert!(back_off.wait("ann", ELSEWHERE, at(100)) > Duration::ZERO);
    }

    #[test]
    fn success_clears_the_account_and_not_the_address() {
        let back_off = failed(40, "ann");
        back_off.count_success("ann", HOME);
        assert_eq!(back_off.wait("ann", ELSEWHERE, at(100)), Duration::ZERO);
        assert!(back_off.wait("bob", HOME, at(100)) > Duration::ZERO, "39 failures of the address are left");
    }

    #[test]
    fn failures_are_forgotten_after_an_hour() {
        let back_off = failed(29, "ann");
        assert_eq!(back_off.wait("ann", HOME, at(100 + 3600)), Duration::ZERO);
        back_off.count_failure("ann", HOME, at(100 + 3600));
        assert_eq!(back_off.wait("ann", HOME, at(100 + 3600)), Duration::ZERO, "counted from one again");
    }

    #[test]
    fn memory_is_bounded() {
        let back_off = BackOff::default();
        for number in 0..(ENTRIES_MAX as u32 + 500) {
            back_off.count_failure(
                &format!("user{number}"),
                IpAddr::from(number.to_be_bytes()),
                at(u64::from(number) / 100),
            );
        }
        let tables = back_off.tables.lock().unwrap();
        assert!(tables.accounts.0.len() <= ENTRIES_MAX && tables.pairs.0.len() <= ENTRIES_MAX);
        assert!(tables.accounts.0.contains_key("user10499") && !tables.accounts.0.contains_key("user0"));
    }
}
