//! Who calls: passwords, tokens, sessions, and what slows down guessing.

pub mod back_off;
pub mod password;
pub mod secret;
mod sign_in;
mod token_cache;

use std::time::{Duration, Instant};

pub use sign_in::{SignInError, Tokens};

use back_off::BackOff;
use password::Passwords;
use token_cache::TokenCache;

/// Everything that authentication keeps in memory.
#[derive(Debug)]
pub struct Auth {
    /// Hashing.
    pub passwords: Passwords,
    back_off: BackOff,
    tokens: TokenCache,
    started: Instant,
}

impl Auth {
    /// With no failures and no tokens known.
    pub fn new() -> Self {
        Self {
            passwords: Passwords::new(),
            back_off: BackOff::default(),
            tokens: TokenCache::default(),
            started: Instant::now(),
        }
    }

    /// Time since the start: never jumps, unlike the time of day.
    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::new()
    }
}
