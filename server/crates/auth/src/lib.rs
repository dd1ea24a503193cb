//! Who calls: passwords, tokens, sessions, and what slows down guessing.

mod forgotten;
pub mod password;
mod peer;
pub mod secret;
mod sign_in;
mod token_cache;

use std::time::{Duration, Instant};

pub use forgotten::ResetError;
pub use peer::Peer;
pub use sign_in::{ConsoleSession, SignInError, Tokens};

use password::Passwords;
use token_cache::TokenCache;

/// Everything that authentication keeps in memory.
#[derive(Debug)]
pub struct Auth {
    /// Hashing.
    pub passwords: Passwords,
    tokens: TokenCache,
    clock: Clock,
}

/// Time since any fixed point: it never jumps, unlike the time of day.
struct Clock(Box<dyn Fn() -> Duration + Send + Sync>);

impl Auth {
    /// With no tokens known.
    pub fn new() -> Self {
        let started = Instant::now();
        Self::with_clock(move || started.elapsed())
    }

    /// As [`Auth::new`], with a clock of the caller's.
    pub fn with_clock(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self { passwords: Passwords::new(), tokens: TokenCache::default(), clock: Clock(Box::new(clock)) }
    }

    fn elapsed(&self) -> Duration {
        (self.clock.0)()
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::new()
    }
}
