//! Tokens seen in the last second: their owner is not asked of the database again, and a revocation bites within that second.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use cardine_engine::identity::TokenOwner;

use crate::secret::SecretHash;

/// How long an answer of the database is believed. A token revoked by another process is refused after this time.
const BELIEVED: Duration = Duration::from_secs(1);
/// Beyond this many, all are asked of the database again.
const ENTRIES_MAX: usize = 50_000;

/// Owners by token. Time is what the caller says, counted from any fixed point.
#[derive(Debug, Default)]
pub struct TokenCache {
    entries: Mutex<HashMap<SecretHash, (Duration, TokenOwner)>>,
}

impl TokenCache {
    /// The token's owner, if the database said so less than a second ago.
    pub fn get(&self, hash: &SecretHash, now: Duration) -> Option<TokenOwner> {
        let entries = self.entries.lock().expect("nobody panics while looking");
        let (seen, owner) = entries.get(hash)?;
        (now.saturating_sub(*seen) < BELIEVED).then(|| owner.clone())
    }

    /// Keeps what the database said. `asked` is when it was asked, not when it answered: the answer may be that old.
    pub fn put(&self, hash: SecretHash, asked: Duration, owner: TokenOwner) {
        let mut entries = self.entries.lock().expect("nobody panics while looking");
        if entries.len() >= ENTRIES_MAX {
            entries.retain(|_, (seen, _)| asked.saturating_sub(*seen) < BELIEVED);
        }
        if entries.len() < ENTRIES_MAX {
            entries.insert(hash, (asked, owner));
        }
    }

    /// Forgets all, after a revocation in this process.
    pub fn clear(&self) {
        self.entries.lock().expect("nobody panics while looking").clear();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn owner() -> TokenOwner {
        TokenOwner {
            id: Uuid::nil(),
            user: Uuid::nil(),
            expires_at: None,
            last_used_at: None,
            session: None,
            scopes: None,
        }
    }

    fn ms(number: u64) -> Duration {
        Duration::from_millis(number)
    }

    #[test]
    fn an_answer_is_believed_for_less_than_a_second() {
        let cache = TokenCache::default();
        let hash = SecretHash([1; 32]);
        cache.put(hash, ms(500), owner());
        assert!(cache.get(&hash, ms(1499)).is_some());
        assert!(cache.get(&hash, ms(1500)).is_none());
        assert!(cache.get(&SecretHash([2; 32]), ms(500)).is_none());
    }

    #[test]
    fn a_revocation_here_bites_at_once() {
        let cache = TokenCache::default();
        cache.put(SecretHash([1; 32]), ms(0), owner());
        cache.clear();
        assert!(cache.get(&SecretHash([1; 32]), ms(1)).is_none());
    }

    #[test]
    fn memory_is_bounded() {
        let cache = TokenCache::default();
        for number in 0..(ENTRIES_MAX as u64 + 10) {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&number.to_be_bytes());
            cache.put(SecretHash(hash), ms(0), owner());
        }
        assert_eq!(cache.entries.lock().unwrap().len(), ENTRIES_MAX);
    }
}
